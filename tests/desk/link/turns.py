"""
Threads that take turns: one runs at a time, and a seed decides which goes on at each boundary.

A boundary is a moment before or after a transaction of the store, or before or after a request to
the broker.  So a run depends on its seed only, never on the machine, and can be repeated.
"""

import random
import threading
from contextlib import contextmanager

from fillbook.stores.memory import MemoryStore

#: A thread that waits longer for its turn, in real seconds, is one that never gets it.
STUCK_S = 60


class Turns:
    """Runs calls in a thread each; every boundary may pass the turn to another."""

    def __init__(self, seed):
        self._dice = random.Random(seed)
        self._waiting = {}  #: by thread: set when it is its turn
        self._errors = []
        self.now = 0  #: the number of boundaries so far, by which calls are ordered

    def run(self, calls):
        """Make every one of *calls* in a thread of its own; return when all have returned."""
        threads = [threading.Thread(target=self._make, args=(call,)) for call in calls]
        self._waiting = {thread: threading.Event() for thread in threads}
        for thread in threads:
            thread.start()
        self._pass_on()
        for thread in threads:
            thread.join(STUCK_S)
            assert not thread.is_alive(), "a thread waits for a lock that another thread holds"
        for error in self._errors:
            raise error

    @property
    def running(self):
        """How many of the threads have not returned yet."""
        return len(self._waiting)

    def boundary(self):
        """Let another thread go on, or none; a thread that takes no turns just goes on."""
        mine = self._waiting.get(threading.current_thread())
        if mine is None:
            return
        mine.clear()
        self._pass_on()
        assert mine.wait(STUCK_S)

    def _make(self, call):
        thread = threading.current_thread()
        try:
            self._waiting[thread].wait(STUCK_S)
            call()
        except BaseException as error:
            self._errors.append(error)
        finally:
            del self._waiting[thread]
            self._pass_on()

    def _pass_on(self):
        self.now += 1
        if self._waiting:
            self._dice.choice(list(self._waiting.values())).set()


class TurnsStore(MemoryStore):
    """A store with a boundary on either side of each transaction."""

    def __init__(self, turns):
        super().__init__()
        self.turns = turns

    @contextmanager
    def write(self):
        self.turns.boundary()
        with super().write() as writer:
            yield writer
        self.turns.boundary()


def with_turns(of, turns, *names):
    """A subclass of the broker class *of*: a boundary on either side of the requests *names*."""

    def taking_turns(name):
        plain = getattr(of, name)

        def request(self, *args):
            turns.boundary()
            answer = plain(self, *args)
            turns.boundary()
            return answer

        return request

    return type(f"Turns{of.__name__}", (of,), {name: taking_turns(name) for name in names})
