"""The recorder: one transaction, callbacks after it, and no entry without an effect."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.desk.record.replay import replay
from tests.bench import QUOTES, Bench


def test_a_callback_may_write_and_read_because_the_transaction_is_over():
    """It places another order within the event of the first fill."""
    bench = Bench()
    placed = []

    def hedge(event):
        if event.symbol == "AAPL":
            placed.append(bench.desk.sell("SPY", qty=1))

    bench.desk.on("fill", hedge)
    bench.desk.buy("AAPL", qty=10)
    assert [x.status for x in placed] == [m.OrderStatus.FILLED]


def test_a_callback_that_raises_affects_no_other(caplog):
    """It is logged; the next callback is called, and the record is written."""
    bench = Bench()
    told = []
    bench.desk.on("fill", lambda event: 1 / 0)
    bench.desk.on("fill", told.append)
    order = bench.desk.buy("AAPL", qty=10)
    assert len(told) == 1
    assert "a callback for fill raised" in caplog.text
    assert order.status is m.OrderStatus.FILLED


def test_what_was_known_already_is_no_entry():
    """P8: the same reports and fills again leave the journal as it is."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    entries = [x.entry for x in bench.desk.book.journal() if isinstance(x.entry, m.Executed)]
    assert bench.desk._recorder.record(*entries) == 0
    assert bench.desk.sync().entries == 0


def test_without_news_a_reply_that_is_not_written_yet_is_written():
    """P12: the comparison outside of the write transaction does not strand it."""
    bench = Bench()
    order = bench.resting()
    recorder = bench.desk._recorder
    known = [x.entry for x in bench.desk.book.journal() if isinstance(x.entry, m.Reported)]
    assert recorder.record_news(*known) == 0
    reply = m.Commanded(order.client_order_id, m.Command.CANCEL, 2, order.broker_order_id)
    recorder._keep_unwritten(reply)
    recorder.record_news(*known)
    assert not recorder.has_unwritten
    assert [x.entry for x in bench.desk.book.journal()][-1] == reply


def test_news_is_judged_again_in_the_write_transaction():
    """P8: what another desk wrote since the comparison is not written twice."""
    bench = Bench()
    order = bench.resting()
    recorder = bench.desk._recorder
    bench.filled(order, 1)
    (row,) = bench.broker.executions(order.created_at, None).value
    write = recorder.record_new

    def overtaken(new):
        assert [x.entry for x in new] == [m.Executed(row)]
        assert recorder.record(m.Executed(row)) == 1  # the other desk
        return write(new)

    recorder.record_new = overtaken
    assert recorder.record_news(m.Executed(row)) == 0


def test_the_outbox_is_durable_and_in_order():
    """A bot reads on from its cursor after a break; each event comes at least once."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    first = bench.desk.events()
    bench.desk.buy("MSFT", qty=1)
    rest = bench.desk.events(since=first[-1].cursor)
    assert [x.cursor for x in first + rest] == [x.cursor for x in bench.desk.events()]
    assert {x.symbol for x in rest} == {"MSFT"}


def test_threads_take_turns():
    """
    Each of three threads places five orders; none is lost, and no two entries have the same number.
    """
    bench = Bench()

    def place(symbol):
        for n in range(5):
            bench.resting(symbol, 1, key=f"{symbol}-{n}")

    with ThreadPoolExecutor(len(QUOTES)) as pool:
        for done in [pool.submit(place, symbol) for symbol in QUOTES]:
            done.result()  # raises what was raised there, and waits as long as it takes
    numbers = [x.number for x in bench.desk.book.journal()]
    assert len(bench.ours()) == 15
    assert numbers == list(range(1, len(numbers) + 1))


def test_records_are_not_derived_from_a_journal_that_lacks_entries():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    del bench.store._journal[4:6]
    message = "entries 5 to 6 of the journal are missing"
    with bench.store.read() as reader, pytest.raises(fb.StoreDamaged, match=message):
        replay(reader)
