"""What open orders keep back is remembered, and never differs from its definition."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from time import process_time

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Amendment, Lag, OrderFilter, Refused
from fillbook.venue.exchange.funds import Reserves, reserved
from tests.venue.floor import D, Day

SYMBOLS = ("AAPL", "MSFT", "BTC/USD")
BASES = {"AAPL": D(187), "MSFT": D(412), "BTC/USD": D(64255)}


def stir(day: Day, rng: random.Random) -> None:
    """A wish, a change, a cancel, another price, or another position."""
    symbol = rng.choice(SYMBOLS)
    near = (BASES[symbol] * rng.randrange(96, 105) / 100).quantize(Decimal("0.01"))
    units = D(rng.randrange(1, 20)) / (100 if "/" in symbol else 1)
    rest = [o for o in day.truth.orders() if not o.is_over]
    match rng.randrange(9):
        case 0 if rest:
            day.account.cancel(rng.choice(rest).id)
        case 1 if rest:
            order = rng.choice(rest)
            day.account.replace(order.id, Amendment(limit_price=near, qty=order.qty))
        case 2:
            day.exchange.quote(symbol, near, near + D("0.02"))
        case 3:
            day.exchange.transfer(day.account, symbol, units * rng.choice((1, -1)), near)
        case 4:
            day.submit(symbol=symbol, notional=200)
        case 5 if "/" not in symbol:
            day.submit(
                symbol=symbol,
                qty=units,
                limit_price=near,
                order_class="bracket",
                take_profit=near * 2,
                stop_loss=(near / 2).quantize(near),
            )
        case _:
            side = rng.choice(("buy", "sell"))
            wish = {"stop_price": near} if rng.random() < 0.2 else {"limit_price": near}
            day.submit(symbol=symbol, side=side, qty=units, **wish)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_remembered_is_what_the_definition_says(seed: int) -> None:
    day, rng = Day(partial_rate=0.4, seed=seed, cash=500_000), random.Random(seed)
    orders, floor = day.account.trading.orders, day.account.trading._floor
    reserves = Reserves(orders, floor.price)
    for _ in range(150):
        with suppress(Refused):
            stir(day, rng)
        balance, everything = day.account.history.ledger.now, orders.open()
        assert reserved(everything, balance, floor.price) == reserves.now(balance)
        for order in everything[:3]:
            others = [each for each in everything if each.id != order.id]
            expected = reserved(others, balance, floor.price)
            assert expected == reserves.now(balance, without=order)
        day.pass_(rng.choice((0.01, 0.3, 60)))


@pytest.mark.parametrize("seed", range(4))
def test_an_older_moment_is_what_it_was(seed: int) -> None:
    """Open orders of a moment ago are those that were listed then."""
    day, rng = Day(partial_rate=0.4, seed=seed), random.Random(seed)
    orders = day.account.trading.orders
    then = []
    for _ in range(80):
        day.pass_(0.01)
        with suppress(Refused):
            stir(day, rng)
        day.pass_(rng.choice((0.01, 0.3, 60)))
        then.append((day.clock.elapsed(), orders.open()))
    for moment, expected in then:
        assert expected == list(orders.open_at(moment))
        here = [order for order in expected if order.symbol == "AAPL"]
        assert here == list(orders.open_at(moment, "AAPL"))


def filled_book(size: int) -> Day:
    """A day with *size* resting orders of a hundred symbols."""
    day = Day(cash=10_000_000)
    for n in range(100):
        share = m.Instrument(f"S{n}", m.AssetClass.EQUITY, marginable=True)
        day.exchange.list_instrument(share, 100, 100)
    for n in range(size):
        day.submit(symbol=f"S{n % 100}", qty=1, limit_price=50)
    return day


def pace(day: Day) -> float:
    """How many seconds a hundred more orders take, at best."""
    took = []
    for _ in range(3):
        began = process_time()
        for n in range(100):
            day.submit(symbol=f"S{n}", qty=1, limit_price=50)
        took.append(process_time() - began)
    return min(took)


def test_the_next_order_costs_little_more_in_a_full_book() -> None:
    """Ten times the orders, and not ten times the time."""
    few, many = (pace(filled_book(size)) for size in (300, 3000))
    assert many < 4 * few


def test_views_of_a_full_book_are_right() -> None:
    day = filled_book(1000)
    day.exchange.lag = Lag(account=1, orders=1)
    day.pass_(2)
    assert D(20_000_000) - 1000 * 50 == day.account.figures().buying_power
    assert len(day.account.orders(OrderFilter())) == 1000
