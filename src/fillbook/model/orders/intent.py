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
    """A field of a request that was rounded: the requested value, the sent value, and why."""

    field: str
    wished: Decimal
    sent: Decimal
    why: str


@frozen
class Reserve:
    """
    How an order reserves buying power; fixed with its intent.

    `opens`: the order opens exposure; an order that only reduces reserves no money.  `floor`
    is the minimum price per unit in quote currency, from the market's price when the intent
    was made; 0: the order's own prices suffice.
    """

    opens: bool
    floor: Decimal = ZERO
    margin: bool = True  #: uses buying power; else its non-marginable part
    fee: Decimal | None = None  #: the share of the value reserved for fees; None: `ReserveRule.fee`
    currency: str | None = None  #: of what it reserves; None: that of the account
    paid_from: str | None = None  #: the position whose units it reserves; None: cash


@frozen(kw_only=True)
class Intent:
    """
    An order request with its identity; never changes.

    `client_order_id` (FIX ClOrdID, 11) is unique per account, for ever.  It is derived from
    `key`, the bot's idempotency key; None: the bot gave none.  `at` is when the intent was made
    by our clock (UTC); nothing was sent before.
    """

    client_order_id: str
    request: OrderRequest
    at: Timestamp
    key: str | None = None
    reserve: Reserve | None = None  #: None: nothing is reserved
    adjustments: tuple[Adjustment, ...] = ()  #: how `request` differs from what the bot requested
    #: The notional at `at`, in the currency of the account; None: no price or no rate was known.
    worth: Decimal | None = None
    bid: Decimal | None = None  #: the market at `at`, as it was read then; None: it was not
    ask: Decimal | None = None

    @property
    def wish(self) -> OrderRequest:
        """The request of the bot, before it was rounded."""
        wished: dict[str, Any] = {x.field: x.wished for x in self.adjustments}
        return evolve(self.request, **wished) if wished else self.request
