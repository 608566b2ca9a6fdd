"""
The broker protocol: one method sends one request.

An adapter encodes a request, sends it once and decodes the reply.  It does not page,
pace, retry or wait; the desk does that once for all brokers.  Replies are values
(`model.answer`).  The desk treats an exception that escapes an adapter as `Ambiguous` on
a write and as `NotObserved` on a read, so that a bug in an adapter never loses an order.

Six methods are abstract.  The others return "unsupported" until they are overridden;
`capabilities` declares which are, and the broker suite checks the declaration.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Final, Protocol, TypeVar

from fillbook import model as m
from fillbook.errors import InvalidValue

T = TypeVar("T")

READ_UNSUPPORTED: Final = m.NotObserved(
    m.Failure.UNSUPPORTED, "this broker does not support the read"
)
WRITE_UNSUPPORTED: Final = m.Rejected(m.RejectKind.UNSUPPORTED, "this broker cannot do that")

PageOf = m.Read[Sequence[T]]


class Sink(Protocol):
    """
    The receiver of a stream: order reports, connections and losses.

    Every method is safe from any thread and returns without waiting.
    """

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        """Receive *reports*, in the order in which the broker sent them."""
        ...

    def connected(self) -> None:
        """
        Note that the broker has confirmed the subscription.

        Reports from before this call may be missing; the sink reads them by a request.
        """
        ...

    def lost(self, why: str) -> None:
        """
        Note that the stream delivers no reports until `connected` is called again.

        *why* is text for people: the cause, without credentials.
        """
        ...


class Broker(Protocol):
    """
    A broker account, as the desk uses it.  Subclass it and override what the broker supports.

    A *page* of None asks for the first page; later pages take the cursor (`next`) of the page
    before.  A read returns `NotObserved` when it has no usable reply; a write returns
    `NotSent`, `Rejected` or `Ambiguous` when it is not accepted.  Quantities are in units of
    the base, prices in units of the quote currency, times in UTC.
    """

    name: str  #: the broker's name, as in addresses: "alpaca"
    host: str  #: the exact host that receives the requests
    live: bool  #: whether orders move real money
    capabilities: m.Capabilities  #: what the broker supports, and its rules

    @abstractmethod
    def account(self) -> m.Read[m.AccountSnapshot]:
        """Read the account that the credentials belong to."""

    @abstractmethod
    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        """Read the open positions; short positions have a negative quantity."""

    @abstractmethod
    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        """Read the orders that *query* selects, with their legs nested, oldest first."""

    @abstractmethod
    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        """Read one order, with its legs; `Absent` if it is not found at the broker."""

    @abstractmethod
    def submit(self, intent: m.Intent) -> m.Outcome:
        """Place the order of *intent*, under the client order id of *intent*."""

    @abstractmethod
    def cancel(self, broker_order_id: str) -> m.Outcome:
        """Request the cancel of an order; `Accepted` means pending, not canceled."""

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        """
        Replace an order; `Accepted` means pending, not replaced.

        Where `replace_makes` is NEW_ID, the outcome has the report of the new order, which bears
        the client order id of *change*.  Where it is SAME_ID, the order keeps both of its ids and
        reports the new terms once they are in force; *change* bears an id that is not sent.
        """
        return WRITE_UNSUPPORTED

    def find(self, client_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        """Read the order with this client order id; `Absent` if it is not found at the broker."""
        return READ_UNSUPPORTED

    def executions(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Execution]:
        """Read the executions of the account at or after *since*, oldest first."""
        return READ_UNSUPPORTED

    def executions_of(
        self, broker_order_id: str, since: m.Timestamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        """
        Read the executions of one order at or after *since*, oldest first.

        The desk passes a time at or before the creation of the order, which bounds the search.
        """
        return READ_UNSUPPORTED

    def activities(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Activity]:
        """
        Read the activities that are no trades, at or after *since*, oldest first.

        These are splits, dividends, fees, transfers and the like.
        """
        return READ_UNSUPPORTED

    def pair(self, symbol: str) -> m.Pair | None:
        """
        Return the currencies that *symbol* trades, without a request; None: it is no pair.

        A symbol whose currencies are not known yet raises no error: it has None.
        """
        return None

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        """Read the instruments of one class, with the broker's aliases of their symbols."""
        return READ_UNSUPPORTED

    def instrument(self, symbol: str) -> m.Read[m.Instrument] | m.Absent:
        """Read one instrument; `Absent` if the broker reports that it does not exist."""
        return READ_UNSUPPORTED

    def sessions(self, first: date, last: date) -> m.Read[Sequence[m.Session]]:
        """Read the trading sessions from *first* to *last*, both included."""
        return READ_UNSUPPORTED

    def quotes(self, symbols: Collection[str]) -> m.Read[Sequence[m.Quote]]:
        """Read the latest bid and ask; a symbol without a quote is left out."""
        return READ_UNSUPPORTED

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        """Stream order reports into *sink* until the context ends; None without a stream."""
        return None

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        """
        Read the order reports in an event of the broker's own SDK, raw or typed.

        The report of a typed event names the order and has no quantities and no prices,
        because the SDK has made floats of them.  Raises: InvalidValue if *raw* is not an
        event of this broker; without an override none is.
        """
        raise InvalidValue(f"the adapter of {self.name} reads no events of a bot (read_event)")

    def redact(self, text: str) -> str:
        """
        Hide the credentials of this broker in *text*.

        The desk calls it with the message of each reply, which may quote a request, and with the
        traceback of an exception.  An adapter that has credentials overrides it.
        """
        return text


class BrokerFactory(Protocol):
    """The class that an entry point of `fillbook.brokers` names."""

    def from_address(self, rest: str, env: Mapping[str, str]) -> Broker:
        """
        Open the broker of the address ``name:rest``, with credentials from *env*.

        Raises: BadAddress, CredentialsMissing, ExtraMissing.
        """
        ...
