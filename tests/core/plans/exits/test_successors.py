"""What becomes of the protection of units that a corporate action exchanged."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.exits.successors import successors
from tests.core.journal.test_corporate_actions import LATER, MERGED, buy, made, row
from tests.core.records import AT

K = m.ActivityKind
D = Decimal
POLICY = m.ExitPolicy(
    stop_price=9, take_profit=30, trail=2, trail_after="5%", break_even=12, cooldown_s=60
)
KEPT = m.Protection(
    symbol="AAPL",
    strategy="a",
    policy=POLICY,
    stop_price=D(9),
    take_profit=D(30),
    priced_at=AT,
    set_at=AT,
    entered=D(4),
    opened_by="b0",
    applied=True,
)
EARLIER = m.timestamp("2026-03-03T14:00:00Z")
NEXT = m.timestamp("2026-03-04T15:00:00Z")
FOR_SHARES = MERGED[:2]


def moved(records, protection=KEPT):
    (found,) = successors(records, protection)
    return found


def test_the_prices_are_restated_by_what_came_for_each_unit():
    found = moved(made(*FOR_SHARES))
    new = found.protection
    assert (found.symbol, found.text, new.key) == ("NEW", "", "NEW/a")
    assert (new.stop_price, new.take_profit, new.priced_at) == (18, 60, LATER)
    assert new.policy == m.ExitPolicy(
        stop_price=18, take_profit=60, trail=4, trail_after="5%", break_even=24, cooldown_s=60
    )
    assert (new.entered, new.applied, new.suspended) == (None, False, "")


@pytest.mark.parametrize(
    "split",
    [
        [row("0", K.SPLIT, "AAPL", ratio=2, group=None, at=EARLIER)],
        [row(n, K.SPLIT, "AAPL", q, group="s", at=EARLIER) for n, q in (("7", -10), ("8", 20))],
    ],
)
def test_the_splits_of_the_old_units_count_from_when_a_price_was_stored(split):
    rows = (row("1", K.MERGER, "AAPL", -20), row("2", K.MERGER, "NEW", 10))
    policy = m.ExitPolicy(take_profit="20%", stop_price=9)
    kept = evolve(KEPT, policy=policy, take_profit=None, priced_at=LATER)
    new = moved(made(*split, *rows), kept).protection
    assert (new.stop_price, new.take_profit) == (18, None)  # it was stored after the split
    assert (new.policy.stop_price, new.policy.take_profit) == (9, policy.take_profit)
    new = moved(made(*split, *rows), evolve(kept, priced_at=None, set_at=None)).protection
    assert (new.priced_at, new.set_at) == (None, None)


def test_what_was_never_held_was_closed_by_a_trade_or_has_no_rows_became_nothing():
    other = evolve(KEPT, symbol="OTHER")
    assert successors(made(*FOR_SHARES), other) == []
    records = made(b=0)
    buy(records, "c5", "b5", "a", -4)
    assert successors(records, KEPT) == []
    records = made(*FOR_SHARES)
    buy(records, "c6", "b6", "a", 2, at=NEXT)
    buy(records, "c7", "b7", "a", -2, at=NEXT)
    assert successors(records, KEPT) == []
    assert successors(made(row("1", K.MERGER, "AAPL", -10, cash=900)), KEPT) == []


def test_a_part_that_was_closed_by_an_adopted_difference_is_told():
    records = made()
    records.take(m.BalanceAdjusted("AAPL", D(0), None, NEXT, "ADOPTED"))
    found = moved(records)
    assert (found.symbol, found.protection) == ("AAPL", None)
    assert found.text.startswith("AAPL (a) was closed by a difference that was adopted")


def test_one_that_the_strategy_has_of_the_new_symbol_is_for_all_of_its_units():
    records = made(*FOR_SHARES)
    records.take(m.ProtectionSet(evolve(KEPT, symbol="NEW")))
    found = moved(records)
    assert found.protection is None
    assert found.text == (
        "2 NEW (a) came for AAPL (a) by the merger: the exits of NEW (a) are for them too"
    )


SECOND = row("4", K.MERGER, "MORE", 5)


@pytest.mark.parametrize(
    ("rows", "because"),
    [
        (MERGED, "cash was paid beside them"),
        ((*FOR_SHARES, SECOND), "other units came beside them"),
    ],
)
def test_where_no_price_follows_the_protection_is_suspended(rows, because):
    for found in successors(made(*rows), KEPT):
        assert because in found.text
        assert found.protection.suspended == found.text
        assert found.protection.policy == POLICY


@pytest.mark.parametrize("strategy", ["a", "c"])
def test_units_that_were_held_already_are_not_sold_with_those_that_came(strategy):
    records = made()
    buy(records, "c5", "b5", strategy, 3, symbol="NEW")
    buy(records, "c6", "b6", "a", 3, symbol="NEW", at=NEXT)
    for x in FOR_SHARES:
        records.take(x, LATER)
    found = moved(records)
    assert ("held others of them already" in found.text) is (strategy == "a")


def test_units_that_belong_to_no_strategy_are_those_of_nobody_or_of_whom_they_were_given():
    """Two symbols ended together, which the strategies held in other proportions."""
    records = made()
    buy(records, "c5", "b5", "a", 5, symbol="ALSO")
    for x in (*FOR_SHARES, row("5", K.MERGER, "ALSO", -5)):
        records.take(x, LATER)
    found = moved(records)
    assert "it is not known for how many units they came" in found.text
    assert found.protection.key == "NEW/"
    records.take(m.Assigned("c", movement=records.position("NEW").last.key))
    assert moved(records).protection.key == "NEW/c"


def test_a_strategy_that_received_nothing_has_no_successor():
    rows = (row("1", K.MERGER, "AAPL", -3), row("2", K.MERGER, "NEW", "0.000000001"))
    records = made(*rows, a=1, b=2)
    names = {name for name in "ab" if successors(records, evolve(KEPT, strategy=name))}
    assert names == {"b"}


def test_what_was_exchanged_again_is_followed_to_its_end():
    again = (
        row("5", K.MERGER, "NEW", -5, at=NEXT, group="h"),
        row("6", K.MERGER, "LAST", 20, at=NEXT, group="h"),
    )
    new = moved(made(*FOR_SHARES, *again)).protection
    assert (new.key, new.stop_price) == ("LAST/a", D("4.5"))
    records = made(*FOR_SHARES, *again)
    buy(records, "c8", "b8", "a", -8, symbol="LAST", at=m.timestamp("2026-03-05T15:00:00Z"))
    assert successors(records, KEPT) == []
    assert successors(made(*FOR_SHARES), KEPT, frozenset({"AAPL"})) == []
    records = made(*FOR_SHARES, *again)
    records.take(m.ProtectionSet(evolve(KEPT, symbol="NEW")))
    assert successors(records, KEPT) == []  # that one is followed by itself


SPUN = row("1", K.SPIN_OFF, "SPUN", 5, source="AAPL")


def alerts(records):
    return [x.alert.message for x in records.all(m.Event) if x.alert is not None]


def test_units_beside_those_of_a_protected_part_are_alerted_once():
    records = made()
    records.take(m.ProtectionSet(KEPT))
    records.take(SPUN, LATER)
    (text,) = alerts(records)
    assert text.startswith("2 SPUN (a) came by the spin off of AAPL (a), and have no exits")
    buy(records, "c5", "b5", "a", 1)  # a fill of before it that is reported late
    assert len(alerts(records)) == 1


def test_units_are_not_alerted_that_have_exits_or_come_in_place_of_others():
    records = made()
    records.take(m.ProtectionSet(KEPT))
    records.take(m.ProtectionSet(evolve(KEPT, symbol="SPUN")))
    records.take(SPUN, LATER)
    assert alerts(records) == []
    records = made()
    records.take(m.ProtectionSet(KEPT))
    for x in FOR_SHARES:
        records.take(x, LATER)
    assert alerts(records) == []


def given_beside(*then, group="h"):
    """AAPL became NEW, and beside NEW came BORN; then what *then* says; the alerts about BORN."""
    records = made(*FOR_SHARES)
    spin = row("6", K.SPIN_OFF, "BORN", 5, source="NEW", group=group, at=NEXT)
    for x in (spin, *then):
        records.take(x, NEXT)
    return records, [x for found in successors(records, KEPT) for x in found.beside]


def test_what_came_beside_units_before_their_protection_was_known_is_told():
    records, (alert,) = given_beside()
    assert (alert.kind, alert.about) == (m.AlertKind.EXIT_CHANGED, "BORN")
    assert alert.message.startswith("2 BORN (a) came by the spin off of NEW (a), and have no exits")
    records.take(m.ProtectionSet(evolve(KEPT, symbol="BORN")))
    assert moved(records).beside == ()


AFTER = m.timestamp("2026-03-05T15:00:00Z")


def test_what_came_beside_them_and_was_sold_is_not_told():
    records, _ = given_beside()
    buy(records, "c8", "b8", "a", -2, symbol="BORN", at=AFTER)
    assert moved(records).beside == ()


def test_what_came_in_their_place_is_not_beside_them():
    gone = (row("7", K.MERGER, "NEW", -5, group="i", at=AFTER),)
    came = (row("8", K.MERGER, "LAST", 15, group="i", at=AFTER),)
    records, (alert,) = given_beside(*gone, *came)
    assert alert.about == "BORN"
    assert [x.symbol for x in successors(records, KEPT)] == ["NEW", "LAST"]
    records, (alert,) = given_beside(m.BalanceAdjusted("NEW", D(0), None, AFTER, "ADOPTED"))
    assert alert.about == "BORN"
