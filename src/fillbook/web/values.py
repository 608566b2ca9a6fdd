"""Values that the service answers with, beside those of the record."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import frozen

from fillbook import model as m
from fillbook.model.account.token import Scope


@frozen
class OrderDetails:
    """One order, with its fills, the requests that were sent for it, and its instructions."""

    order: m.Order
    fills: tuple[m.Movement, ...]
    requests: tuple[m.Request, ...]
    instructions: tuple[m.Instruction, ...]


@frozen(kw_only=True)
class PositionRow:
    """
    A position of the account (`strategy` None), or one strategy's part of it (``""``: of none).

    The realized P&L of the account is the sum of its parts, also of those that are flat now, which
    are rows if they have any; its average cost is pooled.
    `protected_as` are the symbols whose protections are of this position, as BTC/USD is of BTC.
    `qty` is in signed base units; `avg_price` per unit, `cost` and `realized` are in `currency`
    (None: the account's); a figure is None if a part of it is unknown.
    """

    symbol: str
    strategy: str | None
    qty: Decimal
    avg_price: Decimal | None
    cost: Decimal | None
    realized: Decimal | None
    fees: Decimal
    currency: str | None = None
    opened_at: m.Timestamp | None = None
    protected_as: tuple[str, ...] = ()


@frozen
class Access:
    """
    What the caller may do: its scopes and strategies, and the scopes that the service allows.

    Without a token, where that is permitted, the scopes are those of reading everything.
    """

    scopes: tuple[Scope, ...]
    strategies: tuple[str, ...]
    allow: tuple[Scope, ...]


@frozen
class DriftRow:
    """A confirmed difference, in words and as a value; `notional` ≥ 0, None: no price is known."""

    key: str
    about: str
    what: str
    drift: m.Drift
    since: m.Timestamp
    notional: Decimal | None


@frozen
class AuditRow:
    """One entry of the journal, in words and as a value."""

    number: int
    at: m.Timestamp
    what: str
    about: str
    entry: m.Entry


def position_rows(position: m.Position, protected_as: Sequence[str]) -> list[PositionRow]:
    """Return the rows of a position: the account's first, then the parts."""
    parts: list[tuple[str | None, m.Holding]] = [(None, position.account), *position.parts]
    return [
        PositionRow(
            symbol=position.symbol,
            strategy=strategy,
            qty=x.qty,
            avg_price=x.avg_price,
            cost=x.cost,
            realized=position.realized if strategy is None else x.realized,
            fees=x.fees,
            currency=x.currency,
            opened_at=x.opened_at,
            protected_as=tuple(protected_as),
        )
        for strategy, x in parts
    ]
