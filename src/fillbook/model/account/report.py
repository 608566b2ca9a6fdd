"""What a comparison or a pass comes to, for people and programs."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from fillbook.model.account.drift import Confidence, Finding, Verdict
from fillbook.model.account.snapshot import AccountId
from fillbook.model.timestamp import Timestamp


@frozen
class Row:
    """
    One symbol of a comparison, in signed base units; None = that book does not say.

    `bot` is what the bot believes (only where it told), `ours` the record, `theirs` the broker.
    """

    symbol: str
    ours: Decimal | None
    theirs: Decimal | None
    bot: Decimal | None = None
    verdict: str = ""


@frozen(kw_only=True)
class CheckReport:
    """
    What a check saw; it wrote nothing and sent nothing that changes anything.

    `merged` are the differences that evidence explains (a sync would merge it), `left` those
    that nothing explains, `findings` both.  `unobserved` says what could not be read (None: all
    was); the verdict is then NOT_OBSERVED.  `requests` counts the requests sent.
    """

    verdict: Verdict
    at: Timestamp
    account: AccountId | None = None
    rows: tuple[Row, ...] = ()
    merged: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    unobserved: str | None = None
    requests: int = 0
    opened: bool = True  #: False: the record has no opening balance yet

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every difference: those that evidence explains, and those that nothing does."""
        return self.merged + self.left


@frozen(kw_only=True)
class SyncReport:
    """
    What a pass made true, and what it could not.

    `merged` is what the record had not known and now does; `left` are the differences that
    no evidence explains.  `entries` counts what was appended to the journal.
    """

    verdict: Verdict
    at: Timestamp
    account: AccountId | None = None
    rows: tuple[Row, ...] = ()
    merged: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    unproven: tuple[str, ...] = ()  #: client order ids that nobody has answered for yet
    unobserved: str | None = None
    entries: int = 0
    requests: int = 0
    opened: bool = False  #: this pass took the opening balance

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every difference: those that were merged, and those that are left."""
        return self.merged + self.left

    @property
    def settling(self) -> bool:
        """Whether a difference was seen that another pass has to decide."""
        return any(x.confidence is Confidence.SETTLING for x in self.left)
