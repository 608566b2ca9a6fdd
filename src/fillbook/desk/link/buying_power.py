"""
The buying power: what the account reads reported, and what is available of it (promise P7).

It keeps the account reads of this process, and marks: the last journal entry at a time.  A process
that starts loads the marks of the previous one.  `core.reservation` derives the available funds
from them.  Safe from any thread; no lock is held during a request.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.core import pairs, reservation
from fillbook.core.reservation import Mark, Reading
from fillbook.store import Reader, Store, Writer

#: The cells of the marks, of the last covered entry, and of the factor of the lag.
MARKS_CELL: Final = "account-marks"
COVERED_CELL: Final = "posted-until"  #: the number of a journal entry
LAG_CELL: Final = "account-lag"
#: The number of reads that are kept; older reads could only release more.
READS_MAX: Final = 16
#: The minimum time between two writes of the marks.
SAVE_PERIOD: Final = timedelta(seconds=1)
#: How long the factor of the lag lasts after the broker rejected an order for lack of funds.
LAG_FACTOR_PERIOD: Final = timedelta(days=1)
#: The maximum of the factor.
LAG_FACTOR_MAX: Final = 16
_US: Final = timedelta(microseconds=1)


@frozen
class AccountRequest:
    """A read of the account that is about to be sent."""

    requested_at: timedelta
    wall_time: m.Timestamp
    covered_entry: int


@frozen
class SavedMarks:
    """The marks of a process: (entry, microseconds of *timeline*), oldest first."""

    timeline: str
    marks: tuple[tuple[int, int], ...]


@frozen
class LagFactor:
    """The factor by which the declared lag is multiplied, and until when."""

    factor: int
    until: m.Timestamp


class AvailableFunds:
    """The funds that are available for new orders, by the account reads of this process."""

    def __init__(self, store: Store, clock: Clock, can: m.Capabilities) -> None:
        self._store = store
        self._clock = clock
        self._can = can
        self._lock = threading.Lock()
        self._marks = self._load_marks()
        self._saved_at: timedelta | None = None
        self._readings: tuple[Reading, ...] = ()
        self._read_at = m.timestamp(clock.now())

    # -- reads -------------------------------------------------------------------------

    def begin_read(self) -> AccountRequest:
        """Begin a read of the account; call it just before the request is sent."""
        self._mark_now()
        at = self._clock.elapsed()
        with self._lock:
            covered_entry = reservation.covered_entry(self._marks, at, self.lag)
        return AccountRequest(
            at, m.timestamp(self._clock.now()), max(covered_entry, self._covered_entry())
        )

    def complete_read(self, request: AccountRequest, snapshot: m.AccountSnapshot) -> None:
        """Add the reading of a read that was observed."""
        spare = snapshot.non_marginable_buying_power
        buying_power = snapshot.buying_power
        reading = Reading(
            requested_at=request.requested_at,
            covered_entry=request.covered_entry,
            funds=m.Funds(buying_power, buying_power if spare is None else spare),
            multiplier=snapshot.multiplier,
            other=snapshot.other_buying_power,
        )
        with self._lock:
            # Two reads may cross: the newest is the one that was requested last.
            readings = sorted((*self._readings, reading), key=lambda x: x.requested_at)
            self._readings = tuple(readings[-READS_MAX:])
            self._read_at = max(self._read_at, request.wall_time)
        self._save_covered_entry(request.covered_entry)

    def _covered_entry(self) -> int:
        """Return the last entry that a reading of any process covers; -1: none."""
        text = self._store.cell(COVERED_CELL) or ""
        return int(text) if text.isdecimal() else -1

    def _save_covered_entry(self, covered: int) -> None:
        """Store the last entry that a reading covers; every later reading covers it too."""
        before = self._store.cell(COVERED_CELL)
        if covered > self._covered_entry():
            self._store.swap(COVERED_CELL, before, str(covered))  # a lost race costs nothing

    @property
    def requested_at(self) -> timedelta | None:
        """When the newest read that was observed was requested; None before the first."""
        return self._readings[-1].requested_at if self._readings else None

    @property
    def is_stale(self) -> bool:
        """Whether the account must be read before funds are reserved."""
        requested_at = self.requested_at
        return requested_at is None or self._clock.elapsed() - requested_at > self._can.account_lag

    # -- available funds ---------------------------------------------------------------

    def available(self, reader: Reader, currency: str | None = None) -> m.Funds:
        """
        Return the available funds in *currency*, in the transaction of *reader*.

        *currency* None: that of the account.  Requires a reading.
        """
        readings, lag = self._readings, self._lag_by(reader)
        return reservation.available(
            readings,
            self._reservations(reader, reservation.recent(readings, lag)),
            lag,
            nets_open_orders=self._can.nets_open_orders,
            currency=currency,
        )

    def funds_since(self, entry: int, currency: str | None) -> tuple[m.Funds, bool]:
        """
        Return the available funds, and whether the newest reading includes all up to *entry*.

        *entry* is the number of an entry of the journal.  Requires a reading.
        """
        with self._store.read() as reader:
            own = pairs.other_currency(currency, reader.get(m.Binding, "account"))
            return self.available(reader, own), self._readings[-1].covered_entry >= entry

    def buying_power(self, currency: str | None = None) -> m.BuyingPower:
        """Return the buying power that is available in *currency*; requires a reading."""
        with self._store.read() as reader:
            currency = pairs.other_currency(currency, reader.get(m.Binding, "account"))
            funds = self.available(reader, currency)
        reported = self._readings[-1].funds_in(currency).buying_power
        return m.BuyingPower(
            available=funds.buying_power,
            non_marginable=funds.non_marginable,
            reported=reported,
            reserved=reported - funds.buying_power,
            read_at=self._read_at,
            lag_s=Decimal(str(self.lag.total_seconds())),
        )

    def last_known(self) -> m.BuyingPower | None:
        """Return the buying power by the last read; None: the account was not read yet."""
        return self.buying_power() if self._readings else None

    def _reservations(self, reader: Reader, readings: Sequence[Reading]) -> list[m.Reservation]:
        """Return the reservations that a reading may not cover, and the open ones if they count."""
        least = min(reading.covered_entry for reading in readings)
        # Keys are in order of growth: one range is read, whatever the size of the record.
        found = list(reader.all(m.Reservation, f"{max(least, 0):012d}~"))
        if self._can.nets_open_orders:
            return found
        keys = {each.key for each in found}
        open_ones = reader.find(m.Reservation, "open", "yes")
        return found + [each for each in open_ones if each.key not in keys]

    # -- the lag -----------------------------------------------------------------------

    @property
    def lag(self) -> timedelta:
        """The maximum age of the broker's number; longer for a day after a rejection for funds."""
        return self._can.account_lag * self._lag_factor(self._store.cell(LAG_CELL))

    def _lag_by(self, reader: Reader) -> timedelta:
        return self._can.account_lag * self._lag_factor(reader.cell(LAG_CELL))

    def double_lag(self) -> timedelta:
        """Double the lag, after the broker rejected for funds an order that we had approved."""
        text = self._store.cell(LAG_CELL)
        factor = min(self._lag_factor(text) * 2, LAG_FACTOR_MAX)
        until = m.timestamp(self._clock.now() + LAG_FACTOR_PERIOD)
        self._store.swap(LAG_CELL, text, dump(LagFactor(factor, until)))
        return self.lag

    def _lag_factor(self, text: str | None) -> int:
        stored = load_or_none(LagFactor, text)
        if stored is None or m.timestamp(self._clock.now()) >= stored.until:
            return 1
        return min(max(stored.factor, 1), LAG_FACTOR_MAX)

    # -- marks -------------------------------------------------------------------------

    def add_mark(self) -> None:
        """
        Add a mark of the last entry and the time, for this process and the next.

        A read that is requested at least `lag` later covers all entries up to the mark.
        """
        self._mark_now()
        if self._save_is_due():
            text = self._saved(self._marks)
            # The loser of a race between two desks has almost the same marks as the winner.
            self._store.swap(MARKS_CELL, self._store.cell(MARKS_CELL), text)

    def save_mark(self, writer: Writer) -> None:
        """Add a mark of the transaction of *writer* for the next process, in the transaction."""
        if self._save_is_due():
            mark = Mark(writer.last(), self._clock.elapsed())
            with self._lock:
                marks = reservation.add_mark(self._marks, mark, self._lag_by(writer))
            writer.set_cell(MARKS_CELL, self._saved(marks))

    def _save_is_due(self) -> bool:
        """Return whether the marks are to be saved now, at most once in `SAVE_PERIOD`."""
        now, saved_at = self._clock.elapsed(), self._saved_at
        if saved_at is not None and now - saved_at < SAVE_PERIOD:
            return False
        self._saved_at = now
        return True

    def _mark_now(self) -> Mark:
        with self._store.read() as reader:
            mark = Mark(reader.last(), self._clock.elapsed())
            lag = self._lag_by(reader)
        with self._lock:
            self._marks = reservation.add_mark(self._marks, mark, lag)
        return mark

    def _load_marks(self) -> tuple[Mark, ...]:
        """Load the marks of the previous process, if its monotonic clock is the same."""
        saved = load_or_none(SavedMarks, self._store.cell(MARKS_CELL))
        if saved is None or saved.timeline != self._clock.timeline:
            return ()
        return tuple(Mark(number, at * _US) for number, at in saved.marks)

    def _saved(self, marks: Sequence[Mark]) -> str:
        rows = tuple((mark.number, mark.at // _US) for mark in marks)
        return dump(SavedMarks(self._clock.timeline, rows))
