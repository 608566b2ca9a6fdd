"""
One account, as its client has it; `truth` is the other half.

Requests act at once or raise `Refused`.  What is shown of orders and positions is in `views`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.funds import (
    Funds,
    funds,
    is_inactive_leg,
    reserved_units,
    total_reserved,
    unlimited,
)
from fillbook.venue.exchange.account.history import History
from fillbook.venue.exchange.account.ledger import Ledger
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.orders import replace, rules
from fillbook.venue.exchange.orders.groups import group_of
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.truth import Truth
from fillbook.venue.exchange.values import (
    AccountReport,
    Activity,
    Amendment,
    Block,
    Configurations,
    Event,
    Fill,
    OrderFilter,
    OrderVersion,
    PositionReport,
    Refused,
    Ticket,
)
from fillbook.venue.exchange.views import Views

_R: Final = m.RejectKind
_CLIENT_ORDER_ID_MAX: Final = 128
_FOREIGN_ORDER_QTY: Final = {"AAPL": Decimal(1), "BTC/USD": Decimal("0.001")}


class Account:
    """What one set of credentials opens."""

    def __init__(self, name: str, state: ExchangeState, cash: Decimal, multiplier: int) -> None:
        self._state = state
        self._multiplier_max = multiplier
        self.initialize(name, cash)

    def initialize(self, name: str, cash: Decimal) -> None:
        """Be a new account: what is still under way for the one before moves nothing here."""
        state = self._state
        self.name = name
        self.id = state.new_id()
        self.number = state.new_account_number()
        self.configurations = Configurations()
        self.blocks: set[Block] = set()
        self._created_at = state.timeline.stamp()
        #: the exchange's own side
        self.history = History(state, Ledger(cash, state.timeline.elapsed))
        self.trading = Trading(name, state, self.history)
        self.truth = Truth(self.trading, state)
        self._views = Views(self.trading, state)

    # --------------------------------------------------------------- requests

    def configure(self, configurations: Configurations) -> None:
        """Set what the owner allows; it holds for orders from now on."""
        with self._state.timeline.locked():
            self.configurations = configurations

    def submit(self, ticket: Ticket) -> OrderVersion:
        """
        Place an order; the answer is a snapshot with legs nested.

        Raises: Refused.
        """
        with self._state.timeline.locked():
            instrument = self._instrument_for(ticket)
            ticket = evolve(ticket, symbol=instrument.symbol)
            context = self._check_context(ticket, instrument)
            if self._state.injects(InjectionPoint.CHECKED, Fault.FUNDS_UNCHECKED):
                context = evolve(context, funds=unlimited(context.funds))
            rules.check(ticket, context)
            overnight = not self.configurations.disable_overnight_trading
            order = self.trading.accept(ticket, overnight=overnight)
            return self._views.nested(order, self._state.timeline.elapsed)

    def submit_later(self, ticket: Ticket, seconds: float) -> None:
        """Have the request arrive in *seconds*, when nobody waits for its answer any more."""

        def arrive() -> None:
            with suppress(Refused):
                self.submit(ticket)

        with self._state.timeline.locked():
            self._state.timeline.call_later(seconds, arrive)

    def submit_unlisted(self, ticket: Ticket, seconds: float) -> OrderVersion:
        """
        Take the order and show it to nobody for *seconds*.

        Raises: Refused.
        """
        with self._state.timeline.locked():
            order = self.submit(ticket)
            until = self._state.timeline.elapsed + timedelta(seconds=seconds)
            for order_id in (order.id, *order.leg_ids):
                self.trading.orders.hide(order_id, until)
            return order

    def cancel(self, order_id: str) -> None:
        """
        Ask for an order's end; a repeated cancel is no error.

        Raises: Refused, when it is unknown or over.
        """
        with self._state.timeline.locked():
            order = self._existing_order(order_id)
            if order.status == m.OrderStatus.CANCELED:
                return
            if order.is_final:
                raise rules.bad(f'order is already in "{order.status}" state', _R.TOO_LATE)
            if order.status == m.OrderStatus.PENDING_REPLACE:
                raise rules.bad(f"cannot cancel order in {order.status} status", _R.NOT_NOW)
            if Block.ACCOUNT in self.blocks:
                raise rules.denied("account is not authorized to trade", _R.PERMISSION)
            self.trading.cancel(order_id)

    def cancel_all(self, *, at_once: bool = False) -> dict[str, Refused | None]:
        """
        Ask for the end of all open orders; the ids that were asked, and why not.

        *at_once* has them ended before anything else is asked.
        """
        with self._state.timeline.locked():
            order_ids = [o.id for o in self.trading.orders.open() if not is_inactive_leg(o)]
            results = {order_id: self._try_cancel(order_id) for order_id in order_ids}
            for order_id in order_ids if at_once else ():
                self.trading.finish_cancel(order_id)
            return results

    def _try_cancel(self, order_id: str) -> Refused | None:
        """Cancel an order; why it is not."""
        try:
            self.cancel(order_id)
        except Refused as refusal:
            return refusal
        return None

    def replace(self, order_id: str, change: Amendment) -> OrderVersion:
        """
        Ask for an order to be replaced; the answer is the new one, which may still be rejected.

        Raises: Refused.
        """
        with self._state.timeline.locked():
            order = self._existing_order(order_id)
            self._check_client_order_id(change.client_order_id)
            group = group_of(order, self.trading.orders)
            replace.check(replace.ReplaceRequest(order, change, group))
            ticket = replace.ticket(order, change)
            context = self._check_context(
                ticket, self._state.instruments[order.symbol], without=order
            )
            is_exit = order.parent_id is not None or order.order_class is m.OrderClass.OCO
            rules.check(ticket, context, rules.EXIT_GUARDS if is_exit else rules.SUCCESSOR_GUARDS)
            new = self.trading.replace(order_id, change)
            if self._state.injects(InjectionPoint.ASKED_REPLACE, Fault.REPLACE_DENIED, order):
                words = "unable to replace order, order isn't sent to exchange yet"
                raise rules.bad(words, _R.NOT_NOW, 40010001)
            return new

    def _existing_order(self, order_id: str) -> OrderVersion:
        order = self.trading.orders.get(order_id)
        if order is None:
            raise Refused(404, 40410000, f"order not found for {order_id}", _R.NOT_FOUND)
        return order

    def _check_client_order_id(self, client_order_id: str | None) -> None:
        """Raises: Refused, for a client order id that is too long or was used before."""
        if client_order_id is not None and len(client_order_id) > _CLIENT_ORDER_ID_MAX:
            words = f"client_order_id must be no more than {_CLIENT_ORDER_ID_MAX} characters"
            raise rules.bad(words, code=40010001)
        if client_order_id is not None and self.trading.orders.id_of(client_order_id) is not None:
            raise rules.bad("client_order_id must be unique", _R.DUPLICATE, 40010001)

    def _instrument_for(self, ticket: Ticket) -> m.Instrument:
        """The instrument, once the ticket's own id is acceptable."""
        self._check_client_order_id(ticket.client_order_id)
        instrument = self._state.instrument(ticket.symbol)
        if instrument is None:
            raise rules.bad(f'asset "{ticket.symbol}" not found', _R.INSTRUMENT)
        return instrument

    def _check_context(
        self, ticket: Ticket, instrument: m.Instrument, *, without: OrderVersion | None = None
    ) -> rules.CheckContext:
        """What the guards know, as if there were no order *without*."""
        symbol, side, balance = ticket.symbol, ticket.side, self.history.ledger.now
        price = self._state.reserve_prices()
        here, prices = self.trading.orders.resting(symbol), price(symbol)
        reserved = self.trading.orders.reserved(balance, price, without)
        others = (order for order in here if without is None or order.id != without.id)
        return rules.CheckContext(
            instrument=instrument,
            prices=prices,
            wash_candidates=here.wash_candidates(side),
            is_blocked=not self.blocks.isdisjoint({Block.TRADING, Block.ACCOUNT}),
            configurations=self.configurations,
            new_york_time=self._state.timeline.now().astimezone(sessions.new_york()).time(),
            position=balance.qty(symbol),
            reserved_qty=here.reserved_qty(side, prices, without),
            reserving_ids=lambda: list(reserved_units(others, side)),
            funds=funds(balance, reserved, self._state.price, self._multiplier),
        )

    # ------------------------------------------------------------------ views

    def orders(self, query: OrderFilter) -> list[OrderVersion]:
        """The orders that *which* lets through; newest first unless it says otherwise."""
        with self._state.timeline.locked():
            self._inject_foreign_order()
            return self._views.orders(query)

    def order(self, order_id: str, *, nested: bool = True) -> OrderVersion | None:
        """One order by its id; None if it is not (yet) there for this client."""
        with self._state.timeline.locked():
            return self._views.order(order_id, nested=nested)

    def find(self, client_order_id: str, *, nested: bool = True) -> OrderVersion | None:
        """One order by its client order id."""
        with self._state.timeline.locked():
            return self._views.find(client_order_id, nested=nested)

    def positions(self) -> list[PositionReport]:
        """What is held of each symbol."""
        with self._state.timeline.locked():
            return self._views.positions()

    def position(self, symbol: str) -> PositionReport | None:
        """What is held of *symbol*, in any spelling; None if nothing is."""
        with self._state.timeline.locked():
            return self._views.position(symbol)

    def report(self) -> AccountReport:
        """The account's money."""
        with self._state.timeline.locked():
            changed = self._state.injects(InjectionPoint.SHOW_ACCOUNT, Fault.ACCOUNT_ID_CHANGED)
            moment = self._state.view_time(InjectionPoint.SHOW_ACCOUNT, self._state.lag.account)
            now = self._funds(moment)
            return AccountReport(
                id=self.id if not changed else self._state.new_id(),
                number=self.number if not changed else self._state.new_account_number(),
                cash=self.history.ledger.at(moment).cash,
                equity=now.equity,
                last_equity=now.equity,
                buying_power=now.buying_power,
                regt_buying_power=now.regt_buying_power,
                non_marginable_buying_power=now.non_marginable,
                initial_margin=now.initial_margin,
                maintenance_margin=now.maintenance_margin,
                long_market_value=now.long_value,
                short_market_value=now.short_value,
                multiplier=now.multiplier,
                created_at=self._created_at,
                shorting_enabled=now.multiplier > 1 and not self.configurations.no_shorting,
                blocks=frozenset(self.blocks),
                suspended=self.configurations.suspend_trade,
            )

    def fills(self, order_id: str | None = None) -> list[Fill]:
        """The history: executions as rows, oldest first, without what was taken back."""
        with self._state.timeline.locked():
            return self.history.visible_fills(order_id)

    def activities(self) -> list[Activity]:
        """What moved the account without a trade, oldest first."""
        return self.truth.activities()

    def listen(
        self, on_event: Callable[[Event], None], on_disconnect: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """
        Have *hear* called with every event, in order and without a lock held.

        *lost* is called when the exchange hangs up; nothing is heard after that.
        """
        return self.trading.feed.listen(on_event, on_disconnect)

    def trade_by_hand(self, ticket: Ticket) -> OrderVersion:
        """
        Place an order in the broker's dashboard: it gets a client order id of the broker's.

        Raises: Refused.
        """
        return self.submit(evolve(ticket, client_order_id=None))

    # ---------------------------------------------------------------- private

    def _inject_foreign_order(self) -> None:
        """By the fault, an order that nobody here placed is born and filled."""
        if not self._state.injects(InjectionPoint.SHOW_ORDERS, Fault.FOREIGN_ORDER):
            return
        for symbol, qty in _FOREIGN_ORDER_QTY.items():
            is_crypto = "/" in symbol
            ticket = Ticket(
                symbol=symbol,
                side=m.OrderSide.BUY,
                type=m.OrderType.MARKET,
                time_in_force=m.TimeInForce.GTC if is_crypto else m.TimeInForce.DAY,
                qty=qty,
            )
            if is_crypto or sessions.is_regular(self._state.timeline.now()):
                with suppress(Refused):
                    order = self.trading.orders[self.trade_by_hand(ticket).id]
                    price = self._state.price(symbol).ask
                    if leaves := self.trading.leaves(order, price):  # else it has filled already
                        self.trading.execute(order.id, leaves, price)
                return

    @property
    def _multiplier(self) -> int:
        return min(self._multiplier_max, self.configurations.max_margin_multiplier)

    def _funds(self, moment: timedelta) -> Funds:
        balance = self.history.ledger.at(moment)
        if moment < self._state.timeline.elapsed:
            open_then = self.trading.orders.open_at(moment)
            reserved = total_reserved(open_then, balance, self._state.reserve_prices())
        else:
            reserved = self.trading.orders.reserved(balance, self._state.reserve_prices())
        return funds(balance, reserved, self._state.price, self._multiplier)
