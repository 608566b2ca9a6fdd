"""Replies of Coinbase with the keys of recorded ones; *more* overrides their values."""

from __future__ import annotations

import json
from typing import Any

from fillbook.brokers.wire.fields import parse

ID = "3b1e3c1e-0f6e-4d2b-9d4c-6f3f2f9f0001"
OWNER = "6a0e1c9c-aa11-4b7b-8c57-0e6d2b6d0002"


def order(**more: Any) -> dict[str, Any]:
    """An order of 2026; the values hang together."""
    return {
        "order_id": ID,
        "product_id": "BTC-USD",
        "user_id": "user-1",
        "order_configuration": {
            "limit_limit_gtc": {
                "base_size": "0.5",
                "limit_price": "20000",
                "post_only": False,
                "rfq_disabled": False,
                "currency_size": "",
            }
        },
        "side": "BUY",
        "client_order_id": "mine-1",
        "status": "OPEN",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "created_time": "2026-03-02T15:00:00.123456Z",
        "completion_percentage": "40",
        "filled_size": "0.2",
        "average_filled_price": "19990",
        "fee": "",
        "number_of_fills": "2",
        "filled_value": "3998",
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": "23.988",
        "size_inclusive_of_fees": False,
        "total_value_after_fees": "4021.988",
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": False,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": "",
        "last_fill_time": "2026-03-02T15:00:05.5Z",
        "edit_history": [],
        "attached_order_configuration": None,
        **more,
    }


def configured(kind: str, **terms: Any) -> dict[str, Any]:
    return {"order_configuration": {kind: terms}}


def fill(**more: Any) -> dict[str, Any]:
    return {
        "entry_id": "entry-1",
        "trade_id": "trade-1",
        "order_id": ID,
        "trade_time": "2026-03-02T15:00:05.123456789Z",
        "trade_type": "FILL",
        "price": "19990",
        "size": "0.2",
        "commission": "23.988",
        "product_id": "BTC-USD",
        "sequence_timestamp": "2026-03-02T15:00:05.2Z",
        "liquidity_indicator": "TAKER",
        "size_in_quote": False,
        "user_id": "user-1",
        "side": "BUY",
        "retail_portfolio_id": OWNER,
        "fillSource": "FILL_SOURCE_CLOB",
        **more,
    }


def wallet(currency: str, available: str = "0", hold: str = "0", **more: Any) -> dict[str, Any]:
    return {
        "uuid": f"wallet-{currency}",
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": available, "currency": currency},
        "default": False,
        "active": True,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": hold, "currency": currency},
        "retail_portfolio_id": OWNER,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
        **more,
    }


def accounts(*wallets: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    return {
        "accounts": list(wallets),
        "has_next": bool(cursor),
        "cursor": cursor,
        "size": len(wallets),
    }


def product(name: str = "BTC-USD", **more: Any) -> dict[str, Any]:
    return {
        "product_id": name,
        "price": "20000",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "price_increment": "0.01",
        "quote_min_size": "1",
        "base_min_size": "0.0001",
        "status": "online",
        "is_disabled": False,
        "trading_disabled": False,
        "cancel_only": False,
        "limit_only": False,
        "view_only": False,
        "product_type": "SPOT",
        "base_currency_id": name.partition("-")[0],
        "quote_currency_id": name.partition("-")[2],
        "alias": "",
        "alias_to": [],
        **more,
    }


def created(order_id: str = ID, name: str = "mine-1") -> dict[str, Any]:
    success = {
        "order_id": order_id,
        "product_id": "BTC-USD",
        "side": "BUY",
        "client_order_id": name,
        "attached_order_id": "",
    }
    return {"success": True, "success_response": success, "order_configuration": None}


def failed(**reasons: str) -> dict[str, Any]:
    return {"success": False, "error_response": reasons, "order_configuration": {}}


def summary(taker: str = "0.012", maker: str = "0.006") -> dict[str, Any]:
    """The summary of transactions of 2026: some of its figures are JSON numbers."""
    return {
        "total_volume": 0,
        "total_fees": 0,
        "fee_tier": {
            "pricing_tier": "Intro 1",
            "usd_from": "",
            "usd_to": "",
            "taker_fee_rate": taker,
            "maker_fee_rate": maker,
            "volume_types_and_range": [{"volume_types": ["VOLUME_TYPE_SPOT"], "vol_from": "0"}],
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "total_balance": "468.35",
        "volume_breakdown": [{"volume_type": "VOLUME_TYPE_SPOT", "volume": 0}],
    }


def book(product_id: str = "BTC-USD", bid: str = "20000", ask: str = "20001") -> dict[str, Any]:
    return {
        "product_id": product_id,
        "bids": [{"price": bid, "size": "1"}],
        "asks": [{"price": ask, "size": "1"}],
        "time": "2026-03-02T15:00:00Z",
    }


def frame(channel: str, *events: dict[str, Any]) -> dict[str, Any]:
    return {
        "channel": channel,
        "client_id": "",
        "timestamp": "2026-03-02T15:00:00.754118917Z",
        "sequence_num": 3,
        "events": list(events),
    }


def streamed(**more: Any) -> dict[str, Any]:
    """An order as frames of 2023 have it: few fields, and one of them in another spelling."""
    return {
        "avg_price": "0",
        "cancel_reason": "",
        "client_order_id": "mine-1",
        "creation_time": "2026-03-02T15:00:00.616692Z",
        "cumulative_quantity": "0",
        "leaves_quantity": "5",
        "order_id": ID,
        "order_side": "BUY",
        "order_type": "Limit",
        "product_id": "ADA-USDT",
        "reject_Reason": "",
        "status": "OPEN",
        "total_fees": "0",
        **more,
    }


def read(body: object) -> object:
    """The body as the adapter parses it."""
    return parse(json.dumps(body))
