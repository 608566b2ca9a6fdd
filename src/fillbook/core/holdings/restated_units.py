"""
Units that a corporate action exchanges: what it does to the parts of the strategies (promise P9).

RATIO restates the units of one symbol: to *ratio* new units per old one, or from `from_qty` to
`qty`, or by `qty`; then by the units that a fraction was paid for.  REMOVED takes units away, and
RECEIVED adds those of another symbol.  Each strategy has its share of the new units in proportion
to its old ones; what does not end after nine decimal places is the largest part's.

The cost follows the units.  Cash that is paid beside units reduces their cost, and no P&L is
realized, except what exceeds the cost.  Cash that is paid instead of units realizes the P&L.  No
round trip ends: it goes on with the new units, or it is dropped with the old ones.

Other halves: `core.position`, which folds, and `core.journal.corporate_actions`, which finds the
movements from the rows of the broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

_FLAT: Final = m.Holding()
#: Quantities that do not end are cut to this step; no broker's have more than 30 places.
_STEP: Final = Decimal("0.000000001")
_LONGEST: Final = -30

Parts = dict[str, m.Holding]


def scaled_qty(qty: Decimal, new: Decimal, old: Decimal) -> Decimal:
    """Return *qty* × *new* / *old*; cut to nine decimal places if it does not end."""
    scaled = (qty * new / old).normalize()
    exponent = scaled.as_tuple().exponent
    ends = isinstance(exponent, int) and exponent >= _LONGEST
    return scaled if ends else m.cut(scaled, _STEP)


def shares_of(qtys: Mapping[str, Decimal], total: Decimal) -> dict[str, Decimal]:
    """Divide *total* in proportion to *qtys*, whose sum is not 0; the shares sum to it exactly."""
    whole = sum(qtys.values(), ZERO)
    shares = {name: scaled_qty(qty, total, whole) for name, qty in qtys.items()}
    largest = max(shares, key=lambda name: (abs(shares[name]), name))
    shares[largest] += total - sum(shares.values(), ZERO)
    return shares


# -- the units of one symbol -----------------------------------------------------------


def restated_qty(held: Decimal, move: m.Movement) -> Decimal | None:
    """Return what *held* units become by a movement of kind RATIO; None: it is incomplete."""
    if move.ratio is not None:
        return held * move.ratio + move.qty
    if move.from_qty:
        # A long position loses the first quantity and gets the second one, a short one inversely.
        old, new = (move.from_qty, move.qty) if held > 0 else (move.qty, move.from_qty)
        return new.copy_sign(held) if abs(held) == old else scaled_qty(held, new, old)
    after = held + move.qty
    # A split leaves something of every position, unless it pays for all of it.
    return after if after * held > 0 or (not after and move.cash) else None


def split_ratio(row: m.Movement) -> Decimal | None:
    """Return the new units per old unit of a split; None: it is not known."""
    if row.ratio is None and row.qty and row.from_qty:
        return abs(row.qty / row.from_qty)
    return row.ratio


def splits_of(records: RecordReader, held: str) -> list[tuple[m.Movement, Decimal]]:
    """Return the splits of a position whose new units per old unit are known, with those."""
    rows = ((x, split_ratio(x)) for x in records.find(m.Movement, "restated", held))
    return [(x, ratio) for x, ratio in rows if ratio is not None]


def unmatched_qty(held: Decimal, move: m.Movement) -> Decimal:
    """
    Return by how much *move* ended more units than the *held* ones, signed.

    Of restated units it need not be known: a fill on the wrong side of a split is a difference of
    the position.
    """
    return move.unmatched if move.kind is m.MoveKind.RECEIVED else -move.qty - held


def finds_no_units(held: Decimal, move: m.Movement) -> bool:
    """Return whether a movement of kind RATIO finds no unit that it could restate."""
    return not held and move.ratio is None


def restate(account: m.Holding, parts: Parts, move: m.Movement) -> tuple[m.Holding, Parts]:
    """Return the account's units and the parts after a movement of kind RATIO."""
    held = account.qty
    if not held and move.ratio is not None:  # parts that hold against each other
        by = move.ratio
        return account, {x: _restated(part, part.qty * by, by) for x, part in parts.items()}
    after = restated_qty(held, move) if held else None
    if after is None:
        return account, parts
    paid, factor = move.cash or ZERO, after / held
    shares = shares_of({name: part.qty for name, part in parts.items()}, after)
    return _restated(account, after, factor, paid), {
        name: _restated(part, shares[name], factor, paid * part.qty / held)
        for name, part in parts.items()
    }


def _restated(holding: m.Holding, qty: Decimal, factor: Decimal, paid: Decimal = ZERO) -> m.Holding:
    """Return *holding* with *qty* units; each of its units became *factor* units."""
    if not factor:
        return _paid_out(holding, holding.qty, paid)
    entered = holding.entered * factor
    return _reduced_cost(evolve(holding, qty=qty, entered=entered), paid)


def _reduced_cost(holding: m.Holding, paid: Decimal) -> m.Holding:
    """Return *holding* after *paid* (signed cash) for a part of it: its cost is that much less."""
    if not paid:
        return holding
    back = paid if holding.qty > 0 else -paid
    exit_value = None if holding.exit_value is None else holding.exit_value + back
    holding = evolve(holding, exit_value=exit_value)
    if holding.cost is None:
        return holding
    cost = max(ZERO, holding.cost - back)
    gain = back - (holding.cost - cost)
    realized = None if holding.realized is None else holding.realized + gain
    return evolve(holding, cost=cost, realized=realized)


def _paid_out(holding: m.Holding, qty: Decimal, paid: Decimal | None) -> m.Holding:
    """Return *holding* without *qty* of its units; *paid* (signed): realized against their cost."""
    if not holding.qty:
        return holding
    rest = _portion(holding, holding.qty - qty, holding.qty)
    if paid is None:
        return rest
    cost = None if holding.cost is None else holding.cost - (rest.cost or ZERO)
    sign = 1 if holding.qty > 0 else -1
    unknown = cost is None or holding.realized is None
    realized = None if unknown else (holding.realized or ZERO) + paid - (cost or ZERO) * sign
    return evolve(rest, realized=realized)


def _portion(holding: m.Holding, qty: Decimal, whole: Decimal) -> m.Holding:
    """Return *qty* of the *whole* units of *holding*, with what belongs to them."""
    if not qty:
        return m.Holding(realized=holding.realized, currency=holding.currency)
    return evolve(
        holding,
        qty=qty,
        cost=_times(holding.cost, qty, whole),
        fees=holding.fees * qty / whole,
        entered=holding.entered * qty / whole,
        entry_value=_times(holding.entry_value, qty, whole),
        exit_value=_times(holding.exit_value, qty, whole),
    )


def _times(value: Decimal | None, new: Decimal, old: Decimal) -> Decimal | None:
    return None if value is None else value * new / old


# -- the units of two symbols ----------------------------------------------------------


def remove(account: m.Holding, parts: Parts, move: m.Movement) -> tuple[m.Holding, Parts, Decimal]:
    """
    Return the account's units and the parts after a movement of kind REMOVED.

    Return also what it removes beyond the units that were held, which is unattributed.
    """
    held = account.qty
    if held * move.qty >= 0:
        return account, parts, move.qty
    gone = -move.qty if abs(move.qty) < abs(held) else held
    shares = shares_of({name: part.qty for name, part in parts.items()}, gone)
    paid = None if move.cash is None else {x: move.cash * shares[x] / gone for x in parts}
    after = {
        name: _paid_out(part, shares[name], None if paid is None else paid[name])
        for name, part in parts.items()
    }
    return _paid_out(account, gone, move.cash), after, move.qty + gone


def received_parts(move: m.Movement, source: m.Position) -> tuple[tuple[str, m.Holding], ...]:
    """
    Return what each part of *source* receives by *move*, of kind RECEIVED.

    *source* is the position before the action.  Empty: nothing of it is known.
    """
    held = source.qty
    if not held:
        return ()
    parts = {name: part for name, part in source.by_strategy if part.qty}
    qtys = {name: part.qty for name, part in parts.items()}
    shares = shares_of(qtys, move.qty)
    gone = -move.from_qty if abs(move.from_qty) < abs(held) else held
    paid = move.cash or ZERO
    received = []
    for name, part in sorted(parts.items()):
        if not shares[name]:
            continue
        if move.follows_cost:
            moved = _portion(part, part.qty * gone / held, part.qty)
            entered = moved.entered * abs(shares[name] / moved.qty)
            moved = evolve(moved, qty=shares[name], entered=entered, realized=ZERO)
            received.append((name, _reduced_cost(moved, paid * part.qty / held)))
        else:
            received.append((name, _unknown_cost(shares[name], move)))
    return tuple(received)


def are_alike(position: m.Position, other: m.Position) -> bool:
    """Return whether each strategy has the same share of two positions that are not flat."""
    parts, others = dict(position.by_strategy), dict(other.by_strategy)
    flat = m.Holding()
    return all(
        parts.get(x, flat).qty * other.qty == others.get(x, flat).qty * position.qty
        for x in {*parts, *others}
    )


def _unknown_cost(qty: Decimal, move: m.Movement) -> m.Holding:
    """Return *qty* units whose cost is not known."""
    return m.Holding(
        qty=qty,
        cost=None,
        opened_at=move.at,
        opened_by=move.key,
        entered=abs(qty),
        entry_value=None,
    )


def all_received(move: m.Movement) -> Parts:
    """Return what each strategy receives; the rest is unattributed, unless it was assigned."""
    parts, name = dict(move.parts), move.strategy or ""
    rest = move.qty - sum((part.qty for part in parts.values()), ZERO)
    if rest:
        known = parts.get(name)
        other = _unknown_cost(rest, move)
        parts[name] = other if known is None else join(known, other)
    return parts


def join(holding: m.Holding, other: m.Holding) -> m.Holding:
    """
    Return *holding* with the units of *other*, and their round trip.

    Units of the other sign close each other, at a P&L that is not known; and the cost of units that
    were paid in another currency is not known in this one.
    """
    if not holding.qty:
        holding = based_in(holding, other.currency)
    elif holding.currency != other.currency:
        paid = with_fee(other.other_fees, m.Amount(other.fees, other.currency))
        other = evolve(
            other,
            cost=None,
            realized=ZERO if other.realized == 0 else None,
            entry_value=None,
            exit_value=None,
            fees=ZERO,
            other_fees=paid,
        )
    if holding.qty * other.qty < 0:
        qty = holding.qty + other.qty
        larger = holding if abs(holding.qty) > abs(other.qty) else other
        return evolve(_portion(larger, qty, larger.qty), realized=None, currency=holding.currency)
    first = min(
        (x for x in (holding, other) if x.opened_at is not None),
        key=lambda x: (x.opened_at or "", x.opened_by or ""),
        default=holding,
    )
    return m.Holding(
        qty=holding.qty + other.qty,
        cost=_sum(holding.cost, other.cost),
        realized=_sum(holding.realized, other.realized),
        fees=holding.fees + other.fees,
        opened_at=first.opened_at,
        opened_by=first.opened_by,
        entered=holding.entered + other.entered,
        entry_value=_sum(holding.entry_value, other.entry_value),
        exit_value=_sum(holding.exit_value, other.exit_value),
        currency=holding.currency,
        other_fees=reduce(with_fee, other.other_fees, holding.other_fees),
    )


def based_in(holding: m.Holding, currency: str | None) -> m.Holding:
    """Return *holding* for a new basis in *currency*; P&L of two currencies has no sum."""
    if holding.currency == currency:
        return holding
    realized = None if holding.realized else holding.realized
    return evolve(holding, currency=currency, realized=realized)


def with_fee(fees: tuple[m.Amount, ...], fee: m.Amount) -> tuple[m.Amount, ...]:
    """Return *fees* by currency, with one more."""
    paid = {x.currency: x.value for x in fees}
    paid[fee.currency] = paid.get(fee.currency, ZERO) + fee.value
    return tuple(m.Amount(paid[x], x) for x in sorted(paid, key=lambda x: x or ""))


def _sum(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else a + b
