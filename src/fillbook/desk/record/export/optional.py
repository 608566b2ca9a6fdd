"""Libraries that an export may need; they are imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fillbook.errors import ExtraMissing


def optional(module: str, extra: str) -> Any:
    """Import *module*. Raises: ExtraMissing, with the *extra* that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        name = module.partition(".")[0]
        raise ExtraMissing(f'{name} is not installed: pip install "fillbook[{extra}]"') from None
