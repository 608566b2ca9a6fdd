"""
The line to the broker: every request leaves here (promise P11).

Gate, page, time and catch, once for all brokers.  What escapes from an adapter is
`NotObserved` on a read and `Ambiguous` on a write, so that a bug in an adapter never
loses an order.  Nothing is repeated here.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from fillbook import model as m
from fillbook.broker import Broker, PageOf
from fillbook.clock import Clock
from fillbook.errors import NotArmed

T = TypeVar("T")
log = logging.getLogger("fillbook")

#: A chain of pages longer than this never ends properly.
PAGES_MAX: Final = 1_000
#: Reads are held back for so long at most, whatever a broker's clock says.
HELD_MAX: Final = timedelta(seconds=60)


class Line:
    """Asks one broker, and keeps count."""

    def __init__(self, broker: Broker, clock: Clock, *, live: bool) -> None:
        self.broker = broker
        self.sent: Counter[str] = Counter()
        self._clock = clock
        self._armed = live or not broker.live
        self._held: tuple[m.NotObserved | None, timedelta] = (None, timedelta())

    @property
    def requests(self) -> int:
        """How many requests have left so far."""
        return self.sent.total()

    def read(self, name: str, ask: Callable[[], m.Read[T]]) -> m.Read[T]:
        """One read; what fails says nothing about the account."""
        answer = self._read(name, ask)
        if isinstance(answer, m.Absent):
            return m.NotObserved(m.Failure.UNREADABLE, f"{name}: {answer.message}")
        return answer

    def look_up(self, name: str, ask: Callable[[], m.Read[T] | m.Absent]) -> m.Read[T] | m.Absent:
        """One read by id, which the broker may answer with its own not-found."""
        return self._read(name, ask)

    def pages(
        self, name: str, ask: Callable[[m.Cursor | None], PageOf[T]]
    ) -> m.Read[tuple[T, ...]]:
        """A whole list; a chain of pages that does not end properly was not observed."""
        rows: list[T] = []
        page: m.Cursor | None = None
        seen: set[m.Cursor] = set()
        while len(seen) < PAGES_MAX:
            answer = self.read(name, lambda page=page: ask(page))  # type: ignore[misc]
            if isinstance(answer, m.NotObserved):
                return answer
            rows += answer.value
            if answer.next is None:
                return m.Observed(tuple(rows))
            if answer.next in seen:
                break
            seen.add(answer.next)
            page = answer.next
        return m.NotObserved(m.Failure.UNREADABLE, f"{name}: the pages do not end")

    def write(self, name: str, send: Callable[[], m.Outcome]) -> m.Outcome:
        """
        One request that may change something; its intent is durable already (P1).

        Raises: NotArmed for a live account that was not opened with live=True.
        """
        self.gate()
        self.sent[name] += 1
        try:
            outcome = send()
        except Exception as error:
            log.exception("the adapter of %s let an exception escape", self.broker.name)
            return m.Ambiguous(m.Failure.BUG, f"{type(error).__name__} escaped the adapter")
        return outcome

    @property
    def is_armed(self) -> bool:
        """Whether what may change something is let through."""
        return self._armed

    def gate(self) -> None:
        """Refuse what must not leave. Raises: NotArmed."""
        if not self._armed:
            raise NotArmed(
                f"{self.broker.host} moves real money: open it with live=True to send orders"
            )

    def _read(self, name: str, ask: Callable[[], m.Read[T] | m.Absent]) -> m.Read[T] | m.Absent:
        held, until = self._held
        if held is not None and self._clock.elapsed() < until:
            return held  # the broker said when to come back; writes still go
        self.sent[name] += 1
        try:
            answer = ask()
        except Exception as error:
            log.exception("the adapter of %s let an exception escape", self.broker.name)
            return m.NotObserved(m.Failure.BUG, f"{type(error).__name__} escaped the adapter")
        self._held = self._hold(answer)
        return answer

    def _hold(self, answer: object) -> tuple[m.NotObserved | None, timedelta]:
        """Until when reads are held back; a length, since either clock may be off."""
        if not isinstance(answer, m.NotObserved) or answer.retry_at is None:
            return None, timedelta()
        pause = min(max(answer.retry_at - self._clock.now(), timedelta()), HELD_MAX)
        return answer, self._clock.elapsed() + pause


def value_of(answer: m.Read[Sequence[T]]) -> Sequence[T]:
    """The rows of an observed list; none of one that was not observed."""
    return answer.value if isinstance(answer, m.Observed) else ()
