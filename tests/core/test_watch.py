"""A duration beyond its threshold is alerted, from that moment on."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core import watch
from tests.core.records import AT, Records, intended, report, terms

LIMITS = m.Thresholds(stale_s=120, stuck_s=300, slow_fill_s=30, rejected_in_a_row=3)
NOW = m.moment(AT)


def record(*entries, **wish):
    """Order c1, after these reports at `AT`."""
    records = Records()
    records.take(intended(**wish))
    for entry in entries:
        records.take(entry)
    return records.get(m.OrderRecord, "c1")


def alerts(of, seconds):
    alert = watch.order_alert(of, NOW + timedelta(seconds=seconds), LIMITS)
    return None if alert is None else alert.kind


@pytest.mark.parametrize("of_bot", [True, False])
@pytest.mark.parametrize(("streams_per_key", "to_do"), [(1, "desk.receive"), (None, "the keys")])
def test_a_refused_stream_is_alerted_with_the_reason_and_what_to_do(of_bot, streams_per_key, to_do):
    """Where the streams of a key are limited, the other one may have to be closed."""
    alert = watch.stream_alert("HTTP 429", "alpaca", streams_per_key, of_bot=of_bot)
    assert alert.about == ("bot" if of_bot else "desk")
    assert "HTTP 429" in alert.message
    assert to_do in alert.message


def test_a_sink_that_fails_is_alerted_by_its_name():
    """The message says where all alerts are."""
    alert = watch.undelivered_alert("chat.example", "HTTP 500")
    assert (alert.kind, alert.about) == (m.AlertKind.UNDELIVERED, "chat.example")
    assert "desk.events()" in alert.message


CANCEL = m.Commanded("c1", m.Command.CANCEL, 2, "b1")


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (report("pending_new"),),
        (report("pending_cancel"),),
        (report("pending_replace"),),
        (report("unrecognised"),),
        (report("new"), CANCEL),
    ],
)
def test_an_order_without_a_report_is_stuck_after_the_threshold(entries):
    waiting = record(*entries, limit_price=9)
    assert (alerts(waiting, 299), alerts(waiting, 300)) == (None, m.AlertKind.STUCK)


@pytest.mark.parametrize("word", ["new", "accepted", "held", "filled", "canceled", "done_for_day"])
def test_an_order_that_rests_or_has_ended_is_not_stuck(word):
    assert alerts(record(report(word, cum=100 * (word == "filled")), limit_price=9), 9_999) is None


@pytest.mark.parametrize(
    "wish", [{}, {"time_in_force": "ioc", "limit_price": 9}, {"time_in_force": "fok"}]
)
def test_an_order_that_was_to_fill_at_once_and_does_not_fills_slowly(wish):
    for word in ("new", "partially_filled"):
        slow = record(report(word, cum=10 * (word != "new"), terms=terms(**wish)), **wish)
        assert (alerts(slow, 29), alerts(slow, 30)) == (None, m.AlertKind.SLOW_FILL)
    # It waits for the market.
    assert alerts(record(report("accepted", terms=terms(**wish)), **wish), 9_999) is None


def test_of_many_orders_only_the_overdue_are_alerted():
    stuck, resting = record(limit_price=9), record(report("new"), limit_price=9)
    late = NOW + timedelta(hours=1)
    assert [x.about for x in watch.order_alerts([stuck, resting], late, LIMITS)] == ["c1"]


def test_an_order_without_evidence_has_waited_since_it_was_made():
    assert alerts(evolve(record(limit_price=9), seen_at=None), 300) is m.AlertKind.STUCK


def test_the_message_names_the_order_and_the_duration():
    found = watch.order_alert(
        record(report("new"), CANCEL, limit_price=9), NOW + timedelta(hours=1), LIMITS
    )
    assert "order c1 has been new with a pending cancel for 60 min" in found.message
    found = watch.order_alert(record(report("new")), NOW + timedelta(seconds=31), LIMITS)
    assert "order c1 is new after 31 s" in found.message


def test_an_account_that_is_not_read_grows_stale():
    assert watch.account_alert(timedelta(seconds=119), LIMITS) is None
    assert watch.account_alert(timedelta(seconds=120), LIMITS).kind is m.AlertKind.STALE


@pytest.mark.parametrize(
    ("drift", "notional", "alerted"),
    [
        (m.WrongCash(Decimal(0), Decimal(1)), "1", False),
        (m.WrongCash(Decimal(0), Decimal("1.01")), "1.01", True),
        (m.Untracked("AAPL", Decimal(1)), "100", False),
        (m.Untracked("AAPL", Decimal(1)), "100.01", True),
        (m.Phantom("AAPL", Decimal(1)), None, True),  # no price is known
    ],
)
def test_a_difference_is_alerted_above_its_threshold(drift, notional, alerted):
    """More than 100 of a position, more than 1 of cash."""
    finding = m.Finding(drift, m.Confidence.CONFIRMED, notional=m.number_or_none(notional))
    assert watch.is_alerted(finding, LIMITS) is alerted


def test_rejects_in_a_row_are_alerted():
    assert watch.rejection_alert(2, LIMITS) is None
    assert watch.rejection_alert(3, LIMITS).kind is m.AlertKind.REJECTED_IN_A_ROW


def test_fills_that_the_history_lacks_for_ten_minutes_are_told():
    """Not those of an order that is complete, nor of one without a fill."""

    def alert(found, seconds):
        return watch.missing_fills_alert(found, NOW + timedelta(seconds=seconds), LIMITS)

    partly = record(report("partially_filled", 40, 9))
    assert alert(partly, 599) is None
    assert alert(partly, 600).kind is m.AlertKind.FILLS_MISSING
    assert "filled 40" in alert(partly, 600).message
    assert alert(record(report("new")), 9999) is None


def test_the_end_of_a_condition_is_a_notice_of_its_kind():
    told = watch.resolved_alert(m.AlertKind.STREAM_REFUSED, "desk")
    assert (told.kind, told.about, told.resolved) == (m.AlertKind.STREAM_REFUSED, "desk", True)
    assert told.message == "resolved: the stream of the desk is connected again"
    told = watch.resolved_alert(m.AlertKind.NAKED, "AAPL")
    assert told.message == "resolved: no part of AAPL is without its exits any more"


def split(days):
    at = m.timestamp(NOW + timedelta(days=days))
    return m.Movement(key="split", symbol="AAPL", kind=m.MoveKind.RATIO, at=at, ratio=Decimal(10))


@pytest.mark.parametrize(
    ("entries", "wish", "days", "expected"),
    [
        ((report("new", terms=terms(limit_price=150)),), {"limit_price": 150}, 1, True),
        ((report("new", terms=terms(limit_price=150)),), {"limit_price": 150}, -1, False),
        ((report("new", terms=terms(limit_price=15)),), {"limit_price": 150}, 1, False),
        ((report("canceled", terms=terms(limit_price=150)),), {"limit_price": 150}, 1, False),
        ((report("new", terms=terms(limit_price=None)),), {"limit_price": None}, 1, False),
    ],
    ids=["in old terms", "placed after it", "adjusted", "ended", "at the market"],
)
def test_an_order_in_the_terms_of_before_a_split_is_alerted(entries, wish, days, expected):
    alert = watch.split_alert(record(*entries, **wish), [split(days)])
    assert (alert is not None) is expected
    if alert is not None:
        assert (alert.kind, alert.about) == (m.AlertKind.BEFORE_SPLIT, "c1")
    assert watch.split_alert(record(*entries, **wish), []) is None
