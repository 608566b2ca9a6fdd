"""
The gateway: authentication, rate limit and faults of requests.

Order: credentials, rate limit, fault plan, endpoint, reply.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import uuid
from datetime import timedelta
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fillbook import model as m
from fillbook.venue.alpaca.endpoints import ApiResponse, Endpoint, error
from fillbook.venue.alpaca.requests import ApiRequest
from fillbook.venue.alpaca.switches import Behavior
from fillbook.venue.exchange import Account, Exchange, Fault, InjectedFault, InjectionPoint, Refused
from fillbook.venue.http.replies import (
    HANDLED_BY_ENDPOINT,
    NO_REPLY,
    NoResponse,
    TruncatedResponse,
    read_body,
)

#: The paths of market data, and those of it that need no key.
_DATA_PATHS: Final = ("/v2/stocks/", "/v1beta3/")
_PUBLIC_PATHS: Final = ("/v1beta3/crypto/",)

_KNOWN_STATUSES: Final = frozenset(HTTPStatus)
_MINUTE: Final = timedelta(minutes=1)
_HTML: Final = "<html><head><title>{} {}</title></head><body></body></html>"
#: Alpaca's message for a status; other statuses have HTTP's phrase.
_MESSAGES: Final = {500: "internal server error occurred", 504: "request timed out"}

#: The reply of a fault: status, JSON or HTML, further headers.
_FAULT_RESPONSES: Final = {
    Fault.RATE_LIMITED: (429, {"code": 42910000, "message": "rate limit exceeded"}, {}),
    Fault.SERVER_ERROR: (504, {}, {}),
    Fault.HTML: (502, b"", {}),
    Fault.REDIRECT: (307, b"", {"location": "/nowhere"}),
    Fault.EMPTY_LIST: (200, [], {}),
}


@cache
def secret_of(key: str) -> str:
    """Return the API secret of *key*; an emulator's secrets are not confidential."""
    return hashlib.sha256(f"fillbook emulator {key}".encode()).hexdigest()[:40]


class Gateway:
    """
    Passes requests to the accounts of one exchange; an account's name is its API key.

    `rate_limit` is in requests per minute and account, for trading and for market data each.
    """

    def __init__(self, exchange: Exchange, *, rate_limit: int, behavior: Behavior) -> None:
        self.exchange = exchange
        self.rate_limit = rate_limit
        self.behavior = behavior
        self._windows: dict[
            str, tuple[timedelta, int]
        ] = {}  # account name to end of the window, requests in it
        self._lock = threading.Lock()
        self.keys: set[str] = set()  #: the keys that have authenticated until now

    def account(self, key: str | None, secret: str | None) -> Account | None:
        """Return the account of the credentials; None if they are invalid."""
        if key is None or secret != secret_of(key):
            return None
        try:
            found = self.exchange.account(key)
        except KeyError:
            return None
        self.keys.add(key)
        return found

    async def handle(
        self, request: Request, point: InjectionPoint | None, endpoint: Endpoint
    ) -> Response:
        """Return the reply to *request*."""
        is_data = request.url.path.startswith(_DATA_PATHS)
        account = self.authenticate(request) or self._without_key(request)
        if account is None:
            return _html(401, {}) if is_data else unauthorized()
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return NoResponse()  # the client has disconnected
        if body is None:
            return too_large()
        path, query = request.path_params, dict(request.query_params)
        api_request = ApiRequest(self.exchange, account, path, query, body, self.behavior)
        # All in one thread: to change threads costs more than most requests.
        serve = self._serve_data if is_data else self._serve_trading
        return await run_in_threadpool(serve, api_request, point, endpoint)

    def _serve_trading(
        self, api_request: ApiRequest, point: InjectionPoint | None, endpoint: Endpoint
    ) -> Response:
        is_within, headers = self._count_request(api_request.account.name)
        if not is_within:
            return _fault_response(Fault.RATE_LIMITED, headers)
        return self._serve(api_request, point, endpoint, headers)

    def _serve_data(
        self, api_request: ApiRequest, point: InjectionPoint | None, endpoint: Endpoint
    ) -> Response:
        """Serve market data, which has a rate limit of its own and another reply above it."""
        is_within, headers = self._count_request(f"{api_request.account.name} data")
        if not is_within:
            return _json(429, {"message": "too many requests."}, {})
        return self._serve(api_request, point, endpoint, headers)

    def _serve(
        self,
        api_request: ApiRequest,
        point: InjectionPoint | None,
        endpoint: Endpoint,
        headers: dict[str, str],
    ) -> Response:
        injected = self._next_fault(api_request, point)
        fault = None if injected is None else injected.fault
        response: Response | None = None
        if (
            injected is None
            or injected.is_applied
            or fault in HANDLED_BY_ENDPOINT
            or fault not in _REPLACES_RESPONSE
        ):
            response = _response(_call(endpoint, api_request, injected), headers)
        if fault in NO_REPLY:
            return NoResponse()
        if fault is Fault.CUT_PAGE and response is not None:
            return TruncatedResponse(response)
        if injected is not None and fault in _FAULT_RESPONSES:
            return _fault_response(fault, headers, injected)
        assert response is not None
        return response

    def _next_fault(
        self, api_request: ApiRequest, point: InjectionPoint | None
    ) -> InjectedFault | None:
        """Return the fault of a request; a delay has passed already, by the exchange's clock."""
        faults = self.exchange.faults
        if point is None or not faults.rules:
            return None
        injected = faults.next(point, subjects=api_request.subjects())
        if injected is not None and injected.fault is Fault.SLOW:
            self.exchange.clock.wait(threading.Event(), injected.seconds)
            return None
        return injected

    def authenticate(self, request: Request) -> Account | None:
        """Return the account of the request's credentials; None if they are invalid."""
        headers = request.headers
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if ":" in bearer:  # an emulator's token is "key:secret"
            key, _, secret = bearer.partition(":")
            return self.account(key, secret)
        return self.account(headers.get("apca-api-key-id"), headers.get("apca-api-secret-key"))

    def _without_key(self, request: Request) -> Account | None:
        """Return an account for a request of crypto data without a key, which needs none."""
        has_key = "apca-api-key-id" in request.headers or "authorization" in request.headers
        if has_key or not request.url.path.startswith(_PUBLIC_PATHS):
            return None
        return next(iter(self.exchange.accounts()), None)

    def _count_request(self, name: str) -> tuple[bool, dict[str, str]]:
        """Count a request; return whether it is within the rate limit, and the headers."""
        now = self.exchange.clock.elapsed()
        with self._lock:
            ends, spent = self._windows.get(name, (now, 0))
            if ends <= now:
                ends, spent = now + _MINUTE, 0
            self._windows[name] = ends, spent + 1
        remaining = self.rate_limit - spent - 1
        # The exchange's clock may be a manual one; the server sends no date of its own.
        date = {"date": format_datetime(self.exchange.now(), usegmt=True)}
        if not self.behavior.rate_headers:
            return remaining >= 0, date
        return remaining >= 0, date | {
            "x-ratelimit-limit": str(self.rate_limit),
            "x-ratelimit-remaining": str(max(0, remaining)),
            "x-ratelimit-reset": str(math.ceil((self.exchange.now() + ends - now).timestamp())),
        }


#: Faults under which a request does not reach its endpoint, unless it is applied.
_REPLACES_RESPONSE: Final = NO_REPLY | frozenset(_FAULT_RESPONSES)


def _call(
    endpoint: Endpoint, api_request: ApiRequest, injected: InjectedFault | None
) -> ApiResponse:
    try:
        return endpoint(api_request, injected)
    except Refused as refusal:
        body = error(refusal)
        if refusal.kind is m.RejectKind.DUPLICATE:
            body["code"] = api_request.behavior.duplicate_code
        return ApiResponse(refusal.status, body)


def _response(response: ApiResponse, headers: dict[str, str]) -> Response:
    if response.body is None:
        return Response(status_code=response.status, headers=_with_request_id(headers))
    return _json(response.status, response.body, headers)


def _json(status: int, body: object, headers: dict[str, str]) -> Response:
    text = json.dumps(body, separators=(",", ":")).encode()
    return Response(text, status, _with_request_id(headers), media_type="application/json")


def _fault_response(
    fault: Fault, headers: dict[str, str], injected: InjectedFault | None = None
) -> Response:
    status, body, more = _FAULT_RESPONSES[fault]
    status = (injected and injected.status) or status
    phrase = HTTPStatus(status).phrase if status in _KNOWN_STATUSES else "Unknown"
    headers = headers | more
    if fault is Fault.RATE_LIMITED and injected is not None and injected.seconds:
        headers["retry-after"] = str(math.ceil(injected.seconds))
    if fault is Fault.SERVER_ERROR:
        message = _MESSAGES.get(status, phrase.lower())
        body = {"code": status * 100000 + 10000, "message": message}
    if fault is Fault.HTML:
        return _html(status, headers)
    if isinstance(body, bytes):
        return Response(body, status, _with_request_id(headers))
    return _json(status, body, headers)


def _html(status: int, headers: dict[str, str]) -> Response:
    """Return the page that a proxy in front of the service replies with."""
    phrase = HTTPStatus(status).phrase if status in _KNOWN_STATUSES else "Unknown"
    body = _HTML.format(status, phrase).encode()
    return Response(body, status, _with_request_id(headers) | {"content-type": "text/html"})


def _with_request_id(headers: dict[str, str]) -> dict[str, str]:
    return headers | {"x-request-id": uuid.uuid4().hex}


def unauthorized() -> Response:
    """Return the reply to a request without valid credentials: a body without a code."""
    return _json(401, {"message": "unauthorized."}, {})


def too_many() -> Response:
    """Return the reply to a request above the rate limit and to a refused stream."""
    return _fault_response(Fault.RATE_LIMITED, {})


def refused(refusal: Refused) -> Response:
    return _json(refusal.status, error(refusal), {})


def not_found(message: str = "endpoint not found.") -> Response:
    """Return the reply to an unknown path."""
    return _json(404, {"code": 40410000, "message": message}, {})


def too_large() -> Response:
    """Return the reply to a body beyond `BODY_MAX`."""
    body = {"code": 41310000, "message": "the body is larger than 1 MB"}
    return _json(413, body, {"connection": "close"})


def not_allowed() -> Response:
    """Return the reply to a known path with an unknown method."""
    return _json(405, {"code": 40510000, "message": "method not allowed."}, {})
