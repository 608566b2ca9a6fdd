"""
A process that is killed at every write of a plan: nothing is sent twice, and the plan goes on.

Each flow is run once to count its writes, then once per write, killed before or after it is
durable; another process goes on, on the same record or on a new one.
"""

import os
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench
from tests.scenarios.campaign.mortal import Killed, Mortal

#: Of the writes of a flow, one of so many is tried; each of them with FILLBOOK_TEST_KILLS.
EVERY = 1 if "FILLBOOK_TEST_KILLS" in os.environ else 8


def protect(desk):
    desk.protect("AAPL", stop_price="180", take_profit="210")


def move(desk):
    desk.protect("AAPL", stop_price="183")


def close(desk):
    desk.close_position("AAPL")


def close_part(desk):
    desk.close_position("AAPL", qty=4)


#: By name: what is done before, what the process is killed in, and the units held afterwards.
FLOWS = {
    "protect": ((), protect, 10),
    "move": ((protect,), move, 10),
    "close": ((protect,), close, 0),
    "close part": ((protect,), close_part, 6),
}


def begun(flow):
    """A desk that holds shares, as the flow begins."""
    bench = Bench(store=Mortal(), cash="100000")
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(20)
    for act in FLOWS[flow][0]:
        act(bench.desk)
        bench.pass_(60)
    return bench


def go(bench, flow):
    """What the process does until it is killed."""
    try:
        FLOWS[flow][1](bench.desk)
        bench.pass_(60)
    except Killed:
        return True
    return False


def exits_of(bench):
    """The live sell orders at the exchange; the two of an OCO are one."""
    return [
        x
        for x in bench.truth.orders()
        if x.side == "sell" and not x.is_final and x.parent_id is None
    ]


def writes_of(flow):
    bench = begun(flow)
    bench.store.left = 1_000
    assert not go(bench, flow)
    return 1_000 - bench.store.left


@pytest.mark.sampled(2)
@pytest.mark.parametrize("keeps", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("flow", FLOWS)
def test_killed_at_every_write(flow, keeps):
    for at in range(int(keeps), writes_of(flow), EVERY):
        bench = begun(flow)
        bench.store.left, bench.store.keeps = at, keeps
        if not go(bench, flow):
            continue  # fewer writes than in the first run
        bench.store.left = None
        bench.desk = bench.open()
        bench.pass_(240)
        ends(bench, flow, at)


def ends(bench, flow, at):
    held = bench.truth.positions().get("AAPL", Decimal(0))
    was_stored = any(
        isinstance(x.entry, m.ProtectionSet | m.PlanMade) for x in bench.desk.book.journal()
    )
    assert held in (FLOWS[flow][2], 10), (flow, at)  # killed before it was stored: not begun
    left = sum(x.qty - x.filled_qty for x in exits_of(bench))
    assert left <= held, (flow, at, exits_of(bench))
    if was_stored and bench.desk.protections():
        assert left == held, (flow, at, exits_of(bench))
    assert bench.desk.plans() == [], (flow, at)
    report = bench.desk.check()
    assert report.verdict is m.Verdict.IN_SYNC, (flow, at, report)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_lost_record_makes_no_second_order(flow):
    """The next process begins with an empty record, and is asked for the same."""
    for at in range(0, writes_of(flow), 3 * EVERY):
        bench = begun(flow)
        bench.store.left = at
        if not go(bench, flow):
            continue
        bench.store = MemoryStore()
        bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2)
        bench.pass_(120)
        if bench.truth.positions():
            bench.desk.protect("AAPL", stop_price="180", take_profit="210")
        bench.pass_(240)
        held = bench.truth.positions().get("AAPL", Decimal(0))
        assert held >= 0
        assert sum(x.qty - x.filled_qty for x in exits_of(bench)) <= held, (flow, at)
