"""The failures of the broker, the record, the keys and the settings: their text and exit code."""

import json
import re
import socket
from pathlib import Path

import pytest

import fillbook as fb
from fillbook import model as m
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")
BUY = ("buy", "BTC/USD", "0.01", *STORE)


def message(capsys, *words):
    """The exit code, and the text on standard error."""
    code, _, err = told(capsys, *words)
    return code, err.removeprefix("fillbook: ").rstrip("\n")


@pytest.fixture
def nowhere(monkeypatch):
    """The address of a broker that nothing answers at."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # bound, and not listening
        host = f"127.0.0.1:{unheard.getsockname()[1]}"
        monkeypatch.setenv("FILLBOOK_BROKER", f"alpaca:http://{host}")
        yield host


def test_a_broker_that_cannot_be_reached_is_named(order, nowhere, capsys):
    why = f"could not reach {nowhere} (connection refused): check the network, and try again"
    code, out, _ = told(capsys, "check", *STORE)
    assert code == 1
    assert " ".join(out.split()) == (
        f"NOT OBSERVED: {why} (2 requests) Nothing was changed: data that could not be read is "
        "not treated as empty."
    )
    assert message(capsys, *BUY) == (1, f"the account could not be read: {why}")
    code, out, _ = told(capsys, "doctor", "--json", *STORE)
    broken = [row["said"] for row in json.loads(out) if row["ok"] is False]
    assert (code, broken) == (1, [why])


REFUSED = (
    "Alpaca refused the API key (401 unauthorized.): check the key and its secret, and paper "
    "against live"
)


def test_a_wrong_key_is_named(emulator, order, monkeypatch, capsys):
    monkeypatch.setenv("ALPACA_SECRET_KEY", "wrong")
    wrong = (2, f"the account could not be read: {REFUSED}")
    assert message(capsys, "sync", *STORE) == wrong
    assert message(capsys, *BUY) == wrong
    assert message(capsys, "check", *STORE) == wrong
    empty = ("--store", "sqlite:///none.db")
    assert message(capsys, "check", "--ours", "AAPL=10", *empty) == wrong


def test_keys_that_are_missing_are_named(monkeypatch, capsys):
    assert message(capsys, "check", "--broker", "alpaca:paper", "--ours", "AAPL=1") == (
        2,
        "there are no keys for Alpaca: set ALPACA_API_KEY and ALPACA_SECRET_KEY or "
        "APCA_API_KEY_ID and APCA_API_SECRET_KEY (or the same names with _FILE)",
    )
    assert message(capsys, "check") == (
        2,
        "no broker is set: give an address such as alpaca:paper or sim:?seed=7, or set "
        "FILLBOOK_BROKER",
    )


def test_real_money_needs_the_live_option(monkeypatch, capsys):
    monkeypatch.setenv("ALPACA_API_KEY", "k")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "s")
    text = (
        "api.alpaca.markets is a live account: open it with live=True to send orders; on the "
        "command line: --live"
    )
    assert message(capsys, "buy", "AAPL", "1", "--broker", "alpaca:live") == (2, text)
    text = (
        "api.alpaca.markets is a live account: orders move real money; on the command line: --live"
    )
    assert message(capsys, "halt", "--broker", "alpaca:live") == (2, text)


def test_a_record_of_another_account_is_named(emulator, order, capsys):
    emulator.exchange.faults.switch_on("account-id-changed")
    with fb.read("sqlite:///bot.db") as book:
        owner = str(book.account())
    code, text = message(capsys, "sync", *STORE)
    assert code == 1
    assert text.startswith(f"this record belongs to {owner}, but the broker reports alpaca:")
    assert text.endswith(
        "; nothing was changed. Open the right store, or archive this record with `fillbook rebind`"
    )


@pytest.mark.parametrize("words", [["orders"], ["check"], ["sync"], ["buy", "BTC/USD", "0.01"]])
def test_a_file_that_is_no_record_is_named(emulator, words, tmp_path, capsys):
    Path("text.db").write_text("order,qty\n" * 100)
    assert message(capsys, *words, "--store", "sqlite:///text.db") == (
        1,
        f"{tmp_path}/text.db is not a record of fillbook (file is not a database); name another "
        "file",
    )


def test_a_damaged_record_is_named_with_what_to_do(order, tmp_path, capsys):
    damaged = bytearray(Path("bot.db").read_bytes())
    damaged[100:4096] = bytes(3996)
    Path("bot.db").write_bytes(damaged)
    code, text = message(capsys, "orders", *STORE)
    assert code == 1
    assert text.startswith(f"{tmp_path}/bot.db is damaged (")
    assert text.endswith(
        "). Restore a backup, or move it away and run `fillbook sync`, which takes positions and "
        "orders from the broker: strategies and keys are lost"
    )


def test_a_folder_that_is_missing_is_named(emulator, tmp_path, capsys):
    assert message(capsys, "sync", "--store", "sqlite:///no/bot.db") == (
        1,
        f"{tmp_path}/no is not a folder; create it, then open the store",
    )


def test_a_blocked_account_is_named(emulator, order, capsys):
    emulator.exchange.block(emulator.account, "trading_blocked")
    assert message(capsys, *BUY) == (
        1,
        "the broker has blocked the account (trading_blocked): ask the broker (nothing was sent)",
    )


OUTCOMES = {
    "was not sent: could not reach HOST (connection refused): check the network, and try again; "
    "submit it again": m.NotSent(
        m.Failure.UNREACHABLE,
        "could not reach HOST (connection refused): check the network, and try again",
    ),
    "rejected order": m.Rejected(m.RejectKind.PRICE, "stop price must be below the market"),
}


@pytest.mark.parametrize("words", OUTCOMES)
def test_an_order_that_was_not_sent_or_rejected_says_why(
    emulator, order, words, monkeypatch, capsys
):
    submit = "fillbook.brokers.alpaca.client.AlpacaBroker.submit"
    monkeypatch.setattr(submit, lambda broker, intent: OUTCOMES[words])
    code, text = message(capsys, *BUY)
    name = r"fb-[0-9a-f]{32}"
    wanted = {
        "rejected order": rf"the broker rejected order {name}: stop price must be below the market"
    }.get(words, f"order {name} {re.escape(words)}")
    assert (code, re.fullmatch(wanted, text) is not None) == (1, True), text


def test_a_key_that_was_used_for_another_order_is_named(emulator, order, capsys):
    assert message(capsys, *BUY, "--key", "a")[0] == 0
    code, text = message(capsys, "buy", "BTC/USD", "0.02", *STORE, "--key", "a")
    assert code == 2
    assert re.fullmatch(
        r"order fb-[0-9a-f]{32} \(\w+\) exists under this key with a different request "
        r"\(qty [\d.]+, now [\d.]+\); nothing was sent\. "
        "Use a new key for a new order",
        text,
    )


def test_an_order_after_a_halt_names_the_reason_and_what_ends_it(emulator, order, capsys):
    assert told(capsys, "halt", "the model is wrong", *STORE)[0] == 0
    assert message(capsys, *BUY) == (
        1,
        "trading is halted: the model is wrong. To resume, use desk.resume() or "
        "`fillbook halt --resume` (nothing was sent)",
    )


def test_an_unconfirmed_order_locks_its_symbol(emulator, order, capsys):
    emulator.exchange.faults.fail(next="submit", with_="server-error")
    emulator.exchange.faults.fail(next="find", with_="server-error", times=1_000)
    assert told(capsys, *BUY)[0] == 1
    code, text = message(capsys, *BUY)
    assert code == 1
    assert re.fullmatch(
        r"BTC/USD is locked: order (fb-[0-9a-f]{32}) has no confirmed outcome yet; until it has, "
        r"only reducing orders are sent\. See `fillbook order \1` \(nothing was sent\)",
        text,
    )


SETTINGS = {
    'store = "x"\nbroker = 3\n': 'line 2: broker must be a string, such as "…", not 3',
    'store = "x"\nbroker = "alpaca:paper\n': (
        "line 2: broker: Illegal character '\\n'; write it as broker = \"alpaca:paper\""
    ),
    "broker\n": "line 1: ",
    'broker = "a"\nbroker = "b"\n': "line 2: broker: Cannot overwrite a value",
}


@pytest.mark.parametrize("text", SETTINGS)
def test_an_error_in_the_settings_file_names_the_file_the_line_and_the_key(text, capsys):
    Path("fillbook.toml").write_text(text)
    code, err = message(capsys, "check")
    assert (code, err.startswith(f"fillbook.toml, {SETTINGS[text]}")) == (2, True), err


def test_a_settings_file_that_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setenv("FILLBOOK_CONFIG", "no.toml")
    text = "no.toml: the file in $FILLBOOK_CONFIG does not exist"
    assert message(capsys, "check") == (2, text)
