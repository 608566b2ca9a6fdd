"""
What moves the exits of a part, or ends it, without an order of the broker.

1. Break-even: once the market has reached a price, the stop moves to the average cost.
2. A trail begins once the market has reached a price.
3. A part that is older than its policy allows is closed at the market, in the session.

Prices are judged as a breach is: in the regular session, by two quotes.  A stop becomes tighter
only, and what was reached is stored with the protection: it holds after a restart.

Other halves, in this folder: `breach`, `comparison`, and `forms`, which has the distance and the
price of a trailing stop.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.risk import period_of
from fillbook.core.plans.exits import breach, forms
from fillbook.core.plans.exits.context import ExitContext


def waits_for_price(protection: m.Protection) -> bool:
    """Return whether a price that moves the stop, or begins the trail, is still awaited."""
    policy = protection.policy
    awaits_even = policy.break_even is not None and not protection.at_break_even
    return awaits_even or protection.trail != policy.trail


def with_reached(protection: m.Protection, context: ExitContext) -> m.Protection:
    """Return *protection* with the stop and the trail by the prices that the market has reached."""
    if not waits_for_price(protection):
        return protection
    prices = breach.judged_prices(context)
    part = dict(context.position.by_strategy)[protection.strategy]
    policy = protection.policy
    if _is_reached(policy.break_even, prices, protection, part, context):
        protection = forms.at_break_even(protection, part, context)
    if _is_reached(policy.trail_after, prices, protection, part, context):
        protection = evolve(protection, trail_begun=True)
    return protection


@m.exact
def _is_reached(
    level: m.Level | None,
    prices: tuple[Decimal, ...],
    protection: m.Protection,
    part: m.Holding,
    context: ExitContext,
) -> bool:
    """Whether every one of *prices* is at *level* or beyond it, in favour of the part."""
    if level is None or not prices:
        return False
    price = level.price(part.avg_price, context.sign)
    if price is None:
        return False
    if not level.is_percent:
        price /= context.ratio_since(protection.set_at)
    return all((x - price) * context.sign >= 0 for x in prices)


@m.exact
def sentence_of_rounded(protection: m.Protection, context: ExitContext) -> str:
    """Return how the prices that the bot gave are rounded; ``""``: they are sent as given."""
    if context.ratio_since(protection.priced_at) != 1:
        return ""
    policy = protection.policy
    profit = None if policy.take_profit is None else policy.take_profit.value
    prices = (
        (
            "stop_price",
            policy.stop_price,
            protection.stop_price,
            forms.stop_price(protection, context),
        ),
        (
            "take_profit",
            profit,
            protection.take_profit,
            forms.take_profit(protection, context),
        ),
    )
    return ", ".join(
        f"{name} {m.plain(asked)} is rounded to {m.plain(sent)}"
        for name, asked, stored, sent in prices
        if asked is not None and sent is not None and asked == stored != sent
    )


def sentence_of_impossible(policy: m.ExitPolicy, sign: int) -> str:
    """
    Return which percentages of a policy are no price above zero; ``""``: none.

    *sign* is 1 of a long part, whose stop is below its cost, -1 of a short one, and 0 of one that
    is not held yet: it may be long.
    """
    names = ("stop_loss", "trail") if sign >= 0 else ("take_profit", "break_even", "trail_after")
    side = "long" if sign >= 0 else "short"
    hint = "" if sign else ", or `protect` the short position once it is held"
    levels: list[tuple[str, m.Level | None]] = [(name, getattr(policy, name)) for name in names]
    return "; ".join(
        f"{name} must be below 100 % for a {side} position, not {x}: give a smaller one{hint}"
        for name, x in levels
        if x is not None and x.is_percent and x.value >= 100
    )


def sentence_of_unknown(protection: m.Protection, part: m.Holding) -> str:
    """Return which rules of the policy cannot be applied, because of what is unknown of *part*."""
    policy, found = protection.policy, []
    if part.avg_price is None:
        names = [
            ("take_profit", policy.take_profit is not None and policy.take_profit.is_percent),
            ("break_even", policy.break_even is not None and not protection.at_break_even),
            ("trail_after", policy.trail_after is not None and policy.trail_after.is_percent),
        ]
        rules = ", ".join(name for name, is_lacking in names if is_lacking)
        if rules:
            found.append(f"{rules}: the average cost is not known; `protect` with prices instead")
    if policy.max_age_s is not None and part.opened_at is None:
        found.append("max_age_s: it is not known since when it is held; close it by hand")
    return "; ".join(found)


def outlived_at(protection: m.Protection, part: m.Holding) -> m.Timestamp | None:
    """Return when *part* is older than its policy allows; None: never, or not known."""
    age = protection.policy.max_age_s
    if age is None or part.opened_at is None:
        return None
    return m.timestamp(m.moment(part.opened_at) + period_of(age))


def sentence_of(protection: m.Protection) -> str:
    """Return what an approval of *protection* has to know beside its orders; ``""``: nothing."""
    age = protection.policy.max_age_s
    return "" if age is None else f"; it is closed {m.plain(age)} s (max_age_s) after its entry"


def needs_approval(protection: m.Protection, at: m.Timestamp) -> bool:
    """Return whether the part was older than allowed, at *at*, when its policy was set."""
    return not protection.approved or protection.set_at is None or at <= protection.set_at
