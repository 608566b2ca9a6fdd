"""
What was sent lately, read off the end of the journal: by this process or any other.

The journal is the history, so nothing more is kept; what was read once is remembered, and
each transaction reads only what was written since.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import SentOrder
from fillbook.core.checks.risk import DAY
from fillbook.store import Reader

#: The way back is first tried so many entries at a time.
_STEP: Final = 64
_NOT_THERE: Final = frozenset({m.AnswerKind.REJECTED, m.AnswerKind.NOT_SENT})


class Recent:
    """The orders that were sent lately; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: m.Timestamp | None = None  # from here on nothing is missing
        self._number = 0
        self._sent: dict[str, SentOrder] = {}

    def sent(self, reader: Reader, at: m.Timestamp, length: timedelta) -> tuple[SentOrder, ...]:
        """What was sent within *length* (≤ a day) before *at*, oldest first."""
        if not length:
            return ()
        since = m.timestamp(m.moment(at) - length)
        with self._lock:
            if self._since is None or since < self._since or reader.last() < self._number:
                self._since, self._number, self._sent = since, _before(reader, since), {}
            self._follow(reader)
            oldest = m.timestamp(m.moment(at) - DAY)
            self._sent = {name: x for name, x in self._sent.items() if x.at >= oldest}
            return tuple(x for x in self._sent.values() if x.at >= since)

    def _follow(self, reader: Reader) -> None:
        """Take up what was written since, in order."""
        for recorded in reader.journal(self._number):
            self._number = recorded.number
            match recorded.entry:
                case m.Commanded(name, m.Command.SEND) if name not in self._sent:
                    record = reader.get(m.OrderRecord, name)
                    if record is not None and record.intent is not None:
                        intent = record.intent
                        sent = SentOrder(recorded.at, intent.wish, intent.key, intent.worth)
                        self._sent[name] = sent
                case m.Answered(name, _, answer) if answer in _NOT_THERE:
                    self._forget(reader, name)

    def _forget(self, reader: Reader, name: str) -> None:
        """An order that was definitely not taken counts for nothing."""
        record = reader.get(m.OrderRecord, name)
        if record is not None and not record.ids and record.verdict is not None:
            self._sent.pop(name, None)


def _before(reader: Reader, since: m.Timestamp) -> int:
    """The number of an entry before which nothing is younger than *since*."""
    number, step = reader.last(), _STEP
    while number > 0:
        number, step = max(0, number - step), step * 2
        first = next(reader.journal(number), None)
        if first is not None and first.at < since:
            return number
    return 0
