"""
Exits: keeps the exits of protected positions right (promise P10).

`run` compares the exits of every protection with the orders of the account, and makes a plan for
what is missing.  A protection is stored until its position is closed: whatever fails, and whenever
the process stops, the next pass finds what has no exit.  Other half: `core.plans.exits`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from attrs import evolve

from fillbook import codec, errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.checks.risk import period_of
from fillbook.core.permission import Authority
from fillbook.core.plans import exits
from fillbook.core.plans import plan as life
from fillbook.core.plans.exit_context import ExitContext
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.exit_reader import exit_context, occasion_of, suspension
from fillbook.desk.plans.planning import Planning
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.store import Reader

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
#: The cell with the policy of `open(exits=…)` and the time from which it holds.
POLICY_CELL: Final = "exit-policy"


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
        self._policy = settings.exits
        self._age_max = period_of(settings.limits.snapshot_age_max_s)
        self._quotes: dict[str, deque[m.Quote]] = {}
        self._alerted: dict[str, tuple[str, timedelta]] = {}
        self._retries: dict[str, tuple[int, timedelta]] = {}
        self._breaches: deque[timedelta] = deque()
        self._policy_since = None if settings.exits is None else self._begin_policy(settings.exits)
        for kind in (m.EventKind.FILL, m.EventKind.FINAL, m.EventKind.COVER, m.EventKind.PLAN):
            recorder.on(kind, lambda event: agenda.put("exits", timedelta()))

    # -- the pass ----------------------------------------------------------------------

    def run(self) -> None:
        """Compare the exits of every protection, and carry out what is missing."""
        self._adopt_policy()
        with self._recorder.store.read() as reader:
            symbols = sorted({x.symbol for x in reader.all(m.Protection)})
        for symbol in symbols:
            self.compare(symbol)
        if symbols:
            self._agenda.put("plans", timedelta())

    def compare(self, symbol: str) -> list[str]:
        """Compare the exits of one symbol; return the ids of the plans that were made."""
        verdicts, context = self._verdicts(symbol)
        made = [self._store(x, self._plan(x, context)) for x in verdicts]
        for verdict in verdicts:
            self._alert(verdict.protection, context)
        return [x for x in made if x is not None]

    def _verdicts(self, symbol: str) -> tuple[tuple[exits.ExitVerdict, ...], ExitContext]:
        """Return what each protection of *symbol* needs; quotes are read only if they decide."""
        context = self._context(symbol)
        verdicts = exits.compare(context)
        places = any(isinstance(s.action, m.PlaceOrder) for x in verdicts for s in x.steps)
        watches = any(exits.needs_quotes(x, context) for x in context.protections)
        if (places or watches) and self._read_quote(symbol):
            context = self._context(symbol)
            verdicts = exits.compare(context)
        return verdicts, context

    def _read_quote(self, symbol: str) -> bool:
        quote = self._market.quote(symbol)
        known = self._quotes.setdefault(symbol, deque(maxlen=16))
        if quote is None:
            known.clear()  # an old quote decides nothing
            return False
        if not known or known[-1].at < quote.at:
            known.append(quote)
        return True

    def _context(self, symbol: str) -> ExitContext:
        session = None if self._gateway.pair(symbol) is not None else self._market.session()
        with self._recorder.store.read() as reader:
            found = exit_context(
                reader,
                symbol,
                self._clock.now(),
                self._gateway.broker.capabilities,
                session=session,
                quotes=tuple(self._quotes.get(symbol, ())),
                age=self._reconciler.age,
                age_max=self._age_max,
            )
            now = self._clock.now()
            protections = tuple(
                evolve(x, suspended=x.suspended or suspension(reader, x, now))
                for x in found.protections
            )
        return evolve(found, protections=protections)

    # -- plans -------------------------------------------------------------------------

    def _plan(self, verdict: exits.ExitVerdict, context: ExitContext) -> m.Plan | None:
        """Return the plan for a verdict; None: nothing is to be done now."""
        protection = verdict.protection
        if not verdict.steps or self._is_waiting(protection):
            return None
        needs_approval = verdict.needs_approval or (
            _sells(verdict.steps) and self._are_too_many_breaches()
        )
        return self._planning.plan(
            m.PlanKind.EXIT,
            occasion_of(protection),
            (protection.symbol,),
            verdict.steps,
            authority=Authority.STANDING,
            strategy=protection.strategy or None,
            valid_for=PROPOSAL_PERIOD if needs_approval else None,
            state=m.PlanState.PROPOSED if needs_approval else m.PlanState.APPROVED,
            why=f"exits of {protection.key}: {protection.why or protection.cover}",
        )

    def _is_waiting(self, protection: m.Protection) -> bool:
        """Return whether the exit was refused, and is tried again later only."""
        occasion = occasion_of(protection)
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

    def _store(self, verdict: exits.ExitVerdict, plan: m.Plan | None) -> str | None:
        """Store the cover of a protection, and its plan; return the id of the plan."""
        protection = verdict.protection
        with self._recorder.transaction() as transaction:
            known = transaction.reader.get(m.Protection, protection.key)
            if known is None or known.number != protection.number:
                return None  # it was ended or set anew meanwhile
            if verdict.ended:
                ended = m.ProtectionEnded(protection.symbol, protection.strategy, verdict.ended)
                transaction.record(ended)
                return None
            transaction.record(m.ProtectionSet(protection))
        made = None if plan is None else self._planning.make(plan)
        if plan is not None and made is not None and _sells(plan.steps):
            self._breaches.append(self._clock.elapsed())
        return made

    # -- alerts ------------------------------------------------------------------------

    def _alert(self, protection: m.Protection, context: ExitContext) -> None:
        """Alert what has been without its exit for too long, and again after some minutes."""
        since = protection.since
        if protection.is_covered or since is None or not protection.policy.has_stop:
            self._alerted.pop(protection.key, None)
            return
        session = context.session
        could_trade = context.is_open or (
            session is not None and session.opens - context.now <= BEFORE_OPEN
        )
        longest = timedelta(seconds=float(protection.policy.naked_max_s))
        if could_trade and context.now - m.moment(since) >= longest:
            text = (
                f"{protection.key} is {protection.cover} since {since}: {protection.why}. "
                "See `fillbook plans` and desk.protections()"
            )
            self._alert_once(protection, text)

    def _alert_impossible(self, protection: m.Protection, why: str) -> None:
        text = f"the exit of {protection.key} cannot be placed: {why}"
        self._recorder.record(m.Alerted(m.Alert(m.AlertKind.EXIT_CHANGED, protection.symbol, text)))

    def _alert_once(self, protection: m.Protection, text: str) -> None:
        now = self._clock.elapsed()
        said, at = self._alerted.get(protection.key, ("", -ALERT_PERIOD))
        if said != protection.cover or now - at >= ALERT_PERIOD:
            self._alerted[protection.key] = (protection.cover, now)
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.NAKED, protection.symbol, text)))

    # -- protections -------------------------------------------------------------------

    def protect(
        self,
        symbol: str,
        strategy: str | None,
        policy: m.ExitPolicy,
        *,
        pending: bool,
        dry_run: bool,
    ) -> m.Plan:
        """
        Set the exits of one part of a position, and place them.

        Raises: Denied without a position, unless *pending*; InvalidValue if it has several parts.
        """
        with self._recorder.store.read() as reader:
            protection = self._new_protection(reader, symbol, strategy, policy, pending=pending)
        if dry_run:
            return self._planned(protection)
        self._gateway.require_trading_enabled()
        with self._recorder.transaction() as transaction:
            transaction.record(m.ProtectionSet(protection))
        self._executor.failures.pop(occasion_of(protection), None)
        made = self.compare(symbol)
        self._executor.carry_out()
        return self._latest(made, protection)

    def _new_protection(
        self,
        reader: Reader,
        symbol: str,
        strategy: str | None,
        policy: m.ExitPolicy,
        *,
        pending: bool,
    ) -> m.Protection:
        held = pairs.holding_of(reader, symbol)
        position = reader.get(m.Position, held) or m.Position(symbol=held)
        parts = {name: part for name, part in position.by_strategy if part.qty}
        if strategy is None and len(parts) > 1:
            named = ", ".join(repr(name) for name in sorted(parts))
            raise errors.InvalidValue(
                f"{symbol} is held by several strategies: name one of {named}"
            )
        name = next(iter(parts), "") if strategy is None else strategy
        if name not in parts and not pending:
            raise errors.InvalidValue(
                f"there is no position in {symbol} to protect"
                + (f" of strategy {name!r}" if name else "")
                + ": protect it once it is held, or with pending=True"
            )
        known = reader.get(m.Protection, f"{symbol}/{name}")
        number = 1 if known is None else known.number + 1
        return m.Protection(
            symbol=symbol,
            strategy=name,
            policy=policy,
            number=number,
            pending=name not in parts,
            applied=name not in parts,
        )

    def _planned(self, protection: m.Protection) -> m.Plan:
        """Return the plan that would place the exits of *protection*; store nothing."""
        context = self._context(protection.symbol)
        others = [x for x in context.protections if x.key != protection.key]
        context = evolve(context, protections=(*others, protection))
        if self._read_quote(protection.symbol):
            context = evolve(context, quotes=tuple(self._quotes[protection.symbol]))
        verdict = exits.compare(context)[-1]
        steps = verdict.steps
        return self._planning.plan(
            m.PlanKind.EXIT,
            occasion_of(verdict.protection),
            (protection.symbol,),
            steps,
            authority=Authority.STANDING,
            strategy=protection.strategy or None,
            why=f"exits of {protection.key}: {verdict.protection.why or verdict.protection.cover}",
        )

    def _latest(self, made: Sequence[str], protection: m.Protection) -> m.Plan:
        with self._recorder.store.read() as reader:
            stored = [x for name in made if (x := reader.get(m.Plan, name)) is not None]
        if stored:
            return stored[-1]
        return evolve(
            self._planning.plan(
                m.PlanKind.EXIT,
                occasion_of(protection),
                (protection.symbol,),
                (),
                authority=Authority.STANDING,
                why=f"exits of {protection.key}: nothing is to be done",
            ),
            state=m.PlanState.DONE,
        )

    def unprotect(self, symbol: str, strategy: str | None) -> None:
        """
        End the protections of *symbol*, or of one strategy; their exits stay.

        Raises: InvalidValue if there is none.
        """
        with self._recorder.transaction() as transaction:
            found = [
                x
                for x in transaction.reader.all(m.Protection)
                if x.symbol == symbol and strategy in (None, x.strategy)
            ]
            if not found:
                raise errors.InvalidValue(f"there is no protection of {symbol}")
            for x in found:
                transaction.record(m.ProtectionEnded(symbol, x.strategy, "`unprotect` ended it"))

    def protections(self) -> list[m.Protection]:
        """Return the protections, by symbol and strategy."""
        with self._recorder.store.read() as reader:
            return list(reader.all(m.Protection))

    def approved(self, plan: m.Plan) -> None:
        """Note that a plan for what was held already is approved: its exits are placed from now."""
        if plan.kind is not m.PlanKind.EXIT:
            return
        with self._recorder.transaction() as transaction:
            for x in transaction.reader.all(m.Protection):
                if occasion_of(x) == plan.occasion:
                    transaction.record(m.ProtectionSet(evolve(x, approved=True, applied=True)))

    # -- the policy of the desk --------------------------------------------------------

    def _adopt_policy(self) -> None:
        """Protect the parts of our own strategies by the policy of the desk."""
        since = self._policy_since
        if self._policy is None or since is None:
            return
        with self._recorder.transaction() as transaction:
            reader = transaction.reader
            for position in reader.all(m.Position):
                for strategy, part in position.by_strategy:
                    symbol = _traded_symbol(reader, position.symbol, part)
                    if symbol is None or not part.qty:
                        continue
                    if reader.get(m.Protection, f"{symbol}/{strategy}") is None:
                        is_new = part.opened_at is not None and part.opened_at >= since
                        new = m.Protection(
                            symbol=symbol,
                            strategy=strategy,
                            policy=self._policy,
                            approved=is_new,
                            applied=is_new,
                        )
                        transaction.record(m.ProtectionSet(new))

    def _begin_policy(self, policy: m.ExitPolicy) -> m.Timestamp:
        """Return since when *policy* holds: since it was first set, or last changed."""
        store, text = self._recorder.store, codec.dump(policy)
        while True:
            known = store.cell(POLICY_CELL)
            if known is not None and known.partition(" ")[2] == text:
                return m.Timestamp(known.partition(" ")[0])
            now = m.timestamp(self._clock.now())
            if store.swap(POLICY_CELL, known, f"{now} {text}"):
                return now


def _sells(steps: Sequence[m.PlanStep]) -> bool:
    """Whether a plan closes a position at once."""
    return any(isinstance(x.action, m.PlaceOrder) and x.action.fills for x in steps)


def _traded_symbol(reader: Reader, held: str, part: m.Holding) -> str | None:
    """Return the symbol of the order of ours that opened a part; None: none of ours did."""
    broker_order_id = (part.opened_by or "").partition("@")[0]
    evidence = reader.get(m.Evidence, broker_order_id)
    if evidence is None:
        return held if _is_opening(part) else None
    record = reader.get(m.OrderRecord, evidence.client_order_id)
    if record is None or record.origin is m.Origin.EXTERNAL:
        return None
    return record.terms.symbol


def _is_opening(part: m.Holding) -> bool:
    """Whether a part was held at the first sync."""
    return (part.opened_by or "").startswith("anchor")
