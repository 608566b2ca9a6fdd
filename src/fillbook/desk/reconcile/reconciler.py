"""
The reconciler: compares the record with the account (promises P5 to P9).

`check` compares and reports; `sync` reconciles the record; neither sends a request that changes the
account.  Both take the same snapshot and the same pure steps (`core.reconcile.drift`): the broker's
reports are merged, and what still differs is a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.position import ADOPTED
from fillbook.core.rate_limit import Lane
from fillbook.core.reconcile import drift
from fillbook.core.reconcile.drift import Snapshot
from fillbook.core.reconcile.order_comparison import disputed_findings
from fillbook.core.reconcile.position_rows import expected_findings, rows_of
from fillbook.core.reconcile.settlement import settlements
from fillbook.desk.link.binding import AccountLink, require_credentials
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import BY_ID_MAX, Tracker
from fillbook.desk.reconcile.confirmed_differences import StandingDifferences, drift_alert
from fillbook.desk.reconcile.opening_balance import OpeningBalance, balance_adjustment
from fillbook.desk.reconcile.order_sync import OrderSync, is_unproven, unread_account
from fillbook.desk.reconcile.snapshot import MergedSnapshot, SnapshotReader
from fillbook.desk.reconcile.unreported_busts import UnreportedBusts
from fillbook.desk.record.book import Book
from fillbook.desk.record.cells import open_differences
from fillbook.desk.record.cells.last_complete_snapshot import LastComplete
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.errors import ReadFailed
from fillbook.store import Urgency, urgency

#: The result of a check of a record without an opening balance.
NOTHING_TO_COMPARE: Final = m.NotObserved(
    m.Failure.UNSUPPORTED,
    "there is nothing to compare: the record has no opening balance yet. Call sync() first "
    "(`fillbook sync`), or pass the positions that the bot expects (ours=, `fillbook check "
    "--ours`)",
)


class Reconciler:
    """Compares the record with the broker, and merges what explains the difference."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        resolver: Resolver,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._clock = clock
        self._lag = gateway.broker.capabilities.account_lag
        self._book = Book(recorder.store)
        self._snapshots = SnapshotReader(
            gateway, account_link, tracker, recorder.store, recorder.compared, clock
        )
        self._opening_balance = OpeningBalance(
            self._snapshots, recorder, clock, tracker.closing, self._lag
        )
        self._orders = OrderSync(gateway, recorder, account_link, tracker, resolver, clock)
        self._busts = UnreportedBusts(recorder, tracker)
        self._thresholds = settings.thresholds
        self._complete = LastComplete(recorder.store, clock)
        self._standing = StandingDifferences(recorder, clock, settings.thresholds)

    # -- checking ----------------------------------------------------------------------

    def check(
        self,
        ours: dict[str, Decimal] | None = None,
        is_unknown: Callable[[str], bool] = lambda symbol: False,
    ) -> m.CheckReport:
        """
        Compare and report; write nothing.

        *ours* are the positions that the bot expects; *is_unknown* says whether neither the record
        nor the broker knows a symbol of them.
        """
        requests_before = self._gateway.requests
        at = m.timestamp(self._clock.now())
        with self._recorder.store.read() as reader:
            opened = reader.get(m.Cash, "cash") is not None
        self._check_account()
        compared: MergedSnapshot | m.NotObserved = NOTHING_TO_COMPARE
        if opened or ours is not None:
            compared = self._snapshots.take(bind=False)
        if isinstance(compared, m.NotObserved):
            return m.CheckReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                unobserved=compared.message,
                requests=self._gateway.requests - requests_before,
                opened=opened,
            )
        with self._recorder.store.read() as reader:
            rows = rows_of(
                reader.all(m.Position), compared.snapshot.positions, ours, reader, is_unknown
            )
        left: list[m.Finding] = []
        if opened:
            left = drift.confirm(compared.comparison, compared.comparison, timedelta.max)
        expected = expected_findings(rows)
        clean = not expected and not (opened and (compared.merged or left))
        return m.CheckReport(
            verdict=m.Verdict.IN_SYNC if clean else m.Verdict.DRIFT,
            at=at,
            account=compared.snapshot.account.account,
            rows=rows,
            merged=compared.merged if opened else (),
            left=tuple(left),
            expected=expected,
            requests=self._gateway.requests - requests_before,
            opened=opened,
        )

    def _check_account(self) -> None:
        """Check the account of a record that is bound; an empty record stays unbound."""
        with self._recorder.store.read() as reader:
            bound = reader.get(m.Binding, "account")
        if bound is not None:
            answer = self._account_link.read()
            if isinstance(answer, m.NotObserved):
                require_credentials(answer)

    # -- syncing -----------------------------------------------------------------------

    @urgency(Urgency.BACKGROUND)
    def sync(
        self,
        since: date | None = None,
        *,
        order: m.Order | str | None = None,
        adopt: bool = False,
        in_background: bool = False,
    ) -> m.SyncReport:
        """
        Reconcile the record: merge all evidence; report or adopt what it does not explain.

        *in_background*: what earlier reads did not find is read again at growing intervals only.
        """
        if order is not None:
            return self._orders.sync(order)
        if not in_background:
            self._tracker.read_all_again()
        lane = self._gateway.lane(Lane.BACKFILL) if since is not None else nullcontext()
        with lane, self._gateway.measurements.timed("snapshot"):
            report = self._sync(since, adopt=adopt)
        if report.unobserved is not None:
            self._miss(report.unobserved)
        return report

    def observed(self, outcome: str, since: date | None = None) -> m.SyncReport:
        """
        Reconcile for a call that needs the account; *outcome* is what became of that call.

        Raises: ReadFailed if the account was not observed.
        """
        report = self.sync(since)
        if report.verdict is m.Verdict.NOT_OBSERVED:
            raise ReadFailed(f"NOT OBSERVED, so that {outcome}: {report.unobserved}")
        return report

    def adopt(self, wanted: m.AdoptBalance) -> str:
        """
        Adjust one figure of the record to the broker's; return why it was not, ``""``: it was.

        The account is read again: the broker's figure has to be the wanted one.
        """
        report = self._sync(None, adopt=wanted)
        if report.unobserved is not None:
            return report.unobserved
        if report.adopted or self._has_figure(wanted, report):
            return ""
        return "the broker's figure is not the one that was approved"

    def _has_figure(self, wanted: m.AdoptBalance, report: m.SyncReport) -> bool:
        """Whether the record has the figure already: a process adopted it before it was killed."""
        about = (wanted.symbol, wanted.currency)
        left = [x.drift for x in report.left]
        if about in [(getattr(x, "symbol", None), getattr(x, "currency", None)) for x in left]:
            return False
        with self._recorder.store.read() as reader:
            if wanted.symbol is None:
                return pairs.cash_in(reader, wanted.currency) == wanted.theirs
            position = reader.get(m.Position, wanted.symbol)
            return (m.ZERO if position is None else position.qty) == wanted.theirs

    @property
    def age(self) -> timedelta | None:
        """The time since the last complete snapshot; None: none was tried."""
        return self._complete.age

    @urgency(Urgency.BACKGROUND)
    def refresh(self) -> None:
        """Take a snapshot and merge it, without confirming differences."""
        if self._opening_balance.is_due:
            return  # only a sync takes the opening balance
        snapshot = self._snapshots.take()
        if not isinstance(snapshot, m.NotObserved):
            self._merge(snapshot)

    def _miss(self, why: str) -> None:
        """Count a reconciliation without a complete snapshot; alert once when it is one of many."""
        since, missed = self._complete.at, self._complete.miss()
        if missed == self._thresholds.missed_passes:
            text = (
                f"the last {missed} reconciliations had no complete snapshot of the account, since "
                f"{since}: {why}. Until there is one, positions and cash are not compared, and "
                "orders that open or increase a position are denied"
            )
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.STALE, "snapshot", text)))

    def _sync(self, since: date | None, *, adopt: bool | m.AdoptBalance) -> m.SyncReport:
        requests_before, at = self._gateway.requests, m.timestamp(self._clock.now())
        before = self._tracker.snapshot_number()
        account = self._account_link.try_bind()
        if isinstance(account, m.NotObserved):
            return unread_account(account, at, self._gateway.requests - requests_before)
        self._list_instruments()
        self._tracker.drain()
        unproven = self._query_unconfirmed()
        opened = self._opening_balance.is_due
        confirmed = adopt is True
        first = self._snapshots.take(since, confirmed=confirmed)
        if not isinstance(first, m.NotObserved) and opened:
            first = self._opening_balance.take(first, since, confirmed=confirmed)
        if isinstance(first, m.NotObserved):
            return m.SyncReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                account=account,
                unobserved=first.message,
                unproven=tuple(unproven),
                entries=self._tracker.snapshot_number() - before,
                requests=self._gateway.requests - requests_before,
            )
        merged = self._merge(first)
        last, left = self._confirm(first, confirmed=bool(adopt))
        adopted: list[m.Finding] = []
        if adopt:
            wanted = adopt if isinstance(adopt, m.AdoptBalance) else None
            adopted, left = self._adopt(last, left, wanted)
        self._standing.save(last.comparison, left)
        unproven = [x.client_order_id for x in self._tracker.tracked() if is_unproven(x)]
        with self._recorder.store.read() as reader:
            rows = rows_of(reader.all(m.Position), last.snapshot.positions, None, reader)
            # An order that is not found stays a finding in every pass until it is found.
            left += [drift.not_found_finding(x, reader) for x in last.snapshot.not_found]
            left += disputed_findings(reader)
        self._recorder.record(
            *(drift_alert(x) for x in merged if isinstance(x.drift, m.UnknownToBroker))
        )
        return m.SyncReport(
            verdict=m.Verdict.IN_SYNC if not left and not unproven else m.Verdict.DRIFT,
            at=at,
            account=account,
            rows=rows,
            merged=merged,
            left=tuple(left),
            adopted=tuple(adopted),
            unproven=tuple(unproven),
            entries=self._tracker.snapshot_number() - before,
            requests=self._gateway.requests - requests_before,
            opened=opened,
        )

    def _query_unconfirmed(self) -> list[str]:
        """Query every unconfirmed order once."""
        names = self._resolver.schedule_unconfirmed()
        for name in names:
            self._resolver.query(name)
        return names

    def _list_instruments(self) -> None:
        """Record the broker's symbols and increments of crypto instruments, once per process."""
        can = self._gateway.broker.capabilities
        if not self._snapshots.is_first or not can.instruments:
            return
        broker = self._gateway.broker
        listed = self._gateway.pages(
            "instruments", lambda page: broker.instruments(m.AssetClass.CRYPTO, page)
        )
        if isinstance(listed, m.Observed):
            self._recorder.record(*(m.InstrumentListed(x) for x in listed.value))

    def _merge(self, compared: MergedSnapshot) -> tuple[m.Finding, ...]:
        """Record what a snapshot reported, and advance the cursor."""
        snapshot = compared.snapshot
        self._recorder.record_new(compared.new)  # what is known already stays known
        self._tracker.record_busts(snapshot.history_ids, snapshot.history_executions)
        self._settle(snapshot)
        self._read_unclear_histories()
        with self._recorder.store.write() as writer:
            self._snapshots.save_cursor(writer, snapshot)
            self._complete.complete(writer)
        open_differences.save(self._recorder.store, compared.comparison.unsettled)
        return compared.merged

    def _settle(self, snapshot: Snapshot) -> None:
        """Settle the disputes for which *snapshot* proves one reading."""
        with self._recorder.store.read() as reader:
            if not drift.disputed_symbols(reader):
                return
        with self._recorder.transaction() as transaction:
            transaction.record(*settlements(transaction.reader, snapshot, self._lag))

    def _read_unclear_histories(self) -> None:
        """Read the fill histories of the orders that they clarify."""
        if self._gateway.broker.capabilities.history:
            for record in self._tracker.unclear_due()[:BY_ID_MAX]:
                self._tracker.read_history(record)

    def _confirm(
        self, first: MergedSnapshot, *, confirmed: bool
    ) -> tuple[MergedSnapshot, list[m.Finding]]:
        """Confirm the differences of *first* by a second snapshot, taken `account_lag` later."""
        if not first.comparison.differences:
            return first, []
        standing = self._standing.findings(first.comparison)
        unchanging = standing or self._disputed_findings(first)
        if unchanging and not confirmed and not self._standing.recheck_is_due(unchanging):
            return first, unchanging
        lag = self._lag
        self._clock.wait(self._tracker.closing, lag.total_seconds())
        second = self._snapshots.take(everything=not standing, confirmed=confirmed)
        if isinstance(second, m.NotObserved):
            settling = drift.confirm(first.comparison, first.comparison, timedelta.max)
            return first, settling
        self._merge(second)
        findings = drift.confirm(first.comparison, second.comparison, lag)
        if self._busts.record(second.snapshot, findings):
            self._settle(second.snapshot)  # the position has nothing else to explain
            second = self._snapshots.compare(second.snapshot)
        with self._recorder.store.read() as reader:
            disputed = drift.disputed_symbols(reader)
        return second, drift.confirm(first.comparison, second.comparison, lag, disputed)

    def _disputed_findings(self, compared: MergedSnapshot) -> list[m.Finding]:
        """Return all differences if disputes prevent their confirmation; else nothing."""
        with self._recorder.store.read() as reader:
            disputed = drift.disputed_symbols(reader)
        comparison = compared.comparison
        symbols = {getattr(x.drift, "symbol", None) for x in comparison.differences}
        if not disputed or not symbols <= {None, *disputed}:
            return []
        return drift.confirm(comparison, comparison, timedelta.max, disputed)

    def _adopt(
        self, last: MergedSnapshot, findings: list[m.Finding], wanted: m.AdoptBalance | None
    ) -> tuple[list[m.Finding], list[m.Finding]]:
        """
        Adjust the record to the broker's figure of each confirmed difference, or of *wanted*.

        Return the findings that were adopted, and those that are left.
        """
        adopted = [
            x
            for x in findings
            if x.confidence is m.Confidence.CONFIRMED and _is_wanted(x.drift, wanted)
        ]
        theirs = {x.symbol: x for x in last.snapshot.positions}
        account, at = last.snapshot.account, last.snapshot.at
        for finding in adopted:
            if isinstance(finding.drift, m.WrongCash):
                currency = finding.drift.currency or account.currency
                amount = finding.drift.theirs
                self._recorder.record(m.CashAdjusted(amount, currency, at, ADOPTED, by_ids=True))
            elif isinstance(finding.drift, m.PositionDrift):
                symbol = finding.drift.symbol
                adjusted = balance_adjustment(symbol, theirs.get(symbol), at, ADOPTED)
                self._recorder.record(adjusted)
        return adopted, [x for x in findings if x not in adopted]


def _is_wanted(drift: m.Drift, wanted: m.AdoptBalance | None) -> bool:
    """Whether *wanted* is the adoption of a difference; None: all are wanted."""
    if wanted is None:
        return True
    figures = (getattr(drift, "ours", m.ZERO), getattr(drift, "theirs", m.ZERO))
    about = (getattr(drift, "symbol", None), getattr(drift, "currency", None))
    return (*about, *figures) == (wanted.symbol, wanted.currency, wanted.ours, wanted.theirs)
