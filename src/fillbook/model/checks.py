"""
Pre-trade checks as values: reasons, limits, adjustments, impact, preview.

`core.checks` makes them; a bot reads them and passes its `Limits`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from attrs import Attribute, Factory, field, frozen

from fillbook.errors import InvalidValue
from fillbook.model.number import name_numbers, number, number_or_none
from fillbook.model.orders.intent import Adjustment
from fillbook.model.orders.request import OrderRequest
from fillbook.model.text.arguments import with_named_fields
from fillbook.model.timestamp import Timestamp


class ReasonCode(StrEnum):
    """The codes of fillbook's own reasons; a bot's own checks add their codes."""

    HALTED = "halted"
    """The kill switch is set: `desk.resume()` clears it."""
    ACCOUNT_BLOCKED = "account_blocked"
    """The broker has blocked the account."""
    MARKET_CLOSED = "market_closed"
    """The broker would reject the order now, or cancel it at once."""
    UNSUPPORTED = "unsupported"
    """This broker does not support such an order."""
    UNKNOWN_SYMBOL = "unknown_symbol"
    """The broker has no such symbol."""
    NOT_TRADABLE = "not_tradable"
    """The instrument is listed but not tradable now."""
    NOT_FRACTIONABLE = "not_fractionable"
    """The instrument trades in whole units only."""
    NOT_SHORTABLE = "not_shortable"
    """The instrument cannot be sold short."""
    QUANTITY = "quantity"
    """Below the increment or the minimum of the instrument."""
    PRICE = "price"
    """Off the tick, or on the wrong side of the market."""
    NO_POSITION = "no_position"
    """There is no position to close."""
    THROUGH_ZERO = "through_zero"
    """It would flip the position, which takes two orders."""
    UNITS_HELD = "units_held"
    """Other live orders hold the quantity that it would close."""
    STRATEGY_POSITION = "strategy_position"
    """Its strategy does not hold what it would close."""
    WASH_TRADE = "wash_trade"
    """It could trade with an order of the same account."""
    DUPLICATE = "duplicate"
    """The same order was sent within `duplicate_s`, neither with a key."""
    ORDER_NOTIONAL = "order_notional"
    """Above `order_notional_max`."""
    SYMBOL_NOTIONAL = "symbol_notional"
    """Above `symbol_notional_max`."""
    DAY_NOTIONAL = "day_notional"
    """Above `day_notional_max`."""
    ORDERS_PER_MINUTE = "orders_per_minute"
    """Above `orders_per_minute_max`."""
    POSITION = "position"
    """Above `position_max`."""
    PRICE_COLLAR = "price_collar"
    """Beyond `price_collar`."""
    SYMBOL_LOCKED = "symbol_locked"
    """The symbol has an unconfirmed order or a confirmed drift."""
    PLAN_RUNNING = "plan_running"
    """A plan runs on the symbol: only reducing orders are sent."""
    COOLDOWN = "cooldown"
    """A stop was filled a short time ago: `ExitPolicy.cooldown_s`."""
    NOT_IN_SYNC = "not_in_sync"
    """Events may be missing, or the last snapshot is too old."""
    NO_PRICE = "no_price"
    """Its cost is unknown without a price."""
    NO_FEE_RATE = "no_fee_rate"
    """The hold includes a fee whose rate was not read."""
    NO_FUNDS_READ = "no_funds_read"
    """The account was not read recently enough."""
    BUYING_POWER = "buying_power"
    """It may cost more than the available buying power."""
    CHECK_FAILED = "check_failed"
    """A check raised; an order that cannot be checked is not sent."""


#: The codes of reasons that end without a change of the request: by time, or by other orders.
TRANSIENT: Final[frozenset[str]] = frozenset(
    {
        ReasonCode.HALTED,
        ReasonCode.ACCOUNT_BLOCKED,
        ReasonCode.MARKET_CLOSED,
        ReasonCode.UNITS_HELD,
        ReasonCode.STRATEGY_POSITION,
        ReasonCode.WASH_TRADE,
        ReasonCode.DUPLICATE,
        ReasonCode.DAY_NOTIONAL,
        ReasonCode.ORDERS_PER_MINUTE,
        ReasonCode.SYMBOL_LOCKED,
        ReasonCode.PLAN_RUNNING,
        ReasonCode.COOLDOWN,
        ReasonCode.NOT_IN_SYNC,
        ReasonCode.NO_PRICE,
        ReasonCode.NO_FEE_RATE,
        ReasonCode.NO_FUNDS_READ,
        ReasonCode.BUYING_POWER,
    }
)


def _is_transient(reason: Reason) -> bool:
    return reason.code in TRANSIENT


@frozen
class Reason:
    """Why an order is denied."""

    code: str
    """A `ReasonCode`, or a bot's own code."""
    message: str
    """The reason for people."""
    figures: tuple[tuple[str, str | Decimal], ...] = ()
    """Pairs of a name and a number or text that the message mentions."""
    retry: bool = field(default=Factory(_is_transient, takes_self=True))
    """The same order may be approved later, unchanged."""
    retry_at: Timestamp | None = None
    """From when it may be (UTC); None: the time is not known."""

    def __str__(self) -> str:
        return self.message


class Oversell(StrEnum):
    """What to do with an order that would close more than the position."""

    REFUSE = "refuse"  #: deny it
    CUT = "cut"  #: reduce it to the closable quantity, with an `Adjustment`


class StrategyOversell(StrEnum):
    """What to do with an order that would close more than its strategy holds of the position."""

    REFUSE = "refuse"
    """Deny it."""
    CUT = "cut"
    """Reduce it to what the strategy holds, with an `Adjustment`."""
    TAKE = "take"
    """Take the rest from the unattributed part; deny what exceeds that too."""


def _to_oversell(value: str) -> Oversell:
    if not isinstance(value, str) or value not in list(Oversell):
        raise InvalidValue(f"oversell must be one of {', '.join(Oversell)}; not {value!r}")
    return Oversell(value)


def _to_strategy_oversell(value: str) -> StrategyOversell:
    if not isinstance(value, str) or value not in list(StrategyOversell):
        names = ", ".join(StrategyOversell)
        raise InvalidValue(f"strategy_oversell must be one of {names}; not {value!r}")
    return StrategyOversell(value)


def _above_zero(limits: Limits, attribute: Attribute[Any], value: Decimal | None) -> None:
    if value is not None and value <= 0:
        raise InvalidValue(f"{attribute.name} must be above zero, not {value}")


def _not_below_zero(limits: Limits, attribute: Attribute[Any], value: Decimal) -> None:
    if value < 0:
        raise InvalidValue(f"{attribute.name} must not be below zero, not {value}")


def _positive_integer(limits: Limits, attribute: Attribute[Any], value: int | None) -> None:
    # Python counts True as the number 1.
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidValue(f"{attribute.name} must be a whole number above zero, not {value!r}")


@with_named_fields
@frozen(kw_only=True, field_transformer=name_numbers)
class Limits:
    """
    The bounds of new risk.  Orders that only reduce the position pass all.

    Notionals are in the currency of the account, at the order's own price if it has one, else at
    the market's; those of another quote currency are converted at a quoted rate, and without one
    the order is denied.

    Raises: InvalidValue.
    """

    order_notional_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """The most of one order; None: no bound."""
    symbol_notional_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """The most of a position if every live order of that side fills; None: no bound."""
    day_notional_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """The most of the orders sent in the last 24 hours; None: no bound."""
    orders_per_minute_max: int | None = field(default=None, validator=_positive_integer)
    """The most orders of the last minute, this one included; None: no bound."""
    position_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """The most of a position in base units, if every live order fills; None: no bound."""
    price_collar: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """A share: 0.05 denies a price more than 5 % worse than the market; None: no bound."""
    duplicate_s: Decimal = field(default=Decimal(1), converter=number, validator=_not_below_zero)
    """Seconds in which an order without a key may not repeat another; 0: it may."""
    snapshot_age_max_s: Decimal = field(
        default=Decimal(300), converter=number, validator=_above_zero
    )
    """The greatest age of the last complete snapshot, in seconds."""
    quote_age_max_s: Decimal = field(default=Decimal(5), converter=number, validator=_above_zero)
    """The greatest age of a quote, in seconds."""
    oversell: Oversell = field(default=Oversell.REFUSE, converter=_to_oversell)
    """What becomes of an order that closes more than can be closed."""
    strategy_oversell: StrategyOversell = field(
        default=StrategyOversell.REFUSE, converter=_to_strategy_oversell
    )
    """What becomes of an order that closes more than its strategy holds."""


@frozen
class Checked:
    """The result of one check."""

    name: str
    """The name of the check."""
    reason: Reason | None
    """Why it denies the order; None: it passes."""


@frozen(kw_only=True)
class Impact:
    """
    What an order would do if it filled completely now; None: the figure is unknown.

    Money is in `currency`; quantities are in signed base units.
    """

    price: Decimal | None
    """Per unit: its own limit or stop price, else the market's; None: unknown."""
    notional: Decimal | None
    """Quantity times `price`, ≥ 0; None: unknown."""
    reserve: Decimal | None
    """The buying power that it would reserve, ≥ 0; None: unknown."""
    buying_power: Decimal | None
    """The available buying power afterwards; None: unknown."""
    position: Decimal | None
    """The position of the symbol afterwards; None: unknown."""
    exposure: Decimal | None
    """The position without sign, at `price`; None: unknown."""
    fees: Decimal | None
    """The maximum fee, ≥ 0; None: unknown."""
    pnl: Decimal | None
    """The realized P&L of the quantity that it closes, before fees; None: unknown."""
    currency: str | None = None
    """The quote currency; None: that of the account."""


@frozen(kw_only=True)
class Preview:
    """The preview of a request; nothing was sent or written."""

    request: OrderRequest
    """What would be sent."""
    adjustments: tuple[Adjustment, ...]
    """How it differs from what was requested."""
    checks: tuple[Checked, ...]
    """The results of all checks in their order; the first that denies gives `reason`."""
    impact: Impact
    """What it would do if it filled completely now."""

    @property
    def reason(self) -> Reason | None:
        """Why the request would be denied; None: it would be sent."""
        return next((x.reason for x in self.checks if x.reason is not None), None)

    @property
    def is_approved(self) -> bool:
        """Whether no check denies it."""
        return self.reason is None
