"""
Protections: which parts of positions are to have exits, by a call of the bot or by a policy.

A policy covers the parts that orders of ours open from the time it is set; those that were held
before are proposed.  Other half: `desk.plans.exits`, which keeps the exits right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve

from fillbook import codec, errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.checks.placed_exits import cooldown_of
from fillbook.core.holdings.action_keys import is_of_action
from fillbook.core.plans.exits.forms import trip_of
from fillbook.core.plans.exits.triggers import sentence_of_impossible
from fillbook.core.send_permission import Authority
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.exits import Exits
from fillbook.desk.plans.planning import Planning
from fillbook.desk.record.exit_reader import opening_order, standing_exits
from fillbook.desk.record.present_cover import present_protections
from fillbook.desk.record.recorder import Recorder
from fillbook.store import Reader

#: The cell with the policy of `open(exits=…)` and the time from which it holds.
POLICY_CELL: Final = "exit-policy"


class Protections:
    """Sets, ends and lists protections."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        exits: Exits,
        executor: Executor,
        planning: Planning,
        clock: Clock,
        policy: m.ExitPolicy | None,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._exits = exits
        self._executor = executor
        self._planning = planning
        self._clock = clock
        self._policy = policy
        self._policy_since = None if policy is None else self._begin_policy(policy)

    def run(self) -> None:
        """Protect what the policy covers, and compare the exits of every protection."""
        self._adopt_policy()
        self._exits.run()

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

        Raises: Denied: (no_position), unless *pending*, and (price) if an exit would trade at
        once; InvalidValue if it has several parts, or if a percentage is no price above zero.
        """
        with self._recorder.store.read() as reader:
            protection = self._new_protection(reader, symbol, strategy, policy, pending=pending)
        planned = self._exits.planned(protection)
        if dry_run:
            return planned
        self._gateway.require_trading_enabled()
        with self._recorder.transaction() as transaction:
            known = transaction.reader.get(m.Protection, protection.key)
            cooldown = None if known is None else cooldown_of(transaction.reader, known)
            if cooldown is not None:  # it does not end because the exits are set anew
                transaction.record(
                    m.ProtectionEnded(
                        symbol, protection.strategy, "`protect` replaced it", cooldown
                    )
                )
            transaction.record(m.ProtectionSet(protection))
        self._executor.failures.pop(protection.occasion, None)
        made = self._exits.compare(symbol)
        self._executor.carry_out(*made)
        later = self._exits.compare(symbol)  # what stands now, and what a plan that ended left
        if later:
            self._executor.carry_out(*later)
        return self._latest([*made, *later], protection)

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
            raise errors.InvalidValue(
                f"{symbol} is held by several strategies: name {_one_of(parts)}"
            )
        name = next(iter(parts), "") if strategy is None else strategy
        if name not in parts and not pending:
            of = f" of strategy {name!r}" if name else ""
            text = (
                f"there is no position in {symbol} to protect{of}: protect it once it is held, or "
                "protect its next opening fill (pending=True, --pending)"
            )
            raise self._planning.no_position(symbol, text)
        part = parts.get(name)
        sign = 0 if part is None else 1 if part.qty > 0 else -1
        if wrong := sentence_of_impossible(policy, sign):
            raise errors.InvalidValue(wrong)
        known = reader.get(m.Protection, f"{symbol}/{name}")
        new = m.Protection(
            symbol=symbol,
            strategy=name,
            policy=policy,
            pending=name not in parts,
            applied=name not in parts,
            set_at=self._recorder.now(),
            inherited=standing_exits(reader, held, name),
        )
        if known is None:
            return new
        # How long the part has been covered, or not, does not begin again.
        return evolve(new, number=known.number + 1, cover=known.cover, since=known.since)

    def _latest(self, made: Sequence[str], protection: m.Protection) -> m.Plan:
        """Return the newest plan of *made*; without one, a plan without steps that says why."""
        symbol, key = protection.symbol, protection.key
        with self._recorder.store.read() as reader:
            stored = [x for name in made if (x := reader.get(m.Plan, name)) is not None]
            now = reader.get(m.Protection, key)
            others = [
                x
                for x in reader.find(m.Plan, "open", "yes")
                if symbol in x.symbols and x.state is not m.PlanState.PROPOSED
            ]
        if stored:
            return stored[-1]
        is_right = now is not None and now.is_covered and not others
        if others:
            why = f"they are compared when plan {others[0].plan_id} ends"
        else:
            why = "nothing is to be done" if now is None or is_right else now.why or now.cover
        plan = self._planning.plan(
            m.PlanKind.EXIT,
            protection.occasion,
            (symbol,),
            (),
            authority=Authority.STANDING,
            why=f"exits of {protection.title}: {why}",
        )
        return evolve(plan, state=m.PlanState.DONE if is_right else m.PlanState.APPROVED)

    def unprotect(self, symbol: str, strategy: str | None) -> str:
        """
        End the protection and the cooldown of one part; return its strategy. The exits stay.

        Raises: InvalidValue if there is none, or if several parts have one and none is named.
        """
        with self._recorder.transaction() as transaction:
            reader, now = transaction.reader, transaction.at
            kept = [x for x in reader.all(m.Protection) if x.symbol == symbol]
            cooling = {x.strategy: x for x in reader.all(m.Cooldown) if x.symbol == symbol}
            waiting = {name for name, x in cooling.items() if x.until > now}
            found = {x.strategy for x in kept} | waiting
            found = {name for name in found if strategy in (None, name)}
            if not found:
                raise errors.InvalidValue(f"there is no protection of {symbol}")
            if len(found) > 1:
                raise errors.InvalidValue(
                    f"{symbol} has protections of several strategies: name {_one_of(found)}"
                )
            (name,) = found
            ends = evolve(cooling[name], until=now) if name in waiting else None
            transaction.record(m.ProtectionEnded(symbol, name, "`unprotect` ended it", ends))
            return name

    def protections(self) -> list[m.Protection]:
        """Return the protections, by symbol and strategy, with their cover by the record now."""
        return present_protections(self._recorder.store, self._clock)

    def approved(self, plan: m.Plan) -> None:
        """Note that a plan for what was held already is approved: its exits are placed from now."""
        if plan.kind is not m.PlanKind.EXIT:
            return
        with self._recorder.transaction() as transaction:
            for x in transaction.reader.all(m.Protection):
                if x.occasion == plan.occasion:
                    transaction.record(m.ProtectionSet(evolve(x, approved=True, applied=True)))

    def rejected(self, plan: m.Plan, why: str) -> None:
        """Note that what was held already is to have no exits: none is proposed again."""
        reason = f"plan {plan.plan_id} was rejected" + (f": {why}" if why else "")
        with self._recorder.transaction() as transaction:
            for x in transaction.reader.all(m.Protection):
                if x.occasion == plan.occasion and not x.approved:
                    transaction.record(m.ProtectionSet(evolve(x, suspended=reason)))

    # -- the policy of the desk --------------------------------------------------------

    def _adopt_policy(self) -> None:
        """Protect the parts of our own strategies by the policy of the desk."""
        since = self._policy_since
        if self._policy is None or since is None:
            return
        with self._recorder.transaction() as transaction:
            reader = transaction.reader
            known = reader.all(m.Protection)
            keys = {x.key for x in known}
            # A protection of units that were exchanged follows its round trip.
            ended = {(x.strategy, x.opened_by) for x in known if not _is_held(reader, x)}
            for position in reader.all(m.Position):
                for strategy, part in position.by_strategy:
                    symbol = _traded_symbol(reader, position.symbol, part)
                    is_known = (strategy, trip_of(part)) in ended or f"{symbol}/{strategy}" in keys
                    if symbol is None or not part.qty or is_known:
                        continue
                    is_late = part.opened_at is not None and part.opened_at >= since
                    is_new = is_late and _is_entered(part)
                    new = m.Protection(
                        symbol=symbol,
                        strategy=strategy,
                        policy=self._policy,
                        approved=is_new,
                        applied=is_new,
                        set_at=transaction.at,
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


def _one_of(strategies: Iterable[str]) -> str:
    """Return the names to choose from; the empty one as it is typed."""
    *names, last = sorted(strategies, key=lambda name: (not name, name))
    last = last or '"" for no strategy (--strategy "")'
    return f"one of {', '.join(names)}, or {last}" if names else last


def _traded_symbol(reader: Reader, held: str, part: m.Holding) -> str | None:
    """Return the symbol by which a part is traded; None: no order of ours opened it."""
    if not _is_entered(part):
        return held
    record = opening_order(reader, part.opened_by or "")
    if record is None:
        return None
    symbol = record.terms.symbol
    return symbol if pairs.holding_of(reader, symbol) == held else held  # units that came for it


def _is_held(reader: Reader, protection: m.Protection) -> bool:
    position = reader.get(m.Position, pairs.holding_of(reader, protection.symbol))
    part = None if position is None else dict(position.by_strategy).get(protection.strategy)
    return part is not None and bool(part.qty)


def _is_entered(part: m.Holding) -> bool:
    """Whether trades opened a part, not a balance that was adopted or a corporate action."""
    opened_by = part.opened_by or ""
    return not (opened_by.startswith("anchor") or is_of_action(opened_by))
