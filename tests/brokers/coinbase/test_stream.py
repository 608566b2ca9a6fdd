"""The supervised stream: each way in which it may end, and what is passed on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event
from typing import Any

import pytest

import fillbook
import fillbook.testing.broker_suite
from fillbook import model as m
from fillbook.brokers.coinbase.stream import UserChannel
from fillbook.clock import ManualClock
from fillbook.errors import InvalidValue
from fillbook.venue.coinbase import Behavior, Emulator, Frame, spot_exchange
from fillbook.venue.exchange import Ticket

from .emulated import Ear, HeardBroker

RecordingSink = fillbook.testing.broker_cases.base.RecordingSink
S = m.OrderStatus
OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Venue:
    """An emulator, an adapter, and a stream with a sink."""

    def __init__(self, emulator: Emulator, clock: ManualClock) -> None:
        self.emulator, self.clock = emulator, clock
        self.broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url)
        self.sink = RecordingSink()

    def wait(self) -> None:
        """Let two seconds pass, and wait until every update was handled."""
        assert self.broker.ear is not None
        self.clock.advance(2)
        self.broker.ear.wait_for(self.emulator.streams.sent)

    def place(self, **more: Any) -> str:
        """Place an order of the adapter, and return its id."""
        terms = {"symbol": "BTC/USD", "side": "buy", "qty": "0.1", "limit_price": "50000"}
        terms |= {"time_in_force": "gtc", **more}
        name = f"o{len(self.emulator.account.truth.orders())}"
        at = m.timestamp(self.clock.now())
        outcome = self.broker.submit(
            m.Intent(client_order_id=name, request=m.OrderRequest(**terms), at=at)
        )
        assert isinstance(outcome, m.Accepted), outcome
        assert outcome.broker_order_id is not None
        return outcome.broker_order_id


@pytest.fixture
def venue() -> Iterator[Venue]:
    clock = ManualClock(OPEN)
    with Emulator(spot_exchange(seed=7, clock=clock), rate_limit=10_000) as emulator:
        made = Venue(emulator, clock)
        with made.broker.listen(made.sink):  # type: ignore[union-attr]
            made.wait()
            yield made
        made.broker.close()


def reconnected(venue: Venue) -> None:
    assert venue.sink.reconnected.wait(10), venue.sink.losses


@pytest.mark.parametrize(
    "end",
    [
        lambda streams: streams.disconnect(),
        lambda streams: streams.abort(),
        lambda streams: [each.drop_subscriptions() for each in streams.all()],
        lambda streams: streams.broadcast({"type": "error", "message": "authentication failure"}),
    ],
    ids=["clean close", "abort", "lost subscription", "error"],
)
def test_every_end_is_reported_once_and_the_stream_comes_back(
    venue: Venue, end: Callable[[Any], Any]
) -> None:
    """And what happens after it is passed on again."""
    order_id = venue.place()
    venue.wait()
    end(venue.emulator.streams)
    reconnected(venue)
    assert (venue.sink.connections, len(venue.sink.losses)) == (2, 1)
    assert venue.emulator.streams.wait_for(1, 10)
    venue.broker.cancel(order_id)
    venue.clock.advance(2)
    for _ in range(100):
        if S.CANCELED in venue.sink.statuses(order_id):
            break
        venue.emulator.streams.wait_for(2, 0.05)
    assert venue.sink.statuses(order_id)[-1] is S.CANCELED


def test_silence_is_an_end(venue: Venue) -> None:
    """Heartbeats are expected: without any frame the connection is given up."""
    sink = RecordingSink()
    ear = Ear(sink)
    venue.emulator.behavior = Behavior(heartbeat_s=0.05)
    endpoints, keys = venue.broker._endpoints, venue.broker._keys
    channel = UserChannel(endpoints.stream_url, keys, lambda _: (), ear, silence_s=0.5)
    with channel:
        ear.wait_for(0)
        venue.emulator.streams.is_silent = True
        assert _until(lambda: bool(sink.losses))
        venue.emulator.streams.is_silent = False
        assert sink.reconnected.wait(10)
    assert sink.losses[0] == "nothing was received for 0.5 s"


def _until(holds: Callable[[], bool]) -> bool:
    pause = Event()
    return any(holds() or pause.wait(0.05) for _ in range(200)) or holds()


def test_an_order_is_passed_on_when_it_changes(venue: Venue) -> None:
    """The channel sends each fill twice and each end twice or more."""
    order_id = venue.place(qty="0.2")
    venue.clock.advance(1)
    venue.emulator.exchange.fill(order_id, "0.05", "49000")
    venue.wait()
    venue.emulator.exchange.fill(order_id, None, "48000")
    venue.wait()
    reports = venue.sink.reports_of(order_id)
    statuses = [S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED, S.FILLED]
    assert [x.status for x in reports] == statuses
    assert [x.filled_qty for x in reports] == [0, 0, Decimal("0.05"), Decimal("0.2")]
    assert [x.fill_count for x in reports] == [0, 0, 1, 2]
    assert {x.terms.qty for x in reports} == {Decimal("0.2")}
    assert all(x.executions == () for x in reports)


@pytest.mark.parametrize(
    ("frame", "losses"), [(Frame.GAP, 1), (Frame.TWICE, 0), (Frame.SWAPPED, 1)]
)
def test_a_missing_frame_is_a_gap(venue: Venue, frame: Frame, losses: int) -> None:
    """A repeated one is not, and an older total never follows a newer one."""
    order_id = venue.place(qty="0.2")
    venue.wait()
    venue.emulator.streams.next(frame)
    venue.emulator.exchange.fill(order_id, "0.05", "49000")
    venue.emulator.exchange.fill(order_id, "0.05", "49000")
    venue.wait()
    totals = [x.filled_qty for x in venue.sink.reports_of(order_id)]
    assert totals == sorted(totals)
    assert totals[-1] == Decimal("0.1")
    assert (len(venue.sink.losses), venue.sink.connections) == (losses, 1 + losses)


def test_a_sink_that_raises_does_not_end_the_stream(venue: Venue) -> None:
    """Its report is a gap; the next is received."""
    failing = venue.sink.receive

    def raises(reports: Any) -> None:
        venue.sink.receive = failing  # type: ignore[method-assign]
        raise RuntimeError("the bot's fault")

    venue.sink.receive = raises  # type: ignore[method-assign]
    order_id = venue.place()
    venue.wait()
    assert "could not be processed: RuntimeError" in venue.sink.losses[0]
    assert venue.sink.statuses(order_id) == [S.NEW]


@pytest.mark.parametrize("fault", ["event-null", "unknown-event"])
def test_a_frame_of_another_shape_is_a_gap_or_nothing(venue: Venue, fault: str) -> None:
    """Null in place of the events, an unknown kind of event."""
    venue.emulator.exchange.faults.fail("frame", fault)
    order_id = venue.place()
    venue.wait()
    assert venue.sink.statuses(order_id) == [S.NEW]
    assert len(venue.sink.losses) == (1 if fault == "event-null" else 0)


def test_an_order_of_an_alias_keeps_its_own_product(venue: Venue) -> None:
    """A frame names the book; the symbol is that of the create."""
    venue.emulator.exchange.transfer(venue.emulator.account, "USDC/USD", "10000", "1")
    order_id = venue.place(symbol="BTC/USDC")
    venue.wait()
    assert {x.terms.symbol for x in venue.sink.reports_of(order_id)} == {"BTC/USDC"}


def test_an_order_of_somebody_else_is_left_to_the_poll_if_its_product_is_not_sure(
    venue: Venue,
) -> None:
    """It may be of BTC-USDC; one of ETH-BTC has no alias."""
    exchange, account = venue.emulator.exchange, venue.emulator.account
    for symbol, qty in (("BTC/USD", "0.1"), ("ETH/BTC", "1")):
        exchange.transfer(account, "BTC/USD", "1", "60000")
        ticket = Ticket(
            symbol=symbol,
            side=m.OrderSide.BUY,
            type=m.OrderType.MARKET,
            time_in_force=m.TimeInForce.IOC,
            qty=Decimal(qty),
        )
        exchange.trade_by_hand(account, ticket)
        venue.wait()
    assert {x.terms.symbol for x in venue.sink.reports} == {"ETH/BTC"}


def test_a_stop_that_takes_a_profit_is_left_to_the_poll(venue: Venue) -> None:
    """A frame does not tell its direction: it would look like a protection."""
    exchange, account = venue.emulator.exchange, venue.emulator.account
    exchange.transfer(account, "BTC/USD", "1", "60000")
    ticket = Ticket(
        symbol="BTC/USD",
        side=m.OrderSide.SELL,
        type=m.OrderType.STOP_LIMIT,
        time_in_force=m.TimeInForce.GTC,
        qty=Decimal("0.1"),
        limit_price=Decimal(70_000),
        stop_price=Decimal(70_000),
        stops_in_profit=True,
    )
    placed = exchange.trade_by_hand(account, ticket)
    venue.wait()
    read = venue.broker.order(placed.id)
    assert isinstance(read, m.Observed)
    assert read.value.terms.type is m.OrderType.UNRECOGNISED
    account.cancel(placed.id)
    venue.wait()
    assert venue.sink.reports == []


def test_frames_of_the_bots_own_stream_are_read(venue: Venue) -> None:
    """As text, as a dict, and as the SDK's typed frame; nothing else."""
    order_id = venue.place()
    order = {"order_id": order_id, "client_order_id": "o0", "status": "OPEN"}
    order |= {"order_side": "BUY", "product_id": "BTC-USD", "cumulative_quantity": "0"}
    order |= {"leaves_quantity": "0.1", "order_type": "Limit", "avg_price": "0"}
    frame = {"channel": "user", "sequence_num": 0, "events": [{"orders": [order]}]}

    class Typed:
        def to_dict(self) -> Any:
            return frame

    for raw in (frame, json.dumps(frame), json.dumps(frame).encode(), Typed()):
        (report,) = venue.broker.read_event(raw)
        assert (report.broker_order_id, report.status) == (order_id, S.NEW)
        assert report.terms.qty == Decimal("0.1")
    assert list(venue.broker.read_event({"channel": "heartbeats", "events": []})) == []
    for wrong in (object(), 7, "no json", "[]"):
        with pytest.raises(InvalidValue):
            venue.broker.read_event(wrong)


def test_a_desk_finds_what_was_missed_while_the_stream_was_down() -> None:
    """An order that filled and left the book meanwhile is definite within thirty seconds."""
    clock = ManualClock(OPEN)
    with Emulator(spot_exchange(seed=7, clock=clock), rate_limit=10_000) as emulator:
        broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url)
        with fillbook.open(broker, "memory://", clock=clock, wait_s=1) as desk:
            desk.sync()
            orders = [desk.buy("BTC/USD", qty="0.01", limit_price=x) for x in (50000, 50001, 50002)]
            clock.advance(1)
            stream = broker.listen(desk._background)
            assert stream is not None
            with stream:
                assert broker.ear is not None
                broker.ear.wait_for(0)
                emulator.exchange.faults.fail("event", "stream-lost")
                for order in orders:
                    assert order.broker_order_id is not None
                    emulator.exchange.fill(order.broker_order_id)
                started = clock.elapsed()
                while any(not desk.book.order(x).is_final for x in orders):
                    clock.advance(1)
                    desk.tick()
                    assert (clock.elapsed() - started).total_seconds() <= 30
            assert desk.book.position("BTC/USD").qty == Decimal("0.03")
        broker.close()
