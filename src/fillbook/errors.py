"""
The errors, and whether the same call may be retried.

Expected outcomes (a drift, a failed check, a failed read) are returned as values.  These errors
are raised.

::

    FillbookError
    ├── OrderError             carries .order, the order as recorded
    │   ├── Denied             by a check: nothing was sent       .retry depends on the reason
    │   ├── AlreadySent        the order exists already           no, see the order
    │   ├── OrderRejected      the broker rejected it, definitely .retry depends on the kind
    │   └── Unavailable        certainly not sent                 yes, at .retry_at
    ├── InvalidValue           a value or request is invalid      no (also a ValueError)
    ├── KeyReused              one key, two different requests    no
    ├── UnknownOrder           the record has no such order       no
    ├── UnknownPlan            the record has no such plan        no
    ├── PlanEnded              it is stale, or was decided        no, it is planned anew
    ├── UnknownSymbol          no record or broker has the symbol no, see its message
    ├── NotPermitted           the token lacks a scope, or ended   no
    ├── AccountChanged         the credentials of another account no, see `fillbook rebind`
    ├── TradingDisabled        a live account without live=True   no
    ├── CredentialsMissing     none found, or refused             no
    ├── BadAddress             no such broker or store            no
    ├── ExtraMissing           an optional dependency is missing  no, install it
    ├── ReadFailed             a read that was needed failed      yes
    ├── StoreError
    │   ├── StoreUnavailable   disk full, locked: nothing written yes
    │   ├── StoreInDoubt       written or not: nothing was sent   yes, with the same key
    │   ├── StoreRewound       restored from a backup             no, see its message
    │   ├── StoreTooNew        written by a newer fillbook        no
    │   ├── StoreDamaged       not a store, or damaged            no
    │   └── Forked             a store used in a forked child     no
    └── Bug
        ├── IllegalTransition  a command the order cannot take    no
        └── ContractBroken     an adapter broke its contract      no
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from fillbook.model.answer import RejectKind
    from fillbook.model.checks import Reason
    from fillbook.model.orders.order import Order

T = TypeVar("T")


class FillbookError(Exception):
    """The base class of every error that fillbook raises."""

    retry: bool = False  #: whether the same call may succeed later, unchanged


class InvalidValue(FillbookError, ValueError):
    """A number, a time or a combination of fields that is not valid."""


class OrderError(FillbookError):
    """An order was not sent, or was rejected; `order` is the order in the record."""

    def __init__(self, message: str, *, order: Order, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.order = order
        self.retry_at = retry_at


class Denied(OrderError):
    """
    We refused the request ourselves, for `reason`; nothing was sent.

    `retry_at` is from when the same request may be approved (UTC); None: the time is not known.
    """

    def __init__(self, message: str, *, order: Order, reason: Reason) -> None:
        from fillbook.model.timestamp import moment  # the values raise these errors

        until = reason.retry_at
        super().__init__(message, order=order, retry_at=None if until is None else moment(until))
        self.reason = reason
        self.retry: bool = reason.retry


class AlreadySent(OrderError):
    """The order of this `key` was sent before, so that the bot is not to send it; nothing was."""


class OrderRejected(OrderError):
    """The broker refused the request, for `kind`; the broker's words are in the message."""

    def __init__(self, message: str, *, order: Order, kind: RejectKind) -> None:
        super().__init__(message, order=order)
        self.kind = kind
        self.retry: bool = kind.retry


class Unavailable(OrderError):
    """The request provably never left; try again at `retry_at` (UTC), or when you like if None."""

    retry = True


class KeyReused(FillbookError):
    """The same `key` came with a different request; neither was sent now."""


class UnknownPlan(FillbookError):
    """The record has no such plan."""


class PlanEnded(FillbookError):
    """The plan is stale, or was decided before; the call changed nothing."""


class UnknownSymbol(FillbookError):
    """Neither the record nor the broker knows a symbol; the message has similar ones."""


class UnknownOrder(FillbookError):
    """No order of that id is in the record."""


class NotPermitted(FillbookError):
    """The access token lacks the scope, or is expired or revoked; nothing was written."""


class AccountChanged(FillbookError):
    """The credentials belong to another account than the record; see `fillbook rebind`."""


class TradingDisabled(FillbookError):
    """Sending to a live account needs `open(..., live=True)`."""


class CredentialsMissing(FillbookError):
    """No complete pair of credentials was found, or the broker refused the pair."""


class BadAddress(FillbookError):
    """An address names no broker or store that is installed."""


class ExtraMissing(FillbookError):
    """An optional dependency is not installed; the message names the extra."""


class ReadFailed(FillbookError):
    """A required read failed; the record is unchanged."""

    retry = True


class StoreError(FillbookError):
    """The store cannot be used."""


class StoreUnavailable(StoreError):
    """The disk is full, read-only or locked; nothing was written."""

    retry = True


class StoreInDoubt(StoreError):
    """The transaction may or may not be written; the request that needs it was not sent."""

    retry = True


class StoreRewound(StoreError):
    """The store lost entries that we wrote: it was restored or replaced; nothing was sent."""


class StoreTooNew(StoreError):
    """A newer fillbook wrote this store; update fillbook."""


class StoreDamaged(StoreError):
    """
    The file is no store of ours, or is broken; it was left as it is.

    *is_derived*: only a record that the journal has is broken.
    """

    def __init__(self, message: str, *, is_derived: bool = False) -> None:
        super().__init__(message)
        self.is_derived = is_derived


def cause(error: Exception) -> str:
    """Return why a file cannot be used, without its path, which a message names by itself."""
    return str(getattr(error, "strerror", None) or error)


def present(value: T | None, what: str) -> T:
    """Return *value*, which a stored record names. Raises: StoreDamaged if it is None."""
    if value is None:
        raise StoreDamaged(
            f"the records of the store do not agree: {what} is missing", is_derived=True
        )
    return value


class Forked(StoreError):
    """A store that was opened before a fork was used after it; open one in the child."""


class Bug(FillbookError):
    """A fault in fillbook or in an adapter; please report it."""


class IllegalTransition(Bug):
    """The status of the order forbids the command; see `core.orders.lifecycle.COMMANDS`."""


class ContractBroken(Bug):
    """An adapter returned a value that its protocol forbids."""
