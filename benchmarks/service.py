"""
The HTTP service at 200 requests a second, beside a desk that ticks, and an empty route at the same.

`nox -s service_load` runs it.  It prints the percentiles of one order and of a page of 20, and
their ratio to an empty Starlette route of another process in the same run.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.errors import present
from fillbook.opening import open_store
from fillbook.venue.exchange import Exchange

CONNECTIONS = 8
MONDAY_10 = datetime(2026, 3, 2, 15, tzinfo=UTC)


def desk(store: str, orders: int) -> None:
    """Place *orders*, then tick in real time until the input ends."""
    clock = ManualClock(MONDAY_10)
    exchange = Exchange(seed=7, clock=clock)
    exchange.quote("AAPL", "187.00", "187.02")
    broker = SimulatedBroker(exchange, exchange.open_account("paper", cash="100000000"))
    with fb.open(broker, store, clock=clock, wait_s=0) as opened:
        opened.sync()
        for number in range(40):
            strategy = f"s{number % 4}"
            order = opened.buy("AAPL", qty=1, limit_price="150", strategy=strategy, key=f"{number}")
            clock.advance(3)
            if number < 20:
                opened.cancel(order)
        opened.sync()
        copy_orders(store, opened.book.orders(open=False)[-1], orders)
        print("ready", flush=True)
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        while not ended.wait(0.25):
            clock.advance(0.25)
            opened.tick()


def copy_orders(address: str, order: fb.Order, count: int) -> None:
    """Write *count* copies of a final order, as a record of years has them."""
    opened = open_store(address, os.environ)
    with opened.read() as reader:
        known = present(reader.get(m.OrderRecord, order.client_order_id), "the order")
    with opened.write() as writer:
        for number in range(count):
            name = f"{known.client_order_id}-{number:06d}"
            copy = evolve(
                known, client_order_id=name, order=evolve(known.order, client_order_id=name)
            )
            writer.record(m.DriftCleared(name), known.created_at, m.Changes(put=(copy,)))
    opened.close()


def empty(port: int) -> None:
    """Serve a route that does nothing."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from fillbook.web.server import Address, Server, listening

    async def nothing(request: Request) -> Response:
        return Response(b"{}", media_type="application/json")

    address = Address(port=port)
    Server(Starlette(routes=[Route("/", nothing)]), listening("127.0.0.1", port), address).run()


def load(port: int, paths: Sequence[str], seconds: float, rate: float) -> list[float]:
    """Send requests at *rate* in all; return how long each took from its due time, sorted."""
    took: list[float] = []
    begun = time.monotonic() + 0.5
    count = int(seconds * rate)

    def worker(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in range(first, count, CONNECTIONS):
            due = begun + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            connection.request("GET", paths[number % len(paths)])
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            took.append(time.monotonic() - due)

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(took)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def shown(name: str, took: Sequence[float]) -> float:
    """Print the percentiles in milliseconds; return the 99th."""
    at = {p: took[min(len(took) - 1, int(len(took) * p / 100))] * 1e3 for p in (50, 90, 99)}
    words = "  ".join(f"p{p} {value:6.2f} ms" for p, value in at.items())
    print(f"{name:16} {words}  max {took[-1] * 1e3:6.2f} ms  ({len(took)} requests)")
    return at[99]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--role", nargs="*", default=[])
    given = parser.parse_args()
    match given.role:
        case ["desk", store, orders]:
            desk(store, int(orders))
        case ["empty", port]:
            empty(int(port))
        case _:
            measure(given)


def measure(given: argparse.Namespace) -> None:
    """Run the desk, the service and the empty route, and ask each."""
    with ExitStack() as ended:
        folder = ended.enter_context(tempfile.TemporaryDirectory())
        store = f"sqlite:///{folder}/bot.db"
        here = [sys.executable, __file__, "--role"]

        def started(words: Sequence[str], **pipes: int) -> subprocess.Popen[str]:
            process = subprocess.Popen(words, text=True, **pipes)
            ended.callback(process.wait, 30)
            ended.callback(process.terminate)
            return process

        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        ticking = started([*here, "desk", store, str(given.orders)], **pipes)
        assert ticking.stdout is not None
        assert ticking.stdout.readline() == "ready\n"
        ports = free_port(), free_port()
        serve = [sys.executable, "-c", "from fillbook.cli import main; main()", "serve"]
        started([*serve, "--store", store, "--port", str(ports[0])])
        started([*here, "empty", str(ports[1])])
        time.sleep(3)
        with fb.read(store) as book:
            names = [x.client_order_id for x in book.orders(newest=True, limit=200)]
        base = "/api/v1/accounts/main/orders"
        runs = {
            "empty route": (ports[1], ["/"]),
            "one order": (ports[0], [f"{base}/{name}" for name in names]),
            "page of 20": (ports[0], [f"{base}?limit=20"]),
            "pages": (ports[0], [f"{base}?limit=20&after={name}" for name in names]),
        }
        ends = {
            name: shown(name, load(port, paths, given.seconds, given.rate))
            for name, (port, paths) in runs.items()
        }
        for name, end in ends.items():
            print(f"{name:16} p99 is {end / ends['empty route']:.1f} times that of an empty route")


if __name__ == "__main__":
    main()
