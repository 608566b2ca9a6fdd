"""
Exits: keeps the exits of protected positions right (promise P10).

`run` compares the exits of every protection with the orders of the account, and makes a plan for
what is missing.  A protection is stored until its position is closed: whatever fails, and whenever
the process stops, the next pass finds what has no exit.  Other half: `core.plans.exits.comparison`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import watch
from fillbook.core.checks.placed_exits import cooldown_of
from fillbook.core.checks.risk import period_of
from fillbook.core.plans import plan as life
from fillbook.core.plans.exits import breach, comparison, successors, triggers
from fillbook.core.plans.exits.context import ExitContext
from fillbook.core.plans.exits.verdict import ExitVerdict
from fillbook.core.send_permission import Authority
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import Planning, denial
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.exit_reader import (
    closes_that_wait,
    exit_context,
    plans_that_close_by_price,
)
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.store import Reader

#: The period of the passes without an event.
PERIOD: Final = timedelta(seconds=10)
#: An alert about the same missing exit is repeated after this time.
ALERT_PERIOD: Final = timedelta(minutes=5)
#: What has no exit is alerted from this time before the open.
BEFORE_OPEN: Final = timedelta(minutes=30)
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
        #: By protection: its symbol, and the cover that was alerted last, and when.
        self._alerted: dict[str, tuple[str, str, timedelta]] = {}
        self._unknown: dict[str, str] = {}
        #: By occasion, and whether the part was closed: the refusals, and until when it waits.
        self._retries: dict[tuple[str, bool], tuple[int, timedelta]] = {}
        self._closing: set[str] = set()  #: the occasions whose last plan closed the part
        for kind in (m.EventKind.FILL, m.EventKind.FINAL, m.EventKind.COVER, m.EventKind.PLAN):
            recorder.on(kind, lambda event: agenda.put("exits", timedelta()))

    # -- the pass ----------------------------------------------------------------------

    def run(self) -> None:
        """Compare the exits of every protection, and carry out what is missing."""
        with self._recorder.store.read() as reader:
            known = reader.all(m.Protection)
        symbols = sorted({x.symbol for x in known})
        self._compare(symbols)
        for key in sorted(self._alerted.keys() - {x.key for x in known}):
            self._resolve(key)  # it ended, or its symbol has another name
        if symbols:
            self._agenda.put("plans", timedelta())

    def compare(self, symbol: str) -> list[str]:
        """Compare the exits of one symbol; return the ids of the plans that were made."""
        return self._compare([symbol])

    def _compare(self, symbols: Sequence[str]) -> list[str]:
        """Compare the exits of *symbols*; the quotes that decide are read by one request."""
        contexts = [self._context(x) for x in symbols]
        found = [(x, comparison.compare(x)) for x in contexts]
        read = self._market.quotes([x.symbol for x, verdicts in found if _decides(x, verdicts)])
        made: list[str] = []
        for context, verdicts in found:
            quotes = self._confirmable(context.symbol, read.get(context.symbol))
            if quotes:
                context = evolve(context, quotes=quotes)
                verdicts = comparison.compare(context)
            made += self._carry_out(context, verdicts)
        return made

    def _carry_out(self, context: ExitContext, verdicts: Sequence[ExitVerdict]) -> list[str]:
        """Store the verdicts on one symbol and their plans; return the ids of those that begin."""
        made: list[str] = []
        for verdict in verdicts:
            # A plan changes the account, so that another one of the symbol would be stale.
            plan = None if made else self._plan(verdict, context)
            name = self._store(verdict, plan)
            if name is not None and self._is_approved(name):
                made.append(name)
            self._alert(verdict, context)
            self._alert_unknown(verdict.protection, context)
        return made

    def _confirmable(self, symbol: str, quote: m.Quote | None) -> tuple[m.Quote, ...]:
        """Return *quote* after those before it; () without a fresh one, as older decide nothing."""
        if quote is None:
            return ()
        known = self._quotes.setdefault(symbol, deque(maxlen=16))
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

    def _is_approved(self, plan_id: str) -> bool:
        with self._recorder.store.read() as reader:
            plan = reader.get(m.Plan, plan_id)
        return plan is not None and plan.state is not m.PlanState.PROPOSED

    def _plan(self, verdict: ExitVerdict, context: ExitContext) -> m.Plan | None:
        """Return the plan for a verdict; None: nothing is to be done now."""
        protection = verdict.protection
        if not verdict.steps:
            return None
        needs_approval = verdict.needs_approval
        plan = self._planning.plan(
            m.PlanKind.EXIT,
            protection.occasion,
            (protection.symbol,),
            verdict.steps,
            authority=Authority.STANDING,
            strategy=protection.strategy or None,
            valid_for=PROPOSAL_PERIOD if needs_approval else None,
            state=m.PlanState.PROPOSED if needs_approval else m.PlanState.APPROVED,
            why=_purpose(protection, context),
        )
        is_refused = self._is_refused(protection, closes=breach.closes_by_price(plan))
        return None if is_refused or self._waits_for_person(plan, context) else plan

    def _waits_for_person(self, plan: m.Plan, context: ExitContext) -> bool:
        """
        Return whether a person is to decide about the same close already.

        Without a quote nothing else is placed meanwhile: a stop could close the part at once.
        """
        with self._recorder.store.read() as reader:
            waiting = closes_that_wait(reader, plan)
        return any(not context.quotes or breach.is_like(x, plan) for x in waiting)

    def _is_refused(self, protection: m.Protection, *, closes: bool) -> bool:
        """
        Return whether the exit was refused, and is tried again later only.

        A close in place of a stop (*closes*) does not wait because the stop was refused.
        """
        occasion, now = protection.occasion, self._clock.elapsed()
        failure = self._executor.failures.pop(occasion, None)
        if failure is not None:
            key = (occasion, occasion in self._closing)
            tries = self._retries.get(key, (0, now))[0] + 1
            delay = life.retry_delay(tries) if failure.transient else IMPOSSIBLE_PERIOD
            self._retries[key] = (tries, now + delay)
            self._agenda.put("exits", now + min(delay, PERIOD))  # it is of every symbol
            if not failure.transient:
                self._alert_impossible(protection, failure.why)
        if protection.is_covered:
            self._retries.pop((occasion, closes), None)
        return now < self._retries.get((occasion, closes), (0, now))[1]

    def _make(self, plan: m.Plan) -> str | None:
        """Store *plan*; one that closes a part by its price is proposed above the limits."""
        if not breach.closes_by_price(plan):
            self._closing.discard(plan.occasion)
            return self._planning.make(plan)
        self._closing.add(plan.occasion)
        with self._recorder.store.read() as reader:
            is_first = not plans_that_close_by_price(reader, self._recorder.now())
        equity = None if is_first else self._equity()

        def limits(reader: Reader, plan: m.Plan) -> bool:
            others = plans_that_close_by_price(reader, self._recorder.now())
            is_free = not closes_that_wait(reader, plan)
            return is_free and breach.is_within_limits(plan, others, equity)

        return self._planning.make(plan, limits=limits, proposed_for=PROPOSAL_PERIOD)

    def _equity(self) -> Decimal | None:
        """Return the equity of the account as the broker reports it now; None: not observed."""
        answer = self._gateway.read("account", self._gateway.broker.account)
        return answer.value.equity if isinstance(answer, m.Observed) else None

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
                    transaction.record(*_ending(transaction.reader, known, verdict.ended))
                    return None
                transaction.record(m.ProtectionSet(protection))
        return None if plan is None else self._make(plan)

    def planned(self, protection: m.Protection) -> m.Plan:
        """
        Return the plan that would place the exits of *protection*; store nothing.

        Raises: Denied (price) if a price of it is new, and would close the part at once.
        """
        context = self._context(protection.symbol)
        known = {x.key: x for x in context.protections}
        before = known.pop(protection.key, None)
        context = evolve(context, protections=(*known.values(), protection))
        symbol = protection.symbol
        context = evolve(context, quotes=self._confirmable(symbol, self._market.quote(symbol)))
        verdict = comparison.compare(context)[-1]
        is_new = before is None or before.policy != protection.policy
        reached = breach.reached_price(verdict.protection, context)
        if reached and is_new and not protection.pending:
            raise denial(m.ReasonCode.PRICE, symbol, reached, self._recorder.now())
        steps = verdict.steps
        return self._planning.plan(
            m.PlanKind.EXIT,
            verdict.protection.occasion,
            (protection.symbol,),
            steps,
            authority=Authority.STANDING,
            strategy=protection.strategy or None,
            why=_purpose(verdict.protection, context),
        )

    # -- alerts ------------------------------------------------------------------------

    def _alert(self, verdict: ExitVerdict, context: ExitContext) -> None:
        """Alert what has been without its exit for too long, and again after some minutes."""
        protection = verdict.protection
        since, is_excess = protection.since, protection.cover is m.CoverState.EXCESS
        is_excess = is_excess or verdict.has_excess
        # Without a stop in the policy a missing exit is no risk; one that is too many is.
        is_risk = protection.policy.has_stop or is_excess
        if verdict.ended or protection.is_covered or since is None or not is_risk:
            self._resolve(protection.key)
            return
        session = context.session
        could_trade = context.is_open or (
            session is not None and session.opens - context.now <= BEFORE_OPEN
        )
        longest = period_of(protection.policy.naked_max_s)
        # What is too many is reduced or alerted at any hour (P10): a cancel may wait for the open.
        if (could_trade or is_excess) and context.now - m.moment(since) >= longest:
            text = (
                f"{protection.title} has not had its exits since {since} "
                f"({str(protection.cover).replace('_', ' ')}): {protection.why}. "
                "See `fillbook plans` and `fillbook positions`"
            )
            self._alert_once(protection, text)

    def _resolve(self, key: str) -> None:
        """Say that no part of a symbol lacks its exits any more, if the last one has ended."""
        symbol, *_ = self._alerted.pop(key, ("", "", timedelta()))
        if symbol and symbol not in {x for x, *_ in self._alerted.values()}:
            ended = watch.resolved_alert(m.AlertKind.NAKED, symbol)
            self._recorder.record(m.Alerted(ended))

    def _alert_unknown(self, protection: m.Protection, context: ExitContext) -> None:
        """Alert once which rules of a policy cannot be applied; the cover says it meanwhile."""
        part = dict(context.position.by_strategy).get(protection.strategy)
        is_held = part is not None and bool(part.qty) and not protection.suspended
        why = "" if part is None or not is_held else triggers.sentence_of_unknown(protection, part)
        if why and self._unknown.get(protection.key) != why:
            text = f"exits of {protection.title} cannot be kept as asked for: {why}"
            alert = m.Alert(m.AlertKind.EXIT_CHANGED, protection.symbol, text)
            self._recorder.record(m.Alerted(alert))
        self._unknown[protection.key] = why

    def _alert_impossible(self, protection: m.Protection, why: str) -> None:
        text = f"the exit of {protection.title} cannot be placed: {why}"
        self._recorder.record(m.Alerted(m.Alert(m.AlertKind.EXIT_CHANGED, protection.symbol, text)))

    def _alert_once(self, protection: m.Protection, text: str) -> None:
        now = self._clock.elapsed()
        _, alerted, at = self._alerted.get(protection.key, ("", "", -ALERT_PERIOD))
        if alerted != protection.cover or now - at >= ALERT_PERIOD:
            self._alerted[protection.key] = (protection.symbol, protection.cover, now)
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.NAKED, protection.symbol, text)))


def _ending(reader: Reader, protection: m.Protection, why: str) -> Iterator[m.Entry]:
    """Yield the entries that end a protection; it goes on for what its units became."""
    found = successors.successors(reader, protection)
    names = dict.fromkeys(x.symbol for x in found if x.symbol != protection.symbol)
    if names:
        why = f"its units became {' and '.join(names)}"
    cooldown = cooldown_of(reader, protection)
    yield m.ProtectionEnded(protection.symbol, protection.strategy, why, cooldown)
    for x in found:
        if x.protection is not None:
            yield m.ProtectionSet(x.protection)
        if x.text:
            yield m.Alerted(m.Alert(m.AlertKind.EXIT_CHANGED, x.symbol, x.text))
        yield from map(m.Alerted, x.beside)


def _decides(context: ExitContext, verdicts: Sequence[ExitVerdict]) -> bool:
    """Return whether a quote decides about what *verdicts* place, or what is watched."""
    sent = (m.PlaceOrder, m.ReplaceOrder)
    places = any(isinstance(s.action, sent) for x in verdicts for s in x.steps)
    return places or any(comparison.needs_quotes(x, context) for x in context.protections)


def _purpose(protection: m.Protection, context: ExitContext) -> str:
    """Return what a plan for exits is for, and how the prices that the bot gave are rounded."""
    rounded = triggers.sentence_of_rounded(protection, context)
    why = f"exits of {protection.title}: {protection.why or protection.cover}"
    return f"{why}; {rounded}" if rounded else why
