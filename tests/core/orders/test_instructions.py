"""Instructions in the record: what is open, what an entry adds, and which order it belongs to."""

import pytest

from fillbook import model as m
from fillbook.core.orders import instructions
from tests.core.records import Records, intended, report

A, C = m.Authority, m.Command
RESTING = (intended(), m.Commanded("c1", C.SEND, 1), report("new"))
#: The record as release 0.1 wrote it: requests without instructions.
CANCEL_0_1 = m.Commanded("c1", C.CANCEL, 2, "b1")


def made(*entries):
    records = Records()
    for entry in (*RESTING, *entries):
        records.take(entry)
    return records


def asked(what, number, authority=A.ORDER, name="c1", **kw):
    return m.Instructed(name, number, what, authority, **kw)


def amend(qty, way=m.Way.NATIVE):
    return m.Amend(m.Change(client_order_id=f"c1.r{qty}", qty=qty), way)


def record_of(records, name="c1"):
    record = records.get(m.OrderRecord, name)
    return record, [records.get(m.Evidence, i) for i in record.ids]


def closed(records):
    return [x.closed for x in record_of(records)[0].instructions]


def test_an_instruction_is_open_before_its_first_attempt():
    record, evidence = record_of(made(asked(m.Cancel(), 1)))
    assert instructions.open_cancel(record) == instructions.cancel_of_all_ids(record, evidence)
    assert record.order.pending == C.CANCEL
    assert not instructions.is_outstanding(record, record.instructions[0])


@pytest.mark.parametrize("way", m.Way)
def test_a_change_is_open_by_its_method(way):
    record, evidence = record_of(made(asked(amend(50, way), 1)))
    change = instructions.open_change(record, evidence)
    assert change is record.instructions[0]
    by_replace = instructions.open_replace(record, evidence)
    by_cancel = instructions.open_cancel_and_new(record, evidence)
    assert (by_replace, by_cancel) == ((None, change) if way is m.Way.ANEW else (change, None))


def test_a_second_cancel_only_raises_the_authority_of_the_first():
    records = made(asked(m.Cancel(), 1, A.REPAIR), asked(m.Cancel(), 2, A.STANDING))
    [cancel] = record_of(records)[0].instructions
    assert (cancel.number, cancel.authority) == (1, A.STANDING)
    records.take(asked(m.Cancel(), 2, A.REPAIR))
    assert record_of(records)[0].instructions[0].authority is A.STANDING


def test_a_cancel_withdraws_a_change_by_cancel_and_new_and_leaves_a_replace():
    """A replace that was sent may still be carried out; the rest of the other one never will."""
    assert closed(made(asked(amend(50, m.Way.ANEW), 1), asked(m.Cancel(), 2))) == [
        "withdrawn: the order is canceled",
        None,
    ]
    assert closed(made(asked(amend(50), 1), asked(m.Cancel(), 2))) == [None, None]


def test_a_later_change_supersedes_one_that_was_not_sent():
    first = asked(amend(50), 1)
    sent = m.Commanded("c1", C.REPLACE, 2, "b1", change=amend(50).change, instruction=1)
    second = asked(amend(60), 2)
    assert closed(made(first, second)) == ["superseded by a later change", None]
    assert closed(made(first, sent, second)) == [None, None]
    not_sent = m.Answered("c1", 2, m.AnswerKind.NOT_SENT)
    assert closed(made(first, sent, not_sent, second)) == ["superseded by a later change", None]


def test_an_instruction_is_closed_once_and_one_that_is_not_there_never():
    records = made(asked(amend(50), 1), m.InstructionClosed("c1", 1, "expired"))
    assert closed(records) == ["expired"]
    assert not records.take(m.InstructionClosed("c1", 1, "rejected"))
    assert not records.take(m.InstructionClosed("c1", 2, "rejected"))
    assert closed(records) == ["expired"]


def test_requests_of_release_0_1_share_one_instruction_while_it_is_open():
    again = m.Commanded("c1", C.CANCEL, 3, "b1")
    record, _ = record_of(made(CANCEL_0_1, again))
    assert [x.asked for x in record.instructions] == [m.Cancel()]
    assert [r.instruction for r in record.requests] == [None, 1, 1]


@pytest.mark.parametrize(("command", "way"), [(C.REPLACE, m.Way.NATIVE), (C.CANCEL, m.Way.ANEW)])
def test_a_change_of_release_0_1_has_its_method_and_is_closed_by_its_request_number(command, way):
    change = amend(50).change
    records = made(m.Commanded("c1", command, 2, "b1", change=change))
    assert record_of(records)[0].instructions[0].asked == m.Amend(change, way)
    assert not records.take(m.ChangeClosed("c1", 7, "no such request"))
    records.take(m.ChangeClosed("c1", 2, "expired"))
    assert closed(records) == ["expired"]


def external(broker_order_id, name, **kw):
    return report("new", broker_order_id=broker_order_id, client_order_id=name, **kw)


def test_an_entry_finds_its_order_by_the_brokers_id_after_the_id_has_moved():
    """A cancel of an external order, whose id is later known to be ours."""
    records = Records()
    for entry in (
        external("b1", "elsewhere"),
        asked(m.Cancel(), 1, name="elsewhere", broker_order_id="b1"),
        m.Commanded("elsewhere", C.CANCEL, 1, "b1", instruction=1),
        *RESTING,
    ):
        records.take(entry)
    assert records.get(m.OrderRecord, "elsewhere") is None
    record, _ = record_of(records)
    assert [x.asked for x in record.instructions] == [m.Cancel()]
    records.take(m.Answered("elsewhere", 1, m.AnswerKind.ACCEPTED, broker_order_id="b1"))
    [cancel] = [r for r in record_of(records)[0].requests if r.command is C.CANCEL]
    assert cancel.answer is m.AnswerKind.ACCEPTED
    # Nothing on that id waits for a reply any more.
    again = m.Answered("elsewhere", 1, m.AnswerKind.REJECTED, broker_order_id="b1")
    assert not records.take(again)


@pytest.mark.parametrize("broker_order_id", [None, "b9"])
def test_an_entry_of_an_order_that_is_not_there_changes_nothing(broker_order_id):
    records = made()
    entry = m.Answered("gone", 1, m.AnswerKind.ACCEPTED, broker_order_id=broker_order_id)
    assert not records.take(entry)


def test_the_largest_requested_quantity():
    records = made(asked(amend(150), 1))
    assert instructions.requested_qty(record_of(records)[0]) == 150
    records.take(m.InstructionClosed("c1", 1, "rejected"))
    assert instructions.requested_qty(record_of(records)[0]) == 100
    records.take(external("x1", "X1"))
    assert instructions.requested_qty(record_of(records, "X1")[0]) is None


def test_a_cancel_of_an_order_that_was_not_sent_is_fulfilled_before_it_is_sent_again():
    """The bot submits the key again: the order that it wants now is not the one that it ended."""
    records = Records()
    for entry in (
        intended(),
        m.Commanded("c1", C.SEND, 1),
        asked(m.Cancel(), 1),
        m.Answered("c1", 1, m.AnswerKind.NOT_SENT, "no"),
    ):
        records.take(entry)
    assert records.order().is_final
    records.take(m.Commanded("c1", C.SEND, 2))
    assert (records.order().status, records.order().pending) == (m.OrderStatus.UNPROVEN, None)
    assert closed(records) == ["fulfilled: the order was not sent"]


def test_a_cancel_of_an_order_in_flight_stays_open_when_it_is_sent_again():
    """The resend of an unconfirmed create is the same order."""
    records = Records()
    for entry in (intended(), m.Commanded("c1", C.SEND, 1), asked(m.Cancel(), 1)):
        records.take(entry)
    records.take(m.Commanded("c1", C.SEND, 2))
    assert (records.order().pending, closed(records)) == (C.CANCEL, [None])
