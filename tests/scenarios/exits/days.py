"""Days of a bot whose positions are protected; promise P10 is checked after every event."""

from contextlib import suppress
from decimal import Decimal

from fillbook import errors
from fillbook import model as m
from fillbook.venue.exchange import Fault, Faults
from tests.scenarios.campaign.days import APART
from tests.scenarios.campaign.incidents import LongDay, NotNow
from tests.scenarios.campaign.verdict import changed_by_dry_runs
from tests.scenarios.exits.guard import Guard

#: The faults that happen to exits.
OF_EXITS = {Fault.CANCEL_AT_OPEN, Fault.UNITS_FREED_LATE, Fault.SIBLING_LATE}
POLICIES = (
    {"stop_loss": "3%"},
    {"stop_loss": "2%", "take_profit": "2%"},
    {"stop_loss": "1%", "on_add": "average"},
    {"trail": "2%"},
    {"stop_loss": "4%", "time_in_force": "day"},
    {"stop_loss": "3%", "break_even": "1%"},
    {"stop_loss": "3%", "take_profit": "4%", "break_even": "2%", "cooldown_s": 600},
    {"stop_loss": "2%", "trail": "1%", "trail_after": "1%"},
    {"trail": "2%", "break_even": "1%", "cooldown_s": 60},
    {"stop_loss": "3%", "max_age_s": 300},
    {"stop_loss": "3%", "take_profit": "5%", "max_age_s": 60},
)


class Strategies(dict):
    """The strategies of the bot's orders by key; that of a plan's order is the plan's."""

    def __init__(self, day):
        super().__init__()
        self._day = day

    def __missing__(self, key):
        return self._day.desk.plan(key.removeprefix(m.PLAN_KEY).rpartition("/")[0]).strategy


class ProtectedDay(LongDay):
    """A day whose bot protects, closes and cancels at random, or by one policy for all."""

    def __init__(self, seed, rate=0.04, **kw):
        names = [x.value for x in Fault if x not in APART or x in OF_EXITS]
        plan = Faults.random(seed, rate, only=names)
        super().__init__(seed, rate=rate, plan=plan, **kw)
        self.strategies = Strategies(self)
        self._moved = set()
        self.guard = None
        self.incidents = (*self.incidents, *OWN)

    def observe(self):
        super().observe()
        if self.guard is None:
            self.guard = Guard(self)
        found = self.guard.observe()
        assert not found, f"seed {self.seed} at {self.clock.now()}: {found}"

    @property
    def moved(self):
        """The symbols whose position something else than an order of ours has reduced."""
        truth = self.books.truth
        orders = {x.id: x for x in truth.orders()}
        found = set(self._moved)
        for fill in truth.fills():
            order = orders[fill.order_id]
            ours = order.parent_id is not None or order.client_order_id.startswith(m.ID_PREFIX)
            if fill.is_busted or fill.is_corrected or not ours:
                found.add(fill.symbol)
        return found

    def plan_orders(self):
        """The live orders that plans placed."""
        return [
            x
            for x in self.desk.book.orders(open=True)
            if x.key is not None and x.key.startswith(m.PLAN_KEY)
        ]

    def parts(self):
        found = [
            (x.symbol, name)
            for x in self.desk.book.positions()
            for name, part in x.by_strategy
            if part.qty > 0
        ]
        if not found:
            raise NotNow
        return sorted(found)

    def incident(self):
        with suppress(errors.OrderError, errors.ReadFailed):
            self.alive(super().incident)

    def step(self):
        if self.dice.random() < 0.3:
            with suppress(NotNow, errors.Denied):  # the market is beyond the exit that is asked for
                self.protect()
        super().step()

    def protect(self):
        symbol, strategy = self.dice.choice(self.parts())
        policy = dict(self.dice.choice(POLICIES))
        if "/" in symbol:
            policy = {"stop_loss": "3%"}
        self.desk.protect(symbol, strategy=strategy, **policy)

    def close_part(self):
        symbol, strategy = self.dice.choice(self.parts())
        self.desk.close_position(symbol, strategy=strategy)

    def cancel_exit(self):
        orders = self.plan_orders()
        if not orders:
            raise NotNow
        self.desk.cancel(self.dice.choice(orders))

    def cancel_exit_by_hand(self):
        orders = [x for x in self.plan_orders() if x.broker_order_id]
        if not orders:
            raise NotNow
        self.books.cancel(self.dice.choice(orders).broker_order_id)

    def gap(self):
        """A price gap: up or down by some percent."""
        symbol = self.dice.choice(("AAPL", "MSFT"))
        quote = self.exchange.quote_of(symbol)
        bid = round(quote.bid * self.dice.choice((Decimal("0.95"), Decimal("1.05"))), 2)
        self.exchange.quote(symbol, bid, bid + Decimal("0.02"))

    def go_on_with(self, new):
        self._moved.add(new)
        super().go_on_with(new)

    def split(self):
        self._moved.add("AAPL")
        super().split()


OWN = (*["protect"] * 3, "close_part", "cancel_exit", "cancel_exit_by_hand", *["gap"] * 2)


def protected_day(seed, rate, steps=25):
    """Run one day; return the counts of what happened and the times without cover."""
    day = ProtectedDay(seed, rate=rate)
    try:
        day.run(steps)
        day.exchange.faults.clear()
        day.pass_time(180, 10)
        assert changed_by_dry_runs(day) == []
        return day.fired, day.guard.naked_s
    finally:
        day.desk.close()
