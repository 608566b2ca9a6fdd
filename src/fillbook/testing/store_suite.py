"""
The conformance suite of a store, as numbered cases.

Subclass `StoreSuite` and override `store`; if the record survives the process, override
`reopen` too::

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def store(self, tmp_path):
            with closing(MyStore(tmp_path / "bot.db")) as store:
                yield store

        @pytest.fixture
        def reopen(self, tmp_path):
            return lambda: MyStore(tmp_path / "bot.db")

A store decides nothing, so the values here have no meaning; they only differ.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.errors import Bug, StoreUnavailable
from fillbook.store import Reader, Store, Writer

AT = m.Timestamp("2026-03-02T14:30:00.123456789Z")
ENTRY = m.DriftCleared("AAPL")


def movement(
    key: str, symbol: str = "AAPL", qty: str = "1", owner: str | None = None
) -> m.Movement:
    """Make a record with two indexes: `symbol` always has a value, `owner` only if given."""
    return m.Movement(
        key=key, symbol=symbol, kind=m.MoveKind.FILL, at=AT, qty=Decimal(qty), owner=owner
    )


def put(writer: Writer, *records: m.Record) -> int:
    """Write *records* with an arbitrary entry."""
    return writer.record(ENTRY, AT, m.Changes(put=records))


def drop(writer: Writer, *keys: str) -> int:
    """Delete movements."""
    return writer.record(ENTRY, AT, m.Changes(drop=tuple((m.Movement, key) for key in keys)))


def keys(movements: Iterable[m.Movement]) -> list[str]:
    """Return the keys of *movements*."""
    return [one.key for one in movements]


def find_keys(reader: Reader, index: str, value: str) -> list[str]:
    """Find the keys of the movements whose *index* has *value*."""
    return keys(reader.find(m.Movement, index, value))


class RolledBack(Exception):
    """Raised inside a transaction, which is then rolled back."""


class StoreSuite:
    """All cases of a store; the number of a case never changes."""

    @pytest.fixture
    def store(self) -> Store:
        """An empty store; override it."""
        raise NotImplementedError("a subclass of StoreSuite overrides the fixture `store`")

    @pytest.fixture
    def reopen(self) -> Callable[[], Store] | None:
        """A function that opens the store again; None if the record ends with the process."""
        return None

    # --- records ----------------------------------------------------------------------------

    def test_s001_an_empty_store_has_nothing(self, store: Store) -> None:
        with store.read() as reader:
            assert reader.get(m.Movement, "a") is None
            assert reader.all(m.Movement) == []
            assert reader.find(m.Movement, "symbol", "AAPL") == []
            assert list(reader.journal()) == []
            assert reader.last() == 0

    def test_s002_what_is_put_is_got(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"), movement("b", qty="2"))
        with store.read() as reader:
            assert reader.get(m.Movement, "b") == movement("b", qty="2")
            assert reader.get(m.Movement, "c") is None

    def test_s003_a_later_put_replaces_the_earlier(self, store: Store) -> None:
        for qty in ("1", "2"):
            with store.write() as writer:
                put(writer, movement("a", qty=qty))
        with store.read() as reader:
            assert reader.all(m.Movement) == [movement("a", qty="2")]

    def test_s004_all_returns_records_in_order_of_keys(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, *(movement(key) for key in ("b", "é", "B", "a/2", "a/10", "a")))
        with store.read() as reader:
            assert keys(reader.all(m.Movement)) == ["B", "a", "a/10", "a/2", "b", "é"]

    def test_s005_all_after_a_key_excludes_that_key_and_lower_keys(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, *(movement(key) for key in "cab"))
        with store.read() as reader:
            assert keys(reader.all(m.Movement, "a")) == ["b", "c"]
            assert reader.all(m.Movement, "c") == []

    def test_s008_a_page_begins_beyond_a_value_in_the_order_of_an_index(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, *(movement(key, owner=key) for key in "dbac"), movement("e", symbol="MSFT"))
        with store.read() as reader:
            rows = reader.page(m.Movement, "filled", after=f"{AT}/a", limit=2)
            assert keys(rows) == ["b", "c"]
            aapl = {"symbol": ["AAPL", "TSLA"], "owner": ["a", "c", "d"]}
            rows = reader.page(m.Movement, "key", where=aapl, after="d", limit=9, newest=True)
            assert keys(rows) == ["c", "a"]
            assert keys(reader.page(m.Movement, "owner", limit=9)) == ["a", "b", "c", "d"]

    def test_s006_kinds_are_separate(self, store: Store) -> None:
        other = m.Activity(activity_id="a", kind=m.ActivityKind.FEE, at=AT)
        with store.write() as writer:
            put(writer, movement("a"), other)
        with store.read() as reader:
            assert reader.get(m.Activity, "a") == other
            assert reader.get(m.Movement, "a") == movement("a")

    def test_s007_a_dropped_record_is_gone_and_can_be_put_again(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"), movement("b"))
        with store.write() as writer:
            drop(writer, "a", "never-there")
        with store.read() as reader:
            assert keys(reader.all(m.Movement)) == ["b"]
            assert find_keys(reader, "symbol", "AAPL") == ["b"]
        with store.write() as writer:
            put(writer, movement("a"))
        with store.read() as reader:
            assert find_keys(reader, "symbol", "AAPL") == ["a", "b"]

    def test_s008_a_key_dropped_and_put_by_one_entry_exists(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"))
            writer.record(
                ENTRY, AT, m.Changes(put=(movement("a", qty="7"),), drop=((m.Movement, "a"),))
            )
        with store.read() as reader:
            assert reader.get(m.Movement, "a") == movement("a", qty="7")

    @pytest.mark.parametrize(
        "text", ["0.1", "1.50", "0", "-0.000000001", "1E+30", "123456789.123456789012345678901234"]
    )
    def test_s009_decimals_keep_every_digit(self, store: Store, text: str) -> None:
        with store.write() as writer:
            put(writer, movement("a", qty=text))
        with store.read() as reader:
            kept = reader.get(m.Movement, "a")
        assert kept is not None
        assert kept.qty == Decimal(text)

    @pytest.mark.parametrize("value", ["", "'; DROP TABLE movements; --", "日本", "a\nb", "%", '"'])
    def test_s010_any_text_can_be_an_index_value(self, store: Store, value: str) -> None:
        with store.write() as writer:
            put(writer, movement(f"key {value}", symbol=value), movement("other", symbol="other"))
        with store.read() as reader:
            assert find_keys(reader, "symbol", value) == [f"key {value}"]
            assert reader.get(m.Movement, f"key {value}") == movement(f"key {value}", symbol=value)

    # --- indexes ----------------------------------------------------------------------------

    def test_s020_find_returns_the_records_of_a_value_in_order_of_keys(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, *(movement(key) for key in "cab"), movement("d", symbol="MSFT"))
        with store.read() as reader:
            assert find_keys(reader, "symbol", "AAPL") == ["a", "b", "c"]
            assert find_keys(reader, "symbol", "MSFT") == ["d"]

    def test_s021_a_record_without_an_index_value_is_not_found(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a", owner=None), movement("b", owner="o1"))
        with store.read() as reader:
            assert find_keys(reader, "owner", "o1") == ["b"]
            assert find_keys(reader, "owner", "None") == []
            assert find_keys(reader, "owner", "") == []

    def test_s022_a_changed_index_value_moves_the_record(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a", owner="o1"))
        with store.write() as writer:
            put(writer, movement("a", owner="o2"))
        with store.read() as reader:
            assert find_keys(reader, "owner", "o1") == []
            assert find_keys(reader, "owner", "o2") == ["a"]
        with store.write() as writer:
            put(writer, movement("a", owner=None))
        with store.read() as reader:
            assert find_keys(reader, "owner", "o2") == []
            assert find_keys(reader, "symbol", "AAPL") == ["a"]

    # --- the journal ------------------------------------------------------------------------

    def test_s030_entries_are_numbered_from_one_without_gaps(self, store: Store) -> None:
        with store.write() as writer:
            assert [put(writer), put(writer)] == [1, 2]
            assert writer.last() == 2
        with store.write() as writer:
            assert put(writer) == 3
        with store.read() as reader:
            assert reader.last() == 3
            assert [one.number for one in reader.journal()] == [1, 2, 3]
            assert [one.number for one in reader.journal(after=2)] == [3]
            assert list(reader.journal(after=3)) == []

    def test_s031_entries_are_read_as_written(self, store: Store) -> None:
        entries: list[m.Entry] = [
            m.IntentDenied("c1", "no cash"),
            m.BalanceAdjusted("BTC/USD", Decimal("0.10"), None, AT, "OPENING"),
            m.DriftFound("AAPL", m.WrongQty("AAPL", Decimal(1), Decimal("1.5")), None),
            m.Alerted(m.Alert(m.AlertKind.DRIFT, "c1", "line one\nline two")),
        ]
        with store.write() as writer:
            for entry in entries:
                writer.record(entry, AT, m.Changes())
        with store.read() as reader:
            assert list(reader.journal()) == [
                m.Recorded(number, AT, entry) for number, entry in enumerate(entries, start=1)
            ]

    # --- transactions -----------------------------------------------------------------------

    def test_s040_a_writer_sees_its_own_writes(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"), movement("b", symbol="MSFT"))
            put(writer, movement("b", symbol="AAPL"))
            drop(writer, "a")
            assert writer.get(m.Movement, "a") is None
            assert find_keys(writer, "symbol", "AAPL") == ["b"]
            assert find_keys(writer, "symbol", "MSFT") == []
            assert keys(writer.all(m.Movement)) == ["b"]
            assert [one.number for one in writer.journal(after=1)] == [2, 3]

    def test_s041_an_exception_rolls_everything_back(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"))
        with pytest.raises(RolledBack):
            change_and_roll_back(store, movement("a", qty="9"), movement("b"))
        with store.read() as reader:
            assert reader.all(m.Movement) == [movement("a")]
            assert find_keys(reader, "symbol", "AAPL") == ["a"]
            assert reader.last() == 1

    def test_s042_the_number_of_a_rolled_back_entry_is_reused(self, store: Store) -> None:
        with pytest.raises(RolledBack):
            change_and_roll_back(store, movement("a"))
        with store.write() as writer:
            assert put(writer) == 1

    def test_s043_a_reader_keeps_its_snapshot_during_later_writes(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"), movement("b"))
        with store.read() as reader:
            in_thread(lambda: change_everything(store))
            assert reader.all(m.Movement) == [movement("a"), movement("b")]
            assert reader.get(m.Movement, "c") is None
            assert find_keys(reader, "symbol", "AAPL") == ["a", "b"]
            assert find_keys(reader, "symbol", "MSFT") == []
            assert reader.last() == 1
            assert [one.number for one in reader.journal()] == [1]
        with store.read() as reader:
            assert keys(reader.all(m.Movement)) == ["b", "c"]
            assert find_keys(reader, "symbol", "MSFT") == ["b"]

    def test_s044_an_uncommitted_write_is_not_visible(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"))
            with store.read() as reader:
                assert reader.get(m.Movement, "a") is None
                assert reader.last() == 0

    def test_s045_a_reader_or_writer_ends_with_its_context(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"))
        with store.read() as reader:
            assert reader.last() == 1
        with pytest.raises(Bug):
            reader.get(m.Movement, "a")
        with pytest.raises(Bug):
            put(writer, movement("b"))

    def test_s046_a_write_inside_a_write_is_refused_without_a_wait(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("a"))
            with pytest.raises(Bug), store.write():
                raise AssertionError("there are two writers")
        with store.read() as reader:
            assert keys(reader.all(m.Movement)) == ["a"]

    # --- threads ----------------------------------------------------------------------------

    def test_s050_concurrent_writers_lose_nothing(self, store: Store) -> None:
        with store.write() as writer:
            put(writer, movement("sum", qty="0"))

        def add_ones(count: int) -> None:
            for _ in range(count):
                with store.write() as writer:
                    before = writer.get(m.Movement, "sum")
                    assert before is not None
                    put(writer, movement("sum", qty=str(before.qty + 1)))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(add_ones, [10] * 8))
        with store.read() as reader:
            assert reader.get(m.Movement, "sum") == movement("sum", qty="80")
            assert [one.number for one in reader.journal()] == list(range(1, 82))

    def test_s051_concurrent_readers_see_complete_transactions(self, store: Store) -> None:
        done = threading.Event()

        def read_until_done() -> bool:
            complete = True
            while not done.is_set():
                with store.read() as reader:
                    sizes = {one.qty for one in reader.all(m.Movement)}
                    complete = complete and len(sizes) <= 1 and reader.last() in {*sizes, 0}
            return complete

        with ThreadPoolExecutor(3) as threads:
            readers = [threads.submit(read_until_done) for _ in range(3)]
            for qty in range(1, 41):
                with store.write() as writer:
                    put(writer, *(movement(key, qty=str(qty)) for key in "abc"))
            done.set()
            assert [one.result() for one in readers] == [True] * 3

    # --- cells ------------------------------------------------------------------------------

    def test_s060_a_cell_is_swapped_only_from_its_current_value(self, store: Store) -> None:
        assert store.cell("lease") is None
        assert not store.swap("lease", "x", "y")
        assert store.swap("lease", None, "one")
        assert not store.swap("lease", None, "two")
        assert store.cell("lease") == "one"
        assert store.swap("lease", "one", "two")
        assert store.swap("lease", "two", None)
        assert store.cell("lease") is None

    def test_s061_cells_are_not_in_the_journal(self, store: Store) -> None:
        assert store.swap("cursor", None, "p2")
        with store.read() as reader:
            assert reader.last() == 0

    def test_s062_of_concurrent_swaps_one_succeeds(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as threads:
            won = list(threads.map(lambda me: store.swap("lease", None, str(me)), range(8)))
        assert won.count(True) == 1
        assert store.cell("lease") == str(won.index(True))

    def test_s063_a_snapshot_has_its_cells(self, store: Store) -> None:
        assert store.swap("lease", None, "one")
        with store.read() as reader:
            in_thread(lambda: store.swap("lease", "one", "two"))
            in_thread(lambda: store.swap("other", None, "new"))
            assert (reader.cell("lease"), reader.cell("other")) == ("one", None)
        with store.write() as writer:
            assert (writer.cell("lease"), writer.cell("other")) == ("two", "new")
        with pytest.raises(Bug):
            reader.cell("lease")
        with pytest.raises(Bug):
            writer.cell("lease")

    def test_s064_a_cell_does_not_change_during_a_write_transaction(self, store: Store) -> None:
        assert store.swap("lease", None, "one")
        with ThreadPoolExecutor(1) as threads:
            with store.write() as writer:
                swap = threads.submit(store.swap, "lease", "one", "two")
                put(writer, movement("a"))
                writer.set_cell("cursor", "p2")
                assert (writer.cell("lease"), swap.done()) == ("one", False)
            assert (swap.result(), store.cell("lease")) == (True, "two")
        with pytest.raises(ZeroDivisionError), store.write() as writer:
            writer.set_cell("cursor", str(1 // 0))
        assert store.cell("cursor") == "p2"

    # --- closing ----------------------------------------------------------------------------

    def test_s070_closing_twice_is_allowed_and_a_closed_store_is_unavailable(
        self, store: Store
    ) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable), store.read():
            pass
        with pytest.raises(StoreUnavailable), store.write():
            pass
        with pytest.raises(StoreUnavailable):
            store.cell("lease")
        with pytest.raises(StoreUnavailable):
            store.swap("lease", None, "me")

    def test_s071_the_record_survives_closing(
        self, store: Store, reopen: Callable[[], Store] | None
    ) -> None:
        if reopen is None:
            pytest.skip("this store forgets when it is closed")
        with store.write() as writer:
            put(writer, movement("a", qty="1.50", owner="o1"))
        assert store.swap("lease", None, "me")
        store.close()
        again = reopen()
        with again.read() as reader:
            assert reader.all(m.Movement) == [movement("a", qty="1.50", owner="o1")]
            assert find_keys(reader, "owner", "o1") == ["a"]
            assert list(reader.journal()) == [m.Recorded(1, AT, ENTRY)]
        assert again.cell("lease") == "me"
        with again.write() as writer:
            assert put(writer) == 2
        again.close()


def change_and_roll_back(store: Store, *records: m.Record) -> None:
    """Put *records*, drop *a*, and raise RolledBack."""
    with store.write() as writer:
        put(writer, *records)
        drop(writer, "a")
        raise RolledBack


def change_everything(store: Store) -> None:
    """Delete *a*, change *b* and its index value, and add *c*."""
    with store.write() as writer:
        put(writer, movement("b", symbol="MSFT", qty="5"), movement("c"))
        drop(writer, "a")


def in_thread(call: Callable[[], object]) -> None:
    """Make *call* in another thread, and wait for it."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(call).result()
