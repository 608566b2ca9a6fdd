"""
Symbols: the names that a bot uses, resolved once, wherever it names a symbol.

A name may be another spelling of the broker (`BTCUSD`) or a former name of a symbol that was
renamed.  What the record does not know is looked up in the broker's list of instruments.
Other half: `core.symbol_names`.
"""

from __future__ import annotations

from attrs import evolve

from fillbook import model as m
from fillbook.core import symbol_names
from fillbook.desk.link.market import Market
from fillbook.errors import UnknownSymbol
from fillbook.store import Reader, Store


class Symbols:
    """Resolves names, by the record and by the broker."""

    def __init__(self, store: Store, market: Market) -> None:
        self._store = store
        self._market = market

    def resolve(self, name: str) -> str:
        """
        Return the present symbol of *name*; one that neither has is returned as it is.

        A former name is looked up at the broker: another instrument may bear it by now.
        """
        symbol = m.symbol_of(name)
        with self._store.read() as reader:
            stored, known = self.stored(reader, symbol), reader.get(m.SymbolName, symbol)
        if stored is not None:
            return stored
        listed = self._market.instrument(symbol, write=False)
        if not isinstance(listed, m.Instrument):
            return symbol if known is None else known.symbol
        is_another = known is not None and symbol_names.is_later(known, self._market.now())
        return listed.symbol if known is None or is_another else known.symbol

    def stored(self, reader: Reader, symbol: str) -> str | None:
        """Return the present symbol of *symbol* by the record; None: the broker is to be asked."""
        known = reader.get(m.SymbolName, symbol)
        if known is None:
            return symbol if symbol_names.is_known(reader, symbol) else None
        return known.symbol if known.renamed_at is None else None

    def known(self, name: str) -> str:
        """Return the symbol of *name* by the record alone; the broker is not asked."""
        with self._store.read() as reader:
            return symbol_names.resolve(reader, m.symbol_of(name))

    def request(self, request: m.OrderRequest) -> m.OrderRequest:
        """Return *request* with the present symbol."""
        symbol = self.resolve(request.symbol)
        return request if symbol == request.symbol else evolve(request, symbol=symbol)

    def listed(self, name: str) -> str:
        """
        Return the symbol of *name*, for a call that acts on it.

        Raises: UnknownSymbol as `find`, also where currencies are positions.
        """
        symbol = self.resolve(name)
        with self._store.read() as reader:
            if symbol_names.is_known(reader, symbol):
                return symbol
        listed = self._market.instrument(symbol, write=False)
        if isinstance(listed, m.Absent):
            with self._store.read() as reader:
                raise symbol_names.unknown_symbol(reader, symbol, listed.similar)
        return symbol

    def is_unknown(self, name: str) -> bool:
        """Return whether neither the record nor the broker knows *name*, for a reader."""
        try:
            self.find(name)
        except UnknownSymbol:
            return True
        return False

    def find(self, name: str) -> str:
        """
        Return the symbol of *name*, for a reader of the record.

        Raises: UnknownSymbol if neither the record nor the broker knows it; a broker that gives no
        answer is no proof.
        """
        with self._store.read() as reader:
            # Where currencies are positions, the list of instruments does not have them.
            has_wallets = any(x.holding != x.symbol for x in reader.all(m.Pair))
            is_unlisted = has_wallets or not reader.all(m.Instrument)
        return self.resolve(name) if is_unlisted else self.listed(name)
