"""Splits, dividends, symbol changes: their effect on positions, and on the record of a desk."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from fillbook import model as m
from fillbook.brokers.alpaca.wire import account
from fillbook.venue.alpaca import responses
from fillbook.venue.exchange import Refused
from tests.bench import Bench
from tests.venue.exchange.floor import D, Day

V = m.Verdict
REST: dict[str, Any] = {"time_in_force": "gtc", "limit_price": "150"}


def test_a_forward_split_adjusts_plain_orders_good_till_canceled() -> None:
    day = Day()
    order = day.worked(**REST)
    with day.heard() as events:
        day.exchange.split("AAPL", 3)
    found = day.truth.order(order.id)
    assert (D(30), D(50), "new") == (found.qty, found.limit_price, found.status)
    assert [event.name for event in events] == ["restated"]


def test_a_forward_split_adjusts_what_trails_and_triggers_nothing() -> None:
    day = Day()
    day.exchange.transfer(day.account, "AAPL", 20, 187)
    trail = {"type": "trailing_stop", "trail_price": "5"}
    stops = [
        day.worked(side="sell", time_in_force="gtc", **wish)
        for wish in ({"stop_price": "180"}, trail)
    ]
    day.exchange.split("AAPL", 2)
    day.pass_(1)
    assert [(D(90), D(20), "new"), (D(91), D(20), "new")] == [
        (order.stop_price, order.qty, order.status)
        for order in (day.truth.order(stop.id) for stop in stops)
    ]
    day.exchange.quote("AAPL", 100, 100)
    assert D("97.50") == day.truth.order(stops[1].id).stop_price


def test_a_split_triggers_the_stop_of_a_group() -> None:
    """A bracket is not reduced: its stop is above the market of the next day."""
    day = Day()
    entry = day.worked(
        order_class="bracket", take_profit="200", stop_loss="180", time_in_force="gtc"
    )
    day.exchange.split("AAPL", 2)
    assert day.status(entry.leg_ids[1]) == "filled"
    assert {"AAPL": D(10)} == day.truth.positions()


@pytest.mark.parametrize(
    "wish",
    [
        {"time_in_force": "day"},
        {"order_class": "bracket", "take_profit": "400", "stop_loss": "100"},
        {"qty": "1.5", "time_in_force": "day"},
    ],
)
def test_a_split_leaves_all_other_orders_as_they_are(wish: dict[str, Any]) -> None:
    day = Day()
    order = day.worked(**REST | wish)
    day.exchange.halt("AAPL")
    day.exchange.split("AAPL", 3)
    found = day.truth.order(order.id)
    assert (order.qty, order.limit_price) == (found.qty, found.limit_price)


@pytest.mark.parametrize(("ratio", "adjusts"), [("0.5", True), (3, False), ("1.25", True)])
def test_no_order_is_adjusted_by_a_reverse_split_to_a_fraction_or_with_adjusts_false(
    ratio: object, adjusts: bool
) -> None:
    day = Day()
    order = day.worked(**REST)
    day.exchange.halt("AAPL")
    day.exchange.split("AAPL", ratio, adjusts=adjusts)  # type: ignore[arg-type]
    assert D(10) == day.truth.order(order.id).qty


def test_a_split_counts_what_had_filled_as_it_was() -> None:
    day = Day()
    order = day.worked(**REST)
    day.exchange.fill(order.id, 4, 150)
    day.exchange.split("AAPL", 2)
    assert (D(16), D(8)) == (day.truth.order(order.id).qty, day.truth.positions()["AAPL"])
    day.exchange.quote("AAPL", 70, 70)
    assert day.status(order.id) == "filled"
    assert {"AAPL": D(20)} == day.truth.positions() == day.truth.net_positions()


def test_a_reverse_split_leaves_exact_fractions() -> None:
    day = Day()
    day.worked(qty=5)
    day.exchange.split("AAPL", "0.5")
    assert {"AAPL": D("2.5")} == day.truth.positions() == day.truth.net_positions()


def test_a_dividend_is_paid_to_who_holds_and_by_who_is_short() -> None:
    day = Day()
    other = day.exchange.open_account("other")
    day.exchange.transfer(day.account, "AAPL", 10, 187)
    day.exchange.transfer(other, "AAPL", -4, 187)
    day.exchange.dividend("AAPL", "0.25")
    assert D("100002.50") == day.truth.cash()
    assert D(99_999) == other.truth.cash()
    assert {"AAPL": D(10)} == day.truth.net_positions()
    row = day.truth.activities()[-1]
    assert (D(10), D("0.25"), D("2.50")) == (row.qty, row.per_share, row.cash)


def test_a_dividend_without_a_position_leaves_no_row() -> None:
    day = Day()
    day.exchange.dividend("AAPL", 1)
    assert day.truth.activities() == []


def test_another_name_is_that_of_position_order_and_quote() -> None:
    day = Day()
    day.worked()
    order = day.worked(**REST)
    named = day.exchange.instrument_id("AAPL")
    day.exchange.rename("AAPL", "APLE")
    assert (None, named) == (day.exchange.instrument("AAPL"), day.exchange.instrument_id("APLE"))
    found = day.exchange.instrument(named)
    assert found is not None
    assert found.symbol == "APLE"
    assert {"APLE": D(10)} == day.truth.positions() == day.truth.net_positions()
    assert day.truth.order(order.id).symbol == "APLE"
    assert day.refusal().message == 'asset "AAPL" not found'
    day.exchange.quote("APLE", 149, 149)
    assert ("filled", D(20)) == (day.status(order.id), day.truth.positions()["APLE"])
    assert day.worked(symbol="APLE", side="sell", qty=20).status == "filled"


def test_a_symbol_change_is_two_linked_rows() -> None:
    day = Day()
    day.worked()
    day.exchange.rename("AAPL", "APLE")
    rows = day.truth.activities()
    assert [("NC", "AAPL", D(-10)), ("NC", "APLE", D(10))] == [
        (row.kind, row.symbol, row.qty) for row in rows
    ]
    assert len({row.group_id for row in rows}) == 1


def test_a_fill_from_before_is_busted_under_the_new_name() -> None:
    day = Day()
    day.worked()
    fill = day.truth.fills()[0]
    day.exchange.rename("AAPL", "APLE")
    day.exchange.bust(fill.exec_id)
    assert day.truth.positions() == {} == day.truth.net_positions()
    assert D(100_000) == day.truth.cash()


def test_a_fill_from_before_a_split_is_busted_with_what_it_has_become() -> None:
    day = Day()
    day.worked(qty=5)
    first = day.truth.fills()[0]
    day.worked(qty=2)
    day.exchange.split("AAPL", 2)
    day.exchange.rename("AAPL", "APLE")
    day.exchange.split("APLE", 3)
    day.exchange.split("MSFT", 7)
    day.exchange.bust(first.exec_id)
    assert {"APLE": D(12)} == day.truth.positions() == day.truth.net_positions()


def test_a_walk_and_a_halt_follow_the_name() -> None:
    day = Day()
    day.exchange.walk("AAPL")
    day.exchange.halt("AAPL")
    day.exchange.rename("AAPL", "APLE")
    before = day.exchange.quote_of("APLE")
    day.pass_(30)
    assert before != day.exchange.quote_of("APLE")
    assert day.worked(symbol="APLE").status == "new"


@pytest.mark.parametrize(("old", "new"), [("NOPE", "APLE"), ("AAPL", "MSFT"), ("AAPL", "F")])
def test_a_name_that_is_taken_or_unknown_is_refused(old: str, new: str) -> None:
    day = Day()
    if new == "F":  # it once was
        day.exchange.rename("F", "FORD")
    with pytest.raises(ValueError, match="cannot be renamed"):
        day.exchange.rename(old, new)


def test_an_older_view_shows_the_older_name() -> None:
    day = Day()
    day.worked()
    day.pass_(60)
    day.exchange.rename("AAPL", "APLE")
    day.faults.fail("show-positions", "stale-snapshot", seconds=5)
    assert [held.symbol for held in day.account.positions()] == ["AAPL"]
    assert [held.symbol for held in day.account.positions()] == ["APLE"]


# On the wire ----------------------------------------------------------------------------------


def test_alpacas_adapter_reads_the_rows_as_what_they_are() -> None:
    """Units move with a symbol change and with a split, cash alone with a dividend."""
    day = Day()
    day.worked()
    day.exchange.dividend("AAPL", "0.25")
    day.exchange.split("AAPL", 2)
    day.exchange.rename("AAPL", "APLE")
    rows = [responses.activity(each) for each in day.truth.activities()]
    subs = [each["activity_sub_type"] for each in rows]
    assert subs == ["CDIV", "FSPLIT", "SNC", "SNC"]
    assert tuple(rows[0][name] for name in ("qty", "per_share_amount", "net_amount")) == (
        "10",
        "0.25",
        "2.5",
    )
    K = m.ActivityKind
    assert [
        (K.DIVIDEND, "AAPL", None, D("2.50")),
        (K.SPLIT, "AAPL", D(10), D(0)),
        (K.SYMBOL_CHANGE, "AAPL", D(-20), D(0)),
        (K.SYMBOL_CHANGE, "APLE", D(20), D(0)),
    ] == [(each.kind, each.symbol, each.qty, each.cash) for each in account.activities(rows)]


# What a desk makes of it ----------------------------------------------------------------------


def held(bench: Bench) -> dict[str, Any]:
    return {each.symbol: each.qty for each in bench.desk.book.positions() if each.qty}


def test_a_desk_explains_a_change_of_name_by_its_rows() -> None:
    """No phantom and no untracked position: the symbol changes at the same cost."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(10)
    bench.exchange.rename("AAPL", "APLE")
    bench.clock.advance(30)
    findings = bench.desk.check().findings
    assert {m.Confidence.EXPLAINED} == {each.confidence for each in findings}
    assert {"AAPL": D(-10), "APLE": D(10)} == {
        each.drift.symbol: each.drift.qty
        for each in findings
        if isinstance(each.drift, m.HappenedWithoutTrade)
    }
    report = bench.desk.sync()
    assert (report.verdict, report.left) == (V.IN_SYNC, ())
    assert {"APLE": D(10)} == held(bench)
    assert bench.is_true()


def test_a_desk_follows_an_order_to_its_new_name() -> None:
    bench = Bench()
    order = bench.resting(time_in_force="gtc")
    bench.pass_(10)
    bench.exchange.rename("AAPL", "APLE")
    bench.exchange.fill(order.broker_order_id)
    bench.clock.advance(30)
    report = bench.desk.sync()
    assert (V.IN_SYNC, {"APLE": D(10)}) == (report.verdict, held(bench))
    assert bench.desk.book.order(order.client_order_id).status == "filled"


def test_a_desk_books_a_dividend_as_cash_and_no_units() -> None:
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(10)
    bench.exchange.dividend("AAPL", "0.25")
    bench.clock.advance(30)
    assert bench.desk.sync().verdict is V.IN_SYNC
    assert bench.is_true()


def test_a_desk_follows_an_order_that_a_split_adjusted() -> None:
    bench = Bench()
    bench.silently("AAPL", 6, "187")
    order = bench.resting(time_in_force="gtc")
    bench.pass_(10)
    bench.exchange.split("AAPL", 2)
    bench.clock.advance(30)
    bench.desk.sync()
    bench.exchange.quote("AAPL", "74", "74.02")
    bench.clock.advance(30)
    bench.desk.sync()
    assert {"AAPL": D(32)} == held(bench)
    assert bench.desk.book.order(order.client_order_id).status == "filled"
    assert bench.is_true()


def test_a_listening_desk_receives_restated_orders() -> None:
    bench = Bench()
    with bench.streamed():
        order = bench.resting(time_in_force="gtc")
        bench.pass_(10)
        bench.exchange.split("AAPL", 2)
        bench.exchange.rename("AAPL", "APLE")
        bench.pass_(10)
        bench.exchange.fill(order.broker_order_id)
        bench.pass_(30)
    assert bench.desk.sync().verdict is V.IN_SYNC
    assert held(bench) == {"APLE": D(20)}


# In any order ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_books_add_up_whatever_companies_do(seed: int) -> None:
    """Units by every symbol, and every cent, with random orders, splits, dividends and renames."""
    day, rng = Day(partial_rate=0.3, seed=seed), random.Random(seed)
    names = ["AAPL", "MSFT", "F"]
    for n in range(60):
        place = rng.randrange(3)
        symbol = names[place]
        match rng.randrange(7):
            case 0:
                day.exchange.split(symbol, rng.choice(("2", "3", "0.5")))
            case 1:
                day.exchange.dividend(symbol, "0.37")
            case 2:
                names[place] = f"{symbol[0]}{n}"
                day.exchange.rename(symbol, names[place])
            case _:
                with suppress(Refused):
                    stir(day, rng, symbol)
        day.pass_(rng.choice((0.01, 5, 60)))
        assert day.truth.positions() == day.truth.net_positions()
        assert {order.symbol for order in day.account.trading.orders.open()} <= set(names)
    traded = sum(-fill.side.sign * fill.qty * fill.price for fill in day.truth.fills())
    paid = sum(row.cash or D(0) for row in day.truth.activities())
    assert day.truth.cash() == 100_000 + traded + paid


def stir(day: Day, rng: random.Random, symbol: str) -> None:
    """An order near the market, good till canceled or not."""
    quote = day.exchange.quote_of(symbol)
    assert quote is not None
    day.submit(
        symbol=symbol,
        side=rng.choice(("buy", "sell")),
        qty=rng.randrange(1, 9),
        limit_price=(quote.ask * rng.randrange(95, 106) / 100).quantize(D("0.01")),
        time_in_force=rng.choice(("day", "gtc")),
    )
