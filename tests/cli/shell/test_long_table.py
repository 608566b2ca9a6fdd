"""A long table is drawn as rich draws it, and in a fraction of the time."""

import io

from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fillbook.cli.shell.long_table import LongTable

COLUMNS = ("order!", "request", "type, price", "filled>", "status")
WORDS = st.sampled_from(["buy", "100", "AAPL", "–", "日本株", "x" * 30, "\n", "at 101.25", ":a:"])
PLAIN = st.lists(WORDS, max_size=4).map(" ".join).map(escape)
CELLS = PLAIN | PLAIN.map("[green]{}[/]".format)
ROWS = st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=6)


def drawn(renderable, width, **options):
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    console.print(renderable)
    return console.file.getvalue()


def by_rich(rows):
    made = Table(expand=False)
    for name in COLUMNS:
        right = name.endswith(">")
        made.add_column(
            name.rstrip(">!"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=name.endswith(("!", ">")),
        )
    for row in rows:
        made.add_row(*row)
    return made


@given(st.sampled_from([1, 3, 12, 40, 60, 80, 80, 80, 200]), ROWS)
@example(1, [["c1", "buy", "limit", "0", "new"]])
def test_it_is_the_table_of_rich(width, rows):
    assert drawn(by_rich(rows), width) == drawn(LongTable(COLUMNS, rows), width)
    colors = {"force_terminal": True, "color_system": "truecolor", "legacy_windows": False}
    assert drawn(by_rich(rows), width, **colors) == drawn(LongTable(COLUMNS, rows), width, **colors)


def test_each_text_of_a_column_is_drawn_once(monkeypatch):
    drawn_lines, render_lines = [], Console.render_lines

    def counted(*arguments, **options):
        drawn_lines.append(arguments)
        return render_lines(*arguments, **options)

    monkeypatch.setattr(Console, "render_lines", counted)
    drawn(LongTable(COLUMNS, [["c1", "buy", "limit", "0", "new"]] * 20), 80)
    few = len(drawn_lines)
    drawn(LongTable(COLUMNS, [["c1", "buy", "limit", "0", "new"]] * 2_000), 80)
    assert len(drawn_lines) == 2 * few
