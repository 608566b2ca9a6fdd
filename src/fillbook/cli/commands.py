"""
The command line, and the commands that query a broker.

Exit codes: 0 in sync or done, 3 drift, 1 not observed or failed, 2 a wrong call, address, order or
credential.  With ``--json`` standard output contains one JSON document and nothing else.

`cli.record` has the commands that read the record offline; other commands have a module each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Annotated, Final, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from fillbook import __version__, errors, logs, opening
from fillbook.cli import output
from fillbook.cli.doctor import doctor
from fillbook.cli.emulate import emulate
from fillbook.cli.halt import halt
from fillbook.cli.options import (
    BrokerOption,
    JsonOption,
    StoreOption,
    existing_store,
    has_store,
    open_broker,
    open_desk,
    order_named,
    parse_day,
    parse_positions,
    print_result,
)
from fillbook.cli.orders import order_details
from fillbook.cli.orders.amend import cancel, replace
from fillbook.cli.orders.buying_power import buying_power
from fillbook.cli.orders.place import buy, sell
from fillbook.cli.plans.catch_up import catch_up
from fillbook.cli.plans.commands import approve, plan, plans, rebuild, reject, repair
from fillbook.cli.plans.exits import close, protect, unprotect
from fillbook.cli.plans.rebalance import rebalance
from fillbook.cli.rebind import rebind
from fillbook.cli.record import audit, export, order, orders, pnl, positions, trades
from fillbook.cli.report.command import report
from fillbook.cli.service import SERVICE
from fillbook.cli.service.alert import alert
from fillbook.cli.service.serve import serve
from fillbook.cli.service.tokens import token
from fillbook.cli.shell import failures
from fillbook.cli.shell.progress import PROGRESS
from fillbook.cli.watch import watch

#: The commands that show something of their own until they are stopped.
_ENDLESS: Final = frozenset({"watch", "emulate", "serve", "demo"})
_QUIET: Final = frozenset({"--quiet", "-q"})

app: App = App(
    name="fillbook",
    help="Reconcile a trading bot's record of orders, fills and positions with its broker. "
    "Start with: fillbook demo",
    help_epilogue="With --quiet (-q) a command prints errors only; its exit code has the result.",
    version=__version__,
    version_flags=["--version", "-V"],
    suppress_keyboard_interrupt=False,
    result_action="return_value",
    default_parameter=Parameter(negative="", show_default=False),
)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; an expected error prints one line."""
    words = [x for x in arguments if x not in _QUIET]
    json = "--json" in words
    output.WRITTEN.documents, output.out.quiet = 0, len(words) < len(arguments)
    try:
        logs.configure(os.environ)
        command = next(iter(words), "")
        # A console of its own: those of `output` remove the progress before they print.
        with ExitStack() if command in _ENDLESS else PROGRESS.shown(Console(stderr=True), command):
            code = app(words, exit_on_error=False, print_error=False, console=output.out)
        sys.stdout.flush()
    except CycloptsError as error:
        return failures.usage_error(error, json=json)
    except errors.FillbookError as error:
        return failures.failed(error, json=json)
    except KeyboardInterrupt as error:
        return failures.interrupted(error, json=json)
    except BrokenPipeError:
        # The reader closed the pipe; the rest of the output is discarded.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        output.out.quiet = False
    return code if isinstance(code, int) else 0


def check(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    ours: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True,
            help="Positions expected by the bot: AAPL=10 BTC/USD=0.5. Needs no record.",
        ),
    ] = (),
    json: JsonOption = False,
) -> int:
    """
    Compare the record with the broker; writes nothing and sends no order.

    Exits with 0 if in sync, 3 on drift, 1 if the account could not be read, and 2 if there is
    neither a record nor --ours to compare.
    """
    expected, opened = parse_positions(ours), open_broker(broker)
    if expected is not None and not has_store(store):
        report = opening.check(opened, expected)
    else:
        with open_desk(opened, existing_store(store)) as desk:
            report = desk.check(expected)
    print_result(report, output.check, json=json)
    return output.CODES[report.verdict]


def sync(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    since: Annotated[
        str | None, Parameter(help="Read orders and fills since that day (UTC), like 2026-01-05.")
    ] = None,
    order: Annotated[
        str | None, Parameter(help="Reconcile one order, by its id; prints it before and after.")
    ] = None,
    adopt: Annotated[
        bool, Parameter(help="Adjust the record to the broker where a difference is unexplained.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """
    Reconcile the record with the broker; sends nothing that changes the account.

    The first sync takes the broker's snapshot as the opening balance. Exits like check.
    """
    first = parse_day(since)
    if order is not None:
        if first is not None or adopt:
            raise errors.InvalidValue("--order cannot be combined with --since or --adopt")
        return _sync_order(order, broker, store, json=json)
    with open_desk(broker, store) as desk:
        if not json and desk.book.cash() is None:
            output.err.print("First sync: reading two snapshots of the account, seconds apart…")
        report = desk.sync(first, adopt=adopt)
    print_result(report, output.sync, json=json)
    return output.CODES[report.verdict]


def _sync_order(order: str, broker: str | None, store: str | None, *, json: bool) -> int:
    """Reconcile one order, and print it before and after."""
    with open_desk(broker, existing_store(store)) as desk:
        before = order_named(desk.book, order)
        report = desk.sync(order=before)
        after = desk.book.order(before)
    if json:
        output.as_json({"before": before, "after": after, "report": report})
    else:
        order_details.sync_result(before, after, report)
    return output.CODES[report.verdict]


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
    from fillbook.cli.demo import run_demo

    return run_demo(seed=seed, broker="alpaca" if wire else broker, json=json)


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Parameter(help="The shell: bash, zsh or fish.")
    ],
    /,
) -> None:
    """
    Print a completion script for a shell.

    In bash: source <(fillbook completion bash).
    """
    print(app.generate_completion(shell=shell))


#: The commands by purpose, in the order of the help.
_GROUPS: Final[Mapping[str, Sequence[Callable[..., int | None]]]] = {
    "Start": (demo, doctor, emulate, completion),
    "Reconcile the record": (check, sync, rebuild, rebind),
    "Place orders": (buy, sell, replace, cancel, halt, buying_power),
    "Exits and plans": (
        protect,
        unprotect,
        close,
        rebalance,
        catch_up,
        repair,
        plans,
        plan,
        approve,
        reject,
    ),
    "Read the record": (orders, order, positions, trades, pnl, export, report, audit, watch),
}
for _number, (_title, _commands) in enumerate(_GROUPS.items()):
    _group = Group(_title, sort_key=_number)
    for _command in _commands:
        app.command(_command, group=_group)
app.command(serve, group=SERVICE)
app.command(token)
app.command(alert)
app["--help"].group = app["--version"].group = Group("Other", sort_key=100)
