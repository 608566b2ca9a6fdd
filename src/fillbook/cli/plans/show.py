"""The output of plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, assert_never

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.output import Markup, cell, day, money
from fillbook.core.plans.plan import sentence_of_missing
from fillbook.desk.record.cells.last_complete_snapshot import OLD_S
from fillbook.model.journal.status import Status
from fillbook.model.text.ids import short_id

_COLOURS: Final = {
    m.PlanState.PROPOSED: "yellow",
    m.PlanState.PAUSED: "yellow",
    m.PlanState.DONE: "green",
    m.PlanState.STOPPED: "red",
}


def plan_list(found: Sequence[m.Plan], ended: int = 0) -> None:
    """Print plans, oldest first; *ended* are left out because they have ended."""
    others = f"{ended} {'has' if ended == 1 else 'have'} ended: fillbook plans --all"
    if ended and not found:
        output.out.print(f"[bold]Plans that have not ended[/]: none; {others}", soft_wrap=True)
        return
    output.table(
        "Plans",
        ("plan", "state", "made (UTC)", "purpose"),
        ((x.plan_id, _state(x), day(x.created_at), purpose(x)) for x in found),
    )
    if ended:
        output.out.print(others, soft_wrap=True)


def plan_details(plan: m.Plan, currency: str | None, *, is_stored: bool = True) -> None:
    """
    Print one plan: its state, its effect and its steps; not stored, it has no id.

    *currency* is that of the account; None: not known.
    """
    say = output.out.print
    name = f"{cell(plan.plan_id)}: {_state(plan)}" if is_stored else f"{plan.kind}: not stored"
    say(f"Plan {name}", soft_wrap=True)
    say(f"  {cell(purpose(plan))}", soft_wrap=True)
    say(f"  {_effect(plan, currency)}", soft_wrap=True)
    say(f"  {cell(_period(plan))}", soft_wrap=True)
    output.table(
        "Steps",
        ("#>", "step", "state", "reason"),
        ((i, _step(x, currency), x.state, x.why) for i, x in enumerate(plan.steps, start=1)),
    )
    _rebalance_cost(plan.impact, plan.impact.currency or currency)
    if plan.impact.positions:
        output.table(
            "Positions",
            ("symbol", "before>", "after>"),
            ((x.symbol, x.before, x.after) for x in plan.impact.positions),
        )


def _rebalance_cost(impact: m.PlanImpact, currency: str | None) -> None:
    """Print what a rebalance costs, against selling everything, and what it leaves alone."""
    if impact.cost is None or impact.full_cost is None:
        return
    rows = [("this plan", impact.cost), ("sell everything, buy the targets", impact.full_cost)]
    output.table(
        "Cost",
        ("way", "orders>", "traded>", "half the spread>"),
        ((name, x.orders, money(x.notional), money(x.spread_cost)) for name, x in rows),
        currency,
    )
    output.out.print(
        f"  off the targets: {impact.tracking_error:.2%}; left of the budget: "
        f"{output.amount(impact.leftover, currency)}",
        soft_wrap=True,
    )
    if impact.left_alone:
        output.table(
            "Left alone",
            ("symbol", "qty>", "value>", "reason"),
            ((x.symbol, x.qty, money(x.value), x.reason) for x in impact.left_alone),
            currency,
        )


def purpose(plan: m.Plan) -> str:
    """Return what a plan is for, when it begins, and why it failed."""
    begins = "" if plan.state is not m.PlanState.APPROVED else when_it_begins(plan)
    failed = plan.failed and f"failed: {plan.failed}"
    return "; ".join(x for x in (plan.why, begins, failed) if x)


def age_of(record: Status) -> str:
    """Return, as a sentence, that a record is empty or old; ``""``: it is neither."""
    if record.account is None:
        return "The record is empty: `fillbook sync` takes the opening balance."
    age_s, at = record.snapshot_age_s, day(record.snapshot_at)
    if record.missed_snapshots:
        return f"NOT OBSERVED since {at} UTC: `fillbook sync` reports what could not be read."
    if age_s is None or age_s <= OLD_S:
        return ""
    return f"By the record as of {at} UTC: `fillbook sync` compares it with the account."


def when_it_begins(plan: m.Plan) -> str:
    """Return when a plan begins that waits for the open; ``""``: it does not."""
    return "" if plan.begins_at is None else f"begins at the open, {day(plan.begins_at)} UTC"


def _state(plan: m.Plan) -> Markup:
    colour = _COLOURS.get(plan.state, "default")
    return Markup(f"[{colour}]{plan.state}[/]")


def _effect(plan: m.Plan, currency: str | None) -> str:
    impact = plan.impact
    parts = [("order", impact.orders), ("cancel", impact.cancels)]
    parts += [("change", impact.replaces)] if impact.replaces else []
    counts = ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in parts)
    is_unknown_for_good = impact.notional is None and plan.is_final
    if not impact.orders or is_unknown_for_good:
        return counts
    if impact.notional is None:
        return f"{counts}; value traded: not known, the plan was made without a quote"
    if not impact.notional:
        return f"{counts}; nothing is traded yet: exits rest at the broker"
    traded = output.amount(impact.notional, impact.currency or currency)
    return f"{counts}; value traded: {traded}"


def _period(plan: m.Plan) -> str:
    begins = when_it_begins(plan)
    return f"{begins and f'{begins}; '}valid until {day(plan.valid_until)} UTC"


def _step(step: m.PlanStep, currency: str | None) -> str:
    back = " (gives cover back)" if step.guard else ""
    return f"{describe_action(step.action, currency)}{back}"


def describe_action(action: m.Action, own: str | None) -> str:
    """Return what a step does, in one line; *own* is the currency of the account, if known."""
    match action:
        case m.CancelOrder(name):
            return f"cancel {short_id(name)}"
        case m.PlaceOrder(request):
            return f"{request.side} {m.plain(request.qty or m.ZERO)} {request.symbol}, " + _terms(
                request
            )
        case m.ReplaceOrder(client_order_id=name):
            return f"change {short_id(name)}: {_new_prices(action)}"
        case m.AwaitFunds(amount=amount, currency=currency):
            return f"await {output.amount(amount, currency or own)} of funds for the buys"
        case m.AdoptBalance(symbol, ours, theirs, currency):
            what = symbol or f"cash {currency or own or ''}".strip()
            return f"record: {what} {m.plain(ours)} becomes {m.plain(theirs)}"
        case m.EndOrder(name):
            return f"record: end {short_id(name)}"
        case m.HaltTrading(why):
            return f"halt: {why}"
        case _:
            assert_never(action)


def _new_prices(action: m.ReplaceOrder) -> str:
    prices = [("stop", action.stop_price), ("limit", action.limit_price)]
    parts = [f"{name} {m.plain(x)}" for name, x in prices if x is not None]
    if action.collar is not None:
        parts.append(f"limit {m.plain(action.collar)}% beyond the market")
    return ", ".join(parts)


def _terms(request: m.OrderRequest) -> str:
    if request.order_class is m.OrderClass.OCO:
        kind = f"oco {cell(request.take_profit)} / {cell(request.stop_loss)}"
    else:
        prices = (request.stop_price, request.trail_price, request.limit_price)
        kind = " ".join([str(request.type), *(m.plain(x) for x in prices if x is not None)])
    return f"{kind}, {request.time_in_force}"


def fills(orders: Iterable[m.Order]) -> Iterator[str]:
    """Yield what each of the orders of a plan traded, as lines."""
    for x in orders:
        if x.filled_qty:
            verb = "Bought" if x.side is m.OrderSide.BUY else "Sold"
            price = "" if x.avg_price is None else f" at {output.price(x.avg_price)}"
            yield f"{verb} {m.plain(x.filled_qty)} {cell(x.symbol)}{price}."


def outcome(plan: m.Plan) -> Iterator[str]:
    """Yield what happened to a plan, and what to do about what is left, as lines."""
    name = cell(plan.plan_id)
    match plan.state:
        case m.PlanState.DONE if plan.missing:
            yield f"[yellow]Done[/], but {cell(sentence_of_missing(plan))}."
        case m.PlanState.DONE:
            yield "[green]Done.[/]" if plan.steps else "Nothing was to be done."
        case m.PlanState.PROPOSED:
            yield f"[yellow]It waits for an approval[/]: fillbook approve {name}"
        case m.PlanState.APPROVED | m.PlanState.RUNNING | m.PlanState.PAUSED:
            done = sum(x.state is m.StepState.DONE for x in plan.steps)
            yield f"[yellow]{done} of {len(plan.steps)} steps are done.[/] " + _goes_on(plan)
        case m.PlanState.STALE | m.PlanState.EXPIRED | m.PlanState.REJECTED:
            yield f"[yellow]Nothing was sent[/]: the plan is {plan.state}."
        case m.PlanState.STOPPED:
            yield f"[red]It stopped[/]: {cell(plan.failed or plan.why)}"
            if plan.kind is m.PlanKind.EXIT:
                yield "It is planned anew by the desk that ticks."
            yield "fillbook positions shows what is held, and fillbook orders --open what is left."
        case _:
            assert_never(plan.state)


def _goes_on(plan: m.Plan) -> str:
    begins = when_it_begins(plan)
    when = begins and f"It {begins}. "
    return (
        f"{when}A desk that ticks carries it out: the bot, or fillbook watch --tick. "
        f"See fillbook plan {cell(plan.plan_id)}"
    )
