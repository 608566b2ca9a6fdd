"""A command imports what it needs, and the help of all commands imports none of them."""

import inspect
import json
import subprocess
import sys

import pytest

from fillbook.cli.commands import COMMANDS, make_app

LOADED = """
import contextlib, io, json, sys
from fillbook.cli.commands import run
with contextlib.redirect_stdout(io.StringIO()):
    code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""
SUMMARIES = {name: summary for each in COMMANDS.values() for name, (_, summary) in each.items()}


def loaded(*words):
    """The exit code of a command, and the modules of the project that it imported."""
    told = subprocess.run(
        [sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(told.stdout)
    return code, [x.removeprefix("fillbook.") for x in modules if x.startswith("fillbook.")]


def test_the_help_of_all_commands_imports_no_command_and_no_value():
    code, modules = loaded("--help")
    assert code == 0
    assert [x for x in modules if not x.startswith("cli")] == ["errors", "logs"]
    assert {x.split(".")[1] for x in modules if x.startswith("cli.")} == {"commands", "shell"}


def test_a_command_imports_no_other_command():
    code, modules = loaded("audit", "--help")
    assert code == 0
    assert {x.split(".")[0] for x in modules} & {"web", "venue", "brokers", "testing"} == set()
    others = (
        "cli.service",
        "cli.watch",
        "cli.report",
        "cli.halt",
        "cli.demo",
        "cli.reconcile.check",
    )
    assert [x for x in modules if x.startswith(others)] == []


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_list_has_the_first_sentence_of_a_command(name):
    """The list is written down, so that the help does not import what it lists."""
    command = make_app([name])[name]
    text = (
        command.help if command.default_command is None else inspect.getdoc(command.default_command)
    )
    assert SUMMARIES[name] == " ".join(text.partition("\n\n")[0].split())
