"""
The line to the broker: every request leaves here (promise P11).

Gate, pace, page, time and catch, once for all brokers.  What escapes from an adapter is
`NotObserved` on a read and `Ambiguous` on a write, so that a bug in an adapter never
loses an order.  Nothing is repeated here.

Each request goes in a lane of the account's budget, by its name or by what it is asked
for: a cancel waits behind no poll, and neither does what is read for a cancel.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

from fillbook import model as m
from fillbook.broker import Broker, PageOf
from fillbook.clock import Clock
from fillbook.core.pacing import Lane
from fillbook.core.permission import PERMISSIONS, Authority, Permission, Repairs
from fillbook.desk.link.lease import LeaseHolder
from fillbook.desk.link.pacing import Pacer
from fillbook.errors import TradingDisabled
from fillbook.store import Store

T = TypeVar("T")
log = logging.getLogger("fillbook")

#: A chain of pages longer than this never ends properly.
PAGES_MAX: Final = 1_000
#: The lanes of requests that are asked for nothing else.
LANES: Final[Mapping[str, Lane]] = {
    "cancel": Lane.EXIT,
    "submit": Lane.SUBMIT,
    "replace": Lane.SUBMIT,
    "quotes": Lane.SUBMIT,
    "sessions": Lane.SUBMIT,
    "instrument": Lane.SUBMIT,
    "order": Lane.VERIFY,
    "find": Lane.VERIFY,
}


class _Purpose(threading.local):
    """What this thread is asking for just now."""

    lane: Lane | None = None


class Gateway:
    """Asks one broker, and keeps count."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        clock: Clock,
        *,
        live: bool,
        repairs: Repairs = Repairs.OBSERVE,
    ) -> None:
        self.broker = broker
        self.sent: Counter[str] = Counter()
        self.closing = threading.Event()  #: set once the desk is to be closed: nobody waits then
        self._pacer = Pacer(store, clock, broker.capabilities.rate_limit, self.closing)
        self.lease = LeaseHolder(store, clock)
        self._purpose = _Purpose()
        self._trading_enabled = live or not broker.live
        self._repairs = repairs

    @property
    def requests(self) -> int:
        """How many requests have left so far."""
        return self.sent.total()

    @contextmanager
    def lane(self, lane: Lane) -> Iterator[None]:
        """Have all that this thread asks inside go in *lane*; the outermost counts."""
        before = self._purpose.lane
        self._purpose.lane = before or lane
        try:
            yield
        finally:
            self._purpose.lane = before

    def read(self, name: str, ask: Callable[[], m.Read[T]]) -> m.Read[T]:
        """One read; what fails says nothing about the account."""
        answer = self._read(name, ask)
        return answer if isinstance(answer, m.Observed) else _unobserved(name, answer)

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
            # Half a list is worth nothing: what follows its first page waits for its share.
            answer = self._read(name, lambda page=page: ask(page), patient=bool(seen))  # type: ignore[misc]
            if not isinstance(answer, m.Observed):
                return _unobserved(name, answer)
            rows += answer.value
            if answer.next is None:
                return m.Observed(tuple(rows))
            if answer.next in seen:
                break
            seen.add(answer.next)
            page = answer.next
        return m.NotObserved(m.Failure.UNREADABLE, f"{name}: the pages do not end")

    def write(
        self, name: str, send: Callable[[], m.Outcome], authority: Authority = Authority.ORDER
    ) -> m.Outcome:
        """
        Claim and send one request that may change something; its intent is durable already (P1).

        Raises: TradingDisabled for what `core.permission` does not permit.
        """
        first = authority is Authority.ORDER
        refused = self.claim(name, authority, first=first)
        return self.send(name, send, first=first) if refused is None else refused

    def claim(
        self, name: str, authority: Authority, *, first: bool, patient: bool = True
    ) -> m.NotSent | None:
        """
        Ask for everything that one request needs before an attempt is written; None: granted.

        That is the permission, the lease (but for the *first* attempts of a caller, which any
        desk makes) and a share of the rate limit, waited for a few seconds if *patient*.
        Raises: TradingDisabled for what `core.permission` does not permit.
        """
        self._let(authority)
        if not first and not (self.lease.hold() and self.lease.may_send()):
            return m.NotSent(m.Failure.FENCED, "another desk on this store may be sending it")
        retry_at = self._pacer.take(self._lane_of(name), wait=patient)
        if retry_at is not None:
            return m.NotSent(m.Failure.RATE_LIMITED, _spent(retry_at), retry_at)
        return None

    def send(self, name: str, send: Callable[[], m.Outcome], *, first: bool) -> m.Outcome:
        """
        Send one request that was claimed; what escapes from the adapter is ambiguous.

        The process may have been stopped since the claim: a request that needs the lease is sent
        only if there is time left of it.
        """
        if not first and not self.lease.may_send():
            return m.NotSent(m.Failure.FENCED, "another desk on this store may be sending it")
        self.sent[name] += 1
        try:
            outcome = send()
        except Exception as error:
            log.exception("the adapter of %s let an exception escape", self.broker.name)
            return m.Ambiguous(m.Failure.BUG, f"{type(error).__name__} escaped the adapter")
        self._heard(outcome)
        return outcome

    @property
    def trading_enabled(self) -> bool:
        """Whether what the bot asks for is let through."""
        return self._trading_enabled

    def permission(self, authority: Authority) -> Permission:
        """What would become of a request with that warrant."""
        return PERMISSIONS[authority, self._trading_enabled, self._repairs]

    def gate(self) -> None:
        """Refuse what must not leave before it is written down. Raises: TradingDisabled."""
        if not self._trading_enabled:
            raise TradingDisabled(
                f"{self.broker.host} moves real money: open it with live=True to send orders"
            )

    def _let(self, authority: Authority) -> None:
        """The gate: every request that may change something passes here, once."""
        if self.permission(authority) is not Permission.SEND:
            self.gate()
            raise TradingDisabled("what nobody asked for is sent only with repairs='auto'")

    def _lane_of(self, name: str) -> Lane:
        return self._purpose.lane or LANES.get(name, Lane.RECONCILE)

    def _read(
        self, name: str, ask: Callable[[], m.Read[T] | m.Absent], *, patient: bool = False
    ) -> m.Read[T] | m.Absent:
        retry_at = self._pacer.take(self._lane_of(name), patient=patient)
        if retry_at is not None:
            return m.NotObserved(m.Failure.RATE_LIMITED, f"{name}: {_spent(retry_at)}", retry_at)
        self.sent[name] += 1
        try:
            answer = ask()
        except Exception as error:
            log.exception("the adapter of %s let an exception escape", self.broker.name)
            return m.NotObserved(m.Failure.BUG, f"{type(error).__name__} escaped the adapter")
        self._heard(answer)
        return answer

    def _heard(self, answer: m.Read[object] | m.Absent | m.Outcome) -> None:
        """Count as the broker does; what it says of its count loses nobody the answer."""
        try:
            self._pacer.heard(answer)
        except Exception:
            log.exception("what %s said of its rate limit makes no sense", self.broker.name)


def _unobserved(name: str, answer: m.NotObserved | m.Absent) -> m.NotObserved:
    """Of what is no order's, a broker's not-found says nothing."""
    if isinstance(answer, m.NotObserved):
        return answer
    return m.NotObserved(m.Failure.UNREADABLE, f"{name}: {answer.message}")


def _spent(retry_at: datetime) -> str:
    """What is said of a request for which there is no room."""
    return f"the requests of this minute are spent; there is room at {m.timestamp(retry_at)}"


def value_of(answer: m.Read[Sequence[T]]) -> Sequence[T]:
    """The rows of an observed list; none of one that was not observed."""
    return answer.value if isinstance(answer, m.Observed) else ()
