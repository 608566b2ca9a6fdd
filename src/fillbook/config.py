"""
Settings, and where each came from.

First of: the argument, the environment, the file, the default.  The file is TOML, at
``$FILLBOOK_CONFIG`` or ``fillbook.toml`` in the working directory::

    broker = "alpaca:paper"
    store = "sqlite:///bot.db"
    repairs = "observe"

Credentials are no settings: they stay in the environment or in files of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from fillbook.errors import BadAddress

DEFAULTS: Final = {
    "broker": None,
    "store": "sqlite:///fillbook.db",
    "repairs": "observe",
    "alert_urls": None,
}
_FILE: Final = "fillbook.toml"


@frozen
class Setting:
    """One setting: its value (None: not set) and where that came from."""

    name: str
    value: str | None
    origin: str


def setting(name: str, argument: str | None, env: Mapping[str, str]) -> Setting:
    """
    The setting called *name*, one of `DEFAULTS`.

    Raises: BadAddress for a file that is no TOML, or says something else than text.
    """
    if argument is not None:
        return Setting(name, argument, "argument")
    variable = f"FILLBOOK_{name.upper()}"
    if env.get(variable):
        return Setting(name, env[variable], f"${variable}")
    path = Path(env.get("FILLBOOK_CONFIG", _FILE))
    said = _read(path, required="FILLBOOK_CONFIG" in env).get(name)
    if said is None:
        return Setting(name, DEFAULTS[name], "default" if DEFAULTS[name] else "not set")
    if not isinstance(said, str):
        raise BadAddress(f"{path}: {name} is to be text, not {said!r}")
    return Setting(name, said, str(path))


def _read(path: Path, *, required: bool) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise BadAddress(f"{path}: no such file ($FILLBOOK_CONFIG names it)") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadAddress(f"{path}: {error}") from None
