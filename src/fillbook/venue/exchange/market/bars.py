"""
Bars from a CSV file, and their quotes.

Columns are `time`, `open`, `high`, `low`, `close`, and `volume` if known, in any order and case;
other columns are ignored.  A time is ISO 8601 (UTC if it has no offset) or in seconds since 1970.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.errors import InvalidValue, cause
from fillbook.venue.exchange.market.matching import Prices, tick_at

_PRICES: Final = ("open", "high", "low", "close")
_COLUMNS: Final = ("time", *_PRICES)
_VOLUME: Final = "volume"
_SINGLE_BAR: Final = timedelta(minutes=1)  #: the duration of a file's only bar
_BPS: Final = Decimal("0.0001")

Source = str | Path | Iterable[str]


@frozen
class Bar:
    """The prices of a market from `at` until the next bar; all are > 0."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None = None  #: in units; None: unknown

    @property
    def path(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The prices in their assumed order of time."""
        rises = self.close >= self.open
        first, then = (self.low, self.high) if rises else (self.high, self.low)
        return self.open, first, then, self.close


def read_bars(source: Source) -> list[Bar]:
    """
    Read the bars of a file, or of its lines, oldest first.

    Raises: InvalidValue, with the line, if it is not a bar or not after the previous one.
    """
    if not isinstance(source, str | Path):
        return _read(source, "the bars")
    try:
        with open(source, newline="", encoding="utf-8-sig") as lines:
            return _read(lines, str(source))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{source} cannot be read: {cause(error)}") from None


def _read(lines: Iterable[str], name: str) -> list[Bar]:
    rows = csv.reader(lines)
    found: list[Bar] = []
    try:
        columns = _columns(next(rows, []))
        for cells in rows:
            if any(cells):
                found.append(_bar(cells, columns, found[-1] if found else None))
    except (InvalidValue, csv.Error) as error:
        raise InvalidValue(f"{name}, line {max(1, rows.line_num)}: {error}") from None
    if not found:
        raise InvalidValue(f"{name}: the file has no bars")
    return found


def _columns(heads: Sequence[str]) -> dict[str, int]:
    """Return the index of each column."""
    columns = {head.strip().lower(): place for place, head in enumerate(heads)}
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise InvalidValue(
            f"missing columns: {', '.join(missing)}; the first line must name the columns "
            f"{', '.join(_COLUMNS)}"
        )
    return {name: columns[name] for name in (*_COLUMNS, _VOLUME) if name in columns}


def _bar(cells: Sequence[str], columns: dict[str, int], before: Bar | None) -> Bar:
    if len(cells) <= max(columns[name] for name in _COLUMNS):
        raise InvalidValue(f"the line has only {len(cells)} columns")
    texts = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
    at = _time(texts["time"])
    if before is not None and at <= before.at:
        raise InvalidValue(f"{texts['time']} is not later than the previous bar")
    prices = [_price(name, texts[name]) for name in _PRICES]
    bar = evolve(Bar(at, *prices), volume=_volume(texts.get(_VOLUME, "")))
    if bar.high < bar.low:
        raise InvalidValue(f"high {bar.high} is below low {bar.low}")
    for name, price in (("open", bar.open), ("close", bar.close)):
        if not bar.low <= price <= bar.high:
            raise InvalidValue(f"{name} {price} is not between low {bar.low} and high {bar.high}")
    return bar


def _time(text: str) -> datetime:
    try:
        if text.replace(".", "", 1).isdigit():
            return datetime.fromtimestamp(float(text), UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise InvalidValue(f"{text!r} is not a time in ISO 8601 or in seconds since 1970") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _volume(text: str) -> Decimal | None:
    """Return a volume in units; None if the cell is empty."""
    if not text:
        return None
    try:
        volume = m.number(text)
    except InvalidValue:
        raise InvalidValue(f"volume {text!r} is not a number") from None
    if volume < 0:
        raise InvalidValue(f"volume {text} is below zero")
    return volume


def _price(name: str, text: str) -> Decimal:
    try:
        price = m.number(text)
    except InvalidValue:
        raise InvalidValue(f"{name} {text!r} is not a number") from None
    if price <= 0:
        raise InvalidValue(f"{name} {text} is not above zero")
    return price


def with_duration(bars: Sequence[Bar], bar_s: float) -> list[Bar]:
    """Return the same bars, each with a duration of *bar_s* seconds."""
    first, step = bars[0].at, timedelta(seconds=bar_s)
    return [evolve(bar, at=first + n * step) for n, bar in enumerate(bars)]


def quotes_of(
    bars: Sequence[Bar], spread_bps: Decimal, tick: Decimal | None
) -> Iterator[tuple[timedelta, Prices]]:
    """
    Yield the quotes of *bars*, four per bar, each with its time since the first bar began.

    A bar lasts until the next one, and the last bar as long as the previous one.
    """
    lengths = [after.at - here.at for here, after in pairwise(bars)] or [_SINGLE_BAR]
    for bar, length in zip(bars, [*lengths, lengths[-1]], strict=False):
        for quarter, price in enumerate(bar.path):
            yield bar.at - bars[0].at + length * quarter / 4, quote_around(price, spread_bps, tick)


def quote_around(price: Decimal, spread_bps: Decimal, tick: Decimal | None) -> Prices:
    """Return bid and ask, *spread_bps* apart around *price*, in ticks (None: those of shares)."""
    step = tick_at(price, tick)
    half = price * spread_bps * _BPS / 2
    bid, ask = max(step, m.cut(price - half, step)), m.cut(price + half, step)
    return Prices(bid, max(bid, ask if ask >= price + half else ask + step))
