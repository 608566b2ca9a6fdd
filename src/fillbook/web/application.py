"""
The service as an ASGI application (Starlette), which can be mounted in another one.

Each request passes the same steps, in this order: host, rate, token, origin, permission,
parameters, body.  Handlers run in threads of their own, so that a slow read delays no other
request's steps.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from importlib import resources
from typing import Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.access.instructing import Instructing
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import FillbookError
from fillbook.model.account.token import Token
from fillbook.store import Store
from fillbook.web import access, metrics, openapi, problems
from fillbook.web.access import Policy, Rates
from fillbook.web.call import TEXT_MAX, WAIT_MAX_S, Answer, Call, as_csv, read_query
from fillbook.web.problems import Problem, problem_of
from fillbook.web.routes import (
    BASE,
    ENDPOINTS,
    METRICS_RULE,
    STREAM,
    STREAM_RULE,
    Endpoint,
)
from fillbook.web.stream import EventStream, Outbox

log: logging.Logger = logging.getLogger("fillbook")

#: The bytes of a body at most, and how long it may take to arrive, in seconds.
BODY_MAX: Final = 4_096
BODY_S: Final = 10.0
#: The handlers that run at once; those that wait for an end have threads of their own.
THREADS: Final = 8
WAITERS: Final = 32
#: The files of the page.
FILES: Final = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "service.js": "text/javascript; charset=utf-8",
    "views.js": "text/javascript; charset=utf-8",
}
_WAIT: Final = re.compile(r"wait=([0-9]{1,2})")

T = TypeVar("T")
Serve = Callable[[Request], Awaitable[ASGIApp]]


class Service:
    """The routes of one record, and what they share."""

    def __init__(
        self, store: Store, clock: Clock, policy: Policy, *, book: str, version: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._book_name = book
        self._book = Book(store, clock=clock)
        self._instructing = Instructing(Recorder(store, clock))
        self._rates = Rates(clock, access.RATE, access.BURST)
        self._failures = Rates(clock, access.FAILURE_RATE, access.FAILURE_BURST)
        self._threads = ThreadPoolExecutor(THREADS, "fillbook-web")
        self._waiters = ThreadPoolExecutor(WAITERS, "fillbook-wait")
        self._slow = ThreadPoolExecutor(1, "fillbook-slow")
        self._document = json.dumps(openapi.document(version)).encode()
        self._meter = metrics.meter(store, clock)
        self.outbox: Outbox = Outbox(store, clock)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route(BASE + x.path, _Guarded(self, self._endpoint(x), x.method), methods=[x.method])
            for x in ENDPOINTS
        ]
        others: dict[str, Serve] = {
            BASE + STREAM: self._stream,
            "/openapi.json": self._openapi,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/": self._page,
            "/static/{name}": self._static,
        }
        routes += [
            Route(path, _Guarded(self, serve, "GET"), methods=["GET"])
            for path, serve in others.items()
        ]
        return _application(routes, self)

    # -- the steps of a request --------------------------------------------------------

    def check(self, request: Request, method: str) -> None:
        """Check host and origin. Raises: Problem."""
        self._policy.check_host(request.headers.get("host"))
        if method != "GET":
            headers = request.headers
            self._policy.check_origin(headers.get("origin"), headers.get("sec-fetch-site"))

    async def _token(self, request: Request) -> Token | None:
        """Return the token of a request, and count the request. Raises: Problem."""
        address = "" if request.client is None else request.client.host
        header = request.headers.get("authorization")
        now = m.timestamp(self._clock.now())
        try:
            token = await self._run(lambda: access.token_of(header, self._store, now))
        except Problem:
            self._failures.take(address)
            raise
        self._rates.take("" if token is None else token.token_id)
        return token

    async def _run(self, call: Callable[[], T], threads: ThreadPoolExecutor | None = None) -> T:
        chosen = threads or self._threads
        return await asyncio.get_running_loop().run_in_executor(chosen, call)

    def _endpoint(self, endpoint: Endpoint) -> Serve:
        instructs = endpoint.method != "GET"

        async def serve(request: Request) -> ASGIApp:
            token = await self._token(request)
            self._policy.check_rule(endpoint.rule, token, instructs=instructs)
            path = self._path(request)
            query = read_query(endpoint.query, request.query_params.multi_items())
            wait_s = _wait_of(request) if instructs else 0
            body = await _body_of(request, reads=endpoint.why)
            call = Call(
                book=self._book,
                store=self._store,
                clock=self._clock,
                instructing=self._instructing,
                token=token,
                path=path,
                query=query,
                body=body,
                wait_s=wait_s,
                allow=self._policy.allow,
            )
            wants_csv = endpoint.is_list and _prefers_csv(request)
            threads = self._slow if endpoint.slow else self._waiters if wait_s else None
            found = await self._run(lambda: _respond(endpoint.serve(call), wants_csv), threads)
            if instructs and token is not None:
                log.info(
                    "%s by token %s: %s",
                    endpoint.name,
                    token.token_id,
                    found.status_code,
                    extra={"action": endpoint.name, "token": token.token_id},
                )
            return found

        return serve

    def _path(self, request: Request) -> Mapping[str, str]:
        path: Mapping[str, str] = request.path_params
        if path["book"] != self._book_name:
            raise problems.not_found("there is no such book")
        if any(len(x) > TEXT_MAX for x in path.values()):
            raise problems.invalid(f"a part of the path has more than {TEXT_MAX} characters")
        return path

    # -- other routes ------------------------------------------------------------------

    async def _stream(self, request: Request) -> ASGIApp:
        token = await self._token(request)
        self._policy.check_rule(STREAM_RULE, token, instructs=False)
        self._path(request)
        read_query((), request.query_params.multi_items())
        last = request.headers.get("last-event-id")
        if last is not None and (len(last) > TEXT_MAX or not last.isprintable()):
            raise problems.invalid("Last-Event-ID must be the id of an event")
        self.outbox.check_room()
        return EventStream(self.outbox, token, last, access.security_headers())

    async def _openapi(self, request: Request) -> ASGIApp:
        return _response(self._document, "application/json")

    async def _healthz(self, request: Request) -> ASGIApp:
        return _response(b"ok", "text/plain; charset=utf-8")

    async def _readyz(self, request: Request) -> ASGIApp:
        try:
            await self._run(lambda: self._store.cell("lease"))
        except FillbookError:
            return _response(b"unready", "text/plain; charset=utf-8", 503)
        return _response(b"ready", "text/plain; charset=utf-8")

    async def _metrics(self, request: Request) -> ASGIApp:
        token = await self._token(request)
        self._policy.check_rule(METRICS_RULE, token, instructs=False)
        if self._meter is None:
            raise problems.not_found('metrics need: pip install "fillbook[prometheus]"')
        return _response(await self._run(self._meter.text), metrics.MEDIA_TYPE)

    async def _page(self, request: Request) -> ASGIApp:
        return _file("page.html", self._book_name)

    async def _static(self, request: Request) -> ASGIApp:
        name = request.path_params["name"]
        return _file("" if name == "page.html" else name)


class _Guarded:
    """One route as an ASGI application: every error is a problem document."""

    def __init__(self, service: Service, serve: Serve, method: str) -> None:
        self._service = service
        self._serve = serve
        self._method = method

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            self._service.check(request, self._method)
            answer = await self._serve(request)
        except ClientDisconnect:
            return
        except Problem as problem:
            answer = problem_response(problem)
        except FillbookError as error:
            found = problem_of(error)
            if found is None:
                raise
            if found.status == 503:
                log.warning("a request failed: %s", error)
            answer = problem_response(found)
        await answer(scope, receive, send)


def _application(routes: list[Route], service: Service) -> Starlette:
    for route in routes:  # a HEAD of the stream would have no end
        route.methods = set(route.methods or ()) - {"HEAD"}

    async def missing(request: Request, error: Exception) -> Response:
        return _guarded_problem(service, request, problems.not_found("there is no such path"))

    async def refused(request: Request, error: Exception) -> Response:
        path = request.scope["path"]
        known = sorted({x for r in routes if r.path_regex.match(path) for x in r.methods or ()})
        problem = Problem(
            status=405,
            code="method",
            detail="the path has other methods",
            headers={"Allow": ", ".join(known)},
        )
        return _guarded_problem(service, request, problem)

    async def failed(request: Request, error: Exception) -> Response:
        return problem_response(Problem(status=500, code="bug", detail="a bug; see the log"))

    application = Starlette(
        routes=routes, exception_handlers={404: missing, 405: refused, 500: failed}
    )
    application.router.redirect_slashes = False
    application.state.close = service.outbox.close
    return application


def _guarded_problem(service: Service, request: Request, problem: Problem) -> Response:
    try:
        service.check(request, "GET")
    except Problem as other:
        problem = other
    return problem_response(problem)


# -- parts of requests and answers -----------------------------------------------------


def _wait_of(request: Request) -> int:
    """Return how long the caller wants to wait, in seconds; an unknown preference is ignored."""
    found = _WAIT.fullmatch(request.headers.get("prefer", "").strip())
    return 0 if found is None else min(int(found[1]), WAIT_MAX_S)


async def _body_of(request: Request, *, reads: bool) -> Mapping[str, Any]:
    """Read the body, bounded in size and time. Raises: Problem."""
    length = request.headers.get("content-length", "0")
    too_large = Problem(
        status=413,
        code="too_large",
        detail=f"a body has {BODY_MAX} bytes at most",
        headers={"Connection": "close"},
    )
    if not length.isdecimal() or int(length) > BODY_MAX:
        raise too_large
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > BODY_MAX:
                    raise too_large
    except TimeoutError:
        raise Problem(
            status=400,
            code="too_slow",
            detail="the body did not arrive in time",
            headers={"Connection": "close"},
        ) from None
    if not body:
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise problems.invalid("the body must be a JSON object") from None
    if not isinstance(value, dict) or not (set(value) <= {"why"} if reads else not value):
        raise problems.invalid("the body must be a JSON object with `why` at most")
    return value


def _prefers_csv(request: Request) -> bool:
    accepted = request.headers.get("accept", "").lower()
    first = accepted.split(",")[0].split(";")[0].strip()
    return first == "text/csv"


def _respond(found: Answer, wants_csv: bool) -> Response:
    if wants_csv:
        text = as_csv(found.rows or ())
        return _response(text.encode(), "text/csv; charset=utf-8", found.status, found.headers)
    return _response(found.text.encode(), "application/json", found.status, found.headers)


def _response(
    body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    named = {**access.security_headers(), **(headers or {}), "Content-Type": media_type}
    return Response(body, status, named)


def problem_response(problem: Problem) -> Response:
    """Return the answer of a problem."""
    return _response(problem.body(), problems.MEDIA_TYPE, problem.status, problem.headers)


def _file(name: str, book: str = "") -> Response:
    if name not in FILES:
        raise problems.not_found("there is no such file")
    body = resources.files("fillbook.web").joinpath("static", name).read_bytes()
    body = body.replace(b"{book}", escape(book).encode()) if book else body
    return _response(body, FILES[name])
