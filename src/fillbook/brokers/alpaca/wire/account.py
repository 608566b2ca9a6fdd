"""
Decode Alpaca's account, positions and activities.

Pure, by the rules of `orders`.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from typing import Final

from fillbook import model as m
from fillbook.brokers.alpaca.wire import enums
from fillbook.brokers.alpaca.wire.orders import NO_ALIASES, SymbolAliases, side, symbol
from fillbook.brokers.wire.fields import Row, array, row
from fillbook.model.text.foreign import foreign

#: With any of these Alpaca accepts no order, not even a reducing one.
_BLOCKS: Final = ("trading_blocked", "account_blocked", "trade_suspended_by_user")


def account(raw: object, host: str) -> m.AccountSnapshot:
    """
    Decode the account on *host*.

    The owner's configuration would be a second request (`/v2/account/configurations`) and is
    not read: `suspend_trade`, `no_shorting` and `max_margin_multiplier` have an effect on the
    account, and for the other settings Alpaca rejects the order with a message.
    """
    found = row(raw, "account")
    status = found.text("status")
    blocked = [name for name in _BLOCKS if found.flag(name)]
    if status not in (None, "ACTIVE"):
        blocked.append(foreign(f"status {status}"))
    restricted = ["transfers_blocked"] if found.flag("transfers_blocked") else []
    if found.fields.get("shorting_enabled") is False:
        restricted.append("no shorting")
    return m.AccountSnapshot(
        account=m.AccountId("alpaca", host, found.need_text("id")),
        currency=found.text("currency") or "USD",
        cash=found.need_number("cash"),
        equity=found.need_number("equity"),
        buying_power=found.need_number("buying_power"),
        non_marginable_buying_power=found.number("non_marginable_buying_power"),
        multiplier=found.above_zero("multiplier") or Decimal(1),
        long_market_value=found.number("long_market_value"),
        short_market_value=found.number("short_market_value"),
        blocked=tuple(blocked),
        restricted=tuple(restricted),
    )


def positions(raw: object, aliases: SymbolAliases = NO_ALIASES) -> tuple[m.PositionSnapshot, ...]:
    """Decode the positions; a short position has a negative quantity."""
    return tuple(_position(row(each, "position"), aliases) for each in array(raw, "positions"))


def _position(found: Row, aliases: SymbolAliases) -> m.PositionSnapshot:
    name = found.need_text("symbol")
    found = Row(f"position {name}", found.fields)
    qty = found.need_number("qty")
    if found.text("side") == "short":
        qty = -abs(qty)
    return m.PositionSnapshot(
        symbol=symbol(found, aliases),
        qty=qty,
        qty_available=found.number("qty_available"),
        avg_price=found.above_zero("avg_entry_price"),
        market_value=found.number("market_value"),
        price=found.above_zero("current_price"),
    )


def last_id(raw: object) -> str | None:
    """Return the id of the last row, which is the cursor of the next page; None without rows."""
    rows = array(raw, "activities")
    return row(rows[-1], "activity").need_text("id") if rows else None


def executions(raw: object, aliases: SymbolAliases = NO_ALIASES) -> tuple[m.Execution, ...]:
    """Decode a page of FILL activities.  Source: https://docs.alpaca.markets/docs/account-activities."""
    return tuple(_execution(row(each, "fill"), aliases) for each in array(raw, "fills"))


def _execution(found: Row, aliases: SymbolAliases) -> m.Execution:
    found_side = side(found)
    if found_side is None:
        raise found.invalid("side", "buy or sell")
    if found.text("type") == "trade_bust":
        # Busts have not been observed in the history; as a fill, one would count twice.
        raise found.invalid("type", "fill or partial_fill")
    return m.Execution(
        source=m.ExecSource.HISTORY,
        exec_id=found.need_text("id"),
        broker_order_id=found.need_text("order_id"),
        symbol=symbol(found, aliases) or found.need_text("symbol"),
        side=found_side,
        qty=_fill_qty(found),
        price=_fill_price(found),
        at=found.need_time("transaction_time"),
        cum_qty=found.number("cum_qty"),
        fixes=found.text("previous_id"),
    )


def _fill_qty(found: Row) -> Decimal:
    qty = abs(found.need_number("qty"))
    if not qty:
        raise found.invalid("qty", "above zero")
    return qty


def _fill_price(found: Row) -> Decimal:
    price = found.need_number("price")
    if price <= 0:
        raise found.invalid("price", "above zero")
    return price


def activities(raw: object, aliases: SymbolAliases = NO_ALIASES) -> tuple[m.Activity, ...]:
    """
    Decode a page of activities that are no trades.

    `executions` decodes the fills among them; a canceled row has no effect.
    """
    rows = (row(each, "activity") for each in array(raw, "activities"))
    return tuple(
        _activity(each, aliases)
        for each in rows
        if each.text("activity_type") != "FILL" and each.text("status") != "canceled"
    )


def _activity(found: Row, aliases: SymbolAliases) -> m.Activity:
    kind = found.enum("activity_type", enums.ACTIVITIES, m.ActivityKind.OTHER)
    time_of_row, moved = found.time("transaction_time"), _moved_qty(found, kind)
    return m.Activity(
        activity_id=found.need_text("id"),
        kind=kind,
        at=time_of_row or _edge_of_day(found, kind, moved),
        symbol=symbol(found, aliases) or None,
        qty=moved,
        price=found.above_zero("price"),
        cash=found.number("net_amount"),
        ratio=found.above_zero("ratio") or _ratio_of_text(found, kind),
        raw_kind=found.text("activity_type") or "",
        description=found.text("description") or "",
        dated=time_of_row is None,
        group_id=found.text("group_id") or None,
        source=_source(found, aliases),
    )


def _moved_qty(found: Row, kind: m.ActivityKind) -> Decimal | None:
    """
    Return the units that a row moves.

    Those of an amount per unit, of any kind, are the position that it is for.  So are those of a
    dividend, unless it pays no cash: then they are the dividend.  The sub-type does not tell: cash
    dividends have been listed as SDIV.
    """
    is_dividend = kind is m.ActivityKind.DIVIDEND
    is_cash = found.number("per_share_amount") or (is_dividend and found.number("net_amount"))
    return None if is_cash else found.number("qty")


#: The only figures of some rows of splits: "REMOVE, From QTY:10, To QTY:30, Position Value:1000".
_EXACTLY: Final = Context(traps=[Inexact, DivisionByZero, InvalidOperation])
_FROM_TO: Final = re.compile(r"From QTY: ?(-?[\d.]+), ?To QTY: ?(-?[\d.]+)", re.ASCII)


def _ratio_of_text(found: Row, kind: m.ActivityKind) -> Decimal | None:
    """Return the ratio of a split whose text reports both quantities of the position."""
    text = _FROM_TO.search(found.text("description") or "")
    if kind is not m.ActivityKind.SPLIT or text is None:
        return None
    try:
        old, new = (abs(Decimal(each)) for each in text.groups())
        ratio = _EXACTLY.divide(new, old)
    except ArithmeticError:
        return None
    return ratio if ratio > 0 else None


def _source(found: Row, aliases: SymbolAliases) -> str | None:
    """Return the symbol whose units entitle to those of the row, if it is reported."""
    name = (found.text("source_symbol") or "").strip().upper()
    return aliases.get(name, name) or None


#: Effective before the day's first trade, as a dividend in units; other rows with a date only are
#: posted after the last.
_BEFORE_FIRST_TRADE: Final = frozenset(
    {
        m.ActivityKind.SPLIT,
        m.ActivityKind.SYMBOL_CHANGE,
        m.ActivityKind.MERGER,
        m.ActivityKind.SPIN_OFF,
    }
)


def _edge_of_day(found: Row, kind: m.ActivityKind, moved: Decimal | None) -> m.Timestamp:
    day = found.day("date")
    in_units = kind is m.ActivityKind.DIVIDEND and moved
    edge = time.min if in_units or kind in _BEFORE_FIRST_TRADE else time.max
    return m.timestamp(datetime.combine(day, edge, enums.NEW_YORK))
