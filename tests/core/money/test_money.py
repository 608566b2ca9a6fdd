"""Money by currency: cash, payments, costs and fees, each in its own currency (promise P9)."""

from decimal import Decimal
from itertools import permutations

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.journal import payments
from fillbook.core.reconcile import drift
from tests.core.reconcile.test_drift import snapshot
from tests.core.records import AT, Records, fill, intended, pair_of, report, request, terms

D = Decimal
BOUND = m.Bound(m.AccountId("sim", "localhost", "a1"), currency="USD", base_fee=D("0.01"))
BEFORE, LATER = m.timestamp("2026-03-02T14:00:00Z"), m.timestamp("2026-03-02T16:00:00Z")
OPENED = m.CashAdjusted(D(1000), "USD", BEFORE, "OPENING")
EUROS = m.CashAdjusted(D(500), "EUR", BEFORE, "OPENING")
IN_EUROS = m.PairListed(m.Pair("BTC/EUR", "BTC", "EUR", "BTC/USD"))
S = m.OrderSide


def made(*entries):
    records = Records()
    for entry in (BOUND, *entries):
        records.take(entry)
    return records


def bought(symbol, qty, price, side=S.BUY, order="b1", at=AT, **kw):
    """A fill of an external order, with the report of that order."""
    of = {"symbol": symbol, "side": side, "qty": D(qty)}
    name = {"broker_order_id": order, "client_order_id": f"their-{order}"}
    told = report("filled", qty, price, terms=terms(**of), **name, last_fill_at=at)
    of = {"symbol": symbol, "side": side, "broker_order_id": order}
    paid = fill(f"e-{order}", qty, price, cum=qty, source="history", at=at, **of, **kw)
    return [told, paid]


def cash(records, currency=None):
    found = records.get(m.Cash, m.cash_key(currency))
    return None if found is None else found.amount


def qty(records, symbol):
    return records.position(symbol).qty


def test_a_fill_in_another_currency_changes_no_dollar():
    records = made(OPENED, EUROS, IN_EUROS, *bought("BTC/EUR", "0.1", 2000))
    assert (cash(records), cash(records, "EUR")) == (1000, 300)
    assert qty(records, "BTC/USD") == D("0.1")


def test_a_fill_that_is_paid_in_units_changes_no_cash():
    """One ETH for 0.05 BTC: the bitcoins leave their position, whose P&L is then unknown."""
    held = m.BalanceAdjusted("BTC/USD", D(1), D(60_000), BEFORE, "OPENING")
    records = made(OPENED, held, *bought("ETH/BTC", 1, "0.05"))
    coins, ether = records.position("BTC/USD"), records.position("ETH/USD")
    assert (cash(records), coins.qty, ether.qty) == (1000, D("0.95"), 1)
    assert (ether.account.cost, ether.account.currency) == (D("0.05"), "BTC")
    assert (coins.account.cost, coins.account.realized) == (D(57_000), None)


def test_a_sale_brings_in_units_less_a_fee_that_is_posted_later():
    ether = m.InstrumentListed(m.Instrument("ETH/BTC", m.AssetClass.CRYPTO))
    records = made(OPENED, ether, *bought("ETH/BTC", 1, "0.05", S.SELL))
    coins = records.position("BTC/USD")
    assert (cash(records), qty(records, "ETH/USD")) == (1000, -1)
    assert (coins.qty, coins.fee_due) == (D("0.05"), D("0.0005"))


FEES = {
    "quote": ({"fee": D(2), "fee_currency": "USD"}, {None: 898, "USDC": None}, 1, 2, ()),
    "not named": ({"fee": D(2)}, {None: 898}, 1, 2, ()),
    "base": ({"fee": D("0.1"), "fee_currency": "BTC"}, {None: 900}, D("0.9"), 0, ()),
    "a third": (
        {"fee": D(2), "fee_currency": "USDC"},
        {None: 900, "USDC": -2},
        1,
        0,
        (m.Amount(D(2), "USDC"),),
    ),
}


@pytest.mark.parametrize("paid", FEES)
def test_a_fee_is_paid_in_its_own_currency(paid):
    kw, balances, left, fees, others = FEES[paid]
    records = made(OPENED, *bought("BTC/USD", 1, 100, **kw))
    assert {x: cash(records, x) for x in balances} == balances
    held = records.position("BTC/USD").account
    assert (held.qty, held.fees, held.other_fees) == (left, fees, others)


def test_a_fee_may_be_paid_in_units_of_a_third_position():
    of = {"fee": D(3), "fee_currency": "KCS", "fee_from": "KCS/USD"}
    records = made(OPENED, *bought("BTC/USD", 1, 100, **of))
    assert (cash(records), cash(records, "KCS"), qty(records, "KCS/USD")) == (900, None, -3)
    assert records.position("BTC/USD").account.other_fees == (m.Amount(D(3), "KCS"),)


def test_a_fee_of_a_share_in_another_currency_takes_no_dollar():
    records = made(OPENED, *bought("AAPL", 1, 100, fee=D(2), fee_currency="EUR"))
    assert (cash(records), cash(records, "EUR")) == (900, -2)


# -- costs and P&L ---------------------------------------------------------------------


def test_what_is_bought_in_two_currencies_has_no_known_cost():
    first = bought("BTC/USD", 1, 100, order="b1")
    second = bought("BTC/EUR", 1, 90, order="b2", at=LATER, fee=D(1), fee_currency="EUR")
    held = made(OPENED, IN_EUROS, *first, *second).position("BTC/USD").account
    assert (held.qty, held.cost, held.currency) == (2, None, None)
    assert held.other_fees == (m.Amount(D(1), "EUR"),)


def test_what_is_sold_for_another_currency_than_it_cost_has_no_known_profit():
    first = bought("BTC/USD", 1, 100, order="b1")
    sold = bought("BTC/EUR", 1, 120, S.SELL, order="b2", at=LATER)
    records = made(OPENED, EUROS, IN_EUROS, *first, *sold)
    (trade,) = records.all(m.Trade)
    assert (trade.currency, trade.entry_price, trade.exit_price, trade.pnl) == (
        None,
        100,
        None,
        None,
    )
    assert records.position("BTC/USD").account.realized is None
    assert (cash(records), cash(records, "EUR")) == (900, 620)


def test_a_round_trip_in_another_currency_has_its_profit_in_that_currency():
    first = bought("BTC/EUR", 1, 100, order="b1", fee=D(1), fee_currency="EUR")
    sold = bought("BTC/EUR", 1, 120, S.SELL, order="b2", at=LATER)
    records = made(OPENED, EUROS, IN_EUROS, *first, *sold)
    (trade,) = records.all(m.Trade)
    assert (trade.currency, trade.pnl, trade.fees) == ("EUR", 20, 1)
    assert records.position("BTC/USD").account.realized == 20


def test_the_profits_of_two_currencies_have_no_sum():
    days = [f"2026-03-0{n}T15:00:00Z" for n in (2, 3, 4, 5)]
    trips = [
        ("BTC/EUR", 100, S.BUY),
        ("BTC/EUR", 120, S.SELL),
        ("BTC/USD", 100, S.BUY),
        ("BTC/USD", 110, S.SELL),
    ]
    entries = [
        x
        for n, (symbol, price, side) in enumerate(trips)
        for x in bought(symbol, 1, price, side, order=f"b{n}", at=m.timestamp(days[n]))
    ]
    records = made(OPENED, EUROS, IN_EUROS, *entries)
    assert [(x.currency, x.pnl) for x in records.all(m.Trade)] == [("EUR", 20), (None, 10)]
    assert records.position("BTC/USD").account.realized is None


def test_units_that_come_in_at_a_cost_in_another_currency_have_no_known_cost():
    moved = m.Activity(
        activity_id="a1",
        kind=m.ActivityKind.TRANSFER,
        at=LATER,
        symbol="BTC/USD",
        qty=D(1),
        price=D(90),
        currency="EUR",
    )
    records = made(OPENED, *bought("BTC/USD", 1, 100), m.ActivityReported(moved))
    assert records.position("BTC/USD").account.cost is None


@pytest.mark.parametrize(("own", "cost"), [("BTC/USD", 300), ("BTC/EUR", None)])
def test_an_assignment_joins_only_costs_of_one_currency(own, cost):
    """A part in another currency keeps its fees apart, and has no known cost together."""
    held = m.BalanceAdjusted("BTC/USD", D(3), D(100), LATER, "OPENING")
    of = {"symbol": own, "strategy": "s", "qty": D(1)}
    mine = m.Intended(evolve(intended().intent, request=request(**of)))
    filled = fill("e1", 1, 100, cum=1, source="history", symbol=own)
    records = made(OPENED, IN_EUROS, held, mine, report(terms=terms(**of)), filled)
    records.take(m.Assigned("s", symbol="BTC/USD"))
    part = dict(records.position("BTC/USD").by_strategy)["s"]
    assert (part.qty, part.cost) == (3, cost)


def test_an_assignment_to_a_flat_strategy_takes_the_currency_of_the_cost():
    held = m.BalanceAdjusted("BTC/USD", D(2), D(100), BEFORE, "OPENING")
    records = made(OPENED, held, *bought("BTC/USD", 1, 100))
    records.take(m.Assigned("s", symbol="BTC/USD"))
    assert dict(records.position("BTC/USD").by_strategy)["s"].cost == 200


# -- the record is a function of the facts ---------------------------------------------


def test_the_balances_are_the_same_in_every_order_of_arrival():
    """The pair may be listed after its fills, the opening balance be written after them."""
    facts = [
        [OPENED, EUROS],
        bought("BTC/EUR", 1, 100, order="b1", fee=D(1), fee_currency="EUR"),
        bought("ETH/BTC", 2, "0.05", order="b2", at=LATER, fee=D(3), fee_currency="CHF"),
        [IN_EUROS],
        [
            m.ActivityReported(
                m.Activity(
                    activity_id="a1",
                    kind=m.ActivityKind.TRANSFER,
                    at=LATER,
                    cash=D(7),
                    currency="GBP",
                )
            )
        ],
    ]
    results = []
    for order in permutations(facts):
        records = made(*(entry for group in order for entry in group))
        balances = {x: cash(records, x) for x in (None, "EUR", "CHF", "GBP")}
        held = {x.symbol: (x.qty, x.account.cost) for x in records.all(m.Position) if x.qty}
        results.append((balances, held))
    assert results == [results[0]] * len(results)
    assert results[0][0] == {None: 1000, "EUR": 399, "CHF": -3, "GBP": 7}


def test_an_adopted_balance_of_one_currency_leaves_the_others():
    adopted = m.CashAdjusted(D(250), "EUR", LATER, "ADOPTED")
    records = made(OPENED, EUROS, IN_EUROS, *bought("BTC/EUR", 1, 100), adopted)
    found = records.get(m.Cash, "cash/EUR")
    assert (cash(records), found.amount, found.adopted) == (1000, 250, -150)
    assert found.opened_at == BEFORE


def test_a_fill_without_a_price_takes_unknown_units():
    """The order's total is known, and its value is not: no payment is invented."""
    of = {"symbol": "ETH/BTC", "qty": D(1)}
    records = made(OPENED, report("filled", 1, None, terms=terms(**of)))
    assert (qty(records, "ETH/USD"), qty(records, "BTC/USD")) == (1, 0)
    assert cash(records) == 1000


def test_an_inferred_fill_is_paid_and_its_execution_replaces_both():
    of = {"symbol": "ETH/BTC", "qty": D(1)}
    told = report("filled", 1, "0.05", terms=terms(**of), last_fill_at=AT)
    records = made(OPENED, told)
    assert (qty(records, "ETH/USD"), qty(records, "BTC/USD")) == (1, D("-0.05"))
    records.take(fill("e1", 1, "0.05", cum=1, source="history", symbol="ETH/BTC"))
    assert (qty(records, "ETH/USD"), qty(records, "BTC/USD")) == (1, D("-0.05"))
    assert [x.key for x in records.all(m.Movement)] == ["b1/history/e1", "b1/history/e1/payment"]


def test_an_assigned_fill_takes_its_payment_along():
    records = made(OPENED, *bought("ETH/BTC", 1, "0.05"))
    name = next(x.key for x in records.all(m.Movement) if x.kind is m.MoveKind.FILL)
    order = records.get(m.Evidence, "b1").client_order_id
    for movement in ("b1@1", name):
        records.take(m.Assigned("s", client_order_id=order, movement=movement))
    parts = {x.symbol: dict(x.by_strategy) for x in records.all(m.Position)}
    assert parts["BTC/USD"]["s"].qty == D("-0.05")


# -- drift -----------------------------------------------------------------------------


def test_cash_is_compared_by_currency():
    records = made(OPENED, EUROS)
    theirs = (m.Amount(D(400), "EUR"), m.Amount(D(5), "GBP"))
    found = drift.differences(records, snapshot(account={"other_cash": theirs}))
    assert [(x.key, x.drift) for x in found] == [
        ("cash/EUR", m.WrongCash(D(500), D(400), "EUR")),
        ("cash/GBP", m.WrongCash(D(0), D(5), "GBP")),
    ]
    gone = drift.differences(records, snapshot())
    assert [x.drift for x in gone] == [m.WrongCash(D(500), D(0), "EUR")]


def test_no_cash_is_compared_before_the_opening_balance():
    theirs = (m.Amount(D(400), "EUR"),)
    assert drift.differences(made(), snapshot(account={"other_cash": theirs})) == []


def test_an_order_makes_both_of_its_positions_active():
    records = made(*bought("ETH/BTC", 1, "0.05"))
    of = {"symbol": "ETH/BTC", "qty": D(1)}
    records.take(m.Intended(evolve(intended().intent, request=request(**of))))
    found = drift.active_symbols(records, snapshot(), drift.timedelta(0))
    assert found == {"ETH/USD", "BTC/USD"}


# -- pairs -----------------------------------------------------------------------------


def test_a_pair_is_listed_once_and_before_what_names_it():
    records = made(OPENED)
    entries = [*bought("ETH/BTC", 1, "0.05"), *bought("AAPL", 1, 100, order="b2")]
    listed = list(pairs.with_listings(entries, records, pair_of))
    assert listed == [m.PairListed(pair_of("ETH/BTC")), *entries]
    assert not records.take(OPENED)
    records.take(m.PairListed(pair_of("ETH/BTC")))
    assert not records.take(m.PairListed(pair_of("ETH/BTC")))
    assert list(pairs.with_listings(entries, records, pair_of)) == entries


def test_a_pair_that_the_adapter_names_otherwise_is_listed_again_and_its_fills_posted_anew():
    """What a broker is may change: the fills of the pair move to the position that holds them."""
    records = made(OPENED, *bought("ETH/BTC", 1, "0.05"))
    other = m.Pair("ETH/BTC", "ETH", "BTC", "ETH", "BTC")
    entries = [*bought("ETH/BTC", 1, "0.06", order="b2", at=LATER)]
    listed = list(pairs.with_listings(entries, records, lambda symbol: other))
    assert listed == [m.PairListed(other), *entries]
    records.take(m.PairListed(other))
    assert {x.symbol: x.qty for x in records.all(m.Position) if x.qty} == {
        "ETH": 1,
        "BTC": D("-0.05"),
    }


def test_units_of_a_pair_move_in_the_position_that_holds_its_base():
    moved = m.Activity(
        activity_id="a1", kind=m.ActivityKind.TRANSFER, at=LATER, symbol="ETH/BTC", qty=D(2)
    )
    records = made(OPENED, m.ActivityReported(moved))
    assert (qty(records, "ETH/USD"), qty(records, "ETH/BTC")) == (2, 0)


def test_the_positions_of_a_symbol():
    records = made(*bought("ETH/BTC", 1, "0.05"), *bought("ETH/USD", 1, 9, order="b2"))
    records.take(m.InstrumentListed(m.Instrument("ETH/USD", m.AssetClass.CRYPTO)))
    assert pairs.positions_of(records, "AAPL") == ("AAPL",)
    assert pairs.positions_of(records, "ETH/USD") == ("ETH/USD",)
    assert pairs.positions_of(records, "ETH/BTC") == ("ETH/USD", "BTC/USD")
    assert pairs.symbols_held_as(records, "ETH/USD") == ["ETH/USD", "ETH/BTC"]
    assert pairs.quantum(records, "ETH/USD") == D("0.1")
    assert pairs.quantum(records, "AAPL") == 0


def test_the_broker_declares_the_time_in_force_of_an_order_that_names_none():
    can = m.Capabilities(order_types=frozenset(), times_in_force=frozenset())
    plain = m.OrderRequest(symbol="X", side="buy", qty=1)
    assert pairs.with_time_in_force(plain, None, can).time_in_force == "day"
    assert pairs.with_time_in_force(plain, pair_of("A/B"), can).time_in_force == "gtc"
    named = evolve(plain, time_in_force="ioc")
    assert pairs.with_time_in_force(named, None, can) is named
    for known, expected in (("gtc", "gtc"), ("day", "day"), ("ioc", "day")):
        intent = intended(time_in_force=known).intent
        assert pairs.with_time_in_force(plain, None, can, intent).time_in_force == expected


@pytest.mark.parametrize("listed", [True, False])
def test_a_fill_of_a_pair_owes_a_fee_before_its_instrument_is_listed(listed):
    """The broker takes it in base units from every pair."""
    instrument = [m.InstrumentListed(m.Instrument("ETH/USD", m.AssetClass.CRYPTO))] * listed
    records = made(*instrument, *bought("ETH/USD", 1, 9))
    assert records.position("ETH/USD").fee_due == D("0.01")


def test_the_fee_of_a_payment_without_an_intent_is_that_of_its_fill():
    """An external order reserves nothing, and no rate was fixed with it."""
    records = Records()
    records.take(report(client_order_id=None))
    record = records.all(m.OrderRecord)[0]
    fill = m.Movement(
        key="x", symbol="A", kind=m.MoveKind.FILL, at=AT, qty=m.ZERO, fee_rate=Decimal("0.1")
    )
    assert payments._fee_rate_of_payment(None, record, fill) == Decimal("0.1")


@pytest.mark.parametrize(("rate", "expected"), [("0.02", "0.02"), (None, "0.01")])
def test_the_fee_that_a_payment_still_owes_is_the_one_of_its_intent(rate, expected):
    """Of a sale whose fee is not reported yet; or the broker's own share, if that is larger."""
    of = {"symbol": "ETH/BTC", "side": S.SELL, "qty": D(1)}
    reserve = m.Reserve(opens=False, fee=None if rate is None else D(rate))
    records = made(
        m.InstrumentListed(m.Instrument("ETH/BTC", m.AssetClass.CRYPTO)),
        m.Intended(evolve(intended(**of).intent, reserve=reserve)),
        report("filled", 1, "0.05", terms=terms(**of)),
        fill("e1", 1, "0.05", cum=1, source="history", symbol="ETH/BTC", side=S.SELL),
    )
    (payment,) = [x for x in records.all(m.Movement) if x.kind is m.MoveKind.PAYMENT]
    assert payment.fee_rate == D(expected)
