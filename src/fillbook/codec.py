"""
Convert values to JSON text and back, exactly.

One converter serves every stored value: a Decimal is the plain text of its value,
an enum its value, a time ISO text, a union of classes a body with the class's stored word
under ``"_type"``.  Unknown keys are ignored, and missing fields get their default, so that an
older text stays readable.  A None that is the default is not written.

The text contains the words of `WORDS`, never names of classes or fields: a class or a field
that is renamed keeps its word, and to store one without a word is an error.

orjson is used where it is installed; each of the two libraries reads the text of the other.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from fillbook import model as m
from fillbook.errors import Bug, InvalidValue, StoreDamaged
from fillbook.model.journal.stored_words import WORDS as WORDS

orjson: ModuleType | None
try:
    orjson = import_module("orjson")
except ImportError:  # the extra [fast] is not installed
    orjson = None

T = TypeVar("T")
log: logging.Logger = logging.getLogger("fillbook")

TAG: Final = "_type"  #: the key of the class in the body of a union; no field has this name

#: The digits before or after the decimal point of a stored number; a product has 60.
_DIGITS_MAX: Final = 120
#: The largest stored integer: 35 years in microseconds, the unit of the longest times.
_WHOLE_MAX: Final = 1 << 50
_SHOWN: Final = 80  #: characters of an unreadable text that its error quotes


def dump(value: Any) -> str:
    """Return *value*, an instance of an attrs class, as text for `load` with its type."""
    kind: Any = type(value)
    return _write(_writer(kind)(value))


def to_json(value: Any) -> str:
    """
    Return *value*, an instance of an attrs class, as JSON for other programs, by its public names.

    The text is not stored, and `load` does not read it.
    """
    return _write(_SHOWN_BY.get_unstructure_hook(type(value))(value))


def load(of: type[T], text: str) -> T:
    """
    Return the value of type *of* from the *text* of `dump`.

    Raises: StoreDamaged, with the type, if *text* is not such a value.
    """
    try:
        if not isinstance(text, str):
            raise _Unreadable("it is not a text")
        return cast(T, _reader(cast(Any, of))(_read(text), of))
    # A damaged text may have any fault, and each kind of fault raises another error.
    except Exception as error:
        raise StoreDamaged(
            f"{str(text)[:_SHOWN]!r} is not a stored {getattr(of, '__name__', 'entry')}: "
            f"{_reason(error)[:_SHOWN]}"
        ) from error


class _Unreadable(ValueError):
    """A stored value is not what it should be; the message is a sentence."""


def _reason(error: Exception) -> str:
    """Return, for a person, why a text could not be read."""
    match error:
        case KeyError():
            return f"{error} is missing"
        case json.JSONDecodeError():
            return "it is not JSON"
        case _Unreadable() | InvalidValue():
            return str(error)
        case _:
            return "one of its values has another type"


def load_or_none(of: type[T], text: str | None) -> T | None:
    """Return the value of `load`; None if there is no text, or a damaged text, which is logged."""
    if text is None:
        return None
    try:
        return load(of, text)
    except StoreDamaged as error:
        log.warning("a damaged value is discarded and created again: %s", error)
        return None


def dump_entry(entry: m.Entry) -> str:
    """Return *entry* as text that contains its class."""
    return _write(_writer(m.Entry)(entry))


def load_entry(text: str) -> m.Entry:
    """
    Return the entry from the *text* of `dump_entry`.

    Raises: StoreDamaged if *text* is not an entry.
    """
    return load(cast("type[m.Entry]", m.Entry), text)


def _write(plain: object) -> str:
    if orjson is not None:
        try:
            return cast(str, orjson.dumps(plain).decode())
        except TypeError:
            pass  # a lone surrogate, or an int beyond 64 bits: json can write both
    return json.dumps(plain, separators=(",", ":"))


def _read(text: str) -> object:
    if orjson is not None:
        try:
            return cast(object, orjson.loads(text))
        except ValueError:
            pass  # a text that only json can write (see `_write`), or a damaged one
    return cast(object, json.loads(text))


# --- the stored words ---------------------------------------------------------------------------


@frozen
class Words:
    """The stored words of one class: its own, those of its fields, and the former words of both."""

    word: str
    fields: Mapping[str, str]  #: attribute -> word
    former: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(
        factory=dict[str, str]
    )  #: former word of a field -> its word


def declared(table: str) -> dict[str, Words]:
    """Parse a table like `WORDS`; the keys are the names of the classes."""
    rows: dict[str, Words] = {}
    for row in re.sub(r"\n\s+", " ", table.strip()).splitlines():
        head, _, body = row.partition(":")
        name, word, former = _named(head)
        fields: dict[str, str] = {}
        renamed: dict[str, str] = {}
        for attribute, stored, old in map(_named, body.split()):
            fields[attribute] = stored
            renamed |= dict.fromkeys(old, stored)
        rows[name] = Words(word, fields, former, renamed)
    return rows


def _named(text: str) -> tuple[str, str, tuple[str, ...]]:
    name, _, words = text.strip().partition("=")
    word, *former = (words or name).split("/")
    return name, word, tuple(former)


_WORDS: Final = declared(WORDS)


def words_of(kind: type[Any]) -> Words:
    """Return the stored words of *kind*.  Raises: Bug, with the names that `WORDS` lacks."""
    words = _WORDS.get(kind.__name__)
    if words is None:
        raise Bug(f"{kind.__name__} has no stored word: add it to model.journal.stored_words.WORDS")
    missing = [x.name for x in attrs.fields(kind) if x.name not in words.fields]
    if missing:
        raise Bug(f"{kind.__name__} has no stored word for {', '.join(missing)}")
    return words


def upcast(body: Mapping[str, Any], words: Words) -> Mapping[str, Any]:
    """Return *body* with the former words of its fields replaced by the present ones."""
    if words.renamed.keys().isdisjoint(body):
        return body
    return {words.renamed.get(key, key): value for key, value in body.items()}


# --- the hooks ----------------------------------------------------------------------------------


def _number_text(value: Decimal) -> str:
    text = str(value)
    if text.isdigit():  # no sign, point or exponent, as most numbers
        return text
    if not value.is_finite():
        raise InvalidValue(f"{value} is not a finite number and cannot be stored")
    return format(value, "f") if "E" in text else text


def _number(text: object, _: object) -> Decimal:
    if type(text) is not str:
        raise _Unreadable(f"{text!r} is not the text of a number")
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > _DIGITS_MAX:
        raise _Unreadable(f"{text[:_SHOWN]!r} is not a number of a broker")
    return value


def _whole(value: object, _: object) -> int:
    if type(value) is not int or abs(value) > _WHOLE_MAX:
        raise _Unreadable(f"{value!r} is not a whole number in range")
    return value


@lru_cache(maxsize=65_536)
def _timestamp(value: object, _: object = None) -> m.Timestamp:
    """Check a stored time: the most repeat, so that the result is kept."""
    if type(value) is not str or m.timestamp(value) != value:
        raise _Unreadable(f"{value!r} is not a stored time")
    return m.Timestamp(value)


def stored_time(value: object) -> m.Timestamp:
    """Return the time in a column. Raises: StoreDamaged."""
    try:
        return _timestamp(value)
    except (TypeError, ValueError):
        raise StoreDamaged(f"not a stored time: {str(value)[:_SHOWN]!r}") from None


def _only(kind: type) -> Callable[[object, object], Any]:
    """Make a hook that accepts only values of exactly *kind*: `str(None)` must not be stored."""

    def check(value: object, _: object) -> Any:
        if type(value) is not kind:
            raise _Unreadable(f"{value!r} is not of type {kind.__name__}")
        return value

    return check


@cache
def _members(kind: type[StrEnum]) -> Mapping[str, StrEnum]:
    return {member.value: member for member in kind}


def _member(word: Any, kind: Any) -> StrEnum:
    members = _members(kind)
    if word not in members:
        raise _Unreadable(f"{word!r} is not one of {', '.join(members)}")
    return members[word]


def _classes(union: object) -> tuple[type[Any], ...]:
    return tuple(kind for kind in get_args(union) if kind is not NoneType)


def _present(kind: Any) -> Any:
    """Return the type without None, if it is one type or None."""
    others = [one for one in get_args(kind) if one is not NoneType]
    is_optional = get_origin(kind) in (Union, UnionType) and len(others) == 1
    return others[0] if is_optional else kind


def _is_union_of_classes(kind: object) -> bool:
    """Whether *kind* unites several attrs classes, with or without None."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    classes = _classes(kind)
    return len(classes) > 1 and all(attrs.has(one) for one in classes)


def _as_named(kind: type[Any]) -> Words:
    """The names of a class and its fields, as its words."""
    return Words(kind.__name__, {x.name: x.name for x in attrs.fields(kind)})


def _union_writer(
    union: object, converter: Converter, words: Callable[[type[Any]], Words]
) -> Callable[[Any], Any]:
    writers = {one: converter.get_unstructure_hook(one) for one in _classes(union)}
    tags = {one: words(one).word for one in _classes(union)}

    def write(value: Any) -> Any:
        if value is None:
            return None
        kind = type(value)
        return {TAG: tags[kind], **writers[kind](value)}

    return write


def _union_reader(union: object, converter: Converter) -> Callable[[Any, object], Any]:
    readers = {
        word: (one, converter.get_structure_hook(one))
        for one in _classes(union)
        for word in (words_of(one).word, *words_of(one).former)
    }
    optional = NoneType in get_args(union)

    def read(body: Any, _: object) -> Any:
        if body is None and optional:
            return None
        kind, reader = readers.get(body.get(TAG), (None, None))
        if kind is None or reader is None:
            raise _Unreadable("its kind is missing or unknown")
        return reader(body, kind)

    return read


def _class_writer(
    kind: type[Any], converter: Converter, words: Callable[[type[Any]], Words]
) -> Callable[[Any], Any]:
    """Every field by its word, but no None that is the default."""
    attrs.resolve_types(kind)
    fields = words(kind).fields
    named = {}
    for one in attrs.fields(kind):
        is_omitted, hook = one.default is None, None
        of = _present(one.type)
        if is_omitted and not get_args(of) and not attrs.has(of):
            # A None that is not written needs no hook that could write it.
            hook = converter.get_unstructure_hook(of)
        named[one.name] = override(
            rename=fields[one.name], omit_if_default=is_omitted, unstruct_hook=hook
        )
    return make_dict_unstructure_fn(kind, converter, **named)  # type: ignore[arg-type]


def _class_reader(kind: type[Any], converter: Converter) -> Callable[[Any, object], Any]:
    """Every field by its stored word, or a former one."""
    attrs.resolve_types(kind)
    words = words_of(kind)
    stored = {name: override(rename=word) for name, word in words.fields.items()}
    read = make_dict_structure_fn(
        kind,
        converter,
        _cattrs_detailed_validation=False,
        **stored,  # type: ignore[arg-type]
    )
    if not words.renamed:
        return read
    return lambda body, _: read(upcast(body, words), kind)


def _writing_converter(words: Callable[[type[Any]], Words]) -> Converter:
    """A converter that writes each class by *words*."""
    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook_factory(
        attrs.has, lambda kind, within: _class_writer(kind, within, words)
    )
    converter.register_unstructure_hook_factory(
        _is_union_of_classes, lambda union, within: _union_writer(union, within, words)
    )
    # Both JSON libraries write a StrEnum as its value.
    converter.register_unstructure_hook(StrEnum, identity)
    converter.register_unstructure_hook(Decimal, _number_text)
    for moment in (datetime, date):
        converter.register_unstructure_hook(moment, moment.isoformat)
    return converter


def _stored_converter() -> Converter:
    """Make the converter of stored values; it reads its own texts."""
    converter = _writing_converter(words_of)
    converter.register_structure_hook_factory(attrs.has, _class_reader)
    converter.register_structure_hook_factory(_is_union_of_classes, _union_reader)
    converter.register_structure_hook(StrEnum, _member)
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(m.Timestamp, _timestamp)
    for exact in (str, bool):
        converter.register_structure_hook(exact, _only(exact))
    converter.register_structure_hook(Decimal, _number)
    for moment in (datetime, date):
        converter.register_structure_hook(moment, lambda text, kind: kind.fromisoformat(text))
    return converter


_SHOWN_BY: Final = _writing_converter(_as_named)
_CONVERTER: Final = _stored_converter()


@cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    return _CONVERTER.get_unstructure_hook(kind)


@cache
def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    return _CONVERTER.get_structure_hook(kind)
