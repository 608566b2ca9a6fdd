"""The example broker passes the suite, and serves a desk."""

import importlib.util
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import fillbook as fb
from fillbook.clock import ManualClock

FOLDER = Path(__file__).parents[2] / "examples" / "own_broker"


def test_it_passes_every_case_of_its_capabilities(tmp_path):
    words = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", FOLDER]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    [passed] = re.findall(r"^(\d+) passed", ended.stdout, re.MULTILINE)
    assert int(passed) >= 30
    assert "no `venue` fixture" in ended.stdout


@pytest.fixture
def paper_book():
    spec = importlib.util.spec_from_file_location("paper_book", FOLDER / "paper_book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PaperBook()


def test_a_desk_can_work_with_six_methods(paper_book):
    clock = ManualClock(datetime.now(UTC))
    with fb.open(paper_book, "memory://", clock=clock) as desk:
        assert desk.sync().verdict is fb.Verdict.IN_SYNC
        order = desk.buy("AAPL", qty=10, limit_price="100", time_in_force="gtc")
        assert order.status is fb.OrderStatus.NEW
        assert desk.cancel(order).status is fb.OrderStatus.CANCELED
        assert desk.check().verdict is fb.Verdict.IN_SYNC
