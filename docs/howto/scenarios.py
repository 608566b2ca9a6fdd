"""The parts of the how-to pages that are printed by a run of the code (see `docs/printed.py`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange
from fillbook.web.metrics import GAUGES, MEASURED
from fillbook.web.routes import ENDPOINTS, STREAM, STREAM_RULE

EXAMPLES = Path(__file__).parents[2] / "examples"
FRIDAY_14 = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)  # 14:00 in New York


def example(name: str) -> Callable[[], str]:
    """Return a part with the output of an example."""

    def printed() -> str:
        call = [sys.executable, EXAMPLES / name]
        text = subprocess.run(call, capture_output=True, text=True, check=True).stdout
        return f"```text\n{text.strip()}\n```"

    return printed


def friday_evening() -> str:
    """Return what protects 10.5 shares from Friday afternoon to Monday."""
    clock = ManualClock(FRIDAY_14)
    exchange = Exchange(seed=1, clock=clock)
    exchange.quote("AAPL", "187.00", "187.02")
    lines = []
    with fb.open(SimulatedBroker(exchange), "memory://", clock=clock) as desk:
        desk.sync()
        desk.buy("AAPL", qty="10.5", strategy="swing")
        _run(desk, clock, FRIDAY_14 + timedelta(minutes=1))
        desk.protect("AAPL", stop_price="180", take_profit="210")
        for when, hours in (
            ("Friday 15:00", 1),
            ("Friday 17:00, closed", 3),
            ("Monday 09:00, closed", 3 * 24 - 6),
            ("Monday 10:00", 3 * 24 - 5),
        ):
            _run(desk, clock, FRIDAY_14 + timedelta(hours=hours))
            lines.append(_exits(desk, when))
    return "```text\n" + "\n".join(lines) + "\n```"


def _run(desk: fb.Desk, clock: ManualClock, until: datetime) -> None:
    """Tick every minute of the last five, and every quarter of an hour or less often before."""
    while (now := clock.now()) < until:
        left = until - now
        closed = now.weekday() > 4 or (now.weekday() == 4 and now.hour > 22)
        step = timedelta(hours=6) if closed else timedelta(minutes=15)
        last = timedelta(minutes=5)
        step = timedelta(minutes=1) if left <= last else min(step, left - last)
        clock.advance(step.total_seconds())
        desk.tick()


def _exits(desk: fb.Desk, when: str) -> str:
    [kept] = desk.protections()
    why = f" ({kept.why})" if kept.why else ""
    orders = sorted(
        f"  {x.type} {fb.OrderSide.SELL} {x.leaves_qty} at {x.stop_price or x.limit_price}, "
        f"{x.time_in_force}: {x.status}"
        for x in desk.book.orders(open=True)
    )
    return "\n".join([f"{when}: {kept.cover}{why}", *orders])


def routes() -> str:
    """Return the routes of the service, with the scopes that they need."""
    lines = ["| route | needs | answer |", "| --- | --- | --- |"]
    for one in ENDPOINTS:
        scopes = [f"`{one.rule.scope}`", *(["`account`"] if one.rule.account else [])]
        about = (one.serve.__doc__ or "").strip().splitlines()[0]
        lines.append(f"| `{one.method} {one.path}` | {', '.join(scopes)} | {about} |")
    lines.append(f"| `GET {STREAM}` | `{STREAM_RULE.scope}` | Events as they are written (SSE). |")
    return "\n".join(lines)


def metric_names() -> str:
    """Return the metrics of the service."""
    others = {
        "fillbook_health": "1 for the present state: reconciled, drift or not_observed.",
        "fillbook_plans": "Plans that have not ended, by state.",
        "fillbook_orders_total": "Orders that became final, by outcome.",
        "fillbook_order_seconds": "Seconds from the creation of an order to its end.",
        "fillbook_fill_known_seconds": "Seconds from a fill to its entry in the record.",
        "fillbook_alerts_total": "Alerts that were raised, by kind.",
        "fillbook_plan_states_total": "Plans that reached a state, by kind and state.",
        "fillbook_rebalance_saved_notional_total": "Notional that rebalances did not trade.",
        "fillbook_requests_total": "Requests to the broker, by lane.",
        "fillbook_stream_gaps_total": "Gaps of the stream.",
        **{f"fillbook_{name}_seconds": about for name, about in MEASURED.items()},
    }
    rows = [f"| `{name}` | {about} |" for name, about in sorted({**GAUGES, **others}.items())]
    return "\n".join(["| metric | meaning |", "| --- | --- |", *rows])


def source(name: str) -> Callable[[], str]:
    """Return a part with the code of an example, without its docstring."""

    def printed() -> str:
        text = (EXAMPLES / name).read_text("utf-8").split('"""')[2].strip()
        return f"```py\n{text}\n```"

    return printed


PARTS: dict[str, Callable[[], str]] = {
    "approvals": example("exits/approvals.py"),
    "day-bracket": example("exits/day_bracket_bot.py"),
    "friday-evening": friday_evening,
    "held-positions": example("exits/held_positions.py"),
    "incident-1": example("incidents/1_expired_exits.py"),
    "incident-2": example("incidents/2_bypassed_broker.py"),
    "incident-3": example("incidents/3_liquidate_and_rebuy.py"),
    "incident-3-delta": example("incidents/3_delta_rebalance.py"),
    "incident-4": example("incidents/4_limit_orders_in_the_dark.py"),
    "incident-5": example("incidents/5_stuck_pending.py"),
    "metrics": metric_names,
    "routes": routes,
    "team-script": source("team/cancel_gtc.py"),
}
