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
    """
    One symbol of a comparison, in signed base units.

    `ours` is the position in our record; None: the check used no record.  `theirs` is the
    position at the broker.  `bot` is the position that the bot passed in; None: it passed no
    positions.  `verdict` is a short text for people.
    """

    symbol: str
    ours: Decimal | None
    theirs: Decimal | None
    bot: Decimal | None = None
    verdict: str = ""


@frozen(kw_only=True)
class CheckReport:
    """
    The result of a check, which writes nothing and sends reads only.

    `merged` are the differences between record and broker that evidence explains (a sync would
    merge it), `left` those that no evidence explains.  `expected` are the differences between the
    positions that the bot passed in and the broker's.  `unobserved` names the failed read, and the
    verdict is then NOT_OBSERVED; None: all reads succeeded.  `requests` counts the requests sent.
    """

    _repr_html_ = html_of

    verdict: Verdict
    at: Timestamp
    account: AccountId | None = None
    rows: tuple[Row, ...] = ()
    merged: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    expected: tuple[Finding, ...] = ()
    unobserved: str | None = None
    requests: int = 0
    opened: bool = True  #: False: the record has no opening balance yet

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All differences: `merged`, then `left`, then `expected`."""
        return self.merged + self.left + self.expected


@frozen(kw_only=True)
class SyncReport:
    """
    The result of a reconciliation.

    `merged` are the differences that evidence explained and that are now in the record; `left`
    are those that no evidence explains.  `adopted` are those whose figure the record took from the
    broker without evidence, because a person asked for it.  `unobserved` names the failed read;
    None: all succeeded.  `entries` counts the entries appended to the journal, `requests` the
    requests sent.
    """

    _repr_html_ = html_of

    verdict: Verdict
    at: Timestamp
    account: AccountId | None = None
    rows: tuple[Row, ...] = ()
    merged: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    adopted: tuple[Finding, ...] = ()
    unproven: tuple[str, ...] = ()  #: client order ids without a reply
    unobserved: str | None = None
    entries: int = 0
    requests: int = 0
    opened: bool = False  #: this reconciliation took the opening balance

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
    """
    The result of a rebuild of the record from the broker; of a dry run, what it would do.

    `archive` is the path of the copy of the record as it was; None: a dry run, an unread account,
    or a record that is not a file.  `stopped` are the ids of the plans that were stopped, `settled`
    the client ids of the orders that were disputed.  `assigned` are the external orders whose
    client id names a strategy, with that strategy.  `adopted` are the differences whose figure the
    record took from the broker, `left` those that remain.  `unobserved` names the failed read, and
    nothing is changed then; None: all reads succeeded.
    """

    _repr_html_ = html_of

    verdict: Verdict
    at: Timestamp
    archive: str | None = None
    stopped: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    assigned: tuple[tuple[str, str], ...] = ()
    adopted: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    unobserved: str | None = None
