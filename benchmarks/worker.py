"""Runs one work of `benchmarks/rows` in the environment of its library: a round for each line."""

from __future__ import annotations

import gc
import importlib
import json
import sys


def main() -> None:
    """Take ``module:work [argument ...]``; print the figures of a round for each line of input."""
    module, _, name = sys.argv[1].partition(":")
    work = getattr(importlib.import_module(f"rows.{module}"), name)(*map(int, sys.argv[2:]))
    next(work)
    print("ready", flush=True)
    for _ in sys.stdin:
        gc.collect()
        print(json.dumps(next(work)), flush=True)


if __name__ == "__main__":
    main()
