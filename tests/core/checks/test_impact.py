"""The impact of an order on the account, as far as it is known."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.checks.impact import impact
from tests.core.checks.contexts import BTC, SELL, a_context
from tests.core.records import pair_of, request

D = Decimal


def held(qty, cost):
    """A position of *qty* AAPL at that cost each."""
    value = None if cost is None else D(cost) * abs(qty)
    return {"position": m.Position(symbol="AAPL", account=m.Holding(qty=D(qty), cost=value))}


@pytest.mark.parametrize(
    ("wish", "known", "expected"),
    [
        ({}, {}, {"price": 100, "notional": 1000, "position": 10, "exposure": 1000, "pnl": 0}),
        ({}, {"quote": None}, {"price": None, "notional": None, "exposure": None, "pnl": 0}),
        ({}, {"position": None}, {"position": None, "exposure": None, "pnl": None}),
        (SELL, held(25, 90), {"price": 99, "position": 15, "pnl": 90}),
        (SELL, held(4, 90), {"position": -6, "exposure": 594, "pnl": 36}),
        ({}, held(-10, 90), {"position": 0, "exposure": 0, "pnl": -100}),
        (SELL, held(25, None), {"pnl": None}),
        (SELL, {**held(25, 90), "quote": None}, {"pnl": None}),
        ({}, {"reserve": None}, {"reserve": None, "buying_power": None}),
        ({}, {"funds": None}, {"reserve": 1000, "buying_power": None}),
        ({}, {}, {"reserve": 1000, "buying_power": 0, "fees": None}),
        (
            BTC,
            {"reserve": m.Reserve(opens=True, margin=False), "funds": m.Funds(D(1), D(1500))},
            {"buying_power": 500, "fees": 0},
        ),
    ],
)
def test_the_impact_is_what_is_known_and_none_for_the_rest(wish, known, expected):
    asked = request(**{"qty": 10, **wish})
    found = impact(asked, a_context(pair=pair_of(asked.symbol), **known))
    assert {name: getattr(found, name) for name in expected} == expected
