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

from fillbook.errors import InvalidValue
from fillbook.model.number import exact, number
from fillbook.model.timestamp import Timestamp


class AssetClass(StrEnum):
    """The asset class of an instrument."""

    EQUITY = "equity"
    """A share."""
    CRYPTO = "crypto"
    """A crypto pair."""
    OPTION = "option"
    """An option."""
    UNRECOGNISED = "unrecognised"
    """A class that fillbook does not know."""


@frozen
class Instrument:
    """One instrument, as the broker lists it."""

    symbol: str
    """The symbol."""
    asset_class: AssetClass
    """Its class."""
    aliases: tuple[str, ...] = ()
    """The broker's other names (`BTCUSD`, its asset id)."""
    tradable: bool = True
    """It may be traded now."""
    fractionable: bool = False
    """Fractions of a unit are allowed."""
    shortable: bool = False
    """Short sales are allowed."""
    marginable: bool = False
    """It may be bought on margin."""
    qty_increment: Decimal = Decimal(1)
    """The increment of quantities, in base units, > 0."""
    price_increment: Decimal | None = None
    """In quote currency; None: by `Capabilities.ticks`."""
    min_qty: Decimal | None = None
    """The least quantity, in base units, > 0; None: no minimum."""
    min_notional: Decimal | None = None
    """In quote currency; None: no minimum."""
    multiplier: Decimal = Decimal(1)
    """Base units that one unit of quantity stands for."""

    @property
    @exact
    def quantum(self) -> Decimal:
        """The rounding tolerance of quantities: 0, for crypto a tenth of the increment."""
        return self.qty_increment / 10 if self.asset_class is AssetClass.CRYPTO else Decimal(0)


@frozen
class SymbolName:
    """A name of a symbol that a bot or a broker may use: another spelling, or a former name."""

    name: str
    """The name."""
    symbol: str
    """The present symbol."""
    renamed_at: Timestamp | None = None
    """When the present symbol replaced a former name (UTC); None: another spelling."""
    relisted: bool = False
    """The broker has listed another instrument under the former name since."""


@frozen
class Session:
    """The regular and extended trading hours of one day, all UTC."""

    day: date
    """The calendar day of the exchange."""
    opens: datetime
    """The regular opening (UTC)."""
    closes: datetime
    """The regular close (UTC)."""
    extended_opens: datetime
    """The beginning of extended hours (UTC)."""
    extended_closes: datetime
    """The end of extended hours (UTC)."""


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
    The best bid and ask; a market with an empty side has no quote.

    Raises: InvalidValue.
    """

    symbol: str
    """The symbol."""
    bid: Decimal = field(converter=_price)
    """Per unit, in quote currency, > 0."""
    ask: Decimal = field(converter=_price)
    """Per unit, in quote currency, > 0."""
    at: datetime = field(converter=_aware)
    """The time of the quote (UTC)."""
