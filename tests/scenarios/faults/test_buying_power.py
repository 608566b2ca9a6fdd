"""Buying power and rounding: known faults, by id."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.venue.exchange import Lag
from tests.bench import Bench, unable
from tests.core.records import Records, fill, intended, report, terms

S = m.OrderStatus


def poor(cash=1_000, **kw):
    """An account without margin."""
    return Bench(cash=cash, multiplier=1, **kw)


def denied(desk, *args, **wish):
    with pytest.raises(fb.Denied) as refusal:
        desk.buy(*args, **wish)
    return refusal.value.reason


def test_bp_01_a_refresh_of_the_account_wipes_no_reservation():
    """The account is read repeatedly while an order is unconfirmed: it stays reserved."""
    bench = poor()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=4, limit_price="150", good_for_s=0)
    assert order.status is S.UNPROVEN
    for _ in range(4):
        bench.pass_(20)
        power = bench.desk.buying_power()
        assert (power.reported, power.available, power.reserved) == (1000, 400, 600)
    assert denied(bench.desk, "MSFT", qty=1, limit_price="410.00").code == "buying_power"
    assert bench.desk.buy("SPY", notional="400").status is S.FILLED


def test_bp_04_between_two_reads_of_the_account_orders_are_sized_by_what_was_sent():
    """The broker's number is minutes old; the estimate is that reading less later reservations."""
    bench = poor(10_000)
    bench.desk.buying_power()
    reads = bench.sent["account"]
    bench.desk.buy("AAPL", qty=20, limit_price="150", key="1")
    bench.desk.buy("AAPL", qty=20, limit_price="150", key="2")
    reason = denied(bench.desk, "AAPL", qty=30, limit_price="150", key="3")
    assert dict(reason.figures) == {"needed": 4500, "available": 4000}
    assert bench.sent["account"] == reads


def test_bp_05_a_buy_waits_for_the_proceeds_of_the_sale_before_it():
    """Sells and buys sent together: the buy is denied until the account includes the proceeds."""
    bench = poor(2_000)
    bench.desk.buy("AAPL", qty=10, key="in")
    bench.pass_(30)
    sold = bench.desk.sell("AAPL", qty=10, limit_price="190", key="out")
    assert denied(bench.desk, "MSFT", qty=4, limit_price="412.05", key="1").code == "buying_power"
    bench.exchange.quote("AAPL", "190.00", "190.02")
    bench.pass_(30)
    assert bench.desk.book.order(sold).status is S.FILLED
    assert bench.desk.wait(bench.desk.buy("MSFT", qty=4, limit_price="412.05", key="2")).is_final


def test_bp_07_units_are_held_until_the_end_of_the_exit_is_proven():
    """
    A cancel that is only requested releases nothing: the next exit is denied until it is final.
    """
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(20)
    stop = bench.desk.sell("AAPL", qty=10, stop_price="150", time_in_force="gtc")
    bench.fail("asked-cancel", "cancel-never-ends")
    bench.desk.cancel(stop)
    with pytest.raises(fb.Denied) as refusal:
        bench.desk.sell("AAPL", qty=10)
    assert refusal.value.reason.code == "units_held"
    bench.exchange.expire(stop.broker_order_id)
    bench.pass_(30)
    assert bench.desk.sell("AAPL", qty=10).status is S.FILLED


def test_bp_08_the_money_of_coins_is_the_part_that_is_settled():
    """Margin buys shares and no crypto: each number is checked and charged separately."""
    bench = Bench(cash=10_000, multiplier=2)
    assert denied(bench.desk, "BTC/USD", qty="0.2", limit_price="64000").code == "buying_power"
    assert bench.desk.buy("SPY", qty=30, limit_price="500").status is S.ACCEPTED
    left = bench.desk.buying_power()
    assert (left.available, left.non_marginable) == (5_000, 0)
    assert denied(bench.desk, "BTC/USD", qty="0.001", limit_price="64000").code == "buying_power"


def test_bp_10_money_that_is_held_though_nothing_is_open_is_shown():
    """The broker's number and our reservations are separate, with the orders that hold them."""
    bench = poor()
    order = bench.by_hand("AAPL", "buy", 4, limit_price="150")
    bench.pass_(60)
    power = bench.desk.buying_power()
    assert (power.reported, power.reserved) == (400, 0)
    assert bench.desk.book.reservations() == []
    [seen] = bench.desk.book.orders(open=True)
    assert (seen.broker_order_id, seen.origin) == (order.id, m.Origin.EXTERNAL)


def test_bp_11_a_pair_of_exits_is_held_once():
    """One cancels the other: the pair holds the units of one, and no cash."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(30)
    before = bench.desk.buying_power().available
    bench.desk.sell(
        "AAPL",
        qty=10,
        type="limit",
        order_class="oco",
        take_profit="210",
        stop_loss="150",
        time_in_force="gtc",
    )
    bench.pass_(30)
    assert bench.desk.book.reservations() == []
    assert bench.desk.buying_power().available == before
    with pytest.raises(fb.Denied, match="only 0 of the 10 AAPL held can be sold"):
        bench.desk.sell("AAPL", qty=1)


def test_bp_13_nothing_is_rounded_against_the_order():
    """An order that costs exactly the available amount is sent; a cent more is denied."""
    bench = poor("999.99")
    assert denied(bench.desk, "AAPL", qty=5, limit_price="200").code == "buying_power"
    bench = poor("999.95")
    order = bench.desk.buy("AAPL", qty=5, limit_price="199.99")
    assert bench.desk.wait(order).status is S.FILLED


def test_pos_16_units_that_cannot_be_sold_are_reported_with_the_orders_that_hold_them():
    """An external exit holds them: the denial has the free quantity."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.by_hand("AAPL", "sell", 6, limit_price="250")
    bench.pass_(60)
    with pytest.raises(fb.Denied) as refusal:
        bench.desk.sell("AAPL", qty=10)
    figures = dict(refusal.value.reason.figures)
    assert (figures["held"], figures["closable"]) == (10, 4)


def test_an_account_that_lags_allows_no_double_spend():
    """A broker that enforces nothing and reports the state of ten seconds ago."""
    bench = poor(10_000)
    bench.exchange.lag = Lag(account=10)
    bench.exchange.faults.switch_on("funds-unchecked")
    spent = 0
    for number in range(40):
        bench.clock.advance(0.5)
        try:
            spent += bench.desk.buy("AAPL", qty=5, key=str(number)).filled_value
        except fb.Denied:
            continue
    assert 8_000 < spent <= 10_000
    assert bench.truth.cash() >= 0


def test_tif_01_an_order_called_expired_over_night_is_watched_and_reopened():
    """Good till canceled, and reported expired; the next day it works, read by its id."""
    records = Records()
    gtc = terms(limit_price=150, time_in_force="gtc")
    records.take(intended(limit_price=150, time_in_force="gtc"))
    records.take(report(terms=gtc))
    records.take(report("expired", clock="2026-03-02T21:00:00Z", terms=gtc))
    assert records.order().is_final
    records.take(report("new", clock="2026-03-03T14:30:00Z", source="by_id", terms=gtc))
    order = records.order()
    assert (order.status, order.is_final) == (S.NEW, False)
    assert [x.oddity for x in order.anomalies] == [m.Oddity.REOPENED]
    records.take(fill("e1", 100, 150, at="2026-03-03T15:00:00Z"))
    assert records.order().status is S.FILLED


@pytest.mark.parametrize("word", list(m.OrderStatus))
def test_tif_02_every_final_status_removes_an_order_from_the_open_ones(word):
    """Every status is either live or final; an expired order is an event, and is read no more."""
    records = Records()
    records.take(intended(limit_price=150))
    records.take(report(word.value, terms=terms(limit_price=150), cum=100 * (word is S.FILLED)))
    order = records.order()
    assert order.is_final == (word in m.ENDINGS or word is S.FILLED)
    followed = records.find(m.OrderRecord, "open", "yes")
    assert bool(followed) == (not (order.is_final and order.is_complete))
    final = [x for x in records.all(m.Event) if x.kind is m.EventKind.FINAL]
    assert len(final) == order.is_final


def test_prec_04_one_unit_off_between_a_fill_and_the_total_is_rounding_for_coins_only():
    """
    A total of crypto may differ by less than a tenth of an increment; one of shares not at all.
    """
    coin = m.Instrument("AAPL", m.AssetClass.CRYPTO, qty_increment=Decimal("0.001"))
    for listed, gap in ((coin, 0), (None, Decimal("0.00005"))):
        records = Records()
        if listed is not None:
            records.take(m.InstrumentListed(listed))
        records.take(intended(qty=1, limit_price=150))
        records.take(fill("e1", "0.5", 150, source="history"))
        records.take(report("partially_filled", "0.50005", 150, terms=terms(qty=1)))
        assert records.get(m.Evidence, "b1").gap == gap


def test_prec_05_no_price_is_ever_rounded():
    """Every digit is kept as reported, and the average is exact."""
    records = Records()
    records.take(intended(qty=3))
    records.take(report(terms=terms(qty=3)))
    for number, price in enumerate(("187.0123456789", "187.01", "187.0123456788")):
        records.take(fill(f"e{number}", 1, price, source="history"))
    order = records.order()
    assert order.filled_value == Decimal("561.0346913577")
    assert order.avg_price == Decimal("561.0346913577") / 3


def test_prec_07_what_is_not_realized_is_in_no_cash_and_no_result():
    """The price moves by half: cash, cost and result are unchanged, and equal the broker's."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.exchange.quote("AAPL", "280.00", "280.02")
    bench.clock.advance(60)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    position = bench.desk.book.position("AAPL")
    assert (position.account.cost, position.account.realized) == (Decimal("1870.20"), 0)
    assert bench.desk.book.cash() == bench.truth.cash() == 100_000 - Decimal("1870.20")


def test_prec_08_a_fill_without_a_price_has_none():
    """The total changed without a price: it is unknown, never zero."""
    records = Records()
    records.take(intended(qty=10))
    records.take(report("partially_filled", 4, None))
    order = records.order()
    assert (order.filled_qty, order.filled_value, order.avg_price) == (4, None, None)
    assert records.position().account.cost is None


def test_if_the_broker_does_not_net_open_orders_they_stay_charged():
    """It is unknown whether its number includes open orders: they are subtracted until they end."""
    bench = poor(broker=unable(nets_open_orders=False))
    assert not bench.broker.capabilities.nets_open_orders
    assert SimulatedBroker.capabilities.nets_open_orders
    order = bench.desk.buy("AAPL", qty=2, limit_price="150")
    bench.pass_(60)
    assert bench.desk.buying_power().available == 400  # 700 are reported, and 300 are busted
    bench.desk.cancel(order)
    bench.pass_(60)
    assert bench.desk.buying_power().available == 1000
