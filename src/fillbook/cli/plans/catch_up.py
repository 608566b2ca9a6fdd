"""`fillbook catch-up`: the bot's own record, its comparison with the account, and what is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from fillbook import errors
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    StoreOption,
    existing_store,
    named_options,
    note_new_strategy,
    open_desk,
    parse_day,
)
from fillbook.cli.plans.follow import WaitOption, follow, progress
from fillbook.cli.plans.show import when_it_begins
from fillbook.core.plans.plan import sentence_of_missing
from fillbook.desk import Desk

#: How long the plans are followed, in seconds: they end by themselves before.
WAIT_S: Final = 900.0
#: The options by the parameter of `catch_up`.
_OPTIONS: Final = {"tz": "--tz", "date_format": "--date-format"}
#: The outcomes of rows that are counted only.
_QUIET: Final = frozenset(
    {
        m.TradeOutcome.FOUND,
        m.TradeOutcome.SETTLED,
        m.TradeOutcome.SENDING,
        m.TradeOutcome.BEFORE_SINCE,
    }
)


def catch_up(
    trades: Annotated[
        Path, Parameter(help="The bot's own record: .csv, .jsonl, or an SQLite file with --query.")
    ],
    /,
    *,
    since: Annotated[str, Parameter(help="From that day on, like 2026-01-05.")],
    send: Annotated[
        bool, Parameter(negative="--dry-run", help="Send what is missing; else only list it.")
    ] = False,
    map: Annotated[  # noqa: A002 - the word of the command line
        str, Parameter(help="The columns by field: symbol=Ticker,qty=Shares,side=Action,at=Date.")
    ] = "",
    tz: Annotated[
        str | None, Parameter(help="The zone of times without one, like America/New_York.")
    ] = None,
    date_format: Annotated[
        str | None,
        Parameter(help="The format of times, like '%m/%d/%Y %H:%M'; else ISO 8601."),
    ] = None,
    query: Annotated[str | None, Parameter(help="The query of an SQLite file.")] = None,
    strategy: Annotated[str | None, Parameter(help="The strategy of rows which name none.")] = None,
    wait: WaitOption = WAIT_S,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Send the trades of the bot's own record that were never sent; a dry run, unless --send.

    Reconciles first. Trades that were made by hand count as sent, and a row that was settled never
    counts again. What is to be sent is listed, and what needs attention with its reason. Exits with
    1 if an order is not done yet, and says what is left, and if no row could be read.
    """
    with open_desk(broker, existing_store(store) if send else store, live=live) as desk:
        if send and not json:
            desk.on(m.EventKind.PLAN, progress(desk, m.PlanKind.CATCH_UP))
        note_new_strategy(desk.book, strategy)
        with named_options(_OPTIONS):
            found = desk.catch_up(
                trades,
                since=errors.present(parse_day(since), "--since"),
                columns=parse_columns(map),
                tz=tz,
                date_format=date_format,
                query=query,
                strategy=strategy,
                dry_run=not send,
            )
        plans = _follow(desk, found, wait) if send else []
    if json:
        output.as_json({"catch_up": found, "plans": plans})
    else:
        _print(found, plans)
    unread = bool(found.rows) and found.counts.keys() == {m.TradeOutcome.UNREADABLE}
    return 1 if unread or not all(x.is_fulfilled for x in plans) else 0


def parse_columns(text: str) -> Mapping[str, str]:
    """Parse ``symbol=Ticker,qty=Shares``. Raises: InvalidValue."""
    pairs = [x.partition("=") for x in text.split(",") if x.strip()]
    if not all(field.strip() and column.strip() for field, _, column in pairs):
        raise errors.InvalidValue(f"--map takes FIELD=COLUMN,FIELD=COLUMN, not {text}")
    return {field.strip(): column.strip() for field, _, column in pairs}


def _follow(desk: Desk, found: m.CatchUp, wait_s: float) -> list[m.Plan]:
    """Carry the plans out, each for at most *wait_s*; return them as they stand."""
    names = dict.fromkeys(x.plan_id for x in found.orders if x.plan_id is not None)
    return [follow(desk, desk.plan(name), wait_s).plan for name in names]


def _print(found: m.CatchUp, plans: Sequence[m.Plan]) -> None:
    listed = [x for x in found.rows if x.outcome not in _QUIET]
    output.table(
        f"Rows since {output.day(found.since)} UTC",
        ("outcome", "rows>"),
        ((_words(outcome), count) for outcome, count in found.counts.items()),
    )
    if listed:
        output.table(
            "Rows to send, and rows that need attention",
            ("row>", "outcome", "trade", "reason"),
            ((x.line, _words(x.outcome), _trade(x), _reason(x)) for x in listed),
        )
    states = {x.plan_id: x for x in plans}
    output.table(
        "Orders",
        ("side", "qty>", "symbol", "strategy", "rows>", "notional>", "state"),
        (
            (
                x.side,
                x.qty,
                x.symbol,
                x.strategy,
                x.rows,
                output.money(x.notional),
                _state(x, states, is_sent=found.is_sent),
            )
            for x in found.orders
        ),
    )
    for line in _ending(found, plans):
        output.out.print(line, soft_wrap=True)


def _words(outcome: m.TradeOutcome) -> str:
    return str(outcome).replace("_", " ")


def _reason(row: m.TradeRow) -> str:
    """Return the reason of a row; its other words are those of the file."""
    text = row.why
    for name, option in _OPTIONS.items():
        text = text.replace(f"({name})", f"({option})")
    return text


def _trade(row: m.TradeRow) -> str:
    x = row.trade
    return row.text if x is None else f"{x.side} {m.plain(x.qty)} {x.symbol}, {output.day(x.at)}"


def _state(order: m.CatchUpOrder, plans: Mapping[str, m.Plan], *, is_sent: bool) -> str:
    plan = plans.get(order.plan_id or "")
    if plan is None:
        return "not sent: rejected before, or changed meanwhile" if is_sent else "not sent"
    begins = "" if plan.is_final else when_it_begins(plan)
    why = plan.failed or plan.why if plan.state is m.PlanState.STOPPED else ""
    why = why or sentence_of_missing(plan)
    return f"{plan.state}{begins and f', {begins}'}" + (f": {why}" if why else "")


def _ending(found: m.CatchUp, plans: Sequence[m.Plan]) -> list[str]:
    if not found.is_sent:
        return ["Dry run: nothing was stored or sent. To send, add --send."]
    done = sum(x.is_fulfilled for x in plans)
    failed = sum(x.is_final for x in plans) - done
    lines = [f"{done} of {len(plans)} symbols are done, {failed} failed."]
    if failed:
        lines.append("The rows of those that failed count again: call the command again.")
    if done + failed < len(plans):
        lines.append("A desk that ticks carries the others out: the bot, or fillbook watch --tick.")
    return lines
