"""A market beyond the stop: at the open, in extended hours, on one bad quote, on many symbols."""

import pytest

from fillbook import model as m
from tests.scenarios.exits.test_occasions import Account, C, at


def beyond(account, moment):
    """The stop is canceled at the broker before the open, and the market opens below it."""
    account.until(at(3, 1))
    (stop,) = account.exits()
    account.books.cancel(stop.id)
    account.clock.advance(1)
    account.exchange.quote("AAPL", "170", "170.02")
    account.until(moment, every=1800)
    account.until(moment, every=60)
    return account


@pytest.mark.parametrize("moment", [at(3, 9, 5), at(3, 14, 30, 30)], ids=["04:05", "09:30:30"])
def test_a_breach_is_decided_a_minute_after_the_open(moment):
    account = Account().held(stop_price="180")
    beyond(account, moment)
    assert account.sold() == {}
    account.until(at(3, 14, 30), every=600)
    account.until(at(3, 14, 31, 5), every=5)
    account.keep_quoting({"AAPL": "170"}, 60)
    assert account.sold() == {"AAPL": 10}


def test_one_bad_quote_sells_nothing():
    account = Account().held(stop_price="180")
    (stop,) = account.exits()
    account.exchange.halt("AAPL")
    account.books.cancel(stop.id)
    account.clock.advance(1)
    account.exchange.quote("AAPL", "12", "12.02")
    account.pass_(10)
    account.exchange.quote("AAPL", "187", "187.02")
    account.exchange.resume("AAPL")
    account.pass_(60)
    assert account.sold() == {}
    assert account.covers() == {"AAPL/s": C.COVERED}


# -- many at once ----------------------------------------------------------------------


class Crash(Account):
    """Positions of $1,000 each whose stops of 90 vanish, and the market falls to 85."""

    def __init__(self, names, qty=10):
        super().__init__()
        self.bids = dict.fromkeys(names, "100")
        for name in names:
            listed = m.Instrument(name, m.AssetClass.EQUITY, fractionable=True)
            self.exchange.list_instrument(listed, "100", "100.02")
            self.desk.buy(name, qty=qty, strategy="s", limit_price="101")
        pause = 10 + 2 * len(names)  # the requests of a minute are limited
        self.go_on(pause)
        for name in names:
            self.desk.protect(name, stop_price="90")
        self.go_on(pause)

    def begin(self, names):
        """The exits of *names* end while they are halted, and their price has fallen then."""
        for name in names:
            self.exchange.halt(name)
        for order in [x for name in names for x in self.exits(name)]:
            self.books.cancel(order.id)
        self.clock.advance(1)
        for name in names:
            self.bids[name] = "85"
            self.exchange.quote(name, "85", "85.02")
            self.exchange.resume(name)

    def go_on(self, seconds):
        self.keep_quoting(self.bids, seconds)


@pytest.mark.slow
def test_of_forty_breaches_at_once_three_are_closed():
    """A crash, or one bad feed.  The rest waits for a person, however long that takes."""
    names = [f"T{i:02d}" for i in range(40)]
    crash = Crash(names)
    crash.begin(names)
    for seconds, every in ((30, 5), (330, 15)):
        crash.keep_quoting(crash.bids, seconds, every)
        assert len(crash.sold()) == 3
        assert len(crash.desk.plans("proposed")) == len(names) - 3


@pytest.mark.parametrize("how", ["a restart", "another desk"])
def test_the_breaches_are_counted_in_the_record(how):
    names = [f"T{i}" for i in range(6)]
    crash = Crash(names)
    crash.begin(names[:2])
    crash.go_on(30)
    assert len(crash.sold()) == 2
    if how == "a restart":
        crash.reopened()
    else:
        other = crash.open()
        crash.desk._gateway.lease.release()
        crash.desk = other
    crash.begin(names[2:])
    crash.go_on(60)
    assert len(crash.sold()) == 3
    assert len(crash.desk.plans("proposed")) == 3


def test_above_a_fifth_of_the_equity_the_rest_waits():
    """Of $1,000,000: the first is closed, whatever it is worth, the second would make it 26 %."""
    crash = Crash(["A", "B", "C"], qty=1500)
    crash.begin(["A", "B", "C"])
    crash.go_on(60)
    assert crash.sold() == {"A": 1500}
    assert len(crash.desk.plans("proposed")) == 2
    crash.go_on(330)  # what waits for a person is not closed by itself later
    assert crash.sold() == {"A": 1500}


# -- extended hours --------------------------------------------------------------------


def test_in_extended_hours_it_is_closed_if_the_policy_says_so():
    """At 04:05 in New York, by a limit order."""
    account = Account().held(stop_price="180", extended_hours=True)
    beyond(account, at(3, 9, 5))
    account.keep_quoting({"AAPL": "170"}, 60)
    assert account.sold() == {"AAPL": 10}
    [fill] = [x for x in account.truth.fills() if x.side == "sell"]
    assert fill.price == 170
    assert account.clock.now() < at(3, 14, 30)
    assert account.desk.protections() == []


def test_an_order_of_extended_hours_that_does_not_fill_ends_before_the_open():
    """The market falls on: the order is canceled, and a new one follows the price."""
    account = Account().held(stop_price="180", extended_hours=True, naked_max_s=20)
    beyond(account, at(3, 9))
    account.exchange.halt("AAPL")
    account.keep_quoting({"AAPL": "170"}, 180)
    limits = [x for x in account.truth.orders() if x.side == "sell" and x.limit_price]
    assert account.sold() == {}
    assert [x.status for x in limits[:1]] == ["canceled"]
    account.exchange.resume("AAPL")
    account.keep_quoting({"AAPL": "165"}, 90)
    assert account.sold() == {"AAPL": 10}
