"""
All SQL, for any driver of the Python DB-API that can execute and fetch.

Each kind of record (`fillbook.model.journal.records`) has a table with the columns `key`,
`body` (JSON) and ``by_<index>`` for each index.  The other tables are `journal`, `cells`
and `steps` (the migrations that were applied).  The module of a driver (such as `sqlite`)
opens connections, begins and ends transactions, and translates errors.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, Protocol, TypeVar, cast

from attrs import Factory, field, frozen

from fillbook import model as m
from fillbook.codec import dump, dump_entry, load, load_entry, stored_time
from fillbook.errors import Bug, StoreDamaged, StoreTooNew, present
from fillbook.model.journal.kinds import BY_TYPE, KINDS, Kind
from fillbook.store import NOWHERE
from fillbook.stores.known import KEPT, UNKNOWN, Key, Known, Position

R = TypeVar("R")

#: More entries than any journal has.
_NUMBER_MAX: Final = 1 << 44
#: The decoded records that are kept: of a transaction, and of the process.
_KNOWN_MAX: Final = 4096
#: So many records that are not known are read one by one, more of them at once.
_FEW: Final = 4
_ENDED: Final = "a reader or writer was used after its `with` had ended"


class Rows(Protocol):
    """The part of a DB-API cursor that this module uses."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The part of a DB-API connection that this module uses."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows: ...


@frozen
class Dialect:
    """The differences between databases in SQL."""

    marker: str  #: the parameter marker: ``?`` or ``%s``
    list_tables: str  #: a statement that returns the names of all tables


@frozen
class _Statements:
    """The SQL statements of one kind of record."""

    kind: Kind
    get: str
    keys: Mapping[str, str]  #: by index: the keys only
    all: str
    put: str
    drop: str
    find: Mapping[str, str]

    def row(self, record: Any) -> tuple[str | None, ...]:
        """Return the parameters of `put` for *record*."""
        kind = self.kind
        values = (value_of(record) for value_of in kind.indexes.values())
        return (kind.key(record), dump(record), *values)


@cache
def _statements(of: Any, marker: str) -> _Statements:
    kind = BY_TYPE[of]
    columns = ("key", "body", *(f"by_{index}" for index in kind.indexes))
    sets = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return _Statements(
        kind,
        get=f"SELECT body FROM {kind.name} WHERE key = {marker}",
        keys={
            index: f"SELECT key FROM {kind.name} WHERE by_{index} = {marker} ORDER BY key"
            for index in kind.indexes
        },
        all=f"SELECT key, body FROM {kind.name} WHERE key > {marker} ORDER BY key",
        put=f"INSERT INTO {kind.name} ({', '.join(columns)}) "
        f"VALUES ({', '.join([marker] * len(columns))}) ON CONFLICT (key) DO UPDATE SET {sets}",
        drop=f"DELETE FROM {kind.name} WHERE key = {marker}",
        find={
            index: f"SELECT body FROM {kind.name} WHERE by_{index} = {marker} ORDER BY key"
            for index in kind.indexes
        },
    )


@lru_cache(maxsize=_KNOWN_MAX)
def _decode(of: Any, body: Any) -> Any:
    """Return the record with the text *body*; it is frozen, so that one serves all readers."""
    try:
        return load(of, body)
    except StoreDamaged as error:
        raise StoreDamaged(str(error), is_derived=True) from error


def _decoded(of: type[R], body: Any) -> R:
    return cast(R, _decode(cast(Any, of), body))


class SqlReader:
    """Reads through a connection on which a transaction has begun; see `store.Reader`."""

    def __init__(
        self, connection: Connection, dialect: Dialect, known: Known | None = None
    ) -> None:
        self._connection: Connection | None = connection
        self._dialect = dialect
        self._marker = dialect.marker
        # The first read of a transaction fixes its snapshot.
        newest = "SELECT number, tx FROM journal ORDER BY number DESC LIMIT 1"
        number, tx = self.execute(newest).fetchone() or (0, None)
        self._position = Position(_whole(number), tx)
        self._last: int = self._position.number
        #: The records that this transaction has read or written, by type and key; None: missing.
        self._seen: dict[Key, Any] = {}
        self._known = known if known is not None and known.is_at(self._position) else None

    def get(self, of: type[R], key: str) -> R | None:
        found = self._lookup(of, key)
        if found is UNKNOWN:
            row = self.execute(self._statements_of(of).get, key).fetchone()
            found = None if row is None else _decoded(of, row[0])
            if len(self._seen) >= _KNOWN_MAX:
                self._seen.clear()
            self._seen[of, key] = found
            self._keep(of, key, found)
        return cast("R | None", found)

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        if self._known is None or of not in KEPT:
            return self._find(of, index, value)
        found = self._known.find(of, (index, value), self._position.number)
        if found is None:
            found = self._find(of, index, value)
            self._known.add_found(of, (index, value), found, self._position)
        return list(found)

    def _find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        statements = self._statements_of(of)
        if self._known is not None and of in KEPT:
            keys = [key for (key,) in self.execute(statements.keys[index], value)]
            found = [self._lookup(of, key) for key in keys]
            if sum(x is UNKNOWN for x in found) <= _FEW:
                return [self._required(of, key, x) for key, x in zip(keys, found, strict=True)]
        rows = [
            _decoded(of, body) for (body,) in self.execute(statements.find[index], value).fetchall()
        ]
        for record in rows if of in KEPT else ():
            self._keep(of, statements.kind.key(record), record)
        return rows

    def _lookup(self, of: type[Any], key: str) -> Any:
        """Return a record that is known, or UNKNOWN."""
        found = self._seen.get((of, key), UNKNOWN)
        if found is UNKNOWN and self._known is not None:
            found = self._known.get((of, key), self._position.number)
        return found

    def _keep(self, of: type[Any], key: str, record: Any) -> None:
        """Keep a record of this snapshot for later ones."""
        if self._known is not None:
            self._known.add((of, key), record, self._position)

    def _required(self, of: type[R], key: str, found: Any) -> R:
        return cast(R, present(self.get(of, key), key) if found is UNKNOWN else found)

    def all(self, of: type[R], after: str = "") -> Sequence[R]:
        return self._records(of, self.execute(self._statements_of(of).all, after))

    def page(
        self,
        of: type[R],
        index: str,
        *,
        where: Mapping[str, Sequence[str]] = NOWHERE,
        after: str = "",
        limit: int,
        newest: bool = False,
    ) -> Sequence[R]:
        kind, marker = self._statements_of(of).kind, self._marker
        column = "key" if index == "key" else f"by_{index}"
        tests = [f"{column} IS NOT NULL"]
        if after:
            tests.append(f"{column} {'<' if newest else '>'} {marker}")
        tests += [f"by_{x} IN ({', '.join([marker] * len(where[x]))})" for x in where]
        rows = self.execute(
            f"SELECT key, body FROM {kind.name} WHERE {' AND '.join(tests)} "
            f"ORDER BY {column} {'DESC' if newest else 'ASC'} LIMIT {marker}",
            *([after] if after else []),
            *(value for values in where.values() for value in values),
            limit,
        )
        return self._records(of, rows)

    def _records(self, of: type[R], rows: Rows) -> list[R]:
        """Return the records of *rows*: key and body."""
        # All rows first: an open cursor would keep the connection of a damaged file open.
        known = ((self._lookup(of, key), body) for key, body in rows.fetchall())
        return [_decoded(of, body) if x is UNKNOWN else cast(R, x) for x, body in known]

    def journal(self, after: int = 0) -> Iterator[m.Recorded]:
        rows = self.execute(
            f"SELECT number, at, body FROM journal WHERE number > {self._marker} ORDER BY number",
            after,
        )
        for number, at, body in rows:
            yield m.Recorded(_whole(number), stored_time(at), load_entry(body))

    def last(self) -> int:
        return self._last

    def cell(self, name: str) -> str | None:
        if self._connection is None:
            raise Bug(_ENDED)
        return cell(self._connection, self._dialect, name)

    def end(self) -> None:
        """Refuse every later call, because the transaction has ended."""
        self._connection = self._known = None
        self._seen.clear()

    def execute(self, sql: str, *parameters: Any) -> Rows:
        """Execute one statement in the transaction."""
        if self._connection is None:
            raise Bug(_ENDED)
        return self._connection.execute(sql, parameters)

    def _statements_of(self, of: type[Any]) -> _Statements:
        return _statements(cast(Any, of), self._marker)


def _whole(number: object) -> int:
    if not isinstance(number, int) or not 0 <= number < _NUMBER_MAX:
        raise StoreDamaged(f"{str(number)[:80]!r} is not the number of an entry")
    return number


def has_entry(connection: Connection, dialect: Dialect, position: Position) -> bool:
    """Return whether the journal behind *connection* has the entry of *position*."""
    query = f"SELECT tx FROM journal WHERE number = {dialect.marker}"
    row = connection.execute(query, (position.number,)).fetchone()
    return not position.number or (row is not None and row[0] == position.tx)


class SqlWriter(SqlReader):
    """Writes through a connection on which a write transaction has begun."""

    def __init__(
        self, connection: Connection, dialect: Dialect, known: Known | None = None
    ) -> None:
        super().__init__(connection, dialect)
        if known is not None:
            known.begin(self._position)
            self._known = known
        #: The records that this transaction has changed; None: removed.
        self.changed: dict[Key, Any] = {}
        self._changed: set[type[Any]] = set()
        self._before = self._last
        self._tx = secrets.token_hex(8)

    @property
    def written(self) -> Position | None:
        """The newest entry of this transaction; None before the first."""
        return None if self._last == self._before else Position(self._last, self._tx)

    def record(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> int:
        number = self._last + 1
        marker = self._marker
        self.execute(
            "INSERT INTO journal (number, at, body, tx) "
            f"VALUES ({marker}, {marker}, {marker}, {marker})",
            number,
            at,
            dump_entry(entry),
            self._tx,
        )
        for of, key in changes.drop:
            self.execute(self._statements_of(of).drop, key)
            self.changed[of, key] = None
        for record in changes.put:
            statements = self._statements_of(type(record))
            row = statements.row(record)
            self.execute(statements.put, *row)
            self.changed[type(record), str(row[0])] = record
        self._changed.update((of for of, _ in changes.drop), map(type, changes.put))
        self._last = number
        return number

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        found = self._find if of in self._changed else super().find
        return found(of, index, value)

    def _lookup(self, of: type[Any], key: str) -> Any:
        found = self.changed.get((of, key), UNKNOWN)
        return super()._lookup(of, key) if found is UNKNOWN else found

    def _keep(self, of: type[Any], key: str, record: Any) -> None:
        if (of, key) not in self.changed:
            super()._keep(of, key, record)

    def set_cell(self, name: str, value: str) -> None:
        if self._connection is None:
            raise Bug(_ENDED)
        set_cell(self._connection, self._dialect, name, value)


def cell(connection: Connection, dialect: Dialect, name: str) -> str | None:
    """Return the value of a cell; None: there is none."""
    query = f"SELECT word FROM cells WHERE name = {dialect.marker}"
    row = connection.execute(query, (name,)).fetchone()
    if row is not None and not isinstance(row[0], str):
        raise StoreDamaged(f"the cell {name} of the store is not a text")
    return None if row is None else cast(str, row[0])


def set_cell(connection: Connection, dialect: Dialect, name: str, value: str | None) -> None:
    """Set the value of a cell (None: delete the cell)."""
    marker = dialect.marker
    if value is None:
        connection.execute(f"DELETE FROM cells WHERE name = {marker}", (name,))
    else:
        connection.execute(
            f"INSERT INTO cells (name, word) VALUES ({marker}, {marker}) "
            "ON CONFLICT (name) DO UPDATE SET word = excluded.word",
            (name, value),
        )


# --- migrations -----------------------------------------------------------------------------


@frozen
class Migration:
    """A numbered migration; a database keeps the checksums of those that it has applied."""

    number: int
    name: str
    text: str
    checksum: str = field(
        default=Factory(
            lambda migration: hashlib.sha256(migration.text.encode()).hexdigest(), takes_self=True
        )
    )

    @property
    def statements(self) -> list[str]:
        lines = (line for line in self.text.splitlines() if not line.startswith("--"))
        parts = "\n".join(lines).split(";")
        return [part.strip() for part in parts if part.strip()]


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations, in order."""
    folder = resources.files("fillbook.stores").joinpath("migrations")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(
        Migration(int(name.split("_")[0]), name, folder.joinpath(name).read_text("utf-8"))
        for name in names
    )


_MIGRATIONS_TABLE: Final = (
    "CREATE TABLE steps (number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
)


def pending_migrations(connection: Connection, dialect: Dialect) -> Sequence[Migration]:
    """
    Return the migrations that this database has not applied; only read the database.

    Raises: StoreTooNew if it has applied a migration of a later version, StoreDamaged if a
    checksum differs, a table is missing or its tables are not ours.
    """
    tables = {name for (name,) in connection.execute(dialect.list_tables)}
    if not tables:
        return migrations()
    if "steps" not in tables:
        raise StoreDamaged("it has tables, but none of them is fillbook's")
    rows = connection.execute("SELECT number, checksum FROM steps")
    applied = {_whole(number): checksum for number, checksum in rows}
    ours = {migration.number: migration.checksum for migration in migrations()}
    if max(applied, default=0) > max(ours):
        raise StoreTooNew(
            f"the store was written by a newer fillbook (migration {max(applied)}; this one has "
            f"{max(ours)}); update fillbook"
        )
    for number, checksum in applied.items():
        if ours.get(number) != checksum:
            raise StoreDamaged(f"migration {number} of the store differs from that of fillbook")
    pending = [migration for migration in migrations() if migration.number not in applied]
    if not pending:
        _check_tables(connection, tables)
    return pending


def _check_tables(connection: Connection, tables: set[str]) -> None:
    expected = {"journal", "cells", "steps", *(kind.name for kind in KINDS)}
    if not expected <= tables:
        raise StoreDamaged(f"the store lacks the tables {', '.join(sorted(expected - tables))}")
    # SQLite permits NULL in a primary key; no statement would find such a row.
    keys = {"journal": "number", "cells": "name", **{kind.name: "key" for kind in KINDS}}
    for table, key in keys.items():
        if connection.execute(f"SELECT 1 FROM {table} WHERE {key} IS NULL LIMIT 1").fetchone():
            raise StoreDamaged(f"the store has a row without a key in {table}")


def apply_migrations(
    connection: Connection, dialect: Dialect, pending: Sequence[Migration]
) -> None:
    """Apply the *pending* migrations, inside the write transaction that has begun."""
    marker = dialect.marker
    if pending and pending[0].number == 1:
        connection.execute(_MIGRATIONS_TABLE)
    for migration in pending:
        for statement in migration.statements:
            connection.execute(statement)
        connection.execute(
            f"INSERT INTO steps (number, name, checksum) VALUES ({marker}, {marker}, {marker})",
            (migration.number, migration.name, migration.checksum),
        )
