"""
The portfolio of a rebalance: targets, holdings and prices, read into one line per symbol.

A line is a symbol that the plan may trade.  What it may not trade is left alone, with the reason.
A price that is missing or doubtful is never replaced by another: the symbol is left alone.  The
market value that the broker reports only measures what is left alone.

Other halves: `core.plans.rebalance`, which makes the plan, `core.plans.rebalance_rounding`, and
`core.plans.rebalance_lines`, the lines themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, repeat
from typing import Any, Final

from attrs import Factory, define

from fillbook import model as m
from fillbook.core.plans.rebalance_lines import NO_ORDERS, PLAIN, Line, Market, Orders, Terms
from fillbook.errors import InvalidValue
from fillbook.model import ZERO

_R = m.LeftAloneReason
_ONE: Final = Decimal(1)
#: The price increment where none is known.
_FINEST: Final = Decimal("0.0001")
_SHOWN: Final = 5  #: symbols that an error names

#: A price for both, or both.
_Price = Decimal | Market


class Names:
    """The instruments by symbol, and their other names."""

    def __init__(self, rules: m.RebalanceRules) -> None:
        self.listed = {x.symbol: x for x in rules.instruments}
        #: The symbols by their other names, and by the names of the targets.
        self.symbols = {name: x.symbol for x in rules.instruments for name in x.aliases}
        self.pairs = {x.symbol: x for x in rules.pairs}
        if self.pairs and rules.currency is None:
            raise InvalidValue("pairs have two currencies: `currency` names that of the plan")
        #: The symbols of the positions to which buys of other symbols add.
        self.positions = {x.symbol: x.holding for x in rules.pairs}
        self._currency = rules.currency

    def resolve(self, symbol: str) -> str:
        return self.symbols.get(symbol, symbol)

    def is_foreign(self, symbol: str) -> bool:
        """Return whether *symbol* is paid in another currency than that of the plan."""
        pair = self.pairs.get(symbol)
        return pair is not None and pair.quote != self._currency


#: What may be traded: a symbol, how much is held, the value of a unit where there is no price, the
#: open orders, and whether it has a target.
_Stake = tuple[str, Decimal, Decimal | None, Orders, bool]


@define(eq=False)
class Portfolio:
    """The lines, what is left alone, and the sums that decide how much there is to allocate."""

    rules: m.RebalanceRules
    names: Names
    lines: dict[str, Line] = Factory(dict[str, Line])  #: by symbol
    left_alone: list[m.LeftAlone] = Factory(list[m.LeftAlone])
    cancels: list[str] = Factory(list[str])
    equity: Decimal = ZERO
    reserves: Decimal = ZERO  #: what open orders that stay may still cost
    outside: Decimal = ZERO  #: value, without sign, of what is left alone without a target
    skipped: Decimal = ZERO  #: value, without sign, of targets that are left alone
    growth: Decimal = ZERO  #: by how much open orders may still increase positions, as a value
    #: The targets whose position has no known value, so that the equity lacks it.
    unvalued: set[str] = Factory(set[str])

    def leave(
        self, symbol: str, qty: Decimal, value: Decimal | None, reason: m.LeftAloneReason
    ) -> None:
        self.left_alone.append(m.LeftAlone(symbol, qty, value, reason))


# -- the arguments ---------------------------------------------------------------------


def targeted(targets: m.Targets, names: Names) -> dict[str, str]:
    """
    Return the symbols of the targets by their positions.

    Raises: InvalidValue: there is none, one has two targets, is unknown, or in another currency.
    """
    given = [x for x, _ in (*targets.weights, *targets.notional, *targets.qty)]
    if not given:
        raise InvalidValue("there are no targets; a target of zero closes a position")
    symbols = [names.symbols.get(x, x) for x in given] if names.symbols else given
    names.symbols.update(zip(given, symbols, strict=True))
    positions = [names.positions.get(x, x) for x in symbols] if names.positions else symbols
    found = names.symbols if positions is given else dict(zip(positions, symbols, strict=True))
    problems = []
    if len(found) < len(given):
        first: dict[str, int] = {}
        twice = [n for n, x in enumerate(positions) if first.setdefault(x, n) != n]
        problems += _problem([given[n] for n in twice], "more than one target")
    if names.listed:
        unknown = [x for x in symbols if x not in names.listed]
        problems += _problem(unknown, "no instrument of that name")
    if names.pairs:
        foreign = [x for x, one in zip(given, symbols, strict=True) if names.is_foreign(one)]
        problems += _problem(foreign, "another currency than that of the plan")
    if problems:
        raise InvalidValue("; ".join(problems))
    return found


def _problem(names: Sequence[str], problem: str) -> list[str]:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{', '.join(names[:_SHOWN])}{more}: {problem}"] if names else []


def held_positions(
    holdings: Mapping[str, m.Number] | Iterable[m.HeldPosition], names: Names
) -> dict[str, m.HeldPosition]:
    """Return what is held, by symbol.  Raises: InvalidValue: a position is listed twice."""
    found: dict[str, m.HeldPosition] = {}
    listed: Iterable[m.HeldPosition] = (
        [m.HeldPosition(symbol=x, qty=qty) for x, qty in holdings.items()]
        if isinstance(holdings, Mapping)
        else holdings
    )
    for held in listed:
        symbol = names.resolve(held.symbol)
        if symbol in found:
            raise InvalidValue(f"{held.symbol} is held twice: give each position once")
        found[symbol] = held
    return found


def markets(prices: Mapping[str, Any], names: Names) -> dict[str, _Price]:
    """Return the prices by symbol; what has none is left out.  Raises: InvalidValue."""
    found: dict[str, _Price] = {}
    symbols, number = names.symbols, m.number
    for name, price in prices.items():
        one: _Price
        if type(price) is not Decimal and isinstance(price, (m.Quote, tuple)):
            one = _bid_and_ask(price)
            is_price = min(one) > ZERO
        elif price is None:
            continue
        else:
            one = number(price)
            is_price = one > ZERO
        if not is_price:
            raise InvalidValue(f"{name}: a price is above zero, not {price!r}")
        symbol = symbols[name] if name in symbols else names.resolve(m.symbol_of(name))
        found[symbol] = one
    return found


def _bid_and_ask(price: m.Quote | tuple[Any, Any]) -> Market:
    if isinstance(price, m.Quote):
        return price.bid, price.ask
    return m.number(price[0]), m.number(price[1])


# -- the portfolio ---------------------------------------------------------------------


def read(
    symbols: Mapping[str, str],
    held: Mapping[str, m.HeldPosition],
    quoted: Mapping[str, _Price],
    names: Names,
    rules: m.RebalanceRules,
) -> Portfolio:
    """Return the portfolio of the targets *symbols* (by position); its equity lacks the cash."""
    portfolio = Portfolio(rules, names)
    stakes: list[_Stake] = []
    for position, one in held.items():
        symbol, is_wanted = symbols.get(position, position), position in symbols
        stakes += _count(portfolio, symbol, one, quoted.get(symbol), is_wanted=is_wanted)
    new = [symbol for position, symbol in symbols.items() if position not in held]
    opened = zip(new, repeat(ZERO), repeat(None), repeat(NO_ORDERS), repeat(True))
    _add_lines(portfolio, chain(stakes, opened), quoted)
    return portfolio


def _count(
    portfolio: Portfolio,
    symbol: str,
    held: m.HeldPosition,
    price: _Price | None,
    *,
    is_wanted: bool,
) -> list[_Stake]:
    """Add one position to the sums of *portfolio*; return it if it is to be traded."""
    rules, names = portfolio.rules, portfolio.names
    if names.is_foreign(symbol):
        if held.qty:
            portfolio.leave(symbol, held.qty, None, _R.OTHER_CURRENCY)
        return []
    own, qty, unit = held.qty, held.qty, None
    if held.strategy_qty is not None:
        own = held.strategy_qty
    if price is not None:
        listed = names.listed.get(symbol)
        unit = _middle(price) * (_ONE if listed is None else listed.multiplier)
    elif held.value is not None and qty:
        unit = held.value / qty
    if unit is not None:
        portfolio.equity += qty * unit
    elif qty < 0 or own < 0:
        raise InvalidValue(f"{symbol} is held short and has no price: give a price or a value")
    is_traded = is_wanted or (rules.others == "close" and bool(own))
    orders = NO_ORDERS
    if held.orders or not held.is_confirmed:
        orders = Orders(held, rules, is_traded=is_wanted or rules.others == "close")
        portfolio.reserves += orders.reserves
        if unit is not None:
            portfolio.growth += orders.growth * unit
    if own != qty:
        _leave(portfolio, symbol, qty - own, unit, _R.OTHER_PART)
    if is_traded:
        return [(symbol, own, unit, orders, is_wanted)]
    if own:
        _leave(portfolio, symbol, own, unit, _R.NO_TARGET)
    return []


def _middle(price: _Price) -> Decimal:
    if isinstance(price, Decimal):
        return price
    bid, ask = price
    return (bid + ask) / 2


def _add_lines(
    portfolio: Portfolio, stakes: Iterable[_Stake], quoted: Mapping[str, _Price]
) -> None:
    """Add the line of each stake to *portfolio*, or leave it alone."""
    rules, listed_by, lines = portfolio.rules, portfolio.names.listed, portfolio.lines
    is_limit = rules.order_type is m.OrderType.LIMIT
    is_plain = not (listed_by or is_limit or rules.min_notional)
    for symbol, own, reported, orders, is_wanted in stakes:
        price, reason, listed = quoted.get(symbol), orders.reason, None
        if listed_by:
            listed = listed_by.get(symbol)
        if listed_by and reason is None and (listed is None or not listed.tradable):
            reason = _R.NOT_TRADABLE
        if price is None:
            reason = reason or _R.NO_PRICE
            value = _leave(portfolio, symbol, own, reported, reason, is_wanted=is_wanted)
            if is_wanted and own and value is None:
                portfolio.unvalued.add(symbol)
            continue
        if is_plain and orders is NO_ORDERS and type(price) is Decimal:
            unit = size = cash = price
            terms = PLAIN
        else:
            unit, size, cash, terms = _terms(price, listed, orders, rules)
            reason = reason or _doubt(price, rules)
        if reason is not None:
            _leave(portfolio, symbol, own, unit, reason, is_wanted=is_wanted)
            continue
        if orders.cancels:
            portfolio.cancels += orders.cancels
        lines[symbol] = Line(symbol, own, unit, terms, size, cash)


def _terms(
    price: _Price, listed: m.Instrument | None, orders: Orders, rules: m.RebalanceRules
) -> tuple[Decimal, Decimal, Decimal, Terms]:
    """Return the value of a base unit and of a step, the cash of a step, and the terms."""
    bid, ask = market = (price, price) if isinstance(price, Decimal) else price
    unit, half_spread, limits, step, least = bid, ZERO, None, _ONE, _ONE
    if bid != ask:
        unit, half_spread = _middle(market), (ask - bid) / 2
    if rules.order_type is m.OrderType.LIMIT:
        limits = bid, ask = _limits(market, listed, rules)
    if listed is not None:
        step, by = _step(listed, rules), listed.multiplier
        unit, half_spread, bid, ask = unit * by, half_spread * by, bid * by, ask * by
    if listed is not None or rules.min_notional:
        least = least_steps(listed, step, bid, rules)
    terms = Terms(step, least, step, least, half_spread, (bid, ask), limits, listed, orders)
    return unit, step * unit, step * ask, terms


def _doubt(price: _Price, rules: m.RebalanceRules) -> m.LeftAloneReason | None:
    """Return why a pair of bid and ask is not traded on; None: it is."""
    if isinstance(price, Decimal) or price[0] == price[1]:
        return None
    bid, ask = price
    if bid > ask:
        return _R.NO_PRICE
    return _R.WIDE_SPREAD if (ask - bid) * 2 > rules.spread_max * (bid + ask) else None


def _leave(
    portfolio: Portfolio,
    symbol: str,
    qty: Decimal,
    unit: Decimal | None,
    reason: m.LeftAloneReason,
    *,
    is_wanted: bool = False,
) -> Decimal | None:
    """Leave *qty* alone, and count its value; return it."""
    value = None if unit is None else qty * unit
    portfolio.leave(symbol, qty, value, reason)
    if value is not None and is_wanted:
        portfolio.skipped += abs(value)
    elif value is not None:
        portfolio.outside += abs(value)
    return value


def _limits(market: Market, listed: m.Instrument | None, rules: m.RebalanceRules) -> Market:
    """Return the limit prices of a sale and of a buy, rounded toward the market."""
    bid, ask = market[0] * (1 - rules.collar), market[1] * (1 + rules.collar)
    down, tick = m.cut(bid, _tick(bid, listed, rules)), _tick(bid, listed, rules)
    return down if down == bid else down + tick, m.cut(ask, _tick(ask, listed, rules))


def _tick(price: Decimal, listed: m.Instrument | None, rules: m.RebalanceRules) -> Decimal:
    if listed is not None and listed.price_increment is not None:
        return listed.price_increment
    return next((x.step for x in rules.ticks if price >= x.least), _FINEST)


def _step(listed: m.Instrument, rules: m.RebalanceRules) -> Decimal:
    """Return the quantity increment of a trade."""
    is_coin = listed.asset_class is m.AssetClass.CRYPTO
    if is_coin or (listed.fractionable and not rules.whole_shares):
        return listed.qty_increment
    return max(_ONE, listed.qty_increment)


def least_steps(
    listed: m.Instrument | None, step: Decimal, bid: Decimal, rules: m.RebalanceRules
) -> Decimal:
    """Return how many steps the smallest permitted trade has, ≥ 1."""
    least, notional = _ONE, rules.min_notional
    if listed is not None:
        if listed.min_qty is not None:
            least = max(least, _ceiling(listed.min_qty, step))
        if listed.min_notional is not None:
            notional = max(notional, listed.min_notional)
    return max(least, _ceiling(notional, step * bid)) if notional else least


def _ceiling(amount: Decimal, size: Decimal) -> Decimal:
    """Return how many steps of *size* reach *amount*."""
    whole, rest = divmod(amount, size)
    return whole + 1 if rest else whole
