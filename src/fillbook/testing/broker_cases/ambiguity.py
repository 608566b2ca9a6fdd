"""B070-B089: requests and replies that are lost, late or unreadable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import EPOCH, Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus

#: Each read, by the broker and an unknown id, and the capability that it needs.
_READS: Final[dict[str, tuple[str | None, Callable[[Broker, str], Any]]]] = {
    "account": (None, lambda b, _: b.account()),
    "positions": (None, lambda b, _: b.positions(None)),
    "orders": (None, lambda b, _: b.orders(m.OrderQuery(), None)),
    "order": (None, lambda b, unknown: b.order(unknown)),
    "find": ("find", lambda b, _: b.find("x")),
    "executions": ("history", lambda b, _: b.executions(EPOCH, None)),
    "activities": ("activities", lambda b, _: b.activities(EPOCH, None)),
}
#: Faults, and the failures that a read may report for each.
_FAULTS: Final = {
    "request-lost": {m.Failure.NO_ANSWER},
    "server-error": {m.Failure.SERVER_ERROR},
    "rate-limited": {m.Failure.RATE_LIMITED},
    "html": {m.Failure.UNREADABLE, m.Failure.SERVER_ERROR},
    "redirect": {m.Failure.UNREADABLE},
}


class AmbiguityCases(Cases):
    @pytest.mark.parametrize("fault", sorted(_FAULTS))
    @pytest.mark.parametrize("read", sorted(_READS))
    def test_b070_a_failed_read_is_not_observed(
        self, broker: Broker, driver: VenueDriver, read: str, fault: str
    ) -> None:
        capability, call = _READS[read]
        self.require(capability is None or getattr(broker.capabilities, capability), read)
        driver.fail(read, fault)
        answer = call(broker, self.unknown_id)
        assert isinstance(answer, m.NotObserved), answer
        assert answer.why in _FAULTS[fault]

    @pytest.mark.parametrize("read", ["positions", "orders"])
    def test_b071_a_truncated_page_is_not_observed(
        self, broker: Broker, driver: VenueDriver, read: str
    ) -> None:
        self.place(broker)
        driver.fail(read, "cut-page")
        assert isinstance(_READS[read][1](broker, self.unknown_id), m.NotObserved)

    def test_b072_a_slow_reply_is_observed(self, broker: Broker, driver: VenueDriver) -> None:
        driver.fail("account", "slow", seconds=0.2)
        assert isinstance(broker.account(), m.Observed)

    def test_b073_a_lost_request_is_ambiguous_and_makes_no_order(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        driver.fail("submit", "request-lost")
        intent = self.intent()
        assert isinstance(broker.submit(intent), m.Ambiguous)
        driver.advance(1)
        self.require(broker.capabilities.find, "find")
        assert isinstance(broker.find(intent.client_order_id), m.Absent)

    def test_b074_a_lost_reply_is_ambiguous_and_the_order_exists(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        intent = self._submit_lost(broker, driver, "reply-lost")
        self.require(broker.capabilities.find, "find")
        report = self.observed(broker.find(intent.client_order_id))
        assert report.broker_order_id in self.open_orders(broker)

    def test_b075_a_retry_after_a_lost_reply_makes_no_second_order(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.duplicate_check, "a duplicate check")
        before = len(self.open_orders(broker))
        intent = self._submit_lost(broker, driver, "reply-lost")
        again = broker.submit(intent)
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind
        assert before + 1 == len(self.open_orders(broker))

    def test_b076_a_request_can_be_accepted_after_it_was_abandoned(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.find, "find")
        intent = self._submit_lost(broker, driver, "late-landing", seconds=60)
        assert isinstance(broker.find(intent.client_order_id), m.Absent)
        driver.advance(75)
        assert isinstance(broker.find(intent.client_order_id), m.Observed)

    def test_b077_an_order_accepted_after_a_retry_is_a_duplicate(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.duplicate_check, "a duplicate check")
        before = len(self.open_orders(broker))
        intent = self._submit_lost(broker, driver, "late-landing", seconds=60)
        assert isinstance(broker.submit(intent), m.Accepted)
        driver.advance(75)
        assert before + 1 == len(self.open_orders(broker))

    def test_b078_a_duplicate_order_can_be_unlisted(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.find, "find")
        intent = self._submit_lost(broker, driver, "duplicate-unlisted", seconds=30)
        assert isinstance(broker.find(intent.client_order_id), m.Absent)
        again = broker.submit(intent)
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind
        driver.advance(45)
        assert isinstance(broker.find(intent.client_order_id), m.Observed)

    @pytest.mark.parametrize("fault", ["server-error", "html", "redirect"])
    def test_b079_an_unreadable_reply_is_ambiguous(
        self, broker: Broker, driver: VenueDriver, fault: str
    ) -> None:
        driver.fail("submit", fault)
        assert isinstance(broker.submit(self.intent()), m.Ambiguous)

    def test_b080_a_rate_limited_submit_is_not_sent_and_can_be_retried(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        driver.fail("submit", "rate-limited")
        intent = self.intent()
        assert isinstance(broker.submit(intent), m.NotSent)
        assert isinstance(broker.submit(intent), m.Accepted)

    def test_b081_a_lost_reply_to_a_cancel_is_ambiguous_and_the_order_is_canceled(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order = self.place(broker)
        driver.advance(1)
        driver.fail("cancel", "reply-lost")
        assert isinstance(broker.cancel(order.broker_order_id), m.Ambiguous)
        driver.advance(5)
        assert _S.CANCELED is self.read_order(broker, order.broker_order_id).status

    def test_b082_a_lost_cancel_is_ambiguous_and_the_order_stays_open(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order = self.place(broker)
        driver.advance(1)
        driver.fail("cancel", "request-lost")
        assert isinstance(broker.cancel(order.broker_order_id), m.Ambiguous)
        driver.advance(5)
        assert _S.NEW is self.read_order(broker, order.broker_order_id).status

    def test_b083_another_account_has_another_id(self, broker: Broker, driver: VenueDriver) -> None:
        before = self.observed(broker.account()).account
        driver.fail("show-account", "account-id-changed")
        assert before != self.observed(broker.account()).account

    def test_b084_an_unknown_status_is_unrecognised_and_kept(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        order = self.place(broker)
        driver.fail("show-orders", "unknown-word")
        report = self.read_order(broker, order.broker_order_id)
        assert _S.UNRECOGNISED is report.status
        assert report.raw_status not in {status.value for status in _S}

    def test_b085_a_missing_clock_is_none(self, broker: Broker, driver: VenueDriver) -> None:
        order = self.place(broker)
        driver.fail("show-orders", "updated-at-null")
        assert self.read_order(broker, order.broker_order_id).clock is None

    def test_b086_a_stale_snapshot_has_an_older_clock(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.clocked, "a clock on its reports")
        order = self.place(broker, qty=self.units(2))
        driver.advance(20)
        driver.fill(order.broker_order_id)
        driver.fail("show-orders", "stale-snapshot", seconds=5)
        stale = self.read_order(broker, order.broker_order_id)
        fresh = self.read_order(broker, order.broker_order_id)
        assert (stale.status, fresh.status) == (_S.NEW, _S.FILLED)
        assert stale.clock is not None
        assert fresh.clock is not None
        assert stale.clock < fresh.clock

    @pytest.mark.parametrize("read", sorted(_READS))
    def test_b087_a_rate_limit_ends_at_its_reported_time(
        self, broker: Broker, driver: VenueDriver, read: str
    ) -> None:
        capability, call = _READS[read]
        self.require(capability is None or getattr(broker.capabilities, capability), read)
        driver.fail(read, "rate-limited")
        answer = call(broker, self.unknown_id)
        assert isinstance(answer, m.NotObserved)
        assert answer.retry_at is not None
        assert timedelta(0) == answer.retry_at.utcoffset()
        driver.advance(60)
        assert not isinstance(call(broker, self.unknown_id), m.NotObserved)

    def _submit_lost(
        self, broker: Broker, driver: VenueDriver, fault: str, seconds: float | None = None
    ) -> m.Intent:
        """Submit an order whose outcome is ambiguous by *fault*."""
        driver.fail("submit", fault, seconds=seconds)
        intent = self.intent()
        assert isinstance(broker.submit(intent), m.Ambiguous)
        return intent
