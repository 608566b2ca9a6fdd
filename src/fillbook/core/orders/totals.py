"""
The totals of one broker order id, from its executions and snapshots (steps 8 to 15).

The steps are those of `core.orders.evidence`, which merges the facts.  A snapshot only determines
the gap: the part of the broker's total that has no execution yet.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.model import EXACT, ZERO

#: The least decimal places of an average price.
_CENTS: Final = 2
_LIMIT_TYPES: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT})


@frozen(kw_only=True)
class EvidenceContext:
    """What evidence is evaluated with: terms, instrument and broker capabilities."""

    side: m.OrderSide
    limit_price: Decimal | None = None  #: of limit orders only
    quantum: Decimal = ZERO  #: a gap below it is rounding; in the unit of `gross`
    clocked: bool = True  #: the broker's reports have its clock
    replace_cum: m.ReplaceCum = m.ReplaceCum.UNKNOWN
    replaced_qty: Decimal = ZERO  #: gross, of the ids that this one replaces, as far as known
    quote: str = ""  #: the currency of the prices; ``""``: not known


def context_for(
    terms: m.Terms,
    instrument: m.Instrument | None,
    binding: m.Binding,
    replaced_qty: Decimal = ZERO,
    pair: m.Pair | None = None,
) -> EvidenceContext:
    """Return the context of an order of those *terms*; *replaced_qty* as in `EvidenceContext`."""
    return EvidenceContext(
        side=terms.side,
        limit_price=terms.limit_price if terms.type in _LIMIT_TYPES else None,
        quantum=ZERO if instrument is None else instrument.quantum,
        clocked=binding.clocked,
        replace_cum=binding.replace_cum,
        replaced_qty=replaced_qty,
        quote=binding.currency if pair is None else pair.quote,
    )


def compute_totals(evidence: m.Evidence, context: EvidenceContext) -> m.Evidence:
    """Return *evidence* with totals computed from sums and snapshots (steps 8 to 15)."""
    snap = totals_snapshot(evidence)
    if evidence.quote_sized:
        return _compute_quote_totals(evidence, snap, context)
    sums = evidence.chosen
    # Steps 8 and 9, with the quantum of step 14.
    reported = _reported_cum(evidence, snap)
    carried = _carried_qty(evidence, context)
    gap = EXACT.subtract(EXACT.subtract(reported, carried), sums.gross)
    if gap <= 0 or gap < context.quantum:
        gap = ZERO
    # Step 10.
    value: Decimal | None = sums.value
    price = None
    if gap:
        value = None if carried else _value_by_average(gap, evidence, snap, reported)
        price = (
            None
            if value is None
            else _price_of_gap(gap, EXACT.subtract(value, sums.value), context)
        )
        value = value if price is not None else None
    # Steps 11, 12 and 15.
    return evolve(
        evidence,
        filled=EXACT.add(sums.base, gap),
        value=value,
        gap=gap,
        gap_price=price,
        gap_at=_gap_at(snap) if gap else None,
        # A bust lowers the total, or not.
        complete=(reported in (sums.gross, sums.net) or _is_complete_by_history(evidence, context))
        and _has_all_rows(sums, snap),
    )


def _compute_quote_totals(
    evidence: m.Evidence, snap: m.OrderSnapshot | None, context: EvidenceContext
) -> m.Evidence:
    """Do the same for an order sized in quote currency, which is exact there (step 13)."""
    sums = evidence.chosen
    reported = sums.gross if snap is None or snap.value is None else max(snap.value, sums.gross)
    gap = EXACT.subtract(reported, sums.gross)
    base = sums.base if snap is None else snap.cum
    has_all_rows = snap is not None and snap.fills is not None and sums.rows >= snap.fills
    is_beyond = snap is not None and snap.value is not None and sums.gross > snap.value
    history_missing = evidence.replaces is not None and not evidence.history_read
    if gap <= 0 or gap < context.quantum or history_missing or _carried_qty(evidence, context):
        gap = ZERO
    missing = max(ZERO, EXACT.subtract(base, sums.base)) if gap else ZERO
    price = EXACT.divide(gap, missing) if missing and not evidence.amended else None
    exact = has_all_rows and not evidence.amended and not is_beyond
    return evolve(
        evidence,
        filled=base if exact else EXACT.add(sums.base, missing),
        value=EXACT.add(sums.value, gap) if price is not None or not gap else None,
        gap=missing,
        gap_price=price,
        gap_at=_gap_at(snap) if gap else None,
        complete=sums.gross == reported and _has_all_rows(sums, snap),
    )


def _reported_cum(evidence: m.Evidence, snap: m.OrderSnapshot | None) -> Decimal:
    """
    Return the broker's filled total of an id, by a snapshot or an execution (step 8).

    Of an amended id, an execution has the total of before; a snapshot that is later by the broker's
    clock knows better.
    """
    sums = evidence.chosen
    if snap is None:
        return sums.cum
    clock = _clock_of(snap)
    if evidence.amended and clock is not None and clock >= (sums.latest_at or clock):
        return snap.cum
    return max(snap.cum, sums.cum)


def totals_snapshot(evidence: m.Evidence) -> m.OrderSnapshot | None:
    """
    Return the snapshot whose totals count (step 8).

    It is the one of the highest version, unless one without a broker clock has a greater total.  A
    correction or a bust may lower the total: of an amended id the greatest may be outdated.
    """
    newest = evidence.word
    if evidence.amended and newest is not None and _clock_of(newest) is not None:
        return newest
    return _greatest_snapshot(evidence)


def _greatest_snapshot(evidence: m.Evidence) -> m.OrderSnapshot | None:
    newest, loose = evidence.word, evidence.loose
    if loose is None or (newest is not None and newest.cum >= loose.cum):
        return newest
    return loose


def reported_total(evidence: m.Evidence) -> Decimal | None:
    """
    Return the broker's filled total of an id, in the unit of its executions; None: not known.

    The fills of the id are no more: that of a replacing id may include those of the replaced one.
    """
    snap = _greatest_snapshot(evidence)
    return None if snap is None else total_of(evidence, snap)


def total_of(evidence: m.Evidence, snap: m.OrderSnapshot) -> Decimal | None:
    """Return the total of *snap* in the unit of the executions of an id; None: not reported."""
    return snap.value if evidence.quote_sized else snap.cum


def current_total(evidence: m.Evidence) -> Decimal | None:
    """Return the newest total of an id by the broker's clock, of its own fills; None: not known."""
    newest = evidence.word
    if newest is None or _clock_of(newest) is None:
        return None
    return None if evidence.quote_sized or evidence.replaces is not None else newest.cum


def average_differs(evidence: m.Evidence) -> bool:
    """
    Return whether the reported average price is not that of the executions that count.

    The newest report decides if it is later, by the broker's clock, than each of them, and has the
    same quantity.  The total of a replacing id may have carried fills, whose price is not known.
    """
    snap, value = evidence.word, evidence.value
    if snap is None or value is None or evidence.gap or evidence.quote_sized:
        return False
    is_later = evidence.replaces is None and includes(snap, evidence.chosen.latest_at)
    if not is_later or not includes(snap, evidence.busted_at) or snap.cum != evidence.filled:
        return False
    return not is_average_of(snap, value)


def includes(snap: m.OrderSnapshot, at: m.Timestamp | None) -> bool:
    """Return whether a report is by the broker's clock as late as what happened *at* that time."""
    clock = _clock_of(snap)
    return clock is not None and (at is None or clock >= at)


@m.exact
def is_average_of(snap: m.OrderSnapshot, value: Decimal) -> bool:
    """
    Return whether *value* has the average price that a report has; an unknown one contradicts none.

    Brokers round averages: the last decimal place of it, and of cents, may differ by less than one.
    """
    if snap.avg is None or not snap.cum:
        return True
    exponent = snap.avg.as_tuple().exponent
    places = max(_CENTS, -exponent) if isinstance(exponent, int) else _CENTS
    return abs(snap.avg * snap.cum - value) < Decimal(1).scaleb(-places) * snap.cum


def gross_filled(evidence: m.Evidence) -> Decimal:
    """Return the filled quantity of an id with its busted fills, in base units."""
    if evidence.quote_sized:
        return evidence.filled  # its executions are in quote currency
    return EXACT.add(evidence.chosen.gross, evidence.gap)


def _has_all_rows(sums: m.Sums, snap: m.OrderSnapshot | None) -> bool:
    """Return whether the number of executions is the one that the broker reported (step 15)."""
    return snap is None or snap.fills is None or snap.fills == sums.rows


def _carried_qty(evidence: m.Evidence, context: EvidenceContext) -> Decimal:
    """
    Return how much of a replacing order's total may be fills of the ids that it replaces.

    The quantity beyond it belongs to this id under every reading of the total.  So the sum over
    the replace chain never exceeds the total, however little is known of the replaced ids.
    """
    is_separate = context.replace_cum is m.ReplaceCum.FRESH and evidence.history_read
    return ZERO if evidence.replaces is None or is_separate else context.replaced_qty


def _is_complete_by_history(evidence: m.Evidence, context: EvidenceContext) -> bool:
    # A carried total never equals the sum of the id's own fills, so its history is the proof.
    is_carried = context.replace_cum is m.ReplaceCum.CARRIED
    return evidence.replaces is not None and is_carried and evidence.history_read


def _value_by_average(
    gap: Decimal, evidence: m.Evidence, snap: m.OrderSnapshot | None, reported: Decimal
) -> Decimal | None:
    """Return the filled value by the reported average; None: uncertain (step 10)."""
    if snap is None or snap.avg is None or snap.cum != reported or evidence.amended:
        return None
    latest_uncounted = evidence.chosen.uncounted_at
    if latest_uncounted is not None and (
        snap.last_fill_at is None or latest_uncounted > snap.last_fill_at
    ):
        return None  # the snapshot may not contain that execution
    return EXACT.multiply(snap.avg, snap.cum)


def _price_of_gap(gap: Decimal, value: Decimal, context: EvidenceContext) -> Decimal | None:
    """
    Return the gap's price per unit (step 10); None: the result is impossible.

    A reported average is rounded, so the difference of two values may be negative or beyond the
    limit price.
    """
    price = EXACT.divide(value, gap)
    if price <= 0:
        return None
    if context.limit_price is not None:
        beyond = (price - context.limit_price) * context.side.sign
        return None if beyond > 0 else price
    return price


def _gap_at(snap: m.OrderSnapshot | None) -> m.Timestamp | None:
    return None if snap is None else snap.last_fill_at or reported_at(snap)


def reported_at(snap: m.OrderSnapshot) -> m.Timestamp | None:
    """Return when the broker reported it: by its clock if it has one, else when we read it."""
    return _clock_of(snap) or snap.read_at


def _clock_of(snap: m.OrderSnapshot) -> m.Timestamp | None:
    # Without a broker clock the version has the number of a snapshot instead.
    text = "" if snap.version is None else snap.version.clock
    return m.Timestamp(text) if "T" in text else None
