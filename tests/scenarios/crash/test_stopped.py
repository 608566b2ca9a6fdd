"""Two desks on one store: one is stopped while it resends, the other takes over."""

import multiprocessing
import os
import signal
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

pytest.importorskip("alpaca.trading.client")
pytest.importorskip("starlette")

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.clock import SystemClock
from fillbook.core.rate_limit import Lane
from fillbook.stores.sqlite import SqliteStore
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

WISH = fb.OrderRequest(
    symbol="AAPL",
    side="buy",
    qty=3,
    limit_price="150.00",
    time_in_force="gtc",
    good_for_s=86_400,
)
FAST = 60
TICKS = 2_000

children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload(["tests.scenarios.crash.test_stopped", "alpaca.trading.client"])


class FastClock(SystemClock):
    """One of its minutes is a second, on one timeline for all processes."""

    def __init__(self):
        self._start, self._began = datetime.now(UTC), super().elapsed()

    def now(self):
        return self._start + (super().elapsed() - self._began) * FAST

    def elapsed(self):
        return super().elapsed() * FAST

    def wait(self, news, timeout_s):
        return super().wait(news, timeout_s / FAST)


class LosesOne(AlpacaBroker):
    """Its first create never arrives; a later one runs a given action first."""

    sent = 0
    before_again = staticmethod(lambda: None)

    def submit(self, intent):
        self.sent += 1
        if self.sent == 1:
            return m.Ambiguous(m.Failure.NO_ANSWER, "no answer")
        self.before_again()
        return super().submit(intent)


@contextmanager
def opened(where, broker):
    with fb.open(
        broker(where["key"], where["secret"], url=where["url"]),
        SqliteStore(where["path"]),
        clock=FastClock(),
        wait_s=0,
    ) as desk:
        yield desk


def first(where, moment, stopped, told):
    """Lose a create, and stop itself at *moment* of the resend."""

    def stop():
        stopped.set()
        os.kill(os.getpid(), signal.SIGSTOP)

    with opened(where, LosesOne) as desk:
        desk.sync()
        order = desk.submit(WISH, key="one")
        pacer = desk._gateway._pacer
        take = pacer.take

        def stops(lane, **patience):
            if lane is Lane.SUBMIT:
                stop()
            return take(lane, **patience)

        if moment == "written down":
            pacer.take = stops
        else:
            desk._gateway.broker.before_again = stop
        for _ in range(TICKS):
            desk.tick()
            if stopped.is_set():
                break
            desk._gateway.closing.wait(0.02)
        desk.tick()
        told.put((desk._gateway.broker.sent, desk.book.order(order).broker_order_id is not None))


def second(where, told):
    """Tick until the order exists, and some time longer."""
    with opened(where, AlpacaBroker) as desk:
        for _ in range(TICKS):
            desk.tick()
            (order,) = desk.book.orders()
            if order.broker_order_id is not None:
                break
            desk._gateway.closing.wait(0.02)
        told.put((desk._gateway.sent["submit"], order.broker_order_id is not None))


@pytest.mark.parametrize(("moment", "sends"), [("written down", 1), ("about to leave", 2)])
def test_stopped_in_the_middle_of_sending_again(moment, sends, tmp_path):
    """One broker order, both with the request still waiting and after every check."""
    with Emulator(Exchange(seed=12), rate_limit=1_000_000) as emulator:
        emulator.exchange.open_account("one")
        where = {
            "url": emulator.url,
            "key": "one",
            "secret": emulator.secret_of("one"),
            "path": str(tmp_path / "bot.db"),
        }
        stopped, told, theirs = children.Event(), children.Queue(), children.Queue()
        one = children.Process(target=first, args=(where, moment, stopped, told))
        other = children.Process(target=second, args=(where, theirs))
        one.start()
        try:
            assert stopped.wait(60)
            other.start()
            assert theirs.get(timeout=60) == (1, True)
            other.join(30)
        finally:
            os.kill(one.pid, signal.SIGCONT)
        assert told.get(timeout=60) == (sends, True)
        one.join(30)
        (there,) = emulator.exchange.account("one").truth.orders()
    with fb.read(f"sqlite:///{where['path']}") as book:
        assert [x.broker_order_id for x in book.orders()] == [there.id]
