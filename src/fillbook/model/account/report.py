"""The reports of a check and of a reconciliation."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from fillbook.model.account.drift import Confidence, Finding, Verdict
from fillbook.model.account.snapshot import AccountId
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp


@frozen
class Row:
    """One symbol of a comparison, in signed base units."""

    symbol: str
    """The symbol."""
    ours: Decimal | None
    """The position in our record; None: the check used no record."""
    theirs: Decimal | None
    """The position at the broker; None: not read."""
    bot: Decimal | None = None
    """The position that the bot passed in; None: it passed no positions."""
    verdict: str = ""
    """A short text for people."""


@frozen(kw_only=True)
class CheckReport:
    """The result of a check, which writes nothing and sends reads only."""

    _repr_html_ = html_of

    verdict: Verdict
    """In sync, drift, or not observed."""
    at: Timestamp
    """The time (UTC)."""
    account: AccountId | None = None
    """The account; None: not read."""
    rows: tuple[Row, ...] = ()
    """One row a symbol."""
    merged: tuple[Finding, ...] = ()
    """The differences that evidence explains; a sync would merge it."""
    left: tuple[Finding, ...] = ()
    """The differences that no evidence explains."""
    expected: tuple[Finding, ...] = ()
    """The differences between the positions that the bot passed in and the broker's."""
    unobserved: str | None = None
    """The read that failed; None: all succeeded."""
    requests: int = 0
    """The number of requests that were sent."""
    opened: bool = True
    """False: the record has no opening balance yet."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All differences: `merged`, then `left`, then `expected`."""
        return self.merged + self.left + self.expected


@frozen(kw_only=True)
class SyncReport:
    """The result of a reconciliation."""

    _repr_html_ = html_of

    verdict: Verdict
    """In sync, drift, or not observed."""
    at: Timestamp
    """The time (UTC)."""
    account: AccountId | None = None
    """The account; None: not read."""
    rows: tuple[Row, ...] = ()
    """One row a symbol."""
    merged: tuple[Finding, ...] = ()
    """The differences that evidence explained, and that are now in the record."""
    left: tuple[Finding, ...] = ()
    """The differences that no evidence explains."""
    adopted: tuple[Finding, ...] = ()
    """Those whose figure the record took from the broker because a person asked for it."""
    unproven: tuple[str, ...] = ()
    """Client order ids of orders without a reply."""
    unobserved: str | None = None
    """The read that failed; None: all succeeded."""
    entries: int = 0
    """The number of entries that were appended to the journal."""
    requests: int = 0
    """The number of requests that were sent."""
    opened: bool = False
    """This reconciliation took the opening balance."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All differences: those that were merged, then those that are left."""
        return self.merged + self.left

    @property
    def settling(self) -> bool:
        """Whether a difference is settling: the next reconciliation decides."""
        return any(x.confidence is Confidence.SETTLING for x in self.left)


@frozen(kw_only=True)
class RebuildReport:
    """The result of a rebuild of the record from the broker; of a dry run, what it would do."""

    _repr_html_ = html_of

    verdict: Verdict
    """In sync, drift, or not observed."""
    at: Timestamp
    """The time (UTC)."""
    archive: str | None = None
    """The path of the copy of the record as it was; None: a dry run, or it is not a file."""
    stopped: tuple[str, ...] = ()
    """The ids of the plans that were stopped."""
    settled: tuple[str, ...] = ()
    """The client order ids of the orders that were disputed."""
    assigned: tuple[tuple[str, str], ...] = ()
    """External orders whose client order id names a strategy, with that strategy."""
    merged: tuple[Finding, ...] = ()
    """The differences that the broker's evidence explained, which were merged first."""
    adopted: tuple[Finding, ...] = ()
    """The differences whose figure the record took from the broker."""
    left: tuple[Finding, ...] = ()
    """The differences that remain."""
    unobserved: str | None = None
    """The read that failed, and nothing is changed then; None: all succeeded."""
