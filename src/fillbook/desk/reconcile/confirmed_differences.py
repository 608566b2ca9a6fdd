"""
The standing differences: which symbols they lock, and what is alerted.

A confirmed difference locks its symbol until it is gone.  It is confirmed again at intervals only,
because nothing changes while both sides show the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import watch
from fillbook.core.reconcile.drift import Comparison
from fillbook.desk.record.cells import open_differences
from fillbook.desk.record.recorder import Recorder
from fillbook.model.journal.describe import describe_drift

#: A difference that is not settled after this time is alerted.
UNSETTLED_AFTER: Final = timedelta(minutes=5)
#: Differences that were confirmed are confirmed again after this time.
RECHECK_PERIOD: Final = timedelta(minutes=5)


class StandingDifferences:
    """Records the differences that a reconciliation leaves."""

    def __init__(self, recorder: Recorder, clock: Clock, thresholds: m.Thresholds) -> None:
        self._recorder = recorder
        self._clock = clock
        self._thresholds = thresholds
        self._unsettled: dict[str, timedelta] = {}
        self._overdue_alerted: set[str] = set()
        #: The differences that were last confirmed again, and when.
        self._rechecked: tuple[list[m.Drift], timedelta] = ([], timedelta())

    def findings(self, comparison: Comparison) -> list[m.Finding]:
        """Return all differences as findings if earlier passes confirmed them; else nothing."""
        with self._recorder.store.read() as reader:
            known = {x.key: x for x in reader.all(m.OpenDrift)}
        found = [
            m.Finding(
                x.drift, m.Confidence.CONFIRMED, f"confirmed at {known[x.key].since}", x.notional
            )
            for x in comparison.differences
            if x.key in known and known[x.key].drift == x.drift
        ]
        return found if len(found) == len(comparison.differences) else []

    def recheck_is_due(self, standing: Iterable[m.Finding]) -> bool:
        """Whether standing differences are confirmed again by a second snapshot in this pass."""
        now, shown = self._clock.elapsed(), [x.drift for x in standing]
        drifts, at = self._rechecked
        if drifts == shown and now - at < RECHECK_PERIOD:
            return False
        self._rechecked = (shown, now)
        return True

    def save(self, comparison: Comparison, left: list[m.Finding]) -> None:
        """Record the differences that are left, confirmed or not."""
        self._update_locks(left)
        symbols = {getattr(x.drift, "symbol", None) for x in left}
        rows = (row for row in comparison.unsettled.rows if row[0] in symbols)
        open_differences.save(self._recorder.store, m.Unsettled(tuple(rows)))

    def _update_locks(self, findings: Iterable[m.Finding]) -> None:
        """Lock the symbols of confirmed differences, and unlock those without a difference."""
        confirmed = {_key(x.drift): x for x in findings if x.confidence is m.Confidence.CONFIRMED}
        settling = {_key(x.drift) for x in findings if x.confidence is m.Confidence.SETTLING}
        entries: list[m.Entry] = []
        with self._recorder.store.read() as reader:
            standing = {x.key: x for x in reader.all(m.OpenDrift)}
        for key, found in confirmed.items():
            known = standing.get(key)
            is_alerted = watch.is_alerted(found, self._thresholds)
            has_grown = known is not None and not watch.is_alerted(known, self._thresholds)
            if known is None or known.drift != found.drift or (is_alerted and has_grown):
                entries.append(m.DriftFound(key, found.drift, found.notional))
                if is_alerted:
                    entries.append(drift_alert(found))
        cleared = [x for k, x in standing.items() if k not in confirmed and k not in settling]
        for ended in cleared:
            entries.append(m.DriftCleared(ended.key))
            if watch.is_alerted(ended, self._thresholds):
                notice = watch.resolved_alert(m.AlertKind.DRIFT, _about(ended.drift))
                entries.append(m.Alerted(notice))
        large = [x for x in findings if watch.is_alerted(x, self._thresholds)]
        entries += self._overdue(settling & {_key(x.drift) for x in large})
        self._recorder.record(*entries)

    def _overdue(self, settling: set[str]) -> list[m.Entry]:
        """Build an alert for each difference that is not settled in time, once each."""
        now = self._clock.elapsed()
        self._unsettled = {key: self._unsettled.get(key, now) for key in settling}
        old = {k for k, since in self._unsettled.items() if now - since >= UNSETTLED_AFTER}
        late = sorted(old - self._overdue_alerted)
        self._overdue_alerted = old
        return [
            m.Alerted(
                m.Alert(
                    m.AlertKind.UNSETTLED,
                    key,
                    f"{key.removeprefix('position/')}: the record and the broker have differed for "
                    "over five minutes, and the account is not idle, so that the difference cannot "
                    "be confirmed. Send no new orders on it, then run `fillbook sync`",
                )
            )
            for key in late
        ]


def _key(found: m.Drift) -> str:
    symbol = getattr(found, "symbol", None)
    return m.cash_key(getattr(found, "currency", None)) if symbol is None else f"position/{symbol}"


def _about(found: m.Drift) -> str:
    return getattr(found, "symbol", None) or _key(found)


def drift_alert(found: m.Finding) -> m.Alerted:
    """Build the alert of a confirmed difference."""
    about = _about(found.drift)
    what, difference = describe_drift(found.drift)
    is_locked = getattr(found.drift, "symbol", None) is not None
    effect = "Until it is resolved, only reducing orders are sent on it. " if is_locked else ""
    text = (
        f"{what}: {difference} ({found.because}). {effect}See `fillbook check`, and use "
        "`fillbook sync --adopt` if the broker is right"
    )
    return m.Alerted(m.Alert(m.AlertKind.DRIFT, about, text))
