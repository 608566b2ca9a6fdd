"""
Assignments: a person attributes external trades to a strategy, or takes them back.

The entry in the journal is the audit.  Other half: `core.journal.strategy_assignments`.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.core.position import name_of
from fillbook.core.symbol_names import resolve
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import InvalidValue
from fillbook.store import Reader


class Assignments:
    """Assigns external orders, fills and opening positions."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def assign(self, what: m.Order | m.Movement | str, strategy: str | None) -> m.Position:
        """Assign *what* to *strategy*; return the position.  Raises: InvalidValue."""
        with self._recorder.transaction() as transaction:
            entry, symbol = _entry_of(transaction.reader, what, strategy)
            transaction.record(entry)
            return transaction.reader.get(m.Position, symbol) or m.Position(symbol=symbol)


def _entry_of(
    reader: Reader, what: m.Order | m.Movement | str, strategy: str | None
) -> tuple[m.Assigned, str]:
    """Build the entry that assigns *what*, and return the symbol."""
    name = what if isinstance(what, str) else ""
    if isinstance(what, m.Order):
        name = what.client_order_id
    movement = what if isinstance(what, m.Movement) else reader.get(m.Movement, name)
    if movement is not None:
        return _entry_of_movement(reader, movement, strategy)
    record = reader.get(m.OrderRecord, name)
    evidence = reader.get(m.Evidence, name.removeprefix("?"))
    if record is None and evidence is not None:
        record = reader.get(m.OrderRecord, evidence.client_order_id)
    if record is not None:
        _require_external(record)
        return m.Assigned(strategy, client_order_id=record.client_order_id), record.terms.symbol
    symbol = resolve(reader, name.strip().upper())
    movements = reader.find(m.Movement, "symbol", symbol)
    if any(x.kind is m.MoveKind.ANCHOR for x in movements):
        return m.Assigned(strategy, symbol=symbol), symbol
    raise InvalidValue(
        f"{name!r} is no order, no fill, and no symbol with an opening position in this record"
    )


def _entry_of_movement(
    reader: Reader, movement: m.Movement, strategy: str | None
) -> tuple[m.Assigned, str]:
    if movement.owner is None:
        return m.Assigned(strategy, movement=movement.key), movement.symbol
    evidence = reader.get(m.Evidence, movement.owner)
    record = None if evidence is None else reader.get(m.OrderRecord, evidence.client_order_id)
    if record is None:
        raise InvalidValue(f"the fill {movement.key} is of no order in this record")
    _require_external(record)
    entry = m.Assigned(strategy, client_order_id=record.client_order_id, movement=name_of(movement))
    return entry, movement.symbol


def _require_external(record: m.OrderRecord) -> None:
    """Require that no strategy of the bot placed the order.  Raises: InvalidValue."""
    placed = None if record.intent is None else record.intent.request.strategy
    if placed is not None:
        raise InvalidValue(
            f"order {record.client_order_id} was placed by the strategy {placed!r}; only what "
            "no strategy placed can be assigned"
        )
