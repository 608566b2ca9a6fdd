"""
The input of a check: everything known about one request, in the transaction that decides.

None means *not observed*.  A check does not deny an order because of a value that was not
observed (promise P6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import field, frozen

from fillbook import model as m
from fillbook.core import pairs
from fillbook.model import ZERO
from fillbook.model.orders.order import may_fill

#: The leaves of an order by notional, in base units.
UNLIMITED_QTY: Final = Decimal("Infinity")


@frozen
class SentOrder:
    """
    An order that was sent recently.

    `at` is when its intent was made, by our clock (UTC).  `key` is the bot's idempotency key;
    None: it gave none.  `worth` is its notional in the currency of the account, ≥ 0; None: no
    price or no rate was known.  `opens`: it was to open exposure in the worst case.
    """

    at: m.Timestamp
    request: m.OrderRequest
    key: str | None = None
    worth: Decimal | None = None
    opens: bool = True


class TrackedOrders(Collection[m.Order]):
    """
    The tracked orders: not final yet, or with an open question.

    Orders are read on first use, in the transaction that decides, so that the cost of a check
    does not grow with the number of orders on other symbols.
    """

    def __init__(self, read: Callable[[str | None], tuple[m.Order, ...]]) -> None:
        self._read_orders = read
        self._known: dict[str | None, tuple[m.Order, ...]] = {}

    def for_symbol(self, symbol: str | None) -> tuple[m.Order, ...]:
        """Return the orders on *symbol*; None: on all symbols."""
        if symbol not in self._known:
            self._known[symbol] = self._read_orders(symbol)
        return self._known[symbol]

    @classmethod
    def from_orders(cls, orders: Iterable[m.Order]) -> TrackedOrders:
        """Build the collection from orders in memory."""
        known = tuple(orders)
        return cls(lambda symbol: tuple(x for x in known if symbol in (None, x.symbol)))

    def without(self, group: str) -> TrackedOrders:
        """Leave out the order of client order id *group*, and its legs."""
        return TrackedOrders(
            lambda symbol: tuple(
                x for x in self.for_symbol(symbol) if group not in (x.client_order_id, x.parent)
            )
        )

    def leaves(self, symbol: str, side: m.OrderSide, strategy: str | None = None) -> Decimal:
        """
        Return the total leaves of the orders on *symbol* of *side*, in base units.

        *strategy*: of that strategy only (``""``: unattributed).  Infinite if one of them is an
        order by notional.
        """
        orders = self.for_symbol(symbol)
        if strategy is not None:
            orders = tuple(x for x in orders if (x.strategy or "") == strategy)
        return total_leaves_qty(side, orders)

    def unclear(self, symbol: str) -> Iterable[m.Order]:
        """Return at least the orders on *symbol* that may lock it."""
        return self.for_symbol(symbol)

    def opposing(self, request: m.OrderRequest, rule: m.WashRule) -> Iterable[m.Order]:
        """Return orders on the symbol of *request*; one that it could match is among them."""
        return self.for_symbol(request.symbol)

    def __iter__(self) -> Iterator[m.Order]:
        return iter(self.for_symbol(None))

    def __len__(self) -> int:
        return len(self.for_symbol(None))

    def __contains__(self, order: object) -> bool:
        return order in self.for_symbol(None)


def _to_tracked_orders(orders: Iterable[m.Order]) -> TrackedOrders:
    return orders if isinstance(orders, TrackedOrders) else TrackedOrders.from_orders(orders)


@frozen(kw_only=True)
class CheckContext:
    """
    Everything that is known when a request is decided on.

    `now` is our clock (UTC).  `key` is the bot's idempotency key; None: it gave none.
    `session` is the current trading session, or the next one.  `instrument` is `Absent` if
    the broker reported that it has no such symbol.  `quote` is None without a fresh quote.
    `position` is that which the request changes; None: the record has no opening balance yet.
    `pair` is that of the request's symbol; None: it is no pair.  `held_by` are the symbols whose
    fills change the same position, beginning with that of the position itself.  `reserved_units`
    ≥ 0 are the units of the position that open orders pay with.  `rate` is the price of the quote
    currency in that of the account; None: unknown.
    `orders` are the tracked orders of all symbols; use them only while the check runs.
    `recent` are the orders sent recently, oldest first, as far back as the limits need.
    `drifts` are the confirmed differences with the broker, of all symbols.  `in_sync` is False
    while events of the stream may have been missed.  `snapshot_age` is the time since the last
    complete snapshot of the account; None: none was tried.  `plan` is the plan whose step the
    request is; None: the bot's own.  `plans` are the plans that have not ended.  `reserve` is how
    the order reserves buying power; None: that needs a price, and none is known.
    `reserve_amount` is the amount that it would reserve, in quote currency, ≥ 0.  `funds` is the
    available buying power in quote currency, or the available units of the position that pays for
    a buy; None: the account was not read recently enough, or the record has no opening balance
    yet.  Every other None means not observed.
    """

    now: datetime
    """The time, by our clock (UTC)."""
    capabilities: m.Capabilities
    """What the broker supports."""
    limits: m.Limits = field(factory=m.Limits)
    """The limits of the desk."""
    key: str | None = None
    """The bot's idempotency key; None: it gave none."""
    halted: str | None = None
    """Why the kill switch is set; None: it is not."""
    account: m.AccountSnapshot | None = None
    """The newest snapshot of the account; None: not observed."""
    session: m.Session | None = None
    """The current trading session, or the next one; None: not observed."""
    instrument: m.Instrument | m.Absent | None = None
    """The instrument; `Absent`: the broker has no such symbol; None: not observed."""
    quote: m.Quote | None = None
    """A fresh quote; None: there is none."""
    position: m.Position | None = None
    """The position that the request changes; None: there is no opening balance yet."""
    pair: m.Pair | None = None
    """The currencies of the symbol; None: it is no pair."""
    held_by: tuple[str, ...] = ()
    """The symbols whose fills change the same position, beginning with its own."""
    reserved_units: Decimal = ZERO
    """Units of the position that open orders pay with, ≥ 0."""
    rate: Decimal | None = Decimal(1)
    """The price of the quote currency in that of the account; None: unknown."""
    orders: TrackedOrders = field(
        factory=lambda: TrackedOrders.from_orders(()), converter=_to_tracked_orders
    )
    """The tracked orders of all symbols; use them only while the check runs."""
    recent: tuple[SentOrder, ...] = ()
    """The orders sent recently, oldest first, as far back as the limits need."""
    drifts: tuple[m.OpenDrift, ...] = ()
    """The confirmed differences with the broker, of all symbols."""
    differences: tuple[Decimal, ...] = ()
    """Of the position: theirs minus ours, signed base units."""
    in_sync: bool = True
    """False while events of the stream may have been missed."""
    snapshot_age: timedelta | None = None
    """The time since the last complete snapshot of the account; None: none was tried."""
    plan: str | None = None
    """The id of the plan whose step the request is; None: the bot's own request."""
    plans: tuple[m.Plan, ...] = ()
    """The plans that have not ended."""
    cooldown: m.Cooldown | None = None
    """The newest cooldown of the request's symbol and strategy; None: there is none."""
    reserve: m.Reserve | None = None
    """How the order reserves buying power; None: that needs a price, and none is known."""
    reserve_amount: Decimal = ZERO
    """The amount that it would reserve, in quote currency, ≥ 0."""
    funds: m.Funds | None = None
    """
    What it may cost at most: buying power, or units of the position that pays; None: not known.
    """

    @property
    def listed(self) -> m.Instrument | None:
        """The instrument; None: not observed, or unknown to the broker."""
        return self.instrument if isinstance(self.instrument, m.Instrument) else None

    @property
    def is_open(self) -> bool | None:
        """Whether the regular session is open; None: the session is not known."""
        return (
            None if self.session is None else self.session.opens <= self.now < self.session.closes
        )

    def orders_on(self, symbol: str) -> tuple[m.Order, ...]:
        """Return the tracked orders on *symbol*."""
        return self.orders.for_symbol(symbol)

    def is_crypto(self, request: m.OrderRequest) -> bool:
        """Return whether *request* is for a crypto instrument."""
        return pairs.is_crypto(self.listed, self.pair)

    def price(self, request: m.OrderRequest) -> Decimal | None:
        """
        Return the price per unit used for notionals, in quote currency; None: unknown.

        The order's own price; else the ask for a buy and the bid for a sale; else the
        request's `reference_price`.
        """
        own = request.limit_price or request.stop_price or request.take_profit
        if own is not None and (
            request.type in _OWN_PRICE_TYPES or request.order_class is m.OrderClass.OCO
        ):
            return own
        if self.quote is None:
            return request.reference_price
        return self.quote.ask if request.side is m.OrderSide.BUY else self.quote.bid

    @m.exact
    def qty(self, request: m.OrderRequest) -> Decimal | None:
        """Return the quantity in base units; a notional is converted at `price` (None: unknown)."""
        if request.qty is not None or request.notional is None:
            return request.qty
        price = self.price(request)
        return None if price is None else request.notional / price

    @m.exact
    def worth(self, request: m.OrderRequest) -> Decimal | None:
        """Return the notional in quote currency; None: no price is known."""
        if request.qty is None:
            return request.notional
        price = self.price(request)
        return None if price is None else request.qty * price

    @m.exact
    def in_account_currency(self, amount: Decimal | None) -> Decimal | None:
        """Convert an *amount* in quote currency at `rate`; None: the amount or rate is unknown."""
        return None if amount is None or self.rate is None else amount * self.rate

    @m.exact
    def held(self, side: m.OrderSide) -> Decimal:
        """Return the position that an order of *side* would reduce, in base units, ≥ 0."""
        return max(ZERO, -side.sign * (ZERO if self.position is None else self.position.qty))

    @m.exact
    def leaves(self, request: m.OrderRequest, strategy: str | None = None) -> Decimal:
        """Return the total leaves of the side of *request* that change the same position."""
        symbols = dict.fromkeys((request.symbol, *self.held_by))
        return sum((self.orders.leaves(x, request.side, strategy) for x in symbols), ZERO)

    def closable(self, request: m.OrderRequest) -> Decimal:
        """Return the quantity that *request* can close in the worst case, in base units, ≥ 0."""
        if not self.held(request.side):
            return ZERO
        found = unreserved(request.side, self.position, self.leaves(request), self.differences)
        return max(ZERO, found - self.reserved_units)

    def strategy_part(self, request: m.OrderRequest) -> StrategyPart | None:
        """
        Return what the strategy of *request* holds of the position that it would reduce.

        None: the request has no strategy, or there is nothing to reduce.
        """
        held = self.held(request.side)
        if request.strategy is None or self.position is None or not held:
            return None
        reserved = {name: self.leaves(request, name) for name in (request.strategy, "")}
        return part_of(request.strategy, request.side, self.position, reserved)

    def reduces(self, request: m.OrderRequest) -> bool:
        """Return whether *request* only reduces the position, even in the worst case."""
        return request.qty is not None and request.qty <= self.closable(request)


#: The order types that are valued at their own limit or stop price.
_OWN_PRICE_TYPES: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP, m.OrderType.STOP_LIMIT})


@m.exact
def closable(
    side: m.OrderSide,
    position: m.Position | None,
    orders: Iterable[m.Order],
    differences: Iterable[Decimal] = (),
) -> Decimal:
    """
    Return the quantity that an order of *side* can close in the worst case, base units, ≥ 0.

    This is the smallest position that the evidence allows, minus the leaves of the live and
    unconfirmed orders of that side (the exits of one bracket count once).
    """
    return unreserved(side, position, total_leaves_qty(side, orders), differences)


@m.exact
def unreserved(
    side: m.OrderSide,
    position: m.Position | None,
    leaves: Decimal,
    differences: Iterable[Decimal] = (),
) -> Decimal:
    """Return what `closable` does, of orders of *side* with these total *leaves*."""
    if position is None:
        return ZERO
    minimum = -side.sign * smallest_position(position, differences)
    return max(ZERO, minimum - leaves)


@m.exact
def smallest_position(position: m.Position, differences: Iterable[Decimal]) -> Decimal:
    """
    Return the smallest position that the evidence allows, in base units, with the sign of ours.

    *differences* are the open ones between the broker's position and ours, theirs minus ours:
    either side may be right.  Fees that are due may reduce a long position.
    """
    sign = 1 if position.qty > 0 else -1
    minimum = min(sign * (position.qty + difference) for difference in (ZERO, *differences))
    minimum -= position.fee_due if position.qty > 0 else ZERO
    return sign * max(ZERO, minimum)


@frozen(kw_only=True)
class StrategyPart:
    """
    The part of a strategy in a position that an order would reduce, in base units, ≥ 0.

    `held` is what the strategy holds, `reserved` what its open orders would close of it, and
    `unattributed` what belongs to no strategy and no open order without a strategy reserves.
    """

    held: Decimal
    reserved: Decimal
    unattributed: Decimal

    @property
    @m.exact
    def closable(self) -> Decimal:
        """What another order of the strategy may close, without what is unattributed."""
        return max(ZERO, self.held - self.reserved)


@m.exact
def strategy_part(
    strategy: str, side: m.OrderSide, position: m.Position, orders: Iterable[m.Order]
) -> StrategyPart:
    """Return the part of *strategy* in *position*, as far as an order of *side* would close it."""
    known = TrackedOrders(lambda _: tuple(orders))
    reserved = {name: known.leaves(position.symbol, side, name) for name in (strategy, "")}
    return part_of(strategy, side, position, reserved)


@m.exact
def part_of(
    strategy: str, side: m.OrderSide, position: m.Position, by_strategy: Mapping[str, Decimal]
) -> StrategyPart:
    """Return what `strategy_part` does, of orders with these total leaves *by_strategy*."""
    parts = {name: max(ZERO, -side.sign * part.qty) for name, part in position.by_strategy}
    held, unattributed = parts.get(strategy, ZERO), parts.get("", ZERO)
    if position.qty > 0:  # fees that are due take their share of every part
        held -= position.fee_due * held / position.qty
        unattributed -= position.fee_due * unattributed / position.qty
    return StrategyPart(
        held=held,
        reserved=by_strategy[strategy],
        unattributed=max(ZERO, unattributed - by_strategy[""]),
    )


@m.exact
def total_leaves_qty(side: m.OrderSide, orders: Iterable[m.Order]) -> Decimal:
    """
    Return the total leaves of the live and unconfirmed *orders* of *side*, in base units.

    Infinite if one of them is an order by notional.
    """
    groups: dict[str, Decimal] = {}
    for order in orders:
        if order.side is not side or not may_fill(order):
            continue
        leaves = order.leaves_qty if order.leaves_qty is not None else UNLIMITED_QTY
        group = order.parent or order.client_order_id
        groups[group] = max(groups.get(group, ZERO), leaves)
    return sum(groups.values(), ZERO)
