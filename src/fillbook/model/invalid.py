"""
The root of all errors, and the error that values raise; `fillbook.errors` has the others.

They are defined here so that `model` imports no other package of fillbook.
"""

from __future__ import annotations


class FillbookError(Exception):
    """The base class of every error that fillbook raises."""

    retry: bool = False  #: whether the same call may succeed later, unchanged


class InvalidValue(FillbookError, ValueError):
    """A number, a time or a combination of fields that is not valid."""
