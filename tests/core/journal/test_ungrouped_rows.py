"""Rows of one kind and day that bear no group: of which events they are."""

import pytest

from tests.core.journal.test_corporate_actions import LATER, K, buy, made, parts, row


def ungrouped(kind, *moves):
    """Rows without a group, of one day: names, quantities and perhaps prices or cash."""
    return [
        row(f"{number}", kind, name, qty, group=None, **kw)
        for number, (name, qty, kw) in enumerate(moves)
    ]


def beside(qty, price=10):
    """Units of MSFT, of strategy c."""
    return lambda records: buy(records, "c9", "b9", "c", qty, symbol="MSFT", price=price)


def made_with(other, rows):
    records = made()
    other(records)
    for each in rows:
        records.take(each, LATER)
    return records


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("qty", "prices"), [(7, (5, 5)), (10, (5, 6))])
def test_two_renames_of_one_day_are_told_apart_by_quantity_or_price(order, qty, prices):
    one, two = ({"price": x} for x in prices)
    moves = [("AAPL", -10, one), ("APLE", 10, one), ("MSFT", -qty, two), ("MCRO", qty, two)]
    rows = ungrouped(K.SYMBOL_CHANGE, *moves)
    records = made_with(beside(qty), rows[::order])
    assert parts(records, "APLE") == {"a": 4, "b": 6}
    assert parts(records, "MCRO") == {"c": qty}


def test_renames_that_nothing_tells_apart_move_nobodys_units():
    moves = [("AAPL", -10, {}), ("APLE", 10, {}), ("MSFT", -10, {}), ("MCRO", 10, {})]
    records = made_with(beside(10), ungrouped(K.SYMBOL_CHANGE, *moves))
    assert (parts(records, "APLE"), parts(records, "MCRO")) == ({"": 10}, {"": 10})


@pytest.mark.parametrize("end", [("NEWY", 2, {}), ("MSFT", None, {"cash": 600})])
def test_two_mergers_of_one_day_are_told_apart_if_one_is_at_one_for_one(end):
    moves = [("AAPL", -10, {}), ("NEWX", 10, {}), ("MSFT", -5, {}), end]
    records = made_with(beside(5), ungrouped(K.MERGER, *moves))
    assert parts(records, "NEWX") == {"a": 4, "b": 6}
    assert parts(records, "MSFT") == {}
    assert parts(records, "NEWY") == ({"c": 2} if end[0] == "NEWY" else {})


def test_units_beside_those_of_one_for_one_are_of_the_same_merger():
    moves = [("AAPL", -10, {}), ("NEWX", 10, {}), ("NEWY", 5, {})]
    records = made(*ungrouped(K.MERGER, *moves))
    assert parts(records, "NEWX") == {"a": 4, "b": 6}
    assert parts(records, "NEWY") == {"a": 2, "b": 3}


def test_several_splits_of_one_day_are_their_sum():
    """Two pairs of rows, and two rows that bear a ratio each."""
    pairs = [("AAPL", -10, {}), ("AAPL", 20, {}), ("AAPL", -20, {}), ("AAPL", 60, {})]
    ratios = [("AAPL", 10, {"ratio": 2}), ("AAPL", 40, {"ratio": 3})]
    for moves in (pairs, ratios):
        assert parts(made(*ungrouped(K.SPLIT, *moves))) == {"a": 24, "b": 36}
