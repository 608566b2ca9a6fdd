"""
The book: reads the record from the store only.

It needs no credentials and no network, so that `fillbook.read(store)` can open it in another
process.  With two exceptions: the book of a `Desk` asks the broker whether it has a symbol that is
not in the record, and for quotes; that of an `AsyncDesk` does not, because it must not block.
Lists are in order of creation, oldest first, unless stated otherwise.  A list with *limit* is a
page, which is read by an index: at most so many rows (> 0; None: all), those beyond the row
*after* (None: from the start), and with *newest* in descending order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fillbook import model as m
from fillbook.clock import Clock, SystemClock
from fillbook.core import pairs
from fillbook.core.orders import client_ids
from fillbook.core.pnl import lot_accounting as pnl
from fillbook.core.pnl.slippage import slippage_of
from fillbook.core.symbol_names import is_known, resolve, unknown_symbol
from fillbook.desk.record import paging, status
from fillbook.desk.record.export import files, frames, tables
from fillbook.desk.record.present_cover import present_protections
from fillbook.errors import InvalidValue, UnknownOrder, UnknownPlan
from fillbook.model.account.pnl import Slippage
from fillbook.model.journal.status import Status
from fillbook.model.text.arguments import with_named_arguments
from fillbook.store import Store


@with_named_arguments
class Book:
    """Reads the record; as a context manager it closes the store on exit."""

    def __init__(
        self,
        store: Store,
        find: Callable[[str], str] | None = None,
        quotes: Callable[[Sequence[str]], Mapping[str, m.Quote]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        *clock* None: the system's.

        *find* asks the broker for a symbol that is not in the record, *quotes* for quotes.

        None: the record alone is read.
        """
        self._store = store
        self._find = find
        self._quotes = quotes
        self._clock: Clock = clock or SystemClock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store, which the desk shares; a second call does nothing."""
        self._store.close()

    def orders(
        self,
        *,
        open: bool | None = None,  # noqa: A002 - the term of the field
        symbol: str | None = None,
        strategy: str | Sequence[str] | None = None,
        after: m.Order | str | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[m.Order]:
        """
        Return orders, oldest first; with *open*, those that are not final (None: all).

        *symbol* may be another spelling of the broker, or a former name.  *strategy* is one or
        several.  *after* is an order or its client order id.  The legs that the broker makes for an
        order are orders too, with `parent` set.  Raises: UnknownOrder, if *after* is unknown.
        """
        begin = None if after is None else self.record(after)
        with self._store.read() as reader:
            if symbol is not None:
                symbol = resolve(reader, m.symbol_of(symbol))
            where = paging.where(symbol=symbol, strategy=strategy, open="yes" if open else None)
            records = paging.page(
                reader,
                m.OrderRecord,
                "created",
                where,
                after="" if begin is None else f"{begin.created_at}/{begin.client_order_id}",
                limit=limit,
                newest=newest,
                keep=lambda x: open is None or x.order.is_final is not open,
            )
        return [record.order for record in records]

    def order(
        self,
        order: m.Order | str | None = None,
        *,
        key: str | None = None,
        strategy: str | None = None,
    ) -> m.Order:
        """
        Return the current state of one order, by its client order id or its broker order id.

        Or by the idempotency *key* that it was submitted with, and its *strategy* (None: it has
        none).  Raises: UnknownOrder; InvalidValue unless exactly one of *order* and *key* is given.
        """
        if (order is None) == (key is None):
            raise InvalidValue("give an order (or its id), or key=")
        return self.record(order or self._id_of_key(key or "", strategy)).order

    def legs(self, order: m.Order | str) -> list[m.Order]:
        """
        Return the exits that the broker made for a bracket, OCO or OTO order; none: an empty list.

        Raises: UnknownOrder.
        """
        name = self.record(order).client_order_id
        with self._store.read() as reader:
            return [x.order for x in reader.find(m.OrderRecord, "parent", name)]

    def _id_of_key(self, key: str, strategy: str | None) -> str:
        with self._store.read() as reader:
            binding = reader.get(m.Binding, "account")
        if binding is None:
            raise UnknownOrder(f"the record is empty: it has no order with the key {key!r}")
        return client_ids.of_key(binding.account, strategy, key)

    def record(self, order: m.Order | str) -> m.OrderRecord:
        """Return the complete record of one order. Raises: UnknownOrder."""
        name = order if isinstance(order, str) else order.client_order_id
        with self._store.read() as reader:
            record = reader.get(m.OrderRecord, name)
            # An order whose fill was reported before the order has its broker id as its name.
            known = None if record else reader.get(m.Evidence, name.removeprefix("?"))
            if known is not None:
                record = reader.get(m.OrderRecord, known.client_order_id)
        if record is None:
            raise UnknownOrder(f"there is no order {name!r} in this record; see `fillbook orders`")
        return record

    def ids(self, beginning: str) -> list[str]:
        """Return the client order ids of at most ten orders with an id that begins so, sorted."""
        with self._store.read() as reader:
            return paging.orders_beginning(reader, beginning)

    def fills(
        self,
        order: m.Order | str | None = None,
        *,
        symbol: str | None = None,
        strategy: str | Sequence[str] | None = None,
        after: str | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[m.Movement]:
        """
        Return the valid fills of an order, in the broker's order; `qty` is signed.

        *order* None: the fills of all orders, by time; the other parameters are for these.
        *strategy* is one or several.  *after* is the key of a fill.  Raises: InvalidValue, if the
        list has no such fill any more.
        """
        if order is None:
            with self._store.read() as reader:
                symbol = None if symbol is None else resolve(reader, m.symbol_of(symbol))
                begin = paging.listed(reader, m.Movement, after, strategy)
                return paging.page(
                    reader,
                    m.Movement,
                    "filled",
                    paging.where(symbol=symbol, strategy=strategy),
                    after="" if begin is None else f"{begin.at}/{begin.key}",
                    limit=limit,
                    newest=newest,
                )
        ids = self.record(order).ids
        with self._store.read() as reader:
            found = [x for i in ids for x in reader.find(m.Movement, "owner", i)]
        fills = (x for x in found if x.kind is m.MoveKind.FILL)
        return sorted(fills, key=lambda x: x.order)

    def requests(self, order: m.Order | str) -> tuple[m.Request, ...]:
        """Return the requests that were sent for an order, with their replies."""
        return self.record(order).requests

    def positions(self, *, strategy: str | None = None) -> list[m.Position]:
        """
        Return the positions, by symbol, without the flat ones.

        With *strategy*, only symbols of which it holds a part (``""``: without a strategy).
        """
        with self._store.read() as reader:
            held = [x for x in reader.all(m.Position) if x.qty or _qty_by_strategy(x)]
        return [x for x in held if strategy is None or _qty_by_strategy(x).get(strategy)]

    def position(self, symbol: str) -> m.Position:
        """
        Return the position of one symbol; a flat one if there never was a fill.

        Of a pair it is the position that holds its base.  *symbol* may be another spelling of the
        broker, or a former name.  Raises: UnknownSymbol if neither the record nor the broker has
        it; a book without a desk has the record alone, and that of an asyncio desk never raises.
        """
        symbol = m.symbol_of(symbol) if self._find is None else self._find(symbol)
        with self._store.read() as reader:
            symbol = resolve(reader, symbol) if self._find is None else symbol
            if self._find is None and not is_known(reader, symbol):
                raise unknown_symbol(reader, symbol)
            held = pairs.holding_of(reader, symbol)
            return reader.get(m.Position, held) or m.Position(symbol=held)

    def trades(
        self,
        *,
        symbol: str | None = None,
        strategy: str | Sequence[str] | None = None,
        after: str | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[m.Trade]:
        """
        Return the round trips from flat to flat, in the order in which they closed.

        *strategy* is one or several.  *after* is the key of a trade.  Raises: InvalidValue, if the
        list has no such trade any more.
        """
        with self._store.read() as reader:
            symbol = None if symbol is None else resolve(reader, m.symbol_of(symbol))
            begin = paging.listed(reader, m.Trade, after, strategy)
            return paging.page(
                reader,
                m.Trade,
                "closed",
                paging.where(symbol=symbol, strategy=strategy),
                after="" if begin is None else f"{begin.closed_at}/{begin.key}",
                limit=limit,
                newest=newest,
            )

    def pnl(
        self,
        *,
        since: date | None = None,
        by: str = "symbol",
        cost: str = "average",
        quotes: Mapping[str, m.Quote] | None = None,
    ) -> m.PnlReport:
        """
        Return the P&L from the day *since* on (UTC), or from that moment; None: the whole record.

        *by* is ``"symbol"``, ``"strategy"`` or ``"day"``, *cost* ``"average"`` or ``"fifo"``.
        Open units are valued by *quotes*, by symbol; None: the broker's, whatever their age, which
        the rows show.  A book without a desk, and that of an asyncio desk, has no others.  A part
        that is unknown is counted in its row.  Raises: InvalidValue.
        """
        try:
            view, method = m.PnlBy(by), m.CostMethod(cost)
        except ValueError as error:
            wrong = str(error).partition(" is not")[0]
            text = f"by is symbol, strategy or day, and cost average or fifo; not {wrong}"
            raise InvalidValue(text) from None
        with self._store.read() as reader:
            facts = pnl.facts_of(reader)
        if quotes is None:
            ask = self._quotes if facts.open_symbols else None
            quotes = {} if ask is None else ask(facts.open_symbols)
        first = None
        if isinstance(since, datetime):
            first = m.timestamp(since)
        elif since is not None:
            first = m.timestamp(f"{since.isoformat()}T00:00:00Z")
        return pnl.compute_pnl(
            facts.movements,
            facts.activities,
            quotes,
            by=view,
            cost=method,
            since=first,
            quote_currencies=facts.quote_currencies,
        )

    def slippage(
        self,
        *,
        since: date | None = None,
        symbol: str | None = None,
        strategy: str | None = None,
    ) -> list[Slippage]:
        """
        Return what the execution of each of our filled orders cost, oldest first.

        *since* is the day of the order (UTC); None: the whole record.  An order is compared with
        the price that its request names, and with the middle of the market when it was written.
        """
        found = (slippage_of(self.record(x)) for x in self.orders(symbol=symbol, strategy=strategy))
        start = "" if since is None else since.isoformat()[:10]
        return [x for x in found if x is not None and x.at >= start]

    def all_fills(self) -> list[m.Movement]:
        """Return the valid fills of all orders, in the broker's order; `qty` is signed."""
        with self._store.read() as reader:
            found = [x for x in reader.all(m.Movement) if x.kind is m.MoveKind.FILL]
        return sorted(found, key=lambda x: x.order)

    def export(self, format: str, path: str | PathLike[str], *, what: str = "trades") -> int:  # noqa: A002
        """
        Write a table of the record to a file; return the number of its rows.

        *format* is ``"csv"``, ``"jsonl"`` or ``"parquet"`` (extra `parquet`), *what* one of
        ``"orders"``, ``"fills"``, ``"trades"``, ``"positions"``, ``"pnl"``, ``"slippage"``.
        Numbers are exact, times UTC.  Raises: InvalidValue, ExtraMissing.
        """
        return files.write(tables.of_book(self, what), Path(path), format)

    def to_pandas(self, what: str = "trades") -> Any:
        """
        Return a table of the record as a pandas DataFrame; *what* as in `export`.

        Numbers are `Decimal`, times UTC with nanoseconds.  Raises: InvalidValue, ExtraMissing.
        """
        return frames.to_pandas(tables.of_book(self, what))

    def to_polars(self, what: str = "trades") -> Any:
        """
        Return a table of the record as a polars DataFrame; *what* as in `export`.

        Numbers are decimals, times UTC with nanoseconds.  Raises: InvalidValue, ExtraMissing.
        """
        return frames.to_polars(tables.of_book(self, what))

    def cash(self, currency: str | None = None) -> Decimal | None:
        """
        Return the cash by our record; None before the first sync, or while it is unknown.

        *currency* None: that of the account.  Nothing is converted to another currency.
        """
        with self._store.read() as reader:
            return pairs.cash_in(reader, currency)

    def reservations(self) -> list[m.Reservation]:
        """Return the open reservations of our orders, in the order in which they last grew."""
        with self._store.read() as reader:
            return list(reader.find(m.Reservation, "open", "yes"))

    def drifts(self) -> list[m.OpenDrift]:
        """Return the open confirmed drifts; their symbols are locked."""
        with self._store.read() as reader:
            return list(reader.all(m.OpenDrift))

    def protections(self, symbol: str | None = None) -> list[m.Protection]:
        """Return the protections, by symbol and strategy, with their cover by the record now."""
        with self._store.read() as reader:
            symbol = None if symbol is None else resolve(reader, m.symbol_of(symbol))
        found = present_protections(self._store, self._clock)
        return [x for x in found if symbol is None or x.symbol == symbol]

    def plans(self, state: m.PlanState | str | None = None) -> list[m.Plan]:
        """Return the plans, oldest first: those in *state*; None: all that have not ended."""
        wanted = m.plan_state(state)
        with self._store.read() as reader:
            if wanted is None:
                found = reader.find(m.Plan, "open", "yes")
            else:
                found = [x for x in reader.all(m.Plan) if x.state is wanted]
        return sorted(found, key=lambda x: (x.created_at, x.plan_id))

    def plan(self, plan_id: str) -> m.Plan:
        """Return one plan. Raises: UnknownPlan."""
        with self._store.read() as reader:
            found = reader.get(m.Plan, plan_id)
        if found is None:
            raise UnknownPlan(f"there is no plan {plan_id!r}; see `fillbook plans`")
        return found

    def account(self) -> m.AccountId | None:
        """Return the account of this record; None before the first read of an account."""
        with self._store.read() as reader:
            bound = reader.get(m.Binding, "account")
        return None if bound is None else bound.account

    def journal(
        self, after: int = 0, *, limit: int | None = None, newest: bool = False
    ) -> list[m.Recorded]:
        """
        Return the journal entries with a number above *after*, in order.

        With *newest*, those with a number below *after* (0: from the last one).
        """
        with self._store.read() as reader:
            if not newest:
                return list(islice(reader.journal(after), limit))
            below = after or reader.last() + 1
            first = 0 if limit is None else max(below - 1 - limit, 0)
            return list(islice(reader.journal(first), max(below - 1 - first, 0)))[::-1]

    def events(
        self,
        since: str = "",
        *,
        strategy: str | Sequence[str] | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[m.Event]:
        """
        Return the events after the cursor *since*, in order; each is delivered at least once.

        *strategy*: only the events of its orders, fills and protections; it is one or several.
        With *newest*, those before *since* (``""``: from the last one).
        """
        with self._store.read() as reader:
            return paging.page(
                reader,
                m.Event,
                "key",
                paging.where(strategy=strategy),
                after=since,
                limit=limit,
                newest=newest,
            )

    def status(self) -> Status:
        """Return the status of the record: health, kill switch, stream, locks, alerts and more."""
        return status.status_of(self._store, self._clock)


def _qty_by_strategy(position: m.Position) -> dict[str, Decimal]:
    return {name: holding.qty for name, holding in position.by_strategy if holding.qty}
