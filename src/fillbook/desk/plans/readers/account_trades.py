"""
Reads what the account has of one symbol, for the comparison with the bot's own record.

Everything is of the record after a reconciliation; the instrument is of the broker.  Other half:
`core.plans.catch_up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.holdings.restated_units import split_ratio
from fillbook.core.plans.catch_up import AccountFill, SymbolFacts
from fillbook.desk.record.cells.open_differences import position_differences
from fillbook.desk.record.exit_reader import plan_of
from fillbook.model.orders.order import may_fill
from fillbook.store import Reader

_O: Final = m.TradeOutcome
#: The increment of quantities where none is listed: the checks of the order round.
_FINEST: Final = Decimal("1e-9")
_UNCONFIRMED: Final = frozenset(
    {m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED, m.OrderStatus.UNRECOGNISED}
)


def symbol_facts(
    reader: Reader,
    symbol: str,
    since: m.Timestamp,
    named: frozenset[str],
    exits: frozenset[str],
    settled: Sequence[m.SettledTrade],
    instrument: m.Instrument | m.Absent | None,
) -> SymbolFacts:
    """
    Return what is known of *symbol* since that time; *named* are the ids that rows name.

    *exits* are the client ids of the orders that protect a position.  *instrument* Absent: the
    broker does not list it; None: the broker lists none.
    """
    if isinstance(instrument, m.Absent):
        return SymbolFacts(
            symbol=symbol,
            problem=(_O.UNKNOWN_SYMBOL, f"neither the record nor the broker has {symbol}"),
        )
    held = pairs.holding_of(reader, symbol)
    records = reader.find(m.OrderRecord, "symbol", symbol)
    position = reader.get(m.Position, held) or m.Position(symbol=held)
    ids = {x: record for record in records for x in _ids(record)}
    others = (x for x in records if not named.intersection(_ids(x)))
    return SymbolFacts(
        symbol=symbol,
        fills=tuple(_fills(reader, records, since)),
        splits=_splits(reader, held),
        orders={name: x.order for name, x in ids.items() if name in named},
        settled=settled,
        held={name: part.qty for name, part in position.by_strategy},
        live=tuple(_live(x for x in others if x.client_order_id not in exits)),
        problem=_problem(reader, held, records, instrument),
        step=_FINEST if instrument is None else instrument.qty_increment,
        least=(instrument.min_qty if instrument is not None else None) or m.ZERO,
    )


def marks_of(
    reader: Reader,
) -> tuple[dict[str, m.TradeOutcome], dict[str, list[m.SettledTrade]]]:
    """
    Return the outcomes of earlier rows by their identity, and the settled ones by symbol.

    A row whose plan ended without trading it, or all of it, is in neither.
    """
    states: dict[str | None, m.PlanState] = {None: m.PlanState.DONE}
    outcomes, settled = dict[str, m.TradeOutcome](), dict[str, list[m.SettledTrade]]()
    for mark in reader.all(m.SettledTrade):
        if mark.plan_id not in states:
            plan = reader.get(m.Plan, mark.plan_id or "")
            states[mark.plan_id] = m.PlanState.STOPPED if plan is None else _outcome(plan)
        state = states[mark.plan_id]
        if state is m.PlanState.DONE:
            outcomes[mark.key] = _O.SETTLED
            settled.setdefault(mark.symbol, []).append(mark)
        elif state not in m.FINAL_STATES:
            outcomes[mark.key] = _O.SENDING
    return outcomes, settled


def _outcome(plan: m.Plan) -> m.PlanState:
    """Return the state of *plan*; one that traded less than its rows counts as stopped."""
    is_short = plan.state is m.PlanState.DONE and not plan.is_fulfilled
    return m.PlanState.STOPPED if is_short else plan.state


def _ids(record: m.OrderRecord) -> tuple[str, ...]:
    key = None if record.intent is None else record.intent.key
    return (record.client_order_id, *record.ids, *(() if key is None else (key,)))


def _fills(
    reader: Reader, records: Iterable[m.OrderRecord], since: m.Timestamp
) -> Iterable[AccountFill]:
    """Yield the fills since that time, without those that settled rows by their plan."""
    for record in records:
        plan = plan_of(reader, record, m.PlanKind.CATCH_UP)
        if plan is not None and plan.is_fulfilled:
            continue
        is_external = record.origin is m.Origin.EXTERNAL
        # Also one that another record of the account placed, or this one before it was lost.
        is_ours = not is_external or record.client_order_id.startswith(m.ID_PREFIX)
        unassigned = None if is_external else ""
        for name in record.ids:
            for move in reader.find(m.Movement, "owner", name):
                if move.kind is m.MoveKind.FILL and move.at >= since:
                    yield AccountFill(move.at, move.qty, move.strategy or unassigned, is_ours)


def _splits(reader: Reader, held: str) -> tuple[tuple[m.Timestamp, Decimal | None], ...]:
    return tuple((x.at, split_ratio(x)) for x in reader.find(m.Movement, "restated", held))


def _live(records: Iterable[m.OrderRecord]) -> Iterable[tuple[str, m.OrderSide]]:
    for record in records:
        order = record.order
        is_open = not order.is_final and bool(record.requests or record.ids)
        if is_open and may_fill(order):
            yield record.strategy or "", order.side


def _problem(
    reader: Reader,
    held: str,
    records: Iterable[m.OrderRecord],
    instrument: m.Instrument | None,
) -> tuple[m.TradeOutcome, str] | None:
    """Return why nothing of a symbol is sent, whatever is missing; None: it may be."""
    for record in records:
        order = record.order
        if order.status in _UNCONFIRMED or (order.is_final and not order.is_complete):
            return _O.UNCONFIRMED, f"order {order.client_order_id} is {order.status}"
    if any(position_differences(reader, held)):
        return _O.DIFFERENCE, "the record and the broker differ about the position; see `check`"
    if instrument is not None and not instrument.tradable:
        return _O.NOT_TRADABLE, "the instrument is not tradable now"
    return None
