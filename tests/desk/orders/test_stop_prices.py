"""A stop that the market has passed: denied before it is sent, as far as a quote is known."""

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench

S = m.OrderStatus


def test_a_stop_that_would_trigger_at_once_is_denied_also_if_it_reduces():
    """A quote that is not there denies nothing, and a wide one says nothing about the market."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    for beyond in (
        {"stop_price": 900},
        {"order_class": "oco", "take_profit": 950, "stop_loss": 900},
    ):
        with pytest.raises(
            fb.Denied, match=r"the market is at 187: a sell stop at 900 would"
        ) as no:
            bench.desk.sell("AAPL", qty=5, **beyond)
        assert no.value.reason.code == "price"
    assert bench.ours()[1:] == []
    order = bench.desk.sell("AAPL", qty=5, stop_price=150)
    with pytest.raises(fb.Denied, match="would trigger at once"):
        bench.desk.replace(order, stop_price=900)
    bench.exchange.quote("AAPL", "120", "187.02")
    with pytest.raises(fb.OrderRejected):
        bench.desk.sell("AAPL", qty=1, stop_price=150)
