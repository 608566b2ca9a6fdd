"""Execution of orders: prices, stops, partial fills, groups, cancels, busts."""

from __future__ import annotations

from datetime import timedelta
from decimal import localcontext

import pytest

from fillbook.clock import SystemClock
from fillbook.venue.exchange import Exchange, OrderFilter, Refused
from tests.venue.exchange.floor import EVERY, D, Day, at, ticket


def test_a_market_order_fills_at_the_far_side_with_an_event_for_each_step() -> None:
    day = Day()
    with day.heard() as events:
        order = day.submit()
    assert order.status == "accepted"
    assert [event.name for event in events] == ["pending_new", "new", "fill"]
    assert [event.order.status for event in events] == ["pending_new", "new", "filled"]
    fill = day.truth.fills()[0]
    assert (D(10), D("187.02"), True) == (fill.qty, fill.price, fill.is_last)
    assert D("98129.80") == day.truth.cash()


def test_a_limit_order_waits_for_its_price() -> None:
    day = Day()
    order = day.worked(limit_price="180")
    assert order.status == "new"
    day.exchange.quote("AAPL", "179.90", "179.95")
    assert (D("179.95"), "filled") == (day.truth.fills()[0].price, day.status(order.id))


def test_a_sell_stop_becomes_a_market_order_once_touched() -> None:
    day = Day()
    day.worked()
    stop = day.worked(side="sell", stop_price="180", time_in_force="gtc")
    day.exchange.quote("AAPL", "181", "181.02")
    assert day.status(stop.id) == "new"
    day.exchange.quote("AAPL", "170", "170.02")
    assert (D(170), {}) == (day.truth.fills()[-1].price, day.truth.positions())


def test_a_stop_limit_that_is_gapped_through_does_not_fill() -> None:
    day = Day()
    day.worked()
    stop = day.worked(side="sell", stop_price="180", limit_price="179", time_in_force="gtc")
    day.exchange.quote("AAPL", "170", "170.02")
    assert day.status(stop.id) == "new"
    day.exchange.quote("AAPL", "179.5", "179.52")
    assert day.status(stop.id) == "filled"


def test_a_buy_stop_takes_no_more_than_its_converted_limit() -> None:
    day = Day()
    stop = day.worked(stop_price="200", time_in_force="gtc")
    day.exchange.quote("AAPL", "206", "206.02")  # above 200 * 1.025
    assert day.status(stop.id) == "new"
    day.exchange.quote("AAPL", "204", "204.02")
    assert day.status(stop.id) == "filled"


def test_an_immediate_order_that_cannot_fill_is_canceled() -> None:
    assert Day().worked(limit_price="150", time_in_force="ioc").status == "canceled"


def test_a_notional_order_fills_its_money_in_fractions() -> None:
    order = Day().worked(notional="1000")
    assert ("filled", None, D("5.347021708")) == (order.status, order.qty, order.filled_qty)


def test_the_exchange_reckons_exactly_whatever_its_caller_does() -> None:
    day = Day()
    with localcontext(prec=3):
        order = day.submit(qty=7, limit_price="123.45")
        before = day.account.report()
        day.pass_(1)
        day.exchange.fill(order.id, "3", "123.45")
        after = day.account.report()
    assert D(200_000) - 7 * D("123.45") == before.buying_power
    assert D(100_000) - 3 * D("123.45") == after.cash


def test_partial_fills_follow_each_other_and_sum_to_the_quantity() -> None:
    day = Day(partial_rate=0.9)
    order = day.submit(qty=100)
    day.pass_(60)
    fills = day.truth.fills(order.id)
    assert len(fills) > 1
    assert D(100) == sum(fill.qty for fill in fills) == day.truth.order(order.id).filled_qty
    assert fills[-1].cum_qty == D(100)
    assert [False] * (len(fills) - 1) + [True] == [fill.is_last for fill in fills]


def test_stamps_of_an_order_only_grow() -> None:
    day = Day(partial_rate=0.9)
    with day.heard() as events:
        day.submit(qty=100)
        day.pass_(60)
    stamps = [event.order.updated_at for event in events]
    assert len(set(stamps)) == len(stamps)
    assert sorted(stamps) == stamps


def test_a_halted_symbol_fills_only_by_the_method_fill() -> None:
    day = Day()
    day.exchange.halt("AAPL")
    order = day.worked()
    day.exchange.fill(order.id, 4, "187.10")
    assert day.status(order.id) == "partially_filled"
    day.exchange.resume("AAPL")
    assert [D("187.10"), D("187.02")] == [fill.price for fill in day.truth.fills()]


def test_a_cancel_is_pending_before_it_is_done_and_holds_meanwhile() -> None:
    day = Day()
    order = day.worked(limit_price="150")
    day.account.cancel(order.id)
    assert day.status(order.id) == "pending_cancel"
    assert day.account.report().buying_power == D(200_000) - D(1500)
    day.pass_(1)
    assert day.status(order.id) == "canceled"
    assert D(200_000) == day.account.report().buying_power
    day.account.cancel(order.id)  # again: no error


def test_a_filled_or_unknown_order_cannot_be_canceled() -> None:
    day = Day()
    with pytest.raises(Refused, match='already in "filled" state') as filled:
        day.account.cancel(day.worked().id)
    with pytest.raises(Refused, match="order not found for nobody") as unknown:
        day.account.cancel("nobody")
    assert (filled.value.status, unknown.value.status) == (422, 404)


def test_a_fill_may_follow_the_cancel_and_keeps_the_status() -> None:
    day = Day()
    order = day.worked(limit_price="150")
    day.account.cancel(order.id)
    day.pass_(1)
    day.exchange.fill(order.id, 3)
    assert ("canceled", D(3)) == (day.status(order.id), day.truth.order(order.id).filled_qty)
    assert {"AAPL": D(3)} == day.truth.positions()


def test_no_order_fills_beyond_its_size() -> None:
    day = Day()
    order = day.worked(limit_price="150")
    with pytest.raises(ValueError, match="are 10"):
        day.exchange.fill(order.id, 11)
    day.exchange.fill(order.id)
    with pytest.raises(ValueError, match="are 0"):
        day.exchange.fill(order.id)


def test_canceling_everything_ends_exits_too() -> None:
    day = Day()
    entry = day.worked(
        order_class="bracket", take_profit="200", stop_loss="180", time_in_force="gtc"
    )
    resting = day.worked(symbol="MSFT", limit_price="300", qty=1)
    assert {resting.id, *entry.leg_ids} == set(day.account.cancel_all())
    day.pass_(1)
    assert day.account.orders(OrderFilter()) == []


def test_day_exits_of_a_bracket_die_at_the_close_and_leave_the_position_naked() -> None:
    """Incident 1."""
    day = Day()
    day.worked(order_class="bracket", take_profit="200", stop_loss="180", time_in_force="day")
    legs = day.account.orders(EVERY)[0].legs
    assert [leg.status for leg in legs] == ["new", "held"]
    day.to(at("2026-11-20 21:00"))
    assert [day.status(leg.id) for leg in legs] == ["expired", "expired"]
    assert {"AAPL": D(10)} == day.truth.positions()


def test_the_stop_of_a_bracket_fires_though_it_is_held() -> None:
    day = Day()
    entry = day.worked(
        order_class="bracket", take_profit="200", stop_loss="180", time_in_force="gtc"
    )
    day.exchange.quote("AAPL", "179", "179.02")
    day.pass_(1)
    take_profit, stop = entry.leg_ids
    assert [day.status(take_profit), day.status(stop)] == ["canceled", "filled"]
    assert day.truth.positions() == {}


def test_an_entry_that_is_canceled_takes_its_exits_with_it() -> None:
    day = Day()
    entry = day.worked(
        limit_price="150",
        order_class="bracket",
        take_profit="200",
        stop_loss="140",
        time_in_force="gtc",
    )
    day.exchange.fill(entry.id, 4)
    day.account.cancel(entry.id)
    day.pass_(1)
    assert [day.status(i) for i in (entry.id, *entry.leg_ids)] == ["canceled"] * 3
    assert {"AAPL": D(4)} == day.truth.positions()


def test_a_bust_keeps_the_orders_total_unless_the_fault_lowers_it() -> None:
    day = Day()
    kept, lowered = day.worked(), day.worked()
    day.exchange.bust(day.truth.fills(kept.id)[0].exec_id)
    day.faults.fail("taken-back", "cum-lowered")
    day.exchange.bust(day.truth.fills(lowered.id)[0].exec_id)
    totals = [day.truth.order(order.id).filled_qty for order in (kept, lowered)]
    assert [D(10), D(0)] == totals
    assert ({}, D(100_000)) == (day.truth.positions(), day.truth.cash())
    assert day.account.fills() == []


def test_a_correction_moves_money_and_average_and_names_what_it_fixes() -> None:
    day = Day()
    order = day.worked()
    wrong = day.truth.fills()[0]
    right = day.exchange.correct(wrong.exec_id, price="180")
    assert (wrong.exec_id, D(180)) == (right.corrects, day.truth.order(order.id).filled_avg_price)
    assert (D(98_200), [right]) == (day.truth.cash(), day.account.fills())
    with pytest.raises(ValueError, match="was already busted or corrected"):
        day.exchange.correct(wrong.exec_id, price="181")


def test_positions_come_and_go_without_orders_and_leave_rows() -> None:
    day = Day()
    day.exchange.transfer(day.account, "MSFT", 5, 400)
    day.exchange.assign(day.account, "AAPL", -3, 190)
    day.exchange.split("MSFT", 2)
    day.exchange.deposit(day.account, 70)
    assert {"MSFT": D(10), "AAPL": D(-3)} == day.truth.positions() == day.truth.net_positions()
    assert D(100_640) == day.truth.cash()
    assert [row.kind for row in day.account.activities()] == ["ACATS", "OPASN", "SPLIT", "CSD"]


def test_a_reverse_split_divides_the_price_and_changes_no_order() -> None:
    day = Day()
    day.worked()
    stop = day.worked(side="sell", limit_price="500", time_in_force="gtc")
    day.exchange.split("AAPL", "0.5")
    holding = day.account.position("AAPL")
    assert holding is not None
    assert (D(5), D("374.04")) == (holding.qty, holding.avg_price)
    assert (D(10), "new") == (day.truth.order(stop.id).qty, day.status(stop.id))


def test_a_manual_trade_has_an_id_of_the_exchange() -> None:
    day = Day()
    order = day.exchange.trade_by_hand(day.account, ticket(client_order_id="mine"))
    assert order.client_order_id != "mine"
    assert day.account.find("mine") is None


def test_crypto_fees_are_deducted_from_the_fill_and_posted_at_midnight() -> None:
    day = Day()
    order = day.worked(symbol="BTC/USD", qty="0.2")
    assert D("0.2") == order.filled_qty
    assert {"BTC/USD": D("0.1995")} == day.truth.positions()
    assert day.account.activities() == []
    cash = day.truth.cash()
    day.worked(symbol="BTC/USD", side="sell", qty="0.1")
    assert cash + D(6425) - D("16.0625") == day.truth.cash()
    day.to(at("2026-11-21 00:00"))
    rows = [(row.kind, row.qty, row.cash) for row in day.account.activities()]
    assert [("CFEE", D("-0.0005"), None), ("CFEE", None, D("-16.0625"))] == rows


def test_a_busted_crypto_buy_refunds_its_fee_and_posts_it_if_the_fee_was_posted() -> None:
    day = Day()
    early, late = (day.worked(symbol="BTC/USD", qty="0.2") for _ in range(2))
    day.exchange.bust(day.truth.fills(early.id)[0].exec_id)
    day.to(at("2026-11-21 00:00"))
    day.exchange.bust(day.truth.fills(late.id)[0].exec_id)
    assert [D("-0.0005"), D("0.0005")] == [row.qty for row in day.account.activities()]
    assert (day.truth.positions(), day.truth.net_positions()) == ({}, {})


def test_an_open_notional_order_reserves_its_rest() -> None:
    day = Day()
    day.exchange.halt("AAPL")
    order = day.worked(notional="1000")
    assert D(199_000) == day.account.report().buying_power
    day.exchange.fill(order.id, 2, "187.02")
    lost = 2 * (D("187.02") - D("187.01"))  # what is held counts at the middle of the quote
    assert D(199_000) - lost == day.account.report().buying_power


def test_accounts_share_a_market_and_nothing_else() -> None:
    day = Day()
    other = day.exchange.open_account("other", cash=500)
    day.worked(client_order_id="same")
    assert other.orders(EVERY) == []
    theirs = other.submit(ticket(qty=1, client_order_id="same"))
    assert theirs.client_order_id == "same"
    assert day.exchange.account("other") is other


def test_under_a_real_clock_a_listener_receives_events_without_a_call() -> None:
    import threading

    exchange = Exchange(clock=SystemClock(), latency_s=0.0)
    account = exchange.open_account()
    filled = threading.Event()
    with account.listen(lambda event: filled.set() if event.name == "fill" else None):
        account.submit(ticket(symbol="BTC/USD", qty="0.01"))
        assert filled.wait(5)


def test_an_event_that_was_due_between_calls_has_its_own_time() -> None:
    day = Day()
    order = day.submit()
    day.clock.advance(3600)
    filled_at = day.truth.order(order.id).filled_at
    assert filled_at is not None
    assert filled_at < "2026-11-20T15:00:01"
    assert timedelta(hours=1) == day.exchange.now() - at("2026-11-20 15:00")
