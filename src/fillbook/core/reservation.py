"""
Reservations: how much buying power our orders reserve, and how much is available (promise P7).

The `charge` of an order is the maximum that it can still cost: the reserve of its open quantity
plus the cost of its fills.  A fill moves an amount from the reserve to the cost and releases
nothing; a reservation ends at once only if its charge is 0.  A reading of the account *covers*
a reservation if it was requested at least `account_lag` after the reservation last grew: the
broker's number then includes it.  Every reservation that the reading may not cover is
subtracted from the broker's number.  So an amount may be counted twice for a while, but it is
never available twice.

Two orders of time: entries by their number in the store, durations by the monotonic clock.
Other half: `desk.link.buying_power`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.core.orders import instructions, lineage, replace
from fillbook.model import ZERO

#: The maximum number of marks, and the number of marks per `account_lag`.
MARKS_MAX: Final = 32
_MARKS_PER_LAG: Final = 8

_NEEDS_ASK: Final = frozenset({m.OrderType.MARKET, m.OrderType.TRAILING_STOP})


# -- the broker's rule -----------------------------------------------------------------


@m.exact
def reserve_for(
    request: m.OrderRequest,
    ask: Decimal | None,
    instrument: m.Instrument | None,
    rule: m.ReserveRule,
    *,
    opens: bool,
    pair: m.Pair | None = None,
) -> m.Reserve | None:
    """
    Build the reserve of *request*; None: it needs a price, and *ask* is None.

    *ask* is in quote currency per unit.  *opens*: the order opens exposure in the worst case.
    """
    is_crypto = instrument is not None and instrument.asset_class is m.AssetClass.CRYPTO
    margin = pair is None and not is_crypto
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
        return m.Reserve(opens=True, floor=_stop_price_max(ask + trail, rule), margin=margin)
    return m.Reserve(opens=True, floor=ask * rule.market_collar, margin=margin)


def needs_ask(request: m.OrderRequest) -> bool:
    """Return whether the reserve of an opening *request* depends on the ask."""
    if request.notional is not None:
        return False
    return request.side is m.OrderSide.SELL or request.type in _NEEDS_ASK


def _stop_price_max(stop: Decimal, rule: m.ReserveRule) -> Decimal:
    """Return the price that the broker reserves per unit for a buy stop at *stop*."""
    factors = (factor for minimum, factor in rule.stop_collars if stop >= minimum)
    return stop * next(factors, Decimal(1))


@m.exact
def unit_cost(terms: m.Terms | m.OrderRequest, reserve: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """Return the reserve per unit, in quote currency."""
    price = terms.limit_price
    if price is None and terms.stop_price is not None:
        price = _stop_price_max(terms.stop_price, rule)
    return max(price or ZERO, reserve.floor) * (1 + rule.fee)


@m.exact
def reserve_amount(request: m.OrderRequest, reserve: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """Return the buying power that a new order of *request* reserves, in quote currency, ≥ 0."""
    if not reserve.opens:
        return ZERO
    if request.qty is None:
        return (request.notional or ZERO) * (1 + rule.fee)
    return request.qty * unit_cost(request, reserve, rule)


@m.exact
def amount_added(record: m.OrderRecord, change: m.Change, rule: m.ReserveRule) -> Decimal:
    """Return what a replace adds to the reserve while its outcome is unknown, ≥ 0."""
    reserve = None if record.intent is None else record.intent.reserve
    if reserve is None or not reserve.opens or record.order.leaves_qty is None:
        return ZERO
    leaves, filled = record.order.leaves_qty, record.order.filled_qty
    leaves_max = leaves if change.qty is None else max(leaves, change.qty - filled)
    before = unit_cost(record.terms, reserve, rule)
    after = unit_cost(replace.amended_terms(record.terms, change), reserve, rule)
    return leaves_max * max(before, after) - leaves * before


# -- the charge of an order ------------------------------------------------------------


@m.exact
def charge(record: m.OrderRecord, evidence: Sequence[m.Evidence], rule: m.ReserveRule) -> Decimal:
    """Return the maximum that an order can still cost, open and filled, in quote currency."""
    reserve = None if record.intent is None else record.intent.reserve
    if reserve is None or not reserve.opens:
        return ZERO
    filled_cost = sum((_filled_cost(e, record, reserve, rule) for e in evidence), ZERO)
    return filled_cost + _open_cost(record, evidence, filled_cost, reserve, rule)


def _filled_cost(
    e: m.Evidence, record: m.OrderRecord, reserve: m.Reserve, rule: m.ReserveRule
) -> Decimal:
    """Return the cost of the fills of one id; at the reserve per unit while it is unknown."""
    if e.value is not None:
        return e.value
    return e.filled * unit_cost(e.terms or record.terms, reserve, rule)


def _open_cost(
    record: m.OrderRecord,
    evidence: Sequence[m.Evidence],
    filled_cost: Decimal,
    reserve: m.Reserve,
    rule: m.ReserveRule,
) -> Decimal:
    order, terms = record.order, record.terms
    if order.is_final:
        return ZERO
    if terms.qty is None:
        return max(ZERO, (terms.notional or ZERO) - filled_cost) * (1 + rule.fee)
    leaves = terms.qty if order.leaves_qty is None else order.leaves_qty
    others = [e for e in evidence if e.broker_order_id != order.broker_order_id]
    # Two ids that were seen working may both fill, each at its own price.
    working = [e for e in others if lineage.is_live(e) and not lineage.is_being_replaced(e)]
    replaced_terms = [
        e.terms for e in others if lineage.is_being_replaced(e) and e.terms is not None
    ]
    echoed = [e.echoed for e in evidence if lineage.is_live(e) and e.echoed is not None]
    possible = (terms, *_terms_if_replaced(record, evidence), *replaced_terms, *echoed)
    unit_cost_max = max(unit_cost(x, reserve, rule) for x in possible)
    return sum(
        (
            (lineage.leaves_qty(e) or ZERO)
            * (unit_cost(e.terms or terms, reserve, rule) - unit_cost_max)
            for e in working
        ),
        leaves * unit_cost_max,
    )


def _terms_if_replaced(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> list[m.Terms]:
    """Return the terms after a replace whose outcome is unknown; empty: there is none."""
    request = instructions.open_change(record, evidence)
    if request is None or request.change is None:
        return []
    return [replace.amended_terms(record.terms, request.change)]


def reservation(
    was: m.Reservation | None,
    record: m.OrderRecord,
    evidence: Sequence[m.Evidence],
    amount: Decimal,
    number: int,
    at: m.Timestamp,
) -> m.Reservation | None:
    """
    Return the new reservation of an order whose charge is *amount*; None: nothing is reserved.

    *was* is the reservation before.  The reservation grows by entry *number*, of time *at*, if
    that entry first shows the order at the broker, or if the charge increases.
    """
    reserve = None if record.intent is None else record.intent.reserve
    if reserve is None or not amount:
        return None
    grown, grown_at = (None, None) if was is None else (was.grown, was.grown_at)
    has_grown = was is None or was.grown is None or amount > was.charge
    # A cancel after an unconfirmed replace becomes the pending request, but proves no outcome.
    if not record.ids or (has_grown and instructions.open_change(record, evidence) is not None):
        grown = grown_at = (
            None  # a reading may include it or not: its state at the broker is unknown
        )
    elif has_grown:
        grown, grown_at = number, at
    return m.Reservation(
        client_order_id=record.client_order_id,
        symbol=record.terms.symbol,
        charge=amount,
        margin=reserve.margin,
        grown=grown,
        grown_at=grown_at,
        is_open=not record.order.is_final,
    )


# -- available buying power -------------------------------------------------------------


@frozen(kw_only=True)
class Reading:
    """
    One successful reading of the account's buying power.

    `requested_at` is of the monotonic clock, just before the request left.  The reading covers
    every reservation that last grew by entry `covered_entry` or earlier; no wall clock decides.
    `multiplier` is the account's margin multiplier.
    """

    requested_at: timedelta
    covered_entry: int
    funds: m.Funds
    multiplier: Decimal = Decimal(1)


@frozen
class Mark:
    """The number of the newest entry *at* a time of the monotonic clock."""

    number: int
    at: timedelta


def add_mark(marks: Sequence[Mark], new: Mark, lag: timedelta) -> tuple[Mark, ...]:
    """
    Append *new* to *marks*, oldest first; together they span more than *lag*.

    Of marks that are close together only the newest is retained.
    """
    before = (
        marks[:-1] if len(marks) > 1 and new.at - marks[-2].at < lag / _MARKS_PER_LAG else marks
    )
    return (*before, new)[-MARKS_MAX:]


def covered_entry(marks: Iterable[Mark], requested_at: timedelta, lag: timedelta) -> int:
    """Return the newest entry number at least *lag* before *requested_at*; -1: there is none."""
    return max((mark.number for mark in marks if mark.at + lag <= requested_at), default=-1)


@m.exact
def available(
    readings: Sequence[Reading],
    reservations: Iterable[m.Reservation],
    lag: timedelta,
    *,
    nets_open_orders: bool,
) -> m.Funds:
    """
    Return the available buying power: at most what the newest reading (the last) reports.

    The highest bound of the readings of the last two lags applies: a reading from before an
    order subtracts it once, a newer one may subtract it twice.
    """
    newest = readings[-1]
    held = tuple(reservations)
    bounds = [
        _available_after(reading, held, nets_open_orders=nets_open_orders)
        for reading in readings
        if newest.requested_at - reading.requested_at <= 2 * lag
    ]
    return m.Funds(
        max(ZERO, min(newest.funds.buying_power, max(x.buying_power for x in bounds))),
        max(ZERO, min(newest.funds.non_marginable, max(x.non_marginable for x in bounds))),
    )


def _available_after(
    reading: Reading, reservations: Iterable[m.Reservation], *, nets_open_orders: bool
) -> m.Funds:
    """Subtract from *reading* every reservation that it may not cover."""
    buying_power, non_marginable = reading.funds.buying_power, reading.funds.non_marginable
    for reservation in reservations:
        if _is_covered(reading, reservation) and (nets_open_orders or not reservation.is_open):
            continue
        # Crypto is paid in full, so it also takes away the margin on that cash.
        charged = reservation.charge
        buying_power -= charged if reservation.margin else charged * reading.multiplier
        non_marginable -= charged
    return m.Funds(buying_power, non_marginable)


def _is_covered(reading: Reading, reservation: m.Reservation) -> bool:
    return reservation.grown is not None and reservation.grown <= reading.covered_entry
