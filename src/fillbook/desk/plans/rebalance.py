"""
Rebalancing: the trades that lead from what is held to the targets, as one plan.

The account is reconciled first, and everything that decides is read then.  The occasion is the
targets, the rules and the day: a second call on the same day, also on a lost record, goes on with
the same orders.  Other halves: `core.plans.rebalance`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs, reservation
from fillbook.core.plans.rebalance import plan_rebalance, staged
from fillbook.core.send_permission import Authority
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.orders.protective_exits import protective_exits
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import VALID_FOR, Planning
from fillbook.desk.plans.readers.portfolio_reader import AccountPortfolio, PortfolioReader
from fillbook.desk.plans.trade_steps import trade_steps
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.recorder import Recorder
from fillbook.model import ZERO
from fillbook.store import Reader

#: How long a limit order of a plan may work before it is canceled, in seconds.
LIMIT_WITHIN_S: Final = 120
#: The requests that an order of a plan may take, for the time in which the plan has to end.
_REQUESTS: Final = 6


class Rebalancing:
    """Makes the plans that rebalance the account, and begins them."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
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
        self._account_link = account_link
        self._tracker = tracker
        self._market = market
        self._symbols = symbols
        self._reconciler = reconciler
        self._executor = executor
        self._planning = planning
        self._clock = clock
        self._portfolio = PortfolioReader(gateway, recorder, market)

    def rebalance(
        self, targets: m.Targets, strategy: str | None, rules: m.RebalanceRules, *, dry_run: bool
    ) -> m.Plan:
        """
        Plan the trades, store the plan and begin it; return it as far as it was carried out.

        Raises: InvalidValue, ReadFailed.
        """
        if not dry_run:
            self._gateway.require_trading_enabled()
        targets = self._resolved(targets)
        occasion = self._occasion(targets, strategy, rules)
        running = None if dry_run else self._open_plan(occasion)
        if running is None:
            plan = self._planned(targets, strategy, rules, occasion)
            if dry_run or not plan.steps:
                return plan
            running = errors.present(self._planning.make(plan), f"a plan for {occasion}")
        self._executor.carry_out(running)
        with self._recorder.store.read() as reader:
            return errors.present(reader.get(m.Plan, running), f"plan {running}")

    def _resolved(self, targets: m.Targets) -> m.Targets:
        """Return the targets by the present symbols."""
        resolve = self._symbols.resolve
        return m.Targets(
            weights=tuple((resolve(name), x) for name, x in targets.weights),
            notional=tuple((resolve(name), x) for name, x in targets.notional),
            qty=tuple((resolve(name), x) for name, x in targets.qty),
        )

    def _occasion(self, targets: m.Targets, strategy: str | None, rules: m.RebalanceRules) -> str:
        session = self._market.session()
        day = self._clock.now().date() if session is None else session.day
        wanted = [sorted((s, m.plain(x)) for s, x in kind) for kind in _kinds(targets)]
        digest = hashlib.sha256(repr((wanted, repr(rules))).encode()).hexdigest()[:16]
        return f"rebalance/{strategy or ''}/{day}/{digest}"

    def _open_plan(self, occasion: str) -> str | None:
        with self._recorder.store.read() as reader:
            found = reader.find(m.Plan, "occasion", occasion)
        return next((x.plan_id for x in found if not x.is_final), None)

    # -- the plan ----------------------------------------------------------------------

    def _planned(
        self, targets: m.Targets, strategy: str | None, rules: m.RebalanceRules, occasion: str
    ) -> m.Plan:
        report = self._reconciler.observed("nothing was planned")
        exits = protective_exits(self._gateway, self._recorder, self._tracker)
        names = [name for kind in _kinds(targets) for name, _ in kind]
        rules = evolve(rules, currency=rules.currency or self._currency())
        known = self._portfolio.read(names, strategy, rules, report.left, exits)
        opens = self._opening()
        rules = evolve(
            rules,
            instruments=self._listed(known.instruments, opens),
            pairs=known.pairs,
            ticks=self._gateway.broker.capabilities.ticks,
        )
        found = self._affordable(targets, known, rules)
        plan = self._plan_of(found, strategy, rules, known, occasion)
        state = m.PlanState.APPROVED if plan.steps else m.PlanState.DONE
        impact = evolve(
            plan.impact,
            cost=found.cost,
            full_cost=found.full_cost,
            left_alone=found.left_alone,
            leftover=found.leftover,
            tracking_error=found.tracking_error,
            currency=self._other_currency(rules),
        )
        why = plan.why
        if opens is not None:
            why += f"; shares are not traded before the session of {m.timestamp(opens)[:16]} UTC"
        return evolve(plan, state=state, impact=impact, why=why)

    def _other_currency(self, rules: m.RebalanceRules) -> str | None:
        """Return the currency of *rules*; None: that of the account."""
        return rules.currency if rules.currency != self._currency() else None

    def _currency(self) -> str | None:
        with self._recorder.store.read() as reader:
            binding = reader.get(m.Binding, "account")
        return None if binding is None else binding.currency

    def _affordable(
        self, targets: m.Targets, known: AccountPortfolio, rules: m.RebalanceRules
    ) -> m.Rebalance:
        """
        Plan the trades; buy with limit orders if the broker reserves too much for market orders.

        What is reserved for a market order may be above what it costs, and above the funds.
        """
        found = plan_rebalance(targets, known.holdings, known.quotes, known.cash, rules)
        funds = self._funds_for(found, known, rules)
        if funds is None or rules.order_type is m.OrderType.LIMIT:
            return found
        proceeds = sum(
            (x.notional if x.side is m.OrderSide.SELL else -x.notional)
            for x in found.trades
            if x.reduces
        )
        orders = [x for position in known.holdings for x in position.orders]
        freed = sum((x.reserve for x in orders if x.client_order_id in found.cancels), ZERO)
        with self._recorder.store.read() as reader:
            last = reader.last()
        read = self._account_link.funds_since(last, rules.currency)
        if read is None:
            return found
        shown = read[0].buying_power if funds.margin else read[0].non_marginable
        if shown + proceeds + freed >= funds.reserve:
            return found
        limited = evolve(rules, order_type=m.OrderType.LIMIT)
        found = plan_rebalance(targets, known.holdings, known.quotes, known.cash, limited)
        trades = (evolve(x, limit_price=None) if x.reduces else x for x in found.trades)
        return evolve(found, trades=tuple(trades))

    def _plan_of(
        self,
        found: m.Rebalance,
        strategy: str | None,
        rules: m.RebalanceRules,
        known: AccountPortfolio,
        occasion: str,
    ) -> m.Plan:
        with self._recorder.store.read() as reader:
            trades = [
                (x, self._steps(reader, x, strategy, known, found.cancels)) for x in found.trades
            ]
            records = [reader.get(m.OrderRecord, x) for x in found.cancels]
        steps = staged(found.cancels, trades, self._funds_for(found, known, rules))
        touched = [x.symbol for x in found.trades] + [x.terms.symbol for x in records if x]
        ours, all_sold = (_amount(x, rules.currency) for x in (found.cost, found.full_cost))
        return self._planning.plan(
            m.PlanKind.REBALANCE,
            occasion,
            tuple(dict.fromkeys(touched)),
            steps,
            authority=Authority.STANDING,
            strategy=strategy,
            valid_for=self._valid_for(len(steps)),
            why=f"rebalance: {ours}, where selling everything and buying the targets takes "
            f"{all_sold}",
        )

    def _steps(
        self,
        reader: Reader,
        trade: m.RebalanceTrade,
        strategy: str | None,
        known: AccountPortfolio,
        cancels: Sequence[str],
    ) -> tuple[m.PlanStep, ...]:
        """Return the steps of one trade: its order, and the exits that it needs away."""
        is_limit = trade.limit_price is not None
        order = m.PlaceOrder(
            self._request(trade, strategy, known),
            fills=True,
            within_s=LIMIT_WITHIN_S if is_limit else None,
            leg=trade.leg,
            step=ZERO if trade.reduces or trade.side is m.OrderSide.SELL else trade.step,
        )
        return trade_steps(reader, order, self._gateway.broker.capabilities, cancels)

    def _request(
        self, trade: m.RebalanceTrade, strategy: str | None, known: AccountPortfolio
    ) -> m.OrderRequest:
        quote = known.quotes.get(trade.symbol)
        price = None
        if quote is not None:
            price = quote.ask if trade.side is m.OrderSide.BUY else quote.bid
        is_limit = trade.limit_price is not None
        request = m.OrderRequest(
            symbol=trade.symbol,
            side=trade.side,
            qty=trade.qty,
            type=m.OrderType.LIMIT if is_limit else m.OrderType.MARKET,
            limit_price=trade.limit_price,
            strategy=strategy,
            reduce_only=trade.reduces,
            reference_price=price,
        )
        pair = self._gateway.pair(trade.symbol)
        return pairs.with_time_in_force(request, pair, self._gateway.broker.capabilities)

    def _funds_for(
        self, found: m.Rebalance, known: AccountPortfolio, rules: m.RebalanceRules
    ) -> m.AwaitFunds | None:
        """Return the funds for the buys that increase positions; None: there are none."""
        buys = [x for x in found.trades if not x.reduces and x.side is m.OrderSide.BUY]
        if not buys:
            return None
        rule = self._gateway.broker.capabilities.reserve_rule
        listed = {x.symbol: x for x in known.instruments}
        reserved, margin = ZERO, True
        for trade in buys:
            request, quote = self._request(trade, None, known), known.quotes.get(trade.symbol)
            reserve = reservation.reserve_for(
                request,
                None if quote is None else quote.ask,
                listed.get(trade.symbol),
                rule,
                opens=True,
                pair=self._gateway.pair(trade.symbol),
            )
            if reserve is not None:
                reserved += reservation.reserve_amount(request, reserve, rule)
                margin = margin and reserve.margin
        orders = [o for x in known.holdings for o in x.orders]
        kept = sum((x.reserve for x in orders if x.client_order_id not in found.cancels), ZERO)
        return m.AwaitFunds(
            amount=sum((x.notional for x in buys), ZERO),
            reserve=reserved,
            keep=kept - max(Decimal(0), rules.leverage - 1) * found.equity,
            margin=margin,
            currency=self._other_currency(rules),
        )

    # -- the session -------------------------------------------------------------------

    def _valid_for(self, steps: int) -> timedelta:
        """Return how long a plan may take: by its requests, and not beyond the session."""
        per_minute = self._gateway.broker.capabilities.rate_limit
        longest = max(VALID_FOR, timedelta(minutes=steps * _REQUESTS / per_minute))
        session = self._market.session()
        left = longest if session is None else session.closes - self._clock.now()
        return min(longest, left) if left > timedelta() else longest

    def _opening(self) -> datetime | None:
        """Return when the session of shares begins next; None: it is open, or has no hours."""
        session = self._market.regular_session()
        return None if session is None or session.opens <= self._clock.now() else session.opens

    def _listed(
        self, instruments: Sequence[m.Instrument], opens: datetime | None
    ) -> tuple[m.Instrument, ...]:
        """Return the instruments; before the session *opens*, shares are not tradable."""
        if opens is None:
            return tuple(instruments)
        return tuple(
            x if self._gateway.pair(x.symbol) is not None else evolve(x, tradable=False)
            for x in instruments
        )


def _kinds(targets: m.Targets) -> tuple[tuple[tuple[str, Decimal], ...], ...]:
    return targets.weights, targets.notional, targets.qty


def _amount(cost: m.RebalanceCost, currency: str | None) -> str:
    """Return what a rebalance trades: ``2 orders for 1,250.00 USD``."""
    orders = f"{cost.orders} order{'s' * (cost.orders != 1)}"
    return f"{orders} for {cost.notional:,.2f} {currency or ''}".rstrip()
