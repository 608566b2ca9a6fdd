"""What a bot does while its store fails, and what must hold when the store is mended."""

from contextlib import suppress

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = m.OrderStatus
FLOWS = (
    *("submit", "submit-keyed", "bracket", "sending", "cancel", "cancel-all"),
    *("replace", "resize", "sync"),
)
#: A bot calls again so often; the store is mended after some calls.
CALLS = 6
PAUSE_S = 5
REPLACED = (S.REPLACED, S.CANCELED)


class Counting(SimulatedBroker):
    """A broker that counts the requests that change something, whoever sends them."""

    writes = 0

    def submit(self, intent):
        self.writes += 1
        return super().submit(intent)

    def cancel(self, broker_order_id):
        self.writes += 1
        return super().cancel(broker_order_id)

    def replace(self, broker_order_id, change):
        self.writes += 1
        return super().replace(broker_order_id, change)


class Flow:
    """One flow of a bot on a store that is about to fail."""

    def __init__(self, name, store):
        self.name = name
        self.bench = Bench(store=store, broker=Counting)
        self.sent = []
        self.order = None
        if name in ("cancel", "cancel-all", "replace", "resize"):
            self.order = self.rest()

    def rest(self):
        bench = self.bench
        order = bench.resting()
        bench.clock.advance(1)
        if self.name == "resize":
            bench.filled(order, 4)
            bench.clock.advance(1)
        if self.name == "cancel-all":
            bench.resting("MSFT", qty=1)
        bench.desk.sync()
        return order

    def run(self, failure, mended_after):
        """Call, and call again as the documents say, until the call succeeds."""
        bench = self.bench
        if self.name == "sync":
            bench.by_hand("MSFT", "buy", 3)
            bench.by_hand("AAPL", "buy", 1, limit_price="150")
        for number in range(CALLS):
            before = bench.broker.writes
            error = self.call()
            if error is None:
                break
            assert error.retry, error
            # Once a request has left, no error of the store is raised that does not say so.
            said = self.name == "sending" or "sent all the same" in str(error)
            assert said or bench.broker.writes == before, error
            if number >= mended_after:
                failure.mend()
            self.live(PAUSE_S)
        else:
            raise AssertionError(f"{CALLS} calls failed")
        self.live(PAUSE_S * mended_after)  # the store may fail in the background
        failure.mend()
        self.live(400)
        bench.desk.sync()
        self.check()

    def call(self):
        """Make the call; return the error of the store, or None."""
        try:
            self.act()
        except errors.StoreError as error:
            return error
        return None

    def live(self, seconds):
        """Let time pass; a tick whose store fails is made again, as a loop does."""
        for _ in range(seconds // 5):
            self.bench.clock.advance(5)
            with suppress(errors.StoreError):
                self.bench.desk.tick()

    def act(self):
        desk = self.bench.desk
        match self.name:
            case "submit":
                self.told = desk.buy("AAPL", qty=1, limit_price="150", time_in_force="gtc")
            case "submit-keyed":
                wish = {"limit_price": "150", "time_in_force": "gtc"}
                self.told = desk.buy("AAPL", qty=1, key="one", **wish)
            case "bracket":
                legs = {"order_class": "bracket", "take_profit": "200", "stop_loss": "120"}
                wish = {"limit_price": "150", "time_in_force": "gtc"}
                self.told = desk.buy("AAPL", qty=1, key="one", **wish, **legs)
            case "sending":
                self.send()
            case "cancel":
                desk.cancel(self.order)
            case "cancel-all":
                desk.cancel_all()
            case "replace":
                self.change(limit_price="151")
            case "resize":
                self.change(qty=12)
            case _:
                desk.sync()

    def send(self):
        request = fb.OrderRequest(
            symbol="AAPL", side="buy", qty=1, limit_price="150", time_in_force="gtc"
        )
        with (
            suppress(fb.AlreadySent),
            self.bench.desk.sending(request, key="one") as order,
        ):
            self.sent.append(order.client_order_id)
            self.bench.broker.submit(self.bench.desk.book.record(order).intent)

    def change(self, **change):
        with suppress(fb.Denied):  # it is under way, or made
            self.bench.desk.replace(self.order, **change)

    # -- what must hold ----------------------------------------------------------------

    def check(self):
        bench = self.bench
        for order in bench.desk.book.orders():
            assert order.pending is None, order
            for request in bench.desk.book.requests(order):
                assert request.answer is not None, f"no answer was written: {request}"
        ours = [x for x in bench.ours() if x.parent_id is None]
        getattr(self, "check_" + self.name.replace("-", "_"), self.check_placed)(ours)
        open_orders = bench.desk.book.orders(open=True)
        alive = {x.id for x in bench.truth.orders() if not x.is_final and x.status != S.REPLACED}
        assert {x.broker_order_id for x in open_orders} == alive
        assert bench.is_true()
        assert bench.desk.sync().entries == 0

    def check_placed(self, ours):
        """One order, however often the bot has called."""
        assert len(ours) == 1, ours
        assert self.bench.desk.book.order(self.told).status is S.NEW

    def check_sending(self, ours):
        assert len(ours) == len(self.sent) <= 1

    def check_cancel(self, ours):
        assert [x.status for x in ours] == [S.CANCELED]

    def check_cancel_all(self, ours):
        assert [x.status for x in ours] == [S.CANCELED, S.CANCELED]

    def check_replace(self, ours):
        [alive] = [x for x in ours if x.status not in REPLACED]
        assert alive.limit_price == 151

    def check_resize(self, ours):
        alive = [x for x in self.bench.truth.orders() if x.status not in REPLACED]
        assert [x.qty for x in alive] == [8]

    def check_sync(self, ours):
        assert ours == []
