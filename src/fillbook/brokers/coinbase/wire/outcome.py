"""
Decode Coinbase's replies to writes, and its replies that are not a success.

Rule 1: a write is rejected only by Coinbase's own JSON: an error with a status of 4xx, or 200 with
        `success` false and a reason.  Without a reason, and for any other reply, it is `Ambiguous`.
        A message alone is a reason if its kind is known.
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
                names = ("error_details", "message", "error_description", "error")
                return next(text for name in names if (text := found.text(name)))
            first = found.fields.get("errors")
            return row(array(first, "errors")[0], "error").text("message") if first else None
        except (InvalidValue, IndexError):
            return None


_K = m.RejectKind

#: (part of the reason or of the message, kind); the first match applies.
REASONS: Final[tuple[tuple[str, m.RejectKind], ...]] = (
    ("DUPLICATE_CLIENT_ORDER_ID", _K.DUPLICATE),
    ("CLIENT_ORDER_ID", _K.INPUT),
    ("BRACKET_ORDER_SIZE_EXCEEDS_POSITION", _K.QTY_HELD),
    ("EXCEEDS_BRACKETED_POSITION", _K.QTY_HELD),
    ("CLOSE_ZERO_POSITION", _K.NO_POSITION),
    ("INSUFFICIENT_FUND", _K.FUNDS),
    ("INSUFFICIENT_BALANCE", _K.FUNDS),
    ("LEDGER_BALANCE", _K.FUNDS),
    ("HOLD_FAILURE", _K.FUNDS),
    ("MARGIN_HEALTH", _K.FUNDS),
    ("TOO_MANY_OPEN", _K.NOT_NOW),
    ("TOO_MANY_PENDING_REPLACES", _K.NOT_NOW),
    ("OPEN_BRACKET_ORDERS", _K.NOT_NOW),
    ("RATE_LIMIT", _K.NOT_NOW),
    ("PRODUCT_ID", _K.INSTRUMENT),
    ("UNTRADABLE_PRODUCT", _K.INSTRUMENT),
    ("INELIGIBLE_PAIR", _K.INSTRUMENT),
    ("ACCOUNT_IS_NOT_AVAILABLE", _K.INSTRUMENT),
    ("UNSUPPORTED_INSTRUMENT", _K.INSTRUMENT),
    ("GEOFENCING", _K.PERMISSION),
    ("IN_LIQUIDATION", _K.PERMISSION),
    ("UNTRADABLE_FCM_ACCOUNT", _K.PERMISSION),
    ("PURCHASE_LIMIT", _K.PERMISSION),
    ("CLOSE_ONLY", _K.PERMISSION),
    ("INCREASE_REJECT", _K.PERMISSION),
    ("BREACHED_PRICE_LIMIT", _K.PRICE),
    ("BREACHED", _K.PERMISSION),  # a limit of the account, of the company or of the market
    ("NOT_ALLOWED_BY_MARKET_STATE", _K.NOT_NOW),
    ("ORDER_ENTRY_DISABLED", _K.NOT_NOW),
    ("TRADING_HALTED", _K.NOT_NOW),
    ("TRADING_DISABLED", _K.NOT_NOW),
    ("TRADING_SESSION", _K.NOT_NOW),
    ("NON_CORE_SESSION", _K.NOT_NOW),
    ("AFTER_HOUR", _K.NOT_NOW),
    ("NO_LIQUIDITY", _K.NOT_NOW),
    ("COMMANDER_REJECTED", _K.NOT_NOW),
    ("RISK_PROXY_FAILURE", _K.NOT_NOW),
    ("ALREADY_RUNNING", _K.NOT_NOW),
    ("PRICE_BOOK", _K.NOT_NOW),
    ("NBBO", _K.NOT_NOW),
    ("COMMISSION", _K.NOT_NOW),
    ("MISSING_MARKET_TRADE_DATA", _K.NOT_NOW),
    ("RFQ_QUOTE_EXPIRED", _K.NOT_NOW),
    ("RFQ_VENUE_REJECTED", _K.NOT_NOW),
    ("SIZE_NOT_ALLOWED", _K.UNSUPPORTED),
    ("SIZE_MUST_BE_NIL", _K.UNSUPPORTED),
    ("PRICE_NOT_ALLOWED", _K.UNSUPPORTED),
    ("CONTRACTS_BLOCKED", _K.UNSUPPORTED),
    ("WITH_PEG", _K.UNSUPPORTED),
    ("FOK_DISABLED", _K.UNSUPPORTED),
    ("FOK_ONLY", _K.UNSUPPORTED),
    ("WITH_FOK", _K.UNSUPPORTED),
    ("SIZE", _K.QUANTITY),
    ("POST_ONLY", _K.PRICE),
    ("STOP_TRIGGERED", _K.PRICE),
    ("STOP_ALREADY_TRIGGERED", _K.PRICE),
    ("PRICE", _K.PRICE),
    ("ORDER_CONFIG", _K.UNSUPPORTED),
    ("NOT_SUPPORTED", _K.UNSUPPORTED),
    ("NOT_ALLOWED", _K.UNSUPPORTED),
    ("FOR_ATTACHED", _K.UNSUPPORTED),
    ("ATTACHED_ORDERS_ONLY", _K.UNSUPPORTED),
    ("MARGIN_TYPE", _K.UNSUPPORTED),
    ("LEVERAGE", _K.UNSUPPORTED),
    ("PEG_", _K.UNSUPPORTED),
    ("SCALED_", _K.UNSUPPORTED),
    ("RFQ_", _K.UNSUPPORTED),
    ("INVALID_SIDE", _K.INPUT),
    ("ORDER_SIDE", _K.INPUT),
    ("INVALID_REQUEST", _K.INPUT),
    ("SETTLEMENT_CURRENCY", _K.INPUT),
    ("DURATION", _K.INPUT),
    ("START_TIME", _K.INPUT),
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
    ("CONFIGURATION_IS_EQUAL", _K.INPUT),
    ("BEING_REPLACED", _K.NOT_NOW),
    ("PENDING_CANCEL", _K.NOT_NOW),
    ("INSUFFICIENT_TIME", _K.NOT_NOW),
    ("MAX_ALLOWED_EDIT_REQUEST", _K.NOT_NOW),
    ("NOT_STARTED", _K.NOT_NOW),
    ("FCM_TRADING_SESSION", _K.NOT_NOW),
    ("CALLER_ID_MISMATCH", _K.PERMISSION),
    ("PORTFOLIO_NOT_ALLOWED", _K.PERMISSION),
    ("NOT_ALLOWED_TO_CANCEL", _K.PERMISSION),
    ("SIZE_IN_QUOTE_EDITS", _K.UNSUPPORTED),
    ("CANNOT_EDIT", _K.UNSUPPORTED),
    ("CANNOT_CHANGE", _K.UNSUPPORTED),
    ("CANNOT_CONVERT", _K.UNSUPPORTED),
    ("CANNOT_MODIFY", _K.UNSUPPORTED),
    ("CANNOT_CANCEL", _K.UNSUPPORTED),
    ("CANNOT_ADD", _K.UNSUPPORTED),
    ("CANNOT_REMOVE", _K.UNSUPPORTED),
    ("ATTACHED_ORDER_REQUEST", _K.UNSUPPORTED),
    ("ONLY_LIMIT_ORDER", _K.UNSUPPORTED),
    ("FIELD_", _K.UNSUPPORTED),
    ("PEG_", _K.UNSUPPORTED),
    ("ORIGINAL_TIME", _K.INPUT),
    ("NEW_ENDTIME", _K.INPUT),
)

#: For errors of HTTP.
BY_STATUS: Final[Mapping[int, m.RejectKind]] = {
    400: _K.INPUT,
    401: _K.PERMISSION,
    403: _K.PERMISSION,
    404: _K.NOT_FOUND,
}
_BY_STATUS_ONLY: Final = (401, 403)
#: How errors of the parser of requests begin.
_PARSER: Final = ("proto:", "parsing field")


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
    return m.Rejected(_kind_of_error(reply.status, error), error, str(reply.status))


def _kind_of_error(status: int, error: str) -> m.RejectKind:
    """Return the kind of an error of HTTP; one of the parser may quote any field."""
    known = _K.OTHER if status in _BY_STATUS_ONLY or error.startswith(_PARSER) else kind_of(error)
    return BY_STATUS.get(status, _K.OTHER) if known is _K.OTHER else known


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
        return _failed(found, reason, failure.text("message"), failure.text("error_details"))

    return _decoded(reply, decoded)


def edited(reply: Reply) -> m.Outcome:
    """Decode the reply to an edit with the status 200; its errors are a list or one object."""

    def decoded(found: Row) -> m.Outcome:
        if found.fields.get("success") is True:
            return m.Accepted()
        errors = found.fields.get("errors")
        rows = errors if isinstance(errors, list) else [errors or {}]
        names = ("edit_failure_reason", "preview_failure_reason")
        reasons = (reason_of(row(each, "error"), *names) for each in rows)
        return _failed(found, next(filter(None, reasons), None))

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
            return _failed(result, reason)
        raise InvalidValue(f"the reply has no result of order {broker_order_id}")

    return _decoded(reply, decoded)


def _failed(
    found: Row, reason: str | None, message: str | None = None, details: str | None = None
) -> m.Rejected | m.Ambiguous:
    """Return a reject with its reason; without one it is not known what was done."""
    texts = [text for text in (message, details) if text is not None]
    kinds = map(kind_of, texts if reason is None else [reason])
    kind = next((each for each in kinds if each is not _K.OTHER), _K.OTHER)
    if found.fields.get("success") is not False or (reason is None and kind is _K.OTHER):
        about = f": {texts[0]}" if texts else ""
        return m.Ambiguous(m.Failure.UNREADABLE, f"the reply has no reason of its failure{about}")
    return m.Rejected(kind, next(iter(texts), reason or ""), reason or "")


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
