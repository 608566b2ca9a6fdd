"""Each fault occurs at its injection point, has its effect, and is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.errors import InvalidValue
from fillbook.venue.exchange import (
    INJECTION_POINTS,
    Amendment,
    Fault,
    Faults,
    InjectionPoint,
    Refused,
    fault_named,
)
from tests.venue.exchange.faults_of_exits import OF_EXITS
from tests.venue.exchange.floor import EVERY, FRIDAY_10, D, Day

F, P = Fault, InjectionPoint


def broker(day: Day, **options: Any) -> SimulatedBroker:
    return SimulatedBroker(day.exchange, day.account, **options)


def intent(cid: str = "c1") -> m.Intent:
    wish = m.OrderRequest(symbol="AAPL", side="buy", qty=10, limit_price="150", time_in_force="day")
    return m.Intent(client_order_id=cid, request=wish, at=m.timestamp(FRIDAY_10))


def of_write(fault: Fault) -> Callable[[Day], object]:
    """The result of a create, and whether the order is found afterwards, and a minute later."""

    def play(day: Day) -> object:
        day.faults.fail("submit", fault, seconds=30)
        way = broker(day)
        outcome = type(way.submit(intent()))
        now = isinstance(way.find("c1"), m.Observed)
        day.pass_(60)
        return outcome, now, isinstance(way.find("c1"), m.Observed)

    return play


def of_list(fault: Fault) -> Callable[[Day], object]:
    def play(day: Day) -> object:
        for n in range(3):
            day.submit(client_order_id=f"o{n}", limit_price="150")
        way = broker(day, page_size=2)
        first = way.orders(m.OrderQuery(), None)
        assert isinstance(first, m.Observed)
        day.faults.fail("orders", fault)
        second = way.orders(m.OrderQuery(), first.next)
        if isinstance(second, m.NotObserved):
            return second.why
        return [row.client_order_id for row in second.value]

    return play


def heard(word: str, deed: Callable[[Day], None]) -> Callable[[Day], object]:
    """The received events when one of them has the fault."""

    def play(day: Day) -> object:
        with day.heard() as events:
            day.faults.fail("event", word, skip=1)
            deed(day)
        return [event.name for event in events]

    return play


def buy(day: Day) -> None:
    day.submit()
    day.pass_(0.5)


def early(day: Day) -> object:
    with day.heard() as events:
        day.faults.fail("taken", "event-early")
        order = day.submit()
        return [event.name for event in events], order.status


def streamed(occasion: str, fault: Fault) -> Callable[[Day], object]:
    """The calls of a sink on a stream with the fault, while an order fills."""

    def play(day: Day) -> object:
        day.faults.fail(occasion, fault)
        sink = Sink()
        stream = broker(day).listen(sink)
        assert stream is not None
        with stream:
            buy(day)
            day.pass_(6)
            buy(day)
        return sink.said

    return play


class Sink:
    """Records the names of its events."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self.said += [report.raw_status for report in reports]

    def connected(self) -> None:
        self.said.append("connected")

    def lost(self, why: str) -> None:
        self.said.append("lost")


def silent_stream(day: Day) -> object:
    with day.heard() as events:
        day.faults.switch_on("silent-stream")
        buy(day)
    return events


def seen(fault: Fault, read: Callable[[Day, str], object]) -> Callable[[Day], object]:
    """The read of an order that filled two seconds ago."""

    def play(day: Day) -> object:
        day.pass_(20)
        order = day.submit()
        day.pass_(2)
        (place,) = (p for p in INJECTION_POINTS[fault] if p is not P.SHOW_POSITIONS)
        day.faults.fail(place, fault, seconds=5)
        return read(day, order.id)

    return play


def rows_in_disorder(day: Day) -> object:
    day.exchange.halt("AAPL")
    order = day.worked()
    for _ in range(3):
        day.exchange.fill(order.id, 2)
    day.faults.fail("show-history", "history-out-of-order")
    return [fill.cum_qty for fill in day.account.fills()]


def blind_history(day: Day) -> object:
    day.worked()
    day.exchange.correct(day.truth.fills()[0].exec_id, price="100")
    day.faults.fail("show-history", "history-without-busts")
    return [[f.price for f in day.account.fills()] for _ in range(2)]


def late_history(day: Day) -> object:
    day.faults.fail("fill", "history-late", seconds=20)
    day.worked()
    before = len(day.account.fills())
    day.pass_(20)
    return before, len(day.account.fills())


def lowered(day: Day) -> object:
    order = day.worked()
    day.faults.fail("taken-back", "cum-lowered")
    day.exchange.bust(day.truth.fills()[0].exec_id)
    return day.truth.order(order.id).filled_qty


def frozen_clock(day: Day) -> object:
    day.faults.switch_on("updated-at-frozen")
    order = day.worked()
    return order.status, order.updated_at == order.created_at


def after(occasion: str, fault: Fault, **wish: Any) -> Callable[[Day], object]:
    """The outcome of an order with the fault."""

    def play(day: Day) -> object:
        day.faults.fail(occasion, fault, seconds=1)
        order = day.worked(**wish)
        if occasion == "asked-cancel":
            day.account.cancel(order.id)
        day.pass_(5)
        end = day.truth.order(order.id)
        return end.status, end.filled_qty, end.filled_avg_price, dict(day.truth.positions())

    return play


def unpaid(day: Day) -> object:
    """An order far beyond the buying power."""
    day.faults.fail("checked", F.FUNDS_UNCHECKED)
    order = day.submit(qty=100_000, limit_price="150")
    day.pass_(2)
    seen = day.account.truth.order(order.id)
    return seen.status, seen.qty


def foreign(day: Day) -> object:
    day.faults.fail("show-orders", "foreign-order")
    (order,) = day.account.orders(EVERY)
    return order.symbol, order.status, day.truth.positions()


def jumped(day: Day) -> object:
    day.faults.fail("taken", "clock-jump", seconds=-30)
    order = day.worked(limit_price="150")
    return (day.exchange.now() - day.clock.now()).total_seconds(), order.updated_at > (
        order.created_at
    )


def another_account(day: Day) -> object:
    day.faults.fail("show-account", "account-id-changed")
    return [day.account.report().id == day.account.id for _ in range(2)]


def differing_ids(day: Day) -> object:
    day.faults.fail("fill", "stream-ids-differ")
    with day.heard() as events:
        buy(day)
    return events[-1].execution_id == day.account.fills()[0].exec_id


def slow(day: Day) -> object:
    day.faults.fail("account", "slow", seconds=3)
    answer = type(broker(day).account())
    return answer, (day.clock.now() - FRIDAY_10).total_seconds()


def chained(fault: Fault) -> Callable[[Day], object]:
    """Status, quantity and fills of an order of which 4 filled, and of its replacement."""

    def play(day: Day) -> object:
        day.faults.fail("asked-replace", fault)
        old = day.worked(limit_price="150", client_order_id="old")
        day.exchange.fill(old.id, 4)
        with suppress(Refused):
            day.account.replace(old.id, Amendment(limit_price=D(151), client_order_id="new"))
        day.pass_(1)
        seen = [day.truth.find(name) for name in ("old", "new")]
        return [(each.status, each.qty, each.filled_qty) for each in seen if each is not None]

    return play


STEPS = ["pending_new", "new", "filled"]

#: Every fault, its scenario, and its result.
PLAYS: dict[Fault, tuple[Callable[[Day], object], object]] = {
    F.REQUEST_LOST: (of_write(F.REQUEST_LOST), (m.Ambiguous, False, False)),
    F.REPLY_LOST: (of_write(F.REPLY_LOST), (m.Ambiguous, True, True)),
    F.LATE_LANDING: (of_write(F.LATE_LANDING), (m.Ambiguous, False, True)),
    F.DUPLICATE_UNLISTED: (of_write(F.DUPLICATE_UNLISTED), (m.Ambiguous, False, True)),
    F.UNREACHABLE: (of_write(F.UNREACHABLE), (m.NotSent, False, False)),
    F.RATE_LIMITED: (of_write(F.RATE_LIMITED), (m.NotSent, False, False)),
    F.REDIRECT: (of_write(F.REDIRECT), (m.Ambiguous, False, False)),
    F.SERVER_ERROR: (lambda day: of_write(F.SERVER_ERROR)(day)[0], m.Ambiguous),  # type: ignore[index]
    F.HTML: (lambda day: of_write(F.HTML)(day)[0], m.Ambiguous),  # type: ignore[index]
    F.SLOW: (slow, (m.Observed, 3.0)),
    F.EMPTY_LIST: (of_list(F.EMPTY_LIST), []),
    F.CUT_PAGE: (of_list(F.CUT_PAGE), m.Failure.UNREADABLE),
    F.SHIFTING_PAGE: (of_list(F.SHIFTING_PAGE), ["o1", "o2"]),
    F.STREAM_REFUSED: (streamed("listen", F.STREAM_REFUSED), ["lost", "connected", *STEPS]),
    F.STREAM_LOST: (
        streamed("event", F.STREAM_LOST),
        ["connected", "lost", "connected", *STEPS],
    ),
    F.EVENT_DROPPED: (heard("event-dropped", buy), ["pending_new", "fill"]),
    F.EVENT_DOUBLED: (heard("event-doubled", buy), ["pending_new", "new", "new", "fill"]),
    F.EVENT_REORDERED: (heard("event-reordered", buy), ["pending_new", "fill", "new"]),
    F.EVENT_EARLY: (early, (["pending_new", "new", "fill"], "accepted")),
    F.STREAM_SILENT: (silent_stream, []),
    F.STREAM_IDS_DIFFER: (differing_ids, False),
    F.STALE_SNAPSHOT: (seen(F.STALE_SNAPSHOT, lambda day, i: day.account.order(i)), None),
    F.ACCOUNT_OLD: (seen(F.ACCOUNT_OLD, lambda day, _: day.account.report().cash), D(100_000)),
    F.ACCOUNT_ID_CHANGED: (another_account, [False, True]),
    F.HISTORY_LATE: (late_history, (0, 1)),
    F.HISTORY_OUT_OF_ORDER: (rows_in_disorder, [D(6), D(4), D(2)]),
    F.HISTORY_WITHOUT_BUSTS: (blind_history, [[D("187.02")], [D(100)]]),
    F.CUM_LOWERED: (lowered, D(0)),
    F.UPDATED_AT_NULL: (
        seen(F.UPDATED_AT_NULL, lambda day, i: day.account.order(i).updated_at),  # type: ignore[union-attr]
        None,
    ),
    F.UPDATED_AT_FROZEN: (frozen_clock, ("filled", True)),
    F.UNKNOWN_WORD: (
        lambda day: (
            day.submit(),
            day.faults.fail("show-orders", "unknown-word"),
            day.account.orders(EVERY)[0].status,
        )[2],
        "under_deliberation",
    ),
    F.FUNDS_UNCHECKED: (unpaid, ("new", D(100_000))),
    F.REJECT_AFTER_ACCEPT: (after("taken", F.REJECT_AFTER_ACCEPT), ("rejected", D(0), None, {})),
    F.CANCEL_FILLS: (
        after("asked-cancel", F.CANCEL_FILLS, limit_price="150"),
        ("filled", D(10), D(150), {"AAPL": D(10)}),
    ),
    **OF_EXITS,
    **{
        fault: (after("asked-cancel", fault, limit_price="150"), (status, D(0), None, {}))
        for fault, status in ((F.CANCEL_NEVER_ENDS, "pending_cancel"), (F.CANCEL_REJECTED, "new"))
    },
    F.REPLACE_DENIED: (
        chained(F.REPLACE_DENIED),
        [("replaced", D(10), D(4)), ("partially_filled", D(10), D(4))],
    ),
    F.REPLACE_FILLS: (
        chained(F.REPLACE_FILLS),
        [("filled", D(10), D(10)), ("rejected", D(10), D(0))],
    ),
    F.CUM_FRESH: (chained(F.CUM_FRESH), [("replaced", D(10), D(4)), ("new", D(6), D(0))]),
    F.QTY_REMAINING: (
        chained(F.QTY_REMAINING),
        [("replaced", D(10), D(4)), ("partially_filled", D(14), D(4))],
    ),
    F.BUST: (after("fill", F.BUST), ("filled", D(10), D("187.02"), {})),
    F.CORRECTION: (
        after("fill", F.CORRECTION),
        ("filled", D(10), D("187.03"), {"AAPL": D(10)}),
    ),
    F.FOREIGN_ORDER: (foreign, ("AAPL", "filled", {"AAPL": D(1)})),
    F.CLOCK_JUMP: (jumped, (-30.0, True)),
}


#: What an emulator puts on its wire; its own tests have them.
ON_THE_WIRE = {f for f, points in INJECTION_POINTS.items() if points & {P.FRAME, P.WORDS}}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in ON_THE_WIRE])
def test_a_fault_has_its_documented_effect_and_is_counted(fault: Fault) -> None:
    play, expected = PLAYS[fault]
    day = Day()
    assert expected == play(day)
    assert day.faults.counts[fault] >= 1
    assert {fault} == set(day.faults.counts)


def test_every_fault_has_an_injection_point() -> None:
    assert set(Fault) == set(INJECTION_POINTS)
    assert all(INJECTION_POINTS.values())


def test_the_parts_of_a_fault_name_may_be_in_any_order() -> None:
    assert fault_named("lost-reply") is fault_named("reply-lost") is Fault.REPLY_LOST
    with pytest.raises(InvalidValue, match="there is no fault 'bad-luck'"):
        fault_named("bad-luck")


def test_a_fault_cannot_be_requested_at_another_injection_point() -> None:
    with pytest.raises(InvalidValue, match="only at listen"):
        Faults().fail("submit", "stream-refused")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"next": "submitting", "with_": "slow"}, "there is no injection point 'submitting'"),
        ({"next": "account", "with_": "slow", "where": "AAPL"}, "has no order or symbol"),
        ({"next": "submit", "with_": "slow", "status": 500}, "cannot have the status"),
        ({"next": "submit", "with_": "server-error", "status": 404}, "cannot have the status"),
    ],
)
def test_what_makes_no_sense_is_refused(wish: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        Faults().fail(**wish)


def test_a_rule_may_be_about_one_symbol_or_order() -> None:
    day = Day()
    day.faults.fail("taken", "reject-after-accept", where="MSFT")
    day.faults.fail("taken", "reject-after-accept", where="mine")
    ids = [
        day.submit(symbol="AAPL", limit_price="150").id,
        day.submit(symbol="MSFT", limit_price="150").id,
        day.submit(symbol="AAPL", limit_price="150", client_order_id="mine").id,
    ]
    day.pass_(2)
    assert [day.account.truth.order(i).status for i in ids] == ["new", "rejected", "rejected"]


def test_a_rejected_cancel_is_an_event() -> None:
    day = Day()
    order = day.submit(limit_price="150")
    day.pass_(2)
    day.faults.fail("asked-cancel", "cancel-rejected")
    day.account.cancel(order.id)
    day.pass_(2)
    last = day.account.truth.events()[-1]
    assert (last.name, last.order.status) == ("order_cancel_rejected", "new")


def test_an_external_order_that_is_routed_early_fills_once() -> None:
    day = Day()
    day.faults.fail("taken", "event-early")
    day.faults.fail("show-orders", "foreign-order")
    (order,) = day.account.orders(EVERY)
    day.pass_(2)
    assert (D(1), {"AAPL": D(1)}) == (order.filled_qty, day.truth.positions())


def test_a_rule_skips_applies_and_ends() -> None:
    plan = Faults()
    plan.fail("submit", "reply-lost", skip=1, times=2)
    struck = [plan.next("submit") is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]


def test_a_switch_is_on_until_it_is_off() -> None:
    plan = Faults()
    plan.switch_on("slow", seconds=2)
    strike = plan.next("orders")
    assert strike is not None
    assert (strike.fault, strike.seconds) == (Fault.SLOW, 2)
    plan.switch_off("slow")
    assert plan.next("orders") is None
    plan.switch_on("slow")
    plan.clear()
    assert plan.next("orders") is None


def test_a_random_plan_is_the_same_for_the_same_seed() -> None:
    def strikes(seed: int) -> list[object]:
        plan = Faults.random(seed, 0.2)
        return [plan.next(occasion) for _ in range(30) for occasion in InjectionPoint]

    assert strikes(5) == strikes(5)
    assert strikes(5) != strikes(6)
    assert any(strikes(5))


def test_a_random_plan_of_some_faults_has_no_others() -> None:
    plan = Faults.random(1, 0.5, only=["slow", "html"])
    for _ in range(50):
        for occasion in InjectionPoint:
            plan.next(occasion)
    assert {Fault.SLOW, Fault.HTML} == set(plan.counts)
