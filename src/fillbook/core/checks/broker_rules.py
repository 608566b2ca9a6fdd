"""
Checks of the broker's rules: order types, trading hours, instruments, quantities, prices.

They deny only orders that the broker is known to reject or to cancel at once.  Where a value
was not observed, the order passes and the broker decides.  `core.checks` holds the order of
all checks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import CheckContext
from fillbook.core.checks.figures import is_wide, quote_money
from fillbook.core.checks.rounding import tick_size
from fillbook.core.symbol_names import sentence_of_similar
from fillbook.model import Reason, ReasonCode

_IMMEDIATE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})
_ENTRY_CLASSES: Final = frozenset({m.OrderClass.BRACKET, m.OrderClass.OTO})


def market_open(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny what the broker would reject or cancel at this hour; crypto trades at all hours."""
    if context.session is None or context.is_crypto(request):
        return None
    time_in_force, opens = request.time_in_force, context.session.opens
    if time_in_force in _IMMEDIATE and not context.is_open:
        when = m.timestamp(opens)[:16] + "Z"
        return Reason(
            ReasonCode.MARKET_CLOSED,
            f"the market is closed until {when}, and the broker would cancel an {time_in_force} "
            "order at once; send it then, or as a day order",
            (("opens_at", m.timestamp(opens)),),
        )
    for auction in context.capabilities.auctions:
        closes_at, reopens_at = opens + auction.shut, opens + auction.opens_again
        if time_in_force is auction.time_in_force and closes_at <= context.now < reopens_at:
            when = m.timestamp(reopens_at)[:16] + "Z"
            return Reason(
                ReasonCode.MARKET_CLOSED,
                f"the broker accepts no {time_in_force} order until {when}; send it then",
                (("taken_from", m.timestamp(reopens_at)),),
            )
    return None


def supported(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny what the broker does not support; fillbook does not emulate it."""
    can = context.capabilities
    if context.listed is not None and context.listed.asset_class is m.AssetClass.OPTION:
        return Reason(
            ReasonCode.UNSUPPORTED,
            f"fillbook sends no orders for options, and {request.symbol} is one",
            (("what", "options"),),
        )
    is_fractional = request.qty is not None and not _is_whole_units(request)
    requirements = (
        (request.type in can.order_types, f"{request.type} orders"),
        (request.time_in_force in can.times_in_force, f"time in force {request.time_in_force}"),
        (request.order_class in can.order_classes, f"{request.order_class} orders"),
        (request.notional is None or can.notional, "orders by notional"),
        (not request.extended_hours or can.extended_hours, "extended hours"),
        (not request.post_only or can.post_only, "post-only orders"),
        (not is_fractional or can.fractional, "fractions of a share"),
    )
    for is_supported, what in requirements:
        if not is_supported:
            return _unsupported(what)
    if not _is_combination_supported(request, context):
        return _unsupported(_combination(request, context), _alternatives(request, context))
    return None


def _unsupported(what: str, alternatives: str = "") -> Reason:
    message = f"the broker does not support {what}{alternatives}"
    return Reason(ReasonCode.UNSUPPORTED, message, (("what", what),))


def is_taken(
    request: m.OrderRequest,
    capabilities: m.Capabilities,
    instrument: m.Instrument | m.Absent | None,
    pair: m.Pair | None,
) -> bool:
    """Return whether the broker takes *request*, as far as its rules are declared."""
    context = CheckContext(
        now=datetime.min.replace(tzinfo=UTC),  # these rules do not depend on the time
        capabilities=capabilities,
        instrument=instrument,
        pair=pair,
    )
    return supported(request, context) is None


def _is_combination_supported(request: m.OrderRequest, context: CheckContext) -> bool:
    """Return whether the broker accepts this combination of type, time in force and class."""
    rows = _rows_of_sort(request, context)
    return not rows or any(
        request.time_in_force in row.times_in_force for row in _of_kind(request, rows)
    )


def _rows_of_sort(request: m.OrderRequest, context: CheckContext) -> list[m.Takes]:
    sort = _order_sort(request, context)
    return [row for row in context.capabilities.takes if row.sort is sort]


def _of_kind(request: m.OrderRequest, rows: Sequence[m.Takes]) -> list[m.Takes]:
    """Return the rows of the type and the class of *request*."""
    order_type = m.OrderType.LIMIT if request.order_class is m.OrderClass.OCO else request.type
    return [x for x in rows if order_type in x.types and request.order_class in x.classes]


def _alternatives(request: m.OrderRequest, context: CheckContext) -> str:
    """Return which times in force, or else which types, the broker takes of such an order."""
    rows = _rows_of_sort(request, context)
    if times := {x for row in _of_kind(request, rows) for x in row.times_in_force}:
        return f"; it takes them with {', '.join(sorted(times))}"
    if _order_sort(request, context) is m.OrderSort.FRACTION:
        return "; give a whole quantity"
    types = {x for row in rows if request.order_class in row.classes for x in row.types}
    return f"; it takes {', '.join(sorted(types))} orders" if types else ""


def _order_sort(request: m.OrderRequest, context: CheckContext) -> m.OrderSort:
    if context.is_crypto(request):
        return m.OrderSort.COIN
    if request.extended_hours:
        return m.OrderSort.EXTENDED
    is_whole = request.notional is None and _is_whole_units(request)
    return m.OrderSort.WHOLE if is_whole else m.OrderSort.FRACTION


def _combination(request: m.OrderRequest, context: CheckContext) -> str:
    sort = _order_sort(request, context)
    return f"{request.order_class} {request.type} orders with {request.time_in_force} ({sort})"


def _is_whole_units(request: m.OrderRequest) -> bool:
    return request.qty is None or request.qty == request.qty.to_integral_value()


def tradable(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an instrument that is unknown or not tradable, a fraction, or a short sale."""
    symbol, listed = request.symbol, context.listed
    if isinstance(context.instrument, m.Absent):
        hint = sentence_of_similar(context.instrument.similar)
        message = f"the broker does not list {symbol}: check the symbol{hint}"
        return Reason(ReasonCode.UNKNOWN_SYMBOL, message)
    if listed is None:
        return None
    if not listed.tradable:
        message = f"the broker does not trade {symbol} now: try again later"
        return Reason(ReasonCode.NOT_TRADABLE, message)
    is_whole = request.notional is None and _is_whole_units(request)
    if not (is_whole or listed.fractionable or context.is_crypto(request)):
        message = f"{symbol} trades in whole units only: give a whole quantity"
        return Reason(ReasonCode.NOT_FRACTIONABLE, message)
    sells = request.side is m.OrderSide.SELL and context.position is not None
    covered = listed.shortable or context.is_crypto(request) or context.held(request.side)
    if sells and not covered:
        return Reason(
            ReasonCode.NOT_SHORTABLE,
            f"{symbol} cannot be sold short, and there is no long position",
        )
    return None


def sized(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny a quantity or a notional below the instrument's increment or minimum."""
    listed = context.listed
    if listed is None:
        return None
    is_crypto, notional = context.is_crypto(request), request.notional
    minimum = max(listed.min_qty or m.ZERO, listed.qty_increment)
    if request.qty is not None and request.qty < minimum:
        shown = f"quantity, {m.plain(request.qty)} {request.symbol},"
        return _too_small(shown, request.qty, minimum, m.plain(minimum))
    # For shares the broker's minimum notional applies to orders by notional only.
    if is_crypto and notional is None:
        notional = context.worth(request)
    if notional is not None and listed.min_notional is not None and notional < listed.min_notional:
        shown = f"order value, {quote_money(notional, context)},"
        least = quote_money(listed.min_notional, context)
        return _too_small(shown, notional, listed.min_notional, least)
    return None


def _too_small(shown: str, requested: Decimal, minimum: Decimal, least: str) -> Reason:
    return Reason(
        ReasonCode.QUANTITY,
        f"the {shown} is below the broker's minimum of {least}",
        (("asked", requested), ("least", minimum)),
    )


def priced(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny a price off its tick, a stop that is already triggered, exits on the wrong side."""
    for name in ("limit_price", "stop_price", "take_profit", "stop_loss", "stop_loss_limit"):
        price: Decimal | None = getattr(request, name)
        step = None if price is None else tick_size(price, context)
        if price is not None and step is not None and price != m.cut(price, step):
            below = m.cut(price, step)
            message = (
                f"{name} {m.plain(price)} is not a multiple of the tick, {m.plain(step)}; use "
                f"{m.plain(below)} or {m.plain(below + step)}"
            )
            return Reason(ReasonCode.PRICE, message, ((name, price), ("step", step)))
    return _stop_reached(request, context) or _exit_prices(request, context)


def _stop_reached(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny a stop that the market has already passed: brokers reject it, or trade at once."""
    stop, quote = stop_of(request), context.quote
    if stop is None or quote is None or is_wide(quote):
        return None
    market = quote.ask if request.side is m.OrderSide.BUY else quote.bid
    if (stop - market) * request.side.sign > 0:
        return None
    return Reason(
        ReasonCode.PRICE,
        f"the market is at {m.plain(market)}: a {request.side} stop at "
        f"{m.plain(stop)} would trigger at once",
        (("stop_price", stop), ("market", market)),
    )


def stop_of(request: m.OrderRequest) -> Decimal | None:
    """Return the stop price that works from the beginning; None: there is none."""
    return request.stop_loss if request.order_class is m.OrderClass.OCO else request.stop_price


def _exit_prices(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny exits in the wrong order: the entry price is between stop loss and take profit."""
    sign = request.side.sign if request.order_class in _ENTRY_CLASSES else -request.side.sign
    entry = context.price(request) if request.order_class in _ENTRY_CLASSES else None
    take_profit, stop_loss = request.take_profit, request.stop_loss
    prices = [("stop_loss", stop_loss), ("price", entry), ("take_profit", take_profit)]
    known = [(name, price) for name, price in prices if price is not None]
    for (low, below), (high, above) in itertools.pairwise(known):
        if (above - below) * sign <= 0:
            relation = "above" if sign > 0 else "below"
            return Reason(
                ReasonCode.PRICE,
                f"{high} {m.plain(above)} must be {relation} {low} {m.plain(below)}",
                ((low, below), (high, above)),
            )
    return None


def says_closing(request: m.OrderRequest, context: CheckContext) -> bool:
    """Return whether *request* says to the broker that it may only close a position."""
    reserve, listed = context.reserve, context.listed
    only_closes = request.reduce_only or (reserve is not None and not reserve.opens)
    takes_intent = listed is not None and listed.asset_class in context.capabilities.closing_intent
    return only_closes and takes_intent
