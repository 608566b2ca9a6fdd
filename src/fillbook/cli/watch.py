"""
`fillbook watch`: the record as it changes.

It reads the store alone, so it can stand beside any number of bots.  With ``--tick`` it has a
desk of its own that keeps the record true meanwhile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Annotated, Final

from attrs import evolve, frozen
from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from fillbook import model as m
from fillbook import opening
from fillbook.cli import output
from fillbook.cli.describe import drift_words
from fillbook.cli.options import BrokerOption, JsonOption, StoreOption, existing, open_desk
from fillbook.clock import Clock, SystemClock
from fillbook.core.pacing import Pace
from fillbook.desk.link.pacing import pace_of
from fillbook.desk.record.book import Book
from fillbook.desk.record.kill_switch import halted
from fillbook.store import Store

EVERY_S: Final = 1.0
#: What a table takes beside its rows.
FRAME: Final = 5
ALERTS_MAX: Final = 5
#: At the start, alerts are looked for in so many of the newest entries.
LOOK_BACK: Final = 1_000


@frozen(kw_only=True)
class Picture:
    """What is watched, at one moment."""

    at: m.Timestamp
    account: str | None
    halted: str | None  #: why no order is let go; None: orders go
    orders: Sequence[m.Order]
    positions: Sequence[m.Position]
    reservations: Sequence[m.Reservation]
    drifts: Sequence[m.OpenDrift]
    requests: Pace | None  #: None: nobody has asked the broker yet
    alerts: Sequence[m.Event]  #: the newest, oldest first

    def differs(self, other: Picture | None) -> bool:
        """Whether anything but the time and the requests is otherwise than in *other*."""
        return other is None or evolve(self, at=other.at, requests=other.requests) != other


class Watcher:
    """Makes pictures of one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._book = Book(store)
        self._clock = clock
        with store.read() as reader:
            self._cursor = f"{max(0, reader.last() - LOOK_BACK):012d}"
        self._alerts: list[m.Event] = []

    def picture(self) -> Picture:
        """The record as it is now."""
        for event in self._book.events(self._cursor):
            self._cursor = event.cursor
            if event.kind is m.EventKind.ALERT:
                self._alerts = [*self._alerts, event][-ALERTS_MAX:]
        account = self._book.account()
        with self._store.read() as reader:
            why = halted(reader)
        return Picture(
            at=m.timestamp(self._clock.now()),
            account=None if account is None else str(account),
            halted=why,
            orders=self._book.orders(open=True),
            positions=self._book.positions(),
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
            help="Keep the record true meanwhile, in place of a bot that does: listens, polls, "
            "syncs. Needs the broker and its keys."
        ),
    ] = False,
    once: Annotated[bool, Parameter(help="Show it once, and end.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Watch open orders, positions, what is reserved, requests and alerts, until Ctrl-C.

    Reads the record alone, once a second: no keys, no network, unless --tick is given. With
    --json, or where standard output is no terminal, each change is one line of JSON.
    """
    with ExitStack() as ended:
        if tick:
            desk = ended.enter_context(open_desk(broker, store))
            desk.sync() if once else desk.start()
        opened = opening.open_store(existing(store), os.environ)
        ended.callback(opened.close)
        watcher = Watcher(opened, SystemClock())
        try:
            if once:
                one = watcher.picture()
                output.as_json(one) if json else output.out.print(drawn(one))
            elif json or not output.out.is_terminal:
                _lines(watcher)
            else:
                _live(watcher)
        except KeyboardInterrupt:
            output.err.print("stopped")


def _lines(watcher: Watcher) -> None:
    """One line for each picture that differs from the one before."""
    before = None
    for picture in _pictures(watcher):
        if picture.differs(before):
            output.as_json(picture)
            before = picture


def _live(watcher: Watcher) -> None:
    with Live(console=output.out, auto_refresh=False, screen=True) as live:
        for picture in _pictures(watcher):
            live.update(drawn(picture, output.out.height), refresh=True)


def _pictures(watcher: Watcher) -> Iterator[Picture]:
    pause = threading.Event()
    while True:
        yield watcher.picture()
        pause.wait(EVERY_S)


# -- how it looks ----------------------------------------------------------------------


def drawn(picture: Picture, height: int | None = None) -> RenderableType:
    """
    The picture for people.

    Where it has to go into *height* lines, the tables say how many rows they leave out.
    """
    above = list(_lines_above(picture))
    rows = None if height is None else max(1, (height - 2 * len(above)) // 2 - FRAME)
    return Group(*above, _orders(picture, rows), _positions(picture, rows))


def _lines_above(picture: Picture) -> Iterator[RenderableType]:
    reserved = sum((x.charge for x in picture.reservations), Decimal())
    pace = picture.requests
    asked = "none" if pace is None else f"{pace.sent} of {pace.limit}"
    yield Text(picture.account or "bound to no account yet")
    yield Text(
        f"{picture.at[11:19]} UTC   reserved {output.money(reserved)}   "
        f"requests in the last minute: {asked}"
    )
    if picture.halted is not None:
        yield Text.assemble(("halted ", "red"), f"{picture.halted} (fillbook halt --lift)")
    for each in picture.drifts:
        yield Text.assemble(("drift ", "yellow"), ": ".join(drift_words(each.drift)))
    for event in picture.alerts:
        assert event.alert is not None  # so says its kind
        what = (f"alert {event.alert.kind} ", "red")
        yield Text.assemble(what, f"{output.day(event.at)}: {event.alert.message}")


def _orders(picture: Picture, most: int | None) -> RenderableType:
    kept = {x.client_order_id: x.charge for x in picture.reservations}
    rows = [
        (
            f"…{x.client_order_id[-8:]}",
            f"{x.side} {x.symbol}",
            _filled(x),
            output.status(x),
            x.strategy,
            output.money(kept.get(x.client_order_id)),
        )
        for x in picture.orders
    ]
    columns = ("order", "what", "filled>", "status", "strategy", "reserved>")
    return _table("Open orders", columns, rows, most)


def _filled(order: m.Order) -> str:
    if order.notional is not None:
        return f"${output.money(order.filled_value)} of ${output.money(order.notional)}"
    return f"{m.plain(order.filled_qty)} of {output.cell(order.qty)}"


def _positions(picture: Picture, most: int | None) -> RenderableType:
    rows = [(x.symbol, x.qty, output.price(x.avg_price), _whose(x)) for x in picture.positions]
    columns = ("symbol", "qty>", "avg price>", "whose")
    return _table("Positions", columns, rows, most)


def _whose(position: m.Position) -> str:
    legs = [(name or "nobody's", leg.qty) for name, leg in position.by_strategy if leg.qty]
    return ", ".join(f"{name} {m.plain(qty)}" for name, qty in legs)


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], most: int | None
) -> RenderableType:
    if most is None or len(rows) <= most:
        return output.tabled(title, columns, rows)
    return output.tabled(f"{title} (and {len(rows) - most} more)", columns, rows[:most])
