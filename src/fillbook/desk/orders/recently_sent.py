"""
The orders that were sent recently by any process.

The result is cached: each transaction reads only the orders that were sent since the last one, and
those that the broker may not have accepted.
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
#: The orders that are read at once.
_PAGE: Final = 256
_NOT_ACCEPTED: Final = frozenset({m.AnswerKind.REJECTED, m.AnswerKind.NOT_SENT})


class RecentOrders:
    """The orders that were sent recently; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: m.Timestamp | None = None  # the cache is complete from here on
        self._number = 0  #: the newest entry that sent one of the orders in the cache
        self._sent: dict[str, SentOrder] = {}
        self._unconfirmed: set[str] = set()  #: those that the broker may not have accepted

    def sent(self, reader: Reader, at: m.Timestamp, period: timedelta) -> tuple[SentOrder, ...]:
        """Return the orders sent within *period* (≤ 1 day) before *at*, oldest first."""
        if not period:
            return ()
        since = m.timestamp(m.moment(at) - period)
        with self._lock:
            if self._since is None or since < self._since or reader.last() < self._number:
                self._since, self._number = since, last_number_before(reader, since)
                self._sent, self._unconfirmed = {}, set()
            self._read_sent(reader)
            for name in tuple(self._unconfirmed):
                self._update(reader.get(m.OrderRecord, name), name)
            oldest = m.timestamp(m.moment(at) - DAY)
            self._sent = {name: x for name, x in self._sent.items() if x.at >= oldest}
            self._unconfirmed &= self._sent.keys()
            return tuple(x for x in self._sent.values() if x.at >= since)

    def _read_sent(self, reader: Reader) -> None:
        """Read the orders that were sent since the last call."""
        while True:
            after = f"{self._number:012d}"
            page = reader.page(m.OrderRecord, "sent", after=after, limit=_PAGE)
            for record in page:
                name, sends = record.client_order_id, _sends(record)
                self._number = sends[-1].entry
                if name not in self._sent and record.intent is not None:
                    self._sent[name] = _sent_order(_sent_at(sends), record.intent)
                    self._unconfirmed.add(name)
            if len(page) < _PAGE:
                return

    def _update(self, record: m.OrderRecord | None, name: str) -> None:
        """Drop an order that the broker certainly did not accept; confirm one that it has."""
        if record is not None and record.ids:
            self._unconfirmed.discard(name)
        elif record is not None and record.verdict is not None and _is_refused(_sends(record)[-1]):
            self._sent.pop(name, None)


def _sends(record: m.OrderRecord) -> list[m.Request]:
    return [x for x in record.requests if x.command is m.Command.SEND]


def _sent_at(sends: list[m.Request]) -> m.Timestamp:
    """Return when an order was sent first, after the last time that it was refused."""
    refused = [number for number, x in enumerate(sends[:-1]) if _is_refused(x)]
    return sends[refused[-1] + 1 if refused else 0].at


def _is_refused(sent: m.Request) -> bool:
    return sent.answer in _NOT_ACCEPTED


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
