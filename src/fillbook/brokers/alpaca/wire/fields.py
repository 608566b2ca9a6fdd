"""
Reading JSON objects of a broker, tolerantly and exactly.

Rule 1: nothing but `InvalidValue` escapes, and its message says which field of what.
Rule 2: numbers arrive as JSON numbers or as strings and leave as `Decimal`, digit by digit.
Rule 3: an empty string is a missing value; Alpaca sends both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from fillbook import model as m
from fillbook.errors import InvalidValue

T = TypeVar("T")

#: Whose wall clock Alpaca's bare dates and times are.
NEW_YORK: Final = ZoneInfo("America/New_York")

#: No price or quantity is longer; beyond it a few bytes of text would print as gigabytes.
_DIGITS_MAX: Final = 60

#: Go's zero time and its like stand for "never".
_FIRST_YEAR: Final = "1970"
_LAST_YEAR: Final = "2970"


@lru_cache(maxsize=4096)
def _timestamp(value: str) -> m.Timestamp | None:
    """*value* as a Stamp; None if it is none.  A poll shows mostly what the last one showed."""
    try:
        return m.timestamp(value)
    except InvalidValue:
        return None


@lru_cache(maxsize=4096)
def _number(value: str | int | float | Decimal) -> Decimal:
    """*value*, exactly.  Prices and quantities repeat, and a Decimal is for ever the same."""
    result = m.number(value)
    if result and abs(result.adjusted()) > _DIGITS_MAX:
        raise InvalidValue("too long for a price or a quantity")
    return result


def parse(text: str | bytes) -> object:
    """
    The JSON in *text*, with every number a `Decimal`.

    Raises: InvalidValue for what is no JSON, NaN and infinities included.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidValue(f"not JSON: {text[:80]!r}") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(word)


def array(raw: object, what: str) -> Sequence[object]:
    """*raw* as a list.  Raises: InvalidValue."""
    if not isinstance(raw, (list, tuple)):
        raise InvalidValue(f"{what}: a list was expected, not {_json_type(raw)}")
    return raw


class Row:
    """One JSON object; `what` names it in messages."""

    __slots__ = ("fields", "what")

    def __init__(self, what: str, fields: Mapping[object, Any]) -> None:
        self.what = what
        self.fields = fields

    def text(self, name: str) -> str | None:
        """The string in *name*; None if missing, null or empty."""
        value = self.fields.get(name)
        if value is None or isinstance(value, str):
            return value or None
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return str(value)
        raise self.invalid(name, "text")

    def need_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.invalid(name, "text")
        return value

    def number(self, name: str) -> Decimal | None:
        """The number in *name*; None if missing, null or empty."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        try:
            return _number(value)
        except (InvalidValue, TypeError):
            raise self.invalid(name, "a number of this world") from None

    def need_number(self, name: str) -> Decimal:
        value = self.number(name)
        if value is None:
            raise self.invalid(name, "a number")
        return value

    def above_zero(self, name: str) -> Decimal | None:
        """The number in *name*, but None where it is not above zero: Alpaca's "not told"."""
        value = self.number(name)
        return value if value is not None and value > 0 else None

    def time(self, name: str) -> m.Timestamp | None:
        """The moment in *name*; None if it is missing, unreadable or bears no zone."""
        value = self.fields.get(name)
        if not isinstance(value, str) or value < _FIRST_YEAR:
            return None
        return _timestamp(value)

    def need_time(self, name: str) -> m.Timestamp:
        value = self.time(name)
        if value is None:
            raise self.invalid(name, "a time with a zone")
        return value

    def day(self, name: str) -> date:
        """The calendar day in *name*."""
        text = self.need_text(name)[:10]
        try:
            if _FIRST_YEAR <= text < _LAST_YEAR:
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise self.invalid(name, "a date")

    def flag(self, name: str) -> bool:
        """Whether *name* is true, as JSON or as text."""
        value = self.fields.get(name)
        return value is True or (isinstance(value, str) and value.lower() == "true")

    def enum(self, name: str, values: Mapping[str, T], unknown: T) -> T:
        """What *words* makes of the word in *name*, whatever its case; else *unknown*."""
        value = self.fields.get(name)
        return values.get(value.lower(), unknown) if isinstance(value, str) else unknown

    def row(self, name: str) -> Row | None:
        """The object in *name*; None if missing or null."""
        value = self.fields.get(name)
        return None if value is None else row(value, f"{self.what}, {name}")

    def invalid(self, name: str, wanted: str) -> InvalidValue:
        """The error that says that *name* is not what was *wanted*."""
        own = self.fields.get("id")
        what = f"{self.what} {own}" if isinstance(own, str) and name != "id" else self.what
        return InvalidValue(f"{what}: {name} should be {wanted}, not {self._shown(name)}")

    def _shown(self, name: str) -> str:
        value = self.fields.get(name)
        return _json_type(value) if isinstance(value, (dict, list)) else repr(value)[:60]


def row(raw: object, what: str) -> Row:
    """*raw* as an object that is called *what*.  Raises: InvalidValue."""
    if not isinstance(raw, dict):
        raise InvalidValue(f"{what}: an object was expected, not {_json_type(raw)}")
    return Row(what, raw)


def _json_type(raw: object) -> str:
    return "nothing" if raw is None else f"a {type(raw).__name__}"
