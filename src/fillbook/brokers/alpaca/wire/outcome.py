"""
Decode Alpaca's replies that are not a success.

Rule 1: a write is rejected only by Alpaca's own JSON, with a status of 4xx.
        Any other reply that may come from a gateway is `Ambiguous`.
Rule 2: an order is absent only by Alpaca's own JSON and code.
Rule 3: the code is less specific than the message (40310000 has ten meanings), so the
        kind depends on the status and a part of the message; the first row that matches
        applies.

Source: https://docs.alpaca.markets/docs/api-error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.brokers.wire.fields import Row, parse, row
from fillbook.brokers.wire.http import date_of, describe_status
from fillbook.errors import InvalidValue
from fillbook.model.text.foreign import foreign

_RATE_LIMITED: Final = "42910000"
_NOT_FOUND: Final = "40410000"
_KEY_HINT: Final = "the key and its secret, and paper against live"


@frozen
class Reply:
    """A reply; header names are lower case."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def rate_limit(self) -> m.RateLimit | None:
        """The rate limit in the headers; None without these headers."""
        names = ("limit", "remaining", "reset")
        try:
            limit, remaining, reset = (int(self.headers[f"x-ratelimit-{name}"]) for name in names)
            return m.RateLimit(limit, remaining, datetime.fromtimestamp(reset, UTC))
        except (KeyError, ValueError, OverflowError, OSError):
            return None

    @property
    def at(self) -> datetime | None:
        """Alpaca's time of the reply, to the second; None without a Date header."""
        return date_of(self.headers)

    @property
    def resets_at(self) -> datetime | None:
        rate_limit = self.rate_limit
        return None if rate_limit is None else rate_limit.resets_at

    @property
    def error(self) -> Row | None:
        """The body, if it is an error object of Alpaca; else None."""
        try:
            found = row(parse(self.text), "error")
            found.text("code")
            return found if found.text("message") else None
        except InvalidValue:
            return None


_K = m.RejectKind

#: (status or None for any, part of the lower-case message, kind); the first match applies.
REFUSALS: Final[tuple[tuple[int | None, str, m.RejectKind], ...]] = (
    (None, "client_order_id must be unique", _K.DUPLICATE),
    (None, "insufficient buying power", _K.FUNDS),
    (None, "insufficient day trading buying power", _K.FUNDS),
    (None, "insufficient qty", _K.QTY_HELD),
    (None, "insufficient balance for usd", _K.FUNDS),
    (None, "insufficient balance", _K.QUANTITY),
    (None, "open closing position orders", _K.QTY_HELD),
    (None, "wash trade", _K.WASH_TRADE),
    (None, "minimal amount of order", _K.QUANTITY),
    (None, "cannot be sold short", _K.NO_POSITION),
    # An order that says that it closes, without a position to close:
    # https://github.com/alpacahq/Alpaca-API/issues/250
    (None, "position intent mismatch", _K.NO_POSITION),
    (404, "position does not exist", _K.NO_POSITION),
    (404, "asset not found", _K.INSTRUMENT),
    (404, "order not found", _K.NOT_FOUND),
    (None, "not fractionable", _K.INSTRUMENT),
    (422, "is not tradable", _K.INSTRUMENT),
    (422, "is not active", _K.INSTRUMENT),
    (422, "asset ", _K.INSTRUMENT),
    (None, "not allowed to short", _K.PERMISSION),
    (None, "not authorized to trade", _K.PERMISSION),
    (None, "pattern day trading", _K.PERMISSION),
    (None, "crypto trading is not available", _K.PERMISSION),
    (None, "sub-penny increment", _K.PRICE),
    (None, "stop price must be", _K.PRICE),
    (None, "base_price", _K.PRICE),
    (None, "decimal places", _K.QUANTITY),
    (None, "fractional orders must be", _K.UNSUPPORTED),
    (None, "extended hours order", _K.UNSUPPORTED),
    (None, "not allowed for advanced", _K.UNSUPPORTED),
    (None, "invalid order type", _K.UNSUPPORTED),
    (None, "invalid crypto time_in_force", _K.UNSUPPORTED),
    (None, "invalid time_in_force", _K.UNSUPPORTED),
    (None, "orders are not accepted between", _K.NOT_NOW),
    (None, "trailing stop orders must", _K.UNSUPPORTED),
    (None, "symbol is not allowed", _K.UNSUPPORTED),
    (None, "bracket orders", _K.UNSUPPORTED),
    (None, "oco orders", _K.UNSUPPORTED),
    (None, "oto orders", _K.UNSUPPORTED),
    (None, "cannot be changed", _K.UNSUPPORTED),
    (None, "cannot be replaced", _K.UNSUPPORTED),
    (None, "must not have a", _K.PRICE),
    (None, "cannot cancel order in", _K.NOT_NOW),
    (None, "order is already in", _K.TOO_LATE),
    (None, "order already replaced", _K.TOO_LATE),
    (None, "order chain not fully replaced", _K.NOT_NOW),
    (None, "already pending replacement", _K.NOT_NOW),
    (None, "isn't sent to exchange yet", _K.NOT_NOW),
    (None, "cannot replace order in", _K.NOT_NOW),
    (None, "qty must be > filled_qty", _K.QUANTITY),
    (None, "qty or notional is required", _K.INPUT),
    (None, "client_order_id must be no more than", _K.INPUT),
    (None, "parameters are not changed", _K.INPUT),
)

#: An order in one of these statuses cannot be replaced.
_FINAL_STATUSES: Final = ("filled", "canceled", "expired", "replaced", "rejected")

#: For messages that match no row.
BY_STATUS: Final[Mapping[int, m.RejectKind]] = {
    400: _K.INPUT,
    401: _K.PERMISSION,
    403: _K.PERMISSION,
    404: _K.NOT_FOUND,
    422: _K.INPUT,
}


def table() -> Sequence[Sequence[str]]:
    """Return the rejects and their kinds as rows of text; the first row has the headings."""
    return [
        ["HTTP", "what the message contains", "kind"],
        *([str(status or "4xx"), piece.strip(), str(kind)] for status, piece, kind in REFUSALS),
        *([str(status), "anything else", str(kind)] for status, kind in BY_STATUS.items()),
        ["4xx", "anything else", str(m.RejectKind.OTHER)],
    ]


def kind_of(status: int, error: Row) -> m.RejectKind:
    """Return the kind of a reject, by status and message."""
    message = foreign(error.text("message") or "").lower()
    if "cannot replace order in" in message and any(
        f"in {end}" in message for end in _FINAL_STATUSES
    ):
        return m.RejectKind.TOO_LATE
    for wanted, piece, kind in REFUSALS:
        if wanted in (None, status) and piece in message:
            return _qty_held_or_no_position(error) if kind is _K.QTY_HELD else kind
    return BY_STATUS.get(status, m.RejectKind.OTHER)


def _qty_held_or_no_position(error: Row) -> m.RejectKind:
    """Decide between units that other orders reserve and no position."""
    try:
        existing = error.number("existing_qty")
    except InvalidValue:
        existing = None
    return _K.NO_POSITION if existing == 0 else _K.QTY_HELD


def of_write(reply: Reply) -> m.Rejected | m.NotSent | m.Ambiguous:
    """Decode an unsuccessful reply to a write."""
    error, rate_limit = reply.error, reply.rate_limit
    described = _described(reply, error)
    if reply.status == 401:
        # The gateway refused the key, in JSON or in HTML; the request went no further.
        return m.Rejected(m.RejectKind.PERMISSION, described, "", rate_limit)
    if error is None or not 400 <= reply.status < 500:
        return m.Ambiguous(_failure(reply.status), described, rate_limit)
    code = error.text("code") or ""
    if reply.status == 429:
        if code != _RATE_LIMITED:
            return m.Ambiguous(m.Failure.RATE_LIMITED, described, rate_limit)
        return m.NotSent(m.Failure.RATE_LIMITED, described, reply.resets_at, rate_limit)
    return m.Rejected(kind_of(reply.status, error), error.need_text("message"), code, rate_limit)


def of_read(reply: Reply) -> m.NotObserved:
    """Decode an unsuccessful reply to a read."""
    retry_at = reply.resets_at if reply.status == 429 else None
    described = _described(reply, reply.error)
    return m.NotObserved(_failure(reply.status), described, retry_at, reply.rate_limit)


def of_read_by_id(reply: Reply) -> m.NotObserved | m.Absent:
    """Decode an unsuccessful reply to a read by id: not found at Alpaca, or not observed."""
    error = reply.error
    if reply.status == 404 and error is not None and error.text("code") == _NOT_FOUND:
        message = error.need_text("message")
        if "endpoint" not in message.lower():
            return m.Absent(message, reply.rate_limit)
    return of_read(reply)


def _failure(status: int) -> m.Failure:
    if status == 429:
        return m.Failure.RATE_LIMITED
    if status >= 500:
        return m.Failure.SERVER_ERROR
    return m.Failure.REFUSED if status >= 400 else m.Failure.UNREADABLE


def _described(reply: Reply, error: Row | None) -> str:
    message = error.text("message") if error is not None else reply.text[:120].strip()
    return describe_status("Alpaca", reply.status, message or "", _KEY_HINT)
