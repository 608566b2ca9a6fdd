"""P12: after a kill at any boundary of a desk, nothing is lost or doubled."""

import multiprocessing
import os
import signal
import sqlite3

import pytest

pytest.importorskip("alpaca.trading.client")
pytest.importorskip("starlette")

from fillbook import model as m
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange, Ticket
from tests.scenarios.crash import flows

#: "resize" changes the quantity of an order that has filled in part: cancel, proof, new order.
FLOWS = ("submit", "unwanted", "sending", "cancel", "replace", "resize", "sync")
#: A child dies at every eighth boundary, and at all of them with FILLBOOK_TEST_KILLS.
STEP = 1 if os.environ.get("FILLBOOK_TEST_KILLS") else 8
#: More boundaries than any flow has; a child that outlives them ends the enumeration.
MOST = 60

children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload(["tests.scenarios.crash.flows", "alpaca.trading.client"])


@pytest.fixture(scope="module")
def emulator():
    with Emulator(Exchange(seed=12), rate_limit=1_000_000) as running:
        yield running


@pytest.mark.sampled(3)
@pytest.mark.timeout(240)
@pytest.mark.parametrize("flow", FLOWS)
def test_killed_at_every_boundary(flow, emulator, tmp_path):
    """For each boundary: a child is killed there, and its successor's record is correct."""
    for at in range(0, MOST, STEP):
        where = place(emulator, f"{flow}-{at}", tmp_path)
        died = killed(flow, where, at, emulator)
        succeed(flow, where, emulator)
        if not died:
            assert at > 4, "the harness found too few boundaries to mean anything"
            return
    pytest.fail("the flow has no end")


def place(emulator, name, tmp_path):
    emulator.exchange.open_account(name)
    return {
        "name": name,
        "url": emulator.url,
        "key": name,
        "secret": emulator.secret_of(name),
        "path": str(tmp_path / f"{name}.db"),
    }


def killed(flow, where, at, emulator):
    """Whether the child killed itself at boundary *at*."""
    ready, go, passed = children.Event(), children.Event(), children.Value("i", -1)
    process = children.Process(target=flows.child, args=(flow, where, at, ready, go, passed))
    process.start()
    assert ready.wait(60), "the child did not get ready"
    if flow == "sync":  # the pass has to find it: an external fill
        emulator.exchange.trade_by_hand(emulator.exchange.account(where["name"]), by_hand())
    if flow == "resize":
        (order,) = emulator.exchange.account(where["name"]).truth.orders()
        emulator.exchange.fill(order.id, 1, order.limit_price)
    go.set()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), f"the child failed: {process.exitcode}"
    return process.exitcode == -signal.SIGKILL


def by_hand():
    return Ticket(
        symbol="BTC/USD",
        side=m.OrderSide.BUY,
        type=m.OrderType.MARKET,
        time_in_force=m.TimeInForce.GTC,
        qty=m.number("0.01"),
    )


def succeed(flow, where, emulator):
    """The next start: it queries what is unconfirmed, and continues as the bot would."""
    with sqlite3.connect(where["path"]) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
    truth = emulator.exchange.account(where["name"]).truth
    with flows.opened(where, flows.Fuse(-1)) as desk:
        desk.sync()
        if flow in ("submit", "unwanted"):
            desk.submit(flows.wish(flow), key="one")
        if flow == "sending":
            flows.send_by_oneself(desk)
        for _ in range(40):  # four hundred seconds of the bot's time
            desk._reconciler._clock.advance(10)
            desk.tick()
        check_one_order(flow, desk, truth)
        check_change(flow, desk, truth)
        check_reconciled(desk, truth)
        check_reservations(desk)
        assert desk.sync().entries == 0


def check_one_order(flow, desk, truth):
    """P1, P2: each intent is the broker's one order, or absent."""
    theirs = [x.client_order_id for x in truth.orders() if x.client_order_id.startswith("fb-")]
    assert len(theirs) == len(set(theirs))
    ours = [x for x in desk.book.orders() if x.origin is m.Origin.OURS]
    if flow == "submit":
        assert len(theirs) == 1
    for order in ours:
        there = order.client_order_id in theirs
        assert there or order.status in (m.OrderStatus.ABSENT, m.OrderStatus.DENIED)
    assert set(theirs) <= {name for x in ours for name in written_down(desk, x)}
    if flow == "cancel":
        assert ours[0].status in (m.OrderStatus.CANCELED, m.OrderStatus.NEW, m.OrderStatus.ACCEPTED)


def written_down(desk, order):
    """The client order ids under which the broker may have something of the order."""
    changes = [x.change for x in desk.book.requests(order) if x.change is not None]
    return {order.client_order_id, *(change.client_order_id for change in changes)}


def check_change(flow, desk, truth):
    """The order has its old terms or its new ones, in one live order."""
    if flow not in ("replace", "resize"):
        return
    (alive,) = [x for x in truth.orders() if not x.is_final]
    (order,) = desk.book.orders(open=True)
    assert (order.broker_order_id, order.pending) == (alive.id, None)
    assert (order.qty, order.limit_price) == (alive.qty, alive.limit_price)
    changed = alive.client_order_id.endswith(".r1")
    wanted = {"replace": ((4, 151), (3, 150)), "resize": ((4, 150), (3, 150))}[flow]
    assert (order.qty, order.limit_price) == wanted[0 if changed else 1]


def check_reconciled(desk, truth):
    """Assert that the record equals the exchange."""
    held = truth.positions()
    for position in desk.book.positions():
        low = position.qty - position.fee_due
        assert low <= held[position.symbol] <= position.qty
    assert {x.symbol for x in desk.book.positions()} == set(held)
    for order in desk.book.orders():
        if order.broker_order_id is not None:
            assert truth.order(order.broker_order_id).status == order.status


def check_reservations(desk):
    """No reservation is without its open order, and no open order without its reservation."""
    open_orders = [x for x in desk.book.orders(open=True) if x.origin is m.Origin.OURS]
    reserved = [x.client_order_id for x in desk.book.reservations()]
    assert sorted(reserved) == sorted(x.client_order_id for x in open_orders)
