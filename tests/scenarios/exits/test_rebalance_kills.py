"""
A process that is killed at every write of a rebalance: no order is doubled, no cash is stranded.

The next process goes on with the plan, on the same record or on a new one, and is asked for the
same: at the end the targets are held.
"""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench
from tests.scenarios.campaign.mortal import Killed, Mortal
from tests.scenarios.exits.test_kills import EVERY

PRICES = {"AAPL": Decimal(187), "MSFT": Decimal(412), "SPY": Decimal(570)}


def rebalance(desk):
    return desk.rebalance({"AAPL": "0.5", "MSFT": "0.5", "SPY": 0}, whole_shares=True)


def turn(desk):
    return desk.rebalance(fb.Targets(qty={"AAPL": -20, "MSFT": 100, "SPY": 0}))


#: By name: the multiplier of the account, what the process is killed in, and what is held then.
FLOWS = {
    "rebalance": (1, rebalance, None),
    "protected": (1, rebalance, None),
    "through zero": (2, turn, {"AAPL": -20, "MSFT": 100}),
}


def begun(flow):
    bench = Bench(store=Mortal(), cash="100000", multiplier=FLOWS[flow][0])
    bench.desk.buy("SPY", qty=60)
    bench.desk.buy("AAPL", qty=300)
    bench.pass_(40)
    if flow == "protected":
        bench.desk.protect("AAPL", stop_price="150")
        bench.pass_(60)
    return bench


def go(bench, flow):
    """What the process does until it is killed."""
    try:
        FLOWS[flow][1](bench.desk)
        bench.pass_(120)
    except Killed:
        return True
    return False


def writes_of(flow):
    bench = begun(flow)
    bench.store.left = 1_000
    assert not go(bench, flow)
    ends(bench, flow, None)
    return 1_000 - bench.store.left


def ends(bench, flow, at):
    """The targets are held, by one order each, and what is left is the cash of the plan."""
    positions = bench.truth.positions()
    expected = FLOWS[flow][2]
    if expected is not None:
        assert positions == expected, (flow, at)
    else:
        assert set(positions) == {"AAPL", "MSFT"}, (flow, at)
        values = {s: qty * PRICES[s] for s, qty in positions.items()}
        equity = sum(values.values()) + bench.truth.cash()
        assert all(abs(x - equity * Decimal("0.49")) < 500 for x in values.values()), (flow, at)
        assert 0 <= bench.truth.cash() < equity * Decimal("0.03"), (flow, at)
    assert bench.desk.plans() == [], (flow, at)
    if flow == "protected":
        exits = [x for x in bench.truth.orders() if not x.is_final]
        assert sum(x.qty for x in exits) == positions["AAPL"], (flow, at)
    report = bench.desk.check()
    assert report.verdict is fb.Verdict.IN_SYNC, (flow, at, report)


def traded(bench):
    """The filled units by symbol and side, of all orders after those of the beginning."""
    found = {}
    for x in bench.truth.orders()[2:]:
        found[x.symbol, x.side] = found.get((x.symbol, x.side), 0) + x.filled_qty
    return found


@pytest.mark.sampled(3)
@pytest.mark.parametrize("keeps", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("flow", FLOWS)
def test_killed_at_every_write(flow, keeps):
    whole = begun(flow)
    go(whole, flow)
    for at in range(int(keeps), writes_of(flow), EVERY):
        bench = begun(flow)
        bench.store.left, bench.store.keeps = at, keeps
        if not go(bench, flow):
            continue  # fewer writes than in the first run
        bench.store.left = None
        bench.desk = bench.open()
        bench.pass_(300)
        FLOWS[flow][1](bench.desk)  # nothing, unless it was killed before the plan was stored
        bench.pass_(120)
        ends(bench, flow, at)
        assert traded(bench) == traded(whole), (flow, at)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_lost_record_makes_no_second_order(flow):
    for at in range(0, writes_of(flow), 3 * EVERY):
        bench = begun(flow)
        bench.store.left = at
        if not go(bench, flow):
            continue
        bench.store = MemoryStore()
        bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2)
        for _ in range(4):
            plan = FLOWS[flow][1](bench.desk)
            bench.pass_(240)
            if not plan.steps:
                break
        positions = bench.truth.positions()
        assert set(positions) == {"AAPL", "MSFT"}, (flow, at, positions)
        assert {s: x for (s, side), x in traded(bench).items() if (s, side) == ("SPY", "sell")} == {
            "SPY": 60
        }, (flow, at)
