"""The open orders as the indexes and sums of the record have them are those one by one."""

from decimal import Decimal

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.core.checks import locks, risk
from fillbook.core.checks.context import CheckContext, TrackedOrders
from fillbook.desk.orders.open_orders import OpenOrders
from fillbook.desk.record.recorder import Recorder
from fillbook.stores.memory import MemoryStore
from fillbook.stores.sqlite import SqliteStore
from tests.bench import MONDAY_10
from tests.core.records import AT, intended, report, request, terms

SIDES = st.sampled_from(list(m.OrderSide))
PRICES = st.sampled_from([None, "9", "9.5", "10", "10.25", "100", "0.05"])
WORDS = ("new", "partially_filled", "pending_cancel", "canceled", "unrecognised", "held")


@st.composite
def wishes(draw):
    """A market, limit, stop or stop-limit order, or one by notional."""
    limit, stop = draw(PRICES), draw(st.sampled_from([None, "11"]))
    kind = {(True, True): "market", (False, True): "limit", (True, False): "stop"}
    return {
        "side": draw(SIDES),
        "symbol": draw(st.sampled_from(["AAPL", "MSFT"])),
        "type": kind.get((limit is None, stop is None), "stop_limit"),
        "limit_price": limit,
        "stop_price": stop,
        "qty": draw(st.integers(1, 9)),
        "strategy": draw(st.sampled_from([None, "a", "b"])),
    }


ORDERS = st.lists(
    st.tuples(wishes(), st.sampled_from((None, "unsent", *WORDS)), st.integers(0, 3)), max_size=8
)


def entries_of(orders):
    """The entries of orders: not sent, sent without a reply, or reported."""
    for number, (wish, word, again) in enumerate(orders):
        name, broker_id = f"c{number}", f"b{number}"
        yield intended(name, **wish)
        if word == "unsent":
            continue
        yield m.Commanded(name, m.Command.SEND, 1)
        for second in range(again + 1 if word else 0):
            clock = f"2026-03-02T15:00:0{second}Z"
            status = word if second == again else "new"
            given = {"client_order_id": name, "broker_order_id": broker_id, "terms": terms(**wish)}
            yield report(status, clock=clock, **given)


def check(store, orders, wish):
    recorder = Recorder(store, ManualClock(MONDAY_10))
    for entry in entries_of(orders):
        recorder.record(entry)
    with store.read() as reader:
        by_index = OpenOrders(reader)
        found = reader.all(m.OrderRecord)
        one_by_one = TrackedOrders.from_orders(x.order for x in found if x.requests or x.ids)
        wanted = request(**wish)
        rule = SimulatedBroker.capabilities.wash_rule
        for can in (SimulatedBroker.capabilities, everything(rule)):
            context = CheckContext(now=m.moment(AT), capabilities=can)
            ours, theirs = (evolve(context, orders=x) for x in (by_index, one_by_one))
            washes = [risk.wash(wanted, x) is None for x in (ours, theirs)]
            assert washes[0] is washes[1]
            assert locks.unlocked(wanted, ours) == locks.unlocked(wanted, theirs)
            for name in (None, "", "a", "b"):
                assert ours.leaves(wanted, name) == theirs.leaves(wanted, name)


def everything(rule):
    """A broker with another rule: stops cross, and only market orders match always."""
    types = frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT})
    other = evolve(rule, always=frozenset({m.OrderType.MARKET}), crossing=types)
    return evolve(SimulatedBroker.capabilities, wash_rule=other)


@given(ORDERS, wishes())
def test_a_decision_is_the_same_by_index_as_one_by_one(orders, wish):
    check(MemoryStore(), orders, wish)


def test_it_is_the_same_on_sqlite(tmp_path):
    sell = {"side": "sell", "symbol": "AAPL", "qty": 1, "type": "limit"}
    prices = ["10", "9", "100", "9.5", "1000.25", "9.25"]
    orders = [({**sell, "limit_price": x}, "new", 0) for x in prices]
    for number, limit in enumerate(["8.99", "9", "50"]):
        wish = {"side": "buy", "qty": 1, "limit_price": limit, "type": "limit"}
        check(SqliteStore(tmp_path / f"{number}.db"), orders, wish)
        mirrored = [({**x, "side": "buy"}, *rest) for x, *rest in orders]
        sale = {**wish, "side": "sell", "limit_price": str(Decimal(1009) - Decimal(limit))}
        check(SqliteStore(tmp_path / f"{number}-mirrored.db"), mirrored, sale)
