"""Replacing: a client id of its own, never repeated, and asked after until it is known."""

from decimal import Decimal

import pytest

from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench, unable

S = m.OrderStatus
TOTAL = unable(replace_qty=m.ReplaceQty.TOTAL)


def resting(bench, **wish):
    """An order that the exchange works on: one that it has only accepted is not replaced."""
    order = bench.resting(**wish)
    bench.clock.advance(1)
    return bench.desk.sync(order=order) and bench.desk.book.order(order)


def living(bench):
    """The exchange's orders of ours that may still fill."""
    return [x for x in bench.ours() if not x.is_over]


def settled(bench, order):
    """Let time pass until it is known what became of the replace."""
    bench.pass_(300)
    return bench.desk.book.order(order)


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


def test_polls_end_what_was_last_seen_giving_way():
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


def test_a_replace_that_never_arrived_is_given_up_by_the_brokers_answers():
    """Until then it is pending, another one is denied, and what it may cost is kept."""
    bench = Bench()
    order = resting(bench)
    bench.fail("replace", "request-lost")
    now = bench.desk.replace(order, limit_price="151", qty=12)
    assert (now.pending, now.limit_price, now.leaves_qty) == ("replace", 150, 12)
    with pytest.raises(errors.Denied, match="unproven"):
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
    """Answers are counted, never attempts."""
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
    with pytest.raises(errors.Rejected) as refused:
        bench.desk.replace(order, qty=1_000)
    now = refused.value.order
    assert (now.pending, now.qty, now.is_final, now.leaves_qty) == (None, 10, False, 10)
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


def test_what_provably_did_not_leave_may_be_asked_for_again():
    bench = Bench()
    order = resting(bench)
    bench.fail("replace", "unreachable")
    with pytest.raises(errors.Unavailable):
        bench.desk.replace(order, limit_price="151")
    assert bench.desk.book.order(order).pending is None
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


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


@pytest.mark.parametrize(("broker", "ids"), [(SimulatedBroker, 2), (TOTAL, 1)])
def test_a_quantity_is_changed_natively_only_if_its_meaning_is_known(broker, ids):
    """Else the order is canceled, and what is then left is ordered anew."""
    bench = Bench(broker=broker)
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    now = bench.desk.replace(order, qty=15)
    assert len({now.client_order_id, order.client_order_id}) == ids
    [tip] = living(bench)
    assert (tip.qty - tip.filled_qty, tip.client_order_id) == (11, f"{order.client_order_id}.r1")
    bench.filled(now)
    bench.clock.advance(1)
    bench.pass_(90)
    assert bench.is_true()
    assert bench.desk.book.position("AAPL").qty == 15
    assert {x.pending for x in bench.desk.book.orders()} == {None}


def test_what_fills_while_it_is_canceled_is_not_ordered_again():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("asked-cancel", "cancel-fills")
    now = bench.desk.replace(order, qty=8)
    bench.pass_(60)
    assert (now.status, now.filled_qty) == (S.FILLED, 10)
    assert len(bench.ours()) == 1
    assert bench.desk.book.order(order).pending is None


def test_a_plan_whose_cancel_hangs_is_given_up_with_an_alert():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("asked-cancel", "cancel-never-ends")
    now = bench.desk.replace(order, qty=15)
    assert (now.client_order_id, now.pending) == (order.client_order_id, "replace")
    bench.pass_(400, every=20)
    assert bench.desk.book.order(order).pending is None
    assert m.AlertKind.GIVEN_UP in {x.alert.kind for x in bench.desk.events() if x.alert}


def test_a_plan_is_carried_on_by_the_next_process():
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.desk.replace(order, qty=15)
    bench.desk = bench.open()
    bench.pass_(90)
    [tip] = living(bench)
    assert (tip.qty, tip.client_order_id) == (11, f"{order.client_order_id}.r1")


def test_an_end_that_is_wanted_meanwhile_ends_the_plan():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("cancel", "request-lost")
    bench.desk.replace(order, qty=15)
    bench.desk.cancel(order)
    bench.pass_(120)
    assert living(bench) == []
    assert len(bench.desk.book.orders()) == 1


def test_a_cancel_ends_whatever_an_unproven_replace_has_made():
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


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "asks for that already"),
        ({"limit_price": "150"}, "asks for that already"),
        ({"stop_price": "140"}, "has no stop_price"),
        ({"trail": "1"}, "has no trail"),
        ({"time_in_force": "gtd"}, "does not take"),
    ],
)
def test_what_cannot_be_changed_is_refused_before_anything_is_sent(change, why):
    bench = Bench()
    order = resting(bench)
    with pytest.raises(errors.Denied, match=why):
        bench.desk.replace(order, **change)
    assert bench.sent["replace"] == 0
    assert bench.desk.book.order(order) == order


def test_an_order_that_is_over_or_by_notional_is_refused():
    bench = Bench()
    done = bench.desk.buy("AAPL", qty=1)
    with pytest.raises(errors.Denied, match="place another"):
        bench.desk.replace(done, qty=2)
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    with pytest.raises(errors.Denied, match="filled already"):
        bench.desk.replace(order, qty=4)
    bench.desk.cancel(order)
    with pytest.raises(errors.Denied, match="canceled"):
        bench.desk.replace(order, qty=12)


def test_the_quantity_of_an_order_with_exits_is_not_changed_and_its_price_is():
    bench = Bench()
    order = resting(bench, take_profit="170", stop_loss="140", time_in_force="gtc")
    with pytest.raises(errors.Denied, match="exits"):
        bench.desk.replace(order, qty=5)
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


def test_a_broker_that_cannot_replace_or_find_is_not_asked():
    bench = Bench(broker=unable(replace=False))
    order = resting(bench)
    with pytest.raises(errors.Denied, match="does not replace"):
        bench.desk.replace(order, limit_price="151")
    assert bench.sent["replace"] == 0


def test_a_change_that_makes_no_sense_is_refused_at_the_door():
    bench = Bench()
    order = resting(bench)
    with pytest.raises(errors.InvalidValue, match="qty must be above zero"):
        bench.desk.replace(order, qty=0)
    assert bench.desk.book.order(order).qty == Decimal(10)


def test_the_next_process_asks_what_became_of_a_replace():
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


def test_a_dearer_order_takes_what_is_left_to_promise():
    """What a replace may cost beyond the order is checked and kept, as an order's is (P7)."""
    bench = Bench(cash=2_000, multiplier=1)
    order = resting(bench)  # 10 at 150
    with pytest.raises(errors.Denied, match=r"may cost 600\.00, and 500\.00 of buying power"):
        bench.desk.replace(order, qty=14)
    now = bench.desk.replace(order, qty=13)
    assert now.qty == 13
    assert bench.sent["replace"] == 1
    [kept] = bench.desk.book.reservations()
    assert kept.charge == 1950


def test_a_replaced_order_is_held_to_the_brokers_ticks():
    bench = Bench()
    order = resting(bench)
    with pytest.raises(errors.Denied) as refusal:
        bench.desk.replace(order, limit_price="150.123")
    assert refusal.value.reason.code == "price"
    assert bench.sent["replace"] == 0


def test_a_cheaper_order_needs_no_account():
    """A change that costs no more goes while nothing can be said of the buying power."""
    bench = Bench()
    order = resting(bench)
    bench.clock.advance(30)
    bench.fail("account", "unreachable", times=5)
    assert bench.desk.replace(order, limit_price="149").limit_price == 149


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


def planned(bench, qty=15):
    """A change by cancel-and-new whose order has ended, and whose new order is not placed yet."""
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.desk.replace(order, qty=qty)
    return order


@pytest.mark.parametrize("how", ["cancel", "cancel_all"])
def test_a_cancel_between_the_end_and_the_new_order_withdraws_the_change(how):
    """The order has ended; what was to be placed in its stead is wanted by nobody."""
    bench = Bench(wait_s=0)
    order = planned(bench)
    bench.clock.advance(1)
    bench.desk.sync(order=order)  # its end is proven, and no tick has placed the new one
    now = bench.desk.book.order(order)
    assert (now.status, now.pending) == (S.CANCELED, "replace")
    ended = bench.desk.cancel_all() if how == "cancel_all" else [bench.desk.cancel(order)]
    assert [x.client_order_id for x in ended] == [order.client_order_id]
    bench.pass_(120)
    assert living(bench) == []
    assert bench.desk.book.order(order).pending is None
    assert bench.sent["submit"] == 1


@pytest.mark.parametrize("how", ["cancel", "cancel_all"])
def test_a_cancel_of_a_changed_order_ends_what_was_placed_in_its_stead(how):
    bench = Bench()
    order = planned(bench)
    bench.pass_(10)
    [tip] = living(bench)
    assert tip.client_order_id == f"{order.client_order_id}.r1"
    if how == "cancel_all":
        bench.desk.cancel_all(symbol="AAPL")
    else:
        assert bench.desk.cancel(order).client_order_id == tip.client_order_id
    assert living(bench) == []


def test_a_change_that_is_withdrawn_while_it_is_decided_on_places_nothing():
    """The cancel comes between the proof of the end and the transaction of the new order."""
    bench = Bench(wait_s=0)
    order = planned(bench)
    bench.clock.advance(1)
    bench.desk.sync(order=order)
    look = bench.desk._coordinator._approval.look

    def canceled_meanwhile(request, **kw):
        seen = look(request, **kw)
        bench.desk.cancel(order)
        return seen

    bench.desk._coordinator._approval.look = canceled_meanwhile
    bench.clock.advance(5)
    bench.desk.tick()
    assert bench.sent["submit"] == 1
    assert bench.desk.book.order(order).pending is None
    assert len(bench.desk.book.orders()) == 1


def test_a_cancel_behind_an_unproven_replace_does_not_hide_that_it_may_cost_more():
    """P7: no read of the account is taken to hold money that the change may still take."""
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.fail("replace", "reply-lost")
    bench.fail("find", "unreachable", times=9)
    bench.fail("order", "unreachable", times=9)
    bench.desk.replace(order, limit_price="180")
    bench.desk.cancel(order)
    [kept] = bench.desk.book.reservations()
    assert (kept.charge, kept.grown) == (1800, None)
