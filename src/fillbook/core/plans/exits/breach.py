"""
Breach: the market is beyond the stop when the stop is to be placed.

The broker would reject the stop, or sell at once.  One bad quote sells nothing: a breach is judged
from a minute after the open, by two quotes that are some seconds apart; a price that is far beyond
needs an approval.  It is judged in the regular session only, or in extended hours too, if the
policy says so: then a limit order closes the part.

Bad data may show many breaches at once: the first closes its part, whatever it is worth; the others
of the same minutes do so up to a number of symbols and a share of the equity, and wait for an
approval above.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.checks.figures import is_wide
from fillbook.core.plans.exits import forms
from fillbook.core.plans.exits.context import ExitContext
from fillbook.model import ZERO

#: Within `PERIOD` so many symbols, and this share of the equity, are closed without an approval.
SYMBOLS_MAX: Final = 3
EQUITY_MAX: Final = Decimal("0.2")
PERIOD: Final = timedelta(minutes=5)
#: A proposal stands while its limit price differs by at most this share from the present one.
LIKE_MAX: Final = Decimal("0.01")
#: No breach is judged in this time after the open.
AFTER_OPEN: Final = timedelta(seconds=60)
#: A price that is farther beyond the stop, as a share of the stop, needs an approval.
BEYOND_MAX: Final = Decimal("0.25")


@frozen
class NoBreach:
    """The market is not beyond the stop, as far as is known: the stop is placed."""


@frozen
class Undecided:
    """Nothing is placed yet; `at_open`: it is decided when the market is open."""

    why: str
    at_open: bool = False


@frozen
class Act:
    """The position is closed by `request`."""

    request: m.OrderRequest


@frozen
class Propose:
    """`request` would close the position, and needs an approval."""

    request: m.OrderRequest
    why: str


Judgement = NoBreach | Undecided | Act | Propose


@m.exact
def judge(protection: m.Protection, qty: Decimal, context: ExitContext) -> Judgement:
    """Return what to do about the stop of *qty* (base units, > 0) of *protection*."""
    stop, price = forms.stop_price(protection, context), forms.market_price(context)
    if stop is None or price is None or not _is_beyond(price, stop, context):
        return NoBreach()
    if not _is_judged_now(protection, context):
        return Undecided("the market is closed, and beyond the stop", at_open=True)
    if _has_just_opened(context):
        return Undecided("the market has just opened, and is beyond the stop", at_open=True)
    if protection.policy.on_breach is m.OnBreach.ALERT:
        return Undecided("the market is beyond the stop, and the policy sells nothing")
    if is_wide(context.quotes[-1]):
        return Undecided("the market is beyond the stop, and its spread is too wide to judge")
    prices = _confirmed_prices(context)
    if not prices or not all(_is_beyond(x, stop, context) for x in prices):
        return Undecided("the market is beyond the stop: a second quote decides")
    if context.is_extended:
        qty = qty.to_integral_value(rounding=ROUND_FLOOR)  # whether a fraction trades is not known
    if not qty:
        return Undecided("a fraction beyond the stop is sold at the open", at_open=True)
    request = forms.market_exit(protection, qty, context, price)
    if context.is_extended and not forms.is_taken(request, context):
        return Undecided("the broker takes no such order in extended hours", at_open=True)
    if abs(stop - price) > BEYOND_MAX * stop:
        return Propose(request, f"the market, {m.plain(price)}, is far beyond the stop")
    if not protection.applied:
        return Propose(request, "the market was beyond the stop when it was first asked for")
    return Act(request)


@m.exact
def reached_price(protection: m.Protection, context: ExitContext) -> str:
    """
    Return, as a sentence, which price of *protection* would close the part at once; ``""``: none.

    A wide quote says nothing.  While the market is closed, or has just opened, only a price that is
    far beyond the market is reached: the market may come back.
    """
    market = forms.market_price(context)
    if market is None or is_wide(context.quotes[-1]):
        return ""
    is_judged = context.is_open and not _has_just_opened(context)
    does = "sell" if context.sign > 0 else "buy"
    for name, sign in (("stop", context.sign), ("take profit", -context.sign)):
        find = forms.stop_price if name == "stop" else forms.take_profit
        price = find(protection, context)
        if price is None or (price - market) * sign < 0:
            continue
        if is_judged or abs(price - market) > BEYOND_MAX * market:
            side = "at" if price == market else ("above" if price > market else "below")
            return (
                f"the {name}, {m.plain(price)}, is {side} the market, {m.plain(market)}: it would "
                f"{does} at once. Give another price, or close the position with close_position "
                "(`fillbook close`)"
            )
    return ""


def closes_by_price(plan: m.Plan) -> bool:
    """Return whether *plan* closes a part in place of its stop."""
    actions = (x.action for x in plan.steps)
    return any(isinstance(x, m.PlaceOrder) and x.as_stop for x in actions)


def is_like(known: m.Plan, plan: m.Plan) -> bool:
    """Return whether *plan* does the same as *known*, at limit prices that hardly differ."""
    pairs = [(x.action, y.action) for x, y in zip(known.steps, plan.steps, strict=False)]
    return len(known.steps) == len(plan.steps) and all(_is_like(x, y) for x, y in pairs)


@m.exact
def _is_like(known: m.Action, action: m.Action) -> bool:
    if not (isinstance(known, m.PlaceOrder) and isinstance(action, m.PlaceOrder)):
        return known == action
    before, after = known.request.limit_price, action.request.limit_price
    if before is None or after is None:
        return known == action
    same = evolve(action, request=evolve(action.request, limit_price=before))
    return known == same and abs(after - before) <= LIKE_MAX * before


@m.exact
def is_within_limits(plan: m.Plan, others: Iterable[m.Plan], equity: Decimal | None) -> bool:
    """
    Return whether *plan* may close its part without an approval.

    *others* are the plans that did so within `PERIOD`, and those that are about to.  *equity* is
    that of the account; None: not known.  What is not known is above every limit.
    """
    worth: dict[str, Decimal | None] = {}
    for each in (plan, *others):
        for symbol in each.symbols:  # one that is tried again counts once
            known, value = worth.get(symbol, ZERO), each.impact.notional
            worth[symbol] = None if known is None or value is None else max(known, value)
    if worth.keys() == set(plan.symbols):
        return True
    known_worths = [x for x in worth.values() if x is not None]
    if len(worth) > SYMBOLS_MAX or equity is None or len(known_worths) < len(worth):
        return False
    return sum(known_worths, ZERO) <= EQUITY_MAX * equity


def _is_judged_now(protection: m.Protection, context: ExitContext) -> bool:
    return context.is_open or (protection.policy.extended_hours and context.is_extended)


def _is_beyond(price: Decimal, stop: Decimal, context: ExitContext) -> bool:
    """Return whether a stop of the position would be triggered at once at *price*."""
    return (stop - price) * context.sign >= 0


@m.exact
def judged_prices(context: ExitContext) -> tuple[Decimal, ...]:
    """Return the prices of the two quotes by which the market is judged; none: it cannot be."""
    if not context.is_open or _has_just_opened(context) or not context.quotes:
        return ()
    return () if is_wide(context.quotes[-1]) else _confirmed_prices(context)


def _confirmed_prices(context: ExitContext) -> tuple[Decimal, ...]:
    """Return the prices at which the position could be closed, of two quotes, or none."""
    quotes = forms.confirming_quotes(context)
    prices = tuple(x.bid if context.sign > 0 else x.ask for x in quotes)
    return prices if len(prices) > 1 else ()


def _has_just_opened(context: ExitContext) -> bool:
    session = context.session
    if context.is_coin or session is None:
        return False
    begins = session.opens if context.is_open else session.extended_opens
    return context.now < begins + AFTER_OPEN
