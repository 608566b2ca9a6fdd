"""B050-B069: fills, positions, races, external orders and activities."""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import EPOCH, Cases
from fillbook.testing.venue_driver import VenueDriver

_S = m.OrderStatus
#: What a buy may cost in all, as a multiple of its value.
_FEES_MAX = Decimal("1.05")


class FillCases(Cases):
    def test_b050_a_market_order_fills_at_a_reported_price(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        bid, ask = self.market_price, self.market_price + Decimal(self.price_step)
        driver.quote(self.symbol, str(bid), str(ask))
        report = self._buy(broker, driver, 3)
        assert (_S.FILLED, self.units(3), ask) == (
            report.status,
            report.filled_qty,
            report.avg_price,
        )

    def test_b051_two_executions_have_one_average_price(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = self._place_resting(broker, driver, 4)
        first, rest = self.price(-1), self.price(-9)
        driver.fill(order_id, str(self.units(1)), str(first))
        part = self.read_order(broker, order_id)
        assert (_S.PARTIALLY_FILLED, self.units(1)) == (part.status, part.filled_qty)
        driver.fill(order_id, None, str(rest))
        whole = self.read_order(broker, order_id)
        assert (_S.FILLED, (first + 3 * rest) / 4) == (whole.status, whole.avg_price)

    def test_b052_executions_sum_to_the_orders_total(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = self._place_resting(broker, driver, 6)
        for lots in (1, 2, 3):
            driver.fill(order_id, str(self.units(lots)))
        rows = self.executions_of(broker, order_id)
        assert [self.units(1), self.units(2), self.units(3)] == [row.qty for row in rows]
        assert self.read_order(broker, order_id).filled_qty == sum(row.qty for row in rows)

    def test_b053_an_execution_has_the_same_id_on_every_read(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = self._place_resting(broker, driver, 3)
        for _ in range(3):
            driver.fill(order_id, str(self.units(1)))
        ids = [row.exec_id for row in self.executions_of(broker, order_id)]
        assert len(set(ids)) == 3
        assert ids == [row.exec_id for row in self.executions_of(broker, order_id)]

    def test_b054_a_buy_adds_to_the_position(self, broker: Broker, driver: VenueDriver) -> None:
        before = self.positions(broker).get(self.symbol, m.ZERO)
        self._buy(broker, driver, 7)
        assert before + self.units(7) == self.positions(broker)[self.symbol]

    def test_b055_a_closed_position_is_not_in_the_list(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self._buy(broker, driver, 2)
        held = self.positions(broker)[self.symbol]
        sale = self.place(broker, side="sell", qty=held, limit_price=None)
        self.wait_until(
            driver,
            lambda: self.read_order(broker, sale.broker_order_id),
            lambda order: order.status is _S.FILLED,
        )
        assert self.symbol not in self.positions(broker)

    def test_b056_a_filled_order_cannot_be_canceled(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        outcome = broker.cancel(self._buy(broker, driver, 1).broker_order_id)
        assert isinstance(outcome, m.Rejected)
        assert m.RejectKind.TOO_LATE is outcome.kind

    def test_b057_a_canceled_order_keeps_its_fills(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = self._place_resting(broker, driver, 5)
        driver.fill(order_id, str(self.units(2)))
        assert isinstance(broker.cancel(order_id), m.Accepted)
        driver.advance(5)
        report = self.read_order(broker, order_id)
        assert (_S.CANCELED, self.units(2)) == (report.status, report.filled_qty)

    def test_b058_a_fill_can_precede_its_cancel(self, broker: Broker, driver: VenueDriver) -> None:
        order_id = self._place_resting(broker, driver, 5)
        driver.fail("asked-cancel", "cancel-fills")
        assert isinstance(broker.cancel(order_id), m.Accepted)
        driver.advance(5)
        report = self.read_order(broker, order_id)
        assert (_S.FILLED, self.units(5)) == (report.status, report.filled_qty)

    def test_b059_a_pending_cancel_that_never_ends_is_still_open(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = self._place_resting(broker, driver)
        driver.fail("asked-cancel", "cancel-never-ends")
        assert isinstance(broker.cancel(order_id), m.Accepted)
        driver.advance(60)
        assert _S.PENDING_CANCEL is self.open_orders(broker)[order_id].status

    def test_b060_a_manual_trade_is_an_external_order(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = driver.trade_by_hand(self.symbol, m.OrderSide.BUY, str(self.units(2)))
        driver.advance(2)
        report = self.read_order(broker, order_id)
        assert (_S.FILLED, self.units(2)) == (report.status, report.filled_qty)
        assert report.client_order_id

    def test_b061_a_manual_trade_is_in_the_history(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.history, "history")
        order_id = driver.trade_by_hand(self.symbol, m.OrderSide.BUY, str(self.units(2)))
        driver.advance(2)
        rows = self.read_pages(lambda page: broker.executions(EPOCH, page))
        assert [self.units(2)] == [row.qty for row in rows if row.broker_order_id == order_id]

    def test_b062_the_history_has_each_execution_once_over_its_pages(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.history, "history")
        order_id = self._place_resting(broker, driver, 7)
        for _ in range(7):
            driver.fill(order_id, str(self.units(1)))
        rows = self.read_pages(lambda page: broker.executions(EPOCH, page))
        ids = [row.exec_id for row in rows if row.broker_order_id == order_id]
        assert 7 == len(ids) == len(set(ids))

    def test_b063_the_history_since_a_fill_has_that_fill(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order_id = self._place_resting(broker, driver, 3)
        for _ in range(3):
            driver.fill(order_id, str(self.units(1)))
            driver.advance(1)
        middle = self.executions_of(broker, order_id)[1]
        rows = self.read_pages(lambda page: broker.executions_of(order_id, middle.at, page))
        assert len(rows) == 2, "of three fills, two are at or after the second"
        assert middle == rows[0]

    def test_b064_a_split_is_an_activity_and_changes_the_position(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.activities, "activities")
        self._buy(broker, driver, 10)
        driver.split(self.symbol, "4")
        assert self.units(40) == self.positions(broker)[self.symbol]
        rows = self.read_pages(lambda page: broker.activities(EPOCH, page))
        splits = [row for row in rows if row.kind is m.ActivityKind.SPLIT]
        assert [(self.symbol, self.units(30))] == [(row.symbol, row.qty) for row in splits]

    def test_b065_a_transfer_is_an_activity_and_no_execution(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.activities, "activities")
        driver.transfer(self.other_symbol, str(self.units(12)), self.resting_price)
        assert self.units(12) == self.positions(broker)[self.other_symbol]
        rows = self.read_pages(lambda page: broker.activities(EPOCH, page))
        moved = [row for row in rows if row.kind is m.ActivityKind.TRANSFER]
        assert [self.units(12)] == [row.qty for row in moved]

    def test_b066_an_order_can_be_rejected_after_it_was_accepted(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        driver.fail("taken", "reject-after-accept")
        order = self.place(broker)
        driver.advance(2)
        assert _S.REJECTED is self.read_order(broker, order.broker_order_id).status

    def test_b067_positions_over_several_pages_are_complete(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        for symbol in (self.symbol, self.other_symbol):
            driver.transfer(symbol, str(self.units(5)), self.resting_price)
        assert {self.symbol, self.other_symbol} <= set(self.positions(broker))

    def _place_resting(self, broker: Broker, driver: VenueDriver, lots: int = 1) -> str:
        order = self.place(broker, qty=self.units(lots))
        driver.advance(1)
        return order.broker_order_id

    def test_b068_a_buy_is_paid_from_the_cash(self, broker: Broker, driver: VenueDriver) -> None:
        before = self.observed(broker.account()).cash
        bought = self._buy(broker, driver, 7)
        paid = before - self.observed(broker.account()).cash
        assert bought.avg_price is not None
        value = bought.avg_price * self.units(7)
        assert value <= paid <= value * _FEES_MAX, (
            f"{self.units(7)} units at {bought.avg_price} took {paid} of the cash"
        )
        [held] = [x for x in self.read_pages(broker.positions) if x.symbol == self.symbol]
        cost = held.avg_price
        assert cost is None or bought.avg_price <= cost <= bought.avg_price * _FEES_MAX, (
            f"a position bought at {bought.avg_price} has the cost per unit {cost}"
        )

    def test_b069_a_filled_order_is_among_all_orders(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        bought = self._buy(broker, driver, 1)
        assert bought.created_at is not None
        query = m.OrderQuery(m.OrderScope.ALL, m.moment(bought.created_at))
        rows = self.read_pages(lambda page: broker.orders(query, page))
        assert bought.broker_order_id in [row.broker_order_id for row in rows], (
            "the list of `OrderScope.ALL` lacks a filled order; it has orders of every status"
        )

    def _buy(self, broker: Broker, driver: VenueDriver, lots: int) -> m.OrderReport:
        order = self.place(broker, qty=self.units(lots), limit_price=None)
        return self.wait_until(
            driver,
            lambda: self.read_order(broker, order.broker_order_id),
            lambda report: report.status is _S.FILLED,
        )
