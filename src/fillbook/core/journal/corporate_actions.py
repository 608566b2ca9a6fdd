"""
Corporate actions: the movements of a group of rows of the account's history.

A broker lists one event by several rows: the units that it removes, those that it adds, and its
cash.  They bear a common group, or the same kind and day.  The movements are a function of all rows
of the group, whatever the order in which they are read, and of the position before the event:

- one symbol: its units are restated (a split, a dividend in units), in proportion by strategy;
- one symbol for another one at equal quantities, by kind a change of the symbol: a rename;
- one symbol for others: removed here, received there, in proportion to what each strategy held;
- units beside those that are held: received in proportion, at a cost that is not known;
- an option that is assigned or exercised: its units go to the strategy that held the option.

A row that fits none of these moves units without a strategy, at the price of the market.

Other half: `core.holdings.exchanged_units`, which folds the movements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, field, frozen

from fillbook import model as m
from fillbook.core.holdings import exchanged_units
from fillbook.core.journal import checkpoints, renames
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.placing import is_part, placed
from fillbook.core.journal.posting import replace_movements
from fillbook.core.position import fold
from fillbook.core.symbol_names import resolve
from fillbook.model import ZERO

_K = m.ActivityKind
#: The kinds whose rows are followed as a group.
KINDS: Final = frozenset({_K.SPLIT, _K.SYMBOL_CHANGE, _K.MERGER, _K.SPIN_OFF, _K.DIVIDEND})
#: The kinds that belong to a corporate action only if they bear its group.
_IN_GROUPS: Final = frozenset({_K.ASSIGNMENT, _K.OTHER})
#: The kinds whose rows without a group are of one event only if they bear the same symbol.
_BY_SYMBOL: Final = frozenset({_K.SPLIT, _K.SPIN_OFF, _K.DIVIDEND})
#: Rows without a group that bear a time are of one event if they bear the same second.
_SECOND: Final = len("2026-03-02T15:00:00")
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)
#: How often an entry may derive one group: units that are exchanged in a circle do not end.
_DERIVED_MAX: Final = 3


@frozen
class Units:
    """The units of one symbol that a group moves: those added and removed, ≥ 0, and its cash."""

    added: Decimal = ZERO
    removed: Decimal = ZERO
    ratio: Decimal | None = None
    beside_ratio: Decimal = ZERO  #: signed units of the rows without the ratio
    rows: tuple[m.Activity, ...] = field(factory=tuple)

    @property
    def net(self) -> Decimal:
        return self.added - self.removed


def group_of(activity: m.Activity) -> str | None:
    """Return the name of the group of a row; None: it is no part of a corporate action."""
    grouped = activity.kind in _IN_GROUPS and activity.group_id is not None
    if activity.symbol is None or not (activity.kind in KINDS or grouped):
        return None
    if activity.kind is _K.DIVIDEND and not activity.qty and activity.group_id is None:
        return None  # cash for the units that are held
    if activity.group_id is not None:
        return activity.group_id.replace("/", ":")
    at = activity.at if activity.dated else activity.at[:_SECOND]
    symbol = activity.symbol if activity.kind in _BY_SYMBOL else ""
    return f"{activity.kind}:{at}:{symbol}".replace("/", ":")


def post(draft: Draft, group: str) -> None:
    """Post the movements of *group*, in place of those that were derived from fewer rows."""
    rows = [x for x in draft.all(m.Activity) if group_of(x) == group and not x.in_opening]
    rows.sort(key=lambda x: (x.at, x.activity_id))
    derived = [
        (x, draft.get(m.Movement, x.key))
        for event in _events(rows)
        for x in _movements(draft, group, event)
    ]
    # What a person assigned stays assigned.
    new = {
        x.key: evolve(x, strategy=x.strategy or (None if was is None else was.strategy))
        for x, was in derived
    }
    names = {name for x in rows for name in (x.symbol, x.source) if name is not None}
    keys = {key for name in names for key in (_key(group, name), _source_key(group, name))}
    old = {key: x for key in keys if (x := draft.get(m.Movement, key)) is not None}
    gone = [x for key, x in old.items() if new.get(key) != x]
    added = [x for key, x in new.items() if old.get(key) != x]
    if gone or added:
        replace_movements(draft, gone, added)


def follow(draft: Draft) -> None:
    """Derive again what depends on the positions that this entry has changed in the past."""
    derived: dict[str, int] = defaultdict(int)
    while draft.refolded:
        symbol, first = draft.refolded.popitem()
        dependent = draft.find(m.Movement, "owner", checkpoints.source_of(symbol))
        for group in sorted({x.key.split("/", 2)[1] for x in dependent if x.order >= first}):
            derived[group] += 1
            if derived[group] <= _DERIVED_MAX:
                post(draft, group)


def _key(group: str, symbol: str) -> str:
    return f"action/{group}/{symbol}"


def _source_key(group: str, symbol: str) -> str:
    return f"action/{group}/source/{symbol}"


def _events(rows: Sequence[m.Activity]) -> list[list[m.Activity]]:
    """
    Return the rows of each event: of one kind and day there may be several without a group.

    Rows of equal and opposite quantities are of one event: if several have that quantity, those of
    one price.  What is left is one event, unless it can only be a part of another one.
    """
    units = {name: x for name, x in _units_by_symbol(rows).items() if x.net}
    if len(units) <= 2 or any(x.group_id is not None for x in rows):
        return [list(rows)]
    partners = {x: other for x in units if (other := _partner_of(x, units)) is not None}
    pairs = [(x, other) for x, other in partners.items() if x < other and partners.get(other) == x]
    paired = {name for pair in pairs for name in pair}
    left = [x for x in rows if x.symbol not in paired]
    signs = {units[name].net > 0 for name in units.keys() - paired}
    is_part = len(signs) == 1 and not any(x.cash for x in left)
    if is_part and rows[0].kind is not _K.SYMBOL_CHANGE:
        return [list(rows)]
    found = [[x for x in rows if x.symbol in pair] for pair in sorted(pairs)]
    return [*found, left] if left else found


def _partner_of(name: str, units: dict[str, Units]) -> str | None:
    """Return the only symbol that moves as many units as *name*, inversely; None: not clear."""
    price = units[name].rows[0].price
    found = [x for x, other in units.items() if other.net == -units[name].net]
    if len(found) > 1:
        found = [x for x in found if units[x].rows[0].price == price]
    return found[0] if len(found) == 1 else None


@m.exact
def _movements(draft: Draft, group: str, rows: Sequence[m.Activity]) -> list[m.Movement]:
    units = _units_by_symbol(rows)
    cash = sum((x.cash for x in rows if x.cash), ZERO) or None
    moved = {symbol: each for symbol, each in units.items() if each.added or each.removed}
    kind = next((x.kind for x in rows if x.qty or x.ratio), None)
    if kind is None:
        return []  # cash only
    if kind is _K.ASSIGNMENT:
        return list(_assigned(draft, group, moved))
    if kind is _K.SPIN_OFF:
        return list(_beside(draft, group, moved))
    if kind in (_K.SPLIT, _K.DIVIDEND) and len(units) == 1:
        ((symbol, each),) = units.items()
        return [_restated(draft, group, symbol, each, cash)]
    if kind is _K.SYMBOL_CHANGE and len(moved) == 2 and not sum(x.net for x in moved.values()):
        return list(_renamed(draft, group, moved, min(x.at for x in rows)))
    if len(moved) == 1:
        ((symbol, each),) = moved.items()
        if kind is _K.SYMBOL_CHANGE:
            return []  # the row of the other name is not known yet
        if each.added and each.removed:  # another number of the security, for instance
            return [_restated(draft, group, symbol, each, cash)]
    return list(_exchanged(draft, group, moved, cash))


def _renamed(
    draft: Draft, group: str, moved: dict[str, Units], at: m.Timestamp
) -> Iterator[m.Movement]:
    """
    Continue the record of the old name under the new one.

    Which of the two is the old name is known from what is held.  If nothing is held of them, two
    movements without an effect are yielded: they derive this again when something is.
    """
    old = _ended(draft, group, moved, by_sign=False)
    if old is not None:
        (new,) = moved.keys() - {old}
        renames.rename(draft, old, new, at)
        return
    for name, each in moved.items():
        move = _base(draft, group, name, each, m.MoveKind.RATIO)
        yield evolve(
            move,
            key=_source_key(group, name),
            qty=ZERO,
            ratio=Decimal(1),
            owner=checkpoints.source_of(move.symbol),
        )


def _units_by_symbol(rows: Sequence[m.Activity]) -> dict[str, Units]:
    units: dict[str, Units] = {}
    for row in rows:
        if row.qty is None and row.ratio is None:
            continue
        symbol = row.symbol or ""
        known, qty = units.get(symbol, Units()), row.qty or ZERO
        units[symbol] = Units(
            added=known.added + max(qty, ZERO),
            removed=known.removed + max(-qty, ZERO),
            ratio=known.ratio or row.ratio,
            beside_ratio=known.beside_ratio + (qty if row.ratio is None else ZERO),
            rows=(*known.rows, row),
        )
    return units


def _base(draft: Draft, group: str, name: str, each: Units, kind: m.MoveKind) -> m.Movement:
    """Return a movement of *kind* at its place among the movements of its symbol."""
    row = each.rows[0]
    symbol, key = resolve(draft, name, row.at), _key(group, name)
    return m.Movement(
        key=key,
        symbol=symbol,
        kind=kind,
        at=_place(draft, key, row, symbol, each),
        qty=each.net,
        reason=str(row.kind),
    )


def _place(draft: Draft, key: str, row: m.Activity, symbol: str, each: Units | None) -> m.Timestamp:
    """Return the time of a movement: it stays where it was posted first."""
    posted = draft.get(m.Movement, key)
    if posted is not None:
        return posted.at
    held = draft.get(m.Position, symbol) or m.Position(symbol=symbol)
    cash = draft.get(m.Cash, "cash")
    by_ids = cash is not None and cash.by_ids
    net = ZERO if each is None else each.net
    if each is not None and each.ratio is not None and not net:
        net = (held.qty - held.adopted) * (each.ratio - 1)  # what it adds to an adopted balance
    row = evolve(row, read_at=None)  # a row may be listed before the day on which it counts
    at, _ = placed(row, held.anchored_at, is_part(net, held.adopted), by_ids=by_ids)
    if each is not None and row.dated and at == row.at:
        return _moment(draft, symbol, at, each)
    return at


def _moment(draft: Draft, symbol: str, at: m.Timestamp, each: Units) -> m.Timestamp:
    """
    Return the moment of the day that begins *at* when the units that end were held.

    An action counts before the first trade of its day.  If other units were held then, it is after
    the first trade of that day that led to those.
    """
    held = checkpoints.position_before(draft, symbol, (at, m.MoveKind.RATIO, ZERO, ""))
    ended = {qty for qty in (each.removed, -each.added) if qty}
    if held.qty in ended:
        return at
    end = m.timestamp(m.moment(at) + _DAY)
    moves = [x for x in draft.find(m.Movement, "symbol", symbol) if at <= x.at < end]
    for x in sorted(moves, key=lambda x: x.order):
        held, _ = fold(held, x)
        if held.qty in ended:
            return m.timestamp(m.moment(x.at) + _MICROSECOND)
    return at


def _restated(draft: Draft, group: str, name: str, each: Units, cash: Decimal | None) -> m.Movement:
    """
    Return the movement that restates the units of one symbol.

    One row that removes and one that adds say which units became which.  More of them are of
    several splits of one day: only their sum is known, and each part has its share of it.
    """
    move = _base(draft, group, name, each, m.MoveKind.RATIO)
    signs = [x.qty > 0 for x in each.rows if x.qty]
    if sorted(signs) == [False, True] and not (each.ratio and each.beside_ratio):
        return evolve(move, qty=each.added, from_qty=each.removed, cash=cash)
    by_ratio = [x.qty > 0 for x in each.rows if x.qty and x.ratio is not None]
    if each.ratio is not None and len(by_ratio) == len(set(by_ratio)):
        return evolve(move, qty=each.beside_ratio, ratio=each.ratio, cash=cash)
    return evolve(move, cash=cash)


def _beside(draft: Draft, group: str, moved: dict[str, Units]) -> Iterator[m.Movement]:
    """Yield the movements of units that come beside those of the symbol that entitles to them."""
    for name, each in moved.items():
        move = _base(draft, group, name, each, m.MoveKind.RECEIVED)
        named = next((x.source for x in each.rows if x.source is not None), None)
        source = None if named is None else resolve(draft, named, each.rows[0].at)
        if named is None or source is None or source == move.symbol:
            yield move
            continue
        key = _source_key(group, named)
        at = _place(draft, key, each.rows[0], source, None)
        yield m.Movement(
            key=key,
            symbol=source,
            kind=m.MoveKind.RATIO,
            at=at,
            ratio=Decimal(1),
            reason=move.reason,
        )
        yield _received(draft, move, source, at)


def _assigned(draft: Draft, group: str, moved: dict[str, Units]) -> Iterator[m.Movement]:
    """Yield the movements of an option that ends, and of the units that are delivered for it."""
    option = _ended(draft, group, moved, by_sign=False)
    for name, each in moved.items():
        row = each.rows[0]
        move = evolve(_base(draft, group, name, each, m.MoveKind.AMOUNT), price=row.price)
        if option is None or name == option:
            yield move
            continue
        source = resolve(draft, option, row.at)
        at = _place(draft, _key(group, option), row, source, None)
        before = checkpoints.position_before(draft, source, (at, m.MoveKind.RATIO, ZERO, ""))
        holders = [holder for holder, part in before.by_strategy if part.qty]
        strategy = holders[0] if len(holders) == 1 else ""
        owner = checkpoints.source_of(source)
        yield evolve(move, strategy=strategy or None, owner=owner)


def _exchanged(
    draft: Draft, group: str, moved: dict[str, Units], cash: Decimal | None
) -> Iterator[m.Movement]:
    """Yield the movements of the units of one symbol that became those of others, or cash."""
    ended = _ended(draft, group, moved)
    if ended is None:
        for name, each in moved.items():
            yield _base(draft, group, name, each, m.MoveKind.AMOUNT)
        return
    out = _base(draft, group, ended, moved[ended], m.MoveKind.REMOVED)
    others = {name: each for name, each in moved.items() if name != ended}
    follows = len(others) == 1
    for name, each in others.items():
        move = _base(draft, group, name, each, m.MoveKind.RECEIVED)
        move = evolve(move, from_qty=out.qty, follows_cost=follows, cash=cash if follows else None)
        yield _received(draft, move, out.symbol, out.at)
        # Which of the two ends depends on what was held of both.
        out = evolve(out, owner=checkpoints.source_of(move.symbol))
    yield evolve(out, cash=None if others else cash)


def _ended(
    draft: Draft, group: str, moved: dict[str, Units], *, by_sign: bool = True
) -> str | None:
    """Return the symbol whose units end; None: it is not clear.  *by_sign*: assume a long one."""
    closed, reduced, removed = list[str](), list[str](), list[str]()
    for name, each in moved.items():
        move = _base(draft, group, name, each, m.MoveKind.RECEIVED)
        before = checkpoints.position_before(draft, move.symbol, (move.at, move.kind, ZERO, ""))
        if before.qty and before.qty == -each.net:
            closed.append(name)
        if before.qty * each.net < 0:
            reduced.append(name)
        if each.net < 0:
            removed.append(name)
    candidates = (closed, reduced, removed) if by_sign else (closed, reduced)
    return next((x[0] for x in candidates if len(x) == 1), None)


def _received(draft: Draft, move: m.Movement, source: str, at: m.Timestamp) -> m.Movement:
    """Return *move* with what each part of *source* receives."""
    before = checkpoints.position_before(draft, source, (at, m.MoveKind.REMOVED, ZERO, ""))
    parts = exchanged_units.received_parts(move, before)
    unmatched = -move.from_qty - before.qty if move.from_qty else ZERO
    owner = checkpoints.source_of(source)
    return evolve(move, owner=owner, parts=parts, unmatched=unmatched)
