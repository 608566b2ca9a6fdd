"""What is known of one symbol when its exits are compared with the orders of the account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from attrs import field, frozen

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.checks.rounding import tick_of
from fillbook.core.plans.exits.cover import NOTHING
from fillbook.model import ZERO


@frozen(kw_only=True)
class ExitContext:
    """
    What is known of one symbol.

    `now` is our clock (UTC).  `pair` is that of the symbol; None: it is no pair.
    `session` is the present or the next one; None: unknown, or the instrument always trades.
    `orders` are the tracked orders whose fills change the position, and `ours` the client ids of
    those that were placed for protections; `least` are the smallest leaves of those whose quantity
    is being changed, by client id, and `unsent` the client ids of those whose cancel has not left
    yet.  `fixed` are the client ids of those whose last change was refused.  `restated` are the
    splits: the time, and the new units per old unit.  `expires` are the times at which orders end,
    by client id.  `quotes` are the newest quotes that were read, oldest first.  `differs` is theirs
    minus ours, in signed base units; None: there is no difference.  `is_settled`: nothing about the
    symbol changed for longer than the broker lags, and a snapshot was taken since an exit did.
    `exited` are the strategies whose whole units an exit of ours has sold in this round trip.
    `ended` are the times at which the last exit of a strategy ended.  `is_trying_to_close`: a plan
    has just tried to close the position at a watched price.  `unconfirmed` is why nothing about the
    symbol can be decided now; ``""``: it can.
    """

    now: datetime
    symbol: str
    position: m.Position
    protections: tuple[m.Protection, ...]
    capabilities: m.Capabilities
    instrument: m.Instrument | None = None
    pair: m.Pair | None = None
    session: m.Session | None = None
    orders: tuple[m.Order, ...] = ()
    ours: frozenset[str] = frozenset()
    least: Mapping[str, Decimal] = NOTHING
    unsent: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    restated: tuple[tuple[m.Timestamp, Decimal], ...] = ()
    expires: Mapping[str, m.Timestamp] = field(factory=dict)
    quotes: tuple[m.Quote, ...] = ()
    differs: Decimal | None = None
    is_settled: bool = True
    exited: frozenset[str] = frozenset()
    ended: Mapping[str, m.Timestamp] = field(factory=dict)
    is_trying_to_close: bool = False
    unconfirmed: str = ""

    @property
    def sign(self) -> int:
        """+1: the position is long or flat, -1: it is short."""
        return 1 if self.position.qty >= 0 else -1

    @property
    def is_coin(self) -> bool:
        """Whether the instrument is crypto, which always trades."""
        return pairs.is_crypto(self.instrument, self.pair)

    @property
    def exit_side(self) -> m.OrderSide:
        """The side of the orders that reduce the position."""
        return m.OrderSide.SELL if self.sign > 0 else m.OrderSide.BUY

    @property
    @m.exact
    def net_qty(self) -> Decimal:
        """What an exit can close of the position after pending fees, in signed base units."""
        qty = self.position.qty
        return max(ZERO, qty - self.position.fee_due) if qty > 0 else qty

    @property
    def is_open(self) -> bool:
        """Whether an exit could trade now; True if the session is not known."""
        if self.is_coin or self.session is None:
            return True
        return self.session.opens <= self.now < self.session.closes

    @property
    def is_extended(self) -> bool:
        """Whether it is in extended hours, before or after the regular session."""
        session = self.session
        if self.is_coin or self.is_open or session is None:
            return False
        return session.extended_opens <= self.now < session.extended_closes

    @m.exact
    def restated_without_proof(self, factor: Decimal) -> bool:
        """Return whether the broker's quantity is at least *factor* times ours, or the reverse."""
        if self.is_coin or not self.differs:
            return False
        ours = abs(self.position.qty)
        theirs = abs(self.position.qty + self.differs)
        return bool(ours and theirs) and max(ours, theirs) >= factor * min(ours, theirs)

    @m.exact
    def ratio_since(self, at: m.Timestamp | None) -> Decimal:
        """Return the new units per old unit by the splits after *at*; None: of no split."""
        ratio = Decimal(1)
        for when, factor in self.restated:
            if at is not None and when > at:
                ratio *= factor
        return ratio

    def was_split(self, client_order_id: str) -> bool:
        """Return whether the units were split after an order was placed."""
        return self.ratio_of(client_order_id) != 1

    def ratio_of(self, client_order_id: str) -> Decimal:
        """Return the new units per old unit by the splits after an order was placed."""
        found = (x for x in self.orders if x.client_order_id == client_order_id)
        return next((self.ratio_since(x.created_at) for x in found), Decimal(1))

    def tick(self, price: Decimal) -> Decimal | None:
        """Return the price increment at *price*; None: unknown."""
        return tick_of(price, self.instrument, self.capabilities)

    def filled(self, client_order_id: str) -> Decimal:
        """Return what an order and its legs have filled, in base units, ≥ 0."""
        found = (x for x in self.orders if client_order_id in (x.client_order_id, x.parent))
        return sum((x.filled_qty for x in found), ZERO)
