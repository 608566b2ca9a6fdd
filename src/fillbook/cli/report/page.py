"""
The page of a report: one HTML file with its style and its charts, and nothing from elsewhere.

It is read at 400 pixels as at 1,200, in a dark scheme, and on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from importlib import resources
from typing import Final

from fillbook import model as m
from fillbook.cli.output import counted
from fillbook.cli.report import charts
from fillbook.cli.report.figures import Figures, Span, net
from fillbook.model import ZERO
from fillbook.model.account.pnl import Slippage
from fillbook.model.protection import COVERED_STATES

Cells = Sequence[object]
#: The number of orders with the worst slippage that are listed.
_WORST: Final = 10
#: The number of columns that are still readable.
_COLUMNS_MAX: Final = 200


def page(figures: Figures) -> str:
    """Return the report as HTML."""
    style = resources.files("fillbook.cli.report").joinpath("page.css").read_text("utf-8")
    period = "the whole record" if figures.since is None else f"since {figures.since} (UTC)"
    parts = (
        _summary(figures),
        _days(figures),
        _pnl("P&L by strategy", "strategy", figures.strategies),
        _pnl("P&L by symbol", "symbol", figures.symbols),
        _differences(figures),
        _cover(figures),
        _slippage(figures.slippage),
        _plans(figures),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="color-scheme" content="light dark">'
        f"<title>fillbook report</title><style>{style}</style></head><body>"
        f"<header><h1>Report</h1><p>{escape(str(figures.account or 'no account yet'))}<br>"
        f"{escape(period)}, made {_day(figures.at)} UTC</p></header>"
        f"<main>{''.join(parts)}</main></body></html>\n"
    )


# -- sections -----------------------------------------------------------------------------


def _summary(figures: Figures) -> str:
    tiles: list[tuple[str, str]] = []
    for row in figures.totals or [m.Pnl(key="")]:
        currency = row.currency or figures.currency
        tiles += [
            (f"net realized P&L, {currency}", _money(net(row))),
            (f"fees, {currency}", _money(row.fees)),
        ]
    open_differences = sum(x.until is None for x in figures.differences)
    tiles += [
        ("orders", str(figures.orders)),
        ("differences open", str(open_differences)),
        ("plans", str(len(figures.plans))),
    ]
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in tiles
    )
    return f"<dl>{shown}</dl>"


def _days(figures: Figures) -> str:
    days = figures.days
    if not days:
        return _section("P&L by day", "<p>Nothing was realized.</p>")
    bars = [charts.Bar(x.day, float(x.pnl), _money(x.pnl)) for x in days]
    shown = _figure(charts.columns(bars), "net realized P&L", [x.pnl for x in days], days[0].day,
                    days[-1].day)  # fmt: skip
    equity = [x.equity for x in days if x.equity is not None]
    if equity:
        line = charts.curve([float(x) for x in equity])
        shown += _figure(line, "opening balance and realized P&L", equity, days[0].day,
                         days[-1].day)  # fmt: skip
    rows = [(x.day, _money(x.pnl), _money(x.equity)) for x in days]
    table = _table(("day", "net P&L>", "equity at cost>"), rows)
    return _section("P&L by day", f"{shown}{_folded(counted(len(days), 'day'), table)}")


def _pnl(title: str, name: str, rows: Sequence[m.Pnl]) -> str:
    if not rows:
        return _section(title, "<p>None.</p>", "half")
    bars = [charts.Bar(x.key or "none", float(net(x)), _money(net(x))) for x in rows]
    cells = [
        (
            x.key or "none",
            _money(net(x)),
            _money(x.realized),
            _money(x.fees),
            _money(x.dividends + x.interest),
            ", ".join(f"{part}: {count}" for part, count in x.unknown),
        )
        for x in rows
    ]
    heads = (name, "net>", "realized>", "fees>", "dividends, interest>", "unknown")
    return _section(title, charts.columns(bars) + _table(heads, cells), "half")


def _differences(figures: Figures) -> str:
    rows = [(x.subject, x.what, _day(x.since), _day(x.until), x.how) for x in figures.differences]
    return _section(
        "Differences with the broker",
        _table(("of", "difference", "confirmed", "ended", "how"), rows)
        if rows
        else "<p>None was confirmed.</p>",
    )


def _cover(figures: Figures) -> str:
    if not figures.cover:
        return _section("Protection over time", "<p>No position was protected.</p>")
    begun = min(spans[0].since for spans in figures.cover.values())
    since, until = m.moment(begun), m.moment(figures.at)
    rows = "".join(
        f"<h3>{escape(name)}: {escape(_durations(spans, figures.at))}</h3>"
        + charts.timeline([_stripe(x, figures.at) for x in spans], since, until)
        for name, spans in figures.cover.items()
    )
    states = dict.fromkeys(x.state for spans in figures.cover.values() for x in spans)
    legend = "".join(f'<li><i class="{_kind(x)}"></i>{escape(_words(x))}</li>' for x in states)
    ends = f"<p class=ends><span>{_day(begun)}</span><span>{_day(figures.at)}</span></p>"
    return _section("Protection over time", f"{rows}{ends}<ul class=legend>{legend}</ul>")


def _durations(spans: Sequence[Span], at: m.Timestamp) -> str:
    """Return for how long a position had each state, the longest first."""
    found: dict[m.CoverState, float] = {}
    for x in spans:
        length = m.moment(x.until or at) - m.moment(x.since)
        found[x.state] = found.get(x.state, 0.0) + length.total_seconds()
    ranked = sorted(found.items(), key=lambda x: -x[1])
    return ", ".join(f"{_words(state)} {_minutes(seconds)}" for state, seconds in ranked)


def _minutes(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours:,} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _words(word: object) -> str:
    return str(word).replace("_", " ")


def _stripe(span: Span, at: m.Timestamp) -> charts.Stripe:
    end = span.until or at
    title = f"{_words(span.state)} from {_day(span.since)} to {_day(end)}"
    return charts.Stripe(_kind(span.state), m.moment(span.since), m.moment(end), title)


def _kind(state: m.CoverState) -> str:
    if state in COVERED_STATES:
        return "good"
    return "bad" if state in (m.CoverState.NAKED, m.CoverState.IMPOSSIBLE) else "other"


def _slippage(rows: Sequence[Slippage]) -> str:
    known = [x for x in rows if x.cost is not None]
    if not known:
        return _section("Slippage", "<p>No filled order has a requested price.</p>")
    total = sum((x.cost or ZERO for x in known), ZERO)
    bars = _slippage_bars(known)
    worst = sorted(known, key=lambda x: x.cost or ZERO, reverse=True)[:_WORST]
    cells = [
        (
            _day(x.at),
            f"{x.side} {m.plain(x.qty)} {x.symbol}",
            x.strategy,
            m.plain(x.requested or ZERO),
            m.plain(x.executed),
            _money(x.cost),
        )
        for x in worst
    ]
    text = (
        f"<p>{len(known)} orders cost {_money(total)} against their requested prices. "
        "Columns below zero cost money.</p>"
    )
    heads = ("at", "order", "strategy", "requested>", "executed>", "cost>")
    return _section("Slippage", text + charts.columns(bars) + _table(heads, cells))


def _slippage_bars(rows: Sequence[Slippage]) -> list[charts.Bar]:
    """Return a column for each order, or for each day if there are too many orders."""
    if len(rows) <= _COLUMNS_MAX:
        return [
            charts.Bar(f"{x.side} {x.symbol}, {_day(x.at)}", -float(x.cost or 0), _money(x.cost))
            for x in rows
        ]
    days: dict[str, Decimal] = {}
    for x in rows:
        days[x.at[:10]] = days.get(x.at[:10], ZERO) + (x.cost or ZERO)
    return [charts.Bar(day, -float(cost), _money(cost)) for day, cost in days.items()]


def _plans(figures: Figures) -> str:
    rows = [
        (
            x.plan_id,
            _words(x.kind),
            x.state,
            _day(x.created_at),
            _day(figures.decisions.get(x.plan_id)),
            _day(x.moved_at) if x.is_final else None,
            f"{x.why}; failed: {x.failed}" if x.failed else x.why,
        )
        for x in figures.plans
    ]
    heads = ("plan", "kind", "state", "made", "decided", "ended", "purpose")
    return _section("Plans and approvals", _table(heads, rows) if rows else "<p>None.</p>")


# -- elements -----------------------------------------------------------------------------


def _section(title: str, body: str, kind: str = "") -> str:
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{body}</section>'


def _figure(chart: str, name: str, values: Sequence[Decimal], first: str, last: str) -> str:
    return (
        f"<figure><figcaption>{escape(name)}: {_money(min(values))} to {_money(max(values))}"
        f"</figcaption>{chart}<p class=ends><span>{first}</span><span>{last}</span></p></figure>"
    )


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _table(heads: Sequence[str], rows: Iterable[Cells]) -> str:
    """Return a table; columns whose name ends in ``>`` are right-aligned."""
    right = [x.endswith(">") for x in heads]
    head = "".join(
        f"<th{' class=r' if is_right else ''}>{escape(x.rstrip('>'))}</th>"
        for x, is_right in zip(heads, right, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{" class=r" if is_right else ""} data-head="{escape(name.rstrip(">"))}">'
            f"{_cell(x)}</td>"
            for x, is_right, name in zip(row, right, heads, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    return "–" if value is None or value == "" else escape(str(value))


def _money(value: Decimal | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _day(at: m.Timestamp | None) -> str:
    return "–" if at is None else f"{at[:10]} {at[11:16]}"
