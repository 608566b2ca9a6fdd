"""One case of the matrix: the command, what it meets, the restart, and what must hold after it."""

from contextlib import suppress

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.core.orders import instructions
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.rate_limit import Lane
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Exchange, Faults, Ticket
from tests.bench import MONDAY_10, QUOTES
from tests.scenarios.matrix.cases import GOES_ON, REQUESTS
from tests.scenarios.matrix.process import Fuse, Killed, Processes

#: A minute's budget, and before it the end of the lease of a process that was killed.
MINUTE_S = 120
#: Until everything is closed or alerted: an alert of what is stuck comes after 300 s.
SETTLED_S = 360
TICK_S = 5
STOPPED_S = 90  #: so long is a process stopped: another takes its lease
REPLACED = m.OrderStatus.REPLACED


class World:
    """The exchange, the processes on it, and what the bot was told."""

    def __init__(self, case):
        self.case = case
        self.action = "resize" if case.command == "renew" else case.command
        self.clock = ManualClock(MONDAY_10)
        self.exchange = Exchange(seed=7, clock=self.clock, faults=Faults(seed=7))
        for symbol, (bid, ask) in QUOTES.items():
            self.exchange.quote(symbol, bid, ask)
        self.books = self.exchange.open_account("paper")
        self.truth = self.books.truth
        repairs = "auto" if self.action == "repair" else "observe"
        self.processes = Processes(
            self.exchange, self.books, MemoryStore(), self.clock, repairs=repairs
        )
        self.fuse = Fuse(case.kill)
        self.desk = self.processes.start(self.fuse)
        assert self.desk.sync().opened
        self.desk.tick()
        self.others = []
        self.order = self.prepare()
        self.told, self.error, self.was_killed = None, None, False
        self.placed = None

    # -- what the command is given to --------------------------------------------------

    def prepare(self):
        """The order that the command is given to; None: it places one."""
        if self.action == "submit":
            return None
        if self.action == "repair":
            return self.abandoned()
        order = getattr(self, f"a_{self.case.kind}")()
        self.clock.advance(1)
        if self.action == "resize":
            self.exchange.fill(order.broker_order_id, 2, order.limit_price)
            self.clock.advance(1)
        self.desk.sync()
        return self.desk.book.order(order)

    def a_own(self):
        return self.desk.buy("AAPL", qty=10, limit_price="150", time_in_force="gtc")

    def a_external(self):
        ticket = Ticket(
            symbol="AAPL",
            side=m.OrderSide.BUY,
            type=m.OrderType.LIMIT,
            time_in_force=m.TimeInForce.GTC,
            qty=m.number(10),
            limit_price=m.number(150),
        )
        placed = self.exchange.trade_by_hand(self.books, ticket)
        self.clock.advance(1)
        self.desk.sync()
        return self.desk.book.order(self.name_of(placed.id))

    def a_leg(self):
        legs = {"take_profit": "250", "stop_loss": "120", "time_in_force": "gtc"}
        parent = self.desk.buy("AAPL", qty=10, limit_price="150", order_class="bracket", **legs)
        self.exchange.fill(parent.broker_order_id, 10, parent.limit_price)
        self.clock.advance(1)
        self.desk.sync()
        return next(x for x in self.desk.book.orders(open=True) if x.limit_price == 250)

    def a_replaced(self):
        order = self.a_own()
        self.clock.advance(1)
        return self.desk.replace(order, limit_price="149")

    def abandoned(self):
        """An order that was abandoned and is accepted afterwards."""
        self.exchange.faults.fail("submit", "late-landing", seconds=300)
        order = self.desk.buy("AAPL", qty=10, limit_price="150", good_for_s=0)
        self.live(240)
        assert self.desk.book.order(order).status is m.OrderStatus.ABSENT
        return order

    def name_of(self, broker_order_id):
        with self.processes.store.read() as reader:
            return reader.get(m.Evidence, broker_order_id).client_order_id

    # -- the command -------------------------------------------------------------------

    def run(self):
        """The command, its answers, the kill, the restart, and the time until all is settled."""
        case, script = self.case, self.processes.script
        self.arrange()
        if case.answer != "pacer":
            script.answers[REQUESTS[case.command]] += [case.answer] * case.times
        else:
            self.use_up_the_budget()
        self.fuse.armed = True
        try:
            self.told = self.command()
        except errors.OrderError as error:
            self.error = error
        except Killed:
            self.was_killed = True
        self.fuse.armed = False
        self.check_told()
        if case.restart_s != GOES_ON:
            self.restart()
        for answers in script.answers.values():
            answers.clear()  # the broker is back
        script.stops = None
        self.live(MINUTE_S)
        self.check_after_a_minute()
        self.live(SETTLED_S)
        self.desk.sync()
        self.check_settled()

    def arrange(self):
        """The other desks of the store, and which of them has the lease."""
        if self.case.desks == "one":
            return
        other = self.processes.start()
        self.others.append(other)
        if self.case.desks == "two":
            self.desk._gateway.lease.release()
            other.tick()
        else:
            self.processes.script.stops = self.stopped

    def stopped(self):
        """The process is stopped right before its request leaves; another takes its lease."""
        for _ in range(STOPPED_S // TICK_S):
            self.clock.advance(TICK_S)
            for other in self.others:
                other.tick()

    def use_up_the_budget(self):
        while self.desk._gateway._pacer.take(Lane.EXIT, wait=False) is None:
            pass

    def command(self):
        match self.action:
            case "submit":
                return self.submit()
            case "cancel":
                return self.desk.cancel(self.order)
            case "cancel_all":
                return self.desk.cancel_all(exits=True)
            case "replace":
                return self.desk.replace(self.order, limit_price=self.wanted_price)
            case "resize":
                return self.desk.replace(self.order, qty=12)
        self.live(180)  # it is accepted, and canceled without a call
        return None

    @property
    def wanted_price(self):
        return self.order.limit_price + 1

    def submit(self):
        wish = {"qty": 3, "limit_price": "150", "time_in_force": "gtc"}
        if self.case.kind == "bracket":
            wish |= {"order_class": "bracket", "take_profit": "250", "stop_loss": "120"}
        key = None if self.case.kind == "plain" else "one"
        return self.desk.buy("AAPL", key=key, **wish)

    def restart(self):
        """The process ends without a close; the next starts, and the bot goes on."""
        self.fuse.dead = True
        for _ in range(max(1, self.case.restart_s // TICK_S)):
            self.clock.advance(min(TICK_S, self.case.restart_s))
            for other in self.others:
                other.tick()
        self.fuse = Fuse()
        self.desk = self.processes.start(self.fuse)
        if self.case.again and (self.case.kind != "plain" or self.error is not None):
            self.processes.script.answers["submit"].clear()
            with suppress(errors.OrderError, errors.ReadFailed):  # under way, made, or not read
                again = self.command()
                self.told = again if self.action == "submit" else self.told

    def live(self, seconds):
        for _ in range(seconds // TICK_S):
            self.clock.advance(TICK_S)
            for desk in (self.desk, *self.others):
                desk.tick()

    # -- what must hold ----------------------------------------------------------------

    def check_told(self):
        """The caller is told that it is done, that it is pending, or by an error with the order."""
        case, told = self.case, self.told
        if self.error is not None:
            assert isinstance(self.error.order, fb.Order), case
            assert self.action in ("submit", "replace", "resize"), f"{case}: {self.error}"
        elif self.was_killed or self.action == "repair":
            return
        elif self.action == "cancel":
            assert told.is_final or told.pending == "cancel", f"{case}: {told}"
        elif self.action == "cancel_all":
            assert self.order.client_order_id in {x.client_order_id for x in told}, case
            assert all(x.is_final or x.pending == "cancel" for x in told), f"{case}: {told}"
        elif self.action == "replace":
            done = told.limit_price == self.wanted_price
            assert done or told.pending == "replace", f"{case}: {told}"
        elif self.action == "resize":
            done = told.client_order_id != self.order.client_order_id
            assert done or told.pending is not None, f"{case}: {told}"
        else:
            assert told.status is not m.OrderStatus.DENIED, f"{case}: {told}"

    def check_after_a_minute(self):
        """What was not sent, was refused or had no reply is done, or pending with an alert."""
        if self.action == "submit" or self.case.answer == "accepted-without-effect":
            return  # it takes longer to know that the order does not exist, or works on
        for order in self.desk.book.orders():
            if order.pending is None or order.client_order_id in self.alerted():
                continue
            record = self.desk.book.record(order)
            with self.processes.store.read() as reader:
                change = instructions.open_replace(record, evidence_of(reader, record))
            # A replace that may have been sent takes `late_landing` until it is known to be lost.
            lost = change is not None and instructions.is_outstanding(record, change)
            assert lost, f"{self.case}: {order}"

    def check_settled(self):
        """Fulfilled, closed with a reason, or pending with an alert; nothing doubled or lost."""
        self.check_nothing_doubled()
        self.check_record()
        for order in self.desk.book.orders():
            self.check_instructions(self.desk.book.record(order))
        getattr(self, f"check_{self.action}", self.check_ended)()

    def check_nothing_doubled(self):
        ids = [x.client_order_id for x in self.truth.orders()]
        assert len(ids) == len(set(ids)), f"{self.case}: one client id, two orders"
        wanted = {"submit": 3, "resize": 12}.get(self.action, 10)
        entries = [x for x in self.truth.orders() if x.parent_id is None]
        total = sum((x.filled_qty for x in entries if x.replaced_by is None), m.ZERO)
        total += sum((x.qty - x.filled_qty for x in self.alive() if x.parent_id is None), m.ZERO)
        assert total <= wanted, f"{self.case}: {total} of {wanted} may fill"

    def check_record(self):
        """What lives at the broker lives in the record, and the other way round."""
        live = self.desk.book.orders(open=True)
        ours = {x.broker_order_id: x for x in live if x.broker_order_id is not None}
        assert {x.id for x in self.alive()} == set(ours), f"{self.case}: {ours}"
        unconfirmed = {x.client_order_id for x in live if x.broker_order_id is None}
        assert unconfirmed <= self.alerted(), f"{self.case}: {unconfirmed}"
        for x in self.alive():
            assert (x.qty, x.limit_price) == (ours[x.id].qty, ours[x.id].limit_price), self.case

    def check_instructions(self, record):
        order = record.order
        done = order.is_final and order.pending is None
        for x in record.instructions:
            is_closed = x.closed is not None or done
            changed = x.change is not None and order.pending is None
            alerted = order.client_order_id in self.alerted()
            assert is_closed or changed or alerted, f"{self.case}: {x} of {order}"

    def alerted(self):
        return {x.alert.about for x in self.desk.events() if x.alert is not None}

    def alive(self):
        return [x for x in self.truth.orders() if not x.is_final and x.status != REPLACED]

    def instructed(self):
        """Whether the command is in the record."""
        return bool(self.instructions())

    def instructions(self):
        before = 1 if self.case.kind == "replaced" else 0
        return self.desk.book.record(self.order).instructions[before:]

    def check_repair(self):
        """The next process makes the repair that the last one did not."""
        assert self.alive() == [], self.case
        assert self.instructed(), self.case

    def check_ended(self):
        """A cancel that is in the record has ended every id of its order."""
        if self.instructed():
            ids = self.desk.book.record(self.order).ids
            assert [x.id for x in self.alive() if x.id in ids] == [], self.case
        else:
            assert self.was_killed, self.case

    def check_submit(self):
        """There is one order if the caller was told of one, and none if it was told so."""
        entries = [x for x in self.truth.orders() if x.parent_id is None]
        if self.error is not None and self.told is None:
            assert entries == [], f"{self.case}: {self.error}"
        elif self.told is not None:
            order = self.desk.book.order(self.told)
            if self.case.kind != "plain" and isinstance(self.error, fb.OrderRejected):
                # A key makes one order, in any status; without one it is placed anew.
                assert (order.status, entries) == (m.OrderStatus.REJECTED, []), self.case
                return
            ends = {m.OrderStatus.ABSENT} if self.is_too_late() else set[m.OrderStatus]()
            if self.case.answer == "accepted-without-effect":  # it never comes to exist
                ends.add(m.OrderStatus.UNPROVEN)
            alerted = order.client_order_id in self.alerted()
            assert len(entries) == 1 or (order.status in ends and alerted), f"{self.case}: {order}"

    def is_too_late(self):
        """Whether an order that was lost is not sent again: it is good for 300 s."""
        return self.case.restart_s == 300

    def check_replace(self):
        """The change is made, or is closed with a reason; the order works on either way."""
        prices = [x.limit_price for x in self.alive() if x.parent_id is None or x.limit_price]
        made = self.wanted_price in prices
        for x in self.instructions():
            assert made or x.closed is not None, f"{self.case}: {x}"
        if self.error is None and not self.was_killed:
            assert self.instructed(), self.case

    def check_resize(self):
        """The new quantity is at the broker, or the reason why not is in the record."""
        total = sum((x.qty - x.filled_qty for x in self.alive()), m.ZERO) + 2
        for x in self.instructions():
            done = total == 12 or "expired" in (x.closed or "") or self.is_not_placed(x)
            assert done, f"{self.case}: {total}, {x}"
        if not self.instructed():
            assert total == 10, f"{self.case}: {total}"

    def is_not_placed(self, instruction):
        """Whether the new order does not exist, which the caller or an alert was told."""
        name = instruction.change.client_order_id
        orders = {x.client_order_id: x.status for x in self.desk.book.orders()}
        if orders.get(name) in (m.OrderStatus.ABSENT, m.OrderStatus.UNPROVEN):
            return name in self.alerted()
        told = self.error is not None or self.order.client_order_id in self.alerted()
        return "was not placed" in (instruction.closed or "") and told
