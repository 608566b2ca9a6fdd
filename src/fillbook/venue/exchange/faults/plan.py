"""
The fault plan: which fault is injected where and how often.

The plan decides and does not act.  At every `InjectionPoint` its caller asks for the next
`InjectedFault`: the exchange for faults inside it (a view that lags, a lost event), the
transport of requests (the simulated broker, the HTTP emulator) for faults of requests
(a lost reply, a 429).

The rules are tried in order, and the first that is due decides.  The same seed and the
same injection points give the same faults.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Collection, Iterable

from attrs import Attribute, evolve, field, frozen

from fillbook.errors import InvalidValue
from fillbook.venue.exchange.faults.kinds import (
    APPLIED,
    INJECTION_POINTS,
    PERMANENT,
    SECONDS,
    SOMETIMES_APPLIED,
    STATUSES,
    SUBJECT_POINTS,
    Fault,
    InjectionPoint,
    fault_named,
)


@frozen
class InjectedFault:
    """
    One fault that is injected now; `seconds` is its duration, 0 if it has none.

    `is_applied`: a write was done although its reply is an error or is lost.
    `status`: the HTTP status of the reply; None is the fault's default.
    """

    fault: Fault
    occasion: InjectionPoint
    seconds: float = 0.0
    is_applied: bool = False
    status: int | None = None


def _is_rate(rule: Rule, field: Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidValue(f"a rate must be from 0 (never) to 1 (always), not {value}")


@frozen(kw_only=True)
class Rule:
    """
    Inject `fault` at `points` with probability `rate` (0 to 1), at most `times` (None: no limit).

    The first `skip` occasions pass without a fault.  `seconds` None is a random choice from
    `SECONDS`.  `where` is a symbol, an order id or a client order id: the rule applies to
    this subject only; None is every subject.  `status` None is the fault's default.
    """

    fault: Fault
    points: frozenset[InjectionPoint]
    rate: float = field(default=1.0, validator=_is_rate)
    times: int | None = None
    skip: int = 0
    seconds: float | None = None
    where: str | None = None
    status: int | None = None


class Faults:
    """
    A fault plan; it may be changed while the exchange runs, from any thread.

    `counts` is how often each fault was injected.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._rules = list(rules)
        self._random = random.Random(f"{seed}:faults")
        self.counts: Counter[Fault] = Counter()

    @classmethod
    def random(cls, seed: int, rate: float, *, only: Iterable[str] = ()) -> Faults:
        """Make a plan of all faults (or *only* those named), at *rate* on each of their points."""
        faults = [fault_named(name) for name in only] or list(Fault)
        rules = [
            Rule(fault=f, points=INJECTION_POINTS[f], rate=rate / 50 if f in PERMANENT else rate)
            for f in faults
        ]
        return cls(rules, seed=seed)

    @classmethod
    def named(cls, names: str, *, seed: int = 0, rate: float = 1.0) -> Faults:
        """Make a plan of the faults in *names* ("lost-reply,silent-stream"), each at *rate*."""
        faults = [fault_named(name) for name in names.split(",") if name.strip()]
        return cls(
            [Rule(fault=f, points=INJECTION_POINTS[f], rate=rate) for f in faults], seed=seed
        )

    def fail(
        self,
        next: str,  # noqa: A002 - reads as the sentence it is: fail(next="submit", with_="…")
        with_: str,
        *,
        times: int = 1,
        skip: int = 0,
        seconds: float | None = None,
        where: str | None = None,
        status: int | None = None,
    ) -> None:
        """
        Inject the fault *with_* at the *next* point of that name, *times* times after *skip*.

        *where* is a symbol, an order id or a client order id: the fault applies to this
        subject only; None is every subject.  *seconds* None is a random choice from `SECONDS`.
        *status* is the HTTP status of an emulator's reply; None is the fault's default.
        Raises: InvalidValue if the names or their combination are invalid.
        """
        fault, point = fault_named(with_), _point_named(next)
        if point not in INJECTION_POINTS[fault]:
            places = ", ".join(sorted(INJECTION_POINTS[fault]))
            raise InvalidValue(f"{fault} cannot be injected at {point}, only at {places}")
        if where is not None and point not in SUBJECT_POINTS:
            raise InvalidValue(f"{point} has no order or symbol: where must be None")
        if status is not None and status not in STATUSES.get(fault, ()):
            raise InvalidValue(f"{fault} cannot have the status {status}")
        rule = Rule(
            fault=fault,
            points=frozenset({point}),
            times=times,
            skip=skip,
            seconds=seconds,
            where=where,
            status=status,
        )
        with self._lock:
            # A rule for the next occasion goes before the rules with a rate.
            self._rules.insert(0, rule)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order in which they are tried."""
        with self._lock:
            return tuple(self._rules)

    def add(self, rule: Rule) -> None:
        """Add *rule* after all others."""
        with self._lock:
            self._rules.append(rule)

    def switch_on(self, name: str, *, rate: float = 1.0, seconds: float | None = None) -> None:
        """Inject the fault *name* at all its points at *rate*, until it is switched off."""
        fault = fault_named(name)
        self.add(Rule(fault=fault, points=INJECTION_POINTS[fault], rate=rate, seconds=seconds))

    def switch_off(self, name: str) -> None:
        fault = fault_named(name)
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.fault is not fault]

    def clear(self) -> None:
        """Remove all rules; the effects of faults already injected still follow."""
        with self._lock:
            self._rules = []

    def next(
        self,
        point: InjectionPoint | str,
        *,
        among: Collection[Fault] = tuple(Fault),
        subjects: Collection[str | None] = (),
    ) -> InjectedFault | None:
        """
        Return the fault that is injected at *point* now, None if there is none, and count it.

        *among* are the faults that the caller can carry out; *subjects* are the symbols and
        ids that the point is about.
        """
        point = InjectionPoint(point)
        with self._lock:
            for index, rule in enumerate(self._rules):
                if rule.fault not in among or point not in rule.points:
                    continue
                if rule.where is not None and rule.where not in subjects:
                    continue
                if self._is_due(index, rule):
                    self.counts[rule.fault] += 1
                    return self._injected(rule, point)
        return None

    def _is_due(self, index: int, rule: Rule) -> bool:
        if rule.times == 0:
            return False
        if rule.skip:
            self._rules[index] = evolve(rule, skip=rule.skip - 1)
            return False
        if rule.rate < 1.0 and self._random.random() >= rule.rate:
            return False
        if rule.times is not None:
            self._rules[index] = evolve(rule, times=rule.times - 1)
        return True

    def _injected(self, rule: Rule, point: InjectionPoint) -> InjectedFault:
        is_applied = rule.fault in APPLIED or (
            rule.fault in SOMETIMES_APPLIED and self._random.random() < 0.5
        )
        return InjectedFault(rule.fault, point, self._seconds(rule), is_applied, rule.status)

    def _seconds(self, rule: Rule) -> float:
        if rule.seconds is not None:
            return rule.seconds
        least, most = SECONDS.get(rule.fault, (0.0, 0.0))
        return round(self._random.uniform(least, most), 3) if most > least else least


def _point_named(name: str) -> InjectionPoint:
    try:
        return InjectionPoint(name)
    except ValueError:
        known = ", ".join(sorted(InjectionPoint))
        raise InvalidValue(
            f"there is no injection point {name!r}; the points are {known}"
        ) from None
