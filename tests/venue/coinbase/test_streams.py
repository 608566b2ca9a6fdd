"""The channels `user` and `heartbeats`, frame by frame, and by the SDK's own client."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import pytest
from coinbase.jwt_generator import build_ws_jwt
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Behavior, Emulator, Frame
from fillbook.venue.exchange import Exchange
from tests.venue.coinbase.conftest import Raw, created, limit, market

PATIENCE_S = 60


class Client:
    """A bare client of the stream."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.socket: ClientConnection = connect(emulator.stream_url, close_timeout=0.1)

    def send(self, channel: str, kind: str = "subscribe", **more: Any) -> None:
        token = build_ws_jwt(self._emulator.key, self._emulator.secret)
        body = {"type": kind, "channel": channel, "product_ids": [], "jwt": token, **more}
        self.socket.send(json.dumps(body))

    def snapshot(self, channel: str = "user", **more: Any) -> list[str]:
        """Subscribe, and return the names of the orders of the snapshot, sorted."""
        self.send(channel, **more)
        assert self.frame()["channel"] == "subscriptions"
        [event] = self.frame()["events"]
        return sorted(x["client_order_id"] for x in event["orders"])

    def frame(self) -> Any:
        return json.loads(self.socket.recv(PATIENCE_S))

    def updates(self, count: int) -> list[Any]:
        """The orders of so many updates."""
        found = []
        while len(found) < count:
            frame = self.frame()
            if frame["channel"] == "user":
                found += [x for event in frame["events"] for x in event["orders"]]
        return found

    def subscribed(self) -> Client:
        """Subscribe to `user`, and read what comes first."""
        self.send("user")
        self.frame()
        self.frame()
        return self


@pytest.fixture
def stream(emulator: Emulator) -> Iterator[Client]:
    made = Client(emulator)
    yield made
    made.socket.close()


def test_a_subscription_is_confirmed_and_begins_with_the_open_orders(
    raw: Raw, stream: Client, clock: ManualClock
) -> None:
    """Each frame has the next number; a snapshot has at most fifty orders."""
    for number in range(51):
        created(raw.create(f"o{number}", limit("0.001")))
    clock.advance(1)
    stream.send("user")
    frames = [stream.frame() for _ in range(3)]
    assert [x["sequence_num"] for x in frames] == [0, 1, 2]
    (user,) = frames[0]["events"][0]["subscriptions"]["user"]
    assert user == raw.get("/orders/historical/batch")["orders"][0]["user_id"]
    assert [x["events"][0]["type"] for x in frames[1:]] == ["snapshot", "snapshot"]
    assert [len(x["events"][0]["orders"]) for x in frames[1:]] == [50, 1]
    assert set(frames[1]) == {"channel", "client_id", "timestamp", "sequence_num", "events"}
    stream.send("heartbeats")
    both = stream.frame()["events"][0]["subscriptions"]
    assert both == {"user": [user], "heartbeats": ["heartbeats"]}
    stream.send("user", "unsubscribe")
    assert set(stream.frame()["events"][0]["subscriptions"]) == {"heartbeats"}


def test_an_empty_account_has_one_empty_snapshot_and_heartbeats_count(
    stream: Client, emulator: Emulator
) -> None:
    """The counter does not begin at zero, and is consecutive."""
    emulator.behavior = Behavior(heartbeat_s=0.01)
    stream.send("user")
    assert stream.frame()["channel"] == "subscriptions"
    assert stream.frame()["events"][0] == {
        "type": "snapshot",
        "orders": [],
        "positions": {"perpetual_futures_positions": [], "expiring_futures_positions": []},
    }
    stream.send("heartbeats")
    stream.frame()
    beats = [stream.frame()["events"][0] for _ in range(2)]
    assert beats[1]["heartbeat_counter"] - beats[0]["heartbeat_counter"] == 1


def test_a_fill_is_two_updates_with_totals(
    raw: Raw, stream: Client, clock: ManualClock, exchange: Exchange
) -> None:
    """The new total with the old hold, then the lower hold; no price of the single fill."""
    stream.subscribed()
    order_id = created(raw.create("a", limit("0.002", "100000")))
    clock.advance(1)
    rows = stream.updates(4)
    assert [x["status"] for x in rows] == ["PENDING", "OPEN", "FILLED", "FILLED"]
    assert {x["order_id"] for x in rows} == {order_id}
    assert [x["outstanding_hold_amount"] for x in rows] == ["201.2", "201.2", "201.2", "0"]
    assert [x["cumulative_quantity"] for x in rows] == ["0", "0", "0.002", "0.002"]
    assert (rows[2]["avg_price"], rows[2]["number_of_fills"]) == ("64260", "1")
    assert (rows[0]["order_type"], rows[0]["post_only"]) == ("Limit", "false")


def test_a_partial_fill_stays_open(
    raw: Raw, stream: Client, clock: ManualClock, exchange: Exchange
) -> None:
    """With its share of the order, what is left, and a lower hold in the second update."""
    order_id = created(raw.create("a", limit("0.1", "50000")))
    clock.advance(1)
    stream.subscribed()
    exchange.fill(order_id, "0.04")
    clock.advance(1)
    rows = stream.updates(2)
    assert [x["outstanding_hold_amount"] for x in rows] == ["5030", "3018"]
    for row in rows:
        shown = (row["status"], row["completion_percentage"], row["leaves_quantity"])
        assert shown == ("OPEN", "40.00", "0.06")


def test_a_cancel_is_queued_then_done_then_free(
    raw: Raw, stream: Client, clock: ManualClock
) -> None:
    """With its reason; the remainder of an immediate order has another."""
    order_id = created(raw.create("a", limit()))
    clock.advance(1)
    stream.subscribed()
    raw.post("/orders/batch_cancel", {"order_ids": [order_id]})
    clock.advance(1)
    rows = stream.updates(3)
    assert [x["status"] for x in rows] == ["CANCEL_QUEUED", "CANCELLED", "CANCELLED"]
    assert rows[2]["cancel_reason"] == "User requested cancel"
    assert [x["leaves_quantity"] for x in rows] == ["0.1", "0", "0"]
    created(raw.create("b", {"sor_limit_ioc": {"base_size": "0.1", "limit_price": "50000"}}))
    clock.advance(1)
    assert stream.updates(4)[-1]["cancel_reason"] == "Internal error"


def test_products_of_a_subscription_add_up(raw: Raw, stream: Client, clock: ManualClock) -> None:
    """None means all; an alias is its book; heartbeats have no products."""
    created(raw.create("b", limit("0.001")))
    created(raw.create("e", limit("0.1", "2000"), product_id="ETH-USD"))
    clock.advance(1)
    assert stream.snapshot(product_ids=["SOL-USD"]) == []
    assert stream.snapshot(product_ids=["BTC-USDC"]) == ["b"]
    assert stream.snapshot(product_ids=["ETH-USD"]) == ["b", "e"]
    for products, left in ((["BTC-USD", "SOL-USD"], {"user"}), (["ETH-USD"], set())):
        stream.send("user", "unsubscribe", product_ids=products)
        assert set(stream.frame()["events"][0]["subscriptions"]) == left
    assert stream.snapshot() == ["b", "e"]
    stream.send("heartbeats", product_ids=["BTC-USD"])
    assert set(stream.frame()["events"][0]["subscriptions"]) == {"user", "heartbeats"}
    stream.send("heartbeats", "unsubscribe", product_ids=["BTC-USD"])
    assert set(stream.frame()["events"][0]["subscriptions"]) == {"user"}
    stream.send("user", "unsubscribe", product_ids=["BTC-USD"])
    assert set(stream.frame()["events"][0]["subscriptions"]) == {"user"}


def test_an_alias_is_reported_under_the_name_of_its_book(
    raw: Raw, stream: Client, clock: ManualClock, exchange: Exchange, emulator: Emulator
) -> None:
    """An order of BTC-USDC is one of BTC-USD here."""
    exchange.transfer(emulator.account, "USDC/USD", "10000", "1")
    stream.subscribed()
    order_id = created(raw.create("a", limit(), product_id="BTC-USDC"))
    clock.advance(1)
    assert {x["product_id"] for x in stream.updates(2)} == {"BTC-USD"}
    assert raw.order(order_id)["product_id"] == "BTC-USDC"


def test_a_token_that_is_not_valid_is_an_error_and_the_socket_stays(stream: Client) -> None:
    """So is a channel or a word that does not exist, and what is no list of products."""
    for more in (
        *({"jwt": "x"}, {"jwt": None}, {"channel": "gossip"}, {"channel": ["user"]}),
        *({"kind": "describe"}, {"type": None}, {"product_ids": [["BTC-USD"]]}),
        *({"product_ids": "BTC-USD"}, {"product_ids": [1]}),
    ):
        stream.send(**{"channel": "user", **more})
        assert stream.frame() == {"type": "error", "message": "authentication failure"}
    stream.send("user")
    assert stream.frame()["channel"] == "subscriptions"


def test_a_connection_without_a_subscription_ends(emulator: Emulator) -> None:
    """After five seconds; here after a switch's."""
    emulator.behavior = Behavior(subscribe_s=0.05)
    with pytest.raises(ConnectionClosed), connect(emulator.stream_url) as socket:
        socket.recv(PATIENCE_S)


@pytest.mark.parametrize(
    ("frame", "numbers"), [(Frame.GAP, [3]), (Frame.TWICE, [2, 2]), (Frame.SWAPPED, [3, 2])]
)
def test_a_frame_is_missing_or_sent_twice_or_late(
    raw: Raw, stream: Client, emulator: Emulator, clock: ManualClock, frame: Frame,
    numbers: list[int],
) -> None:  # fmt: skip
    """The numbers tell."""
    stream.subscribed()
    emulator.streams.next(frame)
    created(raw.create("a", limit()))
    clock.advance(1)
    assert [stream.frame()["sequence_num"] for _ in numbers] == numbers


def test_other_shapes_of_frames(
    raw: Raw, emulator: Emulator, exchange: Exchange, clock: ManualClock
) -> None:
    """Few fields, no client id, another spelling, leaves of an ended order, a replay."""
    emulator.behavior = Behavior(
        sparse=True,
        names_client=False,
        reject_word="reject_Reason",
        zeroes_leaves=False,
        replays=True,
    )
    first = Client(emulator)
    first.subscribed()
    exchange.faults.fail("taken", "reject-after-accept")
    created(raw.create("a", limit()))
    clock.advance(1)
    frame = first.frame()
    assert "client_id" not in frame
    (row,) = frame["events"][0]["orders"]
    assert (row["status"], row["leaves_quantity"]) == ("FAILED", "0.1")
    assert row["reject_Reason"] == "rejected by the venue"
    assert "limit_price" not in row
    first.socket.close()
    second = Client(emulator)
    second.subscribed()
    assert second.updates(1) == [row]
    second.socket.close()


@contextmanager
def sdk_client(emulator: Emulator) -> Iterator[tuple[Any, Callable[[int], list[Any]]]]:
    """The SDK's client, unmodified, and a function that returns so many of its typed frames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from coinbase.websocket import WebsocketResponse, WSUserClient
    heard: Queue[str] = Queue()
    client = WSUserClient(
        api_key=emulator.key,
        api_secret=emulator.secret,
        base_url=emulator.stream_url,
        on_message=heard.put,
        timeout=5,
        retry=False,
    )
    client.open()
    try:
        yield (
            client,
            lambda count: [
                WebsocketResponse(json.loads(heard.get(timeout=PATIENCE_S))) for _ in range(count)
            ],
        )
    finally:
        client.close()


def test_the_sdks_client_reads_every_frame(
    raw: Raw, emulator: Emulator, clock: ManualClock
) -> None:
    """Unmodified, over plain WebSocket, with its typed frames."""
    with sdk_client(emulator) as (client, frames):
        client.user(product_ids=["BTC-USD"])
        assert [x.channel for x in frames(2)] == ["subscriptions", "user"]
        created(raw.create("a", market()))
        clock.advance(1)
        found = frames(3)
        assert [x.events[0].orders[0].status for x in found] == ["PENDING", "OPEN", "FILLED"]


def test_the_sdks_client_leaves_its_channels(emulator: Emulator) -> None:
    """Heartbeats, the subscriptions left, and all at once; its numbers have no gap."""
    emulator.behavior = Behavior(heartbeat_s=0.01)
    with sdk_client(emulator) as (client, frames):

        def next_of(channel: str) -> Any:
            while True:
                [found] = frames(1)
                numbers.append(found.sequence_num)
                if found.channel == channel:
                    return found.events[0]

        numbers: list[int] = []
        client.heartbeats()
        assert next_of("heartbeats").heartbeat_counter > 0
        client.user(product_ids=["BTC-USD", "ETH-USD"])
        assert next_of("user").orders == []
        client.user_unsubscribe(product_ids=["ETH-USD"])
        assert set(next_of("subscriptions").subscriptions) == {"user", "heartbeats"}
        client.heartbeats_unsubscribe()
        assert set(next_of("subscriptions").subscriptions) == {"user"}
        client.unsubscribe_all()
        assert next_of("subscriptions").subscriptions == {}
        assert numbers == list(range(len(numbers)))
