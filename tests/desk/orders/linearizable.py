"""
Whether the results of several callers of one account could come from one call after another.

The search is that of Wing and Gong, with the memory that Lowe added: each set of finished calls,
with its remaining amount, is searched once.
"""

from decimal import Decimal

from attrs import frozen


@frozen
class Call:
    """One call: its begin and end, the requested amount, and whether it was granted."""

    began: int
    ended: int
    amount: Decimal  #: < 0 gives back
    granted: bool


def follows(left, call):
    """The remaining amount after *call*, if it may come next; else None."""
    if call.granted:
        return left - call.amount if call.amount <= left else None
    return left if call.amount > left else None


def is_linearizable(calls, total):
    """Whether a valid order of *calls* exists, in which none moves past its own time."""
    calls = sorted(calls, key=lambda call: call.began)
    seen = set()
    todo = [(0, Decimal(total))]  # the calls done, as bits, and what is left
    everything = (1 << len(calls)) - 1
    while todo:
        done, left = todo.pop()
        if done == everything:
            return True
        if (done, left) in seen:
            continue
        seen.add((done, left))
        waiting = [i for i in range(len(calls)) if not done >> i & 1]
        first_end = min(calls[i].ended for i in waiting)
        for i in waiting:
            if calls[i].began > first_end:
                break
            after = follows(left, calls[i])
            if after is not None:
                todo.append((done | 1 << i, after))
    return False
