"""
The faults: what each does, where it may be injected, and how long it lasts.

`plan` decides which fault is injected when.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from fillbook.errors import InvalidValue


class InjectionPoint(StrEnum):
    """Where a fault may be injected: requests first, then steps inside the exchange."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    REPLACE = "replace"
    ORDERS = "orders"
    ORDER = "order"
    FIND = "find"
    POSITIONS = "positions"
    ACCOUNT = "account"
    EXECUTIONS = "executions"
    ACTIVITIES = "activities"
    INSTRUMENTS = "instruments"
    SESSIONS = "sessions"
    QUOTES = "quotes"
    LISTEN = "listen"

    CHECKED = "checked"  #: the exchange checks an order against the account
    TAKEN = "taken"  #: an order was accepted
    CHANGE = "change"  #: an order changed after it was accepted
    FILL = "fill"  #: an order was executed
    TAKEN_BACK = "taken-back"  #: an execution was busted
    ASKED_CANCEL = "asked-cancel"  #: a cancel was accepted
    ASKED_REPLACE = "asked-replace"  #: a replace was accepted
    EVENT = "event"  #: an event is about to be sent
    SHOW_ORDERS = "show-orders"  #: a client is about to read orders, as a list or by id
    SHOW_POSITIONS = "show-positions"
    SHOW_ACCOUNT = "show-account"
    SHOW_HISTORY = "show-history"  #: a client is about to read executions
    FRAME = "frame"  #: an emulator is about to send an event on its stream
    WORDS = "words"  #: an emulator is about to encode orders or positions


class Fault(StrEnum):
    """The faults that can be injected; each has been observed at a broker."""

    REQUEST_LOST = "request-lost"  #: the request never arrives; the client times out
    REPLY_LOST = "reply-lost"  #: the request is done and the reply is lost
    LATE_LANDING = "late-landing"  #: an order is accepted `seconds` after the client's time-out
    DUPLICATE_UNLISTED = "duplicate-unlisted"  #: accepted, reply lost, in no view for `seconds`
    UNREACHABLE = "unreachable"  #: no connection: the request was not sent
    SLOW = "slow"  #: the reply comes after `seconds`
    RATE_LIMITED = "rate-limited"  #: 429, with `Retry-After` if `seconds` are given
    SERVER_ERROR = "server-error"  #: 504 or another `status`; a write may have been done
    HTML = "html"  #: an HTML page (502 or another `status`); a write may have been done
    REDIRECT = "redirect"  #: 307 to a path that does not exist
    EMPTY_LIST = "empty-list"  #: 200 with [] although rows exist
    CUT_PAGE = "cut-page"  #: the body is truncated
    SHIFTING_PAGE = "shifting-page"  #: the next page begins one row too early

    STREAM_REFUSED = "stream-refused"  #: the exchange refuses the connection
    STREAM_LOST = "stream-lost"  #: the exchange closes the stream; later events are not sent
    EVENT_DROPPED = "event-dropped"  #: the event is not sent
    EVENT_DOUBLED = "event-doubled"  #: the event is sent twice
    EVENT_REORDERED = "event-reordered"  #: the event is sent one second late, after later ones
    EVENT_EARLY = "event-early"  #: an order is routed, with its events, before the submit reply
    STREAM_SILENT = "stream-silent"  #: the stream stays connected, but the event is not sent
    STREAM_IDS_DIFFER = "stream-ids-differ"  #: an execution has another id in events

    STALE_SNAPSHOT = "stale-snapshot"  #: orders or positions as they were `seconds` ago
    ACCOUNT_OLD = "account-old"  #: the account as it was `seconds` ago
    ACCOUNT_ID_CHANGED = "account-id-changed"  #: a read of the account shows another account id
    HISTORY_LATE = "history-late"  #: a fill is in the history only `seconds` later
    HISTORY_OUT_OF_ORDER = "history-out-of-order"  #: rows of the same millisecond change places
    HISTORY_WITHOUT_BUSTS = "history-without-busts"  #: rows show no busts and corrections
    CUM_LOWERED = "cum-lowered"  #: a bust lowers the order's `filled_qty` (else it stays)
    UPDATED_AT_NULL = "updated-at-null"  #: `updated_at` of an order is null
    UPDATED_AT_FROZEN = "updated-at-frozen"  #: a change does not change `updated_at`
    UNKNOWN_WORD = "unknown-word"  #: an order has an unknown status

    FUNDS_UNCHECKED = "funds-unchecked"  #: an order is accepted without enough buying power
    REJECT_AFTER_ACCEPT = "reject-after-accept"  #: an order is accepted and then rejected
    CANCEL_FILLS = "cancel-fills"  #: the order fills while its cancel is pending
    CANCEL_NEVER_ENDS = "cancel-never-ends"  #: the order stays `pending_cancel`
    CANCEL_AT_OPEN = "cancel-at-open"  #: outside the session it is done at the next open
    UNITS_FREED_LATE = "units-freed-late"  #: the units stay reserved for `seconds` after it
    SIBLING_LATE = "sibling-late"  #: the other exits of the group change `seconds` after a fill
    CANCEL_REJECTED = "cancel-rejected"  #: `pending_cancel`, then the previous status again
    REPLACE_DENIED = "replace-denied"  #: 422 although the replace was accepted
    REPLACE_FILLS = "replace-fills"  #: the order fills first, and the new one is rejected
    CUM_FRESH = "cum-fresh"  #: the new order's `filled_qty` excludes fills of the chain
    QTY_REMAINING = "qty-remaining"  #: the new order is for the whole quantity despite fills
    BUST = "bust"  #: the execution is busted `seconds` later
    CORRECTION = "correction"  #: the price of the execution is corrected `seconds` later
    FOREIGN_ORDER = "foreign-order"  #: an external order is placed and filled between two reads
    CLOCK_JUMP = "clock-jump"  #: the exchange's wall clock jumps by `seconds` (signed)

    STREAM_CUT = "stream-cut"  #: the connection ends without a closing frame
    EVENT_NULL = "event-null"  #: a frame with null as `data` instead of the event
    UNKNOWN_EVENT = "unknown-event"  #: an event has an unknown name
    UNKNOWN_CLASS = "unknown-class"  #: an order or position has an unknown asset class


_O, _F = InjectionPoint, Fault

WRITES: Final = frozenset({_O.SUBMIT, _O.CANCEL, _O.REPLACE})
READS: Final = frozenset(
    {
        _O.ORDERS,
        _O.ORDER,
        _O.FIND,
        _O.POSITIONS,
        _O.ACCOUNT,
        _O.EXECUTIONS,
        _O.ACTIVITIES,
        _O.INSTRUMENTS,
        _O.SESSIONS,
        _O.QUOTES,
    }
)
LISTS: Final = frozenset({_O.ORDERS, _O.POSITIONS, _O.EXECUTIONS, _O.ACTIVITIES})

#: Where each fault may be injected.
INJECTION_POINTS: Final[Mapping[Fault, frozenset[InjectionPoint]]] = {
    _F.REQUEST_LOST: WRITES | READS,
    _F.REPLY_LOST: WRITES,
    _F.LATE_LANDING: frozenset({_O.SUBMIT}),
    _F.DUPLICATE_UNLISTED: frozenset({_O.SUBMIT}),
    _F.UNREACHABLE: WRITES | READS,
    _F.SLOW: WRITES | READS,
    _F.RATE_LIMITED: WRITES | READS,
    _F.SERVER_ERROR: WRITES | READS,
    _F.HTML: WRITES | READS,
    _F.REDIRECT: WRITES | READS,
    _F.EMPTY_LIST: LISTS,
    _F.CUT_PAGE: LISTS,
    _F.SHIFTING_PAGE: LISTS,
    _F.STREAM_REFUSED: frozenset({_O.LISTEN}),
    _F.STREAM_LOST: frozenset({_O.EVENT}),
    _F.EVENT_DROPPED: frozenset({_O.EVENT}),
    _F.EVENT_DOUBLED: frozenset({_O.EVENT}),
    _F.EVENT_REORDERED: frozenset({_O.EVENT}),
    _F.EVENT_EARLY: frozenset({_O.TAKEN}),
    _F.STREAM_SILENT: frozenset({_O.EVENT}),
    _F.STREAM_IDS_DIFFER: frozenset({_O.FILL}),
    _F.STALE_SNAPSHOT: frozenset({_O.SHOW_ORDERS, _O.SHOW_POSITIONS}),
    _F.ACCOUNT_OLD: frozenset({_O.SHOW_ACCOUNT}),
    _F.ACCOUNT_ID_CHANGED: frozenset({_O.SHOW_ACCOUNT}),
    _F.HISTORY_LATE: frozenset({_O.FILL}),
    _F.HISTORY_OUT_OF_ORDER: frozenset({_O.SHOW_HISTORY}),
    _F.HISTORY_WITHOUT_BUSTS: frozenset({_O.SHOW_HISTORY}),
    _F.CUM_LOWERED: frozenset({_O.TAKEN_BACK}),
    _F.UPDATED_AT_NULL: frozenset({_O.SHOW_ORDERS}),
    _F.UPDATED_AT_FROZEN: frozenset({_O.CHANGE}),
    _F.UNKNOWN_WORD: frozenset({_O.SHOW_ORDERS}),
    _F.FUNDS_UNCHECKED: frozenset({_O.CHECKED}),
    _F.REJECT_AFTER_ACCEPT: frozenset({_O.TAKEN}),
    _F.CANCEL_FILLS: frozenset({_O.ASKED_CANCEL}),
    _F.CANCEL_NEVER_ENDS: frozenset({_O.ASKED_CANCEL}),
    _F.CANCEL_REJECTED: frozenset({_O.ASKED_CANCEL}),
    _F.CANCEL_AT_OPEN: frozenset({_O.ASKED_CANCEL}),
    _F.UNITS_FREED_LATE: frozenset({_O.ASKED_CANCEL}),
    _F.SIBLING_LATE: frozenset({_O.FILL}),
    **dict.fromkeys(
        (_F.REPLACE_DENIED, _F.REPLACE_FILLS, _F.CUM_FRESH, _F.QTY_REMAINING),
        frozenset({_O.ASKED_REPLACE}),
    ),
    _F.BUST: frozenset({_O.FILL}),
    _F.CORRECTION: frozenset({_O.FILL}),
    _F.FOREIGN_ORDER: frozenset({_O.SHOW_ORDERS}),
    _F.CLOCK_JUMP: frozenset({_O.TAKEN}),
    _F.STREAM_CUT: frozenset({_O.FRAME}),
    _F.EVENT_NULL: frozenset({_O.FRAME}),
    _F.UNKNOWN_EVENT: frozenset({_O.FRAME}),
    _F.UNKNOWN_CLASS: frozenset({_O.WORDS}),
}

#: The default of a fault's `seconds`: (least, most) of a random choice.
SECONDS: Final[Mapping[Fault, tuple[float, float]]] = {
    _F.LATE_LANDING: (5.0, 300.0),
    _F.DUPLICATE_UNLISTED: (5.0, 60.0),
    _F.SLOW: (1.0, 8.0),
    _F.STALE_SNAPSHOT: (1.0, 10.0),
    _F.ACCOUNT_OLD: (1.0, 10.0),
    _F.HISTORY_LATE: (1.0, 30.0),
    _F.BUST: (1.0, 60.0),
    _F.CORRECTION: (1.0, 60.0),
    _F.CLOCK_JUMP: (-30.0, 30.0),
    _F.UNITS_FREED_LATE: (0.05, 3.0),
    _F.SIBLING_LATE: (0.05, 3.0),
}

#: Faults of a write that was done, and of a write that was done in half of the cases.
APPLIED: Final = frozenset({_F.REPLY_LOST, _F.DUPLICATE_UNLISTED, _F.SLOW})
SOMETIMES_APPLIED: Final = frozenset({_F.SERVER_ERROR, _F.HTML})
#: The HTTP statuses that a rule may set for a fault.
STATUSES: Final[Mapping[Fault, range]] = {
    _F.SERVER_ERROR: range(500, 600),
    _F.HTML: range(400, 600),
}

#: Injection points with one order or symbol as subject, which a rule may select by `where`.
SUBJECT_POINTS: Final = WRITES | {
    *(_O.ORDER, _O.FIND, _O.TAKEN, _O.CHANGE, _O.FILL, _O.TAKEN_BACK),
    *(_O.ASKED_CANCEL, _O.ASKED_REPLACE, _O.EVENT, _O.FRAME),
}

#: Faults that change the account permanently; a random plan injects them at a lower rate.
PERMANENT: Final = frozenset({_F.ACCOUNT_ID_CHANGED, _F.CANCEL_NEVER_ENDS, _F.CLOCK_JUMP})


def fault_named(name: str) -> Fault:
    """
    Return the fault *name*; its parts may be in any order ("lost-reply").

    Raises: InvalidValue, with the nearest name, or all names.
    """
    parts = frozenset(name.strip().lower().split("-"))
    for fault in Fault:
        if parts == frozenset(fault.value.split("-")):
            return fault
    near = get_close_matches(name, [fault.value for fault in Fault], 1)
    meant = f"; did you mean {near[0]}?" if near else f"; the faults are {', '.join(sorted(Fault))}"
    raise InvalidValue(f"there is no fault {name!r}{meant}")
