"""One order by its key, and the exits that the broker made for an order."""

import pytest

from fillbook import errors
from tests.bench import Bench


def test_an_order_is_found_by_its_key_and_strategy():
    bench = Bench()
    plain = bench.desk.buy("AAPL", qty=1, key="monday")
    other = bench.desk.buy("AAPL", qty=1, key="monday", strategy="trend")
    assert bench.desk.book.order(key="monday").client_order_id == plain.client_order_id
    found = bench.desk.book.order(key="monday", strategy="trend")
    assert found.client_order_id == other.client_order_id


@pytest.mark.parametrize("given", [{"key": "tuesday"}, {"key": "monday", "strategy": "other"}])
def test_a_key_without_an_order_is_unknown(given):
    bench = Bench()
    bench.desk.buy("AAPL", qty=1, key="monday")
    with pytest.raises(errors.UnknownOrder):
        bench.desk.book.order(**given)


def test_an_empty_record_has_no_order_with_a_key():
    with pytest.raises(errors.UnknownOrder, match="has no order with the key 'monday'"):
        Bench(opened=False).desk.book.order(key="monday")


def test_an_order_and_a_key_are_not_given_together():
    book = Bench().desk.book
    for given in ({}, {"order": "fb-1", "key": "monday"}):
        with pytest.raises(errors.InvalidValue, match="give an order"):
            book.order(**given)


def test_the_legs_of_a_bracket_are_orders_of_their_own():
    bench = Bench()
    entry = bench.desk.buy("AAPL", qty=2, take_profit="250", stop_loss="150", strategy="trend")
    legs = bench.desk.book.legs(entry)
    assert sorted((leg.type, leg.qty) for leg in legs) == [("limit", 2), ("stop", 2)]
    assert {(leg.parent, leg.strategy) for leg in legs} == {(entry.client_order_id, "trend")}
    assert bench.desk.book.legs(legs[0]) == []
