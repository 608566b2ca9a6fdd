"""
Rebuild: records that an older release made are made again by the rules of today.

The journal holds what happened and was asked; the records are what `core.journal.apply` makes of
it.  Where the rules have changed since, the journal is replayed and what differs is written in
one transaction.  Events stay as they were: they were delivered.
"""

from __future__ import annotations

import logging

from fillbook import model as m
from fillbook.core.journal.apply import RULES, apply
from fillbook.errors import StoreTooNew
from fillbook.model.journal.kinds import KINDS
from fillbook.model.journal.overlay import Nothing, Overlay
from fillbook.store import Reader, Store

log = logging.getLogger("fillbook")


def bring_up_to_date(store: Store, at: m.Timestamp) -> bool:
    """
    Rebuild the records if older rules made them; whether that was needed.

    Raises: StoreTooNew where newer rules made them.
    """
    with store.read() as reader:
        if not _is_older(reader):
            return False
    with store.write() as writer:
        if not _is_older(writer):
            return False  # another process has rebuilt them meanwhile
        log.info("the records are rebuilt from %s journal entries", writer.last())
        writer.record(m.Rebuilt(RULES), at, difference(replayed(writer), writer))
    return True


def _is_older(reader: Reader) -> bool:
    bound = reader.get(m.Binding, "account")
    if bound is not None and bound.rules > RULES:
        raise StoreTooNew(
            f"a newer fillbook made these records (rules {bound.rules}, this one has {RULES}); "
            "update fillbook"
        )
    return bound is not None and bound.rules < RULES


def replayed(reader: Reader) -> Overlay:
    """The records that the rules of today make of a journal."""
    records = Overlay(Nothing())
    for x in reader.journal():
        records.take(apply(x.entry, x.number, x.at, records))
    return records


def difference(records: Overlay, before: Reader) -> m.Changes:
    """What makes of the records *before* those that are now; events stay."""
    changed = Overlay(before)
    for kind in KINDS:
        if kind.type is not m.Event:
            now = {kind.key(x): x for x in records.all(kind.type)}
            for x in before.all(kind.type):
                if kind.key(x) not in now:
                    changed.drop(kind.type, kind.key(x))
            for record in now.values():
                changed.put(record)
    return changed.changes()
