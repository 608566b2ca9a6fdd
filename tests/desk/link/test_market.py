"""The market: what is read again, because a symbol may be listed or quoted at any time."""

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench


def code(bench, **wish):
    """Why a buy of a share is denied."""
    with pytest.raises(fb.Denied) as denied:
        bench.desk.buy("AAPL", qty=1, **wish)
    return denied.value.reason.code


class ListsLater(SimulatedBroker):
    """Its list of instruments and its quotes lack what it will have later."""

    unlisted = unquoted = frozenset({"AAPL"})

    def instrument(self, symbol):
        return m.Absent() if symbol in self.unlisted else super().instrument(symbol)

    def quotes(self, symbols):
        found = super().quotes(symbols)
        return evolve(found, value=[x for x in found.value if x.symbol not in self.unquoted])


@pytest.mark.parametrize("wish", [{"limit_price": "150"}, {}])
def test_that_a_symbol_is_not_listed_or_not_quoted_is_read_again(wish):
    """It may be listed at any time; a wrong reply denies one order, not those of the day."""
    bench = Bench(broker=ListsLater)
    assert code(bench, **wish) == "unknown_symbol"
    bench.broker.unlisted = frozenset()
    if not wish:
        assert code(bench) == "no_price"
    bench.broker.unquoted = frozenset()
    assert bench.desk.buy("AAPL", qty=1, **wish).broker_order_id is not None


#: By hours after Monday 10:00 in New York: when the market of a share opens, in UTC.
OPENINGS = {
    0: None,
    5.9: None,  # the session ends at 16:00
    6: "2026-03-03T14:30",
    23.4: "2026-03-03T14:30",
    23.5: None,
    5 * 24: "2026-03-09T13:30",  # a Saturday; the clocks change on Sunday
}


@pytest.mark.parametrize("hours", OPENINGS)
def test_an_order_waits_for_the_next_regular_session(hours):
    bench = Bench()
    bench.clock.advance(hours * 3600)
    opens = bench.desk.opens_at("aapl")
    assert (opens and f"{opens:%Y-%m-%dT%H:%M}") == OPENINGS[hours]
    assert bench.desk.opens_at("BTC/USD") is None
