"""The command line as a process: a closed pipe, the demo, a stopped emulator."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient

FILLBOOK = [sys.executable, "-c", "from fillbook.cli import main; main()"]
BROKERS = ["alpaca", pytest.param("coinbase", marks=pytest.mark.slow)]


def test_the_demo_ends_in_sync_and_prints_plain_text_into_a_pipe():
    told = subprocess.run(
        [*FILLBOOK, "demo"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
        check=True,
    )
    assert "A second sync finds nothing: 0 entries" in told.stdout
    assert ("\x1b" in told.stdout, told.stderr) == (False, "")
    assert max(len(line) for line in told.stdout.splitlines()) <= 80


@pytest.mark.slow
@pytest.mark.parametrize("broker", BROKERS)
def test_the_demo_is_the_same_over_the_wire(broker):
    call = [*FILLBOOK, "demo", "--broker", broker, "--json"]
    told = subprocess.run(call, capture_output=True, check=True)
    before, report, again, after = json.loads(told.stdout)
    assert (before["verdict"], after["verdict"]) == ("drift", "in_sync")
    assert (report["entries"] > 0, again["entries"]) == (True, 0)
    assert [x["symbol"] for x in before["rows"] if x["verdict"] == "drift"] == {
        "alpaca": ["AAPL", "MSFT", "NVDA"],
        "coinbase": ["BTC/USD", "ETH/USD", "SOL/USD"],
    }[broker]


def test_a_reader_who_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [*FILLBOOK, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def lines_of(running):
    """The output of an emulator, to its last line."""
    lines = [running.stdout.readline().rstrip()]
    while "fillbook sync" not in lines[-1]:
        line = running.stdout.readline()
        assert line, lines  # it has ended
        lines.append(line.rstrip())
    return lines


@pytest.mark.parametrize("name", BROKERS)
def test_an_emulator_prints_its_address_and_ends_when_it_is_stopped(name):
    with subprocess.Popen(
        [*FILLBOOK, "emulate", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        lines = lines_of(running)
        running.send_signal(signal.SIGINT)
        ended, errors = running.wait(timeout=60), running.stderr.read()
    assert lines[0].startswith(f"{name.title()} is emulated at http://127.0.0.1:")
    assert [line for line in lines if len(line) > 80] == []
    assert (ended, errors) == (0, "stopped\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKERS)
def test_the_printed_settings_of_an_emulator_work(name):
    with subprocess.Popen(
        [*FILLBOOK, "emulate", name], stdout=subprocess.PIPE, text=True
    ) as running:
        lines = lines_of(running)
        names = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(lines)))
        address = lines[-1].split()[-1]
        told = subprocess.run(
            [
                *(*FILLBOOK, "check", "--broker", address),
                *("--ours", "BTC/USD=0"),
            ],
            capture_output=True,
            env={**os.environ, **names},
            check=False,
        )
        running.send_signal(signal.SIGINT)
    assert told.returncode == 0, told.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKERS)
def test_an_emulator_begins_on_an_open_day(name):
    """At 10:00 in New York, whatever day it is; fillbook has its time by the printed variable."""
    with subprocess.Popen(
        [*FILLBOOK, "emulate", name, "--at", "2026-03-02"], stdout=subprocess.PIPE, text=True
    ) as running:
        lines = lines_of(running)
        names = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(lines)))
        told = subprocess.run(
            [
                *(*FILLBOOK, "check", "--broker", lines[-1].split()[-1]),
                *("--ours", "BTC/USD=0", "--json"),
            ],
            capture_output=True,
            env={**os.environ, **names},
            check=True,
        )
        if name == "alpaca":
            client = TradingClient(
                names["ALPACA_API_KEY"],
                names["ALPACA_SECRET_KEY"],
                url_override=names["APCA_API_BASE_URL"],
            )
            assert client.get_clock().is_open
            client._session.close()
        running.send_signal(signal.SIGINT)
    assert lines[1] == "It is Monday, 2026-03-02 10:00 in New York there."
    assert json.loads(told.stdout)["at"].startswith("2026-03-02T15:0")


def test_an_emulator_has_a_past_for_the_clients_of_market_data(tmp_path):
    past = tmp_path / "qqq.csv"
    past.write_text("time,open,high,low,close\n2026-01-05,9,9,9,9\n2026-01-06,9,9,8,8\n", "utf-8")
    with subprocess.Popen(
        [*FILLBOOK, "emulate", "alpaca", "--history", f"QQQ={past}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        lines = lines_of(running)
        names = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(lines)))
        client = StockHistoricalDataClient(
            names["ALPACA_API_KEY"],
            names["ALPACA_SECRET_KEY"],
            url_override=names["APCA_API_BASE_URL"],
        )
        wish = StockBarsRequest(
            symbol_or_symbols=["QQQ", "SPY"],
            timeframe=TimeFrame.Day,
            start=datetime(2025, 12, 1, tzinfo=UTC),
        )
        found = client.get_stock_bars(wish).data
        latest = StockLatestQuoteRequest(symbol_or_symbols="QQQ")
        quote = client.get_stock_latest_quote(latest)["QQQ"]
        client._session.close()
        running.send_signal(signal.SIGINT)
    assert [bar.close for bar in found["QQQ"]][:2] == [9, 8]
    assert len(found["SPY"]) > 100
    assert quote.bid_price == 8  # the prices go on from the file
