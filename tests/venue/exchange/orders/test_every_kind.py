"""
Every type of order with every time in force, of every class and sort, in every session.

The expected results are written here a second time, after the broker's own page, and not the
exchange's table: https://docs.alpaca.markets/docs/orders-at-alpaca.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fillbook.venue.exchange import Amendment, OrderVersion, Refused
from tests.venue.exchange.floor import D, Day, at

TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES = ("day", "gtc", "ioc", "fok", "opg", "cls", "gtd")
CLASSES = ("simple", "bracket", "oto", "oco")

#: The page's table: what is taken of each sort, by type.
PAGE = {
    "whole": {
        "market": "day gtc ioc fok opg cls",
        "limit": "day gtc ioc fok opg cls",
        "stop": "day gtc",
        "stop_limit": "day gtc",
        "trailing_stop": "day gtc",
    },
    "fraction": {"market": "day", "limit": "day", "stop": "day", "stop_limit": "day"},
    "notional": {"market": "day", "limit": "day", "stop": "day", "stop_limit": "day"},
    "extended": {"limit": "day gtc"},
    "coin": {"market": "gtc ioc", "limit": "gtc ioc", "stop_limit": "gtc ioc"},
}
#: Groups are of whole shares, for regular hours, `day` or `gtc`, and of these types.
GROUPS = {
    "bracket": ("market", "limit", "stop", "stop_limit"),
    "oto": ("market", "limit", "stop", "stop_limit"),
    "oco": ("limit",),
}
#: A moment in each session, and which sorts trade then.
SESSIONS = {
    "before": ("2026-11-20 12:00", {"extended", "coin"}),  # Friday 7:00
    "regular": ("2026-11-20 15:00", set(PAGE)),  # 10:00
    "late": ("2026-11-20 20:55", set(PAGE)),  # 15:55
    "after": ("2026-11-20 22:00", {"extended", "coin"}),  # 17:00
    "night": ("2026-11-20 02:00", {"extended", "coin"}),  # Thursday 21:00
    "weekend": ("2026-11-21 15:00", {"coin"}),  # Saturday 10:00
}
#: When orders for an auction are not taken, by session.
SHUT = {
    "opg": {"regular", "late", "after", "weekend"},
    "cls": {"late", "after"},
}


def expected(sort: str, kind: str, tif: str, group: str, session: str) -> str:
    """The expected result: refused, waits, or works."""
    if tif not in PAGE[sort].get(kind, "").split():
        return "refused"
    if group != "simple" and not (
        sort == "whole" and kind in GROUPS[group] and tif in ("day", "gtc")
    ):
        return "refused"
    if session in SHUT.get(tif, ()):
        return "refused"
    if tif in ("opg", "cls"):
        return "waits"
    return "works" if sort in SESSIONS[session][1] else "waits"


def wish(sort: str, kind: str, tif: str, group: str) -> dict[str, Any]:
    """The order as a client sends it."""
    scale = 400 if sort == "coin" else 1
    prices: dict[str, Any] = {
        "market": {},
        "limit": {"limit_price": 190},
        "stop": {"stop_price": 200},
        "stop_limit": {"stop_price": 200, "limit_price": 201},
        "trailing_stop": {"trail_price": 2},
    }[kind]
    sizes: dict[str, dict[str, Any]] = {
        "whole": {},
        "fraction": {"qty": "1.5"},
        "notional": {"notional": "500"},
        "extended": {"extended_hours": True},
        "coin": {"symbol": "BTC/USD", "qty": "0.1"},
    }
    exits: dict[str, dict[str, Any]] = {
        "simple": {},
        "bracket": {"take_profit": 300, "stop_loss": 100},
        "oto": {"stop_loss": 100},
        "oco": {"take_profit": 300, "stop_loss": 100, "side": "sell"},
    }
    if group == "oco" and kind == "limit":
        prices = {}
    scaled = {name: value * scale for name, value in prices.items()}
    return {
        **sizes[sort],
        **scaled,
        **exits[group],
        "type": kind,
        "time_in_force": tif,
        "order_class": group,
    }


def outcome(day: Day, asked: dict[str, Any]) -> str:
    try:
        order: OrderVersion = day.worked(**asked)
    except Refused as refused:
        return "refused" if refused.status == 422 else refused.message
    return "waits" if order.is_queued else "works"


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("sort", PAGE)
def test_every_kind_of_order_is_refused_waits_or_works_as_documented(
    sort: str, session: str
) -> None:
    for kind, tif, group in itertools.product(TYPES, TIMES, CLASSES):
        day = Day(at(SESSIONS[session][0]))
        if group == "oco":
            day.exchange.transfer(day.account, "AAPL", 100, 187)
        asked = wish(sort, kind, tif, group)
        told = (kind, tif, group)
        assert (told, expected(sort, kind, tif, group, session)) == (told, outcome(day, asked))


# Groups ---------------------------------------------------------------------------------------

BRACKET: dict[str, Any] = {
    "order_class": "bracket",
    "take_profit": "200",
    "stop_loss": "180",
    "time_in_force": "gtc",
}


def test_exits_are_held_until_their_parent_has_filled_completely() -> None:
    day = Day()
    entry = day.worked(**BRACKET, limit_price="185")
    profit, stop = entry.leg_ids
    day.exchange.fill(entry.id, 4, 185)
    assert [day.status(each) for each in (profit, stop)] == ["held", "held"]
    day.exchange.quote("AAPL", 170, 170)  # the rest fills, and only then the stop is watched
    day.pass_(1)
    assert day.status(entry.id) == "filled"
    assert [day.status(each) for each in (profit, stop)] == ["canceled", "filled"]


def test_a_profit_taken_in_part_makes_the_stop_smaller() -> None:
    day = Day()
    entry = day.worked(**BRACKET)
    profit, stop = entry.leg_ids
    day.exchange.fill(profit, 4, 200)
    assert (D(6), "held") == (day.truth.order(stop).qty, day.status(stop))
    day.exchange.quote("AAPL", 179, 179)
    assert day.truth.positions() == {}
    assert [day.status(each) for each in (profit, stop)] == ["canceled", "filled"]


def test_one_exit_canceled_is_all_canceled() -> None:
    day = Day()
    entry = day.worked(**BRACKET)
    day.account.cancel(entry.leg_ids[0])
    day.pass_(1)
    assert [day.status(each) for each in entry.leg_ids] == ["canceled", "canceled"]
    assert {"AAPL": D(10)} == day.truth.positions()


def test_an_oto_has_one_exit_that_works_once_it_is_there() -> None:
    day = Day()
    entry = day.worked(order_class="oto", stop_loss="180", time_in_force="gtc")
    day.pass_(1)
    [leg] = entry.leg_ids
    assert day.status(leg) == "new"
    day.exchange.quote("AAPL", 179, 179)
    assert (day.status(leg), day.truth.positions()) == ("filled", {})


def test_a_chain_of_replaces_counts_one_total() -> None:
    day = Day()
    first = day.worked(limit_price="150", qty=10)
    ids = [first.id]
    for step, price in enumerate(("151", "152", "153")):
        day.exchange.fill(ids[-1], 1, price)
        change = Amendment(limit_price=D(price), qty=D(10 + step))
        ids.append(day.account.replace(ids[-1], change).id)
        day.pass_(1)
    day.exchange.fill(ids[-1])
    last = day.truth.order(ids[-1])
    assert ("filled", D(12)) == (last.status, last.filled_qty)
    assert {"AAPL": D(12)} == day.truth.positions()
    assert [day.status(each) for each in ids[:-1]] == ["replaced"] * 3
