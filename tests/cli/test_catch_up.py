"""`fillbook catch-up`: a file, a dry run by default, what needs attention, progress and JSON."""

import json
from pathlib import Path

import pytest

import fillbook as fb
from fillbook.cli.plans.catch_up import parse_columns
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")


@pytest.fixture
def held(emulator):
    """A record with 0.1 BTC/USD; crypto trades at any hour."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        desk.buy("BTC/USD", qty="0.1", key="k")
        desk.sync()
    return emulator


ROWS = """Ticker,Shares,Action,Date,ref
BTC/USD,0.1,buy,{day} 00:00:01,k
BTC/USD,0.04,buy,{day} 00:00:02,
BTC/USD,x,buy,{day} 00:00:03,
"""


def test_it_is_a_dry_run_unless_it_is_sent_with_its_progress(held, capsys):
    day = held.exchange.now().date()
    Path("trades.csv").write_text(ROWS.format(day=day))
    fields = "symbol=Ticker,qty=Shares,side=Action,at=Date,client_order_id=ref"
    words = ("catch-up", "trades.csv", "--since", str(day), "--map", fields, "--tz", "UTC", *STORE)
    code, out, _ = told(capsys, *words)
    assert code == 0, out
    assert "0.04" in out
    assert "'x' is not a number" in out.replace("\n", " ")
    assert "Dry run: nothing was stored or sent" in out
    code, out, err = told(capsys, *words, "--send")
    assert code == 0, out
    assert "1 of 1 done: buy 0.04 BTC/USD" in err
    assert "1 of 1 symbols are done, 0 failed." in out
    code, out, _ = told(capsys, *words, "--send", "--json")
    found = json.loads(out)
    assert (code, found["catch_up"]["orders"], found["plans"]) == (0, [], [])
    assert [x["outcome"] for x in found["catch_up"]["rows"]] == ["settled", "settled", "unreadable"]


@pytest.mark.parametrize("send", [(), ("--send",)])
def test_a_file_of_which_no_row_can_be_read_is_a_failure(send, held, capsys):
    Path("t.csv").write_text("symbol,side,qty,at\nBTC/USD,buy,x,2026-03-02T15:00:00Z\n")
    assert told(capsys, "catch-up", "t.csv", "--since", "2026-03-02", *send, *STORE)[0] == 1


def test_the_reason_of_a_row_names_the_option(held, capsys):
    Path("t.csv").write_text(
        "symbol,side,qty,at\nBTC/USD,buy,1,2026-03-02 15:00\nBTC/USD,buy,1,x\n"
    )
    out = " ".join(told(capsys, "catch-up", "t.csv", "--since", "2026-03-02", *STORE)[1].split())
    assert ("(--tz)" in out, "(--date-format)" in out) == (True, True)


def test_a_wrong_mapping_is_named(capsys, emulator):
    Path("t.csv").write_text("symbol,qty,at\n")
    code, _, err = told(capsys, "catch-up", "t.csv", "--since", "2026-03-02", "--map", "qty")
    assert (code, "--map takes FIELD=COLUMN" in err) == (2, True)
    assert parse_columns("qty = Shares, at=Date") == {"qty": "Shares", "at": "Date"}


def test_a_plan_that_waits_for_the_open_is_not_done(capsys, emulator, monkeypatch):
    """The exit code says that something is left."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
    emulator.exchange.clock.advance(12 * 3600)
    Path("t.csv").write_text("symbol,qty,at\nAAPL,5,2026-03-02T14:50:00Z\n")
    words = ("catch-up", "t.csv", "--since", "2026-03-02", "--send", "--wait", "0", *STORE)
    code, out, _ = told(capsys, *words)
    assert code == 1, out
    assert "0 of 1 symbols are done, 0 failed." in out
    assert "A desk that ticks carries the others out" in out
