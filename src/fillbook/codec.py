"""
Values to JSON text and back, exactly.

One converter for everything that is kept: a Decimal is the plain text of its value,
an enum its value, a time ISO text, a union of classes a body with the class's name
under ``"_type"``.  Keys that we do not know are passed over, and fields that are not
there take their default, so that an older text stays readable.  A None that is the
default is not written.

orjson is used where it is installed; each of the two libraries reads what the other wrote.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib import import_module
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from fillbook import model as m
from fillbook.errors import InvalidValue, StoreDamaged

orjson: ModuleType | None
try:
    orjson = import_module("orjson")
except ImportError:  # the extra [fast] is not installed
    orjson = None

T = TypeVar("T")
log = logging.getLogger("fillbook")

TAG: Final = "_type"  #: where a union's body says which class it is; no field is called so

_SHOWN: Final = 80  #: characters of an unreadable text that its error quotes


def dump(value: Any) -> str:
    """*value*, an instance of an attrs class, as text that `load` takes with its type."""
    kind: Any = type(value)
    return _write(_writer(kind)(value))


def load(of: type[T], text: str) -> T:
    """
    The value of type *of* that `dump` made *text* from.

    Raises: StoreDamaged, naming the type, when *text* does not say such a value.
    """
    try:
        return cast(T, _reader(cast(Any, of))(_read(text), of))
    # Anything may be wrong with a damaged text, and each way raises an error of its own.
    except Exception as error:
        raise StoreDamaged(
            f"no {getattr(of, '__name__', 'value')} can be read from {text[:_SHOWN]!r}: {error!r}"
        ) from error


def load_or_none(of: type[T], text: str | None) -> T | None:
    """What `load` gives; None where there is no text, or a damaged one that is logged."""
    if text is None:
        return None
    try:
        return load(of, text)
    except StoreDamaged as error:
        log.warning("what cannot be read is made anew: %s", error)
        return None


def dump_entry(entry: m.Entry) -> str:
    """*entry* as text that says which class it is."""
    return _write(_writer(m.Entry)(entry))


def load_entry(text: str) -> m.Entry:
    """
    The entry that `dump_entry` made *text* from.

    Raises: StoreDamaged when *text* does not say an entry.
    """
    return load(cast("type[m.Entry]", m.Entry), text)


def _write(plain: object) -> str:
    if orjson is not None:
        try:
            return cast(str, orjson.dumps(plain).decode())
        except TypeError:
            pass  # half of a surrogate pair, or an int beyond 64 bits: json can write both
    return json.dumps(plain, separators=(",", ":"))


def _read(text: str) -> object:
    if orjson is not None:
        try:
            return cast(object, orjson.loads(text))
        except ValueError:
            pass  # what json wrote for the sake of `_write`, or damage: json tells them apart
    return cast(object, json.loads(text))


# --- the hooks ----------------------------------------------------------------------------------


def _as_is(value: object, _: object = None) -> Any:
    return value


def _number_text(value: Decimal) -> str:
    if not value.is_finite():
        raise InvalidValue(f"{value} is not a finite number and cannot be kept")
    return format(value, "f")


def _number(text: object, _: object) -> Decimal:
    if type(text) is not str:
        raise TypeError(f"{text!r} is not the text of a number")
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _only(kind: type) -> Callable[[object, object], Any]:
    """A hook that lets values of exactly *kind* pass: `str(None)` must not become a word."""

    def check(value: object, _: object) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is not of type {kind.__name__}")
        return value

    return check


@cache
def _members(kind: type[StrEnum]) -> Mapping[object, StrEnum]:
    return {member.value: member for member in kind}


def _member(word: object, kind: Any) -> StrEnum:
    return _members(kind)[word]


def _classes(union: object) -> tuple[type[Any], ...]:
    return tuple(kind for kind in get_args(union) if kind is not NoneType)


def _is_union_of_classes(kind: object) -> bool:
    """Whether *kind* unites several attrs classes, with or without None."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    classes = _classes(kind)
    return len(classes) > 1 and all(attrs.has(one) for one in classes)


def _union_writer(union: object, converter: Converter) -> Callable[[Any], Any]:
    writers = {one: converter.get_unstructure_hook(one) for one in _classes(union)}

    def write(value: Any) -> Any:
        if value is None:
            return None
        kind = type(value)
        return {TAG: kind.__name__, **writers[kind](value)}

    return write


def _union_reader(union: object, converter: Converter) -> Callable[[Any, object], Any]:
    readers = {one.__name__: (one, converter.get_structure_hook(one)) for one in _classes(union)}
    optional = NoneType in get_args(union)

    def read(body: Any, _: object) -> Any:
        if body is None and optional:
            return None
        kind, reader = readers[body[TAG]]
        return reader(body, kind)

    return read


def _class_writer(kind: type[Any], converter: Converter) -> Callable[[Any], Any]:
    """Every field by its name, but no None that is the default."""
    attrs.resolve_types(kind)
    silent = {
        one.name: override(omit_if_default=True)
        for one in attrs.fields(kind)
        if one.default is None
    }
    return make_dict_unstructure_fn(kind, converter, **silent)  # type: ignore[arg-type]


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook_factory(attrs.has, _class_writer)
    converter.register_unstructure_hook_factory(_is_union_of_classes, _union_writer)
    converter.register_structure_hook_factory(_is_union_of_classes, _union_reader)
    # Both JSON libraries write a StrEnum as its value.
    converter.register_unstructure_hook(StrEnum, _as_is)
    converter.register_structure_hook(StrEnum, _member)
    for exact in (str, int, bool):
        converter.register_structure_hook(exact, _only(exact))
    converter.register_unstructure_hook(Decimal, _number_text)
    converter.register_structure_hook(Decimal, _number)
    for moment in (datetime, date):
        converter.register_unstructure_hook(moment, moment.isoformat)
        converter.register_structure_hook(moment, lambda text, kind: kind.fromisoformat(text))
    return converter


_CONVERTER: Final = _make_converter()


@cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    return _CONVERTER.get_unstructure_hook(kind)


@cache
def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    return _CONVERTER.get_structure_hook(kind)
