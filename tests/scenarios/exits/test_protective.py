"""Protective orders: each failure that others had, under its id."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.venue.exchange import Ticket
from tests.bench import Bench

S, C = m.OrderStatus, m.CoverState
FRIDAY_15_59 = datetime(2026, 3, 6, 20, 59, tzinfo=UTC)  # a minute before the close
MONDAY_9_31 = datetime(2026, 3, 9, 13, 31, tzinfo=UTC)


def held(qty=10, **policy):
    """A desk that holds shares of AAPL, protected by *policy* if there is one."""
    bench = Bench(cash="100000")
    bench.desk.buy("AAPL", qty=qty, strategy="s")
    bench.pass_(20)
    if policy:
        bench.desk.protect("AAPL", **policy)
        bench.pass_(30)
    return bench


def exits_of(bench):
    """The live sell orders at the exchange; the two of an OCO are one."""
    return [
        x
        for x in bench.truth.orders()
        if x.side == "sell" and not x.is_final and x.parent_id is None
    ]


def protected_qty(bench):
    return sum(x.qty - x.filled_qty for x in exits_of(bench))


def cover(bench):
    (found,) = bench.desk.protections()
    return found.cover


def alerts(bench, kind):
    found = [x.alert for x in bench.desk.events() if x.alert is not None]
    return [x for x in found if x.kind is kind]


def until(bench, moment, every=600):
    bench.pass_((moment - bench.clock.now()).total_seconds(), every=every)


def test_prot_01_exits_of_the_day_are_placed_again_after_the_close():
    """A bracket that was sent DAY: its exits expire at the close, and the position is naked."""
    bench = Bench(cash="100000")
    bench.desk.buy(
        "AAPL",
        qty=10,
        strategy="s",
        order_class="bracket",
        take_profit="220",
        stop_loss="170",
        time_in_force="day",
    )
    bench.pass_(30)
    bench.desk.protect("AAPL", stop_price="170", take_profit="220")
    bench.pass_(30)
    assert cover(bench) is C.COVERED
    assert len([x for x in bench.truth.orders() if not x.is_final]) == 2  # the legs, no second exit
    until(bench, datetime(2026, 3, 2, 21, 5, tzinfo=UTC))
    (exit_,) = exits_of(bench)
    assert (exit_.time_in_force, exit_.order_class, exit_.qty) == ("gtc", "oco", 10)
    until(bench, datetime(2026, 3, 3, 15, 0, tzinfo=UTC))
    assert cover(bench) is C.COVERED
    assert protected_qty(bench) == 10


def test_prot_02_a_held_leg_is_cover():
    """The stop of a bracket is `held`, nested, and in no open list: no second stop is placed."""
    bench = Bench(cash="100000")
    bench.desk.buy(
        "AAPL", qty=10, strategy="s", order_class="bracket", take_profit="220", stop_loss="170"
    )
    bench.pass_(30)
    plan = bench.desk.protect("AAPL", stop_price="170", take_profit="220")
    assert plan.steps == ()
    assert len([x for x in bench.truth.orders() if not x.is_final]) == 2


def test_prot_04_what_is_closed_gets_no_exit():
    """The position is sold while the exit is planned: nothing is sold a second time."""
    bench = held(stop_price="180")
    bench.desk.protect("AAPL", stop_price="182")
    bench.exchange.quote("AAPL", "179", "179.02")
    bench.pass_(120)
    assert bench.truth.positions() == {}
    assert exits_of(bench) == []
    assert bench.desk.protections() == []


def test_prot_05_an_exit_without_a_position_is_canceled():
    bench = held(stop_price="180", take_profit="210")
    bench.silently("AAPL", -10, "187")
    bench.pass_(120)
    assert exits_of(bench) == []
    assert bench.desk.protections() == []


def test_prot_07_a_stop_that_the_market_has_passed_is_decided_by_the_policy():
    """It is neither sold at once nor lost: two quotes decide, or an alert."""
    bench = held(stop_price="180")
    (stop,) = exits_of(bench)
    bench.exchange.halt("AAPL")
    bench.books.cancel(stop.id)
    bench.clock.advance(1)
    bench.exchange.quote("AAPL", "176", "176.02")
    bench.exchange.resume("AAPL")
    bench.desk.tick()
    assert bench.truth.positions() == {"AAPL": 10}  # one quote sells nothing
    for _ in range(12):
        bench.exchange.quote("AAPL", "176", "176.02")
        bench.pass_(5)
    assert bench.truth.positions() == {}

    careful = held(stop_price="180", on_breach="alert")
    (stop,) = exits_of(careful)
    careful.exchange.halt("AAPL")
    careful.books.cancel(stop.id)
    careful.clock.advance(1)
    careful.exchange.quote("AAPL", "176", "176.02")
    careful.exchange.resume("AAPL")
    for _ in range(24):
        careful.exchange.quote("AAPL", "176", "176.02")
        careful.pass_(5)
    assert careful.truth.positions() == {"AAPL": 10}
    assert alerts(careful, m.AlertKind.NAKED)


@pytest.mark.parametrize("fault", ["server-error", "request-lost", "unreachable", "rate-limited"])
def test_prot_08_an_exit_that_cannot_be_placed_is_tried_again_and_alerted(fault):
    bench = held()
    bench.exchange.faults.switch_on(fault)
    plan = bench.desk.protect("AAPL", stop_price="180")
    assert not plan.is_final or plan.state is m.PlanState.STOPPED
    bench.pass_(120)
    assert alerts(bench, m.AlertKind.NAKED)
    bench.over()
    bench.pass_(180)
    assert cover(bench) is C.COVERED
    assert protected_qty(bench) == 10


@pytest.mark.sampled(4)
@pytest.mark.parametrize("adjusts", [True, False], ids=["adjusted", "not adjusted"])
@pytest.mark.parametrize(("ratio", "qty", "stop"), [(10, 100, 18), (Decimal("0.1"), 1, 1800)])
def test_prot_10_a_split_leaves_the_exit_at_the_same_value(ratio, qty, stop, adjusts):
    """10:1 and 1:10 over a weekend: the stop does not fire at the open, and covers all."""
    bench = held(stop_price="180")
    until(bench, datetime(2026, 3, 7, 12, 0, tzinfo=UTC), every=3600)
    bench.exchange.split("AAPL", ratio, adjusts=adjusts)
    until(bench, datetime(2026, 3, 9, 13, 25, tzinfo=UTC), every=1200)
    assert bench.truth.positions() == {"AAPL": qty}
    (exit_,) = exits_of(bench)
    assert (exit_.qty, exit_.stop_price) == (qty, stop)
    until(bench, datetime(2026, 3, 9, 14, 0, tzinfo=UTC), every=60)
    assert bench.truth.positions() == {"AAPL": qty}
    assert cover(bench) is C.COVERED


def test_prot_11_what_the_broker_would_reject_is_refused_before():
    bench = held()
    with pytest.raises(fb.InvalidValue, match="above zero"):
        bench.desk.protect("AAPL", stop_price="-1")
    with pytest.raises(fb.Denied, match="no position"):
        bench.desk.protect("MSFT", stop_price="1")
    assert bench.desk.protections() == []


def test_prot_13_a_stop_limit_order_that_the_market_passed():
    """It was triggered, and its limit is above the market: the coin is sold at the market."""
    bench = Bench(cash="100000")
    bench.desk.buy("BTC/USD", qty="0.1", strategy="s")
    bench.pass_(20)
    bench.desk.protect("BTC/USD", stop_loss="5%")
    bench.pass_(30)
    (stop,) = exits_of(bench)
    assert stop.type == "stop_limit"
    below = (stop.limit_price * Decimal("0.97")).quantize(Decimal("0.01"))
    bench.exchange.quote("BTC/USD", below, below + 1)
    bench.pass_(120)
    assert bench.truth.positions().get("BTC/USD", 0) < Decimal("0.001")
    assert bench.desk.protections() == [] or cover(bench) is C.COVERED


def test_prot_14_an_exit_that_is_not_found_is_no_reason_to_sell():
    bench = held(stop_price="180")
    (stop,) = exits_of(bench)
    bench.fail("order", "server-error", times=20)
    bench.pass_(120)
    assert bench.truth.positions() == {"AAPL": 10}
    assert [x.id for x in exits_of(bench)] == [stop.id]


def test_prot_30_a_stop_limit_order_by_hand_is_cover():
    bench = held()
    stop = Ticket(
        symbol="AAPL",
        side=m.OrderSide.SELL,
        type=m.OrderType.STOP_LIMIT,
        time_in_force=m.TimeInForce.GTC,
        qty=Decimal(10),
        stop_price=Decimal(180),
        limit_price=Decimal(179),
    )
    bench.exchange.trade_by_hand(bench.books, stop)
    bench.pass_(60)
    assert bench.desk.protect("AAPL", stop_price="180").steps == ()
    bench.pass_(60)
    assert len(exits_of(bench)) == 1
    assert cover(bench) is C.COVERED


def test_prot_31_a_refused_new_price_leaves_the_old_exit():
    """It is covered at the older price, which still holds, and is not called naked."""
    bench = held(stop_price="180")
    bench.exchange.faults.switch_on("unreachable")
    bench.desk.protect("AAPL", stop_price="183")
    bench.over()
    (stop,) = exits_of(bench)
    assert stop.stop_price == 180
    assert cover(bench) is C.COVERED
    bench.pass_(120)
    (stop,) = exits_of(bench)
    assert (stop.stop_price, stop.qty) == (183, 10)


def test_prot_32_an_unknown_outcome_is_no_missing_exit():
    bench = held()
    bench.fail("submit", "reply-lost")
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(240)
    assert protected_qty(bench) == 10
    assert len([x for x in bench.truth.orders() if x.type == "stop"]) == 1


def test_prot_33_whatever_the_cause_a_naked_position_is_alerted_by_its_age():
    bench = held(stop_price="180")
    (stop,) = exits_of(bench)
    bench.desk.cancel(bench.desk.book.order(stop.id))
    bench.pass_(700, every=10)
    assert len(alerts(bench, m.AlertKind.NAKED)) == 3  # after a minute, and every five minutes


def test_cr_10_no_second_exit_before_the_first_has_ended():
    """The cancel of the old exit is lost, and the exit fills meanwhile."""
    bench = held(stop_price="180")
    bench.fail("cancel", "reply-lost")
    bench.fail("asked-cancel", "cancel-fills")
    bench.desk.protect("AAPL", stop_price="182")
    bench.pass_(240)
    assert bench.truth.positions().get("AAPL", 0) >= 0
    assert protected_qty(bench) == bench.truth.positions().get("AAPL", 0)


@pytest.mark.slow
def test_cr_32_a_cancel_at_night_is_done_at_the_open():
    """Until then it covers nothing and holds the units: no second exit, and no sale."""
    bench = held(stop_price="180")
    until(bench, datetime(2026, 3, 3, 2, 0, tzinfo=UTC))
    bench.exchange.faults.switch_on("cancel-at-open")
    bench.desk.protect("AAPL", stop_price="183")
    bench.pass_(600, every=30)
    assert protected_qty(bench) == 10
    assert len(exits_of(bench)) == 1
    until(bench, datetime(2026, 3, 3, 14, 32, tzinfo=UTC), every=300)
    bench.pass_(120)
    (stop,) = exits_of(bench)
    assert (stop.stop_price, stop.qty) == (183, 10)


def test_bp_07_units_are_freed_a_moment_after_the_cancel():
    bench = held(stop_price="180")
    bench.exchange.faults.switch_on("units-freed-late", seconds=3)
    bench.desk.protect("AAPL", stop_price="183")
    bench.pass_(60)
    (stop,) = exits_of(bench)
    assert (stop.stop_price, stop.qty) == (183, 10)
    bench.desk.close_position("AAPL")
    bench.pass_(60)
    assert bench.truth.positions() == {}


def test_ext_13_the_exit_of_one_strategy_does_not_sell_the_other_s_units():
    bench = held(stop_price="180", take_profit="300")
    bench.desk.buy("AAPL", qty=5, strategy="other")
    bench.pass_(60)
    assert protected_qty(bench) == 10
    bench.exchange.quote("AAPL", "179", "179.02")
    bench.pass_(60)
    assert bench.truth.positions() == {"AAPL": 5}
    parts = {name: x.qty for name, x in bench.desk.book.position("AAPL").by_strategy if x.qty}
    assert parts == {"other": 5}


def test_prot_16_a_stop_whose_fill_is_not_shown_is_alerted_once_and_its_end_too():
    """The order is filled; the history lacks the fill, so that the price is not proven."""
    bench = held(stop_price="180")
    bench.fail("fill", "history-late", seconds=1800)
    bench.exchange.quote("AAPL", "179.00", "179.02")
    bench.pass_(3600, every=30)
    found = alerts(bench, m.AlertKind.FILLS_MISSING)
    assert [bool(x.resolved) for x in found] == [False, True]
    assert bench.desk.book.position("AAPL").qty == 0
    assert bench.desk.protections() == []
    assert bench.is_true()


def test_prot_34_the_exit_rests_at_the_broker_while_no_desk_runs():
    bench = held(stop_price="180")
    bench.desk._gateway.lease.release()
    bench.clock.advance(600)
    bench.exchange.quote("AAPL", "179.00", "179.02")
    bench.clock.advance(600)
    assert bench.truth.positions() == {}
    bench.desk = bench.open()
    bench.pass_(60)
    assert bench.desk.book.position("AAPL").qty == 0
    assert bench.desk.protections() == []
