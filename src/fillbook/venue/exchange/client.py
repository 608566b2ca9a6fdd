"""
One account, as its client uses it; `truth` is the actual state.

A request acts at once or raises `Refused`.  `views` makes the orders and positions that a
client reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from fillbook.venue.exchange.account.wallets import Wallet, wallets
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.market import sessions, spot
from fillbook.venue.exchange.market.spot import SpotTerms
from fillbook.venue.exchange.orders import replace, rules, spot_rules
from fillbook.venue.exchange.orders.groups import group_of
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.orders.replacements import Replacements
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
    """One account of the exchange: its requests and the views of its state."""

    def __init__(self, name: str, state: ExchangeState, cash: Decimal, multiplier: int) -> None:
        self._state = state
        self._multiplier_max = multiplier
        self.initialize(name, cash)

    def initialize(self, name: str, cash: Decimal) -> None:
        """Begin a new account; pending events of the previous one do not change it."""
        state = self._state
        self.name = name
        self.id: str = state.new_id()
        self.number: str = state.new_account_number()
        self.configurations: Configurations = Configurations()
        self.blocks: set[Block] = set()
        #: An order that says that it closes a position may not open one; False: that is ignored.
        self.enforces_intent = True
        self.created_at: m.Timestamp = state.timeline.stamp()
        self.placed_by_hand: set[str] = set()  #: the ids of orders of `trade_by_hand`
        # Internal state of the exchange.
        self.history: History = History(state, Ledger(cash, state.timeline.elapsed))
        self.trading: Trading = Trading(name, state, self.history)
        self._replacements = Replacements(self.trading, state)
        self.truth: Truth = Truth(self.trading, state)
        self._views = Views(self.trading, state)

    # --------------------------------------------------------------- requests

    def configure(self, configurations: Configurations) -> None:
        """Set the owner's configurations; they apply to new orders."""
        with self._state.timeline.locked():
            self.configurations = configurations

    def submit(self, ticket: Ticket) -> OrderVersion:
        """
        Place an order and return it with its legs nested.

        Raises: Refused.
        """
        with self._state.timeline.locked():
            instrument = self._instrument_for(ticket)
            ticket = evolve(ticket, symbol=instrument.symbol)
            unchecked = self._state.injects(InjectionPoint.CHECKED, Fault.FUNDS_UNCHECKED)
            self._check(ticket, instrument, checks_funds=not unchecked)
            overnight = not self.configurations.disable_overnight_trading
            order = self.trading.accept(ticket, overnight=overnight)
            return self._views.nested(order, self._state.timeline.elapsed)

    def preview(self, ticket: Ticket) -> None:
        """Run the checks of a new order, and place nothing.  Raises: Refused."""
        with self._state.timeline.locked():
            instrument = self._instrument_for(ticket)
            self._check(evolve(ticket, symbol=instrument.symbol), instrument)

    def _check(
        self,
        ticket: Ticket,
        instrument: m.Instrument,
        guards: Sequence[rules.Guard] | None = None,
        *,
        without: OrderVersion | None = None,
        checks_funds: bool = True,
    ) -> None:
        """Run the checks of *ticket*, as if the order *without* did not exist.  Raises: Refused."""
        terms = self._state.spot
        if terms is not None:
            spot_rules.check(ticket, self._spot_context(ticket, terms, without, checks_funds))
            return
        context = self._check_context(ticket, instrument, without=without)
        if not checks_funds:
            context = evolve(context, funds=unlimited(context.funds))
        rules.check(ticket, context, guards)

    def _spot_context(
        self,
        ticket: Ticket,
        terms: SpotTerms,
        without: OrderVersion | None,
        checks_funds: bool,
    ) -> spot_rules.SpotContext:
        others = [o for o in self.trading.orders.open() if without is None or o.id != without.id]
        held = wallets(
            self.history.ledger.now, others, self._state.price, terms, self._state.kept_units()
        )
        free = {name: each.available for name, each in held.items()}
        unlimited_funds = dict.fromkeys(spot.currencies(ticket.symbol), Decimal("Infinity"))
        return spot_rules.SpotContext(
            instrument=self._state.instruments[ticket.symbol],
            prices=self._state.price(ticket.symbol),
            free=free if checks_funds else unlimited_funds,
            terms=terms,
            is_blocked=not self.blocks.isdisjoint({Block.TRADING, Block.ACCOUNT}),
            is_halted=ticket.symbol in self._state.halted,
        )

    def submit_later(self, ticket: Ticket, seconds: float) -> None:
        """Submit *ticket* in *seconds*, after the client's time-out; a refusal is ignored."""

        def arrive() -> None:
            with suppress(Refused):
                self.submit(ticket)

        with self._state.timeline.locked():
            self._state.timeline.call_later(seconds, arrive)

    def submit_unlisted(self, ticket: Ticket, seconds: float) -> OrderVersion:
        """
        Accept the order and hide it from all views for *seconds*.

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
        Request the cancel of an order; to cancel a canceled order is no error.

        Raises: Refused, if the order is unknown, final or pending replacement.
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
        Request the cancel of all open orders; return None or the refusal for each order id.

        *at_once* completes the cancels before the next request.
        """
        with self._state.timeline.locked():
            order_ids = [o.id for o in self.trading.orders.open() if not is_inactive_leg(o)]
            results = {order_id: self._try_cancel(order_id) for order_id in order_ids}
            for order_id in order_ids if at_once else ():
                self.trading.finish_cancel(order_id)
            return results

    def _try_cancel(self, order_id: str) -> Refused | None:
        """Request the cancel of an order; return the refusal, None if it is accepted."""
        try:
            self.cancel(order_id)
        except Refused as refusal:
            return refusal
        return None

    def replace(self, order_id: str, change: Amendment) -> OrderVersion:
        """
        Request the replace of an order and return the new one, which may still be rejected.

        An exchange that edits in place returns the order itself.  Raises: Refused.
        """
        with self._state.timeline.locked():
            order = self._existing_order(order_id)
            self._check_client_order_id(change.client_order_id)
            group = group_of(order, self.trading.orders)
            replace.check(replace.ReplaceRequest(order, change, group))
            ticket = replace.ticket(order, change)
            is_exit = order.parent_id is not None or order.order_class is m.OrderClass.OCO
            guards = rules.EXIT_GUARDS if is_exit else rules.SUCCESSOR_GUARDS
            self._check(ticket, self._state.instruments[order.symbol], guards, without=order)
            new = self._replacements.begin(order_id, change)
            if self._state.injects(InjectionPoint.ASKED_REPLACE, Fault.REPLACE_DENIED, order):
                message = "unable to replace order, order isn't sent to exchange yet"
                raise rules.bad(message, _R.NOT_NOW, 40010001)
            return new

    def _existing_order(self, order_id: str) -> OrderVersion:
        order = self.trading.orders.get(order_id)
        if order is None:
            raise Refused(404, 40410000, f"order not found for {order_id}", _R.NOT_FOUND)
        return order

    def _check_client_order_id(self, client_order_id: str | None) -> None:
        """
        Check the length and the uniqueness of a client order id.

        Raises: Refused.
        """
        if client_order_id is not None and len(client_order_id) > _CLIENT_ORDER_ID_MAX:
            message = f"client_order_id must be no more than {_CLIENT_ORDER_ID_MAX} characters"
            raise rules.bad(message, code=40010001)
        is_known = client_order_id and self.trading.orders.id_of(client_order_id) is not None
        if is_known and self._state.checks_duplicates:
            raise rules.bad("client_order_id must be unique", _R.DUPLICATE, 40010001)

    def _instrument_for(self, ticket: Ticket) -> m.Instrument:
        """Check the ticket's client order id and return its instrument.  Raises: Refused."""
        self._check_client_order_id(ticket.client_order_id)
        instrument = self._state.instrument(ticket.symbol)
        if instrument is None:
            raise rules.bad(f'asset "{ticket.symbol}" not found', _R.INSTRUMENT)
        return instrument

    def _check_context(
        self, ticket: Ticket, instrument: m.Instrument, *, without: OrderVersion | None = None
    ) -> rules.CheckContext:
        """Return what the checks need, as if the order *without* did not exist."""
        symbol, side, balance = ticket.symbol, ticket.side, self.history.ledger.now
        price = self._state.reserve_prices()
        resting, prices = self.trading.orders.resting(symbol), price(symbol)
        reserved = self.trading.orders.reserved(balance, price, without)
        others = (order for order in resting if without is None or order.id != without.id)
        return rules.CheckContext(
            instrument=instrument,
            prices=prices,
            wash_candidates=resting.wash_candidates(side),
            is_blocked=not self.blocks.isdisjoint({Block.TRADING, Block.ACCOUNT}),
            configurations=self.configurations,
            new_york_time=self._state.timeline.now().astimezone(sessions.new_york()).time(),
            enforces_intent=self.enforces_intent,
            position=balance.qty(symbol),
            reserved_qty=resting.reserved_qty(side, prices, without)
            + self._state.kept_qty(ticket.symbol, side),
            reserving_ids=lambda: list(reserved_units(others, side)),
            funds=funds(balance, reserved, self._state.price, self._multiplier),
        )

    # ------------------------------------------------------------------ views

    def orders(self, query: OrderFilter) -> list[OrderVersion]:
        """Return the orders that match *query*; newest first unless it asks for oldest first."""
        with self._state.timeline.locked():
            self._inject_foreign_order()
            return self._views.orders(query)

    def order(self, order_id: str, *, nested: bool = True) -> OrderVersion | None:
        """Return an order by its id; None if the view does not contain it (yet)."""
        with self._state.timeline.locked():
            return self._views.order(order_id, nested=nested)

    def find(self, client_order_id: str, *, nested: bool = True) -> OrderVersion | None:
        """Return an order by its client order id; None if the view does not contain it (yet)."""
        with self._state.timeline.locked():
            return self._views.find(client_order_id, nested=nested)

    def positions(self) -> list[PositionReport]:
        """Return the positions, in the order of their symbols."""
        with self._state.timeline.locked():
            return self._views.positions()

    def position(self, symbol: str) -> PositionReport | None:
        """Return the position in *symbol*, in any spelling; None if there is none."""
        with self._state.timeline.locked():
            return self._views.position(symbol)

    def report(self) -> AccountReport:
        """Return the balances of the account."""
        with self._state.timeline.locked():
            reported, number = self.reported_id(), self.number
            if reported != self.id:
                number = self._state.new_account_number()
            moment = self._state.view_time(InjectionPoint.SHOW_ACCOUNT, self._state.lag.account)
            now = self._funds(moment)
            return AccountReport(
                id=reported,
                number=number,
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
                created_at=self.created_at,
                shorting_enabled=now.multiplier > 1 and not self.configurations.no_shorting,
                blocks=frozenset(self.blocks),
                suspended=self.configurations.suspend_trade,
            )

    def wallets(self) -> list[Wallet]:
        """Return the wallets at a spot exchange, in the order of their currencies."""
        with self._state.timeline.locked():
            terms = self._state.spot
            assert terms is not None
            moment = self._state.view_time(InjectionPoint.SHOW_ACCOUNT, self._state.lag.account)
            is_now = moment >= self._state.timeline.elapsed
            orders = self.trading.orders
            found = wallets(
                self.history.ledger.at(moment),
                orders.open() if is_now else orders.open_at(moment),
                self._state.price,
                terms,
                self._state.kept_units(),
            )
            return list(found.values())

    def reported_id(self) -> str:
        """Return the id of the account as a client reads it."""
        with self._state.timeline.locked():
            changed = self._state.injects(InjectionPoint.SHOW_ACCOUNT, Fault.ACCOUNT_ID_CHANGED)
            return self._state.new_id() if changed else self.id

    def fills(self, order_id: str | None = None) -> list[Fill]:
        """Return the executions of the history, oldest first, without busted and corrected ones."""
        with self._state.timeline.locked():
            return self.history.visible_fills(order_id)

    def reversed_fills(self) -> list[Fill]:
        """Return the busted executions, oldest first, for a history that shows them."""
        with self._state.timeline.locked():
            return self.history.reversed_fills()

    def activities(self) -> list[Activity]:
        """Return the non-trade activities that are listed by now, oldest first."""
        with self._state.timeline.locked():
            return self.history.visible_activities()

    def listen(
        self, on_event: Callable[[Event], None], on_disconnect: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """
        Call *on_event* with every event, in order and without a lock held.

        *on_disconnect* (None: nothing) is called when the exchange closes the stream; no event
        follows.
        """
        return self.trading.feed.listen(on_event, on_disconnect)

    def trade_by_hand(self, ticket: Ticket) -> OrderVersion:
        """
        Place an order as the broker's dashboard does: the broker assigns the client order id.

        Raises: Refused.
        """
        placed = self.submit(evolve(ticket, client_order_id=None))
        self.placed_by_hand.add(placed.id)
        return placed

    # ---------------------------------------------------------------- private

    def _inject_foreign_order(self) -> None:
        """If the fault is injected, place and fill an external order."""
        if not self._state.injects(InjectionPoint.SHOW_ORDERS, Fault.FOREIGN_ORDER):
            return
        for symbol, qty in _FOREIGN_ORDER_QTY.items():
            if symbol not in self._state.instruments:
                continue
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
