"""
The activities of an account as a client lists them: fills and non-trade activities.

Only the rows of the requested page are encoded, so that a page of a long history costs little
more than that of a short one.
Source: https://docs.alpaca.markets/reference/getaccountactivities-2.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.alpaca import requests as read
from fillbook.venue.alpaca import responses
from fillbook.venue.alpaca.requests import ApiRequest
from fillbook.venue.alpaca.responses import NEW_YORK, Json
from fillbook.venue.exchange import Activity, Fill

_PAGE: Final = 100
_FILL: Final = "FILL"
_TRADES, _OTHERS = _CATEGORIES = ("trade_activity", "non_trade_activity")


@frozen(kw_only=True)
class ActivityQuery:
    """
    The filter of a list of activities; None and an empty set do not filter.

    `after` and `until` are exclusive; `day` is a date in New York.
    """

    kinds: frozenset[str]
    categories: tuple[str, ...]
    after: m.Timestamp | None
    until: m.Timestamp | None
    day: date | None
    order_id: str | None

    @property
    def has_fills(self) -> bool:
        return _TRADES in self.categories and (not self.kinds or _FILL in self.kinds)

    @property
    def has_others(self) -> bool:
        return _OTHERS in self.categories and self.order_id is None

    def matches(self, row: Fill | Activity) -> bool:
        return (
            (isinstance(row, Fill) or not self.kinds or row.kind.value in self.kinds)
            and (self.after is None or row.at > self.after)
            and (self.until is None or row.at < self.until)
            and (self.day is None or m.moment(row.at).astimezone(NEW_YORK).date() == self.day)
        )


def page(request: ApiRequest, *, is_shifted: bool = False) -> list[Json]:
    """
    Return the page of rows after the page token; all rows if the request names a day.

    *is_shifted* (a fault): the page begins with the last row of the previous page.
    """
    query = _activity_query(request)
    found = [row for row in _rows(request, query) if query.matches(row)]
    if not read.is_ascending(request):
        found.reverse()
    first = max(0, _start(found, request.query.get("page_token")) - is_shifted)
    size = request.integer("page_size", _PAGE, _PAGE)
    is_whole = query.day is not None and not request.query.get("page_size")
    rows = found[first:] if is_whole else found[first : first + size]
    return [
        responses.fill(row) if isinstance(row, Fill) else responses.activity(row) for row in rows
    ]


def _activity_query(request: ApiRequest) -> ActivityQuery:
    params = request.query
    category = params.get("category")
    if category and category not in _CATEGORIES:
        raise read.bad(f"invalid category: {category}")
    return ActivityQuery(
        kinds=request.words("activity_types") | {request.path.get("activity_type", "")} - {""},
        categories=(category,) if category else _CATEGORIES,
        after=request.moment("after"),
        until=request.moment("until"),
        day=request.day("date", date.min) if params.get("date") else None,
        order_id=params.get("order_id") or None,
    )


def _rows(request: ApiRequest, query: ActivityQuery) -> list[Fill | Activity]:
    """Return the fills and activities that may match *query*, oldest first."""
    rows: list[Fill | Activity] = (
        [*request.account.fills(query.order_id)] if query.has_fills else []
    )
    others = request.account.activities() if query.has_others else []
    # Fills are sorted already; a fault may have changed their order within a millisecond.
    return sorted([*rows, *others], key=lambda row: row.at) if others else rows


def _start(rows: list[Fill | Activity], token: str | None) -> int:
    """Return the index after *token*, the id of the last row of the previous page."""
    if not token:
        return 0
    row_id = token.partition("::")[2]
    for place, row in enumerate(rows):
        if row_id == (row.exec_id if isinstance(row, Fill) else row.id):
            return place + 1
    raise read.bad("invalid page_token")
