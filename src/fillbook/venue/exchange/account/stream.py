"""
The event stream of one account: its listeners, and the delivery of each event.

An event is sent `stream_s` after it happens, so that the reply to the request that caused it
usually comes first.  No event is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.state import ExchangeState, subjects_of
from fillbook.venue.exchange.values import Event

EventCallback = Callable[[Event], None]
DisconnectCallback = Callable[[], None]

_REORDER_DELAY_S: Final = 1.0

#: The number of copies that are sent, and their additional delay in seconds.
_DELIVERIES: Final[dict[Fault | None, tuple[int, float]]] = {
    None: (1, 0.0),
    Fault.EVENT_DROPPED: (0, 0.0),
    Fault.STREAM_SILENT: (0, 0.0),
    Fault.EVENT_DOUBLED: (2, 0.0),
    Fault.EVENT_REORDERED: (1, _REORDER_DELAY_S),
}


class Feed:
    """The listeners of an account; each is called without a lock held."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state
        self._listeners: list[tuple[EventCallback, DisconnectCallback | None]] = []
        self._at_once = False
        self.events: list[Event] = []  #: all events, delivered or not

    def send(self, event: Event) -> None:
        self.events.append(event)
        if not self._listeners:
            return
        injected = self._state.faults.next(InjectionPoint.EVENT, subjects=subjects_of(event.order))
        if injected is not None and injected.fault is Fault.STREAM_LOST:
            self.disconnect()
            return
        copies, delay = _DELIVERIES[injected.fault if injected else None]
        for _ in range(copies):
            if self._at_once:
                self._deliver(event)
            else:
                self._state.timeline.call_later(
                    self._state.stream_s + delay, lambda: self._deliver(event)
                )

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Send the events inside the context without delay, before the reply to the request."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _deliver(self, event: Event) -> None:
        for on_event, _ in self._listeners:
            self._state.timeline.notify(lambda on_event=on_event: on_event(event))  # type: ignore[misc]

    def disconnect(self) -> None:
        """Disconnect all listeners and call their disconnect callbacks."""
        for _, on_disconnect in self._listeners:
            if on_disconnect is not None:
                self._state.timeline.notify(on_disconnect)
        self._listeners = []

    @contextmanager
    def listen(
        self, on_event: EventCallback, on_disconnect: DisconnectCallback | None = None
    ) -> Iterator[None]:
        """Call *on_event* with every event until the context ends, or `disconnect`."""
        listener = (on_event, on_disconnect)
        with self._state.timeline.background():
            with self._state.timeline.locked():
                self._listeners.append(listener)
            try:
                yield
            finally:
                with self._state.timeline.locked(), suppress(ValueError):
                    self._listeners.remove(listener)
