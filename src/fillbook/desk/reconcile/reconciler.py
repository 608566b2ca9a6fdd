"""
The reconciler: the whole account, ours against theirs (promises P5 to P9).

`check` looks and tells; `sync` makes our record true; neither sends anything that
changes the account.  Both take the same look and the same pure steps
(`core.reconcile.drift`): what was heard is merged, what is then left differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.pacing import Lane
from fillbook.core.reconcile import absence, drift
from fillbook.core.reconcile.drift import Comparison, Snapshot
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import BY_ID_MAX, Tracker
from fillbook.desk.reconcile.opening_balance import OpeningBalance, anchor
from fillbook.desk.reconcile.snapshot import ComparedSnapshot, SnapshotReader
from fillbook.desk.record import unsettled
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder
from fillbook.model.journal.overlay import RecordReader

ADOPTED: Final = "ADOPTED"
#: A difference that is still unsettled after so long is alerted.
UNSETTLED_AFTER: Final = timedelta(minutes=5)


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
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._clock = clock
        self._lag = gateway.broker.capabilities.account_lag
        self._book = Book(recorder.store)
        self._snapshots = SnapshotReader(gateway, account_link, tracker, recorder.store, clock)
        self._opening_balance = OpeningBalance(
            self._snapshots, recorder, clock, tracker.closing, self._lag
        )
        self._unsettled: dict[str, timedelta] = {}
        self._overdue_told: set[str] = set()

    # -- checking ----------------------------------------------------------------------

    def check(self, ours: dict[str, Decimal] | None = None) -> m.CheckReport:
        """Look, compare and tell; writes nothing. `ours` is what the bot believes it holds."""
        asked = self._gateway.requests
        at = m.timestamp(self._clock.now())
        self._hold_account()
        compared = self._snapshots.sight(bind=False)
        if isinstance(compared, m.NotObserved):
            return m.CheckReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                unobserved=compared.message,
                requests=self._gateway.requests - asked,
            )
        with self._recorder.store.read() as reader:
            opened = reader.get(m.Cash, "cash") is not None
            rows = self._rows(reader, compared.look, ours)
        left: list[m.Finding] = []
        if opened:
            left = drift.confirm(compared.sighting, compared.sighting, timedelta.max)
        differs = any(row.bot is not None and row.bot != row.theirs for row in rows)
        clean = not differs and not (opened and (compared.merged or left))
        return m.CheckReport(
            verdict=m.Verdict.IN_SYNC if clean else m.Verdict.DRIFT,
            at=at,
            account=compared.look.account.account,
            rows=rows,
            merged=compared.merged,
            left=tuple(left),
            requests=self._gateway.requests - asked,
            opened=opened,
        )

    def _hold_account(self) -> None:
        """Refuse to compare with another account, without binding an empty record to one."""
        with self._recorder.store.read() as reader:
            bound = reader.get(m.Binding, "account")
        if bound is not None:
            self._account_link.account()

    def _rows(
        self, ours: RecordReader, look: Snapshot, bot: dict[str, Decimal] | None
    ) -> tuple[m.Row, ...]:
        return rows_of(ours.all(m.Position), look.positions, bot, ours)

    # -- syncing -----------------------------------------------------------------------

    def sync(
        self,
        since: date | None = None,
        *,
        order: m.Order | str | None = None,
        adopt: bool = False,
    ) -> m.SyncReport:
        """Make the record true: merge all evidence; what none explains is told, or adopted."""
        if order is not None:
            return self._sync_order(order)
        if since is None:
            return self._sync(None, adopt=adopt)
        with self._gateway.lane(Lane.BACKFILL):
            return self._sync(since, adopt=adopt)

    def _sync_order(self, order: m.Order | str) -> m.SyncReport:
        """Look at one order alone, by its ids and its whole fill history."""
        asked, at = self._gateway.requests, m.timestamp(self._clock.now())
        before = self._tracker.look_number()
        account = self._account_link.bound()
        if isinstance(account, m.NotObserved):
            return self._unread(account, at, asked)
        was = self._book.record(order)
        name = was.client_order_id
        self._resolver.resume()
        self._resolver.ask(name)
        record = self._book.record(name)
        failed = self._tracker.read(record)
        if failed is None and record.ids and self._gateway.broker.capabilities.history:
            failed = self._tracker.complete(self._book.record(name))
        now = self._book.record(name)
        merged = drift.order_difference(was, now)
        verdict = m.Verdict.NOT_OBSERVED if failed is not None else m.Verdict.IN_SYNC
        unproven = (name,) if _unproven(now) else ()
        return m.SyncReport(
            verdict=m.Verdict.DRIFT if unproven and failed is None else verdict,
            at=at,
            account=account,
            merged=tuple(merged),
            unproven=unproven,
            unobserved=None if failed is None else failed.message,
            entries=self._tracker.look_number() - before,
            requests=self._gateway.requests - asked,
        )

    def _sync(self, since: date | None, *, adopt: bool) -> m.SyncReport:
        asked, at = self._gateway.requests, m.timestamp(self._clock.now())
        before = self._tracker.look_number()
        account = self._account_link.bound()
        if isinstance(account, m.NotObserved):
            return self._unread(account, at, asked)
        self._list_instruments()
        self._tracker.drain()
        unproven = self._resolve()
        opened = self._opening_balance.is_due
        first = self._snapshots.sight(since)
        if not isinstance(first, m.NotObserved) and opened:
            first = self._opening_balance.take(first, since)
        if isinstance(first, m.NotObserved):
            return m.SyncReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                account=account,
                unobserved=first.message,
                unproven=tuple(unproven),
                entries=self._tracker.look_number() - before,
                requests=self._gateway.requests - asked,
            )
        merged = self._merge(first)
        unsettled.keep(self._recorder.store, first.sighting.unsettled)
        last, left = self._settle(first, adopt=adopt)
        unproven = [x.client_order_id for x in self._tracker.followed() if _unproven(x)]
        with self._recorder.store.read() as reader:
            rows = self._rows(reader, last.look, None)
            # As long as the broker denies an order it is no less denied than at first.
            left += [drift.not_found_finding(x, reader) for x in last.look.not_found]
        self._recorder.record(
            *(_alert(x) for x in merged if isinstance(x.drift, m.UnknownToBroker))
        )
        return m.SyncReport(
            verdict=m.Verdict.IN_SYNC if not left and not unproven else m.Verdict.DRIFT,
            at=at,
            account=account,
            rows=rows,
            merged=merged,
            left=tuple(left),
            unproven=tuple(unproven),
            entries=self._tracker.look_number() - before,
            requests=self._gateway.requests - asked,
            opened=opened,
        )

    def _unread(self, answer: m.NotObserved, at: m.Timestamp, asked: int) -> m.SyncReport:
        """The report of a pass that could not read the account."""
        return m.SyncReport(
            verdict=m.Verdict.NOT_OBSERVED,
            at=at,
            unobserved=f"the account could not be read: {answer.message}",
            requests=self._gateway.requests - asked,
        )

    def _resolve(self) -> list[str]:
        """One question about every unproven order."""
        names = self._resolver.resume()
        for name in names:
            self._resolver.ask(name)
        return names

    def _list_instruments(self) -> None:
        """Learn the broker's spellings and steps of coins, once a process."""
        can = self._gateway.broker.capabilities
        if not self._snapshots.is_first or not can.instruments:
            return
        broker = self._gateway.broker
        listed = self._gateway.pages(
            "instruments", lambda page: broker.instruments(m.AssetClass.CRYPTO, page)
        )
        if isinstance(listed, m.Observed):
            self._recorder.record(*(m.InstrumentListed(x) for x in listed.value))

    def _merge(self, compared: ComparedSnapshot) -> tuple[m.Finding, ...]:
        """Write down what a look told, and move the cursor."""
        look = compared.look
        self._recorder.record(*drift.entries_of(look))
        self._tracker.agree(look.history_ids, look.history_executions)
        self._clarify()
        self._snapshots.done(look)
        return compared.merged

    def _clarify(self) -> None:
        """Read the whole histories of orders that these settle, not once they are old."""
        if self._gateway.broker.capabilities.history:
            for record in self._tracker.unclear()[:BY_ID_MAX]:
                self._tracker.complete(record)

    def _settle(
        self, first: ComparedSnapshot, *, adopt: bool
    ) -> tuple[ComparedSnapshot, list[m.Finding]]:
        """A second look where the first differs: what it shows again at rest is confirmed."""
        if not first.sighting.differences:
            self._clear(first.sighting, [])
            return first, []
        lag = self._lag
        self._clock.wait(self._tracker.closing, lag.total_seconds())
        second = self._snapshots.sight()
        if isinstance(second, m.NotObserved):
            unsure = drift.confirm(first.sighting, first.sighting, timedelta.max)
            return first, unsure
        self._merge(second)
        findings = drift.confirm(first.sighting, second.sighting, lag)
        if self._find_taken_back(second.look, findings):
            second = self._snapshots.compare(second.look)
        with self._recorder.store.read() as reader:
            doubted = drift.disputed_symbols(reader)
        findings = drift.confirm(first.sighting, second.sighting, lag, doubted)
        if adopt:
            findings = self._adopt(second, findings)
        self._clear(second.sighting, findings)
        left = {getattr(x.drift, "symbol", None) for x in findings}
        rows = (row for row in second.sighting.unsettled.rows if row[0] in left)
        unsettled.keep(self._recorder.store, m.Unsettled(tuple(rows)))
        return second, findings

    def _find_taken_back(self, look: Snapshot, findings: list[m.Finding]) -> bool:
        """
        Explain confirmed differences by fills that a broker took back without saying so.

        They are missing from their order's own history, and are exactly what the broker holds
        less (or more): two of its sources agree.
        """
        cash = [x for x in findings if isinstance(x.drift, m.WrongCash)]
        if not cash and self._book.cash() is not None:
            return False  # what was paid was not paid back: the positions may only be old
        voids: list[m.Busted] = []
        for finding in findings:
            if finding.confidence is m.Confidence.CONFIRMED and isinstance(
                finding.drift, m.PositionDrift
            ):
                voids += self._voids(look, finding.drift)
        self._recorder.record(*voids)
        for broker_order_id in {x.void.broker_order_id for x in voids}:
            record = self._book.record(broker_order_id)
            self._tracker.read(record)  # what does the broker say of it now?
            self._tracker.complete(record)
        return bool(voids)

    def _voids(self, look: Snapshot, found: m.PositionDrift) -> list[m.Busted]:
        theirs = m.ZERO if isinstance(found, m.Phantom) else found.theirs
        filled = [x for x in self._book.orders(symbol=found.symbol) if x.filled_qty]
        missing: list[m.TradeBust] = []
        moved = m.ZERO
        for order in filled[-BY_ID_MAX:]:
            record = self._book.record(order)
            for broker_order_id in record.ids:
                history = self._tracker.history(record, broker_order_id)
                if isinstance(history, m.Observed):
                    # The account's own fills are history too, read at another moment.
                    mine = [x for x in look.fills_after if x.broker_order_id == broker_order_id]
                    rows = (*history.value, *mine)
                    with self._recorder.store.read() as reader:
                        voids, qty = absence.infer_busts(reader, broker_order_id, rows, look.at)
                    missing += voids
                    moved += qty
        held = self._book.position(found.symbol)
        after = held.qty - moved
        explains = missing and after - held.fee_due <= theirs <= after
        return [m.Busted(void) for void in missing] if explains else []

    def _adopt(self, second: ComparedSnapshot, findings: list[m.Finding]) -> list[m.Finding]:
        """Take the broker's side of what is confirmed: an anchor, never an amount."""
        left: list[m.Finding] = []
        theirs = {x.symbol: x for x in second.look.positions}
        for finding in findings:
            if finding.confidence is not m.Confidence.CONFIRMED:
                left.append(finding)
                continue
            at = second.look.at
            if isinstance(finding.drift, m.WrongCash):
                account = second.look.account
                self._recorder.record(m.CashAdjusted(account.cash, account.currency, at, ADOPTED))
            else:
                symbol = getattr(finding.drift, "symbol", "")
                self._recorder.record(anchor(symbol, theirs.get(symbol), at, ADOPTED))
        return left

    def _clear(self, sighting: Comparison, findings: Iterable[m.Finding]) -> None:
        """Lock the symbols of confirmed differences, and unlock what is clean."""
        sure = {_key(x.drift): x for x in findings if x.confidence is m.Confidence.CONFIRMED}
        unsure = {_key(x.drift) for x in findings if x.confidence is m.Confidence.SETTLING}
        entries: list[m.Entry] = []
        with self._recorder.store.read() as reader:
            standing = {x.key: x for x in reader.all(m.OpenDrift)}
        for key, found in sure.items():
            known = standing.get(key)
            if known is None or known.drift != found.drift:
                entries.append(m.DriftFound(key, found.drift, found.notional))
                entries.append(_alert(found))
        entries += [m.DriftCleared(k) for k in standing if k not in sure and k not in unsure]
        entries += self._overdue(unsure)
        self._recorder.record(*entries)

    def _overdue(self, unsure: set[str]) -> list[m.Entry]:
        """Alerts for what has been settling for too long, once each."""
        now = self._clock.elapsed()
        self._unsettled = {key: self._unsettled.get(key, now) for key in unsure}
        old = {k for k, since in self._unsettled.items() if now - since >= UNSETTLED_AFTER}
        late = sorted(old - self._overdue_told)
        self._overdue_told = old
        return [
            m.Alerted(
                m.Alert(
                    m.AlertKind.UNSETTLED,
                    key,
                    f"{key} has differed from the broker for over five minutes without coming "
                    "to rest; no new order on it is safe",
                )
            )
            for key in late
        ]


def _unproven(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.UNPROVEN


def _key(found: m.Drift) -> str:
    symbol = getattr(found, "symbol", None)
    return "cash" if symbol is None else f"position/{symbol}"


def _alert(found: m.Finding) -> m.Alerted:
    about = getattr(found.drift, "symbol", None) or "cash"
    words = f"{about}: our record and the broker differ ({found.because}): {found.drift}"
    return m.Alerted(m.Alert(m.AlertKind.DRIFT, about, words))


def rows_of(
    ours: Iterable[m.Position],
    theirs: Iterable[m.PositionSnapshot],
    bot: dict[str, Decimal] | None,
    record: RecordReader | None,
) -> tuple[m.Row, ...]:
    """The comparison as a table, by symbol."""
    held = {x.symbol: x for x in ours}
    found = {x.symbol: x for x in theirs}
    rows = []
    for symbol in sorted(held.keys() | found.keys() | (bot or {}).keys()):
        mine, actual = held.get(symbol), found.get(symbol)
        instrument = None if record is None else record.get(m.Instrument, symbol)
        quantum = m.ZERO if instrument is None else instrument.quantum
        differs = record is not None and drift.position_drift(symbol, mine, actual, quantum)
        their_qty = m.ZERO if actual is None else actual.qty
        believed = None if bot is None else bot.get(symbol, m.ZERO)
        wrong = bool(differs) or (believed is not None and believed != their_qty)
        pending = mine is not None and mine.qty != their_qty
        if wrong or (mine is not None and mine.qty) or their_qty:
            rows.append(
                m.Row(
                    symbol,
                    None if record is None else (m.ZERO if mine is None else mine.qty),
                    their_qty,
                    believed,
                    "drift" if wrong else "fee pending" if pending else "in sync",
                )
            )
    return tuple(rows)
