"""
Fees that a broker posts after the fill: which due fee a posted row pays.

A fill leaves a due fee, the most that the broker may take for it.  A posted row pays due fees of
its symbol that are older than the row: those nearest to the row's price first (a broker posts one
row per fill, at its price before a correction), then the oldest (it posts one row per day).  A row
pays nothing that is younger, nothing of another symbol, and nothing that is far larger than itself.
Of what a balance adjustment includes it pays only what is at its price.

Other halves: `core.position` for fees in units, `core.journal.cash` for fees in cash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.model import EXACT, ZERO

#: A fee is posted at the end of the day: a due fee that is older will not be posted any more.
POSTED_WITHIN: Final = timedelta(days=2)
#: Brokers round a fee: what remains of a row below this share of it pays no other due fee.
_ROUNDING: Final = Decimal("0.01")
#: The lowest fee of a broker, as a share of its highest: a smaller row is not for that fill.
_LOWEST: Final = Decimal("0.3")
#: The maximum number of due fees that are kept apart; the oldest are joined.
KEPT_MAX: Final = 64


def add(dues: Sequence[m.Fee], fee: m.Fee) -> tuple[m.Fee, ...]:
    """Return *dues* with one more, oldest first."""
    kept = sorted([*dues, fee], key=lambda x: x.at)
    if len(kept) > KEPT_MAX:
        # A due fee without a price may be paid in parts.
        joined = evolve(kept[1], amount=EXACT.add(kept[0].amount, kept[1].amount), price=None)
        kept[:2] = [joined]
    return tuple(kept)


def current(dues: Iterable[m.Fee], now: m.Timestamp) -> list[m.Fee]:
    """Return the *dues* that may still be posted at *now*."""
    moment = m.moment(now)
    return [x for x in dues if moment - m.moment(x.at) < POSTED_WITHIN]


@m.exact
def pay(dues: Iterable[m.Fee], row: m.Fee) -> tuple[tuple[m.Fee, ...], tuple[m.Fee, ...]]:
    """Return what *row* pays of *dues*, and what is left of them."""
    due_then = current(dues, row.at)
    older = [x for x in due_then if x.at <= row.at and _may_be_of(row, x)]
    if row.price is not None:
        at, amount = row.price, row.amount
        older.sort(key=lambda x: (_distance(x.price, at), abs(x.amount - amount), x.at))
    paid: dict[str, m.Fee] = {}
    unpaid = row.amount
    for due in older:
        part = min(due.amount, unpaid) if due.price is None else due.amount
        if unpaid > row.amount * _ROUNDING and unpaid >= part * _LOWEST:
            paid[due.key] = evolve(due, amount=part)
            unpaid -= part
    rests = (
        evolve(x, amount=x.amount - paid[x.key].amount) if x.key in paid else x for x in due_then
    )
    return tuple(paid.values()), tuple(x for x in rests if x.amount)


def _may_be_of(row: m.Fee, due: m.Fee) -> bool:
    """
    Return whether *row* may be the fee *due*.

    A fee that a balance adjustment includes is paid only at its own price: the row of another fill
    would be lost.
    """
    is_at_price = None in (row.price, due.price) or row.price == due.price
    return row.symbol in ("", due.symbol) and (due.absorbed_at is None or is_at_price)


def is_recent(activity: m.Activity, at: m.Timestamp) -> bool:
    """Return whether *activity* is a fee that may be of a fill of the two days before *at*."""
    is_late = m.moment(activity.at) > m.moment(at) - POSTED_WITHIN
    return activity.kind is m.ActivityKind.FEE and is_late


def _distance(price: Decimal | None, of_row: Decimal) -> Decimal:
    """Return how far a due fee's price is from the row's; a fee without a price is farthest."""
    return Decimal("Infinity") if price is None else abs(price - of_row)


@m.exact
def total(fees: Iterable[m.Fee], *, absorbed: bool) -> Decimal:
    """Return the sum of those of *fees* that a balance adjustment includes, or does not."""
    return sum((x.amount for x in fees if (x.absorbed_at is not None) is absorbed), ZERO)


def absorb(dues: Iterable[m.Fee], at: m.Timestamp) -> tuple[m.Fee, ...]:
    """Return the *dues* that a balance adjustment of time *at* includes."""
    return tuple(evolve(x, absorbed_at=x.absorbed_at or at) for x in current(dues, at))
