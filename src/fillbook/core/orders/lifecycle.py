"""
The lifecycle of one order, as data.

Rule 1: every request that *we* may make is an entry of `COMMANDS`; a pair that is not in it is
        our bug (`IllegalTransition`).
Rule 2: what the broker reports is evidence; it is merged, never refused.  A contradiction is an
        `Anomaly` of the order, computed from the facts.
Rule 3: this module is independent of brokers.  Adapters translate a broker's statuses.

Status names are FIX's OrdStatus (tag 39).  Other halves: `core.orders.evidence` summarizes the
facts about one broker id, `desk.orders.place` sends requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.orders import instructions, lineage
from fillbook.core.orders.anomalies import anomalies_of, is_another_order, is_contradictory
from fillbook.core.orders.evidence import current_snapshot
from fillbook.core.orders.lineage import tip_of
from fillbook.core.orders.totals import EvidenceContext, gross_filled, reported_at
from fillbook.errors import IllegalTransition
from fillbook.model import EXACT, ZERO
from fillbook.model.orders.enums import LIVE as LIVE

_S = m.OrderStatus
_C = m.Command

#: The commands that are legal in each status, and the status that is expected next.
COMMANDS: Final[Mapping[tuple[m.OrderStatus, m.Command], m.OrderStatus]] = {
    (_S.UNPROVEN, _C.DENY): _S.DENIED,
    (_S.UNPROVEN, _C.SEND): _S.UNPROVEN,  # the first time, and again under the same id
    (_S.DENIED, _C.SEND): _S.UNPROVEN,  # nothing was sent
    (_S.UNPROVEN, _C.CANCEL): _S.UNPROVEN,  # it is not sent again
    (_S.UNPROVEN, _C.ABANDON): _S.ABSENT,
    (_S.UNPROVEN, _C.RESOLVE): _S.ABSENT,
    **{(status, _C.RESOLVE): _S.ABSENT for status in LIVE},
    **{(status, _C.CANCEL): _S.PENDING_CANCEL for status in LIVE},  # may be repeated
    **{
        (status, _C.REPLACE): _S.PENDING_REPLACE
        for status in LIVE - {_S.PENDING_CANCEL, _S.PENDING_REPLACE, _S.REPLACED, _S.DISPUTED}
    },
}


def expected_status(status: m.OrderStatus, command: m.Command) -> m.OrderStatus:
    """
    Return the status that an order in *status* is expected to have after *command*.

    Raises: IllegalTransition for a pair that is not in `COMMANDS`.
    """
    try:
        return COMMANDS[status, command]
    except KeyError:
        raise IllegalTransition(
            f"the command {command} is not legal for an order that is {status}"
        ) from None


#: Shown instead of PARTIALLY_FILLED: they say why the order does not work now.
_SHOWN_DESPITE_FILLS: Final = frozenset(
    {_S.DONE_FOR_DAY, _S.CALCULATED, _S.STOPPED, _S.SUSPENDED, _S.HELD}
)


def derive_status(
    reported: m.OrderStatus | None,
    filled: Decimal,
    qty: Decimal | None,
    counted_qty: Decimal | None = None,
) -> m.OrderStatus:
    """
    Return the status of an order at the broker; *reported* None: only fills are known.

    *counted_qty* is the part of *filled* that counts toward *qty*; None: all of it.
    """
    all_filled = qty is not None and (filled if counted_qty is None else counted_qty) >= qty
    if reported in m.ENDINGS:
        if all_filled:
            return _S.FILLED
        return _S.CANCELED if reported is _S.REJECTED and filled > 0 else reported
    if reported in m.PENDING:
        return reported
    if reported is _S.FILLED or all_filled:
        return _S.FILLED
    if reported in _SHOWN_DESPITE_FILLS:
        return reported
    if filled > 0:
        return _S.PARTIALLY_FILLED
    return _S.ACCEPTED if reported is None else reported


def make_order(
    record: m.OrderRecord, evidence: Sequence[m.Evidence], context: EvidenceContext
) -> m.Order:
    """Compute the order that a bot sees: a pure function of the record and its evidence."""
    if not evidence:
        return _unreported(record)
    tip = tip_of(evidence)
    filled = sum((e.filled for e in evidence), ZERO)
    value = _sum_of_known([e.value for e in evidence])
    snap = current_snapshot(tip, clocked=context.clocked)
    reported = None if snap is None else snap.status
    counted_qty, qty = _counted_qty(tip, filled, context), record.terms.qty
    anomalies = anomalies_of(record, evidence, counted_qty, context)
    others = lineage.other_live_ids(evidence, tip)
    # Another order of our client order id proves nothing about ours while it may still trade.
    is_another = any(lineage.is_live(e) and is_another_order(record, e) for e in evidence)
    disputed = is_another or is_contradictory(anomalies)
    resolution = resolution_of(record)
    if resolution is not None:
        reported, others, disputed = _S.CANCELED if filled else _S.ABSENT, [], False
    order_status = _S.DISPUTED if disputed else derive_status(reported, filled, qty, counted_qty)
    ended = (
        order_status in m.ENDINGS
        or order_status in (_S.FILLED, _S.ABSENT)
        or (qty is not None and counted_qty >= qty)
    )
    final = ended and not disputed and not others
    return evolve(
        _unreported(record),
        broker_order_id=tip.broker_order_id,
        status=order_status,
        filled_qty=filled,
        filled_value=value,
        avg_price=None if value is None or filled <= 0 else EXACT.divide(value, filled),
        fees=_sum_of_known([e.chosen.fees if not e.gap else None for e in evidence]),
        leaves_qty=_max_leaves_qty(
            _leaves(qty, counted_qty, final), record, evidence, others, final=final
        ),
        leaves_notional=_leaves(record.terms.notional, value, final),
        is_final=final,
        pending=_command_name(instructions.pending(record, evidence, final=final)),
        is_complete=all(_is_complete(e, evidence) for e in evidence)
        and order_status is not _S.DISPUTED,
        reason=_reason(resolution, snap),
        proof=_proof(tip, snap, resolution) if final else None,
        anomalies=anomalies,
    )


def resolution_of(record: m.OrderRecord) -> m.Conclusion | None:
    """Return the resolution by a person that the broker does not have the order; None: none."""
    return record.verdict if record.verdict is not None and record.verdict.resolved else None


def _reason(resolution: m.Conclusion | None, snap: m.OrderSnapshot | None) -> str | None:
    if resolution is not None:
        return resolution.why
    return None if snap is None else snap.reason


def _unreported(record: m.OrderRecord) -> m.Order:
    """Return an order without evidence: our intent, and our conclusion if there is one."""
    verdict = record.verdict
    final = verdict is not None
    return m.Order(
        client_order_id=record.client_order_id,
        origin=record.origin,
        terms=record.terms,
        strategy=record.strategy,
        key=None if record.intent is None else record.intent.key,
        adjustments=() if record.intent is None else record.intent.adjustments,
        parent=record.parent,
        created_at=record.created_at,
        pending=None if final else _command_name(instructions.pending(record, (), final=False)),
        broker_order_id=None,
        status=_S.UNPROVEN if verdict is None else verdict.status,
        filled_qty=ZERO,
        filled_value=ZERO,
        avg_price=None,
        fees=ZERO,
        leaves_qty=_leaves(record.terms.qty, ZERO, final),
        leaves_notional=_leaves(record.terms.notional, ZERO, final),
        is_final=final,
        is_complete=final,
        reason=None if verdict is None else verdict.why,
        proof=None if verdict is None else m.Proof(verdict.status, None, verdict.at),
    )


def _command_name(command: m.Command | None) -> str | None:
    return None if command is None else str(command)


def _is_complete(e: m.Evidence, evidence: Sequence[m.Evidence]) -> bool:
    """Return whether every fill of one id has an execution; its total may be carried over."""
    if e.complete or e.replaces is None or not e.history_read or e.word is None:
        return e.complete
    others = [other for other in evidence if other is not e]
    carried = e.word.cum - e.chosen.gross
    # The total may have been carried over before or after a bust, which may have lowered it.
    return carried in (sum(map(gross_filled, others)), sum(other.filled for other in others))


def _max_leaves_qty(
    leaves: Decimal | None,
    record: m.OrderRecord,
    evidence: Sequence[m.Evidence],
    others: Sequence[m.Evidence],
    *,
    final: bool,
) -> Decimal | None:
    """
    Return the quantity that may still fill at most.

    Another live id adds its own leaves; of an id and its pending replacement, the larger counts.
    """
    if leaves is None or final:
        return leaves
    instruction = instructions.open_change(record, evidence)
    if (
        instruction is not None
        and instruction.change is not None
        and instruction.change.qty is not None
    ):
        filled = sum((e.filled for e in evidence), ZERO)
        leaves = max(leaves, instruction.change.qty - filled)
    for e in evidence:
        if lineage.is_live(e) and e.echoed is not None and e.echoed.qty is not None:
            leaves = max(leaves, e.echoed.qty - e.filled)
    for e in others:
        qty = lineage.leaves_qty(e) or ZERO
        leaves = max(leaves, qty) if lineage.is_being_replaced(e) else leaves + qty
    return leaves


def _counted_qty(tip: m.Evidence, filled: Decimal, context: EvidenceContext) -> Decimal:
    """Return how much of *filled*, of all ids, counts toward the quantity of the *tip*."""
    # The quantity of a replacing order may be the total or the remaining one; where that is
    # unknown, the reading with the larger leaves counts.
    return filled if context.replace_cum is m.ReplaceCum.CARRIED else tip.filled


def terms_in_force(requested: m.Terms, reported: m.Terms) -> m.Terms:
    """
    Return the terms of our own order, as reported: quantity, prices and time in force.

    A value that is not reported is the requested one.  The price of a trailing stop moves, and an
    OCO may be one order with a stop.
    """
    names = {"time_in_force", *m.PRICES.get(requested.type, ())}
    names |= {"qty"} if requested.qty is not None else set()
    has_own_stop = requested.order_class is m.OrderClass.OCO
    has_own_stop |= requested.type is m.OrderType.TRAILING_STOP
    names |= {"stop_price"} if has_own_stop else set()
    values = {name: getattr(reported, name) for name in names}
    unknown = (None, m.TimeInForce.UNRECOGNISED)
    return evolve(requested, **{name: x for name, x in values.items() if x not in unknown})


def _sum_of_known(parts: Sequence[Decimal | None]) -> Decimal | None:
    """Return the sum of *parts*; None: one of them is unknown."""
    total = ZERO
    for part in parts:
        if part is None:
            return None
        total = EXACT.add(total, part)
    return total


def _leaves(ordered: Decimal | None, filled: Decimal | None, final: bool) -> Decimal | None:
    if ordered is None or filled is None:
        return None
    return ZERO if final else max(ZERO, ordered - filled)


def _proof(
    tip: m.Evidence, snap: m.OrderSnapshot | None, resolution: m.Conclusion | None
) -> m.Proof:
    if resolution is not None:
        return m.Proof(resolution.status, tip.broker_order_id, resolution.at)
    if snap is None or not (snap.status in m.ENDINGS or snap.status is _S.FILLED):
        return m.Proof(tip.source, tip.broker_order_id, None)
    return m.Proof(snap.source, tip.broker_order_id, reported_at(snap))
