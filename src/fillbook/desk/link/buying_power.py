"""
The reserves: what the account was read to hold, and what is left of it to promise (P7).

It remembers the reads of this process, and by which entry the record was how far when; a
process that starts takes up the marks of the one before.  What follows from them is
`core.reservation`'s.  Safe from any thread; no lock is held over a request.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.core import reservation
from fillbook.core.reservation import Mark, Reading
from fillbook.store import Reader, Store

#: The cells that hold the marks of the last process, and by how much the lag is longer now.
MARKS: Final = "account-marks"
POSTED: Final = "posted-until"  #: the number of a journal entry
LAG: Final = "account-lag"
#: So many reads are remembered; those before them only make us more careful.
READS_MAX: Final = 16
#: Marks are left for the next process at most so often.
LEAVE_EVERY: Final = timedelta(seconds=1)
#: For so long the lag stays doubled once the broker refused what we had granted;
DOUBLED_FOR: Final = timedelta(days=1)
#: and so many times longer it becomes at most, however often that happens.
TIMES_MAX: Final = 16
_US: Final = timedelta(microseconds=1)


@frozen
class Asked:
    """A read of the account that is about to leave."""

    at: timedelta
    now: m.Timestamp
    held: int


@frozen
class Marks:
    """What a process leaves for the next: (entry, microseconds of *timeline*), oldest first."""

    timeline: str
    marks: tuple[tuple[int, int], ...]


@frozen
class Longer:
    """How many times its declared length the lag is taken to have, and until when."""

    times: int
    until: m.Timestamp


class Funding:
    """What new orders may still cost, as far as this process has read it."""

    def __init__(self, store: Store, clock: Clock, can: m.Capabilities) -> None:
        self._store = store
        self._clock = clock
        self._can = can
        self._lock = threading.Lock()
        self._marks = self._taken_up()
        self._left_at: timedelta | None = None
        self._readings: tuple[Reading, ...] = ()
        self._read_at = m.timestamp(clock.now())

    # -- reads -------------------------------------------------------------------------

    def asking(self) -> Asked:
        """To be called just before the account is read."""
        self._remember()
        at = self._clock.elapsed()
        with self._lock:
            held = reservation.covered_entry(self._marks, at, self.lag)
        return Asked(at, m.timestamp(self._clock.now()), max(held, self._posted()))

    def told(self, asked: Asked, snapshot: m.AccountSnapshot) -> None:
        """To be called with what a read brought."""
        spare = snapshot.non_marginable_buying_power
        power = snapshot.buying_power
        reading = Reading(
            requested_at=asked.at,
            covered_entry=asked.held,
            funds=m.Funds(power, power if spare is None else spare),
            multiplier=snapshot.multiplier,
        )
        with self._lock:
            # Two reads may cross: the newest is the one that was asked last.
            readings = sorted((*self._readings, reading), key=lambda x: x.requested_at)
            self._readings = tuple(readings[-READS_MAX:])
            self._read_at = max(self._read_at, asked.now)
        self._keep_posted(asked.held)

    def _posted(self) -> int:
        """The entry up to which an earlier reading, of any process, covers everything; -1: none."""
        word = self._store.cell(POSTED) or ""
        return int(word) if word.isdecimal() else -1

    def _keep_posted(self, covered: int) -> None:
        """Keep up to which entry a reading covers everything: every later one does, too."""
        was = self._store.cell(POSTED)
        if covered > self._posted():
            self._store.swap(POSTED, was, str(covered))  # who loses the race loses nothing

    @property
    def asked_at(self) -> timedelta | None:
        """When the newest good read of this process was asked; None before the first."""
        return self._readings[-1].requested_at if self._readings else None

    @property
    def is_stale(self) -> bool:
        """Whether the account has to be read before something is promised."""
        asked_at = self.asked_at
        return asked_at is None or self._clock.elapsed() - asked_at > self._can.account_lag

    # -- what is left ------------------------------------------------------------------

    def available(self, reader: Reader) -> m.Funds:
        """What may be promised, in the transaction of *reader*; a good read was made before."""
        readings, lag = self._readings, self.lag
        return reservation.available(
            readings,
            self._kept(reader, readings),
            lag,
            nets_open_orders=self._can.nets_open_orders,
        )

    def power(self) -> m.BuyingPower:
        """What new orders may still cost; a good read was made before."""
        with self._store.read() as reader:
            funds = self.available(reader)
        told = self._readings[-1].funds.buying_power
        return m.BuyingPower(
            available=funds.buying_power,
            non_marginable=funds.non_marginable,
            reported=told,
            reserved=told - funds.buying_power,
            read_at=self._read_at,
            lag_s=Decimal(str(self.lag.total_seconds())),
        )

    def _kept(self, reader: Reader, readings: tuple[Reading, ...]) -> list[m.Reservation]:
        """What some of those reads do not surely hold; and all that is open, where it counts."""
        least = min(reading.covered_entry for reading in readings)
        # Keys are in the order of growth: one range, however long the record is.
        kept = list(reader.all(m.Reservation, f"{max(least, 0):012d}~"))
        if self._can.nets_open_orders:
            return kept
        there = {each.key for each in kept}
        still = reader.find(m.Reservation, "open", "yes")
        return kept + [each for each in still if each.key not in there]

    # -- the lag -----------------------------------------------------------------------

    @property
    def lag(self) -> timedelta:
        """How far behind the broker's number may be; longer for a day after it proved to be."""
        return self._can.account_lag * self._times()

    def refused(self) -> timedelta:
        """The broker refused what we had granted: its number was older than we took it to be."""
        times, word = min(self._times() * 2, TIMES_MAX), self._store.cell(LAG)
        until = m.timestamp(self._clock.now() + DOUBLED_FOR)
        self._store.swap(LAG, word, dump(Longer(times, until)))
        return self.lag

    def _times(self) -> int:
        longer = load_or_none(Longer, self._store.cell(LAG))
        if longer is None or m.timestamp(self._clock.now()) >= longer.until:
            return 1
        return min(max(longer.times, 1), TIMES_MAX)

    # -- marks -------------------------------------------------------------------------

    def mark(self) -> None:
        """
        Note how far the record is now, for this process and the next.

        A read that is asked a lag later holds all of it.
        """
        mark = self._remember()
        if self._left_at is None or mark.at - self._left_at >= LEAVE_EVERY:
            self._left_at = mark.at
            self._leave()

    def _remember(self) -> Mark:
        with self._store.read() as reader:
            mark = Mark(reader.last(), self._clock.elapsed())
        with self._lock:
            self._marks = reservation.add_mark(self._marks, mark, self.lag)
        return mark

    def _taken_up(self) -> tuple[Mark, ...]:
        """The marks of a process before, if its clock that never jumps is ours."""
        left = load_or_none(Marks, self._store.cell(MARKS))
        if left is None or left.timeline != self._clock.timeline:
            return ()
        return tuple(Mark(number, at * _US) for number, at in left.marks)

    def _leave(self) -> None:
        told = tuple((mark.number, mark.at // _US) for mark in self._marks)
        word = dump(Marks(self._clock.timeline, told))
        # Who loses this race has told hardly less than who wins it.
        self._store.swap(MARKS, self._store.cell(MARKS), word)
