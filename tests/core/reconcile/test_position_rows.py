"""The table of a comparison: the record, the broker, and what the bot expects."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.reconcile.position_rows import expected_findings, rows_of
from tests.core.records import Records

D = Decimal


def held(symbol, qty):
    return m.Position(symbol=symbol, account=m.Holding(qty=D(qty)))


def theirs(symbol, qty):
    return m.PositionSnapshot(symbol, D(qty), None)


def test_each_symbol_of_any_side_is_a_row():
    rows = rows_of(
        [held("AAPL", 10), held("FLAT", 0), held("GONE", 2)],
        [theirs("AAPL", 10), theirs("NEW", 3)],
        {"AAPL": D(9), "WISH": D(1)},
        Records(),
    )
    assert [(x.symbol, x.ours, x.theirs, x.bot, x.verdict) for x in rows] == [
        ("AAPL", 10, 10, 9, "drift"),
        ("GONE", 2, 0, 0, "drift"),
        ("NEW", 0, 3, 0, "drift"),
        ("WISH", 0, 0, 1, "drift"),
    ]


def test_without_a_record_only_the_bot_and_the_broker_are_compared():
    rows = rows_of((), [theirs("AAPL", 10)], {"AAPL": D(10)}, None)
    assert [(x.ours, x.theirs, x.bot, x.verdict) for x in rows] == [(None, 10, 10, "in sync")]
    assert expected_findings(rows) == ()


@pytest.mark.parametrize(
    ("bot", "actual", "drift"),
    [
        (1, 0, m.Phantom("AAPL", D(1))),
        (0, 2, m.Untracked("AAPL", D(2))),
        (1, 2, m.WrongQty("AAPL", D(1), D(2))),
    ],
)
def test_a_difference_of_the_bot_is_named_by_its_kind(bot, actual, drift):
    rows = (m.Row("AAPL", None, D(actual), D(bot)), m.Row("MSFT", None, D(1)))
    assert [x.drift for x in expected_findings(rows)] == [drift]


def test_a_fee_that_is_due_is_no_drift():
    """The record shows what the broker may still take."""
    records = Records()
    mine = m.Position(symbol="BTC/USD", account=m.Holding(qty=D(1)), fee_due=D("0.1"))
    (row,) = rows_of([mine], [theirs("BTC/USD", "0.95")], None, records)
    assert (row.verdict, row.theirs) == ("fee pending", D("0.95"))


def test_a_symbol_that_only_the_bot_knows_is_unknown():
    bot = {"NOPE": D(2), "NONE": D(0), "AAPL": D(1)}
    assert [x.verdict for x in rows_of((), (), {"NOPE": D(2)}, None)] == ["drift"]
    rows = rows_of((), [theirs("AAPL", 10)], bot, None, lambda symbol: True)
    assert {x.symbol: x.verdict for x in rows} == {"AAPL": "drift", "NOPE": "unknown symbol"}
