"""
Who may ask what: hosts, origins, tokens, rates.

No cookie is set and no address of a forwarding header is believed.  A request that a page of
another site makes is refused by its Host, its Origin or its Sec-Fetch-Site.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.access.tokens import authenticate
from fillbook.model.account.token import Scope, Token
from fillbook.store import Store
from fillbook.web.problems import Problem
from fillbook.web.routes import Rule

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
#: Requests per second of one token, and how many at once.
RATE: Final = 500
BURST: Final = 1_000
#: Failed authentications per second of one address, and how many at once.
FAILURE_RATE: Final = 5
FAILURE_BURST: Final = 50
#: The callers whose rates are remembered.
_CALLERS_MAX: Final = 10_000
_BEARER: Final = "bearer "


@frozen(kw_only=True)
class Policy:
    """
    What the service permits.

    `hosts` are the accepted values of the Host header, `origins` those of Origin besides these
    hosts.  `allow` are the scopes whose instructions are accepted.  `anonymous`: without a token
    everything may be read.
    """

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()
    allow: frozenset[Scope] = frozenset()
    anonymous: bool = False

    def check_host(self, host: str | None) -> None:
        """Raises: Problem, unless the request names this service."""
        if host is None or host.lower() not in self.hosts:
            raise Problem(
                status=421,
                code="wrong_host",
                detail="the service does not answer for this host; see `fillbook serve --host`",
            )

    def check_origin(self, origin: str | None, fetch_site: str | None) -> None:
        """Raises: Problem, if a page of another site sends the request."""
        own = {f"{scheme}://{host}" for scheme in ("http", "https") for host in self.hosts}
        foreign = origin is not None and origin.lower() not in own | self.origins
        if foreign or (fetch_site or "").lower() in ("cross-site", "same-site"):
            raise Problem(
                status=403,
                code="wrong_origin",
                detail="a page of another site may not instruct this service",
            )

    def check_rule(self, rule: Rule, token: Token | None, *, instructs: bool) -> None:
        """Raises: Problem, unless *token* has what the route needs."""
        if token is None:
            if instructs or not self.anonymous:
                raise unauthorized()
            return
        needed = {rule.scope} | ({Scope.ACCOUNT} if rule.account else set())
        if not needed <= set(token.scopes):
            names = " and ".join(sorted(needed))
            raise Problem(
                status=403, code="not_permitted", detail=f"the token needs the scope {names}"
            )
        if instructs and rule.scope not in self.allow:
            raise Problem(
                status=403,
                code="not_allowed",
                detail=f"the service was started without --allow {rule.scope}",
            )


def unauthorized() -> Problem:
    """Return the problem for a request without a valid token."""
    return Problem(
        status=401,
        code="unauthorized",
        detail="a valid token is needed as Authorization: Bearer; see `fillbook token create`",
        headers={"WWW-Authenticate": "Bearer"},
    )


def token_of(header: str | None, store: Store, now: m.Timestamp) -> Token | None:
    """Return the token of an Authorization header; None: no header. Raises: Problem."""
    if header is None:
        return None
    if not header.lower().startswith(_BEARER):
        raise unauthorized()
    with store.read() as reader:
        token = authenticate(reader, header[len(_BEARER) :].strip(), now)
    if token is None:
        raise unauthorized()
    return token


class Rates:
    """Counts the requests of each caller against a rate; safe from any thread."""

    def __init__(self, clock: Clock, rate: int, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one request. Raises: Problem, if the caller has none left."""
        now = self._clock.elapsed().total_seconds()
        with self._lock:
            left, at = self._left.pop(caller, (float(self._burst), now))
            left = min(float(self._burst), left + (now - at) * self._rate)
            self._left[caller] = (max(left - 1, 0.0), now)
            while len(self._left) > _CALLERS_MAX:
                self._left.popitem(last=False)
        if left < 1:
            raise Problem(
                status=429,
                code="too_many_requests",
                detail=f"at most {self._rate} requests a second",
                headers={"Retry-After": "1"},
            )


def security_headers() -> Mapping[str, str]:
    """Return the headers of every answer."""
    return {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
