"""
Longer days: what happens to an account beside the bot's own orders and the faults of requests.

A day begins at any hour, also at night and at weekends, and lasts until the fees of its trades are
posted.  `INCIDENTS` are drawn among the acts of the bot; each that happens is counted in `fired`.
"""

import random
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attrs import evolve

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.venue.exchange import Posting, Refused
from tests.bench import DatedBroker
from tests.oracle.oracle import Oracle
from tests.scenarios.campaign.days import Day, ticket
from tests.scenarios.campaign.mortal import Killed, Mortal

#: Beginnings, UTC: in the session, before its end, around midnight in New York and UTC, a weekend.
BEGINS = (
    *[datetime(2026, 3, 2, 14, 35, tzinfo=UTC)] * 3,
    datetime(2026, 3, 3, 20, 50, tzinfo=UTC),
    datetime(2026, 3, 4, 4, 50, tzinfo=UTC),
    datetime(2026, 3, 4, 23, 50, tzinfo=UTC),
    datetime(2026, 3, 6, 20, 40, tzinfo=UTC),  # Friday
    datetime(2026, 3, 7, 15, 0, tzinfo=UTC),  # Saturday
    datetime(2026, 3, 9, 3, 30, tzinfo=UTC),  # Monday, the night of the change of the clocks
)
#: A corporate action and a dated transfer of one symbol and day have two readings: units before or
#: after.  So the transfers are of the other symbols.
SPLIT_SYMBOL, EXCHANGED_SYMBOL = "AAPL", "SPY"
TRANSFERRED = ("MSFT", "BTC/USD")
STRATEGIES = ("bot", "swing", None)
DAY = timedelta(days=1)
HOUR_S = 3600


class NotNow(Exception):
    """There is nothing to which the incident could happen."""


class LongDay(Day):
    """A day with incidents; `fired` counts them, the faults are counted by the exchange."""

    def __init__(self, seed, *, rate=0.04, broker=None, plan=None, only=None):
        dice = random.Random(f"{seed}:day")
        self.is_dated = broker is not None or dice.random() < 0.5
        kind = broker or (DatedBroker if self.is_dated else SimulatedBroker)
        self.store = Mortal()
        super().__init__(
            seed, store=self.store, rate=rate, broker=kind, plan=plan, begins=dice.choice(BEGINS)
        )
        self.fired, self.strategies = Counter(), {}
        self.incidents = INCIDENTS if only is None else (only,)
        self.exchanged, self.names = EXCHANGED_SYMBOL, 0
        self.symbols.append(self.exchanged)
        self._rows, self._positions = self.books.activities, self.books.positions
        self.books.activities, self.books.positions = self.visible_rows, self.visible_positions
        self.posted = {}  # by row: when it is posted (of the exchange's clock), and its date
        self.gone, self.split_on = None, None
        self._stack = ExitStack()

    # -- what the broker shows ---------------------------------------------------------

    def visible_rows(self):
        now, shown = self.exchange.now(), []
        for row in self._rows():
            posted, days = self.posted.get(row.id, (now, 0))
            if posted <= now:
                at = m.timestamp(m.moment(row.at) - days * DAY)
                shown.append(evolve(row, at=at) if days else row)
        return sorted(shown, key=lambda row: row.at)

    def visible_positions(self):
        rows = self._positions()
        if self.gone is None:
            return rows
        return [row for row in rows if row.symbol not in self.gone]

    # -- the day -----------------------------------------------------------------------

    def run(self, steps=12):
        self.before_opening()
        report = self.desk.sync()
        assert report.opened, report.unobserved
        self.oracle = Oracle(self.desk, self.books.truth, self.strategies)
        for rule in self.plan.rules:
            self.exchange.faults.add(rule)
        self.listen()
        for _ in range(steps):
            with suppress(Refused):
                if self.dice.random() < 0.4:
                    self.incident()
            self.alive(self.step)
        self._stack.close()
        self.store.left = None
        self.exchange.faults.clear()

    def before_opening(self):
        """What the account has done before the first sync, on the same day."""
        for act in (self.by_hand, self.by_hand, self.deposit, self.dividend, self.transfer):
            if self.dice.random() < 0.3:
                with suppress(Refused):
                    act()
                self.clock.advance(self.dice.choice((1, 60, HOUR_S)))
        self.clock.advance(60)
        self.fired.clear()

    def listen(self):
        self._stack.close()
        self._stack.enter_context(self.broker.listen(self.desk._background))

    def alive(self, call):
        """Make *call*; if the process is killed meanwhile, open the desk again on its store."""
        try:
            call()
        except Killed:
            self.fired["killed"] += 1
            self.reopen()

    def reopen(self):
        """Abandon the desk without closing it, and open another one on the same record."""
        self.store.left = None
        self.desk = fb.open(self.broker, store=self.store, clock=self.clock, wait_s=2)
        self.oracle.follow(self.desk)
        self.listen()
        self.observe()

    def order(self, symbol, side, qty, **kw):
        strategy, key = self.dice.choice(STRATEGIES), f"{self.seed}-{len(self.strategies)}"
        self.strategies[key] = strategy
        request = fb.OrderRequest(symbol=symbol, side=side, qty=qty, strategy=strategy, **kw)
        self.desk.submit(request, key=key)

    def pass_time(self, seconds, every):
        """Let time pass; the desk ticks."""
        for _ in range(max(1, int(seconds // every))):
            self.clock.advance(every)
            self.alive(self.desk.tick)
            self.observe()

    def until(self, moment, every):
        self.pass_time((moment - self.clock.now()).total_seconds(), every)

    # -- incidents ---------------------------------------------------------------------

    def incident(self):
        name = self.dice.choice(self.incidents)
        with suppress(NotNow):
            getattr(self, name)()
            self.fired[name] += 1
        self.observe()

    def night(self):
        """Move on, around the next midnight, to the next opening, or over a weekend."""
        now = self.clock.now()
        midnight = datetime.combine(now.date() + DAY, datetime.min.time(), UTC)
        goal = self.dice.choice(
            (
                now + timedelta(hours=7),
                midnight - timedelta(seconds=20),
                midnight + timedelta(hours=5, seconds=-20),  # in New York
                midnight + timedelta(hours=14, minutes=20),
                now + 3 * DAY,
            )
        )
        every = self.dice.choice((600, HOUR_S, 4 * HOUR_S))
        self.until(goal, max(every, (goal - now).total_seconds() / 12))
        for _ in range(3):
            self.pass_time(15, 15)

    def deposit(self):
        self.exchange.deposit(self.books, self.dice.randint(-500, 5000))

    def dividend(self):
        self.exchange.dividend(
            self.dice.choice([x for x in self.symbols if "/" not in x]),
            Decimal(self.dice.randint(1, 99)) / 100,
        )

    def transfer(self):
        """Units arrive without an order."""
        symbol = self.dice.choice(TRANSFERRED if self.is_dated else self.symbols)
        qty = Decimal(self.dice.randint(1, 9)) / (100 if "/" in symbol else 1)
        price = self.exchange.quote_of(symbol).bid
        self.exchange.transfer(self.books, symbol, qty, price)

    def rows_of_one_day(self):
        """A deposit, a dividend and a transfer at once."""
        for act in (self.deposit, self.dividend, self.transfer):
            act()

    def backdated(self):
        """A row that is posted today and dated days ago; only a date shows no contradiction."""
        if not self.is_dated:
            raise NotNow
        (self.dice.choice((self.deposit, self.transfer)))()
        self.posted[self._rows()[-1].id] = (self.exchange.now(), self.dice.choice((1, 3, 8, 400)))

    def posted_late(self):
        """The money or the units move today; their row is posted hours or days later."""
        (self.dice.choice((self.deposit, self.transfer)))()
        later = timedelta(hours=self.dice.choice((1, 20, 70)))
        self.posted[self._rows()[-1].id] = (self.exchange.now() + later, 0)

    def split(self):
        """A split; its row is of that day."""
        self.before_the_session()
        if self.split_on == self.clock.now().date():
            raise NotNow
        self.split_on = self.clock.now().date()
        ratio = self.dice.choice((2, 3, Decimal("1.5"), Decimal("0.5"), Decimal("0.1")))
        adjusts = self.dice.random() < 0.7
        self.exchange.split(SPLIT_SYMBOL, ratio, adjusts=adjusts)
        self.pass_time(120, 40)

    def before_the_session(self):
        """Move on to the next morning: then corporate actions take effect."""
        now = self.clock.now()
        goal = datetime.combine(now.date(), datetime.min.time(), UTC) + timedelta(hours=12)
        self.until(goal if goal > now else goal + DAY, HOUR_S)

    def rename(self):
        """A symbol has another name from now on."""
        self.before_the_session()
        new = self.next_name()
        self.exchange.rename(self.exchanged, new, posting=self.posting())
        self.go_on_with(new)

    def merger(self):
        """The units of one symbol become those of another one, and cash."""
        self.before_the_session()
        new, cash = self.next_name(), self.dice.choice((0, Decimal("1.25")))
        ratio = self.dice.choice((1, 2, Decimal("0.5")))
        terms = {"ratio": ratio, "cash": cash, "posting": self.posting()}
        self.exchange.merge(self.exchanged, new, **terms)
        self.go_on_with(new)

    def spin_off(self):
        """Units of a new symbol come beside those that are held."""
        self.before_the_session()
        new, ratio = self.next_name(), self.dice.choice((1, Decimal("0.5")))
        self.exchange.spin_off(self.exchanged, new, ratio=ratio, price=20, posting=self.posting())
        self.symbols.append(new)
        self.pass_time(120, 40)

    def posting(self):
        return Posting(grouped=self.dice.random() < 0.5)

    def next_name(self):
        self.names += 1
        return f"NEW{self.names}"

    def go_on_with(self, symbol):
        self.symbols[self.symbols.index(self.exchanged)] = self.exchanged = symbol
        self.pass_time(120, 40)

    def by_hand(self):
        """Somebody trades at the broker's own screen."""
        symbol = self.dice.choice(self.symbols)
        qty = Decimal(self.dice.randint(1, 9)) / (100 if "/" in symbol else 1)
        self.exchange.trade_by_hand(self.books, ticket(symbol, "buy", qty))

    def flattened(self):
        """All positions are closed at the broker, or one of them in part."""
        for order in self.books.truth.orders():
            if not order.is_final:
                with suppress(Refused):
                    self.books.cancel(order.id)
        self.clock.advance(0.1)
        held = self.books.truth.positions()
        if not held:
            raise NotNow
        chosen = held if self.dice.random() < 0.6 else [self.dice.choice(sorted(held))]
        part = self.dice.choice((1, Decimal("0.5")))
        for symbol in chosen:
            side = "sell" if held[symbol] > 0 else "buy"
            with suppress(Refused):
                qty = m.cut(abs(held[symbol]) * part, Decimal("0.000000001"))
                self.exchange.trade_by_hand(self.books, ticket(symbol, side, qty))
        self.clock.advance(1)

    def vanished(self):
        """The list of positions is empty, or lacks some: for some reads, or for an hour."""
        held = sorted(self.books.truth.positions())
        if not held:
            raise NotNow
        self.gone = set(held if self.dice.random() < 0.6 else held[:1])
        long = self.dice.random() < 0.3
        self.pass_time(HOUR_S if long else 130, 240 if long else 65)
        self.gone = None
        self.pass_time(65, 65)

    def kill(self):
        """The process ends between two writes of one of the next acts."""
        self.store.left, self.store.keeps = self.dice.randint(0, 8), self.dice.random() < 0.5

    def restart(self):
        """The process ends while it waits."""
        self.reopen()

    def unheard(self, seconds):
        """The stream is down, and nobody ticks: the market goes on."""
        self.exchange.faults.fail("listen", "stream-refused", times=int(seconds // 5) + 1)
        self.exchange.disconnect(self.books)
        while seconds > 0:
            self.move_market(60)
            self.clock.advance(15)
            seconds -= 15

    def deaf_replace(self):
        """A replace, and more of them, fill while no stream is connected and nobody polls."""
        done = False
        for order in [x for x in self.desk.book.orders(open=True) if x.broker_order_id][:3]:
            self.exchange.halt(order.symbol)
            with suppress(errors.OrderError, errors.ReadFailed, errors.Bug):
                self.alive(lambda order=order: self.replace(order))
                done = True
            self.exchange.resume(order.symbol)
        self.unheard(self.dice.choice((15, 60, 150)))
        if not done:
            raise NotNow

    def amended(self):
        """An execution is corrected several times, and perhaps busted; the stream loses some."""
        alive = [x for x in self.oracle.new_fills() if not (x.is_busted or x.is_corrected)]
        if not alive:
            raise NotNow
        fill = self.dice.choice(alive)
        for _ in range(self.dice.randint(1, 4)):
            if self.dice.random() < 0.5:
                self.exchange.faults.fail("event", "event-dropped", where=fill.order_id)
            cents = Decimal(self.dice.randint(-20, 20)) / 100
            qty = fill.qty * self.dice.choice((1, 1, Decimal("0.5")))
            if fill.qty == fill.qty.to_integral_value() and qty != qty.to_integral_value():
                qty = fill.qty
            fill = self.exchange.correct(fill.exec_id, price=fill.price + cents, qty=qty)
            self.clock.advance(self.dice.choice((0.001, 1, 30)))
            if self.dice.random() < 0.3:
                self.alive(self.desk.tick)
        if self.dice.random() < 0.3:
            if self.dice.random() < 0.5:
                self.exchange.faults.fail("event", "event-dropped", where=fill.order_id)
            self.exchange.bust(fill.exec_id)

    # -- the end -----------------------------------------------------------------------

    def rest(self):
        self.posted = {
            k: (min(at, self.clock.now()), days) for k, (at, days) in self.posted.items()
        }
        super().rest()

    def settle(self):
        """The exchange posts the fees of the day."""
        now = self.clock.now()
        midnight = datetime.combine(now.date() + DAY, datetime.min.time(), UTC)
        self.clock.advance((midnight - now).total_seconds() + 120)


INCIDENTS = (
    "night",
    "rows_of_one_day",
    "deposit",
    "dividend",
    "transfer",
    "backdated",
    "posted_late",
    "split",
    "rename",
    "merger",
    "spin_off",
    "flattened",
    "by_hand",
    "vanished",
    "kill",
    "restart",
    *["deaf_replace"] * 3,
    *["amended"] * 3,
)
