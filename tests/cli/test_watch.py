"""`fillbook watch`: the record as it changes, for people, for programs, in a terminal."""

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

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.desk.record.recorder import Recorder
from fillbook.stores.sqlite import SqliteStore
from fillbook.venue.exchange import Exchange
from tests.cli.conftest import MONDAY_10
from tests.cli.line import told

FILLBOOK = [sys.executable, "-c", "from fillbook.cli import main; main()"]
WATCH = ("watch", "--store", "sqlite:///bot.db")
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
