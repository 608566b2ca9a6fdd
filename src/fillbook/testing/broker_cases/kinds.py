"""B140-B159: kinds of orders beyond market, limit and stop, each if it is declared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_T: Final = m.TimeInForce


class KindCases(Cases):
    """The market stands between `resting_price` and `high_price`, and at `mark` where it is set."""

    mark = Decimal(200)

    def trailing(self, broker: Broker, puppeteer: VenueDriver, **trail: Any) -> m.OrderReport:
        """A trailing sell of four units that are held, with the market at `mark`."""
        declared = m.OrderType.TRAILING_STOP in broker.capabilities.order_types
        self.need(declared, "trailing stops")
        puppeteer.transfer(self.symbol, "4", "187")
        self._quote(puppeteer, self.mark)
        order = self.placed(broker, side="sell", qty=4, limit_price=None, **trail)
        puppeteer.advance(1)
        return order

    def _quote(self, puppeteer: VenueDriver, bid: Decimal) -> None:
        puppeteer.quote(self.symbol, str(bid), str(bid + Decimal("0.02")))

    @pytest.mark.parametrize("trail", [{"trail_price": 10}, {"trail_percent": 5}])
    def test_b140_a_trailing_stop_shows_its_trail_and_its_stop(
        self, broker: Broker, puppeteer: VenueDriver, trail: dict[str, int]
    ) -> None:
        order = self.trailing(broker, puppeteer, **trail)
        terms = self.seen(broker, order.broker_order_id).terms
        assert (m.OrderType.TRAILING_STOP, self.mark - 10) == (terms.type, terms.stop_price)
        assert {name: Decimal(value) for name, value in trail.items()} == {
            name: getattr(terms, name) for name in trail
        }

    def test_b141_a_trailing_stop_moves_one_way_and_fires(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order = self.trailing(broker, puppeteer, trail_price=10)
        for up in (15, 8):
            self._quote(puppeteer, self.mark + up)
            puppeteer.advance(1)
        seen = self.seen(broker, order.broker_order_id)
        assert (_S.NEW, self.mark + 5) == (seen.status, seen.terms.stop_price)
        self._quote(puppeteer, self.mark + 4)
        puppeteer.advance(1)
        assert _S.FILLED is self.seen(broker, order.broker_order_id).status
        assert self.symbol not in self.held(broker)

    def test_b142_a_trail_is_replaced(self, broker: Broker, puppeteer: VenueDriver) -> None:
        self.need(broker.capabilities.replace, "replace")
        order = self.trailing(broker, puppeteer, trail_price=10)
        change = m.Change(client_order_id=f"{order.client_order_id}.r1", trail=Decimal(6))
        assert isinstance(broker.replace(order.broker_order_id, change), m.Accepted)
        puppeteer.advance(1)
        terms = self.value(broker.find(change.client_order_id)).terms
        assert (Decimal(6), self.mark - 6) == (terms.trail_price, terms.stop_price)

    @pytest.mark.parametrize("tif", [_T.IOC, _T.FOK])
    def test_b143_what_cannot_trade_at_once_is_canceled(
        self, broker: Broker, puppeteer: VenueDriver, tif: m.TimeInForce
    ) -> None:
        self.need(tif in broker.capabilities.times_in_force, tif)
        order = self.placed(broker, time_in_force=tif)
        puppeteer.advance(1)
        seen = self.seen(broker, order.broker_order_id)
        assert (_S.CANCELED, Decimal(0)) == (seen.status, seen.filled_qty)

    def test_b144_an_order_for_the_close_waits_for_it(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(_T.CLS in broker.capabilities.times_in_force, "orders for the close")
        order = self.placed(broker, limit_price=None, time_in_force=_T.CLS)
        puppeteer.advance(1)
        assert self.seen(broker, order.broker_order_id).filled_qty == m.ZERO
        puppeteer.advance(24 * 3600)
        assert Decimal(1) == self.seen(broker, order.broker_order_id).filled_qty
