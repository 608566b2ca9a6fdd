"""Promise P10 where a symbol has another name, or other units, from a day on."""

import pytest

import fillbook as fb
from fillbook.venue.exchange import Posting
from tests.bench import Bench
from tests.scenarios.corporate.held import DAY, D, assert_true, parts
from tests.scenarios.corporate.test_protected_parts import (
    A,
    C,
    alerts,
    covers,
    protected,
    stops,
)


def both(**policies):
    """A bench with two protected parts of AAPL, by strategy."""
    bench = Bench(cash="1000000")
    for name, qty in zip(policies, (7, 5), strict=True):
        bench.desk.buy("AAPL", qty=qty, strategy=name)
    bench.pass_(30)
    for name, policy in policies.items():
        bench.desk.protect("AAPL", strategy=name, **policy)
    bench.pass_(30)
    return bench


def test_a_protection_that_waits_under_the_new_name_is_one_with_that_of_the_old():
    """The one that was set last is for the part, and a person is told."""
    bench = protected()
    bench.desk.cancel(bench.desk.book.orders(open=True)[0])
    bench.exchange.rename("AAPL", "APLE", posting=Posting(delay_s=3600))
    bench.pass_(60)
    bench.desk.protect("APLE", strategy="s", stop_price="170", pending=True)
    bench.pass_(3700)
    assert covers(bench) == {"APLE/s": C.COVERED}
    assert stops(bench, "APLE") == [(10, 170)]
    assert "two protections of APLE (s) became one" in alerts(bench, A.EXIT_CHANGED, "APLE")[-1]
    assert_true(bench)


def test_a_stop_that_fills_just_before_a_rename_begins_its_cooldown():
    bench = both(s={"cooldown_s": 600, "stop_price": "180"}, t={"trail": "20"})
    bench.exchange.quote("AAPL", "179.00", "179.02")
    bench.exchange.rename("AAPL", "APLE")
    bench.desk.sync()
    with pytest.raises(fb.Denied) as denied:
        bench.desk.buy("APLE", qty=1, limit_price="100", strategy="s")
    assert denied.value.reason.code == "cooldown"
    bench.pass_(60)
    assert covers(bench) == {"APLE/t": C.COVERED}


def test_what_the_bot_canceled_stays_suspended_under_another_name():
    bench = protected()
    bench.desk.cancel(bench.desk.book.orders(open=True)[0])
    bench.exchange.rename("AAPL", "APLE")
    bench.desk.sync()
    bench.pass_(90)
    assert covers(bench) == {"APLE/s": C.SUSPENDED}
    assert alerts(bench, A.NAKED, "APLE")


def test_another_company_that_takes_the_old_name_has_protections_of_its_own():
    bench = protected()
    bench.exchange.rename("AAPL", "APLE")
    bench.pass_(60)
    bench.clock.advance(21 * DAY)
    listed = bench.exchange.instrument("MSFT")
    bench.exchange._state._renamed_to.clear()
    bench.exchange._state.instruments["AAPL"] = fb.Instrument("AAPL", listed.asset_class)
    bench.exchange.quote("AAPL", "20.00", "20.02")
    bench.exchange.quote("APLE", "187.00", "187.02")
    bench.desk = bench.open()
    bench.pass_(120)
    bench.exchange.quote("AAPL", "20.00", "20.02")
    bench.desk.buy("AAPL", qty=4, strategy="s", reference_price="20.02")
    bench.pass_(30)
    bench.desk.protect("AAPL", stop_price="18")
    bench.pass_(60)
    assert covers(bench) == {"AAPL/s": C.COVERED, "APLE/s": C.COVERED}
    assert (stops(bench, "AAPL"), stops(bench, "APLE")) == ([(4, 18)], [(10, 180)])


@pytest.mark.sampled(6)
@pytest.mark.parametrize("adjusts", [True, False])
@pytest.mark.parametrize("ratio", ["3", "0.5", "0.15"])
@pytest.mark.parametrize("rename", [True, False])
def test_a_split_of_two_parts_over_night_perhaps_with_a_rename(ratio, adjusts, rename):
    """The market is closed: no order of before the split trades, and the open finds it right."""
    bench = both(a={"stop_price": "180"}, b={"trail": "5"})
    bench.clock.advance(10 * 3600)
    bench.desk.tick()
    bench.exchange.split("AAPL", ratio, adjusts=adjusts)
    if rename:
        bench.exchange.rename("AAPL", "APLE")
    symbol = "APLE" if rename else "AAPL"
    bench.pass_(12 * 3600, 300)
    bench.pass_(2 * 3600, 30)
    by, mid = D(ratio), bench.exchange.quote_of(symbol).bid
    assert parts(bench, symbol) == {"a": 7 * by, "b": 5 * by}
    found = stops(bench, symbol)
    assert sum(qty for qty, _ in found) == 12 * by
    assert covers(bench) == {f"{symbol}/a": C.COVERED, f"{symbol}/b": C.COVERED}
    a, b = D(180) / by, mid - D(5) / by
    assert all(min(abs(stop - a), abs(stop - b)) < D("0.1") * a for _, stop in found), found
