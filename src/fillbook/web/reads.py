"""The handlers of reads: each returns what the token may see, filtered in the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.core.pairs import symbols_held_as
from fillbook.desk.record import desk_report
from fillbook.model.account.instruction import AccountInstruction
from fillbook.model.account.token import Scope, TokenCreated
from fillbook.model.journal.describe import describe_drift, describe_entry
from fillbook.web import problems
from fillbook.web.call import Answer, Call, answer, cursor_number, items, page
from fillbook.web.values import Access, AuditRow, DriftRow, OrderDetails, position_rows


def status(call: Call) -> Answer:
    """The status of the record."""
    return answer(call.book.status())


def access(call: Call) -> Answer:
    """What the caller may do."""
    token = call.token
    scopes = (Scope.READ, Scope.ACCOUNT) if token is None else token.scopes
    strategies = () if token is None else token.strategies
    return answer(Access(scopes, strategies, tuple(x for x in Scope if x in call.allow)))


def orders(call: Call) -> Answer:
    """Orders, newest first."""
    try:
        found = call.book.orders(
            open=call.query.get("open"),
            symbol=call.query.get("symbol"),
            strategy=call.strategies,
            after=_visible_after(call),
            **call.page,
        )
    except errors.UnknownOrder:
        raise problems.invalid("after must be the `next` of a page") from None
    return page(call, found, lambda x: x.client_order_id)


def _visible_after(call: Call) -> str | None:
    after: str | None = call.query.get("after")
    if after is not None and not call.sees(call.book.record(after).strategy):
        raise errors.UnknownOrder(after)
    return after


def order(call: Call) -> Answer:
    """One order in detail, by its client order id or its broker order id."""
    name = call.path["id"]
    record = call.book.record(name)
    if not call.sees(record.strategy):
        raise errors.UnknownOrder(
            f"there is no order {name!r} in this record; see `fillbook orders`"
        )
    return answer(
        OrderDetails(
            record.order,
            tuple(call.book.fills(record.order)),
            record.requests,
            record.instructions,
        )
    )


def fills(call: Call) -> Answer:
    """Fills, newest first; `qty` is signed."""
    return _rows(call, call.book.fills)


def trades(call: Call) -> Answer:
    """Round trips from flat to flat, the last that closed first."""
    return _rows(call, call.book.trades)


def _rows(call: Call, read: Callable[..., list[Any]]) -> Answer:
    found = read(
        symbol=call.query.get("symbol"),
        strategy=call.strategies,
        after=call.query.get("after"),
        **call.page,
    )
    return page(call, found, lambda x: str(x.key))


def positions(call: Call) -> Answer:
    """Positions: of the account, and by strategy; a token of strategies sees its own parts."""
    wanted = call.strategies
    found = call.book.positions()
    with call.store.read() as reader:
        symbols = {x.symbol: symbols_held_as(reader, x.symbol) for x in found}
    rows = [row for x in found for row in position_rows(x, symbols[x.symbol])]
    return items([x for x in rows if wanted is None or x.strategy in wanted])


def pnl(call: Call) -> Answer:
    """P&L by symbol, strategy or day; open units have no quotes here."""
    by = call.query.get("by", "strategy")
    if by != "strategy" and not call.sees_all:
        raise errors.NotPermitted("a token of strategies sees the P&L by strategy")
    report = call.book.pnl(
        since=call.query.get("since"), by=by, cost=call.query.get("cost", "average")
    )
    wanted = call.strategies
    if wanted is not None:
        report = evolve(
            report,
            rows=tuple(x for x in report.rows if by != "strategy" or x.key in wanted),
            lots=tuple(x for x in report.lots if x.strategy in wanted),
            totals=(),
        )
    return answer(report)


def buying_power(call: Call) -> Answer:
    """The buying power by the last read of the desk that ticks."""
    with call.store.read() as reader:
        report = desk_report.report_in(reader)
    if report is None or report.funds is None:
        raise problems.Problem(
            status=503, code="not_observed", detail="no desk has read the account yet"
        )
    return answer(report.funds)


def drift(call: Call) -> Answer:
    """The confirmed differences; their symbols are locked."""
    rows = [
        DriftRow(x.key, *describe_drift(x.drift), x.drift, x.since, x.notional)
        for x in call.book.drifts()
    ]
    return items(rows)


def plans(call: Call) -> Answer:
    """Plans: those that have not ended, or those in a state."""
    return items(call.book.plans(call.query.get("state")))


def protections(call: Call) -> Answer:
    """Protections, with their cover by the record now."""
    return items(call.book.protections(call.query.get("symbol")))


def events(call: Call) -> Answer:
    """Events, newest first."""
    found = call.book.events(call.query.get("after", ""), strategy=call.strategies, **call.page)
    return page(call, found, lambda x: str(x.cursor))


def audit(call: Call) -> Answer:
    """The journal, newest first."""
    found = call.book.journal(cursor_number(call), **call.page)
    rows = [AuditRow(x.number, x.at, *describe_entry(x.entry), _shown(x.entry)) for x in found]
    return page(call, rows, lambda x: str(x.number))


def _shown(entry: m.Entry) -> m.Entry:
    """Return an entry without the digest of a token."""
    if isinstance(entry, TokenCreated):
        return TokenCreated(evolve(entry.token, digest=""))
    return entry


def instruction(call: Call) -> Answer:
    """One instruction of a token, and how it ended."""
    number = call.path["number"]
    found = None
    if number.isascii() and number.isdecimal() and len(number) <= 12:
        with call.store.read() as reader:
            found = reader.get(AccountInstruction, f"{int(number):012d}")
    if found is None or not (call.sees_all or found.by == call.token_id):
        raise problems.not_found("there is no such instruction")
    return answer(found)
