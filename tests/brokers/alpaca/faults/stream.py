"""Faults of the stream: of its connection, its events and its frames."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fillbook import model as m
from fillbook.testing.broker_cases.base import RecordingSink
from fillbook.venue.exchange import Fault

from .scenarios import Bench, S, of


@of(Fault.STREAM_REFUSED)
def _(bench: Bench) -> None:
    bench.fail("listen", "stream-refused")
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
    assert heard.losses == ["HTTP 429: another connection of this key is open"]


@of(Fault.STREAM_LOST)
def _(bench: Bench) -> None:
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        bench.fail("event", "stream-lost")
        order = bench.placed()
        assert heard.reconnected.wait(10)
    assert (heard.connections, heard.statuses(order)) == (2, [])
    assert [why[:20] for why in heard.losses] == ["the connection ended"]


def _heard(bench: Bench, fault: str, *fills: str, times: int = 1) -> tuple[str, RecordingSink]:
    """An order with *fills*, whose first *times* events have the *fault*."""
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        order = bench.placed()
        bench.exchange.faults.fail("event", fault, times=times)
        for qty in fills:
            bench.world.fill(order, qty, "100")
        bench.world.wait_for_events()
    return order, heard


@of(Fault.EVENT_DROPPED)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "event-dropped", "2", "3")
    assert [each.qty for each in heard.executions(order)] == [3]
    assert bench.order(order).filled_qty == 5


@of(Fault.EVENT_DOUBLED)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "event-doubled", "5")
    first, second = heard.executions(order)
    assert first == second


@of(Fault.EVENT_REORDERED)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "event-reordered", "2", "3")
    later, earlier = heard.reports_of(order)[-2:]
    assert (later.filled_qty, earlier.filled_qty) == (5, 2)
    assert (later.clock or "") > (earlier.clock or "")


@of(Fault.EVENT_EARLY)
def _(bench: Bench) -> None:
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        bench.fail("taken", "event-early")
        outcome = bench.submit()
        bench.world.wait_for_events()
    assert isinstance(outcome, m.Accepted)
    assert outcome.report is not None
    assert heard.statuses(outcome.report.broker_order_id)[0] is S.PENDING_NEW


@of(Fault.STREAM_SILENT)
def _(bench: Bench) -> None:
    order, heard = _heard(bench, "stream-silent", "2", "3", times=2)
    assert (heard.executions(order), heard.losses) == ([], [])
    assert bench.order(order).status is S.FILLED


@of(Fault.STREAM_IDS_DIFFER)
def _(bench: Bench) -> None:
    bench.fail("fill", "stream-ids-differ")
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        order = bench.placed()
        bench.world.fill(order, "5", "100")
        bench.world.wait_for_events()
    (told,), (read,) = heard.executions(order), bench.fills(order)
    assert told.exec_id != read.exec_id
    assert (told.qty, told.price, told.cum_qty) == (read.qty, read.price, read.cum_qty)


@of(Fault.STREAM_CUT)
def _(bench: Bench) -> None:
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        bench.fail("frame", "stream-cut")
        bench.submit()
        bench.clock.advance(2)
        assert heard.reconnected.wait(10)
    assert [why[:20] for why in heard.losses] == ["the connection ended"]


@of(Fault.EVENT_NULL)
def _(bench: Bench) -> None:
    order, heard = _framed(bench, "event-null")
    assert (heard.executions(order), heard.losses) == ([], [])


@of(Fault.UNKNOWN_EVENT)
def _(bench: Bench) -> None:
    # The report of the order still counts; only its own execution cannot be decoded.
    order, heard = _framed(bench, "unknown-event")
    assert (heard.executions(order), heard.losses) == ([], [])
    assert heard.reports_of(order)[-1].filled_qty == 5


def _framed(bench: Bench, fault: str) -> tuple[str, RecordingSink]:
    """An order whose only fill was reported in a frame with the *fault*."""
    heard = RecordingSink()
    with bench.broker.listen(heard):
        bench.world.wait_for_events()
        order = bench.placed()
        bench.fail("frame", fault)
        bench.world.fill(order, "5", "100")
        bench.submit("after")
        bench.clock.advance(2)
        _until(lambda: "after" in [report.client_order_id for report in heard.reports])
    return order, heard


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to be")
