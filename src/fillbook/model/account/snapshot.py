"""The identity of an account, and the broker's snapshots of its money and positions."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from fillbook.model.account.pair import Amount


@frozen
class AccountId:
    """The identity of an account; a record is bound to exactly one account."""

    broker: str
    """The name of the broker: `Broker.name`."""
    host: str
    """The exact host of the API; only it distinguishes paper from live."""
    number: str
    """The broker's account number."""

    def __str__(self) -> str:
        return f"{self.broker}:{self.host}:{self.number}"


@frozen
class AccountSnapshot:
    """The broker's report on the account's money, in `currency`; None: not reported."""

    account: AccountId
    currency: str
    cash: Decimal  #: negative: borrowed on margin
    equity: Decimal
    buying_power: Decimal  #: for marginable instruments
    non_marginable_buying_power: Decimal | None = None
    multiplier: Decimal = Decimal(1)  #: of the margin account (1: cash account)
    long_market_value: Decimal | None = None  #: ≥ 0
    short_market_value: Decimal | None = None  #: ≤ 0
    blocked: tuple[str, ...] = ()  #: why the broker rejects every order, in its own words
    restricted: tuple[str, ...] = ()  #: other restrictions, under which orders are accepted
    #: The cash in other currencies than `currency`; a currency that is not listed has none.
    other_cash: tuple[Amount, ...] = ()
    #: What of it is available to new orders, in each of these currencies.
    other_buying_power: tuple[Amount, ...] = ()
    fee_rate: Decimal | None = None  #: of an order that takes liquidity, as a share of its value
    maker_fee_rate: Decimal | None = None  #: of a post-only order, as a share of its value


@frozen
class PositionSnapshot:
    """The broker's report on the position of one symbol."""

    symbol: str
    qty: Decimal  #: in signed base units: negative is short
    qty_available: Decimal | None = None  #: not held by open orders; None: not reported
    avg_price: Decimal | None = None  #: average cost per unit; None: not reported
    market_value: Decimal | None = None  #: in quote currency, signed as `qty`; None: not reported
    price: Decimal | None = None  #: per unit, of `market_value`; None: not reported
