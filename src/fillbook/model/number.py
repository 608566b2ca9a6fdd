"""
Numbers: every number is a `Decimal`.

A `float` is converted by its shortest repr, which is what its author typed:
``number(0.1) == Decimal("0.1")``.  NaN and infinities are not valid.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from attrs import Attribute

from fillbook.errors import InvalidValue

ZERO: Final = Decimal(0)

#: What `number` converts.
Number = Decimal | int | str | float

# Sums of broker figures must be exact: 60 digits hold the product of any two of them.
EXACT: Final = Context(
    prec=60, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow]
)

#: The maximum number of digits before, and after, the decimal point.
_DIGITS_MAX: Final = 30
_DIGITS_MIN: Final = -_DIGITS_MAX

P = ParamSpec("P")
R = TypeVar("R")


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate *function* to run in our own decimal context, whatever context the caller set."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        before = getcontext()
        if before is EXACT:
            return function(*args, **kwargs)
        setcontext(EXACT)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(before)

    return wrapper


def number(value: Decimal | int | str | float) -> Decimal:
    """
    Convert *value* to an exact Decimal.

    Raises: InvalidValue for NaN, infinities, booleans, a text that is no number, and a number
        with more than 30 digits before or after the decimal point.
    """
    result = value if type(value) is Decimal else _converted(value)
    if result.is_finite():
        if _DIGITS_MIN <= result.adjusted() <= _DIGITS_MAX or not result:
            return result
        raise InvalidValue(
            f"{value!r} has more than {_DIGITS_MAX} digits before or after the decimal point"
        )
    raise InvalidValue(f"{value!r} is not a finite number")


def _converted(value: Decimal | int | str | float) -> Decimal:
    try:
        if type(value) is str:
            return Decimal(value)
        if isinstance(value, bool) or not isinstance(value, (Decimal, int, str, float)):
            raise InvalidValue(f"{value!r} is not a number")
        # A subclass such as NumPy's has a repr of its own.
        return Decimal(float.__repr__(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise InvalidValue(f"{value!r} is not a number") from None


def number_or_none(value: Decimal | int | str | float | None) -> Decimal | None:
    """Convert *value* as `number` does; None stays None."""
    return None if value is None else number(value)


def name_numbers(kind: type[Any], fields: list[Attribute[Any]]) -> list[Attribute[Any]]:
    """Have the errors of `number` and `number_or_none` name the field (an attrs transformer)."""
    named: list[Attribute[Any]] = []
    for each in fields:
        convert: Any = each.converter
        is_number = convert in (number, number_or_none)
        named.append(each.evolve(converter=_naming(each.name, convert)) if is_number else each)
    return named


def _naming(name: str, convert: Callable[[Any], Decimal | None]) -> Callable[[Any], Decimal | None]:
    def converter(value: Any) -> Decimal | None:
        try:
            return convert(value)
        except InvalidValue as error:
            raise InvalidValue(f"{name}: {error}") from None

    return converter


def plain(value: Decimal) -> str:
    """Format *value* without exponent and trailing zeros: ``"0.00001"``, ``"200"``, ``"0"``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@exact
def cut(value: Decimal, increment: Decimal) -> Decimal:
    """Round *value* toward zero to a multiple of *increment* (> 0)."""
    return (value / increment).to_integral_value(rounding=ROUND_DOWN) * increment
