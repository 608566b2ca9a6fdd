"""B001-B019 and B150-B159: reads and capabilities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from fillbook import model as m
from fillbook.broker import READ_UNSUPPORTED, WRITE_UNSUPPORTED, Broker
from fillbook.testing.broker_cases.base import EPOCH, FAR_FUTURE, Cases, require_types
from fillbook.testing.venue_driver import VenueDriver

#: The methods of each capability.
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
    def test_b001_the_account_has_the_brokers_name_host_and_number(self, broker: Broker) -> None:
        account = self.observed(broker.account())
        assert (broker.name, broker.host) == (account.account.broker, account.account.host)
        assert account.account.number

    def test_b002_the_account_is_the_same_on_every_read(self, broker: Broker) -> None:
        assert self.observed(broker.account()).account == self.observed(broker.account()).account

    def test_b003_the_account_has_buying_power(self, broker: Broker) -> None:
        account = self.observed(broker.account())
        assert account.buying_power > 0
        assert account.blocked == ()

    def test_b004_the_suite_never_runs_on_real_money(self, broker: Broker) -> None:
        assert broker.live is False

    def test_b005_position_pages_end_without_duplicate_symbols(self, broker: Broker) -> None:
        symbols = [row.symbol for row in self.read_pages(broker.positions)]
        assert sorted(set(symbols)) == sorted(symbols)

    def test_b006_an_unknown_id_is_absent_and_not_unobserved(self, broker: Broker) -> None:
        assert isinstance(broker.order(self.unknown_id), m.Absent)

    def test_b007_an_unknown_client_id_is_absent(self, broker: Broker) -> None:
        self.require(broker.capabilities.find, "find")
        assert isinstance(broker.find("suite-nobody-ever-sent-this"), m.Absent)

    def test_b008_no_order_was_submitted_in_the_future(self, broker: Broker) -> None:
        query = m.OrderQuery(m.OrderScope.ALL, datetime.now(UTC) + timedelta(days=3650))
        assert self.read_pages(lambda page: broker.orders(query, page)) == []

    def test_b009_no_execution_happened_in_the_future(self, broker: Broker) -> None:
        self.require(broker.capabilities.history, "history")
        assert self.read_pages(lambda page: broker.executions(FAR_FUTURE, page)) == []

    def test_b010_no_activity_happened_in_the_future(self, broker: Broker) -> None:
        self.require(broker.capabilities.activities, "activities")
        assert self.read_pages(lambda page: broker.activities(FAR_FUTURE, page)) == []

    def test_b011_instruments_and_their_aliases_are_unique(self, broker: Broker) -> None:
        self.require(broker.capabilities.instruments, "instruments")
        rows = [
            row
            for kind in (m.AssetClass.EQUITY, m.AssetClass.CRYPTO)
            for row in self.read_pages(lambda page, kind=kind: broker.instruments(kind, page))  # type: ignore[misc]
        ]
        symbols_and_aliases = [name for row in rows for name in (row.symbol, *row.aliases)]
        assert self.symbol in symbols_and_aliases
        assert len(set(symbols_and_aliases)) == len(symbols_and_aliases)

    def test_b012_increments_are_above_zero(self, broker: Broker) -> None:
        self.require(broker.capabilities.instruments, "instruments")
        rows = self.read_pages(lambda page: broker.instruments(m.AssetClass.EQUITY, page))
        assert all(row.qty_increment > 0 for row in rows)

    def test_b013_sessions_are_in_order_and_in_utc(self, broker: Broker) -> None:
        self.require(broker.capabilities.sessions, "sessions")
        days = self.observed(broker.sessions(date(2026, 11, 23), date(2026, 11, 30)))
        assert [date(2026, 11, n) for n in self.session_days] == [day.day for day in days]
        for day in days:
            times = [day.extended_opens, day.opens, day.closes, day.extended_closes]
            assert sorted(times) == times
            assert {timedelta(0)} == {at.utcoffset() for at in times}

    def test_b014_quotes_are_of_the_requested_symbols(self, broker: Broker) -> None:
        self.require(broker.capabilities.quotes, "quotes")
        quotes = self.observed(broker.quotes([self.symbol]))
        assert [self.symbol] == [quote.symbol for quote in quotes]
        assert all(0 < quote.bid <= quote.ask for quote in quotes)

    @pytest.mark.parametrize("capability", sorted(_DECLARED))
    def test_b015_declared_methods_are_overridden_and_no_others(
        self, broker: Broker, capability: str
    ) -> None:
        is_declared = getattr(broker.capabilities, capability)
        for name in _DECLARED[capability]:
            is_overridden = getattr(type(broker), name) is not getattr(Broker, name)
            assert is_declared is is_overridden, (
                f"`{capability}` is {'' if is_declared else 'not '}declared, and `{name}` is "
                f"{'' if is_overridden else 'not '}overridden"
            )

    def test_b016_undeclared_methods_return_unsupported(self, broker: Broker) -> None:
        capabilities = broker.capabilities
        calls: dict[str, Callable[[], object]] = {
            "find": lambda: broker.find("x"),
            "history": lambda: broker.executions(EPOCH, None),
            "activities": lambda: broker.activities(EPOCH, None),
            "instrument": lambda: broker.instrument(self.symbol),
            "sessions": lambda: broker.sessions(date(2026, 1, 5), date(2026, 1, 6)),
            "quotes": lambda: broker.quotes([self.symbol]),
            "replace": lambda: broker.replace(self.unknown_id, m.Change(client_order_id="x")),
            "stream": lambda: None,
        }
        for capability, call in calls.items():
            if not getattr(capabilities, capability):
                assert call() in (READ_UNSUPPORTED, WRITE_UNSUPPORTED, None), capability

    def test_b017_the_minimum_capabilities_are_declared(self, broker: Broker) -> None:
        capabilities = broker.capabilities
        require_types(capabilities)
        assert {m.OrderType.MARKET, m.OrderType.LIMIT} <= capabilities.order_types
        assert m.OrderClass.SIMPLE in capabilities.order_classes
        assert capabilities.rate_limit > 0
        assert capabilities.account_lag >= timedelta(0)

    def test_b018_a_blocked_account_reports_it_and_accepts_no_order(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        driver.block()
        assert self.observed(broker.account()).blocked
        refused = broker.submit(self.intent())
        assert isinstance(refused, m.Rejected)
        assert m.RejectKind.PERMISSION is refused.kind
        driver.block(is_blocked=False)
        assert self.observed(broker.account()).blocked == ()
        assert isinstance(broker.submit(self.intent()), m.Accepted)

    def test_b019_an_order_is_read_by_a_broker_that_has_just_started(
        self, broker: Broker, restarted: Broker | None
    ) -> None:
        if restarted is None:
            pytest.skip("no `restarted` fixture: nothing is read by a second broker")
        order = self.place(broker)
        before, after = broker.account(), restarted.account()
        assert self.observed(before).account == self.observed(after).account
        assert self.read_order(broker, order.broker_order_id) == self.read_order(
            restarted, order.broker_order_id
        )
        assert isinstance(restarted.cancel(order.broker_order_id), m.Accepted)

    def test_b150_one_instrument_equals_its_row_in_the_list(self, broker: Broker) -> None:
        self.require(broker.capabilities.instrument, "instrument")
        answer = broker.instrument(self.symbol)
        assert isinstance(answer, m.Observed)
        assert answer.value.symbol == self.symbol
        assert answer.value.qty_increment > 0
        if broker.capabilities.instruments:
            rows = self.read_pages(lambda page: broker.instruments(answer.value.asset_class, page))
            assert answer.value in rows

    def test_b151_an_unlisted_symbol_is_absent(self, broker: Broker) -> None:
        self.require(broker.capabilities.instrument, "instrument")
        assert isinstance(broker.instrument(self.unknown_symbol), m.Absent)
