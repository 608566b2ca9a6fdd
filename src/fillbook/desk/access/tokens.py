"""
Access tokens: created and revoked as entries of the journal, and found by their id.

A token is ``fbk_<id>_<secret>``; the secret has 256 random bits in 43 characters of base64url, and
only its SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from hmac import compare_digest
from typing import Final

from fillbook import model as m
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import InvalidValue
from fillbook.model.account.token import Scope, Token, TokenCreated, TokenRevoked
from fillbook.store import Reader

#: How long a token is valid unless stated otherwise.
DAYS: Final = 90
DAYS_MAX: Final = 3_650
_TEXT: Final = re.compile(r"fbk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Tokens:
    """Creates, revokes and lists the tokens of one record."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def create(
        self, scopes: Sequence[str], strategies: Sequence[str] = (), days: int = DAYS
    ) -> tuple[Token, str]:
        """
        Create a token; return it, and the text that is shown once.

        Raises: InvalidValue, also without a strategy and the scope ``account``.
        """
        token, text = new_token(scopes, strategies, days, self._recorder.now())
        self._recorder.record(TokenCreated(token))
        return token, text

    def revoke(self, token_id: str) -> Token:
        """Revoke a token; a second call does nothing. Raises: InvalidValue: there is none."""
        with self._recorder.transaction() as transaction:
            token = transaction.reader.get(Token, token_id)
            if token is None:
                raise InvalidValue(f"there is no token {token_id!r}; see `fillbook token list`")
            transaction.record(TokenRevoked(token_id))
            return transaction.reader.get(Token, token_id) or token

    def all(self) -> list[Token]:
        """Return all tokens, by the time of their creation."""
        with self._recorder.store.read() as reader:
            return sorted(reader.all(Token), key=lambda x: (x.created_at, x.token_id))


def new_token(
    scopes: Sequence[str], strategies: Sequence[str], days: int, now: m.Timestamp
) -> tuple[Token, str]:
    """Make a token with a new secret, and its text. Raises: InvalidValue."""
    unknown = sorted(set(scopes) - set(Scope))
    if unknown or not scopes:
        raise InvalidValue(
            f"scopes are {', '.join(Scope)}; not {', '.join(unknown) or 'an empty list'}"
        )
    if isinstance(days, bool) or not 0 < days <= DAYS_MAX:
        raise InvalidValue(f"days must be between 1 and {DAYS_MAX}, not {days!r}")
    chosen = tuple(x for x in Scope if x in scopes)
    if Scope.ACCOUNT not in chosen and not strategies:
        raise InvalidValue("a token needs a strategy, or the scope account for all of them")
    secret = secrets.token_urlsafe(32)
    token = Token(
        token_id=secrets.token_hex(6),
        digest=_digest(secret),
        scopes=chosen,
        created_at=now,
        expires_at=m.timestamp(m.moment(now) + timedelta(days=days)),
        strategies=tuple(dict.fromkeys(strategies)),
    )
    return token, f"fbk_{token.token_id}_{secret}"


def authenticate(reader: Reader, text: str, now: m.Timestamp) -> Token | None:
    """Return the valid token of *text*; None: there is none."""
    parts = _TEXT.fullmatch(text)
    token = None if parts is None else reader.get(Token, parts[1])
    # The comparison takes as long for an unknown id, so that the time does not name the known ones.
    stored = _digest("") if token is None else token.digest
    is_same = compare_digest(stored, _digest("" if parts is None else parts[2]))
    return token if token is not None and is_same and token.is_valid(now) else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
