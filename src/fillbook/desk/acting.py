"""
The calls of a desk that act on the account by plans, and the decisions on plans.

`Acting` is the part of `Desk` that makes plans: exits, closing, rebalancing, catching up, repair.
It only delegates, as the rest of the desk does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Unpack

from fillbook import model as m
from fillbook.desk import validation
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.parts import Parts
from fillbook.desk.plans.trade_files import (
    TradeSource,
    bot_record,
    read_trades,
    start_of,
    time_zone,
)
from fillbook.model.account.pnl import PnlComparison
from fillbook.model.text.arguments import with_named_arguments


@with_named_arguments
class Acting:
    """The calls that make plans; `Desk` has them all."""

    _parts: Parts
    _symbols: Symbols

    def protect(
        self,
        symbol: str,
        *,
        strategy: str | None = None,
        pending: bool = False,
        dry_run: bool = False,
        **exits: Unpack[m.ExitFields],
    ) -> m.Plan:
        """
        Set the exits of a position, place them, and keep them until it is closed.

        *exits* are those of `ExitPolicy`, by name.  *strategy* is whose part of the position; None:
        of the only one that holds it, ``""``: what belongs to no strategy.  A call for the same
        part replaces its exits, and ends a suspension.  *pending* waits for the next entry if
        nothing is held.  *dry_run* returns the plan without storing it or sending anything.
        Return the plan, which is carried out as far as possible within `wait_s`; the desk goes on
        in `tick`.
        Raises: Denied (``no_position``) if nothing is held, and (``price``) if a fresh quote shows
        that an exit would trade at once; its order is the exit that was not made, and is not in
        the record.  InvalidValue, also if the part is not clear; TradingDisabled, UnknownSymbol.
        """
        return self._parts.protections.protect(
            self._symbols.listed(symbol),
            validation.strategy(strategy),
            validation.exit_policy_of(exits),
            pending=validation.flag("pending", pending),
            dry_run=validation.flag("dry_run", dry_run),
        )

    def unprotect(self, symbol: str, *, strategy: str | None = None) -> str:
        """
        End the protection of one part of a position; its exits stay at the broker.

        *strategy* is whose part (``""``: without a strategy); None: of the only one that has a
        protection.  Return the strategy whose protection ended.  Raises: InvalidValue if there is
        none, or if several parts have one and no strategy is named.
        """
        return self._parts.protections.unprotect(
            self._symbols.resolve(symbol), validation.strategy(strategy)
        )

    def protections(self) -> list[m.Protection]:
        """Return the protections, by symbol and strategy, each with its present cover."""
        return self._parts.protections.protections()

    def close_position(
        self,
        symbol: str,
        *,
        strategy: str | None = None,
        qty: m.Figure = None,
        account: bool = False,
        dry_run: bool = False,
    ) -> m.Plan:
        """
        Close a position at the market, or *qty* of it (base units, > 0; None: all).

        The exits that hold the units are canceled first, and those of the rest are placed again.
        *strategy* is whose part; None: of the only one that holds it.  *account* closes the parts
        of all strategies.  Outside the session of shares the plan begins at the open.  The call
        waits at most `wait_s`; `tick` goes on until the end of the session (a pair: for an hour).
        The same call while its plan waits or runs returns that plan.  *dry_run* returns the plan
        without storing it or sending anything.  Raises: Denied (no_position) if nothing is held;
        InvalidValue, also if the part is not clear; TradingDisabled, UnknownSymbol.
        """
        return self._parts.closing.close_position(
            self._symbols.listed(symbol),
            validation.strategy(strategy),
            validation.above_zero("qty", qty),
            account=validation.flag("account", account),
            dry_run=validation.flag("dry_run", dry_run),
        )

    def flatten(self, strategy: str, *, dry_run: bool = False) -> list[m.Plan]:
        """
        Close all positions of a strategy at the market, as `close_position` does: one plan each.

        Return the plans in the order of the symbols; [] if it holds nothing.  The parts of other
        strategies stay.  A call again while these plans wait or run returns them.  *dry_run*
        returns them without storing or sending anything.  Raises: InvalidValue, TradingDisabled.
        """
        name = validation.text("strategy", strategy)
        return self._parts.closing.flatten(name, dry_run=validation.flag("dry_run", dry_run))

    def rebalance(
        self,
        targets: m.Targets | Mapping[str, m.Number],
        *,
        strategy: str | None = None,
        capital: m.Figure = None,
        dry_run: bool = False,
        **rules: Unpack[m.RebalanceFields],
    ) -> m.Plan:
        """
        Trade the differences to *targets*, as one plan; reconcile first.

        *targets* without a kind are weights.  *rules* are those of `RebalanceRules`, by name.
        *strategy* is whose part of the positions is traded (None: what belongs to no strategy) and
        *capital* the most that it may use, > 0; None: the whole base.  Sales are filled before buys
        begin, and buys wait for funds that a read of the account shows.  A second call for the same
        on the same day goes on with the plan that runs; if nothing is to be traded, the plan has no
        steps and is not stored.  *dry_run* returns the plan without storing it or sending orders.
        Outside of their session shares are left alone.  Raises: InvalidValue, ReadFailed,
        TradingDisabled, AccountChanged.
        """
        return self._parts.rebalancing.rebalance(
            validation.targets(targets),
            validation.strategy(strategy) or None,
            validation.rebalance_rules(rules, validation.above_zero("capital", capital)),
            dry_run=validation.flag("dry_run", dry_run),
        )

    def catch_up(
        self,
        rows: TradeSource,
        *,
        since: date | datetime,
        columns: Mapping[str, str] | None = None,
        tz: str | tzinfo | None = None,
        date_format: str | None = None,
        query: str | None = None,
        strategy: str | None = None,
        dry_run: bool = True,
    ) -> m.CatchUp:
        """
        Compare the bot's own record with the account, and send the trades that never were sent.

        *rows* and the parameters after *since* are those of `read_trades`.  Rows and fills count
        from *since* on, a day in *tz* (None: UTC) or an aware datetime.  What a person traded by
        hand counts as sent.  Each symbol of a strategy has at most one order, of the difference, by
        a plan of its own; outside of the session of shares it begins at the open.  A row that was
        settled never counts again, in any file; without *dry_run* False nothing is sent, and no row
        is settled.  Return the outcome of every row.
        Raises: InvalidValue if the source cannot be read; ReadFailed, TradingDisabled,
        AccountChanged.
        """
        return self._parts.catching_up.catch_up(
            read_trades(
                rows,
                columns=columns,
                tz=tz,
                date_format=date_format,
                query=query,
                strategy=validation.strategy(strategy) or None,
            ),
            start_of(validation.first_moment(since), time_zone(tz)),
            dry_run=validation.flag("dry_run", dry_run),
        )

    def compare_pnl(
        self,
        ours: TradeSource | Mapping[str, m.Number] | None = None,
        *,
        since: date | datetime | None = None,
        cost: str = "average",
        bot_cost: str = "average",
        columns: Mapping[str, str] | None = None,
        tz: str | tzinfo | None = None,
        date_format: str | None = None,
        query: str | None = None,
    ) -> PnlComparison:
        """
        Compare our P&L with the bot's and the broker's, and take each difference apart by cause.

        *ours* is the bot's record: its trades, as `read_trades` takes them with the parameters
        after *bot_cost*, or its realized P&L by symbol; None: only the broker is compared.  *since*
        is a day in *tz* (None: UTC) or an aware datetime; None: the whole record.  *cost* is the
        method of our figures (``"average"`` or ``"fifo"``), *bot_cost* that of the bot.  Reconciles
        first, and sends no orders.  A row that is no trade is an InvalidValue.
        Raises: InvalidValue, ReadFailed, AccountChanged.
        """
        return self._parts.pnl_comparing.compare_pnl(
            bot_record(
                ours,
                validation.cost_method(bot_cost),
                columns=columns,
                tz=tz,
                date_format=date_format,
                query=query,
            ),
            None if since is None else start_of(validation.first_moment(since), time_zone(tz)),
            validation.cost_method(cost),
        )

    def repair(self, *, dry_run: bool = False) -> list[m.Plan]:
        """
        Reconcile, and return the repairs of the differences that are left, as plans.

        By `repairs` of `open` each is reported only (the plan is not stored), proposed for an
        approval, or carried out within its limits.  *dry_run* returns those of the differences that
        the last complete `sync` left; it stores and sends nothing.

        Raises: AccountChanged; ReadFailed if the account was not observed, so that it is unknown
        what is left.
        """
        return self._parts.repair.repair(dry_run=validation.flag("dry_run", dry_run))

    def rebuild(self, since: date | None = None, *, dry_run: bool = False) -> m.RebuildReport:
        """
        Take the broker's figures for the whole record; the last resort when no repair helps.

        A copy of the record is written beside its file first.  Then open plans are stopped,
        disputed orders end with the figures that are counted now, external orders get the strategy
        that their client ids name, and every difference takes the broker's figure.  Keys,
        unconfirmed orders and protections stay.

        *since* is as for `sync`: a new record finds the strategies of what it holds in the orders
        since then.  *dry_run* returns what would change, and changes nothing.  If the account
        cannot be read, nothing is changed either, and the report says why.
        Raises: AccountChanged; StoreUnavailable if the copy cannot be written; InvalidValue.
        """
        return self._parts.rebuild.rebuild(
            validation.day(since), dry_run=validation.flag("dry_run", dry_run)
        )

    def plans(self, state: m.PlanState | str | None = None) -> list[m.Plan]:
        """Return the plans, oldest first: those in *state*; None: all that have not ended."""
        return self._parts.decisions.plans(m.plan_state(state))

    def plan(self, plan_id: str) -> m.Plan:
        """Return one plan. Raises: UnknownPlan."""
        return self._parts.decisions.plan(validation.text("plan_id", plan_id))

    def approve(self, plan_id: str) -> m.Plan:
        """
        Approve a proposed plan and begin it; return it as far as it was carried out.

        Raises: UnknownPlan; PlanEnded if it is stale, expired, or was decided; TradingDisabled.
        """
        return self._parts.decisions.approve(validation.text("plan_id", plan_id))

    def reject(self, plan_id: str, why: str) -> m.Plan:
        """Reject a plan that has not begun. Raises: UnknownPlan, PlanEnded."""
        return self._parts.decisions.reject(
            validation.text("plan_id", plan_id), validation.text("why", why)
        )
