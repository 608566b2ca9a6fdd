"""
The watch: tells once of what takes too long, and again when it comes back.

What is too long is `core.watch`'s.  Other parts tell of what happens at one moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import watch
from fillbook.desk.link.buying_power import Funding
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.recorder import Recorder


class Watch:
    """Looks at the record and the reads of this process each time it is asked to."""

    def __init__(
        self,
        recorder: Recorder,
        tracker: Tracker,
        funding: Funding,
        clock: Clock,
        limits: m.Thresholds,
    ) -> None:
        self._recorder = recorder
        self._tracker = tracker
        self._clock = clock
        self._limits = limits
        self._funding = funding
        self._began = clock.elapsed()
        self._refused = 0
        self._told: set[tuple[m.AlertKind, str]] = set()
        recorder.on(m.EventKind.FINAL, self._ended)

    def look(self) -> None:
        """Alert of what has newly come to take too long."""
        found = {(alert.kind, alert.about): alert for alert in self._alerts()}
        fresh = [m.Alerted(alert) for key, alert in found.items() if key not in self._told]
        self._recorder.record(*fresh)
        self._told = set(found)

    def _alerts(self) -> Iterator[m.Alert]:
        yield from watch.order_alerts(self._tracker.followed(), self._clock.now(), self._limits)
        silent_for = self._clock.elapsed() - (self._funding.asked_at or self._began)
        for alert in (
            watch.account_alert(silent_for, self._limits),
            watch.rejection_alert(self._refused, self._limits),
        ):
            if alert is not None:
                yield alert

    def _ended(self, event: m.Event) -> None:
        """An order of ours has ended: refused without a fill, or otherwise."""
        if event.order is not None and event.order.origin is m.Origin.OURS:
            refused = event.order.status is m.OrderStatus.REJECTED
            self._refused = self._refused + 1 if refused else 0
