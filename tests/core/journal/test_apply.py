"""Every entry of the journal: its effect on the records, and its events."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.journal import requests
from fillbook.core.journal.apply import RULES
from tests.core.records import AT, Records, bust, fill, intended, report, request, terms

S = m.OrderStatus
LATER = "2026-03-02T15:00:05Z"


def made(*facts):
    records = Records()
    for fact in facts:
        records.take(fact)
    return records


def told(records, *kinds):
    return [str(e.kind) for e in records.all(m.Event) if not kinds or e.kind in kinds]


SENT = (intended(), m.Commanded("c1", m.Command.SEND, 1))


def test_bound_and_listed_are_stored_as_reported():
    coin = m.Instrument("BTC/USD", m.AssetClass.CRYPTO)
    account = m.AccountId("sim", "elsewhere", "a2")
    records = made(m.Bound(account, clocked=False), m.InstrumentListed(coin))
    assert records.get(m.Binding, "account") == m.Binding(account, clocked=False, rules=RULES)
    assert records.get(m.Instrument, "BTC/USD") == coin
    assert not records.take(m.InstrumentListed(coin))


def test_only_the_first_send_is_an_event():
    records = made(*SENT, m.Commanded("c1", m.Command.SEND, 2))
    assert told(records) == ["submitted"]
    assert [r.number for r in records.get(m.OrderRecord, "c1").requests] == [1, 2]


A = m.AnswerKind


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([A.ACCEPTED], S.UNPROVEN),  # the reply had no report of the order
        ([A.AMBIGUOUS], S.UNPROVEN),
        ([A.REJECTED], S.REJECTED),
        ([A.NOT_SENT], S.DENIED),
        ([A.AMBIGUOUS, A.REJECTED], S.UNPROVEN),  # the first may still have been accepted
        ([A.AMBIGUOUS, A.NOT_SENT], S.UNPROVEN),
        ([A.NOT_SENT, A.REJECTED], S.REJECTED),
    ],
)
def test_a_definite_reply_to_a_create_decides_the_status_without_evidence(answers, status):
    records = made(intended())
    for n, answer in enumerate(answers, 1):
        records.take(m.Commanded("c1", m.Command.SEND, n))
        records.take(m.Answered("c1", n, answer, "no funds", m.RejectKind.FUNDS))
    assert records.order().status is status


def test_a_duplicate_is_no_refusal_of_the_order():
    """P2: the order exists."""
    records = made(*SENT, m.Answered("c1", 1, A.REJECTED, "exists", m.RejectKind.DUPLICATE))
    assert records.order().status is S.UNPROVEN


def test_a_reply_does_not_contradict_an_order_with_evidence():
    records = made(*SENT, report("new"), m.Answered("c1", 1, A.REJECTED, "no"))
    assert (records.order().status, records.order().anomalies) == (S.NEW, ())


def test_denied_is_final_and_may_be_sent_after_all():
    records = made(intended(), m.IntentDenied("c1", "closed"))
    assert (records.order().status, records.order().reason) == (S.DENIED, "closed")
    assert told(records) == ["final"]
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    assert records.order().status is S.UNPROVEN


def test_absent_is_final_and_alerts_and_so_does_a_late_accept():
    records = made(*SENT, m.ConcludedAbsent("c1", 3))
    assert told(records) == ["submitted", "final", "alert"]
    records.take(report("new"))
    alerts = [e.alert.kind for e in records.all(m.Event) if e.alert is not None]
    assert alerts == [m.AlertKind.ABSENT, m.AlertKind.LANDED_LATE]


def test_a_disputed_order_alerts():
    records = made(*SENT, report("new"), fill("f1", 5, 9, cum=5), bust("?", source="history"))
    assert records.all(m.Event)[-1].alert.kind is m.AlertKind.DISPUTED


def test_an_order_reported_before_its_intent_becomes_ours_with_all_evidence():
    """A new record after a loss: the fills move to their strategy."""
    records = made(report("new"), fill("f1", 5, 9, cum=5))
    assert records.order().origin is m.Origin.EXTERNAL
    records.take(intended(strategy="trend"))
    assert records.order().origin is m.Origin.OURS
    assert [name for name, leg in records.position().by_strategy if leg.qty] == ["trend"]


def test_a_denial_of_what_was_shown_is_odd_once():
    """P2: the order can never become absent."""
    gone = m.NotFoundAfterSeen("c1", "b1")
    records = made(*SENT, report("new"), gone)
    assert [a.oddity for a in records.order().anomalies] == [m.Oddity.NOT_FOUND_AFTER_SEEN]
    assert records.order().status is S.NEW
    assert not records.take(gone)
    assert not records.take(m.NotFoundAfterSeen("c1", "never"))
    assert records.take(report("new", source="by_id"))
    assert records.order().anomalies == ()


def test_a_read_history_counts_once_and_only_for_known_ids():
    records = made(*SENT, report("new"))
    assert records.take(m.HistoryRead("b1"))
    assert not records.take(m.HistoryRead("b1"))
    assert not records.take(m.HistoryRead("never"))


def activity(kind, **kw):
    base = {"activity_id": "a1", "kind": m.ActivityKind(kind), "at": m.timestamp(LATER)}
    return m.ActivityReported(m.Activity(**{**base, "symbol": "AAPL", **kw}))


@pytest.mark.parametrize(
    ("happened", "qty"),
    [
        (activity("split", ratio=Decimal(2), qty=Decimal(10)), 20),
        (activity("split", qty=Decimal(10)), 20),  # an event only by the added anomaly
        (activity("split"), 10),
        (activity("transfer", qty=Decimal(-4)), 6),
        (activity("assignment", qty=Decimal(5), price=Decimal(3)), 15),
        (activity("fee", qty=Decimal("-0.5")), Decimal("9.5")),
        (activity("dividend", cash=Decimal(7)), 10),
        (activity("fee", symbol=None, qty=Decimal(-1)), 10),  # of no symbol: it moved no units
        (activity("other", qty=Decimal(0)), 10),
    ],
)
def test_an_activity_moves_its_units(happened, qty):
    records = made(m.BalanceAdjusted("AAPL", Decimal(10), Decimal(9), AT, "OPENING"), happened)
    assert records.position().qty == qty
    assert not records.take(happened)


def test_cash_is_its_last_adjustment_plus_later_flows():
    """In any order of arrival; the fee of a sale may still be deducted."""
    flows = (
        intended(),
        fill("f1", 10, 9, cum=10, at=LATER),
        report("new"),
        fill("f0", 10, 9, cum=10, at="2026-03-02T14:00:00Z", broker_order_id="old"),
        activity("dividend", cash=Decimal(7)),
        activity(
            "transfer", activity_id="a2", cash=Decimal(5), at=m.timestamp("2026-03-01T00:00:00Z")
        ),
        activity("transfer", activity_id="a3", qty=Decimal(1)),
    )
    anchor = m.CashAdjusted(Decimal(1000), "USD", AT, "OPENING")
    assert made(anchor, *flows).get(m.Cash, "cash") == made(*flows, anchor).get(m.Cash, "cash")
    assert made(anchor, *flows).get(m.Cash, "cash").amount == 1000 - 90 + 7


def test_a_fee_that_is_posted_late_is_due_until_then():
    coin = m.Instrument("BTC/USD", m.AssetClass.CRYPTO)
    manners = m.Bound(m.AccountId("sim", "localhost", "a1"), base_fee=Decimal("0.01"))
    sale = fill("f1", 2, 100, cum=2, at=LATER, symbol="BTC/USD", side=m.OrderSide.SELL)
    anchor = m.CashAdjusted(Decimal(0), "USD", AT, "OPENING")
    records = made(manners, m.InstrumentListed(coin), anchor, sale)
    cash = records.get(m.Cash, "cash")
    assert (cash.amount, cash.fee_due) == (200, 2)
    records.take(activity("fee", symbol=None, cash=Decimal("-1.5")))
    cash = records.get(m.Cash, "cash")
    assert (cash.amount, cash.fee_due) == (Decimal("198.5"), 0)


def test_the_fee_of_a_fill_is_paid_in_its_own_currency():
    """A fee in base is taken from the units, one in quote from the cash."""
    anchor = m.CashAdjusted(Decimal(0), "USD", AT, "OPENING")
    base = {"symbol": "BTC/USD", "at": LATER, "fee": Decimal("0.1")}
    coins = made(anchor, fill("f1", 2, 100, cum=2, fee_currency="BTC", **base))
    assert coins.position("BTC/USD").qty == Decimal("1.9")
    assert coins.get(m.Cash, "cash").amount == -200
    money = made(anchor, fill("f1", 2, 100, cum=2, fee_currency="USD", **base))
    assert money.position("BTC/USD").qty == 2
    assert money.get(m.Cash, "cash").amount == Decimal("-200.1")
    assert money.position("BTC/USD").account.fees == Decimal("0.1")


def test_a_drift_locks_its_symbol_from_when_it_was_found_until_it_clears():
    found = m.DriftFound("position/X", m.Phantom("X", Decimal(3)), Decimal(30))
    records = made(found)
    records.take(evolve(found, notional=Decimal(31)), m.timestamp(LATER))
    assert records.get(m.OpenDrift, "position/X").since == AT
    assert not records.take(m.DriftCleared("position/Y"))
    records.take(m.DriftCleared("position/X"))
    assert records.all(m.OpenDrift) == []
    locks = [e.locked for e in records.all(m.Event) if e.kind is m.EventKind.LOCK]
    assert locks == [True, True, False]


def test_cash_that_drifts_locks_nothing():
    records = made(m.DriftFound("cash", m.WrongCash(Decimal(1), Decimal(2)), Decimal(1)))
    assert told(records) == ["drift"]


def test_an_alert_is_an_event():
    alert = m.Alert(m.AlertKind.UNSETTLED, "c1", "look at it")
    assert [e.alert for e in made(m.Alerted(alert)).all(m.Event)] == [alert]


def test_a_fill_and_its_bust_are_events():
    records = made(*SENT, report("new"), fill("f1", 5, 9, cum=5), bust("f1", 5))
    assert told(records, m.EventKind.FILL, m.EventKind.FILL_REVISED) == ["fill", "fill_revised"]


def test_a_bust_received_first_waits_for_its_fill():
    """P5: the bust belongs to no order until the fill names one."""
    records = made(bust("f1"), fill("f1", 5, 9, cum=5))
    assert (records.order("?b1").symbol, records.order("?b1").filled_qty) == ("AAPL", 0)


def test_of_two_reports_of_a_bust_the_more_complete_counts():
    records = made(*SENT, report("new"), bust("f1", 5))
    assert not records.take(bust("f1"))
    assert not records.take(bust("f1", 5))
    assert records.take(bust("f1", 5, at=LATER))


def test_a_report_nests_executions_and_busts():
    known = bust("f1").bust
    nested = report("new", 5, "9", executions=(fill("f1", 5, 9, cum=5).execution,), busts=(known,))
    assert made(*SENT, nested).order().filled_qty == 0


def test_an_order_sized_in_quote_is_counted_in_quote():
    """Rows are exact in quote; once all are known, the broker's base quantity is the order's."""
    wish = {"symbol": "BTC/USD", "qty": None, "notional": Decimal(100)}
    row = {"symbol": "BTC/USD", "in_quote": True}
    whole = {"terms": terms(**wish), "filled_value": Decimal(100), "fill_count": 2}
    records = made(intended(**wish), report("filled", 3, clock=LATER, **whole))
    records.take(fill("f1", 40, 30, **row))
    order = records.order()
    assert (order.filled_qty, order.filled_value, order.is_complete) == (3, 100, False)
    records.take(fill("f2", 60, 36, **row))
    order = records.order()
    assert (order.filled_qty, order.filled_value, order.is_complete) == (3, 100, True)
    assert order.leaves_notional == 0


def test_a_report_matches_a_request_by_its_terms():
    assert requests.matches_request(terms(limit_price=9), request(limit_price=9))
    assert not requests.matches_request(terms(limit_price=9), request(limit_price=8))


def test_a_rebuild_is_an_entry_that_changes_no_record():
    assert not made(*SENT, report("new")).take(m.Rebuilt(RULES))


def test_a_fill_of_a_replaced_id_leaves_its_successor_where_totals_are_per_id():
    facts = (report("new"), report("new", broker_order_id="b1r", replaces="b1"))
    records = made(*SENT, *facts)
    before = records.get(m.Evidence, "b1r")
    records.take(report("replaced", 40, "9.9", clock=LATER, replaced_by="b1r"))
    assert records.get(m.Evidence, "b1r") == before
    assert records.order().filled_qty == 40


def test_a_report_with_known_executions_changes_what_is_new_in_it():
    """A stream repeats an event after a loss: the fill is booked once, the status is newer."""
    fact = fill("f1", 40, 9, cum=40).execution
    first = report("partially_filled", 40, 9, source="stream", executions=(fact,))
    records = made(*SENT, first)
    newer = report(
        "canceled", 40, 9, "2026-03-02T15:00:05Z", source="stream", executions=(fact, fact)
    )
    assert records.take(newer)
    assert (records.order().status, records.position().qty) == (S.CANCELED, 40)
    fills = [e.kind for e in records.all(m.Event) if e.fill is not None]
    assert fills == [m.EventKind.FILL]
