"""`fillbook halt`: the switch and the end of every open order, with a record and without."""

import json

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook import opening
from fillbook.cli.commands import run
from tests.bench import Bench, unable

S = m.OrderStatus
OVER = m.ENDINGS | {S.FILLED, S.REPLACED}


def benched(monkeypatch, tmp_path, **kw):
    """A bench whose broker and clock the command line finds, and two orders that rest there."""
    made = Bench(**kw)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "open_broker", lambda address, env: made.broker)
    monkeypatch.setattr(opening, "SystemClock", lambda: made.clock)
    made.resting()
    made.by_hand("MSFT", "buy", 1, limit_price="300")
    return made


@pytest.fixture
def bench(monkeypatch, tmp_path):
    return benched(monkeypatch, tmp_path)


def open_orders(bench):
    return {x.id for x in bench.truth.orders() if x.status not in OVER}


def halted(capsys, *words):
    """(exit code, what it says as JSON)."""
    code = run(["halt", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def recorded(bench, tmp_path):
    """A store of its own, bound to the bench's account."""
    store = f"sqlite:///{tmp_path}/bot.db"
    with fb.open(bench.broker, store, clock=bench.clock) as desk:
        desk.sync()
    return store


def test_without_a_record_it_cancels_all_the_same_and_says_so(bench, capsys):
    assert run(["halt"]) == 0
    out = capsys.readouterr().out
    assert "There is no record" in out
    assert "2 orders canceled" in out
    assert open_orders(bench) == set()


def test_with_a_record_no_desk_on_it_sends_until_it_is_resumed(bench, tmp_path, capsys):
    store = recorded(bench, tmp_path)
    assert run(["halt", "all is wrong", "--store", store]) == 0
    assert "halt --resume" in capsys.readouterr().out
    assert open_orders(bench) == set()
    with fb.open(bench.broker, store, clock=bench.clock) as desk:
        assert [x.status for x in desk.book.orders()] == [S.CANCELED, S.CANCELED]
        with pytest.raises(fb.Denied, match="all is wrong"):
            desk.buy("AAPL", qty=1, limit_price="150")
        assert run(["halt", "--resume", "--store", store]) == 0
        desk.buy("AAPL", qty=1, limit_price="150")


@pytest.mark.parametrize("fault", ["cancel-never-ends", "cancel-rejected"])
@pytest.mark.parametrize("with_record", [False, True])
def test_it_exits_with_1_and_names_what_is_open(bench, tmp_path, capsys, fault, with_record):
    """A cancel that was accepted is no end: the broker's own list decides."""
    words = ("--store", recorded(bench, tmp_path)) if with_record else ()
    bench.exchange.faults.switch_on(fault)
    code, said = halted(capsys, *words)
    assert (code, set(said["open"])) == (1, open_orders(bench))
    assert said["open"]


def test_an_adapter_that_raises_ends_no_halt(monkeypatch, tmp_path, capsys):
    """Each order is tried, and what is open is named."""

    class Raises(unable()):
        calls = 0

        def cancel(self, broker_order_id):
            type(self).calls += 1
            if self.calls == 1:
                raise RuntimeError("a bug")
            return super().cancel(broker_order_id)

    bench = benched(monkeypatch, tmp_path, broker=Raises)
    code, said = halted(capsys)
    assert (code, said["open"], len(said["canceled"])) == (0, [], 2)
    assert open_orders(bench) == set()


def test_where_the_account_does_not_answer_the_orders_are_canceled_by_the_brokers_list(
    bench, capsys
):
    bench.exchange.faults.fail("account", "server-error", times=1_000)
    code, said = halted(capsys)
    bench.clock.advance(2)
    assert open_orders(bench) == set()
    assert code == (1 if said["open"] else 0)


def test_a_list_that_cannot_be_read_is_an_exit_with_1(bench, tmp_path, capsys):
    """The record's own orders are canceled all the same."""
    store = recorded(bench, tmp_path)
    bench.exchange.faults.fail("orders", "server-error", times=1_000)
    code, said = halted(capsys, "--store", store)
    assert (code, bool(said["unread"])) == (1, True)
    bench.clock.advance(2)
    assert open_orders(bench) == set()


@pytest.mark.parametrize("exits", [False, True])
@pytest.mark.parametrize("with_record", [False, True])
def test_exits_that_protect_a_position_stay_unless_asked(
    bench, tmp_path, capsys, exits, with_record
):
    """A stop of what is held, and the legs of a filled entry; an opening stop protects nothing."""
    bench.desk.cancel_all(symbol="AAPL")
    bench.desk.buy("AAPL", qty=5)
    bench.desk.sell("AAPL", qty=5, stop_price="150", time_in_force="gtc")
    bench.desk.buy("SPY", qty=3, take_profit="600", stop_loss="500")
    bench.desk.buy("MSFT", qty=1, stop_price="500", time_in_force="gtc")
    bench.clock.advance(30)
    bench.desk.sync()
    protecting = {x.id for x in bench.truth.orders() if x.status not in OVER and x.side == "sell"}
    assert len(protecting) == 3
    words = ("--store", recorded(bench, tmp_path)) if with_record else ()
    words += ("--exits",) if exits else ()
    planned = halted(capsys, *words, "--dry-run")[1]
    code, said = halted(capsys, *words)
    assert code == 0
    assert set(said["left"]) == open_orders(bench) == (set() if exits else protecting)
    assert set(planned["left"]) == set(said["left"])
    assert set(planned["canceled"]) == set(said["canceled"])


def test_a_dry_run_cancels_nothing(bench, capsys):
    before = open_orders(bench)
    assert run(["halt", "--dry-run"]) == 0
    assert "2 orders would be canceled" in capsys.readouterr().out
    assert open_orders(bench) == before


def test_real_money_needs_a_word(bench, monkeypatch):
    monkeypatch.setattr(bench.broker, "live", True, raising=False)
    before = open_orders(bench)
    assert run(["halt"]) == 2
    assert open_orders(bench) == before
