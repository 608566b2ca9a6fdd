"""
What the regression tests share: brokers in made-up time, and what a call results in.

`alpaca` is a bench on the emulator over HTTP.  `Wire` is an Alpaca whose rows a test writes, for
what the emulator does not show, and `wired` is a desk on it.
"""

from contextlib import ExitStack, closing, contextmanager
from email.utils import format_datetime

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from tests.bench import MONDAY_10, Bench
from tests.brokers.alpaca.recorded import an_order, recorded
from tests.brokers.canned import Answer, Canned

#: Real seconds for another thread or process; nothing here takes a tenth of it.
PATIENCE_S = 100


#: A position row of Alpaca's for a share.
HELD_KO = recorded("positions")["crypto"] | {
    "symbol": "KO",
    "asset_class": "us_equity",
    "side": "long",
}


def outcome_of(call, *args, **kw):
    """Return the result of *call*, or the error of fillbook that it raises."""
    try:
        return call(*args, **kw)
    except fb.FillbookError as error:
        return error


def bring_in_sync(desk):
    """
    Run a sync, as the base of a test.

    Raises: RuntimeError if the record is not in sync; an expected failure would hide an assertion.
    """
    report = desk.sync()
    if report.verdict is not fb.Verdict.IN_SYNC:
        raise RuntimeError(f"the test cannot begin: {report}")


def alerts_of(desk):
    """List the kinds of all alerts that were raised, oldest first."""
    alerts = [event.alert for event in desk.events() if event.alert is not None]
    return [alert.kind for alert in alerts if not alert.resolved]


def held(desk):
    """Map each symbol of the record to its quantity, flat ones left out."""
    return {x.symbol: x.qty for x in desk.book.positions() if x.qty}


class WithoutActivities(SimulatedBroker):
    """A broker that reports no transfer, dividend or fee."""

    def activities(self, since, page):
        return m.Observed(())


@contextmanager
def alpaca():
    """Open a bench on the emulated Alpaca, before its first sync."""
    with ExitStack() as stack:

        def at_emulator(exchange, books):
            emulator = stack.enter_context(Emulator(exchange, books, rate_limit=10_000))
            broker = AlpacaBroker(emulator.key, emulator.secret, url=emulator.url)
            stack.callback(broker.close)
            return broker

        bench = Bench(broker=at_emulator, opened=False)
        stack.callback(bench.desk.close)
        yield bench


class Wire(Canned):
    """
    An Alpaca that replies with the rows of a test, dated by *clock*.

    `orders` are by id, the other rows in the order of the reply; anything else is not found.
    """

    def __init__(self, clock):
        self.clock = clock
        self.account = recorded("accounts")["paper_2x"] | {
            "cash": "100000",
            "equity": "100000",
            "long_market_value": None,  # a list of positions without prices does not sum to it
            "short_market_value": None,
        }
        self.orders = {}
        self.fills = []
        self.positions = []
        self.activities = []
        self.faulty_reads = 0  #: reads of the activities that are answered with an empty list
        self.assets = []
        super().__init__()

    def trade(self, symbol, side, qty, price):
        """Fill an order that was placed in the broker's own application."""
        order_id, now = f"o{len(self.orders) + 1}", self.clock.now()
        at = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
        terms = {"symbol": symbol, "side": side, "qty": qty}
        self.orders[order_id] = an_order(
            **terms,
            id=order_id,
            client_order_id=f"manual-{order_id}",
            asset_class="crypto" if "/" in symbol else "us_equity",
            type="market",
            order_type="market",
            limit_price=None,
            status="filled",
            filled_qty=qty,
            filled_avg_price=price,
            **dict.fromkeys(("created_at", "updated_at", "submitted_at", "filled_at"), at),
        )
        fill = {"id": f"{now:%Y%m%d%H%M%S}000::{order_id}", "order_id": order_id}
        fill |= {"price": price, "cum_qty": qty, "transaction_time": at}
        self.fills.append(recorded("activities")["fill"] | terms | fill)

    def _handler(self):
        wire = self

        class Handler(super()._handler()):
            def date_time_string(self, timestamp=None):
                return format_datetime(wire.clock.now(), usegmt=True)

        return Handler

    def _note(self, handler):
        super()._note(handler)
        found = self._found(self.asked[-1])
        self.answers.append(
            Answer(404, {"code": 40410000}) if found is None else Answer(200, found)
        )

    def _found(self, asked):
        after = asked.query.get("after", "")
        match asked.path.removeprefix("/v2/").split("/"):
            case ["account" | "positions" | "assets" as name]:
                return getattr(self, name)
            case ["account", "activities"]:
                if self.faulty_reads:
                    self.faulty_reads -= 1
                    return []
                # The filter takes the day of a row: a row of the day of `after` is listed.
                return [x for x in self.activities if f"{x['date']}T23:59:59.999999Z" > after]
            case ["account", "activities", "FILL"]:
                fills = [x for x in self.fills if x["transaction_time"] > after]
                only = asked.query.get("order_id")
                return [x for x in fills if only in (None, x["order_id"])]
            case ["orders"]:
                return [] if asked.query["status"] == "open" else list(self.orders.values())
            case ["orders", order_id]:
                return self.orders.get(order_id)
            case ["calendar"]:
                return []
        return None


@contextmanager
def wired(at=MONDAY_10):
    """Open a wire and a desk on it, before its first sync."""
    with (
        Wire(ManualClock(at)) as wire,
        closing(AlpacaBroker("KEY", "SECRET", url=wire.url)) as broker,
        fb.open(broker, "memory://", clock=wire.clock, wait_s=2) as desk,
    ):
        yield wire, desk
