"""
Rebalance by differences: the trades that lead from what is held to the targets.

Rule 1: at most one order a symbol; through zero two, the second after the first.
Rule 2: what is unknown is not acted on: no price, a wide spread, an order without a known outcome.
Rule 3: the budget holds.  Reductions come first, and buys are cut to what is left.
Rule 4: at the same prices and base, a second plan is empty (but for `turnover_max`).
Rule 5: nothing increases before the account shows the funds.
Rule 6: the exits of one symbol are away for the time of its own trade, not for that of the plan.

The base is equity × (1 - `cash_buffer`), less the positions without a target that stay, less the
reserves of open orders, and at most `capital`.  A target whose symbol cannot be traded now keeps
its share of the base, so that its missing price moves no other position.

Other halves: `core.plans.portfolio` reads the arguments, `core.plans.rebalance_rounding` rounds,
`core.plans.close` has the steps of one trade, and `desk.plans.rebalance` makes the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

from attrs import evolve

from fillbook import model as m
from fillbook.core.plans import portfolio as portfolios
from fillbook.core.plans import rebalance_rounding as rounding
from fillbook.core.plans.portfolio import Names, Portfolio
from fillbook.core.plans.rebalance_lines import PLAIN, Line
from fillbook.errors import InvalidValue
from fillbook.model import ZERO
from fillbook.model.account.rebalance import with_trades

_NO_LIMITS: Final = (None, None)
_DEFAULT: Final = m.RebalanceRules()
_BUY: Final = m.OrderSide.BUY
_SELL: Final = m.OrderSide.SELL
#: The stages, before those of a trade are added: cancels, the order, and its exits again.
_CANCELS: Final = 0
_REDUCES: Final = 1
_FUNDS: Final = 4
_INCREASES: Final = 5


@m.exact
def plan_rebalance(
    targets: m.Targets | Mapping[str, m.Number],
    holdings: Mapping[str, m.Number] | Iterable[m.HeldPosition],
    prices: Mapping[str, m.Number | tuple[m.Number, m.Number] | m.Quote | None],
    cash: m.Number,
    rules: m.RebalanceRules = _DEFAULT,
) -> m.Rebalance:
    """
    Plan the trades that lead from *holdings* and *cash* to *targets*; nothing is sent.

    *targets* without a kind are weights.  *holdings* are signed quantities by symbol, or positions
    with their open orders.  *prices* are per unit: a price, a pair of bid and ask, or a `Quote`;
    None, and a symbol that is left out: no price.  *cash* is that of the account, in the currency
    of the plan; negative: borrowed.

    Raises: InvalidValue: a symbol has two targets or is unknown, there is no target, the weights
        or the positions after the plan exceed the leverage, or nothing is left to allocate.
    """
    if not isinstance(targets, m.Targets):
        targets = m.Targets(targets)
    names = Names(rules)
    symbols = portfolios.targeted(targets, names)
    held = portfolios.held_positions(holdings, names)
    portfolio = portfolios.read(symbols, held, portfolios.markets(prices, names), names, rules)
    money = m.number(cash)
    portfolio.equity += money
    base = _base(portfolio)
    weight_sum = _set_targets(targets, portfolio, base, names)
    lines = list(portfolio.lines.values())
    rounding.want(lines, rules, base)
    budget = _budget(portfolio, base, money)
    before = evolve(budget)
    rounding.fit(lines, budget, rules)
    if rules.leftover == "invest":
        rounding.invest_leftover(lines, budget)
    if rules.turnover_max is not None:
        most = max(ZERO, rules.turnover_max * base)
        budget = rounding.limit_turnover(lines, most, before, budget)
    return _result(portfolio, lines, base, weight_sum, before, budget)


def _base(portfolio: Portfolio) -> Decimal:
    """Return what the weights are shares of."""
    rules = portfolio.rules
    base = portfolio.equity * (1 - rules.cash_buffer) - portfolio.outside - portfolio.reserves
    return base if rules.capital is None else min(rules.capital, base)


def _set_targets(
    targets: m.Targets, portfolio: Portfolio, base: Decimal, names: Names
) -> Decimal | None:
    """Set the target values of the lines; return the sum of the weights if they were scaled."""
    rules, lines = portfolio.rules, portfolio.lines
    if rules.long_only:
        short = [x for pairs in (targets.weights, targets.notional, targets.qty) for x in pairs]
        if below := [symbol for symbol, value in short if value < 0]:
            raise InvalidValue(f"{', '.join(below)}: a target below zero, and long_only is set")
    symbols, missing = names.symbols, portfolio.unvalued
    factor, gross, weight_sum = _scale(targets, portfolio, base, names)
    for name, weight in targets.weights:
        line = lines.get(symbols[name])
        if line is not None:
            line.wanted = weight * factor
    values = {symbols[x]: value for x, value in targets.notional}
    for name, qty in targets.qty:
        line = lines.get(symbols[name])
        if line is not None:
            values[line.symbol] = qty * line.unit
    for symbol, value in values.items():
        line = lines.get(symbol)
        if line is not None:
            line.wanted = value
    gross += sum(abs(value) for symbol, value in values.items() if symbol not in missing)
    total, most = gross + portfolio.outside, rules.leverage * portfolio.equity
    if total > most and gross:
        raise InvalidValue(
            f"the targets and the positions without one sum to {total:.2f}, above "
            f"{m.plain(rules.leverage)} times the equity, {most:.2f}"
        )
    return weight_sum


def _scale(
    targets: m.Targets, portfolio: Portfolio, base: Decimal, names: Names
) -> tuple[Decimal, Decimal, Decimal | None]:
    """
    Return the value of a weight of 1, that of all weights, and their sum if it was scaled to 1.

    The value of all is not the sum of their values, which are rounded to 60 digits.
    """
    total = sum([abs(weight) for _, weight in targets.weights], ZERO)
    if not total:
        return ZERO, ZERO, None
    if base <= 0:
        raise InvalidValue(
            f"nothing is left to allocate: the base is {base:.2f}, of an equity of "
            f"{portfolio.equity:.2f}"
        )
    if total > max(m.WEIGHTS_MAX, portfolio.rules.leverage):
        raise InvalidValue(
            f"the weights sum to {m.plain(total)}, above the leverage of "
            f"{m.plain(portfolio.rules.leverage)}"
        )
    is_scaled = 1 < total <= m.WEIGHTS_MAX
    missing = ZERO
    if portfolio.unvalued:
        # The value of these is missing in the base, so their weights are missing in its shares.
        pairs = ((names.resolve(name), abs(weight)) for name, weight in targets.weights)
        missing = sum((x for symbol, x in pairs if symbol in portfolio.unvalued), ZERO)
    rest = (total if is_scaled else 1) - missing
    if rest <= 0:
        return ZERO, ZERO, total if is_scaled else None
    return base / rest, base * (total - missing) / rest, total if is_scaled else None


def _budget(portfolio: Portfolio, base: Decimal, cash: Decimal) -> rounding.Budget:
    """Return what the plan may still use: the positions that it may trade are in use."""
    rules, equity = portfolio.rules, portfolio.equity
    own = base * max(Decimal(1), rules.leverage) - portfolio.skipped
    all_positions = portfolio.outside + portfolio.skipped + portfolio.growth
    value = min(own, rules.leverage * equity - all_positions)
    used = sum([abs(x.held) * x.unit for x in portfolio.lines.values() if x.held], ZERO)
    borrowed = max(ZERO, rules.leverage - 1) * equity
    return rounding.Budget(used, value - used, cash + borrowed - portfolio.reserves)


# -- the result ------------------------------------------------------------------------


def _result(
    portfolio: Portfolio,
    lines: Sequence[Line],
    base: Decimal,
    weight_sum: Decimal | None,
    before: rounding.Budget,
    after: rounding.Budget,
) -> m.Rebalance:
    allocation, changed, count, total = [], 0, 0, ZERO
    error = spread = full_spread = ZERO
    for line in lines:
        symbol, held, qty, terms = line.symbol, line.held, line.grows, line.terms
        if terms is PLAIN and held is ZERO and qty and line.wanted > ZERO:
            off = line.lack
            total += line.grown
            count += 1
            changed += 1
        else:
            qty = held
            for order in _orders(line):
                qty = qty + order.qty if order.is_buy else qty - order.qty
                total += order.qty * line.unit
                count += 1
            off = qty * line.unit - line.wanted
            changed += bool(held) + bool(qty)
            if terms.half_spread:
                spread += abs(qty - held) * terms.half_spread
                full_spread += (abs(qty) + abs(held)) * terms.half_spread
        allocation.append((symbol, qty))
        error += off * off
        if line.why is not None:
            portfolio.leave(symbol, qty, qty * line.unit, line.why)
    less = [x for x in lines if x.grows is not x.wanted_steps and x.grows < x.wanted_steps]
    plan = m.Rebalance(
        trades=(),
        left_alone=tuple(sorted(portfolio.left_alone, key=lambda x: x.symbol)),
        cancels=tuple(portfolio.cancels),
        equity=portfolio.equity,
        base=base,
        weight_sum=weight_sum,
        allocation=tuple(allocation),
        leftover=after.value,
        cut=sum([(x.wanted_steps - x.grows) * x.grow_size for x in less], ZERO),
        tracking_error=error.sqrt() / base if base > 0 else ZERO,
        cost=m.RebalanceCost(count, total, spread),
        full_cost=m.RebalanceCost(changed, before.used + after.used, full_spread),
    )
    return with_trades(plan, partial(_trades, lines))


class _Order(NamedTuple):
    """One order of a line."""

    reduces: bool
    is_buy: bool
    qty: Decimal
    step: Decimal


def _orders(line: Line) -> list[_Order]:
    """Return the orders of *line*, at most two: what reduces is the first."""
    found, terms = [], line.terms
    if line.reduces:
        found.append(_Order(True, line.held < ZERO, line.reduces * terms.step, terms.step))
    if line.grows:
        step = terms.grow_step
        found.append(_Order(False, line.wanted > ZERO, line.grows * step, step))
    return found


@m.exact
def _trades(lines: Sequence[Line]) -> tuple[m.RebalanceTrade, ...]:
    """Return the trades of *lines* in the order of sending."""
    trades: tuple[list[m.RebalanceTrade], ...] = ([], [], [], [])
    buys = trades[-1]
    for line in lines:
        symbol, terms = line.symbol, line.terms
        if terms is PLAIN and line.held is ZERO and line.grows and line.wanted > ZERO:
            buys.append(m.RebalanceTrade(symbol, _BUY, line.grows, line.grown, False))
            continue
        limits, exits = terms.limits or _NO_LIMITS, terms.orders.exits
        for reduces, is_buy, qty, step in _orders(line):
            side, limit, value = _BUY if is_buy else _SELL, limits[is_buy], qty * line.unit
            after = f"{symbol}/reduce" if line.reduces and not reduces else None
            trade = m.RebalanceTrade(symbol, side, qty, value, reduces, limit, after, exits, step)
            trades[is_buy if reduces else 2 + is_buy].append(trade)
    return tuple(chain(*trades))


# -- steps ---------------------------------------------------------------------------------


def staged(
    cancels: Iterable[str],
    trades: Iterable[tuple[m.RebalanceTrade, Sequence[m.PlanStep]]],
    funds: m.AwaitFunds | None,
) -> tuple[m.PlanStep, ...]:
    """
    Return the steps of a rebalance in their stages.

    *trades* are the trades with the steps that carry them out.  *funds*: the buys wait for them;
    None: there are no buys.  They are not waited for if nothing is canceled or reduced before.
    """
    steps = [m.PlanStep(action=m.CancelOrder(name), stage=_CANCELS) for name in cancels]
    later: list[m.PlanStep] = []
    for trade, own in trades:
        if trade.reduces:
            steps += [evolve(x, stage=_REDUCES + x.stage) for x in own]
        else:
            later += [evolve(x, stage=_INCREASES + x.stage) for x in own]
    if steps and funds is not None:
        steps.append(m.PlanStep(action=funds, stage=_FUNDS))
    return tuple(sorted((*steps, *later), key=lambda x: x.stage))
