"""
Promise P10, as the exchange sees it, after every event.

1. A protected part is covered by live stops, or an alert stands, or it has been without them for
   less than `naked_max_s` while the desk ticked and an exit could trade.
2. No order of a plan was placed for more than the position, and none opened one.
"""

from datetime import timedelta
from decimal import Decimal

from fillbook import model as m

#: Two ticks of the day, a pass, and what an act of the bot waits for.
SLACK_S = 65
#: Only time in which the desk ticks at least so often counts.
GAP_S = 61
#: An alert that stands is repeated after five minutes, by the next tick.
REPEATED_S = 300 + GAP_S
LIVE = frozenset({"new", "accepted", "held", "partially_filled", "pending_new", "pending_replace"})
STOPS = frozenset({"stop", "stop_limit", "trailing_stop"})
ALERTS = frozenset(
    {
        m.AlertKind.NAKED,
        m.AlertKind.EXIT_CHANGED,
        m.AlertKind.PROPOSED,
        m.AlertKind.DRIFT,
        m.AlertKind.UNSETTLED,
    }
)


class Guard:
    """Watches one account; `naked_s` are the times without cover, in seconds."""

    def __init__(self, day):
        self.day = day
        self.naked = {}  # by protection: the seconds so far, and since when
        self.naked_s = []
        self.at = day.clock.now()
        self.cursor = ""
        self.alerted = {}  # by symbol: when it was alerted last
        self.positions = {}
        self.excess = {}  # by symbol: the seconds so far

    def observe(self):
        """Return the sentences that are not so."""
        now = self.day.clock.now()
        gap = (now - self.at).total_seconds()
        self.at = now
        for event in self.day.desk.events(self.cursor):
            self.cursor = event.cursor
            if event.alert is not None and event.alert.kind in ALERTS:
                self.alerted[event.alert.about] = m.moment(event.at)
        found = [*self._uncovered(gap, now), *self._excessive(gap)]
        self.positions = self.day.books.truth.positions()
        return found

    def _uncovered(self, gap, now):
        stops = self._stops()
        known = set()
        for x in self.day.desk.protections():
            if not x.policy.has_stop or x.pending or not x.approved:
                continue
            known.add(x.key)
            part = dict(self.day.desk.book.position(x.symbol).by_strategy).get(x.strategy)
            held = self.day.books.truth.positions().get(x.symbol, Decimal(0))
            wanted = min(abs(part.qty) if part is not None else Decimal(0), abs(held))
            if wanted <= stops.get(x.symbol, Decimal(0)) or wanted < 1:
                self._covered(x.key)
                continue
            seconds, since = self.naked.get(x.key, (0.0, now))
            if gap <= GAP_S and self._could_trade(x.symbol):
                seconds += gap
            self.naked[x.key] = seconds, since
            said = self.alerted.get(x.symbol)
            stands = said is not None and said >= min(since, now - timedelta(seconds=REPEATED_S))
            longest = float(x.policy.naked_max_s) + SLACK_S
            if seconds > longest and not stands:
                yield f"{x.key} has no stop for {seconds} s: {x.cover} {x.why}"
        for key in set(self.naked) - known:
            self._covered(key)

    def _covered(self, key):
        seconds, _ = self.naked.pop(key, (None, None))
        if seconds is not None:
            self.naked_s.append(seconds)

    def _could_trade(self, symbol):
        return "/" in symbol or self.day.exchange.is_open()

    def _stops(self):
        """The quantity of the live stops by symbol, legs included, of the selling side."""
        found = {}
        for order in self.day.books.truth.orders():
            if order.status in LIVE and order.type in STOPS and order.side == "sell":
                left = (order.qty or Decimal(0)) - order.filled_qty
                found[order.symbol] = found.get(order.symbol, Decimal(0)) + left
        return found

    def _excessive(self, gap):
        """Exits for more than is held: never by a request of ours, and not for long by others."""
        held, moved = self.day.books.truth.positions(), self.day.moved
        for symbol, qty in held.items():
            if qty < 0 and symbol not in moved:
                yield f"{symbol} is short by {qty}"
        sold = {}
        for record in self.day.plan_orders():
            order = self.day.books.truth.get(record.broker_order_id or "")
            if order is None or order.is_final:
                continue
            left = (order.qty or Decimal(0)) - order.filled_qty
            sold[order.symbol] = sold.get(order.symbol, Decimal(0)) + left
        for symbol, qty in sold.items():
            most = max(held.get(symbol, Decimal(0)), self.positions.get(symbol, Decimal(0)))
            # What somebody else did counts from when the record has heard of it.
            known = abs(self.day.desk.book.position(symbol).qty)
            if qty <= most or (symbol in moved and qty <= known):
                self.excess.pop(symbol, None)
                continue
            seconds = self.excess.get(symbol, 0.0)
            seconds += gap if gap <= GAP_S else 0  # at any hour
            self.excess[symbol] = seconds
            if symbol not in moved or (seconds > 60 + SLACK_S and symbol not in self.alerted):
                yield f"exits for {qty} {symbol} for {seconds} s, of which {most} are held"
