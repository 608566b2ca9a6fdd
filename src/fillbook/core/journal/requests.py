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
from fillbook.core.orders import lifecycle


def asks_for(terms: m.Terms, request: m.OrderRequest) -> bool:
    """Whether an order of *terms*, as a broker tells them, may be the one of *request*."""
    wish = terms_of(request)
    return all(
        getattr(terms, name) == getattr(wish, name)
        for name in ("symbol", "side", "type", "qty", "notional", "limit_price", "stop_price")
    )


_Asked = m.Intended | m.Commanded | m.Answered | m.IntentDenied | m.ChangeClosed | m.ConcludedAbsent


def take_request(draft: Draft, entry: _Asked) -> None:
    if isinstance(entry, m.Intended):
        _intended(draft, entry.intent)
        return
    record = _known(draft, entry.client_order_id)
    match entry:
        case m.Commanded():
            _commanded(draft, record, entry)
        case m.Answered():
            _answered(draft, record, entry)
        case m.IntentDenied():
            _conclude(draft, record, m.Command.DENY, entry.reason)
        case m.ChangeClosed():
            _settled(draft, record, entry)
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


def _known(draft: Draft, client_order_id: str) -> m.OrderRecord:
    record = draft.get(m.OrderRecord, client_order_id)
    assert record is not None  # the recorder looked it up in this transaction
    return record


def _commanded(draft: Draft, record: m.OrderRecord, entry: m.Commanded) -> None:
    lifecycle.expect(record.order.status, entry.command)
    request = m.Request(
        entry.number,
        entry.command,
        draft.at,
        entry.broker_order_id,
        change=entry.change,
        handed=entry.handed,
    )
    first = not any(r.command is m.Command.SEND for r in record.requests)
    verdict = None if entry.command is m.Command.SEND else record.verdict
    record = evolve(record, requests=(*record.requests, request), verdict=verdict)
    record = redraw(draft, record)
    if first and entry.command is m.Command.SEND:
        draft.tell(m.EventKind.SUBMITTED, symbol=record.terms.symbol, order=record.order)


def _answered(draft: Draft, record: m.OrderRecord, entry: m.Answered) -> None:
    requests = tuple(
        evolve(r, answer=entry.answer, message=entry.message, kind=entry.kind)
        if r.number == entry.number
        else r
        for r in record.requests
    )
    asked = next(r for r in requests if r.number == entry.number)
    record = evolve(record, requests=requests)
    if asked.command is m.Command.SEND and not record.ids:
        record = evolve(record, verdict=_verdict(draft, record, entry))
    redraw(draft, record)


def _settled(draft: Draft, record: m.OrderRecord, entry: m.ChangeClosed) -> None:
    requests = tuple(
        evolve(r, settled=entry.why) if r.number == entry.number else r for r in record.requests
    )
    redraw(draft, evolve(record, requests=requests))


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
