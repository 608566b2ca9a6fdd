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

    SYNC_ORDER = "sync_order"  #: reconcile one order
    APPROVE_PLAN = "approve_plan"
    REJECT_PLAN = "reject_plan"
    HALT = "halt"  #: set the kill switch
    RESUME = "resume"  #: clear the kill switch


@frozen(kw_only=True)
class AccountInstruction:
    """
    One instruction of another process; `number` is that of its journal entry.

    `about` is a client order id or a plan id; ``""``: the account.  `by` is the id of the access
    token.  `closed` is how it ended; None: it is open.  `done`: it was carried out.
    """

    number: int
    action: AccountAction
    by: str
    at: Timestamp
    about: str = ""
    why: str = ""
    closed: str | None = None
    done: bool = False

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.number:012d}"


@frozen
class AccountInstructed:
    """An entry of the journal: another process instructs the desk; see `AccountInstruction`."""

    action: AccountAction
    by: str
    about: str = ""
    why: str = ""


@frozen
class AccountInstructionClosed:
    """An entry of the journal: the instruction of entry `number` was carried out, or failed."""

    number: int
    why: str
    done: bool = False
