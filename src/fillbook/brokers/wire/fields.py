"""
Read the fields of a broker's JSON objects.

Rule 1: the only exception is `InvalidValue`; its message names the object and the field.
Rule 2: numbers are JSON numbers or strings, and become `Decimal` without rounding.
Rule 3: an empty string is a missing value; brokers send both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import NoneType
from typing import Any, Final, NoReturn, TypeVar

from fillbook import model as m
from fillbook.errors import InvalidValue

T = TypeVar("T")

#: Times outside these years (such as Go's zero time) mean "no time".
_FIRST_YEAR: Final = "1970"
_LAST_YEAR: Final = "2970"

#: The types of a text or of none.
_TEXTS: Final = frozenset((str, NoneType))

#: How many texts a `_Memo` keeps, and how long they may be.
_TEXTS_MAX: Final = 4096
_LENGTH_MAX: Final = 64


class _Memo(dict[object, T | None]):
    """
    The values of decoded texts: prices, quantities and times repeat.  An empty one is None.

    Only texts are kept: as keys, 1 and True would be the same.
    """

    def __init__(self, decode: Callable[[Any], T | None]) -> None:
        super().__init__()
        self._decode = decode

    def __missing__(self, value: object) -> T | None:
        decoded = None if value is None or value == "" else self._decode(value)
        if value is None or (type(value) is str and len(value) <= _LENGTH_MAX):
            if len(self) >= _TEXTS_MAX:
                self.clear()
            self[value] = decoded
        return decoded


def _timestamp(value: object) -> m.Timestamp | None:
    """Decode a timestamp; None if invalid."""
    if not isinstance(value, str) or value < _FIRST_YEAR:
        return None
    try:
        return m.timestamp(value)
    except InvalidValue:
        return None


_NUMBERS: Final = _Memo[Decimal](m.number)
_TIMES: Final = _Memo[m.Timestamp](_timestamp)


def parse(text: str | bytes) -> object:
    """
    Parse the JSON in *text*; every number becomes a `Decimal`.

    Raises: InvalidValue for invalid JSON, NaN and infinities.
    """
    try:
        return _JSON.decode(
            text if isinstance(text, str) else text.decode(json.detect_encoding(text))
        )
    except (ValueError, RecursionError):
        raise InvalidValue(f"not JSON: {text[:80]!r}") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


_JSON: Final = json.JSONDecoder(
    parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant
)


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

    def texts(self, names: Sequence[str]) -> Sequence[str | None]:
        """Read the strings in *names*, each as `text` does."""
        values = [*map(self.fields.get, names)]
        if _TEXTS.issuperset(map(type, values)) and "" not in values:
            return values
        return [self.text(name) for name in names]

    def need_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.invalid(name, "text")
        return value

    def number(self, name: str) -> Decimal | None:
        """Read the number in *name*; None if missing, null or empty."""
        try:
            return _NUMBERS[self.fields.get(name)]
        except (InvalidValue, TypeError):
            raise self.invalid(name, "a number in the valid range") from None

    def numbers(self, names: Sequence[str]) -> Sequence[Decimal | None]:
        """Read the numbers in *names*, each as `number` does."""
        try:
            return [*map(_NUMBERS.__getitem__, map(self.fields.get, names))]
        except (InvalidValue, TypeError):
            return [self.number(name) for name in names]  # it names the field

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
        try:
            return _TIMES[self.fields.get(name)]
        except TypeError:  # a list or an object
            return None

    def times(self, names: Sequence[str]) -> Sequence[m.Timestamp | None]:
        """Read the timestamps in *names*, each as `time` does."""
        try:
            return [*map(_TIMES.__getitem__, map(self.fields.get, names))]
        except TypeError:  # a list or an object
            return [self.time(name) for name in names]

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
