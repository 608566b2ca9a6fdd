"""
All SQL, over any driver of the Python DB-API that can execute and fetch.

A table a kind of record (`fillbook.model.journal.records`) with its `key`, its `body` (JSON) and
one column ``by_<index>`` an index; besides these the `journal`, the `cells` and the
steps that made the tables.  A driver's module (such as `sqlite`) opens connections,
begins and ends transactions, and says what its errors mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, Protocol, TypeVar, cast

from attrs import Factory, field, frozen

from fillbook import model as m
from fillbook.codec import dump, dump_entry, load, load_entry
from fillbook.errors import Bug, StoreDamaged, StoreTooNew
from fillbook.model.journal.kinds import BY_TYPE, KINDS, Kind

R = TypeVar("R")


class Rows(Protocol):
    """What we need of a driver's cursor."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What we need of a driver's connection: rows for a statement and its parameters."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows: ...


@frozen
class Dialect:
    """Where two databases differ in words."""

    mark: str  #: a parameter: ``?`` or ``%s``
    tables: str  #: the statement that lists the names of our tables


@frozen
class _Statements:
    """What is said about one kind of record."""

    kind: Kind
    get: str
    all: str
    put: str
    drop: str
    find: Mapping[str, str]

    def row(self, record: Any) -> tuple[str | None, ...]:
        """The parameters of `put`."""
        kind = self.kind
        words = (word_of(record) for word_of in kind.indexes.values())
        return (kind.key(record), dump(record), *words)


@cache
def _statements(of: Any, mark: str) -> _Statements:
    kind = BY_TYPE[of]
    columns = ("key", "body", *(f"by_{index}" for index in kind.indexes))
    sets = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return _Statements(
        kind,
        get=f"SELECT body FROM {kind.name} WHERE key = {mark}",
        all=f"SELECT body FROM {kind.name} WHERE key > {mark} ORDER BY key",
        put=f"INSERT INTO {kind.name} ({', '.join(columns)}) "
        f"VALUES ({', '.join([mark] * len(columns))}) ON CONFLICT (key) DO UPDATE SET {sets}",
        drop=f"DELETE FROM {kind.name} WHERE key = {mark}",
        find={
            index: f"SELECT body FROM {kind.name} WHERE by_{index} = {mark} ORDER BY key"
            for index in kind.indexes
        },
    )


class SqlReader:
    """Reads through a connection on which a transaction has begun; see `store.Reader`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection: Connection | None = connection
        self._mark = dialect.mark
        # The first read of a transaction is what fixes its picture.
        self._last: int = self._execute("SELECT coalesce(max(number), 0) FROM journal").fetchone()[
            0
        ]

    def get(self, of: type[R], key: str) -> R | None:
        row = self._execute(self._of(of).get, key).fetchone()
        return None if row is None else load(of, row[0])

    def find(self, of: type[R], index: str, word: str) -> Sequence[R]:
        return [load(of, body) for (body,) in self._execute(self._of(of).find[index], word)]

    def all(self, of: type[R], after: str = "") -> Sequence[R]:
        return [load(of, body) for (body,) in self._execute(self._of(of).all, after)]

    def journal(self, after: int = 0) -> Iterator[m.Recorded]:
        rows = self._execute(
            f"SELECT number, at, body FROM journal WHERE number > {self._mark} ORDER BY number",
            after,
        )
        for number, at, body in rows:
            yield m.Recorded(number, m.Timestamp(at), load_entry(body))

    def last(self) -> int:
        return self._last

    def cell(self, name: str) -> str | None:
        row = self._execute(f"SELECT word FROM cells WHERE name = {self._mark}", name).fetchone()
        return None if row is None else cast(str, row[0])

    def end(self) -> None:
        """Refuse everything from here on: the transaction is over."""
        self._connection = None

    def _execute(self, sql: str, *parameters: Any) -> Rows:
        if self._connection is None:
            raise Bug("a reader or writer was used after its `with` had ended")
        return self._connection.execute(sql, parameters)

    def _of(self, of: type[Any]) -> _Statements:
        return _statements(cast(Any, of), self._mark)


class SqlWriter(SqlReader):
    """Writes through a connection on which a write transaction has begun."""

    def record(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> int:
        number = self._last + 1
        mark = self._mark
        self._execute(
            f"INSERT INTO journal (number, at, body) VALUES ({mark}, {mark}, {mark})",
            number,
            at,
            dump_entry(entry),
        )
        for of, key in changes.drop:
            self._execute(self._of(of).drop, key)
        for record in changes.put:
            statements = self._of(type(record))
            self._execute(statements.put, *statements.row(record))
        self._last = number
        return number


def set_cell(connection: Connection, dialect: Dialect, name: str, word: str | None) -> None:
    """Set a cell; None takes it away."""
    mark = dialect.mark
    if word is None:
        connection.execute(f"DELETE FROM cells WHERE name = {mark}", (name,))
    else:
        connection.execute(
            f"INSERT INTO cells (name, word) VALUES ({mark}, {mark}) "
            "ON CONFLICT (name) DO UPDATE SET word = excluded.word",
            (name, word),
        )


# --- the steps that made the tables ---------------------------------------------------------


@frozen
class Step:
    """One numbered migration; its checksum is kept in the database that took it."""

    number: int
    name: str
    text: str
    checksum: str = field(
        default=Factory(
            lambda step: hashlib.sha256(step.text.encode()).hexdigest(), takes_self=True
        )
    )

    @property
    def statements(self) -> list[str]:
        lines = (line for line in self.text.splitlines() if not line.startswith("--"))
        parts = "\n".join(lines).split(";")
        return [part.strip() for part in parts if part.strip()]


@cache
def steps() -> tuple[Step, ...]:
    """Every step there is, in order."""
    folder = resources.files("fillbook.stores").joinpath("migrations")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(
        Step(int(name.split("_")[0]), name, folder.joinpath(name).read_text("utf-8"))
        for name in names
    )


_STEPS_TABLE: Final = (
    "CREATE TABLE steps (number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
)


def missing_steps(connection: Connection, dialect: Dialect) -> Sequence[Step]:
    """
    The steps that this database has not taken; it is only read.

    Raises: StoreTooNew when it took steps that we do not know, StoreDamaged when one of
    its steps is not ours or a table is missing.
    """
    tables = {name for (name,) in connection.execute(dialect.tables)}
    if not tables:
        return steps()
    if "steps" not in tables:
        raise StoreDamaged("the database has tables, but none of them is fillbook's")
    taken: dict[int, str] = dict(connection.execute("SELECT number, checksum FROM steps"))
    ours = {step.number: step.checksum for step in steps()}
    if max(taken, default=0) > max(ours):
        raise StoreTooNew(
            f"the store was written by a newer fillbook (step {max(taken)}, this one knows "
            f"{max(ours)}); update fillbook"
        )
    for number, checksum in taken.items():
        if ours.get(number) != checksum:
            raise StoreDamaged(f"step {number} of the store is not the one that fillbook took")
    missing = [step for step in steps() if step.number not in taken]
    if not missing:
        _check_tables(tables)
    return missing


def _check_tables(tables: set[str]) -> None:
    expected = {"journal", "cells", "steps", *(kind.name for kind in KINDS)}
    if not expected <= tables:
        raise StoreDamaged(f"the store lacks the tables {', '.join(sorted(expected - tables))}")


def take(connection: Connection, dialect: Dialect, missing: Sequence[Step]) -> None:
    """Take the *missing* steps, inside the write transaction that has begun."""
    mark = dialect.mark
    if missing and missing[0].number == 1:
        connection.execute(_STEPS_TABLE)
    for step in missing:
        for statement in step.statements:
            connection.execute(statement)
        connection.execute(
            f"INSERT INTO steps (number, name, checksum) VALUES ({mark}, {mark}, {mark})",
            (step.number, step.name, step.checksum),
        )
