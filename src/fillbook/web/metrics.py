"""
Metrics for Prometheus, from the record and from what the desk that ticks has measured.

Counts are of the events since the service was started, whichever desk wrote them.  No label has a
symbol or the id of an order: each has a fixed set of values.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

from attrs import define, field

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.rate_limit import Lane
from fillbook.desk.measurements import BOUNDS_MS, Histogram
from fillbook.desk.record import desk_report
from fillbook.desk.record.book import Book
from fillbook.model.journal.status import Health
from fillbook.store import Store

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: The upper bounds of the seconds from submit to final, and from a fill to its record.
SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 28_800)
#: Events that are read at a time, and the reads of one scrape at most.
_PAGE: Final = 1_000
_PAGES_MAX: Final = 50

#: The gauges by name, with their help.
GAUGES: Final[Mapping[str, str]] = {
    "fillbook_halted": "1 while the kill switch is set.",
    "fillbook_snapshot_age_seconds": "Age of the last complete snapshot of the account.",
    "fillbook_missed_snapshots": "Reconciliations since then without a complete snapshot.",
    "fillbook_open_orders": "Orders that are not final.",
    "fillbook_unconfirmed_orders": "Orders without a reply, or with a pending cancel or replace.",
    "fillbook_drifts": "Confirmed differences; each locks its symbol.",
    "fillbook_drift_notional": "Their notional in quote currency, as far as it is known.",
    "fillbook_naked_seconds": "How long a protected position has been without its exits, at most.",
    "fillbook_reserved": "Buying power that open orders reserve.",
    "fillbook_reservations": "Open reservations.",
    "fillbook_requests_limit": "Requests a minute that the broker permits.",
    "fillbook_requests_left": "Requests that are left in this minute.",
    "fillbook_lease_epoch": "Increases with each new holder of the lease.",
    "fillbook_lease_current": "1 while a desk ticks.",
    "fillbook_stream_live": "1 while the stream of the desk that ticks is live.",
}
#: The histograms that the desk measures, with their help.
MEASURED: Final[Mapping[str, str]] = {
    "request": "Seconds of a request to the broker.",
    "snapshot": "Seconds of a reconciliation of the account.",
    "store_write": "Seconds of a transaction of the store.",
}


@define
class _Durations:
    """A histogram by `SECONDS`."""

    counts: Counter[int] = field(factory=Counter)
    total: float = 0.0

    def add(self, seconds: float) -> None:
        seconds = max(seconds, 0.0)
        self.total += seconds
        self.counts[next((i for i, x in enumerate(SECONDS) if seconds <= x), len(SECONDS))] += 1

    def buckets(self) -> list[tuple[str, float]]:
        sums = [sum(self.counts[i] for i in range(n + 1)) for n in range(len(SECONDS) + 1)]
        bounds = [*(str(float(x)) for x in SECONDS), "+Inf"]
        return [(bound, float(count)) for bound, count in zip(bounds, sums, strict=True)]


class EventCounts:
    """Counts events as they are written, beginning with the next one."""

    def __init__(self, book: Book) -> None:
        self._book = book
        newest = book.events(limit=1, newest=True)
        self._cursor = newest[0].cursor if newest else ""
        self.orders: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.plans: Counter[tuple[str, str]] = Counter()
        self.saved = m.ZERO
        self.to_final = _Durations()
        self.to_known = _Durations()

    def read(self) -> None:
        """Count the events that were written since."""
        for _ in range(_PAGES_MAX):
            events = self._book.events(self._cursor, limit=_PAGE)
            for event in events:
                self._count(event)
                self._cursor = event.cursor
            if len(events) < _PAGE:
                return

    def _count(self, event: m.Event) -> None:
        if event.kind is m.EventKind.FINAL and event.order is not None:
            self.orders[str(event.order.status)] += 1
            if event.order.created_at is not None:
                self.to_final.add(_seconds(event.order.created_at, event.at))
        if event.kind is m.EventKind.FILL and event.fill is not None:
            self.to_known.add(_seconds(event.fill.at, event.at))
        if event.alert is not None and not event.alert.resolved:
            self.alerts[str(event.alert.kind)] += 1
        if event.plan is not None and event.plan.step is None:
            self._count_plan(event.plan)

    def _count_plan(self, news: m.PlanNews) -> None:
        if news.what not in set(m.PlanState):
            return
        plan = self._book.plan(news.plan_id)
        self.plans[str(plan.kind), news.what] += 1
        full, cost = plan.impact.full_cost, plan.impact.cost
        if news.what == m.PlanState.DONE and full is not None and cost is not None:
            self.saved += full.notional - cost.notional


def _seconds(since: m.Timestamp, until: m.Timestamp) -> float:
    return (m.moment(until) - m.moment(since)).total_seconds()


class Meter:
    """The metrics of one record."""

    def __init__(self, store: Store, clock: Clock, prometheus: Any) -> None:
        self._store = store
        self._clock = clock
        self._book = Book(store, clock=clock)
        self._client = prometheus
        self._families = import_module("prometheus_client.core")
        self._counts = EventCounts(self._book)
        self._registry = prometheus.CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._lock = threading.Lock()

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        with self._lock:
            found: bytes = self._client.generate_latest(self._registry)
        return found

    def describe(self) -> list[Any]:
        """Return nothing: the metrics are known when they are collected."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the families of metrics."""
        self._counts.read()
        yield from self._of_status()
        yield from self._of_events()
        yield from self._of_desk()

    def _of_status(self) -> Iterator[Any]:
        status = self._book.status()
        budget, lease, stream = status.budget, status.lease, status.stream
        values: dict[str, Decimal | int | None] = {
            "fillbook_halted": int(status.halted is not None),
            "fillbook_snapshot_age_seconds": status.snapshot_age_s,
            "fillbook_missed_snapshots": status.missed_snapshots,
            "fillbook_open_orders": status.open_orders,
            "fillbook_unconfirmed_orders": len(status.unconfirmed),
            "fillbook_drifts": len(status.locks),
            "fillbook_drift_notional": sum((x.notional or m.ZERO for x in status.locks), m.ZERO),
            "fillbook_naked_seconds": self._naked_seconds(),
            "fillbook_reserved": status.reserved,
            "fillbook_reservations": len(self._book.reservations()),
            "fillbook_requests_limit": None if budget is None else budget.limit,
            "fillbook_requests_left": None
            if budget is None
            else max(budget.limit - budget.sent, 0),
            "fillbook_lease_epoch": None if lease is None else lease.epoch,
            "fillbook_lease_current": int(lease is not None and lease.is_current),
            "fillbook_stream_live": int(stream is not None and stream.state == "live"),
        }
        for name, about in GAUGES.items():
            value = values[name]
            if value is not None:
                yield self._families.GaugeMetricFamily(name, about, float(value))
        health = self._families.GaugeMetricFamily(
            "fillbook_health", "1 for the present state.", labels=["state"]
        )
        for state in Health:
            health.add_metric([str(state)], float(status.health is state))
        yield health
        plans = self._families.GaugeMetricFamily(
            "fillbook_plans", "Plans that have not ended.", labels=["state"]
        )
        for plan_state, count in status.plans:
            plans.add_metric([str(plan_state)], count)
        yield plans

    def _naked_seconds(self) -> Decimal:
        now = m.timestamp(self._clock.now())
        ages = [
            _seconds(x.since, now)
            for x in self._book.protections()
            if not x.is_covered and x.approved and x.since is not None
        ]
        return Decimal(str(max(ages, default=0.0)))

    def _of_events(self) -> Iterator[Any]:
        counts = self._counts
        yield self._counter("orders", "Orders that became final.", "outcome", counts.orders)
        yield self._counter("alerts", "Alerts that were raised.", "kind", counts.alerts)
        moved = self._families.CounterMetricFamily(
            "fillbook_plan_states", "Plans that reached a state.", labels=["kind", "state"]
        )
        for (kind, state), count in sorted(counts.plans.items()):
            moved.add_metric([kind, state], count)
        yield moved
        yield self._families.CounterMetricFamily(
            "fillbook_rebalance_saved_notional",
            "Notional that rebalances by differences did not trade.",
            float(counts.saved),
        )
        for name, about, durations in (
            ("order_seconds", "Seconds from the creation of an order to its end.", counts.to_final),
            ("fill_known_seconds", "Seconds from a fill to its entry.", counts.to_known),
        ):
            yield self._families.HistogramMetricFamily(
                f"fillbook_{name}", about, durations.buckets(), durations.total
            )

    def _of_desk(self) -> Iterator[Any]:
        with self._store.read() as reader:
            report = desk_report.report_in(reader)
        if report is None:
            return
        lanes = {x.lane: x.count for x in report.requests if x.lane in set(Lane)}
        yield self._counter("requests", "Requests to the broker.", "lane", lanes)
        yield self._families.CounterMetricFamily(
            "fillbook_stream_gaps", "Gaps of the stream.", report.stream.gaps
        )
        for one in report.histograms:
            if one.name in MEASURED:
                yield self._families.HistogramMetricFamily(
                    f"fillbook_{one.name}_seconds",
                    MEASURED[one.name],
                    _buckets(one),
                    one.total_us / 1e6,
                )

    def _counter(self, name: str, about: str, label: str, values: Mapping[str, int]) -> Any:
        family = self._families.CounterMetricFamily(f"fillbook_{name}", about, labels=[label])
        for value, count in sorted(values.items()):
            family.add_metric([value], count)
        return family


def _buckets(one: Histogram) -> list[tuple[str, float]]:
    bounds = [*(str(x / 1_000) for x in BOUNDS_MS), "+Inf"]
    return [(x, float(count)) for x, count in zip(bounds, one.cumulated(), strict=True)]


def meter(store: Store, clock: Clock) -> Meter | None:
    """Return the metrics of a record; None: the extra `prometheus` is not installed."""
    try:
        client = import_module("prometheus_client")
    except ImportError:
        return None
    return Meter(store, clock, client)
