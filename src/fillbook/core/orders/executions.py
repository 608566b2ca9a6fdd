"""
Executions with their corrections: counted afresh, from all that is known of one id.

A chain is an execution with everything that corrected it.  Its newest member is what
happened; it is dead if a void names that member.  What only one source told of a
correction crosses over to the source that counts, by total, quantity and price of the
execution it names, never by a guess: where that finds none or several, the order is
disputed.  `core.orders.evidence` uses this where running sums no longer do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.model import ZERO

#: Oddities that leave two readings of the same evidence.
DISPUTES = frozenset({m.Oddity.UNMATCHED_CORRECTION, m.Oddity.SUPERSEDED_VOID})

_Odd = tuple[m.Oddity, str]


@frozen(kw_only=True)
class Chain:
    """One execution and its corrections, oldest first; empty if only a void tells of it."""

    root: str
    members: tuple[m.Execution, ...] = ()
    dead: bool = False
    gross: Decimal = ZERO  #: the greatest quantity that any member had
    corrected: bool = False

    @property
    def newest(self) -> m.Execution | None:
        return self.members[-1] if self.members else None

    @property
    def amended(self) -> bool:
        """Whether a void or a correction was told of it."""
        return self.dead or self.corrected

    @property
    def cum(self) -> Decimal:
        """The greatest total that a member bears; 0 if none does."""
        return max((x.cum_qty or ZERO for x in self.members), default=ZERO)


@frozen(kw_only=True)
class Counted:
    """The chains of either source, and of the one that counts with what crossed over."""

    history: tuple[Chain, ...]
    stream: tuple[Chain, ...]
    chosen: tuple[Chain, ...]
    crossed: bool  #: whether something did
    source: m.ExecSource
    oddities: tuple[_Odd, ...]


def choose(executions: Iterable[m.Execution], voids: Iterable[m.TradeBust]) -> Counted:
    """All chains of one broker id, and those that count."""
    executions, voids = tuple(executions), tuple(voids)
    odd: set[_Odd] = set()
    history, stream = (
        chains(
            [x for x in executions if x.source is source],
            [v for v in voids if v.source is source],
            odd,
        )
        for source in (m.ExecSource.HISTORY, m.ExecSource.STREAM)
    )
    if _gross(history) >= _gross(stream):
        source, chosen, other = m.ExecSource.HISTORY, history, stream
    else:
        source, chosen, other = m.ExecSource.STREAM, stream, history
    counted = _cross(chosen, other, odd)
    return Counted(
        history=history,
        stream=stream,
        chosen=counted,
        crossed=counted != chosen,
        source=source,
        oddities=tuple(sorted(odd)),
    )


def _gross(of: Iterable[Chain]) -> Decimal:
    return sum((chain.gross for chain in of), ZERO)


def chains(
    executions: Sequence[m.Execution], voids: Sequence[m.TradeBust], odd: set[_Odd]
) -> tuple[Chain, ...]:
    """The chains of one source, in order of their roots; what is odd goes into *odd*."""
    by_id = {x.exec_id: x for x in executions}
    groups: dict[str, list[tuple[int, m.Timestamp, str]]] = {}
    root_of: dict[str, str] = {}
    for x in executions:
        root, depth = _root(x.exec_id, by_id, odd)
        root_of[x.exec_id] = root
        groups.setdefault(root, []).append((depth, x.at, x.exec_id))
    made = {}
    for root, members in groups.items():
        ordered = tuple(by_id[exec_id] for _, _, exec_id in sorted(members))
        made[root] = Chain(
            root=root,
            members=ordered,
            gross=max(x.qty for x in ordered),
            corrected=any(x.fixes is not None for x in ordered),
        )
    for void in sorted(voids, key=lambda v: (v.exec_id, v.qty or ZERO)):
        root = root_of.get(void.exec_id, void.exec_id)
        made[root] = _void(made.get(root), void, odd)
    return tuple(made[root] for root in sorted(made))


def _root(exec_id: str, by_id: Mapping[str, m.Execution], odd: set[_Odd]) -> tuple[str, int]:
    """The first of the chain that *exec_id* is in (perhaps never seen), and how far back it is."""
    path = [exec_id]
    while (x := by_id.get(path[-1])) is not None and x.fixes is not None:
        if x.fixes in path:
            loop = path[path.index(x.fixes) :]
            odd.add((m.Oddity.CORRECTION_LOOP, min(loop)))
            return min(loop), 0
        path.append(x.fixes)
    return path[-1], len(path) - 1


def _void(chain: Chain | None, void: m.TradeBust, odd: set[_Odd]) -> Chain:
    """*chain* once *void* is told of one of its members, or of an execution never seen."""
    if chain is None or not chain.members:
        gross = max(void.qty or ZERO, ZERO if chain is None else chain.gross)
        return Chain(root=void.exec_id, dead=True, gross=gross)
    newest = chain.members[-1]
    if void.exec_id != newest.exec_id:
        odd.add((m.Oddity.SUPERSEDED_VOID, void.exec_id))
        seen = any(x.exec_id == void.exec_id for x in chain.members)
        qty = ZERO if seen or void.qty is None else void.qty
        return evolve(chain, corrected=True, gross=max(chain.gross, qty))
    return evolve(chain, dead=True)


def _cross(
    chosen: tuple[Chain, ...], other: tuple[Chain, ...], odd: set[_Odd]
) -> tuple[Chain, ...]:
    """*chosen* with the voids and corrections that only *other* told."""
    made = {chain.root: chain for chain in chosen}
    taken: set[str] = set()
    for chain in other:
        if not chain.amended or _told(chain, chosen):
            continue
        roots = {own.root for own in _matches(chain, chosen)}
        if len(roots) != 1 or roots <= taken:  # none, several, or one that another has taken
            odd.add((m.Oddity.UNMATCHED_CORRECTION, chain.root))
            continue
        taken |= roots
        (root,) = roots
        made[root] = _carry(made[root], chain)
    return tuple(made[root] for root in sorted(made))


def _told(chain: Chain, chosen: Iterable[Chain]) -> bool:
    """Whether the source that counts says the same by itself."""
    if not chain.members:  # only a void: told if that source lost just such a quantity
        return any(own.dead and own.gross == chain.gross for own in chosen)
    newest = chain.members[-1]
    for own in chosen:
        if own.newest is None:  # of that quantity, only a void is told here
            if chain.dead and own.gross == chain.gross:
                return True
            continue
        if not alike(own.newest, newest):
            continue
        if own.dead == chain.dead and (own.dead or chain.corrected):
            return True
    return False


def _matches(chain: Chain, chosen: Sequence[Chain]) -> list[Chain]:
    """The chains that hold the execution which was amended; its latest version first."""
    if not chain.members:  # only a void is told: it means that very id, as it stands now
        return [x for x in chosen if x.newest is not None and x.newest.exec_id == chain.root]
    named = [own for own in chosen if any(x.exec_id == chain.root for x in own.members)]
    if named and chain.members[0].fixes == chain.root:
        return named  # a correction of what this source alone has told, by its very id
    for member in reversed(chain.members):
        found = [own for own in chosen if own.newest is not None and alike(own.newest, member)]
        if found:
            return found
    return []


def alike(a: m.Execution, b: m.Execution) -> bool:
    """Whether two sources may mean the same execution: by total (if both tell), qty and price."""
    totals = a.cum_qty is None or b.cum_qty is None or a.cum_qty == b.cum_qty
    return totals and a.qty == b.qty and a.price == b.price


def _carry(own: Chain, told: Chain) -> Chain:
    if not told.members:
        return evolve(own, dead=True, gross=max(own.gross, told.gross))
    newest = told.members[-1]
    return Chain(
        root=own.root,
        members=(*own.members, evolve(newest, cum_qty=own.cum or None)),
        dead=own.dead or told.dead,
        gross=max(own.gross, told.gross),
        corrected=True,
    )
