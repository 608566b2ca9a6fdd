"""
Instructions: a cancel or a change of an existing order, apart from the requests that attempt it.

An instruction is stored before its first attempt.  It stays open until it is carried out or
cannot be carried out any more: an attempt that was not sent, was rejected or had no reply does
not close it.  `core.orders.instructions` lists the open ones.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.request import Change
from fillbook.model.timestamp import Timestamp


class Authority(StrEnum):
    """The reason a request is sent, the strongest first."""

    ORDER = "order"  #: a call of the bot
    STANDING = "standing"  #: an earlier call of the bot: a retry, a cancel, a policy
    REPAIR = "repair"  #: a repair that fillbook proposes, without a call of the bot

    def raised_to(self, other: Authority) -> Authority:
        """Return the stronger of the two authorities."""
        ranks = list(Authority)
        return min(self, other, key=ranks.index)


class Way(StrEnum):
    """How an order is changed."""

    NATIVE = "native"  #: by the broker's own replace, which makes a new order
    IN_PLACE = "in_place"  #: by the broker's own replace, which keeps the ids of the order
    ANEW = "anew"  #: a cancel, proof of the end, and a new order for the remaining quantity


@frozen
class Cancel:
    """Cancel the order: every live broker id of it."""


@frozen
class Amend:
    """Change the order; `change` has the client order id of the result."""

    change: Change
    way: Way = Way.NATIVE


@frozen(kw_only=True)
class Instruction:
    """
    One instruction on an order; `number` counts from 1 per order.

    `good_until` (UTC) is when a change expires; None: never, as for every cancel, which stays
    open until the order is final.  `broker_order_id` is the id that was live when it was given;
    None: the broker had not reported the order yet.  `closed` is the reason of its end; None: it
    is open, or carried out (the evidence shows a completed change, and no entry closes it).
    `done`: it is closed because the change was carried out in place.  `by` is the id of the access
    token by which another process gave it; None: a desk did.
    """

    number: int
    asked: Cancel | Amend
    authority: Authority
    at: Timestamp
    good_until: Timestamp | None = None
    broker_order_id: str | None = None
    closed: str | None = None
    done: bool = False
    by: str | None = None

    @property
    def change(self) -> Change | None:
        """The change; None: a cancel."""
        return self.asked.change if isinstance(self.asked, Amend) else None
