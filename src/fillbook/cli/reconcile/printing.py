"""What `check`, `sync` and `rebuild` print: positions, differences, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.markup import escape

from fillbook import model as m
from fillbook.cli.output import Markup, counted, money, out, table
from fillbook.core.reconcile.position_rows import UNKNOWN_SYMBOL
from fillbook.model.journal.describe import describe_drift

_VERDICTS: Final = {
    m.Verdict.IN_SYNC: "[green]IN SYNC[/]",
    m.Verdict.DRIFT: "[yellow]DRIFT[/]",
    m.Verdict.NOT_OBSERVED: "[red]NOT OBSERVED[/]",
}
#: What to do about a difference.
_SYNC: Final = "Next: `fillbook sync` merges what the broker's reports explain."
_REPAIR: Final = "Next: `fillbook repair` shows what would set the differences right."


def check(report: m.CheckReport) -> None:
    """Print a comparison: positions, differences, verdict."""
    _rows(report.rows, report.verdict)
    findings("Differences between the bot and the broker", report.expected, book="the bot")
    for row in report.rows:
        if row.verdict == UNKNOWN_SYMBOL:
            text = "is in neither the record nor the broker's list: check the symbol"
            out.print(f"[yellow]{escape(row.symbol)}[/] {text}", soft_wrap=True)
    found = report.merged + report.left
    if report.opened:
        findings("Differences between the record and the broker", found)
    else:
        out.print(
            "The record is empty; the first [bold]fillbook sync[/] takes the opening balance."
        )
    verdict(report.verdict, report.unobserved, report.requests, _SYNC if found else "")


def sync(report: m.SyncReport) -> None:
    """Print a reconciliation: what was merged, what is left, the verdict."""
    if report.opened:
        out.print("First sync: the broker's snapshot was taken as the opening balance.")
    findings("Merged into the record", report.merged)
    findings("Adopted from the broker", report.adopted)
    findings("Unexplained differences", report.left)
    for name in report.unproven:
        unproven(name)
    _rows(report.rows, report.verdict)
    verdict(report.verdict, report.unobserved, report.requests, _REPAIR if report.left else "")
    out.print(f"{report.entries} entries appended to the journal")


def rebuilt(report: m.RebuildReport) -> None:
    """Print what a rebuild changed, or would change."""
    findings("Merged into the record, as a sync does", report.merged)
    findings("Figures of the broker", report.adopted)
    findings("Unexplained differences", report.left)
    for title, names in (
        ("Plans that are stopped", report.stopped),
        ("Disputed orders that are settled", report.settled),
        ("Orders that get a strategy", [f"{name}: {of}" for name, of in report.assigned]),
    ):
        if names:
            table(title, ("id",), ((name,) for name in names))
    if report.archive is not None:
        out.print(f"The record as it was: {escape(report.archive)}", soft_wrap=True)
    verdict(report.verdict, report.unobserved, None, _REPAIR)


def unproven(client_order_id: str) -> None:
    """Print that the outcome of an order is unknown."""
    out.print(
        f"[yellow]unconfirmed[/]: order {escape(client_order_id)} has no confirmed outcome yet; "
        "it is queried on every reconciliation",
        soft_wrap=True,
    )


def _rows(rows: Sequence[m.Row], verdict: m.Verdict) -> None:
    if verdict is m.Verdict.NOT_OBSERVED and not rows:
        return  # "none" would say that nothing is held
    bot = any(row.bot is not None for row in rows)
    record = any(row.ours is not None for row in rows)
    columns = ["symbol", *["bot>"] * bot, *["record>"] * record, "broker>", "verdict"]
    table("Positions", columns, (_row(row, bot=bot, record=record) for row in rows))


def _row(row: m.Row, *, bot: bool, record: bool) -> list[object]:
    colour = "green" if row.verdict == "in sync" else "yellow"
    verdict = Markup(f"[{colour}]{row.verdict}[/]")
    return [row.symbol, *[row.bot] * bot, *[row.ours] * record, row.theirs, verdict]


def findings(title: str, found: Sequence[m.Finding], book: str = "the record") -> None:
    """Print differences, if there are any; *book* names our side."""
    if not found:
        return
    rows = [(*describe_drift(x.drift, book), str(x.confidence), money(x.notional)) for x in found]
    table(title, ("subject", "difference", "confidence", "notional>"), rows)


def verdict(
    found: m.Verdict, unobserved: str | None, requests: int | None, next_step: str = ""
) -> None:
    """Print the verdict of a comparison; *requests* None: they are not counted."""
    why = f": {escape(unobserved)}" if unobserved else ""
    sent = "" if requests is None else f"  ({counted(requests, 'request')})"
    out.print(f"{_VERDICTS[found]}{why}{sent}")
    if found is m.Verdict.NOT_OBSERVED:
        out.print("Nothing was changed: data that could not be read is not treated as empty.")
    if found is m.Verdict.DRIFT and next_step:
        out.print(next_step, soft_wrap=True)
