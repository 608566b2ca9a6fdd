"""
The watch: alerts once when something takes too long, and again when it recurs.

`core.watch` decides what is too long.  Other parts alert of single events.
"""

from __future__ import annotations

from collections.abc import Iterator

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.core import watch
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.model.words import foreign


class Watch:
    """Checks the record and the account reads of this process against the thresholds."""

    def __init__(
        self,
        broker: Broker,
        recorder: Recorder,
        tracker: Tracker,
        available_funds: AvailableFunds,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._broker = broker
        self._recorder = recorder
        self._tracker = tracker
        self._clock = clock
        self._thresholds = settings.thresholds
        self._has_history = broker.capabilities.history
        self._available_funds = available_funds
        self._started = clock.elapsed()
        self._rejections = 0
        self._failed_streams: set[bool] = set()  #: True: of the bot; False: of this desk
        self._alerted: set[tuple[m.AlertKind, str]] = set()
        recorder.on(m.EventKind.FINAL, self._count_rejections)

    def run(self) -> None:
        """Record an alert for each condition that was not alerted on the last run."""
        found = {(alert.kind, alert.about): alert for alert in self._alerts()}
        new = [m.Alerted(alert) for key, alert in found.items() if key not in self._alerted]
        self._recorder.record(*new)
        self._alerted = set(found)

    def check_stream(self) -> None:
        """Record an alert once if the stream of this desk is not connected."""
        self._alert_stream(self._tracker.stream.loss, of_bot=False)

    def bot_stream_ended(self, error: Exception) -> None:
        """Record an alert once for the error that ended the bot's own stream."""
        text = self._broker.redact(str(error))
        self._alert_stream(foreign(f"{type(error).__name__}: {text}"), of_bot=True)

    def bot_stream_received(self) -> None:
        """Note that the bot's own stream delivers events."""
        self._alert_stream(None, of_bot=True)

    def _alert_stream(self, why: str | None, *, of_bot: bool) -> None:
        """Record the alert of a stream that began to fail; *why* None: it does not fail."""
        if why is None:
            self._failed_streams.discard(of_bot)
        elif of_bot not in self._failed_streams:
            limit = self._broker.capabilities.streams_per_key
            alert = watch.stream_alert(why, self._broker.name, limit, of_bot=of_bot)
            self._recorder.record(m.Alerted(alert))
            self._failed_streams.add(of_bot)

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
