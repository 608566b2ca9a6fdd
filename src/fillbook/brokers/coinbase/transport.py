"""
Send one request once, with the SDK's session and tokens, and our time-outs.

The SDK's own `get` and `post` log each error with its body and read numbers as they come; its
session does not.  This module follows no redirect and retries nothing.  Every credential in a body
is hidden here.

A single 401 is a token that the service did not accept, because a clock is wrong or for no reason
that is known; two in a row are credentials that it does not accept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from fillbook.brokers.coinbase.credentials import Credentials, Endpoints
from fillbook.brokers.coinbase.sdk import sdk
from fillbook.brokers.coinbase.wire.outcome import Reply
from fillbook.brokers.wire.http import NoReply, Query, request_once

PREFIX: Final = "/api/v3/brokerage"


class Transport:
    """
    A session with Coinbase and one key; safe from any thread.

    *connect_s* and *read_s* (> 0 seconds) are the time-outs of each request.
    """

    def __init__(
        self, endpoints: Endpoints, keys: Credentials, *, connect_s: float, read_s: float
    ) -> None:
        self._client = rest_client(endpoints, keys)
        self._timeouts = (connect_s, read_s)
        self._endpoints = endpoints
        self._keys = keys
        self._refusals = 0
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Reply | NoReply:
        """Send *method* on *path*, without the prefix of the API, and return the reply."""
        full = PREFIX + path
        received = request_once(
            self._client.session,
            method,
            f"{self._endpoints.scheme}://{self._endpoints.authority}{full}",
            query=query,
            body=None if body is None else json.dumps(body),
            headers=self._client.set_headers(method, full),
            timeouts=self._timeouts,
            name=f"{method} {path}",
        )
        if isinstance(received, NoReply):
            return received
        refused_in_a_row = self._count(is_refused=received.status == 401)
        text = self._keys.redact(received.text)
        return Reply(received.status, text, received.headers, refused_in_a_row)

    def _count(self, *, is_refused: bool) -> int:
        """Return how many replies in a row have refused the token."""
        with self._lock:
            self._refusals = self._refusals + 1 if is_refused else 0
            return self._refusals

    def close(self) -> None:
        """Close the idle connections."""
        self._client.session.close()


def rest_client(endpoints: Endpoints, keys: Credentials) -> Any:
    """
    Make a `RESTClient` of our own, without the settings of the environment.

    Raises: ExtraMissing if coinbase-advanced-py is not installed.
    """
    client = sdk("coinbase.rest").RESTClient(
        api_key=keys.api_key, api_secret=keys.api_secret, base_url=endpoints.authority
    )
    from requests.adapters import HTTPAdapter

    # A proxy of the environment, or its ~/.netrc, would take the requests to this machine.
    client.session.trust_env = endpoints.scheme == "https"
    for scheme in ("https://", "http://"):
        client.session.mount(scheme, HTTPAdapter(max_retries=0))
    return client
