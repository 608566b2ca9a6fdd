"""
What the record has, as far as this process knows: it is not compared again.

To apply an entry is a pure function of the record, and a fact that the record has changes nothing
(promise P4).  So a report that was written, or that changed nothing, changes nothing until an entry
about one of its orders is written.  Only brokers with a clock are remembered: the version of
another report is the number of its read.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, TypeGuard

from fillbook import model as m
from fillbook.model.journal.kinds import fact_key
from fillbook.store import Reader

#: The most that is remembered.
_MOST: Final = 1 << 16
_WRITTEN_MOST: Final = 1 << 14

#: The entries that change no evidence of an order.
_ABOUT_NO_ORDER: Final = (
    *(m.Alerted, m.DriftFound, m.DriftCleared, m.PlanMoved, m.StepMoved),
    *(m.BalanceAdjusted, m.CashAdjusted),
)

Key = tuple[type[m.Entry], str]


class Compared:
    """The reports and executions that the record has, as far as this process has seen them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0  #: of the newest entry that was seen
        self._written: list[m.Entry] = []  #: those after it that this process wrote
        #: The facts that the record has, each from the entry with that number on.
        self._known: dict[Key, tuple[int, m.OrderReport | m.Execution]] = {}
        self._about: dict[str, set[Key]] = defaultdict(set)  #: by broker id or client id
        self._changed: dict[str, int] = {}  #: the newest entry about an order, by its ids
        self._all_changed = 0  #: the newest entry that may be about any order

    def since(self, reader: Reader) -> Comparing:
        """Return what is known to be in the record of *reader*."""
        bound = reader.get(m.Binding, "account")
        is_clocked = bound is not None and bound.clocked
        with self._lock:
            for entry in self._written:
                self._see(self._number + 1, entry)
                if is_fact(entry, clocked=is_clocked):
                    self._remember(self._number, entry)
            self._written.clear()
            if reader.last() > self._number:
                for recorded in reader.journal(self._number):
                    self._see(recorded.number, recorded.entry)
        return Comparing(self, reader.last(), clocked=is_clocked)

    def wrote(self, entries: Sequence[m.Entry], last: int) -> None:
        """Note the *entries* that this process has written, the newest as number *last*."""
        with self._lock:
            # After the entry of another process, `since` reads all of them.
            if self._number + len(self._written) == last - len(entries):
                self._written += entries
            if len(self._written) > _WRITTEN_MOST:
                self._written.clear()

    def has(self, entry: m.Reported | m.Executed, number: int) -> bool:
        """Return whether the record has *entry* as of entry *number*."""
        key, fact = _fact_of(entry)
        since, known = self._known.get(key, (0, None))
        return since <= number and known == fact

    def add(self, found: Iterable[m.Reported | m.Executed], number: int) -> None:
        """Note what the record had as of entry *number*."""
        with self._lock:
            for entry in found:
                ids = _ids_of(_fact_of(entry)[1])
                newest = max(self._changed.get(x, 0) for x in ids)
                if max(newest, self._all_changed) <= number:
                    self._remember(number, entry)

    def _see(self, number: int, entry: m.Entry) -> None:
        """Forget all that is about the same orders as *entry*."""
        self._number = number
        if isinstance(entry, _ABOUT_NO_ORDER):
            return
        changed = subjects(entry)
        if not changed or len(self._changed) > _MOST:
            self._forget_all()
        while changed:
            name = changed.pop()
            self._changed[name] = number
            for key in self._about.pop(name, ()):
                _, fact = self._known.pop(key, (0, None))
                changed |= set() if fact is None else _ids_of(fact)

    def _forget_all(self) -> None:
        self._known.clear()
        self._about.clear()
        self._changed.clear()
        self._all_changed = self._number

    def _remember(self, number: int, entry: m.Reported | m.Executed) -> None:
        if len(self._known) > _MOST:
            self._forget_all()
        key, fact = _fact_of(entry)
        self._known[key] = number, fact
        for name in _ids_of(fact):
            self._about[name].add(key)


class Comparing:
    """One comparison of entries with a snapshot of the record, as of entry *number*."""

    def __init__(self, compared: Compared, number: int, *, clocked: bool) -> None:
        self._compared = compared
        self._clocked = clocked
        self._number: int | None = number  #: None: an entry may have changed any order
        self._changed: set[str] = set()  #: ids of orders that this comparison has changed
        self._found: list[m.Reported | m.Executed] = []

    def has(self, entry: m.Entry) -> bool:
        """Return whether the record is known to have *entry*."""
        if self._number is None or not isinstance(entry, m.Reported | m.Executed):
            return False
        is_known = self._compared.has(entry, self._number)
        return is_known and not (self._changed and self._changed & _ids_of(_fact_of(entry)[1]))

    def changed(self, entry: m.Entry) -> None:
        """Note that *entry* changed the record: what is about the same orders is compared."""
        ids = subjects(entry)
        self._changed |= ids
        if not ids:
            self._number = None

    def unchanged(self, entry: m.Entry) -> None:
        """Note that the record had *entry*."""
        if is_fact(entry, clocked=self._clocked):
            self._found.append(entry)

    def end(self) -> None:
        """Remember what the record had."""
        if self._number is not None:
            fresh = (x for x in self._found if not self._changed & _ids_of(_fact_of(x)[1]))
            self._compared.add(fresh, self._number)
        self._found = []


def is_fact(entry: m.Entry, *, clocked: bool) -> TypeGuard[m.Reported | m.Executed]:
    """Return whether *entry* changes nothing once the record has it; *clocked*: the binding's."""
    return isinstance(entry, m.Executed) or (
        isinstance(entry, m.Reported) and clocked and entry.report.clock is not None
    )


def subjects(entry: m.Entry) -> set[str]:
    """Return the ids of the orders that *entry* is about; empty: it may be about any."""
    match entry:
        case m.Reported() | m.Executed():
            return _ids_of(_fact_of(entry)[1])
        case m.Busted():
            return {entry.bust.broker_order_id}
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
