"""A record that an earlier release wrote: it is opened, read without loss, and continued."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import codec
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.core.journal.apply import RULES
from fillbook.core.rate_limit import Budget
from fillbook.desk.link.buying_power import LagFactor, SavedMarks
from fillbook.desk.link.lease import Lease
from fillbook.desk.record.replay import rebuild_if_outdated, replay
from fillbook.errors import StoreTooNew
from fillbook.model.journal.kinds import KINDS
from fillbook.model.orders.open_quantity import OpenQuantity
from fillbook.stores.sqlite import SqliteStore
from fillbook.venue.exchange import Exchange
from fillbook.venue.exchange.account.ledger import Balance, Position
from fillbook.venue.exchange.values import OrderVersion

GOLDEN = Path(__file__).parent / "golden"
READ = json.loads((GOLDEN / "0.1.json").read_text("utf-8"))
CELLS = {"budget": Budget, "lease": Lease, "account-marks": SavedMarks, "account-lag": LagFactor}


@pytest.fixture
def path(tmp_path):
    """A copy of the golden record."""
    return shutil.copy(GOLDEN / "0.1.db", tmp_path / "0.1.db")


def rows(path, table, column="body"):
    with closing(sqlite3.connect(path)) as connection:
        return [body for (body,) in connection.execute(f"SELECT {column} FROM {table}")]


#: The kinds of records that the release did not have.
LATER = {
    m.Pair,
    m.SymbolName,
    m.Cooldown,
    m.Plan,
    m.Protection,
    m.SettledTrade,
    OpenQuantity,
    fb.AccountInstruction,
    fb.Token,
}


@pytest.mark.parametrize(
    "kind", [x for x in KINDS if x.type not in LATER], ids=lambda kind: kind.name
)
def test_every_record_is_read_without_loss(path, kind):
    """A word of the release that is unknown now would be missing here."""
    bodies = rows(path, kind.name)
    assert bodies
    assert all(holds(codec.dump(codec.load(kind.type, body)), body) for body in bodies)


#: Fields of records, not of entries, that the rebuild draws from the journal under other names.
REBUILT = {"settled"}


def holds(now, stored):
    """Whether the text *now* contains all of the *stored* one; it may have newer fields."""
    return _holds(json.loads(now), json.loads(stored))


def _holds(now, stored):
    if isinstance(stored, dict):
        kept = {k: x for k, x in stored.items() if k not in REBUILT}
        return kept.keys() <= now.keys() and all(_holds(now[k], x) for k, x in kept.items())
    if isinstance(stored, list):
        return len(now) == len(stored) and all(map(_holds, now, stored))
    return now == stored


def test_every_entry_is_read_without_loss(path):
    bodies = rows(path, "journal")
    assert len(bodies) == READ["journal"]
    assert all(holds(codec.dump_entry(codec.load_entry(body)), body) for body in bodies)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_read_without_loss(path, name):
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT word FROM cells WHERE name = ?"
        [[word]] = connection.execute(query, (name,)).fetchall()
    assert holds(codec.dump(codec.load(CELLS[name], word)), word)


def test_it_reads_the_same_as_in_the_release(path):
    """In plain values: orders, positions, cash, differences, events."""
    with fb.read(f"sqlite:///{path}") as book:
        orders = {x.client_order_id: x for x in book.orders()}
        assert orders.keys() == READ["orders"].keys()
        for name, (status, filled, leaves, avg, final, pending, strategy) in READ["orders"].items():
            now = orders[name]
            assert [
                *(status, filled, leaves, avg),
                *(final, pending, strategy),
            ] == [
                *(str(now.status), text(now.filled_qty), text(now.leaves_qty), text(now.avg_price)),
                *(now.is_final, now.pending, now.strategy),
            ], name
        held = {x.symbol: [text(x.qty), text(x.avg_price)] for x in book.positions()}
        assert READ["positions"] == held
        assert READ["cash"] == text(book.cash())
        assert sorted(READ["drifts"]) == sorted(x.key for x in book.drifts())
        assert READ["trades"]["count"] == len(book.trades())


def text(value):
    return None if value is None else m.plain(value)


def reopened(path):
    """(clock, desk) on the record, at an exchange with the same state."""
    there = READ["broker"]
    clock = ManualClock(datetime.fromisoformat(there["ended"]) + timedelta(minutes=1))
    exchange = Exchange(seed=there["seed"], clock=clock)
    account = exchange.open_account("paper")  # its id is the first that the seed draws
    for old, new in there["renamed"].items():
        exchange.rename(old, new)
    for symbol, (bid, ask) in there["quotes"].items():
        exchange.quote(symbol, bid, ask)
    positions = {s: Position(Decimal(q), Decimal(p)) for s, (q, p) in there["positions"].items()}
    account.history.ledger.put(Balance(Decimal(there["cash"]), positions), clock.elapsed())
    for x in there["orders"]:
        if "status" in x:
            account.trading.orders.put(picture(x, exchange), clock.elapsed())
    broker = SimulatedBroker(exchange, account)
    desk = fb.open(broker, f"sqlite:///{path}", clock=clock, wait_s=2, alerts=(), env={})
    return clock, desk


def picture(x, exchange):
    """An order of the golden record as the exchange has it."""
    born = m.timestamp("2026-03-02T15:00:00Z")
    clock = x["updated_at"] if x["updated_at"] and "T" in x["updated_at"] else None
    numbers = ("qty", "limit_price", "stop_price", "filled_qty", "filled_avg_price")
    return OrderVersion(
        **{name: m.number_or_none(x[name]) for name in numbers},
        **{name: x[name] for name in ("id", "symbol", "status", "filled_at", "expires_at")},
        client_order_id=x["client_order_id"] or x["id"],
        asset_class=exchange.instrument(x["symbol"]).asset_class,
        side=m.OrderSide(x["side"]),
        type=m.OrderType(x["type"]),
        time_in_force=m.TimeInForce(x["time_in_force"]),
        order_class=m.OrderClass(x["order_class"]),
        created_at=born,
        submitted_at=born,
        updated_at=clock,
        replaces=x["replaces"],
        is_active=True,
    )


def records_of(store):
    """Every record, as text, except the events: they were delivered in their old form."""
    with store.read() as reader:
        return {
            kind.name: [codec.dump(x) for x in reader.all(kind.type)]
            for kind in KINDS
            if kind.type is not m.Event
        }


def test_it_is_rebuilt_by_the_rules_of_today_as_it_is_opened(path):
    """The journal is replayed once; a later replay gives the same records."""
    store = SqliteStore.from_address(f"sqlite:///{path}", {})
    before = records_of(store)
    assert rebuild_if_outdated(store, m.timestamp("2026-03-04T15:00:00Z"))
    assert not rebuild_if_outdated(store, m.timestamp("2026-03-04T15:00:01Z"))
    with store.read() as reader:
        replayed = replay(reader)
        [last] = list(reader.journal(READ["journal"]))
        events = len(reader.all(m.Event))
    assert last.entry == m.Rebuilt(RULES)
    assert events == sum(READ["events"].values())
    after = records_of(store)
    assert after == {name: [codec.dump(x) for x in replayed.all(KIND[name])] for name in after}
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {
        *("binding", "cash", "evidence", "orders"),
        *("movements", "positions", "reservations", "chapters", "trades"),
        *("symbol_names", "open_quantities"),
    }
    store.close()


KIND = {kind.name: kind.type for kind in KINDS}


def test_records_of_newer_rules_are_refused(path):
    store = SqliteStore.from_address(f"sqlite:///{path}", {})
    with store.write() as writer:
        bound = writer.get(m.Binding, "account")
        newer = m.Changes((evolve(bound, rules=RULES + 1),))
        writer.record(m.Rebuilt(RULES + 1), m.timestamp("2026-03-04T15:00:00Z"), newer)
    with pytest.raises(StoreTooNew, match="update fillbook"):
        fb.open(SimulatedBroker(Exchange()), store)
    store.close()


def test_a_desk_continues_it(path):
    """
    P8, P12: it syncs, a second sync writes nothing, keys still work, open orders are canceled.
    """
    clock, desk = reopened(path)
    with desk:
        first = desk.sync()
        assert {"WrongQty", "UnknownToBroker"} == {type(x.drift).__name__ for x in first.left}
        assert desk.sync().entries == 0
        was = desk.book.orders()
        entry = next(x for x in was if x.key == "entry")
        again = desk.buy("AAPL", qty=10, strategy="trend", key="entry")
        assert again.client_order_id == entry.client_order_id
        fresh = desk.buy("AAPL", qty=1, strategy="trend", key="after")
        assert fresh.status is m.OrderStatus.FILLED
        for _ in range(60):
            clock.advance(5)
            desk.tick()
        pending = [x for x in was if x.pending and x.client_order_id in READ["orders"]]
        assert pending
        now = {x.client_order_id: x for x in desk.book.orders()}
        assert [x for x in pending if now[x.client_order_id].pending] == []
