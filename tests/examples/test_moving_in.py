"""The stages of moving in run, and each is a small step from the one before."""

import difflib
import itertools
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import fillbook as fb
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

STAGES = sorted((Path(__file__).parents[2] / "examples" / "moving_in").glob("*.py"))
LINES_MAX = 10
FEE = Decimal("0.0025")


@pytest.fixture
def emulator():
    with Emulator(Exchange(seed=7)) as running:
        yield running


def run(name, emulator, folder):
    """What a stage prints, by the words before it."""
    [stage] = [path for path in STAGES if path.stem == name]
    env = {
        **os.environ,
        "ALPACA_API_KEY": emulator.key,
        "ALPACA_SECRET_KEY": emulator.secret,
        "ALPACA_URL": emulator.url,
    }
    ended = subprocess.run(
        [sys.executable, stage], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.pairwise(STAGES)), ids=lambda x: x.stem
)
def test_a_stage_adds_at_most_ten_lines(before, after):
    texts = [path.read_text("utf-8").splitlines() for path in (before, after)]
    new = [line for line in difflib.ndiff(*texts) if line.startswith("+ ") and line.strip() != "+"]
    assert 0 < len(new) <= LINES_MAX


def test_the_bot_runs_as_it_is(emulator, tmp_path):
    assert run("0_bot", emulator, tmp_path) == "the bot believes {'BTC/USD': '0.5'}\n"
    assert list(tmp_path.iterdir()) == []


def test_looking_finds_the_fee_that_the_bot_forgot_and_writes_nothing(emulator, tmp_path):
    said = run("1_look", emulator, tmp_path)
    assert "check says drift" in said
    assert "theirs=Decimal('0.49875'), bot=Decimal('0.5')" in said
    assert list(tmp_path.iterdir()) == []


def test_keeping_makes_a_record_of_what_the_bot_sent_itself(emulator, tmp_path):
    said = run("2_keep", emulator, tmp_path)
    held = Decimal(said.rpartition("the record says ")[2])
    assert Decimal("0.5") * (1 - FEE) <= held <= Decimal("0.5")
    with fb.read(f"sqlite:///{tmp_path / 'bot.db'}") as book:
        [order] = book.orders()
    assert (order.symbol, order.status, order.filled_qty) == ("BTC/USD", "filled", Decimal("0.5"))


def test_announcing_makes_the_bots_order_one_of_ours_before_it_is_sent(emulator, tmp_path):
    said = run("3_announce", emulator, tmp_path)
    assert "the bot believes {'BTC/USD': '0.5'}\nthe order is filled\n" in said
    [theirs] = emulator.account.truth.orders()
    with fb.read(f"sqlite:///{tmp_path / 'bot.db'}") as book:
        [order] = book.orders()
        assert [x.command for x in book.requests(order)] == ["send"]
    assert (order.client_order_id, order.origin) == (theirs.client_order_id, "ours")


def test_submitting_is_done_once_the_fill_is_known_and_once_for_ever(emulator, tmp_path):
    said = run("4_submit", emulator, tmp_path)
    assert "the bot believes {'BTC/USD': '0.5'}\nthe order is filled\n" in said
    assert run("4_submit", emulator, tmp_path) == said
    assert len(emulator.account.truth.orders()) == 1
