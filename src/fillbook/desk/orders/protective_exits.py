"""
The exits that `cancel_all` leaves: those that protect a position, by all evidence.

Other half: `core.orders.protective`.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.checks.context import smallest_position
from fillbook.core.orders import protective
from fillbook.desk.link.gateway import Gateway, rows_or_empty
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.cells.open_differences import position_differences
from fillbook.desk.record.recorder import Recorder


def protective_exits(gateway: Gateway, recorder: Recorder, tracker: Tracker) -> frozenset[str]:
    """Return the client ids of the exits that protect a position."""
    live = [x.order for x in tracker.tracked() if not x.order.is_final]
    with recorder.store.read() as reader:
        opened = reader.get(m.Cash, "cash") is not None
        resting = [protective.of_order(x, pairs.holding_of(reader, x.terms.symbol)) for x in live]
        held = {
            x.symbol: smallest_position(x, position_differences(reader, x.symbol))
            for x in reader.all(m.Position)
        }
    if not opened:  # without an opening balance, ask the broker for the positions
        listed = gateway.pages("positions", gateway.broker.positions)
        held = {x.symbol: x.qty for x in rows_or_empty(listed)}
    return protective.protective_ids(resting, held)
