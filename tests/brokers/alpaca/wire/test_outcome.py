"""The meaning of rejects: every recorded error body, and every reply of a gateway."""

import json

import pytest

from fillbook import model as m
from fillbook.brokers.alpaca.wire.outcome import (
    REFUSALS,
    Reply,
    of_read,
    of_read_by_id,
    of_write,
    table,
)
from tests.brokers.alpaca.recorded import recorded

K, F = m.RejectKind, m.Failure

HEADERS = {
    "x-ratelimit-limit": "200",
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": "1790000000",
}


def reply(status: int, body: object) -> Reply:
    return Reply(status, body if isinstance(body, str) else json.dumps(body), HEADERS)


RECORDED = {
    "401_unauthorized": K.PERMISSION,
    "403_insufficient_balance_crypto": K.QUANTITY,
    "403_insufficient_buying_power": K.FUNDS,
    "403_insufficient_qty_with_related": K.QTY_HELD,
    "403_min_notional_crypto": K.QUANTITY,
    "403_not_fractionable": K.INSTRUMENT,
    "403_pdt_legacy": K.PERMISSION,
    "403_short_not_allowed": K.PERMISSION,
    "403_wash_trade_limit": K.WASH_TRADE,
    "404_asset_not_found": K.INSTRUMENT,
    "404_order_not_found": K.NOT_FOUND,
    "404_order_not_found_for": K.NOT_FOUND,
    "422_asset_not_active": K.INSTRUMENT,
    "422_asset_not_found": K.INSTRUMENT,
    "422_asset_not_tradable": K.INSTRUMENT,
    "422_cancel_already_filled": K.TOO_LATE,
    "422_cannot_be_sold_short": K.NO_POSITION,
    "422_coid_too_long": K.INPUT,
    "422_crypto_type": K.UNSUPPORTED,
    "422_duplicate_client_order_id": K.DUPLICATE,
    "422_duplicate_client_order_id_alt": K.DUPLICATE,
    "422_fractional_tif": K.UNSUPPORTED,
    "422_fractional_type": K.UNSUPPORTED,
    "422_qty_or_notional_required": K.INPUT,
    "422_replace_not_at_exchange_legacy": K.NOT_NOW,
    "422_replace_not_changed": K.INPUT,
    "422_replace_qty_advanced": K.UNSUPPORTED,
    "422_stop_price_vs_market_buy": K.PRICE,
    "422_stop_price_vs_market_sell": K.PRICE,
    "422_sub_penny": K.PRICE,
    "500_internal": F.SERVER_ERROR,
    "504_timeout": F.SERVER_ERROR,
}


def test_every_recorded_error_has_its_meaning() -> None:
    found = {}
    for name, raw in recorded("errors").items():
        outcome = of_write(reply(raw["http_status"], raw["body"]))
        found[name] = outcome.kind if isinstance(outcome, m.Rejected) else outcome.why
    assert found == RECORDED


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "account is not authorized to trade", K.PERMISSION),
        (403, "insufficient balance for USD (requested: 12, available: 1)", K.FUNDS),
        (403, "unable to open: having open closing position orders", K.QTY_HELD),
        (404, "position does not exist", K.NO_POSITION),
        (422, "invalid crypto time_in_force", K.UNSUPPORTED),
        (422, "bracket orders must be entry orders", K.UNSUPPORTED),
        (422, "cannot replace order in filled status", K.TOO_LATE),
        (422, "cannot replace order in pending_new status", K.NOT_NOW),
        (422, "order already replaced", K.TOO_LATE),
        (422, "notional orders cannot be replaced", K.UNSUPPORTED),
        (422, "time_in_force cannot be changed for advanced orders", K.UNSUPPORTED),
        (422, "limit orders must not have a stop price", K.PRICE),
        (422, "cannot cancel order in pending_replace status", K.NOT_NOW),
        (422, "order chain not fully replaced", K.NOT_NOW),
        (422, "qty must be > filled_qty", K.QUANTITY),
        (422, 'order is already in "canceled" state', K.TOO_LATE),
        (422, "leg order is already in filled state", K.TOO_LATE),
        (422, "order already pending replacement", K.NOT_NOW),
        (422, "cannot replace order in accepted status", K.NOT_NOW),
        (422, "cannot replace order in partially_filled status", K.NOT_NOW),
        (422, "CLIENT_ORDER_ID must be unique", K.DUPLICATE),
        (403, "client_order_id must be unique", K.DUPLICATE),
        (403, "Insufficient buying power.", K.FUNDS),
        (403, "insufficient balance for DOGE (requested: 5.1, available: 4.98725)", K.QUANTITY),
        (403, "insufficient qty available for order (requested: 5, available: 0.1)", K.QTY_HELD),
        (403, "cost basis must be >= minimal amount of order 1", K.QUANTITY),
        (403, 'asset "KO" is not fractionable', K.INSTRUMENT),
        (403, "asset KO is not active", K.PERMISSION),
        (403, "crypto trading is not available for this account", K.PERMISSION),
        (403, "account is not allowed to short", K.PERMISSION),
        (422, 'asset "KO" is not tradable', K.INSTRUMENT),
        (422, 'asset "BTCUSD" not found', K.INSTRUMENT),
        (422, "could not find asset KOZ", K.INSTRUMENT),
        (422, "symbol is not allowed for mleg order", K.UNSUPPORTED),
        (422, "invalid order type for crypto order", K.UNSUPPORTED),
        (422, "fractional orders must be simple orders", K.UNSUPPORTED),
        (422, "bracket orders require take_profit.limit_price", K.UNSUPPORTED),
        (422, "oco orders must be exit orders", K.UNSUPPORTED),
        (422, "oto orders cannot be replaced", K.UNSUPPORTED),
        (422, "crypto orders not allowed for advanced order_class: bracket", K.UNSUPPORTED),
        (422, "extended hours order must be DAY or GTC limit orders", K.UNSUPPORTED),
        (422, "trailing stop orders must specify a trail", K.UNSUPPORTED),
        (422, "take_profit.limit_price must be >= base_price + 0.01", K.PRICE),
        (422, "stop price must be less than current price 61.2", K.PRICE),
        (422, "invalid stop_price 0.12345. sub-penny increment does not fulfill", K.PRICE),
        (422, "notional value must be limited to 2 decimal places", K.QUANTITY),
        (422, "opg orders are not accepted between 09:28 and 19:00", K.NOT_NOW),
        (400, "words that nobody knows", K.INPUT),
        (403, "words that nobody knows", K.PERMISSION),
        (409, "words that nobody knows", K.OTHER),
    ],
)  # fmt: skip
def test_documented_messages_have_their_meaning(
    status: int, message: str, kind: m.RejectKind
) -> None:
    outcome = of_write(reply(status, {"code": 42210000, "message": message}))
    assert isinstance(outcome, m.Rejected)
    assert (kind, message, "42210000") == (outcome.kind, outcome.message, outcome.code)


def test_a_sale_of_what_is_not_held_at_all_has_no_position() -> None:
    body = recorded("errors")["403_insufficient_qty_with_related"]["body"] | {"existing_qty": "0"}
    outcome = of_write(reply(403, body))
    assert isinstance(outcome, m.Rejected)
    assert outcome.kind is K.NO_POSITION


HTML = "<html><body>Service Unavailable</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (307, "", F.UNREADABLE),
        (301, HTML, F.UNREADABLE),
        (400, HTML, F.REFUSED),
        (403, HTML, F.REFUSED),
        (404, HTML, F.REFUSED),
        (404, {"error": "no route"}, F.REFUSED),
        (422, {"message": ["not", "text"]}, F.REFUSED),
        (422, {"message": "odd", "code": {}}, F.REFUSED),
        (429, HTML, F.RATE_LIMITED),
        (429, {"message": "too many requests."}, F.RATE_LIMITED),
        (500, HTML, F.SERVER_ERROR),
        (502, "", F.SERVER_ERROR),
        (503, {"code": 50310000, "message": "unavailable"}, F.SERVER_ERROR),
    ],
)
def test_a_write_that_may_have_passed_a_gateway_is_ambiguous(
    status: int, body: object, why: m.Failure
) -> None:
    outcome = of_write(reply(status, body))
    assert isinstance(outcome, m.Ambiguous)
    assert outcome.why is why


def test_a_reply_of_the_rate_limiter_is_not_sent() -> None:
    outcome = of_write(reply(429, {"code": 42910000, "message": "rate limit exceeded"}))
    assert isinstance(outcome, m.NotSent)
    assert (outcome.why, int(outcome.retry_at.timestamp())) == (F.RATE_LIMITED, 1790000000)


@pytest.mark.parametrize("body", [HTML, {"message": "unauthorized."}])
def test_refused_keys_are_a_refusal_in_any_form(body: object) -> None:
    outcome = of_write(reply(401, body))
    assert isinstance(outcome, m.Rejected)
    assert outcome.kind is K.PERMISSION


@pytest.mark.parametrize("name", ["404_order_not_found", "404_order_not_found_for"])
def test_only_alpacas_own_reply_makes_an_order_absent(name: str) -> None:
    body = recorded("errors")[name]["body"]
    assert m.Absent(body["message"], reply(404, body).rate_limit) == of_read_by_id(reply(404, body))


@pytest.mark.parametrize(
    "body",
    [HTML, "", {"message": "not found"}, {"code": 40410000, "message": "endpoint not found."}],
)
def test_any_other_404_is_not_observed(body: object) -> None:
    assert isinstance(of_read_by_id(reply(404, body)), m.NotObserved)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (307, F.UNREADABLE),
        (401, F.REFUSED),
        (403, F.REFUSED),
        (404, F.REFUSED),
        (429, F.RATE_LIMITED),
        (500, F.SERVER_ERROR),
        (504, F.SERVER_ERROR),
    ],
)
def test_a_read_that_failed_is_not_observed(status: int, why: m.Failure) -> None:
    answer = of_read(reply(status, HTML))
    assert why is answer.why
    assert (answer.retry_at is not None) == (status == 429)


@pytest.mark.parametrize("spoiled", [{}, HEADERS | {"x-ratelimit-reset": "soon"}])
def test_a_meter_is_read_or_is_none(spoiled: dict[str, str]) -> None:
    assert Reply(200, "", spoiled).rate_limit is None
    meter = Reply(200, "", HEADERS).rate_limit
    assert meter is not None
    assert (meter.limit, meter.remaining) == (200, 0)


def test_the_table_has_a_row_for_each_refusal_and_for_the_rest() -> None:
    head, *rows = table()
    assert head == ["HTTP", "what the message contains", "kind"]
    assert ["4xx", "wash trade", "wash_trade"] in rows
    assert ["403", "anything else", "permission"] in rows
    assert len(rows) > len(REFUSALS)
    assert {len(row) for row in rows} == {3}
