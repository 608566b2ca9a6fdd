"""
The definition of the evidence of one broker id (P4, P5), a second time.

In the plainest form and without running sums; `test_definition` compares.
"""

from datetime import timedelta
from decimal import Decimal

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.journal.reports_and_fills import canonical_text

LIMIT = Decimal(7)
SOURCES = ("history", "stream")


@frozen
class Result:
    """The result of a set of facts."""

    source: str
    filled: Decimal
    value: Decimal | None
    gap: Decimal
    gap_price: Decimal | None
    complete: bool
    disputed: bool


@frozen
class Link:
    """A chain: its members (oldest first), their greatest quantity, and whether it is busted."""

    root: str
    members: tuple
    gross: Decimal
    dead: bool
    disputed: bool = False
    old: bool = False  # another chain is a newer version
    newer: bool = False  # it is a newer version of another chain, or has an amendment of one

    @property
    def orphan(self):
        return bool(self.members) and self.root not in [x.exec_id for x in self.members]

    @property
    def amended(self):
        return self.dead or self.old or self.corrected

    @property
    def corrected(self):
        return self.disputed or self.newer or any(x.fixes is not None for x in self.members)


def define(facts, *, clocked=True, quantum=Decimal(0)):
    """The algorithm of the definition, in its own steps."""
    executions = {source: one_content_an_id(facts, source) for source in SOURCES}
    busts = {source: fullest(facts, source) for source in SOURCES}
    chains = {source: link(executions[source], busts[source]) for source in SOURCES}
    snap = snapshot(facts, clocked)
    reported = None
    if snap:
        cums = [x.cum_qty or 0 for source in SOURCES for x in executions[source].values()]
        reported = max(snap.filled_qty, *cums, 0)
    highest = max([x.cum_qty or 0 for s in SOURCES for x in executions[s].values()], default=0)
    if highest:
        bound = max(highest, snap.filled_qty if snap else 0)
        chains = {source: newest_versions(chains[source], bound) for source in SOURCES}
    own = {source: own_fills(chains[source], reported, source) for source in SOURCES}
    gross = {source: total_of(own[source]) for source in SOURCES}
    source = "history" if gross["history"] >= gross["stream"] else "stream"
    other = "stream" if source == "history" else "history"
    clocked_reports = [f for f in facts if isinstance(f, m.Reported) and f.report.clock]
    newest = snapshot(clocked_reports, clocked) if clocked and clocked_reports else None
    kept = {c.root for c in own["history"]}
    beside = [*chains["stream"], *(c for c in chains["history"] if c.root not in kept)]
    if newest and is_complete(own["history"], beside, newest.filled_qty):
        source, other, chains = "history", "stream", {"history": own["history"], "stream": []}
    firm = {c.root for c in own[source]}
    orphans = [c for c in chains[source] if c.root not in firm]
    bound = max(highest, snap.filled_qty) if snap else highest or None
    counted, unmatched = cross(own[source], chains[other], orphans, bound)
    living = [c for c in counted if c.members and not c.dead and not c.old]
    net = sum((c.members[-1].qty for c in living), Decimal(0))
    value = sum((c.members[-1].qty * c.members[-1].price for c in living), Decimal(0))
    total = total_of(counted)
    rows_cum = max((x.cum_qty or 0 for c in counted for x in c.members), default=Decimal(0))
    # A bust or a correction of the source that does not count crosses over, or is disputed:
    # in both cases the average may not contain the executions.
    amended = any(c.amended for s in SOURCES for c in (*chains[s], *own[s]))
    if amended and newest:
        snap = newest  # the greatest total may be outdated
    told = max(snap.filled_qty if snap else Decimal(0), Decimal(rows_cum))
    if amended and snap and clocked and snap.clock:
        # A row has the total of before its correction; a later snapshot that of after it.
        latest = max((c.members[-1].at for c in living), default=snap.clock)
        told = snap.filled_qty if snap.clock >= latest else told
    gap = told - total
    if gap < quantum or gap <= 0:
        gap = Decimal(0)
    price = None
    if gap and snap and not amended:
        price = price_of(gap, value, snap, told, [c.members[-1] for c in living])
    if gap:
        value = None if price is None else snap.avg_price * snap.filled_qty
    rows = snap is None or snap.fill_count is None or snap.fill_count == len(living)
    return Result(
        source=source,
        filled=net + gap,
        value=value,
        gap=gap,
        gap_price=price,
        complete=told in (total, net) and rows,  # a bust lowers the total, or not
        disputed=unmatched or any(c.disputed for s in SOURCES for c in chains[s]),
    )


def total_of(chains):
    return sum((c.gross for c in chains), Decimal(0))


def own_fills(chains, reported, source):
    """Step 3: a correction of an unknown execution is a fill only within the reported total."""
    alone = source == "history" or len(chains) == 1
    if reported is None or (total_of(chains) <= reported and alone):
        return chains
    return [c for c in chains if c.old or not c.orphan]


def is_complete(history, others, total):
    """Step 5: the history sums to the total, and the stream corrected nothing after it."""
    living = [c for c in history if c.members and not c.dead and not c.old]
    times = [c.members[-1].at for c in living if c.corrected]
    summed = sum(c.members[-1].qty for c in living)
    if summed != total or any(c.dead for c in (*history, *others)):
        return False
    corrected = [c for c in others if c.amended and c.members]
    later = [c for c in corrected if not times or c.members[-1].at > max(times)]
    rows = [c.members[-1] for c in living]
    return bool(times or corrected) and all(
        any(says_the_same(own, c) for own in history) or is_overtaken(c, rows) for c in later
    )


def is_overtaken(chain, rows):
    """A row of the history begins where the corrected execution does, and is later."""
    places = [begin_of(x) for x in chain.members if x.cum_qty is not None]
    return any(begin_of(row) in places and row.at > chain.members[-1].at for row in rows)


def newest_versions(chains, bound):
    """Step 3: beyond the order's total, rows that begin at the same quantity are one execution."""
    beyond = total_of(chains) > bound
    made = []
    for c in chains:
        same = [x for x in chains if begin(x) is not None and begin(x) == begin(c)]
        plain = [x for x in same if not x.orphan]
        if len(same) < 2 or (not beyond and len(plain) > 1):
            made.append(c)
        elif c == max(same, key=lambda x: (x.members[-1].at, x.members[-1].exec_id)):
            made.append(evolve(c, gross=max(x.gross for x in same), newer=True))
        else:
            made.append(evolve(c, old=True, gross=Decimal(0)))
    return made


def begin_of(x):
    return None if x.cum_qty is None else x.cum_qty - x.qty


def begin(chain):
    if not chain.members or chain.dead or chain.members[-1].cum_qty is None:
        return None
    return chain.members[-1].cum_qty - chain.members[-1].qty


def one_content_an_id(facts, source):
    """Step 1: of two contents under one id, the greatest by canonical text counts."""
    kept = {}
    for fact in facts:
        if isinstance(fact, m.Executed) and fact.execution.source == source:
            x = fact.execution
            kept[x.exec_id] = max(kept.get(x.exec_id, x), x, key=canonical_text)
    return kept


def fullest(facts, source):
    """The busts by the id that they name; a report with a quantity precedes one without."""
    kept = {}
    for fact in facts:
        if isinstance(fact, m.Busted) and fact.bust.source == source:
            v = fact.bust
            kept[v.exec_id] = max(kept.get(v.exec_id) or Decimal(0), v.qty or Decimal(0))
    return kept


def link(by_id, busts):
    """Steps 2, 3 and 4."""

    def way(exec_id):
        x = by_id.get(exec_id)
        return [exec_id] if x is None or x.fixes is None else [*way(x.fixes), exec_id]

    made = []
    roots = {way(exec_id)[0] for exec_id in (*by_id, *busts)}
    for root in sorted(roots):
        members = [x for x in by_id.values() if way(x.exec_id)[0] == root]
        members.sort(key=lambda x: (len(way(x.exec_id)), x.at, x.exec_id))
        named = [exec_id for exec_id in busts if way(exec_id)[0] == root]
        unseen = [busts[exec_id] for exec_id in named if exec_id not in by_id]
        newest = members[-1].exec_id if members else root
        made.append(
            Link(
                root,
                tuple(members),
                gross=max([x.qty for x in members] + unseen),
                dead=newest in named,
                disputed=any(exec_id != newest for exec_id in named),
            )
        )
    return made


def cross(chosen, other, orphans, bound):
    """Step 6: facts of the other source only; and whether one of them had no unique match."""
    room = lacking = 0 if bound is None else bound - total_of([c for c in chosen if not c.old])
    made, unmatched, taken = {c.root: c for c in chosen}, False, []
    old = [c for c in chosen if c.old]
    chosen = [c for c in chosen if not c.old]
    for told in [*other, *orphans]:
        another = told in other
        if not told.amended or (another and any(says_the_same(own, told) for own in chosen)):
            continue
        found, certain = place(told, chosen, lacking, another)
        places = [own.root for own in found]
        newest = told.members[-1:]
        if not places and any(same(x, c.members[-1]) for x in newest for c in old):
            continue  # a version that does not count anyway
        if len(places) != 1 or (places[0] in taken and not certain):
            if not another and not told.dead and told.gross <= room:
                room -= told.gross  # the gap counts it
                continue
            unmatched = True
            continue
        taken += places
        own = made[places[0]]
        # The total stays that of the source that counts.
        moved = tuple(map(fill_like, told.members[-1:]))
        fixed = own.corrected
        if own.members and moved and not told.dead and not fixed:
            # A little later than the correction: the original, or a correction of it.
            lead = m.moment(own.members[-1].at) - m.moment(moved[0].at)
            known = any(same(own.members[-1], x) for x in told.members)
            unmatched |= not known and timedelta() < lead < timedelta(seconds=10)
        if own.members and moved and not told.dead and is_before(moved[0], own.members[-1], fixed):
            moved = ()  # a later correction stays the newest
        made[own.root] = Link(
            own.root,
            own.members + moved,
            max(own.gross, told.gross),
            own.dead or told.dead,
            disputed=own.disputed,
            newer=True,
        )
    return list(made.values()), unmatched


def is_before(a, b, fixed):
    # A row that is much later than a correction of the same fill is a later correction.
    return a.at < b.at if fixed else m.moment(b.at) - m.moment(a.at) >= timedelta(seconds=10)


def fill_like(x):
    base = {"broker_order_id": "b1", "symbol": x.symbol, "side": x.side, "source": x.source}
    return m.Execution(
        **base, exec_id=x.exec_id, qty=x.qty, price=x.price, at=x.at, cum_qty=None, fixes="told"
    )


def says_the_same(own, told):
    if not told.members or not own.members:
        # Of one of them only a bust is known: all that can be compared is how much was lost.
        return told.dead and own.dead and own.gross == told.gross
    newest = same(own.members[-1], told.members[-1])
    return newest and own.dead == told.dead and (own.dead or not told.dead)


def place(told, chosen, lacking, another):
    # A bust of an execution of the chosen source alone names its present id.
    if not told.members:
        named = [own for own in chosen if own.members and own.members[-1].exec_id == told.root]
        return named, True
    # A correction names its execution by id; where the source that counts holds just that
    # id, and the other source holds only the correction, it is meant.
    if told.members[0].fixes == told.root:
        named = [own for own in chosen if told.root in [x.exec_id for x in own.members]]
        if named:
            return named, True
    if told.orphan and begin_of(told.members[-1]) is not None:
        begin_at = begin_of(told.members[-1])
        found = [own for own in chosen if begin_at in map(begin_of, own.members)]
        if len(found) == 1:
            return found, True
    # Its latest version first; in one source another id is another execution.
    for member in reversed(told.members) if another else ():
        found = [own for own in chosen if own.members and same(own.members[-1], member)]
        if found:
            return found, False
    # It corrects the only one, unless the total has another one of its quantity.
    only = told.orphan and len(chosen) == 1 and told.gross > lacking
    return (list(chosen), True) if only else ([], False)


def same(a, b):
    # If the rows of one side have no totals, quantity and price are compared.
    totals = a.cum_qty is None or b.cum_qty is None or a.cum_qty == b.cum_qty
    return totals and (a.qty, a.price) == (b.qty, b.price)


def snapshot(facts, clocked):
    """Step 8; a report without the broker's clock counts if its total is greater."""
    reports = [fact.report for fact in facts if isinstance(fact, m.Reported)]
    if not clocked:
        most = max(r.filled_qty for r in reports)
        # The latest status of the greatest total, unless a stale one came after it.
        return reports[-1] if reports[-1].filled_qty == most else max(reports, key=size)
    with_clock = [r for r in reports if r.clock is not None]
    by_version = max(with_clock, key=version, default=None)
    by_cum = max((r for r in reports if r.clock is None), key=size, default=None)
    if by_version is None or (by_cum and by_cum.filled_qty > by_version.filled_qty):
        return by_cum
    return by_version


def version(r):
    ranks = ["new", "partially_filled", "filled"]
    return (r.clock, r.filled_qty, ranks.index(r.raw_status), size(r))


def size(r):
    return (r.filled_qty, str(r.avg_price or ""), r.fill_count or 0, r.last_fill_at or "")


def price_of(gap, value, snap, told, rows):
    """Step 10."""
    if snap.avg_price is None or told != snap.filled_qty:
        return None
    for x in rows:
        if x.cum_qty is not None and x.cum_qty > snap.filled_qty:
            return None
        if x.cum_qty is None and (snap.last_fill_at is None or x.at > snap.last_fill_at):
            return None
    price = m.EXACT.divide(snap.avg_price * snap.filled_qty - value, gap)
    return price if 0 < price <= LIMIT else None
