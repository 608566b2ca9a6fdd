"""Rebuild: the record takes what the broker has, and keeps what only the record knows."""

import fillbook as fb
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from fillbook.stores.sqlite import SqliteStore
from tests.bench import Bench, unable
from tests.scenarios.regressions.test_at_rest import corrected_without_the_last

S, V = m.OrderStatus, m.Verdict


def opened(tmp_path):
    """A bench whose record is in a file, at a broker that lists no activities."""
    broker = unable(activities=False)
    return Bench(store=SqliteStore(tmp_path / "bot.db"), cash="100000", broker=broker)


def parts(bench, symbol):
    return {name: x.qty for name, x in bench.desk.book.position(symbol).by_strategy if x.qty}


def test_the_record_takes_what_the_broker_has_and_a_copy_is_kept(tmp_path):
    bench = opened(tmp_path)
    bench.desk.buy("AAPL", qty=10, strategy="trend", key="k")
    bench.pass_(30)
    bench.desk.protect("AAPL", stop_price="150")
    bench.pass_(30)
    bench.exchange.deposit(bench.books, "500")
    bench.clock.advance(30)
    before = len(bench.desk.book.journal())
    assert bench.desk.sync().verdict is V.DRIFT
    report = bench.desk.rebuild()
    assert (report.verdict, bench.desk.check().verdict) == (V.IN_SYNC, V.IN_SYNC)
    assert [type(x.drift) for x in report.adopted] == [m.WrongCash]
    assert bench.is_true()
    with fb.read(f"sqlite:///{report.archive}") as copy:  # complete, and as it was
        assert len(copy.journal()) >= before
        assert not any(isinstance(x.entry, m.CashAdjusted) for x in copy.journal(after=before))
    # What only the record knows is kept: keys, parts and protections.
    assert bench.desk.buy("AAPL", qty=10, strategy="trend", key="k").status is S.FILLED
    assert len([x for x in bench.truth.orders() if x.side == "buy"]) == 1
    assert parts(bench, "AAPL") == {"trend": 10}
    assert [x.cover for x in bench.desk.protections()] == [m.CoverState.COVERED]


def test_a_dry_run_lists_what_a_sync_would_merge_first():
    bench = Bench(cash="100000")
    bench.by_hand("AAPL", "buy", 3)
    bench.clock.advance(30)
    planned, done = bench.desk.rebuild(dry_run=True), bench.desk.rebuild()
    assert planned.merged
    assert {type(x.drift) for x in planned.merged} <= {type(x.drift) for x in done.merged}
    assert (planned.adopted, done.adopted) == ((), ())


def test_an_unconfirmed_order_stays_watched():
    bench = Bench(cash="100000")
    bench.fail("submit", "late-landing", seconds=200)
    bench.desk.buy("AAPL", qty=10, limit_price="150", key="k")
    report = bench.desk.rebuild()
    assert (report.archive, report.verdict) == (None, V.DRIFT)
    bench.pass_(240)
    (order,) = bench.desk.book.orders(symbol="AAPL")
    assert order.broker_order_id is not None


def test_plans_are_stopped():
    bench = Bench(cash="100000")
    bench.desk.buy("AAPL", qty=10, strategy="trend")
    bench.pass_(30)
    bench.fail("submit", "unreachable", times=1_000)
    plan = bench.desk.close_position("AAPL")
    bench.over()
    report = bench.desk.rebuild()
    assert report.stopped == (plan.plan_id,)
    assert bench.desk.plan(plan.plan_id).state is m.PlanState.STOPPED
    bench.pass_(60)
    assert bench.truth.positions() == {"AAPL": 10}


def test_a_plan_that_has_taken_an_exit_away_is_stopped_with_an_alert():
    """The exit had no protection, so that nothing but the plan would place it again."""
    bench = Bench(cash="100000")
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(30)
    bench.desk.sell("AAPL", qty=10, stop_price="150", time_in_force="gtc", strategy="s")
    bench.pass_(30)
    bench.fail("submit", "unreachable", times=1_000)
    plan = bench.desk.close_position("AAPL", qty=4)
    bench.pass_(30)
    assert not any(x.side == "sell" and not x.is_final for x in bench.truth.orders())
    bench.over()
    assert bench.desk.rebuild().stopped == (plan.plan_id,)
    alerts = [x.alert for x in bench.desk.events() if x.alert is not None]
    assert [x.about for x in alerts if x.kind is m.AlertKind.PLAN_STOPPED] == ["AAPL"]


def test_a_lost_record_gets_the_strategies_from_the_client_ids():
    """The broker has the tags; the opening balance of a new record has no strategy."""
    bench = Bench(cash="100000")
    for strategy, qty in (("trend", 6), ("mean-rev", 4), (None, 2)):
        bench.desk.buy("AAPL", qty=qty, strategy=strategy)
    bench.pass_(60)
    bench.desk.close()
    bench.store = MemoryStore()
    bench.desk = bench.open()
    bench.desk.sync()
    assert parts(bench, "AAPL") == {"": 12}
    report = bench.desk.rebuild(since=bench.clock.now().date())
    assert sorted(x for _, x in report.assigned) == ["mean-rev", "trend"]
    assert parts(bench, "AAPL") == {"": 2, "trend": 6, "mean-rev": 4}
    assert bench.desk.rebuild().assigned == ()


def test_a_dispute_ends_with_the_brokers_figures():
    """A bust of an execution that was corrected meanwhile, and units that nothing explains."""
    bench = Bench(cash="100000", broker=unable(activities=False), wait_s=0)
    order = corrected_without_the_last(bench, "AAPL")
    original = bench.truth.fills(order.broker_order_id)[0]
    older = m.TradeBust(
        source=m.ExecSource.STREAM,
        exec_id=original.exec_id,
        broker_order_id=order.broker_order_id,
    )
    bench.desk._recorder.record(m.Busted(older))
    bench.silently("AAPL", "3", "187")
    bench.pass_(600)
    assert bench.desk.book.order(order).status is S.DISPUTED
    assert bench.desk.sync(adopt=True).verdict is V.DRIFT
    report = bench.desk.rebuild()
    assert (report.settled, report.verdict) == ((order.client_order_id,), V.IN_SYNC)
    assert bench.desk.book.order(order).status is not S.DISPUTED
    assert bench.is_true()


def test_without_a_reading_of_the_account_nothing_changes(tmp_path):
    bench = opened(tmp_path)
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(30)
    bench.outage()
    before = len(bench.desk.book.journal())
    report = bench.desk.rebuild()
    assert (report.verdict, report.archive) == (V.NOT_OBSERVED, None)
    assert report.unobserved
    assert len(bench.desk.book.journal()) == before
    assert not list(tmp_path.glob("bot.db.*"))


def test_a_dry_run_writes_and_sends_nothing(tmp_path):
    bench = opened(tmp_path)
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(30)
    bench.exchange.deposit(bench.books, "500")
    bench.clock.advance(30)
    before = len(bench.desk.book.journal())
    report = bench.desk.rebuild(dry_run=True)
    assert (report.verdict, report.archive) == (V.DRIFT, None)
    assert [x.drift.theirs for x in report.adopted] == [bench.truth.cash()]
    assert len(bench.desk.book.journal()) == before
    assert not list(tmp_path.glob("bot.db.*"))
    assert bench.desk.book.cash() != bench.truth.cash()
