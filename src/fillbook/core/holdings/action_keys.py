"""
The keys of the movements of corporate actions, and the owners of those that depend on a position.

Other half: `core.journal.corporate_actions`.
"""

from __future__ import annotations

from typing import Final

from fillbook import model as m

_ACTION: Final = "action/"
_SOURCE: Final = "from/"


def source_of(symbol: str) -> str:
    """Return the owner of the movements that depend on the parts of *symbol*."""
    return f"{_SOURCE}{symbol}"


def source_in(move: m.Movement) -> str | None:
    """Return the symbol on whose parts *move* depends; None: on those of no other."""
    owner = move.owner or ""
    return owner.removeprefix(_SOURCE) if owner.startswith(_SOURCE) else None


def is_of_action(key: str) -> bool:
    """Return whether a movement of that key is of a corporate action."""
    return key.startswith(_ACTION)


def action_key(*names: str) -> str:
    """Return the key of a movement of a corporate action; the first of *names* is its group."""
    return _ACTION + "/".join(names)


def group_of(key: str) -> str:
    """Return the group of the corporate action of which a movement has that *key*."""
    return key.split("/", 2)[1]
