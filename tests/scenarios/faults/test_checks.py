"""Buying power, time in force and precision: faults that the checks before an order prevent."""

from datetime import timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.core import reservation
from tests.bench import Bench

S = m.OrderStatus


def denied(desk, side, symbol, **words):
    with pytest.raises(fb.Denied) as raised:
        getattr(desk, side)(symbol, **words)
    return raised.value.reason


def test_bp_02_a_closing_sale_needs_no_buying_power():
    """All cash is spent: a buy is denied, and a closing sale is sent."""
    bench = Bench(cash=2000, multiplier=1)
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    assert denied(bench.desk, "buy", "AAPL", qty=10).code == "buying_power"
    assert bench.desk.sell("AAPL", qty=10).status is S.FILLED


def test_bp_14_the_reserve_of_an_order_follows_the_broker_s_rule():
    """A stop that covers a short closes: it reserves nothing, by any rule."""
    bench = Bench()
    bench.desk.sell("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    wish = fb.OrderRequest(symbol="AAPL", side="buy", qty=10, stop_price="200")
    assert bench.desk.preview(wish).impact.reserve == 0
    dear = m.ReserveRule(market_collar=Decimal(2))
    buy = fb.OrderRequest(symbol="AAPL", side="buy", qty=10)
    for rule, expected in ((m.ReserveRule(), 1040), (dear, 2000)):
        kept = reservation.reserve_for(buy, Decimal(100), None, rule, opens=True)
        assert reservation.reserve_amount(buy, kept, rule) == expected


def test_tif_04_what_does_not_go_together_is_denied_before_it_is_sent():
    """Extended hours with a stop, or fractions with `gtc`."""
    bench = Bench()
    for words in (
        {"qty": 1, "limit_price": "150", "extended_hours": True, "time_in_force": "ioc"},
        {"qty": "1.5", "limit_price": "150", "time_in_force": "gtc"},
    ):
        assert denied(bench.desk, "buy", "AAPL", **words).code == "unsupported"
    assert bench.sent["submit"] == 0


def test_tif_05_a_market_order_while_the_market_is_shut_is_accepted_and_no_failure():
    """It rests until the opening; one that would end at once is denied."""
    bench = Bench()
    bench.clock.advance(timedelta(hours=11).total_seconds())
    order = bench.desk.buy("AAPL", qty=10)
    assert order.status is S.ACCEPTED
    assert not order.is_final
    assert denied(bench.desk, "buy", "AAPL", qty=1, time_in_force="ioc").code == "market_closed"


def test_tif_07_exits_are_held_against_the_market_as_it_is_sent():
    """A stop beyond the market is denied with both prices."""
    bench = Bench()
    bench.exchange.quote("AAPL", "170.00", "170.02")
    reason = denied(bench.desk, "buy", "AAPL", qty=1, take_profit="200", stop_loss="180")
    assert reason.code == "price"
    assert dict(reason.figures) == {"stop_loss": 180, "price": Decimal("170.02")}


def test_prec_01_a_quantity_is_cut_to_the_step_and_the_dust_is_refused_for_good():
    """There is no loop of rejects: a quantity below the minimum is denied, and nothing is sent."""
    bench = Bench()
    order = bench.desk.buy("BTC/USD", qty="0.01000000099", limit_price="64260")
    assert order.qty == Decimal("0.010000000")
    reason = denied(bench.desk, "buy", "BTC/USD", qty="0.0001", limit_price="64260")
    assert reason.code == "quantity"
    assert bench.sent["submit"] == 1


def test_prec_02_selling_all_leaves_no_smallest_unit_behind():
    """
    Fees reduced the bought quantity: the sale is rounded down to the position, by the increment.
    """
    bench = Bench()
    bench.desk = fb.open(
        bench.broker, bench.store, clock=bench.clock, limits=fb.Limits(oversell="cut")
    )
    bought = bench.desk.buy("BTC/USD", qty="0.1")
    bench.clock.advance(20)
    sold = bench.desk.sell("BTC/USD", qty=bought.filled_qty)
    assert sold.status is S.FILLED
    assert [x.field for x in sold.adjustments] == ["qty"]
    assert sold.qty == Decimal("0.09975")


def test_prot_11_a_bracket_with_one_leg_is_refused_as_it_is_planned():
    """No check approves an order that the broker would reject."""
    with pytest.raises(fb.InvalidValue, match="bracket"):
        fb.OrderRequest(symbol="AAPL", side="buy", qty=1, order_class="bracket", take_profit="200")
    bench = Bench()
    wish = fb.OrderRequest(symbol="AAPL", side="buy", qty="1.5", take_profit="200", stop_loss="180")
    assert bench.desk.preview(wish).reason.code == "unsupported"
