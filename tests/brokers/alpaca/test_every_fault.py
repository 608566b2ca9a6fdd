"""Every fault that the exchange knows, and what the adapter makes of it: no more, and no less."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import fillbook.testing.broker_suite  # noqa: F401 - has pytest rewrite the asserts of its cases
from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.testing.broker_cases.base import EVER, Listener
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange, Fault

from .emulated import EmulatorPuppeteer, HeardBroker

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York
S, F, K = m.OrderStatus, m.Failure, m.RejectKind


class Bench:
    """The adapter at an emulator, with words to ask by and to say what came of it."""

    def __init__(self, emulator: Emulator, broker: HeardBroker, clock: ManualClock) -> None:
        self.exchange = emulator.exchange
        self.broker = broker
        self.clock = clock
        self.world = EmulatorPuppeteer(emulator, broker, clock)
        self.fail = self.world.fail
        self._numbers = iter(range(1, 1000))

    def submit(self, name: str = "", **wish: object) -> m.Outcome:
        request = {"symbol": "AAPL", "side": "buy", "qty": 5, "limit_price": "100.25"} | wish
        name = name or f"fault-{next(self._numbers)}"
        return self.broker.submit(
            m.Intent(client_order_id=name, request=m.OrderRequest(**request), at=m.stamp(OPEN))
        )

    def placed(self, **wish: object) -> str:
        """The broker's id of an order that it took, worked by now."""
        outcome = self.submit(**wish)
        assert isinstance(outcome, m.Accepted), outcome
        assert outcome.report is not None
        self.world.heard()
        return outcome.report.broker_order_id

    def order(self, order_id: str) -> m.OrderReport:
        found = self.broker.order(order_id)
        assert isinstance(found, m.Observed), found
        return found.value

    def fills(self, order_id: str) -> list[m.Execution]:
        found = self.broker.executions_of(order_id, EVER, None)
        assert isinstance(found, m.Observed), found
        return list(found.value)

    def replaced(self, order_id: str, qty: str = "6") -> m.Outcome:
        return self.broker.replace(order_id, m.Change(client_order_id="changed", qty=Decimal(qty)))

    def orders(self) -> m.Read[object]:
        return self.broker.orders(m.OrderQuery(m.OrderScope.ALL), None)


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock = ManualClock(OPEN)
    with Emulator(Exchange(seed=7, clock=clock), rate_limit=10_000) as emulator:
        broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url)
        yield Bench(emulator, broker, clock)
        broker.close()


def said(answer: object) -> str:
    """What an answer says, in a word or two."""
    match answer:
        case m.Observed(value=m.OrderReport(status=status)):
            return f"observed {status}"
        case m.Accepted(report=m.OrderReport(status=status)):
            return f"accepted {status}"
        case m.Rejected(kind=why) | m.NotSent(why=why) | m.Ambiguous(why=why):
            return f"{type(answer).__name__.lower()} {why}"
        case m.NotObserved(why=why):
            return f"not observed {why}"
    return type(answer).__name__.lower()


SCENARIOS: dict[Fault, Callable[[Bench], None]] = {}


def of(fault: Fault) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    def keep(scenario: Callable[[Bench], None]) -> Callable[[Bench], None]:
        SCENARIOS[fault] = scenario
        return scenario

    return keep


@pytest.mark.parametrize("fault", Fault)
def test_what_the_adapter_makes_of_it(bench: Bench, fault: Fault) -> None:
    SCENARIOS[fault](bench)
    assert bench.exchange.faults.counts[fault] > 0


def test_every_fault_has_its_scenario() -> None:
    assert set(SCENARIOS) == set(Fault)


# -- on the way ------------------------------------------------------------------------


@of(Fault.REQUEST_LOST)
def _(bench: Bench) -> None:
    bench.fail("submit", "request-lost")
    bench.fail("account", "request-lost")
    assert said(bench.submit("lost")) == "ambiguous no_answer"
    assert said(bench.broker.find("lost")) == "absent"
    assert said(bench.broker.account()) == "not observed no_answer"


@of(Fault.REPLY_LOST)
def _(bench: Bench) -> None:
    bench.fail("submit", "reply-lost")
    assert said(bench.submit("lost")) == "ambiguous no_answer"
    assert said(bench.submit("lost")) == "rejected duplicate"
    assert said(bench.broker.find("lost")) == "observed accepted"


@of(Fault.LATE_LANDING)
def _(bench: Bench) -> None:
    bench.fail("submit", "late-landing", seconds=60)
    assert said(bench.submit("late")) == "ambiguous no_answer"
    assert said(bench.broker.find("late")) == "absent"
    bench.clock.advance(61)
    assert said(bench.broker.find("late")).startswith("observed")


@of(Fault.DUPLICATE_UNLISTED)
def _(bench: Bench) -> None:
    bench.fail("submit", "duplicate-unlisted", seconds=60)
    assert said(bench.submit("hidden")) == "ambiguous no_answer"
    assert said(bench.broker.find("hidden")) == "absent"
    assert said(bench.submit("hidden")) == "rejected duplicate"
    bench.clock.advance(61)
    assert said(bench.broker.find("hidden")).startswith("observed")


@of(Fault.UNREACHABLE)
def _(bench: Bench) -> None:
    # Over a connection that is open already nobody can prove that nothing left.
    bench.broker.account()
    bench.fail("submit", "unreachable")
    assert said(bench.submit("never")) == "ambiguous no_answer"
    assert said(bench.broker.find("never")) == "absent"


@of(Fault.SLOW)
def _(bench: Bench) -> None:
    bench.fail("account", "slow", seconds=8)
    assert said(bench.broker.account()) == "observed"


@of(Fault.RATE_LIMITED)
def _(bench: Bench) -> None:
    bench.fail("submit", "rate-limited")
    bench.fail("orders", "rate-limited")
    for answer in (bench.submit("later"), bench.orders()):
        assert said(answer) in ("notsent rate_limited", "not observed rate_limited")
        assert isinstance(answer, m.NotSent | m.NotObserved)
        assert answer.retry_at is not None
        assert OPEN < answer.retry_at <= OPEN + timedelta(seconds=61)
    assert said(bench.broker.find("later")) == "absent"


@of(Fault.SERVER_ERROR)
def _(bench: Bench) -> None:
    bench.fail("submit", "server-error")
    bench.fail("orders", "server-error")
    assert said(bench.submit()) == "ambiguous server_error"
    assert said(bench.orders()) == "not observed server_error"


@of(Fault.HTML)
def _(bench: Bench) -> None:
    bench.fail("submit", "html")
    bench.fail("find", "html")
    assert said(bench.submit()) == "ambiguous server_error"
    assert said(bench.broker.find("x")) == "not observed server_error"


@of(Fault.REDIRECT)
def _(bench: Bench) -> None:
    bench.fail("submit", "redirect")
    bench.fail("positions", "redirect")
    assert said(bench.submit("elsewhere")) == "ambiguous unreadable"
    assert said(bench.broker.positions(None)) == "not observed unreadable"
    assert said(bench.broker.find("elsewhere")) == "absent"


@of(Fault.EMPTY_LIST)
def _(bench: Bench) -> None:
    # Nothing on the wire tells it from an empty account: the desk asks for agreement (P6).
    bench.placed()
    bench.fail("orders", "empty-list")
    empty, full = bench.orders(), bench.orders()
    assert isinstance(empty, m.Observed)
    assert isinstance(full, m.Observed)
    assert (len(empty.value), len(full.value)) == (0, 1)


@of(Fault.CUT_PAGE)
def _(bench: Bench) -> None:
    bench.placed()
    bench.fail("orders", "cut-page")
    assert said(bench.orders()) == "not observed no_answer"


@of(Fault.SHIFTING_PAGE)
def _(bench: Bench) -> None:
    for _ in range(101):
        bench.world.trade_by_hand("AAPL", m.OrderSide.BUY, "1")
        bench.world.heard()
    bench.exchange.faults.fail("executions", "shifting-page", skip=1)
    rows, page = [], None
    while True:
        found = bench.broker.executions(EVER, page)
        assert isinstance(found, m.Observed)
        rows += [each.exec_id for each in found.value]
        page = found.next
        if page is None:
            break
    assert (len(rows), len(set(rows))) == (102, 101)


# -- the stream ------------------------------------------------------------------------


@of(Fault.STREAM_REFUSED)
def _(bench: Bench) -> None:
    bench.fail("listen", "stream-refused")
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
    assert heard.losses == ["HTTP 429: another connection of this key is open"]


@of(Fault.STREAM_LOST)
def _(bench: Bench) -> None:
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        bench.fail("event", "stream-lost")
        order = bench.placed()
        assert heard.again.wait(10)
    assert (heard.connections, heard.words(order)) == (2, [])
    assert [why[:20] for why in heard.losses] == ["the connection ended"]


def _heard(bench: Bench, fault: str, *fills: str, times: int = 1) -> tuple[str, Listener]:
    """An order with *fills*, of which the first *times* events met *fault*."""
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        order = bench.placed()
        bench.exchange.faults.fail("event", fault, times=times)
        for qty in fills:
            bench.world.fill(order, qty, "100")
        bench.world.heard()
    return order, heard


@of(Fault.EVENT_DROPPED)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "event-dropped", "2", "3")
    assert [each.qty for each in heard.executions(order)] == [3]
    assert bench.order(order).filled_qty == 5


@of(Fault.EVENT_DOUBLED)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "event-doubled", "5")
    first, second = heard.executions(order)
    assert first == second


@of(Fault.EVENT_REORDERED)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "event-reordered", "2", "3")
    later, earlier = heard.of(order)[-2:]
    assert (later.filled_qty, earlier.filled_qty) == (5, 2)
    assert (later.clock or "") > (earlier.clock or "")


@of(Fault.EVENT_EARLY)
def _(bench: Bench) -> None:
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        bench.fail("taken", "event-early")
        outcome = bench.submit()
        bench.world.heard()
    assert isinstance(outcome, m.Accepted)
    assert outcome.report is not None
    assert heard.words(outcome.report.broker_order_id)[0] is S.PENDING_NEW


@of(Fault.STREAM_SILENT)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "stream-silent", "2", "3", times=2)
    assert (heard.executions(order), heard.losses) == ([], [])
    assert bench.order(order).status is S.FILLED


@of(Fault.STREAM_IDS_DIFFER)
def _(bench: Bench) -> None:
    bench.fail("fill", "stream-ids-differ")
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        bench.world.heard()
    (told,), (read,) = heard.executions(order), bench.fills(order)
    assert told.exec_id != read.exec_id
    assert (told.qty, told.price, told.cum_qty) == (read.qty, read.price, read.cum_qty)


# -- what is shown ---------------------------------------------------------------------


@of(Fault.STALE_SNAPSHOT)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.clock.advance(20)
    bench.world.fill(order, "5", "100")
    bench.fail("show-orders", "stale-snapshot", seconds=10)
    stale, fresh = bench.order(order), bench.order(order)
    assert (stale.status, fresh.status) == (S.NEW, S.FILLED)
    assert (stale.clock or "") < (fresh.clock or "")


@of(Fault.ACCOUNT_OLD)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.clock.advance(20)
    bench.world.fill(order, "5", "100")
    bench.fail("show-account", "account-old", seconds=10)
    old, now = bench.broker.account(), bench.broker.account()
    assert isinstance(old, m.Observed)
    assert isinstance(now, m.Observed)
    assert old.value.cash - now.value.cash == 500


@of(Fault.ACCOUNT_ID_CHANGED)
def _(bench: Bench) -> None:
    before = bench.broker.account()
    bench.fail("show-account", "account-id-changed")
    after = bench.broker.account()
    assert isinstance(before, m.Observed)
    assert isinstance(after, m.Observed)
    assert before.value.account != after.value.account


@of(Fault.HISTORY_LATE)
def _(bench: Bench) -> None:
    bench.fail("fill", "history-late", seconds=30)
    order = bench.placed()
    bench.world.fill(order, "5", "100")
    assert (bench.order(order).filled_qty, bench.fills(order)) == (5, [])
    bench.clock.advance(31)
    assert [each.qty for each in bench.fills(order)] == [5]


@of(Fault.HISTORY_OUT_OF_ORDER)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.world.fill(order, "2", "100")
    bench.world.fill(order, "3", "100")
    straight = bench.fills(order)
    bench.fail("show-history", "history-out-of-order")
    assert bench.fills(order) == straight[::-1]


@of(Fault.HISTORY_WITHOUT_BUSTS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.world.fill(order, "5", "100")
    bench.world.bust_last(order)
    assert bench.fills(order) == []
    bench.fail("show-history", "history-without-busts")
    assert [each.qty for each in bench.fills(order)] == [5]


@of(Fault.CUM_LOWERED)
def _(bench: Bench) -> None:
    totals = []
    for fault in (None, "cum-lowered"):
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        if fault is not None:
            bench.fail("taken-back", fault)
        bench.world.bust_last(order)
        totals.append(bench.order(order).filled_qty)
    assert totals == [5, 0]


@of(Fault.UPDATED_AT_NULL)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("show-orders", "updated-at-null")
    assert bench.order(order).clock is None
    assert bench.order(order).clock is not None


@of(Fault.UPDATED_AT_FROZEN)
def _(bench: Bench) -> None:
    order = bench.placed()
    before = bench.order(order)
    bench.clock.advance(5)
    bench.fail("change", "updated-at-frozen")
    bench.world.fill(order, "2", "100")
    after = bench.order(order)
    assert (before.clock, before.filled_qty, after.filled_qty) == (after.clock, 0, 2)


@of(Fault.UNKNOWN_WORD)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("show-orders", "unknown-word")
    found = bench.order(order)
    assert found.status is S.UNRECOGNISED
    assert found.raw_status not in ("", *S)


# -- what happens to orders ------------------------------------------------------------


@of(Fault.REJECT_AFTER_ACCEPT)
def _(bench: Bench) -> None:
    bench.fail("taken", "reject-after-accept")
    assert bench.order(bench.placed()).status is S.REJECTED


@of(Fault.FUNDS_UNCHECKED)
def _(bench: Bench) -> None:
    assert said(bench.submit(qty=100_000)) == "rejected funds"
    bench.fail("checked", "funds-unchecked")
    assert said(bench.submit(qty=100_000)) == "accepted accepted"


@of(Fault.CANCEL_FILLS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-cancel", "cancel-fills")
    assert said(bench.broker.cancel(order)) == "accepted"
    bench.world.heard()
    assert bench.order(order).status is S.FILLED
    assert said(bench.broker.cancel(order)) == "rejected too_late"


@of(Fault.CANCEL_NEVER_ENDS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-cancel", "cancel-never-ends")
    assert said(bench.broker.cancel(order)) == "accepted"
    bench.clock.advance(3600)
    assert bench.order(order).status is S.PENDING_CANCEL


@of(Fault.REPLACE_DENIED)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-replace", "replace-denied")
    assert said(bench.replaced(order)).startswith("rejected")
    bench.world.heard()
    assert said(bench.broker.find("changed")) == "observed new"
    assert bench.order(order).status is S.REPLACED


@of(Fault.REPLACE_FILLS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-replace", "replace-fills")
    assert said(bench.replaced(order)).startswith("accepted")
    bench.world.heard()
    assert said(bench.broker.find("changed")) == "observed rejected"
    assert bench.order(order).status is S.FILLED


def _of_the_chain(bench: Bench, fault: str | None) -> m.OrderReport:
    """What replaced an order for 5 of which 2 were filled, by one for 6."""
    order = bench.placed()
    bench.world.fill(order, "2", "100")
    if fault is not None:
        bench.fail("asked-replace", fault)
    outcome = bench.replaced(order)
    assert isinstance(outcome, m.Accepted)
    assert outcome.report is not None
    bench.world.heard()
    return bench.order(outcome.report.broker_order_id)


@of(Fault.CUM_FRESH)
def _(bench: Bench) -> None:
    assert _of_the_chain(bench, "cum-fresh").filled_qty == 0


@of(Fault.QTY_REMAINING)
def _(bench: Bench) -> None:
    tip = _of_the_chain(bench, "qty-remaining")
    bench.world.fill(tip.broker_order_id)
    assert sum(each.qty for each in bench.fills(tip.broker_order_id)) == 6


@of(Fault.BUST)
def _(bench: Bench) -> None:
    bench.fail("fill", "bust", seconds=5)
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        bench.clock.advance(10)
        bench.world.heard()
    voids = [each.exec_id for report in heard.of(order) for each in report.voids]
    assert voids == [each.exec_id for each in heard.executions(order)]
    assert bench.fills(order) == []


@of(Fault.CORRECTION)
def _(bench: Bench) -> None:
    bench.fail("fill", "correction", seconds=5)
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        bench.clock.advance(10)
        bench.world.heard()
    wrong, right = heard.executions(order)
    assert (right.fixes, right.qty) == (wrong.exec_id, wrong.qty)
    assert [each.price for each in bench.fills(order)] == [right.price]
    assert right.price != wrong.price


@of(Fault.FOREIGN_ORDER)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("show-orders", "foreign-order")
    bench.orders()
    bench.world.heard()
    found = bench.orders()
    assert isinstance(found, m.Observed)
    (stranger,) = [each for each in found.value if each.broker_order_id != order]
    assert stranger.status is S.FILLED


@of(Fault.CLOCK_JUMP)
def _(bench: Bench) -> None:
    before = bench.broker.account()
    bench.fail("taken", "clock-jump", seconds=-30)
    bench.placed()
    after = bench.broker.account()
    assert isinstance(before, m.Observed)
    assert isinstance(after, m.Observed)
    assert before.at is not None
    assert after.at is not None
    assert after.at < before.at


@of(Fault.CANCEL_REJECTED)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-cancel", "cancel-rejected")
    assert said(bench.broker.cancel(order)) == "accepted"
    assert bench.order(order).status is S.PENDING_CANCEL
    bench.clock.advance(60)
    assert bench.order(order).status is S.NEW


# -- what a wire does ------------------------------------------------------------------


@of(Fault.STREAM_CUT)
def _(bench: Bench) -> None:
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        bench.fail("frame", "stream-cut")
        bench.submit()
        bench.clock.advance(2)
        assert heard.again.wait(10)
    assert [why[:20] for why in heard.losses] == ["the connection ended"]


@of(Fault.EVENT_NULL)
def _(bench: Bench) -> None:
    order, heard = _framed(bench, "event-null")
    assert (heard.executions(order), heard.losses) == ([], [])


@of(Fault.UNKNOWN_EVENT)
def _(bench: Bench) -> None:
    # What it says of the order holds all the same; only its own slice is not understood.
    order, heard = _framed(bench, "unknown-event")
    assert (heard.executions(order), heard.losses) == ([], [])
    assert heard.of(order)[-1].filled_qty == 5


def _framed(bench: Bench, fault: str) -> tuple[str, Listener]:
    """An order whose only fill was told in a frame that met *fault*."""
    heard = Listener()
    with bench.broker.listen(heard):
        bench.world.heard()
        order = bench.placed()
        bench.fail("frame", fault)
        bench.world.fill(order, "5", "100")
        bench.submit("after")
        bench.clock.advance(2)
        _until(lambda: "after" in [report.client_order_id for report in heard.reports])
    return order, heard


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to be")


@of(Fault.UNKNOWN_CLASS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.world.fill(order, "5", "100")
    bench.fail("words", "unknown-class")
    assert bench.order(order).terms.symbol == "AAPL"
    bench.fail("words", "unknown-class")
    found = bench.broker.positions(None)
    assert isinstance(found, m.Observed)
    assert [(each.symbol, each.qty) for each in found.value] == [("AAPL", 5)]
