"""
The public face, used as a bot uses it; only type-checked, never run.

A change that fails here breaks `mypy --strict` of bots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import fillbook as fb


def compare(broker: fb.Broker, env: Mapping[str, str]) -> bool:
    report: fb.CheckReport = fb.check("alpaca:paper", ours={"AAPL": 10, "MSFT": "0.5"})
    fb.check(broker, {"BTC/USD": Decimal("0.1"), "SPY": 1.5}, env=env)
    fb.check(ours={})
    findings: Sequence[fb.Finding] = report.findings
    sure: list[fb.Confidence] = [finding.confidence for finding in findings]
    worth: list[Decimal | None] = [finding.notional for finding in findings]
    print(sure, worth, report.rows, report.unobserved, report.requests, report.opened)
    return report.verdict is fb.Verdict.IN_SYNC


def keep(broker: fb.Broker, store: fb.Store) -> int:
    with fb.open() as desk:
        desk.tick()
    with fb.open("alpaca:live", "sqlite:///bot.db", live=True, wait_s=2.5, env={}) as desk:
        desk.start(listen=True)
    with fb.open(broker, store=store) as desk:
        report: fb.SyncReport = desk.sync()
        desk.sync(date(2026, 1, 5))
        desk.sync(since=date(2026, 1, 5), adopt=True)
        desk.sync(order="fb-1")
        desk.check({"AAPL": 10})
        rebuilt: fb.RebuildReport = desk.rebuild(date(2026, 1, 5), dry_run=True)
        print(rebuilt.archive, rebuilt.assigned)
        desk.close()
        print(report.merged, report.left, report.unproven, report.settling, desk.requests)
        return report.entries


async def in_asyncio() -> Decimal:
    async with fb.open_async("sim:?seed=7", store="memory://") as desk:
        order: fb.Order = await desk.buy("AAPL", qty=10, key="1")
        return order.filled_qty + (await later(desk, order)).filled_qty


async def later(desk: fb.AsyncDesk, order: fb.Order) -> fb.Order:
    return await desk.wait(order, timeout_s=5)


def place(desk: fb.Desk) -> fb.Order:
    wish = fb.OrderRequest(
        symbol="AAPL",
        side=fb.OrderSide.BUY,
        qty=10,
        limit_price="187.20",
        type=fb.OrderType.LIMIT,
        time_in_force=fb.TimeInForce.GTC,
        order_class=fb.OrderClass.SIMPLE,
        strategy="mean-rev",
    )
    fb.OrderRequest(symbol="BTC/USD", side="sell", notional="100", good_for_s=30)
    desk.submit(wish)
    desk.buy("AAPL", qty=10)
    desk.sell("AAPL", qty="2.5", key="2", stop_price="180", time_in_force="gtc")
    order: fb.Order = desk.submit(wish, key="1")
    order = desk.wait(order, timeout_s=5)
    desk.wait(order.client_order_id)
    desk.replace(order, qty="5", limit_price=Decimal(150))
    with desk.sending(wish, key="3") as unsent:
        desk.wait(unsent)
    desk.cancel_all(symbol="AAPL", strategy="mean-rev")
    desk.cancel(order)
    desk.resolve(order, "absent")
    print(desk.assign(order, "mean-rev").qty, desk.assign("AAPL", None).by_strategy)
    desk.assign(desk.book.fills(order)[0], "mean-rev")
    return desk.cancel(order.client_order_id)


def careful(broker: fb.Broker, store: fb.Store) -> fb.Reason | None:
    def no_fridays(request: fb.OrderRequest, context: fb.CheckContext) -> fb.Reason | None:
        return fb.Reason("friday", "no") if context.now.weekday() == 4 else None

    def price(symbol: str) -> fb.Quote | None:
        return fb.Quote(symbol, Decimal(1), Decimal(2), datetime.now(UTC))

    more: tuple[fb.Check, ...] = (*fb.CHECKS, no_fridays)
    bounds = fb.Limits(
        order_notional_max=5000,
        price_collar="0.05",
        oversell="cut",
        strategy_oversell="take",
        snapshot_age_max_s=120,
    )
    late = fb.Thresholds(
        stale_s=60,
        missed_passes=2,
        stuck_s=60,
        slow_fill_s=20,
        fills_missing_s=900,
        rejected_in_a_row=3,
        drift_notional=250,
        drift_cash="0.5",
    )
    fb.open(broker, store, alerts=[print], thresholds=late).close()
    desk = fb.open(broker, store, checks=more, limits=bounds, prices=price)
    preview: fb.Preview = desk.preview(fb.OrderRequest(symbol="A", side="buy", qty=1))
    impact: fb.Impact = preview.impact
    made: tuple[fb.Adjustment, ...] = preview.adjustments
    print(impact.buying_power, impact.pnl, [x.sent for x in made], preview.is_approved)
    desk.halt("wait")
    desk.resume()
    try:
        desk.buy("A", qty=1, reference_price="10")
    except fb.Denied as denied:
        known = denied.reason.code == fb.ReasonCode.HALTED
        return denied.reason if known else preview.reason
    return None


def refused(desk: fb.Desk) -> fb.Order | None:
    try:
        return desk.buy("AAPL", qty=10)
    except (fb.Denied, fb.AlreadySent, fb.OrderRejected) as refusal:
        return refusal.order
    except fb.Unavailable as outage:
        print(outage.retry_at, outage.retry)
        return outage.order
    except (fb.InvalidValue, fb.KeyReused, fb.UnknownOrder, fb.UnknownSymbol):
        raise
    except (fb.TradingDisabled, fb.AccountChanged):
        return None
    except (fb.BadAddress, fb.CredentialsMissing, fb.ExtraMissing, fb.ReadFailed):
        return None
    except (fb.StoreDamaged, fb.StoreTooNew, fb.StoreUnavailable, fb.StoreError):
        return None
    except fb.FillbookError as error:
        return None if error.retry else desk.book.orders()[0]


def receive_events(desk: fb.Desk, event: object) -> str:
    entries: int = desk.receive(event)
    desk.on(fb.EventKind.FILL, on_event)
    desk.on("final", on_event)
    news: list[fb.Event] = desk.events()
    news += desk.events(since="0")
    return news[-1].cursor if entries else ""


def free(desk: fb.Desk) -> Decimal:
    power: fb.BuyingPower = desk.buying_power()
    print(desk.opens_at("AAPL"))
    print(power.reported, power.reserved, power.read_at, power.lag_s, power.non_marginable)
    return power.available


def on_event(event: fb.Event) -> None:
    alert: fb.Alert | None = event.alert
    if event.order is not None and alert is not None:
        print(event.kind, event.at, event.symbol, alert.kind, alert.about, alert.message)


def read(book: fb.Book) -> Decimal:
    orders: list[fb.Order] = book.orders(open=True, symbol="AAPL", strategy="mean-rev")
    order: fb.Order = book.order("fb-1")
    print(book.order(key="monday", strategy="dips").status, book.legs(order))
    status: fb.OrderStatus = order.status
    odd: tuple[fb.Anomaly, ...] = order.anomalies
    filled: Decimal = order.filled_qty
    price: Decimal | None = order.avg_price
    positions: list[fb.Position] = book.positions(strategy="mean-rev")
    position: fb.Position = book.position("AAPL")
    trades: list[fb.Trade] = book.trades(symbol="AAPL")
    profit: list[Decimal | None] = [position.realized, *(trade.pnl for trade in trades)]
    cash: Decimal | None = book.cash() or book.cash("EUR")
    print(orders, status, odd, price, positions, profit, cash, order.is_final, order.is_complete)
    ended: list[fb.Plan] = book.plans("done")
    print(ended, book.plans(), book.plan("p1"), book.protections())
    print(book.fills(order), book.requests("fb-1"), book.record(order), book.drifts())
    print(book.ids("fb-"))
    kept: list[Decimal] = [each.charge for each in book.reservations()]
    print(kept, book.account(), book.journal(after=5), book.events(since=""))
    return filled + position.qty


def elsewhere(store: fb.Store) -> list[fb.Position]:
    fb.read()
    with fb.read("sqlite:///bot.db", env={}) as book:
        book.close()
    return fb.read(store).positions()


#: What the methods of `Book` and `Desk` return, and what is in it.
VALUES = (
    fb.AccountId,
    fb.Activity,
    fb.ActivityKind,
    fb.ActivityReported,
    fb.AlertKind,
    fb.Alerted,
    fb.Amend,
    fb.AnswerKind,
    fb.Answered,
    fb.AssetClass,
    fb.Assigned,
    fb.Authority,
    fb.BalanceAdjusted,
    fb.Bound,
    fb.Busted,
    fb.Cancel,
    fb.CashAdjusted,
    fb.Change,
    fb.ChangeClosed,
    fb.Checked,
    fb.Command,
    fb.Commanded,
    fb.ConcludedAbsent,
    fb.ResolvedAbsent,
    fb.Conclusion,
    fb.DisputeSettled,
    fb.DriftCleared,
    fb.DriftFound,
    fb.ExecSource,
    fb.EndedUnitsDiffer,
    fb.Executed,
    fb.Execution,
    fb.ExternalTrade,
    fb.Fee,
    fb.HappenedWithoutTrade,
    fb.HistoryRead,
    fb.Holding,
    fb.Instructed,
    fb.Instruction,
    fb.InstructionClosed,
    fb.Amount,
    fb.Pair,
    fb.PairListed,
    fb.Instrument,
    fb.InstrumentListed,
    fb.Intended,
    fb.Intent,
    fb.IntentDenied,
    fb.MissedFill,
    fb.MoveKind,
    fb.Movement,
    fb.NotFoundAfterSeen,
    fb.Oddity,
    fb.OpenDrift,
    fb.OrderFields,
    fb.OrderRecord,
    fb.OrderReport,
    fb.OrderStatusDiffers,
    fb.Origin,
    fb.Phantom,
    fb.Proof,
    fb.Rebuilt,
    fb.Recorded,
    fb.RejectKind,
    fb.ReplaceCum,
    fb.ReplaceMakes,
    fb.OrderTermsDiffer,
    fb.ReportSource,
    fb.Reported,
    fb.Request,
    fb.Reservation,
    fb.Reserve,
    fb.ReserveRule,
    fb.Row,
    fb.StrategyOversell,
    fb.SymbolName,
    fb.Terms,
    fb.TradeBust,
    fb.UnknownToBroker,
    fb.UnknownToUs,
    fb.Untracked,
    fb.Way,
    fb.WrongCash,
    fb.WrongQty,
    fb.AdoptBalance,
    fb.CancelOrder,
    fb.EndOrder,
    fb.ExitFields,
    fb.HaltTrading,
    fb.PlaceOrder,
    fb.ReplaceOrder,
    fb.Cooldown,
    fb.PlanImpact,
    fb.PlanMade,
    fb.PlanMoved,
    fb.PlanNews,
    fb.PlanStep,
    fb.PositionChange,
    fb.ProtectionEnded,
    fb.SettledTrade,
    fb.TradesSettled,
    fb.ProtectionSet,
    fb.RepairPolicy,
    fb.StepMoved,
    fb.StepState,
)


def exits(broker: fb.Broker, store: fb.Store) -> bool:
    policy = fb.ExitPolicy(
        stop_loss="8%",
        take_profit=fb.Level(Decimal(210)),
        time_in_force="gtc",
        on_add=fb.OnAdd.AVERAGE,
        on_breach="limit",
        collar=1,
        naked_max_s=30,
    )
    with fb.open(broker, store, exits=policy, repairs="approve") as desk:
        plan: fb.Plan = desk.protect("AAPL", stop_price="180", take_profit=210, dry_run=True)
        rules: fb.ExitFields = {"stop_loss": "8%", "trail": "5%", "trail_after": 9, "max_age_s": 9}
        desk.protect("AAPL", strategy="swing", pending=True, **rules)
        desk.close_position("AAPL", strategy="swing", qty=5)
        desk.close_position("AAPL", account=True, dry_run=True)
        desk.unprotect(desk.flatten("swing", dry_run=True)[0].symbols[0], strategy="swing")
        kept: list[fb.Protection] = desk.protections()
        naked = [x for x in kept if x.cover is fb.CoverState.NAKED]
        print(plan.impact.notional, [x.why for x in naked], policy.on_breach is fb.OnBreach.LIMIT)
        return all(x.is_covered for x in kept)


def rebalance_account(desk: fb.Desk, fields: fb.RebalanceFields) -> Decimal | None:
    plan: fb.Plan = desk.rebalance({"AAPL": "0.6", "MSFT": 0.4}, dry_run=True, **fields)
    desk.rebalance(fb.Targets(qty={"SPY": 10}), strategy="core", capital=20_000, others="close")
    for step in plan.steps:
        if isinstance(step.action, fb.AwaitFunds):
            print(step.action.amount, step.share)
    return None if plan.impact.cost is None else plan.impact.cost.notional


def caught_up(desk: fb.Desk) -> Decimal | None:
    trade = fb.LocalTrade(symbol="AAPL", side="buy", qty=5, at="2026-03-02T15:00:00Z", price="1")
    rows: list[fb.LocalTrade | fb.UnreadableTrade] = fb.read_trades("a.csv", tz="UTC")
    found: fb.CatchUp = desk.catch_up([trade, *rows, {"qty": 1}], since=date(2026, 3, 2))
    desk.catch_up("a.db", since=date(2026, 3, 2), query="SELECT 1", columns={"qty": "Shares"})
    listed: list[fb.TradeRow] = [x for x in found.rows if x.outcome is fb.TradeOutcome.TO_SEND]
    orders: tuple[fb.CatchUpOrder, ...] = found.orders
    print(found.counts, [x.why for x in listed], [x.plan_id for x in orders], trade.signed_qty)
    return orders[0].notional


def explained(desk: fb.Desk) -> Decimal | None:
    found: fb.PnlComparison = desk.compare_pnl({"AAPL": "51.00"}, since=date(2026, 3, 2))
    desk.compare_pnl([{"qty": 1}], cost="fifo", bot_cost="fifo", tz="UTC")
    rows: tuple[fb.PnlComparisonRow, ...] = found.rows
    other: fb.PnlDifference | None = rows[0].bot or rows[0].broker
    slipped: list[fb.Slippage] = desk.book.slippage(since=date(2026, 3, 2), strategy="core")
    print([(x.cost, x.arrival_cost) for x in slipped])
    return None if other is None else other.by_cause[fb.PnlCause.FEES]


def exported(book: fb.Book) -> int:
    book.to_pandas("fills"), book.to_polars()
    fills: list[fb.Movement] = book.all_fills()
    return len(fills) + book.export("csv", "fills.csv", what="fills")


def decide(desk: fb.Desk) -> fb.Plan | None:
    proposed: list[fb.Plan] = desk.repair(dry_run=True)
    try:
        for plan in desk.plans("proposed") + desk.plans(fb.PlanState.PAUSED) + proposed:
            if plan.kind is fb.PlanKind.REPAIR:
                desk.reject(plan.plan_id, why="the feed is wrong")
            else:
                return desk.approve(plan.plan_id)
        return desk.plan("p1")
    except (fb.UnknownPlan, fb.PlanEnded):
        return None


def correct(broker: fb.Broker, store: fb.Store) -> fb.Desk:
    cancels = fb.RepairRule(
        mode="auto",
        repair=fb.Repair.TRADE,
        notional_max=500,
        day_notional_max=2_000,
        day_repairs_max=3,
    )
    rules = {"default": fb.RepairMode.APPROVE, fb.RepairKind.WRONG_QTY: cancels}
    return fb.open(broker, store, repairs=rules)


def wrong(desk: fb.Desk) -> None:
    """A wrong keyword is a type error: an unused `ignore` would be one too."""
    desk.buy("AAPL", qty=1, limit=10)  # type: ignore[call-arg]
    desk.sell("AAPL", qty=1, good_for="5")  # type: ignore[call-arg]


async def wrong_awaited(desk: fb.AsyncDesk) -> None:
    await desk.buy("AAPL", qty=1, limit=10)  # type: ignore[call-arg]


def rebalance(listed: Sequence[fb.Instrument], quotes: Mapping[str, fb.Quote]) -> list[Decimal]:
    rules = fb.RebalanceRules(
        instruments=listed, cash_buffer="0.01", band=0.005, order_type="limit", others="close"
    )
    order = fb.WorkingOrder(client_order_id="o", side="buy", leaves_qty=5, reserve="935.10")
    held = [fb.HeldPosition(symbol="AAPL", qty=10, strategy_qty="4.5", orders=(order,))]
    targets = fb.Targets(weights={"AAPL": "0.6"}, notional={"MSFT": 5_000}, qty=[("SPY", 1.5)])
    plan: fb.Rebalance = fb.plan_rebalance(targets, held, quotes, "1000", rules)
    fb.plan_rebalance({"AAPL": "0.6", "B": 1}, {"A": 1}, {"A": ("1", "1.01"), "B": None}, 5)
    trades: tuple[fb.RebalanceTrade, ...] = plan.trades
    alone: tuple[fb.LeftAlone, ...] = plan.left_alone
    reasons: list[fb.LeftAloneReason] = [x.reason for x in alone]
    cost: fb.RebalanceCost = plan.full_cost
    print(reasons, cost.orders, cost.spread_cost, plan.cancels, plan.weight_sum, plan.allocation)
    print([(x.leg, x.after, x.reduces, x.limit_price, x.exits, x.notional) for x in trades])
    return [plan.base, plan.leftover, plan.cut, plan.tracking_error, plan.saved_notional]


def gains(book: fb.Book, quotes: Mapping[str, fb.Quote]) -> list[Decimal | None]:
    report: fb.PnlReport = book.pnl(since=date(2026, 1, 5), by="day", cost="fifo", quotes=quotes)
    rows: tuple[fb.Pnl, ...] = (*report.rows, *book.pnl().totals)
    lots: tuple[fb.Lot, ...] = report.lots
    unknown: set[fb.UnknownPart] = {part for row in rows for part, _ in row.unknown}
    print(unknown, report.by is fb.PnlBy.DAY, report.cost is fb.CostMethod.FIFO)
    print([(x.qty, x.cost, x.proceeds, x.opened_at, x.closed_at) for x in lots])
    return [row.realized for row in rows] + [row.unrealized for row in rows]


def urgent(alert: fb.Alert) -> bool:
    return alert.severity is fb.Severity.CRITICAL and not alert.resolved


def watched(desk: fb.Desk, book: fb.Book) -> list[str | None]:
    status: fb.Status = desk.status() if desk.book is book else book.status()
    lease: fb.LeaseStatus | None = status.lease
    stream: fb.StreamStatus | None = status.stream
    budget: fb.RequestBudget | None = status.budget
    print(lease and lease.epoch, stream and stream.gaps, budget and budget.sent)
    print(status.health is fb.Health.RECONCILED, status.locks, status.plans, status.alerts)
    page = book.orders(strategy=["a", "b"], newest=True, limit=20)
    fills = book.fills(symbol="AAPL", after="key", limit=5)
    trades = book.trades(strategy="a", limit=5, newest=True)
    events = book.events("", strategy="a", limit=5, newest=True)
    print(book.orders(after=page[-1]), fills, trades, events, book.journal(5, limit=2))
    entries: list[type] = [fb.AccountInstructed, fb.AccountInstructionClosed]
    print(entries, fb.TokenCreated, fb.TokenRevoked, fb.NotPermitted, fb.AccountAction.HALT)
    token: fb.Token | None = None
    instruction: fb.AccountInstruction | None = None
    print(token, fb.Scope.READ, instruction)
    return [status.halted, None if status.account is None else status.account.number]
