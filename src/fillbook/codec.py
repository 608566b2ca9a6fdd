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
from functools import cache
from importlib import import_module
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin

import attrs
from attrs import field, frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from fillbook import model as m
from fillbook.errors import Bug, InvalidValue, StoreDamaged

orjson: ModuleType | None
try:
    orjson = import_module("orjson")
except ImportError:  # the extra [fast] is not installed
    orjson = None

T = TypeVar("T")
log: logging.Logger = logging.getLogger("fillbook")

TAG: Final = "_type"  #: the key of the class in the body of a union; no field has this name

#: The stored words.  One row per class, ``Class=Word: attribute=word``; ``=word`` is left out if
#: the two are the same.  Former words may follow the word, ``=word/former``: they are read
#: (`upcast`) and no longer written.  A released word is never removed.
WORDS: Final = """
Bound: account clocked replace_cum base_fee currency reserve_rule
AccountId: broker host number
ReserveRule: market_collar short_collar stop_collars fee
InstrumentListed=Listed: instrument
Instrument: symbol asset_class aliases tradable fractionable shortable marginable
    qty_increment price_increment min_qty min_notional
Intended: intent
Intent: client_order_id request at key reserve adjustments worth
OrderRequest: symbol side qty notional limit_price stop_price trail_price trail_percent
    take_profit stop_loss stop_loss_limit type time_in_force order_class extended_hours strategy
    good_for_s reference_price
Reserve: opens floor margin
Adjustment: field wished sent why
Instructed: client_order_id number asked authority good_until broker_order_id
InstructionClosed: client_order_id number why broker_order_id done
Cancel:
Amend: change way
Instruction: number asked authority at good_until broker_order_id closed done
Commanded: client_order_id command number broker_order_id change handed instruction
Change: client_order_id qty limit_price stop_price trail time_in_force
Answered: client_order_id number answer message kind broker_order_id
IntentDenied=Denied: client_order_id reason code
ChangeClosed=Settled: client_order_id number why
ConcludedAbsent: client_order_id answers
ResolvedAbsent: client_order_id
NotFoundAfterSeen: client_order_id broker_order_id
Reported: report source look
OrderReport: broker_order_id terms status raw_status filled_qty client_order_id avg_price
    filled_value fill_count clock created_at last_fill_at expires_at replaces replaced_by reason
    legs executions voids
Terms: symbol side type time_in_force order_class qty notional limit_price stop_price
    trail_price trail_percent extended_hours
Execution: source exec_id broker_order_id symbol side qty price at cum_qty fixes fee
    fee_currency in_quote
TradeBust=Void: source exec_id broker_order_id qty at
Executed: execution
Busted=Voided: void
HistoryRead: broker_order_id
DisputeSettled: broker_order_id exec_ids
ActivityReported=Happened: activity
Activity: activity_id kind at symbol qty price cash ratio raw_kind description dated read_at
BalanceAdjusted=Anchored: symbol qty avg_price at reason
CashAdjusted=CashAnchored: amount currency at reason by_ids
Assigned: strategy client_order_id movement symbol
DriftFound: key drift notional
Phantom: symbol ours
Untracked: symbol theirs
WrongQty: symbol ours theirs
MissedFill: symbol client_order_id ours theirs
OrderStatusDiffers: symbol client_order_id ours theirs
OrderTermsDiffer: symbol client_order_id field ours theirs
UnknownToUs: symbol broker_order_id side qty filled_qty status
UnknownToBroker: symbol client_order_id
ExternalTrade: symbol broker_order_id exec_id qty price at
HappenedWithoutTrade: symbol kind qty ratio cash at
WrongCash: ours theirs
DriftCleared: key
Alerted: alert
Rebuilt: rules
Alert: kind about message
Binding: account clocked replace_cum base_fee reserve_rule rules
OrderRecord: client_order_id origin terms created_at order intent strategy parent ids
    instructions requests verdict seen_at reservation assigned
Order: client_order_id broker_order_id origin terms status filled_qty filled_value
    leaves_qty leaves_notional avg_price fees is_final is_complete strategy key parent
    created_at reason pending proof anomalies adjustments
Proof: source broker_order_id at
Anomaly: oddity broker_order_id detail
Request: number command at broker_order_id answer message kind change handed instruction
Conclusion: status why at may_send resolved
Reservation: client_order_id symbol charge margin grown grown_at is_open
Evidence: broker_order_id client_order_id name terms terms_at echoed created_at replaces
    replaced_by expires_at word loose end working history stream chosen source amended quote_sized
    history_read not_found conflicts oddities void_at upheld_at filled value gap gap_price gap_at
    complete odd_executions ignored settled
OrderSnapshot=Snap: status cum version avg value fills last_fill_at source read_at reason
Version: clock cum rank raw
Sums: rows gross net value cum uncounted_at latest_at base fees
Movement: key symbol kind at cum qty price cash ratio fee fee_rate strategy owner reason
Position: symbol account by_strategy=legs fee_due fee_absorbed anchored_at last
    dues adopted
Fee: key symbol at amount price absorbed_at
Holding: qty cost realized fees opened_at opened_by entered entry_value exit_value
Chapter: symbol number before moves trades closed
Trade: key symbol strategy side qty entry_price exit_price pnl fees opened_at closed_at
    revision
Cash: currency anchor anchored_at flows unknown fee_due dues posted absorbed adopted by_ids
OpenDrift: key drift since notional
Event: cursor kind at symbol order fill drift alert locked
Budget: limit timeline offset sent others others_until held_until
Lease: holder epoch process timeline until_ms wall_ms
SavedMarks=Marks: timeline marks
LagFactor=Longer: factor=times until
Unsettled: rows
ActivityCursor: until trailing
CompleteSnapshot: at timeline elapsed missed
"""

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
        return cast(T, _reader(cast(Any, of))(_read(text), of))
    # A damaged text may have any fault, and each kind of fault raises another error.
    except Exception as error:
        raise StoreDamaged(
            f"not a stored {getattr(of, '__name__', 'value')}: {text[:_SHOWN]!r}: {error!r}"
        ) from error


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
        raise Bug(f"{kind.__name__} has no stored word: add it to fillbook.codec.WORDS")
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


def _as_is(value: object, _: object = None) -> Any:
    return value


def _number_text(value: Decimal) -> str:
    if not value.is_finite():
        raise InvalidValue(f"{value} is not a finite number and cannot be stored")
    return format(value, "f")


def _number(text: object, _: object) -> Decimal:
    if type(text) is not str:
        raise TypeError(f"{text!r} is not the text of a number")
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _only(kind: type) -> Callable[[object, object], Any]:
    """Make a hook that accepts only values of exactly *kind*: `str(None)` must not be stored."""

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
        kind, reader = readers[body[TAG]]
        return reader(body, kind)

    return read


def _class_writer(
    kind: type[Any], converter: Converter, words: Callable[[type[Any]], Words]
) -> Callable[[Any], Any]:
    """Every field by its word, but no None that is the default."""
    attrs.resolve_types(kind)
    fields = words(kind).fields
    named = {
        one.name: override(rename=fields[one.name], omit_if_default=one.default is None)
        for one in attrs.fields(kind)
    }
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
    converter.register_unstructure_hook(StrEnum, _as_is)
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
    for exact in (str, int, bool):
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
