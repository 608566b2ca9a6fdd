"""The approval: reads before an order, its decision, previews, the halt."""

import logging
import threading
from datetime import timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench, unable

S = m.OrderStatus
D = Decimal


def wish(symbol="AAPL", side="buy", **words):
    return fb.OrderRequest(symbol=symbol, side=side, **words)


def denied(desk, *args, **words):
    """The reason for which a buy is denied."""
    with pytest.raises(fb.Denied) as raised:
        desk.buy(*args, **words)
    return raised.value.reason


# -- what is asked ---------------------------------------------------------------------


def test_while_idle_a_limit_order_needs_only_its_own_request():
    """Its instrument is known, the account was read recently, and it needs no price."""
    bench = Bench()
    bench.resting()
    before = bench.desk.requests
    bench.resting(qty=11)
    assert bench.desk.requests - before == 1


def test_a_market_buy_reads_a_quote_and_a_reducing_sale_does_not():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    assert bench.sent["quotes"] == 1
    bench.desk.sell("AAPL", qty=10)
    assert bench.sent["quotes"] == 1


def test_an_instrument_is_read_once_per_symbol_and_day():
    bench = Bench()
    listed = bench.sent["instruments"]
    for symbol in ("AAPL", "MSFT", "AAPL"):
        bench.desk.buy(symbol, qty=1, limit_price="100", key=f"{symbol}{bench.sent['submit']}")
    assert bench.sent["instrument"] == 2
    bench.clock.advance(86_400)
    bench.resting()
    assert bench.sent["instrument"] == 3
    assert bench.sent["instruments"] == listed


def test_an_account_that_was_read_long_ago_is_read_again_before_new_risk():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    before = bench.sent["account"]
    bench.clock.advance(60)
    bench.desk.sell("AAPL", qty=5)  # it waits for no cash
    assert bench.sent["account"] == before
    bench.resting(qty=1)
    assert bench.sent["account"] == before + 1


def test_new_risk_waits_while_the_account_cannot_be_read():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(60)
    bench.outage()
    with pytest.raises(fb.Unavailable, match=r"buying power is unknown: .+ \(nothing") as raised:
        bench.resting()
    assert raised.value.order.status is S.DENIED
    bench.over()
    bench.resting()


def test_what_cannot_be_observed_is_not_checked():
    """No reply about an instrument or the calendar is no denial: the broker decides."""
    bench = Bench(broker=unable(instrument=False, instruments=False, sessions=False))
    order = bench.desk.buy("AAPL", qty=1, limit_price="190", time_in_force="ioc")
    assert order.status is S.FILLED
    assert bench.sent["instrument"] == bench.sent["sessions"] == 0
    bench = Bench()
    bench.fail("instruments", "unreachable", times=9)
    bench.fail("sessions", "unreachable", times=9)
    order = bench.desk.buy("AAPL", qty=1, limit_price="190", time_in_force="ioc")
    assert order.status is S.FILLED


def test_the_calendar_is_read_once_a_day_and_only_if_the_hour_matters():
    bench = Bench()
    bench.resting()
    assert bench.sent["sessions"] == 0
    for n in range(3):
        bench.desk.buy("AAPL", qty=1, limit_price="190", time_in_force="ioc", key=str(n))
    assert bench.sent["sessions"] == 1


# -- prices ----------------------------------------------------------------------------


def priced(prices, **can):
    """A desk whose broker has no quotes, with the bot's own."""
    bench = Bench(broker=unable(quotes=False, **can), opened=False)
    bench.desk = fb.open(bench.broker, MemoryStore(), clock=bench.clock, wait_s=2, prices=prices)
    bench.desk.sync()
    return bench


def test_a_bot_s_own_prices_serve_where_the_broker_has_none():
    bench = priced(lambda symbol: m.Quote(symbol, D(186), D(187), bench.clock.now()))
    assert bench.desk.buy("AAPL", qty=10).status is S.FILLED


def told_too_late(bench, symbol):
    return m.Quote(symbol, D(186), D(187), bench.clock.now() - timedelta(seconds=6))


@pytest.mark.parametrize("told", [told_too_late, lambda bench, symbol: None, None])
def test_without_a_fresh_price_a_market_buy_is_denied_but_for_a_reference(told):
    """A limit order needs none; and the price of an earlier fill is no quote."""
    bench = priced(None if told is None else lambda symbol: told(bench, symbol))
    bench.desk.buy("AAPL", qty=1, limit_price="190")
    assert denied(bench.desk, "AAPL", qty=10).code == "no_price"
    order = bench.desk.buy("AAPL", qty=10, reference_price="187")
    assert order.status is S.FILLED


def test_prices_that_raise_are_none_and_logged(caplog):
    bench = priced(lambda symbol: 1 / 0)
    with caplog.at_level(logging.ERROR, "fillbook"):
        assert denied(bench.desk, "AAPL", qty=10).code == "no_price"
    assert "price function of the bot failed for AAPL" in caplog.text


def test_a_reference_price_is_not_part_of_the_request():
    """A bot that crashed submits again under its key, with the current price."""
    bench = Bench()
    first = bench.desk.buy("AAPL", qty=10, reference_price="187", key="a")
    assert bench.desk.buy("AAPL", qty=10, reference_price="188", key="a") == first


# -- what is decided -------------------------------------------------------------------


def test_a_denied_order_has_a_reason_and_is_recorded():
    bench = Bench(cash="3432.62", multiplier=1)
    reason = denied(bench.desk, "AAPL", qty=300, limit_price="175.32")
    assert reason.code == "buying_power"
    assert dict(reason.figures) == {"needed": D("52596.00"), "available": D("3432.62")}
    order = bench.desk.book.orders()[-1]
    assert order.status is S.DENIED
    assert "52,596.00" in order.reason
    assert "3,432.62" in order.reason
    assert bench.sent["submit"] == 0
    entry = next(x.entry for x in bench.desk.book.journal() if isinstance(x.entry, m.IntentDenied))
    assert entry.code == "buying_power"


def test_the_same_amount_is_not_reserved_for_two_orders():
    """The second order is decided after the first reservation, before any reading includes it."""
    bench = Bench(cash=10_000, multiplier=1)
    bench.desk.buy("AAPL", qty=40, limit_price="150")
    reason = denied(bench.desk, "AAPL", qty=40, limit_price="150", key="second")
    assert dict(reason.figures) == {"needed": 6000, "available": 4000}


def test_a_bot_adds_checks_and_limits_by_value():
    bench = Bench()

    def no_tuesdays(request, context):
        return m.Reason("tuesday", "not on a Tuesday") if context.now.weekday() == 1 else None

    desk = fb.open(
        bench.broker,
        bench.store,
        clock=bench.clock,
        checks=(*fb.CHECKS, no_tuesdays),
        limits=fb.Limits(order_notional_max=1600),
    )
    assert denied(desk, "AAPL", qty=11, limit_price="150").code == "order_notional"
    desk.buy("AAPL", qty=10, limit_price="150")
    bench.clock.advance(86_400)
    assert denied(desk, "AAPL", qty=10, limit_price="150").code == "tuesday"


def test_a_check_that_raises_denies_and_is_logged(caplog):
    bench = Bench()

    def broken(request, context):
        raise KeyError("limits.json")

    desk = fb.open(bench.broker, bench.store, clock=bench.clock, checks=(broken,))
    with caplog.at_level(logging.ERROR, "fillbook"):
        assert denied(desk, "AAPL", qty=1).code == "check_failed"
    assert "the check broken raised" in caplog.text
    assert "limits.json" in caplog.text


def test_rounding_is_reported_and_the_key_remains_that_of_the_request():
    bench = Bench()
    words = {"qty": "1.0000000009", "limit_price": "150.009", "key": "a"}
    order = bench.desk.buy("AAPL", **words)
    assert (order.qty, order.limit_price) == (1, D("150"))
    assert {x.field: (x.wished, x.sent) for x in order.adjustments} == {
        "qty": (D("1.0000000009"), 1),
        "limit_price": (D("150.009"), D("150.00")),
    }
    assert bench.desk.buy("AAPL", **words).client_order_id == order.client_order_id
    with pytest.raises(fb.KeyReused):
        bench.desk.buy("AAPL", qty=1, limit_price="150", key="a")


# -- what was sent lately --------------------------------------------------------------


def test_the_same_order_at_once_is_denied_across_desks_and_later_sent():
    bench = Bench()
    other = bench.open()
    bench.resting()
    assert denied(other, "AAPL", qty=10, limit_price="150", strategy="s").code == "duplicate"
    bench.clock.advance(1)
    other.buy("AAPL", qty=10, limit_price="150", strategy="s")


def test_an_order_that_did_not_leave_is_no_duplicate_of_the_next():
    """The broker was unreachable, or rejected it: the bot tries again at once."""
    bench = Bench()
    bench.resting(qty=1)
    bench.fail("submit", "unreachable")
    with pytest.raises(fb.Unavailable):
        bench.resting()
    bench.exchange.block(bench.books)
    with pytest.raises(fb.OrderRejected):
        bench.resting()
    bench.exchange.block(bench.books, is_blocked=False)
    assert bench.resting().broker_order_id is not None


def test_the_limits_of_a_minute_and_a_day_count_what_any_process_sent():
    bench = Bench()
    bounds = fb.Limits(orders_per_minute_max=2, day_notional_max=4600, duplicate_s=0)

    def another():
        return fb.open(bench.broker, bench.store, clock=bench.clock, limits=bounds)

    first, second = another(), another()
    first.buy("AAPL", qty=10, limit_price="150")
    second.buy("AAPL", qty=10, limit_price="150")
    assert denied(first, "AAPL", qty=10, limit_price="150").code == "orders_per_minute"
    bench.clock.advance(60)
    first.buy("AAPL", qty=10, limit_price="150")
    bench.clock.advance(60)
    for desk in (first, second, another()):
        assert denied(desk, "AAPL", qty=1, limit_price="101").code == "day_notional"
    bench.clock.advance(86_400 - 120)
    third = another()
    for desk in (first, third):
        desk.buy("AAPL", qty=1, limit_price="100")


def test_an_order_long_ago_is_found_behind_many_entries():
    """The end of the journal is read as far back as the limits need."""
    bench = Bench()
    bench.resting()
    for n in range(200):
        bench.desk._recorder.record(m.Alerted(m.Alert(m.AlertKind.DRIFT, "x", str(n))))
    bounds = fb.Limits(orders_per_minute_max=1)
    desk = fb.open(bench.broker, bench.store, clock=bench.clock, limits=bounds)
    assert denied(desk, "MSFT", qty=1, limit_price="100").code == "orders_per_minute"


# -- previews --------------------------------------------------------------------------


def test_a_preview_has_every_check_and_the_impact_and_writes_nothing():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, limit_price="190", strategy="s")
    bench.clock.advance(20)
    bench.desk.sync()
    journal, submits = bench.desk.book.journal(), bench.sent["submit"]
    preview = bench.desk.preview(wish(side="sell", qty=10, limit_price="197.001"))
    assert preview.is_approved
    assert [x.name for x in preview.checks] == [x.__name__ for x in fb.CHECKS]
    assert [x.field for x in preview.adjustments] == ["limit_price"]
    impact = preview.impact
    assert (impact.price, impact.notional) == (D("197.01"), D("1970.10"))
    assert (impact.position, impact.exposure, impact.reserve) == (0, 0, 0)
    assert impact.pnl == D("99.90")  # bought at 187.02
    assert impact.fees is None  # not reported for shares
    assert bench.desk.book.journal() == journal
    assert bench.sent["submit"] == submits


def test_a_preview_has_the_reason_of_a_denial_and_the_figures():
    bench = Bench(cash="3432.62", multiplier=1)
    preview = bench.desk.preview(wish(qty=300, limit_price="175.32"))
    assert preview.reason.code == "buying_power"
    assert not preview.is_approved
    assert preview.impact.reserve == D("52596.00")
    assert preview.impact.buying_power == D("3432.62") - D("52596.00")


def test_a_preview_of_crypto_has_the_maximum_fee():
    bench = Bench()
    impact = bench.desk.preview(wish("BTC/USD", notional=1000)).impact
    assert impact.fees == D("2.5")
    assert impact.pnl == 0


def test_a_preview_binds_no_empty_record():
    bench = Bench(opened=False)
    preview = bench.desk.preview(wish(qty=1))
    assert preview.impact.position is None  # what is held was never read
    assert bench.desk.book.account() is None
    assert bench.desk.book.journal() == []


def test_a_preview_without_any_reply_reports_it():
    bench = Bench()
    bench.clock.advance(60)
    bench.outage()
    preview = bench.desk.preview(wish(qty=1))
    assert preview.reason.code == "no_price"
    assert preview.impact == m.Impact(
        price=None,
        notional=None,
        reserve=None,
        buying_power=None,
        position=D(1),
        exposure=None,
        fees=None,
        pnl=D(0),
    )


# -- the halt --------------------------------------------------------------------------


def test_a_halt_denies_every_new_order_of_every_desk_and_lets_cancels_pass():
    bench = Bench()
    other, order = bench.open(), bench.resting()
    bench.desk.halt("the model is wrong")
    for desk in (bench.desk, other, bench.open()):
        reason = denied(desk, "AAPL", qty=1)
        assert (reason.code, dict(reason.figures)) == ("halted", {"why": "the model is wrong"})
    assert other.cancel(order).status is S.CANCELED
    other.resume()
    assert bench.desk.buy("AAPL", qty=1).status is S.FILLED
    alerts = [x.alert.message for x in bench.desk.events() if x.alert is not None]
    assert [x.split(":")[0] for x in alerts] == ["halted", "resumed"]


def test_a_resume_without_a_halt_is_no_event():
    bench = Bench()
    bench.desk.resume()
    assert [x for x in bench.desk.events() if x.alert is not None] == []


def test_a_halted_desk_sends_no_order_again():
    """A create that was lost is queried, and not repeated before `resume`."""
    bench = Bench()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="190")
    bench.desk.halt("wait")
    bench.pass_(100)
    assert bench.sent["submit"] == 1
    assert bench.desk.book.order(order).status is S.UNPROVEN
    bench.desk.resume()
    bench.pass_(30)
    assert bench.sent["submit"] == 2
    assert bench.desk.book.order(order).status is S.FILLED


def test_a_halt_from_one_thread_stops_the_orders_of_others():
    """From the time at which `halt` returns no new order is sent."""
    bench = Bench()
    over, late = threading.Event(), []

    def trade(n):
        i = 0
        while not over.is_set():
            i += 1
            was_halted = halted.is_set()
            try:
                bench.desk.buy("AAPL", qty=1, limit_price="10", key=f"{n}/{i}")
            except fb.Denied:
                continue
            if was_halted:
                late.append((n, i))

    halted = threading.Event()
    threads = [threading.Thread(target=trade, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    bench.desk.halt("stop")
    halted.set()
    sent = bench.sent["submit"]
    over.set()
    for thread in threads:
        thread.join(30)
    assert late == []
    assert bench.sent["submit"] - sent <= 3  # those in flight


@pytest.mark.parametrize("why", ["", "  ", None, 7, "\ud800"])
def test_a_halt_has_a_reason(why):
    with pytest.raises(fb.InvalidValue, match="why"):
        Bench(opened=False).desk.halt(why)


@pytest.mark.parametrize(
    ("word", "value"),
    [("checks", 1), ("checks", [1]), ("checks", "ab"), ("limits", {}), ("prices", {"AAPL": 1})],
)
def test_checks_limits_and_prices_that_are_none_are_refused(word, value):
    bench = Bench(opened=False)
    with pytest.raises(fb.InvalidValue, match=word):
        fb.open(bench.broker, bench.store, **{word: value})


# -- a gap in the stream ---------------------------------------------------------------


def test_after_a_gap_new_risk_reads_what_was_missed_and_exits_wait_for_nothing():
    """The submit itself reads the gap; while that fails only new risk is denied."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    tracker = bench.desk._tracker
    tracker.stream.connected()
    assert not tracker.in_sync
    bench.fail("orders", "unreachable", times=1)
    assert denied(bench.desk, "MSFT", qty=1, limit_price="100").code == "not_in_sync"
    assert bench.desk.sell("AAPL", qty=5).status is S.FILLED
    assert not tracker.in_sync
    bench.desk.buy("MSFT", qty=1, limit_price="100")
    assert tracker.in_sync
