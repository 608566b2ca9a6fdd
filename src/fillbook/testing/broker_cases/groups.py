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
    def test_b090_a_bracket_shows_two_exits_that_wait(self, broker: Broker) -> None:
        entry = self._bracket(broker, limit_price=self.resting_price, stop_loss="90")
        seen = self.seen(broker, entry.broker_order_id)
        assert {_S.HELD} == {leg.status for leg in seen.legs}
        assert {(m.OrderSide.SELL, Decimal(4))} == {(g.terms.side, g.terms.qty) for g in seen.legs}
        assert {m.OrderType.LIMIT, m.OrderType.STOP} == {leg.terms.type for leg in seen.legs}

    def test_b091_exits_wake_when_the_entry_has_filled(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        take_profit, stop = self._entered(broker, puppeteer)
        assert (take_profit.status, stop.status) == (_S.NEW, _S.HELD)

    def test_b092_a_partly_filled_entry_has_no_exits_yet(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        entry = self._bracket(broker, limit_price=self.resting_price, stop_loss="90")
        puppeteer.advance(1)
        puppeteer.fill(entry.broker_order_id, "3")
        puppeteer.advance(1)
        seen = self.seen(broker, entry.broker_order_id)
        assert {_S.HELD} == {leg.status for leg in seen.legs}

    def test_b093_one_exit_fills_and_the_other_is_canceled(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        take_profit, stop = self._entered(broker, puppeteer)
        puppeteer.fill(take_profit.broker_order_id)
        puppeteer.advance(1)
        assert _S.FILLED is self.seen(broker, take_profit.broker_order_id).status
        assert _S.CANCELED is self.seen(broker, stop.broker_order_id).status
        assert self.symbol not in self.held(broker)

    def test_b094_a_part_of_the_profit_shrinks_the_stop(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        take_profit, stop = self._entered(broker, puppeteer)
        puppeteer.fill(take_profit.broker_order_id, "1")
        assert Decimal(3) == self.seen(broker, stop.broker_order_id).terms.qty

    def test_b095_one_exit_canceled_cancels_the_other(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        take_profit, stop = self._entered(broker, puppeteer)
        assert isinstance(broker.cancel(take_profit.broker_order_id), m.Accepted)
        puppeteer.advance(2)
        assert _S.CANCELED is self.seen(broker, stop.broker_order_id).status

    def test_b096_day_exits_are_gone_after_the_close_and_the_position_is_not(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        take_profit, stop = self._entered(broker, puppeteer, time_in_force="day")
        puppeteer.advance(_UNTIL_CLOSE_S)
        ends = {self.seen(broker, leg.broker_order_id).status for leg in (take_profit, stop)}
        assert ends <= {_S.EXPIRED, _S.CANCELED}
        assert Decimal(4) == self.held(broker)[self.symbol]

    def test_b097_exits_good_till_canceled_outlive_the_close(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        take_profit, stop = self._entered(broker, puppeteer)
        puppeteer.advance(_UNTIL_CLOSE_S)
        words = [self.seen(broker, leg.broker_order_id).status for leg in (take_profit, stop)]
        assert words == [_S.NEW, _S.HELD]

    def test_b098_units_that_exits_hold_cannot_be_sold(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self._entered(broker, puppeteer)
        outcome = broker.submit(self.intent(side="sell", qty=4, limit_price=self.high_price))
        assert isinstance(outcome, m.Rejected), outcome
        assert m.RejectKind.QTY_HELD is outcome.kind

    def test_b099_an_oco_protects_what_is_held_once(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(m.OrderClass.OCO in broker.capabilities.order_classes, "OCO")
        puppeteer.transfer(self.symbol, "4", "187")
        oco = self.placed(
            broker,
            side="sell",
            qty=4,
            order_class="oco",
            type="limit",
            limit_price=None,
            take_profit=self.high_price,
            stop_loss=self.stop_price,
            time_in_force="gtc",
        )
        puppeteer.advance(1)
        seen = self.seen(broker, oco.broker_order_id)
        assert ([leg.status for leg in seen.legs], seen.status) == ([_S.HELD], _S.NEW)
        puppeteer.fill(seen.legs[0].broker_order_id)
        puppeteer.advance(1)
        assert _S.CANCELED is self.seen(broker, oco.broker_order_id).status

    def _bracket(self, broker: Broker, **wish: Any) -> m.OrderReport:
        self.need(m.OrderClass.BRACKET in broker.capabilities.order_classes, "brackets")
        fields = {
            "qty": 4,
            "limit_price": None,
            "take_profit": self.high_price,
            "stop_loss": self.stop_price,
            "time_in_force": "gtc",
            **wish,
        }
        return self.placed(broker, **fields)

    def _entered(
        self, broker: Broker, puppeteer: VenueDriver, **wish: Any
    ) -> tuple[m.OrderReport, m.OrderReport]:
        """The take-profit and the stop of a bracket whose entry has filled."""
        entry = self._bracket(broker, **wish)
        puppeteer.advance(2)
        seen = self.seen(broker, entry.broker_order_id)
        assert _S.FILLED is seen.status
        is_stop: Callable[[m.OrderReport], bool] = lambda leg: leg.terms.stop_price is not None  # noqa: E731
        take_profit, stop = sorted(seen.legs, key=is_stop)
        return take_profit, stop
