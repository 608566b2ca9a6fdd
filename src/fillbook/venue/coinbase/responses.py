"""Coinbase's JSON of orders, fills, wallets and products; numbers are strings."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.coinbase.configurations import (
    ORDER_TYPES,
    TIMES_IN_FORCE,
    configuration,
)
from fillbook.venue.coinbase.requests import ApiRequest, Json
from fillbook.venue.coinbase.switches import Behavior
from fillbook.venue.exchange import Account, Edit, Exchange, Fill, OrderVersion, SpotTerms, Wallet
from fillbook.venue.exchange.market import spot
from fillbook.venue.exchange.market.matching import Prices

S: Final = m.OrderStatus

STATUSES: Final = {
    S.PENDING_NEW: "PENDING",
    S.ACCEPTED: "PENDING",
    S.NEW: "OPEN",
    S.PARTIALLY_FILLED: "OPEN",
    S.PENDING_CANCEL: "CANCEL_QUEUED",
    S.PENDING_REPLACE: "EDIT_QUEUED",
    S.FILLED: "FILLED",
    S.CANCELED: "CANCELLED",
    S.EXPIRED: "EXPIRED",
    S.REJECTED: "FAILED",
}
#: The sources of orders: the app, and everything else.
PLACED_BY_HAND, PLACED_BY_API = "RETAIL_SIMPLE", "RETAIL_ADVANCED"
_EDITS_SHOWN: Final = 5
_CASH: Final = frozenset({"USD", "EUR", "GBP"})
_FLAGS: Final = (
    "is_disabled",
    "new",
    "cancel_only",
    "limit_only",
    "post_only",
    "trading_disabled",
    "auction_mode",
    "view_only",
)
_NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "USD": "US Dollar"}


def product_id(symbol: str) -> str:
    return symbol.replace("/", "-")


def status(order: OrderVersion, behavior: Behavior) -> str:
    """Return Coinbase's status; one of our own that it does not have is passed on."""
    if order.status == S.PENDING_CANCEL and behavior.cancel_shows_open:
        return "OPEN"
    return (
        STATUSES.get(m.OrderStatus(order.status), "")
        if order.status in STATUSES
        else (str(order.status).upper())
    )


def fills_in(account: Account, order: OrderVersion) -> list[Fill]:
    """Return the executions that this version of *order* has."""
    found = account.truth.fills(order.id)
    return [f for f in found if f.cum_qty <= order.filled_qty and not f.is_corrected]


def hold(exchange: Exchange, order: OrderVersion) -> Decimal:
    terms = exchange.spot or SpotTerms()
    quote = exchange.quote_of(order.symbol)
    assert quote is not None
    return spot.held(order, Prices(quote.bid, quote.ask), terms)[1]


def order(request: ApiRequest, found: OrderVersion) -> Json:
    """Return an order, as a read by id and a list show it."""
    account, fills = request.account, fills_in(request.account, found)
    value = sum((f.traded_value for f in fills), m.ZERO)
    fees = sum((f.fee for f in fills), m.ZERO)
    shown = status(found, request.behavior)
    is_failed = found.status == S.REJECTED
    return {
        "order_id": found.id,
        "product_id": product_id(found.symbol),
        "user_id": user_id(account),
        "order_configuration": None
        if request.behavior.null_configuration
        else configuration(found),
        "side": found.side.value.upper(),
        "client_order_id": found.client_order_id,
        "status": shown,
        "time_in_force": time_in_force(found),
        "created_time": _micro(found.created_at),
        "completion_percentage": m.plain(completion(found)),
        "filled_size": m.plain(found.filled_qty),
        "average_filled_price": m.plain(found.filled_avg_price or m.ZERO),
        "fee": "",
        "number_of_fills": str(len(fills)),
        "filled_value": m.plain(value),
        "pending_cancel": found.status == S.PENDING_CANCEL,
        "size_in_quote": found.notional is not None,
        "total_fees": m.plain(fees),
        "size_inclusive_of_fees": found.notional is not None,
        "total_value_after_fees": m.plain(value + found.side.sign * fees),
        "trigger_status": trigger_status(found),
        "order_type": order_type(found),
        "reject_reason": "HOLD_FAILURE" if is_failed else "REJECT_REASON_UNSPECIFIED",
        "settled": found.is_final and bool(found.filled_qty),
        "product_type": "SPOT",
        "reject_message": found.reason or "" if is_failed else "",
        "cancel_message": cancel_message(found),
        "order_placement_source": placed_by(account, found),
        "outstanding_hold_amount": m.plain(hold(request.exchange, found)),
        "is_liquidation": False,
        "last_fill_time": fills[-1].at if fills else None,
        "edit_history": [_edit(each) for each in found.edits[::-1][:_EDITS_SHOWN]],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": account.id,
        "originating_order_id": "",
        "attached_order_id": "",
        "attached_order_configuration": None,
        "current_pending_replace": None,
        "commission_detail_total": None,
        "workable_size": "",
        "workable_size_completion_percentage": "",
        "last_update_time": found.updated_at and _micro(found.updated_at),
    }


def _edit(found: Edit) -> Json:
    """Return an accepted edit, with its new terms."""
    return {
        "price": m.plain(found.limit_price or m.ZERO),
        "size": m.plain(found.qty or m.ZERO),
        "replace_accept_timestamp": _micro(found.at),
    }


def placed_by(account: Account, found: OrderVersion) -> str:
    return PLACED_BY_HAND if found.id in account.placed_by_hand else PLACED_BY_API


def user_id(account: Account) -> str:
    """Return the id of the user; several portfolios have the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"user of {account.name}"))


def _micro(at: m.Timestamp) -> str:
    """Return a time with six digits of a second."""
    return at[:26] + "Z"


def completion(found: OrderVersion) -> Decimal:
    """Return how much of an order has filled, in percent."""
    if found.status == S.FILLED:
        return Decimal(100)
    if found.qty:
        return m.cut(found.filled_qty * 100 / found.qty, Decimal("0.01"))
    return m.cut(found.spent * 100 / (found.notional or Decimal(1)), Decimal("0.01"))


def order_type(found: OrderVersion) -> str:
    return "BRACKET" if found.order_class is m.OrderClass.OCO else ORDER_TYPES[found.type]


def time_in_force(found: OrderVersion) -> str:
    if found.type is m.OrderType.MARKET:
        return TIMES_IN_FORCE[m.TimeInForce.IOC]
    return TIMES_IN_FORCE.get(found.time_in_force, "UNKNOWN_TIME_IN_FORCE")


def trigger_status(found: OrderVersion) -> str:
    if found.stop_price is None:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if found.is_triggered else "STOP_PENDING"


def cancel_message(found: OrderVersion) -> str:
    if found.status != S.CANCELED:
        return ""
    return "User requested cancel" if found.cancel_requested_at else "Internal error"


def fill(account: Account, row: Fill, kind: str, notional: Decimal | None) -> Json:
    """Return a row of the fills; one of an order sized in the quote has its size in it too."""
    in_quote = notional is not None
    return {
        "entry_id": f"{row.exec_id}-reversal" if kind == "REVERSAL" else row.exec_id,
        "trade_id": row.stream_id,
        "order_id": row.order_id,
        "trade_time": row.at,
        "trade_type": kind,
        "price": m.plain(row.price),
        "size": m.plain(row.traded_value if in_quote else row.qty),
        "commission": m.plain(row.fee),
        "product_id": product_id(row.symbol),
        "sequence_timestamp": row.at,
        "liquidity_indicator": "MAKER" if row.is_maker else "TAKER",
        "size_in_quote": in_quote,
        "user_id": user_id(account),
        "side": row.side.value.upper(),
        "retail_portfolio_id": account.id,
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": {
            "total_commission": m.plain(row.fee),
            "gst_commission": "0",
            "withholding_commission": "0",
            "client_commission": m.plain(row.fee),
        },
    }


def wallet(
    found: Wallet, portfolio: str, created_at: m.Timestamp, *, is_usable: bool = True
) -> Json:
    """Return a wallet; *portfolio* is the id of the portfolio that it belongs to."""
    kind = "FIAT" if found.currency in _CASH else "CRYPTO"
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{portfolio} {found.currency}")),
        "name": f"{found.currency} Wallet",
        "currency": found.currency,
        "available_balance": _money(found.available, found.currency),
        "default": found.currency == "USD",
        "active": is_usable,
        "created_at": created_at[:19] + "Z",
        "updated_at": created_at[:19] + "Z",
        "deleted_at": None,
        "type": f"ACCOUNT_TYPE_{kind}",
        "ready": is_usable,
        "hold": _money(min(found.hold, max(m.ZERO, found.total)), found.currency),
        "retail_portfolio_id": portfolio,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def _money(value: Decimal, currency: str) -> Json:
    return {"value": m.plain(value), "currency": currency}


def product(exchange: Exchange, listed: m.Instrument, flags: Iterable[str]) -> Json:
    """Return a product; *flags* are those of its flags that are true."""
    base, quote = spot.currencies(listed.symbol)
    prices = exchange.quote_of(listed.symbol)
    assert prices is not None
    book = spot.ALIASES.get(listed.symbol, "")
    shared = [product_id(name) for name, other in spot.ALIASES.items() if other == listed.symbol]
    quote_step = m.plain(Decimal("0.01") if quote in ("USD", "USDC") else Decimal("0.00000001"))
    on = frozenset(flags)
    return {
        "product_id": product_id(listed.symbol),
        "price": m.plain(prices.ask),
        "price_percentage_change_24h": "0",
        "volume_24h": "0",
        "volume_percentage_change_24h": "0",
        "base_increment": m.plain(listed.qty_increment),
        "quote_increment": quote_step,
        "quote_min_size": m.plain(listed.min_notional or m.ZERO),
        "quote_max_size": "150000000",
        "base_min_size": m.plain(listed.min_qty or m.ZERO),
        "base_max_size": "3400000",
        "base_name": _NAMES.get(base, base),
        "quote_name": _NAMES.get(quote, quote),
        "watched": False,
        "status": "online" if listed.tradable else "delisted",
        **{name: name in on for name in _FLAGS},
        "product_type": "SPOT",
        "quote_currency_id": quote,
        "base_currency_id": base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": product_id(book),
        "alias_to": shared,
        "base_display_symbol": base,
        "quote_display_symbol": "USD" if quote == "USDC" else quote,
        "price_increment": m.plain(listed.price_increment or Decimal("0.01")),
        "display_name": product_id(listed.symbol),
        "product_venue": "CBE",
        "approximate_quote_24h_volume": "0",
        "new_at": "2023-01-01T00:00:00Z",
        "market_cap": "",
        "base_cbrn": "",
        "quote_cbrn": "",
        "product_cbrn": "",
        "icon_color": "",
        "icon_url": "",
        "display_name_overwrite": "",
        "is_alpha_testing": False,
        "about_description": "",
        "best_bid_price": "",
        "best_ask_price": "",
    }


def book(exchange: Exchange, symbol: str) -> Json:
    """Return the best bid and ask of a product."""
    found = exchange.quote_of(symbol)
    assert found is not None
    return {
        "product_id": product_id(symbol),
        "bids": [{"price": m.plain(found.bid), "size": "10"}],
        "asks": [{"price": m.plain(found.ask), "size": "10"}],
        "time": m.timestamp(found.at),
    }
