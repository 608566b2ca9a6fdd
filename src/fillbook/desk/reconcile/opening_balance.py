"""
The opening balance: an empty record takes the positions and the cash of the broker.

Two snapshots, `account_lag` apart, must agree, and nothing may be filled from `account_lag` before
the first to the end of the second: so no fill is near the time of the first.  Both list the same
activities, all that the account ever had; the opening balance includes them.  Every later change
has evidence.
"""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.reconcile.drift import Snapshot
from fillbook.desk.reconcile.snapshot import MergedSnapshot, SnapshotReader
from fillbook.desk.record.recorder import Recorder

#: The number of snapshots for which we wait until the account is idle.
TRIES_MAX: Final = 6
OPENING: Final = "OPENING"


class OpeningBalance:
    """Takes the opening balance, once in the life of a record."""

    def __init__(
        self,
        snapshots: SnapshotReader,
        recorder: Recorder,
        clock: Clock,
        closing: threading.Event,
        lag: timedelta,
    ) -> None:
        self._snapshots = snapshots
        self._recorder = recorder
        self._clock = clock
        self._closing = closing
        self._lag = lag

    @property
    def is_due(self) -> bool:
        """Whether the record has no opening balance yet."""
        with self._recorder.store.read() as reader:
            return reader.get(m.Cash, "cash") is None

    def take(
        self, first: MergedSnapshot, since: date | None, *, confirmed: bool
    ) -> MergedSnapshot | m.NotObserved:
        """
        Take the opening balance from *first* and another snapshot; return the comparison.

        *confirmed* is as for a snapshot.
        """
        for _ in range(TRIES_MAX):
            # It is evidence, whatever the second snapshot shows, and there may be much of it.
            self._recorder.record_new(first.new)
            if self._clock.wait(self._closing, self._lag.total_seconds()):
                return m.NotObserved(
                    m.Failure.NO_ANSWER, "the desk was closed during the reconciliation"
                )
            second = self._snapshots.take(since, confirmed=confirmed)
            if isinstance(second, m.NotObserved):
                return second
            if _is_idle(first.snapshot, second.snapshot, self._lag):
                self._record(first.snapshot)
                return self._snapshots.compare(second.snapshot)
            first = second
        return m.NotObserved(
            m.Failure.UNREADABLE,
            f"the account was never idle: its positions, fills or activities changed between all "
            f"{TRIES_MAX + 1} snapshots. Sync again when it trades less",
        )

    def _record(self, snapshot: Snapshot) -> None:
        """Write the opening balance, unless another desk has done so meanwhile."""
        account = snapshot.account
        with self._recorder.transaction() as transaction:
            if transaction.reader.get(m.Cash, "cash") is not None:
                return
            held = {x.symbol: x for x in snapshot.positions}
            flat = [x.symbol for x in transaction.reader.all(m.Position) if x.symbol not in held]
            transaction.record(
                *(balance_adjustment(s, held.get(s), snapshot.at, OPENING) for s in (*held, *flat))
            )
            transaction.record(*cash_adjustments(account, snapshot.at, OPENING))


def _is_idle(first: Snapshot, second: Snapshot, lag: timedelta) -> bool:
    """
    Whether nothing happened between the snapshots.

    Nothing was filled from *lag* before the first to the end of the second, and both show the same
    positions, cash and activities.
    """
    since = m.timestamp(m.moment(first.at) - lag)
    filled = [x for x in (*second.fills, *second.fills_after) if x.at >= since]
    shown = [
        (
            sorted((x.symbol, x.qty) for x in snapshot.positions),
            snapshot.account.cash,
            set(snapshot.account.other_cash),
            {x.activity_id for x in snapshot.activities},
        )
        for snapshot in (first, second)
    ]
    return first.is_valid and second.is_valid and not filled and shown[0] == shown[1]


def cash_adjustments(
    account: m.AccountSnapshot, at: m.Timestamp, reason: str
) -> list[m.CashAdjusted]:
    """Build the entries that set the cash in every currency, that of the account first."""
    balances = [m.Amount(account.cash, account.currency), *account.other_cash]
    return [m.CashAdjusted(x.value, x.currency or "", at, reason, by_ids=True) for x in balances]


def balance_adjustment(
    symbol: str, found: m.PositionSnapshot | None, at: m.Timestamp, reason: str
) -> m.BalanceAdjusted:
    """
    Build the entry that sets the position of *symbol* to *found*; None: flat.

    An average cost of 0 is one that the broker does not know: the whole value would be a gain.
    """
    if found is None:
        return m.BalanceAdjusted(symbol, m.ZERO, None, at, reason)
    return m.BalanceAdjusted(symbol, found.qty, found.avg_price or None, at, reason)
