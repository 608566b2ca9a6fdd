"""`fillbook buy` and `sell`: place an order, or preview it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from attrs import frozen
from cyclopts import Group, Parameter

from fillbook import errors
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    LiveOption,
    StoreOption,
    named_options,
    note_new_strategy,
    open_desk,
    print_result,
    store_if_any,
    with_options,
)
from fillbook.model.journal.describe import size_of

_NEW_YORK: Final = ZoneInfo("America/New_York")
_PRICES: Final = Group("Prices", sort_key=2)
_EXITS: Final = Group("Exits", sort_key=3)
#: The options by the field of the request.
_OPTIONS: Final = {
    "qty": "QTY",
    "notional": "--notional",
    "limit_price": "--limit",
    "stop_price": "--stop",
    "trail_price": "--trail",
    "trail_percent": "--trail",
    "take_profit": "--take-profit",
    "stop_loss": "--stop-loss",
    "stop_loss_limit": "--stop-loss-limit",
    "time_in_force": "--tif",
    "order_class": "--oco",
}
#: Those that the reason of a denial names; its other words are plain ones: the notional.
_IN_DENIALS: Final = {name: option for name, option in _OPTIONS.items() if "_" in name}


@frozen(kw_only=True)
class OrderOptions:
    """The options of an order; an omitted one has the default of `OrderRequest`."""

    notional: Annotated[str | None, Parameter(help="Amount in quote currency, instead of QTY.")] = (
        None
    )
    limit: Annotated[str | None, Parameter(group=_PRICES, help="Limit price, per unit.")] = None
    stop: Annotated[
        str | None, Parameter(group=_PRICES, help="Stop price, per unit: triggers the order.")
    ] = None
    trail: Annotated[
        str | None,
        Parameter(group=_PRICES, help="Trailing stop: distance in price (1.50) or percent (2%)."),
    ] = None
    take_profit: Annotated[
        str | None, Parameter(group=_EXITS, help="Limit price of the take-profit exit.")
    ] = None
    stop_loss: Annotated[
        str | None, Parameter(group=_EXITS, help="Stop price of the stop-loss exit.")
    ] = None
    stop_loss_limit: Annotated[
        str | None, Parameter(group=_EXITS, help="Limit price of the stop-loss exit.")
    ] = None
    oco: Annotated[
        bool, Parameter(group=_EXITS, help="Send only the exits, for an existing position.")
    ] = False
    tif: Annotated[
        str | None,
        Parameter(help="Time in force: day, gtc, ioc, fok, opg, cls. Else day; gtc for crypto."),
    ] = None
    extended_hours: Annotated[bool, Parameter(help="Also trade outside the regular session.")] = (
        False
    )
    strategy: Annotated[str | None, Parameter(help="The strategy that the order belongs to.")] = (
        None
    )
    key: Annotated[
        str | None,
        Parameter(help="Idempotency key: the same key again returns the same order."),
    ] = None

    def request(self, symbol: str, side: m.OrderSide, qty: str | None) -> m.OrderRequest:
        """Return the request.  Raises: InvalidValue."""
        if (qty is None) == (self.notional is None):
            raise errors.InvalidValue(
                f"give exactly one of a quantity and an amount: fillbook {side} {symbol} 10, or "
                f"fillbook {side} {symbol} --notional 500"
            )
        with named_options(_OPTIONS):
            return m.OrderRequest(
                symbol=symbol,
                side=side,
                qty=qty,
                notional=self.notional,
                limit_price=self.limit,
                stop_price=self.stop,
                take_profit=self.take_profit,
                stop_loss=self.stop_loss,
                stop_loss_limit=self.stop_loss_limit,
                extended_hours=self.extended_hours,
                strategy=self.strategy,
                **self._given_options(),
            )

    def _given_options(self) -> dict[str, Any]:
        """Return the given options for which an omitted value is not None."""
        trail = "trail_percent" if (self.trail or "").endswith("%") else "trail_price"
        given = {
            trail: None if self.trail is None else self.trail.removesuffix("%"),
            "time_in_force": self.tif,
            "order_class": m.OrderClass.OCO if self.oco else None,
        }
        return {name: value for name, value in given.items() if value is not None}


SymbolName = Annotated[str, Parameter(help="The instrument: AAPL, BTC/USD.")]
Quantity = Annotated[str | None, Parameter(help="Quantity in units; else --notional.")]
OrderOptionsParameter = Annotated[OrderOptions, Parameter(name="*")]
DryRun = Annotated[
    bool, Parameter(help="Only run the checks and show the impact; sends and writes nothing.")
]


def buy(
    symbol: SymbolName,
    qty: Quantity = None,
    /,
    *,
    options: OrderOptionsParameter = OrderOptions(),
    dry_run: DryRun = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Place a buy order: check it, record it, send it, and read its status.

    Exits with 1 if the order was denied or rejected, or if its outcome is unknown (no reply).
    """
    request = options.request(symbol, m.OrderSide.BUY, qty)
    if dry_run:
        return _preview(request, broker, store, json=json)
    return _place(request, options.key, broker, store, live=live, json=json)


def sell(
    symbol: SymbolName,
    qty: Quantity = None,
    /,
    *,
    options: OrderOptionsParameter = OrderOptions(),
    dry_run: DryRun = False,
    broker: BrokerOption = None,
    store: StoreOption = None,
    live: LiveOption = False,
    json: JsonOption = False,
) -> int:
    """
    Place a sell order: check it, record it, send it, and read its status.

    Exits with 1 if the order was denied or rejected, or if its outcome is unknown (no reply).
    """
    request = options.request(symbol, m.OrderSide.SELL, qty)
    if dry_run:
        return _preview(request, broker, store, json=json)
    return _place(request, options.key, broker, store, live=live, json=json)


def _place(
    request: m.OrderRequest,
    key: str | None,
    broker: str | None,
    store: str | None,
    *,
    live: bool,
    json: bool,
) -> int:
    with open_desk(broker, store, live=live) as desk:
        note_new_strategy(desk.book, request.strategy)
        try:
            with named_options(_IN_DENIALS):
                order = desk.submit(request, key)
        except errors.OrderError as refused:
            if json:
                output.as_json(refused.order)
            raise
        waits = not (json or order.is_final or request.extended_hours)
        opens_at = desk.opens_at(request.symbol) if waits else None
    print_result(order, _print_order, json=json)
    if opens_at is not None:
        output.out.print(f"The market is closed: it waits for {_opening(opens_at)}.")
    return 1 if order.status is m.OrderStatus.UNPROVEN else 0


def _opening(at: datetime) -> str:
    """Return the time of an opening, in UTC and at the exchange."""
    return f"{at:%A %Y-%m-%d %H:%M} UTC ({at.astimezone(_NEW_YORK):%H:%M} in New York)"


def _print_order(order: m.Order) -> None:
    terms, say = order.terms, output.out.print
    size = size_of(terms.qty, terms.notional)
    say(f"Order {output.cell(order.client_order_id)}", soft_wrap=True)
    say(f"{terms.side} {size} {terms.symbol}, {terms.type}, {terms.time_in_force}", soft_wrap=True)
    for each in order.adjustments:
        asked, sent = m.plain(each.wished), m.plain(each.sent)
        say(f"  {each.field} {sent} instead of {asked}: {output.cell(each.why)}", soft_wrap=True)
    filled = f", {m.plain(order.filled_qty)}" if order.filled_qty else ""
    at = f" at {output.cell(output.price(order.avg_price))}" if filled else ""
    say(f"{output.status(order)}{filled}{at}", soft_wrap=True)
    if order.status is m.OrderStatus.UNPROVEN:
        say(
            "No reply: the order may be at the broker. "
            "Do not place it again; the next fillbook sync queries it."
        )


# -- preview ---------------------------------------------------------------------------


def _preview(request: m.OrderRequest, broker: str | None, store: str | None, *, json: bool) -> int:
    with open_desk(broker, store_if_any(store)) as desk:
        note_new_strategy(desk.book, request.strategy)
        preview, currency = desk.preview(request), desk.book.status().currency
        waits = not (json or request.extended_hours)
        opens_at = desk.opens_at(request.symbol) if waits else None
    if json:
        output.as_json({"is_approved": preview.is_approved, "preview": preview})
    else:
        _print_preview(preview, currency)
        if preview.is_approved and opens_at is not None:
            output.out.print(f"The market is closed: it would wait for {_opening(opens_at)}.")
    return 0 if preview.is_approved else 1


def _print_preview(preview: m.Preview, currency: str | None) -> None:
    """Print a preview; *currency* is that of the account (None: not known)."""
    passes = {True: output.Markup("[green]yes[/]"), False: output.Markup("[red]no[/]")}
    output.table(
        "Checks",
        ("check", "passed", "reason"),
        ((x.name, passes[x.reason is None], _reason(x.reason)) for x in preview.checks),
    )
    if preview.adjustments:
        output.table(
            "Rounded",
            ("field", "requested>", "sent>", "reason"),
            ((x.field, x.wished, x.sent, x.why) for x in preview.adjustments),
        )
    output.table("Impact, if filled now", ("item", "amount>"), _impact(preview.impact, currency))
    if preview.reason is None:
        output.out.print("[green]It would be sent.[/] Dry run: nothing was sent or written.")
    else:
        output.out.print(f"[red]It would be denied[/]: {output.cell(_reason(preview.reason))}")


def _reason(reason: m.Reason | None) -> str | None:
    return None if reason is None else with_options(str(reason), _IN_DENIALS)


def _impact(impact: m.Impact, currency: str | None) -> list[tuple[str, object]]:
    quote = impact.currency or currency
    return [
        ("price per unit", output.unit_price(impact.price, quote)),
        ("notional", output.amount(impact.notional, quote)),
        ("buying power to reserve", output.amount(impact.reserve, quote)),
        ("available buying power afterwards", output.amount(impact.buying_power, quote)),
        ("position afterwards, in units", impact.position),
        ("exposure afterwards", output.amount(impact.exposure, quote)),
        ("maximum fees", output.amount(impact.fees, quote)),
        ("realized P&L, before fees", output.amount(impact.pnl, quote)),
    ]
