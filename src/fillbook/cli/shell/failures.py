"""
What a command that fails prints, and its exit code.

A message goes to standard error.  With ``--json`` standard output has it too, as the one document
of the command, unless the command has printed one.
"""

from __future__ import annotations

from typing import Final

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError

from fillbook import errors
from fillbook.cli.shell.interrupted import Interrupted
from fillbook.cli.shell.terminal import WRITTEN, fail

FAILED: Final = 1
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130
_NOTHING_SENT: Final = "interrupted; no order was sent"

_WRONG_CALL: Final = (
    errors.BadAddress,
    errors.CredentialsMissing,
    errors.ExtraMissing,
    errors.InvalidValue,
    errors.KeyReused,
    errors.TradingDisabled,
    errors.UnknownOrder,
    errors.UnknownPlan,
    errors.UnknownSymbol,
)


def usage_error(error: CycloptsError, *, json: bool) -> int:
    """Print a wrong call, with the command that prints its help; return the exit code."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        message = f"{' '.join(error.unused_tokens)!r} is unexpected."
    elif isinstance(error, MissingArgumentError) and error.argument is not None:
        message = _missing(error)
    else:
        message = str(error).strip()
    command = " ".join(("fillbook", *(error.command_chain or ())))
    return _print("WrongCall", f"{message}  (see {command} --help)", WRONG_CALL, json=json)


def _missing(error: MissingArgumentError) -> str:
    """Say that an option has no value, or that an argument is not given."""
    name = error.argument.name if error.argument is not None else ""
    given = any(word.partition("=")[0] == name for word in error.root_input_tokens or ())
    hint = str(error).partition("requires an argument.")[2].rstrip()
    return f"{name} {'needs a value' if given else 'is missing'}.{hint}"


def failed(error: errors.FillbookError, *, json: bool) -> int:
    """Print an error of the library; return the exit code."""
    message = str(error)
    if isinstance(error, errors.TradingDisabled):
        message = f"{message}; on the command line: --live"
    code = WRONG_CALL if isinstance(error, _WRONG_CALL) else FAILED
    return _print(type(error).__name__, message, code, json=json, retry=error.retry)


def interrupted(error: KeyboardInterrupt, *, json: bool) -> int:
    """Print what is known of the orders of an interrupted command; return the exit code."""
    known = error.known if isinstance(error, Interrupted) else ()
    message = "; ".join(("interrupted", *known)) if known else _NOTHING_SENT
    if not known and WRITTEN.desks:  # the result was about to be printed
        message = "interrupted; the command had ended, and the record has what it did"
    if known and not json:
        for line in ("interrupted; the record has:", *known):
            fail(line)
        return INTERRUPTED
    return _print("Interrupted", message, INTERRUPTED, json=json)


def _print(kind: str, message: str, code: int, *, json: bool, retry: bool = False) -> int:
    fail(message)
    if json and not WRITTEN.documents:
        from fillbook.cli import output  # what writes JSON loads the whole model

        output.as_json(
            {"error": {"type": kind, "message": message, "exit_code": code, "retry": retry}}
        )
    return code
