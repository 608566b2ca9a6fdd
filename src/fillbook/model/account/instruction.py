"""
Instructions that another process writes, and the desk that ticks carries out.

Other half: `model.orders.instruction`, the instructions on one order.  A cancel by another process
is one of those.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from fillbook.model.timestamp import Timestamp


class AccountAction(StrEnum):
    """What another process instructs the desk to do."""

    SYNC_ORDER = "sync_order"
    """Reconcile one order."""
    APPROVE_PLAN = "approve_plan"
    """Approve a plan."""
    REJECT_PLAN = "reject_plan"
    """Reject a plan."""
    HALT = "halt"
    """Set the kill switch."""
    RESUME = "resume"
    """Clear the kill switch."""


@frozen(kw_only=True)
class AccountInstruction:
    """One instruction of another process."""

    number: int
    """The number of its journal entry."""
    action: AccountAction
    """What is instructed."""
    by: str
    """The id of the access token."""
    at: Timestamp
    """The time (UTC)."""
    about: str = ""
    """A client order id or a plan id; `""`: the account."""
    why: str = ""
    """The reason, as text."""
    closed: str | None = None
    """How it ended; None: it is open."""
    done: bool = False
    """It was carried out."""

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.number:012d}"


@frozen
class AccountInstructed:
    """An entry of the journal: another process instructs the desk; see `AccountInstruction`."""

    action: AccountAction
    """What is instructed."""
    by: str
    """The id of the access token."""
    about: str = ""
    """A client order id or a plan id; `""`: the account."""
    why: str = ""
    """The reason, as text."""


@frozen
class AccountInstructionClosed:
    """An entry of the journal: the instruction of entry `number` was carried out, or failed."""

    number: int
    """The number of the entry with the instruction."""
    why: str
    """The reason, as text."""
    done: bool = False
    """It was carried out."""
