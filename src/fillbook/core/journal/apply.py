"""
Apply an entry of the journal to the records.

`apply` is the only way in which records change, and it is pure: a rebuild replays the journal
over an empty store, with an equal result.  An entry that changes nothing is not stored: evidence
that was received before, or a snapshot of what is known (promises P4, P5 and P8).

Other half: `desk.record.recorder`.
"""

from __future__ import annotations

from typing import Final, assert_never

from fillbook import model as m
from fillbook.core.journal import (
    activities,
    cash,
    corporate_actions,
    plans,
    renames,
    reports_and_fills,
    requests,
    strategy_assignments,
)
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import repost_symbol
from fillbook.core.orders import open_quantities
from fillbook.model.account.instruction import AccountInstructed, AccountInstructionClosed
from fillbook.model.account.token import TokenCreated, TokenRevoked
from fillbook.model.journal.overlay import RecordReader
from fillbook.model.orders.open_quantity import OpenQuantity

#: The version of the rules by which records are computed.  A release that computes other records
#: from the same journal increments it; a store of an older version is rebuilt when it is opened.
RULES: Final = 16


@m.exact
def apply(entry: m.Entry, number: int, at: m.Timestamp, before: RecordReader) -> m.Changes:
    """Return the changes of the records by *entry*, which is numbered *number*, *at* that time."""
    draft = Draft(before, number, at)
    _apply_entry(draft, entry)
    corporate_actions.follow(draft)
    _update_sums(draft)
    for old, new in draft.orders():
        if new.order.is_final and not (old is not None and old.order.is_final):
            draft.emit(m.EventKind.FINAL, symbol=new.terms.symbol, order=new.order)
        alert = alert_of(old, new)
        if alert is not None:
            draft.emit(m.EventKind.ALERT, symbol=new.terms.symbol, order=new.order, alert=alert)
    return draft.changes()


def _update_sums(draft: Draft) -> None:
    """Update the sums of the open orders by those that changed or were removed."""
    gone = [(draft.before.get(m.OrderRecord, x), None) for x in draft.removed(m.OrderRecord)]
    for sums in open_quantities.updated([*draft.orders(), *gone], draft.before, draft):
        if sums.sums:
            draft.put(sums)
        else:
            draft.drop(OpenQuantity, sums.symbol)


#: The statuses that raise an alert, with its message.
_STATUS_ALERTS: Final = {
    m.OrderStatus.ABSENT: (
        m.AlertKind.ABSENT,
        "the broker never had it; it is still queried, in case it is accepted late",
    ),
    m.OrderStatus.DISPUTED: (
        m.AlertKind.DISPUTED,
        "its evidence contradicts itself; check the order at the broker",
    ),
}


def alert_of(before: m.OrderRecord | None, after: m.OrderRecord) -> m.Alert | None:
    """Return the alert that a change of an order raises; None: it raises none."""
    name, status = after.client_order_id, after.order.status
    if before is None:
        return None
    status_before = before.order.status
    if status_before is m.OrderStatus.ABSENT and status is not m.OrderStatus.ABSENT:
        words = (
            f"order {name} was concluded absent, and the broker reports it as {status}. It counts "
            "again: cancel it if it is not wanted"
        )
        return m.Alert(m.AlertKind.LANDED_LATE, name, words)
    late = [x for x in after.order.anomalies if x.oddity is m.Oddity.LANDED_LATE]
    if set(late) - set(before.order.anomalies):
        words = f"a request on order {name} was accepted after it was abandoned: {late[-1].detail}"
        return m.Alert(m.AlertKind.LANDED_LATE, name, words)
    if status in _STATUS_ALERTS and status is not status_before:
        kind, words = _STATUS_ALERTS[status]
        return m.Alert(kind, name, f"order {name} is {status}: {words}")
    return None


def _apply_entry(draft: Draft, entry: m.Entry) -> None:
    match entry:
        case m.Reported():
            reports_and_fills.apply_report(draft, entry.report, entry, None)
        case m.Executed():
            reports_and_fills.apply_execution(draft, entry.execution)
        case m.Busted():
            reports_and_fills.apply_bust(draft, entry.bust)
        case m.HistoryRead():
            reports_and_fills.apply_history_read(draft, entry.broker_order_id)
        case m.DisputeSettled():
            reports_and_fills.apply_settlement(draft, entry)
        case m.ActivityReported():
            activities.apply_activity(draft, entry.activity)
        case (
            m.Intended()
            | m.Instructed()
            | m.InstructionClosed()
            | m.Commanded()
            | m.Answered()
            | m.IntentDenied()
            | m.ChangeClosed()
            | m.ConcludedAbsent()
            | m.ResolvedAbsent()
        ):
            requests.apply_request(draft, entry)
        case m.NotFoundAfterSeen():
            reports_and_fills.apply_not_found(draft, entry)
        case m.BalanceAdjusted():
            activities.apply_balance_adjustment(draft, entry)
        case m.CashAdjusted():
            cash.adjust(draft, entry)
        case m.Assigned():
            strategy_assignments.apply_assignment(draft, entry)
        case m.DriftFound() | m.DriftCleared():
            activities.apply_drift(draft, entry)
        case m.PlanMade() | m.PlanMoved() | m.StepMoved():
            plans.apply_plan(draft, entry)
        case m.ProtectionSet() | m.ProtectionEnded():
            plans.apply_protection(draft, entry)
        case AccountInstructed() | AccountInstructionClosed():
            plans.apply_account_instruction(draft, entry)
        case TokenCreated() | TokenRevoked():
            plans.apply_token(draft, entry)
        case m.TradesSettled():
            plans.apply_settled_trades(draft, entry)
        case m.Bound():
            _bind(draft, entry)
        case m.Rebuilt():
            pass  # a rebuild already applied the present rules to every entry
        case m.InstrumentListed():
            renames.list_instrument(draft, entry.instrument)
        case m.PairListed():
            if draft.get(m.Pair, entry.pair.symbol) != entry.pair:
                draft.put(entry.pair)
                repost_symbol(draft, entry.pair.symbol)
        case m.Alerted():
            draft.emit(m.EventKind.ALERT, alert=entry.alert)
        case _:
            assert_never(entry)


def _bind(draft: Draft, entry: m.Bound) -> None:
    bound = m.Binding(
        entry.account,
        entry.clocked,
        entry.replace_cum,
        entry.base_fee,
        entry.reserve_rule,
        RULES,
        entry.currency,
        entry.duplicate_check,
    )
    draft.put(bound)
