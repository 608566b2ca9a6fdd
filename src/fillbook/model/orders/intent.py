"""Intents: an order request with its identity, stored before anything is sent, never changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from attrs import evolve, frozen

from fillbook.model.number import ZERO
from fillbook.model.orders.request import OrderRequest
from fillbook.model.timestamp import Timestamp

#: The prefix of every client order id of fillbook.
ID_PREFIX: Final = "fb-"


@frozen
class Adjustment:
    """A field of a request that was rounded."""

    field: str
    """The name of the field."""
    wished: Decimal
    """The requested value."""
    sent: Decimal
    """The value that is sent."""
    why: str
    """Why it was rounded."""


@frozen
class Reserve:
    """How an order reserves buying power; fixed with its intent."""

    opens: bool
    """The order opens exposure; one that only reduces reserves no money."""
    floor: Decimal = ZERO
    """The minimum price per unit, in quote currency; 0: the order's own prices suffice."""
    margin: bool = True
    """It uses buying power; False: its non-marginable part."""
    fee: Decimal | None = None
    """The share of the value reserved for fees; None: `ReserveRule.fee`."""
    currency: str | None = None
    """The currency of what it reserves; None: that of the account."""
    paid_from: str | None = None
    """The position whose units it reserves; None: cash."""


@frozen(kw_only=True)
class Intent:
    """An order request with its identity; never changes."""

    client_order_id: str
    """FIX ClOrdID (11): unique per account, for ever; derived from `key` if there is one."""
    request: OrderRequest
    """The request, as it is sent."""
    at: Timestamp
    """When it was made, by our clock (UTC); nothing was sent before."""
    key: str | None = None
    """The bot's idempotency key; None: it gave none."""
    reserve: Reserve | None = None
    """How it reserves buying power; None: nothing is reserved."""
    adjustments: tuple[Adjustment, ...] = ()
    """How `request` differs from what the bot requested."""
    worth: Decimal | None = None
    """Its notional in the account's currency when it was made; None: not measured."""
    bid: Decimal | None = None
    """The market at `at`, as it was read then, per unit; None: it was not."""
    ask: Decimal | None = None
    """The market at `at`, as it was read then, per unit; None: it was not."""
    closes: bool = False
    """
    It may only close: the request says so, and the broker rejects it if it would open a position.
    False: it may open one, or the broker has no such intent (`Capabilities.closing_intent`).
    """

    @property
    def wish(self) -> OrderRequest:
        """The request of the bot, before it was rounded."""
        wished: dict[str, Any] = {x.field: x.wished for x in self.adjustments}
        return evolve(self.request, **wished) if wished else self.request
