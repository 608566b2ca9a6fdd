"""
Settings, each with its origin.

The first of these wins: the argument, the environment, the file, the default.  The file
is TOML, at ``$FILLBOOK_CONFIG`` or ``fillbook.toml`` in the working directory::

    broker = "alpaca:paper"
    store = "sqlite:///bot.db"
    repairs = "observe"

A key that is no setting is an error.  Credentials are not settings: they stay in the environment
or in files of their own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from attrs import frozen

from fillbook.errors import BadAddress, cause

DEFAULTS: Final[Mapping[str, str | None]] = {
    "broker": None,
    "store": "sqlite:///fillbook.db",
    "repairs": "observe",
    "alert_urls": None,
}
#: Arguments of `fillbook.open` that are no settings.
_ARGUMENTS: Final = frozenset(
    {"alerts", "checks", "exits", "limits", "live", "prices", "thresholds", "wait_s"}
)
_FILE: Final = "fillbook.toml"
_AT_LINE: Final = re.compile(r"at line (\d+)")


@frozen
class Setting:
    """
    One setting: its value (None: not set) and its origin.

    *origin* is "argument", "$VARIABLE", the path of the file, "default" or "not set".
    """

    name: str
    value: str | None
    origin: str


def setting(name: str, argument: str | None, env: Mapping[str, str]) -> Setting:
    """
    Find the setting *name*, one of `DEFAULTS`; *argument* is the caller's value (None: none).

    Raises: BadAddress if the file is missing though $FILLBOOK_CONFIG names it, is not TOML, has
    a value that is not text, or a key that is no setting: its value would be ignored.
    """
    if argument is not None:
        return Setting(name, argument, "argument")
    variable = f"FILLBOOK_{name.upper()}"
    if env.get(variable):
        return Setting(name, env[variable], f"${variable}")
    path, text = _text(env)
    known = _parsed(path, text)
    for key in known:
        if key not in DEFAULTS:
            raise BadAddress(f"{path}, line {_line_of(key, text)}: {_unknown(key)}")
    value = known.get(name)
    if value is None:
        return Setting(name, DEFAULTS[name], "default" if DEFAULTS[name] else "not set")
    if not isinstance(value, str):
        where = f"{path}, line {_line_of(name, text)}"
        raise BadAddress(f'{where}: {name} must be a string, such as "…", not {value!r}')
    return Setting(name, value, str(path))


def _unknown(key: str) -> str:
    """Return what is wrong with a key that is no setting, and what to write."""
    near = get_close_matches(key, DEFAULTS, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    hint = f"; give {key} to fillbook.open" if key in _ARGUMENTS else ""
    return f"{key} is no setting{meant}; the settings are {', '.join(DEFAULTS)}{hint}"


def _text(env: Mapping[str, str]) -> tuple[Path, str]:
    """Return the path and the text of the settings file; "" if there is none. Raises: BadAddress"""
    path = Path(env.get("FILLBOOK_CONFIG", _FILE))
    try:
        return path, path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if "FILLBOOK_CONFIG" in env:
            raise BadAddress(f"{path}: the file in $FILLBOOK_CONFIG does not exist") from None
        return path, ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadAddress(f"{path} cannot be read: {cause(error)}") from None


def _parsed(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        # At the end of the document the message has no line.
        number = int(found[1]) if found else len(text.splitlines())
        lines = text.splitlines()
        key = lines[number - 1].partition("=")[0].strip() if 0 < number <= len(lines) else ""
        what = str(error).partition(" (at")[0]
        raise BadAddress(
            f"{path}, line {number}: {key + ': ' if key else ''}{what}; write it as "
            'broker = "alpaca:paper"'
        ) from None


def _line_of(name: str, text: str) -> int:
    """Return the number of the first line that sets *name*, or a key in the table *name*."""
    wanted = re.compile(rf"\s*\[?\s*[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if wanted.match(line)), 1)
