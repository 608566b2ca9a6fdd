"""
Protections of units that a corporate action exchanges, or beside which it gives others.

The exits of what a protected part became follow it, at prices restated as by a split, if all of it
became units of one other symbol, nothing was paid beside them, and the strategy held nothing of
that symbol.  Otherwise no price of the old units is known to be one of the new ones: the protection
goes on without exits, suspended, until `protect` sets them anew.  A protection that the strategy
has of the new symbol already is for all of its units there.

Other halves: `core.journal.corporate_actions`, which finds the movements, and
`core.journal.renames`: under another name of the same units a protection goes on as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.holdings import action_keys
from fillbook.core.holdings.restated_units import all_received, splits_of
from fillbook.core.position import fold, refold
from fillbook.model.journal.overlay import RecordReader

_FLAT: Final = m.Holding()
#: Prices are cut to this step; no broker's has more decimal places.
_STEP: Final = Decimal("0.000000001")


@frozen
class Successor:
    """
    What a protected part became: units of *symbol*, and their protection.

    *protection* None: the strategy has one of that symbol already, or they were exchanged again.
    *text* says it to a person; ``""``: the exits follow as they were.  *beside* are the alerts
    about what came beside these units since.
    """

    symbol: str
    protection: m.Protection | None
    text: str = ""
    beside: tuple[m.Alert, ...] = ()


@m.exact
def successors(
    records: RecordReader, protection: m.Protection, seen: frozenset[str] = frozenset()
) -> list[Successor]:
    """
    Return what the part of *protection*, which is flat, became by a corporate action.

    Nothing if trades closed it.  *seen* are the symbols that it was before.
    """
    closing = _closing(records, protection)
    if closing is None or protection.symbol in seen:
        return []
    if closing.kind is m.MoveKind.ANCHOR:
        text = (
            f"{protection.title} was closed by a difference that was adopted, and its exits ended: "
            "if its units became those of another symbol, `protect` them there"
        )
        return [Successor(protection.symbol, None, text)]
    received = _received(records, closing)
    found = []
    for move in received:
        parts, name = all_received(move), protection.strategy
        if name not in parts:
            name = move.strategy or ""
        if name not in parts:
            continue  # its share was paid, or is less than any unit
        successor = _successor(records, protection, closing, move, name, len(received))
        new, position = successor.protection, records.get(m.Position, move.symbol)
        if new is not None:
            successor = evolve(successor, beside=tuple(_beside(records, new, move)))
        if _holds(position, name):
            found.append(successor)
        elif new is not None:  # it was exchanged again, or closed
            if successor.beside:
                found.append(Successor(move.symbol, None, beside=successor.beside))
            found += successors(records, new, seen | {protection.symbol})
    return found


def unprotected(
    records: RecordReader, move: m.Movement, before: m.Movement | None
) -> Iterator[m.Alert]:
    """
    Yield the alerts about units that came beside those of protected parts, and have no exits.

    *move* is the movement by which they are received; *before* is what it was until now, if it was
    known.
    """
    source = action_keys.source_in(move)
    if source is None:
        return
    held = records.get(m.Position, source)
    known = set() if before is None else {name for name, _ in before.parts}
    for name in [name for name, _ in move.parts if name not in known]:
        parent = records.get(m.Protection, f"{source}/{name}")
        if parent is not None and _holds(held, name):
            yield from _alerts_of(records, parent, move)


def _beside(
    records: RecordReader, protection: m.Protection, received: m.Movement
) -> Iterator[m.Alert]:
    """Yield the same alerts about a part that is protected only now: what came since *received*."""
    closing = _closing(records, protection)
    given = records.find(m.Movement, "owner", action_keys.source_of(protection.symbol))
    for move in sorted(given, key=lambda x: x.order):
        is_in_place = closing is not None and _are_of_one_action(closing, move)
        is_after = move.order > received.order
        if is_after and not is_in_place and protection.strategy in dict(move.parts):
            yield from _alerts_of(records, protection, move)


def _alerts_of(records: RecordReader, parent: m.Protection, move: m.Movement) -> Iterator[m.Alert]:
    """Yield the alert about the units by *move* beside those of *parent*, if they have no exits."""
    new = evolve(parent, symbol=move.symbol)
    if move.kind is not m.MoveKind.RECEIVED or records.get(m.Protection, new.key) is not None:
        return
    is_held = _holds(records.get(m.Position, move.symbol), new.strategy)
    if not is_held and _closing(records, new) is None:
        return  # they were sold
    qty = dict(move.parts)[new.strategy].qty
    text = (
        f"{m.plain(qty)} {new.title} came by {_name_of(move)} of {parent.title}, and have "
        f"no exits: `protect` sets them. Those of {parent.title} stay at their prices"
    )
    yield m.Alert(m.AlertKind.EXIT_CHANGED, move.symbol, text)


def _holds(position: m.Position | None, strategy: str) -> bool:
    return position is not None and bool(dict(position.by_strategy).get(strategy, _FLAT).qty)


def _name_of(move: m.Movement) -> str:
    return f"the {move.reason.replace('_', ' ')}"


def _closing(records: RecordReader, protection: m.Protection) -> m.Movement | None:
    """Return what closed the part last: a corporate action or an adoption; None: a trade."""
    symbol, name = pairs.holding_of(records, protection.symbol), protection.strategy
    position = records.get(m.Position, symbol)
    if position is None or position.last is None:
        return None
    if not _may_close(position.last) and not records.find(
        m.Movement, "owner", action_keys.source_of(symbol)
    ):
        return None  # no movement of it has to be read
    held, found = m.Position(symbol=symbol), None
    for move in sorted(records.find(m.Movement, "symbol", symbol), key=lambda x: x.order):
        was = dict(held.by_strategy).get(name, _FLAT).qty
        held, _ = fold(held, move)
        if was and not dict(held.by_strategy)[name].qty:
            found = move
    return found if found is not None and _may_close(found) else None


def _may_close(move: m.Movement) -> bool:
    return move.kind is m.MoveKind.ANCHOR or action_keys.is_of_action(move.key)


def _are_of_one_action(one: m.Movement, other: m.Movement) -> bool:
    keys = (one.key, other.key)
    return (
        all(map(action_keys.is_of_action, keys)) and len(set(map(action_keys.group_of, keys))) < 2
    )


def _received(records: RecordReader, closing: m.Movement) -> list[m.Movement]:
    """Return the movements of units that came in place of those that *closing* ended."""
    group = action_keys.group_of(closing.key)
    names = {x.symbol for x in records.find(m.Activity, "group", group) if x.symbol is not None}
    found = [records.get(m.Movement, action_keys.action_key(group, name)) for name in sorted(names)]
    return [
        x for x in found if x is not None and x.symbol != closing.symbol and x.qty * closing.qty < 0
    ]


def _successor(
    records: RecordReader,
    protection: m.Protection,
    closing: m.Movement,
    move: m.Movement,
    name: str,
    count: int,
) -> Successor:
    """Return the protection of what part *name* received by *move*, one of *count* of its group."""
    new = evolve(protection, symbol=move.symbol, strategy=name, inherited=())
    qty = all_received(move)[name].qty
    text = f"{m.plain(qty)} {new.title} came for {protection.title} by {_name_of(move)}"
    known = records.get(m.Protection, new.key)
    if known is not None:
        text += f": the exits of {new.title} are for them too"
        return Successor(move.symbol, None, text)
    why = _why_not(records, move, name, count)
    if why:
        why = f"{text}; its exits do not follow, because {why}: `protect` sets them anew"
        return Successor(move.symbol, evolve(new, suspended=why), why)
    by = abs(move.qty / move.from_qty)
    splits = [
        (x.at, ratio) for x, ratio in splits_of(records, closing.symbol) if x.order < closing.order
    ]
    return Successor(move.symbol, _restated(evolve(new, why=text), by, splits, move.at))


def _why_not(records: RecordReader, move: m.Movement, name: str, count: int) -> str:
    """Return why no price of the old units is known to be one of the new; ``""``: each is."""
    if count > 1:
        return "other units came beside them"
    if not move.follows_cost or not move.from_qty:
        return "it is not known for how many units they came"
    if move.cash:
        return "cash was paid beside them"
    moves = records.find(m.Movement, "symbol", move.symbol)
    held, _ = refold(move.symbol, (x for x in moves if x.order < move.order))
    if dict(held.by_strategy).get(name, _FLAT).qty:
        return "the strategy held others of them already"
    return ""


def _restated(
    protection: m.Protection,
    by: Decimal,
    splits: list[tuple[m.Timestamp, Decimal]],
    at: m.Timestamp,
) -> m.Protection:
    """
    Return *protection* with its prices in the new units, *by* of which came for each old one.

    A price that the market has passed is acted on as if it were new: by an approval.
    """

    def since(start: m.Timestamp | None) -> Decimal:
        ratio = by
        for when, factor in splits:
            if start is not None and when > start:
                ratio *= factor
        return ratio

    def price(value: Decimal | None, ratio: Decimal) -> Decimal | None:
        return None if value is None else max(_STEP, m.cut(value / ratio, _STEP))

    def level(value: m.Level | None) -> m.Level | None:
        amount = None if value is None or value.is_percent else price(value.value, set_ratio)
        return value if amount is None else m.Level(amount)

    policy, set_ratio = protection.policy, since(protection.set_at)
    priced_ratio = since(protection.priced_at)
    return evolve(
        protection,
        policy=evolve(
            policy,
            stop_price=price(policy.stop_price, set_ratio),
            take_profit=level(policy.take_profit),
            trail=level(policy.trail),
            trail_after=level(policy.trail_after),
            break_even=level(policy.break_even),
        ),
        stop_price=price(protection.stop_price, priced_ratio),
        take_profit=price(protection.take_profit, priced_ratio),
        priced_at=None if protection.priced_at is None else at,
        set_at=None if protection.set_at is None else at,
        entered=None,
        applied=False,
    )
