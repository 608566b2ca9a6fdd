"""Rows of one kind and day that bear no group: of which events they are."""

from itertools import permutations

import pytest
from attrs import evolve

from fillbook import model as m
from tests.core.journal.test_corporate_actions import DAY, LATER, D, K, buy, made, parts, row
from tests.core.records import AT, Records, fill, intended, report, terms


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


def test_two_mergers_of_one_day_for_cash_are_told_apart_by_their_symbols():
    moves = [
        *(("AAPL", -10, {}), ("AAPL", None, {"cash": 150})),
        *(("MSFT", -5, {}), ("MSFT", None, {"cash": 40})),
    ]
    rows = ungrouped(K.MERGER, *moves)
    for order in (rows, rows[::-1]):
        records = made_with(beside(5), order)
        realized = [records.position(x).account.realized for x in ("AAPL", "MSFT")]
        assert (realized, parts(records), parts(records, "MSFT")) == ([50, -10], {}, {})


@pytest.mark.parametrize("kind", [K.MERGER, K.SYMBOL_CHANGE])
@pytest.mark.parametrize("order", [1, -1])
def test_units_of_symbols_that_were_held_alike_are_held_so_too(kind, order):
    """Which of the two became which is not known, but whose units they are."""
    moves = [("AAPL", -10, {}), ("NEWX", 3, {}), ("MSFT", -5, {}), ("NEWY", 7, {})]
    records = made()
    buy(records, "c8", "b8", "b", 3, symbol="MSFT")
    for each in ungrouped(kind, *moves)[::order]:
        records.take(each, LATER)
    buy(records, "c9", "b9", "a", 2, symbol="MSFT")  # a fill from before them
    assert (parts(records), parts(records, "MSFT")) == ({}, {})
    expected = {"a": D("1.2"), "b": D("1.8")}, {"a": D("2.8"), "b": D("4.2")}
    assert (parts(records, "NEWX"), parts(records, "NEWY")) == expected
    assert {records.position(x).account.cost for x in ("NEWX", "NEWY")} == {None}


def test_several_splits_of_one_day_are_their_sum():
    """Two pairs of rows, and two rows that bear a ratio each."""
    pairs = [("AAPL", -10, {}), ("AAPL", 20, {}), ("AAPL", -20, {}), ("AAPL", 60, {})]
    ratios = [("AAPL", 10, {"ratio": 2}), ("AAPL", 40, {"ratio": 3})]
    for moves in (pairs, ratios):
        assert parts(made(*ungrouped(K.SPLIT, *moves))) == {"a": 24, "b": 36}


#: The rows of two splits of a day, two for one and three for one, and of a trade of 4 between them.
TWO_SPLITS = {
    "pairs": [("AAPL", -10, {}), ("AAPL", 20, {}), ("AAPL", -24, {}), ("AAPL", 72, {})],
    "added": [("AAPL", 10, {}), ("AAPL", 48, {})],
    "ratios": [("AAPL", 10, {"ratio": 2}), ("AAPL", 48, {"ratio": 3})],
    "pairs with ratios": [
        *(("AAPL", -10, {"ratio": 2}), ("AAPL", 20, {"ratio": 2})),
        *(("AAPL", -24, {"ratio": 3}), ("AAPL", 72, {"ratio": 3})),
    ],
}


def of_a_day(moves):
    return [
        row(f"{number}", K.SPLIT, name, qty, group=None, dated=True, at=DAY, **kw)
        for number, (name, qty, kw) in enumerate(moves)
    ]


def bought(records, sign=1, symbol="AAPL"):
    """Strategy b trades 4 at eleven o'clock of that day; no report came before the fill."""
    fact = {"side": m.OrderSide.BUY if sign > 0 else m.OrderSide.SELL, "symbol": symbol}
    wish = {"symbol": symbol, "side": fact["side"], "qty": 4}
    records.take(intended("c5", strategy="b", **wish))
    at = "2026-03-03T16:00:00Z"
    known = {"client_order_id": "c5", "broker_order_id": "b5", "terms": terms(**wish)}
    records.take(report("new", clock=at, **known), LATER)
    records.take(fill("x5", 4, 10, cum=4, at=at, broker_order_id="b5", **fact), LATER)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("shape", TWO_SPLITS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_trade_between_two_splits_of_one_day_is_between_them(shape, sign):
    """Whatever is read first: the rows, or the trade."""
    moves = [(name, qty * sign, kw) for name, qty, kw in TWO_SPLITS[shape]]
    rows = of_a_day(moves)
    for order in permutations((*rows, None)):
        records = made(a=4 * sign, b=6 * sign)
        for each in order:
            if each is None:
                bought(records, sign)
            else:
                records.take(each, LATER)
        assert parts(records) == {"a": 24 * sign, "b": 48 * sign}, order


@pytest.mark.parametrize("group", [None, "g"])
@pytest.mark.parametrize(
    ("ended", "kept", "received", "unmatched"),
    [
        (14, {}, {"a": 2, "b": 5}, 0),  # the trade was before it
        (10, {"b": 4}, {"a": D("2.8"), "b": D("4.2")}, 0),  # the trade was after it
        (99, {"b": 4}, {"a": D("2.8"), "b": D("4.2")}, 89),  # nothing of the day fits
    ],
)
def test_a_merger_is_at_the_moment_at_which_its_units_were_held(
    group, ended, kept, received, unmatched
):
    """Whatever is read first: its rows, or the trade of that day."""
    rows = [
        row(f"{number}", K.MERGER, name, qty, group=group, dated=True, at=DAY)
        for number, (name, qty) in enumerate((("AAPL", -ended), ("NEWX", 7)))
    ]
    for order in permutations((*rows, None)):
        records = made()
        for each in order:
            if each is None:
                bought(records)
            else:
                records.take(each, LATER)
        assert parts(records, "NEWX") == received, order
        assert records.position("NEWX").unmatched == unmatched
        assert unmatched or parts(records) == kept, order


def test_two_groups_of_one_day_are_two_splits_in_any_order():
    rows = [
        row(f"{number}", K.SPLIT, "AAPL", qty, group=group, dated=True, at=DAY)
        for number, (group, qty) in enumerate((("g", -10), ("g", 20), ("h", -24), ("h", 72)))
    ]
    for order in permutations(rows):
        records = made()
        bought(records)
        for each in order:
            records.take(each, LATER)
        assert parts(records) == {"a": 24, "b": 48}, order


@pytest.mark.parametrize("sign", [1, -1])
def test_a_split_and_a_reverse_split_without_a_ratio_are_no_pair(sign):
    """Two for one, then one for four: 10 units are 5, and not two thirds of them."""
    rows = of_a_day([("AAPL", 10 * sign, {}), ("AAPL", -15 * sign, {})])
    for order in (rows, rows[::-1]):
        records = made(*order, a=4 * sign, b=6 * sign)
        assert parts(records) == {"a": 2 * sign, "b": 3 * sign}


def test_a_split_that_is_posted_reversed_and_posted_again_counts_once():
    wrong, undone = [("AAPL", -10, {}), ("AAPL", 20, {})], [("AAPL", -20, {}), ("AAPL", 10, {})]
    right = [("AAPL", -10, {}), ("AAPL", 30, {})]
    assert parts(made(*of_a_day([*wrong, *undone, *right]))) == {"a": 12, "b": 18}


def test_a_row_without_a_ratio_is_at_the_moment_at_which_its_ratio_is_a_simple_one():
    """14 units were doubled: 10 of them are not 24."""
    records = made()
    bought(records)
    records.take(*of_a_day([("AAPL", 14, {})]), LATER)
    assert parts(records) == {"a": 8, "b": 20}
    paid = made()
    bought(paid)
    paid.take(*of_a_day([("AAPL", 14, {"cash": 3})]), LATER)  # the ratio is not known then
    assert paid.position().qty == 28


def test_the_fractions_of_two_reverse_splits_are_of_those_that_left_them():
    moves = [
        *(("AAPL", -5, {"ratio": "0.5"}), ("AAPL", "-2.5", {"ratio": "0.5"})),
        *(("AAPL", "-0.5", {"cash": 9}), ("AAPL", None, {"cash": 1})),
    ]
    records = made(*of_a_day(moves))
    assert (records.position().qty, records.position().account.cost) == (2, 90)


def test_ratios_that_name_one_split_twice_are_one():
    """The ratio is in the text of each row, also in that which pays for a fraction."""
    moves = [("AAPL", None, {"ratio": 3}), ("AAPL", None, {"ratio": 3, "cash": 2})]
    records = made(*of_a_day(moves))
    assert parts(records) == {"a": 12, "b": 18}


def test_many_rows_and_many_trades_are_not_tried_for_ever():
    records = made()
    for number in range(60):
        at = f"2026-03-03T15:00:{number:02}Z"
        buy(records, f"n{number}", f"m{number}", "b", 1, at=at)
    for each in of_a_day([("AAPL", qty, {}) for qty in (11, 13, 17, 19)]):
        records.take(each, LATER)
    assert records.position().qty == 130


def test_a_split_stays_on_its_side_of_a_balance_that_was_adopted_on_its_day():
    """The trade before it is read later; the balance is the account's from then on."""
    rows = of_a_day([("AAPL", -14, {}), ("AAPL", 28, {})])
    adopted = m.BalanceAdjusted("AAPL", D(28), None, m.timestamp("2026-03-03T20:00:00Z"), "ADOPTED")
    records = made(*rows, adopted)
    assert records.position().qty == 28
    bought(records)
    assert (records.position().qty, parts(records)) == (28, {"a": 8, "b": 20})


def test_a_row_reads_the_rows_of_its_own_group_only():
    """The work of a row does not grow with the history of the account."""

    class Counted(Records):
        read = 0

        def all(self, of):
            self.read += of is m.Activity
            return super().all(of)

    records = Counted()
    for number in range(20):
        records.take(row(f"{number}", K.SPLIT, f"S{number}", 1, group=None), LATER)
    assert records.read == 0


@pytest.mark.parametrize("moves", [[(10, {"ratio": 2})], [(-10, {}), (20, {})]])
def test_a_correction_after_a_split_leaves_the_split_where_it_was(moves):
    """The corrected fill is of its own time then; rows that were read before it are earlier."""
    records = made(a=10, b=0)
    for number, (qty, kw) in enumerate(moves):
        (each,) = of_a_day([("AAPL", qty, kw)])
        read_at = m.timestamp("2026-03-03T15:00:00Z")
        listed = evolve(each.activity, activity_id=f"{number}", read_at=read_at)
        records.take(m.ActivityReported(listed), LATER)
    assert records.position().qty == 20
    late = {"cum": 10, "broker_order_id": "b0", "fixes": "xc0"}
    records.take(fill("y1", 10, 9, at="2026-03-03T16:00:00Z", **late), LATER)
    move = next(x for x in records.all(m.Movement) if x.kind is m.MoveKind.RATIO)
    assert move.at == DAY


@pytest.mark.parametrize(
    ("held", "moved", "left"),
    [
        ("2.6", ("2.6", "-0.2"), 5),  # two for one, and a fraction is paid
        ("-21", ("-10.5", "0.5"), -31),
        ("0.5", ("-0.5", "6.5"), "6.5"),  # thirteen for one: less than one unit is exchanged
    ],
)
@pytest.mark.parametrize("bought", [False, True])
def test_two_rows_of_a_split_are_an_exchange_or_a_fraction_beside_it(held, moved, left, bought):
    """Also if a part of what was held was bought on that day."""
    at = LATER if bought else AT
    records = made(a=0, b=0)
    buy(records, "c7", "b7", "a", D(held), at=at)
    for name, qty in zip("12", moved, strict=True):
        paid = {"cash": 2} if abs(D(qty)) < 1 else {}
        records.take(row(name, K.SPLIT, "AAPL", qty, at=DAY, dated=True, **paid), LATER)
    assert parts(records) == {"a": D(left)}
