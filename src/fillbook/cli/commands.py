"""
The commands.

Exit codes: 0 in sync or done, 3 drift, 1 not observed or failed, 2 a wrong call, address or
credential.  With ``--json`` standard output holds one JSON document and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from typing import Annotated, Any, Final

from attrs import frozen
from cyclopts import App, CycloptsError, Group, Parameter

from fillbook import __version__, config, errors, opening
from fillbook import model as m
from fillbook.cli import show
from fillbook.desk import Desk
from fillbook.desk.book import Book

CODES: Final = {m.Verdict.IN_SYNC: 0, m.Verdict.NOT_OBSERVED: 1, m.Verdict.DRIFT: 3}
_WRONG_CALL: Final = (
    errors.BadAddress,
    errors.CredentialsMissing,
    errors.ExtraMissing,
    errors.InvalidValue,
)

app = App(
    name="fillbook",
    help="Keeps a trading bot's record of orders, fills and positions true to its broker.",
    help_epilogue="Begin with: fillbook demo",
    version=__version__,
    result_action="return_value",
)
_WHERE: Final = Group("Where", sort_key=1)

BrokerOption = Annotated[
    str | None,
    Parameter(
        name="--broker",
        group=_WHERE,
        help="Address of the broker: alpaca:paper, alpaca:live, sim:?seed=7. "
        "Else $FILLBOOK_BROKER or fillbook.toml.",
    ),
]
StoreOption = Annotated[
    str | None,
    Parameter(
        name="--store",
        group=_WHERE,
        help="Address of the record: sqlite:///bot.db. Else $FILLBOOK_STORE, fillbook.toml, "
        "or sqlite:///fillbook.db.",
    ),
]
JsonOption = Annotated[
    bool, Parameter(name="--json", negative="", help="Print JSON for programs, and nothing else.")
]


def run(words: Sequence[str]) -> int:
    """Run one command line; its exit code. What was expected to go wrong is one line."""
    try:
        code = app(list(words), exit_on_error=False, print_error=False, console=show.out)
    except CycloptsError as error:
        show.fail(f"{str(error).strip()}  (see fillbook --help)")
        return 2
    except _WRONG_CALL as error:
        show.fail(str(error))
        return 2
    except errors.FillbookError as error:
        show.fail(str(error))
        return 1
    except KeyboardInterrupt:
        show.fail("interrupted; what was recorded is kept, and every request is asked after")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0


# -- the record against the broker -----------------------------------------------------


@app.command
def check(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    ours: Annotated[
        tuple[str, ...],
        Parameter(
            name="--ours",
            consume_multiple=True,
            negative="",
            help="What the bot believes it holds: AAPL=10 BTC/USD=0.5. Needs no record.",
        ),
    ] = (),
    json: JsonOption = False,
) -> int:
    """
    Compare the record with the broker; writes nothing, sends nothing.

    Exits with 0 in sync, 3 on drift, 1 if the broker could not be observed.
    """
    believed = _beliefs(ours)
    if believed is not None and not _has_store(store):
        report = opening.check(_broker(broker), believed)
    else:
        # Without a record there is nothing to compare with, and none is made by looking.
        with _desk(broker, store if _has_store(store) else "memory://") as desk:
            report = desk.check(believed)
    _print(report, show.check, json=json)
    return CODES[report.verdict]


@app.command
def sync(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    since: Annotated[
        str | None, Parameter(help="Read orders and fills from that day on, like 2026-01-05 (UTC).")
    ] = None,
    order: Annotated[str | None, Parameter(help="Look at one order alone, by its id.")] = None,
    adopt: Annotated[
        bool,
        Parameter(negative="", help="Take the broker's side where nothing explains a difference."),
    ] = False,
    json: JsonOption = False,
) -> int:
    """
    Make the record true to the broker; sends nothing that changes the account.

    The first sync of a record takes the broker's picture as its opening.
    """
    first = None if since is None else _day(since)
    with _desk(broker, store) as desk:
        if not json and desk.book.cash() is None:
            show.err.print("First contact: two looks, a while apart…")
        report = desk.sync(first, order=order, adopt=adopt)
    _print(report, show.sync, json=json)
    return CODES[report.verdict]


@app.command
def cancel(
    order: str,
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: Annotated[
        bool, Parameter(negative="", help="Let the request go to an account with real money.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """
    Ask for an order's end, and look at it until it has ended.

    ORDER is a client order id or the broker's. A fill wins over a cancel.
    """
    with _desk(broker, store, live=live) as desk:
        ended = desk.cancel(order)
    _print(ended, lambda x: show.orders([x]), json=json)
    return 0 if ended.is_final else 1


# -- reading the record ----------------------------------------------------------------


@app.command
def orders(
    *,
    store: StoreOption = None,
    open_only: Annotated[
        bool, Parameter(name="--open", negative="", help="Only those that are not final.")
    ] = False,
    symbol: str | None = None,
    strategy: str | None = None,
    json: JsonOption = False,
) -> None:
    """List the record's orders; asks nobody."""
    found = _book(store).orders(open=open_only or None, symbol=symbol, strategy=strategy)
    _print(found, show.orders, json=json)


@app.command
def order(order: str, *, store: StoreOption = None, json: JsonOption = False) -> None:
    """
    Show one order with its fills, its requests and what is odd about it; asks nobody.

    ORDER is a client order id or the broker's.
    """
    book = _book(store)
    found = book.order(order)
    if json:
        show.as_json(found)
    else:
        show.order(found, book.fills(found), book.requests(found))


@app.command
def positions(
    *, store: StoreOption = None, strategy: str | None = None, json: JsonOption = False
) -> None:
    """List what the record says is held, by symbol and strategy; asks nobody."""
    _print(_book(store).positions(strategy=strategy), show.positions, json=json)


@app.command
def trades(
    *, store: StoreOption = None, symbol: str | None = None, json: JsonOption = False
) -> None:
    """List round trips from flat to flat, with real prices; asks nobody."""
    _print(_book(store).trades(symbol=symbol), show.trades, json=json)


@app.command
def audit(
    *,
    store: StoreOption = None,
    last: Annotated[int, Parameter(help="How many of the newest entries; 0 for all.")] = 40,
    json: JsonOption = False,
) -> None:
    """Show the journal: everything that happened to the record, in order."""
    entries = _book(store).journal()
    _print(entries[-last:] if last > 0 else entries, show.audit, json=json)


@app.command
def rebind(
    *,
    store: StoreOption = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would be done.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Put the record of another account away, so that the store can begin anew.

    A record belongs to one account. If the broker answers as another one (paper was reset, keys
    were changed), nothing is written until the old record is archived. It is kept, whole.
    """
    from fillbook.stores.sqlite import SqliteStore

    opened = opening.open_store(_existing(store), os.environ)
    if not isinstance(opened, SqliteStore):
        raise errors.BadAddress("only a record in a file can be put away")
    account = Book(opened).account()
    if account is None:
        opened.close()
        raise errors.BadAddress("this record is bound to no account yet; there is nothing to do")
    where = None if dry_run else str(opened.archive())
    if dry_run:
        opened.close()
    result = {"account": str(account), "archived_to": where}
    if json:
        show.as_json(result)
    elif where is None:
        show.out.print(f"The record of {account} would be put away; nothing was done.")
    else:
        show.out.print(f"The record of {account} is now {where}. The next sync begins a new one.")


# -- trying it out ---------------------------------------------------------------------


@app.command
def demo(
    *,
    seed: Annotated[int, Parameter(help="The same seed tells the same story.")] = 7,
    wire: Annotated[
        bool,
        Parameter(
            negative="", help="Through alpaca-py and our own Alpaca emulator, over real HTTP."
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Watch a bot's broken record being found out and made true; needs no account and no keys."""
    from fillbook.demo import tell

    return tell(seed=seed, wire=wire, json=json)


@app.command
def emulate(
    what: Annotated[str, Parameter(help="What to emulate: alpaca.")],
    *,
    port: Annotated[int, Parameter(help="The port on 127.0.0.1; 0 takes a free one.")] = 0,
    seed: Annotated[int, Parameter(help="Decides ids, partial fills and faults.")] = 0,
    faults: Annotated[
        str, Parameter(help="What goes wrong, like lost-reply,silent-stream; or random.")
    ] = "",
    rate: Annotated[float, Parameter(help="How often each of these faults strikes.")] = 0.05,
) -> int:
    """Run a broker on this machine that any of its clients can trade with, until Ctrl-C."""
    from fillbook.cli.emulate import serve

    if what != "alpaca":
        raise errors.BadAddress(f"{what!r} cannot be emulated; there is: alpaca")
    return serve(port=port, seed=seed, faults=faults, rate=rate)


# -- what is set up --------------------------------------------------------------------


@frozen
class Finding:
    """One line of the doctor's: `ok` is None for a remark."""

    what: str
    ok: bool | None
    said: str


@app.command
def doctor(
    *, broker: BrokerOption = None, store: StoreOption = None, json: JsonOption = False
) -> int:
    """Say what is set up, where it came from, and whether it works; secrets are hidden."""
    found = [*_settings(broker, store), *_extras(), *_sqlite(), *_answers(broker, store)]
    if json:
        show.as_json(found)
    else:
        marks = {True: "[green]ok[/]", False: "[red]no[/]", None: "–"}
        rows = [(x.what, show.Markup(marks[x.ok]), x.said) for x in found]
        show.table("Doctor", ("what", "ok", "found"), rows)
    return 1 if any(x.ok is False for x in found) else 0


def _settings(broker: str | None, store: str | None) -> Iterable[Finding]:
    for name, given in (("broker", broker), ("store", store)):
        one = config.setting(name, given, os.environ)
        yield Finding(name, None if one.value is None else True, f"{one.value} ({one.origin})")
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        if os.environ.get(name):
            yield Finding(f"${name}", True, "set, hidden")


def _extras() -> Iterable[Finding]:
    for extra, package in (("alpaca", "alpaca"), ("emulator", "starlette"), ("fast", "orjson")):
        there = find_spec(package) is not None
        said = "installed" if there else f'not installed: pip install "fillbook[{extra}]"'
        yield Finding(f"extra {extra}", True if there else None, said)


def _sqlite() -> Iterable[Finding]:
    old = sqlite3.sqlite_version_info < (3, 51, 3)
    said = f"SQLite {sqlite3.sqlite_version}"
    if old:
        said += "; before 3.51.3 only fillbook itself should open the file while it is in use"
    yield Finding("sqlite", None if old else True, said)


def _answers(broker: str | None, store: str | None) -> Iterable[Finding]:
    def book() -> str:
        if not _has_store(store):
            return "no record yet; the first sync makes it"
        account = _book(store).account()
        return "bound to no account yet" if account is None else f"bound to {account}"

    def account() -> str:
        opened = _broker(broker)
        read = opened.account()
        if isinstance(read, m.NotObserved):
            raise errors.NotObserved(read.message)
        blocked = f"; blocked: {', '.join(read.value.blocked)}" if read.value.blocked else ""
        money = "real money" if opened.live else "no real money"
        return f"{read.value.account} answers ({money}){blocked}"

    asked: list[tuple[str, Callable[[], str]]] = [("the record", book)]
    if config.setting("broker", broker, os.environ).value is not None:
        asked.append(("the account", account))
    for what, ask in asked:
        try:
            yield Finding(what, True, ask())
        except errors.FillbookError as error:
            yield Finding(what, False, str(error))


# -- what they share -------------------------------------------------------------------


def _print(value: Any, people: Callable[[Any], None], *, json: bool) -> None:
    if json:
        show.as_json(value)
    else:
        people(value)


def _broker(address: str | None) -> Any:
    return opening.open_broker(address, os.environ)


def _desk(broker: str | None, store: str | None, *, live: bool = False) -> Desk:
    return opening.open(broker, store, live=live)


def _book(store: str | None) -> Book:
    return opening.read(_existing(store))


def _existing(store: str | None) -> str:
    """The store's address; a file that is not there is not made by reading it."""
    address = config.setting("store", store, os.environ).value or ""
    if not _has_store(store):
        path = address.removeprefix("sqlite:///")
        raise errors.BadAddress(
            f"there is no record at {path}; `fillbook sync` makes it, and --store names another"
        )
    return address


def _has_store(store: str | None) -> bool:
    address = config.setting("store", store, os.environ).value or ""
    path = address.removeprefix("sqlite:///")
    return path == address or os.path.exists(path)


def _beliefs(words: Sequence[str]) -> dict[str, Decimal | int | str | float] | None:
    if not words:
        return None
    pairs = [word.partition("=") for word in words]
    for symbol, equals, qty in pairs:
        if not symbol or not equals or not qty:
            raise errors.InvalidValue(f"--ours takes SYMBOL=QUANTITY, not {symbol}{equals}{qty}")
    return {symbol: m.number(qty) for symbol, _, qty in pairs}


def _day(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise errors.InvalidValue(f"--since takes a day like 2026-01-05, not {word!r}") from None
