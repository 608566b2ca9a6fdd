"""
The tokens of requests: a JWT signed with the private key of an API key.

Source: https://docs.cdp.coinbase.com/coinbase-app/authentication-authorization/api-key-authentication.
"""

from __future__ import annotations

import hashlib
import threading
import time
from base64 import b64encode
from functools import cache
from typing import Any, Final

from fillbook.errors import ExtraMissing

try:
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
except ImportError:
    raise ExtraMissing(
        'the emulator of Coinbase is not installed: pip install "fillbook[coinbase,emulator]"'
    ) from None

_LIFE_S: Final = 120
_ISSUERS: Final = ("cdp", "coinbase-cloud")  #: the SDK's, and that of older clients
_SKEW_S: Final = 5
_NONCES_MAX: Final = 100_000


def _seed(key: str) -> bytes:
    """Return the seed of both private keys of *key*; an emulator's keys are not confidential."""
    return hashlib.sha256(f"fillbook emulator {key}".encode()).digest()


@cache
def private_key(key: str) -> ec.EllipticCurvePrivateKey:
    """Return the private key of the API key *key*, for ES256."""
    return ec.derive_private_key(int.from_bytes(_seed(key), "big") >> 1, ec.SECP256R1())


def short_secret_of(key: str) -> str:
    """Return the other secret of *key*: an Ed25519 key in one line."""
    return b64encode(_seed(key)).decode()


@cache
def _public_key(key: str, algorithm: str) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.from_private_bytes(_seed(key)).public_key()
    return private_key(key).public_key()


@cache
def secret_of(key: str) -> str:
    """Return the API secret of *key*, as Coinbase hands it out: a private key in PEM."""
    pem = private_key(key).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return pem.decode()


def _uris(claims: dict[str, Any]) -> list[str | None]:
    """Return the requests that a token is for; it may name one or several, with the scheme."""
    found = claims.get("uris") or [claims.get("uri")]
    return [each.replace(" http://", " ") if isinstance(each, str) else each for each in found]


class Tokens:
    """The check of tokens; a nonce is accepted once."""

    def __init__(self, *, checks_time: bool) -> None:
        self.checks_time = checks_time
        self._nonces: dict[str, None] = {}
        self._lock = threading.Lock()

    def key_of(self, token: str, uri: str | None) -> str | None:
        """Return the API key that signed *token* for *uri* (None: a stream); None if invalid."""
        try:
            header: dict[str, Any] = jwt.get_unverified_header(token)
            key = header["kid"]
            claims: dict[str, Any] = jwt.decode(
                token,
                _public_key(key, header["alg"]),
                algorithms=["ES256", "EdDSA"],
                options={"verify_exp": False, "verify_nbf": False, "verify_aud": False},
            )
            begins, ends = int(claims["nbf"]), int(claims["exp"])
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError):
            return None
        now = time.time()
        is_valid = (
            claims.get("sub") == key
            and claims.get("iss") in _ISSUERS
            and uri in _uris(claims)
            and ends - begins == _LIFE_S
            and (not self.checks_time or begins - _SKEW_S <= now < ends)
            and self._is_new(header.get("nonce"))
        )
        return key if is_valid and isinstance(key, str) else None

    def _is_new(self, nonce: object) -> bool:
        if not isinstance(nonce, str) or not nonce:
            return False
        with self._lock:
            is_new = nonce not in self._nonces
            self._nonces[nonce] = None
            if len(self._nonces) > _NONCES_MAX:
                del self._nonces[next(iter(self._nonces))]
        return is_new
