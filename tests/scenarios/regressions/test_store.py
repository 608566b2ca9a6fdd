"""A full disk, one key in two threads, the first read: what a call returns when something fails."""

import multiprocessing
import resource
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench
from tests.scenarios.regressions.scenarios import PATIENCE_S, outcome_of

# -- a full disk -----------------------------------------------------------------------


class DiskFullAfterSubmit(SimulatedBroker):
    """A broker that fills this process's disk once it has taken an order."""

    is_filling = False

    def submit(self, intent):
        outcome = super().submit(intent)
        if self.is_filling:
            self.is_filling = False
            limit_file_size(4096)
        return outcome


def limit_file_size(size):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def buy_on_a_full_disk(store, pipe):
    """Report what `buy` results in, and the orders at the broker once the bot has retried."""
    bench = Bench(store=store, broker=DiskFullAfterSubmit)
    bench.broker.is_filling = True
    outcome = outcome_of(bench.desk.buy, "AAPL", qty=1)
    limit_file_size(resource.RLIM_INFINITY)
    bench.clock.advance(120)
    bench.desk.sync()
    if isinstance(outcome, fb.StoreUnavailable):  # nothing was written: the call is made again
        bench.desk.buy("AAPL", qty=1)
    known = str(getattr(outcome, "status", type(outcome).__name__))
    pipe.send((known, len(bench.ours())))
    bench.desk.close()


def test_an_order_sent_before_the_disk_was_full_is_unconfirmed(tmp_path):
    """The order is returned as UNPROVEN, so that no bot sends it a second time."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    store = f"sqlite:///{tmp_path}/bot.db"
    process = processes.Process(target=buy_on_a_full_disk, args=(store, theirs), daemon=True)
    process.start()
    theirs.close()
    with ours:
        found = ours.recv()
    process.join(PATIENCE_S)
    assert found == ("unproven", 1)


# -- one key in two threads ------------------------------------------------------------

WISH = fb.OrderRequest(symbol="AAPL", side="buy", qty=1, limit_price="150")


class AnswersWhenTold(SimulatedBroker):
    """A broker that holds the first request until `may_answer` is set."""

    def __init__(self, *args):
        super().__init__(*args)
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def submit(self, intent):
        self.asked.set()
        self.may_answer.wait(PATIENCE_S)
        return super().submit(intent)


class WritesAfter(MemoryStore):
    """A store in which the thread *late* writes only once `release` has returned."""

    late = None

    def release(self):
        """Wait for what is to be written before."""

    def write(self):
        if threading.get_ident() == self.late:
            self.release()
        return super().write()


def test_two_threads_with_one_key_get_the_order_or_a_typed_error():
    """The first request provably never left while the second thread was about to decide."""
    bench = Bench(store=WritesAfter(), broker=AnswersWhenTold)
    bench.fail("submit", "unreachable")

    def second():
        bench.store.late = threading.get_ident()
        return bench.desk.submit(WISH, key="one")

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(bench.desk.submit, WISH, key="one")
        bench.broker.asked.wait(PATIENCE_S)

        def release():
            bench.broker.may_answer.set()
            one.exception(PATIENCE_S)

        bench.store.release = release
        other = threads.submit(second)
        raised = [type(x.exception(PATIENCE_S)) for x in (one, other)]
    assert fb.Unavailable is raised[0]
    assert raised[1] in (type(None), fb.Denied, fb.OrderRejected, fb.Unavailable)


# -- the first read --------------------------------------------------------------------


def new_record():
    """A desk on an empty record."""
    return Bench(opened=False)


def restarted():
    """A new desk on a record that is bound to its account."""
    bench = Bench()
    bench.desk = bench.open()
    return bench


@pytest.mark.parametrize("begins", [new_record, restarted])
def test_a_sync_whose_first_read_fails_reports_that(begins):
    """The verdict is NOT_OBSERVED, whether or not the account was read before."""
    bench = begins()
    bench.fail("account", "request-lost", times=3)
    assert bench.desk.sync().verdict == fb.Verdict.NOT_OBSERVED


def test_a_tick_whose_first_read_fails_is_retried():
    """The tick returns, and the next ones open the record."""
    bench = new_record()
    bench.fail("account", "request-lost", times=3)
    bench.pass_(300)
    assert bench.desk.check().verdict == fb.Verdict.IN_SYNC
    assert bench.desk.book.cash() == bench.truth.cash()
