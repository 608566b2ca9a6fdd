"""Where a key has one stream, the desk leaves it to the bot; a refused stream is an alert."""

from contextlib import ExitStack, contextmanager

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench, unable
from tests.scenarios.regressions.scenarios import alerts_of

REFUSED = m.AlertKind.STREAM_REFUSED


def at(streams_per_key):
    """A broker with that many streams for a key, which counts those that are open."""

    class Counting(unable(streams_per_key=streams_per_key)):
        opened = 0

        @contextmanager
        def listen(self, sink):
            self.opened += 1
            with super().listen(sink):
                yield

    return Counting


@pytest.mark.parametrize(
    ("streams_per_key", "listen", "opened"),
    [
        *((None, None, 1), (None, True, 1), (None, False, 0)),
        *((2, None, 1), (1, None, 0), (1, True, 1), (1, False, 0)),
    ],
)
def test_start_opens_a_stream_only_where_the_bot_keeps_its_own(
    streams_per_key, listen, opened, caplog
):
    """A stream that is the only one of its key is opened on request, with a warning."""
    bench = Bench(broker=at(streams_per_key))
    with bench.desk as desk:
        desk.start(listen=listen)
        desk.start(listen=listen)
        assert bench.broker.opened == opened
    warned = "no other stream of this key is accepted" in caplog.text
    assert warned is (streams_per_key == 1 and listen is True)


def test_a_stream_can_be_added_to_a_desk_that_was_started():
    """The second call opens it; a value that is not a flag is refused."""
    bench = Bench(broker=at(1))
    with bench.desk as desk:
        desk.start()
        desk.start(listen=True)
        assert bench.broker.opened == 1
        with pytest.raises(fb.InvalidValue):
            desk.start(listen="yes")


def test_a_refused_stream_of_the_desk_is_alerted_once_until_it_is_connected():
    """The alert has the reason; another loss after a connection is alerted anew."""
    bench = Bench()
    faults = bench.exchange.faults
    with ExitStack() as stack:
        for times in (1, 2):
            faults.switch_on("stream-refused")
            if times == 1:
                stack.enter_context(bench.streamed())
            else:
                bench.exchange.disconnect(bench.books)
            bench.pass_(120)
            assert alerts_of(bench.desk).count(REFUSED) == times
            faults.clear()
            bench.pass_(60)
    alert, ended = [x.alert for x in bench.desk.events() if x.alert is not None][-2:]
    assert "the exchange rejected the subscription" in alert.message
    assert ended.resolved


def test_a_stream_that_reconnects_at_once_is_no_alert():
    """A connection that was closed is open again after five seconds."""
    bench = Bench()
    with bench.streamed():
        bench.exchange.disconnect(bench.books)
        bench.pass_(60)
    assert REFUSED not in alerts_of(bench.desk)


def test_the_bot_reports_that_its_own_stream_was_refused():
    """Once until an event is received; the message says what to do."""
    bench = Bench(broker=at(1))
    refused = ConnectionError("HTTP 429 \x1b[31m")
    with bench.heard() as events:
        bench.resting()
        bench.clock.advance(1)
    assert [bench.desk.receive(refused) for _ in range(2)] == [1, 0]
    for event in events:
        bench.desk.receive(event)
    bench.desk.receive(refused)
    alerts = [x.alert for x in bench.desk.events() if x.alert is not None]
    assert [(x.kind, x.resolved) for x in alerts] == [
        (REFUSED, False),
        (REFUSED, True),
        (REFUSED, False),
    ]
    assert "ConnectionError: HTTP 429 [31m" in alerts[0].message
    assert "desk.receive" in alerts[0].message


def test_events_that_the_bot_passes_on_are_recorded_without_a_stream():
    """A desk that only polls knows the fill when `receive` returns."""
    bench = Bench(broker=at(1), wait_s=0)
    with bench.heard() as events:
        order = bench.resting()
        bench.clock.advance(1)
        bench.filled(order, 10)
    made = [bench.desk.receive(event) for event in events]
    assert sum(made) > 0
    assert bench.desk.book.position("AAPL").qty == 10
