"""
The executions of one broker order id with their corrections and busts (steps 2 to 6).

A chain is an execution with all its corrections.  A bust or correction that only one source
reported is applied to the source that counts by total, quantity and price of the execution that
it names, never by a guess: without exactly one match, the order is disputed.

The steps are those of `core.orders.evidence`, which uses this where running sums do not suffice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.errors import present
from fillbook.model import EXACT, ZERO

#: The oddities that make an order DISPUTED.
DISPUTED_ODDITIES = frozenset({m.Oddity.UNMATCHED_CORRECTION, m.Oddity.SUPERSEDED_BUST})

#: Two sources report one event within this time.
_SAME_EVENT: Final = timedelta(seconds=10)

_OddityDetail = tuple[m.Oddity, str]


@frozen(kw_only=True)
class ExecutionChain:
    """One execution and its corrections, oldest first; no members: only a bust is known."""

    root: str
    members: tuple[m.Execution, ...] = ()
    is_busted: bool = False
    gross: Decimal = ZERO  #: the greatest quantity that any member had (step 3)
    is_corrected: bool = False
    is_orphan: bool = False  #: it begins with a correction of an execution that is not known
    is_superseded: bool = False  #: another chain is a newer version of the same execution

    @property
    def newest(self) -> m.Execution | None:
        return self.members[-1] if self.members else None

    @property
    def counted(self) -> m.Execution | None:
        """The newest version, if it counts; None: busted, superseded, or only a bust is known."""
        return None if self.is_busted or self.is_superseded else self.newest

    @property
    def is_amended(self) -> bool:
        """Whether a bust or a correction of it was reported."""
        return self.is_busted or self.is_corrected or self.is_superseded

    @property
    def cum(self) -> Decimal:
        """The highest `cum_qty` of its members; 0: none has one."""
        return max((x.cum_qty or ZERO for x in self.members), default=ZERO)


@frozen(kw_only=True)
class CountedExecutions:
    """The chains of both sources; `chosen`: of the one that counts, with all amendments."""

    history: tuple[ExecutionChain, ...]
    stream: tuple[ExecutionChain, ...]
    chosen: tuple[ExecutionChain, ...]
    has_foreign_amendments: bool  #: `chosen` contains amendments of the other source
    is_amended: bool  #: a bust or a correction was reported, by either source
    source: m.ExecSource
    oddities: tuple[_OddityDetail, ...]


def count_executions(
    executions: Iterable[m.Execution],
    busts: Iterable[m.TradeBust],
    reported: Decimal | None = None,
    current: Decimal | None = None,
) -> CountedExecutions:
    """
    Return the chains of one broker id, and those that count.

    *reported* is the broker's filled total; None: not known.  Within the total, what begins with a
    correction is a fill of its own (in the stream, only if no other fill is known that it could
    correct), and so are executions that begin at the same quantity; beyond it the one corrects a
    known fill, and the others are versions of one.  *current* is the total of the newest report, of
    this id alone; None: not known.
    """
    executions, busts = tuple(executions), tuple(busts)
    oddities: set[_OddityDetail] = set()
    history, stream = (
        build_chains(
            [x for x in executions if x.source is source],
            [x for x in busts if x.source is source],
            oddities,
        )
        for source in (m.ExecSource.HISTORY, m.ExecSource.STREAM)
    )
    highest = max((x.cum_qty or ZERO for x in executions), default=ZERO)
    total = None if reported is None else max(reported, highest)
    if highest:
        bound = highest if total is None else total
        history, stream = (_newest_versions(x, bound) for x in (history, stream))
    own_history, more_history = _own_fills(history, total)
    own_stream, more_stream = _own_fills(stream, total, is_stream=True)
    # Step 5: the source with the greater gross quantity counts.
    if _gross(own_history) >= _gross(own_stream):
        source, chosen, other, more = m.ExecSource.HISTORY, own_history, stream, more_history
    else:
        source, chosen, other, more = m.ExecSource.STREAM, own_stream, history, more_stream
    if current is not None and _is_complete(own_history, (*stream, *more_history), current):
        source, chosen, other, more = m.ExecSource.HISTORY, own_history, (), ()
    effective = _apply_amendments(chosen, other, more, total, oddities)
    return CountedExecutions(
        history=own_history,
        stream=own_stream,
        chosen=effective,
        has_foreign_amendments=effective != chosen,
        is_amended=any(
            chain.is_amended for chain in (*history, *stream, *own_history, *own_stream)
        ),
        source=source,
        oddities=tuple(sorted(oddities)),
    )


def _is_complete(
    history: Sequence[ExecutionChain], others: Sequence[ExecutionChain], current: Decimal
) -> bool:
    """
    Return whether the *history* sums to the order's *current* total, and *others* add nothing.

    Then it lists every execution in its newest version, although the links to older ones are lost.
    What others corrected is listed too, or older than what the history lists as corrected, or than
    its own row of the same execution.
    """
    counted = [(x.counted, x.is_corrected) for x in history if x.counted is not None]
    if sum((x.qty for x, _ in counted), ZERO) != current:
        return False
    if any(chain.is_busted for chain in (*history, *others)):
        return False
    rows = [row for row, _ in counted]
    corrected_at = max((x.at for x, is_corrected in counted if is_corrected), default="")
    corrected = [x for x in others if x.is_corrected and x.members]
    if not corrected_at and not corrected:  # no source reported a correction
        unlisted = [x for x in others if not any(may_be_same(x.members[-1], row) for row in rows)]
        return bool(unlisted) and all(_is_older_version(x, rows) for x in unlisted)
    return all(
        x.members[-1].at <= corrected_at
        or _is_reported_by(x, history)
        or _is_older_version(x, rows)
        for x in corrected
    )


def _is_older_version(chain: ExecutionChain, rows: Iterable[m.Execution]) -> bool:
    """Return whether one of *rows* is a later version of *chain*: it begins where that does."""
    begins = {_begin_of(x) for x in chain.members} - {None}
    return any(_begin_of(row) in begins and row.at > chain.members[-1].at for row in rows)


def _own_fills(
    chains: tuple[ExecutionChain, ...], total: Decimal | None, *, is_stream: bool = False
) -> tuple[tuple[ExecutionChain, ...], tuple[ExecutionChain, ...]]:
    """Return the chains that are fills, and the orphans that may be corrections of them."""
    if total is None or (_gross(chains) <= total and not (is_stream and len(chains) > 1)):
        return chains, ()
    firm = tuple(chain for chain in chains if chain.is_superseded or not chain.is_orphan)
    return firm, tuple(chain for chain in chains if chain not in firm)


def _newest_versions(
    chains: tuple[ExecutionChain, ...], total: Decimal
) -> tuple[ExecutionChain, ...]:
    """
    Return the *chains* of one source; of versions of one execution only the newest counts.

    Executions that begin at the same quantity of the order's total are versions of one if they sum
    to more than the *total*: such a source lists a correction beside the original, and does not say
    what it corrects.  Within the total they are if they say that they correct something.
    """
    is_beyond = _gross(chains) > total
    versions: dict[Decimal, list[ExecutionChain]] = {}
    for chain in chains:
        if chain.counted is not None and (begin := _begin_of(chain.counted)) is not None:
            versions.setdefault(begin, []).append(chain)
    by_root = {chain.root: chain for chain in chains}
    for same in versions.values():
        if is_beyond or sum(not x.is_orphan for x in same) <= 1:
            by_root |= _joined(same)
    return tuple(by_root[chain.root] for chain in chains)


def _joined(same: Sequence[ExecutionChain]) -> dict[str, ExecutionChain]:
    """Return the versions of one execution by root: all but the newest are superseded."""
    # Step 3: the gross quantity is the greatest that any version had.
    gross = max(x.gross for x in same)
    joined = {x.root: evolve(x, is_superseded=True, gross=ZERO) for x in same}
    newest = max(same, key=_age)
    corrects = newest.is_corrected or len(same) > 1
    return joined | {newest.root: evolve(newest, gross=gross, is_corrected=corrects)}


def _age(chain: ExecutionChain) -> tuple[m.Timestamp, str]:
    newest = present(chain.newest, "the newest version of a chain")
    return newest.at, newest.exec_id


def _begin_of(x: m.Execution) -> Decimal | None:
    """Return the order's total before an execution; None: not known in the same unit."""
    return None if x.cum_qty is None or x.in_quote else EXACT.subtract(x.cum_qty, x.qty)


def _gross(chains: Iterable[ExecutionChain]) -> Decimal:
    return sum((chain.gross for chain in chains), ZERO)


def build_chains(
    executions: Sequence[m.Execution], busts: Sequence[m.TradeBust], oddities: set[_OddityDetail]
) -> tuple[ExecutionChain, ...]:
    """Return the chains of one source, sorted by root; anomalies are added to *oddities*."""
    by_id = {x.exec_id: x for x in executions}
    groups: dict[str, list[tuple[int, m.Timestamp, str]]] = {}
    root_of: dict[str, str] = {}
    for x in executions:
        # Step 2: a correction belongs to the chain of the execution that it corrects.
        root, depth = _root_of(x.exec_id, by_id, oddities)
        root_of[x.exec_id] = root
        groups.setdefault(root, []).append((depth, x.at, x.exec_id))
    by_root = {}
    for root, members in groups.items():
        # Oldest first: by depth, then by time, then by id.
        ordered = tuple(by_id[exec_id] for _, _, exec_id in sorted(members))
        by_root[root] = ExecutionChain(
            root=root,
            members=ordered,
            gross=max(x.qty for x in ordered),  # step 3
            is_corrected=any(x.fixes is not None for x in ordered),
            is_orphan=root not in by_id,
        )
    for bust in sorted(busts, key=lambda x: (x.exec_id, x.qty or ZERO)):
        root = root_of.get(bust.exec_id, bust.exec_id)
        by_root[root] = _apply_bust(by_root.get(root), bust, oddities)
    return tuple(by_root[root] for root in sorted(by_root))


def _root_of(
    exec_id: str, by_id: Mapping[str, m.Execution], oddities: set[_OddityDetail]
) -> tuple[str, int]:
    """Return the root of the chain of *exec_id* (perhaps unreported), and its distance (step 2)."""
    path = [exec_id]
    while (x := by_id.get(path[-1])) is not None and x.fixes is not None:
        if x.fixes in path:
            loop = path[path.index(x.fixes) :]
            oddities.add((m.Oddity.CORRECTION_LOOP, min(loop)))
            return min(loop), 0
        path.append(x.fixes)
    return path[-1], len(path) - 1


def _apply_bust(
    chain: ExecutionChain | None, bust: m.TradeBust, oddities: set[_OddityDetail]
) -> ExecutionChain:
    """Return *chain* with a bust of a member, or of an execution that was not reported."""
    if chain is None or not chain.members:
        gross = max(bust.qty or ZERO, ZERO if chain is None else chain.gross)
        return ExecutionChain(root=bust.exec_id, is_busted=True, gross=gross)
    newest = chain.members[-1]
    # Step 4: whether a bust of an older version includes its correction is not known.
    if bust.exec_id != newest.exec_id:
        oddities.add((m.Oddity.SUPERSEDED_BUST, bust.exec_id))
        is_member = any(x.exec_id == bust.exec_id for x in chain.members)
        qty = ZERO if is_member or bust.qty is None else bust.qty
        return evolve(chain, is_corrected=True, gross=max(chain.gross, qty))
    return evolve(chain, is_busted=True)  # step 4


def _apply_amendments(
    chosen: tuple[ExecutionChain, ...],
    other: tuple[ExecutionChain, ...],
    more: tuple[ExecutionChain, ...],
    total: Decimal | None,
    oddities: set[_OddityDetail],
) -> tuple[ExecutionChain, ...]:
    """
    Return *chosen* with the busts and corrections that only *other* reported (step 6).

    *more* are the orphans of the same source.  One without a match is a fill whose original was
    lost, as long as the *total* has room for it: the gap counts it.
    """
    by_root = {chain.root: chain for chain in chosen}
    superseded = [x.newest for x in chosen if x.is_superseded and x.newest is not None]
    chosen = tuple(x for x in chosen if not x.is_superseded)
    taken: set[str] = set()
    lacking = room = ZERO if total is None else total - _gross(chosen)
    for chain in (*other, *more):
        is_own = chain in more
        if not chain.is_amended or (not is_own and _is_reported_by(chain, chosen)):
            continue
        matches, is_certain = _matches(chain, chosen, lacking, is_own=is_own)
        roots = {match.root for match in matches}
        newest = chain.newest
        if not roots and newest and any(may_be_same(newest, x) for x in superseded):
            continue  # a version that does not count anyway
        # None, several, or one that is already matched and may not be meant again.
        if len(roots) != 1 or (roots <= taken and not is_certain):
            if is_own and not chain.is_busted and chain.gross <= room:
                room -= chain.gross
                continue
            oddities.add((m.Oddity.UNMATCHED_CORRECTION, chain.root))
            continue
        taken |= roots
        (root,) = roots
        if _is_order_unclear(chain, by_root[root]):
            oddities.add((m.Oddity.UNMATCHED_CORRECTION, chain.root))
        by_root[root] = _with_amendment(by_root[root], chain)
    return tuple(by_root[root] for root in sorted(by_root))


def _is_reported_by(chain: ExecutionChain, chosen: Iterable[ExecutionChain]) -> bool:
    """Return whether the source that counts reported the same bust or correction itself."""
    if not chain.members:  # only a bust: reported if that source busted the same quantity
        return any(match.is_busted and match.gross == chain.gross for match in chosen)
    newest = chain.members[-1]
    for match in chosen:
        if match.newest is None:  # here only a bust of that quantity is known
            if chain.is_busted and match.gross == chain.gross:
                return True
            continue
        if not may_be_same(match.newest, newest):
            continue
        if match.is_busted == chain.is_busted and (match.is_busted or chain.is_corrected):
            return True
    return False


def _matches(
    chain: ExecutionChain, chosen: Sequence[ExecutionChain], lacking: Decimal, *, is_own: bool
) -> tuple[list[ExecutionChain], bool]:
    """
    Return the chains that contain the amended execution; its latest version is tried first.

    Return also whether no other execution can be meant.  *lacking* is the quantity that the total
    has beside *chosen*.  *is_own*: of the same source, where another id is another execution.
    """
    if not chain.members:  # only a bust: it names the newest version by its id
        named = [x for x in chosen if x.newest is not None and x.newest.exec_id == chain.root]
        return named, True
    holders = [match for match in chosen if any(x.exec_id == chain.root for x in match.members)]
    if holders and chain.members[0].fixes == chain.root:
        return holders, True  # it corrects an execution of this source, by its id
    begin = _begin_of(chain.members[-1])
    found = [x for x in chosen if begin is not None and begin in map(_begin_of, x.members)]
    if chain.is_orphan and len(found) == 1:
        return found, True  # fills of one order do not overlap
    for member in () if is_own else reversed(chain.members):
        found = [
            match
            for match in chosen
            if match.newest is not None and may_be_same(match.newest, member)
        ]
        if found:
            return found, False
    # The total proves that an orphan is no other fill; then it corrects the only one.
    is_of_the_only_one = chain.is_orphan and len(chosen) == 1 and chain.gross > lacking
    return (list(chosen), True) if is_of_the_only_one else ([], False)


def may_be_same(a: m.Execution, b: m.Execution) -> bool:
    """Return whether two sources may report the same fill: by total, quantity and price."""
    same_total = a.cum_qty is None or b.cum_qty is None or a.cum_qty == b.cum_qty
    return same_total and a.qty == b.qty and a.price == b.price


def _is_older(correction: m.Execution, known: m.Execution, match: ExecutionChain) -> bool:
    """
    Return whether *correction* is older than the newest version that *match* has.

    A row without a reference is a correction too if it is later than a correction of the same fill;
    two sources report one event at slightly different times.
    """
    if match.is_corrected:
        return correction.at < known.at
    return m.moment(known.at) - m.moment(correction.at) >= _SAME_EVENT


def _is_order_unclear(correction: ExecutionChain, match: ExecutionChain) -> bool:
    """
    Return whether it is unknown which version is the newest: the *correction*, or that of *match*.

    A row without a reference that is a little later may be the original, or a later correction.
    """
    known = match.newest
    if known is None or correction.is_busted or match.is_corrected or not correction.members:
        return False
    lead = m.moment(known.at) - m.moment(correction.members[-1].at)
    is_known = any(may_be_same(known, x) for x in correction.members)
    return not is_known and timedelta() < lead < _SAME_EVENT


def _with_amendment(match: ExecutionChain, other: ExecutionChain) -> ExecutionChain:
    """Return the chain *match* with the bust or corrections of *other*."""
    if not other.members:
        return evolve(match, is_busted=True, gross=max(match.gross, other.gross))
    newest, known = other.members[-1], match.newest
    # A correction that is later stays the newest one, although the links between them are lost.
    is_older = known is not None and not other.is_busted and _is_older(newest, known, match)
    members = (
        match.members if is_older else (*match.members, evolve(newest, cum_qty=match.cum or None))
    )
    return ExecutionChain(
        root=match.root,
        members=members,
        is_busted=match.is_busted or other.is_busted,
        gross=max(match.gross, other.gross),
        is_corrected=True,
    )
