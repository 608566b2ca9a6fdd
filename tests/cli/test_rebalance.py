"""`fillbook rebalance`: a file of targets, a dry run by default, progress, and JSON."""

import json
from pathlib import Path

import pytest

import fillbook as fb
from fillbook.cli.plans.rebalance import read_targets, targets_of
from tests.bench import Bench
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")


@pytest.fixture
def held(emulator):
    """A record with 0.1 BTC/USD; crypto trades at any hour."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        desk.buy("BTC/USD", qty="0.1")
        desk.sync()
    return emulator


def targets(text):
    Path("targets.csv").write_text(text)
    return "targets.csv"


def held_by(emulator):
    return dict(emulator.account.truth.positions())


def test_it_is_a_dry_run_unless_it_is_sent_with_its_progress(held, capsys):
    before = held_by(held)
    code, out, _ = told(capsys, "rebalance", targets("symbol,qty\nBTC/USD,0.04\n"), *STORE)
    assert code == 0
    assert "sell 0.06 BTC/USD" in out
    assert "sell everything, buy the targets" in out
    assert "Dry run: nothing was stored or sent." in out
    assert held_by(held) == before
    is_sent_with_its_progress(capsys)


def is_sent_with_its_progress(capsys):
    words = ("rebalance", "targets.csv", "--send", *STORE)
    code, out, err = told(capsys, *words)
    assert code == 0, out
    assert "1 of 1 begun: sell 0.06" in err
    assert "1 of 1 done: sell 0.06" in err
    assert "Done." in out
    code, out, _ = told(capsys, *words, "--json")
    assert (code, json.loads(out)["plan"]["steps"]) == (0, [])


def test_a_file_may_have_every_kind_of_target_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\ufeffWeight, Symbol ,qty\n0.5,AAPL,\n\n,MSFT,3\n", "utf-8")
    rows = read_targets(path)
    desk = Bench().desk
    assert targets_of(rows, path, desk) == fb.Targets(weights={"AAPL": "0.5"}, qty={"MSFT": 3})
    assert [x.line for x in rows] == [2, 4]


@pytest.mark.parametrize("text", ["", "symbol\nAAPL\n", "symbol,qty,qty\nAAPL,1,2\n"])
def test_the_first_line_names_the_columns(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(fb.InvalidValue, match="the first line"):
        read_targets(path)


WRONG = """symbol,qty,weight
AAPL,one,
,2,
MSFT,1,0.5
SPY,,
AAPPL,1,
MSFT,2,
,,
msft,3,
AAPL,4,,5
AAPL,6,
"""


def test_every_line_that_is_wrong_is_named(capsys, order):
    code, _, err = told(capsys, "rebalance", targets(WRONG), *STORE)
    assert code == 2
    assert err.removeprefix("fillbook: ").splitlines() == [
        "targets.csv, line 2: 'one' is not a number",
        "targets.csv, line 3: a row has a symbol and one of qty, weight",
        "targets.csv, line 4: a row has a symbol and one of qty, weight",
        "targets.csv, line 5: a row has a symbol and one of qty, weight",
        "targets.csv, line 6: AAPPL is in neither the record nor the broker's list: check the "
        "symbol; similar: AAPL",
        "targets.csv, line 9: MSFT has a target in line 7 too",
        "targets.csv, line 10: it has more cells than the first line: 5",
    ]


def test_a_file_that_is_not_there_is_a_wrong_call(capsys):
    code, _, err = told(capsys, "rebalance", "nowhere.csv", *STORE)
    assert code == 2
    assert "nowhere.csv" in err
