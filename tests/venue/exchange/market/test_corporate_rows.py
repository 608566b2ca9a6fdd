"""Splits by pairs of rows, mergers, spin-offs, dividends in shares: positions, orders and rows."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from fillbook import model as m
from fillbook.brokers.alpaca.wire import account
from fillbook.venue.alpaca import responses
from fillbook.venue.exchange import Posting, Refused, SplitRows
from tests.venue.exchange.floor import D, Day

PAIR = Posting(split_rows=SplitRows.EXCHANGED)


def held(qty: int = 10) -> Day:
    """A day with *qty* AAPL at 187."""
    day = Day()
    day.exchange.transfer(day.account, "AAPL", qty, 187)
    return day


def rows_of(day: Day) -> list[tuple[Any, ...]]:
    return [(x.kind, x.symbol, x.qty, x.cash, x.ratio) for x in day.account.activities()[1:]]


def cost(day: Day, symbol: str) -> Any:
    position = day.account.position(symbol)
    assert position is not None
    return position.cost_basis


def test_a_split_may_be_a_row_that_removes_and_one_that_adds() -> None:
    day = held()
    day.exchange.split("AAPL", 3, posting=PAIR)
    assert {"AAPL": D(30)} == day.truth.positions() == day.truth.net_positions()
    assert [
        ("SPLIT", "AAPL", D(-10), None, None),
        ("SPLIT", "AAPL", D(30), None, None),
    ] == rows_of(day)
    assert len({x.group_id for x in day.truth.activities()[1:]} - {None}) == 1
    assert D(1870) == cost(day, "AAPL")


def test_a_split_may_be_one_row_without_a_ratio() -> None:
    day = held(-10)
    day.exchange.split("AAPL", "0.1", posting=Posting(split_rows=SplitRows.ADDED))
    assert [("SPLIT", "AAPL", D(9), None, None)] == rows_of(day)
    assert {"AAPL": D(-1)} == day.truth.positions()


@pytest.mark.parametrize("rows", SplitRows)
def test_the_fraction_of_a_split_is_paid_as_cash(rows: SplitRows) -> None:
    """105 shares one for ten at 1,870.10: ten are left, and 935.05 for the half."""
    day = held(105)
    day.exchange.split("AAPL", "0.1", whole=True, posting=Posting(split_rows=rows))
    assert {"AAPL": D(10)} == day.truth.positions() == day.truth.net_positions()
    paid = sum(x.cash or 0 for x in day.truth.activities()[1:])
    assert (D("935.05"), D("100935.05")) == (paid, day.truth.cash())


def test_rows_may_be_listed_later_or_earlier_than_the_positions_change() -> None:
    late, early = held(), held()
    late.exchange.split("AAPL", 2, posting=Posting(delay_s=3600))
    early.exchange.split("AAPL", 2, posting=Posting(delay_s=-3600))
    assert ({"AAPL": D(20)}, []) == (late.truth.positions(), rows_of(late))
    assert ({"AAPL": D(10)}, 1) == (early.truth.positions(), len(rows_of(early)))
    moment = early.clock.now()
    for day in (late, early):
        day.pass_(3600)
        assert {"AAPL": D(20)} == day.truth.positions()
    assert rows_of(late) == rows_of(early)
    assert late.truth.activities()[-1].at < early.truth.activities()[-1].at
    assert m.moment(early.truth.activities()[-1].at) > moment


def test_a_merger_into_shares_and_cash_ends_a_symbol_and_its_orders() -> None:
    day = held()
    order = day.worked(time_in_force="gtc", limit_price="150")
    day.exchange.merge("AAPL", "NEWX", ratio="0.5", cash="12.50")
    assert {"NEWX": D(5)} == day.truth.positions() == day.truth.net_positions()
    assert ("canceled", D(100_125)) == (day.status(order.id), day.truth.cash())
    assert [
        ("MA", "AAPL", D(-10), None),
        ("MA", "NEWX", D(5), None),
        ("MA", "AAPL", None, D("125.00")),
    ] == [row[:4] for row in rows_of(day)]
    assert D(1870) == cost(day, "NEWX")
    assert day.refusal().message == 'asset "AAPL" not found'


def test_a_merger_for_cash_leaves_cash_and_one_for_nothing_leaves_nothing() -> None:
    day = held()
    day.exchange.merge("AAPL", cash=200)
    assert ({}, D(102_000)) == (day.truth.positions(), day.truth.cash())
    day = held()
    day.exchange.merge("AAPL")
    assert ({}, D(100_000)) == (day.truth.positions(), day.truth.cash())
    assert [("REORG", "AAPL", D(-10), None, None)] == rows_of(day)


def test_a_merger_into_a_symbol_that_is_held_adds_to_it() -> None:
    day = held()
    day.exchange.transfer(day.account, "MSFT", 3, 400)
    day.exchange.merge("AAPL", "MSFT", ratio="0.25", whole=True)
    assert {"MSFT": D(5)} == day.truth.positions() == day.truth.net_positions()
    assert D(3070) == cost(day, "MSFT")


def test_a_spin_off_adds_a_symbol() -> None:
    day = held(11)
    day.exchange.spin_off("AAPL", "SPUN", ratio="0.1", price=20, whole=True)
    assert {"AAPL": D(11), "SPUN": D(1)} == day.truth.positions() == day.truth.net_positions()
    row = day.truth.activities()[1]
    assert ("SPIN", "SPUN", D(1), "AAPL") == (row.kind, row.symbol, row.qty, row.source)
    assert D(100_002) == day.truth.cash()
    assert day.worked(symbol="SPUN", side="sell", qty=1).status == "filled"


def test_a_dividend_in_shares_moves_units_and_no_cash() -> None:
    day = held()
    day.exchange.stock_dividend("AAPL", "0.05")
    assert {"AAPL": D("10.50")} == day.truth.positions() == day.truth.net_positions()
    assert ("DIV", "AAPL", D("0.50"), None, None) == rows_of(day)[0]


def test_a_fill_from_before_a_pair_of_rows_is_busted_with_what_it_has_become() -> None:
    day = Day()
    day.worked(qty=5)
    fill = day.truth.fills()[0]
    day.exchange.split("AAPL", 3, posting=PAIR)
    day.exchange.bust(fill.exec_id)
    assert {} == day.truth.positions() == day.truth.net_positions()


def test_alpacas_adapter_reads_the_rows_as_what_they_are() -> None:
    day = held()
    day.exchange.split("AAPL", 3, posting=PAIR)
    day.exchange.spin_off("AAPL", "SPUN", ratio=1, price=20)
    day.exchange.stock_dividend("AAPL", "0.1")
    day.exchange.journal(day.account, "MSFT", 2, 400)
    day.exchange.merge("AAPL", "NEWX", ratio=2, cash=1)
    rows = [responses.activity(each) for each in day.truth.activities()[1:]]
    assert rows[0]["description"] == "REMOVE, From QTY:10, To QTY:30, Position Value:1870.1"
    K = m.ActivityKind
    read = account.activities(rows)
    assert [
        (K.SPLIT, "AAPL", D(-10), D(0)),
        (K.SPLIT, "AAPL", D(30), D(0)),
        (K.SPIN_OFF, "SPUN", D(30), D(0)),
        (K.DIVIDEND, "AAPL", D(3), D(0)),
        (K.TRANSFER, "MSFT", D(2), D(0)),
        (K.MERGER, "AAPL", D(-33), D(0)),
        (K.MERGER, "NEWX", D(66), D(0)),
        (K.MERGER, "AAPL", None, D(33)),
    ] == [(x.kind, x.symbol, x.qty, x.cash) for x in read]
    assert read[0].group_id == read[1].group_id is not None
    assert ("AAPL", D(3)) == (read[2].source, read[0].ratio)


@pytest.mark.parametrize("seed", range(10))
def test_books_add_up_whatever_companies_do(seed: int) -> None:
    """Units and cash, with random orders, splits, mergers, spin-offs and dividends."""
    day, rng = Day(partial_rate=0.3, seed=seed), random.Random(seed)
    names = ["AAPL", "MSFT", "F"]
    for n in range(60):
        symbol, whole = rng.choice(names), rng.random() < 0.5
        posting = Posting(split_rows=rng.choice(list(SplitRows)))
        match rng.randrange(8):
            case 0:
                ratio = rng.choice(("2", "3", "0.5", "0.1"))
                day.exchange.split(symbol, ratio, whole=whole, posting=posting)
            case 1:
                day.exchange.stock_dividend(symbol, "0.05", whole=whole)
            case 2:
                day.exchange.spin_off(symbol, f"S{n}", ratio="0.2", price=7, whole=whole)
                names.append(f"S{n}")
            case 3 if len(names) > 2:
                names.remove(symbol)
                day.exchange.merge(symbol, rng.choice(names), ratio="0.7", cash="1.1", whole=whole)
            case _:
                with suppress(Refused):
                    day.submit(
                        symbol=symbol, side=rng.choice(("buy", "sell")), qty=rng.randrange(1, 9)
                    )
        day.pass_(rng.choice((0.01, 5, 60)))
        assert day.truth.positions() == day.truth.net_positions()
    traded = sum(-fill.side.sign * fill.qty * fill.price for fill in day.truth.fills())
    paid = sum(row.cash or D(0) for row in day.truth.activities())
    assert day.truth.cash() == 100_000 + traded + paid
