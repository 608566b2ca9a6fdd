"""A store whose process is killed, in this process."""

from contextlib import contextmanager

from fillbook.stores.memory import MemoryStore


class Killed(BaseException):
    """The process ends here; no code below catches it."""


class Mortal(MemoryStore):
    """A store whose process is killed around a transaction: before or after it is durable."""

    left = None
    keeps = True

    @contextmanager
    def write(self):
        dies = self.left == 0
        self.left = None if self.left is None else self.left - 1
        with super().write() as writer:
            yield writer
            if dies and not self.keeps:
                raise Killed
        if dies:
            raise Killed


def killed_at_each_write(begun, go, *, keeps, every=1):
    """
    Yield the bench of *begun*, and the number of the write at which *go* was killed on it.

    *go* returns whether its process was killed; *keeps*: the write is durable.  The store works
    again.
    """
    bench = begun()
    bench.store.left = 1_000
    assert not go(bench)
    for at in range(int(keeps), 1_000 - bench.store.left, every):
        bench = begun()
        bench.store.left, bench.store.keeps = at, keeps
        if go(bench):
            bench.store.left = None
            yield bench, at
