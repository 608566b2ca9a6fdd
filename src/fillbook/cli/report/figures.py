"""
The figures of a report, read from a book: P&L, differences, cover, slippage, plans.

`cli.report.page` shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.desk.record.book import Book
from fillbook.model import ZERO
from fillbook.model.account.pnl import Slippage
from fillbook.model.journal.describe import describe_drift

_ADOPTED: Final = "ADOPTED"
_OPENING: Final = "OPENING"


@frozen
class Day:
    """One day: its net P&L, and the opening balance plus all P&L until then; None: unknown."""

    day: str
    pnl: Decimal
    equity: Decimal | None


@frozen
class Difference:
    """A confirmed difference, when it began and ended (None: it is open), and how."""

    subject: str
    what: str
    since: m.Timestamp
    until: m.Timestamp | None
    how: str


@frozen
class Span:
    """A time during which the cover of a position was the same; `until` None: until now."""

    state: m.CoverState
    since: m.Timestamp
    until: m.Timestamp | None


@frozen(kw_only=True)
class Figures:
    """What a report shows; the money of P&L is in `currency`, and other currencies are apart."""

    account: m.AccountId | None
    at: m.Timestamp
    since: date | None
    currency: str
    totals: Sequence[m.Pnl]
    days: Sequence[Day]
    strategies: Sequence[m.Pnl]
    symbols: Sequence[m.Pnl]
    orders: int
    differences: Sequence[Difference]
    cover: Mapping[str, Sequence[Span]]
    slippage: Sequence[Slippage]
    plans: Sequence[m.Plan]
    decisions: Mapping[str, m.Timestamp]  #: when a plan was approved or rejected, by its id


def net(row: m.Pnl) -> Decimal:
    """Return the realized P&L of a row with fees, dividends and interest."""
    return (row.realized or ZERO) - row.fees + row.dividends + row.interest


def figures_of(book: Book, at: m.Timestamp, since: date | None) -> Figures:
    """Read the figures from *since* on (None: of the whole record), as of *at*."""
    journal = book.journal()
    start = "" if since is None else since.isoformat()
    by_day = book.pnl(since=since, by="day")
    return Figures(
        account=book.account(),
        at=at,
        since=since,
        currency=_currency(journal),
        totals=by_day.totals,
        days=_days(by_day.rows, None if since is not None else _before_all(book, journal)),
        strategies=_own(book.pnl(since=since, by="strategy").rows),
        symbols=_own(book.pnl(since=since, by="symbol").rows),
        orders=sum((x.created_at or "") >= start for x in book.orders()),
        differences=[x for x in _differences(journal) if (x.until or at) >= start],
        cover=_cover(journal, start),
        slippage=book.slippage(since=since),
        plans=_plans(book, start),
        decisions=_decisions(journal),
    )


def _own(rows: Iterable[m.Pnl]) -> list[m.Pnl]:
    """Return the rows in the currency of the account."""
    return [x for x in rows if x.currency is None]


def _currency(journal: Sequence[m.Recorded]) -> str:
    found = [x.entry.currency for x in journal if isinstance(x.entry, m.Bound)]
    return next((x for x in reversed(found) if x), "")


def _before_all(book: Book, journal: Sequence[m.Recorded]) -> Decimal | None:
    """
    Return the equity at cost before the first trade of the record; None: it is unknown.

    The opening balance has what was gained before it, as far as the record knows that.
    """
    total, at = ZERO, ""
    for x in journal:
        match x.entry:
            case m.CashAdjusted(amount, currency, opened_at, reason) if reason == _OPENING:
                if currency == _currency(journal):
                    total, at = total + amount, opened_at
            case m.BalanceAdjusted(_, qty, avg_price, _, reason) if reason == _OPENING:
                if avg_price is None and qty:
                    return None
                total += qty * (avg_price or ZERO)
            case _:
                pass
    if not at:
        return None
    later = book.pnl(since=m.moment(m.timestamp(at)), by="day")
    return total - _total(book.pnl(by="day").rows) + _total(later.rows)


def _total(rows: Iterable[m.Pnl]) -> Decimal:
    return sum((net(x) for x in _own(rows) if x.key), ZERO)


def _days(rows: Iterable[m.Pnl], opening: Decimal | None) -> list[Day]:
    equity, days = opening, list[Day]()
    for row in _own(rows):
        if row.key:
            equity = None if equity is None else equity + net(row)
            days.append(Day(row.key, net(row), equity))
    return days


def _differences(journal: Sequence[m.Recorded]) -> list[Difference]:
    found: dict[str, Difference] = {}
    ended: list[Difference] = []
    adopted: set[str] = set()
    for x in journal:
        match x.entry:
            case m.DriftFound(key, drift):
                if key not in found:
                    found[key] = Difference(*describe_drift(drift), x.at, None, "open")
            case m.BalanceAdjusted(symbol=symbol, reason=reason) if reason == _ADOPTED:
                adopted.add(symbol)
            case m.CashAdjusted(reason=reason) if reason == _ADOPTED:
                adopted.add("cash")
            case m.DriftCleared(key) if key in found:
                one = found.pop(key)
                how = "the broker's figure was taken" if one.subject in adopted else "explained"
                ended.append(evolve(one, until=x.at, how=how))
                adopted.discard(one.subject)
            case _:
                pass
    return [*ended, *found.values()]


def _cover(journal: Sequence[m.Recorded], start: str) -> dict[str, list[Span]]:
    """Return the states of each protection over time, by its symbol and strategy."""
    found: dict[str, list[Span]] = {}
    for x in journal:
        match x.entry:
            case m.ProtectionSet(kept):
                name = f"{kept.symbol} {kept.strategy}".strip()
                spans = found.setdefault(name, [])
                if spans and spans[-1].until is None:
                    if spans[-1].state is kept.cover:
                        continue
                    spans[-1] = evolve(spans[-1], until=x.at)
                spans.append(Span(kept.cover, x.at, None))
            case m.ProtectionEnded(symbol, strategy):
                spans = found.get(f"{symbol} {strategy}".strip(), [])
                if spans:
                    spans[-1] = evolve(spans[-1], until=x.at)
            case _:
                pass
    return {name: spans for name, spans in found.items() if (spans[-1].until or "~") >= start}


def _plans(book: Book, start: str) -> list[m.Plan]:
    found = [plan for state in m.PlanState for plan in book.plans(state)]
    kept = (x for x in found if (x.moved_at or x.created_at) >= start)
    return sorted(kept, key=lambda x: (x.created_at, x.plan_id))


def _decisions(journal: Sequence[m.Recorded]) -> dict[str, m.Timestamp]:
    decided = (m.PlanState.APPROVED, m.PlanState.REJECTED)
    return {
        x.entry.plan_id: x.at
        for x in journal
        if isinstance(x.entry, m.PlanMoved) and x.entry.state in decided
    }
