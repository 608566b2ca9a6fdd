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
from fillbook.core import pairs
from fillbook.core.orders import instructions, lineage, replace
from fillbook.core.orders.anomalies import is_another_order
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
    currency: str | None = None,
    fee: Decimal | None = None,
) -> m.Reserve | None:
    """
    Build the reserve of *request*; None: it needs a price, and *ask* is None.

    *ask* is in quote currency per unit.  *opens*: the order opens exposure in the worst case.
    *currency* is the quote currency, None if it is the account's.  *fee* is the share of the value
    that is reserved for fees; None: that of *rule*.
    """
    floor = _floor(request, ask, rule) if opens else ZERO
    if floor is None:
        return None
    return m.Reserve(
        opens=opens,
        floor=floor,
        margin=pair is None and not pairs.is_crypto(instrument, pair),
        fee=fee,
        currency=currency,
        paid_from=None if pair is None else pair.paid_from,
    )


def _floor(request: m.OrderRequest, ask: Decimal | None, rule: m.ReserveRule) -> Decimal | None:
    """Return the minimum reserve per unit by the market; None: it needs the ask."""
    if not needs_ask(request):
        return ZERO
    if ask is None:
        return None
    if request.side is m.OrderSide.SELL:
        return ask * rule.short_collar
    if request.type is m.OrderType.TRAILING_STOP:
        trail = request.trail_price or ask * (request.trail_percent or ZERO) / 100
        return _stop_price_max(ask + trail, rule)
    return ask * rule.market_collar


def fee_of(reserve: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """Return the share of the value that is reserved for fees; it is fixed with the intent."""
    return rule.fee if reserve.fee is None else reserve.fee


def _notional_fee(reserve: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """Return the share of a notional that is reserved for fees beyond it."""
    return ZERO if rule.notional_includes_fee else fee_of(reserve, rule)


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
    return max(price or ZERO, reserve.floor) * (1 + fee_of(reserve, rule))


@m.exact
def reserve_amount(request: m.OrderRequest, reserve: m.Reserve, rule: m.ReserveRule) -> Decimal:
    """Return the buying power that a new order of *request* reserves, in quote currency, ≥ 0."""
    if not reserve.opens:
        return ZERO
    if request.qty is None:
        return (request.notional or ZERO) * (1 + _notional_fee(reserve, rule))
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
    """
    Return the maximum that an order can still cost, open and filled, in quote currency.

    While another order has our client order id, both are counted: ours may still be accepted.  What
    is paid in units of a position (USDT) is reserved until the fill, which debits those units.
    """
    reserve = None if record.intent is None else record.intent.reserve
    if reserve is None or not reserve.opens:
        return ZERO
    filled_cost = sum((_filled_cost(e, record, reserve, rule) for e in evidence), ZERO)
    total = filled_cost + _open_cost(record, evidence, filled_cost, reserve, rule)
    is_another = any(is_another_order(record, e) for e in evidence)
    if is_another and record.intent is not None and not record.order.is_final:
        total += reserve_amount(record.intent.request, reserve, rule)
    if reserve.paid_from is None:
        return total
    return total - sum((_paid_units(e, record, reserve, rule) for e in evidence), ZERO)


def _paid_units(
    e: m.Evidence, record: m.OrderRecord, reserve: m.Reserve, rule: m.ReserveRule
) -> Decimal:
    """Return the cost of the fills of one id without the fees that its history may still report."""
    if e.value is None:
        return ZERO
    if e.gap:
        return e.value
    pending = e.chosen.fee_pending * fee_of(reserve, rule)
    return _filled_cost(e, record, reserve, rule) - pending


def _filled_cost(
    e: m.Evidence, record: m.OrderRecord, reserve: m.Reserve, rule: m.ReserveRule
) -> Decimal:
    """
    Return the cost of the fills of one id with their fees.

    The fee is the larger one of the reported and the reserved: it may be posted later.  A cost that
    is unknown is the reserve per unit.
    """
    if e.value is None:
        return e.filled * unit_cost(e.terms or record.terms, reserve, rule)
    return e.value + max(e.chosen.fees or ZERO, e.value * fee_of(reserve, rule))


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
        total = (terms.notional or ZERO) * (1 + _notional_fee(reserve, rule))
        return max(ZERO, total - filled_cost)
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
        is_open=not record.order.is_final or reserve.paid_from is not None,
        currency=reserve.currency,
        paid_from=reserve.paid_from,
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
    other: tuple[m.Amount, ...] = ()  #: the buying power in other currencies

    def funds_in(self, currency: str | None) -> m.Funds:
        """Return the buying power in *currency*; None: that of the account."""
        if currency is None:
            return self.funds
        amount = sum((x.value for x in self.other if x.currency == currency), ZERO)
        return m.Funds(amount, amount)


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


def recent(readings: Sequence[Reading], lag: timedelta) -> list[Reading]:
    """Return the readings that bound what is available: those of the last two lags."""
    newest = readings[-1]
    return [x for x in readings if newest.requested_at - x.requested_at <= 2 * lag]


@m.exact
def available(
    readings: Sequence[Reading],
    reservations: Iterable[m.Reservation],
    lag: timedelta,
    *,
    nets_open_orders: bool,
    currency: str | None = None,
) -> m.Funds:
    """
    Return the buying power that is available in *currency* (None: that of the account).

    It is at most what the newest reading (the last) reports.

    The highest bound of the readings of the last two lags applies: a reading from before an
    order subtracts it once, a newer one may subtract it twice.
    """
    reported = readings[-1].funds_in(currency)
    held = [x for x in reservations if x.paid_from is None and x.currency == currency]
    bounds = [
        _available_after(reading, held, currency, nets_open_orders=nets_open_orders)
        for reading in recent(readings, lag)
    ]
    return m.Funds(
        max(ZERO, min(reported.buying_power, max(x.buying_power for x in bounds))),
        max(ZERO, min(reported.non_marginable, max(x.non_marginable for x in bounds))),
    )


def _available_after(
    reading: Reading,
    reservations: Iterable[m.Reservation],
    currency: str | None,
    *,
    nets_open_orders: bool,
) -> m.Funds:
    """Subtract from *reading* every reservation that it may not cover."""
    funds = reading.funds_in(currency)
    buying_power, non_marginable = funds.buying_power, funds.non_marginable
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


def reserved_units(reservations: Iterable[m.Reservation], position: str) -> Decimal:
    """Return the units of *position* that open orders may still pay with, ≥ 0."""
    return sum((x.charge for x in reservations if x.paid_from == position), ZERO)
