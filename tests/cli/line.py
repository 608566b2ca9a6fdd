"""One command line, in process."""

from fillbook.cli.commands import run


def told(capsys, *words):
    """Return the exit code, standard output and standard error of one command line."""
    code = run(words)
    return (code, *capsys.readouterr())


def rows_of(out):
    """Return the rows of a printed table, as lists of cells."""
    lines = [x for x in out.splitlines() if x.startswith("│")]
    return [[cell.strip() for cell in x.strip("│").split("│")] for x in lines]
