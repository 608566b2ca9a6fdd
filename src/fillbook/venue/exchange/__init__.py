"""
A deterministic exchange: the same seed, clock and calls give the same results.

`Exchange` is the venue and its test driver: instruments, sessions, quotes, and every
event that no client causes (fills, busts, splits, manual trades).
`Account` is one account as its client uses it: requests, and views that may lag.
`Truth` is the actual state of an account, for tests.  `Faults` is the fault plan.
"""

from fillbook.venue.exchange.account.wallets import Wallet
from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.exchange import Exchange
from fillbook.venue.exchange.faults.kinds import (
    INJECTION_POINTS,
    Fault,
    InjectionPoint,
    fault_named,
)
from fillbook.venue.exchange.faults.plan import Faults, InjectedFault, Rule
from fillbook.venue.exchange.market.spot import SpotTerms
from fillbook.venue.exchange.state import subjects_of
from fillbook.venue.exchange.truth import Truth
from fillbook.venue.exchange.values import (
    AccountReport,
    Activity,
    ActivityKind,
    Amendment,
    Block,
    Configurations,
    Edit,
    Event,
    Fill,
    Lag,
    OrderFilter,
    OrderVersion,
    PositionReport,
    Posting,
    Refused,
    SplitRows,
    Ticket,
)

__all__ = [
    "INJECTION_POINTS",
    "Account",
    "AccountReport",
    "Activity",
    "ActivityKind",
    "Amendment",
    "Block",
    "Configurations",
    "Edit",
    "Event",
    "Exchange",
    "Fault",
    "Faults",
    "Fill",
    "InjectedFault",
    "InjectionPoint",
    "Lag",
    "OrderFilter",
    "OrderVersion",
    "PositionReport",
    "Posting",
    "Refused",
    "Rule",
    "SplitRows",
    "SpotTerms",
    "Ticket",
    "Truth",
    "Wallet",
    "fault_named",
    "subjects_of",
]
