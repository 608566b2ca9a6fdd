"""
An entry, and what becomes of the records.

`apply` is the only way in which records change, and it is pure: replaying the
journal over an empty store is the rebuild, value for value.  An entry that changes
nothing is not worth keeping: evidence heard twice, a look that shows what is known
(promises P4, P5 and P8).  Other half: `desk.record.recorder`.
"""

from __future__ import annotations

from typing import Final, assert_never

from fillbook import model as m
from fillbook.core.journal import account, reports, requests
from fillbook.core.journal.draft import Draft
from fillbook.model.journal.overlay import RecordReader

#: The number of the rules that are in force: it grows with each release that makes other records
#: of the same journal.  A store with an older number is rebuilt as it is opened.
RULES: Final = 2


@m.exact
def apply(entry: m.Entry, number: int, at: m.Timestamp, before: RecordReader) -> m.Changes:
    """What becomes of the records by *entry*, numbered *number*, taken down *at*."""
    draft = Draft(before, number, at)
    _take(draft, entry)
    for was, now in draft.orders():
        if now.order.is_final and not (was is not None and was.order.is_final):
            draft.tell(m.EventKind.FINAL, symbol=now.terms.symbol, order=now.order)
        alert = alert_of(was, now)
        if alert is not None:
            draft.tell(m.EventKind.ALERT, symbol=now.terms.symbol, order=now.order, alert=alert)
    return draft.changes()


#: What a person should know when an order comes to be so.
_ALARMING: Final = {
    m.OrderStatus.ABSENT: (
        m.AlertKind.ABSENT,
        "the broker never had it; it is watched in case it lands late",
    ),
    m.OrderStatus.DISPUTED: (
        m.AlertKind.DISPUTED,
        "its evidence contradicts itself; look at it at the broker's",
    ),
}


def alert_of(was: m.OrderRecord | None, now: m.OrderRecord) -> m.Alert | None:
    """What a person should know of how an order changed."""
    name, status = now.client_order_id, now.order.status
    before = None if was is None else was.order.status
    if was is None:
        if now.origin is m.Origin.EXTERNAL and name.startswith(m.ID_PREFIX):
            return m.Alert(
                m.AlertKind.FOREIGN_PREFIX,
                name,
                f"order {name} is fillbook's and not in this record: a second record is kept of "
                "this account, or this one was lost",
            )
        return None
    if before is m.OrderStatus.ABSENT and status is not m.OrderStatus.ABSENT:
        words = f"order {name} was taken for absent and has landed after all: it is {status}"
        return m.Alert(m.AlertKind.LANDED_LATE, name, words)
    late = [x for x in now.order.anomalies if x.oddity is m.Oddity.LANDED_LATE]
    if was is not None and set(late) - set(was.order.anomalies):
        words = (
            f"a request on order {name} that was given up has landed after all: {late[-1].detail}"
        )
        return m.Alert(m.AlertKind.LANDED_LATE, name, words)
    if status in _ALARMING and status is not before:
        kind, words = _ALARMING[status]
        return m.Alert(kind, name, f"order {name} is {status}: {words}")
    return None


def _take(draft: Draft, entry: m.Entry) -> None:
    match entry:
        case m.Reported():
            reports.take_report(draft, entry.report, entry, None)
        case m.Executed():
            reports.take_execution(draft, entry.execution)
        case m.Busted():
            reports.take_void(draft, entry.void)
        case m.HistoryRead():
            reports.take_history(draft, entry.broker_order_id)
        case m.ActivityReported():
            account.take_activity(draft, entry.activity)
        case (
            m.Intended()
            | m.Instructed()
            | m.InstructionClosed()
            | m.Commanded()
            | m.Answered()
            | m.IntentDenied()
            | m.ChangeClosed()
            | m.ConcludedAbsent()
        ):
            requests.take_request(draft, entry)
        case m.NotFoundAfterSeen():
            reports.take_not_found(draft, entry)
        case m.BalanceAdjusted():
            account.take_anchor(draft, entry)
        case m.CashAdjusted():
            account.take_cash_anchor(draft, entry)
        case m.DriftFound() | m.DriftCleared():
            account.take_drift(draft, entry)
        case m.Bound():
            bound = m.Binding(
                entry.account,
                entry.clocked,
                entry.replace_cum,
                entry.base_fee,
                entry.reserve_rule,
                RULES,
            )
            draft.put(bound)
        case m.Rebuilt():
            pass  # the records are what the rules of today make of the journal, from the first on
        case m.InstrumentListed():
            draft.put(entry.instrument)
        case m.Alerted():
            draft.tell(m.EventKind.ALERT, alert=entry.alert)
        case _:
            assert_never(entry)
