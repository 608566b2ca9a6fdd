"""
The journal: its entries, one class per kind.

Entries are facts and requests, never conclusions that can be computed again.
`core.journal.apply` computes the records from them; a rebuild replays the journal.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.activity import Activity
from fillbook.model.account.drift import Drift
from fillbook.model.account.instruction import AccountInstructed, AccountInstructionClosed
from fillbook.model.account.instrument import Instrument
from fillbook.model.account.local_trade import SettledTrade
from fillbook.model.account.pair import Pair
from fillbook.model.account.reservation import ReserveRule
from fillbook.model.account.snapshot import AccountId
from fillbook.model.account.token import TokenCreated, TokenRevoked
from fillbook.model.alert import Alert
from fillbook.model.answer import RejectKind
from fillbook.model.capabilities import ReplaceCum
from fillbook.model.number import ZERO
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.instruction import Amend, Authority, Cancel
from fillbook.model.orders.intent import Intent
from fillbook.model.orders.report import OrderReport, ReportSource
from fillbook.model.orders.request import Change
from fillbook.model.plan import Plan, PlanState, StepState
from fillbook.model.protection import Protection
from fillbook.model.timestamp import Timestamp


@frozen
class Bound:
    """
    The record is bound to an account from here on.

    `currency` is the account's; the other fields are the broker's `Capabilities` of the same
    names.
    """

    account: AccountId
    clocked: bool = True
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    base_fee: Decimal = ZERO
    currency: str = ""
    reserve_rule: ReserveRule = field(factory=ReserveRule)


@frozen
class InstrumentListed:
    """The broker's report on an instrument that the record uses."""

    instrument: Instrument


@frozen
class PairListed:
    """The currencies that an instrument trades; written before anything else names its symbol."""

    pair: Pair


@frozen
class Intended:
    """The intent of an order; written before anything is sent."""

    intent: Intent


class AnswerKind(StrEnum):
    """The outcome of a request that may change an order."""

    ACCEPTED = "accepted"  #: the broker accepted it
    REJECTED = "rejected"  #: the broker rejected it
    NOT_SENT = "not_sent"  #: it certainly did not reach the broker
    AMBIGUOUS = "ambiguous"  #: no reply, outcome unknown


class Command(StrEnum):
    """The commands of the order state machine."""

    DENY = "deny"  #: deny the order: do not send it
    SEND = "send"  #: send the create request, or the same one again
    CANCEL = "cancel"
    REPLACE = "replace"
    ABANDON = "give_up"  #: conclude that the broker never had the order
    RESOLVE = "resolve"  #: a person resolves that the broker does not have the order


@frozen
class Instructed:
    """
    An instruction to cancel or to change an order; written before any request.

    `number` counts the instructions on that order; the other fields are those of
    `Instruction`.
    """

    client_order_id: str
    number: int
    asked: Cancel | Amend
    authority: Authority
    good_until: Timestamp | None = None
    broker_order_id: str | None = None
    by: str | None = None


@frozen
class InstructionClosed:
    """
    Instruction `number` is closed: rejected, expired, superseded, withdrawn or placed.

    `done`: it was carried out, which only a change in place needs an entry for.
    """

    client_order_id: str
    number: int
    why: str
    broker_order_id: str | None = None  #: finds the order if its client order id differs
    done: bool = False


@frozen
class Commanded:
    """
    A request on an order is about to be sent; `number` counts the requests on that order.

    `broker_order_id` is the id that it cancels or replaces; None: a create.  `instruction` is
    the number of the instruction that it attempts; None: a create.  `change` is the change
    that a replace requests; None: no replace.  (Release 0.1 wrote no instructions: there a
    cancel with a `change` is the first half of a replace by cancel and new order.)
    """

    client_order_id: str
    command: Command
    number: int
    broker_order_id: str | None = None
    change: Change | None = None
    handed: bool = False  #: the bot sends this request itself; fillbook does not retry it
    instruction: int | None = None


@frozen
class Answered:
    """
    The outcome of request `number` on an order; `message` is the broker's own text.

    `kind` is that of a rejection; None: it was not rejected.
    """

    client_order_id: str
    number: int
    answer: AnswerKind
    message: str = ""
    kind: RejectKind | None = None
    broker_order_id: str | None = None  #: finds the order if its client order id differs
    hint: str | None = None  #: the broker id that the reply to a create named, without a report


@frozen
class IntentDenied:
    """An order was denied by our own checks; `reason` is the message, `code` its reason code."""

    client_order_id: str
    reason: str
    code: str = ""


@frozen
class ChangeClosed:
    """`InstructionClosed` as release 0.1 wrote it; `number` is that of the request."""

    client_order_id: str
    number: int
    why: str


@frozen
class ConcludedAbsent:
    """An order is concluded absent: it was not found often and late enough."""

    client_order_id: str
    answers: int  #: the number of the broker's "not found" replies


@frozen
class ResolvedAbsent:
    """A person resolved that the broker does not have an order, or no longer has it."""

    client_order_id: str


@frozen
class NotFoundAfterSeen:
    """An order was not found at the broker, although the broker reported it before."""

    client_order_id: str
    broker_order_id: str


@frozen
class Reported:
    """
    A broker's report on one of its orders.

    `look` is the number of the snapshot that contained it, which orders the reports of brokers
    without a clock; 0: not needed.
    """

    report: OrderReport
    source: ReportSource
    look: int = 0


@frozen
class Executed:
    """An execution, from the history or the stream."""

    execution: Execution


@frozen
class Busted:
    """A trade bust: the broker busted an execution."""

    void: TradeBust


@frozen
class HistoryRead:
    """The complete fill history of one broker id was read."""

    broker_order_id: str


@frozen
class DisputeSettled:
    """
    Every source of the broker agrees on the executions of one disputed broker id.

    `exec_ids` are the rows of the fill history that count, and no other fact that is known by
    now; None: the facts count as they were computed.
    """

    broker_order_id: str
    exec_ids: tuple[str, ...] | None


@frozen
class ActivityReported:
    """A non-trade row of the account's history."""

    activity: Activity


@frozen
class BalanceAdjusted:
    """
    A balance adjustment: the position of a symbol at a time.

    `qty` is in signed base units, `avg_price` per unit in quote currency (None: unknown).
    `reason` is OPENING (the opening balance) or ADOPTED (the broker's figure).
    """

    symbol: str
    qty: Decimal
    avg_price: Decimal | None
    at: Timestamp
    reason: str


@frozen
class CashAdjusted:
    """
    A balance adjustment of cash; `amount` in `currency`, negative: borrowed on margin.

    `by_ids`: every activity that the broker listed then is in the record, so that any other one
    was posted later, whatever its date.
    """

    amount: Decimal
    currency: str
    at: Timestamp
    reason: str
    by_ids: bool = False


@frozen
class Assigned:
    """
    A person gave an order, a fill, units or an opening position to a strategy; None: unattributed.

    `movement` is the name of one fill of the order `client_order_id`, or the key of a movement
    without an order.  `symbol` is that of an opening position, and of balances that were adopted.
    """

    strategy: str | None
    client_order_id: str | None = None
    movement: str | None = None
    symbol: str | None = None


@frozen
class DriftFound:
    """A confirmed difference: its symbol is locked (only reducing orders).  `notional` ≥ 0."""

    key: str
    drift: Drift
    notional: Decimal | None


@frozen
class DriftCleared:
    """A difference has ended: its symbol is unlocked."""

    key: str


@frozen
class Alerted:
    """An alert was raised."""

    alert: Alert


@frozen
class PlanMade:
    """A plan was made: it is proposed or approved."""

    plan: Plan


@frozen
class PlanMoved:
    """
    A plan changed its state.

    With `failed` only its guards are carried out from here on; None: that does not change.
    """

    plan_id: str
    state: PlanState
    why: str = ""
    failed: str | None = None


@frozen
class StepMoved:
    """
    Step `step` of a plan, counted from 0, changed its state.

    `attempts` is the number of orders that were placed for it, `share` that of the wanted funds
    which it found, 0 to 1; None: that does not change.
    """

    plan_id: str
    step: int
    state: StepState
    why: str = ""
    attempts: int | None = None
    share: Decimal | None = None


@frozen
class ProtectionSet:
    """A protection was set or changed, or its cover changed."""

    protection: Protection


@frozen
class ProtectionEnded:
    """A protection ended; `why` is the reason."""

    symbol: str
    strategy: str
    why: str


@frozen
class TradesSettled:
    """Trades of the bot's own record were settled: they do not count again."""

    trades: tuple[SettledTrade, ...]


@frozen
class Rebuilt:
    """The records were rebuilt from the journal, by the rules of number `rules`."""

    rules: int


Entry = (
    Bound
    | InstrumentListed
    | PairListed
    | Intended
    | Instructed
    | InstructionClosed
    | Commanded
    | Answered
    | IntentDenied
    | ChangeClosed
    | ConcludedAbsent
    | ResolvedAbsent
    | NotFoundAfterSeen
    | Reported
    | Executed
    | Busted
    | HistoryRead
    | DisputeSettled
    | ActivityReported
    | BalanceAdjusted
    | CashAdjusted
    | Assigned
    | DriftFound
    | DriftCleared
    | Alerted
    | PlanMade
    | PlanMoved
    | StepMoved
    | ProtectionSet
    | ProtectionEnded
    | AccountInstructed
    | AccountInstructionClosed
    | TokenCreated
    | TokenRevoked
    | TradesSettled
    | Rebuilt
)


@frozen
class Recorded:
    """An entry in the journal: `number` counts from 1, `at` is by our clock (UTC)."""

    number: int
    at: Timestamp
    entry: Entry
