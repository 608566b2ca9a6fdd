"""The exits of protected positions: placed, kept, renewed, and ended with the position."""

from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S, C = m.OrderStatus, m.CoverState


def exits_of(bench, symbol="AAPL"):
    """The live orders at the exchange that would reduce the position, legs included."""
    return sorted(
        (x for x in bench.desk.book.orders(open=True, symbol=symbol) if x.side is m.OrderSide.SELL),
        key=lambda x: x.client_order_id,
    )


def cover(bench):
    (protection,) = bench.desk.protections()
    return protection.cover


def held(qty=10, **settings):
    """A desk that holds shares of AAPL."""
    bench = Bench(cash="100000", **settings)
    bench.desk.buy("AAPL", qty=qty, strategy="swing")
    bench.pass_(30)
    assert bench.desk.book.position("AAPL").qty == Decimal(qty)
    return bench


def test_a_stop_is_placed_for_what_is_held():
    bench = held()
    plan = bench.desk.protect("AAPL", stop_price="180")
    assert plan.state is m.PlanState.DONE, plan
    (stop,) = exits_of(bench)
    assert (stop.type, stop.qty, stop.stop_price) == (m.OrderType.STOP, 10, 180)
    assert stop.time_in_force is m.TimeInForce.GTC
    assert stop.strategy == "swing"
    bench.pass_(30)
    assert cover(bench) is C.COVERED
    assert len(exits_of(bench)) == 1


def test_a_stop_and_a_take_profit_are_one_oco():
    bench = held()
    bench.desk.protect("AAPL", stop_loss="8%", take_profit="20%")
    bench.pass_(30)
    profit, stop = sorted(exits_of(bench), key=lambda x: x.type is m.OrderType.STOP)
    assert profit.order_class is m.OrderClass.OCO
    assert stop.stop_price == Decimal("172.05")  # 8 % below 187.02, rounded down
    assert profit.limit_price == Decimal("224.43")  # 20 % above, rounded up
    assert cover(bench) is C.COVERED


def test_a_fraction_has_a_day_order_of_its_own():
    bench = held("10.5")
    bench.desk.protect("AAPL", stop_price="180", take_profit="210")
    bench.pass_(30)
    found = {(x.qty, x.type, x.time_in_force) for x in exits_of(bench)}
    assert found == {
        (10, m.OrderType.LIMIT, m.TimeInForce.GTC),
        (10, m.OrderType.STOP, m.TimeInForce.GTC),
        (Decimal("0.5"), m.OrderType.STOP, m.TimeInForce.DAY),
    }
    assert cover(bench) is C.COVERED


def test_the_take_profit_of_a_fraction_is_watched():
    """No order of the broker is a stop and a take profit of it.  One bad quote sells nothing."""
    bench = held(qty="0.5")
    bench.desk.protect("AAPL", stop_price="150", take_profit="200")
    bench.pass_(60)
    assert cover(bench) is C.COVERED
    for bid in ("201", "187", "187"):
        bench.exchange.quote("AAPL", bid, Decimal(bid) + Decimal("0.02"))
        bench.pass_(15)
    assert bench.truth.positions() == {"AAPL": Decimal("0.5")}
    bench.exchange.quote("AAPL", "201", "201.02")
    bench.pass_(60)
    assert bench.truth.positions() == {}
    assert [x.price for x in bench.truth.fills() if x.side == "sell"] == [Decimal(201)]
    assert exits_of(bench) == []


def test_the_protection_ends_with_the_position():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    (stop,) = exits_of(bench)
    bench.exchange.quote("AAPL", "179.00", "179.02")
    bench.pass_(60)
    assert bench.desk.book.order(stop).status is S.FILLED
    assert bench.desk.book.position("AAPL").qty == 0
    assert bench.desk.protections() == []
    assert exits_of(bench) == []


def test_other_prices_replace_the_exit():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.desk.protect("AAPL", stop_price="183")
    bench.pass_(60)
    (stop,) = exits_of(bench)
    assert (stop.qty, stop.stop_price) == (10, 183)
    assert cover(bench) is C.COVERED


def test_more_shares_get_a_second_exit_beside_the_first():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180", take_profit="210")
    bench.pass_(30)
    first = {x.client_order_id for x in exits_of(bench)}
    bench.desk.buy("AAPL", qty=5, strategy="swing")
    bench.pass_(60)
    assert bench.desk.book.position("AAPL").qty == 15
    assert first < {x.client_order_id for x in exits_of(bench)}
    stops = [x for x in exits_of(bench) if x.stop_price is not None]
    assert sorted(x.qty for x in stops) == [5, 10]
    assert cover(bench) is C.COVERED


def test_an_exit_that_is_too_large_is_reduced():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.silently("AAPL", -4, "187")
    bench.pass_(240)
    assert bench.desk.book.position("AAPL").qty == 6
    assert sum(x.leaves_qty for x in exits_of(bench)) == 6
    assert cover(bench) is C.COVERED


def test_the_bot_cancels_its_exit_and_the_protection_is_suspended():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    (stop,) = exits_of(bench)
    bench.desk.cancel(stop)
    bench.pass_(120)
    assert cover(bench) is C.SUSPENDED
    assert exits_of(bench) == []
    alerts = [x.alert for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.NAKED in {x.kind for x in alerts}
    bench.desk.protect("AAPL", stop_price="180")
    assert len(exits_of(bench)) == 1


@pytest.mark.parametrize("price", ["180", "183"])
def test_an_exit_that_a_later_protect_keeps_is_one_of_it(price):
    """Its fill begins the cooldown, and a bot that cancels it suspends the exits."""
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.desk.protect("AAPL", stop_price=price, cooldown_s=600)
    bench.pass_(60)
    (stop,) = exits_of(bench)
    bench.exchange.fill(stop.broker_order_id, 10, Decimal(price))
    bench.pass_(10)
    with pytest.raises(fb.Denied) as denied:
        bench.desk.buy("AAPL", qty=1, strategy="swing")
    assert denied.value.reason.code is m.ReasonCode.COOLDOWN
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.desk.protect("AAPL", stop_price=price)
    bench.pass_(60)
    (stop,) = exits_of(bench)
    bench.desk.cancel(stop)
    bench.pass_(120)
    assert (cover(bench), exits_of(bench)) == (C.SUSPENDED, [])


def test_closing_cancels_the_exit_first():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    plan = bench.desk.close_position("AAPL")
    bench.pass_(30)
    assert bench.desk.plan(plan.plan_id).state is m.PlanState.DONE
    assert bench.desk.book.position("AAPL").qty == 0
    assert exits_of(bench) == []
    assert bench.desk.protections() == []


def test_closing_a_part_protects_the_rest():
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.desk.close_position("AAPL", qty=4)
    bench.pass_(60)
    assert bench.desk.book.position("AAPL").qty == 6
    assert sum(x.leaves_qty for x in exits_of(bench)) == 6
    assert cover(bench) is C.COVERED


def proposed(bench):
    """Open the desk of *bench* again, with a policy for what it holds; return the proposed plan."""
    bench.desk._gateway.lease.release()
    bench.desk = fb.open(
        bench.broker,
        bench.store,
        clock=bench.clock,
        wait_s=2,
        exits=fb.ExitPolicy(stop_loss="8%"),
    )
    bench.pass_(120)
    (plan,) = bench.desk.plans("proposed")
    return plan


@pytest.mark.parametrize("owner", ["b", None])
def test_closing_a_strategy_leaves_the_exits_of_another(owner):
    bench = Bench(cash="100000")
    for strategy in ("a", owner):
        bench.desk.buy("AAPL", qty=10, strategy=strategy)
    bench.pass_(30)
    bench.desk.protect("AAPL", strategy=owner or "", stop_price="180")
    bench.pass_(30)
    plan = bench.desk.close_position("AAPL", strategy="a")
    assert [type(x.action) for x in plan.steps] == [m.PlaceOrder]
    bench.pass_(30)
    assert [(x.strategy, x.qty) for x in exits_of(bench)] == [(owner, 10)]
    assert bench.truth.positions() == {"AAPL": 10}
    assert cover(bench) is C.COVERED


def test_what_is_held_already_is_proposed():
    """A policy that is switched on sells nothing and places nothing without an approval."""
    bench = held()
    plan = proposed(bench)
    assert exits_of(bench) == []
    assert cover(bench) is C.PROPOSED
    bench.desk.approve(plan.plan_id)
    bench.pass_(30)
    (stop,) = exits_of(bench)
    assert stop.stop_price == Decimal("172.05")
    assert cover(bench) is C.COVERED


def test_what_is_rejected_stays_without_exits_until_protect():
    bench = held()
    plan = proposed(bench)
    bench.desk.reject(plan.plan_id, "it is hedged elsewhere")
    bench.pass_(200)
    (protection,) = bench.desk.protections()
    assert protection.cover is C.SUSPENDED
    assert protection.why == f"plan {plan.plan_id} was rejected: it is hedged elsewhere"
    assert (exits_of(bench), bench.desk.plans()) == ([], [])
    bench.desk.buy("AAPL", qty=1, strategy="swing")  # nor is another quantity proposed
    bench.pass_(60)
    assert (exits_of(bench), bench.desk.plans()) == ([], [])
    bench.desk.protect("AAPL", stop_price="170")
    bench.pass_(30)
    assert cover(bench) is C.COVERED


def test_protect_beside_a_running_plan_says_when_the_exits_are_placed():
    bench = held(wait_s=0)
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.fail("cancel", "reply-lost")
    running = bench.desk.close_position("AAPL", qty=4)
    assert not running.is_final
    plan = bench.desk.protect("AAPL", stop_price="183")
    assert not plan.is_final
    assert running.plan_id in plan.why
    bench.pass_(120)
    assert cover(bench) is C.COVERED
    assert {x.stop_price for x in exits_of(bench)} == {183}


def test_an_entry_under_the_policy_gets_its_exit():
    bench = Bench(cash="100000", opened=False)
    bench.desk = fb.open(
        bench.broker,
        bench.store,
        clock=bench.clock,
        wait_s=2,
        exits=fb.ExitPolicy(stop_loss="8%"),
    )
    bench.desk.sync()
    bench.desk.buy("AAPL", qty=10, strategy="swing")
    bench.pass_(60)
    (stop,) = exits_of(bench)
    assert stop.stop_price == Decimal("172.05")
    assert cover(bench) is C.COVERED


@pytest.mark.parametrize("policy", [{"stop_loss": "100%"}, {"trail": "250%"}], ids=str)
def test_a_percentage_that_is_no_price_is_refused_before_a_position_is_held(policy):
    """The next position may be long, and would have no exit."""
    bench = Bench(cash="100000")
    with pytest.raises(fb.InvalidValue, match="must be below 100 % for a long position"):
        bench.desk.protect("AAPL", pending=True, **policy)
    assert bench.desk.protections() == []
    with pytest.raises(fb.InvalidValue, match=r"exits: .* must be below 100 %"):
        fb.open(bench.broker, bench.store, exits=fb.ExitPolicy(**policy))


def test_a_dry_run_stores_and_sends_nothing():
    bench = held()
    before = bench.desk.requests, len(bench.desk.book.journal())
    plan = bench.desk.protect("AAPL", stop_price="180", dry_run=True)
    assert [type(x.action) for x in plan.steps] == [m.PlaceOrder]
    assert len(bench.desk.book.journal()) == before[1]
    assert bench.desk.plans() == []
    assert exits_of(bench) == []


@pytest.mark.parametrize("fields", [{}, {"stop": 1}, {"stop_loss": "180"}, {"stop_price": -1}])
def test_invalid_exits(fields):
    bench = held()
    with pytest.raises(fb.InvalidValue):
        bench.desk.protect("AAPL", **fields)


def test_exits_without_a_position_are_denied():
    bench = held()
    before = len(bench.desk.book.journal())
    for symbol, strategy in (("MSFT", None), ("AAPL", "other")):
        with pytest.raises(fb.Denied, match=f"no position in {symbol}") as denied:
            bench.desk.protect(symbol, strategy=strategy, stop_price="180")
        assert denied.value.reason.code == "no_position"
        assert denied.value.order.status is S.DENIED
        assert not denied.value.retry
    assert len(bench.desk.book.journal()) == before


def test_an_excess_that_cannot_be_reduced_is_alerted():
    """The exits of others are not canceled; they would open a position."""
    bench = held()
    bench.by_hand("AAPL", "sell", 10, limit_price="250")
    bench.pass_(30)
    bench.desk.protect("AAPL", take_profit="250")
    bench.pass_(30)
    assert cover(bench) is C.COVERED
    bench.silently("AAPL", -4, "187")
    bench.pass_(240)
    alerts = [x.alert.message for x in bench.desk.events() if x.alert is not None]
    assert cover(bench) is C.EXCESS
    assert any("excess" in text for text in alerts)


def test_an_excess_at_night_is_alerted_within_a_minute():
    """Its cancel stays pending until the open, and the exit would open a position then."""
    bench = held()
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.pass_(10 * 3600, every=1800)
    bench.pass_(30)
    bench.exchange.faults.switch_on("cancel-at-open")
    bench.silently("AAPL", -4, "187")
    bench.pass_(120)
    alerts = [x.alert.message for x in bench.desk.events() if x.alert is not None]
    assert cover(bench) is C.NAKED  # the order that ends protects nothing
    assert any("6 of 6 have no stop; exits for 10 may still fill" in text for text in alerts)


def test_a_rule_that_cannot_be_applied_is_alerted_once():
    """The cost of what was held before is not reported: break-even has no price."""

    class Costless(SimulatedBroker):
        def positions(self, page):
            found = super().positions(page)
            return evolve(found, value=tuple(evolve(x, avg_price=None) for x in found.value))

    bench = Bench(cash="100000", broker=Costless, opened=False)
    bench.by_hand("AAPL", "buy", 10)
    bench.clock.advance(3 * 86_400)
    assert bench.desk.sync().opened
    bench.desk.protect("AAPL", stop_price="180", break_even="200")
    bench.pass_(60)
    alerts = [x.alert.message for x in bench.desk.events() if x.alert is not None]
    assert len([x for x in alerts if "break_even: the average cost is not known" in x]) == 1
    (protection,) = bench.desk.protections()
    assert protection.cover is C.COVERED
    assert protection.why.startswith("break_even: the average cost is not known")
