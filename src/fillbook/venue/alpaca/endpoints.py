"""
The endpoints as functions: request in, status and JSON out; a refusal is raised.

Source: https://docs.alpaca.markets/reference.  Other paths of Alpaca get the reply of an
unknown path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.venue.alpaca import activities, market_data, responses
from fillbook.venue.alpaca import requests as read
from fillbook.venue.alpaca.requests import ApiRequest
from fillbook.venue.alpaca.responses import NEW_YORK, UNKNOWN_WORD, Json
from fillbook.venue.alpaca.switches import Behavior
from fillbook.venue.exchange import (
    Fault,
    InjectedFault,
    InjectionPoint,
    OrderVersion,
    PositionReport,
    Refused,
    Ticket,
)

_SESSIONS_AHEAD: Final = timedelta(days=20)
_CALENDAR_MAX: Final = timedelta(days=366)

Body = Json | list[Json] | None


@frozen
class ApiResponse:
    """An HTTP status and a body; None is no body."""

    status: int
    body: Body


Endpoint = Callable[[ApiRequest, InjectedFault | None], ApiResponse]


def not_found(message: str) -> Refused:
    """Return Alpaca's refusal 404."""
    return Refused(404, 40410000, message, m.RejectKind.NOT_FOUND)


# Orders ---------------------------------------------------------------------------------------


def list_orders(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    query = read.order_filter(request)
    classes = request.words("asset_class") - {"all"}
    limit, after = query.limit, query.after_order_id
    if _is_fault(injected, Fault.SHIFTING_PAGE) and after is not None:
        query = evolve(query, after_order_id=None)
    rows = [
        each
        for each in request.account.orders(evolve(query, limit=None))
        if not classes or responses.asset_class(each.asset_class) in classes
    ]
    if query.after_order_id != after:
        ids = [each.id for each in rows]
        rows = rows[ids.index(after) :] if after in ids else rows
    if query.scope == "open":
        rows = [each for each in rows if _is_listed(each, request.behavior)]
    return ApiResponse(
        200,
        _with_unknown_class(
            request, [responses.order(request.exchange, each) for each in rows[:limit]]
        ),
    )


def _is_listed(order: OrderVersion, behavior: Behavior) -> bool:
    """Whether a list of open orders contains *order*."""
    return (behavior.lists_held or order.status != m.OrderStatus.HELD) and (
        behavior.lists_filled_parents or not order.is_final
    )


def _with_unknown_class(request: ApiRequest, rows: list[Json]) -> list[Json]:
    """Return orders or positions, with an unknown asset class if the fault is injected."""
    if request.exchange.faults.next(InjectionPoint.WORDS) is None:
        return rows
    return [row | {"asset_class": UNKNOWN_WORD} for row in rows]


def get_order(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    order_id = request.path["order_id"]
    found = request.account.order(order_id, nested=request.flag("nested"))
    return _order(request, found, f"order not found for {order_id}")


def find_order(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    client_order_id = request.query.get("client_order_id", "")
    found = request.account.find(client_order_id, nested=request.flag("nested"))
    return _order(request, found, f"order not found for {client_order_id}")


def _order(request: ApiRequest, found: OrderVersion | None, message: str) -> ApiResponse:
    if found is None:
        raise not_found(message)
    return ApiResponse(
        200, _with_unknown_class(request, [responses.order(request.exchange, found)])[0]
    )


def submit(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    ticket = read.ticket(request)
    if injected is not None and injected.fault is Fault.DUPLICATE_UNLISTED:
        request.account.submit_unlisted(ticket, injected.seconds)
    if injected is not None and injected.fault is Fault.LATE_LANDING:
        request.account.submit_later(ticket, injected.seconds)
    if injected is not None and injected.fault in (Fault.DUPLICATE_UNLISTED, Fault.LATE_LANDING):
        return ApiResponse(200, None)  # the gateway drops this reply
    return ApiResponse(200, responses.order(request.exchange, request.account.submit(ticket)))


def cancel(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    request.account.cancel(request.path["order_id"])
    return ApiResponse(204, None)


def cancel_all(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return ApiResponse(207, [_canceled(*each) for each in request.account.cancel_all().items()])


def _canceled(order_id: str, refusal: Refused | None) -> Json:
    if refusal is None:
        return {"id": order_id, "status": 200}
    return {"id": order_id, "status": refusal.status, "body": error(refusal)}


def replace(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    found = request.account.replace(request.path["order_id"], read.amendment(request))
    return ApiResponse(200, responses.order(request.exchange, found))


# Positions ------------------------------------------------------------------------------------


def list_positions(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    rows = [responses.position(request.exchange, each) for each in request.account.positions()]
    return ApiResponse(200, _with_unknown_class(request, rows))


def get_position(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return ApiResponse(200, responses.position(request.exchange, _position(request)))


def close_position(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    position = _position(request)
    qty, percentage = read.amount(request, "qty"), read.amount(request, "percentage")
    if percentage is not None:
        if not 0 < percentage <= 100:
            raise read.bad("percentage must be between 0 and 100")
        qty = m.cut(abs(position.qty) * percentage / 100, Decimal("0.000000001"))
    return ApiResponse(200, responses.order(request.exchange, _close(request, position, qty)))


def close_all_positions(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    if request.flag("cancel_orders"):
        request.account.cancel_all(at_once=True)
    return ApiResponse(207, [_closed(request, each) for each in request.account.positions()])


def _closed(request: ApiRequest, position: PositionReport) -> Json:
    symbol = position.symbol.replace("/", "")
    try:
        body = responses.order(request.exchange, _close(request, position, None))
        return {"symbol": symbol, "status": 200, "body": body}
    except Refused as refusal:
        return {"symbol": symbol, "status": refusal.status, "body": error(refusal)}


def _close(request: ApiRequest, position: PositionReport, qty: Decimal | None) -> OrderVersion:
    is_crypto = position.asset_class is m.AssetClass.CRYPTO
    ticket = Ticket(
        symbol=position.symbol,
        side=m.OrderSide.SELL if position.qty > 0 else m.OrderSide.BUY,
        type=m.OrderType.MARKET,
        time_in_force=m.TimeInForce.GTC if is_crypto else m.TimeInForce.DAY,
        qty=abs(position.qty) if qty is None else qty,
    )
    try:
        return request.account.submit(ticket)
    except Refused as refusal:
        # Alpaca's reply to a close does not list the orders that reserve the units.
        refusal.details = {k: v for k, v in refusal.details.items() if k != "related_orders"}
        raise


def _position(request: ApiRequest) -> PositionReport:
    found = request.account.position(request.path["symbol"])
    if found is None:
        raise not_found("position does not exist")
    return found


# Account and activities -----------------------------------------------------------------------


def get_account(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return ApiResponse(200, responses.account(request.exchange.now(), request.account.report()))


def get_configurations(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return ApiResponse(200, responses.configurations(request.account.configurations))


def set_configurations(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    request.account.configure(read.configurations(request))
    return get_configurations(request, injected)


def list_activities(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return ApiResponse(
        200, activities.page(request, is_shifted=_is_fault(injected, Fault.SHIFTING_PAGE))
    )


def list_fills(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    return list_activities(evolve(request, path={"activity_type": "FILL"}), injected)


# Assets and the calendar ----------------------------------------------------------------------


def list_assets(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    asset_class = request.query.get("asset_class") or "us_equity"
    if request.query.get("status") not in (None, "", "active"):
        return ApiResponse(200, [])
    exchange = request.query.get("exchange")
    rows = (_asset(request, each) for each in request.exchange.instruments())
    return ApiResponse(
        200,
        [
            row
            for row in rows
            if row["class"] == asset_class and (not exchange or row["exchange"] == exchange)
        ],
    )


def get_asset(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    name = request.path["symbol"]
    found = request.exchange.instrument(name)
    if found is None:
        raise not_found(f"asset not found for {name}")
    return ApiResponse(200, _asset(request, found))


def _asset(request: ApiRequest, instrument: m.Instrument) -> Json:
    body = responses.asset(request.exchange, instrument)
    if not request.behavior.easy_to_borrow:
        del body["easy_to_borrow"]
    return body


def get_clock(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    now = request.exchange.now()
    today = now.astimezone(NEW_YORK).date()
    ahead = list(request.exchange.sessions(today, today + _SESSIONS_AHEAD))
    return ApiResponse(200, responses.clock(now, request.exchange.is_open(), ahead))


def get_calendar(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    today = request.exchange.now().astimezone(NEW_YORK).date()
    first = request.day("start", date(today.year, 1, 1))
    last = request.day("end", date(today.year, 12, 31))
    # Alpaca's calendar begins in 1970 and ends in 2029.
    first, last = max(first, date(1970, 1, 1)), min(last, date(2029, 12, 31))
    if first > last:
        return ApiResponse(200, [])
    if last - first > _CALENDAR_MAX:
        raise read.bad("the range from start to end is longer than a year")
    listed = list(request.exchange.sessions(first, last + _SESSIONS_AHEAD))
    pairs = zip(listed, [*listed[1:], None], strict=True)
    return ApiResponse(
        200, [responses.day(here, after) for here, after in pairs if here.day <= last]
    )


def _data(served: Callable[[ApiRequest], Json]) -> Endpoint:
    """Return the endpoint of a path of market data."""
    return lambda request, injected: ApiResponse(200, served(request))


# The table ------------------------------------------------------------------------------------

O: Final = InjectionPoint  # noqa: E741 - it is used in every row

#: (method, path, injection point or None, endpoint); the first matching row applies.
ENDPOINTS: Final[tuple[tuple[str, str, InjectionPoint | None, Endpoint], ...]] = (
    ("GET", "/v2/orders", O.ORDERS, list_orders),
    ("POST", "/v2/orders", O.SUBMIT, submit),
    ("DELETE", "/v2/orders", O.CANCEL, cancel_all),
    ("GET", "/v2/orders:by_client_order_id", O.FIND, find_order),
    ("GET", "/v2/orders/{order_id}", O.ORDER, get_order),
    ("PATCH", "/v2/orders/{order_id}", O.REPLACE, replace),
    ("DELETE", "/v2/orders/{order_id}", O.CANCEL, cancel),
    ("GET", "/v2/positions", O.POSITIONS, list_positions),
    ("DELETE", "/v2/positions", O.SUBMIT, close_all_positions),
    ("GET", "/v2/positions/{symbol:path}", O.POSITIONS, get_position),
    ("DELETE", "/v2/positions/{symbol:path}", O.SUBMIT, close_position),
    ("GET", "/v2/account", O.ACCOUNT, get_account),
    ("GET", "/v2/account/configurations", None, get_configurations),
    ("PATCH", "/v2/account/configurations", None, set_configurations),
    ("GET", "/v2/account/activities/FILL", O.EXECUTIONS, list_fills),
    ("GET", "/v2/account/activities", O.ACTIVITIES, list_activities),
    ("GET", "/v2/account/activities/{activity_type}", O.ACTIVITIES, list_activities),
    ("GET", "/v2/assets", O.INSTRUMENTS, list_assets),
    ("GET", "/v2/assets/{symbol:path}", O.INSTRUMENTS, get_asset),
    ("GET", "/v2/clock", O.SESSIONS, get_clock),
    ("GET", "/v2/calendar", O.SESSIONS, get_calendar),
    *(("GET", path, O.QUOTES, _data(served)) for path, served in market_data.PATHS),
)


def error(refusal: Refused) -> Json:
    """Return the body of an error: its code, message and details.  Market data has no codes."""
    details: Mapping[str, object] = refusal.details
    code = {"code": refusal.code} if refusal.code else {}
    return {**code, "message": refusal.message, **details}


def _is_fault(injected: InjectedFault | None, *faults: Fault) -> bool:
    return injected is not None and injected.fault in faults
