"""Each example runs, and prints the expected lines."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

INCIDENTS = Path(__file__).parents[2] / "examples" / "incidents"
LINES_MAX = 60

#: The output of each incident, in this order.
SHOWN = {
    "1_expired_exits": (
        "as the bot sent it",
        "Monday:  10 SPY, a stop day and a limit day",
        "Tuesday: 10 SPY, no live exit",
        "Close:   10 SPY, no live exit",
        "89 minutes, at most 89.00 dollars",
        "80, 81, 82, 83, 84, 85, 86, 87, 88, 89",
        "with fillbook's exits",
        "Tuesday: 10 SPY, a stop gtc and a limit gtc",
        "Close:   0 SPY",
        "0 minutes, at most 0.00 dollars",
    ),
    "2_bypassed_broker": (
        "AAPL: the bot 25, the broker 10",
        "MSFT: the bot 8, the broker 0",
        "NVDA: the bot 0, the broker 4",
        "Without: the whole record is sent again",
        "7,971.90 dollars, 3 orders, 15 requests, 0 s; held: 35 AAPL, 8 MSFT, 4 NVDA",
        "to send: buy 15 AAPL, 2,805.30 dollars",
        "to send: buy 8 MSFT, 3,296.40 dollars",
        "6,101.70 dollars, 2 orders, 25 requests, 0 s; held: 25 AAPL, 8 MSFT, 4 NVDA",
        "a second run: 0 orders; settled settled settled",
    ),
    "3_liquidate_and_rebuy": (
        'records: "timed out"',
        "fillbook shows: filled, 90 at 546.4; one order",
        "the same order: True",
        "orders at the broker: 1",
        "buying power: 3,432.62 available, 52,608.62 reported",
        "denied: insufficient buying power: the order needs up to 52,596.00 USD, and 3,432.62 USD "
        "is available",
        "orders at the broker: 2",
        "in_sync; cash 3,432.62",
    ),
    "3_delta_rebalance": (
        "Liquidate and rebuy: 102,379.82 dollars, 6 orders",
        "By differences: 1,423.17 dollars, 2 orders",
        "98.6% fewer dollars are traded",
    ),
    "4_limit_orders_in_the_dark": (
        "expects: 4 orders sent, no fills",
        "buy 5 at 170.00, new: crash",
        "buy 10 at 180.00, new: dips",
        "buy 3 at 175, new: external",
        "trade of dips: 20 AAPL, +40.00 before fees",
        "One team cancels its open orders: ['canceled']",
        "2 are still open: ['crash', None]",
        "in_sync",
    ),
    "5_stuck_pending": (
        "expects: accepted",
        "fillbook shows: filled, 10 at 187.02",
        "fillbook shows: unproven",
        "after the outage: filled, 5 filled",
        "Position: 15",
    ),
}


def test_every_incident_has_its_script():
    """The names of the scripts; none is long."""
    scripts = {x.stem: x.read_text() for x in INCIDENTS.glob("[0-9]_*.py")}
    assert sorted(scripts) == sorted(SHOWN)
    assert all(len(text.splitlines()) <= LINES_MAX for text in scripts.values())


BOTS = INCIDENTS.parent / "bots"
BOTS_SHOWN = {
    "asyncio_bot": ("trend: bought at 187.02", "called again: filled, 3 SPY", "verdict: in_sync"),
    "threaded_bot": (
        "denied, insufficient buying power: the order needs up to 40,000.00 USD, and 10,000.00 USD "
        "is available",
        "positions: 1; orders sent: 1",
        "buying power: 10,000.00 available, 10,000.00 reported",
    ),
}


EXITS = INCIDENTS.parent / "exits"
EXITS_SHOWN = {
    "approvals": (
        "is proposed: ",
        "0 orders, 1 cancel",
        "Approved: ",
        "Afterwards: done",
        "Left to repair: 0",
        "Open orders: 0",
    ),
    "day_bracket_bot": (
        "Monday 11:00: covered: stop 10 day, limit 10 day",
        "after the close: covered: stop 10 gtc, limit 10 gtc",
        "Tuesday 10:00: covered: stop 10 gtc, limit 10 gtc",
    ),
    "held_positions": (
        "nothing is sent until a person approves",
        "AAPL: proposed, stop 172.0584",
        "10 of 10 have no stop; 1 order",
        "Approved: done",
        "Rejected: rejected",
        "AAPL: covered",
        "MSFT: suspended",
        "SPY: covered, stop 550.2704",
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", EXITS_SHOWN)
def test_exits_are_placed_and_kept(name, tmp_path):
    """The script prints the lines in this order, and is short."""
    assert_shows(EXITS / f"{name}.py", EXITS_SHOWN[name], tmp_path)
    assert sorted(x.stem for x in EXITS.glob("*.py")) == sorted(EXITS_SHOWN)
    assert len((EXITS / f"{name}.py").read_text().splitlines()) <= LINES_MAX


PNL = INCIDENTS.parent / "pnl"
PNL_SHOWN = {
    "fifty_one_cents": (
        "the bot 51.00, the account 50.49",
        "difference -0.51; its causes:",
        "fees: +0.00",
        "fill_price: -0.51",
        "unexplained: +0.00",
        "buy 17: asked 187.00, filled at 187.02, cost 0.34",
        "sell 17: asked 190.00, filled at 189.99, cost 0.17",
        "from the figure alone: fill_price -0.51",
    ),
}


@pytest.mark.parametrize("name", PNL_SHOWN)
def test_a_difference_in_pnl_is_explained(name, tmp_path):
    assert_shows(PNL / f"{name}.py", PNL_SHOWN[name], tmp_path)
    assert sorted(x.stem for x in PNL.glob("*.py")) == sorted(PNL_SHOWN)


PORTFOLIO = INCIDENTS.parent / "portfolio"
PORTFOLIO_SHOWN = {
    "rebalance_from_csv": (
        "to do: sell 39 AAPL",
        "to do: buy 17 SPY",
        "the plan is done",
        "AAPL: 21 of",
        "a second call has 0 steps",
    ),
    "two_strategies": (
        "AAPL, core: 53",
        "core: realized +0.00, unrealized",
        "swing: realized +59.60, unrealized +0.00",
        "by symbol the same sum: ",
    ),
}


@pytest.mark.parametrize("name", PORTFOLIO_SHOWN)
def test_a_portfolio_is_traded_as_shown(name, tmp_path):
    assert_shows(PORTFOLIO / f"{name}.py", PORTFOLIO_SHOWN[name], tmp_path)
    assert sorted(x.stem for x in PORTFOLIO.glob("*.py")) == sorted(PORTFOLIO_SHOWN)


def test_the_notebook_runs_and_its_values_are_tables():
    """Each cell runs; a value at its end shows itself, as a notebook would."""
    notebook = json.loads((PORTFOLIO / "notebook.ipynb").read_text())
    names, shown = {}, []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # it is stored without results
            *body, last = ast.parse("".join(cell["source"])).body
            exec(compile(ast.Module(body, []), "notebook", "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
                shown.append(value)
            else:
                exec(compile(ast.Module([last], []), "notebook", "exec"), names)
    tables = [type(x).__name__ for x in shown if hasattr(x, "_repr_html_")]
    assert tables == ["SyncReport", "Order", "Position", "Plan", "PnlReport", "PnlComparison"]
    assert all("<table>" in x._repr_html_() for x in shown if x is not None)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", SHOWN)
def test_an_incident_shows_the_bots_record_and_ours(name, tmp_path):
    """The script prints the lines in this order, and writes no file."""
    assert_shows(INCIDENTS / f"{name}.py", SHOWN[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["alpaca", "coinbase"])
def test_an_incident_takes_place_at_another_broker(place, tmp_path):
    """One word changes the broker; the numbers of orders and of their fills are the same."""
    dark = (
        "expects: 4 orders sent, no fills",
        "trade of dips: 20 ",
        "+40 before fees",
        "One team cancels its open orders: ['canceled']",
        "2 are still open: ['crash', None]",
        "in_sync",
    )
    pending = ("fillbook shows: filled, 10 at 187.02", "outage: filled, 5 filled", "Position: 15")
    assert_shows(INCIDENTS / "4_limit_orders_in_the_dark.py", dark, tmp_path, place)
    assert_shows(INCIDENTS / "5_stuck_pending.py", pending, tmp_path, place)


def test_every_bot_has_its_script():
    assert sorted(x.stem for x in BOTS.glob("*.py")) == sorted(BOTS_SHOWN)


@pytest.mark.parametrize("name", BOTS_SHOWN)
def test_a_bot_prints_its_results(name, tmp_path):
    assert_shows(BOTS / f"{name}.py", BOTS_SHOWN[name], tmp_path)


def assert_shows(script, lines, folder, *words):
    """Assert that the script succeeds, prints *lines* in that order, and writes no file."""
    ended = subprocess.run(
        [sys.executable, script, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    at = 0
    for line in lines:
        assert line in ended.stdout[at:], f"{line!r} is not in:\n{ended.stdout}"
        at = ended.stdout.index(line, at)
    assert list(folder.iterdir()) == []
