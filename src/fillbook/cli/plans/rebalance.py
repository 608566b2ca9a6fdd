"""`fillbook rebalance`: targets from a file, their plan, and its progress."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Final, Literal

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
    open_desk,
)
from fillbook.cli.plans.follow import WaitOption, follow, print_dry_run, print_outcome, progress

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
    wanted = read_targets(targets)
    with open_desk(broker, existing_store(store) if send else store, live=live) as desk:
        if send and not json:
            desk.on(m.EventKind.PLAN, progress(desk, m.PlanKind.REBALANCE))
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
            return print_dry_run(plan, json=json)
        return print_outcome(follow(desk, plan, wait), json=json)


def read_targets(path: Path) -> m.Targets:
    """
    Read targets from a CSV file with a header; the columns may be in any order.

    Raises: InvalidValue, with the line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise errors.InvalidValue(f"{path} cannot be read: {errors.cause(error)}") from None
    rows = list(csv.reader(text.splitlines()))
    head = [x.strip().lower() for x in rows[0]] if rows else []
    kinds = [x for x in head if x in _KINDS]
    if "symbol" not in head or not kinds or len(set(head)) < len(head):
        raise errors.InvalidValue(
            f"{path}: the first line names the columns: symbol, and weight, notional or qty"
        )
    found: dict[str, list[tuple[str, m.Number]]] = {kind: [] for kind in _KINDS}
    for line, row in enumerate(rows[1:], start=2):
        cells = dict(zip(head, (x.strip() for x in row), strict=False))
        if not any(cells.values()):
            continue
        given = [kind for kind in kinds if cells.get(kind)]
        if len(given) != 1 or not cells.get("symbol"):
            raise errors.InvalidValue(
                f"{path}, line {line}: a row has a symbol and one of {', '.join(kinds)}"
            )
        found[given[0]].append((cells["symbol"], _number(cells[given[0]], path, line)))
    return m.Targets(weights=found["weight"], notional=found["notional"], qty=found["qty"])


def _number(text: str, path: Path, line: int) -> m.Number:
    try:
        return m.number(text)
    except ValueError as error:
        raise errors.InvalidValue(f"{path}, line {line}: {error}") from None
