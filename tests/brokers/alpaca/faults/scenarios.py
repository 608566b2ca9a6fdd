"""The scenarios by their faults, and the bench on which each of them runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.testing.broker_cases.base import EPOCH
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Fault
from tests.brokers.alpaca.emulated import EmulatorDriver, HeardBroker

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York
S = m.OrderStatus


class Bench:
    """The adapter at an emulator, with methods to send requests and to show the results."""

    def __init__(self, emulator: Emulator, broker: HeardBroker, clock: ManualClock) -> None:
        self.exchange = emulator.exchange
        self.broker = broker
        self.clock = clock
        self.world = EmulatorDriver(emulator, broker, clock)
        self.fail = self.world.fail
        self._numbers = iter(range(1, 1000))

    def submit(self, name: str = "", **wish: object) -> m.Outcome:
        request = {"symbol": "AAPL", "side": "buy", "qty": 5, "limit_price": "100.25"} | wish
        name = name or f"fault-{next(self._numbers)}"
        wish = m.OrderRequest(**{"time_in_force": "day"} | request)
        return self.broker.submit(
            m.Intent(client_order_id=name, request=wish, at=m.timestamp(OPEN))
        )

    def placed(self, **wish: object) -> str:
        """The broker's id of an accepted order, which works now."""
        outcome = self.submit(**wish)
        assert isinstance(outcome, m.Accepted), outcome
        assert outcome.report is not None
        self.world.wait_for_events()
        return outcome.report.broker_order_id

    def order(self, order_id: str) -> m.OrderReport:
        found = self.broker.order(order_id)
        assert isinstance(found, m.Observed), found
        return found.value

    def fills(self, order_id: str) -> list[m.Execution]:
        found = self.broker.executions_of(order_id, EPOCH, None)
        assert isinstance(found, m.Observed), found
        return list(found.value)

    def replaced(self, order_id: str, qty: str = "6") -> m.Outcome:
        return self.broker.replace(order_id, m.Change(client_order_id="changed", qty=Decimal(qty)))

    def orders(self) -> m.Read[object]:
        return self.broker.orders(m.OrderQuery(m.OrderScope.ALL), None)


def said(answer: object) -> str:
    """Return a reply in one or two words."""
    match answer:
        case m.Observed(value=m.OrderReport(status=status)):
            return f"observed {status}"
        case m.Accepted(report=m.OrderReport(status=status)):
            return f"accepted {status}"
        case m.Rejected(kind=why) | m.NotSent(why=why) | m.Ambiguous(why=why):
            return f"{type(answer).__name__.lower()} {why}"
        case m.NotObserved(why=why):
            return f"not observed {why}"
    return type(answer).__name__.lower()


SCENARIOS: dict[Fault, Callable[[Bench], None]] = {}


def of(fault: Fault) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    def keep(scenario: Callable[[Bench], None]) -> Callable[[Bench], None]:
        SCENARIOS[fault] = scenario
        return scenario

    return keep
