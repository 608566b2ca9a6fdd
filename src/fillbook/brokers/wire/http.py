"""
One HTTP request, sent once: it follows no redirect and retries nothing.

A reply whose body is too long, and a request whose connection ends, have no reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    import requests

#: The length of a body that is read; the list of all assets has about 10 MB.
BODY_MAX: Final = 32 << 20

Query = Mapping[str, str] | Sequence[tuple[str, str]]


@frozen
class NoReply:
    """No reply to a request; `sent` is whether any byte of it may have been sent."""

    sent: bool
    message: str


@frozen
class Received:
    """A reply; header names are lower case."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


def request_once(
    session: Any,
    method: str,
    url: str,
    *,
    query: Query | None,
    body: str | None,
    headers: Mapping[str, str],
    timeouts: tuple[float, float],
    name: str,
) -> Received | NoReply:
    """
    Send *method* to *url* over a session of requests.

    *timeouts* (> 0 seconds) are those of the connection and of each read; *name* is the request in
    messages.
    """
    import requests

    try:
        with session.request(
            method,
            url,
            params=query,
            data=body,
            headers=headers,
            timeout=timeouts,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = _content(response)
    except (requests.RequestException, OSError) as error:
        # Report the class only: the message may quote a header.
        return NoReply(not _was_not_sent(error), f"{name}: {type(error).__name__}")
    if content is None:
        return NoReply(True, f"{name}: the reply is longer than {BODY_MAX:,} bytes")
    names = {each.lower(): value for each, value in response.headers.items()}
    return Received(response.status_code, content, names)


def _content(response: requests.Response) -> bytes | None:
    """Read the body of *response*; None if it is longer than `BODY_MAX`."""
    found = bytearray()
    for chunk in response.iter_content(65_536):
        found += chunk
        if len(found) > BODY_MAX:
            return None
    return bytes(found)


def _was_not_sent(error: Exception) -> bool:
    """Return whether no connection was made, so that no byte can have been sent."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the broker's time of a reply, to the second; None without a Date header."""
    try:
        date = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return None if date.tzinfo is None else date.astimezone(UTC)
