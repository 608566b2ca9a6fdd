"""Access tokens: what a person or a script may do through the HTTP service."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from fillbook.model.timestamp import Timestamp


class Scope(StrEnum):
    """What a token permits."""

    READ = "read"
    """Read orders, fills, trades, P&L, positions and events."""
    CANCEL = "cancel"
    """Cancel orders, and reconcile one."""
    PLANS = "plans"
    """Approve and reject plans."""
    HALT = "halt"
    """Set and clear the kill switch."""
    ACCOUNT = "account"
    """All strategies, and what concerns the whole account."""


@frozen(kw_only=True)
class Token:
    """An access token; the secret itself is not stored."""

    token_id: str
    """The id of the token, which is in the journal."""
    digest: str
    """The SHA-256 of the secret, as hexadecimal digits."""
    scopes: tuple[Scope, ...]
    """What it permits."""
    created_at: Timestamp
    """From when it is valid (UTC)."""
    expires_at: Timestamp
    """Until when it is valid (UTC)."""
    strategies: tuple[str, ...] = ()
    """Those whose orders, fills and trades it shows; with the scope ACCOUNT all."""
    revoked_at: Timestamp | None = None
    """When it was revoked (UTC); None: it is not revoked."""

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
    """The token."""


@frozen
class TokenRevoked:
    """An entry of the journal: an access token was revoked."""

    token_id: str
    """The id of the token."""
