"""Messages of Alpaca, as bytes: a page of orders, and one message of the stream."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any


def _id(number: int, kind: int) -> str:
    return str(uuid.UUID(int=(number << 64) + kind + (4 << 76)))


def order(number: int, status: str = "new", filled: str = "0") -> dict[str, Any]:
    """Return an order as Alpaca writes it."""
    dice = random.Random(number)
    moment = f"2026-09-21T13:30:{number % 60:02d}.{dice.randrange(10**9):09d}Z"
    empty = (
        *("filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at", "replaced_by"),
        *("replaces", "notional", "filled_avg_price", "stop_price", "legs", "trail_percent"),
        *("trail_price", "hwm", "subtag", "source", "ratio_qty"),
    )
    return {
        **dict.fromkeys(empty),
        "id": _id(number, 1),
        "client_order_id": f"fb-team-{_id(number, 2)[:24]}",
        "created_at": moment,
        "updated_at": moment,
        "submitted_at": moment,
        "expires_at": "2026-12-20T21:00:00Z",
        "asset_id": _id(number, 3),
        "symbol": f"S{number % 1000}",
        "asset_class": "us_equity",
        "qty": str(dice.randint(1, 500)),
        "filled_qty": filled,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy" if number % 2 else "sell",
        "position_intent": "buy_to_open",
        "time_in_force": "gtc",
        "limit_price": str(dice.randint(1_000, 90_000) / 100),
        "status": status,
        "extended_hours": False,
    }


def page(count: int, number: int) -> bytes:
    """Return page *number* of *count* orders; no two pages have an order in common."""
    return json.dumps([order(number * count + x) for x in range(count)]).encode()


def update(number: int) -> bytes:
    """Return a message of the stream: a partial fill."""
    fill = {
        "event": "partial_fill",
        "execution_id": _id(number, 9),
        "order": order(number, "partially_filled", "5"),
        "timestamp": f"2026-09-21T13:30:01.{number:09d}Z",
        "position_qty": "5",
        "price": "101.25",
        "qty": "5",
    }
    return json.dumps({"stream": "trade_updates", "data": fill}).encode()
