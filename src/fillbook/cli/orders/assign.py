"""`fillbook assign`: what no strategy of the bot placed, given to a strategy."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter

from fillbook import errors
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    StoreOption,
    existing_store,
    open_desk,
    order_named,
    print_result,
)
from fillbook.cli.record.positions_table import cover_of, print_positions


def assign(
    what: Annotated[
        str,
        Parameter(
            help="An external order (its id, or the beginning of it), the key of a fill, or the "
            "symbol of a position that was held at the first sync."
        ),
    ],
    strategy: Annotated[str | None, Parameter(help="The strategy that it belongs to.")] = None,
    /,
    *,
    no_strategy: Annotated[bool, Parameter(help="It belongs to no strategy again.")] = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """
    Give a position, an order or a fill that no strategy placed to a strategy; sends nothing.

    For a bot that held positions and stops before it had a record: assign the symbol and its
    resting stop, then protect the position. A stop that rests counts as its exit.
    """
    if (strategy is None) is not no_strategy:
        raise errors.InvalidValue("give exactly one of a strategy and --no-strategy")
    with open_desk(broker, existing_store(store)) as desk:
        with suppress(errors.UnknownOrder):  # it is a fill or a symbol
            what = order_named(desk.book, what).client_order_id
        position = desk.assign(what, strategy)
        cover = [x for x in cover_of(desk.book) if x[0] == position.symbol]
        currency = desk.book.status().currency
    print_result(position, lambda x: print_positions([x], cover, currency=currency), json=json)
