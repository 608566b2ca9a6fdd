"""B050-B069: fills, positions, races and what happens without an order of ours."""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import EVER, Cases
from fillbook.testing.venue_driver import VenueDriver

_S = m.OrderStatus


class FillCases(Cases):
    def test_b050_a_market_order_fills_and_says_at_what(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        puppeteer.quote(self.symbol, "187.00", "187.02")
        seen = self._bought(broker, puppeteer, "3")
        assert (_S.FILLED, Decimal(3), Decimal("187.02")) == (
            seen.status,
            seen.filled_qty,
            seen.avg_price,
        )

    def test_b051_two_executions_make_one_average(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer, qty=4)
        puppeteer.fill(order_id, "1", "100")
        part = self.seen(broker, order_id)
        assert (_S.PARTIALLY_FILLED, Decimal(1)) == (part.status, part.filled_qty)
        puppeteer.fill(order_id, None, "98")
        whole = self.seen(broker, order_id)
        assert (_S.FILLED, Decimal("98.5")) == (whole.status, whole.avg_price)

    def test_b052_executions_sum_to_the_orders_total(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer, qty=6)
        for qty in ("1", "2", "3"):
            puppeteer.fill(order_id, qty)
        rows = self.executions_of(broker, order_id)
        assert [Decimal(1), Decimal(2), Decimal(3)] == [row.qty for row in rows]
        assert self.seen(broker, order_id).filled_qty == sum(row.qty for row in rows)

    def test_b053_an_execution_has_the_same_id_on_every_read(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer, qty=3)
        for _ in range(3):
            puppeteer.fill(order_id, "1")
        ids = [row.exec_id for row in self.executions_of(broker, order_id)]
        assert len(set(ids)) == 3
        assert ids == [row.exec_id for row in self.executions_of(broker, order_id)]

    def test_b054_a_buy_adds_to_the_position(self, broker: Broker, puppeteer: VenueDriver) -> None:
        before = self.held(broker).get(self.symbol, m.ZERO)
        self._bought(broker, puppeteer, "7")
        assert before + 7 == self.held(broker)[self.symbol]

    def test_b055_a_closed_position_is_not_in_the_list(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self._bought(broker, puppeteer, "2")
        held = self.held(broker)[self.symbol]
        sale = self.placed(broker, side="sell", qty=held, limit_price=None)
        self.eventually(
            puppeteer,
            lambda: self.seen(broker, sale.broker_order_id),
            lambda order: order.status is _S.FILLED,
        )
        assert self.symbol not in self.held(broker)

    def test_b056_a_filled_order_cannot_be_canceled(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        outcome = broker.cancel(self._bought(broker, puppeteer, "1").broker_order_id)
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.TOO_LATE is outcome.kind

    def test_b057_a_cancel_keeps_what_had_filled(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer, qty=5)
        puppeteer.fill(order_id, "2")
        assert isinstance(broker.cancel(order_id), m.Accepted)
        puppeteer.advance(5)
        seen = self.seen(broker, order_id)
        assert (_S.CANCELED, Decimal(2)) == (seen.status, seen.filled_qty)

    def test_b058_a_fill_may_win_against_its_cancel(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer, qty=5)
        puppeteer.fail("asked-cancel", "cancel-fills")
        assert isinstance(broker.cancel(order_id), m.Accepted)
        puppeteer.advance(5)
        seen = self.seen(broker, order_id)
        assert (_S.FILLED, Decimal(5)) == (seen.status, seen.filled_qty)

    def test_b059_a_pending_cancel_that_never_ends_is_still_open(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer)
        puppeteer.fail("asked-cancel", "cancel-never-ends")
        assert isinstance(broker.cancel(order_id), m.Accepted)
        puppeteer.advance(60)
        assert _S.PENDING_CANCEL is self.open_orders(broker)[order_id].status

    def test_b060_a_trade_by_hand_is_an_order_with_a_foreign_id(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = puppeteer.trade_by_hand(self.symbol, m.OrderSide.BUY, "2")
        puppeteer.advance(2)
        seen = self.seen(broker, order_id)
        assert (_S.FILLED, Decimal(2)) == (seen.status, seen.filled_qty)
        assert seen.client_order_id

    def test_b061_a_trade_by_hand_is_in_the_accounts_history(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.history, "history")
        order_id = puppeteer.trade_by_hand(self.symbol, m.OrderSide.BUY, "2")
        puppeteer.advance(2)
        rows = self.all_of(lambda page: broker.executions(EVER, page))
        assert [Decimal(2)] == [row.qty for row in rows if row.broker_order_id == order_id]

    def test_b062_the_history_has_each_execution_once_over_its_pages(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.history, "history")
        order_id = self._resting(broker, puppeteer, qty=7)
        for _ in range(7):
            puppeteer.fill(order_id, "1")
        rows = self.all_of(lambda page: broker.executions(EVER, page))
        ids = [row.exec_id for row in rows if row.broker_order_id == order_id]
        assert 7 == len(ids) == len(set(ids))

    def test_b063_the_history_since_a_fill_has_that_fill(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order_id = self._resting(broker, puppeteer, qty=3)
        for _ in range(3):
            puppeteer.fill(order_id, "1")
            puppeteer.advance(1)
        middle = self.executions_of(broker, order_id)[1]
        rows = self.all_of(lambda page: broker.executions_of(order_id, middle.at, page))
        assert len(rows) == 2
        assert middle == rows[0]

    def test_b064_a_split_is_an_activity_and_changes_the_position(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.activities, "activities")
        self._bought(broker, puppeteer, "10")
        puppeteer.split(self.symbol, "4")
        assert Decimal(40) == self.held(broker)[self.symbol]
        rows = self.all_of(lambda page: broker.activities(EVER, page))
        splits = [row for row in rows if row.kind is m.ActivityKind.SPLIT]
        assert [(self.symbol, Decimal(30))] == [(row.symbol, row.qty) for row in splits]

    def test_b065_a_transfer_is_an_activity_and_no_execution(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.activities, "activities")
        puppeteer.transfer(self.other_symbol, "12", "400")
        assert Decimal(12) == self.held(broker)[self.other_symbol]
        rows = self.all_of(lambda page: broker.activities(EVER, page))
        moved = [row for row in rows if row.kind is m.ActivityKind.TRANSFER]
        assert [Decimal(12)] == [row.qty for row in moved]

    def test_b066_an_order_may_be_rejected_after_it_was_accepted(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        puppeteer.fail("taken", "reject-after-accept")
        order = self.placed(broker)
        puppeteer.advance(2)
        assert _S.REJECTED is self.seen(broker, order.broker_order_id).status

    def test_b067_positions_over_several_pages_are_all_there(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        for symbol in (self.symbol, self.other_symbol):
            puppeteer.transfer(symbol, "5", "100")
        assert {self.symbol, self.other_symbol} <= set(self.held(broker))

    def _resting(self, broker: Broker, puppeteer: VenueDriver, qty: int = 1) -> str:
        order = self.placed(broker, qty=qty)
        puppeteer.advance(1)
        return order.broker_order_id

    def _bought(self, broker: Broker, puppeteer: VenueDriver, qty: str) -> m.OrderReport:
        order = self.placed(broker, qty=qty, limit_price=None)
        return self.eventually(
            puppeteer,
            lambda: self.seen(broker, order.broker_order_id),
            lambda report: report.status is _S.FILLED,
        )
