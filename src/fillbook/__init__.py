"""
Keeps a trading bot's record of orders, fills and positions true to its broker.

    import fillbook as fb

    with fb.open("alpaca:paper", store="sqlite:///bot.db") as desk:
        desk.sync()
        order = desk.buy("AAPL", qty=10, limit_price="187.20", time_in_force="gtc")
"""

from fillbook.broker import Broker
from fillbook.core.checks import CHECKS, Check
from fillbook.core.checks.context import CheckContext
from fillbook.desk import Desk
from fillbook.desk.aio import AsyncDesk
from fillbook.desk.record.book import Book
from fillbook.errors import (
    AccountChanged,
    AlreadySent,
    BadAddress,
    CredentialsMissing,
    Denied,
    ExtraMissing,
    FillbookError,
    InvalidValue,
    KeyReused,
    OrderRejected,
    ReadFailed,
    StoreDamaged,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    TradingDisabled,
    Unavailable,
    UnknownOrder,
)
from fillbook.model import (
    Adjustment,
    Alert,
    Anomaly,
    BuyingPower,
    CheckReport,
    Confidence,
    Event,
    EventKind,
    Finding,
    Impact,
    Limits,
    Order,
    OrderClass,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Position,
    Preview,
    Quote,
    Reason,
    ReasonCode,
    SyncReport,
    Thresholds,
    TimeInForce,
    Trade,
    Verdict,
)
from fillbook.opening import check, open, open_async, read  # noqa: A004 - the field's words
from fillbook.store import Store

__version__ = "0.1.0"

__all__ = [
    "CHECKS",
    "AccountChanged",
    "Adjustment",
    "Alert",
    "AlreadySent",
    "Anomaly",
    "AsyncDesk",
    "BadAddress",
    "Book",
    "Broker",
    "BuyingPower",
    "Check",
    "CheckContext",
    "CheckReport",
    "Confidence",
    "CredentialsMissing",
    "Denied",
    "Desk",
    "Event",
    "EventKind",
    "ExtraMissing",
    "FillbookError",
    "Finding",
    "Impact",
    "InvalidValue",
    "KeyReused",
    "Limits",
    "Order",
    "OrderClass",
    "OrderRejected",
    "OrderRequest",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "Position",
    "Preview",
    "Quote",
    "ReadFailed",
    "Reason",
    "ReasonCode",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreTooNew",
    "StoreUnavailable",
    "SyncReport",
    "Thresholds",
    "TimeInForce",
    "Trade",
    "TradingDisabled",
    "Unavailable",
    "UnknownOrder",
    "Verdict",
    "check",
    "open",
    "open_async",
    "read",
]
