"""
Threads and processes that spend from one account, as if one after the other (promise P7).

FILLBOOK_SEEDS is the number of histories of threads; a tenth as many are of processes.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

import fillbook as fb
from tests.desk.link.till import TOTAL, Till, spend
from tests.desk.orders.linearizable import Call, is_linearizable

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "5"))
THREADS, CALLS = 8, 8
ROOT = Path(__file__).parents[3]
TILL = "tests.desk.link.till"


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_eight_threads_on_one_account_are_linearizable(first):
    for seed in range(first, min(first + 10, SEEDS)):
        with fb.open(Till(), "memory://", wait_s=30) as desk:
            desk.buying_power()
            with ThreadPoolExecutor(THREADS) as threads:
                found = [
                    threads.submit(spend, desk, f"S{i}", f"{seed}/{i}", CALLS)
                    for i in range(THREADS)
                ]
                calls = [call for each in found for call in each.result()]
        assert is_linearizable(calls, TOTAL), f"seed {seed}"


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(max(2, SEEDS // 10)))
def test_four_processes_on_one_file_are_linearizable(seed, tmp_path):
    address = f"sqlite:///{tmp_path / 'bot.db'}"
    with fb.open(Till(), address) as desk:
        desk.buying_power()  # the record is bound before they begin
    bots = [
        subprocess.Popen(
            [sys.executable, "-m", TILL, address, f"P{i}", str(seed * 4 + i), "16"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    for bot in bots:
        assert bot.stdout.readline() == "ready\n"
    for bot in bots:
        bot.stdin.write("go\n")
        bot.stdin.flush()
    told = [bot.communicate(timeout=120)[0] for bot in bots]
    assert [bot.returncode for bot in bots] == [0, 0, 0, 0]
    calls = [
        Call(began, ended, Decimal(amount), granted)
        for lines in told
        for began, ended, amount, granted in json.loads(lines)
    ]
    assert is_linearizable(calls, TOTAL)
