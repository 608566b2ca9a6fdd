"""The emulator as a fixture, in a separate test run, as a user has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TWO_LINES = """
pytest_plugins = ["fillbook.testing.emulators"]
def test_it_is_there(alpaca): assert alpaca.url.startswith("http://127.0.0.1:")
"""

COINBASE = """
import os
import fillbook as fb
pytest_plugins = ["fillbook.testing.emulators"]

def test_a_bot_finds_its_address_and_keys(coinbase, coinbase_clock):
    address = "coinbase:" + os.environ["COINBASE_URL"]
    with fb.open(address, "memory://", clock=coinbase_clock) as desk:
        desk.sync()
        assert desk.buy("BTC/USD", notional=100).status == "filled"
        assert coinbase.account.truth.cash() == 99_900
"""

IMPORTED = """
import os
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import MarketOrderRequest
from fillbook.testing.emulators import alpaca, alpaca_clock, alpaca_exchange

def bot(key, secret, url):
    return TradingClient(key, secret, url_override=url)

def test_time_passes_when_the_test_says_so(alpaca, alpaca_clock):
    client = bot(os.environ["APCA_API_KEY_ID"], os.environ["ALPACA_SECRET_KEY"],
                 os.environ["APCA_API_BASE_URL"])
    wish = MarketOrderRequest(symbol="AAPL", qty=2, side="buy", time_in_force="day")
    order = client.submit_order(wish)
    assert client.get_order_by_id(order.id).filled_qty == "0"
    alpaca_clock.advance(1)
    assert client.get_order_by_id(order.id).filled_qty == "2"
    alpaca_clock.advance(24 * 3600)
    assert client.get_clock().timestamp.isoformat() == "2026-03-03T10:00:01-05:00"
    client._session.close()

def test_accounts_do_not_see_each_other(alpaca):
    alpaca.exchange.open_account("second", cash=500)
    first = bot(alpaca.key, alpaca.secret, alpaca.url)
    second = bot("second", alpaca.secret_of("second"), alpaca.url)
    assert [each.get_account().cash for each in (first, second)] == ["100000", "500"]
    first._session.close(), second._session.close()
"""

REAL_TIME = """
import pytest, time
from fillbook.clock import SystemClock
pytest_plugins = ["fillbook.testing.emulators"]

@pytest.fixture
def alpaca_clock():
    return SystemClock()

def test_time_passes_by_itself(alpaca):
    before = alpaca.exchange.now()
    while alpaca.exchange.now() == before:
        pass
"""


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_bot.py").write_text(text, "utf-8")
    # As strict as a bot's tests may be; alpaca-py's own warning is not ours to end.
    strict = ("-W", "error", "-W", "ignore:websockets.legacy is deprecated:DeprecationWarning")
    words = [sys.executable, "-m", "pytest", "-q", *strict, "-p", "no:cacheprovider"]
    return subprocess.run(
        [*words, "test_bot.py"],
        cwd=folder, capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "text", [TWO_LINES, COINBASE, IMPORTED, REAL_TIME], ids=["two", "coinbase", "import", "real"]
)
def test_a_bots_tests_have_a_broker_of_their_own(tmp_path: Path, text: str) -> None:
    ended = run(tmp_path, text)
    assert ended.returncode == 0, ended.stdout


def test_the_fixtures_are_not_loaded_automatically(tmp_path: Path) -> None:
    ended = run(tmp_path, "def test_it(alpaca): pass")
    assert "fixture 'alpaca' not found" in ended.stdout
