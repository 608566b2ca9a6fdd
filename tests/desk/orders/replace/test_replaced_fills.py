"""Fills on the id of a replacement: recorded at once, with every meaning of its total."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import errors
from fillbook import model as m
from tests.bench import Bench, unable
from tests.core.records import Records, fill, intended, report

S = m.OrderStatus


def replaced(bench, limit_price, *, filled=None, **wish):
    """A resting order whose price was changed; *filled* of it before that."""
    order = bench.resting(**wish)
    bench.clock.advance(1)
    if filled is not None:
        bench.filled(order, filled)
        bench.clock.advance(1)
    bench.desk.sync(order=order)
    return bench.desk.replace(order, limit_price=limit_price)


def facts(bench, order):
    now = bench.desk.book.order(order)
    return now.status, now.filled_qty, bench.desk.book.position(now.symbol).qty


def test_a_replacement_that_fills_at_once_is_filled_and_held():
    """Its own order, the position and the next sale agree with the exchange."""
    bench = Bench()
    order = replaced(bench, "187.50")
    bench.desk.wait(order, 2)
    assert facts(bench, order) == (S.FILLED, 10, 10)
    bench.desk.sell("AAPL", qty=10)
    with pytest.raises(errors.Denied):
        bench.desk.sell("AAPL", qty=10)
    assert bench.truth.positions() == {}


@pytest.mark.parametrize("filled", [None, 4])
@pytest.mark.parametrize("how", ["poll", "sync", "typed", "stream", "history-late"])
@pytest.mark.parametrize("carried", ["fresh", "carried"])
def test_a_fill_of_a_replacement_is_booked_within_a_poll(how, filled, carried):
    """It is unknown whether its total includes fills of the replaced id, and there is no guess."""
    bench = Bench()
    if carried == "fresh":
        bench.exchange.faults.switch_on("cum-fresh")
    order = replaced(bench, "151", filled=filled)
    if how == "history-late":
        bench.exchange.faults.switch_on("history-late", seconds=90)
    with bench.heard() as events:
        bench.exchange.fill(order.broker_order_id, 3, "151")
    if how == "stream":
        for event in events:
            bench.desk.receive(event)
    elif how == "typed":
        poke = m.OrderReport(
            broker_order_id=order.broker_order_id,
            client_order_id=None,
            terms=order.terms,
            status=S.NEW,
            raw_status="new",
            filled_qty=Decimal(0),
        )
        bench.desk._scheduler._record([poke])
        bench.desk.tick()
    elif how == "sync":
        bench.desk.sync()
    else:
        bench.pass_(30)
    if how == "history-late":
        now = bench.desk.book.order(order)
        assert now.filled_qty <= (filled or 0) + 3
        bench.exchange.faults.clear()
        bench.pass_(180)
    assert facts(bench, order) == (S.PARTIALLY_FILLED, (filled or 0) + 3, (filled or 0) + 3)
    bench.pass_(120)
    assert bench.is_true()


def test_the_history_of_a_replacement_is_read_when_it_grows_and_not_at_every_poll():
    """A history without the fill costs no request at each poll."""

    class Mute(unable()):
        def executions_of(self, broker_order_id, since, page):
            return m.Observed(())

    bench = Bench(broker=Mute)
    order = replaced(bench, "151", filled=4)
    bench.exchange.fill(order.broker_order_id, 3, "151")
    bench.clock.advance(1)
    before = bench.sent["executions"]
    bench.desk._tracker.poll()
    asked = bench.sent["executions"] - before
    assert asked > 0
    bench.desk._tracker.poll()
    assert bench.sent["executions"] - before == asked


NEW_ID = {"broker_order_id": "b2", "client_order_id": "c1.r1", "replaces": "b1"}


@pytest.mark.parametrize(
    ("first", "total", "own", "booked"),
    [
        (0, 10, None, 10),  # nothing to carry: every reading agrees
        (4, 10, None, 10),  # carried: 6 of its own; fresh: 10, of which 6 are sure
        (4, 4, None, 4),  # carried: nothing of its own
        (4, 3, None, 4),  # certainly fresh, and its history will show it
        (4, 10, 6, 10),  # its own executions
    ],
)
@pytest.mark.parametrize("first_known_last", [False, True])
def test_what_every_reading_of_a_total_agrees_on_is_booked(
    first, total, own, booked, first_known_last
):
    """P5: from every order of arrival."""
    unknown = m.Bound(m.AccountId("sim", "localhost", "a1"), replace_cum=m.ReplaceCum.UNKNOWN)
    old = [
        report("replaced", first, "9" if first else None, clock="2026-03-02T15:00:02Z"),
        *([fill("h1", first, "9", source="history")] if first else []),
    ]
    new = [report("partially_filled", total, "9", clock="2026-03-02T15:00:03Z", **NEW_ID)]
    if own:
        new.append(fill("h2", own, "9", source="history", broker_order_id="b2"))
    records = Records()
    for fact in (unknown, intended(), report(), *(new + old if first_known_last else old + new)):
        records.take(fact)
    assert (records.order().filled_qty, records.position().qty) == (booked, booked)


def test_a_fill_of_the_replaced_id_that_is_known_later_takes_the_place_of_the_inferred_one():
    """The sum over the chain stays the total that the new id reported."""
    records = Records()
    for fact in (
        evolve(intended()),
        report(),
        report("replaced", 0, clock="2026-03-02T15:00:02Z"),
        report("filled", 10, "9", clock="2026-03-02T15:00:03Z", **NEW_ID),
    ):
        records.take(fact)
    assert records.position().qty == 10
    records.take(fill("h1", 4, "9", source="history"))
    assert records.position().qty == 10
    assert {e.broker_order_id: e.gap for e in records.all(m.Evidence)} == {"b1": 0, "b2": 6}
