"""Slippage: the executed price against the requested one, and against the market of the moment."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.pnl.slippage import slippage_of
from tests.core.records import Records, fill, intended, report


def executed(records):
    return slippage_of(records.get(m.OrderRecord, "c1"))


def filled(**wish):
    market = {x: wish.pop(x) for x in ("bid", "ask") if x in wish}
    records, made = Records(), intended(**wish)
    intent = m.Intent(
        **{**{x: getattr(made.intent, x) for x in ("client_order_id", "request", "at")}, **market}
    )
    records.take(m.Intended(intent))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    records.take(report("filled", 10, "187.05"))
    records.take(fill("e1", 10, "187.05"))
    return records


@pytest.mark.parametrize(
    ("wish", "requested", "cost"),
    [
        ({"reference_price": "187.00", "limit_price": "188"}, "187.00", "0.50"),
        ({"limit_price": "187.10"}, "187.10", "-0.50"),
        ({"limit_price": None, "type": "market"}, None, None),
    ],
)
def test_an_order_is_compared_with_the_price_that_its_request_names(wish, requested, cost):
    found = executed(filled(bid=Decimal("187.00"), ask=Decimal("187.02"), **wish))
    assert found.requested == (None if requested is None else Decimal(requested))
    assert found.cost == (None if cost is None else Decimal(cost))
    assert (found.arrival, found.arrival_cost) == (Decimal("187.01"), Decimal("0.40"))


def test_a_market_that_was_not_read_is_not_known():
    found = executed(filled())
    assert (found.arrival, found.arrival_cost) == (None, None)


def test_an_order_without_fills_has_no_slippage():
    records = Records()
    records.take(intended())
    assert executed(records) is None
