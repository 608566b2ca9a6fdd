"""
What can be traced and traded: instruments, sessions, quotes.

Symbols are `AAPL`, `BTC/USD`, and OCC's for options.  Adapters translate through
the broker's instrument list, never by suffix.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.invalid import InvalidValue
from fillbook.model.number import exact, number


class AssetClass(StrEnum):
    EQUITY = "equity"
    CRYPTO = "crypto"
    OPTION = "option"
    UNRECOGNISED = "unrecognised"  #: the broker uses a word we do not know


@frozen
class Instrument:
    """One tradable thing; increments and minimums are in units of the base and > 0."""

    symbol: str
    asset_class: AssetClass
    aliases: tuple[str, ...] = ()  #: other spellings the broker uses (`BTCUSD`, its asset id)
    tradable: bool = True
    fractionable: bool = False
    shortable: bool = False
    marginable: bool = False
    qty_increment: Decimal = Decimal(1)
    price_increment: Decimal | None = None  #: None: by price, as the market's rule says
    min_qty: Decimal | None = None
    min_notional: Decimal | None = None  #: in quote currency

    @property
    @exact
    def quantum(self) -> Decimal:
        """Below this a difference of quantity is rounding: 0 for shares, a tenth of a step else."""
        return self.qty_increment / 10 if self.asset_class is AssetClass.CRYPTO else Decimal(0)


@frozen
class Session:
    """One day's regular and extended hours, all UTC."""

    day: date  #: the exchange's own calendar day
    opens: datetime
    closes: datetime
    extended_opens: datetime
    extended_closes: datetime


def _price(value: Decimal | int | str | float) -> Decimal:
    price = number(value)
    if price <= 0:
        raise InvalidValue(f"{value!r} is no price: a side without one makes no quote")
    return price


def _aware(value: datetime) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidValue(f"{value!r} is no moment with a time zone")
    return value


@frozen
class Quote:
    """
    The best bid and ask, > 0, in quote currency per unit, as of *at* (UTC).

    A market of which one side is empty has no quote.  Raises: InvalidValue.
    """

    symbol: str
    bid: Decimal = field(converter=_price)
    ask: Decimal = field(converter=_price)
    at: datetime = field(converter=_aware)
