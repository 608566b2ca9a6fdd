"""
Trades that a bot wrote into its own record, and what became of each in a comparison.

`core.plans.local_trades` reads them from rows, `core.plans.catch_up` compares them with the orders
and fills of the account.  Quantities of `LocalTrade` are > 0; other quantities are signed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from attrs import Attribute, field, frozen
from attrs.converters import optional

from fillbook.model.invalid import InvalidValue
from fillbook.model.number import ZERO, number, number_or_none, plain
from fillbook.model.orders.enums import OrderSide
from fillbook.model.orders.request import symbol_of
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp, timestamp


def _side(value: str) -> OrderSide:
    try:
        return OrderSide(value)
    except ValueError:
        raise InvalidValue(f"side must be buy or sell, not {value!r}") from None


def _positive(_: Any, attribute: Attribute[Any], value: Decimal | None) -> None:
    if value is not None and value <= 0:
        raise InvalidValue(f"{attribute.name} must be above zero, not {plain(value)}")


@frozen(kw_only=True)
class LocalTrade:
    """
    One trade in the bot's own record.

    `qty` > 0 is in base units, of the day of the trade; `at` is RFC 3339 text or an aware datetime.
    `price` > 0 is per unit and `fee` > 0 was paid, both in quote currency; None: not written.
    `trade_id` is the id of the row in the bot's record, unique per strategy, `client_order_id` that
    of its order (or its broker order id, or its idempotency key); None: the row has none.
    `strategy` None: it belongs to no strategy.  `line` counts the rows of its source from 1; 0: it
    is from no source.

    Raises: InvalidValue.
    """

    symbol: str = field(converter=symbol_of)
    side: OrderSide = field(converter=_side)
    qty: Decimal = field(converter=number, validator=_positive)
    at: Timestamp = field(converter=timestamp)
    price: Decimal | None = field(default=None, converter=number_or_none, validator=_positive)
    fee: Decimal | None = field(default=None, converter=number_or_none)
    trade_id: str | None = field(default=None, converter=optional(str))
    client_order_id: str | None = field(default=None, converter=optional(str))
    strategy: str | None = None
    line: int = 0

    @property
    def signed_qty(self) -> Decimal:
        """The quantity, negative for a sell."""
        return self.side.sign * self.qty


@frozen
class UnreadableTrade:
    """A row that is no trade: its line, counted from 1, its text, and what is wrong with it."""

    line: int
    text: str
    why: str


class TradeOutcome(StrEnum):
    """What became of a trade of the bot's own record."""

    TO_SEND = "to_send"  #: it is part of the order of its symbol
    FOUND = "found"  #: the account has it already, also if a person traded it by hand
    SETTLED = "settled"  #: an earlier call has settled it; it does not count again
    SENDING = "sending"  #: the order of an earlier call is being carried out
    BEFORE_SINCE = "before_since"  #: it is before the date from which rows count
    PARTLY_FILLED = "partly_filled"  #: its order has ended with fewer fills; nothing is sent
    WORKING = "working"  #: its order is still open
    UNCONFIRMED = "unconfirmed"  #: the outcome of an order of its symbol is unknown
    OPEN_ORDER = "open_order"  #: an open order of the same side may still be it
    NO_POSITION = "no_position"  #: it sells more than is held
    NOT_CLEAR = "not_clear"  #: the account has more than the rows, where they lack something
    ORDER_DIFFERS = "order_differs"  #: the order with its id is of another symbol or side
    DIFFERENCE = "difference"  #: the record and the broker differ about the position
    SPLIT_UNCLEAR = "split_unclear"  #: a split since then has no known ratio
    BELOW_MINIMUM = "below_minimum"  #: what is missing is below the increment or the minimum
    NOT_TRADABLE = "not_tradable"  #: the instrument is not tradable now
    UNKNOWN_SYMBOL = "unknown_symbol"  #: neither the record nor the broker has the symbol
    DUPLICATE = "duplicate"  #: its `trade_id` is in an earlier row too
    IN_THE_FUTURE = "in_the_future"  #: its time is after now: the time zone may be wrong
    UNREADABLE = "unreadable"  #: the row is no trade


@frozen
class TradeRow:
    """
    One row of the bot's own record, and its outcome.

    `trade` None: the row is unreadable, and `text` is what it says.  `why` explains the outcome;
    ``""``: nothing is to be added.  `sent_qty` is the part of its signed quantity that the order of
    its symbol trades, in the units of today.
    """

    line: int
    outcome: TradeOutcome
    trade: LocalTrade | None = None
    text: str = ""
    why: str = ""
    sent_qty: Decimal = ZERO


@frozen(kw_only=True)
class CatchUpOrder:
    """
    The one order that brings a symbol of one strategy up to date.

    `qty` > 0 is in base units, `notional` its value at the quote (None: there is none), `rows` the
    number of trades that it makes up for.  `plan_id` is the plan that sends it; None: a dry run, a
    plan for the same rows was rejected, or the account changed during the comparison.
    """

    symbol: str
    strategy: str | None
    side: OrderSide
    qty: Decimal
    rows: int
    notional: Decimal | None = None
    plan_id: str | None = None


@frozen(kw_only=True)
class CatchUp:
    """
    The comparison of the bot's own record with the account, one row for each of its rows.

    `orders` are what is missing, one a symbol and strategy.  `since` is the time from which rows
    and fills count (UTC).  `is_sent` False: a dry run.
    """

    _repr_html_ = html_of

    rows: tuple[TradeRow, ...]
    orders: tuple[CatchUpOrder, ...]
    since: Timestamp
    is_sent: bool

    @property
    def counts(self) -> Mapping[TradeOutcome, int]:
        """The number of rows by outcome, in the order of `TradeOutcome`."""
        found = Counter(x.outcome for x in self.rows)
        return {outcome: found[outcome] for outcome in TradeOutcome if found[outcome]}


@frozen(kw_only=True)
class SettledTrade:
    """
    The mark of a trade that was settled, so that no file counts it again.

    `key` is the identity of the row, `at` its time.  `matched` is the part of its signed quantity
    that the account had already, in the units of `settled_at`; the order of `plan_id` traded the
    rest.  `plan_id` None: there was none.  If that plan did not end as done, the row is not
    settled, and counts again.
    """

    key: str
    symbol: str
    strategy: str
    at: Timestamp
    matched: Decimal
    settled_at: Timestamp
    plan_id: str | None = None
