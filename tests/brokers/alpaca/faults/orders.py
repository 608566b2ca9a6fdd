"""Faults of orders and of their fills."""

from __future__ import annotations

from fillbook import model as m
from fillbook.testing.broker_cases.base import RecordingSink
from fillbook.venue.exchange import Fault

from .scenarios import Bench, S, of, said


@of(Fault.REJECT_AFTER_ACCEPT)
def _(bench: Bench) -> None:
    bench.fail("taken", "reject-after-accept")
    assert bench.order(bench.placed()).status is S.REJECTED


@of(Fault.FUNDS_UNCHECKED)
def _(bench: Bench) -> None:
    assert said(bench.submit(qty=100_000)) == "rejected funds"
    bench.fail("checked", "funds-unchecked")
    assert said(bench.submit(qty=100_000)) == "accepted accepted"


@of(Fault.CANCEL_FILLS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-cancel", "cancel-fills")
    assert said(bench.broker.cancel(order)) == "accepted"
    bench.world.wait_for_events()
    assert bench.order(order).status is S.FILLED
    assert said(bench.broker.cancel(order)) == "rejected too_late"


@of(Fault.CANCEL_NEVER_ENDS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-cancel", "cancel-never-ends")
    assert said(bench.broker.cancel(order)) == "accepted"
    bench.clock.advance(3600)
    assert bench.order(order).status is S.PENDING_CANCEL


@of(Fault.REPLACE_DENIED)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-replace", "replace-denied")
    assert said(bench.replaced(order)).startswith("rejected")
    bench.world.wait_for_events()
    assert said(bench.broker.find("changed")) == "observed new"
    assert bench.order(order).status is S.REPLACED


@of(Fault.REPLACE_FILLS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-replace", "replace-fills")
    assert said(bench.replaced(order)).startswith("accepted")
    bench.world.wait_for_events()
    assert said(bench.broker.find("changed")) == "observed rejected"
    assert bench.order(order).status is S.FILLED


def _of_the_chain(bench: Bench, fault: str | None) -> m.OrderReport:
    """The replacement for 6 of an order for 5, of which 2 were filled."""
    order = bench.placed()
    bench.world.fill(order, "2", "100")
    if fault is not None:
        bench.fail("asked-replace", fault)
    outcome = bench.replaced(order)
    assert isinstance(outcome, m.Accepted)
    assert outcome.report is not None
    bench.world.wait_for_events()
    return bench.order(outcome.report.broker_order_id)


@of(Fault.CUM_FRESH)
def _(bench: Bench) -> None:
    assert _of_the_chain(bench, "cum-fresh").filled_qty == 0


@of(Fault.QTY_REMAINING)
def _(bench: Bench) -> None:
    tip = _of_the_chain(bench, "qty-remaining")
    bench.world.fill(tip.broker_order_id)
    assert sum(each.qty for each in bench.fills(tip.broker_order_id)) == 6


@of(Fault.BUST)
def _(bench: Bench) -> None:
    bench.fail("fill", "bust", seconds=5)
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        bench.clock.advance(10)
        bench.world.wait_for_events()
    busts = [each.exec_id for report in heard.reports_of(order) for each in report.busts]
    assert busts == [each.exec_id for each in heard.executions(order)]
    assert bench.fills(order) == []


@of(Fault.CORRECTION)
def _(bench: Bench) -> None:
    bench.fail("fill", "correction", seconds=5)
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        bench.clock.advance(10)
        bench.world.wait_for_events()
    wrong, right = heard.executions(order)
    assert (right.fixes, right.qty) == (wrong.exec_id, wrong.qty)
    assert [each.price for each in bench.fills(order)] == [right.price]
    assert right.price != wrong.price


@of(Fault.FOREIGN_ORDER)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("show-orders", "foreign-order")
    bench.orders()
    bench.world.wait_for_events()
    found = bench.orders()
    assert isinstance(found, m.Observed)
    (stranger,) = [each for each in found.value if each.broker_order_id != order]
    assert stranger.status is S.FILLED


@of(Fault.CLOCK_JUMP)
def _(bench: Bench) -> None:
    before = bench.broker.account()
    bench.fail("taken", "clock-jump", seconds=-30)
    bench.placed()
    after = bench.broker.account()
    assert isinstance(before, m.Observed)
    assert isinstance(after, m.Observed)
    assert before.at is not None
    assert after.at is not None
    assert after.at < before.at


@of(Fault.CANCEL_REJECTED)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("asked-cancel", "cancel-rejected")
    assert said(bench.broker.cancel(order)) == "accepted"
    assert bench.order(order).status is S.PENDING_CANCEL
    bench.clock.advance(60)
    assert bench.order(order).status is S.NEW


@of(Fault.CANCEL_AT_OPEN)
def _(bench: Bench) -> None:
    order = bench.placed(time_in_force="gtc")
    bench.clock.advance(8 * 3600)
    bench.fail("asked-cancel", "cancel-at-open")
    assert said(bench.broker.cancel(order)) == "accepted"
    bench.clock.advance(3600)
    assert bench.order(order).status is S.PENDING_CANCEL
    bench.clock.advance(80 * 3600)  # over the weekend
    assert bench.order(order).status is S.CANCELED


def _held(bench: Bench) -> str:
    """The id of a resting exit of five shares that are held."""
    entry = bench.placed()
    bench.world.fill(entry, "5", "100")
    bench.world.wait_for_events()
    return bench.placed(side="sell", limit_price="250", time_in_force="gtc")


@of(Fault.UNITS_FREED_LATE)
def _(bench: Bench) -> None:
    order = _held(bench)
    bench.fail("asked-cancel", "units-freed-late", seconds=30)
    bench.broker.cancel(order)
    bench.clock.advance(1)
    assert bench.order(order).status is S.CANCELED
    again = {"side": "sell", "limit_price": "251", "time_in_force": "gtc"}
    assert said(bench.submit(**again)) == "rejected qty_held"
    bench.clock.advance(40)
    assert said(bench.submit(**again)).startswith("accepted")


@of(Fault.SIBLING_LATE)
def _(bench: Bench) -> None:
    bench.broker.cancel(_held(bench))
    bench.clock.advance(1)
    outcome = bench.submit(
        side="sell",
        limit_price=None,
        type="limit",
        order_class="oco",
        take_profit="250",
        stop_loss="50",
        time_in_force="gtc",
    )
    assert isinstance(outcome, m.Accepted), outcome
    assert outcome.report is not None
    bench.world.wait_for_events()
    bench.fail("fill", "sibling-late", seconds=30)
    bench.world.fill(outcome.report.broker_order_id, "5", "250")
    (leg,) = bench.order(outcome.report.broker_order_id).legs
    assert leg.status is S.HELD
    bench.clock.advance(40)
    (leg,) = bench.order(outcome.report.broker_order_id).legs
    assert leg.status is S.CANCELED
