"""The settings of a desk; `fillbook.open` takes them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import field, frozen

from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.core.checks import CHECKS, Check

#: A price function of the bot: the newest quote of a symbol, or None.
Prices = Callable[[str], m.Quote | None]


@frozen(kw_only=True)
class Settings:
    """The settings of a desk; the defaults are safe."""

    live: bool = False
    repairs: m.RepairPolicy = field(factory=m.RepairPolicy)
    wait_s: float = 5.0
    checks: Sequence[Check] = CHECKS
    exits: m.ExitPolicy | None = None
    limits: m.Limits = field(factory=m.Limits)
    prices: Prices | None = None
    alerts: Sequence[Sink] = ()
    thresholds: m.Thresholds = field(factory=m.Thresholds)
