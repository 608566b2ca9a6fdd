"""An adapter at an emulator with a simulated clock, which records the received events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from fillbook import model as m
from fillbook.broker import Sink
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.clock import ManualClock
from fillbook.testing.venue_driver import ExchangeDriver
from fillbook.venue.alpaca import Emulator

PATIENCE_S = 60.0  # the machine may be busy


class EventSink:
    """A sink before a sink; `wait_for` waits until an event was received."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._news = threading.Condition()
        self.calls = 0
        self.is_told = False  #: of a connection or of its loss

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self._sink.receive(reports)
        with self._news:
            self.calls += 1
            self._news.notify_all()

    def connected(self) -> None:
        self._sink.connected()
        self._tell()

    def lost(self, why: str) -> None:
        self._sink.lost(why)
        self._tell()

    def _tell(self) -> None:
        with self._news:
            self.is_told = True
            self._news.notify_all()

    def wait_for(self, calls: Callable[[], int]) -> None:
        """Wait for *calls* events; a stream counts one that it replays twice, for a moment."""
        end = time.monotonic() + PATIENCE_S
        with self._news:
            while not (self.is_told and self.calls >= calls()):
                assert time.monotonic() < end, f"{self.calls} of {calls()} events were heard"
                self._news.wait(0.05)


class Listening:
    """A stream of the adapter, and the ear on it."""

    def __init__(
        self, broker: HeardBroker, ear: EventSink, stream: AbstractContextManager[object]
    ) -> None:
        self._broker = broker
        self._ear = ear
        self._stream = stream

    def __enter__(self) -> None:
        self._stream.__enter__()
        self._broker.ear = self._ear

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._broker.ear = None
        self._stream.__exit__(kind, error, traceback)


class HeardBroker(AlpacaBroker):
    """An adapter that records the events of its stream."""

    ear: EventSink | None = None

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        ear = EventSink(sink)
        stream = super().listen(ear)
        return None if stream is None else Listening(self, ear, stream)


class EmulatorDriver(ExchangeDriver):
    """Moves the exchange behind an emulator, and waits for the wire."""

    def __init__(self, emulator: Emulator, broker: HeardBroker, clock: ManualClock) -> None:
        super().__init__(emulator.exchange, emulator.account, clock)
        self._emulator = emulator
        self._broker = broker

    def wait_for_events(self) -> None:
        super().wait_for_events()
        if self._broker.ear is not None:
            streams, events = self._emulator.streams, self._emulator.events
            self._broker.ear.wait_for(lambda: streams.sent + events.sent)
