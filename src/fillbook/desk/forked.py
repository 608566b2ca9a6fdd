"""
Desks in a forked child: every part is replaced by one that raises Forked.

The parts hold locks, threads and connections of the parent; using them could block for ever.
The book has a store only, which raises Forked itself.
"""

from __future__ import annotations

import os
from typing import Final, NoReturn
from weakref import WeakSet

from fillbook.errors import Forked

_DESKS: Final[WeakSet[object]] = WeakSet()


def register(desk: object) -> None:
    """Replace the parts of *desk*, its private attributes, in each child forked from now on."""
    _DESKS.add(desk)


class _InheritedPart:
    def __getattr__(self, name: str) -> NoReturn:
        raise Forked("this desk was opened before a fork; open a new one in the child process")


def _replace_parts() -> None:
    for desk in _DESKS:
        for name in [name for name in vars(desk) if name.startswith("_")]:
            setattr(desk, name, _InheritedPart())


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_replace_parts)
