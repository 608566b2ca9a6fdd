"""`fillbook buying-power`: what new orders may cost."""

from __future__ import annotations

from collections.abc import Sequence

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import BrokerOption, JsonOption, StoreOption, has_store, open_desk


def buying_power(
    *, broker: BrokerOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """
    Say what new orders may still cost, and which orders keep what back; reads the account.

    Without a record it is the broker's number alone.
    """
    # The record has what the broker may not count yet; a missing record is not created.
    with open_desk(broker, store if has_store(store) else "memory://") as desk:
        power, reservations = desk.buying_power(), desk.book.reservations()
    if json:
        output.as_json({"buying_power": power, "reservations": reservations})
    else:
        _power(power, reservations)


def _power(power: m.BuyingPower, reservations: Sequence[m.Reservation]) -> None:
    output.table(
        "Buying power",
        ("what", "amount>"),
        (
            ("told by the broker", output.money(power.reported)),
            ("promised to orders that it may not count yet", output.money(power.reserved)),
            ("available for what is bought on margin", output.money(power.available)),
            ("available for the rest", output.money(power.non_marginable)),
        ),
    )
    output.table(
        "Kept back for open orders",
        ("order", "symbol", "amount>", "the broker has shown it (UTC)"),
        (
            (
                output.short(x.client_order_id),
                x.symbol,
                output.money(x.charge),
                output.day(x.grown_at),
            )
            for x in reservations
        ),
    )
    output.out.print(
        f"Read at {output.day(power.read_at)} UTC, and taken to be up to "
        f"{m.plain(power.lag_s)} s behind."
    )
