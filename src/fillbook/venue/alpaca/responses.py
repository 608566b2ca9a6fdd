"""
The values of the exchange, encoded as Alpaca's JSON.

Amounts and quantities are strings; the keys are those of recorded payloads since July 2026.
Source: https://docs.alpaca.markets/reference/getallorders-1 and the pages beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from attrs import asdict

from fillbook import model as m
from fillbook.venue.exchange import (
    AccountReport,
    Activity,
    ActivityKind,
    Block,
    Configurations,
    Event,
    Exchange,
    Fill,
    OrderVersion,
    PositionReport,
)

Json = dict[str, object]

#: A value that is unknown to every client, because the real service adds values too.
UNKNOWN_WORD: Final = "under_deliberation"
NEW_YORK: Final = ZoneInfo("America/New_York")

_CLASSES: Final = {
    m.AssetClass.EQUITY: "us_equity",
    m.AssetClass.CRYPTO: "crypto",
    m.AssetClass.OPTION: "us_option",
}
_EXCHANGES: Final = {m.AssetClass.EQUITY: "NASDAQ", m.AssetClass.CRYPTO: "CRYPTO"}
_SUB_TYPES: Final = {ActivityKind.NAME_CHANGE: "SNC", ActivityKind.WORTHLESS: "WRM"}
_CENT: Final = Decimal("0.01")
_RATIO: Final = Decimal("0.0000000001")


def _text(value: Decimal | None) -> str | None:
    return None if value is None else m.plain(value)


def _money(value: Decimal) -> str:
    return m.plain(value.quantize(_CENT)) if value else "0"


def asset_class(value: m.AssetClass) -> str:
    return _CLASSES.get(value, value.value)


def order(exchange: Exchange, value: OrderVersion) -> Json:
    """Encode an order, with its legs nested if *value* has them."""
    body: Json = {
        "id": value.id,
        "client_order_id": value.client_order_id,
        "created_at": value.created_at,
        "updated_at": value.updated_at,
        "submitted_at": value.submitted_at,
        "filled_at": value.filled_at,
        "expired_at": value.expired_at,
        "canceled_at": value.canceled_at,
        "failed_at": value.failed_at,
        "replaced_at": value.replaced_at,
        "replaced_by": value.replaced_by,
        "replaces": value.replaces,
        "asset_id": exchange.instrument_id(value.symbol),
        "symbol": value.symbol,
        "asset_class": asset_class(value.asset_class),
        "notional": _text(value.notional),
        "qty": _text(value.qty),
        "filled_qty": m.plain(value.filled_qty),
        "filled_avg_price": _text(value.filled_avg_price),
        # Alpaca sends "" for simple orders; clients must treat "" and "simple" as the same.
        "order_class": "" if value.order_class is m.OrderClass.SIMPLE else value.order_class,
        "order_type": value.type,
        "type": value.type,
        "side": value.side,
        "time_in_force": value.time_in_force,
        "limit_price": _text(value.limit_price),
        "stop_price": _text(value.stop_price),
        "status": str(value.status),
        "extended_hours": value.extended_hours,
        "legs": [order(exchange, leg) for leg in value.legs] or None,
        "trail_percent": _text(value.trail_percent),
        "trail_price": _text(value.trail_price),
        "hwm": _text(value.hwm),
        "subtag": None,
        "source": None,
    }
    if value.expires_at is not None:
        body["expires_at"] = value.expires_at
    return body


def event(exchange: Exchange, value: Event) -> Json:
    """Encode an event as a frame of the stream."""
    data: Json = {
        "event": value.name,
        "execution_id": value.execution_id,
        "timestamp": value.at,
        "order": order(exchange, value.order),
    }
    optional = {
        "price": _text(value.price),
        "qty": _text(value.qty),
        "position_qty": _text(value.position_qty),
        "previous_id": value.previous_id,
        "reason": value.order.reason,
    }
    data |= {name: value for name, value in optional.items() if value is not None}
    return {"stream": "trade_updates", "data": data}


def with_unknown_event(frame: Json) -> Json:
    """Return *frame* with an unknown event name."""
    data = frame["data"]
    assert isinstance(data, dict)
    return frame | {"data": data | {"event": UNKNOWN_WORD}}


def position(exchange: Exchange, value: PositionReport) -> Json:
    instrument = exchange.instrument(value.symbol)
    gain = value.market_value - value.cost_basis
    share = gain / abs(value.cost_basis) if value.cost_basis else Decimal(0)
    return {
        "asset_id": exchange.instrument_id(value.symbol),
        # Orders have the symbol BTC/USD, positions BTCUSD.
        "symbol": value.symbol.replace("/", ""),
        "exchange": _EXCHANGES.get(value.asset_class, ""),
        "asset_class": asset_class(value.asset_class),
        "asset_marginable": instrument is not None and instrument.marginable,
        "qty": m.plain(value.qty),
        "qty_available": m.plain(value.qty_available),
        "avg_entry_price": m.plain(value.avg_price),
        "side": "short" if value.qty < 0 else "long",
        "market_value": m.plain(value.market_value),
        "cost_basis": m.plain(value.cost_basis),
        "unrealized_pl": m.plain(gain),
        "unrealized_plpc": m.plain(share.quantize(_RATIO)),
        "unrealized_intraday_pl": m.plain(gain),
        "unrealized_intraday_plpc": m.plain(share.quantize(_RATIO)),
        "current_price": m.plain(value.price),
        "lastday_price": m.plain(value.price),
        "change_today": "0",
    }


def account(now: datetime, value: AccountReport) -> Json:
    return {
        "id": value.id,
        "account_number": value.number,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "crypto_tier": 1,
        "currency": "USD",
        "cash": _money(value.cash),
        "equity": _money(value.equity),
        "last_equity": _money(value.last_equity),
        "portfolio_value": _money(value.equity),
        "buying_power": _money(value.buying_power),
        "effective_buying_power": _money(value.buying_power),
        "regt_buying_power": _money(value.regt_buying_power),
        "non_marginable_buying_power": _money(value.non_marginable_buying_power),
        "options_buying_power": _money(value.non_marginable_buying_power),
        "options_trading_level": 2,
        "initial_margin": _money(value.initial_margin),
        "maintenance_margin": _money(value.maintenance_margin),
        "last_maintenance_margin": _money(value.maintenance_margin),
        "long_market_value": _money(value.long_market_value),
        "short_market_value": _money(value.short_market_value),
        "position_market_value": _money(value.long_market_value - value.short_market_value),
        "multiplier": str(value.multiplier),
        "sma": "0",
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "pending_transfer_in": "0",
        "intraday_adjustments": "0",
        "balance_asof": (now.astimezone(NEW_YORK) - timedelta(days=1)).date().isoformat(),
        "created_at": value.created_at,
        "shorting_enabled": value.shorting_enabled,
        **{block.value: block in value.blocks for block in Block},
        "trade_suspended_by_user": value.suspended,
        "admin_configurations": {},
        "user_configurations": None,
    }


def configurations(value: Configurations) -> Json:
    return asdict(value) | {"max_margin_multiplier": str(value.max_margin_multiplier)}


def fill(value: Fill) -> Json:
    """Encode a fill; the prefix of its id is the time in New York, to the millisecond."""
    local = m.moment(value.at).astimezone(NEW_YORK)
    return {
        "activity_type": "FILL",
        "id": f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{value.exec_id}",
        "order_id": value.order_id,
        "order_status": str(value.order_status),
        "symbol": value.symbol,
        "side": value.side,
        "qty": m.plain(value.qty),
        "price": m.plain(value.price),
        "cum_qty": m.plain(value.cum_qty),
        "leaves_qty": m.plain(value.leaves_qty),
        "transaction_time": value.at,
        "type": "fill" if value.is_last else "partial_fill",
    }


def activity(value: Activity) -> Json:
    """Encode a non-trade activity; it has a date and no time."""
    day = m.moment(value.at).astimezone(NEW_YORK).date()
    body: Json = {
        "id": f"{day:%Y%m%d}000000000::{value.id}",
        "activity_type": value.kind.value,
        "date": day.isoformat(),
        "net_amount": _text(value.cash) or "0",
        "description": value.description,
        "status": "executed",
    }
    optional = {
        "symbol": (value.symbol or "").replace("/", "") or None,
        "qty": _text(value.qty) if value.kind is not ActivityKind.CASH else None,
        "price": _text(value.price),
        "activity_sub_type": _sub_type(value),
        "per_share_amount": _text(value.per_share),
        "group_id": value.group_id,
        "source_symbol": value.source,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def _sub_type(value: Activity) -> str | None:
    if value.kind is ActivityKind.SPLIT and value.factor is not None:
        return "FSPLIT" if value.factor > 1 else "RSPLIT"
    if value.kind is ActivityKind.DIVIDEND:
        return "SDIV" if value.per_share is None else "CDIV"
    return _SUB_TYPES.get(value.kind)


def asset(exchange: Exchange, value: m.Instrument) -> Json:
    body: Json = {
        "id": exchange.instrument_id(value.symbol),
        "class": asset_class(value.asset_class),
        "exchange": _EXCHANGES.get(value.asset_class, "OTC"),
        "symbol": value.symbol,
        "name": f"{value.symbol} {'pair' if '/' in value.symbol else 'Common Stock'}",
        "status": "active",
        "tradable": value.tradable,
        "marginable": value.marginable,
        "shortable": value.shortable,
        "easy_to_borrow": value.shortable,
        "fractionable": value.fractionable,
    }
    if value.asset_class is not m.AssetClass.CRYPTO:
        return body | {
            "attributes": ["overnight_tradable"] if exchange.is_overnight(value.symbol) else [],
            "borrow_status": "easy_to_borrow" if value.shortable else "hard_to_borrow",
        }
    return body | {
        "min_order_size": m.plain(value.min_qty or value.qty_increment),
        "min_trade_increment": m.plain(value.qty_increment),
        "price_increment": m.plain(value.price_increment or _CENT),
    }


def day(value: m.Session, settles: m.Session | None) -> Json:
    """Encode a day of the calendar; stocks settle on the next session."""
    local = {
        name: getattr(value, name).astimezone(NEW_YORK)
        for name in ("opens", "closes", "extended_opens", "extended_closes")
    }
    return {
        "date": value.day.isoformat(),
        "open": f"{local['opens']:%H:%M}",
        "close": f"{local['closes']:%H:%M}",
        "session_open": f"{local['extended_opens']:%H%M}",
        "session_close": f"{local['extended_closes']:%H%M}",
        "settlement_date": (settles or value).day.isoformat(),
    }


def clock(now: datetime, is_open: bool, ahead: list[m.Session]) -> Json:
    """Encode the market's clock, New York time; *ahead* are the sessions from today on."""
    opens = next(each.opens for each in ahead if each.opens > now)
    closes = next(each.closes for each in ahead if each.closes > now)
    return {
        "timestamp": now.astimezone(NEW_YORK).isoformat(),
        "is_open": is_open,
        "next_open": opens.astimezone(NEW_YORK).isoformat(),
        "next_close": closes.astimezone(NEW_YORK).isoformat(),
    }
