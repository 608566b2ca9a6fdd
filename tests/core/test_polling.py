"""The interval of polls by the state of the stream; and when the record is behind."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook.core import polling
from fillbook.core.polling import (
    FAST_POLL,
    POLL_PERIODS,
    RESYNC_PERIOD,
    SILENCE_MAX,
    StreamHealth,
    StreamState,
)

S = StreamState


def at(seconds):
    return timedelta(seconds=seconds)


def live(now=0):
    """A connected stream, whose gap was read."""
    health = polling.connected(polling.subscribing(StreamHealth()), at(now))
    return polling.resynced(health, health.gaps)


def test_a_live_stream_relaxes_the_polls_and_no_stream_is_polled_as_ever():
    """Twenty-five seconds with a live stream, fifteen without."""
    assert polling.poll_after(live(), at(0)) == at(25)
    assert polling.poll_after(StreamHealth(), at(9_999)) == at(15)


def test_what_was_missed_is_read_before_anything_is_live():
    """Begun, connected, lost: after each the record is behind until a later reading."""
    begun = polling.subscribing(StreamHealth())
    connected = polling.connected(begun, at(1))
    assert (begun.state, begun.is_behind) == (S.CONNECTING, True)
    assert (connected.state, connected.is_behind) == (S.GAP, True)
    assert polling.resynced(connected, begun.gaps) == connected
    read = polling.resynced(connected, connected.gaps)
    assert (read.state, read.is_behind) == (S.LIVE, False)
    assert polling.poll_after(connected, at(2)) == RESYNC_PERIOD


def test_a_refused_stream_leaves_no_gap_open_for_ever():
    """After the gap was read, polls update the record; another refusal is no new gap."""
    lost = polling.disconnected(live())
    read = polling.resynced(lost, lost.gaps)
    assert (read.state, read.is_behind) == (S.CONNECTING, False)
    assert polling.disconnected(read) == read
    assert polling.poll_after(read, at(1)) == FAST_POLL


def test_a_late_stream_is_polled_fast_until_it_delivers_an_event():
    """A poll that finds nothing more does not end the fast polls."""
    late = polling.polled(live(), True, at(5))
    assert polling.poll_after(late, at(5)) == FAST_POLL
    assert polling.poll_after(polling.polled(late, False, at(9)), at(9)) == FAST_POLL
    assert polling.poll_after(polling.received(late, at(9)), at(9)) == at(25)


def test_a_stream_without_confirmation_for_a_minute_is_silent():
    """An event confirms it, and so does a poll that finds nothing new."""
    health = live()
    before = SILENCE_MAX - at(1)
    assert polling.poll_after(health, before) == at(25)
    assert polling.poll_after(health, SILENCE_MAX) == FAST_POLL
    for confirmed in (polling.received(health, at(9)), polling.polled(health, False, at(9))):
        assert polling.poll_after(confirmed, SILENCE_MAX) == at(25)


def test_a_new_fact_of_a_poll_means_nothing_without_a_stream():
    """There is no stream that could have reported it."""
    assert polling.polled(StreamHealth(), True, at(5)) == StreamHealth()


@pytest.mark.parametrize("state", S)
def test_every_state_has_its_period(state):
    """In none is a fill unknown for half a minute."""
    assert POLL_PERIODS[state] <= at(25)


steps = st.lists(st.sampled_from(["begun", "connected", "lost", "heard", "news", "none", "read"]))


@given(steps)
def test_whatever_a_stream_does_the_next_poll_is_soon_and_nothing_missed_is_forgotten(names):
    """At most 25 s; and behind exactly if something was missed since the last reading."""
    health, missed = StreamHealth(), False
    for second, name in enumerate(names):
        now = at(second)
        match name:
            case "begun":
                health, missed = polling.subscribing(health), True
            case "connected":
                health, missed = polling.connected(health, now), True
            case "lost":
                missed = missed or health.state is not S.CONNECTING
                health = polling.disconnected(health)
            case "heard":
                health = polling.received(health, now)
            case "read":
                health, missed = polling.resynced(health, health.gaps), False
            case _:
                health = polling.polled(health, name == "news", now)
        assert health.is_behind is missed
        assert FAST_POLL <= polling.poll_after(health, now) <= at(25)
        assert (health.state is not S.LIVE) or not health.is_behind
