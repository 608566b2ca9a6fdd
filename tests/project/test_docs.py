"""The README and the pages are correct: code runs, and generated parts are current."""

import functools
import os
import re
import runpy
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.cli.commands import run
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

ROOT = Path(__file__).parents[2]
PRINTED = runpy.run_path(str(ROOT / "docs" / "printed.py"))
PAGES = PRINTED["PAGES"]
REFERENCE = PRINTED["REFERENCE"]
#: Pages with the output of examples, which have tests of their own.
WITH_EXAMPLES = {"incidents.md", "exits.md"}
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
ROW = re.compile(r"`((?:src|examples|docs|tests)/[\w/.]+)`")
MONDAY_10 = datetime(2026, 3, 2, 15, tzinfo=UTC)


#: Failures that an adapter does not report.
UNTOLD = {m.Failure.FENCED, m.Failure.UNSUPPORTED}


def name_of(page):
    return page.name


def blocks_of(page):
    return BLOCK.findall(page.read_text("utf-8"))


@pytest.fixture
def emulator(monkeypatch, tmp_path):
    """
    An emulator in place of Alpaca's paper trading, on a Monday at 10:00, with a simulated clock.
    """
    monkeypatch.chdir(tmp_path)
    exchange = Exchange(seed=7, clock=ManualClock(MONDAY_10))
    with Emulator(exchange) as running:
        monkeypatch.setenv("ALPACA_API_KEY", running.key)
        monkeypatch.setenv("ALPACA_SECRET_KEY", running.secret)
        yield running


def at(emulator, text):
    """The text with the emulator's address and keys in place of the real ones."""
    for real, here in (
        ('"alpaca:paper"', f'"alpaca:{emulator.url}"'),
        (
            'TradingStream("your key", "your secret", paper=True',
            "TradingStream(KEY, SECRET, url_override=STREAM_URL",
        ),
        ('"your key", "your secret", paper=True', "KEY, SECRET, url_override=URL"),
        ("fb.open(", "OPEN("),
        ("fb.open_async(", "OPEN_ASYNC("),
        ("time.sleep(", "CLOCK.advance("),
    ):
        text = text.replace(real, here)
    return text


#: Those whose code runs an emulator of its own, or the whole suite of an adapter.
SLOW = {"emulator", "your-own-broker"}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] * (page.stem in SLOW))
        for page in PAGES
        if blocks_of(page)
    ],
    ids=name_of,
)
def test_the_code_of_a_page_runs(page, emulator, capsys):
    names = {
        "__name__": page.stem,
        "KEY": emulator.key,
        "SECRET": emulator.secret,
        "URL": emulator.url,
        "STREAM_URL": emulator.stream_url,
        "CLOCK": emulator.exchange.clock,
        "OPEN": functools.partial(fb.open, clock=emulator.exchange.clock),
        "OPEN_ASYNC": functools.partial(fb.open_async, clock=emulator.exchange.clock),
    }
    for language, text in blocks_of(page):
        if language == "console":
            for line in text.splitlines():
                assert run(shlex.split(at(emulator, line.removeprefix("$ fillbook ")))) in (0, 3)
        elif re.search(r"^ *def test_|Suite\)", text, re.MULTILINE):
            run_as_tests(text)
        else:
            exec(compile(at(emulator, text), str(page), "exec"), names)


def run_as_tests(text):
    Path("test_shown.py").write_text(text, "utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "test_shown.py"]
    ended = subprocess.run(words, capture_output=True, text=True, env=os.environ, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, marks=[pytest.mark.slow] * (page.name in WITH_EXAMPLES), id=name_of(page)
        )
        for page in PAGES
    ],
)
def test_what_a_page_prints_from_the_code_is_current(page):
    text = page.read_text("utf-8")
    assert PRINTED["renewed"](text) == text, "python docs/printed.py renews it"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_points_to_is_there(page):
    text = page.read_text("utf-8")
    broken = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    missing = [path for path in ROW.findall(text) if not (ROOT / path).exists()]
    assert (broken, missing) == ([], [])


def test_the_readme_has_the_two_commands_of_a_newcomer():
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) == [
        'python3 -m venv .venv && .venv/bin/pip install -q ".[cli]" && .venv/bin/fillbook demo\n'
        ".venv/bin/pip install -q nox && .venv/bin/nox\n"
    ]


def test_every_public_name_and_every_setting_has_a_sentence():
    pages = "".join(REFERENCE["filled"](page.read_text("utf-8")) for page in PAGES)
    missing = [
        name for name in fb.__all__ if not re.search(rf"`(?:fillbook\.|fb\.)?{name}\b", pages)
    ]
    settings = [f"FILLBOOK_{name}" for name in ("BROKER", "STORE", "CONFIG", "ALERT_URLS")]
    assert missing + [name for name in settings if name not in pages] == []


def test_the_page_for_adapters_has_every_capability_and_every_reply():
    page = (ROOT / "docs" / "your-own-broker.md").read_text("utf-8")
    names = [x.name for x in attrs.fields(m.Capabilities)]
    names += [f"{kind.__name__}(" for kind in (m.NotObserved, m.NotSent, m.Ambiguous, m.Rejected)]
    names += [f"({kind.name}" for kind in m.Failure if kind not in UNTOLD]
    assert [x for x in names if f"`{x}" not in page and f"{x}" not in page] == []
