"""SIGINT, sent to a process at each command that sends: what is known of the order, and 130."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

import fillbook as fb
from fillbook import __version__
from fillbook.cli.orders import place
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.cli.conftest import MONDAY_10
from tests.cli.errors.held import FILLBOOK, Gateway, interrupt
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")
NAME = r"fb-[0-9a-f-]+"
UNKNOWN = (
    "sent, no reply yet; it may be at the broker. Do not place it again: the next `fillbook sync` "
    "queries it"
)


#: Ctrl-C at a moment of the process: when a module is imported, or when the interpreter ends.
IN_IMPORT = """
import sys
class Ctrl_C:
    def find_spec(self, name, *_):
        if name == {name!r}:
            raise KeyboardInterrupt
for one in [x for x in sys.modules if x in ("re", "enum", {name!r})]:
    del sys.modules[one]  # what the start of the interpreter has imported
sys.meta_path.insert(0, Ctrl_C())
from fillbook.cli import main
main()
"""
AT_EXIT = """
import atexit, os, signal
atexit.register(os.kill, os.getpid(), signal.SIGINT)
from fillbook.cli import main
main()
"""


@pytest.mark.parametrize(
    "name", ["typing", "signal", "rich", "cyclopts", "fillbook.cli.commands", "fillbook.model"]
)
def test_while_the_modules_are_imported_it_is_one_line(name):
    words = [sys.executable, "-c", IN_IMPORT.format(name=name), "orders"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    expected = (130, "", "fillbook: interrupted; no order was sent\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == expected


def test_after_the_result_it_changes_nothing():
    words = [sys.executable, "-c", AT_EXIT, "--version"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{__version__}\n", "")


def test_between_the_order_and_its_result_it_does_not_say_that_nothing_was_sent(
    gateway, monkeypatch, capsys
):
    def print_result(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, "print_result", print_result)
    code, _, err = told(capsys, "buy", "BTC/USD", "0.1", *STORE)
    text = "fillbook: interrupted; the command had ended, and the record has what it did\n"
    assert (code, err) == (130, text)


@pytest.fixture
def gateway(monkeypatch):
    """A gateway before an emulator with a simulated clock, and a record that agrees with it."""
    clock = ManualClock(MONDAY_10)
    with (
        Emulator(Exchange(seed=7, clock=clock)) as emulator,
        Gateway(int(emulator.url.rpartition(":")[2]), clock) as made,
    ):
        monkeypatch.setenv("ALPACA_API_KEY", emulator.key)
        monkeypatch.setenv("ALPACA_SECRET_KEY", emulator.secret)
        monkeypatch.setenv("FILLBOOK_BROKER", f"alpaca:{made.url}")
        with fb.open(store="sqlite:///bot.db", clock=clock) as desk:
            desk.sync()
        yield made


@pytest.fixture
def resting(gateway):
    """An order that rests."""
    with fb.open(store="sqlite:///bot.db", clock=gateway.clock) as desk:
        return desk.buy("BTC/USD", qty="0.01", limit_price=30_000)


@pytest.fixture
def held(gateway):
    """A position."""
    with fb.open(store="sqlite:///bot.db", clock=gateway.clock) as desk:
        bought = desk.buy("BTC/USD", qty="0.1")
        desk.sync()
    return bought


def lines(ended):
    return [line.removeprefix("fillbook: ") for line in ended.err.splitlines()]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("arrives", [False, True], ids=["lost", "arrived"])
def test_a_buy_tells_that_its_order_may_be_at_the_broker(gateway, arrives):
    gateway.hold("POST", "/v2/orders", arrives=arrives)
    ended = interrupt(gateway, "buy", "BTC/USD", "0.1", *STORE)
    assert (ended.code, ended.out) == (130, "")
    head, known = lines(ended)
    assert head == "interrupted; the record has:"
    assert re.fullmatch(rf"order {NAME} \(buy 0\.1 BTC/USD\): {UNKNOWN}", known)
    with fb.open(store="sqlite:///bot.db", clock=gateway.clock) as desk:
        desk.sync()
        [order] = desk.book.orders()
    assert order.client_order_id in known
    assert (order.broker_order_id is not None) is arrives


@pytest.mark.slow
def test_a_sale_is_told_as_json_too(gateway, held):
    gateway.hold("POST", "/v2/orders")
    ended = interrupt(gateway, "sell", "BTC/USD", "0.05", *STORE, "--json")
    error = json.loads(ended.out)["error"]
    assert (ended.code, error["type"], error["exit_code"]) == (130, "Interrupted", 130)
    assert re.search(rf"order {NAME} \(sell 0\.05 BTC/USD\): {UNKNOWN}", error["message"])


def test_before_the_order_nothing_was_sent(gateway):
    gateway.hold("GET", "/v2/account")
    ended = interrupt(gateway, "buy", "BTC/USD", "0.1", *STORE)
    assert (ended.code, ended.out) == (130, "")
    assert lines(ended) == ["interrupted; no order was sent"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["sync"], ["check"], ["repair"], ["rebuild"]], ids=lambda words: words[0]
)
def test_a_read_that_is_interrupted_has_sent_no_order(gateway, words):
    gateway.hold("GET", "/v2/positions")
    ended = interrupt(gateway, *words, *STORE)
    assert (ended.code, ended.out) == (130, "")
    assert lines(ended) == ["interrupted; no order was sent"]


@pytest.mark.slow
def test_a_replace_has_no_confirmed_outcome(gateway, resting):
    gateway.hold("PATCH", "/v2/orders/")
    name = resting.client_order_id
    ended = interrupt(gateway, "replace", name, "--limit", "31000", *STORE)
    assert (ended.code, ended.out) == (130, "")
    assert lines(ended)[1] == (
        f"order {name} (buy 0.01 BTC/USD): pending_new; its replace has no confirmed outcome yet, "
        "and the next `fillbook sync` queries it"
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", [["cancel"], ["cancel", "--all"], ["halt"]], ids=" ".join)
def test_a_cancel_has_no_confirmed_outcome(gateway, resting, words):
    gateway.hold("DELETE", "/v2/orders/")
    name = resting.client_order_id
    names = [name] if words == ["cancel"] else []
    ended = interrupt(gateway, *words, *names, *STORE)
    assert (ended.code, ended.out) == (130, "")
    told = lines(ended)
    assert told[1] == (
        f"order {name} (buy 0.01 BTC/USD): pending_new; its cancel has no confirmed outcome yet, "
        "and the next `fillbook sync` queries it"
    )
    assert told[2:] == (["the kill switch is set: fillbook halt"] if words == ["halt"] else [])


def plans(gateway, *words, file=None):
    """The exit code, and the order and the plan of an interrupted command."""
    gateway.hold("POST", "/v2/orders")
    ended = interrupt(gateway, *words, *STORE)
    told = lines(ended)
    known = [line for line in told if line.startswith(("order", "plan"))]
    return ended.code, known


PLAN = (
    r"plan [a-z_]+-\d+ \(.*\): running; a desk that ticks carries it out: the bot, or "
    "`fillbook watch --tick`"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["protect", "BTC/USD", "--stop-loss", "8%"], ["close", "BTC/USD"]],
    ids=lambda words: words[0],
)
def test_a_plan_of_a_position_goes_on_without_the_command(gateway, held, words):
    code, known = plans(gateway, *words)
    assert code == 130
    assert re.fullmatch(rf"order {NAME} \(sell 0\.\d+ BTC/USD\): {UNKNOWN}", known[0])
    assert [line for line in known if re.fullmatch(PLAN, line)] != []


@pytest.mark.slow
def test_a_rebalance_goes_on_without_the_command(gateway, tmp_path):
    (tmp_path / "targets.csv").write_text("symbol,notional\nBTC/USD,1000\n")
    code, known = plans(gateway, "rebalance", "targets.csv", "--send", "--others", "keep")
    assert code == 130
    assert re.match(rf"order {NAME} \(buy ", known[0])
    assert [line for line in known if re.fullmatch(PLAN, line)] != []


@pytest.mark.slow
def test_a_catch_up_goes_on_without_the_command(gateway, tmp_path):
    rows = "symbol,side,qty,at\nBTC/USD,buy,0.01,2026-01-05T15:00:00Z\n"
    (tmp_path / "trades.csv").write_text(rows)
    code, known = plans(gateway, "catch-up", "trades.csv", "--since", "2026-01-01", "--send")
    assert code == 130
    assert re.match(rf"order {NAME} \(buy 0\.01 BTC/USD\)", known[0])
    assert [line for line in known if re.fullmatch(PLAN, line)] != []


@pytest.mark.slow
def test_an_approved_plan_goes_on_without_the_command(gateway, held):
    """The exits of what was held before there was a policy are proposed."""
    exits = fb.ExitPolicy(stop_loss="8%")
    with fb.open(store="sqlite:///bot.db", exits=exits) as desk:  # valid in the command's time
        desk.sync()
        desk.tick()
        [proposed] = desk.plans()
    code, known = plans(gateway, "approve", proposed.plan_id)
    assert code == 130
    assert re.fullmatch(rf"order {NAME} \(sell 0\.\d+ BTC/USD\): {UNKNOWN}", known[0])
    assert [line for line in known if re.fullmatch(PLAN, line)] != []


@pytest.mark.slow
def test_a_watch_that_ticks_ends_by_it(gateway):
    """Ctrl-C is how it ends: it has succeeded."""
    gateway.hold("GET", "/v2/positions")
    ended = interrupt(gateway, "watch", "--tick", "--json", *STORE)
    assert (ended.code, ended.err) == (0, "stopped\n")


@pytest.mark.slow
def test_on_a_terminal_the_progress_is_shown_until_it_is_interrupted(gateway):
    """The command holds no lock that its own output waits for."""
    gateway.hold("GET", "/v2/positions")
    terminal, end = pty.openpty()
    with subprocess.Popen([*FILLBOOK, "sync", *STORE], stdout=end, stderr=end) as running:
        os.close(end)
        screen = ""
        while "requests to the broker (Ctrl-C stops it)" not in screen:
            screen += os.read(terminal, 65_536).decode()
        running.send_signal(signal.SIGINT)
        with suppress(OSError):  # the end of a terminal
            while text := os.read(terminal, 65_536).decode():
                screen += text
    os.close(terminal)
    assert running.returncode == 130
    assert "interrupted; no order was sent" in screen
