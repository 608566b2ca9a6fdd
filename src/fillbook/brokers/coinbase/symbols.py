"""The symbols of orders, which a frame of the stream does not tell: it names the book."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from fillbook import model as m
from fillbook.brokers.coinbase.wire import market

_MAX: Final = 20_000
_LEFT_OUT: Final = ""  #: in place of a symbol: a frame does not tell what the order is


class OrderSymbols:
    """The symbol of each order that was sent or read; safe from any thread."""

    def __init__(self) -> None:
        self._symbols: dict[str, str] = {}
        self._lock = threading.Lock()

    def sent(self, intent: m.Intent) -> None:
        """Note an order before it is sent: a frame may be faster than the reply."""
        self._put({intent.client_order_id: intent.request.symbol})

    def read(self, reports: Iterable[m.OrderReport]) -> None:
        """Note the orders of a read."""
        self._put(
            {
                each.broker_order_id: _LEFT_OUT
                if each.terms.type is m.OrderType.UNRECOGNISED
                else each.terms.symbol
                for each in reports
            }
        )

    def of(self, order_id: str, client_order_id: str | None, product: str) -> str | None:
        """
        Return the symbol of an order; None: it is not known.

        *product* is that of the book.  An order that was neither sent nor read here may be of an
        alias of it: the next read decides.  It also does for an order whose type is in reads only.
        """
        with self._lock:
            if self._symbols.get(order_id) == _LEFT_OUT:
                return None
            found = self._symbols.get(order_id) or self._symbols.get(client_order_id or "")
            if found is not None and order_id not in self._symbols:
                self._symbols[order_id] = found
        if found is None and market.is_spot(product) and not _has_aliases(product):
            return market.symbol(product)
        return found

    def _put(self, found: dict[str, str]) -> None:
        with self._lock:
            self._symbols.update(found)
            for _ in range(len(self._symbols) - _MAX):
                del self._symbols[next(iter(self._symbols))]


def _has_aliases(product: str) -> bool:
    # Each product in dollars may be the book of one in USDC.
    return product.endswith("-USD")
