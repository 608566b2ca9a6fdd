"""
What is thought of an order before it is sent: reasons, limits, adjustments, previews.

`core.checks` decides by them; a bot reads them and hands over its `Limits`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from attrs import Attribute, Factory, field, frozen

from fillbook.model.invalid import InvalidValue
from fillbook.model.number import number, number_or_none
from fillbook.model.orders.intent import Adjustment
from fillbook.model.orders.request import OrderRequest


class ReasonCode(StrEnum):
    """The words of our own reasons; a bot's own checks add theirs."""

    HALTED = "halted"  #: the kill switch is set: `desk.resume()` clears it
    ACCOUNT_BLOCKED = "account_blocked"  #: the broker lets this account send nothing
    MARKET_CLOSED = "market_closed"  #: the broker would refuse it now, or cancel it at once
    UNSUPPORTED = "unsupported"  #: this broker does not take such an order
    UNKNOWN_SYMBOL = "unknown_symbol"  #: the broker has no such symbol
    NOT_TRADABLE = "not_tradable"  #: listed, and not to be traded now
    NOT_FRACTIONABLE = "not_fractionable"  #: traded in whole units only
    NOT_SHORTABLE = "not_shortable"  #: not to be sold short
    QUANTITY = "quantity"  #: below the smallest step, or the least that the broker takes
    PRICE = "price"  #: no price that the broker takes, or on the wrong side of the market
    NO_POSITION = "no_position"  #: nothing is held that could be sold
    THROUGH_ZERO = "through_zero"  #: it would turn the position around: two orders do that
    UNITS_HELD = "units_held"  #: other live orders hold the units that it would close
    WASH_TRADE = "wash_trade"  #: it could trade with an order of this account
    DUPLICATE = "duplicate"  #: the same was sent a moment ago, and neither bears a key
    ORDER_NOTIONAL = "order_notional"  #: above `order_notional_max`
    SYMBOL_NOTIONAL = "symbol_notional"  #: above `symbol_notional_max`
    DAY_NOTIONAL = "day_notional"  #: above `day_notional_max`
    ORDERS_PER_MINUTE = "orders_per_minute"  #: above `orders_per_minute_max`
    POSITION = "position"  #: above `position_max`
    PRICE_COLLAR = "price_collar"  #: beyond `price_collar`
    SYMBOL_LOCKED = "symbol_locked"  #: an unproven order or a confirmed drift is on the symbol
    NOT_IN_SYNC = "not_in_sync"  #: something may have been missed, and is being read again
    NO_PRICE = "no_price"  #: what it costs cannot be said without a price
    NO_FUNDS_READ = "no_funds_read"  #: the account could not be read lately enough
    BUYING_POWER = "buying_power"  #: it may cost more than is left to promise
    CHECK_FAILED = "check_failed"  #: a check raised; what cannot be checked is not sent


#: What passes by itself, by time or by what becomes of other orders.
TRANSIENT: Final[frozenset[str]] = frozenset(
    {
        ReasonCode.HALTED,
        ReasonCode.ACCOUNT_BLOCKED,
        ReasonCode.MARKET_CLOSED,
        ReasonCode.UNITS_HELD,
        ReasonCode.WASH_TRADE,
        ReasonCode.DUPLICATE,
        ReasonCode.DAY_NOTIONAL,
        ReasonCode.ORDERS_PER_MINUTE,
        ReasonCode.SYMBOL_LOCKED,
        ReasonCode.NOT_IN_SYNC,
        ReasonCode.NO_PRICE,
        ReasonCode.NO_FUNDS_READ,
        ReasonCode.BUYING_POWER,
    }
)


def _is_transient(reason: Reason) -> bool:
    return reason.code in TRANSIENT


@frozen
class Reason:
    """
    Why an order is not sent: a word for programs, a sentence for people, and the figures.

    `code` is a `ReasonCode` or a bot's own word.  `figures` are the numbers and names that
    the sentence is about, each under a name.
    """

    code: str
    message: str
    figures: tuple[tuple[str, str | Decimal], ...] = ()
    #: Whether the same request may pass later, without a change of the request itself.
    retry: bool = field(default=Factory(_is_transient, takes_self=True))

    def __str__(self) -> str:
        return self.message


class Oversell(StrEnum):
    """What becomes of an order to close more than is held."""

    REFUSE = "refuse"
    CUT = "cut"  #: it closes what is held, and says so


def _oversell(value: str) -> Oversell:
    if not isinstance(value, str) or value not in list(Oversell):
        raise InvalidValue(f"oversell takes one of {', '.join(Oversell)}; not {value!r}")
    return Oversell(value)


def _above_zero(limits: Limits, about: Attribute[Any], value: Decimal | None) -> None:
    if value is not None and value <= 0:
        raise InvalidValue(f"{about.name} must be above zero, not {value}")


def _not_below_zero(limits: Limits, about: Attribute[Any], value: Decimal) -> None:
    if value < 0:
        raise InvalidValue(f"{about.name} must not be below zero, not {value}")


def _count(limits: Limits, about: Attribute[Any], value: int | None) -> None:
    # Python counts True as the number 1.
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidValue(f"{about.name} takes a whole number above zero, not {value!r}")


@frozen(kw_only=True)
class Limits:
    """
    What new risk a bot may take; None: no bound.  Orders that only reduce pass them all.

    Notionals are in quote currency, at the order's own price where it has one, else at the
    market's.  `symbol_notional_max` and `position_max` (units of the base) are for what is
    held if every live order of that side fills.  `day_notional_max` is for what was sent in
    the last 24 hours.  `price_collar` is a share: 0.05 refuses a limit or stop price that is
    5 % worse than the market.

    Raises: InvalidValue.
    """

    order_notional_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    symbol_notional_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    day_notional_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    orders_per_minute_max: int | None = field(default=None, validator=_count)
    position_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    price_collar: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    #: An order without a key that says what another without one said so lately is denied.
    duplicate_s: Decimal = field(default=Decimal(1), converter=number, validator=_not_below_zero)
    #: A quote that is older is none.
    quote_age_max_s: Decimal = field(default=Decimal(5), converter=number, validator=_above_zero)
    oversell: Oversell = field(default=Oversell.REFUSE, converter=_oversell)


@frozen
class Checked:
    """One check by its name, and why it would not let the order pass (None: it would)."""

    name: str
    reason: Reason | None


@frozen(kw_only=True)
class Impact:
    """
    What an order would do if it filled at once and whole; None where that cannot be said.

    Money is in quote currency, quantities are signed units of the base.
    """

    price: Decimal | None  #: its own limit or stop price, else the market's
    notional: Decimal | None
    reserve: Decimal | None  #: what it would keep back of the buying power
    buying_power: Decimal | None  #: what would be left to promise
    position: Decimal | None  #: held of the symbol afterwards
    exposure: Decimal | None  #: |position| at `price`
    fees: Decimal | None  #: the most that the broker would take
    pnl: Decimal | None  #: realised by what it closes, before fees


@frozen(kw_only=True)
class Preview:
    """
    What would become of a request: nothing was sent and nothing was written.

    `request` is what would be sent, `adjustments` how that differs from what was asked;
    `checks` are all, in their order, and the first that does not pass is `reason`.
    """

    request: OrderRequest
    adjustments: tuple[Adjustment, ...]
    checks: tuple[Checked, ...]
    impact: Impact

    @property
    def reason(self) -> Reason | None:
        """Why it would be denied; None: it would be sent."""
        return next((x.reason for x in self.checks if x.reason is not None), None)

    @property
    def is_approved(self) -> bool:
        return self.reason is None
