"""
The movements of a fill: its base, what it was paid with, and its fee.

A fill of a pair adds to the position that holds its base.  Its quote is cash, or units of another
position: then a payment moves them, whose P&L in the currency of that position is unknown.  A fee
in base units reduces the quantity, a fee in the quote currency the payment; a fee in a third
currency is a payment of its own.

Other half: `core.journal.evidence_posting`, which posts them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs, reservation
from fillbook.core.journal.draft import Draft, binding
from fillbook.core.orders.evidence import base_qty
from fillbook.core.symbol_names import resolve
from fillbook.model import EXACT, ZERO
from fillbook.model.journal.kinds import fact_key

_PAYMENT: Final = "/payment"
_FEE: Final = "/fee"


def key_of(fill_key: str) -> str:
    """Return the key of the payment of a fill."""
    return fill_key + _PAYMENT


def fill_key(key: str) -> str:
    """Return the key of the fill to which a movement belongs: itself, its payment or its fee."""
    return key.removesuffix(_PAYMENT).removesuffix(_FEE)


def movements_of(draft: Draft, record: m.OrderRecord, x: m.Execution) -> list[m.Movement]:
    """Return the movements of one execution; the first is the fill."""
    key, x = fact_key(x), evolve(x, symbol=resolve(draft, x.symbol, x.at))
    pair, sign = draft.get(m.Pair, x.symbol), record.terms.side.sign
    qty = base_qty(x)
    value = x.qty if x.in_quote else EXACT.multiply(qty, x.price or ZERO)
    fee_in_base, fee, other_fee = _split_fee(draft, x, pair)
    paid = EXACT.subtract(-value * sign, fee or ZERO)
    fill = m.Movement(
        key=key,
        symbol=x.symbol if pair is None else pair.holding,
        kind=m.MoveKind.FILL,
        at=x.at,
        cum=x.cum_qty or ZERO,
        qty=EXACT.subtract(qty * sign, fee_in_base),
        price=x.price,
        cash=paid,
        fee=fee,
        fee_rate=ZERO if x.fee is not None else _fee_rate(draft, x.symbol),
        strategy=record.strategy,
        owner=x.broker_order_id,
        reason=str(x.source),
        currency=pairs.quote_currency(draft, pair),
        other_fee=other_fee,
        fee_from=None if other_fee is None else x.fee_from,
    )
    movements = _with_payment(draft, record, fill, pair)
    if other_fee is not None and x.fee_from is not None:
        movements.append(_payment(fill, fill.key + _FEE, x.fee_from, -other_fee.value))
    return movements


def inferred_movements(
    draft: Draft, record: m.OrderRecord, of_id: m.Evidence, key: str, at: m.Timestamp
) -> list[m.Movement]:
    """Return the movements of the inferred fill of one id (step 11), under *key*."""
    symbol, sign = record.terms.symbol, record.terms.side.sign
    pair = draft.get(m.Pair, symbol)
    fill = m.Movement(
        key=key,
        symbol=symbol if pair is None else pair.holding,
        kind=m.MoveKind.FILL,
        at=at,
        cum=EXACT.add(of_id.chosen.cum, of_id.gap),
        qty=of_id.gap * sign,
        price=of_id.gap_price,
        cash=None if of_id.gap_price is None else of_id.gap * of_id.gap_price * -sign,
        fee_rate=_fee_rate(draft, symbol),
        strategy=record.strategy,
        owner=of_id.broker_order_id,
        reason=str(m.ExecSource.INFERRED),
        currency=pairs.quote_currency(draft, pair),
    )
    return _with_payment(draft, record, fill, pair)


def _split_fee(
    draft: Draft, x: m.Execution, pair: m.Pair | None
) -> tuple[Decimal, Decimal | None, m.Amount | None]:
    """Return the fee in base units, in the quote currency (None: unknown), and in another one."""
    if x.fee is None:
        return ZERO, None, None
    fee_in_base = pairs.fee_in_base(x, pair)
    if fee_in_base is not None:
        return fee_in_base, None, None
    bound = binding(draft)
    quote = bound.currency if pair is None else pair.quote
    if not x.fee or not quote or x.fee_currency in (None, quote):
        return ZERO, x.fee, None
    return ZERO, ZERO, m.Amount(x.fee, pairs.other_currency(x.fee_currency, bound))


def _with_payment(
    draft: Draft, record: m.OrderRecord, fill: m.Movement, pair: m.Pair | None
) -> list[m.Movement]:
    """Return *fill*, and the movement of the units that it was paid in, if it was not paid cash."""
    if pair is None or pair.paid_from is None:
        return [fill]
    paid = evolve(fill, cash=ZERO)
    if fill.cash is None:
        return [paid]  # its price is unknown, and so are the units
    payment = _payment(fill, key_of(fill.key), pair.paid_from, fill.cash)
    if payment.qty > 0:
        payment = evolve(payment, fee_rate=_fee_rate_of_payment(draft, record, fill))
    return [paid, payment]


def _payment(fill: m.Movement, key: str, symbol: str, qty: Decimal) -> m.Movement:
    return m.Movement(
        key=key,
        symbol=symbol,
        kind=m.MoveKind.PAYMENT,
        at=fill.at,
        cum=fill.cum,
        qty=qty,
        cash=ZERO,
        strategy=fill.strategy,
        owner=fill.owner,
        reason=fill.reason,
    )


def _fee_rate_of_payment(draft: Draft, record: m.OrderRecord, fill: m.Movement) -> Decimal:
    """Return the share of what a sale brings in that its fee may take, while that is unknown."""
    reserve = None if record.intent is None else record.intent.reserve
    if fill.fee is not None or reserve is None:
        return fill.fee_rate
    return max(fill.fee_rate, reservation.fee_of(reserve, binding(draft).reserve_rule))


def _fee_rate(draft: Draft, symbol: str) -> Decimal:
    """Return the share of what a fill brings in that a later fee may take."""
    return binding(draft).base_fee if pairs.is_listed_as_crypto(draft, symbol) else ZERO
