"""Repairs: what each kind of difference allows, what waits, and the limits of what is automatic."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans import repair
from fillbook.errors import InvalidValue
from tests.core.plans.situations import order
from tests.core.plans.test_plan import plan
from tests.core.records import AT

D = Decimal
K = m.RepairKind
UNTRACKED, PHANTOM = m.Untracked("AAPL", D(7)), m.Phantom("AAPL", D(4))
WRONG, CASH = m.WrongQty("AAPL", D(10), D(6)), m.WrongCash(D(100), D(90), "EUR")


def proposed(drift, **rules):
    policy = m.repair_policy({"default": "approve", **rules})
    return repair.of_difference(m.OpenDrift("key", drift, AT, D(500)), policy)


def did(found):
    return [type(x.action) for x in found.steps]


@pytest.mark.parametrize("drift", [UNTRACKED, PHANTOM, WRONG, CASH])
def test_by_default_the_record_takes_the_broker_s_figure(drift):
    found = proposed(drift)
    (step,) = found.steps
    action = step.action
    assert isinstance(action, m.AdoptBalance)
    assert action.theirs == getattr(drift, "theirs", D(0))
    assert action.ours == getattr(drift, "ours", D(0))
    assert action.currency == getattr(drift, "currency", None)
    assert (found.notional, found.occasion) == (500, f"repair/key/{AT}")


def test_what_is_traded_is_adopted_first():
    close = proposed(UNTRACKED, untracked="close")
    assert did(close) == [m.AdoptBalance, m.PlaceOrder]
    request = close.steps[1].action.request
    assert (request.side, request.qty, request.reduce_only) == (m.OrderSide.SELL, 7, True)
    back = proposed(WRONG, wrong_qty="trade").steps[1].action.request
    assert (back.side, back.qty, back.reduce_only) == (m.OrderSide.BUY, 4, False)


def test_a_difference_may_halt_or_be_ignored():
    assert did(proposed(CASH, wrong_cash="halt")) == [m.HaltTrading]
    assert proposed(WRONG, wrong_qty="ignore") is None


def test_what_evidence_explains_is_never_repaired():
    explained = m.MissedFill("AAPL", "c1", D(0), D(1))
    assert proposed(explained) is None
    assert repair.kind_of(explained) is None


def record(found):
    return m.OrderRecord(
        client_order_id=found.client_order_id,
        origin=found.origin,
        terms=found.terms,
        created_at=AT,
        order=found,
    )


def odd(oddity, **kw):
    return evolve(order(**kw), anomalies=(m.Anomaly(oddity, "b-x1"),))


LATE = odd(m.Oddity.LANDED_LATE)
LOST = odd(m.Oddity.NOT_FOUND_AFTER_SEEN)
FOREIGN = order(origin=m.Origin.EXTERNAL)


@pytest.mark.parametrize(
    ("found", "rules", "action"),
    [
        (LATE, {}, m.CancelOrder),
        (LATE, {"landed_late": "ignore"}, None),
        (LOST, {}, None),
        (LOST, {"unknown_order": "end"}, m.EndOrder),
        (FOREIGN, {}, None),
        (FOREIGN, {"external_order": "cancel"}, m.CancelOrder),
        (order(), {}, None),
        (order(status="filled", origin=m.Origin.EXTERNAL), {"external_order": "cancel"}, None),
        (order(pending="cancel", origin=m.Origin.EXTERNAL), {"external_order": "cancel"}, None),
    ],
)
def test_orders(found, rules, action):
    policy = m.repair_policy({"default": "approve", **rules})
    proposal = repair.of_order(record(found), policy)
    assert (None if proposal is None else did(proposal)) == (None if action is None else [action])


@pytest.mark.parametrize(
    ("found", "waits"),
    [
        (order(), False),
        (order(status="unproven"), True),
        (order(status="disputed"), True),
        (evolve(order(status="filled"), is_complete=False), True),
        (order("fb-x", origin=m.Origin.EXTERNAL), True),
        (FOREIGN, False),
    ],
)
def test_nothing_is_repaired_while_something_is_open(found, waits):
    assert bool(repair.open_question([order("a"), found])) is waits


LIMITED = m.RepairRule(mode="auto", notional_max=600, day_notional_max=1000, day_repairs_max=2)


def made(notional, **kw):
    return plan(impact=m.PlanImpact(notional=notional), **kw)


@pytest.mark.parametrize(
    ("notional", "plans", "within"),
    [
        (D(500), [], True),
        (D(601), [], False),
        (None, [], False),
        (D(500), [made(D(500))], True),
        (D(500), [made(D(501))], False),
        (D(500), [made(None)], False),
        (D(1), [made(D(1)), made(D(1))], False),
        (D(500), [evolve(made(D(900)), created_at=m.timestamp("2026-03-01T14:00:00Z"))], True),
    ],
)
def test_limits_are_counted_over_a_day(notional, plans, within):
    proposal = evolve(proposed(WRONG), notional=notional)
    assert repair.is_within_limits(proposal, LIMITED, plans, AT) is within


def test_without_limits_everything_is_within():
    assert repair.is_within_limits(proposed(WRONG), m.RepairRule(mode="auto"), [made(None)], AT)


def test_what_was_tried_is_not_tried_again_within_the_hour():
    assert repair.was_tried([plan(state="done", moved_at=AT)], AT)
    assert not repair.was_tried([plan(state="rejected", moved_at=AT)], AT)
    assert not repair.was_tried([plan(state="done")], AT)
    old = plan(state="stopped", moved_at=m.timestamp("2026-03-02T13:00:00Z"))
    assert not repair.was_tried([old], AT)


def test_the_strongest_mode_is_what_the_gateway_permits():
    policy = m.repair_policy({"default": "observe", "wrong_cash": "auto"})
    assert policy.strongest is m.RepairMode.AUTO
    assert policy.rule(K.WRONG_CASH).repair is m.Repair.ADOPT
    assert policy.rule(K.UNTRACKED).mode is m.RepairMode.OBSERVE
    assert m.repair_policy(policy) is policy


@pytest.mark.parametrize("name", ["notional_max", "day_notional_max", "day_repairs_max"])
def test_limits_are_above_zero(name):
    with pytest.raises(InvalidValue):
        m.RepairRule(mode="auto", **{name: 0})
