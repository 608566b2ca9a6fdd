"""The script of a team runs against the service, and cancels the team's orders only."""

import subprocess
import sys
from pathlib import Path

from fillbook.web.server import Background
from tests.web.client import OfAnyPort, Served
from tests.web.test_commands import Ticking

SCRIPT = Path(__file__).parents[2] / "examples" / "team" / "cancel_gtc.py"


def test_it_lists_shows_and_cancels_the_orders_of_the_team():
    served = Served(bench=Ticking(), hosts=["127.0.0.1"], port=None, allow=["cancel"])
    desk = served.bench.desk
    for symbol, strategy, lasting in (
        ("AAPL", "trend", "gtc"),
        ("MSFT", "trend", "day"),
        ("SPY", "value", "gtc"),
    ):
        desk.buy(symbol, qty=1, limit_price="150", strategy=strategy, time_in_force=lasting)
        served.bench.clock.advance(1)
    served.bench.pass_(20)
    token = served.token("read", "cancel", strategies=["trend"])
    with Background(OfAnyPort(served.app)) as running:
        told = subprocess.run(
            [sys.executable, SCRIPT],
            env={"FILLBOOK_URL": running.url, "FILLBOOK_TOKEN": token},
            capture_output=True,
            text=True,
            check=True,
        )
    assert told.stdout.splitlines() == [
        "buy 1 MSFT day new",
        "buy 1 AAPL gtc new",
        "requests: ['send'] fills: 0",
        "AAPL canceled",
    ]
    assert {x.symbol for x in desk.book.orders(open=True)} == {"MSFT", "SPY"}
