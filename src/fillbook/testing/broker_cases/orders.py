"""B020-B049: orders placed, refused, canceled; all of it works without a venue."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import EVER, Cases
from fillbook.testing.venue_driver import VenueDriver

_UNKNOWN_ID: Final = "00000000-0000-4000-8000-000000000000"
_S: Final = m.OrderStatus
_OVER: Final = m.ENDINGS | {_S.FILLED}

#: A wish that must be refused, and the kinds that say so.
_REFUSALS: Final[dict[str, tuple[dict[str, Any], set[m.RejectKind]]]] = {
    "unknown symbol": ({"symbol": "NOSUCHTHING"}, {m.RejectKind.INSTRUMENT}),
    "too dear": ({"qty": 50_000}, {m.RejectKind.FUNDS}),
    "sub-penny": ({"limit_price": "100.123"}, {m.RejectKind.PRICE}),
}


class OrderCases(Cases):
    def test_b020_a_resting_order_is_accepted_with_its_terms(self, broker: Broker) -> None:
        intent = self.intent(qty=2)
        outcome = broker.submit(intent)
        assert isinstance(outcome, m.Accepted)
        report = self.found(broker, outcome, intent)
        wish = intent.request
        assert intent.client_order_id == report.client_order_id
        assert report.broker_order_id
        for name in ("symbol", "side", "type", "time_in_force", "qty", "limit_price"):
            assert getattr(wish, name) == getattr(report.terms, name), name

    def test_b021_an_order_is_found_by_the_brokers_id(self, broker: Broker) -> None:
        order = self.placed(broker)
        seen = self.seen(broker, order.broker_order_id)
        assert (order.broker_order_id, order.client_order_id) == (
            seen.broker_order_id,
            seen.client_order_id,
        )

    def test_b022_an_order_is_found_by_our_id(self, broker: Broker) -> None:
        self.need(broker.capabilities.find, "find")
        order = self.placed(broker)
        assert order.client_order_id is not None
        seen = self.value(broker.find(order.client_order_id))
        assert order.broker_order_id == seen.broker_order_id

    def test_b023_a_resting_order_is_listed_among_the_open(self, broker: Broker) -> None:
        order = self.placed(broker)
        assert order.broker_order_id in self.open_orders(broker)

    def test_b024_an_order_is_listed_from_its_creation_on(self, broker: Broker) -> None:
        order = self.placed(broker)
        assert order.created_at is not None
        query = m.OrderQuery(m.OrderScope.ALL, m.moment(order.created_at))
        rows = self.all_of(lambda page: broker.orders(query, page))
        assert order.broker_order_id in [row.broker_order_id for row in rows]

    def test_b025_an_order_is_not_listed_after_its_creation(self, broker: Broker) -> None:
        order = self.placed(broker)
        assert order.created_at is not None
        since = m.moment(order.created_at) + timedelta(seconds=1)
        query = m.OrderQuery(m.OrderScope.ALL, since)
        rows = self.all_of(lambda page: broker.orders(query, page))
        assert order.broker_order_id not in [row.broker_order_id for row in rows]

    def test_b026_a_price_comes_back_to_the_last_digit(self, broker: Broker) -> None:
        order = self.placed(broker, limit_price="100.01", qty=3)
        seen = self.seen(broker, order.broker_order_id).terms
        assert (Decimal("100.01"), Decimal(3)) == (seen.limit_price, seen.qty)

    def test_b027_an_order_without_fills_has_no_average(self, broker: Broker) -> None:
        seen = self.seen(broker, self.placed(broker).broker_order_id)
        assert (Decimal(0), None) == (seen.filled_qty, seen.avg_price)

    def test_b028_every_report_bears_the_declared_clock(self, broker: Broker) -> None:
        self.need(broker.capabilities.clocked, "a clock on its reports")
        order = self.placed(broker)
        listed = self.open_orders(broker)[order.broker_order_id]
        seen = self.seen(broker, order.broker_order_id)
        assert None not in (order.clock, listed.clock, seen.clock)

    def test_b029_no_execution_is_told_of_an_order_that_rests(self, broker: Broker) -> None:
        order = self.placed(broker)
        assert self.executions_of(broker, order.broker_order_id) == []

    def test_b030_a_client_id_is_taken_once(self, broker: Broker) -> None:
        self.need(broker.capabilities.duplicate_check, "a duplicate check")
        order = self.placed(broker)
        again = broker.submit(self.intent(client_order_id=order.client_order_id))
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind

    def test_b031_a_client_id_stays_taken_after_a_cancel(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        self.need(broker.capabilities.duplicate_check, "a duplicate check")
        order = self._canceled(broker, venue)
        again = broker.submit(self.intent(client_order_id=order.client_order_id))
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind

    @pytest.mark.parametrize("name", sorted(_REFUSALS))
    def test_b032_a_refusal_says_why(self, broker: Broker, name: str) -> None:
        wish, kinds = _REFUSALS[name]
        outcome = broker.submit(self.intent(**wish))
        assert isinstance(outcome, m.Rejected), outcome
        assert outcome.kind in kinds
        assert outcome.message

    def test_b033_a_refused_order_is_nowhere(self, broker: Broker) -> None:
        self.need(broker.capabilities.find, "find")
        intent = self.intent(symbol="NOSUCHTHING")
        assert isinstance(broker.submit(intent), m.Rejected)
        assert isinstance(broker.find(intent.client_order_id), m.Absent)

    def test_b034_selling_what_is_not_held_through_a_pair_is_refused(self, broker: Broker) -> None:
        self.need(broker.capabilities.instruments, "instruments")
        pairs = self.all_of(lambda page: broker.instruments(m.AssetClass.CRYPTO, page))
        self.need(bool(pairs), "crypto")
        outcome = broker.submit(
            self.intent(symbol=pairs[0].symbol, side="sell", limit_price=None, qty=1)
        )
        assert isinstance(outcome, m.Rejected), outcome

    def test_b035_a_fraction_comes_back_to_the_last_digit(self, broker: Broker) -> None:
        self.need(broker.capabilities.fractional, "fractions")
        qty = Decimal("0.123456789")
        order = self.placed(broker, qty=qty)
        seen = self.seen(broker, order.broker_order_id)
        listed = self.open_orders(broker)[order.broker_order_id]
        assert (qty, qty, qty) == (order.terms.qty, seen.terms.qty, listed.terms.qty)

    def test_b040_a_cancel_ends_the_order(self, broker: Broker, venue: VenueDriver | None) -> None:
        assert _S.CANCELED is self._canceled(broker, venue).status

    def test_b041_a_canceled_order_leaves_the_open_list(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        order = self._canceled(broker, venue)
        assert order.broker_order_id not in self.open_orders(broker)

    def test_b042_a_second_cancel_says_done_or_too_late(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        again = broker.cancel(self._canceled(broker, venue).broker_order_id)
        kind = again.kind if isinstance(again, m.Rejected) else None
        assert isinstance(again, m.Accepted) or kind is m.RejectKind.TOO_LATE

    def test_b043_an_unknown_order_cannot_be_canceled(self, broker: Broker) -> None:
        outcome = broker.cancel(_UNKNOWN_ID)
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.NOT_FOUND is outcome.kind

    def test_b044_the_open_list_has_each_order_once_over_its_pages(self, broker: Broker) -> None:
        placed = [self.placed(broker).broker_order_id for _ in range(5)]
        rows = self.all_of(lambda page: broker.orders(m.OrderQuery(m.OrderScope.OPEN), page))
        ids = [row.broker_order_id for row in rows]
        assert sorted(placed) == sorted(i for i in ids if i in placed)

    def test_b045_orders_are_listed_oldest_first(self, broker: Broker) -> None:
        placed = [self.placed(broker).broker_order_id for _ in range(3)]
        rows = self.all_of(lambda page: broker.orders(m.OrderQuery(m.OrderScope.ALL), page))
        assert placed == [r.broker_order_id for r in rows if r.broker_order_id in placed]

    def test_b046_a_cancel_moves_the_clock_forward(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        self.need(broker.capabilities.clocked, "a clock on its reports")
        order = self.placed(broker)
        end = self._ended(broker, venue, order)
        assert order.clock is not None
        assert end.clock is not None
        assert order.clock < end.clock

    def test_b047_a_canceled_order_has_no_history(
        self, broker: Broker, venue: VenueDriver | None
    ) -> None:
        order = self._canceled(broker, venue)
        self.need(broker.capabilities.history, "history")
        rows = self.all_of(lambda page: broker.executions(EVER, page))
        assert order.broker_order_id not in [row.broker_order_id for row in rows]

    def _canceled(self, broker: Broker, venue: VenueDriver | None) -> m.OrderReport:
        return self._ended(broker, venue, self.placed(broker))

    def _ended(
        self, broker: Broker, venue: VenueDriver | None, order: m.OrderReport
    ) -> m.OrderReport:
        assert isinstance(broker.cancel(order.broker_order_id), m.Accepted)
        return self.eventually(
            venue,
            lambda: self.seen(broker, order.broker_order_id),
            lambda report: report.status in _OVER,
        )
