"""
The endpoints as functions: request in, status and JSON out; a refusal is raised.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api.
"""

from __future__ import annotations

from typing import Any, Final

from fillbook import model as m
from fillbook.venue.coinbase import configurations, lists, portfolio, products, responses
from fillbook.venue.coinbase.answers import ApiResponse, Endpoint, ok
from fillbook.venue.coinbase.requests import ApiRequest, Json, Schema, amount, bad, not_found
from fillbook.venue.coinbase.switches import ClientIds
from fillbook.venue.exchange import (
    Amendment,
    Fault,
    InjectedFault,
    InjectionPoint,
    OrderVersion,
    Refused,
    Ticket,
)
from fillbook.venue.exchange.orders.spot_rules import UNKNOWN, refused

_CANCELS_MAX: Final = 100
_CLIENT_ID_MAX: Final = 128  #: characters
_NO_PREVIEW: Final = "UNKNOWN_PREVIEW_FAILURE_REASON"
_NO_CANCEL: Final = "UNKNOWN_CANCEL_FAILURE_REASON"

_CREATE: Final[Schema] = {
    "client_order_id": str,
    "product_id": str,
    "side": str,
    "order_configuration": configurations.SCHEMA,
    "self_trade_prevention_id": str,
    "leverage": str,
    "margin_type": str,
    "retail_portfolio_id": str,
    "preview_id": str,
    "attached_order_configuration": configurations.SCHEMA,
}
_PREVIEW: Final[Schema] = {
    name: kind for name, kind in _CREATE.items() if name != "client_order_id"
}
_EDIT: Final[Schema] = {"order_id": str, "size": str, "price": str, "stop_price": str}


# Orders ---------------------------------------------------------------------------------------


def create(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    body = request.body(_CREATE)
    if not 0 < len(body.get("client_order_id") or "") <= _CLIENT_ID_MAX:
        words = f"client_order_id is required, and has at most {_CLIENT_ID_MAX} characters"
        raise bad("INVALID_ARGUMENT", words)
    shown = body.get("order_configuration") or {}
    try:
        used = _used(request, body["client_order_id"])
        if used is not None:
            return ok(_created(used.id, body, shown))
        placed = _place(request, _ticket(request, body), injected)
    except Refused as refusal:
        if refusal.status != 200:
            raise
        error = {
            "error": refusal.details.get("reason", UNKNOWN),
            "message": refusal.message,
            "error_details": "",
            "preview_failure_reason": refusal.details.get("preview", _NO_PREVIEW),
        }
        return ok({"success": False, "error_response": error, "order_configuration": shown})
    return ok(_created(placed, body, shown))


def _created(order_id: str, body: Json, configuration: Json) -> Json:
    """Return the reply to a create: the terms are those of the request, whatever the order is."""
    success = {
        "order_id": order_id,
        "product_id": body.get("product_id", ""),
        "side": body.get("side", ""),
        "client_order_id": body["client_order_id"],
        "attached_order_id": "",
    }
    return {"success": True, "success_response": success, "order_configuration": configuration}


def _used(request: ApiRequest, client_order_id: str) -> OrderVersion | None:
    """Return the order that has the client order id; None: it is new.  Raises: Refused."""
    ids, kept_s = request.behavior.client_ids, request.behavior.ids_kept_s
    found = request.account.truth.find(client_order_id)
    if found is None or ids is ClientIds.FORGET:
        return None
    age = request.exchange.now() - m.moment(found.created_at)
    if kept_s is not None and age.total_seconds() > kept_s:
        return None
    if ids is ClientIds.REFUSE:
        word = "DUPLICATE_CLIENT_ORDER_ID"
        raise refused("the client order id was used", m.RejectKind.DUPLICATE, _NO_PREVIEW, word)
    return found


def _place(request: ApiRequest, ticket: Ticket, injected: InjectedFault | None) -> str:
    fault, seconds = (None, 0.0) if injected is None else (injected.fault, injected.seconds)
    if fault is Fault.LATE_LANDING:
        request.account.submit_later(ticket, seconds)
        return ""  # the gateway drops this reply
    hidden_s = seconds if fault is Fault.DUPLICATE_UNLISTED else request.behavior.hidden_s
    if hidden_s:
        return request.account.submit_unlisted(ticket, hidden_s).id
    return request.account.submit(ticket).id


def _ticket(request: ApiRequest, body: Json) -> Ticket:
    symbol = request.symbol(body.get("product_id") or "")
    if symbol is None:
        words = ("PREVIEW_INVALID_PRODUCT_ID", "INVALID_PRODUCT_ID")
        raise refused("product_id", m.RejectKind.INSTRUMENT, *words)
    if body.get("attached_order_configuration"):
        # The exchange has no order that waits for another of a spot account.
        words = ("PREVIEW_INVALID_ORDER_TYPE_FOR_ATTACHED", "INVALID_ORDER_TYPE_FOR_ATTACHED")
        raise refused("an attached order is not supported", m.RejectKind.UNSUPPORTED, *words)
    ticket = configurations.ticket(body, symbol, m.timestamp(request.exchange.now()))
    _check_flags(request.behavior.flags.get(body["product_id"], frozenset()), ticket)
    return ticket


def _check_flags(flags: frozenset[str], ticket: Ticket) -> None:
    """Refuse an order that the flags of its product do not allow."""
    is_market = ticket.type is m.OrderType.MARKET
    if (
        flags & {"is_disabled", "trading_disabled", "cancel_only", "view_only"}
        or (is_market and flags & {"limit_only", "auction_mode", "post_only"})
        or ("post_only" in flags and not ticket.post_only)
    ):
        words = ("PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", "ORDER_ENTRY_DISABLED")
        raise refused("not in this state of the market", m.RejectKind.NOT_NOW, *words)


def preview(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    body = request.body(_PREVIEW)
    errors: list[str] = []
    ticket: Ticket | None = None
    try:
        ticket = _ticket(request, body)
        request.account.preview(ticket)
    except Refused as refusal:
        if refusal.status != 200:
            raise
        errors = [str(refusal.details.get("preview", _NO_PREVIEW))]
    return ok(portfolio.preview(request, ticket, errors))


def edit(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    try:
        order, change = _edited(request, request.body(_EDIT))
        if change is not None:
            request.account.replace(order.id, change)
    except Refused as refusal:
        if refusal.status not in (200, 404, 422):
            raise
        error = {
            "edit_failure_reason": refusal.details.get("edit") or _edit_word(refusal),
            "preview_failure_reason": refusal.details.get("preview", _NO_PREVIEW),
        }
        return ok({"success": False, "errors": _errors(request, error)})
    word = "UNKNOWN_EDIT_ORDER_FAILURE_REASON"
    empty = {"edit_failure_reason": word, "preview_failure_reason": _NO_PREVIEW}
    errors = empty if request.behavior.errors_as_object else []
    return ok({"success": True, "errors": errors})


def _errors(request: ApiRequest, error: Json) -> Json | list[Json]:
    return error if request.behavior.errors_as_object else [error]


_EDIT_WORDS: Final = {
    m.RejectKind.NOT_FOUND: "ORDER_NOT_FOUND",
    m.RejectKind.TOO_LATE: "ONLY_OPEN_ORDERS_CAN_BE_EDITED",
    m.RejectKind.QUANTITY: "CANNOT_EDIT_TO_BELOW_FILLED_SIZE",
}
#: The same of a refusal that a new order would have had.
_PREVIEW_WORDS: Final = {
    m.RejectKind.QUANTITY: "INVALID_EDITED_SIZE",
    m.RejectKind.INPUT: "INVALID_EDITED_SIZE",
    m.RejectKind.PRICE: "INVALID_EDITED_PRICE",
}


def _edit_word(refusal: Refused) -> str:
    if "pending replacement" in refusal.message:
        return "ORDER_IS_ALREADY_BEING_REPLACED"
    if "pending_cancel" in refusal.message:
        return "CANNOT_EDIT_ORDER_PENDING_CANCEL"
    words = _PREVIEW_WORDS if "preview" in refusal.details else _EDIT_WORDS
    return words.get(refusal.kind, "UNKNOWN_EDIT_ORDER_FAILURE_REASON")


def _edited(request: ApiRequest, body: Json) -> tuple[OrderVersion, Amendment | None]:
    """Return an order and the change that an edit asks for; None: none.  Raises: Refused."""

    def refuse(word: str, kind: m.RejectKind = m.RejectKind.UNSUPPORTED) -> Refused:
        return Refused(200, 0, word, kind, {"edit": word})

    order = request.account.truth.get(body.get("order_id") or "")
    if order is None:
        raise refuse("ORDER_NOT_FOUND", m.RejectKind.NOT_FOUND)
    if order.notional is not None:
        raise refuse("SIZE_IN_QUOTE_EDITS_NOT_ALLOWED")
    is_limit = order.type is m.OrderType.LIMIT and order.order_class is m.OrderClass.SIMPLE
    if not is_limit or order.time_in_force is not m.TimeInForce.GTC:
        raise refuse("ONLY_LIMIT_ORDER_EDITS_SUPPORTED")
    if body.get("stop_price"):
        raise refuse("FIELD_STOPPRICE_NOT_SUPPORTED")
    size, price = amount(body, "size"), amount(body, "price")
    if not size:  # a missing size is zero
        raise refuse("INVALID_EDITED_SIZE", m.RejectKind.QUANTITY)
    if not price:
        raise refuse("INVALID_EDITED_PRICE", m.RejectKind.PRICE)
    if not order.is_final and size == order.filled_qty:
        return order, None
    if (size, price) == (order.qty, order.limit_price) and not order.is_final:
        raise refuse("EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST")
    return order, Amendment(qty=size, limit_price=price, client_order_id=None)


def preview_edit(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    body, errors = request.body(_EDIT), []
    ticket: Ticket | None = None
    try:
        order, change = _edited(request, body)
        ticket = portfolio.edited_ticket(order, change)
    except Refused as refusal:
        word = refusal.details.get("edit") or _edit_word(refusal)
        errors = [{"edit_failure_reason": word, "preview_failure_reason": _NO_PREVIEW}]
    return ok(portfolio.preview_edit(request, ticket, errors))


def cancel(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    ids: list[Any] = request.body({"order_ids": list}).get("order_ids") or []
    if len(ids) > _CANCELS_MAX:
        raise bad("INVALID_ARGUMENT", f"Too many orderIDs entered, limit is {_CANCELS_MAX}")
    if not all(isinstance(each, str) for each in ids):
        raise bad("unknown", "proto: invalid value for string type")
    results = [_canceled(request, each) for each in dict.fromkeys(ids)]
    return ok({"results": results})


def _canceled(request: ApiRequest, order_id: str) -> Json:
    reason, order = _NO_CANCEL, request.account.truth.get(order_id)
    try:
        if order is not None and order.status == m.OrderStatus.PENDING_CANCEL:
            reason = "DUPLICATE_CANCEL_REQUEST"
        elif order is not None and order.is_final:
            is_filled = order.status == m.OrderStatus.FILLED
            reason = "ORDER_IS_FULLY_FILLED" if is_filled else "INVALID_CANCEL_REQUEST"
        else:
            request.account.cancel(order_id)
    except Refused as refusal:
        reason = _CANCEL_WORDS.get(refusal.kind, "COMMANDER_REJECTED_CANCEL_ORDER")
    is_done = reason == _NO_CANCEL
    return {"success": is_done, "failure_reason": reason, "order_id": order_id}


_CANCEL_WORDS: Final = {
    m.RejectKind.NOT_FOUND: "UNKNOWN_CANCEL_ORDER",
    m.RejectKind.NOT_NOW: "ORDER_IS_BEING_REPLACED",
    m.RejectKind.PERMISSION: "NOT_ALLOWED_TO_CANCEL",
}


def close_position(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    """Answer that there is nothing to close: only futures have positions."""
    request.body({"client_order_id": str, "product_id": str, "size": str})
    error = {
        "error": "CANNOT_CLOSE_ZERO_POSITION",
        "message": "there is no position of futures",
        "error_details": "",
        "preview_failure_reason": _NO_PREVIEW,
    }
    return ok({"success": False, "error_response": error, "order_configuration": {}})


def get_order(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    found = request.account.order(request.path["order_id"])
    if found is None:
        raise not_found("order with this orderID was not found")
    return ok({"order": responses.order(request, found)})


# The table ------------------------------------------------------------------------------------

O: Final = InjectionPoint  # noqa: E741 - it is used in every row

#: (method, path after the prefix, injection points, endpoint); the first matching row applies.
ENDPOINTS: Final[tuple[tuple[str, str, tuple[InjectionPoint, ...], Endpoint], ...]] = (
    ("POST", "/orders", (O.SUBMIT,), create),
    ("POST", "/orders/preview", (), preview),
    ("POST", "/orders/edit", (O.REPLACE,), edit),
    ("POST", "/orders/edit_preview", (), preview_edit),
    ("POST", "/orders/batch_cancel", (O.CANCEL,), cancel),
    ("POST", "/orders/close_position", (), close_position),
    ("GET", "/orders/historical/batch", (O.ORDERS,), lists.list_orders),
    ("GET", "/orders/historical/fills", (O.EXECUTIONS,), lists.list_fills),
    ("GET", "/orders/historical/{order_id}", (O.ORDER,), get_order),
    ("GET", "/accounts", (O.ACCOUNT, O.POSITIONS), portfolio.list_accounts),
    ("GET", "/accounts/{uuid}", (O.ACCOUNT,), portfolio.get_account),
    ("GET", "/products", (O.INSTRUMENTS,), products.list_products),
    ("GET", "/products/{product_id}", (O.INSTRUMENTS,), products.get_product),
    ("GET", "/products/{product_id}/ticker", (O.QUOTES,), products.market_trades),
    ("GET", "/products/{product_id}/candles", (O.QUOTES,), products.candles),
    ("GET", "/best_bid_ask", (O.QUOTES,), products.best_bid_ask),
    ("GET", "/product_book", (O.QUOTES,), products.product_book),
    ("GET", "/portfolios", (), portfolio.list_portfolios),
    ("GET", "/portfolios/{uuid}", (), portfolio.breakdown),
    ("GET", "/transaction_summary", (), portfolio.transaction_summary),
    ("GET", "/key_permissions", (), portfolio.key_permissions),
    ("GET", "/time", (), products.server_time),
    ("GET", "/market/products", (), products.list_products),
    ("GET", "/market/products/{product_id}", (), products.get_product),
    ("GET", "/market/products/{product_id}/ticker", (), products.market_trades),
    ("GET", "/market/products/{product_id}/candles", (), products.candles),
    ("GET", "/market/product_book", (), products.product_book),
)
#: The same with whole paths.
OTHER_ENDPOINTS: Final[tuple[tuple[str, str, tuple[InjectionPoint, ...], Endpoint], ...]] = (
    ("GET", "/v2/accounts", (O.ACCOUNT,), portfolio.list_old_accounts),
    ("GET", "/v2/time", (), products.old_time),
    ("GET", "/v2/currencies", (), products.list_currencies),
    ("GET", "/v2/currencies/crypto", (), products.list_coins),
    ("GET", "/v2/exchange-rates", (), products.exchange_rates),
)
