"""The views of a client: lists, the lag of each view, the history."""

from __future__ import annotations

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Lag, OrderFilter
from tests.venue.exchange.floor import EVERY, D, Day


def test_lists_are_filtered_by_scope_symbol_side_time_and_order() -> None:
    day = Day()
    first, second = day.worked(), day.worked(symbol="MSFT", qty=1)
    third = day.worked(limit_price="150")

    def ids(**which: object) -> list[str]:
        which = {"scope": "all", "oldest_first": True, **which}
        return [order.id for order in day.account.orders(OrderFilter(**which))]  # type: ignore[arg-type]

    assert [third.id] == ids(scope="open")
    assert [first.id, second.id] == ids(scope="closed")
    assert [third.id, second.id, first.id] == ids(oldest_first=False)
    assert [second.id] == ids(symbols=frozenset({"MSFT"}))
    assert ids(side=m.OrderSide.SELL) == []
    assert [second.id, third.id] == ids(after=first.submitted_at)
    assert [first.id] == ids(until=second.submitted_at)
    assert [second.id, third.id] == ids(after_order_id=first.id)
    assert [first.id, second.id] == ids(before_order_id=third.id)
    assert [first.id, second.id] == ids(limit=2)


def test_legs_are_nested_or_rows_of_their_own() -> None:
    day = Day()
    entry = day.worked(
        order_class="bracket", take_profit="200", stop_loss="180", time_in_force="gtc"
    )
    nested = day.account.orders(EVERY)
    assert [(entry.id, 2)] == [(order.id, len(order.legs)) for order in nested]
    flat = day.account.orders(OrderFilter(scope="all", oldest_first=True, nested=False))
    assert [entry.id, *entry.leg_ids] == [order.id for order in flat]
    assert [entry.id] == [order.id for order in day.account.orders(OrderFilter())]


def test_each_view_lags_by_itself() -> None:
    day = Day()
    day.pass_(100)
    day.exchange.lag = Lag(orders=10)
    seen = set()
    for n in range(8):
        order = day.submit(client_order_id=f"c{n}")
        day.pass_(5)
        assert D(10) * (n + 1) == day.account.positions()[0].qty  # positions do not lag
        found = day.account.order(order.id)
        seen.add(found and found.status)
    assert "filled" in seen
    assert seen - {"filled"}


def test_positions_may_be_old_while_orders_are_new() -> None:
    day = Day()
    day.pass_(100)
    day.exchange.lag = Lag(positions=10)
    counts = []
    for _ in range(6):
        order = day.submit()
        day.pass_(3)
        found = day.account.order(order.id)
        assert found is not None
        assert found.status == "filled"
        counts.append(sum(row.qty for row in day.account.positions()))
    assert counts != [10 * n for n in range(1, 7)]


def test_an_old_account_view_jumps_back_and_forth() -> None:
    day = Day()
    day.pass_(100)
    day.exchange.lag = Lag(account=10)
    day.submit(qty=100)
    day.pass_(5)
    cash = [day.account.report().cash for _ in range(12)]
    assert {D(100_000), D("81298")} == set(cash)
    assert cash not in (sorted(cash), sorted(cash, reverse=True))


def test_the_history_lags_and_then_is_there() -> None:
    day = Day()
    day.exchange.lag = Lag(history=10)
    day.worked()
    assert day.account.fills() == []
    day.pass_(10)
    assert len(day.account.fills()) == 1


def test_a_position_is_found_in_any_spelling() -> None:
    day = Day()
    day.worked(symbol="BTC/USD", qty="0.1")
    spellings = ["BTC/USD", "BTCUSD", day.exchange.instrument_id("BTC/USD")]
    held = [day.account.position(spelling) for spelling in spellings]
    assert [holding and holding.symbol for holding in held] == ["BTC/USD"] * 3
    assert day.account.position("ETHUSD") is None


def test_figures_add_up() -> None:
    day = Day()
    day.worked(qty=100)
    day.exchange.assign(day.account, "MSFT", -10, 400)
    figures = day.account.report()
    market = sum(holding.market_value for holding in day.account.positions())
    assert figures.equity == figures.cash + market
    assert market == figures.long_market_value + figures.short_market_value
    assert D("-4123.30") == figures.short_market_value


@pytest.mark.parametrize("seed", [1, 2])
def test_ids_are_decided_by_the_seed(seed: int) -> None:
    ids = [Day(seed=seed).submit().id for _ in range(2)]
    assert ids[0] == ids[1]
    assert ids[0] != Day(seed=3).submit().id
