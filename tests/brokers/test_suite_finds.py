"""The suite finds the faults that the author of an adapter makes, and its messages name them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.testing import BrokerSuite
from fillbook.testing.venue_driver import ExchangeDriver, PartialDriver
from fillbook.venue.exchange import Exchange


class Six(SimulatedBroker):
    """Only the six methods: an order without a reply is found in the list."""

    capabilities = evolve(SimulatedBroker.capabilities, find=False, duplicate_check=False)
    find = Broker.find


class ListsOpenOnly(Six):
    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> Any:
        return super().orders(evolve(query, scope=m.OrderScope.OPEN), page)


class CutsIds(Six):
    """The broker keeps 32 characters of a client order id."""

    def submit(self, intent: m.Intent) -> m.Outcome:
        return super().submit(evolve(intent, client_order_id=intent.client_order_id[:32]))


class KeepsEnds(Six):
    def submit(self, intent: m.Intent) -> m.Outcome:
        return super().submit(evolve(intent, client_order_id=intent.client_order_id[-32:]))


class ReportsCents(Six):
    def account(self) -> m.Read[m.AccountSnapshot]:
        answer = super().account()
        assert isinstance(answer, m.Observed)
        return evolve(answer, value=evolve(answer.value, cash=answer.value.cash * 100))


class CostsCents(Six):
    def positions(self, page: m.Cursor | None) -> Any:
        answer = super().positions(page)
        assert isinstance(answer, m.Observed)
        rows = [evolve(x, avg_price=(x.avg_price or m.ZERO) * 100) for x in answer.value]
        return evolve(answer, value=rows)


class NamesNoOrder(Six):
    def submit(self, intent: m.Intent) -> m.Outcome:
        outcome = super().submit(intent)
        return m.Accepted() if isinstance(outcome, m.Accepted) else outcome


class PacesInFloats(Six):
    capabilities = evolve(Six.capabilities, rate_limit=200.0)


class LagsInSeconds(Six):
    capabilities = evolve(Six.capabilities, account_lag=5)


class WholeSeconds(Six):
    """Its clock has whole seconds, as those of many brokers."""

    def order(self, broker_order_id: str) -> Any:
        answer = super().order(broker_order_id)
        assert isinstance(answer, m.Observed)
        return evolve(answer, value=self._whole(answer.value))

    def submit(self, intent: m.Intent) -> m.Outcome:
        outcome = super().submit(intent)
        assert isinstance(outcome, m.Accepted)
        assert outcome.report is not None
        return evolve(outcome, report=self._whole(outcome.report))

    def _whole(self, report: m.OrderReport) -> m.OrderReport:
        assert report.clock is not None
        return evolve(report, clock=m.timestamp(report.clock[:19] + "Z"))


class Suite(BrokerSuite):
    """Its cases are called, and not collected."""

    __test__ = False


#: The adapter, the case that finds its fault, a part of the message.
FOUND: dict[str, tuple[type[SimulatedBroker], str, str]] = {
    "a list without final orders": (ListsOpenOnly, "b048", "`OrderScope.ALL`"),
    "a cut id": (CutsIds, "b020", "suite-"),
    "the end of an id": (KeepsEnds, "b020", "suite-"),
    "cash in cents": (ReportsCents, "b068", "of the cash"),
    "costs in cents": (CostsCents, "b068", "cost per unit"),
    "a rate limit of a float": (PacesInFloats, "b017", "rate_limit is the float 200.0"),
    "a lag of a number": (LagsInSeconds, "b017", "account_lag is the int 5 instead of timedelta"),
    "an acceptance of nothing": (NamesNoOrder, "b020", "neither a report nor a broker_order_id"),
}


def at_exchange(
    made: type[SimulatedBroker], suite: BrokerSuite | None = None
) -> Callable[[str], None]:
    """Return a function that runs one case."""
    clock = ManualClock(datetime(2026, 11, 20, 15, tzinfo=UTC))
    broker = made(Exchange(seed=7, clock=clock), page_size=2)
    venue = ExchangeDriver(broker.exchange, broker.books, clock)
    at = suite or Suite()

    def run(number: str) -> None:
        [name] = [x for x in dir(at) if x.startswith(f"test_{number}_")]
        case = getattr(at, name)
        wanted = case.__code__.co_varnames[1 : case.__code__.co_argcount]
        given: dict[str, Any] = {"broker": broker, "venue": venue, "driver": PartialDriver(venue)}
        if "desk" not in wanted:
            case(**{x: given[x] for x in wanted})
            return
        with at.open_desk(broker, clock) as desk:
            desk.sync()
            case(**{x: (given | {"desk": desk})[x] for x in wanted})

    return run


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_fails_its_case(name: str) -> None:
    made, number, said = FOUND[name]
    with pytest.raises(AssertionError) as raised:
        at_exchange(made)(number)
    assert said in str(raised.value)


@pytest.mark.parametrize("number", sorted({number for _, number, _ in FOUND.values()}))
def test_an_adapter_without_a_fault_passes(number: str) -> None:
    at_exchange(Six)(number)


def test_a_clock_of_whole_seconds_passes() -> None:
    at_exchange(WholeSeconds)("b046")


def test_an_order_that_does_not_rest_is_named() -> None:
    """`other_symbol` is cheaper than `resting_price`, at which it fills."""

    class Cheap(Suite):
        other_symbol = "F"

    run = at_exchange(Six, Cheap())
    with pytest.raises(AssertionError, match=r"F at 100\.25 is filled: .* has to rest"):
        run("b166")
