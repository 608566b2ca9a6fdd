"""What a bot sets for a desk, each as it is used; `fillbook.open` takes them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import field, frozen

from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.core.checks import CHECKS, Check
from fillbook.core.permission import Repairs

#: A bot's own prices: the newest quote of a symbol, or None.
Prices = Callable[[str], m.Quote | None]


@frozen(kw_only=True)
class Settings:
    """The defaults are the safe ones."""

    live: bool = False
    repairs: Repairs = Repairs.OBSERVE
    wait_s: float = 5.0
    checks: Sequence[Check] = CHECKS
    limits: m.Limits = field(factory=m.Limits)
    prices: Prices | None = None
    alerts: Sequence[Sink] = ()
    thresholds: m.Thresholds = field(factory=m.Thresholds)
