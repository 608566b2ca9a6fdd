"""
Apply the entries about what we request: intents, instructions, requests, replies, conclusions.

Every request is an entry of `lifecycle.COMMANDS`.  Other half: `core.journal.reports_and_fills`,
for what the broker reports.
"""

from __future__ import annotations

from typing import assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import (
    new_record,
    repost_movements,
    terms_of,
    update_order,
)
from fillbook.core.orders import instructions, lifecycle
from fillbook.core.orders.lineage import evidence_of


def matches_request(terms: m.Terms, request: m.OrderRequest) -> bool:
    """Return whether an order of *terms*, as the broker reports it, may be the one of *request*."""
    requested = terms_of(request)
    return all(
        getattr(terms, name) == getattr(requested, name)
        for name in ("symbol", "side", "type", "qty", "notional", "limit_price", "stop_price")
    )


_RequestEntry = (
    m.Intended
    | m.Instructed
    | m.InstructionClosed
    | m.Commanded
    | m.Answered
    | m.IntentDenied
    | m.ChangeClosed
    | m.ConcludedAbsent
    | m.ResolvedAbsent
)


def apply_request(draft: Draft, entry: _RequestEntry) -> None:
    """Apply one entry to its order."""
    if isinstance(entry, m.Intended):
        _apply_intent(draft, entry.intent)
        return
    record = _find_record(draft, entry)
    if record is None:
        return  # its id moved to another order, and the entry names no broker id
    match entry:
        case m.Commanded():
            _apply_command(draft, record, entry)
        case m.Answered():
            _apply_answer(draft, record, entry)
        case m.IntentDenied():
            _conclude(draft, record, m.Command.DENY, entry.reason)
        case m.Instructed():
            _apply_instruction(draft, record, entry)
        case m.InstructionClosed():
            _close_instruction(draft, record, entry.number, entry.why, done=entry.done)
        case m.ChangeClosed():
            request = next((r for r in record.requests if r.number == entry.number), None)
            _close_instruction(
                draft, record, None if request is None else request.instruction, entry.why
            )
        case m.ConcludedAbsent():
            why = f"the broker replied {entry.answers} times that it does not exist"
            _conclude(draft, record, m.Command.ABANDON, why)
        case m.ResolvedAbsent():
            _conclude(draft, record, m.Command.RESOLVE, "a person resolved that it does not exist")
        case _:
            assert_never(entry)


def _apply_intent(draft: Draft, intent: m.Intent) -> None:
    """
    Apply an intent.

    If the broker reported the order first (the store had lost it), it becomes an order of ours.
    """
    name, terms = intent.client_order_id, terms_of(intent.request)
    known = draft.get(m.OrderRecord, name) or new_record(m.Origin.OURS, name, terms, intent.at)
    strategy = intent.request.strategy
    record = evolve(known, origin=m.Origin.OURS, intent=intent, strategy=strategy)
    record = update_order(draft, record)
    for broker_order_id in record.ids:
        repost_movements(draft, record, broker_order_id)


def _find_record(draft: Draft, entry: _RequestEntry) -> m.OrderRecord | None:
    """Return the order of an entry: by client order id, else by the broker id that it names."""
    assert not isinstance(entry, m.Intended)  # the caller has handled it
    record = draft.get(m.OrderRecord, entry.client_order_id)
    broker_order_id: str | None = getattr(entry, "broker_order_id", None)
    if record is not None or broker_order_id is None:
        return record
    found = draft.get(m.Evidence, broker_order_id)
    return None if found is None else draft.get(m.OrderRecord, found.client_order_id)


def _apply_instruction(draft: Draft, record: m.OrderRecord, entry: m.Instructed) -> None:
    """Add an instruction; a second cancel only raises the authority of the first."""
    instruction = m.Instruction(
        number=entry.number,
        asked=entry.asked,
        authority=entry.authority,
        at=draft.at,
        good_until=entry.good_until,
        broker_order_id=entry.broker_order_id,
        by=entry.by,
    )
    update_order(draft, _add_instruction(draft, record, instruction))


def _add_instruction(draft: Draft, record: m.OrderRecord, new: m.Instruction) -> m.OrderRecord:
    evidence = evidence_of(draft, record)
    open_cancel = instructions.open_cancel(record)
    if new.change is None and open_cancel is not None:
        raised = evolve(
            open_cancel,
            authority=open_cancel.authority.raised_to(new.authority),
            by=open_cancel.by or new.by,
        )
        return _update_instruction(record, raised)
    change = instructions.open_change(record, evidence)
    if change is not None:
        is_anew = instructions.open_cancel_and_new(record, evidence) is not None
        if new.change is None and is_anew:
            record = _update_instruction(
                record, evolve(change, closed="withdrawn: the order is canceled")
            )
        elif new.change is not None and not instructions.is_outstanding(record, change):
            record = _update_instruction(
                record, evolve(change, closed="superseded by a later change")
            )
    return evolve(record, instructions=(*record.instructions, new))


def _update_instruction(record: m.OrderRecord, changed: m.Instruction) -> m.OrderRecord:
    kept = (changed if x.number == changed.number else x for x in record.instructions)
    return evolve(record, instructions=tuple(kept))


def _close_instruction(
    draft: Draft, record: m.OrderRecord, number: int | None, why: str, *, done: bool = False
) -> None:
    instruction = next((x for x in record.instructions if x.number == number), None)
    if instruction is not None and instruction.closed is None:
        closed = evolve(instruction, closed=why, done=done)
        update_order(draft, _update_instruction(record, closed))


def _apply_command(draft: Draft, record: m.OrderRecord, entry: m.Commanded) -> None:
    lifecycle.expected_status(record.order.status, entry.command)
    if entry.instruction is None and entry.command is not m.Command.SEND:
        record, entry = _with_instruction_of_0_1(draft, record, entry)
    request = m.Request(
        entry.number,
        entry.command,
        draft.at,
        entry.broker_order_id,
        change=entry.change,
        handed=entry.handed,
        instruction=entry.instruction,
        entry=draft.number,
    )
    is_create = entry.command is m.Command.SEND
    is_first = not any(r.command is m.Command.SEND for r in record.requests)
    if is_create and record.order.is_final:
        record = _with_fulfilled_cancels(record)
    verdict = None if is_create else record.verdict
    record = evolve(record, requests=(*record.requests, request), verdict=verdict)
    record = update_order(draft, record)
    if is_first and is_create:
        draft.emit(m.EventKind.SUBMITTED, symbol=record.terms.symbol, order=record.order)


def _with_fulfilled_cancels(record: m.OrderRecord) -> m.OrderRecord:
    """Return *record*, which had ended and is sent again, with its earlier cancels closed."""
    why = "fulfilled: the order was not sent"
    closed = (
        evolve(x, closed=why) if x.change is None and x.closed is None else x
        for x in record.instructions
    )
    return evolve(record, instructions=tuple(closed))


def _with_instruction_of_0_1(
    draft: Draft, record: m.OrderRecord, entry: m.Commanded
) -> tuple[m.OrderRecord, m.Commanded]:
    """Add the instruction of a request of release 0.1, which stored none."""
    asked: m.Cancel | m.Amend = m.Cancel()
    if entry.change is not None:
        is_native = entry.command is m.Command.REPLACE
        asked = m.Amend(entry.change, m.Way.NATIVE if is_native else m.Way.ANEW)
    instruction = next(
        (x for x in record.instructions if x.asked == asked and x.closed is None), None
    )
    if instruction is None:
        number = len(record.instructions) + 1
        instruction = m.Instruction(
            number=number,
            asked=asked,
            authority=m.Authority.ORDER,
            at=draft.at,
            broker_order_id=entry.broker_order_id,
        )
        record = _add_instruction(draft, record, instruction)
    return record, evolve(entry, instruction=instruction.number)


def _apply_answer(draft: Draft, record: m.OrderRecord, entry: m.Answered) -> None:
    request = _answered_request(record, entry)
    if request is None:
        return
    request = evolve(
        request, answer=entry.answer, message=entry.message, kind=entry.kind, hint=entry.hint
    )
    requests = (request if r.number == request.number else r for r in record.requests)
    record = evolve(record, requests=tuple(requests))
    if request.command is m.Command.SEND and not record.ids:
        record = evolve(record, verdict=_verdict_of_answer(draft, record, entry))
    update_order(draft, record)


def _answered_request(record: m.OrderRecord, entry: m.Answered) -> m.Request | None:
    """
    Return the request of a reply.

    If another order has taken over the broker id, it is the open request on that id.
    """
    if record.client_order_id == entry.client_order_id:
        return next((r for r in record.requests if r.number == entry.number), None)
    on_id = (r for r in record.requests if r.broker_order_id == entry.broker_order_id)
    return next((r for r in on_id if r.answer is None), None)


def _verdict_of_answer(
    draft: Draft, record: m.OrderRecord, entry: m.Answered
) -> m.Conclusion | None:
    """Return the conclusion from a reply to a create, for an order without evidence."""
    was_sent_before = any(
        r.command is m.Command.SEND
        and r.number != entry.number
        and r.answer is not m.AnswerKind.NOT_SENT
        for r in record.requests
    )
    if was_sent_before:
        return record.verdict  # an earlier create may have been accepted: nothing is proven
    if entry.answer is m.AnswerKind.REJECTED and entry.kind is not m.RejectKind.DUPLICATE:
        return m.Conclusion(m.OrderStatus.REJECTED, entry.message, draft.at)
    if entry.answer is m.AnswerKind.NOT_SENT:
        return m.Conclusion(m.OrderStatus.DENIED, entry.message, draft.at, may_send=True)
    return record.verdict


def _conclude(draft: Draft, record: m.OrderRecord, command: m.Command, why: str) -> None:
    status = lifecycle.expected_status(record.order.status, command)
    resolved = command is m.Command.RESOLVE
    verdict = m.Conclusion(status, why, draft.at, resolved=resolved)
    update_order(draft, evolve(record, verdict=verdict))
