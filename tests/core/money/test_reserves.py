"""P7 by currency: what an order reserves, of which money, and with which fee."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import reservation as r
from tests.core.records import AT, Records, fill, pair_of, report, request, terms

D = Decimal
LAG = timedelta(seconds=10)
INCLUDED = m.ReserveRule(reads_fee=True, notional_includes_fee=True)
EXCLUDED = m.ReserveRule(reads_fee=True)
FEE = D("0.01")
IN_EUROS = m.Pair("BTC/EUR", "BTC", "EUR", "BTC/USD")


def made(rule=EXCLUDED, *, pair=None, currency=None, fee=FEE, ask=None, **wish):
    """Records in which c1 is intended and sent, with its reserve by *rule*."""
    records = Records()
    records.take(m.Bound(m.AccountId("sim", "localhost", "a1"), currency="USD", reserve_rule=rule))
    if pair is not None:
        records.take(m.PairListed(pair))
    asked = request(**wish)
    reserve = r.reserve_for(
        asked, m.number_or_none(ask), None, rule, opens=True, pair=pair, currency=currency, fee=fee
    )
    intent = m.Intent(client_order_id="c1", request=asked, at=AT, reserve=reserve)
    records.take(m.Intended(intent))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    return records, r.reserve_amount(asked, reserve, rule)


def charged(records):
    found = records.get(m.OrderRecord, "c1").reservation
    return None if found is None else found.charge


# -- the fee, fixed with the intent ----------------------------------------------------


def test_an_order_by_quantity_needs_its_value_and_the_fee():
    records, needed = made(qty=10, limit_price="100")
    assert needed == charged(records) == 1010


@pytest.mark.parametrize(("rule", "needs"), [(INCLUDED, 1000), (EXCLUDED, 1010)])
def test_a_quote_size_that_includes_the_fee_needs_no_more(rule, needs):
    """So a bot can spend its whole balance."""
    records, needed = made(rule, qty=None, notional=1000)
    assert needed == charged(records) == needs


def test_a_rate_that_changes_later_changes_no_reserve():
    """The record has the rate of the intent; a rule without one is that of release 0.1."""
    records, _ = made(qty=10, limit_price="100")
    dearer = m.ReserveRule(reads_fee=True, fee=D("0.5"))
    records.take(m.Bound(m.AccountId("sim", "localhost", "a1"), reserve_rule=dearer))
    records.take(report(terms=terms(qty=10, limit_price="100")))
    assert charged(records) == 1010
    old, needed = made(m.ReserveRule(fee=D("0.02")), fee=None, qty=10, limit_price="100")
    assert needed == charged(old) == 1020


FILLS = {
    "not posted": ({}, 1010),
    "lower": ({"fee": D("0.4"), "fee_currency": "USD"}, 1010),
    "higher": ({"fee": D(7), "fee_currency": "USD"}, 1013),
    "in another currency": ({"fee": D(7), "fee_currency": "USDC"}, 1010),
}


@pytest.mark.parametrize("fee", FILLS)
def test_a_fill_keeps_its_value_and_the_larger_of_both_fees(fee):
    """A fee that is posted later is not free meanwhile."""
    kw, charge = FILLS[fee]
    wish = {"qty": 10, "limit_price": "100"}
    records, _ = made(**wish)
    records.take(report("partially_filled", 4, 100, terms=terms(**wish)))
    records.take(fill("e1", 4, 100, cum=4, source="history", **kw))
    assert charged(records) == charge


def test_a_fill_of_a_quote_size_leaves_the_rest_of_it():
    records, _ = made(INCLUDED, qty=None, notional=1010)
    records.take(report("partially_filled", 4, 100, terms=terms(qty=None, notional=1010)))
    records.take(fill("e1", 4, 100, cum=4, source="history", fee=D(4), fee_currency="USD"))
    assert charged(records) == 1010


def test_the_fee_of_an_order_is_unknown_in_a_currency_that_it_was_not_paid_in():
    wish = {"qty": 10, "limit_price": "100"}
    records, _ = made(**wish)
    records.take(report("partially_filled", 4, 100, terms=terms(**wish)))
    records.take(fill("e1", 4, 100, cum=4, source="history", fee=D(7), fee_currency="USDC"))
    assert records.order().fees is None


# -- the currency ----------------------------------------------------------------------


def reading(dollars, *other, at=0, covered=0):
    return r.Reading(
        requested_at=timedelta(seconds=at),
        covered_entry=covered,
        funds=m.Funds(D(dollars), D(dollars)),
        other=tuple(m.Amount(D(value), currency) for value, currency in other),
    )


def available(readings, reservations, currency=None):
    found = r.available(readings, reservations, LAG, nets_open_orders=True, currency=currency)
    assert found.buying_power == found.non_marginable
    return found.buying_power


def test_what_is_covered_hides_nothing_that_is_not():
    """Each reservation is judged by itself, in any order."""
    known = {"client_order_id": "c1", "symbol": "AAPL", "margin": True, "grown_at": AT}
    covered = m.Reservation(charge=D(100), grown=7, is_open=True, **known)
    grown = evolve(covered, client_order_id="c2", charge=D(200), grown=8)
    for reservations in ([covered, grown], [grown, covered]):
        assert available([reading(1000, covered=7)], reservations) == 800
    # A reading of exactly two lags ago still counts.
    old, new = reading(2000, covered=9), reading(1000, at=20)
    assert available([old, new], [covered]) == 1000


def test_an_order_reserves_nothing_of_another_currency():
    records, _ = made(qty=2, limit_price=100, pair=IN_EUROS, currency="EUR", symbol="BTC/EUR")
    kept = records.all(m.Reservation)
    assert [(x.charge, x.currency, x.paid_from) for x in kept] == [(202, "EUR", None)]
    now = [reading(1000, (500, "EUR"))]
    assert available(now, kept) == 1000
    assert available(now, kept, "EUR") == 298
    assert available(now, kept, "GBP") == 0
    # Not more than the newest reading of that currency, whatever the account's is.
    earlier = reading(1000, (900, "EUR"), covered=99)
    assert available([earlier, *now], [], "EUR") == 500


def test_a_pair_that_is_paid_in_units_reserves_those_units():
    pair = pair_of("ETH/BTC")
    wish = {"symbol": "ETH/BTC", "qty": 2, "limit_price": "0.05"}
    records, _ = made(pair=pair, currency="BTC", **wish)
    kept = records.all(m.Reservation)
    assert r.reserved_units(kept, "BTC/USD") == D("0.101")
    assert r.reserved_units(kept, "ETH/USD") == 0
    assert available([reading(1000, (9, "BTC"))], kept, "BTC") == 9


def test_units_that_were_paid_are_not_reserved_any_more():
    """The payment has taken them from the position; only what is open stays reserved."""
    wish = {"symbol": "ETH/BTC", "qty": 2, "limit_price": "0.05"}
    records, _ = made(pair=pair_of("ETH/BTC"), currency="BTC", **wish)
    records.take(report("partially_filled", 1, "0.05", terms=terms(**wish)))
    records.take(fill("e1", 1, "0.05", cum=1, source="history", symbol="ETH/BTC"))
    assert charged(records) == D("0.0505")
    assert records.position("BTC/USD").qty == D("-0.05")
    records.take(report("filled", 2, "0.05", terms=terms(**wish), clock="2026-03-02T15:00:09Z"))
    assert charged(records) == D("0.001")  # the fee of a fill that has no execution yet
    records.take(fill("e2", 1, "0.05", cum=2, source="history", symbol="ETH/BTC"))
    assert charged(records) is None


def test_a_fill_at_an_unknown_price_keeps_its_units_reserved():
    wish = {"symbol": "ETH/BTC", "qty": 2, "limit_price": "0.05"}
    records, _ = made(pair=pair_of("ETH/BTC"), currency="BTC", **wish)
    records.take(report("partially_filled", 1, None, terms=terms(**wish)))
    assert charged(records) == D("0.101")


@pytest.mark.parametrize(
    ("word", "charge", "status"), [("new", 2525, "disputed"), ("canceled", 0, "canceled")]
)
def test_another_order_with_our_id_is_counted_beside_ours_until_it_ends(word, charge, status):
    """Ours may still be accepted; the other one has its own quantity and price."""
    wish = {"qty": 10, "limit_price": "100"}
    records, _ = made(**wish)
    records.take(report(word, terms=terms(qty=10, limit_price="150", symbol="MSFT")))
    assert (records.order().status, charged(records) or 0) == (status, charge)


# -- promise P7, in units --------------------------------------------------------------

WISH = {"symbol": "ETH/BTC", "qty": 3, "limit_price": "0.05"}
PRICE = D("0.04")
#: The currency in which a fill pays its fee, and the amount; it is reserved in BTC.
PAID_FEES = {"BTC": D("0.0004"), "ETH": D("0.01"), "KCS": D(1)}


def facts_of(paid_in):
    """What is reported of a buy whose fills pay their fees in these currencies."""
    facts = []
    for n, currency in enumerate(paid_in, 1):
        is_last = n == len(paid_in)
        word, clock = "filled" if is_last else "partially_filled", f"2026-03-02T15:00:0{n}Z"
        row = {"cum": n, "symbol": "ETH/BTC", "at": clock}
        fee = {"fee": PAID_FEES[currency], "fee_currency": currency}
        facts += [
            report(word, n, PRICE, clock, terms=terms(**WISH)),
            fill(f"e{n}", 1, PRICE, **row),
            fill(f"e{n}", 1, PRICE, source="history", **row, **fee),
        ]
    return facts


@given(
    st.lists(st.sampled_from(sorted(PAID_FEES)), min_size=3, max_size=3).flatmap(
        lambda paid_in: st.tuples(st.just(paid_in), st.permutations(facts_of(paid_in)))
    )
)
def test_units_that_a_fill_or_its_fee_may_take_are_never_available(drawn):
    """In any order of arrival; when all is known, nothing is reserved any more."""
    paid_in, facts = drawn
    records, needed = made(pair=pair_of("ETH/BTC"), currency="BTC", **WISH)
    taken = 3 * PRICE + paid_in.count("BTC") * PAID_FEES["BTC"]
    assert needed >= taken
    for fact in facts:
        records.take(fact)
        assert (charged(records) or 0) - records.position("BTC/USD").qty >= taken
    assert (charged(records), -records.position("BTC/USD").qty) == (None, taken)


def test_a_fee_that_the_stream_reports_is_not_reserved():
    records, _ = made(pair=pair_of("ETH/BTC"), currency="BTC", **WISH)
    of, fee = {"cum": 3, "symbol": "ETH/BTC"}, {"fee": D(1), "fee_currency": "KCS"}
    records.take(report("filled", 3, PRICE, terms=terms(**WISH)))
    records.take(fill("e1", 3, PRICE, **of, **fee))
    assert charged(records) is None
