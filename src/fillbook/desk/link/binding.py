"""
The account of the record.

The first read of an account binds the record to (broker, host, account id), and every
reconciliation pass reads the account first.  If the broker reports another account, the pass is
discarded and nothing is sent until `fillbook rebind` has archived the old record.
"""

from __future__ import annotations

from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.core.journal.apply import apply
from fillbook.core.rate_limit import Lane
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import AccountChanged, CredentialsMissing, ReadFailed


class AccountLink:
    """Reads the account, and checks that it is the account of the record."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, available_funds: AvailableFunds
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._available_funds = available_funds
        self._bound: m.AccountId | None = None
        self.latest: m.AccountSnapshot | None = None  #: of the newest read that was observed

    def read(self, *, bind: bool = True) -> m.Read[m.AccountSnapshot]:
        """
        Read the account, and bind the record to it if *bind* and the record is not bound yet.

        Raises: AccountChanged if it is not the account of the record.
        """
        request = self._available_funds.begin_read()
        answer = self._gateway.read("account", self._gateway.broker.account)
        if isinstance(answer, m.Observed):
            if bind or self._bound_account() is not None:
                self._check_account(answer.value)
            self._available_funds.complete_read(request, answer.value)
            self.latest = answer.value
        return answer

    def buying_power(self, currency: str | None = None) -> m.BuyingPower:
        """
        Read the account, and return the buying power that is available in *currency*.

        Raises: AccountChanged, ReadFailed.
        """
        answer = self.read()
        if isinstance(answer, m.NotObserved):
            raise ReadFailed(f"the account could not be read: {answer.message}")
        return self._available_funds.buying_power(currency)

    def funds_since(self, entry: int, currency: str | None) -> tuple[m.Funds, bool] | None:
        """
        Read the account; return what is available, and whether it includes all up to *entry*.

        None: the account could not be read.  Raises: AccountChanged.
        """
        if isinstance(self.read(), m.NotObserved):
            return None
        return self._available_funds.funds_since(entry, currency)

    def bind(self) -> m.AccountId:
        """
        Return the account of this record; read it once in the life of this object.

        Raises: AccountChanged; CredentialsMissing if the broker refuses the credentials;
        ReadFailed if the account could not be read.
        """
        found = self.try_bind()
        if isinstance(found, m.NotObserved):
            raise ReadFailed(f"the account could not be read: {found.message}")
        return found

    def try_bind(self) -> m.AccountId | m.NotObserved:
        """
        Return the account as `bind` does, or the read that failed.

        Raises: AccountChanged; CredentialsMissing if the broker refuses the credentials.
        """
        if self._bound is None:
            with self._gateway.lane(Lane.EXIT):  # a cancel may wait for this read
                answer = self.read()
            if isinstance(answer, m.NotObserved):
                require_credentials(answer)
                return answer
        assert self._bound is not None  # reading the account bound it
        return self._bound

    def _check_account(self, snapshot: m.AccountSnapshot) -> None:
        account = snapshot.account
        if self._bound == account:
            return
        self._bound = None
        # A record that is bound already needs no transaction.
        owner = self._bound_account() or self._bind_first(snapshot)
        if owner != account:
            raise AccountChanged(
                f"this record belongs to {owner}, but the broker reports {account}; "
                "nothing was changed. Open the right store, or archive this record "
                "with `fillbook rebind`"
            )
        # The ids of orders are derived from the account as the record has it.
        self._bound = owner
        self._update_binding(evolve(snapshot, account=owner))

    def _update_binding(self, snapshot: m.AccountSnapshot) -> None:
        """Write the capabilities of the broker if they differ from those in the record."""
        entry = binding_entry(snapshot, self._gateway.broker)
        with self._recorder.store.read() as reader:
            same = not apply(entry, reader.last() + 1, self._recorder.now(), reader)
        if not same:
            self._recorder.record(entry)

    def _bound_account(self) -> m.AccountId | None:
        with self._recorder.store.read() as reader:
            bound = reader.get(m.Binding, "account")
        return None if bound is None else bound.account

    def _bind_first(self, snapshot: m.AccountSnapshot) -> m.AccountId:
        """Bind the record, unless another desk has done so meanwhile; return its account."""
        with self._recorder.transaction() as transaction:
            bound = transaction.reader.get(m.Binding, "account")
            if bound is not None:
                return bound.account
            transaction.record(binding_entry(snapshot, self._gateway.broker))
        return snapshot.account


def binding_entry(snapshot: m.AccountSnapshot, broker: Broker) -> m.Bound:
    """Build the entry that binds a record to an account, with the broker's capabilities."""
    can = broker.capabilities
    return m.Bound(
        snapshot.account,
        can.clocked,
        can.replace_cum,
        can.base_fee,
        snapshot.currency,
        can.reserve_rule,
        can.duplicate_check,
    )


def require_credentials(answer: m.NotObserved) -> None:
    """Raises: CredentialsMissing if a read of the account failed because the broker refused it."""
    if answer.why is m.Failure.REFUSED:
        raise CredentialsMissing(f"the account could not be read: {answer.message}")
