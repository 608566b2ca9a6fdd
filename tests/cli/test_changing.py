"""Orders changed and canceled from the command line."""

import json
from decimal import Decimal

import pytest

import fillbook as fb
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")


@pytest.fixture
def resting(emulator):
    """Three resting orders: two of crypto with a strategy, and one of another."""
    pairs = [("BTC/USD", "a"), ("ETH/USD", "a"), ("BTC/USD", "b")]
    with fb.open(store="sqlite:///bot.db") as desk:
        orders = [desk.buy(s, qty=1, limit_price="150", strategy=name) for s, name in pairs]
        emulator.exchange.clock.advance(2)  # until the exchange has routed them
        for order in orders:
            desk.sync(order=order)
    return orders


def living(emulator):
    return {x.client_order_id: x for x in emulator.account.truth.orders() if not x.is_final}


def test_an_order_is_changed_and_printed(resting, emulator, capsys):
    name = resting[0].client_order_id
    words = ("replace", name, "--limit", "151.50", "--qty", "2", *STORE)
    changed = json.loads(told(capsys, *words, "--json")[1])
    there = living(emulator)[f"{name}.r1"]
    assert (there.limit_price, there.qty) == (Decimal("151.50"), 2)
    assert (changed["client_order_id"], changed["broker_order_id"]) == (name, there.id)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--limit", "150"), 1, "has these values already"),
        (("--stop", "140"), 1, "has no --stop"),
        (("--limit", "0"), 2, "--limit"),
    ],
)
def test_a_refused_change_is_reported_and_nothing_is_sent(
    words, code, said, resting, emulator, capsys
):
    name = resting[0].client_order_id
    got, _, err = told(capsys, "replace", name, *words, *STORE)
    assert (got, said in " ".join(err.split())) == (code, True)
    assert name in living(emulator)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("--symbol", "BTC/USD"), [1]),
        (("--strategy", "a"), [2]),
        (("--strategy", "a", "--symbol", "BTC/USD"), [1, 2]),
        (("--all",), []),
    ],
)
def test_orders_are_ended_by_what_they_have_in_common(words, left, resting, emulator, capsys):
    assert told(capsys, "cancel", *words, *STORE)[0] == 0
    assert set(living(emulator)) == {resting[i].client_order_id for i in left}


def test_several_are_ended_by_name_and_what_did_not_end_is_listed(resting, emulator, capsys):
    emulator.exchange.faults.fail("asked-cancel", "cancel-never-ends")
    names = [order.client_order_id for order in resting]
    code, out, _ = told(capsys, "cancel", *names[:2], *STORE, "--json")
    failed = [x["order"]["client_order_id"] for x in json.loads(out) if x["failed"] is not None]
    assert (code, failed) == (1, names[:1])
    assert set(living(emulator)) == {names[0], names[2]}


@pytest.mark.parametrize("words", [(), ("--all", "--symbol", "BTC/USD"), ("NAME", "--all")])
def test_the_orders_to_cancel_are_selected_by_one_option(words, resting, emulator, capsys):
    words = [resting[0].client_order_id if word == "NAME" else word for word in words]
    code, _, err = told(capsys, "cancel", *words, *STORE)
    assert (code, "exactly one of" in err, len(living(emulator))) == (2, True, 3)


def test_an_unknown_order_id_cancels_nothing(resting, emulator, capsys):
    code, _, err = told(capsys, "cancel", resting[0].client_order_id, "nobody", *STORE)
    assert (code, "no order 'nobody'" in err, len(living(emulator))) == (2, True, 3)


def test_what_the_bot_held_before_its_record_is_given_to_a_strategy(emulator, capsys):
    """The position, and the stop that rests: it counts as the exit, and no second one is placed."""
    at = ("--store", "sqlite:///bot.db")
    with fb.open(store="memory://") as before:
        before.sync()
        before.buy("AAPL", qty=10)
        stop = before.sell("AAPL", qty=10, stop_price="150", time_in_force="gtc")
    assert told(capsys, "sync", *at)[0] == 0
    code, out, _ = told(capsys, "assign", "AAPL", "swing", *at)
    assert (code, "swing" in out) == (0, True)
    code, out, _ = told(capsys, "assign", stop.client_order_id[:12], "swing", *at, "--json")
    assert (code, json.loads(out)["symbol"]) == (0, "AAPL")
    code, out, _ = told(
        capsys, "protect", "AAPL", "--strategy", "swing", "--stop-price", "150", *at
    )
    assert (code, "0 orders, 0 cancels" in out) == (0, True)
    with fb.read("sqlite:///bot.db") as book:
        [protection] = book.protections()
        [order] = book.orders(open=True)
    assert (protection.cover, order.strategy) == ("covered", "swing")
    assert "covered" in told(capsys, "assign", "AAPL", "swing", *at)[1]
    assert told(capsys, "assign", "AAPL", "--no-strategy", *at)[0] == 0
    with fb.read("sqlite:///bot.db") as book:
        assert {name: x.qty for name, x in book.position("AAPL").by_strategy if x.qty} == {"": 10}
