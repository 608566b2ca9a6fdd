"""
The text of a broker: bounded, and without control characters.

Every message of a broker enters fillbook in a value of `model.answer` or in an `OrderReport`,
whose text fields have `foreign` as their converter.  Whether text quotes credentials is known to
the adapter only: see `Broker.redact`.
"""

from __future__ import annotations

from typing import Final

#: The length of a text that is kept, in bytes of UTF-8.
KEPT_MAX: Final = 4_096
_CUT: Final = "…"


def foreign(text: str) -> str:
    """
    Return *text* as one line of printable characters, cut to `KEPT_MAX` bytes.

    White space becomes a space; every other control or format character is dropped, so that no
    escape sequence reaches a terminal.
    """
    if type(text) is str and len(text) <= KEPT_MAX and text.isascii() and text.isprintable():
        return text
    # The rest is not read: a reply of any length costs the same.
    kept = str(text[: KEPT_MAX + 1])
    if not kept.isprintable():
        printable = (x if x.isprintable() else " " * x.isspace() for x in kept)
        kept = "".join(printable)
    encoded = kept.encode()
    if len(text) <= KEPT_MAX and len(encoded) <= KEPT_MAX:
        return kept
    return encoded[: KEPT_MAX - len(_CUT.encode())].decode("utf-8", "ignore") + _CUT
