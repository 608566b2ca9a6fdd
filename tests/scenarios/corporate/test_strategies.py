"""No strategy sells what it does not hold: deny, cut, or take what belongs to nobody."""

import pytest

import fillbook as fb
from tests.bench import Bench
from tests.scenarios.corporate.held import D, parts, settle, two_strategies


def policy(bench, name):
    """Open the desk again with this policy."""
    limits = fb.Limits(strategy_oversell=name)
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2, limits=limits)
    return bench


def refused(bench, side="sell", **wish):
    with pytest.raises(fb.Denied) as denied:
        getattr(bench.desk, side)("AAPL", **wish)
    return denied.value.reason


@pytest.mark.parametrize("sign", [1, -1])
def test_by_default_an_order_for_more_than_its_strategy_holds_is_denied(sign):
    bench = two_strategies(a=4 * sign, b=6 * sign)
    side = "sell" if sign > 0 else "buy"
    reason = refused(bench, side, qty=5, strategy="a")
    assert reason.code == "strategy_position"
    assert dict(reason.figures) == {"asked": 5, "held": 4, "closable": 4, "unattributed": 0}
    assert "strategy a holds 4 AAPL" in reason.message
    assert refused(bench, side, qty=1, strategy="c").code == "strategy_position"
    assert getattr(bench.desk, side)("AAPL", qty=4, strategy="a").status == "filled"
    settle(bench)
    assert {"b": 6 * sign} == parts(bench, "AAPL")


def test_the_open_orders_of_a_strategy_reserve_its_part():
    bench = two_strategies()
    bench.desk.sell("AAPL", qty=3, limit_price="250", strategy="a", time_in_force="gtc")
    reason = refused(bench, qty=2, limit_price="251", strategy="a", time_in_force="gtc")
    assert (reason.code, dict(reason.figures)["closable"]) == ("strategy_position", 1)
    bench.desk.sell("AAPL", qty=1, limit_price="251", strategy="a", time_in_force="gtc")
    bench.desk.sell("AAPL", qty=6, limit_price="251", strategy="b", time_in_force="gtc")


def test_an_order_may_be_cut_to_what_its_strategy_holds():
    bench = policy(two_strategies(), "cut")
    order = bench.desk.sell("AAPL", qty=9, strategy="a")
    assert (order.filled_qty, [x.field for x in order.adjustments]) == (4, ["qty"])
    assert refused(bench, qty=1, strategy="a").code == "strategy_position"
    settle(bench)


def test_an_order_may_take_what_belongs_to_nobody_and_no_more():
    bench = policy(two_strategies(), "take")
    bench.by_hand("AAPL", "buy", 3)
    settle(bench)
    assert refused(bench, qty=8, strategy="a").code == "strategy_position"
    bench.desk.sell("AAPL", qty=7, strategy="a")
    settle(bench)
    assert parts(bench, "AAPL") == {"b": 6}
    assert [x.pnl is None for x in bench.desk.book.trades()] == [False, False]


def test_what_belongs_to_nobody_is_reserved_by_the_orders_of_nobody():
    bench = policy(two_strategies(), "take")
    bench.by_hand("AAPL", "buy", 3)
    settle(bench)
    bench.desk.sell("AAPL", qty=2, limit_price="250", time_in_force="gtc")
    assert refused(bench, qty=6, strategy="a").code == "strategy_position"
    bench.desk.sell("AAPL", qty=5, limit_price="250", strategy="a", time_in_force="gtc")


def test_an_opening_position_is_sold_by_a_strategy_once_it_is_assigned():
    bench = Bench(opened=False)
    bench.silently("AAPL", 10, "187")
    bench.clock.advance(60)
    bench.desk.sync()
    assert dict(refused(bench, qty=10, strategy="a").figures)["unattributed"] == 10
    bench.desk.assign("AAPL", "a")
    assert bench.desk.sell("AAPL", qty=10, strategy="a").status == "filled"


def test_an_order_without_a_strategy_and_an_order_that_opens_are_not_bound_by_it():
    bench = two_strategies()
    assert bench.desk.sell("AAPL", qty=10).status == "filled"
    bench.clock.advance(5)
    assert bench.desk.sell("AAPL", qty=3, strategy="short").status == "filled"
    bench.clock.advance(5)
    assert bench.desk.buy("AAPL", qty=3, strategy="short").status == "filled"
    settle(bench)


def test_two_threads_of_one_strategy_cannot_sell_its_part_twice():
    """The second is decided on in its own transaction, after the first is written."""
    bench = two_strategies()
    with bench.desk.sending(fb.OrderRequest(symbol="AAPL", side="sell", qty=4, strategy="a")):
        assert refused(bench, qty=1, strategy="a").code == "strategy_position"


def test_after_a_split_a_strategy_sells_its_new_units():
    bench = two_strategies()
    bench.exchange.split("AAPL", 10)
    settle(bench)
    assert refused(bench, qty=41, strategy="a").code == "strategy_position"
    assert bench.desk.sell("AAPL", qty=40, strategy="a").status == "filled"
    settle(bench)
    assert {"b": D(60)} == parts(bench, "AAPL")


def test_a_preview_and_a_notional_say_the_same():
    bench = two_strategies()
    request = fb.OrderRequest(symbol="AAPL", side="sell", notional=900, strategy="a")
    failed = [x.reason.code for x in bench.desk.preview(request).checks if x.reason]
    assert failed == ["strategy_position"]
