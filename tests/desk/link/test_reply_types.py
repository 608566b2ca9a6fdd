"""A value of a wrong type in a reply: the record has to stay readable, and the message names it."""

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.errors import ContractBroken
from tests.bench import Bench

#: A field of a report, a value as an adapter's author may take it from the reply, what is said.
WRONG = {
    "a numeric id": ("broker_order_id", 10001, "the int 10001 instead of str"),
    "a plain word": ("status", "FILLED", "the str 'FILLED' instead of OrderStatus"),
    "a float": ("filled_qty", 1.5, "the float 1.5 instead of Decimal"),
    "milliseconds": ("clock", 1772463600000, "the int 1772463600000 instead of Timestamp"),
    "another zone's text": ("clock", "2026-03-02T15:00:00+00:00", "instead of Timestamp"),
    "a datetime": ("created_at", datetime(2026, 3, 2, tzinfo=UTC), "instead of Timestamp"),
}


class Wrong(SimulatedBroker):
    """An adapter that passes on a field of the reply as it is."""

    field = value = None

    def wrong(self, report):
        return report if self.field is None else evolve(report, **{self.field: self.value})

    def submit(self, intent):
        outcome = super().submit(intent)
        return evolve(outcome, report=self.wrong(outcome.report))

    def order(self, broker_order_id):
        answer = super().order(broker_order_id)
        return evolve(answer, value=self.wrong(answer.value))

    def find(self, client_order_id):
        answer = super().find(client_order_id)
        return evolve(answer, value=self.wrong(answer.value))

    def orders(self, query, page):
        answer = super().orders(query, page)
        return evolve(answer, value=[self.wrong(x) for x in answer.value])

    def read_event(self, raw):
        return [self.wrong(x) for x in super().read_event(raw)]


@pytest.fixture
def bench(tmp_path):
    bench = Bench(broker=Wrong, store=f"sqlite:///{tmp_path / 'record.db'}")
    yield bench
    bench.desk.close()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_does_not_damage_the_record(bench, caplog, name):
    """The order is unconfirmed until the adapter is repaired, and then it is found."""
    bench.broker.field, bench.broker.value, said = WRONG[name]
    order = bench.desk.buy("AAPL", qty=1)
    assert order.status is m.OrderStatus.UNPROVEN
    assert f"OrderReport.{bench.broker.field} is" in caplog.text
    assert said in caplog.text
    with fb.read(bench.store) as book:
        assert [x.status for x in book.orders()] == [m.OrderStatus.UNPROVEN]
        assert len(book.journal()) > 0
    bench.broker.field = None
    bench.clock.advance(10)
    bench.desk.tick()
    assert bench.desk.book.order(order).status is m.OrderStatus.FILLED


def test_a_wrong_id_in_an_acceptance_is_not_used(bench, caplog):
    bench.broker.submit = lambda intent: m.Accepted(
        broker_order_id=len(type(bench.broker).submit(bench.broker, intent).report.broker_order_id)
    )
    assert (
        bench.desk.buy("AAPL", qty=1).status is m.OrderStatus.FILLED
    )  # found by its client order id
    assert "Accepted.broker_order_id is the int 36 instead of str" in caplog.text


def test_a_wrong_account_opens_no_record(bench):
    account = bench.broker.account().value
    numbered = evolve(account, account=evolve(account.account, number=7713))
    bench.broker.account = lambda: m.Observed(numbered)
    with fb.open(bench.broker, "memory://", clock=bench.clock) as desk:
        said = desk.sync().unobserved
        assert said is not None
        assert "AccountId.number is the int 7713 instead of str" in said
        assert desk.book.journal() == []


@pytest.mark.parametrize("rows", [[{"id": 1}], ({"id": 1},), {"id": 1}, (x for x in ())])
def test_rows_that_are_no_values_were_not_observed(bench, rows):
    bench.broker.positions = lambda page: m.Observed(rows)
    report = bench.desk.check()
    assert report.verdict is m.Verdict.NOT_OBSERVED
    assert "instead of a value of fillbook.model" in report.unobserved


def test_a_wrong_event_of_the_bot_is_refused(bench):
    order = bench.desk.buy("AAPL", qty=1)
    report = bench.broker.order(order.broker_order_id).value
    bench.broker.read_event = lambda raw: [evolve(report, avg_price=100.5)]
    with pytest.raises(ContractBroken, match=r"OrderReport\.avg_price is the float 100\.5"):
        bench.desk.receive({})
    assert bench.desk.book.order(order).status is m.OrderStatus.FILLED
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC


def test_a_wrong_value_of_the_stream_is_dropped_and_the_order_is_read(bench, caplog):
    sinks = []

    @contextmanager
    def listen(sink):
        sinks.append(sink)
        yield

    bench.broker.listen = listen
    order = bench.resting()
    bench.desk.start(listen=True)
    report = bench.broker.order(order.broker_order_id).value
    bench.exchange.fill(order.broker_order_id)
    sinks[0].receive([evolve(report, broker_order_id=17)])
    assert "OrderReport.broker_order_id is the int 17 instead of str" in caplog.text
    bench.pass_(30)
    assert bench.desk.book.order(order).status is m.OrderStatus.FILLED
