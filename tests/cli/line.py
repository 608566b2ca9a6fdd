"""One command line, in process."""

from fillbook.cli.commands import run


def told(capsys, *words):
    """Return the exit code, standard output and standard error of one command line."""
    code = run(words)
    return (code, *capsys.readouterr())
