"""
Decode Coinbase's replies to writes, and its replies that are not a success.

Rule 1: a write is rejected only by Coinbase's own JSON: an error with a status of 4xx, or 200 with
        `success` false and a reason.  Without a reason, and for any other reply, it is `Ambiguous`.
Rule 2: an order is absent only by Coinbase's own JSON.
Rule 3: the reason of a failure is the first that is not a placeholder.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.brokers.wire.fields import Row, array, parse, row
from fillbook.brokers.wire.http import date_of, describe_status
from fillbook.errors import InvalidValue

_PAUSE: Final = timedelta(seconds=1)  #: after 429, which names no time
_KEY_HINT: Final = "the key and its secret"
_REFUSED_ONCE: Final = (
    "Coinbase refused the token of one request (401): check the clock of this machine, and try "
    "again"
)


@frozen
class Reply:
    """
    A reply; header names are lower case.

    `refusals` is how many replies in a row, this one included, have refused the token.
    """

    status: int
    text: str
    headers: Mapping[str, str]
    refusals: int = 0

    @property
    def at(self) -> datetime | None:
        """Coinbase's time of the reply, to the second; None without a Date header."""
        return date_of(self.headers)

    @property
    def retry_at(self) -> datetime:
        return (self.at or datetime.now(UTC)) + _PAUSE

    @property
    def error(self) -> str | None:
        """The text of an error object of Coinbase; None: the body is another one."""
        try:
            found = row(parse(self.text), "error")
            if found.text("error") is not None:
                return found.text("error_details") or found.text("message") or found.text("error")
            first = found.fields.get("errors")
            return row(array(first, "errors")[0], "error").text("message") if first else None
        except (InvalidValue, IndexError):
            return None


_K = m.RejectKind

#: (part of the reason or of the message, kind); the first match applies.
REASONS: Final[tuple[tuple[str, m.RejectKind], ...]] = (
    ("DUPLICATE_CLIENT_ORDER_ID", _K.DUPLICATE),
    ("BRACKET_ORDER_SIZE_EXCEEDS_POSITION", _K.QTY_HELD),
    ("EXCEEDS_BRACKETED_POSITION", _K.QTY_HELD),
    ("INSUFFICIENT_FUND", _K.FUNDS),
    ("INSUFFICIENT_BALANCE", _K.FUNDS),
    ("LEDGER_BALANCE", _K.FUNDS),
    ("HOLD_FAILURE", _K.FUNDS),
    ("TOO_MANY_OPEN_ORDERS", _K.NOT_NOW),
    ("TOO_MANY_PENDING_REPLACES", _K.NOT_NOW),
    ("OPEN_BRACKET_ORDERS", _K.NOT_NOW),
    ("RATE_LIMIT", _K.NOT_NOW),
    ("INVALID_PRODUCT_ID", _K.INSTRUMENT),
    ("UNTRADABLE_PRODUCT", _K.INSTRUMENT),
    ("INELIGIBLE_PAIR", _K.INSTRUMENT),
    ("ACCOUNT_IS_NOT_AVAILABLE", _K.INSTRUMENT),
    ("TRADING_DISABLED", _K.PERMISSION),
    ("GEOFENCING", _K.PERMISSION),
    ("IN_LIQUIDATION", _K.PERMISSION),
    ("RISK_LIMIT", _K.PERMISSION),
    ("PURCHASE_LIMIT", _K.PERMISSION),
    ("UNSUPPORTED_INSTRUMENT", _K.INSTRUMENT),
    ("NOT_ALLOWED_BY_MARKET_STATE", _K.NOT_NOW),
    ("ORDER_ENTRY_DISABLED", _K.NOT_NOW),
    ("TRADING_HALTED", _K.NOT_NOW),
    ("NO_LIQUIDITY", _K.NOT_NOW),
    ("COMMANDER_REJECTED", _K.NOT_NOW),
    ("PRICE_BOOK", _K.NOT_NOW),
    ("MISSING_MARKET_TRADE_DATA", _K.NOT_NOW),
    ("SIZE_PRECISION", _K.QUANTITY),
    ("SIZE_TOO_SMALL", _K.QUANTITY),
    ("SIZE_TOO_LARGE", _K.QUANTITY),
    ("NON_NUMERIC_ORDER_SIZE", _K.QUANTITY),
    ("SIZE", _K.QUANTITY),
    ("FOK_DISABLED", _K.UNSUPPORTED),
    ("FOK_ONLY", _K.UNSUPPORTED),
    ("WITH_FOK", _K.UNSUPPORTED),
    ("POST_ONLY", _K.PRICE),
    ("STOP_TRIGGERED", _K.PRICE),
    ("STOP_ALREADY_TRIGGERED", _K.PRICE),
    ("PRICE", _K.PRICE),
    ("ORDER_CONFIG", _K.UNSUPPORTED),
    ("NOT_SUPPORTED", _K.UNSUPPORTED),
    ("NOT_ALLOWED", _K.UNSUPPORTED),
    ("INVALID_SIDE", _K.INPUT),
    ("INVALID_REQUEST", _K.INPUT),
    ("END_TIME", _K.INPUT),
)

#: The reasons of a refused edit and of a refused cancel come first.
CHANGES: Final[tuple[tuple[str, m.RejectKind], ...]] = (
    ("ORDER_NOT_FOUND", _K.NOT_FOUND),
    ("UNKNOWN_CANCEL_ORDER", _K.NOT_FOUND),
    ("ONLY_OPEN_ORDERS_CAN_BE_EDITED", _K.TOO_LATE),
    ("ORDER_IS_FULLY_FILLED", _K.TOO_LATE),
    ("INVALID_CANCEL_REQUEST", _K.TOO_LATE),
    ("BELOW_FILLED_SIZE", _K.QUANTITY),
    ("EQUAL_TO_ORIGINAL_REQUEST", _K.INPUT),
    ("BEING_REPLACED", _K.NOT_NOW),
    ("PENDING_CANCEL", _K.NOT_NOW),
    ("INSUFFICIENT_TIME", _K.NOT_NOW),
    ("MAX_ALLOWED_EDIT_REQUEST", _K.NOT_NOW),
    ("SIZE_IN_QUOTE_EDITS", _K.UNSUPPORTED),
    ("CANNOT_EDIT", _K.UNSUPPORTED),
    ("ONLY_LIMIT_ORDER", _K.UNSUPPORTED),
    ("NOT_ALLOWED_TO_CANCEL", _K.PERMISSION),
)

#: For errors of HTTP.
BY_STATUS: Final[Mapping[int, m.RejectKind]] = {
    400: _K.INPUT,
    401: _K.PERMISSION,
    403: _K.PERMISSION,
    404: _K.NOT_FOUND,
}


def table() -> Sequence[Sequence[str]]:
    """Return the reasons and their kinds as rows of text; the first row has the headings."""
    return [
        ["reply", "what the reason contains", "kind"],
        *(["edit, cancel", piece, str(kind)] for piece, kind in CHANGES),
        *(["all", piece, str(kind)] for piece, kind in REASONS),
        ["all", "anything else", str(_K.OTHER)],
        *([str(status), "", str(kind)] for status, kind in BY_STATUS.items()),
    ]


def kind_of(reason: str) -> m.RejectKind:
    """Return the kind of a reject, by its reason."""
    name = reason.upper().replace(" ", "_")
    return next((kind for piece, kind in (*CHANGES, *REASONS) if piece in name), _K.OTHER)


def reason_of(found: Row, *names: str) -> str | None:
    """Return the first of the fields *names* that has a reason; None: all are placeholders."""
    for name in names:
        text = found.text(name)
        if text is not None and not text.startswith("UNKNOWN_"):
            return text
    # An unknown order to cancel is a reason, and begins as a placeholder does.
    return next((x for x in map(found.text, names) if x == "UNKNOWN_CANCEL_ORDER"), None)


def of_write(reply: Reply) -> m.Rejected | m.NotSent | m.Ambiguous:
    """Decode a reply to a write whose status is not 200."""
    error, described = reply.error, _described(reply)
    if reply.status == 401:
        if reply.refusals < 2:
            return m.NotSent(m.Failure.UNREACHABLE, _REFUSED_ONCE)
        return m.Rejected(m.RejectKind.PERMISSION, described)
    if error is None or not 400 <= reply.status < 500:
        return m.Ambiguous(_failure(reply.status), described)
    if reply.status == 429:
        return m.NotSent(m.Failure.RATE_LIMITED, described, reply.retry_at)
    known = kind_of(error)
    kind = BY_STATUS.get(reply.status, _K.OTHER) if known is _K.OTHER else known
    return m.Rejected(kind, error, str(reply.status))


def of_read(reply: Reply) -> m.NotObserved:
    """Decode an unsuccessful reply to a read."""
    retry_at = reply.retry_at if reply.status == 429 else None
    if reply.status == 401 and reply.refusals < 2:
        return m.NotObserved(m.Failure.UNREACHABLE, _REFUSED_ONCE)
    return m.NotObserved(_failure(reply.status), _described(reply), retry_at)


def of_read_by_id(reply: Reply) -> m.NotObserved | m.Absent:
    """Decode an unsuccessful reply to a read by id: not found at Coinbase, or not observed."""
    error = reply.error
    if reply.status == 404 and error is not None and "path" not in error:
        return m.Absent(error)
    return of_read(reply)


def created(reply: Reply, client_order_id: str) -> m.Outcome:
    """Decode the reply to a create with the status 200: it names the order, and no more."""

    def decoded(found: Row) -> m.Outcome:
        if found.fields.get("success") is True:
            placed = found.row("success_response") or found
            named = placed.text("client_order_id")
            if named not in (None, client_order_id):
                raise InvalidValue(f"the reply is about another order, {named}")
            return m.Accepted(broker_order_id=placed.need_text("order_id"))
        failure = found.row("error_response") or found
        names = ("new_order_failure_reason", "error", "preview_failure_reason")
        reason = reason_of(failure, *names) or reason_of(found, "failure_reason")
        message = failure.text("message") or failure.text("error_details")
        return _failed(found, reason, message)

    return _decoded(reply, decoded)


def edited(reply: Reply) -> m.Outcome:
    """Decode the reply to an edit with the status 200; its errors are a list or one object."""

    def decoded(found: Row) -> m.Outcome:
        if found.fields.get("success") is True:
            return m.Accepted()
        errors = found.fields.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else errors
        names = ("edit_failure_reason", "preview_failure_reason")
        reason = None if first is None else reason_of(row(first, "error"), *names)
        return _failed(found, reason, None)

    return _decoded(reply, decoded)


def canceled(reply: Reply, broker_order_id: str) -> m.Outcome:
    """Decode the reply to a cancel with the status 200: the result of that id."""

    def decoded(found: Row) -> m.Outcome:
        for each in array(found.fields.get("results"), "results"):
            result = row(each, "result")
            if result.text("order_id") != broker_order_id:
                continue
            reason = reason_of(result, "failure_reason")
            # The end of the order was asked for before.
            if result.fields.get("success") is True or reason == "DUPLICATE_CANCEL_REQUEST":
                return m.Accepted()
            return _failed(result, reason, None)
        raise InvalidValue(f"the reply has no result of order {broker_order_id}")

    return _decoded(reply, decoded)


def _failed(found: Row, reason: str | None, message: str | None) -> m.Rejected | m.Ambiguous:
    """Return a reject with its reason; without one it is not known what was done."""
    if found.fields.get("success") is not False or (reason is None and not message):
        return m.Ambiguous(m.Failure.UNREADABLE, "the reply has no reason of its failure")
    return m.Rejected(kind_of(reason or message or ""), message or reason or "", reason or "")


def _decoded(reply: Reply, decode: object) -> m.Outcome:
    try:
        outcome: m.Outcome = decode(row(parse(reply.text), "reply"))  # type: ignore[operator]
        return outcome
    except InvalidValue as error:
        return m.Ambiguous(m.Failure.UNREADABLE, str(error))


def _failure(status: int) -> m.Failure:
    if status == 429:
        return m.Failure.RATE_LIMITED
    if status >= 500:
        return m.Failure.SERVER_ERROR
    return m.Failure.REFUSED if status >= 400 else m.Failure.UNREADABLE


def _described(reply: Reply) -> str:
    text = reply.error or reply.text[:120].strip()
    return describe_status("Coinbase", reply.status, text, _KEY_HINT)
