"""
The values that enter and leave the exchange: tickets, order versions, fills, activities, events.

A change of an order makes a new `OrderVersion`, because a client whose view lags sees an old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import frozen

from fillbook import model as m

S: Final = m.OrderStatus

#: Final statuses: the order reserves nothing.
FINAL: Final = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.REPLACED})
#: Statuses of a pending cancel or replace; a fill does not change them.
PENDING: Final = frozenset({S.PENDING_CANCEL, S.PENDING_REPLACE})
#: Statuses under which an order may trade.
WORKING: Final = frozenset({S.NEW, S.PARTIALLY_FILLED, S.HELD}) | PENDING


@frozen(kw_only=True)
class Ticket:
    """
    A new order request as it was received; `Account.submit` checks it.

    `qty` is in units of the base, `notional` in quote currency; an order has one of the two.
    `trail_percent` is in percent of the price.  Numbers are > 0 if valid; None: not in the request.
    `take_profit` is the limit of the profit exit, `stop_loss` the stop of the loss exit, and
    `stop_loss_limit` makes that a stop limit.  `stops_in_profit`: the stop is reached when the
    market is better.  `extended_hours` False: only in the regular session.
    """

    symbol: str
    side: m.OrderSide
    type: m.OrderType
    time_in_force: m.TimeInForce
    order_class: m.OrderClass = m.OrderClass.SIMPLE
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None
    stops_in_profit: bool = False
    extended_hours: bool = False
    post_only: bool = False  #: a limit order that is refused if it would trade when it arrives
    good_until: m.Timestamp | None = None  #: when it ends by age; None: by its time in force
    closes: bool | None = None  #: it says that it closes, or opens, a position; None: neither
    client_order_id: str | None = None  #: None: the exchange makes one


@frozen(kw_only=True)
class Amendment:
    """
    The changes of a replace request; None leaves a field unchanged.

    `qty` is in units of the base and includes the quantity that has filled.  Prices are in quote
    currency per unit; `trail` is in percent if the order has a trail percentage.
    `client_order_id` None: the exchange makes one for the new order.
    """

    qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: m.TimeInForce | None = None
    client_order_id: str | None = None


@frozen
class Edit:
    """A change of an order in place that was accepted: its new quantity and price, and when."""

    qty: Decimal | None
    limit_price: Decimal | None
    at: m.Timestamp


@frozen(kw_only=True)
class OrderVersion:
    """
    One version of an order: its state from one change to the next.

    `status` is the venue's, usually an `OrderStatus`.  Quantities are in units of the base,
    prices in quote currency per unit, `notional` in quote currency, `trail_percent` in
    percent; None means that the order does not have the field.  `filled_qty` ≥ 0 is gross
    of fees (CumQty 14); `filled_avg_price` is None before the first fill (AvgPx 6).  `hwm`
    (high-water mark) is the best price since a trailing stop began; its `stop_price` follows
    from it.  A timestamp is None until the event happens; `expires_at` is when the order ends
    by age.  `replaces` and `replaced_by` are order ids.  `reason` is the text of a
    rejection.  Only nested views fill `legs`; `leg_ids` and `parent_id` are always set.

    The fields after `legs` are internal and on no wire.  `chain_id`: the id of the first order
    of a replace chain, None for that order itself.  `carried_qty`: the part of `filled_qty`
    that earlier orders of the chain filled, at the average price `carried_price`.
    `is_triggered`: the market has reached the stop price.  `is_queued`: the order waits for a
    session.  `is_overnight`: the order also trades in the overnight session.  `is_active`:
    the opening order of this leg has filled.  `spent`: what the fills cost in quote currency, fees
    included, of an order by notional.  `is_resting`: it has been in the book.  `triggered_limit`:
    the limit of a trigger bracket whose stop was reached.  `edits`: its changes, oldest first.
    """

    id: str
    client_order_id: str
    symbol: str
    asset_class: m.AssetClass
    side: m.OrderSide
    type: m.OrderType
    time_in_force: m.TimeInForce
    order_class: m.OrderClass
    status: str
    created_at: m.Timestamp
    updated_at: m.Timestamp | None
    submitted_at: m.Timestamp | None
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    extended_hours: bool = False
    filled_qty: Decimal = m.ZERO
    filled_avg_price: Decimal | None = None
    filled_at: m.Timestamp | None = None
    canceled_at: m.Timestamp | None = None
    expired_at: m.Timestamp | None = None
    failed_at: m.Timestamp | None = None
    replaced_at: m.Timestamp | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    expires_at: m.Timestamp | None = None
    cancel_requested_at: m.Timestamp | None = None
    reason: str | None = None
    parent_id: str | None = None
    leg_ids: tuple[str, ...] = ()
    legs: tuple[OrderVersion, ...] = ()
    chain_id: str | None = None
    carried_qty: Decimal = m.ZERO
    carried_price: Decimal | None = None
    is_triggered: bool = False
    is_queued: bool = False
    is_overnight: bool = False
    is_active: bool = False
    post_only: bool = False
    stops_in_profit: bool = False
    spent: Decimal = m.ZERO
    is_resting: bool = False
    triggered_limit: Decimal | None = None
    edits: tuple[Edit, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def trail(self) -> Decimal | None:
        """The distance of a trailing stop: in percent, else per unit; None for other orders."""
        return self.trail_percent if self.trail_price is None else self.trail_price

    @property
    def leaves_qty(self) -> Decimal:
        """LeavesQty (151) in units; 0 for orders by notional, whose quantity depends on a price."""
        return m.ZERO if self.is_final or self.qty is None else self.qty - self.filled_qty


@frozen(kw_only=True)
class Fill:
    """
    One execution.

    `exec_id` is its id in the history, `stream_id` its id in events; they differ only under
    the fault `stream-ids-differ`.  `qty` > 0 is in units of the base, `price` in quote
    currency per unit.  `cum_qty` and `leaves_qty` are the order's after this execution, and
    `is_last`: it filled the order.  `fee` ≥ 0 is in `fee_currency`.  `corrects` is the
    `exec_id` of the execution that this one corrects (ExecRefID 19), None if it is new.
    `is_busted`: the execution was busted.  `is_corrected`: a later execution corrects it.
    """

    exec_id: str
    stream_id: str
    order_id: str
    symbol: str
    side: m.OrderSide
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    at: m.Timestamp
    is_last: bool
    order_status: str
    fee: Decimal = m.ZERO
    fee_currency: str = "USD"
    corrects: str | None = None
    is_busted: bool = False
    is_corrected: bool = False
    value: Decimal | None = None  #: in quote currency, of an order sized in it; None: qty x price
    is_maker: bool = False  #: the order was in the book before

    @property
    def traded_value(self) -> Decimal:
        return self.qty * self.price if self.value is None else self.value


class ActivityKind(StrEnum):
    """The kinds of non-trade activities; the values are Alpaca's activity types."""

    SPLIT = "SPLIT"
    MERGER = "MA"
    SPIN_OFF = "SPIN"
    WORTHLESS = "REORG"
    CRYPTO_FEE = "CFEE"
    TRANSFER = "ACATS"
    JOURNAL = "JNLS"
    ASSIGNMENT = "OPASN"
    CASH = "CSD"
    DIVIDEND = "DIV"
    NAME_CHANGE = "NC"


@frozen(kw_only=True)
class Activity:
    """
    A non-trade activity of an account.

    `qty` is the signed change of the position in units, `cash` the signed change of the cash
    in USD; None is no change.  A cash dividend's `qty` is the quantity that it is paid for, at
    `per_share` USD each.  `price` is in USD per unit, None if the activity has none.  `ratio`
    is the new units per old unit of a split, if its row reports it.  `source` is the symbol whose
    units entitle to those of another symbol.  Activities with the same `group_id` belong to
    one event; None is an event with one activity.  `symbol` is None for cash.

    Two fields are on no wire: `factor`, the new units per old unit of `symbol`, and `fraction`, the
    signed part of the new units that was paid as cash.
    """

    id: str
    kind: ActivityKind
    at: m.Timestamp
    symbol: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    cash: Decimal | None = None
    ratio: Decimal | None = None
    per_share: Decimal | None = None
    source: str | None = None
    group_id: str | None = None
    description: str = ""
    factor: Decimal | None = None
    fraction: Decimal = m.ZERO


class SplitRows(StrEnum):
    """The rows by which a broker lists a split."""

    RATIO = "ratio"  #: one row, with the ratio
    ADDED = "added"  #: one row, with the quantity added and no ratio
    EXCHANGED = "exchanged"  #: a row that removes the old units, and one that adds the new units


@frozen(kw_only=True)
class Posting:
    """
    How the rows of a corporate action are posted.

    `split_rows` are those of a split.  `delay_s`: they are listed that many seconds after the
    positions change; if negative, that many seconds before.  They bear the time of the change.
    `grouped`: the rows of one event have a common group id.  `names_source`: the row of a
    spin-off names the symbol whose units entitle to it.
    """

    split_rows: SplitRows = SplitRows.RATIO
    delay_s: float = 0.0
    grouped: bool = True
    names_source: bool = True


@frozen(kw_only=True)
class Event:
    """
    An event of the stream; `order` is the order after the event, without legs.

    `number` counts the events of the account from 1.  `name` is Alpaca's event type.  `qty` > 0
    and `price` are of this execution, None if the event is no execution; `position_qty` is the
    signed position after it.  `previous_id` is the id of the execution that a `trade_bust` or
    `trade_correct` cancels or corrects (ExecRefID 19), else None.
    """

    number: int
    account: str
    name: str
    order: OrderVersion
    at: m.Timestamp
    execution_id: str | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    position_qty: Decimal | None = None
    previous_id: str | None = None


@frozen(kw_only=True)
class PositionReport:
    """
    The position of an account in one symbol, as a client reads it.

    `qty` is signed, in units; `qty_available`, of the same sign, is not reserved for open
    orders.  `avg_price` (cost) and `price` (middle of the quote) are in USD per unit.
    """

    symbol: str
    asset_class: m.AssetClass
    qty: Decimal
    qty_available: Decimal
    avg_price: Decimal
    price: Decimal

    @property
    def market_value(self) -> Decimal:
        return self.qty * self.price

    @property
    def cost_basis(self) -> Decimal:
        return self.qty * self.avg_price


class Block(StrEnum):
    """The blocks that the broker may set on an account; the values are Alpaca's names."""

    TRADING = "trading_blocked"  #: the exchange accepts no order
    ACCOUNT = "account_blocked"  #: the exchange accepts no order, replace or cancel
    TRANSFERS = "transfers_blocked"  #: the exchange accepts no deposit or withdrawal


@frozen(kw_only=True)
class Configurations:
    """
    The owner's settings of an account, by Alpaca's names; the last three have no effect here.

    `max_margin_multiplier` caps the account's multiplier: 1, 2 or 4.

    Source: https://docs.alpaca.markets/reference/getaccountconfig-1.
    """

    suspend_trade: bool = False
    no_shorting: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: int = 4
    disable_overnight_trading: bool = False
    max_options_trading_level: int = 2
    ptp_no_exception_entry: bool = False
    trade_confirm_email: str = "all"


@frozen(kw_only=True)
class AccountReport:
    """
    The balances of an account, as a client reads them.

    Amounts are in USD; `short_market_value` ≤ 0, `cash` and `equity` may be negative, all
    others are ≥ 0.  `multiplier` is the buying power per USD of equity: 1, 2 or 4.
    """

    id: str
    number: str
    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable_buying_power: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    long_market_value: Decimal
    short_market_value: Decimal
    multiplier: int
    created_at: m.Timestamp
    shorting_enabled: bool = True
    blocks: frozenset[Block] = frozenset()
    suspended: bool = False  #: the owner has suspended trading


@frozen
class Lag:
    """
    The maximum age of views, in seconds; 0 is no lag.

    The age of each read is random from 0 to the maximum, so a later read may show an earlier
    state.  `history` is a fixed delay of the fills in the history.
    """

    orders: float = 0.0
    positions: float = 0.0
    account: float = 0.0
    history: float = 0.0


class Refused(Exception):
    """
    The exchange refuses a request.

    `status` is the HTTP status, `code` the eight-digit code of Alpaca's error body, and
    `details` are its further members; a value is text or a list of texts.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        kind: m.RejectKind,
        details: Mapping[str, str | list[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.details: Mapping[str, str | list[str]] = dict(details or {})


@frozen(kw_only=True)
class OrderFilter:
    """
    The filter of a list of orders; None and an empty set do not filter.

    `after` and `until` are exclusive limits of `submitted_at`.  `after_order_id` and
    `before_order_id` are exclusive limits in the order of submission.  `nested` True: legs
    are inside their parents.  `limit` is the maximum number of orders, None for all.
    """

    scope: str = "open"  #: "open", "closed" or "all"
    after: m.Timestamp | None = None
    until: m.Timestamp | None = None
    after_order_id: str | None = None
    before_order_id: str | None = None
    symbols: frozenset[str] = frozenset()
    side: m.OrderSide | None = None
    oldest_first: bool = False
    nested: bool = True
    limit: int | None = None
