"""Rules that move or end exits: break-even, a trail that begins later, age, cooldown."""

from datetime import timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.scenarios.exits.test_occasions import Account, C, D, at


class Refusing(SimulatedBroker):
    """A broker that refuses every replace."""

    def replace(self, broker_order_id, change):
        return m.Rejected(m.RejectKind.UNSUPPORTED, "not for this account")


def stop_of(account):
    (found,) = account.exits()
    return found


def replaced(account):
    """How many exits were replaced, and how many were canceled."""
    found = [x.status for x in account.truth.orders() if x.side == "sell"]
    return found.count("replaced"), found.count("canceled")


# -- break-even ------------------------------------------------------------------------


def test_the_stop_moves_to_the_cost_and_stays_there():
    """By two quotes; the order is replaced, never canceled; a restart keeps the stop."""
    account = Account().held(qty=10, stop_price="180", break_even="4%")
    cost = account.desk.book.position("AAPL").avg_price
    account.exchange.quote("AAPL", "195", "195.02")
    account.pass_(5)
    assert stop_of(account).stop_price == 180  # one quote moves nothing
    account.keep_quoting({"AAPL": "195"}, 30)
    assert stop_of(account).stop_price == cost
    assert replaced(account) == (1, 0)
    (kept,) = account.desk.protections()
    assert (kept.at_break_even, kept.stop_price, kept.cover) == (True, cost, C.COVERED)
    account.reopened()
    account.keep_quoting({"AAPL": "188"}, 120)
    assert stop_of(account).stop_price == cost
    account.keep_quoting({"AAPL": "186"}, 60)
    assert account.sold() == {"AAPL": 10}


def test_the_stop_of_an_oco_moves_without_its_take_profit():
    account = Account().held(qty=10, stop_price="180", take_profit="250", break_even="190")
    account.keep_quoting({"AAPL": "191"}, 30)
    legs = {(x.type, x.limit_price, x.stop_price) for x in account.desk.book.orders(open=True)}
    cost = account.desk.book.position("AAPL").avg_price
    assert legs == {("limit", D(250), None), ("stop", None, cost)}
    assert replaced(account) == (1, 0)
    assert account.covers() == {"AAPL/s": C.COVERED}


def test_outside_the_session_no_stop_moves():
    account = Account().held(qty=10, stop_price="180", break_even="4%")
    account.until(at(2, 22))
    account.keep_quoting({"AAPL": "195"}, 60)
    assert stop_of(account).stop_price == 180


def test_a_stop_that_cannot_be_replaced_is_placed_anew():
    account = Account(broker=Refusing).held(qty=10, stop_price="180", break_even="4%")
    account.keep_quoting({"AAPL": "195"}, 120)
    assert stop_of(account).stop_price == account.desk.book.position("AAPL").avg_price
    assert account.covers() == {"AAPL/s": C.COVERED}
    assert replaced(account) == (0, 1)


def test_another_entry_moves_the_stop_at_break_even_up_only():
    account = Account().held(qty=10, stop_loss="5%", break_even="4%")
    first = account.desk.book.position("AAPL").avg_price
    account.keep_quoting({"AAPL": "195"}, 30)
    account.desk.buy(
        "AAPL", qty=10, strategy="s", limit_price="196", take_profit="250", stop_loss="180"
    )
    account.keep_quoting({"AAPL": "195"}, 60)
    (kept,) = account.desk.protections()
    assert kept.stop_price == account.desk.book.position("AAPL").avg_price > first


# -- the trail that begins later ---------------------------------------------------------


def test_a_trail_begins_at_its_price():
    account = Account().held(qty=10, stop_price="180", trail="2%", trail_after="4%")
    account.keep_quoting({"AAPL": "190"}, 30)
    assert stop_of(account).type == "stop"
    account.keep_quoting({"AAPL": "195"}, 60)
    trailing = stop_of(account)
    assert (trailing.type, trailing.stop_price) == ("trailing_stop", D("191.1"))
    (kept,) = account.desk.protections()
    assert kept.trail_begun
    account.reopened()
    account.keep_quoting({"AAPL": "192"}, 60)
    assert stop_of(account).stop_price == D("191.1")
    account.keep_quoting({"AAPL": "191"}, 30)
    assert account.sold() == {"AAPL": 10}


# -- age -------------------------------------------------------------------------------


def test_a_position_of_its_age_is_closed():
    """The exits are canceled first, and the plan says why."""
    account = Account().held(qty=10, stop_price="180", take_profit="250", max_age_s=3600)
    account.until(account.clock.now() + timedelta(minutes=50))
    assert account.sold() == {}
    account.until(account.clock.now() + timedelta(minutes=15), every=60)
    assert account.sold() == {"AAPL": 10}
    plan = next(x for x in account.desk.plans(m.PlanState.DONE) if "max_age_s" in x.why)
    assert "it is held since 2026-03-02" in plan.why
    assert (account.exits(), account.desk.protections()) == ([], [])


@pytest.mark.slow
def test_an_age_that_passes_at_night_is_acted_on_in_the_session():
    account = Account().held(qty=10, stop_price="180", max_age_s=8 * 3600)
    account.until(at(3, 14))
    assert account.sold() == {}
    account.until(at(3, 15))
    assert account.sold() == {"AAPL": 10}


def test_what_was_older_when_the_policy_was_set_is_proposed():
    account = Account().held(qty=10, stop_price="180")
    account.pass_(600, every=60)
    account.desk.protect("AAPL", stop_price="180", max_age_s=300)
    account.pass_(600, every=60)
    assert account.sold() == {}
    assert account.covers() == {"AAPL/s": C.COVERED}
    (plan,) = account.desk.plans(m.PlanState.PROPOSED)
    assert "longer than its max_age_s" in plan.why
    account.desk.approve(plan.plan_id)
    account.pass_(60)
    assert account.sold() == {"AAPL": 10}


def test_a_policy_that_is_switched_on_says_when_it_closes_what_is_held():
    account = Account().held(qty=10)
    policy = fb.ExitPolicy(stop_price="150", max_age_s=3600)
    account.reopened(exits=policy)
    account.pass_(7200, every=60)
    (plan,) = account.desk.plans(m.PlanState.PROPOSED)
    assert "max_age_s" in plan.why
    assert (account.sold(), account.exits()) == ({}, [])
    account.desk.approve(plan.plan_id)
    account.pass_(1200, every=60)
    assert account.sold() == {"AAPL": 10}


def test_many_positions_of_one_age_are_closed_without_an_approval():
    account = Account()
    for symbol in ("AAPL", "MSFT", "SPY", "NVDA", "TSLA"):
        account.held(symbol, qty=2, stop_loss="50%", max_age_s=3600)
    account.pass_(4000, every=60)
    assert len(account.sold()) == 5


# -- cooldown --------------------------------------------------------------------------


def stopped(**policy):
    account = Account().held(qty=10, stop_price="180", **policy)
    account.keep_quoting({"AAPL": "179"}, 60)
    assert account.sold() == {"AAPL": 10}
    return account


def test_no_entry_for_some_time_after_a_stop():
    account = stopped(cooldown_s=1800)
    with pytest.raises(fb.Denied, match="until 2026-03-02T15:3") as denied:
        account.desk.buy("AAPL", qty=1, strategy="s")
    assert denied.value.reason.code == m.ReasonCode.COOLDOWN
    filled = max(x.at for x in account.truth.fills() if x.side == "sell")
    assert abs(denied.value.retry_at - m.moment(m.timestamp(filled)) - timedelta(minutes=30)) < (
        timedelta(seconds=2)
    )
    account.desk.buy("AAPL", qty=1, strategy="other")
    account.desk.buy("MSFT", qty=1, strategy="s")
    account.reopened()
    with pytest.raises(fb.Denied):
        account.desk.buy("AAPL", qty=1, strategy="s")
    account.until(denied.value.retry_at + timedelta(seconds=60), every=10)
    account.desk.buy("AAPL", qty=1, strategy="s")


def test_the_cooldown_holds_before_the_next_pass():
    """The fill is in the record, and the protection has not ended yet."""
    account = Account().held(qty=10, stop_price="180", cooldown_s=1800)
    account.exchange.quote("AAPL", "179", "179.02")
    account.desk.sync()
    assert account.desk.book.position("AAPL").qty == 0
    with pytest.raises(fb.Denied, match="was filled: until"):
        account.desk.buy("AAPL", qty=1, strategy="s")


def test_a_breach_that_is_sold_at_the_market_begins_it_too():
    account = Account().held(qty=10, stop_price="180", cooldown_s=36_000)
    account.books.cancel(stop_of(account).id)
    account.keep_quoting({"AAPL": "175"}, 60)
    assert account.sold() == {"AAPL": 10}
    with pytest.raises(fb.Denied) as denied:
        account.desk.buy("AAPL", qty=1, strategy="s")
    assert denied.value.reason.code == m.ReasonCode.COOLDOWN


def test_a_take_profit_begins_none():
    account = Account().held(qty=10, stop_price="180", take_profit="190", cooldown_s=1800)
    account.keep_quoting({"AAPL": "191"}, 60)
    assert account.sold() == {"AAPL": 10}
    account.desk.buy("AAPL", qty=1, strategy="s")


def test_unprotect_ends_it():
    account = stopped(cooldown_s=1800)
    account.desk.unprotect("AAPL", strategy="s")
    account.desk.buy("AAPL", qty=1, strategy="s")
    with pytest.raises(fb.InvalidValue, match="no protection of AAPL"):
        account.desk.unprotect("AAPL", strategy="s")


def test_with_two_protected_parts_the_one_to_end_is_named():
    """`protect` and `close_position` ask for it too."""
    account = Account().held(qty=10, stop_price="180")
    account.desk.protect("AAPL", strategy="t", stop_price="170", pending=True)
    with pytest.raises(fb.InvalidValue, match="several strategies: name one of s, or t"):
        account.desk.unprotect("AAPL")
    assert [x.strategy for x in account.desk.protections()] == ["s", "t"]
    assert account.desk.unprotect("AAPL", strategy="s") == "s"
    assert [x.strategy for x in account.desk.protections()] == ["t"]
    assert account.desk.unprotect("AAPL") == "t"


def test_exits_that_are_set_anew_do_not_end_it():
    account = Account().held(qty=10, stop_price="180", cooldown_s=1800)
    account.exchange.quote("AAPL", "179", "179.02")
    account.desk.sync()
    account.desk.protect("AAPL", strategy="s", stop_price="150", pending=True)
    with pytest.raises(fb.Denied, match="was filled: until"):
        account.desk.buy("AAPL", qty=1, strategy="s")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"trail": "5%", "trail_after": "4%"}, "trail_after is the begin of a trail"),
        ({"stop_price": "5", "trail_after": "4%"}, "trail_after is the begin of a trail"),
        ({"take_profit": "5", "break_even": "4%"}, "break_even moves a stop"),
        ({"stop_price": "5", "max_age_s": 0}, "max_age_s must be above zero"),
        ({"stop_price": "5", "cooldown_s": -1}, "cooldown_s must be above zero"),
        ({"stop_price": "5", "break_even": "x"}, "break_even: "),
    ],
)
def test_invalid_rules(fields, why):
    with pytest.raises(fb.InvalidValue, match=why):
        fb.ExitPolicy(**fields)


def test_a_stop_moves_in_the_account_of_a_short():
    account = Account()
    account.desk.sell("AAPL", qty=10, strategy="s")
    account.pass_(20)
    account.desk.protect("AAPL", strategy="s", stop_price="195", break_even="4%")
    account.pass_(30)
    cost = account.desk.book.position("AAPL").avg_price
    account.keep_quoting({"AAPL": "178"}, 30)
    (stop,) = (x for x in account.truth.orders() if x.side == "buy" and not x.is_final)
    assert stop.stop_price == cost.quantize(Decimal("0.01"))
