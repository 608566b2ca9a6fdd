"""`fillbook rebalance`: a file of targets, a dry run by default, progress, and JSON."""

import json
from pathlib import Path

import pytest

import fillbook as fb
from fillbook.cli.plans.rebalance import read_targets
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
    assert read_targets(path) == fb.Targets(weights={"AAPL": "0.5"}, qty={"MSFT": 3})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the first line"),
        ("symbol\nAAPL\n", "the first line"),
        ("symbol,qty,qty\nAAPL,1,2\n", "the first line"),
        ("symbol,qty\nAAPL,one\n", "line 2"),
        ("symbol,qty\nAAPL,1\n,2\n", "line 3"),
        ("symbol,qty,weight\nAAPL,1,0.5\n", "line 2"),
        ("symbol,qty\nAAPL,\n", "line 2"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path, text, match):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(fb.InvalidValue, match=match):
        read_targets(path)


def test_a_file_that_is_not_there_is_a_wrong_call(capsys):
    code, _, err = told(capsys, "rebalance", "nowhere.csv", *STORE)
    assert code == 2
    assert "nowhere.csv" in err
