"""
The endpoints of Alpaca, and the credentials.

Paper and live differ only in the host, so hosts are compared exactly and every other
host is refused; loopback is allowed, for emulators.  No message here shows a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from attrs import field, frozen

from fillbook.brokers.wire.secrets import hide, quoted_forms, variable
from fillbook.errors import BadAddress, CredentialsMissing

PAPER: Final = "paper-api.alpaca.markets"
LIVE: Final = "api.alpaca.markets"
_DATA: Final = "https://data.alpaca.markets"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

#: The transports of events: alpaca-py's websocket, or server-sent events, which replay.
STREAMS: Final = ("websocket", "sse")

#: Names of environment variables; the first complete pair wins.  Each may end in ``_FILE``.
KEY_VARIABLES: Final = (
    ("ALPACA_API_KEY", "ALPACA_SECRET_KEY"),
    ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"),
)


@frozen
class Endpoints:
    """
    The endpoints of one Alpaca environment.

    *url* is the trading API without a path, *host* its host and port, *stream_url* the
    websocket, *data_url* the market data; *live* is whether orders move real money.
    """

    url: str
    host: str
    stream_url: str
    data_url: str
    live: bool


def parse_address(rest: str) -> tuple[str, dict[str, str]]:
    """
    Split ``paper?stream=sse`` into the target and the options; keep empty values.

    Raises: BadAddress for an unknown option.
    """
    target, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.keys() - {"stream"}:
        raise BadAddress(f"alpaca:{rest.rpartition('@')[2]}: the only option is ?stream=sse")
    return target, options


def endpoints(
    url: str | None = None, *, paper: bool = True, stream_url: str | None = None
) -> Endpoints:
    """
    Return the endpoints at *url* (None: Alpaca's own, paper or live).

    *stream_url* is the websocket (None: ``/stream`` on the host of *url*).  Raises: BadAddress
    for hosts that are neither Alpaca's nor loopback, and for live without ``paper=False``.
    """
    base = (url or f"https://{PAPER if paper else LIVE}").rstrip("/")
    parts = _checked_url(base, ("https", "http"))
    is_local = parts.hostname in _LOOPBACK
    live = not is_local and parts.hostname == LIVE
    if live and paper:
        raise BadAddress(f"{base} is for live accounts: set paper=False, or use {PAPER}")
    if parts.path or parts.query:
        raise BadAddress(f"{base} must not have a path or a query: /v2 is added to it")
    own_stream = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}/stream"
    stream = stream_url or own_stream
    if _checked_url(stream, ("wss", "ws")).hostname != parts.hostname:
        raise BadAddress(f"{stream} is not on the same host as {base}")
    return Endpoints(base, parts.netloc, stream, base if is_local else _DATA, live)


def _checked_url(url: str, schemes: tuple[str, str]) -> SplitResult:
    try:
        parts = urlsplit(url)
        local = parts.hostname in _LOOPBACK and parts.port != 0  # an invalid port raises
        real = parts.netloc in (PAPER, LIVE) and parts.scheme == schemes[0]
        if parts.scheme not in schemes or parts.username or not (local or real):
            raise ValueError(parts.hostname)
    except ValueError:
        raise BadAddress(
            f"{url.rpartition('@')[2]} is not an address of Alpaca: these are "
            f"{schemes[0]}://{PAPER} (alpaca:paper, the default) and {schemes[0]}://{LIVE} "
            f"(alpaca:live); an emulator on this machine is {schemes[1]}://127.0.0.1:8080"
        ) from None
    return parts


@frozen
class Credentials:
    """The credentials of an account: a pair of keys, or an OAuth token."""

    api_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    oauth_token: str | None = field(default=None, repr=False)

    #: Each way in which a text may quote a credential: plain, and as JSON, a URL and HTML write it.
    _quoted: Sequence[str] = field(init=False, repr=False, eq=False)

    @_quoted.default
    def _quoted_default(self) -> Sequence[str]:
        return quoted_forms((self.api_key, self.secret_key, self.oauth_token))

    def __attrs_post_init__(self) -> None:
        given = (self.api_key, self.secret_key) if self.oauth_token is None else (self.oauth_token,)
        for each in given:
            # The error for a line break in a header would quote the key.
            if not each or not each.isascii() or not each.isprintable() or " " in each:
                raise CredentialsMissing(
                    "the keys for Alpaca are empty, or contain spaces, line breaks or non-ASCII"
                )

    def redact(self, text: str) -> str:
        """Replace each credential in *text*, which may quote the headers of a request."""
        return hide(text, self._quoted)


def credentials_from(env: Mapping[str, str]) -> Credentials:
    """
    Find the first complete pair of keys in *env*.

    Raises: CredentialsMissing, which names the variables to set.
    """
    for key_name, secret_name in KEY_VARIABLES:
        key, secret = variable(env, key_name), variable(env, secret_name)
        if key and secret:
            return Credentials(key, secret)
    names = " or ".join(f"{key} and {secret}" for key, secret in KEY_VARIABLES)
    raise CredentialsMissing(
        f"there are no keys for Alpaca: set {names} (or the same names with _FILE)"
    )
