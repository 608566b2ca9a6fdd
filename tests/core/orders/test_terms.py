"""The terms of an order are those that the broker reports last; they are evidence with versions."""

from decimal import Decimal
from itertools import permutations

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core import reservation
from fillbook.core.journal.requests import terms_of
from fillbook.core.reconcile import drift
from tests.core.records import AT, Records, intended, report, request

S, C = m.OrderStatus, m.Command
WISH = {"qty": 100, "limit_price": 9, "time_in_force": "gtc"}
RULE = m.ReserveRule()


def of(**changed):
    """The terms of the order, with *changed* values."""
    return evolve(terms_of(request(**WISH)), **changed)


def at(second, word="new", cum=0, source="list", **changed):
    clock = f"2026-03-02T15:{second:02}:00Z"
    average = 9 if cum else None
    return report(word, cum, average, clock, source, terms=of(**changed), created_at=AT)


def heard(*facts, wish=WISH, reserve=m.Reserve(opens=True)):  # noqa: B008
    records = Records()
    entry = intended(**wish)
    records.take(m.Intended(evolve(entry.intent, reserve=reserve)))
    for fact in (m.Commanded("c1", C.SEND, 1), *facts):
        records.take(fact)
    return records


def shown(records, *fields):
    return tuple(getattr(records.order().terms, name) for name in fields)


def reserved(records):
    return records.get(m.OrderRecord, "c1").reservation.charge


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit_price", Decimal("9.5")),
        ("qty", Decimal(50)),
        ("qty", Decimal(200)),
        ("time_in_force", m.TimeInForce.DAY),
    ],
)
def test_a_term_that_the_broker_changes_in_place_is_in_force(field, value):
    """A dashboard, a corporate action or the broker itself may change our order."""
    records = heard(at(1), at(2, **{field: value}))
    assert shown(records, field) == (value,)
    assert records.order().anomalies == ()


def test_the_leaves_and_the_reservation_follow_the_terms_in_force():
    """A doubled GTC order reserves twice as much, a dearer limit more."""
    records = heard(at(1))
    assert reserved(records) == 900
    records.take(at(2, qty=Decimal(200), limit_price=Decimal(10)))
    assert (records.order().leaves_qty, reserved(records)) == (200, 2_000)
    records.take(at(3, qty=Decimal(50), limit_price=Decimal(8)))
    assert (records.order().leaves_qty, reserved(records)) == (50, 400)


def test_the_order_of_arrival_does_not_matter():
    """P5: the newest report decides, and what a pending replace echoes is not in force."""
    facts = [
        at(1),
        at(2, limit_price=Decimal(8)),
        at(3, "pending_replace", limit_price=Decimal(12), qty=Decimal(150)),
        at(4, limit_price=Decimal(8)),
    ]
    for count in (3, 4):
        seen = {
            (*shown(records, "limit_price", "qty"), reserved(records), records.order().leaves_qty)
            for records in (heard(*order) for order in permutations(facts[:count]))
        }
        dearer = (Decimal(8), 100, 1_800, 150) if count == 3 else (Decimal(8), 100, 800, 100)
        assert seen == {dearer}


def test_a_report_without_a_clock_changes_no_terms():
    """The report has no version, so it may be older than the known terms."""
    stale = report("new", clock=None, terms=of(limit_price=Decimal(1)))
    assert shown(heard(at(1), stale), "limit_price") == (9,)
    assert shown(heard(stale, at(1)), "limit_price") == (9,)


def test_the_stop_price_of_a_trailing_stop_moves_and_is_no_difference():
    """The broker's present stop price is shown; a check does not name it."""
    wish = {"side": "sell", "qty": 100, "type": "trailing_stop", "trail_percent": 5}
    stops = [terms_of(request(**wish)), evolve(terms_of(request(**wish)), stop_price=Decimal(95))]
    records = heard(report("new", terms=stops[0]), wish=wish)
    was = records.get(m.OrderRecord, "c1")
    records.take(report("new", clock="2026-03-02T15:02:00Z", terms=stops[1]))
    assert shown(records, "stop_price", "trail_percent") == (95, 5)
    assert drift.order_difference(was, records.get(m.OrderRecord, "c1")) == []


def test_what_is_not_reported_or_not_known_is_as_requested():
    """A broker may report fewer fields, or a time in force that we do not know."""
    sparse = of(qty=None, limit_price=None, time_in_force=m.TimeInForce.UNRECOGNISED)
    records = heard(report("new", terms=sparse))
    assert records.order().terms == of()


def test_the_terms_of_a_notional_order_stay_in_its_currency():
    """A quantity that the broker computes from it is not what was ordered."""
    wish = {"qty": None, "notional": 500}
    reported = evolve(terms_of(request(**wish)), qty=Decimal("2.5"))
    assert shown(heard(report("new", terms=reported), wish=wish), "qty", "notional") == (None, 500)


OLDER, NEWER = "2026-03-02T14:54:59Z", "2026-03-02T14:55:00Z"


@pytest.mark.parametrize(
    ("created_at", "is_other", "status"),
    [(None, True, "new"), (OLDER, True, "disputed"), (NEWER, False, "new")],
)
def test_another_quantity_of_an_older_order_is_another_order(created_at, is_other, status):
    """
    A client id that was used before has an order older than our intent.

    A creation time that is not reported contradicts nothing: it may have been changed in place.
    """
    created = m.timestamp_or_none(created_at)
    records = heard(report("new", terms=of(qty=Decimal(7)), created_at=created))
    odd = {x.oddity for x in records.order().anomalies}
    assert odd == ({m.Oddity.OTHER_BODY} if is_other else set())
    assert (records.order().status, shown(records, "qty")) == (status, (7,))


@pytest.mark.parametrize(
    ("told", "created_at", "status"),
    [
        ({"symbol": "MSFT"}, None, "disputed"),
        ({"side": m.OrderSide.SELL}, NEWER, "disputed"),
        ({"limit_price": Decimal(8)}, OLDER, "disputed"),
        ({"limit_price": Decimal(8)}, NEWER, "new"),
        ({"limit_price": Decimal(8)}, None, "new"),
        ({"qty": None, "limit_price": None}, OLDER, "new"),  # not reported
        ({}, OLDER, "new"),  # our record was lost, and the same order was asked for again
    ],
)
def test_an_order_of_our_id_whose_terms_contradict_ours_is_disputed_until_it_ends(
    told, created_at, status
):
    """Product and side never change, and an older order cannot be ours with other terms."""
    created = m.timestamp_or_none(created_at)
    records = heard(report("new", terms=of(**told), created_at=created))
    assert records.order().status == status
    records.take(
        report("canceled", terms=of(**told), created_at=created, clock="2026-03-02T15:02:00Z")
    )
    assert (records.order().status, records.order().is_final) == ("canceled", True)


def test_an_order_that_we_did_not_send_again_may_have_been_changed_in_place():
    """The record was lost, and the intent only names the order that the broker had reported."""
    records = Records()
    records.take(intended(**WISH))
    records.take(report("new", terms=of(limit_price=Decimal(8)), created_at=m.timestamp(OLDER)))
    assert records.order().status == "new"


def difference(*changed, entries=()):
    records = heard(at(1), *entries)
    was = records.get(m.OrderRecord, "c1")
    for fact in changed:
        records.take(fact)
    found = drift.order_difference(was, records.get(m.OrderRecord, "c1"))
    return [x.drift for x in found]


def test_a_term_that_we_did_not_request_is_a_finding():
    """Each term on its own, beside a fill or another status."""
    dearer = at(2, limit_price=Decimal("9.5"), time_in_force=m.TimeInForce.DAY)
    price = m.OrderTermsDiffer("AAPL", "c1", "limit_price", "9", "9.5")
    day = m.OrderTermsDiffer("AAPL", "c1", "time_in_force", "gtc", "day")
    assert difference(dearer) == [price, day]
    filled = at(2, "partially_filled", 40, limit_price=Decimal("9.5"))
    assert difference(filled) == [m.MissedFill("AAPL", "c1", Decimal(0), Decimal(40)), price]
    held = at(2, "held", limit_price=Decimal("9.5"))
    assert difference(held) == [m.OrderStatusDiffers("AAPL", "c1", S.NEW, S.HELD), price]


def test_a_term_that_we_requested_is_no_difference():
    """The result of our own change is not an external change."""
    change = m.Change(client_order_id="c1.r1", limit_price=Decimal("9.5"))
    asked = m.Instructed("c1", 1, m.Amend(change), m.Authority.ORDER, None, "b1")
    assert difference(at(2, limit_price=Decimal("9.5")), entries=(asked,)) == []


def test_an_echoed_price_is_reserved_while_the_replace_is_pending():
    """Either price may be the one that fills: the dearer is reserved until it is known."""
    records = heard(at(1), at(2, "pending_replace", limit_price=Decimal(12)))
    assert (shown(records, "limit_price"), reserved(records)) == ((9,), 1_200)
    records.take(at(3, "canceled"))
    assert records.get(m.OrderRecord, "c1").reservation is None
    assert reservation.charge(records.get(m.OrderRecord, "c1"), (), RULE) == 0


@pytest.mark.parametrize(
    ("checks", "created_at", "is_ours"),
    [(True, OLDER, True), (False, OLDER, False), (False, NEWER, True), (False, None, True)],
)
def test_an_older_order_of_our_id_is_ours_only_if_the_id_is_unique(checks, created_at, is_ours):
    """A broker that checks no duplicates may have it beside the one that we sent."""
    records = Records()
    records.take(m.Bound(m.AccountId("sim", "localhost", "a1"), duplicate_check=checks))
    records.take(intended(**WISH))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    for number in (1, 2):
        clock = f"2026-03-02T15:00:0{number}Z"
        records.take(
            report("new", terms=of(), created_at=m.timestamp_or_none(created_at), clock=clock)
        )
    assert records.order().status == ("new" if is_ours else "unproven")
    others = [x for x in records.all(m.OrderRecord) if x.origin is m.Origin.EXTERNAL]
    assert [(x.client_order_id, x.ids) for x in others] == ([] if is_ours else [("c1?b1", ("b1",))])
    if not is_ours:  # what replaces the older one is of that one too
        later = {"broker_order_id": "b2", "client_order_id": "c1.r1", "replaces": "b1"}
        records.take(report("new", terms=of(), created_at=m.timestamp(OLDER), **later))
        assert records.get(m.Evidence, "b2").client_order_id == "c1?b1"
        assert records.order().status == "unproven"
