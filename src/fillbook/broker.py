"""
What a broker is: one method, one request.

An adapter encodes, sends once, decodes.  It does not page, pace, retry or wait;
the desk does that once for all brokers.  Answers are values (`model.answer`); an
exception that escapes all the same is taken for `Ambiguous` on a write and
`NotObserved` on a read, so that a bug in an adapter never loses an order.

Six methods are abstract.  The others answer "unsupported" until overridden;
`capabilities` says which are, and the broker suite checks it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Final, Protocol, TypeVar

from fillbook import model as m

T = TypeVar("T")

UNSUPPORTED: Final = m.NotObserved(m.Failure.UNSUPPORTED, "this broker cannot be asked that")
CANNOT: Final = m.Rejected(m.RejectKind.UNSUPPORTED, "this broker cannot do that")

PageOf = m.Read[Sequence[T]]


class Sink(Protocol):
    """Where a stream puts what it hears; safe from any thread, and quick."""

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        """Reports in the order in which they came."""
        ...

    def connected(self) -> None:
        """The stream is subscribed and confirmed; whatever was missed before is missed."""
        ...

    def lost(self, why: str) -> None:
        """The stream is not heard any more, until `connected` is called again."""
        ...


class Broker(Protocol):
    """A broker, as the desk asks it.  Subclass it and override what it can do."""

    name: str  #: as in addresses: "alpaca"
    host: str  #: the exact host that is asked
    live: bool  #: whether real money moves
    capabilities: m.Capabilities

    @abstractmethod
    def account(self) -> m.Read[m.AccountSnapshot]:
        """The account that these credentials open."""

    @abstractmethod
    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        """Everything held; closed positions are not in it."""

    @abstractmethod
    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        """Orders with their legs nested, oldest first."""

    @abstractmethod
    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        """One order, with its legs."""

    @abstractmethod
    def submit(self, intent: m.Intent) -> m.Outcome:
        """Place an order under the intent's own client order id."""

    @abstractmethod
    def cancel(self, broker_order_id: str) -> m.Outcome:
        """Ask for an order's end; accepted means asked, not ended."""

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        """Change an order; the answer bears the new order where the broker makes one."""
        return CANNOT

    def find(self, client_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        """The order that bears our id."""
        return UNSUPPORTED

    def executions(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Execution]:
        """Fills of the account at or after *since*, oldest first."""
        return UNSUPPORTED

    def executions_of(
        self, broker_order_id: str, since: m.Timestamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        """All fills of one order, which was created at or after *since*, oldest first."""
        return UNSUPPORTED

    def activities(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Activity]:
        """What moved the account without a trade, at or after *since*, oldest first."""
        return UNSUPPORTED

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        """Everything of one class that can be traded, with the broker's other spellings."""
        return UNSUPPORTED

    def instrument(self, symbol: str) -> m.Read[m.Instrument] | m.Absent:
        """One instrument as it is now; Absent is the broker's own word that it has none."""
        return UNSUPPORTED

    def sessions(self, first: date, last: date) -> m.Read[Sequence[m.Session]]:
        """The trading days from *first* to *last*, both included."""
        return UNSUPPORTED

    def quotes(self, symbols: Collection[str]) -> m.Read[Sequence[m.Quote]]:
        """The latest bid and ask of each symbol that has one."""
        return UNSUPPORTED

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        """Stream order reports into *sink* until the context ends; None if it cannot."""
        return None

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        """
        The reports in an event of the broker's own SDK, raw or typed, that a bot hands on.

        A typed event is a poke: its numbers are floats, so it names an order and no figures.
        Raises: InvalidValue for what is no event of this broker.
        """
        return ()


class OpensBroker(Protocol):
    """What an entry point of `fillbook.brokers` names: a class with this constructor."""

    def from_address(self, rest: str, env: Mapping[str, str]) -> Broker:
        """The broker behind ``name:rest``, with credentials from *env*."""
        ...
