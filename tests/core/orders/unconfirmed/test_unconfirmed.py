"""P2 and P3: an unconfirmed create over simulated time, by tables of the broker's replies."""

from datetime import timedelta

import pytest

from fillbook import model as m
from fillbook.core.orders import unconfirmed as res
from tests.core.records import request

CAN = m.Capabilities(
    order_types=frozenset(m.OrderType),
    times_in_force=frozenset(m.TimeInForce),
    find=True,
    duplicate_check=True,
)
CANNOT = m.Capabilities(
    order_types=CAN.order_types, times_in_force=CAN.times_in_force, duplicate_check=False
)


def seconds(value):
    return timedelta(seconds=value)


def inquiry(wanted=300, **kw):
    return res.Inquiry(client_order_id="c1", sent_at=seconds(0), good_until=seconds(wanted), **kw)


def denied_at(asked, *moments):
    """Return the inquiry after the broker replied "not found" at each of *moments*."""
    for moment in moments:
        asked = res.with_not_found(res.with_query(asked, seconds(moment)), seconds(moment))
    return asked


@pytest.mark.parametrize(
    ("moments", "counted"),
    [
        ([], 0),
        ([5], 0),  # too soon after it was sent
        ([10], 1),
        ([10, 19], 1),  # too soon after the last one that counted
        ([10, 15, 20], 2),  # but not after one that did not
        ([10, 20, 30], 3),
        ([100_000], 1),  # after any time: one reply counts once
    ],
)
def test_a_reply_counts_ten_seconds_after_the_last_counted_one(moments, counted):
    assert len(denied_at(inquiry(), *moments).not_found_at) == counted


AGAIN = res.Resend()


@pytest.mark.parametrize(
    ("moments", "now", "wanted", "can", "step"),
    [
        ([10, 20, 30], 30, 300, CAN, AGAIN),
        ([10, 20], 21, 300, CAN, "ask"),  # two are not enough
        ([10, 20, 30], 30, 300, CANNOT, "ask"),  # it might make a second order
        ([10, 20, 30], 30, 30, CAN, "ask"),  # not wanted any more, and it may still be accepted
        ([10, 20, 30], 30, 0, CAN, "ask"),
        ([10, 20, 149], 149, 30, CAN, "ask"),
        ([10, 20, 30], 900, 30, CAN, "ask"),  # the last reply has to be late, not the query
        ([10, 20, 150], 150, 30, CAN, res.Abandon(3)),
        ([140, 150], 150, 30, CAN, "ask"),
        ([140, 150, 160], 160, 30, CANNOT, res.Abandon(3)),
        ([10, 20, 150], 150, 300, CAN, AGAIN),  # wanted: never concluded absent
        # Without a duplicate check it is never sent again, however long it is wanted.
        ([10, 20, 149], 149, 300, CANNOT, "ask"),
        ([10, 20, 150], 150, 300, CANNOT, res.Abandon(3)),
        ([140, 150], 150, 300, CANNOT, "ask"),
    ],
)
def test_three_counted_replies_resend_a_wanted_create_and_abandon_another(
    moments, now, wanted, can, step
):
    asked = denied_at(inquiry(wanted), *moments)
    found = res.next_step(asked, seconds(now), can)
    assert ("ask" if isinstance(found, res.Query) else found) == step


@pytest.mark.parametrize("wanted", [0, 10_000])
def test_an_order_that_the_broker_called_a_duplicate_is_never_absent(wanted):
    """It exists, though no list has it; it is queried until it is found."""
    there = denied_at(inquiry(wanted, exists=True), *range(10, 1000, 10))
    assert isinstance(res.next_step(there, seconds(1000), CAN), res.Query)


def test_an_outage_of_a_week_ends_nothing():
    """P3: replies are counted, never attempts."""
    asked, now = inquiry(30), seconds(0)
    while now < timedelta(days=7):
        step = res.next_step(asked, now, CAN)
        assert isinstance(step, res.Query)
        now = max(now + seconds(1), step.at)
        asked = res.with_query(asked, now)  # and no reply arrives
    assert asked.not_found_at == ()
    assert asked.queries > 10_000
    back = denied_at(asked, *(now.total_seconds() + n for n in (10, 20, 30)))
    assert res.next_step(back, now + seconds(30), CAN) == res.Abandon(3)


def test_queries_are_sent_at_growing_intervals_and_then_with_the_polls():
    asked, moments = inquiry(), []
    for _ in range(9):
        step = res.next_step(asked, seconds(0), CAN)
        moments.append(step.at.total_seconds())
        asked = res.with_query(asked, step.at)
    assert moments == [0, 0.25, 0.75, 1.75, 3.75, 8.75, 18.75, 48.75, 78.75]


def test_after_it_was_sent_again_everything_is_counted_anew():
    """The last byte may have left only now."""
    again = res.with_resend(denied_at(inquiry(), 10, 20, 30), seconds(31), 2)
    assert (again.sent_at, again.not_found_at, again.queries, again.sends) == (
        seconds(31),
        (),
        0,
        2,
    )
    assert res.next_step(again, seconds(31), CAN) == res.Query(seconds(31))
    assert denied_at(again, 40).not_found_at == ()  # nine seconds after it left


@pytest.mark.parametrize(
    ("wish", "expected"),
    [({}, 30), ({"limit_price": 9}, 300), ({"good_for_s": 0}, 0), ({"good_for_s": 7}, 7)],
)
def test_a_lost_create_is_wanted_as_long_as_its_kind_is_valid(wish, expected):
    assert res.good_for(request(**wish)) == seconds(expected)
