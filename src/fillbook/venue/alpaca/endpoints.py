"""
Each endpoint as a function: what was asked in, status and JSON out, refusals raised.

Source: https://docs.alpaca.markets/reference; what is not there is answered as an
unknown path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.venue.alpaca import activities, responses
from fillbook.venue.alpaca import requests as read
from fillbook.venue.alpaca.requests import Asked
from fillbook.venue.alpaca.responses import NEW_YORK, STRANGE_WORD, Json
from fillbook.venue.alpaca.switches import Behavior
from fillbook.venue.exchange import Fault, Holding, Occasion, Picture, Refused, Strike, Ticket

_FAR: Final = timedelta(days=20)

Body = Json | list[Json] | None


@frozen
class Answer:
    """A status and what is sent with it; None is no body at all."""

    status: int
    body: Body


Endpoint = Callable[[Asked, Strike | None], Answer]


def missing(message: str) -> Refused:
    """Alpaca's 404."""
    return Refused(404, 40410000, message, m.RejectKind.NOT_FOUND)


# Orders ---------------------------------------------------------------------------------------


def list_orders(asked: Asked, strike: Strike | None) -> Answer:
    which = read.order_filter(asked)
    classes = asked.words("asset_class") - {"all"}
    limit, after = which.limit, which.after_order_id
    if _is(strike, Fault.SHIFTING_PAGE) and after is not None:
        which = evolve(which, after_order_id=None)
    rows = [
        each
        for each in asked.account.orders(evolve(which, limit=None))
        if not classes or responses.asset_class(each.asset_class) in classes
    ]
    if which.after_order_id != after:
        ids = [each.id for each in rows]
        rows = rows[ids.index(after) :] if after in ids else rows
    if which.scope == "open":
        rows = [each for each in rows if _is_listed(each, asked.behavior)]
    return Answer(
        200, _worded(asked, [responses.order(asked.exchange, each) for each in rows[:limit]])
    )


def _is_listed(order: Picture, behavior: Behavior) -> bool:
    """Whether an open order is among those that are listed."""
    return (behavior.lists_held or order.status != m.OrderStatus.HELD) and (
        behavior.lists_filled_parents or not order.is_over
    )


def _worded(asked: Asked, rows: list[Json]) -> list[Json]:
    """Orders or positions as they are, or by the fault with a word that nobody knows."""
    if asked.exchange.faults.next(Occasion.WORDS) is None:
        return rows
    return [row | {"asset_class": STRANGE_WORD} for row in rows]


def get_order(asked: Asked, strike: Strike | None) -> Answer:
    order_id = asked.path["order_id"]
    found = asked.account.order(order_id, nested=asked.flag("nested"))
    return _order(asked, found, f"order not found for {order_id}")


def find_order(asked: Asked, strike: Strike | None) -> Answer:
    client_order_id = asked.query.get("client_order_id", "")
    found = asked.account.find(client_order_id, nested=asked.flag("nested"))
    return _order(asked, found, f"order not found for {client_order_id}")


def _order(asked: Asked, found: Picture | None, message: str) -> Answer:
    if found is None:
        raise missing(message)
    return Answer(200, _worded(asked, [responses.order(asked.exchange, found)])[0])


def submit(asked: Asked, strike: Strike | None) -> Answer:
    ticket = read.ticket(asked)
    if strike is not None and strike.fault is Fault.DUPLICATE_UNLISTED:
        asked.account.submit_unlisted(ticket, strike.seconds)
    if strike is not None and strike.fault is Fault.LATE_LANDING:
        asked.account.submit_later(ticket, strike.seconds)
    if strike is not None and strike.fault in (Fault.DUPLICATE_UNLISTED, Fault.LATE_LANDING):
        return Answer(200, None)  # nobody will see this answer
    return Answer(200, responses.order(asked.exchange, asked.account.submit(ticket)))


def cancel(asked: Asked, strike: Strike | None) -> Answer:
    asked.account.cancel(asked.path["order_id"])
    return Answer(204, None)


def cancel_all(asked: Asked, strike: Strike | None) -> Answer:
    return Answer(207, [_canceled(*each) for each in asked.account.cancel_all().items()])


def _canceled(order_id: str, refusal: Refused | None) -> Json:
    if refusal is None:
        return {"id": order_id, "status": 200}
    return {"id": order_id, "status": refusal.status, "body": error(refusal)}


def replace(asked: Asked, strike: Strike | None) -> Answer:
    found = asked.account.replace(asked.path["order_id"], read.amendment(asked))
    return Answer(200, responses.order(asked.exchange, found))


# Positions ------------------------------------------------------------------------------------


def list_positions(asked: Asked, strike: Strike | None) -> Answer:
    held = asked.account.positions()
    return Answer(200, _worded(asked, [responses.position(asked.exchange, each) for each in held]))


def get_position(asked: Asked, strike: Strike | None) -> Answer:
    return Answer(200, responses.position(asked.exchange, _held(asked)))


def close_position(asked: Asked, strike: Strike | None) -> Answer:
    held = _held(asked)
    qty, percentage = read.amount(asked, "qty"), read.amount(asked, "percentage")
    if percentage is not None:
        if not 0 < percentage <= 100:
            raise read.bad("percentage must be between 0 and 100")
        qty = m.cut(abs(held.qty) * percentage / 100, Decimal("0.000000001"))
    return Answer(200, responses.order(asked.exchange, _close(asked, held, qty)))


def close_all_positions(asked: Asked, strike: Strike | None) -> Answer:
    if asked.flag("cancel_orders"):
        asked.account.cancel_all(at_once=True)
    return Answer(207, [_closed(asked, each) for each in asked.account.positions()])


def _closed(asked: Asked, held: Holding) -> Json:
    symbol = held.symbol.replace("/", "")
    try:
        body = responses.order(asked.exchange, _close(asked, held, None))
        return {"symbol": symbol, "status": 200, "body": body}
    except Refused as refusal:
        return {"symbol": symbol, "status": refusal.status, "body": error(refusal)}


def _close(asked: Asked, held: Holding, qty: Decimal | None) -> Picture:
    is_coin = held.asset_class is m.AssetClass.CRYPTO
    ticket = Ticket(
        symbol=held.symbol,
        side=m.OrderSide.SELL if held.qty > 0 else m.OrderSide.BUY,
        type=m.OrderType.MARKET,
        time_in_force=m.TimeInForce.GTC if is_coin else m.TimeInForce.DAY,
        qty=abs(held.qty) if qty is None else qty,
    )
    try:
        return asked.account.submit(ticket)
    except Refused as refusal:
        # Whoever closes is not told which orders are in the way.
        refusal.details = {k: v for k, v in refusal.details.items() if k != "related_orders"}
        raise


def _held(asked: Asked) -> Holding:
    found = asked.account.position(asked.path["symbol"])
    if found is None:
        raise missing("position does not exist")
    return found


# Account and its history ----------------------------------------------------------------------


def get_account(asked: Asked, strike: Strike | None) -> Answer:
    return Answer(200, responses.account(asked.exchange.now(), asked.account.figures()))


def get_configurations(asked: Asked, strike: Strike | None) -> Answer:
    return Answer(200, responses.configurations(asked.account.configurations))


def set_configurations(asked: Asked, strike: Strike | None) -> Answer:
    asked.account.configure(read.configurations(asked))
    return get_configurations(asked, strike)


def list_activities(asked: Asked, strike: Strike | None) -> Answer:
    return Answer(200, activities.page(asked, is_shifted=_is(strike, Fault.SHIFTING_PAGE)))


def list_fills(asked: Asked, strike: Strike | None) -> Answer:
    return list_activities(evolve(asked, path={"activity_type": "FILL"}), strike)


# What can be traded ---------------------------------------------------------------------------


def list_assets(asked: Asked, strike: Strike | None) -> Answer:
    asset_class = asked.query.get("asset_class") or "us_equity"
    if asked.query.get("status") not in (None, "", "active"):
        return Answer(200, [])
    exchange = asked.query.get("exchange")
    rows = (_asset(asked, each) for each in asked.exchange.instruments())
    return Answer(
        200,
        [
            row
            for row in rows
            if row["class"] == asset_class and (not exchange or row["exchange"] == exchange)
        ],
    )


def get_asset(asked: Asked, strike: Strike | None) -> Answer:
    name = asked.path["symbol"]
    found = asked.exchange.instrument(name)
    if found is None:
        raise missing(f"asset not found for {name}")
    return Answer(200, _asset(asked, found))


def _asset(asked: Asked, shown: m.Instrument) -> Json:
    made = responses.asset(asked.exchange, shown)
    if not asked.behavior.easy_to_borrow:
        del made["easy_to_borrow"]
    return made


def get_clock(asked: Asked, strike: Strike | None) -> Answer:
    now = asked.exchange.now()
    today = now.astimezone(NEW_YORK).date()
    ahead = list(asked.exchange.sessions(today, today + _FAR))
    return Answer(200, responses.clock(now, asked.exchange.is_open(), ahead))


def get_calendar(asked: Asked, strike: Strike | None) -> Answer:
    today = asked.exchange.now().astimezone(NEW_YORK).date()
    first = asked.day("start", date(today.year, 1, 1))
    last = asked.day("end", date(today.year, 12, 31))
    # The real calendar begins in 1970 and ends in 2029.
    first, last = max(first, date(1970, 1, 1)), min(last, date(2029, 12, 31))
    if first > last:
        return Answer(200, [])
    listed = list(asked.exchange.sessions(first, last + _FAR))
    pairs = zip(listed, [*listed[1:], None], strict=True)
    return Answer(200, [responses.day(here, after) for here, after in pairs if here.day <= last])


def latest_quotes(asked: Asked, strike: Strike | None) -> Answer:
    found = (asked.exchange.quote_of(asked.symbol(each)) for each in asked.words("symbols"))
    return Answer(
        200, {"quotes": {each.symbol: responses.quote(each) for each in found if each is not None}}
    )


# The table ------------------------------------------------------------------------------------

O: Final = Occasion  # noqa: E741 - as short as it is often said

#: (method, path, where faults may strike, what answers); the first that fits.
ENDPOINTS: Final[tuple[tuple[str, str, Occasion | None, Endpoint], ...]] = (
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
    ("GET", "/v2/stocks/quotes/latest", O.QUOTES, latest_quotes),
    ("GET", "/v1beta3/crypto/us/latest/quotes", O.QUOTES, latest_quotes),
)


def error(refusal: Refused) -> Json:
    """The body of an error: its code, its words and its details."""
    details: Mapping[str, object] = refusal.details
    return {"code": refusal.code, "message": refusal.message, **details}


def _is(strike: Strike | None, *faults: Fault) -> bool:
    return strike is not None and strike.fault in faults
