"""
The reconciler: the whole account, ours against theirs (promises P5 to P9).

`check` looks and tells; `sync` makes our record true; neither sends anything that
changes the account.  Both take the same look and the same pure steps
(`core.drift`): what was heard is merged, what is then left differs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import drift, journal
from fillbook.core.booking import Before
from fillbook.core.drift import Look, Sighting
from fillbook.desk.binder import Binder, binding_entry
from fillbook.desk.book import Book
from fillbook.desk.coordinator import Coordinator
from fillbook.desk.line import Line
from fillbook.desk.recorder import Recorder
from fillbook.desk.tracker import BY_ID_MAX, Tracker
from fillbook.records import Overlay
from fillbook.store import Reader

#: Each pass reads this far back behind the cursor; at start, and once a day, a whole day.
OVERLAP: Final = timedelta(minutes=10)
OVERLAP_AT_START: Final = timedelta(days=1)
#: The cell that holds up to when every fill has been read.
CURSOR: Final = "fills-read-until"
#: How often a first contact waits for the account to come to rest.
OPENING_TRIES: Final = 6
OPENING: Final = "OPENING"
ADOPTED: Final = "ADOPTED"
#: A difference that is still unsettled after so long is alerted.
UNSETTLED_AFTER: Final = timedelta(minutes=5)


@frozen
class _Compared:
    """One look, merged over the record: what was new, and what is left."""

    look: Look
    entries: tuple[m.Entry, ...]
    merged: tuple[m.Finding, ...]
    sighting: Sighting
    after: Before


class Reconciler:
    """Compares the record with the broker, and merges what explains the difference."""

    def __init__(
        self,
        line: Line,
        recorder: Recorder,
        binder: Binder,
        tracker: Tracker,
        coordinator: Coordinator,
        clock: Clock,
    ) -> None:
        self._line = line
        self._recorder = recorder
        self._binder = binder
        self._tracker = tracker
        self._coordinator = coordinator
        self._clock = clock
        self._full_at: timedelta | None = None
        self._unsettled: dict[str, timedelta] = {}
        self._overdue_told: set[str] = set()
        self._one_pass = threading.Lock()

    # -- looking -----------------------------------------------------------------------

    def _look(self, since: date | None, *, bind: bool) -> Look | m.NotObserved:
        """One complete reading of the account; whatever fails makes it none."""
        at, started = m.stamp(self._clock.now()), self._clock.elapsed()
        account = (
            self._binder.account()
            if bind
            else self._line.read("account", self._line.broker.account)
        )
        if isinstance(account, m.NotObserved):
            return account
        fills_since = self._since(since)
        number = self._tracker.look_number()
        fills = self._fills(fills_since)
        orders = self._orders(since)
        broker = self._line.broker
        positions = self._line.pages("positions", broker.positions)
        fills_after = self._fills(fills_since)
        activities = self._activities(fills_since)
        for answer in (fills, orders, positions, fills_after, activities):
            if isinstance(answer, m.NotObserved):
                return answer
        assert isinstance(fills, m.Observed)
        assert isinstance(orders, m.Observed)
        assert isinstance(positions, m.Observed)
        assert isinstance(fills_after, m.Observed)
        assert isinstance(activities, m.Observed)
        by_id, gone = self._missing(orders.value)
        histories, told = self._histories()
        return Look(
            at=at,
            started=started,
            ended=self._clock.elapsed(),
            account=account.value,
            orders=orders.value,
            positions=positions.value,
            fills=fills.value,
            fills_after=(*fills_after.value, *told),
            activities=activities.value,
            by_id=tuple(by_id),
            gone=tuple(gone),
            histories=tuple(histories),
            number=number,
        )

    def _since(self, since: date | None) -> m.Stamp:
        if since is not None:
            return m.stamp(datetime.combine(since, time(), UTC))
        cursor = self._recorder.store.cell(CURSOR)
        now, elapsed = self._clock.now(), self._clock.elapsed()
        whole_day = self._full_at is None or elapsed - self._full_at >= timedelta(days=1)
        back = OVERLAP_AT_START if whole_day else OVERLAP
        start = now if cursor is None else min(now, m.moment(m.Stamp(cursor)))
        return m.stamp(start - back)

    def _fills(self, since: m.Stamp) -> m.Read[tuple[m.Execution, ...]]:
        if not self._line.broker.capabilities.history:
            return m.Observed(())
        broker = self._line.broker
        return self._line.pages("executions", lambda page: broker.executions(since, page))

    def _activities(self, since: m.Stamp) -> m.Read[tuple[m.Activity, ...]]:
        if not self._line.broker.capabilities.activities:
            return m.Observed(())
        broker = self._line.broker
        return self._line.pages("activities", lambda page: broker.activities(since, page))

    def _orders(self, since: date | None) -> m.Read[tuple[m.OrderReport, ...]]:
        """Open orders; and, where many of ours have left that list, all since the oldest."""
        listed = self._tracker.open_orders()
        if isinstance(listed, m.NotObserved):
            return listed
        left = self._tracker.left(listed.value)
        oldest = min((m.moment(x.created_at) for x in left), default=None)
        if since is not None:
            begin = datetime.combine(since, time(), UTC)
            oldest = begin if oldest is None else min(begin, oldest)
        elif len(left) <= BY_ID_MAX:
            return listed
        assert oldest is not None  # a date was given, or orders have left
        query = m.OrderQuery(m.OrderScope.ALL, oldest - timedelta(minutes=5))
        broker = self._line.broker
        rest = self._line.pages("orders", lambda page: broker.orders(query, page))
        if isinstance(rest, m.NotObserved):
            return rest
        seen = {x.broker_order_id for x in listed.value}
        return m.Observed(
            (*listed.value, *(x for x in rest.value if x.broker_order_id not in seen))
        )

    def _missing(
        self, orders: tuple[m.OrderReport, ...]
    ) -> tuple[list[m.OrderReport], list[m.NotFoundAfterSeen]]:
        """By-id looks at what left the lists, and at fills of orders that no list showed."""
        found: list[m.OrderReport] = []
        gone: list[m.NotFoundAfterSeen] = []
        for record in self._tracker.left(orders)[:BY_ID_MAX]:
            for broker_order_id in record.ids:
                answer = self._by_id(broker_order_id)
                if isinstance(answer, m.Observed):
                    found.append(answer.value)
                elif isinstance(answer, m.Absent):
                    gone.append(m.NotFoundAfterSeen(record.client_order_id, broker_order_id))
        return found, gone

    def _by_id(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        return self._line.look_up("order", lambda: self._line.broker.order(broker_order_id))

    def _histories(self) -> tuple[list[str], list[m.Execution]]:
        """The whole fill histories of orders whose executions are long not all told."""
        read: list[str] = []
        told: list[m.Execution] = []
        for record in self._tracker.incomplete()[:BY_ID_MAX]:
            for broker_order_id in record.ids:
                answer = self._tracker.history(record, broker_order_id)
                if isinstance(answer, m.Observed):
                    read.append(broker_order_id)
                    told += answer.value
        return read, told

    # -- comparing ---------------------------------------------------------------------

    def _compare(self, reader: Reader, look: Look) -> _Compared:
        """*look* merged over the record, which stays as it is."""
        after = Overlay(reader)
        if reader.get(m.Binding, "account") is None:
            bound = binding_entry(look.account, self._line.broker)
            after.take(journal.apply(bound, reader.last() + 1, look.at, after))
        fresh: list[m.Entry] = []
        for entry in drift.heard(look):
            changes = journal.apply(entry, reader.last() + 1 + len(fresh), look.at, after)
            if changes:
                after.take(changes)
                fresh.append(entry)
        sighting = Sighting(
            look=look,
            found=tuple(drift.differences(after, look)),
            journal=reader.last(),
            moved=drift.moving(after, look, self._line.broker.capabilities.account_lag),
        )
        merged = tuple(drift.explained(fresh, reader, after))
        return _Compared(look, tuple(fresh), merged, sighting, after)

    def _unknown_fills(self, look: Look, after: Before) -> list[m.Entry]:
        """Looks at the orders of fills that no list has shown, so that each fill has its owner."""
        entries: list[m.Entry] = []
        ids = {x.broker_order_id for x in look.fills_after}
        for broker_order_id in sorted(ids):
            known = after.get(m.Evidence, broker_order_id)
            if known is not None and known.terms is not None:
                continue
            if len(entries) == BY_ID_MAX:
                break
            answer = self._by_id(broker_order_id)
            if isinstance(answer, m.Observed):
                entries.append(m.Reported(answer.value, m.ReportSource.BY_ID, look.number))
        return entries

    def _sight(self, since: date | None, *, bind: bool) -> _Compared | m.NotObserved:
        """Look and compare, with the owners of stray fills asked for; doubtful looks are none."""
        look = self._look(since, bind=bind)
        if isinstance(look, m.NotObserved):
            return look
        with self._recorder.store.read() as reader:
            compared = self._compare(reader, look)
            stray = self._unknown_fills(look, compared.after)
            if stray:
                reports = [x.report for x in stray if isinstance(x, m.Reported)]
                look = _with_reports(look, reports)
                compared = self._compare(reader, look)
            doubt = drift.doubt(compared.after, look)
        if doubt is not None:
            return m.NotObserved(m.Failure.UNREADABLE, doubt)
        return compared

    # -- checking ----------------------------------------------------------------------

    def check(self, ours: dict[str, Decimal] | None = None) -> m.CheckReport:
        """Look, compare and tell; writes nothing. `ours` is what the bot believes it holds."""
        asked = self._line.requests
        at = m.stamp(self._clock.now())
        self._hold_account()
        compared = self._sight(None, bind=False)
        if isinstance(compared, m.NotObserved):
            return m.CheckReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                unobserved=compared.message,
                requests=self._line.requests - asked,
            )
        with self._recorder.store.read() as reader:
            opened = reader.get(m.Cash, "cash") is not None
            rows = self._rows(reader, compared.look, ours)
        findings = compared.merged
        if opened:
            findings += tuple(drift.confirm(compared.sighting, compared.sighting, timedelta.max))
        differs = any(row.bot is not None and row.bot != row.theirs for row in rows)
        clean = not differs and (not findings or not opened)
        return m.CheckReport(
            verdict=m.Verdict.IN_SYNC if clean else m.Verdict.DRIFT,
            at=at,
            account=compared.look.account.account,
            rows=rows,
            findings=findings,
            requests=self._line.requests - asked,
            opened=opened,
        )

    def _hold_account(self) -> None:
        """Refuse to compare with another account, without binding an empty record to one."""
        with self._recorder.store.read() as reader:
            bound = reader.get(m.Binding, "account")
        if bound is not None:
            self._binder.account()

    def _rows(self, ours: Before, look: Look, bot: dict[str, Decimal] | None) -> tuple[m.Row, ...]:
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
        with self._one_pass:
            if order is not None:
                return self._sync_order(order)
            return self._sync(since, adopt=adopt)

    def _sync_order(self, order: m.Order | str) -> m.SyncReport:
        """Look at one order alone, by its ids and its whole fill history."""
        asked, at = self._line.requests, m.stamp(self._clock.now())
        before = self._tracker.look_number()
        account = self._binder.bind()
        was = Book(self._recorder.store).record(order)
        name = was.client_order_id
        self._coordinator.resume()
        self._coordinator.ask(name)
        record = Book(self._recorder.store).record(name)
        failed = self._tracker.read(record)
        if failed is None and record.ids and self._line.broker.capabilities.history:
            failed = self._tracker.complete(Book(self._recorder.store).record(name))
        now = Book(self._recorder.store).record(name)
        merged = drift.changed(was, now)
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
            requests=self._line.requests - asked,
        )

    def _sync(self, since: date | None, *, adopt: bool) -> m.SyncReport:
        asked, at = self._line.requests, m.stamp(self._clock.now())
        before = self._tracker.look_number()
        account = self._binder.bind()
        self._list_instruments()
        self._tracker.drain()
        unproven = self._resolve()
        opened = self._opens()
        first = self._sight(since, bind=True)
        if not isinstance(first, m.NotObserved) and opened:
            first = self._open(first, since)
        if isinstance(first, m.NotObserved):
            return m.SyncReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                account=account,
                unobserved=first.message,
                unproven=tuple(unproven),
                entries=self._tracker.look_number() - before,
                requests=self._line.requests - asked,
            )
        merged = self._merge(first)
        last, left = self._settle(first, adopt=adopt)
        unproven = [x.client_order_id for x in self._tracker.followed() if _unproven(x)]
        with self._recorder.store.read() as reader:
            rows = self._rows(reader, last.look, None)
        return m.SyncReport(
            verdict=m.Verdict.IN_SYNC if not left and not unproven else m.Verdict.DRIFT,
            at=at,
            account=account,
            rows=rows,
            merged=merged,
            left=tuple(left),
            unproven=tuple(unproven),
            entries=self._tracker.look_number() - before,
            requests=self._line.requests - asked,
            opened=opened,
        )

    def _resolve(self) -> list[str]:
        """One question about every unproven order."""
        names = self._coordinator.resume()
        for name in names:
            self._coordinator.ask(name)
        return names

    def _list_instruments(self) -> None:
        """Learn the broker's spellings and steps of coins, once a process."""
        can = self._line.broker.capabilities
        if self._full_at is not None or not can.instruments:
            return
        broker = self._line.broker
        listed = self._line.pages(
            "instruments", lambda page: broker.instruments(m.AssetClass.CRYPTO, page)
        )
        if isinstance(listed, m.Observed):
            self._recorder.record(*(m.Listed(x) for x in listed.value))

    def _merge(self, compared: _Compared) -> tuple[m.Finding, ...]:
        """Write down what a look told, and move the cursor."""
        look = compared.look
        self._recorder.record(*drift.heard(look))
        self._tracker.agree(look.histories, look.fills_after)
        store = self._recorder.store
        store.swap(CURSOR, store.cell(CURSOR), look.at)
        self._full_at = self._full_at or self._clock.elapsed()
        return compared.merged

    def _settle(self, first: _Compared, *, adopt: bool) -> tuple[_Compared, list[m.Finding]]:
        """A second look where the first differs: what it shows again at rest is confirmed."""
        if not first.sighting.found:
            self._clear(first.sighting, [])
            return first, []
        lag = self._line.broker.capabilities.account_lag
        self._clock.wait(threading.Event(), lag.total_seconds())
        second = self._sight(None, bind=True)
        if isinstance(second, m.NotObserved):
            unsure = drift.confirm(first.sighting, first.sighting, timedelta.max)
            return first, unsure
        self._merge(second)
        findings = drift.confirm(first.sighting, second.sighting, lag)
        if self._find_taken_back(findings):
            second = self._again(second)
        with self._recorder.store.read() as reader:
            doubted = drift.disputed(reader)
        findings = drift.confirm(first.sighting, second.sighting, lag, doubted)
        if adopt:
            findings = self._adopt(second, findings)
        self._clear(second.sighting, findings)
        return second, findings

    def _find_taken_back(self, findings: list[m.Finding]) -> bool:
        """
        Explain confirmed differences by fills that a broker took back without saying so.

        They are missing from their order's own history, and are exactly what the broker holds
        less (or more): two of its sources agree.
        """
        voids: list[m.Voided] = []
        for finding in findings:
            if finding.confidence is m.Confidence.CONFIRMED and isinstance(
                finding.drift, m.Phantom | m.WrongQty
            ):
                voids += self._voids(finding.drift)
        self._recorder.record(*voids)
        book = Book(self._recorder.store)
        for broker_order_id in {x.void.broker_order_id for x in voids}:
            self._tracker.read(book.record(broker_order_id))  # what does the broker say of it now?
        return bool(voids)

    def _voids(self, found: m.Phantom | m.WrongQty) -> list[m.Voided]:
        theirs = m.ZERO if isinstance(found, m.Phantom) else found.theirs
        book = Book(self._recorder.store)
        filled = [x for x in book.orders(symbol=found.symbol) if x.filled_qty]
        missing: list[m.Void] = []
        moved = m.ZERO
        for order in filled[-BY_ID_MAX:]:
            record = book.record(order)
            for broker_order_id in record.ids:
                history = self._tracker.history(record, broker_order_id)
                if isinstance(history, m.Observed):
                    with self._recorder.store.read() as reader:
                        voids, qty = drift.taken_back(reader, broker_order_id, history.value)
                    missing += voids
                    moved += qty
        held = book.position(found.symbol)
        after = held.qty - moved
        explains = missing and after - held.fee_due <= theirs <= after
        return [m.Voided(void) for void in missing] if explains else []

    def _adopt(self, second: _Compared, findings: list[m.Finding]) -> list[m.Finding]:
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
                self._recorder.record(m.CashAnchored(account.cash, account.currency, at, ADOPTED))
            else:
                symbol = getattr(finding.drift, "symbol", "")
                self._recorder.record(anchor(symbol, theirs.get(symbol), at, ADOPTED))
        return left

    def _clear(self, sighting: Sighting, findings: Iterable[m.Finding]) -> None:
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

    # -- first contact -----------------------------------------------------------------

    def _opens(self) -> bool:
        with self._recorder.store.read() as reader:
            return reader.get(m.Cash, "cash") is None

    def _open(self, first: _Compared, since: date | None) -> _Compared | m.NotObserved:
        """
        Take the broker's picture as opening anchors: two looks a lag apart that agree.

        The moment of the first has then no fill within the lag on either side.
        """
        lag = self._line.broker.capabilities.account_lag
        for _ in range(OPENING_TRIES):
            self._clock.wait(threading.Event(), lag.total_seconds())
            second = self._sight(since, bind=True)
            if isinstance(second, m.NotObserved):
                return second
            if _at_rest(first.look, second.look, lag):
                self._anchor(first.look)
                return self._again(second)
            first = second
        return m.NotObserved(
            m.Failure.UNREADABLE,
            "the account does not come to rest: its positions or fills changed between all "
            "looks. Sync again when it trades less",
        )

    def _anchor(self, look: Look) -> None:
        self._recorder.record(*drift.heard(look))
        entries: list[m.Entry] = [anchor(x.symbol, x, look.at, OPENING) for x in look.positions]
        listed = {x.symbol for x in look.positions}
        with self._recorder.store.read() as reader:
            rest = [x.symbol for x in reader.all(m.Position) if x.symbol not in listed]
        entries += [anchor(symbol, None, look.at, OPENING) for symbol in rest]
        account = look.account
        entries.append(m.CashAnchored(account.cash, account.currency, look.at, OPENING))
        self._recorder.record(*entries)

    def _again(self, compared: _Compared) -> _Compared:
        with self._recorder.store.read() as reader:
            return self._compare(reader, compared.look)


def _unproven(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.UNPROVEN


def _with_reports(look: Look, reports: Iterable[m.OrderReport]) -> Look:
    return evolve(look, by_id=(*look.by_id, *reports))


def _key(found: m.Drift) -> str:
    symbol = getattr(found, "symbol", None)
    return "cash" if symbol is None else f"position/{symbol}"


def _alert(found: m.Finding) -> m.Alerted:
    about = getattr(found.drift, "symbol", None) or "cash"
    return m.Alerted(
        m.Alert(
            m.AlertKind.DRIFT,
            about,
            f"{about}: our record and the broker differ, and no fill, order or activity "
            f"explains it: {found.drift}",
        )
    )


def _at_rest(first: Look, second: Look, lag: timedelta) -> bool:
    """Whether nothing was filled from a lag before the first look to the end of the second."""
    since = m.stamp(m.moment(first.at) - lag)
    filled = [x for x in (*second.fills, *second.fills_after) if x.at >= since]
    held = [
        [*sorted((x.symbol, x.qty) for x in look.positions), ("", look.account.cash)]
        for look in (first, second)
    ]
    return first.valid and second.valid and not filled and held[0] == held[1]


def anchor(symbol: str, found: m.PositionSnapshot | None, at: m.Stamp, reason: str) -> m.Anchored:
    """The entry that says what the account held of *symbol*; None: nothing."""
    qty = m.ZERO if found is None else found.qty
    return m.Anchored(symbol, qty, None if found is None else found.avg_price, at, reason)


def rows_of(
    ours: Iterable[m.Position],
    theirs: Iterable[m.PositionSnapshot],
    bot: dict[str, Decimal] | None,
    record: Before | None,
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
        if wrong or (mine is not None and mine.qty) or their_qty:
            rows.append(
                m.Row(
                    symbol,
                    None if record is None else (m.ZERO if mine is None else mine.qty),
                    their_qty,
                    believed,
                    "drift" if wrong else "in sync",
                )
            )
    return tuple(rows)
