"""
Decode Alpaca's instruments, sessions and quotes.

Pure, by the rules of `orders`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.brokers.alpaca.wire import enums
from fillbook.brokers.wire.fields import Row, array, row

#: Alpaca accepts quantities with nine decimal places, of shares and crypto.
_QTY_STEP: Final = Decimal("0.000000001")

#: The currency of every account's cash.
_DOLLAR: Final = "USD"

#: Alpaca enforces this minimum in quote currency; the asset list has about one unit.
_CRYPTO_MIN_NOTIONAL: Final = Decimal(10)


def instruments(raw: object) -> tuple[m.Instrument, ...]:
    """Decode the asset list."""
    return tuple(_instrument(row(each, "asset")) for each in array(raw, "assets"))


def instrument(raw: object) -> m.Instrument:
    """Decode one asset."""
    return _instrument(row(raw, "asset"))


def _instrument(found: Row) -> m.Instrument:
    name = found.need_text("symbol").upper()
    found = Row(f"asset {name}", found.fields)
    asset_class = found.enum("class", enums.ASSET_CLASSES, m.AssetClass.UNRECOGNISED)
    crypto = asset_class is m.AssetClass.CRYPTO
    other_names = (found.text("id"), name.replace("/", "") if crypto else None)
    whole_units = not found.flag("fractionable") and not crypto
    return m.Instrument(
        symbol=name,
        asset_class=asset_class,
        aliases=tuple(each for each in other_names if each and each != name),
        tradable=found.flag("tradable") and found.text("status") in (None, "active"),
        fractionable=not whole_units,
        shortable=found.flag("shortable") and _easy_to_borrow(found),
        marginable=found.flag("marginable"),
        qty_increment=Decimal(1)
        if whole_units
        else found.above_zero("min_trade_increment") or _QTY_STEP,
        price_increment=found.above_zero("price_increment"),
        min_qty=found.above_zero("min_order_size"),
        min_notional=_CRYPTO_MIN_NOTIONAL if crypto else None,
    )


def _easy_to_borrow(found: Row) -> bool:
    # `borrow_status` follows `easy_to_borrow`, which ended in September 2026.
    status = found.text("borrow_status")
    if status is not None:
        return status == "easy_to_borrow"
    return found.fields.get("easy_to_borrow") is not False


def crypto_aliases(listed: Iterable[m.Instrument]) -> dict[str, str]:
    """Map every alias of the crypto pairs in *listed* to our symbol."""
    crypto = (each for each in listed if each.asset_class is m.AssetClass.CRYPTO)
    return {alias: each.symbol for each in crypto for alias in each.aliases}


def pair(symbol: str) -> m.Pair | None:
    """
    Return the currencies of a crypto pair, from its symbol: ``BASE/QUOTE``.

    The cash of an account is in dollars only: every other currency is a position, which Alpaca
    reports under the pair of that currency with the dollar, whatever pair it was bought in
    (https://docs.alpaca.markets/docs/crypto-trading).
    """
    base, slash, quote = symbol.partition("/")
    if not slash:
        return None
    paid_from = None if quote == _DOLLAR else f"{quote}/{_DOLLAR}"
    return m.Pair(symbol, base, quote, f"{base}/{_DOLLAR}", paid_from, paid_from)


def sessions(raw: object) -> tuple[m.Session, ...]:
    """Decode the calendar; its times have no zone and are New York's."""
    return tuple(_session(row(each, "day")) for each in array(raw, "calendar"))


def _session(found: Row) -> m.Session:
    day = found.day("date")
    opens, closes = _utc_time(found, day, "open"), _utc_time(found, day, "close")
    if opens is None or closes is None:
        raise found.invalid("open" if opens is None else "close", "a time")
    return m.Session(
        day=day,
        opens=opens,
        closes=closes,
        extended_opens=_utc_time(found, day, "session_open") or opens,
        extended_closes=_utc_time(found, day, "session_close") or closes,
    )


def _utc_time(found: Row, day: date, name: str) -> datetime | None:
    """Read ``"09:30"`` or ``"0930"`` of New York, as UTC; None if invalid."""
    digits = (found.text(name) or "").replace(":", "")
    if len(digits) != 4 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        wall = datetime.combine(day, time(int(digits[:2]), int(digits[2:])), enums.NEW_YORK)
        return wall.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def quotes(raw: object) -> tuple[m.Quote, ...]:
    """Decode the latest quotes; leave out a quote without a bid, an ask or a time."""
    listed = row(raw, "quotes").row("quotes")
    found = {} if listed is None else listed.fields
    made = (_quote(str(name), row(each, f"quote {name}")) for name, each in found.items() if each)
    return tuple(each for each in made if each is not None)


def _quote(name: str, found: Row) -> m.Quote | None:
    bid, ask, at = found.above_zero("bp"), found.above_zero("ap"), found.time("t")
    if bid is None or ask is None or at is None:
        return None
    return m.Quote(name.upper(), bid, ask, m.moment(at))
