"""
Numbers: `Decimal` and nothing else.

A `float` is taken by its shortest repr, which is what its author typed:
``number(0.1) == Decimal("0.1")``.  NaN and infinities are refused.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Final

from fillbook.errors import InvalidValue

ZERO: Final = Decimal(0)

# Sums of broker figures must be exact: 60 digits hold any product of two of them.
EXACT: Final = Context(prec=60)


def number(value: Decimal | int | str | float) -> Decimal:
    """
    *value* as an exact Decimal.

    Raises: InvalidValue for NaN, infinities, booleans and what is no number.
    """
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str, float)):
        raise InvalidValue(f"{value!r} is not a number")
    try:
        result = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise InvalidValue(f"{value!r} is not a number") from None
    if not result.is_finite():
        raise InvalidValue(f"{value!r} is not a finite number")
    return result


def number_or_none(value: Decimal | int | str | float | None) -> Decimal | None:
    """`number`, but None stays None."""
    return None if value is None else number(value)


def plain(value: Decimal) -> str:
    """*value* without exponent and without trailing zeros: ``"0.00001"``, ``"200"``, ``"0"``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def cut(value: Decimal, increment: Decimal) -> Decimal:
    """*value* cut toward zero to a multiple of *increment* (> 0)."""
    return (value / increment).to_integral_value(rounding=ROUND_DOWN) * increment
