"""
The next step of a cancel: the table, and an exhaustive walk of an order, a change and a cancel.
"""

from datetime import timedelta

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.orders import cancel_retries
from fillbook.core.orders.cancel_retries import Attempt, Progress, Read, Wait

A, S = m.AnswerKind, m.OrderStatus
STUCK = timedelta(seconds=300)


def at(seconds):
    return timedelta(seconds=seconds)


def step(answer="none", shown=S.NEW, **progress):
    """The next step after one attempt at 100 s with this reply; "none": there was no attempt."""
    made = []
    if answer != "none":
        made = [m.Request(2, m.Command.CANCEL, m.timestamp("2026-03-02T15:00:00Z"), "b1", answer)]
    known = {"attempted_at": at(100), "is_own": True, "attempts": 1} | progress
    return cancel_retries.next_step(made, shown, Progress(**known), stuck=STUCK)


def known(*words, **progress):
    """The arguments of `step`."""
    return words, progress


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (known(), Attempt(at(0))),
        (known(A.NOT_SENT), Attempt(at(100.25))),
        (known(A.NOT_SENT, attempts=2), Attempt(at(100.5))),
        (known(A.NOT_SENT, attempts=99), Attempt(at(110))),
        (known(A.AMBIGUOUS), Read(at(100))),
        (known(A.AMBIGUOUS, read_at=at(101), reads=1), Read(at(101.25))),  # it was not observed
        (known(A.AMBIGUOUS, read_at=at(101), live_at=at(101)), Attempt(at(100.25))),
        (known(A.AMBIGUOUS, live_at=at(99)), Read(at(100))),  # live before the attempt
        (known(None, live_at=at(101)), Attempt(at(100.25))),
        (known(A.AMBIGUOUS, attempts=2, live_at=at(101)), Attempt(at(100.5))),
        (known(A.AMBIGUOUS, is_own=False, live_at=at(101)), Attempt(at(100.25))),  # it has returned
        (known(None, is_own=False, attempts=0, live_at=at(101)), Attempt(at(115))),  # in flight
        (known(A.ACCEPTED, S.PENDING_CANCEL), Wait(at(400))),
        (known(A.ACCEPTED, live_at=at(101)), Attempt(at(400))),
        (known(A.ACCEPTED), Read(at(100))),
        (known(A.REJECTED, live_at=at(101)), Attempt(at(110))),
        (known(A.REJECTED, attempts=2, live_at=at(101)), Attempt(at(120))),
        (known(A.REJECTED, attempts=3, live_at=at(101)), Attempt(at(140))),
        (known(A.REJECTED, attempts=50, live_at=at(101)), Attempt(at(400))),
        (known(A.REJECTED), Read(at(100))),
        # The bot cancels again: at once, if it is read as live.
        (known(A.REJECTED, live_at=at(101), requested_at=at(102)), Read(at(102))),
        (known(A.REJECTED, live_at=at(103), requested_at=at(102)), Attempt(at(102))),
        (known(A.REJECTED, read_at=at(103), reads=1, requested_at=at(102)), Read(at(103.25))),
        (known(A.ACCEPTED, S.PENDING_CANCEL, requested_at=at(102)), Wait(at(400))),
        # Another thread or process may be waiting for its reply: nothing is sent beside it.
        (known(None, is_own=False, live_at=at(103), requested_at=at(102)), Read(at(115))),
        (known(None, is_own=False, live_at=at(116), requested_at=at(102)), Attempt(at(115))),
    ],
)
def test_what_is_due(known, expected):
    words, progress = known
    assert step(*words, **progress) == expected


def test_an_attempt_that_this_process_does_not_know_may_have_left_just_now():
    """The progress begins anew when it is first seen, and again with each attempt of another."""
    first = cancel_retries.seen(None, 1, at(50))
    assert first == Progress(attempted_at=at(50), recorded=1)
    own = Progress(attempted_at=at(60), recorded=2, is_own=True, attempts=1, live_at=at(61))
    assert cancel_retries.seen(own, 2, at(70)) is own
    assert cancel_retries.seen(own, 3, at(70)) == Progress(
        attempted_at=at(70), recorded=3, attempts=1
    )


def test_a_change_that_did_not_leave_is_attempted_again():
    made = [m.Request(2, m.Command.REPLACE, m.timestamp("2026-03-02T15:00:00Z"), "b1", A.NOT_SENT)]
    fresh = Progress(attempted_at=at(100), attempts=1)
    assert cancel_retries.retry_of_change([], fresh, at(50)) == at(50)
    assert cancel_retries.retry_of_change(made, fresh, at(50)) == at(100.25)
    assert cancel_retries.retry_of_change(made, fresh, at(200)) == at(200)
    for answer in (None, A.ACCEPTED, A.REJECTED, A.AMBIGUOUS):
        assert (
            cancel_retries.retry_of_change([*made, evolve(made[0], answer=answer)], fresh, at(200))
            is None
        )


# -- the walk ----------------------------------------------------------------------------


class World:
    """One order at a broker with scripted replies, and a process that takes the due steps."""

    def __init__(self, answers, effects, kill):
        self.answers, self.effects, self.kill = list(answers), list(effects), kill
        self.alive, self.shown, self.now = True, S.NEW, at(0)
        self.made, self.sent, self.landing = [], 0, None
        self.progress = Progress(attempted_at=at(0))
        self.repeats_are_justified = True

    def read(self):
        alive = self.alive
        self.progress = evolve(
            self.progress,
            read_at=self.now,
            reads=self.progress.reads + 1,
            live_at=self.now if alive else self.progress.live_at,
        )

    def attempt(self):
        last = self.made[-1].answer if self.made else A.NOT_SENT
        live_at = self.progress.live_at
        read = live_at is not None and live_at >= self.progress.attempted_at
        self.repeats_are_justified &= read or last is A.NOT_SENT
        answer = self.answers.pop(0) if self.answers else A.ACCEPTED
        effect = self.effects.pop(0) if self.effects else "ends"
        number = len(self.made) + 2
        moment = m.timestamp("2026-03-02T15:00:00Z")
        if answer is not A.NOT_SENT:
            self.sent += 1
            if effect == "ends" and answer is not A.REJECTED:
                self.alive = False
            elif effect == "later" and answer is not A.REJECTED:
                self.landing = self.now + at(60)
            elif effect == "pending" and answer is A.ACCEPTED:
                self.shown = S.PENDING_CANCEL
                self.landing = self.now + at(60)
        self.made.append(m.Request(number, m.Command.CANCEL, moment, "b1", answer))
        self.progress = Progress(attempted_at=self.now, is_own=True, attempts=len(self.made))
        if self.kill == len(self.made):  # the reply is lost with the process
            self.made[-1] = evolve(self.made[-1], answer=None)
            self.progress = Progress(attempted_at=self.now)

    def run(self):
        for _ in range(200):
            if self.landing is not None and self.now >= self.landing:
                self.alive = False
            if not self.alive:
                return True
            found = cancel_retries.next_step(self.made, self.shown, self.progress, stuck=STUCK)
            if found.at > self.now:
                self.now = found.at
                continue
            if isinstance(found, Attempt):
                self.attempt()
            elif isinstance(found, Read):
                self.read()
            else:
                self.now += at(30)
        return False


ANSWERS = (A.NOT_SENT, A.AMBIGUOUS, A.ACCEPTED, A.REJECTED)


def scripts():
    """Every reply to two attempts, with every effect of each, and a kill after any of them."""
    for first in ANSWERS:
        for second in ANSWERS:
            for effect in ("ends", "later", "pending", "nothing"):
                for then in ("ends", "later", "pending", "nothing"):
                    for kill in (None, 1, 2):
                        yield (first, second), (effect, then), kill


def test_no_reply_no_effect_and_no_kill_loses_a_cancel():
    """P2, P12: a canceled order is final, or is attempted as long as it is live."""
    runs = [World(*script) for script in scripts()]
    assert len(runs) == 4 * 4 * 4 * 4 * 3
    assert [x for x in runs if not x.run()] == []
    # An attempt follows another only after the id was read as live, or if none had left.
    assert all(x.repeats_are_justified for x in runs)
    assert max(x.sent for x in runs) <= 4
