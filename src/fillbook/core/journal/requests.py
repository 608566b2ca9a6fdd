"""
What we ask of the broker, taken into the record: intents, requests, answers, conclusions.

Every request is an entry of `lifecycle.COMMANDS`.  Other half: `core.journal.reports`, for what
the broker tells.
"""

from __future__ import annotations

from typing import assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.posting import blank, rebook, redraw, terms_of
from fillbook.core.orders import instructions, lifecycle


def asks_for(terms: m.Terms, request: m.OrderRequest) -> bool:
    """Whether an order of *terms*, as a broker tells them, may be the one of *request*."""
    wish = terms_of(request)
    return all(
        getattr(terms, name) == getattr(wish, name)
        for name in ("symbol", "side", "type", "qty", "notional", "limit_price", "stop_price")
    )


_Asked = (
    m.Intended
    | m.Instructed
    | m.InstructionClosed
    | m.Commanded
    | m.Answered
    | m.IntentDenied
    | m.ChangeClosed
    | m.ConcludedAbsent
)


def take_request(draft: Draft, entry: _Asked) -> None:
    if isinstance(entry, m.Intended):
        _intended(draft, entry.intent)
        return
    record = _known(draft, entry)
    if record is None:
        return  # the order is another's now, and nothing of it tells which
    match entry:
        case m.Commanded():
            _commanded(draft, record, entry)
        case m.Answered():
            _answered(draft, record, entry)
        case m.IntentDenied():
            _conclude(draft, record, m.Command.DENY, entry.reason)
        case m.Instructed():
            _instructed(draft, record, entry)
        case m.InstructionClosed():
            _closed(draft, record, entry.number, entry.why)
        case m.ChangeClosed():
            asked = next((r for r in record.requests if r.number == entry.number), None)
            _closed(draft, record, None if asked is None else asked.instruction, entry.why)
        case m.ConcludedAbsent():
            why = f"{entry.answers} answers that it does not exist"
            _conclude(draft, record, m.Command.ABANDON, why)
        case _:
            assert_never(entry)


def _intended(draft: Draft, intent: m.Intent) -> None:
    """A wish of ours; if its order was seen first, by a record that had lost it, it is ours now."""
    name, terms = intent.client_order_id, terms_of(intent.request)
    known = draft.get(m.OrderRecord, name) or blank(m.Origin.OURS, name, terms, intent.at)
    strategy = intent.request.strategy
    record = evolve(known, origin=m.Origin.OURS, intent=intent, strategy=strategy)
    record = redraw(draft, record)
    for broker_order_id in record.ids:
        rebook(draft, record, broker_order_id)


def _known(draft: Draft, entry: _Asked) -> m.OrderRecord | None:
    """The order of an entry: by its client id, else by the broker id that the entry names."""
    assert not isinstance(entry, m.Intended)  # the caller has taken it
    record = draft.get(m.OrderRecord, entry.client_order_id)
    broker_order_id: str | None = getattr(entry, "broker_order_id", None)
    if record is not None or broker_order_id is None:
        return record
    found = draft.get(m.Evidence, broker_order_id)
    return None if found is None else draft.get(m.OrderRecord, found.client_order_id)


def _instructed(draft: Draft, record: m.OrderRecord, entry: m.Instructed) -> None:
    """A new instruction; a second cancel only raises the authority of the first."""
    asked = m.Instruction(
        number=entry.number,
        asked=entry.asked,
        authority=entry.authority,
        at=draft.at,
        good_until=entry.good_until,
        broker_order_id=entry.broker_order_id,
    )
    redraw(draft, _with_instruction(draft, record, asked))


def _with_instruction(draft: Draft, record: m.OrderRecord, new: m.Instruction) -> m.OrderRecord:
    known = [e for i in record.ids if (e := draft.get(m.Evidence, i)) is not None]
    was = instructions.open_end(record)
    if new.change is None and was is not None:
        raised = evolve(was, authority=was.authority.raised_to(new.authority))
        return _with(record, raised)
    change = instructions.open_change(record, known)
    if change is not None:
        anew = instructions.open_plan(record, known) is not None
        if new.change is None and anew:
            record = _with(record, evolve(change, closed="withdrawn: the order is canceled"))
        elif new.change is not None and not instructions.is_outstanding(record, change):
            record = _with(record, evolve(change, closed="superseded by a later change"))
    return evolve(record, instructions=(*record.instructions, new))


def _with(record: m.OrderRecord, changed: m.Instruction) -> m.OrderRecord:
    kept = (changed if x.number == changed.number else x for x in record.instructions)
    return evolve(record, instructions=tuple(kept))


def _closed(draft: Draft, record: m.OrderRecord, number: int | None, why: str) -> None:
    asked = next((x for x in record.instructions if x.number == number), None)
    if asked is not None and asked.closed is None:
        redraw(draft, _with(record, evolve(asked, closed=why)))


def _commanded(draft: Draft, record: m.OrderRecord, entry: m.Commanded) -> None:
    lifecycle.expect(record.order.status, entry.command)
    if entry.instruction is None and entry.command is not m.Command.SEND:
        record, entry = _as_instructed(draft, record, entry)
    request = m.Request(
        entry.number,
        entry.command,
        draft.at,
        entry.broker_order_id,
        change=entry.change,
        handed=entry.handed,
        instruction=entry.instruction,
    )
    first = not any(r.command is m.Command.SEND for r in record.requests)
    verdict = None if entry.command is m.Command.SEND else record.verdict
    record = evolve(record, requests=(*record.requests, request), verdict=verdict)
    record = redraw(draft, record)
    if first and entry.command is m.Command.SEND:
        draft.tell(m.EventKind.SUBMITTED, symbol=record.terms.symbol, order=record.order)


def _as_instructed(
    draft: Draft, record: m.OrderRecord, entry: m.Commanded
) -> tuple[m.OrderRecord, m.Commanded]:
    """A request of release 0.1, which wrote no instruction, with the one that it stands for."""
    asked: m.Cancel | m.Amend = m.Cancel()
    if entry.change is not None:
        native = entry.command is m.Command.REPLACE
        asked = m.Amend(entry.change, m.Way.NATIVE if native else m.Way.ANEW)
    same = next((x for x in record.instructions if x.asked == asked and x.closed is None), None)
    if same is None:
        number = len(record.instructions) + 1
        same = m.Instruction(
            number=number,
            asked=asked,
            authority=m.Authority.ORDER,
            at=draft.at,
            broker_order_id=entry.broker_order_id,
        )
        record = _with_instruction(draft, record, same)
    return record, evolve(entry, instruction=same.number)


def _answered(draft: Draft, record: m.OrderRecord, entry: m.Answered) -> None:
    asked = _asked(record, entry)
    if asked is None:
        return
    asked = evolve(asked, answer=entry.answer, message=entry.message, kind=entry.kind)
    requests = (asked if r.number == asked.number else r for r in record.requests)
    record = evolve(record, requests=tuple(requests))
    if asked.command is m.Command.SEND and not record.ids:
        record = evolve(record, verdict=_verdict(draft, record, entry))
    redraw(draft, record)


def _asked(record: m.OrderRecord, entry: m.Answered) -> m.Request | None:
    """The request that was answered; of an order that took the id over, the one on that id."""
    if record.client_order_id == entry.client_order_id:
        return next((r for r in record.requests if r.number == entry.number), None)
    on_id = (r for r in record.requests if r.broker_order_id == entry.broker_order_id)
    return next((r for r in on_id if r.answer is None), None)


def _verdict(draft: Draft, record: m.OrderRecord, entry: m.Answered) -> m.Conclusion | None:
    """What a definite answer to a create says of an order that nobody has seen."""
    sent_before = any(
        r.command is m.Command.SEND
        and r.number != entry.number
        and r.answer is not m.AnswerKind.NOT_SENT
        for r in record.requests
    )
    if sent_before:
        return record.verdict  # an earlier request may still have landed: the answer says little
    if entry.answer is m.AnswerKind.REJECTED and entry.kind is not m.RejectKind.DUPLICATE:
        return m.Conclusion(m.OrderStatus.REJECTED, entry.message, draft.at)
    if entry.answer is m.AnswerKind.NOT_SENT:
        return m.Conclusion(m.OrderStatus.DENIED, entry.message, draft.at, may_send=True)
    return record.verdict


def _conclude(draft: Draft, record: m.OrderRecord, command: m.Command, why: str) -> None:
    status = lifecycle.expect(record.order.status, command)
    redraw(draft, evolve(record, verdict=m.Conclusion(status, why, draft.at)))
