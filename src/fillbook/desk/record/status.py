"""The status of a record, from its store alone."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.codec import load_or_none
from fillbook.desk.record import desk_report, kill_switch
from fillbook.desk.record.cells import lease_term
from fillbook.desk.record.cells.last_complete_snapshot import LastComplete
from fillbook.desk.record.cells.request_budget import pace_of
from fillbook.desk.record.present_cover import present_protections
from fillbook.model.journal.status import Health, LeaseStatus, RequestBudget, Status
from fillbook.store import Store

#: The newest alerts that a status has.
ALERTS_MAX: Final = 10
#: Without a complete snapshot for this long the account counts as not observed.
AGE_MAX: Final = timedelta(seconds=120)


def status_of(store: Store, clock: Clock) -> Status:
    """Return the status of the record in *store*, at the time of *clock*."""
    last = LastComplete(store, clock)
    age, missed, pace = last.age, last.missed, pace_of(store, clock)
    protections = present_protections(store, clock)
    with store.read() as reader:
        bound = reader.get(m.Binding, "account")
        orders = [x for x in reader.find(m.OrderRecord, "open", "yes") if not x.order.is_final]
        locks = tuple(reader.all(m.OpenDrift))
        plans = Counter(x.state for x in reader.find(m.Plan, "open", "yes"))
        reserved = sum((x.charge for x in reader.find(m.Reservation, "open", "yes")), Decimal())
        alerts = reader.page(
            m.Event, "key", where={"alert": ["yes"]}, limit=ALERTS_MAX, newest=True
        )
        lease = load_or_none(lease_term.Lease, reader.cell(lease_term.CELL))
        report = desk_report.report_in(reader)
        halted = kill_switch.halt_reason(reader)
    disputed = any(x.order.status is m.OrderStatus.DISPUTED for x in orders)
    health = Health.DRIFT if locks or disputed else Health.RECONCILED
    if age is None or missed > 0 or age > AGE_MAX:
        health = Health.NOT_OBSERVED
    return Status(
        at=m.timestamp(clock.now()),
        health=health,
        account=None if bound is None else bound.account,
        currency=None if bound is None else bound.currency or None,
        halted=halted,
        lease=None
        if lease is None
        else LeaseStatus(
            lease.epoch,
            lease_term.is_current(lease, clock),
            lease_term.holder_of(lease),
            lease_term.ends_at(lease),
        ),
        stream=None if report is None else report.stream,
        snapshot_at=last.at,
        snapshot_age_s=None if age is None else Decimal(str(round(age.total_seconds(), 1))),
        missed_snapshots=missed,
        budget=None if pace is None else RequestBudget(pace.sent, pace.limit),
        open_orders=len(orders),
        unconfirmed=tuple(x.client_order_id for x in orders if _is_unconfirmed(x.order)),
        locks=locks,
        naked=tuple(x.key for x in protections if not x.is_covered),
        reserved=reserved,
        plans=tuple(sorted(plans.items())),
        alerts=tuple(reversed(alerts)),
    )


def _is_unconfirmed(order: m.Order) -> bool:
    return order.status is m.OrderStatus.UNPROVEN or order.pending is not None
