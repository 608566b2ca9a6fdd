"""
Processes on one record and one account, in this process: each may be killed at any boundary.

A boundary is a moment before or after a transaction of the store, or before or after a request
that changes something at the broker.  What was killed reads, writes and sends nothing more.
"""

from contextlib import contextmanager, suppress
from datetime import timedelta

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.brokers.simulated.wire import report
from fillbook.venue.exchange import Refused

WRITES = ("submit", "cancel", "replace")
#: How long after its time-out a late request arrives.
LATE_S = 40


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Counts the boundaries of one process once it is armed, and ends it at the given one."""

    def __init__(self, at=None):
        self.at, self.passed, self.armed, self.dead = at, 0, False, False

    def check(self):
        if self.dead:
            raise Killed

    def boundary(self):
        self.check()
        if self.armed:
            self.dead = self.passed == self.at
            self.passed += 1
            self.check()


class ProcessStore:
    """The store of all processes, as one of them has it open."""

    def __init__(self, store, fuse):
        self._store, self._fuse = store, fuse

    def read(self):
        self._fuse.check()
        return self._store.read()

    @contextmanager
    def write(self):
        self._fuse.check()
        with self._store.write() as writer:
            yield writer
            self._fuse.boundary()  # written, not yet committed
        self._fuse.boundary()

    def cell(self, name):
        self._fuse.check()
        return self._store.cell(name)

    def swap(self, name, old, new):
        self._fuse.check()
        return self._store.swap(name, old, new)

    def close(self):
        pass  # the other processes have it open


class Script:
    """What the next requests of each name are answered with; "accepted" when it is used up."""

    def __init__(self):
        self.answers = {name: [] for name in WRITES}
        self.stops = None  #: called once, before the next write leaves: the process is stopped
        self.used = []

    def next(self, name):
        answers = self.answers[name]
        answer = answers.pop(0) if answers else "accepted"
        self.used.append((name, answer))
        return answer

    def stopped(self):
        stop, self.stops = self.stops, None
        if stop is not None:
            stop()


class ProcessBroker(SimulatedBroker):
    """The adapter of one process, whose writes are answered by a script."""

    def __init__(self, exchange, books, script, fuse):
        super().__init__(exchange, books)
        self._script, self._fuse = script, fuse

    def submit(self, intent):
        return self._scripted("submit", lambda: super(ProcessBroker, self).submit(intent))

    def cancel(self, broker_order_id):
        return self._scripted(
            "cancel", lambda: super(ProcessBroker, self).cancel(broker_order_id), broker_order_id
        )

    def replace(self, broker_order_id, change):
        return self._scripted(
            "replace", lambda: super(ProcessBroker, self).replace(broker_order_id, change)
        )

    def _scripted(self, name, request, broker_order_id=None):
        self._fuse.boundary()
        self._script.stopped()
        outcome = self._answer(self._script.next(name), request, broker_order_id)
        self._fuse.boundary()
        return outcome

    def _answer(self, answer, request, broker_order_id):
        match answer:
            case "accepted":
                return request()
            case "accepted-with-report":
                outcome = request()
                accepted = isinstance(outcome, m.Accepted) and broker_order_id is not None
                return (
                    m.Accepted(report(self.books.order(broker_order_id))) if accepted else outcome
                )
            case "accepted-without-report":
                outcome = request()
                return m.Accepted() if isinstance(outcome, m.Accepted) else outcome
            case "accepted-without-effect":
                return m.Accepted()
            case "rejected":
                return m.Rejected(m.RejectKind.OTHER, "not today")
            case "unreachable":
                return m.NotSent(m.Failure.UNREACHABLE, "no connection")
            case "rate-limited":
                later = self.exchange.clock.now() + timedelta(seconds=3)
                return m.NotSent(m.Failure.RATE_LIMITED, "429", later)
            case "lost":
                return m.Ambiguous(m.Failure.NO_ANSWER, "no reply")
            case "reply-lost":
                request()
                return m.Ambiguous(m.Failure.NO_ANSWER, "no reply")
            case "late":
                self.exchange.clock.call_later(LATE_S, lambda: _arrive(request))
                return m.Ambiguous(m.Failure.NO_ANSWER, "no reply")
        raise AssertionError(answer)


def _arrive(request):
    with suppress(Refused):
        request()


class Processes:
    """What all processes share, and how one of them starts."""

    def __init__(self, exchange, books, store, clock, *, repairs="observe"):
        self.exchange, self.books, self.store, self.clock = exchange, books, store, clock
        self.script = Script()
        self.repairs = repairs

    def start(self, fuse=None):
        """A desk as a process makes it when it starts."""
        fuse = fuse or Fuse()
        broker = ProcessBroker(self.exchange, self.books, self.script, fuse)
        store = ProcessStore(self.store, fuse)
        return fb.open(broker, store, clock=self.clock, wait_s=2, repairs=self.repairs)
