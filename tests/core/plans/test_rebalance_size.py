"""The rebalance: how its work grows, by counts."""

import sys

import fillbook as fb


def calls_of(count):
    """The function calls of a plan of *count* symbols, of which the budget buys a part."""
    names = [f"S{n}" for n in range(count)]
    targets = fb.Targets(notional={x: 5000 + n % 7 for n, x in enumerate(names)})
    prices = {x: 10 + n * 7 % 401 for n, x in enumerate(names)}
    held = {x: n % 50 for n, x in enumerate(names)}
    cash = count * 1100
    rules = fb.RebalanceRules(cash_buffer="0.4", leftover="invest")
    calls = 0

    def count_calls(frame, event, arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        found = fb.plan_rebalance(targets, held, prices, cash, rules)
    finally:
        sys.setprofile(None)
    assert found.cut > 0
    return calls


def test_the_work_grows_with_the_number_of_symbols_and_no_faster():
    assert calls_of(4000) < calls_of(500) * 8 * 1.2
