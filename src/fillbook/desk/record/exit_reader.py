"""Reads what is known of one symbol, for the comparison of its exits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.checks.placed_exits import exits_placed
from fillbook.core.holdings.restated_units import splits_of
from fillbook.core.orders import instructions
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.plans import plan as life
from fillbook.core.plans.exits import breach
from fillbook.core.plans.exits.context import ExitContext
from fillbook.desk.record.cells.open_differences import position_differences
from fillbook.store import Reader

#: After a plan that tried to close a position at a watched price, none is made for this long.
CLOSE_PERIOD: Final = timedelta(minutes=5)
#: Two exits that are canceled at the broker, not by the bot, within this time suspend the exits.
BY_HAND_PERIOD: Final = timedelta(hours=1)

#: The orders that are read at once, to find the newest.
_RECENT_ORDERS: Final = 100

_UNCLEAR: Final = frozenset({m.OrderStatus.DISPUTED, m.OrderStatus.UNRECOGNISED})


def exit_context(
    reader: Reader,
    symbol: str,
    now: datetime,
    capabilities: m.Capabilities,
    *,
    session: m.Session | None = None,
    age: timedelta | None = None,
    age_max: timedelta = timedelta.max,
) -> ExitContext:
    """
    Return what is known of *symbol*; the exits that its protections suspend are noted.

    *session* None: it is not known.  *age* is the time since the last complete snapshot of the
    account (None: it does not matter), and *age_max* the longest for which it says something about
    the position.
    """
    pair = reader.get(m.Pair, symbol)
    held = symbol if pair is None else pair.holding
    position = reader.get(m.Position, held)
    records = [
        x
        for name in pairs.symbols_held_as(reader, held)
        for x in reader.find(m.OrderRecord, "followed", name)
    ]
    protections = tuple(
        evolve(x, suspended=x.suspended or suspension(reader, x, now))
        for x in reader.all(m.Protection)
        if x.symbol == symbol
    )
    members = {x.strategy: members_of(reader, x) for x in protections}
    ours, lag = exits_of(reader, records, protections), capabilities.account_lag
    # A broker that changes an exit by itself, for a split, shows the other quantity later.
    exits = [x for x in records if x.client_order_id in ours and not x.order.is_final]
    snapshot_at = now - (age or timedelta())
    differences = [x for x in position_differences(reader, held) if x]
    return ExitContext(
        now=now,
        symbol=symbol,
        position=position or m.Position(symbol=held),
        protections=protections,
        capabilities=capabilities,
        instrument=reader.get(m.Instrument, symbol),
        pair=pair,
        session=session,
        orders=tuple(x.order for x in records if x.requests or x.ids),
        ours=ours,
        least=_least_leaves(reader, records),
        unsent=frozenset(x.client_order_id for x in records if _is_cancel_unsent(x)),
        fixed=frozenset(x.client_order_id for x in records if _is_fixed(x)),
        restated=tuple((x.at, ratio) for x, ratio in splits_of(reader, held)),
        expires=_expires(reader, records),
        differs=max(differences, key=abs, default=None),
        is_settled=_is_settled(records, now, lag) and _is_settled(exits, snapshot_at, lag),
        exited=frozenset(
            name
            for name, found in members.items()
            if any(x.order.status is m.OrderStatus.FILLED for x in found)
        ),
        ended=_ended(members),
        is_trying_to_close=any(_tried_to_close(reader, x, now) for x in protections),
        unconfirmed=_unconfirmed(reader, symbol, records, age, age_max),
    )


def exits_of(
    reader: Reader, records: Iterable[m.OrderRecord], protections: Iterable[m.Protection]
) -> frozenset[str]:
    """
    Return the client ids of the orders that were placed for *protections*, all of one symbol.

    An exit that outlives its protection counts as placed by hand.
    """
    parts = {x.strategy for x in protections}
    return frozenset(
        x.client_order_id
        for x in records
        if (x.strategy or "") in parts and is_exit_order(reader, x)
    )


def standing_exits(reader: Reader, held: str, strategy: str) -> tuple[str, ...]:
    """Return the client ids of the exits of a part that plans placed, and nothing is to end."""
    return tuple(
        x.client_order_id
        for name in pairs.symbols_held_as(reader, held)
        for x in reader.find(m.OrderRecord, "followed", name)
        if (x.strategy or "") == strategy
        and not x.order.is_final
        and instructions.open_cancel(x) is None
        and is_exit_order(reader, x)
    )


def is_exit_order(reader: Reader, record: m.OrderRecord) -> bool:
    """Return whether a plan placed an order as an exit, not to close the position at once."""
    return plan_of(reader, record, m.PlanKind.EXIT) is not None


def plan_of(reader: Reader, record: m.OrderRecord, kind: m.PlanKind) -> m.Plan | None:
    """Return the plan of *kind* that placed an order; None: no such plan did."""
    key = None if record.intent is None else record.intent.key
    if key is None or not key.startswith(m.PLAN_KEY):
        return None
    plan = reader.get(m.Plan, key.removeprefix(m.PLAN_KEY).rpartition("/")[0])
    return plan if plan is not None and plan.kind is kind else None


def _least_leaves(reader: Reader, records: Sequence[m.OrderRecord]) -> dict[str, Decimal]:
    """Return the smallest leaves of the orders whose quantity is being changed."""
    found = {}
    for record in records:
        change = instructions.open_change(record, evidence_of(reader, record))
        if change is None or change.change is None:
            continue
        known = [x for x in (record.terms.qty, change.change.qty) if x is not None]
        if known:
            found[record.client_order_id] = max(m.ZERO, min(known) - record.order.filled_qty)
    return found


def _is_cancel_unsent(record: m.OrderRecord) -> bool:
    """Return whether an order is to be canceled, and no request for it has left."""
    cancel = instructions.open_cancel(record)
    return cancel is not None and not instructions.is_outstanding(record, cancel)


def _is_fixed(record: m.OrderRecord) -> bool:
    """Whether the last change of an order was refused, so that it is canceled instead."""
    changes = [x for x in record.instructions if x.change is not None]
    return bool(changes) and changes[-1].closed is not None and not changes[-1].done


def _expires(reader: Reader, records: Sequence[m.OrderRecord]) -> dict[str, m.Timestamp]:
    found = {}
    for record in records:
        evidence = reader.get(m.Evidence, record.order.broker_order_id or "")
        if evidence is not None and evidence.expires_at is not None:
            found[record.client_order_id] = evidence.expires_at
    return found


def _is_settled(records: Sequence[m.OrderRecord], now: datetime, lag: timedelta) -> bool:
    """Whether no order changed within the *lag* before *now*."""
    changed = [m.moment(x.seen_at) for x in records if x.seen_at is not None]
    return all(now - at >= lag for at in changed)


def _unconfirmed(
    reader: Reader,
    symbol: str,
    records: Sequence[m.OrderRecord],
    age: timedelta | None,
    age_max: timedelta,
) -> str:
    """Return why nothing about a symbol can be decided now; ``""``: it can."""
    running = (m.PlanState.RUNNING, m.PlanState.PAUSED)
    for plan in reader.find(m.Plan, "open", "yes"):
        is_running = plan.state in running and plan.kind is not m.PlanKind.EXIT
        if is_running and life.is_busy(plan, symbol):
            return f"plan {plan.plan_id} runs"
    if reader.get(m.Cash, "cash") is None:
        return "the record has no opening balance yet"
    if age is not None and age > age_max:
        longest = int(age_max.total_seconds())
        return f"the last complete snapshot of the account is older than {longest} s"
    unclear = next((x for x in records if x.order.status in _UNCLEAR), None)
    return "" if unclear is None else f"order {unclear.client_order_id} is {unclear.order.status}"


def _ended(members: Mapping[str, Sequence[m.OrderRecord]]) -> dict[str, m.Timestamp]:
    """Return when the last exit of each strategy ended, by our record."""
    found = {}
    for strategy, records in members.items():
        ends = [x.seen_at for x in records if x.order.is_final and x.seen_at is not None]
        if ends:
            found[strategy] = max(ends)
    return found


def members_of(reader: Reader, protection: m.Protection) -> list[m.OrderRecord]:
    """Return the orders that were placed for a protection in this round trip, and their legs."""
    placed = exits_placed(reader, protection)
    names = {x.client_order_id for x in placed}
    return [*placed, *(x for name in names for x in reader.find(m.OrderRecord, "parent", name))]


def plans_that_close_by_price(reader: Reader, now: m.Timestamp) -> list[m.Plan]:
    """
    Return the plans that close a part in place of its stop, or did so within `breach.PERIOD`.

    Those that wait for an approval, and those that placed no order, are not among them.
    """
    found = {
        x.plan_id: x
        for x in reader.find(m.Plan, "open", "yes")
        if x.state is not m.PlanState.PROPOSED
    }
    since = m.timestamp(m.moment(now) - breach.PERIOD)
    after = ""
    while True:
        records = reader.page(
            m.OrderRecord, "created", after=after, limit=_RECENT_ORDERS, newest=True
        )
        for record in records:
            plan = plan_of(reader, record, m.PlanKind.EXIT)
            if plan is not None and record.created_at >= since:
                found[plan.plan_id] = plan
        if len(records) < _RECENT_ORDERS or records[-1].created_at < since:
            return [x for x in found.values() if breach.closes_by_price(x)]
        after = f"{records[-1].created_at}/{records[-1].client_order_id}"


def closes_that_wait(reader: Reader, plan: m.Plan) -> list[m.Plan]:
    """Return the plans for the occasion of *plan* whose close in place of a stop is proposed."""
    return [
        x
        for x in reader.find(m.Plan, "occasion", plan.occasion)
        if x.state is m.PlanState.PROPOSED and breach.closes_by_price(x)
    ]


def _tried_to_close(reader: Reader, protection: m.Protection, now: datetime) -> bool:
    since = now - CLOSE_PERIOD
    return any(
        m.moment(plan.created_at) > since
        and any(isinstance(x.action, m.PlaceOrder) and x.action.fills for x in plan.steps)
        for plan in reader.find(m.Plan, "occasion", protection.occasion)
    )


def opening_order(reader: Reader, opened_by: str) -> m.OrderRecord | None:
    """Return the order of ours that opened a part (as in `Holding`); None: none of ours did."""
    evidence = reader.get(m.Evidence, opened_by.partition("@")[0])
    record = None if evidence is None else reader.get(m.OrderRecord, evidence.client_order_id)
    return None if record is None or record.origin is m.Origin.EXTERNAL else record


def suspension(reader: Reader, protection: m.Protection, now: datetime) -> str:
    """
    Return why the exits of a protection are suspended; ``""``: they are not.

    They are if the bot canceled one, or if two were canceled at the broker within an hour.
    """
    by_hand = []
    for record in exits_placed(reader, protection):
        legs = reader.find(m.OrderRecord, "parent", record.client_order_id)
        members = (record, *legs)
        if any(x.order.filled_qty for x in members):
            continue
        canceled = [x for x in members if x.order.status is m.OrderStatus.CANCELED]
        if not canceled:
            continue
        asked = [i for x in members for i in x.instructions if i.change is None]
        if any(i.authority is m.Authority.ORDER for i in asked):
            return f"the bot canceled its exit {record.client_order_id}: `protect` places it again"
        ended = record.seen_at
        if not asked and ended is not None and now - m.moment(ended) < BY_HAND_PERIOD:
            by_hand.append(record.client_order_id)
    if len(by_hand) > 1:
        return (
            f"the exits {by_hand[0]} and {by_hand[1]} were canceled at the broker within an hour: "
            "`protect` places them again"
        )
    return ""
