"""Threads that write in turn are committed at once, and each returns after that COMMIT."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fillbook import errors
from fillbook import model as m
from fillbook.store import Urgency, urgency
from fillbook.stores.group_commit import GROUP_MAX
from fillbook.stores.sqlite import SqliteStore

AT = m.timestamp("2026-03-02T15:00:00Z")


class Watched:
    """The connection that writes: it counts the COMMITs, and fails one if it is told to."""

    def __init__(self, connection):
        self._connection = connection
        self.commits, self.fails = 0, None

    def execute(self, sql, *parameters):
        if sql == "COMMIT":
            self.commits += 1
            if self.fails == "after":
                self._connection.execute(sql)
            if self.fails:
                raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name):
        return getattr(self._connection, name)


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "bot.db")
    made._writer = Watched(made._writer)
    yield made
    made.close()


def queue(store):
    """The threads that wait for the lock of the file."""
    from fillbook.stores import filelock

    ((_, file),) = ((key, x) for key, x in filelock._files.items() if key[1] == store._lock._path)
    return file.thread_lock._queue


def note(about):
    return m.Alerted(m.Alert(m.AlertKind.HALT, about, "a test"))


def write(store, about, raises=None, of=Urgency.CALL):
    with urgency(of), store.write() as writer:
        number = writer.record(note(about), AT, m.Changes())
        if raises is not None:
            raise raises
    return number


def recorded(store):
    with store.read() as reader:
        return [x.entry.alert.about for x in reader.journal()]


@contextmanager
def together(store, *calls):
    """Run *calls*, each in a thread, so that all others wait while the first of them writes."""
    with ThreadPoolExecutor(len(calls) + 1) as threads:
        with store._lock.hold():
            futures = []
            for call in calls:
                futures.append(threads.submit(call))
                while len(queue(store)) < len(futures):
                    pass
        yield futures


def outcomes(futures):
    return [x.exception() or x.result() for x in futures]


def test_writes_that_wait_for_each_other_have_one_commit(store):
    names = [str(n) for n in range(5)]
    with together(store, *[lambda x=x: write(store, x) for x in names]) as futures:
        assert outcomes(futures) == [1, 2, 3, 4, 5]
    assert (store._writer.commits, recorded(store)) == (1, names)


def test_a_group_has_an_end(store):
    calls = [lambda x=x: write(store, str(x)) for x in range(GROUP_MAX + 1)]
    with together(store, *calls) as futures:
        outcomes(futures)
    assert (store._writer.commits, len(recorded(store))) == (2, GROUP_MAX + 1)


def test_no_write_returns_before_the_commit(store):
    wrote, go_on, told = threading.Event(), threading.Event(), []

    def last():
        with store.write() as writer:
            wrote.set()
            go_on.wait(60)
            told.append((futures[0].done(), recorded(store), store._writer.commits))
            writer.record(note("last"), AT, m.Changes())

    with together(store, lambda: write(store, "first"), last) as futures:
        assert wrote.wait(60)
        go_on.set()
        outcomes(futures)
    assert told == [(False, [], 0)]
    assert recorded(store) == ["first", "last"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_raises_is_undone_alone(store, place):
    calls = [
        lambda x=x: write(store, str(x), ValueError("no") if x == place else None) for x in range(3)
    ]
    with together(store, *calls) as futures:
        failed = [isinstance(x, ValueError) for x in outcomes(futures)]
    assert failed == [x == place for x in range(3)]
    assert recorded(store) == [str(x) for x in range(3) if x != place]


@pytest.mark.parametrize(("fails", "written"), [("before", False), ("after", True)])
def test_a_commit_that_fails_fails_all_unless_it_was_made(store, fails, written):
    store._writer.fails = fails
    with together(store, *[lambda x=x: write(store, x) for x in "abc"]) as futures:
        found = outcomes(futures)
    store._writer.fails = None
    if written:
        assert (found, recorded(store)) == ([1, 2, 3], list("abc"))
    else:
        assert [type(x) for x in found] == [errors.StoreUnavailable] * 3
        assert (recorded(store), write(store, "d")) == ([], 1)


def test_what_sqlite_rolled_back_was_written_by_none(store):
    def fails():
        with store.write() as writer:
            writer.record(note("b"), AT, m.Changes())
            store._writer.execute("ROLLBACK")  # as SQLite does when the disk is full
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    with together(store, lambda: write(store, "a"), fails, lambda: write(store, "c")) as futures:
        first, second, third = outcomes(futures)
    assert [type(first), type(second), third] == [errors.StoreUnavailable] * 2 + [1]
    assert "another thread failed in the same transaction" in str(first)
    assert recorded(store) == ["c"]


def test_a_cancel_shares_no_commit_with_a_poll(store):
    calls = [
        lambda: write(store, "poll", of=Urgency.BACKGROUND),
        lambda: write(store, "cancel", of=Urgency.EXIT),
        lambda: write(store, "cancel", of=Urgency.EXIT),
    ]
    with together(store, *calls) as futures:
        outcomes(futures)
    assert (store._writer.commits, recorded(store)) == (2, ["cancel", "cancel", "poll"])


def test_two_stores_on_one_file_share_no_commit(store, tmp_path):
    other = SqliteStore(tmp_path / "bot.db")
    other._writer = Watched(other._writer)
    with together(store, lambda: write(store, "a"), lambda: write(other, "b")) as futures:
        outcomes(futures)
    assert (store._writer.commits, other._writer.commits) == (1, 1)
    assert recorded(store) == recorded(other) == ["a", "b"]
    other.close()


def test_a_cell_is_set_by_a_group_of_its_own(store):
    calls = [
        lambda: write(store, "a"),
        lambda: store.swap("cell", None, "1"),
        lambda: store.swap("cell", "1", "2"),
        lambda: store.swap("cell", None, "3"),
    ]
    with together(store, *calls) as futures:
        assert outcomes(futures) == [1, True, True, False]
    assert (store.cell("cell"), store._writer.commits) == ("2", 2)


def test_a_waiter_that_leaves_commits_what_it_was_passed(store, monkeypatch):
    from fillbook.stores import thread_queue

    class Interrupted:
        """The turn of a waiter who is interrupted as it is passed the lock."""

        def __init__(self, lock):
            self._lock = lock

        def acquire(self, timeout=-1):
            self._lock.acquire(timeout=timeout)
            raise KeyboardInterrupt

        def release(self):
            self._lock.release()

    class Waiter(thread_queue._Waiter):
        def __init__(self, of, kind):
            super().__init__(of, kind)
            if threading.current_thread().name == "leaves":
                self.turn = Interrupted(self.turn)

    monkeypatch.setattr(thread_queue, "_Waiter", Waiter)

    def leaves():
        threading.current_thread().name = "leaves"
        write(store, "left")

    with together(store, lambda: write(store, "a"), leaves, lambda: write(store, "b")) as futures:
        first, left, third = outcomes(futures)
    assert (first, type(left), third) == (1, KeyboardInterrupt, 2)
    assert (store._writer.commits, recorded(store)) == (2, ["a", "b"])


def test_a_store_that_is_closed_commits_what_was_written(store):
    closing = threading.Thread(target=store.close)

    def first():
        with store.write() as writer:
            closing.start()
            while not store._closed:
                pass
            return writer.record(note("a"), AT, m.Changes())

    with together(store, first, lambda: write(store, "b")) as futures:
        number, refused = outcomes(futures)
    closing.join()
    assert (number, type(refused)) == (1, errors.StoreUnavailable)
    with SqliteStore(store._path).read() as reader:
        assert reader.last() == 1
