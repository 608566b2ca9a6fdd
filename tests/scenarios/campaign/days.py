"""
One simulated day from a seed: a bot trades through faults; its record is compared with the
exchange.
"""

import random
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange, Fault, Faults, Refused, Ticket
from tests.oracle.oracle import Oracle

OPENS = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)  # five minutes after the bell
SYMBOLS = ("AAPL", "MSFT", "BTC/USD")
KINDS = (*["market"] * 2, *["limit"] * 3, *["replace"] * 3, "cancel", "manual")

#: They end the day for this account or the machine, and have tests of their own.
APART = {
    *(Fault.ACCOUNT_ID_CHANGED, Fault.CANCEL_NEVER_ENDS, Fault.CLOCK_JUMP),
    *(Fault.CANCEL_AT_OPEN, Fault.UNITS_FREED_LATE, Fault.SIBLING_LATE),  # of exits
}


def chunks(first, count, size):
    """The seeds from *first* on, in groups of *size*."""
    return [range(at, min(at + size, first + count)) for at in range(first, first + count, size)]


def faults(seed, rate=0.04):
    names = [fault.value for fault in Fault if fault not in APART]
    return Faults.random(seed, rate, only=names)


class Day:
    """The exchange, the bot, and the acts of the bot."""

    def __init__(
        self,
        seed,
        *,
        store="memory://",
        rate=0.04,
        broker=None,
        plan=None,
        begins=OPENS,
        **venue,
    ):
        self.seed = seed
        self.dice = random.Random(seed)
        self.symbols = list(SYMBOLS)
        self.clock = ManualClock(begins)
        self.exchange = Exchange(
            seed=seed, clock=self.clock, faults=Faults(seed=seed), partial_rate=0.3, **venue
        )
        self.books = self.exchange.open_account("paper")
        self.broker = (broker or SimulatedBroker)(self.exchange, self.books)
        self.desk = fb.open(self.broker, store=store, clock=self.clock, wait_s=2)
        self.plan = plan if plan is not None else faults(seed, rate)

    def run(self, steps=12):
        report = self.desk.sync()
        assert report.opened, report.unobserved
        self.oracle = self.judge()
        for rule in self.plan.rules:  # from here on things go wrong
            self.exchange.faults.add(rule)
        with self.listening():
            for _ in range(steps):
                self.step()
        self.exchange.faults.clear()

    def listening(self):
        """Return the context of the stream, whose events the desk receives."""
        return self.broker.listen(self.desk._background)

    def judge(self):
        """Return what compares the record with the exchange."""
        return Oracle(self.desk, self.books.truth)

    def step(self):
        self.move_market(30)
        # The bot stops waiting for this one; the record does not.
        with suppress(errors.OrderError, errors.ReadFailed, Refused):
            self.act()
        self.observe()
        self.clock.advance(self.dice.choice((0.5, 3, 20)))
        self.desk.tick()
        self.observe()

    def move_market(self, most):
        """Move each price by at most *most* hundredths of a percent."""
        for symbol in self.symbols:
            quote = self.exchange.quote_of(symbol)
            move = Decimal(self.dice.randint(-most, most)) / 10_000
            bid = (quote.bid * (1 + move)).quantize(Decimal("0.01"))
            self.exchange.quote(symbol, bid, bid + Decimal("0.02"))

    def observe(self):
        """Whatever has not been received yet, the record shows nothing that is not so."""
        found = self.oracle.observe()
        assert not found, f"seed {self.seed} at {self.clock.now()}: {found}"

    def act(self):
        symbol = self.dice.choice(self.symbols)
        quote = self.exchange.quote_of(symbol)
        qty = Decimal(self.dice.randint(1, 9)) / (100 if "/" in symbol else 1)
        held = self.desk.book.position(symbol).qty
        side = "sell" if held > qty and self.dice.random() < 0.5 else "buy"
        resting = [x for x in self.desk.book.orders(open=True) if x.broker_order_id is not None]
        kind = self.dice.choice(KINDS)
        if kind == "cancel" and resting:
            self.desk.cancel(self.dice.choice(resting))
        elif kind == "replace" and resting:
            self.replace(self.dice.choice(resting))
        elif kind == "manual":
            self.exchange.trade_by_hand(self.books, ticket(symbol, side, qty))
        elif kind == "market":
            self.order(symbol, side, qty)
        else:  # at the market's own price or some steps away from it, where it rests
            away = quote.bid * self.dice.choice((0, 1, 3)) / 1000
            price = quote.bid - away if side == "buy" else quote.ask + away
            self.order(symbol, side, qty, limit_price=round(price, 2))

    def replace(self, order):
        """Another price, another quantity, or both; a price nearer to the market often fills."""
        name = self.exchange._state.current_symbol(order.symbol)  # it may have been renamed
        quote, steps = self.exchange.quote_of(name), self.dice.randint(-3, 1)
        near = quote.bid if order.side is m.OrderSide.BUY else quote.ask
        away = near * steps / 1000 * (1 if order.side is m.OrderSide.BUY else -1)
        times = self.dice.choice((None, Decimal("0.5"), 2))
        grown = None if times is None or order.qty is None else order.qty * times
        price = None if self.dice.random() < 0.3 else round(near + away, 2)
        self.desk.replace(order, limit_price=price, qty=grown)

    def order(self, symbol, side, qty, **kw):
        request = fb.OrderRequest(symbol=symbol, side=side, qty=qty, strategy="bot", **kw)
        self.desk.submit(request)

    def rest(self):
        """End all faults; every pending request is accepted, and the windows pass."""
        self.clock.advance(301)
        for _ in range(360):  # an hour; `wrong` names what is still unknown then
            if not any(is_unknown(o) for o in self.desk.book.orders()):
                break
            self.clock.advance(10)  # the broker has to reply often enough, and late enough
            self.desk.tick()
        for order in self.books.truth.orders():
            if order.status in ("held", "new", "accepted", "partially_filled", "pending_new"):
                self.books.cancel(order.id)
        self.clock.advance(61)  # a fill that no history had for a minute has its own read


def is_unknown(order):
    """Whether the outcome of the order, or of a cancel or replace of it, is still queried."""
    return order.status is m.OrderStatus.UNPROVEN or order.pending is not None


def ticket(symbol, side, qty):
    gtc = m.TimeInForce.GTC if "/" in symbol else m.TimeInForce.DAY
    return Ticket(
        symbol=symbol, side=m.OrderSide(side), type=m.OrderType.MARKET, time_in_force=gtc, qty=qty
    )


def wrong(day):
    """
    The differences between the orders of the record and of the exchange; empty while idle.

    Each is a pair: the symbol that it is about, and a sentence.
    """
    found = []
    book = day.desk.book
    truth = day.books.truth
    theirs = {o.id: o for o in truth.orders()}
    ours = {i: o for o in book.orders() for i in book.record(o).ids}
    for order_id, order in theirs.items():

        def say(text, order=order):
            found.append((order.symbol, text))

        mine = ours.get(order_id)
        if mine is not None and mine.broker_order_id != order_id:
            continue  # an older id of an order that was replaced; it is counted with the tip
        moved = [f for f in truth.fills(order_id) if not (f.is_busted or f.is_corrected)]
        if mine is None and order.is_final and not moved:
            continue  # an external order, placed and ended between two snapshots: it moved nothing
        if mine is None:
            say(f"order {order_id} {order.status} is not in the record")
            continue
        fills = [
            f
            for one in book.record(mine).ids
            for f in truth.fills(one)
            if not (f.is_busted or f.is_corrected)
        ]
        told = sum((f.qty for f in fills), Decimal(0))
        if mine.filled_qty != told:
            say(f"order {order_id}: filled {mine.filled_qty}, truth {told}")
        word = "canceled" if order.status == "rejected" and told else order.status
        if not mine.is_final or mine.status.value != word:
            say(f"order {order_id}: {mine.status}, final {mine.is_final}, truth {word}")
        spent = sum((f.traded_value for f in fills), Decimal(0))
        if mine.filled_value != spent:
            say(f"order {order_id}: value {mine.filled_value}, truth {spent}")
    for order in book.orders():
        if order.pending is not None:
            text = f"{order.client_order_id}: {order.pending} is pending at rest"
            found.append((order.terms.symbol, text))
        if order.broker_order_id is None and not order.is_final:
            text = f"{order.client_order_id} is {order.status} at rest"
            found.append((order.terms.symbol, text))
    ids = [o.client_order_id for o in truth.orders()]
    if len(ids) != len(set(ids)):
        found.append(("", "one intent, two orders"))
    return found
