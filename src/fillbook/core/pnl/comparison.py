"""
The comparison of our P&L with the bot's and with the broker's, and the causes of each difference.

The bot's figure is turned into ours by substituting one thing after the other: its fills, its
fees, its prices, its cost method, its strategies, the corporate actions, the opening units.  What a
step changes is the part of its cause, so that the parts sum to the difference.

If the bot gives figures only, and no trades, they are compared with what it would have computed
with fewer of these things: the figure is explained by the fewest.

The broker's figure is the unrealized P&L of the open units by its average cost, which is pooled
over all strategies.

Other half: `core.pnl.lot_accounting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.pnl.lot_accounting import Facts, compute_pnl
from fillbook.core.pnl.trade_matching import Part, as_rows, matched
from fillbook.model import ZERO
from fillbook.model.account.pnl import (
    CostMethod,
    Pnl,
    PnlCause,
    PnlComparison,
    PnlComparisonRow,
    PnlDifference,
    UnknownPart,
)

_C: Final = PnlCause
#: What is substituted, in this order; rounding and what is unexplained come after it.
STEPS: Final = tuple(x for x in _C if x not in (_C.ROUNDING, _C.UNEXPLAINED))
#: What a bot that gives figures may have left out: it made the trades of the record.
_LEFT_OUT: Final = tuple(x for x in STEPS if x is not _C.MISSED_FILLS)
#: The time of prices that are given without one.
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The digits of a figure that count.
_DIGITS: Final = Decimal(1).scaleb(-18)
_HALF_CENT: Final = Decimal("0.005")
_ACTIONS: Final = frozenset(
    {
        m.MoveKind.RATIO,
        m.MoveKind.RECEIVED,
        m.MoveKind.REMOVED,
        m.MoveKind.PAYMENT,
        m.MoveKind.AMOUNT,
    }
)

_Key = tuple[str, str | None]
_Figures = Mapping[_Key, Pnl]


@frozen(kw_only=True)
class BotRecord:
    """
    What the bot has: its trades, by the symbol of the position, or its figures.

    `figures` are realized P&L by symbol; None: they are computed from `trades`, by `cost`.
    """

    trades: Sequence[m.LocalTrade] = ()
    figures: Mapping[str, Decimal] | None = None
    cost: CostMethod = CostMethod.AVERAGE


@m.exact
def compare_pnl(
    facts: Facts,
    bot: BotRecord | None,
    positions: Iterable[m.PositionSnapshot] = (),
    held: Iterable[m.Position] = (),
    *,
    requested: Mapping[str, Decimal] | None = None,
    orders: Mapping[str, str] | None = None,
    since: m.Timestamp | None = None,
    cost: CostMethod = CostMethod.AVERAGE,
) -> PnlComparison:
    """
    Compare our P&L with that of *bot* (None: there is none) and of the broker, by symbol.

    *positions* are those of the broker, *held* those of the record.  *requested* are the prices
    that the bot requested, by the key of the fill; *orders* are the names of orders by each of
    their ids.
    """
    substitution = _Substitution(
        facts, bot or BotRecord(), requested or {}, orders or {}, since, cost
    )
    ours = substitution.figures(frozenset())
    differences = {} if bot is None else substitution.differences()
    open_rows = _open_differences(substitution, positions, held)
    keys = sorted({*ours, *differences, *open_rows}, key=lambda x: (x[0], x[1] or ""))
    return PnlComparison(
        since=since,
        cost=cost,
        rows=tuple(
            PnlComparisonRow(
                symbol=key[0],
                currency=key[1],
                bot=differences.get(key),
                broker=open_rows.get(key),
                unknown=ours[key].unknown if key in ours else (),
            )
            for key in keys
            if key[0]
        ),
    )


# -- the bot's figures ------------------------------------------------------------------


class _Substitution:
    """Computes the P&L as the bot would, with some things left out."""

    def __init__(
        self,
        facts: Facts,
        bot: BotRecord,
        requested: Mapping[str, Decimal],
        orders: Mapping[str, str],
        since: m.Timestamp | None,
        cost: CostMethod,
    ) -> None:
        self._facts = facts
        self._bot = bot
        self._since = since
        self._cost = cost
        self._other_cost = next(x for x in CostMethod if x is not cost)
        self._known: dict[frozenset[PnlCause], _Figures] = {}
        fills = [x for x in facts.movements if x.kind is m.MoveKind.FILL and self._is_compared(x)]
        compared = {x.key for x in fills}
        self._rest = [x for x in facts.movements if x.key not in compared]
        self._parts = (
            matched(fills, bot.trades, orders) if bot.figures is None else as_rows(fills, requested)
        )
        # Only a row that lacks the strategy of its fill shows that the bot pools; a missed fill
        # then counts as pooled too.
        unnamed = [x for x in self._parts if x.row is not None and not x.row.strategy]
        self._pools = any(x.fill is not None and x.fill.strategy for x in unnamed) and not any(
            x.strategy for x in bot.trades
        )

    def _is_compared(self, fill: m.Movement) -> bool:
        """Whether the bot should have a fill; an earlier one is part of the opening units."""
        first = min((x.at for x in self._bot.trades), default=None)
        start = min((x for x in (self._since, first) if x is not None), default=None)
        return start is None or self._since is None or fill.at >= start

    def figures(self, left_out: frozenset[PnlCause]) -> _Figures:
        """Return the P&L by symbol and currency, without what is *left_out*."""
        if left_out not in self._known:
            report = compute_pnl(
                self._movements(left_out),
                self._activities(left_out),
                cost=self._method(left_out),
                since=self._since,
            )
            self._known[left_out] = {(x.key, x.currency): x for x in report.rows}
        return self._known[left_out]

    def _method(self, left_out: frozenset[PnlCause]) -> CostMethod:
        if _C.COST_METHOD not in left_out:
            return self._cost
        return self._bot.cost if self._bot.figures is None else self._other_cost

    def _activities(self, left_out: frozenset[PnlCause]) -> list[m.Activity]:
        return [
            x
            for x in self._facts.activities
            if (_C.FEES if x.kind is m.ActivityKind.FEE else _C.CORPORATE_ACTIONS) not in left_out
        ]

    def _movements(self, left_out: frozenset[PnlCause]) -> Iterable[m.Movement]:
        for move in self._rest:
            cause = _C.OPEN_AT_CUTOFF  # a balance, and what was before the bot's record
            if move.kind in _ACTIONS:
                cause = _C.CORPORATE_ACTIONS
            elif move.kind is m.MoveKind.FEE:
                cause = _C.FEES
            if cause not in left_out:
                yield move
        for number, part in enumerate(self._parts):
            made = self._movement(part, number, left_out)
            if made is not None:
                yield made

    def _movement(
        self, part: Part, number: int, left_out: frozenset[PnlCause]
    ) -> m.Movement | None:
        """Return the movement of one part; None: it does not count."""
        fill, row = part.fill, part.row
        keeps_rows = _C.MISSED_FILLS in left_out
        if fill is None:
            if row is None or not keeps_rows:
                return None
            return m.Movement(
                key=f"row/{number}",
                symbol=row.symbol,
                kind=m.MoveKind.FILL,
                at=row.at,
                qty=part.qty,
                price=row.price,
                fee=row.fee or ZERO,
                strategy=row.strategy,
                currency=self._facts.quote_currencies.get(row.symbol),
            )
        if row is None and keeps_rows:
            return None
        move = evolve(fill, key=f"{fill.key}/{number}", qty=part.qty)
        if not part.is_first:
            move = evolve(move, fee=ZERO, other_fee=None)
        if _C.POOLED_COST in left_out:
            named = None if self._pools else fill.strategy
            move = evolve(move, strategy=named if row is None else row.strategy)
        if row is None:
            return move
        if _C.FEES in left_out:
            fee = row.fee or ZERO if part.is_first_of_row else ZERO
            move = evolve(move, fee=fee, other_fee=None)
        cause = _C.ROUNDING if part.rounds else _C.FILL_PRICE
        if cause in left_out and row.price is not None:
            move = evolve(move, price=row.price)
        return move

    def open_figures(
        self, prices: Mapping[str, Decimal]
    ) -> tuple[dict[_Key, Decimal | None], dict[_Key, Decimal | None]]:
        """Return the unrealized P&L at *prices*: by our cost method, and by average cost."""
        quotes = {x: m.Quote(x, price, price, _NO_TIME) for x, price in prices.items()}
        found = []
        for cost in (self._cost, CostMethod.AVERAGE):
            report = compute_pnl(
                self._facts.movements,
                (),
                quotes,
                cost=cost,
                quote_currencies=self._facts.quote_currencies,
            )
            found.append({(x.key, x.currency): _unrealized(x) for x in report.rows})
        return found[0], found[1]

    def differences(self) -> dict[_Key, PnlDifference]:
        """Return the differences by symbol and currency, with their causes."""
        if self._bot.figures is None:
            whole = frozenset({*STEPS, _C.ROUNDING})
            theirs = self.figures(whole)
            keys = {*theirs, *self.figures(frozenset())}
            return {key: self._difference(key, whole, _net(theirs.get(key))) for key in keys}
        found = {}
        ours = self.figures(frozenset())
        for symbol, figure in self._bot.figures.items():
            own = [x for x in ours if x[0] == symbol]
            key = min(own, key=lambda x: x[1] or "", default=(symbol, None))
            found[key] = self._difference(key, self._explanation(key, figure), figure)
        return found

    def _explanation(self, key: _Key, figure: Decimal) -> frozenset[PnlCause]:
        """Return the fewest things that the bot left out to come to *figure*, else none."""
        for count in range(len(_LEFT_OUT) + 1):
            for causes in combinations(_LEFT_OUT, count):
                theirs = self.figures(frozenset(causes)).get(key)
                if abs(_net(theirs) - figure) <= _HALF_CENT:
                    return frozenset(causes)
        return frozenset()

    def _difference(
        self, key: _Key, left_out: frozenset[PnlCause], figure: Decimal
    ) -> PnlDifference:
        causes: dict[PnlCause, Decimal] = {}
        before, rest = _net(self.figures(left_out).get(key)), left_out
        residue = before - figure
        for cause in (*STEPS, _C.ROUNDING):
            if cause in rest:
                rest = rest - {cause}
                after = _net(self.figures(rest).get(key))
                causes[cause] = after - before
                before = after
        self._add_residue(causes, key, residue)
        return _difference(before, figure, causes)

    def _add_residue(self, causes: dict[PnlCause, Decimal], key: _Key, residue: Decimal) -> None:
        """Count what no step explains: half a cent a trade is rounding."""
        trades = sum(1 for x in self._parts if x.fill is not None and x.fill.symbol == key[0])
        within = _HALF_CENT * max(1, trades)
        cause = _C.ROUNDING if abs(residue) <= within else _C.UNEXPLAINED
        causes[cause] = causes.get(cause, ZERO) + residue


def _difference(
    ours: Decimal, theirs: Decimal, causes: Mapping[PnlCause, Decimal]
) -> PnlDifference:
    found = tuple((x, causes[x]) for x in PnlCause if causes.get(x))
    return PnlDifference(ours=ours, theirs=theirs, causes=found)


def _net(row: Pnl | None) -> Decimal:
    """Return the realized P&L with fees, dividends and interest; what is unknown is left out."""
    if row is None:
        return ZERO
    net = (row.realized or ZERO) - row.fees + row.dividends + row.interest
    return net.quantize(_DIGITS)  # divisions do not end, and differ by the order of the fills


def _unrealized(row: Pnl) -> Decimal | None:
    return None if UnknownPart.OPEN_COST in dict(row.unknown) else row.unrealized


def _exponent(figure: Decimal) -> int:
    exponent = figure.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


# -- the broker's figures ---------------------------------------------------------------


def _open_differences(
    substitution: _Substitution,
    positions: Iterable[m.PositionSnapshot],
    held: Iterable[m.Position],
) -> dict[_Key, PnlDifference]:
    """Return the differences of the open units, at the broker's prices."""
    theirs = {x.symbol: x for x in positions if x.qty}
    known = {x.symbol: x for x in held if x.qty or x.symbol in theirs}
    prices = {symbol: price for symbol, x in theirs.items() if (price := _price(x)) is not None}
    ours, pooled_by_leg = substitution.open_figures(prices)
    found = {}
    for symbol, price in prices.items():
        position = known.get(symbol, m.Position(symbol=symbol))
        key = (symbol, position.account.currency)
        figures = (ours.get(key, ZERO), pooled_by_leg.get(key, ZERO))
        difference = _open_difference(position.account, theirs[symbol], price, figures)
        if difference is not None:
            found[key] = difference
    return found


def _price(position: m.PositionSnapshot) -> Decimal | None:
    if position.price is not None or position.market_value is None:
        return position.price
    return position.market_value / position.qty


def _open_difference(
    ours: m.Holding,
    theirs: m.PositionSnapshot,
    price: Decimal,
    figures: tuple[Decimal | None, Decimal | None],
) -> PnlDifference | None:
    """Return the difference of one position; None: a cost is not known."""
    by_method, by_average = figures
    if by_method is None or by_average is None or ours.cost is None or theirs.avg_price is None:
        return None
    signed_cost = ours.cost if ours.qty > 0 else -ours.cost
    pooled = ours.qty * price - signed_cost
    average = signed_cost / ours.qty if ours.qty else theirs.avg_price
    whole = pooled if theirs.qty == ours.qty else theirs.qty * (price - average)
    figure = theirs.qty * (price - theirs.avg_price)
    within = Decimal(1).scaleb(_exponent(theirs.avg_price)) / 2
    rest = _C.ROUNDING if abs(theirs.avg_price - average) <= within else _C.UNEXPLAINED
    causes = {
        _C.MISSED_FILLS: pooled - whole,
        _C.COST_METHOD: by_method - by_average,
        _C.POOLED_COST: by_average - pooled,
        rest: whole - figure,
    }
    return _difference(by_method, figure, causes)
