"""
The faults, as a list: what each is, where it may strike, and for how long.

`plan` decides which of them happens when.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from fillbook.errors import InvalidValue


class InjectionPoint(StrEnum):
    """Where a fault may strike: requests first, then moments inside the exchange."""

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

    CHECKED = "checked"  #: an order that was asked for is held against the account
    TAKEN = "taken"  #: an order was accepted
    CHANGE = "change"  #: an order changed after it was accepted
    FILL = "fill"  #: an execution happened
    TAKEN_BACK = "taken-back"  #: an execution was busted
    ASKED_CANCEL = "asked-cancel"  #: a cancel was accepted
    ASKED_REPLACE = "asked-replace"  #: a replace was accepted
    EVENT = "event"  #: an event is about to be sent
    SHOW_ORDERS = "show-orders"  #: orders are about to be shown, listed or by id
    SHOW_POSITIONS = "show-positions"
    SHOW_ACCOUNT = "show-account"
    SHOW_HISTORY = "show-history"  #: executions are about to be shown
    FRAME = "frame"  #: an event is about to be put on an emulator's stream
    WORDS = "words"  #: orders or positions are about to be put in an emulator's words


class Fault(StrEnum):
    """Each was seen in the field."""

    REQUEST_LOST = "request-lost"  #: never arrives; the client waits in vain
    REPLY_LOST = "reply-lost"  #: done, and the answer lost
    LATE_LANDING = "late-landing"  #: a create is taken `seconds` after the client gave up
    DUPLICATE_UNLISTED = "duplicate-unlisted"  #: taken, reply lost, shown to nobody for `seconds`
    UNREACHABLE = "unreachable"  #: no connection: provably not sent
    SLOW = "slow"  #: answered after `seconds`
    RATE_LIMITED = "rate-limited"  #: 429, with `Retry-After` if `seconds` are given
    SERVER_ERROR = "server-error"  #: 504 or another `status`, though a write may have been done
    HTML = "html"  #: an HTML page (502 or another `status`), though a write may have been done
    REDIRECT = "redirect"  #: 307 to nowhere
    EMPTY_LIST = "empty-list"  #: 200 with [] though there is something
    CUT_PAGE = "cut-page"  #: a body that ends in its middle
    SHIFTING_PAGE = "shifting-page"  #: the next page begins one row too early

    STREAM_REFUSED = "stream-refused"
    STREAM_LOST = "stream-lost"  #: the exchange hangs up; what follows is missed
    EVENT_DROPPED = "event-dropped"
    EVENT_DOUBLED = "event-doubled"
    EVENT_REORDERED = "event-reordered"  #: held back until the next one was sent
    EVENT_EARLY = "event-early"  #: an order is routed, and says so, before the reply to its create
    STREAM_SILENT = "stream-silent"  #: connected, and says nothing
    STREAM_IDS_DIFFER = "stream-ids-differ"  #: an execution has another id in events

    STALE_SNAPSHOT = "stale-snapshot"  #: orders or positions as they were `seconds` ago
    ACCOUNT_OLD = "account-old"  #: the account as it was `seconds` ago
    ACCOUNT_ID_CHANGED = "account-id-changed"
    HISTORY_LATE = "history-late"  #: a fill is in the history only `seconds` later
    HISTORY_OUT_OF_ORDER = "history-out-of-order"  #: rows of one millisecond change places
    HISTORY_WITHOUT_BUSTS = "history-without-busts"  #: rows stay as if nothing was taken back
    CUM_LOWERED = "cum-lowered"  #: a bust lowers the order's own total (else it is kept)
    UPDATED_AT_NULL = "updated-at-null"
    UPDATED_AT_FROZEN = "updated-at-frozen"  #: a change leaves `updated_at` as it was
    UNKNOWN_WORD = "unknown-word"  #: a status that nobody knows

    FUNDS_UNCHECKED = "funds-unchecked"  #: an order is taken though nothing is left to pay it
    REJECT_AFTER_ACCEPT = "reject-after-accept"
    CANCEL_FILLS = "cancel-fills"  #: the order fills while its cancel is pending
    CANCEL_NEVER_ENDS = "cancel-never-ends"  #: `pending_cancel` for ever
    CANCEL_REJECTED = "cancel-rejected"  #: `pending_cancel`, and then works on as before
    REPLACE_DENIED = "replace-denied"  #: answered 422 though it was done
    REPLACE_FILLS = "replace-fills"  #: the order fills first, and the new one is rejected
    CUM_FRESH = "cum-fresh"  #: the new order counts its own fills only, not the chain's
    QTY_REMAINING = "qty-remaining"  #: the whole quantity is ordered again, whatever filled
    BUST = "bust"  #: the execution is taken back `seconds` later
    CORRECTION = "correction"  #: and its price corrected
    FOREIGN_ORDER = "foreign-order"  #: one is born and filled between two reads
    CLOCK_JUMP = "clock-jump"  #: the exchange's own clock goes on `seconds` later

    STREAM_CUT = "stream-cut"  #: the connection ends without a closing frame
    EVENT_NULL = "event-null"  #: a frame whose `data` is null, in an event's place
    UNKNOWN_EVENT = "unknown-event"  #: an event of a name that nobody knows
    UNKNOWN_CLASS = "unknown-class"  #: an asset class that nobody knows


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

#: Where each fault may strike.
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

#: How many seconds a fault means when nobody says; (least, most) of a seeded choice.
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
}

#: Faults of a write that was done, and of one that was done as often as not.
APPLIED: Final = frozenset({_F.REPLY_LOST, _F.DUPLICATE_UNLISTED, _F.SLOW})
SOMETIMES_APPLIED: Final = frozenset({_F.SERVER_ERROR, _F.HTML})
#: Which statuses may be asked for in the place of the usual one.
STATUSES: Final[Mapping[Fault, range]] = {
    _F.SERVER_ERROR: range(500, 600),
    _F.HTML: range(400, 600),
}

#: Occasions that are about one order or one symbol, so that a rule may choose among them.
SUBJECT_POINTS: Final = WRITES | {
    *(_O.ORDER, _O.FIND, _O.TAKEN, _O.CHANGE, _O.FILL, _O.TAKEN_BACK),
    *(_O.ASKED_CANCEL, _O.ASKED_REPLACE, _O.EVENT, _O.FRAME),
}

#: Rare in a random plan because one strike changes the account for good.
PERMANENT: Final = frozenset({_F.ACCOUNT_ID_CHANGED, _F.CANCEL_NEVER_ENDS, _F.CLOCK_JUMP})


def fault_named(word: str) -> Fault:
    """
    The fault called *word*; the order of its parts does not matter ("lost-reply").

    Raises: InvalidValue, with the name that is meant, or all.
    """
    parts = frozenset(word.strip().lower().split("-"))
    for fault in Fault:
        if parts == frozenset(fault.value.split("-")):
            return fault
    near = get_close_matches(word, [fault.value for fault in Fault], 1)
    meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(Fault))}"
    raise InvalidValue(f"no fault is called {word!r}{meant}")
