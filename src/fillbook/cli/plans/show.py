"""The output of plans, and of the cover of positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, assert_never

from attrs import frozen

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.output import Markup, cell, day, money
from fillbook.core.plans.plan import sentence_of_missing
from fillbook.desk.record.book import Book
from fillbook.desk.record.cells.last_complete_snapshot import OLD_S
from fillbook.model.journal.status import Status
from fillbook.model.text.ids import short_id

_COLOURS: Final = {
    m.PlanState.PROPOSED: "yellow",
    m.PlanState.PAUSED: "yellow",
    m.PlanState.DONE: "green",
    m.PlanState.STOPPED: "red",
}

#: The protections, each with the symbol of the position that it is for.
Cover = Sequence[tuple[str, m.Protection]]


# -- plans -----------------------------------------------------------------------------


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


# -- the cover of positions ------------------------------------------------------------


def cover_of(book: Book, strategy: str | None = None) -> Cover:
    """Return the protections of the record, each with the symbol of its position."""
    return [
        (book.position(x.symbol).symbol, x)
        for x in book.protections()
        if strategy in (None, x.strategy)
    ]


#: What makes a realized P&L unknown.
_UNKNOWN: Final = frozenset({m.UnknownPart.COST, m.UnknownPart.PRICE})


@frozen
class Realized:
    """The realized P&L of a position in one currency, before fees."""

    symbol: str
    currency: str | None  #: None: that of the account
    realized: Decimal | None  #: None: a part of it is unknown


def realized_of(book: Book, positions: Sequence[m.Position]) -> list[Realized]:
    """Return the realized P&L of each position by currency, as `pnl` has it."""
    by_symbol: dict[str, list[Realized]] = {}
    if any(x.realized is None for x in positions):  # the P&L reads the whole record
        for row in book.pnl(quotes={}).rows:
            is_known = not _UNKNOWN & {part for part, _ in row.unknown}
            found = Realized(row.key, row.currency, row.realized if is_known else None)
            by_symbol.setdefault(row.key, []).append(found)
    return [
        row
        for x in positions
        for row in (
            by_symbol.get(x.symbol, [])
            if x.realized is None
            else [Realized(x.symbol, x.account.currency, x.realized)]
        )
    ]


def print_positions(
    found: Sequence[m.Position],
    cover: Cover,
    strategy: str | None = None,
    *,
    currency: str | None,
    realized: Sequence[Realized] = (),
) -> None:
    """
    Print positions with the part of each strategy, and what has no exit; or *strategy* alone.

    *currency* is that of the account (None: not known); an amount in another one names it.
    *realized* is the realized P&L of positions that have it in several currencies.
    The strategies have a column if there are any; the quantity that can be sold has one if a fee
    that is due makes it less.
    """
    has_names = any(name for x in found for name, _ in x.by_strategy)
    has_fees = strategy is None and any(x.qty > 0 and x.sellable_qty != x.qty for x in found)
    names, fees = ["strategy"] * has_names, ["sellable>"] * has_fees
    output.table(
        "Positions",
        ("symbol", *names, "qty>", *fees, "avg price>", "realized>", "exits"),
        (
            (symbol, *[whose] * has_names, qty, *[sellable] * has_fees, *others)
            for position in found
            for symbol, whose, qty, sellable, *others in _rows_of(
                position, cover, strategy, [x for x in realized if x.symbol == position.symbol]
            )
        ),
        currency,
    )
    for line in not_covered(x for _, x in cover):
        output.out.print(line, soft_wrap=True)


def _rows_of(
    position: m.Position, cover: Cover, strategy: str | None, realized: Sequence[Realized]
) -> Iterator[tuple[object, ...]]:
    """
    Yield the row of a position, and those of its parts if it has several; or those of *strategy*.

    A flat part is one of them if it has realized P&L, so that the parts sum to the position.
    """
    x, is_whole = position, strategy is None
    parts = x.parts
    has_several = is_whole and len(parts) > 1
    if is_whole:
        whose = "(all)" if has_several else "".join(name for name, _ in parts)
        exits = "" if has_several else cover_text(x, cover)
        price, total = _amounts(x.account, x.realized)
        if x.realized is None:
            known = (output.amount(y.realized, y.currency) for y in realized)
            total = ", ".join(text or "–" for text in known)
        yield x.symbol, whose, x.qty, x.sellable_qty, price, total, exits
    for name, y in parts if has_several or not is_whole else ():
        symbol, whose = "" if is_whole else x.symbol, name or "no strategy"
        exits = cover_text(x, cover, name)
        yield symbol, whose, y.qty, None, *_amounts(y, y.realized), exits


def _amounts(part: m.Holding, realized: Decimal | None) -> tuple[str | None, str | None]:
    """Format the average price and the realized P&L of a part; another currency is named."""
    return (
        output.unit_price(part.avg_price, part.currency),
        output.amount(realized, part.currency),
    )


def cover_text(position: m.Position, cover: Cover, strategy: str | None = None) -> str:
    """
    Return the cover of each part of a position, or of that of *strategy*, by the protections.

    It is one term if it is the same for all of them; ``""``: the part is flat, without exits.
    """
    held = {name: list[str]() for name, part in position.by_strategy if part.qty}
    for symbol, x in cover:
        if symbol == position.symbol:
            held.setdefault(x.strategy, []).append(_words(x))
    shown = {
        name: ", ".join(words) or "no protection"
        for name, words in held.items()
        if strategy in (None, name)
    }
    if len(set(shown.values())) <= 1:
        return "".join(set(shown.values()))
    return ", ".join(f"{name or 'no strategy'}: {words}" for name, words in shown.items())


def not_covered(protections: Iterable[m.Protection]) -> Iterator[str]:
    """Yield what lacks an exit: since when, and why."""
    for x in protections:
        if not x.is_covered:
            whose = f" ({cell(x.strategy)})" if x.strategy else ""
            since = "" if x.since is None else f" since {day(x.since)} UTC"
            why = f": {cell(x.suspended or x.why)}" if x.suspended or x.why else ""
            yield f"Exits of {cell(x.symbol)}{whose}: [yellow]{_words(x)}{since}[/]{why}"


def _words(protection: m.Protection) -> str:
    return str(protection.cover).replace("_", " ")
