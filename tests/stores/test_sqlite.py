"""SQLite only: damage, newer files, full disks, forks, kills and several processes."""

import errno
import os
import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import product

import pytest

from fillbook import model as m
from fillbook.errors import BadAddress, StoreDamaged, StoreError, StoreTooNew, StoreUnavailable
from fillbook.model.account.activity import group_of
from fillbook.model.journal.kinds import KINDS
from fillbook.stores import sqlite
from fillbook.stores.sql import migrations
from fillbook.stores.sqlite import SqliteStore
from fillbook.testing.store_suite import AT, ENTRY, movement, put
from tests.stores.children import (
    Child,
    children,
    until,
    use_after_fork,
    write_often,
    write_until_killed,
)

KILLS = int(os.environ.get("FILLBOOK_TEST_KILLS", "6"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.db"


@pytest.fixture
def kept(path):
    """A closed store with 50 movements in as many transactions."""
    with closing(SqliteStore(path)) as store:
        for number in range(50):
            with store.write() as writer:
                put(writer, movement(f"{number:03}"))
    return path


def alter(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def read_all(path):
    """Read everything in the store, and close it in every case."""
    with closing(SqliteStore(path)) as store, store.read() as reader:
        return reader.all(m.Movement), list(reader.journal())


# --- the tables -----------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_records_need(kept):
    with closing(sqlite3.connect(kept)) as connection:
        made = {
            kind.name: [row[1] for row in connection.execute(f"PRAGMA table_info({kind.name})")]
            for kind in KINDS
        }
    assert made == {
        kind.name: ["key", "body", *(f"by_{index}" for index in kind.indexes)] for kind in KINDS
    }


@pytest.mark.parametrize(
    ("kind", "index"), [(kind.name, index) for kind in KINDS for index in kind.indexes]
)
def test_finding_by_an_index_neither_scans_nor_sorts(kept, kind, index):
    question = f"SELECT body FROM {kind} WHERE by_{index} = 'x' ORDER BY key"
    with closing(sqlite3.connect(kept)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}")]
    assert plan == [f"SEARCH {kind} USING INDEX {kind}_by_{index} (by_{index}=?)"]


def test_the_migration_finds_the_groups_of_the_rows_that_an_older_release_wrote(path):
    """It has to agree with `group_of`, which no statement can call."""
    at, other = m.timestamp("2026-03-02T15:00:00.25Z"), m.timestamp("2026-03-03T05:00:00Z")
    shapes = product(
        m.ActivityKind, (None, "X", "BTC/USD"), (None, 0, "0.5"), (None, "g/1"), (True, False)
    )
    rows = [
        m.Activity(
            activity_id=f"{number:03}",
            kind=kind,
            at=other if dated else at,
            symbol=symbol,
            qty=m.number_or_none(qty),
            group_id=group,
            dated=dated,
        )
        for number, (kind, symbol, qty, group, dated) in enumerate(shapes)
    ]
    with closing(SqliteStore(path)) as store, store.write() as writer:
        put(writer, *rows)
    (migration,) = [x for x in migrations() if x.name == "0011_activity_groups.sql"]
    (update,) = [x for x in migration.statements if x.startswith("UPDATE")]
    alter(path, "UPDATE activities SET by_group = NULL", update)
    with closing(sqlite3.connect(path)) as connection:
        found = dict(connection.execute("SELECT key, by_group FROM activities"))
    assert found == {x.activity_id: group_of(x) for x in rows}


def test_what_is_committed_is_synced(path):
    with closing(SqliteStore(path)) as store:
        assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)


# --- files that are not ours, or broken -----------------------------------------------------


def test_a_newer_file_is_refused_and_not_changed(kept):
    alter(kept, "INSERT INTO steps VALUES (999, '0999_later.sql', 'x')")
    before = kept.read_bytes()
    with pytest.raises(StoreTooNew):
        SqliteStore(kept)
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE steps SET checksum = 'other'",
        "UPDATE steps SET number = -number",
        "DROP TABLE movements",
        "DROP TABLE steps",
        "DROP TABLE cells",
    ],
)
def test_a_file_whose_tables_are_not_as_we_made_them_is_damaged(kept, statement):
    alter(kept, statement)
    before = kept.read_bytes()
    with pytest.raises(StoreDamaged):
        SqliteStore(kept)
    assert kept.read_bytes() == before


def test_another_programs_database_is_not_changed(path):
    alter(path, "CREATE TABLE trades (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="none of them is fillbook's"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_not_changed(path):
    path.write_text("order,qty\nAAPL,10\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged):
        SqliteStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_truncated_file_is_damaged_and_not_changed(kept, share):
    whole = kept.read_bytes()
    kept.write_bytes(whole[: int(len(whole) * share)])
    before = kept.read_bytes()
    with pytest.raises(StoreDamaged):
        SqliteStore(kept)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("page", range(1, 40, 4))
def test_random_bytes_are_never_read_as_a_record(kept, page):
    good = read_all(kept)
    whole = bytearray(kept.read_bytes())
    start = page * 4096 % len(whole)
    whole[start : start + 4096] = bytes((7 * n + page) % 251 for n in range(4096))
    kept.write_bytes(whole)
    try:
        # The noise may lie where nothing is read from: then nothing is wrong.
        assert read_all(kept) == good
    except StoreDamaged:
        assert kept.read_bytes() == whole


def test_a_record_that_cannot_be_read_names_its_type(kept):
    alter(kept, "UPDATE movements SET body = '{' WHERE key = '007'")
    with closing(SqliteStore(kept)) as store, store.read() as reader:
        assert reader.get(m.Movement, "008") == movement("008")
        with pytest.raises(StoreDamaged, match="Movement"):
            reader.get(m.Movement, "007")


# --- nothing was written --------------------------------------------------------------------


def test_a_full_disk_is_unavailable_and_nothing_was_written(kept):
    body = "x" * 20_000
    refused = 0
    with closing(SqliteStore(kept)) as store:
        (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
        for spare in range(100):
            store._writer.execute(f"PRAGMA max_page_count = {pages + spare}")
            try:
                with store.write() as writer:
                    writer.record(m.IntentDenied("c1", body), AT, m.Changes(put=(movement("new"),)))
                break
            except StoreUnavailable:
                refused += 1
            with store.read() as reader:
                assert (reader.last(), reader.get(m.Movement, "new")) == (50, None)
        with store.read() as reader:
            assert (reader.last(), reader.get(m.Movement, "new")) == (51, movement("new"))
        assert store._writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert refused >= 5


def test_a_file_locked_by_another_program_is_unavailable(kept, monkeypatch):
    monkeypatch.setattr(sqlite, "_BUSY_S", 0.01)
    with closing(SqliteStore(kept)) as store, closing(sqlite3.connect(kept)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"), store.write():
            raise AssertionError("there are two writers")
        other.execute("ROLLBACK")
        with store.write() as writer:
            assert put(writer) == 51


def test_a_store_opened_without_leave_to_write_is_unavailable(kept):
    with closing(SqliteStore(kept)) as store:
        store._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable), store.write() as writer:
            put(writer)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreUnavailable, match="nowhere is not a folder"):
        SqliteStore(tmp_path / "nowhere" / "bot.db")


def test_a_folder_is_no_store(tmp_path):
    (tmp_path / "bot.db").mkdir()
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "bot.db")


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://bot.db", "sqlite:///bot.db"),
        ("sqlite:///", "names no file"),
        ("bot.db", "names no file"),
    ],
)
def test_the_error_of_an_address_without_a_file_shows_a_valid_one(address, hint):
    with pytest.raises(BadAddress, match=hint):
        SqliteStore.from_address(address, {})


def test_addresses_are_relative_with_three_slashes_and_absolute_with_four(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SqliteStore.from_address("sqlite:///near.db", {}).close()
    SqliteStore.from_address(f"sqlite:///{tmp_path}/far.db", {}).close()
    assert {file.name for file in tmp_path.glob("*.db")} == {"near.db", "far.db"}


def test_an_archived_file_is_put_beside_and_keeps_everything(kept):
    before = read_all(kept)
    away = SqliteStore(kept).archive()
    assert away.name == "bot.db.1"
    assert not kept.exists()
    assert read_all(away) == before
    assert SqliteStore(kept).archive().name == "bot.db.2"


def test_a_copy_is_complete_and_private_while_others_have_the_file_open(kept):
    with closing(SqliteStore(kept)) as store, closing(SqliteStore(kept)) as other:
        with other.write() as writer:
            put(writer)  # it is in the WAL only
        away = store.copy()
        with other.write() as writer:
            put(writer)  # and this one comes after the copy
    assert (away.name, away.stat().st_mode & 0o777) == ("bot.db.1", 0o600)
    assert len(read_all(kept)[1]) == len(read_all(away)[1]) + 1
    assert SqliteStore(kept).copy().name == "bot.db.2"


def test_a_copy_that_cannot_be_written_leaves_nothing(kept, monkeypatch):
    with closing(SqliteStore(kept)) as store:
        with monkeypatch.context() as broken:
            broken.setattr(os, "open", raising(OSError(errno.ENOSPC, "No space left")))
            with pytest.raises(StoreUnavailable, match="No space left"):
                store.copy()
        with monkeypatch.context() as broken:
            broken.setattr(sqlite3, "connect", raising(sqlite3.OperationalError("disk I/O error")))
            with pytest.raises(StoreError):
                store.copy()
    assert not list(kept.parent.glob("bot.db.*"))


def raising(error):
    def call(*args, **kw):
        raise error

    return call


def test_a_file_that_is_open_elsewhere_is_not_archived(kept):
    with closing(SqliteStore(kept)) as other:
        with pytest.raises(StoreUnavailable, match="open in another process"):
            SqliteStore(kept).archive()
        with other.write() as writer:
            assert put(writer) == 51


# --- readers ---------------------------------------------------------------------------------


def test_a_reader_that_outlives_its_store_reads_to_its_end(kept):
    store = SqliteStore(kept)
    with store.read() as reader:
        store.close()
        assert len(reader.all(m.Movement)) == 50
    assert len(read_all(kept)[0]) == 50


# --- processes ------------------------------------------------------------------------------


def test_a_forked_child_is_refused_and_the_parent_continues(path):
    child = Child(use_after_fork, path)
    refused, names = child.receive()
    child.kill()
    assert refused == [True] * 4
    assert names == ["of the child", "of the parent"]


@pytest.mark.slow
def test_eight_processes_lose_nothing_and_none_starves(path):
    SqliteStore(path).close()
    with children(write_often, 8, path, 50) as started:
        for child in started:
            assert child.receive() == "ready"
        for child in started:
            child.signal()
        results = [child.receive() for child in started]
    waits = [longest for longest, _ in results]
    print(f"longest wait of each process: {sorted(round(wait * 1000) for wait in waits)} ms")
    assert [won for _, won in results].count(True) == 1
    movements, journal = read_all(path)
    assert movements == [movement("sum", qty="400")]
    assert [one.number for one in journal] == list(range(1, 401))
    # Seven others are ahead at most; SQLite's own way of waiting has tails of seconds.
    assert max(waits) < 2


@pytest.mark.slow
def test_whatever_was_durable_outlives_kill_9(path):
    durable = 0
    for kill in range(KILLS):
        child = Child(write_until_killed, path)
        for _ in range(3 + 7 * kill % 20):
            durable = child.receive()
        child.kill()
        durable = [durable, *child.drain()][-1]
        with closing(SqliteStore(path)) as store, store.read() as reader:
            last = reader.last()
            assert last in (
                durable,
                durable + 1,
            )  # it may have been killed before it could report it
            assert [one.number for one in reader.journal()] == list(range(1, last + 1))
            assert {one.qty for one in reader.all(m.Movement)} == {Decimal(last)}
            assert len(reader.find(m.Movement, "owner", str(last))) == 3
            assert store._writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_killed_process_leaves_the_store_to_others(path):
    store = SqliteStore(path)
    child = Child(write_until_killed, path)
    child.receive()
    child.kill()
    with store.write() as writer:
        assert writer.record(ENTRY, AT, m.Changes()) > 1
    store.close()
    until(lambda: not path.with_name("bot.db-wal").exists())


def test_a_damaged_file_is_named_with_what_to_do(kept, path):
    alter(kept, "UPDATE movements SET body = '{' WHERE key = '007'")
    advice = (
        "`fillbook rebuild --from-journal` derives the records again; it keeps strategies and keys"
    )
    store = SqliteStore(kept)
    with closing(store), pytest.raises(StoreDamaged) as raised, store.read() as reader:
        reader.get(m.Movement, "007")
    text = str(raised.value)
    assert text == f"{kept} is damaged ('{{' is not a stored Movement: it is not JSON). {advice}"
    kept.write_bytes(kept.read_bytes()[:-4096])
    with pytest.raises(StoreDamaged) as raised:
        SqliteStore(kept)
    assert str(raised.value).startswith(f"{kept} is damaged (database disk image is malformed). ")


@pytest.mark.parametrize("count", [1, 7, 50])
def test_a_closed_file_whose_newest_entries_were_deleted_is_damaged(kept, count):
    """A record that goes on would number other entries as those that were delivered."""
    alter(kept, f"DELETE FROM journal WHERE number > {50 - count}")
    first = f"{51 - count} to 50" if count > 1 else "50"
    with pytest.raises(StoreDamaged, match=f"entry {first} of its journal .* Restore a backup"):
        SqliteStore(kept)


def test_what_one_process_has_closed_another_one_goes_on_with(kept):
    with closing(SqliteStore(kept)) as store:
        SqliteStore(kept).close()
        with store.write() as writer:
            put(writer, movement("051"))
        SqliteStore(kept).close()
    assert len(read_all(kept)[1]) == 51


def test_a_file_of_another_kind_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("order,qty\nAAPL,10\n" * 100)
    with pytest.raises(StoreDamaged) as raised:
        SqliteStore(path)
    assert str(raised.value) == (
        f"{path} is not a record of fillbook (file is not a database); name another file"
    )
