"""
Orders: what the bot wants, what we asked, and what a bot sees.

`OrderRequest` is the wish, `Intent` the wish with its identity (it never
changes), `Order` the flat picture made from the intent and all evidence.
Quantities are positive and carry a side; only a position is signed.
Status names are FIX's OrdStatus (tag 39); the last five are ours.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from attrs import Attribute, Factory, evolve, field, frozen
from attrs.converters import optional

from fillbook.errors import InvalidValue
from fillbook.model.account.reservation import Reserve
from fillbook.model.number import number_or_none
from fillbook.model.orders.adjustment import Adjustment
from fillbook.model.timestamp import Stamp


class OrderSide(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is OrderSide.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    UNRECOGNISED = "unrecognised"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"
    UNRECOGNISED = "unrecognised"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"
    UNRECOGNISED = "unrecognised"


class OrderStatus(StrEnum):
    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    PENDING_REVIEW = "pending_review"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    DENIED = "denied"  #: ours: never sent
    UNPROVEN = "unproven"  #: ours: perhaps sent, no evidence yet
    ABSENT = "absent"  #: ours: concluded that the broker never had it
    UNRECOGNISED = "unrecognised"  #: ours: the broker has it, in a word we do not know; alive
    DISPUTED = "disputed"  #: ours: the evidence contradicts itself


#: Every client order id of ours begins so.
ID_PREFIX: Final = "fb-"

#: Words that end an order at the broker, with or without fills (FILLED ends it too).
ENDINGS: Final = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


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


class Origin(StrEnum):
    """Who asked for the order."""

    OURS = "ours"  #: through this record
    LEG = "leg"  #: made by the broker for an order of ours
    EXTERNAL = "external"  #: somebody else on this account


@frozen(kw_only=True)
class Terms:
    """What an order asks for, by whoever placed it; None where the broker did not tell."""

    symbol: str
    side: OrderSide
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass = OrderClass.SIMPLE
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False


@frozen(kw_only=True)
class Intent:
    """
    What we asked, with its identity; never changes.

    `client_order_id` is unique for ever per account, and `key` is the bot's own word from
    which it was derived.  `at` is when the intent was made (UTC); nothing was sent before.
    """

    client_order_id: str
    request: OrderRequest
    at: Stamp
    key: str | None = None
    reserve: Reserve | None = None  #: what it keeps back; None where nothing was promised
    adjustments: tuple[Adjustment, ...] = ()  #: how `request` differs from what was asked
    worth: Decimal | None = None  #: in quote currency when it was made; None without a price

    @property
    def wish(self) -> OrderRequest:
        """What was asked, before it was made to fit."""
        asked: dict[str, Any] = {x.field: x.wished for x in self.adjustments}
        return evolve(self.request, **asked) if asked else self.request


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


class Oddity(StrEnum):
    """What is odd about an order's evidence; each is computed from the facts."""

    CONFLICTING_EXECUTION = "conflicting_execution"  #: one id, two contents
    CORRECTION_LOOP = "correction_loop"  #: corrections that correct each other
    UNMATCHED_CORRECTION = "unmatched_correction"  #: told by one source, not placed in the other
    SUPERSEDED_VOID = "superseded_void"  #: a bust of an execution that was already corrected
    OVERFILL = "overfill"  #: filled beyond the order's quantity
    CUM_BELOW_EXECUTIONS = "cum_below_executions"  #: the broker's total is below its own fills
    REJECTED_WITH_FILLS = "rejected_with_fills"
    FILL_AFTER_END = "fill_after_end"  #: an execution after the broker called the order ended
    REOPENED = "reopened"  #: ended, and seen working later
    BUST_UNCONFIRMED = "bust_unconfirmed"  #: a filled order lost a fill; its next word is awaited
    UNRECOGNISED_WORD = "unrecognised_word"
    LANDED_LATE = "landed_late"  #: concluded absent, and then seen
    OTHER_BODY = "other_body"  #: the broker's order of our id is another than we asked for
    NOT_FOUND_AFTER_SEEN = "not_found_after_seen"  #: the broker denies what it showed before


@frozen(order=True)
class Anomaly:
    """One oddity, on one broker id; `detail` names what it is about."""

    oddity: Oddity
    broker_order_id: str
    detail: str = ""


@frozen
class Proof:
    """What says that an order has ended: which kind of report, of which id, of when."""

    source: str  #: "by_id", "list", "stream", "reply", "history" or "denied" / "absent" (ours)
    broker_order_id: str | None
    at: Stamp | None


@frozen(kw_only=True)
class Order:
    """
    An order as a bot sees it: flat, and a pure function of intent and evidence.

    `filled_qty` ≥ 0 in units of the base; `leaves_qty` what may still fill (None for
    orders by notional, which have `leaves_notional`); `avg_price` per unit, None without
    fills or while one price is unknown; `fees` in quote currency, None while unknown.
    `is_final`: no more fills are to be expected.  `is_complete`: every fill is known by
    its own execution.  `pending` is our own cancel or replace of which it is not known what
    became, or the cancel that is still to be sent for what replaced the order.
    """

    client_order_id: str
    broker_order_id: str | None
    origin: Origin
    terms: Terms
    status: OrderStatus
    filled_qty: Decimal
    filled_value: Decimal | None
    leaves_qty: Decimal | None
    leaves_notional: Decimal | None
    avg_price: Decimal | None
    fees: Decimal | None
    is_final: bool
    is_complete: bool
    strategy: str | None = None
    key: str | None = None
    parent: str | None = None
    created_at: Stamp | None = None
    reason: str | None = None
    pending: str | None = None
    proof: Proof | None = None
    anomalies: tuple[Anomaly, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()  #: how it differs from what was asked

    @property
    def symbol(self) -> str:
        return self.terms.symbol

    @property
    def side(self) -> OrderSide:
        return self.terms.side

    @property
    def type(self) -> OrderType:
        return self.terms.type

    @property
    def time_in_force(self) -> TimeInForce:
        return self.terms.time_in_force

    @property
    def order_class(self) -> OrderClass:
        return self.terms.order_class

    @property
    def qty(self) -> Decimal | None:
        return self.terms.qty

    @property
    def notional(self) -> Decimal | None:
        return self.terms.notional

    @property
    def limit_price(self) -> Decimal | None:
        return self.terms.limit_price

    @property
    def stop_price(self) -> Decimal | None:
        return self.terms.stop_price
