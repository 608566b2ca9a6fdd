"""
One HTTP request, sent once: it follows no redirect and retries nothing.

A reply whose body is too long, and a request whose connection ends, have no reply.  A message
names the host, the cause and what to do; it never quotes an exception, which may quote a header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from socket import gaierror
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from attrs import frozen

if TYPE_CHECKING:
    import requests

#: The length of a body that is read; the list of all assets has about 10 MB.
BODY_MAX: Final = 32 << 20

_TRY_AGAIN: Final = "check the network, and try again"

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
            auth=keep_headers,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = _content(response)
    except (requests.RequestException, OSError) as error:
        host = urlsplit(url).netloc
        if _was_not_sent(error):
            why = _why_unreachable(error, timeouts[0])
            return NoReply(False, f"could not reach {host} ({why}): {_TRY_AGAIN}")
        return NoReply(
            True, f"no reply from {host} to {name} ({_why_no_reply(error, timeouts[1])})"
        )
    if content is None:
        return NoReply(True, f"the reply to {name} is longer than {BODY_MAX:,} bytes")
    names = {each.lower(): value for each, value in response.headers.items()}
    return Received(response.status_code, content, names)


def keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authorize nothing: without this, an entry of ~/.netrc would replace the credentials."""
    return request


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

    return isinstance(error, requests.ConnectTimeout) or isinstance(
        _reason(error), NewConnectionError
    )


def _reason(error: Exception) -> object:
    """Return why urllib3 gave the request up; None: it is not known."""
    return getattr(error.args[0], "reason", None) if error.args else None


def _why_unreachable(error: Exception, connect_s: float) -> str:
    """Return why no connection was made within *connect_s* seconds."""
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {connect_s:g} s"
    cause = getattr(_reason(error), "__cause__", None)
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    return "unknown host" if isinstance(cause, gaierror) else "no connection"


def _why_no_reply(error: Exception, read_s: float) -> str:
    """Return why a request that may have been sent has no reply."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    # While a body is read, requests passes the timeout on as the first argument of its error.
    is_late = bool(error.args) and isinstance(error.args[0], ReadTimeoutError)
    if is_late or isinstance(error, requests.Timeout):
        return f"none within {read_s:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed: check the clock and the certificates of this machine"
    return "the connection was lost"


def describe_status(broker: str, status: int, text: str, key_hint: str) -> str:
    """
    Describe an unsuccessful reply; *text* is its own, *key_hint* what to check about a key.

    It gives no advice where the outcome of a write may be unknown.
    """
    reply = f"{status} {text or 'without a body'}"
    if status == 401:
        return f"{broker} refused the API key ({reply}): check {key_hint}"
    if status == 403:
        return f"{broker} refused the request ({reply})"
    if status == 429:
        return f"the rate limit of {broker} is used up ({reply})"
    return (
        f"{broker} has a server error ({reply})" if status >= 500 else f"{broker} replied {reply}"
    )


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the broker's time of a reply, to the second; None without a Date header."""
    try:
        date = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return None if date.tzinfo is None else date.astimezone(UTC)
