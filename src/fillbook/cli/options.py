"""The options that commands share, and how they open a desk, a broker or a record."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter
from rich.markup import escape

from fillbook import config, errors, opening
from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.broker import Broker
from fillbook.cli import output
from fillbook.cli.shell.interrupted import reporting
from fillbook.cli.shell.progress import PROGRESS
from fillbook.desk import Desk
from fillbook.desk.record.book import Book
from fillbook.model.text.ids import short_ids

_WHERE: Final = Group("Addresses", sort_key=1)
_FILE: Final = "sqlite:///"

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
JsonOption = Annotated[bool, Parameter(name="--json", help="Print only JSON, for programs.")]
CsvOption = Annotated[
    bool, Parameter(name="--csv", help="Print CSV, with exact numbers and a header.")
]
LiveOption = Annotated[
    bool, Parameter(name="--live", help="Allow trading requests to an account with real money.")
]
SymbolOption = Annotated[str | None, Parameter(help="Only this symbol.")]
StrategyOption = Annotated[str | None, Parameter(help="Only this strategy.")]
OrderName = Annotated[
    str, Parameter(help="A client or a broker order id, or the beginning of one.")
]


def print_result(value: Any, print_table: Callable[[Any], None], *, json: bool) -> None:
    """Print *value* as JSON, or with *print_table*."""
    if json:
        output.as_json(value)
    else:
        print_table(value)


def print_rows(
    what: str,
    values: Sequence[object],
    print_table: Callable[[], None],
    *,
    json: bool,
    csv: bool,
    document: object = None,
    currency: str | None = None,
) -> None:
    """
    Print *values* as JSON, as the table *what* of `export` in CSV, or with *print_table*.

    *document* is what JSON shows (None: *values*), *currency* that of the account.
    Raises: InvalidValue if both are asked for.
    """
    if json and csv:
        raise errors.InvalidValue("give one of --json and --csv")
    if json:
        output.as_json(values if document is None else document)
    elif csv:
        output.as_csv(what, values, currency)
    else:
        print_table()


def open_broker(address: str | None) -> Broker:
    return opening.open_broker(address, os.environ)


@contextmanager
def open_desk(
    broker: str | Broker | None,
    store: str | None,
    *,
    live: bool = False,
    repairs: str | None = None,
    wait_s: float = 5.0,
    alerts: Sequence[Sink] | None = None,
) -> Iterator[Desk]:
    """Open a desk; if the block is interrupted, the error has what is known of its orders."""
    opened = opening.open(broker, store, live=live, repairs=repairs, wait_s=wait_s, alerts=alerts)
    with opened as desk, reporting(desk):
        PROGRESS.follow(desk)
        yield desk


def open_book(store: str | None) -> Book:
    return opening.read(existing_store(store))


def order_named(book: Book, text: str) -> m.Order:
    """
    Return the order of an id, or of the beginning of an id.

    Raises: UnknownOrder, InvalidValue if several orders have one that begins so.
    """
    try:
        return book.order(text)
    except errors.UnknownOrder:
        found = book.ids(text)
        if not found:
            raise
    if len(found) > 1:
        named = zip(short_ids(found), map(book.order, found), strict=True)
        rows = [
            f"{name}: {output.request_of(x)}, {output.type_of(x)}, {x.status}" for name, x in named
        ]
        raise errors.InvalidValue(
            "\n".join([f"the ids of several orders begin with {text!r}; give more of one:", *rows])
        )
    return book.order(found[0])


def existing_store(store: str | None) -> str:
    """
    Return the store's address; a file that does not exist is not created.

    Raises: BadAddress: there is no such file.
    """
    address = _address(store)
    if not has_store(store):
        raise errors.BadAddress(
            f"there is no record at {address.removeprefix(_FILE)}; `fillbook sync` creates "
            "it, and --store selects another"
        )
    return address


def store_if_any(store: str | None) -> str:
    """Return the address of the record; without one, that of an empty record in memory."""
    return _address(store) if has_store(store) else "memory://"


def record_file(store: str | None) -> Path:
    """Return the path of the record in a file."""
    return Path(_address(store).removeprefix(_FILE))


def has_store(store: str | None) -> bool:
    """Return whether the record exists; an address that is not a file counts as existing."""
    address = _address(store)
    if not address.startswith(_FILE):
        return True
    path = Path(address.removeprefix(_FILE))
    return path.exists() and path.stat().st_size > 0  # an empty file has never been a record


def _address(store: str | None) -> str:
    return config.setting("store", store, os.environ).value or ""


def parse_positions(pairs_given: Sequence[str] | None) -> Mapping[str, Decimal] | None:
    """Parse positions like ``AAPL=10 BTC/USD=0.5``; None: no text.  Raises: InvalidValue."""
    if pairs_given is None:
        return None
    pairs = [text.partition("=") for text in some("--ours", pairs_given)]
    for symbol, equals, qty in pairs:
        if not symbol or not equals or not qty:
            raise errors.InvalidValue(f"--ours takes SYMBOL=QUANTITY, not {symbol}{equals}{qty}")
    return {symbol: _expected(symbol, qty) for symbol, _, qty in pairs}


def _expected(symbol: str, qty: str) -> Decimal:
    try:
        return m.number(qty)
    except errors.InvalidValue as error:
        raise errors.InvalidValue(f"--ours {symbol}: {error}") from None


def some(option: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the values of an option that takes several; None: it is not given."""
    if values is not None and not values:
        raise errors.InvalidValue(f"{option} needs a value")
    return tuple(values or ())


def unknown_filter(book: Book, symbol: str | None = None, strategy: str | None = None) -> str:
    """Return the sentence about a symbol or a strategy that the record does not have, or ``""``."""
    if strategy and strategy not in (known := known_strategies(book)):
        return _unknown("strategy", strategy, known)
    if symbol:
        orders, positions = book.orders(), book.positions()
        try:
            book.position(symbol)
        except errors.UnknownSymbol:
            return _unknown(
                "symbol", symbol.upper(), {x.symbol for x in orders} | {x.symbol for x in positions}
            )
    return ""


def known_strategies(book: Book) -> set[str]:
    """Return the strategies that have a part of a position, or an order that was not denied."""
    parts = {name for x in book.positions() for name, _ in x.by_strategy if name}
    orders = (x for x in book.orders() if x.status is not m.OrderStatus.DENIED)
    return parts | {x.strategy for x in orders if x.strategy}


def note_new_strategy(book: Book, strategy: str | None) -> None:
    """Warn of a strategy that the record has never seen, because it may be misspelt."""
    note = _new_strategy(book, strategy)
    if note:
        output.err.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)


@contextmanager
def of_strategy(book: Book, strategy: str | None) -> Iterator[None]:
    """Name the known strategies: in the error of the block, or after it, if *strategy* is new."""
    try:
        yield
    except errors.FillbookError as error:
        note = _new_strategy(book, strategy)
        if note:
            error.args = (f"{error}; {note}",)
        raise
    note_new_strategy(book, strategy)


def _new_strategy(book: Book, strategy: str | None) -> str:
    """Return that the record has never seen *strategy*, with those it has; ``""``: it has."""
    orders = book.orders(strategy=strategy) if strategy else []
    if not strategy or any(x.status is not m.OrderStatus.DENIED for x in orders):
        return ""
    known = known_strategies(book)
    if not known or strategy in known:
        return ""
    return f"strategy {strategy} is new; the record has {', '.join(sorted(known))}"


def _unknown(what: str, name: str, known: Set[str]) -> str:
    has = f"it has {', '.join(sorted(known))}" if known else "it has none"
    return f"the record has nothing of {what} {name!r}; {has}"


@contextmanager
def named_options(options: Mapping[str, str]) -> Iterator[None]:
    """Have a wrong value or a denial name the options; *options* are by field."""
    try:
        yield
    except (errors.InvalidValue, errors.Denied) as error:
        error.args = (with_options(str(error), options),)
        raise


def with_options(text: str, options: Mapping[str, str]) -> str:
    """Return *text* with the options of the command line in place of the fields."""
    names = "|".join(sorted(options, key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: options[found[1]], text)


#: The seconds of each unit of a duration.
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(option: str, text: str) -> Decimal:
    """Parse a duration such as ``8h`` to seconds; *option* is its name.  Raises: InvalidValue."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None:
        raise errors.InvalidValue(f"{option} takes a time like 90s, 30m, 8h or 5d, not {text!r}")
    return Decimal(found[1]) * _UNITS[found[2]]


def parse_day(text: str | None) -> date | None:
    """Parse a date such as ``2026-01-05``.  Raises: InvalidValue."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise errors.InvalidValue(f"--since takes a day like 2026-01-05, not {text!r}") from None
