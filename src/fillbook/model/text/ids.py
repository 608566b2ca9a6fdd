"""Ids for people: a prefix that the command line finds the order by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

#: The random part of a client order id of fillbook, or of an id that is a UUID.
_RANDOM: Final = re.compile(r"[0-9a-f]{8}(?=[0-9a-f]{24}\b|-[0-9a-f]{4}-)")
_LONG: Final = 17


def short_id(name: str) -> str:
    """Return the beginning of an id: to the eighth digit of its random part, if it has one."""
    found = _RANDOM.search(name)
    if found is not None:
        return name[: found.end()]
    return name if len(name) <= _LONG else name[:_LONG]


def short_ids(names: Sequence[str]) -> list[str]:
    """Return `short_id` of each of *names*; the whole id of those that it does not tell apart."""
    counts = Counter(short_id(name) for name in set(names))
    return [name if counts[short_id(name)] > 1 else short_id(name) for name in names]
