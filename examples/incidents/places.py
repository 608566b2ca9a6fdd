"""Where an incident takes place: the simulated broker, or an emulator of Alpaca or of Coinbase."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fillbook.broker import Broker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.opening import open_broker
from fillbook.venue import alpaca, coinbase
from fillbook.venue.exchange import Account, Exchange


@contextmanager
def place(seed: int, clock: ManualClock) -> Iterator[tuple[Exchange, Account, Broker, str]]:
    """Yield the place that the command line names, and what is traded there."""
    name = sys.argv[1] if len(sys.argv) > 1 else "simulated"
    if name == "simulated":
        simulated = SimulatedBroker(Exchange(seed=seed, clock=clock))
        yield simulated.exchange, simulated.books, simulated, "AAPL"
    elif name == "alpaca":
        with alpaca.Emulator(Exchange(seed=seed, clock=clock)) as server:
            keys = {"APCA_API_KEY_ID": server.key, "APCA_API_SECRET_KEY": server.secret}
            broker = open_broker(f"alpaca:{server.url}", keys)
            yield server.exchange, server.account, broker, "AAPL"
    elif name == "coinbase":
        exchange = coinbase.spot_exchange(seed=seed, clock=clock)
        with coinbase.Emulator(exchange, rate_limit=10_000) as server:
            keys = {"COINBASE_API_KEY": server.key, "COINBASE_API_SECRET": server.secret}
            broker = open_broker(f"coinbase:{server.url}", keys)
            yield server.exchange, server.account, broker, "SOL/USD"
    else:
        sys.exit(f"{name}: the places are simulated, alpaca and coinbase")
