"""
The command line: the list of the commands, and how one of them is run.

Exit codes: 0 in sync or done, 3 drift, 1 not observed or failed, 2 a wrong call, address, order or
credential.  With ``--json`` standard output contains one JSON document and nothing else.

Only the module of the command that is called is imported: the help of all commands takes none of
them, and a command takes no time for the others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Annotated, Final, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from fillbook import __version__, errors, logs
from fillbook.cli.shell.progress import PROGRESS
from fillbook.cli.shell.terminal import WRITTEN, out

#: The commands by purpose, in the order of the help: the module that has each, below this
#: package, and its first line in the help.
COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Start": {
        "demo": (
            "demo",
            "Simulate a bot whose record drifts, and reconcile it; needs no account and no keys.",
        ),
        "doctor": (
            "doctor",
            "Show versions and settings with their sources, and test whether they work together.",
        ),
        "emulate": (
            "emulate",
            "Run a broker emulator on this machine, for any of its clients, until Ctrl-C.",
        ),
        "completion": ("commands", "Print a completion script for a shell."),
    },
    "Reconcile the record": {
        "check": (
            "reconcile.check",
            "Compare the record with the broker; writes nothing and sends no order.",
        ),
        "sync": (
            "reconcile.check",
            "Reconcile the record with the broker; sends nothing that changes the account.",
        ),
        "assign": (
            "orders.assign",
            "Give a position, an order or a fill that no strategy placed to a strategy; sends "
            "nothing.",
        ),
        "rebuild": (
            "plans.commands",
            "Take the broker's figures for the whole record; the last resort when no repair helps.",
        ),
        "rebind": (
            "reconcile.rebind",
            "Archive the record of another account, so that the store can start a new one.",
        ),
    },
    "Place orders": {
        "buy": (
            "orders.place",
            "Place a buy order: check it, record it, send it, and read its status.",
        ),
        "sell": (
            "orders.place",
            "Place a sell order: check it, record it, send it, and read its status.",
        ),
        "replace": ("orders.amend", "Replace the terms of an open order, and wait for the result."),
        "cancel": ("orders.amend", "Cancel orders, and wait until they are final."),
        "halt": (
            "halt",
            "Set the kill switch: deny new orders of all desks on the record, and cancel "
            "open orders.",
        ),
        "buying-power": (
            "orders.buying_power",
            "Show the buying power available to new orders, and what open orders reserve.",
        ),
    },
    "Exits and plans": {
        "protect": (
            "plans.exits",
            "Set the exits of a position, and place them; the desk that ticks keeps them.",
        ),
        "unprotect": (
            "plans.exits",
            "End the protection of a position; its exits stay at the broker, and are kept "
            "no longer.",
        ),
        "close": (
            "plans.exits",
            "Close a position at the market: cancel its exits, trade, and protect the rest again.",
        ),
        "rebalance": (
            "plans.rebalance",
            "Trade the differences to targets; a dry run, unless --send.",
        ),
        "catch-up": (
            "plans.catch_up",
            "Send the trades of the bot's own record that were never sent; a dry run, unless "
            "--send.",
        ),
        "repair": (
            "plans.commands",
            "Reconcile, and show what would repair the differences that are left.",
        ),
        "plans": ("plans.commands", "List the plans of the record, oldest first (offline)."),
        "plan": (
            "plans.commands",
            "Show one plan: its purpose, its effect, and the state of each step (offline).",
        ),
        "approve": ("plans.commands", "Approve a proposed plan, and carry it out."),
        "reject": (
            "plans.commands",
            "Reject a plan that has not begun; the same plan is not proposed again.",
        ),
    },
    "Read the record": {
        "orders": ("record.commands", "List the orders of the record (offline)."),
        "order": (
            "record.commands",
            "Show one order with its fills, requests and anomalies (offline).",
        ),
        "positions": (
            "record.commands",
            "List the positions of the record, and whether their protections cover them (offline).",
        ),
        "trades": (
            "record.commands",
            "List round trips from flat to flat, with fill prices (offline).",
        ),
        "pnl": (
            "record.commands",
            "Show realized P&L, fees, dividends and interest (offline: open positions have "
            "no quotes).",
        ),
        "export": (
            "record.commands",
            "Write a table of the record to a file, with exact numbers (offline).",
        ),
        "report": (
            "report.command",
            "Write the record as one HTML file: P&L, differences, protection, slippage, "
            "plans (offline).",
        ),
        "audit": (
            "record.commands",
            "Show the journal: all entries of the record, oldest first (offline).",
        ),
        "watch": (
            "watch",
            "Show open orders, positions, reservations, requests and alerts, until Ctrl-C.",
        ),
    },
    "Serve the record": {
        "serve": (
            "service.serve",
            "Serve the record over HTTP, with a page for a browser, until Ctrl-C.",
        ),
        "token": ("service.tokens", "Create, revoke and list the access tokens of the service."),
        "alert": ("service.alert", "Try the sinks of alerts."),
    },
}

#: The commands that show something of their own until they are stopped.
_ENDLESS: Final = frozenset({"watch", "emulate", "serve", "demo"})
_QUIET: Final = frozenset({"--quiet", "-q"})


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; an expected error prints one line."""
    words = [x for x in arguments if x not in _QUIET]
    json = "--json" in words
    WRITTEN.documents, WRITTEN.desks, out.quiet = 0, 0, len(words) < len(arguments)
    try:
        logs.configure(os.environ)
        command = next(iter(words), "")
        # A console of its own: those of the terminal remove the progress before they print.
        with ExitStack() if command in _ENDLESS else PROGRESS.shown(Console(stderr=True), command):
            code = make_app(words)(words, exit_on_error=False, print_error=False, console=out)
        sys.stdout.flush()
    except CycloptsError as error:
        from fillbook.cli.shell import failures

        return failures.usage_error(error, json=json)
    except errors.FillbookError as error:
        from fillbook.cli.shell import failures

        return failures.failed(error, json=json)
    except KeyboardInterrupt as error:
        from fillbook.cli.shell import failures

        return failures.interrupted(error, json=json)
    except BrokenPipeError:
        # The reader closed the pipe; the rest of the output is discarded.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        out.quiet = False
    return code if isinstance(code, int) else 0


def make_app(words: Collection[str] | None = None) -> App:
    """
    Return the command line; of a command that is not among *words*, only the name and the summary.

    Without *words* every command is imported.
    """
    names = {name for commands in COMMANDS.values() for name in commands}
    app = App(
        name="fillbook",
        help="Reconcile a trading bot's record of orders, fills and positions with its broker.\n\n"
        "Start with: fillbook demo",
        help_epilogue="With --quiet (-q) a command prints errors only; "
        "its exit code has the result.",
        # The help of a command is folded to the terminal; that of the list has short lines, and
        # importing Markdown takes half as long as all the rest of it.
        help_format="markdown" if words is None or names & set(words) else "plaintext",
        version=__version__,
        version_flags=["--version", "-V"],
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        default_parameter=Parameter(negative="", show_default=False),
    )
    for number, (purpose, commands) in enumerate(COMMANDS.items()):
        group = Group(purpose, sort_key=number)
        for name, (module, summary) in commands.items():
            if words is not None and name not in words:
                app.command(App(name=name, help=summary, group=group))
                continue
            loaded = import_module(f"fillbook.cli.{module}")
            command = getattr(loaded, name.replace("-", "_"))
            if isinstance(command, App):  # a command of commands
                command.group = group
                app.command(command)
            else:
                app.command(command, name=name, group=group)
    app["--help"].group = app["--version"].group = Group("Other", sort_key=100)
    return app


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
    print(make_app().generate_completion(shell=shell))
