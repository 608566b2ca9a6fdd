"""`fillbook replace` and `cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from attrs import frozen
from cyclopts import Group, Parameter

from fillbook import errors
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    OrderName,
    StoreOption,
    StrategyOption,
    SymbolOption,
    existing_store,
    named_options,
    open_book,
    open_desk,
    order_named,
    print_result,
    unknown_filter,
)
from fillbook.desk import Desk
from fillbook.desk.record.book import Book

_TERMS: Final = Group("New terms", sort_key=2)
#: The options by the field of the change.
_OPTIONS: Final = {
    "qty": "--qty",
    "limit_price": "--limit",
    "stop_price": "--stop",
    "trail": "--trail",
    "time_in_force": "--tif",
}
_WHICH: Final = Group("Instead of ORDERS", sort_key=2)


def replace(
    order: OrderName,
    /,
    *,
    qty: Annotated[
        str | None, Parameter(group=_TERMS, help="Total quantity, filled quantity included.")
    ] = None,
    limit: Annotated[str | None, Parameter(group=_TERMS, help="Limit price.")] = None,
    stop: Annotated[str | None, Parameter(group=_TERMS, help="Stop price.")] = None,
    trail: Annotated[
        str | None,
        Parameter(
            group=_TERMS, help="Trail of a trailing stop: price or percent, as in the order."
        ),
    ] = None,
    tif: Annotated[str | None, Parameter(group=_TERMS, help="Time in force: day, gtc.")] = None,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Replace the terms of an open order, and wait for the result.

    Omitted terms stay unchanged. The order may fill before it is replaced. Exits with 1 if the
    replace was denied or rejected, or if its outcome is unknown.
    """
    with open_desk(broker, existing_store(store), live=live) as desk, named_options(_OPTIONS):
        try:
            changed = desk.replace(
                order_named(desk.book, order),
                qty=qty,
                limit_price=limit,
                stop_price=stop,
                trail=trail,
                time_in_force=tif,
            )
        except errors.OrderError as refused:
            if json:
                output.as_json(refused.order)
            raise
    print_result(changed, lambda x: output.orders([x]), json=json)
    return 0 if changed.pending is None else 1


def cancel(
    *orders: OrderName,
    symbol: Annotated[SymbolOption, Parameter(group=_WHICH)] = None,
    strategy: Annotated[StrategyOption, Parameter(group=_WHICH)] = None,
    all_: Annotated[
        bool, Parameter(name="--all", group=_WHICH, help="All open orders of the record.")
    ] = False,
    exits: Annotated[
        bool, Parameter(help="With --all or a filter: also cancel exits that protect positions.")
    ] = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    dry_run: Annotated[bool, Parameter(help="Only list what would be canceled (offline).")] = False,
    json: JsonOption = False,
) -> int:
    """
    Cancel orders, and wait until they are final.

    An order may fill before it is canceled. Every order is tried. Exits with 1 if an order is not
    final yet, and lists it.
    """
    filtered = symbol is not None or strategy is not None
    if [bool(orders), filtered, all_].count(True) != 1:
        raise errors.InvalidValue("give exactly one of: ORDERS; --symbol and --strategy; --all")
    if dry_run:
        with open_book(store) as book:
            listed = book.orders(open=True, symbol=symbol, strategy=strategy)
            found = _named(book, orders) if orders else listed
            _require_known(book, symbol, strategy)
        print_result(found, _would_cancel, json=json)
        return 0
    with open_desk(broker, existing_store(store), live=live) as desk:
        named = _named(desk.book, orders)  # an unknown id fails before any cancel
        _require_known(desk.book, None, strategy)
        results = (
            [desk.cancel(x) for x in named]
            if orders
            else desk.cancel_all(symbol=symbol, strategy=strategy, exits=exits)
        )
        reasons = [None if x.is_final else _reason(desk, x) for x in results]
    print_result(
        [CancelResult(x, reason) for x, reason in zip(results, reasons, strict=True)],
        _print_results,
        json=json,
    )
    return 0 if all(reason is None for reason in reasons) else 1


@frozen
class CancelResult:
    """An order after its cancel; `failed` None: it is final."""

    order: m.Order
    failed: str | None


def _print_results(found: Sequence[CancelResult]) -> None:
    output.orders([each.order for each in found])
    for order, failed in ((x.order, x.failed) for x in found):
        if failed is not None:
            name = output.cell(order.client_order_id)
            output.out.print(
                f"[yellow]{name} is not final[/]: {output.cell(failed)}", soft_wrap=True
            )


def _would_cancel(found: Sequence[m.Order]) -> None:
    for order in found:
        output.would_cancel(order)


def _require_known(book: Book, symbol: str | None, strategy: str | None) -> None:
    """Check the filters.  Raises: InvalidValue: nothing would be canceled, by a misspelt name."""
    why = unknown_filter(book, symbol, strategy) if symbol or strategy else ""
    if why:
        raise errors.InvalidValue(f"{why} (nothing was canceled)")


def _named(book: Book, orders: tuple[str, ...]) -> list[m.Order]:
    """Return the orders of those ids.  Raises: UnknownOrder."""
    return [order_named(book, name) for name in orders]


def _reason(desk: Desk, order: m.Order) -> str:
    """Return the broker's message to the last cancel of an order."""
    cancels = [x for x in desk.book.requests(order) if x.command is m.Command.CANCEL]
    message = cancels[-1].message if cancels else ""
    return message or f"status {order.status}; the next fillbook sync queries it"
