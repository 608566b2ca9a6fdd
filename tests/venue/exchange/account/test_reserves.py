"""The kept totals of the reserves of open orders always equal their definition."""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Amendment, Lag, OrderFilter, OrderVersion, Refused, Ticket
from fillbook.venue.exchange.account.funds import reserved_units, total_reserved
from fillbook.venue.exchange.market.matching import (
    LIMIT_TYPES,
    Prices,
    is_wash_checked,
    trade_price,
    triggers,
)
from tests.venue.exchange.floor import D, Day, ticket

SYMBOLS = ("AAPL", "MSFT", "BTC/USD")
BASES = {"AAPL": D(187), "MSFT": D(412), "BTC/USD": D(64255)}


def stir(day: Day, rng: random.Random) -> None:
    """A request, a change, a cancel, another price, or another position."""
    symbol = rng.choice(SYMBOLS)
    near = (BASES[symbol] * rng.randrange(96, 105) / 100).quantize(Decimal("0.01"))
    units = D(rng.randrange(1, 20)) / (100 if "/" in symbol else 1)
    rest = [o for o in day.truth.orders() if not o.is_final]
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
        case 6 if "/" not in symbol:
            kind = rng.choice(("oco", "trailing"))
            held = day.truth.positions().get(symbol, D(0))
            wish = {"symbol": symbol, "side": "sell" if held > 0 else "buy", "qty": units}
            if kind == "trailing":
                day.submit(type="trailing_stop", trail_percent=rng.randrange(1, 4), **wish)
            else:
                exits = {"take_profit": near, "stop_loss": (near * 9 / 10).quantize(near)}
                day.submit(type="limit", order_class="oco", **wish, **exits)
        case _:
            side = rng.choice(("buy", "sell"))
            stop = {"stop_price": near} if rng.random() < 0.3 else {}
            limit = {"limit_price": near} if not stop or rng.random() < 0.5 else {}
            day.submit(symbol=symbol, side=side, qty=units, **stop, **limit)


def clashes(wish: Ticket, order: OrderVersion) -> bool:
    """The wash rule, for one pair."""
    if order.side is wish.side or not (is_wash_checked(wish) and is_wash_checked(order)):
        return False
    if not {wish.type, order.type} <= LIMIT_TYPES:
        return True
    buy, sell = (wish, order) if wish.side is m.OrderSide.BUY else (order, wish)
    return (buy.limit_price or 0) >= (sell.limit_price or 0)


def check_by_price(day: Day, symbol: str) -> None:
    """Orders that a price reaches, or that an order would match, are found without a full scan."""
    orders, prices = day.account.trading.orders, day.account.trading._state.price(symbol)
    here, everything = orders.resting(symbol), orders.open(symbol)
    for shift in (D("0.97"), D(1), D("1.03")):
        market = Prices(prices.bid * shift, prices.ask * shift)
        left = [o for o in everything if o.id not in here.marketable(market)]
        for order in left:
            assert order.type is not m.OrderType.TRAILING_STOP
            assert trade_price(order, market) is None
            assert order.stop_price is None or order.is_triggered or not triggers(order, market)
        for side in m.OrderSide:
            limit = ticket(symbol=symbol, side=side, limit_price=market.mid)
            for wish in (limit, ticket(symbol=symbol, side=side)):
                expected = any(clashes(wish, order) for order in everything)
                assert expected == any(clashes(wish, order) for order in here.wash_candidates(side))


@pytest.mark.parametrize("seed", range(12))
def test_the_kept_totals_equal_the_definition(seed: int) -> None:
    day, rng = Day(partial_rate=0.4, seed=seed, cash=500_000), random.Random(seed)
    orders, floor = day.account.trading.orders, day.account.trading._state
    for _ in range(150):
        with suppress(Refused):
            stir(day, rng)
        balance, everything = day.account.history.ledger.now, orders.open()
        assert total_reserved(everything, balance, floor.price) == orders.reserved(
            balance, floor.price
        )
        for order in everything[:3]:
            others = [each for each in everything if each.id != order.id]
            expected = total_reserved(others, balance, floor.price)
            assert expected == orders.reserved(balance, floor.price, without=order)
            here = [each for each in others if each.symbol == order.symbol]
            units = sum(reserved_units(here, order.side).values())
            prices = floor.price(order.symbol)
            assert units == orders.resting(order.symbol).reserved_qty(order.side, prices, order)
        check_by_price(day, rng.choice(SYMBOLS))
        day.pass_(rng.choice((0.01, 0.3, 60)))


@pytest.mark.parametrize("seed", range(4))
def test_an_older_moment_is_what_it_was(seed: int) -> None:
    """The open orders at an earlier time are those that were listed then."""
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


def filled_book(size: int, symbols: int) -> Day:
    """A day with *size* resting orders of some *symbols*."""
    day = Day(cash=10_000_000)
    for n in range(symbols):
        share = m.Instrument(f"S{n}", m.AssetClass.EQUITY, marginable=True)
        day.exchange.list_instrument(share, 100, 100)
    for n in range(size):
        day.submit(symbol=f"S{n % symbols}", qty=1, limit_price=50 + n % 40)
    return day


def calls(day: Day, symbols: int) -> int:
    """The number of calls of functions that ten more orders and a quote take."""
    count = 0

    def note(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        for n in range(10):
            day.submit(symbol=f"S{n % symbols}", qty=1, limit_price=50)
        day.exchange.quote("S0", 100, 101)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("symbols", [1, 50])
def test_the_next_order_costs_little_more_in_a_full_book(symbols: int) -> None:
    """Ten times the orders, of one symbol or of many, need less than twice the calls."""
    few, many = (calls(filled_book(size, symbols), symbols) for size in (60, 600))
    assert many < 2 * few


def test_views_of_a_full_book_are_right() -> None:
    day = filled_book(1000, symbols=100)
    day.exchange.lag = Lag(account=1, orders=1)
    day.pass_(2)
    assert D(20_000_000) - 1000 * D("69.5") == day.account.report().buying_power
    assert len(day.account.orders(OrderFilter())) == 1000
