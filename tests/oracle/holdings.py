"""
The oracle's own arithmetic: what an account and its strategies hold after a list of facts.

It is written from the documentation of positions, by average cost, and shares no code with the
core.  A fact is an execution, a row of the account's history, or the opening balance.
"""

from decimal import ROUND_DOWN, Decimal

from attrs import define, frozen

ZERO = Decimal(0)
NOBODY = ""  #: the part of the account that belongs to no strategy


@frozen(kw_only=True)
class Fact:
    """
    One fact about a symbol: `what` is "trade", "move", "fee", "ratio", "restated" or "opening".

    `qty` is signed, of a ratio the new units per old unit, of restated units what was added to
    those that were held, of the opening the balance.  `price`
    None: not known.  `strategy` is that of the order.  `is_old`: it is before the opening balance.
    """

    what: str
    at: str
    qty: Decimal
    price: Decimal | None = None
    strategy: str = NOBODY
    is_old: bool = False
    rank: int = 0

    @property
    def place(self):
        return (not self.is_old, self.what != "opening", self.at, self.rank)


def shortened(qty):
    """Return *qty*; cut to nine decimal places if it does not end."""
    qty = qty.normalize()
    ends = len(qty.as_tuple().digits) < 28
    return qty if ends else qty.quantize(Decimal("1e-9"), ROUND_DOWN)


@define
class Part:
    """Signed units at an average cost; `cost` and `realized` None: a price is not known."""

    qty: Decimal = ZERO
    cost: Decimal | None = ZERO
    realized: Decimal | None = ZERO
    since: str = ""

    def move(self, qty, price, at, *, is_trade):
        """Change the quantity by *qty*: by a trade at *price*, or without one."""
        closing = min(abs(qty), abs(self.qty)) if self.qty * qty < 0 else ZERO
        if closing:
            self._close(closing, price if is_trade else None, is_trade=is_trade)
            qty = qty + closing if qty < 0 else qty - closing
        if qty:
            self.since = self.since if self.qty else at
            self.cost = None if self.cost is None or price is None else self.cost + abs(qty) * price
            self.qty += qty

    def _close(self, units, price, *, is_trade):
        sign = 1 if self.qty > 0 else -1
        left = abs(self.qty) - units
        share = None if self.cost is None else self.cost * units / abs(self.qty)
        if is_trade:
            known = None not in (share, price, self.realized)
            self.realized = self.realized + (units * price - share) * sign if known else None
        self.cost = ZERO if not left else None if self.cost is None else self.cost - share
        self.qty = left * sign

    def set(self, qty, price, at):
        """Set the balance of *qty* units at the average cost *price*."""
        if qty != self.qty:
            self.qty, self.cost, self.since = qty, abs(qty) * price, at


class Holdings:
    """What is held of one symbol: `account`, and `parts` by strategy."""

    def __init__(self, facts=()):
        self.account, self.parts = Part(), {}
        for fact in sorted(facts, key=lambda x: x.place):
            self._add(fact)

    def _add(self, fact):
        if fact.what == "ratio":
            for part in (self.account, *self.parts.values()):
                part.qty *= fact.qty
            return
        if fact.what == "restated":
            self._restate(fact.qty)
            return
        if fact.what == "opening":  # nothing belongs to a strategy yet
            for part in (self.account, self._part(NOBODY)):
                part.set(fact.qty, fact.price, fact.at)
            return
        for name, share in self._shares(fact.strategy, fact.qty):
            self._apply(self._part(name), share, fact)
        self._apply(self.account, fact.qty, fact)
        if not self.account.qty and fact.strategy == NOBODY:
            # Strategies that hold against each other hold nothing of a flat account.
            for part in [x for x in self.parts.values() if x.qty]:
                self._apply(part, -part.qty, fact)

    def _restate(self, added):
        """Add units in proportion to the parts; what does not end is the largest part's."""
        old, new = self.account.qty, self.account.qty + added
        if not old:
            self.account.qty, self._part(NOBODY).qty = new, self._part(NOBODY).qty + added
            return
        for part in self.parts.values():
            part.qty = shortened(part.qty * new / old)
        largest = max(self.parts, key=lambda x: (abs(self.parts[x].qty), x))
        rest = new - sum((x.qty for x in self.parts.values()), ZERO)
        self.parts[largest].qty += rest
        self.account.qty = new

    def _apply(self, part, qty, fact):
        if fact.what == "fee":  # fewer units, at the same cost
            part.qty += qty
        else:
            part.move(qty, fact.price, fact.at, is_trade=fact.what == "trade")

    def _part(self, name):
        return self.parts.setdefault(name, Part())

    def _shares(self, name, qty):
        """
        Return which parts a change of *qty* closes, in their order, and which it opens.

        It closes its own part first.  A change without a strategy then closes the parts of the
        strategies, oldest first; one of a strategy then closes the part of nobody.
        """
        oldest_first = sorted((x for x in self.parts if x), key=lambda x: (self.parts[x].since, x))
        shares = {}
        for each in (name, *(oldest_first if name == NOBODY else [NOBODY])):
            held = self.parts[each].qty if each in self.parts else ZERO
            if held * qty < 0:
                shares[each] = max(qty, -held) if qty < 0 else min(qty, -held)
                qty -= shares[each]
        if qty or not shares:
            shares[name] = shares.get(name, ZERO) + qty
        return shares.items()
