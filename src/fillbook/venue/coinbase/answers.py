"""What an endpoint is, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from fillbook.venue.coinbase.requests import ApiRequest, Json
from fillbook.venue.exchange import InjectedFault

PREFIX: Final = "/api/v3/brokerage"


@frozen
class ApiResponse:
    """An HTTP status and a body."""

    status: int
    body: Json


Endpoint = Callable[[ApiRequest, InjectedFault | None], ApiResponse]


def ok(body: Json) -> ApiResponse:
    """Return the answer 200."""
    return ApiResponse(200, body)
