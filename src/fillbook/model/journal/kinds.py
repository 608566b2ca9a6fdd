"""
The kinds of records: the name, the key and the indexes of each.

A store derives its layout from them: dictionaries, or a table with the key, the body and one
column per index.  An index does not list a record whose index value is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.model.account.activity import group_of
from fillbook.model.account.instruction import AccountInstruction
from fillbook.model.account.token import Token
from fillbook.model.orders.open_quantity import OpenQuantity
from fillbook.model.orders.order import may_fill


@frozen
class Kind:
    """One type of record; `indexes` maps the name of an index to a record's value in it."""

    name: str
    type: type[Any]
    key: Callable[[Any], str]
    indexes: Mapping[str, Callable[[Any], str | None]] = {}


def _is_open(order: m.Order) -> bool:
    # An order is tracked until it is final, an execution is known for every fill, and the
    # outcome of each cancel and replace is known.
    is_pending = order.pending is not None or order.status in m.PENDING
    return is_pending or not (order.is_final and order.is_complete)


def _unclear(order: m.Order) -> str | None:
    """Return the symbol of an order that may lock it; None: it cannot."""
    is_unclear = order.status in (m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED)
    return order.symbol if is_unclear or (order.anomalies and not order.is_final) else None


def opposing(symbol: str, side: m.OrderSide, order_type: m.OrderType) -> str:
    """Return the value of the index `opposing`, for orders that work at the broker."""
    return f"{symbol}/{side}/{order_type}"


def _opposing(order: m.Order) -> str | None:
    """Return the group in which an order may trade with another one of the account."""
    is_single = order.order_class is m.OrderClass.SIMPLE and order.parent is None
    is_working = order.broker_order_id is not None and may_fill(order)
    if not (is_single and is_working):
        return None
    return opposing(order.symbol, order.side, order.type)


def _limit(order: m.Order) -> str | None:
    """Return the limit price of such an order as text that sorts as the price does."""
    if order.limit_price is None or _opposing(order) is None:
        return None
    whole, _, rest = m.plain(order.limit_price).partition(".")
    return f"{whole:0>20}.{rest.rstrip('0')}/{order.client_order_id}"


def _sent(record: m.OrderRecord) -> str | None:
    """Return the number of the entry by which an order was last sent; None: it was not."""
    sent = (x.entry for x in reversed(record.requests) if x.command is m.Command.SEND)
    entry = next(sent, None)
    return None if entry is None else f"{entry:012d}"


def _plan_step(intent: m.Intent | None) -> str | None:
    """Return the step of a plan that placed an order; None: no plan did."""
    key = "" if intent is None else intent.key or ""
    return key if key.startswith(m.PLAN_KEY) else None


def _canceled_by(record: m.OrderRecord) -> str | None:
    """Return the access token by which an open cancel was given; None: there is none."""
    if record.order.is_final:
        return None
    return next((x.by for x in record.instructions if x.by and x.closed is None), None)


def strategy_of(event: m.Event) -> str | None:
    """Return the strategy that an event concerns; None: none, or the whole account."""
    about = event.order or event.fill or event.protection
    return None if about is None else about.strategy


def fact_key(fact: m.Execution | m.TradeBust) -> str:
    """Return the key of an execution or a bust: ids are unique per order and source only."""
    return f"{fact.broker_order_id}/{fact.source}/{fact.exec_id}"


KINDS: Final = (
    Kind("binding", m.Binding, lambda _: "account"),
    Kind(
        "instrument",
        m.Instrument,
        lambda r: r.symbol,
    ),
    Kind("symbol_names", m.SymbolName, lambda r: r.name),
    Kind(
        "orders",
        m.OrderRecord,
        lambda r: r.client_order_id,
        {
            "open": lambda r: "yes" if _is_open(r.order) else None,
            "symbol": lambda r: r.terms.symbol,
            "strategy": lambda r: r.strategy,
            "parent": lambda r: r.parent,
            "followed": lambda r: r.terms.symbol if _is_open(r.order) else None,
            "plan_step": lambda r: _plan_step(r.intent),
            "created": lambda r: f"{r.created_at}/{r.client_order_id}",
            "canceled_by": _canceled_by,
            "unclear": lambda r: _unclear(r.order),
            "opposing": lambda r: _opposing(r.order),
            "limit": lambda r: _limit(r.order),
            "sent": _sent,
        },
    ),
    Kind(
        "evidence",
        m.Evidence,
        lambda r: r.broker_order_id,
        {"replaces": lambda r: r.replaces, "client_order_id": lambda r: r.client_order_id},
    ),
    Kind("executions", m.Execution, fact_key, {"broker_order_id": lambda r: r.broker_order_id}),
    Kind("voids", m.TradeBust, fact_key, {"broker_order_id": lambda r: r.broker_order_id}),
    Kind(
        "movements",
        m.Movement,
        lambda r: r.key,
        {
            "symbol": lambda r: r.symbol,
            "owner": lambda r: r.owner,
            "restated": lambda r: r.symbol if r.kind is m.MoveKind.RATIO else None,
            "filled": lambda r: f"{r.at}/{r.key}" if r.kind is m.MoveKind.FILL else None,
            "strategy": lambda r: r.strategy,
        },
    ),
    Kind("positions", m.Position, lambda r: r.symbol),
    Kind("chapters", m.Chapter, lambda r: r.key),
    Kind(
        "trades",
        m.Trade,
        lambda r: r.key,
        {
            "symbol": lambda r: r.symbol,
            "closed": lambda r: f"{r.closed_at}/{r.key}",
            "strategy": lambda r: r.strategy,
        },
    ),
    Kind("cash", m.Cash, lambda r: r.key),
    Kind("pairs", m.Pair, lambda r: r.symbol, {"holding": lambda r: r.holding}),
    Kind("activities", m.Activity, lambda r: r.activity_id, {"group": group_of}),
    Kind("drifts", m.OpenDrift, lambda r: r.key),
    Kind(
        "reservations",
        m.Reservation,
        lambda r: r.key,
        {"open": lambda r: "yes" if r.is_open else None, "paid_from": lambda r: r.paid_from},
    ),
    Kind("open_quantities", OpenQuantity, lambda r: r.symbol),
    Kind(
        "plans",
        m.Plan,
        lambda r: r.plan_id,
        {
            "open": lambda r: None if r.is_final else "yes",
            "occasion": lambda r: r.occasion,
        },
    ),
    Kind("protections", m.Protection, lambda r: r.key),
    Kind("cooldowns", m.Cooldown, lambda r: r.key),
    Kind(
        "events",
        m.Event,
        lambda r: r.cursor,
        {
            "strategy": strategy_of,
            "alert": lambda r: "yes" if r.kind is m.EventKind.ALERT else None,
        },
    ),
    Kind(
        "account_instructions",
        AccountInstruction,
        lambda r: r.key,
        {"open": lambda r: "yes" if r.closed is None else None},
    ),
    Kind("tokens", Token, lambda r: r.token_id),
    Kind("settled_trades", m.SettledTrade, lambda r: r.key),
)


BY_TYPE: Final[Mapping[type[Any], Kind]] = {kind.type: kind for kind in KINDS}
