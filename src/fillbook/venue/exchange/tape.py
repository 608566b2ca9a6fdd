"""Markets that move by themselves: at random, by a script, by bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.exchange.floor import Floor
from fillbook.venue.exchange.market.bars import Bar, quoted
from fillbook.venue.exchange.market.matching import Prices, tick_at

_BPS: Final = Decimal("0.0001")


class Tape:
    """What is quoted later; *quote* sets a market, and lets trade what can."""

    def __init__(self, floor: Floor, quote: Callable[[str, Prices], None]) -> None:
        self._floor = floor
        self._time = floor.timeline
        self._quote = quote

    def walk(self, symbol: str, step_bps: int, every_s: float) -> None:
        """Take a seeded step of at most *step_bps*, for ever."""
        tick = tick_at(Decimal(1), self._floor.instruments[symbol].price_increment)

        def step() -> None:
            old = self._floor.price(symbol)
            factor = 1 + self._floor.walks.randint(-step_bps, step_bps) * _BPS
            bid = max(tick, m.cut(old.bid * factor, tick))
            self._quote(symbol, Prices(bid, bid + old.ask - old.bid))
            self._time.later(every_s, step)

        self._time.later(every_s, step)

    def script(self, quotes: Iterable[tuple[float, str, Prices]]) -> None:
        """Set markets so many seconds from now, given in any order."""
        begin = self._time.elapsed
        rest = iter(sorted(quotes, key=lambda quote: quote[0]))

        def arm() -> None:
            # One at a time, so that a long script costs nothing before it is played.
            if (row := next(rest, None)) is None:
                return
            seconds, symbol, prices = row

            def happen() -> None:
                self._quote(symbol, prices)
                arm()

            passed = (self._time.elapsed - begin).total_seconds()
            self._time.later(seconds - passed, happen)

        arm()

    def play(self, symbol: str, bars: Sequence[Bar], spread_bps: Decimal) -> None:
        """Quote *bars* from now on, or from their own time if that is still to come."""
        tick = self._floor.instruments[symbol].price_increment
        ahead = max(0.0, (bars[0].at - self._time.now()).total_seconds())
        self.script(
            (ahead + after.total_seconds(), symbol, prices)
            for after, prices in quoted(bars, spread_bps, tick)
        )
