"""
Reconnects lose nothing: live orders, and each way in which the stream may end.

FILLBOOK_ORDERS is their number; `nox -s coinbase` has a hundred.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import fillbook
from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Emulator, Frame, spot_exchange

from .emulated import HeardBroker

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ORDERS, DEFINITE_S = int(os.environ.get("FILLBOOK_ORDERS", "16")), 30


def _raise(desk: Any, emulator: Emulator) -> None:
    """Let the next report raise in the desk's sink."""
    receive = desk._background.receive

    def raises(reports: Any) -> None:
        desk._background.receive = receive
        raise RuntimeError

    desk._background.receive = raises


ENDS: dict[str, Callable[[Any, Emulator], Any]] = {
    "clean close": lambda desk, emulator: emulator.streams.disconnect(),
    "abort": lambda desk, emulator: emulator.streams.abort(),
    "silence": lambda desk, emulator: setattr(emulator.streams, "is_silent", True),
    "lost subscription": lambda desk, emulator: [
        each.drop_subscriptions() for each in emulator.streams.all()
    ],
    "an exception in the sink": _raise,
    "a missing frame": lambda desk, emulator: emulator.streams.next(Frame.GAP),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("end", ENDS)
def test_everything_is_definite_within_thirty_seconds(end: str) -> None:
    """With the limits of the service: no request is refused as one too many."""
    clock = ManualClock(OPEN)
    with Emulator(spot_exchange(seed=7, clock=clock), rate_limit=30) as emulator:
        broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url)
        with fillbook.open(broker, "memory://", clock=clock, wait_s=2) as desk:
            desk.sync()
            for number in range(ORDERS):
                clock.advance(5)  # at the pace of 160 requests a minute
                desk.tick()
                desk.buy("ETH/USD", qty="0.01", limit_price=str(2500 + number))
            for _ in range(30):
                clock.advance(5)
                desk.tick()
            stream = broker.listen(desk._background)
            assert stream is not None
            with stream:
                assert broker.ear is not None
                broker.ear.wait_for(0)
                desk.tick()
                ENDS[end](desk, emulator)
                live = [x for x in emulator.account.truth.orders() if not x.is_final]
                assert len(live) == ORDERS
                half = ORDERS // 2
                for order in live[:half]:
                    emulator.exchange.fill(order.id)
                emulator.exchange.reject(live[half].id)
                for order in live[half + 1 : half + 4]:
                    emulator.account.cancel(order.id)
                began = clock.elapsed()
                while not is_definite(desk, emulator):
                    clock.advance(1)
                    desk.tick()
                    assert (clock.elapsed() - began).total_seconds() <= DEFINITE_S
        assert emulator.gateway.refused == 0
        broker.close()


def is_definite(desk: Any, emulator: Emulator) -> bool:
    """Whether the record shows each order as the exchange does."""
    theirs = {x.client_order_id: x for x in emulator.account.truth.orders()}
    return all(
        x.is_final == theirs[x.client_order_id].is_final
        and x.status == theirs[x.client_order_id].status
        and x.filled_qty == theirs[x.client_order_id].filled_qty
        for x in desk.book.orders()
    )
