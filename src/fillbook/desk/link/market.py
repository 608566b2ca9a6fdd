"""
The market: instruments, sessions and quotes, read from the broker as needed.

An instrument is read once per symbol and day, the calendar once per day, a quote each time.  That
a symbol has no instrument or no quote is not cached: it may be listed or quoted at any time, and
the next order reads it again.  What was not observed is None, and its checks are skipped (promise
P6).  A fill or a cost basis is never used as a price.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.checks.risk import period_of
from fillbook.core.symbol_names import resolve, similar_to
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings

log: logging.Logger = logging.getLogger("fillbook")
#: The length of the calendar that is read; no market is closed for longer.
_CALENDAR_LENGTH: Final = timedelta(days=7)


class Market:
    """Reads instruments, sessions and quotes, and caches what is valid for the day."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, clock: Clock, settings: Settings
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._clock = clock
        self._prices = settings.prices
        self._quote_age_max = period_of(settings.limits.quote_age_max_s)
        #: By name: the day, the instrument, and whether it is recorded.
        self._instruments: dict[str, tuple[date, m.Instrument, bool]] = {}
        #: The day, and every symbol that the broker lists; they are read for a message only.
        self._symbols: tuple[date | None, frozenset[str]] = (None, frozenset())
        self._calendar: tuple[date, tuple[m.Session, ...]] | None = None

    def instrument(self, symbol: str, *, write: bool = True) -> m.Instrument | m.Absent | None:
        """Return the instrument of *symbol* as listed today; *write* records it."""
        today = self._clock.now().date()
        known = self._instruments.get(symbol)
        if known is not None and known[0] == today and (known[2] or not write):
            return known[1]
        if not self._gateway.broker.capabilities.instrument:
            return self._recorded_instrument(symbol)
        if known is not None and known[0] == today:
            listed = known[1]
        else:
            answer = self._gateway.look_up(
                "instrument", lambda: self._gateway.broker.instrument(symbol)
            )
            if isinstance(answer, m.Absent):
                return evolve(answer, similar=similar_to(symbol, self._listed()))
            if isinstance(answer, m.NotObserved):
                return self._recorded_instrument(symbol)
            listed = answer.value
        if write:
            self._recorder.record(m.InstrumentListed(listed))
        for name in {symbol, listed.symbol}:
            self._instruments[name] = (today, listed, write)
        return listed

    def _listed(self) -> frozenset[str]:
        """Return the symbols that the broker lists, read once a day; none: it has no list."""
        today, broker = self._clock.now().date(), self._gateway.broker
        if broker.capabilities.instruments and self._symbols[0] != today:
            found = set[str]()
            for kind in (m.AssetClass.EQUITY, m.AssetClass.CRYPTO):
                answer = self._gateway.pages("instruments", partial(broker.instruments, kind))
                if isinstance(answer, m.Observed):
                    found |= {x.symbol for x in answer.value if x.tradable}
            self._symbols = (today, frozenset(found))
        return self._symbols[1]

    def now(self) -> m.Timestamp:
        """Return the time of our clock."""
        return m.timestamp(self._clock.now())

    def _recorded_instrument(self, symbol: str) -> m.Instrument | None:
        with self._recorder.store.read() as reader:
            return reader.get(m.Instrument, symbol)

    def session(self) -> m.Session | None:
        """Return the current session, extended hours included, or the next one."""
        now = self._clock.now()
        return next((x for x in self._sessions(now) if x.extended_closes > now), None)

    def regular_session(self) -> m.Session | None:
        """Return the session whose regular hours are now, or come next."""
        now = self._clock.now()
        return next((x for x in self._sessions(now) if x.closes > now), None)

    def _sessions(self, now: datetime) -> Sequence[m.Session]:
        """Return the sessions from yesterday on, read once a day; (): they could not be read."""
        calendar = self._calendar
        if calendar is None or calendar[0] != now.date():
            if not self._gateway.broker.capabilities.sessions:
                return ()
            first = now.date() - timedelta(days=1)  # the exchange may be in a time zone behind UTC
            broker = self._gateway.broker
            answer = self._gateway.read(
                "sessions", lambda: broker.sessions(first, first + _CALENDAR_LENGTH)
            )
            if isinstance(answer, m.NotObserved):
                return ()
            calendar = self._calendar = (now.date(), tuple(answer.value))
        return calendar[1]

    def opens_at(self, symbol: str) -> datetime | None:
        """Return when the market of *symbol* opens; None: it is open, never closes, or unknown."""
        listed, pair = self._instruments.get(symbol), self._gateway.pair(symbol)
        if pairs.is_crypto(None if listed is None else listed[1], pair):
            return None
        session = self.regular_session()
        return None if session is None or session.opens <= self._clock.now() else session.opens

    def quote(self, symbol: str) -> m.Quote | None:
        """Return a fresh quote of the broker, or else of the bot; None if there is none."""
        return self.quotes((symbol,)).get(symbol)

    def read_quote(self, symbol: str) -> m.Quote | m.NotObserved | None:
        """Return what `quote` does, or why the broker's quotes could not be read."""
        found, unread = self._read_quotes((symbol,))
        return found.get(symbol) or unread

    def quotes(self, symbols: Sequence[str]) -> dict[str, m.Quote]:
        """Return the fresh quotes of the broker, by one request; else those of the bot."""
        return self._read_quotes(symbols)[0]

    def _read_quotes(
        self, symbols: Sequence[str]
    ) -> tuple[dict[str, m.Quote], m.NotObserved | None]:
        broker, found, unread = self._gateway.broker, dict[str, m.Quote](), None
        if symbols and broker.capabilities.quotes:
            answer = self._gateway.read("quotes", lambda: broker.quotes(symbols))
            if isinstance(answer, m.NotObserved):
                unread = answer
            else:
                # The age is by the broker's clock if it is reported, because ours may be wrong.
                now = answer.at or self._clock.now()
                found = {x.symbol: x for x in answer.value if self._is_fresh(x, symbols, now)}
        return self._with_bot_quotes(symbols, found), unread

    def latest_quotes(self, symbols: Sequence[str]) -> dict[str, m.Quote]:
        """Return the latest quotes, of any age, by one request; else those of the bot."""
        broker, found = self._gateway.broker, dict[str, m.Quote]()
        if broker.capabilities.quotes:
            answer = self._gateway.read("quotes", lambda: broker.quotes(symbols))
            if not isinstance(answer, m.NotObserved):
                found = {x.symbol: x for x in answer.value if x.symbol in symbols}
        return self._with_bot_quotes(symbols, found)

    def _with_bot_quotes(
        self, symbols: Sequence[str], found: dict[str, m.Quote]
    ) -> dict[str, m.Quote]:
        for symbol in symbols:
            quote = None if symbol in found else self._bot_quote(symbol)
            if quote is not None:
                found[symbol] = quote
        return found

    def _is_fresh(self, quote: m.Quote, symbols: Sequence[str], now: datetime) -> bool:
        return quote.symbol in symbols and now - quote.at <= self._quote_age_max

    def _bot_quote(self, symbol: str) -> m.Quote | None:
        if self._prices is None:
            return None
        try:
            quote = self._prices(symbol)
            if quote is None:
                return None
            with self._recorder.store.read() as reader:  # the bot may use another name
                quote = evolve(quote, symbol=resolve(reader, quote.symbol))
            if not self._is_fresh(quote, (symbol,), self._clock.now()):
                return None
        except Exception:  # it raised, or what it returned is no quote
            log.exception(
                "the price function of the bot failed for %s; its price is not used", symbol
            )
            return None
        return quote
