"""
Rebalancing: targets, what is held, the rules, and the plan of trades that results.

`core.plans.rebalance` makes the plan.  Every amount of money is in the currency of the plan, every
quantity in base units.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypedDict

from attrs import Attribute, field, frozen

from fillbook.model.account.instrument import Instrument
from fillbook.model.account.pair import Pair
from fillbook.model.invalid import InvalidValue
from fillbook.model.number import ZERO, Number, exact, number, number_or_none, plain
from fillbook.model.orders.enums import OrderSide, OrderType
from fillbook.model.orders.request import symbol_of
from fillbook.model.rules import Tick
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


@frozen
class Targets:
    """
    What to hold: for each symbol a weight, a notional or a quantity; negative: short.

    `weights` are shares of the base (0.6: 60 %), `notional` values in the currency of the plan,
    `qty` signed base units.  Each is a mapping, a pandas Series, or pairs of a symbol and a number.
    A target of zero closes the position.  A symbol has one target.

    Raises: InvalidValue.
    """

    weights: Pairs = field(default=(), converter=_pairs)
    notional: Pairs = field(default=(), converter=_pairs)
    qty: Pairs = field(default=(), converter=_pairs)


@frozen(kw_only=True)
class WorkingOrder:
    """
    An order that may still fill, as the planner counts it: in its worst case.

    `leaves_qty` ≥ 0 is what may still fill, `reserve` ≥ 0 what it may still cost.  `is_ours`: the
    bot placed it through this record.  `is_confirmed` is False while its outcome is unknown.
    `is_exit`: it protects the position and only closes it.
    """

    client_order_id: str
    side: OrderSide = field(converter=OrderSide)
    leaves_qty: Decimal = field(converter=number)
    reserve: Decimal = field(default=ZERO, converter=number)
    is_ours: bool = True
    is_confirmed: bool = True
    is_exit: bool = False


@frozen(kw_only=True)
class HeldPosition:
    """
    What the account holds of one symbol, as the planner sees it.

    `qty` is that of the account, `strategy_qty` the part of the strategy whose targets are given,
    both signed (None: the whole position).  `value` is the market value that the broker reports,
    signed as `qty`: it values a position without a price, and is never traded on; None: not
    reported.  `is_confirmed` is False while the record and the broker differ about the position: it
    is not traded.
    """

    symbol: str = field(converter=symbol_of)
    qty: Decimal = field(converter=number)
    strategy_qty: Decimal | None = field(default=None, converter=number_or_none)
    value: Decimal | None = field(default=None, converter=number_or_none)
    orders: tuple[WorkingOrder, ...] = ()
    is_confirmed: bool = True


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


@frozen(kw_only=True)
class RebalanceRules:
    """
    How targets become trades.  Shares are fractions: 0.02 is 2 %.

    `cash_buffer` is the share of the equity that stays in cash.  `leverage` > 0 bounds the sum of
    all positions, without sign, as a multiple of the equity.  `capital` is the most that the
    strategy may use; None: the whole base.  `others`: positions without a target, ``"keep"`` or
    ``"close"``.  `open_orders`: the live orders of the bot on a symbol, ``"keep"`` (the symbol is
    not traded) or ``"cancel"``.

    `band`: a difference up to this share of the base is not traded, unless the target is zero.
    `turnover_max` bounds the traded notional as a share of the base; None: no bound.
    `min_notional`: no smaller trade is made.  `buys_only` invests new cash and sells nothing.
    `long_only` refuses targets below zero.  `whole_shares` trades no fraction of a share.

    `order_type` is market, or limit: then the limit price is the ask (bid) and the `collar` above
    (below) it.  A symbol whose spread is above `spread_max`, a share of its price, is not traded.

    `leftover`: what rounding to whole steps leaves of the budget, ``"keep"`` or ``"invest"``: then
    more steps are bought while the excess over their targets is smaller than what is left.

    `instruments` have the increments and minimums; without any, every symbol trades in whole units.
    `pairs` name the currencies of those that have two.  `currency` is that of the plan; None: that
    of the account, in which everything without a pair is paid.  `ticks` are the price increments
    of instruments that name none, the highest first.

    Raises: InvalidValue.
    """

    cash_buffer: Decimal = field(default=Decimal("0.02"), converter=number, validator=_share(0, 1))
    leverage: Decimal = field(default=Decimal(1), converter=number)
    capital: Decimal | None = field(
        default=None, converter=number_or_none, validator=_share(0, None)
    )
    others: str = field(default="keep", validator=_one_of("keep", "close"))
    open_orders: str = field(default="keep", validator=_one_of("keep", "cancel"))
    band: Decimal = field(default=ZERO, converter=number, validator=_share(0, 1))
    turnover_max: Decimal | None = field(
        default=None, converter=number_or_none, validator=_share(0, None)
    )
    min_notional: Decimal = field(default=ZERO, converter=number, validator=_share(0, None))
    leftover: str = field(default="keep", validator=_one_of("keep", "invest"))
    buys_only: bool = False
    long_only: bool = False
    whole_shares: bool = False
    order_type: OrderType = field(default=OrderType.MARKET, converter=OrderType)
    collar: Decimal = field(default=Decimal("0.005"), converter=number, validator=_share(0, 1))
    spread_max: Decimal = field(default=Decimal("0.01"), converter=number, validator=_share(0, 1))
    instruments: tuple[Instrument, ...] = field(default=(), converter=tuple[Instrument, ...])
    pairs: tuple[Pair, ...] = field(default=(), converter=tuple[Pair, ...])
    currency: str | None = None
    ticks: tuple[Tick, ...] = ()

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

    NO_TARGET = "no_target"  #: held, and not among the targets
    OTHER_PART = "other_part"  #: the part of the position that belongs to other strategies
    NO_PRICE = "no_price"  #: there is no price, or its bid is above its ask
    WIDE_SPREAD = "wide_spread"  #: the spread is above `spread_max`
    OPEN_ORDERS = "open_orders"  #: live orders of the bot, or others that hold what it would close
    UNCONFIRMED_ORDER = "unconfirmed_order"  #: the outcome of an order is unknown
    DIFFERENCE = "difference"  #: the record and the broker differ about the position
    NOT_TRADABLE = "not_tradable"  #: the instrument is not tradable now
    NOT_SHORTABLE = "not_shortable"  #: the instrument cannot be sold short
    OTHER_CURRENCY = "other_currency"  #: it is paid in another currency than that of the plan
    BAND = "band"  #: the difference is within `band`
    BELOW_MINIMUM = "below_minimum"  #: the trade would be below an increment or a minimum
    TURNOVER = "turnover"  #: `turnover_max` is used up
    BUYS_ONLY = "buys_only"  #: it would be sold
    BUDGET = "budget"  #: what is available is used up by other targets


@frozen
class LeftAlone:
    """
    A position or a target that the plan does not trade, or only in part, and why.

    `qty` is the signed quantity that stays, `value` what it is worth, signed; None: unknown.
    """

    symbol: str
    qty: Decimal
    value: Decimal | None
    reason: LeftAloneReason


@frozen(kw_only=True)
class RebalanceTrade:
    """
    One order of the plan.

    `qty` > 0.  `limit_price` None: a market order.  `reduces`: it closes a position or a part of
    it, and nothing more.  `after` is the `leg` of the trade that must be filled before; None: none.
    `notional` is its value at the price of the plan.  `exits` are the client order ids of the
    exits that rest on the symbol: they are resized with the trade.  `step` > 0 is the increment of
    its quantity.
    """

    symbol: str
    side: OrderSide
    qty: Decimal
    notional: Decimal
    reduces: bool
    limit_price: Decimal | None = None
    after: str | None = None
    exits: tuple[str, ...] = ()
    step: Decimal = Decimal(1)

    @property
    def leg(self) -> str:
        """The name of the trade in its plan: a symbol has at most one that reduces, and another."""
        return f"{self.symbol}/{'reduce' if self.reduces else 'increase'}"


@frozen
class RebalanceCost:
    """What a way of trading takes: orders, traded notional, and half the spread of each trade."""

    orders: int
    notional: Decimal
    spread_cost: Decimal


@frozen(kw_only=True)
class Rebalance:
    """
    The trades that lead from what is held to the targets, and what they cost.

    `trades` are in the order in which they are sent: sales that reduce, buys that reduce, then what
    increases.  `cancels` are the client order ids to be canceled before.  `equity` is the value of
    the account, `base` what the weights are shares of.  `weight_sum` is the sum of the weights
    without sign, if they were scaled to 1; None: they were not.

    `allocation` are the signed quantities after the plan, of each symbol with a target.
    `leftover` is what remains of the budget, ≥ 0 unless positions that are not sold exceed it.
    `cut` is the notional of the buys that did not fit in the budget.  `tracking_error` is the root
    of the sum of the squared differences between values and targets, as a share of the base.
    `cost` is that of this plan, `full_cost` that of selling everything and buying the targets.
    """

    _repr_html_ = html_of

    trades: tuple[RebalanceTrade, ...]
    left_alone: tuple[LeftAlone, ...]
    cancels: tuple[str, ...]
    equity: Decimal
    base: Decimal
    weight_sum: Decimal | None
    allocation: Pairs
    leftover: Decimal
    cut: Decimal
    tracking_error: Decimal
    cost: RebalanceCost
    full_cost: RebalanceCost

    @property
    @exact
    def saved_notional(self) -> Decimal:
        """The notional that liquidating and rebuying trades beyond this plan."""
        return self.full_cost.notional - self.cost.notional
