"""
What the exchange is told and what it shows: tickets, pictures, fills, rows, events.

Everything is frozen.  A change of an order makes a new `Picture`, so that an old
one can still be shown to a client whose view lags.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import frozen

from fillbook import model as m

S: Final = m.OrderStatus

#: Words after which an order neither fills nor reserves.
FINAL: Final = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.REPLACED})
#: Words that an order keeps while it is canceled or replaced, whatever fills meanwhile.
PENDING: Final = frozenset({S.PENDING_CANCEL, S.PENDING_REPLACE})
#: Words under which an order may trade when the price is there.
WORKING: Final = frozenset({S.NEW, S.PARTIALLY_FILLED, S.HELD}) | PENDING


@frozen(kw_only=True)
class Ticket:
    """
    What a client asks for, as it came: nothing is checked yet, `Account.submit` does.

    `qty` in units of the base, `notional` in quote currency; prices in quote currency per
    unit.  `client_order_id` None has the exchange make one.
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
    extended_hours: bool = False
    client_order_id: str | None = None


@frozen(kw_only=True)
class Amendment:
    """
    What a replace is to change; None leaves a field as it is.

    `qty` in units of the base, the fills until then included; `trail` is whichever the
    order has of a price and a percentage.  `client_order_id` None has the exchange make one
    for the new order.
    """

    qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: m.TimeInForce | None = None
    client_order_id: str | None = None


@frozen(kw_only=True)
class OrderVersion:
    """
    One order at one moment.

    `status` is the venue's word, usually an `OrderStatus`.  `filled_qty` is gross of fees.
    `hwm` is the best price that a trailing stop has seen; its `stop_price` follows from it.
    `legs` are filled in by nested views only; `leg_ids` and `parent_id` always are.
    What follows them is the venue's own and on no wire: `chain_id`, the first order of a
    chain of replaces; `carried_qty`, what of `filled_qty` the orders before it filled, at
    `carried_price`; `is_triggered`, a stop whose price was touched; `is_queued`, an order
    that waits for the next session; `is_overnight`, one that trades through the night too;
    `is_awake`, an exit whose entry has filled.
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

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def trail(self) -> Decimal | None:
        """How far a trailing stop stays behind, in its own measure."""
        return self.trail_percent if self.trail_price is None else self.trail_price

    @property
    def leaves_qty(self) -> Decimal:
        """What may still fill, in units; 0 for orders by notional: only a price tells."""
        return m.ZERO if self.is_final or self.qty is None else self.qty - self.filled_qty


@frozen(kw_only=True)
class Fill:
    """
    One execution.

    `exec_id` is its id in the history and `stream_id` in events; they differ when the fault
    says so.  `fee` > 0 in `fee_currency`.  A corrected fill names the one it `fixes`;
    `is_void` is a bust, `is_fixed` one that a later fill corrected.
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


class ActivityKind(StrEnum):
    """Rows of the account's history that are no trade, in Alpaca's words."""

    SPLIT = "SPLIT"
    CRYPTO_FEE = "CFEE"
    TRANSFER = "ACATS"
    ASSIGNMENT = "OPASN"
    CASH = "CSD"
    DIVIDEND = "DIV"
    NAME_CHANGE = "NC"


@frozen(kw_only=True)
class Activity:
    """
    One such row; `qty` signed change of the position, `cash` signed change of the cash.

    A dividend's `qty` is what it was paid for, `per_share` each.  Rows of one `group_id` tell
    of one thing that happened.
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
    group_id: str | None = None
    description: str = ""


@frozen(kw_only=True)
class Event:
    """
    What the stream says: `order` is its picture after the event, without legs.

    `qty` and `price` are of this execution; `position_qty` is signed, after it.
    `previous_id` names the execution that a `trade_bust` or `trade_correct` is about.
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
    """What an account holds of one symbol; `qty` signed, `avg_price` per unit."""

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
    """What the broker may forbid an account, in Alpaca's words."""

    TRADING = "trading_blocked"  #: no order is taken
    ACCOUNT = "account_blocked"  #: no order is taken, replaced or canceled
    TRANSFERS = "transfers_blocked"  #: no cash comes in or goes out


@frozen(kw_only=True)
class Configurations:
    """
    What its owner allows an account, by Alpaca's names; the last three change nothing here.

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
    """The account's money, in USD; `short_market_value` ≤ 0."""

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
    suspended: bool = False  #: by its own owner


@frozen
class Lag:
    """
    How old views may be, in seconds: each read is anything from 0 to this old, not monotonic.

    `history` delays fills as rows; they then appear in one go.
    """

    orders: float = 0.0
    positions: float = 0.0
    account: float = 0.0
    history: float = 0.0


class Refused(Exception):
    """
    The exchange said no.

    `status` and `code` are the HTTP status and the eight digits of Alpaca's error body;
    `details` its further members, all text.
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
    """Which orders a client lists; times are exclusive and about `submitted_at`."""

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
