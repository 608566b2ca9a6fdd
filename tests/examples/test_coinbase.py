"""The examples of Coinbase run, the stages of its bot in order on one emulator, over TLS."""

import difflib
import itertools
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import fillbook as fb
from fillbook.venue.coinbase import Emulator, spot_exchange
from tests.venue.coinbase.certificates import certificate

EXAMPLES = Path(__file__).parents[2] / "examples" / "coinbase"
STAGES = sorted(EXAMPLES.glob("[0-9]_*.py"))
LINES_MAX = 10
PATIENCE_S = 120
BOUGHT = "0.0154689664688495"  # 1,000 dollars with a fee of 0.6 %, at 64,260


def run(path, folder, **env):
    done = subprocess.run(
        [sys.executable, path],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.pairwise(STAGES)), ids=lambda x: x.stem
)
def test_a_stage_adds_at_most_ten_lines(before, after):
    texts = [path.read_text("utf-8").splitlines() for path in (before, after)]
    new = [line for line in difflib.ndiff(*texts) if line.startswith("+ ") and line.strip() != "+"]
    assert 0 < len(new) <= LINES_MAX


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_stages_run_in_order_on_one_account(tmp_path):
    """The unmodified SDK over TLS: each stage buys once, the last one once for its key."""
    tls = certificate(tmp_path)
    with Emulator(spot_exchange(seed=7), tls=tls) as emulator:
        env = {
            "COINBASE_API_KEY": emulator.key,
            "COINBASE_API_SECRET": emulator.short_secret,
            "COINBASE_URL": emulator.authority,
            "REQUESTS_CA_BUNDLE": tls.certificate,
        }
        texts = [run(path, tmp_path, **env) for path in STAGES[:4]]
        assert texts[0] == "the bot expects 0.015562\n"
        assert "the verdict is drift" in texts[1]
        held = (Decimal(BOUGHT) * 2).normalize()
        assert f"theirs=Decimal('{held}')" in texts[1]
        assert f"the record has {Decimal(BOUGHT) * 3}" in texts[2]
        assert texts[3] == f"the order is filled\nthe record has {Decimal(BOUGHT) * 4}\n"
        # The key of stage 3 has its order: stage 4 sends no other one.
        assert run(STAGES[4], tmp_path, **env) == texts[3]
        orders = emulator.account.truth.orders()
    assert len(orders) == 4
    with fb.read(f"sqlite:///{tmp_path / 'bot.db'}") as book:
        assert book.position("BTC/USD").qty == Decimal(BOUGHT) * 4
        ours = [x for x in book.orders() if x.origin is fb.Origin.OURS]
    assert [x.client_order_id for x in ours] == [orders[-1].client_order_id]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "held_coins",
            (
                "BTC/USD: covered, stop limited: beyond 57000 it does not trade",
                "BTC/USD: sell 0.25 at 80000, stop 60000",
                "ETH/USD: sell 0.15924956 at 3745.2, stop 2871.32",
                "0 BTC are left",
            ),
        ),
        (
            "two_brokers",
            (
                "AAPL: filled, 5.347021708 for 1000.00 dollars",
                f"BTC/USD: filled, {BOUGHT} for 994.04 dollars",
                "AAPL: in_sync, 99000.00 dollars are left",
                "BTC/USD: in_sync, 99000.00 dollars are left",
            ),
        ),
    ],
)
def test_an_example_prints_what_it_shows(name, lines, tmp_path):
    text = run(EXAMPLES / f"{name}.py", tmp_path)
    assert [line for line in lines if line not in text] == []
