"""`fillbook token`: create, revoke and list the access tokens of a record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from attrs import evolve
from cyclopts import App, Parameter

from fillbook import opening
from fillbook.cli import output
from fillbook.cli.options import JsonOption, StoreOption, existing_store, some
from fillbook.clock import SystemClock
from fillbook.desk.access.tokens import DAYS, Tokens
from fillbook.desk.record.recorder import Recorder
from fillbook.model.account.token import Token

token: App = App(name="token", help="Create, revoke and list the access tokens of the service.")


@token.command
def create(
    scopes: Annotated[
        tuple[str, ...], Parameter(help="What it permits: read, cancel, plans, halt, account.")
    ],
    /,
    *,
    store: StoreOption = None,
    strategy: Annotated[
        tuple[str, ...] | None,
        Parameter(consume_multiple=True, help="Its strategies; account: all of them."),
    ] = None,
    days: Annotated[int, Parameter(help="How long it is valid.", show_default=True)] = DAYS,
    json: JsonOption = False,
) -> None:
    """Create a token, and print it: it is shown once, and only its hash is stored."""
    with _tokens(store) as tokens:
        made, text = tokens.create(scopes, some("--strategy", strategy), days)
    if json:
        output.as_json({"token": _shown(made)})
    else:
        _print([made])
    print(text)


@token.command
def revoke(
    token_id: Annotated[str, Parameter(help="The id of a token; see `fillbook token list`.")],
    /,
    *,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke a token: within a second nothing is answered to it any more."""
    with _tokens(store) as tokens:
        ended = tokens.revoke(token_id)
    output.as_json(_shown(ended)) if json else _print([ended])


@token.command(name="list")
def list_(*, store: StoreOption = None, json: JsonOption = False) -> None:
    """List the tokens, without their secrets."""
    with _tokens(store) as tokens:
        found = tokens.all()
    output.as_json([_shown(x) for x in found]) if json else _print(found)


@contextmanager
def _tokens(store: str | None) -> Iterator[Tokens]:
    opened = opening.open_store(existing_store(store), os.environ)
    try:
        yield Tokens(Recorder(opened, SystemClock()))
    finally:
        opened.close()


def _shown(found: Token) -> Token:
    return evolve(found, digest="")


def _print(found: list[Token]) -> None:
    rows = [
        (
            x.token_id,
            ", ".join(x.scopes),
            ", ".join(x.strategies),
            output.day(x.expires_at),
            output.day(x.revoked_at),
        )
        for x in found
    ]
    output.table("Tokens", ("token", "scopes", "strategies", "expires", "revoked"), rows)
