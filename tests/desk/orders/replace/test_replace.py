"""Replace: its own client order id, never repeated, and queried until its outcome is known."""

import pytest

from fillbook import errors
from fillbook import model as m
from tests.bench import Bench
from tests.desk.orders.replace.replacing import S, living, resting, settled


def test_a_new_price_keeps_the_order_and_its_client_id():
    bench = Bench()
    order = resting(bench)
    now = bench.desk.replace(order, limit_price="151")
    assert (now.client_order_id, now.limit_price, now.pending) == (
        order.client_order_id,
        151,
        None,
    )
    assert (now.status, now.leaves_qty) == (S.NEW, 10)
    assert [x.client_order_id for x in living(bench)] == [f"{order.client_order_id}.r1"]


def test_a_replaced_order_is_replaced_again_under_the_next_id():
    bench = Bench()
    order = resting(bench)
    bench.desk.replace(order, limit_price="151")
    now = bench.desk.replace(order, limit_price="152", qty=7)
    assert (now.limit_price, now.qty, now.leaves_qty) == (152, 7, 7)
    [tip] = living(bench)
    assert tip.client_order_id == f"{order.client_order_id}.r2"
    bench.filled(now)
    bench.clock.advance(1)
    bench.desk.sync()
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.is_true()


def test_polls_complete_a_pending_replace():
    """Only the new id is in the list of open orders; the old one is read by itself."""
    bench = Bench(wait_s=0)
    order = resting(bench)
    assert bench.desk.replace(order, limit_price="151").pending == "replace"
    bench.pass_(60)
    now = bench.desk.book.order(order)
    assert (now.pending, now.status, now.leaves_qty) == (None, S.NEW, 10)
    assert [x.charge for x in bench.desk.book.reservations()] == [1510]
    bench.desk.replace(order, limit_price="152")
    assert bench.sent["replace"] == 2


@pytest.mark.parametrize("fault", ["reply-lost", "server-error", "html"])
def test_a_replace_whose_reply_is_lost_is_found_and_not_repeated(fault):
    bench = Bench()
    order = resting(bench)
    bench.fail("replace", fault)
    bench.desk.replace(order, limit_price="151")
    now = settled(bench, order)
    assert (now.pending, bench.sent["replace"]) == (None, 1)
    assert now.limit_price == living(bench)[0].limit_price
    assert len(living(bench)) == 1


def test_a_replace_that_never_arrived_is_abandoned_by_the_brokers_replies():
    """Until then it is pending, another one is denied, and its cost stays reserved."""
    bench = Bench()
    order = resting(bench)
    bench.fail("replace", "request-lost")
    now = bench.desk.replace(order, limit_price="151", qty=12)
    assert (now.pending, now.limit_price, now.leaves_qty) == ("replace", 150, 12)
    with pytest.raises(errors.Denied, match="unconfirmed"):
        bench.desk.replace(order, limit_price="152")
    bench.pass_(100)
    assert bench.desk.book.order(order).pending == "replace"
    now = settled(bench, order)
    assert (now.pending, now.limit_price, now.leaves_qty) == (None, 150, 10)
    assert bench.sent["replace"] == 1
    again = bench.desk.replace(order, limit_price="152")
    assert again.limit_price == 152
    assert living(bench)[0].client_order_id.endswith(".r2")


def test_an_outage_settles_no_replace():
    """Replies are counted, never attempts."""
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.fail("replace", "request-lost")
    bench.desk.replace(order, limit_price="151")
    bench.outage()
    bench.pass_(3600, every=30)
    assert bench.desk.book.order(order).pending == "replace"
    bench.over()
    assert settled(bench, order).pending is None


def test_a_replace_that_is_refused_though_done_is_done():
    bench = Bench()
    order = resting(bench)
    bench.fail("asked-replace", "replace-denied")
    now = bench.desk.replace(order, limit_price="151")
    assert (now.limit_price, now.pending) == (151, None)
    assert len(living(bench)) == 1


def test_a_definite_refusal_leaves_the_order_as_it_was():
    bench = Bench()
    order = resting(bench)
    bench.by_hand("SPY", "buy", 300)  # the money was there a moment ago
    with pytest.raises(errors.OrderRejected) as refused:
        bench.desk.replace(order, qty=1_000)
    now = refused.value.order
    assert (now.pending, now.qty, now.is_final, now.leaves_qty) == (None, 10, False, 10)
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


def test_a_change_that_certainly_did_not_leave_is_sent_again_until_it_expires():
    """Within wait_s, and then in the background."""
    bench = Bench()
    order = resting(bench)
    bench.fail("replace", "unreachable")
    assert bench.desk.replace(order, limit_price="151").limit_price == 151
    bench.fail("replace", "unreachable", times=9)
    assert bench.desk.replace(order, limit_price="152").pending == "replace"
    bench.pass_(120)
    now = bench.desk.book.order(order)
    assert (now.limit_price, now.pending) == (152, None)


def test_a_change_that_cannot_be_sent_in_time_expires_with_an_alert():
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.exchange.faults.switch_on("unreachable")
    assert bench.desk.replace(order, limit_price="151").pending == "replace"
    bench.pass_(400)
    assert bench.desk.book.order(order).pending is None
    assert m.AlertKind.GIVEN_UP in {x.alert.kind for x in bench.desk.events() if x.alert}
    bench.over()
    bench.pass_(60)
    assert bench.desk.book.order(order).limit_price == 150


def test_a_cancel_withdraws_a_change_that_has_not_left():
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.fail("replace", "unreachable", times=2)
    bench.desk.replace(order, limit_price="151")
    bench.desk.cancel(order)
    bench.pass_(60)
    assert living(bench) == []
    assert [x.client_order_id for x in bench.ours()] == [order.client_order_id]


def test_a_fill_wins_over_a_replace():
    """The old order fills first, and the new one is rejected."""
    bench = Bench()
    order = resting(bench)
    bench.fail("asked-replace", "replace-fills")
    now = bench.desk.replace(order, limit_price="151")
    now = now if now.is_final else settled(bench, order)
    assert (now.status, now.filled_qty, now.pending) == (S.FILLED, 10, None)
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC
    assert bench.is_true()


def test_fills_under_both_ids_are_one_orders():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    now = bench.desk.replace(order, limit_price="151")
    assert (now.filled_qty, now.limit_price) == (4, 151)
    bench.filled(now)
    bench.clock.advance(1)
    bench.pass_(90)
    now = bench.desk.book.order(order)
    assert (now.status, now.filled_qty, now.is_complete) == (S.FILLED, 10, True)
    assert bench.is_true()


def test_a_cancel_also_ends_the_order_of_an_unconfirmed_replace():
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.fail("replace", "reply-lost")
    bench.fail("find", "unreachable", times=2)
    bench.fail("order", "unreachable", times=2)
    bench.desk.replace(order, limit_price="151")
    bench.desk.cancel(order)
    bench.pass_(300)
    assert living(bench) == []
    now = bench.desk.book.order(order)
    assert (now.status, now.pending) == (S.CANCELED, None)


def test_a_cancel_after_an_unconfirmed_replace_does_not_release_its_cost():
    """P7: no reading of the account covers the amount that the change may still cost."""
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.fail("replace", "reply-lost")
    bench.fail("find", "unreachable", times=9)
    bench.fail("order", "unreachable", times=9)
    bench.desk.replace(order, limit_price="180")
    bench.desk.cancel(order)
    [kept] = bench.desk.book.reservations()
    assert (kept.charge, kept.grown) == (1800, None)


def test_the_next_process_queries_the_outcome_of_a_replace():
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.fail("replace", "reply-lost")
    bench.fail("find", "unreachable", times=3)
    bench.fail("order", "unreachable", times=3)
    assert bench.desk.replace(order, limit_price="151").pending == "replace"
    bench.desk = bench.open()
    bench.pass_(60)
    now = bench.desk.book.order(order)
    assert (now.pending, now.limit_price) == (None, 151)
    assert bench.sent["replace"] == 0


def test_a_trailing_stop_is_replaced_by_its_trail():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    order = bench.desk.sell("AAPL", qty=10, trail_price="5", time_in_force="gtc")
    bench.clock.advance(1)
    bench.desk.sync()
    assert bench.desk.replace(order, trail="6").terms.trail_price == 6


def test_the_exits_of_a_bracket_are_moved_though_they_hold_each_others_units():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, take_profit="200", stop_loss="150", time_in_force="gtc")
    bench.clock.advance(1)
    bench.desk.sync()
    stop = next(x for x in bench.desk.book.orders(open=True) if x.stop_price is not None)
    assert bench.desk.replace(stop, stop_price="160").stop_price == 160
