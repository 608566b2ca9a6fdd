"""The store fails at each of its writes: a second call as documented makes no second order."""

from contextlib import contextmanager, suppress

import pytest

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench

S = m.OrderStatus
WRITES = 14  #: more than any of the flows makes


class Failing(MemoryStore):
    """A store whose n-th next write fails: before, in doubt, or in doubt although written."""

    after, how = None, ""

    def fail(self, after, how):
        self.after, self.how = after, how

    @contextmanager
    def write(self):
        fails = self.after == 0
        self.after = None if self.after is None else self.after - 1
        if fails and self.how == "unavailable":
            raise errors.StoreUnavailable("the disk is full; nothing was written")
        if not fails:
            with super().write() as writer:
                yield writer
            return
        with undone_unless(self.how == "written"), super().write() as writer:
            yield writer
            if self.how == "lost":
                raise _Undo
        raise errors.StoreInDoubt("whether it was written cannot be known")


class _Undo(Exception):
    pass


@contextmanager
def undone_unless(written):
    try:
        yield
    except _Undo:
        assert not written


HOW = ("unavailable", "lost", "written")


def called(call, again):
    """Call as a bot does: again where an error allows it."""
    try:
        return call()
    except errors.StoreError as error:
        return again() if error.retry else pytest.fail(str(error))


def live(bench, seconds):
    """Let time pass; a tick whose store fails is repeated, as in a bot's loop."""
    for _ in range(seconds // 5):
        bench.clock.advance(5)
        with suppress(errors.StoreError):
            bench.desk.tick()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("key", [None, "one"])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n", range(WRITES))
def test_a_submit_makes_one_order(n, how, key):
    """And the record is reconciled, in every case of the write."""
    bench = Bench(store=Failing())
    bench.store.fail(n, how)

    def submit():
        return bench.desk.buy("AAPL", qty=1, limit_price="150", key=key)

    order = called(submit, submit)
    assert order.status in (S.UNPROVEN, S.NEW, S.ACCEPTED, S.PENDING_NEW)
    live(bench, 400)
    assert len([x for x in bench.ours() if x.status != "canceled"]) == 1
    bench.store.after = None
    bench.desk.sync()
    assert bench.desk.book.order(order).status is S.NEW
    assert len(bench.desk.book.orders(open=True)) == 1


@pytest.mark.sampled(4)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n", range(WRITES))
def test_a_cancel_ends_the_order_once_it_was_called(n, how):
    bench = Bench(store=Failing())
    order = bench.resting()
    bench.store.fail(n, how)
    called(lambda: bench.desk.cancel(order), lambda: bench.desk.cancel(order))
    live(bench, 120)
    assert [x.status for x in bench.ours()] == ["canceled"]
    assert bench.desk.book.order(order).status is S.CANCELED


@pytest.mark.sampled(4)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n", range(WRITES))
def test_a_replace_leaves_one_order(n, how):
    bench = Bench(store=Failing())
    order = bench.resting()
    bench.clock.advance(1)
    bench.desk.sync(order=order)
    bench.store.fail(n, how)

    def change():
        if bench.desk.book.order(order).limit_price != 151:
            bench.desk.replace(order, limit_price="151")

    try:
        called(change, change)
    except fb.Denied as denied:  # the first change is in flight
        if denied.reason.code not in ("replace_unproven", "unchanged"):
            raise
    live(bench, 400)
    bench.store.after = None
    bench.desk.sync()
    [alive] = [x for x in bench.ours() if x.status not in ("replaced", "canceled")]
    now = bench.desk.book.order(order)
    assert (now.limit_price, now.pending) == (alive.limit_price, None)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n", range(WRITES))
def test_a_bot_that_sends_itself_sends_once(n, how):
    bench = Bench(store=Failing())
    bench.store.fail(n, how)
    request = fb.OrderRequest(symbol="AAPL", side="buy", qty=1, limit_price="150")
    sent = []

    def sending():
        with bench.desk.sending(request, key="one") as order:
            sent.append(order.client_order_id)
            intent = bench.desk.book.record(order).intent
            bench.broker.submit(intent)

    with suppress(fb.AlreadySent):
        called(sending, sending)
    live(bench, 300)
    assert len(bench.ours()) == len(sent) == 1
    assert bench.desk.book.order(sent[0]).status is S.NEW


@pytest.mark.sampled(4)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n", range(WRITES))
def test_a_sync_is_made_again(n, how):
    bench = Bench(store=Failing())
    bench.by_hand("MSFT", "buy", 3)
    bench.by_hand("AAPL", "buy", 1, limit_price="150")
    bench.store.fail(n, how)
    called(bench.desk.sync, bench.desk.sync)
    bench.store.after = None
    bench.desk.sync()
    assert bench.is_true()
    assert bench.desk.sync().entries == 0
