"""
Upgrade of a record: derive the records of an older release from the journal, by current rules.

The journal is the history; `core.journal.apply` derives the records from it.  If its rules have
changed, the journal is replayed and the differences are written in one transaction.  Events are
not changed, because they were delivered.

Other halves: `stores.migrations` upgrades the tables, `codec.upcast` the stored words.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from fillbook import model as m
from fillbook.core.journal.apply import RULES, apply
from fillbook.errors import StoreDamaged, StoreTooNew
from fillbook.model.journal.kinds import KINDS
from fillbook.model.journal.overlay import Nothing, Overlay
from fillbook.store import Reader, Store, Writer

log: logging.Logger = logging.getLogger("fillbook")


def rebuild_if_outdated(store: Store, at: m.Timestamp) -> bool:
    """
    Rebuild the records if older rules made them; return whether they did.

    Raises: StoreTooNew if newer rules made them.
    """
    with store.read() as reader:
        if not is_outdated(reader):
            return False
    with store.write() as writer:
        if not is_outdated(writer):
            return False  # another process has rebuilt them meanwhile
        log.info("the records are rebuilt from %s journal entries", writer.last())
        idle = {x.client_order_id for x in writer.all(m.OrderRecord) if x.order.pending is None}
        writer.record(m.Rebuilt(RULES), at, difference(replay(writer), writer))
        for entry in _close_forgotten(writer, idle):
            writer.record(entry, at, apply(entry, writer.last() + 1, at, writer))
    return True


def _close_forgotten(reader: Reader, idle: Collection[str]) -> list[m.Entry]:
    """
    Close the instructions that release 0.1 considered done, with one alert that lists them.

    Release 0.1 dropped a cancel after any reply, or if it was not sent.  Such a cancel is not
    sent later, because the bot no longer expects it.
    """
    entries: list[m.Entry] = []
    forgotten: list[str] = []
    for record in reader.all(m.OrderRecord):
        name = record.client_order_id
        if name in idle and record.order.pending is not None:
            open_numbers = [x.number for x in record.instructions if x.closed is None]
            why = "closed when the record was rebuilt: release 0.1 considered it done"
            entries += [m.InstructionClosed(name, number, why) for number in open_numbers]
            forgotten.append(name)
    if forgotten:
        text = (
            f"{len(forgotten)} orders are open whose cancel or change release 0.1 considered done: "
            f"{', '.join(forgotten)}. Cancel those that should not be open"
        )
        entries.append(m.Alerted(m.Alert(m.AlertKind.CANCEL_REFUSED, "account", text)))
    return entries


def is_outdated(reader: Reader) -> bool:
    """Return whether older rules made the records. Raises: StoreTooNew if newer rules did."""
    bound = reader.get(m.Binding, "account")
    if bound is not None and bound.rules > RULES:
        raise StoreTooNew(
            f"a newer fillbook wrote these records (rules {bound.rules}; this one has {RULES}); "
            "update fillbook"
        )
    return bound is not None and bound.rules < RULES


def replay(reader: Reader) -> Overlay:
    """
    Derive the records from the journal by the current rules.

    Raises: StoreDamaged if entries are missing.
    """
    records = Overlay(Nothing())
    for expected, x in enumerate(reader.journal(), start=1):
        if x.number != expected:
            raise StoreDamaged(f"entries {expected} to {x.number - 1} of the journal are missing")
        records.apply(apply(x.entry, x.number, x.at, records))
    return records


def derive(
    writer: Writer,
    stored: Collection[tuple[type[Any], str]],
    damaged: Collection[tuple[type[Any], str]],
    at: m.Timestamp,
) -> None:
    """
    Derive every record from the journal again, also those whose row cannot be read.

    *stored* are the types and keys of all rows; *damaged* of those that cannot be read: events are
    changed only where they are damaged.  Raises: StoreDamaged if the journal is damaged.
    """
    records = replay(writer)
    rows = {(kind.type, kind.key(x)): x for kind in KINDS for x in records.all(kind.type)}
    changed = {x for x in {*rows, *stored} if x[0] is not m.Event or x in damaged}
    put = tuple(x for name, x in rows.items() if name in changed)
    writer.record(m.Rebuilt(RULES), at, m.Changes(put, tuple(changed - rows.keys())))


def difference(records: Overlay, before: Reader) -> m.Changes:
    """Return the changes that turn the records *before* into *records*; events stay."""
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
