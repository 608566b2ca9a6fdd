"""
Exits: keeps the exits of protected positions right (promise P10).

`run` compares the exits of every protection with the orders of the account, and makes a plan for
what is missing.  A protection is stored until its position is closed: whatever fails, and whenever
the process stops, the next pass finds what has no exit.  Other half: `core.plans.exits`.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import watch
from fillbook.core.checks.placed_exits import cooldown_of
from fillbook.core.checks.risk import period_of
from fillbook.core.permission import Authority
from fillbook.core.plans import exits
from fillbook.core.plans import plan as life
from fillbook.core.plans.exit_context import ExitContext
from fillbook.core.plans.exit_verdict import ExitVerdict
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import Planning
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.exit_reader import exit_context
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings

#: The period of the passes without an event.
PERIOD: Final = timedelta(seconds=10)
#: An alert about the same missing exit is repeated after this time.
ALERT_PERIOD: Final = timedelta(minutes=5)
#: What has no exit is alerted from this time before the open.
BEFORE_OPEN: Final = timedelta(minutes=30)
#: The positions that are closed within `BREACH_PERIOD` without an approval.
BREACHES_MAX: Final = 3
BREACH_PERIOD: Final = timedelta(minutes=5)
#: How long a plan for what is held already waits for an approval.
PROPOSAL_PERIOD: Final = timedelta(days=1)
#: A refusal that is not transient is tried again after this time.
IMPOSSIBLE_PERIOD: Final = timedelta(minutes=5)


class Exits:
    """Compares and plans the exits of protected positions."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
        market: Market,
        reconciler: Reconciler,
        executor: Executor,
        planning: Planning,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._agenda = agenda
        self._market = market
        self._reconciler = reconciler
        self._executor = executor
        self._planning = planning
        self._clock = clock
        self._age_max = period_of(settings.limits.snapshot_age_max_s)
        self._quotes: dict[str, deque[m.Quote]] = {}
        self._alerted: dict[str, tuple[str, timedelta]] = {}
        self._retries: dict[str, tuple[int, timedelta]] = {}
        self._breaches: deque[timedelta] = deque()
        for kind in (m.EventKind.FILL, m.EventKind.FINAL, m.EventKind.COVER, m.EventKind.PLAN):
            recorder.on(kind, lambda event: agenda.put("exits", timedelta()))

    # -- the pass ----------------------------------------------------------------------

    def run(self) -> None:
        """Compare the exits of every protection, and carry out what is missing."""
        with self._recorder.store.read() as reader:
            symbols = sorted({x.symbol for x in reader.all(m.Protection)})
        for symbol in symbols:
            self.compare(symbol)
        if symbols:
            self._agenda.put("plans", timedelta())

    def compare(self, symbol: str) -> list[str]:
        """Compare the exits of one symbol; return the ids of the plans that were made."""
        verdicts, context = self._verdicts(symbol)
        made: list[str] = []
        for verdict in verdicts:
            # A plan changes the account, so that another one of the symbol would be stale.
            plan = None if made else self._plan(verdict, context)
            name = self._store(verdict, plan)
            if plan is not None and name is not None and plan.state is m.PlanState.APPROVED:
                made.append(name)
            self._alert(verdict.protection, context)
        return made

    def _verdicts(self, symbol: str) -> tuple[tuple[ExitVerdict, ...], ExitContext]:
        """Return what each protection of *symbol* needs; quotes are read only if they decide."""
        context = self._context(symbol)
        verdicts = exits.compare(context)
        sent = (m.PlaceOrder, m.ReplaceOrder)
        places = any(isinstance(s.action, sent) for x in verdicts for s in x.steps)
        watches = any(exits.needs_quotes(x, context) for x in context.protections)
        quotes = self._read_quotes(symbol) if places or watches else ()
        if quotes:
            context = evolve(context, quotes=quotes)
            verdicts = exits.compare(context)
        return verdicts, context

    def _read_quotes(self, symbol: str) -> tuple[m.Quote, ...]:
        """Read a quote, and return the newest ones; none if there is no fresh one."""
        quote = self._market.quote(symbol)
        known = self._quotes.setdefault(symbol, deque(maxlen=16))
        if quote is None:
            return ()  # an older quote alone decides nothing
        if not known or known[-1].at < quote.at:
            known.append(quote)
        return tuple(known)

    def _context(self, symbol: str) -> ExitContext:
        session = None if self._gateway.pair(symbol) is not None else self._market.session()
        with self._recorder.store.read() as reader:
            return exit_context(
                reader,
                symbol,
                self._clock.now(),
                self._gateway.broker.capabilities,
                session=session,
                age=self._reconciler.age,
                age_max=self._age_max,
            )

    # -- plans -------------------------------------------------------------------------

    def _plan(self, verdict: ExitVerdict, context: ExitContext) -> m.Plan | None:
        """Return the plan for a verdict; None: nothing is to be done now."""
        protection = verdict.protection
        if not verdict.steps or self._is_waiting(protection):
            return None
        needs_approval = verdict.needs_approval or (
            _sells(verdict) and self._are_too_many_breaches()
        )
        return self._planning.plan(
            m.PlanKind.EXIT,
            protection.occasion,
            (protection.symbol,),
            verdict.steps,
            authority=Authority.STANDING,
            strategy=protection.strategy or None,
            valid_for=PROPOSAL_PERIOD if needs_approval else None,
            state=m.PlanState.PROPOSED if needs_approval else m.PlanState.APPROVED,
            why=f"exits of {protection.title}: {protection.why or protection.cover}",
        )

    def _is_waiting(self, protection: m.Protection) -> bool:
        """Return whether the exit was refused, and is tried again later only."""
        occasion = protection.occasion
        failure = self._executor.failures.pop(occasion, None)
        now = self._clock.elapsed()
        tries, until = self._retries.get(occasion, (0, timedelta()))
        if failure is not None:
            tries += 1
            delay = life.retry_delay(tries) if failure.transient else IMPOSSIBLE_PERIOD
            until = now + delay
            self._retries[occasion] = (tries, until)
            self._agenda.put("exits", until)
            if not failure.transient:
                self._alert_impossible(protection, failure.why)
        if protection.is_covered:
            self._retries.pop(occasion, None)
        return now < until

    def _are_too_many_breaches(self) -> bool:
        now = self._clock.elapsed()
        while self._breaches and now - self._breaches[0] > BREACH_PERIOD:
            self._breaches.popleft()
        return len(self._breaches) >= BREACHES_MAX

    def _store(self, verdict: ExitVerdict, plan: m.Plan | None) -> str | None:
        """Store the cover of a protection, and its plan; return the id of the plan."""
        protection = verdict.protection
        with self._recorder.store.read() as reader:
            is_known = reader.get(m.Protection, protection.key) == protection
        if not is_known or verdict.ended:
            with self._recorder.transaction() as transaction:
                known = transaction.reader.get(m.Protection, protection.key)
                if known is None or known.number != protection.number:
                    return None  # it was ended or set anew meanwhile
                if verdict.ended:
                    ended = m.ProtectionEnded(
                        protection.symbol,
                        protection.strategy,
                        verdict.ended,
                        cooldown_of(transaction.reader, known),
                    )
                    transaction.record(ended)
                    return None
                transaction.record(m.ProtectionSet(protection))
        made = None if plan is None else self._planning.make(plan)
        if made is not None and _sells(verdict):
            self._breaches.append(self._clock.elapsed())
        return made

    def planned(self, protection: m.Protection) -> m.Plan:
        """Return the plan that would place the exits of *protection*; store nothing."""
        context = self._context(protection.symbol)
        others = [x for x in context.protections if x.key != protection.key]
        context = evolve(context, protections=(*others, protection))
        context = evolve(context, quotes=self._read_quotes(protection.symbol))
        verdict = exits.compare(context)[-1]
        steps = verdict.steps
        return self._planning.plan(
            m.PlanKind.EXIT,
            verdict.protection.occasion,
            (protection.symbol,),
            steps,
            authority=Authority.STANDING,
            strategy=protection.strategy or None,
            why=f"exits of {protection.title}: "
            f"{verdict.protection.why or verdict.protection.cover}",
        )

    # -- alerts ------------------------------------------------------------------------

    def _alert(self, protection: m.Protection, context: ExitContext) -> None:
        """Alert what has been without its exit for too long, and again after some minutes."""
        since = protection.since
        # Without a stop in the policy a missing exit is no risk; one that is too many is.
        is_risk = protection.policy.has_stop or protection.cover is m.CoverState.EXCESS
        if protection.is_covered or since is None or not is_risk:
            if self._alerted.pop(protection.key, None) is not None:
                ended = watch.resolved_alert(m.AlertKind.NAKED, protection.symbol)
                self._recorder.record(m.Alerted(ended))
            return
        session = context.session
        could_trade = context.is_open or (
            session is not None and session.opens - context.now <= BEFORE_OPEN
        )
        longest = period_of(protection.policy.naked_max_s)
        if could_trade and context.now - m.moment(since) >= longest:
            text = (
                f"{protection.title} has not had its exits since {since} "
                f"({str(protection.cover).replace('_', ' ')}): {protection.why}. "
                "See `fillbook plans` and desk.protections()"
            )
            self._alert_once(protection, text)

    def _alert_impossible(self, protection: m.Protection, why: str) -> None:
        text = f"the exit of {protection.title} cannot be placed: {why}"
        self._recorder.record(m.Alerted(m.Alert(m.AlertKind.EXIT_CHANGED, protection.symbol, text)))

    def _alert_once(self, protection: m.Protection, text: str) -> None:
        now = self._clock.elapsed()
        said, at = self._alerted.get(protection.key, ("", -ALERT_PERIOD))
        if said != protection.cover or now - at >= ALERT_PERIOD:
            self._alerted[protection.key] = (protection.cover, now)
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.NAKED, protection.symbol, text)))


def _sells(verdict: ExitVerdict) -> bool:
    """Whether a position is closed at once, because of its price."""
    actions = (x.action for x in verdict.steps)
    return not verdict.by_age and any(isinstance(x, m.PlaceOrder) and x.fills for x in actions)
