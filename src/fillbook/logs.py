"""
Log records as JSON, one per line, for programs that collect logs.

fillbook logs to the logger ``fillbook`` with fields in `extra`, and configures nothing itself: a
bot sets a `JsonFormatter` on its own handler.  The command line does if FILLBOOK_LOG is ``json``.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from fillbook.errors import InvalidValue

#: The attributes of every record; what else a record has are fields of `extra`.
_USUAL: Final = frozenset(
    {*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "message", "asctime", "taskName"}
)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: at (UTC), level, logger, message, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: x for k, x in record.__dict__.items() if k not in _USUAL}
        shown = {
            **{k: x if isinstance(x, str | int | bool) else str(x) for k, x in fields.items()},
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return json.dumps(shown)


def configure(env: Mapping[str, str]) -> None:
    """
    Write the log of fillbook to standard error as $FILLBOOK_LOG says: ``text`` or ``json``.

    Nothing is configured if it is not set.  Raises: InvalidValue.
    """
    wanted = env.get("FILLBOOK_LOG")
    if not wanted:
        return
    if wanted not in ("text", "json"):
        raise InvalidValue(f"FILLBOOK_LOG must be text or json, not {wanted!r}")
    handler = logging.StreamHandler(sys.stderr)
    if wanted == "json":
        handler.setFormatter(JsonFormatter())
    log = logging.getLogger("fillbook")
    log.handlers = [x for x in log.handlers if not isinstance(x, logging.StreamHandler)]
    log.addHandler(handler)
    log.setLevel(logging.INFO)
