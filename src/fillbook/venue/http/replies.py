"""The bodies of requests, and replies that are cut off or do not come."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fillbook.venue.exchange import Fault

#: The key of the ASGI scope under which the server stores a function that aborts the connection.
ABORT: Final = "fillbook.abort"

#: Faults after which the connection is aborted without a reply.
NO_REPLY: Final = frozenset(
    {
        Fault.REQUEST_LOST,
        Fault.REPLY_LOST,
        Fault.LATE_LANDING,
        Fault.DUPLICATE_UNLISTED,
        Fault.UNREACHABLE,
    }
)
#: Faults that the endpoint carries out, so the request reaches it.
HANDLED_BY_ENDPOINT: Final = frozenset({Fault.LATE_LANDING, Fault.DUPLICATE_UNLISTED})

BODY_MAX: Final = 1_000_000  #: the largest body of a request, in bytes


async def read_body(request: Request) -> bytes | None:
    """Read the body of *request*; None: it is larger than `BODY_MAX`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            return None
    return bytes(body)


class NoResponse(Response):
    """No reply: the connection is aborted."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass


class TruncatedResponse(Response):
    """Half of a reply; then the connection is aborted."""

    def __init__(self, response: Response) -> None:
        super().__init__(bytes(response.body), response.status_code, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": self.status_code}
        await send(head | {"headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope[ABORT]()
        while (await receive())["type"] != "http.disconnect":
            pass
