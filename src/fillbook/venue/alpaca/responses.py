"""
What the exchange shows, in Alpaca's JSON.

Money and quantities are strings; keys are those of real payloads since July 2026.
Source: https://docs.alpaca.markets/reference/getallorders-1 and its neighbours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from attrs import asdict

from fillbook import model as m
from fillbook.venue.exchange import (
    Block,
    Configurations,
    Event,
    Exchange,
    Figures,
    Fill,
    Holding,
    Picture,
    Row,
    RowKind,
)

Json = dict[str, object]

#: What nobody knows: the real service grows words too.
STRANGE_WORD: Final = "under_deliberation"
NEW_YORK: Final = ZoneInfo("America/New_York")

_CLASSES: Final = {
    m.AssetClass.EQUITY: "us_equity",
    m.AssetClass.CRYPTO: "crypto",
    m.AssetClass.OPTION: "us_option",
}
_EXCHANGES: Final = {m.AssetClass.EQUITY: "NASDAQ", m.AssetClass.CRYPTO: "CRYPTO"}
_SUB_TYPES: Final = {RowKind.DIVIDEND: "CDIV", RowKind.NAME_CHANGE: "SNC"}
_CENT: Final = Decimal("0.01")
_RATIO: Final = Decimal("0.0000000001")


def _text(value: Decimal | None) -> str | None:
    return None if value is None else m.plain(value)


def _money(value: Decimal) -> str:
    return m.plain(value.quantize(_CENT)) if value else "0"


def asset_class(value: m.AssetClass) -> str:
    return _CLASSES.get(value, value.value)


def order(exchange: Exchange, shown: Picture) -> Json:
    """An order, its legs nested if the picture has them."""
    made: Json = {
        "id": shown.id,
        "client_order_id": shown.client_order_id,
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
        "submitted_at": shown.submitted_at,
        "filled_at": shown.filled_at,
        "expired_at": shown.expired_at,
        "canceled_at": shown.canceled_at,
        "failed_at": shown.failed_at,
        "replaced_at": shown.replaced_at,
        "replaced_by": shown.replaced_by,
        "replaces": shown.replaces,
        "asset_id": exchange.instrument_id(shown.symbol),
        "symbol": shown.symbol,
        "asset_class": asset_class(shown.asset_class),
        "notional": _text(shown.notional),
        "qty": _text(shown.qty),
        "filled_qty": m.plain(shown.filled_qty),
        "filled_avg_price": _text(shown.filled_avg_price),
        # Simple orders bear no word; clients are to take "" and "simple" for the same.
        "order_class": "" if shown.order_class is m.OrderClass.SIMPLE else shown.order_class,
        "order_type": shown.type,
        "type": shown.type,
        "side": shown.side,
        "time_in_force": shown.time_in_force,
        "limit_price": _text(shown.limit_price),
        "stop_price": _text(shown.stop_price),
        "status": str(shown.status),
        "extended_hours": shown.extended_hours,
        "legs": [order(exchange, leg) for leg in shown.legs] or None,
        "trail_percent": _text(shown.trail_percent),
        "trail_price": _text(shown.trail_price),
        "hwm": _text(shown.hwm),
        "subtag": None,
        "source": None,
    }
    if shown.expires_at is not None:
        made["expires_at"] = shown.expires_at
    return made


def event(exchange: Exchange, said: Event) -> Json:
    """A frame of the stream."""
    inner: Json = {
        "event": said.name,
        "execution_id": said.execution_id,
        "timestamp": said.at,
        "order": order(exchange, said.order),
    }
    figures = {
        "price": _text(said.price),
        "qty": _text(said.qty),
        "position_qty": _text(said.position_qty),
        "previous_id": said.previous_id,
        "reason": said.order.reason,
    }
    inner |= {name: value for name, value in figures.items() if value is not None}
    return {"stream": "trade_updates", "data": inner}


def renamed(frame: Json) -> Json:
    """A frame whose event has a name that nobody knows."""
    inner = frame["data"]
    assert isinstance(inner, dict)
    return frame | {"data": inner | {"event": STRANGE_WORD}}


def position(exchange: Exchange, held: Holding) -> Json:
    instrument = exchange.instrument(held.symbol)
    gain = held.market_value - held.cost_basis
    share = gain / abs(held.cost_basis) if held.cost_basis else Decimal(0)
    return {
        "asset_id": exchange.instrument_id(held.symbol),
        # Orders say BTC/USD and positions BTCUSD.
        "symbol": held.symbol.replace("/", ""),
        "exchange": _EXCHANGES.get(held.asset_class, ""),
        "asset_class": asset_class(held.asset_class),
        "asset_marginable": instrument is not None and instrument.marginable,
        "qty": m.plain(held.qty),
        "qty_available": m.plain(held.qty_available),
        "avg_entry_price": m.plain(held.avg_price),
        "side": "short" if held.qty < 0 else "long",
        "market_value": m.plain(held.market_value),
        "cost_basis": m.plain(held.cost_basis),
        "unrealized_pl": m.plain(gain),
        "unrealized_plpc": m.plain(share.quantize(_RATIO)),
        "unrealized_intraday_pl": m.plain(gain),
        "unrealized_intraday_plpc": m.plain(share.quantize(_RATIO)),
        "current_price": m.plain(held.price),
        "lastday_price": m.plain(held.price),
        "change_today": "0",
    }


def account(now: datetime, shown: Figures) -> Json:
    return {
        "id": shown.id,
        "account_number": shown.number,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "crypto_tier": 1,
        "currency": "USD",
        "cash": _money(shown.cash),
        "equity": _money(shown.equity),
        "last_equity": _money(shown.last_equity),
        "portfolio_value": _money(shown.equity),
        "buying_power": _money(shown.buying_power),
        "effective_buying_power": _money(shown.buying_power),
        "regt_buying_power": _money(shown.regt_buying_power),
        "non_marginable_buying_power": _money(shown.non_marginable_buying_power),
        "options_buying_power": _money(shown.non_marginable_buying_power),
        "options_trading_level": 2,
        "initial_margin": _money(shown.initial_margin),
        "maintenance_margin": _money(shown.maintenance_margin),
        "last_maintenance_margin": _money(shown.maintenance_margin),
        "long_market_value": _money(shown.long_market_value),
        "short_market_value": _money(shown.short_market_value),
        "position_market_value": _money(shown.long_market_value - shown.short_market_value),
        "multiplier": str(shown.multiplier),
        "sma": "0",
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "pending_transfer_in": "0",
        "intraday_adjustments": "0",
        "balance_asof": (now.astimezone(NEW_YORK) - timedelta(days=1)).date().isoformat(),
        "created_at": shown.created_at,
        "shorting_enabled": shown.shorting_enabled,
        **{block.value: block in shown.blocks for block in Block},
        "trade_suspended_by_user": shown.suspended,
        "admin_configurations": {},
        "user_configurations": None,
    }


def configurations(shown: Configurations) -> Json:
    return asdict(shown) | {"max_margin_multiplier": str(shown.max_margin_multiplier)}


def fill(shown: Fill) -> Json:
    """A row of the history.  The prefix of its id is New York's time, to the millisecond."""
    local = m.moment(shown.at).astimezone(NEW_YORK)
    return {
        "activity_type": "FILL",
        "id": f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{shown.exec_id}",
        "order_id": shown.order_id,
        "order_status": str(shown.order_status),
        "symbol": shown.symbol,
        "side": shown.side,
        "qty": m.plain(shown.qty),
        "price": m.plain(shown.price),
        "cum_qty": m.plain(shown.cum_qty),
        "leaves_qty": m.plain(shown.leaves_qty),
        "transaction_time": shown.at,
        "type": "fill" if shown.is_last else "partial_fill",
    }


def row(shown: Row) -> Json:
    """A row that is no trade; it bears a date and no time."""
    day = m.moment(shown.at).astimezone(NEW_YORK).date()
    made: Json = {
        "id": f"{day:%Y%m%d}000000000::{shown.id}",
        "activity_type": shown.kind.value,
        "date": day.isoformat(),
        "net_amount": _text(shown.cash) or "0",
        "description": shown.description,
        "status": "executed",
    }
    figures = {
        "symbol": (shown.symbol or "").replace("/", "") or None,
        "qty": _text(shown.qty) if shown.kind is not RowKind.CASH else None,
        "price": _text(shown.price),
        "activity_sub_type": _sub_type(shown),
        "per_share_amount": _text(shown.per_share),
        "group_id": shown.group_id,
    }
    return made | {name: value for name, value in figures.items() if value is not None}


def _sub_type(shown: Row) -> str | None:
    if shown.kind is RowKind.SPLIT and shown.ratio is not None:
        return "FSPLIT" if shown.ratio > 1 else "RSPLIT"
    return _SUB_TYPES.get(shown.kind)


def asset(exchange: Exchange, shown: m.Instrument) -> Json:
    made: Json = {
        "id": exchange.instrument_id(shown.symbol),
        "class": asset_class(shown.asset_class),
        "exchange": _EXCHANGES.get(shown.asset_class, "OTC"),
        "symbol": shown.symbol,
        "name": f"{shown.symbol} {'pair' if '/' in shown.symbol else 'Common Stock'}",
        "status": "active",
        "tradable": shown.tradable,
        "marginable": shown.marginable,
        "shortable": shown.shortable,
        "easy_to_borrow": shown.shortable,
        "fractionable": shown.fractionable,
    }
    if shown.asset_class is not m.AssetClass.CRYPTO:
        return made | {
            "attributes": ["overnight_tradable"] if exchange.is_overnight(shown.symbol) else [],
            "borrow_status": "easy_to_borrow" if shown.shortable else "hard_to_borrow",
        }
    return made | {
        "min_order_size": m.plain(shown.min_qty or shown.qty_increment),
        "min_trade_increment": m.plain(shown.qty_increment),
        "price_increment": m.plain(shown.price_increment or _CENT),
    }


def day(shown: m.Session, settles: m.Session | None) -> Json:
    """A day of the calendar; stocks settle on the next one."""
    local = {
        name: getattr(shown, name).astimezone(NEW_YORK)
        for name in ("opens", "closes", "extended_opens", "extended_closes")
    }
    return {
        "date": shown.day.isoformat(),
        "open": f"{local['opens']:%H:%M}",
        "close": f"{local['closes']:%H:%M}",
        "session_open": f"{local['extended_opens']:%H%M}",
        "session_close": f"{local['extended_closes']:%H%M}",
        "settlement_date": (settles or shown).day.isoformat(),
    }


def clock(now: datetime, is_open: bool, ahead: list[m.Session]) -> Json:
    """The market's clock, in New York's time; *ahead* are the sessions from today on."""
    opens = next(each.opens for each in ahead if each.opens > now)
    closes = next(each.closes for each in ahead if each.closes > now)
    return {
        "timestamp": now.astimezone(NEW_YORK).isoformat(),
        "is_open": is_open,
        "next_open": opens.astimezone(NEW_YORK).isoformat(),
        "next_close": closes.astimezone(NEW_YORK).isoformat(),
    }


def quote(shown: m.Quote) -> Json:
    """The latest quote: numbers here are numbers, sizes are in round lots of one."""
    made: Json = {
        "t": shown.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "ap": float(shown.ask),
        "as": 1,
        "bp": float(shown.bid),
        "bs": 1,
    }
    return made if "/" in shown.symbol else made | {"ax": "V", "bx": "V", "c": ["R"], "z": "C"}
