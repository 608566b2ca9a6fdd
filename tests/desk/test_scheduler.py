"""Scheduler and threads: the work of a tick, in this thread or in the background."""

import ast
import inspect
import logging
import threading
from datetime import timedelta

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import SystemClock
from fillbook.venue.exchange import Exchange
from tests.bench import Bench

S = m.OrderStatus
PATIENCE_S = 60


def test_a_tick_does_only_what_is_due():
    """The first tick reads everything; the next, at the same time, sends nothing."""
    bench = Bench()
    bench.desk.tick()
    asked = bench.desk.requests
    bench.desk.tick()
    assert bench.desk.requests == asked
    bench.clock.advance(15)
    bench.desk.tick()
    assert bench.desk.requests == asked + 2  # the poll, of the account that is bound


def test_the_background_opens_the_record_and_receives_the_stream():
    """
    After the start it syncs; a fill is in the book without a tick, and the end of `with` stops it.
    """
    exchange = Exchange(seed=7)
    broker = SimulatedBroker(exchange)
    broker.capabilities = quick(broker)
    heard = threading.Event()
    with fb.open(broker, "memory://") as desk:
        desk.sync()
        desk.on("fill", lambda event: heard.set())
        desk.start()
        desk.start()  # twice is fine
        order = desk.buy("BTC/USD", qty="0.01", limit_price="1000")
        exchange.fill(order.broker_order_id, price="1000")
        assert heard.wait(PATIENCE_S)
        assert desk.book.order(order).status is S.FILLED
    names = {x.name for x in threading.enumerate()}
    assert "fillbook" not in names


def quick(broker):
    """A broker with a small lag, so that no test waits ten seconds."""
    return evolve(broker.capabilities, account_lag=timedelta(milliseconds=1))


def test_what_a_pass_raises_does_not_end_the_background():
    """The error is logged, and the next pass follows."""
    exchange = Exchange(seed=7)
    broker = SimulatedBroker(exchange)
    broker.capabilities = quick(broker)
    log, said = logging.getLogger("fillbook"), FailedPassLog()
    log.addHandler(said)
    with fb.open(broker, "memory://") as desk:
        desk._reconciler.sync = raises_once(desk._reconciler.sync)
        desk.start()
        assert said.heard.wait(PATIENCE_S)
        desk.sync()
        assert desk.book.cash() == 100_000
    log.removeHandler(said)


def raises_once(call):
    """*call*, which raises the first time."""
    errors = iter([RuntimeError("the pass failed")])

    def called(*args, **kw):
        for error in errors:
            raise error
        return call(*args, **kw)

    return called


class FailedPassLog(logging.Handler):
    """Records that the log reported a failed pass."""

    def __init__(self):
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record):
        if record.exc_info and "the pass failed" in str(record.exc_info[1]):
            self.heard.set()


def test_closing_twice_is_fine():
    """And so is closing a desk that was never started."""
    bench = Bench()
    bench.desk.close()
    bench.desk.close()


class Watched(SystemClock):
    """Records when a thread has begun to wait."""

    def __init__(self):
        self.begun = threading.Event()

    def wait(self, news, timeout_s):
        self.begun.set()
        return super().wait(news, timeout_s)


def test_closing_does_not_wait_for_the_opening_balance():
    """Its two snapshots are seconds apart; the desk does not wait for the second."""
    clock = Watched()
    desk = fb.open(SimulatedBroker(Exchange(seed=7)), "memory://", clock=clock)
    desk.start()
    assert clock.begun.wait(PATIENCE_S)
    before = clock.elapsed()
    desk.close()
    assert clock.elapsed() - before < timedelta(seconds=1)


def test_every_method_of_the_desk_delegates():
    """Outside `__init__`, one statement a method beside its docstring."""
    (found,) = ast.parse(inspect.getsource(fb.desk.Desk)).body
    for method in found.body:
        if isinstance(method, ast.FunctionDef) and method.name != "__init__":
            body = [x for x in method.body if not isinstance(x, ast.Expr) or x is method.body[-1]]
            assert len(body) == 1, method.name
