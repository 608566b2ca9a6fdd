"""Under every fault, the sums of the exchange hold."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.venue.exchange import Faults, Fill, OrderVersion
from tests.venue.exchange.floor import Day

SYMBOLS = ("AAPL", "MSFT", "BTC/USD")
BASES = {"AAPL": Decimal(187), "MSFT": Decimal(412), "BTC/USD": Decimal(64255)}


def wish(rng: random.Random) -> m.OrderRequest:
    symbol = rng.choice(SYMBOLS)
    near = (BASES[symbol] * rng.randrange(97, 104) / 100).quantize(Decimal("0.01"))
    fields: dict[str, object] = {
        "symbol": symbol,
        "side": rng.choice(("buy", "sell")),
        "qty": Decimal(rng.randrange(1, 30)) / (100 if "/" in symbol else 1),
        "time_in_force": "gtc" if "/" in symbol else "day",
    }
    if rng.random() < 0.5:
        fields["limit_price"] = near
    if "/" not in symbol and rng.random() < 0.3:
        fields |= {"side": "buy", "take_profit": near * 2, "stop_loss": (near / 2).quantize(near)}
    return m.OrderRequest(**fields)  # type: ignore[arg-type]


def stir(day: Day, broker: SimulatedBroker, rng: random.Random, n: int) -> None:
    """One act of a client, then some time."""
    deed = rng.random()
    if deed < 0.5:
        at = m.timestamp(day.clock.now())
        broker.submit(m.Intent(client_order_id=f"c{n}", request=wish(rng), at=at))
    elif deed < 0.7:
        rest = [o for o in day.truth.orders() if not o.is_final]
        if rest:
            stir_one(broker, rng.choice(rest), rng, n)
    elif deed < 0.8:
        symbol = rng.choice(SYMBOLS)
        bid = (BASES[symbol] * rng.randrange(95, 106) / 100).quantize(Decimal("0.01"))
        day.exchange.quote(symbol, bid, bid + Decimal("0.02"))
    else:
        broker.positions(None), broker.orders(m.OrderQuery(), None), broker.account()
        broker.executions(m.Timestamp(""), None)
    day.pass_(rng.choice((0.01, 1, 30, 3600)))


def stir_one(broker: SimulatedBroker, order: OrderVersion, rng: random.Random, n: int) -> None:
    """Cancel an order, or change one of its values."""
    qty = (order.qty or 0) + rng.randrange(-3, 4)
    change = m.Change(
        client_order_id=f"r{n}",
        qty=None if order.qty is None or order.parent_id or qty <= 0 else Decimal(qty),
        limit_price=order.limit_price and order.limit_price + 1,
        stop_price=order.stop_price and order.stop_price - 1,
    )
    if rng.random() < 0.5:
        broker.replace(order.id, change)
    else:
        broker.cancel(order.id)


@pytest.mark.parametrize("seed", range(8))
def test_the_sums_hold_under_every_fault(seed: int) -> None:
    day, rng = Day(partial_rate=0.4, seed=seed), random.Random(seed)
    broker = SimulatedBroker(day.exchange, day.account, timeout_s=1)
    for rule in Faults.random(seed, 0.03).rules:
        day.faults.add(rule)
    with day.heard():
        for n in range(250):
            stir(day, broker, rng, n)
            assert day.truth.positions() == day.truth.net_positions()
    for order in day.truth.orders():
        check(order, day.truth.fills(order.id))
    assert len(day.faults.counts) > 12


def check(order: OrderVersion, fills: list[Fill]) -> None:
    """Compare the executions of an order with its report."""
    assert order.qty is not None
    assert order.filled_qty <= order.qty
    if any(fill.is_busted for fill in fills):
        return  # a bust may leave the order's own total as it was
    standing = [fill for fill in fills if not fill.is_corrected]
    carried = order.carried_qty * (order.carried_price or m.ZERO)
    assert order.filled_qty == order.carried_qty + sum(fill.qty for fill in standing)
    value = carried + sum(fill.qty * fill.price for fill in standing)
    told = order.filled_qty * (order.filled_avg_price or m.ZERO)
    assert abs(value - told) < Decimal("0.0001")
