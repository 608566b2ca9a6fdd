"""
The root of all errors, and the one that values raise; `fillbook.errors` has the others.

They stand here so that values import nothing of the rest.
"""

from __future__ import annotations


class FillbookError(Exception):
    """Everything that fillbook raises on purpose."""

    retry: bool = False  #: whether the same call may succeed later


class InvalidValue(FillbookError, ValueError):
    """A number, a time or a combination of fields that no order may have."""
