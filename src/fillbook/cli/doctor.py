"""`fillbook doctor`: the settings, their origin, and whether they work together."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from attrs import frozen

from fillbook import __version__, config, errors, opening
from fillbook import model as m
from fillbook.broker import Broker
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    StoreOption,
    existing_store,
    has_store,
    open_book,
    open_broker,
    record_file,
)
from fillbook.cli.output import day
from fillbook.clock import AHEAD_VARIABLE
from fillbook.desk.record.replay import difference, is_outdated, replay
from fillbook.model.journal.kinds import BY_TYPE
from fillbook.model.journal.status import Status
from fillbook.stores.row_check import DamagedRow, damaged_rows, first_missing
from fillbook.stores.sql import SqlReader

#: The variables of credentials; each may also end in ``_FILE``.
_SECRETS: Final = (
    *("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
    *("COINBASE_API_KEY", "COINBASE_API_SECRET"),
)
#: Each extra, with a distribution that it installs.
_EXTRAS: Final = (
    ("alpaca", "alpaca-py"),
    ("coinbase", "coinbase-advanced-py"),
    ("emulator", "starlette"),
    ("fast", "orjson"),
)
#: A clock that is off by less is right: the broker reports whole seconds.
CLOCK_GOOD_S: Final = 3
#: A clock that is off by more does not work: signed requests are refused.
CLOCK_BAD_S: Final = 30
#: What to do about a journal that was damaged, and about records.
_LOST: Final = (
    "Restore a backup, or compare the account with `fillbook sync`; if differences are left, "
    "`fillbook rebuild` takes the broker's figures"
)
_DERIVE: Final = "`fillbook rebuild --from-journal` derives the records again"
_MARKS: Final = {True: "[green]ok[/]", False: "[red]no[/]", None: "–"}


@frozen
class Finding:
    """One line of the output; `ok` None: a remark."""

    what: str
    ok: bool | None
    said: str


def doctor(
    *, broker: BrokerOption = None, store: StoreOption = None, json: JsonOption = False
) -> int:
    """
    Show versions and settings with their sources, and test whether they work together.

    Secrets are hidden. Exits with 1 if something will not work: a setting, the record, the
    connection, the keys (of another account), a clock that is wrong, a kill switch that is set.
    """
    found = [*_versions(), *_settings(broker, store)]
    if all(x.what != "settings" for x in found):  # with wrong settings nothing can be opened
        found += _checks(broker, store)
    if json:
        output.as_json(found)
    else:
        rows = [(x.what, output.Markup(_MARKS[x.ok]), x.said) for x in found]
        output.table("Doctor", ("item!", "ok", "result"), rows)
    return 1 if any(x.ok is False for x in found) else 0


# -- versions and settings -------------------------------------------------------------


def _versions() -> Iterator[Finding]:
    yield Finding("fillbook", None, f"{__version__}, on Python {platform.python_version()}")
    for extra, package in _EXTRAS:
        try:
            yield Finding(f"extra {extra}", True, f"{package} {version(package)}")
        except PackageNotFoundError:
            said = f'not installed: pip install "fillbook[{extra}]"'
            yield Finding(f"extra {extra}", None, said)
    old = sqlite3.sqlite_version_info < (3, 51, 3)
    said = f"SQLite {sqlite3.sqlite_version}"
    if old:
        said += "; before 3.51.3, let no other program open the file while it is in use"
    yield Finding("sqlite", None if old else True, said)


def _settings(broker: str | None, store: str | None) -> Iterator[Finding]:
    try:
        for name, given in (("broker", broker), ("store", store), ("repairs", None)):
            one = config.setting(name, given, os.environ)
            if one.value is None:
                yield Finding(name, None, "not set: --broker alpaca:paper, or $FILLBOOK_BROKER")
            else:
                yield Finding(name, True, f"{one.value} ({one.origin})")
        m.repair_policy(config.setting("repairs", None, os.environ).value)
    except (errors.BadAddress, errors.InvalidValue) as error:
        yield Finding("settings", False, str(error))
    ahead = os.environ.get(AHEAD_VARIABLE)
    if ahead is not None:
        said = f"{ahead}: the clock is so many seconds ahead, for an emulator; else unset it"
        yield Finding(f"${AHEAD_VARIABLE}", None, said)
    for name in _SECRETS:
        for variable in (name, f"{name}_FILE"):
            if os.environ.get(variable):
                yield Finding(f"${variable}", True, "set, hidden")


# -- the record and the account --------------------------------------------------------


def _checks(broker: str | None, store: str | None) -> Iterator[Finding]:
    """Yield what the record and the account report, and whether they belong together."""
    record: Status | None = None
    try:
        if has_store(store):
            with open_book(store) as book:
                record = book.status()
            yield Finding("the record", True, _bound(record))
            yield from _rows(store)
            yield _ticking(record)
            yield _kill_switch(record)
        else:
            yield _no_record(record_file(store))
    except errors.FillbookError as error:
        yield Finding("the record", False, str(error))
    try:
        if config.setting("broker", broker, os.environ).value is not None:
            yield from _account(open_broker(broker), record)
    except errors.FillbookError as error:
        yield Finding("the account", False, str(error))


def _bound(record: Status) -> str:
    if record.account is None:
        return "not bound to an account yet: the first sync binds it"
    return f"bound to {record.account}"


def _rows(store: str | None) -> Iterator[Finding]:
    """Yield whether the journal has all its entries, and whether every row can be read."""
    opened = opening.open_store(existing_store(store), os.environ)
    with closing(opened), opened.read() as reader:
        if not isinstance(reader, SqlReader):
            return
        count, missing = reader.last(), first_missing(reader)
        if missing is not None:
            said = f"entry {missing} of {count} is missing, and perhaps others: the file was edited"
            yield Finding("journal", False, f"{said}. {_LOST}")
            return
        damaged = next(damaged_rows(reader), None)
        if damaged is not None and damaged.of is None:
            said = f"entry {damaged.key} of {count} cannot be read ({damaged.why})"
            yield Finding("journal", False, f"{said}. {_LOST}")
            return
        yield Finding("journal", True, f"complete: {count} entries")
        yield _derived(reader, damaged)


def _derived(reader: SqlReader, damaged: DamagedRow | None) -> Finding:
    """Return whether the records are those that follow from the journal."""
    if damaged is not None:
        said = f"row {damaged.table}/{damaged.key} cannot be read ({damaged.why}): {_DERIVE}"
        return Finding("records", False, said)
    if is_outdated(reader):
        return Finding("records", None, "of an older release: the next sync derives them again")
    changes = difference(replay(reader), reader)
    names = [(type(x), BY_TYPE[type(x)].key(x)) for x in changes.put]
    for of, key in (*names, *changes.drop):
        said = f"row {BY_TYPE[of].name}/{key} differs from the journal: {_DERIVE}"
        return Finding("records", False, said)
    return Finding("records", True, "agree with the journal")


def _no_record(path: Path) -> Finding:
    folder = path.absolute().parent
    if not folder.is_dir():
        return Finding("the record", False, f"the folder {folder} does not exist: create it")
    if not os.access(folder, os.W_OK):
        return Finding("the record", False, f"the folder {folder} is not writable")
    return Finding("the record", True, "does not exist yet; the first sync creates it")


def _ticking(record: Status) -> Finding:
    """Return which desk does the background work of the record."""
    lease = record.lease
    if lease is None:
        return Finding("desk", None, "no desk has ticked on this record yet")
    if lease.is_current:
        said = f"{lease.holder} ticks on this record: it has the lease until {day(lease.until)} UTC"
        return Finding("desk", True, f"{said}, and renews it")
    how = "it was killed" if lease.until is not None and lease.until > record.at else "it ended"
    said = f"no desk ticks on this record; the last one was {lease.holder}: {how}"
    return Finding("desk", None, said)


def _kill_switch(record: Status) -> Finding:
    if record.halted is None:
        return Finding("kill switch", True, "not set")
    said = f"set, so that no order is sent ({record.halted}): `fillbook halt --resume` clears it"
    return Finding("kill switch", False, said)


def _account(broker: Broker, record: Status | None) -> Iterable[Finding]:
    read = broker.account()
    if isinstance(read, m.NotObserved):
        return [Finding("the account", False, broker.redact(read.message))]
    found = [_connected(broker, read.value)]
    owner = None if record is None else record.account
    if owner is not None and owner != read.value.account:
        said = (
            f"the record is of {owner}, and the keys are of {read.value.account}: use the keys or "
            "the store of one of them, or archive the record with `fillbook rebind`"
        )
        found.append(Finding("same account", False, said))
    elif owner is not None:
        found.append(Finding("same account", True, "the record and the keys agree"))
    found.append(_clock(broker, read.at))
    found.append(_stream(broker, record))
    return found


def _connected(broker: Broker, account: m.AccountSnapshot) -> Finding:
    money = "real money" if broker.live else "no real money"
    said = [f"connected to {account.account} ({money})"]
    for what, words in (("blocked", account.blocked), ("restricted", account.restricted)):
        if words:
            said.append(f"{what}: {', '.join(words)}")
    return Finding("the account", not account.blocked, "; ".join(said))


def _clock(broker: Broker, at: datetime | None) -> Finding:
    """Compare the clock of this machine with the broker's time of its reply."""
    if _is_emulated(broker.host):
        return Finding("clock", None, "not compared: an emulator has a clock of its own")
    if at is None:
        return Finding("clock", None, "not compared: the broker reports no time of its replies")
    seconds = (datetime.now(UTC) - at).total_seconds()
    return clock_finding(seconds)


def clock_finding(seconds: float) -> Finding:
    """Return the finding for a clock that is *seconds* ahead of the broker's."""
    if abs(seconds) < CLOCK_GOOD_S:
        return Finding("clock", True, "agrees with the broker's")
    said = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the broker's: set it"
    return Finding("clock", None if abs(seconds) <= CLOCK_BAD_S else False, said)


def _is_emulated(host: str) -> bool:
    """Return whether *host* is on this machine: an emulator has a clock of its own."""
    name = host.rpartition(":")[0] or host
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost" or "." not in name


def _stream(broker: Broker, record: Status | None) -> Finding:
    """Return what is known of the stream of the account: who may have it, and whether it works."""
    alerts = () if record is None else record.alerts
    refused = [x.alert for x in alerts if x.alert and x.alert.kind is m.AlertKind.STREAM_REFUSED]
    if refused and not refused[-1].resolved:
        return Finding("stream", False, refused[-1].message)
    limit = broker.capabilities.streams_per_key
    ticks = record is not None and record.lease is not None and record.lease.is_current
    said = [] if ticks else ["no desk ticks on this record"]
    if record is not None and record.stream is not None and ticks:
        said.append(f"its stream: {record.stream.state}")
    if limit is not None:
        said.append(f"a key has {limit} at a time: that of a desk, or the bot's own")
    return Finding("stream", None, "; ".join(said))
