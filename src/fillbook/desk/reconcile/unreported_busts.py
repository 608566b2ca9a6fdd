"""
Busts that the broker did not report: they explain a confirmed difference.

Other half: `core.reconcile.missing`, which infers and confirms busts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.journal.apply import apply
from fillbook.core.reconcile import drift, missing
from fillbook.core.reconcile.drift import Snapshot
from fillbook.desk.orders.tracker import BY_ID_MAX, Tracker
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder
from fillbook.model.journal.overlay import Overlay

#: How often the same difference of cash is searched among the fills of positions with due fees.
_SEARCHES_MAX: Final = 3


class UnreportedBusts:
    """Finds the fills that the broker busted without a report."""

    def __init__(self, recorder: Recorder, tracker: Tracker) -> None:
        self._recorder = recorder
        self._tracker = tracker
        self._book = Book(recorder.store)
        self._searched: list[m.Drift] = []  #: the differences of cash that were searched last
        self._searches = 0

    def record(self, snapshot: Snapshot, findings: list[m.Finding]) -> bool:
        """
        Explain confirmed differences by busts that the broker did not report.

        The busted fills are missing from the fill history of their order, and they are exactly
        the difference of the position: two sources of the broker agree.  Return whether the record
        has changed.
        """
        cash = [x for x in findings if isinstance(x.drift, m.WrongCash)]
        if not cash and self._book.cash() is not None:
            return False  # the cash agrees: the positions may only be outdated
        before, busts = self._tracker.snapshot_number(), list[m.Busted]()
        for finding in findings:
            if finding.confidence is m.Confidence.CONFIRMED and isinstance(
                finding.drift, m.PositionDrift
            ):
                busts += self._missing_fills(snapshot, finding.drift)
        confirmed = [x.drift for x in cash if x.confidence is m.Confidence.CONFIRMED]
        if not busts and confirmed and self._may_try(confirmed):
            busts = self._missing_within_fees(snapshot)
        self._recorder.record(*busts)
        for broker_order_id in {x.bust.broker_order_id for x in busts}:
            record = self._book.record(broker_order_id)
            self._tracker.read(record)  # the status of the order may have changed
            self._tracker.read_history(record)
        return self._tracker.snapshot_number() > before

    def _may_try(self, found: list[m.Drift]) -> bool:
        """Whether these differences were not searched too often: each search reads histories."""
        self._searches = self._searches + 1 if found == self._searched else 1
        self._searched = found
        return self._searches <= _SEARCHES_MAX

    def _missing_within_fees(self, snapshot: Snapshot) -> list[m.Busted]:
        """
        Find busts that only the cash shows: the position may differ by so much for pending fees.

        They count if nothing differs once they are taken back: the cash and the position agree.
        """
        theirs = {x.symbol: x.qty for x in snapshot.positions}
        with self._recorder.store.read() as reader:
            held = [x for x in reader.all(m.Position) if x.fee_due]
        for position in held:
            qty = theirs.get(position.symbol, m.ZERO)
            busts = self._missing_fills(snapshot, drift.qty_drift(position.symbol, qty, qty))
            with self._recorder.store.read() as reader:
                after = Overlay(reader)
                for bust in busts:
                    after.apply(apply(bust, reader.last() + 1, self._recorder.now(), after))
                left = {x.key for x in drift.differences(after, snapshot)}
            if busts and not left & {m.cash_key(None), f"position/{position.symbol}"}:
                return busts
        return []

    def _missing_fills(self, snapshot: Snapshot, found: m.PositionDrift) -> list[m.Busted]:
        theirs = m.ZERO if isinstance(found, m.Phantom) else found.theirs
        with self._recorder.store.read() as reader:
            symbols = pairs.symbols_held_as(reader, found.symbol)
        filled = [o for x in symbols for o in self._book.orders(symbol=x) if o.filled_qty]
        busts: list[m.TradeBust] = []
        moved = m.ZERO
        for order in filled[-BY_ID_MAX:]:
            these, qty = self._missing_of(snapshot, self._book.record(order))
            # Only the total may be outdated: a correction lowers it.
            if these and self._tracker.read(self._book.record(order)) is None:
                these, qty = self._missing_of(snapshot, self._book.record(order))
                busts += these
                moved += qty
        with self._recorder.store.read() as reader:
            held = reader.get(m.Position, found.symbol) or m.Position(symbol=found.symbol)
        after = held.qty - moved
        explains = busts and after - held.fee_due <= theirs <= after
        return [m.Busted(bust) for bust in busts] if explains else []

    def _missing_of(
        self, snapshot: Snapshot, record: m.OrderRecord
    ) -> tuple[list[m.TradeBust], Decimal]:
        """Infer the busts of one order, and by how much its fills moved the position."""
        busts, moved = list[m.TradeBust](), m.ZERO
        for broker_order_id in record.ids:
            history = self._tracker.fill_history(record, broker_order_id)
            if isinstance(history, m.Observed):
                # The fills of the account are a history too, read at another time.
                mine = [x for x in snapshot.fills_after if x.broker_order_id == broker_order_id]
                rows = (*history.value, *mine)
                with self._recorder.store.read() as reader:
                    these, qty = missing.infer_busts(reader, broker_order_id, rows, snapshot.at)
                busts += these
                moved += qty
        return busts, moved
