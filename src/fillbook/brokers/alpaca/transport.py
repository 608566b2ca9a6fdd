"""
Send one request once, over alpaca-py's session and headers, with our time-outs.

alpaca-py's own `get` and `post` retry every verb on 429 and 504, have no time-out and read
numbers as floats; its session does not.  This module follows no redirect and retries no
request.  A body may quote the headers of the request: every credential in it is hidden here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fillbook.brokers.alpaca.credentials import Credentials, Endpoints
from fillbook.brokers.alpaca.sdk import sdk
from fillbook.brokers.alpaca.wire.outcome import Reply
from fillbook.brokers.alpaca.wire.requests import Body
from fillbook.brokers.wire.http import NoReply, keep_headers, request_once

if TYPE_CHECKING:
    import requests


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
        headers = self._client._get_default_headers()
        if body is not None:
            headers["Content-Type"] = "application/json"
        reply = request_once(
            self._client._session,
            method,
            (base or self._endpoints.url) + path,
            query=query,
            body=None if body is None else json.dumps(body),
            headers=headers,
            timeouts=self._timeouts,
            name=f"{method} {path}",
        )
        if isinstance(reply, NoReply):
            return reply
        return Reply(reply.status, self.redact(reply.text), reply.headers)

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
            auth=keep_headers,
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
