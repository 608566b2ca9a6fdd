"""
Any damage to a reply: a decoder returns a value or raises `InvalidValue`, never anything else.

A write ends in an outcome, whatever its reply is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from fillbook import model as m
from fillbook.brokers.coinbase.wire import account, frames, market, orders, outcome
from fillbook.brokers.coinbase.wire.outcome import Reply
from fillbook.errors import InvalidValue
from tests.brokers.coinbase import payloads as p

#: What takes the place of each field in turn.
DAMAGE = (
    *(None, "", " ", "x", "UNKNOWN_NEW_WORD", "-1", "0", "1e-8", "1E999", "NaN"),
    *(True, 0, -1, 1.5, 10**70, [], {}, [None], [{}], {"x": None}),
    *("0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "\u0000", "\ud800"),
)


def known(order_id: str, client_order_id: str | None, product: str) -> str:
    return market.symbol(product)


def updates(raw: object) -> object:
    found = frames.frame(raw)
    return found.message, found.subscriptions(), frames.reports(found, known)


QUOTED = p.order(
    **p.configured("market_market_ioc", quote_size="25"), size_in_quote=True, status="FILLED"
)
BRACKET = p.order(
    **p.configured("trigger_bracket_gtd", base_size=None, stop_trigger_price="1"),
    order_type="BRACKET",
)
READS: list[tuple[Any, Callable[[object], object]]] = [
    ({"order": p.order()}, orders.order),
    ({"order": QUOTED}, orders.order),
    ({"orders": [p.order(), BRACKET], "has_next": True, "cursor": "c"}, orders.order_page),
    ({"fills": [p.fill()], "cursor": ""}, account.fill_page),
    (p.accounts(p.wallet("USD", "1", "2"), cursor="c"), account.wallet_page),
    (p.summary(), account.fees),
    ({"can_trade": True, "portfolio_uuid": "x"}, account.permitted_portfolio),
    ({"products": [p.product()], "num_products": 1, "pagination": None}, market.products),
    (p.product(), market.instrument),
    ({"pricebooks": [p.book()]}, market.quotes),
    (p.frame("user", {"type": "snapshot", "orders": [p.streamed()], "positions": {}}), updates),
    (p.frame("subscriptions", {"subscriptions": {"user": ["x"]}}), updates),
    (p.frame("heartbeats", {"current_time": "x", "heartbeat_counter": 1}), updates),
    ({"type": "error", "message": "authentication failure"}, updates),
]
FAILURE = p.failed(
    error="UNKNOWN_FAILURE_REASON", message="", preview_failure_reason="PREVIEW_STOP_TRIGGERED"
)
REASON = {"edit_failure_reason": "ORDER_NOT_FOUND", "preview_failure_reason": ""}
RESULT = {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": p.ID}
WRITES: list[tuple[Any, int, Callable[[Reply], m.Outcome]]] = [
    (p.created(), 200, lambda reply: outcome.created(reply, "mine-1")),
    (FAILURE, 200, lambda reply: outcome.created(reply, "mine-1")),
    ({"success": False, "errors": [REASON]}, 200, outcome.edited),
    ({"success": False, "errors": REASON}, 200, outcome.edited),
    ({"results": [RESULT]}, 200, lambda reply: outcome.canceled(reply, p.ID)),
    ({"error": "NOT_FOUND", "error_details": "x", "message": "x"}, 404, outcome.of_write),
    ({"errors": [{"id": "rate_limit_exceeded", "message": "x"}]}, 429, outcome.of_write),
]


def damaged(sample: Any) -> Iterator[Any]:
    """*sample* with each of its values, at any depth, missing or replaced."""
    yield from DAMAGE
    if isinstance(sample, dict):
        for name, value in sample.items():
            rest = {other: each for other, each in sample.items() if other != name}
            yield rest
            for each in damaged(value):
                yield {**rest, name: each}
    elif isinstance(sample, list):
        for at, value in enumerate(sample):
            for each in damaged(value):
                yield [*sample[:at], each, *sample[at + 1 :]]


@pytest.mark.parametrize("number", range(len(READS)))
def test_a_damaged_read_is_a_value_or_invalid(number: int) -> None:
    """The sample itself is a value."""
    sample, decode = READS[number]
    assert decode(p.read(sample)) is not None
    for each in damaged(sample):
        with suppress(InvalidValue):
            decode(p.read(each))


@pytest.mark.parametrize("number", range(len(WRITES)))
def test_a_damaged_reply_to_a_write_is_an_outcome(number: int) -> None:
    """A page, half of a text and an empty body too."""
    sample, status, decode = WRITES[number]
    text = json.dumps(sample)
    bodies = [*map(json.dumps, damaged(sample)), text[: len(text) // 2], "", "<html></html>"]
    for body in (text, *bodies):
        found = decode(Reply(status, body, {}))
        assert isinstance(found, m.Accepted | m.Rejected | m.NotSent | m.Ambiguous)
        read = outcome.of_read_by_id(Reply(status, body, {}))
        assert isinstance(read, m.NotObserved | m.Absent)
