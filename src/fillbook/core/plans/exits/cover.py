"""
Cover: which exits each strategy's part of a position has.

An exit order counts as cover only as far as the broker shows it working; it counts as held units as
long as it may fill, also if that is not confirmed.  The exits of one bracket or OCO count once.
An exit placed by hand without a strategy covers the parts whose own exits do not suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.checks.context import UNLIMITED_QTY
from fillbook.model import ZERO
from fillbook.model.orders.order import may_fill

STOPS: Final = frozenset({m.OrderType.STOP, m.OrderType.STOP_LIMIT, m.OrderType.TRAILING_STOP})
#: The statuses in which a broker watches or works an order.
WORKING: Final = frozenset(
    {
        m.OrderStatus.ACCEPTED,
        m.OrderStatus.HELD,
        m.OrderStatus.NEW,
        m.OrderStatus.PARTIALLY_FILLED,
        m.OrderStatus.PENDING_NEW,
        m.OrderStatus.PENDING_REPLACE,
    }
)

NOTHING: Final[Mapping[str, Decimal]] = MappingProxyType({})


@frozen(kw_only=True)
class ExitGroup:
    """
    One exit order, or the exits of one bracket or OCO, of which only one fills.

    Quantities are in base units, ≥ 0: `leaves` may still fill, `stopped` is covered by a working
    stop, `limited` by a working limit order.  `stop` and `limit` are the prices of those; None:
    there is none, and `stop_order` and `limit_order` are their client ids.  `passed_at` is the
    limit price of that stop, beyond which it does not trade.
    `strategy` ``""``: none.  `is_moving`: an order of it is unconfirmed, or has an open cancel or
    replace.  `is_ours`: it was placed for a protection.
    """

    name: str
    strategy: str
    leaves: Decimal
    stopped: Decimal = ZERO
    limited: Decimal = ZERO
    stop: Decimal | None = None
    limit: Decimal | None = None
    stop_order: str | None = None
    limit_order: str | None = None
    passed_at: Decimal | None = None
    trail: bool = False
    time_in_force: m.TimeInForce = m.TimeInForce.GTC
    is_moving: bool = False
    is_ours: bool = False


@m.exact
def exit_groups(
    side: m.OrderSide,
    orders: Iterable[m.Order],
    ours: frozenset[str] = frozenset(),
    least: Mapping[str, Decimal] = NOTHING,
    oco_stop_collar: Decimal | None = None,
    *,
    unsent: frozenset[str] = frozenset(),
) -> list[ExitGroup]:
    """
    Return the groups of live orders of *side*, the side that reduces the position.

    *ours* are the client ids of the orders that were placed for protections.  *least* are the
    smallest leaves of orders whose quantity is being changed, by client id.  *oco_stop_collar* is
    the broker's, of an OCO that is one order.  *unsent* are the client ids of the orders whose
    cancel has not left yet: the broker works them as before.  The legs of an entry
    that has not filled yet are no exits: they hold nothing, and cover nothing.
    """
    known = list(orders)
    entries = {
        x.client_order_id
        for x in known
        if x.side is not side and x.order_class is not m.OrderClass.SIMPLE and x.parent is None
    }
    live_entries = {
        x.client_order_id for x in known if x.client_order_id in entries and not x.is_final
    }
    groups: dict[str, list[m.Order]] = {}
    for order in known:
        is_leg_of_entry = order.parent in live_entries
        if order.side is side and not order.is_final and may_fill(order) and not is_leg_of_entry:
            groups.setdefault(order.parent or order.client_order_id, []).append(order)
    return [
        _group(name, members, ours, least, oco_stop_collar, unsent)
        for name, members in sorted(groups.items())
    ]


def _group(
    name: str,
    members: Sequence[m.Order],
    ours: frozenset[str],
    least: Mapping[str, Decimal],
    oco_stop_collar: Decimal | None,
    unsent: frozenset[str],
) -> ExitGroup:
    leaves = [UNLIMITED_QTY if x.leaves_qty is None else x.leaves_qty for x in members]
    working = [
        x
        for x in members
        if x.status in WORKING and (x.pending != m.Command.CANCEL or x.client_order_id in unsent)
    ]
    stops = [x for x in working if x.type in STOPS or is_one_order_oco(x)]
    limits = [x for x in working if x.type is m.OrderType.LIMIT]
    first = members[0]
    return ExitGroup(
        name=name,
        strategy=first.strategy or "",
        leaves=max(leaves),
        stopped=_least(stops, least),
        limited=_least(limits, least),
        stop=next((x.stop_price for x in stops), None),
        limit=next((x.limit_price for x in limits), None),
        stop_order=next((x.client_order_id for x in stops), None),
        limit_order=next((x.client_order_id for x in limits), None),
        passed_at=next((_passed_at(x, oco_stop_collar) for x in stops), None),
        trail=any(x.type is m.OrderType.TRAILING_STOP for x in stops),
        time_in_force=first.time_in_force,
        is_moving=len(working) < len(members) or any(x.pending is not None for x in members),
        is_ours=name in ours,
    )


def is_one_order_oco(order: m.Order) -> bool:
    """Return whether *order* is a take profit and a stop in one."""
    return (
        order.order_class is m.OrderClass.OCO
        and order.type is m.OrderType.LIMIT
        and order.stop_price is not None
    )


def _passed_at(order: m.Order, oco_stop_collar: Decimal | None) -> Decimal | None:
    """Return the limit price of a stop; None: it has none."""
    if not is_one_order_oco(order):
        return order.limit_price
    if oco_stop_collar is None or order.stop_price is None:
        return None
    return order.stop_price * (1 + order.side.sign * oco_stop_collar)


def _least(orders: Sequence[m.Order], least: Mapping[str, Decimal]) -> Decimal:
    """Return what *orders* of one group cover: the smallest of their leaves."""
    leaves = [x.leaves_qty or ZERO for x in orders]
    leaves += [least[x.client_order_id] for x in orders if x.client_order_id in least]
    return min(leaves, default=ZERO)


@m.exact
def shares_of_net(
    net: Decimal, parts: Mapping[str, Decimal], stops: Mapping[str, Decimal | None]
) -> dict[str, Decimal]:
    """
    Return the quantity of each part that needs an exit, in base units, ≥ 0.

    *net* is the position of the account and *parts* those of the strategies, signed.  Parts of the
    other sign offset the rest: the net is shared out, the nearest of *stops* first.
    """
    sign = 1 if net > 0 else -1
    left = abs(net)
    shares = dict.fromkeys(parts, ZERO)

    def nearness(name: str) -> tuple[bool, Decimal, str]:
        stop = stops.get(name)
        return (stop is None, ZERO if stop is None else -sign * stop, name)

    for name in sorted(parts, key=nearness):
        shares[name] = min(left, max(ZERO, sign * parts[name]))
        left -= shares[name]
    return shares


@m.exact
def attributed(
    shares: Mapping[str, Decimal], groups: Iterable[ExitGroup]
) -> dict[str, list[ExitGroup]]:
    """
    Return the groups of each part: its own, and its portion of those placed by hand.

    *shares* has every part of the position.  A group that was placed for a protection is of that
    part only.  One placed by hand without a strategy, or with one that holds nothing, counts for
    the parts that lack cover, that without a strategy first.  What is more than all lack is of the
    first of them.
    """
    found: dict[str, list[ExitGroup]] = {name: [] for name in shares}
    by_hand: list[ExitGroup] = []
    for group in groups:
        is_own = group.is_ours or bool(group.strategy)
        (found.get(group.strategy, by_hand) if is_own else by_hand).append(group)
    for group in by_hand:
        for name, portion in _portions(group, shares, found).items():
            found[name].append(portion)
    return found


def _portions(
    group: ExitGroup, shares: Mapping[str, Decimal], found: Mapping[str, Sequence[ExitGroup]]
) -> dict[str, ExitGroup]:
    """Return what each part that lacks cover has of *group*, by part."""
    leaves: dict[str, Decimal] = {}
    left = group.leaves
    for name in sorted(shares):
        lacking = shares[name] - sum((x.leaves for x in found[name]), ZERO)
        leaves[name] = min(left, max(ZERO, lacking))
        left -= leaves[name]
    rest = "" if "" in leaves else next((name for name, qty in leaves.items() if qty), None)
    if rest is not None:
        leaves[rest] += left
    portions: dict[str, ExitGroup] = {}
    stopped, limited = group.stopped, group.limited
    for name, qty in leaves.items():
        if qty > 0:
            portions[name] = evolve(
                group, leaves=qty, stopped=min(stopped, qty), limited=min(limited, qty)
            )
            stopped -= portions[name].stopped
            limited -= portions[name].limited
    return portions
