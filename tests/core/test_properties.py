"""
P3, P4, P5, P8, P9 over many orders at once: any order of arrival of any of these facts.

`FACTS` are the facts of a busy account, in the order in which they happened: an order of ours with
exits, replaced once; an external order, replaced too and with an exit; fills reported by stream and
history, corrected and busted; a split, a transfer, fees, an adjustment. Hypothesis chooses some of
them, and their order of arrival.
"""

from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import position
from fillbook.core.checks.context import UNLIMITED_QTY, TrackedOrders
from fillbook.core.journal.draft import Draft, context_of
from fillbook.core.orders import evidence as ev
from fillbook.core.orders import open_quantities
from fillbook.model.orders.open_quantity import OpenQuantity
from tests.core.records import AT, Records, bust, fill, intended, report, terms

DAY = "2026-03-02T15:00:{:02}Z"


def report_on(broker_order_id, client_order_id, second, word, cum=0, avg=None, **kw):
    """A report of any order at that second; created at 15:00."""
    source = kw.pop("source", "list")
    return report(
        word,
        cum,
        avg,
        None if second is None else DAY.format(second),
        source,
        broker_order_id=broker_order_id,
        client_order_id=client_order_id,
        created_at=AT,
        **{"terms": terms(), **kw},
    )


def nested(parent, *legs):
    """*parent* as reported with its exits."""
    return evolve(parent, report=evolve(parent.report, legs=tuple(leg.report for leg in legs)))


SELL = {"terms": terms(side="sell")}
EXIT = report_on("b2", "L1", 4, "new", **SELL)
EXIT_FILLED = report_on("b2", "L1", 12, "filled", 100, "11", **SELL)
THEIR_EXIT = report_on("x3", "X3", 7, "new", **SELL)


def sold(*args, **kw):
    return fill(*args, side=m.OrderSide.SELL, **kw)


def happened(activity_id, kind, second, **kw):
    return m.ActivityReported(
        m.Activity(
            activity_id=activity_id,
            kind=m.ActivityKind(kind),
            at=m.timestamp(DAY.format(second)),
            symbol="AAPL",
            **kw,
        )
    )


FACTS = [
    nested(report_on("b1", "c1", 1, "accepted"), EXIT),
    fill("s1", 40, "9.9", cum=40, at=DAY.format(2)),
    fill("h1", 40, "9.9", cum=40, at=DAY.format(2), source="history"),
    report_on("b1", "c1", 3, "partially_filled", 40, "9.9"),
    EXIT,
    report_on("b1", "c1", 5, "replaced", 40, "9.9", replaced_by="b1r"),
    report_on("b1r", "c1.r1", 5, "new", replaces="b1", terms=terms(limit_price=10)),
    fill("s2", 60, "10", cum=60, at=DAY.format(6), broker_order_id="b1r"),
    fill("h2", 60, "10", at=DAY.format(6), broker_order_id="b1r", source="history"),
    report_on("b1r", "c1.r1", 6, "filled", 60, "10", replaces="b1", terms=terms(limit_price=10)),
    report_on("x1", "X1", 6, "new", source="by_id"),
    report_on("x1", "X1", 7, "expired"),
    report_on("x1", "X1", 8, "new", source="by_id"),
    fill("e1", 30, "11", cum=30, at=DAY.format(8), broker_order_id="x1"),
    nested(report_on("x2", None, 8, "new", replaces="x1"), THEIR_EXIT),
    report_on("x2", None, 9, "partially_filled", 10, "10.5", replaces="x1"),
    fill("e2", 10, "10.5", cum=10, at=DAY.format(9), broker_order_id="x2"),
    sold("e3", 15, "10.5", cum=15, at=DAY.format(9), broker_order_id="x3"),
    THEIR_EXIT,
    happened("split", "split", 10, ratio=Decimal(2)),
    happened("move", "transfer", 10, qty=Decimal(-7), cash=Decimal(3)),
    sold("l1", 50, "11", cum=50, at=DAY.format(11), broker_order_id="b2"),
    sold("l2", 50, "11", cum=100, at=DAY.format(12), broker_order_id="b2"),
    sold(
        "l2", 50, "12", cum=100, at=DAY.format(12), broker_order_id="b2"
    ),  # reported with other content
    EXIT_FILLED,
    report_on("b2", "L1", None, "filled", 90, "11", **SELL),  # without the broker's clock
    happened("fee", "fee", 13, qty=Decimal("-0.5"), cash=Decimal(-1)),
    bust("s1", 40, at=DAY.format(13)),
    sold("l1b", 50, "11.5", cum=50, at=DAY.format(13), broker_order_id="b2", fixes="l1"),
    m.BalanceAdjusted(
        "AAPL", Decimal(25), Decimal("10.2"), m.timestamp("2026-03-02T15:00:09.5Z"), "ADOPTED"
    ),
    report_on("x0", "X0", 1, "replaced"),
    report_on("x1", "X1", 1, "new", replaces="x0"),
    report_on("b1", "C1", 2, "accepted"),  # ours, under a name that we did not give
]

heard_facts = st.lists(st.sampled_from(range(len(FACTS))), unique=True, min_size=1, max_size=14)


def outcome(numbers):
    records = Records()
    records.take(m.CashAdjusted(Decimal(1000), "USD", AT, "OPENING"))
    records.take(intended(strategy="trend"))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    for n in numbers:
        records.take(FACTS[n])
    return records


def order_of(record):
    """An order's record, except the times and reports from which it was learned."""
    proof = record.order.proof
    order = evolve(record.order, created_at=None, proof=proof and evolve(proof, source=""))
    return evolve(record, order=order, seen_at=None, created_at=AT)


def content(records):
    """The record, except the times at which it was learned."""
    cash = records.get(m.Cash, "cash")
    return {
        "orders": [order_of(x) for x in records.all(m.OrderRecord)],
        "sums": [
            (e.broker_order_id, e.source, e.history, e.stream, e.chosen, e.filled, e.value, e.gap)
            for e in records.all(m.Evidence)
        ],
        "facts": [*records.all(m.Execution), *records.all(m.TradeBust), *records.all(m.Activity)],
        "moves": records.all(m.Movement),
        "positions": records.all(m.Position),
        "trades": [evolve(x, revision=0) for x in records.all(m.Trade)],
        "cash": (cash.anchor, cash.flows, cash.unknown),
    }


@given(heard_facts)
def test_any_order_of_arrival_makes_the_same_record(numbers):
    """P5: the same record as with every fact received once, when it happened."""
    assert content(outcome(numbers)) == content(outcome(sorted(numbers)))


@given(heard_facts)
def test_receiving_everything_again_changes_nothing(numbers):
    """P4 and P8: in the same order or another, it leaves no entry in the journal."""
    records = outcome(numbers)
    assert [n for n in (*numbers, *sorted(numbers)) if records.take(FACTS[n])] == []


@given(heard_facts)
def test_replaying_the_journal_is_the_rebuild(numbers):
    """Entries without an effect were not kept, and are not needed."""
    records, again = outcome(numbers), Records()
    for entry, at in records.entries[1:]:
        again.take(entry, at)
    assert again.kept == records.kept
    assert len(again.entries) == len(records.entries)


@given(heard_facts)
def test_running_sums_are_those_of_counting_afresh(numbers):
    """P4: each id's evidence equals the recount of all its executions and busts."""
    records = outcome(numbers)
    for e in records.all(m.Evidence):
        owner = records.get(m.OrderRecord, e.client_order_id)
        by = context_of(Draft(records, 1, AT), owner.terms, e)
        executions = records.find(m.Execution, "broker_order_id", e.broker_order_id)
        busts = records.find(m.TradeBust, "broker_order_id", e.broker_order_id)
        assert ev.recount(e, executions, busts, by) == e


@given(heard_facts)
def test_the_sums_of_open_orders_are_those_of_their_definition(numbers):
    """And every total is that which the checks compute from the orders one by one."""
    records = outcome(numbers)
    stored = {x.symbol: x for x in records.all(OpenQuantity)}
    orders = records.all(m.OrderRecord)
    assert stored == open_quantities.sums_of(orders)
    tracked = TrackedOrders.from_orders(x.order for x in orders if x.requests or x.ids)
    for symbol, known in stored.items():
        for side, strategy in {(x.side, x.strategy) for x in known.sums}:
            found = known.of(side, strategy)
            assert tracked.leaves(symbol, side, strategy) == (
                UNLIMITED_QTY if found.unlimited else found.leaves
            )


@given(heard_facts)
def test_a_position_is_the_fold_of_its_movements(numbers):
    """P9: and the movements equal the fills of the orders."""
    records = outcome(numbers)
    moves = records.all(m.Movement)
    for held in records.all(m.Position):
        assert (held, records.all(m.Trade)) == unrevised(held.symbol, moves, records)
        assert sum((leg.qty for _, leg in held.by_strategy), Decimal(0)) == held.qty
    for record in records.all(m.OrderRecord):
        moved = sum((x.qty for x in moves if x.owner in record.ids), Decimal(0))
        assert moved == record.order.filled_qty * record.terms.side.sign


def unrevised(symbol, moves, records):
    held, trades = position.refold(symbol, moves)
    known = {x.key: x.revision for x in records.all(m.Trade)}
    trades = [evolve(x, revision=known[x.key]) for x in trades]
    return held, sorted(trades, key=lambda x: x.key)


@given(heard_facts)
def test_every_evidence_belongs_to_an_order_that_lists_it(numbers):
    """P5: and every external order has some."""
    records = outcome(numbers)
    owned = {i: x.client_order_id for x in records.all(m.OrderRecord) for i in x.ids}
    assert owned == {e.broker_order_id: e.client_order_id for e in records.all(m.Evidence)}
    for record in records.all(m.OrderRecord):
        assert record.ids or record.origin is m.Origin.OURS
        assert record.parent is None or records.get(m.OrderRecord, record.parent) is not None
