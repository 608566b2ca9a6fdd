"""
The cases of the matrix: command × answer or kill × restart × kind of order × desks.

`cases` lists all of one command and kind; the tests run a slice of them, `nox -s matrix` all.
"""

import itertools

from attrs import frozen

#: What each command may be given to; a leg's quantity is not changed, and only our own is placed.
COMMANDS = {
    "submit": ("plain", "keyed", "bracket"),
    "cancel": ("own", "external", "leg", "replaced"),
    "cancel_all": ("own", "external", "leg", "replaced"),
    "replace": ("own", "external", "leg", "replaced"),
    "resize": ("own", "external", "replaced"),  # by cancel-and-new: it has fills
    "renew": ("own", "external", "replaced"),  # the new order of a resize has the answer
    "repair": ("own",),  # the cancel that is sent without a call of the bot
}
#: The request that the answer is given to.
REQUESTS = {
    "submit": "submit",
    "cancel": "cancel",
    "cancel_all": "cancel",
    "replace": "replace",
    "resize": "cancel",
    "renew": "submit",
    "repair": "cancel",
}
#: "pacer": our own budget is used up.  The others are the broker's, or the transport's.
ANSWERS = (
    *("accepted", "accepted-with-report", "accepted-without-report", "accepted-without-effect"),
    *("rejected", "pacer", "rate-limited", "unreachable", "lost", "reply-lost", "late"),
)
#: Given once, or to every request until the restart.
TIMES = (1, 50)
#: One desk; another that has the lease; another that takes it while the first is stopped.
DESKS = ("one", "two", "fenced")
#: After how many seconds the next process starts, and whether the bot gives the command again.
RESTARTS = ((1, False), (30, False), (30, True), (60, False), (300, False), (300, True))
#: No process dies: the desk that was given the command goes on.
GOES_ON = 0
ON = (GOES_ON, False)
#: More boundaries than any command has before it returns.
BOUNDARIES = 40


@frozen
class Case:
    """
    One case; `kill` is the boundary at which the process is killed, None: it returns.

    `again`: the bot gives the same command again after the restart.
    """

    command: str
    kind: str
    desks: str
    answer: str
    times: int
    restart_s: int
    kill: int | None = None
    again: bool = False

    def __str__(self):
        ends = "" if self.kill is None else f", killed at {self.kill}"
        then = ", and given again" if self.again else ""
        return (
            f"{self.command} {self.kind}, {self.desks}: {self.answer} x {self.times}"
            f"{ends}, restart after {self.restart_s} s{then}"
        )


def cases(command, kind, desks):
    """Every case of one command on one kind of order."""
    for answer, times, (restart_s, again) in itertools.product(ANSWERS, TIMES, (ON, *RESTARTS)):
        if (answer, times) not in (("accepted", 50), ("pacer", 50)):
            yield Case(command, kind, desks, answer, times, restart_s, again=again)
    for answer, (restart_s, again), kill in itertools.product(
        ("accepted", "unreachable"), RESTARTS, range(BOUNDARIES)
    ):
        yield Case(command, kind, desks, answer, 1, restart_s, kill, again)
