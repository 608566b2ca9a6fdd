"""A process that is killed at every write of a catch-up: every row is bought once."""

from datetime import date

import pytest

from fillbook import model as m
from tests.bench import Bench
from tests.scenarios.campaign.mortal import Killed, Mortal, killed_at_each_write
from tests.scenarios.exits.test_kills import EVERY

ROWS = [
    {"symbol": "AAPL", "side": "buy", "qty": 5, "at": "2026-03-02T14:59:00Z"},
    {"symbol": "MSFT", "side": "buy", "qty": 2, "at": "2026-03-02T14:59:01Z"},
]


def begun():
    bench = Bench(store=Mortal(), cash="100000")
    bench.pass_(20)
    return bench


def go(bench):
    """What the process does until it is killed."""
    try:
        bench.desk.catch_up(ROWS, since=date(2026, 3, 2), dry_run=False)
        bench.pass_(60)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("keeps", [True, False], ids=["after", "before"])
def test_killed_at_every_write(keeps):
    """The next process goes on with what was stored, and the same call sends what was not."""
    for bench, at in killed_at_each_write(begun, go, keeps=keeps, every=EVERY):
        bench.desk = bench.open()
        bench.pass_(240)
        assert not go(bench)
        assert bench.truth.positions() == {"AAPL": 5, "MSFT": 2}, at
        assert bench.desk.plans() == [], at
        assert bench.desk.check().verdict is m.Verdict.IN_SYNC, at
