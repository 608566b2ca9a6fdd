"""
Catching up: sends what the bot wrote into its own record and never sent.

The account is reconciled first, from the date on.  Each symbol has a plan of its own, so that one
that fails stops no other; the rows that it settles are stored with it, and count again if it does
not end as done.  The occasion of a plan is its rows: also on a lost record they make no
second order.  Other half: `core.plans.catch_up`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.plans.catch_up import (
    CatchUpPlan,
    MissingOrder,
    Settlement,
    SymbolFacts,
    plan_catch_up,
)
from fillbook.core.send_permission import Authority
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.orders.protective_exits import protective_exits
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import (
    VALID_FOR,
    Planning,
    fingerprint,
    settled_entries,
    trading_period,
)
from fillbook.desk.plans.readers.account_trades import marks_of, symbol_facts
from fillbook.desk.plans.trade_steps import part_of, trade_steps
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.recorder import Recorder
from fillbook.model import ZERO
from fillbook.store import Reader

#: The requests that an order of a plan may take, for the time in which the plans have to end.
_REQUESTS: Final = 6
#: The stage of the part of an order that follows the part which closes an opposite position.
_SECOND: Final = 3


class CatchingUp:
    """Compares the bot's own record with the account, and sends what is missing."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        tracker: Tracker,
        market: Market,
        symbols: Symbols,
        reconciler: Reconciler,
        executor: Executor,
        planning: Planning,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._tracker = tracker
        self._market = market
        self._symbols = symbols
        self._reconciler = reconciler
        self._executor = executor
        self._planning = planning
        self._clock = clock

    def catch_up(
        self,
        trades: Sequence[m.LocalTrade | m.UnreadableTrade],
        since: m.Timestamp,
        *,
        dry_run: bool,
    ) -> m.CatchUp:
        """
        Compare *trades* with the account from *since* on; send what is missing, unless *dry_run*.

        Raises: ReadFailed, TradingDisabled.
        """
        if not dry_run:
            self._gateway.require_trading_enabled()
        self._reconciler.observed("nothing was compared", m.moment(since).date())
        with self._recorder.store.read() as reader:
            outcomes, settled = marks_of(reader)
        facts, read = self._facts(trades, since, settled)
        found = plan_catch_up(trades, facts, since, self._recorder.now(), outcomes)
        quotes = self._market.quotes([x.symbol for x in found.orders])
        names: dict[str, str | None] = {}
        if not dry_run:
            self._recorder.record(*settled_entries(self._marks(found.found)))
            names = self._begin(found.orders, quotes, read)
        return _result(found, quotes, names, since, is_sent=not dry_run)

    def _begin(
        self,
        orders: Sequence[MissingOrder],
        quotes: Mapping[str, m.Quote],
        read: Mapping[str, str],
    ) -> dict[str, str | None]:
        """
        Store the plan of each symbol, and carry them out; return their ids by symbol.

        *read* are the fingerprints of what was compared: if it has changed since, nothing is sent.
        """
        by_symbol: dict[str, list[MissingOrder]] = {}
        for order in orders:
            by_symbol.setdefault(order.symbol, []).append(order)
        names = {}
        for symbol, own in by_symbol.items():
            plan = self._plan(symbol, own, quotes.get(symbol), len(by_symbol))
            settles = [row for order in own for row in order.settles]
            plan = evolve(plan, fingerprint=read[symbol])
            names[symbol] = self._planning.make(plan, self._marks(settles), if_same=True)
        self._executor.carry_out(*(x for x in names.values() if x is not None))
        return names

    def _facts(
        self,
        trades: Sequence[m.LocalTrade | m.UnreadableTrade],
        since: m.Timestamp,
        settled: Mapping[str, Sequence[m.SettledTrade]],
    ) -> tuple[dict[str, SymbolFacts], dict[str, str]]:
        """Return what is known of each symbol that rows name, and its fingerprint by symbol."""
        known = [x for x in trades if isinstance(x, m.LocalTrade)]
        named = frozenset(x.client_order_id for x in known if x.client_order_id is not None)
        symbols = {x: self._symbols.resolve(x) for x in dict.fromkeys(x.symbol for x in known)}
        present = dict.fromkeys(symbols.values())
        listed = {symbol: self._listed(symbol) for symbol in present}
        exits = protective_exits(self._gateway, self._recorder, self._tracker)
        with self._recorder.store.read() as reader:
            facts = {
                symbol: symbol_facts(
                    reader, symbol, since, named, exits, settled.get(symbol, ()), listed[symbol]
                )
                for symbol in present
            }
            read = {symbol: fingerprint(reader, (symbol,)) for symbol in present}
        return {name: facts[symbol] for name, symbol in symbols.items()}, read

    def _listed(self, symbol: str) -> m.Instrument | m.Absent | None:
        """Return an instrument; Absent: there is none, None: the broker lists none at all."""
        found = self._market.instrument(symbol)
        if found is None and self._gateway.broker.capabilities.instrument:
            raise errors.ReadFailed(f"the instrument {symbol} could not be read; nothing was sent")
        return found

    def _marks(self, settlements: Sequence[Settlement]) -> tuple[m.SettledTrade, ...]:
        now = self._recorder.now()
        return tuple(
            m.SettledTrade(
                key=x.key,
                symbol=x.symbol,
                strategy=x.strategy,
                at=x.at,
                matched=x.matched,
                settled_at=now,
            )
            for x in settlements
        )

    def _plan(
        self, symbol: str, orders: Sequence[MissingOrder], quote: m.Quote | None, plans: int
    ) -> m.Plan:
        """Return the plan of one symbol: the orders of its strategies, sales first."""
        rows = sorted(row.key for order in orders for row in order.settles)
        digest = hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
        steps: list[m.PlanStep] = []
        with self._recorder.store.read() as reader:
            for order in sorted(orders, key=lambda x: x.qty > 0):
                first = max((x.stage + 1 for x in steps), default=0)
                own = self._steps(reader, order, quote)
                steps += [evolve(x, stage=x.stage + first) for x in own]
        begins_at, valid_for = trading_period(
            self._market, self._gateway.pair(symbol), self._clock.now()
        )
        per_minute = self._gateway.broker.capabilities.rate_limit
        longest = max(VALID_FOR, timedelta(minutes=plans * _REQUESTS / per_minute))
        traded = ", ".join(
            f"{_side(order)} {m.plain(abs(order.qty))}"
            + (f" ({order.strategy})" if order.strategy else "")
            for order in orders
        )
        return self._planning.plan(
            m.PlanKind.CATCH_UP,
            f"catch_up/{symbol}/{digest}",
            (symbol,),
            steps,
            authority=Authority.STANDING,
            strategy=orders[0].strategy or None if len(orders) == 1 else None,
            begins_at=begins_at,
            valid_for=valid_for or longest,
            why=f"catch up {symbol}: {traded} for {len(rows)} row{'s' * (len(rows) != 1)}",
        )

    def _steps(
        self, reader: Reader, order: MissingOrder, quote: m.Quote | None
    ) -> tuple[m.PlanStep, ...]:
        """Return the steps of an order; through zero it is two."""
        held = part_of(reader, order.symbol, order.strategy)
        closes = min(abs(order.qty), abs(held)) if held * order.qty < 0 else ZERO
        steps: tuple[m.PlanStep, ...] = ()
        if closes:
            steps = self._steps_of(reader, order, closes, quote, reduces=True)
        if rest := abs(order.qty) - closes:
            later = self._steps_of(reader, order, rest, quote, reduces=False)
            steps += tuple(evolve(x, stage=x.stage + (_SECOND if closes else 0)) for x in later)
        return steps

    def _steps_of(
        self,
        reader: Reader,
        order: MissingOrder,
        qty: Decimal,
        quote: m.Quote | None,
        *,
        reduces: bool,
    ) -> tuple[m.PlanStep, ...]:
        can = self._gateway.broker.capabilities
        request = m.OrderRequest(
            symbol=order.symbol,
            side=_side(order),
            qty=qty,
            strategy=order.strategy or None,
            reduce_only=reduces,
            reference_price=_price(order, quote),
        )
        request = pairs.with_time_in_force(request, self._gateway.pair(order.symbol), can)
        leg = f"{order.strategy}/{'reduce' if reduces else 'increase'}"
        return trade_steps(reader, m.PlaceOrder(request, fills=True, leg=leg), can)


def _side(order: MissingOrder) -> m.OrderSide:
    return m.OrderSide.BUY if order.qty > 0 else m.OrderSide.SELL


def _price(order: MissingOrder, quote: m.Quote | None) -> Decimal | None:
    """Return the price at which an order would trade now; None: there is no quote."""
    return None if quote is None else quote.ask if order.qty > 0 else quote.bid


def _result(
    found: CatchUpPlan,
    quotes: Mapping[str, m.Quote],
    names: Mapping[str, str | None],
    since: m.Timestamp,
    *,
    is_sent: bool,
) -> m.CatchUp:
    orders = []
    for order in found.orders:
        price = _price(order, quotes.get(order.symbol))
        orders.append(
            m.CatchUpOrder(
                symbol=order.symbol,
                strategy=order.strategy or None,
                side=_side(order),
                qty=abs(order.qty),
                rows=len(order.settles),
                notional=None if price is None else abs(order.qty) * price,
                plan_id=names.get(order.symbol),
            )
        )
    return m.CatchUp(rows=found.rows, orders=tuple(orders), since=since, is_sent=is_sent)
