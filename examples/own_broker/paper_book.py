"""
A broker written by a bot's author, with the six required methods.

Its account is a dict in this process; orders rest in it and never fill.  A real broker
encodes each request, sends it once and decodes the reply.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Final

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.broker import PageOf

CAPABILITIES: Final = m.Capabilities(
    order_types=frozenset({m.OrderType.MARKET, m.OrderType.LIMIT}),
    times_in_force=frozenset({m.TimeInForce.DAY, m.TimeInForce.GTC}),
    fractional=True,
    duplicate_check=True,
)
LISTED: Final = frozenset({"AAPL", "MSFT"})
CENT: Final = Decimal("0.01")


class PaperBook(fb.Broker):
    """One account in memory."""

    name = "paper-book"
    host = "localhost"
    live = False
    capabilities = CAPABILITIES

    def __init__(self, cash: Decimal = Decimal(100_000)) -> None:
        self._cash = cash
        self._orders: dict[str, m.OrderReport] = {}
        self._numbers = count(1)

    @classmethod
    def from_address(cls, rest: str, env: Mapping[str, str]) -> "PaperBook":
        """Make the broker of the address ``paper-book:`` + *rest*; *rest* is its cash."""
        return cls(m.number(rest or "100000"))

    def account(self) -> m.Read[m.AccountSnapshot]:
        number = m.AccountId(self.name, self.host, "1")
        cash = self._cash
        return m.Observed(m.AccountSnapshot(number, "USD", cash, equity=cash, buying_power=cash))

    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        return m.Observed(())

    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        rows: Sequence[m.OrderReport] = [
            row
            for row in self._orders.values()
            if (query.scope is m.OrderScope.ALL or row.status is m.OrderStatus.NEW)
            and (query.since is None or _at(row) >= query.since)
        ]
        return m.Observed(rows)

    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        found = self._orders.get(broker_order_id)
        return m.Absent() if found is None else m.Observed(found)

    def submit(self, intent: m.Intent) -> m.Outcome:
        made = self._made(intent)
        price = made.terms.limit_price or m.ZERO
        taken = {row.client_order_id for row in self._orders.values()}
        for is_valid, kind, message in (
            (made.client_order_id not in taken, m.RejectKind.DUPLICATE, "this id was used before"),
            (made.terms.symbol in LISTED, m.RejectKind.INSTRUMENT, "the symbol is not listed"),
            (price % CENT == 0, m.RejectKind.PRICE, "the price increment is 0.01"),
            ((made.terms.qty or 0) * price <= self._cash, m.RejectKind.FUNDS, "insufficient cash"),
        ):
            if not is_valid:
                return m.Rejected(kind, message)
        self._orders[made.broker_order_id] = made
        return m.Accepted(made)

    def cancel(self, broker_order_id: str) -> m.Outcome:
        found = self._orders.get(broker_order_id)
        if found is None:
            return m.Rejected(m.RejectKind.NOT_FOUND, "there is no such order")
        if found.status is m.OrderStatus.CANCELED:
            return m.Rejected(m.RejectKind.TOO_LATE, "the order is final")
        canceled = evolve(found, status=m.OrderStatus.CANCELED, raw_status="canceled")
        self._orders[broker_order_id] = canceled
        return m.Accepted(canceled)

    def _made(self, intent: m.Intent) -> m.OrderReport:
        request = intent.request
        return m.OrderReport(
            broker_order_id=f"paper-{next(self._numbers)}",
            client_order_id=intent.client_order_id,
            terms=m.Terms(
                symbol=request.symbol,
                side=request.side,
                type=request.type,
                time_in_force=request.time_in_force,
                qty=request.qty,
                limit_price=request.limit_price,
            ),
            status=m.OrderStatus.NEW,
            raw_status="new",
            filled_qty=m.ZERO,
            created_at=m.timestamp(datetime.now(UTC)),
        )


def _at(row: m.OrderReport) -> datetime:
    assert row.created_at is not None
    return m.moment(row.created_at)
