"""The doctor, a record that is archived, and what surrounds every command."""

import io
import json
import os
import platform
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

import fillbook as fb
from fillbook import __version__
from fillbook.cli import output
from fillbook.cli.doctor import clock_finding
from fillbook.cli.reconcile import printing, rebind
from fillbook.cli.shell.progress import Progress
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")


def rows_of(capsys, *words):
    """The exit code of the doctor, and its rows by item."""
    code, out, _ = told(capsys, "doctor", "--json", *words)
    return code, {row["what"]: (row["ok"], row["said"]) for row in json.loads(out)}


def test_the_doctor_prints_the_versions(emulator, order, capsys):
    code, rows = rows_of(capsys, *STORE)
    assert (code, rows["fillbook"][1].startswith(f"{__version__}, on Python 3.")) == (0, True)
    assert rows["extra alpaca"][1].startswith("alpaca-py ")
    assert rows["sqlite"][1].startswith("SQLite 3.")


def test_the_doctor_compares_the_account_of_the_keys_with_that_of_the_record(
    emulator, order, capsys
):
    code, rows = rows_of(capsys, *STORE)
    assert (code, rows["same account"]) == (0, (True, "the record and the keys agree"))
    emulator.exchange.faults.switch_on("account-id-changed")
    code, rows = rows_of(capsys, *STORE)
    ok, said = rows["same account"]
    assert (code, ok) == (1, False)
    assert said.startswith("the record is of alpaca:")
    assert said.endswith("or archive the record with `fillbook rebind`")


def test_the_doctor_names_entries_that_the_journal_lacks(emulator, order, capsys):
    ok, said = rows_of(capsys, *STORE)[1]["journal"]
    assert (ok, said.startswith("complete: ")) == (True, True)
    with closing(sqlite3.connect("bot.db")) as connection, connection:
        connection.execute("DELETE FROM journal WHERE number IN (5, 6, 9)")
    code, rows = rows_of(capsys, *STORE)
    ok, said = rows["journal"]
    assert (code, ok, said.startswith("entry 5 of ")) == (1, False, True)
    assert said.endswith("`fillbook rebuild` takes the broker's figures")
    with closing(sqlite3.connect("bot.db")) as connection, connection:
        connection.execute("DELETE FROM journal WHERE number = 1")
    assert rows_of(capsys, *STORE)[1]["journal"][1].startswith("entry 1 of ")


def altered(sql, *values):
    """Edit the record as a program of SQLite may."""
    with closing(sqlite3.connect("bot.db")) as connection, connection:
        connection.execute(sql, values)


DAMAGED = [
    ("UPDATE positions SET body = '{}'", "records", "row positions/AAPL cannot be read", "symbol"),
    ("UPDATE orders SET body = '{'", "records", "row orders/fb-", "it is not JSON"),
    ("UPDATE journal SET body = '{}' WHERE number = 4", "journal", "entry 4 of ", "its kind is"),
    ("UPDATE journal SET at = 'x' WHERE number = 3", "journal", "entry 3 of ", "stored time"),
    (
        "UPDATE positions SET body = replace(body, '\"10\"', '\"99\"')",
        "records",
        "row positions/AAPL differs from the journal",
        "",
    ),
    ("DELETE FROM positions", "records", "row positions/AAPL differs from the journal", ""),
]


@pytest.mark.parametrize(("sql", "what", "begins", "reason"), DAMAGED)
def test_the_doctor_reads_every_row(sql, what, begins, reason, emulator, order, capsys):
    assert rows_of(capsys, *STORE)[1]["records"] == (True, "agree with the journal")
    altered(sql)
    code, rows = rows_of(capsys, *STORE)
    ok, said = rows[what]
    assert (code, ok, said[: len(begins)]) == (1, False, begins)
    assert reason in said
    assert "_type" not in said
    if what == "records":
        assert said.endswith("`fillbook rebuild --from-journal` derives the records again")


@pytest.mark.parametrize("sql", [x[0] for x in DAMAGED if x[1] == "records"])
def test_damaged_records_are_derived_from_the_journal(sql, emulator, order, tmp_path, capsys):
    """Strategies and keys stay; a copy is kept."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.buy("MSFT", qty=2, key="once", strategy="core")
    before = told(capsys, "positions", "--json", *STORE), told(capsys, "orders", "--json", *STORE)
    altered(sql)
    code, out, _ = told(capsys, "rebuild", "--from-journal", *STORE)
    assert (code, f"The record as it was: {tmp_path / 'bot.db.1'}" in out) == (0, True)
    assert rows_of(capsys, *STORE)[1]["records"][0] is True
    after = told(capsys, "positions", "--json", *STORE), told(capsys, "orders", "--json", *STORE)
    assert after == before
    code, out, _ = told(capsys, "rebuild", "--from-journal", "--json", *STORE)
    assert (code, json.loads(out)["damaged"]) == (0, [])


def test_an_event_that_is_damaged_is_derived_and_the_others_stay(emulator, order, capsys):
    with fb.read("sqlite:///bot.db") as book:
        before = book.events()
    altered("UPDATE events SET body = '{}' WHERE key = (SELECT MIN(key) FROM events)")
    assert "row events/" in rows_of(capsys, *STORE)[1]["records"][1]
    out = told(capsys, "rebuild", "--from-journal", *STORE)[1]
    assert "was damaged, and is replaced." in out
    with fb.read("sqlite:///bot.db") as book:
        assert book.events() == before


def test_a_damaged_journal_is_not_replaced(emulator, order, capsys):
    altered("UPDATE journal SET body = '{}' WHERE number = 4")
    code, out, err = told(capsys, "rebuild", "--from-journal", *STORE)
    assert (code, out, "strategies and keys are lost" in err) == (1, "", True)
    words = ("rebuild", "--from-journal", "--dry-run", *STORE)
    assert told(capsys, *words)[0] == 2


def test_the_doctor_names_a_clock_that_is_set_ahead(emulator, order, monkeypatch, capsys):
    monkeypatch.setenv("FILLBOOK_CLOCK_AHEAD_S", "3600")
    ok, said = rows_of(capsys, *STORE)[1]["$FILLBOOK_CLOCK_AHEAD_S"]
    assert (ok, said.startswith("3600: the clock is so many seconds ahead")) == (None, True)


@pytest.mark.parametrize("name", ["localhost", "LocalHost"])
def test_each_name_of_this_machine_is_the_same_emulator(name, emulator, order, monkeypatch, capsys):
    """A record of 127.0.0.1 goes on, and its idempotency keys find the orders that they made."""
    with fb.open(store="sqlite:///bot.db") as desk:
        first = desk.buy("AAPL", qty=1, key="once")
    url = emulator.url.replace("127.0.0.1", name)
    monkeypatch.setenv("FILLBOOK_BROKER", f"alpaca:{url}/")
    code, rows = rows_of(capsys, *STORE)
    assert (code, rows["same account"]) == (0, (True, "the record and the keys agree"))
    assert told(capsys, "sync", *STORE)[0] == 0
    with fb.open(store="sqlite:///bot.db") as desk:
        again = desk.buy("AAPL", qty=1, key="once")
        assert again.client_order_id == first.client_order_id
        assert desk.book.account().host.startswith("127.0.0.1:")


def test_the_doctor_reports_a_kill_switch_that_is_set(emulator, order, capsys):
    assert rows_of(capsys, *STORE)[1]["kill switch"] == (True, "not set")
    told(capsys, "halt", "the model is wrong", *STORE)
    code, rows = rows_of(capsys, *STORE)
    assert (code, rows["kill switch"]) == (
        1,
        (
            False,
            "set, so that no order is sent (the model is wrong): `fillbook halt --resume` clears "
            "it",
        ),
    )


def test_the_doctor_reports_a_folder_that_is_missing(emulator, tmp_path, capsys):
    code, rows = rows_of(capsys, "--store", "sqlite:///no/bot.db")
    said = f"the folder {tmp_path}/no does not exist: create it"
    assert (code, rows["the record"]) == (1, (False, said))
    assert rows_of(capsys, *STORE)[1]["the record"][0] is True


SETTINGS = {
    'stroe = "x"\n': "fillbook.toml, line 1: stroe is no setting (did you mean store?); the "
    "settings are broker, store, repairs, alert_urls",
    "[limits]\nday_notional_max = 5\n": "fillbook.toml, line 1: limits is no setting; the settings "
    "are broker, store, repairs, alert_urls; give limits to fillbook.open",
    "repairs = 3\n": 'fillbook.toml, line 1: repairs must be a string, such as "…", not 3',
    'repairs = "all"\n': "repairs must be one of observe, approve, auto; not 'all'",
}


@pytest.mark.parametrize("text", SETTINGS)
def test_the_doctor_reports_a_setting_that_will_not_work(text, emulator, order, capsys):
    Path("fillbook.toml").write_text(text)
    code, rows = rows_of(capsys, *STORE)
    assert (code, rows["settings"]) == (1, (False, SETTINGS[text]))


@pytest.mark.parametrize("command", ["sync", "orders", "buy AAPL 1", "watch --once", "halt"])
def test_every_command_refuses_a_file_with_a_key_that_is_no_setting(
    command, emulator, order, capsys
):
    """What is misspelt would be ignored without a word: a policy of repairs, or the alerts."""
    Path("fillbook.toml").write_text('store = "sqlite:///bot.db"\nrepair = "auto"\n')
    code, out, err = told(capsys, *command.split())
    assert (code, out) == (2, "")
    assert "fillbook.toml, line 2: repair is no setting (did you mean repairs?)" in err
    with pytest.raises(fb.BadAddress, match="line 2: repair is no setting"):
        fb.open()


def test_the_doctor_reports_an_account_that_is_blocked(emulator, order, capsys):
    emulator.exchange.block(emulator.account, "trading_blocked")
    code, rows = rows_of(capsys, *STORE)
    assert (code, rows["the account"][0]) == (1, False)


@pytest.mark.parametrize(
    ("seconds", "ok", "said"),
    [
        (0.9, True, "agrees with the broker's"),
        (-2.9, True, "agrees with the broker's"),
        (12, None, "12 s ahead of the broker's: set it"),
        (-31, False, "31 s behind the broker's: set it"),
    ],
)
def test_the_doctor_compares_the_clocks(seconds, ok, said):
    found = clock_finding(seconds)
    assert (found.ok, found.said) == (ok, said)


def test_the_doctor_says_what_is_known_of_the_stream(emulator, order, capsys):
    ok, said = rows_of(capsys, *STORE)[1]["stream"]
    assert (ok, said) == (
        None,
        "no desk ticks on this record; a key has 1 at a time: that of a desk, or the bot's own",
    )
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.receive(ConnectionError("HTTP 429"))
        desk.tick()
    ok, said = rows_of(capsys, *STORE)[1]["stream"]
    assert (ok, "is refused or lost" in said) == (False, True)


def test_the_doctor_names_the_desk_that_ticks(emulator, order, capsys):
    holder = f"process {os.getpid()} on {platform.node()}"
    assert rows_of(capsys, *STORE)[1]["desk"] == (None, "no desk has ticked on this record yet")
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.tick()
        ok, said = rows_of(capsys, *STORE)[1]["desk"]
    assert ok is True
    assert said.startswith(f"{holder} ticks on this record: it has the lease until 2026-03-02 15:0")
    gone = f"no desk ticks on this record; the last one was {holder}: it ended"
    assert rows_of(capsys, *STORE)[1]["desk"] == (None, gone)


# -- the archive of a record ---------------------------------------------------------------


def test_a_healthy_record_of_the_same_account_is_not_archived_without_a_word(
    emulator, order, capsys
):
    code, out, err = told(capsys, "rebind", *STORE)
    assert (code, out, Path("bot.db").exists()) == (2, "", True)
    assert err.endswith(
        "too, so that nothing is wrong with this record; to archive it all the same, add --yes\n"
    )
    code, out, _ = told(capsys, "rebind", "--yes", *STORE)
    assert (code, "The next sync starts a new one." in " ".join(out.split())) == (0, True)
    assert not Path("bot.db").exists()


def test_a_record_is_not_archived_if_its_account_cannot_be_compared(
    emulator, order, monkeypatch, capsys
):
    emulator.exchange.faults.switch_on("unreachable")
    code, _, err = told(capsys, "rebind", *STORE)
    assert (code, "the account of the keys is unknown (" in err) == (2, True)
    monkeypatch.delenv("FILLBOOK_BROKER")
    code, _, err = told(capsys, "rebind", *STORE)
    assert (code, "no broker is set, so that it is unknown whether" in err) == (2, True)
    assert Path("bot.db").exists()


def test_the_record_of_another_account_is_archived_at_once(emulator, order, capsys):
    emulator.exchange.faults.switch_on("account-id-changed")
    assert told(capsys, "rebind", *STORE)[0] == 0
    assert not Path("bot.db").exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("Yes ", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_it_asks(emulator, order, answer, code, monkeypatch, capsys):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(rebind.sys, "stdin", Screen(f"{answer}\n"))
    monkeypatch.setattr(rebind.sys, "stdout", screen := Screen())
    assert rebind.rebind(store="sqlite:///bot.db") == code
    assert "Archive it all the same? Orders and fills leave the record. [y/N]" in screen.getvalue()
    assert Path("bot.db").exists() is bool(code)


# -- every command -------------------------------------------------------------------------


def test_the_package_is_a_program():
    words = [sys.executable, "-m", "fillbook", "-V"]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{__version__}\n"


@pytest.mark.parametrize("word", ["--quiet", "-q"])
def test_a_quiet_command_prints_errors_only(word, order, capsys):
    assert told(capsys, "orders", *STORE, word) == (0, "", "")
    assert told(capsys, word, "check", *STORE) == (0, "", "")
    code, out, err = told(capsys, "order", "zz", *STORE, word)
    assert (code, out, err.startswith("fillbook: there is no order 'zz'")) == (2, "", True)
    assert json.loads(told(capsys, "orders", *STORE, word, "--json")[1])
    assert told(capsys, "orders", *STORE)[1] != ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_the_commands(shell, capsys):
    code, out, err = told(capsys, "completion", shell)
    assert (code, "buying-power" in out, err) == (0, True, "")


def test_a_command_that_takes_longer_than_a_second_shows_its_progress():
    """On a terminal only; it ends before anything is printed."""
    waits, shown = [], threading.Event()

    def wait(ended, seconds):
        waits.append(seconds)
        if len(waits) == 3:
            shown.set()
            ended.wait()
        return ended.is_set()

    screen = io.StringIO()
    progress = Progress(wait)
    with progress.shown(Console(file=screen, force_terminal=True), "sync"):
        shown.wait()
    assert waits == [1.0, 0.5, 0.5]
    assert "fillbook sync: 2 s (Ctrl-C stops it)" in screen.getvalue()
    progress.end()


def test_a_short_command_shows_none_and_neither_does_a_pipe():
    screen = io.StringIO()
    for console in (Console(file=screen, force_terminal=True), Console(file=screen)):
        progress = Progress(lambda ended, seconds: ended.wait() or True)
        with progress.shown(console, "sync"):
            pass
    assert screen.getvalue() == ""


def test_the_progress_counts_the_requests(emulator, order):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        progress = Progress()
        progress.follow(desk)
        text = progress.text("sync", 2.5)
    assert text == f"fillbook sync: 2 s, {desk.requests} requests to the broker (Ctrl-C stops it)"


def test_printing_removes_the_progress(monkeypatch, capsys):
    ended = []
    monkeypatch.setattr(output.PROGRESS, "pause", lambda: ended.append(True))
    output.out.print("text")
    output.as_json({"a": 1})
    output.as_csv("orders", [], None)
    assert len(ended) == 3


def test_the_title_of_a_narrow_table_is_one_line(capsys):
    at = "2026-03-02T15:00:00.000000000Z"
    printing.rebuilt(fb.RebuildReport(verdict=fb.Verdict.IN_SYNC, at=at, settled=("a",)))
    assert "Disputed orders that are settled\n" in capsys.readouterr().out
