"""
Send one request once, over alpaca-py's session and headers, with our time-outs.

alpaca-py's own `get` and `post` retry every verb on 429 and 504, have no time-out and read
numbers as floats; its session does not.  This module follows no redirect and retries no
request.  A body may quote the headers of the request: every credential in it is hidden here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from fillbook.brokers.alpaca.credentials import Credentials, Endpoints
from fillbook.brokers.alpaca.sdk import sdk
from fillbook.brokers.alpaca.wire.outcome import Reply
from fillbook.brokers.alpaca.wire.requests import Body

if TYPE_CHECKING:
    import requests


#: The length of a body that is read; the list of all assets has about 10 MB.
BODY_MAX: Final = 32 << 20


@frozen
class NoReply:
    """No reply to a request; `sent` is whether any byte of it may have been sent."""

    sent: bool
    message: str


class Transport:
    """
    A session with one Alpaca environment and one set of credentials; safe from any thread.

    *connect_s* and *read_s* (> 0 seconds) are the time-outs of each request.
    """

    def __init__(
        self, endpoints: Endpoints, keys: Credentials, *, connect_s: float, read_s: float
    ) -> None:
        self._client = trading_client(endpoints, keys)
        self._timeouts = (connect_s, read_s)
        self._endpoints = endpoints
        self._keys = keys

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        base: str | None = None,
    ) -> Reply | NoReply:
        """Send *method* on *path*, which begins with the version, and return the reply."""
        import requests

        headers = self._client._get_default_headers()
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            with self._client._session.request(
                method,
                (base or self._endpoints.url) + path,
                params=query,
                data=None if body is None else json.dumps(body),
                headers=headers,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _content(response)
        except (requests.RequestException, OSError) as error:
            # Report the class only: the message may quote a header.
            return NoReply(not _was_not_sent(error), f"{method} {path}: {type(error).__name__}")
        if content is None:
            return NoReply(True, f"{method} {path}: the reply is longer than {BODY_MAX:,} bytes")
        names = {name.lower(): value for name, value in response.headers.items()}
        text = self.redact(content.decode("utf-8", "replace"))
        return Reply(response.status_code, text, names)

    def open_stream(
        self, path: str, query: Mapping[str, str], *, idle_timeout_s: float
    ) -> requests.Response:
        """
        Open a GET of *path* whose body is read as it arrives.

        Raises: requests.RequestException, also if no byte arrives for *idle_timeout_s*.
        """
        response: requests.Response = self._client._session.get(
            self._endpoints.url + path,
            params=query,
            headers=self._client._get_default_headers() | {"Accept": "text/event-stream"},
            timeout=(self._timeouts[0], idle_timeout_s),
            allow_redirects=False,
            stream=True,
        )
        return response

    def redact(self, text: str) -> str:
        """Hide each credential in *text*."""
        return self._keys.redact(text)

    def close(self) -> None:
        """Close the idle connections."""
        self._client._session.close()


def _content(response: requests.Response) -> bytes | None:
    """Read the body of *response*; None if it is longer than `BODY_MAX`."""
    found = bytearray()
    for chunk in response.iter_content(65_536):
        found += chunk
        if len(found) > BODY_MAX:
            return None
    return bytes(found)


def trading_client(endpoints: Endpoints, keys: Credentials) -> Any:
    """
    Make a `TradingClient` of our own, without retries.

    Raises: ExtraMissing if alpaca-py is not installed.
    """
    client = sdk("alpaca.trading.client").TradingClient(
        keys.api_key,
        keys.secret_key,
        oauth_token=keys.oauth_token,
        paper=not endpoints.live,
        raw_data=True,
        url_override=endpoints.url,
    )
    from requests.adapters import HTTPAdapter

    client._retry = 0
    for scheme in ("https://", "http://"):
        client._session.mount(scheme, HTTPAdapter(max_retries=0))
    return client


def _was_not_sent(error: Exception) -> bool:
    """Return whether no connection was made, so that no byte can have been sent."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)
