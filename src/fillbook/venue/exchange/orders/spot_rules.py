"""
Whether a spot exchange accepts an order: the checks run in order, and the first failure decides.

Nothing is rounded.  A refusal has the reasons of Coinbase's replies as details: `reason` of a new
order, `preview` of a preview.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.market.matching import Prices, is_reached, stop_sign
from fillbook.venue.exchange.market.spot import PLACES, SpotTerms, currencies
from fillbook.venue.exchange.values import Refused, Ticket

R, BUY, SELL = m.RejectKind, m.OrderSide.BUY, m.OrderSide.SELL
UNKNOWN: Final = "UNKNOWN_FAILURE_REASON"

_SIZE_MAX: Final = Decimal(3_400_000)
_NOTIONAL_MAX: Final = Decimal(150_000_000)
_QUOTE_STEPS: Final = {"USD": Decimal("0.01"), "USDC": Decimal("0.01")}
_LIMIT_FACTOR_MAX: Final = Decimal(100)  #: a limit further from the market is refused


@frozen(kw_only=True)
class SpotContext:
    """The state that the checks read; `free` is what is available of each currency."""

    instrument: m.Instrument
    prices: Prices
    free: Mapping[str, Decimal]
    terms: SpotTerms
    is_blocked: bool
    is_halted: bool


def refused(
    message: str, kind: m.RejectKind, preview: str, reason: str = UNKNOWN, status: int = 200
) -> Refused:
    """Return a refusal with its reasons."""
    return Refused(status, 0, message, kind, {"reason": reason, "preview": preview})


def quote_step(symbol: str) -> Decimal:
    """Return the step of amounts in the quote currency of *symbol*."""
    return _QUOTE_STEPS.get(currencies(symbol)[1], Decimal("0.00000001"))


def _permitted(ticket: Ticket, context: SpotContext) -> None:
    if context.is_blocked:
        reason = "GEOFENCING_RESTRICTION"
        raise refused("the account may not trade", R.PERMISSION, f"PREVIEW_{reason}", reason)


def _tradable(ticket: Ticket, context: SpotContext) -> None:
    if context.is_halted or not context.instrument.tradable:
        reason = "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
        raise refused("the market is halted", R.NOT_NOW, reason, "ORDER_ENTRY_DISABLED")


def _size(ticket: Ticket, context: SpotContext) -> None:
    listed, qty, notional = context.instrument, ticket.qty, ticket.notional
    if (qty is None) == (notional is None):
        message = "orders cannot be placed with empty order sizes"
        raise refused(message, R.QUANTITY, "PREVIEW_INVALID_ORDER_CONFIG")
    if qty is not None:
        if qty != m.cut(qty, listed.qty_increment):
            raise refused(
                "Too many decimals in order amount",
                R.QUANTITY,
                "PREVIEW_INVALID_SIZE_PRECISION",
                "INVALID_SIZE_PRECISION",
            )
        if qty < (listed.min_qty or m.ZERO) or qty <= 0:
            raise refused("too small", R.QUANTITY, "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL")
        if qty > _SIZE_MAX:
            raise refused("too large", R.QUANTITY, "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE")
    if notional is not None:
        if notional != m.cut(notional, quote_step(ticket.symbol)):
            raise refused("precision", R.QUANTITY, "PREVIEW_INVALID_QUOTE_SIZE_PRECISION")
        if ticket.side is SELL:
            raise refused(
                "a sale cannot be sized in the quote",
                R.UNSUPPORTED,
                "PREVIEW_INVALID_ORDER_CONFIG",
                "UNSUPPORTED_ORDER_CONFIGURATION",
            )
    worth = notional if notional is not None else (qty or m.ZERO) * _price(ticket, context)
    if worth < (listed.min_notional or m.ZERO):
        raise refused("too small", R.QUANTITY, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL")
    if worth > _NOTIONAL_MAX:
        raise refused("too large", R.QUANTITY, "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE")


def _price(ticket: Ticket, context: SpotContext) -> Decimal:
    return ticket.limit_price or ticket.take_profit or context.prices.touch(ticket.side)


def _ticks(ticket: Ticket, context: SpotContext) -> None:
    prices = (ticket.limit_price, ticket.stop_price, ticket.take_profit, ticket.stop_loss)
    for price in prices:
        if price is None:
            continue
        if price <= 0:
            raise refused("price", R.PRICE, "PREVIEW_INVALID_LIMIT_PRICE", "INVALID_LIMIT_PRICE")
        if price != m.cut(price, context.instrument.price_increment or PLACES):
            raise refused(
                "Too many decimals in order price",
                R.PRICE,
                "PREVIEW_INVALID_PRICE_PRECISION",
                "INVALID_PRICE_PRECISION",
            )


def _limit(ticket: Ticket, context: SpotContext) -> None:
    limit, touch = ticket.limit_price, context.prices.touch(ticket.side)
    if limit is None or ticket.stop_price is not None:
        return
    if ticket.post_only and (limit - touch) * ticket.side.sign >= 0:
        raise refused(
            "a post-only order would trade at once",
            R.PRICE,
            "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
            "INVALID_LIMIT_PRICE_POST_ONLY",
        )
    if limit * _LIMIT_FACTOR_MAX < touch or limit > touch * _LIMIT_FACTOR_MAX:
        raise refused(
            "the limit is too far from the market",
            R.PRICE,
            "PREVIEW_LIMIT_PRICE_TOO_FAR_FROM_MARKET",
            "LIMIT_PRICE_TOO_FAR_FROM_MARKET",
        )


def _stop(ticket: Ticket, context: SpotContext) -> None:
    """Refuse a stop that the market has passed, or a limit on the wrong side of it."""
    stop, limit, prices = ticket.stop_price, ticket.limit_price, context.prices
    if stop is None or limit is None:
        return
    if is_reached(ticket, stop, prices):
        where = "BELOW" if stop_sign(ticket) > 0 else "ABOVE"
        raise refused("", R.PRICE, f"PREVIEW_STOP_PRICE_{where}_LAST_TRADE_PRICE")
    if (limit - stop) * ticket.side.sign < 0 and not ticket.stops_in_profit:
        where = "ABOVE" if ticket.side is BUY else "BELOW"
        raise refused("", R.PRICE, f"PREVIEW_STOP_PRICE_{where}_LIMIT_PRICE")


def _bracket(ticket: Ticket, context: SpotContext) -> None:
    if ticket.order_class is not m.OrderClass.OCO:
        return
    if ticket.side is BUY:
        # A spot account has no short position that a bracket could close.
        raise refused("a bracket is a sale", R.INPUT, "PREVIEW_INVALID_BRACKET_ORDER_SIDE")
    profit, stop, prices = ticket.take_profit, ticket.stop_loss, context.prices
    if profit is None or stop is None:
        raise refused("", R.UNSUPPORTED, "PREVIEW_INVALID_BRACKET_PRICES", "INVALID_BRACKET_PRICES")
    sign = ticket.side.sign
    if (stop - prices.touch(ticket.side)) * sign <= 0 or (profit - stop) * sign >= 0:
        raise refused(
            "the prices of the bracket are on the wrong side of the market",
            R.PRICE,
            "PREVIEW_INVALID_BRACKET_PRICES",
            "INVALID_BRACKET_PRICES",
        )


def _funds(ticket: Ticket, context: SpotContext) -> None:
    base, quote = currencies(ticket.symbol)
    currency = base if ticket.side is SELL else quote
    needed = ticket.qty or m.ZERO
    if ticket.side is BUY:
        needed = ticket.notional or needed * _price(ticket, context) * (
            1 + context.terms.fee_rate(ticket)
        )
    if needed > context.free.get(currency, m.ZERO):
        if ticket.order_class is m.OrderClass.OCO:
            preview = "PREVIEW_BRACKET_ORDER_SIZE_EXCEEDS_POSITION"
            raise refused("the position is smaller", R.QTY_HELD, preview)
        raise refused(
            "Insufficient balance in source account",
            R.FUNDS,
            "PREVIEW_INSUFFICIENT_FUND",
            "INSUFFICIENT_FUND",
        )


_GUARDS: Final[tuple[Callable[[Ticket, SpotContext], None], ...]] = (
    _permitted,
    _tradable,
    _ticks,
    _size,
    _limit,
    _stop,
    _bracket,
    _funds,
)


def check(ticket: Ticket, context: SpotContext) -> None:
    """Run all checks.  Raises: Refused, from the first that fails."""
    for guard in _GUARDS:
        guard(ticket, context)
