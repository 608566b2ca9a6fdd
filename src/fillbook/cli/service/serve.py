"""`fillbook serve`: the HTTP service and the page over a record."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from fillbook import errors, opening
from fillbook.cli import output
from fillbook.cli.options import StoreOption, existing_store, some
from fillbook.clock import SystemClock
from fillbook.desk.access.tokens import Tokens
from fillbook.desk.record.recorder import Recorder
from fillbook.model.account.token import Scope
from fillbook.store import Store

#: The file of the token that is made if there is none.
TOKEN_FILE: Final = Path("fillbook.token")


def serve(
    *,
    store: StoreOption = None,
    listen: Annotated[
        str, Parameter(help="The address to listen on.", show_default=True)
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port; 0: any free one.", show_default=True)] = 8000,
    host: Annotated[
        tuple[str, ...] | None,
        Parameter(consume_multiple=True, help="Accepted Host headers, such as desk.example:443."),
    ] = None,
    origin: Annotated[
        tuple[str, ...] | None,
        Parameter(consume_multiple=True, help="Accepted Origin headers besides these hosts."),
    ] = None,
    allow: Annotated[
        tuple[str, ...] | None,
        Parameter(
            consume_multiple=True, help="Accept instructions: cancel, plans, halt. Needs tokens."
        ),
    ] = None,
    cert: Annotated[Path | None, Parameter(help="A certificate for TLS.")] = None,
    key: Annotated[Path | None, Parameter(help="Its private key.")] = None,
    behind_tls: Annotated[bool, Parameter(help="A proxy on this machine ends TLS.")] = False,
) -> None:
    """
    Serve the record over HTTP, with a page for a browser, until Ctrl-C.

    It has no broker keys: what it accepts is carried out by the desk that ticks. On this machine
    alone it may be read without a token; with --allow, and everywhere else, each request needs one.
    """
    from fillbook.web import app
    from fillbook.web.server import Address, Server, listening

    address = Address(host=listen, port=port, cert=cert, key=key, behind_tls=behind_tls)
    address.check()
    hosts, origins = some("--host", host), some("--origin", origin)
    allowed = some("--allow", allow)
    with ExitStack() as ended:
        opened = opening.open_store(existing_store(store), os.environ)
        ended.callback(opened.close)
        socket = ended.enter_context(listening(listen, port))
        bound = socket.getsockname()[1]
        anonymous = address.is_loopback and not behind_tls and not allowed
        application = app(
            opened, hosts=hosts, port=bound, origins=origins, allow=allowed, anonymous=anonymous
        )
        if not anonymous:
            _make_token(opened, allowed)
        scheme = "http" if cert is None else "https"
        where = f"serving at {scheme}://{listen}:{bound}/ (Ctrl-C ends it)"
        output.err.print(where, soft_wrap=True)
        Server(application, socket, address).run()


def _make_token(store: Store, allow: tuple[str, ...]) -> None:
    """Make a token in a file that only its owner reads, if the record has no valid one."""
    tokens = Tokens(Recorder(store, SystemClock()))
    now = Recorder(store, SystemClock()).now()
    if any(x.is_valid(now) for x in tokens.all()):
        return
    try:
        file = os.open(TOKEN_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise errors.InvalidValue(
            f"{TOKEN_FILE} exists, but the record has no valid token: remove the file, or make one "
            "with `fillbook token create`"
        ) from None
    with os.fdopen(file, "w") as out:
        _, text = tokens.create([Scope.READ, Scope.ACCOUNT, *allow])
        out.write(f"{text}\n")
    output.err.print(f"a token for everything that is allowed is in {TOKEN_FILE}")
