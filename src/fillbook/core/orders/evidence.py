"""
What the facts about one broker order id amount to (promises P4 and P5).

The facts are executions, voids and snapshots.  They form a set that only grows,
and `Evidence` is a pure function of it: the order of arrival does not matter.

Rule 1: executions come from the history and the stream, whose ids may differ for
        the same fill.  They are counted apart; the source that tells more counts.
Rule 2: a snapshot is never an execution.  What its total tells beyond all
        executions is *one* inferred fill, which vanishes as they arrive.
Rule 3: the gap is measured against what was ever told (gross), so that no
        snapshot revives an execution that was taken back.

`add` costs O(1) a fill; with the first void, correction or contradiction the id is
counted afresh (`recount`), which is the definition that `add` is checked against.
Other half: `core.orders.lifecycle`, which makes the order of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.orders.executions import Chain, choose
from fillbook.model import EXACT, ZERO

#: Without a broker's clock, an end is revoked by two looks by id this far apart.
REVOKE_AFTER: Final = timedelta(seconds=10)
_PLACES: Final = Decimal("1e-16")  # base of a quote-sized row is cut to 16 places
_LIMITED: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT})


@frozen(kw_only=True)
class Measure:
    """What evidence is measured by: the order's terms, its instrument, its broker's manners."""

    side: m.OrderSide
    limit_price: Decimal | None = None  #: set only where fills cannot be worse
    quantum: Decimal = ZERO  #: a gap below it is rounding, in the unit that is counted
    clocked: bool = True
    replace_cum: m.ReplaceCum = m.ReplaceCum.UNKNOWN
    before: Decimal = ZERO  #: what the ids filled that this one replaces, as far as it is known


def measure(
    terms: m.Terms,
    instrument: m.Instrument | None,
    binding: m.Binding,
    before: Decimal = ZERO,
) -> Measure:
    """How the evidence of an order of those *terms* is measured; *before* as in `Measure`."""
    return Measure(
        side=terms.side,
        limit_price=terms.limit_price if terms.type in _LIMITED else None,
        quantum=ZERO if instrument is None else instrument.quantum,
        clocked=binding.clocked,
        replace_cum=binding.replace_cum,
        before=before,
    )


def add(
    evidence: m.Evidence, execution: m.Execution, known: m.Execution | None, by: Measure
) -> m.Evidence | None:
    """
    *evidence* with one more execution; None if the id has to be counted afresh.

    *known* is another content of the same id and source, which is already counted.
    """
    if known is not None or execution.fixes is not None or evidence.amended:
        return None
    if execution.source is m.ExecSource.HISTORY:
        history, stream = plus(evidence.history, execution), evidence.stream
    else:
        history, stream = evidence.history, plus(evidence.stream, execution)
    first = history.gross >= stream.gross
    evidence = evolve(
        evidence,
        history=history,
        stream=stream,
        chosen=history if first else stream,
        source=m.ExecSource.HISTORY if first else m.ExecSource.STREAM,
    )
    return settle(evidence, by)


def plus(sums: m.Sums, execution: m.Execution) -> m.Sums:
    """*sums* with an execution that stands."""
    qty, price = execution.qty, execution.price
    assert price is not None  # only inferred fills lack one, and they are no facts
    uncounted = sums.uncounted_at
    if execution.cum_qty is None:
        uncounted = execution.at if uncounted is None else max(uncounted, execution.at)
    return m.Sums(
        sums.rows + 1,
        EXACT.add(sums.gross, qty),
        EXACT.add(sums.net, qty),
        EXACT.add(sums.value, qty) if execution.in_quote else EXACT.fma(qty, price, sums.value),
        sums.cum if execution.cum_qty is None else max(sums.cum, execution.cum_qty),
        uncounted,
        EXACT.add(sums.base, base_of(execution)),
        None if sums.fees is None or execution.fee is None else sums.fees + execution.fee,
    )


def base_of(execution: m.Execution) -> Decimal:
    """The units of the base that an execution moved, > 0 (before any fee in base)."""
    if not execution.in_quote:
        return execution.qty
    assert execution.price is not None
    return m.cut(EXACT.divide(execution.qty, execution.price), _PLACES)


def recount(
    evidence: m.Evidence,
    executions: Iterable[m.Execution],
    voids: Iterable[m.TradeBust],
    by: Measure,
) -> m.Evidence:
    """*evidence* with its executions counted afresh from all that is known of the id."""
    voids = tuple(voids)
    counted = choose(executions, voids)
    history, stream = _sums(counted.history), _sums(counted.stream)
    own = history if counted.source is m.ExecSource.HISTORY else stream
    return settle(
        evolve(
            evidence,
            history=history,
            stream=stream,
            chosen=_sums(counted.chosen) if counted.crossed else own,
            source=counted.source,
            amended=any(chain.amended for chain in (*counted.history, *counted.stream)),
            oddities=counted.oddities,
            void_at=max((void.at for void in voids if void.at is not None), default=None),
        ),
        by,
    )


def _sums(chains: Iterable[Chain]) -> m.Sums:
    sums, gross, cum = m.Sums(), ZERO, ZERO
    for chain in chains:
        if chain.newest is not None and not chain.dead:
            sums = plus(sums, chain.newest)
        gross = EXACT.add(gross, chain.gross)
        cum = max(cum, chain.cum)
    return evolve(sums, gross=gross, cum=cum)


def look(evidence: m.Evidence, snap: m.OrderSnapshot, by: Measure) -> m.Evidence:
    """*evidence* with one more snapshot."""
    evidence = _upheld(evidence, snap)
    if snap.version is None or not by.clocked:
        if evidence.loose is None or snap.size > evidence.loose.size:
            evidence = evolve(evidence, loose=snap)
        if snap.version is None:
            return settle(evidence, by)
    if not by.clocked and evidence.end is None and _same(snap, evidence.word):
        return settle(evidence, by)  # another look at what was seen before is no news
    if _newer(snap, evidence.word):
        evidence = evolve(evidence, word=snap)
    if snap.status in m.ENDINGS:
        if _newer(snap, evidence.end):
            evidence = evolve(evidence, end=snap)
    elif snap.source is m.ReportSource.BY_ID:
        evidence = evolve(evidence, working=_kept((snap, *evidence.working), by))
    return settle(evidence, by)


def _upheld(evidence: m.Evidence, snap: m.OrderSnapshot) -> m.Evidence:
    """A look by id that still says FILLED after a fill was taken back: the broker stands by it."""
    asked = snap.source is m.ReportSource.BY_ID and snap.status is m.OrderStatus.FILLED
    if not asked or not evidence.amended or is_upheld(evidence):
        return evidence
    return evolve(evidence, upheld_at=snap.read_at)


def is_upheld(evidence: m.Evidence) -> bool:
    """Whether the broker was asked after the last Void, and stood by its FILLED."""
    upheld, void = evidence.upheld_at, evidence.void_at
    return upheld is not None and (void is None or upheld > void)


def _same(snap: m.OrderSnapshot, word: m.OrderSnapshot | None) -> bool:
    return word is not None and (snap.status, snap.size) == (word.status, word.size)


def _newer(snap: m.OrderSnapshot, than: m.OrderSnapshot | None) -> bool:
    return than is None or _rank(snap) > _rank(than)


def _rank(snap: m.OrderSnapshot) -> tuple[m.Version, tuple[object, ...]]:
    assert snap.version is not None
    return (snap.version, snap.size)


def _kept(looks: Iterable[m.OrderSnapshot], by: Measure) -> tuple[m.OrderSnapshot, ...]:
    """Of all looks by id that showed the order working, those that can still tell something."""
    newest_first = sorted({look.version: look for look in looks}.values(), key=_rank, reverse=True)
    if by.clocked:
        return tuple(newest_first[:1])
    kept = [newest_first[0]]
    for earlier in newest_first[1:]:
        kept.append(earlier)
        if _apart(kept[0], earlier):
            break
    return tuple(kept)


def _apart(later: m.OrderSnapshot, earlier: m.OrderSnapshot) -> bool:
    assert later.read_at is not None
    assert earlier.read_at is not None
    return m.moment(later.read_at) - m.moment(earlier.read_at) >= REVOKE_AFTER


def spoken(evidence: m.Evidence, *, clocked: bool) -> m.OrderSnapshot | None:
    """
    The snapshot whose word counts.

    It is that of the greatest version; but an end stands until a look by id of greater
    version shows the order working (GTC orders that a broker calls expired overnight),
    and without a broker's clock until two of them, far enough apart, do.
    """
    end = evidence.end
    if end is None or end is evidence.word:
        return evidence.word
    later = [seen for seen in evidence.working if _rank(seen) > _rank(end)]
    if clocked:
        return evidence.word if later else end
    return evidence.word if later and _apart(later[0], later[-1]) else end


def settle(evidence: m.Evidence, by: Measure) -> m.Evidence:
    """*evidence* with its totals drawn from the sums and the snapshots that count."""
    snap = amounts(evidence)
    if evidence.quote_sized:
        return _settle_quote(evidence, snap, by)
    sums = evidence.chosen
    told = sums.cum if snap is None else max(snap.cum, sums.cum)
    before = _carried(evidence, by)
    gap = EXACT.subtract(EXACT.subtract(told, before), sums.gross)
    if gap <= 0 or gap < by.quantum:
        gap = ZERO
    value: Decimal | None = sums.value
    price = None
    if gap:
        value = None if before else _value_with(gap, evidence, snap, told)
        price = None if value is None else _price(gap, EXACT.subtract(value, sums.value), by)
        value = value if price is not None else None
    return evolve(
        evidence,
        filled=EXACT.add(sums.base, gap),
        value=value,
        gap=gap,
        gap_price=price,
        gap_at=_gap_at(snap) if gap else None,
        complete=(sums.gross == told or _known_otherwise(evidence, by)) and _rows_told(sums, snap),
    )


def _settle_quote(evidence: m.Evidence, snap: m.OrderSnapshot | None, by: Measure) -> m.Evidence:
    """The same for orders sized in quote currency: counted in quote, which is exact there."""
    sums = evidence.chosen
    told = sums.gross if snap is None or snap.value is None else max(snap.value, sums.gross)
    gap = EXACT.subtract(told, sums.gross)
    base = sums.base if snap is None else snap.cum
    all_rows = snap is not None and snap.fills is not None and sums.rows >= snap.fills
    unread = evidence.replaces is not None and not evidence.history_read
    if gap <= 0 or gap < by.quantum or unread or _carried(evidence, by):
        gap = ZERO
    missing = max(ZERO, EXACT.subtract(base, sums.base)) if gap else ZERO
    price = EXACT.divide(gap, missing) if missing and not evidence.amended else None
    exact = bool(all_rows and not evidence.amended)
    return evolve(
        evidence,
        filled=base if exact else EXACT.add(sums.base, missing),
        value=EXACT.add(sums.value, gap) if price is not None or not gap else None,
        gap=missing,
        gap_price=price,
        gap_at=_gap_at(snap) if gap else None,
        complete=sums.gross == told and _rows_told(sums, snap),
    )


def amounts(evidence: m.Evidence) -> m.OrderSnapshot | None:
    """The snapshot whose totals count: the newest, unless one without a clock tells more."""
    word, loose = evidence.word, evidence.loose
    if loose is None or (word is not None and word.cum >= loose.cum):
        return word
    return loose


def _rows_told(sums: m.Sums, snap: m.OrderSnapshot | None) -> bool:
    return snap is None or snap.fills is None or snap.fills == sums.rows


def _carried(evidence: m.Evidence, by: Measure) -> Decimal:
    """
    How much of a replacing order's total may be fills of the ids that it replaces.

    What is beyond that, every reading of the total agrees on; and the sum over the chain is
    never more than the total, however little is known of the replaced ids yet.
    """
    fresh = by.replace_cum is m.ReplaceCum.FRESH and evidence.history_read
    return ZERO if evidence.replaces is None or fresh else by.before


def _known_otherwise(evidence: m.Evidence, by: Measure) -> bool:
    # A carried total never equals the sum of an id's own fills; its history has to do.
    carries = by.replace_cum is m.ReplaceCum.CARRIED
    return evidence.replaces is not None and carries and evidence.history_read


def _value_with(
    gap: Decimal, evidence: m.Evidence, snap: m.OrderSnapshot | None, told: Decimal
) -> Decimal | None:
    """The value of everything filled, by the broker's average; None where it cannot be drawn."""
    if snap is None or snap.avg is None or snap.cum != told or evidence.amended:
        return None
    uncounted = evidence.chosen.uncounted_at
    if uncounted is not None and (snap.last_fill_at is None or uncounted > snap.last_fill_at):
        return None  # an execution that the snapshot may not have known
    return EXACT.multiply(snap.avg, snap.cum)


def _price(gap: Decimal, value: Decimal, by: Measure) -> Decimal | None:
    """What the gap cost per unit; None where the result cannot be true. Averages are rounded."""
    price = EXACT.divide(value, gap)
    if price <= 0:
        return None
    if by.limit_price is not None:
        worse = (price - by.limit_price) * by.side.sign
        return None if worse > 0 else price
    return price


def _gap_at(snap: m.OrderSnapshot | None) -> m.Timestamp | None:
    return None if snap is None else snap.last_fill_at or said_at(snap)


def said_at(snap: m.OrderSnapshot) -> m.Timestamp | None:
    """When the broker said so: by its own clock if it has one, else when we read it."""
    clock = "" if snap.version is None else snap.version.clock
    return m.Timestamp(clock) if "T" in clock else snap.read_at  # else it is the number of a look
