"""
What is odd in the facts about an order: contradictions, and reports that came too late.

An anomaly never refuses a report.  It is computed from the facts alone, so that the order of
arrival does not matter (promise P5).

Other half: `core.orders.lifecycle`, which shows the anomalies with the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.orders import instructions
from fillbook.core.orders.corrections_and_busts import DISPUTED_ODDITIES
from fillbook.core.orders.evidence import current_snapshot, is_filled_confirmed
from fillbook.core.orders.lineage import clock_of, tip_of
from fillbook.core.orders.totals import EvidenceContext, average_differs, reported_at, total_of
from fillbook.model import ZERO

_S = m.OrderStatus
#: What makes an order DISPUTED by its executions and its reports together.
_FROM_REPORTS: Final = frozenset({m.Oddity.BUST_UNCONFIRMED, m.Oddity.AVERAGE_DIFFERS})

#: The maximum difference between the broker's clock and ours.
CLOCK_SKEW: Final = timedelta(minutes=5)


#: The terms that an order has from its creation; a broker may change them in place later.
_CHANGEABLE: Final = ("qty", "notional", "limit_price", "stop_price")


def is_of_older_create(record: m.OrderRecord, created_at: m.Timestamp | None) -> bool:
    """
    Return whether an order of our client order id was created before the create that we sent.

    It is of an older create then, of a record that was lost.  Where the broker checks no
    duplicates, it proves nothing about ours.
    """
    is_sent = any(x.command is m.Command.SEND for x in record.requests)
    if record.intent is None or created_at is None or not is_sent:
        return False
    return not _is_of(record.intent, created_at)


def is_another_order(record: m.OrderRecord, evidence: m.Evidence) -> bool:
    """
    Return whether the broker's order of our client order id is certainly another order.

    It happens where a store was lost, and the id was used a second time.  Symbol and side never
    change; other terms contradict ours only if it was created before the create that we sent.  A
    value that is not reported contradicts nothing.
    """
    intent, terms = record.intent, evidence.terms
    if intent is None or terms is None or evidence.replaces is not None:
        return False
    request = intent.request
    if (request.symbol, request.side) != (terms.symbol, terms.side):
        return True
    is_older = is_of_older_create(record, evidence.created_at)
    return is_older and any(_differs(request, terms, x) for x in _CHANGEABLE)


def has_other_terms(record: m.OrderRecord, evidence: m.Evidence) -> bool:
    """
    Return whether the broker's order of our client order id is, or may be, another order.

    Another quantity alone is no other order if it was created after our intent: the broker has
    changed it in place.
    """
    if is_another_order(record, evidence):
        return True
    intent, terms, created_at = record.intent, evidence.terms, evidence.created_at
    if intent is None or terms is None or evidence.replaces is not None:
        return False
    is_later = created_at is not None and _is_of(intent, created_at)
    return _differs(intent.request, terms, "qty") and not is_later


def _is_of(intent: m.Intent, created_at: m.Timestamp) -> bool:
    """Return whether an order created at that time by the broker's clock may be of *intent*."""
    return m.moment(created_at) >= m.moment(intent.at) - CLOCK_SKEW


def _differs(request: m.OrderRequest, terms: m.Terms, name: str) -> bool:
    """Return whether both have a value of that name, and not the same."""
    ours, theirs = getattr(request, name), getattr(terms, name)
    return None not in (ours, theirs) and bool(ours != theirs)


def is_contradictory(anomalies: Iterable[m.Anomaly]) -> bool:
    """Return whether the executions and reports of an order contradict each other."""
    return any(x.oddity in DISPUTED_ODDITIES or x.oddity in _FROM_REPORTS for x in anomalies)


def anomalies_of(
    record: m.OrderRecord,
    evidence: Sequence[m.Evidence],
    counted_qty: Decimal,
    context: EvidenceContext,
) -> tuple[m.Anomaly, ...]:
    """Return the anomalies, from the facts alone: they do not depend on the order of arrival."""
    found: set[m.Anomaly] = set()
    for e in evidence:
        found |= {
            m.Anomaly(odd, e.broker_order_id, detail) for odd, detail in _oddities(e, context)
        }
        qty = (e.terms or record.terms).qty
        if qty is not None and e.filled > qty + context.quantum:
            detail = f"{m.plain(e.filled)} of {m.plain(qty)}"
            found.add(m.Anomaly(m.Oddity.OVERFILL, e.broker_order_id, detail))
        if has_other_terms(record, e):
            found.add(m.Anomaly(m.Oddity.OTHER_BODY, e.broker_order_id))
    if (
        record.verdict is not None
        and record.verdict.status in (_S.ABSENT, _S.REJECTED)
        and not record.verdict.resolved
    ):
        first_id = min(e.broker_order_id for e in evidence)
        found.add(m.Anomaly(m.Oddity.LANDED_LATE, first_id, record.verdict.why))
    filled, requested = sum((e.filled for e in evidence), ZERO), instructions.requested_qty(record)
    if requested is not None and len(evidence) > 1 and filled > requested + context.quantum:
        detail = f"{m.plain(filled)} of {m.plain(requested)}"
        tip = tip_of(evidence).broker_order_id
        found.add(m.Anomaly(m.Oddity.OVERFILL, tip, detail))
    closed = {x.change.client_order_id: x.closed for x in record.instructions if x.change}
    for e in evidence:
        why = closed.get(e.name or "")
        if why is not None:
            found.add(m.Anomaly(m.Oddity.LANDED_LATE, e.broker_order_id, why))
    if _is_bust_unconfirmed(evidence, counted_qty, record.terms.qty, context):
        found.add(m.Anomaly(m.Oddity.BUST_UNCONFIRMED, tip_of(evidence).broker_order_id))
    return tuple(sorted(found))


def _oddities(e: m.Evidence, context: EvidenceContext) -> list[tuple[m.Oddity, str]]:
    """Return the anomalies of one broker id, each with its detail."""
    found = list(e.oddities)
    found += [(m.Oddity.CONFLICTING_EXECUTION, exec_id) for exec_id in e.conflicts]
    found += [(m.Oddity.ODD_EXECUTION, exec_id) for exec_id in e.odd_executions]
    if e.not_found:
        found.append((m.Oddity.NOT_FOUND_AFTER_SEEN, ""))
    if e.word is not None and e.word.avg is not None and average_differs(e):
        found.append((m.Oddity.AVERAGE_DIFFERS, m.plain(e.word.avg)))
    current = current_snapshot(e, clocked=context.clocked)
    if current is None:
        return found
    snaps = [current] if e.loose is None else [current, e.loose]
    totals = [x for snap in snaps if (x := total_of(e, snap)) is not None]
    if not e.quote_sized and not _includes_executions(current, e):
        totals.append(e.chosen.cum)
    # A bust lowers the broker's total, or not.
    if totals and max(totals) < (e.chosen.net if e.amended else e.chosen.gross):
        found.append((m.Oddity.CUM_BELOW_EXECUTIONS, m.plain(max(totals))))
    filled = max(e.filled, *(x.cum for x in snaps))
    if _is_filled_short(current, e, filled, context):
        found.append((m.Oddity.FILLED_SHORT, m.plain(filled)))
    if current.status is _S.REJECTED and e.filled > 0:
        found.append((m.Oddity.REJECTED_WITH_FILLS, m.plain(e.filled)))
    total = total_of(e, current)
    if current.status in m.ENDINGS and total is not None and e.chosen.net > total:
        found.append((m.Oddity.FILL_AFTER_END, m.plain(e.filled)))
    if e.end is not None and current is not e.end:
        found.append((m.Oddity.REOPENED, str(e.end.status)))
    if current.status is _S.UNRECOGNISED:
        found.append((m.Oddity.UNRECOGNISED_WORD, current.version.raw if current.version else ""))
    return found


def _includes_executions(snap: m.OrderSnapshot, e: m.Evidence) -> bool:
    """Return whether a snapshot is later than every execution, so that its total has them."""
    reported, latest = reported_at(snap), e.chosen.latest_at
    return reported is not None and latest is not None and reported >= latest


def _is_filled_short(
    snap: m.OrderSnapshot, e: m.Evidence, filled: Decimal, context: EvidenceContext
) -> bool:
    """Return whether FILLED is reported of less than the quantity; a replaced id fills a part."""
    qty = None if e.terms is None or e.replaces is not None else e.terms.qty
    return snap.status is _S.FILLED and qty is not None and filled < qty - context.quantum


def _is_bust_unconfirmed(
    evidence: Sequence[m.Evidence],
    counted_qty: Decimal,
    qty: Decimal | None,
    context: EvidenceContext,
) -> bool:
    """Return whether a filled order lost a fill, and no report since then reflects it."""
    tip = tip_of(evidence)
    current = current_snapshot(tip, clocked=context.clocked)
    if current is None or current.status is not _S.FILLED or not any(e.amended for e in evidence):
        return False
    is_short = counted_qty < qty if qty is not None else tip.filled < current.cum
    if not is_short or current.cum == tip.filled or is_filled_confirmed(tip):
        return False
    return tip.busted_at is None or clock_of(current) <= tip.busted_at
