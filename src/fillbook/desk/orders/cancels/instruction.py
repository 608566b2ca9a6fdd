"""
The instruction to cancel an order, as entries of one transaction.

Other half: `desk.orders.cancel`, which attempts it.  A process without a broker writes it too.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.core.orders import instructions
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.send_permission import Authority
from fillbook.desk.record.recorder import Transaction
from fillbook.store import Reader


def instruct_cancel(
    transaction: Transaction, name: str, authority: Authority, by: str | None = None
) -> bool:
    """
    Write the instruction to cancel an order; return whether the order is not final yet.

    A change by cancel-and-new is withdrawn too, also for a final order.  *by* is the id of an
    access token; None: a desk gives the instruction.
    """
    record = transaction.reader.get(m.OrderRecord, name)
    if record is None:
        return False
    known = evidence_of(transaction.reader, record)
    plan = instructions.open_cancel_and_new(record, known)
    if record.order.is_final:
        if plan is not None:
            why = "withdrawn: the order is canceled"
            transaction.record(m.InstructionClosed(name, plan.number, why))
        return False
    if by is not None or not _is_instructed(record, authority):
        number = len(record.instructions) + 1
        broker_order_id = record.order.broker_order_id
        transaction.record(
            m.Instructed(
                name, number, m.Cancel(), authority, broker_order_id=broker_order_id, by=by
            )
        )
    return True


def successor_of(reader: Reader, name: str) -> str | None:
    """Return the order that the latest change by cancel-and-new has placed, or None."""
    record = reader.get(m.OrderRecord, name)
    for x in reversed(() if record is None else record.instructions):
        if isinstance(x.asked, m.Amend) and x.asked.way is m.Way.ANEW:
            placed = reader.get(m.OrderRecord, x.asked.change.client_order_id)
            return None if placed is None else placed.client_order_id
    return None


def _is_instructed(record: m.OrderRecord, authority: Authority) -> bool:
    """Whether a cancel is instructed already, with at least this authority."""
    instruction = instructions.open_cancel(record)
    return (
        instruction is not None
        and instruction.authority.raised_to(authority) is instruction.authority
    )
