"""
The gateway: every request to the broker is sent here (promise P11).

It checks the permission, takes a share of the rate limit, reads pages and catches exceptions, for
all brokers.  An exception in an adapter becomes `NotObserved` on a read and `Ambiguous` on a write,
so that a bug in an adapter never loses an order.  Nothing is retried here.

Each request takes its share from a lane of the account's budget, by its name or by its purpose: a
cancel, or a read that a cancel needs, does not wait for polls.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker, PageOf
from fillbook.clock import Clock
from fillbook.core.rate_limit import Lane
from fillbook.core.send_permission import PERMISSIONS, Authority, Permission
from fillbook.desk.link.lease import LeaseHolder
from fillbook.desk.link.rate_limit import Pacer
from fillbook.desk.link.reply_types import wrong_type
from fillbook.desk.measurements import Measurements
from fillbook.errors import TradingDisabled
from fillbook.store import Store

T = TypeVar("T")
Unsuccessful = TypeVar(
    "Unsuccessful", bound=m.NotObserved | m.Absent | m.Rejected | m.NotSent | m.Ambiguous
)
log: logging.Logger = logging.getLogger("fillbook")

#: The maximum number of pages of one list.
PAGES_MAX: Final = 1_000
#: The lanes of requests without another purpose, by name; the others use RECONCILE.
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


class _ThreadLane(threading.local):
    """The lane of the current thread, if it is set."""

    lane: Lane | None = None


#: What a method of an adapter returns; another value is a fault of the adapter.
_OUTCOMES: Final[tuple[type, ...]] = (m.Accepted, m.Rejected, m.NotSent, m.Ambiguous)
_REPLIES: Final[tuple[type, ...]] = (m.Observed, m.NotObserved, m.Absent)


class Gateway:
    """Sends the requests to one broker, and counts them."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        clock: Clock,
        *,
        live: bool,
        repairs: m.RepairMode = m.RepairMode.OBSERVE,
        measurements: Measurements | None = None,
    ) -> None:
        self.broker = broker
        self.sent: Counter[str] = Counter()
        self.measurements: Measurements = measurements or Measurements(clock)
        self.closing: threading.Event = (
            threading.Event()
        )  #: set when the desk is closed: it ends every wait
        can = broker.capabilities
        self._pacer = Pacer(store, clock, can.rate_limit, self.closing, can.burst_limit)
        self.lease: LeaseHolder = LeaseHolder(store, clock)
        self._thread_lane = _ThreadLane()
        self._trading_enabled = live or not broker.live
        self._repairs = repairs

    @property
    def requests(self) -> int:
        """The number of requests that were sent."""
        return self.sent.total()

    @contextmanager
    def lane(self, lane: Lane) -> Iterator[None]:
        """Send the requests of this thread in *lane* inside the context; the outermost counts."""
        before = self._thread_lane.lane
        self._thread_lane.lane = before or lane
        try:
            yield
        finally:
            self._thread_lane.lane = before

    def pair(self, symbol: str) -> m.Pair | None:
        """Return the pair of *symbol*; None: it is none, or not known, or the adapter raised."""
        try:
            return self.broker.pair(symbol)
        except Exception:
            self._log_bug()
            return None

    def read(self, name: str, request: Callable[[], m.Read[T]]) -> m.Read[T]:
        """Send one read; a failed read is no evidence about the account."""
        answer = self._read(name, request)
        return answer if isinstance(answer, m.Observed) else _not_observed(name, answer)

    def look_up(
        self, name: str, request: Callable[[], m.Read[T] | m.Absent]
    ) -> m.Read[T] | m.Absent:
        """Send one read by id; `Absent` if it is not found at the broker."""
        return self._read(name, request)

    def pages(
        self, name: str, request: Callable[[m.Cursor | None], PageOf[T]]
    ) -> m.Read[tuple[T, ...]]:
        """Read all pages of a list; NotObserved if a page fails or the pages do not end."""
        rows, failure = self.readable_pages(name, request)
        return m.Observed(rows) if failure is None else failure

    def readable_pages(
        self, name: str, request: Callable[[m.Cursor | None], PageOf[T]]
    ) -> tuple[tuple[T, ...], m.NotObserved | None]:
        """Read the pages of a list up to one that fails; return its failure, or None."""
        rows: list[T] = []
        page: m.Cursor | None = None
        seen: set[m.Cursor] = set()
        while len(seen) < PAGES_MAX:
            # A part of a list is useless: the pages after the first wait longer for their share.
            answer = self._read(name, partial(request, page), is_next_page=bool(seen))
            if not isinstance(answer, m.Observed):
                return tuple(rows), _not_observed(name, answer)
            rows += answer.value
            if answer.next is None:
                return tuple(rows), None
            if answer.next in seen:
                break
            seen.add(answer.next)
            page = answer.next
        why = f"{name}: the list has too many pages, or repeats a page"
        return tuple(rows), m.NotObserved(m.Failure.UNREADABLE, why)

    def write(
        self, name: str, send: Callable[[], m.Outcome], authority: Authority = Authority.ORDER
    ) -> m.Outcome:
        """
        Claim and send one request that may change something; its intent is durable already (P1).

        Raises: TradingDisabled if `core.send_permission` does not permit it.
        """
        first_attempt = authority is Authority.ORDER
        not_sent = self.claim(name, authority, first_attempt=first_attempt)
        return self.send(name, send, first_attempt=first_attempt) if not_sent is None else not_sent

    def claim(
        self, name: str, authority: Authority, *, first_attempt: bool, wait: bool = True
    ) -> m.NotSent | None:
        """
        Check what one request needs before its attempt is written; None: granted.

        It needs the permission, the lease and a share of the rate limit.  A *first_attempt* for a
        caller needs no lease: any desk makes it.  With *wait*, wait a few seconds for the share.
        Raises: TradingDisabled if `core.send_permission` does not permit it.
        """
        self._require_permission(authority)
        if not first_attempt and not (self.lease.acquire() and self.lease.may_send()):
            return m.NotSent(m.Failure.FENCED, "another desk on this store may be sending it")
        lane = self._lane_of(name)
        retry_at = self._pacer.take(lane, wait=wait)
        if retry_at is not None:
            why = self._pacer.why_not_before(retry_at, lane)
            return m.NotSent(m.Failure.RATE_LIMITED, why, retry_at)
        return None

    def send(self, name: str, send: Callable[[], m.Outcome], *, first_attempt: bool) -> m.Outcome:
        """
        Send one request that was claimed; an exception in the adapter makes it ambiguous.

        The process may have been stopped since the claim: a request that needs the lease is sent
        only if the lease has time left.
        """
        if not first_attempt and not self.lease.may_send():
            return m.NotSent(m.Failure.FENCED, "another desk on this store may be sending it")
        self._count(name)
        try:
            with self.measurements.timed("request"):
                outcome = send()
        except Exception as error:
            self._log_bug()
            return m.Ambiguous(m.Failure.BUG, f"the adapter raised {type(error).__name__}")
        fault = self._fault_of(name, outcome, _OUTCOMES)
        if fault is not None:
            return m.Ambiguous(m.Failure.BUG, fault)
        self._apply_rate_limit(outcome)
        return outcome if isinstance(outcome, m.Accepted) else self._redacted(outcome)

    @property
    def trading_enabled(self) -> bool:
        """Whether orders of the bot are sent."""
        return self._trading_enabled

    def permission(self, authority: Authority) -> Permission:
        """Return the permission of a request with *authority*."""
        return PERMISSIONS[authority, self._trading_enabled, self._repairs]

    def require_trading_enabled(self) -> None:
        """Check that trading is enabled, before anything is written. Raises: TradingDisabled."""
        if not self._trading_enabled:
            raise TradingDisabled(
                f"{self.broker.host} is a live account: open it with live=True to send orders"
            )

    def _require_permission(self, authority: Authority) -> None:
        """Check the permission; every request that may change something calls it once."""
        if self.permission(authority) is not Permission.SEND:
            self.require_trading_enabled()
            raise TradingDisabled(
                "a repair was not sent: repairs are sent only with repairs='auto'"
            )

    def _count(self, name: str) -> None:
        self.sent[name] += 1
        self.measurements.request(self._lane_of(name))

    def _lane_of(self, name: str) -> Lane:
        return self._thread_lane.lane or LANES.get(name, Lane.RECONCILE)

    def _read(
        self, name: str, request: Callable[[], m.Read[T] | m.Absent], *, is_next_page: bool = False
    ) -> m.Read[T] | m.Absent:
        lane = self._lane_of(name)
        retry_at = self._pacer.take(lane, is_next_page=is_next_page)
        if retry_at is not None:
            why = self._pacer.why_not_before(retry_at, lane)
            return m.NotObserved(m.Failure.RATE_LIMITED, f"{name}: {why}", retry_at)
        self._count(name)
        try:
            with self.measurements.timed("request"):
                answer = request()
        except Exception as error:
            self._log_bug()
            return m.NotObserved(m.Failure.BUG, f"the adapter raised {type(error).__name__}")
        fault = self._fault_of(name, answer, _REPLIES)
        if fault is not None:
            return m.NotObserved(m.Failure.BUG, fault)
        self._apply_rate_limit(answer)
        return answer if isinstance(answer, m.Observed) else self._redacted(answer)

    def _redacted(self, answer: Unsuccessful) -> Unsuccessful:
        """Hide the credentials of the broker in the message of *answer*."""
        return evolve(answer, message=self.broker.redact(answer.message))

    def _log_bug(self) -> None:
        """Log the exception of an adapter, whose message may quote a request."""
        trace = self.broker.redact(traceback.format_exc())
        log.error("the adapter of %s raised an exception\n%s", self.broker.name, trace)

    def _fault_of(self, name: str, answer: object, kinds: tuple[type, ...]) -> str | None:
        """Log, and return, what the adapter returned that is no reply; None: it is one."""
        if not isinstance(answer, kinds):
            fault = f"the adapter returned {type(answer).__name__} from {name}, which is no reply"
        else:
            wrong = wrong_type(answer)
            if wrong is None:
                return None
            fault = f"the adapter returned a wrong value from {name}: {wrong}"
        fault = self.broker.redact(fault)
        log.error("%s: %s", self.broker.name, fault)
        return fault

    def _apply_rate_limit(self, answer: m.Read[object] | m.Absent | m.Outcome) -> None:
        """Pass the broker's rate limit on to the pacer; an error there does not lose the reply."""
        try:
            self._pacer.apply_reply(answer)
        except Exception:
            log.exception("the rate limit that %s reported could not be applied", self.broker.name)


def _not_observed(name: str, answer: m.NotObserved | m.Absent) -> m.NotObserved:
    """Convert *answer* to NotObserved: a not-found is evidence for orders only."""
    if isinstance(answer, m.NotObserved):
        return answer
    return m.NotObserved(m.Failure.UNREADABLE, f"{name}: {answer.message}")


def rows_or_empty(answer: m.Read[Sequence[T]]) -> Sequence[T]:
    """Return the rows of a list, or none if it was not observed."""
    return answer.value if isinstance(answer, m.Observed) else ()
