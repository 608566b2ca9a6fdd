"""
The stream of one account: who listens, and what becomes of each event on its way.

An event is sent a moment after what it tells of, so that the reply to the request behind
it usually comes first.  Nothing is replayed.
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

#: How many copies are sent, and after how many seconds more than usual.
_DELIVERIES: Final[dict[Fault | None, tuple[int, float]]] = {
    None: (1, 0.0),
    Fault.EVENT_DROPPED: (0, 0.0),
    Fault.STREAM_SILENT: (0, 0.0),
    Fault.EVENT_DOUBLED: (2, 0.0),
    Fault.EVENT_REORDERED: (1, _REORDER_DELAY_S),
}


class Feed:
    """Who listens to an account; a listener is called without any lock held."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state
        self._listeners: list[tuple[EventCallback, DisconnectCallback | None]] = []
        self._at_once = False
        self.events: list[Event] = []  #: all that ever happened, heard or not

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
        """Send what happens meanwhile without delay: before the reply to the request behind it."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _deliver(self, event: Event) -> None:
        for on_event, _ in self._listeners:
            self._state.timeline.notify(lambda on_event=on_event: on_event(event))  # type: ignore[misc]

    def disconnect(self) -> None:
        """Nobody hears anything any more; who asked to be told is told."""
        for _, on_disconnect in self._listeners:
            if on_disconnect is not None:
                self._state.timeline.notify(on_disconnect)
        self._listeners = []

    @contextmanager
    def listen(
        self, on_event: EventCallback, on_disconnect: DisconnectCallback | None = None
    ) -> Iterator[None]:
        """Have *hear* called with every event until the context ends, or `hang_up`."""
        listener = (on_event, on_disconnect)
        with self._state.timeline.background():
            with self._state.timeline.locked():
                self._listeners.append(listener)
            try:
                yield
            finally:
                with self._state.timeline.locked(), suppress(ValueError):
                    self._listeners.remove(listener)
