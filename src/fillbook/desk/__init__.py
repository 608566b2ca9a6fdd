"""
The desk: the object through which a bot trades one account.

`Desk` only delegates to its parts: outside `__init__`, each method is one statement.
Other half: `desk.parts`, which builds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Self, Unpack

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.desk import forked, validation
from fillbook.desk.acting import Acting
from fillbook.desk.parts import Parts
from fillbook.desk.record.book import Book
from fillbook.desk.record.settings import Settings
from fillbook.model.journal.status import Status
from fillbook.model.text.arguments import with_named_arguments
from fillbook.store import Store


@with_named_arguments
class Desk(Acting):
    """
    A bot's record of one account, reconciled with its broker; safe from any thread.

    `fillbook.open` makes it, without a request to the broker.  Use it as a context manager:
    leaving it stops the background thread and closes the store.  A parameter `order` takes an
    `Order` or its `client_order_id`.  Invalid arguments raise InvalidValue.
    """

    def __init__(self, broker: Broker, store: Store, clock: Clock, settings: Settings) -> None:
        parts = Parts(broker, store, clock, settings)
        self.book: Book = Book(store, parts.symbols.find, parts.market.latest_quotes, clock)
        self._offline_book = Book(store, parts.symbols.known, clock=clock)
        self._parts, self._symbols = parts, parts.symbols
        self._gateway, self._recorder = parts.gateway, parts.recorder
        self._account_link = parts.account_link
        self._tracker = parts.tracker
        self._placement, self._cancellation = parts.placement, parts.cancellation
        self._replacement = parts.replacement
        self._reconciler = parts.reconciler
        self._scheduler, self._background = parts.scheduler, parts.background
        self._exit = ExitStack()
        self._exit.callback(store.close)
        self._exit.callback(self._gateway.lease.release)
        self._exit.callback(self._background.stop)
        forked.register(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the background thread and close the store; a second call does nothing."""
        return self._exit.close()

    # -- reading -----------------------------------------------------------------------

    def check(self, ours: Mapping[str, Decimal | int | str | float] | None = None) -> m.CheckReport:
        """
        Compare the record with the broker; write nothing and send nothing.

        *ours* are the positions that the bot expects, in signed base units by symbol; a symbol that
        is left out is expected flat.  None: only the record is compared.  A failed read makes the
        verdict NOT_OBSERVED, never a drift; so does a record without an opening balance, which has
        nothing to compare.  Raises: AccountChanged.
        """
        return self._reconciler.check(
            None if ours is None else validation.quantities(ours, self._symbols.resolve),
            self._symbols.is_unknown,
        )

    def sync(
        self,
        since: date | None = None,
        *,
        order: m.Order | str | None = None,
        adopt: bool = False,
    ) -> m.SyncReport:
        """
        Reconcile the record: merge the broker's reports into it; send no orders or cancels.

        *since* reads orders and fills from that day on (UTC); *order* reconciles one order
        only; *adopt* takes the broker's figure for a confirmed difference without evidence, also if
        most positions are gone, and the report lists what it took (`adopted`).
        The first sync takes the broker's positions and cash as the opening balance.  Raises:
        AccountChanged, CredentialsMissing, UnknownOrder.
        """
        return self._reconciler.sync(
            validation.day(since),
            order=None if order is None else validation.order(order),
            adopt=adopt,
        )

    def buying_power(self, currency: str | None = None) -> m.BuyingPower:
        """
        Return the buying power that is available: the broker's number less our reservations.

        Only reservations that the number may not include yet are subtracted.  *currency* None: that
        of the account; nothing is converted.  It is read.  Raises: AccountChanged, ReadFailed.
        """
        return self._account_link.buying_power(currency)

    def opens_at(self, symbol: str) -> datetime | None:
        """
        Return when the regular session of *symbol* opens next (UTC): an order waits until then.

        None: it is open now, has no sessions (crypto), or they could not be read.
        Raises: UnknownSymbol.
        """
        return self._parts.market.opens_at(self._symbols.listed(symbol))

    def status(self) -> Status:
        """Return the status of the record, as `book.status` does; it sends no request."""
        return self.book.status()

    # -- placing -----------------------------------------------------------------------

    def submit(self, request: m.OrderRequest, key: str | None = None) -> m.Order:
        """
        Place an order: write it to the store, send it, then follow it.

        Return the order if it may have reached the broker, also when it is UNPROVEN.  A market,
        IOC or FOK order is followed until it is final or `wait_s` have passed, any other until
        the broker has reported it.  With *key*, a second submit returns the order that exists,
        in any status.  Raises: Denied, OrderRejected, Unavailable (each with `.order`),
        KeyReused, TradingDisabled, AccountChanged, ReadFailed.
        """
        return self._placement.submit(validation.request(request), validation.key(key))

    def sending(
        self, request: m.OrderRequest, key: str | None = None
    ) -> AbstractContextManager[m.Order]:
        """
        Record an order that the bot sends itself: `with desk.sending(request) as order:`.

        The order is checked and durable before the body runs, which sends it under
        `order.client_order_id`; afterwards the desk follows it as `submit` does.  An exception in
        the body leaves the order UNPROVEN and is raised again.
        Raises: Denied and AlreadySent (each with `.order`), KeyReused, AccountChanged, ReadFailed.
        """
        return self._placement.sending(validation.request(request), validation.key(key))

    def buy(
        self, /, symbol: str, *, key: str | None = None, **fields: Unpack[m.OrderFields]
    ) -> m.Order:
        """Submit a buy; *fields* are those of `OrderRequest`, by name (`OrderFields`)."""
        return self._placement.submit(
            validation.request_from_fields(symbol, m.OrderSide.BUY, fields), validation.key(key)
        )

    def sell(
        self, /, symbol: str, *, key: str | None = None, **fields: Unpack[m.OrderFields]
    ) -> m.Order:
        """Submit a sell; *fields* are those of `OrderRequest`, by name (`OrderFields`)."""
        return self._placement.submit(
            validation.request_from_fields(symbol, m.OrderSide.SELL, fields), validation.key(key)
        )

    def preview(self, request: m.OrderRequest) -> m.Preview:
        """
        Return the result of every check of *request*, and its impact on the account.

        Send no order and write nothing.  Raises: AccountChanged.
        """
        return self._placement.preview(validation.request(request))

    def halt(self, why: str) -> None:
        """
        Deny every new order of every desk on this store until `resume`; open orders stay open.

        Cancels are still sent; the command `fillbook halt` cancels open orders too.
        """
        return self._parts.kill_switch.halt(validation.text("why", why))

    def resume(self) -> None:
        """Lift a `halt`: orders are sent again."""
        return self._parts.kill_switch.resume()

    def cancel(self, order: m.Order | str) -> m.Order:
        """
        Cancel an order, and wait until it is final or `wait_s` have passed.

        A fill wins over a cancel.  If the order is not final then, its cancel is pending
        (`pending` is "cancel") and is retried until it is final, by this process or the next.  If
        the store cannot be written, the cancel is sent all the same, and the error says so.
        Raises: UnknownOrder, TradingDisabled, AccountChanged, StoreError.
        """
        return self._cancellation.cancel(validation.order(order))

    def replace(
        self,
        order: m.Order | str,
        *,
        qty: m.Figure = None,
        limit_price: m.Figure = None,
        stop_price: m.Figure = None,
        trail: m.Figure = None,
        time_in_force: str | None = None,
    ) -> m.Order:
        """
        Replace an order; *qty* is the total quantity, None leaves a field unchanged.

        The order keeps its client order id and takes its new terms when the broker reports them.
        While the outcome of a replace is unknown, `pending` is "replace" and no other is sent.  A
        fill wins over a replace.  If the broker cannot change the quantity of an order with fills,
        the order is canceled, and a new order for the remaining quantity is placed and returned.
        Raises: Denied, OrderRejected, Unavailable (each with `.order`), UnknownOrder,
        TradingDisabled, AccountChanged, ReadFailed.
        """
        return self._replacement.replace(
            validation.order(order),
            m.Change(
                client_order_id="",
                qty=qty,
                limit_price=limit_price,
                stop_price=stop_price,
                trail=trail,
                time_in_force=time_in_force,
            ),
        )

    def cancel_all(
        self, *, symbol: str | None = None, strategy: str | None = None, exits: bool = False
    ) -> list[m.Order]:
        """
        Cancel every open order, or those of a symbol or a strategy; wait at most `wait_s`.

        Exits that protect a position stay open unless *exits*: stops, OCO orders and legs that
        only reduce a position even in the worst case.  All cancels are written to the store before
        the first is sent (if it cannot be written, they are sent all the same, and the error says
        so); each order has its own request.  The cancel of an order that is not final on return is
        pending, and is retried until the order is final.  Raises: UnknownSymbol, TradingDisabled,
        AccountChanged, StoreError.
        """
        return self._cancellation.cancel_all(
            None if symbol is None else self._symbols.listed(symbol), strategy, exits=exits
        )

    def resolve(self, order: m.Order | str, outcome: str) -> m.Order:
        """
        End an order in the record that the broker does not have; *outcome* is "absent".

        It is for an order that the broker accepted or reported and does not find any more, which
        fillbook never ends by itself: while it is open, its symbol takes no new risk.  The order
        is read first.  Its fills remain; it is ABSENT, or CANCELED with fills.  If the broker
        reports it again, it is open again, with an alert.  Raises: Denied if the broker reports it,
        or may still accept it; UnknownOrder, AccountChanged, ReadFailed.
        """
        return self._parts.manual_resolution.resolve(
            validation.order(order), validation.resolution(outcome)
        )

    def assign(self, what: m.Order | m.Movement | str, strategy: str | None) -> m.Position:
        """
        Give an external order, a fill or an opening position to *strategy*; None: unattributed.

        *what* is an order or its id, a movement (as in `book.fills`) or its key, or the symbol of
        a position that was held at the first sync or adopted.  The round trips are computed again,
        and the entry in the journal is the audit.  Return the position.  Raises: InvalidValue,
        also for an order that a strategy placed.
        """
        return self._parts.assignments.assign(
            validation.assigned(what),
            None if strategy is None else validation.text("strategy", strategy),
        )

    def wait(self, order: m.Order | str, timeout_s: float = 5.0) -> m.Order:
        """Follow an order until it is final or *timeout_s* have passed; return it."""
        return self._placement.wait(
            validation.order(order), validation.seconds("timeout_s", timeout_s)
        )

    # -- events ------------------------------------------------------------------------

    def receive(self, event: object) -> int:
        """
        Record an event of the broker's own SDK, raw or typed; it is durable on return.

        A typed event has no exact numbers: its order is read at once, by one or more requests, or
        by the next tick if the rate limit is used up.  An exception instead of an event is the
        error that ended the bot's stream, and becomes an alert.  Return the number of new entries
        in the record; 0 if all was known.  Raises: InvalidValue if *event* is not an event of this
        broker, ContractBroken if the adapter reads a field of it as another type.
        """
        return self._scheduler.receive(event)

    def events(self, since: str = "") -> list[m.Event]:
        """Return the events after the cursor *since*, in order; each is delivered at least once."""
        return self.book.events(since)

    def on(self, kind: m.EventKind | str, call: Callable[[m.Event], None]) -> None:
        """Call *call* with every event of *kind* that this desk writes, once it is durable."""
        return self._recorder.on(validation.event_kind(kind), validation.callback(call))

    # -- running -----------------------------------------------------------------------

    def tick(self) -> None:
        """
        Do what is due: read the stream, query unconfirmed orders, poll, reconcile.

        Call it every few seconds: an exit or a step of a plan is delayed by up to the interval
        between two ticks.  A close goes on until the end of the session, one of a pair for an hour;
        another plan that is not done in 10 minutes stops, with an alert.
        """
        return self._scheduler.tick()

    def start(self, *, listen: bool | None = None) -> None:
        """
        Tick in a background thread until the desk is closed, and listen to the broker's stream.

        Where a key has one stream only, the desk does not open it, because the bot's own
        stream would be refused: the desk polls, and records the events that the bot passes to
        `receive`.  *listen* True opens it all the same, for a bot without a stream of its own;
        False never opens a stream.  A second call adds the stream if *listen* is True.
        """
        return self._background.start(validation.optional_flag("listen", listen))

    @property
    def requests(self) -> int:
        """The number of requests that this desk has sent."""
        return self._gateway.requests
