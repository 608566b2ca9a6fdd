"""What each reply to a write means, and what a failed read means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fillbook import model as m
from fillbook.brokers.coinbase.wire import outcome
from fillbook.brokers.coinbase.wire.outcome import Reply
from tests.brokers.coinbase.payloads import ID, created, failed

K, F = m.RejectKind, m.Failure
NO_PREVIEW = "UNKNOWN_PREVIEW_FAILURE_REASON"


def reply(body: object, status: int = 200, refusals: int = 0) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(status, text, {}, refusals)


def error(details: str, word: str = "unknown") -> dict[str, str]:
    return {"error": word, "error_details": details, "message": details}


def test_a_create_names_its_order_and_nothing_else() -> None:
    """In the shape of 2024 and in that of 2023; the terms of the reply are the request's."""
    assert outcome.created(reply(created()), "mine-1") == m.Accepted(broker_order_id=ID)
    old = {"success": True, "order_id": ID, "success_response": None}
    assert outcome.created(reply(old), "mine-1") == m.Accepted(broker_order_id=ID)


@pytest.mark.parametrize(
    "body",
    [
        created(name="other"),
        {"success": True, "success_response": {"client_order_id": "mine-1"}},
        {"success": "yes"},
        failed(),
        failed(error="UNKNOWN_FAILURE_REASON", preview_failure_reason=NO_PREVIEW, message=""),
        failed(error="UNKNOWN_FAILURE_REASON", message="something went wrong"),
        {},
        [],
        "<html></html>",
        "",
    ],
)
def test_a_create_without_a_clear_reply_is_ambiguous(body: object) -> None:
    """Another order, no id, no reason, no JSON: the order may exist."""
    assert isinstance(outcome.created(reply(body), "mine-1"), m.Ambiguous)


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ({"error": "INSUFFICIENT_FUND", "message": "Insufficient balance"}, K.FUNDS),
        ({"error": "INSUFFICIENT_FUNDS"}, K.FUNDS),
        ({"preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND"}, K.FUNDS),
        ({"error": "UNKNOWN_FAILURE_REASON", "preview_failure_reason":
          "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"}, K.PRICE),
        ({"new_order_failure_reason": "INVALID_SIZE_PRECISION", "error": "X"}, K.QUANTITY),
        ({"error": "INVALID_PRICE_PRECISION"}, K.PRICE),
        ({"error": "INVALID_LIMIT_PRICE_POST_ONLY"}, K.PRICE),
        ({"error": "UNSUPPORTED_ORDER_CONFIGURATION"}, K.UNSUPPORTED),
        ({"error": "INVALID_PRODUCT_ID"}, K.INSTRUMENT),
        ({"error": "ORDER_ENTRY_DISABLED"}, K.NOT_NOW),
        ({"error": "COMMANDER_REJECTED_NEW_ORDER"}, K.NOT_NOW),
        ({"error": "DUPLICATE_CLIENT_ORDER_ID"}, K.DUPLICATE),
        ({"preview_failure_reason": "PREVIEW_BRACKET_ORDER_SIZE_EXCEEDS_POSITION"}, K.QTY_HELD),
        ({"error": "SOMETHING_NEW"}, K.OTHER),
        ({"message": "account is not available"}, K.INSTRUMENT),
        ({"message": "Insufficient balance in source account"}, K.FUNDS),
        ({"error": "FOK_DISABLED"}, K.UNSUPPORTED),
        ({"preview_failure_reason": "PREVIEW_STOP_TRIGGERED"}, K.PRICE),
        ({"preview_failure_reason": "PREVIEW_INVALID_UNSUPPORTED_INSTRUMENT"}, K.INSTRUMENT),
        ({"preview_failure_reason": "PREVIEW_MISSING_MARKET_TRADE_DATA"}, K.NOT_NOW),
        ({"error": "BREACHED_RISK_LIMIT"}, K.PERMISSION),
        ({"preview_failure_reason": "PREVIEW_BREACHED_PRICE_LIMIT"}, K.PRICE),
        ({"error": "TRADING_DISABLED"}, K.NOT_NOW),
        ({"error": "INVALID_EQUITY_TRADING_SESSION"}, K.NOT_NOW),
        ({"error": "QUOTE_SIZE_NOT_ALLOWED_FOR_BRACKET"}, K.UNSUPPORTED),
        ({"error": "ASSET_BALANCE_INCREASE_REJECT"}, K.PERMISSION),
        ({"error": "CANNOT_CLOSE_ZERO_POSITION"}, K.NO_POSITION),
        ({"preview_failure_reason": "PREVIEW_INVALID_INTX_CLIENT_ORDER_ID"}, K.INPUT),
        ({"error": "UNKNOWN_FAILURE_REASON", "message": "The order is not valid",
          "error_details": "Market orders cannot be placed with empty order sizes"}, K.QUANTITY),
    ],
)  # fmt: skip
def test_a_failure_has_the_kind_of_its_reason(reasons: dict[str, str], kind: m.RejectKind) -> None:
    """The first reason that is not a placeholder decides."""
    found = outcome.created(reply(failed(**reasons)), "mine-1")
    assert isinstance(found, m.Rejected)
    assert found.kind is kind
    assert found.message


def test_an_edit_is_accepted_or_has_its_reason_in_either_shape() -> None:
    """Errors are a list, or one object."""
    assert outcome.edited(reply({"success": True, "errors": []})) == m.Accepted()
    why = {"edit_failure_reason": "ORDER_NOT_FOUND", "preview_failure_reason": NO_PREVIEW}
    nothing = {"edit_failure_reason": "UNKNOWN_EDIT_ORDER_FAILURE_REASON"}
    assert outcome.edited(reply({"success": True, "errors": nothing})) == m.Accepted()
    for errors in ([why], why, [nothing, why]):
        found = outcome.edited(reply({"success": False, "errors": errors}))
        assert isinstance(found, m.Rejected)
        assert found.kind is K.NOT_FOUND
    assert isinstance(outcome.edited(reply({"success": False, "errors": []})), m.Ambiguous)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("UNKNOWN_CANCEL_ORDER", K.NOT_FOUND),
        ("ORDER_IS_FULLY_FILLED", K.TOO_LATE),
        ("ORDER_IS_BEING_REPLACED", K.NOT_NOW),
        ("COMMANDER_REJECTED_CANCEL_ORDER", K.NOT_NOW),
        ("DUPLICATE_CANCEL_REQUEST", None),
        ("UNKNOWN_CANCEL_FAILURE_REASON", "ambiguous"),
    ],
)
def test_a_cancel_has_the_result_of_its_id(reason: str, kind: Any) -> None:
    """A second request for the same end is accepted; a failure without a reason is ambiguous."""
    result = {"success": False, "failure_reason": reason, "order_id": ID}
    other = {"success": True, "failure_reason": "", "order_id": "x"}
    found = outcome.canceled(reply({"results": [other, result]}), ID)
    if kind is None:
        assert found == m.Accepted()
    elif kind == "ambiguous":
        assert isinstance(found, m.Ambiguous)
    else:
        assert isinstance(found, m.Rejected)
        assert found.kind is kind
    assert isinstance(outcome.canceled(reply({"results": [other]}), ID), m.Ambiguous)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error('proto: unknown field "x"'), K.INPUT),
        (400, error("Too many orderIDs", "INVALID_ARGUMENT"), K.INPUT),
        (403, error("Missing required scopes", "PERMISSION_DENIED"), K.PERMISSION),
        (404, error("order with this orderID was not found", "NOT_FOUND"), K.NOT_FOUND),
        (404, error("valid product_id is required", "NOT_FOUND"), K.INSTRUMENT),
        (404, {"errors": [{"id": "not_found", "message": "not found"}]}, K.NOT_FOUND),
        (400, {"error": "invalid_request", "error_description": "a bad parameter"}, K.INPUT),
        (400, error('proto: (line 1:12): unknown field "limit_price"'), K.INPUT),
        (400, error('parsing field "base_size": "x" is not a valid value'), K.INPUT),
        (403, error("not allowed for this product_id", "PERMISSION_DENIED"), K.PERMISSION),
        (400, {"error": {"code": "x"}}, F.REFUSED),
        (400, {"errors": {}}, F.REFUSED),
        (403, "<html>blocked</html>", F.REFUSED),
        (404, "<html></html>", F.REFUSED),
        (500, error("internal"), F.SERVER_ERROR),
        (503, "upstream connect error", F.SERVER_ERROR),
        (307, "", F.UNREADABLE),
        (204, "", F.UNREADABLE),
    ],
)
def test_an_error_of_a_write(status: int, body: object, expected: object) -> None:
    """Only Coinbase's own JSON with 4xx is a reject."""
    found = outcome.of_write(reply(body, status))
    if isinstance(found, m.Rejected):
        assert found.kind is expected
    else:
        assert isinstance(found, m.Ambiguous)
        assert found.why is expected


def test_one_refused_token_is_not_sent_and_two_are_credentials() -> None:
    """The reply is a text."""
    once, twice = (reply("Unauthorized", 401, refusals) for refusals in (1, 2))
    assert isinstance(outcome.of_write(once), m.NotSent)
    assert outcome.of_read(once).why is F.UNREACHABLE
    refused = outcome.of_write(twice)
    assert isinstance(refused, m.Rejected)
    assert refused.kind is K.PERMISSION
    assert outcome.of_read(twice).why is F.REFUSED


def test_a_rate_limit_is_not_sent_and_names_a_time() -> None:
    """Its body has another shape."""
    body = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
    limited = Reply(429, json.dumps(body), {"date": "Mon, 02 Mar 2026 15:00:00 GMT"})
    found = outcome.of_write(limited)
    assert isinstance(found, m.NotSent)
    assert (found.why, found.retry_at) == (F.RATE_LIMITED, limited.retry_at)
    assert m.timestamp(limited.retry_at)[:19] == "2026-03-02T15:00:01"
    assert isinstance(outcome.of_write(reply("slow down", 429)), m.Ambiguous)


def test_an_order_is_absent_only_by_coinbases_own_words() -> None:
    """A page of a gateway proves nothing, and neither does an unknown path."""
    missing = error("order with this orderID was not found", "NOT_FOUND")
    assert isinstance(outcome.of_read_by_id(reply(missing, 404)), m.Absent)
    for body in ("<html></html>", "", error("no path")):
        assert isinstance(outcome.of_read_by_id(reply(body, 404)), m.NotObserved)
