"""
P&L: what was gained and lost, by symbol, by strategy or by day, from the movements of the record.

The quantities of the strategies are those of `core.position`; their cost is that of their lots.
The P&L of a symbol is the sum of those of its strategies: every amount is booked once, with its
symbol, strategy, day and currency, and each view is a sum of the same amounts.  What is unknown is
counted by its name, and the known parts around it are kept.

A dividend, interest or a fee that the broker posts as a row belongs to no strategy.  An amount that
a corporate action moves from one symbol to another is cost, no P&L.

Other half: `core.holdings.lots`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, assert_never

from attrs import Factory, define, evolve, field, frozen

from fillbook import model as m
from fillbook.core import pairs, position, symbol_names
from fillbook.core.holdings import restated_units
from fillbook.core.holdings.lots import Closed, Lots, Units
from fillbook.core.position import UNATTRIBUTED
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

_U = m.UnknownPart
_INFERRED: Final = str(m.ExecSource.INFERRED)
_DAY: Final = len("2026-03-02")


@frozen
class _Where:
    """Whose an amount is."""

    symbol: str
    strategy: str
    day: str
    currency: str | None


@define(eq=False)
class _Sum:
    """The amounts of one key: a mutable builder."""

    realized: Decimal = ZERO
    unrealized: Decimal = ZERO
    knows: set[str] = Factory(set[str])  #: which of the two have a known part
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    unknown: dict[m.UnknownPart, int] = Factory(dict[m.UnknownPart, int])
    quoted_at: m.Timestamp | None = None

    def count(self, part: m.UnknownPart, number: int = 1) -> None:
        self.unknown[part] = self.unknown.get(part, 0) + number

    def add(self, other: _Sum) -> None:
        self.realized += other.realized
        self.unrealized += other.unrealized
        self.knows |= other.knows
        self.fees += other.fees
        self.dividends += other.dividends
        self.interest += other.interest
        for part, number in other.unknown.items():
            self.count(part, number)
        times = [x for x in (self.quoted_at, other.quoted_at) if x is not None]
        self.quoted_at = min(times, default=None)

    def row(self, key: str, currency: str | None) -> m.Pnl:
        unknown = self.unknown
        no_realized = "realized" not in self.knows and (_U.COST in unknown or _U.PRICE in unknown)
        no_value = "unrealized" not in self.knows and (
            _U.QUOTE in unknown or _U.OPEN_COST in unknown
        )
        return m.Pnl(
            key=key,
            currency=currency,
            realized=None if no_realized else self.realized,
            unrealized=None if no_value else self.unrealized,
            fees=self.fees,
            dividends=self.dividends,
            interest=self.interest,
            unknown=tuple(sorted(unknown.items())),
            quoted_at=self.quoted_at,
        )


@m.exact
def compute_pnl(
    movements: Iterable[m.Movement],
    activities: Iterable[m.Activity] = (),
    quotes: Mapping[str, m.Quote] | None = None,
    *,
    by: m.PnlBy = m.PnlBy.SYMBOL,
    cost: m.CostMethod = m.CostMethod.AVERAGE,
    since: m.Timestamp | None = None,
    quote_currencies: Mapping[str, str] | None = None,
) -> m.PnlReport:
    """
    Compute the P&L of all *movements* of a record; what is before *since* counts as cost only.

    The symbols of *activities* are those of the positions, their currencies None for that of the
    account.  *quotes* value the open units, by position, at the middle of the market; an open
    quantity without one is counted.  *quote_currencies* names the currency of quotes that are not
    in that of the account.
    """
    engine = _Engine(cost, since)
    for move in sorted(movements, key=lambda x: (*x.order, x.symbol)):
        engine.apply(move)
    rows = list(activities)
    with_units = {x.group_id for x in rows if x.qty and x.group_id is not None}
    for row in rows:
        if row.group_id is None or row.group_id not in with_units:
            engine.post(row)
    engine.value(quotes or {}, quote_currencies or {})
    sums: dict[tuple[str, str | None], _Sum] = defaultdict(_Sum)
    totals: dict[str | None, _Sum] = defaultdict(_Sum)
    for where, amounts in engine.cells.items():
        sums[getattr(where, by), where.currency].add(amounts)
        totals[where.currency].add(amounts)
    keys = sorted(sums, key=lambda x: (x[0], x[1] or ""))
    return m.PnlReport(
        by=by,
        cost=cost,
        since=since,
        rows=tuple(sums[key].row(*key) for key in keys),
        totals=tuple(totals[x].row("", x) for x in sorted(totals, key=lambda x: x or "")),
        lots=engine.lots() if cost is m.CostMethod.FIFO else (),
    )


@frozen
class Facts:
    """What a record has for a P&L; its symbols and currencies are those of the positions."""

    movements: tuple[m.Movement, ...]
    activities: tuple[m.Activity, ...]
    open_symbols: tuple[str, ...]
    quote_currencies: Mapping[str, str]  #: of the open symbols that have another one


def facts_of(records: RecordReader) -> Facts:
    """Read the facts of a P&L."""
    bound = records.get(m.Binding, "account")
    rows = []
    for row in records.all(m.Activity):
        symbol = row.symbol
        if symbol is not None:
            symbol = pairs.holding_of(records, symbol_names.resolve(records, symbol, row.at))
        currency = pairs.other_currency(row.currency, bound)
        rows.append(evolve(row, symbol=symbol, currency=currency))
    held = [
        x.symbol
        for x in records.all(m.Position)
        if x.qty or any(part.qty for _, part in x.by_strategy)
    ]
    currencies = {x: pairs.quote_currency(records, records.get(m.Pair, x)) for x in held}
    return Facts(
        tuple(records.all(m.Movement)),
        tuple(rows),
        tuple(held),
        {symbol: x for symbol, x in currencies.items() if x is not None},
    )


@define(eq=False)
class _Engine:
    """Folds movements in the order of their time, and books what each realizes."""

    _method: m.CostMethod
    _since: m.Timestamp | None
    cells: dict[_Where, _Sum] = field(factory=lambda: defaultdict(_Sum))
    _held: dict[str, m.Position] = Factory(dict[str, m.Position])
    _legs: dict[tuple[str, str], Lots] = Factory(dict[tuple[str, str], Lots])
    _closed: list[m.Lot] = Factory(list[m.Lot])

    def apply(self, move: m.Movement) -> None:
        """Apply one movement, not older than those before."""
        before = self._held.get(move.symbol) or m.Position(symbol=move.symbol)
        after, _ = position.fold(before, move)
        self._held[move.symbol] = after
        old = {name: x.qty for name, x in before.by_strategy}
        new = {name: x.qty for name, x in after.by_strategy}
        by = {name: qty - old.get(name, ZERO) for name, qty in new.items()}
        match move.kind:
            case m.MoveKind.FILL | m.MoveKind.PAYMENT:
                self._fee(move)
                price = move.price if move.kind is m.MoveKind.FILL else None
                for name, qty in by.items():
                    self._trade(move, name, qty, price)
            case m.MoveKind.AMOUNT:
                for name, qty in by.items():
                    self._move(move, name, qty)
            case m.MoveKind.FEE:
                for name, qty in by.items():
                    if qty:
                        self._leg(move, name).scale(new[name], move.at)
            case m.MoveKind.RATIO:
                self._restate(move, before.qty, old, new)
            case m.MoveKind.RECEIVED:
                self._receive(move, by)
            case m.MoveKind.REMOVED:
                self._remove(move, old, by)
            case m.MoveKind.ANCHOR:
                self._adjust(move, old, new)
            case _:
                assert_never(move.kind)

    # -- movements ---------------------------------------------------------------------

    def _leg(self, move: m.Movement, name: str) -> Lots:
        return self._legs.setdefault((move.symbol, name), Lots(self._method))

    def _fee(self, move: m.Movement) -> None:
        name = move.strategy or UNATTRIBUTED
        if move.fee:
            self._cell(move, name, move.currency).fees += move.fee
        elif move.fee is None and move.reason == _INFERRED:
            self._cell(move, name, move.currency).count(_U.FEE)
        if move.other_fee is not None:
            cell = self._cell(move, name, move.other_fee.currency)
            cell.fees += move.other_fee.value

    def _priced(self, move: m.Movement, leg: Lots, price: Decimal | None) -> Decimal | None:
        """Return *price*, or None if it is in another currency than the cost of *leg*."""
        if move.kind is m.MoveKind.PAYMENT or leg.currency == move.currency:
            return price
        if not leg.lots:
            leg.currency = move.currency
            return price
        return None

    def _trade(self, move: m.Movement, name: str, qty: Decimal, price: Decimal | None) -> None:
        if qty:
            leg = self._leg(move, name)
            price = self._priced(move, leg, price)
            self._book(move, name, leg, leg.trade(qty, price, move.at))

    def _move(self, move: m.Movement, name: str, qty: Decimal) -> None:
        """Move units without a trade: in at the reported cost, out at their own, without P&L."""
        if not qty:
            return
        leg = self._leg(move, name)
        price = self._priced(move, leg, move.price)
        rest = qty + sum((x.qty for x in leg.take(qty)), ZERO)
        leg.open(rest, None if price is None else abs(rest) * price, move.at)

    def _restate(
        self,
        move: m.Movement,
        held: Decimal,
        old: Mapping[str, Decimal],
        new: Mapping[str, Decimal],
    ) -> None:
        if restated_units.finds_no_units(held, move):
            for name, qty in new.items():
                self._move(move, name, qty - old.get(name, ZERO))
            return
        for name, qty in new.items():
            if not old.get(name):
                continue
            leg, paid = self._leg(move, name), ZERO
            if move.cash and held:
                paid = move.cash * old[name] / held
            if not qty:
                units = Units(old[name], leg.cost, move.at)
                leg.lots.clear()
                self._book(move, name, leg, [Closed(units, abs(paid))])
                continue
            leg.scale(qty, move.at)
            gain = leg.pay_back(abs(paid))
            if gain:
                self._realize(move, name, leg, gain if qty > 0 else -gain)

    def _receive(self, move: m.Movement, by: Mapping[str, Decimal]) -> None:
        """Receive units for those of another symbol, at the cost that these have."""
        source = (move.owner or "").removeprefix("from/")
        held = self._held.get(source, m.Position(symbol=source))
        parts = {name: x.qty for name, x in held.by_strategy}
        for name, qty in by.items():
            leg, units = self._leg(move, name), [Units(qty, None, move.at)]
            known = dict(move.parts).get(name)
            if known is not None and move.follows_cost and known.qty == qty and held.qty:
                gone = min(abs(move.from_qty), abs(held.qty)) / abs(held.qty)
                lots = self._legs.get((source, name), Lots(self._method))
                moved = Lots(self._method)
                moved.lots.extend(
                    Units(x.qty * qty / parts[name], _times(x.cost, gone), x.opened_at)
                    for x in lots.lots
                )
                moved.scale(qty, move.at)
                moved.pay_back(abs((move.cash or ZERO) * parts[name] / held.qty))
                units = list(moved.lots)
                if not leg.lots:
                    leg.currency = lots.currency
            if qty:
                self._book(move, name, leg, leg.add(units))

    def _remove(
        self, move: m.Movement, old: Mapping[str, Decimal], by: Mapping[str, Decimal]
    ) -> None:
        """Remove units: for cash this realizes; for other units their cost has gone with them."""
        gone = {
            name: min(abs(qty), abs(old.get(name, ZERO))) * (1 if qty < 0 else -1)
            for name, qty in by.items()
            if qty * old.get(name, ZERO) < 0
        }
        total = sum(gone.values(), ZERO)
        for name, qty in by.items():
            leg = self._leg(move, name)
            taken = gone.get(name, ZERO)
            if taken:
                units = leg.portion(taken / old[name])
                if move.cash is not None and total:
                    paid = abs(move.cash * taken / total)
                    closed = [Closed(x, paid * x.qty / taken) for x in units]
                    self._book(move, name, leg, closed)
            self._move(move, name, qty + taken)

    def _adjust(
        self, move: m.Movement, old: Mapping[str, Decimal], new: Mapping[str, Decimal]
    ) -> None:
        """Set a balance: units of a strategy that are gone were closed at an unknown price."""
        unattributed, given = new.get(UNATTRIBUTED, ZERO), ZERO
        if move.strategy and new.get(move.strategy) != old.get(move.strategy):
            given = new[move.strategy] - old.get(move.strategy, ZERO)
            unattributed += given
        if unattributed != old.get(UNATTRIBUTED, ZERO):
            leg = self._leg(move, UNATTRIBUTED)
            leg.lots.clear()
            leg.currency = move.currency
            leg.open(unattributed, _times(abs(unattributed), move.price), move.at)
        for name, qty in new.items():
            by = qty - old.get(name, ZERO)
            if name != UNATTRIBUTED and name != move.strategy and by:
                self._trade(move, name, by, None)
        if given and move.strategy:
            source, leg = self._leg(move, UNATTRIBUTED), self._leg(move, move.strategy)
            if not leg.lots:
                leg.currency = source.currency
            self._book(move, move.strategy, leg, leg.add(source.portion(Decimal(1))))

    # -- amounts -----------------------------------------------------------------------

    def _counts(self, at: m.Timestamp) -> bool:
        return self._since is None or at >= self._since

    def _cell(self, move: m.Movement, name: str, currency: str | None) -> _Sum:
        if not self._counts(move.at):
            return _Sum()
        return self.cells[_Where(move.symbol, name, move.at[:_DAY], currency)]

    def _realize(self, move: m.Movement, name: str, leg: Lots, pnl: Decimal) -> None:
        cell = self._cell(move, name, leg.currency)
        cell.realized += pnl
        cell.knows.add("realized")

    def _book(self, move: m.Movement, name: str, leg: Lots, closed: Iterable[Closed]) -> None:
        for x in closed:
            pnl = x.pnl
            if pnl is not None:
                self._realize(move, name, leg, pnl)
            else:
                part = _U.COST if x.units.cost is None else _U.PRICE
                self._cell(move, name, leg.currency).count(part)
            if self._counts(move.at):
                self._closed.append(_lot(move.symbol, name, leg, x, move.at))

    def post(self, row: m.Activity) -> None:
        """Book the cash of a row that is no trade."""
        at = row.effective_at
        if not row.cash or row.in_opening or not self._counts(at):
            return
        cell = self.cells[_Where(row.symbol or "", UNATTRIBUTED, at[:_DAY], row.currency)]
        match row.kind:
            case m.ActivityKind.FEE:
                cell.fees -= row.cash
            case m.ActivityKind.DIVIDEND:
                cell.dividends += row.cash
            case m.ActivityKind.INTEREST:
                cell.interest += row.cash
            case m.ActivityKind.OTHER:
                cell.count(_U.ACTIVITY)
            case _:  # a transfer is no P&L, and a corporate action has movements
                pass

    def value(self, quotes: Mapping[str, m.Quote], currencies: Mapping[str, str]) -> None:
        """Book the unrealized P&L of the open units, on the day of their quote."""
        for (symbol, name), leg in self._legs.items():
            if not leg.lots:
                continue
            quote = quotes.get(symbol)
            if quote is None or currencies.get(symbol) != leg.currency:
                last = self._held[symbol].last
                day = "" if last is None else last.at[:_DAY]
                self.cells[_Where(symbol, name, day, leg.currency)].count(_U.QUOTE)
                continue
            at, price = m.timestamp(quote.at), (quote.bid + quote.ask) / 2
            cell = self.cells[_Where(symbol, name, at[:_DAY], leg.currency)]
            cell.quoted_at = at if cell.quoted_at is None else min(at, cell.quoted_at)
            for units in leg.lots:
                if units.cost is None:
                    cell.count(_U.OPEN_COST)
                    continue
                cost = units.cost if units.qty > 0 else -units.cost
                cell.unrealized += units.qty * price - cost
                cell.knows.add("unrealized")

    def lots(self) -> tuple[m.Lot, ...]:
        """Return the closed lots in the order of their closing, then the open ones."""
        still = [
            _lot(symbol, name, leg, Closed(units, None), None)
            for (symbol, name), leg in sorted(self._legs.items(), key=lambda x: x[0])
            for units in leg.lots
        ]
        return (*self._closed, *still)


def _lot(symbol: str, name: str, leg: Lots, x: Closed, closed_at: m.Timestamp | None) -> m.Lot:
    return m.Lot(
        symbol=symbol,
        strategy=name,
        qty=x.units.qty,
        cost=x.units.cost,
        opened_at=x.units.opened_at,
        proceeds=x.proceeds,
        closed_at=closed_at,
        currency=leg.currency,
    )


def _times(value: Decimal | None, by: Decimal | None) -> Decimal | None:
    return None if value is None or by is None else value * by
