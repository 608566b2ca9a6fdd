"""
The work of a child process until it is killed, and of its successor afterwards.

A boundary is a moment before or after a transaction of the store, or before or after a request to
the broker. A child with boundary k sends itself SIGKILL there.
"""

import os
import signal
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.clock import ManualClock
from fillbook.stores.sqlite import SqliteStore

REQUESTS = (
    "account",
    "positions",
    "orders",
    "order",
    "submit",
    "replace",
    "cancel",
    "find",
    "executions",
    "executions_of",
    "activities",
    "instruments",
)
WISH = fb.OrderRequest(symbol="AAPL", side="buy", qty=3, limit_price="150.00", time_in_force="gtc")
#: Coins are traded at any hour: what the exchange only holds for the morning is not replaced.
COIN = fb.OrderRequest(symbol="BTC/USD", side="buy", qty=3, limit_price="150.00")


class Fuse:
    """Counts boundaries once it is started, and kills the process at the given one."""

    def __init__(self, at):
        self.at = at
        self.armed = False
        self.passed = 0

    def boundary(self):
        if self.armed:
            if self.passed == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.passed += 1


def fused_store(path, fuse):
    """The SQLite store, with a boundary before and after each transaction."""

    class Fused(SqliteStore):
        @contextmanager
        def write(self):
            with super().write() as writer:
                yield writer
                fuse.boundary()  # written, not yet committed
            fuse.boundary()

    return Fused(path)


def fused_broker(url, key, secret, fuse):
    """The adapter, with a boundary before and after each request."""

    class Fused(AlpacaBroker):
        pass

    def fused(name):
        plain = getattr(AlpacaBroker, name)

        def ask(self, *args, **kw):
            fuse.boundary()
            answer = plain(self, *args, **kw)
            fuse.boundary()
            return answer

        return ask

    for name in REQUESTS:
        setattr(Fused, name, fused(name))
    return Fused(key, secret, url=url)


def opened(where, fuse):
    """A desk on the emulator's account with a simulated clock, so that it never waits."""
    broker = fused_broker(where["url"], where["key"], where["secret"], fuse)
    store = fused_store(where["path"], fuse)
    return fb.open(broker, store, clock=ManualClock(datetime.now(UTC)), wait_s=1)


def prepare(flow, desk):
    """Prepare the state of the flow; no process is killed yet."""
    desk.sync()
    if flow == "cancel":
        desk.submit(WISH, key="one")
    if flow in ("replace", "resize"):
        order = desk.submit(COIN, key="one")
        while desk.book.order(order).status is not fb.OrderStatus.NEW:  # it takes a moment
            desk.sync(order=order)


def act(flow, desk):
    """Run the flow."""
    match flow:
        case "submit" | "unwanted":
            desk.submit(wish(flow), key="one")
        case "sending":
            send_by_oneself(desk)
        case "cancel":
            desk.cancel(desk.book.orders()[0])
        case "replace":
            desk.replace(desk.book.orders()[0], limit_price="151.00", qty=4)
        case "resize":
            desk.sync(order=desk.book.orders()[0])  # part of it has filled
            desk.replace(desk.book.orders()[0], qty=5)
        case _:
            desk.sync()


def send_by_oneself(desk):
    """Send an order by the bot's own client, once, under the given client order id."""
    with suppress(fb.AlreadySent), desk.sending(WISH, key="one") as order:
        desk._gateway.broker.submit(desk.book.record(order).intent)


def wish(flow):
    if flow != "unwanted":
        return WISH
    return fb.OrderRequest(
        symbol="AAPL", side="buy", qty=3, limit_price="150.00", time_in_force="gtc", good_for_s=0
    )


def child(flow, where, at, ready, go, passed):
    """Run *flow* and kill it at boundary *at*; `passed` is the number of boundaries if it ends."""
    fuse = Fuse(at)
    with opened(where, fuse) as desk:
        prepare(flow, desk)
        ready.set()
        go.wait()
        fuse.armed = True
        act(flow, desk)
        fuse.armed = False
        passed.value = fuse.passed
