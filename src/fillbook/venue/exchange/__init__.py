"""
A deterministic exchange: given a seed and a clock, the same calls give the same day.

`Exchange` is the venue and the puppeteer's face: instruments, sessions, quotes, and
everything that happens without a client (fills, busts, splits, manual trades).
`Account` is what one set of credentials opens: requests, and views that may lag.
`Truth` is what really is, for tests.  `Faults` says what goes wrong.
"""

from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.exchange import Exchange
from fillbook.venue.exchange.faults.kinds import STRIKES, Fault, Occasion, fault_named
from fillbook.venue.exchange.faults.plan import Faults, Rule, Strike
from fillbook.venue.exchange.floor import about
from fillbook.venue.exchange.truth import Truth
from fillbook.venue.exchange.values import (
    Amendment,
    Block,
    Configurations,
    Event,
    Figures,
    Fill,
    Holding,
    Lag,
    OrderFilter,
    Picture,
    Refused,
    Row,
    RowKind,
    Ticket,
)

__all__ = [
    "STRIKES",
    "Account",
    "Amendment",
    "Block",
    "Configurations",
    "Event",
    "Exchange",
    "Fault",
    "Faults",
    "Figures",
    "Fill",
    "Holding",
    "Lag",
    "Occasion",
    "OrderFilter",
    "Picture",
    "Refused",
    "Row",
    "RowKind",
    "Rule",
    "Strike",
    "Ticket",
    "Truth",
    "about",
    "fault_named",
]
