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

from fillbook.errors import InvalidValue
from fillbook.model.number import ZERO, number, number_or_none, plain
from fillbook.model.orders.enums import OrderSide
from fillbook.model.orders.request import symbol_of
from fillbook.model.text.arguments import with_named_fields
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


@with_named_fields
@frozen(kw_only=True)
class LocalTrade:
    """
    One trade in the bot's own record.

    Raises: InvalidValue.
    """

    symbol: str = field(converter=symbol_of)
    """The symbol."""
    side: OrderSide = field(converter=_side)
    """Buy or sell."""
    qty: Decimal = field(converter=number, validator=_positive)
    """In base units of the day of the trade, > 0."""
    at: Timestamp = field(converter=timestamp)
    """The time of the trade: RFC 3339 text, or an aware datetime."""
    price: Decimal | None = field(default=None, converter=number_or_none, validator=_positive)
    """Per unit, in quote currency, > 0; None: not written."""
    fee: Decimal | None = field(default=None, converter=number_or_none)
    """What was paid, in quote currency, > 0; None: not written."""
    trade_id: str | None = field(default=None, converter=optional(str))
    """The id of the row in the bot's record, unique per strategy; None: the row has none."""
    client_order_id: str | None = field(default=None, converter=optional(str))
    """The id of its order, or its broker order id, or its key; None: the row has none."""
    strategy: str | None = None
    """The strategy; None: it belongs to none."""
    line: int = 0
    """The row of its source, counted from 1; 0: it is from no source."""

    @property
    def signed_qty(self) -> Decimal:
        """The quantity, negative for a sell."""
        return self.side.sign * self.qty


@frozen
class UnreadableTrade:
    """A row that is no trade."""

    line: int
    """The row of its source, counted from 1."""
    text: str
    """What the row says."""
    why: str
    """What is wrong with it."""


class TradeOutcome(StrEnum):
    """What became of a trade of the bot's own record."""

    TO_SEND = "to_send"
    """It is part of the order of its symbol."""
    FOUND = "found"
    """The account has it already, also if a person traded it by hand."""
    SETTLED = "settled"
    """An earlier call has settled it; it does not count again."""
    SENDING = "sending"
    """The order of an earlier call is being carried out."""
    BEFORE_SINCE = "before_since"
    """It is before the date from which rows count."""
    PARTLY_FILLED = "partly_filled"
    """Its order has ended with fewer fills; nothing is sent."""
    WORKING = "working"
    """Its order is still open."""
    UNCONFIRMED = "unconfirmed"
    """The outcome of an order of its symbol is unknown."""
    OPEN_ORDER = "open_order"
    """An open order of the same side may still be it."""
    NO_POSITION = "no_position"
    """It sells more than is held."""
    NOT_CLEAR = "not_clear"
    """The fills of the account exceed the rows, which have more to send."""
    ORDER_DIFFERS = "order_differs"
    """The order with its id is of another symbol or side."""
    DIFFERENCE = "difference"
    """The record and the broker differ about the position."""
    SPLIT_UNCLEAR = "split_unclear"
    """A split since then has no known ratio."""
    BELOW_MINIMUM = "below_minimum"
    """What is missing is below the increment or the minimum."""
    NOT_TRADABLE = "not_tradable"
    """The instrument is not tradable now."""
    UNKNOWN_SYMBOL = "unknown_symbol"
    """Neither the record nor the broker has the symbol."""
    DUPLICATE = "duplicate"
    """Its `trade_id` is in an earlier row too."""
    IN_THE_FUTURE = "in_the_future"
    """Its time is after now: the time zone may be wrong."""
    UNREADABLE = "unreadable"
    """The row is no trade."""


@frozen
class TradeRow:
    """One row of the bot's own record, and its outcome."""

    line: int
    """The row of its source, counted from 1."""
    outcome: TradeOutcome
    """What became of it."""
    trade: LocalTrade | None = None
    """The trade; None: the row is unreadable."""
    text: str = ""
    """What an unreadable row says."""
    why: str = ""
    """The explanation of the outcome; `""`: nothing is to be added."""
    sent_qty: Decimal = ZERO
    """The part of its signed quantity that the order of its symbol trades, in units of today."""


@frozen(kw_only=True)
class CatchUpOrder:
    """The one order that brings a symbol of one strategy up to date."""

    symbol: str
    """The symbol."""
    strategy: str | None
    """The strategy; None: it belongs to none."""
    side: OrderSide
    """Buy or sell."""
    qty: Decimal
    """In base units, > 0."""
    rows: int
    """The number of trades that it makes up for."""
    notional: Decimal | None = None
    """Its value at the quote, in quote currency; None: there is no quote."""
    plan_id: str | None = None
    """
    The plan that sends it; None: a dry run, a rejected plan, or the account changed meanwhile.
    """


@frozen(kw_only=True)
class CatchUp:
    """The comparison of the bot's own record with the account."""

    _repr_html_ = html_of

    rows: tuple[TradeRow, ...]
    """One row for each row of the bot's record."""
    orders: tuple[CatchUpOrder, ...]
    """What is missing, one order a symbol and strategy."""
    since: Timestamp
    """The time from which rows and fills count (UTC)."""
    is_sent: bool
    """The orders are sent; False: a dry run."""

    @property
    def counts(self) -> Mapping[TradeOutcome, int]:
        """The number of rows by outcome, in the order of `TradeOutcome`."""
        found = Counter(x.outcome for x in self.rows)
        return {outcome: found[outcome] for outcome in TradeOutcome if found[outcome]}


@frozen(kw_only=True)
class SettledTrade:
    """
    The mark of a trade that was settled, so that no file counts it again.

    If the plan did not end as done, the row is not settled, and counts again.
    """

    key: str
    """The identity of the row."""
    symbol: str
    """The symbol."""
    strategy: str
    """The strategy; `""`: none."""
    at: Timestamp
    """The time of the row (UTC)."""
    matched: Decimal
    """The part of its signed quantity that the account had already, in units of `settled_at`."""
    settled_at: Timestamp
    """When it was settled (UTC)."""
    plan_id: str | None = None
    """The plan whose order traded the rest; None: there was none."""
