"""FairLock between processes: in the order of requests, with any process killed meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from fillbook.errors import Bug, StoreUnavailable
from fillbook.store import Urgency, urgency
from fillbook.stores import filelock
from fillbook.stores.filelock import FileLock
from fillbook.stores.thread_queue import OVERTAKEN_MAX, FairLock
from tests.stores.children import children, take_turn_on_signal, tickets_drawn, until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.db-lock"


@pytest.fixture
def queue(path):
    """Four processes that requested the lock one after the other; the first has its turn."""
    with children(take_turn_on_signal, 4, path) as started:
        for child in started:
            assert child.receive() == "ready"
        for number, child in enumerate(started, start=1):
            child.signal()
            until(lambda number=number: tickets_drawn(path) == number)
        assert started[0].receive() == "in"
        yield started


def test_processes_take_turns_in_the_order_of_their_requests(queue):
    for child, following in pairwise(queue):
        assert not following.has_output()
        child.signal()
        assert child.receive() == "out"
        assert following.receive() == "in"


@pytest.mark.slow
def test_the_ticket_of_a_killed_process_is_released(queue):
    holder, *waiting = queue
    holder.kill()
    assert waiting[0].receive() == "in"
    assert not waiting[1].has_output()


@pytest.mark.slow
def test_a_waiter_that_is_killed_is_passed_over(queue):
    holder, first, second, third = queue
    second.kill()
    holder.signal()
    assert first.receive() == "in"
    first.signal()
    assert third.receive() == "in"


def test_threads_take_turns_in_the_order_of_their_requests():
    turns = FairLock()
    order = []

    def take(name):
        with turns.hold():
            order.append(name)

    with turns.hold():
        threads = [threading.Thread(target=take, args=(name,)) for name in range(5)]
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda waiting=waiting: len(turns._queue) == waiting)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_the_most_urgent_thread_goes_first():
    """And none waits for ever: it is overtaken a limited number of times."""
    turns, order = FairLock(), []

    def take(of):
        with urgency(of), turns.hold():
            order.append(of)

    wanted = [Urgency.BACKGROUND, Urgency.CALL, *[Urgency.EXIT] * (OVERTAKEN_MAX + 2)]
    with turns.hold():
        threads = [threading.Thread(target=take, args=(of,)) for of in wanted]
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda waiting=waiting: len(turns._queue) == waiting)
    for thread in threads:
        thread.join()
    exits = [Urgency.EXIT] * OVERTAKEN_MAX
    assert order == [*exits, Urgency.BACKGROUND, Urgency.CALL, Urgency.EXIT, Urgency.EXIT]


def test_a_poll_takes_no_ticket_while_another_process_has_one(queue, path, monkeypatch):
    """It waits for all of them, not for its turn among them: for a while."""
    monkeypatch.setattr(filelock, "YIELD_MAX_S", 60)
    order = []

    def poll():
        with urgency(Urgency.BACKGROUND), FileLock(path).hold():
            order.append("poll")

    thread = threading.Thread(target=poll)
    thread.start()
    drawn = tickets_drawn(path)
    for child, following in pairwise([*queue, None]):
        child.signal()
        assert child.receive() == "out"
        assert following is None or following.receive() == "in"
        if following is not None:
            assert tickets_drawn(path) == drawn
    thread.join()
    assert order == ["poll"]


def test_two_locks_of_one_path_are_one_lock(path):
    inside = 0
    most = 0

    def take(_):
        nonlocal inside, most
        for _ in range(20):
            with FileLock(path).hold():
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(take, range(4)))
    assert most == 1


def test_a_turn_inside_a_turn_is_refused(path):
    lock = FileLock(path)
    with lock.hold(), pytest.raises(Bug), FileLock(path).hold():
        raise AssertionError("there are two turns")
    with lock.hold():
        assert tickets_drawn(path) == 2


def test_a_lock_file_that_cannot_be_made_is_reported(tmp_path):
    with pytest.raises(StoreUnavailable), FileLock(tmp_path / "no" / "folder").hold():
        raise AssertionError("there is a lock")
