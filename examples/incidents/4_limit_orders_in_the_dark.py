"""Limit orders of two teams on one account: which are open, which filled, and by strategy."""

from datetime import UTC, datetime

from places import place

import fillbook as fb
from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Ticket

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))

with (
    place(4, clock) as (exchange, account, broker, symbol),
    fb.open(broker, "memory://", clock=clock) as desk,
):
    exchange.quote(symbol, "187.00", "187.02")
    desk.sync()
    for price in ("186.50", "186.00", "180.00"):
        desk.buy(symbol, qty=10, limit_price=price, strategy="dips")
    desk.buy(symbol, qty=5, limit_price="170.00", strategy="crash")
    by_hand = Ticket(
        symbol=symbol,
        side=m.OrderSide.BUY,
        type=m.OrderType.LIMIT,
        time_in_force=m.TimeInForce.GTC,
        qty=m.number(3),
        limit_price=m.number("175"),
    )
    exchange.trade_by_hand(account, by_hand)
    clock.advance(5)
    exchange.quote(symbol, "185.98", "186.00")  # two of them fill; the bot receives no event
    clock.advance(5)
    exchange.quote(symbol, "188.00", "188.02")
    clock.advance(60)
    print("The bot expects: 4 orders sent, no fills; it does not know which are still open")

    desk.sync()
    desk.sell(symbol, qty=20, limit_price="188", strategy="dips")
    clock.advance(5)
    desk.sync()
    print("fillbook shows, open:")
    for order in desk.book.orders(open=True):
        owner = order.strategy or "external"
        print(f"  {order.side} {order.leaves_qty} at {order.limit_price}, {order.status}: {owner}")
    for trade in desk.book.trades():
        print(f"  trade of {trade.strategy}: {trade.qty} {symbol}, {trade.pnl:+} before fees")
    canceled = desk.cancel_all(strategy="dips")
    print(f"One team cancels its open orders: {[str(order.status) for order in canceled]}")
    left = [x.strategy for x in desk.book.orders(open=True)]
    print(f"  {len(left)} are still open: {left}")
    clock.advance(60)
    print(f"Verdict: {desk.sync().verdict}")
