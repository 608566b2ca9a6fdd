"""
Positions: the fold of movements in the order of the broker's time (promise P9).

An anchor says what the account held at a moment.  Movements before it do not change
the position any more; a late one changes whose it was, from nobody's part to its
strategy's, by itself.  Money that is not known stays unknown; it is never zero.

`fold` costs O(1) a movement (times the strategies of the symbol); what comes late is
folded again by `core.journal.checkpoints`, as `refold` would from the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final, assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.model import EXACT, ZERO

NOBODY: Final = ""
_FLAT: Final = m.Holding()
#: Fees of a day are posted at its end: those before an anchor come within a day after it.
_FEES_FOLLOW: Final = timedelta(days=1)


@m.exact
def fold(position: m.Position, move: m.Movement) -> tuple[m.Position, m.Trade | None]:
    """*position* after *move*, and the round trip that it closed; `move` is not before `last`."""
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
            return _anchor(position, move), None
        case _:
            assert_never(move.kind)


@m.exact
def refold(symbol: str, moves: Iterable[m.Movement]) -> tuple[m.Position, list[m.Trade]]:
    """The position and the round trips that all *moves* of *symbol* amount to."""
    position, trades = m.Position(symbol=symbol), []
    for move in sorted(moves, key=lambda move: move.order):
        position, trade = fold(position, move)
        if trade is not None:
            trades.append(trade)
    return position, trades


def by_strategy_of(position: m.Position) -> dict[str, m.Holding]:
    """The parts by strategy; ``""`` is what belongs to nobody."""
    return dict(position.by_strategy)


def _with(
    position: m.Position, move: m.Movement, account: m.Holding, parts: dict[str, m.Holding]
) -> m.Position:
    return evolve(position, account=account, by_strategy=tuple(sorted(parts.items())), last=move)


def _fill(position: m.Position, move: m.Movement) -> tuple[m.Position, m.Trade | None]:
    name = move.strategy or NOBODY
    parts = by_strategy_of(position)
    part = parts.get(name, _FLAT)
    parts[name], closed = _trade(part, move)
    # One strategy that holds it all has the account's own part.
    account = parts[name] if part == position.account else _trade(position.account, move)[0]
    trade = None
    if closed is not None and closed.entered:  # units that only a fee made were never entered
        trade = _round_trip(position.symbol, name, closed, move)
    position = _with(position, move, account, parts)
    if move.qty > 0 and move.fee_rate:
        due = EXACT.multiply(move.qty, move.fee_rate)
        position = evolve(position, fee_due=EXACT.add(position.fee_due, due))
    return position, trade


def _trade(holding: m.Holding, move: m.Movement) -> tuple[m.Holding, m.Holding | None]:
    """*holding* after a fill; and, if that closed a round trip, what it was when it closed."""
    if move.fee:
        holding = evolve(holding, fees=EXACT.add(holding.fees, move.fee))
    if holding.qty * move.qty >= 0:
        return _enter(holding, move.qty, move), None
    if abs(move.qty) < abs(holding.qty):
        return _leave(holding, move.qty, move.price), None
    closed = _leave(holding, -holding.qty, move.price)
    rest = EXACT.add(holding.qty, move.qty)
    flat = m.Holding(realized=closed.realized)
    return (_enter(flat, rest, move) if rest else flat), closed


def _enter(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    value = _times(abs(qty), move.price)
    return evolve(
        holding,
        qty=EXACT.add(holding.qty, qty),
        cost=_plus(holding.cost, value),
        opened_at=holding.opened_at or move.at,
        opened_by=holding.opened_by or _opener(move),
        entered=EXACT.add(holding.entered, abs(qty)),
        entry_value=_plus(holding.entry_value, value),
    )


def _opener(move: m.Movement) -> str:
    """What tells a round trip from others of its moment, and stays when its fill is corrected."""
    return f"{move.owner}@{m.plain(move.cum)}" if move.owner and move.cum else move.key


def _leave(holding: m.Holding, qty: Decimal, price: Decimal | None) -> m.Holding:
    """*holding* less |qty| ≤ its own; its cost goes down in proportion (average cost)."""
    left = EXACT.add(holding.qty, qty)
    value = _times(abs(qty), price)
    if holding.cost is None:
        cost, out = None, None
    else:
        out = holding.cost if not left else holding.cost * abs(qty) / abs(holding.qty)
        cost = EXACT.subtract(holding.cost, out)
    gain = None if value is None or out is None else (value - out) * (1 if qty < 0 else -1)
    return evolve(
        holding,
        qty=left,
        cost=ZERO if not left else cost,
        realized=_plus(holding.realized, gain),
        exit_value=_plus(holding.exit_value, value),
    )


def _round_trip(symbol: str, strategy: str, closed: m.Holding, move: m.Movement) -> m.Trade:
    opened = closed.opened_at or move.at
    long = move.qty < 0
    entry, out = closed.entry_value, closed.exit_value
    pnl = None if entry is None or out is None else (out - entry) * (1 if long else -1)
    return m.Trade(
        key=f"{symbol}/{strategy}/{opened}/{closed.opened_by}",
        symbol=symbol,
        strategy=strategy,
        side=m.OrderSide.BUY if long else m.OrderSide.SELL,
        qty=closed.entered,
        entry_price=None if entry is None else entry / closed.entered,
        exit_price=None if out is None else out / closed.entered,
        pnl=pnl,
        fees=closed.fees,
        opened_at=opened,
        closed_at=move.at,
    )


def _ratio(position: m.Position, move: m.Movement) -> m.Position:
    ratio = move.ratio
    assert ratio is not None
    parts = {name: _scaled(part, ratio) for name, part in position.by_strategy}
    return _with(position, move, _scaled(position.account, ratio), parts)


def _scaled(holding: m.Holding, ratio: Decimal) -> m.Holding:
    return evolve(
        holding,
        qty=EXACT.multiply(holding.qty, ratio),
        entered=EXACT.multiply(holding.entered, ratio),
    )


def _amount(position: m.Position, move: m.Movement, qty: Decimal) -> m.Position:
    """Units that came or went without a trade: nobody's, and of the cost that was told."""
    parts = by_strategy_of(position)
    parts[NOBODY] = _moved(parts.get(NOBODY, _FLAT), qty, move)
    return _with(position, move, _moved(position.account, qty, move), parts)


def _moved(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    after = EXACT.add(holding.qty, qty)
    if holding.qty * qty >= 0:  # more of it
        cost = _plus(holding.cost, _times(abs(qty), move.price))
    elif abs(qty) <= abs(holding.qty):  # less of it: cost goes down in proportion
        cost = None if holding.cost is None else holding.cost * abs(after) / abs(holding.qty)
    else:
        cost = _times(abs(after), move.price)
    return evolve(
        holding,
        qty=after,
        cost=cost if after else ZERO,
        opened_at=holding.opened_at or move.at,
        opened_by=holding.opened_by or _opener(move),
        entered=max(holding.entered, abs(after)),
        entry_value=None,
        exit_value=None,
    )


def _fee(position: m.Position, move: m.Movement) -> m.Position:
    """Units that a fee took; those of before an anchor were off already when it was found."""
    due, absorbed = -move.qty, position.fee_absorbed
    anchored = position.anchored_at
    if anchored is None or m.moment(move.at) - m.moment(anchored) >= _FEES_FOLLOW:
        absorbed = ZERO
    taken = max(ZERO, min(due, absorbed))  # a fee that is given back was never absorbed
    qty = EXACT.subtract(taken, due)
    parts = by_strategy_of(position)
    held = [name for name, part in parts.items() if part.qty]
    name = held[0] if len(held) == 1 else NOBODY
    parts[name] = _charged(parts.get(name, _FLAT), qty)
    position = _with(position, move, _charged(position.account, qty), parts)
    return evolve(position, fee_due=ZERO, fee_absorbed=absorbed - taken)


def _charged(holding: m.Holding, qty: Decimal) -> m.Holding:
    return evolve(holding, qty=EXACT.add(holding.qty, qty))  # fewer units, at the same cost


def _anchor(position: m.Position, move: m.Movement) -> m.Position:
    parts = by_strategy_of(position)
    known = sum((part.qty for name, part in parts.items() if name != NOBODY), ZERO)
    rest = EXACT.subtract(move.qty, known)
    nobody = parts.get(NOBODY, _FLAT)
    if rest != nobody.qty or NOBODY in parts:
        parts[NOBODY] = _found(nobody, rest, move)
    account = _found(position.account, move.qty, move)
    return evolve(
        _with(position, move, account, parts),
        fee_absorbed=EXACT.add(position.fee_absorbed, position.fee_due),
        fee_due=ZERO,
        anchored_at=move.at,
    )


def _found(holding: m.Holding, qty: Decimal, move: m.Movement) -> m.Holding:
    """*holding* as it was found; what it gained before is unknown if it changed."""
    if qty == holding.qty:
        return holding
    return evolve(
        holding,
        qty=qty,
        cost=_times(abs(qty), move.price),
        opened_at=move.at if qty else None,
        opened_by=_opener(move) if qty else None,
        entered=abs(qty),
        entry_value=_times(abs(qty), move.price),
        exit_value=ZERO,
    )


def _plus(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else EXACT.add(a, b)


def _times(qty: Decimal, price: Decimal | None) -> Decimal | None:
    return None if price is None else EXACT.multiply(qty, price)
