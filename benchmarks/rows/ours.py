"""fillbook: the work of every row."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.brokers.alpaca.wire import orders as wire
from fillbook.brokers.wire.fields import parse
from fillbook.clock import ManualClock, SystemClock
from fillbook.core import position
from fillbook.desk.record.recorder import Recorder
from fillbook.store import Store
from fillbook.stores.memory import MemoryStore
from fillbook.stores.sqlite import SqliteStore
from rows.account import AT, BOUND, MONDAY_10, UNLIMITED, Bench, Counting, reported, rounds
from rows.messages import page, update
from rows.timing import Round, cold, timed

# -- a submit ------------------------------------------------------------------------------


def submit(count: int) -> Iterator[Round]:
    """A resting limit order over the emulator, as `alpaca_py.submit`; with fsync."""
    store = Counting(Path(tempfile.mkdtemp()) / "bot.db")
    broker = AlpacaBroker(
        os.environ["APCA_API_KEY_ID"],
        os.environ["APCA_API_SECRET_KEY"],
        url=os.environ["APCA_API_BASE_URL"],
    )
    desk = fb.open(broker, store, wait_s=0)
    desk.sync()
    prices = itertools.count(1_000)

    def work() -> None:
        for _ in range(count):
            price = Decimal(next(prices)) / 100
            desk.buy("AAPL", qty=1, limit_price=price, time_in_force="gtc")

    return rounds(lambda: store.timed(work, count))


def submit_with_open(many: int) -> Iterator[Round]:
    """The same in memory of the exchange, with *many* open orders on the symbol."""
    bench = Bench()
    bench.submit()
    bench.resting(many)
    bench.settle()
    return rounds(lambda: bench.store.timed(lambda: [bench.submit() for _ in range(10)], 10))


def submit_with_closed(many: int) -> Iterator[Round]:
    """The same with *many* closed orders in the record, of a desk that was opened on it."""
    bench = Bench()
    bench.submit()
    bench.closed(many)
    bench.desk = bench.open()
    bench.settle()
    return rounds(lambda: bench.store.timed(lambda: [bench.submit() for _ in range(10)], 10))


def submit_by_threads(threads: int) -> Iterator[Round]:
    """Orders of *threads* threads at once; wall time for each order."""
    bench = Bench(rate_limit=UNLIMITED)
    bench.submit()
    bench.settle()
    desk = bench.open(SystemClock())
    desk.buying_power()
    keys = itertools.count()
    symbols = [x.symbol for x in bench.exchange.instruments()][:threads]
    for symbol in symbols:
        bench.exchange.quote(symbol, "187.00", "187.02")
        desk.buy(symbol, qty=1, limit_price="100", key=symbol)

    def one(symbol: str) -> None:
        for _ in range(40 // threads):
            desk.buy(symbol, qty=1, limit_price="100", key=f"t{next(keys)}")

    def work() -> None:
        running = [threading.Thread(target=one, args=(x,)) for x in symbols]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    return rounds(lambda: bench.store.timed(work, 40))


def cancel_all(many: int) -> Iterator[Round]:
    """`cancel_all` of *many* open orders."""
    bench = Bench(rate_limit=UNLIMITED)

    def work() -> Round:
        for _ in range(many):
            bench.submit()
        return bench.store.timed(bench.desk.cancel_all)

    return rounds(work)


# -- passes --------------------------------------------------------------------------------


def pass_without_news(many: int) -> Iterator[Round]:
    """A reconciliation of *many* open orders that finds nothing new, without the broker's part."""
    bench = Bench()
    bench.resting(many)
    bench.settle()
    _keep_lists(bench)
    bench.desk.sync()
    return rounds(lambda: bench.store.timed(bench.desk.sync))


def _keep_lists(bench: Bench) -> None:
    """Let the broker answer each list of orders with the values of the first one."""
    pages: dict[object, Any] = {}
    listed = bench.broker.orders

    def orders(query: m.OrderQuery, page: m.Cursor | None) -> Any:
        key = query.scope, page
        if key not in pages:
            pages[key] = listed(query, page)
        return pages[key]

    bench.broker.orders = orders  # type: ignore[method-assign]


def first_pass(many: int) -> Iterator[Round]:
    """The first reconciliation of an account with *many* open orders, for each order."""

    def work() -> Round:
        bench = Bench()
        bench.resting(many)
        return bench.store.timed(bench.desk.sync, many)

    return rounds(work)


def cancel_during_passes(many: int) -> Iterator[Round]:
    """The worst of twenty cancels while another desk reconciles *many* orders again and again."""
    bench = Bench(rate_limit=UNLIMITED)
    bench.resting(many)
    bench.settle()
    _keep_lists(bench)
    theirs = fb.open(bench.broker, f"sqlite:///{bench.path}", clock=bench.clock, wait_s=0)
    ended = threading.Event()

    def passes() -> None:
        while not ended.is_set():
            theirs.sync()

    def work() -> Round:
        waits, thread = [], threading.Thread(target=passes)
        orders = [bench.submit() for _ in range(20)]
        ended.clear()
        thread.start()
        for order in orders:
            begun = time.perf_counter()
            bench.desk.cancel(order)
            waits.append(time.perf_counter() - begun)
            time.sleep(0.01)
        ended.set()
        thread.join()
        bench.clock.advance(70)
        worst, middle = max(waits) * 1e6, statistics.median(waits) * 1e6
        return {"cpu": worst, "wall": worst, "p50": round(middle / 1e3, 1)}

    return rounds(work)


# -- events and fills ----------------------------------------------------------------------


def _open(store: Store, many: int) -> Recorder:
    recorder = Recorder(store, ManualClock(MONDAY_10))
    recorder.record(BOUND, m.CashAdjusted(Decimal(0), "USD", AT, "OPENING"))
    for number in range(many):
        recorder.record(reported(number, "new", 0, 0, second=1))
    return recorder


def events(count: int) -> Iterator[Round]:
    """The six events of an order's life, through the recorder, in memory."""
    lives = [
        [
            reported(number, "accepted", 0, 0, second=10 * number),
            reported(number, "new", 0, 0, second=10 * number + 1),
            *(
                reported(
                    number, "partially_filled", 25 * x, 25, fills=1, second=10 * number + 1 + x
                )
                for x in range(1, 5)
            ),
        ]
        for number in range(count)
    ]

    def work() -> Round:
        recorder = _open(MemoryStore(), 0)
        return timed(lambda: [recorder.record(x) for life in lives for x in life], 6 * count)

    return rounds(work)


def fills(count: int, group: int = 1) -> Iterator[Round]:
    """Streamed fills of ten open orders, durable on SQLite, in groups of *group*."""
    store = Counting(Path(tempfile.mkdtemp()) / "bot.db")
    recorder, totals = _open(store, 10), itertools.count(10)

    def work() -> None:
        for _ in range(count // group):
            numbers = [next(totals) for _ in range(group)]
            recorder.record(
                *(
                    reported(x % 10, "partially_filled", x // 10, 1, fills=1, second=x)
                    for x in numbers
                )
            )

    return rounds(lambda: store.timed(work, count))


def many_fills(many: int) -> Iterator[Round]:
    """Fills of one order that has *many* of them, in memory."""
    recorder, totals = _open(MemoryStore(), 1), itertools.count(1)

    def some(count: int) -> None:
        for _ in range(count):
            x = next(totals)
            recorder.record(reported(0, "partially_filled", x, 1, fills=1, second=x))

    some(many)
    return rounds(lambda: timed(lambda: some(200), 200))


def fold(count: int) -> Iterator[Round]:
    """Fills of one position, one after the other."""
    moves = [
        m.Movement(
            key=f"t{x}",
            symbol="AAPL",
            kind=m.MoveKind.FILL,
            at=AT,
            qty=Decimal(1),
            price=Decimal("101.25"),
            cash=Decimal("-101.25"),
            owner="b",
        )
        for x in range(count)
    ]

    def work() -> None:
        held = m.Position(symbol="AAPL")
        for move in moves:
            held, _ = position.fold(held, move)

    return rounds(lambda: timed(work, count))


# -- messages, files, processes ------------------------------------------------------------


def decode_page(count: int) -> Iterator[Round]:
    """A page of orders, from bytes to typed reports."""
    pages = itertools.count()

    def work() -> Round:
        body = page(count, next(pages))
        return timed(lambda: wire.order_page(parse(body)), count)

    return rounds(work)


def decode_update(count: int) -> Iterator[Round]:
    """Messages of the stream, from bytes to typed reports."""
    bodies = [update(number) for number in range(count)]
    return rounds(lambda: timed(lambda: [wire.events(body) for body in bodies], count))


def imported() -> Iterator[Round]:
    """The import of the package, in a new process."""
    return rounds(lambda: cold("import fillbook; fillbook.open"))


def help_text() -> Iterator[Round]:
    """``fillbook --help``, in a new process."""
    code = "import sys; sys.argv = ['fillbook', '--help']\n"
    code += "from fillbook.cli import main\ntry: main()\nexcept SystemExit: pass"
    return rounds(lambda: cold(code))


def file_size(many: int) -> Iterator[Round]:
    """The bytes on disk for each closed order with two fills."""

    def work() -> Round:
        path = Path(tempfile.mkdtemp()) / "bot.db"
        store = SqliteStore(path)
        recorder = _open(store, 0)
        for number in range(many):
            name = f"done-{number}"
            at = 2 * number
            part = reported(number, "filled", 50, 50, fills=1, name=name, second=at)
            part = evolve(part, report=evolve(part.report, status=m.OrderStatus.PARTIALLY_FILLED))
            whole = reported(number, "filled", 100, 50, fills=1, name=name, second=at + 1)
            recorder.record(part, whole)
        store.close()
        size = path.stat().st_size / many
        return {"cpu": size, "wall": size}

    return rounds(work)


def reserve(count: int) -> Iterator[Round]:
    """Reserve and release: an intent, its command and the answer that it was not sent; durable."""
    bench = Bench(rate_limit=UNLIMITED)
    bench.submit()
    bench.settle()
    placement, numbers = bench.desk._placement, itertools.count()

    def work() -> None:
        for _ in range(count):
            name = f"fb-r{next(numbers)}"
            request = m.OrderRequest(symbol="AAPL", side="buy", qty=1, limit_price="100")
            placement._decide(name, placement._with_defaults(request), name)
            answer = m.Answered(name, 1, m.AnswerKind.NOT_SENT, "not sent")
            bench.desk._recorder.record(answer)

    return rounds(lambda: bench.store.timed(work, 2 * count))


def checks(count: int) -> Iterator[Round]:
    """The checks and the impact of a request, on a record in memory."""
    bench = Bench()
    desk = fb.open(bench.broker, MemoryStore(), clock=bench.clock, wait_s=0)
    desk.sync()
    approval, request = (
        desk._placement._approval,
        m.OrderRequest(symbol="AAPL", side="buy", qty=1, limit_price="100"),
    )
    request = desk._placement._with_defaults(request)
    inputs = approval.read_inputs(request)

    def work() -> None:
        for _ in range(count):
            with desk._recorder.store.read() as reader:
                assert approval.decide(reader, AT, request, None, inputs).reason is None

    return rounds(lambda: timed(work, count))
