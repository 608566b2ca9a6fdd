"""The commands around placing an order."""

import json
from decimal import Decimal

import fillbook as fb
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")


def test_buying_power_says_what_is_promised_to_which_order(emulator, capsys):
    with fb.open(store="sqlite:///bot.db", clock=emulator.exchange.clock) as desk:
        desk.sync()
        desk.buy("AAPL", qty=10, limit_price="150")
        kept = [x.client_order_id for x in desk.book.reservations()]
    said = json.loads(told(capsys, "buying-power", *STORE, "--json")[1])
    power = {
        name: Decimal(said["buying_power"][name]) for name in ("told", "promised", "available")
    }
    assert power["told"] - power["promised"] == power["available"]
    assert [x["client_order_id"] for x in said["reservations"]] == kept
    code, out, err = told(capsys, "buying-power", *STORE)
    assert (code, f"{power['available']:,.2f}" in out, err) == (0, True, "")


def test_buying_power_without_a_record_makes_none(emulator, tmp_path, capsys):
    code, out, _ = told(capsys, "buying-power")
    assert (code, "Kept back for open orders: none" in out) == (0, True)
    assert list(tmp_path.iterdir()) == []
