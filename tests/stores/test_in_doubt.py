"""A COMMIT with an unknown outcome, and a file that is restored or replaced while it is open."""

import shutil
import sqlite3

import pytest

from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.stores.sqlite import SqliteStore
from tests.bench import Bench

AT = m.timestamp("2026-03-02T15:00:00Z")
NOTE = m.Alerted(m.Alert(m.AlertKind.HALT, "account", "a test"))


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "bot.db")
    yield made
    made.close()


class Ends:
    """A connection whose next COMMIT fails, before or after it is made."""

    def __init__(self, connection, *, made):
        self._connection, self._made = connection, made

    def execute(self, sql, *parameters):
        if sql != "COMMIT":
            return self._connection.execute(sql, *parameters)
        if self._made:
            self._connection.execute(sql)
        raise sqlite3.OperationalError("disk I/O error")

    def __getattr__(self, name):
        return getattr(self._connection, name)


def write(store):
    with store.write() as writer:
        return writer.record(NOTE, AT, m.Changes())


def entries(store):
    with store.read() as reader:
        return reader.last()


def test_a_commit_that_was_made_although_it_failed_is_written(store):
    connection = store._writer
    store._writer = Ends(connection, made=True)
    assert write(store) == 1
    store._writer = connection
    assert (entries(store), write(store)) == (1, 2)


def test_a_commit_that_failed_and_was_not_made_wrote_nothing(store):
    connection = store._writer
    store._writer = Ends(connection, made=False)
    with pytest.raises(errors.StoreUnavailable):
        write(store)
    store._writer = connection
    assert (entries(store), write(store)) == (0, 1)


@pytest.mark.parametrize("made", [True, False])
def test_where_the_outcome_cannot_be_read_the_store_is_in_doubt(store, made):
    connection, connect = store._writer, store._connect

    def unreadable():
        raise sqlite3.OperationalError("unable to open database file")

    store._writer, store._connect = Ends(connection, made=made), unreadable
    with pytest.raises(errors.StoreInDoubt, match="cannot be read"):
        write(store)
    store._writer, store._connect = connection, connect
    assert entries(store) == int(made)


def test_a_cell_that_was_not_set_is_unavailable(store):
    connection = store._writer
    store._writer = Ends(connection, made=False)
    with pytest.raises(errors.StoreUnavailable):
        store.swap("halt", None, "a test")
    store._writer = connection
    assert store.swap("halt", None, "a test")


# -- restored, replaced, deleted -------------------------------------------------------


def trading(tmp_path):
    """A desk on a file, with a backup of it from before its newest entries."""
    path = tmp_path / "bot.db"
    bench = Bench(store=SqliteStore(path))
    bench.resting()
    with sqlite3.connect(path) as source, sqlite3.connect(tmp_path / "backup.db") as backup:
        source.backup(backup)
    backup.close()
    source.close()
    bench.resting("MSFT", qty=1)
    return bench, path


def restore_in_place(path, backup):
    with sqlite3.connect(backup) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()


def replace(path, backup):
    shutil.copy(backup, f"{path}.new")
    shutil.move(f"{path}.new", path)


def delete(path, backup):
    path.unlink()


def cut_off(path, backup):
    path.write_bytes(b"")


@pytest.mark.parametrize("how", [restore_in_place, replace, delete, cut_off])
def test_a_file_that_is_restored_under_a_running_desk_sends_no_order(tmp_path, how):
    """Every write is refused with what to do; the next process opens the new file."""
    bench, path = trading(tmp_path)
    how(path, tmp_path / "backup.db")
    before = len(bench.ours())
    for _ in range(2):
        with pytest.raises(errors.StoreRewound, match="start again"):
            bench.desk.buy("AAPL", qty=1, limit_price="140")
    assert len(bench.ours()) == before
    bench.desk.close()  # the lease ends by its time


def test_the_next_process_finds_the_orders_that_the_backup_lacks(tmp_path):
    """They have our prefix and no intent: each is alerted as an order of another record."""
    bench, path = trading(tmp_path)
    restore_in_place(path, tmp_path / "backup.db")
    bench.store.close()
    bench.store = SqliteStore(path)
    bench.desk = bench.open()
    bench.desk.sync()
    kinds = [x.alert.kind for x in bench.desk.events() if x.alert]
    assert m.AlertKind.FOREIGN_PREFIX in kinds
    assert {x.symbol for x in bench.desk.book.orders(open=True)} == {"AAPL", "MSFT"}
    assert isinstance(bench.broker, SimulatedBroker)
    bench.store.close()
