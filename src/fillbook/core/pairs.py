"""
Pairs: which position and which cash a fill of an instrument changes.

A fill of a pair adds its base to one position, and takes its quote from another position or from
the cash in that currency.  An instrument without a pair is held under its own symbol, and paid in
the currency of the account.  Nothing is converted from one currency to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: Returns the pair of a symbol; None: it is no pair.
PairOf = Callable[[str], m.Pair | None]


def holding_of(records: RecordReader, symbol: str) -> str:
    """Return the symbol of the position to which a buy of *symbol* adds."""
    pair = records.get(m.Pair, symbol)
    return symbol if pair is None else pair.holding


def symbols_held_as(records: RecordReader, holding: str) -> list[str]:
    """Return the symbols whose fills add to the position *holding*; that symbol is the first."""
    others = (x.symbol for x in records.find(m.Pair, "holding", holding))
    return [holding, *(x for x in others if x != holding)]


def positions_of(records: RecordReader, symbol: str) -> tuple[str, ...]:
    """Return the symbols of the positions that a fill of *symbol* changes."""
    pair = records.get(m.Pair, symbol)
    if pair is None:
        return (symbol,)
    return (pair.holding,) if pair.paid_from is None else (pair.holding, pair.paid_from)


def quantum(records: RecordReader, holding: str) -> Decimal:
    """Return the rounding tolerance of the quantity of a position; 0: there is none."""
    listed = (records.get(m.Instrument, x) for x in symbols_held_as(records, holding))
    return max((x.quantum for x in listed if x is not None), default=ZERO)


def is_crypto(instrument: m.Instrument | None, pair: m.Pair | None) -> bool:
    """Return whether an instrument is crypto; one that is not listed yet is, if it is a pair."""
    if instrument is None:
        return pair is not None
    return instrument.asset_class is m.AssetClass.CRYPTO


def is_listed_as_crypto(records: RecordReader, symbol: str) -> bool:
    """Return whether *symbol* is crypto, by the record."""
    return is_crypto(records.get(m.Instrument, symbol), records.get(m.Pair, symbol))


def holds_crypto(records: RecordReader, holding: str) -> bool:
    """Return whether the units of the position *holding* are crypto."""
    return any(is_listed_as_crypto(records, x) for x in symbols_held_as(records, holding))


def quote_currency(records: RecordReader, pair: m.Pair | None) -> str | None:
    """Return the currency of the prices of *pair*; None: that of the account."""
    binding = records.get(m.Binding, "account")
    return None if pair is None else other_currency(pair.quote, binding)


def fee_in_base(x: m.Execution, pair: m.Pair | None) -> Decimal | None:
    """Return the fee of an execution of *pair* in base units; None: it is not paid in them."""
    return None if pair is None or x.fee_currency != pair.base else x.fee


def cash_in(records: RecordReader, currency: str | None) -> Decimal | None:
    """Return the cash by the record in *currency* (None: that of the account); None: unknown."""
    own = records.get(m.Cash, "cash")
    other = other_currency(currency, records.get(m.Binding, "account"))
    cash = own if other is None else records.get(m.Cash, m.cash_key(other))
    if cash is None:
        return None if own is None else ZERO
    return cash.amount


def other_currency(currency: str | None, binding: m.Binding | None) -> str | None:
    """Return *currency*, or None if it is that of the account."""
    own = "" if binding is None else binding.currency
    return None if own in ("", currency) else currency


def with_time_in_force(
    request: m.OrderRequest,
    pair: m.Pair | None,
    can: m.Capabilities,
    known: m.Intent | None = None,
) -> m.OrderRequest:
    """
    Return *request* with a time in force: the broker's default if the bot gave none.

    *known* is the intent that exists under its key: it keeps its default, although the pair may
    not have been known then.
    """
    if request.time_in_force is not m.TimeInForce.DEFAULT:
        return request
    default = can.time_in_force if pair is None else can.pair_time_in_force
    if known is not None and known.wish.time_in_force in (
        can.time_in_force,
        can.pair_time_in_force,
    ):
        default = known.wish.time_in_force
    return evolve(request, time_in_force=default)


def with_listings(
    entries: Sequence[m.Entry], records: RecordReader, pair_of: PairOf
) -> Iterator[m.Entry]:
    """Yield *entries*, each after the pairs that it names and that *records* have otherwise."""
    listed: set[str] = set()
    for entry in entries:
        for symbol in _symbols_of(entry):
            pair = None if symbol in listed else pair_of(symbol)
            listed.add(symbol)
            if pair is not None and records.get(m.Pair, symbol) != pair:
                yield m.PairListed(pair)
        yield entry


def _symbols_of(entry: m.Entry) -> list[str]:
    """Return the symbols of instruments that *entry* names."""
    match entry:
        case m.Reported():
            return [x.terms.symbol for x in (entry.report, *entry.report.legs)]
        case m.Executed():
            return [entry.execution.symbol]
        case m.Intended():
            return [entry.intent.request.symbol]
        case m.BalanceAdjusted():
            return [entry.symbol]
        case m.ActivityReported() if entry.activity.symbol is not None:
            return [entry.activity.symbol]
        case _:
            return []
