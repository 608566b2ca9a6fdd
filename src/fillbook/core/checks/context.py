"""
What a check may look at: the world of one request, as it is in the transaction that decides.

None means *not observed*, and what was not observed refuses nothing by itself (promise P6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final

from attrs import field, frozen

from fillbook import model as m
from fillbook.core.orders.lifecycle import LIVE
from fillbook.model import ZERO

UNBOUND: Final = Decimal("Infinity")


@frozen
class Sent:
    """An order that was sent a while ago; `worth` in quote currency, None if nobody knew."""

    at: m.Timestamp
    request: m.OrderRequest
    key: str | None = None
    worth: Decimal | None = None


class Orders(Collection[m.Order]):
    """
    The orders that are followed, of one symbol or of all (None).

    They are read as they are looked at, in the transaction that decides: what an order costs
    to decide on is not to grow with the orders on other symbols.
    """

    def __init__(self, read: Callable[[str | None], tuple[m.Order, ...]]) -> None:
        self.of = cache(read)

    @classmethod
    def among(cls, told: Iterable[m.Order]) -> Orders:
        """Orders that are known already."""
        known = tuple(told)
        return cls(lambda symbol: tuple(x for x in known if symbol in (None, x.symbol)))

    def without(self, group: str) -> Orders:
        """All but the order of that client id, and its legs."""
        return Orders(
            lambda symbol: tuple(
                x for x in self.of(symbol) if group not in (x.client_order_id, x.parent)
            )
        )

    def __iter__(self) -> Iterator[m.Order]:
        return iter(self.of(None))

    def __len__(self) -> int:
        return len(self.of(None))

    def __contains__(self, order: object) -> bool:
        return order in self.of(None)


def _orders(told: Iterable[m.Order]) -> Orders:
    return told if isinstance(told, Orders) else Orders.among(told)


@frozen(kw_only=True)
class CheckContext:
    """
    Everything that is known as a request is decided on.

    `orders` are all that are followed, of every symbol, to be looked at while the check runs;
    `position` is that of the request's symbol, and None before the record was opened;
    `session` is the one under way, or the next; `recent` holds what was sent lately, oldest
    first, as far back as the limits ask.  `reserve` is what the order would keep back, `need`
    that in quote currency, and `funds` what is left to promise.
    """

    now: datetime
    can: m.Capabilities
    limits: m.Limits = field(factory=m.Limits)
    key: str | None = None
    halted: str | None = None  #: why the kill switch is set
    account: m.AccountSnapshot | None = None  #: the newest read
    session: m.Session | None = None
    instrument: m.Instrument | m.Absent | None = None
    quote: m.Quote | None = None
    position: m.Position | None = None
    orders: Orders = field(factory=lambda: Orders.among(()), converter=_orders)
    recent: tuple[Sent, ...] = ()
    drifts: tuple[m.OpenDrift, ...] = ()
    differences: tuple[Decimal, ...] = ()  #: of the symbol's position: theirs less ours, signed
    in_sync: bool = True
    reserve: m.Reserve | None = None
    need: Decimal = ZERO
    funds: m.Funds | None = None

    @property
    def listed(self) -> m.Instrument | None:
        """The instrument, where the broker has told of it."""
        return self.instrument if isinstance(self.instrument, m.Instrument) else None

    @property
    def is_open(self) -> bool | None:
        """Whether the regular session is under way; None while that is not known."""
        return (
            None if self.session is None else self.session.opens <= self.now < self.session.closes
        )

    def of(self, symbol: str) -> tuple[m.Order, ...]:
        """The orders on *symbol*."""
        return self.orders.of(symbol)

    def is_coin(self, request: m.OrderRequest) -> bool:
        """Whether the request is for crypto."""
        if self.listed is not None:
            return self.listed.asset_class is m.AssetClass.CRYPTO
        return "/" in request.symbol

    def price(self, request: m.OrderRequest) -> Decimal | None:
        """What a unit is reckoned at: the order's own price, else the market's far side."""
        own = request.limit_price or request.stop_price or request.take_profit
        if own is not None and (request.type in _PRICED or request.order_class is m.OrderClass.OCO):
            return own
        if self.quote is None:
            return request.reference_price
        return self.quote.ask if request.side is m.OrderSide.BUY else self.quote.bid

    @m.exact
    def qty(self, request: m.OrderRequest) -> Decimal | None:
        """How many units are asked for; of a notional, at the price of now."""
        if request.qty is not None or request.notional is None:
            return request.qty
        price = self.price(request)
        return None if price is None else request.notional / price

    @m.exact
    def worth(self, request: m.OrderRequest) -> Decimal | None:
        """What is asked for, in quote currency."""
        if request.qty is None:
            return request.notional
        price = self.price(request)
        return None if price is None else request.qty * price

    @m.exact
    def held(self, side: m.OrderSide) -> Decimal:
        """How much an order of *side* would find to close, ≥ 0, whatever else rests."""
        return max(ZERO, -side.sign * (ZERO if self.position is None else self.position.qty))

    def closable(self, request: m.OrderRequest) -> Decimal:
        """How much it may close in the worst case."""
        return closable(request.side, self.position, self.of(request.symbol), self.differences)

    def reduces(self, request: m.OrderRequest) -> bool:
        """Whether it only reduces what is held, in the worst case."""
        return request.qty is not None and request.qty <= self.closable(request)


#: Types that bear a price of their own by which they are reckoned.
_PRICED: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP, m.OrderType.STOP_LIMIT})


@m.exact
def closable(
    side: m.OrderSide,
    position: m.Position | None,
    orders: Iterable[m.Order],
    differences: Iterable[Decimal] = (),
) -> Decimal:
    """
    How much an order of *side* may close in the worst case, in base units, ≥ 0.

    The smallest position that the evidence allows, less what live and unproven orders of
    that side may still close (the exits of one bracket count once).  *differences* are those
    between the broker's position and ours that stand or settle: each of the two may be right.
    """
    if position is None:
        return ZERO
    least = min(-side.sign * (position.qty + difference) for difference in (ZERO, *differences))
    least -= position.fee_due if position.qty > 0 else ZERO
    return max(ZERO, least - leaving(side, orders))


@m.exact
def leaving(side: m.OrderSide, orders: Iterable[m.Order]) -> Decimal:
    """How much live and unproven *orders* of *side* may still fill; infinite if not in units."""
    groups: dict[str, Decimal] = {}
    for order in orders:
        if order.side is not side or order.is_final or not is_alive(order):
            continue
        leaves = order.leaves_qty if order.leaves_qty is not None else UNBOUND
        group = order.parent or order.client_order_id
        groups[group] = max(groups.get(group, ZERO), leaves)
    return sum(groups.values(), ZERO)


def is_alive(order: m.Order) -> bool:
    """Whether the broker may still fill it."""
    return order.status in LIVE or order.status is m.OrderStatus.UNPROVEN
