"""What the bot asks for: an order, or a change of one. Quantities are positive and carry a side."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, TypedDict, TypeVar

from attrs import Attribute, Factory, field, frozen
from attrs.converters import optional

from fillbook.model.invalid import InvalidValue
from fillbook.model.number import number_or_none
from fillbook.model.orders.enums import OrderClass, OrderSide, OrderType, TimeInForce

#: An order whose request was lost is not wanted for longer than this.
GOOD_FOR_MAX_S: Final = 30 * 86_400


STRATEGY_MAX: Final = 64


_Word = TypeVar("_Word", bound=StrEnum)


def symbol_of(value: str) -> str:
    """The record's spelling of a symbol. Raises: InvalidValue."""
    symbol = value.strip().upper() if isinstance(value, str) else ""
    if not symbol or not symbol.isprintable():
        raise InvalidValue(f"symbol takes a name like AAPL or BTC/USD, not {value!r}")
    return symbol


def _word(name: str, kind: type[_Word], value: str) -> _Word:
    """The word that *value* is; one that only a broker may use is none."""
    words = [word for word in kind if word != OrderType.UNRECOGNISED]
    if not isinstance(value, str) or value not in words:
        raise InvalidValue(f"{name} takes one of {', '.join(words)}; not {value!r}")
    return kind(value)


def _side(value: str) -> OrderSide:
    return _word("side", OrderSide, value)


def _type(value: str) -> OrderType:
    return _word("type", OrderType, value)


def _time_in_force(value: str) -> TimeInForce:
    return _word("time_in_force", TimeInForce, value)


def _order_class(value: str) -> OrderClass:
    return _word("order_class", OrderClass, value)


def _flag(wish: OrderRequest, field: Attribute[bool], value: bool) -> None:
    if not isinstance(value, bool):
        raise InvalidValue(f"{field.name} takes True or False, not {value!r}")


def _name(wish: OrderRequest, field: Attribute[str | None], value: str | None) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= STRATEGY_MAX:
        raise InvalidValue(
            f"{field.name} takes 1 to {STRATEGY_MAX} printable characters, not {value!r}"
        )


def _seconds(wish: OrderRequest, field: Attribute[int | None], value: int | None) -> None:
    if value is None:
        return
    # Python counts True as the number 1.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= GOOD_FOR_MAX_S:
        raise InvalidValue(
            f"{field.name} takes whole seconds from 0 to {GOOD_FOR_MAX_S}, not {value!r}"
        )


def _request_type(wish: OrderRequest) -> OrderType:
    if wish.trail_price is not None or wish.trail_percent is not None:
        return OrderType.TRAILING_STOP
    if wish.stop_price is not None:
        return OrderType.STOP if wish.limit_price is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if wish.limit_price is None else OrderType.LIMIT


def _request_time_in_force(wish: OrderRequest) -> TimeInForce:
    return TimeInForce.GTC if "/" in wish.symbol else TimeInForce.DAY


def _request_class(wish: OrderRequest) -> OrderClass:
    exits = (wish.take_profit is not None) + (wish.stop_loss is not None)
    return (OrderClass.SIMPLE, OrderClass.OTO, OrderClass.BRACKET)[exits]


#: Which prices a type needs; every other price is refused.
PRICES: Final = {
    OrderType.MARKET: frozenset[str](),
    OrderType.LIMIT: frozenset({"limit_price"}),
    OrderType.STOP: frozenset({"stop_price"}),
    OrderType.STOP_LIMIT: frozenset({"limit_price", "stop_price"}),
    OrderType.TRAILING_STOP: frozenset({"trail_price", "trail_percent"}),  # one of the two
}


@frozen(kw_only=True)
class OrderRequest:
    """
    What the bot wants.

    Exactly one of `qty` (units of the base) and `notional` (quote currency), both > 0.
    `type` follows from the prices when left out, `order_class` from the exits, and
    `time_in_force` is then `gtc` for pairs (``BTC/USD``) and `day` for the rest.
    `take_profit` is a limit price, `stop_loss` a stop price, `stop_loss_limit` the limit of
    that stop; all prices in quote currency per unit.  `good_for_s` says for how long an
    order whose request was lost is still wanted (None: 30 s for market, 300 s for the
    rest; 0: it is never sent again).  `strategy` is the bot's own name for who asked.
    `reference_price` is what a unit is reckoned at where the market's price is not known;
    it is not sent, and two requests that differ in nothing else are the same.

    Raises: InvalidValue, saying which field and why.
    """

    symbol: str = field(converter=symbol_of)
    side: OrderSide = field(converter=_side)
    qty: Decimal | None = field(default=None, converter=number_or_none)
    notional: Decimal | None = field(default=None, converter=number_or_none)
    limit_price: Decimal | None = field(default=None, converter=number_or_none)
    stop_price: Decimal | None = field(default=None, converter=number_or_none)
    trail_price: Decimal | None = field(default=None, converter=number_or_none)
    trail_percent: Decimal | None = field(default=None, converter=number_or_none)
    take_profit: Decimal | None = field(default=None, converter=number_or_none)
    stop_loss: Decimal | None = field(default=None, converter=number_or_none)
    stop_loss_limit: Decimal | None = field(default=None, converter=number_or_none)
    type: OrderType = field(default=Factory(_request_type, takes_self=True), converter=_type)
    time_in_force: TimeInForce = field(
        default=Factory(_request_time_in_force, takes_self=True), converter=_time_in_force
    )
    order_class: OrderClass = field(
        default=Factory(_request_class, takes_self=True), converter=_order_class
    )
    extended_hours: bool = field(default=False, validator=_flag)
    strategy: str | None = field(default=None, validator=_name)
    good_for_s: int | None = field(default=None, validator=_seconds)
    reference_price: Decimal | None = field(default=None, converter=number_or_none, eq=False)

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
        self._check_prices()

    def _check_prices(self) -> None:
        given = {
            name
            for name in ("limit_price", "stop_price", "trail_price", "trail_percent")
            if getattr(self, name) is not None
        }
        needed = PRICES[self.type]
        if self.type is OrderType.TRAILING_STOP:
            if len(given) != 1 or not given <= needed:
                raise InvalidValue("a trailing stop takes one of trail_price and trail_percent")
        elif self.order_class is not OrderClass.OCO and given != needed:
            words = " and ".join(sorted(needed)) or "no price"
            raise InvalidValue(f"a {self.type} order takes {words}, not {sorted(given)}")
        if self.stop_loss_limit is not None and self.stop_loss is None:
            raise InvalidValue("stop_loss_limit is the limit of a stop_loss: give both")
        exits = (self.take_profit is not None) + (self.stop_loss is not None)
        if exits != {OrderClass.SIMPLE: 0, OrderClass.OTO: 1}.get(self.order_class, 2):
            raise InvalidValue(f"a {self.order_class} order does not take {exits} exits")


#: A price or a quantity as a bot has it; a float is taken by its shortest text.
Figure = Decimal | int | str | float | None


class OrderFields(TypedDict, total=False):
    """The fields of an `OrderRequest` beside symbol and side, as `buy` and `sell` take them."""

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
    strategy: str | None
    good_for_s: int | None
    reference_price: Figure


@frozen(kw_only=True)
class Change:
    """What a replace is to change; None leaves a field as it is. Prices and qty as in a request."""

    client_order_id: str
    qty: Decimal | None = field(default=None, converter=number_or_none)
    limit_price: Decimal | None = field(default=None, converter=number_or_none)
    stop_price: Decimal | None = field(default=None, converter=number_or_none)
    trail: Decimal | None = field(default=None, converter=number_or_none)
    time_in_force: TimeInForce | None = field(default=None, converter=optional(_time_in_force))

    def __attrs_post_init__(self) -> None:
        for name in ("qty", "limit_price", "stop_price", "trail"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidValue(f"{name} must be above zero, not {value}")
