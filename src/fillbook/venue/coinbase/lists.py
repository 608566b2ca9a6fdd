"""
The lists of orders and of fills: their filters, their order, and their pages.

A filter of a name that Coinbase does not know, such as `product_id` in the singular, has no effect.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from fillbook import model as m
from fillbook.venue.coinbase import configurations, responses
from fillbook.venue.coinbase.answers import ApiResponse, ok
from fillbook.venue.coinbase.requests import ApiRequest, Json, bad
from fillbook.venue.exchange import (
    Account,
    Fault,
    Fill,
    InjectedFault,
    OrderFilter,
    OrderVersion,
)
from fillbook.venue.exchange.market import spot

T = TypeVar("T")

_LIMIT_MAX: Final = 1000
_FILLS_DEFAULT: Final = 100

#: The values of the filters of orders; another one is refused.
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "order_status": frozenset(
        {*responses.STATUSES.values(), "QUEUED", "UNKNOWN_ORDER_STATUS", "EDIT_QUEUED"}
    ),
    "product_type": frozenset({"UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE"}),
    "order_side": frozenset({"UNKNOWN_ORDER_SIDE", *configurations.SIDES}),
    "order_types": frozenset(
        {"UNKNOWN_ORDER_TYPE", *configurations.ORDER_TYPES.values(), "STOP", "BRACKET"}
        | {"TWAP", "ROLL_OPEN", "ROLL_CLOSE", "LIQUIDATION", "SCALED", "TAKE_PROFIT_STOP_LOSS"}
    ),
    "time_in_forces": frozenset({"UNKNOWN_TIME_IN_FORCE", *configurations.TIMES_IN_FORCE.values()}),
    "order_placement_source": frozenset(
        {"UNKNOWN_PLACEMENT_SOURCE", responses.PLACED_BY_HAND, responses.PLACED_BY_API}
    ),
    # Of futures only.
    "contract_expiry_type": frozenset({"UNKNOWN_CONTRACT_EXPIRY_TYPE", "EXPIRING", "PERPETUAL"}),
}

#: What a list of orders is sorted by, the highest first; it is by their creation otherwise.
_ORDERS_BY: Final[Mapping[str, Callable[[Json], Any] | None]] = {
    "UNKNOWN_SORT_BY": None,
    "LIMIT_PRICE": lambda row: _limit_price(row),
    "LAST_FILL_TIME": lambda row: row["last_fill_time"] or "",
    "LAST_UPDATE_TIME": lambda row: row["last_update_time"] or "",
}
_FILLS_BY: Final[Mapping[str, Callable[[Json], Any] | None]] = {
    "UNKNOWN_SORT_BY": None,
    "PRICE": lambda row: Decimal(row["price"]),
    "TRADE_TIME": lambda row: row["trade_time"],
}


def _limit_price(row: Json) -> Decimal:
    kinds: dict[str, Json] = row["order_configuration"] or {}
    return max((Decimal(each.get("limit_price", "0")) for each in kinds.values()), default=m.ZERO)


# Orders ---------------------------------------------------------------------------------------


def list_orders(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    wanted = {name: request.enums(name, words.__contains__) for name, words in _WORDS.items()}
    statuses = wanted["order_status"]
    if "OPEN" in statuses and len(statuses) > 1:
        raise bad("INVALID_ARGUMENT", "OPEN orders cannot be queried with another status")
    found = request.account.orders(_order_filter(request, dated=statuses != {"OPEN"}))
    listed = [each for each in found if _is_listed(request, each, wanted)]
    by = _sort_by(request, _ORDERS_BY)
    if by is not None:
        listed = _sorted(listed, lambda each: by(responses.order(request, each)))
    size = min(request.limit(_LIMIT_MAX, _LIMIT_MAX), request.behavior.page_max)
    first = _first([each.id for each in listed], request.word("cursor"), injected)
    page = listed[first : first + size]
    has_next = first + len(page) < len(listed)
    is_empty = has_next and request.behavior.empty_cursor
    return ok(
        {
            "orders": [responses.order(request, each) for each in page],
            "sequence": "0",
            "has_next": has_next,
            "cursor": page[-1].id if has_next and not is_empty else "",
        }
    )


def _order_filter(request: ApiRequest, *, dated: bool) -> OrderFilter:
    """Return the filter of a list; the exchange's excludes its own bounds, Coinbase's does not."""
    since, until = request.moment("start_date"), request.moment("end_date")
    side = configurations.SIDES.get(request.word("order_side") or "")
    return OrderFilter(
        scope="all",
        after=_before(since) if since and dated else None,
        until=until if dated else None,
        symbols=_symbols(request),
        side=side,
    )


def _symbols(request: ApiRequest) -> frozenset[str]:
    return frozenset(request.symbol(each) or each for each in request.words("product_ids"))


def _before(at: m.Timestamp) -> m.Timestamp:
    return m.timestamp(m.moment(at) - (m.moment(at).resolution))


def _is_listed(
    request: ApiRequest, order: OrderVersion, wanted: Mapping[str, frozenset[str]]
) -> bool:
    values = {
        "order_status": responses.status(order, request.behavior),
        "product_type": "SPOT",
        "order_types": responses.order_type(order),
        "time_in_forces": responses.time_in_force(order),
        "order_placement_source": responses.placed_by(request.account, order),
    }
    ids, assets = request.words("order_ids"), request.words("asset_filters")
    return (
        all(_matches(value, wanted[name]) for name, value in values.items())
        and (not ids or order.id in ids)
        and (not assets or not set(assets).isdisjoint(spot.currencies(order.symbol)))
        and _is_of_portfolio(request)
    )


def _matches(value: str, words: frozenset[str]) -> bool:
    """Whether *value* is one of *words*; none, or a placeholder, is any."""
    return not words or value in words or any(each.startswith("UNKNOWN_") for each in words)


def _is_of_portfolio(request: ApiRequest) -> bool:
    return request.word("retail_portfolio_id") in (None, request.account.id)


# Fills ----------------------------------------------------------------------------------------


def list_fills(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    ids, trades = request.words("order_ids"), request.words("trade_ids")
    since = request.moment("start_sequence_timestamp")
    until = request.moment("end_sequence_timestamp")
    symbols = _symbols(request)

    def is_listed(row: Fill) -> bool:
        return (
            (not ids or row.order_id in ids)
            and (not trades or row.stream_id in trades)
            and (since is None or row.at >= since)
            and (until is None or row.at <= until)
            and (not symbols or row.symbol in symbols)
            and _is_of_portfolio(request)
        )

    rows = [_fill_row(request, *each) for each in _fills(request.account) if is_listed(each[0])]
    by = _sort_by(request, _FILLS_BY)
    if by is not None:
        rows = _sorted(rows, by)
    size = min(request.limit(_FILLS_DEFAULT, _LIMIT_MAX), request.behavior.page_max)
    first = _first([each["entry_id"] for each in rows], request.word("cursor"), injected)
    page = rows[first : first + size]
    has_next = first + len(page) < len(rows)
    return ok({"fills": page, "cursor": page[-1]["entry_id"] if has_next else ""})


def _fills(account: Account) -> list[tuple[Fill, str]]:
    """Return the fills and their types, newest first; a busted one is there, and its reversal."""
    shown = account.fills()
    rows = [(each, "FILL" if each.corrects is None else "CORRECTION") for each in shown]
    known = {each.exec_id for each in shown}
    for each in account.reversed_fills():
        if each.exec_id not in known:
            rows += [(each, "FILL"), (each, "REVERSAL")]
    # The sort is stable: rows of one millisecond stay in their order, which a fault may change.
    return sorted(rows, key=lambda row: row[0].at[:23])[::-1]


def _fill_row(request: ApiRequest, row: Fill, kind: str) -> Json:
    order = request.account.truth.order(row.order_id)
    return responses.fill(request.account, row, kind, order.notional)


# Both -----------------------------------------------------------------------------------------


def _sort_by(
    request: ApiRequest, known: Mapping[str, Callable[[Json], Any] | None]
) -> Callable[[Json], Any] | None:
    request.enums("sort_by", known.__contains__)
    return known[request.word("sort_by") or "UNKNOWN_SORT_BY"]


def _sorted(rows: Sequence[T], by: Callable[[T], Any]) -> list[T]:
    """Return *rows* by what *by* returns, the highest first."""
    return sorted(rows, key=by, reverse=True)


def _first(ids: list[str], cursor: str | None, injected: InjectedFault | None) -> int:
    """Return the index of the first row after the *cursor*; it is the id of the last row."""
    if cursor is None:
        return 0
    if cursor not in ids:
        raise bad("INVALID_ARGUMENT", "invalid cursor")
    is_shifted = injected is not None and injected.fault is Fault.SHIFTING_PAGE
    return max(0, ids.index(cursor) + (0 if is_shifted else 1))
