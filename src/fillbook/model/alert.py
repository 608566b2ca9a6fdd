"""Alerts: conditions that need the attention of a person, and their thresholds."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import Attribute, field, frozen

from fillbook.errors import InvalidValue
from fillbook.model.number import name_numbers, number
from fillbook.model.text.arguments import with_named_fields


class AlertKind(StrEnum):
    """The condition that an alert reports."""

    ABSENT = "absent"
    """The broker never had an order of ours; it is concluded absent."""
    LANDED_LATE = "landed_late"
    """A request was accepted after it was abandoned."""
    PROPOSED = "proposed"
    """A plan is proposed, and needs a decision."""
    DISPUTED = "disputed"
    """The evidence about an order contradicts itself."""
    DRIFT = "drift"
    """A difference above `drift_notional` or `drift_cash` is confirmed."""
    UNSETTLED = "unsettled"
    """A difference has been settling for over five minutes."""
    FOREIGN_PREFIX = "foreign_prefix"
    """An order of fillbook that is not in this record."""
    EXTERNAL_TRADE = "external_trade"
    """An order that this record did not send traded what a strategy holds."""
    STALE = "stale"
    """No read of the account for `stale_s`, or no complete snapshot."""
    STUCK = "stuck"
    """An order has waited `stuck_s` for the next report of the broker."""
    FILLS_MISSING = "fills_missing"
    """The history lacks fills of an order for `fills_missing_s`."""
    SLOW_FILL = "slow_fill"
    """A market, IOC or FOK order has worked for `slow_fill_s`."""
    REJECTED_IN_A_ROW = "rejected_in_a_row"
    """The broker rejected `rejected_in_a_row` orders in a row."""
    GIVEN_UP = "given_up"
    """A replace was begun and abandoned."""
    HALT = "halt"
    """The kill switch was set or cleared."""
    CANCEL_REFUSED = "cancel_refused"
    """The broker rejects the cancel of a live order."""
    STREAM_REFUSED = "stream_refused"
    """The broker refuses a stream, of the desk or of the bot."""
    UNDELIVERED = "undelivered"
    """A sink of alerts fails."""
    PLAN_STOPPED = "plan_stopped"
    """A plan could not be carried out, or not in full."""
    BEFORE_SPLIT = "before_split"
    """An order of ours rests at the price and for the units of before a split."""
    NAKED = "naked"
    """A protected position has been without its exit for `naked_max_s`."""
    EXIT_CHANGED = "exit_changed"
    """An exit of a protection was canceled, cannot be placed, or not as asked for."""
    LAG_DOUBLED = "lag_doubled"
    """The account lags more than declared: `account_lag` is doubled."""


class Severity(StrEnum):
    """How urgent an alert is."""

    CRITICAL = "critical"
    """Money is at risk until a person acts."""
    WARNING = "warning"
    """A person must check it."""
    INFO = "info"
    """A person may want to know it."""


_CRITICAL: Final = frozenset(
    {
        AlertKind.ABSENT,
        AlertKind.BEFORE_SPLIT,
        AlertKind.DISPUTED,
        AlertKind.DRIFT,
        AlertKind.FOREIGN_PREFIX,
        AlertKind.HALT,
        AlertKind.LANDED_LATE,
        AlertKind.NAKED,
        AlertKind.STALE,
    }
)
_INFO: Final = frozenset({AlertKind.LAG_DOUBLED, AlertKind.PROPOSED})


@frozen
class Alert:
    """One alert."""

    kind: AlertKind
    """The kind of the alert."""
    about: str
    """A client order id, a symbol, or `"account"`."""
    message: str
    """What happened and what to do."""
    resolved: bool = False
    """The condition of an earlier alert of this kind and subject has ended."""

    @property
    def severity(self) -> Severity:
        """How urgent it is; the end of a condition is information."""
        if self.resolved or self.kind in _INFO:
            return Severity.INFO
        return Severity.CRITICAL if self.kind in _CRITICAL else Severity.WARNING


def _above_zero(limits: Thresholds, attribute: Attribute[int], value: int) -> None:
    # Python counts True as the number 1.
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise InvalidValue(f"{attribute.name} must be a whole number above zero, not {value!r}")


def _not_below_zero(limits: Thresholds, attribute: Attribute[Decimal], value: Decimal) -> None:
    if value < 0:
        raise InvalidValue(f"{attribute.name} must not be below zero, not {value}")


@with_named_fields
@frozen(kw_only=True, field_transformer=name_numbers)
class Thresholds:
    """
    The thresholds of alerts; durations are in whole seconds, > 0.

    Raises: InvalidValue.
    """

    stale_s: int = field(default=120, validator=_above_zero)
    """Seconds without a successful read of the account."""
    missed_passes: int = field(default=3, validator=_above_zero)
    """Consecutive reconciliations without a complete snapshot of the account, > 0."""
    stuck_s: int = field(default=300, validator=_above_zero)
    """Seconds without a report on an order that waits for a reply."""
    slow_fill_s: int = field(default=30, validator=_above_zero)
    """Seconds for a market, IOC or FOK order to fill."""
    fills_missing_s: int = field(default=600, validator=_above_zero)
    """Seconds for the fill history to show every fill of an order."""
    rejected_in_a_row: int = field(default=5, validator=_above_zero)
    """Consecutive rejected orders, > 0."""
    drift_notional: Decimal = field(
        default=Decimal(100), converter=number, validator=_not_below_zero
    )
    """A confirmed position difference above it is alerted, in quote currency, ≥ 0."""
    drift_cash: Decimal = field(default=Decimal(1), converter=number, validator=_not_below_zero)
    """A confirmed cash difference above it is alerted, ≥ 0."""
