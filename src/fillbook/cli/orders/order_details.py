"""Print one order with all details, or what its sync changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.markup import escape

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.output import Markup, cell, day, table
from fillbook.cli.reconcile import printing
from fillbook.model.journal.describe import size_of

#: The fields that are shown even if the sync did not change them.
_ALWAYS_SHOWN: Final = frozenset({"status", "filled"})


def order(found: m.Order, fills: Sequence[m.Movement], requests: Sequence[m.Request]) -> None:
    """Print one order with its fills, requests and anomalies."""
    table("Order", ("field", "value"), [x for x in _facts(found) if x[1] not in (None, "")])
    if fills:
        table(
            "Fills",
            ("time (UTC)", "qty>", "price>", "source"),
            ((day(x.at), x.qty, x.price, x.reason) for x in fills),
        )
    if requests:
        table(
            "Requests",
            ("#>", "time (UTC)", "request", "answer", "message"),
            ((x.number, day(x.at), x.command, x.answer or "none yet", x.message) for x in requests),
        )
    for odd in found.anomalies:
        output.out.print(f"[yellow]anomaly[/] {odd.oddity} {escape(odd.detail)}")


def sync_result(before: m.Order, after: m.Order, report: m.SyncReport) -> None:
    """Print what the sync of one order changed and merged."""
    pairs = zip(_facts(before), _facts(after), strict=True)
    rows = [
        (name, was, Markup(f"[yellow]{cell(now)}[/]") if was != now else now)
        for (name, was), (_, now) in pairs
        if was != now or name in _ALWAYS_SHOWN
    ]
    output.out.print(f"Order {escape(after.client_order_id)}", soft_wrap=True)
    table("In the record", ("field", "before", "after"), rows)
    printing.findings("Merged into the record", report.merged)
    printing.findings("Unexplained differences", report.left)
    for name in report.unproven:
        printing.unproven(name)
    printing.verdict(report.verdict, report.unobserved, report.requests)
    output.out.print(f"{report.entries} entries appended to the journal")


def _facts(found: m.Order) -> list[tuple[str, object]]:
    """Return the fields of an order, each with its label."""
    terms = found.terms
    return [
        ("client order id", found.client_order_id),
        ("broker order id", found.broker_order_id),
        ("strategy", found.strategy),
        ("key", found.key),
        ("parent", found.parent),
        ("request", f"{terms.side} {size_of(terms.qty, terms.notional)} {terms.symbol}"),
        ("type", f"{terms.type}, {terms.time_in_force}, {terms.order_class}"),
        ("limit / stop", f"{cell(terms.limit_price)} / {cell(terms.stop_price)}"),
        ("rounded", "; ".join(map(_adjustment, found.adjustments))),
        ("status", found.status),
        ("pending request", found.pending),
        ("filled", f"{cell(found.filled_qty)} at {cell(output.price(found.avg_price))}"),
        ("leaves", found.leaves_qty),
        ("final", "yes" if found.is_final else "no"),
        ("fills complete", "yes" if found.is_complete else "no"),
        ("reason", found.reason),
        (
            "proof of end",
            None if found.proof is None else f"{found.proof.source}, {day(found.proof.at)}",
        ),
    ]


def _adjustment(made: m.Adjustment) -> str:
    return f"{made.field} {cell(made.sent)} instead of {cell(made.wished)}"
