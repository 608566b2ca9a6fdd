"""
The desk: what a bot holds.

`Desk` delegates to its parts, nothing else: outside `__init__`, one statement a method.
Other half: `desk.parts`, which composes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Self, Unpack

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.desk import validation
from fillbook.desk.parts import Parts
from fillbook.desk.record.book import Book
from fillbook.desk.record.settings import Settings
from fillbook.store import Store


class Desk:
    """
    A bot's record of one account, kept true to its broker; safe from any thread.

    Made by `fillbook.open`, which touches no network.  Use it as a context manager: leaving
    it stops the background and closes the store.  Wherever an order is taken, its
    `client_order_id` will do.  What makes no sense is refused with InvalidValue.
    """

    def __init__(self, broker: Broker, store: Store, clock: Clock, settings: Settings) -> None:
        parts = Parts(broker, store, clock, settings)
        self.book = Book(store)
        self._gateway = parts.gateway
        self._recorder = parts.recorder
        self._account_link = parts.account_link
        self._tracker = parts.tracker
        self._kill_switch = parts.kill_switch
        self._placement = parts.placement
        self._cancellation = parts.cancellation
        self._replacing = parts.replacing
        self._reconciler = parts.reconciler
        self._scheduler = parts.scheduler
        self._background = parts.background
        self._exit = ExitStack()
        self._exit.callback(store.close)
        self._exit.callback(self._gateway.lease.release)
        self._exit.callback(self._background.stop)

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
        """Stop the background and close the store; closing twice is fine."""
        return self._exit.close()

    # -- looking -----------------------------------------------------------------------

    def check(self, ours: Mapping[str, Decimal | int | str | float] | None = None) -> m.CheckReport:
        """
        Compare the record with the broker; writes nothing, sends nothing.

        *ours* is what the bot believes it holds, signed base units by symbol.  What could not
        be read makes the verdict NOT_OBSERVED, never a drift.  Raises: AccountChanged.
        """
        return self._reconciler.check(None if ours is None else validation.beliefs(ours))

    def sync(
        self,
        since: date | None = None,
        *,
        order: m.Order | str | None = None,
        adopt: bool = False,
    ) -> m.SyncReport:
        """
        Make the record true: merge what the broker tells; sends nothing.

        *since* reads orders and fills from that day on (UTC); *order* looks at one order
        alone; *adopt* takes the broker's side where a confirmed difference has no evidence.
        A first sync takes the broker's picture as the opening.  Raises: AccountChanged,
        CredentialsMissing, UnknownOrder.
        """
        return self._reconciler.sync(
            validation.day(since),
            order=None if order is None else validation.order(order),
            adopt=adopt,
        )

    def buying_power(self) -> m.BuyingPower:
        """
        What new orders may still cost: the broker's number, less what it may not count yet.

        Reads the account.  Raises: AccountChanged, ReadFailed.
        """
        return self._account_link.buying_power()

    # -- placing -----------------------------------------------------------------------

    def submit(self, request: m.OrderRequest, key: str | None = None) -> m.Order:
        """
        Place an order: durable before it is sent, then looked at.

        Returns the order whenever anything may have reached the broker, UNPROVEN included.
        A market, IOC or FOK order is looked at until it is final or `wait_s` have passed, any
        other until the broker has shown it.  With *key*, submitting again gives the order that
        exists, in any state.  Raises: Denied, OrderRejected, Unavailable (each with `.order`),
        KeyReused, TradingDisabled, AccountChanged, ReadFailed.
        """
        return self._placement.submit(validation.asked(request), validation.key(key))

    def sending(
        self, request: m.OrderRequest, key: str | None = None
    ) -> AbstractContextManager[m.Order]:
        """
        For a bot that sends by itself: `with desk.sending(wish) as order:` and send it inside.

        The order is checked and durable before the body runs, which is to send it under
        `order.client_order_id`; afterwards it is looked at as `submit` does.  What escapes the
        body leaves it UNPROVEN and is raised on.  It is never sent by us.  Raises: Denied and
        AlreadySent (each with `.order`), KeyReused, AccountChanged, ReadFailed.
        """
        return self._placement.sending(validation.asked(request), validation.key(key))

    def buy(
        self, /, symbol: str, *, key: str | None = None, **fields: Unpack[m.OrderFields]
    ) -> m.Order:
        """`submit` of a buy; the fields of `OrderRequest` by name."""
        return self._placement.submit(
            validation.request_of(symbol, m.OrderSide.BUY, fields), validation.key(key)
        )

    def sell(
        self, /, symbol: str, *, key: str | None = None, **fields: Unpack[m.OrderFields]
    ) -> m.Order:
        """`submit` of a sell; the fields of `OrderRequest` by name."""
        return self._placement.submit(
            validation.request_of(symbol, m.OrderSide.SELL, fields), validation.key(key)
        )

    def preview(self, request: m.OrderRequest) -> m.Preview:
        """
        What every check says of *request*, and what it would do to the account.

        Sends nothing and writes nothing.  Raises: AccountChanged.
        """
        return self._placement.preview(validation.asked(request))

    def halt(self, why: str) -> None:
        """
        Deny every new order of every desk on this store, until `resume`; cancels pass.

        What rests at the broker stays there: `fillbook halt` cancels it too.
        """
        return self._kill_switch.halt(validation.text("why", why))

    def resume(self) -> None:
        """Let orders go again after a `halt`."""
        return self._kill_switch.resume()

    def cancel(self, order: m.Order | str) -> m.Order:
        """
        Cancel an order, and look at it until it has ended or `wait_s` have passed.

        A fill wins over a cancel.  An order that is not final then is pending (`pending` says
        "cancel"), and is canceled for as long as it is alive, by this process or the next.
        Raises: UnknownOrder, TradingDisabled, AccountChanged, ReadFailed.
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
        Change an order; *qty* is what is to fill in all, None leaves a field as it is.

        The order keeps its client id, and shows its new terms once the broker has; until it is
        known what became of a replace, `pending` says so and no other is sent.  A fill wins.
        Where the broker changes no quantity once there are fills, the order is canceled and
        what is left is ordered anew: that order is returned.  Raises: Denied, OrderRejected,
        Unavailable (each with `.order`), UnknownOrder, TradingDisabled, AccountChanged, ReadFailed.
        """
        return self._replacing.replace(
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
        Cancel every open order, of a symbol or a strategy where given; look at them for `wait_s`.

        Exits that protect a position stay, unless *exits*: stops, OCO orders and legs that in the
        worst case only reduce what is held.  Each order is instructed first and attempted then, by
        its own request: what is not final when this returns is pending, and is attempted until it
        is.  Raises: TradingDisabled, AccountChanged, ReadFailed.
        """
        return self._cancellation.cancel_all(
            None if symbol is None else m.symbol_of(symbol), strategy, exits=exits
        )

    def wait(self, order: m.Order | str, timeout_s: float = 5.0) -> m.Order:
        """Look at an order until it is final or *timeout_s* have passed; as it is then."""
        return self._placement.wait(
            validation.order(order), validation.seconds("timeout_s", timeout_s)
        )

    # -- hearing -----------------------------------------------------------------------

    def receive(self, event: object) -> int:
        """
        Hand on an event of the broker's own SDK, raw or typed; durable when this returns.

        How many entries it made; 0 for what was known already.  Raises: InvalidValue for
        what is no event of this broker.
        """
        return self._scheduler.receive(self._gateway.broker.read_event(event))

    def events(self, since: str = "") -> list[m.Event]:
        """The outbox after the cursor *since*, in order; each event comes at least once."""
        return self.book.events(since)

    def on(self, kind: m.EventKind | str, call: Callable[[m.Event], None]) -> None:
        """Have *call* made with every event of *kind* that this desk writes, once it is durable."""
        return self._recorder.on(validation.kind(kind), validation.call(call))

    # -- running -----------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due now: hear, ask after unproven orders, poll, reconcile."""
        return self._scheduler.tick()

    def start(self) -> None:
        """Listen and tick in the background, until the desk is closed."""
        return self._background.start()

    @property
    def requests(self) -> int:
        """How many requests this desk has sent so far."""
        return self._gateway.requests
