"""Whose record this is, and what the broker says the account holds."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen


@frozen
class AccountId:
    """Three words that tell one account from every other; a record is bound to one of them."""

    broker: str  #: "alpaca", "sim", …
    host: str  #: the exact host that was asked; paper and live differ by nothing else
    number: str  #: the broker's own id of the account

    def __str__(self) -> str:
        return f"{self.broker}:{self.host}:{self.number}"


@frozen
class AccountSnapshot:
    """What the broker says of the account's money, in quote currency; None = not told."""

    account: AccountId
    currency: str
    cash: Decimal  #: may be negative (margin)
    equity: Decimal
    buying_power: Decimal
    non_marginable_buying_power: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    long_market_value: Decimal | None = None  #: ≥ 0
    short_market_value: Decimal | None = None  #: ≤ 0
    blocked: tuple[str, ...] = ()  #: why no order will be taken, in the broker's words
    restricted: tuple[str, ...] = ()  #: what else it may not do, though orders are taken


@frozen
class PositionSnapshot:
    """What the broker says is held of one symbol."""

    symbol: str
    qty: Decimal  #: signed: negative is short
    qty_available: Decimal | None = None  #: not held by open orders; None = not told
    avg_price: Decimal | None = None  #: cost per unit, in quote currency; None = not told
    market_value: Decimal | None = None  #: signed as qty
    price: Decimal | None = None  #: the price behind market_value
