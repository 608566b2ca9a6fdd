"""All evidence decides what only reduces: our position and the broker's."""

import pytest
from attrs import evolve

from fillbook import errors
from fillbook import model as m
from tests.bench import Bench, unable


class WithoutTransfers(unable()):
    """A broker that does not report transfers."""

    def activities(self, since, page):
        return m.Observed(())


def held(qty=5, **kw):
    """A bot that holds *qty* shares, bought some time ago."""
    bench = Bench(broker=WithoutTransfers, **kw)
    bench.desk.buy("AAPL", qty=qty)
    bench.clock.advance(120)
    bench.desk.sync()
    return bench


@pytest.mark.parametrize(("gone", "sold", "passes"), [(5, 5, 0), (5, 1, 0), (3, 3, 0), (3, 2, 1)])
def test_no_more_is_sold_than_the_smaller_position_allows(gone, sold, passes):
    """A phantom, or a part of one, is not sold: that would open a short."""
    bench = held()
    bench.silently("AAPL", f"-{gone}", "100")
    bench.clock.advance(120)
    assert bench.desk.sync().verdict is m.Verdict.DRIFT
    if passes:
        bench.desk.sell("AAPL", qty=sold)
    else:
        with pytest.raises(errors.Denied):
            bench.desk.sell("AAPL", qty=sold)
    assert bench.truth.positions().get("AAPL", 0) >= 0


def test_a_difference_that_settles_counts_before_it_is_confirmed():
    """The first snapshot that differs is evidence; another desk on the store reads it too."""
    bench = held()
    other = bench.open()
    bench.silently("AAPL", "-5", "100")
    bench.clock.advance(120)
    seen = []
    wait = bench.clock.wait

    def sold_meanwhile(event, timeout_s):
        if not seen:
            seen.append(True)
            for desk in (bench.desk, other):
                with pytest.raises(errors.Denied):
                    desk.sell("AAPL", qty=5)
        return wait(event, timeout_s)

    bench.clock.wait = sold_meanwhile
    bench.desk.sync()
    assert seen
    assert bench.truth.positions() == {}


def test_what_was_adopted_is_a_difference_no_more():
    bench = held()
    bench.silently("AAPL", "-3", "100")
    bench.clock.advance(120)
    bench.desk.sync(adopt=True)
    bench.desk.sell("AAPL", qty=2)
    assert bench.truth.positions() == {}


class ShowsNoValues(WithoutTransfers):
    """A broker whose account reports no market values."""

    def account(self):
        answer = super().account()
        plain = evolve(answer.value, long_market_value=None, short_market_value=None)
        return evolve(answer, value=plain)


@pytest.mark.parametrize("phantom", [False, True])
def test_a_snapshot_from_before_a_fill_keeps_no_exit_back(phantom):
    """A quantity that was ours within the lag explains a late snapshot, and is no difference."""
    bench = Bench(broker=ShowsNoValues)
    bench.desk.buy("AAPL", qty=5)
    bench.clock.advance(3600)
    bench.desk.sync()
    if phantom:
        bench.silently("AAPL", "-5", "100")
        bench.clock.advance(40)
    bench.desk.buy("AAPL", qty=5)
    bench.clock.advance(3)
    bench.fail("show-positions", "stale-snapshot", seconds=8)
    seen = []
    wait = bench.clock.wait

    def sold_meanwhile(event, timeout_s):
        if not seen:
            seen.append(False)
            seen[0] = bench.desk.preview(SELL_ALL).reason is None
        return wait(event, timeout_s)

    bench.clock.wait = sold_meanwhile
    bench.desk.sync()
    assert seen == [not phantom]


SELL_ALL = m.OrderRequest(symbol="AAPL", side="sell", qty=10)


def test_a_short_is_not_closed_beyond_the_smaller_position():
    """The same for buys: covering a phantom short would open a long."""
    bench = Bench(broker=WithoutTransfers)
    bench.desk.sell("AAPL", qty=5)
    bench.clock.advance(120)
    bench.desk.sync()
    bench.silently("AAPL", "5", "100")
    bench.clock.advance(120)
    bench.desk.sync()
    with pytest.raises(errors.Denied):
        bench.desk.buy("AAPL", qty=5)
