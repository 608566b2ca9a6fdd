"""Orders from the command line, and the available buying power."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from tests.cli.conftest import MONDAY_10
from tests.cli.line import rows_of, told

STORE = ("--store", "sqlite:///bot.db")


def test_buying_power_shows_the_reservation_of_each_order(emulator, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        desk.buy("AAPL", qty=10, limit_price="150")
        kept = [x.client_order_id for x in desk.book.reservations()]
    said = json.loads(told(capsys, "buying-power", *STORE, "--json")[1])
    power = {
        name: Decimal(said["buying_power"][name]) for name in ("reported", "reserved", "available")
    }
    assert power["reported"] - power["reserved"] == power["available"]
    assert [x["client_order_id"] for x in said["reservations"]] == kept
    code, out, err = told(capsys, "buying-power", *STORE)
    assert (code, f"{power['available']:,.2f}" in out, err) == (0, True, "")


def test_buying_power_without_a_record_makes_none(emulator, tmp_path, capsys):
    code, out, _ = told(capsys, "buying-power")
    assert (code, "Reserved for open orders: none" in out) == (0, True)
    assert list(tmp_path.iterdir()) == []


BUY = ("buy", "BTC/USD")


def test_an_order_is_placed_and_printed(emulator, capsys):
    code, out, err = told(capsys, *BUY, "0.1", "--strategy", "trend", "--key", "a", *STORE)
    assert (code, "filled" in out, err) == (0, True, "")
    again = json.loads(
        told(capsys, *BUY, "0.1", "--strategy=trend", "--key=a", *STORE, "--json")[1]
    )
    assert again["client_order_id"] in out
    code, _, err = told(capsys, *BUY, "0.2", "--strategy=trend", "--key=a", *STORE)
    assert (code, "a new key" in err) == (2, True)
    with fb.read("sqlite:///bot.db") as book:
        [order] = book.orders()
    assert (order.strategy, order.key, order.filled_qty) == ("trend", "a", Decimal("0.1"))
    assert len(emulator.account.truth.orders()) == 1


def test_rounding_is_printed(emulator, capsys):
    out = told(capsys, *BUY, "0.1", "--limit", "40000.1234567", *STORE)[1]
    assert "instead of 40000.1234567" in out


def test_what_is_held_can_be_sold(emulator, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.buy("BTC/USD", qty="0.1")
    sold = json.loads(told(capsys, "sell", "BTC/USD", "0.05", *STORE, "--json")[1])
    assert (sold["terms"]["side"], sold["status"]) == ("sell", "filled")


def test_what_cannot_be_paid_is_denied_with_its_figures(emulator, capsys):
    words = (*BUY, "--notional", "9000000", *STORE)
    code, out, err = told(capsys, *words)
    assert (code, out) == (1, "")
    assert "insufficient buying power: the order needs up to 9,000,000.00 USD" in err
    assert "nothing was sent" in err
    code, out, _ = told(capsys, *words, "--json")
    assert (code, json.loads(out)["status"]) == (1, "denied")
    assert emulator.account.truth.orders() == []


def test_a_dry_run_prints_the_effect_and_writes_nothing(emulator, tmp_path, capsys):
    code, out, err = told(capsys, *BUY, "0.1", "--dry-run")
    assert (code, "It would be sent." in out, "affordable" in out, err) == (0, True, True, "")
    code, out, err = told(capsys, *BUY, "1000", "--dry-run")
    assert (
        code,
        "It would be denied: insufficient buying power" in " ".join(out.split()),
        err,
    ) == (1, True, "")
    said = json.loads(told(capsys, *BUY, "1000", "--dry-run", "--json")[1])
    assert said["is_approved"] is False
    assert list(tmp_path.iterdir()) == []
    assert emulator.account.truth.orders() == []


ASKED = {
    "limit": (["10", "--limit", "150"], {"qty": "10", "type": "limit", "limit_price": "150"}),
    "stop-limit": (["10", "--stop=150", "--limit=151"], {"type": "stop_limit"}),
    "trail": (["10", "--trail", "1.50"], {"type": "trailing_stop", "trail_price": "1.50"}),
    "percent": (["10", "--trail", "2%"], {"type": "trailing_stop", "trail_percent": "2"}),
    "notional": (["--notional", "500"], {"notional": "500", "time_in_force": "day"}),
    "bracket": (
        ["10", "--take-profit=200", "--stop-loss=140", "--stop-loss-limit=139", "--tif=gtc"],
        {"order_class": "bracket", "stop_loss_limit": "139", "time_in_force": "gtc"},
    ),
    "oco": (["10", "--oco", "--take-profit=200", "--stop-loss=140"], {"order_class": "oco"}),
    "late": (["10", "--limit=150", "--extended-hours"], {"extended_hours": True}),
}


@pytest.mark.parametrize("what", ASKED)
def test_the_options_are_the_fields_of_a_request(what, capsys):
    words, wanted = ASKED[what]
    out = told(capsys, "sell", "AAPL", *words, "--broker", "sim:?seed=7", "--dry-run", "--json")[1]
    request = json.loads(out)["preview"]["request"]
    assert {name: request[name] for name in wanted} == wanted


def test_an_order_without_a_reply_is_printed_as_unconfirmed(emulator, capsys):
    emulator.exchange.faults.fail(next="submit", with_="server-error")
    emulator.exchange.faults.fail(next="find", with_="server-error", times=1_000)
    code, out, _ = told(capsys, *BUY, "0.1", *STORE)
    assert (code, "Do not place it again" in " ".join(out.split())) == (1, True)


WRONG = {
    "two quantities": (["AAPL", "1", "--notional", "5"], "exactly one of"),
    "no quantity": (["AAPL"], "exactly one of"),
    "no number": (["AAPL", "ten"], "not a number"),
    "no symbol": ([], "SYMBOL"),
    "no time in force": (["AAPL", "1", "--tif", "forever"], "forever"),
    "below zero": (["AAPL", "-1"], "above zero"),
    "one word too many": (["AAPL", "1", "2"], "'2' is unexpected.  (see fillbook"),
    "no option": (["AAPL", "1", "--limitt", "5"], "--limitt"),
    "a stop without one": (["AAPL", "1", "--stop-loss-limit", "5"], "give both"),
}


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_order_is_2_and_one_line(what, side, tmp_path, capsys):
    words, part = WRONG[what]
    code, out, err = told(capsys, side, *words, "--broker", "sim:")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert part in err
    assert list(tmp_path.iterdir()) == []


def test_an_order_on_a_live_account_needs_the_live_option(monkeypatch, capsys):
    monkeypatch.setenv("ALPACA_API_KEY", "k")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "s")
    code, _, err = told(capsys, "buy", "AAPL", "1", "--broker", "alpaca:live")
    assert (code, "--live" in err) == (2, True)


SATURDAY = datetime(2026, 2, 28, 17, tzinfo=UTC)


def test_a_market_order_on_a_closed_day_says_until_when_it_waits(emulator, capsys):
    emulator.exchange.clock.advance((SATURDAY + timedelta(days=7) - MONDAY_10).total_seconds())
    opening = "Monday 2026-03-09 13:30 UTC (09:30 in New York)"
    code, out, _ = told(capsys, "buy", "AAPL", "1", *STORE)
    assert code == 0
    assert f"The market is closed: it waits for {opening}." in " ".join(out.split())
    emulator.exchange.clock.advance(5)  # the same order at once would be a repetition
    out = told(capsys, "buy", "AAPL", "1", *STORE, "--dry-run")[1]
    assert f"The market is closed: it would wait for {opening}." in " ".join(out.split())
    assert "it waits" not in told(capsys, "buy", "BTC/USD", "0.01", *STORE)[1]


def test_in_the_session_nothing_waits_for_the_open(emulator, capsys):
    assert "it waits" not in told(capsys, "buy", "AAPL", "1", "--limit", "100", *STORE)[1]


def test_what_a_fee_leaves_can_be_sold_and_is_listed(emulator, capsys):
    """A coin pays its fee in itself, hours later: until then that part cannot be sold."""
    assert told(capsys, *BUY, "0.05", *STORE)[0] == 0
    code, _, err = told(capsys, "sell", "BTC/USD", "0.05", *STORE)
    with fb.read("sqlite:///bot.db") as book:
        [position] = book.positions()
    most = position.sellable_qty
    assert (code, f"Sell at most {most} (nothing was sent)" in err) == (1, True)
    out = told(capsys, "positions", *STORE)[1]
    assert ("sellable" in out, str(most) in out) == (True, True)
    assert told(capsys, "sell", "BTC/USD", str(most), *STORE)[0] == 0


def test_what_a_denial_advises_can_be_followed(parts, capsys):
    """The exits of `tilt` hold all of its units: a sale of them is a close."""
    for qty in ("5", "500"):
        code, out, err = told(capsys, "sell", "AAPL", qty, "--strategy", "tilt", *STORE)
        assert (code, out, "at most" in err) == (1, "", False)
        much = " --qty 5" if qty == "5" else ""
        assert f"`fillbook close AAPL --strategy tilt{much}`" in err
    code, _, err = told(capsys, "buy", "AAPL", "5", "--strategy", "tilt", *STORE)
    assert (code, "or use `fillbook rebalance`" in err) == (1, True)
    words = ("close", "AAPL", "--strategy", "tilt", "--qty", "5")
    code, out, _ = told(capsys, *words, *STORE)
    assert (code, "not known" in out) == (0, False)
    assert "close 5 of AAPL (tilt); then the exits are placed again for 1 AAPL (tilt)" in out
    assert "Done.\nSold 5 AAPL at 185.\n" in out
    row = rows_of(told(capsys, "positions", "--strategy", "tilt", *STORE)[1])[0]
    assert (row[2], row[-1]) == ("1", "covered")
    code, out, _ = told(capsys, "close", "AAPL", "--strategy", "tilt", *STORE)
    assert (code, "placed again" in out, "Sold 1 AAPL at 185.\n" in out) == (0, False, True)
