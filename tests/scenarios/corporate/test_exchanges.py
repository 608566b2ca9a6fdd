"""Mergers, spin-offs, worthless removals, receipts and assignments of shares."""

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Posting
from tests.bench import Bench
from tests.scenarios.corporate.held import (
    DAY,
    D,
    V,
    assert_true,
    costs,
    later,
    parts,
    realized,
    settle,
    two_strategies,
)

LISTINGS = [Posting(), Posting(delay_s=DAY), Posting(delay_s=-DAY), Posting(grouped=False)]


@pytest.mark.parametrize("posting", LISTINGS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_merger_into_shares_gives_each_strategy_its_part_at_its_cost(posting, sign):
    bench = two_strategies(a=20 * sign, b=60 * sign)
    before = costs(bench, "AAPL")
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5", posting=posting)
    settle(bench, 2 * DAY + 60)
    assert parts(bench, "AAPL") == {}
    assert {"a": D(10 * sign), "b": D(30 * sign)} == parts(bench, "NEWX")
    assert before == costs(bench, "NEWX")
    assert (realized(bench), bench.desk.book.trades()) == (0, [])
    assert bench.desk.sync().entries == 0


@pytest.mark.parametrize("posting", LISTINGS)
def test_cash_beside_the_shares_reduces_their_cost_and_counts_once(posting):
    bench = two_strategies(a=20, b=60)
    before = costs(bench, "AAPL")
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5", cash="12.50", posting=posting)
    settle(bench, 2 * DAY + 60)
    assert {"a": D(10), "b": D(30)} == parts(bench, "NEWX")
    assert {"a": before["a"] - 250, "b": before["b"] - 750} == costs(bench, "NEWX")
    assert (realized(bench), bench.desk.book.trades()) == (0, [])
    order = bench.desk.sell("NEWX", qty=10, strategy="a")
    settle(bench)
    (trade,) = bench.desk.book.trades()
    gain = order_value(bench, order) + 250 - before["a"]
    assert ("a", gain, gain) == (trade.strategy, trade.pnl, realized(bench))


def order_value(bench, order):
    return bench.desk.book.order(order).filled_value


def test_a_merger_for_cash_realizes_what_was_paid_less_the_cost():
    bench = two_strategies(a=20, b=60)
    cost = sum(costs(bench, "AAPL").values())
    bench.exchange.merge("AAPL", cash="200")
    settle(bench)
    assert parts(bench, "AAPL") == {}
    assert (80 * 200 - cost, []) == (realized(bench), bench.desk.book.trades())


def test_a_merger_closes_a_short_position_at_what_it_costs():
    bench = two_strategies(a=-20, b=-60)
    proceeds = sum(costs(bench, "AAPL").values())
    bench.exchange.merge("AAPL", cash="200")
    settle(bench)
    assert (proceeds - 80 * 200, []) == (realized(bench), bench.desk.book.trades())


def test_worthless_units_end_without_an_invented_profit_or_loss():
    bench = two_strategies()
    bench.exchange.merge("AAPL")
    settle(bench)
    assert (parts(bench, "AAPL"), realized(bench), bench.desk.book.trades()) == ({}, 0, [])


def test_a_merger_into_a_symbol_that_is_held_adds_to_its_parts():
    bench = two_strategies(a=20, b=60)
    bench.desk.buy("MSFT", qty=3, strategy="a")
    bench.desk.buy("MSFT", qty=5, strategy="c")
    settle(bench)
    before, old = costs(bench, "MSFT"), costs(bench, "AAPL")
    bench.exchange.merge("AAPL", "MSFT", ratio="0.25", whole=True)
    settle(bench)
    assert {"a": D(8), "b": D(15), "c": D(5)} == parts(bench, "MSFT")
    assert costs(bench, "MSFT")["a"] == before["a"] + old["a"]


def test_fractions_of_a_merger_are_paid_and_reduce_the_cost():
    bench = two_strategies(a=20, b=61)
    before, cash = sum(costs(bench, "AAPL").values()), bench.truth.cash()
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5", whole=True)
    settle(bench)
    assert sum(parts(bench, "NEWX").values()) == 40
    paid = bench.truth.cash() - cash
    after = sum(costs(bench, "NEWX").values())
    assert abs(before - paid - after) < D("1e-40")


def test_the_open_orders_of_a_merged_symbol_end_with_the_brokers_word():
    bench = two_strategies()
    order = bench.resting(time_in_force="gtc")
    bench.exchange.merge("AAPL", "NEWX", ratio=1)
    settle(bench)
    assert bench.desk.book.order(order).status == "canceled"
    assert bench.desk.book.reservations() == []


def test_a_fill_from_before_a_merger_that_is_reported_after_it_is_merged_too():
    bench = two_strategies(a=20, b=60)
    order = bench.resting(time_in_force="gtc")
    bench.fail("fill", "history-late", seconds=600)
    bench.exchange.fill(order.broker_order_id, 4, 150)
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5")
    settle(bench, 900)
    assert {"a": D(10), "b": D(30), "s": D(2)} == parts(bench, "NEWX")
    assert costs(bench, "NEWX")["s"] == 600


def test_a_fill_from_before_two_mergers_follows_through_both():
    """The first holding was larger than it was known to be; the last one follows."""
    bench = two_strategies(a=20, b=60)
    order = bench.resting(time_in_force="gtc")
    bench.fail("fill", "history-late", seconds=1200)
    bench.exchange.fill(order.broker_order_id, 4, 150)
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5")
    later(bench)
    bench.exchange.merge("NEWX", "LAST", ratio=4)
    settle(bench, 1500)
    assert {"a": D(40), "b": D(120), "s": D(8)} == parts(bench, "LAST")
    assert costs(bench, "LAST")["s"] == 600


@pytest.mark.parametrize("posting", LISTINGS)
def test_a_spin_off_goes_to_who_holds_its_parent_at_an_unknown_cost(posting):
    bench = two_strategies(a=20, b=60)
    before = costs(bench, "AAPL")
    bench.exchange.spin_off("AAPL", "SPUN", ratio="0.1", price=20, posting=posting)
    settle(bench, 2 * DAY + 60)
    assert {"a": D(2), "b": D(6)} == parts(bench, "SPUN")
    assert {"a": D(20), "b": D(60)} == parts(bench, "AAPL")
    assert (before, {"a": None, "b": None}) == (costs(bench, "AAPL"), costs(bench, "SPUN"))
    assert bench.desk.book.trades() == []
    bench.desk.sell("SPUN", qty=2, strategy="a")
    settle(bench)
    assert [x.pnl for x in bench.desk.book.trades()] == [None]


def test_a_spin_off_whose_row_does_not_name_the_parent_is_nobodys_until_it_is_assigned():
    bench = two_strategies(a=20, b=60)
    bench.exchange.spin_off(
        "AAPL", "SPUN", ratio="0.1", price=20, posting=Posting(names_source=False)
    )
    settle(bench)
    assert {"": D(8)} == parts(bench, "SPUN")
    bench.desk.assign(bench.desk.book.position("SPUN").last, "a")
    assert {"a": D(8)} == parts(bench, "SPUN")
    assert_true(bench)


def test_a_fill_before_a_spin_off_that_is_reported_after_it_has_its_part():
    bench = two_strategies(a=20, b=60)
    order = bench.resting(time_in_force="gtc")
    bench.fail("fill", "history-late", seconds=600)
    bench.exchange.fill(order.broker_order_id, 10, 150)
    bench.exchange.spin_off("AAPL", "SPUN", ratio="0.1", price=20)
    settle(bench, 900)
    assert {"a": D(2), "b": D(6), "s": D(1)} == parts(bench, "SPUN")


def test_a_journal_and_an_assignment_move_units_of_nobody_first():
    bench = two_strategies(a=20, b=60)
    bench.exchange.journal(bench.books, "AAPL", 5, 180)
    settle(bench)
    assert {"a": D(20), "b": D(60), "": D(5)} == parts(bench, "AAPL")
    bench.exchange.assign(bench.books, "AAPL", -15, 190)
    settle(bench)
    assert {"a": D(10), "b": D(60)} == parts(bench, "AAPL")
    bench.exchange.journal(bench.books, "MSFT", 7, 400)
    settle(bench)
    assert {"": D(7)} == parts(bench, "MSFT")


def test_while_the_rows_are_missing_it_is_not_said_to_be_in_sync():
    bench = two_strategies(a=20, b=60)
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5", posting=Posting(delay_s=DAY))
    bench.clock.advance(60)
    assert bench.desk.check().verdict is V.DRIFT
    assert later(bench).verdict is V.DRIFT
    settle(bench, DAY)


OPTION = "AAPL261218C00190000"


def assigned(bench, group, qty, price):
    """The rows of a short call that is assigned: the option ends, its shares are delivered."""
    at = bench.exchange.now()
    rows = [
        (OPTION, D(1), None, D(0)),
        ("AAPL", D(qty), D(price), -D(qty) * D(price)),
    ]
    return [
        m.ActivityReported(
            m.Activity(
                activity_id=f"{group}{n}",
                kind=m.ActivityKind.ASSIGNMENT,
                at=m.timestamp(at),
                symbol=symbol,
                qty=units,
                price=each,
                cash=cash,
                group_id=group,
            )
        )
        for n, (symbol, units, each, cash) in enumerate(rows)
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_the_shares_of_an_assigned_option_are_its_strategys(order):
    """Strategy b sold the call; its shares are delivered, whatever row is read first."""
    bench = two_strategies(a=20, b=60)
    sold = m.Activity(
        activity_id="opened",
        kind=m.ActivityKind.TRANSFER,
        at=m.timestamp(bench.exchange.now()),
        symbol=OPTION,
        qty=D(-1),
        price=D(3),
    )
    record = bench.desk._recorder.record
    record(m.ActivityReported(sold), m.Assigned("b", movement="activity/opened"))
    bench.clock.advance(60)
    record(*assigned(bench, "g", -40, 190)[::order])
    assert {"a": D(20), "b": D(20)} == parts(bench, "AAPL")
    assert parts(bench, OPTION) == {}


def test_a_sale_before_a_merger_that_is_busted_after_it_leaves_a_position_of_the_old_symbol():
    """The broker lists it, although the symbol is no longer traded."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="a")
    bench.clock.advance(30)
    order = bench.desk.sell("AAPL", qty=10, strategy="a")
    settle(bench)
    bench.exchange.merge("AAPL", "NEWX", ratio=1)
    bench.clock.advance(60)
    bench.exchange.bust(bench.truth.fills(order.broker_order_id)[0].exec_id)
    settle(bench, 120)
    assert parts(bench, "AAPL") == {"a": D(10)}
