"""The gateway: permissions, exceptions of an adapter, endless pages, and back-off."""

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.desk import parts
from fillbook.desk.link.gateway import Gateway
from tests.bench import Bench

S = m.OrderStatus


class Live(SimulatedBroker):
    live = True


class Escapes(SimulatedBroker):
    """An adapter with a bug in one of its methods; the request was carried out."""

    bug = ""

    def submit(self, intent):
        outcome = super().submit(intent)
        return self._or_bug("submit", outcome)

    def positions(self, page):
        return self._or_bug("positions", super().positions(page))

    def _or_bug(self, name, answer):
        if self.bug == name:
            raise KeyError("a field that was always there")
        return answer


class Loops(SimulatedBroker):
    """Every page has a next one: the same one, or always a new one."""

    fresh = False
    asked = 0

    def positions(self, page):
        self.asked += 1
        return m.Observed([], next=m.Cursor(str(self.asked) if self.fresh else "again"))


def test_nothing_is_sent_to_a_live_account_without_live_true():
    """Reads need no permission, orders do; no intent is written either."""
    bench = Bench(broker=Live)
    before = len(bench.desk.book.journal())
    with pytest.raises(fb.TradingDisabled, match="live=True"):
        bench.desk.buy("AAPL", qty=1)
    assert bench.sent["submit"] == 0
    assert len(bench.desk.book.journal()) == before


def test_after_an_exception_in_a_write_the_order_is_queried_and_found(caplog):
    """A bug in an adapter loses no order."""
    bench = Bench(broker=Escapes)
    bench.broker.bug = "submit"
    order = bench.desk.buy("AAPL", qty=10)
    assert order.status is S.FILLED
    assert "raised an exception" in caplog.text


def test_an_exception_out_of_a_read_observes_nothing(caplog):
    """The snapshot is discarded, with the reason."""
    bench = Bench(broker=Escapes)
    bench.broker.bug = "positions"
    report = bench.desk.check()
    assert report.verdict is m.Verdict.NOT_OBSERVED
    assert "KeyError" in report.unobserved


@pytest.mark.parametrize("fresh", [False, True])
def test_pages_that_do_not_end_were_not_observed(fresh):
    """Reading stops, for a repeated page and for endless new ones."""
    bench = Bench(broker=Loops, opened=False)
    bench.broker.fresh = fresh
    report = bench.desk.check(ours={})
    assert report.verdict is m.Verdict.NOT_OBSERVED
    assert "repeats a page" in report.unobserved
    assert bench.broker.asked <= 1_000


def test_a_rate_limit_holds_reads_back_and_never_a_cancel():
    """Until the broker's own time nothing is read; a cancel is sent anyway."""
    bench = Bench()
    order = bench.resting()
    bench.fail("account", "rate-limited")
    assert bench.desk.check().verdict is m.Verdict.NOT_OBSERVED
    asked = bench.desk.requests
    assert bench.desk.check().verdict is m.Verdict.NOT_OBSERVED
    assert bench.desk.requests == asked
    bench.desk.cancel(order)
    assert bench.sent["cancel"] == 1
    bench.clock.advance(2)
    assert bench.desk.check().verdict is not m.Verdict.NOT_OBSERVED
    assert bench.clock.elapsed() < timedelta(minutes=1)


class Counting(Gateway):
    """A gateway that records the authority of each request."""

    def _require_permission(self, authority):
        self.let.append(authority)
        super()._require_permission(authority)

    def send(self, name, send, *, first_attempt):
        self.passed.append((name, list(self.let)))
        self.let.clear()
        return super().send(name, send, first_attempt=first_attempt)


def test_p11_every_request_that_changes_something_passes_the_gateway_once(monkeypatch):
    """For every call of the bot and every request of the desk; the broker counts the requests."""
    monkeypatch.setattr(parts, "Gateway", Counting)
    monkeypatch.setattr(Counting, "let", [], raising=False)
    monkeypatch.setattr(Counting, "passed", [], raising=False)
    came = []

    class Counted(SimulatedBroker):
        def submit(self, intent):
            came.append("submit")
            return super().submit(intent)

        def cancel(self, broker_order_id):
            came.append("cancel")
            return super().cancel(broker_order_id)

    bench = Bench(broker=Counted)
    bench.desk.buy("AAPL", qty=1)
    bench.desk.sell("AAPL", qty=1)
    order = bench.resting()
    bench.fail("cancel", "request-lost")
    bench.desk.cancel(order)
    bench.fail("submit", "request-lost")
    bench.desk.buy("MSFT", qty=1, limit_price="400", good_for_s=600)
    bench.desk.check()
    bench.desk.sync()
    bench.pass_(120)
    assert came.count("submit") == 5  # one was sent again
    assert came.count("cancel") == 2  # one was repeated
    assert [name for name, _ in Counting.passed] == came
    assert {len(let) for _, let in Counting.passed} == {1}


def test_only_the_gateway_sends_requests_that_change_something():
    """Modules of the desk call a broker's writing methods only inside `write` or `send`."""
    found, written = [], []
    for path in Path(fb.desk.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [x for x in ast.walk(tree) if isinstance(x, ast.Call)]
        for call in calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("write", "send"):
                written += [x for x in ast.walk(call) if isinstance(x, ast.Call) and x is not call]
        found += [x for x in calls if re.search(CHANGES, ast.unparse(x.func))]
    assert len(found) >= 2
    assert [ast.unparse(x) for x in found if x not in written] == []


CHANGES = r"\bbroker\.(submit|cancel|replace)$"


class ReturnsNothing(SimulatedBroker):
    """An adapter whose author forgot a `return`; the request was carried out."""

    def submit(self, intent):
        super().submit(intent)

    def positions(self, page):
        return None if self.forgets else super().positions(page)

    forgets = False


def test_a_method_that_returns_no_reply_loses_no_order(caplog):
    """It is a fault of the adapter: the outcome of a write is unknown, and a read has none."""
    bench = Bench(broker=ReturnsNothing)
    order = bench.desk.buy("AAPL", qty=1)
    assert order.status is S.FILLED  # found by its client order id
    assert "the adapter returned NoneType from submit, which is no reply" in caplog.text
    bench.broker.forgets = True
    report = bench.desk.sync()
    assert "the adapter returned NoneType from positions" in report.unobserved
    assert bench.desk.book.position("AAPL").qty == 1
