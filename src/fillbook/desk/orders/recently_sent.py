"""
The orders that were sent recently by any process, read from the end of the journal.

The result is cached: each transaction reads only the entries that were written since the last one.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import SentOrder
from fillbook.core.checks.risk import DAY
from fillbook.store import Reader

#: The first step of the search backward, in entries; it doubles each time.
_FIRST_STEP: Final = 64
_NOT_ACCEPTED: Final = frozenset({m.AnswerKind.REJECTED, m.AnswerKind.NOT_SENT})


class RecentOrders:
    """The orders that were sent recently; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: m.Timestamp | None = None  # the cache is complete from here on
        self._number = 0
        self._sent: dict[str, SentOrder] = {}

    def sent(self, reader: Reader, at: m.Timestamp, period: timedelta) -> tuple[SentOrder, ...]:
        """Return the orders sent within *period* (≤ 1 day) before *at*, oldest first."""
        if not period:
            return ()
        since = m.timestamp(m.moment(at) - period)
        with self._lock:
            if self._since is None or since < self._since or reader.last() < self._number:
                self._since, self._number, self._sent = (
                    since,
                    last_number_before(reader, since),
                    {},
                )
            self._read_journal(reader)
            oldest = m.timestamp(m.moment(at) - DAY)
            self._sent = {name: x for name, x in self._sent.items() if x.at >= oldest}
            return tuple(x for x in self._sent.values() if x.at >= since)

    def _read_journal(self, reader: Reader) -> None:
        """Read the entries that were written since the last call."""
        for recorded in reader.journal(self._number):
            self._number = recorded.number
            match recorded.entry:
                case m.Commanded(name, m.Command.SEND) if name not in self._sent:
                    record = reader.get(m.OrderRecord, name)
                    if record is not None and record.intent is not None:
                        self._sent[name] = _sent_order(recorded.at, record.intent)
                case m.Answered(name, _, answer) if answer in _NOT_ACCEPTED:
                    self._drop_if_not_accepted(reader, name)

    def _drop_if_not_accepted(self, reader: Reader, name: str) -> None:
        """Drop an order that the broker certainly did not accept."""
        record = reader.get(m.OrderRecord, name)
        if record is not None and not record.ids and record.verdict is not None:
            self._sent.pop(name, None)


def _sent_order(at: m.Timestamp, intent: m.Intent) -> SentOrder:
    opens = intent.reserve is None or intent.reserve.opens
    return SentOrder(at, intent.wish, intent.key, intent.worth, opens=opens)


def last_number_before(reader: Reader, since: m.Timestamp) -> int:
    """Return the number of an entry such that all entries up to it are before *since*."""
    number, step = reader.last(), _FIRST_STEP
    while number > 0:
        number, step = max(0, number - step), step * 2
        first = next(reader.journal(number), None)
        if first is not None and first.at < since:
            return number
    return 0
