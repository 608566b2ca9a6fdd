"""
The requests of clients, parsed as Alpaca does.

Numbers are JSON numbers or strings, booleans are in any case, symbols in any spelling.  A value
that cannot be parsed raises `Refused`, with Alpaca's status and code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from attrs import evolve, field, frozen

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.venue.alpaca.switches import Behavior
from fillbook.venue.exchange import (
    Account,
    Amendment,
    Configurations,
    Exchange,
    OrderFilter,
    Refused,
    Ticket,
)

E = TypeVar("E", bound=StrEnum)

#: The members of a body by which the fault plan may select a request.
_SUBJECT_FIELDS: Final = ("symbol", "client_order_id")

ORDERS_MAX: Final = 500
_ORDERS_DEFAULT: Final = 50
_DIGITS_MAX: Final = 18
#: Stricter than Python, whose numbers may have spaces, underscores and digits of any script.
_NUMERAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def bad(message: str, code: int = 40010001) -> Refused:
    """Return the refusal of input that cannot be parsed: 422."""
    return Refused(422, code, message, m.RejectKind.INPUT)


@frozen
class ApiRequest:
    """One request of one account; `path` holds the decoded parameters of the path."""

    exchange: Exchange
    account: Account
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: bytes
    behavior: Behavior = field(factory=Behavior)

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the body.  Raises: Refused, if it is not one."""
        try:
            found = json.loads(self.raw_body, parse_float=Decimal, parse_constant=_reject_constant)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Refused(400, 40010000, "request body format is invalid", m.RejectKind.INPUT)
        return found

    def subjects(self) -> frozenset[str]:
        """Return the symbols and ids of the request, for the fault plan."""
        found = {*self.path.values(), self.query.get("client_order_id")}
        with suppress(Refused):
            body = self.body()
            found |= {each for name in _SUBJECT_FIELDS if isinstance(each := body.get(name), str)}
        order = self.account.truth.get(self.path.get("order_id", ""))
        if order is not None:
            found |= {order.symbol, order.client_order_id}
        return frozenset(self.symbol(each) for each in found if each)

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1", "t")

    def words(self, name: str) -> frozenset[str]:
        """Return the comma-separated values of the query's *name*."""
        return frozenset(filter(None, self.query.get(name, "").split(",")))

    def integer(self, name: str, default: int, maximum: int) -> int:
        """Return the query's *name*, an integer from 1 to *maximum*.  Raises: Refused."""
        text = self.query.get(name) or str(default)
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= maximum:
            raise bad(f"{name} must be between 1 and {maximum}")
        return int(text)

    def moment(self, name: str) -> m.Timestamp | None:
        """Return the query's *name*, a time or the midnight (UTC) of a date.  Raises: Refused."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            if len(text) == len("2026-01-02"):
                day = date.fromisoformat(text)
                return m.timestamp(datetime.combine(day, datetime.min.time(), UTC))
            # A plus sign that was not encoded arrives as a space.
            return m.timestamp(text.replace(" ", "+") if "T" in text else text)
        except (InvalidValue, ValueError):
            raise bad(f"invalid {name}: cannot parse {text[:40]!r} as a time") from None

    def day(self, name: str, default: date) -> date:
        text = self.query.get(name)
        try:
            return date.fromisoformat(text[:10]) if text else default
        except ValueError:
            raise bad(f"invalid {name}: cannot parse {text!r} as a date") from None

    def symbol(self, spelling: str) -> str:
        """Return the exchange's symbol for *spelling*; *spelling* itself if it is unknown."""
        found = self.exchange.instrument(spelling)
        return spelling if found is None else found.symbol


def order_filter(request: ApiRequest) -> OrderFilter:
    """Return the filter of ``GET /v2/orders``.  Raises: Refused."""
    query = request.query
    scope = query.get("status") or "open"
    if scope not in ("open", "closed", "all"):
        raise bad(f"invalid status: {scope}")
    by_id = {name for name in ("after_order_id", "before_order_id") if query.get(name)}
    by_time = {name for name in ("after", "until") if query.get(name)}
    if len(by_id) > 1 or (by_id and by_time):
        raise bad("after_order_id, before_order_id and times are mutually exclusive")
    for name in by_id:
        if request.account.order(query[name], nested=False) is None:
            raise bad(f"invalid {name}: order not found")
    return OrderFilter(
        scope=scope,
        after=request.moment("after"),
        until=request.moment("until"),
        after_order_id=query.get("after_order_id") or None,
        before_order_id=query.get("before_order_id") or None,
        symbols=frozenset(request.symbol(each) for each in request.words("symbols")),
        side=_enum_value(m.OrderSide, "side", query.get("side")),
        oldest_first=_direction(request) == "asc",
        nested=request.flag("nested"),
        limit=request.integer("limit", _ORDERS_DEFAULT, ORDERS_MAX),
    )


def _direction(request: ApiRequest) -> str:
    found = request.query.get("direction") or "desc"
    if found not in ("asc", "desc"):
        raise bad(f"invalid direction: {found}")
    return found


def is_ascending(request: ApiRequest) -> bool:
    return _direction(request) == "asc"


def ticket(request: ApiRequest) -> Ticket:
    """Return the ticket in the body of ``POST /v2/orders``.  Raises: Refused."""
    body = request.body()
    take_profit, stop_loss = _exit(body, "take_profit"), _exit(body, "stop_loss")
    side = _enum_value(m.OrderSide, "side", body.get("side"))
    kind = _enum_value(m.OrderType, "type", body.get("type"))
    time_in_force = _enum_value(m.TimeInForce, "time_in_force", body.get("time_in_force"))
    if side is None or kind is None or time_in_force is None:
        raise bad("side, type and time_in_force are required")
    order_class = body.get("order_class") or m.OrderClass.SIMPLE
    return Ticket(
        symbol=request.symbol(_text(body, "symbol") or _raise_missing("symbol")),
        side=side,
        type=kind,
        time_in_force=time_in_force,
        order_class=_enum_value(m.OrderClass, "order_class", order_class) or m.OrderClass.SIMPLE,
        qty=_number(body, "qty"),
        notional=_number(body, "notional"),
        limit_price=_number(body, "limit_price"),
        stop_price=_number(body, "stop_price"),
        trail_price=_number(body, "trail_price"),
        trail_percent=_number(body, "trail_percent"),
        take_profit=_number(take_profit, "limit_price"),
        stop_loss=_number(stop_loss, "stop_price"),
        stop_loss_limit=_number(stop_loss, "limit_price"),
        extended_hours=_flag(body, "extended_hours"),
        closes=_closes(body, side) if request.behavior.enforces_intent else None,
        client_order_id=_text(body, "client_order_id"),
    )


def _closes(body: Mapping[str, Any], side: m.OrderSide) -> bool | None:
    """Return whether the order says that it closes a position; None: it says nothing."""
    intent = _text(body, "position_intent")
    if intent is None:
        return None
    if intent not in (f"{side}_to_close", f"{side}_to_open"):
        raise bad("invalid position_intent specified")
    return intent.endswith("_to_close")


def amendment(request: ApiRequest) -> Amendment:
    """Return the changes in the body of ``PATCH /v2/orders/{id}``.  Raises: Refused."""
    body = request.body()
    if _number(body, "notional") is not None:
        raise bad("notional can be changed of IPO orders only")
    return Amendment(
        qty=_number(body, "qty"),
        limit_price=_number(body, "limit_price"),
        stop_price=_number(body, "stop_price"),
        trail=_number(body, "trail"),
        time_in_force=_enum_value(m.TimeInForce, "time_in_force", body.get("time_in_force")),
        client_order_id=_text(body, "client_order_id"),
    )


#: The values that a configuration may have, as they are sent.
_CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    **dict.fromkeys(
        (
            "suspend_trade",
            "no_shorting",
            "fractional_trading",
            "disable_overnight_trading",
            "ptp_no_exception_entry",
        ),
        (True, False),
    ),
    "max_margin_multiplier": ("1", "2", "4"),
    "max_options_trading_level": (0, 1, 2, 3),
    "trade_confirm_email": ("all", "none"),
}


def configurations(request: ApiRequest) -> Configurations:
    """Return the current configurations, changed by the body of the ``PATCH``.  Raises: Refused."""
    body = request.body()
    given = {name: body[name] for name in _CHOICES if body.get(name) is not None}
    for name, value in given.items():
        if not any(value == choice and type(value) is type(choice) for choice in _CHOICES[name]):
            raise bad(f"invalid {name}")
    if "max_margin_multiplier" in given:
        given["max_margin_multiplier"] = int(given["max_margin_multiplier"])
    return evolve(request.account.configurations, **given)


def _exit(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name) or {}
    if not isinstance(found, dict):
        raise bad(f"{name} is invalid")
    return found


def _text(body: Mapping[str, Any], name: str) -> str | None:
    found = body.get(name)
    if found is None or found == "":
        return None
    if not isinstance(found, str) or "\x00" in found:
        raise bad(f"{name} is invalid")
    return found


def _enum_value(words: type[E], name: str, found: object) -> E | None:
    """
    Return the member of *words* with the value *found*; None if there is no value.

    Members of our own, which Alpaca does not have, are invalid.
    """
    if found is None or found == "":
        return None
    if isinstance(found, str) and found != "unrecognised":
        for word in words:
            if word.value == found.lower():
                return word
    raise bad(f"invalid {name}", 42210000)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    found = body.get(name) or False
    if str(found).lower() not in ("true", "false"):
        raise bad(f"invalid {name}")
    return str(found).lower() == "true"


def _number(body: Mapping[str, Any], name: str) -> Decimal | None:
    found = body.get(name)
    if found is None or found == "":
        return None
    if isinstance(found, str) and not _NUMERAL.fullmatch(found):
        raise bad(f"invalid {name}")
    try:
        value = m.number(found)
    except InvalidValue:
        raise bad(f"invalid {name}") from None
    if value and abs(value.adjusted()) > _DIGITS_MAX:
        raise bad(f"invalid {name}")
    return value


def amount(request: ApiRequest, name: str) -> Decimal | None:
    """Return the number in the query's *name*; None if there is none."""
    return _number(request.query, name)


def _raise_missing(name: str) -> NoReturn:
    raise bad(f"{name} is required")


def _reject_constant(word: str) -> NoReturn:
    raise ValueError(word)
