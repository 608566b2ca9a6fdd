"""
The lease: one desk of a store ticks, and the others do not (promises P2 and P12).

Polls, passes over the account, sending again, repeating cancels and giving up are for the
desk that has the lease.  Any desk may place, cancel, reserve and merge without it.

A desk that was stopped and wakes after another has taken over changes nothing any more:
what it sends is checked against the end of its lease right before the request, and what it
concludes against the epoch inside the transaction.  Its successor sends nothing before
what the old one may have sent has long arrived.  What is left of the danger is the
broker's: a create goes out again only under its own client id.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.store import Reader, Store

log = logging.getLogger("fillbook")

#: The cell that holds the lease.
CELL: Final = "lease"
#: For how long a desk has it; it is renewed when half of that is over.
TERM: Final = timedelta(seconds=40)
#: No request takes longer than this to arrive, or to be given up.
REQUEST_MAX: Final = timedelta(seconds=15)
#: How far the wall clock may be off, where it has to judge another machine's lease.
SLACK: Final = timedelta(seconds=60)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@frozen(kw_only=True)
class Lease:
    """
    Who ticks, and until when: `until_ms` of `timeline`, which is `wall_ms` of the wall clock.

    `epoch` is one more with each holder; `process` is where it lives.
    """

    holder: str
    epoch: int
    process: str
    timeline: str
    until_ms: int
    wall_ms: int


class LeaseHolder:
    """What one desk knows of the lease."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._mine: Lease | None = None
        self._sends_from = timedelta()
        self._turn = threading.Lock()
        self._foreign: tuple[str, timedelta] | None = None  #: another's lease, since when it is so

    def hold(self) -> bool:
        """Have the lease, taken or renewed if need be; False while another desk has it."""
        with self._turn:
            now = self._clock.elapsed()
            if self._mine is None or now + TERM / 2 >= self._mine.until_ms * _MS:
                self._mine = self._taken(now)
            return self._mine is not None

    def _taken(self, now: timedelta) -> Lease | None:
        word = self._store.cell(CELL)
        known = load_or_none(Lease, word)
        mine = known is not None and known.holder == self._me
        if known is not None and not mine and not self._is_over(known, word or "", now):
            return None
        epoch = (0 if known is None else known.epoch) + (not mine)
        taken = self._until(epoch, now + TERM)
        if not self._store.swap(CELL, word, dump(taken)):
            return None
        if known is not None and not mine:
            self._sends_from = now + min(self._left(known), timedelta()) + REQUEST_MAX
        return taken

    def may_send(self) -> bool:
        """Whether what the bot does not wait for may be sent: late enough, and early enough."""
        now = self._clock.elapsed()
        mine = self._mine
        return mine is not None and self._sends_from <= now < mine.until_ms * _MS - REQUEST_MAX

    def is_mine(self, reader: Reader) -> bool:
        """Inside a transaction: whether the lease is ours in the picture that decides."""
        known = load_or_none(Lease, reader.cell(CELL))
        mine = self._mine
        return (
            known is not None
            and mine is not None
            and (known.holder, known.epoch) == (self._me, mine.epoch)
        )

    def release(self) -> None:
        """Let the next desk have it at once; nothing of ours is under way any more."""
        with self._turn:
            mine, self._mine = self._mine, None
            word = None if mine is None else self._store.cell(CELL)
            known = load_or_none(Lease, word)
            if mine is not None and known is not None and known.holder == self._me:
                over = evolve(mine, until_ms=-REQUEST_MAX // _MS, wall_ms=0)
                self._store.swap(CELL, word, dump(over))

    def _until(self, epoch: int, until: timedelta) -> Lease:
        wall = self._clock.now() + (until - self._clock.elapsed())
        return Lease(
            holder=self._me,
            epoch=epoch,
            process=_process(),
            timeline=self._clock.timeline,
            until_ms=until // _MS,
            wall_ms=(wall - _EPOCH) // _MS,
        )

    def _is_over(self, known: Lease, word: str, now: timedelta) -> bool:
        """
        Whether another desk's lease has ended, or was not renewed for as long as one lasts.

        Its holder renews it: one that stays the same for a term and the slack has none, however
        far ahead it says that it lasts (a wrong clock, another boot, an edited cell).
        """
        if self._foreign is None or self._foreign[0] != word:
            self._foreign = (word, now)
            log.info("another desk on this store (%s) polls and reconciles", known.process)
        stale = now - self._foreign[1] >= TERM + SLACK
        return stale or self._left(known) <= timedelta() or _has_ended(known.process)

    def _left(self, known: Lease) -> timedelta:
        """How long another desk's lease lasts yet."""
        if known.timeline == self._clock.timeline:
            return known.until_ms * _MS - self._clock.elapsed()
        return known.wall_ms * _MS - (self._clock.now() - _EPOCH) + SLACK


@cache
def _here() -> str:
    """The machine and its processes' name space; empty where they cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _begun(pid: int) -> str | None:
    """When a process of this machine began, so that a number given again is told apart."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The second field is a name in brackets that may hold anything: proc_pid_stat(5).
    state, *rest = told.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _process() -> str:
    """Where we are, as `_has_ended` knows it again."""
    return f"{_here()} {os.getpid()} {_begun(os.getpid())}"


def _has_ended(process: str) -> bool:
    """Whether that process is surely no more; False for one of which nothing can be told."""
    here, _, rest = process.partition(" ")
    pid, _, begun = rest.partition(" ")
    return bool(here) and here == _here() and pid.isdecimal() and _begun(int(pid)) != begun
