"""How often open orders are polled, by what the stream has proved; and when we are behind."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook.core import polling
from fillbook.core.polling import PERIODS, QUICK, RESYNC_EVERY, SILENT_AFTER, Pulse, StreamState

S = StreamState


def at(seconds):
    return timedelta(seconds=seconds)


def live(now=0):
    """A stream that is connected, and whose gap was read."""
    pulse = polling.connected(polling.begun(Pulse()), at(now))
    return polling.resynced(pulse, pulse.missed)


def test_a_live_stream_relaxes_the_polls_and_no_stream_is_polled_as_ever():
    """Twenty-five seconds and fifteen."""
    assert polling.poll_after(live(), at(0)) == at(25)
    assert polling.poll_after(Pulse(), at(9_999)) == at(15)


def test_what_was_missed_is_read_before_anything_is_live():
    """Begun, connected, lost: each leaves us behind until a reading that began after it."""
    begun = polling.begun(Pulse())
    connected = polling.connected(begun, at(1))
    assert (begun.state, begun.behind) == (S.CONNECTING, True)
    assert (connected.state, connected.behind) == (S.GAP, True)
    assert polling.resynced(connected, begun.missed) == connected
    read = polling.resynced(connected, connected.missed)
    assert (read.state, read.behind) == (S.LIVE, False)
    assert polling.poll_after(connected, at(2)) == RESYNC_EVERY


def test_a_stream_that_is_refused_leaves_nobody_behind_for_ever():
    """Once the loss was read, polls carry the record; being refused again is no new loss."""
    lost = polling.lost(live())
    read = polling.resynced(lost, lost.missed)
    assert (read.state, read.behind) == (S.CONNECTING, False)
    assert polling.lost(read) == read
    assert polling.poll_after(read, at(1)) == QUICK


def test_a_stream_that_is_late_is_polled_quickly_until_it_tells_something():
    """A poll that finds nothing more does not make up for it."""
    late = polling.polled(live(), True, at(5))
    assert polling.poll_after(late, at(5)) == QUICK
    assert polling.poll_after(polling.polled(late, False, at(9)), at(9)) == QUICK
    assert polling.poll_after(polling.heard(late, at(9)), at(9)) == at(25)


def test_a_stream_that_nothing_has_confirmed_for_a_minute_is_silent():
    """An event confirms it, and so does a poll that finds nothing new."""
    pulse = live()
    before = SILENT_AFTER - at(1)
    assert polling.poll_after(pulse, before) == at(25)
    assert polling.poll_after(pulse, SILENT_AFTER) == QUICK
    for confirmed in (polling.heard(pulse, at(9)), polling.polled(pulse, False, at(9))):
        assert polling.poll_after(confirmed, SILENT_AFTER) == at(25)


def test_news_of_a_poll_means_nothing_where_nobody_listens():
    """There is no stream that could have told it."""
    assert polling.polled(Pulse(), True, at(5)) == Pulse()


@pytest.mark.parametrize("state", S)
def test_every_state_has_its_period(state):
    """None leaves a fill unknown for half a minute."""
    assert PERIODS[state] <= at(25)


steps = st.lists(st.sampled_from(["begun", "connected", "lost", "heard", "news", "none", "read"]))


@given(steps)
def test_whatever_a_stream_does_the_next_poll_is_soon_and_nothing_missed_is_forgotten(names):
    """At most 25 s away; and behind exactly if something was missed since the last reading."""
    pulse, missed = Pulse(), False
    for second, name in enumerate(names):
        now = at(second)
        match name:
            case "begun":
                pulse, missed = polling.begun(pulse), True
            case "connected":
                pulse, missed = polling.connected(pulse, now), True
            case "lost":
                missed = missed or pulse.state is not S.CONNECTING
                pulse = polling.lost(pulse)
            case "heard":
                pulse = polling.heard(pulse, now)
            case "read":
                pulse, missed = polling.resynced(pulse, pulse.missed), False
            case _:
                pulse = polling.polled(pulse, name == "news", now)
        assert pulse.behind is missed
        assert QUICK <= polling.poll_after(pulse, now) <= at(25)
        assert (pulse.state is not S.LIVE) or not pulse.behind
