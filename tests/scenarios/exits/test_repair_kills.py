"""
A repair that trades, in a process that is killed at every write; its limits over two desks.

The next process goes on with the plan: the units are sold once, and nothing is opened.
"""

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench, unable
from tests.scenarios.campaign.mortal import Killed, Mortal, killed_at_each_write
from tests.scenarios.exits.test_kills import EVERY

BLIND = unable(activities=False)  #: it reports no transfer


def rule(**limits):
    bounds = {"notional_max": 5_000, "day_notional_max": 5_000, "day_repairs_max": 5, **limits}
    return {"untracked": fb.RepairRule(mode="auto", repair="close", **bounds)}


def opened(bench, **limits):
    """A desk that sells by itself what nobody bought."""
    repairs = rule(**limits)
    return fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2, repairs=repairs)


def begun(**limits):
    """Seven units of AAPL are held that are in no record."""
    bench = Bench(store=Mortal(), broker=BLIND, cash="100000", opened=False)
    bench.desk = opened(bench, **limits)
    bench.desk.sync()
    bench.silently("AAPL", 7, "187")
    bench.clock.advance(20)
    return bench


def go(bench):
    """What the process does until it is killed."""
    try:
        bench.pass_(120)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("keeps", [True, False], ids=["after", "before"])
def test_killed_at_every_write(keeps):
    for bench, at in killed_at_each_write(begun, go, keeps=keeps, every=EVERY):
        bench.desk = opened(bench)
        bench.pass_(240)
        assert bench.truth.positions() == {}, at
        assert sum(x.qty for x in bench.truth.fills() if x.side == "sell") == 7, at
        assert bench.desk.plans() == [], at
        assert bench.desk.check().verdict is m.Verdict.IN_SYNC, at


@pytest.mark.parametrize("how", ["a restart", "two desks"])
def test_the_limits_of_a_day_are_counted_in_the_record(how):
    """One repair of a day is automatic: the second one is proposed, by whatever desk."""
    bench = begun(day_repairs_max=1)
    bench.pass_(120)
    assert bench.truth.positions() == {}
    other = opened(bench, day_repairs_max=1)
    if how == "a restart":
        bench.desk._gateway.lease.release()
        bench.desk = other
    bench.silently("MSFT", 3, "412")
    bench.clock.advance(20)
    for _ in range(24):
        bench.pass_(5)
        other.tick()
    assert bench.truth.positions() == {"MSFT": 3}
    [plan] = bench.desk.plans("proposed")
    assert plan.symbols == ("MSFT",)
