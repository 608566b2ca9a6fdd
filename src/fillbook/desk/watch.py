"""
The watch: alerts once when something takes too long, and again when it recurs.

`core.watch` decides what is too long.  Other parts alert of single events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fillbook import model as m
from fillbook.alerts import Delivery
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.core import pairs, watch
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.exit_reader import is_exit_order
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.model.text.foreign import foreign

AlertId = tuple[m.AlertKind, str]


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
        deliveries: Sequence[Delivery],
    ) -> None:
        self._broker = broker
        self._recorder = recorder
        self._tracker = tracker
        self._clock = clock
        self._thresholds = settings.thresholds
        self._has_history = broker.capabilities.history
        self._available_funds = available_funds
        self._deliveries = deliveries
        self._started = clock.elapsed()
        self._rejections = 0
        self._bot_loss: str | None = None  #: why the bot's own stream ended
        self._alerted: set[AlertId] = set()
        self._alerted_local: set[AlertId] = set()
        recorder.on(m.EventKind.FINAL, self._count_rejections)

    def run(self) -> None:
        """Record an alert for each condition of the record that was not alerted on the last run."""
        self._alerted = self._record_new(self._alerts(), self._alerted)

    def run_local(self) -> None:
        """Likewise for what only this process knows: its stream, the bot's, and its sinks."""
        self._alerted_local = self._record_new(self._local_alerts(), self._alerted_local)

    def _record_new(self, alerts: Iterable[m.Alert], alerted: set[AlertId]) -> set[AlertId]:
        found = {(alert.kind, alert.about): alert for alert in alerts}
        new = [x for key, x in found.items() if key not in alerted]
        ended = [watch.resolved_alert(*key) for key in sorted(alerted - found.keys())]
        self._recorder.record(*map(m.Alerted, (*new, *ended)))
        return set(found)

    def bot_stream_ended(self, error: Exception) -> None:
        """Record an alert for the error that ended the bot's own stream."""
        self._bot_loss = foreign(f"{type(error).__name__}: {self._broker.redact(str(error))}")
        self.run_local()

    def bot_stream_received(self) -> None:
        """Note that the bot's own stream delivers events."""
        if self._bot_loss is not None:
            self._bot_loss = None
            self.run_local()

    def _local_alerts(self) -> Iterator[m.Alert]:
        limit = self._broker.capabilities.streams_per_key
        for of_bot, why in ((False, self._tracker.stream.loss()), (True, self._bot_loss)):
            if why is not None:
                yield watch.stream_alert(why, self._broker.name, limit, of_bot=of_bot)
        for delivery in self._deliveries:
            if delivery.failure is not None:
                yield watch.undelivered_alert(delivery.name, delivery.failure)

    def _alerts(self) -> Iterator[m.Alert]:
        tracked, now = self._tracker.tracked(), self._clock.now()
        yield from watch.order_alerts(tracked, now, self._thresholds)
        if self._has_history:
            missing = (watch.missing_fills_alert(x, now, self._thresholds) for x in tracked)
            yield from (alert for alert in missing if alert is not None)
        yield from self._split_alerts(tracked)
        unread_for = self._clock.elapsed() - (self._available_funds.requested_at or self._started)
        for alert in (
            watch.account_alert(unread_for, self._thresholds),
            watch.rejection_alert(self._rejections, self._thresholds),
        ):
            if alert is not None:
                yield alert

    def _split_alerts(self, tracked: Iterable[m.OrderRecord]) -> Iterator[m.Alert]:
        """Yield alerts for the orders in the terms of before a split; exits are placed anew."""
        live = [x for x in tracked if not x.order.is_final and x.intent is not None]
        with self._recorder.store.read() as reader:
            for symbol in sorted({x.terms.symbol for x in live}):
                held = pairs.holding_of(reader, symbol)
                splits = reader.find(m.Movement, "restated", held)
                for record in live if splits else ():
                    if record.terms.symbol == symbol and not is_exit_order(reader, record):
                        alert = watch.split_alert(record, splits)
                        if alert is not None:
                            yield alert

    def _count_rejections(self, event: m.Event) -> None:
        """Count rejected orders of ours in a row; any other final order resets the count."""
        if event.order is not None and event.order.origin is m.Origin.OURS:
            is_rejected = event.order.status is m.OrderStatus.REJECTED
            self._rejections = self._rejections + 1 if is_rejected else 0
