"""
First contact: an empty record takes the broker's picture as its opening.

Two looks, the broker's lag apart, have to agree and nothing be filled from a lag before
the first to the end of the second; so the moment of the first has no fill on either side.
From there on everything has evidence.
"""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.reconcile import drift
from fillbook.core.reconcile.drift import Snapshot
from fillbook.desk.reconcile.snapshot import ComparedSnapshot, SnapshotReader
from fillbook.desk.record.recorder import Recorder

#: How often we wait for the account to come to rest.
TRIES: Final = 6
OPENING: Final = "OPENING"


class OpeningBalance:
    """Takes the opening picture, once in the life of a record."""

    def __init__(
        self,
        lookout: SnapshotReader,
        recorder: Recorder,
        clock: Clock,
        closing: threading.Event,
        lag: timedelta,
    ) -> None:
        self._snapshots = lookout
        self._recorder = recorder
        self._clock = clock
        self._closing = closing
        self._lag = lag

    @property
    def is_due(self) -> bool:
        """Whether the record has no opening picture yet."""
        with self._recorder.store.read() as reader:
            return reader.get(m.Cash, "cash") is None

    def take(self, first: ComparedSnapshot, since: date | None) -> ComparedSnapshot | m.NotObserved:
        """Take the picture from *first* and another look; the comparison after it."""
        for _ in range(TRIES):
            if self._clock.wait(self._closing, self._lag.total_seconds()):
                return m.NotObserved(m.Failure.NO_ANSWER, "the desk was closed meanwhile")
            second = self._snapshots.sight(since)
            if isinstance(second, m.NotObserved):
                return second
            if _at_rest(first.look, second.look, self._lag):
                self._anchor(first.look)
                return self._snapshots.compare(second.look)
            first = second
        return m.NotObserved(
            m.Failure.UNREADABLE,
            "the account does not come to rest: its positions or fills changed between all "
            "looks. Sync again when it trades less",
        )

    def _anchor(self, look: Snapshot) -> None:
        """Write the picture down, unless another desk on this record has done so meanwhile."""
        account = look.account
        with self._recorder.turn() as turn:
            if turn.read.get(m.Cash, "cash") is not None:
                return
            turn.take(*drift.entries_of(look))
            held = {x.symbol: x for x in look.positions}
            flat = [x.symbol for x in turn.read.all(m.Position) if x.symbol not in held]
            turn.take(*(anchor(s, held.get(s), look.at, OPENING) for s in (*held, *flat)))
            turn.take(m.CashAdjusted(account.cash, account.currency, look.at, OPENING))


def _at_rest(first: Snapshot, second: Snapshot, lag: timedelta) -> bool:
    """Whether nothing was filled from a lag before the first look to the end of the second."""
    since = m.timestamp(m.moment(first.at) - lag)
    filled = [x for x in (*second.fills, *second.fills_after) if x.at >= since]
    held = [
        [*sorted((x.symbol, x.qty) for x in look.positions), ("", look.account.cash)]
        for look in (first, second)
    ]
    return first.is_valid and second.is_valid and not filled and held[0] == held[1]


def anchor(
    symbol: str, found: m.PositionSnapshot | None, at: m.Timestamp, reason: str
) -> m.BalanceAdjusted:
    """The entry that says what the account held of *symbol*; None: nothing."""
    qty = m.ZERO if found is None else found.qty
    return m.BalanceAdjusted(symbol, qty, None if found is None else found.avg_price, at, reason)
