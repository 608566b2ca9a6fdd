"""
Every figure of fillbook's speed, beside its peers: ``nox -s bench`` (``-- --quick``: 5 minutes).

Each work runs in the environment of its library (`benchmarks/rows`, `benchmarks/worker.py`).  The
works of a row take turns, one round each, so that a machine that is busy is so for all of them.  A
figure is the median of the rounds, with the spread of the middle half; a ratio is the median of
the ratios of the rounds.  A count is exact.  It prints one table, and writes it to the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from attrs import frozen

from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "howto" / "benchmarks.md"
#: The environment of each peer: its module of rows, and what is installed.
PEERS = {
    "alpaca_py": "alpaca-py",
    "nautilus": "nautilus_trader",
    "freqtrade_orders": "freqtrade",
}
NOT_MEASURED = {
    "hummingbot": "it is not a package of the index: it is built from its sources with conda",
    "lumibot": "it keeps no durable record of orders, so that no row compares with it",
}


@frozen
class Row:
    """
    One row: our work, and what it is compared with.

    *bar* is that of the ratio.  The ratio is ours / the other, and has to be at most the bar; of
    a row without another work the bar is for the figure itself, in *unit*.
    """

    name: str
    ours: str
    other: str = ""
    unit: str = "µs"
    clock: str = "cpu"
    bar: float | None = None
    slow: bool = False  #: it is left out of a quick run
    note: str = ""


ROWS = (
    Row(
        "submit over the emulator", "submit 10", "alpaca_py:submit 10", note="CPU; ours is durable"
    ),
    Row(
        "submit, 1,000 open on the symbol / none",
        "submit_with_open 1000",
        "ours:submit_with_open 0",
        bar=1.5,
    ),
    Row(
        "submit, 5,000 closed / 500",
        "submit_with_closed 5000",
        "ours:submit_with_closed 500",
        bar=1.2,
    ),
    Row(
        "submit, 50,000 closed / 1,000",
        "submit_with_closed 50000",
        "ours:submit_with_closed 1000",
        bar=1.2,
        slow=True,
    ),
    Row(
        "submit, 8 threads / 1",
        "submit_by_threads 8",
        "ours:submit_by_threads 1",
        clock="wall",
        bar=0.5,
    ),
    Row(
        "worst cancel during passes over 3,000",
        "cancel_during_passes 3000",
        unit="ms",
        clock="wall",
        bar=50,
    ),
    Row("cancel_all of 100", "cancel_all 100", unit="ms", clock="wall", bar=300),
    Row("pass over 1,000 open, nothing new", "pass_without_news 1000", unit="ms", bar=40),
    Row(
        "pass over 10,000 open, nothing new",
        "pass_without_news 10000",
        unit="ms",
        bar=400,
        slow=True,
    ),
    Row("first pass, for each of 1,000 open", "first_pass 1000", unit="µs", bar=400),
    Row(
        "first pass, each of 4,000 / of 1,000",
        "first_pass 4000",
        "ours:first_pass 1000",
        bar=1.2,
        slow=True,
    ),
    Row("event, in memory", "events 150", "nautilus:events 150", bar=5),
    Row(
        "fill, durable, one by one",
        "fills 100",
        "freqtrade_orders:fills 100",
        clock="wall",
        bar=1 / 3,
    ),
    Row(
        "fill, durable, in groups of 16",
        "fills 160 16",
        "freqtrade_orders:fills 100",
        clock="wall",
        bar=1 / 5,
    ),
    Row(
        "fill, durable / fdatasync of 300 bytes",
        "fills 100",
        "timing:fdatasync 300",
        clock="wall",
        bar=4,
    ),
    Row(
        "fill in groups / fdatasync",
        "fills 160 16",
        "timing:fdatasync 300",
        clock="wall",
        bar=1 / 0.65,
    ),
    Row("fill of an order with 3,000 / 100", "many_fills 3000", "ours:many_fills 100", bar=1.4),
    Row(
        "fill of an order with 30,000 / 100",
        "many_fills 30000",
        "ours:many_fills 100",
        bar=1.4,
        slow=True,
    ),
    Row(
        "reserve and release / fdatasync",
        "reserve 50",
        "timing:fdatasync 4096",
        clock="wall",
        bar=1 / 0.3,
    ),
    Row("checks of a submit, in memory", "checks 200", bar=120),
    Row("fill into a position", "fold 2000", "nautilus:fold 2000", bar=1 / 0.6),
    Row(
        "decode a page of 500, each order",
        "decode_page 500",
        "alpaca_py:decode_page 500",
        bar=1 / 1.5,
    ),
    Row(
        "decode a message of the stream",
        "decode_update 200",
        "alpaca_py:decode_update 200",
        bar=1 / 1.5,
    ),
    Row("import", "imported", "alpaca_py:imported", unit="ms", bar=0.2),
    Row("fillbook --help", "help_text", unit="ms", bar=250),
    Row("file per closed order with two fills", "file_size 300", unit="B", bar=6000),
)
SCALE = {"µs": 1, "ms": 1e3, "B": 1}


class Worker:
    """A process that does the rounds of one work."""

    def __init__(self, python: str, work: str, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), *work.split()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ours is compiled once, as the packages of the peers were when they were installed.
            env={**os.environ, **env, "PYTHONDONTWRITEBYTECODE": ""},
            text=True,
        )
        while (line := self._read()) != "ready":
            sys.stderr.write(line + "\n")

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError("the work ended")
        return line.strip()

    def round(self) -> dict[str, Any]:
        """Do one round; return its figures."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        while not (line := self._read()).startswith("{"):
            sys.stderr.write(line + "\n")
        return json.loads(line)

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


@frozen
class Result:
    """The figures of a row; *other* is empty without another work."""

    row: Row
    ours: list[dict[str, Any]]
    other: list[dict[str, Any]]

    def figures(self, rounds: list[dict[str, Any]]) -> list[float]:
        """Return the figures of *rounds* in the unit of the row."""
        return [x[self.row.clock] / SCALE[self.row.unit] for x in rounds]

    @property
    def ratio(self) -> float | None:
        """Ours / the other: the median of the rounds."""
        if not self.other:
            return None
        pairs = zip(self.figures(self.ours), self.figures(self.other), strict=True)
        return median(ours / other for ours, other in pairs if other)

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        row, ratio = self.row, self.ratio
        figure = median(self.figures(self.ours)) if ratio is None else ratio
        met = "" if row.bar is None else ("met" if figure <= row.bar else "missed")
        first = self.ours[-1]
        counts = ", ".join(f"{first[x]} {x}" for x in ("statements", "writes", "p50") if x in first)
        other = row.other.partition(" ")[0].partition(":")[0]
        return [
            row.name,
            f"{spread(self.figures(self.ours))} {row.unit}",
            f"{other}: {spread(self.figures(self.other))} {row.unit}" if self.other else "",
            "" if ratio is None else f"{ratio:.2f}",
            "" if row.bar is None else f"≤ {_plain(row.bar)} {met}",
            counts,
        ]


def spread(figures: Sequence[float]) -> str:
    """Return the median, and the middle half."""
    low, middle, high = quantiles(figures, n=4) if len(figures) > 1 else [*figures] * 3
    return f"{_plain(middle)} ({_plain(low)}-{_plain(high)})"


def _plain(value: float) -> str:
    """Return *value* with three digits or more, never with an exponent."""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


@contextmanager
def emulator() -> Iterator[dict[str, str]]:
    """Run the emulator; yield the variables that name it."""
    exchange = Exchange(seed=7)
    with Emulator(exchange, rate_limit=1_000_000) as running:
        exchange.quote("AAPL", "187.00", "187.02")
        exchange.deposit(running.account, "1000000000")
        yield {
            "APCA_API_BASE_URL": running.url,
            "APCA_API_KEY_ID": running.key,
            "APCA_API_SECRET_KEY": running.secret,
        }


def measure(row: Row, rounds: int, pythons: dict[str, str], env: dict[str, str]) -> Result | None:
    """Run the rounds of a row; None if its peer is not installed."""
    works = [f"ours:{row.ours}", *([row.other] if row.other else [])]
    with ExitStack() as stack:
        workers = []
        for work in works:
            python = pythons.get(work.partition(":")[0], "")
            if not python:
                return None
            worker = Worker(python, work, env)
            stack.callback(worker.end)
            workers.append(worker)
        found: list[list[dict[str, Any]]] = [[] for _ in workers]
        for number in range(rounds + 1):
            order = list(enumerate(workers))
            for index, worker in order if number % 2 else reversed(order):
                figures = worker.round()
                if number:  # the first is for the caches
                    found[index].append(figures)
    return Result(row, found[0], found[1] if len(found) > 1 else [])


def table(results: Sequence[Result]) -> str:
    """Return the table, in Markdown."""
    head = ["work", "fillbook: median (middle half)", "other", "ratio", "bar", "counts each"]
    rows = [head, ["---"] * len(head), *(x.cells() for x in results)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def main() -> None:
    """Run the rows; print the table, and write it to the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no slow row")
    parser.add_argument("--rows", default="", help="only rows whose name has this text")
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON of a peer")
    parser.add_argument("--no-page", action="store_true", help="do not write the page")
    given = parser.parse_args()
    pythons = {"ours": sys.executable, "timing": sys.executable}
    peers = [x for x in given.peer if _version(x)]
    pythons |= dict(x.split("=", 1) for x in peers)
    results, missing = [], []
    with emulator() as env:
        for row in ROWS:
            if (given.quick and row.slow) or given.rows not in row.name:
                continue
            result = measure(row, 3 if given.quick else 9, pythons, env)
            if result is None:
                missing.append(row.name)
                continue
            results.append(result)
            print(" | ".join(result.cells()), flush=True)
    text = page(results, missing, peers)
    print("\n" + text)
    if not given.no_page and not given.rows:
        PAGE.write_text(text, "utf-8")


def page(results: Sequence[Result], missing: Sequence[str], peers: Sequence[str]) -> str:
    """Return the page of the results."""
    versions = {PEERS[x.partition("=")[0]]: _version(x) for x in peers}
    known = ", ".join(f"{name} {found}" for name, found in versions.items())
    absent = [f"- {name}: {why}." for name, why in NOT_MEASURED.items()]
    absent += [f"- {name}: its peer could not be installed." for name in missing]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "`nox -s bench` measures every row again and writes this page. The works of a row take",
            "turns, each in the environment of its library. A ratio is ours / the other: below 1",
            "we are faster. It is the median of the rounds, in CPU time but where a disk is used.",
            "Counts are statements of SQLite and write transactions; those that must not grow are",
            "held by `tests/stores/test_growth.py`.",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}: fillbook {version('fillbook')}, Python "
            f"{platform.python_version()}, {os.cpu_count()} cores ({platform.machine()}); {known}.",
            "",
            table(results),
            "",
            "Not measured:",
            "",
            *absent,
            "",
        ]
    )


def _version(peer: str) -> str:
    """Return the version of the package of a peer, ``NAME=PYTHON``; empty: it is not installed."""
    name, _, python = peer.partition("=")
    code = f"from importlib.metadata import version; print(version({PEERS[name]!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
