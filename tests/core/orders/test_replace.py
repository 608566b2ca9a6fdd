"""Replaces: which id is shown, what may still fill, what is pending, and what is refused."""

from decimal import Decimal as D

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.orders import instructions, replace
from tests.core.records import Records, fill, intended, report, terms

C, S = m.Command, m.OrderStatus
CAN = m.Capabilities(
    order_types=frozenset(m.OrderType),
    times_in_force=frozenset({m.TimeInForce.DAY, m.TimeInForce.GTC}),
    replace=True,
    find=True,
)


def clock(second):
    return f"2026-03-02T15:00:{second:02d}Z"


def change(number=1, **kw):
    return m.Change(client_order_id=f"c1.r{number}", **kw)


def asked(number=2, answer=None, kind=None, **kw):
    """Our replace of b1, with its reply."""
    entries = [m.Commanded("c1", C.REPLACE, number, "b1", change(number - 1, **kw))]
    return entries + (
        [m.Answered("c1", number, m.AnswerKind(answer), "no", kind)] if answer else []
    )


def old(second, word="new", cum=0, **kw):
    return report(word, cum, 10, clock(second), terms=terms(limit_price=10), **kw)


def new(second, word="new", cum=0, **kw):
    mine = {"broker_order_id": "b2", "client_order_id": "c1.r1", "replaces": "b1"}
    body = terms(limit_price=11)
    return report(word, cum, 10, clock(second), **{**mine, "terms": body, **kw})


def heard(*facts):
    records = Records()
    records.take(intended(limit_price=10))
    records.take(m.Commanded("c1", C.SEND, 1))
    for fact in facts:
        for entry in fact if isinstance(fact, list) else [fact]:
            records.take(entry)
    return records


def picture(records):
    order = records.order()
    return order.broker_order_id, str(order.status), order.leaves_qty, order.pending


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([asked()], ("b1", "new", 100, "replace")),
        ([asked(qty=150)], ("b1", "new", 150, "replace")),  # it may have been done
        (
            [asked(qty=150), old(2, "partially_filled", 40)],
            ("b1", "partially_filled", 110, "replace"),
        ),
        ([asked(answer="ambiguous")], ("b1", "new", 100, "replace")),
        ([asked(answer="accepted")], ("b1", "new", 100, "replace")),  # it was never reported
        ([asked(answer="rejected")], ("b1", "new", 100, "replace")),  # it may be done all the same
        ([asked(answer="not_sent")], ("b1", "new", 100, "replace")),  # it is sent again
        ([asked(answer="rejected"), m.ChangeClosed("c1", 2, "no")], ("b1", "new", 100, None)),
        ([asked(), new(2)], ("b2", "new", 200, None)),  # two live, as far as is known
        ([asked(), old(2, "pending_replace"), new(2)], ("b2", "new", 100, "replace")),
        ([asked(), old(3, "replaced", replaced_by="b2"), new(2)], ("b2", "new", 100, None)),
        ([asked(), old(3, "replaced", replaced_by="b2")], ("b1", "replaced", 100, "replace")),
        # The old one filled first: the new one never was.
        ([asked(), new(3, "rejected"), old(2, "filled", 100)], ("b1", "filled", 0, None)),
        # It was refused later on, and the old one works on.
        ([asked(), new(3, "rejected"), old(2)], ("b1", "new", 100, None)),
        # Both live, and one has ended: the other is shown.
        ([asked(), new(3, "canceled"), old(2)], ("b1", "new", 100, None)),
        ([asked(), new(3, "filled", 100), old(2, "canceled")], ("b2", "filled", 0, None)),
        # Replaced externally: ours is still unknown.
        ([asked(), new(3, client_order_id="web-1")], ("b2", "new", 200, "replace")),
        ([asked(), new(3, client_order_id=None)], ("b2", "new", 200, None)),
    ],
)
def test_what_is_shown_of_a_replace(facts, expected):
    assert picture(heard(old(1), *facts)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([m.Commanded("c1", C.CANCEL, 3, "b1")], "cancel"),
        # The cancel came too late for that id: its successor is to be canceled too.
        (
            [m.Commanded("c1", C.CANCEL, 3, "b1"), m.Answered("c1", 3, m.AnswerKind.ACCEPTED)],
            "cancel",
        ),
        (
            [
                m.Commanded("c1", C.CANCEL, 3, "b1"),
                m.Answered("c1", 3, m.AnswerKind.REJECTED),
                old(3, "replaced", replaced_by="b2"),
                new(3),
            ],
            "cancel",
        ),
        ([m.Commanded("c1", C.CANCEL, 3, "b1"), old(3, "pending_cancel")], "cancel"),
        (
            [m.Commanded("c1", C.CANCEL, 3, "b1"), old(3, "canceled"), m.ChangeClosed("c1", 2, "")],
            None,
        ),
    ],
)
def test_the_pending_request_after_a_cancel(facts, expected):
    assert heard(old(1), asked(), *facts).order().pending == expected


def test_a_replace_that_is_accepted_after_it_was_abandoned_alerts():
    records = heard(old(1), asked(), m.ChangeClosed("c1", 2, "3 answers that it does not exist"))
    records.take(old(3, "replaced", replaced_by="b2"))
    records.take(new(3))
    [anomaly] = records.order().anomalies
    assert (anomaly.oddity, anomaly.broker_order_id) == (m.Oddity.LANDED_LATE, "b2")
    alerts = [x.alert for x in records.all(m.Event) if x.alert is not None]
    assert [x.kind for x in alerts] == [m.AlertKind.LANDED_LATE]


def test_twins_that_fill_are_an_overfill_that_is_kept():
    """Both ids were live and both have filled: 150 for an order of 100."""
    records = heard(old(1), asked(), new(2, "partially_filled", 50), old(3, "filled", 100))
    records.take(fill("s1", 100, 10, cum=100))
    records.take(fill("s2", 50, 11, cum=50, broker_order_id="b2"))
    order = records.order()
    assert (order.broker_order_id, order.filled_qty, order.is_final) == ("b2", 150, False)
    overfill = m.Anomaly(m.Oddity.OVERFILL, "b2", "150 of 100")
    assert overfill in order.anomalies
    assert records.position().qty == 150


def test_a_plan_is_pending_until_it_is_settled_or_its_order_is_unwanted():
    plan = m.Commanded("c1", C.CANCEL, 2, "b1", change(qty=150))
    accepted = m.Answered("c1", 2, m.AnswerKind.ACCEPTED)
    records = heard(old(1), plan)
    assert records.order().pending == "replace"
    records.take(accepted)
    assert records.order().pending == "replace"
    records.take(old(2, "canceled"))
    assert (records.order().is_final, records.order().pending) == (True, "replace")
    settled = records.copy()
    settled.take(m.ChangeClosed("c1", 2, "what was left is order c1.r1"))
    assert settled.order().pending is None
    unwanted = heard(old(1), plan, accepted, m.Commanded("c1", C.CANCEL, 3, "b1"))
    unwanted.take(old(2, "canceled"))
    assert unwanted.order().pending is None


def wanted(*facts, can=CAN, **kw):
    records = heard(old(1), *facts)
    record = records.get(m.OrderRecord, "c1")
    known = [records.get(m.Evidence, i) for i in record.ids]
    return replace.ProposedChange(record, known, m.Change(client_order_id="", **kw), can)


UNABLE = m.Capabilities(order_types=CAN.order_types, times_in_force=CAN.times_in_force)


@pytest.mark.parametrize(
    ("code", "case"),
    [
        (None, wanted(limit_price=11)),
        (None, wanted(qty=50, time_in_force="gtc")),
        ("unsupported", wanted(limit_price=11, can=UNABLE)),
        ("unsupported", wanted(time_in_force="ioc")),
        ("unsupported", wanted(qty="1.5")),
        ("order_final", wanted(old(2, "canceled"), limit_price=11)),
        ("pending_cancel", wanted(m.Commanded("c1", C.CANCEL, 2, "b1"), limit_price=11)),
        ("pending_cancel", wanted(old(2, "pending_cancel"), limit_price=11)),
        ("replace_unproven", wanted(asked(), limit_price=11)),
        ("not_replaceable", wanted(old(2, "pending_replace"), limit_price=11)),
        ("no_such_price", wanted(stop_price=9)),
        ("no_such_price", wanted(trail=1)),
        ("filled", wanted(old(2, "partially_filled", 40), qty=40)),
        ("unchanged", wanted(limit_price=10)),
        ("unchanged", wanted()),
    ],
)
def test_why_an_order_is_not_changed(code, case):
    reason = replace.refusal_of(case)
    assert (None if reason is None else reason.code) == code


def alone(change, **kw):
    """An order of that kind, as the broker reports it."""
    records = Records()
    entry = intended(**kw)
    records.take(entry)
    records.take(
        report(terms=replace.amended_terms(records.order().terms, m.Change(client_order_id="")))
    )
    record = records.get(m.OrderRecord, "c1")
    return replace.ProposedChange(record, [records.get(m.Evidence, "b1")], change, CAN)


def test_an_order_by_notional_or_with_exits_keeps_its_size():
    by_notional = alone(change(limit_price=11), qty=None, notional=500, limit_price=10)
    assert replace.refusal_of(by_notional).code == "notional"
    exits = {"limit_price": 10, "take_profit": 12, "stop_loss": 9}
    assert replace.refusal_of(alone(change(qty=50), **exits)).code == "grouped"
    assert replace.refusal_of(alone(change(limit_price=11), **exits)) is None


def test_an_order_without_a_report_is_not_changed():
    records = Records()
    records.take(intended(limit_price=10))
    unseen = replace.ProposedChange(
        records.get(m.OrderRecord, "c1"), [], change(limit_price=11), CAN
    )
    assert replace.refusal_of(unseen).code == "order_unproven"


@pytest.mark.parametrize(
    ("how", "before", "after"),
    [
        ({"trail_price": 2}, "trail_price", 3),
        ({"trail_percent": 2}, "trail_percent", 3),
    ],
)
def test_a_trail_is_changed_in_its_own_measure(how, before, after):
    one = alone(change(trail=after), side="sell", **how)
    assert replace.refusal_of(one) is None
    assert getattr(replace.amended_terms(one.order.terms, one.change), before) == after
    assert replace.refusal_of(alone(change(trail=2), side="sell", **how)).code == "unchanged"


def test_a_quantity_is_changed_by_cancel_where_its_meaning_is_unknown():
    filled = [old(2, "partially_filled", 40)]
    assert replace.needs_cancel_and_new(wanted(*filled, qty=150))
    assert not replace.needs_cancel_and_new(wanted(*filled, limit_price=11))
    assert not replace.needs_cancel_and_new(wanted(qty=150))


def test_the_rest_is_what_the_change_leaves_and_nothing_where_all_has_filled():
    record = wanted(old(2, "canceled", 40)).record
    rest = replace.remaining_request(record, change(qty=150, limit_price=11))
    assert (rest.qty, rest.limit_price, rest.side) == (110, 11, m.OrderSide.BUY)
    assert replace.remaining_request(record, change(qty=40)) is None
    assert replace.remaining_request(record, change(qty="40.5")).qty == D("0.5")
    theirs = Records()
    theirs.take(report("canceled", 40, 10, client_order_id="web", terms=terms(limit_price=10)))
    assert replace.remaining_request(theirs.get(m.OrderRecord, "web"), change(qty=50)).qty == 10


def test_the_rest_is_placed_as_the_order_was():
    """Its strategy, its time in force and what else the bot requested."""
    wish = {
        "type": "limit",
        "time_in_force": "gtc",
        "extended_hours": True,
        "post_only": True,
        "strategy": "s",
        "good_for_s": 9,
        "limit_price": 10,
    }
    records = Records()
    records.take(intended(**wish))
    records.take(m.Commanded("c1", C.SEND, 1))
    records.take(report("canceled", 40, 10, terms=terms(**wish)))
    rest = replace.remaining_request(records.get(m.OrderRecord, "c1"), change(limit_price=11))
    assert {name: getattr(rest, name) for name in wish} == wish | {"limit_price": 11}


def test_a_client_id_is_new_and_never_longer_than_the_broker_takes():
    assert replace.with_client_order_id(wanted(limit_price=11)).client_order_id == "c1.r1"
    seen = [asked(), old(2, "replaced", replaced_by="b2"), new(2)]
    assert replace.with_client_order_id(wanted(*seen, limit_price=12)).client_order_id == "c1.r2"
    records = Records()
    long = "w" * 128
    records.take(report(client_order_id=long))
    record = records.get(m.OrderRecord, long)
    case = replace.ProposedChange(record, [records.get(m.Evidence, "b1")], change(qty=50), CAN)
    assert len(replace.with_client_order_id(case).client_order_id) <= 128


def test_what_is_added_is_what_may_fill_more():
    record = wanted().record
    assert replace.added_qty(record, change(qty=150)) == 50
    assert replace.added_qty(record, change(qty=50)) == 0
    assert replace.added_qty(record, change(limit_price=11)) == 0


SAME_ID = evolve(CAN, replace_makes=m.ReplaceMakes.SAME_ID, replace_qty=m.ReplaceQty.TOTAL)


def proposed(can, *facts, **kw):
    records = Records()
    for fact in (intended(limit_price=10), m.Commanded("c1", C.SEND, 1), *facts):
        records.take(fact)
    record, known = records.get(m.OrderRecord, "c1"), records.get(m.Evidence, "b1")
    return replace.ProposedChange(record, () if known is None else (known,), change(**kw), can)


@pytest.mark.parametrize(
    ("can", "cum", "way"),
    [
        (CAN, 0, m.Way.NATIVE),
        (CAN, 40, m.Way.ANEW),
        (SAME_ID, 40, m.Way.IN_PLACE),
        (evolve(SAME_ID, find=False), 40, m.Way.IN_PLACE),
        (evolve(SAME_ID, replace_qty=m.ReplaceQty.UNKNOWN), 40, m.Way.ANEW),
    ],
)
def test_the_way_of_a_change_follows_from_the_capabilities(can, cum, way):
    """A quantity with fills is changed in place only where it is known what it means."""
    wanted = proposed(can, old(1, "partially_filled" if cum else "new", cum), qty=D(120))
    assert (replace.refusal_of(wanted), replace.way_of(wanted)) == (None, way)


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        ([], "pending"),
        ([fill("f1", 5, 10, cum=5)], "pending"),
        ([old(1)], "unchanged"),
        ([old(1, "pending_replace")], "pending"),
        (
            [old(1), report("pending_replace", 0, None, clock(2), terms=terms(limit_price=11))],
            "pending",
        ),
        ([old(1), report("new", 0, None, clock(2), terms=terms(limit_price=11))], "done"),
        ([old(1), report("filled", 100, 10, clock(2), terms=terms(limit_price=10))], "unchanged"),
    ],
)
def test_the_result_of_a_change_in_place_is_what_the_order_shows(facts, result):
    """What a pending replace echoes is no result."""
    wanted = proposed(SAME_ID, *facts, limit_price=D(11))
    evidence = wanted.evidence[0] if wanted.evidence else None
    assert replace.in_place_result(evidence, wanted.change) == result


@pytest.mark.parametrize("done", [True, False])
def test_a_change_in_place_is_open_until_an_entry_closes_it(done):
    """Its quantity counts while it is open, and after it was done."""
    amend = m.Amend(change(qty=D(150)), m.Way.IN_PLACE)
    records = Records()
    for fact in (
        intended(limit_price=10),
        m.Commanded("c1", C.SEND, 1),
        old(1),
        m.Instructed("c1", 1, amend, m.Authority.ORDER, None, "b1"),
    ):
        records.take(fact)
    assert (records.order().pending, records.order().leaves_qty) == ("replace", 150)
    record, known = records.get(m.OrderRecord, "c1"), (records.get(m.Evidence, "b1"),)
    assert instructions.is_in_place(instructions.open_replace(record, known))
    assert instructions.requested_qty(record) == 150
    records.take(m.InstructionClosed("c1", 1, "closed", done=done))
    record = records.get(m.OrderRecord, "c1")
    assert (record.order.pending, record.order.leaves_qty) == (None, 100)
    assert instructions.requested_qty(record) == (150 if done else 100)
