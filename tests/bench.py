"""A bot at a simulated broker with a simulated clock, and methods for every fault."""

from contextlib import contextmanager
from datetime import UTC, datetime

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Exchange, Faults, Ticket
from fillbook.venue.exchange.market.sessions import new_york

MONDAY_10 = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # ten in the morning in New York
QUOTES = {"AAPL": ("187.00", "187.02"), "MSFT": ("412.00", "412.05"), "SPY": ("570.00", "570.02")}
READS = (
    *("account", "positions", "orders", "order", "find"),
    *("executions", "activities", "instruments"),
)


class Bench:
    """The exchange and a desk on it; `sync` has been called once unless *opened* is False."""

    def __init__(
        self,
        *,
        store=None,
        wait_s=2,
        broker=SimulatedBroker,
        opened=True,
        edits_in_place=False,
        checks_duplicates=True,
        **account,
    ):
        self.clock = ManualClock(MONDAY_10)
        self.exchange = Exchange(
            seed=7,
            clock=self.clock,
            faults=Faults(seed=7),
            edits_in_place=edits_in_place,
            checks_duplicates=checks_duplicates,
        )
        for symbol, (bid, ask) in QUOTES.items():
            self.exchange.quote(symbol, bid, ask)
        self.books = self.exchange.open_account("paper", **account)
        self.truth = self.books.truth
        self.broker = broker(self.exchange, self.books)
        self.store = store if store is not None else MemoryStore()
        self.wait_s = wait_s
        self.desk = self.open()
        if opened:
            assert self.desk.sync().opened

    def open(self, store=None):
        """Open a desk as a new process does, on the same record unless another store is given."""
        store = self.store if store is None else store
        return fb.open(self.broker, store, clock=self.clock, wait_s=self.wait_s)

    def fail(self, next, with_, times=1, seconds=None):  # noqa: A002
        self.exchange.faults.fail(next, with_, times=times, seconds=seconds)

    def outage(self):
        """No request gets a reply, until `over`."""
        self.exchange.faults.switch_on("unreachable")

    def over(self):
        self.exchange.faults.clear()

    def pass_(self, seconds, every=5):
        """Let time pass, with a tick every few seconds."""
        for _ in range(int(seconds // every)):
            self.clock.advance(every)
            self.desk.tick()

    @contextmanager
    def streamed(self):
        """The desk receives the stream, in this thread."""
        with self.broker.listen(self.desk._background):
            yield

    @contextmanager
    def heard(self):
        """The raw events of the exchange meanwhile, for a bot that passes them on."""
        events = []
        with self.books.listen(events.append):
            yield events
            self.clock.advance(1)

    def by_hand(self, symbol, side, qty, pause_s=1, **wish):
        """Place an external order, as in the broker's own application, between two pauses."""
        self.clock.advance(pause_s)
        kind = m.OrderType.LIMIT if "limit_price" in wish else m.OrderType.MARKET
        pair = "/" in symbol
        ticket = Ticket(
            symbol=symbol,
            side=m.OrderSide(side),
            type=kind,
            time_in_force=m.TimeInForce.GTC if pair else m.TimeInForce.DAY,
            qty=m.number(qty),
            **{name: m.number(value) for name, value in wish.items()},
        )
        order = self.exchange.trade_by_hand(self.books, ticket)
        self.clock.advance(pause_s)
        return order

    def resting(self, symbol="AAPL", qty=10, **wish):
        """An order of the bot that rests at the broker."""
        return self.desk.buy(symbol, qty=qty, limit_price="150", strategy="s", **wish)

    def filled(self, order, *parts):
        """Fill a resting order in these parts."""
        for part in parts or (None,):
            self.exchange.fill(order.broker_order_id, part, order.limit_price)

    def silently(self, symbol, qty, price):
        """Move units without an order; only the history has a row of it."""
        self.exchange.transfer(self.books, symbol, qty, price)

    def ours(self):
        """The orders at the exchange with our client order ids."""
        return [x for x in self.truth.orders() if x.client_order_id.startswith("fb-")]

    @property
    def sent(self):
        """The number of requests by name that have left this desk."""
        return self.desk._gateway.sent

    def is_true(self):
        """Whether positions and cash equal the exchange's."""
        held = {x.symbol: x.qty for x in self.desk.book.positions() if x.qty}
        return held == self.truth.positions() and self.desk.book.cash() == self.truth.cash()


def unable(**can):
    """A simulated broker that declares fewer capabilities."""

    class Unable(SimulatedBroker):
        capabilities = evolve(SimulatedBroker.capabilities, **can)

    return Unable


class DatedBroker(SimulatedBroker):
    """A broker whose rows bear a date only, as Alpaca's."""

    def activities(self, since, page):
        answer = super().activities("", page)
        if not isinstance(answer, m.Observed):
            return answer
        rows = [dated(row) for row in answer.value]
        return evolve(answer, value=[row for row in rows if row.at >= since])


def dated(row):
    """A split counts from the start of its day, another row from the end."""
    zone = new_york()
    day = m.moment(row.at).astimezone(zone).date()
    edge = datetime.min.time() if row.ratio is not None else datetime.max.time()
    return evolve(row, at=m.timestamp(datetime.combine(day, edge, zone)), dated=True)
