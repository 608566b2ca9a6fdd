"""
Charts as SVG that fills its width at any size; the texts beside it are HTML, so that they stay
readable on a small screen.

Coordinates are floats: they are places on a page, no money.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from attrs import frozen

#: The height of a chart; its width is 100.
_HEIGHT: Final = 40.0
_GAP: Final = 0.15  #: the share of a bar that is left free


@frozen
class Bar:
    """One bar: its label, its value, and the value as text."""

    label: str
    value: float
    text: str


@frozen
class Stripe:
    """A part of a timeline: its class, from and to, and its title."""

    kind: str
    since: datetime
    until: datetime
    title: str


def columns(bars: Sequence[Bar]) -> str:
    """Return a chart of columns, from left to right, around zero."""
    low = min(0.0, *(x.value for x in bars))
    high = max(0.0, *(x.value for x in bars))
    step = 100 / len(bars)
    found = []
    for place, bar in enumerate(bars):
        top, bottom = _y(max(bar.value, 0.0), low, high), _y(min(bar.value, 0.0), low, high)
        found.append(
            f'<rect class="{"gain" if bar.value >= 0 else "loss"}" '
            f'x="{place * step + step * _GAP / 2:.3f}" y="{top:.3f}" '
            f'width="{step * (1 - _GAP):.3f}" height="{max(bottom - top, 0.2):.3f}">'
            f"<title>{escape(bar.label)}: {escape(bar.text)}</title></rect>"
        )
    zero = _y(0.0, low, high)
    line = f'<line class="zero" x1="0" x2="100" y1="{zero:.3f}" y2="{zero:.3f}"/>'
    return _svg("".join(found) + line, f"{len(bars)} columns")


def curve(values: Sequence[float]) -> str:
    """Return a line through *values*, from left to right."""
    low, high = min(values), max(values)
    step = 100 / max(1, len(values) - 1)
    points = [(place * step, _y(value, low, high)) for place, value in enumerate(values)]
    if len(points) == 1:
        points.append((100.0, points[0][1]))
    text = " ".join(f"{x:.3f},{y:.3f}" for x, y in points)
    area = f"0,{_HEIGHT:.3f} {text} 100,{_HEIGHT:.3f}"
    return _svg(
        f'<polygon class="area" points="{area}"/><polyline class="curve" points="{text}"/>',
        f"a line of {len(values)} values",
    )


def timeline(stripes: Sequence[Stripe], since: datetime, until: datetime) -> str:
    """Return the stripes of one row of a timeline, between *since* and *until*."""
    whole = max((until - since).total_seconds(), 1.0)
    found = []
    for x in stripes:
        start = max((x.since - since).total_seconds(), 0.0) / whole * 100
        width = max((x.until - max(x.since, since)).total_seconds() / whole * 100, 0.3)
        found.append(
            f'<rect class="{escape(x.kind)}" x="{start:.3f}" y="0" width="{width:.3f}" '
            f'height="10"><title>{escape(x.title)}</title></rect>'
        )
    return _svg("".join(found), f"{len(stripes)} parts of a timeline", height=10.0)


def _y(value: float, low: float, high: float) -> float:
    """Return the place of a value from the top; equal limits are in the middle."""
    return _HEIGHT / 2 if high == low else (high - value) / (high - low) * _HEIGHT


def _svg(body: str, label: str, height: float = _HEIGHT) -> str:
    kind = "chart" if height == _HEIGHT else "timeline"
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 100 {height:.0f}" preserveAspectRatio="none">{body}</svg>'
    )
