"""
Reads what the comparison of P&L needs: the record, the bot's own record, the broker's positions.

Other half: `core.pnl.comparison`.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.core import pairs, symbol_names
from fillbook.core.pnl import lot_accounting
from fillbook.core.pnl.comparison import BotRecord, compare_pnl
from fillbook.core.pnl.slippage import requested_price
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.recorder import Recorder
from fillbook.model.account.pnl import CostMethod, PnlComparison
from fillbook.store import Reader


class PnlComparing:
    """Compares our P&L with the bot's and the broker's."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, symbols: Symbols, reconciler: Reconciler
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._symbols = symbols
        self._reconciler = reconciler

    def compare_pnl(
        self, bot: BotRecord | None, since: m.Timestamp | None, cost: CostMethod
    ) -> PnlComparison:
        """Compare the P&L from *since* on; reconcile first. Raises: ReadFailed."""
        first = None if since is None else m.moment(since).date()
        self._reconciler.observed("nothing was compared", first)
        listed = self._gateway.pages("positions", self._gateway.broker.positions)
        if isinstance(listed, m.NotObserved):
            raise errors.ReadFailed(f"nothing was compared: {listed}")
        names = self._names(bot)
        with self._recorder.store.read() as reader:
            orders, requested = _orders(reader)
            return compare_pnl(
                lot_accounting.facts_of(reader),
                None if bot is None else _by_position(reader, bot, names),
                symbol_names.positions(reader, listed.value, self._recorder.now()),
                reader.all(m.Position),
                requested=requested,
                orders=orders,
                since=since,
                cost=cost,
            )

    def _names(self, bot: BotRecord | None) -> dict[str, str]:
        """Return the present symbol of each name that the bot uses."""
        if bot is None:
            return {}
        named = [*(x.symbol for x in bot.trades), *(bot.figures or ())]
        return {name: self._symbols.resolve(name) for name in dict.fromkeys(named)}


def _by_position(reader: Reader, bot: BotRecord, names: dict[str, str]) -> BotRecord:
    """Return the bot's record by the symbols of the positions."""
    held = {name: pairs.holding_of(reader, symbol) for name, symbol in names.items()}
    figures = bot.figures
    if figures is not None:
        figures = {held[name]: figure for name, figure in figures.items()}
    return evolve(
        bot,
        trades=tuple(evolve(x, symbol=held[x.symbol]) for x in bot.trades),
        figures=figures,
    )


def _orders(reader: Reader) -> tuple[dict[str, str], dict[str, Decimal]]:
    """Return the names of orders by each of their ids, and the requested prices by fill."""
    names, requested = dict[str, str](), dict[str, Decimal]()
    for record in reader.all(m.OrderRecord):
        intent = record.intent
        for name in (record.client_order_id, *record.ids, None if intent is None else intent.key):
            if name is not None:
                names[name] = record.client_order_id
        price = None if intent is None else requested_price(intent)
        if price is not None:
            fills = (x for name in record.ids for x in reader.find(m.Movement, "owner", name))
            requested.update((x.key, price) for x in fills if x.kind is m.MoveKind.FILL)
    return names, requested
