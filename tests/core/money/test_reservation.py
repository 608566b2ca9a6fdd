"""Reservations of orders, and the available buying power (promise P7)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import reservation as r
from tests.core.records import AT, Records, fill, pair_of, report, request, terms

RULE = m.ReserveRule(stop_collars=((Decimal(50), Decimal("1.025")), (m.ZERO, Decimal("1.04"))))
LAG = timedelta(seconds=10)
COIN = m.Instrument("BTC/USD", m.AssetClass.CRYPTO)


def needed(ask="100", rule=RULE, *, opens=True, instrument=None, **kw):
    """The reserve of a request; None if it is unknown."""
    wish = request(**kw)
    asked = None if ask is None else m.number(ask)
    kept = r.reserve_for(wish, asked, instrument, rule, opens=opens)
    return None if kept is None else r.reserve_amount(wish, kept, rule)


@pytest.mark.parametrize(
    ("wish", "costs"),
    [
        ({"qty": 10, "limit_price": "99"}, "990"),
        ({"qty": 10}, "1040"),  # at the ask, with the margin of a market order
        ({"qty": None, "notional": 500}, "500"),
        ({"qty": 10, "stop_price": "50"}, "512.5"),
        ({"qty": 10, "stop_price": "40"}, "416"),
        ({"qty": 10, "stop_price": "60", "limit_price": "60.5"}, "605"),
        ({"qty": 10, "trail_price": "5"}, "1076.25"),  # the stop would be at 105
        ({"qty": 10, "trail_percent": "10"}, "1127.5"),
        ({"qty": 10, "side": "sell", "limit_price": "99"}, "1030"),
        ({"qty": 10, "side": "sell", "limit_price": "104"}, "1040"),
        ({"qty": 10, "side": "sell"}, "1030"),
    ],
)
def test_what_an_order_takes_is_the_brokers_rule_for_its_kind(wish, costs):
    assert Decimal(costs) == needed(**wish)


def test_what_only_reduces_takes_no_money():
    assert needed(opens=False, qty=10, side="sell") == 0


@pytest.mark.parametrize("wish", [{}, {"trail_price": 1}, {"side": "sell", "limit_price": 9}])
def test_without_a_price_an_order_that_needs_one_has_no_reserve(wish):
    assert needed(ask=None, **wish) is None


def test_a_limit_buy_needs_no_price():
    assert needed(ask=None, qty=2, limit_price="9") == 18


def test_the_brokers_fee_is_in_the_hold():
    rule = m.ReserveRule(fee=Decimal("0.006"))
    assert needed(rule=rule, qty=10, limit_price="100") == Decimal("1006")
    assert needed(rule=rule, qty=None, notional=100) == Decimal("100.6")


def test_without_a_stop_rule_a_stop_reserves_its_own_price():
    assert needed(rule=m.ReserveRule(stop_collars=()), qty=1, stop_price="50") == 50


@pytest.mark.parametrize(
    ("symbol", "instrument", "margin"),
    [("AAPL", None, True), ("BTC/USD", None, False), ("BTCX", COIN, False)],
)
def test_coins_are_paid_in_full(symbol, instrument, margin):
    for opens in (True, False):
        of = {"opens": opens, "pair": pair_of(symbol)}
        kept = r.reserve_for(request(symbol=symbol), Decimal(1), instrument, RULE, **of)
        assert kept.margin is margin


# -- what an order can still cost ------------------------------------------------------


def reserved(opens=True, ask="100", **kw):
    """Records in which c1 is intended, with its reservation."""
    records = Records()
    wish = request(**kw)
    kept = r.reserve_for(wish, m.number(ask), None, m.ReserveRule(), opens=opens)
    records.take(m.Intended(m.Intent(client_order_id="c1", request=wish, at=AT, reserve=kept)))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    return records


def kept(records):
    """The sum of all reservations, which are also found by the time of their growth."""
    record = records.get(m.OrderRecord, "c1").reservation
    assert records.all(m.Reservation) == ([] if record is None else [record])
    return record


def test_an_unconfirmed_order_reserves_everything_and_no_reading_covers_it():
    found = kept(reserved(limit_price=10))
    assert (found.charge, found.grown, found.is_open) == (1000, None, True)


def test_an_order_that_the_broker_shows_has_grown_by_that():
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    assert kept(records).grown == len(records.entries)
    assert kept(records).grown_at == AT


def test_a_fill_is_posted_and_not_released():
    records = reserved(limit_price=10)
    records.take(report("filled", 100, "9.5", terms=terms(limit_price=10)))
    found = kept(records)
    assert (found.charge, found.is_open) == (950, False)
    assert found.grown == len(records.entries)


def test_a_fill_dearer_than_reserved_has_grown():
    records = reserved(qty=100, ask="10")
    records.take(report(terms=terms(qty=100)))
    before = kept(records).grown
    records.take(fill("e1", 100, "11"))
    assert kept(records).charge == 1100
    assert kept(records).grown > before


def test_a_cheaper_fill_has_not_grown():
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    before = kept(records).grown
    records.take(fill("e1", 40, "9"))
    assert (kept(records).charge, kept(records).grown) == (40 * 9 + 60 * 10, before)


def test_a_fill_of_unknown_price_costs_what_was_reserved():
    records = reserved(limit_price=10)
    records.take(report("partially_filled", 40, None, terms=terms(limit_price=10)))
    assert kept(records).charge == 1000


@pytest.mark.parametrize("word", ["canceled", "expired", "rejected"])
def test_the_reservation_of_an_order_without_a_fill_ends_at_once(word):
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    records.take(report(word, clock="2026-03-02T15:00:02Z", terms=terms(limit_price=10)))
    assert kept(records) is None


def test_an_abandoned_order_is_released_and_reserved_again_when_it_is_accepted():
    records = reserved(limit_price=10)
    records.take(m.ConcludedAbsent("c1", 3))
    assert kept(records) is None
    records.take(report(terms=terms(limit_price=10)))
    assert (kept(records).charge, kept(records).grown) == (1000, len(records.entries))


def test_an_order_by_notional_keeps_what_it_has_not_spent():
    records = reserved(qty=None, notional=500)
    assert kept(records).charge == 500
    wish = terms(qty=None, notional=500)
    records.take(report("partially_filled", 3, "100", terms=wish))
    assert kept(records).charge == 500
    records.take(report("filled", "4.9", "100", clock="2026-03-02T15:00:03Z", terms=wish))
    assert kept(records).charge == 490


def test_an_exit_keeps_no_money():
    assert kept(reserved(opens=False, side="sell")) is None


def test_two_living_ids_of_one_order_are_both_counted():
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    records.take(
        report(
            broker_order_id="b2",
            client_order_id="c1.r1",
            replaces="b1",
            clock="2026-03-02T15:00:02Z",
            terms=terms(limit_price=11),
        )
    )
    assert kept(records).charge == 100 * 10 + 100 * 11
    records.take(
        report(
            "replaced",
            replaced_by="b2",
            clock="2026-03-02T15:00:03Z",
            terms=terms(limit_price=10),
        )
    )
    assert kept(records).charge == 1100


def test_an_unconfirmed_replace_reserves_the_larger_amount():
    """It may have been done; once it is known that it was not, it reserves nothing."""
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    change = m.Change(client_order_id="c1.r1", qty=150, limit_price=12)
    records.take(m.Commanded("c1", m.Command.REPLACE, 2, "b1", change))
    assert kept(records).charge == 150 * 12
    records.take(m.ChangeClosed("c1", 2, "refused"))
    assert kept(records).charge == 100 * 10


def test_an_order_replaced_by_a_cheaper_one_is_reserved_until_the_replace_is_done():
    records = reserved(limit_price=10)
    records.take(report("pending_replace", terms=terms(limit_price=10)))
    new = {"broker_order_id": "b2", "client_order_id": "c1.r1", "replaces": "b1"}
    late = "2026-03-02T15:00:02Z"
    records.take(report("accepted", clock=late, terms=terms(limit_price=9), **new))
    assert kept(records).charge == 100 * 10


@pytest.mark.parametrize(
    ("change", "more"),
    [
        ({"limit_price": "11"}, 100),
        ({"limit_price": "9"}, 0),
        ({"qty": 120}, 200),
        ({"qty": 80}, 0),
        ({"qty": 120, "limit_price": "11"}, 320),
        ({"qty": 80, "limit_price": "11"}, 100),  # the old one may fill at its own price
    ],
)
def test_a_change_adds_what_it_may_cost_beyond_the_order(change, more):
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    given = {name: m.number(value) for name, value in change.items()}
    asked = m.Change(client_order_id="c1.r1", **given)
    record = records.get(m.OrderRecord, "c1")
    assert r.amount_added(record, asked, m.ReserveRule()) == more
    before = record.reservation.charge
    records.take(m.Commanded("c1", m.Command.REPLACE, 2, "b1", asked))
    assert kept(records).charge == before + more


def test_no_reading_covers_an_unconfirmed_change_that_may_cost_more():
    """It may be accepted minutes later: until it is known, no reading of the account covers it."""
    records = reserved(limit_price=10)
    records.take(report(terms=terms(limit_price=10)))
    before = kept(records).grown
    cheaper = m.Change(client_order_id="c1.r1", limit_price=m.number(9))
    records.take(m.Commanded("c1", m.Command.REPLACE, 2, "b1", cheaper))
    assert kept(records).grown == before  # it holds what it held
    records.take(m.ChangeClosed("c1", 2, "not found"))
    dearer = m.Change(client_order_id="c1.r2", limit_price=m.number(11))
    records.take(m.Commanded("c1", m.Command.REPLACE, 3, "b1", dearer))
    assert (kept(records).charge, kept(records).grown) == (1100, None)
    records.take(m.Answered("c1", 3, m.AnswerKind.AMBIGUOUS))
    assert kept(records).grown is None
    replaced = {"broker_order_id": "b2", "client_order_id": "c1.r2", "replaces": "b1"}
    dear = terms(limit_price=11)
    records.take(report(clock="2026-03-02T15:00:02Z", terms=dear, **replaced))
    records.take(
        report(
            "replaced", clock="2026-03-02T15:00:03Z", replaced_by="b2", terms=terms(limit_price=10)
        )
    )
    assert (kept(records).charge, kept(records).grown) == (1100, len(records.entries) - 1)


def test_a_change_of_what_keeps_no_money_adds_none():
    asked = m.Change(client_order_id="c1.r1", qty=m.number(500))
    record = reserved(opens=False, side="sell").get(m.OrderRecord, "c1")
    assert r.amount_added(record, asked, m.ReserveRule()) == 0
    by_notional = reserved(qty=None, notional=500).get(m.OrderRecord, "c1")
    assert r.amount_added(by_notional, asked, m.ReserveRule()) == 0


# -- what is available -----------------------------------------------------------------


def reading(at, told, covered=-1, coins=None, multiplier=2):
    return r.Reading(
        requested_at=timedelta(seconds=at),
        covered_entry=covered,
        funds=m.Funds(Decimal(told), Decimal(told if coins is None else coins)),
        multiplier=Decimal(multiplier),
    )


def charged(charge, grown, *, name="c1", is_open=True, margin=True, grown_at=AT):
    return m.Reservation(
        client_order_id=name,
        symbol="AAPL",
        charge=Decimal(charge),
        margin=margin,
        grown=grown,
        grown_at=None if grown is None else grown_at,
        is_open=is_open,
    )


def left(readings, promises, *, nets=True):
    return r.available(readings, promises, LAG, nets_open_orders=nets)


def test_what_a_read_surely_holds_is_not_taken_off_again():
    assert left([reading(0, 900, covered=7)], [charged(100, 7)]).buying_power == 900


def test_what_grew_after_it_is_taken_off():
    assert left([reading(0, 1000, covered=6)], [charged(100, 7)]).buying_power == 900


def test_an_unconfirmed_amount_is_subtracted_from_every_reading():
    assert left([reading(0, 1000, covered=99)], [charged(100, None)]).buying_power == 900


def test_a_read_from_before_the_order_spares_counting_it_twice():
    before, after = reading(0, 1000, covered=6), reading(12, 900, covered=6)
    assert left([before, after], [charged(100, 7)]).buying_power == 900


def test_never_more_than_the_newest_number():
    assert left([reading(0, 1000), reading(1, 400)], []).buying_power == 400


def test_a_read_of_long_before_is_no_bound_any_more():
    assert left([reading(0, 1000), reading(21, 1000)], [charged(100, 1)]).buying_power == 900
    old = reading(0, 2000, covered=9)  # it would allow all that the newest reports
    assert left([old, reading(21, 1000)], [charged(100, 5)]).buying_power == 900


def test_there_is_never_less_than_nothing():
    assert left([reading(0, 100)], [charged(500, None)]) == m.Funds(m.ZERO, m.ZERO)


def test_if_the_broker_does_not_net_open_orders_they_are_charged_until_they_end():
    at_rest = [reading(0, 1000, covered=99)]
    assert left(at_rest, [charged(100, 7)], nets=False).buying_power == 900
    assert left(at_rest, [charged(100, 7, is_open=False)], nets=False).buying_power == 1000


def test_each_number_that_an_order_lowers_is_charged():
    readings = [reading(0, 2000, coins=1000)]
    assert left(readings, [charged(100, None)]) == m.Funds(Decimal(1900), Decimal(900))
    coins = charged(100, None, margin=False)
    assert left(readings, [coins]) == m.Funds(Decimal(1800), Decimal(900))


def test_no_wall_clock_makes_a_reading_cover_a_reservation():
    """A clock that was corrected by hours does not decide what a reading covers."""
    late = reading(0, 1000)
    assert left([late], [evolve(charged(100, 7), grown_at="2020-01-01T00:00:00Z")]) != late.funds


def test_a_read_holds_what_was_known_a_lag_before_it():
    marks = [r.Mark(3, timedelta(seconds=1)), r.Mark(5, timedelta(seconds=4))]
    assert [r.covered_entry(marks, timedelta(seconds=s), LAG) for s in (10, 11, 14)] == [-1, 3, 5]


def test_marks_reach_further_back_than_the_lag_however_often_one_marks():
    """Three marks a second: of those close together the newest represents all."""
    marks = ()
    for number in range(1, 181):
        marks = r.add_mark(marks, r.Mark(number, timedelta(seconds=number / 3)), LAG)
    assert marks[-1] == r.Mark(180, timedelta(seconds=60))
    assert len(marks) <= r.MARKS_MAX
    found = r.covered_entry(marks, timedelta(seconds=60), LAG)
    assert 140 <= found <= 150  # what was there at 50 s, and a little less


# -- P7 --------------------------------------------------------------------------------


class Broker:
    """A broker that enforces nothing and has every fact; cash 1,000, orders by name."""

    def __init__(self):
        self.now, self.number = 0, 0
        self.costs, self.kept = {}, {}
        self.told = [(0, Decimal(1000))]
        self.marks = [r.Mark(0, timedelta())]
        self.readings = [reading(0, 1000)]

    @property
    def spent(self):
        return sum(self.costs.values(), Decimal(0))

    def step(self, what, pick, amount):
        self.number += 1
        names = list(self.costs)
        if what == "pass":
            self.now += amount
        elif what == "order":
            self.order(amount)
        elif what == "read":
            self.read(amount)
        elif names:
            getattr(self, what)(names[pick % len(names)])
        self.marks.append(r.Mark(self.number, timedelta(seconds=self.now)))
        self.told.append((self.now, 1000 - self.spent))

    def order(self, amount):
        """Reserve some of the available amount, or all of it."""
        free = left(self.readings, self.kept.values()).buying_power
        cost = free if amount % 2 else min(free, Decimal(amount * 37))
        if cost:
            name = f"c{self.number}"
            self.costs[name], self.kept[name] = cost, charged(cost, None, name=name)

    def ack(self, name):
        if name in self.kept and self.kept[name].grown is None:
            self.kept[name] = charged(self.costs[name], self.number, name=name)

    def cancel(self, name):
        """The order ends without a fill, and its end is reported."""
        self.costs[name] = Decimal(0)
        self.kept.pop(name, None)

    def read(self, late):
        """Read the account as it was *late* seconds ago."""
        shown = [told for at, told in self.told if at <= self.now - late]
        found = r.covered_entry(self.marks, timedelta(seconds=self.now), LAG)
        told = max(shown[-1] if shown else Decimal(1000), m.ZERO)
        self.readings = [*self.readings[-4:], reading(self.now, told, covered=found)]


STEPS = st.tuples(
    st.sampled_from(["order", "read", "pass", "ack", "cancel"]),
    st.integers(0, 9),
    st.integers(0, 10),
)


@given(st.lists(STEPS, max_size=80))
def test_nothing_is_reserved_twice_however_old_the_account_is(steps):
    """The account is 0 to a lag old, not monotonic; the broker accepts every order."""
    broker = Broker()
    for step in steps:
        broker.step(*step)
        assert broker.spent <= 1000


@given(st.lists(STEPS, max_size=80))
def test_while_idle_the_available_amount_is_the_brokers_number(steps):
    broker = Broker()
    for step in steps:
        broker.step(*step)
    for name in list(broker.costs):
        broker.step("ack", list(broker.costs).index(name), 0)
    for step in [("pass", 0, 10), ("read", 0, 0)]:
        broker.step(*step)
    assert left(broker.readings, broker.kept.values()).buying_power == 1000 - broker.spent
