"""`fillbook halt`: set the kill switch and cancel open orders, with or without a record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final

from attrs import frozen
from cyclopts import Parameter

from fillbook import errors, opening
from fillbook import model as m
from fillbook.broker import Broker
from fillbook.cli import output
from fillbook.cli.options import BrokerOption, JsonOption, LiveOption, StoreOption, has_store
from fillbook.core.orders import protective
from fillbook.core.orders.protective import Resting
from fillbook.desk import Desk

#: How long to wait for the ends of the orders: they may need the requests of more than a minute.
WAIT_S: Final = 90.0
_NO_RECORD: Final = "There is no record, so no kill switch is set: bots can still place orders."
_RESUME: Final = "`fillbook halt --resume` clears the kill switch."


@frozen
class Halted:
    """The result of a halt, by broker ids; `unread`: why the list is incomplete, or None."""

    switch: bool  #: the kill switch of the record is set
    canceled: tuple[str, ...]
    left: tuple[str, ...]  #: exits that protect a position
    open: tuple[str, ...]  #: orders to cancel that are still open
    unread: str | None

    @property
    def is_done(self) -> bool:
        """Whether every order to cancel is final, according to the broker's list."""
        return not self.open and self.unread is None


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

    Exits that protect a position stay open and are listed, unless --exits. Without a record, the
    open orders are canceled, and a message reports that no kill switch is set. Waits up to 90
    seconds. Exits with 1 if an order to cancel is still open, or the broker's list of open orders
    cannot be read.
    """
    has_record = has_store(store)
    opened = opening.open_broker(broker, os.environ)
    if opened.live and not (live or resume or dry_run):
        raise errors.TradingDisabled(f"{opened.host} moves real money")
    address = store if has_record else "memory://"
    with opening.open(opened, address, live=live, wait_s=WAIT_S) as desk:
        if resume:
            desk.resume()
            return _print_resumed(json=json)
        if has_record and not dry_run:
            desk.halt(why)
        before, unread = _open_orders(opened)
        held = _held(desk, opened)
        if dry_run:
            return _print(_planned(before, held, unread, exits=exits), dry_run=True, json=json)
        _cancel_all(desk, opened, before, held, exits=exits)
        after, unread = _open_orders(opened)
    return _print(_outcome(before, after, held, unread, exits=exits, switch=has_record), json=json)


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
            found += _with_legs(report, None)
        if answer.next is None or answer.next == page:
            return [x for x in found if x.leaves is None or x.leaves > 0], None
        page = answer.next


def _with_legs(report: m.OrderReport, parent: str | None) -> list[Resting]:
    """Return an order and its legs; the legs of a final order may still be open."""
    ended = report.status in m.ENDINGS | {m.OrderStatus.FILLED, m.OrderStatus.REPLACED}
    resting = [] if ended else [protective.of_report(report, parent)]
    group = parent or report.broker_order_id
    return resting + [x for leg in report.legs for x in _with_legs(leg, group)]


def _held(desk: Desk, broker: Broker) -> Mapping[str, Decimal]:
    """Return the held quantities at the broker; if it does not reply, of the record."""
    held: dict[str, Decimal] = {}
    page: m.Cursor | None = None
    while True:
        try:
            answer = broker.positions(page)
        except Exception:  # a bug in an adapter must not end a halt
            answer = m.NotObserved(m.Failure.BUG, "")
        if isinstance(answer, m.NotObserved):
            return {x.symbol: x.qty for x in desk.book.positions()}
        held |= {x.symbol: x.qty for x in answer.value}
        if answer.next is None or answer.next == page:
            return held
        page = answer.next


# -- canceling -----------------------------------------------------------------------------


def _cancel_all(
    desk: Desk, broker: Broker, before: list[Resting], held: Mapping[str, Decimal], *, exits: bool
) -> None:
    """Cancel by the record; if the account cannot be confirmed, by the broker's list."""
    try:
        desk.cancel_all(exits=exits)
    except errors.FillbookError as error:
        output.err.print(f"{error}\nThe orders are canceled one by one, by the broker's list.")
        for x in _to_cancel(before, held, exits=exits):
            try:
                broker.cancel(x.id)
            except Exception as escaped:  # the other orders are canceled anyway
                output.err.print(f"{x.id}: {type(escaped).__name__}: {escaped}")


def _to_cancel(
    resting: Sequence[Resting], held: Mapping[str, Decimal], *, exits: bool
) -> list[Resting]:
    left = frozenset[str]() if exits else protective.protective_ids(resting, held)
    return [x for x in resting if x.id not in left]


def _planned(
    before: list[Resting], held: Mapping[str, Decimal], unread: str | None, *, exits: bool
) -> Halted:
    to_cancel = {x.id for x in _to_cancel(before, held, exits=exits)}
    return Halted(
        switch=False,
        canceled=tuple(x.id for x in before if x.id in to_cancel),
        left=tuple(x.id for x in before if x.id not in to_cancel),
        open=(),
        unread=unread,
    )


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
    return Halted(
        switch=switch,
        canceled=tuple(x.id for x in before if x.id not in open_ids),
        left=tuple(x.id for x in after if x.id not in to_cancel),
        open=tuple(x.id for x in after if x.id in to_cancel),
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
    if not dry_run:
        say("The kill switch is set: no new order is sent." if found.switch else _NO_RECORD)
    done = "would be canceled" if dry_run else "canceled"
    _print_ids(f"{len(found.canceled)} orders {done}", found.canceled)
    if found.left:
        _print_ids(
            f"{len(found.left)} exits protect positions and stay open (--exits cancels them)",
            found.left,
        )
    if found.open:
        _print_ids(f"[red]{len(found.open)} orders are still open[/]", found.open)
    if found.unread is not None:
        say(f"[red]The open orders could not be listed[/]: {output.cell(found.unread)}")
    if not dry_run and not found.is_done:
        say("Run `fillbook halt` again, or cancel the open orders at the broker.")
    if found.switch:
        say(_RESUME)
    return 0 if found.is_done else 1


def _print_ids(head: str, ids: Sequence[str]) -> None:
    output.out.print(f"{head}{':' if ids else '.'}")
    for broker_order_id in ids:
        output.out.print(f"  {output.cell(broker_order_id)}", soft_wrap=True)
