"""
Currencies: an amount with its currency, and the two currencies that a pair trades.

An instrument without a pair (a share) is held under its own symbol and is paid in the currency of
the account.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen


@frozen
class Amount:
    """An amount of money."""

    value: Decimal
    """The amount, signed."""
    currency: str | None
    """The currency; None: that of the account."""


@frozen
class Pair:
    """The currencies of an instrument that trades one for the other, and where they are held."""

    symbol: str
    """The symbol."""
    base: str
    """The currency of quantities."""
    quote: str
    """The currency of prices, per unit of the base."""
    holding: str
    """The symbol of the position to which a buy adds the base; instruments may share it."""
    paid_from: str | None = None
    """The symbol of the position from which a buy takes the quote; None: the cash in `quote`."""
    rate_symbol: str | None = None
    """The symbol whose price is that of `quote` in the account's currency; None: there is none."""
