"""Orders of fillbook that are not in this record: one alert an owner, with what to do."""

from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench


def alerts(desk):
    found = (x.alert for x in desk.events() if x.alert is not None)
    return [x for x in found if x.kind is m.AlertKind.FOREIGN_PREFIX]


def test_the_orders_of_another_record_are_one_alert_an_owner():
    """However many they are, whoever reads them, and again after a day."""
    bench = Bench(cash="100000")
    other = bench.open(MemoryStore())
    other.sync()
    for strategy, symbol in (("dips", "AAPL"), ("dips", "MSFT"), ("trend", "AAPL"), (None, "SPY")):
        other.buy(symbol, qty=1, limit_price="100", strategy=strategy)
    bench.clock.advance(30)
    bench.desk.sync()
    found = alerts(bench.desk)
    assert {x.about for x in found} == {"fb-dips", "fb-trend", "fb-"}
    assert len(found) == 3
    message = next(x.message for x in found if x.about == "fb-dips")
    assert "is not in this record: another record of this account exists" in message
    assert "Two bots on one account need one store" in message
    assert "`fillbook rebuild`" in message
    other.buy("SPY", qty=1, limit_price="101", strategy="dips")
    bench.clock.advance(30)
    bench.open().sync()
    assert len(alerts(bench.desk)) == 3
    bench.clock.advance(86_400)
    other.buy("SPY", qty=1, limit_price="102", strategy="dips")
    bench.desk.sync()
    again = alerts(bench.desk)[3:]  # the others are reported once more: they ended at the close
    assert sorted(x.about for x in again) == ["fb-", "fb-dips", "fb-trend"]
