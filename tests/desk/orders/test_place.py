"""Placing an order: its status by the reply; keys; cancels."""

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench, unable

S = m.OrderStatus


@pytest.mark.parametrize(
    ("fault", "at_once", "after_a_minute", "sent"),
    [
        ("reply-lost", S.FILLED, S.FILLED, 1),
        ("request-lost", S.UNPROVEN, S.ABSENT, 1),
        ("late-landing", S.UNPROVEN, S.FILLED, 1),
        ("server-error", S.UNPROVEN, S.ABSENT, 1),
        ("html", S.UNPROVEN, S.ABSENT, 1),
        ("redirect", S.UNPROVEN, S.ABSENT, 1),
        ("slow", S.FILLED, S.FILLED, 1),
    ],
)
def test_a_submit_follows_its_reply_and_then_the_broker(fault, at_once, after_a_minute, sent):
    """A market order is not sent again; one that did not arrive is ABSENT after the window."""
    bench = Bench(broker=NeverDone)
    bench.fail("submit", fault, seconds=40 if fault == "late-landing" else 3)
    order = bench.desk.buy("AAPL", qty=10, good_for_s=0)
    assert order.status is at_once
    bench.pass_(200)
    assert bench.desk.book.order(order).status is after_a_minute
    assert bench.sent["submit"] == sent


class NeverDone(SimulatedBroker):
    """A server error or an HTML page means here that the order was not accepted."""

    def _write(self, injected, request):
        if injected is not None and injected.fault in ("server-error", "html"):
            return m.Ambiguous(m.Failure.SERVER_ERROR, str(injected.fault))
        return super()._write(injected, request)


def test_a_lost_order_that_is_still_wanted_is_sent_again_under_its_id():
    """Three replies of the broker over half a minute; the duplicate check accepts only one."""
    bench = Bench()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="190")
    bench.pass_(90)
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.sent["submit"] == 2
    assert len(bench.ours()) == 1


def test_both_creates_may_be_accepted_and_one_remains_live():
    """The first is accepted after the second: the broker's duplicate check rejects it."""
    bench = Bench()
    bench.fail("submit", "late-landing", seconds=120)
    order = bench.desk.buy("AAPL", qty=10, limit_price="190")
    bench.pass_(300)
    assert bench.sent["submit"] == 2
    assert bench.desk.book.order(order).status is S.FILLED
    assert [x.qty for x in bench.ours()] == [10]
    assert bench.is_true()


def test_absent_is_concluded_never_before_the_window():
    """Not wanted any more, and 150 seconds of "not found": one second less is not enough."""
    bench = Bench()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, good_for_s=0)
    begun = bench.clock.elapsed()
    while bench.desk.book.order(order).status is S.UNPROVEN:
        bench.clock.advance(1)
        bench.desk.tick()
    took = (bench.clock.elapsed() - begun).total_seconds()
    assert 138 <= took <= 200  # ten seconds had passed in the submit itself


def test_an_outage_of_a_week_ends_no_order():
    """Attempts prove nothing; after the outage one pass decides every order."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    bench.outage()
    lost = bench.desk.buy("AAPL", qty=10, limit_price="190")
    for _ in range(7 * 24):
        bench.clock.advance(3600)
        bench.desk.tick()
    assert bench.desk.book.order(lost).status is S.UNPROVEN
    bench.over()
    bench.desk.sync()
    assert bench.desk.book.order(lost).status is S.FILLED
    assert bench.is_true()


def test_a_key_is_one_order_in_any_state():
    """Resting, filled, denied, rejected: a second submit returns it, and sends nothing."""
    bench = Bench()
    first = bench.resting(key="a")
    assert bench.resting(key="a") == first
    bench.filled(first)
    bench.clock.advance(1)
    bench.desk.sync()
    assert bench.resting(key="a").status is S.FILLED
    bench.exchange.block(bench.books)
    with pytest.raises(fb.OrderRejected):
        bench.desk.buy("AAPL", qty=10, key="b")
    assert bench.desk.buy("AAPL", qty=10, key="b").status is S.REJECTED
    assert bench.sent["submit"] == 2


def test_a_key_with_another_request_is_refused():
    """The bot has to choose one of the two requests."""
    bench = Bench()
    bench.resting(key="a")
    with pytest.raises(fb.KeyReused, match="Use a new key"):
        bench.resting(qty=11, key="a")
    assert bench.sent["submit"] == 1


def test_a_request_that_provably_did_not_leave_may_be_made_again():
    """Unavailable has the retry time; the same key then sends, as if for the first time."""
    bench = Bench()
    bench.fail("submit", "rate-limited")
    with pytest.raises(fb.Unavailable) as raised:
        bench.resting(key="a")
    assert raised.value.order.status is S.DENIED
    assert raised.value.retry_at > bench.clock.now()
    bench.clock.advance(2)
    assert bench.resting(key="a").status in (S.NEW, S.ACCEPTED)
    assert len(bench.ours()) == 1


def test_what_the_broker_cannot_do_is_denied_before_it_is_sent():
    """No order type is emulated; the message reports that nothing was sent."""
    bench = Bench(broker=unable(notional=False))
    with pytest.raises(fb.Denied, match=r"does not support orders by notional.*nothing was sent"):
        bench.desk.buy("AAPL", notional="500")
    assert bench.sent["submit"] == 0


def test_a_denied_order_is_checked_again_under_its_key():
    """While its symbol is locked it is denied again; after that it is sent."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    bench.outage()
    bench.desk.buy("AAPL", qty=10, limit_price="190", key="first")
    for _ in range(2):
        with pytest.raises(fb.Denied):
            bench.desk.buy("AAPL", qty=1, key="second")
    assert bench.sent["submit"] == 1
    bench.over()
    bench.pass_(30)
    assert bench.desk.buy("AAPL", qty=1, key="second").status is S.FILLED


def test_a_reducing_order_passes_a_locked_symbol():
    """New risk waits, a reducing order does not."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.fail("submit", "request-lost")
    bench.fail("find", "unreachable", times=20)
    bench.desk.buy("AAPL", qty=5)
    with pytest.raises(fb.Denied):
        bench.desk.buy("AAPL", qty=1)
    with pytest.raises(fb.Denied):
        bench.desk.sell("AAPL", qty=11)
    assert bench.desk.sell("AAPL", qty=10).status is S.FILLED


@pytest.mark.parametrize("fault", ["reply-lost", "request-lost", "server-error", "unreachable"])
def test_a_cancel_without_a_reply_is_read_and_repeated_after_the_next_start(fault):
    """The order ends in every case, and is shown as live until the broker reports its end."""
    bench = Bench()
    order = bench.resting()
    bench.fail("cancel", fault)
    bench.fail("order", "unreachable", times=20)
    now = bench.desk.cancel(order)
    assert not now.is_final
    bench.over()
    bench.desk = bench.open()
    bench.pass_(30)
    if fault == "unreachable":  # it certainly did not leave, and its status reports that
        assert bench.desk.cancel(order).status is S.CANCELED
    assert bench.desk.book.order(order).status is S.CANCELED


def test_a_cancel_is_repeated_after_a_start_that_met_an_outage():
    """The first snapshot was not observed; the cancel is still open."""
    bench = Bench()
    order = bench.resting()
    bench.fail("cancel", "request-lost")
    bench.fail("order", "unreachable", times=20)
    bench.desk.cancel(order)
    bench.desk = bench.open()
    bench.fail("positions", "server-error", times=2)
    bench.exchange.faults.switch_off("unreachable")
    bench.pass_(180)
    assert bench.desk.book.order(order).status is S.CANCELED


def test_an_unknown_order_is_an_error_with_what_to_do():
    """By each of its ids."""
    bench = Bench()
    for ask in (bench.desk.cancel, bench.desk.wait, bench.desk.book.order):
        with pytest.raises(fb.UnknownOrder, match="fillbook orders"):
            ask("no-such-order")


def test_wait_ends_with_the_order_or_with_its_time():
    """It returns the order as it is then, and raises no time-out."""
    bench = Bench()
    order = bench.resting()
    began = bench.clock.elapsed()
    assert not bench.desk.wait(order, timeout_s=3).is_final
    assert 3 <= (bench.clock.elapsed() - began).total_seconds() < 4
    bench.filled(order)
    assert bench.desk.wait(order.broker_order_id, timeout_s=3).status is S.FILLED


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_an_order_on_a_closed_market_returns_as_soon_as_the_broker_has_it(order_type):
    """It cannot fill before the open, so that no caller waits with it."""
    bench = Bench(wait_s=5)
    bench.clock.advance(10 * 3600)
    bench.desk.sync()
    begun = bench.clock.elapsed()
    wish = {} if order_type == "market" else {"limit_price": "150"}
    order = bench.desk.buy("AAPL", qty=1, reference_price="187", **wish)
    assert (order.status, order.filled_qty) == (S.ACCEPTED, 0)
    assert (bench.clock.elapsed() - begun).total_seconds() < 1
    assert bench.desk.opens_at("AAPL") is not None


def test_a_market_order_may_be_tried_again_while_no_quote_can_be_read():
    """Denied would say that it is pointless: the broker was unreachable, not the quote unknown."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=1)
    bench.fail("quotes", "unreachable")
    with pytest.raises(fb.Unavailable, match="unreachable") as raised:
        bench.desk.buy("AAPL", qty=2)
    assert raised.value.retry
    assert bench.desk.buy("AAPL", qty=2).status is S.FILLED
