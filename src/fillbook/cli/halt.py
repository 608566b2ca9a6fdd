"""`fillbook halt`: set the kill switch and cancel open orders, with or without a record."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from attrs import evolve, frozen
from cyclopts import Parameter

from fillbook import config, errors, opening
from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.broker import Broker
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    StoreOption,
    existing_store,
    has_store,
    open_desk,
)
from fillbook.clock import Clock, SystemClock
from fillbook.core.orders import protective
from fillbook.core.orders.protective import Resting
from fillbook.desk import Desk

#: How long to wait for the ends of the orders: they may need the requests of more than a minute.
WAIT_S: Final = 90.0
#: The time between two cancels of one order by the broker's list.
REPEAT_S: Final = 5.0
_NO_RECORD: Final = "There is no record, so no kill switch is set: bots can still place orders."
_RESUME: Final = "`fillbook halt --resume` clears the kill switch."


@frozen
class Halted:
    """The result of a halt, by broker ids; `unread`: why the list is incomplete, or None."""

    switch: bool  #: the kill switch of the record is set
    canceled: tuple[str, ...]
    left: tuple[str, ...]  #: exits that protect a position
    open: tuple[str, ...]  #: orders to cancel that are still open
    unprotected: tuple[str, ...]  #: held symbols of which an exit is canceled
    client_order_ids: dict[str, str]  #: of these orders, by broker id, where they are reported
    unread: str | None
    unset: str | None = None  #: why the kill switch of the record is not set

    @property
    def is_done(self) -> bool:
        """Whether the switch is set, and every order to cancel is final by the broker's list."""
        return not self.open and self.unread is None and self.unset is None


def halt(
    why: Annotated[
        str,
        Parameter(help="The reason that denied orders report until `fillbook halt --resume`."),
    ] = "fillbook halt",
    /,
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    resume: Annotated[bool, Parameter(help="Clear the kill switch; sends nothing.")] = False,
    exits: Annotated[bool, Parameter(help="Also cancel exits that protect positions.")] = False,
    live: LiveOption = False,
    dry_run: Annotated[bool, Parameter(help="Only list what would be canceled.")] = False,
    json: JsonOption = False,
) -> int:
    """
    Set the kill switch: deny new orders of all desks on the record, and cancel open orders.

    Exits that protect a position stay open and are listed, unless --exits; then the positions
    without an exit are listed. Without a record, the open orders are canceled, and a message
    reports that no kill switch is set; likewise if the record cannot be used. Waits up to 90
    seconds. Exits with 1 if the kill switch of the record is not set, an order to cancel is still
    open, or the broker's list of open orders cannot be read.
    """
    opened = opening.open_broker(broker, os.environ)
    if opened.live and not (live or resume or dry_run):
        raise errors.TradingDisabled(f"{opened.host} is a live account: orders move real money")
    address = existing_store(store) if has_store(store) else None
    if resume:
        with open_desk(opened, existing_store(store), live=live) as desk:
            desk.resume()
        return _print_resumed(json=json)
    if dry_run:
        return _print(_plan(opened, address, exits=exits), dry_run=True, json=json)
    unset = None
    if address is not None:
        try:
            return _print(_halt(opened, address, live=live, why=why, exits=exits), json=json)
        except errors.StoreError as error:  # the orders are canceled anyway
            unset = str(error)
            output.err.print(f"{unset}\nThe orders are canceled without the record.")
    done = _halt(opened, None, live=live, why=why, exits=exits)
    return _print(evolve(done, unset=unset), json=json)


def _halt(broker: Broker, address: str | None, *, live: bool, why: str, exits: bool) -> Halted:
    """Set the switch of a record (None: there is none), and cancel.  Raises: StoreError."""
    clock, store = SystemClock(), address or "memory://"
    repairs, alerts = str(m.RepairMode.OBSERVE), _sinks()
    with open_desk(broker, store, live=live, repairs=repairs, wait_s=WAIT_S, alerts=alerts) as desk:
        if address is not None:
            desk.halt(why)
        before, _ = _open_orders(broker)
        held = _held(desk, broker)
        try:
            _cancel_by_record(desk, broker, held, exits=exits)
        except (errors.AccountChanged, errors.ReadFailed, errors.StoreError) as error:
            output.err.print(f"{error}\nThe orders are canceled one by one, by the broker's list.")
            _cancel_by_list(broker, clock, held, exits=exits)
        after, unread = _open_orders(broker)
    return _outcome(before, after, held, unread, exits=exits, switch=address is not None)


def _sinks() -> Sequence[Sink] | None:
    """Return no sinks if the settings file is wrong, which stops no halt; None: as it says."""
    try:
        config.setting("alert_urls", None, os.environ)
    except errors.BadAddress as error:
        output.err.print(f"{error}\nNo alert is passed on to a sink.", markup=False, soft_wrap=True)
        return ()
    return None


def _plan(broker: Broker, address: str | None, *, exits: bool) -> Halted:
    """Return what a halt would cancel; send and write nothing."""
    try:
        with opening.open(broker, address or "memory://") as desk:
            held = _held(desk, broker)
    except errors.StoreError as error:
        output.err.print(str(error))
        held = _held(None, broker)
    before, unread = _open_orders(broker)
    to_cancel = {x.id for x in _to_cancel(before, held, exits=exits)}
    left = [x for x in before if x.id not in to_cancel]
    canceled = [x for x in before if x.id in to_cancel]
    return _halted(canceled, left, [], held, unread, exits=exits, switch=False)


# -- what the broker reports ---------------------------------------------------------------


def _open_orders(broker: Broker) -> tuple[list[Resting], str | None]:
    """Return every open order and leg; and why the list is incomplete (None: it is complete)."""
    found: list[Resting] = []
    page: m.Cursor | None = None
    while True:
        try:
            answer = broker.orders(m.OrderQuery(), page)
        except Exception as error:  # a bug in an adapter must not end a halt
            return found, f"{type(error).__name__}: {error}"
        if isinstance(answer, m.NotObserved):
            return found, answer.message
        for report in answer.value:
            pair = broker.pair(report.terms.symbol)
            found += _with_legs(report, None, None if pair is None else pair.holding)
        if answer.next is None or answer.next == page:
            return [x for x in found if x.leaves is None or x.leaves > 0], None
        page = answer.next


def _with_legs(report: m.OrderReport, parent: str | None, holding: str | None) -> list[Resting]:
    """Return an order and its legs; the legs of a final order may still be open."""
    ended = report.status in m.ENDINGS | {m.OrderStatus.FILLED, m.OrderStatus.REPLACED}
    resting = [] if ended else [protective.of_report(report, parent, holding)]
    group = parent or report.broker_order_id
    return resting + [x for leg in report.legs for x in _with_legs(leg, group, holding)]


def _held(desk: Desk | None, broker: Broker) -> Mapping[str, Decimal]:
    """Return the held quantities at the broker; if it does not reply, of the record if any."""
    held: dict[str, Decimal] = {}
    page: m.Cursor | None = None
    while True:
        try:
            answer = broker.positions(page)
        except Exception:  # a bug in an adapter must not end a halt
            answer = m.NotObserved(m.Failure.BUG, "")
        if isinstance(answer, m.NotObserved):
            return {} if desk is None else {x.symbol: x.qty for x in desk.book.positions()}
        held |= {x.symbol: x.qty for x in answer.value}
        if answer.next is None or answer.next == page:
            return held
        page = answer.next


# -- canceling -----------------------------------------------------------------------------


def _cancel_by_record(
    desk: Desk, broker: Broker, held: Mapping[str, Decimal], *, exits: bool
) -> None:
    """
    Cancel through the record; again while the broker lists open orders that it did not cancel.

    Raises: AccountChanged, ReadFailed, StoreError.
    """
    tried: set[str] = set()
    while True:
        desk.cancel_all(exits=exits)
        canceled = [x for x in desk.book.orders(open=True) if x.pending == m.Command.CANCEL]
        tried |= {i for order in canceled for i in desk.book.record(order).ids}
        resting, _ = _open_orders(broker)
        missed = {x.id for x in _to_cancel(resting, held, exits=exits)} - tried
        if not missed:
            return
        tried |= missed


def _cancel_by_list(
    broker: Broker, clock: Clock, held: Mapping[str, Decimal], *, exits: bool
) -> None:
    """Cancel what the broker lists, again and again until it lists nothing; at most `WAIT_S`."""
    end = clock.elapsed() + timedelta(seconds=WAIT_S)
    while True:
        resting, unread = _open_orders(broker)
        todo = _to_cancel(resting, held, exits=exits)
        for x in todo:
            try:
                broker.cancel(x.id)
            except Exception as escaped:  # the other orders are canceled anyway
                output.err.print(f"{x.id}: {type(escaped).__name__}: {escaped}")
        if (not todo and unread is None) or clock.elapsed() >= end:
            return
        clock.wait(threading.Event(), REPEAT_S)


def _to_cancel(
    resting: Sequence[Resting], held: Mapping[str, Decimal], *, exits: bool
) -> list[Resting]:
    left = frozenset[str]() if exits else protective.protective_ids(resting, held)
    return [x for x in resting if x.id not in left]


def _outcome(
    before: list[Resting],
    after: list[Resting],
    held: Mapping[str, Decimal],
    unread: str | None,
    *,
    exits: bool,
    switch: bool,
) -> Halted:
    """Return the result for each order, from the broker's lists before and after."""
    open_ids = {x.id for x in after}
    to_cancel = {x.id for x in _to_cancel(after, held, exits=exits)}
    canceled = [x for x in before if x.id not in open_ids]
    left = [x for x in after if x.id not in to_cancel]
    still_open = [x for x in after if x.id in to_cancel]
    return _halted(canceled, left, still_open, held, unread, exits=exits, switch=switch)


def _halted(
    canceled: list[Resting],
    left: list[Resting],
    still_open: list[Resting],
    held: Mapping[str, Decimal],
    unread: str | None,
    *,
    exits: bool,
    switch: bool,
) -> Halted:
    protected = protective.protective_ids([*canceled, *still_open, *left], held)
    ended = [x for x in canceled if x.id in protected] if exits else []
    return Halted(
        switch=switch,
        canceled=tuple(x.id for x in canceled),
        left=tuple(x.id for x in left),
        open=tuple(x.id for x in still_open),
        unprotected=tuple(sorted({x.symbol for x in ended})),
        client_order_ids={x.id: x.name for x in (*canceled, *left, *still_open) if x.name},
        unread=unread,
    )


# -- output --------------------------------------------------------------------------------


def _print_resumed(*, json: bool) -> int:
    if json:
        output.as_json({"resumed": True})
    else:
        output.out.print("The kill switch is cleared: new orders can be sent.")
    return 0


def _print(found: Halted, *, dry_run: bool = False, json: bool) -> int:
    if json:
        output.as_json(found)
        return 0 if found.is_done else 1
    say = output.out.print
    if found.unset is not None:
        say("[red]The kill switch is not set[/]: the record cannot be used.")
    elif not dry_run:
        say("The kill switch is set: no new order is sent." if found.switch else _NO_RECORD)
    done = "would be canceled" if dry_run else "canceled"
    _print_ids(f"{output.counted(len(found.canceled), 'order')} {done}", found.canceled, found)
    if found.left:
        head = f"Exits that protect positions stay open (--exits cancels them): {len(found.left)}"
        _print_ids(head, found.left, found)
    if found.unprotected:
        symbols = output.cell(", ".join(found.unprotected))
        verb = "would have" if dry_run else "have"
        say(f"[red]Positions that {verb} no exit[/]: {symbols}")
    if found.open:
        _print_ids(
            f"[red]{output.counted(len(found.open), 'order')} still open[/]", found.open, found
        )
    if found.unread is not None:
        say(f"[red]The open orders could not be listed[/]: {output.cell(found.unread)}")
    if not dry_run and not found.is_done:
        say("Run `fillbook halt` again, or cancel the open orders at the broker.")
    if found.switch:
        say(_RESUME)
    return 0 if found.is_done else 1


def _print_ids(head: str, ids: Sequence[str], found: Halted) -> None:
    """Print one line per order: its client order id, and the broker's."""
    output.out.print(f"{head}{':' if ids else '.'}")
    for broker_order_id in ids:
        name = found.client_order_ids.get(broker_order_id)
        shown = broker_order_id if name is None else f"{name}  {broker_order_id}"
        output.out.print(f"  {output.cell(shown)}", soft_wrap=True)
