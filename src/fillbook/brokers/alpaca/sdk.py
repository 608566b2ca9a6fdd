"""alpaca-py, imported when it is needed and not before: it costs half a second and 90 MB."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from fillbook.errors import ExtraMissing


def sdk(module: str) -> Any:
    """
    A *module* of alpaca-py.

    Raises: ExtraMissing without alpaca-py.
    """
    try:
        with warnings.catch_warnings():
            # It stands on websockets' old client, which warns when it is imported.
            warnings.filterwarnings("ignore", "websockets.legacy", DeprecationWarning)
            return importlib.import_module(module)
    except ImportError:
        raise ExtraMissing('alpaca-py is missing: pip install "fillbook[alpaca]"') from None
