"""The rebalance, rule by rule."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.core.plans.test_rebalance import coin, listed

D = Decimal
R = m.LeftAloneReason
ALL = {"cash_buffer": 0}


def plan(targets, held=(), prices=(), cash=0, **rules):
    held = held if isinstance(held, list) else dict(held)
    return fb.plan_rebalance(targets, held, dict(prices), cash, fb.RebalanceRules(**rules))


def traded(found):
    return [(x.symbol, int(x.side.sign * x.qty)) for x in found.trades]


def alone(found):
    return {x.symbol: x.reason for x in found.left_alone}


TEN = {"A": 10, "B": 10, "C": 10}


# -- targets -----------------------------------------------------------------------------


def test_weights_notionals_and_quantities():
    targets = fb.Targets(weights={"A": "0.5"}, notional={"b ": 200.0}, qty=[("C", 7)])
    found = plan(targets, {}, TEN, 1000)
    assert traded(found) == [("A", 49), ("B", 20), ("C", 7)]
    assert (found.equity, found.base, found.leftover) == (1000, 980, 980 - 760)


def test_a_series_is_a_mapping():
    class Series:
        def items(self):
            return iter([("A", 0.5)])

    assert traded(plan(fb.Targets(Series()), {}, TEN, 1000, **ALL)) == [("A", 50)]


@pytest.mark.parametrize(
    ("targets", "rules", "says"),
    [
        ({}, {}, "no targets"),
        ({}, {"others": "close"}, "no targets"),
        ({"A": "0.5", "a": "0.1"}, {}, "A: more than one target"),
        (fb.Targets({"A": 0}, notional={"A": 1}), {}, "A: more than one target"),
        (fb.Targets([("A", "0.1"), ("A", "0.1")]), {}, "A: more than one target"),
        ({"BTCUSD": "0.1", "BTC/USD": "0.1"}, {"instruments": "coin"}, "more than one target"),
        ({"NONE": 1}, {"instruments": "coin"}, "NONE: no instrument of that name"),
        (dict.fromkeys("ABCDEFGH", 0), {"instruments": "coin"}, "E and 3 more: no instr"),
        (
            fb.Targets([("NONE", 1), ("BTC/USD", 0), ("BTCUSD", 0)]),
            {"instruments": "coin"},
            "BTCUSD: more than one target; NONE: no instrument of that name",
        ),
        ({"A": "1.0006"}, {}, "the weights sum to 1.0006"),
        ({"A": "1.5", "B": "-1"}, {"leverage": 2}, "the weights sum to 2.5"),
        ({"A": "-0.1"}, {"long_only": True}, "A: a target below zero"),
        (fb.Targets(notional={"A": 1001}), {}, "sum to 1001.00, above 1 times the equity, 1000.00"),
    ],
)  # fmt: skip
def test_what_is_not_possible_plans_nothing(targets, rules, says):
    if rules.get("instruments"):
        rules = {**rules, "instruments": [coin("BTC/USD", aliases=("BTCUSD",))]}
    with pytest.raises(fb.InvalidValue, match=says):
        plan(targets, {}, {**TEN, "BTC/USD": 10}, 1000, **rules)


@pytest.mark.parametrize(
    "made",
    [
        lambda: fb.Targets(5),
        lambda: fb.Targets([("A", "0.5", "x")]),
        lambda: fb.Targets([(5, "0.5")]),
        lambda: fb.Targets({"A": "much"}),
        lambda: fb.Targets({"A": float("nan")}),
        lambda: fb.RebalanceRules(cash_buffer=1),
        lambda: fb.RebalanceRules(cash_buffer="-0.1"),
        lambda: fb.RebalanceRules(turnover_max=-1),
        lambda: fb.RebalanceRules(leverage=0),
        lambda: fb.RebalanceRules(others="sell"),
        lambda: fb.RebalanceRules(open_orders="ignore"),
        lambda: fb.RebalanceRules(leftover="spend"),
        lambda: fb.RebalanceRules(order_type="stop"),
    ],
)
def test_values_that_are_not_valid(made):
    with pytest.raises(fb.InvalidValue):
        made()


def test_weights_a_little_above_one_are_scaled_and_that_is_said():
    found = plan({"A": "0.6002", "B": "0.4003"}, {}, TEN, 1000, **ALL)
    assert found.weight_sum == D("1.0005")
    assert traded(found) == [("A", 60), ("B", 40)]
    assert plan({"A": "0.6", "B": "0.4"}, {}, TEN, 1000).weight_sum is None


def test_all_of_the_equity_is_allocated_by_weights_that_are_scaled():
    """The values of the weights are rounded to 60 digits; their sum does not exceed the base."""
    found = plan({"A": "0.5044", "B": "0.2363", "C": "0.2594"}, {}, TEN, 771841, **ALL)
    assert (found.base, found.weight_sum) == (771841, D("1.0001"))
    assert traded(found) == [("A", 38928), ("B", 18237), ("C", 20019)]


def test_a_price_is_found_by_any_name_of_its_symbol():
    coins = [coin("BTC/USD", aliases=("BTCUSD",)), listed("A")]
    args = {"instruments": coins, **ALL}
    for target in ("BTC/USD", "btcusd"):
        for name in ("BTC/USD", "BTCUSD", " btc/usd"):
            found = plan({target: "0.5", "A": "0.5"}, {}, {name: 10, "a": 10}, 1000, **args)
            assert traded(found) == [("BTC/USD", 50), ("A", 50)]


def test_a_price_is_above_zero_and_a_position_is_held_once():
    with pytest.raises(fb.InvalidValue, match="A: a price is above zero"):
        plan({"A": 1}, {}, {"A": 0}, 1000)
    twice = [fb.HeldPosition(symbol="A", qty=1), fb.HeldPosition(symbol="a", qty=1)]
    with pytest.raises(fb.InvalidValue, match="A is held twice"):
        plan({"A": 1}, twice, TEN, 1000)


# -- the base ----------------------------------------------------------------------------


def test_what_has_no_target_stays_and_takes_from_the_base():
    found = plan({"A": 1}, {"B": 30, "C": -10}, TEN, 800, cash_buffer="0.1")
    assert (found.equity, found.base) == (1000, 900 - 300 - 100)
    assert traded(found) == [("A", 50)]
    assert alone(found) == {"B": R.NO_TARGET, "C": R.NO_TARGET}
    closed = plan({"A": 1}, {"B": 30, "C": -10}, TEN, 800, cash_buffer="0.1", others="close")
    assert traded(closed) == [("B", -30), ("C", 10), ("A", 90)]


def test_a_strategy_uses_its_part_and_its_capital():
    held = [
        fb.HeldPosition(symbol="A", qty=50, strategy_qty=20),
        fb.HeldPosition(symbol="B", qty=10, strategy_qty=0),
        fb.HeldPosition(symbol="C", qty=5, strategy_qty=5),
    ]
    found = plan({"A": "0.5"}, held, TEN, 1000, capital=500, others="close", **ALL)
    assert (found.base, traded(found)) == (500, [("C", -5), ("A", 5)])
    assert [(x.symbol, x.qty, x.reason) for x in found.left_alone] == [
        ("A", 30, R.OTHER_PART),
        ("B", 10, R.OTHER_PART),
    ]
    assert plan({"A": 1}, held, TEN, 0, capital=500, **ALL).base == 200


def test_nothing_to_allocate_is_an_error_and_sells_nothing():
    with pytest.raises(fb.InvalidValue, match=r"the base is -20.00, of an equity of 1000.00"):
        plan({"A": 1}, {"A": 1, "B": 100}, TEN, -10)


def test_leverage():
    found = plan({"A": 1, "B": "0.5"}, {}, TEN, 1000, leverage=2, **ALL)
    assert traded(found) == [("A", 100), ("B", 50)]
    with pytest.raises(fb.InvalidValue, match="sum to 2200"):
        plan(fb.Targets(qty={"A": 220}), {}, TEN, 1000, leverage=2)


def test_buys_are_cut_to_the_budget_and_sales_are_not():
    targets = fb.Targets(notional={"A": 500, "B": 490}, qty={"C": 0})
    found = plan(targets, {"C": 50}, TEN, 500, cash_buffer="0.5")
    assert traded(found) == [("C", -50), ("A", 26), ("B", 24)]
    assert (found.cut, found.leftover) == (490, 0)
    assert plan(targets, {"C": 50, "A": 49}, TEN, 10, cash_buffer="0.9").left_alone == (
        m.LeftAlone("A", D(49), D(490), R.BUDGET),
        m.LeftAlone("B", D(0), D(0), R.BUDGET),
    )


def test_a_multiplier_multiplies_the_value():
    options = [listed("A", multiplier=D(100))]
    found = plan({"A": 1}, {}, {"A": "1.50"}, 1000, instruments=options, **ALL)
    assert (traded(found), found.leftover) == ([("A", 6)], 100)


# -- what is left alone ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (None, R.NO_PRICE),
        ((10, "9.99"), R.NO_PRICE),
        (("9.94", "10.06"), R.WIDE_SPREAD),
        (("9.95", "10.05"), None),
        (m.Quote("A", "9.995", "10.005", datetime(2026, 3, 2, tzinfo=UTC)), None),
    ],
)
def test_a_doubtful_price_is_not_traded_on(price, reason):
    found = plan({"A": "0.5", "B": "0.5"}, {}, {"A": price, "B": 10}, 1000)
    assert alone(found).get("A") is reason
    assert dict(traded(found))["B"] == 49
    assert ("A" in dict(traded(found))) is (reason is None)


def test_a_position_without_a_price_keeps_its_share_and_moves_no_other():
    """Its value is missing in the equity, so its weight is missing in the shares."""
    half = {"A": "0.5", "B": "0.5"}
    found = plan(half, {"A": 50, "B": 50}, {"A": 10}, 0, **ALL)
    assert (found.trades, alone(found)) == ((), {"B": R.NO_PRICE})
    valued = [fb.HeldPosition(symbol="B", qty=50, value=500), fb.HeldPosition(symbol="A", qty=50)]
    found = plan(half, valued, {"A": 10}, 0, **ALL)
    assert (found.trades, found.equity) == ((), 1000)
    whole = plan({"A": 0, "B": 1}, {"A": 50, "B": 50}, {"A": 10}, 0, **ALL)
    assert traded(whole) == [("A", -50)]
    with pytest.raises(fb.InvalidValue, match="B is held short and has no price"):
        plan(half, {"B": -50}, {"A": 10}, 1000)


def test_a_target_that_cannot_trade_keeps_its_share_of_the_budget():
    wide = {"A": 10, "B": (9, 11)}
    found = plan({"A": "0.5", "B": "0.5"}, {"B": 80}, wide, 200, **ALL)
    assert (traded(found), found.cut) == ([("A", 20)], 300)


@pytest.mark.parametrize(
    ("instrument", "target", "reason"),
    [
        (listed("A", tradable=False), "0.5", R.NOT_TRADABLE),
        (fb.Instrument("A", fb.AssetClass.EQUITY), "-0.5", R.NOT_SHORTABLE),
        (listed("A", min_qty=D(60)), "0.5", R.BELOW_MINIMUM),
        (listed("A", min_notional=D(501)), "0.5", R.BELOW_MINIMUM),
        (listed("A", min_notional=D(500)), "0.5", None),
        (listed("A"), "0.002", None),
    ],
)
def test_what_an_instrument_does_not_permit(instrument, target, reason):
    found = plan({"A": target}, {}, TEN, 1000, instruments=[instrument], **ALL)
    assert alone(found) == ({} if reason is None else {"A": reason})


def test_a_position_that_is_not_listed_is_not_closed():
    found = plan({"A": 0}, {"OLD": 5}, {"OLD": 1}, 0, instruments=[listed("A")], others="close")
    assert alone(found) == {"OLD": R.NOT_TRADABLE, "A": R.NO_PRICE}


def test_one_currency_a_plan():
    pairs = [m.Pair("X/Q", "X", "Q", "X/Q"), m.Pair("X/R", "X", "R", "X/Q")]
    args = {"pairs": pairs, "currency": "R", **ALL}
    found = plan({"X/R": 1}, {}, {"X/R": 10}, 100, **args)
    assert traded(found) == [("X/R", 10)]
    other = m.Pair("Y/Q", "Y", "Q", "Y/Q")
    args |= {"pairs": [*pairs, other]}
    found = plan({"X/R": 1}, {"X/Q": 4, "Y/Q": 1}, {"X/R": 10}, 60, **args)
    assert (traded(found), alone(found)) == ([("X/R", 6)], {"Y/Q": R.OTHER_CURRENCY})
    assert plan({"X/R": 1}, {"Y/Q": 0}, {"X/R": 1}, 9, **args).left_alone == ()
    with pytest.raises(fb.InvalidValue, match="X/Q: another currency"):
        plan({"X/Q": 1}, {}, {}, 100, **args)
    with pytest.raises(fb.InvalidValue, match="X/Q: more than one target"):
        plan({"X/R": "0.1", "X/Q": "0.1"}, {}, {}, 100, **args)
    with pytest.raises(fb.InvalidValue, match="`currency` names that of the plan"):
        plan({"X/R": 1}, {}, {}, 100, pairs=pairs)


# -- limits ------------------------------------------------------------------------------


def test_a_band_lets_small_differences_be_but_closes():
    found = plan({"A": "0.5", "B": 0}, {"A": 45, "B": 1}, TEN, 540, band="0.05", **ALL)
    assert (traded(found), alone(found)) == ([("B", -1)], {"A": R.BAND})
    assert plan({"A": "0.5"}, {"A": 50}, TEN, 500, band="0.05", **ALL).left_alone == ()


def test_new_cash_only_buys():
    args = ({"A": "0.2", "B": "0.8", "C": 0}, {"A": 50, "C": 10}, TEN, 400)
    found = plan(*args, buys_only=True, **ALL)
    assert traded(found) == [("B", 40)]
    assert alone(found) == {"A": R.BUYS_ONLY, "C": R.BUYS_ONLY}
    short = plan({"A": "-0.5", "B": "-0.1"}, {"B": -40}, TEN, 1400, buys_only=True, **ALL)
    assert (traded(short), alone(short)) == ([("B", 30)], {"A": R.BUYS_ONLY})
    odd = [coin("A", "3"), listed("B")]
    args = ({"A": 1}, {"A": 50}, TEN, 0)
    assert plan(*args, buys_only=True, instruments=odd, cash_buffer="0.01").trades == ()


def test_turnover_takes_the_largest_differences_first():
    targets = {"A": "0.1", "B": "0.3", "C": "0.6"}
    found = plan(targets, {"A": 70, "B": 30}, TEN, 0, turnover_max="0.4", **ALL)
    assert traded(found) == [("A", -20), ("C", 20)]
    assert alone(found) == {"A": R.TURNOVER, "C": R.TURNOVER}
    assert plan(targets, {"A": 70, "B": 30}, TEN, 0, turnover_max=2, **ALL).cost.notional == 1200
    least = [listed(x, min_notional=D(90)) for x in "ABC"]
    args = ({"A": 0, "B": "0.5", "C": "0.5"}, {"A": 100}, TEN, 0)
    found = plan(*args, turnover_max="0.17", instruments=least, **ALL)
    assert traded(found) == [("A", -17)]  # the sale and the buy would both be below the minimum


@pytest.mark.parametrize(("held", "alone_is"), [(0, {}), (10, {"A": R.TURNOVER})])
def test_nothing_is_traded_by_a_share_of_a_base_below_zero(held, alone_is):
    found = plan({"A": 0}, {"A": held}, TEN, -200, turnover_max="0.1", **ALL)
    assert (found.base < 0, found.trades, alone(found)) == (True, (), alone_is)


def test_turnover_cuts_a_crossing_to_its_first_part():
    found = plan({"A": "-0.5"}, {"A": 50}, TEN, 500, turnover_max="0.2", **ALL)
    assert traded(found) == [("A", -20)]


def test_the_smallest_trade():
    args = ({"A": "0.5", "B": "0.41"}, {"A": 40, "B": 40}, TEN, 200)
    found = plan(*args, min_notional=50, **ALL)
    assert (traded(found), alone(found)) == ([("A", 10)], {"B": R.BELOW_MINIMUM})
    sales = ({"A": "0.38", "B": 0}, {"A": 40, "B": 1}, TEN, 590)
    found = plan(*sales, min_notional=50, **ALL)
    assert (traded(found), set(alone(found).values())) == ([], {R.BELOW_MINIMUM})


def test_a_budget_is_shared_out_in_trades_of_the_smallest_size():
    targets = fb.Targets(notional={"A": 300, "B": 100, "C": 100})
    found = plan(targets, {}, TEN, 500, cash_buffer="0.5", min_notional=80)
    assert traded(found) == [("A", 25)]
    assert alone(found) == {"B": R.BUDGET, "C": R.BUDGET}


def test_a_quantity_of_what_cannot_trade_is_left_alone():
    found = plan(fb.Targets(qty={"A": 5}), {}, {}, 100, long_only=True)
    assert (found.trades, alone(found)) == ((), {"A": R.NO_PRICE})


# -- rounding ----------------------------------------------------------------------------


def test_fractions_of_shares_and_whole_shares():
    shares = [listed("A", fractionable=True, qty_increment=D("0.001")), listed("B")]
    args = ({"A": "0.5", "B": "0.5"}, {}, {"A": 300, "B": 300}, 1000)
    found = plan(*args, instruments=shares, **ALL)
    assert [x.qty for x in found.trades] == [D("1.667"), D(1)]
    whole = plan(*args, instruments=shares, whole_shares=True, **ALL)
    assert [x.qty for x in whole.trades] == [2, 1]


def test_the_leftover_goes_where_it_is_needed_most():
    args = ({"A": "0.4", "B": "0.4", "C": "0.2"}, {}, {"A": 30, "B": 35, "C": 1}, 100)
    found = plan(*args, **ALL)
    assert (traded(found), found.leftover) == ([("A", 1), ("B", 1), ("C", 20)], 15)
    invested = plan(*args, leftover="invest", **ALL)
    assert (traded(invested), invested.leftover) == ([("A", 1), ("B", 1), ("C", 27)], 8)
    again = plan(args[0], dict(invested.allocation), args[2], 8, leftover="invest", **ALL)
    assert again.trades == ()


def test_no_more_is_sold_than_the_budget_needs():
    """Both are nearest to their targets, and together 5 above the base."""
    found = plan({"A": "0.493", "B": "0.492"}, {"A": 10, "B": 10}, TEN, 0, cash_buffer="0.025")
    assert traded(found) == [("B", -1)]


def test_a_fine_step_takes_the_leftover_in_few_turns():
    fine = [coin("A", "0.000000001"), listed("B")]
    args = ({"A": "0.1", "B": "0.9"}, {}, {"A": 7, "B": 70}, 100)
    found = plan(*args, instruments=fine, leftover="invest", **ALL)
    assert D(15) < D(found.allocation[0][1]) * 7 < D(25)


def test_a_short_is_in_whole_shares_and_covered_first():
    shares = [listed("A", fractionable=True, qty_increment=D("0.001")), listed("B")]
    args = {"instruments": shares, **ALL}
    (trade,) = plan({"A": "-0.5"}, {}, {"A": 300}, 1000, **args).trades
    assert (trade.side, trade.qty, trade.reduces) == (m.OrderSide.SELL, 2, False)
    assert (
        plan({"A": "-0.5", "B": "0.5"}, {"A": -4}, {"A": 300, "B": 300}, 2200, **args)
        .trades[0]
        .reduces
    )


def test_two_orders_through_zero():
    found = plan({"A": "-0.5"}, {"A": 20}, TEN, 800, **ALL)
    assert [(x.leg, x.qty, x.after) for x in found.trades] == [
        ("A/reduce", 20, None),
        ("A/increase", 50, "A/reduce"),
    ]
    odd = plan({"A": "-0.5"}, {"A": "20.5"}, TEN, 800, **ALL)
    assert (traded(odd), alone(odd)) == ([("A", -20)], {"A": R.BELOW_MINIMUM})
    dust = plan({"A": "-0.5"}, {"A": "0.5"}, TEN, 800, **ALL)
    assert (dust.trades, alone(dust)) == ((), {"A": R.BELOW_MINIMUM})


@pytest.mark.parametrize(
    ("kw", "ticks", "limits"),
    [
        ({"price_increment": D("0.05")}, (), (D("98.95"), D("101.10"))),
        ({}, (m.Tick(D(1), D("0.01")), m.Tick(D(0), D("0.0001"))), (D("98.91"), D("101.10"))),
        ({}, (), (D("98.901"), D("101.1010"))),
    ],
)  # fmt: skip
def test_limit_prices_are_rounded_toward_the_market(kw, ticks, limits):
    shares = [listed("A", **kw), listed("B", **kw)]
    prices = {"A": ("99.9", "100.1"), "B": ("99.9", "100.1")}
    args = {"order_type": "limit", "collar": "0.01", "ticks": ticks, "instruments": shares}
    found = plan({"A": 0, "B": 1}, {"A": 100}, prices, 0, **args)
    assert tuple(x.limit_price for x in found.trades) == limits
    # The cash at worst: what the sale brings at its limit pays for the buy at its own.
    assert found.trades[1].qty * limits[1] <= 100 * limits[0]


def test_the_cost_is_compared_with_liquidating_and_buying_back():
    prices = {"A": (D("9.99"), D("10.01")), "B": 10}
    found = plan({"A": "0.5", "B": "0.5"}, {"A": 60, "B": 40}, prices, 1, **ALL)
    assert found.cost == m.RebalanceCost(2, D(200), D("0.1"))
    assert found.full_cost == m.RebalanceCost(4, D(2000), D("1.10"))
    assert found.saved_notional == 1800
    off = plan({"A": "0.44", "B": "0.56"}, {}, TEN, 100, **ALL)  # 40 and 60 of 44 and 56
    assert (traded(off), off.tracking_error**2 * 10_000) == ([("A", 4), ("B", 6)], 32)
