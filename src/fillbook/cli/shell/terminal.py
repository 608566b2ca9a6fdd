"""The consoles of the commands; they print no control character that a broker sent."""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from attrs import define
from rich.console import Console
from rich.markup import escape

from fillbook.cli.shell.progress import PROGRESS

#: Control characters, which a terminal would obey, and the characters that hide or reorder text.
CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)


class Terminal(Console):
    """A console that prints no control character, and leaves a broken pipe to `run`."""

    def print(self, *objects: Any, **options: Any) -> None:
        PROGRESS.pause()
        texts = (CONTROLS.sub("", x) if isinstance(x, str) else x for x in objects)
        super().print(*texts, **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


out: Final = Terminal(highlight=False, soft_wrap=False)
err: Final = Terminal(stderr=True, highlight=False)


@define
class Written:
    """What the running command has done: JSON documents printed, desks used and closed."""

    documents: int = 0
    desks: int = 0


WRITTEN: Final = Written()


def fail(message: str) -> None:
    """Print one line on standard error."""
    err.print(f"[red]fillbook:[/] {escape(message)}", soft_wrap=True)
    sys.stdout.flush()
