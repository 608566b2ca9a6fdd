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
