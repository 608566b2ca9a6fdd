"""Our requests: exact numbers as text, and every exit in its field."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.brokers.alpaca.wire import requests

AT = m.timestamp("2026-03-02T15:00:00Z")


def sent(**wish: object) -> dict[str, object]:
    request = m.OrderRequest(**({"symbol": "KO", "side": "buy", "time_in_force": "day"} | wish))
    made = requests.submit(m.Intent(client_order_id="mine-1", request=request, at=AT))
    assert ("mine-1", request.symbol) == (made.pop("client_order_id"), made.pop("symbol"))
    return made


def test_an_order_that_may_only_close_says_so_unless_it_is_in_a_group() -> None:
    for side, fields, expected in (
        ("sell", {"stop_price": 55}, "sell_to_close"),
        ("buy", {"stop_price": 66}, "buy_to_close"),
        ("sell", {"take_profit": "66", "stop_loss": "55", "order_class": "oco"}, None),
    ):
        wish = {"symbol": "KO", "side": side, "qty": 2, "time_in_force": "gtc", **fields}
        request = m.OrderRequest(**wish)
        intent = m.Intent(client_order_id="mine-1", request=request, at=AT, closes=True)
        assert expected == requests.submit(intent).get("position_intent")


def test_a_market_order_has_the_fewest_fields() -> None:
    expected = {"side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}
    assert expected == sent(qty=10)


@pytest.mark.parametrize(
    ("qty", "text"),
    [("0.00001", "0.00001"), ("1E-9", "0.000000001"), ("1E+3", "1000"), (0.3, "0.3")],
)
def test_numbers_leave_in_plain_notation(qty: object, text: str) -> None:
    assert text == sent(symbol="DOGE/USD", qty=qty)["qty"]


def test_a_bracket_names_both_exits() -> None:
    made = sent(
        qty=2,
        limit_price="60.10",
        take_profit="66",
        stop_loss="55",
        stop_loss_limit="54.5",
        time_in_force="gtc",
    )
    assert (
        made["order_class"],
        made["take_profit"],
        made["stop_loss"],
    ) == ("bracket", {"limit_price": "66"}, {"stop_price": "55", "limit_price": "54.5"})
    assert made["limit_price"] == "60.1"


def test_an_oto_names_its_only_exit() -> None:
    made = sent(qty=2, stop_loss="55")
    assert (made["order_class"], made["stop_loss"]) == ("oto", {"stop_price": "55"})
    assert "take_profit" not in made


def test_an_oco_is_a_limit_order_whose_prices_are_its_exits() -> None:
    made = sent(side="sell", qty=2, take_profit="66", stop_loss="55", order_class="oco")
    assert (made["type"], made["order_class"]) == ("limit", "oco")
    assert "limit_price" not in made


def test_extended_hours_and_trails_are_sent() -> None:
    assert sent(qty=1, limit_price=60, extended_hours=True)["extended_hours"] is True
    trailing = sent(qty=1, side="sell", trail_percent="1.5")
    assert (trailing["type"], trailing["trail_percent"]) == ("trailing_stop", "1.5")


def test_a_change_names_only_what_changes() -> None:
    change = m.Change(client_order_id="mine-1.r1", limit_price=Decimal("61.00"))
    assert requests.replace(change) == {"client_order_id": "mine-1.r1", "limit_price": "61"}
    change = m.Change(client_order_id="r2", qty=Decimal(3), time_in_force=m.TimeInForce.GTC)
    assert requests.replace(change) == {"client_order_id": "r2", "qty": "3", "time_in_force": "gtc"}


def test_a_time_is_requested_from_just_before_it() -> None:
    assert requests.just_before(AT) == "2026-03-02T14:59:59.999999Z"
