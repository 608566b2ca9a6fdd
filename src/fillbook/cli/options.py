"""The options that commands share, and how they open a desk, a broker or a record."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter

from fillbook import config, errors, opening
from fillbook import model as m
from fillbook.broker import Broker
from fillbook.cli import output
from fillbook.desk import Desk
from fillbook.desk.record.book import Book

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
LiveOption = Annotated[
    bool, Parameter(name="--live", help="Allow trading requests to an account with real money.")
]
SymbolOption = Annotated[str | None, Parameter(help="Only this symbol.")]
StrategyOption = Annotated[str | None, Parameter(help="Only this strategy.")]
OrderName = Annotated[str, Parameter(help="A client order id, or a broker order id.")]


def print_result(value: Any, print_table: Callable[[Any], None], *, json: bool) -> None:
    """Print *value* as JSON, or with *print_table*."""
    if json:
        output.as_json(value)
    else:
        print_table(value)


def open_broker(address: str | None) -> Broker:
    return opening.open_broker(address, os.environ)


def open_desk(
    broker: str | None, store: str | None, *, live: bool = False, repairs: str | None = None
) -> Desk:
    return opening.open(broker, store, live=live, repairs=repairs)


def open_book(store: str | None) -> Book:
    return opening.read(existing_store(store))


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


def has_store(store: str | None) -> bool:
    """Return whether the record exists; an address that is not a file counts as existing."""
    address = _address(store)
    return not address.startswith(_FILE) or Path(address.removeprefix(_FILE)).exists()


def _address(store: str | None) -> str:
    return config.setting("store", store, os.environ).value or ""


def parse_positions(pairs_given: Sequence[str]) -> Mapping[str, Decimal] | None:
    """Parse positions like ``AAPL=10 BTC/USD=0.5``; None: no text.  Raises: InvalidValue."""
    if not pairs_given:
        return None
    pairs = [text.partition("=") for text in pairs_given]
    for symbol, equals, qty in pairs:
        if not symbol or not equals or not qty:
            raise errors.InvalidValue(f"--ours takes SYMBOL=QUANTITY, not {symbol}{equals}{qty}")
    return {symbol: m.number(qty) for symbol, _, qty in pairs}


def parse_day(text: str | None) -> date | None:
    """Parse a date such as ``2026-01-05``.  Raises: InvalidValue."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise errors.InvalidValue(f"--since takes a day like 2026-01-05, not {text!r}") from None
