"""What both streams tell a sink: frames, gaps, and each cause of a gap once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fillbook import model as m
from fillbook.broker import Sink

ReadEvent = Callable[[object], Sequence[m.OrderReport]]


class EventSink:
    """Tells *sink* what *read* makes of events; whoever fails, what was not taken is a gap."""

    def __init__(self, read: ReadEvent, sink: Sink) -> None:
        self._read = read
        self._sink = sink
        self._last_loss: str | None = None

    def event(self, message: object) -> None:
        try:
            reports = self._read(message)
            if reports:
                self._sink.receive(reports)
        except Exception as error:
            # Whoever failed, this event is in nobody's record.
            self.lost(f"an event was not taken: {type(error).__name__}")
            self.connected()

    def connected(self) -> None:
        self._last_loss = None
        self._sink.connected()

    def lost(self, why: str) -> None:
        if why != self._last_loss:
            self._last_loss = why
            self._sink.lost(why)
