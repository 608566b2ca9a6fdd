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

Other halves: `core.holdings.action_rows`, which reads the rows of a group, and
`core.holdings.restated_units`, which folds the movements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.holdings import action_keys, restated_units, split_rows
from fillbook.core.holdings.action_rows import Units, events_of, units_by_symbol
from fillbook.core.journal import checkpoints, renames
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import replace_movements
from fillbook.core.journal.placing import is_part, placed
from fillbook.core.plans.exits import successors
from fillbook.core.position import fold
from fillbook.core.symbol_names import resolve
from fillbook.model import ZERO

_K = m.ActivityKind
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)
#: The kinds that count when they are posted, not from a day that is known before.
_WHEN_POSTED: Final = frozenset({_K.ASSIGNMENT, _K.OTHER})
#: How often an entry may derive one group: units that are exchanged in a circle do not end.
_DERIVED_MAX: Final = 3


def post(draft: Draft, group: str) -> None:
    """Post the movements of *group*, in place of those that were derived from fewer rows."""
    rows = [x for x in draft.find(m.Activity, "group", group) if not x.in_opening]
    rows.sort(key=lambda x: (x.at, x.activity_id))
    derived = [
        (x, draft.get(m.Movement, x.key))
        for event in events_of(rows)
        for x in _movements(draft, group, event)
    ]
    # What a person assigned stays assigned.
    new = {
        x.key: evolve(x, strategy=x.strategy or (None if was is None else was.strategy))
        for x, was in derived
    }
    names = {name for x in rows for name in (x.symbol, x.source) if name is not None}
    keys = {key for name in names for key in _keys(group, name, len(rows))}
    old = {key: x for key in keys if (x := draft.get(m.Movement, key)) is not None}
    gone = [x for key, x in old.items() if new.get(key) != x]
    added = [x for key, x in new.items() if old.get(key) != x]
    if gone or added:
        replace_movements(draft, gone, added)
    for x in added:
        for alert in successors.unprotected(draft, x, old.get(x.key)):
            draft.emit(m.EventKind.ALERT, symbol=x.symbol, alert=alert)


def follow(draft: Draft) -> None:
    """Derive again what depends on the positions that this entry has changed in the past."""
    derived: dict[str, int] = defaultdict(int)
    while draft.refolded:
        symbol, first = draft.refolded.popitem()
        dependent = draft.find(m.Movement, "owner", action_keys.source_of(symbol))
        # A dated action of the same day may be after what has changed.
        later = (x for x in dependent if m.moment(x.at) + _DAY > m.moment(first))
        for group in sorted({action_keys.group_of(x.key) for x in later}):
            derived[group] += 1
            if derived[group] <= _DERIVED_MAX:
                post(draft, group)


def _key(group: str, symbol: str) -> str:
    return action_keys.action_key(group, symbol)


def _split_key(group: str, symbol: str, number: int) -> str:
    """Return the key of one of several splits of a group; it sorts by *number*, from 0."""
    return f"{_key(group, symbol)}/{number:03d}" if number else _key(group, symbol)


def _keys(group: str, symbol: str, rows: int) -> list[str]:
    """Return the keys that movements of *symbol* may have, in a group of so many rows."""
    splits_ = (_split_key(group, symbol, number) for number in range(rows))
    return [_source_key(group, symbol), *splits_]


def _source_key(group: str, symbol: str) -> str:
    return action_keys.action_key(group, "source", symbol)


@m.exact
def _movements(draft: Draft, group: str, rows: Sequence[m.Activity]) -> list[m.Movement]:
    units = units_by_symbol(rows)
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
        return list(_splits(draft, group, rows))
    if kind is _K.SYMBOL_CHANGE and len(moved) == 2 and not sum(x.net for x in moved.values()):
        return list(_renamed(draft, group, moved, min(x.at for x in rows)))
    if len(moved) == 1:
        ((symbol, each),) = moved.items()
        if kind is _K.SYMBOL_CHANGE:
            return []  # the row of the other name is not known yet
        if each.added and each.removed:  # another number of the security, for instance
            move = _base(draft, group, symbol, each, m.MoveKind.RATIO)
            return [_restated(move, each, cash, is_exchange=split_rows.are_opposite(each.rows))]
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
            owner=action_keys.source_of(move.symbol),
        )


def _base(draft: Draft, group: str, name: str, each: Units, kind: m.MoveKind) -> m.Movement:
    """Return a movement of *kind* at its place among the movements of its symbol."""
    row = each.rows[0]
    symbol, key = resolve(draft, name, row.at), _key(group, name)
    return _movement(key, symbol, kind, _place(draft, key, row, symbol, each), each)


def _movement(key: str, symbol: str, kind: m.MoveKind, at: m.Timestamp, each: Units) -> m.Movement:
    reason = str(each.rows[0].kind)
    return m.Movement(key=key, symbol=symbol, kind=kind, at=at, qty=each.net, reason=reason)


def _place(draft: Draft, key: str, row: m.Activity, symbol: str, each: Units | None) -> m.Timestamp:
    """Return the time of a movement of the group."""
    begin, end = _window(draft, key, row, symbol, each)
    if each is None or begin == end:
        return begin
    return _moment(draft, symbol, each, begin, _moves_within(draft, symbol, begin, end, (key,)))


def _moves_within(
    draft: Draft, symbol: str, begin: m.Timestamp, end: m.Timestamp, own: Collection[str]
) -> list[m.Movement]:
    """Return the movements of a symbol from *begin* to before *end*, except the *own* ones."""
    moves = checkpoints.movements_since(draft, symbol, begin)
    return [x for x in moves if x.at < end and x.key not in own]


def _among_adjustments(
    draft: Draft, row: m.Activity, symbol: str, each: Units | None
) -> m.Timestamp:
    """Return the time of a row that was not posted yet: it is not in a balance adjustment."""
    held = draft.get(m.Position, symbol) or m.Position(symbol=symbol)
    cash = draft.get(m.Cash, "cash")
    by_ids = cash is not None and cash.by_ids
    net = ZERO if each is None else each.net
    if each is not None and each.ratio is not None and not net:
        net = (held.qty - held.adopted) * (each.ratio - 1)  # what it adds to an adopted balance
    if row.kind not in _WHEN_POSTED:
        row = evolve(row, read_at=None)  # a row may be listed before the day on which it counts
    at, _ = placed(row, held.anchored_at, is_part(net, held.adopted), by_ids=by_ids)
    return at


def _moment(
    draft: Draft, symbol: str, each: Units, begin: m.Timestamp, moves: Iterable[m.Movement]
) -> m.Timestamp:
    """
    Return the moment from *begin* on at which the units that end were held.

    An action counts before the first trade of its day.  If other units were held then, it is after
    the first of the *moves* of that day that led to those.
    """
    held = checkpoints.position_before(draft, symbol, (begin, m.MoveKind.RATIO, ZERO, ""))
    ended = {qty for qty in (each.removed, -each.added) if qty}
    if held.qty in ended:
        return begin
    for x in moves:
        held, _ = fold(held, x)
        if held.qty in ended:
            return m.timestamp(m.moment(x.at) + _MICROSECOND)
    return begin


def _splits(draft: Draft, group: str, rows: Sequence[m.Activity]) -> Iterator[m.Movement]:
    """Yield the movements of the splits of one symbol: each at its moment of the day."""
    ((name, each),) = units_by_symbol(rows).items()
    symbol = resolve(draft, name, each.rows[0].at)
    begin, end = _window(draft, _key(group, name), each.rows[0], symbol, each)
    held = checkpoints.position_before(draft, symbol, (begin, m.MoveKind.RATIO, ZERO, "")).qty
    moves = _moves_within(draft, symbol, begin, end, _keys(group, name, len(rows)))
    if held and each.rows[0].kind is _K.DIVIDEND:
        moves = []  # what was held before the day entitles to it
    for number, split in enumerate(split_rows.splits_of(rows, held, moves)):
        at = begin
        if split.after:
            at = m.timestamp(m.moment(moves[split.after - 1].at) + _MICROSECOND)
        (part,) = units_by_symbol(split.rows).values()
        cash = sum((x.cash for x in split.rows if x.cash), ZERO) or None
        key = _split_key(group, name, number)
        is_exchange = split_rows.is_exchange(split.rows, split_rows.quantities(held, moves))
        move = _movement(key, symbol, m.MoveKind.RATIO, at, part)
        yield _restated(move, part, cash, is_exchange=is_exchange)


def _window(
    draft: Draft, key: str, row: m.Activity, symbol: str, each: Units | None
) -> tuple[m.Timestamp, m.Timestamp]:
    """
    Return from when on, and before when, the movement *key* may have happened.

    A dated row has its day until it was read, on the side of the balance adjustments on which it
    was posted first; any other row has one moment.  A correction that is later than the action may
    move the fill that it corrects to its own time.
    """
    posted = draft.get(m.Movement, key)
    at = _among_adjustments(draft, row, symbol, each) if posted is None else posted.at
    day_ends = m.timestamp(m.moment(row.at) + _DAY)
    if not row.dated or not row.at <= at < day_ends:
        return at, at
    moves = checkpoints.movements_since(draft, symbol, row.at)
    adjusted = [x.at for x in moves if x.kind is m.MoveKind.ANCHOR]
    before = [m.timestamp(m.moment(x) + _MICROSECOND) for x in adjusted if x < at]
    begin = max((row.at, *before))
    read = [] if each is None else [x.read_at for x in each.rows if x.read_at is not None]
    ends = [day_ends, *(x for x in adjusted if x >= at)]
    return begin, min(ends if not read else [*ends, max(begin, *read)])


def _restated(
    move: m.Movement, each: Units, cash: Decimal | None, *, is_exchange: bool
) -> m.Movement:
    """
    Return *move*, which restates the units of one symbol.

    *is_exchange*: one row removes and one adds, so it is known which units became which.  Of other
    rows, which no moment of the day fits, only the sum is known, and each part has its share of it.
    """
    move = evolve(move, owner=action_keys.source_of(move.symbol))
    if is_exchange and not (each.ratio and each.beside_ratio):
        return evolve(move, qty=each.added, from_qty=each.removed, cash=cash)
    if each.ratio is not None:
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
        owner = action_keys.source_of(source)
        yield evolve(move, strategy=strategy or None, owner=owner)


def _exchanged(
    draft: Draft, group: str, moved: dict[str, Units], cash: Decimal | None
) -> Iterator[m.Movement]:
    """Yield the movements of the units of one symbol that became those of others, or cash."""
    ended = _ended(draft, group, moved)
    if ended is None:
        yield from _exchanged_together(draft, group, moved)
        return
    out = _base(draft, group, ended, moved[ended], m.MoveKind.REMOVED)
    others = {name: each for name, each in moved.items() if name != ended}
    follows = len(others) == 1
    source = out.symbol
    for name, each in others.items():
        move = _base(draft, group, name, each, m.MoveKind.RECEIVED)
        move = evolve(move, from_qty=out.qty, follows_cost=follows, cash=cash if follows else None)
        yield evolve(
            _received(draft, move, out.symbol, out.at), owner=action_keys.source_of(source)
        )
        source = move.symbol
    # Which of them ends depends on what was held of each: each has an owner that derives this.
    out = evolve(out, owner=action_keys.source_of(source)) if others else out
    yield evolve(out, cash=None if others else cash)


def _exchanged_together(draft: Draft, group: str, moved: dict[str, Units]) -> Iterator[m.Movement]:
    """
    Yield the movements of units that were exchanged together: it is unknown which became which.

    If each of the symbols that end was held in the same proportion, the units that are received
    are too, at an unknown cost.  Otherwise they belong to no strategy until a person assigns them.
    """
    before = {}
    for name, each in moved.items():
        move = _base(draft, group, name, each, m.MoveKind.RECEIVED)
        before[name] = checkpoints.position_before(
            draft, move.symbol, (move.at, move.kind, ZERO, "")
        )
    ended = [x for x, each in moved.items() if before[x].qty * each.net < 0]
    first = before[ended[0]] if ended else None
    is_followed = first is not None and all(
        restated_units.are_alike(first, before[x]) for x in ended
    )
    # A change of any of the symbols that end derives all of this again.
    for name, each in moved.items():
        if first is None or not is_followed:
            yield _base(draft, group, name, each, m.MoveKind.AMOUNT)
        elif name in ended:
            next_one = before[ended[ended.index(name) - 1]].symbol
            move = _base(draft, group, name, each, m.MoveKind.REMOVED)
            yield evolve(move, owner=action_keys.source_of(next_one))
        else:
            move = _base(draft, group, name, each, m.MoveKind.RECEIVED)
            parts = restated_units.received_parts(move, first)
            yield evolve(move, owner=action_keys.source_of(first.symbol), parts=parts)


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
    parts = restated_units.received_parts(move, before)
    unmatched = -move.from_qty - before.qty if move.from_qty else ZERO
    owner = action_keys.source_of(source)
    return evolve(move, owner=owner, parts=parts, unmatched=unmatched)
