"""
The types of what an adapter returns: a field of another type could be written, and not read again.

Type hints are not checked when a program runs, and the ids, numbers and times of a reply are often
of another type than ours.  So the gateway checks every reply, and so does the broker suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin

import attrs

from fillbook import model as m
from fillbook.errors import InvalidValue

#: Return what is wrong with a value; None: nothing.
Check = Callable[[Any], str | None]

#: What is wrong begins with it for a value, and with the name of the field for a field.
_THE: Final = "the "
_SHOWN: Final = 60  #: characters of a wrong value that its message quotes


def wrong_type(reply: object) -> str | None:
    """Return which field of *reply*, a value of `fillbook.model`, has a wrong type; None: none."""
    kind = type(reply)
    if not attrs.has(kind):
        return _instead(reply, "a value of fillbook.model")
    for name, check in _fields(kind):
        why = check(getattr(reply, name))
        if why is not None:
            # What is wrong in a value of a field names the field of that value already.
            return f"{kind.__name__}.{name} is {why}" if why.startswith(_THE) else why
    return None


def wrong_type_among(reports: Iterable[object]) -> str | None:
    """Return which field of one of *reports* has a wrong type; None: none."""
    return next((why for why in map(wrong_type, reports) if why is not None), None)


def _instead(value: object, wanted: object) -> str:
    text = repr(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    name = wanted.__name__ if isinstance(wanted, type) else wanted
    return f"{_THE}{type(value).__name__} {text} instead of {name}"


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, Check], ...]:
    attrs.resolve_types(kind)
    return tuple((field.name, _check_of(field.type)) for field in attrs.fields(kind))


@cache
def _check_of(of: Any) -> Check:
    """Return the check of a field of type *of*; what adapters do not return is not checked."""
    if get_origin(of) in (Union, UnionType):
        return _check_of_union(get_args(of))
    if get_origin(of) is tuple and get_args(of)[1:] == (...,):
        return _rows(_check_of(get_args(of)[0]))
    if of is m.Timestamp:
        return _time
    if isinstance(of, NewType):
        return _check_of(of.__supertype__)
    if isinstance(of, TypeVar):
        return _value
    if of in _CHECKS:
        return _CHECKS[of]
    if isinstance(of, type) and issubclass(of, StrEnum):
        return lambda value: None if isinstance(value, of) else _instead(value, of)
    if isinstance(of, type) and attrs.has(of):
        return lambda value: wrong_type(value) if isinstance(value, of) else _instead(value, of)
    return lambda _: None


def _check_of_union(kinds: tuple[Any, ...]) -> Check:
    others = [_check_of(one) for one in kinds if one is not NoneType]
    if NoneType not in kinds or len(others) > 1:
        return lambda _: None
    return lambda value: None if value is None else others[0](value)


def _rows(check: Check) -> Check:
    def rows(value: Any) -> str | None:
        if not isinstance(value, list | tuple):
            return _instead(value, tuple)
        return next((why for why in map(check, value) if why is not None), None)

    return rows


def _value(value: Any) -> str | None:
    """The value of an `Observed`: one of ours, or a sequence of them."""
    return _rows(wrong_type)(value) if isinstance(value, list | tuple) else wrong_type(value)


def _exactly(kind: type) -> Check:
    return lambda value: None if type(value) is kind else _instead(value, kind)


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else _instead(value, str)


def _number(value: Any) -> str | None:
    if type(value) is Decimal and value.is_finite():
        return None
    return _instead(value, "Decimal: make each number of the text of the reply, by m.number")


def _moment(value: Any) -> str | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return None
    return _instead(value, "an aware datetime: m.moment makes one of a Timestamp")


def _time(value: Any) -> str | None:
    if isinstance(value, str) and _is_timestamp(value):
        return None
    return _instead(value, "Timestamp: m.timestamp makes one of a text or an aware datetime")


@lru_cache(maxsize=65_536)
def _is_timestamp(text: str) -> bool:
    """Check a text; a list of open orders has the same ones each time, so the result is kept."""
    try:
        return m.timestamp(text) == text
    except InvalidValue:
        return False


_CHECKS: Final[dict[Any, Check]] = {
    str: _text,
    # The reported limit is not stored, and a fault in it loses no reply.
    m.RateLimit: lambda _: None,
    int: _exactly(int),
    bool: _exactly(bool),
    Decimal: _number,
    datetime: _moment,
    date: _exactly(date),
    timedelta: _exactly(timedelta),
}
