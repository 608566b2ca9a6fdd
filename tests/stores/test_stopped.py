"""A stopped process, a missing WAL, a deleted file, a full disk: an error in bounded time."""

import errno
import os
import signal
import sqlite3
import stat
from contextlib import closing, suppress
from datetime import date

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.errors import StoreDamaged, StoreRewound, StoreUnavailable
from fillbook.stores import filelock
from fillbook.stores.sqlite import SqliteStore
from fillbook.testing.store_suite import movement, put
from tests.bench import Bench
from tests.stores.children import Child, hold_a_write, write_and_wait


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.db"


@pytest.fixture
def soon(monkeypatch):
    """Waits end soon."""
    monkeypatch.setattr(filelock, "WAIT_MAX_S", 0.3)


@pytest.fixture
def stopped(path, soon):
    """A process that is stopped inside a write of a store that has one movement."""
    with closing(SqliteStore(path)) as store, store.write() as writer:
        put(writer, movement("001"))
    child = Child(hold_a_write, path)
    assert child.receive() == "in"
    os.kill(child.process.pid, signal.SIGSTOP)
    yield child
    os.kill(child.process.pid, signal.SIGCONT)
    child.kill()


def test_a_write_beside_a_stopped_process_ends_and_names_it(path, stopped):
    """Reading is not affected; closing does not wait longer either."""
    with closing(SqliteStore(path)) as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=f"process {stopped.process.pid} "):
                store.swap("a", None, "b")
        with store.read() as reader:
            assert [x.key for x in reader.all(m.Movement)] == ["001"]
    with fb.read(f"sqlite:///{path}") as book:
        assert book.orders() == []


def test_a_thread_that_keeps_the_store_is_named(path, soon):
    """The other thread gets an error, not an endless wait."""
    with closing(SqliteStore(path)) as store:
        lock = store._lock
        with lock.hold():
            filelock._files[os.getpid(), lock._path].thread_lock._holder = -1  # another thread
            with pytest.raises(StoreUnavailable, match="another thread"):
                store.swap("a", None, "b")


def test_a_cancel_leaves_beside_a_stopped_process(path, soon):
    """It is sent although it cannot be written; the error says so."""
    bench = Bench(store=SqliteStore(path), wait_s=0)
    order = bench.resting()
    child = Child(hold_a_write, path)
    assert child.receive() == "in"
    os.kill(child.process.pid, signal.SIGSTOP)
    try:
        for call in (lambda: bench.desk.cancel(order), bench.desk.cancel_all):
            with pytest.raises(StoreUnavailable, match="sent all the same"):
                call()
            bench.clock.advance(1)
        assert [x.status for x in bench.truth.orders()] == [m.OrderStatus.CANCELED]
    finally:
        os.kill(child.process.pid, signal.SIGCONT)
        child.kill()
    bench.pass_(5)
    assert bench.desk.book.record(order).instructions  # it is recorded later
    bench.pass_(120)
    assert bench.desk.book.order(order).status is m.OrderStatus.CANCELED


@pytest.mark.parametrize("entries", [1, 30, 450])
def test_a_wal_that_is_missing_after_a_kill_is_noticed(path, entries):
    """The newest entries were in it; with it everything is there."""
    child = Child(write_and_wait, path, entries)
    assert child.receive() == "written"
    child.kill()
    wal = path.with_name("bot.db-wal")
    kept = wal.read_bytes()
    for end in ("-wal", "-shm"):
        path.with_name(f"bot.db{end}").unlink()
    with pytest.raises(StoreDamaged, match=r"bot\.db-wal"):
        SqliteStore(path)
    wal.write_bytes(kept)
    with closing(SqliteStore(path)) as store, store.read() as reader:
        assert reader.last() == entries


def test_a_wal_that_another_program_has_copied_into_the_file_is_not_missed(path):
    """The last connection of any program makes a checkpoint and deletes the WAL."""
    child = Child(write_and_wait, path, 5)
    assert child.receive() == "written"
    child.kill()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM journal").fetchone()
    assert not path.with_name("bot.db-wal").exists()
    with closing(SqliteStore(path)) as store, store.read() as reader:
        assert reader.last() == 5


def test_a_store_that_was_closed_needs_no_wal(path):
    """Also if another process has closed it meanwhile, and entries followed."""
    with closing(SqliteStore(path)) as store:
        for number in range(3):
            with store.write() as writer:
                put(writer, movement(f"{number:03}"))
            SqliteStore(path).close()
    assert not path.with_name("bot.db-wal").exists()
    with closing(SqliteStore(path)) as store, store.read() as reader:
        assert reader.last() == 3


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_gone_is_noticed_before_the_next_order(path, how):
    """Nothing is sent."""
    bench = Bench(store=SqliteStore(path), wait_s=0)
    bench.resting()
    before = len(bench.ours())
    path.unlink()
    if how == "replaced":
        SqliteStore(path).close()
    with pytest.raises(StoreRewound):
        bench.resting(qty=3)
    assert before == len(bench.ours())


def test_the_files_are_private(path):
    """Whatever the mask of the process permits."""
    mask = os.umask(0)
    try:
        with closing(SqliteStore(path)) as store:
            store.swap("a", None, "b")
            modes = {stat.S_IMODE(x.stat().st_mode) for x in path.parent.iterdir()}
    finally:
        os.umask(mask)
    assert modes == {0o600}


@pytest.mark.parametrize("call", ["open", "pwrite"])
def test_a_full_disk_at_the_lock_file_is_unavailable(path, call, monkeypatch):
    """Nothing was written, and the same call may succeed later."""

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(SqliteStore(path)) as store:
        with monkeypatch.context() as patch:
            patch.setattr(filelock.os, call, full)
            with pytest.raises(StoreUnavailable, match="No space left"):
                store.swap("a", None, "b")
        assert store.swap("a", None, "b")


@pytest.mark.parametrize("day", [date.min, date(1, 1, 2), date.max])
def test_any_day_of_the_calendar_is_read_or_invalid(day):
    """Before the account there is nothing to read, and after today there is nothing yet."""
    bench = Bench()
    with suppress(fb.InvalidValue):
        bench.desk.sync(since=day)
    assert bench.is_true()
