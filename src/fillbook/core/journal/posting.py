"""
Evidence booked: the order made from it, what it moved, and what a bot is told of it.

Nothing is decided about the broker here; that is `core.orders.evidence` and
`core.orders.lifecycle`.  Whose the evidence is, `core.journal.ownership` has found out before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core import reservation
from fillbook.core.journal import checkpoints
from fillbook.core.journal.draft import Draft, binding, measure_of
from fillbook.core.orders import evidence, executions, lifecycle, lineage
from fillbook.model import EXACT, ZERO
from fillbook.model.journal.kinds import fact_key

# -- the order made from it ------------------------------------------------------------


def blank(origin: m.Origin, key: str, terms: m.Terms, created_at: m.Timestamp) -> m.OrderRecord:
    """The record of an order of which nothing is known yet but its terms."""
    unseen = m.Order(
        client_order_id=key,
        broker_order_id=None,
        origin=origin,
        terms=terms,
        status=m.OrderStatus.UNPROVEN,
        filled_qty=ZERO,
        filled_value=ZERO,
        leaves_qty=terms.qty,
        leaves_notional=terms.notional,
        avg_price=None,
        fees=ZERO,
        is_final=False,
        is_complete=False,
        created_at=created_at,
    )
    return m.OrderRecord(
        client_order_id=key, origin=origin, terms=terms, created_at=created_at, order=unseen
    )


def with_id(record: m.OrderRecord, broker_order_id: str) -> m.OrderRecord:
    """*record* owning one more broker id; their order is that of their names."""
    if broker_order_id in record.ids:
        return record
    return evolve(record, ids=tuple(sorted({*record.ids, broker_order_id})))


def redraw(draft: Draft, record: m.OrderRecord) -> m.OrderRecord:
    """Make the order's picture again."""
    known = [e for i in record.ids if (e := draft.get(m.Evidence, i)) is not None]
    terms = _terms(record, known)
    if terms is not record.terms:
        record = evolve(record, terms=terms)
    order = lifecycle.make_order(record, known, measure_of(draft, terms))
    before = draft.get(m.OrderRecord, record.client_order_id)
    changed = before is None or before.order != order
    if changed or record.order != order:
        record = evolve(record, order=order, seen_at=draft.at if changed else record.seen_at)
    record = _reserved(draft, record, known)
    draft.put(record)
    return record


def _reserved(draft: Draft, record: m.OrderRecord, known: Sequence[m.Evidence]) -> m.OrderRecord:
    """*record* with what it can still cost, which is found by when it last grew."""
    was = record.reservation
    costs = reservation.charge(record, known, binding(draft).reserve_rule)
    now = reservation.reservation(was, record, known, costs, draft.number, draft.at)
    if now == was:
        return record
    if was is not None:
        draft.drop(m.Reservation, was.key)
    if now is not None:
        draft.put(now)
    return evolve(record, reservation=now)


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


def _terms(record: m.OrderRecord, known: Sequence[m.Evidence]) -> m.Terms:
    """What the order asks for now: a replace changes it, and for others' we know no intent."""
    if not known:
        return record.terms
    tip = lineage.tip_of(known)
    if tip.terms is None:
        return record.terms
    if record.intent is None or tip.replaces is not None:
        return tip.terms
    return tip.terms if lifecycle.is_other(record.intent, tip) else terms_of(record.intent.request)


# -- what it moved ---------------------------------------------------------------------


def merge(
    draft: Draft,
    record: m.OrderRecord,
    was: m.Evidence | None,
    now: m.Evidence,
    fresh: m.Execution | None = None,
) -> m.OrderRecord:
    """Book what became of one id's evidence; *fresh* is the one execution that was added."""
    draft.put(now)
    record = redraw(draft, with_id(record, now.broker_order_id))
    if was is None or _plainly(was, now, fresh):
        moves = [] if fresh is None or fresh.source is not now.source else [fresh]
        _book(draft, record, _gap_gone(draft, was, now), _moves(draft, record, now, moves))
    else:
        rebook(draft, record, now.broker_order_id)
    if was is None or was.filled != now.filled:
        _measure_successors(draft, now.broker_order_id)
    return draft.get(m.OrderRecord, record.client_order_id) or record


def _measure_successors(draft: Draft, broker_order_id: str) -> None:
    """Measure anew what replaced an id that has filled further: its total may carry that."""
    for was in draft.find(m.Evidence, "replaces", broker_order_id):
        record = draft.get(m.OrderRecord, was.client_order_id)
        if record is not None and was.broker_order_id in record.ids:
            now = evidence.settle(was, measure_of(draft, record.terms, was))
            if now != was:
                merge(draft, record, was, now)


def _plainly(was: m.Evidence, now: m.Evidence, fresh: m.Execution | None) -> bool:
    """Whether nothing that was booked before has changed, but for the inferred fill."""
    if now.amended or was.amended or now.conflicts:
        return False
    same_source = was.source is now.source or not was.chosen.rows
    added = now.chosen.rows - was.chosen.rows
    expected = 1 if fresh is not None and fresh.source is now.source else 0
    return same_source and added == expected


def _gap_key(broker_order_id: str) -> str:
    return f"{broker_order_id}/{m.ExecSource.INFERRED}"


def _gap_gone(draft: Draft, was: m.Evidence | None, now: m.Evidence) -> list[m.Movement]:
    if was is None or not was.gap:
        return []
    gone = draft.get(m.Movement, _gap_key(now.broker_order_id))
    return [] if gone is None else [gone]


def rebook(draft: Draft, record: m.OrderRecord, broker_order_id: str) -> None:
    """Make all movements of one id again from its executions."""
    now = draft.get(m.Evidence, broker_order_id)
    assert now is not None  # an order never owns an id without evidence
    counted = executions.choose(
        draft.find(m.Execution, "broker_order_id", broker_order_id),
        draft.find(m.TradeBust, "broker_order_id", broker_order_id),
    )
    living = [c.newest for c in counted.chosen if c.newest is not None and not c.dead]
    gone = draft.find(m.Movement, "owner", broker_order_id)
    _book(draft, record, gone, _moves(draft, record, now, living))


def _moves(
    draft: Draft, record: m.OrderRecord, now: m.Evidence, living: Iterable[m.Execution]
) -> list[m.Movement]:
    """The movements that executions and the inferred fill make, with the order's strategy."""
    moves = [_move(draft, record, x) for x in living]
    if now.gap:
        sign = record.terms.side.sign
        moves.append(
            m.Movement(
                key=_gap_key(now.broker_order_id),
                symbol=record.terms.symbol,
                kind=m.MoveKind.FILL,
                at=now.gap_at or draft.at,
                cum=EXACT.add(now.chosen.cum, now.gap),
                qty=now.gap * sign,
                price=now.gap_price,
                cash=None if now.gap_price is None else now.gap * now.gap_price * -sign,
                fee_rate=_fee_rate(draft, record.terms.symbol),
                strategy=record.strategy,
                owner=now.broker_order_id,
                reason=str(m.ExecSource.INFERRED),
            )
        )
    return moves


def _move(draft: Draft, record: m.OrderRecord, x: m.Execution) -> m.Movement:
    base, quote = x.symbol.partition("/")[::2]
    in_base = x.fee is not None and x.fee_currency is not None and x.fee_currency == base != quote
    taken = x.fee if in_base and x.fee is not None else ZERO
    paid = ZERO if in_base or x.fee is None else x.fee
    qty, sign = evidence.base_of(x), record.terms.side.sign
    value = x.qty if x.in_quote else EXACT.multiply(qty, x.price or ZERO)
    return m.Movement(
        key=fact_key(x),
        symbol=record.terms.symbol,
        kind=m.MoveKind.FILL,
        at=x.at,
        cum=x.cum_qty or ZERO,
        qty=EXACT.subtract(qty * sign, taken),
        price=x.price,
        cash=EXACT.subtract(-value * sign, paid),
        fee=None if in_base else x.fee,
        fee_rate=ZERO if x.fee is not None else _fee_rate(draft, x.symbol),
        strategy=record.strategy,
        owner=x.broker_order_id,
        reason=str(x.source),
    )


def _fee_rate(draft: Draft, symbol: str) -> Decimal:
    instrument = draft.get(m.Instrument, symbol)
    coins = instrument is not None and instrument.asset_class is m.AssetClass.CRYPTO
    return binding(draft).base_fee if coins else ZERO


def _book(
    draft: Draft, record: m.OrderRecord, gone: Sequence[m.Movement], new: Sequence[m.Movement]
) -> None:
    """Replace movements, fold the position and the cash, and tell of the fills."""
    before = {x.key: x for x in gone}
    after = {x.key: x for x in new}
    gone = [x for key, x in before.items() if after.get(key) != x]
    new = [x for key, x in after.items() if before.get(key) != x]
    if not gone and not new:
        return
    book_moves(draft, record.terms.symbol, gone, new)
    kind = m.EventKind.FILL_REVISED if gone else m.EventKind.FILL
    for fill in sorted(new, key=lambda x: x.order):
        draft.tell(kind, symbol=fill.symbol, order=record.order, fill=fill)
    if gone and not new:
        draft.tell(kind, symbol=record.terms.symbol, order=record.order)


def book_moves(
    draft: Draft, symbol: str, gone: Sequence[m.Movement], new: Sequence[m.Movement]
) -> None:
    """Take movements of *symbol* away, add others, and fold the position and the cash again."""
    known = (draft.get(m.Movement, x.key) for x in new)
    replaced = {x.key: x for x in (*gone, *known) if x is not None}
    for key in replaced:
        draft.drop(m.Movement, key)
    for x in new:
        draft.put(x)
    checkpoints.fold_in(draft, symbol, replaced.values(), sorted(new, key=lambda x: x.order))
    _flow(draft, gone, new)


# -- the cash --------------------------------------------------------------------------


def _flow(draft: Draft, gone: Iterable[m.Movement], new: Iterable[m.Movement]) -> None:
    cash = draft.get(m.Cash, "cash")
    if cash is None:
        return  # without an anchor there is no sum to keep; the anchor counts what follows it
    for moves, sign in ((gone, -1), (new, 1)):
        for x in moves:
            if x.kind is m.MoveKind.FILL:
                cash = plus_fill(cash, x, sign)
    draft.put(cash)


def plus_fill(cash: m.Cash, move: m.Movement, sign: int = 1) -> m.Cash:
    """*cash* with what one fill paid or took; a sale's fee may still be to come."""
    after = plus_flow(cash, move.at, move.cash, sign)
    if after is cash or move.qty >= 0 or move.cash is None or move.fee is not None:
        return after
    due = EXACT.multiply(abs(move.cash), move.fee_rate) * sign
    return evolve(after, fee_due=max(ZERO, after.fee_due + due))


def plus_flow(cash: m.Cash, at: m.Timestamp, amount: Decimal | None, sign: int = 1) -> m.Cash:
    """*cash* with one flow more (or less); those up to the anchor are in it already."""
    if cash.anchored_at is None or at <= cash.anchored_at:
        return cash
    if amount is None:
        return evolve(cash, unknown=cash.unknown + sign)
    return evolve(cash, flows=EXACT.add(cash.flows, amount * sign))
