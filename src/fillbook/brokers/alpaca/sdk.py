"""The import of alpaca-py, on first use: it takes half a second and 90 MB."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from fillbook.errors import ExtraMissing


def sdk(module: str) -> Any:
    """
    Import a *module* of alpaca-py.

    Raises: ExtraMissing if alpaca-py is not installed.
    """
    try:
        with warnings.catch_warnings():
            # alpaca-py uses the legacy client of websockets, whose import warns.
            warnings.filterwarnings("ignore", "websockets.legacy", DeprecationWarning)
            return importlib.import_module(module)
    except ImportError:
        raise ExtraMissing('alpaca-py is not installed: pip install "fillbook[alpaca]"') from None
