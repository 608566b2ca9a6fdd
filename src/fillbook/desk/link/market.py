"""
The market: what is listed, when it trades and at what price, asked of the broker as needed.

An instrument is asked for once a symbol and day, the calendar once a day, a price each time.
What was not observed is None, and checks nothing (promise P6).  A fill or a cost basis is
never a price.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Prices

log = logging.getLogger("fillbook")
#: The calendar is read so far ahead: no market is shut for longer.
_AHEAD: Final = timedelta(days=7)


class Market:
    """Asks, and remembers what holds for the day."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        clock: Clock,
        *,
        prices: Prices | None,
        quote_age_max: timedelta,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._clock = clock
        self._prices = prices
        self._quote_age_max = quote_age_max
        self._listed: dict[str, tuple[date, m.Instrument]] = {}
        self._calendar: tuple[date, tuple[m.Session, ...]] | None = None

    def instrument(self, symbol: str, *, keep: bool = True) -> m.Instrument | m.Absent | None:
        """What the broker says of *symbol* today; *keep* writes it into the record."""
        today = self._clock.now().date()
        known = self._listed.get(symbol)
        if known is not None and known[0] == today:
            return known[1]
        if not self._gateway.broker.capabilities.instrument:
            return self._recorded(symbol)
        answer = self._gateway.look_up(
            "instrument", lambda: self._gateway.broker.instrument(symbol)
        )
        if isinstance(answer, m.Absent):
            return answer
        if isinstance(answer, m.NotObserved):
            return self._recorded(symbol)
        if keep:
            self._recorder.record(m.InstrumentListed(answer.value))
            self._listed[symbol] = (today, answer.value)
        return answer.value

    def _recorded(self, symbol: str) -> m.Instrument | None:
        with self._recorder.store.read() as reader:
            return reader.get(m.Instrument, symbol)

    def session(self) -> m.Session | None:
        """The session under way, extended hours included, or the next one."""
        now = self._clock.now()
        calendar = self._calendar
        if calendar is None or calendar[0] != now.date():
            if not self._gateway.broker.capabilities.sessions:
                return None
            first = now.date() - timedelta(days=1)  # where the exchange is, it may be yesterday
            broker = self._gateway.broker
            answer = self._gateway.read("sessions", lambda: broker.sessions(first, first + _AHEAD))
            if isinstance(answer, m.NotObserved):
                return None
            calendar = self._calendar = (now.date(), tuple(answer.value))
        return next((x for x in calendar[1] if x.extended_closes > now), None)

    def quote(self, symbol: str) -> m.Quote | None:
        """A fresh quote: the broker's if it can tell, else the bot's own; None without one."""
        return self._theirs(symbol) or self._bots(symbol)

    def _theirs(self, symbol: str) -> m.Quote | None:
        broker = self._gateway.broker
        if not broker.capabilities.quotes:
            return None
        answer = self._gateway.read("quotes", lambda: broker.quotes([symbol]))
        if isinstance(answer, m.NotObserved):
            return None
        # Its age is measured by the broker's own clock, where that is told: ours may be off.
        now = answer.at or self._clock.now()
        return next((x for x in answer.value if self._is_of_use(x, symbol, now)), None)

    def _is_of_use(self, quote: m.Quote, symbol: str, now: datetime) -> bool:
        return quote.symbol == symbol and now - quote.at <= self._quote_age_max

    def _bots(self, symbol: str) -> m.Quote | None:
        if self._prices is None:
            return None
        try:
            quote = self._prices(symbol)
            if quote is None or not self._is_of_use(quote, symbol, self._clock.now()):
                return None
        except Exception:  # what it raises, or what it gives for a quote
            log.exception("the bot's own prices of %s are of no use", symbol)
            return None
        return quote
