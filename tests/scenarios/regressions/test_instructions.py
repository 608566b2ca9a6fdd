"""Cancels and the halt: an instruction to end an order is carried out, or its failure is known."""

import json
import multiprocessing
import os
import signal
from contextlib import closing

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook import opening
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.bench import MONDAY_10, Bench, unable
from tests.cli.line import told
from tests.scenarios.regressions.scenarios import PATIENCE_S, alerts_of

#: Requests per minute, and orders: more cancels than one minute allows.
RATE_LIMIT, ORDERS = 40, 52


def place_many(bench):
    """Place orders that rest, within the rate limit, and let the budget recover."""
    for number in range(ORDERS):
        bench.desk.buy("AAPL", qty=1, limit_price="1", time_in_force="gtc", key=str(number))
        bench.clock.advance(5)
    bench.clock.advance(120)


def open_at_the_broker(bench):
    return {x.id for x in bench.truth.orders() if not x.is_final}


def test_cancel_all_beyond_the_rate_limit_is_completed_or_alerted():
    """Every order is canceled, or its cancel is pending and an alert was raised."""
    bench = Bench(wait_s=5, broker=unable(rate_limit=RATE_LIMIT))
    place_many(bench)
    bench.desk.cancel_all()
    bench.pass_(600, every=10)
    pending = {x.broker_order_id for x in bench.desk.book.orders(open=True) if x.pending}
    alerts = set(alerts_of(bench.desk)) - {"stale"}  # stale is about reads of the account
    assert set() == open_at_the_broker(bench) - (pending if alerts else set())


class OneBoot(ManualClock):
    """The clock of a machine that is not restarted: its processes share one timeline."""

    timeline = "one boot"


class CancelUnanswered(AlpacaBroker):
    """A broker whose cancels get no reply and do not arrive."""

    def cancel(self, broker_order_id):
        return m.Ambiguous(m.Failure.NO_ANSWER, "no reply")


def cancel_and_die(address, pipe):
    """Cancel an order without a reply, report how long this process ran, and be killed."""
    clock = OneBoot(MONDAY_10)
    broker = CancelUnanswered(address["key"], address["secret"], url=address["url"])
    desk = fb.open(broker, address["store"], clock=clock, wait_s=1)
    desk.sync()
    desk.tick()
    desk.cancel(desk.buy("AAPL", qty=1, limit_price="1", time_in_force="gtc"))
    pipe.send(clock.elapsed().total_seconds())
    os.kill(os.getpid(), signal.SIGKILL)


def killed_after_a_cancel(address):
    """Run `cancel_and_die` in a process of its own; how many seconds it ran by its clock."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=cancel_and_die, args=(address, theirs), daemon=True)
    process.start()
    theirs.close()
    with ours:
        ran_s = ours.recv()
    process.join(PATIENCE_S)
    return ran_s


@pytest.mark.sampled(4)
@pytest.mark.parametrize("after_s", [1, 30, 60, 300])
def test_an_unanswered_cancel_is_repeated_after_a_restart(after_s, tmp_path):
    """The next process on the record cancels the order, however soon it starts."""
    clock = OneBoot(MONDAY_10)
    with Emulator(Exchange(seed=7, clock=clock), rate_limit=10_000) as emulator:
        address = {"key": emulator.key, "secret": emulator.secret, "url": emulator.url}
        store = f"sqlite:///{tmp_path}/bot.db"
        clock.advance(killed_after_a_cancel({**address, "store": store}) + after_s)
        with (
            closing(AlpacaBroker(emulator.key, emulator.secret, url=emulator.url)) as broker,
            fb.open(broker, store, clock=clock, wait_s=1) as desk,
        ):
            for _ in range(120):
                desk.tick()
                clock.advance(5)
        assert [x.status for x in emulator.account.truth.orders()] == ["canceled"]


def test_halt_ends_every_order_or_names_those_that_are_open(monkeypatch, tmp_path, capsys):
    """The open orders are the ones that it names, and the exit code is 1 while there are any."""
    store = f"sqlite:///{tmp_path}/bot.db"
    bench = Bench(store=store, wait_s=0, broker=unable(rate_limit=RATE_LIMIT))
    with bench.desk:
        place_many(bench)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "open_broker", lambda address, env: bench.broker)
    monkeypatch.setattr(opening, "SystemClock", lambda: bench.clock)
    code, out, _ = told(capsys, "halt", "--store", store, "--json")
    still = set(json.loads(out)["open"])
    assert (still, code) == (open_at_the_broker(bench), 1 if still else 0)
