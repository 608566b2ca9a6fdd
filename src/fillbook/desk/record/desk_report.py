"""
What only the process of the desk that ticks knows, in a cell that other processes read.

The service shows it as status and metrics.  It is replaced every ten seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.codec import dump, load_or_none
from fillbook.desk.measurements import Count, Histogram, Measurements
from fillbook.model.journal.status import StreamStatus
from fillbook.store import Reader, Store

CELL: Final = "desk-report"


@frozen(kw_only=True)
class DeskReport:
    """
    The stream, the buying power by the last read, and the measurements, of one process.

    `funds` None: the account was not read yet.
    """

    stream: StreamStatus
    funds: m.BuyingPower | None = None
    requests: tuple[Count, ...] = ()
    histograms: tuple[Histogram, ...] = ()


class DeskReports:
    """Writes the report of this process, if it changed."""

    def __init__(
        self,
        store: Store,
        measurements: Measurements,
        now: Callable[[], m.Timestamp],
        stream: Callable[[], tuple[str, int]],
        funds: Callable[[], m.BuyingPower | None],
    ) -> None:
        """*stream* returns the state of the stream and the number of its gaps."""
        self._store = store
        self._measurements = measurements
        self._now = now
        self._stream = stream
        self._funds = funds
        self._last: DeskReport | None = None

    def write(self) -> None:
        """Write the present report."""
        state, gaps = self._stream()
        before = None if self._last is None else self._last.stream
        stream = StreamStatus(state, gaps, self._now())
        if before is not None and (before.state, before.gaps) == (state, gaps):
            stream = before
        report = DeskReport(
            stream=stream,
            funds=self._funds(),
            requests=self._measurements.requests(),
            histograms=self._measurements.histograms(),
        )
        if report != self._last:
            self._last = report
            self._store.swap(CELL, self._store.cell(CELL), dump(report))


def report_in(reader: Reader) -> DeskReport | None:
    """Return the last report of a desk; None: no desk has ticked, or it cannot be read."""
    return load_or_none(DeskReport, reader.cell(CELL))
