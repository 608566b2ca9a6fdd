"""A paper account that its owner resets: everything is gone, and a record reports the change."""

from __future__ import annotations

import pytest

import fillbook as fb
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.stores.memory import MemoryStore
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Configurations
from tests.bench import Bench
from tests.venue.exchange.floor import D, Day, ticket


def test_a_reset_leaves_nothing_of_the_account_but_its_name() -> None:
    day = Day()
    filled, resting = day.worked(), day.worked(limit_price="150", time_in_force="gtc")
    day.account.configure(Configurations(no_shorting=True))
    before = day.account.report()
    day.exchange.reset(day.account, cash=5000)
    after = day.account.report()
    assert before.id != after.id
    assert before.number != after.number
    assert (D(5000), D(5000)) == (after.cash, after.equity)
    assert day.account.positions() == []
    assert [day.account.order(each.id) for each in (filled, resting)] == [None, None]
    assert day.account.fills() == []
    assert day.account.configurations == Configurations()
    assert day.exchange.account("paper") is day.account


def test_pending_work_at_a_reset_changes_nothing() -> None:
    day = Day()
    day.submit()
    day.exchange.reset(day.account)
    day.pass_(60)
    day.exchange.quote("AAPL", 150, 150)
    assert (D(100_000), {}) == (day.account.report().cash, day.account.truth.positions())
    day.account.submit(ticket())
    day.pass_(1)
    assert {"AAPL": D(10)} == day.account.truth.positions()


def test_a_reset_closes_the_streams() -> None:
    day, lost = Day(), []
    with day.account.listen(lambda event: None, lambda: lost.append(True)):
        day.exchange.reset(day.account)
        day.pass_(1)
    assert lost == [True]


def test_other_keys_open_it_and_the_old_ones_no_more() -> None:
    day = Day()
    day.exchange.reset(day.account, key="fresh")
    assert day.exchange.account("fresh") is day.account
    with pytest.raises(KeyError):
        day.exchange.account("paper")
    day.exchange.open_account("other")
    with pytest.raises(ValueError, match="the key 'other' belongs to another account"):
        day.exchange.reset(day.account, key="other")


def test_a_desk_does_not_take_the_new_account_for_its_own() -> None:
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(10)
    bench.exchange.reset(bench.books)
    bench.clock.advance(30)
    before = bench.desk.book.positions()
    with pytest.raises(fb.AccountChanged, match="nothing was changed"):
        bench.desk.sync()
    assert before == bench.desk.book.positions()


def test_after_a_reset_a_desk_reports_another_account_and_old_keys_are_refused() -> None:
    day = Day()
    with Emulator(day.exchange) as emulator:
        with opened(emulator, "paper", day) as desk:
            assert desk.sync().opened
            day.exchange.reset(emulator.account)
            with pytest.raises(fb.AccountChanged):
                desk.sync()
        day.exchange.reset(emulator.account, key="fresh")
        with pytest.raises(fb.CredentialsMissing), opened(emulator, "paper", day) as desk:
            desk.sync()
        with opened(emulator, "fresh", day) as desk:
            assert desk.sync().opened


def opened(emulator: Emulator, key: str, day: Day) -> fb.Desk:
    return fb.open(broker(emulator, key), MemoryStore(), clock=day.clock)


def broker(emulator: Emulator, key: str) -> AlpacaBroker:
    env = {"ALPACA_API_KEY": key, "ALPACA_SECRET_KEY": Emulator.secret_of(key)}
    return AlpacaBroker.from_address(emulator.url, env)
