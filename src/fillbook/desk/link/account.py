"""
The binder: whose record this is.

A record is bound at first contact to (broker, host, account id), and every pass reads
the account first.  If another account answers, nothing of that pass counts and nothing
is sent until `fillbook rebind` has archived the old record.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.core.journal.apply import apply
from fillbook.core.pacing import Lane
from fillbook.desk.link.buying_power import Funding
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import AccountChanged, CredentialsMissing, ReadFailed


class AccountLink:
    """Reads the account, and holds the record to it."""

    def __init__(self, gateway: Gateway, recorder: Recorder, funding: Funding) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._funding = funding
        self._bound: m.AccountId | None = None
        self.newest: m.AccountSnapshot | None = None  #: what the newest good read told

    def account(self, *, bind: bool = True) -> m.Read[m.AccountSnapshot]:
        """
        The account as it is now, bound at first contact; without *bind*, only if it is already.

        Raises: AccountChanged if it is another than the record's.
        """
        asked = self._funding.asking()
        answer = self._gateway.read("account", self._gateway.broker.account)
        if isinstance(answer, m.Observed):
            if bind or self._owner() is not None:
                self._hold(answer.value)
            self._funding.told(asked, answer.value)
            self.newest = answer.value
        return answer

    def buying_power(self) -> m.BuyingPower:
        """
        What new orders may still cost, by a read of the account made now.

        Raises: AccountChanged, ReadFailed.
        """
        answer = self.account()
        if isinstance(answer, m.NotObserved):
            raise ReadFailed(f"the account could not be read: {answer.message}")
        return self._funding.power()

    def bind(self) -> m.AccountId:
        """
        The account of this record, asked for once.

        Raises: AccountChanged; CredentialsMissing if the broker refuses the keys;
        ReadFailed if it does not answer.
        """
        found = self.bound()
        if isinstance(found, m.NotObserved):
            raise ReadFailed(f"the account could not be read: {found.message}")
        return found

    def bound(self) -> m.AccountId | m.NotObserved:
        """
        `bind`, for who reports a read that failed.

        Raises: AccountChanged; CredentialsMissing if the broker refuses the keys.
        """
        if self._bound is None:
            with self._gateway.lane(Lane.EXIT):  # a cancel may be what waits for it
                answer = self.account()
            if isinstance(answer, m.NotObserved):
                if answer.why is m.Failure.REFUSED:
                    raise CredentialsMissing(f"the account could not be read: {answer.message}")
                return answer
        assert self._bound is not None  # reading the account bound it
        return self._bound

    def _hold(self, snapshot: m.AccountSnapshot) -> None:
        account = snapshot.account
        if self._bound == account:
            return
        self._bound = None
        # Only the first contact writes: a check of a bound record needs no turn at it.
        owner = self._owner() or self._first(snapshot)
        if owner != account:
            raise AccountChanged(
                f"this record belongs to {owner}, but {account} answers; "
                "nothing was changed. Open the right store, or archive this record "
                "with `fillbook rebind`"
            )
        self._bound = account
        self._keep_manners(snapshot)

    def _keep_manners(self, snapshot: m.AccountSnapshot) -> None:
        """Write down what the broker is like, where it is not as the record has it."""
        entry = binding_entry(snapshot, self._gateway.broker)
        with self._recorder.store.read() as reader:
            same = not apply(entry, reader.last() + 1, self._recorder.now(), reader)
        if not same:
            self._recorder.record(entry)

    def _owner(self) -> m.AccountId | None:
        with self._recorder.store.read() as reader:
            bound = reader.get(m.Binding, "account")
        return None if bound is None else bound.account

    def _first(self, snapshot: m.AccountSnapshot) -> m.AccountId:
        """Bind the record, unless another desk has done so meanwhile; whose it is."""
        with self._recorder.turn() as turn:
            bound = turn.read.get(m.Binding, "account")
            if bound is not None:
                return bound.account
            turn.take(binding_entry(snapshot, self._gateway.broker))
        return snapshot.account


def binding_entry(snapshot: m.AccountSnapshot, broker: Broker) -> m.Bound:
    """The entry that binds a record to an account, with its broker's manners."""
    can = broker.capabilities
    return m.Bound(
        snapshot.account,
        can.clocked,
        can.replace_cum,
        can.base_fee,
        snapshot.currency,
        can.reserve_rule,
    )
