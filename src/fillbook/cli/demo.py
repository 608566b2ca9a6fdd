"""
The demo: a bot's record drifts in five ways, `check` finds it, and `sync` reconciles it.

Only the market is simulated: the record is a SQLite file, the broker the simulated exchange, in
this process or behind the SDK and the emulator of a real broker.  The clock is simulated too, so
that a night takes no real time; a seed always gives the same run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

from attrs import frozen
from cyclopts import Parameter

import fillbook as fb
from fillbook import model as m
from fillbook.broker import Broker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.cli import output
from fillbook.cli.options import JsonOption
from fillbook.clock import ManualClock
from fillbook.errors import ExtraMissing
from fillbook.venue.exchange import Account, Exchange, Ticket

_MONDAY_10: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)  # ten in the morning in New York
_DAY_S: Final = 24 * 3600
_JOURNAL_ROWS: Final = 8


@frozen(kw_only=True)
class Market:
    """What the demo trades at a broker: the symbols, quantities and exits, and what it prints."""

    where: str
    entry: tuple[str, str] = ("SPY", "10")
    lost: tuple[str, str] = ("AAPL", "10")
    silent: tuple[str, str] = ("MSFT", "5")
    sold_by_hand: tuple[str, str] = ("MSFT", "2")
    bought_by_hand: tuple[str, str] = ("NVDA", "8")
    take_profit: str = "700"
    stop_loss: str = "400"
    has_brackets: bool = True
    bracket: str = "with a take-profit and a stop, both DAY"
    night: tuple[str, str] = ("16:00", "market close: DAY exits expire, no event")
    exits_ended: str = "both exits have expired"


_MARKETS: Final[Mapping[str, Market]] = {
    "simulated": Market(where="a simulated broker"),
    "alpaca": Market(where="alpaca-py and an Alpaca emulator over HTTP"),
    # Coinbase has no bracket orders and no time in force DAY.
    "coinbase": Market(
        where="coinbase-advanced-py and a Coinbase emulator over HTTP",
        entry=("BTC/USD", "0.05"),
        lost=("ETH/USD", "1"),
        silent=("SOL/USD", "5"),
        sold_by_hand=("SOL/USD", "2"),
        bought_by_hand=("BTC/USD", "0.02"),
        take_profit="90000",
        stop_loss="40000",
        has_brackets=False,
        bracket="and places a take-profit with a stop",
        night=("10:04", "external: the exits are canceled in the broker's app"),
        exits_ended="the exits are canceled",
    ),
}


@frozen
class Setup:
    """The parts of one run of the demo."""

    market: Market
    clock: ManualClock
    exchange: Exchange
    account: Account
    desk: fb.Desk


def demo(
    *,
    seed: Annotated[
        int, Parameter(show_default=True, help="The same seed gives the same run.")
    ] = 7,
    broker: Annotated[
        Literal["simulated", "alpaca", "coinbase"],
        Parameter(show_default=True, help="Alpaca and Coinbase: an emulator, over HTTP."),
    ] = "simulated",
    wire: Annotated[bool, Parameter(help="The same as --broker alpaca.")] = False,
    json: JsonOption = False,
) -> int:
    """Simulate a bot whose record drifts, and reconcile it; needs no account and no keys."""
    with _setup(seed, "alpaca" if wire else broker) as setup:
        opening = setup.desk.sync()
        if not json:
            _introduce(opening, setup.market)
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
def _setup(seed: int, broker: str) -> Iterator[Setup]:
    clock = ManualClock(_MONDAY_10)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fillbook-demo-"))
        exchange, account, opened = stack.enter_context(_BROKERS[broker](seed, clock))
        path = Path(folder, "bot.db")
        # wait_s=0: this bot does not read its orders after it places them.
        desk = fb.open(opened, f"sqlite:///{path}", clock=clock, wait_s=0)
        yield Setup(_MARKETS[broker], clock, exchange, account, stack.enter_context(desk))


_Opened = tuple[Exchange, Account, Broker]


@contextmanager
def _simulated(seed: int, clock: ManualClock) -> Iterator[_Opened]:
    exchange = Exchange(seed=seed, clock=clock)
    account = exchange.open_account("paper")
    yield exchange, account, SimulatedBroker(exchange, account)


@contextmanager
def _alpaca(seed: int, clock: ManualClock) -> Iterator[_Opened]:
    _require("alpaca", sdk="alpaca")
    from fillbook.brokers.alpaca import AlpacaBroker
    from fillbook.venue.alpaca import Emulator

    exchange = Exchange(seed=seed, clock=clock)
    with Emulator(exchange, exchange.open_account("paper")) as emulator:
        broker = AlpacaBroker(emulator.key, emulator.secret, url=emulator.url)
        yield exchange, emulator.account, broker


@contextmanager
def _coinbase(seed: int, clock: ManualClock) -> Iterator[_Opened]:
    _require("coinbase", sdk="coinbase")
    from fillbook.brokers.coinbase import CoinbaseBroker
    from fillbook.venue.coinbase import Emulator, spot_exchange

    exchange = spot_exchange(seed=seed, clock=clock)
    # The clock stands while the requests of one call are sent: no limit of requests a second.
    with Emulator(exchange, rate_limit=10_000) as emulator:
        broker = CoinbaseBroker(emulator.key, emulator.secret, url=emulator.url)
        yield exchange, emulator.account, broker


_BROKERS: Final = {"simulated": _simulated, "alpaca": _alpaca, "coinbase": _coinbase}


def _require(broker: str, *, sdk: str) -> None:
    if missing := [name for name in (sdk, "starlette") if find_spec(name) is None]:
        raise ExtraMissing(
            f"demo --broker {broker} needs {' and '.join(missing)}; install with: "
            f'pip install "fillbook[cli,{broker},emulator]"'
        )


def _break(setup: Setup) -> None:
    """Simulate a day and a night in which the bot misses every report."""
    desk, exchange, clock, market = setup.desk, setup.exchange, setup.clock, setup.market
    (entry, entry_qty), (lost, lost_qty) = market.entry, market.lost
    silent, silent_qty = market.silent
    swing = partial(fb.OrderRequest, symbol=entry, qty=entry_qty, strategy="swing")
    exits = partial(swing, take_profit=market.take_profit, stop_loss=market.stop_loss)
    if market.has_brackets:
        pair = desk.submit(exits(side="buy"), "1")
    else:
        desk.wait(desk.submit(swing(side="buy"), "1"), timeout_s=5)
        clock.advance(5)
        pair = desk.submit(exits(side="sell", order_class="oco"), "exits")
    clock.advance(5)
    pair = desk.wait(pair, timeout_s=5)

    exchange.faults.fail(next="submit", with_="reply-lost")
    desk.buy(lost, qty=lost_qty, strategy="momentum", key="2")
    clock.advance(60)  # the bot continues without reading the order

    desk.buy(silent, qty=silent_qty, strategy="momentum", key="3")  # no event reports its fill
    clock.advance(60)

    for (symbol, qty), side in (
        (market.sold_by_hand, m.OrderSide.SELL),
        (market.bought_by_hand, m.OrderSide.BUY),
    ):
        exchange.trade_by_hand(setup.account, _by_hand(symbol, side, qty))
        clock.advance(60)
    if not market.has_brackets and pair.broker_order_id:
        setup.account.cancel(pair.broker_order_id)
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


def _happened(market: Market) -> list[tuple[str, str, str]]:
    def by_hand(done: str, what: tuple[str, str]) -> str:
        return f"external: {what[1]} {what[0]} {done} in the broker's app"

    def buys(what: tuple[str, str]) -> str:
        return f"buys {what[1]} {what[0]}"

    ended_at, ended = market.night
    return [
        ("10:00", f"{buys(market.entry)} {market.bracket}", "filled"),
        ("10:00", buys(market.lost), "the reply is lost"),
        ("10:01", buys(market.silent), "filled, but no event reports it"),
        ("10:02", "–", by_hand("sold", market.sold_by_hand)),
        ("10:03", "–", by_hand("bought", market.bought_by_hand)),
        (ended_at, "–", ended),
    ]


def _introduce(opening: m.SyncReport, market: Market) -> None:
    output.out.print(f"[bold]fillbook[/] on {market.where}; record in SQLite; simulated Monday.")
    output.out.print(f"Account: {opening.account}\n")
    output.table("What happens", ("New York", "the bot", "result"), _happened(market))


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
    symbol = setup.market.entry[0]
    held = setup.desk.book.position(symbol).qty
    output.out.print(
        f"\nA second sync finds nothing: {again.entries} entries. "
        f"{setup.desk.requests} requests in all."
    )
    output.out.print(
        f"[yellow]Action needed:[/] {m.plain(held)} {symbol} are held, and "
        f"{setup.market.exits_ended}."
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
        "fillbook demo --broker alpaca                        the same over HTTP",
        "fillbook check --broker alpaca:paper --ours AAPL=10  compare with an account",
        "fillbook sync --broker alpaca:paper                  start a record",
        "fillbook emulate alpaca                              an Alpaca on this machine",
    ):
        output.out.print(f"  {line}")
