"""
The output of the commands: tables, or JSON for programs.

Nothing is cut off: a table that is wider than the terminal folds its cells.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from fillbook import codec
from fillbook import model as m
from fillbook.cli.shell.long_table import LongTable
from fillbook.cli.shell.progress import PROGRESS
from fillbook.cli.shell.terminal import CONTROLS, WRITTEN
from fillbook.cli.shell.terminal import err as err
from fillbook.cli.shell.terminal import fail as fail
from fillbook.cli.shell.terminal import out as out
from fillbook.desk.record.export.files import write_csv
from fillbook.desk.record.export.tables import table as export_table
from fillbook.model.journal.describe import describe_entry, size_of
from fillbook.model.text.ids import short_ids

#: The exit codes of a comparison.
CODES: Final = {m.Verdict.IN_SYNC: 0, m.Verdict.NOT_OBSERVED: 1, m.Verdict.DRIFT: 3}


def as_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    PROGRESS.pause()
    WRITTEN.documents += 1
    print(CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", _json(value)))


def as_csv(what: str, values: Iterable[object], currency: str | None) -> None:
    """
    Print the table *what* of *values* as CSV, with exact numbers and a header.

    *currency* is that of the account (None: not known).
    """
    PROGRESS.pause()
    text = io.StringIO()
    write_csv(export_table(what, values, currency), text)
    print(CONTROLS.sub("", text.getvalue().replace("\r\n", "\n")), end="")


def _json(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ",\n ".join(_json(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ",\n ".join(f'"{name}": {_json(one)}' for name, one in value.items()) + "}"
    return codec.to_json(value)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    currency: str | None = None,
) -> None:
    """
    Print a table; columns in ``>`` are right-aligned; these and those in ``!`` fold last.

    *currency* is that of its amounts; None: it has none, or they name it.
    """
    out.print(make_table(title, columns, rows, currency))


def make_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    currency: str | None = None,
) -> RenderableType:
    """Return a table below its title, or one line if it has no rows; *currency* as in `table`."""
    cells = [[cell(x) for x in row] for row in rows]
    if not cells:
        return Text.from_markup(f"[bold]{title}[/]: none")
    amounts = "" if currency is None else f" (amounts in {currency})"
    # A title of the table itself would be folded to the width of the table.
    return Group(Text.from_markup(f"[bold]{title}[/]{amounts}"), LongTable(columns, cells))


def cell(value: object) -> str:
    """Format one cell: exact numbers without trailing zeros, a dash for an unknown value."""
    if value is None or value == "":
        return "–"
    if isinstance(value, Decimal):
        return m.plain(value)
    text = CONTROLS.sub("", str(value))
    return text if isinstance(value, Markup) else escape(text)


class Markup(str):
    """Text that already is rich markup."""


def money(value: Decimal | None) -> str | None:
    """Format an amount with two decimals; None stays None."""
    return None if value is None else f"{value:,.2f}"


def amount(value: Decimal | None, currency: str | None) -> str | None:
    """Format an amount with its currency: ``1,250.00 USD``; None stays None."""
    return _with(money(value), currency)


def unit_price(value: Decimal | None, currency: str | None) -> str | None:
    """Format a rounded price per unit with its currency; None stays None."""
    return _with(None if value is None else cell(price(value)), currency)


def _with(text: str | None, currency: str | None) -> str | None:
    return text if text is None or currency is None else f"{text} {currency}"


def charge(reservation: m.Reservation, currency: str | None = None) -> str:
    """Format what an order reserves; *currency* is that of the account, if it is to be named."""
    if reservation.paid_from is not None:
        return f"{m.plain(reservation.charge)} {reservation.paid_from}"
    return f"{amount(reservation.charge, reservation.currency or currency)}"


def in_currency(name: str, currency: str | None) -> str:
    """Return the name of a column or table of amounts, with their currency if it is known."""
    bare = name.rstrip(">")
    return name if currency is None else f"{bare}, {currency}{name[len(bare) :]}"


def day(at: m.Timestamp | None) -> str | None:
    """Format a time to the second, UTC."""
    return None if at is None else f"{at[:10]} {at[11:19]}"


# -- lists -----------------------------------------------------------------------------


def orders(found: Sequence[m.Order]) -> None:
    """Print orders, oldest first; each id is a prefix that `fillbook order` takes."""
    names = short_ids([x.client_order_id for x in found])
    year = max([(x.created_at or "")[:4] for x in found], default="")
    table(
        "Orders",
        ("order!", "made (UTC)!", "request", "type, price", "filled", "status"),
        (
            (name, _minute(x.created_at, year), request_of(x), type_of(x), filled_of(x), status(x))
            for name, x in zip(names, found, strict=True)
        ),
    )


def _minute(at: m.Timestamp | None, year: str) -> str | None:
    """Format a time of *year* to the minute, and one of another year as a day (UTC)."""
    if at is None:
        return None
    return f"{at[5:10]} {at[11:16]}" if at[:4] == year else at[:10]


def request_of(order: m.Order) -> str:
    """Format what an order is for: ``buy 10 AAPL``, ``buy for 100.00 of ETH/USD``."""
    return f"{order.side} {size_of(order.terms.qty, order.terms.notional)} {order.symbol}"


def type_of(order: m.Order) -> str:
    """Format the type with its prices: ``limit 150``, ``stop_limit 180, limit 179``, ``market``."""
    terms = order.terms
    if terms.trail_price is not None or terms.trail_percent is not None:
        trail = terms.trail_price or terms.trail_percent
        percent = "" if terms.trail_percent is None else "%"
        stop = "" if terms.stop_price is None else f", stop {m.plain(terms.stop_price)}"
        return f"{terms.type} {cell(trail)}{percent}{stop}"
    if terms.stop_price is not None and terms.limit_price is not None:
        return f"{terms.type} {m.plain(terms.stop_price)}, limit {m.plain(terms.limit_price)}"
    price = terms.limit_price if terms.stop_price is None else terms.stop_price
    return str(terms.type) if price is None else f"{terms.type} {m.plain(price)}"


def filled_of(order: m.Order) -> str:
    """Format the filled quantity, with its average price."""
    at = "" if order.avg_price is None else f" at {cell(price(order.avg_price))}"
    return f"{m.plain(order.filled_qty)}{at}"


def status(order: m.Order) -> Markup:
    """Format the status, with the pending command and a mark for anomalies."""
    colour = {
        m.OrderStatus.UNPROVEN: "yellow",
        m.OrderStatus.DISPUTED: "red",
        m.OrderStatus.FILLED: "green",
    }.get(order.status, "default")
    beside = f" ({order.pending}?)" if order.pending else ""
    odd = " !" if order.anomalies else ""
    return Markup(f"[{colour}]{order.status}[/]{beside}{odd}")


def would_cancel(found: m.Order) -> None:
    """Print what a cancel of the order would request, according to the record."""
    orders([found])
    if found.is_final:
        asked = "The order is final: no request would be sent."
    elif found.broker_order_id is None:
        asked = "The broker has reported no order id: the order would not be sent again."
    else:
        asked = f"A cancel of broker order {escape(found.broker_order_id)} would be sent."
    out.print(f"{asked} Nothing was sent.")


def note(text: str) -> None:
    """Print a sentence beside a table, if there is one."""
    if text:
        out.print(escape(text), soft_wrap=True)


def counted(count: int, what: str) -> str:
    """Format a number of things: ``1 order``, ``2 orders``."""
    return f"{count} {what}{'s' * (count != 1)}"


def price(value: Decimal | None) -> Decimal | None:
    """Round an average price to six decimals."""
    return None if value is None else round(value, 6).normalize()


def trades(found: Sequence[m.Trade], currency: str | None) -> None:
    """Print trades from flat to flat; *currency* is that of the account (None: not known)."""
    prices = ("entry>", "exit>", in_currency("P&L>", currency))
    table(
        "Trades",
        ("symbol", "strategy", "side", "qty>", *prices, "closed (UTC)", "rev>"),
        (
            (
                x.symbol,
                x.strategy,
                x.side,
                x.qty,
                unit_price(x.entry_price, x.currency),
                unit_price(x.exit_price, x.currency),
                amount(x.pnl, x.currency),
                day(x.closed_at),
                x.revision,
            )
            for x in found
        ),
    )


def pnl(report: m.PnlReport, currency: str | None) -> None:
    """
    Print a P&L, with its totals by currency and what is unknown.

    *currency* is that of the account (None: not known).

    The columns of the currency, of dividends and of interest are left out if they are empty.
    """
    rows = (*report.rows, *report.totals)
    columns: list[tuple[str, list[object]]] = [
        (str(report.by), [x.key or "total" * (n >= len(report.rows)) for n, x in enumerate(rows)]),
        ("currency", [x.currency for x in rows]),
        ("realized>", [money(x.realized) for x in rows]),
        ("unrealized>", [money(x.unrealized) for x in rows]),
        ("fees>", [money(x.fees) for x in rows]),
        ("dividends>", [money(x.dividends or None) for x in rows]),
        ("interest>", [money(x.interest or None) for x in rows]),
        ("unknown", [", ".join(_missing(*each) for each in x.unknown) for x in rows]),
    ]
    optional = ("currency", "dividends>", "interest>")
    shown = [x for x in columns if x[0] not in optional or any(x[1])]
    since = "" if report.since is None else f" since {report.since[:10]}"
    table(
        in_currency(f"P&L by {report.by}{since}, {report.cost} cost", currency),
        [name for name, _ in shown],
        list(zip(*(cells for _, cells in shown), strict=True)),
    )


_MISSING: Final = {
    m.UnknownPart.COST: ("cost of a closed unit", "costs of closed units"),
    m.UnknownPart.PRICE: ("price of a closing fill", "prices of closing fills"),
    m.UnknownPart.FEE: ("fee of a fill", "fees of fills"),
    m.UnknownPart.ACTIVITY: ("kind of an activity", "kinds of activities"),
    m.UnknownPart.OPEN_COST: ("cost of an open position", "costs of open positions"),
    m.UnknownPart.QUOTE: ("quote of an open position", "quotes of open positions"),
}


def _missing(part: m.UnknownPart, count: int) -> str:
    """Say what is unknown: ``1 fee of a fill``, ``2 fees of fills``."""
    return f"{count} {_MISSING[part][count != 1]}"


def audit(entries: Sequence[m.Recorded]) -> None:
    """Print the journal, oldest first."""
    table(
        "Journal",
        ("#>", "time (UTC)", "entry", "details"),
        ((x.number, day(x.at), *describe_entry(x.entry)) for x in entries),
    )
