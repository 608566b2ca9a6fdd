"""
Protections: the exits that a position is to have, and whether it has them.

`core.plans.exits.comparison` compares them with the orders of the account, and plans what is
missing.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypedDict

from attrs import Attribute, field, frozen

from fillbook.errors import InvalidValue
from fillbook.model.number import exact, name_numbers, number, number_or_none
from fillbook.model.orders.enums import TimeInForce
from fillbook.model.text.arguments import with_named_fields
from fillbook.model.timestamp import Timestamp


@frozen
class Level:
    """A price per unit, or a percentage of the average cost of a position (8: 8 %); > 0."""

    value: Decimal
    """The number, > 0."""
    is_percent: bool = False
    """It is a percentage of the average cost; False: a price per unit."""

    @exact
    def price(self, avg_price: Decimal | None, sign: int) -> Decimal | None:
        """
        Return the price; *sign* is -1 below *avg_price*, +1 above it (None: it is unknown).

        None: a percentage of an unknown cost, or not above zero.
        """
        if not self.is_percent:
            return self.value
        if avg_price is None:
            return None
        price = avg_price * (1 + sign * self.value / 100)
        return price if price > 0 else None

    def __str__(self) -> str:
        return f"{self.value.normalize():f}" + ("%" if self.is_percent else "")


def level(value: Level | Decimal | int | str | float) -> Level:
    """Convert a price, or text such as "8%", to a level. Raises: InvalidValue."""
    if isinstance(value, Level):
        return value
    is_percent = isinstance(value, str) and value.strip().endswith("%")
    figure = number(str(value).strip().removesuffix("%") if is_percent else value)
    if figure <= 0:
        raise InvalidValue(f"it must be above zero, not {value!r}")
    return Level(figure, is_percent)


class OnAdd(StrEnum):
    """What an entry fill does to a stop that is a percentage of the cost."""

    KEEP = "keep"
    """The stop never becomes looser."""
    AVERAGE = "average"
    """The stop follows the average cost."""


class OnBreach(StrEnum):
    """What happens if the market is beyond the stop when the stop is to be placed."""

    MARKET = "market"
    """The position is sold at the market."""
    LIMIT = "limit"
    """It is sold at a limit price, at most `collar` beyond the quote."""
    ALERT = "alert"
    """Nothing is sold."""


_LevelFigure = Level | Decimal | int | str | float


def _level_or_none(name: str, value: _LevelFigure | None) -> Level | None:
    """Convert a level; the error has the *name* of the field."""
    try:
        return None if value is None else level(value)
    except InvalidValue as error:
        raise InvalidValue(f"{name}: {error}") from None


def _to_stop_loss(value: _LevelFigure | None) -> Level | None:
    found = _level_or_none("stop_loss", value)
    if found is not None and not found.is_percent:
        raise InvalidValue(
            f'stop_loss is a percentage of the average cost, such as "8%", not {value!r}; a price '
            "is a stop_price"
        )
    return found


def _to_take_profit(value: _LevelFigure | None) -> Level | None:
    return _level_or_none("take_profit", value)


def _to_trail(value: _LevelFigure | None) -> Level | None:
    return _level_or_none("trail", value)


def _to_trail_after(value: _LevelFigure | None) -> Level | None:
    return _level_or_none("trail_after", value)


def _to_break_even(value: _LevelFigure | None) -> Level | None:
    return _level_or_none("break_even", value)


def _above_zero(policy: ExitPolicy, attribute: Attribute[Any], value: Decimal | None) -> None:
    if value is not None and value <= 0:
        raise InvalidValue(f"{attribute.name} must be above zero, not {value}")


def _check_flag(policy: ExitPolicy, attribute: Attribute[Any], value: bool) -> None:
    if not isinstance(value, bool):
        raise InvalidValue(f"{attribute.name} must be True or False, not {value!r}")


@with_named_fields
@frozen(kw_only=True, field_transformer=name_numbers)
class ExitPolicy:
    """
    The exits that a position is to have; at least one of them.

    With both a stop and a trail, the tighter one holds at each moment.

    Raises: InvalidValue.
    """

    stop_price: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """The stop, per unit, in quote currency; None: no such exit."""
    stop_loss: Level | None = field(default=None, converter=_to_stop_loss)
    """
    The stop as a percentage of the average cost of the strategy's part ("8%"); None: no such exit.
    """
    take_profit: Level | None = field(default=None, converter=_to_take_profit)
    """A price, or a percentage of the average cost; None: no such exit."""
    trail: Level | None = field(default=None, converter=_to_trail)
    """The distance of a trailing stop, a price or a percentage; None: no such exit."""
    trail_after: Level | None = field(default=None, converter=_to_trail_after)
    """
    The trail begins once the market has reached this price, or this percentage of the average cost
    in favour; it needs a `stop_price` or `stop_loss` until then.  None: it begins at once.
    """
    break_even: Level | None = field(default=None, converter=_to_break_even)
    """
    Once the market has reached this price, or this percentage of the average cost in favour, the
    stop moves to the average cost, unless it is tighter already; None: it does not.
    """
    max_age_s: Decimal | None = field(default=None, converter=number_or_none, validator=_above_zero)
    """Seconds after which the position is closed at the market, in the session; None: never."""
    cooldown_s: Decimal | None = field(
        default=None, converter=number_or_none, validator=_above_zero
    )
    """
    Seconds after the fill of a stop in which orders that open are denied, for this symbol and
    strategy; None: no such time.
    """
    time_in_force: TimeInForce = field(default=TimeInForce.GTC, converter=TimeInForce)
    """GTC or DAY."""
    on_add: OnAdd = field(default=OnAdd.KEEP, converter=OnAdd)
    """What becomes of the exits when the position grows."""
    on_breach: OnBreach = field(default=OnBreach.MARKET, converter=OnBreach)
    """What is done when the price has passed the stop already."""
    extended_hours: bool = field(default=False, validator=_check_flag)
    """
    That is judged and done in extended hours too, by a limit order as with `OnBreach.LIMIT`; False:
    it waits for the regular session.  A stop that stands is not triggered there.
    """
    collar: Decimal = field(default=Decimal(2), converter=number, validator=_above_zero)
    """How far beyond its stop or the quote a limit price of an exit is, as a percentage."""
    naked_max_s: Decimal = field(default=Decimal(60), converter=number, validator=_above_zero)
    """Seconds that a position may be without its stop before an alert, > 0."""

    def __attrs_post_init__(self) -> None:
        if self.stop_price is not None and self.stop_loss is not None:
            raise InvalidValue("give one of stop_price and stop_loss")
        if not (self.has_stop or self.take_profit is not None):
            raise InvalidValue("give at least one of stop_price, stop_loss, trail and take_profit")
        has_fixed_stop = self.stop_price is not None or self.stop_loss is not None
        if self.trail_after is not None and (self.trail is None or not has_fixed_stop):
            raise InvalidValue(
                "trail_after is the begin of a trail: give trail, and the stop_price or stop_loss "
                "that holds until then"
            )
        if self.break_even is not None and not self.has_stop:
            raise InvalidValue("break_even moves a stop: give stop_price, stop_loss or trail")
        if self.time_in_force not in (TimeInForce.GTC, TimeInForce.DAY):
            raise InvalidValue(f"time_in_force must be gtc or day, not {self.time_in_force}")
        if self.collar >= 50:
            raise InvalidValue(f"collar must be below 50 (percent), not {self.collar}")

    @property
    def has_stop(self) -> bool:
        """Whether the policy has a stop or a trail."""
        return any(x is not None for x in (self.stop_price, self.stop_loss, self.trail))


class ExitFields(TypedDict, total=False):
    """The fields of an `ExitPolicy`, as `protect` accepts them."""

    stop_price: Decimal | int | str | float | None
    stop_loss: Level | str | None
    take_profit: Level | Decimal | int | str | float | None
    trail: Level | Decimal | int | str | float | None
    trail_after: Level | Decimal | int | str | float | None
    break_even: Level | Decimal | int | str | float | None
    max_age_s: Decimal | int | str | float | None
    cooldown_s: Decimal | int | str | float | None
    time_in_force: TimeInForce | str
    on_add: OnAdd | str
    on_breach: OnBreach | str
    extended_hours: bool
    collar: Decimal | int | str | float
    naked_max_s: Decimal | int | str | float


class CoverState(StrEnum):
    """Whether the exits of a position cover it."""

    COVERED = "covered"
    """Its exits are for all of it."""
    PARTLY = "partly"
    """A part of the quantity has no exit."""
    NAKED = "naked"
    """It has no exit."""
    EXCESS = "excess"
    """The exits are for more than the position."""
    EXPIRING = "expiring"
    """An exit ends within a week."""
    AT_OPEN = "at_open"
    """The market is beyond the stop, and closed: decided at the open."""
    SUSPENDED = "suspended"
    """The exit was canceled by the bot: `protect` places it again."""
    SPLIT_SUSPECTED = "split_suspected"
    """The quantity changed without a fill."""
    IMPOSSIBLE = "impossible"
    """The broker does not take the exit; see why."""
    PROPOSED = "proposed"
    """Held before the policy was set: its plan waits for an approval."""
    PENDING = "pending"
    """There is no position yet."""
    UNKNOWN = "unknown"
    """Something about the symbol is not confirmed."""


#: The states in which the exits are right.
COVERED_STATES: Final = frozenset({CoverState.COVERED, CoverState.EXPIRING, CoverState.PENDING})


@frozen(kw_only=True)
class Protection:
    """The exits that one strategy's part of a position is to have."""

    symbol: str
    """The symbol."""
    strategy: str
    """The strategy; `""`: the part without one."""
    policy: ExitPolicy
    """The exits."""
    number: int = 1
    """It counts the protections of this part, from 1."""
    stop_price: Decimal | None = None
    """
    The resolved price per unit, in units of `priced_at`; None: no such exit, or not resolved yet.
    """
    take_profit: Decimal | None = None
    """The resolved price per unit, in units of `priced_at`; None: as `stop_price`."""
    priced_at: Timestamp | None = None
    """When the prices were resolved (UTC), before later splits; None: they are not."""
    entered: Decimal | None = None
    """The entered quantity at which they were resolved, in base units; None: they are not."""
    opened_by: str | None = None
    """What opened its round trip; None: it has not begun."""
    approved: bool = True
    """
    Its exits are placed; False: the position was held before, and a plan waits for an approval.
    """
    pending: bool = False
    """It waits for an entry."""
    applied: bool = False
    """Its exits have stood once; False: a price that is passed already needs an approval."""
    suspended: str = ""
    """Why no exit is placed; `""`: exits are placed."""
    cover: CoverState = CoverState.UNKNOWN
    """Whether the exits are at the broker."""
    since: Timestamp | None = None
    """Since when it has been covered, or not (UTC); None: not known."""
    why: str = ""
    """The reason of `cover`; `""`: nothing is to be added."""
    set_at: Timestamp | None = None
    """When the policy was set (UTC); None: not known."""
    at_break_even: bool = False
    """The stop has moved to the average cost, in this round trip."""
    trail_begun: bool = False
    """The market has reached `trail_after` of the policy, in this round trip."""
    inherited: tuple[str, ...] = ()
    """The client order ids of the exits that stood when it was set: they are exits of it."""

    @property
    def trail(self) -> Level | None:
        """The distance of the trailing stop; None: there is none, or it has not begun."""
        has_begun = self.policy.trail_after is None or self.trail_begun
        return self.policy.trail if has_begun else None

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.symbol}/{self.strategy}"

    @property
    def occasion(self) -> str:
        """The occasion of its plans: one round trip of one part."""
        return f"exit/{self.key}/{self.number}/{self.opened_by or ''}"

    @property
    def title(self) -> str:
        """The position for people: its symbol, and its strategy if it has one."""
        return f"{self.symbol} ({self.strategy})" if self.strategy else self.symbol

    @property
    def is_covered(self) -> bool:
        """Whether the exits are right: of no other quantity than the position."""
        return self.cover in COVERED_STATES


@frozen(kw_only=True)
class Cooldown:
    """The time after a stop in which no order opens the position again."""

    symbol: str
    """The symbol."""
    strategy: str
    """The strategy; `""`: none."""
    until: Timestamp
    """Its end (UTC)."""
    order: str
    """The client order id of the stop that was filled."""

    @property
    def key(self) -> str:
        """The key of the record."""
        return f"{self.symbol}/{self.strategy}"
