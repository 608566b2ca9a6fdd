"""
Buying power promised, held, posted, released (promise P7).

`charge` is the most that an order can still cost: the reserve of what is open and the cost
of what filled.  A fill is posted, not released; only a charge of nothing vanishes at once.
An account read *holds* an order if it was asked a lag after we learnt of the order's last
increase: the broker's number then counts it, and we do not.  What a read does not surely
hold is taken off its number, so that a dollar is counted twice for a while and never
promised twice.

Two clocks: entries are in the order of the store, lengths are of a clock that never jumps.
Other half: `desk.link.buying_power`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.core.orders import lineage, replace
from fillbook.model import ZERO

#: What was learnt so long before a read, by clocks that may be wrong, is held by it.
LONG_AGO: Final = timedelta(hours=2)

#: So many marks are kept, and two of them are so large a part of the lag apart.
MARKS_MAX: Final = 32
_APART: Final = 8

_NEEDS_ASK: Final = frozenset({m.OrderType.MARKET, m.OrderType.TRAILING_STOP})


# -- the broker's rule -----------------------------------------------------------------


@m.exact
def reserve(
    request: m.OrderRequest,
    ask: Decimal | None,
    instrument: m.Instrument | None,
    rule: m.ReserveRule,
    *,
    opens: bool,
) -> m.Reserve | None:
    """
    What *request* is to keep back; None if that needs a price and *ask* is not known.

    *opens* says whether it opens exposure, in the worst case.
    """
    margin = _on_margin(request.symbol, instrument)
    if not opens:
        return m.Reserve(opens=False, margin=margin)
    short = request.side is m.OrderSide.SELL
    if not needs_ask(request):
        return m.Reserve(opens=True, margin=margin)
    if ask is None:
        return None
    if short:
        return m.Reserve(opens=True, floor=ask * rule.short_collar, margin=margin)
    if request.type is m.OrderType.TRAILING_STOP:
        trail = request.trail_price or ask * (request.trail_percent or ZERO) / 100
        return m.Reserve(opens=True, floor=_converted(ask + trail, rule), margin=margin)
    return m.Reserve(opens=True, floor=ask * rule.market_collar, margin=margin)


def needs_ask(request: m.OrderRequest) -> bool:
    """Whether what an opening *request* keeps back depends on the market's price."""
    if request.notional is not None:
        return False
    return request.side is m.OrderSide.SELL or request.type in _NEEDS_ASK


def _on_margin(symbol: str, instrument: m.Instrument | None) -> bool:
    if instrument is not None and instrument.asset_class is m.AssetClass.CRYPTO:
        return False
    return "/" not in symbol


def _converted(stop: Decimal, rule: m.ReserveRule) -> Decimal:
    """The worst price that a buy stop at *stop* is held to."""
    factors = (factor for least, factor in rule.stop_collars if stop >= least)
    return stop * next(factors, Decimal(1))


@m.exact
def unit(terms: m.Terms | m.OrderRequest, kept: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """What one unit keeps back, in quote currency."""
    price = terms.limit_price
    if price is None and terms.stop_price is not None:
        price = _converted(terms.stop_price, rule)
    return max(price or ZERO, kept.floor) * (1 + rule.fee)


@m.exact
def need(request: m.OrderRequest, kept: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """What a new order of *request* takes of the buying power."""
    if not kept.opens:
        return ZERO
    if request.qty is None:
        return (request.notional or ZERO) * (1 + rule.fee)
    return request.qty * unit(request, kept, rule)


@m.exact
def added(record: m.OrderRecord, change: m.Change, rule: m.ReserveRule) -> Decimal:
    """What an order keeps back beyond what it does, as long as nobody knows if it is changed."""
    kept = None if record.intent is None else record.intent.reserve
    if kept is None or not kept.opens or record.order.leaves_qty is None:
        return ZERO
    leaves, filled = record.order.leaves_qty, record.order.filled_qty
    most = leaves if change.qty is None else max(leaves, change.qty - filled)
    now = unit(record.terms, kept, rule)
    return most * max(now, unit(replace.changed(record.terms, change), kept, rule)) - leaves * now


# -- what an order can still cost ------------------------------------------------------


@m.exact
def charge(record: m.OrderRecord, known: Sequence[m.Evidence], rule: m.ReserveRule) -> Decimal:
    """The most that an order can still cost, in quote currency: what is open, and what filled."""
    kept = None if record.intent is None else record.intent.reserve
    if kept is None or not kept.opens:
        return ZERO
    spent = sum((_spent(e, record, kept, rule) for e in known), ZERO)
    return spent + _open(record, known, spent, kept, rule)


def _spent(e: m.Evidence, record: m.OrderRecord, kept: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """What the fills of one id cost; at the reserve's price as long as theirs is unknown."""
    if e.value is not None:
        return e.value
    return e.filled * unit(e.terms or record.terms, kept, rule)


def _open(
    record: m.OrderRecord,
    known: Sequence[m.Evidence],
    spent: Decimal,
    kept: m.Reserve,
    rule: m.ReserveRule,
) -> Decimal:
    order, terms = record.order, record.terms
    if order.is_final:
        return ZERO
    if terms.qty is None:
        return max(ZERO, (terms.notional or ZERO) - spent) * (1 + rule.fee)
    leaves = terms.qty if order.leaves_qty is None else order.leaves_qty
    others = [e for e in known if e.broker_order_id != order.broker_order_id]
    # Once two ids were seen alive both may fill, and each at its own price.
    twins = [e for e in others if lineage.is_alive(e) and not lineage.is_giving_way(e)]
    rivals = [e.terms for e in others if lineage.is_giving_way(e) and e.terms is not None]
    dearest = max(unit(x, kept, rule) for x in (terms, *_changed(record, known), *rivals))
    return sum(
        (
            (lineage.open_qty(e) or ZERO) * (unit(e.terms or terms, kept, rule) - dearest)
            for e in twins
        ),
        leaves * dearest,
    )


def _changed(record: m.OrderRecord, known: Sequence[m.Evidence]) -> list[m.Terms]:
    """What the order may have become by a replace of which nobody knows."""
    asked = lineage.unsettled(record, known)
    if asked is None or asked.change is None:
        return []
    return [replace.changed(record.terms, asked.change)]


def reservation(
    was: m.Reservation | None,
    record: m.OrderRecord,
    known: Sequence[m.Evidence],
    costs: Decimal,
    number: int,
    at: m.Timestamp,
) -> m.Reservation | None:
    """
    What is to be kept of an order, of whose ids *known* is known, that can cost *costs*.

    It grows by entry *number* if that first shows the order at the broker, or if the order
    can cost more than it could.
    """
    kept = None if record.intent is None else record.intent.reserve
    if kept is None or not costs:
        return None
    grown, grown_at = (None, None) if was is None else (was.grown, was.grown_at)
    more = was is None or was.grown is None or costs > was.charge
    # A cancel behind an unproven replace shows over it, and proves nothing of it.
    if not record.ids or (more and lineage.unsettled(record, known) is not None):
        grown = grown_at = None  # a read may or may not count it: nobody knows if it is there
    elif more:
        grown, grown_at = number, at
    return m.Reservation(
        client_order_id=record.client_order_id,
        symbol=record.terms.symbol,
        charge=costs,
        margin=kept.margin,
        grown=grown,
        grown_at=grown_at,
        is_open=not record.order.is_final,
    )


# -- what is available -----------------------------------------------------------------


@frozen(kw_only=True)
class Reading:
    """
    One good read of the account.

    It surely holds what had grown by the entry numbered `held`, a lag before it was `asked`,
    and what had grown by the moment `long_ago` of the wall clock.
    """

    asked: timedelta
    held: int
    long_ago: m.Timestamp
    funds: m.Funds
    multiplier: Decimal = Decimal(1)


@frozen
class Mark:
    """At that moment of the clock that never jumps the newest entry had that number."""

    number: int
    at: timedelta


def marked(marks: Sequence[Mark], new: Mark, lag: timedelta) -> tuple[Mark, ...]:
    """
    *marks* and a *new* one, oldest first; together they reach further back than the lag.

    However often the record is marked: of those close together the newest stands for all.
    """
    before = marks[:-1] if len(marks) > 1 and new.at - marks[-2].at < lag / _APART else marks
    return (*before, new)[-MARKS_MAX:]


def held(marks: Iterable[Mark], asked: timedelta, lag: timedelta) -> int:
    """The entry up to which everything had been learnt *lag* before a read was *asked*; or -1."""
    return max((mark.number for mark in marks if mark.at + lag <= asked), default=-1)


@m.exact
def available(
    readings: Sequence[Reading],
    reservations: Iterable[m.Reservation],
    lag: timedelta,
    *,
    nets_open_orders: bool,
) -> m.Funds:
    """
    What may be promised: never more than the newest of *readings* says (the last one).

    The best bound is taken of those asked in the two lags before it: a read from before an
    order counts it once, where a newer one may count it twice.
    """
    newest = readings[-1]
    kept = tuple(reservations)
    bounds = [
        _bound(reading, kept, nets_open_orders=nets_open_orders)
        for reading in readings
        if newest.asked - reading.asked <= 2 * lag
    ]
    return m.Funds(
        max(ZERO, min(newest.funds.buying_power, max(x.buying_power for x in bounds))),
        max(ZERO, min(newest.funds.non_marginable, max(x.non_marginable for x in bounds))),
    )


def _bound(reading: Reading, kept: Iterable[m.Reservation], *, nets_open_orders: bool) -> m.Funds:
    """What a read leaves once everything is taken off that it does not surely hold."""
    buying_power, non_marginable = reading.funds.buying_power, reading.funds.non_marginable
    for each in kept:
        if _is_held(reading, each) and (nets_open_orders or not each.is_open):
            continue
        # A coin is paid in full: it takes the margin away that its money could have had.
        buying_power -= each.charge if each.margin else each.charge * reading.multiplier
        non_marginable -= each.charge
    return m.Funds(buying_power, non_marginable)


def _is_held(reading: Reading, each: m.Reservation) -> bool:
    if each.grown is None or each.grown_at is None:
        return False
    return each.grown <= reading.held or each.grown_at <= reading.long_ago
