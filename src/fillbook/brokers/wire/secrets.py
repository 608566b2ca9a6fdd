"""Credentials: where they come from, and how they are hidden in texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fillbook.errors import CredentialsMissing

_REDACTED: Final = "[hidden]"
_SECRET_MIN: Final = 8  #: the length of a credential, in characters, from which it is hidden


def quoted_forms(given: Iterable[str | None]) -> Sequence[str]:
    """
    Return each way in which a text may quote a credential, the longest first.

    It may be plain, or as JSON, a URL and HTML write it.
    """
    # A shorter key, such as that of an emulator, may be a word of the text.
    secrets = [x for x in given if x is not None and len(x) >= _SECRET_MIN]
    ways = (str, _in_json, quote, partial(quote, safe=""), escape)
    return sorted({way(x) for x in secrets for way in ways}, key=len, reverse=True)


def hide(text: str, quoted: Iterable[str]) -> str:
    """Replace each of the *quoted* forms in *text*."""
    for each in quoted:
        text = text.replace(each, _REDACTED)
    return text


def _in_json(text: str) -> str:
    return text.replace("/", "\\/")


def variable(env: Mapping[str, str], name: str) -> str | None:
    """
    Return the variable *name*, or the text of the file that *name*_FILE names; None without both.

    Raises: CredentialsMissing if the file cannot be read.
    """
    if name in env:
        return env[name].strip()
    file_name = env.get(f"{name}_FILE")
    if file_name is None:
        return None
    try:
        return Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise CredentialsMissing(f"the file in {name}_FILE cannot be read") from None
