"""
Instruments, trading sessions and quotes.

Symbols are `AAPL`, `BTC/USD`, and OCC symbols for options.  Adapters translate symbols by the
broker's instrument list, never by suffix.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.invalid import InvalidValue
from fillbook.model.number import exact, number
from fillbook.model.timestamp import Timestamp


class AssetClass(StrEnum):
    """The asset class of an instrument."""

    EQUITY = "equity"
    CRYPTO = "crypto"
    OPTION = "option"
    UNRECOGNISED = "unrecognised"  #: a class that fillbook does not know


@frozen
class Instrument:
    """
    One instrument, as the broker lists it.

    `tradable`: now.  `fractionable`, `shortable`, `marginable`: fractions, short sales and
    margin are allowed.  `qty_increment` and `min_qty` are in base units, > 0; None: no minimum.
    """

    symbol: str
    asset_class: AssetClass
    aliases: tuple[str, ...] = ()  #: the broker's other names (`BTCUSD`, its asset id)
    tradable: bool = True
    fractionable: bool = False
    shortable: bool = False
    marginable: bool = False
    qty_increment: Decimal = Decimal(1)
    price_increment: Decimal | None = None  #: in quote currency; None: by `Capabilities.ticks`
    min_qty: Decimal | None = None
    min_notional: Decimal | None = None  #: in quote currency; None: no minimum
    multiplier: Decimal = Decimal(1)  #: base units that one unit of quantity stands for

    @property
    @exact
    def quantum(self) -> Decimal:
        """The rounding tolerance of quantities: 0, for crypto a tenth of the increment."""
        return self.qty_increment / 10 if self.asset_class is AssetClass.CRYPTO else Decimal(0)


@frozen
class SymbolName:
    """
    A name under which a bot or a broker may name a symbol: another spelling, or a former name.

    `renamed_at` is when the present symbol replaced a former name; None: another spelling.
    `relisted`: the broker has listed another instrument under the former name since.
    """

    name: str
    symbol: str
    renamed_at: Timestamp | None = None
    relisted: bool = False


@frozen
class Session:
    """The regular and extended trading hours of one day, all UTC."""

    day: date  #: the calendar day of the exchange
    opens: datetime
    closes: datetime
    extended_opens: datetime
    extended_closes: datetime


def _price(value: Decimal | int | str | float) -> Decimal:
    price = number(value)
    if price <= 0:
        raise InvalidValue(f"{value!r} is not a price: a quote needs a bid and an ask above zero")
    return price


def _aware(value: datetime) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidValue(f"{value!r} is not a datetime with a time zone")
    return value


@frozen
class Quote:
    """
    The best bid and ask, > 0, in quote currency per unit, as of `at` (UTC).

    A market with an empty side has no quote.

    Raises: InvalidValue.
    """

    symbol: str
    bid: Decimal = field(converter=_price)
    ask: Decimal = field(converter=_price)
    at: datetime = field(converter=_aware)
