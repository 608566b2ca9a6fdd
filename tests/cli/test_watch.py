"""`fillbook watch` and `positions`: the record, for people, for programs, in a terminal."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.desk.record.recorder import Recorder
from fillbook.stores.sqlite import SqliteStore
from fillbook.venue.exchange import Exchange
from tests.cli.conftest import MONDAY_10
from tests.cli.line import rows_of, told

FILLBOOK = [sys.executable, "-c", "from fillbook.cli import main; main()"]
STORE = ("--store", "sqlite:///bot.db")
WATCH = ("watch", *STORE)
STALE = m.Alert(m.AlertKind.STALE, "account", "the account could not be read for long")


@pytest.fixture
def desk():
    clock = ManualClock(MONDAY_10)
    with fb.open(
        SimulatedBroker(Exchange(seed=7, clock=clock)), "sqlite:///bot.db", clock=clock
    ) as desk:
        desk.sync()
        yield desk


def alert():
    store = SqliteStore("bot.db")
    Recorder(store, ManualClock(MONDAY_10)).record(m.Alerted(STALE))
    store.close()


def test_what_is_watched_is_the_record(desk, capsys):
    bought = desk.buy("SPY", qty=3, strategy="trend")
    resting = desk.buy("AAPL", qty=10, limit_price="150", strategy="dips")
    alert()
    desk.halt("the feed is wrong")
    said = json.loads(told(capsys, *WATCH, "--once", "--json")[1])
    assert [x["client_order_id"] for x in said["orders"]] == [resting.client_order_id]
    assert [(x["symbol"], x["last"] != "") for x in said["positions"]] == [("SPY", True)]
    assert bought.is_final
    assert said["requests"]["limit"] == 200
    assert [x["alert"]["kind"] for x in said["alerts"]] == ["stale", "halt"]
    assert said["halted"] == "the feed is wrong"
    code, out, err = told(capsys, *WATCH, "--once")
    assert (code, err) == (0, "")
    for part in (
        STALE.message,
        "halted the feed is wrong",
        "buy AAPL",
        "dips",
        "0 of 10",
        "trend 3",
        "of 200",
    ):
        assert part in out


def test_an_empty_record_is_reported(desk, capsys):
    out = told(capsys, *WATCH, "--once")[1]
    assert "Open orders: none" in out
    assert "Positions: none" in out


def test_without_a_record_there_is_nothing_to_watch(tmp_path, capsys):
    code, _, err = told(capsys, *WATCH, "--once")
    assert (code, "there is no record" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_watch_that_ticks_makes_the_record_and_keeps_it(emulator, capsys):
    code, out, _ = told(capsys, *WATCH, "--tick", "--once")
    assert (code, "Positions: none" in out) == (0, True)
    with fb.read("sqlite:///bot.db") as book:
        assert book.account() is not None


def test_each_change_is_one_line_and_an_interrupt_is_an_end(desk):
    desk.buy("AAPL", qty=10, limit_price="150")
    with subprocess.Popen(
        [*FILLBOOK, *WATCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        first = json.loads(running.stdout.readline())
        desk.buy("SPY", qty=3)
        second = json.loads(running.stdout.readline())
        while not second["positions"]:  # the fill may be in the snapshot after the order's
            second = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (len(first["orders"]), first["positions"]) == (1, [])
    assert second["positions"][0]["symbol"] == "SPY"
    assert (running.returncode, out, err) == (0, "", "stopped\n")


def test_in_a_terminal_the_tables_fit_and_count_the_omitted_rows(desk):
    for number in range(30):
        desk.buy("AAPL", qty=10 + number, limit_price="150", strategy="mean-reversion")
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    shown = ""
    with subprocess.Popen(
        [*FILLBOOK, *WATCH], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    ) as running:
        while "Positions" not in shown.rpartition("more)")[2]:
            shown += os.read(terminal, 65536).decode(errors="ignore")
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    os.close(terminal)
    os.close(theirs)
    text = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", shown)
    assert re.search(r"Open orders \(and \d+ more\)", text)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_each_part_of_a_position_is_shown_with_its_cover(parts, capsys):
    """One part that has no protection is not hidden by another that is covered."""
    rows = rows_of(told(capsys, "positions", *STORE)[1])
    cover = [(x[1], x[2], x[-1]) for x in rows]
    assert cover == [
        ("(all)", "12", "–"),
        ("no strategy", "6", "no protection"),
        ("dips", "0", "–"),
        ("tilt", "6", "covered"),
    ]
    watched = " ".join(told(capsys, "watch", "--once", *STORE)[1].replace("│", " ").split())
    assert "no strategy: no protection, tilt: covered" in watched
    assert told(capsys, "protect", "AAPL", "--strategy", "", "--stop-loss", "20%", *STORE)[0] == 0
    [row] = rows_of(told(capsys, "watch", "--once", *STORE)[1].partition("Positions")[2])
    assert row[-1] == "covered"


def test_one_strategy_is_listed_alone(parts, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.buy("MSFT", qty=1, strategy="dips")
    for name, shown, cover in (("tilt", ["tilt"], "covered"), ("", [], "no protection")):
        [row] = rows_of(told(capsys, "positions", "--strategy", name, *STORE)[1])
        assert [*row[: len(shown) + 2], row[-1]] == ["AAPL", *shown, "6", cover]
        [position] = json.loads(told(capsys, "positions", "--strategy", name, *STORE, "--json")[1])[
            "positions"
        ]
        assert [x[0] for x in position["by_strategy"]] == [name]


def test_the_realized_pnl_of_a_position_is_the_sum_of_its_parts(parts, capsys):
    """As in `pnl`; the pooled average cost is only for the comparison with the broker."""
    rows = [x[-2] for x in rows_of(told(capsys, "positions", *STORE)[1])]
    whole, *each = (Decimal(x) for x in rows)
    [pnl] = json.loads(told(capsys, "pnl", *STORE, "--json")[1])["rows"]
    [position] = json.loads(told(capsys, "positions", *STORE, "--json")[1])["positions"]
    assert round(Decimal(position["account"]["realized"]), 2) != whole  # it is pooled
    assert (whole, whole) == (sum(each), round(Decimal(pnl["realized"]), 2))
