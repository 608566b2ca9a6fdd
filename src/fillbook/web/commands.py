"""
The handlers of instructions: each is written to the store, and the desk that ticks carries it out.

The answer is 202 with the present state; ``Prefer: wait=5`` waits for the end.
"""

from __future__ import annotations

import threading
from typing import Final

from fillbook import errors
from fillbook.model.account.instruction import AccountInstruction
from fillbook.web.call import Answer, Call, answer

#: How often the store is read while an answer waits, in seconds.
EVERY_S: Final = 0.1
_PAUSE: Final = threading.Event()


def cancel(call: Call) -> Answer:
    """Cancel an order; it is final when the broker reports it."""
    order = call.instructing.cancel(call.path["id"], call.token_id)
    end = call.clock.elapsed().total_seconds() + call.wait_s
    while not order.is_final and call.clock.elapsed().total_seconds() < end:
        call.clock.wait(_PAUSE, EVERY_S)
        order = call.book.order(order)
    return answer(order, 200 if order.is_final else 202)


def sync(call: Call) -> Answer:
    """Reconcile one order."""
    return _followed(call, call.instructing.sync(call.path["id"], call.token_id))


def approve(call: Call) -> Answer:
    """Approve a plan that is proposed."""
    return _followed(call, call.instructing.approve(call.path["id"], call.token_id))


def reject(call: Call) -> Answer:
    """Reject a plan that has not begun."""
    why = _why(call, "rejected by a person")
    return _followed(call, call.instructing.reject(call.path["id"], why, call.token_id))


def halt(call: Call) -> Answer:
    """Set the kill switch: no new order is sent; open orders stay open."""
    return _followed(call, call.instructing.halt(_why(call, "halted by a person"), call.token_id))


def resume(call: Call) -> Answer:
    """Clear the kill switch."""
    return _followed(call, call.instructing.resume(call.token_id))


def _why(call: Call, default: str) -> str:
    why = call.body.get("why", default)
    if not isinstance(why, str) or not 0 < len(why) <= 200 or not why.isprintable():
        raise errors.InvalidValue("why must be 1 to 200 printable characters")
    return why


def _followed(call: Call, given: AccountInstruction) -> Answer:
    """Wait for the end of an instruction, as long as the caller asked for; return it."""
    end = call.clock.elapsed().total_seconds() + call.wait_s
    while given.closed is None and call.clock.elapsed().total_seconds() < end:
        call.clock.wait(_PAUSE, EVERY_S)
        given = call.instructing.instruction(given.number) or given
    where = f"/api/v1/accounts/{call.path['book']}/instructions/{given.number}"
    return answer(given, 202 if given.closed is None else 200, {"Location": where})
