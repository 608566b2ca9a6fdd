"""
Open instructions on an order, and the requests that attempt them.

Rule 1: a cancel is open until the order is final: an order that is reopened is canceled again.
Rule 2: a change with a client order id of its own is completed when an id of that name was
        reported.  Until then it is open, whatever the replies, unless an entry closes it.
        A change in place has no id to show: only an entry closes it, done or not.
Rule 3: at most one cancel and one change are open; a cancel withdraws a change by cancel-and-new.
Rule 4: what an order may still fill or cost depends on the open change, never on `pending`,
        where a cancel hides the change.

Other half: `core.orders.cancel_retries`, which decides the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.orders.lineage import is_being_replaced

_C = m.Command


def open_cancel(record: m.OrderRecord) -> m.Instruction | None:
    """Return the open cancel, for an order that is not final."""
    cancels = (x for x in reversed(record.instructions) if x.change is None and x.closed is None)
    return next(cancels, None)


def open_change(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Instruction | None:
    """Return the change whose outcome is unknown; there is at most one."""
    for x in reversed(record.instructions):
        if isinstance(x.asked, m.Amend):
            is_closed = x.closed is not None or _is_completed(record, x, x.asked, evidence)
            return None if is_closed else x
    return None


def open_replace(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Instruction | None:
    """Return the open change by the broker's own replace."""
    change = open_change(record, evidence)
    is_anew = change is not None and _way_of(change) is m.Way.ANEW
    return None if is_anew else change


def open_cancel_and_new(
    record: m.OrderRecord, evidence: Sequence[m.Evidence]
) -> m.Instruction | None:
    """Return the open change by cancel-and-new."""
    change = open_change(record, evidence)
    is_anew = change is not None and _way_of(change) is m.Way.ANEW
    return change if is_anew else None


def is_in_place(instruction: m.Instruction) -> bool:
    """Return whether an instruction is a change that keeps the ids of the order."""
    return _way_of(instruction) is m.Way.IN_PLACE


def _way_of(instruction: m.Instruction) -> m.Way | None:
    return instruction.asked.way if isinstance(instruction.asked, m.Amend) else None


def _is_completed(
    record: m.OrderRecord,
    instruction: m.Instruction,
    amend: m.Amend,
    evidence: Sequence[m.Evidence],
) -> bool:
    """Return whether the result of a change was reported: by its client id, else by its lineage."""
    is_native = amend.way is m.Way.NATIVE
    attempted_ids = {r.broker_order_id for r in attempts(record, instruction)}
    return any(
        e.name == amend.change.client_order_id
        or (is_native and e.name is None and e.replaces is not None and e.replaces in attempted_ids)
        for e in evidence
    )


def attempts(
    record: m.OrderRecord, instruction: m.Instruction, broker_order_id: str | None = None
) -> list[m.Request]:
    """Return the requests that attempt *instruction*, oldest first; None: on every broker id."""
    return [
        r
        for r in record.requests
        if r.instruction == instruction.number
        and (broker_order_id is None or r.broker_order_id == broker_order_id)
    ]


def is_outstanding(record: m.OrderRecord, instruction: m.Instruction) -> bool:
    """Return whether an attempt may have reached the broker, or may still reach it."""
    made = attempts(record, instruction)
    return any(r.answer is not m.AnswerKind.NOT_SENT for r in made)


def cancel_of_all_ids(
    record: m.OrderRecord, evidence: Sequence[m.Evidence]
) -> m.Instruction | None:
    """
    Return the instruction under which every live id of an order is canceled.

    It is a cancel, else a change by cancel-and-new.
    """
    return open_cancel(record) or open_cancel_and_new(record, evidence)


def requested_qty(record: m.OrderRecord) -> Decimal | None:
    """Return the largest quantity that we requested; None: an external order, or by notional."""
    if record.intent is None:
        return None
    amended = [
        x.asked.change.qty
        for x in record.instructions
        if isinstance(x.asked, m.Amend)
        and x.asked.way is not m.Way.ANEW
        and (x.closed is None or x.done)
    ]
    return max([qty for qty in amended if qty], default=record.intent.request.qty)


#: The terms that a broker may change, and that are compared.
_COMPARED_TERMS: Final = (
    "qty",
    "limit_price",
    "stop_price",
    "trail_price",
    "trail_percent",
    "time_in_force",
)


def unrequested_terms(
    was: m.OrderRecord, now: m.OrderRecord
) -> list[tuple[str, str | None, str | None]]:
    """
    List the terms of *now* that differ from *was* and that we did not request.

    Each row is a field, and its value before and after as text.  The moving stop price of a
    trailing stop is no difference, and neither is a value that an instruction requests.
    """
    changes = [x.change for x in now.instructions if x.change is not None]
    rows: list[tuple[str, str | None, str | None]] = []
    for field in _COMPARED_TERMS:
        ours, theirs = getattr(was.terms, field), getattr(now.terms, field)
        asked = {getattr(x, "trail" if field.startswith("trail") else field) for x in changes}
        moves = field == "stop_price" and now.terms.type is m.OrderType.TRAILING_STOP
        if ours != theirs and theirs not in asked and not moves:
            rows.append((field, _text(ours), _text(theirs)))
    return rows


def _text(value: Decimal | m.TimeInForce | None) -> str | None:
    return m.plain(value) if isinstance(value, Decimal) else value


def pending(
    record: m.OrderRecord, evidence: Sequence[m.Evidence], *, final: bool
) -> m.Command | None:
    """Return the command shown beside the status: the open cancel, else the open change."""
    if not final and open_cancel(record) is not None:
        return _C.CANCEL
    has_changes = any(x.change is not None for x in record.instructions)
    is_replacing = has_changes and any(map(is_being_replaced, evidence))
    return _C.REPLACE if is_replacing or open_change(record, evidence) is not None else None
