"""B120-B139: replaces, accepted and rejected."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_numbers = itertools.count(1)


class ReplaceCases(Cases):
    @pytest.fixture
    def order(self, broker: Broker, driver: VenueDriver) -> m.OrderReport:
        """An order for four units that rests at the venue; it needs a venue driver."""
        self.require(broker.capabilities.replace, "replace")
        placed = self.place(broker, qty=self.units(4))
        driver.advance(1)
        return self.read_order(broker, placed.broker_order_id)

    @pytest.fixture
    def makes_new_ids(self, broker: Broker) -> None:
        """Skip the case unless a replace makes a new order."""
        self.require(broker.capabilities.replace_makes is m.ReplaceMakes.NEW_ID, "new ids")

    @pytest.fixture
    def edits_in_place(self, broker: Broker) -> None:
        """Skip the case unless a replace keeps the ids of the order."""
        self.require(broker.capabilities.replace_makes is m.ReplaceMakes.SAME_ID, "edits in place")

    def change(self, **fields: Any) -> m.Change:
        name = f"suite-{datetime.now(UTC):%Y%m%d%H%M%S%f}-r{next(_numbers)}"
        return m.Change(client_order_id=name, **fields)

    def replace(self, broker: Broker, order_id: str, change: m.Change) -> m.OrderReport:
        """Replace an order and return the report of the new order, or of the order itself."""
        outcome = broker.replace(order_id, change)
        assert isinstance(outcome, m.Accepted), outcome
        if broker.capabilities.replace_makes is m.ReplaceMakes.SAME_ID:
            return self.read_order(broker, order_id)
        if outcome.report is not None:
            return outcome.report
        return self.observed(broker.find(change.client_order_id))

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b120_a_new_price_makes_a_new_order_that_names_the_old(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        new = self.replace(broker, order.broker_order_id, self.change(limit_price=self.price(3)))
        driver.advance(1)
        report = self.read_order(broker, new.broker_order_id)
        assert order.broker_order_id != report.broker_order_id
        assert (order.broker_order_id, self.price(3), self.units(4)) == (
            report.replaces,
            report.terms.limit_price,
            report.terms.qty,
        )

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b121_the_old_order_ends_as_replaced_and_names_the_new(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        new = self.replace(broker, order.broker_order_id, self.change(limit_price=self.price(3)))
        driver.advance(1)
        old = self.read_order(broker, order.broker_order_id)
        assert (_S.REPLACED, new.broker_order_id) == (old.status, old.replaced_by)
        assert order.terms.limit_price == old.terms.limit_price

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b122_the_open_orders_have_the_new_order_and_not_the_replaced(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        new = self.replace(broker, order.broker_order_id, self.change(qty=self.units(5)))
        driver.advance(1)
        listed = self.open_orders(broker)
        assert order.broker_order_id not in listed
        assert self.units(5) == listed[new.broker_order_id].terms.qty

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b123_the_new_order_is_found_by_the_client_order_id_of_the_change(
        self, broker: Broker, order: m.OrderReport
    ) -> None:
        self.require(broker.capabilities.find, "find")
        change = self.change(limit_price=self.price(3))
        new = self.replace(broker, order.broker_order_id, change)
        found = self.observed(broker.find(change.client_order_id))
        assert new.broker_order_id == found.broker_order_id

    def test_b124_a_change_of_nothing_is_rejected_and_keeps_the_order(
        self, broker: Broker, order: m.OrderReport
    ) -> None:
        self.require(self.rejects_no_change, "that it rejects a change of nothing")
        outcome = broker.replace(order.broker_order_id, self.change(qty=self.units(4)))
        assert isinstance(outcome, m.Rejected), outcome
        assert _S.NEW is self.read_order(broker, order.broker_order_id).status

    def test_b125_an_unknown_order_cannot_be_replaced(self, broker: Broker) -> None:
        self.require(broker.capabilities.replace, "replace")
        outcome = broker.replace(self.unknown_id, self.change(qty=self.units(5)))
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.NOT_FOUND is outcome.kind

    def test_b126_a_canceled_order_cannot_be_replaced(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        broker.cancel(order.broker_order_id)
        driver.advance(1)
        outcome = broker.replace(order.broker_order_id, self.change(qty=self.units(5)))
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.TOO_LATE is outcome.kind

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b127_a_used_client_order_id_is_rejected(
        self, broker: Broker, order: m.OrderReport
    ) -> None:
        self.require(broker.capabilities.duplicate_check, "a duplicate check")
        assert order.client_order_id is not None
        change = m.Change(client_order_id=order.client_order_id, qty=self.units(5))
        outcome = broker.replace(order.broker_order_id, change)
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.DUPLICATE is outcome.kind

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b128_the_old_order_can_fill_first_and_the_new_one_is_rejected(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        driver.fail("asked-replace", "replace-fills")
        new = self.replace(broker, order.broker_order_id, self.change(limit_price=self.price(3)))
        driver.advance(2)
        report = self.read_order(broker, new.broker_order_id)
        assert (_S.REJECTED, Decimal(0)) == (report.status, report.filled_qty)
        assert _S.FILLED is self.read_order(broker, order.broker_order_id).status
        assert self.units(4) == self.positions(broker)[self.symbol]

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b129_a_rejected_replace_can_still_be_carried_out(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        driver.fail("asked-replace", "replace-denied")
        change = self.change(limit_price=self.price(3))
        assert isinstance(broker.replace(order.broker_order_id, change), m.Rejected)
        driver.advance(2)
        old = self.read_order(broker, order.broker_order_id)
        assert _S.REPLACED is old.status
        assert (
            change.client_order_id == self.read_order(broker, old.replaced_by or "").client_order_id
        )

    @pytest.mark.parametrize("fault", ["reply-lost", "server-error", "html"])
    def test_b130_an_unreadable_reply_is_ambiguous(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport, fault: str
    ) -> None:
        driver.fail("replace", fault)
        outcome = broker.replace(order.broker_order_id, self.change(qty=self.units(5)))
        assert isinstance(outcome, m.Ambiguous)

    def test_b131_a_rate_limited_replace_is_not_sent(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        driver.fail("replace", "rate-limited")
        change = self.change(qty=self.units(5))
        assert isinstance(broker.replace(order.broker_order_id, change), m.NotSent)
        assert isinstance(broker.replace(order.broker_order_id, change), m.Accepted)

    @pytest.mark.usefixtures("makes_new_ids")
    @pytest.mark.parametrize("cum", ["carried", "fresh"])
    def test_b132_a_chain_fills_its_total_with_either_fill_count(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport, cum: str
    ) -> None:
        is_fresh = broker.capabilities.replace_cum is m.ReplaceCum.FRESH
        if cum == "fresh" and not is_fresh:
            driver.fail("asked-replace", "cum-fresh")
        self.require(cum == "fresh" or not is_fresh, "filled totals that go on")
        driver.fill(order.broker_order_id, str(self.units(1)))
        new = self.replace(broker, order.broker_order_id, self.change(qty=self.units(6)))
        driver.advance(1)
        driver.fill(new.broker_order_id)
        streamed = self.read_order(broker, new.broker_order_id)
        assert (_S.FILLED, self.units(6 if cum == "carried" else 5)) == (
            streamed.status,
            streamed.filled_qty,
        )
        assert self.units(6) == self.positions(broker)[self.symbol]
        rows = [
            self.executions_of(broker, order_id)
            for order_id in (order.broker_order_id, streamed.broker_order_id)
        ]
        assert [[self.units(1)], [self.units(5)]] == [[row.qty for row in each] for each in rows]

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b133_a_replace_that_repeats_the_whole_qty_shows_it_in_leaves_qty(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        driver.fail("asked-replace", "qty-remaining")
        driver.fill(order.broker_order_id, str(self.units(1)))
        new = self.replace(broker, order.broker_order_id, self.change(limit_price=self.price(3)))
        driver.advance(1)
        report = self.read_order(broker, new.broker_order_id)
        assert report.terms.qty is not None
        assert self.units(4) == report.terms.qty - report.filled_qty

    @pytest.mark.usefixtures("makes_new_ids")
    def test_b134_the_price_of_an_exit_is_replaced_and_its_qty_is_not(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.replace, "replace")
        self.require(m.OrderClass.BRACKET in broker.capabilities.order_classes, "brackets")
        self.require(m.TimeInForce.GTC in broker.capabilities.times_in_force, "gtc")
        exits = {"take_profit": self.high_price, "stop_loss": self.stop_price}
        opening_order = self.place(
            broker, qty=self.units(4), limit_price=None, time_in_force="gtc", **exits
        )
        driver.advance(2)
        report = self.read_order(broker, opening_order.broker_order_id)
        stop = next(leg for leg in report.legs if leg.terms.stop_price is not None)
        refused = broker.replace(stop.broker_order_id, self.change(qty=self.units(3)))
        assert isinstance(refused, m.Rejected)
        lower = Decimal(self.stop_price) - 4 * Decimal(self.price_step)
        new = self.replace(broker, stop.broker_order_id, self.change(stop_price=lower))
        driver.advance(1)
        legs = self.read_order(broker, opening_order.broker_order_id).legs
        prices = {leg.broker_order_id: leg.terms.stop_price for leg in legs}
        assert lower == prices[new.broker_order_id]
        assert stop.broker_order_id not in prices
        driver.fill(new.broker_order_id)
        driver.advance(1)
        assert self.symbol not in self.positions(broker)
        assert self.open_orders(broker) == {}

    @pytest.mark.usefixtures("edits_in_place")
    def test_b135_an_edit_keeps_both_ids_and_changes_the_terms(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        order_id = order.broker_order_id
        self.replace(broker, order_id, self.change(limit_price=self.price(3), qty=self.units(6)))
        driver.advance(1)
        report = self.read_order(broker, order_id)
        assert (self.price(3), self.units(6)) == (report.terms.limit_price, report.terms.qty)
        assert order.client_order_id == report.client_order_id
        assert report.replaces is None
        assert report.replaced_by is None
        assert _S.NEW is report.status
        assert [order_id] == list(self.open_orders(broker))

    @pytest.mark.usefixtures("edits_in_place")
    def test_b136_a_rejected_edit_keeps_the_terms(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        order_id = order.broker_order_id
        driver.fill(order_id, str(self.units(3)))
        outcome = broker.replace(order_id, self.change(qty=self.units(2)))
        assert isinstance(outcome, m.Rejected), outcome
        driver.advance(1)
        assert self.units(4) == self.read_order(broker, order_id).terms.qty

    @pytest.mark.usefixtures("edits_in_place")
    def test_b137_the_quantity_of_an_edit_is_the_total(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        order_id = order.broker_order_id
        driver.fill(order_id, str(self.units(1)))
        self.replace(broker, order_id, self.change(qty=self.units(6)))
        driver.advance(1)
        driver.fill(order_id)
        report = self.read_order(broker, order_id)
        assert (_S.FILLED, self.units(6)) == (report.status, report.filled_qty)
        assert self.units(6) == self.positions(broker)[self.symbol]

    @pytest.mark.usefixtures("edits_in_place")
    def test_b138_a_fill_during_an_edit_counts_at_the_terms_in_force(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        driver.fail("asked-replace", "replace-fills")
        order_id = order.broker_order_id
        self.replace(broker, order_id, self.change(limit_price=self.price(3)))
        driver.advance(2)
        report = self.read_order(broker, order_id)
        assert (_S.FILLED, self.units(4)) == (report.status, report.filled_qty)

    @pytest.mark.usefixtures("edits_in_place")
    def test_b139_an_edit_whose_reply_is_lost_is_found_in_the_terms(
        self, broker: Broker, driver: VenueDriver, order: m.OrderReport
    ) -> None:
        driver.fail("replace", "reply-lost")
        order_id = order.broker_order_id
        outcome = broker.replace(order_id, self.change(limit_price=self.price(3)))
        assert isinstance(outcome, m.Ambiguous)
        driver.advance(1)
        assert self.price(3) == self.read_order(broker, order_id).terms.limit_price
