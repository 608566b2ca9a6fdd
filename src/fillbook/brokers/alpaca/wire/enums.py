"""
Alpaca's enumerations and ours.  An unknown value is UNRECOGNISED (or OTHER), never an error.

Statuses: https://docs.alpaca.markets/docs/orders-at-alpaca#order-lifecycle.
Activities: https://docs.alpaca.markets/docs/account-activities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from fillbook import model as m

#: The time zone of Alpaca's dates and times without a zone.
NEW_YORK: Final = ZoneInfo("America/New_York")

_OWN_STATUSES: Final = {
    m.OrderStatus.DENIED,
    m.OrderStatus.UNPROVEN,
    m.OrderStatus.ABSENT,
    m.OrderStatus.DISPUTED,
    m.OrderStatus.UNRECOGNISED,
}

#: Alpaca's order statuses have FIX's names.
STATUSES: Final[Mapping[str, m.OrderStatus]] = {
    status.value: status for status in m.OrderStatus if status not in _OWN_STATUSES
}

TYPES: Final[Mapping[str, m.OrderType]] = {
    each.value: each for each in m.OrderType if each is not m.OrderType.UNRECOGNISED
}

#: Ours, which no broker reports.
_OWN_TIMES_IN_FORCE: Final = {m.TimeInForce.DEFAULT, m.TimeInForce.UNRECOGNISED}

TIMES_IN_FORCE: Final[Mapping[str, m.TimeInForce]] = {
    each.value: each for each in m.TimeInForce if each not in _OWN_TIMES_IN_FORCE
}

#: A simple order has an empty class or "simple".
CLASSES: Final[Mapping[str, m.OrderClass]] = {
    "": m.OrderClass.SIMPLE,
    "simple": m.OrderClass.SIMPLE,
    "bracket": m.OrderClass.BRACKET,
    "oco": m.OrderClass.OCO,
    "oto": m.OrderClass.OTO,
}

#: The longer values occur in old fill activities and in `position_intent`.
SIDES: Final[Mapping[str, m.OrderSide]] = {
    "buy": m.OrderSide.BUY,
    "buy_to_open": m.OrderSide.BUY,
    "buy_to_close": m.OrderSide.BUY,
    "sell": m.OrderSide.SELL,
    "sell_short": m.OrderSide.SELL,
    "sell_to_open": m.OrderSide.SELL,
    "sell_to_close": m.OrderSide.SELL,
}

ASSET_CLASSES: Final[Mapping[str, m.AssetClass]] = {
    "us_equity": m.AssetClass.EQUITY,
    "crypto": m.AssetClass.CRYPTO,
    "us_option": m.AssetClass.OPTION,
}

#: The inverse, for the query of Alpaca's lists.
ASSET_CLASS_NAMES: Final[Mapping[m.AssetClass, str]] = {
    ours: theirs for theirs, ours in ASSET_CLASSES.items()
}

_K = m.ActivityKind
ACTIVITIES: Final[Mapping[str, m.ActivityKind]] = {
    **dict.fromkeys(("split", "ssp"), _K.SPLIT),
    **dict.fromkeys(("fee", "cfee", "ptc", "ptr"), _K.FEE),
    **dict.fromkeys(
        (
            "div",
            "divcgl",
            "divcgs",
            "divfee",
            "divft",
            "divnra",
            "divroc",
            "divtw",
            "divtxex",
            "divwh",
            "cgd",
        ),
        _K.DIVIDEND,
    ),
    **dict.fromkeys(("int", "intnra", "inttw"), _K.INTEREST),
    **dict.fromkeys(
        ("jnl", "jnlc", "jnls", "acatc", "acats", "fopt", "csd", "csw", "csr", "trans"),
        _K.TRANSFER,
    ),
    **dict.fromkeys(("opasn", "opexp", "opexc", "opxrc", "optrd", "opcsh"), _K.ASSIGNMENT),
    **dict.fromkeys(("nc", "sc"), _K.SYMBOL_CHANGE),
    **dict.fromkeys(("ma", "reorg", "opca"), _K.MERGER),
    **dict.fromkeys(("spin", "vof"), _K.SPIN_OFF),
}
