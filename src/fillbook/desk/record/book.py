"""
The book: all reading, over the store alone.

It needs no keys and no network, so that `fillbook.read(store)` gives it to a second
process.  Lists are in the order in which things began, oldest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self

from fillbook import model as m
from fillbook.errors import UnknownOrder
from fillbook.store import Store


class Book:
    """What the record says; as a context manager it closes the store when it is left."""

    def __init__(self, store: Store) -> None:
        self._store = store

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
        """Close the store, and with it the desk that uses it; closing twice is fine."""
        self._store.close()

    def orders(
        self,
        *,
        open: bool | None = None,  # noqa: A002 - the field's word
        symbol: str | None = None,
        strategy: str | None = None,
    ) -> list[m.Order]:
        """
        Orders, oldest first; `open` ones are those not final (None: all).

        Exits that the broker made for an order are orders of their own, with `parent` set.
        """
        with self._store.read() as reader:
            if open:
                records = reader.find(m.OrderRecord, "open", "yes")
            elif symbol is not None:
                records = reader.find(m.OrderRecord, "symbol", symbol)
            elif strategy is not None:
                records = reader.find(m.OrderRecord, "strategy", strategy)
            else:
                records = reader.all(m.OrderRecord)
        return [
            record.order
            for record in sorted(records, key=lambda r: (r.created_at, r.client_order_id))
            if (symbol is None or record.terms.symbol == symbol)
            and (strategy is None or record.strategy == strategy)
            and (open is None or record.order.is_final is not open)
        ]

    def order(self, order: m.Order | str) -> m.Order:
        """
        One order as it is now, by itself, its client order id or its broker's.

        Raises: UnknownOrder.
        """
        return self.record(order).order

    def record(self, order: m.Order | str) -> m.OrderRecord:
        """Everything that is kept of one order. Raises: UnknownOrder."""
        name = order if isinstance(order, str) else order.client_order_id
        with self._store.read() as reader:
            record = reader.get(m.OrderRecord, name)
            # A fill that came before its order's first report named it by the broker's id.
            known = reader.get(m.Evidence, name.removeprefix("?"))
            if record is None and known is not None:
                record = reader.get(m.OrderRecord, known.client_order_id)
        if record is None:
            raise UnknownOrder(f"no order {name!r} in this record; see `fillbook orders`")
        return record

    def fills(self, order: m.Order | str) -> list[m.Movement]:
        """The fills of an order that count, in the broker's order; `qty` is signed."""
        ids = self.record(order).ids
        with self._store.read() as reader:
            found = [x for i in ids for x in reader.find(m.Movement, "owner", i)]
        return sorted(found, key=lambda x: x.order)

    def requests(self, order: m.Order | str) -> tuple[m.Request, ...]:
        """What was asked of the broker about an order, and what came back."""
        return self.record(order).requests

    def positions(self, *, strategy: str | None = None) -> list[m.Position]:
        """
        What is held, by symbol; flat ones are left out.

        With *strategy*, only symbols in which it has a part (``""``: what belongs to nobody).
        """
        with self._store.read() as reader:
            held = [x for x in reader.all(m.Position) if x.qty or _parts(x)]
        return [x for x in held if strategy is None or _parts(x).get(strategy)]

    def position(self, symbol: str) -> m.Position:
        """What is held of one symbol; a flat position if nothing ever was."""
        with self._store.read() as reader:
            return reader.get(m.Position, symbol) or m.Position(symbol=symbol)

    def trades(self, *, symbol: str | None = None) -> list[m.Trade]:
        """Round trips from flat to flat, in the order in which they closed."""
        with self._store.read() as reader:
            trades: Sequence[m.Trade] = (
                reader.all(m.Trade) if symbol is None else reader.find(m.Trade, "symbol", symbol)
            )
        return sorted(trades, key=lambda trade: (trade.closed_at, trade.key))

    def cash(self) -> Decimal | None:
        """What the account should hold in cash; None before the first sync, or while unknown."""
        with self._store.read() as reader:
            cash = reader.get(m.Cash, "cash")
        return None if cash is None else cash.amount

    def reservations(self) -> list[m.Reservation]:
        """What open orders of ours can still cost, in the order in which that grew."""
        with self._store.read() as reader:
            return list(reader.find(m.Reservation, "open", "yes"))

    def drifts(self) -> list[m.OpenDrift]:
        """Confirmed differences that stand; their symbols are closed for new risk."""
        with self._store.read() as reader:
            return list(reader.all(m.OpenDrift))

    def account(self) -> m.AccountId | None:
        """The account that this record is bound to; None before the first contact."""
        with self._store.read() as reader:
            bound = reader.get(m.Binding, "account")
        return None if bound is None else bound.account

    def journal(self, after: int = 0) -> list[m.Recorded]:
        """Every entry numbered above *after*: what happened to the record, in order."""
        with self._store.read() as reader:
            return list(reader.journal(after))

    def events(self, since: str = "") -> list[m.Event]:
        """The outbox after the cursor *since*, in order; each comes at least once."""
        with self._store.read() as reader:
            return list(reader.all(m.Event, since))


def _parts(position: m.Position) -> dict[str, Decimal]:
    return {name: leg.qty for name, leg in position.by_strategy if leg.qty}
