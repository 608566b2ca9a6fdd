"""
Rebuild from the broker: the last resort for a record that no repair sets right.

A copy of the record is kept beside it.  Then plans are stopped, disputes end with the figures that
are counted now, external orders get the strategy that their client ids name, and every difference
takes the broker's figure.  What only the record knows stays: keys, unconfirmed orders, orders that
are watched because they may land late, and protections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from fillbook import model as m
from fillbook.core.orders.client_ids import tag_of
from fillbook.desk.plans.executor import Executor
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.recorder import Recorder
from fillbook.store import Copied, Reader

_WHY = "the record was rebuilt from the broker"


class RecordRebuild:
    """Rebuilds the record."""

    def __init__(self, recorder: Recorder, reconciler: Reconciler, executor: Executor) -> None:
        self._recorder = recorder
        self._reconciler = reconciler
        self._executor = executor

    def rebuild(self, since: date | None, *, dry_run: bool) -> m.RebuildReport:
        """
        Rebuild the record; nothing is changed if the account cannot be read.

        Raises: AccountChanged; StoreUnavailable if the copy cannot be written.
        """
        if dry_run:
            return self._preview()
        first = self._reconciler.sync(since)
        if first.unobserved is not None:
            return m.RebuildReport(verdict=first.verdict, at=first.at, unobserved=first.unobserved)
        archive = self._copy()
        stopped = self._executor.stop_all(_WHY)
        with self._recorder.transaction() as transaction:
            disputes = _disputes(transaction.reader)
            assigned = _tagged(transaction.reader)
            transaction.record(
                *(m.DisputeSettled(x.broker_order_id, None) for x in disputes),
                *(m.Assigned(strategy, client_order_id=name) for name, strategy in assigned),
            )
        last = self._reconciler.sync(adopt=True)
        return m.RebuildReport(
            verdict=last.verdict,
            at=last.at,
            archive=None if archive is None else str(archive),
            stopped=stopped,
            settled=_names(disputes),
            assigned=assigned,
            merged=first.merged + last.merged,
            adopted=last.adopted,
            left=last.left,
            unobserved=last.unobserved,
        )

    def _preview(self) -> m.RebuildReport:
        found = self._reconciler.check()
        with self._recorder.store.read() as reader:
            return m.RebuildReport(
                verdict=found.verdict,
                at=found.at,
                stopped=tuple(x.plan_id for x in reader.find(m.Plan, "open", "yes")),
                settled=_names(_disputes(reader)),
                assigned=_tagged(reader),
                merged=found.merged,
                adopted=found.left,
                unobserved=found.unobserved,
            )

    def _copy(self) -> Path | None:
        store = self._recorder.store
        return store.copy() if isinstance(store, Copied) else None


def _disputes(reader: Reader) -> list[m.Evidence]:
    """Return the evidence of every disputed order."""
    return [
        evidence
        for record in reader.find(m.OrderRecord, "open", "yes")
        if record.order.status is m.OrderStatus.DISPUTED
        for evidence in reader.find(m.Evidence, "client_order_id", record.client_order_id)
    ]


def _names(evidence: Sequence[m.Evidence]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(x.client_order_id for x in evidence))


def _tagged(reader: Reader) -> tuple[tuple[str, str], ...]:
    """Return the external orders whose client id names a strategy, with that strategy."""
    records = reader.all(m.OrderRecord)
    known = {tag_of(x.client_order_id): x.strategy for x in records if x.strategy}
    return tuple(_assignments(records, known))


def _assignments(
    records: Sequence[m.OrderRecord], known: dict[str | None, str]
) -> Iterator[tuple[str, str]]:
    for record in records:
        tag = tag_of(record.client_order_id)
        is_free = record.strategy is None and not record.assigned
        if record.origin is m.Origin.EXTERNAL and tag is not None and is_free:
            yield record.client_order_id, known.get(tag, tag)
