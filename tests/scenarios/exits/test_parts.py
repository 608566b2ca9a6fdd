"""
Parts of one position, without faults: what is done to one part leaves the exits of the others.

After each act of the bot every protected part is covered exactly, the parts have the quantities
that were traded, and at rest nothing more is sent.
"""

import os
import random
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "6"))
D = Decimal
STRATEGIES = ("a", "b", "")
#: The exits of a long and of a short part; the price is 187.
POLICIES = {
    1: (
        {"stop_price": "150"},
        {"stop_loss": "8%"},
        {"stop_loss": "8%", "take_profit": "20%"},
        {"stop_loss": "8%", "take_profit": "20%", "time_in_force": "day"},
        {"trail": "5%"},
        {"take_profit": "260"},
    ),
    -1: (
        {"stop_price": "250"},
        {"stop_loss": "8%", "take_profit": "20%"},
        {"trail": "5%"},
        {"take_profit": "150"},
    ),
}
ACTS = ("add", "add", "reduce", "by_hand", "protect", "protect", "unprotect", "close", "close_some")


class Parts:
    """A bot with three parts of AAPL, all long (1) or short (-1), and what each should hold."""

    def __init__(self, seed, sign):
        self.dice = random.Random(seed)
        self.sign = sign
        self.bench = Bench(cash="1000000")
        self.desk = self.bench.desk
        self.qty = dict.fromkeys(STRATEGIES, D(0))
        self.said = []

    def act(self):
        name, strategy = self.dice.choice(ACTS), self.dice.choice(STRATEGIES)
        before = self.exits()
        try:
            getattr(self, name)(strategy)
        except (fb.Denied, fb.InvalidValue) as error:
            self.said.append(f"{name} {strategy}: {error}")
            return
        self.said.append(f"{name} {strategy}")
        self.settle()
        touched = {x for x, order in before.items() if order not in self.exits().values()}
        others = {x for x in touched if (before[x].strategy or "") != strategy}
        assert not others, f"exits of another part were touched: {[before[x] for x in others]}"

    def add(self, strategy):
        open_ = self.desk.buy if self.sign > 0 else self.desk.sell
        order = open_("AAPL", qty=self.dice.randint(1, 20), strategy=strategy or None)
        self.qty[strategy] += order.qty

    def reduce(self, strategy):
        """What is traded without a strategy beyond its part would be taken from the others."""
        qty = min(self.dice.randint(1, 10), self.qty[strategy])
        if not qty or self.has_one_by_hand(strategy):  # it would be for more than the part
            return
        end = self.desk.sell if self.sign > 0 else self.desk.buy
        order = end("AAPL", qty=qty, strategy=strategy or None, reduce_only=True)
        self.qty[strategy] -= order.qty  # it may be cut to the units that no exit holds

    def has_one_by_hand(self, strategy):
        """Whether a part has exits, and no protection."""
        is_protected = strategy in {x.strategy for x in self.desk.protections()}
        exits = [x for x in self.exits().values() if (x.strategy or "") == strategy]
        return bool(exits) and not is_protected

    def by_hand(self, strategy):
        """The bot places an exit for a part that has none."""
        protected = {x.strategy for x in self.desk.protections()}
        if strategy in protected or self.has_one_by_hand(strategy) or not self.qty[strategy]:
            return
        end = self.desk.sell if self.sign > 0 else self.desk.buy
        price = D(187) - self.sign * 40
        end("AAPL", qty=self.qty[strategy], stop_price=price, strategy=strategy or None)

    def protect(self, strategy):
        """Units that an exit by hand holds could have no other one."""
        if self.has_one_by_hand(strategy):
            return
        self.desk.protect("AAPL", strategy=strategy, **self.dice.choice(POLICIES[self.sign]))

    def unprotect(self, strategy):
        self.desk.unprotect("AAPL", strategy=strategy)

    def close(self, strategy):
        self.closed(self.desk.close_position("AAPL", strategy=strategy))
        self.qty[strategy] = D(0)

    def close_some(self, strategy):
        qty = self.dice.randint(1, 10)
        self.closed(self.desk.close_position("AAPL", strategy=strategy, qty=qty))
        self.qty[strategy] -= qty

    def closed(self, plan):
        self.bench.pass_(60)
        plan = self.desk.plan(plan.plan_id)
        assert plan.state is m.PlanState.DONE, plan

    def settle(self):
        self.bench.pass_(60)
        sent = sum(self.bench.sent[x] for x in ("submit", "cancel", "replace"))
        self.bench.pass_(60)
        assert sum(self.bench.sent[x] for x in ("submit", "cancel", "replace")) == sent
        position = self.desk.book.position("AAPL")
        parts = {name: x.qty for name, x in position.by_strategy if x.qty}
        assert parts == {name: self.sign * qty for name, qty in self.qty.items() if qty}
        for x in self.desk.protections():
            assert x.cover is m.CoverState.COVERED, x

    def exits(self):
        """The live orders that reduce, by client id."""
        found = self.desk.book.orders(open=True)
        side = m.OrderSide.SELL if self.sign > 0 else m.OrderSide.BUY
        return {x.client_order_id: x for x in found if x.side is side and not x.parent}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_done_to_one_part_leaves_the_others(seed, sign):
    parts = Parts(seed, sign)
    for _ in range(25):
        try:
            parts.act()
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(parts.said)) from error
