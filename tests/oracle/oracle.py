"""
An oracle: what a record may show at any moment, computed from the exchange's own facts.

It shares no code with the core.  A record knows some of the exchange's facts, by their ids; the
oracle computes from the facts themselves what an account that knows these holds: positions, cash,
the parts of the strategies, realized P&L.  `observe` is called after every event: while faults are
on, the record may know fewer facts than there are, but what it shows is their sum.  `at_rest` holds
an idle record that has read everything to all facts.

Of units that a merger or a spin-off exchanged it computes no parts and no P&L; the days of
`tests.scenarios.corporate` do.

Each finding is a pair: the symbol or "cash" that it is about, and a sentence.
"""

from collections import defaultdict
from decimal import Decimal
from zoneinfo import ZoneInfo

from fillbook import model as m
from tests.oracle.facts import Facts, own_id
from tests.oracle.holdings import NOBODY, ZERO, Holdings

NEW_YORK = ZoneInfo("America/New_York")
CENT = Decimal("0.01")
#: Sums of averages are rounded in the last places.
ROUNDING = Decimal("0.000001")
#: Statuses of an order that the exchange does not have.
NEVER_THERE = {"unproven", "denied", "absent", "rejected"}


class Oracle:
    """
    Compares one desk's book with the truth of its account.

    It is made right after the opening balance was taken, while nothing happens.  *strategies* are
    the strategies of the bot's keys; None: all orders have the strategy of their request.
    """

    def __init__(self, desk, truth, strategies=None):
        self.follow(desk)
        self._truth, self._strategies, self._filled = truth, strategies, {}
        self._facts = Facts(truth)
        held = truth._trading.history.ledger.now.positions
        self._facts.opened({symbol: position.avg_price for symbol, position in held.items()})

    def follow(self, desk):
        """Compare the book of *desk*, a new process on the same record."""
        self._book, self._store = desk.book, desk._recorder.store

    def new_fills(self):
        """Return the executions since the opening balance that stand."""
        self._facts.refresh()
        return self._facts.new_fills()

    # -- after every event -------------------------------------------------------------

    def observe(self):
        """What is wrong now, whatever has not been received yet; empty: nothing."""
        self._facts.refresh()
        orders = self._book.orders()
        records = {order.client_order_id: self._book.record(order) for order in orders}
        with self._store.read() as reader:
            moves, positions = reader.all(m.Movement), reader.all(m.Position)
            cash, rows = reader.get(m.Cash, "cash"), reader.all(m.Activity)
        self._own_up(orders)
        found = []
        for order in orders:
            found += self._order(order, records[order.client_order_id].ids, moves)
        known = {position.symbol: position for position in positions}
        for symbol in {*known, *(move.symbol for move in moves)}:
            own = [move for move in moves if move.symbol == symbol]
            position = known.get(symbol) or m.Position(symbol=symbol)
            found += [(symbol, x) for x in self._position(position, own)]
        found += [("cash", x) for x in self._cash(cash, moves, rows)]
        return found + self._reserves(records)

    def _own_up(self, orders):
        """Note the orders of which the record itself says that its sources contradict."""
        self._unclear = {
            order.broker_order_id for order in orders if order.status.value == "disputed"
        }
        for order in orders:
            if order.broker_order_id in self._unclear:
                self._unclear |= set(self._book.record(order).ids)

    def _order(self, order, ids, moves):
        """Never more than was ever executed, and never less than before without a bust."""
        name, symbol, facts = order.client_order_id, order.terms.symbol, self._facts
        seen, self._filled[name] = self._filled.get(name, ZERO), order.filled_qty
        found = [f"{name}: the exchange has no {i}" for i in ids if i not in facts.orders]
        if not ids and order.status.value not in NEVER_THERE:
            found.append(f"{name} is {order.status} without a broker id")
        posted = sum((abs(move.qty) for move in moves if move.owner in ids), ZERO)
        if posted != order.filled_qty:
            found.append(f"{name}: filled {order.filled_qty}, its fills sum to {posted}")
        for strategy in {self._strategy_of(i) for i in ids if i in facts.orders}:
            if strategy != (order.strategy or NOBODY):
                found.append(f"{name} is of {order.strategy!r}, placed for {strategy!r}")
        rows = [fill for fill in facts.fills.values() if fill.order_id in ids]
        amended = any(fill.is_busted or fill.corrects is not None for fill in rows)
        most = sum((facts.gross[i] for i in ids), ZERO)
        if order.filled_qty > most and not self._unclear & set(ids):
            found.append(f"{name}: filled {order.filled_qty}, at most {most} were executed")
        if order.filled_qty < seen and not amended:
            found.append(f"{name}: filled {order.filled_qty}, before {seen}")
        return [(symbol, x) for x in found]

    def _strategy_of(self, order_id):
        """Return the strategy for which the bot placed an order; NOBODY: it did not."""
        client_order_id = self._facts.client_id(order_id)
        if not client_order_id.startswith(m.ID_PREFIX):
            return NOBODY
        if self._book.record(order_id).client_order_id.startswith("?"):
            return NOBODY  # only its fills were reported so far, and nothing says whose it is
        record = self._book.record(client_order_id)
        if self._strategies is None or record.order.key is None:
            # What replaces a canceled order is placed without a key, for the same strategy.
            return (None if record.intent is None else record.intent.request.strategy) or NOBODY
        return self._strategies[record.order.key] or NOBODY

    # -- positions ---------------------------------------------------------------------

    def _position(self, position, moves):
        """P9: a position, its parts and its P&L are those of the facts that the record knows."""
        if any(is_exchange(move) for move in moves):
            return self._parts(position)  # at rest the units are compared, and their cash
        facts, found = self._facts_of(position.symbol, moves)
        if found:
            return found
        ours, theirs = position.account, Holdings(facts)
        if ours.qty != theirs.account.qty:
            found.append(f"{ours.qty} held, the known facts sum to {theirs.account.qty}")
        if differs(ours.realized, theirs.account.realized):
            found.append(f"realized {ours.realized}, computed {theirs.account.realized}")
        parts, found = dict(position.by_strategy), found + self._parts(position)
        for name in {*parts, *theirs.parts}:
            ours, computed = parts.get(name, m.Holding()), theirs.parts.get(name)
            qty, realized = (ZERO, ZERO) if computed is None else (computed.qty, computed.realized)
            if ours.qty != qty or differs(ours.realized, realized):
                found.append(
                    f"part {name!r}: {ours.qty} realized {ours.realized}, "
                    f"computed {qty} realized {realized}"
                )
        return found

    def _parts(self, position):
        """P9: the parts of the strategies sum to the position."""
        parts = dict(position.by_strategy)
        if sum((part.qty for part in parts.values()), ZERO) == position.qty:
            return []
        return [f"{position.qty} held, its parts are {shown(parts)}"]

    def _facts_of(self, symbol, moves):
        """Return the facts that *moves* name, and what is wrong with their names."""
        fills = [x for x in moves if x.kind is m.MoveKind.FILL]
        clear = [x for x in fills if x.owner not in self._unclear]
        facts, found = self._facts.trades(clear, self._strategy_of)
        unclear, _ = self._facts.trades(
            [x for x in fills if x.owner in self._unclear], self._strategy_of
        )
        facts += unclear
        name = self._facts.name
        rows = [x for x in self._facts.rows.values() if x.symbol is not None]
        splits = [x for x in rows if x.ratio and name(x.symbol) == name(symbol)]
        for move in moves:
            if "/source/" in move.key:
                continue  # a mark without an effect
            if move.key.startswith("action/"):  # a group of rows: of a split, here it is one
                row = next((x for x in splits if is_row_of(x, move)), None)
                splits = [x for x in splits if x is not row]
            elif move.key.startswith("activity/"):
                row = self._facts.rows.get(own_id(move.key.removeprefix("activity/")))
            else:
                continue
            has_ratio = move.ratio is not None
            fact = row and self._facts.row_fact(row, move.at, has_ratio=has_ratio)
            if fact is None or name(row.symbol) != name(symbol):
                found.append(f"no units moved by {move.key}")
            else:
                facts.append(fact)
        # Until a rename is read, the opening balance is of the old name.
        if symbol in self._facts.opening or any(x.key.startswith("anchor/") for x in moves):
            facts.append(self._facts.opening_of(symbol))
        return facts, found

    # -- cash --------------------------------------------------------------------------

    def _cash(self, cash, moves, rows):
        """The cash is the opening balance and the flows of the facts; None: one is not known."""
        facts = self._facts
        expected = facts.cash
        for row in rows:
            known = facts.rows.get(own_id(row.activity_id))
            if known is None:
                return [f"the exchange has no row {row.activity_id}"]
            expected += facts.cash_of(known)
        trades, _ = facts.trades([x for x in moves if x.kind is m.MoveKind.FILL], lambda _: NOBODY)
        new = [x for x in trades if not x.is_old]
        if any(x.price is None for x in new):
            return [] if cash.amount is None else [f"{cash.amount}, but a price is not known"]
        expected -= sum((x.qty * x.price for x in new), ZERO)
        if differs(cash.amount, expected):
            return [f"{cash.amount}, the known facts sum to {expected}"]
        return []

    def _reserves(self, records):
        """P7: what a living order of ours may still cost is reserved."""
        theirs = self._facts.orders
        reserved = {x.client_order_id: x.charge for x in self._book.reservations()}
        found = []
        for name, record in records.items():
            if record.order.is_final or record.intent is None or record.intent.reserve is None:
                continue
            if not record.intent.reserve.opens:
                continue
            live = [theirs[i] for i in record.ids if i in theirs and not theirs[i].is_final]
            cost = max((x.leaves_qty * (x.limit_price or ZERO) for x in live), default=ZERO)
            if cost > reserved.get(name, ZERO):
                text = f"{name} may cost {cost}, {reserved.get(name, ZERO)} are reserved"
                found.append((record.terms.symbol, text))
        return found

    # -- at rest -----------------------------------------------------------------------

    def at_rest(self):
        """What an idle record lacks that has read everything; pending fees are allowed."""
        found = self.observe()
        with self._store.read() as reader:
            moves, rows = reader.all(m.Movement), reader.all(m.Activity)
            due = reader.get(m.Cash, "cash").fee_due
        fills = [x for x in moves if x.kind is m.MoveKind.FILL and x.reason != "inferred"]
        known = {self._facts.content(x.key) for x in fills}
        lacking = [x for x in self._facts.new_fills() if self._facts.content_of(x) not in known]
        found += [(x.symbol, f"execution {x.exec_id} is not in the record") for x in lacking]
        read = {own_id(row.activity_id) for row in rows}
        lacking = [x for x in self._facts.new_rows() if x.id not in read]
        found += [(x.symbol or "cash", f"row {x.kind} {x.id} is not read") for x in lacking]
        held = self._truth.positions()
        for symbol in {*held, *(x.symbol for x in self._book.positions())}:
            ours, theirs = self._book.position(symbol), held.get(symbol, ZERO)
            if not ours.qty - ours.fee_due <= theirs <= ours.qty:
                found.append((symbol, f"{ours.qty} (fees {ours.fee_due}), truth {theirs}"))
        cash, actual = self._book.cash(), self._truth.cash()
        if cash is None or not cash - due - CENT <= actual <= cash:
            found.append(("cash", f"{cash} (fees {due}), truth {actual}"))
        return found

    def settled(self):
        """The same when the exchange has posted all fees: nothing is pending, all is equal."""
        found, held = self.at_rest(), self._truth.positions()
        for symbol in {*held, *(x.symbol for x in self._book.positions())}:
            if self._book.position(symbol).qty != held.get(symbol, ZERO):
                ours = self._book.position(symbol)
                found.append((symbol, f"{ours.qty}, truth {held.get(symbol)}, all fees posted"))
        if self._book.cash() != self._truth.cash():
            found.append(
                ("cash", f"{self._book.cash()}, truth {self._truth.cash()}, all fees posted")
            )
        return found


def is_exchange(move):
    """Whether a movement is of units that became those of another symbol, or came beside them."""
    kinds = (m.MoveKind.REMOVED, m.MoveKind.RECEIVED, m.MoveKind.AMOUNT)
    return move.key.startswith("action/") and move.kind in kinds


def is_row_of(row, move):
    """Whether a split is the one of a movement: by its ratio, or if it has none by its day."""
    if move.ratio is not None:
        return row.ratio == move.ratio
    day = m.moment(row.at).astimezone(NEW_YORK).date()
    return f":{day}T" in move.key


def differs(ours, computed):
    """Whether two sums differ; an unknown one is None."""
    if ours is None or computed is None:
        return ours is not computed
    return abs(ours - computed) > ROUNDING


def shown(parts):
    by_name = defaultdict(lambda: ZERO, {name: part.qty for name, part in parts.items()})
    return dict(by_name)
