"""Decoded records are kept while the journal is ours, and are those of each snapshot."""

import random
import sqlite3

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.errors import StoreError
from fillbook.stores import known
from fillbook.stores.known import Known, Position
from fillbook.stores.sqlite import SqliteStore
from tests.core.records import AT
from tests.stores.counting import Counting

SYMBOLS = ("A", "B", "C")


def pair(symbol, version):
    return m.Pair(symbol, "X", f"Q{version}", symbol if version % 2 else "X/USD")


def put(writer, *records, drop=()):
    writer.record(m.DriftCleared("x"), AT, m.Changes(records, tuple((m.Pair, x) for x in drop)))


def what(reader):
    """What a snapshot has, by each way of reading it."""
    by_key = {x: reader.get(m.Pair, x) for x in SYMBOLS}
    found = {x.symbol: x for h in (*SYMBOLS, "X/USD") for x in reader.find(m.Pair, "holding", h)}
    assert found == {key: x for key, x in by_key.items() if x is not None}
    assert [*found.values()] or not reader.all(m.Pair)
    assert sorted(found) == [x.symbol for x in reader.all(m.Pair)]
    return by_key


def test_what_was_read_or_written_takes_no_statement_again(tmp_path):
    store = Counting(tmp_path / "bot.db")
    with store.write() as writer:
        put(writer, pair("A", 1))

    def read():
        with store.read() as reader:
            assert reader.get(m.Pair, "A") == pair("A", 1)
            assert reader.get(m.Pair, "B") is None

    read()
    assert store.during(read).statements == 3  # begin, the newest entry, end
    with store.write() as writer:
        put(writer, pair("A", 1), pair("B", 1))
        assert store.during(lambda: writer.get(m.Pair, "A")).statements == 0


def test_what_an_index_has_takes_no_statement_again_until_one_of_its_kind_is_written(tmp_path):
    store = Counting(tmp_path / "bot.db")
    with store.write() as writer:
        put(writer, pair("A", 1))

    def read():
        with store.read() as reader:
            found = reader.find(m.Pair, "holding", "A")
            found.clear()  # it is the caller's own list

    read()
    assert store.during(read).statements == 3  # begin, the newest entry, end
    with store.write() as writer:
        put(writer)  # an entry that changes no pair
    assert store.during(read).statements == 3
    with store.write() as writer:
        put(writer, pair("B", 1))
        assert [x.symbol for x in writer.find(m.Pair, "holding", "B")] == ["B"]
    assert store.during(read).statements > 3


@pytest.mark.parametrize("seed", range(10))
def test_every_snapshot_is_its_own_whatever_is_written_meanwhile(tmp_path, seed):
    """By this process or another, committed or rolled back; old snapshots stay as they are."""
    dice, model = random.Random(seed), dict.fromkeys(SYMBOLS)
    stores = [SqliteStore(tmp_path / "bot.db") for _ in range(2)]
    opened = []
    for version in range(40):
        store = dice.choice((stores[0], stores[0], stores[1]))
        match dice.choice(("write", "write", "undo", "open", "read", "close")):
            case "write" | "undo" as kind:
                symbol = dice.choice(SYMBOLS)
                new = None if model[symbol] and dice.random() < 0.3 else pair(symbol, version)
                with pytest.raises(ZeroDivisionError) if kind == "undo" else store.write() as w:
                    if kind == "undo":
                        with store.write() as writer:
                            change(writer, symbol, new, model)
                            raise ZeroDivisionError
                    change(w, symbol, new, model)
                if kind == "write":
                    model[symbol] = new
            case "open":
                context = store.read()
                opened.append((context, context.__enter__(), dict(model)))
            case "read":
                with store.read() as reader:
                    assert what(reader) == model
            case "close" if opened:
                opened.pop(dice.randrange(len(opened)))[0].__exit__(None, None, None)
        for _, reader, then in opened:
            if dice.random() < 0.5:
                assert what(reader) == then
    for context, reader, then in opened:
        assert what(reader) == then
        context.__exit__(None, None, None)


def change(writer, symbol, new, model):
    if dice_reads(symbol):
        assert what(writer) == model
    put(writer, *([] if new is None else [new]), drop=[symbol] if new is None else [])
    assert what(writer) == {**model, symbol: new}


def dice_reads(symbol):
    return symbol != "B"


def test_a_commit_that_failed_leaves_nothing_known(tmp_path, monkeypatch):
    store = SqliteStore(tmp_path / "bot.db")
    with store.write() as writer:
        put(writer, pair("A", 1))

    class Failing:
        def __init__(self, connection):
            self._connection = connection

        def execute(self, sql, *rest):
            if sql == "COMMIT":
                self._connection.execute("ROLLBACK")
                raise sqlite3.OperationalError("disk I/O error")
            return self._connection.execute(sql, *rest)

        def __getattr__(self, name):
            return getattr(self._connection, name)

    writer_of = store._writer
    store._writer = Failing(writer_of)
    with pytest.raises(StoreError), store.write() as writer:
        put(writer, pair("A", 2))
    store._writer = writer_of
    assert store._known._newest is None
    with store.read() as reader:
        assert reader.get(m.Pair, "A") == pair("A", 1)


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(known, "_MOST", 10)
    monkeypatch.setattr(known, "_INDEXES_MOST", 3)
    kept = Known()
    for number in range(30):
        at = Position(number, "x")
        kept.begin(at)
        kept.add((m.Pair, str(number)), evolve(pair("A", 1)), at)
        kept.commit({(m.Pair, "A"): pair("A", number)}, Position(number + 1, "x"))
        assert len(kept._records) <= 12
        after = Position(number + 1, "x")
        for value in range(5):
            kept.add_found(m.Pair, ("holding", str(value)), [], after)
        assert len(kept._found[m.Pair]) <= 3
