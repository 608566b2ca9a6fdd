"""
The HTTP service over a record: for teams, monitors and the page, without any broker key.

It needs the extra `web`.  `app` makes an ASGI application, `fillbook serve` runs it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from fillbook import opening
from fillbook.clock import Clock, SystemClock
from fillbook.errors import ExtraMissing, InvalidValue
from fillbook.model.account.token import Scope
from fillbook.store import Store

try:
    from starlette.applications import Starlette

    from fillbook.web.access import LOOPBACK, Policy
    from fillbook.web.application import Service
except ImportError:
    raise ExtraMissing('the service is not installed: pip install "fillbook[web]"') from None

__all__ = ["app"]


def app(
    store: str | Store | None = None,
    *,
    book: str = "main",
    hosts: Sequence[str] = (),
    port: int | None = 8000,
    origins: Sequence[str] = (),
    allow: Sequence[str] = (),
    anonymous: bool = False,
    clock: Clock | None = None,
) -> Starlette:
    """
    Make the ASGI application of one record; it sends nothing to a broker.

    *store* is an address or an instance, as in `fillbook.open`.  *book* is its name in the paths.
    *hosts* are the accepted values of the Host header besides those of this machine with *port*
    (None: without a port); *origins* those of Origin besides these hosts.  *allow* are the scopes
    whose instructions are accepted: ``cancel``, ``plans``, ``halt``.  *anonymous* permits reads
    without a token, which is only for a server that this machine alone reaches.
    Raises: BadAddress, InvalidValue, StoreError.
    """
    unknown = set(allow) - {Scope.CANCEL, Scope.PLANS, Scope.HALT}
    if unknown:
        raise InvalidValue(f"allow takes cancel, plans and halt; not {', '.join(sorted(unknown))}")
    if anonymous and allow:
        raise InvalidValue("a service that allows instructions needs a token for everything")
    ending = "" if port is None else f":{port}"
    policy = Policy(
        hosts=frozenset({f"{x}{ending}" for x in LOOPBACK} | {x.lower() for x in hosts}),
        origins=frozenset(x.lower() for x in origins),
        allow=frozenset(Scope(x) for x in allow),
        anonymous=anonymous,
    )
    opened = opening.open_store(store, os.environ)
    return Service(
        opened, clock or SystemClock(), policy, book=book, version=_version()
    ).application()


def _version() -> str:
    from fillbook import __version__

    return __version__
