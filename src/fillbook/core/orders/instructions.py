"""
Which instructions on an order are open, and what attempts them.

Rule 1: an end is open as long as the order is not final: an order that works again is to end again.
Rule 2: a change with a client id of its own is done when an id of that name was ever reported;
        until then it is open, whatever was answered, unless an entry closes it.
Rule 3: at most one end and one change are open; a cancel withdraws a change by cancel-and-new.
Rule 4: what an order may still fill or cost is asked of the open change, never of `pending`,
        which shows the end over it.

Other half: `core.orders.due`, which says what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from fillbook import model as m
from fillbook.core.orders.lineage import is_giving_way

_C = m.Command


def open_end(record: m.OrderRecord) -> m.Instruction | None:
    """The instruction that the order ends; the caller knows whether the order is final."""
    ends = (x for x in reversed(record.instructions) if x.change is None and x.closed is None)
    return next(ends, None)


def open_change(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Instruction | None:
    """The change whose outcome is not known yet; there is never more than one."""
    for x in reversed(record.instructions):
        if isinstance(x.asked, m.Amend):
            over = x.closed is not None or _is_done(record, x, x.asked, evidence)
            return None if over else x
    return None


def open_replace(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Instruction | None:
    """The open change that the broker makes itself."""
    found = open_change(record, evidence)
    native = found is not None and _way(found) is m.Way.NATIVE
    return found if native else None


def open_plan(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Instruction | None:
    """The open change by cancel-and-new."""
    found = open_change(record, evidence)
    anew = found is not None and _way(found) is m.Way.ANEW
    return found if anew else None


def _way(instruction: m.Instruction) -> m.Way | None:
    return instruction.asked.way if isinstance(instruction.asked, m.Amend) else None


def _is_done(
    record: m.OrderRecord,
    instruction: m.Instruction,
    asked: m.Amend,
    evidence: Sequence[m.Evidence],
) -> bool:
    """Whether what a change makes was reported: by its client id, or by its place without one."""
    native = asked.way is m.Way.NATIVE
    replaced = {r.broker_order_id for r in attempts(record, instruction)}
    return any(
        e.name == asked.change.client_order_id
        or (native and e.name is None and e.replaces is not None and e.replaces in replaced)
        for e in evidence
    )


def attempts(
    record: m.OrderRecord, instruction: m.Instruction, broker_order_id: str | None = None
) -> list[m.Request]:
    """The requests that attempt *instruction*, oldest first; of one broker id where it is given."""
    return [
        r
        for r in record.requests
        if r.instruction == instruction.number
        and (broker_order_id is None or r.broker_order_id == broker_order_id)
    ]


def is_outstanding(record: m.OrderRecord, instruction: m.Instruction) -> bool:
    """Whether an attempt may have reached the broker, or may still."""
    made = attempts(record, instruction)
    return any(r.answer is not m.AnswerKind.NOT_SENT for r in made)


def ends_all(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Instruction | None:
    """What asks every living id of an order to end: a cancel, else a change by cancel-and-new."""
    return open_end(record) or open_plan(record, evidence)


def wanted_qty(record: m.OrderRecord) -> Decimal | None:
    """How much we want of an order in all; None where that is not ours to say, or by notional."""
    if record.intent is None:
        return None
    asked = [
        x.asked.change.qty
        for x in record.instructions
        if isinstance(x.asked, m.Amend) and x.asked.way is m.Way.NATIVE and x.closed is None
    ]
    return max([qty for qty in asked if qty], default=record.intent.request.qty)


def pending(
    record: m.OrderRecord, evidence: Sequence[m.Evidence], *, final: bool
) -> m.Command | None:
    """What is shown beside the status: the end that is wanted, else the change that is open."""
    if not final and open_end(record) is not None:
        return _C.CANCEL
    changed = any(x.change is not None for x in record.instructions)
    waits = changed and any(map(is_giving_way, evidence))
    return _C.REPLACE if waits or open_change(record, evidence) is not None else None
