"""
Post evidence: update the order, its movements, the position, the cash and the events.

Nothing about the broker is decided here; that is `core.orders.evidence` and
`core.orders.lifecycle`.  `core.journal.ownership` has found the order of the evidence before.

Of the steps of `core.orders.evidence`, this module turns the effective executions (step 7) and
the inferred fill (step 11) into movements; `core.journal.payments` deducts the fee.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve

from fillbook import model as m
from fillbook.core import reservation, symbol_names
from fillbook.core.journal import cash, checkpoints, payments
from fillbook.core.journal.draft import Draft, binding, context_of
from fillbook.core.orders import anomalies, evidence, lifecycle, lineage
from fillbook.core.orders.totals import compute_totals
from fillbook.core.position import name_of
from fillbook.model import ZERO

# -- the order -------------------------------------------------------------------------


def new_record(
    origin: m.Origin, key: str, terms: m.Terms, created_at: m.Timestamp
) -> m.OrderRecord:
    """Return the record of an order of which only the terms are known."""
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
    """Return *record* with one more broker id; the ids are sorted by name."""
    if broker_order_id in record.ids:
        return record
    return evolve(record, ids=tuple(sorted({*record.ids, broker_order_id})))


def update_order(draft: Draft, record: m.OrderRecord) -> m.OrderRecord:
    """Compute the order from its evidence, and its reservation; store the record."""
    known = lineage.evidence_of(draft, record)
    record = _with_present_symbol(draft, record)
    terms = _current_terms(record, known)
    if terms is not record.terms:
        record = evolve(record, terms=terms)
    order = lifecycle.make_order(record, known, context_of(draft, terms))
    old_record = draft.get(m.OrderRecord, record.client_order_id)
    changed = old_record is None or old_record.order != order
    if changed or record.order != order:
        record = evolve(record, order=order, seen_at=draft.at if changed else record.seen_at)
    record = _update_reservation(draft, record, known)
    draft.put(record)
    return record


def _with_present_symbol(draft: Draft, record: m.OrderRecord) -> m.OrderRecord:
    """Return *record* with the present name of its symbol; the journal keeps what was asked."""
    symbol = symbol_names.resolve(draft, record.terms.symbol, record.created_at)
    if symbol != record.terms.symbol:
        record = evolve(record, terms=evolve(record.terms, symbol=symbol))
    if record.intent is None:
        return record
    request = record.intent.request
    symbol = symbol_names.resolve(draft, request.symbol, record.created_at)
    if symbol == request.symbol:
        return record
    return evolve(record, intent=evolve(record.intent, request=evolve(request, symbol=symbol)))


def _update_reservation(
    draft: Draft, record: m.OrderRecord, known: Sequence[m.Evidence]
) -> m.OrderRecord:
    """Return *record* with its reservation; its key contains when it last grew."""
    old = record.reservation
    charge = reservation.charge(record, known, binding(draft).reserve_rule)
    new = reservation.reservation(old, record, known, charge, draft.number, draft.at)
    if new == old:
        return record
    if old is not None:
        draft.drop(m.Reservation, old.key)
    if new is not None:
        draft.put(new)
    return evolve(record, reservation=new)


def terms_of(request: m.OrderRequest) -> m.Terms:
    """Return the terms of a request."""
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


def _current_terms(record: m.OrderRecord, known: Sequence[m.Evidence]) -> m.Terms:
    """
    Return the terms in force, as the broker reports them.

    They differ from the intent after a replace, or where the broker changes an order in place.
    """
    if not known:
        return record.terms
    tip = lineage.tip_of(known)
    if tip.terms is None:
        return record.terms
    is_other = anomalies.has_other_terms(record, tip)
    if record.intent is None or tip.replaces is not None or is_other:
        return tip.terms
    return lifecycle.terms_in_force(terms_of(record.intent.request), tip.terms)


# -- the movements ---------------------------------------------------------------------


def post_evidence(
    draft: Draft,
    record: m.OrderRecord,
    before: m.Evidence | None,
    after: m.Evidence,
    added: Sequence[m.Execution] = (),
) -> m.OrderRecord:
    """Post the changed evidence of one id; *added* are its new executions."""
    if before is None or (before.not_found and not after.not_found):
        record = _reopened(record)
    draft.put(after)
    record = update_order(draft, with_id(record, after.broker_order_id))
    if _is_appended(before, after, added):
        counted = [x for x in added if x.source is after.source]
        _post_fills(
            draft,
            record,
            _inferred_fill(draft, before, after),
            _movements_of(draft, record, after, counted),
        )
    else:
        repost_movements(draft, record, after.broker_order_id)
    if before is None or before.filled != after.filled:
        _update_successors(draft, after.broker_order_id)
    return draft.get(m.OrderRecord, record.client_order_id) or record


def _reopened(record: m.OrderRecord) -> m.OrderRecord:
    """Return *record* after the broker reported an id that it did not find before."""
    resolution = lifecycle.resolution_of(record)
    return (
        record if resolution is None else evolve(record, verdict=evolve(resolution, resolved=False))
    )


def _update_successors(draft: Draft, broker_order_id: str) -> None:
    """Recompute the ids that replace one that has filled further: their totals may include it."""
    for before in draft.find(m.Evidence, "replaces", broker_order_id):
        record = draft.need(m.OrderRecord, before.client_order_id)
        after = compute_totals(before, context_of(draft, record.terms, before))
        if after != before:
            post_evidence(draft, record, before, after)


def _is_appended(
    before: m.Evidence | None, after: m.Evidence, added: Sequence[m.Execution]
) -> bool:
    """Return whether no posted movement changes, except the inferred fill."""
    if after.amended or after.conflicts or (before is not None and before.amended):
        return False
    rows = 0 if before is None else before.chosen.rows
    same_source = before is None or before.source is after.source or not rows
    expected = sum(x.source is after.source for x in added)
    return same_source and after.chosen.rows - rows == expected


def _inferred_key(broker_order_id: str) -> str:
    return f"{broker_order_id}/{m.ExecSource.INFERRED}"


def _inferred_fill(draft: Draft, before: m.Evidence | None, after: m.Evidence) -> list[m.Movement]:
    """Return the posted movements of the inferred fill (step 11), if there is one."""
    if before is None or not before.gap:
        return []
    key = _inferred_key(after.broker_order_id)
    gone = (draft.get(m.Movement, x) for x in (key, payments.key_of(key)))
    return [x for x in gone if x is not None]


def repost_movements(draft: Draft, record: m.OrderRecord, broker_order_id: str) -> None:
    """Compute all movements of one id again from its executions (steps 2 to 7)."""
    evidence_of_id = draft.need(m.Evidence, broker_order_id)
    counted = evidence.count_facts(draft, evidence_of_id)
    effective = [chain.counted for chain in counted.chosen if chain.counted is not None]
    gone = draft.find(m.Movement, "owner", broker_order_id)
    _post_fills(draft, record, gone, _movements_of(draft, record, evidence_of_id, effective))


def _movements_of(
    draft: Draft,
    record: m.OrderRecord,
    evidence_of_id: m.Evidence,
    effective: Iterable[m.Execution],
) -> list[m.Movement]:
    """Return the movements of the effective executions (7) and of the inferred fill (11)."""
    movements = [y for x in effective for y in payments.movements_of(draft, record, x)]
    assigned = dict(record.assigned)
    if evidence_of_id.gap:
        key = _inferred_key(evidence_of_id.broker_order_id)
        at = evidence_of_id.gap_at or draft.at
        movements += payments.inferred_movements(draft, record, evidence_of_id, key, at)
    if not assigned:
        return movements
    return [
        evolve(x, strategy=assigned[name]) if (name := _fill_name(x)) in assigned else x
        for x in movements
    ]


def _fill_name(movement: m.Movement) -> str:
    """Return the name of a fill; of a payment, that of the fill which it pays."""
    return name_of(evolve(movement, key=payments.fill_key(movement.key)))


def _post_fills(
    draft: Draft, record: m.OrderRecord, gone: Sequence[m.Movement], new: Sequence[m.Movement]
) -> None:
    """Replace movements of fills and of their payments, and emit the events of the fills."""
    old = {x.key: x for x in gone}
    added = {x.key: x for x in new}
    gone = [x for key, x in old.items() if added.get(key) != x]
    new = [x for key, x in added.items() if old.get(key) != x]
    if not gone and not new:
        return
    post_movements(draft, gone, new)
    kind = m.EventKind.FILL_REVISED if gone else m.EventKind.FILL
    fills = [x for x in new if x.kind is m.MoveKind.FILL]
    for fill in sorted(fills, key=lambda x: x.order):
        draft.emit(kind, symbol=record.terms.symbol, order=record.order, fill=fill)
    if gone and not fills:
        draft.emit(kind, symbol=record.terms.symbol, order=record.order)


def post_movements(draft: Draft, gone: Sequence[m.Movement], new: Sequence[m.Movement]) -> None:
    """Replace movements, and fold their positions and the cash again."""
    replace_movements(draft, gone, new)
    cash.post_fills(draft, gone, new)


def replace_movements(draft: Draft, gone: Sequence[m.Movement], new: Sequence[m.Movement]) -> None:
    """Replace movements, and fold their positions again."""
    known = (draft.get(m.Movement, x.key) for x in new)
    removed = {x.key: x for x in (*gone, *known) if x is not None}
    for key in removed:
        draft.drop(m.Movement, key)
    for x in new:
        draft.put(x)
    for symbol in sorted({x.symbol for x in (*removed.values(), *new)}):
        before = [x for x in removed.values() if x.symbol == symbol]
        after = sorted((x for x in new if x.symbol == symbol), key=lambda x: x.order)
        checkpoints.fold_in(draft, symbol, before, after)


def repost_symbol(draft: Draft, symbol: str) -> None:
    """Compute the movements of all orders on *symbol* again."""
    for record in draft.find(m.OrderRecord, "symbol", symbol):
        for broker_order_id in record.ids:
            found = draft.need(m.Evidence, broker_order_id)
            context, facts = context_of(draft, record.terms, found), evidence.facts_of(draft, found)
            draft.put(evidence.recount(found, *facts, context))
            record = update_order(draft, record)
            repost_movements(draft, record, broker_order_id)
