"""
The price history of each symbol, from which the market data of a venue is made.

A quote counts as one trade at its middle, of `SHARES` shares or one unit of a pair, because the
exchange has no other traders.  Shares trade only while a session is open, extended hours
included.  Bars of a past before the exchange began come from a CSV file (`load`) or from a
random walk (`walk_back`).
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from attrs import define, frozen

from fillbook import model as m
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.market.bars import Bar, Source, read_bars
from fillbook.venue.exchange.market.matching import Prices, is_crypto, tick_at
from fillbook.venue.exchange.market.timeframe import DAY, Timeframe, day_start, day_zone

if TYPE_CHECKING:
    from fillbook.venue.exchange.state import ExchangeState

SHARES: Final = Decimal(100)  #: the size of a trade in a share
UNITS: Final = Decimal(1)  #: the size of a trade in a pair

_MINUTE: Final = timedelta(minutes=1)
_A_DAY: Final = timedelta(days=1)
_DAILY: Final = timedelta(hours=20)  #: bars of a file that are further apart are of whole days
_QUOTES_OF_A_BAR: Final = 4
_BPS: Final = Decimal("0.0001")
#: The past of `walk_back`: its days, those of them in minutes, and the largest steps in bps.
_DAYS, _DAYS_IN_MINUTES = 400, 5
_MINUTE_BPS, _DAY_BPS = 4, 150


@define
class TradeBar:
    """
    The trades from `at` on: the first, highest, lowest and last price, all > 0.

    `volume` is in units, `value` is the sum of price × size in the quote currency, and `trades`
    is their number.
    """

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    value: Decimal
    trades: int

    @property
    def average(self) -> Decimal:
        """The price, weighted by volume; the last price of a bar without volume."""
        return self.value / self.volume if self.volume else self.close

    def add_trade(self, price: Decimal, size: Decimal) -> None:
        """Add one trade, > 0."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += size
        self.value += price * size
        self.trades += 1

    def add(self, later: TradeBar) -> None:
        """Add the trades of *later* to this bar."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.value += later.value
        self.trades += later.trades


@frozen
class Trade:
    """The latest trade of a symbol; `number` counts its trades from 1."""

    at: datetime
    price: Decimal
    size: Decimal
    number: int


class History:
    """The bars and the latest trade of each symbol of one exchange."""

    def __init__(self, state: ExchangeState, seed: int) -> None:
        self._state = state
        self._seed = seed
        self._began = state.timeline.now()
        self._minutes: dict[str, list[TradeBar]] = {}
        self._days: dict[str, list[TradeBar]] = {}  # days that are known as a whole only
        #: The time, the price and the number of the latest trade.
        self._latest: dict[str, tuple[datetime, Decimal, int]] = {}

    def record(self, symbol: str, prices: Prices) -> None:
        """Record the quote *prices* as a trade, unless *symbol* does not trade now."""
        now, price, size = self._state.timeline.now(), prices.mid, _size(symbol)
        rows = self._minutes.setdefault(symbol, [])
        if not rows or now - rows[-1].at >= _MINUTE:
            if not is_crypto(symbol) and not sessions.is_extended(now):
                return
            minute = now.replace(second=0, microsecond=0)
            rows.append(TradeBar(minute, price, price, price, price, size, price * size, 1))
        else:
            rows[-1].add_trade(price, size)
        number = self._latest[symbol][2] + 1 if symbol in self._latest else 1
        self._latest[symbol] = now, price, number

    def rename(self, old: str, new: str) -> None:
        """Give *new* the history of *old*."""
        for kept in (self._minutes, self._days):
            kept[new] = kept.pop(old, [])
        if old in self._latest:
            self._latest[new] = self._latest.pop(old)

    # ------------------------------------------------------------------ views

    def latest_trade(self, symbol: str) -> Trade:
        """Return the latest trade; before the first one, the quote at which *symbol* began."""
        with self._state.timeline.locked():
            first = self._began, self._state.price(symbol).mid, 0
            at, price, number = self._latest.get(symbol, first)
            return Trade(at, price, _size(symbol), number)

    def last_close(self, symbol: str) -> Decimal | None:
        """Return the last price of the past that was loaded; None: nothing was."""
        with self._state.timeline.locked():
            past = [*self._days.get(symbol, []), *self._minutes.get(symbol, [])]
            closes = [
                row.close for row in past if row.at < self._began.replace(second=0, microsecond=0)
            ]
            return closes[-1] if closes else None

    def latest_minute(self, symbol: str) -> TradeBar | None:
        """Return the latest complete minute; the current one if no other has a trade."""
        with self._state.timeline.locked():
            rows = self._minutes.get(symbol, [])
            return (self._complete(rows) or rows)[-1] if rows else None

    def bars(
        self, symbol: str, timeframe: Timeframe, first: datetime, last: datetime
    ) -> list[TradeBar]:
        """Return the bars that begin from *first* to *last*, both included, oldest first."""
        with self._state.timeline.locked():
            zone = _zone(symbol)
            begin = timeframe.start_of(first, zone)
            rows = (self._daily if timeframe.is_daily else self._intraday)(symbol, begin)
            found = _grouped(rows, lambda row: timeframe.start_of(row.at, zone))
            return [bar for bar in found if first <= bar.at <= last]

    def _complete(self, rows: list[TradeBar]) -> list[TradeBar]:
        """Return *rows* without the minute that is not over."""
        is_over = not rows or rows[-1].at + _MINUTE <= self._state.timeline.now()
        return rows if is_over else rows[:-1]

    def _intraday(self, symbol: str, begin: datetime) -> Iterable[TradeBar]:
        return _since(self._complete(self._minutes.get(symbol, [])), begin)

    def _daily(self, symbol: str, begin: datetime) -> Iterable[TradeBar]:
        """Yield the bars of whole days; those of shares have the regular session's trades."""
        days = self._days.get(symbol, [])
        yield from _since(days, begin)
        zone = _zone(symbol)
        rest = begin
        if days:
            after = days[-1].at.astimezone(zone).date() + _A_DAY
            rest = max(begin, day_start(after, zone))
        minutes = (
            row
            for row in _since(self._minutes.get(symbol, []), rest)
            if is_crypto(symbol) or sessions.is_regular(row.at)
        )
        yield from _grouped(minutes, lambda row: DAY.start_of(row.at, zone))

    # ------------------------------------------------------------------- past

    def load(self, symbol: str, source: Source) -> None:
        """
        Set the bars of *symbol* before now to those of a CSV file, or of its lines.

        The columns are those of `Exchange.play`, and `volume` if there is one.  Bars that are
        not over are left out: `play` quotes them.  Bars of whole days are of the day that their
        time names.  A symbol that is not listed is listed.
        Raises: InvalidValue, with the line that is not a bar.
        """
        read = read_bars(source)
        with self._state.timeline.locked():
            now, symbol = self._state.timeline.now(), self._state.current_symbol(symbol)
            self._state.list_default(symbol, read[-1].close)
            length = min((b.at - a.at for a, b in pairwise(read)), default=_MINUTE)
            is_daily = length >= _DAILY
            rows = [_of_bar(symbol, bar) for bar in read if bar.at + length <= now]
            for row in rows if is_daily else ():
                row.at = day_start(row.at.astimezone(UTC).date(), _zone(symbol))
            self._set_past(symbol, rows if is_daily else [], [] if is_daily else rows)

    def walk_back(self, symbol: str) -> None:
        """
        Give *symbol* a past of 400 days, the last five in minutes: a random walk to its quote.

        The same seed gives the same steps.
        """
        with self._state.timeline.locked():
            now = self._state.timeline.now().replace(second=0, microsecond=0)
            zone = _zone(symbol)
            today = now.astimezone(zone).date()
            days = [day for n in range(_DAYS) if _trades(symbol, day := today - n * _A_DAY)]
            times = [at for day in days[:_DAYS_IN_MINUTES] for at in _minutes_of(symbol, day)]
            price = self._state.price(symbol).mid
            tick = tick_at(price, self._state.instruments[symbol].price_increment)
            walk = _Walk(random.Random(f"{self._seed}:past:{symbol}"), symbol, price, tick)
            minutes = [walk.back(at, _MINUTE_BPS) for at in times if at < now]
            starts = [day_start(day, zone) for day in days[_DAYS_IN_MINUTES:]]
            whole = [walk.back(at, _DAY_BPS) for at in starts]
            self._set_past(symbol, whole[::-1], minutes[::-1])

    def _set_past(self, symbol: str, days: list[TradeBar], minutes: list[TradeBar]) -> None:
        own = [row for row in self._minutes.get(symbol, []) if row.at >= self._began - _MINUTE]
        if minutes and own and minutes[-1].at >= own[0].at:
            minutes = minutes[: bisect_left(minutes, own[0].at, key=lambda row: row.at)]
        self._days[symbol], self._minutes[symbol] = days, [*minutes, *own]
        if not own and (rows := minutes or days):
            self._latest[symbol] = rows[-1].at, rows[-1].close, 1


class _Walk:
    """A random walk back in time from *price*."""

    def __init__(self, rng: random.Random, symbol: str, price: Decimal, tick: Decimal) -> None:
        self._random, self._symbol, self._price, self._tick = rng, symbol, price, tick

    def back(self, at: datetime, step_bps: int) -> TradeBar:
        """Return the bar before the previous one."""
        close = self._price
        open_ = self._moved(close, self._random.randint(-step_bps, step_bps))
        high = self._moved(max(open_, close), self._random.randint(0, step_bps))
        low = self._moved(min(open_, close), -self._random.randint(0, step_bps))
        self._price = open_
        bar = Bar(at, open_, high, low, close)
        count = self._random.randint(1, 200)
        return _of_bar(self._symbol, bar, count * _size(self._symbol), count)

    def _moved(self, price: Decimal, bps: int) -> Decimal:
        return max(self._tick, m.cut(price * (1 + bps * _BPS), self._tick))


def _zone(symbol: str) -> ZoneInfo:
    return day_zone(is_crypto=is_crypto(symbol))


def _size(symbol: str) -> Decimal:
    return UNITS if is_crypto(symbol) else SHARES


def _of_bar(
    symbol: str, bar: Bar, volume: Decimal | None = None, trades: int = _QUOTES_OF_A_BAR
) -> TradeBar:
    units = bar.volume if volume is None else volume
    if units is None:
        units = trades * _size(symbol)
    value = units * sum(bar.path) / len(bar.path)
    return TradeBar(bar.at, bar.open, bar.high, bar.low, bar.close, units, value, trades)


def _since(rows: list[TradeBar], begin: datetime) -> list[TradeBar]:
    return rows[bisect_left(rows, begin, key=lambda row: row.at) :]


def _grouped(
    rows: Iterable[TradeBar], start_of: Callable[[TradeBar], datetime]
) -> Iterator[TradeBar]:
    """Yield one bar for the rows of each interval."""
    for at, group in groupby(rows, start_of):
        first, *rest = group
        bar = TradeBar(
            at,
            first.open,
            first.high,
            first.low,
            first.close,
            first.volume,
            first.value,
            first.trades,
        )
        for row in rest:
            bar.add(row)
        yield bar


def _trades(symbol: str, day: date) -> bool:
    return is_crypto(symbol) or sessions.session(day) is not None


def _minutes_of(symbol: str, day: date) -> Iterator[datetime]:
    """Yield the minutes of a day, latest first; of a share, those of the regular session."""
    begin = day_start(day, _zone(symbol))
    end = day_start(day + _A_DAY, _zone(symbol))
    if not is_crypto(symbol) and (session := sessions.session(day)) is not None:
        begin, end = session.opens, session.closes
    while end > begin:
        end -= _MINUTE
        yield end
