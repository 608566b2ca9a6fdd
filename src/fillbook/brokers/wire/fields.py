"""
Read the fields of a broker's JSON objects.

Rule 1: the only exception is `InvalidValue`; its message names the object and the field.
Rule 2: numbers are JSON numbers or strings, and become `Decimal` without rounding.
Rule 3: an empty string is a missing value; brokers send both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar

from fillbook import model as m
from fillbook.errors import InvalidValue

T = TypeVar("T")

#: The limit of digits: without it, a few bytes such as 1E999999999 would print as gigabytes.
_DIGITS_MAX: Final = 60

#: Times outside these years (such as Go's zero time) mean "no time".
_FIRST_YEAR: Final = "1970"
_LAST_YEAR: Final = "2970"


@lru_cache(maxsize=4096)
def _timestamp(value: str) -> m.Timestamp | None:
    """Parse a timestamp; None if invalid.  Cached, because most polls repeat the same values."""
    try:
        return m.timestamp(value)
    except InvalidValue:
        return None


@lru_cache(maxsize=4096)
def _number(value: str | int | float | Decimal) -> Decimal:
    """Parse a number without rounding.  Cached, because prices and quantities repeat."""
    result = m.number(value)
    if result and abs(result.adjusted()) > _DIGITS_MAX:
        raise InvalidValue("too many digits for a price or a quantity")
    return result


def parse(text: str | bytes) -> object:
    """
    Parse the JSON in *text*; every number becomes a `Decimal`.

    Raises: InvalidValue for invalid JSON, NaN and infinities.
    """
    try:
        return json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise InvalidValue(f"not JSON: {text[:80]!r}") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def array(raw: object, what: str) -> Sequence[object]:
    """Check that *raw* is a list; *what* names it in messages.  Raises: InvalidValue."""
    if not isinstance(raw, (list, tuple)):
        raise InvalidValue(f"{what}: expected a list, not {_json_type(raw)}")
    return raw


class Row:
    """A JSON object; `what` names it in messages."""

    __slots__ = ("fields", "what")

    def __init__(self, what: str, fields: Mapping[object, Any]) -> None:
        self.what: str = what
        self.fields: Mapping[object, Any] = fields

    def text(self, name: str) -> str | None:
        """Read the string in *name*; None if missing, null or empty."""
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
        """Read the number in *name*; None if missing, null or empty."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        try:
            return _number(value)
        except (InvalidValue, TypeError):
            raise self.invalid(name, "a number in the valid range") from None

    def need_number(self, name: str) -> Decimal:
        value = self.number(name)
        if value is None:
            raise self.invalid(name, "a number")
        return value

    def above_zero(self, name: str) -> Decimal | None:
        """Read the number in *name*; None if not above zero, which is a broker's "no value"."""
        value = self.number(name)
        return value if value is not None and value > 0 else None

    def time(self, name: str) -> m.Timestamp | None:
        """Read the timestamp in *name*; None if missing, invalid or without a zone."""
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
        """Read the calendar day in *name*.  Raises: InvalidValue."""
        text = self.need_text(name)[:10]
        try:
            if _FIRST_YEAR <= text < _LAST_YEAR:
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise self.invalid(name, "a date")

    def flag(self, name: str) -> bool:
        """Return whether *name* is true, as a boolean or as text."""
        value = self.fields.get(name)
        return value is True or (isinstance(value, str) and value.lower() == "true")

    def enum(self, name: str, values: Mapping[str, T], unknown: T) -> T:
        """Map the text in *name* by *values*, regardless of case; *unknown* if it is not there."""
        value = self.fields.get(name)
        return values.get(value.lower(), unknown) if isinstance(value, str) else unknown

    def row(self, name: str) -> Row | None:
        """Read the object in *name*; None if missing or null."""
        value = self.fields.get(name)
        return None if value is None else row(value, f"{self.what}, {name}")

    def invalid(self, name: str, wanted: str) -> InvalidValue:
        """Return the error that *name* is not *wanted*."""
        own = self.fields.get("id")
        what = f"{self.what} {own}" if isinstance(own, str) and name != "id" else self.what
        return InvalidValue(f"{what}: {name} must be {wanted}, not {self._shown(name)}")

    def _shown(self, name: str) -> str:
        value = self.fields.get(name)
        return _json_type(value) if isinstance(value, (dict, list)) else repr(value)[:60]


def row(raw: object, what: str) -> Row:
    """Wrap the object *raw*; *what* names it in messages.  Raises: InvalidValue."""
    if not isinstance(raw, dict):
        raise InvalidValue(f"{what}: expected an object, not {_json_type(raw)}")
    return Row(what, raw)


def _json_type(raw: object) -> str:
    return "nothing" if raw is None else f"a {type(raw).__name__}"
