"""`fillbook check` compares the record with the broker; `fillbook sync` reconciles it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from fillbook import errors, opening
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    StoreOption,
    existing_store,
    has_store,
    open_broker,
    open_desk,
    order_named,
    parse_day,
    parse_positions,
    print_result,
)
from fillbook.cli.orders import order_details
from fillbook.cli.reconcile import printing


def check(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    ours: Annotated[
        tuple[str, ...] | None,
        Parameter(
            consume_multiple=True,
            help="Positions expected by the bot: AAPL=10 BTC/USD=0.5. Needs no record.",
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """
    Compare the record with the broker; writes nothing and sends no order.

    Exits with 0 if in sync, 3 on drift, 1 if the account could not be read, and 2 if there is
    neither a record nor --ours to compare.
    """
    expected, opened = parse_positions(ours), open_broker(broker)
    if expected is not None and not has_store(store):
        report = opening.check(opened, expected)
    else:
        with open_desk(opened, existing_store(store)) as desk:
            report = desk.check(expected)
    print_result(report, printing.check, json=json)
    return output.CODES[report.verdict]


def sync(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    since: Annotated[
        str | None, Parameter(help="Read orders and fills since that day (UTC), like 2026-01-05.")
    ] = None,
    order: Annotated[
        str | None, Parameter(help="Reconcile one order, by its id; prints it before and after.")
    ] = None,
    adopt: Annotated[
        bool, Parameter(help="Adjust the record to the broker where a difference is unexplained.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """
    Reconcile the record with the broker; sends nothing that changes the account.

    The first sync takes the broker's snapshot as the opening balance. Exits like check.
    """
    first = parse_day(since)
    if order is not None:
        if first is not None or adopt:
            raise errors.InvalidValue("--order cannot be combined with --since or --adopt")
        return _sync_order(order, broker, store, json=json)
    with open_desk(broker, store) as desk:
        if not json and desk.book.cash() is None:
            output.err.print("First sync: reading two snapshots of the account, seconds apart…")
        report = desk.sync(first, adopt=adopt)
    print_result(report, printing.sync, json=json)
    return output.CODES[report.verdict]


def _sync_order(order: str, broker: str | None, store: str | None, *, json: bool) -> int:
    """Reconcile one order, and print it before and after."""
    with open_desk(broker, existing_store(store)) as desk:
        before = order_named(desk.book, order)
        report = desk.sync(order=before)
        after = desk.book.order(before)
    if json:
        output.as_json({"before": before, "after": after, "report": report})
    else:
        order_details.sync_result(before, after, report)
    return output.CODES[report.verdict]
