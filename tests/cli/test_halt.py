"""`fillbook halt`: the switch and the end of every open order, with a record and without."""

import json

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook import opening
from fillbook.cli.commands import run
from tests.bench import Bench

S = m.OrderStatus


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """A bench whose broker the command line finds, and two orders that rest there."""
    made = Bench()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "open_broker", lambda address, env: made.broker)
    made.resting()
    made.by_hand("MSFT", "buy", 1, limit_price="300")
    return made


def open_orders(bench):
    return [x.id for x in bench.truth.orders() if x.status not in m.ENDINGS | {S.FILLED}]


def test_without_a_record_it_cancels_all_the_same_and_says_so(bench, capsys):
    assert run(["halt"]) == 0
    assert "there is no record" in capsys.readouterr().out
    bench.clock.advance(5)
    assert open_orders(bench) == []


def test_with_a_record_no_desk_on_it_sends_until_it_is_resumed(bench, tmp_path):
    store = f"sqlite:///{tmp_path}/bot.db"
    fb.open(bench.broker, store, clock=bench.clock).close()
    assert run(["halt", "all is wrong", "--store", store]) == 0
    bench.clock.advance(5)
    assert open_orders(bench) == []
    with fb.open(bench.broker, store, clock=bench.clock) as desk:
        with pytest.raises(fb.Denied, match="all is wrong"):
            desk.buy("AAPL", qty=1, limit_price="150")
        assert run(["halt", "--resume", "--store", store]) == 0
        desk.buy("AAPL", qty=1, limit_price="150")


def test_what_was_not_canceled_is_named(bench, capsys):
    bench.fail("cancel", "unreachable")
    assert run(["halt", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["orders"]
    assert sorted(x["failed"] is None for x in rows) == [False, True]


def test_a_dry_run_cancels_nothing(bench, capsys):
    before = open_orders(bench)
    assert run(["halt", "--dry-run"]) == 0
    assert "would be canceled" in capsys.readouterr().out
    assert open_orders(bench) == before


def test_real_money_needs_a_word(bench, monkeypatch):
    monkeypatch.setattr(bench.broker, "live", True, raising=False)
    before = open_orders(bench)
    assert run(["halt"]) == 2
    assert open_orders(bench) == before
