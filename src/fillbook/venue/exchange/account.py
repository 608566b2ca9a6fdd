"""One account: what its client can ask (`Account`), and what really is (`Truth`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Protocol

from fillbook import model as m
from fillbook.venue.exchange.values import (
    Event,
    Figures,
    Fill,
    Holding,
    OrderFilter,
    Picture,
    Row,
    Ticket,
)


class Truth(Protocol):
    """What really is, without lag or fault; legs are not nested here."""

    def orders(self) -> Sequence[Picture]: ...
    def order(self, order_id: str) -> Picture: ...
    def fills(self, order_id: str | None = None) -> Sequence[Fill]: ...  # void and fixed ones too
    def positions(self) -> dict[str, Decimal]: ...
    def nets(self) -> dict[str, Decimal]: ...  # the same, summed afresh from fills and rows
    def cash(self) -> Decimal: ...


class Account(Protocol):
    """What one set of credentials opens.  Refusals are raised as `Refused`."""

    id: str  #: uuid
    number: str  #: "PA3XXXXXXXXX"
    name: str  #: given at `open_account`; an emulator may use it as the API key
    truth: Truth

    def submit(self, ticket: Ticket) -> Picture: ...
    def submit_later(self, ticket: Ticket, seconds: float) -> None: ...  # F.LATE_LANDING
    def submit_unlisted(self, ticket: Ticket, seconds: float) -> Picture: ...  # F.DUPLICATE_UNLISTED
    def cancel(self, order_id: str) -> None: ...
    def cancel_all(self) -> Sequence[str]: ...  # ids of which a cancel was asked

    # views, as old as lag and faults have them
    def orders(self, which: OrderFilter) -> Sequence[Picture]: ...
    def order(self, order_id: str, *, nested: bool = True) -> Picture | None: ...
    def find(self, client_order_id: str, *, nested: bool = True) -> Picture | None: ...
    def positions(self) -> Sequence[Holding]: ...
    def position(self, symbol: str) -> Holding | None: ...
    def figures(self) -> Figures: ...
    def fills(self, order_id: str | None = None) -> Sequence[Fill]: ...  # oldest first
    def rows(self) -> Sequence[Row]: ...  # non-trade activities, oldest first

    # events, in order, without a lock held; a real clock makes them from a thread of the exchange
    def listen(self, hear: Callable[[Event], None]) -> AbstractContextManager[None]: ...
