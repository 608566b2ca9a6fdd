"""Alerts: what a person should know, and from when on."""

from __future__ import annotations

from enum import StrEnum

from attrs import Attribute, field, frozen

from fillbook.model.invalid import InvalidValue


class AlertKind(StrEnum):
    """What an alert is about."""

    ABSENT = "absent"
    LANDED_LATE = "landed_late"
    PROPOSED = "proposed"
    DISPUTED = "disputed"
    DRIFT = "drift"
    UNSETTLED = "unsettled"
    FOREIGN_PREFIX = "foreign_prefix"
    STALE = "stale"  #: the account could not be read for long
    STUCK = "stuck"  #: an order waits long for the broker's next word
    SLOW_FILL = "slow_fill"  #: an order that was to fill at once has not
    REJECTED_IN_A_ROW = "rejected_in_a_row"
    GIVEN_UP = "given_up"  #: a change of an order was begun, and is not ended any more
    HALT = "halt"  #: the kill switch was set, or lifted
    LAG_DOUBLED = "lag_doubled"  #: the account is further behind than it was taken to be


@frozen
class Alert:
    """One thing that a person should know: what, about whom, and what to do."""

    kind: AlertKind
    about: str  #: an order, a symbol, or the account
    message: str


def _above_zero(limits: Thresholds, of: Attribute[int], value: int) -> None:
    # Python counts True as the number 1.
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise InvalidValue(f"{of.name} takes a whole number above zero, not {value!r}")


@frozen(kw_only=True)
class Thresholds:
    """
    From when on something is alerted; lengths in whole seconds.

    `stale_s` without a good read of the account; `stuck_s` without a new word on an order
    whose request or end is under way; `slow_fill_s` for an order that was to fill at once;
    `rejected_in_a_row` is a number of orders.  Raises: InvalidValue.
    """

    stale_s: int = field(default=120, validator=_above_zero)
    stuck_s: int = field(default=300, validator=_above_zero)
    slow_fill_s: int = field(default=30, validator=_above_zero)
    rejected_in_a_row: int = field(default=5, validator=_above_zero)
