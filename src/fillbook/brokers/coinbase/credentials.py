"""
The endpoints of Coinbase, and the credentials.

Hosts are compared exactly and every other host is refused; loopback is allowed, for emulators.  No
message here shows a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from fillbook.brokers.wire.secrets import hide, quoted_forms, variable
from fillbook.errors import BadAddress, CredentialsMissing

LIVE: Final = "api.coinbase.com"
_STREAM: Final = "wss://advanced-trade-ws-user.coinbase.com"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OPTIONS: Final = frozenset({"portfolio", "sharing"})


@frozen
class Endpoints:
    """
    The endpoints of Coinbase or of an emulator.

    *authority* is the host and the port, *scheme* "https" or "http" (loopback only), *stream_url*
    the WebSocket of the user channel; *live* is whether orders move real money.
    """

    authority: str
    scheme: str
    stream_url: str
    live: bool


def parse_address(rest: str) -> tuple[str, dict[str, str]]:
    """
    Split ``live?portfolio=…&sharing=2`` into the target and the options.

    Raises: BadAddress for an unknown option.
    """
    target, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.keys() - _OPTIONS:
        names = "?portfolio=ID and ?sharing=NUMBER"
        raise BadAddress(f"coinbase:{target}: the only options are {names}")
    return target, options


def endpoints(url: str | None = None, stream_url: str | None = None) -> Endpoints:
    """
    Return the endpoints at *url* (None: Coinbase's own).

    *stream_url* is the user channel (None: of the same host).  Raises: BadAddress for hosts that
    are neither Coinbase's nor loopback.
    """
    base = (url or f"https://{LIVE}").rstrip("/")
    try:
        parts = urlsplit(base)
        is_local = parts.hostname in _LOOPBACK and parts.port != 0  # an invalid port raises
        is_live = parts.netloc == LIVE and parts.scheme == "https"
        is_known = parts.scheme in ("http", "https") and not parts.username and not parts.query
        if not (is_known and not parts.path and (is_local or is_live)):
            raise ValueError(base)
    except ValueError:
        raise BadAddress(
            f"{base.rpartition('@')[2]} is not an address of Coinbase: that is https://{LIVE} "
            "(coinbase:live); an emulator on this machine is http://127.0.0.1:8080, without a path"
        ) from None
    own = f"ws{parts.scheme.removeprefix('http')}://{parts.netloc}" if is_local else _STREAM
    return Endpoints(parts.netloc, parts.scheme, stream_url or own, is_live)


@frozen
class Credentials:
    """The name of an API key, and its private key."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    #: Each way in which a text may quote a credential.
    _quoted: Sequence[str] = field(init=False, repr=False, eq=False)

    @_quoted.default
    def _quoted_default(self) -> Sequence[str]:
        secret = self.api_secret.replace("\\n", "\n")
        lines = (line for line in secret.splitlines() if "-----" not in line)
        return quoted_forms((self.api_key, self.api_secret, secret, *lines))

    def __attrs_post_init__(self) -> None:
        if not self.api_key or not self.api_secret:
            raise CredentialsMissing("the name of the key for Coinbase or its secret is empty")
        if not self.api_key.isascii() or not self.api_key.isprintable() or " " in self.api_key:
            raise CredentialsMissing(
                "the name of the key for Coinbase contains spaces, line breaks or non-ASCII"
            )

    def redact(self, text: str) -> str:
        """Hide each credential in *text*, which may quote the headers of a request."""
        return hide(text, self._quoted)


def credentials_from(env: Mapping[str, str]) -> Credentials:
    """
    Find the key in *env*: a pair of variables, or the file that Coinbase hands out.

    Raises: CredentialsMissing, which names the variables to set.
    """
    key, secret = variable(env, "COINBASE_API_KEY"), variable(env, "COINBASE_API_SECRET")
    if key and secret:
        return Credentials(key, secret)
    path = env.get("COINBASE_KEY_FILE")
    if path:
        return _from_file(path)
    raise CredentialsMissing(
        "there are no keys for Coinbase: set COINBASE_API_KEY and COINBASE_API_SECRET (or the same "
        "names with _FILE), or COINBASE_KEY_FILE"
    )


def _from_file(path: str) -> Credentials:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return Credentials(str(found.get("name") or found["id"]), str(found["privateKey"]))
    except (OSError, ValueError, KeyError, AttributeError):
        raise CredentialsMissing(
            "the file in COINBASE_KEY_FILE cannot be read, or has no name and privateKey"
        ) from None
