"""The attempts of several cancels: written together, sent one by one, and answered together."""

from collections import Counter
from itertools import groupby

import pytest

from fillbook import model as m
from tests.bench import Bench

S = m.OrderStatus
MANY = 24


def with_resting(many):
    bench = Bench()
    orders = [bench.desk.buy("AAPL", qty=1, limit_price=100 + x) for x in range(many)]
    return bench, orders


def cancels(bench, since=0):
    """The entries about the requests to cancel, as (what, order), in order."""
    entries = (x.entry for x in bench.desk.book.journal(since))
    return [
        (type(x), x.client_order_id)
        for x in entries
        if (isinstance(x, m.Commanded) and x.command is m.Command.CANCEL)
        or (isinstance(x, m.Answered) and bench.desk.book.record(x.client_order_id).instructions)
    ]


def test_the_cancels_of_sixteen_orders_are_written_before_the_first_is_sent():
    bench, orders = with_resting(MANY)
    durable, cancel = [], bench.broker.cancel

    def counted(broker_order_id):
        entries = bench.desk.book.journal(since)
        durable.append(sum(isinstance(x.entry, m.Commanded) for x in entries))
        return cancel(broker_order_id)

    since = bench.desk.book.journal()[-1].number
    bench.broker.cancel = counted
    assert all(x.status is S.CANCELED for x in bench.desk.cancel_all())
    assert durable == [16] * 16 + [MANY] * (MANY - 16)
    kinds = [
        (kind, len(list(rows))) for kind, rows in groupby(cancels(bench, since), lambda x: x[0])
    ]
    assert kinds == [(m.Commanded, 16), (m.Answered, 16), (m.Commanded, 8), (m.Answered, 8)]
    assert len(orders) == bench.sent["cancel"]


def test_many_orders_are_read_as_a_list():
    bench, _ = with_resting(MANY)
    before = Counter(bench.sent)
    bench.desk.cancel_all()
    after = bench.sent - before
    assert (after["cancel"], after["order"]) == (MANY, 0)
    assert after.total() <= MANY + 12


def test_a_cancel_that_was_interrupted_before_it_was_sent_is_recorded_so():
    bench, orders = with_resting(4)
    cancel, sent = bench.broker.cancel, []

    def interrupted(broker_order_id):
        sent.append(broker_order_id)
        if len(sent) == 2:
            raise KeyboardInterrupt
        return cancel(broker_order_id)

    bench.broker.cancel = interrupted
    with pytest.raises(KeyboardInterrupt):
        bench.desk.cancel_all()
    answers = Counter(bench.desk.book.record(x).requests[-1].answer for x in orders)
    assert answers == {m.AnswerKind.ACCEPTED: 1, None: 1, m.AnswerKind.NOT_SENT: 2}
    bench.broker.cancel = cancel
    bench.pass_(60)
    assert [bench.desk.book.order(x).status for x in orders] == [S.CANCELED] * 4


def test_a_cancel_that_another_desk_has_sent_meanwhile_is_not_sent_again():
    bench, orders = with_resting(3)
    theirs, claim = bench.open(), bench.desk._gateway.claim

    def late(*args, **options):
        bench.desk._gateway.claim = claim
        theirs.cancel(orders[1])
        return claim(*args, **options)

    bench.desk._gateway.claim = late
    assert [x.status for x in bench.desk.cancel_all()] == [S.CANCELED] * 3
    made = [len(bench.desk.book.record(x).requests) for x in orders]
    assert made == [2, 2, 2]


def test_the_replies_of_a_slow_broker_are_not_held_back():
    bench, orders = with_resting(4)
    known, cancel = [], bench.broker.cancel

    def slow(broker_order_id):
        records = [bench.desk.book.record(x) for x in orders]
        known.append(sum(x.requests[-1].answer is m.AnswerKind.ACCEPTED for x in records))
        bench.clock.advance(0.7)
        return cancel(broker_order_id)

    bench.broker.cancel = slow
    since = [x.requests[-1].answer for x in map(bench.desk.book.record, orders)]
    bench.desk.cancel_all()
    sent_before = sum(x is m.AnswerKind.ACCEPTED for x in since)
    assert (sent_before, known) == (4, [0, 0, 2, 2])
