"""Each stage of `moving_in` runs, and differs from the previous one by a few lines."""

import difflib
import itertools
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from subprocess import PIPE

import pytest

import fillbook as fb
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

STAGES = sorted((Path(__file__).parents[2] / "examples" / "moving_in").glob("*.py"))
LINES_MAX = 10
#: Real seconds for a bot under load; nothing here takes a tenth of it.
PATIENCE_S = 120
FEE = Decimal("0.0025")


@pytest.fixture
def emulator():
    with Emulator(Exchange(seed=7)) as running:
        yield running


def run(name, emulator, folder):
    """
    Run a stage against the emulator; return its output.

    BTC/USD trades only once the bot's stream listens, so that no bot misses its fill.
    """
    [stage] = [path for path in STAGES if path.stem == name]
    env = {
        **os.environ,
        "ALPACA_API_KEY": emulator.key,
        "ALPACA_SECRET_KEY": emulator.secret,
        "ALPACA_URL": emulator.url,
    }
    emulator.exchange.halt("BTC/USD")
    with subprocess.Popen(
        [sys.executable, stage], cwd=folder, env=env, stdout=PIPE, stderr=PIPE, text=True
    ) as started:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        emulator.exchange.resume("BTC/USD")
        output, errors = started.communicate(timeout=PATIENCE_S)
    assert started.returncode == 0, errors
    assert emulator.streams.wait_for_none(PATIENCE_S)
    return output


def test_the_stages_run_in_order_on_one_emulator_with_one_record(emulator, tmp_path):
    """As the README says: each stage buys 0.01, and the bot knows of its own purchase only."""
    outputs = [run(stage.stem, emulator, tmp_path) for stage in STAGES]
    assert all(text.startswith("the bot expects {'BTC/USD': '0.01'}\n") for text in outputs)
    assert "theirs=Decimal('0.01995'), bot=Decimal('0.01'), verdict='drift'" in outputs[1]
    held = [Decimal(text.rpartition("the record has ")[2]) for text in outputs[2:]]
    assert [int(qty * 100) for qty in held] == [2, 3, 4]
    theirs = emulator.account.truth.orders()
    assert [order.status for order in theirs] == ["filled"] * 5
    with fb.read(f"sqlite:///{tmp_path / 'bot.db'}") as book:
        orders = book.orders()
        assert book.position("BTC/USD").qty == held[-1]
    # The record lists the orders of the stages before it, which its opening balance includes.
    origins = {order.client_order_id: order.origin for order in orders}
    assert [origins[order.client_order_id] for order in theirs] == ["external"] * 3 + ["ours"] * 2


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.pairwise(STAGES)), ids=lambda x: x.stem
)
def test_a_stage_adds_at_most_ten_lines(before, after):
    texts = [path.read_text("utf-8").splitlines() for path in (before, after)]
    new = [line for line in difflib.ndiff(*texts) if line.startswith("+ ") and line.strip() != "+"]
    assert 0 < len(new) <= LINES_MAX


def test_the_page_has_the_lines_of_each_stage():
    page = (STAGES[0].parents[2] / "docs" / "howto" / "your-bot.md").read_text("utf-8")
    rows = [row.split(" | ") for row in page.splitlines() if re.match(r"\| [1-4]: ", row)]
    changes = []
    for before, after in itertools.pairwise(STAGES):
        lines = difflib.ndiff(*(path.read_text("utf-8").splitlines() for path in (before, after)))
        marks = [line[0] for line in lines if line[2:].strip()]
        changes.append(f"+{marks.count('+')} −{marks.count('-')}")
    assert [row[1] for row in rows] == changes


@pytest.mark.slow
def test_the_bot_runs_before_the_change(emulator, tmp_path):
    assert run("0_bot", emulator, tmp_path) == "the bot expects {'BTC/USD': '0.01'}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_check_finds_the_fee_that_the_bot_lacks_and_writes_nothing(emulator, tmp_path):
    output = run("1_look", emulator, tmp_path)
    assert "the verdict is drift" in output
    assert "theirs=Decimal('0.009975'), bot=Decimal('0.01')" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_record_has_the_orders_that_the_bot_sends_itself(emulator, tmp_path):
    output = run("2_keep", emulator, tmp_path)
    held = Decimal(output.rpartition("the record has ")[2])
    assert Decimal("0.01") * (1 - FEE) <= held <= Decimal("0.01")
    with fb.read(f"sqlite:///{tmp_path / 'bot.db'}") as book:
        [order] = book.orders()
    assert (order.symbol, order.status, order.filled_qty) == ("BTC/USD", "filled", Decimal("0.01"))


@pytest.mark.slow
def test_an_announced_order_is_recorded_before_it_is_sent(emulator, tmp_path):
    output = run("3_announce", emulator, tmp_path)
    assert "the bot expects {'BTC/USD': '0.01'}\nthe order is filled\n" in output
    [theirs] = emulator.account.truth.orders()
    with fb.read(f"sqlite:///{tmp_path / 'bot.db'}") as book:
        [order] = book.orders()
        assert [x.command for x in book.requests(order)] == ["send"]
    assert (order.client_order_id, order.origin) == (theirs.client_order_id, "ours")


@pytest.mark.slow
def test_a_submit_returns_after_the_fill_and_sends_one_order_per_key(emulator, tmp_path):
    output = run("4_submit", emulator, tmp_path)
    assert "the bot expects {'BTC/USD': '0.01'}\nthe order is filled\n" in output
    assert run("4_submit", emulator, tmp_path) == output
    assert len(emulator.account.truth.orders()) == 1
