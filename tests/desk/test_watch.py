"""An exceeded threshold is alerted once, durably, and to every sink."""

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench


def watched(bench, **settings):
    """The alerts of a second desk on the bench's record, and the desk."""
    told = []
    thresholds = fb.Thresholds(stale_s=60, stuck_s=60, slow_fill_s=20, rejected_in_a_row=2)
    bench.desk.close()
    bench.desk = fb.open(
        bench.broker,
        "memory://",
        clock=bench.clock,
        wait_s=1,
        alerts=[told.append],
        thresholds=thresholds,
        **settings,
    )
    assert bench.desk.sync().opened
    bench.desk.tick()
    return told


def kinds(told):
    return [alert.kind for alert in told]


def changes(told):
    """The alerts in order, and whether each is the notice that its condition has ended."""
    return [(alert.kind, alert.resolved) for alert in told]


def test_an_outage_is_alerted_once_and_again_when_it_recurs():
    bench = Bench()
    told = watched(bench)
    for _ in range(2):
        bench.outage()
        bench.pass_(100)
        bench.over()
        bench.pass_(60)
    assert changes(told) == [(m.AlertKind.STALE, False), (m.AlertKind.STALE, True)] * 2
    assert [x.alert for x in bench.desk.events() if x.alert is not None] == told


def test_a_bot_that_ticks_seldom_is_alerted_of_nothing():
    """Each tick reads the account before it judges how old the reads are."""
    bench = Bench()
    told = watched(bench)
    bench.resting()
    bench.pass_(4 * 3600, every=300)
    assert told == []


def test_an_overdue_cancel_is_alerted():
    bench = Bench()
    told = watched(bench)
    bench.fail("asked-cancel", "cancel-never-ends")
    order = bench.resting()
    bench.desk.cancel(order)
    bench.pass_(50)
    assert told == []
    bench.pass_(60)
    assert [(x.kind, x.about) for x in told] == [(m.AlertKind.STUCK, order.client_order_id)]


def test_a_market_order_that_does_not_fill_is_alerted():
    bench = Bench()
    told = watched(bench)
    bench.exchange.halt("AAPL")
    order = bench.desk.buy("AAPL", qty=1)
    bench.pass_(40)
    assert [(x.kind, x.about) for x in told] == [(m.AlertKind.SLOW_FILL, order.client_order_id)]


def test_rejects_in_a_row_are_alerted_until_an_order_is_accepted():
    bench = Bench()
    told = watched(bench)
    for key in ("1", "2", "3"):
        bench.fail("taken", "reject-after-accept")
        bench.desk.buy("AAPL", qty=1, key=key)
        bench.pass_(10)
    assert kinds(told) == [m.AlertKind.REJECTED_IN_A_ROW]
    bench.desk.buy("AAPL", qty=1, key="4")
    bench.pass_(10)
    bench.fail("taken", "reject-after-accept")
    bench.desk.buy("AAPL", qty=1, key="5")
    bench.pass_(10)
    in_a_row = m.AlertKind.REJECTED_IN_A_ROW
    assert changes(told) == [(in_a_row, False), (in_a_row, True)]


def test_a_sink_that_raises_stops_nothing(caplog):
    bench = Bench()

    def broken(alert):
        raise RuntimeError("no")

    desk = fb.open(bench.broker, "memory://", clock=bench.clock, alerts=[broken])
    with desk:
        desk._recorder.record(m.Alerted(m.Alert(m.AlertKind.STALE, "account", "old")))
        assert [x.alert.about for x in desk.events()] == ["account"]
    assert "raised" in caplog.text


@pytest.mark.parametrize("alerts", ["https://host", 7, ["no function"]])
def test_what_is_no_sink_is_refused(alerts):
    with pytest.raises(fb.InvalidValue, match="alerts must be"):
        fb.open("sim:", "memory://", alerts=alerts)


def test_thresholds_of_another_type_are_refused():
    with pytest.raises(fb.InvalidValue, match="thresholds must be"):
        fb.open("sim:", "memory://", thresholds=60)


def test_the_addresses_of_the_environment_are_webhooks():
    with pytest.raises(fb.InvalidValue, match="https://host/path"):
        fb.open("sim:", "memory://", env={"FILLBOOK_ALERT_URLS": "https://host/a, nonsense"})
    fb.open("sim:", "memory://", env={"FILLBOOK_ALERT_URLS": "https://host/a http://b"}).close()
