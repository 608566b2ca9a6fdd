"""B070-B089: requests and answers that are lost, late or unreadable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.testing.broker_cases.base import EVER, Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus

#: Each read, and the capability without which it is not asked.
_READS: Final[dict[str, tuple[str | None, Callable[[Broker], Any]]]] = {
    "account": (None, lambda b: b.account()),
    "positions": (None, lambda b: b.positions(None)),
    "orders": (None, lambda b: b.orders(m.OrderQuery(), None)),
    "order": (None, lambda b: b.order("00000000-0000-4000-8000-000000000000")),
    "find": ("find", lambda b: b.find("x")),
    "executions": ("history", lambda b: b.executions(EVER, None)),
    "activities": ("activities", lambda b: b.activities(EVER, None)),
}
#: What the client is left with, and which failures may name it.
_BROKEN: Final = {
    "request-lost": {m.Failure.NO_ANSWER},
    "server-error": {m.Failure.SERVER_ERROR},
    "rate-limited": {m.Failure.RATE_LIMITED},
    "html": {m.Failure.UNREADABLE, m.Failure.SERVER_ERROR},
    "redirect": {m.Failure.UNREADABLE},
}


class AmbiguityCases(Cases):
    @pytest.mark.parametrize("fault", sorted(_BROKEN))
    @pytest.mark.parametrize("read", sorted(_READS))
    def test_b070_a_broken_read_is_not_observed(
        self, broker: Broker, puppeteer: VenueDriver, read: str, fault: str
    ) -> None:
        capability, ask = _READS[read]
        self.need(capability is None or getattr(broker.capabilities, capability), read)
        puppeteer.fail(read, fault)
        answer = ask(broker)
        assert isinstance(answer, m.NotObserved), answer
        assert answer.why in _BROKEN[fault]

    @pytest.mark.parametrize("read", ["positions", "orders"])
    def test_b071_a_page_that_is_cut_is_not_observed(
        self, broker: Broker, puppeteer: VenueDriver, read: str
    ) -> None:
        self.placed(broker)
        puppeteer.fail(read, "cut-page")
        assert isinstance(_READS[read][1](broker), m.NotObserved)

    def test_b072_a_slow_answer_is_an_answer(self, broker: Broker, puppeteer: VenueDriver) -> None:
        puppeteer.fail("account", "slow", seconds=0.2)
        assert isinstance(broker.account(), m.Observed)

    def test_b073_a_lost_request_is_ambiguous_and_left_nothing(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        puppeteer.fail("submit", "request-lost")
        intent = self.intent()
        assert isinstance(broker.submit(intent), m.Ambiguous)
        puppeteer.advance(1)
        self.need(broker.capabilities.find, "find")
        assert isinstance(broker.find(intent.client_order_id), m.Absent)

    def test_b074_a_lost_reply_is_ambiguous_and_the_order_is_there(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        intent = self._lost(broker, puppeteer, "reply-lost")
        self.need(broker.capabilities.find, "find")
        seen = self.value(broker.find(intent.client_order_id))
        assert seen.broker_order_id in self.open_orders(broker)

    def test_b075_sending_again_after_a_lost_reply_makes_no_second_order(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.duplicate_check, "a duplicate check")
        before = len(self.open_orders(broker))
        intent = self._lost(broker, puppeteer, "reply-lost")
        again = broker.submit(intent)
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind
        assert before + 1 == len(self.open_orders(broker))

    def test_b076_a_request_may_land_after_its_sender_gave_up(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.find, "find")
        intent = self._lost(broker, puppeteer, "late-landing", seconds=60)
        assert isinstance(broker.find(intent.client_order_id), m.Absent)
        puppeteer.advance(75)
        assert isinstance(broker.find(intent.client_order_id), m.Observed)

    def test_b077_what_lands_late_is_a_duplicate_of_what_was_sent_again(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.duplicate_check, "a duplicate check")
        before = len(self.open_orders(broker))
        intent = self._lost(broker, puppeteer, "late-landing", seconds=60)
        assert isinstance(broker.submit(intent), m.Accepted)
        puppeteer.advance(75)
        assert before + 1 == len(self.open_orders(broker))

    def test_b078_an_order_may_be_a_duplicate_and_listed_nowhere(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.find, "find")
        intent = self._lost(broker, puppeteer, "duplicate-unlisted", seconds=30)
        assert isinstance(broker.find(intent.client_order_id), m.Absent)
        again = broker.submit(intent)
        assert isinstance(again, m.Rejected)
        assert m.RejectKind.DUPLICATE is again.kind
        puppeteer.advance(45)
        assert isinstance(broker.find(intent.client_order_id), m.Observed)

    @pytest.mark.parametrize("fault", ["server-error", "html", "redirect"])
    def test_b079_an_answer_that_says_nothing_is_ambiguous(
        self, broker: Broker, puppeteer: VenueDriver, fault: str
    ) -> None:
        puppeteer.fail("submit", fault)
        assert isinstance(broker.submit(self.intent()), m.Ambiguous)

    def test_b080_a_refused_rate_was_not_sent_and_may_be_sent_again(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        puppeteer.fail("submit", "rate-limited")
        intent = self.intent()
        assert isinstance(broker.submit(intent), m.NotSent)
        assert isinstance(broker.submit(intent), m.Accepted)

    def test_b081_a_lost_reply_to_a_cancel_is_ambiguous_and_the_order_ends(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order = self.placed(broker)
        puppeteer.advance(1)
        puppeteer.fail("cancel", "reply-lost")
        assert isinstance(broker.cancel(order.broker_order_id), m.Ambiguous)
        puppeteer.advance(5)
        assert _S.CANCELED is self.seen(broker, order.broker_order_id).status

    def test_b082_a_lost_cancel_is_ambiguous_and_the_order_lives(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order = self.placed(broker)
        puppeteer.advance(1)
        puppeteer.fail("cancel", "request-lost")
        assert isinstance(broker.cancel(order.broker_order_id), m.Ambiguous)
        puppeteer.advance(5)
        assert _S.NEW is self.seen(broker, order.broker_order_id).status

    def test_b083_another_account_shows_by_its_id(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        before = self.value(broker.account()).account
        puppeteer.fail("show-account", "account-id-changed")
        assert before != self.value(broker.account()).account

    def test_b084_a_word_that_nobody_knows_is_unrecognised_and_kept(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order = self.placed(broker)
        puppeteer.fail("show-orders", "unknown-word")
        seen = self.seen(broker, order.broker_order_id)
        assert _S.UNRECOGNISED is seen.status
        assert seen.raw_status not in {word.value for word in _S}

    def test_b085_a_clock_that_is_not_told_is_none(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        order = self.placed(broker)
        puppeteer.fail("show-orders", "updated-at-null")
        assert self.seen(broker, order.broker_order_id).clock is None

    def test_b086_a_stale_look_bears_an_older_clock(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.clocked, "a clock on its reports")
        order = self.placed(broker, qty=2)
        puppeteer.advance(20)
        puppeteer.fill(order.broker_order_id)
        puppeteer.fail("show-orders", "stale-snapshot", seconds=5)
        stale = self.seen(broker, order.broker_order_id)
        fresh = self.seen(broker, order.broker_order_id)
        assert (stale.status, fresh.status) == (_S.NEW, _S.FILLED)
        assert stale.clock is not None
        assert fresh.clock is not None
        assert stale.clock < fresh.clock

    @pytest.mark.parametrize("read", sorted(_READS))
    def test_b087_a_refused_rate_is_over_when_it_says(
        self, broker: Broker, puppeteer: VenueDriver, read: str
    ) -> None:
        capability, ask = _READS[read]
        self.need(capability is None or getattr(broker.capabilities, capability), read)
        puppeteer.fail(read, "rate-limited")
        answer = ask(broker)
        assert isinstance(answer, m.NotObserved)
        assert answer.retry_at is not None
        assert timedelta(0) == answer.retry_at.utcoffset()
        puppeteer.advance(60)
        assert not isinstance(ask(broker), m.NotObserved)

    def _lost(
        self, broker: Broker, puppeteer: VenueDriver, fault: str, seconds: float | None = None
    ) -> m.Intent:
        """An order whose request came to nothing that its sender could see."""
        puppeteer.fail("submit", fault, seconds=seconds)
        intent = self.intent()
        assert isinstance(broker.submit(intent), m.Ambiguous)
        return intent
