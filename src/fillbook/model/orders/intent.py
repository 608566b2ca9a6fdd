"""What we asked, with its identity: durable before anything is sent, and never changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from attrs import evolve, frozen

from fillbook.model.number import ZERO
from fillbook.model.orders.request import OrderRequest
from fillbook.model.timestamp import Timestamp

#: Every client order id of ours begins so.
ID_PREFIX: Final = "fb-"


@frozen
class Adjustment:
    """One field of an order that was made to fit, the safe way: what was asked, what is sent."""

    field: str
    wished: Decimal
    sent: Decimal
    why: str


@frozen
class Reserve:
    """
    What an order keeps back, fixed with its intent.

    One that only reduces exposure (`opens` False) keeps back units and no money.  `floor` is
    the least that a unit costs whatever the order's own prices say: the market's price then.
    """

    opens: bool
    floor: Decimal = ZERO
    margin: bool = True  #: measured by the buying power; else by its non-marginable part


@frozen(kw_only=True)
class Intent:
    """
    What we asked, with its identity; never changes.

    `client_order_id` is unique for ever per account, and `key` is the bot's own word from
    which it was derived.  `at` is when the intent was made (UTC); nothing was sent before.
    """

    client_order_id: str
    request: OrderRequest
    at: Timestamp
    key: str | None = None
    reserve: Reserve | None = None  #: what it keeps back; None where nothing was promised
    adjustments: tuple[Adjustment, ...] = ()  #: how `request` differs from what was asked
    worth: Decimal | None = None  #: in quote currency when it was made; None without a price

    @property
    def wish(self) -> OrderRequest:
        """What was asked, before it was made to fit."""
        asked: dict[str, Any] = {x.field: x.wished for x in self.adjustments}
        return evolve(self.request, **asked) if asked else self.request
