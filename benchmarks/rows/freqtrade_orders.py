"""freqtrade: a fill of an open order, written to its database."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime

from freqtrade.persistence import Order, Trade, init_db

from rows.timing import Round, timed

logging.disable(logging.CRITICAL)
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def fills(count: int) -> Iterator[Round]:
    """`Trade.update_order` and its commit, of a trade with ten open orders."""
    folder = tempfile.mkdtemp()
    init_db(f"sqlite:///{folder}/trades.sqlite")
    trade = Trade(
        pair="AAPL/USD",
        exchange="x",
        stake_amount=100.0,
        amount=10.0,
        open_rate=100.0,
        fee_open=0.0,
        fee_close=0.0,
        open_date=BEGUN,
        is_open=True,
        leverage=1,
        is_short=False,
        precision_mode=2,
        amount_precision=1e-8,
        price_precision=0.01,
    )
    for number in range(10):
        trade.orders.append(
            Order(
                order_id=f"b-{number}",
                ft_order_side="buy",
                ft_pair=trade.pair,
                ft_is_open=True,
                ft_amount=1e6,
                ft_price=100.0,
                symbol=trade.pair,
                order_type="limit",
                side="buy",
                price=100.0,
                average=100.0,
                amount=1e6,
                filled=0.0,
                remaining=1e6,
                cost=1e6,
                order_date=BEGUN,
                status="open",
            )
        )
    Trade.session.add(trade)
    Trade.commit()
    filled = 0

    def work() -> None:
        nonlocal filled
        for _ in range(count):
            filled += 1
            told = {
                "id": f"b-{filled % 10}",
                "symbol": trade.pair,
                "price": 100.0 + filled,
                "average": 100.0 + filled,
                "amount": 1e6,
                "filled": float(filled),
                "remaining": 1e6 - filled,
                "status": "open",
                "side": "buy",
                "type": "limit",
                "cost": 100.0 * filled,
                "timestamp": 1_700_000_000_000 + filled,
                "datetime": None,
                "lastTradeTimestamp": None,
                "fee": None,
            }
            trade.update_order(told)

    yield {}
    while True:
        yield timed(work, count)
