"""Alpaca's payloads: real key sets, invented values."""

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent / "payloads"


def recorded(family: str) -> dict[str, Any]:
    """A fresh copy of the payloads of one *family*, by name."""
    return json.loads((_HERE / f"{family}.json").read_text())


def an_order(**changes: Any) -> dict[str, Any]:
    """A resting limit order for KO, with *changes*."""
    return recorded("orders")["equity_limit_gtc_accepted"] | changes


def a_fill_event(event: str = "fill", *, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A frame of the stream about *order*."""
    frame = recorded("frames")["trade_updates_fill_crypto"]
    frame["data"] |= {"event": event, "order": order} | changes
    return frame
