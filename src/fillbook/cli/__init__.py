"""
The command line.  `main` is the entry point; the commands are in `fillbook.cli.commands`.

It requires the extra `cli`; without it, `main` prints how to install it.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        import signal

        code = _run()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the result was printed
    except KeyboardInterrupt:
        # While modules were imported: `run` reports all others.
        print("fillbook: interrupted; no order was sent", file=sys.stderr)
        code = 130
    sys.exit(code)


def _run() -> int:
    try:
        from fillbook.cli.commands import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        print(
            f"fillbook: the command line needs {error.name}; "
            'install it with: pip install "fillbook[cli]"',
            file=sys.stderr,
        )
        return 2
    return run(sys.argv[1:])
