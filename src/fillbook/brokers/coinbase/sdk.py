"""
The import of coinbase-advanced-py, on first use.

It reads two environment variables at import, as defaults of arguments that are always given here,
and adds handlers to its loggers, which print each error a second time: they are removed, unless
the bot has imported it before.
"""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from typing import Any, Final

from fillbook.errors import ExtraMissing

_LOGGERS: Final = {
    "coinbase.rest": "coinbase.RESTClient",
    "coinbase.websocket": "coinbase.WSClient",
}


def sdk(module: str) -> Any:
    """
    Import a *module* of coinbase-advanced-py.

    Raises: ExtraMissing if it is not installed.
    """
    is_first = module not in sys.modules
    try:
        with warnings.catch_warnings():
            # It uses the legacy client of websockets, whose import warns.
            warnings.filterwarnings("ignore", "websockets.legacy", DeprecationWarning)
            found = importlib.import_module(module)
    except ImportError:
        raise ExtraMissing(
            'coinbase-advanced-py is not installed: pip install "fillbook[coinbase]"'
        ) from None
    if is_first and module in _LOGGERS:
        logging.getLogger(_LOGGERS[module]).handlers.clear()
    return found
