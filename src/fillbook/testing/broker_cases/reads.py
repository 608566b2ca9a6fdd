"""B001-B019 and B150-B159: reads, and what is declared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from fillbook import model as m
from fillbook.broker import WRITE_UNSUPPORTED, READ_UNSUPPORTED, Broker
from fillbook.testing.broker_cases.base import EVER, NEVER, Cases
from fillbook.testing.venue_driver import VenueDriver

_UNKNOWN_ID: Final = "00000000-0000-4000-8000-000000000000"

#: The methods that a capability stands for.
_DECLARED: Final = {
    "find": ("find",),
    "history": ("executions", "executions_of"),
    "activities": ("activities",),
    "instruments": ("instruments",),
    "instrument": ("instrument",),
    "sessions": ("sessions",),
    "quotes": ("quotes",),
    "stream": ("listen",),
    "replace": ("replace",),
}


class ReadCases(Cases):
    def test_b001_the_account_says_whose_it_is(self, broker: Broker) -> None:
        account = self.value(broker.account())
        assert (broker.name, broker.host) == (account.account.broker, account.account.host)
        assert account.account.number

    def test_b002_the_account_is_the_same_on_every_read(self, broker: Broker) -> None:
        assert self.value(broker.account()).account == self.value(broker.account()).account

    def test_b003_the_account_has_money_to_trade_with(self, broker: Broker) -> None:
        account = self.value(broker.account())
        assert account.buying_power > 0
        assert account.blocked == ()

    def test_b004_the_suite_never_runs_on_real_money(self, broker: Broker) -> None:
        assert broker.live is False

    def test_b005_positions_end_and_no_symbol_comes_twice(self, broker: Broker) -> None:
        symbols = [row.symbol for row in self.all_of(broker.positions)]
        assert sorted(set(symbols)) == sorted(symbols)

    def test_b006_an_unknown_id_is_absent_and_not_unobserved(self, broker: Broker) -> None:
        assert isinstance(broker.order(_UNKNOWN_ID), m.Absent)

    def test_b007_an_unknown_client_id_is_absent(self, broker: Broker) -> None:
        self.need(broker.capabilities.find, "find")
        assert isinstance(broker.find("suite-nobody-ever-sent-this"), m.Absent)

    def test_b008_no_order_was_submitted_in_the_future(self, broker: Broker) -> None:
        query = m.OrderQuery(m.OrderScope.ALL, datetime.now(UTC) + timedelta(days=3650))
        assert self.all_of(lambda page: broker.orders(query, page)) == []

    def test_b009_no_execution_happened_in_the_future(self, broker: Broker) -> None:
        self.need(broker.capabilities.history, "history")
        assert self.all_of(lambda page: broker.executions(NEVER, page)) == []

    def test_b010_no_activity_happened_in_the_future(self, broker: Broker) -> None:
        self.need(broker.capabilities.activities, "activities")
        assert self.all_of(lambda page: broker.activities(NEVER, page)) == []

    def test_b011_instruments_are_told_once_and_spellings_do_not_collide(
        self, broker: Broker
    ) -> None:
        self.need(broker.capabilities.instruments, "instruments")
        rows = [
            row
            for kind in (m.AssetClass.EQUITY, m.AssetClass.CRYPTO)
            for row in self.all_of(lambda page, kind=kind: broker.instruments(kind, page))  # type: ignore[misc]
        ]
        spellings = [word for row in rows for word in (row.symbol, *row.aliases)]
        assert self.symbol in spellings
        assert len(set(spellings)) == len(spellings)

    def test_b012_increments_are_above_zero(self, broker: Broker) -> None:
        self.need(broker.capabilities.instruments, "instruments")
        rows = self.all_of(lambda page: broker.instruments(m.AssetClass.EQUITY, page))
        assert all(row.qty_increment > 0 for row in rows)

    def test_b013_sessions_are_in_order_and_in_utc(self, broker: Broker) -> None:
        self.need(broker.capabilities.sessions, "sessions")
        days = self.value(broker.sessions(date(2026, 11, 23), date(2026, 11, 30)))
        assert [date(2026, 11, n) for n in (23, 24, 25, 27, 30)] == [day.day for day in days]
        for day in days:
            times = [day.extended_opens, day.opens, day.closes, day.extended_closes]
            assert sorted(times) == times
            assert {timedelta(0)} == {at.utcoffset() for at in times}

    def test_b014_quotes_are_of_what_was_asked(self, broker: Broker) -> None:
        self.need(broker.capabilities.quotes, "quotes")
        quotes = self.value(broker.quotes([self.symbol]))
        assert [self.symbol] == [quote.symbol for quote in quotes]
        assert all(0 < quote.bid <= quote.ask for quote in quotes)

    @pytest.mark.parametrize("word", sorted(_DECLARED))
    def test_b015_what_is_declared_is_overridden_and_nothing_else(
        self, broker: Broker, word: str
    ) -> None:
        ours = {
            getattr(type(broker), name) is not getattr(Broker, name) for name in _DECLARED[word]
        }
        assert {getattr(broker.capabilities, word)} == ours

    def test_b016_what_is_not_declared_answers_unsupported(self, broker: Broker) -> None:
        can = broker.capabilities
        answers: dict[str, Callable[[], object]] = {
            "find": lambda: broker.find("x"),
            "history": lambda: broker.executions(EVER, None),
            "activities": lambda: broker.activities(EVER, None),
            "instrument": lambda: broker.instrument(self.symbol),
            "sessions": lambda: broker.sessions(date(2026, 1, 5), date(2026, 1, 6)),
            "quotes": lambda: broker.quotes([self.symbol]),
            "replace": lambda: broker.replace(_UNKNOWN_ID, m.Change(client_order_id="x")),
            "stream": lambda: None,
        }
        for word, ask in answers.items():
            if not getattr(can, word):
                assert ask() in (READ_UNSUPPORTED, WRITE_UNSUPPORTED, None), word

    def test_b017_the_least_that_a_broker_can_do(self, broker: Broker) -> None:
        can = broker.capabilities
        assert {m.OrderType.MARKET, m.OrderType.LIMIT} <= can.order_types
        assert m.OrderClass.SIMPLE in can.order_classes
        assert can.rate_limit > 0
        assert can.account_lag >= timedelta(0)

    def test_b018_a_blocked_account_says_why_and_takes_no_order(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        puppeteer.block()
        assert self.value(broker.account()).blocked
        refused = broker.submit(self.intent())
        assert isinstance(refused, m.Rejected)
        assert m.RejectKind.PERMISSION is refused.kind
        puppeteer.block(is_blocked=False)
        assert self.value(broker.account()).blocked == ()
        assert isinstance(broker.submit(self.intent()), m.Accepted)

    def test_b019_what_was_placed_is_read_by_a_broker_that_has_just_started(
        self, broker: Broker, restarted: Broker | None
    ) -> None:
        if restarted is None:
            pytest.skip("no `restarted` fixture: nothing is read by a second broker")
        order = self.placed(broker)
        before, after = broker.account(), restarted.account()
        assert self.value(before).account == self.value(after).account
        assert self.seen(broker, order.broker_order_id) == self.seen(
            restarted, order.broker_order_id
        )
        assert isinstance(restarted.cancel(order.broker_order_id), m.Accepted)

    def test_b150_one_instrument_is_told_as_the_list_tells_it(self, broker: Broker) -> None:
        self.need(broker.capabilities.instrument, "instrument")
        one = broker.instrument(self.symbol)
        assert isinstance(one, m.Observed)
        assert one.value.symbol == self.symbol
        assert one.value.qty_increment > 0
        if broker.capabilities.instruments:
            rows = self.all_of(lambda page: broker.instruments(one.value.asset_class, page))
            assert one.value in rows

    def test_b151_a_symbol_that_nobody_lists_is_absent(self, broker: Broker) -> None:
        self.need(broker.capabilities.instrument, "instrument")
        assert isinstance(broker.instrument("NOSUCH"), m.Absent)
