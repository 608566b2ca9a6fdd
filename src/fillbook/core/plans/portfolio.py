"""
The portfolio of a rebalance: targets, holdings and prices, read into one line per symbol.

A line is a symbol that the plan may trade.  What it may not trade is left alone, with the reason.
A price that is missing or doubtful is never replaced by another: the symbol is left alone.  The
market value that the broker reports only measures what is left alone.

Other halves: `core.plans.rebalance`, which makes the plan, `core.plans.rebalance_rounding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from attrs import Factory, define

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.model import ZERO

_R = m.LeftAloneReason
_ONE: Final = Decimal(1)
#: The price increment where none is known.
_FINEST: Final = Decimal("0.0001")
_SHOWN: Final = 5  #: symbols that an error names

#: The bid and the ask of a symbol.
_Market = tuple[Decimal, Decimal]


@define(eq=False)
class Line:
    """
    One symbol that the plan may trade: a mutable builder, inside one call of the planner.

    Quantities and values are signed.  `unit` is the value of a base unit, `half_spread` the cost
    of trading one; `bid` and `ask` are what a sale brings and a buy takes at worst, per base unit.
    `limits` are the limit prices of both; None: market orders.  `closable` ≥ 0 is how much of the
    position may be closed.  The result is `reduces` steps toward zero, and `grows` steps of
    `grow_step` away from it.
    """

    symbol: str
    held: Decimal
    unit: Decimal
    half_spread: Decimal
    bid: Decimal
    ask: Decimal
    limits: _Market | None
    step: Decimal
    listed: m.Instrument | None
    closable: Decimal
    exits: tuple[str, ...]
    wanted: Decimal = ZERO  #: the target value
    reduces: int = 0
    grows: int = 0
    grow_step: Decimal = _ONE
    gap: Decimal = ZERO  #: the value that is to be added, ≥ 0
    wanted_steps: int = 0  #: of growth, without a budget
    least_steps: int = 1  #: of growth: the minimum of one trade
    why: m.LeftAloneReason | None = None

    @property
    def qty(self) -> Decimal:
        """The quantity after the plan."""
        held = self.held
        if self.reduces:
            by = self.reduces * self.step
            held = held - by if held > 0 else held + by
        if self.grows:
            by = self.grows * self.grow_step
            return held + by if self.wanted > 0 else held - by
        return held


@define(eq=False)
class Portfolio:
    """The lines, what is left alone, and the sums that decide how much there is to allocate."""

    rules: m.RebalanceRules
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


class Names:
    """The instruments by symbol, and their other names."""

    def __init__(self, rules: m.RebalanceRules) -> None:
        self.listed = {x.symbol: x for x in rules.instruments}
        self._aliases = {name: x.symbol for x in rules.instruments for name in x.aliases}
        self.pairs = {x.symbol: x for x in rules.pairs}
        if self.pairs and rules.currency is None:
            raise InvalidValue("pairs have two currencies: `currency` names that of the plan")
        self._currency = rules.currency

    def resolve(self, symbol: str) -> str:
        return self._aliases.get(symbol, symbol)

    def position_of(self, symbol: str) -> str:
        """Return the symbol of the position to which a buy of *symbol* adds."""
        pair = self.pairs.get(symbol)
        return symbol if pair is None else pair.holding

    def is_foreign(self, symbol: str) -> bool:
        """Return whether *symbol* is paid in another currency than that of the plan."""
        pair = self.pairs.get(symbol)
        return pair is not None and pair.quote != self._currency

    def is_unknown(self, symbol: str) -> bool:
        return bool(self.listed) and symbol not in self.listed


# -- the arguments ---------------------------------------------------------------------


def targeted(targets: m.Targets, names: Names) -> dict[str, str]:
    """
    Return the symbols of the targets by their positions.

    Raises: InvalidValue: there is none, one has two targets, is unknown, or in another currency.
    """
    symbols: dict[str, str] = {}
    twice, unknown, foreign = [], [], []
    resolve = names.resolve
    for pairs in (targets.weights, targets.notional, targets.qty):
        for name, _ in pairs:
            symbol = resolve(name)
            position = symbol
            if names.pairs:
                position = names.position_of(symbol)
                if names.is_foreign(symbol):
                    foreign.append(name)
            if position in symbols:
                twice.append(name)
            symbols[position] = symbol
            if names.is_unknown(symbol):
                unknown.append(name)
    problems = []
    for found, problem in (
        (twice, "more than one target"),
        (unknown, "no instrument of that name"),
        (foreign, "another currency than that of the plan"),
    ):
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            problems.append(f"{', '.join(found[:_SHOWN])}{more}: {problem}")
    if problems:
        raise InvalidValue("; ".join(problems))
    if not symbols:
        raise InvalidValue("there are no targets; a target of zero closes a position")
    return symbols


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


def markets(prices: Mapping[str, Any], names: Names) -> dict[str, _Market]:
    """Return bid and ask by symbol; what has no price is left out.  Raises: InvalidValue."""
    found: dict[str, _Market] = {}
    resolve = names.resolve
    for name, price in prices.items():
        if price is None:
            continue
        if isinstance(price, m.Quote):
            bid, ask = price.bid, price.ask
        elif isinstance(price, tuple):
            bid, ask = m.number(price[0]), m.number(price[1])
        else:
            bid = ask = m.number(price)
        if bid <= 0 or ask <= 0:
            raise InvalidValue(f"{name}: a price is above zero, not {price!r}")
        found[resolve(m.symbol_of(name))] = (bid, ask)
    return found


# -- the portfolio ---------------------------------------------------------------------


def read(
    symbols: Mapping[str, str],
    held: Mapping[str, m.HeldPosition],
    quoted: Mapping[str, _Market],
    names: Names,
    rules: m.RebalanceRules,
) -> Portfolio:
    """Return the portfolio of the targets *symbols* (by position); its equity lacks the cash."""
    portfolio = Portfolio(rules)
    closes = rules.others == "close"
    for position, one in held.items():
        symbol = symbols.get(position, position)
        _count(portfolio, symbol, one, quoted, names, wanted=position in symbols, closes=closes)
    for position, symbol in symbols.items():
        if position not in held:
            _count(portfolio, symbol, _NOTHING, quoted, names, wanted=True, closes=closes)
    return portfolio


def _count(
    portfolio: Portfolio,
    symbol: str,
    held: m.HeldPosition,
    quoted: Mapping[str, _Market],
    names: Names,
    *,
    wanted: bool,
    closes: bool,
) -> None:
    """Add one position to the sums of *portfolio*, and to its lines or to what is left alone."""
    listed, market = names.listed.get(symbol), quoted.get(symbol)
    if names.is_foreign(symbol):
        if held.qty:
            portfolio.leave(symbol, held.qty, None, _R.OTHER_CURRENCY)
        return
    unit, half_spread = _valued(held, market, listed)
    own, qty = held.qty, held.qty
    if held.strategy_qty is not None:
        own = held.strategy_qty
    if unit is not None:
        if qty:
            portfolio.equity += qty * unit
    elif qty < 0 or own < 0:
        raise InvalidValue(f"{symbol} is held short and has no price: give a price or a value")
    orders = _NO_ORDERS
    if held.orders or not held.is_confirmed:
        orders = _Orders(held, portfolio.rules, is_traded=wanted or closes)
        portfolio.reserves += orders.reserves
        if unit is not None:
            portfolio.growth += orders.growth * unit
    if own != qty:
        _leave(portfolio, symbol, qty - own, unit, _R.OTHER_PART)
    if not wanted and not (closes and own):
        if own:
            _leave(portfolio, symbol, own, unit, _R.NO_TARGET)
        return
    reason = _why_not(listed, market, orders, portfolio.rules, names.is_unknown(symbol))
    if reason is not None or unit is None or half_spread is None or market is None:
        value = _leave(portfolio, symbol, own, unit, reason or _R.NO_PRICE, wanted=wanted)
        if wanted and own and value is None:
            portfolio.unvalued.add(symbol)
        return
    portfolio.cancels += orders.cancels
    portfolio.lines[symbol] = _line(
        symbol, own, unit, half_spread, market, listed, orders, portfolio.rules
    )


def _valued(
    held: m.HeldPosition, market: _Market | None, listed: m.Instrument | None
) -> tuple[Decimal | None, Decimal | None]:
    """Return the value of a unit and half the spread; else the reported value, and None."""
    if market is None:
        unit = held.value / held.qty if held.value is not None and held.qty else None
        return unit, None
    bid, ask = market
    middle = bid if bid == ask else (bid + ask) / 2
    half_spread = ask - middle
    if listed is not None and listed.multiplier != 1:
        return middle * listed.multiplier, half_spread * listed.multiplier
    return middle, half_spread


def _line(
    symbol: str,
    own: Decimal,
    unit: Decimal,
    half_spread: Decimal,
    market: _Market,
    listed: m.Instrument | None,
    orders: _Orders,
    rules: m.RebalanceRules,
) -> Line:
    limits = None
    bid, ask = unit - half_spread, unit + half_spread
    if rules.order_type is m.OrderType.LIMIT:
        limits = _limits(market, listed, rules)
        multiplier = _ONE if listed is None else listed.multiplier
        bid, ask = limits[0] * multiplier, limits[1] * multiplier
    step = _ONE if listed is None else _step(listed, rules)
    closable = abs(own) if orders is _NO_ORDERS else orders.closable(own)
    return Line(
        symbol, own, unit, half_spread, bid, ask, limits, step, listed, closable, orders.exits
    )


def _leave(
    portfolio: Portfolio,
    symbol: str,
    qty: Decimal,
    unit: Decimal | None,
    reason: m.LeftAloneReason,
    *,
    wanted: bool = False,
) -> Decimal | None:
    """Leave *qty* alone, and count its value; return it."""
    value = None if unit is None else qty * unit
    portfolio.leave(symbol, qty, value, reason)
    if value is not None and wanted:
        portfolio.skipped += abs(value)
    elif value is not None:
        portfolio.outside += abs(value)
    return value


def _limits(market: _Market, listed: m.Instrument | None, rules: m.RebalanceRules) -> _Market:
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


def _why_not(
    listed: m.Instrument | None,
    market: _Market | None,
    orders: _Orders,
    rules: m.RebalanceRules,
    is_unknown: bool,
) -> m.LeftAloneReason | None:
    """Return why a symbol is not traded; None: it may be."""
    if orders.reason is not None:
        return orders.reason
    if is_unknown or (listed is not None and not listed.tradable):
        return _R.NOT_TRADABLE
    if market is None:
        return _R.NO_PRICE
    bid, ask = market
    if bid == ask:
        return None
    if bid > ask:
        return _R.NO_PRICE
    return _R.WIDE_SPREAD if (ask - bid) * 2 > rules.spread_max * (bid + ask) else None


class _Orders:
    """The open orders of a symbol, in their worst case."""

    __slots__ = ("_buys", "_sells", "cancels", "exits", "growth", "reason", "reserves")

    def __init__(self, held: m.HeldPosition, rules: m.RebalanceRules, *, is_traded: bool) -> None:
        self.reason: m.LeftAloneReason | None = None
        self.exits: tuple[str, ...] = ()
        self.cancels: Sequence[str] = ()
        self.reserves = self.growth = self._buys = self._sells = ZERO
        cancels = is_traded and rules.open_orders == "cancel"
        live = list(held.orders)
        if not held.is_confirmed:
            self.reason = _R.DIFFERENCE
        elif any(not x.is_confirmed for x in live):
            self.reason = _R.UNCONFIRMED_ORDER
        elif any(x.is_ours and not x.is_exit for x in live):
            self.reason = None if cancels else _R.OPEN_ORDERS
        if cancels and self.reason is None:
            self.cancels = [x.client_order_id for x in live if x.is_ours and not x.is_exit]
            live = [x for x in live if x.is_exit or not x.is_ours]
        self.exits = tuple(x.client_order_id for x in live if x.is_exit)
        self.reserves = sum((x.reserve for x in live), ZERO)
        openers = [x for x in live if not x.is_exit]
        self._buys = sum((x.leaves_qty for x in openers if x.side is m.OrderSide.BUY), ZERO)
        self._sells = sum((x.leaves_qty for x in openers if x.side is m.OrderSide.SELL), ZERO)
        worst = max(abs(held.qty + self._buys), abs(held.qty - self._sells))
        self.growth = max(ZERO, worst - abs(held.qty))

    def closable(self, own: Decimal) -> Decimal:
        """Return how much of *own* may be closed, ≥ 0: not what other orders may close."""
        return max(ZERO, abs(own) - (self._sells if own > 0 else self._buys))


_NOTHING: Final = m.HeldPosition(symbol="-", qty=ZERO)
_NO_ORDERS: Final = _Orders(_NOTHING, m.RebalanceRules(), is_traded=False)
