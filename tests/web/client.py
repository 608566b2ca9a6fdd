"""A client of an ASGI application in this process, and a record that it serves."""

import asyncio
import json
from urllib.parse import quote, urlencode

from attrs import frozen

from fillbook.desk.access.tokens import Tokens
from fillbook.desk.record.recorder import Recorder
from fillbook.web import app
from tests.bench import Bench

BASE = "/api/v1/accounts/main"
HOST = "127.0.0.1:8000"


@frozen
class Reply:
    """The answer to one request."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def ask(application, method, path, headers=None, body=b"", query=(), parts=None):
    """Send one request; *parts* is the body in pieces."""
    sent = []
    pieces = list(parts if parts is not None else [body])
    named = {"host": HOST, **{k.lower(): v for k, v in (headers or {}).items() if v is not None}}
    if named["host"] == "":
        del named["host"]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": urlencode(query).encode(),
        "root_path": "",
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in named.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def receive():
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    async def run():
        await application(scope, receive, send)

    asyncio.run(run())
    start = sent[0]
    found = {k.decode(): v.decode() for k, v in start["headers"]}
    return Reply(start["status"], found, b"".join(x.get("body", b"") for x in sent[1:]))


class Served:
    """A record with orders of two strategies, and the service over it."""

    def __init__(self, allow=("cancel", "plans", "halt"), anonymous=False, bench=None, **kw):
        self.bench = bench or Bench()
        self.tokens = Tokens(Recorder(self.bench.store, self.bench.clock))
        self.app = app(
            self.bench.store, allow=allow, anonymous=anonymous, clock=self.bench.clock, **kw
        )

    def token(self, *scopes, strategies=()):
        """Create a token; return its text."""
        return self.tokens.create(scopes, strategies)[1]

    def ask(self, method, path, token=None, **kw):
        """Send one request with a token; *path* without a leading slash is below the book."""
        headers = {**kw.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        full = path if path.startswith("/") else f"{BASE}/{path}"
        return ask(self.app, method, full, headers, **kw)

    def get(self, path, token=None, **query):
        return self.ask("GET", path, token, query=list(query.items()))


def traded(**kw):
    """A service over a record with fills, open orders, trades, a protection and a plan."""
    served = Served(**kw)
    desk, bench = served.bench.desk, served.bench
    desk.buy("SPY", qty=10, strategy="trend")
    desk.sell("SPY", qty=10, strategy="trend")
    desk.buy("AAPL", qty=10, strategy="trend")
    desk.buy("AAPL", qty=5, strategy="value")
    served.mine = desk.buy("MSFT", qty=1, limit_price="150", strategy="trend")
    served.theirs = desk.buy("MSFT", qty=1, limit_price="151", strategy="value")
    served.nobodys = desk.buy("MSFT", qty=1, limit_price="152")
    desk.protect("AAPL", strategy="value", stop_loss="3%")
    bench.pass_(30)
    return served


class OfAnyPort:
    """The application behind the host 127.0.0.1, whatever the port of the test."""

    def __init__(self, application):
        self.application, self.state = application, application.state

    async def __call__(self, scope, receive, send):
        headers = [(k, b"127.0.0.1" if k == b"host" else v) for k, v in scope.get("headers", ())]
        await self.application({**scope, "headers": headers}, receive, send)
