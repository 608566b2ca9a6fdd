"""B090-B099: brackets and OCO."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_UNTIL_CLOSE_S: Final = 24 * 3600


class GroupCases(Cases):
    def test_b090_a_bracket_has_two_held_exits(self, broker: Broker) -> None:
        opening_order = self._place_bracket(
            broker, limit_price=self.resting_price, stop_loss=self.price(-41)
        )
        report = self.read_order(broker, opening_order.broker_order_id)
        assert {self.waiting} == {leg.status for leg in report.legs}
        assert {(m.OrderSide.SELL, self.units(4))} == {
            (g.terms.side, g.terms.qty) for g in report.legs
        }
        assert {m.OrderType.LIMIT, m.OrderType.STOP} == {leg.terms.type for leg in report.legs}

    def test_b091_exits_become_active_when_the_opening_order_fills(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        take_profit, stop = self._open_bracket(broker, driver)
        assert (take_profit.status, stop.status) == (_S.NEW, self.waiting)

    def test_b092_exits_stay_held_while_the_opening_order_is_partially_filled(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        opening_order = self._place_bracket(
            broker, limit_price=self.resting_price, stop_loss=self.price(-41)
        )
        driver.advance(1)
        driver.fill(opening_order.broker_order_id, str(self.units(3)))
        driver.advance(1)
        report = self.read_order(broker, opening_order.broker_order_id)
        assert {self.waiting} == {leg.status for leg in report.legs}

    def test_b093_one_exit_fills_and_the_other_is_canceled(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        take_profit, stop = self._open_bracket(broker, driver)
        driver.fill(take_profit.broker_order_id)
        driver.advance(1)
        assert _S.FILLED is self.read_order(broker, take_profit.broker_order_id).status
        assert _S.CANCELED is self.read_order(broker, stop.broker_order_id).status
        assert self.symbol not in self.positions(broker)

    def test_b094_a_partial_take_profit_reduces_the_stop(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        take_profit, stop = self._open_bracket(broker, driver)
        driver.fill(take_profit.broker_order_id, str(self.units(1)))
        assert self.units(3) == self.read_order(broker, stop.broker_order_id).terms.qty

    def test_b095_one_exit_canceled_cancels_the_other(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        take_profit, stop = self._open_bracket(broker, driver)
        assert isinstance(broker.cancel(take_profit.broker_order_id), m.Accepted)
        driver.advance(2)
        assert _S.CANCELED is self.read_order(broker, stop.broker_order_id).status

    def test_b096_day_exits_end_at_the_close_and_the_position_stays(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(m.TimeInForce.DAY in broker.capabilities.times_in_force, "day")
        take_profit, stop = self._open_bracket(broker, driver, time_in_force="day")
        driver.advance(_UNTIL_CLOSE_S)
        ends = {self.read_order(broker, leg.broker_order_id).status for leg in (take_profit, stop)}
        assert ends <= {_S.EXPIRED, _S.CANCELED}
        assert self.units(4) == self.positions(broker)[self.symbol]

    def test_b097_gtc_exits_survive_the_close(self, broker: Broker, driver: VenueDriver) -> None:
        take_profit, stop = self._open_bracket(broker, driver)
        driver.advance(_UNTIL_CLOSE_S)
        statuses = [
            self.read_order(broker, leg.broker_order_id).status for leg in (take_profit, stop)
        ]
        assert statuses == [_S.NEW, self.waiting]

    def test_b098_units_reserved_by_exits_cannot_be_sold(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self._open_bracket(broker, driver)
        outcome = broker.submit(
            self.intent(side="sell", qty=self.units(4), limit_price=self.high_price)
        )
        assert isinstance(outcome, m.Rejected), outcome
        assert m.RejectKind.QTY_HELD is outcome.kind

    def test_b099_an_oco_reserves_the_position_once(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(m.OrderClass.OCO in broker.capabilities.order_classes, "OCO")
        self.require(m.TimeInForce.GTC in broker.capabilities.times_in_force, "gtc")
        driver.transfer(self.symbol, str(self.units(4)), self.resting_price)
        oco = self.place(
            broker,
            side="sell",
            qty=self.units(4),
            order_class="oco",
            type="limit",
            limit_price=None,
            take_profit=self.high_price,
            stop_loss=self.stop_price,
            time_in_force="gtc",
        )
        driver.advance(1)
        report = self.read_order(broker, oco.broker_order_id)
        refused = broker.submit(
            self.intent(side="sell", qty=self.units(4), limit_price=self.high_price)
        )
        assert isinstance(refused, m.Rejected), refused
        if report.legs:
            assert [leg.status for leg in report.legs] == [self.waiting]
            assert report.status is _S.NEW
            driver.fill(report.legs[0].broker_order_id)
        else:  # both exits are one order
            prices = (report.terms.limit_price, report.terms.stop_price)
            assert prices == (Decimal(self.high_price), Decimal(self.stop_price))
            driver.fill(oco.broker_order_id)
        driver.advance(1)
        end = _S.CANCELED if report.legs else _S.FILLED
        assert end is self.read_order(broker, oco.broker_order_id).status
        assert self.symbol not in self.positions(broker)

    def _place_bracket(self, broker: Broker, **fields: Any) -> m.OrderReport:
        self.require(m.OrderClass.BRACKET in broker.capabilities.order_classes, "brackets")
        self.require(m.TimeInForce.GTC in broker.capabilities.times_in_force, "gtc")
        terms = {
            "qty": self.units(4),
            "limit_price": None,
            "take_profit": self.high_price,
            "stop_loss": self.stop_price,
            "time_in_force": "gtc",
            **fields,
        }
        return self.place(broker, **terms)

    def _open_bracket(
        self, broker: Broker, driver: VenueDriver, **fields: Any
    ) -> tuple[m.OrderReport, m.OrderReport]:
        """Place a bracket, fill its opening order, and return the take profit and the stop."""
        opening_order = self._place_bracket(broker, **fields)
        driver.advance(2)
        report = self.read_order(broker, opening_order.broker_order_id)
        assert _S.FILLED is report.status
        is_stop: Callable[[m.OrderReport], bool] = lambda leg: leg.terms.stop_price is not None  # noqa: E731
        take_profit, stop = sorted(report.legs, key=is_stop)
        return take_profit, stop
