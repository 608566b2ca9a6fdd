"""
Exits: what a protected part of a position lacks, and the steps that make it right.

Each pass compares the exits that a protection requires with those that the account has:

1. Nothing is done while something about the symbol is not confirmed.
2. A flat part needs no exit: those that were placed for it are canceled, and the protection ends.
3. An entry may fill for half of `naked_max_s`; then its rest is canceled.
4. Exits for more than the part are reduced: the fewest orders are canceled, and the units of the
   part that they covered get a new exit.
5. A price that no order of the broker watches is watched: the take profit of coins and of a part
   below one share, and the limit of a stop-limit order.
6. What has no exit gets one beside those that are there, at any hour: one order, or one for the
   whole units and one for the fraction of a share.  The order of the fraction is a DAY stop without
   a take profit: one that is placed after the close waits for the next session, and each session
   has a new one.  When the exit of the whole units is filled, the fraction is sold at the market.
7. An exit at other prices than required is changed; after a split this comes before 6.  If it
   cannot be changed, it is canceled and placed again.  A GTC exit that ends within a week is
   renewed, in the session only.
8. A part that is older than its policy allows is closed, in the session.

A plan that stops needs no rollback: the next pass finds what has no exit.  A *part* is what a
strategy holds; its *share* is the quantity that needs exits.

Other halves, in this folder: `cover`, which counts the exits; `forms`, which says what an exit
looks like; `breach`, for a market that is beyond the stop already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.risk import period_of
from fillbook.core.plans.exits import breach, forms, triggers
from fillbook.core.plans.exits.context import ExitContext
from fillbook.core.plans.exits.cover import ExitGroup, attributed, exit_groups, shares_of_net
from fillbook.core.plans.exits.verdict import ExitVerdict, cancels, covered_as
from fillbook.model import ZERO

#: An exit is placed anew if it ends within this time.
RENEWAL: Final = timedelta(days=7)
#: A quantity that changed by this factor without a fill may have been split.
SPLIT_FACTOR: Final = Decimal("1.2")

_C = m.CoverState


@m.exact
def compare(context: ExitContext) -> tuple[ExitVerdict, ...]:
    """Return what each protection of one symbol needs, in the order of `context.protections`."""
    parts = {name: part.qty for name, part in context.position.by_strategy}
    protections = [_current(x, context) for x in context.protections]
    stops = {x.strategy: forms.stop_price(x, context) for x in protections}
    net = context.net_qty
    shares = shares_of_net(net, {**dict.fromkeys(stops, ZERO), **parts}, stops)
    groups = exit_groups(
        context.exit_side,
        context.orders,
        context.ours,
        context.least,
        context.capabilities.oco_stop_collar,
        unsent=context.unsent,
    )
    by_part = attributed(shares, groups)
    return tuple(
        _flat(before, by_part[x.strategy], context)
        if _is_of_earlier_trip(before, context) and not context.unconfirmed
        else _verdict(
            x, shares[x.strategy], parts.get(x.strategy, ZERO), by_part[x.strategy], context
        )
        for before, x in zip(context.protections, protections, strict=True)
    )


def _current(protection: m.Protection, context: ExitContext) -> m.Protection:
    """Return *protection* with the prices of the present entry."""
    part = dict(context.position.by_strategy).get(protection.strategy)
    if part is None or not part.qty or context.restated_without_proof(SPLIT_FACTOR):
        return protection
    return forms.resolved(protection, context)


def _is_of_earlier_trip(protection: m.Protection, context: ExitContext) -> bool:
    """Whether the round trip of *protection* has ended, and another one has begun."""
    part = dict(context.position.by_strategy).get(protection.strategy)
    priced_at = protection.priced_at
    if part is None or part.opened_at is None or priced_at is None:
        return False
    is_other = forms.trip_of(part) != protection.opened_by
    return is_other and part.opened_at > priced_at


def needs_quotes(protection: m.Protection, context: ExitContext) -> bool:
    """Return whether the market price decides about an exit that already stands."""
    both = protection.policy.trail is not None and protection.stop_price is not None
    part = dict(context.position.by_strategy).get(protection.strategy)
    if part is not None and part.qty and context.is_open:
        at = triggers.outlived_at(protection, part)
        is_old = at is not None and context.now >= m.moment(at)
        if is_old or triggers.waits_for_price(protection):
            return True
    is_fraction = part is not None and 0 < abs(part.qty) < 1
    has_both = protection.take_profit is not None and protection.policy.has_stop
    watched = context.is_coin or (is_fraction and has_both and context.is_open)
    return both or (watched and not protection.pending)


def _verdict(
    protection: m.Protection,
    share: Decimal,
    part: Decimal,
    groups: Sequence[ExitGroup],
    context: ExitContext,
) -> ExitVerdict:
    if context.unconfirmed:
        return covered_as(protection, _C.UNKNOWN, context.unconfirmed, context)
    if not part:
        return _flat(protection, groups, context)
    protection = evolve(protection, pending=False)
    if not share or forms.is_dust(share, protection, context):
        why = "offset by another strategy" if not share else "too little for an order"
        steps = cancels(x for x in groups if x.is_ours)
        return covered_as(protection, _C.COVERED, why, context, steps)
    if protection.suspended:
        return covered_as(protection, _C.SUSPENDED, protection.suspended, context)
    protection = forms.with_best_stop(protection, groups, context)
    if not context.restated_without_proof(SPLIT_FACTOR):
        protection = triggers.with_reached(protection, context)
    found = _Part(protection, share, groups, context)
    return evolve(found.verdict(), has_excess=found.has_excess)


def _flat(
    protection: m.Protection, groups: Sequence[ExitGroup], context: ExitContext
) -> ExitVerdict:
    steps = cancels(x for x in groups if x.is_ours)
    if protection.pending and not steps:
        return covered_as(protection, _C.PENDING, "there is no position yet", context)
    if steps or (groups and any(x.is_ours for x in groups)):
        return covered_as(
            protection, _C.EXCESS, "the position is closed: its exits are canceled", context, steps
        )
    return ExitVerdict(protection=protection, ended="the position is closed")


class _Part:
    """The comparison of one protected part that is held."""

    def __init__(
        self,
        protection: m.Protection,
        share: Decimal,
        groups: Sequence[ExitGroup],
        context: ExitContext,
    ) -> None:
        self._protection = protection
        self._share = share
        self._groups = groups
        self._context = context
        self._held = sum((x.leaves for x in groups), ZERO)
        has_stop = protection.policy.has_stop
        self._cover = sum((x.stopped if has_stop else x.limited for x in groups), ZERO)
        self._is_restated = any(context.was_split(x.name) for x in groups)

    @property
    def has_excess(self) -> bool:
        """Whether the exits may fill for more than the part."""
        return self._held > self._share

    def verdict(self) -> ExitVerdict:
        """Return what the part needs: its cover, and the first kind of steps that is due."""
        cover, why = self._state()
        if self._context.restated_without_proof(SPLIT_FACTOR):
            why = "the broker's quantity changed without a fill, as by a split"
            return covered_as(self._protection, _C.SPLIT_SUSPECTED, why, self._context)
        if any(x.is_moving for x in self._groups):
            return covered_as(self._protection, cover, why, self._context)
        outlived = self._outlived(cover, why)
        if outlived is not None and not outlived.needs_approval:
            return outlived
        dues = [self._reduced, self._watched, self._added, self._renewed]
        if self._is_restated:
            dues[2:] = reversed(dues[2:])
        waiting = None
        for due in dues:
            found = due(cover, why)
            if found is not None and found.steps:
                return found
            waiting = waiting or found
        return waiting or outlived or covered_as(self._protection, cover, why, self._context)

    def _state(self) -> tuple[m.CoverState, str]:
        plain = m.plain
        missing_qty = self._share - self._cover
        if missing_qty > 0 and not self._is_dust(missing_qty):
            kind = "stop" if self._protection.policy.has_stop else "take profit"
            missing = f"{plain(missing_qty)} of {plain(self._share)} have no {kind}"
            if self.has_excess:  # a cancel is pending, maybe until the open
                missing += f"; exits for {plain(self._held)} may still fill"
            return (_C.PARTLY if self._cover else _C.NAKED), missing
        if self.has_excess:
            why = f"exits for {plain(self._held)}, of which {plain(self._share)} are held"
            return _C.EXCESS, why
        expiring = [x for x in self._groups if self._ends_soon(x)]
        if expiring:
            return _C.EXPIRING, f"at {self._context.expires[expiring[0].name]}"
        limited = [x.passed_at for x in self._groups if x.passed_at is not None]
        if limited:
            price = m.plain(max(limited, key=lambda each: self._context.sign * each))
            return _C.COVERED, f"stop limited: beyond {price} it does not trade"
        part = dict(self._context.position.by_strategy)[self._protection.strategy]
        return _C.COVERED, triggers.sentence_of_unknown(self._protection, part)

    def _is_dust(self, qty: Decimal) -> bool:
        return forms.is_dust(qty, self._protection, self._context)

    def _ends_soon(self, group: ExitGroup) -> bool:
        ends = self._context.expires.get(group.name)
        is_gtc = group.time_in_force is m.TimeInForce.GTC
        return is_gtc and ends is not None and m.moment(ends) - self._context.now < RENEWAL

    # -- 8: age ------------------------------------------------------------------------

    def _outlived(self, cover: m.CoverState, why: str) -> ExitVerdict | None:
        """Return the steps that close a part that is older than its policy allows."""
        context, protection = self._context, self._protection
        part = dict(context.position.by_strategy)[protection.strategy]
        at = triggers.outlived_at(protection, part)
        price = forms.market_price(context)
        if at is None or context.now < m.moment(at) or not context.is_open or price is None:
            return None
        ours = [x for x in self._groups if x.is_ours]
        qty = self._share - sum((x.leaves for x in self._groups if not x.is_ours), ZERO)
        if context.is_trying_to_close or not context.is_settled:
            return None
        if qty <= 0 or qty < forms.least_qty(context):
            return None
        request = forms.market_exit(protection, qty, context, price)
        steps = self._closed(m.PlaceOrder(request, fills=True), ours)
        why = f"it is held since {part.opened_at}, longer than its max_age_s: it is closed"
        found = covered_as(protection, cover, why, context, steps)
        needs_approval = triggers.needs_approval(protection, at)
        return evolve(found, needs_approval=needs_approval)

    # -- 4: excess ---------------------------------------------------------------------

    def _reduced(self, cover: m.CoverState, why: str) -> ExitVerdict | None:
        """Return the cancels of the fewest exits that are too many, and what comes back."""
        # While the broker shows another quantity, either side may be right: the larger counts.
        more = max(ZERO, self._context.sign * (self._context.differs or ZERO))
        excess = self._held - self._share - more
        if excess <= 0 or not self._context.is_settled:
            return None
        ours = sorted((x for x in self._groups if x.is_ours), key=lambda x: x.leaves)
        enough = next((x for x in ours if x.leaves >= excess), None)
        chosen = [enough] if enough is not None else list(reversed(ours))
        canceled: list[ExitGroup] = []
        for group in chosen:
            if sum((x.leaves for x in canceled), ZERO) < excess:
                canceled.append(group)
        if not canceled:
            return None  # only orders of others: alerted, never canceled
        back = sum((x.leaves for x in canceled), ZERO) - excess
        steps = self._replaced(canceled, max(ZERO, back))
        return covered_as(self._protection, cover, why, self._context, steps)

    # -- 7: other terms ----------------------------------------------------------------

    def _renewed(self, cover: m.CoverState, why: str) -> ExitVerdict | None:
        """Return the steps that replace an exit with other terms, or that ends soon."""
        if not self._protection.approved:
            return None
        for group in self._groups:
            if not group.is_ours:
                continue
            renewal = self._ends_soon(group) and self._context.is_open
            if renewal or forms.differs(group, self._protection, self._context):
                if not self._may_place(group.leaves):
                    return None
                steps = self._with_other_terms(group, renewal=renewal)
                return covered_as(self._protection, cover, why, self._context, steps)
        return None

    def _with_other_terms(self, group: ExitGroup, *, renewal: bool) -> tuple[m.PlanStep, ...]:
        """Return the steps that give *group* its terms: a change of prices keeps the cover."""
        changes = forms.changes(group, self._protection, self._context)
        if changes and not renewal and (self._share <= self._held or not self._is_restated):
            return tuple(m.PlanStep(action=x, stage=i) for i, x in enumerate(changes))
        return self._replaced([group], group.leaves)

    def _may_place(self, qty: Decimal) -> bool:
        """Whether the market would let the new exit stand, as far as is known."""
        found = breach.judge(self._protection, qty, self._context)
        return isinstance(found, breach.NoBreach)

    # -- 5: watched prices ----------------------------------------------------------------

    def _watched(self, cover: m.CoverState, why: str) -> ExitVerdict | None:
        """
        Return the steps that close the part at a price that no order of the broker watches.

        It is the take profit where the broker takes a stop only, or a stop-limit order whose limit
        was passed.  Two quotes confirm the price.
        """
        stops = [
            x
            for x in self._groups
            if x.is_ours and x.stop is not None and (x.limit is None or x.passed_at is not None)
        ]
        if not stops or not self._context.is_open or self._context.is_trying_to_close:
            return None
        qty = sum((x.leaves for x in stops), ZERO)
        close = forms.watched_exit(self._protection, qty, stops, self._context)
        if close is None:
            return None
        steps = self._closed(close, stops)
        return covered_as(self._protection, cover, why, self._context, steps)

    def _closed(self, close: m.PlaceOrder, groups: Sequence[ExitGroup]) -> tuple[m.PlanStep, ...]:
        """Return the cancels of *groups*, and then *close*, which has to fill soon."""
        names = tuple(x.name for x in groups)
        filled = sum((self._context.filled(name) for name in names), ZERO)
        within_s = int(self._protection.policy.naked_max_s)
        close = evolve(close, within_s=within_s, after=names, filled_before=filled)
        return (*cancels(groups), m.PlanStep(action=close, stage=1))

    # -- 6: what has no exit ---------------------------------------------------------------

    def _added(self, cover: m.CoverState, why: str) -> ExitVerdict | None:
        """Return the steps that place an exit for what has none."""
        gap = self._share - self._held
        if gap <= 0 or self._is_dust(gap):
            return self._without_units(cover, why)
        entry = self._filling_entry()
        if entry is not None and not self._is_naked_too_long():
            why = f"{why}: the entry {entry.client_order_id} is still filling"
            return covered_as(self._protection, cover, why, self._context)
        placed = self._placed(gap)
        if isinstance(placed, ExitVerdict):
            return placed
        steps: tuple[m.PlanStep, ...] = placed
        blocking = [] if entry is None else [entry]
        blocking += forms.blocking(steps, self._context)
        if any(x.origin is not m.Origin.OURS for x in blocking):
            why = f"{why}: order {blocking[-1].client_order_id} blocks the exit (wash trade)"
            return covered_as(self._protection, cover, why, self._context)
        if blocking:  # an exit outranks an entry
            names = dict.fromkeys(x.client_order_id for x in blocking)
            cancels = (m.PlanStep(action=m.CancelOrder(name)) for name in names)
            steps = (*cancels, *(evolve(x, stage=1) for x in steps))
        needs_approval = not self._protection.approved
        if needs_approval:
            cover, why = _C.PROPOSED, why + triggers.sentence_of(self._protection)
        return covered_as(
            self._protection, cover, why, self._context, steps, needs_approval=needs_approval
        )

    def _without_units(self, cover: m.CoverState, why: str) -> ExitVerdict | None:
        """Return the state if other orders hold the units that have no stop."""
        if self._cover >= self._share or not self._protection.policy.has_stop:
            return None
        holders = [x.name for x in self._groups if x.stopped < x.leaves]
        if holders:
            why = f"{why}: order {holders[0]} holds them"
            return covered_as(self._protection, cover, why, self._context)
        return None

    def _placed(self, qty: Decimal) -> tuple[m.PlanStep, ...] | ExitVerdict:
        """Return the steps that place an exit of *qty*, or the verdict if it cannot be placed."""
        protection, context = self._protection, self._context
        least = forms.least_qty(context)
        if qty < least:  # a market order would be denied too
            why = f"{self._state()[1]}: no order is smaller than {m.plain(least)}"
            return covered_as(protection, _C.IMPOSSIBLE, why, context)
        found = breach.judge(protection, qty, context)
        if isinstance(found, breach.Undecided):
            cover = _C.AT_OPEN if found.at_open else self._state()[0]
            return covered_as(protection, cover, found.why, context)
        if isinstance(found, breach.NoBreach):
            requests = forms.requests_for(protection, qty, context)
            if not requests:
                unknown = "the average cost is not known: give the exit an absolute price"
                why = triggers.sentence_of_impossible(protection.policy, context.sign)
                why = why or unknown
                return covered_as(protection, _C.IMPOSSIBLE, why, context)
            return tuple(m.PlanStep(action=m.PlaceOrder(x)) for x in requests)
        soon = int(protection.policy.naked_max_s) if context.is_extended else None
        close = m.PlaceOrder(found.request, fills=True, as_stop=True, within_s=soon)
        steps = (m.PlanStep(action=close),)
        if isinstance(found, breach.Act):
            return steps
        return covered_as(protection, _C.PROPOSED, found.why, context, steps, needs_approval=True)

    def _filling_entry(self) -> m.Order | None:
        """Return the live entry of the part that has filled partly, which blocks its exits."""
        return next(
            (
                x
                for x in self._context.orders
                if x.side is not self._context.exit_side
                and not x.is_final
                and x.filled_qty
                and (x.strategy or "") == self._protection.strategy
            ),
            None,
        )

    def _is_naked_too_long(self) -> bool:
        since = self._protection.since
        if since is None or self._protection.cover not in (_C.NAKED, _C.PARTLY):
            return False
        longest = period_of(self._protection.policy.naked_max_s)
        return self._context.now - m.moment(since) >= longest / 2

    def _replaced(self, groups: Sequence[ExitGroup], qty: Decimal) -> tuple[m.PlanStep, ...]:
        """Return the cancels of *groups*, and the exits of *qty* that come instead."""
        requests = forms.requests_for(self._protection, qty, self._context) if qty else ()
        names = tuple(x.name for x in groups)
        filled = sum((self._context.filled(name) for name in names), ZERO)
        return (
            *cancels(groups),
            *(
                m.PlanStep(action=m.PlaceOrder(x, after=names, filled_before=filled), stage=1)
                for x in requests
            ),
        )
