"""P2: only a read after its reply closes a replace that keeps the ids of the order."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench, unable

S = m.OrderStatus
EDITS = unable(
    replace_makes=m.ReplaceMakes.SAME_ID, replace_qty=m.ReplaceQty.TOTAL, duplicate_check=True
)


def bench_in_place(**options):
    return Bench(broker=EDITS, edits_in_place=True, **options)


def placed(bench, qty=10):
    order = bench.resting(qty=qty)
    bench.pass_(5)
    return order


def instructions_of(bench, order):
    return bench.desk.book.record(order).instructions


def edits(bench):
    return bench.sent["replace"]


def test_the_order_keeps_its_ids_and_has_the_new_terms():
    """One request, one order; the quantity is the total, with fills or without."""
    bench = bench_in_place()
    order = placed(bench)
    bench.filled(order, 4)
    after = bench.desk.replace(order, qty=20, limit_price="151")
    assert (after.client_order_id, after.broker_order_id) == (
        order.client_order_id,
        bench.ours()[0].id,
    )
    assert (after.qty, after.limit_price, after.leaves_qty, after.pending) == (20, 151, 16, None)
    assert (len(bench.ours()), edits(bench)) == (1, 1)
    (instruction,) = instructions_of(bench, order)
    assert (instruction.done, instruction.asked.way) == (True, m.Way.IN_PLACE)
    bench.filled(after, 16)
    bench.desk.sync()
    assert bench.desk.book.order(order).anomalies == ()
    assert bench.is_true()


def test_a_broker_without_find_can_edit():
    """The outcome is read by the broker's id."""
    bench = Bench(
        broker=unable(
            replace_makes=m.ReplaceMakes.SAME_ID, replace_qty=m.ReplaceQty.TOTAL, find=False
        ),
        edits_in_place=True,
    )
    order = placed(bench)
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


@pytest.mark.parametrize("fault", ["reply-lost", "server-error", "html"])
def test_an_edit_without_a_reply_is_found_by_its_terms(fault):
    """It is not sent again, and the order is right whether it was carried out or not."""
    bench = bench_in_place()
    order = placed(bench)
    bench.fail("replace", fault)
    bench.desk.replace(order, limit_price="151")
    bench.pass_(300)
    now = bench.desk.book.order(order)
    assert now.limit_price == bench.ours()[0].limit_price
    assert (now.pending, edits(bench)) == (None, 1)
    assert instructions_of(bench, order)[-1].closed is not None


def test_an_edit_that_was_lost_is_closed_after_the_old_terms_were_read_long_enough():
    """Until then it is open: it may still arrive, and the dearer terms are reserved."""
    bench = bench_in_place()
    order = placed(bench)
    bench.fail("replace", "request-lost")
    after = bench.desk.replace(order, limit_price="160")
    assert after.pending == "replace"
    bench.pass_(100)
    assert bench.desk.book.order(order).pending == "replace"
    assert bench.desk.book.record(order).reservation.charge == 1_600
    bench.pass_(200)
    now = bench.desk.book.order(order)
    assert (now.pending, now.limit_price, edits(bench)) == (None, 150, 1)
    (instruction,) = instructions_of(bench, order)
    assert "the terms before it" in instruction.closed
    assert not instruction.done
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


def test_an_edit_that_the_broker_rejects_is_raised_and_closed():
    """The read after the reply shows the previous terms."""
    bench = bench_in_place()
    order = placed(bench)
    bench.exchange.fill(order.broker_order_id, 6, Decimal(150))  # it fills meanwhile, unheard
    with pytest.raises(fb.OrderRejected, match="rejected the change"):
        bench.desk.replace(order, qty=5)
    bench.pass_(10)
    now = bench.desk.book.order(order)
    assert (now.pending, now.qty, now.filled_qty) == (None, 10, 6)


def test_an_edit_that_is_rejected_and_done_all_the_same_is_done():
    """The report decides, not the reply."""
    bench = bench_in_place()
    order = placed(bench)
    bench.fail("asked-replace", "replace-denied")
    after = bench.desk.replace(order, limit_price="151")
    bench.pass_(10)
    after = bench.desk.book.order(order)
    assert (after.limit_price, after.pending) == (151, None)
    assert instructions_of(bench, order)[-1].done


def test_a_fill_wins_over_an_edit():
    """The order is filled at its terms; the change is closed with the reason."""
    bench = bench_in_place()
    order = placed(bench)
    bench.fail("asked-replace", "replace-fills")
    bench.desk.replace(order, limit_price="151")
    bench.pass_(60)
    now = bench.desk.book.order(order)
    assert (now.status, now.pending, now.limit_price) == (S.FILLED, None, 150)
    assert instructions_of(bench, order)[-1].closed == "the order is filled"


def test_an_edit_that_was_not_sent_is_sent_once_when_it_can_be():
    """A rate limit is no reply."""
    bench = bench_in_place()
    order = placed(bench)
    bench.fail("replace", "rate-limited", times=2)
    bench.desk.replace(order, limit_price="151")
    bench.pass_(60)
    assert bench.desk.book.order(order).limit_price == 151
    assert bench.ours()[0].limit_price == 151


@pytest.mark.parametrize("after_s", [1, 30, 60, 300])
@pytest.mark.parametrize("fault", ["reply-lost", "request-lost"])
def test_the_next_process_finds_the_outcome(fault, after_s):
    """P12: the change is open in the record, and is not sent a second time."""
    bench = bench_in_place(wait_s=0)
    order = placed(bench)
    bench.fail("replace", fault)
    bench.desk.replace(order, limit_price="151")
    bench.clock.advance(after_s)
    bench.desk = bench.open()
    bench.pass_(300)
    now = bench.desk.book.order(order)
    assert now.pending is None
    assert now.limit_price == bench.ours()[0].limit_price
    assert instructions_of(bench, order)[-1].done == (fault == "reply-lost")
    assert edits(bench) == 0


def test_a_cancel_behind_an_edit_ends_the_order():
    """The edit is open until the order is final; then it is closed too."""
    bench = bench_in_place()
    order = placed(bench)
    bench.fail("replace", "request-lost")
    bench.desk.replace(order, limit_price="151")
    bench.desk.cancel(order)
    bench.pass_(60)
    now = bench.desk.book.order(order)
    assert (now.status, now.pending) == (S.CANCELED, None)
    assert all(x.closed for x in instructions_of(bench, order) if x.change)
