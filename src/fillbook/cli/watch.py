"""
`fillbook watch`: show the record as it changes.

It reads the store only, so it can run beside any number of bots.  With ``--tick`` it opens a
desk of its own, which reconciles the record meanwhile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Final

from attrs import evolve, frozen
from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from fillbook import model as m
from fillbook import opening
from fillbook.cli import output
from fillbook.cli.options import BrokerOption, JsonOption, StoreOption, existing_store, open_desk
from fillbook.cli.plans.show import purpose
from fillbook.cli.record.positions_table import cover_of, cover_text, not_covered
from fillbook.clock import Clock, SystemClock
from fillbook.core.rate_limit import Pace
from fillbook.desk.record.book import Book
from fillbook.desk.record.cells.request_budget import pace_of
from fillbook.desk.record.kill_switch import halt_reason
from fillbook.model.journal.describe import describe_drift
from fillbook.model.text.ids import short_id
from fillbook.store import Store

EVERY_S: Final = 1.0
#: The lines of a table besides its rows.
FRAME: Final = 5
ALERTS_MAX: Final = 5
#: At the start, alerts are searched in so many of the newest entries.
ENTRIES_SEARCHED: Final = 1_000


@frozen(kw_only=True)
class WatchedState:
    """The content of the screen at one time."""

    at: m.Timestamp
    account: str | None
    currency: str | None  #: that of the account; None: not known
    halted: str | None  #: the reason of the kill switch; None: it is not set
    orders: Sequence[m.Order]
    positions: Sequence[m.Position]
    protections: Sequence[m.Protection]
    held_as: Sequence[str]  #: the position of each protection
    plans: Sequence[m.Plan]  #: those that have not ended
    reservations: Sequence[m.Reservation]
    drifts: Sequence[m.OpenDrift]
    requests: Pace | None  #: None: no request was sent yet
    alerts: Sequence[m.Event]  #: the newest, oldest first

    def differs(self, other: WatchedState | None) -> bool:
        """Return whether it differs from *other*, except in time and requests."""
        return other is None or evolve(self, at=other.at, requests=other.requests) != other


class Watcher:
    """Reads the state of one store again and again."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._book = Book(store, clock=clock)
        self._clock = clock
        with store.read() as reader:
            self._cursor = f"{max(0, reader.last() - ENTRIES_SEARCHED):012d}"
        self._alerts: list[m.Event] = []

    def read(self) -> WatchedState:
        """Return the present state of the record."""
        for event in self._book.events(self._cursor):
            self._cursor = event.cursor
            if event.kind is m.EventKind.ALERT:
                self._alerts = [*self._alerts, event][-ALERTS_MAX:]
        account = self._book.account()
        with self._store.read() as reader:
            why, bound = halt_reason(reader), reader.get(m.Binding, "account")
        cover = cover_of(self._book)
        return WatchedState(
            at=m.timestamp(self._clock.now()),
            account=None if account is None else str(account),
            currency=None if bound is None else bound.currency or None,
            halted=why,
            orders=self._book.orders(open=True),
            positions=self._book.positions(),
            protections=[x for _, x in cover],
            held_as=[symbol for symbol, _ in cover],
            plans=self._book.plans(),
            reservations=self._book.reservations(),
            drifts=self._book.drifts(),
            requests=pace_of(self._store, self._clock),
            alerts=tuple(self._alerts),
        )


def watch(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    tick: Annotated[
        bool,
        Parameter(
            help="Also reconcile the record, if no bot does: receive events, poll, sync. "
            "Needs the broker and its keys."
        ),
    ] = False,
    once: Annotated[bool, Parameter(help="Print the state once, and exit.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Show open orders, positions, reservations, requests and alerts, until Ctrl-C.

    Reads only the record, once a second: no keys, no network, unless --tick is given. With
    --json, or if standard output is not a terminal, each change is one line of JSON.
    """
    with ExitStack() as ended:
        if tick:
            desk = ended.enter_context(open_desk(broker, store))
            desk.sync() if once else desk.start()
        opened = opening.open_store(existing_store(store), os.environ)
        ended.callback(opened.close)
        watcher = Watcher(opened, SystemClock())
        try:
            if once:
                state = watcher.read()
                output.as_json(state) if json else output.out.print(render(state))
            elif json or not output.out.is_terminal:
                _lines(watcher)
            else:
                _live(watcher)
        except KeyboardInterrupt:
            output.err.print("stopped")


def _lines(watcher: Watcher) -> None:
    """Print one line per state that differs from the one before."""
    before = None
    for state in _states(watcher):
        if state.differs(before):
            output.as_json(state)
            before = state


def _live(watcher: Watcher) -> None:
    with Live(console=output.out, auto_refresh=False, screen=True) as live:
        for state in _states(watcher):
            live.update(render(state, output.out.height), refresh=True)


def _states(watcher: Watcher) -> Iterator[WatchedState]:
    pause = threading.Event()
    while True:
        yield watcher.read()
        pause.wait(EVERY_S)


# -- rendering -------------------------------------------------------------------------


def render(state: WatchedState, height: int | None = None) -> RenderableType:
    """Render the state for a terminal; with *height*, tables show the number of omitted rows."""
    above = list(_lines_above(state))
    rows = None if height is None else max(1, (height - 2 * len(above)) // 2 - FRAME)
    return Group(*above, _orders(state, rows), _positions(state, rows))


def _lines_above(state: WatchedState) -> Iterator[RenderableType]:
    reserved = ", ".join(_reserved(state)) or "0"
    pace = state.requests
    asked = "0" if pace is None else f"{pace.sent} of {pace.limit}"
    yield Text(state.account or "not bound to an account yet")
    yield Text(
        f"{state.at[11:19]} UTC   reserved {reserved}   requests in the last minute: {asked}"
    )
    if state.halted is not None:
        yield Text.assemble(("halted ", "red"), f"{state.halted} (fillbook halt --resume)")
    for each in state.drifts:
        yield Text.assemble(("drift ", "yellow"), ": ".join(describe_drift(each.drift)))
    for line in not_covered(state.protections):
        yield Text.from_markup(line)
    for plan in state.plans:
        yield Text.assemble((f"plan {plan.state} ", "yellow"), f"{plan.plan_id}: {purpose(plan)}")
    for event in state.alerts:
        assert event.alert is not None  # every event of this kind has one
        what = (f"alert {event.alert.kind} ", "green" if event.alert.resolved else "red")
        yield Text.assemble(what, f"{output.day(event.at)}: {event.alert.message}")


def _reserved(state: WatchedState) -> Iterator[str]:
    """Yield what is reserved of each currency, and of the units of each position."""
    sums: dict[tuple[str | None, str | None], m.Reservation] = {}
    for x in state.reservations:
        known = sums.get((x.paid_from, x.currency))
        sums[x.paid_from, x.currency] = (
            x if known is None else evolve(x, charge=known.charge + x.charge)
        )
    yield from (output.charge(x, state.currency) for x in sums.values())


def _orders(state: WatchedState, rows_max: int | None) -> RenderableType:
    reserved = {x.client_order_id: output.charge(x) for x in state.reservations}
    rows = [
        (
            short_id(x.client_order_id),
            f"{x.side} {x.symbol}",
            _filled(x),
            output.status(x),
            x.strategy,
            reserved.get(x.client_order_id),
        )
        for x in state.orders
    ]
    columns = ("order", "symbol", "filled>", "status", "strategy", "reserved>")
    return _table("Open orders", columns, rows, rows_max, state.currency)


def _filled(order: m.Order) -> str:
    if order.notional is not None:
        return f"for {output.money(order.filled_value)} of {output.money(order.notional)}"
    return f"{m.plain(order.filled_qty)} of {output.cell(order.qty)}"


def _positions(state: WatchedState, rows_max: int | None) -> RenderableType:
    cover = list(zip(state.held_as, state.protections, strict=True))
    rows = [
        (
            x.symbol,
            x.qty,
            output.unit_price(x.avg_price, x.account.currency),
            _whose(x),
            cover_text(x, cover),
        )
        for x in state.positions
    ]
    columns = ("symbol", "qty>", "avg price>", "by strategy", "exits")
    return _table("Positions", columns, rows, rows_max, state.currency)


def _whose(position: m.Position) -> str:
    legs = [(name or "no strategy", leg.qty) for name, leg in position.by_strategy if leg.qty]
    return ", ".join(f"{name} {m.plain(qty)}" for name, qty in legs)


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    rows_max: int | None,
    currency: str | None,
) -> RenderableType:
    if rows_max is not None and len(rows) > rows_max:
        title, rows = f"{title} (and {len(rows) - rows_max} more)", rows[:rows_max]
    return output.make_table(title, columns, rows, currency)
