"""Replace chains: which orders can be replaced, both statuses, and how fills are counted."""

from __future__ import annotations

from typing import Any

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Amendment, OrderVersion, Refused
from tests.venue.exchange.floor import D, Day, at

BRACKET = {
    "order_class": "bracket",
    "take_profit": "200",
    "stop_loss": "180",
    "time_in_force": "gtc",
}


def amendment(**change: Any) -> Amendment:
    fields = {
        k: D(v) if k in ("qty", "limit_price", "stop_price") else v for k, v in change.items()
    }
    return Amendment(**fields)


def replace(day: Day, order: OrderVersion, **change: Any) -> OrderVersion:
    return day.account.replace(order.id, amendment(**change))


def refusal(day: Day, order: OrderVersion, **change: Any) -> str:
    """Why the order is not replaced, and whether a retry may help."""
    with pytest.raises(Refused) as caught:
        replace(day, order, **change)
    return f"{caught.value.message} ({caught.value.kind})"


def chain(day: Day, *orders: OrderVersion) -> list[tuple[str, object, object]]:
    """Status, quantity and fills of each."""
    seen = [day.truth.order(order.id) for order in orders]
    return [(each.status, each.qty, each.filled_qty) for each in seen]


def test_the_old_order_is_replaced_and_each_names_the_other() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    new = replace(day, old, limit_price="151", client_order_id="mine.r1")
    assert (day.status(old.id), new.status) == ("pending_replace", "accepted")
    day.pass_(1)
    was, is_ = day.truth.order(old.id), day.truth.order(new.id)
    assert (was.status, was.replaced_by, was.limit_price) == ("replaced", new.id, D(150))
    assert (is_.status, is_.replaces, is_.limit_price) == ("new", old.id, D(151))
    assert None not in (was.replaced_at, day.account.find("mine.r1"))
    assert was.client_order_id != is_.client_order_id


def test_the_event_carries_the_old_order_and_the_new_one_has_its_own() -> None:
    day = Day()
    with day.heard() as events:
        old = day.worked(limit_price="150")
        new = replace(day, old, limit_price="151")
        day.pass_(1)
    told = [(event.name, event.order.id, event.order.limit_price) for event in events[2:]]
    assert [("replaced", old.id, D(150)), ("new", new.id, D(151))] == told


def test_an_order_that_fills_first_is_not_replaced() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    new = replace(day, old, limit_price="151")
    day.exchange.fill(old.id)
    day.pass_(1)
    assert [("filled", D(10), D(10)), ("rejected", D(10), D(0))] == chain(day, old, new)
    assert day.truth.order(new.id).reason == 'order is already in "filled" state'
    assert {"AAPL": D(10)} == day.truth.positions()


def test_a_total_that_fills_before_it_is_lowered_leaves_the_old_order_at_work() -> None:
    day = Day()
    with day.heard() as events:
        old = day.worked(limit_price="150")
        new = replace(day, old, qty="5")
        day.exchange.fill(old.id, 6)
        day.pass_(1)
    assert [("partially_filled", D(10), D(6)), ("rejected", D(5), D(0))] == chain(day, old, new)
    assert events[-1].name == "order_replace_rejected"


@pytest.mark.parametrize(
    ("faults", "qty", "filled"),
    [
        ((), 10, 4),
        (("cum-fresh",), 6, 0),
        (("qty-remaining",), 14, 4),
        (("cum-fresh", "qty-remaining"), 10, 0),
    ],
)
def test_fills_before_a_replace_are_counted_as_the_venue_likes(
    faults: tuple[str, ...], qty: int, filled: int
) -> None:
    day = Day()
    for fault in faults:
        day.faults.fail("asked-replace", fault)
    old = day.worked(limit_price="150")
    day.exchange.fill(old.id, 4, "149")
    new = replace(day, old, limit_price="151")
    day.pass_(1)
    assert (D(qty), D(filled)) == (day.truth.order(new.id).qty, day.truth.order(new.id).filled_qty)
    day.exchange.fill(new.id, None, "151")
    seen = day.truth.order(new.id)
    assert (seen.status, seen.filled_qty) == ("filled", D(qty))
    assert {"AAPL": D(4 + qty - filled)} == day.truth.positions()


def test_a_correction_leaves_what_was_carried() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    day.exchange.fill(old.id, 4, "140")
    new = replace(day, old, limit_price="151")
    day.pass_(1)
    wrong = day.exchange.fill(new.id, 6, "151")
    day.exchange.correct(wrong.exec_id, price="150")
    seen = day.truth.order(new.id)
    assert (D(10), D(146)) == (seen.filled_qty, seen.filled_avg_price)


def test_only_the_larger_of_the_two_orders_is_reserved() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    replace(day, old, qty="20")
    assert D(200_000) - 20 * D(150) == day.account.report().buying_power
    day.pass_(1)
    assert D(200_000) - 20 * D(150) == day.account.report().buying_power


def test_the_reserve_of_the_old_order_is_available_to_the_new_one() -> None:
    day = Day(cash=2000, multiplier=1)
    old = day.worked(limit_price="150")
    assert refusal(day, old, qty="14") == "insufficient buying power (funds)"
    replace(day, old, qty="13")


def test_an_exit_order_holds_its_shares_once_while_it_is_replaced() -> None:
    day = Day()
    day.worked()
    stop = day.worked(side="sell", stop_price="150", time_in_force="gtc")
    new = replace(day, stop, stop_price="151")
    day.pass_(1)
    holding = day.account.position("AAPL")
    assert holding is not None
    assert (D(0), "new") == (holding.qty_available, day.status(new.id))


@pytest.mark.parametrize(
    ("wish", "change", "words"),
    [
        ({}, {}, "order parameters are not changed (input)"),
        ({}, {"limit_price": "150"}, "order parameters are not changed (input)"),
        ({}, {"stop_price": "150"}, "limit orders must not have a stop price (price)"),
        ({}, {"qty": "4.5"}, "qty cannot be changed for fractional orders (unsupported)"),
        ({}, {"limit_price": "150.123"}, "invalid limit_price 150.123. sub-penny increment does"
         " not fulfill minimum pricing criteria (price)"),
        ({}, {"qty": "100000"}, "insufficient buying power (funds)"),
        ({"client_order_id": "x"}, {"qty": "4", "client_order_id": "x"},
         "client_order_id must be unique (duplicate)"),
        ({"limit_price": None, "notional": "100", "qty": None, "type": "market"}, {"qty": "4"},
         "notional orders cannot be replaced (unsupported)"),
        (BRACKET, {"qty": "4"}, "qty cannot be changed for advanced orders (unsupported)"),
        (BRACKET, {"time_in_force": m.TimeInForce.DAY},
         "time_in_force cannot be changed for advanced orders (unsupported)"),
        ({"order_class": "oto", "stop_loss": "140", "time_in_force": "gtc"}, {"limit_price": "151"},
         "oto orders cannot be replaced (unsupported)"),
    ],
)  # fmt: skip
def test_a_replace_that_may_not_be(wish: Any, change: Any, words: str) -> None:
    day = Day()
    day.exchange.halt("AAPL")
    if "stop_loss" in wish:
        wish = {**wish, "stop_loss": "140"}
    fields = {k: v for k, v in ({"limit_price": "150"} | wish).items() if v is not None}
    assert words == refusal(day, day.worked(**fields), **change)


def test_a_quantity_below_what_has_filled_is_refused() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    day.exchange.fill(old.id, 4)
    assert refusal(day, old, qty="4") == "qty must be > filled_qty (quantity)"


def test_the_state_of_an_order_may_forbid_its_replace_for_now_or_for_ever() -> None:
    day = Day()
    fresh = day.submit(limit_price="150")
    assert refusal(day, fresh, qty="5") == "cannot replace order in accepted status (not_now)"
    filled = day.worked()
    assert refusal(day, filled, qty="5") == "cannot replace order in filled status (too_late)"
    old = day.worked(limit_price="150")
    replace(day, old, qty="5")
    assert refusal(day, old, qty="6") == "order already pending replacement (not_now)"
    with pytest.raises(Refused, match="cannot cancel order in pending_replace status"):
        day.account.cancel(old.id)
    refused = day.account.cancel_all()[old.id]
    assert refused is not None
    day.pass_(1)
    assert refusal(day, old, qty="6") == "order already replaced (too_late)"


def test_a_leg_is_locked_while_its_sibling_is_replaced() -> None:
    day = Day()
    entry = day.worked(**BRACKET)
    profit, stop = (day.truth.order(leg_id) for leg_id in entry.leg_ids)
    new = replace(day, stop, stop_price="181")
    assert refusal(day, profit, limit_price="201") == "order chain not fully replaced (not_now)"
    day.pass_(1)
    assert (day.status(new.id), day.truth.order(entry.id).leg_ids) == ("held", (profit.id, new.id))
    replace(day, profit, limit_price="201")
    day.exchange.fill(new.id)
    day.pass_(1)
    assert day.truth.positions() == {}
    assert [order for order in day.truth.orders() if not order.is_final] == []


def test_an_entry_that_is_replaced_keeps_its_exits() -> None:
    day = Day()
    entry = day.worked(**{**BRACKET, "stop_loss": "140"}, limit_price="150")
    new = replace(day, entry, limit_price="151")
    day.pass_(1)
    day.exchange.fill(new.id)
    day.pass_(1)
    assert (day.status(entry.id), day.truth.order(entry.id).leg_ids) == ("replaced", ())
    assert entry.leg_ids == day.truth.order(new.id).leg_ids
    assert [day.status(leg_id) for leg_id in entry.leg_ids] == ["new", "held"]


def test_an_oco_lives_on_under_its_new_take_profit() -> None:
    day = Day()
    day.worked()
    exits = {**BRACKET, "order_class": "oco", "type": "limit"}
    oco = day.worked(side="sell", **exits)
    new = replace(day, oco, limit_price="210")
    day.pass_(1)
    day.exchange.quote("AAPL", "179", "179.02")
    day.pass_(1)
    assert (day.status(oco.id), day.status(new.id)) == ("replaced", "canceled")
    assert day.truth.positions() == {}


def test_an_order_that_is_given_more_time_keeps_to_it() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    new = replace(day, old, time_in_force=m.TimeInForce.GTC)
    day.to(at("2026-11-20 22:00"))
    assert (day.status(old.id), day.status(new.id)) == ("replaced", "new")


def test_a_new_order_that_is_canceled_at_once_takes_the_old_ones_place_first() -> None:
    day = Day()
    old = day.worked(limit_price="150")
    new = replace(day, old, limit_price="151")
    day.account.cancel(new.id)
    day.pass_(1)
    assert (day.status(old.id), day.status(new.id)) == ("replaced", "canceled")
