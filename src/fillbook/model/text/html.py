"""
Values as HTML, for a notebook: a table of the fields, and one for each list of values in them.

A class shows itself by ``_repr_html_ = html_of``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from html import escape
from typing import Final, cast

import attrs

from fillbook.model.number import plain

#: The maximum number of rows of a list that are shown.
_ROWS_MAX: Final = 50
_RIGHT: Final = ' style="text-align:right"'


def html_of(value: object) -> str:
    """Return *value*, one of our classes, as tables; None is shown as a dash."""
    fields, lists = _parts(value)
    rows = "".join(_row("th", name, text) for name, text in fields)
    shown = f"<table><caption>{escape(type(value).__name__)}</caption>{rows}</table>"
    return shown + "".join(_table(name, items) for name, items in lists)


def _parts(value: object) -> tuple[list[tuple[str, object]], list[tuple[str, Sequence[object]]]]:
    """Return the single fields of a value, those of its parts among them, and its lists."""
    fields, lists = list[tuple[str, object]](), list[tuple[str, Sequence[object]]]()
    for name, part in _fields(value):
        if isinstance(part, tuple):
            if part:
                lists.append((name, part))
        elif attrs.has(type(part)):
            inner, more = _parts(part)
            fields += inner
            lists += more
        else:
            fields.append((name, part))
    return fields, lists


def _fields(value: object) -> Iterable[tuple[str, object]]:
    for one in attrs.fields(cast("type[attrs.AttrsInstance]", type(value))):
        yield one.name, getattr(value, one.name)


def _table(name: str, items: Sequence[object]) -> str:
    """Return one list: a column for each field of its values."""
    rows = [_cells(x) for x in items[:_ROWS_MAX]]
    heads = dict.fromkeys(head for row in rows for head in row)
    head = "".join(f"<th>{escape(_words(x))}</th>" for x in heads)
    body = "".join(
        "<tr>" + "".join(_cell("td", row.get(x)) for x in heads) + "</tr>" for row in rows
    )
    more = len(items) - len(rows)
    left = f"<tr><td>and {more} more</td></tr>" if more else ""
    return f"<table><caption>{escape(_words(name))}</caption><tr>{head}</tr>{body}{left}</table>"


def _cells(value: object) -> dict[str, object]:
    """Return the cells of one value of a list; a list inside it is shown by its length."""
    if attrs.has(type(value)):
        fields, lists = _parts(value)
        return {**dict(fields), **{name: f"{len(items)} rows" for name, items in lists}}
    if isinstance(value, tuple):
        found: dict[str, object] = {}
        for place, part in enumerate(value):
            is_value = attrs.has(type(part))
            found |= dict(_parts(part)[0]) if is_value else {" " * place: part}
        return found
    return {"": value}


def _row(tag: str, name: str, value: object) -> str:
    return f"<tr>{_cell(tag, _words(name))}{_cell('td', value)}</tr>"


def _cell(tag: str, value: object) -> str:
    style = _RIGHT if isinstance(value, int | Decimal) and not isinstance(value, bool) else ""
    return f"<{tag}{style}>{escape(_text(value))}</{tag}>"


def _text(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, Decimal):
        return plain(value)
    return str(value.value if isinstance(value, Enum) else value)


def _words(name: str) -> str:
    return name.replace("_", " ").strip()
