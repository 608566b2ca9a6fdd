"""Fees that are posted later: which due fee a row pays, and what a balance adjustment includes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core.holdings import fees
from tests.core.records import AT, Records, fill, intended, report, terms

SELL = m.OrderSide.SELL
COIN = m.InstrumentListed(m.Instrument("BTC/USD", m.AssetClass.CRYPTO))
BOUND = m.Bound(m.AccountId("sim", "localhost", "a1"), base_fee=Decimal("0.01"))


def at(seconds):
    return m.timestamp(m.moment(AT) + timedelta(seconds=seconds))


def fee(key, seconds, amount, price=None, symbol="BTC/USD"):
    return m.Fee(
        key=key,
        symbol=symbol,
        at=at(seconds),
        amount=Decimal(str(amount)),
        price=m.number_or_none(price),
    )


DUES = (fee("a", 1, 2, 100), fee("b", 2, 1, 100), fee("c", 3, 3, 105), fee("e", 3, 9, 7, "ETH/USD"))


@pytest.mark.parametrize(
    ("row", "paid"),
    [
        (fee("r", 9, 2, 100), "a"),  # by price, then by amount
        (fee("r", 9, "0.99", 100), "b"),
        (fee("r", 9, "1.8", 105), "c"),  # a lower rate
        (fee("r", 9, 3), "ab"),  # of no fill: the oldest that it covers
        (fee("r", 9, 6), "abc"),
        (fee("r", 2, 6), "ab"),  # nothing that is younger
        (fee("r", 9, "0.1"), ""),  # nothing that is far larger
        (fee("r", 9, 9, 7, ""), "e"),  # a row without a symbol
        (fee("r", 9, 9, 7, "ETH/USD"), "e"),
        (fee("r", 200_000, 6), ""),  # too late
    ],
)
def test_a_row_pays_the_fees_that_it_is_for(row, paid):
    found, left = fees.pay(DUES, row)
    assert ("".join(x.key for x in found)) == paid
    assert {x.key for x in left} <= {x.key for x in DUES} - set(paid)


def test_what_a_balance_adjustment_includes_is_paid_at_its_price_only():
    """The row of a fill that was corrected or busted later has another price: it counts."""
    absorbed = tuple(evolve(x, absorbed_at=at(4)) for x in DUES[:2])
    for row, keys in (
        (fee("r", 9, 2, 100), "a"),
        (fee("r", 9, 2, 101), ""),
        (fee("r", 9, 3), "ab"),
    ):
        paid, _ = fees.pay(absorbed, row)
        assert "".join(x.key for x in paid) == keys


def test_fees_beyond_those_that_are_kept_apart_are_joined_and_paid_in_parts():
    dues = ()
    for number in range(fees.KEPT_MAX + 2):
        dues = fees.add(dues, fee(str(number), number, 1, 100))
    assert (len(dues), dues[0].amount, dues[0].price) == (fees.KEPT_MAX, 3, None)
    _, left = fees.pay(dues[:1], fee("r", 99, 1, 100))
    assert [x.amount for x in left] == [2]


def coins(*facts):
    records = Records()
    for fact in (BOUND, COIN, *facts):
        records.take(fact)
    return records


def sale(exec_id, qty, price, seconds):
    return fill(exec_id, qty, price, at=at(seconds), symbol="BTC/USD", side=SELL)


def row(number, cash, seconds, price=None, **kw):
    base = {"activity_id": f"r{number}", "kind": m.ActivityKind.FEE, "symbol": "BTC/USD"}
    wish = {"at": at(seconds), "cash": Decimal(str(cash)), "price": m.number_or_none(price)}
    return m.ActivityReported(m.Activity(**{**base, **wish, **kw}))


def cash_adjusted(amount, seconds=0, reason="OPENING", **kw):
    return m.CashAdjusted(Decimal(amount), "USD", at(seconds), reason, **kw)


def cash(records):
    found = records.get(m.Cash, "cash")
    return found.amount, found.fee_due


def selling():
    return intended(side="sell", symbol="BTC/USD", qty=9), report(
        "new", terms=terms(side="sell", symbol="BTC/USD", qty=9)
    )


def test_a_row_in_cash_clears_only_the_fee_of_its_sale():
    records = coins(*selling(), cash_adjusted(0), sale("f1", 1, 100, 1), sale("f2", 1, 300, 2))
    assert cash(records) == (400, 4)
    records.take(row(1, "-3", 60, 300))
    assert cash(records) == (397, 1)
    records.take(sale("f3", 2, 100, 90))
    records.take(row(2, "-1", 61, 100))
    assert cash(records) == (596, 2)


@given(st.permutations([0, 1, 2, 3, 4, 5]))
def test_the_order_of_arrival_does_not_matter(order):
    facts = [
        sale("f1", 1, 100, 1),
        sale("f2", 1, 300, 2),
        sale("f3", 2, 100, 90),
        row(1, "-3", 60, 300),
        row(2, "-1", 61, 100),
        row(3, "0.5", 62),
    ]
    records = coins(*selling(), cash_adjusted(0), *(facts[i] for i in order))
    assert cash(records) == (Decimal("596.5"), 2)


def test_a_sale_that_is_busted_owes_no_fee():
    records = coins(*selling(), cash_adjusted(0), sale("f1", 1, 100, 1), sale("f2", 1, 300, 2))
    bust = m.TradeBust(
        source=m.ExecSource.STREAM, exec_id="f2", broker_order_id="b1", qty=Decimal(1)
    )
    records.take(m.Busted(bust))
    assert cash(records) == (100, 1)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_fee_of_a_sale_before_the_adjustment_is_in_it(is_first):
    """Not that of a sale after it, nor of one two days before."""
    before = (*selling(), sale("f0", 1, 500, -200_000), sale("f1", 1, 100, -60))
    adjusted = (cash_adjusted(1000),)
    records = coins(*(before + adjusted if is_first else adjusted + before))
    records.take(sale("f2", 1, 300, 5))
    assert cash(records) == (1300, 3)
    records.take(row(1, "-1", 60, 100))
    assert cash(records) == (1300, 3)
    records.take(row(2, "-3", 61, 300))
    assert cash(records) == (1297, 0)
    records.take(sale("f3", 1, 100, 200_000))  # what is older than two days is settled
    assert cash(records) == (1397, 1)
    assert records.get(m.Cash, "cash").posted == ()


def dated(number, kind, day, read, *, symbol=None, **kw):
    """A row with a date only, of a day that ends *day* days after that of AT; read after AT."""
    return m.ActivityReported(
        m.Activity(
            activity_id=f"d{number}",
            kind=m.ActivityKind(kind),
            at=at(day * 86_400 + 50_000),
            symbol=symbol,
            dated=True,
            read_at=at(read),
            **kw,
        )
    )


def adjusted(qty, seconds=0, reason="OPENING"):
    return m.BalanceAdjusted("KO", Decimal(qty), Decimal(10), at(seconds), reason)


def shares(number, qty, day, read):
    return dated(number, "transfer", day, read, symbol="KO", qty=Decimal(qty))


def money(number, amount, day, read):
    return dated(number, "dividend", day, read, cash=Decimal(amount))


OPENED = (adjusted(10), cash_adjusted(100, by_ids=True))


@pytest.mark.parametrize("day", [0, -1, -900])
def test_a_dated_row_is_in_the_opening_balance_if_it_was_read_before(day):
    """Another row of that day was posted later."""
    known = (shares(1, 5, day, 0), money(2, 7, day, 0))
    later = (shares(3, 5, day, 60), money(4, 7, day, 60))
    records = coins(*known, *OPENED, *later)
    assert (records.position("KO").qty, cash(records)[0]) == (15, 107)
    assert records.position("KO").last.at <= at(60)


def test_an_opening_balance_of_an_earlier_release_goes_by_the_date():
    """It did not list all rows."""
    opened = (adjusted(10), cash_adjusted(100))
    records = coins(*opened, shares(1, 5, -1, 60), money(2, 7, -1, 60))
    assert (records.position("KO").qty, cash(records)[0]) == (10, 100)


@pytest.mark.parametrize(
    ("day", "amount", "counted"),
    [
        (0, 40, False),
        (-3, 40, False),
        (-3, 15, False),
        (-3, 41, True),
        (-3, -40, True),
        (1, 40, True),
    ],
)
def test_a_row_that_explains_what_was_adopted_is_a_part_of_it(day, amount, counted):
    """Unless it is of a later day, larger, or of the other sign."""
    adopted = (adjusted(50, 600, "ADOPTED"), cash_adjusted(140, 600, "ADOPTED", by_ids=True))
    read = 100_000 if day == 1 else 900
    rows = (shares(1, amount, day, read), money(2, amount, day, read))
    records = coins(*OPENED, *adopted, *rows)
    expected = amount if counted else 0
    assert (records.position("KO").qty, cash(records)[0]) == (50 + expected, 140 + expected)
    again = (shares(3, 40, -3, 950), money(4, 40, -3, 950))
    for entry in again:
        records.take(entry)
    rest = 40 if amount in (40, 15) and not counted else 0  # only a part of it is left to explain
    assert (records.position("KO").qty, cash(records)[0]) == (
        50 + expected + rest,
        140 + expected + rest,
    )


def test_a_second_adjustment_includes_the_dated_rows_that_were_read():
    records = coins(*OPENED, shares(1, 5, 0, 60), money(2, 7, 0, 60))
    for entry in (adjusted(15, 70, "ADOPTED"), cash_adjusted(107, 70, "ADOPTED", by_ids=True)):
        records.take(entry)
    assert (records.position("KO").qty, cash(records)[0]) == (15, 107)
    assert records.get(m.Cash, "cash").adopted == records.position("KO").adopted == 0


def test_a_row_with_a_time_goes_by_it():
    timed = evolve(money(1, 7, 0, 60).activity, dated=False, read_at=None, at=at(-5))
    records = coins(*OPENED, m.ActivityReported(timed))
    assert cash(records)[0] == 100


@pytest.mark.parametrize("read", [-30, 60])
def test_a_fee_that_was_posted_before_the_opening_balance_is_not_due_any_more(read):
    """The next row without a price is of the next sale."""
    posted = dated(1, "fee", 0, read, symbol="BTC/USD", cash=Decimal(-1))
    before = [*selling(), sale("f1", 1, 100, -60)]
    opened = cash_adjusted(1000, 60 if read > 0 else 0, by_ids=True)
    records = coins(*before, posted, opened, sale("f2", 1, 100, 70))
    assert cash(records) == (1100, 1)
    records.take(row(2, "-1", 100_000))
    assert cash(records) == (1099, 0)


def test_a_fee_in_units_that_was_posted_before_the_opening_balance_is_not_due_any_more():
    coin = {"symbol": "BTC/USD"}
    bought = intended(qty=9, **coin), report("new", terms=terms(qty=9, **coin))
    posted = dated(1, "fee", 0, -30, symbol="BTC/USD", qty=Decimal("-0.01"))
    old = dated(2, "fee", -9, -30, symbol="BTC/USD", qty=Decimal(-5))
    opened = m.BalanceAdjusted("BTC/USD", Decimal("0.99"), Decimal(100), at(0), "OPENING")
    records = coins(*bought, fill("f1", 1, 100, at=at(-60), **coin), posted, old, opened)
    records.take(cash_adjusted(1000, by_ids=True))
    records.take(fill("f2", 1, 100, at=at(70), **coin))
    held = records.position("BTC/USD")
    assert (held.qty, held.fee_due, held.fee_absorbed) == (Decimal("1.99"), Decimal("0.01"), 0)
