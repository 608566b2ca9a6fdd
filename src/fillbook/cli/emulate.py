"""`fillbook emulate`: run a broker on this machine, and print how clients connect to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from fillbook.cli import output
from fillbook.clock import AHEAD_VARIABLE, Clock, SystemClock
from fillbook.errors import BadAddress

if TYPE_CHECKING:
    from fillbook.venue import alpaca, coinbase
    from fillbook.venue.exchange import Exchange, Faults

_SESSIONS_AHEAD: Final = timedelta(days=10)
_NEW_YORK: Final = ZoneInfo("America/New_York")

_PORTS: Final = range(65536)
#: Symbols whose price follows a random walk.
_RANDOM_WALKS: Final = ("AAPL", "MSFT", "SPY", "BTC/USD", "ETH/USD")


def emulate(
    what: Annotated[str, Parameter(help="The broker to emulate: alpaca or coinbase.")],
    /,
    *,
    port: Annotated[int, Parameter(help="The port on 127.0.0.1; 0 selects a free port.")] = 0,
    seed: Annotated[int, Parameter(help="Seed of ids, partial fills and faults.")] = 0,
    faults: Annotated[
        str, Parameter(help="Faults to inject, like reply-lost,slow; or random.")
    ] = "",
    rate: Annotated[
        float, Parameter(show_default=True, help="Probability of each of these faults.")
    ] = 0.05,
    bars: Annotated[
        tuple[str, ...],
        Parameter(
            help="SYMBOL=FILE: prices from a CSV of time, open, high, low, close. Repeatable.",
            negative="",
        ),
    ] = (),
    history: Annotated[
        tuple[str, ...],
        Parameter(
            help="SYMBOL=FILE: the bars before now, from a CSV; else a random walk. Repeatable.",
            negative="",
        ),
    ] = (),
    bar_seconds: Annotated[
        float | None, Parameter(help="Duration of each bar; else as in its file.")
    ] = None,
    at: Annotated[
        str | None,
        Parameter(
            help="Begin at that time, like 2026-03-02T10:00 (New York, unless it has a zone), "
            "when the stock market is open; a day alone begins at 10:00. Else now."
        ),
    ] = None,
) -> int:
    """
    Run a broker emulator on this machine, for any of its clients, until Ctrl-C.

    With --at its time goes on from there; bots with fillbook need the variable that it prints.
    """
    _check(what, port, bar_seconds)
    from fillbook.venue.exchange import Faults

    is_random = faults.strip() == "random"
    plan = Faults.random(seed, rate) if is_random else Faults.named(faults, seed=seed, rate=rate)
    files, past = _files("--bars", bars), _files("--history", history)
    made, lines_of = _EMULATED[what]
    clock = SystemClock(_ahead(at))
    emulator = made(seed, plan, port, clock)
    for symbol, path in files.items():
        emulator.exchange.play(symbol, path, bar_s=bar_seconds)
    _load(emulator.exchange, past, quoted=files)
    _walk(emulator.exchange, quoted=files, known=past)
    try:
        _run(emulator, lambda: _with_time(lines_of(emulator), clock))
    except OSError as error:
        why = f"port {port} on 127.0.0.1 is not available ({error.strerror})"
        raise BadAddress(f"{why}; --port 0 selects a free port") from None
    return 0


def _check(what: str, port: int, bar_seconds: float | None) -> None:
    """Raises: BadAddress, for what cannot be emulated so."""
    if what not in _EMULATED:
        raise BadAddress(f"{what!r} cannot be emulated; available: {', '.join(_EMULATED)}")
    if bar_seconds is not None and bar_seconds <= 0:
        raise BadAddress(f"--bar-seconds must be above zero, not {bar_seconds:g}")
    if port not in _PORTS:
        raise BadAddress(f"--port must be from 0 to {_PORTS[-1]}, not {port}")


def _run(emulator: Any, lines_of: Callable[[], Iterable[str]]) -> None:
    """Serve until Ctrl-C; print the lines of the emulator, which has its address now."""
    with emulator:
        try:
            for line in lines_of():
                print(line, flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            output.err.print("stopped")


def _load(exchange: Exchange, past: Mapping[str, str], *, quoted: Collection[str]) -> None:
    """Load the past of each symbol; the prices of those that no file moves go on from there."""
    for symbol, path in past.items():
        exchange.history.load(symbol, path)
        close = exchange.history.last_close(symbol)
        if close is not None and symbol not in quoted:
            exchange.quote(symbol, close, close)


def _walk(exchange: Exchange, *, quoted: Collection[str], known: Collection[str]) -> None:
    """Move the prices that no file moves, and give a past to the symbols without one."""
    for symbol in _RANDOM_WALKS:
        if exchange.instrument(symbol) is None:
            continue
        if symbol not in known:
            exchange.history.walk_back(symbol)
        if symbol not in quoted:
            exchange.walk(symbol)


def _ahead(at: str | None) -> timedelta | None:
    """Return how far *at* is ahead of now; None: as far as the environment says."""
    if at is None:
        return None
    try:
        begins = datetime.fromisoformat(at)
    except ValueError:
        raise BadAddress(f"--at takes a time like 2026-03-02T10:00, not {at!r}") from None
    if len(at) == len("2026-03-02"):
        begins = begins.replace(hour=10)
    if begins.tzinfo is None:
        begins = begins.replace(tzinfo=_NEW_YORK)
    # Whole seconds, as the variable has them; rounded up, so that it is not earlier than asked for.
    return timedelta(seconds=ceil((begins - datetime.now(UTC)).total_seconds()))


def _with_time(lines: Iterable[str], clock: SystemClock) -> list[str]:
    """Return *lines*, and how fillbook has the time of the emulator, if it is another one."""
    title, *settings, last = lines
    if not clock.ahead:
        return [title, *settings, last]
    return [
        title,
        f"It is {clock.now().astimezone(_NEW_YORK):%A, %Y-%m-%d %H:%M} in New York there.",
        *settings,
        f"    export {AHEAD_VARIABLE}={clock.ahead // timedelta(seconds=1)}",
        last,
    ]


def _files(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """Return the file of each symbol.  Raises: BadAddress."""
    pairs = [each.partition("=") for each in given]
    for symbol, equals, path in pairs:
        if not (symbol and equals and path):
            raise BadAddress(
                f"{symbol + equals + path!r} is not SYMBOL=FILE; write {option} AAPL=aapl.csv"
            )
    return {symbol.upper(): path for symbol, _, path in pairs}


def _alpaca(seed: int, plan: Faults, port: int, clock: Clock) -> alpaca.Emulator:
    from fillbook.venue.alpaca import Emulator
    from fillbook.venue.exchange import Exchange

    return Emulator(Exchange(seed=seed, faults=plan, clock=clock), port=port)


def _alpaca_lines(emulator: alpaca.Emulator) -> Iterable[str]:
    """Yield how clients connect; each line can be copied."""
    url, key, secret = emulator.url, emulator.key, emulator.secret
    yield f"Alpaca is emulated at {url}  (Ctrl-C stops it)"
    yield from _hours(emulator.exchange)
    yield from (
        "",
        "alpaca-py:",
        f'    KEY, SECRET = "{key}", "{secret}"',
        f'    TradingClient(KEY, SECRET, url_override="{url}")',
        f'    TradingStream(KEY, SECRET, url_override="{emulator.stream_url}")',
        "    StockHistoricalDataClient(KEY, SECRET,",
        f'        url_override="{url}")',
        f'    CryptoHistoricalDataClient(url_override="{url}")',
        "",
        "alpaca-trade-api, for Python and for JavaScript:",
        f"    export APCA_API_BASE_URL={url}",
        f"    export APCA_API_DATA_URL={url}",
        f"    export APCA_API_KEY_ID={key}",
        f"    export APCA_API_SECRET_KEY={secret}",
        "",
        "fillbook:",
        f"    export ALPACA_API_KEY={key}",
        f"    export ALPACA_SECRET_KEY={secret}",
        f"    fillbook sync --broker alpaca:{url}",
    )


def _coinbase(seed: int, plan: Faults, port: int, clock: Clock) -> coinbase.Emulator:
    from fillbook.venue.coinbase import Emulator, spot_exchange

    return Emulator(spot_exchange(seed=seed, faults=plan, clock=clock), port=port)


def _coinbase_lines(emulator: coinbase.Emulator) -> Iterable[str]:
    """Yield how clients connect; each line can be copied."""
    url, key, secret = emulator.url, emulator.key, emulator.short_secret
    yield from (
        f"Coinbase is emulated at {url}  (Ctrl-C stops it)",
        "",
        "coinbase-advanced-py, which sends HTTPS only (docs/howto/coinbase.md):",
        f'    KEY, SECRET = "{key}", "{secret}"',
        f'    client = RESTClient(KEY, SECRET, base_url="{emulator.authority}")',
        f'    client.session.mount("https://{emulator.authority}", PlainHttp())',
        "",
        "fillbook:",
        f"    export COINBASE_API_KEY={key}",
        f"    export COINBASE_API_SECRET={secret}",
        f"    fillbook sync --broker coinbase:{url}",
    )


def _hours(exchange: Exchange) -> Iterable[str]:
    """Yield a note while the stock market is closed, when stock orders do not fill."""
    now = exchange.now()
    sessions = exchange.sessions(now.date(), now.date() + _SESSIONS_AHEAD)
    if not exchange.is_open():
        opens = next(day.opens for day in sessions if day.opens > now).astimezone(_NEW_YORK)
        yield f"The stock market is closed until {opens:%A %H:%M} in New York; crypto is open."
        yield f"With --at {opens:%Y-%m-%d} it begins in that session."


Maker = Callable[[int, "Faults", int, Clock], Any]
#: The emulator of each broker, and what is printed of it.
_EMULATED: Final[Mapping[str, tuple[Maker, Callable[[Any], Any]]]] = {
    "alpaca": (_alpaca, _alpaca_lines),
    "coinbase": (_coinbase, _coinbase_lines),
}
