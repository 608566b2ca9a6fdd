"""Faults of a request and of its reply."""

from __future__ import annotations

from datetime import timedelta

from fillbook import model as m
from fillbook.testing.broker_cases.base import EPOCH
from fillbook.venue.exchange import Fault

from .scenarios import OPEN, Bench, of, said


@of(Fault.REQUEST_LOST)
def _(bench: Bench) -> None:
    bench.fail("submit", "request-lost")
    bench.fail("account", "request-lost")
    assert said(bench.submit("lost")) == "ambiguous no_answer"
    assert said(bench.broker.find("lost")) == "absent"
    assert said(bench.broker.account()) == "not observed no_answer"


@of(Fault.REPLY_LOST)
def _(bench: Bench) -> None:
    bench.fail("submit", "reply-lost")
    assert said(bench.submit("lost")) == "ambiguous no_answer"
    assert said(bench.submit("lost")) == "rejected duplicate"
    assert said(bench.broker.find("lost")) == "observed accepted"


@of(Fault.LATE_LANDING)
def _(bench: Bench) -> None:
    bench.fail("submit", "late-landing", seconds=60)
    assert said(bench.submit("late")) == "ambiguous no_answer"
    assert said(bench.broker.find("late")) == "absent"
    bench.clock.advance(61)
    assert said(bench.broker.find("late")).startswith("observed")


@of(Fault.DUPLICATE_UNLISTED)
def _(bench: Bench) -> None:
    bench.fail("submit", "duplicate-unlisted", seconds=60)
    assert said(bench.submit("hidden")) == "ambiguous no_answer"
    assert said(bench.broker.find("hidden")) == "absent"
    assert said(bench.submit("hidden")) == "rejected duplicate"
    bench.clock.advance(61)
    assert said(bench.broker.find("hidden")).startswith("observed")


@of(Fault.UNREACHABLE)
def _(bench: Bench) -> None:
    # On an open connection it cannot be proved that nothing was sent.
    bench.broker.account()
    bench.fail("submit", "unreachable")
    assert said(bench.submit("never")) == "ambiguous no_answer"
    assert said(bench.broker.find("never")) == "absent"


@of(Fault.SLOW)
def _(bench: Bench) -> None:
    bench.fail("account", "slow", seconds=8)
    assert said(bench.broker.account()) == "observed"


@of(Fault.RATE_LIMITED)
def _(bench: Bench) -> None:
    bench.fail("submit", "rate-limited")
    bench.fail("orders", "rate-limited")
    for answer in (bench.submit("later"), bench.orders()):
        assert said(answer) in ("notsent rate_limited", "not observed rate_limited")
        assert isinstance(answer, m.NotSent | m.NotObserved)
        assert answer.retry_at is not None
        assert OPEN < answer.retry_at <= OPEN + timedelta(seconds=61)
    assert said(bench.broker.find("later")) == "absent"


@of(Fault.SERVER_ERROR)
def _(bench: Bench) -> None:
    bench.fail("submit", "server-error")
    bench.fail("orders", "server-error")
    assert said(bench.submit()) == "ambiguous server_error"
    assert said(bench.orders()) == "not observed server_error"


@of(Fault.HTML)
def _(bench: Bench) -> None:
    bench.fail("submit", "html")
    bench.fail("find", "html")
    assert said(bench.submit()) == "ambiguous server_error"
    assert said(bench.broker.find("x")) == "not observed server_error"


@of(Fault.REDIRECT)
def _(bench: Bench) -> None:
    bench.fail("submit", "redirect")
    bench.fail("positions", "redirect")
    assert said(bench.submit("elsewhere")) == "ambiguous unreadable"
    assert said(bench.broker.positions(None)) == "not observed unreadable"
    assert said(bench.broker.find("elsewhere")) == "absent"


@of(Fault.EMPTY_LIST)
def _(bench: Bench) -> None:
    # The reply equals that of an empty account: the desk requires agreement (P6).
    bench.placed()
    bench.fail("orders", "empty-list")
    empty, full = bench.orders(), bench.orders()
    assert isinstance(empty, m.Observed)
    assert isinstance(full, m.Observed)
    assert (len(empty.value), len(full.value)) == (0, 1)


@of(Fault.CUT_PAGE)
def _(bench: Bench) -> None:
    bench.placed()
    bench.fail("orders", "cut-page")
    assert said(bench.orders()) == "not observed no_answer"


@of(Fault.SHIFTING_PAGE)
def _(bench: Bench) -> None:
    for _ in range(101):
        bench.world.trade_by_hand("AAPL", m.OrderSide.BUY, "1")
        bench.world.wait_for_events()
    bench.exchange.faults.fail("executions", "shifting-page", skip=1)
    rows, page = [], None
    while True:
        found = bench.broker.executions(EPOCH, page)
        assert isinstance(found, m.Observed)
        rows += [each.exec_id for each in found.value]
        page = found.next
        if page is None:
            break
    assert (len(rows), len(set(rows))) == (102, 101)
