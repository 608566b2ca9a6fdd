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

    RECONCILED = "reconciled"  #: the last snapshot was complete, and no difference is open
    DRIFT = "drift"  #: a difference is confirmed, or an order is disputed
    NOT_OBSERVED = "not_observed"  #: no complete snapshot, or none for two minutes


@frozen
class LeaseStatus:
    """
    The desk that does the background work.

    `epoch` increases with each new holder.  `is_current`: its term has not ended.
    """

    epoch: int
    is_current: bool


@frozen
class StreamStatus:
    """
    The stream of the desk that ticks.

    `state` is none, connecting, gap or live; `gaps` counts its gaps since the desk was opened,
    `since` (UTC) is when the state last changed.
    """

    state: str
    gaps: int
    since: Timestamp


@frozen
class RequestBudget:
    """The requests of the last minute by all desks on the store, and the limit per minute."""

    sent: int
    limit: int


@frozen(kw_only=True)
class Status:
    """
    The status of a record at the time `at` (UTC, by our clock).

    `account` None: the record is not bound yet.  `halted` is the reason of the kill switch; None:
    it is not set.  `lease` None: no desk has ticked.  `stream` None: not known.  `snapshot_at` and
    `snapshot_age_s` (seconds) are of the last complete snapshot; None: none was tried.
    `missed_snapshots` counts the reconciliations since then.  `budget` None: no request was sent.
    `unconfirmed` are client ids of orders without a reply or whose cancel or replace is pending.
    `locks` are the confirmed differences.  `naked` are the keys of protections that are not
    covered, as symbol/strategy.  `reserved` ≥ 0 is the buying power that our orders reserve.
    `plans` counts the plans that have not ended, by state.  `alerts` are the newest, oldest first.
    """

    at: Timestamp
    health: Health
    account: AccountId | None = None
    halted: str | None = None
    lease: LeaseStatus | None = None
    stream: StreamStatus | None = None
    snapshot_at: Timestamp | None = None
    snapshot_age_s: Decimal | None = None
    missed_snapshots: int = 0
    budget: RequestBudget | None = None
    open_orders: int = 0
    unconfirmed: tuple[str, ...] = ()
    locks: tuple[OpenDrift, ...] = ()
    naked: tuple[str, ...] = ()
    reserved: Decimal = Decimal(0)
    plans: tuple[tuple[PlanState, int], ...] = ()
    alerts: tuple[Event, ...] = ()
