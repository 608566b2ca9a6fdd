"""Rows of any source become trades, or are unreadable with a reason; none is lost."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core.plans.local_trades import TradeFormat, columns_of, identities, read_trade
from fillbook.errors import InvalidValue

NAMES = ("symbol", "side", "qty", "at", "price", "fee", "trade_id", "client_order_id", "strategy")
ROW = {"symbol": "AAPL", "side": "buy", "qty": "10", "at": "2026-03-02T15:00:00Z"}
NEW_YORK = ZoneInfo("America/New_York")


def how(**changes):
    return TradeFormat(**{"columns": {x: x for x in NAMES}, **changes})


def read(row, **changes):
    return read_trade({**ROW, **row}, 7, how(**changes))


def test_every_field_of_a_row_is_read():
    row = {"price": "187.02", "fee": 1, "trade_id": 12, "client_order_id": " x ", "strategy": "s"}
    assert read(row) == m.LocalTrade(
        symbol="AAPL",
        side="buy",
        qty=10,
        at="2026-03-02T15:00:00Z",
        price="187.02",
        fee=1,
        trade_id="12",
        client_order_id="x",
        strategy="s",
        line=7,
    )


@pytest.mark.parametrize(
    ("side", "qty", "expected"),
    [
        ("BUY", "3", 3),
        ("sld", 3, -3),
        ("Sell", "-3", -3),
        (None, "-3", -3),
        ("", "3", 3),
    ],
)
def test_a_negative_quantity_is_that_of_a_sell(side, qty, expected):
    assert read({"side": side, "qty": qty}).signed_qty == expected


@pytest.mark.parametrize(
    ("at", "expected", "changes"),
    [
        ("2026-03-02T15:00:00.123456789Z", "2026-03-02T15:00:00.123456789Z", {}),
        ("2026-03-02 10:00:00-05:00", "2026-03-02T15:00:00.000000000Z", {}),
        ("2026-03-02 10:00:00", "2026-03-02T15:00:00.000000000Z", {"zone": NEW_YORK}),
        ("20260302T1000", "2026-03-02T15:00:00.000000000Z", {"zone": NEW_YORK}),
        ("2026-03-02", "2026-03-02T05:00:00.000000000Z", {"zone": NEW_YORK}),
        (date(2026, 3, 2), "2026-03-02T00:00:00.000000000Z", {"zone": UTC}),
        (datetime(2026, 3, 2, 15, tzinfo=UTC), "2026-03-02T15:00:00.000000000Z", {}),
        (1772463600, "2026-03-02T15:00:00.000000000Z", {}),
        ("1772463600.5", "2026-03-02T15:00:00.500000000Z", {}),
        ("1772463600123", "2026-03-02T15:00:00.123000000Z", {}),
        (
            "03/02/2026 10:00",
            "2026-03-02T15:00:00.000000000Z",
            {"zone": NEW_YORK, "date_format": "%m/%d/%Y %H:%M"},
        ),
    ],
)
def test_a_time_is_read_in_its_format(at, expected, changes):
    assert read({"at": at}, **changes).at == expected


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"symbol": ""}, "no symbol"),
        ({"qty": None}, "no qty"),
        ({"qty": float("nan")}, "no qty"),
        ({"qty": "1,000"}, "has a comma"),
        ({"qty": "ten"}, "qty: 'ten' is not a number"),
        ({"qty": 0}, "qty is 0"),
        ({"side": "hold"}, "side must be buy or sell"),
        ({"qty": -5}, "the side is buy, and qty is negative"),
        ({"at": None}, "no time"),
        ({"at": "2026-03-02 10:00:00"}, "has no zone"),
        ({"at": "2026-13-02T10:00:00Z"}, "is not ISO 8601"),
        ({"at": "02.03.2026"}, "name the format"),
        ({"price": "-1"}, "price must be above zero"),
        ({None: ["x"]}, "more cells"),
    ],
)
def test_a_row_that_is_not_certain_is_unreadable(row, why):
    found = read(row)
    assert isinstance(found, m.UnreadableTrade)
    assert why in found.why
    assert found.line == 7


def test_columns_are_found_by_their_names_or_by_those_that_are_given():
    names = ["Ticker", "Shares", "Action", "Date", "Note"]
    expected = {"symbol": "Ticker", "qty": "Shares", "side": "Action", "at": "Date"}
    assert columns_of(names) == expected
    assert columns_of(names, {"strategy": "note"}) == {"strategy": "Note", **expected}
    assert columns_of(["symbol", "qty", "x", "at"], {"qty": "x"})["qty"] == "x"


@pytest.mark.parametrize(
    ("names", "given", "why"),
    [
        (["a"], {"colour": "a"}, "no field 'colour'"),
        (["symbol"], {"qty": "Size"}, "no column 'Size'"),
        (["symbol"], {}, "no column is known for qty, at"),
    ],
)
def test_a_column_that_is_missing_is_named(names, given, why):
    with pytest.raises(InvalidValue, match=why):
        columns_of(names, given)


@pytest.mark.parametrize("side", ["hold", 3])
def test_a_local_trade_is_valid(side):
    with pytest.raises(InvalidValue, match="side must be"):
        m.LocalTrade(symbol="A", side=side, qty=1, at="2026-03-02T15:00:00Z")


def trade(**fields):
    return m.LocalTrade(**{"symbol": "A", "side": "buy", "qty": 1, "at": ROW["at"], **fields})


def test_rows_that_say_the_same_are_counted_and_an_id_is_not():
    rows = [trade(), trade(qty=Decimal("1.0")), trade(trade_id="1"), trade(trade_id="1", qty=2)]
    found = identities([*rows, m.UnreadableTrade(1, "", "")])
    assert [x for _, _, x in found] == [1, 2, 1, 2, 1]
    names = [x for _, x, _ in found]
    assert names[0] != names[1]
    assert names[2] == names[3]
    assert identities(rows[1:2])[0][1] == names[0]  # the same in every file


FIELDS = {
    "strategy": st.sampled_from([None, "s", "st"]),
    "symbol": st.sampled_from(["A", "AA"]),
    "side": st.sampled_from(["buy", "sell"]),
    "qty": st.sampled_from([1, 11]),
    "client_order_id": st.sampled_from([None, "s", "1"]),
    "trade_id": st.sampled_from([None, "1", "A"]),
}


@given(first=st.fixed_dictionaries(FIELDS), second=st.fixed_dictionaries(FIELDS))
def test_two_identities_are_equal_only_for_equal_trades(first, second):
    a, b = (identities([trade(**x)])[0][1] for x in (first, second))
    both_named = first["trade_id"] is not None and second["trade_id"] is not None
    of = ("strategy", "trade_id") if both_named else tuple(FIELDS)
    assert (a == b) == all(first[x] == second[x] for x in of)
