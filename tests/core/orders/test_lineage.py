"""One order over several broker ids, and an id that belongs to another order."""

from decimal import Decimal

import pytest

from fillbook import model as m
from tests.core.records import AT, Records, fill, intended, report, terms


def oddities(order):
    return [a.oddity for a in order.anomalies]


def replaced(word="new", cum=0, *, qty=4):
    """An order of 10, of which 6 filled, replaced externally; and the report of its successor."""
    records = Records()
    records.take(intended(qty=10))
    records.take(report("partially_filled", 6, 10, terms=terms(qty=10)))
    records.take(fill("s1", 6, 10, cum=6))
    later = {"clock": "2026-03-02T15:00:05Z", "terms": terms(qty=10), "replaced_by": "b2"}
    records.take(report("replaced", 6, 10, **later))
    new = {"broker_order_id": "b2", "client_order_id": "hand", "replaces": "b1"}
    records.take(report(word, cum, 10, "2026-03-02T15:00:06Z", terms=terms(qty=qty), **new))
    if cum:
        records.take(fill("s2", cum, 10, cum=cum, broker_order_id="b2"))
    records.take(m.HistoryRead("b2"))
    return records.order()


@pytest.mark.parametrize(
    ("successor", "status", "filled", "leaves"),
    [
        (replaced(), "partially_filled", 6, 4),
        (replaced("partially_filled", 1), "partially_filled", 7, 3),
        (replaced("filled", 4), "filled", 10, 0),
        (replaced("canceled", 1), "canceled", 7, 0),
        (replaced(qty=10), "partially_filled", 6, 10),  # 4, if that is the total: unknown
        (replaced("filled", 4, qty=10), "filled", 10, 0),  # it was replaced, by the broker's status
    ],
)
def test_the_successor_of_an_order_decides_whether_it_works(successor, status, filled, leaves):
    """Its quantity may be the total or the rest: the larger one loses nothing."""
    said = (successor.status, successor.filled_qty, successor.leaves_qty)
    assert said == (m.OrderStatus(status), filled, leaves)
    assert successor.is_final is (leaves == 0)
    assert oddities(successor) == []


def test_more_than_its_own_quantity_is_an_overfill_of_that_id():
    in_all, of_its_own = replaced("filled", 5).anomalies
    assert of_its_own == m.Anomaly(m.Oddity.OVERFILL, "b2", "5 of 4")
    assert in_all == m.Anomaly(m.Oddity.OVERFILL, "b2", "11 of 10")


@pytest.mark.parametrize(
    "other", [{"qty": 7}, {"side": "sell"}, {"symbol": "MSFT"}], ids=["qty", "side", "symbol"]
)
@pytest.mark.parametrize("intent_first", [True, False])
def test_an_order_of_our_id_that_is_another_is_shown_as_it_is(other, intent_first):
    """A bot that lost its store gave the id of an older order to a new request."""
    facts = [intended(qty=10), report("canceled", 5, 10, terms=terms(**{"qty": 10, **other}))]
    records = Records()
    for fact in facts if intent_first else facts[::-1]:
        records.take(fact)
    order = records.order()
    assert oddities(order) == [m.Oddity.OTHER_BODY]
    assert order.terms == terms(**{"qty": 10, **other})
    assert records.position(order.symbol).qty == 5 * order.side.sign


@pytest.mark.parametrize("told", [{"qty": 10}, {"qty": None, "notional": 50}])
def test_unreported_terms_are_no_anomaly(told):
    records = Records()
    records.take(intended(qty=10))
    records.take(report("new", terms=terms(**told)))
    assert oddities(records.order()) == []
    assert records.order().qty == Decimal(10)
    assert records.order().created_at == AT


def test_the_total_of_a_replacing_id_may_include_fills_in_quote_currency():
    """The replaced id filled 50 in quote currency at 10: 5 units, which are not counted again."""
    records = Records()
    first = fill("f1", 50, 10, in_quote=True)
    second = report("new", 5, clock="2026-03-02T15:00:09Z", broker_order_id="b2", replaces="b1")
    for fact in (intended(), report("new", 0), first, second):
        records.take(fact)
    assert records.order().filled_qty == 5
