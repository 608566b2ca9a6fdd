"""The client and its transport, against a server with prepared replies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillbook import errors
from fillbook import model as m
from fillbook.brokers.coinbase import CoinbaseBroker, credentials
from fillbook.venue.coinbase.tokens import secret_of, short_secret_of
from tests.brokers.canned import Answer, Canned
from tests.brokers.coinbase.payloads import (
    ID,
    OWNER,
    accounts,
    configured,
    created,
    fill,
    order,
    product,
    summary,
    wallet,
)

KEY = "organizations/1/apiKeys/2"
SECRET = short_secret_of(KEY)
D = Decimal


@contextmanager
def serving(*replies: object, **options: Any) -> Iterator[tuple[CoinbaseBroker, Canned]]:
    """A broker at a server that gives *replies* in order, bodies or `Answer`s."""
    answers = [x if isinstance(x, Answer) else Answer(body=x) for x in replies]
    with Canned(*answers) as server:
        is_mute = any(each.mute for each in answers)
        timeout_s = 0.2 if is_mute else 20.0
        broker = CoinbaseBroker(KEY, SECRET, url=server.url, read_timeout_s=timeout_s, **options)
        yield broker, server
        broker.close()


def intent(**more: Any) -> m.Intent:
    terms = {"symbol": "BTC/USD", "side": "buy", "qty": "0.5", "time_in_force": "gtc", **more}
    return m.Intent(
        client_order_id="mine-1",
        request=m.OrderRequest(**terms),
        at=m.timestamp("2026-03-02T15:00:00Z"),
    )


@pytest.mark.parametrize(
    ("wish", "configuration"),
    [
        ({}, {"market_market_ioc": {"base_size": "0.5"}}),
        ({"time_in_force": "ioc"}, {"market_market_ioc": {"base_size": "0.5"}}),
        ({"qty": None, "notional": "25"}, {"market_market_ioc": {"quote_size": "25"}}),
        (
            {"limit_price": "20000", "qty": "0.00000001"},
            {"limit_limit_gtc": {"base_size": "0.00000001", "limit_price": "20000"}},
        ),
        (
            {"limit_price": "1", "post_only": True},
            {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "1", "post_only": True}},
        ),
        (
            {"limit_price": "1", "time_in_force": "ioc"},
            {"sor_limit_ioc": {"base_size": "0.5", "limit_price": "1"}},
        ),
        (
            {"limit_price": "1", "time_in_force": "fok"},
            {"limit_limit_fok": {"base_size": "0.5", "limit_price": "1"}},
        ),
        (
            {"side": "sell", "limit_price": "1", "stop_price": "2"},
            {
                "stop_limit_stop_limit_gtc": {
                    "base_size": "0.5",
                    "limit_price": "1",
                    "stop_price": "2",
                    "stop_direction": "STOP_DIRECTION_STOP_DOWN",
                }
            },
        ),
        (
            {
                "side": "sell",
                "type": "limit",
                "order_class": "oco",
                "take_profit": "3",
                "stop_loss": "1",
            },
            {
                "trigger_bracket_gtc": {
                    "base_size": "0.5",
                    "limit_price": "3",
                    "stop_trigger_price": "1",
                }
            },
        ),
    ],
)
def test_each_order_has_its_configuration(
    wish: dict[str, Any], configuration: dict[str, Any]
) -> None:
    """Numbers are text in plain notation, and the token is of this request."""
    with serving(created()) as (broker, server):
        assert broker.submit(intent(**wish)) == m.Accepted(broker_order_id=ID)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/v3/brokerage/orders")
    assert asked.body == {
        "client_order_id": "mine-1",
        "product_id": "BTC-USD",
        "side": wish.get("side", "buy").upper(),
        "order_configuration": configuration,
    }
    assert asked.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ({"symbol": "BTC-PERP-INTX"}, m.RejectKind.INSTRUMENT),
        ({"symbol": "AAPL"}, m.RejectKind.INSTRUMENT),
        ({"time_in_force": "day"}, m.RejectKind.UNSUPPORTED),
        ({"stop_price": "1", "side": "sell"}, m.RejectKind.UNSUPPORTED),
        ({"trail_price": "1", "side": "sell"}, m.RejectKind.UNSUPPORTED),
        ({"take_profit": "3", "stop_loss": "1"}, m.RejectKind.UNSUPPORTED),
    ],
)
def test_what_coinbase_does_not_have_is_not_sent(wish: dict[str, Any], kind: m.RejectKind) -> None:
    """Perpetuals, futures, shares, day orders, stops at the market, brackets of an entry."""
    with serving() as (broker, server):
        found = broker.submit(intent(**wish))
    assert isinstance(found, m.Rejected)
    assert found.kind is kind
    assert server.asked == []


def test_a_perpetual_is_absent_by_its_name() -> None:
    """It is refused without a request; so is every instrument that is not spot."""
    with serving(product(product_type="FUTURE")) as (broker, server):
        assert isinstance(broker.instrument("BTC-PERP-INTX"), m.Absent)
        assert server.asked == []
        assert isinstance(broker.instrument("BTC/USD"), m.NotObserved)


def test_the_open_orders_include_those_that_the_filter_open_leaves_out() -> None:
    """First the pending ones, then the open ones, each list to its last page and oldest first."""

    def page(*rows: dict[str, Any], cursor: str = "") -> dict[str, Any]:
        return {"orders": list(rows), "has_next": bool(cursor), "cursor": cursor, "sequence": "0"}

    pending = order(order_id="p", status="CANCEL_QUEUED")
    later = order(order_id="l", created_time="2026-03-02T17:00:00Z")
    with serving(page(pending), page(later, cursor="c"), page(order())) as (broker, server):
        first = broker.orders(m.OrderQuery(), None)
        assert isinstance(first, m.Observed)
        second = broker.orders(m.OrderQuery(), first.next)
    assert isinstance(second, m.Observed)
    assert [x.broker_order_id for x in first.value] == ["p"]
    assert [x.broker_order_id for x in second.value] == [ID, "l"]
    assert second.next is None
    queries = [each.query for each in server.asked]
    assert [x.get("cursor") for x in queries] == [None, None, "c"]
    assert [x["order_status"] for x in queries] == ["EDIT_QUEUED", "OPEN", "OPEN"]
    assert {x["product_type"] for x in queries} == {"SPOT"}


@pytest.mark.parametrize(
    "replies",
    [
        [{"orders": [], "has_next": True, "cursor": ""}],
        [{"orders": [order()], "has_next": True, "cursor": "c"}] * 2,
        [{"orders": [order()], "has_next": True, "cursor": "c"}, Answer(503)],
        [Answer(body={"orders": []}, cut=True)],
        [Answer(body="null")],
        [[]],
    ],
)
def test_a_list_without_its_end_is_not_observed(replies: list[object]) -> None:
    """An empty cursor, one that does not change, a page that fails: the rest is unknown."""
    with serving(*replies) as (broker, _):
        query = m.OrderQuery(m.OrderScope.ALL)
        assert isinstance(broker.orders(query, None), m.NotObserved)


def test_fills_are_oldest_first_and_of_the_order_that_was_asked_for() -> None:
    """A filter that is ignored returns the rows of every order."""
    rows = [
        fill(entry_id="e2", trade_time="2026-03-02T16:00:00Z"),
        fill(entry_id="x", order_id="other"),
        fill(),
    ]
    since = m.timestamp("2026-03-02T00:00:00Z")
    with serving({"fills": rows, "cursor": ""}) as (broker, server):
        found = broker.executions_of(ID, since, None)
    assert isinstance(found, m.Observed)
    assert [x.exec_id for x in found.value] == ["entry-1", "e2"]
    assert server.asked[0].query["order_ids"] == ID
    assert server.asked[0].query["start_sequence_timestamp"] == since


def test_the_account_is_its_wallets_their_prices_and_the_fees() -> None:
    """Fees and products are kept for a while; a coin that is not listed has no price."""
    fees = {"fee_tier": {"taker_fee_rate": "0.012", "maker_fee_rate": "0.006"}}
    level = [{"price": "20000", "size": "1"}]
    book = {"product_id": "BTC-USD", "bids": level, "asks": level, "time": "2026-03-02T15:00:00Z"}
    wallets = accounts(wallet("USD", "100"), wallet("BTC", "0.1"), wallet("OLD", "5"))
    prices = {"pricebooks": [book]}
    listed = {"products": [product()], "num_products": 1}
    with serving(wallets, fees, listed, prices, wallets, prices) as (broker, server):
        first, second = broker.account(), broker.account()
    assert isinstance(first, m.Observed)
    assert isinstance(second, m.Observed)
    assert first.value == second.value
    assert (first.value.equity, first.value.fee_rate) == (2_100, D("0.012"))
    assert first.value.account.number == OWNER
    paths = [each.path.rpartition("/")[2] for each in server.asked]
    assert paths == [
        *("accounts", "transaction_summary", "products", "best_bid_ask"),
        *("accounts", "best_bid_ask"),
    ]


def test_a_key_of_another_portfolio_is_refused() -> None:
    """The portfolio of the address is that of the wallets, or nothing is read."""
    with serving(accounts(wallet("USD")), portfolio="other") as (broker, server):
        found = broker.account()
    assert isinstance(found, m.NotObserved)
    assert found.why is m.Failure.REFUSED
    assert server.asked[0].query["retail_portfolio_id"] == "other"


def test_an_edit_states_both_terms() -> None:
    """What the change leaves out is read from the order before."""
    change = m.Change(client_order_id="r", limit_price=D(21_000))
    with serving({"order": order()}, {"success": True, "errors": []}) as (broker, server):
        assert broker.replace(ID, change) == m.Accepted()
    assert server.asked[1].body == {"order_id": ID, "size": "0.5", "price": "21000"}
    whole = m.Change(client_order_id="r", limit_price=D(21_000), qty=D(1))
    with serving({"success": True, "errors": []}) as (broker, server):
        assert broker.replace(ID, whole) == m.Accepted()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Answer(503), m.NotSent),
        (Answer(404, {"error": "NOT_FOUND", "message": "was not found"}), m.Rejected),
        ({"order": order(**configured("market_market_ioc", quote_size="5"))}, m.Rejected),
    ],
)
def test_an_edit_whose_terms_are_not_known_is_not_sent(reply: object, kind: type) -> None:
    """Without both terms the size would count as zero."""
    change = m.Change(client_order_id="r", limit_price=D(21_000))
    with serving(reply) as (broker, server):
        assert isinstance(broker.replace(ID, change), kind)
    assert [each.method for each in server.asked] == ["GET"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(hang_up=True), m.Ambiguous),
        (Answer(mute=True), m.Ambiguous),
        (Answer(body=created(), cut=True), m.Ambiguous),
        (Answer(503, "upstream"), m.Ambiguous),
        (Answer(307, headers={"Location": "/elsewhere"}), m.Ambiguous),
        (Answer(401, "Unauthorized"), m.NotSent),
    ],
)
def test_a_create_is_sent_once_whatever_the_reply(answer: Answer, kind: type) -> None:
    """Nothing is retried and no redirect is followed."""
    with serving(answer) as (broker, server):
        assert isinstance(broker.submit(intent()), kind)
    assert len(server.asked) == 1


def test_two_refused_tokens_in_a_row_are_credentials() -> None:
    """A reply that accepts the token in between begins anew."""
    refused = Answer(401, "Unauthorized")
    good = {"fills": [], "cursor": ""}
    since = m.timestamp("2026-03-02T00:00:00Z")
    with serving(refused, good, refused, refused) as (broker, _):
        found = [broker.executions(since, None) for _ in range(4)]
    reasons = [x.why if isinstance(x, m.NotObserved) else None for x in found]
    again = [m.Failure.UNREACHABLE, None, m.Failure.UNREACHABLE, m.Failure.REFUSED]
    assert reasons == again


def test_a_request_that_cannot_connect_was_not_sent() -> None:
    """Nothing listens on the port."""
    with Canned() as server:
        url = server.url
    broker = CoinbaseBroker(KEY, SECRET, url=url)
    assert isinstance(broker.submit(intent()), m.NotSent)
    broker.close()


def test_addresses() -> None:
    """Coinbase's own host or loopback; portfolios of one user share its limits."""
    env = {"COINBASE_API_KEY": KEY, "COINBASE_API_SECRET": SECRET}
    broker = CoinbaseBroker.from_address("live?portfolio=p", env)
    assert (broker.host, broker.live) == ("api.coinbase.com", True)
    assert repr(broker) == "<CoinbaseBroker api.coinbase.com LIVE>"
    assert not CoinbaseBroker.from_address("http://127.0.0.1:8080", env).live
    limits = {
        address: (can.rate_limit, can.burst_limit)
        for address in ("live", "live?sharing=3", "live?sharing=20")
        for can in [CoinbaseBroker.from_address(address, env).capabilities]
    }
    assert limits == {"live": (160, 10), "live?sharing=3": (53, 3), "live?sharing=20": (8, 1)}
    for wrong in (
        "paper",
        "",
        "http://api.coinbase.com",
        "https://api.coinbase.com.evil.example",
        "http://127.0.0.1:8080/path",
        "https://user@api.coinbase.com",
        "live?colour=red",
        "live?sharing=0",
        "live?sharing=two",
    ):
        with pytest.raises(errors.BadAddress):
            CoinbaseBroker.from_address(wrong, env)


def test_credentials(tmp_path: Path) -> None:
    """A pair of variables, files, or the file that Coinbase hands out; never in a text."""
    pem = secret_of(KEY)
    file = tmp_path / "key.json"
    file.write_text('{{"name": "{}", "privateKey": "{}"}}'.format(KEY, pem.replace("\n", "\\n")))
    secret = tmp_path / "secret"
    secret.write_text(pem)
    found = [
        credentials.credentials_from(env)
        for env in (
            {"COINBASE_API_KEY": KEY, "COINBASE_API_SECRET": pem},
            {"COINBASE_API_KEY": KEY, "COINBASE_API_SECRET_FILE": str(secret)},
            {"COINBASE_KEY_FILE": str(file)},
        )
    ]
    assert {(x.api_key, x.api_secret.strip()) for x in found} == {(KEY, pem.strip())}
    line = pem.splitlines()[1]
    assert KEY not in repr(found[0]) + found[0].redact(f"{KEY} {line}")
    assert line not in found[0].redact(line)
    for env in ({}, {"COINBASE_API_KEY": KEY}, {"COINBASE_KEY_FILE": str(tmp_path / "no")}):
        with pytest.raises(errors.CredentialsMissing):
            credentials.credentials_from(env)
    for key in ("", "a b", "ä"):
        with pytest.raises(errors.CredentialsMissing):
            CoinbaseBroker(key, SECRET)


def test_a_client_of_the_sdk_lends_its_key() -> None:
    """And is not changed."""
    from coinbase.rest import RESTClient

    client = RESTClient(api_key=KEY, api_secret=SECRET)
    assert CoinbaseBroker.from_client(client).host == "api.coinbase.com"


def test_the_sdk_is_imported_late_and_logs_nothing_twice() -> None:
    """The import reads no settings of ours, and the handlers of its logger are removed."""
    code = (
        "import sys, logging; from fillbook.brokers.coinbase import CoinbaseBroker;"
        "assert 'coinbase.rest' not in sys.modules;"
        f"b = CoinbaseBroker({KEY!r}, {SECRET!r}, url='http://127.0.0.1:9');"
        "assert not logging.getLogger('coinbase.RESTClient').handlers;"
        "assert b._transport._client.api_key == 'organizations/1/apiKeys/2'"
    )
    other = {"COINBASE_API_KEY": "other", "COINBASE_API_SECRET": "other"}
    env = {**os.environ, **other}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=env, check=True)


def test_a_fill_whose_side_is_a_placeholder_is_read_with_its_order() -> None:
    """One more request; without it the history could not be read."""
    fills = {"fills": [fill(side="UNKNOWN_ORDER_SIDE")], "cursor": ""}
    with serving(fills, {"order": order(side="SELL")}) as (broker, server):
        read = broker.executions(m.timestamp("2026-03-02T15:00:00Z"), None)
        assert isinstance(read, m.Observed)
        assert [each.side for each in read.value] == [m.OrderSide.SELL]
        assert server.asked[-1].path.endswith(f"/orders/historical/{ID}")
    missing = Answer(404, {"error": "NOT_FOUND", "error_details": "order was not found"})
    with serving(fills, missing) as (broker, _):
        read = broker.executions(m.timestamp("2026-03-02T15:00:00Z"), None)
        assert isinstance(read, m.NotObserved)
        assert read.why is m.Failure.UNREADABLE


def test_wallets_that_name_no_portfolio_are_of_that_of_the_key() -> None:
    """As in older answers, and of a portfolio without wallets."""
    permissions = {"can_view": True, "can_trade": True, "portfolio_uuid": OWNER}
    old = accounts(wallet("USD", "5", retail_portfolio_id=""))
    for wallets, cash in ((old, D(5)), (accounts(), D(0))):
        with serving(wallets, permissions, summary(), {"products": []}) as (broker, _):
            read = broker.account()
            assert isinstance(read, m.Observed), read
            assert (read.value.account.number, read.value.cash) == (OWNER, cash)
    with serving(accounts(), {}) as (broker, _):
        assert isinstance(broker.account(), m.NotObserved)
