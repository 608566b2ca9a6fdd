"""Rounding of an order: increments of quantity and price, the closable quantity, adjustments."""

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core.checks.broker_rules import says_closing
from fillbook.core.checks.rounding import adjusted
from tests.core.checks.contexts import (
    ABLE,
    BTC,
    COIN,
    LOTS,
    PARTED,
    PLAIN,
    SELL,
    SHARE,
    WHOLE,
    a_context,
    holding,
)
from tests.core.records import request

D = Decimal
CUT = m.Limits(oversell="cut")
CUT_PART = m.Limits(strategy_oversell="cut")
LONG = {"position": holding("10.25"), "limits": CUT}


@pytest.mark.parametrize(
    ("wish", "known", "sent"),
    [
        ({}, {}, {}),
        ({**SELL, "qty": 11}, {"position": holding(10)}, {}),
        ({**SELL, "qty": 11, "reduce_only": True}, {"position": holding(10)}, {"qty": "10"}),
        ({**SELL, "qty": 11, "reduce_only": True}, {}, {}),  # nothing is held: it is denied
        ({"limit_price": "9.999"}, {}, {"limit_price": "9.99"}),
        ({"limit_price": "9.99"}, {}, {}),
        ({"limit_price": "9.999"}, {"capabilities": PLAIN}, {}),  # no step is known
        ({**SELL, "limit_price": "9.991"}, {}, {"limit_price": "10"}),
        ({"limit_price": "0.99999"}, {}, {"limit_price": "0.9999"}),
        ({**BTC, "limit_price": "9.9"}, {"instrument": COIN}, {"limit_price": "9.5"}),
        ({"stop_price": "9.999"}, {}, {"stop_price": "9.99"}),
        ({**SELL, "stop_price": "9.991"}, {}, {"stop_price": "10"}),
        ({"trail_price": "9.999"}, {}, {"trail_price": "9.99"}),
        ({**SELL, "trail_price": "9.999"}, {}, {"trail_price": "9.99"}),
        (
            {"limit_price": "9.999", "take_profit": "11.111", "stop_loss": "8.881"},
            {},
            {"limit_price": "9.99", "take_profit": "11.12", "stop_loss": "8.89"},
        ),
        (
            {**SELL, "order_class": "oco", "take_profit": "11.111", "stop_loss": "8.881"},
            {},
            {"take_profit": "11.12", "stop_loss": "8.89"},
        ),
        ({"qty": "1.0009"}, {"instrument": SHARE}, {"qty": "1"}),
        ({"qty": "1.0009"}, {}, {}),  # the instrument was not observed
        ({"qty": "1.5"}, {"instrument": WHOLE}, {}),  # a fraction is refused, not cut
        ({"qty": 15}, {"instrument": LOTS}, {"qty": "10"}),
        ({"qty": 20}, {"instrument": LOTS}, {}),
        ({"qty": "15.5"}, {"instrument": LOTS}, {}),  # a fraction is refused here too
        ({"qty": 5}, {"instrument": LOTS}, {}),  # nothing would be left: refused
        ({"qty": "0.0009"}, {"instrument": SHARE}, {}),  # nothing would be left: refused
        ({"qty": None, "notional": "50.009"}, {}, {"notional": "50"}),
        ({"qty": None, "notional": "50.009"}, {"capabilities": PLAIN}, {}),
        ({**SELL, "qty": 11}, LONG, {"qty": "10.25"}),
        ({**SELL, "qty": 11, "strategy": "a"}, PARTED | {"limits": CUT_PART}, {"qty": "6"}),
        ({**SELL, "qty": 5, "strategy": "a"}, PARTED | {"limits": CUT_PART}, {}),
        ({**SELL, "qty": 5, "strategy": "c"}, PARTED | {"limits": CUT_PART}, {}),
        ({**SELL, "qty": 11}, {**LONG, "limits": m.Limits()}, {}),
        ({**SELL, "qty": 11}, {"limits": CUT}, {}),  # nothing is held
        ({**SELL, "qty": 10}, LONG, {}),
        (
            {**SELL, "qty": 11},
            {"position": holding("9.99975"), "limits": CUT, "instrument": SHARE},
            {"qty": "9.999"},
        ),
    ],
)
def test_an_order_is_rounded_never_to_its_disadvantage(wish, known, sent):
    """Quantities are rounded down, a price so that it trades no worse; each change is reported."""
    asked = request(**wish)
    made, changes = adjusted(asked, a_context(**known))
    assert sent == {x.field: m.plain(x.sent) for x in changes}
    assert sent == {name: m.plain(getattr(made, name)) for name in sent}
    assert all(x.wished == getattr(asked, x.field) and x.why for x in changes)
    assert (
        m.Intent(
            client_order_id="c1",
            request=made,
            at=m.timestamp("2026-03-02T15:00:00Z"),
            adjustments=changes,
        ).wish
        == asked
    )


prices = st.decimals("0.0001", "2000", places=6)


@given(price=prices, side=st.sampled_from(["buy", "sell"]), name=st.sampled_from(["limit", "stop"]))
def test_a_price_never_becomes_a_worse_one(price, side, name):
    """A buy pays no more and a sale receives no less, by less than one increment."""
    field = f"{name}_price"
    made, _ = adjusted(request(side=side, **{field: price}), a_context())
    sent = getattr(made, field)
    step = next(x.step for x in ABLE.ticks if price >= x.least)
    if price < step:
        assert sent in (price, step)  # nothing would be left of it: refused by the checks
    else:
        assert sent == m.cut(sent, step)
    assert 0 <= (price - sent) * m.OrderSide(side).sign < step


@given(qty=st.decimals("0.001", "1000", places=9))
def test_a_quantity_never_grows(qty):
    made, _ = adjusted(request(qty=qty), a_context(instrument=SHARE))
    assert 0 <= qty - made.qty < SHARE.qty_increment
    assert made.qty == m.cut(made.qty, SHARE.qty_increment)


@pytest.mark.parametrize(
    ("wish", "known", "expected"),
    [
        ({"reduce_only": True}, {}, True),
        ({}, {"reserve": m.Reserve(opens=False)}, True),
        ({}, {"reserve": m.Reserve(opens=True)}, False),
        ({}, {"reserve": None}, False),
        ({"reduce_only": True}, {"capabilities": ABLE}, False),
        ({"reduce_only": True}, {"instrument": None}, False),
        ({**BTC, "reduce_only": True}, {"instrument": COIN}, False),
    ],
)
def test_an_order_that_only_reduces_says_that_it_closes_where_the_broker_takes_that(
    wish, known, expected
):
    takes = evolve(ABLE, closing_intent=frozenset({m.AssetClass.EQUITY}))
    context = a_context(**{"capabilities": takes, "instrument": SHARE, **known})
    assert says_closing(request(**{**SELL, **wish}), context) is expected
