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

    ORDER = "order"
    """A call of the bot."""
    STANDING = "standing"
    """An earlier call of the bot: a retry, a cancel, a policy."""
    REPAIR = "repair"
    """A repair that fillbook proposes, without a call of the bot."""

    def raised_to(self, other: Authority) -> Authority:
        """Return the stronger of the two authorities."""
        ranks = list(Authority)
        return min(self, other, key=ranks.index)


class Way(StrEnum):
    """How an order is changed."""

    NATIVE = "native"
    """By the broker's own replace, which makes a new order."""
    IN_PLACE = "in_place"
    """By the broker's own replace, which keeps the ids of the order."""
    ANEW = "anew"
    """A cancel, proof of the end, and a new order for the remaining quantity."""


@frozen
class Cancel:
    """Cancel the order: every live broker id of it."""


@frozen
class Amend:
    """Change the order."""

    change: Change
    """What to change; it has the client order id of the result."""
    way: Way = Way.NATIVE
    """How: by a replace, in place, or by a cancel and a new order."""


@frozen(kw_only=True)
class Instruction:
    """One instruction on an order."""

    number: int
    """It counts the instructions on the order, from 1."""
    asked: Cancel | Amend
    """What is instructed."""
    authority: Authority
    """Why a request of it may be sent."""
    at: Timestamp
    """When it was given, by our clock (UTC)."""
    good_until: Timestamp | None = None
    """When a change expires (UTC); None: never, as for every cancel."""
    broker_order_id: str | None = None
    """The id that was live when it was given; None: not reported yet."""
    closed: str | None = None
    """The reason of its end; None: it is open, or the evidence shows that it is done."""
    done: bool = False
    """It is closed because the change was carried out in place."""
    by: str | None = None
    """The id of the access token by which another process gave it; None: a desk did."""

    @property
    def change(self) -> Change | None:
        """The change; None: a cancel."""
        return self.asked.change if isinstance(self.asked, Amend) else None
