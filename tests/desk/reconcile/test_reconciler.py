"""The reconciler: opening balance, check, sync, drift confirmed, adopted, cleared."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Ticket
from tests.bench import MONDAY_10, QUOTES, Bench, unable

S, V = m.OrderStatus, m.Verdict
BLIND = unable(activities=False)  #: it reports no transfer


def drifted(qty="7"):
    """A desk whose last snapshot had units of AAPL without an explanation."""
    bench = Bench(broker=BLIND)
    bench.silently("AAPL", qty, "187")
    bench.clock.advance(20)
    return bench, bench.desk.sync()


def test_the_opening_balance_is_a_snapshot_of_an_idle_account():
    """What existed before is the opening balance: no drift, no alert, no lock."""
    bench = Bench(opened=False)
    bench.silently("AAPL", "25", "90")
    bench.by_hand("MSFT", "buy", 3, limit_price="300")
    bench.clock.advance(20)
    report = bench.desk.sync()
    assert (report.opened, report.verdict, report.left) == (True, V.IN_SYNC, ())
    assert bench.is_true()
    assert bench.desk.sync().entries == 0


def test_the_opening_balance_waits_until_no_order_fills():
    """An account that trades all the time is never idle; the record stays empty and reports it."""
    bench = Bench(opened=False)

    def trade():
        bench.exchange.trade_by_hand(bench.books, ticket())
        bench.exchange.call_later(4, trade)

    bench.exchange.call_later(0, trade)
    report = bench.desk.sync()
    assert report.verdict is V.NOT_OBSERVED
    assert "was never idle" in report.unobserved
    assert bench.desk.book.cash() is None


def ticket():
    return Ticket(
        symbol="AAPL",
        side=m.OrderSide.BUY,
        type=m.OrderType.MARKET,
        time_in_force=m.TimeInForce.DAY,
        qty=Decimal(1),
    )


def rows_of(path):
    """Every row of every table, as text."""
    with closing(sqlite3.connect(path)) as file:
        names = [x for (x,) in file.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {
            " ".join(map(str, row))
            for name in names
            for row in file.execute(f"SELECT * FROM {name}")
        }


def test_a_check_writes_nothing(tmp_path):
    """
    No row of the journal, no record, and no request that changes something; its reads are counted.
    """
    bench = Bench(store=fb.opening.open_store(f"sqlite:///{tmp_path}/bot.db", {}))
    bench.by_hand("AAPL", "buy", 5)
    before = rows_of(tmp_path / "bot.db")
    report = bench.desk.check({"AAPL": 4, "MSFT": 1})
    after = rows_of(tmp_path / "bot.db")
    assert {x.split()[0] for x in after ^ before} <= {"budget"}
    assert report.verdict is V.DRIFT
    rows = {x.symbol: (x.bot, x.ours, x.theirs) for x in report.rows}
    assert rows == {"AAPL": (4, 0, 5), "MSFT": (1, 0, 0)}
    assert bench.sent["submit"] == bench.sent["cancel"] == 0
    bench.desk.close()


def test_a_drift_confirmed_by_two_snapshots_locks_its_symbol_until_its_cause_is_gone():
    """Alerted once, locked, and unlocked when both sides agree again."""
    bench, report = drifted()
    assert [(x.drift, x.confidence) for x in report.left] == [
        (m.Untracked("AAPL", m.number("7")), m.Confidence.CONFIRMED)
    ]
    bench.pass_(300, every=60)
    alerts = [x for x in bench.desk.events() if x.alert is not None]
    locks = [x.locked for x in bench.desk.events() if x.kind is m.EventKind.LOCK]
    assert (len(alerts), locks) == (1, [True])
    bench.silently("AAPL", "-7", "187")
    bench.clock.advance(20)
    assert bench.desk.sync().verdict is V.IN_SYNC
    assert bench.desk.book.drifts() == []
    assert bench.desk.buy("AAPL", qty=1).status is S.FILLED


def test_adopting_takes_the_broker_s_side_of_what_is_confirmed():
    """
    An adjustment without an amount: the units have no strategy, and the next pass finds nothing.
    """
    bench, _ = drifted()
    report = bench.desk.sync(adopt=True)
    assert report.left == ()
    assert bench.desk.book.position("AAPL").qty == 7
    assert bench.desk.book.drifts() == []
    assert bench.desk.sync().entries == 0


def test_what_moves_is_not_confirmed():
    """A difference on a symbol with a fill within the lag is settling, and locks nothing."""
    bench = Bench(broker=BLIND)
    bench.desk.buy("AAPL", qty=1)
    bench.silently("AAPL", "7", "187")
    report = bench.desk.sync()
    assert {x.confidence for x in report.left} == {m.Confidence.SETTLING}
    assert report.settling
    assert bench.desk.book.drifts() == []


class OtherAccount(SimulatedBroker):
    """The same keys belong to another account, after a switch."""

    other = None

    def account(self):
        answer = super().account()
        if self.other is None or not isinstance(answer, m.Observed):
            return answer
        account = m.AccountId(self.name, self.host, self.other)
        return m.Observed(evolve(answer.value, account=account))


def test_replies_of_another_account_change_nothing():
    """The pass is discarded, and the next process sends nothing either."""
    bench = Bench(broker=OtherAccount)
    order = bench.resting()
    before = bench.desk.book.journal()
    bench.broker.other = "somebody-else"
    bench.filled(order)
    bench.desk = bench.open()
    for act in (bench.desk.sync, bench.desk.check, lambda: bench.desk.buy("AAPL", qty=1)):
        with pytest.raises(fb.AccountChanged, match="fillbook rebind"):
            act()
    assert bench.desk.book.journal() == before
    assert len(bench.ours()) == 1


@pytest.mark.parametrize("name", ["account", "positions", "orders", "executions", "activities"])
def test_a_pass_that_misses_a_part_counts_for_nothing(name):
    """P6: one of its reads fails, and nothing is written."""
    bench = Bench()
    bench.by_hand("AAPL", "buy", 5)
    bench.fail(name, "server-error")
    before = bench.desk.book.journal()
    report = bench.desk.sync()
    assert (report.verdict, report.entries) == (V.NOT_OBSERVED, 0)
    assert report.unobserved
    assert bench.desk.book.journal() == before


class Forgets(SimulatedBroker):
    """Its list of positions lacks some, and its market values do not show it."""

    hidden = frozenset()
    values = True

    def positions(self, page):
        answer = super().positions(page)
        rows = [x for x in answer.value if x.symbol not in self.hidden]
        if not self.values:
            rows = [evolve(x, market_value=None) for x in rows]
        return m.Observed(rows, answer.next)


@pytest.mark.parametrize(
    ("hidden", "values", "why"),
    [
        ({"AAPL", "MSFT"}, False, "2 of 3 known positions are missing from one snapshot"),
        ({"MSFT"}, True, "the positions are worth"),
    ],
)
def test_a_snapshot_with_positions_missing_without_evidence_is_discarded(hidden, values, why):
    """More than half at once, or a sum that the account contradicts."""
    bench = Bench(broker=Forgets)
    for symbol in QUOTES:
        bench.desk.buy(symbol, qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    bench.broker.hidden, bench.broker.values = hidden, values
    report = bench.desk.sync()
    assert report.verdict is V.NOT_OBSERVED
    assert why in report.unobserved
    assert len(bench.desk.book.positions()) == 3


def test_sync_since_a_day_reads_from_there():
    """Orders and fills of a week ago, which no cursor would reach."""
    bench = Bench()
    bench.outage()
    bench.by_hand("AAPL", "buy", 5)
    bench.clock.advance(7 * 86_400)
    bench.over()
    store = MemoryStore()
    fresh = bench.open(store)
    fresh.sync()
    assert fresh.book.orders() == []
    report = fresh.sync(since=MONDAY_10.date())
    assert [x.filled_qty for x in fresh.book.orders()] == [5]
    assert report.left == ()
    assert fresh.book.position("AAPL").qty == 5
    assert fresh.sync(since=date(2026, 1, 5)).entries == 0


def test_a_sync_of_one_order_reads_only_that_order():
    """By its ids and its own history; no list is read."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order)
    before = bench.sent.copy()
    report = bench.desk.sync(order=order)
    names = dict(bench.sent - before)
    assert names == {"order": 1, "executions": 1}
    assert report.merged[0].drift == m.MissedFill(
        "AAPL", order.client_order_id, m.ZERO, m.number("10")
    )
    assert bench.desk.book.order(order).is_complete
    assert (report.verdict, report.left) == (fb.Verdict.IN_SYNC, ())


def test_a_sync_of_one_order_compares_its_history_with_its_total():
    """A history that lags is no agreement, and no loss: the next sync is in sync."""
    bench = Bench()
    order = bench.resting()
    bench.fail("fill", "history-late", seconds=30)
    bench.filled(order, 4)
    report = bench.desk.sync(order=order)
    assert (report.verdict, report.settling) == (fb.Verdict.DRIFT, True)
    assert report.left[0].drift == m.MissedFill(
        "AAPL", order.client_order_id, m.number(4), m.number(0)
    )
    bench.clock.advance(31)
    assert bench.desk.sync(order=order).verdict is fb.Verdict.IN_SYNC


def test_a_sync_of_an_order_that_is_not_found_says_so():
    class Denying(SimulatedBroker):
        def order(self, broker_order_id):
            return m.Absent()

    bench = Bench(broker=Denying)
    order = bench.resting()
    report = bench.desk.sync(order=order)
    assert report.verdict is fb.Verdict.DRIFT
    assert m.UnknownToBroker("AAPL", order.client_order_id) in [x.drift for x in report.left]


def test_a_clock_that_jumps_ends_and_doubles_nothing():
    """An hour back, a day ahead: the record stays one, and unconfirmed stays unconfirmed."""
    bench = Bench()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10)
    for seconds in (-3600, 86_400, -86_400):
        bench.clock.jump(seconds)
        bench.desk.tick()
        assert bench.desk.book.order(order).status is S.UNPROVEN
    bench.pass_(400)
    assert bench.desk.book.order(order).status is S.ABSENT
    filled = bench.desk.buy("AAPL", qty=3)
    bench.clock.advance(20)
    bench.desk.sync()
    assert bench.desk.book.order(filled).status is S.FILLED
    assert bench.is_true()


def busted(side, *, told):
    """A position of 10 AAPL, an order on it that filled, and the bust of its fill."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    order = bench.desk.submit(fb.OrderRequest(symbol="AAPL", side=side, qty=10), key="busted")
    bench.clock.advance(20)
    bench.desk.sync()
    with bench.heard() as events:
        bench.exchange.bust(bench.truth.fills(order.broker_order_id)[-1].exec_id)
    for event in events if told else ():
        bench.desk.receive(event)
    bench.clock.advance(80)
    return bench, order


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("side", "left"), [("buy", 10), ("sell", 10)])
def test_a_fill_that_was_taken_back_moves_nothing(side, left, told):
    """Reported by the stream, or not: then two of the broker's sources have to agree."""
    bench, order = busted(side, told=told)
    report = bench.desk.sync()
    assert report.left == ()
    assert bench.desk.book.order(order).filled_qty == 0
    assert bench.desk.book.position("AAPL").qty == left
    assert bench.is_true()
    assert bench.desk.sync().entries == 0


def test_a_bust_names_a_fill_of_the_history_by_its_id():
    """The stream reported only the bust, not the fill; the ids are the same."""
    bench = Bench()
    bench.fail("show-history", "history-without-busts", times=99)
    order = bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    with bench.heard() as events:
        bench.exchange.bust(bench.truth.fills(order.broker_order_id)[-1].exec_id)
    for event in events:
        bench.desk.receive(event)
    now = bench.desk.book.order(order)
    assert now.filled_qty == 0
    assert m.Oddity.UNMATCHED_CORRECTION not in {x.oddity for x in now.anomalies}


class Keeps(SimulatedBroker):
    """Its list of fills has nothing older than a minute."""

    def executions(self, since, page):
        recent = m.timestamp(m.moment(m.timestamp(self.exchange.now())) - timedelta(minutes=1))
        return super().executions(max(since, recent), page)


def test_an_old_incomplete_order_does_not_invalidate_snapshots():
    """Its own history is read in addition; the two readings of the account's fills still agree."""
    bench = Bench(broker=Keeps)
    bench.fail("event", "event-dropped", times=99)
    with bench.streamed():
        bench.desk._tracker.poll()
        order = bench.resting()
        bench.filled(order, 4, 6)
    bench.desk._tracker.poll()
    bench.clock.advance(120)
    bench.fail("orders", "empty-list", times=9)
    look = bench.desk._reconciler._snapshots.take().snapshot
    assert look.history_executions
    assert look.is_valid
