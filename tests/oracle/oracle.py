"""
An oracle: what a record may show at any moment, computed from the exchange's own facts.

It shares no code with the core. `observe` is called after every event: while faults are on, the
record may know less than the exchange, but never more, and its sums hold. `at_rest` computes
positions and P&L from the exchange's executions, for an idle record that has read everything.
"""

from collections import defaultdict
from decimal import Decimal

from fillbook import model as m

ZERO = Decimal(0)
CENT = Decimal("0.01")
#: Statuses of an order that the exchange does not have.
NEVER_THERE = {"unproven", "denied", "absent", "rejected"}


class Oracle:
    """Compares one desk's book with the truth of its account; each finding is a sentence."""

    def __init__(self, desk, truth):
        self._book, self._truth, self._store = desk.book, truth, desk._recorder.store
        self._filled = {}

    # -- after every event -------------------------------------------------------------

    def observe(self):
        """What is wrong now, whatever has not been received yet; empty: nothing."""
        theirs = {order.id: order for order in self._truth.orders()}
        fills = defaultdict(list)
        for fill in self._truth.fills():
            fills[fill.order_id].append(fill)
        found = []
        for order in self._book.orders():
            ids = self._book.record(order).ids
            found += self._fills_of(order, ids, fills)
            if not ids and order.status.value not in NEVER_THERE:
                found.append(f"{order.client_order_id} is {order.status} without a broker id")
            found += [
                f"{order.client_order_id}: the exchange has no {i}" for i in ids if i not in theirs
            ]
        return found + self._sums() + self._reserves(theirs)

    def _fills_of(self, order, ids, fills):
        """Never more than was ever executed, and never less than before without a bust."""
        name, seen = order.client_order_id, self._filled.get(order.client_order_id, ZERO)
        self._filled[name] = order.filled_qty
        rows = [fill for i in ids for fill in fills[i]]
        if order.status.value == "disputed":
            return []  # the record itself says that its sources contradict each other
        amended = any(fill.is_busted or fill.corrects is not None for fill in rows)
        most = sum((largest(fill, rows) for fill in rows if fill.corrects is None), ZERO)
        found = []
        if order.filled_qty > most:
            found.append(f"{name}: filled {order.filled_qty}, at most {most} were executed")
        if order.filled_qty < seen and not amended:
            found.append(f"{name}: filled {order.filled_qty}, before {seen}")
        return found

    def _sums(self):
        """P9: a position is the sum of its movements, and the parts are the whole."""
        with self._store.read() as reader:
            moves, positions = reader.all(m.Movement), reader.all(m.Position)
        found = []
        for position in positions:
            qty = ZERO
            own = (move for move in moves if move.symbol == position.symbol)
            for move in sorted(own, key=lambda x: (x.at, x.kind, x.cum, x.key)):
                qty = folded(qty, move)
            if qty != position.qty:
                found.append(f"{position.symbol}: {position.qty} held, movements sum to {qty}")
            parts = sum((part.qty for _, part in position.by_strategy), ZERO)
            if parts != position.qty:
                found.append(f"{position.symbol}: {position.qty} held, parts sum to {parts}")
        return found

    def _reserves(self, theirs):
        """P7: what a living order of ours may still cost is reserved."""
        reserved = {x.client_order_id: x.charge for x in self._book.reservations()}
        found = []
        for order in self._book.orders(open=True):
            record = self._book.record(order)
            if record.intent is None or record.intent.reserve is None:
                continue
            if not record.intent.reserve.opens:
                continue
            live = [theirs[i] for i in record.ids if i in theirs and not theirs[i].is_final]
            cost = max((x.leaves_qty * (x.limit_price or ZERO) for x in live), default=ZERO)
            if cost > reserved.get(order.client_order_id, ZERO):
                name = order.client_order_id
                found.append(f"{name} may cost {cost}, {reserved.get(name, ZERO)} are reserved")
        return found

    # -- at rest -----------------------------------------------------------------------

    def at_rest(self, symbols):
        """The differences of quantity and realized P&L of shares, from the executions alone."""
        found = []
        for symbol in symbols:
            qty, realized = average_cost(
                fill
                for fill in self._truth.fills()
                if fill.symbol == symbol and not (fill.is_busted or fill.is_corrected)
            )
            ours = self._book.position(symbol)
            if ours.qty != qty:
                found.append(f"{symbol}: {ours.qty} held, {qty} executed")
            if ours.account.realized is None or abs(ours.account.realized - realized) > CENT:
                found.append(f"{symbol}: realized {ours.account.realized}, computed {realized}")
        return found


def largest(fill, rows):
    """The largest quantity that an execution or one of its corrections had."""
    versions, names = [fill.qty], {fill.exec_id}
    for row in rows:
        if row.corrects in names:
            versions.append(row.qty)
            names.add(row.exec_id)
    return max(versions)


def folded(qty, move):
    """The quantity after one movement."""
    if move.kind is m.MoveKind.ANCHOR:
        return move.qty
    return qty * move.ratio if move.kind is m.MoveKind.RATIO else qty + move.qty


def average_cost(fills):
    """(quantity, realized P&L) of executions in the order of their times, by average cost."""
    qty, cost, realized = ZERO, ZERO, ZERO
    for fill in sorted(fills, key=lambda x: (x.at, x.cum_qty)):
        signed = fill.qty if fill.side.value == "buy" else -fill.qty
        if qty * signed >= 0:
            qty, cost = qty + signed, cost + fill.qty * fill.price
            continue
        closed = min(fill.qty, abs(qty))
        share = cost * closed / abs(qty)
        realized += (closed * fill.price - share) * (1 if qty > 0 else -1)
        cost -= share
        rest = fill.qty - closed
        qty += signed
        if rest:
            cost = rest * fill.price
    return qty, realized
