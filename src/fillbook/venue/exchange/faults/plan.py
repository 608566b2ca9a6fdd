"""
What goes wrong, as a value: which fault, where, how often.

A plan *decides* and never acts.  At every `Occasion` somebody asks it for the next
`Strike`: the exchange for what happens inside it (a view that lags, an event lost),
whoever carries requests (the simulated broker, the HTTP emulator) for what happens on
the way (a reply lost, a 429).

The order of rules matters: the first that fires is the one that happens.  The same
seed and the same occasions give the same strikes.
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
    One fault that happens now; `seconds` where it needs a length, else 0.

    `is_done`: a write that is answered by an error or not at all was done all the same.
    `status`: the HTTP status to answer with; None is the fault's usual one.
    """

    fault: Fault
    occasion: InjectionPoint
    seconds: float = 0.0
    is_applied: bool = False
    status: int | None = None


def _is_rate(rule: Rule, field: Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidValue(f"a rate is from 0 (never) to 1 (always), not {value}")


@frozen(kw_only=True)
class Rule:
    """
    *fault* strikes at *occasions* with probability *rate*, at most *times* (None: for ever).

    `skip` occasions pass first; `seconds` None is a seeded choice from `SECONDS`.  `where`
    is a symbol, an order's id or its client order id: only what is about it is struck.
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
    A plan of faults; it may be changed while the exchange runs, from any thread.

    `counts` says how often each has fired.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._rules = list(rules)
        self._random = random.Random(f"{seed}:faults")
        self.counts: Counter[Fault] = Counter()

    @classmethod
    def random(cls, seed: int, rate: float, *, only: Iterable[str] = ()) -> Faults:
        """Every fault (or *only* those named), each at *rate* on each of its occasions."""
        named = [fault_named(word) for word in only] or list(Fault)
        rules = [
            Rule(fault=f, points=INJECTION_POINTS[f], rate=rate / 50 if f in PERMANENT else rate)
            for f in named
        ]
        return cls(rules, seed=seed)

    @classmethod
    def named(cls, words: str, *, seed: int = 0, rate: float = 1.0) -> Faults:
        """Those listed in *words* ("lost-reply,silent-stream"), each at *rate*."""
        named = [fault_named(word) for word in words.split(",") if word.strip()]
        return cls([Rule(fault=f, points=INJECTION_POINTS[f], rate=rate) for f in named], seed=seed)

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
        Have the next *times* occasions called *next* fail *with_* a fault, after *skip* good ones.

        *where*, a symbol, an order's id or its client order id, lets all others pass;
        *status* is the HTTP status of an emulator's answer.
        Raises: InvalidValue for what cannot be.
        """
        fault, point = fault_named(with_), _point_named(next)
        if point not in INJECTION_POINTS[fault]:
            places = ", ".join(sorted(INJECTION_POINTS[fault]))
            raise InvalidValue(f"{fault} does not strike at {point}, only at {places}")
        if where is not None and point not in SUBJECT_POINTS:
            raise InvalidValue(f"{point} is about no one order or symbol; leave out where")
        if status is not None and status not in STATUSES.get(fault, ()):
            raise InvalidValue(f"{fault} cannot be answered with the status {status}")
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
            # What was asked for by name goes before what happens by chance.
            self._rules.insert(0, rule)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What may strike from now on, in the order in which it is asked."""
        with self._lock:
            return tuple(self._rules)

    def add(self, rule: Rule) -> None:
        """Have *rule* asked after all others."""
        with self._lock:
            self._rules.append(rule)

    def switch_on(self, word: str, *, rate: float = 1.0, seconds: float | None = None) -> None:
        """Have the fault called *word* strike wherever it can, until it is switched off."""
        fault = fault_named(word)
        self.add(Rule(fault=fault, points=INJECTION_POINTS[fault], rate=rate, seconds=seconds))

    def switch_off(self, word: str) -> None:
        fault = fault_named(word)
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.fault is not fault]

    def clear(self) -> None:
        """From now on nothing goes wrong; what is under way still lands."""
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
        What strikes at *occasion* now, of those that the asker can carry out; it is counted.

        *about* are the symbols and ids that the occasion is about.
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


def _point_named(word: str) -> InjectionPoint:
    try:
        return InjectionPoint(word)
    except ValueError:
        known = ", ".join(sorted(InjectionPoint))
        raise InvalidValue(f"nothing is called {word!r}; faults strike at {known}") from None
