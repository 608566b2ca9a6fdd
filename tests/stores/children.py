"""The work of the other processes of these tests, and how they are started, watched and killed."""

import multiprocessing
import os
import time
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

from fillbook import model as m
from fillbook.errors import Forked
from fillbook.stores.filelock import FileLock
from fillbook.stores.sqlite import SqliteStore
from fillbook.testing.store_suite import AT, ENTRY, movement, put

_SPAWN = multiprocessing.get_context("spawn")
PATIENCE_S = 100  # for what another process does; the machine may be busy


class Child:
    """A process that runs *work*, a function of this module, with a pipe to us as its last one."""

    def __init__(self, work, *arguments):
        self._pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=work, args=(*arguments, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self):
        assert self._pipe.poll(PATIENCE_S), "no message from the other process"
        return self._pipe.recv()

    def has_output(self):
        return self._pipe.poll(0)

    def signal(self, word=None):
        self._pipe.send(word)

    def kill(self):
        self.process.kill()
        self.process.join(PATIENCE_S)

    def drain(self):
        """Everything that the process printed until its end."""
        messages = []
        try:
            while self._pipe.poll(0):
                messages.append(self._pipe.recv())
        except (EOFError, ConnectionResetError):
            pass
        return messages


@contextmanager
def children(work, count, *arguments):
    """*count* processes, all ended with the test."""
    started = [Child(work, *arguments) for _ in range(count)]
    try:
        yield started
    finally:
        for child in started:
            child.kill()


def until(condition):
    """Return once *condition* holds in another process or thread."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        os.sched_yield()


def tickets_drawn(path: Path) -> int:
    """The number of tickets drawn; not to be called by a process that holds the lock."""
    return int.from_bytes(path.read_bytes()[:8], "big") if path.exists() else 0


def take_turn_on_signal(path, pipe):
    """On a signal, take a turn, report it, and hold it until the next signal."""
    pipe.send("ready")
    pipe.recv()
    with FileLock(path).hold():
        pipe.send("in")
        pipe.recv()
    pipe.send("out")


def write_often(path, times, pipe):
    """
    Add *times* ones to a sum; report the longest wait (s), and whether a contested cell was won.
    """
    with closing(SqliteStore(path)) as store:
        pipe.send("ready")
        pipe.recv()
        won = store.swap("winner", None, str(os.getpid()))
        longest = 0.0
        for _ in range(times):
            asked = time.monotonic()
            with store.write() as writer:
                longest = max(longest, time.monotonic() - asked)
                before = writer.get(m.Movement, "sum")
                put(writer, movement("sum", qty=str((before.qty if before else Decimal(0)) + 1)))
    pipe.send((longest, won))


def write_until_killed(path, pipe):
    """Report the number of each transaction once it is durable; each writes it four times."""
    store = SqliteStore(path)
    while True:
        with store.write() as writer:
            qty = str(writer.last() + 1)
            number = put(writer, *(movement(key, qty=qty, owner=qty) for key in "abc"))
        pipe.send(number)


def use_after_fork(path, pipe):
    """
    Report the result of each use of the parent's store in a forked child; the parent then writes.
    """
    store = SqliteStore(path)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        refused = [_is_refused(use) for use in _uses(store)]
        store.close()
        with closing(SqliteStore(path)) as own, own.write() as writer:
            put(writer, movement("of the child"))
        os.write(writing, bytes(refused))
        os._exit(0)
    os.waitpid(pid, 0)
    with store.write() as writer:
        writer.record(ENTRY, AT, m.Changes(put=(movement("of the parent"),)))
        names = [one.key for one in writer.all(m.Movement)]
    store.close()
    pipe.send((list(os.read(reading, 10)), names))


def _uses(store):
    return (
        lambda: store.read().__enter__(),
        lambda: store.write().__enter__(),
        lambda: store.cell("lease"),
        lambda: store.swap("lease", None, "me"),
    )


def _is_refused(use):
    try:
        use()
    except Forked:
        return True
    return False


def hold_a_write(path, pipe):
    """Report from inside a write, and stay there."""
    with closing(SqliteStore(path)) as store, store.write():
        pipe.send("in")
        pipe.recv()


def write_and_wait(path, entries, pipe):
    """Write so many movements in as many transactions, report it, and wait."""
    with closing(SqliteStore(path)) as store:
        for number in range(entries):
            with store.write() as writer:
                put(writer, movement(f"{number:03}"))
        pipe.send("written")
        pipe.recv()
