"""The texts of invalid values and of differences: they name the field, the figure and the unit."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.model.journal.describe import describe_drift

D = Decimal
AT = m.Timestamp("2026-03-02T15:00:00.000000000Z")
AAPL = {"symbol": "AAPL", "side": "buy"}

INVALID = {
    "qty: 'ten' is not a number": lambda: fb.OrderRequest(**AAPL, qty="ten"),
    "limit_price: '1,000' is not a number": lambda: fb.OrderRequest(
        **AAPL, qty=1, limit_price="1,000"
    ),
    "trail_percent: nan is not a finite number": lambda: fb.OrderRequest(
        **AAPL, qty=1, trail_percent=float("nan")
    ),
    "an OCO order needs a take_profit and a stop_loss": lambda: fb.OrderRequest(
        **AAPL, qty=1, order_class="oco"
    ),
    "a bracket order needs a take_profit and a stop_loss": lambda: fb.OrderRequest(
        **AAPL, qty=1, order_class="bracket", take_profit=5
    ),
    "an OTO order needs one of take_profit and stop_loss": lambda: fb.OrderRequest(
        **AAPL, qty=1, order_class="oto"
    ),
    "a simple order has no exits: leave out take_profit and stop_loss, or order_class": (
        lambda: fb.OrderRequest(**AAPL, qty=1, order_class="simple", take_profit=5)
    ),
    "a limit order needs limit_price, not none": lambda: fb.OrderRequest(
        **AAPL, qty=1, type="limit"
    ),
    "a market order needs no price, not limit_price": lambda: fb.OrderRequest(
        **AAPL, qty=1, type="market", limit_price=5
    ),
    "position_max: 'x' is not a number": lambda: fb.Limits(position_max="x"),
    "drift_cash: 'x' is not a number": lambda: fb.Thresholds(drift_cash="x"),
    "band: 'x' is not a number": lambda: m.RebalanceRules(band="x"),
    "naked_max_s: 'x' is not a number": lambda: fb.ExitPolicy(stop_price=1, naked_max_s="x"),
    "take_profit: 'x' is not a number": lambda: fb.ExitPolicy(take_profit="x%"),
    "trail: it must be above zero, not '0%'": lambda: fb.ExitPolicy(trail="0%"),
    "stop_loss is a percentage of the average cost, such as \"8%\", not '8'; a price is a "
    "stop_price": lambda: fb.ExitPolicy(stop_loss="8"),
}


@pytest.mark.parametrize("words", INVALID)
def test_an_invalid_value_names_its_field_and_what_is_expected(words):
    with pytest.raises(fb.InvalidValue) as raised:
        INVALID[words]()
    assert str(raised.value) == words


DRIFTS = {
    "external fill: sold 0.05 BTC/USD at 64,223.50": m.ExternalTrade(
        "BTC/USD", "b1", "e1", D("-0.05"), D("64223.5"), AT
    ),
    "external fill: bought 3 MSFT at 410.00": m.ExternalTrade("MSFT", "b1", "e1", D(3), D(410), AT),
    "external fill: bought 3 MSFT": m.ExternalTrade("MSFT", "b1", "e1", D(3), None, AT),
    "external fill: bought 5 PEPE/USD at 0.0000123": m.ExternalTrade(
        "PEPE/USD", "b1", "e1", D(5), D("0.0000123"), AT
    ),
    "order c1: no longer found at the broker, which reported it before": m.UnknownToBroker(
        "AAPL", "c1"
    ),
}


@pytest.mark.parametrize("words", DRIFTS)
def test_a_difference_is_a_sentence_with_figures(words):
    assert describe_drift(DRIFTS[words])[1] == words


def test_what_can_be_sold_is_the_position_less_its_fees():
    held = m.Position(symbol="BTC/USD", account=m.Holding(qty=D("0.05")), fee_due=D("0.000125"))
    assert held.sellable_qty == D("0.049875")
    assert m.Position(symbol="AAPL", account=m.Holding(qty=D(-5))).sellable_qty == 0


def test_a_protection_is_named_by_its_position():
    policy = fb.ExitPolicy(stop_price=1)
    titles = [
        m.Protection(symbol="AAPL", strategy=x, policy=policy).title for x in ("", "mean-rev")
    ]
    assert titles == ["AAPL", "AAPL (mean-rev)"]
