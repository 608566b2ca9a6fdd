"""
The demo: a bot's record drifts in five ways, `check` finds it, and `sync` reconciles it.

Only the market is simulated: the record is a SQLite file, the broker the simulated exchange, in
this process or behind alpaca-py and the Alpaca emulator.  The clock is simulated too, so that a
night takes no real time; a seed always gives the same run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

import fillbook as fb
from fillbook import model as m
from fillbook.broker import Broker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.cli import output
from fillbook.clock import ManualClock
from fillbook.errors import ExtraMissing
from fillbook.venue.exchange import Account, Exchange, Ticket

_MONDAY_10: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)  # ten in the morning in New York
_DAY_S: Final = 24 * 3600
_JOURNAL_ROWS: Final = 8


@frozen
class Setup:
    """The parts of one run of the demo."""

    clock: ManualClock
    exchange: Exchange
    account: Account
    desk: fb.Desk


def run_demo(*, seed: int, wire: bool, json: bool) -> int:
    """Run the demo; 0 if the record is in sync at its end."""
    with _setup(seed, wire=wire) as setup:
        opening = setup.desk.sync()
        if not json:
            _introduce(opening, wire=wire)
        _break(setup)
        before = setup.desk.check()
        wrong = setup.desk.book.orders()
        report = setup.desk.sync()
        again = setup.desk.sync()
        after = setup.desk.check()
        if json:
            output.as_json([before, report, again, after])
        else:
            _show(setup, before, wrong, report, again, after)
    return 0 if after.verdict is m.Verdict.IN_SYNC and not again.entries else 1


@contextmanager
def _setup(seed: int, *, wire: bool) -> Iterator[Setup]:
    clock = ManualClock(_MONDAY_10)
    exchange = Exchange(seed=seed, clock=clock)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fillbook-demo-"))
        account = exchange.open_account("paper")
        broker: Broker = (
            stack.enter_context(_alpaca_broker(exchange, account))
            if wire
            else SimulatedBroker(exchange, account)
        )
        path = Path(folder, "bot.db")
        # wait_s=0: this bot does not read its orders after it places them.
        desk = fb.open(broker, f"sqlite:///{path}", clock=clock, wait_s=0)
        yield Setup(clock, exchange, account, stack.enter_context(desk))


@contextmanager
def _alpaca_broker(exchange: Exchange, account: Account) -> Iterator[Broker]:
    if missing := [name for name in ("alpaca", "starlette") if find_spec(name) is None]:
        raise ExtraMissing(
            f"demo --wire needs {' and '.join(missing)}; install with: "
            'pip install "fillbook[cli,alpaca,emulator]"'
        )
    from fillbook.brokers.alpaca import AlpacaBroker
    from fillbook.venue.alpaca import Emulator

    with Emulator(exchange, account) as emulator:
        yield AlpacaBroker(emulator.key, emulator.secret, url=emulator.url)


def _break(setup: Setup) -> None:
    """Simulate a day and a night in which the bot misses every report."""
    desk, exchange, clock = setup.desk, setup.exchange, setup.clock
    entry = desk.buy("SPY", qty=10, take_profit="700", stop_loss="400", strategy="swing", key="1")
    clock.advance(5)
    desk.wait(entry, timeout_s=5)

    exchange.faults.fail(next="submit", with_="reply-lost")
    desk.buy("AAPL", qty=10, strategy="momentum", key="2")
    clock.advance(60)  # the bot continues without reading the order

    desk.buy("MSFT", qty=5, strategy="momentum", key="3")  # fills at once, without an event
    clock.advance(60)

    for symbol, side, qty in (("MSFT", m.OrderSide.SELL, 2), ("NVDA", m.OrderSide.BUY, 8)):
        exchange.trade_by_hand(setup.account, _by_hand(symbol, side, qty))
        clock.advance(60)
    clock.advance(_DAY_S)  # DAY exits expire at the close


def _by_hand(symbol: str, side: m.OrderSide, qty: int | str) -> Ticket:
    return Ticket(
        symbol=symbol,
        side=side,
        type=m.OrderType.MARKET,
        time_in_force=m.TimeInForce.DAY,
        qty=m.number(qty),
    )


# -- output ----------------------------------------------------------------------------

_HAPPENED: Final = (
    ("10:00", "buys 10 SPY with a take-profit and a stop, both DAY", "filled"),
    ("10:00", "buys 10 AAPL", "the reply is lost"),
    ("10:01", "buys 5 MSFT", "filled, but no event reports it"),
    ("10:02", "–", "external: 2 MSFT sold in the broker's app"),
    ("10:03", "–", "external: 8 NVDA bought in the broker's app"),
    ("16:00", "–", "market close: DAY exits expire, no event"),
)


def _introduce(opening: m.SyncReport, *, wire: bool) -> None:
    where = "alpaca-py and an Alpaca emulator over HTTP" if wire else "a simulated broker"
    output.out.print(f"[bold]fillbook[/] on {where}; record in SQLite; simulated Monday.")
    output.out.print(f"Account: {opening.account}\n")
    output.table("What happens", ("New York", "the bot", "result"), _HAPPENED)


def _show(
    setup: Setup,
    before: m.CheckReport,
    wrong: list[m.Order],
    report: m.SyncReport,
    again: m.SyncReport,
    after: m.CheckReport,
) -> None:
    now = {x.client_order_id: x for x in setup.desk.book.orders()}
    output.out.print(
        "\n[bold]Tuesday, 10:00.[/] [bold]check[/] compares the record with the broker:\n"
    )
    _positions("Positions before", before)
    output.table(
        "Orders before",
        ("order", "record", "broker", "verdict"),
        [_before(x, now[x.client_order_id]) for x in wrong]
        + [_unknown(x) for x in now.values() if x.origin is m.Origin.EXTERNAL],
    )
    output.out.print(
        f"\n[bold]sync[/] merges what the broker reports: {report.entries} entries, "
        f"{report.requests} requests, no order sent.\n"
    )
    _positions("Positions after", after)
    output.orders(list(now.values()))
    tail = setup.desk.book.journal()[-_JOURNAL_ROWS:]
    output.audit(tail)
    spy = setup.desk.book.position("SPY")
    output.out.print(
        f"\nA second sync finds nothing: {again.entries} entries. "
        f"{setup.desk.requests} requests in all."
    )
    output.out.print(
        f"[yellow]Action needed:[/] {m.plain(spy.qty)} SPY are held, and both exits have expired."
    )
    _next_steps()


def _positions(title: str, report: m.CheckReport) -> None:
    rows = [
        (x.symbol, x.ours, x.theirs, (x.theirs or m.ZERO) - (x.ours or m.ZERO), _mark(x.verdict))
        for x in report.rows
    ]
    output.table(title, ("symbol", "record>", "broker>", "drift>", "verdict"), rows)


def _before(was: m.Order, now: m.Order) -> tuple[object, ...]:
    same = was.status is now.status and was.filled_qty == now.filled_qty
    return (_description(was), _state(was), _state(now), _mark("in sync" if same else "drift"))


def _unknown(now: m.Order) -> tuple[object, ...]:
    return (_description(now), "unknown", _state(now), _mark("drift"))


def _description(order: m.Order) -> str:
    kind = "exit, " if order.origin is m.Origin.LEG else ""
    return f"{kind}{order.side} {output.cell(order.qty)} {order.symbol}"


def _state(order: m.Order) -> str:
    return f"{order.status}, {output.cell(order.filled_qty)} filled"


def _mark(verdict: str) -> output.Markup:
    return output.Markup(f"[{'green' if verdict == 'in sync' else 'yellow'}]{verdict}[/]")


def _next_steps() -> None:
    output.out.print("\n[bold]Next[/]")
    for line in (
        "fillbook demo --wire                                 the same over HTTP",
        "fillbook check --broker alpaca:paper --ours AAPL=10  compare with an account",
        "fillbook sync --broker alpaca:paper                  start a record",
        "fillbook emulate alpaca                              an Alpaca on this machine",
    ):
        output.out.print(f"  {line}")
