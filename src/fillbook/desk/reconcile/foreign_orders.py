"""
Foreign orders: the alert that another record of this account has orders of fillbook.

An order with our prefix whose intent is not in this record was placed by another record, or this
one lost its entries.  One alert a day for each owner (the strategy that the client order id shows)
is an entry of the transaction that records the first of its orders; the owners are kept in a cell.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.codec import dump, load_or_none
from fillbook.core.orders.client_ids import tag_of
from fillbook.desk.record.recorder import Transaction

_CELL: Final = "foreign-owners"
#: Orders of the same owner are alerted again after this time.
PERIOD: Final = timedelta(days=1)


@frozen
class ForeignOwners:
    """When each owner was alerted, as (owner, time)."""

    alerted: tuple[tuple[str, m.Timestamp], ...] = ()


def foreign_order_alerts(transaction: Transaction) -> list[m.Alert]:
    """Return the alerts for the foreign orders that *transaction* recorded, one an owner."""
    found = {owner: name for name in reversed(_foreign(transaction)) for owner in [_owner(name)]}
    if not found:
        return []
    now = m.moment(transaction.at)
    known = load_or_none(ForeignOwners, transaction.reader.cell(_CELL)) or ForeignOwners()
    recent = tuple(x for x in known.alerted if now - _moment(x) < PERIOD)
    alerted = {owner for owner, _ in recent}
    new = {owner: name for owner, name in found.items() if owner not in alerted}
    if new:
        added = tuple((owner, transaction.at) for owner in new)
        transaction.reader.set_cell(_CELL, dump(evolve(known, alerted=(*recent, *added))))
    return [_alert(owner, name) for owner, name in new.items()]


def _foreign(transaction: Transaction) -> list[str]:
    """Return the client order ids of the foreign orders that were reported, without a strategy."""
    names = []
    for entry in transaction.recorded:
        report = entry.report if isinstance(entry, m.Reported) else None
        if report is None or not (report.client_order_id or "").startswith(m.ID_PREFIX):
            continue
        evidence = transaction.reader.get(m.Evidence, report.broker_order_id)
        name = "" if evidence is None else evidence.client_order_id
        record = transaction.reader.get(m.OrderRecord, name)
        is_foreign = record is not None and record.origin is m.Origin.EXTERNAL
        if record is not None and is_foreign and record.strategy is None:
            names.append(record.client_order_id)
    return names


def _moment(alerted: tuple[str, m.Timestamp]) -> datetime:
    return m.moment(alerted[1])


def _owner(client_order_id: str) -> str:
    tag = tag_of(client_order_id.partition("?")[0])
    return m.ID_PREFIX if tag is None else f"{m.ID_PREFIX}{tag}"


def _alert(owner: str, name: str) -> m.Alert:
    text = (
        f"order {name}, and perhaps others that begin with {owner}, was created by fillbook but is "
        "not in this record: another record of this account exists, or entries of this one were "
        "lost. Two bots on one account need one store; if this record was restored or lost, "
        "`fillbook rebuild` gives such orders their strategies"
    )
    return m.Alert(m.AlertKind.FOREIGN_PREFIX, owner, text)
