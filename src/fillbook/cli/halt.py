"""`fillbook halt`: no new order, and the end of every open one; works without a record too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from fillbook import errors, opening
from fillbook import model as m
from fillbook.broker import Broker
from fillbook.cli import output
from fillbook.cli.options import BrokerOption, JsonOption, LiveOption, StoreOption, has_store
from fillbook.desk import Desk

_NO_RECORD = "there is no record: nothing is written down, and nothing keeps bots from ordering"


def halt(
    why: Annotated[
        str, Parameter(help="Told by every order that is denied until `fillbook halt --resume`.")
    ] = "fillbook halt",
    /,
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    resume: Annotated[bool, Parameter(help="Let orders go again; asks no broker.")] = False,
    live: LiveOption = False,
    dry_run: Annotated[bool, Parameter(help="Only list what would be canceled.")] = False,
    json: JsonOption = False,
) -> int:
    """
    Deny every new order of every desk on the record, and cancel every open order at the broker.

    Without a record it cancels all the same, and says so. Exits with 1 if an order was not
    canceled, and names it.
    """
    there = has_store(store)
    opened = opening.open_broker(broker, os.environ)
    if opened.live and not (live or resume or dry_run):
        raise errors.TradingDisabled(f"{opened.host} moves real money")
    # The account is not asked for first: a halt is for the day on which much is wrong.
    with opening.open(opened, store if there else "memory://", live=live, wait_s=0) as desk:
        if resume:
            desk.resume()
            return _tell(["resumed"], [], json=json)
        if there and not dry_run:
            desk.halt(why)
        open_orders = _open_orders(opened)
        if dry_run:
            return _tell(["would be canceled"], [(x, None) for x in open_orders], json=json)
        ended = [(x, _cancel(desk, opened, x)) for x in open_orders]
    return _tell(["halted" if there else _NO_RECORD], ended, json=json)


def _open_orders(broker: Broker) -> list[m.OrderReport]:
    """Every open order at the broker. Raises: NotObserved."""
    found: list[m.OrderReport] = []
    page: m.Cursor | None = None
    while True:
        answer = broker.orders(m.OrderQuery(), page)
        if isinstance(answer, m.NotObserved):
            raise errors.ReadFailed(f"the open orders could not be listed: {answer.message}")
        found += answer.value
        if answer.next is None or answer.next == page:
            return found
        page = answer.next


def _cancel(desk: Desk, broker: Broker, report: m.OrderReport) -> str | None:
    """Cancel one order, by the record if that has it; why it was not asked for, or None."""
    try:
        desk.book.record(report.broker_order_id)
        desk.cancel(report.broker_order_id)
    except errors.UnknownOrder:
        outcome = broker.cancel(report.broker_order_id)
        return None if isinstance(outcome, m.Accepted) else outcome.message
    except errors.FillbookError as error:
        return str(error)
    return None


def _tell(
    words: Sequence[str], ended: Sequence[tuple[m.OrderReport, str | None]], *, json: bool
) -> int:
    failed = [x for x in ended if x[1] is not None]
    if json:
        rows = [{"order": x.broker_order_id, "failed": why} for x, why in ended]
        output.as_json({"said": words[0], "orders": rows})
    else:
        output.out.print(words[0])
        for report, why in ended:
            terms = report.terms
            shown = f"{terms.side} {terms.symbol} {report.broker_order_id}"
            output.out.print(f"  {shown}" + ("" if why is None else f": not canceled, {why}"))
    return 1 if failed else 0
