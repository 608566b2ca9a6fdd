"""
Rebuild: records that an older release made are made again by the rules of today.

The journal holds what happened and was asked; the records are what `core.journal.apply` makes of
it.  Where the rules have changed since, the journal is replayed and what differs is written in
one transaction.  Events stay as they were: they were delivered.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

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
        idle = {x.client_order_id for x in writer.all(m.OrderRecord) if x.order.pending is None}
        writer.record(m.Rebuilt(RULES), at, difference(replayed(writer), writer))
        for entry in _not_wanted_any_more(writer, idle):
            writer.record(entry, at, apply(entry, writer.last() + 1, at, writer))
    return True


def _not_wanted_any_more(reader: Reader, idle: Collection[str]) -> list[m.Entry]:
    """
    Close the instructions that release 0.1 took for done, with one alert that lists them.

    It forgot a cancel that was answered, or not sent: to send it weeks later would surprise.
    """
    entries: list[m.Entry] = []
    forgotten: list[str] = []
    for record in reader.all(m.OrderRecord):
        name = record.client_order_id
        if name in idle and record.order.pending is not None:
            still = [x.number for x in record.instructions if x.closed is None]
            why = "closed as the record was rebuilt: release 0.1 took it for done"
            entries += [m.InstructionClosed(name, number, why) for number in still]
            forgotten.append(name)
    if forgotten:
        words = (
            f"{len(forgotten)} orders are open whose cancel or change release 0.1 took for done: "
            f"{', '.join(forgotten)}. Cancel those that you do not want"
        )
        entries.append(m.Alerted(m.Alert(m.AlertKind.CANCEL_REFUSED, "account", words)))
    return entries


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
        records.apply(apply(x.entry, x.number, x.at, records))
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
