"""`fillbook emulate`: a broker on this machine, and the lines that point a client at it."""

from __future__ import annotations

import threading

from fillbook.cli import show
from fillbook.errors import BadAddress, ExtraMissing, InvalidValue


def serve(*, port: int, seed: int, faults: str, rate: float) -> int:
    """Run the emulator until it is interrupted."""
    try:
        from fillbook.venue.alpaca import Emulator
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f'the emulator needs {error.name}; install it with: pip install "fillbook[emulator]"'
        ) from None
    from fillbook.venue.exchange import Exchange, Faults

    try:
        plan = (
            Faults.random(seed, rate)
            if faults.strip() == "random"
            else Faults.named(faults, seed=seed, rate=rate)
        )
    except InvalidValue as error:
        raise BadAddress(str(error)) from None
    exchange = Exchange(seed=seed, faults=plan)
    exchange.open_account("paper")
    for symbol in ("AAPL", "MSFT", "SPY", "BTC/USD", "ETH/USD"):
        exchange.walk(symbol)
    try:
        emulator = Emulator(exchange, port=port)
        with emulator:
            _introduce(emulator.url, emulator.stream_url, emulator.key, emulator.secret)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                show.err.print("stopped")
    except OSError as error:
        raise BadAddress(f"port {port} on 127.0.0.1 cannot be had: {error}") from None
    return 0


def _introduce(url: str, stream_url: str, key: str, secret: str) -> None:
    lines = (
        f"Alpaca is emulated at {url}  (Ctrl-C ends it)",
        "",
        "alpaca-py:",
        f'    TradingClient("{key}", "{secret}", url_override="{url}")',
        f'    TradingStream("{key}", "{secret}", url_override="{stream_url}")',
        "",
        "fillbook:",
        f"    export ALPACA_API_KEY={key} ALPACA_SECRET_KEY={secret}",
        f"    fillbook sync --broker alpaca:{url}",
    )
    for line in lines:
        print(line, flush=True)
