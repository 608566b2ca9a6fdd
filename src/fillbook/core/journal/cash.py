"""
The cash, by currency: a balance adjustment, the flows after it, and the fees posted later.

Of the fee of a sale only the maximum is known until its row is posted (`core.holdings.fees`).  A
row that pays the fee of a sale before the adjustment changes nothing: the balance includes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.holdings import fees
from fillbook.core.journal.draft import Draft, binding
from fillbook.core.journal.placing import is_included, is_part, placed
from fillbook.core.position import ADOPTED
from fillbook.core.symbol_names import resolve
from fillbook.model import EXACT, ZERO
from fillbook.model.journal.overlay import RecordReader


def post_fills(draft: Draft, gone: Iterable[m.Movement], new: Iterable[m.Movement]) -> None:
    """Replace the flows of fills, in each currency."""
    own = draft.get(m.Cash, "cash")
    if own is None:
        return  # the first adjustment adds the flows after it
    signed = [(x, -1) for x in gone] + [(x, 1) for x in new]
    fills = [(x, sign) for x, sign in signed if x.kind is m.MoveKind.FILL]
    currencies = {currency for x, _ in fills for currency in _currencies(x)}
    for currency in sorted(currencies, key=lambda x: x or ""):
        cash = _cash_in(draft, currency, own)
        for x, sign in fills:
            cash = _add_fill(cash, x, sign)
        draft.put(_settled(cash))


def post_activity(draft: Draft, activity: m.Activity) -> None:
    """Add the flow of an activity."""
    own = draft.get(m.Cash, "cash")
    if own is not None and activity.cash:
        activity = _with_present_symbol(draft, activity)
        cash = _cash_in(draft, pairs.other_currency(activity.currency, binding(draft)), own)
        draft.put(_settled(_add_activity(cash, activity)))


def _with_present_symbol(records: RecordReader, activity: m.Activity) -> m.Activity:
    """Return *activity* with the symbol that its fills have now."""
    if activity.symbol is None:
        return activity
    return evolve(activity, symbol=resolve(records, activity.symbol, activity.at))


def adjust(draft: Draft, entry: m.CashAdjusted) -> None:
    """Apply a balance adjustment: the flows after it are added to it."""
    currency = pairs.other_currency(entry.currency, binding(draft))
    before = draft.get(m.Cash, m.cash_key(currency))
    cash = m.Cash(
        currency=entry.currency,
        anchor=entry.amount,
        anchored_at=entry.at,
        by_ids=entry.by_ids,
        other=currency is not None,
        opened_at=entry.at if before is None else before.opened_at,
    )
    if entry.reason == ADOPTED and before is not None and before.amount is not None:
        cash = evolve(cash, adopted=EXACT.subtract(entry.amount, before.amount))
    _put_with_history(draft, [cash] if before is not None or cash.other else _opened(draft, cash))


def _cash_in(draft: Draft, currency: str | None, own: m.Cash) -> m.Cash:
    """Return the cash in *currency*; before its first flow it is 0 since the opening balance."""
    if currency is None:
        return own
    return draft.get(m.Cash, m.cash_key(currency)) or _empty(currency, own)


def _empty(currency: str, own: m.Cash) -> m.Cash:
    """Return the cash in a *currency* that the opening balance *own* does not name: none."""
    at = own.opened_at
    return m.Cash(
        currency=currency, anchor=ZERO, anchored_at=at, by_ids=own.by_ids, other=True, opened_at=at
    )


def _opened(draft: Draft, own: m.Cash) -> list[m.Cash]:
    """Return the opening balance *own*, and the cash in each other currency of the record."""
    named = {x for move in draft.before.all(m.Movement) for x in _currencies(move)}
    bound = binding(draft)
    rows = draft.before.all(m.Activity)
    named |= {pairs.other_currency(x.currency, bound) for x in rows if x.cash}
    return [own, *(_empty(x, own) for x in sorted(y for y in named if y is not None))]


def _put_with_history(draft: Draft, balances: Iterable[m.Cash]) -> None:
    """Put *balances*, just adjusted, with every flow of the record that is after them."""
    bound = binding(draft)
    for cash in balances:
        for movement in draft.before.all(m.Movement):
            if movement.kind is m.MoveKind.FILL:
                cash = _add_fill(cash, movement, 1)
        for activity in draft.before.all(m.Activity):
            is_ours = pairs.other_currency(activity.currency, bound) == _name(cash)
            if activity.cash and is_ours:
                cash = _add_known_activity(cash, _with_present_symbol(draft, activity))
        draft.put(_settled(cash))


def _name(cash: m.Cash) -> str | None:
    """Return the currency of *cash*; None: that of the account."""
    return cash.currency if cash.other else None


def _currencies(fill: m.Movement) -> list[str | None]:
    """Return the currencies in which a fill moves cash."""
    fee = fill.other_fee
    return [fill.currency, *([] if fee is None or fill.fee_from else [fee.currency])]


def _add_fill(cash: m.Cash, movement: m.Movement, sign: int) -> m.Cash:
    """Return *cash* with one more fill (*sign* -1: one less), as far as it is in its currency."""
    fee = movement.other_fee
    if fee is not None and fee.currency == _name(cash) and movement.fee_from is None:
        cash = _add_flow(cash, movement.at, -fee.value, sign)
    if movement.currency != _name(cash):
        return cash
    cash = _add_flow(cash, movement.at, movement.cash, sign)
    is_sale = movement.qty < 0 and movement.cash is not None and movement.fee is None
    if not is_sale or not movement.fee_rate or cash.anchored_at is None:
        return cash
    if sign < 0:
        return evolve(cash, dues=tuple(x for x in cash.dues if x.key != movement.key))
    due = m.Fee(
        key=movement.key,
        symbol=movement.symbol,
        at=movement.at,
        amount=EXACT.multiply(abs(movement.cash or ZERO), movement.fee_rate),
        price=movement.price,
        absorbed_at=cash.anchored_at if movement.at <= cash.anchored_at else None,
    )
    oldest = m.timestamp(m.moment(cash.anchored_at) - fees.POSTED_WITHIN)
    return cash if movement.at <= oldest else evolve(cash, dues=fees.add(cash.dues, due))


def _add_known_activity(cash: m.Cash, activity: m.Activity) -> m.Cash:
    """Return *cash*, just adjusted, with an activity of the record: a flow, or a part of it."""
    at = cash.anchored_at
    if at is None or not is_included(activity, at):
        return _add_activity(cash, activity)
    is_fee = fees.is_recent(activity, at) and activity.cash is not None and activity.cash < 0
    return _add_fee_row(cash, activity, min(activity.effective_at, at)) if is_fee else cash


def _add_activity(cash: m.Cash, activity: m.Activity) -> m.Cash:
    assert activity.cash is not None
    at, is_adopted = placed(
        activity, cash.anchored_at, is_part(activity.cash, cash.adopted), by_ids=cash.by_ids
    )
    if is_adopted:
        cash = evolve(cash, adopted=EXACT.subtract(cash.adopted, activity.cash))
    cash = _add_flow(cash, at, activity.cash, 1)
    if activity.kind is not m.ActivityKind.FEE or activity.cash > 0:
        return cash
    return _add_fee_row(cash, activity, at)


def _add_fee_row(cash: m.Cash, activity: m.Activity, at: m.Timestamp) -> m.Cash:
    """Return *cash* with a row that pays fees of sales."""
    row = m.Fee(
        key=activity.activity_id,
        symbol=activity.symbol or "",
        at=at,
        amount=-(activity.cash or ZERO),
        price=activity.price,
    )
    return evolve(cash, posted=tuple(sorted((*cash.posted, row), key=lambda x: (x.at, x.key))))


def _add_flow(cash: m.Cash, at: m.Timestamp, amount: Decimal | None, sign: int) -> m.Cash:
    """Return *cash* with one more flow (*sign* -1: one less), if it is after the adjustment."""
    if cash.anchored_at is None or at <= cash.anchored_at:
        return cash
    if amount is None:
        return evolve(cash, unknown=cash.unknown + sign)
    return evolve(cash, flows=EXACT.add(cash.flows, amount * sign))


@m.exact
def _settled(cash: m.Cash) -> m.Cash:
    """Return *cash* with what its posted rows pay; rows that are too old are settled for good."""
    newest = max((x.at for x in (*cash.dues, *cash.posted)), default=None)
    if newest is None:
        return cash
    oldest = m.timestamp(m.moment(newest) - fees.POSTED_WITHIN)
    dues, kept, flows, absorbed, left = cash.dues, list[m.Fee](), cash.flows, ZERO, cash.dues
    for number, row in enumerate(cash.posted):
        paid, left = fees.pay(left, row)
        is_after = cash.anchored_at is not None and row.at > cash.anchored_at
        part = min(row.amount, fees.total(paid, absorbed=True)) if is_after else ZERO
        if row.at < oldest or number < len(cash.posted) - fees.KEPT_MAX:
            flows, dues = flows + part, left
        else:
            absorbed += part
            kept.append(row)
    # A row that is kept may pay a fee that is older than itself.
    still_paid = m.timestamp(m.moment(oldest) - fees.POSTED_WITHIN)
    return evolve(
        cash,
        flows=flows,
        dues=tuple(x for x in dues if x.at >= still_paid),
        posted=tuple(kept),
        absorbed=absorbed,
        fee_due=fees.total(fees.current(left, newest), absorbed=False),
    )
