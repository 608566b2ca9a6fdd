"""The figures of denials as text, each with its unit."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import CheckContext

_CENT: Final = Decimal("0.01")
#: A wider spread, as a share of the bid, says nothing about the price.
SPREAD_MAX: Final = Decimal("0.02")


@m.exact
def is_wide(quote: m.Quote) -> bool:
    """Return whether the spread of *quote* is too wide to judge a price by it."""
    return quote.ask - quote.bid > SPREAD_MAX * quote.bid


def quote_money(amount: Decimal, context: CheckContext) -> str:
    """Format an *amount* in the quote currency of the request; cents are rounded down."""
    own = account_currency(context)
    quote = own if context.pair is None else context.pair.quote
    return money(amount, quote, is_own=quote == own or not own)


def account_currency(context: CheckContext) -> str:
    """Return the currency of the account; "": it was not read."""
    return "" if context.account is None else context.account.currency


def money(amount: Decimal, currency: str, *, is_own: bool, up: bool = False) -> str:
    """
    Format an *amount*; that of the account (*is_own*) in cents, rounded down, or *up*.

    So an amount below a minimum, or above what is available, shows as one.
    """
    if not is_own:
        return f"{m.plain(amount)} {currency}".strip()
    cents = amount.quantize(_CENT, ROUND_UP if up else ROUND_DOWN)
    return f"{cents:,.2f} {currency}".strip()


def percent(share: Decimal) -> str:
    """Format a share as a percentage with at most two decimals: ``7.14%``."""
    return f"{m.plain(round(share * 100, 2))}%"
