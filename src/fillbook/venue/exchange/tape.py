"""Scheduled quotes: a random walk, a script, or bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.exchange.market.bars import Bar, quotes_of
from fillbook.venue.exchange.market.matching import Prices, tick_at
from fillbook.venue.exchange.state import ExchangeState

_BPS: Final = Decimal("0.0001")


class Tape:
    """Schedules quotes; *quote* sets the quote of a symbol and matches its orders."""

    def __init__(self, state: ExchangeState, quote: Callable[[str, Prices], None]) -> None:
        self._state = state
        self._time = state.timeline
        self._quote = quote

    def walk(self, symbol: str, step_bps: int, every_s: float) -> None:
        """Move the price by a random step of at most *step_bps* every *every_s* seconds."""
        tick = tick_at(Decimal(1), self._state.instruments[symbol].price_increment)

        def step() -> None:
            old = self._state.price(symbol)
            factor = 1 + self._state.walk_random.randint(-step_bps, step_bps) * _BPS
            bid = max(tick, m.cut(old.bid * factor, tick))
            self._quote(symbol, Prices(bid, bid + old.ask - old.bid))
            self._time.call_later(every_s, step)

        self._time.call_later(every_s, step)

    def script(self, quotes: Iterable[tuple[float, str, Prices]]) -> None:
        """Schedule *quotes*: (seconds from now, symbol, prices), in any order."""
        started = self._time.elapsed
        rest = iter(sorted(quotes, key=lambda quote: quote[0]))

        def schedule_next() -> None:
            # One at a time, so that a long script does not fill the event queue.
            if (row := next(rest, None)) is None:
                return
            seconds, symbol, prices = row

            def set_quote() -> None:
                self._quote(symbol, prices)
                schedule_next()

            elapsed = (self._time.elapsed - started).total_seconds()
            self._time.call_later(seconds - elapsed, set_quote)

        schedule_next()

    def play(self, symbol: str, bars: Sequence[Bar], spread_bps: Decimal) -> None:
        """Schedule the quotes of *bars*, from now or from the time of the first bar if later."""
        tick = self._state.instruments[symbol].price_increment
        delay = max(0.0, (bars[0].at - self._time.now()).total_seconds())
        self.script(
            (delay + after.total_seconds(), symbol, prices)
            for after, prices in quotes_of(bars, spread_bps, tick)
        )
