"""The commands that read the record: offline, and without keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from attrs import evolve
from cyclopts import Parameter

from fillbook.cli import output
from fillbook.cli.options import (
    CsvOption,
    JsonOption,
    OrderName,
    StoreOption,
    StrategyOption,
    SymbolOption,
    named_options,
    open_book,
    order_named,
    parse_day,
    print_result,
    print_rows,
    unknown_filter,
)
from fillbook.cli.orders import order_details
from fillbook.cli.plans.show import age_of
from fillbook.cli.record.positions_table import cover_of, print_positions, realized_of


def orders(
    *,
    store: StoreOption = None,
    open_only: Annotated[
        bool, Parameter(name="--open", help="Only open orders (not final).")
    ] = False,
    symbol: SymbolOption = None,
    strategy: StrategyOption = None,
    csv: CsvOption = False,
    json: JsonOption = False,
) -> None:
    """List the orders of the record (offline)."""
    with open_book(store) as book:
        found = book.orders(open=open_only or None, symbol=_upper(symbol), strategy=strategy)
        why = "" if found else unknown_filter(book, symbol, strategy)

    def show() -> None:
        output.orders(found)
        output.note(why)

    print_rows("orders", found, show, json=json, csv=csv)


def order(order: OrderName, /, *, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show one order with its fills, requests and anomalies (offline)."""
    with open_book(store) as book:
        found = order_named(book, order)
        fills, requests = book.fills(found), book.requests(found)
    if json:
        output.as_json({"order": found, "fills": fills, "requests": requests})
    else:
        order_details.order(found, fills, requests)


def positions(
    *,
    store: StoreOption = None,
    strategy: StrategyOption = None,
    csv: CsvOption = False,
    json: JsonOption = False,
) -> None:
    """List the positions of the record, and whether their protections cover them (offline)."""
    with open_book(store) as book:
        found, cover = book.positions(strategy=strategy), cover_of(book, strategy)
        status = book.status()
        why = "" if found else unknown_filter(book, strategy=strategy)
        realized = realized_of(book, found) if strategy is None else []
    if strategy is not None:
        own = [tuple(part for part in x.by_strategy if part[0] == strategy) for x in found]
        found = [evolve(x, by_strategy=parts) for x, parts in zip(found, own, strict=True)]

    def show() -> None:
        print_positions(found, cover, strategy, currency=status.currency, realized=realized)
        output.note(why)
        output.note(age_of(status))

    print_rows(
        "positions",
        [(x.symbol, name, part) for x in found for name, part in x.by_strategy if part.qty],
        show,
        json=json,
        csv=csv,
        document={
            "positions": found,
            "protections": [x for _, x in cover],
            "held_as": [symbol for symbol, _ in cover],  # the position of each protection
            "realized": [evolve(x, currency=x.currency or status.currency) for x in realized],
        },
        currency=status.currency,
    )


def trades(
    *,
    store: StoreOption = None,
    symbol: SymbolOption = None,
    csv: CsvOption = False,
    json: JsonOption = False,
) -> None:
    """List round trips from flat to flat, with fill prices (offline)."""
    with open_book(store) as book:
        found, currency = book.trades(symbol=_upper(symbol)), book.status().currency
        why = "" if found else unknown_filter(book, symbol)

    def show() -> None:
        output.trades(found, currency)
        output.note(why)

    print_rows("trades", found, show, json=json, csv=csv, currency=currency)


def pnl(
    *,
    store: StoreOption = None,
    since: Annotated[
        str | None, Parameter(help="From that day on (UTC), like 2026-01-05; else all of it.")
    ] = None,
    by: Annotated[
        str, Parameter(show_default=True, help="What a row is about: symbol, strategy or day.")
    ] = "symbol",
    cost: Annotated[
        str, Parameter(show_default=True, help="Which cost sold units have: average or fifo.")
    ] = "average",
    csv: CsvOption = False,
    json: JsonOption = False,
) -> None:
    """
    Show realized P&L, fees, dividends and interest (offline: open positions have no quotes).

    With --cost fifo, --json lists the lots too.
    """
    with open_book(store) as book, named_options({"by": "--by", "cost": "--cost"}):
        found = book.pnl(since=parse_day(since), by=by, cost=cost)
        currency = book.status().currency

    def show() -> None:
        output.pnl(found, currency)

    print_rows("pnl", found.rows, show, json=json, csv=csv, document=found, currency=currency)


def export(
    what: Annotated[
        Literal["orders", "fills", "trades", "positions", "pnl", "slippage"],
        Parameter(help="The table: orders, fills, trades, positions, pnl or slippage."),
    ],
    path: Annotated[
        Path, Parameter(help="The file: its ending, .csv, .jsonl or .parquet, is the format.")
    ],
    /,
    *,
    store: StoreOption = None,
) -> None:
    """Write a table of the record to a file, with exact numbers (offline)."""
    with open_book(store) as book:
        count = book.export(path.suffix.removeprefix("."), path, what=what)
    output.out.print(f"{count} rows: {output.cell(path)}", soft_wrap=True)


def audit(
    *,
    store: StoreOption = None,
    last: Annotated[
        int, Parameter(show_default=True, help="Number of newest entries; 0 for all.")
    ] = 40,
    json: JsonOption = False,
) -> None:
    """Show the journal: all entries of the record, oldest first (offline)."""
    with open_book(store) as book:
        entries = book.journal()
    print_result(entries[-last:] if last > 0 else entries, output.audit, json=json)


def _upper(symbol: str | None) -> str | None:
    return None if symbol is None else symbol.strip().upper()
