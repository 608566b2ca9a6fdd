"""Pages of records, read by an index: the time of a page does not grow with the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.model.journal.kinds import BY_TYPE
from fillbook.store import Reader

R = TypeVar("R")

#: More rows than any record has.
_ALL: Final = 1 << 40

#: The most orders that `orders_beginning` returns.
IDS_MAX: Final = 10


def page(
    reader: Reader,
    of: type[R],
    index: str,
    where: Mapping[str, Sequence[str]],
    *,
    after: str,
    limit: int | None,
    newest: bool,
    keep: Callable[[R], bool] = lambda _: True,
) -> list[R]:
    """
    Return a page as `Reader.page` does, of the records for which *keep* is true.

    *limit* None: all of them.  Raises: InvalidValue: *limit* is not above zero.
    """
    if limit is not None and (isinstance(limit, bool) or limit <= 0):
        raise InvalidValue(f"limit must be above zero, not {limit!r}")
    kind = BY_TYPE[of]
    value_of = kind.key if index == "key" else kind.indexes[index]
    wanted = limit or _ALL
    found: list[R] = []
    while len(found) < wanted:
        rows = reader.page(of, index, where=where, after=after, limit=wanted, newest=newest)
        found += [x for x in rows if keep(x)][: wanted - len(found)]
        if len(rows) < wanted:
            break
        after = value_of(rows[-1]) or ""
    return found


Row = TypeVar("Row", m.Movement, m.Trade)


def listed(
    reader: Reader, of: type[Row], after: str | None, strategy: str | Sequence[str] | None
) -> Row | None:
    """Return the row after which a page begins. Raises: InvalidValue: it is not in the list."""
    if after is None:
        return None
    found = reader.get(of, after)
    of_strategies = where(strategy=strategy).get("strategy")
    if found is None or (of_strategies is not None and found.strategy not in of_strategies):
        raise InvalidValue("after is not in this list (any more); begin at its first page")
    return found


def where(**values: str | Sequence[str] | None) -> dict[str, Sequence[str]]:
    """Return the conditions on the indexes: those that are given, each with its values."""
    return {
        name: (value,) if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }


def orders_beginning(reader: Reader, text: str) -> list[str]:
    """Return the client order ids of orders one of whose ids begins with *text*, sorted."""
    if not text:
        return []
    records = reader.page(m.OrderRecord, "key", after=text, limit=IDS_MAX)
    evidence = reader.page(m.Evidence, "key", after=text, limit=IDS_MAX)
    found = [x.client_order_id for x in records if x.client_order_id.startswith(text)]
    found += [x.client_order_id for x in evidence if x.broker_order_id.startswith(text)]
    return sorted(set(found))[:IDS_MAX]
