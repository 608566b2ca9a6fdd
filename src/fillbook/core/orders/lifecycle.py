"""
The life of one order, as data.

Rule 1: every request that *we* may make is an entry of `COMMANDS`; a pair that is
        not in it is our bug (`IllegalTransition`).
Rule 2: what the broker reports is evidence; it is merged, never refused.  What is
        odd about it is an `Anomaly` beside the order, computed from the facts.
Rule 3: this module knows no broker.  Adapters translate a broker's words before
        they arrive here.

Status names are FIX's OrdStatus (tag 39).  Other halves: `core.orders.evidence` measures
one broker id, `desk.orders.place` carries commands out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.orders import instructions, lineage
from fillbook.core.orders.evidence import Measure, is_upheld, said_at, spoken
from fillbook.core.orders.executions import DISPUTES
from fillbook.core.orders.lineage import clock_of, tip_of
from fillbook.errors import IllegalTransition
from fillbook.model import EXACT, ZERO

_S = m.OrderStatus
_C = m.Command

#: Statuses in which the broker may still fill the order.
LIVE: Final = frozenset(
    {
        _S.PENDING_NEW,
        _S.ACCEPTED,
        _S.ACCEPTED_FOR_BIDDING,
        _S.PENDING_REVIEW,
        _S.HELD,
        _S.NEW,
        _S.PARTIALLY_FILLED,
        _S.PENDING_CANCEL,
        _S.PENDING_REPLACE,
        _S.REPLACED,  # its successor is not known yet
        _S.DONE_FOR_DAY,
        _S.CALCULATED,
        _S.STOPPED,
        _S.SUSPENDED,
        _S.UNRECOGNISED,
        _S.DISPUTED,
    }
)

#: What we may ask of an order in each status, and what we then expect to see.
COMMANDS: Final[Mapping[tuple[m.OrderStatus, m.Command], m.OrderStatus]] = {
    (_S.UNPROVEN, _C.DENY): _S.DENIED,
    (_S.UNPROVEN, _C.SEND): _S.UNPROVEN,  # the first time, and again under the same id
    (_S.DENIED, _C.SEND): _S.UNPROVEN,  # nothing had been sent
    (_S.UNPROVEN, _C.CANCEL): _S.UNPROVEN,  # not wanted any more: it is not sent again
    (_S.UNPROVEN, _C.ABANDON): _S.ABSENT,
    **{(status, _C.CANCEL): _S.PENDING_CANCEL for status in LIVE},  # may be repeated
    **{
        (status, _C.REPLACE): _S.PENDING_REPLACE
        for status in LIVE - {_S.PENDING_CANCEL, _S.PENDING_REPLACE, _S.REPLACED, _S.DISPUTED}
    },
}


def expect(status: m.OrderStatus, command: m.Command) -> m.OrderStatus:
    """
    What an order in *status* is expected to become by *command*.

    Raises: IllegalTransition for a pair that is not in `COMMANDS`.
    """
    try:
        return COMMANDS[status, command]
    except KeyError:
        raise IllegalTransition(f"an order that is {status} cannot take {command}") from None


#: Shown whatever was filled: the order rests, and the broker says how.
_RESTING: Final = frozenset({_S.DONE_FOR_DAY, _S.CALCULATED, _S.STOPPED, _S.SUSPENDED, _S.HELD})
#: Two orders that differ in one of these are not the same.
_BODY: Final = ("symbol", "side", "qty")
_PENDING: Final = frozenset({_S.PENDING_CANCEL, _S.PENDING_REPLACE})


def status(
    word: m.OrderStatus | None, filled: Decimal, qty: Decimal | None, own: Decimal | None = None
) -> m.OrderStatus:
    """
    The status of an order that the broker has, by its *word* (None: only fills are known).

    *own* is what counts toward *qty*, where that is less than what the order *filled* in all.
    """
    all_filled = qty is not None and (filled if own is None else own) >= qty
    if word in m.ENDINGS:
        if all_filled:
            return _S.FILLED
        return _S.CANCELED if word is _S.REJECTED and filled > 0 else word
    if word in _PENDING:
        return word
    if word is _S.FILLED or all_filled:
        return _S.FILLED
    if word in _RESTING:
        return word
    if filled > 0:
        return _S.PARTIALLY_FILLED
    return _S.ACCEPTED if word is None else word


def make_order(record: m.OrderRecord, evidence: Sequence[m.Evidence], by: Measure) -> m.Order:
    """The order as a bot sees it: a pure function of what we asked and what is known."""
    if not evidence:
        return _unseen(record)
    tip = tip_of(evidence)
    filled = sum((e.filled for e in evidence), ZERO)
    value = _total([e.value for e in evidence])
    snap = spoken(tip, clocked=by.clocked)
    word = None if snap is None else snap.status
    own, qty = _own(tip, filled, by), record.terms.qty
    anomalies = _anomalies(record, evidence, own, by)
    disputed = any(a.oddity in DISPUTES or a.oddity is m.Oddity.BUST_UNCONFIRMED for a in anomalies)
    shown = _S.DISPUTED if disputed else status(word, filled, qty, own)
    twins = lineage.twins(evidence, tip)
    ended = shown in m.ENDINGS or shown is _S.FILLED or (qty is not None and own >= qty)
    final = ended and not disputed and not twins
    return evolve(
        _unseen(record),
        broker_order_id=tip.broker_order_id,
        status=shown,
        filled_qty=filled,
        filled_value=value,
        avg_price=None if value is None or filled <= 0 else EXACT.divide(value, filled),
        fees=_total([e.chosen.fees if not e.gap else None for e in evidence]),
        leaves_qty=_most(_leaves(qty, own, final), record, evidence, twins, final=final),
        leaves_notional=_leaves(record.terms.notional, value, final),
        is_final=final,
        pending=_word(instructions.pending(record, evidence, final=final)),
        is_complete=all(_is_told(e, evidence) for e in evidence) and shown is not _S.DISPUTED,
        reason=None if snap is None else snap.reason,
        proof=_proof(tip, snap) if final else None,
        anomalies=anomalies,
    )


def _unseen(record: m.OrderRecord) -> m.Order:
    """An order of which nothing is known but our intent, and what we concluded of it."""
    concluded = record.verdict
    final = concluded is not None
    return m.Order(
        client_order_id=record.client_order_id,
        origin=record.origin,
        terms=record.terms,
        strategy=record.strategy,
        key=None if record.intent is None else record.intent.key,
        adjustments=() if record.intent is None else record.intent.adjustments,
        parent=record.parent,
        created_at=record.created_at,
        pending=None if final else _word(instructions.pending(record, (), final=False)),
        broker_order_id=None,
        status=_S.UNPROVEN if concluded is None else concluded.status,
        filled_qty=ZERO,
        filled_value=ZERO,
        avg_price=None,
        fees=ZERO,
        leaves_qty=_leaves(record.terms.qty, ZERO, final),
        leaves_notional=_leaves(record.terms.notional, ZERO, final),
        is_final=final,
        is_complete=final,
        reason=None if concluded is None else concluded.why,
        proof=None if concluded is None else m.Proof(concluded.status, None, concluded.at),
    )


def _word(command: m.Command | None) -> str | None:
    return None if command is None else str(command)


def _is_told(e: m.Evidence, evidence: Sequence[m.Evidence]) -> bool:
    """Whether every fill of one id is told; its total may carry those of what it replaced."""
    if e.complete or e.replaces is None or not e.history_read or e.word is None:
        return e.complete
    before = sum((other.filled for other in evidence if other is not e), ZERO)
    return e.word.cum - e.chosen.gross == before


def _most(
    leaves: Decimal | None,
    record: m.OrderRecord,
    evidence: Sequence[m.Evidence],
    twins: Sequence[m.Evidence],
    *,
    final: bool,
) -> Decimal | None:
    """What may still fill at most: of both twins, or of the larger while a replace is under way."""
    if leaves is None or final:
        return leaves
    asked = instructions.open_change(record, evidence)
    if asked is not None and asked.change is not None and asked.change.qty is not None:
        filled = sum((e.filled for e in evidence), ZERO)
        leaves = max(leaves, asked.change.qty - filled)
    for e in twins:
        more = lineage.open_qty(e) or ZERO
        leaves = max(leaves, more) if lineage.is_giving_way(e) else leaves + more
    return leaves


def _own(tip: m.Evidence, filled: Decimal, by: Measure) -> Decimal:
    """What counts toward the quantity of the *tip*, of all that was *filled* in its lineage."""
    # The quantity of a replacing order may be the total or what remained: the larger leaves.
    return filled if by.replace_cum is m.ReplaceCum.CARRIED else tip.filled


def is_other(intent: m.Intent | None, evidence: m.Evidence) -> bool:
    """Whether the broker's order of our id is another: a store that was lost gave the id twice."""
    if intent is None or evidence.terms is None or evidence.replaces is not None:
        return False
    asked = intent.request
    pairs = ((getattr(asked, name), getattr(evidence.terms, name)) for name in _BODY)
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def _total(parts: Sequence[Decimal | None]) -> Decimal | None:
    total = ZERO
    for part in parts:
        if part is None:
            return None
        total = EXACT.add(total, part)
    return total


def _leaves(asked: Decimal | None, filled: Decimal | None, final: bool) -> Decimal | None:
    if asked is None or filled is None:
        return None
    return ZERO if final else max(ZERO, asked - filled)


def _proof(tip: m.Evidence, snap: m.OrderSnapshot | None) -> m.Proof:
    if snap is None or not (snap.status in m.ENDINGS or snap.status is _S.FILLED):
        return m.Proof(tip.source, tip.broker_order_id, None)
    return m.Proof(snap.source, tip.broker_order_id, said_at(snap))


def _anomalies(
    record: m.OrderRecord, evidence: Sequence[m.Evidence], own: Decimal, by: Measure
) -> tuple[m.Anomaly, ...]:
    """What is odd, from the facts alone; so it too does not depend on the order of arrival."""
    found: set[m.Anomaly] = set()
    for e in evidence:
        found |= {m.Anomaly(odd, e.broker_order_id, detail) for odd, detail in _oddities(e, by)}
        qty = (e.terms or record.terms).qty
        if qty is not None and e.filled > qty + by.quantum:
            detail = f"{m.plain(e.filled)} of {m.plain(qty)}"
            found.add(m.Anomaly(m.Oddity.OVERFILL, e.broker_order_id, detail))
        if is_other(record.intent, e):
            found.add(m.Anomaly(m.Oddity.OTHER_BODY, e.broker_order_id))
    if record.verdict is not None and record.verdict.status in (_S.ABSENT, _S.REJECTED):
        first = min(e.broker_order_id for e in evidence)
        found.add(m.Anomaly(m.Oddity.LANDED_LATE, first, record.verdict.why))
    filled, wanted = sum((e.filled for e in evidence), ZERO), instructions.wanted_qty(record)
    if wanted is not None and len(evidence) > 1 and filled > wanted + by.quantum:
        detail = f"{m.plain(filled)} of {m.plain(wanted)}"
        tip = tip_of(evidence).broker_order_id
        found.add(m.Anomaly(m.Oddity.OVERFILL, tip, detail))
    closed = {x.change.client_order_id: x.closed for x in record.instructions if x.change}
    for e in evidence:
        why = closed.get(e.name or "")
        if why is not None:
            found.add(m.Anomaly(m.Oddity.LANDED_LATE, e.broker_order_id, why))
    if _bust_unconfirmed(evidence, own, record.terms.qty, by):
        found.add(m.Anomaly(m.Oddity.BUST_UNCONFIRMED, tip_of(evidence).broker_order_id))
    return tuple(sorted(found))


def _oddities(e: m.Evidence, by: Measure) -> list[tuple[m.Oddity, str]]:
    """The oddities of one broker id."""
    found = list(e.oddities)
    found += [(m.Oddity.CONFLICTING_EXECUTION, exec_id) for exec_id in e.conflicts]
    if e.not_found:
        found.append((m.Oddity.NOT_FOUND_AFTER_SEEN, ""))
    word = spoken(e, clocked=by.clocked)
    if word is None:
        return found
    told = max(e.chosen.cum, word.cum if e.loose is None else max(word.cum, e.loose.cum))
    if told < e.chosen.gross and not e.amended:
        found.append((m.Oddity.CUM_BELOW_EXECUTIONS, m.plain(told)))
    if word.status is _S.REJECTED and e.filled > 0:
        found.append((m.Oddity.REJECTED_WITH_FILLS, m.plain(e.filled)))
    if word.status in m.ENDINGS and e.chosen.net > word.cum:
        found.append((m.Oddity.FILL_AFTER_END, m.plain(e.filled)))
    if e.end is not None and word is not e.end:
        found.append((m.Oddity.REOPENED, str(e.end.status)))
    if word.status is _S.UNRECOGNISED:
        found.append((m.Oddity.UNRECOGNISED_WORD, word.version.raw if word.version else ""))
    return found


def _bust_unconfirmed(
    evidence: Sequence[m.Evidence], own: Decimal, qty: Decimal | None, by: Measure
) -> bool:
    """Whether a filled order lost a fill, and the broker has not spoken since."""
    tip = tip_of(evidence)
    word = spoken(tip, clocked=by.clocked)
    if word is None or word.status is not _S.FILLED or not any(e.amended for e in evidence):
        return False
    short = own < qty if qty is not None else tip.filled < word.cum
    if not short or word.cum == tip.filled or is_upheld(tip):
        return False
    return tip.void_at is None or clock_of(word) <= tip.void_at
