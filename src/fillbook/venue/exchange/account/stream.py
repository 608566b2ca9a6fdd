"""
The stream of one account: who listens, and what becomes of each event on its way.

An event is sent a moment after what it tells of, so that the reply to the request behind
it usually comes first.  Nothing is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from fillbook.venue.exchange.faults.kinds import Fault, Occasion
from fillbook.venue.exchange.floor import Floor, about
from fillbook.venue.exchange.values import Event

Hear = Callable[[Event], None]
Lost = Callable[[], None]

_HELD_BACK_S: Final = 1.0

#: How many copies are sent, and after how many seconds more than usual.
_FATES: Final[dict[Fault | None, tuple[int, float]]] = {
    None: (1, 0.0),
    Fault.EVENT_DROPPED: (0, 0.0),
    Fault.STREAM_SILENT: (0, 0.0),
    Fault.EVENT_DOUBLED: (2, 0.0),
    Fault.EVENT_REORDERED: (1, _HELD_BACK_S),
}


class Feed:
    """Who listens to an account; a listener is called without any lock held."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._hearers: list[tuple[Hear, Lost | None]] = []
        self._at_once = False
        self.events: list[Event] = []  #: all that ever happened, heard or not

    def send(self, event: Event) -> None:
        self.events.append(event)
        if not self._hearers:
            return
        strike = self._floor.faults.next(Occasion.EVENT, about=about(event.order))
        if strike is not None and strike.fault is Fault.STREAM_LOST:
            self.hang_up()
            return
        copies, delay = _FATES[strike.fault if strike else None]
        for _ in range(copies):
            if self._at_once:
                self._say(event)
            else:
                self._floor.timeline.later(self._floor.stream_s + delay, lambda: self._say(event))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Send what happens meanwhile without delay: before the reply to the request behind it."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _say(self, event: Event) -> None:
        for hear, _ in self._hearers:
            self._floor.timeline.say(lambda hear=hear: hear(event))  # type: ignore[misc]

    def hang_up(self) -> None:
        """Nobody hears anything any more; who asked to be told is told."""
        for _, lost in self._hearers:
            if lost is not None:
                self._floor.timeline.say(lost)
        self._hearers = []

    @contextmanager
    def listen(self, hear: Hear, lost: Lost | None = None) -> Iterator[None]:
        """Have *hear* called with every event until the context ends, or `hang_up`."""
        hearer = (hear, lost)
        with self._floor.timeline.hearing():
            with self._floor.timeline.turn():
                self._hearers.append(hearer)
            try:
                yield
            finally:
                with self._floor.timeline.turn(), suppress(ValueError):
                    self._hearers.remove(hearer)
