"""B020-B049: orders placed, rejected and canceled; no case needs a venue driver."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import EPOCH, Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_FINAL: Final = m.ENDINGS | {_S.FILLED}

#: Requests that must be rejected: the field, the attribute with its value, the right kind.
_REJECTS: Final[dict[str, tuple[str, str, m.RejectKind]]] = {
    "unknown symbol": ("symbol", "unknown_symbol", m.RejectKind.INSTRUMENT),
    "too dear": ("qty", "unaffordable_qty", m.RejectKind.FUNDS),
    "sub-penny": ("limit_price", "off_tick", m.RejectKind.PRICE),
}


class OrderCases(Cases):
    def test_b020_a_resting_order_is_accepted_with_its_terms(self, broker: Broker) -> None:
        intent = self.intent(qty=self.units(2))
        outcome = broker.submit(intent)
        assert isinstance(outcome, m.Accepted), outcome
        report = self.report_of(broker, outcome, intent)
        request = intent.request
        assert intent.client_order_id == report.client_order_id, (
            "a report on an order of the desk bears its whole client order id"
        )
        assert report.broker_order_id
        for name in ("symbol", "side", "type", "time_in_force", "qty", "limit_price"):
            assert getattr(request, name) == getattr(report.terms, name), name

    def test_b021_an_order_is_found_by_the_brokers_id(self, broker: Broker) -> None:
        order = self.place(broker)
        report = self.read_order(broker, order.broker_order_id)
        assert (order.broker_order_id, order.client_order_id) == (
            report.broker_order_id,
            report.client_order_id,
        )

    def test_b022_an_order_is_found_by_our_id(self, broker: Broker) -> None:
        self.require(broker.capabilities.find, "find")
        order = self.place(broker)
        assert order.client_order_id is not None
        report = self.observed(broker.find(order.client_order_id))
        assert order.broker_order_id == report.broker_order_id

    def test_b023_a_resting_order_is_among_the_open_orders(self, broker: Broker) -> None:
        order = self.place(broker)
        assert order.broker_order_id in self.open_orders(broker)

    def test_b024_an_order_is_listed_from_its_creation_on(self, broker: Broker) -> None:
        order = self.place(broker)
        assert order.created_at is not None
        query = m.OrderQuery(m.OrderScope.ALL, m.moment(order.created_at))
        rows = self.read_pages(lambda page: broker.orders(query, page))
        assert order.broker_order_id in [row.broker_order_id for row in rows]

    def test_b025_an_order_is_not_listed_after_its_creation(self, broker: Broker) -> None:
        order = self.place(broker)
        assert order.created_at is not None
        since = m.moment(order.created_at) + timedelta(seconds=1)
        query = m.OrderQuery(m.OrderScope.ALL, since)
        rows = self.read_pages(lambda page: broker.orders(query, page))
        assert order.broker_order_id not in [row.broker_order_id for row in rows]

    def test_b026_a_price_is_reported_to_the_last_digit(self, broker: Broker) -> None:
        order = self.place(broker, limit_price=self.exact_price, qty=self.units(3))
        report = self.read_order(broker, order.broker_order_id).terms
        assert (Decimal(self.exact_price), self.units(3)) == (report.limit_price, report.qty)

    def test_b027_an_order_without_fills_has_no_average_price(self, broker: Broker) -> None:
        report = self.read_order(broker, self.place(broker).broker_order_id)
        assert (Decimal(0), None) == (report.filled_qty, report.avg_price)

    def test_b028_every_report_has_the_declared_clock(self, broker: Broker) -> None:
        self.require(broker.capabilities.clocked, "a clock on its reports")
        order = self.place(broker)
        listed = self.open_orders(broker)[order.broker_order_id]
        report = self.read_order(broker, order.broker_order_id)
        assert None not in (order.clock, listed.clock, report.clock)

    def test_b029_a_resting_order_has_no_execution(self, broker: Broker) -> None:
        order = self.place(broker)
        assert self.executions_of(broker, order.broker_order_id) == []

    def test_b030_a_client_order_id_is_unique(self, broker: Broker) -> None:
        self.require(broker.capabilities.duplicate_check, "a duplicate check")
        order = self.place(broker)
        again = broker.submit(self.intent(client_order_id=order.client_order_id))
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind

    def test_b031_a_client_order_id_stays_used_after_a_cancel(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        self.require(broker.capabilities.duplicate_check, "a duplicate check")
        order = self._cancel(broker, venue)
        again = broker.submit(self.intent(client_order_id=order.client_order_id))
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind

    @pytest.mark.parametrize("name", sorted(_REJECTS))
    def test_b032_a_reject_has_its_reason(self, broker: Broker, name: str) -> None:
        field, attribute, kind = _REJECTS[name]
        outcome = broker.submit(self.intent(**{field: getattr(self, attribute)}))
        assert isinstance(outcome, m.Rejected), outcome
        assert outcome.kind is kind
        assert outcome.message

    def test_b033_a_rejected_order_is_absent(self, broker: Broker) -> None:
        self.require(broker.capabilities.find, "find")
        intent = self.intent(symbol=self.unknown_symbol)
        assert isinstance(broker.submit(intent), m.Rejected)
        assert isinstance(broker.find(intent.client_order_id), m.Absent)

    def test_b034_selling_a_pair_without_a_position_is_rejected(self, broker: Broker) -> None:
        self.require(broker.capabilities.instruments, "instruments")
        pairs = self.read_pages(lambda page: broker.instruments(m.AssetClass.CRYPTO, page))
        self.require(bool(pairs), "crypto")
        sale = self.intent(
            symbol=pairs[0].symbol,
            side="sell",
            limit_price=None,
            qty=1,
            time_in_force=broker.capabilities.pair_time_in_force,
        )
        outcome = broker.submit(sale)
        assert isinstance(outcome, m.Rejected), outcome

    def test_b035_a_fraction_is_reported_to_the_last_digit(self, broker: Broker) -> None:
        self.require(broker.capabilities.fractional, "fractions")
        qty = Decimal(self.fraction)
        order = self.place(broker, qty=qty)
        report = self.read_order(broker, order.broker_order_id)
        listed = self.open_orders(broker)[order.broker_order_id]
        assert (qty, qty, qty) == (order.terms.qty, report.terms.qty, listed.terms.qty)

    def test_b040_a_cancel_ends_the_order(self, broker: Broker, venue: VenueDriver | None) -> None:
        assert _S.CANCELED is self._cancel(broker, venue).status

    def test_b041_a_canceled_order_is_not_among_the_open_orders(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        order = self._cancel(broker, venue)
        assert order.broker_order_id not in self.open_orders(broker)

    def test_b042_a_second_cancel_is_accepted_or_too_late(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        again = broker.cancel(self._cancel(broker, venue).broker_order_id)
        kind = again.kind if isinstance(again, m.Rejected) else None
        assert isinstance(again, m.Accepted) or kind is m.RejectKind.TOO_LATE

    def test_b043_an_unknown_order_cannot_be_canceled(self, broker: Broker) -> None:
        outcome = broker.cancel(self.unknown_id)
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.NOT_FOUND is outcome.kind

    def test_b044_the_open_orders_have_each_order_once_over_their_pages(
        self, broker: Broker
    ) -> None:
        placed = [self.place(broker).broker_order_id for _ in range(5)]
        rows = self.read_pages(lambda page: broker.orders(m.OrderQuery(m.OrderScope.OPEN), page))
        ids = [row.broker_order_id for row in rows]
        assert sorted(placed) == sorted(i for i in ids if i in placed)

    def test_b045_orders_are_listed_oldest_first(self, broker: Broker) -> None:
        placed = [self.place(broker).broker_order_id for _ in range(3)]
        rows = self.read_pages(lambda page: broker.orders(m.OrderQuery(m.OrderScope.ALL), page))
        assert placed == [r.broker_order_id for r in rows if r.broker_order_id in placed]

    def test_b046_a_cancel_moves_the_clock_forward(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        self.require(broker.capabilities.clocked, "a clock on its reports")
        order = self.place(broker)
        self.pass_second(venue)
        end = self._cancel_and_wait(broker, venue, order)
        assert order.clock is not None
        assert end.clock is not None
        assert order.clock < end.clock

    def test_b047_a_canceled_order_has_no_executions(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        order = self._cancel(broker, venue)
        self.require(broker.capabilities.history, "history")
        rows = self.read_pages(lambda page: broker.executions(EPOCH, page))
        assert order.broker_order_id not in [row.broker_order_id for row in rows]

    def test_b048_a_canceled_order_is_among_all_orders(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        order = self._cancel(broker, venue)
        assert order.created_at is not None
        query = m.OrderQuery(m.OrderScope.ALL, m.moment(order.created_at))
        rows = self.read_pages(lambda page: broker.orders(query, page))
        assert order.broker_order_id in [row.broker_order_id for row in rows], (
            "the list of `OrderScope.ALL` lacks a canceled order; it has orders of every status"
        )

    def _cancel(self, broker: Broker, venue: VenueDriver | None) -> m.OrderReport:
        return self._cancel_and_wait(broker, venue, self.place(broker))

    def _cancel_and_wait(
        self, broker: Broker, venue: VenueDriver | None, order: m.OrderReport
    ) -> m.OrderReport:
        assert isinstance(broker.cancel(order.broker_order_id), m.Accepted)
        return self.wait_until(
            venue,
            lambda: self.read_order(broker, order.broker_order_id),
            lambda report: report.status in _FINAL,
        )
