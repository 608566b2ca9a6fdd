"""Quotes from the user's own bars and scripts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fillbook.errors import InvalidValue
from fillbook.venue.exchange.market.bars import quote_around, read_bars
from tests.venue.exchange.floor import D, Day, at

HEAD = "time,open,high,low,close,volume"
UP = "2026-11-20T15:00:00Z,100,104,99,103,5000"
DOWN = "2026-11-20T15:01:00Z,103,105,98,99,5000"


def bid(day: Day, symbol: str = "AAPL") -> Decimal:
    found = day.exchange.quote_of(symbol)
    assert found is not None
    return found.bid


def bids(day: Day, step_s: float, times: int, symbol: str = "AAPL") -> list[Decimal]:
    seen = [bid(day, symbol)]
    for _ in range(times):
        day.pass_(step_s)
        seen.append(bid(day, symbol))
    return seen


def test_a_rising_bar_reaches_its_low_first_and_a_falling_one_its_high() -> None:
    day = Day()
    day.exchange.play("AAPL", [HEAD, UP, DOWN], spread_bps=0)
    assert [D(p) for p in (100, 99, 104, 103, 103, 105, 98, 99)] == bids(day, 15, 7)


def test_bars_of_the_past_begin_now_and_those_to_come_at_their_time() -> None:
    day = Day(at("2026-11-20 16:00"))
    day.exchange.play("AAPL", [HEAD, UP], spread_bps=0)
    assert [D(100), D(99)] == bids(day, 15, 1)
    late = Day(at("2026-11-20 14:58"))
    late.exchange.play("AAPL", [HEAD, UP], spread_bps=0)
    late.pass_(119)
    assert D("187.00") == bid(late)
    late.pass_(1)
    assert D(100) == bid(late)


def test_bars_may_be_played_at_another_pace() -> None:
    day = Day()
    day.exchange.play("AAPL", [HEAD, UP, DOWN], spread_bps=0, bar_s=4)
    assert [D(p) for p in (100, 99, 104, 103, 103, 105, 98, 99)] == bids(day, 1, 7)


def test_orders_trade_at_what_is_played() -> None:
    day = Day()
    order = day.worked(limit_price="98.50")
    day.exchange.play("AAPL", [HEAD, UP, DOWN])
    day.pass_(60)
    assert day.status(order.id) == "new"
    day.pass_(60)
    assert day.status(order.id) == "filled"


def test_what_is_not_listed_is_listed() -> None:
    day = Day()
    day.exchange.play("QQQ", [HEAD, UP])
    day.exchange.play("SOL/USD", [HEAD, UP])
    assert day.worked(symbol="QQQ", qty="1.5").status == "filled"
    assert day.worked(symbol="SOLUSD", qty=1, time_in_force="gtc").status == "filled"


@pytest.mark.parametrize(
    ("price", "bps", "expected"),
    [
        ("100", "2", ("99.99", "100.01")),
        ("100", "0", ("100", "100")),
        ("0.5", "100", ("0.4975", "0.5025")),
        ("0.0001", "5000", ("0.0001", "0.0002")),
        ("187.005", "0", ("187.00", "187.01")),
    ],
)
def test_a_quote_is_rounded_to_ticks_around_its_price(
    price: str, bps: str, expected: tuple[str, str]
) -> None:
    found = quote_around(D(price), D(bps), None)
    assert (D(expected[0]), D(expected[1])) == (found.bid, found.ask)


def test_a_file_is_read_in_any_order_of_columns_and_any_spelling_of_time(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(
        "\ufeffClose, HIGH,Low,Open,Time,VOLUME\r\n103,104,99,100,1795186800,5000\r\n\r\n"
        "99,105,98,103,2026-11-20 10:01:00-05:00,5e3\r\n",
        "utf-8",
    )
    assert read_bars(path) == read_bars(str(path)) == read_bars([HEAD, UP, DOWN])


def test_a_time_without_a_zone_is_utc() -> None:
    assert read_bars([HEAD, UP.replace("Z", "")]) == read_bars([HEAD, UP])


BAD = {
    "empty": ([], "line 1: missing columns: time, open, high, low, close"),
    "no header": ([UP], "line 1: missing columns"),
    "no close": (["time,open,high,low", "x"], "line 1: missing columns: close;"),
    "no bar": ([HEAD], "the file has no bars"),
    "no time": ([HEAD, UP.replace("2026", "MMXX")], "line 2: 'MMXX-11-20T15:00:00Z' is not a time"),
    "far off": ([HEAD, "9" * 30 + ",1,1,1,1"], "line 2: .* is not a time"),
    "no number": ([HEAD, UP.replace("104", "n/a")], "line 2: high 'n/a' is not a number"),
    "not a number": ([HEAD, UP.replace("104", "nan")], "line 2: high 'nan' is not a number"),
    "zero": ([HEAD, UP.replace(",99,", ",0,")], "line 2: low 0 is not above zero"),
    "upside down": ([HEAD, UP.replace("104", "98")], "line 2: high 98 is below low 99"),
    "outside": ([HEAD, UP.replace("103", "109")], "line 2: close 109 is not between low 99 and"),
    "twice": ([HEAD, UP, "", UP], "line 4: .* is not later than the previous bar"),
    "volume": ([HEAD, UP.replace("5000", "-1")], "line 2: volume -1 is below zero"),
    "no volume": ([HEAD, UP.replace("5000", "many")], "line 2: volume 'many' is not a number"),
    "short": ([HEAD, UP, "2026-11-20T15:01:00Z,1"], "line 3: the line has only 2 columns"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_bar_is_named_with_its_line(name: str) -> None:
    lines, words = BAD[name]
    with pytest.raises(InvalidValue, match=f"^the bars(, |: ){words}"):
        Day().exchange.play("AAPL", lines)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"none\.csv cannot be read"):
        read_bars(tmp_path / "none.csv")
    (tmp_path / "xls.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InvalidValue, match=r"xls\.csv cannot be read"):
        read_bars(tmp_path / "xls.csv")


def test_a_script_sets_markets_at_its_times() -> None:
    day = Day()
    day.exchange.script([(20, "MSFT", 400, 401), (10, "AAPL", 150, 151), (10, "MSFT", 399, 400)])
    day.pass_(9)
    assert (D("187.00"), D("412.30")) == (bid(day), bid(day, "MSFT"))
    day.pass_(1)
    assert (D(150), D(399)) == (bid(day), bid(day, "MSFT"))
    day.pass_(10)
    assert D(400) == bid(day, "MSFT")
