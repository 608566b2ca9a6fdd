"""
Positions: the fold of movements in the order of the broker's time (promise P9).

A movement without a strategy changes the unattributed part first.  What it takes beyond that, it
takes from the parts of the strategies, oldest first: a position that was closed outside is closed
for its strategies too.  A fill of a strategy changes its own part first, and what it takes beyond
that is the unattributed part's.  So the unattributed part never has the opposite sign of another
part, and no part holds what the account does not (except against another strategy).

A balance adjustment (`MoveKind.ANCHOR`) sets what the account held at a time.  Movements before
it do not change the account's position any more.  A late fill before it only moves quantity
from the unattributed part to the part of its strategy.  An amount of money that is not known
stays unknown (None); it is never taken as zero.  A basis has one currency: what is bought or sold
for another one has no known cost or proceeds in it, because nothing is converted.

`fold` costs O(1) per movement, times the number of strategies of the symbol.
`core.journal.checkpoints` folds again when a movement arrives late, with the result that
`refold` would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.core.holdings import fees, restated_units
from fillbook.model import EXACT, ZERO

#: The name of the part that belongs to no strategy.
UNATTRIBUTED: Final = ""
_FLAT: Final = m.Holding()
#: The reason of a balance adjustment by which a person took the broker's figure.
ADOPTED: Final = "ADOPTED"


@m.exact
def fold(position: m.Position, move: m.Movement) -> tuple[m.Position, tuple[m.Trade, ...]]:
    """Apply *move*, not older than `last`; return the position, and the round trips it closed."""
    match move.kind:
        case m.MoveKind.FILL | m.MoveKind.PAYMENT:
            return _fill(position, move)
        case m.MoveKind.RATIO:
            return _restated(position, move), ()
        case m.MoveKind.RECEIVED:
            return _received(_matched(position, move), move), ()
        case m.MoveKind.REMOVED:
            return _removed(_matched(position, move), move), ()
        case m.MoveKind.AMOUNT:
            return _moved(position, move, move.qty, _apply_amount)
        case m.MoveKind.FEE:
            return _fee(position, move), ()
        case m.MoveKind.ANCHOR:
            return _balance_adjustment(position, move)
        case _:
            assert_never(move.kind)


@m.exact
def refold(symbol: str, moves: Iterable[m.Movement]) -> tuple[m.Position, list[m.Trade]]:
    """Fold all *moves* of *symbol*, in any order, into its position and its round trips."""
    position, trades = m.Position(symbol=symbol), list[m.Trade]()
    for move in sorted(moves, key=lambda move: move.order):
        position, closed = fold(position, move)
        trades += closed
    return position, trades


def by_strategy_of(position: m.Position) -> dict[str, m.Holding]:
    """Return the parts by strategy; ``""`` is the unattributed part."""
    return dict(position.by_strategy)


def _evolved(
    position: m.Position, move: m.Movement, account: m.Holding, parts: dict[str, m.Holding]
) -> m.Position:
    return evolve(position, account=account, by_strategy=tuple(sorted(parts.items())), last=move)


#: Applies a part of a movement to a holding; returns it, and the round trip that ended, if any.
_Apply = Callable[[m.Holding, Decimal, m.Movement], tuple[m.Holding, m.Holding | None]]


def _moved(
    position: m.Position, move: m.Movement, qty: Decimal, apply: _Apply
) -> tuple[m.Position, tuple[m.Trade, ...]]:
    """Return *position* after *qty* units moved, and the round trips that this closed."""
    parts, trades = by_strategy_of(position), list[m.Trade]()
    before, shares = dict(parts), _shares(parts, move.strategy or UNATTRIBUTED, qty)
    rest = move
    for name, share in shares.items():
        parts[name], closed = apply(parts.get(name, _FLAT), share, rest)
        if closed is not None and closed.entered:  # what only a fee created has no entry
            trades.append(_trade_of(position.symbol, name, closed, share, move.at))
        rest = evolve(rest, fee=None, other_fee=None)  # the first share bears them
    # A strategy that holds the whole position has the same holding as the account.
    (first, *others) = shares
    is_same = not others and before.get(first, _FLAT) == position.account
    account = parts[first] if is_same else apply(position.account, qty, move)[0]
    return _evolved(position, move, account, parts), tuple(trades)


def _shares(parts: dict[str, m.Holding], name: str, qty: Decimal) -> dict[str, Decimal]:
    """Return by how much a movement of *qty* changes the part *name*, and the other parts."""
    strategies = sorted(
        (x for x in parts if x != UNATTRIBUTED),
        key=lambda x: (parts[x].opened_at or "", parts[x].opened_by or "", x),
    )
    shares, rest = dict[str, Decimal](), qty
    for taker in (name, *(strategies if name == UNATTRIBUTED else [UNATTRIBUTED])):
        held = parts.get(taker, _FLAT).qty
        if held * rest < 0:
            shares[taker] = rest if abs(rest) <= abs(held) else -held
            rest = EXACT.subtract(rest, shares[taker])
    if rest or not shares:
        shares[name] = EXACT.add(shares.get(name, ZERO), rest)
    total = sum((x.qty for x in parts.values()), qty)
    if name == UNATTRIBUTED and not total and shares.keys() != {name}:
        # The account is flat: strategies that held against each other hold nothing any more.
        shares |= {x: -parts[x].qty for x in strategies if parts[x].qty}
    return shares


def _fill(position: m.Position, move: m.Movement) -> tuple[m.Position, tuple[m.Trade, ...]]:
    moved, trades = _moved(position, move, move.qty, _apply_fill)
    if move.qty > 0 and move.fee_rate:
        due = _fee_of(move, EXACT.multiply(move.qty, move.fee_rate))
        moved = _with_dues(moved, fees.add(fees.current(moved.dues, move.at), due))
    return moved, trades


def _fee_of(move: m.Movement, amount: Decimal) -> m.Fee:
    return m.Fee(key=move.key, symbol=move.symbol, at=move.at, amount=amount, price=move.price)


def _with_dues(position: m.Position, dues: tuple[m.Fee, ...]) -> m.Position:
    due, absorbed = fees.total(dues, absorbed=False), fees.total(dues, absorbed=True)
    return evolve(position, dues=dues, fee_due=due, fee_absorbed=absorbed)


def _apply_fill(
    holding: m.Holding, qty: Decimal, move: m.Movement
) -> tuple[m.Holding, m.Holding | None]:
    """Apply *qty* of a fill; return the holding, and the closed one if it ended a round trip."""
    holding, move = _in_one_currency(holding, move)
    if move.other_fee is not None:
        holding = evolve(
            holding, other_fees=restated_units.with_fee(holding.other_fees, move.other_fee)
        )
    if move.fee:
        holding = evolve(holding, fees=EXACT.add(holding.fees, move.fee))
    if holding.qty * qty >= 0:
        return _increase(holding, qty, move), None
    if abs(qty) < abs(holding.qty):
        return _reduce(holding, qty, move.price), None
    closed = _reduce(holding, -holding.qty, move.price)
    remainder = EXACT.add(holding.qty, qty)
    flat = m.Holding(realized=closed.realized, currency=closed.currency)
    return (_increase(flat, remainder, move) if remainder else flat), closed


def _in_one_currency(holding: m.Holding, move: m.Movement) -> tuple[m.Holding, m.Movement]:
    """Return *holding* and *move* in one currency: that of the basis, of a flat one the move's."""
    if move.currency == holding.currency or move.kind is m.MoveKind.PAYMENT:
        return holding, move
    if not holding.qty:
        return restated_units.based_in(holding, move.currency), move
    fees = holding.other_fees
    if move.fee:
        fees = restated_units.with_fee(fees, m.Amount(move.fee, move.currency))
    return evolve(holding, other_fees=fees), evolve(move, price=None, fee=None)


def _increase(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    value = _multiply(abs(qty), move.price)
    return evolve(
        holding,
        qty=EXACT.add(holding.qty, qty),
        cost=_add(holding.cost, value),
        opened_at=holding.opened_at or move.at,
        opened_by=holding.opened_by or name_of(move),
        entered=EXACT.add(holding.entered, abs(qty)),
        entry_value=_add(holding.entry_value, value),
    )


def name_of(move: m.Movement) -> str:
    """Return the name of a movement; that of a fill stays the same when it is corrected."""
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


def _trade_of(
    symbol: str, strategy: str, closed: m.Holding, qty: Decimal, at: m.Timestamp
) -> m.Trade:
    """Return the round trip that *qty* closed."""
    opened, was_long = closed.opened_at or at, qty < 0
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
        closed_at=at,
        currency=closed.currency,
        other_fees=closed.other_fees,
    )


def _restated(position: m.Position, move: m.Movement) -> m.Position:
    if restated_units.finds_no_units(position.qty, move):
        net = EXACT.subtract(move.qty, move.from_qty)
        return _moved(position, move, net, _apply_amount)[0]
    account, parts = restated_units.restate(position.account, by_strategy_of(position), move)
    return _evolved(position, move, account, parts)


def _matched(position: m.Position, move: m.Movement) -> m.Position:
    """Return *position* with what a corporate action ended beyond it."""
    unmatched = restated_units.unmatched_qty(position.qty, move)
    return evolve(position, unmatched=EXACT.add(position.unmatched, unmatched))


def _received(position: m.Position, move: m.Movement) -> m.Position:
    parts, account = by_strategy_of(position), position.account
    for name, part in restated_units.all_received(move).items():
        parts[name] = restated_units.join(parts.get(name, _FLAT), part)
        account = restated_units.join(account, part)
    return _evolved(position, move, account, parts)


def _removed(position: m.Position, move: m.Movement) -> m.Position:
    account, parts, beyond = restated_units.remove(position.account, by_strategy_of(position), move)
    after = _evolved(position, move, account, parts)
    return _moved(after, move, beyond, _apply_amount)[0] if beyond else after


def _apply_amount(
    holding: m.Holding, qty: Decimal, move: m.Movement
) -> tuple[m.Holding, m.Holding | None]:
    """Apply *qty* units that moved without a trade: in at the reported cost, out without P&L."""
    holding, move = _in_one_currency(holding, move)
    if holding.qty * qty >= 0:
        return _increase(holding, qty, move), None
    after, closed = EXACT.add(holding.qty, qty), evolve(holding, exit_value=None)
    if abs(qty) < abs(holding.qty):  # the cost decreases in proportion
        cost = None if holding.cost is None else holding.cost * abs(after) / abs(holding.qty)
        return evolve(closed, qty=after, cost=cost), None
    flat = m.Holding(realized=holding.realized, currency=holding.currency)
    return (_increase(flat, after, move) if after else flat), closed


def _fee(position: m.Position, move: m.Movement) -> m.Position:
    """Deduct a fee in units, except what the last balance adjustment includes of it already."""
    paid, dues = fees.pay(position.dues, _fee_of(move, -move.qty))  # a refund pays none
    absorbed = max(ZERO, min(-move.qty, fees.total(paid, absorbed=True)))
    moved, _ = _moved(position, move, EXACT.add(move.qty, absorbed), _deduct_fee)
    return _with_dues(moved, dues)


def _deduct_fee(holding: m.Holding, qty: Decimal, _: m.Movement) -> tuple[m.Holding, None]:
    return evolve(holding, qty=EXACT.add(holding.qty, qty)), None  # fewer units, at the same cost


def _balance_adjustment(
    position: m.Position, move: m.Movement
) -> tuple[m.Position, tuple[m.Trade, ...]]:
    """Set the account's quantity; a strategy to which it is assigned gets the unattributed part."""
    difference = EXACT.subtract(move.qty, position.qty)
    parts, trades = by_strategy_of(position), list[m.Trade]()
    for name, share in (_shares(parts, UNATTRIBUTED, difference) if difference else {}).items():
        part = parts.get(name, _FLAT)
        if name == UNATTRIBUTED:
            parts[name] = _set_balance(part, EXACT.add(part.qty, share), move)
        else:
            parts[name], closed = _apply_fill(part, share, evolve(move, price=None))
            if closed is not None and closed.entered:
                trades.append(_trade_of(position.symbol, name, closed, share, move.at))
    unattributed = parts.get(UNATTRIBUTED, _FLAT)
    if move.strategy and unattributed.qty:
        given = evolve(unattributed, realized=ZERO)
        parts[move.strategy] = restated_units.join(parts.get(move.strategy, _FLAT), given)
        parts[UNATTRIBUTED] = m.Holding(
            realized=unattributed.realized, currency=unattributed.currency
        )
    adjusted = _evolved(position, move, _set_balance(position.account, move.qty, move), parts)
    adopted = difference if move.reason == ADOPTED else ZERO
    adjusted = evolve(adjusted, anchored_at=move.at, adopted=adopted, unmatched=ZERO)
    return _with_dues(adjusted, fees.absorb(position.dues, move.at)), tuple(trades)


def _set_balance(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    """Set the quantity of *holding*; if it changes, a new round trip begins at *move*."""
    if qty == holding.qty:
        return holding
    return evolve(
        restated_units.based_in(holding, move.currency),
        qty=qty,
        cost=_multiply(abs(qty), move.price),
        opened_at=move.at if qty else None,
        opened_by=name_of(move) if qty else None,
        entered=abs(qty),
        entry_value=_multiply(abs(qty), move.price),
        exit_value=ZERO,
    )


def _add(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else EXACT.add(a, b)


def _multiply(qty: Decimal, price: Decimal | None) -> Decimal | None:
    return None if price is None else EXACT.multiply(qty, price)
