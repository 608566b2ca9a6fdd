"""The commands, exhaustively; the status rule; reopening, busts, lineage, proof."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.orders import lifecycle
from fillbook.errors import IllegalTransition
from tests.core.records import AT, Records, bust, fill, intended, report, terms

S = m.OrderStatus
C = m.Command

_LIVE = {
    *("pending_new", "accepted", "accepted_for_bidding", "pending_review", "held", "new"),
    *("partially_filled", "pending_cancel", "pending_replace", "replaced", "done_for_day"),
    *("calculated", "stopped", "suspended", "unrecognised", "disputed"),
}
#: Every request, and its valid statuses; every other pair is our bug.
MAY = {
    C.DENY: {"unproven"},
    C.SEND: {"unproven", "denied"},
    C.ABANDON: {"unproven"},
    C.CANCEL: {"unproven", *_LIVE},
    C.RESOLVE: {"unproven", *_LIVE},
    C.REPLACE: {
        *("pending_new", "accepted", "accepted_for_bidding", "pending_review", "held", "new"),
        *("partially_filled", "done_for_day", "calculated", "stopped", "suspended"),
        "unrecognised",
    },
}
BECOMES = {
    (C.DENY, S.UNPROVEN): S.DENIED,
    (C.ABANDON, S.UNPROVEN): S.ABSENT,
    (C.CANCEL, S.UNPROVEN): S.UNPROVEN,
    (C.SEND, S.UNPROVEN): S.UNPROVEN,
    (C.SEND, S.DENIED): S.UNPROVEN,
}


@pytest.mark.parametrize("command", C)
@pytest.mark.parametrize("status", S)
def test_every_pair_of_status_and_command_is_expected_or_our_bug(status, command):
    """No request is sent for a final order, and none is sent again once it was confirmed."""
    if status in MAY[command]:
        usual = {
            C.CANCEL: S.PENDING_CANCEL,
            C.REPLACE: S.PENDING_REPLACE,
            C.RESOLVE: S.ABSENT,
        }.get(command)
        assert lifecycle.expected_status(status, command) is BECOMES.get((command, status), usual)
    else:
        with pytest.raises(IllegalTransition, match=f"{command} is not legal .* {status}$"):
            lifecycle.expected_status(status, command)


@pytest.mark.parametrize(
    ("word", "filled", "shown"),
    [
        ("canceled", 0, "canceled"),
        ("canceled", 4, "canceled"),
        ("canceled", 10, "filled"),  # rule 2: the cancel came too late
        ("expired", 10, "filled"),
        ("expired", 9, "expired"),
        ("rejected", 0, "rejected"),
        ("rejected", 4, "canceled"),  # no rejected order has fills
        ("rejected", 11, "filled"),
        ("pending_cancel", 10, "pending_cancel"),  # rule 3
        ("pending_replace", 4, "pending_replace"),
        ("filled", 4, "filled"),  # rule 4: the broker's status
        ("new", 10, "filled"),
        ("new", 11, "filled"),
        (None, 10, "filled"),
        *((word, 4, word) for word in ("done_for_day", "calculated", "stopped", "suspended")),
        ("held", 4, "held"),  # rule 5
        ("held", 10, "filled"),
        ("new", 4, "partially_filled"),  # rule 6
        ("unrecognised", 4, "partially_filled"),
        (None, 4, "partially_filled"),
        *((word, 0, word) for word in ("new", "accepted", "pending_new", "unrecognised")),
        ("replaced", 0, "replaced"),
        (None, 0, "accepted"),  # rule 7; only a bust reports it
    ],
)
def test_the_status_is_that_of_the_first_matching_rule(word, filled, shown):
    found = lifecycle.derive_status(None if word is None else S(word), Decimal(filled), Decimal(10))
    assert found is S(shown)


@pytest.mark.parametrize(("word", "shown"), [("new", "partially_filled"), ("filled", "filled")])
def test_an_order_by_notional_is_filled_by_the_reported_status_alone(word, shown):
    assert lifecycle.derive_status(S(word), Decimal(10**6), None) is S(shown)


# -- the record ------------------------------------------------------------------------


def clock(second):
    return f"2026-03-02T15:00:{second:02}Z"


def look(second, word, cum=0, avg=None, *, source="by_id", **kw):
    """The report of the broker about b1 at that second."""
    return report(word, cum, avg, clock(second), source, **kw)


def heard(*facts, before=(), at=AT):
    records = Records()
    for fact in (*before, intended(), m.Commanded("c1", C.SEND, 1), *facts):
        records.take(fact, at)
    return records


def odd(records):
    return {str(a.oddity) for a in records.order().anomalies}


UNCLOCKED = m.Bound(m.AccountId("sim", "localhost", "a1"), clocked=False)


def test_an_order_without_evidence_is_unconfirmed_and_may_still_fill_completely():
    """P3: it is live, and counts as exposure."""
    order = heard().order()
    assert (order.status, order.is_final, order.leaves_qty) == (S.UNPROVEN, False, 100)


@pytest.mark.parametrize("source", ["by_id", "list", "stream", "reply"])
def test_only_a_later_read_by_id_revokes_an_end(source):
    """A broker reports GTC orders as expired overnight."""
    records = heard(look(1, "expired"), look(2, "new", source=source))
    reopened = source == "by_id"
    assert records.order().status is (S.NEW if reopened else S.EXPIRED)
    assert odd(records) == ({"reopened"} if reopened else set())
    assert records.order().is_final is not reopened


def test_an_earlier_read_by_id_revokes_nothing():
    assert heard(look(2, "expired"), look(1, "new")).order().status is S.EXPIRED


def test_what_was_reopened_ends_again():
    records = heard(look(1, "expired"), look(2, "new"), look(3, "canceled"))
    assert (records.order().status, odd(records)) == (S.CANCELED, set())


@pytest.mark.parametrize(
    ("seconds", "status"), [((0, 9), "canceled"), ((0, 10), "new"), ((0, 4, 9, 13), "new")]
)
def test_without_a_clock_two_reads_by_id_ten_seconds_apart_revoke_an_end(seconds, status):
    """A single stale read, or two at once, do not."""
    records = heard(report("canceled", clock=None), before=[UNCLOCKED])
    for n, second in enumerate(seconds, 1):
        seen = report("new", clock=None, source="by_id")
        records.take(m.Reported(seen.report, seen.source, n), m.timestamp(clock(second)))
    assert records.order().status is S(status)


def test_without_a_clock_a_report_of_an_earlier_read_does_not_revoke():
    records = heard(before=[UNCLOCKED])
    for n, second in ((1, 0), (2, 30)):
        seen = report("new", clock=None, source="by_id")
        records.take(m.Reported(seen.report, seen.source, n), m.timestamp(clock(second)))
    ended = report("canceled", clock=None)
    records.take(m.Reported(ended.report, ended.source, 3))
    assert records.order().status is S.CANCELED


def test_a_bust_on_a_filled_order_is_disputed_until_the_next_report():
    """And the next report of the broker counts."""
    records = heard(fill("f1", 100, 10, cum=100), look(1, "filled", 100, 10))
    records.take(bust("f1", 100, at=clock(2)))
    order = records.order()
    assert (order.status, order.filled_qty, order.is_final) == (S.DISPUTED, 0, False)
    assert "bust_unconfirmed" in odd(records)
    records.take(look(3, "canceled", 0))
    assert (records.order().status, records.order().filled_qty) == (S.CANCELED, 0)


def test_a_read_after_a_bust_that_reports_filled_again_is_accepted():
    """Some brokers never change the status of an order that was filled once."""
    records = heard(fill("f1", 100, 10, cum=100), look(1, "filled", 100, 10))
    records.take(bust("f1", 100, at=clock(2)))
    records.take(look(1, "filled", 100, 10, source="list"), m.timestamp(clock(5)))
    assert records.order().status is S.DISPUTED  # it was not a read of this order
    records.take(look(1, "filled", 100, 10), m.timestamp(clock(6)))
    assert (records.order().status, records.order().filled_qty) == (S.FILLED, 0)


def test_a_bust_of_one_fill_of_several_leaves_the_others():
    records = heard(
        fill("f1", 40, 10, cum=40), fill("f2", 20, 11, cum=60), look(1, "partially_filled", 60)
    )
    records.take(bust("f1", at=clock(2)))
    order = records.order()
    assert (order.status, order.filled_qty, order.filled_value) == (S.PARTIALLY_FILLED, 20, 220)


def test_an_overfill_is_filled_with_an_anomaly():
    records = heard(fill("f1", 110, 10, cum=110))
    records.take(look(1, "filled", 110, 10))
    assert (records.order().status, records.order().leaves_qty) == (S.FILLED, 0)
    assert [a.detail for a in records.order().anomalies] == ["110 of 100"]


def test_a_rejected_order_with_fills_is_canceled_and_odd():
    records = heard(look(1, "rejected", 4, 10), fill("f1", 4, 10, cum=4))
    assert (records.order().status, odd(records)) == (S.CANCELED, {"rejected_with_fills"})


def test_a_fill_after_the_end_is_booked_and_the_end_stays():
    records = heard(look(1, "canceled", 0), fill("f1", 4, 10, cum=4, at=clock(2)))
    order = records.order()
    assert (order.status, order.filled_qty, records.position().qty) == (S.CANCELED, 4, 4)
    assert odd(records) == {"fill_after_end"}


def test_a_total_below_its_own_fills_is_odd():
    records = heard(look(1, "new", 0), fill("f1", 4, 10))
    assert odd(records) == {"cum_below_executions"}


def test_an_unknown_status_is_live():
    records = heard(look(1, "unrecognised", raw_status="held_by_moon"))
    order = records.order()
    assert (order.status, order.is_final) == (S.UNRECOGNISED, False)
    assert [a.detail for a in order.anomalies] == ["held_by_moon"]
    assert S.UNRECOGNISED in lifecycle.LIVE


def test_an_order_that_is_accepted_after_it_was_concluded_absent_is_reopened():
    """An order that is ABSENT may still have fills."""
    records = heard(m.ConcludedAbsent("c1", 3))
    order = records.order()
    assert (order.status, order.is_final, order.leaves_qty) == (S.ABSENT, True, 0)
    assert order.proof == m.Proof("absent", None, AT)
    records.take(look(1, "new"))
    assert (records.order().status, records.order().is_final) == (S.NEW, False)
    assert odd(records) == {"landed_late"}


GONE = m.NotFoundAfterSeen("c1", "b1")
RESOLVED = m.ResolvedAbsent("c1")


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ([], S.ABSENT),
        ([look(1, "new"), GONE], S.ABSENT),
        ([look(1, "partially_filled", 40, 9), GONE], S.CANCELED),
        ([look(1, "pending_cancel", 40, 9), fill("f1", 40, 9, cum=40), GONE], S.CANCELED),
        ([look(1, "new"), fill("f1", 5, 9, cum=5), bust("?", source="history"), GONE], S.CANCELED),
    ],
)
def test_an_order_that_a_person_resolves_is_final(facts, status):
    """Its fills remain, its proof is the resolution, and nothing is left of it."""
    records = heard(*facts, RESOLVED)
    order = records.order()
    assert (order.status, order.is_final, order.leaves_qty) == (status, True, 0)
    assert (order.proof.source, order.proof.at) == ("absent", AT)
    assert "a person" in order.reason
    assert "landed_late" not in odd(records)


@pytest.mark.parametrize("source", ["by_id", "list", "reply", "stream"])
@pytest.mark.parametrize("known", [[look(1, "new"), GONE], []])
def test_a_resolved_order_is_reopened_by_a_report(known, source):
    """Once reported again, it is not final until it is resolved again."""
    records = heard(*known, RESOLVED, look(2, "new", source=source))
    assert (records.order().status, odd(records)) == (S.NEW, {"landed_late"})
    records.take(GONE)
    assert (records.order().is_final, odd(records)) == (
        False,
        {"landed_late", "not_found_after_seen"},
    )
    records.take(RESOLVED)
    assert records.order().status is S.ABSENT


def test_an_old_event_does_not_reopen_a_resolved_order():
    """A repeated or late event of the stream is no report of the present; a read is."""
    records = heard(look(2, "new"), GONE, RESOLVED)
    records.take(look(1, "accepted", source="stream"))
    records.take(look(2, "new", source="stream"))
    records.take(fill("f1", 5, 9, cum=5))
    assert (records.order().status, records.order().filled_qty) == (S.CANCELED, 5)
    records.take(look(2, "new", source="by_id"))
    assert records.order().status is S.PARTIALLY_FILLED


@pytest.mark.parametrize("word", ["canceled", "expired", "rejected", "filled"])
def test_an_end_has_its_proof(word):
    """The proof has the source, the broker id, and the time by the broker's own clock."""
    cum = 100 if word == "filled" else 0
    order = heard(look(7, word, cum, 10 if cum else None)).order()
    assert order.proof == m.Proof("by_id", "b1", m.timestamp(clock(7)))


def test_the_proof_of_an_end_by_fills_alone_is_their_source():
    order = heard(look(1, "new"), fill("f1", 100, 10, source="history")).order()
    assert order.proof == m.Proof("history", "b1", None)


def test_an_end_without_the_brokers_clock_is_of_when_it_was_read():
    records = heard(report("canceled", clock=None), before=[UNCLOCKED])
    assert records.order().proof == m.Proof("list", "b1", AT)


def test_an_open_cancel_is_shown_beside_the_status_until_the_order_is_final():
    """After every reply, and in every status on the way."""
    records = heard(
        look(1, "new"), m.Instructed("c1", 1, m.Cancel(), m.Authority.ORDER, None, "b1")
    )
    assert (records.order().status, records.order().pending) == (S.NEW, "cancel")
    for number, answer in enumerate(m.AnswerKind, 2):
        records.take(m.Commanded("c1", C.CANCEL, number, "b1", instruction=1))
        records.take(m.Answered("c1", number, answer))
        assert records.order().pending == "cancel"
    records.take(look(2, "pending_cancel"))
    assert (records.order().status, records.order().pending) == (S.PENDING_CANCEL, "cancel")
    records.take(look(3, "canceled"))
    assert (records.order().status, records.order().pending) == (S.CANCELED, None)
    records.take(look(4, "new", source="by_id"))
    assert (records.order().status, records.order().pending) == (S.NEW, "cancel")  # it works again


def successor(second, word, cum=0, avg=None, **kw):
    mine = {"broker_order_id": "b1r", "client_order_id": "c1.r1", "replaces": "b1"}
    return look(second, word, cum, avg, **{**mine, "terms": terms(limit_price=9), **kw})


OLD = look(2, "replaced", 40, 10, replaced_by="b1r")


def test_one_order_owns_its_replace_chain_and_shows_its_tip():
    """Terms, status and leaves are those of the tip, fills those of all ids."""
    records = heard(look(1, "new"), OLD, successor(2, "new"))
    order = records.order()
    assert (order.broker_order_id, order.status) == ("b1r", S.PARTIALLY_FILLED)
    assert (order.limit_price, order.filled_qty, order.leaves_qty) == (9, 40, 100)


def test_a_fill_on_the_old_id_after_its_replacement_counts():
    records = heard(OLD, successor(2, "new"), fill("f9", 60, 10, cum=60, at=clock(3)))
    assert (records.order().filled_qty, records.position().qty) == (60, 60)


def test_an_external_replace_under_its_own_client_id_belongs_to_the_order():
    by_hand = successor(3, "new", client_order_id="web-77")
    records = heard(OLD, by_hand)
    assert records.get(m.OrderRecord, "c1").ids == ("b1", "b1r")
    assert records.get(m.OrderRecord, "web-77") is None


def test_of_two_live_ids_the_newest_report_is_shown_and_both_count():
    """One intent, two orders at the broker: both are exposure."""
    twin = look(5, "partially_filled", 10, 10, broker_order_id="b0")
    records = heard(look(1, "partially_filled", 40, 10), twin)
    order = records.order()
    assert (order.broker_order_id, order.filled_qty) == ("b0", 50)
    assert records.get(m.OrderRecord, "c1").ids == ("b0", "b1")


def test_a_chain_that_bites_its_tail_still_has_a_tip():
    records = heard(look(1, "new", replaces="b1r"), successor(2, "new"))
    assert records.order().broker_order_id == "b1r"


@pytest.mark.parametrize("carries", m.ReplaceCum)
def test_what_every_reading_of_a_successors_total_agrees_on_is_inferred(carries):
    """Otherwise it may include the fills of the old id, until its own history was read."""
    manners = m.Bound(m.AccountId("sim", "localhost", "a1"), replace_cum=carries)
    records = heard(OLD, successor(3, "partially_filled", 70, 10), before=[manners])
    assert records.order().filled_qty == 70
    records.take(m.HistoryRead("b1r"))
    assert records.order().filled_qty == (110 if carries is m.ReplaceCum.FRESH else 70)
    assert (
        not records.order().is_complete
    )  # 30 of the 70, or all of them, are reported by no source


def test_a_total_that_is_the_old_ones_fills_is_complete():
    """The successor has filled nothing yet, and carries the fills of its predecessor."""
    records = heard(OLD, successor(3, "partially_filled", 40, 10), fill("f1", 40, 10, cum=40))
    assert not records.order().is_complete
    records.take(m.HistoryRead("b1r"))
    assert records.order().is_complete
