"""The status of a record at one time: what a person or a monitor asks first."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.account.snapshot import AccountId
from fillbook.model.journal.records import Event, OpenDrift
from fillbook.model.plan import PlanState
from fillbook.model.timestamp import Timestamp


class Health(StrEnum):
    """Whether the record agrees with the account."""

    RECONCILED = "reconciled"
    """The last snapshot was complete, and no difference is open."""
    DRIFT = "drift"
    """A difference is confirmed, or an order is disputed."""
    NOT_OBSERVED = "not_observed"
    """No complete snapshot, or none for two minutes."""


@frozen
class LeaseStatus:
    """The desk that does the background work."""

    epoch: int
    """It increases with each new holder."""
    is_current: bool
    """Its term has not ended, and its process may still run."""
    holder: str = ""
    """The process and the host, as text; `""`: not known."""
    until: Timestamp | None = None
    """The end of its term by the clock of its host (UTC), unless renewed; None: it gave it back."""


@frozen
class StreamStatus:
    """The stream of the desk that ticks."""

    state: str
    """`none`, `connecting`, `gap` or `live`."""
    gaps: int
    """The number of its gaps since the desk was opened."""
    since: Timestamp
    """When the state last changed (UTC)."""


@frozen
class RequestBudget:
    """The requests of the last minute by all desks on the store."""

    sent: int
    """The requests of the last minute."""
    limit: int
    """The limit per minute."""


@frozen(kw_only=True)
class Status:
    """The status of a record."""

    at: Timestamp
    """The time of the status, by our clock (UTC)."""
    health: Health
    """Reconciled, drift, or not observed."""
    account: AccountId | None = None
    """The account; None: the record is not bound yet."""
    currency: str | None = None
    """Its currency; None: not known yet."""
    halted: str | None = None
    """The reason of the kill switch; None: it is not set."""
    lease: LeaseStatus | None = None
    """The desk that does the background work; None: no desk has ticked."""
    stream: StreamStatus | None = None
    """Its stream; None: not known."""
    snapshot_at: Timestamp | None = None
    """The time of the last complete snapshot (UTC); None: none was tried."""
    snapshot_age_s: Decimal | None = None
    """Its age in seconds; None: none was tried."""
    missed_snapshots: int = 0
    """Reconciliations without a complete snapshot since then."""
    budget: RequestBudget | None = None
    """The requests of the last minute; None: no request was sent."""
    open_orders: int = 0
    """The number of open orders."""
    unconfirmed: tuple[str, ...] = ()
    """Client order ids without a reply, or whose cancel or replace is pending."""
    locks: tuple[OpenDrift, ...] = ()
    """The confirmed differences."""
    naked: tuple[str, ...] = ()
    """Protections that are not covered, as symbol/strategy."""
    reserved: Decimal = Decimal(0)
    """The buying power that our orders reserve, ≥ 0."""
    plans: tuple[tuple[PlanState, int], ...] = ()
    """How many plans have not ended, by state."""
    alerts: tuple[Event, ...] = ()
    """The newest alerts, oldest first."""
