"""`fillbook rebalance`: targets from a file, their plan, and its progress."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from attrs import evolve, frozen
from cyclopts import Parameter

from fillbook import errors
from fillbook import model as m
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    StoreOption,
    existing_store,
    named_options,
    note_new_strategy,
    open_desk,
)
from fillbook.cli.plans.follow import WaitOption, follow, print_dry_run, print_outcome, progress
from fillbook.desk import Desk

#: How long a plan is followed, in seconds: it ends by itself before.
WAIT_S: Final = 900.0
#: The options by the field of the rules.
_OPTIONS: Final = {"capital": "--capital", "cash_buffer": "--cash-buffer", "band": "--band"}
_KINDS: Final = ("weight", "notional", "qty")


def rebalance(
    targets: Annotated[
        Path, Parameter(help="A CSV file: symbol, and one of weight, notional and qty.")
    ],
    /,
    *,
    send: Annotated[
        bool, Parameter(negative="--dry-run", help="Carry the plan out; else only print it.")
    ] = False,
    strategy: Annotated[
        str | None, Parameter(help="Whose part of the positions; else what has no strategy.")
    ] = None,
    capital: Annotated[str | None, Parameter(help="The most that may be used.")] = None,
    others: Annotated[
        Literal["keep", "close"],
        Parameter(show_default=True, help="What becomes of positions without a target."),
    ] = "keep",
    open_orders: Annotated[
        Literal["keep", "cancel"],
        Parameter(show_default=True, help="What becomes of the bot's live orders on a symbol."),
    ] = "keep",
    order_type: Annotated[
        Literal["market", "limit"], Parameter(show_default=True, help="The type of the orders.")
    ] = "market",
    cash_buffer: Annotated[
        str, Parameter(show_default=True, help="The share of the equity that stays in cash.")
    ] = "0.02",
    band: Annotated[
        str, Parameter(show_default=True, help="A difference up to this share is not traded.")
    ] = "0.001",
    whole_shares: Annotated[bool, Parameter(help="Trade no fraction of a share.")] = False,
    wait: WaitOption = WAIT_S,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Trade the differences to targets; a dry run, unless --send.

    Reconciles first. A second call for the same targets on the same day goes on with the plan that
    runs. Exits with 1 if the plan is not done yet, and says what is left.
    """
    rows = read_targets(targets)
    with open_desk(broker, existing_store(store) if send else store, live=live) as desk:
        if send and not json:
            desk.on(m.EventKind.PLAN, progress(desk, m.PlanKind.REBALANCE))
        note_new_strategy(desk.book, strategy)
        wanted = targets_of(rows, targets, desk)
        with named_options(_OPTIONS):
            plan = desk.rebalance(
                wanted,
                strategy=strategy,
                capital=capital,
                dry_run=not send,
                others=others,
                open_orders=open_orders,
                order_type=order_type,
                cash_buffer=cash_buffer,
                band=band,
                whole_shares=whole_shares,
            )
        if not send:
            return print_dry_run(plan, desk.book, json=json)
        return print_outcome(follow(desk, plan, wait), json=json)


@frozen
class TargetRow:
    """One line of a file of targets, with what is wrong with it; ``""``: nothing, as it is read."""

    line: int
    symbol: str = ""
    kind: str = ""
    number: m.Number = 0
    wrong: str = ""


def read_targets(path: Path) -> list[TargetRow]:
    """
    Read targets from a CSV file with a header; the columns may be in any order.

    Raises: InvalidValue if the file cannot be read, or its header names no targets.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise errors.InvalidValue(f"{path} cannot be read: {errors.cause(error)}") from None
    reader = csv.reader(text.splitlines())
    head = [x.strip().lower() for x in next(reader, [])]
    kinds = [x for x in head if x in _KINDS]
    if "symbol" not in head or not kinds or len(set(head)) < len(head):
        raise errors.InvalidValue(
            f"{path}: the first line names the columns: symbol, and weight, notional or qty"
        )
    found: list[TargetRow] = []
    for row in reader:
        cells = dict(zip(head, (x.strip() for x in row), strict=False))
        if any(x.strip() for x in row):
            extra = [x for x in row[len(head) :] if x.strip()]
            found.append(_row(reader.line_num, cells, kinds, extra, found))
    return found


def _row(
    line: int,
    cells: Mapping[str, str],
    kinds: Sequence[str],
    extra: Sequence[str],
    before: Sequence[TargetRow],
) -> TargetRow:
    given = [kind for kind in kinds if cells.get(kind)]
    if extra:
        return TargetRow(line, wrong=f"it has more cells than the first line: {', '.join(extra)}")
    if len(given) != 1 or not cells.get("symbol"):
        return TargetRow(line, wrong=f"a row has a symbol and one of {', '.join(kinds)}")
    try:
        symbol, number = m.symbol_of(cells["symbol"]), m.number(cells[given[0]])
    except ValueError as error:
        return TargetRow(line, wrong=str(error))
    row = TargetRow(line, symbol, given[0], number)
    first = next((x.line for x in before if x.symbol == symbol), None)
    return row if first is None else evolve(row, wrong=f"{symbol} has a target in line {first} too")


def targets_of(rows: Sequence[TargetRow], path: Path, desk: Desk) -> m.Targets:
    """
    Return the targets of *rows*, whose symbols the broker lists.

    Raises: InvalidValue with every line that is wrong.
    """
    problems = [(x.line, x.wrong or _unlisted(x.symbol, desk)) for x in rows]
    wrong = [f"{path}, line {line}: {why}" for line, why in problems if why]
    if wrong:
        raise errors.InvalidValue("\n".join(wrong))
    weights, notional, qty = ([(x.symbol, x.number) for x in rows if x.kind == k] for k in _KINDS)
    return m.Targets(weights=weights, notional=notional, qty=qty)


def _unlisted(symbol: str, desk: Desk) -> str:
    """Return why *symbol* cannot have a target; ``""``: it can, as far as is known."""
    try:
        desk.opens_at(symbol)  # the call that names a symbol and does nothing about it
    except errors.UnknownSymbol as error:
        return str(error)
    return ""
