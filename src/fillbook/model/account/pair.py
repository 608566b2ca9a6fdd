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
    """An amount of money, signed, in `currency`; None: the currency of the account."""

    value: Decimal
    currency: str | None


@frozen
class Pair:
    """
    The currencies of an instrument that trades one for the other, and where they are held.

    Quantities are in `base`, prices in `quote` per unit of it.  `holding` is the symbol of the
    position to which a buy adds the base: instruments of one base may share it.  `paid_from` is
    the symbol of the position from which a buy takes the quote; None: from the cash in `quote`.
    `rate_symbol` is the symbol whose price is that of `quote` in the currency of the account, by
    which the bot's limits are measured; None: there is none, or it is that currency.
    """

    symbol: str
    base: str
    quote: str
    holding: str
    paid_from: str | None = None
    rate_symbol: str | None = None
