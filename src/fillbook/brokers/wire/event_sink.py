"""The part that both streams share: pass events to a sink, and report each loss once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fillbook import model as m
from fillbook.broker import Sink

ReadEvent = Callable[[object], Sequence[m.OrderReport]]


class EventSink:
    """Pass the reports of events to *sink*; an event that fails, in *read* or *sink*, is a gap."""

    def __init__(self, read: ReadEvent, sink: Sink) -> None:
        self._read = read
        self._sink = sink
        self._last_loss: str | None = None

    def event(self, message: object) -> None:
        """Decode an event and pass on its reports."""
        try:
            reports = self._read(message)
            if reports:
                self._sink.receive(reports)
        except Exception as error:
            # The event is in no record, whether the decoder or the sink failed.
            self.lost(f"an event could not be processed: {type(error).__name__}")
            self.connected()

    def connected(self) -> None:
        """Report the connection."""
        self._last_loss = None
        self._sink.connected()

    def lost(self, why: str) -> None:
        """Report the loss, unless the last report had the same cause."""
        if why != self._last_loss:
            self._last_loss = why
            self._sink.lost(why)
