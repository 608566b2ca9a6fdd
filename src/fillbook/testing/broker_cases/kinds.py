"""B140-B159: order types beyond market, limit and stop, if the broker declares them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_T: Final = m.TimeInForce


class OrderTypeCases(Cases):
    """Trailing cases set the market to `market_price`, and trail 20 steps below it."""

    @property
    def trail(self) -> Decimal:
        return 20 * Decimal(self.price_step)

    def place_trailing(self, broker: Broker, driver: VenueDriver, **trail: Any) -> m.OrderReport:
        """Place a trailing sell for a position of four units, with the market at `market_price`."""
        declared = m.OrderType.TRAILING_STOP in broker.capabilities.order_types
        self.require(declared, "trailing stops")
        driver.transfer(self.symbol, str(self.units(4)), self.resting_price)
        self._quote(driver, self.market_price)
        order = self.place(broker, side="sell", qty=self.units(4), limit_price=None, **trail)
        driver.advance(1)
        return order

    def _quote(self, driver: VenueDriver, bid: Decimal) -> None:
        driver.quote(self.symbol, str(bid), str(bid + Decimal(self.price_step)))

    @pytest.mark.parametrize("name", ["trail_price", "trail_percent"])
    def test_b140_a_trailing_stop_has_its_trail_and_its_stop_price(
        self, broker: Broker, driver: VenueDriver, name: str
    ) -> None:
        percent = self.trail * 100 / self.market_price
        trail = {"trail_price": self.trail, "trail_percent": percent}[name]
        order = self.place_trailing(broker, driver, **{name: trail})
        terms = self.read_order(broker, order.broker_order_id).terms
        expected = (m.OrderType.TRAILING_STOP, self.market_price - self.trail)
        assert expected == (terms.type, terms.stop_price)
        assert trail == getattr(terms, name)

    def test_b141_a_trailing_stop_moves_one_way_and_triggers(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order = self.place_trailing(broker, driver, trail_price=self.trail)
        up, step = self.market_price + 2 * self.trail, Decimal(self.price_step)
        for bid in (up, up - self.trail + 2 * step):
            self._quote(driver, bid)
            driver.advance(1)
        report = self.read_order(broker, order.broker_order_id)
        assert (_S.NEW, up - self.trail) == (report.status, report.terms.stop_price)
        self._quote(driver, up - self.trail - step)
        driver.advance(1)
        assert _S.FILLED is self.read_order(broker, order.broker_order_id).status
        assert self.symbol not in self.positions(broker)

    def test_b142_a_trail_is_replaced(self, broker: Broker, driver: VenueDriver) -> None:
        self.require(broker.capabilities.replace, "replace")
        order = self.place_trailing(broker, driver, trail_price=self.trail)
        change = m.Change(client_order_id=f"{order.client_order_id}.r1", trail=self.trail / 2)
        assert isinstance(broker.replace(order.broker_order_id, change), m.Accepted)
        driver.advance(1)
        keeps_id = broker.capabilities.replace_makes is m.ReplaceMakes.SAME_ID
        name = order.client_order_id if keeps_id else change.client_order_id
        assert name is not None
        terms = self.observed(broker.find(name)).terms
        assert (self.trail / 2, self.market_price - self.trail / 2) == (
            terms.trail_price,
            terms.stop_price,
        )

    @pytest.mark.parametrize("tif", [_T.IOC, _T.FOK])
    def test_b143_an_unmarketable_ioc_or_fok_is_canceled(
        self, broker: Broker, driver: VenueDriver, tif: m.TimeInForce
    ) -> None:
        self.require(tif in broker.capabilities.times_in_force, tif)
        order = self.place(broker, time_in_force=tif)
        driver.advance(1)
        report = self.read_order(broker, order.broker_order_id)
        assert (_S.CANCELED, Decimal(0)) == (report.status, report.filled_qty)

    def test_b144_an_order_for_the_close_waits_for_the_close(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(_T.CLS in broker.capabilities.times_in_force, "orders for the close")
        order = self.place(broker, limit_price=None, time_in_force=_T.CLS)
        driver.advance(1)
        assert self.read_order(broker, order.broker_order_id).filled_qty == m.ZERO
        driver.advance(24 * 3600)
        assert self.units(1) == self.read_order(broker, order.broker_order_id).filled_qty

    def test_b145_an_order_that_may_only_close_opens_no_position(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(bool(broker.capabilities.closing_intent), "a closing intent")
        listed = self.observed(broker.instrument(self.symbol))
        declared = listed.asset_class in broker.capabilities.closing_intent
        self.require(declared, f"a closing intent of {listed.asset_class}")
        outcome = broker.submit(self._closing_sale())
        assert isinstance(outcome, m.Rejected), outcome
        assert outcome.kind is m.RejectKind.NO_POSITION
        driver.transfer(self.symbol, str(self.units(1)), str(self.market_price))
        assert isinstance(broker.submit(self._closing_sale()), m.Accepted)

    def _closing_sale(self) -> m.Intent:
        return evolve(self.intent(side="sell", limit_price=None), closes=True)
