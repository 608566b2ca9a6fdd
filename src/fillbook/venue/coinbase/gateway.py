"""
The gateway: tokens, rate limit and faults of requests.

Order: token, rate limit, fault plan, endpoint, reply.
"""

from __future__ import annotations

import json
import re
import threading
from datetime import timedelta
from email.utils import format_datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fillbook.venue.coinbase.answers import PREFIX, ApiResponse, Endpoint
from fillbook.venue.coinbase.requests import ApiRequest, Json
from fillbook.venue.coinbase.switches import Behavior, Once
from fillbook.venue.coinbase.tokens import Tokens
from fillbook.venue.exchange import Account, Exchange, Fault, InjectedFault, InjectionPoint, Refused
from fillbook.venue.http.replies import (
    HANDLED_BY_ENDPOINT,
    NO_REPLY,
    NoResponse,
    TruncatedResponse,
    read_body,
)

_SECOND: Final = timedelta(seconds=1)
_HTML: Final = b"<html><head><title>Service</title></head><body>upstream error</body></html>"
_TOO_MANY: Final = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}

#: Paths that need no token.
_PUBLIC: Final = re.compile(rf"^{PREFIX}/(market/|time$)|^/v2/(currencies|exchange-rates|time$)")
#: The status and the body of a fault's reply.
_FAULT_RESPONSES: Final = {
    Fault.RATE_LIMITED: (429, _TOO_MANY),
    Fault.SERVER_ERROR: (503, b"upstream connect error or disconnect/reset before headers"),
    Fault.HTML: (502, _HTML),
    Fault.REDIRECT: (307, b""),
    Fault.EMPTY_LIST: (200, []),
}
#: Faults under which a request does not reach its endpoint, unless it is applied.
_REPLACES_RESPONSE: Final = NO_REPLY | frozenset(_FAULT_RESPONSES)


class Gateway:
    """
    Passes requests to the accounts of one exchange; an account's name is its API key.

    `rate_limit` is in requests per second and account.
    """

    def __init__(self, exchange: Exchange, *, rate_limit: int, behavior: Behavior) -> None:
        self.exchange = exchange
        self.rate_limit = rate_limit
        self.behavior = behavior
        self.refused = 0  #: the requests above the rate limit until now
        self.tokens: Tokens = Tokens(checks_time=behavior.checks_time)
        self._windows: dict[str, tuple[timedelta, int]] = {}  # account to end, and requests
        self._once: list[tuple[Once, str | None]] = []
        self._lock = threading.Lock()

    def once(self, reply: Once, path: str | None = None) -> None:
        """Let the next request on *path*, without the prefix (None: any), have this reply."""
        with self._lock:
            self._once.append((reply, path))

    def account(self, token: str, uri: str | None) -> Account | None:
        """Return the account of a token; None if it is invalid."""
        key = self.tokens.key_of(token, uri)
        try:
            return None if key is None else self.exchange.account(key)
        except KeyError:
            return None

    async def handle(
        self, request: Request, points: tuple[InjectionPoint, ...], endpoint: Endpoint
    ) -> Response:
        """Return the reply to *request*."""
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return NoResponse()  # the client has disconnected
        if body is None:
            return Response("the body is larger than 1 MB", 413)
        account = self._authenticate(request)
        if account is None:
            return unauthorized()
        query = list(request.query_params.multi_items())
        api_request = ApiRequest(
            self.exchange, account, request.path_params, query, body, self.behavior
        )
        # All in one thread: to change threads costs more than most requests.
        path = request.url.path.removeprefix(PREFIX)
        response = await run_in_threadpool(self._serve, path, api_request, points, endpoint)
        # The exchange's clock may be a manual one; the server sends no date of its own.
        response.headers["date"] = format_datetime(self.exchange.now(), usegmt=True)
        return response

    def _authenticate(self, request: Request) -> Account | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token and _PUBLIC.search(request.url.path) is not None:
            return next(iter(self.exchange.accounts()), None)
        host = request.headers.get("host", "")
        return self.account(token, f"{request.method} {host}{request.url.path}")

    def _serve(
        self,
        path: str,
        request: ApiRequest,
        points: tuple[InjectionPoint, ...],
        endpoint: Endpoint,
    ) -> Response:
        if not self._is_within(request.account.name):
            self.refused += 1
            return _json(429, _TOO_MANY)
        once = self._next_once(path)
        if once in _BEFORE:
            return _BEFORE[once]()
        injected = self._next_fault(request, points)
        fault = None if injected is None else injected.fault
        response: Response | None = None
        if (
            injected is None
            or injected.is_applied
            or fault in HANDLED_BY_ENDPOINT
            or fault not in _REPLACES_RESPONSE
        ):
            response = _called(endpoint, request, injected)
        if fault in NO_REPLY:
            return NoResponse()
        if response is not None and (fault is Fault.CUT_PAGE or once is Once.CUT):
            return TruncatedResponse(response)
        if once is Once.HTML:
            return Response(_HTML, 200, media_type="text/html")
        if injected is not None and fault in _FAULT_RESPONSES:
            return _fault_response(injected)
        assert response is not None
        return response

    def _is_within(self, name: str) -> bool:
        """Count a request; return whether it is within the rate limit."""
        now = self.exchange.clock.elapsed()
        with self._lock:
            ends, spent = self._windows.get(name, (now, 0))
            if ends <= now:
                ends, spent = now + _SECOND, 0
            self._windows[name] = ends, spent + 1
        return spent < self.rate_limit

    def _next_once(self, path: str) -> Once | None:
        with self._lock:
            for number, (reply, at) in enumerate(self._once):
                if at in (None, path):
                    del self._once[number]
                    return reply
        return None

    def _next_fault(
        self, request: ApiRequest, points: tuple[InjectionPoint, ...]
    ) -> InjectedFault | None:
        """Return the fault of a request; a delay has passed already, by the exchange's clock."""
        faults = self.exchange.faults
        if not points or not faults.rules:
            return None
        subjects = request.subjects()
        found = (faults.next(point, subjects=subjects) for point in points)
        injected = next((each for each in found if each is not None), None)
        if injected is not None and injected.fault is Fault.SLOW:
            self.exchange.clock.wait(threading.Event(), injected.seconds)
            return None
        return injected


def _called(endpoint: Endpoint, request: ApiRequest, injected: InjectedFault | None) -> Response:
    try:
        answer: ApiResponse = endpoint(request, injected)
    except Refused as refusal:
        return _json(refusal.status, error(refusal))
    return _json(answer.status, answer.body)


def error(refusal: Refused) -> Json:
    """Return Coinbase's body of an error; the message is there twice."""
    details = refusal.message
    return {
        "error": refusal.details.get("error", "unknown"),
        "error_details": details,
        "message": details,
    }


def _json(status: int, body: object) -> Response:
    text = json.dumps(body, separators=(",", ":")).encode()
    return Response(text, status, media_type="application/json")


def _fault_response(injected: InjectedFault) -> Response:
    status, body = _FAULT_RESPONSES[injected.fault]
    status = injected.status or status
    if injected.fault is Fault.REDIRECT:
        return Response(b"", status, {"location": "/nowhere"})
    if isinstance(body, bytes):
        return Response(body, status, media_type="text/html")
    return _json(status, body)


def unauthorized() -> Response:
    """Return the reply to a request without a valid token: text, not JSON."""
    return Response("Unauthorized", 401, media_type="text/plain")


def _missing_scopes() -> Response:
    text = "Missing required scopes"
    return _json(403, {"error": "PERMISSION_DENIED", "error_details": text, "message": text})


def _no_reason() -> Response:
    failure = {"error": "UNKNOWN_FAILURE_REASON", "message": "", "error_details": ""}
    failure |= {"preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON"}
    return _json(200, {"success": False, "error_response": failure, "order_configuration": {}})


_BEFORE: Final = {
    Once.UNAUTHORIZED: unauthorized,
    Once.SCOPES: _missing_scopes,
    Once.UNKNOWN_REASON: _no_reason,
}


def not_found() -> Response:
    """Return the reply to an unknown path."""
    return _json(404, {"error": "NOT_FOUND", "error_details": "no path", "message": "no path"})
