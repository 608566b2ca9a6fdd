"""
The watch: alerts once when something takes too long, and again when it recurs.

`core.watch` decides what is too long.  Other parts alert of single events.
"""

from __future__ import annotations

from collections.abc import Iterator

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import watch
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings


class Watch:
    """Checks the record and the account reads of this process against the thresholds."""

    def __init__(
        self,
        recorder: Recorder,
        tracker: Tracker,
        available_funds: AvailableFunds,
        clock: Clock,
        settings: Settings,
        can: m.Capabilities,
    ) -> None:
        self._recorder = recorder
        self._tracker = tracker
        self._clock = clock
        self._thresholds = settings.thresholds
        self._has_history = can.history
        self._available_funds = available_funds
        self._started = clock.elapsed()
        self._rejections = 0
        self._alerted: set[tuple[m.AlertKind, str]] = set()
        recorder.on(m.EventKind.FINAL, self._count_rejections)

    def run(self) -> None:
        """Record an alert for each condition that was not alerted on the last run."""
        found = {(alert.kind, alert.about): alert for alert in self._alerts()}
        new = [m.Alerted(alert) for key, alert in found.items() if key not in self._alerted]
        self._recorder.record(*new)
        self._alerted = set(found)

    def _alerts(self) -> Iterator[m.Alert]:
        tracked, now = self._tracker.tracked(), self._clock.now()
        yield from watch.order_alerts(tracked, now, self._thresholds)
        if self._has_history:
            missing = (watch.missing_fills_alert(x, now, self._thresholds) for x in tracked)
            yield from (alert for alert in missing if alert is not None)
        unread_for = self._clock.elapsed() - (self._available_funds.requested_at or self._started)
        for alert in (
            watch.account_alert(unread_for, self._thresholds),
            watch.rejection_alert(self._rejections, self._thresholds),
        ):
            if alert is not None:
                yield alert

    def _count_rejections(self, event: m.Event) -> None:
        """Count rejected orders of ours in a row; any other final order resets the count."""
        if event.order is not None and event.order.origin is m.Origin.OURS:
            is_rejected = event.order.status is m.OrderStatus.REJECTED
            self._rejections = self._rejections + 1 if is_rejected else 0
