"""A damaged row is reported as StoreDamaged, or is harmless; no other error leaves the library."""

import json
import os
import random
import sqlite3
from contextlib import closing

import pytest

import fillbook as fb
from fillbook.errors import StoreDamaged
from fillbook.stores.sqlite import SqliteStore
from tests.bench import Bench

CELLS = (None, "", "x", "[]", "{}", "-1", -1, 2**62, 1.5, b"\x00\xff", "0001-01-01T00:00:00Z")
LEAVES = (None, "", "x", "1e999999", "9" * 200, -1, 2**62, 1.5, True, [], {}, "0000-00-00T")
#: The number of edits of each sort that are tried.
SAMPLE = int(os.environ.get("FILLBOOK_TEST_EDITS", "2"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A closed store with orders of each kind, and the bench at its broker."""
    path = tmp_path_factory.mktemp("damaged") / "bot.db"
    bench = Bench(store=SqliteStore(path), wait_s=0)
    desk = bench.desk
    bench.filled(bench.resting(), 4, 6)
    desk.buy("BTC/USD", qty="0.5")
    desk.buy("MSFT", qty=2, take_profit="500", stop_loss="300", strategy="b")
    resting = bench.resting(symbol="SPY")
    bench.pass_(20)
    desk.replace(resting, limit_price="151")
    desk.cancel(bench.resting(qty=1))
    bench.by_hand("AAPL", "buy", "1")
    bench.fail("submit", "reply-lost")
    bench.resting(qty=2)
    bench.silently("MSFT", "-1", "400")
    bench.pass_(400, every=20)
    desk.halt("a test")
    desk.resume()
    desk.close()
    return path, bench


def rows_of(path):
    with closing(sqlite3.connect(path)) as connection:
        names = [
            x for (x,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for name in names:
            columns = [x[1] for x in connection.execute(f"PRAGMA table_info({name})")]
            for row in connection.execute(f"SELECT rowid, * FROM {name}"):
                yield name, row[0], dict(zip(columns, row[1:], strict=True))


def leaves(body, path=()):
    """The paths of all values in a JSON body."""
    if isinstance(body, dict | list):
        for key, value in body.items() if isinstance(body, dict) else enumerate(body):
            yield (*path, key)
            yield from leaves(value, (*path, key))


def edited(body, path, value):
    body = json.loads(body)
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(body)


def edits(path):
    """Every edit of one column, of one value in a body, and every removal of a row."""
    for table, rowid, row in rows_of(path):
        yield table, rowid, None, None
        for column, value in row.items():
            yield from ((table, rowid, column, x) for x in CELLS)
            if column == "body":
                for leaf in leaves(json.loads(value)):
                    yield from ((table, rowid, "body", edited(value, leaf, x)) for x in LEAVES)


def used(path, bench):
    """Use a desk on the store as a bot and a person do."""
    store = f"sqlite:///{path}"
    with fb.open(bench.broker, store, clock=bench.clock, wait_s=0) as desk:
        book = desk.book
        for read in (book.orders, book.positions, book.trades, book.events, book.journal):
            read()
        for order in book.orders():
            book.fills(order)
            desk.wait(order, 0)
        desk.check()
        desk.sync()
        for order in book.orders(open=True):
            desk.cancel(order)
        desk.buy("AAPL", qty=1, limit_price="100")
        desk.tick()
        book.reservations(), book.cash(), book.drifts(), book.account()


def outcome(path, bench, edit, scratch):
    """What one edit results in: None, or the class of the error."""
    table, rowid, column, value = edit
    scratch.write_bytes(path.read_bytes())
    for end in ("-wal", "-shm"):
        scratch.with_name(scratch.name + end).unlink(missing_ok=True)
    with closing(sqlite3.connect(scratch)) as connection, connection:
        try:
            if column is None:
                connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))
            else:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid)
                )
        except (sqlite3.IntegrityError, OverflowError):
            return None  # the table refuses it
    try:
        used(scratch, bench)
    except fb.FillbookError as error:
        return type(error)
    except Exception as error:
        return error
    return None


HARMLESS = (
    None,
    StoreDamaged,
    fb.errors.StoreTooNew,
    fb.Denied,
    fb.AccountChanged,
    fb.UnknownOrder,
)


SORTS = {
    "column": lambda column, value: column is not None and not is_object(value),
    "body": lambda column, value: is_object(value),
    "row": lambda column, value: column is None,
}


def is_object(value):
    return isinstance(value, str) and value.startswith("{") and len(value) > 2


@pytest.mark.parametrize("sort", SORTS)
def test_an_edited_row_is_damaged_or_harmless(sort, kept, tmp_path):
    """A sample of all edits, with a seed: no raw error, and no error that says try again."""
    path, bench = kept
    all_edits = [x for x in edits(path) if SORTS[sort](*x[2:])]
    chosen = random.Random(1).sample(all_edits, min(SAMPLE, len(all_edits)))
    found = {edit: outcome(path, bench, edit, tmp_path / "bot.db") for edit in chosen}
    wrong = {edit: repr(x) for edit, x in found.items() if x not in HARMLESS}
    assert wrong == {}
    assert StoreDamaged in found.values() or sort == "row"
