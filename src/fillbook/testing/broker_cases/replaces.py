"""B120-B139: orders replaced, and replaces that come to nothing."""

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
_UNKNOWN_ID: Final = "00000000-0000-4000-8000-000000000000"
_numbers = itertools.count(1)


class ReplaceCases(Cases):
    @pytest.fixture
    def order(self, broker: Broker, puppeteer: VenueDriver) -> m.OrderReport:
        """An order for four units that rests at the venue, which need not be open without one."""
        self.need(broker.capabilities.replace, "replace")
        placed = self.placed(broker, qty=4)
        puppeteer.advance(1)
        return self.seen(broker, placed.broker_order_id)

    def change(self, **fields: Any) -> m.Change:
        name = f"suite-{datetime.now(UTC):%Y%m%d%H%M%S%f}-r{next(_numbers)}"
        return m.Change(client_order_id=name, **fields)

    def replaced(self, broker: Broker, order_id: str, change: m.Change) -> m.OrderReport:
        """The report on the order that is to replace another, right after it was asked for."""
        outcome = broker.replace(order_id, change)
        assert isinstance(outcome, m.Accepted), outcome
        if outcome.report is not None:
            return outcome.report
        return self.value(broker.find(change.client_order_id))

    def test_b120_a_new_price_comes_with_a_new_order_that_names_the_old(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        new = self.replaced(broker, order.broker_order_id, self.change(limit_price=Decimal(101)))
        puppeteer.advance(1)
        seen = self.seen(broker, new.broker_order_id)
        assert order.broker_order_id != seen.broker_order_id
        assert (order.broker_order_id, Decimal(101), Decimal(4)) == (
            seen.replaces,
            seen.terms.limit_price,
            seen.terms.qty,
        )

    def test_b121_the_old_order_ends_as_replaced_and_names_the_new(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        new = self.replaced(broker, order.broker_order_id, self.change(limit_price=Decimal(101)))
        puppeteer.advance(1)
        old = self.seen(broker, order.broker_order_id)
        assert (_S.REPLACED, new.broker_order_id) == (old.status, old.replaced_by)
        assert order.terms.limit_price == old.terms.limit_price

    def test_b122_a_replaced_order_leaves_the_open_list_and_the_new_one_is_in_it(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        new = self.replaced(broker, order.broker_order_id, self.change(qty=Decimal(5)))
        puppeteer.advance(1)
        listed = self.open_orders(broker)
        assert order.broker_order_id not in listed
        assert Decimal(5) == listed[new.broker_order_id].terms.qty

    def test_b123_the_new_order_is_found_by_the_id_that_the_change_gave_it(
        self, broker: Broker, order: m.OrderReport
    ) -> None:
        self.need(broker.capabilities.find, "find")
        change = self.change(limit_price=Decimal(101))
        new = self.replaced(broker, order.broker_order_id, change)
        found = self.value(broker.find(change.client_order_id))
        assert new.broker_order_id == found.broker_order_id

    def test_b124_a_change_of_nothing_is_refused_and_leaves_the_order(
        self, broker: Broker, order: m.OrderReport
    ) -> None:
        outcome = broker.replace(order.broker_order_id, self.change(qty=Decimal(4)))
        assert isinstance(outcome, m.Rejected), outcome
        assert _S.NEW is self.seen(broker, order.broker_order_id).status

    def test_b125_an_unknown_order_cannot_be_replaced(self, broker: Broker) -> None:
        self.need(broker.capabilities.replace, "replace")
        outcome = broker.replace(_UNKNOWN_ID, self.change(qty=Decimal(5)))
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.NOT_FOUND is outcome.kind

    def test_b126_a_canceled_order_cannot_be_replaced_any_more(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        broker.cancel(order.broker_order_id)
        puppeteer.advance(1)
        outcome = broker.replace(order.broker_order_id, self.change(qty=Decimal(5)))
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.TOO_LATE is outcome.kind

    def test_b127_a_taken_client_id_is_refused(self, broker: Broker, order: m.OrderReport) -> None:
        self.need(broker.capabilities.duplicate_check, "a duplicate check")
        assert order.client_order_id is not None
        change = m.Change(client_order_id=order.client_order_id, qty=Decimal(5))
        outcome = broker.replace(order.broker_order_id, change)
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.DUPLICATE is outcome.kind

    def test_b128_the_order_may_fill_first_and_the_new_one_is_rejected(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        puppeteer.fail("asked-replace", "replace-fills")
        new = self.replaced(broker, order.broker_order_id, self.change(limit_price=Decimal(101)))
        puppeteer.advance(2)
        seen = self.seen(broker, new.broker_order_id)
        assert (_S.REJECTED, Decimal(0)) == (seen.status, seen.filled_qty)
        assert _S.FILLED is self.seen(broker, order.broker_order_id).status
        assert Decimal(4) == self.held(broker)[self.symbol]

    def test_b129_a_replace_may_be_refused_and_done_all_the_same(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        puppeteer.fail("asked-replace", "replace-denied")
        change = self.change(limit_price=Decimal(101))
        assert isinstance(broker.replace(order.broker_order_id, change), m.Rejected)
        puppeteer.advance(2)
        old = self.seen(broker, order.broker_order_id)
        assert _S.REPLACED is old.status
        assert change.client_order_id == self.seen(broker, old.replaced_by or "").client_order_id

    @pytest.mark.parametrize("fault", ["reply-lost", "server-error", "html"])
    def test_b130_an_answer_that_says_nothing_is_ambiguous(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport, fault: str
    ) -> None:
        puppeteer.fail("replace", fault)
        outcome = broker.replace(order.broker_order_id, self.change(qty=Decimal(5)))
        assert isinstance(outcome, m.Ambiguous)

    def test_b131_a_refused_rate_replaced_nothing(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        puppeteer.fail("replace", "rate-limited")
        change = self.change(qty=Decimal(5))
        assert isinstance(broker.replace(order.broker_order_id, change), m.NotSent)
        assert isinstance(broker.replace(order.broker_order_id, change), m.Accepted)

    @pytest.mark.parametrize("cum", ["carried", "fresh"])
    def test_b132_a_chain_fills_its_total_however_the_new_order_counts(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport, cum: str
    ) -> None:
        if cum == "fresh":
            puppeteer.fail("asked-replace", "cum-fresh")
        puppeteer.fill(order.broker_order_id, "1")
        new = self.replaced(broker, order.broker_order_id, self.change(qty=Decimal(6)))
        puppeteer.advance(1)
        puppeteer.fill(new.broker_order_id)
        told = self.seen(broker, new.broker_order_id)
        assert (_S.FILLED, Decimal(6 if cum == "carried" else 5)) == (told.status, told.filled_qty)
        assert Decimal(6) == self.held(broker)[self.symbol]
        rows = [
            self.executions_of(broker, one) for one in (order.broker_order_id, told.broker_order_id)
        ]
        assert [[Decimal(1)], [Decimal(5)]] == [[row.qty for row in each] for each in rows]

    def test_b133_a_venue_that_orders_the_whole_again_shows_it_in_what_is_left(
        self, broker: Broker, puppeteer: VenueDriver, order: m.OrderReport
    ) -> None:
        puppeteer.fail("asked-replace", "qty-remaining")
        puppeteer.fill(order.broker_order_id, "1")
        new = self.replaced(broker, order.broker_order_id, self.change(limit_price=Decimal(101)))
        puppeteer.advance(1)
        seen = self.seen(broker, new.broker_order_id)
        assert seen.terms.qty is not None
        assert Decimal(4) == seen.terms.qty - seen.filled_qty

    def test_b134_an_exits_price_is_replaced_and_its_quantity_is_not(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.replace, "replace")
        self.need(m.OrderClass.BRACKET in broker.capabilities.order_classes, "brackets")
        exits = {"take_profit": self.high_price, "stop_loss": self.stop_price}
        entry = self.placed(broker, qty=4, limit_price=None, time_in_force="gtc", **exits)
        puppeteer.advance(2)
        seen = self.seen(broker, entry.broker_order_id)
        stop = next(leg for leg in seen.legs if leg.terms.stop_price is not None)
        refused = broker.replace(stop.broker_order_id, self.change(qty=Decimal(3)))
        assert isinstance(refused, m.Rejected)
        lower = Decimal(self.stop_price) - 1
        new = self.replaced(broker, stop.broker_order_id, self.change(stop_price=lower))
        puppeteer.advance(1)
        legs = self.seen(broker, entry.broker_order_id).legs
        prices = {leg.broker_order_id: leg.terms.stop_price for leg in legs}
        assert lower == prices[new.broker_order_id]
        assert stop.broker_order_id not in prices
        puppeteer.fill(new.broker_order_id)
        puppeteer.advance(1)
        assert self.symbol not in self.held(broker)
        assert self.open_orders(broker) == {}
