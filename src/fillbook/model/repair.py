"""Repairs: what is done about each kind of difference between the record and the account."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen
from attrs.converters import optional

from fillbook.errors import InvalidValue
from fillbook.model.number import number


class RepairKind(StrEnum):
    """The kinds of differences that may be repaired."""

    UNTRACKED = "untracked"
    """A position that the record does not have."""
    PHANTOM = "phantom"
    """A position that the broker does not have."""
    WRONG_QTY = "wrong_qty"
    """A position of another quantity."""
    WRONG_CASH = "wrong_cash"
    """Cash of another amount."""
    UNKNOWN_ORDER = "unknown_order"
    """A live order of ours that the broker does not have."""
    LANDED_LATE = "landed_late"
    """An order that was accepted after it was abandoned."""
    EXTERNAL_ORDER = "external_order"
    """A working order that fillbook did not place."""


class Repair(StrEnum):
    """What a repair does."""

    ADOPT = "adopt"
    """The record takes the broker's figure."""
    CLOSE = "close"
    """The position that the record does not have is closed."""
    TRADE = "trade"
    """The position at the broker is traded to that of the record."""
    END = "end"
    """The order ends in the record."""
    CANCEL = "cancel"
    """The order is canceled."""
    HALT = "halt"
    """The kill switch is set."""
    IGNORE = "ignore"
    """Nothing; the difference stays reported."""


#: What each kind of difference allows; the first is the default.
REPAIRS: Final[Mapping[RepairKind, tuple[Repair, ...]]] = MappingProxyType(
    {
        RepairKind.UNTRACKED: (Repair.ADOPT, Repair.CLOSE, Repair.HALT, Repair.IGNORE),
        RepairKind.PHANTOM: (Repair.ADOPT, Repair.TRADE, Repair.HALT, Repair.IGNORE),
        RepairKind.WRONG_QTY: (Repair.ADOPT, Repair.TRADE, Repair.HALT, Repair.IGNORE),
        RepairKind.WRONG_CASH: (Repair.ADOPT, Repair.HALT, Repair.IGNORE),
        RepairKind.UNKNOWN_ORDER: (Repair.IGNORE, Repair.END),
        RepairKind.LANDED_LATE: (Repair.CANCEL, Repair.IGNORE),
        RepairKind.EXTERNAL_ORDER: (Repair.IGNORE, Repair.CANCEL),
    }
)
#: These trade, or end orders of others: automatic only by a rule of their own, with limits.
GUARDED: Final = frozenset(
    {
        (kind, repair)
        for kind, allowed in REPAIRS.items()
        for repair in allowed
        if repair in (Repair.CLOSE, Repair.TRADE)
        or (kind is RepairKind.EXTERNAL_ORDER and repair is Repair.CANCEL)
    }
)


class RepairMode(StrEnum):
    """Who decides on a repair."""

    OBSERVE = "observe"
    """It is reported only."""
    APPROVE = "approve"
    """It is proposed as a plan."""
    AUTO = "auto"
    """It is carried out, within the limits."""


@frozen(kw_only=True)
class RepairRule:
    """
    What is done about one kind of difference.

    The limits bound what is automatic, over all desks and restarts; repairs that trade need all
    three.

    Raises: InvalidValue.
    """

    mode: RepairMode = field(converter=RepairMode)
    """Observe, approve or auto."""
    repair: Repair | None = field(default=None, converter=optional(Repair))
    """The repair; None: the default of the kind."""
    notional_max: Decimal | None = field(default=None, converter=optional(number))
    """The most of one repair, in quote currency, > 0; None: no limit."""
    day_notional_max: Decimal | None = field(default=None, converter=optional(number))
    """The most of all within a day, in quote currency, > 0; None: no limit."""
    day_repairs_max: int | None = None
    """The most repairs within a day, > 0; None: no limit."""

    def __attrs_post_init__(self) -> None:
        for name in ("notional_max", "day_notional_max", "day_repairs_max"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidValue(f"{name} must be above zero, not {value}")


@frozen
class RepairPolicy:
    """What is done about differences that no evidence explains."""

    default: RepairMode = RepairMode.OBSERVE
    """The mode of a kind without a rule."""
    rules: Mapping[RepairKind, RepairRule] = MappingProxyType({})
    """The rules by kind."""

    @property
    def strongest(self) -> RepairMode:
        """The mode that permits most, of the default and all rules."""
        modes = list(RepairMode)
        return max((self.default, *(x.mode for x in self.rules.values())), key=modes.index)

    def rule(self, kind: RepairKind) -> RepairRule:
        """Return the rule of *kind*, with the repair that it means."""
        known = self.rules.get(kind, RepairRule(mode=self.default))
        return evolve(known, repair=known.repair or REPAIRS[kind][0])


def repair_policy(value: object) -> RepairPolicy:
    """
    Convert a mode, or a mapping of kinds to modes, repairs or rules.

    A mapping may have "default".  Raises: InvalidValue, also for a repair that its kind does not
    allow, and for one that trades automatically without limits.
    """
    if isinstance(value, RepairPolicy):
        return value
    if isinstance(value, str):
        return RepairPolicy(_mode(value))
    if not isinstance(value, Mapping):
        raise InvalidValue(
            f"repairs must be one of {', '.join(RepairMode)}, or a mapping; not {value!r}"
        )
    default = _mode(value.get("default", RepairMode.OBSERVE))
    rules = {}
    for name, rule in value.items():
        if name == "default":
            continue
        if name not in list(RepairKind):
            raise InvalidValue(f"repairs has {name!r}; its kinds are {', '.join(RepairKind)}")
        kind = RepairKind(name)
        rules[kind] = _rule(kind, rule)
    return RepairPolicy(default, MappingProxyType(rules))


def _mode(value: object) -> RepairMode:
    if not isinstance(value, str) or value not in list(RepairMode):
        raise InvalidValue(f"repairs must be one of {', '.join(RepairMode)}; not {value!r}")
    return RepairMode(value)


def _rule(kind: RepairKind, value: object) -> RepairRule:
    if isinstance(value, str) and value in list(Repair):
        rule = RepairRule(mode=RepairMode.APPROVE, repair=Repair(value))
    elif isinstance(value, RepairRule):
        rule = value
    else:
        rule = RepairRule(mode=_mode(value))
    repair = rule.repair or REPAIRS[kind][0]
    if repair not in REPAIRS[kind]:
        allowed = ", ".join(REPAIRS[kind])
        raise InvalidValue(f"{kind} may be repaired by {allowed}; not by {repair}")
    limits = (rule.notional_max, rule.day_notional_max, rule.day_repairs_max)
    if rule.mode is RepairMode.AUTO and (kind, repair) in GUARDED and None in limits:
        raise InvalidValue(
            f"{repair} of {kind} is automatic only with notional_max, day_notional_max and "
            "day_repairs_max"
        )
    return rule
