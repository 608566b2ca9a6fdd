"""The clock of every work, and the disk's own speed; no library is imported here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

Round = dict[str, Any]


def timed(work: Callable[[], object], count: int = 1, **more: Any) -> Round:
    """Return the CPU time and the wall time of *work*, in microseconds for each of *count*."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / count * 1e6, "wall": wall / count * 1e6, **more}


def cold(code: str) -> Round:
    """Return the times of a new process that runs *code*, less those of one that does nothing."""
    return {key: max(0.0, x - _process("pass")[key]) for key, x in _process(code).items()}


def _process(code: str) -> dict[str, float]:
    program = f"{code}\nimport time; print(time.process_time())"
    wall = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - wall
    return {"cpu": float(told.stdout.split()[-1]) * 1e6, "wall": wall * 1e6}


def fdatasync(size: int = 300, count: int = 200) -> Iterator[Round]:
    """How long the disk takes to make *size* appended bytes durable."""
    with tempfile.NamedTemporaryFile() as file:
        block = b"x" * size

        def work() -> None:
            for _ in range(count):
                os.write(file.fileno(), block)
                os.fdatasync(file.fileno())

        yield {}
        while True:
            yield timed(work, count)
