"""The step of a plan that waits for the funds of its buys; other half: `core.plans.plan.funded`."""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.core.pairs import cash_in
from fillbook.core.plans import plan as life
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.record.recorder import Recorder


class FundsStep:
    """Reads the account for the steps that wait for funds."""

    def __init__(self, recorder: Recorder, account_link: AccountLink) -> None:
        self._recorder = recorder
        self._account_link = account_link
        self._awaited: dict[str, int] = {}  #: by step: the entry that the read is to include

    def share_of(self, key: str, action: m.AwaitFunds) -> Decimal | None:
        """
        Return the share of the wanted funds that the account shows; None: it may show more later.

        *key* names the step.
        """
        with self._recorder.store.read() as reader:
            # Every fill before the step is in the record; what is written later is waited for too.
            entry = self._awaited.setdefault(key, reader.last())
            cash = cash_in(reader, action.currency)
        found = self._account_link.funds_since(entry, action.currency)
        if found is None:
            return None
        funds, is_complete = found
        return life.funded(action, funds, cash, is_complete=is_complete)
