"""
A table of any length, as rich draws it.

rich measures each cell twice and draws each in a dozen steps, which takes a millisecond for a row.
Here it draws the head, the rows whose cells decide the widths of the columns, and each text once:
the cells of a column repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text


class LongTable:
    """
    A table of *rows* of rich markup under *columns*.

    Columns in ``>`` are right-aligned; these and those in ``!`` fold last.
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self._columns = columns
        self._rows = [tuple(row) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._by_rich(self._deciding()), options, pad=False)
        texts = ["".join(x.text for x in line) for line in lines]
        # The second character is that of the line; others part the columns.
        dash = re.escape(texts[0][1:2]) or "-"
        widths = [len(x) - 2 for x in re.findall(f"{dash}+", texts[0])]
        if len(widths) < len(self._columns) or min(widths) < 1:  # the terminal is too narrow
            yield self._by_rich(self._rows)
            return
        head = next(i for i, text in enumerate(texts) if i and text[1] == text[2] != " ")
        side = texts[head + 1][0]
        for line in lines[: head + 1]:
            yield from (*line, Segment.line())
        yield from self._drawn(console, widths, side)
        yield from (*lines[-1], Segment.line())

    def _by_rich(self, rows: Iterable[Sequence[str]]) -> Table:
        made = Table(expand=False)
        for name in self._columns:
            made.add_column(
                name.rstrip(">!"),
                justify="right" if name.endswith(">") else "left",
                overflow="fold",
                no_wrap=name.endswith(("!", ">")),
            )
        for row in rows:
            made.add_row(*row)
        return made

    def _deciding(self) -> Iterator[list[str]]:
        """Return rows with the widest cell, and the cell with the longest word, of each column."""
        columns = [dict.fromkeys(cells) for cells in zip(*self._rows, strict=True)]
        for measure in (_width, _word):
            yield [
                max(cells, key=lambda cell: measure(Text.from_markup(cell).plain))
                for cells in columns
            ]

    def _drawn(self, console: Console, widths: Sequence[int], side: str) -> Iterator[Segment]:
        """Return the lines of the rows, between lines of *side*."""
        folded = cache(partial(_folded, console))
        rights = [name.endswith(">") for name in self._columns]
        between, end = Segment(f" {side} "), Segment(f" {side}\n")
        for row in self._rows:
            cells = list(map(folded, row, widths, rights))
            for number in range(max(map(len, cells))):
                yield Segment(f"{side} ")
                for index, (lines, width) in enumerate(zip(cells, widths, strict=True)):
                    if index:
                        yield between
                    if number < len(lines):
                        yield from lines[number]
                    else:
                        yield Segment(" " * width)
                yield end


def _width(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _folded(console: Console, markup: str, width: int, right: bool) -> list[list[Segment]]:
    """Return the lines of a cell, each as wide as its column."""
    cell = Text.from_markup(markup)
    justify: JustifyMethod = "right" if right else "left"
    made = console.options.update(width=width, justify=justify, overflow="fold", no_wrap=False)
    return console.render_lines(cell, made)
