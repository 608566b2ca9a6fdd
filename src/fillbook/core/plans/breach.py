"""
Breach: the market is beyond the stop when the stop is to be placed.

The broker would reject the stop, or sell at once.  One bad quote sells nothing: a breach is judged
in the regular session only, from a minute after the open, by two quotes that are some seconds
apart; a price that is far beyond needs an approval.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.core.plans import exit_orders
from fillbook.core.plans.exit_context import ExitContext

#: No breach is judged in this time after the open.
AFTER_OPEN: Final = timedelta(seconds=60)
#: A wider spread, as a share of the bid, says nothing about the price.
SPREAD_MAX: Final = Decimal("0.02")
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
    stop, price = exit_orders.stop_price(protection, context), exit_orders.market_price(context)
    if stop is None or price is None or not _is_beyond(price, stop, context):
        return NoBreach()
    if not context.is_open:
        return Undecided("the market is closed, and beyond the stop", at_open=True)
    if _has_just_opened(context):
        return Undecided("the market has just opened, and is beyond the stop", at_open=True)
    if protection.policy.on_breach is m.OnBreach.ALERT:
        return Undecided("the market is beyond the stop, and the policy sells nothing")
    if _is_wide(context.quotes[-1]):
        return Undecided("the market is beyond the stop, and its spread is too wide to judge")
    prices = _confirmed_prices(context)
    if not prices or not all(_is_beyond(x, stop, context) for x in prices):
        return Undecided("the market is beyond the stop: a second quote decides")
    request = exit_orders.market_exit(protection, qty, context, price)
    if abs(stop - price) > BEYOND_MAX * stop:
        return Propose(request, f"the market, {m.plain(price)}, is far beyond the stop")
    if not protection.applied:
        return Propose(request, "the market was beyond the stop when it was first asked for")
    return Act(request)


def _is_beyond(price: Decimal, stop: Decimal, context: ExitContext) -> bool:
    """Return whether a stop of the position would be triggered at once at *price*."""
    return (stop - price) * context.sign >= 0


@m.exact
def judged_prices(context: ExitContext) -> tuple[Decimal, ...]:
    """Return the prices of the two quotes by which the market is judged; none: it cannot be."""
    if not context.is_open or _has_just_opened(context) or not context.quotes:
        return ()
    return () if _is_wide(context.quotes[-1]) else _confirmed_prices(context)


def _confirmed_prices(context: ExitContext) -> tuple[Decimal, ...]:
    """Return the prices at which the position could be closed, of two quotes, or none."""
    quotes = exit_orders.confirming_quotes(context)
    prices = tuple(x.bid if context.sign > 0 else x.ask for x in quotes)
    return prices if len(prices) > 1 else ()


def _has_just_opened(context: ExitContext) -> bool:
    session = context.session
    return not context.is_coin and session is not None and context.now < session.opens + AFTER_OPEN


def _is_wide(quote: m.Quote) -> bool:
    return quote.ask - quote.bid > SPREAD_MAX * quote.bid
