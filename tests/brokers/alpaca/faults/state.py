"""Faults of views: orders, fills, positions and the account."""

from __future__ import annotations

from fillbook import model as m
from fillbook.venue.exchange import Fault

from .scenarios import Bench, S, of


@of(Fault.STALE_SNAPSHOT)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.clock.advance(20)
    bench.world.fill(order, "5", "100")
    bench.fail("show-orders", "stale-snapshot", seconds=10)
    stale, fresh = bench.order(order), bench.order(order)
    assert (stale.status, fresh.status) == (S.NEW, S.FILLED)
    assert (stale.clock or "") < (fresh.clock or "")


@of(Fault.ACCOUNT_OLD)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.clock.advance(20)
    bench.world.fill(order, "5", "100")
    bench.fail("show-account", "account-old", seconds=10)
    old, now = bench.broker.account(), bench.broker.account()
    assert isinstance(old, m.Observed)
    assert isinstance(now, m.Observed)
    assert old.value.cash - now.value.cash == 500


@of(Fault.ACCOUNT_ID_CHANGED)
def _(bench: Bench) -> None:
    before = bench.broker.account()
    bench.fail("show-account", "account-id-changed")
    after = bench.broker.account()
    assert isinstance(before, m.Observed)
    assert isinstance(after, m.Observed)
    assert before.value.account != after.value.account


@of(Fault.HISTORY_LATE)
def _(bench: Bench) -> None:
    bench.fail("fill", "history-late", seconds=30)
    order = bench.placed()
    bench.world.fill(order, "5", "100")
    assert (bench.order(order).filled_qty, bench.fills(order)) == (5, [])
    bench.clock.advance(31)
    assert [each.qty for each in bench.fills(order)] == [5]


@of(Fault.HISTORY_OUT_OF_ORDER)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.world.fill(order, "2", "100")
    bench.world.fill(order, "3", "100")
    straight = bench.fills(order)
    bench.fail("show-history", "history-out-of-order")
    assert bench.fills(order) == straight[::-1]


@of(Fault.HISTORY_WITHOUT_BUSTS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.world.fill(order, "5", "100")
    bench.world.bust_last(order)
    assert bench.fills(order) == []
    bench.fail("show-history", "history-without-busts")
    assert [each.qty for each in bench.fills(order)] == [5]


@of(Fault.CUM_LOWERED)
def _(bench: Bench) -> None:
    totals = []
    for fault in (None, "cum-lowered"):
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        if fault is not None:
            bench.fail("taken-back", fault)
        bench.world.bust_last(order)
        totals.append(bench.order(order).filled_qty)
    assert totals == [5, 0]


@of(Fault.UPDATED_AT_NULL)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("show-orders", "updated-at-null")
    assert bench.order(order).clock is None
    assert bench.order(order).clock is not None


@of(Fault.UPDATED_AT_FROZEN)
def _(bench: Bench) -> None:
    order = bench.placed()
    before = bench.order(order)
    bench.clock.advance(5)
    bench.fail("change", "updated-at-frozen")
    bench.world.fill(order, "2", "100")
    after = bench.order(order)
    assert (before.clock, before.filled_qty, after.filled_qty) == (after.clock, 0, 2)


@of(Fault.UNKNOWN_WORD)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.fail("show-orders", "unknown-word")
    found = bench.order(order)
    assert found.status is S.UNRECOGNISED
    assert found.raw_status not in ("", *S)


@of(Fault.UNKNOWN_CLASS)
def _(bench: Bench) -> None:
    order = bench.placed()
    bench.world.fill(order, "5", "100")
    bench.fail("words", "unknown-class")
    assert bench.order(order).terms.symbol == "AAPL"
    bench.fail("words", "unknown-class")
    found = bench.broker.positions(None)
    assert isinstance(found, m.Observed)
    assert [(each.symbol, each.qty) for each in found.value] == [("AAPL", 5)]
