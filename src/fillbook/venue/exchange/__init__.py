"""
A deterministic exchange: given a seed and a clock, the same calls give the same day.

`Exchange` is the venue and the puppeteer's face: instruments, sessions, quotes, and
everything that happens without a client (fills, busts, splits, manual trades).
`Account` is what one set of credentials opens: requests, and views that may lag.
`Truth` is what really is, for tests.  `Faults` says what goes wrong.
"""

from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.exchange import Exchange
from fillbook.venue.exchange.faults.kinds import (
    INJECTION_POINTS,
    Fault,
    InjectionPoint,
    fault_named,
)
from fillbook.venue.exchange.faults.plan import Faults, InjectedFault, Rule
from fillbook.venue.exchange.state import subjects_of
from fillbook.venue.exchange.truth import Truth
from fillbook.venue.exchange.values import (
    AccountReport,
    Activity,
    ActivityKind,
    Amendment,
    Block,
    Configurations,
    Event,
    Fill,
    Lag,
    OrderFilter,
    OrderVersion,
    PositionReport,
    Refused,
    Ticket,
)

__all__ = [
    "INJECTION_POINTS",
    "Account",
    "Amendment",
    "Block",
    "Configurations",
    "Event",
    "Exchange",
    "Fault",
    "Faults",
    "AccountReport",
    "Fill",
    "PositionReport",
    "Lag",
    "InjectionPoint",
    "OrderFilter",
    "OrderVersion",
    "Refused",
    "Activity",
    "ActivityKind",
    "Rule",
    "InjectedFault",
    "Ticket",
    "Truth",
    "subjects_of",
    "fault_named",
]
