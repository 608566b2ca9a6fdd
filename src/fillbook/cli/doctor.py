"""`fillbook doctor`: the settings, their origin, and whether they work."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Final

from attrs import frozen

from fillbook import config, errors
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    StoreOption,
    has_store,
    open_book,
    open_broker,
)

#: The variables of credentials; each may also end in ``_FILE``.
_SECRETS: Final = (
    *("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
    *("COINBASE_API_KEY", "COINBASE_API_SECRET"),
)
#: Each extra, with a package that it installs.
_EXTRAS: Final = (
    ("alpaca", "alpaca"),
    ("coinbase", "coinbase"),
    ("emulator", "starlette"),
    ("fast", "orjson"),
)
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
    Show the settings and their sources, and test the connections; secrets are hidden.

    Exits with 1 if a test fails.
    """
    found = [*_settings(broker, store), *_extras(), _sqlite(), *_connections(broker, store)]
    if json:
        output.as_json(found)
    else:
        rows = [(x.what, output.Markup(_MARKS[x.ok]), x.said) for x in found]
        output.table("Doctor", ("item", "ok", "result"), rows)
    return 1 if any(x.ok is False for x in found) else 0


def _settings(broker: str | None, store: str | None) -> Iterable[Finding]:
    for name, given in (("broker", broker), ("store", store)):
        one = config.setting(name, given, os.environ)
        if one.value is None:
            yield Finding(name, None, "not set: --broker alpaca:paper, or $FILLBOOK_BROKER")
        else:
            yield Finding(name, True, f"{one.value} ({one.origin})")
    for name in _SECRETS:
        for variable in (name, f"{name}_FILE"):
            if os.environ.get(variable):
                yield Finding(f"${variable}", True, "set, hidden")


def _extras() -> Iterable[Finding]:
    for extra, package in _EXTRAS:
        is_installed = find_spec(package) is not None
        said = "installed" if is_installed else f'not installed: pip install "fillbook[{extra}]"'
        yield Finding(f"extra {extra}", True if is_installed else None, said)


def _sqlite() -> Finding:
    old = sqlite3.sqlite_version_info < (3, 51, 3)
    said = f"SQLite {sqlite3.sqlite_version}"
    if old:
        said += "; before 3.51.3, let no other program open the file while it is in use"
    return Finding("sqlite", None if old else True, said)


def _connections(broker: str | None, store: str | None) -> Iterable[Finding]:
    tests: list[tuple[str, Callable[[], str]]] = [("the record", lambda: _record(store))]
    if config.setting("broker", broker, os.environ).value is not None:
        tests.append(("the account", lambda: _account(broker)))
    for what, test in tests:
        try:
            yield Finding(what, True, test())
        except errors.FillbookError as error:
            yield Finding(what, False, str(error))


def _record(store: str | None) -> str:
    if not has_store(store):
        return "does not exist yet; the first sync creates it"
    with open_book(store) as book:
        account = book.account()
    return "not bound to an account yet" if account is None else f"bound to {account}"


def _account(broker: str | None) -> str:
    opened = open_broker(broker)
    read = opened.account()
    if isinstance(read, m.NotObserved):
        raise errors.ReadFailed(read.message)
    money = "real money" if opened.live else "no real money"
    said = [f"connected to {read.value.account} ({money})"]
    for what, words in (("blocked", read.value.blocked), ("restricted", read.value.restricted)):
        if words:
            said.append(f"{what}: {', '.join(words)}")
    return "; ".join(said)
