"""
Whether the exchange accepts an order: the checks run in order, and the first failure decides.

Each check receives the ticket and a `CheckContext`, and raises `Refused` with the messages,
statuses and codes of Alpaca's error bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import time
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.account.funds import Funds
from fillbook.venue.exchange.kinds import AUCTION_CUTOFFS, SUPPORTED, OrderSort
from fillbook.venue.exchange.market.matching import (
    LIMIT_TYPES,
    Prices,
    is_wash_checked,
    limit_of,
    reserve_price,
    tick_at,
)
from fillbook.venue.exchange.values import Configurations, OrderVersion, Refused, Ticket

T, C, K, R = m.OrderType, m.OrderClass, m.TimeInForce, m.RejectKind
BUY, SELL = m.OrderSide.BUY, m.OrderSide.SELL

_CRYPTO_NOTIONAL_MIN: Final = Decimal(10)
_LEVERAGE_MAX: Final = 6
_QTY_STEP: Final = Decimal("0.000000001")


@frozen(kw_only=True)
class CheckContext:
    """The state that the checks of an order read."""

    instrument: m.Instrument
    prices: Prices
    wash_candidates: Sequence[OrderVersion]  #: see `RestingOrders.wash_candidates`
    is_blocked: bool  #: the broker blocks trading
    configurations: Configurations
    new_york_time: time  #: the time of day in New York
    enforces_intent: bool  #: an order may not open a position if it says that it closes one
    position: Decimal  #: signed units
    reserved_qty: Decimal  #: units that open orders of this side reserve
    reserving_ids: Callable[[], Sequence[str]]  #: the ids of these orders or their groups
    funds: Funds

    @property
    def is_crypto(self) -> bool:
        return self.instrument.asset_class is m.AssetClass.CRYPTO


Guard = Callable[[Ticket, CheckContext], None]


def check(ticket: Ticket, context: CheckContext, guards: Sequence[Guard] | None = None) -> None:
    """Run the *guards* (None: all) on *ticket*.  Raises: Refused, from the first that fails."""
    for guard in GUARDS if guards is None else guards:
        guard(ticket, context)


def requested_units(ticket: Ticket, prices: Prices) -> Decimal:
    """Return the requested units; for a notional, at the current price."""
    if ticket.qty is not None:
        return ticket.qty
    return m.cut((ticket.notional or m.ZERO) / prices.touch(ticket.side), _QTY_STEP)


def bad(message: str, kind: m.RejectKind = R.INPUT, code: int = 42210000) -> Refused:
    """Return the refusal of invalid input: 422."""
    return Refused(422, code, message, kind)


def denied(
    message: str,
    kind: m.RejectKind,
    details: Mapping[str, str | list[str]] | None = None,
) -> Refused:
    """Return the refusal of a valid request that is not allowed: 403."""
    return Refused(403, 40310000, message, kind, details)


def _permitted(ticket: Ticket, context: CheckContext) -> None:
    if context.is_blocked:
        raise denied("account is not authorized to trade", R.PERMISSION)
    if context.configurations.suspend_trade:
        raise denied("new orders are rejected by user request", R.PERMISSION)


def _size(ticket: Ticket, context: CheckContext) -> None:
    if (ticket.qty is None) == (ticket.notional is None):
        raise bad("qty or notional is required", R.QUANTITY, 40010001)
    size = ticket.qty if ticket.qty is not None else ticket.notional
    if size is None or size <= 0:
        raise bad("qty must be > 0", R.QUANTITY, 40010001)
    if ticket.notional is not None and ticket.notional != m.cut(ticket.notional, Decimal("0.01")):
        raise bad("notional value must be limited to 2 decimal places", R.QUANTITY)
    if ticket.qty is not None and ticket.qty != m.cut(ticket.qty, _QTY_STEP):
        raise bad("qty must be limited to 9 decimal places", R.QUANTITY)


def _tradable(ticket: Ticket, context: CheckContext) -> None:
    if not context.instrument.tradable:
        raise bad(f'asset "{ticket.symbol}" is not tradable', R.INSTRUMENT)


def _kind(ticket: Ticket, context: CheckContext) -> None:
    supported, prefix = (
        (SUPPORTED[OrderSort.CRYPTO], "crypto ")
        if context.is_crypto
        else (SUPPORTED[OrderSort.WHOLE], "")
    )
    if ticket.type not in supported:
        raise bad(f"invalid order type for {prefix}order", R.UNSUPPORTED, 40010001)
    if ticket.time_in_force not in supported[ticket.type]:
        raise bad(f"invalid {prefix}time_in_force", R.UNSUPPORTED)
    if ticket.order_class is C.OCO:
        return  # the exits of an OCO have its prices
    needed = m.PRICES[ticket.type]
    if ticket.type is T.TRAILING_STOP:  # it has one of the two
        needed = frozenset({"trail_percent" if ticket.trail_price is None else "trail_price"})
    for name in ("limit_price", "stop_price", "trail_price", "trail_percent"):
        if (getattr(ticket, name) is not None) != (name in needed):
            verb = "require" if name in needed else "must not have a"
            raise bad(f"{ticket.type} orders {verb} {name.replace('_', ' ')}", R.PRICE, 40010001)


def _auction(ticket: Ticket, context: CheckContext) -> None:
    since, until = AUCTION_CUTOFFS.get(ticket.time_in_force, (time.max, time.max))
    if since <= context.new_york_time < until:
        name = ticket.time_in_force
        raise bad(
            f"{name} orders are not accepted between {since:%H:%M} and {until:%H:%M}", R.NOT_NOW
        )


def _fraction(ticket: Ticket, context: CheckContext) -> None:
    whole = ticket.qty is not None and ticket.qty == ticket.qty.to_integral_value()
    if whole or context.is_crypto:
        return
    if not context.configurations.fractional_trading:
        raise denied("account is not allowed to trade fractions", R.PERMISSION)
    if not context.instrument.fractionable:
        raise denied(f'asset "{ticket.symbol}" is not fractionable', R.QUANTITY)
    if ticket.order_class is not C.SIMPLE:
        raise bad("fractional orders must be simple orders", R.UNSUPPORTED)
    if ticket.type not in SUPPORTED[OrderSort.FRACTION]:
        message = "fractional orders must be market, limit, stop, or stop_limit orders"
        raise bad(message, R.UNSUPPORTED)
    if ticket.time_in_force not in SUPPORTED[OrderSort.FRACTION][ticket.type]:
        raise bad("fractional orders must be DAY orders", R.UNSUPPORTED)
    if ticket.side is SELL and context.position <= 0:
        raise bad(f'asset "{ticket.symbol}" cannot be sold short', R.NO_POSITION)


def _extended(ticket: Ticket, context: CheckContext) -> None:
    if not ticket.extended_hours or context.is_crypto:
        return
    if ticket.time_in_force not in SUPPORTED[OrderSort.EXTENDED].get(ticket.type, ()):
        raise bad("extended hours order must be DAY or GTC limit orders", R.UNSUPPORTED)
    if ticket.order_class is not C.SIMPLE:
        raise bad("extended hours order must be simple orders", R.UNSUPPORTED)


_EXITS: Final = {C.SIMPLE: (0, 0), C.OTO: (1, 1), C.BRACKET: (2, 2), C.OCO: (2, 2)}


def _class(ticket: Ticket, context: CheckContext) -> None:
    if ticket.order_class not in _EXITS:
        raise bad("invalid order class", R.UNSUPPORTED)
    order_class = ticket.order_class
    least, most = _EXITS[order_class]
    exits = (ticket.take_profit is not None) + (ticket.stop_loss is not None)
    if order_class is not C.SIMPLE and context.is_crypto:
        raise bad(
            "crypto orders not allowed for advanced order_class: " + order_class, R.UNSUPPORTED
        )
    if order_class is not C.SIMPLE and ticket.type is T.TRAILING_STOP:
        raise bad("trailing stop orders must be simple orders", R.UNSUPPORTED)
    if order_class is not C.SIMPLE and ticket.time_in_force not in (K.DAY, K.GTC):
        raise bad(f"{order_class} orders must be DAY or GTC orders", R.UNSUPPORTED)
    if exits < least:
        missing = "stop_loss.stop_price" if ticket.stop_loss is None else "take_profit.limit_price"
        raise bad(f"{order_class} orders require {missing}", R.UNSUPPORTED)
    if exits > most:
        raise bad(f"{order_class} orders take no more than {most} exits", R.UNSUPPORTED)
    if order_class in (C.BRACKET, C.OTO) and context.position * ticket.side.sign < 0:
        raise bad(f"{order_class} orders must be entry orders", R.UNSUPPORTED)
    if order_class is C.OCO:
        if ticket.type is not T.LIMIT:
            raise bad("oco orders must be limit orders", R.UNSUPPORTED)
        if context.position * ticket.side.sign >= 0:
            raise bad("oco orders must be exit orders", R.UNSUPPORTED)


def _ticks(ticket: Ticket, context: CheckContext) -> None:
    prices = {
        "limit_price": ticket.limit_price,
        "stop_price": ticket.stop_price,
        "trail_price": ticket.trail_price,
        "take_profit.limit_price": ticket.take_profit,
        "stop_loss.stop_price": ticket.stop_loss,
        "stop_loss.limit_price": ticket.stop_loss_limit,
    }
    for name, price in prices.items():
        if price is None:
            continue
        if price <= 0:
            raise bad(f"{name} must be > 0", R.PRICE)
        if price != m.cut(price, tick_at(price, context.instrument.price_increment)):
            raise bad(
                f"invalid {name} {m.plain(price)}. sub-penny increment does not fulfill"
                " minimum pricing criteria",
                R.PRICE,
            )


def _trail(ticket: Ticket, context: CheckContext) -> None:
    if ticket.trail_percent is not None and not 0 < ticket.trail_percent < 100:
        raise bad("trail_percent must be between 0 and 100", R.PRICE)


def _stops(ticket: Ticket, context: CheckContext) -> None:
    _beyond(ticket.stop_price, ticket.side, context.prices)
    if ticket.order_class is C.SIMPLE or ticket.stop_loss is None:
        return
    is_exit = ticket.order_class is C.OCO
    side = ticket.side if is_exit else (SELL if ticket.side is BUY else BUY)
    base = ticket.take_profit if is_exit else (limit_of(ticket) or context.prices.mid)
    if base is not None and (base - ticket.stop_loss) * -side.sign < Decimal("0.01"):
        message = "stop price must be at least 0.01 beyond the base price"
        raise Refused(422, 42210000, message, R.PRICE, {"base_price": m.plain(base)})


def _beyond(stop: Decimal | None, side: m.OrderSide, prices: Prices) -> None:
    market = prices.touch(side)
    if stop is None or (stop - market) * side.sign > 0:
        return
    comparison = "greater" if side is BUY else "less"
    raise Refused(
        422,
        42210000,
        f"stop price must be {comparison} than current price",
        R.PRICE,
        {"market_price": m.plain(market), "stop_price": m.plain(stop)},
    )


def _minimum(ticket: Ticket, context: CheckContext) -> None:
    if not context.is_crypto:
        if ticket.notional is not None and ticket.notional < 1:
            raise denied("cost basis must be >= minimal amount of order 1", R.QUANTITY)
        return
    price = limit_of(ticket) or context.prices.touch(ticket.side)
    basis = ticket.notional if ticket.notional is not None else price * (ticket.qty or m.ZERO)
    if basis < _CRYPTO_NOTIONAL_MIN:
        raise denied(
            "cost basis must be >= minimal amount of order 10",
            R.QUANTITY,
            {"cost_basis": m.plain(basis)},
        )


def _wash(ticket: Ticket, context: CheckContext) -> None:
    """
    Refuse an order that might trade with another of the account (a wash trade).

    Orders of a group and trailing stops are exempt.

    Source: https://docs.alpaca.markets/docs/user-protection.
    """
    if not is_wash_checked(ticket):
        return
    for order in context.wash_candidates:
        reason = "opposite side market/stop order exists"
        if ticket.type in LIMIT_TYPES and order.type in LIMIT_TYPES:
            ours, theirs = ticket.limit_price or m.ZERO, order.limit_price or m.ZERO
            buy, sell = (ours, theirs) if ticket.side is BUY else (theirs, ours)
            if buy < sell:
                continue
            reason = "opposite side limit order exists. use complex/limit/stop_limit orders"
        raise denied(
            "potential wash trade detected. use complex orders",
            R.WASH_TRADE,
            {"reject_reason": reason, "existing_order_id": order.id},
        )


def _units(ticket: Ticket, context: CheckContext) -> None:
    """Refuse a closing order for more than the units that no other order reserves."""
    requested = requested_units(ticket, context.prices)
    existing = max(m.ZERO, -ticket.side.sign * context.position)
    available = max(m.ZERO, existing - context.reserved_qty)
    if context.is_crypto:
        if ticket.side is SELL and requested > available:
            base = ticket.symbol.partition("/")[0]
            raise denied(
                f"insufficient balance for {base} (requested: {m.plain(requested)},"
                f" available: {m.plain(available)})",
                R.QTY_HELD if existing else R.NO_POSITION,
            )
    elif existing and requested > available:
        raise denied(
            f"insufficient qty available for order (requested: {m.plain(requested)},"
            f" available: {m.plain(available)})",
            R.QTY_HELD,
            {
                "available": m.plain(available),
                "existing_qty": m.plain(existing),
                "held_for_orders": m.plain(context.reserved_qty),
                "related_orders": list(context.reserving_ids()),
                "symbol": ticket.symbol,
            },
        )


def _short(ticket: Ticket, context: CheckContext) -> None:
    if ticket.side is BUY or context.is_crypto or context.position > 0:
        return
    if context.funds.multiplier == 1 or context.configurations.no_shorting:
        raise denied("account is not allowed to short", R.PERMISSION)
    if not context.instrument.shortable:
        raise bad(f'asset "{ticket.symbol}" cannot be sold short', R.NO_POSITION)


def _leverage(ticket: Ticket, context: CheckContext) -> None:
    """Accept only closing orders if the positions exceed six times the equity."""
    held = context.funds.long_value - context.funds.short_value
    if held > _LEVERAGE_MAX * context.funds.equity and not _closes(ticket, context):
        raise denied("account is restricted to closing orders only", R.PERMISSION)


def _closes(ticket: Ticket, context: CheckContext) -> bool:
    is_crypto_sale = context.is_crypto and ticket.side is SELL
    return -ticket.side.sign * context.position > 0 or is_crypto_sale


def _intent(ticket: Ticket, context: CheckContext) -> None:
    closes = _closes(ticket, context)
    if ticket.closes is None or ticket.closes is closes or not context.enforces_intent:
        return
    inferred, specified = ("close", "open") if closes else ("open", "close")
    raise bad(
        f"position intent mismatch, inferred: {ticket.side}_to_{inferred}, "
        f"specified: {ticket.side}_to_{specified}",
        R.NO_POSITION,
    )


def _money(ticket: Ticket, context: CheckContext) -> None:
    if _closes(ticket, context):
        return
    price = reserve_price(ticket, context.prices)
    cost = ticket.notional if ticket.notional is not None else price * (ticket.qty or m.ZERO)
    power = context.funds.non_marginable if context.is_crypto else context.funds.buying_power
    if cost > power:
        raise denied(
            "insufficient buying power",
            R.FUNDS,
            {"buying_power": m.plain(power), "cost_basis": m.plain(cost)},
        )


#: The checks of a new order, in order.
GUARDS: Final[tuple[Guard, ...]] = (
    _permitted,
    _size,
    _tradable,
    _kind,
    _auction,
    _fraction,
    _extended,
    _class,
    _ticks,
    _trail,
    _stops,
    _minimum,
    _intent,
    _wash,
    _units,
    _short,
    _leverage,
    _money,
)

#: The checks of the new order of a replace, and those of a replaced exit, which reserves
#: nothing of its own.
SUCCESSOR_GUARDS: Final = (
    _permitted,
    _size,
    _kind,
    _auction,
    _fraction,
    _extended,
    _ticks,
    _trail,
    _stops,
    _wash,
    _units,
    _money,
)
EXIT_GUARDS: Final = (_permitted, _size, _kind, _ticks, _stops)
