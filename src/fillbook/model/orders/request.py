"""Requests of the bot: a new order, or a change of one.  Quantities are > 0; the side is apart."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, TypedDict, TypeVar

from attrs import Attribute, Factory, field, frozen
from attrs.converters import optional

from fillbook.errors import InvalidValue
from fillbook.model.number import name_numbers, number_or_none
from fillbook.model.orders.enums import OrderClass, OrderSide, OrderType, TimeInForce
from fillbook.model.text.arguments import with_named_fields

#: The maximum of `good_for_s`, in seconds.
GOOD_FOR_MAX_S: Final = 30 * 86_400
#: The maximum length of `strategy`, in characters.
STRATEGY_MAX: Final = 64


#: A price or a quantity of the bot; a float is converted by its shortest repr.
Figure = Decimal | int | str | float | None

_Enum = TypeVar("_Enum", bound=StrEnum)


def symbol_of(value: str) -> str:
    """
    Normalize a symbol: upper case, without surrounding spaces.

    Raises: InvalidValue.
    """
    symbol = value.strip().upper() if isinstance(value, str) else ""
    if not symbol or not symbol.isprintable():
        raise InvalidValue(f"symbol must be a name such as AAPL or BTC/USD, not {value!r}")
    return symbol


def _member(name: str, kind: type[_Enum], value: str) -> _Enum:
    """Convert *value* to a member of *kind*; UNRECOGNISED is not valid in a request."""
    members = [member for member in kind if member != OrderType.UNRECOGNISED]
    if not isinstance(value, str) or value not in members:
        raise InvalidValue(f"{name} must be one of {', '.join(members)}; not {value!r}")
    return kind(value)


def _to_side(value: str) -> OrderSide:
    return _member("side", OrderSide, value)


def _to_type(value: str) -> OrderType:
    return _member("type", OrderType, value)


def _to_time_in_force(value: str) -> TimeInForce:
    return _member("time_in_force", TimeInForce, value)


def _to_order_class(value: str) -> OrderClass:
    return _member("order_class", OrderClass, value)


def _check_flag(request: OrderRequest, field: Attribute[bool], value: bool) -> None:
    if not isinstance(value, bool):
        raise InvalidValue(f"{field.name} must be True or False, not {value!r}")


def _check_name(request: OrderRequest, field: Attribute[str | None], value: str | None) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= STRATEGY_MAX:
        raise InvalidValue(
            f"{field.name} must be 1 to {STRATEGY_MAX} printable characters, not {value!r}"
        )


def _check_seconds(request: OrderRequest, field: Attribute[int | None], value: int | None) -> None:
    if value is None:
        return
    # Python counts True as the number 1.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= GOOD_FOR_MAX_S:
        raise InvalidValue(
            f"{field.name} must be 0 to {GOOD_FOR_MAX_S} whole seconds, not {value!r}"
        )


def _default_type(request: OrderRequest) -> OrderType:
    if request.trail_price is not None or request.trail_percent is not None:
        return OrderType.TRAILING_STOP
    if request.stop_price is not None:
        return OrderType.STOP if request.limit_price is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if request.limit_price is None else OrderType.LIMIT


def _default_class(request: OrderRequest) -> OrderClass:
    exits = (request.take_profit is not None) + (request.stop_loss is not None)
    return (OrderClass.SIMPLE, OrderClass.OTO, OrderClass.BRACKET)[exits]


#: The prices that each type requires; all other prices are invalid.
PRICES: Final = {
    OrderType.MARKET: frozenset[str](),
    OrderType.LIMIT: frozenset({"limit_price"}),
    OrderType.STOP: frozenset({"stop_price"}),
    OrderType.STOP_LIMIT: frozenset({"limit_price", "stop_price"}),
    OrderType.TRAILING_STOP: frozenset({"trail_price", "trail_percent"}),  # exactly one of the two
}


#: The exits that each class requires.
_EXITS: Final = {
    OrderClass.SIMPLE: "a simple order has no exits: leave out take_profit and stop_loss, or "
    "order_class",
    OrderClass.OTO: "an OTO order needs one of take_profit and stop_loss",
    OrderClass.BRACKET: "a bracket order needs a take_profit and a stop_loss",
    OrderClass.OCO: "an OCO order needs a take_profit and a stop_loss",
}


@with_named_fields
@frozen(kw_only=True, field_transformer=name_numbers)
class OrderRequest:
    """
    An order request of the bot.

    Give exactly one of `qty` and `notional`.  Prices are in quote currency per unit, > 0.

    Raises: InvalidValue, with the field and the reason.
    """

    symbol: str = field(converter=symbol_of)
    """The symbol, in any spelling of the broker."""
    side: OrderSide = field(converter=_to_side)
    """`"buy"` or `"sell"`."""
    qty: Decimal | None = field(default=None, converter=number_or_none)
    """In base units, > 0; None: by notional."""
    notional: Decimal | None = field(default=None, converter=number_or_none)
    """In quote currency, > 0; None: by quantity."""
    limit_price: Decimal | None = field(default=None, converter=number_or_none)
    """The limit price; None: not part of the order."""
    stop_price: Decimal | None = field(default=None, converter=number_or_none)
    """The stop price; None: not part of the order."""
    trail_price: Decimal | None = field(default=None, converter=number_or_none)
    """The distance of a trailing stop; None: not part of the order."""
    trail_percent: Decimal | None = field(default=None, converter=number_or_none)
    """The same as a percentage (1.5: 1.5 %); None: not part of the order."""
    take_profit: Decimal | None = field(default=None, converter=number_or_none)
    """The limit price of the take profit of a bracket, OCO or OTO; None: there is none."""
    stop_loss: Decimal | None = field(default=None, converter=number_or_none)
    """The stop price of the stop loss of a bracket, OCO or OTO; None: there is none."""
    stop_loss_limit: Decimal | None = field(default=None, converter=number_or_none)
    """The limit price of that stop; None: it becomes a market order."""
    type: OrderType = field(default=Factory(_default_type, takes_self=True), converter=_to_type)
    """The default is the type that the prices imply."""
    time_in_force: TimeInForce = field(default=TimeInForce.DEFAULT, converter=_to_time_in_force)
    """The default is what the broker's `Capabilities` declare for the instrument."""
    order_class: OrderClass = field(
        default=Factory(_default_class, takes_self=True), converter=_to_order_class
    )
    """The default is the class that the exits imply."""
    extended_hours: bool = field(default=False, validator=_check_flag)
    """It may trade in extended hours."""
    post_only: bool = field(default=False, validator=_check_flag)
    """
    A limit order that may only add liquidity; the broker rejects it if it would trade at once.
    """
    reduce_only: bool = field(default=False, validator=_check_flag)
    """It is cut to what can be closed in the worst case, and denied if there is nothing."""
    strategy: str | None = field(default=None, validator=_check_name)
    """The bot's name for the strategy that places the order; None: it names none."""
    good_for_s: int | None = field(default=None, validator=_check_seconds)
    """
    Seconds in which an order without a reply may be sent again; 0: never; None: 30 (market) or 300.
    """
    reference_price: Decimal | None = field(default=None, converter=number_or_none, eq=False)
    """Per unit, for valuation without a quote; it is not sent, and does not tell requests apart."""

    def __attrs_post_init__(self) -> None:
        for name in (
            "qty",
            "notional",
            "limit_price",
            "stop_price",
            "trail_price",
            "trail_percent",
            "take_profit",
            "stop_loss",
            "stop_loss_limit",
            "reference_price",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidValue(f"{name} must be above zero, not {value}")
        if (self.qty is None) == (self.notional is None):
            raise InvalidValue("give exactly one of qty and notional")
        if self.post_only and self.type is not OrderType.LIMIT:
            raise InvalidValue(f"only a limit order can be post-only, not a {self.type} order")
        if self.reduce_only and self.qty is None:
            raise InvalidValue("a reduce-only order needs a qty, not a notional")
        self._check_prices()

    def _check_prices(self) -> None:
        given = {
            name
            for name in ("limit_price", "stop_price", "trail_price", "trail_percent")
            if getattr(self, name) is not None
        }
        needed = PRICES[self.type]
        if self.type is OrderType.TRAILING_STOP:
            others = sorted(given - needed)
            if others:
                raise InvalidValue(f"a trailing stop has no {' and no '.join(others)}")
            if len(given) != 1:
                raise InvalidValue(
                    "a trailing stop needs exactly one of trail_price and trail_percent"
                )
        elif self.order_class is not OrderClass.OCO and given != needed:
            expected = " and ".join(sorted(needed)) or "no price"
            found = " and ".join(sorted(given)) or "none"
            raise InvalidValue(f"a {self.type} order needs {expected}, not {found}")
        if self.stop_loss_limit is not None and self.stop_loss is None:
            raise InvalidValue("stop_loss_limit is the limit of a stop_loss: give both")
        exits = (self.take_profit is not None) + (self.stop_loss is not None)
        if exits != {OrderClass.SIMPLE: 0, OrderClass.OTO: 1}.get(self.order_class, 2):
            raise InvalidValue(_EXITS[self.order_class])


class OrderFields(TypedDict, total=False):
    """The fields of an `OrderRequest`, except symbol and side, as `buy` and `sell` accept them."""

    qty: Figure
    notional: Figure
    limit_price: Figure
    stop_price: Figure
    trail_price: Figure
    trail_percent: Figure
    take_profit: Figure
    stop_loss: Figure
    stop_loss_limit: Figure
    type: OrderType | str
    time_in_force: TimeInForce | str
    order_class: OrderClass | str
    extended_hours: bool
    post_only: bool
    reduce_only: bool
    strategy: str | None
    good_for_s: int | None
    reference_price: Figure


@frozen(kw_only=True, field_transformer=name_numbers)
class Change:
    """The changes of a replace; None: the field stays as it is."""

    client_order_id: str
    """The new id of the result."""
    qty: Decimal | None = field(default=None, converter=number_or_none)
    """The new total, in base units, > 0; None: it stays."""
    limit_price: Decimal | None = field(default=None, converter=number_or_none)
    """Per unit, in quote currency, > 0; None: it stays."""
    stop_price: Decimal | None = field(default=None, converter=number_or_none)
    """Per unit, in quote currency, > 0; None: it stays."""
    trail: Decimal | None = field(default=None, converter=number_or_none)
    """The new trail price or percentage, > 0; None: it stays."""
    time_in_force: TimeInForce | None = field(default=None, converter=optional(_to_time_in_force))
    """The new time in force; None: it stays."""

    def __attrs_post_init__(self) -> None:
        for name in ("qty", "limit_price", "stop_price", "trail"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidValue(f"{name} must be above zero, not {value}")
