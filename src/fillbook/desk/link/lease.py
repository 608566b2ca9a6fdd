"""
The lease: one desk of a store does the background work (promises P2 and P12).

Only the desk that has the lease polls, reconciles, resends, retries cancels and abandons orders.
Any desk places, cancels, reserves and merges without it.

A desk that was stopped and continues after another desk has acquired the lease changes nothing:
right before a request it checks the end of its lease, and inside a transaction the epoch.  The
next holder sends nothing until the requests of the previous one must have arrived.  The remaining
risk is covered by the broker: a create is resent only under its own client order id.
"""

from __future__ import annotations

import logging
import platform
import secrets
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import evolve

from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.desk.record.cells.lease_term import CELL, SLACK, ends_at, holder_of, remaining
from fillbook.desk.record.cells.lease_term import Lease as Lease
from fillbook.desk.record.cells.process_identity import has_ended, this_process
from fillbook.errors import StoreError
from fillbook.store import Reader, Store

log: logging.Logger = logging.getLogger("fillbook")

#: The term of a lease; it is renewed after half of it.
TERM: Final = timedelta(seconds=40)
#: The maximum time in which a request arrives or fails.
REQUEST_MAX: Final = timedelta(seconds=15)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class LeaseHolder:
    """Acquires, renews and checks the lease for one desk; safe from any thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._holder_id = secrets.token_hex(8)
        self._lease: Lease | None = None
        self._may_send_from = timedelta()
        self._lock = threading.Lock()
        #: The stored lease of another desk, and since when it is unchanged.
        self._other: tuple[str, timedelta] | None = None
        #: Who has the lease instead of this desk; None: no other desk, as far as is known.
        self._known: Lease | None = None

    def acquire(self) -> bool:
        """Acquire or renew the lease if it is due; return False while another desk has it."""
        with self._lock:
            now = self._clock.elapsed()
            if self._lease is None or now + TERM / 2 >= self._lease.until_ms * _MS:
                self._lease = self._acquire(now)
            return self._lease is not None

    @property
    def awaited(self) -> str:
        """Who has the lease, and until when, if this desk waits for it; ``""``: it does not."""
        other = self._known
        if other is None:
            return ""
        until = (ends_at(other) or "")[11:19]
        return f"{holder_of(other)} has it until {until} UTC, or longer while it renews it"

    def _acquire(self, now: timedelta) -> Lease | None:
        text = self._store.cell(CELL)
        known = load_or_none(Lease, text)
        mine = known is not None and known.holder == self._holder_id
        if known is not None and not mine and not self._is_over(known, text or "", now):
            self._known = known
            return None
        epoch = (0 if known is None else known.epoch) + (not mine)
        taken = self._lease_until(epoch, now + TERM)
        if not self._store.swap(CELL, text, dump(taken)):
            return None
        if known is not None and not mine:
            self._may_send_from = now + min(self._remaining(known), timedelta()) + REQUEST_MAX
            self._log_takeover(known, self._may_send_from - now)
        self._known = None
        return taken

    def _log_takeover(self, known: Lease, wait: timedelta) -> None:
        if wait > timedelta():
            log.info(
                "this desk has the lease now, instead of %s: it reconciles, and sends nothing of "
                "its own for %d s, in which a request of that desk may still arrive",
                holder_of(known),
                -(-wait // timedelta(seconds=1)),
            )

    def may_send(self) -> bool:
        """Whether background requests may be sent: after the hand-over, before the term ends."""
        now = self._clock.elapsed()
        mine = self._lease
        return mine is not None and self._may_send_from <= now < mine.until_ms * _MS - REQUEST_MAX

    def is_held(self, reader: Reader) -> bool:
        """Whether this desk holds the lease, in the transaction of *reader*."""
        known = load_or_none(Lease, reader.cell(CELL))
        mine = self._lease
        return (
            known is not None
            and mine is not None
            and (known.holder, known.epoch) == (self._holder_id, mine.epoch)
        )

    def release(self) -> None:
        """
        End the lease at once, or by its time if the store cannot be written.

        No request of this desk may be in flight.
        """
        with self._lock:
            mine, self._lease = self._lease, None
            try:
                text = None if mine is None else self._store.cell(CELL)
                known = load_or_none(Lease, text)
                if mine is not None and known is not None and known.holder == self._holder_id:
                    over = evolve(mine, until_ms=-REQUEST_MAX // _MS, wall_ms=0)
                    self._store.swap(CELL, text, dump(over))
            except StoreError as error:
                log.warning("the lease ends by its time: it cannot be released (%s)", error)

    def _lease_until(self, epoch: int, until: timedelta) -> Lease:
        wall = self._clock.now() + (until - self._clock.elapsed())
        return Lease(
            holder=self._holder_id,
            epoch=epoch,
            process=this_process(),
            host=platform.node(),
            timeline=self._clock.timeline,
            until_ms=until // _MS,
            wall_ms=(wall - _EPOCH) // _MS,
        )

    def _is_over(self, known: Lease, text: str, now: timedelta) -> bool:
        """
        Whether another desk's lease has ended, or was not renewed for a term.

        A holder renews its lease: if it is unchanged for a term and the slack, its holder is gone,
        whatever its end (a wrong clock, another boot, an edited cell).
        """
        if self._other is None or self._other[0] != text:
            self._other = (text, now)
        stale = now - self._other[1] >= TERM + SLACK
        return stale or self._remaining(known) <= timedelta() or has_ended(known.process)

    def _remaining(self, known: Lease) -> timedelta:
        """Return the remaining time of another desk's lease."""
        return remaining(known, self._clock)
