"""
`fillbook halt`: the kill switch and the cancel of every open order, with and without a record.
"""

import json
import os

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook import opening
from fillbook.cli.commands import run
from tests.bench import Bench, unable

S = m.OrderStatus
#: More orders than one minute has requests for, in the long campaign.
ORDERS = 260 if os.environ.get("FILLBOOK_TEST_PROFILE") == "thorough" else 24
OVER = m.ENDINGS | {S.FILLED, S.REPLACED}


def benched(monkeypatch, tmp_path, **kw):
    """A bench whose broker and clock are the command line's, with two resting orders."""
    made = Bench(**kw)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "open_broker", lambda address, env: made.broker)
    for module in ("fillbook.opening", "fillbook.cli.halt"):
        monkeypatch.setattr(f"{module}.SystemClock", lambda: made.clock)
    made.resting()
    made.by_hand("MSFT", "buy", 1, limit_price="300")
    return made


@pytest.fixture
def bench(monkeypatch, tmp_path):
    return benched(monkeypatch, tmp_path)


def open_orders(bench):
    return {x.id for x in bench.truth.orders() if x.status not in OVER}


def halted(capsys, *words):
    """Return (exit code, the JSON output)."""
    code = run(["halt", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def recorded(bench, tmp_path):
    """A separate store, bound to the bench's account."""
    store = f"sqlite:///{tmp_path}/bot.db"
    with fb.open(bench.broker, store, clock=bench.clock) as desk:
        desk.sync()
    return store


def test_without_a_record_it_cancels_too_and_reports_it(bench, capsys):
    assert run(["halt"]) == 0
    out = capsys.readouterr().out
    assert "There is no record" in out
    assert "2 orders canceled" in out
    assert open_orders(bench) == set()


def test_a_wrong_settings_file_stops_no_halt(bench, tmp_path, capsys):
    """What it needs is on the command line; the message of the file is printed."""
    store = recorded(bench, tmp_path)
    (tmp_path / "fillbook.toml").write_text('repair = "auto"\n')
    assert run(["halt", "--broker", "sim:", "--store", store]) == 0
    told = capsys.readouterr()
    assert "fillbook.toml, line 1: repair is no setting" in told.err
    assert "No alert is passed on to a sink." in told.err
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
    """An accepted cancel is not final: the broker's own list decides."""
    words = ("--store", recorded(bench, tmp_path)) if with_record else ()
    bench.exchange.faults.switch_on(fault)
    code, said = halted(capsys, *words)
    assert (code, set(said["open"])) == (1, open_orders(bench))
    assert said["open"]


def test_an_adapter_that_raises_ends_no_halt(monkeypatch, tmp_path, capsys):
    """Each order is tried, and open ones are named."""

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


def test_if_the_account_cannot_be_read_the_orders_of_the_brokers_list_are_canceled(bench, capsys):
    bench.exchange.faults.fail("account", "server-error", times=1_000)
    code, said = halted(capsys)
    bench.clock.advance(2)
    assert open_orders(bench) == set()
    assert code == (1 if said["open"] else 0)


def test_a_list_that_cannot_be_read_is_an_exit_with_1(bench, tmp_path, capsys):
    """The record's own orders are canceled anyway."""
    store = recorded(bench, tmp_path)
    bench.exchange.faults.fail("orders", "server-error", times=1_000)
    code, said = halted(capsys, "--store", store)
    assert (code, bool(said["unread"])) == (1, True)
    bench.clock.advance(2)
    assert open_orders(bench) == set()


@pytest.mark.parametrize("exits", [False, True])
@pytest.mark.parametrize("with_record", [False, True])
def test_exits_that_protect_a_position_are_canceled_only_with_the_option(
    bench, tmp_path, capsys, exits, with_record
):
    """
    A stop that reduces a position, and the legs of a filled order; an opening stop protects
    nothing.
    """
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


def many(bench, count):
    """That many orders: of ours, external ones, a position with a stop, and a filled bracket."""
    bench.desk.cancel_all(symbol="AAPL")
    bench.desk.buy("AAPL", qty=5)
    bench.desk.sell("AAPL", qty=5, stop_price="150", time_in_force="gtc")
    bench.desk.buy("SPY", qty=3, take_profit="600", stop_loss="500")
    bench.clock.advance(30)
    for number in range(count):
        if number % 3:
            bench.by_hand("MSFT", "buy", 1, limit_price=str(200 + number % 50))
        else:
            bench.desk.buy("SPY", qty=1, limit_price="400", key=str(number), time_in_force="gtc")
            bench.clock.advance(1)
    bench.clock.advance(120)


class Liar(unable()):
    """It accepts the cancel of an external order, and does nothing."""

    def cancel(self, broker_order_id):
        order = self.books.truth.get(broker_order_id)
        if order.symbol == "MSFT":
            return m.Accepted(None)
        return super().cancel(broker_order_id)


class Refuses(unable()):
    """It rejects the cancel of an external order."""

    def cancel(self, broker_order_id):
        order = self.books.truth.get(broker_order_id)
        if order.symbol == "MSFT":
            return m.Rejected(m.RejectKind.NOT_NOW, "not now", "422")
        return super().cancel(broker_order_id)


class RaisesOften(unable()):
    """Its adapter raises for every external order."""

    def cancel(self, broker_order_id):
        if self.books.truth.get(broker_order_id).symbol == "MSFT":
            raise RuntimeError("a bug")
        return super().cancel(broker_order_id)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("exits", [False, True])
@pytest.mark.parametrize("with_record", [False, True])
@pytest.mark.parametrize("broker", [unable(), Liar, Refuses, RaisesOften])
def test_the_result_is_the_brokers_truth(monkeypatch, tmp_path, capsys, broker, with_record, exits):
    """Many orders, brackets and external ones: exit status and lists, whatever a cancel does."""
    bench = benched(monkeypatch, tmp_path, broker=broker, cash=10_000_000)
    many(bench, ORDERS)
    words = ("--store", recorded(bench, tmp_path)) if with_record else ()
    words += ("--exits",) if exits else ()
    before, legs = open_orders(bench), {x.id for x in bench.truth.orders() if x.side == "sell"}
    planned = halted(capsys, *words, "--dry-run")[1]
    code, said = halted(capsys, *words)
    after = open_orders(bench)
    lives = {x.id for x in bench.truth.orders() if x.symbol == "MSFT"} & before
    expected = set() if broker.__name__ == "Unable" else lives
    assert set(said["open"]) == expected
    assert set(said["left"]) == (set() if exits else legs & after)
    assert after == expected | set(said["left"])
    assert set(said["canceled"]) == before - after
    assert code == (1 if expected else 0)
    assert said["unprotected"] == (["AAPL", "SPY"] if exits else [])
    assert set(planned["canceled"]) == before - set(said["left"])
    assert all(said["client_order_ids"].get(x) for x in before)


@pytest.mark.parametrize("fails", ["open", "write"])
def test_a_record_that_cannot_be_used_stops_no_cancel(bench, tmp_path, capsys, fails, monkeypatch):
    """The orders are canceled, the exit code is 1, and the message says that no switch is set."""
    store = recorded(bench, tmp_path)
    if fails == "open":
        (tmp_path / "bot.db").write_bytes(b"no database at all" * 99)
    else:
        (tmp_path / "bot.db").chmod(0o400)
        monkeypatch.setattr(
            "fillbook.desk.record.kill_switch.KillSwitch.halt", raising(fb.StoreUnavailable("full"))
        )
    assert run(["halt", "--store", store]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "The kill switch is not set" in out
    assert "2 orders canceled" in out
    assert open_orders(bench) == set()


def raising(error):
    def call(*words):
        raise error

    return call


def test_orders_on_the_pages_that_can_be_read_are_canceled(monkeypatch, tmp_path, capsys):
    """A page of the list fails until the pages before it are empty: all orders are canceled."""
    made = benched(monkeypatch, tmp_path)
    for number in range(6):
        made.by_hand("MSFT", "buy", 1, limit_price=str(200 + number))
    store = recorded(made, tmp_path)
    for number in range(6):
        made.by_hand("MSFT", "buy", 1, limit_price=str(210 + number))
    made.broker._page_size = 9
    pages = made.broker.orders

    def orders(query, page):
        failed = m.NotObserved(m.Failure.SERVER_ERROR, "page 2 is down")
        return pages(query, page) if page is None else failed

    monkeypatch.setattr(made.broker, "orders", orders)
    code, said = halted(capsys, "--store", store)
    assert (code, said["open"], said["unread"]) == (0, [], None)
    assert open_orders(made) == set()
    with fb.open(made.broker, store, clock=made.clock) as desk:
        assert len(desk.book.orders()) == 14
        assert all(x.is_final for x in desk.book.orders())


def test_a_dry_run_cancels_nothing(bench, capsys):
    before = open_orders(bench)
    assert run(["halt", "--dry-run"]) == 0
    assert "2 orders would be canceled" in capsys.readouterr().out
    assert open_orders(bench) == before


def test_real_money_needs_the_live_option(bench, monkeypatch):
    monkeypatch.setattr(bench.broker, "live", True, raising=False)
    before = open_orders(bench)
    assert run(["halt"]) == 2
    assert open_orders(bench) == before


def test_the_record_of_the_settings_is_halted(bench, tmp_path, capsys):
    """Without --store it reported that there was no record, and set no switch."""
    with fb.open(bench.broker, "sqlite:///fillbook.db", clock=bench.clock) as desk:
        desk.sync()
    assert run(["halt", "all is wrong"]) == 0
    assert "The kill switch is set" in capsys.readouterr().out
    with fb.read("sqlite:///fillbook.db") as book:
        assert book.status().halted == "all is wrong"
    assert run(["halt", "--resume"]) == 0
    with fb.read("sqlite:///fillbook.db") as book:
        assert book.status().halted is None


def test_one_order_is_counted_as_one(bench, capsys):
    assert run(["halt"]) == 0
    assert "2 orders canceled:" in capsys.readouterr().out
    bench.resting()
    assert run(["halt"]) == 0
    assert "1 order canceled:" in capsys.readouterr().out


def test_without_a_record_nothing_can_be_resumed(bench, capsys):
    assert run(["halt", "--resume"]) == 2
    assert "there is no record at fillbook.db" in capsys.readouterr().err
