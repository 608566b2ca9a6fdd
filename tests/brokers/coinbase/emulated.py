"""An adapter at an emulator with a simulated clock, which counts the frames of its stream."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager

from fillbook import model as m
from fillbook.broker import Sink
from fillbook.brokers.coinbase import CoinbaseBroker
from fillbook.brokers.coinbase.stream import UserChannel
from fillbook.clock import ManualClock
from fillbook.testing.venue_driver import ExchangeDriver
from fillbook.venue.coinbase import Emulator

PATIENCE_S = 60.0  # the machine may be busy


class Ear:
    """A sink before a sink; `wait_for` waits until so many updates were handled."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._news = threading.Condition()
        self.updates = 0
        self.is_told = False  #: of a connection or of its loss

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self._sink.receive(reports)

    def connected(self) -> None:
        self._sink.connected()
        self._note(told=True)

    def lost(self, why: str) -> None:
        self._sink.lost(why)
        self._note(told=True)

    def handled(self) -> None:
        self._note(1)

    def _note(self, updates: int = 0, *, told: bool = False) -> None:
        with self._news:
            self.updates += updates
            self.is_told = self.is_told or told
            self._news.notify_all()

    def wait_for(self, updates: int) -> None:
        with self._news:
            heard = self._news.wait_for(
                lambda: self.is_told and self.updates >= updates, PATIENCE_S
            )
        assert heard, f"{self.updates} of {updates} updates were handled"


class CountedChannel(UserChannel):
    """A stream that tells its ear of each update that it has handled."""

    ear: Ear

    def frame(self, raw: str | bytes) -> None:
        try:
            super().frame(raw)
        finally:
            text = raw if isinstance(raw, str) else raw.decode()
            if '"channel": "user"' in text and '"type": "snapshot"' not in text:
                self.ear.handled()


class HeardBroker(CoinbaseBroker):
    """An adapter whose stream has an ear."""

    ear: Ear | None = None

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        self.ear = Ear(sink)
        made = CountedChannel(self._endpoints.stream_url, self._keys, self._reports, self.ear)
        made.ear = self.ear
        return made


class EmulatorDriver(ExchangeDriver):
    """Moves the exchange behind an emulator, and waits for the wire."""

    def __init__(self, emulator: Emulator, broker: HeardBroker, clock: ManualClock) -> None:
        super().__init__(emulator.exchange, emulator.account, clock)
        self._emulator = emulator
        self._broker = broker

    def wait_for_events(self) -> None:
        super().wait_for_events()
        if self._broker.ear is not None and self._emulator.streams.all():
            self._broker.ear.wait_for(self._emulator.streams.sent)
        elif self._broker.ear is not None:
            self._broker.ear.wait_for(0)
