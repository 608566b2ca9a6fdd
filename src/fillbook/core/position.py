"""
Positions: the fold of movements in the order of the broker's time (promise P9).

A balance adjustment (`MoveKind.ANCHOR`) sets what the account held at a time.  Movements before
it do not change the account's position any more.  A late fill before it only moves quantity
from the unattributed part to the part of its strategy.  An amount of money that is not known
stays unknown (None); it is never taken as zero.

`fold` costs O(1) per movement, times the number of strategies of the symbol.
`core.journal.checkpoints` folds again when a movement arrives late, with the result that
`refold` would give.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.core import fees
from fillbook.model import EXACT, ZERO

#: The name of the part that belongs to no strategy.
UNATTRIBUTED: Final = ""
_FLAT: Final = m.Holding()
#: The reason of a balance adjustment by which a person took the broker's figure.
ADOPTED: Final = "ADOPTED"


@m.exact
def fold(position: m.Position, move: m.Movement) -> tuple[m.Position, m.Trade | None]:
    """Apply *move*, not older than `last`; return the position, and the round trip it closed."""
    match move.kind:
        case m.MoveKind.FILL:
            return _fill(position, move)
        case m.MoveKind.RATIO:
            return _ratio(position, move), None
        case m.MoveKind.AMOUNT:
            return _amount(position, move, move.qty), None
        case m.MoveKind.FEE:
            return _fee(position, move), None
        case m.MoveKind.ANCHOR:
            return _balance_adjustment(position, move), None
        case _:
            assert_never(move.kind)


@m.exact
def refold(symbol: str, moves: Iterable[m.Movement]) -> tuple[m.Position, list[m.Trade]]:
    """Fold all *moves* of *symbol*, in any order, into its position and its round trips."""
    position, trades = m.Position(symbol=symbol), []
    for move in sorted(moves, key=lambda move: move.order):
        position, trade = fold(position, move)
        if trade is not None:
            trades.append(trade)
    return position, trades


def by_strategy_of(position: m.Position) -> dict[str, m.Holding]:
    """Return the parts by strategy; ``""`` is the unattributed part."""
    return dict(position.by_strategy)


def _evolved(
    position: m.Position, move: m.Movement, account: m.Holding, parts: dict[str, m.Holding]
) -> m.Position:
    return evolve(position, account=account, by_strategy=tuple(sorted(parts.items())), last=move)


def _fill(position: m.Position, move: m.Movement) -> tuple[m.Position, m.Trade | None]:
    name = move.strategy or UNATTRIBUTED
    parts = by_strategy_of(position)
    part = parts.get(name, _FLAT)
    parts[name], closed = _apply_fill(part, move)
    # A strategy that holds the whole position has the same holding as the account.
    account = parts[name] if part == position.account else _apply_fill(position.account, move)[0]
    trade = None
    if closed is not None and closed.entered:  # a holding that only a fee created has no entry
        trade = _trade_of(position.symbol, name, closed, move)
    position = _evolved(position, move, account, parts)
    if move.qty > 0 and move.fee_rate:
        due = _fee_of(move, EXACT.multiply(move.qty, move.fee_rate))
        position = _with_dues(position, fees.add(fees.current(position.dues, move.at), due))
    return position, trade


def _fee_of(move: m.Movement, amount: Decimal) -> m.Fee:
    return m.Fee(key=move.key, symbol=move.symbol, at=move.at, amount=amount, price=move.price)


def _with_dues(position: m.Position, dues: tuple[m.Fee, ...]) -> m.Position:
    due, absorbed = fees.total(dues, absorbed=False), fees.total(dues, absorbed=True)
    return evolve(position, dues=dues, fee_due=due, fee_absorbed=absorbed)


def _apply_fill(holding: m.Holding, move: m.Movement) -> tuple[m.Holding, m.Holding | None]:
    """Apply a fill; return the holding, and the closed holding if it ended a round trip."""
    if move.fee:
        holding = evolve(holding, fees=EXACT.add(holding.fees, move.fee))
    if holding.qty * move.qty >= 0:
        return _increase(holding, move.qty, move), None
    if abs(move.qty) < abs(holding.qty):
        return _reduce(holding, move.qty, move.price), None
    closed = _reduce(holding, -holding.qty, move.price)
    remainder = EXACT.add(holding.qty, move.qty)
    flat = m.Holding(realized=closed.realized)
    return (_increase(flat, remainder, move) if remainder else flat), closed


def _increase(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    value = _multiply(abs(qty), move.price)
    return evolve(
        holding,
        qty=EXACT.add(holding.qty, qty),
        cost=_add(holding.cost, value),
        opened_at=holding.opened_at or move.at,
        opened_by=holding.opened_by or _opening_key(move),
        entered=EXACT.add(holding.entered, abs(qty)),
        entry_value=_add(holding.entry_value, value),
    )


def _opening_key(move: m.Movement) -> str:
    """Return the key of the opening fill; it stays the same when that fill is corrected."""
    return f"{move.owner}@{m.plain(move.cum)}" if move.owner and move.cum else move.key


def _reduce(holding: m.Holding, qty: Decimal, price: Decimal | None) -> m.Holding:
    """Reduce *holding* by |qty| ≤ its own; its cost decreases in proportion (average cost)."""
    remaining = EXACT.add(holding.qty, qty)
    value = _multiply(abs(qty), price)
    if holding.cost is None:
        cost, cost_out = None, None
    else:
        cost_out = holding.cost if not remaining else holding.cost * abs(qty) / abs(holding.qty)
        cost = EXACT.subtract(holding.cost, cost_out)
    sign = 1 if qty < 0 else -1
    pnl = None if value is None or cost_out is None else (value - cost_out) * sign
    return evolve(
        holding,
        qty=remaining,
        cost=ZERO if not remaining else cost,
        realized=_add(holding.realized, pnl),
        exit_value=_add(holding.exit_value, value),
    )


def _trade_of(symbol: str, strategy: str, closed: m.Holding, move: m.Movement) -> m.Trade:
    opened = closed.opened_at or move.at
    was_long = move.qty < 0
    entry, exit_ = closed.entry_value, closed.exit_value
    pnl = None if entry is None or exit_ is None else (exit_ - entry) * (1 if was_long else -1)
    return m.Trade(
        key=f"{symbol}/{strategy}/{opened}/{closed.opened_by}",
        symbol=symbol,
        strategy=strategy,
        side=m.OrderSide.BUY if was_long else m.OrderSide.SELL,
        qty=closed.entered,
        entry_price=None if entry is None else entry / closed.entered,
        exit_price=None if exit_ is None else exit_ / closed.entered,
        pnl=pnl,
        fees=closed.fees,
        opened_at=opened,
        closed_at=move.at,
    )


def _ratio(position: m.Position, move: m.Movement) -> m.Position:
    ratio = move.ratio
    assert ratio is not None
    parts = {name: _scaled(part, ratio) for name, part in position.by_strategy}
    return _evolved(position, move, _scaled(position.account, ratio), parts)


def _scaled(holding: m.Holding, ratio: Decimal) -> m.Holding:
    return evolve(
        holding,
        qty=EXACT.multiply(holding.qty, ratio),
        entered=EXACT.multiply(holding.entered, ratio),
    )


def _amount(position: m.Position, move: m.Movement, qty: Decimal) -> m.Position:
    """Apply units that moved without a trade: unattributed, at the reported cost."""
    parts = by_strategy_of(position)
    parts[UNATTRIBUTED] = _apply_amount(parts.get(UNATTRIBUTED, _FLAT), qty, move)
    return _evolved(position, move, _apply_amount(position.account, qty, move), parts)


def _apply_amount(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    after = EXACT.add(holding.qty, qty)
    if holding.qty * qty >= 0:  # increases
        cost = _add(holding.cost, _multiply(abs(qty), move.price))
    elif abs(qty) <= abs(holding.qty):  # decreases: the cost decreases in proportion
        cost = None if holding.cost is None else holding.cost * abs(after) / abs(holding.qty)
    else:
        cost = _multiply(abs(after), move.price)
    return evolve(
        holding,
        qty=after,
        cost=cost if after else ZERO,
        opened_at=holding.opened_at or move.at,
        opened_by=holding.opened_by or _opening_key(move),
        entered=max(holding.entered, abs(after)),
        entry_value=None,
        exit_value=None,
    )


def _fee(position: m.Position, move: m.Movement) -> m.Position:
    """Deduct a fee in units, except what the last balance adjustment includes of it already."""
    paid, dues = fees.pay(position.dues, _fee_of(move, -move.qty))  # a refund pays none
    absorbed = max(ZERO, min(-move.qty, fees.total(paid, absorbed=True)))
    qty = EXACT.add(move.qty, absorbed)
    parts = by_strategy_of(position)
    held = [name for name, part in parts.items() if part.qty]
    name = held[0] if len(held) == 1 else UNATTRIBUTED
    parts[name] = _deduct_fee(parts.get(name, _FLAT), qty)
    position = _evolved(position, move, _deduct_fee(position.account, qty), parts)
    return _with_dues(position, dues)


def _deduct_fee(holding: m.Holding, qty: Decimal) -> m.Holding:
    return evolve(holding, qty=EXACT.add(holding.qty, qty))  # fewer units, at the same cost


def _balance_adjustment(position: m.Position, move: m.Movement) -> m.Position:
    parts = by_strategy_of(position)
    known = sum((part.qty for name, part in parts.items() if name != UNATTRIBUTED), ZERO)
    remainder = EXACT.subtract(move.qty, known)
    unattributed = parts.get(UNATTRIBUTED, _FLAT)
    if remainder != unattributed.qty or UNATTRIBUTED in parts:
        parts[UNATTRIBUTED] = _set_balance(unattributed, remainder, move)
    account = _set_balance(position.account, move.qty, move)
    is_adopted = move.reason == ADOPTED
    adopted = EXACT.subtract(move.qty, position.qty) if is_adopted else ZERO
    adjusted = _evolved(position, move, account, parts)
    adjusted = evolve(adjusted, anchored_at=move.at, adopted=adopted)
    return _with_dues(adjusted, fees.absorb(position.dues, move.at))


def _set_balance(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    """Set the quantity of *holding*; if it changes, a new round trip begins at *move*."""
    if qty == holding.qty:
        return holding
    return evolve(
        holding,
        qty=qty,
        cost=_multiply(abs(qty), move.price),
        opened_at=move.at if qty else None,
        opened_by=_opening_key(move) if qty else None,
        entered=abs(qty),
        entry_value=_multiply(abs(qty), move.price),
        exit_value=ZERO,
    )


def _add(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else EXACT.add(a, b)


def _multiply(qty: Decimal, price: Decimal | None) -> Decimal | None:
    return None if price is None else EXACT.multiply(qty, price)
