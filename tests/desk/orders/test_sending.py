"""`sending`: the bot sends by itself; the intent is durable before, and the order is read after."""

import pytest

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from tests.bench import Bench

S = m.OrderStatus


def wish(**kw):
    return fb.OrderRequest(**{"symbol": "AAPL", "side": "buy", "qty": 3, **kw})


def by_the_bot(bench, order):
    """The bot sends it by its own client, under the given client order id."""
    record = bench.desk.book.record(order)
    return bench.broker.submit(record.intent)


def must_be_heard(outcome):
    """As a bot's own client does: without a reply it raises."""
    if isinstance(outcome, m.Ambiguous):
        raise TimeoutError


def test_what_the_bot_sends_is_durable_before_and_known_after():
    bench = Bench()
    with bench.desk.sending(wish(), key="one") as order:
        assert (order.status, order.client_order_id[:3]) == (S.UNPROVEN, "fb-")
        assert bench.desk.book.requests(order)[0].command == "send"
        by_the_bot(bench, order)
    now = bench.desk.book.order(order)
    assert (now.status, now.filled_qty) == (S.FILLED, 3)
    assert bench.sent["submit"] == 0


def test_an_exception_is_raised_again_and_the_order_is_queried():
    """It is unknown whether it was sent; the broker's reply decides."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    with pytest.raises(TimeoutError), bench.desk.sending(wish()) as order:
        must_be_heard(by_the_bot(bench, order))
    assert bench.desk.book.order(order).status is S.UNPROVEN
    bench.pass_(60)
    assert bench.desk.book.order(order).status is S.FILLED


def test_an_order_that_the_bot_never_sent_is_abandoned_and_never_sent_by_us():
    bench = Bench()
    with pytest.raises(OSError), bench.desk.sending(wish(good_for_s=3600)) as order:
        raise OSError
    bench.pass_(600, every=20)
    assert bench.desk.book.order(order).status is S.ABSENT
    assert (bench.sent["submit"], bench.ours()) == (0, [])


def test_an_order_that_was_sent_is_not_sent_again():
    """The body does not run: the error has the existing order."""
    bench = Bench()
    with bench.desk.sending(wish(), key="one") as order:
        by_the_bot(bench, order)
    ran = []
    with pytest.raises(errors.AlreadySent) as raised, bench.desk.sending(wish(), key="one"):
        ran.append(1)
    assert (ran, raised.value.order.status) == ([], S.FILLED)
    assert bench.desk.submit(wish(), key="one").client_order_id == order.client_order_id
    with pytest.raises(errors.KeyReused), bench.desk.sending(wish(qty=4), key="one"):
        ran.append(1)
    assert (ran, len(bench.ours())) == ([], 1)


def test_what_is_denied_does_not_run():
    bench = Bench()
    bench.fail("submit", "request-lost")
    bench.desk.buy("AAPL", qty=1, good_for_s=600)
    ran = []
    with pytest.raises(errors.Denied, match="is locked"), bench.desk.sending(wish()):
        ran.append(1)
    assert ran == []


def test_the_next_process_queries_an_interrupted_send():
    """A crash in the body: by the intent it may have been sent."""
    bench = Bench()
    body = bench.desk.sending(wish())
    order = body.__enter__()
    by_the_bot(bench, order)
    bench.desk = bench.open()
    bench.pass_(60)
    assert bench.desk.book.order(order).status is S.FILLED
    assert len(bench.ours()) == 1
