"""The rebalance: properties of every plan, without and with limits."""

from collections import Counter
from decimal import Decimal

from attrs import evolve
from hypothesis import assume, event, example, given
from hypothesis import strategies as st

import fillbook as fb
from fillbook import model as m

SYMBOLS = ("A", "B", "C", "D", "E")
D = Decimal


def listed(symbol, **kw):
    return fb.Instrument(symbol, fb.AssetClass.EQUITY, shortable=True, **kw)


def coin(symbol, step="0.01", **kw):
    return fb.Instrument(symbol, fb.AssetClass.CRYPTO, qty_increment=D(step), shortable=True, **kw)


cents = st.integers(1, 100_000).map(lambda x: D(x) / 100)
instruments = st.tuples(
    st.sampled_from(("1", "1", "0.01", "0.000000001")), st.sampled_from((1, 1, 100))
)
spreads = st.sampled_from((D(0), D("0.0001"), D("0.009")))


@st.composite
def cases(draw, signs=(1, 1, 1, -1), **rules):
    """Targets, holdings in whole steps, prices, and cash so that the equity is above zero."""
    symbols = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
    chosen, prices, held, targets = [], {}, {}, {}
    for symbol in symbols:
        step, multiplier = draw(instruments)
        chosen.append(coin(symbol, step, multiplier=D(multiplier)))
        price = draw(cents)
        half = price * draw(spreads) / 2
        prices[symbol] = (price - half, price + half)
        held[symbol] = draw(st.integers(-20, 200)) * draw(st.sampled_from((D(step), D(1))))
        targets[symbol] = draw(st.integers(0, 100)) * draw(st.sampled_from(signs))
    total = sum(map(abs, targets.values())) or 1
    share = draw(st.sampled_from((D(1), D("0.5"), D("0.97"))))
    weights = {
        x: (share * w / total).quantize(D("0.000001"), "ROUND_DOWN") for x, w in targets.items()
    }
    values = [sum(prices[x.symbol]) / 2 * x.multiplier * held[x.symbol] for x in chosen]
    cash = draw(st.integers(1, 10**7)) - min(0, sum(values))
    buffer = draw(st.sampled_from(("0", "0.02")))
    return Case(
        weights,
        held,
        prices,
        D(cash),
        fb.RebalanceRules(instruments=chosen, cash_buffer=buffer, **rules),
    )


class Case:
    def __init__(self, targets, held, prices, cash, rules):
        self.targets, self.held, self.prices, self.cash, self.rules = (
            targets,
            held,
            prices,
            cash,
            rules,
        )
        self.listed = {x.symbol: x for x in rules.instruments}

    def __repr__(self):
        return f"Case({self.targets}, {self.held}, {self.prices}, {self.cash}, {self.rules})"

    def plan(self, **rules):
        return fb.plan_rebalance(
            self.targets, self.held, self.prices, self.cash, evolve(self.rules, **rules)
        )

    def unit(self, symbol):
        return sum(self.prices[symbol]) / 2 * self.listed[symbol].multiplier

    def after(self, plan):
        """What is held after the plan, and the cash at the prices of the market."""
        held, cash = dict(self.held), self.cash
        for trade in plan.trades:
            bid, ask = self.prices[trade.symbol]
            sign = trade.side.sign
            held[trade.symbol] += sign * trade.qty
            cash -= (
                sign * trade.qty * (ask if sign > 0 else bid) * self.listed[trade.symbol].multiplier
            )
        return held, cash

    def gross(self, held):
        return sum(abs(qty) * self.unit(x) for x, qty in held.items())

    def error(self, held, base):
        return sum((held[x] * self.unit(x) - self.targets[x] * base) ** 2 for x in self.targets)


WHOLE = fb.RebalanceRules(instruments=[listed("A")])


def increases(plan):
    return [x for x in plan.trades if not x.reduces]


@given(cases())
def test_a_symbol_has_one_order_or_two_through_zero(case):
    plan = case.plan()
    held, _ = case.after(plan)
    counts = Counter(x.symbol for x in plan.trades)
    for symbol, count in counts.items():
        assert count == (2 if held[symbol] * case.held[symbol] < 0 else 1)
    places = {x.leg: n for n, x in enumerate(plan.trades)}
    for trade in plan.trades:
        first = (
            f"{trade.symbol}/reduce" if counts[trade.symbol] == 2 and not trade.reduces else None
        )
        assert trade.after == first
        assert first is None or places[first] < places[trade.leg]
    sides = [x.side for x in plan.trades if x.reduces or not case.held[x.symbol]]
    assert [x.reduces for x in plan.trades] == sorted(
        (x.reduces for x in plan.trades), reverse=True
    )
    event(f"two orders: {2 in counts.values()}, {len(sides)}")


@given(cases())
def test_what_is_traded_is_the_difference_in_whole_steps(case):
    plan = case.plan()
    held, _ = case.after(plan)
    assert dict(plan.allocation) == held
    for trade in plan.trades:
        assert trade.qty > 0
        assert trade.qty % case.listed[trade.symbol].qty_increment == 0
        assert trade.notional == trade.qty * case.unit(trade.symbol)
    difference = sum(abs(held[x] - case.held[x]) * case.unit(x) for x in held)
    assert plan.cost.notional == sum(x.notional for x in plan.trades) == difference
    assert plan.cost.notional <= plan.full_cost.notional
    assert plan.cost.orders <= plan.full_cost.orders
    assert plan.leftover == _budget(case, plan) - case.gross(held)


def _budget(case, plan):
    leverage = case.rules.leverage
    return min(plan.base * max(1, leverage), leverage * plan.equity)


@given(cases())
@example(Case({"A": D(1)}, {"A": D(1)}, {"A": (D(10), D(10))}, D(0), WHOLE))
def test_the_budget_and_the_leverage_hold(case):
    """Whatever the rounding: so does the cash, at the prices of the market."""
    plan = case.plan()
    held, cash = case.after(plan)
    assert case.gross(held) <= _budget(case, plan)
    assert case.gross(held) <= plan.equity
    if any(x.side is m.OrderSide.BUY for x in increases(plan)):
        assert cash >= 0


@given(cases())
def test_no_single_step_within_the_budget_comes_nearer(case):
    plan = case.plan()
    held, cash = case.after(plan)
    error, budget = case.error(held, plan.base), _budget(case, plan)
    for symbol, qty in held.items():
        step = case.listed[symbol].qty_increment
        bid, ask = case.prices[symbol]
        for by in (step, -step):
            other = held | {symbol: qty + by}
            price = ask if by > 0 else bid
            left = cash - by * price * case.listed[symbol].multiplier
            is_within = case.gross(other) <= budget and (by < 0 or qty < 0 or left >= 0)
            assert not is_within or case.error(other, plan.base) >= error


@given(cases())
def test_a_second_plan_is_empty(case):
    """At the same prices and the same base."""
    plan = case.plan()
    held, cash = case.after(plan)
    lost = plan.equity - cash - sum(held[x] * case.unit(x) for x in held)
    capital = None if not lost else plan.base
    again = Case(case.targets, held, case.prices, cash, case.rules)
    if lost:  # the spread; a smaller buffer gives the same base
        assume(plan.equity > lost)
        second = again.plan(cash_buffer=0, capital=capital)
        assume(second.base == plan.base)
    else:
        second = again.plan()
    assert second.trades == ()


limits = st.fixed_dictionaries(
    {},
    optional={
        "band": st.sampled_from(("0.01", "0.1")),
        "min_notional": st.sampled_from((1, 100, 5000)),
        "buys_only": st.just(True),
        "others": st.just("close"),
        "order_type": st.just("limit"),
        "cash_buffer": st.sampled_from(("0", "0.3")),
        "leverage": st.sampled_from(("1.5", "2")),
    },
)


@given(cases(signs=(1,)))
def test_what_is_left_over_is_invested_if_that_is_wanted(case):
    """No step that fits has a smaller excess than what is left; and a second plan is empty."""
    assume(all(x >= 0 for x in case.held.values()))
    kept, plan = case.plan(), case.plan(leftover="invest")
    held, cash = case.after(plan)
    assert case.gross(held) <= _budget(case, plan)
    assert plan.leftover <= kept.leftover
    wanted = {x: case.targets[x] * plan.base for x in held}
    short = sum(wanted.values()) - case.gross(held)
    for symbol, qty in held.items():
        size = case.unit(symbol) * case.listed[symbol].qty_increment
        costs = case.prices[symbol][1] * case.listed[symbol].multiplier
        is_coarse = size * 64 > short
        if wanted[symbol] and is_coarse and size <= plan.leftover and costs <= cash:
            assert qty * case.unit(symbol) + size - wanted[symbol] >= short
    if all(a == b for a, b in case.prices.values()):
        again = Case(case.targets, held, case.prices, cash, case.rules)
        assert again.plan(leftover="invest").trades == ()


@given(cases(), limits)
def test_limits_never_break_the_budget_and_a_second_plan_is_empty(case, rules):
    plan = case.plan(**rules)
    limited = Case(case.targets, case.held, case.prices, case.cash, evolve(case.rules, **rules))
    held, cash = limited.after(plan)
    if increases(plan):
        assert limited.gross(held) <= _budget(limited, plan)
        assert limited.gross(held) <= limited.rules.leverage * plan.equity
    if rules.get("buys_only"):
        assert all(x.side is m.OrderSide.BUY for x in plan.trades)
    least = D(rules.get("min_notional", 0))
    assert all(x.notional >= least for x in plan.trades)
    mid = limited.cash + sum((limited.held[x] - held[x]) * limited.unit(x) for x in held)
    if cash == mid and rules.get("order_type") is None:
        assert Case(case.targets, held, case.prices, cash, limited.rules).plan().trades == ()


@given(cases(), st.sampled_from(("0", "0.01", "0.1", "0.5", "2")))
def test_the_turnover_is_bounded_and_the_distance_falls_by_it(case, turnover):
    """But for what is below a step, and for buys that the sales do not pay for."""
    free, plan = case.plan(), case.plan(turnover_max=turnover)
    held, _ = case.after(plan)
    most = D(turnover) * plan.base
    assert plan.cost.notional <= most
    if increases(plan):
        assert case.gross(held) <= _budget(case, plan)

    def distance(qtys):
        free_qtys = dict(free.allocation)
        return sum(abs(qtys[x] - free_qtys[x]) * case.unit(x) for x in qtys)

    assert distance(case.held) - distance(held) == plan.cost.notional
    steps = sum(case.unit(x) * case.listed[x].qty_increment for x in held)
    steps += sum(case.prices[x][1] - case.prices[x][0] for x in held) * 10**6
    if not any(case.held[x] * case.targets[x] < 0 or case.held[x] < 0 for x in held) and all(
        a == b for a, b in case.prices.values()
    ):
        assert plan.cost.notional >= min(most, free.cost.notional) - 2 * steps


@given(cases(), st.integers(0, 10**6))
def test_positions_without_a_target_stay_and_count(case, value):
    """They take from the base, and the leverage includes them."""
    others = {"OTHER": D(value)}
    listed = (*case.rules.instruments, coin("OTHER"))
    args = (case.targets, case.held | others, case.prices | {"OTHER": D(1)}, case.cash)
    try:
        plan = fb.plan_rebalance(*args, evolve(case.rules, instruments=listed))
    except fb.InvalidValue:
        assert any(case.targets.values())
        return
    held, _ = case.after(plan)
    assert case.gross(held) + value <= plan.equity
    alone = [x for x in plan.left_alone if x.symbol == "OTHER"]
    assert [(x.qty, x.value, x.reason) for x in alone] == (
        [(value, value, m.LeftAloneReason.NO_TARGET)] if value else []
    )
    assert "OTHER" not in {x.symbol for x in plan.trades}
    closed = fb.plan_rebalance(*args, evolve(case.rules, instruments=listed, others="close"))
    assert [x.qty for x in closed.trades if x.symbol == "OTHER"] == ([value] if value else [])
