"""
The entries of the journal about orders: intents, instructions, requests, outcomes and reports.

Other half: `entries`, which has all other kinds.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from fillbook.model.answer import RejectKind
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.instruction import Amend, Authority, Cancel
from fillbook.model.orders.intent import Intent
from fillbook.model.orders.report import OrderReport, ReportSource
from fillbook.model.orders.request import Change
from fillbook.model.timestamp import Timestamp


@frozen
class Intended:
    """The intent of an order; written before anything is sent."""

    intent: Intent
    """The intent."""


class AnswerKind(StrEnum):
    """The outcome of a request that may change an order."""

    ACCEPTED = "accepted"
    """The broker accepted it."""
    REJECTED = "rejected"
    """The broker rejected it."""
    NOT_SENT = "not_sent"
    """It certainly did not reach the broker."""
    AMBIGUOUS = "ambiguous"
    """No reply, outcome unknown."""


class Command(StrEnum):
    """The commands of the order state machine."""

    DENY = "deny"
    """Deny the order: do not send it."""
    SEND = "send"
    """Send the create request, or the same one again."""
    CANCEL = "cancel"
    """A cancel."""
    REPLACE = "replace"
    """A replace."""
    ABANDON = "give_up"
    """Conclude that the broker never had the order."""
    RESOLVE = "resolve"
    """A person resolves that the broker does not have the order."""


@frozen
class Instructed:
    """An instruction to cancel or to change an order; written before any request."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    number: int
    """It counts the instructions on the order, from 1."""
    asked: Cancel | Amend
    """What is instructed."""
    authority: Authority
    """Why a request of it may be sent."""
    good_until: Timestamp | None = None
    """When a change expires (UTC); None: never."""
    broker_order_id: str | None = None
    """The id that was live when it was given; None: not reported yet."""
    by: str | None = None
    """The id of the access token by which another process gave it; None: a desk did."""


@frozen
class InstructionClosed:
    """An instruction is closed: rejected, expired, superseded, withdrawn or placed."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    number: int
    """The number of the instruction."""
    why: str
    """The reason, as text."""
    broker_order_id: str | None = None
    """It finds the order if its client order id differs; None: it is not needed."""
    done: bool = False
    """It was carried out, which only a change in place needs an entry for."""


@frozen
class Commanded:
    """
    A request on an order is about to be sent.

    (Release 0.1 wrote no instructions: there a cancel with a `change` is the first half of a
    replace by cancel and new order.)
    """

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    command: Command
    """Create, cancel or replace."""
    number: int
    """It counts the requests on the order, from 1."""
    broker_order_id: str | None = None
    """The id that it cancels or replaces; None: a create."""
    change: Change | None = None
    """The change that a replace requests; None: no replace."""
    handed: bool = False
    """The bot sends this request itself; fillbook does not retry it."""
    instruction: int | None = None
    """The number of the instruction that it attempts; None: a create."""


@frozen
class Answered:
    """The outcome of a request on an order."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    number: int
    """The number of the request."""
    answer: AnswerKind
    """The outcome."""
    message: str = ""
    """The broker's own text."""
    kind: RejectKind | None = None
    """The kind of a rejection; None: it was not rejected."""
    broker_order_id: str | None = None
    """It finds the order if its client order id differs; None: it is not needed."""
    hint: str | None = None
    """The broker's id in the reply to a create without a report; None: it had none."""


@frozen
class IntentDenied:
    """An order was denied by our own checks."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    reason: str
    """The reason for people."""
    code: str = ""
    """The reason code."""


@frozen
class ChangeClosed:
    """`InstructionClosed` as release 0.1 wrote it."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    number: int
    """The number of the request."""
    why: str
    """The reason, as text."""


@frozen
class ConcludedAbsent:
    """An order is concluded absent: it was not found often and late enough."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    answers: int
    """The number of the broker's "not found" replies."""


@frozen
class ResolvedAbsent:
    """A person resolved that the broker does not have an order, or no longer has it."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""


@frozen
class NotFoundAfterSeen:
    """An order was not found at the broker, although the broker reported it before."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""


@frozen
class Reported:
    """A broker's report on one of its orders."""

    report: OrderReport
    """The report."""
    source: ReportSource
    """How it was received."""
    snapshot: int = 0
    """The number of the snapshot that contained it, for brokers without a clock; 0: not needed."""


@frozen
class Executed:
    """An execution, from the history or the stream."""

    execution: Execution
    """The execution."""


@frozen
class Busted:
    """A trade bust: the broker busted an execution."""

    bust: TradeBust
    """The bust."""


@frozen
class HistoryRead:
    """The complete fill history of one broker id was read."""

    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""


@frozen
class DisputeSettled:
    """
    Every source of the broker agrees on the executions of one disputed broker id.

    `exec_ids` are the rows of the fill history that count, and no other fact that is known by
    now; None: the facts count as they were computed.
    """

    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""
    exec_ids: tuple[str, ...] | None
    """The rows of the fill history that count, and no others; None: the facts count as computed."""
