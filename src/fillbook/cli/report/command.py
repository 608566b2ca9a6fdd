"""`fillbook report`: writes the report of a record to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fillbook import errors
from fillbook.cli import output
from fillbook.cli.options import StoreOption, open_book, parse_day
from fillbook.cli.report.figures import figures_of
from fillbook.cli.report.page import page


def report(
    *,
    html: Annotated[Path, Parameter(help="The file to write.")],
    since: Annotated[
        str | None, Parameter(help="From that day on (UTC), like 2026-01-05; else all of it.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """
    Write the record as one HTML file: P&L, differences, protection, slippage, plans (offline).

    The file needs no network and no script; it may be sent, printed, and read on a phone.
    """
    with open_book(store) as book:
        figures = figures_of(book, book.status().at, parse_day(since))
    try:
        html.write_text(page(figures), "utf-8")
    except OSError as error:
        raise errors.InvalidValue(f"{html} cannot be written: {errors.cause(error)}") from None
    output.out.print(f"Report: {output.cell(html)}", soft_wrap=True)
