"""
Open a desk from addresses: the only module that chooses a broker and a store.

The address of a broker is ``name:rest`` (``alpaca:paper``, ``sim:?seed=7``); the address of
a store is a URL (``sqlite:///bot.db``, ``memory://``).  Names are entry points of the groups
`fillbook.brokers` and `fillbook.stores`, so that another package can add one.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec

from fillbook import model as m
from fillbook.alerts import Sink, sink
from fillbook.broker import Broker
from fillbook.clock import AHEAD_VARIABLE, Clock, SystemClock, configured_ahead
from fillbook.config import setting
from fillbook.core.checks import Check
from fillbook.core.reconcile.position_rows import expected_findings, rows_of
from fillbook.desk import Desk, validation
from fillbook.desk.aio import AsyncDesk
from fillbook.desk.link.binding import require_credentials
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.record.book import Book
from fillbook.desk.record.settings import Prices, Settings
from fillbook.errors import BadAddress, InvalidValue
from fillbook.model.account.snapshot import is_loopback
from fillbook.model.text.arguments import named
from fillbook.store import Store
from fillbook.stores.memory import MemoryStore

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints


@named
def open(  # noqa: A001 - the usual term
    broker: str | Broker | None = None,
    store: str | Store | None = None,
    *,
    live: bool = False,
    repairs: str | Mapping[str, object] | m.RepairPolicy | None = None,
    clock: Clock | None = None,
    wait_s: float = 5.0,
    checks: Sequence[Check] | None = None,
    exits: m.ExitPolicy | None = None,
    limits: m.Limits | None = None,
    prices: Prices | None = None,
    alerts: Sequence[Sink] | None = None,
    thresholds: m.Thresholds | None = None,
    env: Mapping[str, str] | None = None,
) -> Desk:
    """
    Open a desk over a broker and a store, without a request to the broker.

    *broker* and *store* are addresses or instances (None: the setting in the environment or in
    the settings file; the store's default is ``sqlite:///fillbook.db``).  *live* allows orders
    on an account with real money.  *repairs* is what the desk does about what evidence does not
    explain: ``observe`` (the default) reports it, ``approve`` also proposes a repair, ``auto``
    carries out what does not trade; or a mapping by `RepairKind`.  *clock* is the source of time
    (None: `SystemClock`).  *wait_s* (≥ 0 seconds) is how long `submit` and `cancel` wait for an
    order, and a call that makes a plan for its steps.  *checks* run before each order, in this
    order: ``fb.CHECKS + (no_fridays,)`` (None: ``fb.CHECKS``).  *exits* are the exits of every
    position that an order of the desk opens from now on (None: none); those of what is held already
    are proposed.  *limits* bound new risk (None:
    no limits).  *prices* returns the latest quote of a symbol where the broker has no quotes (None:
    no other source).  *alerts* are functions of one `Alert` (None: a sink for each address in
    `FILLBOOK_ALERT_URLS`).  *thresholds* define when an alert is raised (None: the defaults).
    *env* has the credentials and settings (None: the environment of the process).

    Raises: BadAddress, CredentialsMissing, ExtraMissing, InvalidValue, StoreTooNew,
    StoreDamaged, StoreUnavailable.
    """
    wait_s, checks = validation.seconds("wait_s", wait_s), validation.checks(checks)
    limits, prices = validation.limits(limits), validation.prices(prices)
    thresholds = validation.thresholds(thresholds)
    env = os.environ if env is None else env
    broker = open_broker(broker, env)
    sinks = _sinks(alerts, env)
    if repairs is None or isinstance(repairs, str):
        repairs = setting("repairs", repairs, env).value
    permitted = validation.repairs(repairs)
    opened = open_store(store, env)
    settings = Settings(
        live=live,
        repairs=permitted,
        wait_s=wait_s,
        checks=checks,
        exits=validation.exit_policy(exits),
        limits=limits,
        prices=prices,
        alerts=sinks,
        thresholds=thresholds,
    )
    try:
        return Desk(broker, opened, clock or SystemClock(), settings)
    except BaseException:
        if opened is not store:
            opened.close()
        raise


def _sinks(alerts: Sequence[Sink] | None, env: Mapping[str, str]) -> tuple[Sink, ...]:
    if alerts is not None:
        return validation.sinks(alerts)
    urls = setting("alert_urls", None, env).value or ""
    return tuple(sink(address) for address in urls.replace(",", " ").split())


P = ParamSpec("P")


def _async_variant(open_desk: Callable[P, Desk]) -> Callable[P, AsyncDesk]:
    def open_async(*args: P.args, **kwargs: P.kwargs) -> AsyncDesk:
        """Open a desk for asyncio, as `open` does; its methods are awaited (``async with``)."""
        return AsyncDesk(open_desk(*args, **kwargs))

    # It has the parameters and the errors of `open`.
    open_async.__signature__ = inspect.signature(open_desk).replace(  # type: ignore[attr-defined]
        return_annotation="AsyncDesk"
    )
    return open_async


open_async = _async_variant(open)


@named
def read(store: str | Store | None = None, *, env: Mapping[str, str] | None = None) -> Book:
    """
    Open the book of a store: read access to the record, without a broker and credentials.

    *store* and *env* are as in `open`.  Raises: BadAddress, StoreTooNew, StoreDamaged,
    StoreUnavailable.
    """
    return Book(open_store(store, os.environ if env is None else env), clock=SystemClock())


@named
def check(
    broker: str | Broker | None = None,
    ours: Mapping[str, Decimal | int | str | float] | None = None,
    *,
    env: Mapping[str, str] | None = None,
) -> m.CheckReport:
    """
    Compare the positions that the bot expects with the broker's, without a store or a thread.

    *broker* and *env* are as in `open`.  *ours* maps a symbol to a signed quantity in base
    units; a symbol that is left out is expected flat, and {} expects no position at all.  The
    verdict is NOT_OBSERVED if the account or the positions cannot be read.

    Raises: BadAddress, CredentialsMissing, ExtraMissing, InvalidValue.
    """
    if ours is None:
        raise InvalidValue(
            "there is nothing to compare: pass the positions that the bot expects (ours=), such as "
            "{'AAPL': 10}; {} if it expects none"
        )
    validation.quantities(ours)  # an invalid one needs no broker
    broker = open_broker(broker, os.environ if env is None else env)
    clock = SystemClock()
    gateway = Gateway(broker, MemoryStore(), clock, live=False)
    at = m.timestamp(clock.now())
    account = gateway.read("account", broker.account)
    if isinstance(account, m.NotObserved):
        require_credentials(account)
    names: dict[str, str] = {}
    if isinstance(account, m.Observed) and broker.capabilities.instruments:
        listed = gateway.pages(
            "instruments", lambda page: broker.instruments(m.AssetClass.CRYPTO, page)
        )
        coins = listed.value if isinstance(listed, m.Observed) else ()
        names = {name: x.symbol for x in coins for name in x.aliases}
    positions = gateway.pages("positions", broker.positions)
    for answer in (account, positions):
        if isinstance(answer, m.NotObserved):
            return m.CheckReport(
                verdict=m.Verdict.NOT_OBSERVED,
                at=at,
                unobserved=answer.message,
                requests=gateway.requests,
            )
    assert isinstance(account, m.Observed)
    assert isinstance(positions, m.Observed)
    expected = validation.quantities(ours, lambda name: names.get(name, name))
    has_wallets = any(x is not None and x.holding != x.symbol for x in map(gateway.pair, names))

    def is_unknown(symbol: str) -> bool:
        # Where currencies are positions, the list of instruments does not have them.
        can_tell = broker.capabilities.instrument and not has_wallets
        found = gateway.look_up("instrument", lambda: broker.instrument(symbol))
        return can_tell and isinstance(found, m.Absent)

    rows = rows_of((), positions.value, expected, None, is_unknown)
    found = expected_findings(rows)
    return m.CheckReport(
        verdict=m.Verdict.DRIFT if found else m.Verdict.IN_SYNC,
        at=at,
        account=account.value.account,
        rows=rows,
        expected=found,
        requests=gateway.requests,
    )


# -- addresses -------------------------------------------------------------------------


def open_broker(broker: str | Broker | None, env: Mapping[str, str]) -> Broker:
    """Open the broker at an address. Raises: BadAddress, CredentialsMissing, ExtraMissing."""
    if broker is None:
        broker = setting("broker", None, env).value
        if broker is None:
            raise BadAddress(
                "no broker is set: give an address such as alpaca:paper or sim:?seed=7, or "
                "set FILLBOOK_BROKER"
            )
    if not isinstance(broker, str):
        return _in_time(broker)
    name, colon, rest = broker.partition(":")
    if not colon:
        raise BadAddress(f"{broker!r} is not the address of a broker; an example is alpaca:paper")
    factory = _load_entry_point("fillbook.brokers", name, broker)
    return _in_time(factory.from_address(rest, env))


def _in_time(broker: Broker) -> Broker:
    """Return *broker*; only an emulator has another time than this machine. Raises: BadAddress."""
    if configured_ahead() and not is_loopback(broker.host):
        raise BadAddress(
            f"${AHEAD_VARIABLE} is for an emulator on this machine: unset it for {broker.host}"
        )
    return broker


def open_store(store: str | Store | None, env: Mapping[str, str]) -> Store:
    """Open the store at an address. Raises: BadAddress, StoreError."""
    if store is None:
        store = setting("store", None, env).value or ""
    if not isinstance(store, str):
        return store
    name, colon, _ = store.partition("://")
    if not colon:
        raise BadAddress(f"{store!r} is not the address of a store; an example is sqlite:///bot.db")
    factory = _load_entry_point("fillbook.stores", name, store)
    opened: Store = factory.from_address(store, env)
    return opened


@cache
def _entry_points(group: str) -> EntryPoints:
    """Return the entry points of *group*; they are read once, as that takes 10 ms."""
    from importlib.metadata import entry_points  # here, as few processes need it at import

    return entry_points(group=group)


def _load_entry_point(group: str, name: str, address: str) -> Any:
    """Load the entry point *name*. Raises: BadAddress if not one class can be opened by it."""
    installed = _entry_points(group)
    found = {x.value: x for x in installed if x.name == name}
    if len(found) == 1:
        factory = next(iter(found.values())).load()
        if hasattr(factory, "from_address"):
            return factory
        given = "rest" if group == "fillbook.brokers" else "address"
        raise BadAddress(
            f"{address!r}: {factory.__name__} has no class method from_address({given}, env)"
        )
    if found:
        packages = " and ".join(sorted(found))
        raise BadAddress(f"{address!r}: more than one package provides {name!r}: {packages}")
    known = ", ".join(sorted({x.name for x in installed}))
    if name in ("http", "https"):
        raise BadAddress(
            f"{address!r}: an address begins with the name of the broker ({known}), such as "
            f"alpaca:{address}"
        )
    near = get_close_matches(name, sorted({x.name for x in installed}), 1)
    hint = f"did you mean {near[0]}?" if near else f"installed are {known}"
    what = group.rpartition(".")[2].removesuffix("s")
    raise BadAddress(f"{address!r}: unknown {what} {name!r}; {hint}")
