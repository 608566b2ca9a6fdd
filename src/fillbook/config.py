"""
Settings, each with its origin.

The first of these wins: the argument, the environment, the file, the default.  The file
is TOML, at ``$FILLBOOK_CONFIG`` or ``fillbook.toml`` in the working directory::

    broker = "alpaca:paper"
    store = "sqlite:///bot.db"
    repairs = "observe"

Credentials are not settings: they stay in the environment or in files of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from fillbook.errors import BadAddress

DEFAULTS: Final[Mapping[str, str | None]] = {
    "broker": None,
    "store": "sqlite:///fillbook.db",
    "repairs": "observe",
    "alert_urls": None,
}
_FILE: Final = "fillbook.toml"


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

    Raises: BadAddress if the file is missing though $FILLBOOK_CONFIG names it, is not TOML, or
    has a value that is not text.
    """
    if argument is not None:
        return Setting(name, argument, "argument")
    variable = f"FILLBOOK_{name.upper()}"
    if env.get(variable):
        return Setting(name, env[variable], f"${variable}")
    path = Path(env.get("FILLBOOK_CONFIG", _FILE))
    value = _read(path, required="FILLBOOK_CONFIG" in env).get(name)
    if value is None:
        return Setting(name, DEFAULTS[name], "default" if DEFAULTS[name] else "not set")
    if not isinstance(value, str):
        raise BadAddress(f"{path}: {name} must be a string, not {value!r}")
    return Setting(name, value, str(path))


def _read(path: Path, *, required: bool) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise BadAddress(f"{path}: the file in $FILLBOOK_CONFIG does not exist") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadAddress(f"{path}: {error}") from None
