"""Exports: every table in every format, with exact numbers; a library that is missing is named."""

import csv
import json
import sys
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook.desk.record.export.tables import TABLES
from tests.bench import Bench

EXACT = Decimal("0.123456789")


@pytest.fixture(scope="module")
def book():
    """A record with two strategies, an external order, a denied one and a fraction of a coin."""
    bench = Bench()
    bench.exchange.quote("BTC/USD", "60000.01", "60000.02")
    bench.desk.buy("AAPL", qty=10, strategy="s", reference_price="187.00", key="=1+1")
    bench.desk.buy("BTC/USD", qty=EXACT)
    bench.by_hand("MSFT", "buy", 3)
    bench.pass_(30)
    bench.desk.sell("AAPL", qty=10, strategy="s")
    bench.resting(key="k")
    bench.pass_(30)
    return bench.desk.book


def rows_of(book, what):
    values = {
        "orders": book.orders,
        "fills": book.all_fills,
        "trades": book.trades,
        "positions": book.positions,
        "pnl": lambda: book.pnl().rows,
        "slippage": book.slippage,
    }
    return values[what]()


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_a_table_is_written_with_every_row(book, tmp_path, name, what):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"x.{name}"
    count = book.export(name, path, what=what)
    assert count == len(rows_of(book, what)) > 0
    assert len(read(name, path)) == count
    assert list(read(name, path)[0]) == [x.name for x in TABLES[what]]


def read(name, path):
    if name == "csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if name == "jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()


def test_numbers_are_exact_and_what_is_unknown_is_empty(book, tmp_path):
    book.export("csv", tmp_path / "a.csv", what="orders")
    book.export("jsonl", tmp_path / "a.jsonl", what="orders")
    in_csv, in_json = read("csv", tmp_path / "a.csv"), read("jsonl", tmp_path / "a.jsonl")
    for number, order in enumerate(book.orders()):
        assert Decimal(in_csv[number]["qty"]) == order.qty
        assert in_json[number]["qty"] == in_csv[number]["qty"]
        assert in_csv[number]["limit_price"] == ("" if order.limit_price is None else "150")
        assert in_json[number]["strategy"] == order.strategy
        assert in_json[number]["created_at"] == order.created_at


def test_parquet_keeps_decimals_and_nanoseconds(book, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    book.export("parquet", tmp_path / "a.parquet", what="fills")
    found = parquet.read_table(tmp_path / "a.parquet")
    assert str(found.schema.field("at").type) == "timestamp[ns, tz=UTC]"
    assert found.column("qty").to_pylist() == [x.qty for x in book.all_fills()]


def test_a_frame_of_pandas_has_decimals_and_times(book):
    pandas = pytest.importorskip("pandas")
    frame = book.to_pandas("fills")
    assert list(frame["qty"]) == [x.qty for x in book.all_fills()]
    assert str(frame["at"].dtype) == "datetime64[ns, UTC]"
    assert frame["at"][0] == pandas.Timestamp(book.all_fills()[0].at)
    assert len(book.to_pandas()) == len(book.trades())


def test_a_frame_of_polars_has_decimals_and_times(book):
    polars = pytest.importorskip("polars")
    frame = book.to_polars("fills")
    assert frame["qty"].to_list() == [x.qty for x in book.all_fills()]
    assert frame["qty"].dtype == polars.Decimal(38, 9)
    assert frame["at"].dtype == polars.Datetime("ns", "UTC")
    assert frame["strategy"].to_list() == [x.strategy for x in book.all_fills()]
    assert len(book.to_polars()) == len(book.trades())


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("pyarrow", lambda book, path: book.export("parquet", path)),
        ("pandas", lambda book, path: book.to_pandas()),
        ("polars", lambda book, path: book.to_polars()),
    ],
)
def test_a_library_that_is_missing_is_named(book, tmp_path, monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    extra = "parquet" if module == "pyarrow" else module
    with pytest.raises(fb.ExtraMissing, match=rf"{module} is not installed: .*fillbook\[{extra}\]"):
        call(book, tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "what", "why"),
    [
        ("xlsx", "orders", "format must be one of csv, jsonl, parquet"),
        ("csv", "cash", "what must be one of orders, fills"),
        ("csv", "orders", "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_named(book, tmp_path, name, what, why):
    with pytest.raises(fb.InvalidValue, match=why):
        book.export(name, tmp_path / "none" / "a", what=what)
