"""A market order fills at once; the record shows "pending" for hours, and blocks the bot."""

from datetime import UTC, datetime

from places import place

import fillbook as fb
from fillbook import model as m
from fillbook.clock import ManualClock

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))

with (
    place(5, clock) as (exchange, _, broker, symbol),
    fb.open(broker, "memory://", clock=clock) as desk,
):
    exchange.quote(symbol, "187.00", "187.02")
    exchange.faults.switch_on("stream-silent")  # connected, but without events
    desk.sync()
    began = clock.elapsed()
    order = desk.buy(symbol, qty=10, key="entry")
    took = (clock.elapsed() - began).total_seconds()
    reported = [x.entry for x in desk.book.journal() if isinstance(x.entry, m.Reported)]
    print(f"The bot expects: {reported[0].report.status}, the status in the reply to its order")
    print(f"fillbook shows: {order.status}, {order.filled_qty} at {order.avg_price} after {took} s")

    print("The next reply is lost too, and then the broker is unreachable for two minutes")
    exchange.faults.fail(next="submit", with_="reply-lost")
    clock.call_later(1, lambda: exchange.faults.switch_on("unreachable"))
    second = desk.buy(symbol, qty=5, key="more")
    print(f"fillbook shows: {second.status}; an order without a reply counts, and is queried")
    for _ in range(24):
        clock.advance(5)
        desk.tick()
    exchange.faults.clear()
    for _ in range(6):
        clock.advance(5)
        desk.tick()
    second = desk.book.order(second)
    print(f"Half a minute after the outage: {second.status}, {second.filled_qty} filled")
    print(f"Position: {desk.book.position(symbol).qty}; the symbol is not locked")
