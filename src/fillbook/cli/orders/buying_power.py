"""`fillbook buying-power`: what new orders may cost."""

from __future__ import annotations

from collections.abc import Sequence

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import BrokerOption, JsonOption, StoreOption, open_desk, store_if_any
from fillbook.model.text.ids import short_id


def buying_power(
    *, broker: BrokerOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """
    Show the buying power available to new orders, and what open orders reserve.

    Reads the account. Without a record, it shows only the broker's number.
    """
    # The record has what the broker may not count yet; a missing record is not created.
    with open_desk(broker, store_if_any(store)) as desk:
        power, reservations = desk.buying_power(), desk.book.reservations()
        amount = output.in_currency("amount>", desk.book.status().currency)
    if json:
        output.as_json({"buying_power": power, "reservations": reservations})
    else:
        _power(power, reservations, amount)


def _power(power: m.BuyingPower, reservations: Sequence[m.Reservation], amount: str) -> None:
    output.table(
        "Buying power",
        ("item", amount),
        (
            ("reported by the broker", output.money(power.reported)),
            ("reserved for orders that it may not include yet", output.money(power.reserved)),
            ("available, marginable", output.money(power.available)),
            ("available, not marginable", output.money(power.non_marginable)),
        ),
    )
    output.table(
        "Reserved for open orders",
        ("order", "symbol", amount, "reported since (UTC)"),
        (
            (
                short_id(x.client_order_id),
                x.symbol,
                output.charge(x),
                output.day(x.grown_at),
            )
            for x in reservations
        ),
    )
    output.out.print(
        f"Read at {output.day(power.read_at)} UTC; assumed lag: up to {m.plain(power.lag_s)} s."
    )
