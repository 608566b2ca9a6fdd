"""The sizes of a difference above which it is alerted are settings."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench, unable

BLIND = unable(activities=False)


def opened(**thresholds):
    """A bench that reads no activities, with a desk of these thresholds."""
    bench = Bench(broker=BLIND)
    settings = fb.Thresholds(**thresholds)
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, thresholds=settings)
    return bench


def confirmed(bench):
    """The kinds of all alerts after one more pass, and the differences that it confirmed."""
    bench.clock.advance(60)
    found = bench.desk.sync().left
    alerts = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    return alerts, [type(x.drift) for x in found if x.confidence is m.Confidence.CONFIRMED]


@pytest.mark.parametrize(
    ("amount", "settings", "alerts"),
    [
        ("0.90", {}, []),
        ("1.00", {}, []),
        ("-1.01", {}, ["drift"]),
        ("-1.01", {"drift_cash": 50}, []),
        ("0.50", {"drift_cash": 0}, ["drift"]),
    ],
)
def test_a_difference_of_cash_is_alerted_above_its_threshold(amount, settings, alerts):
    """A smaller one is a difference all the same."""
    bench = opened(**settings)
    bench.exchange.deposit(bench.books, amount)
    assert confirmed(bench) == (alerts, [m.WrongCash])
    assert confirmed(bench) == (alerts, [m.WrongCash])


@pytest.mark.parametrize(
    ("qty", "settings", "alerts"),
    [
        ("0.5", {}, []),
        ("-0.5", {}, []),
        ("0.6", {}, ["drift"]),
        ("-0.6", {}, ["drift"]),
        ("5", {"drift_notional": 1000}, []),
        ("0.1", {"drift_notional": "10"}, ["drift"]),
    ],
)
def test_a_difference_of_a_position_is_alerted_above_its_threshold(qty, settings, alerts):
    """A smaller one locks its symbol all the same."""
    bench = opened(**settings)
    bench.silently("AAPL", qty, "187")
    assert confirmed(bench) == (alerts, [m.Untracked])
    with pytest.raises(fb.Denied, match="AAPL is locked"):
        bench.desk.buy("AAPL", qty=1, limit_price=180)


def test_a_difference_that_grows_above_the_threshold_is_alerted_once():
    """Its quantity is the same, and the price has doubled."""
    bench = opened()
    bench.silently("AAPL", "0.5", "187")
    assert confirmed(bench)[0] == []
    for bid, alerts in (("374", ["drift"]), ("187", ["drift"]), ("374", ["drift"])):
        bench.exchange.quote("AAPL", bid, str(Decimal(bid) + 1))
        assert confirmed(bench)[0] == alerts


@pytest.mark.parametrize("name", ["drift_notional", "drift_cash"])
def test_a_threshold_is_no_less_than_zero(name):
    with pytest.raises(fb.InvalidValue, match=name):
        fb.Thresholds(**{name: -1})


def test_the_alert_of_a_difference_is_a_sentence_with_its_figures():
    """It was the repr of a class."""
    bench = opened()
    bench.silently("AAPL", "5", "187")
    confirmed(bench)
    [text] = [x.alert.message for x in bench.desk.events() if x.alert is not None]
    assert text.startswith("AAPL: the broker has 5, the record 0 (")
    assert text.endswith(
        "). Until it is resolved, only reducing orders are sent on it. See `fillbook check`, and "
        "use `fillbook sync --adopt` if the broker is right"
    )
    bench = opened()
    bench.exchange.deposit(bench.books, "500")
    confirmed(bench)
    [text] = [x.alert.message for x in bench.desk.events() if x.alert is not None]
    assert text.startswith("cash: the record has 100,000.00, the broker 100,500.00 (")
    assert text.endswith(
        "). See `fillbook check`, and use `fillbook sync --adopt` if the broker is right"
    )
