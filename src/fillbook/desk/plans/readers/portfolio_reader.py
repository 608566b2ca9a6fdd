"""
Reads the portfolio for a rebalance: positions, open orders in their worst case, prices, cash.

Everything is of the record after a reconciliation; quotes and instruments are of the broker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import errors
from fillbook import model as m
from fillbook.core import pairs, reservation
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.record.cells.open_differences import position_differences
from fillbook.desk.record.exit_reader import is_exit_order
from fillbook.desk.record.recorder import Recorder
from fillbook.model import ZERO
from fillbook.model.orders.order import may_fill
from fillbook.store import Reader

_UNCONFIRMED: Final = frozenset(
    {m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED, m.OrderStatus.UNRECOGNISED}
)


@frozen(kw_only=True)
class AccountPortfolio:
    """What a rebalance is computed from."""

    holdings: tuple[m.HeldPosition, ...]
    quotes: Mapping[str, m.Quote]
    instruments: tuple[m.Instrument, ...]
    pairs: tuple[m.Pair, ...]
    cash: Decimal


class PortfolioReader:
    """Reads what the account holds, and what it could trade."""

    def __init__(self, gateway: Gateway, recorder: Recorder, market: Market) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._market = market

    def read(
        self,
        symbols: Iterable[str],
        strategy: str | None,
        rules: m.RebalanceRules,
        left: Sequence[m.Finding],
        exits: frozenset[str],
    ) -> AccountPortfolio:
        """
        Return the portfolio; *symbols* are the targets, *left* the differences of the last sync.

        *strategy* is whose part is traded; None: what belongs to no strategy.  *exits* are the
        client ids of the orders that protect a position.
        Raises: ReadFailed if an instrument could not be read, or the cash is not known.
        """
        targets = list(dict.fromkeys(symbols))
        with self._recorder.store.read() as reader:
            held = {x.symbol: x for x in reader.all(m.Position) if x.qty or _parts(x)}
            records = [x for x in reader.find(m.OrderRecord, "open", "yes") if _is_live(x)]
            cash = pairs.cash_in(reader, rules.currency)
            known_pairs = tuple(reader.all(m.Pair))
        if cash is None:
            raise errors.ReadFailed("the cash of the account is not known yet; sync, and try again")
        closes = [x for x in held if rules.others == "close"]
        listed = self._instruments(list(dict.fromkeys([*targets, *closes])))
        traded_as = {x: _pair_symbol(x, known_pairs, rules.currency) for x in held}
        wanted = dict.fromkeys([*targets, *traded_as.values(), *(x.terms.symbol for x in records)])
        quotes = self._market.quotes(list(wanted))
        with self._recorder.store.read() as reader:
            holdings = _holdings(
                reader,
                held,
                records,
                strategy or "",
                exits,
                quotes,
                traded_as,
                self._gateway.broker.capabilities.reserve_rule,
            )
            known = (reader.get(m.Instrument, x) for x in held if x not in listed)
            instruments = (*listed.values(), *(x for x in known if x is not None))
        differs = [x.drift for x in left if isinstance(x.drift, m.WrongCash)]
        figures = [x.theirs for x in differs if x.currency == rules.currency]
        return AccountPortfolio(
            holdings=holdings,
            quotes=quotes,
            instruments=instruments,
            pairs=known_pairs,
            cash=min([cash, *figures]),
        )

    def _instruments(self, symbols: Sequence[str]) -> dict[str, m.Instrument]:
        """Return the instruments that the broker lists, by symbol."""
        found: dict[str, m.Instrument] = {}
        for symbol in symbols:
            listed = self._market.instrument(symbol)
            if isinstance(listed, m.Instrument):
                found[symbol] = listed
            elif listed is None and self._gateway.broker.capabilities.instrument:
                raise errors.ReadFailed(
                    f"the instrument {symbol} could not be read; nothing was planned"
                )
            elif listed is None:
                found[symbol] = m.Instrument(symbol=symbol, asset_class=m.AssetClass.EQUITY)
        return found


def _parts(position: m.Position) -> bool:
    return any(part.qty for _, part in position.by_strategy)


def _is_live(record: m.OrderRecord) -> bool:
    order = record.order
    return (
        not order.is_final
        and bool(record.requests or record.ids)
        and (may_fill(order) or order.status in _UNCONFIRMED)
    )


def _pair_symbol(position: str, known: Sequence[m.Pair], currency: str | None) -> str:
    """Return the symbol whose price values *position*: of a pair in the plan's currency."""
    named = [x.symbol for x in known if x.holding == position and x.quote == currency]
    return position if position in named or not named else named[0]


def _holdings(
    reader: Reader,
    held: Mapping[str, m.Position],
    records: Sequence[m.OrderRecord],
    strategy: str,
    exits: frozenset[str],
    quotes: Mapping[str, m.Quote],
    traded_as: Mapping[str, str],
    rule: m.ReserveRule,
) -> tuple[m.HeldPosition, ...]:
    orders: dict[str, dict[str, m.WorkingOrder]] = {}
    names = {x.client_order_id for x in records}
    for record in records:
        if record.parent in names and record.parent not in exits:
            continue  # the leg of an entry that has not filled holds nothing
        is_exit = record.client_order_id in exits or is_exit_order(reader, record)
        symbol = record.terms.symbol
        group = orders.setdefault(pairs.holding_of(reader, symbol), {})
        # The exits of one OCO count once.
        name = (record.parent if is_exit else None) or record.client_order_id
        group[name] = _working(record, name, quotes.get(symbol), rule, is_exit=is_exit)
    found = []
    for symbol in dict.fromkeys([*held, *orders]):
        position = held.get(symbol) or m.Position(symbol=symbol)
        parts = {name: part.qty for name, part in position.by_strategy}
        quote = quotes.get(traded_as.get(symbol, symbol))
        is_other = traded_as.get(symbol, symbol) != symbol and quote is not None
        found.append(
            m.HeldPosition(
                symbol=symbol,
                qty=position.qty,
                strategy_qty=parts.get(strategy, ZERO),
                value=position.qty * (quote.bid + quote.ask) / 2 if is_other and quote else None,
                orders=tuple(orders.get(symbol, {}).values()),
                is_confirmed=not any(position_differences(reader, symbol)),
            )
        )
    return tuple(found)


@m.exact
def _working(
    record: m.OrderRecord,
    name: str,
    quote: m.Quote | None,
    rule: m.ReserveRule,
    *,
    is_exit: bool,
) -> m.WorkingOrder:
    order, terms = record.order, record.terms
    price = terms.limit_price or terms.stop_price or (quote.ask if quote is not None else None)
    leaves = order.leaves_qty
    if leaves is None:  # an order by notional
        leaves = (order.leaves_notional or ZERO) / price if price else ZERO
    reserve = None if record.intent is None else record.intent.reserve
    if is_exit or (reserve is not None and not reserve.opens):
        amount = ZERO
    elif order.leaves_notional is not None:
        amount = order.leaves_notional
    elif reserve is not None:
        amount = leaves * reservation.unit_cost(terms, reserve, rule)
    else:
        amount = leaves * (price or ZERO) if terms.side is m.OrderSide.BUY else ZERO
    return m.WorkingOrder(
        client_order_id=name,
        side=terms.side,
        leaves_qty=leaves,
        reserve=amount,
        is_ours=record.origin is not m.Origin.EXTERNAL,
        is_confirmed=order.status not in _UNCONFIRMED,
        is_exit=is_exit,
    )
