"""
From addresses to a desk: the only place where parts are chosen.

A broker's address is ``name:rest`` (``alpaca:paper``, ``sim:?seed=7``), a store's a URL
(``sqlite:///bot.db``, ``memory://``).  Names are entry points, so that a package of its
own can add one: `fillbook.brokers` and `fillbook.stores`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ParamSpec

from fillbook import model as m
from fillbook.alerts import Sink, webhook
from fillbook.broker import Broker
from fillbook.clock import Clock, SystemClock
from fillbook.config import setting
from fillbook.core.checks import Check
from fillbook.desk import Desk, validation
from fillbook.desk.aio import AsyncDesk
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.reconcile.reconciler import rows_of
from fillbook.desk.record.book import Book
from fillbook.desk.record.settings import Prices, Settings
from fillbook.errors import BadAddress
from fillbook.store import Store
from fillbook.stores.memory import MemoryStore


def open(  # noqa: A001 - the field's word
    broker: str | Broker | None = None,
    store: str | Store | None = None,
    *,
    live: bool = False,
    repairs: str | None = None,
    clock: Clock | None = None,
    wait_s: float = 5.0,
    checks: Sequence[Check] | None = None,
    limits: m.Limits | None = None,
    prices: Prices | None = None,
    alerts: Sequence[Sink] | None = None,
    thresholds: m.Thresholds | None = None,
    env: Mapping[str, str] | None = None,
) -> Desk:
    """
    A desk over a broker and a store; touches no network.

    *broker* and *store* are addresses or instances; None: what `fillbook.config` finds in
    the environment or the settings' file (a store is then ``sqlite:///fillbook.db``).  *live*
    lets orders go to an account where real money moves.  *repairs* is what is done about what
    nobody asked for, such as an order that lands after it was given up: ``observe`` (the
    default) tells of it, ``approve`` tells what would set it right too, ``auto`` sets it right.
    *wait_s* (≥ 0 seconds) is how long `submit` and `cancel` look at an order.  *checks* are run
    before an order, in that order: ``fb.CHECKS + (no_fridays,)`` (None: ``fb.CHECKS``).
    *limits* bound new risk.  *prices* tells the newest quote of a symbol where the broker does
    not.  *alerts* are functions of one `Alert` (None: a webhook for each address in
    `FILLBOOK_ALERT_URLS`), and *thresholds* say from when on something is one.  *env* (None:
    the process's) is where credentials are found.

    Raises: BadAddress, CredentialsMissing, ExtraMissing, InvalidValue, StoreTooNew,
    StoreDamaged, StoreUnavailable.
    """
    wait_s, checks = validation.seconds("wait_s", wait_s), validation.guards(checks)
    limits, prices = validation.limits(limits), validation.prices(prices)
    thresholds = validation.thresholds(thresholds)
    env = os.environ if env is None else env
    broker = open_broker(broker, env)
    sinks = _sinks(alerts, env)
    permitted = validation.repairs(setting("repairs", repairs, env).value)
    store = open_store(store, env)
    settings = Settings(
        live=live,
        repairs=permitted,
        wait_s=wait_s,
        checks=checks,
        limits=limits,
        prices=prices,
        alerts=sinks,
        thresholds=thresholds,
    )
    return Desk(broker, store, clock or SystemClock(), settings)


def _sinks(alerts: Sequence[Sink] | None, env: Mapping[str, str]) -> tuple[Sink, ...]:
    if alerts is not None:
        return validation.sinks(alerts)
    urls = setting("alert_urls", None, env).value or ""
    return tuple(webhook(url) for url in urls.replace(",", " ").split())


P = ParamSpec("P")


def _in_asyncio(opens: Callable[P, Desk]) -> Callable[P, AsyncDesk]:
    def open_async(*args: P.args, **kwargs: P.kwargs) -> AsyncDesk:
        """`open` for asyncio: the same desk, whose methods are awaited; use ``async with``."""
        return AsyncDesk(opens(*args, **kwargs))

    # Its parameters and what it raises are those of `open`.
    open_async.__signature__ = inspect.signature(opens).replace(  # type: ignore[attr-defined]
        return_annotation="AsyncDesk"
    )
    return open_async


open_async = _in_asyncio(open)


def read(store: str | Store | None = None, *, env: Mapping[str, str] | None = None) -> Book:
    """The book of a store: all reading, without a broker and without keys."""
    return Book(open_store(store, os.environ if env is None else env))


def check(
    broker: str | Broker | None = None,
    ours: Mapping[str, Decimal | int | str | float] | None = None,
    *,
    env: Mapping[str, str] | None = None,
) -> m.CheckReport:
    """
    Compare what the bot believes with the broker: no store, no thread, nothing written.

    *ours* maps a symbol to a signed quantity in base units; a symbol that is left out is
    believed flat.  What could not be read makes the verdict NOT_OBSERVED.
    """
    believed = validation.beliefs(ours or {})
    broker = open_broker(broker, os.environ if env is None else env)
    clock = SystemClock()
    line = Gateway(broker, MemoryStore(), clock, live=False)
    at = m.timestamp(clock.now())
    account = line.read("account", broker.account)
    if isinstance(account, m.Observed) and broker.capabilities.instruments:
        line.pages("instruments", lambda page: broker.instruments(m.AssetClass.CRYPTO, page))
    positions = line.pages("positions", broker.positions)
    for answer in (account, positions):
        if isinstance(answer, m.NotObserved):
            return m.CheckReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                unobserved=answer.message,
                requests=line.requests,
            )
    assert isinstance(account, m.Observed)
    assert isinstance(positions, m.Observed)
    rows = rows_of((), positions.value, believed, None)
    findings = tuple(_believed(row) for row in rows if row.bot != row.theirs)
    return m.CheckReport(
        verdict=m.Verdict.DRIFT if findings else m.Verdict.IN_SYNC,
        at=at,
        account=account.value.account,
        rows=rows,
        findings=findings,
        requests=line.requests,
    )


def _believed(row: m.Row) -> m.Finding:
    """What differs between the bot's belief and the broker."""
    bot, theirs = row.bot or m.ZERO, row.theirs or m.ZERO
    drift: m.Drift
    if not theirs:
        drift = m.Phantom(row.symbol, bot)
    elif not bot:
        drift = m.Untracked(row.symbol, theirs)
    else:
        drift = m.WrongQty(row.symbol, bot, theirs)
    return m.Finding(drift, m.Confidence.SETTLING, "one look; the bot's belief is not a record")


# -- names -----------------------------------------------------------------------------


def open_broker(broker: str | Broker | None, env: Mapping[str, str]) -> Broker:
    """The broker behind an address. Raises: BadAddress, CredentialsMissing, ExtraMissing."""
    if broker is None:
        broker = setting("broker", None, env).value
        if broker is None:
            raise BadAddress(
                "no broker: give an address such as alpaca:paper or sim:?seed=7, or "
                "set FILLBOOK_BROKER"
            )
    if not isinstance(broker, str):
        return broker
    name, colon, rest = broker.partition(":")
    if not colon:
        raise BadAddress(f"{broker!r} is no broker's address; write it like alpaca:paper")
    opened = _plugin("fillbook.brokers", name, broker)
    made: Broker = opened.from_address(rest, env)
    return made


def open_store(store: str | Store | None, env: Mapping[str, str]) -> Store:
    """The store behind an address. Raises: BadAddress, StoreError."""
    if store is None:
        store = setting("store", None, env).value or ""
    if not isinstance(store, str):
        return store
    name, colon, _ = store.partition("://")
    if not colon:
        raise BadAddress(f"{store!r} is no store's address; write it like sqlite:///bot.db")
    opened = _plugin("fillbook.stores", name, store)
    made: Store = opened.from_address(store, env)
    return made


def _plugin(group: str, name: str, address: str) -> Any:
    """What the one entry point of that name loads."""
    found: dict[str, EntryPoint] = {x.value: x for x in entry_points(group=group, name=name)}
    if len(found) == 1:
        return next(iter(found.values())).load()
    if found:
        who = " and ".join(sorted(found))
        raise BadAddress(f"{address!r}: two packages call themselves {name!r}: {who}")
    known = ", ".join(sorted({x.name for x in entry_points(group=group)}))
    raise BadAddress(f"{address!r}: nothing installed is called {name!r}; there are {known}")
