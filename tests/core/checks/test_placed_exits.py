"""The cooldown that a filled stop begins."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.placed_exits import cooldown_of, cooldown_on, exits_placed
from tests.core.records import AT, Records

POLICY = m.ExitPolicy(stop_price=90, take_profit=120, cooldown_s=600)
KEPT = m.Protection(symbol="AAPL", strategy="s", policy=POLICY, opened_by="entry")
LATER = m.timestamp("2026-03-02T15:10:00Z")


def request(**fields):
    return m.OrderRequest(symbol="AAPL", side="sell", qty=10, strategy="s", **fields)


def plan(*actions):
    return m.Plan(
        plan_id="p1",
        kind=m.PlanKind.EXIT,
        occasion=KEPT.occasion,
        symbols=("AAPL",),
        steps=tuple(m.PlanStep(action=x) for x in actions),
        fingerprint="",
        authority=m.Authority.STANDING,
        created_at=AT,
        valid_until=AT,
    )


def placed(name, key=None, parent=None, filled=10, ids=("b1",), **fields):
    """An order of a plan as the record has it."""
    wish = request(**fields)
    terms = m.Terms(
        symbol="AAPL",
        side=wish.side,
        type=wish.type,
        time_in_force=m.TimeInForce.GTC,
        qty=wish.qty,
        limit_price=wish.limit_price,
        stop_price=wish.stop_price,
    )
    intent = m.Intent(client_order_id=name, request=wish, at=AT, key=key)
    order = m.Order(
        client_order_id=name,
        broker_order_id="b1",
        origin=m.Origin.OURS,
        terms=terms,
        status=m.OrderStatus.FILLED if filled else m.OrderStatus.NEW,
        filled_qty=Decimal(filled),
        filled_value=None,
        leaves_qty=Decimal(10 - filled),
        leaves_notional=None,
        avg_price=Decimal(89) if filled else None,
        fees=None,
        is_final=bool(filled),
        is_complete=True,
    )
    return m.OrderRecord(
        client_order_id=name,
        origin=m.Origin.OURS,
        terms=terms,
        created_at=AT,
        order=order,
        intent=intent,
        strategy="s",
        parent=parent,
        ids=ids,
    )


def fill(at=LATER, key="f1", kind=m.MoveKind.FILL):
    return m.Movement(key=key, kind=kind, symbol="AAPL", qty=Decimal(-10), at=at, owner="b1")


def records(*kept):
    found = Records()
    for one in kept:
        key = {m.Plan: "plan_id", m.OrderRecord: "client_order_id", m.Evidence: "broker_order_id"}
        found.kept[type(one)][getattr(one, key.get(type(one), "key"))] = one
    return found


def step(**fields):
    return m.PlaceOrder(request(**fields))


STOP = (plan(step(stop_price=90)), placed("x1", "plan:p1/0", stop_price=90))


def test_a_filled_stop_begins_it():
    found = cooldown_of(records(*STOP, fill(AT, "f0"), fill()), KEPT)
    assert (found.key, found.order) == ("AAPL/s", "x1")
    assert found.until == m.timestamp("2026-03-02T15:20:00Z")
    assert [x.client_order_id for x in exits_placed(records(*STOP), KEPT)] == ["x1"]


def test_the_exits_that_stood_when_it_was_set_are_exits_of_it():
    """One that it placed itself too counts once; one that is not in the record, not at all."""
    earlier = evolve(KEPT, number=0, inherited=("x1", "x9"))
    assert [x.client_order_id for x in exits_placed(records(STOP[1]), earlier)] == ["x1"]
    found = records(*STOP)
    kept = evolve(KEPT, inherited=("x1",))
    assert [x.client_order_id for x in exits_placed(found, kept)] == ["x1"]
    assert cooldown_of(records(STOP[1], fill()), earlier).order == "x1"


@pytest.mark.parametrize("seen_at", [None, LATER])
def test_without_the_time_of_a_fill_it_is_that_of_our_record(seen_at):
    kept = evolve(STOP[1], seen_at=seen_at)
    split = fill(LATER, "r1", m.MoveKind.RATIO)
    found = cooldown_of(records(STOP[0], kept, split), KEPT)
    assert found.until[11:16] == ("15:10" if seen_at is None else "15:20")


@pytest.mark.parametrize(
    "orders",
    [
        (placed("x1", "plan:p1/0", filled=0, stop_price=90),),
        (placed("x1", "plan:p1/0", limit_price=120),),
        (),
    ],
)
def test_what_is_no_filled_stop_begins_none(orders):
    assert cooldown_of(records(STOP[0], *orders), KEPT) is None


def test_a_policy_without_it():
    assert cooldown_of(records(*STOP), evolve(KEPT, policy=m.ExitPolicy(stop_price=90))) is None


def test_an_order_in_place_of_a_stop_begins_it():
    kept = plan(m.CancelOrder("x0"), m.PlaceOrder(request(), fills=True, as_stop=True))
    assert cooldown_of(records(kept, placed("x1", "plan:p1/1")), KEPT).order == "x1"


def test_the_stop_of_a_bracket_begins_it():
    entry = m.Evidence(broker_order_id="entry", client_order_id="e1")
    leg = placed("e1-leg", parent="e1", stop_price=90)
    assert cooldown_of(records(entry, leg), KEPT).order == "e1-leg"


@pytest.mark.parametrize(("price", "begins"), [(89, True), (121, False), (None, False)])
def test_an_oco_in_one_order_begins_it_at_its_stop(price, begins):
    kept = placed("x1", "plan:p1/0", limit_price=120)
    kept = evolve(kept, terms=evolve(kept.terms, stop_price=Decimal(90)))
    average = None if price is None else Decimal(price)
    kept = evolve(kept, order=evolve(kept.order, avg_price=average))
    found = cooldown_of(records(plan(step(limit_price=120)), kept), KEPT)
    assert (found is not None) is begins


def test_that_of_an_open_protection_and_the_stored_one():
    stored = m.Cooldown(symbol="AAPL", strategy="s", until=AT, order="x0")
    assert cooldown_on(records(), "AAPL", "s") is None
    assert cooldown_on(records(stored), "AAPL", "s") == stored
    assert cooldown_on(records(stored), "AAPL", "t") is None
    assert cooldown_on(records(*STOP, stored, KEPT), "AAPL", "s").order == "x1"


def test_the_end_of_a_protection_stores_it():
    cooldown = m.Cooldown(symbol="AAPL", strategy="s", until=LATER, order="x1")
    found = records(KEPT)
    found.take(m.ProtectionEnded("AAPL", "s", "closed", cooldown))
    assert (found.get(m.Cooldown, "AAPL/s"), found.get(m.Protection, "AAPL/s")) == (cooldown, None)
