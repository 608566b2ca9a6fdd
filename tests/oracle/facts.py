"""
The facts of an account, from the exchange alone: executions in all versions, rows, the opening.

A record names the facts that it knows by their ids; their content is taken from here.  A fact that
the exchange does not have, that is counted twice or larger than it was, is a finding.
"""

from collections import Counter, defaultdict
from decimal import Decimal

from fillbook.venue.exchange import ActivityKind
from tests.oracle.holdings import ZERO, Fact

#: A reported average is rounded to nine places.
ROUNDING = Decimal("0.000001")
#: The length of a timestamp up to its microseconds.
MICROSECONDS = len("2026-03-02T15:00:00.000000")


class Facts:
    """The exchange's facts; `opened` notes which of them the opening balance includes."""

    def __init__(self, truth):
        self._truth, self._versions = truth, truth._trading.orders._versions
        self.opening, self.cash = {}, ZERO
        self._old_fills, self._old_rows, self._owed = set(), set(), Counter()
        self.refresh()

    def opened(self, prices):
        """Note the opening balance: units, average *prices* by symbol, and cash."""
        self.refresh()
        self.opening = {s: (qty, prices[s]) for s, qty in self._truth.positions().items()}
        self.cash = self._truth.cash()
        self._old_fills, self._old_rows = set(self._roots), set(self.rows)
        owed = Counter(fee_key(x.symbol, x.price, x.fee) for x in self.fills.values() if x.fee)
        self._owed = owed - Counter(map(key_of_row, self._fee_rows(self.rows)))
        self.refresh()

    def refresh(self):
        """Read the exchange."""
        self.orders = {x.id: x for x in self._truth.orders()}
        fills = self._truth.fills()
        self.fills = {x.exec_id: x for x in fills}
        self._by_stream_id = {x.stream_id: x for x in fills}
        self.rows = {x.id: x for x in self._truth.activities()}
        self._roots, self.gross = {}, defaultdict(lambda: ZERO)
        largest = {}
        for fill in fills:  # oldest first: a correction is after what it corrects
            root = fill.exec_id if fill.corrects is None else self._roots[fill.corrects]
            self._roots[fill.exec_id] = root
            if fill.qty > largest.get(root, ZERO):
                self.gross[fill.order_id] += fill.qty - largest.get(root, ZERO)
                largest[root] = fill.qty
        # The row of a fee of an earlier fill changes nothing: the opening balance includes it.
        owed, self._inert = Counter(self._owed), set()
        for row in self._fee_rows(x for x in self.rows if x not in self._old_rows):
            if owed[key_of_row(row)] > 0:
                owed[key_of_row(row)] -= 1
                self._inert.add(row.id)

    def _fee_rows(self, ids):
        return [self.rows[i] for i in ids if self.rows[i].kind is ActivityKind.CRYPTO_FEE]

    def name(self, symbol):
        """Return the present name of what was or is listed as *symbol*."""
        return self._truth._trading.history._state.current_symbol(symbol)

    def is_old_order(self, order_id):
        return any(
            x.order_id == order_id and self._roots[x.exec_id] in self._old_fills
            for x in self.fills.values()
        )

    def client_id(self, order_id):
        """Return the client order id of the bot: before all replaces, of a leg its parent's."""
        return self.orders[self._first_of(order_id)].client_order_id

    def _first_of(self, order_id):
        while order_id in self.orders:
            order = self.orders[order_id]
            before = order.replaces if order.replaces is not None else order.parent_id
            if before is None:
                break
            order_id = before
        return order_id

    # -- executions --------------------------------------------------------------------

    def execution(self, key):
        """Return the execution that a movement names, by its id in the history or the stream."""
        owner, _, name = key.split("/")
        exec_id = own_id(name)
        found = self.fills.get(exec_id) or self._by_stream_id.get(exec_id)
        return found if found is not None and found.order_id == owner else None

    def content(self, key):
        """Return what counts of the execution that a movement names; None: there is none."""
        found = self.execution(key)
        return None if found is None else self.content_of(found)

    def content_of(self, fill):
        """Return what is the same in every version that may stand for an execution."""
        return self._roots[fill.exec_id], fill.qty, fill.price

    def trades(self, moves, strategy_of):
        """Return the facts that movements of fills name, and what is wrong with them."""
        facts, found, roots, rows = [], [], Counter(), defaultdict(list)
        for move in moves:
            fill = None if move.reason == "inferred" else self.execution(move.key)
            if fill is None and move.reason != "inferred":
                found.append(f"the exchange has no execution {move.key}")
                continue
            rows[move.owner].append((move, fill))
            if fill is not None:
                roots[self._roots[fill.exec_id]] += 1
                facts.append(self._trade(fill, move.at, strategy_of(fill.order_id)))
            else:
                facts.append(
                    Fact(
                        what="trade",
                        at=move.at,
                        qty=move.qty,
                        price=move.price,
                        strategy=strategy_of(move.owner),
                        is_old=self.is_old_order(move.owner),
                    )
                )
        found += [f"execution {root} is counted {n} times" for root, n in roots.items() if n > 1]
        chains = Counter()
        for owner, known in rows.items():
            found += self._of_one_id(owner, known)
            chains[self._first_of(owner)] += sum((abs(move.qty) for move, _ in known), ZERO)
        for first, total in chains.items():
            most = sum((self.gross[i] for i in self.orders if self._first_of(i) == first), ZERO)
            if total > most:
                found.append(f"order {first}: {total} counted, at most {most} were executed")
        return facts, found

    def _trade(self, fill, known_at, strategy):
        # The stream stamps an event some nanoseconds after its fill: within a microsecond the order
        # of a fill and a row is that of the record.
        is_same = fill.at[:MICROSECONDS] == known_at[:MICROSECONDS]
        return Fact(
            what="trade",
            at=known_at if is_same else fill.at,
            qty=fill.qty * fill.side.sign,
            price=fill.price,
            strategy=strategy,
            is_old=self._roots[fill.exec_id] in self._old_fills,
        )

    def _of_one_id(self, owner, known):
        """A total at a price that the exchange reported for the id."""
        if owner not in self.orders:
            return [f"the exchange has no order {owner}"]
        total = sum((abs(move.qty) for move, _ in known), ZERO)
        gap = [move for move, fill in known if fill is None]
        if not gap or gap[0].price is None:
            return []
        value = sum(
            (
                (move.qty * move.price if fill is None else fill.qty * fill.price)
                * (1 if fill is None else fill.side.sign)
                for move, fill in known
            ),
            ZERO,
        )
        reported = {
            (x.filled_avg_price or ZERO) * x.filled_qty for _, x in self._versions.get(owner, ())
        }
        slack = ROUNDING * max(total, 1)
        if any(abs(abs(value) - x) <= slack for x in reported):
            return []
        return [f"order {owner}: {total} for {value}, which was never reported"]

    # -- rows --------------------------------------------------------------------------

    def row_fact(self, row, at, *, has_ratio=True):
        """
        Return the fact of a row of the account's history; None: it moves no units.

        *has_ratio*: the client reads the ratio of a split, and not only the units that it adds.
        """
        if row.ratio is not None:
            what, qty = ("ratio", row.ratio) if has_ratio else ("restated", row.qty)
        elif row.qty is None or row.kind is ActivityKind.DIVIDEND:
            return None
        else:
            what = "fee" if row.kind is ActivityKind.CRYPTO_FEE else "move"
            qty = ZERO if row.id in self._inert else row.qty
        is_old = row.id in self._old_rows
        rank = {"ratio": 0, "restated": 0, "move": 2, "fee": 3}[what]
        return Fact(what=what, at=at, qty=qty, price=row.price, is_old=is_old, rank=rank)

    def cash_of(self, row):
        """Return by how much a row changes the cash after the opening balance."""
        is_included = row.id in self._inert or row.id in self._old_rows
        return ZERO if is_included else row.cash or ZERO

    def opening_of(self, symbol, at=""):
        held = {self.name(x): of for x, of in self.opening.items()}
        qty, price = held.get(self.name(symbol), (ZERO, ZERO))
        return Fact(what="opening", at=at, qty=qty, price=price)

    def new_fills(self):
        """Return the executions after the opening that stand: not busted, not corrected."""
        return [
            x
            for x in self.fills.values()
            if self._roots[x.exec_id] not in self._old_fills and not (x.is_busted or x.is_corrected)
        ]

    def new_rows(self):
        """Return the rows after the opening balance."""
        return [x for x in self.rows.values() if x.id not in self._old_rows]


def own_id(name):
    """Return the exchange's id in the id that a client reads: Alpaca's begins with the time."""
    return name.rpartition("::")[2]


def fee_key(symbol, price, fee):
    return symbol, price, abs(fee)


def key_of_row(row):
    return fee_key(row.symbol, row.price, row.cash if row.qty is None else row.qty)
