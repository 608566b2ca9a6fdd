"""
An entry, and what becomes of the records.

`apply` is the only way in which records change, and it is pure: replaying the
journal over an empty store is the rebuild, byte for byte.  An entry that changes
nothing is not worth keeping: evidence heard twice, a look that shows what is known
(promises P4, P5 and P8).  Other half: `desk.recorder`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.core import evidence as ev
from fillbook.core import lifecycle
from fillbook.core.booking import (
    Before,
    Draft,
    binding,
    blank,
    book_moves,
    fact_key,
    measure_of,
    merge,
    owner,
    plus_fill,
    plus_flow,
    rebook,
    redraw,
    with_successors,
)
from fillbook.model import ZERO

#: How far along a word is; it orders reports of one moment and total, whatever came first.
_ALONG: Final = {
    word: rank
    for rank, word in enumerate(
        (
            m.OrderStatus.UNRECOGNISED,
            m.OrderStatus.PENDING_REVIEW,
            m.OrderStatus.PENDING_NEW,
            m.OrderStatus.ACCEPTED,
            m.OrderStatus.ACCEPTED_FOR_BIDDING,
            m.OrderStatus.HELD,
            m.OrderStatus.NEW,
            m.OrderStatus.STOPPED,
            m.OrderStatus.SUSPENDED,
            m.OrderStatus.PARTIALLY_FILLED,
            m.OrderStatus.DONE_FOR_DAY,
            m.OrderStatus.CALCULATED,
            m.OrderStatus.PENDING_REPLACE,
            m.OrderStatus.PENDING_CANCEL,
            m.OrderStatus.REPLACED,
            m.OrderStatus.REJECTED,
            m.OrderStatus.EXPIRED,
            m.OrderStatus.CANCELED,
            m.OrderStatus.FILLED,
        )
    )
}


def apply(entry: m.Entry, number: int, at: m.Stamp, before: Before) -> m.Changes:
    """What becomes of the records by *entry*, numbered *number*, taken down *at*."""
    draft = Draft(before, number, at)
    _take(draft, entry)
    for was, now in draft.orders():
        if now.order.is_final and not (was is not None and was.order.is_final):
            draft.tell(m.EventKind.FINAL, symbol=now.terms.symbol, order=now.order)
        alert = alert_of(was, now)
        if alert is not None:
            draft.tell(m.EventKind.ALERT, symbol=now.terms.symbol, order=now.order, alert=alert)
    return draft.changes()


#: What a person should know when an order comes to be so.
_ALARMING: Final = {
    m.OrderStatus.ABSENT: (
        m.AlertKind.ABSENT,
        "the broker never had it; it is watched in case it lands late",
    ),
    m.OrderStatus.DISPUTED: (
        m.AlertKind.DISPUTED,
        "its evidence contradicts itself; look at it at the broker's",
    ),
}


def alert_of(was: m.OrderRecord | None, now: m.OrderRecord) -> m.Alert | None:
    """What a person should know of how an order changed."""
    name, status = now.client_order_id, now.order.status
    before = None if was is None else was.order.status
    if was is None:
        if now.origin is m.Origin.EXTERNAL and name.startswith(m.ID_PREFIX):
            return m.Alert(
                m.AlertKind.FOREIGN_PREFIX,
                name,
                f"order {name} is fillbook's and not in this record: a second record is kept of "
                "this account, or this one was lost",
            )
        return None
    if before is m.OrderStatus.ABSENT and status is not m.OrderStatus.ABSENT:
        words = f"order {name} was taken for absent and has landed after all: it is {status}"
        return m.Alert(m.AlertKind.LANDED_LATE, name, words)
    if status in _ALARMING and status is not before:
        kind, words = _ALARMING[status]
        return m.Alert(kind, name, f"order {name} is {status}: {words}")
    return None


def _take(draft: Draft, entry: m.Entry) -> None:
    match entry:
        case m.Reported():
            _report(draft, entry.report, entry, None)
        case m.Executed():
            _execution(draft, entry.execution)
        case m.Voided():
            _void(draft, entry.void)
        case m.HistoryRead():
            _history_read(draft, entry.broker_order_id)
        case m.Happened():
            _happened(draft, entry.activity)
        case m.Intended() | m.Commanded() | m.Answered() | m.Denied() | m.ConcludedAbsent():
            _request(draft, entry)
        case m.NotFoundAfterSeen():
            _not_found(draft, entry)
        case m.Anchored():
            _anchored(draft, entry)
        case m.CashAnchored():
            _cash_anchored(draft, entry)
        case m.DriftFound() | m.DriftCleared():
            _drift(draft, entry)
        case m.Bound():
            bound = m.Binding(entry.account, entry.clocked, entry.replace_cum, entry.base_fee)
            draft.put("account", bound)
        case m.Listed():
            draft.put(entry.instrument.symbol, entry.instrument)
        case m.Alerted():
            draft.tell(m.EventKind.ALERT, alert=entry.alert)
        case _:
            assert_never(entry)


# -- what the broker reports -----------------------------------------------------------


def _report(draft: Draft, report: m.OrderReport, entry: m.Reported, parent: str | None) -> None:
    record = owner(draft, report, parent)
    was = draft.get(m.Evidence, report.broker_order_id)
    now = was or m.Evidence(
        broker_order_id=report.broker_order_id, client_order_id=record.client_order_id
    )
    snap = _snap(draft, report, entry)
    now = evolve(
        now,
        terms=now.terms if _stale(snap, now) else report.terms,
        replaces=report.replaces or now.replaces,
        replaced_by=report.replaced_by or now.replaced_by,
        expires_at=report.expires_at or now.expires_at,
    )
    now = ev.look(now, snap, measure_of(draft, record.terms))
    if now != was:
        record = merge(draft, record, was, now)
    for execution in report.executions:
        _execution(draft, execution)
    for void in report.voids:
        _void(draft, void)
    for leg in report.legs:
        _report(draft, leg, entry, record.client_order_id)


def _stale(snap: m.Snap, known: m.Evidence) -> bool:
    """Whether a report is older than what is known: it then says nothing of the terms."""
    newest = None if known.word is None else known.word.version
    return snap.version is not None and newest is not None and snap.version < newest


def _snap(draft: Draft, report: m.OrderReport, entry: m.Reported) -> m.Snap:
    clocked = binding(draft).clocked
    clock = report.clock if clocked else f"{entry.look:012d}"
    rank = _ALONG[report.status]
    version = None
    if clock is not None:
        version = m.Version(clock, report.filled_qty, rank, report.raw_status)
    return m.Snap(
        status=report.status,
        cum=report.filled_qty,
        version=version,
        avg=report.avg_price,
        value=report.filled_value,
        fills=report.fill_count,
        last_fill_at=report.last_fill_at,
        source=entry.source,
        read_at=draft.at,
        reason=report.reason,
    )


def _owner_of_fact(draft: Draft, fact: m.Execution | m.Void) -> m.OrderRecord:
    """The order that a fill belongs to; before its first report, an order of nobody's."""
    known = draft.get(m.Evidence, fact.broker_order_id)
    if known is not None:
        record = draft.get(m.OrderRecord, known.client_order_id)
        assert record is not None  # evidence never outlives its order
        return record
    unknown = m.Terms(
        symbol=fact.symbol if isinstance(fact, m.Execution) else "",
        side=fact.side if isinstance(fact, m.Execution) else m.OrderSide.BUY,
        type=m.OrderType.UNRECOGNISED,
        time_in_force=m.TimeInForce.UNRECOGNISED,
    )
    key = f"?{fact.broker_order_id}"
    record = blank(m.Origin.EXTERNAL, key, unknown, fact.at or draft.at)
    return with_successors(draft, record, fact.broker_order_id)


def _execution(draft: Draft, execution: m.Execution) -> None:
    record = _owner_of_fact(draft, execution)
    key = fact_key(execution)
    known = draft.get(m.Execution, key)
    if known == execution:
        return
    was = draft.get(m.Evidence, execution.broker_order_id)
    now = was or m.Evidence(
        broker_order_id=execution.broker_order_id, client_order_id=record.client_order_id
    )
    if not record.terms.symbol:
        record = evolve(
            record, terms=evolve(record.terms, symbol=execution.symbol, side=execution.side)
        )
    if known is not None:
        conflicts = tuple(sorted({*now.conflicts, execution.exec_id}))
        now, execution = evolve(now, conflicts=conflicts), max(known, execution, key=canonical)
    draft.put(key, execution)
    by = measure_of(draft, record.terms)
    now = evolve(now, quote_sized=now.quote_sized or execution.in_quote)
    added = ev.add(now, execution, known, by) if known != execution else now
    if added is None:
        added = _recount(draft, now, by)
    merge(draft, record, was, added, execution if known is None else None)


def _recount(draft: Draft, now: m.Evidence, by: ev.Measure) -> m.Evidence:
    executions = draft.find(m.Execution, "broker_order_id", now.broker_order_id)
    voids = draft.find(m.Void, "broker_order_id", now.broker_order_id)
    return ev.recount(now, executions, voids, by)


def canonical(execution: m.Execution) -> str:
    """One text for one content: of two contents under one id the greater text counts."""
    return "|".join(
        "" if part is None else m.plain(part) if isinstance(part, Decimal) else str(part)
        for part in (
            execution.qty,
            execution.price,
            execution.cum_qty,
            execution.at,
            execution.fixes,
            execution.side,
            execution.symbol,
            execution.fee,
            execution.fee_currency,
        )
    )


def _void(draft: Draft, void: m.Void) -> None:
    record = _owner_of_fact(draft, void)
    known = draft.get(m.Void, fact_key(void))
    if known is not None:
        # Told twice: the fuller telling counts, whichever came first.
        void = max(known, void, key=lambda v: (v.qty or ZERO, v.at or ""))
    if known == void:
        return
    draft.put(fact_key(void), void)
    was = draft.get(m.Evidence, void.broker_order_id)
    now = was or m.Evidence(
        broker_order_id=void.broker_order_id, client_order_id=record.client_order_id
    )
    merge(draft, record, was, _recount(draft, now, measure_of(draft, record.terms)))


def _history_read(draft: Draft, broker_order_id: str) -> None:
    was = draft.get(m.Evidence, broker_order_id)
    if was is None or was.history_read:
        return
    record = draft.get(m.OrderRecord, was.client_order_id)
    assert record is not None  # evidence never outlives its order
    by = measure_of(draft, record.terms)
    merge(draft, record, was, ev.settle(evolve(was, history_read=True), by))


def _not_found(draft: Draft, entry: m.NotFoundAfterSeen) -> None:
    known = draft.get(m.Evidence, entry.broker_order_id)
    record = draft.get(m.OrderRecord, entry.client_order_id)
    if known is not None and record is not None and not known.not_found:
        draft.put(known.broker_order_id, evolve(known, not_found=True))
        redraw(draft, record)


# -- what we ask -----------------------------------------------------------------------


def terms_of(request: m.OrderRequest) -> m.Terms:
    """What a request asks for, as terms."""
    return m.Terms(
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        time_in_force=request.time_in_force,
        order_class=request.order_class,
        qty=request.qty,
        notional=request.notional,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        extended_hours=request.extended_hours,
    )


def asks_for(terms: m.Terms, request: m.OrderRequest) -> bool:
    """Whether an order of *terms*, as a broker tells them, may be the one of *request*."""
    wish = terms_of(request)
    return all(
        getattr(terms, name) == getattr(wish, name)
        for name in ("symbol", "side", "type", "qty", "notional", "limit_price", "stop_price")
    )


_Asked = m.Intended | m.Commanded | m.Answered | m.Denied | m.ConcludedAbsent


def _request(draft: Draft, entry: _Asked) -> None:
    if isinstance(entry, m.Intended):
        _intended(draft, entry.intent)
        return
    record = _known(draft, entry.client_order_id)
    match entry:
        case m.Commanded():
            _commanded(draft, record, entry)
        case m.Answered():
            _answered(draft, record, entry)
        case m.Denied():
            _conclude(draft, record, m.Command.DENY, entry.reason)
        case m.ConcludedAbsent():
            why = f"{entry.answers} answers that it does not exist"
            _conclude(draft, record, m.Command.GIVE_UP, why)


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
    request = m.Request(entry.number, entry.command, draft.at, entry.broker_order_id)
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


# -- what happens to the account ---------------------------------------------------------

#: Which activities move units, and how they are folded; a split with its ratio is one.
_MOVES: Final[dict[m.ActivityKind, m.MoveKind]] = {
    m.ActivityKind.SPLIT: m.MoveKind.AMOUNT,
    m.ActivityKind.FEE: m.MoveKind.FEE,
    m.ActivityKind.TRANSFER: m.MoveKind.AMOUNT,
    m.ActivityKind.ASSIGNMENT: m.MoveKind.AMOUNT,
    m.ActivityKind.SYMBOL_CHANGE: m.MoveKind.AMOUNT,
    m.ActivityKind.OTHER: m.MoveKind.AMOUNT,
}


def _happened(draft: Draft, activity: m.Activity) -> None:
    if draft.get(m.Activity, activity.activity_id) is not None:
        return
    draft.put(activity.activity_id, activity)
    move = movement_of(activity)
    if move is not None:
        book_moves(draft, move.symbol, (), (move,))
    cash = draft.get(m.Cash, "cash")
    if cash is not None and activity.cash:
        cash = plus_flow(cash, activity.at, activity.cash)
        if activity.kind is m.ActivityKind.FEE:
            cash = evolve(cash, fee_due=ZERO)  # a day's fees are posted together
        draft.put("cash", cash)


def movement_of(activity: m.Activity) -> m.Movement | None:
    """What an activity moves; None if it moves no units."""
    if activity.symbol is None:
        return None
    if activity.kind is m.ActivityKind.SPLIT and activity.ratio is not None:
        kind, qty = m.MoveKind.RATIO, ZERO
    elif activity.kind in _MOVES and activity.qty:
        kind, qty = _MOVES[activity.kind], activity.qty
    else:
        return None
    return m.Movement(
        key=f"activity/{activity.activity_id}",
        symbol=activity.symbol,
        kind=kind,
        at=activity.at,
        qty=qty,
        price=activity.price if kind is m.MoveKind.AMOUNT else None,
        ratio=activity.ratio if kind is m.MoveKind.RATIO else None,
        reason=str(activity.kind),
    )


def _anchored(draft: Draft, entry: m.Anchored) -> None:
    move = m.Movement(
        key=f"anchor/{entry.symbol}/{entry.at}",
        symbol=entry.symbol,
        kind=m.MoveKind.ANCHOR,
        at=entry.at,
        qty=entry.qty,
        price=entry.avg_price,
        reason=entry.reason,
    )
    book_moves(draft, entry.symbol, (), (move,))


def _cash_anchored(draft: Draft, entry: m.CashAnchored) -> None:
    cash = m.Cash(currency=entry.currency, anchor=entry.amount, anchored_at=entry.at)
    for move in draft.before.all(m.Movement):
        if move.kind is m.MoveKind.FILL:
            cash = plus_fill(cash, move)
    for activity in draft.before.all(m.Activity):
        if activity.cash:
            cash = plus_flow(cash, activity.at, activity.cash)
    draft.put("cash", cash)


def _drift(draft: Draft, entry: m.DriftFound | m.DriftCleared) -> None:
    known = draft.get(m.OpenDrift, entry.key)
    if isinstance(entry, m.DriftFound):
        since = draft.at if known is None else known.since
        draft.put(entry.key, m.OpenDrift(entry.key, entry.drift, since, entry.notional))
        drift, locked = entry.drift, True
    elif known is None:
        return
    else:
        draft.drop(m.OpenDrift, entry.key)
        drift, locked = known.drift, False
    symbol = getattr(drift, "symbol", None)
    draft.tell(m.EventKind.DRIFT, symbol=symbol, drift=drift)
    if symbol is not None:
        draft.tell(m.EventKind.LOCK, symbol=symbol, drift=drift, locked=locked)


Apply = Callable[[m.Entry, int, m.Stamp, Before], m.Changes]
