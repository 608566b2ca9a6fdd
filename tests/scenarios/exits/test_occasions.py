"""Occasions on which exits were missing, doubled, or sold what nobody wanted to sell."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Posting
from tests.bench import Bench

C = m.CoverState
D = Decimal


def at(day, hour, minute=0, second=0):
    """A moment of March 2026, UTC; New York is 5 hours behind until the 8th, then 4."""
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


class Account(Bench):
    """A bench with methods for exits."""

    def __init__(self, **kw):
        super().__init__(cash="1000000", **kw)

    def until(self, moment, every=300):
        self.pass_((moment - self.clock.now()).total_seconds(), every=every)

    def reopened(self, **kw):
        """The next process, with other settings, on the same record."""
        self.desk._gateway.lease.release()
        self.desk = fb.open(self.broker, self.store, clock=self.clock, wait_s=2, **kw)
        return self.desk

    def held(self, symbol="AAPL", qty=10, **policy):
        self.desk.buy(symbol, qty=qty, strategy="s")
        self.pass_(20)
        if policy:
            self.desk.protect(symbol, **policy)
            self.pass_(30)
        return self

    def exits(self, symbol="AAPL"):
        """The live orders that reduce the position; those of one OCO are one."""
        return [
            x
            for x in self.truth.orders()
            if x.symbol == symbol and x.side == "sell" and not x.is_final and x.parent_id is None
        ]

    def covers(self):
        return {x.key: x.cover for x in self.desk.protections()}

    def alerts(self, kind):
        found = [x.alert for x in self.desk.events() if x.alert is not None]
        return [x for x in found if x.kind is kind]

    def sold(self):
        """The units that were sold, by symbol."""
        found = {}
        for fill in self.truth.fills():
            if fill.side == "sell":
                found[fill.symbol] = found.get(fill.symbol, D(0)) + fill.qty
        return found

    def keep_quoting(self, bids, seconds, every=5):
        """Quotes that stay where they are, with a tick after each."""
        for _ in range(int(seconds // every)):
            for symbol, bid in bids.items():
                self.exchange.quote(symbol, bid, D(bid) + D("0.02"))
            self.pass_(every, every=every)


SYMBOLS = ("AAPL", "MSFT", "SPY")


def test_a_policy_that_is_switched_on_sells_nothing_that_is_held():
    """First contact with positions 10 % under their cost, and a stop at 8 %."""
    account = Account()
    for symbol in SYMBOLS:
        account.held(symbol)
    low = {s: account.exchange.quote_of(s).bid * D("0.9") for s in SYMBOLS}
    low = {s: x.quantize(D("0.01")) for s, x in low.items()}
    desk = account.reopened(exits=fb.ExitPolicy(stop_loss="8%"))
    account.keep_quoting(low, 300)
    assert account.sold() == {}
    assert set(account.covers().values()) == {C.PROPOSED}
    plans = desk.plans("proposed")
    assert len(plans) == len(SYMBOLS)
    desk.approve(plans[0].plan_id)
    account.keep_quoting(low, 120)
    assert sum(account.sold().values()) == 10  # the one that was approved


def test_an_entry_that_still_fills_is_exited_after_a_while():
    """Its rest is canceled, and what filled has its exit, although units are freed late."""
    account = Account()
    account.reopened(exits=fb.ExitPolicy(stop_loss="8%"))
    account.exchange.faults.switch_on("units-freed-late", seconds=3)
    order = account.desk.buy("AAPL", qty=10, limit_price="186", strategy="s")
    account.filled(order, 4)
    account.pass_(120)
    assert account.desk.book.order(order).status is m.OrderStatus.CANCELED
    (stop,) = account.exits()
    assert stop.qty == 4
    assert account.covers() == {"AAPL/s": C.COVERED}


@pytest.mark.slow
def test_a_re_entry_has_a_protection_of_its_own():
    """The protection ends with its position; a month later only a policy protects again."""
    account = Account().held(stop_price="180")
    account.desk.close_position("AAPL")
    account.pass_(60)
    assert account.covers() == {}
    account.until(datetime(2026, 4, 2, 15, 0, tzinfo=UTC), every=3000)
    account.exchange.quote("AAPL", "187.00", "187.02")
    account.held()
    account.pass_(60)
    assert account.exits() == []
    account.desk.close_position("AAPL")
    account.pass_(60)
    account.reopened(exits=fb.ExitPolicy(stop_loss="8%"))
    account.held()
    account.pass_(60)
    assert [x.qty for x in account.exits()] == [10]


@pytest.mark.slow
def test_a_fraction_over_the_weekend():
    """10.5 shares with a stop and a take profit on a Friday evening."""
    account = Account().held(qty="10.5", stop_price="170", take_profit="220")
    account.until(at(6, 20, 58), every=1800)
    account.until(at(6, 21, 1), every=5)
    whole, part = sorted(account.exits(), key=lambda x: -x.qty)
    assert (whole.order_class, whole.time_in_force, whole.qty) == ("oco", "gtc", 10)
    assert (part.type, part.time_in_force, part.qty) == ("stop", "day", D("0.5"))
    assert m.moment(part.created_at) > at(6, 21)  # of Monday's session
    account.until(at(9, 14, 0), every=3600)
    assert account.covers() == {"AAPL/s": C.COVERED}
    assert sum(x.qty for x in account.exits()) == D("10.5")


def test_the_fraction_is_sold_once_the_whole_part_was():
    account = Account().held(qty="10.5", stop_price="170", take_profit="200")
    account.exchange.quote("AAPL", "201.00", "201.02")
    account.pass_(90)
    assert account.truth.positions() == {}
    assert account.covers() == {}


def test_an_add_on_a_stopped_symbol_is_refused_by_name():
    """Both sides of one symbol are a wash trade, unless the exits are complex orders."""
    account = Account().held(stop_price="180")
    with pytest.raises(fb.Denied) as denied:
        account.desk.buy("AAPL", qty=5, strategy="s")
    assert denied.value.reason.code == "wash_trade"
    account.desk.protect("AAPL", stop_price="180", take_profit="300")
    account.pass_(60)
    account.desk.buy("AAPL", qty=5, strategy="s")
    account.pass_(60)
    assert sum(x.qty for x in account.exits()) == 15


def test_an_oco_whose_legs_both_fill():
    """The sibling changes a moment late: nothing is sold beyond the position for long."""
    account = Account().held(stop_price="180", take_profit="200")
    account.exchange.faults.switch_on("sibling-late", seconds=3)
    account.exchange.quote("AAPL", "201", "201.02")
    account.clock.advance(0.5)
    account.exchange.quote("AAPL", "179", "179.02")
    account.pass_(120)
    assert account.exits() == []
    assert account.covers() == {}


def test_a_halt_leaves_the_exits_and_lets_new_ones_through():
    account = Account().held(stop_price="180")
    account.desk.halt("a person decided so")
    assert account.desk.cancel_all() == []
    (stop,) = account.exits()
    account.books.cancel(stop.id)
    account.pass_(60)
    assert [x.qty for x in account.exits()] == [10]
    with pytest.raises(fb.Denied, match="halted"):
        account.desk.buy("MSFT", qty=1)


def test_a_cancel_by_hand_is_made_good_once():
    account = Account().held(stop_price="180")
    for _ in range(2):
        (stop,) = account.exits()
        account.books.cancel(stop.id)
        account.pass_(90)
    assert account.exits() == []
    assert account.covers() == {"AAPL/s": C.SUSPENDED}
    assert account.alerts(m.AlertKind.NAKED)


def test_two_strategies_long_and_short_on_one_symbol():
    """The account is long 6: the exit is for 6, and the short part is covered by the rest."""
    account = Account().held(qty=10, stop_price="180")
    account.desk.protect("AAPL", strategy="s", stop_price="180", take_profit="300")
    account.pass_(60)
    account.silently("AAPL", -4, "187")
    account.pass_(120)
    assert sum(x.qty for x in account.exits()) == 6
    assert account.covers() == {"AAPL/s": C.COVERED}


def test_a_lost_record_places_no_second_exit():
    account = Account().held(stop_price="180", take_profit="220")
    account.desk._gateway.lease.release()
    account.store = MemoryStore()
    account.desk = fb.open(account.broker, account.store, clock=account.clock, wait_s=2)
    account.pass_(60)
    account.desk.protect("AAPL", stop_price="180", take_profit="220")
    account.pass_(60)
    assert [x.qty for x in account.exits()] == [10]
    assert account.covers() == {"AAPL/": C.COVERED}


@pytest.mark.slow
def test_the_market_goes_through_the_stop_over_night():
    """The stop rests at the broker: it sells at the open, at the price that there is."""
    account = Account().held(stop_price="180")
    account.until(at(3, 14, 29))
    account.exchange.quote("AAPL", "160", "160.02")
    account.until(at(3, 14, 32), every=10)
    assert account.sold() == {"AAPL": 10}
    assert account.covers() == {}


def test_coins_have_a_stop_and_a_watched_take_profit():
    account = Account()
    account.desk.buy("BTC/USD", qty="0.1", strategy="s")
    account.pass_(20)
    account.desk.protect("BTC/USD", stop_loss="5%", take_profit="3%")
    account.pass_(30)
    (stop,) = account.exits("BTC/USD")
    assert (stop.type, stop.time_in_force) == ("stop_limit", "gtc")
    (protection,) = account.desk.protections()
    assert protection.why == f"stop limited: beyond {stop.limit_price} it does not trade"
    profit = (stop.stop_price / D("0.95") * D("1.04")).quantize(D(1))
    account.keep_quoting({"BTC/USD": profit}, 120)
    assert account.truth.positions().get("BTC/USD", D(0)) < D("0.001")
    assert account.exits("BTC/USD") == []


def test_a_short_position_is_protected_by_a_buy_stop():
    account = Account()
    account.desk.sell("AAPL", qty=10, strategy="s")
    account.pass_(20)
    assert account.truth.positions() == {"AAPL": -10}
    account.desk.protect("AAPL", stop_loss="5%", take_profit="5%")
    account.pass_(30)
    assert account.covers() == {"AAPL/s": C.COVERED}
    account.exchange.quote("AAPL", "197.00", "197.02")
    account.pass_(60)
    assert account.truth.positions() == {}
    assert account.covers() == {}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("ratio", "qty", "stop", "bid", "late", "adjusts"),
    [
        ("10", 100, "18", "18.70", 0, True),
        ("10", 100, "18", "18.70", 0, False),
        ("10", 100, "18", "18.70", 6, True),
        ("0.1", 1, "1800", "1870", 0, False),
        ("0.1", 1, "1800", "1870", 6, False),
    ],
)
def test_a_split_before_the_open_sells_nothing(ratio, qty, stop, bid, late, adjusts):
    """Its row is posted at once, or hours after the open; the stop is at the same value then."""
    account = Account().held(qty=10, stop_price="180")
    account.until(at(9, 10), every=7200)  # Monday, 06:00 in New York
    posting = Posting(delay_s=late * 3600)
    account.exchange.split("AAPL", D(ratio), adjusts=adjusts, posting=posting)
    account.exchange.quote("AAPL", bid, D(bid) + D("0.02"))
    account.until(at(9, 14))  # half an hour after the open
    account.keep_quoting({"AAPL": bid}, 120)
    assert account.sold() == {}
    account.until(at(9, 18), every=600)
    assert account.sold() == {}
    assert sum(x.qty for x in account.exits()) == qty
    assert {x.stop_price for x in account.exits()} == {D(stop)}
    assert account.covers() == {"AAPL/s": C.COVERED}


def test_a_split_that_nothing_proves_is_alerted_before_the_open():
    """The broker keeps a stop in old terms: only a person can end it in time."""
    account = Account().held(qty=10, stop_price="180")
    account.until(at(9, 10), every=7200)
    account.exchange.split("AAPL", 10, adjusts=False, posting=Posting(delay_s=6 * 3600))
    account.until(at(9, 13, 20))
    assert account.covers() == {"AAPL/s": C.SPLIT_SUSPECTED}
    assert account.alerts(m.AlertKind.NAKED) or account.alerts(m.AlertKind.DRIFT)


@pytest.mark.slow
def test_exits_that_are_canceled_at_night_are_made_again_at_the_open():
    """The bot's cancel stays pending until then, and the units with it; nothing is doubled."""
    account = Account().held(qty=10, stop_price="180")
    account.exchange.faults.switch_on("cancel-at-open")
    account.until(at(3, 3))
    account.desk.protect("AAPL", stop_price="175", take_profit="250")
    account.until(at(3, 13))
    (stop,) = account.exits()
    assert stop.stop_price == 180
    account.keep_quoting({"AAPL": "187"}, 2 * 3600, every=120)
    assert [(x.qty, x.limit_price) for x in account.exits()] == [(10, D(250))]
    assert account.covers() == {"AAPL/s": C.COVERED}
    assert account.sold() == {}


@pytest.mark.parametrize("every", [0.25, 5])
def test_a_part_is_closed_although_its_units_are_freed_late(every):
    """The broker shows the canceled exit as canceled, and still reserves its units."""
    account = Account().held(qty=10, stop_price="180", take_profit="250")
    account.exchange.faults.switch_on("units-freed-late", seconds=20)
    plan = account.desk.close_position("AAPL", qty=4)
    account.pass_(60, every)
    assert account.desk.plan(plan.plan_id).state is m.PlanState.DONE
    assert account.sold() == {"AAPL": 4}
    assert [(x.qty, x.limit_price) for x in account.exits()] == [(6, D(250))]
    assert account.covers() == {"AAPL/s": C.COVERED}
