"""P5: a dispute ends with the first snapshot on which every source of the broker agrees."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.reconcile import settlement
from fillbook.core.reconcile.drift import Snapshot
from tests.core.records import AT, Records, bust, fill, intended, report, request, terms

S = m.OrderStatus
LAG = timedelta(seconds=10)
D = Decimal
ACCOUNT = m.AccountSnapshot(m.AccountId("sim", "localhost", "a1"), "USD", D(1), D(1), D(1))
SENT = (intended(), m.Commanded("c1", m.Command.SEND, 1))


def clock(second):
    return f"2026-03-02T15:00:{second:02}Z"


def row(exec_id, qty, price=9, **kw):
    return fill(exec_id, qty, price, source="history", **kw)


#: A fill of 10 at 9, and the first of two corrections; the history then has the second.
CORRECTED = (
    report("new", 0, clock=clock(1)),
    fill("f1", 10, 9, cum=10, at=clock(2)),
    fill("c1", 10, "8.5", cum=10, at=clock(3), fixes="f1"),
)
ROWS = (row("h1", 10, price=8, at=clock(2)),)


def heard(*facts):
    records = Records()
    for fact in (*SENT, *facts):
        records.take(fact)
    return records


def snapshot(
    held,
    rows,
    cum=10,
    *,
    avg=8,
    ids=("b1",),
    at=60,
    fills=(),
    after=(),
    word="partially_filled",
):
    """What the broker shows: the position, the rows of the history, the total of the order."""
    positions = [m.PositionSnapshot("AAPL", D(held), D(held))] if held else []
    return Snapshot(
        at=m.timestamp(m.moment(AT) + timedelta(seconds=at)),
        started=timedelta(),
        ended=timedelta(),
        account=ACCOUNT,
        orders=(report(word, cum, avg if cum else None, clock(5)).report,),
        positions=tuple(positions),
        fills=fills,
        fills_after=after,
        fills_since=AT,
        history_ids=ids,
        history_executions=tuple(x.execution for x in rows),
    )


def settled(records, shown):
    """Merge what a snapshot shows, settle, and return the order."""
    for entry in (*map(listed, shown.orders), *map(m.Executed, shown.history_executions)):
        records.take(entry)
    found = settlement.settlements(records, shown, LAG)
    for entry in found:
        assert records.take(entry)
        assert not records.take(entry)
    assert not settlement.settlements(records, shown, LAG) or not found
    return found, records.order()


def listed(order):
    return m.Reported(order, m.ReportSource.LIST)


def test_the_rows_count_where_total_and_position_agree_with_them():
    """The facts that the history does not have are ignored from then on."""
    records = heard(*CORRECTED)
    found, order = settled(records, snapshot(10, ROWS))
    assert found == [m.DisputeSettled("b1", ("h1",))]
    assert (order.status, order.filled_qty, order.avg_price) == (S.PARTIALLY_FILLED, 10, 8)
    assert (order.anomalies, records.position().qty) == ((), 10)


@pytest.mark.parametrize(
    ("avg", "ids", "price"),
    [
        (8, ("h1",), 8),  # the rows
        (7, (), 7),  # the total: a correction that nothing has reported
        (None, ("h1",), 8),
    ],
)
def test_of_readings_with_one_quantity_the_average_price_decides(avg, ids, price):
    found, order = settled(heard(*CORRECTED), snapshot(10, ROWS, avg=avg))
    assert found == [m.DisputeSettled("b1", ids)]
    assert (order.status, order.avg_price, order.anomalies) == (S.PARTIALLY_FILLED, D(price), ())


def test_an_average_that_is_older_than_the_rows_contradicts_none_of_them():
    rows = (row("h1", 10, price=8, at=clock(9)),)
    found, order = settled(heard(*CORRECTED), snapshot(10, rows, avg="8.5"))
    assert (found, order.avg_price) == ([m.DisputeSettled("b1", ("h1",))], 8)


def test_the_computed_facts_count_where_the_history_hides_a_bust():
    """The history has the busted fill, and the position does not."""
    facts = (
        CORRECTED[0],
        fill("f1", 10, 9, cum=10, at=clock(2)),
        bust("f1", 10, at=clock(3)),
        fill("f2", 5, 9, cum=15, at=clock(3)),
        fill("c2", 5, "8.5", cum=15, at=clock(4), fixes="f2"),
    )
    rows = (row("h1", 10, cum=10, at=clock(2)), row("h2", 5, price=8, cum=15, at=clock(3)))
    found, order = settled(heard(*facts), snapshot(5, rows, cum=15))
    assert found == [m.DisputeSettled("b1", None)]
    assert (order.status, order.filled_qty) == (S.PARTIALLY_FILLED, 5)


def test_the_total_counts_where_the_rows_have_versions_beside_each_other():
    """The history lists the corrected row beside its original, without the order's totals."""
    facts = (*CORRECTED[:2], fill("c1", 9, 9, cum=9, at=clock(3), fixes="f1"))
    rows = (row("h1", 10, price=7), row("h2", 8, price=7))
    records = heard(*facts)
    found, order = settled(records, snapshot(8, rows, cum=8, avg=9))
    assert found == [m.DisputeSettled("b1", ())]
    assert (order.status, order.filled_qty, order.avg_price) == (S.PARTIALLY_FILLED, 8, 9)
    assert records.position().qty == 8


BUST = bust("c1", 10, at=clock(4))


@pytest.mark.parametrize("reported", [(BUST,), ()])
def test_the_rows_count_where_the_total_has_what_was_busted_beside_them(reported):
    """The fill was corrected and then busted, which nobody may have reported; the total has it."""
    correction = fill("c1", 10, "8.5", at=clock(3), fixes="f1")
    rows = (row("f2", 5, cum=15, at=clock(3)), row("f3", 20, cum=35, at=clock(3)))
    records = heard(CORRECTED[0], correction, *reported, *rows)
    assert records.order().status is S.DISPUTED
    assert settled(records.copy(), snapshot(25, rows, cum=35, at=62))[0] == []  # fills may lack
    found, order = settled(records, snapshot(25, rows, cum=35, at=90))
    inferred = m.Busted(bust("b1/inferred", 10, "history").bust)
    assert found == [m.DisputeSettled("b1", ("f2", "f3")), inferred]
    assert (order.status, order.filled_qty, order.anomalies) == (S.PARTIALLY_FILLED, 25, ())
    assert records.position().qty == 25


@pytest.mark.parametrize(
    "shown",
    [
        snapshot(7, ROWS),  # the position agrees with nothing
        snapshot(10, ROWS, ids=()),  # the history was not read
        snapshot(10, ROWS, at=5),  # the change is younger than the lag
        snapshot(10, ROWS, after=(row("f9", 1).execution,)),  # it filled meanwhile
        evolve(snapshot(10, ROWS), orders=()),  # the order was not read
    ],
)
def test_nothing_is_settled_without_every_source(shown):
    """The order stays disputed, and its symbol locked."""
    records = heard(*CORRECTED, *map(m.Executed, shown.history_executions))
    assert records.order().status is S.DISPUTED
    found, order = settled(records, shown)
    assert (found, order.status) == ([], S.DISPUTED)


def test_a_broker_without_a_history_settles_by_totals_and_position():
    """There is no history to read: the reports and the position are all sources."""
    shown = evolve(snapshot(10, (), ids=()), fills_since=None)
    found, order = settled(heard(*CORRECTED, *map(m.Executed, (ROWS[0].execution,))), shown)
    assert found == [m.DisputeSettled("b1", None)]
    assert (order.status, order.filled_qty) == (S.PARTIALLY_FILLED, 10)


def test_an_ended_order_is_final_once_it_is_settled():
    """It reserves nothing any more."""
    records = heard(*CORRECTED)
    _, order = settled(records, snapshot(10, ROWS, word="canceled"))
    assert (order.status, order.is_final) == (S.CANCELED, True)
    assert records.get(m.OrderRecord, "c1").reservation is None


def test_a_new_contradiction_disputes_the_order_again():
    """What a settlement resolved is resolved; what is reported later is not."""
    records = heard(*CORRECTED)
    settled(records, snapshot(10, ROWS))
    records.take(CORRECTED[2])
    assert records.order().status is S.PARTIALLY_FILLED
    records.take(row("h2", 10, price="7.5", at=clock(9), fixes="h1"))
    records.take(bust("h1", source="history"))
    assert records.order().status is S.DISPUTED


def test_quantities_are_compared_in_units_after_a_split():
    """The fills were before a split of 2 for 1: 10 of then are 20 now."""
    records = heard(*CORRECTED)
    split = m.Activity(
        activity_id="a1",
        kind=m.ActivityKind.SPLIT,
        at=m.timestamp(clock(4)),
        symbol="AAPL",
        qty=D(10),
        ratio=D(2),
    )
    records.take(m.ActivityReported(split))
    found, _ = settled(records, snapshot(20, ROWS))
    assert found == [m.DisputeSettled("b1", ("h1",))]


@pytest.mark.parametrize(("value", "ids", "price"), [(80, ("h1",), 8), (None, None, 7)])
def test_rows_of_an_order_sized_in_quote_currency_are_compared_by_value(value, ids, price):
    """Its rows are worth 80; a total without a value does not say which reading is right."""
    by_value = {"in_quote": True, "at": clock(2)}
    records = Records()
    facts = (
        intended(qty=None, notional=100),
        SENT[1],
        report("new", 0, clock=clock(1), terms=terms(qty=None, notional=100)),
        fill("f1", 90, 9, **by_value),
        fill("c1", 70, 7, fixes="f1", **by_value),
        bust("f1", 90, at=clock(4)),
    )
    for fact in facts:
        records.take(fact)
    shown = snapshot(10, (row("h1", 80, 8, **by_value),))
    (listing,) = shown.orders
    total = {"filled_value": m.number_or_none(value), "terms": terms(qty=None, notional=100)}
    found, order = settled(records, evolve(shown, orders=(evolve(listing, **total),)))
    assert found == [m.DisputeSettled("b1", ids)]
    assert (order.filled_qty, order.avg_price, order.anomalies) == (10, price, ())


def test_a_settlement_of_an_unknown_id_changes_nothing():
    """A record that was archived may have had it."""
    assert not heard().take(m.DisputeSettled("never", None))


def test_a_fee_in_base_units_reduces_the_rows():
    """A coin is received less its fee."""
    of = {"symbol": "BTC/USD"}
    records = Records()
    records.take(m.Intended(evolve(SENT[0].intent, request=request(**of))))
    for fact in (report("new", 0, clock=clock(1), terms=terms(**of)), *CORRECTED[1:]):
        entry = fact if isinstance(fact, m.Reported) else coin(fact)
        records.take(entry)
    paid = coin(row("h1", 10, price=8, fee=D("0.1"), fee_currency="BTC"))
    shown = evolve(
        snapshot(0, (paid,)),
        orders=(report("partially_filled", 10, 8, clock(5), terms=terms(**of)).report,),
        positions=(m.PositionSnapshot("BTC/USD", D("9.9"), D("9.9")),),
    )
    found, _ = settled(records, shown)
    assert found == [m.DisputeSettled("b1", ("h1",))]


def coin(entry):
    return m.Executed(evolve(entry.execution, symbol="BTC/USD"))
