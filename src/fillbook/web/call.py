"""
One request to the service, once its token and its parameters were checked, and its answer.

A handler is a function of a `Call`; it runs in a thread and may read the store.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from fillbook import codec
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.access.instructing import Instructing
from fillbook.desk.record.book import Book
from fillbook.errors import InvalidValue
from fillbook.model.account.token import Scope, Token
from fillbook.store import Store
from fillbook.web import problems
from fillbook.web.schema import Schema

#: The rows of a page, unless stated otherwise, and at most.
LIMIT: Final = 100
LIMIT_MAX: Final = 1_000
#: The characters of a parameter at most.
TEXT_MAX: Final = 200
#: The longest wait of ``Prefer: wait=``, in seconds.
WAIT_MAX_S: Final = 30


@frozen
class Parameter:
    """A query parameter: its schema, and how its text becomes a value."""

    name: str
    schema: Schema
    read: Callable[[str], Any]
    about: str


def _text(value: str) -> str:
    if not 0 < len(value) <= TEXT_MAX or not value.isprintable():
        raise InvalidValue(f"must be 1 to {TEXT_MAX} printable characters")
    return value


def _flag(value: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidValue("must be true or false")
    return value == "true"


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 4):
        raise InvalidValue(f"must be a whole number from 1 to {LIMIT_MAX}")
    number = int(value)
    if not 0 < number <= LIMIT_MAX:
        raise InvalidValue(f"must be a whole number from 1 to {LIMIT_MAX}")
    return number


def _day(value: str) -> date:
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise InvalidValue("must be a day such as 2026-01-05") from None
    if found.isoformat() != value:
        raise InvalidValue("must be a day such as 2026-01-05")
    return found


def _choice(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise InvalidValue(f"must be one of {', '.join(words)}")
        return value

    return read


def text(name: str, about: str) -> Parameter:
    """Return a parameter that is a text."""
    schema = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX, "pattern": r"^[ -~]+$"}
    return Parameter(name, schema, _text, about)


def flag(name: str, about: str) -> Parameter:
    """Return a parameter that is true or false."""
    return Parameter(name, {"type": "boolean"}, _flag, about)


def choice(name: str, words: Sequence[str], about: str) -> Parameter:
    """Return a parameter that is one of *words*."""
    return Parameter(name, {"type": "string", "enum": list(words)}, _choice(*words), about)


STRATEGY: Final = text("strategy", "Only this strategy.")
SYMBOL: Final = text("symbol", "Only this symbol.")
SINCE: Final = Parameter(
    "since", {"type": "string", "format": "date"}, _day, "From this day (UTC)."
)
PAGE: Final = (
    text("after", "The `next` of the page before."),
    Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX},
        _limit,
        f"How many rows at most; else {LIMIT}.",
    ),
    flag("newest", "Newest first, which is the default; false: oldest first."),
)


@frozen(kw_only=True)
class Call:
    """
    One request.

    `token` None: reading without a token is permitted (this machine only).  `wait_s` is how long
    the answer may wait for the end of what was instructed, in seconds.  `allow` are the scopes
    whose instructions the service accepts.
    """

    book: Book
    store: Store
    clock: Clock
    instructing: Instructing
    token: Token | None
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    wait_s: float = 0.0
    allow: frozenset[Scope] = frozenset()

    @property
    def sees_all(self) -> bool:
        """Whether all strategies, and the whole account, are shown."""
        return self.token is None or self.token.sees_account

    def sees(self, strategy: str | None) -> bool:
        """Whether the orders of *strategy* are shown."""
        return self.token is None or self.token.sees(strategy)

    @property
    def strategies(self) -> Sequence[str] | None:
        """The strategies to read; None: all."""
        wanted: str | None = self.query.get("strategy")
        if self.sees_all:
            return None if wanted is None else (wanted,)
        assert self.token is not None
        return [x for x in self.token.strategies if wanted in (None, x)]

    @property
    def page(self) -> dict[str, Any]:
        """The arguments of a page of the book; one more row shows whether there is a next one."""
        return {
            "limit": self.query.get("limit", LIMIT) + 1,
            "newest": self.query.get("newest", True),
        }

    @property
    def token_id(self) -> str:
        """The id of the token, which every instruction needs."""
        assert self.token is not None  # the rule of the route requires one
        return self.token.token_id


@frozen
class Answer:
    """An answer: JSON text, and rows for CSV (None: it is no list)."""

    text: str
    rows: Sequence[Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = {}


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer with one value."""
    return Answer(codec.to_json(value), None, status, headers or {})


def page(call: Call, rows: Sequence[Any], cursor_of: Callable[[Any], str]) -> Answer:
    """Return the answer with a page: the rows, and where the next page begins."""
    limit = call.query.get("limit", LIMIT)
    shown = rows[:limit]
    following = json.dumps(cursor_of(shown[-1])) if len(rows) > limit else "null"
    return Answer(f'{{"items":[{_joined(shown)}],"next":{following}}}', shown)


def items(rows: Sequence[Any]) -> Answer:
    """Return the answer with a whole list."""
    return Answer(f'{{"items":[{_joined(rows)}],"next":null}}', rows)


def _joined(rows: Sequence[Any]) -> str:
    return ",".join(codec.to_json(x) for x in rows)


#: A cell that a spreadsheet would compute.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Sequence[Any]) -> str:
    """Return *rows* as CSV: one column per field; what is composed is JSON, in one cell."""
    written = [json.loads(codec.to_json(x)) for x in rows]
    columns = list(dict.fromkeys(name for row in written for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in written:
        writer.writerow(_cell(row.get(name)) for name in columns)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    return f"'{value}" if value.startswith(_FORMULA) and not _is_number(value) else value


def _is_number(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except ArithmeticError:
        return False


def read_query(
    parameters: Sequence[Parameter], given: Sequence[tuple[str, str]]
) -> Mapping[str, Any]:
    """Read the query of a request. Raises: Problem."""
    known = {x.name: x for x in parameters}
    found: dict[str, Any] = {}
    for name, value in given:
        if name not in known or name in found:
            names = ", ".join(known) or "none"
            raise problems.invalid(f"a parameter is unknown or repeated; known are: {names}")
        try:
            found[name] = known[name].read(value)
        except InvalidValue as error:
            raise problems.invalid(f"{name} {error}") from None
    return found


def cursor_number(call: Call) -> int:
    """Return the cursor of a page of the journal. Raises: Problem."""
    after = call.query.get("after", "0")
    if not (after.isascii() and after.isdecimal() and len(after) <= 12):
        raise problems.invalid("after must be the `next` of a page")
    return int(after)


def moment(call: Call) -> m.Timestamp:
    """Return the present time."""
    return m.timestamp(call.clock.now())
