"""The endpoints of wallets, portfolios and fees, and the figures of previews."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillbook import model as m
from fillbook.venue.coinbase import responses
from fillbook.venue.coinbase.answers import ApiResponse, ok
from fillbook.venue.coinbase.requests import ApiRequest, Json, bad, not_found
from fillbook.venue.exchange import (
    Amendment,
    Fault,
    InjectedFault,
    OrderVersion,
    SpotTerms,
    Ticket,
    Wallet,
)
from fillbook.venue.exchange.market import spot

_ACCOUNTS_DEFAULT: Final = 49
_ACCOUNTS_MAX: Final = 250
_CENT: Final = Decimal("0.01")


def _wallets(request: ApiRequest) -> list[Wallet]:
    """Return the wallets; a currency that was never held has one too, if a switch says so."""
    found = {each.currency: each for each in request.account.wallets()}
    names = [f"COIN{number}" for number in range(request.behavior.extra_accounts)]
    for name in ("BTC", "ETH", "USD", "USDC", *names):
        found.setdefault(name, Wallet(currency=name, total=m.ZERO))
    return [found[name] for name in sorted(found)]


def list_accounts(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    created_at, owner = request.account.created_at, request.account.reported_id()
    is_usable = not request.account.blocks
    rows = [
        responses.wallet(each, owner, created_at, is_usable=is_usable)
        for each in _wallets(request)
        if request.word("retail_portfolio_id") in (None, owner)
    ]
    limit, cursor = request.limit(_ACCOUNTS_DEFAULT, _ACCOUNTS_MAX), request.word("cursor") or "0"
    if not cursor.isascii() or not cursor.isdigit():
        raise bad("INVALID_ARGUMENT", "invalid cursor")
    first = int(cursor)
    if first and injected is not None and injected.fault is Fault.SHIFTING_PAGE:
        first -= 1
    page = rows[first : first + limit]
    has_next = first + len(page) < len(rows)
    is_empty = request.behavior.empty_cursor
    return ok(
        {
            "accounts": page,
            "has_next": has_next,
            "cursor": str(first + len(page)) if has_next and not is_empty else "",
            "size": len(page),
        }
    )


def get_account(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    owner = request.account.reported_id()
    created_at, is_usable = request.account.created_at, not request.account.blocks
    for each in _wallets(request):
        row = responses.wallet(each, owner, created_at, is_usable=is_usable)
        if row["uuid"] == request.path["uuid"]:
            return ok({"account": row})
    raise not_found("account with this uuid was not found")


def list_old_accounts(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    """Answer with the wallets as the older API shows them: totals, without holds."""
    names = ("ending_before", "starting_after", "previous_ending_before", "next_starting_after")
    pagination = {"limit": 100, "order": "desc", **dict.fromkeys(names)}
    rows = [
        {
            "id": each.currency,
            "name": f"{each.currency} Wallet",
            "primary": each.currency == spot.DOLLAR,
            "type": "fiat" if each.currency == spot.DOLLAR else "wallet",
            "currency": {"code": each.currency, "name": each.currency},
            "balance": {"amount": m.plain(each.total), "currency": each.currency},
        }
        for each in _wallets(request)
    ]
    return ok({"pagination": pagination, "data": rows})


def _portfolio(request: ApiRequest) -> Json:
    return {
        "name": "Default",
        "uuid": request.account.id,
        "type": "DEFAULT",
        "deleted": False,
    }


def list_portfolios(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    kinds = ("UNDEFINED", "DEFAULT", "CONSUMER", "INTX")
    wanted = request.enums("portfolio_type", kinds.__contains__) - {"UNDEFINED"}
    rows = [_portfolio(request)] if not wanted or "DEFAULT" in wanted else []
    return ok({"portfolios": rows})


def breakdown(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    if request.path["uuid"] != request.account.id:
        raise not_found("portfolio not found")
    worth = {each.currency: _worth(request, each) for each in _wallets(request)}
    cash = sum((v for name, v in worth.items() if name in ("USD", "USDC")), m.ZERO)
    total = sum(worth.values(), m.ZERO)
    amounts = {
        "total_balance": total,
        "total_futures_balance": m.ZERO,
        "total_cash_equivalent_balance": cash,
        "total_crypto_balance": total - cash,
        "futures_unrealized_pnl": m.ZERO,
        "perp_unrealized_pnl": m.ZERO,
    }
    rows = [
        _spot_position(request, each, worth[each.currency])
        for each in _wallets(request)
        if each.total
    ]
    return ok(
        {
            "breakdown": {
                "portfolio": _portfolio(request),
                "portfolio_balances": {
                    name: {"value": m.plain(m.cut(value, _CENT)), "currency": "USD"}
                    for name, value in amounts.items()
                },
                "spot_positions": rows,
                "perp_positions": [],
                "futures_positions": [],
            }
        }
    )


def _spot_position(request: ApiRequest, found: Wallet, worth: Decimal) -> Json:
    row = responses.wallet(found, request.account.id, request.account.created_at)
    return {
        "asset": found.currency,
        "account_uuid": row["uuid"],
        "total_balance_fiat": round(float(worth), 2),
        "total_balance_crypto": float(found.total),
        "available_to_trade_fiat": round(float(worth), 2),
        "allocation": 0,
        "one_day_change": 0,
        "cost_basis": {"value": "0", "currency": "USD"},
        "asset_img_url": "",
        "is_cash": found.currency in ("USD", "USDC"),
    }


def _worth(request: ApiRequest, found: Wallet) -> Decimal:
    """Return the value of a wallet in dollars; one without a price has none."""
    if found.currency == spot.DOLLAR:
        return found.total
    price = request.exchange.quote_of(spot.wallet(found.currency))
    return m.ZERO if price is None else found.total * (price.bid + price.ask) / 2


def transaction_summary(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    request.enums("product_type", ("UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE").__contains__)
    terms = request.exchange.spot or SpotTerms()
    fills = request.account.truth.fills()
    volume = float(sum((each.traded_value for each in fills), m.ZERO))
    fees = float(sum((each.fee for each in fills), m.ZERO))
    total = sum((_worth(request, each) for each in _wallets(request)), m.ZERO)
    volumes = {"volume_types": ["VOLUME_TYPE_SPOT"], "vol_from": "0", "vol_to": "10000"}
    empty = ("usd_from", "usd_to", "perps_vol_from", "perps_vol_to")
    tier = {
        "pricing_tier": "Intro 1",
        "taker_fee_rate": m.plain(terms.taker_fee),
        "maker_fee_rate": m.plain(terms.maker_fee),
        "aop_from": "0",
        "aop_to": "1000000",
        **dict.fromkeys((*empty, "futures_vol_from", "futures_vol_to"), ""),
        "volume_types_and_range": [volumes],
    }
    return ok(
        {
            "total_volume": volume,
            "total_fees": fees,
            "fee_tier": tier,
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": volume,
            "advanced_trade_only_fees": fees,
            "coinbase_pro_volume": 0,
            "coinbase_pro_fees": 0,
            "total_balance": m.plain(m.cut(total, _CENT)),
            "has_promo_fee": False,
            "volume_breakdown": [{"volume_type": "VOLUME_TYPE_SPOT", "volume": volume}],
            "has_cost_plus_commission": False,
        }
    )


def key_permissions(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return ok(
        {
            "can_view": True,
            "can_trade": True,
            "can_transfer": False,
            "portfolio_uuid": request.account.id,
            "portfolio_type": "DEFAULT",
        }
    )


# Previews -------------------------------------------------------------------------------------


def edited_ticket(order: OrderVersion, change: Amendment | None) -> Ticket:
    """Return what is left of an edited order, as a ticket."""
    qty = order.qty if change is None else change.qty
    return Ticket(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        qty=(qty or m.ZERO) - order.filled_qty,
        limit_price=order.limit_price if change is None else change.limit_price,
        post_only=order.post_only,
    )


def preview(request: ApiRequest, ticket: Ticket | None, errors: list[str]) -> Json:
    """Return the figures of a new order; all are zero if it has none."""
    figures = _figures(request, ticket)
    return {
        "order_total": figures["order_total"],
        "commission_total": figures["commission_total"],
        "errs": errors,
        "warning": [],
        "quote_size": figures["quote_size"],
        "base_size": figures["base_size"],
        "best_bid": figures["best_bid"],
        "best_ask": figures["best_ask"],
        "is_max": False,
        "order_margin_total": "0",
        "leverage": "1.0",
        "long_leverage": "1.0",
        "short_leverage": "1.0",
        "slippage": "0",
        "preview_id": "" if errors else str(request.exchange.instrument_id(str(figures))),
        "current_liquidation_buffer": "0",
        "projected_liquidation_buffer": "0",
        "max_leverage": "1.0",
        "pnl_configuration": None,
        "est_average_filled_price": figures["average_filled_price"],
    }


def preview_edit(request: ApiRequest, ticket: Ticket | None, errors: list[Json]) -> Json:
    return {
        "errors": errors,
        "slippage": "0",
        **_figures(request, ticket),
        "order_margin_total": "0",
        "commission_detail_total": None,
        "pnl_configuration": None,
    }


def _figures(request: ApiRequest, ticket: Ticket | None) -> dict[str, Any]:
    names = ("order_total", "commission_total", "quote_size", "base_size", "best_bid", "best_ask")
    quote = None if ticket is None else request.exchange.quote_of(ticket.symbol)
    if ticket is None or quote is None:
        return dict.fromkeys((*names, "average_filled_price"), "0")
    terms = request.exchange.spot or SpotTerms()
    rate, touch = terms.fee_rate(ticket), quote.ask
    if ticket.side is m.OrderSide.SELL:
        touch = quote.bid
    price = ticket.limit_price or ticket.take_profit or touch
    if ticket.notional is not None:
        qty, value = spot.by_quote(ticket.notional, price, rate)
    else:
        qty = ticket.qty or m.ZERO
        value = qty * price
    fee = m.cut(value * rate, spot.PLACES)
    total = value + ticket.side.sign * fee
    figures = (total, fee, value, qty, quote.bid, quote.ask, price)
    return {
        name: m.plain(each)
        for name, each in zip((*names, "average_filled_price"), figures, strict=True)
    }
