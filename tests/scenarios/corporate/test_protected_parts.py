"""Promise P10 where units become others: their exits follow, or a person is told; never silence."""

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.venue.exchange import Posting
from tests.bench import Bench
from tests.scenarios.corporate.held import DAY, D, assert_true, parts
from tests.scenarios.regressions.scenarios import alpaca

C = m.CoverState
A = m.AlertKind


def protected(bench=None, qty=10, strategy="s", **policy):
    bench = Bench(cash="1000000") if bench is None else bench
    bench.desk.buy("AAPL", qty=qty, strategy=strategy)
    bench.pass_(30)
    bench.desk.protect("AAPL", strategy=strategy, **(policy or {"stop_price": "180"}))
    bench.pass_(30)
    return bench


def covers(bench):
    return {x.key: x.cover for x in bench.desk.protections()}


def stops(bench, symbol):
    """The quantity and the stop of each live stop."""
    found = [x for x in bench.truth.orders() if x.symbol == symbol and not x.is_final]
    return sorted((x.qty, x.stop_price) for x in found if x.type in ("stop", "trailing_stop"))


def alerts(bench, kind, about):
    found = [x.alert for x in bench.desk.events() if x.alert is not None]
    return [x.message for x in found if (x.kind, x.about, x.resolved) == (kind, about, False)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("posting", [Posting(), Posting(grouped=False), Posting(delay_s=3600)])
def test_the_exits_follow_a_merger_in_shares(posting):
    bench = protected(stop_price="180", take_profit="240")
    bench.exchange.merge("AAPL", "NEWX", ratio=2, posting=posting)
    bench.pass_(posting.delay_s + 120)
    assert covers(bench) == {"NEWX/s": C.COVERED}
    (x,) = bench.desk.protections()
    assert (x.stop_price, x.take_profit, x.policy.stop_price) == (90, 120, 90)
    assert stops(bench, "NEWX") == [(20, 90)]
    assert_true(bench)


@pytest.mark.slow
def test_what_is_missing_is_alerted_while_the_rows_are_late():
    """The exits of the old symbol are canceled and cannot be placed; other parts are compared."""
    bench = protected()
    bench.exchange.merge("AAPL", "NEWX", ratio=2, posting=Posting(delay_s=3600))
    bench.pass_(150)
    assert alerts(bench, A.NAKED, "AAPL")
    bench.pass_(3600)
    assert covers(bench) == {"NEWX/s": C.COVERED}
    ended = [x.alert for x in bench.desk.events() if x.alert is not None and x.alert.resolved]
    assert (A.NAKED, "AAPL") in {(x.kind, x.about) for x in ended}


@pytest.mark.parametrize(
    ("policy", "stop"), [({"stop_loss": "8%"}, "86.02"), ({"trail": "5"}, "91.00")]
)
def test_percentages_and_trails_follow_too(policy, stop):
    bench = protected(**policy)
    bench.exchange.merge("AAPL", "NEWX", ratio=2)
    bench.pass_(120)
    assert covers(bench) == {"NEWX/s": C.COVERED}
    assert stops(bench, "NEWX") == [(20, D(stop))]


def test_the_exits_follow_through_a_split_and_two_mergers_that_are_read_at_once():
    bench = protected()
    bench.exchange.split("AAPL", 2)
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5")
    bench.exchange.merge("NEWX", "LAST", ratio=3)
    bench.pass_(120)
    assert covers(bench) == {"LAST/s": C.COVERED}
    assert stops(bench, "LAST") == [(30, 60)]


def test_a_stop_that_the_market_has_passed_waits_for_an_approval():
    bench = protected()
    bench.clock.advance(10 * 3600)
    bench.desk.tick()
    bench.exchange.merge("AAPL", "NEWX", ratio=2)
    bench.exchange.quote("NEWX", "88.00", "88.02")
    bench.clock.advance(14 * 3600)
    for _ in range(30):
        bench.pass_(5)
        bench.exchange.quote("NEWX", "88.00", "88.02")
    assert covers(bench) == {"NEWX/s": C.PROPOSED}
    assert bench.truth.positions() == {"NEWX": 20}


@pytest.mark.parametrize("terms", [{"ratio": "0.35", "cash": 5}, {"ratio": "0.35", "whole": True}])
def test_beside_cash_no_price_follows_and_that_is_alerted(terms):
    bench = protected()
    bench.exchange.merge("AAPL", "NEWX", **terms)
    bench.pass_(120)
    assert covers(bench) == {"NEWX/s": C.SUSPENDED}
    (text,) = alerts(bench, A.EXIT_CHANGED, "NEWX")
    assert "cash was paid beside them" in text
    bench.pass_(600)
    assert len(alerts(bench, A.NAKED, "NEWX")) >= 2
    bench.desk.protect("NEWX", stop_price="400")
    bench.pass_(60)
    assert covers(bench) == {"NEWX/s": C.COVERED}


def test_a_merger_for_cash_ends_the_protection():
    bench = protected()
    bench.exchange.merge("AAPL", None, cash=200)
    bench.pass_(120)
    assert covers(bench) == {}
    assert bench.truth.positions() == {}


@pytest.mark.parametrize("holder", ["s", "t"])
@pytest.mark.parametrize("is_protected", [True, False])
def test_the_acquirer_may_be_held_already(holder, is_protected):
    """Units that the strategy holds without exits are not sold because others came."""
    bench = Bench(cash="1000000")
    bench.desk.buy("MSFT", qty=3, strategy=holder)
    bench.pass_(30)
    if is_protected:
        bench.desk.protect("MSFT", strategy=holder, stop_price="80")
    protected(bench)
    bench.exchange.merge("AAPL", "MSFT", ratio=2)
    bench.pass_(120)
    told = alerts(bench, A.EXIT_CHANGED, "MSFT")
    if holder == "t":
        assert covers(bench)["MSFT/s"] is C.COVERED
        assert stops(bench, "MSFT") == ([(3, 80)] if is_protected else []) + [(20, 90)]
        assert told == []
    elif is_protected:
        assert covers(bench) == {"MSFT/s": C.COVERED}
        assert sum(qty for qty, _ in stops(bench, "MSFT")) == 23
        assert "the exits of MSFT (s) are for them too" in told[0]
    else:
        assert covers(bench) == {"MSFT/s": C.SUSPENDED}
        assert "held others of them already" in told[0]
    assert parts(bench, "MSFT")[holder] == (23 if holder == "s" else 3)


@pytest.mark.parametrize("after", ["restart", "halt", "nothing"])
def test_a_merger_while_the_bot_is_away_or_halted(after):
    bench = protected()
    if after == "halt":
        bench.desk.halt("a test")
    bench.exchange.merge("AAPL", "NEWX", ratio=2)
    if after == "restart":
        bench.clock.advance(600)
        bench.desk._gateway.lease.release()
        bench.desk = bench.open()
    bench.pass_(120)
    assert covers(bench) == {"NEWX/s": C.COVERED}
    assert stops(bench, "NEWX") == [(20, 90)]
    bench.desk.rebuild()
    bench.pass_(60)
    assert covers(bench) == {"NEWX/s": C.COVERED}
    assert_true(bench)


def test_a_difference_that_is_adopted_before_the_rows_are_read_is_told():
    bench = protected()
    bench.exchange.merge("AAPL", "NEWX", ratio=2, posting=Posting(delay_s=DAY))
    bench.clock.advance(60)
    assert len(bench.desk.sync(adopt=True).adopted) == 2
    bench.pass_(60)
    assert covers(bench) == {}
    assert "`protect` them there" in alerts(bench, A.EXIT_CHANGED, "AAPL")[-1]


def test_units_beside_those_of_a_protected_part_are_alerted():
    """The stop of the parent stays as it is: the broker has it."""
    bench = protected()
    bench.exchange.spin_off("AAPL", "SPUN", ratio="0.5", price=20)
    bench.pass_(120)
    assert covers(bench) == {"AAPL/s": C.COVERED}
    (text,) = alerts(bench, A.EXIT_CHANGED, "SPUN")
    assert text.startswith("5 SPUN (s) came by the spin off of AAPL (s), and have no exits")


def policy_bench():
    bench = Bench(cash="1000000")
    bench.desk._gateway.lease.release()
    policy = fb.ExitPolicy(stop_loss="8%")
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2, exits=policy)
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(30)
    return bench


@pytest.mark.parametrize("then", ["held", "exchanged", "both"])
@pytest.mark.parametrize("kind", ["merge", "rename"])
def test_what_came_beside_units_whose_own_rows_were_read_later_is_alerted(kind, then):
    """The protection comes to the new symbol after the units beside those have come."""
    bench = protected()
    late = Posting(delay_s=900)
    if kind == "merge":
        bench.exchange.merge("AAPL", "NEWX", ratio=2, posting=late)
    else:
        bench.exchange.rename("AAPL", "NEWX", posting=late)
    bench.pass_(60)
    bench.exchange.spin_off("NEWX", "BORN", ratio="0.5", price=20)
    bench.pass_(60)
    if then != "held":
        bench.exchange.merge("BORN", "GROWN", ratio=3)
    if then == "both":
        bench.exchange.merge("NEWX", "LAST", ratio=3)
    bench.pass_(900)
    bench.pass_(60)
    (text,) = alerts(bench, A.EXIT_CHANGED, "BORN")
    assert "BORN (s) came by the spin off of NEWX (s), and have no exits" in text
    assert alerts(bench, A.EXIT_CHANGED, "LAST") == []
    (key,) = {x for x, cover in covers(bench).items() if cover is C.COVERED}
    assert key == ("LAST/s" if then == "both" else "NEWX/s")
    assert_true(bench)


def test_the_policy_of_the_desk_does_not_begin_again_for_the_old_symbol():
    bench = policy_bench()
    bench.desk.protect("AAPL", stop_price="180")
    bench.exchange.merge("AAPL", "NEWX", ratio=2)
    bench.pass_(120)
    assert covers(bench) == {"NEWX/s": C.COVERED}
    assert stops(bench, "NEWX") == [(20, 90)]
    ended = [x for x in bench.desk.events() if x.protection and x.protection.symbol == "AAPL"]
    assert [x.protection.why for x in ended][-1] == "its units became NEWX"
    assert len(ended) < 8


def test_the_policy_of_the_desk_proposes_what_a_spin_off_brings():
    """Its cost is not known, so a percentage is no price; that is alerted until one is given."""
    bench = policy_bench()
    bench.exchange.spin_off("AAPL", "SPUN", ratio="0.5", price=20)
    bench.pass_(120)
    assert covers(bench) == {"AAPL/s": C.COVERED, "SPUN/s": C.IMPOSSIBLE}
    assert alerts(bench, A.NAKED, "SPUN")


@pytest.mark.parametrize("grouped", [True, False])
def test_a_merger_and_a_rename_over_alpaca(grouped):
    with alpaca() as bench:
        assert bench.desk.sync().opened
        protected(bench)
        bench.exchange.merge("AAPL", "NEWX", ratio=2, posting=Posting(grouped=grouped))
        bench.pass_(150)
        assert covers(bench) == {"NEWX/s": C.COVERED}
        bench.exchange.rename("NEWX", "LAST", posting=Posting(grouped=grouped))
        bench.pass_(150)
        assert covers(bench) == {"LAST/s": C.COVERED}
        assert stops(bench, "LAST") == [(20, 90)]
        assert_true(bench)
