"""Access tokens: what a person or a script may do through the HTTP service."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from fillbook.model.timestamp import Timestamp


class Scope(StrEnum):
    """What a token permits."""

    READ = "read"  #: read orders, fills, trades, P&L, positions and events
    CANCEL = "cancel"  #: cancel orders, and reconcile one
    PLANS = "plans"  #: approve and reject plans
    HALT = "halt"  #: set and clear the kill switch
    ACCOUNT = "account"  #: all strategies, and what concerns the whole account


@frozen(kw_only=True)
class Token:
    """
    An access token; the secret itself is not stored.

    `digest` is the SHA-256 of the secret, as hexadecimal digits.  `strategies` are those whose
    orders, fills and trades it shows; with the scope ACCOUNT it shows all.  It is valid from
    `created_at` until `expires_at` (UTC), unless `revoked_at` is set; None: it is not revoked.
    """

    token_id: str
    digest: str
    scopes: tuple[Scope, ...]
    created_at: Timestamp
    expires_at: Timestamp
    strategies: tuple[str, ...] = ()
    revoked_at: Timestamp | None = None

    def is_valid(self, at: Timestamp) -> bool:
        """Return whether it is neither expired nor revoked at the time *at*."""
        return self.revoked_at is None and at < self.expires_at

    @property
    def sees_account(self) -> bool:
        """Whether it shows all strategies, and the whole account."""
        return Scope.ACCOUNT in self.scopes

    def sees(self, strategy: str | None) -> bool:
        """Return whether it shows the orders of *strategy*; None: those without a strategy."""
        return self.sees_account or (strategy or "") in self.strategies


@frozen
class TokenCreated:
    """An entry of the journal: an access token was created."""

    token: Token


@frozen
class TokenRevoked:
    """An entry of the journal: an access token was revoked."""

    token_id: str
