"""The end of a simulated day: the idle record equals the exchange, or reports where it does not."""

from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from functools import partial

from fillbook import model as m
from fillbook.errors import FillbookError
from tests.scenarios.campaign.days import faults, wrong
from tests.scenarios.campaign.incidents import LongDay

#: Of a hundred days at most so many may end without a verdict, where all evidence is gone.
UNDECIDED_MAX = 1
PASSES = 4


def owned(day, report):
    """Return what the record reports as undecided: symbols, and "cash"."""
    about = {x.terms.symbol for x in day.desk.book.orders() if x.status is m.OrderStatus.DISPUTED}
    if about or day.desk.book.cash() is None:
        about.add("cash")  # less than a cent of a disputed order is no difference
    about |= {getattr(x.drift, "symbol", None) or "cash" for x in report.left}
    if (
        report.verdict is m.Verdict.NOT_OBSERVED
        and "missing from one snapshot" in report.unobserved
    ):
        # Nothing of the snapshot was compared, also not what the record has never had.
        about |= {x.symbol for x in day.desk.book.positions()} | {"cash"}
        about |= set(day.books.truth.positions())
        about |= {x.symbol for x in day.books.truth.orders()}
    return about


def judged(day, found, about):
    """Return what is wrong and not reported, and what is reported as undecided; by present name."""
    name = day.exchange._state.current_symbol
    about = {name(x) for x in about}
    silent = [f"{subject}: {text}" for subject, text in found if name(subject) not in about]
    return silent, [f"{subject}: {text}" for subject, text in found if name(subject) in about]


def ended(day):
    """Run one day to its end; return what is silently wrong, and what is undecided."""
    day.run()
    day.rest()
    report = reconciled(day)
    found = [*wrong(day), *day.oracle.at_rest()]
    silent, undecided = judged(day, found, owned(day, report))
    if not silent:
        day.settle()
        report = reconciled(day)
        silent, undecided = judged(day, day.oracle.settled(), owned(day, report))
    if not silent and not undecided:
        day.clock.advance(day.desk._reconciler._lag.total_seconds())
        entries = day.desk.sync().entries
        silent = [f"a second sync made {entries} entries"] if entries else []
    return silent + changed_by_dry_runs(day), undecided


def changed_by_dry_runs(day):
    """Return what the exchange has of a request to change an order, after every kind of dry run."""
    desk, before = day.desk, requested(day)
    held = [x.symbol for x in desk.book.positions()]
    runs = [lambda: desk.repair(dry_run=True)]
    runs.append(lambda: desk.rebalance({"BTC/USD": "0.1"}, dry_run=True))
    runs.append(lambda: desk.catch_up([], since=date(2026, 3, 2), dry_run=True))
    for symbol in held:
        runs.append(partial(desk.close_position, symbol, account=True, dry_run=True))
        runs.append(partial(desk.protect, symbol, stop_loss="5%", dry_run=True))
    for run in runs:
        with suppress(FillbookError):  # what is not confirmed is not planned
            run()
    return [f"a dry run changed {x}" for x in requested(day) ^ before]


def requested(day):
    """Every order at the exchange, with the cancel and the replace that were requested of it."""
    orders = day.books.truth.orders()
    return {(x.id, x.cancel_requested_at, x.canceled_at, x.replaced_by) for x in orders}


def reconciled(day):
    """Reconcile a few times, as a desk does each minute: a row that is new is not idle yet."""
    for _ in range(PASSES):
        report = day.desk.sync()
        if report.verdict is m.Verdict.IN_SYNC:
            break
        day.clock.advance(61)
    return report


@contextmanager
def inside(seed, rate, only=None):
    """A day in this process; *only*: the name of its incidents."""
    day = LongDay(seed, plan=faults(seed, rate), only=only)
    try:
        yield day
    finally:
        day.desk.close()


def a_long_day(seed, rate, only=None):
    """Return what is silently wrong after the day, what is undecided, and what happened."""
    with inside(seed, rate, only) as day:
        return (*ended(day), counts_of(day))


def counts_of(day):
    return Counter({str(k): n for k, n in day.exchange.faults.counts.items()}) + day.fired


def wired_long_day(seed, rate):
    """The same through the Alpaca adapter; the events of the stream arrive at any time."""
    from fillbook.brokers.alpaca import AlpacaBroker
    from fillbook.venue.alpaca import Emulator

    with ExitStack() as stack:

        def broker(exchange, books):
            emulator = stack.enter_context(Emulator(exchange, books, rate_limit=1_000_000))
            url = emulator.url
            return AlpacaBroker(emulator.key, emulator.secret, url=url, read_timeout_s=2)

        day = LongDay(seed, plan=faults(seed, rate), broker=broker)
        stack.callback(lambda: day.desk.close())
        return (*ended(day), counts_of(day))
