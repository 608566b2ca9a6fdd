"""
What a pass has compared with the record, and the record had: it is not compared again.

To apply an entry is a pure function of the record.  So a report that changed nothing changes
nothing until an entry about one of its orders is written.  Only brokers with a clock are
remembered: the version of another report is the number of its read.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from fillbook import model as m
from fillbook.model.journal.kinds import fact_key
from fillbook.store import Reader

#: The most that is remembered.
_MOST: Final = 1 << 16

Key = tuple[type[m.Entry], str]


class Compared:
    """The reports and executions that the record has, as far as this process has compared them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0  #: of the entry up to which this is so
        self._known: dict[Key, m.OrderReport | m.Execution] = {}
        self._about: dict[str, set[Key]] = defaultdict(set)  #: by broker id or client id

    def since(self, reader: Reader) -> Comparing:
        """Return what is known to be in the record of *reader*."""
        with self._lock:
            if reader.last() < self._number:
                return Comparing(self, None, clocked=False)  # another thread has a newer one
            for recorded in reader.journal(self._number):
                self._number = recorded.number
                self._forget(recorded.entry)
            bound = reader.get(m.Binding, "account")
            is_clocked = bound is not None and bound.clocked
            return Comparing(self, self._number, clocked=is_clocked)

    def _forget(self, entry: m.Entry) -> None:
        """Forget all that is about the same orders as *entry*."""
        if isinstance(entry, m.Alerted | m.DriftFound | m.DriftCleared | m.PlanMoved | m.StepMoved):
            return
        changed = subjects(entry)
        if not changed:
            self._known.clear()
            self._about.clear()
        while changed:
            for key in self._about.pop(changed.pop(), ()):
                fact = self._known.pop(key, None)
                changed |= set() if fact is None else _ids_of(fact)

    def _add(self, number: int, found: Iterable[m.Reported | m.Executed]) -> None:
        with self._lock:
            if number != self._number:
                return  # entries were written since
            if len(self._known) > _MOST:
                self._known.clear()
                self._about.clear()
            for entry in found:
                key, fact = _fact_of(entry)
                self._known[key] = fact
                for name in _ids_of(fact):
                    self._about[name].add(key)


class Comparing:
    """One comparison of entries with a snapshot of the record."""

    def __init__(self, compared: Compared, number: int | None, *, clocked: bool) -> None:
        self._compared = compared
        self._clocked = clocked
        self._number = number
        self._changed: set[str] = set()  #: ids of orders that this comparison has changed
        self._found: list[m.Reported | m.Executed] = []

    def has(self, entry: m.Entry) -> bool:
        """Return whether the record is known to have *entry*."""
        if self._number is None or not isinstance(entry, m.Reported | m.Executed):
            return False
        key, fact = _fact_of(entry)
        is_known = self._compared._known.get(key) == fact
        return is_known and not (self._changed and self._changed & _ids_of(fact))

    def changed(self, entry: m.Entry) -> None:
        """Note that *entry* changed the record: what is about the same orders is compared."""
        ids = subjects(entry)
        self._changed |= ids
        if not ids:
            self._number = None

    def unchanged(self, entry: m.Entry) -> None:
        """Note that the record had *entry*."""
        if isinstance(entry, m.Executed) or (
            isinstance(entry, m.Reported) and self._clocked and entry.report.clock is not None
        ):
            self._found.append(entry)

    def end(self) -> None:
        """Remember what the record had."""
        if self._number is not None:
            fresh = (x for x in self._found if not self._changed & _ids_of(_fact_of(x)[1]))
            self._compared._add(self._number, fresh)


def subjects(entry: m.Entry) -> set[str]:
    """Return the ids of the orders that *entry* is about; empty: it may be about any."""
    match entry:
        case m.Reported() | m.Executed():
            return _ids_of(_fact_of(entry)[1])
        case m.Busted():
            return {entry.void.broker_order_id}
        case m.HistoryRead():
            return {entry.broker_order_id}
        case m.Intended():
            return {entry.intent.client_order_id}
        case m.Commanded() | m.Answered() | m.Instructed() | m.InstructionClosed():
            return {x for x in (entry.client_order_id, entry.broker_order_id) if x is not None}
        case _:
            return set()


def _fact_of(entry: m.Reported | m.Executed) -> tuple[Key, m.OrderReport | m.Execution]:
    if isinstance(entry, m.Executed):
        return (m.Executed, fact_key(entry.execution)), entry.execution
    return (m.Reported, entry.report.broker_order_id), entry.report


def _ids_of(fact: m.OrderReport | m.Execution) -> set[str]:
    if isinstance(fact, m.Execution):
        return {fact.broker_order_id}
    names = (fact.broker_order_id, fact.client_order_id, fact.replaces, fact.replaced_by)
    ids = {x for x in names if x is not None}
    return ids.union(*map(_ids_of, fact.legs)) if fact.legs else ids
