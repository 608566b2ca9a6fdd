"""
Evidence booked: whose it is, what it moved, and what a bot is told of it.

Everything here works on a `Draft`: the records as they were, with what becomes of
them laid over.  Nothing is decided about the broker here; that is `core.evidence`
and `core.lifecycle`.  Other half: `core.journal`, which knows the entries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from attrs import evolve

from fillbook import model as m
from fillbook.core import chains, evidence, lifecycle, position
from fillbook.model import EXACT, ZERO

R = TypeVar("R")

#: A replace of ours bears its order's client id with a number behind it.
_REPLACE_ID: Final = re.compile(r"(.+)\.r\d+")


class Before(Protocol):
    """The records as they are; a store's reader is one."""

    def get(self, of: type[R], key: str) -> R | None: ...
    def find(self, of: type[R], index: str, word: str) -> Sequence[R]: ...
    def all(self, of: type[R]) -> Sequence[R]: ...


def fact_key(fact: m.Execution | m.Void) -> str:
    """The key of a fact: ids are unique only within an order and a source."""
    return f"{fact.broker_order_id}/{fact.source}/{fact.exec_id}"


#: The keys of what is found by a word here; `fillbook.records` has them all.
KEYS: Final[dict[type[Any], Callable[[Any], str]]] = {
    m.OrderRecord: lambda x: x.client_order_id,
    m.Evidence: lambda x: x.broker_order_id,
    m.Execution: fact_key,
    m.Void: fact_key,
    m.Movement: lambda x: x.key,
    m.Trade: lambda x: x.key,
}


class Draft:
    """The records as they become by one entry; what a bot is told is numbered by that entry."""

    def __init__(self, before: Before, number: int, at: m.Stamp) -> None:
        self.before = before
        self.number = number
        self.at = at
        self._put: dict[tuple[type[Any], str], m.Record] = {}
        self._gone: dict[tuple[type[Any], str], None] = {}
        self._told: list[m.Event] = []

    def get(self, of: type[R], key: str) -> R | None:
        if (of, key) in self._gone:
            return None
        laid = self._put.get((of, key))
        return laid if isinstance(laid, of) else self.before.get(of, key)

    def find(self, of: type[R], index: str, word: str) -> list[R]:
        """The records whose attribute *index* is *word*, as they are in the draft."""
        key_of = KEYS[of]
        found = {key_of(x): x for x in self.before.find(of, index, word)}
        for (kind, key), laid in self._put.items():
            if kind is of and isinstance(laid, of):
                found.pop(key, None)
                if getattr(laid, index) == word:
                    found[key] = laid
        return [x for key, x in sorted(found.items()) if (of, key) not in self._gone]

    def orders(self) -> list[tuple[m.OrderRecord | None, m.OrderRecord]]:
        """The orders that changed: as they were, and as they become."""
        laid = [x for x in self._put.values() if isinstance(x, m.OrderRecord)]
        return [(self.before.get(m.OrderRecord, x.client_order_id), x) for x in laid]

    def put(self, key: str, record: m.Record) -> None:
        """Lay *record* over, unless it says what is there already."""
        of = type(record)
        self._gone.pop((of, key), None)
        if self.before.get(of, key) == record:
            self._put.pop((of, key), None)
        else:
            self._put[of, key] = record

    def drop(self, of: type[m.Record], key: str) -> None:
        self._put.pop((of, key), None)
        if self.before.get(of, key) is not None:
            self._gone[of, key] = None

    def tell(self, kind: m.EventKind, **about: object) -> None:
        """Put one row into the outbox."""
        cursor = f"{self.number:012d}.{len(self._told):04d}"
        self._told.append(m.Event(cursor=cursor, kind=kind, at=self.at, **about))  # type: ignore[arg-type]

    def changes(self) -> m.Changes:
        """What becomes of the records; nothing is told where nothing changed."""
        if not self._put and not self._gone and not self._told:
            return m.Changes()
        return m.Changes((*self._put.values(), *self._told), tuple(self._gone))


def binding(draft: Draft) -> m.Binding:
    """What the record is bound to; before that, the manners of the strictest broker."""
    bound = draft.get(m.Binding, "account")
    return bound or m.Binding(m.AccountId("", "", ""))


def measure_of(draft: Draft, terms: m.Terms) -> evidence.Measure:
    """What the evidence of an order of *terms* is measured by."""
    return evidence.measure(terms, draft.get(m.Instrument, terms.symbol), binding(draft))


# -- whose it is -----------------------------------------------------------------------


def owner(draft: Draft, report: m.OrderReport, parent: str | None) -> m.OrderRecord:
    """
    The order that a report is about: ours by its client id, ours by its lineage, or nobody's.

    Where it was taken for another order's before, it moves; so whatever was heard first,
    the same orders come out.
    """
    known = draft.get(m.Evidence, report.broker_order_id)
    record = _by_client_id(draft, report)
    if record is None or record.origin is not m.Origin.OURS:  # a replace has a name of its own
        record = _by_lineage(draft, report) or record
    if record is None:
        key = report.client_order_id or _placeholder(report.broker_order_id)
        record = _external(draft, report, key)
    if parent is not None and record.origin is not m.Origin.OURS and record.parent is None:
        record = _made_leg(draft, record, parent)
    if known is not None and known.client_order_id != record.client_order_id:
        record = move(draft, known, record)
    return with_successors(draft, record, report.broker_order_id)


def with_successors(draft: Draft, record: m.OrderRecord, broker_order_id: str) -> m.OrderRecord:
    """*record* with what replaced that id, and what replaced those, if they were heard first."""
    for later in draft.find(m.Evidence, "replaces", broker_order_id):
        held = draft.get(m.OrderRecord, later.client_order_id)
        if held is None or held.origin is m.Origin.OURS:
            continue  # ours by its client id, which says more than lineage
        if held.client_order_id != record.client_order_id:
            record = move(draft, later, record)
            record = with_successors(draft, record, later.broker_order_id)
    return record


def _placeholder(broker_order_id: str) -> str:
    return f"?{broker_order_id}"


def _by_client_id(draft: Draft, report: m.OrderReport) -> m.OrderRecord | None:
    name = report.client_order_id
    if name is None:
        return None
    replace = _REPLACE_ID.fullmatch(name)
    for key in (name, replace.group(1) if replace else None):
        record = None if key is None else draft.get(m.OrderRecord, key)
        if record is not None and (key == name or record.origin is m.Origin.OURS):
            return record
    return None


def _by_lineage(draft: Draft, report: m.OrderReport) -> m.OrderRecord | None:
    known = draft.get(m.Evidence, report.broker_order_id)
    replaces = report.replaces or (None if known is None else known.replaces)
    root = None if replaces is None else draft.get(m.Evidence, replaces)
    return None if root is None else draft.get(m.OrderRecord, root.client_order_id)


def _external(draft: Draft, report: m.OrderReport, key: str) -> m.OrderRecord:
    created = report.created_at or report.clock or draft.at
    return blank(m.Origin.EXTERNAL, key, report.terms, created)


def blank(origin: m.Origin, key: str, terms: m.Terms, created_at: m.Stamp) -> m.OrderRecord:
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


def _made_leg(draft: Draft, record: m.OrderRecord, parent: str) -> m.OrderRecord:
    """An exit that the broker made for *parent*: it bears the parent's strategy."""
    above = draft.get(m.OrderRecord, parent)
    ours = above is not None and above.origin is not m.Origin.EXTERNAL
    record = evolve(
        record,
        origin=m.Origin.LEG if ours else m.Origin.EXTERNAL,
        parent=parent,
        strategy=None if above is None else above.strategy,
    )
    record = redraw(draft, record)
    for broker_order_id in record.ids:
        rebook(draft, record, broker_order_id)
    return record


def move(draft: Draft, found: m.Evidence, to: m.OrderRecord) -> m.OrderRecord:
    """Give the evidence of one id to the order whose it is; an order left without any goes."""
    left = draft.get(m.OrderRecord, found.client_order_id)
    if left is not None:
        ids = tuple(i for i in left.ids if i != found.broker_order_id)
        if ids or left.origin is m.Origin.OURS:
            redraw(draft, evolve(left, ids=ids))
        else:
            draft.drop(m.OrderRecord, left.client_order_id)
            for leg in draft.find(m.OrderRecord, "parent", left.client_order_id):
                _made_leg(draft, leg, to.client_order_id)
    draft.put(found.broker_order_id, evolve(found, client_order_id=to.client_order_id))
    to = with_id(to, found.broker_order_id)
    draft.put(to.client_order_id, to)
    rebook(draft, to, found.broker_order_id)
    return to


def with_id(record: m.OrderRecord, broker_order_id: str) -> m.OrderRecord:
    """*record* owning one more broker id; their order is that of their names."""
    if broker_order_id in record.ids:
        return record
    return evolve(record, ids=tuple(sorted({*record.ids, broker_order_id})))


# -- the order made from it ------------------------------------------------------------


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
    draft.put(record.client_order_id, record)
    return record


def _terms(record: m.OrderRecord, known: Sequence[m.Evidence]) -> m.Terms:
    """What the order asks for now: a replace changes it, and for others' we know no intent."""
    if not known:
        return record.terms
    tip = lifecycle.tip_of(known)
    if tip.terms is None or (record.intent is not None and tip.replaces is None):
        return record.terms
    return tip.terms


# -- what it moved ---------------------------------------------------------------------


def merge(
    draft: Draft,
    record: m.OrderRecord,
    was: m.Evidence | None,
    now: m.Evidence,
    fresh: m.Execution | None = None,
) -> m.OrderRecord:
    """Book what became of one id's evidence; *fresh* is the one execution that was added."""
    draft.put(now.broker_order_id, now)
    record = redraw(draft, with_id(record, now.broker_order_id))
    if was is None or _plainly(was, now, fresh):
        moves = [] if fresh is None or fresh.source is not now.source else [fresh]
        _book(draft, record, _gap_gone(draft, was, now), _moves(draft, record, now, moves))
    else:
        rebook(draft, record, now.broker_order_id)
    return record


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
    if now is None:
        return
    counted = chains.choose(
        draft.find(m.Execution, "broker_order_id", broker_order_id),
        draft.find(m.Void, "broker_order_id", broker_order_id),
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
    for x in gone:
        draft.drop(m.Movement, x.key)
    for x in new:
        draft.put(x.key, x)
    held = draft.get(m.Position, symbol) or m.Position(symbol=symbol)
    ordered = sorted(new, key=lambda x: x.order)
    if not gone and (held.last is None or held.last.order < ordered[0].order):
        trades = []
        for x in ordered:
            held, trade = position.fold(held, x)
            trades += [] if trade is None else [trade]
    else:
        held, trades = position.refold(symbol, draft.find(m.Movement, "symbol", symbol))
        _drop_trades(draft, symbol, {trade.key for trade in trades})
    draft.put(symbol, held)
    for trade in trades:
        _put_trade(draft, trade)
    _flow(draft, gone, new)


def _drop_trades(draft: Draft, symbol: str, kept: set[str]) -> None:
    for trade in draft.find(m.Trade, "symbol", symbol):
        if trade.key not in kept:
            draft.drop(m.Trade, trade.key)


def _put_trade(draft: Draft, trade: m.Trade) -> None:
    known = draft.before.get(m.Trade, trade.key)
    if known is not None and evolve(known, revision=0) != trade:
        trade = evolve(trade, revision=known.revision + 1)
    elif known is not None:
        trade = known
    draft.put(trade.key, trade)


# -- the cash --------------------------------------------------------------------------


def _flow(draft: Draft, gone: Iterable[m.Movement], new: Iterable[m.Movement]) -> None:
    cash = draft.get(m.Cash, "cash")
    if cash is None:
        return  # without an anchor there is no sum to keep; the anchor counts what follows it
    for moves, sign in ((gone, -1), (new, 1)):
        for x in moves:
            if x.kind is m.MoveKind.FILL:
                cash = plus_fill(cash, x, sign)
    draft.put("cash", cash)


def plus_fill(cash: m.Cash, move: m.Movement, sign: int = 1) -> m.Cash:
    """*cash* with what one fill paid or took; a sale's fee may still be to come."""
    after = plus_flow(cash, move.at, move.cash, sign)
    if after is cash or move.qty >= 0 or move.cash is None or move.fee is not None:
        return after
    due = EXACT.multiply(abs(move.cash), move.fee_rate) * sign
    return evolve(after, fee_due=max(ZERO, after.fee_due + due))


def plus_flow(cash: m.Cash, at: m.Stamp, amount: Decimal | None, sign: int = 1) -> m.Cash:
    """*cash* with one flow more (or less); those up to the anchor are in it already."""
    if cash.anchored_at is None or at <= cash.anchored_at:
        return cash
    if amount is None:
        return evolve(cash, unknown=cash.unknown + sign)
    return evolve(cash, flows=EXACT.add(cash.flows, amount * sign))
