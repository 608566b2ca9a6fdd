"""
Catching up: the orders for the trades that a bot wrote into its own record and never sent.

Rule 1: what is sent is the smaller of what the rows lack and of what the account lacks, if both are
of one sign.  Trades that a person made by hand count as the account's.
Rule 2: one order a symbol and strategy, of the difference.
Rule 3: a row that was settled never counts again, in any file; what settled it is remembered with
it (`SettledTrade.matched`), so that the fills are not credited to another row.
Rule 4: what is unknown is not acted on: such a row is listed with its reason.

Rows and fills are restated by the splits since their time.  An order of ours that equals a row by
its side explains the row even if the position was closed since: an exit is no trade of the bot, and
what it closed is not opened again.

Other halves: `core.plans.local_trades`, which reads the rows, and `desk.plans.catch_up`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import Factory, define, evolve, frozen

from fillbook import model as m
from fillbook.core.plans.local_trades import identities
from fillbook.model import ZERO

_O: Final = m.TradeOutcome
#: What belongs to no strategy, which includes the trades by hand.
_NONE: Final = ""
_NET: Final = "the net quantity of the rows is at the broker"
#: The statuses of orders that were never at the broker: their rows are missing.
_NEVER_SENT: Final = frozenset({m.OrderStatus.ABSENT, m.OrderStatus.DENIED})
_UNCONFIRMED: Final = frozenset(
    {m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED, m.OrderStatus.UNRECOGNISED}
)


@frozen
class AccountFill:
    """
    A fill of the account, in signed base units of its own day.

    `strategy` None: its strategy is unknown, as of a trade by hand; ``""``: the bot placed it for
    no strategy.  `is_ours`: the bot placed its order.
    """

    at: m.Timestamp
    qty: Decimal
    strategy: str | None
    is_ours: bool


@frozen(kw_only=True)
class SymbolFacts:
    """
    What is known of one symbol.

    `fills` are those since the date, without those that settled rows by an order of a catch-up.
    `splits` are times with the new units per old unit; None: unknown.  `held` is the signed
    position by strategy, `live` the open orders that are no exits: strategy and side.  `problem` is
    why nothing is sent; None: nothing is in the way.  `step` > 0 is the increment of quantities.
    """

    symbol: str
    fills: Sequence[AccountFill] = ()
    splits: Sequence[tuple[m.Timestamp, Decimal | None]] = ()
    orders: Mapping[str, m.Order] = Factory(dict)  #: by each id that a row may name
    settled: Sequence[m.SettledTrade] = ()
    held: Mapping[str, Decimal] = Factory(dict)
    live: Sequence[tuple[str, m.OrderSide]] = ()
    problem: tuple[m.TradeOutcome, str] | None = None
    step: Decimal = Decimal(1)
    least: Decimal = ZERO


@frozen(kw_only=True)
class Settlement:
    """A row that is settled: its identity, and the part that the account has already."""

    key: str
    line: int
    at: m.Timestamp
    symbol: str
    strategy: str
    matched: Decimal


@frozen(kw_only=True)
class MissingOrder:
    """The order of one symbol and strategy: a signed quantity, and the rows that it settles."""

    symbol: str
    strategy: str
    qty: Decimal
    settles: tuple[Settlement, ...]


@frozen
class CatchUpPlan:
    """The outcome of each row, the orders, and the rows that are settled without an order."""

    rows: tuple[m.TradeRow, ...]
    orders: tuple[MissingOrder, ...]
    found: tuple[Settlement, ...]


@define(eq=False)
class _Row:
    """One row, while it is compared: a mutable builder."""

    trade: m.LocalTrade
    key: str
    place: int  #: its place among all rows
    qty: Decimal = ZERO  #: signed, in the units of today


@m.exact
def plan_catch_up(
    trades: Iterable[m.LocalTrade | m.UnreadableTrade],
    facts: Mapping[str, SymbolFacts],
    since: m.Timestamp,
    now: m.Timestamp,
    settled: Mapping[str, m.TradeOutcome],
) -> CatchUpPlan:
    """
    Compare the bot's own record with the account; send nothing.

    *facts* are by the symbol that a row names.  *settled* are the rows of earlier calls by their
    identity: settled, or being sent.
    """
    rows: list[m.TradeRow] = []
    groups: dict[str, list[_Row]] = defaultdict(list)
    for place, (trade, key, number) in enumerate(identities(trades)):
        row = _first_outcome(trade, number, facts, since, now, settled.get(key))
        rows.append(row)
        if row.outcome is _O.TO_SEND and isinstance(trade, m.LocalTrade):
            groups[facts[trade.symbol].symbol].append(_Row(trade, key, place))
    by_symbol = {x.symbol: x for x in facts.values()}
    orders: list[MissingOrder] = []
    found: list[Settlement] = []
    for symbol, group in groups.items():
        _Comparison(by_symbol[symbol], since, rows).compare(group, orders, found)
    return CatchUpPlan(tuple(rows), tuple(orders), tuple(found))


def _first_outcome(
    trade: m.LocalTrade | m.UnreadableTrade,
    number: int,
    facts: Mapping[str, SymbolFacts],
    since: m.Timestamp,
    now: m.Timestamp,
    settled: m.TradeOutcome | None,
) -> m.TradeRow:
    """Return the outcome of a row that is not compared, or TO_SEND."""
    if isinstance(trade, m.UnreadableTrade):
        return m.TradeRow(trade.line, _O.UNREADABLE, None, trade.text, trade.why)
    outcome, why = _O.TO_SEND, ""
    if number > 1 and trade.trade_id is not None:
        outcome, why = _O.DUPLICATE, f"an earlier row has the id {trade.trade_id} too"
    elif trade.at > now:
        outcome, why = _O.IN_THE_FUTURE, f"{trade.at} is after now; check the time zone of the rows"
    elif trade.at < since:
        outcome = _O.BEFORE_SINCE
    elif settled is not None:
        outcome = settled
    elif (problem := facts[trade.symbol].problem) is not None:
        outcome, why = problem
    elif number > 1:
        why = f"number {number} of the rows that say the same; it counts as another trade"
    return m.TradeRow(trade.line, outcome, trade, "", why)


@define(eq=False)
class _Comparison:
    """Compares the rows of one symbol with its facts."""

    _facts: SymbolFacts
    _since: m.Timestamp
    _rows: list[m.TradeRow]  #: the outcomes of all rows, by place
    #: What earlier calls and the ids of orders explain of the fills, by strategy.
    _explained: dict[str, Decimal] = Factory(lambda: defaultdict(Decimal))
    #: The same and the rows, by strategy and sign.
    _sides: dict[tuple[str, int], Decimal] = Factory(lambda: defaultdict(Decimal))
    _missing: dict[str, list[_Row]] = Factory(lambda: defaultdict(list))

    def compare(
        self, group: Sequence[_Row], orders: list[MissingOrder], found: list[Settlement]
    ) -> None:
        rest = [row for row in group if self._is_restated(row)]
        for mark in self._facts.settled:
            if mark.at >= self._since:
                self._credit(mark.strategy, self._restated(mark.matched, mark.settled_at))
        found += self._match_orders(rest)
        for name, rows in self._missing.items():
            for row in rows:
                self._sides[name, _sign(row.qty)] += row.qty
        needs = self._needs()
        for name, rows in self._missing.items():
            order = self._order(name, rows, needs[name], found)
            if order is not None:
                orders.append(order)

    # -- quantities in the units of today -----------------------------------------------

    def _is_restated(self, row: _Row) -> bool:
        qty = row.trade.signed_qty
        if any(at > row.trade.at and ratio is None for at, ratio in self._facts.splits):
            self._set(row, _O.SPLIT_UNCLEAR, "a split since then has no known ratio")
            return False
        row.qty = self._restated(qty, row.trade.at)
        return True

    def _restated(self, qty: Decimal, at: m.Timestamp) -> Decimal:
        for split_at, ratio in self._facts.splits:
            if split_at > at and ratio is not None:
                qty *= ratio
        return qty

    def _credit(self, strategy: str, qty: Decimal) -> None:
        """Count *qty* of the account's fills as explained by rows."""
        self._explained[strategy] += qty
        self._sides[strategy, _sign(qty)] += qty

    def _set(self, row: _Row, outcome: m.TradeOutcome, why: str, sent: Decimal = ZERO) -> None:
        before = self._rows[row.place]
        text = "; ".join(x for x in (before.why, why) if x)
        self._rows[row.place] = evolve(before, outcome=outcome, why=text, sent_qty=sent)

    def _set_all(self, rows: Iterable[_Row], outcome: m.TradeOutcome, why: str) -> None:
        for row in rows:
            self._set(row, outcome, why)

    # -- rows with the id of an order ----------------------------------------------------

    def _match_orders(self, rows: Sequence[_Row]) -> list[Settlement]:
        """Compare the rows that name an order; the others are left in `_missing`."""
        by_order: dict[str, tuple[m.Order, list[_Row]]] = {}
        for row in rows:
            order = self._facts.orders.get(row.trade.client_order_id or "")
            if order is None or order.status in _NEVER_SENT:
                self._missing[row.trade.strategy or _NONE].append(row)
            elif order.side is not row.trade.side or order.symbol != self._facts.symbol:
                why = f"order {order.client_order_id} is a {order.side} of {order.symbol}"
                self._set(row, _O.ORDER_DIFFERS, why)
            else:
                by_order.setdefault(order.client_order_id, (order, []))[1].append(row)
        found: list[Settlement] = []
        for order, own in by_order.values():
            found += self._match_order(order, own)
        return found

    def _match_order(self, order: m.Order, rows: Sequence[_Row]) -> list[Settlement]:
        strategy, left = order.strategy or _NONE, order.filled_qty
        wanted = sum((x.trade.qty for x in rows), ZERO)
        is_whole = left >= wanted
        outcome, why = _O.FOUND, f"order {order.client_order_id} is {order.status}"
        if not is_whole:
            outcome = _O.PARTLY_FILLED if order.is_final else _O.WORKING
            outcome = _O.UNCONFIRMED if order.status in _UNCONFIRMED else outcome
            why += f", filled {m.plain(left)} of {m.plain(wanted)}"
        found = []
        for row in rows:
            part = min(left, row.trade.qty)
            left -= part
            matched = self._restated(row.trade.side.sign * part, row.trade.at)
            self._credit(strategy, matched)
            self._set(row, outcome, why)
            if is_whole or outcome is _O.PARTLY_FILLED:
                found.append(self._settlement(row, strategy, matched))
        return found

    def _settlement(self, row: _Row, strategy: str, matched: Decimal) -> Settlement:
        trade = row.trade
        return Settlement(
            key=row.key,
            line=trade.line,
            at=trade.at,
            symbol=self._facts.symbol,
            strategy=strategy,
            matched=matched,
        )

    # -- rows without -------------------------------------------------------------------

    def _needs(self) -> dict[str, Decimal]:
        """
        Return what the account lacks by strategy.

        Trades by hand are shared out once: to what was settled before, to rows without a strategy,
        and then to the strategies in the order of their rows.
        """
        theirs: dict[str | None, Decimal] = defaultdict(Decimal)
        for fill in self._facts.fills:
            theirs[fill.strategy] += self._restated(fill.qty, fill.at)
        by_hand = theirs.pop(None, ZERO)
        needs = {name: self._explained[name] - theirs[name] for name in self._strategies()}
        for name, lack in needs.items():
            part = _smaller(lack, by_hand)
            by_hand -= part
            needs[name] = lack - part
        for name, rows in self._missing.items():
            needs[name] += sum((x.qty for x in rows), ZERO)
        for name, need in needs.items():
            part = _smaller(need, by_hand)
            by_hand -= part
            needs[name] = need - part
        needs[_NONE] -= by_hand  # what is left belongs to no strategy
        return needs

    def _strategies(self) -> list[str]:
        """Return the strategies, after what belongs to none."""
        return list(dict.fromkeys([_NONE, *self._explained, *self._missing]))

    def _order(
        self, strategy: str, rows: Sequence[_Row], need: Decimal, found: list[Settlement]
    ) -> MissingOrder | None:
        """Return the order of one strategy, and set the outcome of its rows."""
        total = sum((x.qty for x in rows), ZERO)
        qty = _smaller(total, need)
        if need and not qty:
            self._set_all(rows, _O.NOT_CLEAR, self._unclear(total, need))
            return None
        qty = self._not_explained(strategy, qty)
        if not qty:
            self._set_all(rows, _O.FOUND, _NET)
            found += [self._settlement(x, strategy, x.qty) for x in rows]
            return None
        rounded = m.cut(qty, self._facts.step)
        problem = self._problem(strategy, qty, rounded)
        if problem is not None:
            self._set_all(rows, *problem)
            return None
        settles, left = list[Settlement](), qty
        for row in sorted(rows, key=lambda x: (x.trade.at, x.place), reverse=True):
            sent = _smaller(row.qty, left)
            left -= sent
            settles.append(self._settlement(row, strategy, row.qty - sent))
            is_sent = bool(sent) or qty == total
            self._set(
                row, _O.TO_SEND if is_sent else _O.FOUND, self._detail(row, sent, qty, total), sent
            )
        return MissingOrder(
            symbol=self._facts.symbol, strategy=strategy, qty=rounded, settles=tuple(settles)
        )

    def _unclear(self, total: Decimal, need: Decimal) -> str:
        more = f"{m.plain(abs(need))} {'less' if need > 0 else 'more'} than all rows together"
        return (
            f"the rows sum to {m.plain(total)}, and the account has {more}: nothing can be sent "
            "without doubt; give the rows the ids of their orders, or a later date"
        )

    def _detail(self, row: _Row, sent: Decimal, qty: Decimal, total: Decimal) -> str:
        if qty == total or sent == row.qty:
            return ""
        if not sent:
            return _NET
        return f"{m.plain(abs(sent))} are missing, the rest is at the broker"

    def _not_explained(self, strategy: str, qty: Decimal) -> Decimal:
        """Return the part of *qty* that our own orders of its side did not fill."""
        if not qty:
            return qty
        sign = _sign(qty)
        filled = sum(
            (
                self._restated(x.qty, x.at)
                for x in self._facts.fills
                if x.is_ours and (x.strategy or _NONE) == strategy and x.qty * sign > 0
            ),
            ZERO,
        )
        return _smaller(qty, self._sides[strategy, sign] - filled)

    def _problem(
        self, strategy: str, qty: Decimal, rounded: Decimal
    ) -> tuple[m.TradeOutcome, str] | None:
        """Return why an order of signed *qty* is not sent; None: it is."""
        facts = self._facts
        side = m.OrderSide.BUY if qty > 0 else m.OrderSide.SELL
        if any(x in ((strategy, side), (_NONE, side)) for x in facts.live):
            return _O.OPEN_ORDER, f"an open {side} order of {facts.symbol} may still be it"
        held = facts.held.get(strategy, ZERO)
        if side is m.OrderSide.SELL and held < -qty:
            whose = f"strategy {strategy!r}" if strategy else "no strategy"
            return (
                _O.NO_POSITION,
                f"{m.plain(-qty)} are to be sold, and {m.plain(max(ZERO, held))} are held by "
                f"{whose}; to give a position to a strategy, see `fillbook assign`",
            )
        if not rounded or abs(rounded) < facts.least:
            least = max(facts.step, facts.least)
            return _O.BELOW_MINIMUM, f"{m.plain(abs(qty))} is below the minimum of {m.plain(least)}"
        return None


def _sign(qty: Decimal) -> int:
    return 1 if qty > 0 else -1


def _smaller(a: Decimal, b: Decimal) -> Decimal:
    """Return the one nearer to zero if both have one sign, else 0."""
    if a * b <= 0:
        return ZERO
    return min(a, b) if a > 0 else max(a, b)
