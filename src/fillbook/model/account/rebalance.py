"""
Rebalancing: targets, what is held, the rules, and the plan of trades that results.

`core.plans.rebalance` makes the plan.  Every amount of money is in the currency of the plan, every
quantity in base units.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypedDict

from attrs import Attribute, field, frozen

from fillbook.errors import InvalidValue
from fillbook.model.account.instrument import Instrument
from fillbook.model.account.pair import Pair
from fillbook.model.number import ZERO, Number, exact, name_numbers, number, number_or_none, plain
from fillbook.model.orders.enums import OrderSide, OrderType
from fillbook.model.orders.request import symbol_of
from fillbook.model.rules import Tick
from fillbook.model.text.arguments import with_named_fields
from fillbook.model.text.html import html_of

Pairs = tuple[tuple[str, Decimal], ...]

#: Weights up to this sum are scaled to 1: what decimals such as 0.3334 add up to.
WEIGHTS_MAX: Final = Decimal("1.0005")


def _pairs(values: Any) -> Pairs:
    """Convert a mapping, a series (anything with `items`) or pairs; the order is kept."""
    items = values.items() if hasattr(values, "items") else values
    try:
        return tuple([(symbol_of(symbol), number(value)) for symbol, value in items])
    except (TypeError, AttributeError):
        raise InvalidValue(
            f"targets are a mapping of symbols to numbers, or pairs of both, not {values!r}"
        ) from None
    except ValueError as error:
        raise InvalidValue(f"targets: {error}") from None


@with_named_fields
@frozen
class Targets:
    """
    What to hold: for each symbol a weight, a notional or a quantity; negative: short.

    Each is a mapping, a pandas Series, or pairs of a symbol and a number.  A target of zero closes
    the position.  A symbol has one target.

    Raises: InvalidValue.
    """

    weights: Pairs = field(default=(), converter=_pairs)
    """Shares of the base (0.6: 60 %)."""
    notional: Pairs = field(default=(), converter=_pairs)
    """Values in the currency of the plan."""
    qty: Pairs = field(default=(), converter=_pairs)
    """Quantities in signed base units."""


@frozen(kw_only=True)
class WorkingOrder:
    """An order that may still fill, as the planner counts it: in its worst case."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    side: OrderSide = field(converter=OrderSide)
    """Buy or sell."""
    leaves_qty: Decimal = field(converter=number)
    """What may still fill, in base units, ≥ 0."""
    reserve: Decimal = field(default=ZERO, converter=number)
    """What it may still cost, ≥ 0."""
    is_ours: bool = True
    """The bot placed it through this record."""
    is_confirmed: bool = True
    """False while its outcome is unknown."""
    is_exit: bool = False
    """It protects the position and only closes it."""


@frozen(kw_only=True)
class HeldPosition:
    """What the account holds of one symbol, as the planner sees it."""

    symbol: str = field(converter=symbol_of)
    """The symbol."""
    qty: Decimal = field(converter=number)
    """The position of the account, in signed base units."""
    strategy_qty: Decimal | None = field(default=None, converter=number_or_none)
    """The part of the strategy whose targets are given, signed; None: the whole position."""
    value: Decimal | None = field(default=None, converter=number_or_none)
    """
    The market value that the broker reports, signed; it is never traded on; None: not reported.
    """
    orders: tuple[WorkingOrder, ...] = ()
    """The orders on the symbol that may still fill."""
    is_confirmed: bool = True
    """False while the record and the broker differ about the position: it is not traded."""


def _share(least: int, most: int | None) -> Callable[[Any, Attribute[Any], Decimal | None], None]:
    """Validate that a number is ≥ *least* and < *most* (None: unbounded); None is valid."""

    def check(_: Any, attribute: Attribute[Any], value: Decimal | None) -> None:
        if value is not None and (value < least or (most is not None and value >= most)):
            below = "" if most is None else f" and below {most}"
            raise InvalidValue(f"{attribute.name} is at least {least}{below}, not {plain(value)}")

    return check


def _one_of(*words: str) -> Callable[[Any, Attribute[Any], str], None]:
    def check(_: Any, attribute: Attribute[Any], value: str) -> None:
        if value not in words:
            raise InvalidValue(f"{attribute.name} must be {' or '.join(words)}, not {value!r}")

    return check


@with_named_fields
@frozen(kw_only=True, field_transformer=name_numbers)
class RebalanceRules:
    """
    How targets become trades.  Shares are fractions: 0.02 is 2 %.

    Raises: InvalidValue.
    """

    cash_buffer: Decimal = field(default=Decimal("0.02"), converter=number, validator=_share(0, 1))
    """The share of the equity that stays in cash."""
    leverage: Decimal = field(default=Decimal(1), converter=number)
    """The most of all positions without sign, as a multiple of the equity, > 0."""
    capital: Decimal | None = field(
        default=None, converter=number_or_none, validator=_share(0, None)
    )
    """The most that the strategy may use; None: the whole base."""
    others: str = field(default="keep", validator=_one_of("keep", "close"))
    """Positions without a target: `"keep"` or `"close"`."""
    open_orders: str = field(default="keep", validator=_one_of("keep", "cancel"))
    """Live orders of the bot on a symbol: `"keep"` (it is not traded) or `"cancel"`."""
    band: Decimal = field(default=ZERO, converter=number, validator=_share(0, 1))
    """A difference up to this share of the base is not traded, unless the target is zero."""
    turnover_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_share(0, None)
    )
    """The most that is traded, as a share of the base; None: no bound."""
    min_notional: Decimal = field(default=ZERO, converter=number, validator=_share(0, None))
    """No smaller trade is made, in quote currency, ≥ 0."""
    leftover: str = field(default="keep", validator=_one_of("keep", "invest"))
    """What rounding leaves of the budget: `"keep"`, or `"invest"` in further steps."""
    buys_only: bool = False
    """New cash is invested, and nothing is sold."""
    long_only: bool = False
    """Targets below zero are refused."""
    whole_shares: bool = False
    """No fraction of a share is traded."""
    order_type: OrderType = field(default=OrderType.MARKET, converter=OrderType)
    """Market, or limit: then the price is the quote and the `collar` beyond it."""
    collar: Decimal = field(default=Decimal("0.005"), converter=number, validator=_share(0, 1))
    """How far beyond the quote a limit price is, as a share."""
    spread_max: Decimal = field(default=Decimal("0.01"), converter=number, validator=_share(0, 1))
    """A symbol whose spread is above this share of its price is not traded."""
    instruments: tuple[Instrument, ...] = field(default=(), converter=tuple[Instrument, ...])
    """The increments and minimums; without any, every symbol trades in whole units."""
    pairs: tuple[Pair, ...] = field(default=(), converter=tuple[Pair, ...])
    """The currencies of the symbols that have two."""
    currency: str | None = None
    """The currency of the plan; None: that of the account."""
    ticks: tuple[Tick, ...] = ()
    """The price increments of instruments that name none, the highest first."""

    @leverage.validator
    def _leverage_is_positive(self, _: Attribute[Any], value: Decimal) -> None:
        if value <= 0:
            raise InvalidValue(f"leverage is above 0, not {plain(value)}")

    @order_type.validator
    def _type_is_possible(self, _: Attribute[Any], value: OrderType) -> None:
        if value not in (OrderType.MARKET, OrderType.LIMIT):
            raise InvalidValue(f"order_type must be market or limit, not {value}")


class RebalanceFields(TypedDict, total=False):
    """The fields of `RebalanceRules` that `Desk.rebalance` takes; it reads the others itself."""

    cash_buffer: Number
    leverage: Number
    others: str
    open_orders: str
    band: Number
    turnover_max: Number | None
    min_notional: Number
    leftover: str
    buys_only: bool
    long_only: bool
    whole_shares: bool
    order_type: OrderType | str
    collar: Number
    spread_max: Number
    currency: str | None


class LeftAloneReason(StrEnum):
    """Why a position or a target was not traded."""

    NO_TARGET = "no_target"
    """Held, and not among the targets."""
    OTHER_PART = "other_part"
    """The part of the position that belongs to other strategies."""
    NO_PRICE = "no_price"
    """There is no price, or its bid is above its ask."""
    WIDE_SPREAD = "wide_spread"
    """The spread is above `spread_max`."""
    OPEN_ORDERS = "open_orders"
    """Live orders of the bot, or others that hold what it would close."""
    UNCONFIRMED_ORDER = "unconfirmed_order"
    """The outcome of an order is unknown."""
    DIFFERENCE = "difference"
    """The record and the broker differ about the position."""
    NOT_TRADABLE = "not_tradable"
    """The instrument is not tradable now."""
    NOT_SHORTABLE = "not_shortable"
    """The instrument cannot be sold short."""
    OTHER_CURRENCY = "other_currency"
    """It is paid in another currency than that of the plan."""
    BAND = "band"
    """The difference is within `band`."""
    BELOW_MINIMUM = "below_minimum"
    """The trade would be below an increment or a minimum."""
    TURNOVER = "turnover"
    """`turnover_max` is used up."""
    BUYS_ONLY = "buys_only"
    """It would be sold."""
    BUDGET = "budget"
    """What is available is used up by other targets."""


@frozen
class LeftAlone:
    """A position or a target that the plan does not trade, or only in part, and why."""

    symbol: str
    """The symbol."""
    qty: Decimal
    """The signed quantity that stays, in base units."""
    value: Decimal | None
    """What it is worth, signed; None: unknown."""
    reason: LeftAloneReason
    """Why it is left alone."""


@frozen(slots=False)  # a plan makes thousands, and slots of frozen values are set one call each
class RebalanceTrade:
    """One order of the plan."""

    symbol: str
    """The symbol."""
    side: OrderSide
    """Buy or sell."""
    qty: Decimal
    """In base units, > 0."""
    notional: Decimal
    """Its value at the price of the plan, ≥ 0."""
    reduces: bool
    """It closes a position or a part of it, and nothing more."""
    limit_price: Decimal | None = None
    """Per unit, in quote currency; None: a market order."""
    after: str | None = None
    """The `leg` of the trade that must be filled before; None: none."""
    exits: tuple[str, ...] = ()
    """The client order ids of the exits on the symbol, which are resized with the trade."""
    step: Decimal = Decimal(1)
    """The increment of its quantity, > 0."""

    @property
    def leg(self) -> str:
        """The name of the trade in its plan: a symbol has at most one that reduces, and another."""
        return f"{self.symbol}/{'reduce' if self.reduces else 'increase'}"


@frozen
class RebalanceCost:
    """What a way of trading takes."""

    orders: int
    """The number of orders."""
    notional: Decimal
    """The traded notional, ≥ 0."""
    spread_cost: Decimal
    """Half the spread of each trade, ≥ 0."""


class _MadeLater:
    """The trades of a plan until they are first read: a plan has thousands of them."""

    __slots__ = ("_make_trades",)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> tuple[RebalanceTrade, ...]:
            if name != "trades":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            trades = self._make_trades()  # of two threads at once each makes the same
            object.__setattr__(self, "trades", trades)
            return trades


@frozen(kw_only=True)
class Rebalance(_MadeLater):
    """The trades that lead from what is held to the targets, and what they cost."""

    _repr_html_ = html_of

    trades: tuple[RebalanceTrade, ...]
    """In the order in which they are sent: sales that reduce, buys that reduce, what increases."""
    left_alone: tuple[LeftAlone, ...]
    """What is not traded, or only in part."""
    cancels: tuple[str, ...]
    """The client order ids to be canceled before."""
    equity: Decimal
    """The value of the account."""
    base: Decimal
    """What the weights are shares of."""
    weight_sum: Decimal | None
    """The sum of the weights without sign, if they were scaled to 1; None: they were not."""
    allocation: Pairs
    """The signed quantities after the plan, of each symbol with a target."""
    leftover: Decimal
    """What remains of the budget, ≥ 0 unless positions that are not sold exceed it."""
    cut: Decimal
    """The notional of the buys that did not fit in the budget, ≥ 0."""
    tracking_error: Decimal
    """The root of the sum of squared differences to the targets, as a share of the base."""
    cost: RebalanceCost
    """What this plan costs."""
    full_cost: RebalanceCost
    """What selling everything and buying the targets costs."""

    @property
    @exact
    def saved_notional(self) -> Decimal:
        """The notional that liquidating and rebuying trades beyond this plan."""
        return self.full_cost.notional - self.cost.notional


def with_trades(plan: Rebalance, make: Callable[[], tuple[RebalanceTrade, ...]]) -> Rebalance:
    """Return *plan*, a new one, whose trades *make* makes when they are first read."""
    object.__delattr__(plan, "trades")
    object.__setattr__(plan, "_make_trades", make)
    return plan
