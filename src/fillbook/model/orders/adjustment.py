"""How what is sent of an order differs from what was asked; never silently."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen


@frozen
class Adjustment:
    """One field of an order that was made to fit, the safe way: what was asked, what is sent."""

    field: str
    wished: Decimal
    sent: Decimal
    why: str
