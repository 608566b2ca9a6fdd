"""
The coordinator: one order, from wish to sent (promises P1 and P2).

Intent first: an order is durable before it is sent, under a client id that is its own
for ever.  What became of it is `desk.resolver`'s, its end `desk.ending`'s.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from fillbook import errors
from fillbook import model as m
from fillbook.core import asking, checks
from fillbook.core.permission import Warrant
from fillbook.desk.binder import Binder
from fillbook.desk.book import Book
from fillbook.desk.line import Line
from fillbook.desk.recorder import Recorder, Transaction
from fillbook.desk.resolver import Resolver


class Coordinator:
    """Sends what the bot asks for."""

    def __init__(self, line: Line, recorder: Recorder, binder: Binder, resolver: Resolver) -> None:
        self._line = line
        self._recorder = recorder
        self._binder = binder
        self._resolver = resolver
        self._book = Book(recorder.store)

    def submit(self, request: m.OrderRequest, key: str | None = None) -> m.Order:
        """
        Place an order, and look at it until it is final or known to rest.

        With *key* the client id is derived from account, strategy and key: submitting again
        gives the order that exists.  Raises: Denied, Rejected, Unavailable, KeyReused,
        NotArmed, AccountChanged.
        """
        self._line.gate()
        account = self._binder.bind()
        return self.place(client_order_id(account, request.strategy, key), request, key)

    def place(
        self,
        name: str,
        request: m.OrderRequest,
        key: str | None = None,
        warrant: Warrant = Warrant.ORDER,
    ) -> m.Order:
        """`submit` under a client id of one's own; placing again gives the order that exists."""
        with self._recorder.turn() as turn:
            record = self._intended(turn, name, request, key)
            denied = None if _was_sent(record) else self._refuse(turn, request)
            number = self._begin(turn, record, denied)
        if denied is not None:
            raise errors.Denied(
                f"{denied.message} (nothing was sent)", order=self._book.order(name)
            )
        if number is None:  # it was sent before: the bot asks again
            return self._resolver.settled(name)
        return self._send(name, number, warrant)

    def _intended(
        self, turn: Transaction, name: str, request: m.OrderRequest, key: str | None
    ) -> m.OrderRecord:
        """The order of that name: the one that is known, or a fresh intent."""
        known = turn.read.get(m.OrderRecord, name)
        same = known is None or (
            known.intent.request == request
            if known.intent is not None
            else asking.asks_for(known.terms, request)
        )
        if not same:
            raise errors.KeyReused(
                f"order {name} was asked for with other words under this key; "
                "use a new key for a new order"
            )
        if known is None or known.intent is None:  # the broker may have told of it first
            intent = m.Intent(client_order_id=name, request=request, at=turn.at, key=key)
            turn.take(m.Intended(intent))
            known = turn.read.get(m.OrderRecord, name)
            assert known is not None  # its intent was taken down just now
        return known

    def _refuse(self, turn: Transaction, request: m.OrderRequest) -> checks.Reason | None:
        return checks.unsupported(request, self._line.broker.capabilities) or checks.locked(
            request,
            turn.read.get(m.Position, request.symbol),
            # The intent just taken down is on no order's way but its own.
            [x.order for x in turn.read.find(m.OrderRecord, "open", "yes") if x.requests or x.ids],
            turn.read.all(m.OpenDrift),
        )

    def _begin(
        self, turn: Transaction, record: m.OrderRecord, denied: checks.Reason | None
    ) -> int | None:
        """Write down what comes next of an intent; the number of the request to make, if any."""
        if denied is not None:
            if record.order.status is not m.OrderStatus.DENIED:  # else it was denied before
                turn.take(m.Denied(record.client_order_id, denied.message))
            return None
        if _was_sent(record):
            return None
        number = len(record.requests) + 1
        turn.take(m.Commanded(record.client_order_id, m.Command.SEND, number))
        return number

    def _send(self, name: str, number: int, warrant: Warrant) -> m.Order:
        """Make the request that was just written down, and see what comes of it."""
        outcome = self._resolver.create(name, number, warrant)
        order = self._book.order(name)
        match outcome:
            case m.Rejected(kind, message) if kind is not m.RejectKind.DUPLICATE:
                if order.status is m.OrderStatus.REJECTED and order.broker_order_id is None:
                    words = f"the broker refused order {name}: {message}"
                    raise errors.Rejected(words, order=order)
            case m.NotSent(_, message, retry_at):
                if order.status is m.OrderStatus.DENIED:
                    words = f"order {name} was not sent: {message}; submit it again"
                    raise errors.Unavailable(words, order=order, retry_at=retry_at)
            case _:
                pass
        return self._resolver.settled(name)

    def wait(self, order: m.Order | str, timeout_s: float) -> m.Order:
        """Look at an order until it is final or *timeout_s* have passed; as it is then."""
        return self._resolver.ended(self._book.record(order).client_order_id, timeout_s)


def _was_sent(record: m.OrderRecord) -> bool:
    """Whether a create of it may have left; what provably did not may be sent as if new."""
    may_send = record.verdict is not None and record.verdict.may_send
    return bool(record.ids or (record.requests and not may_send))


def client_order_id(account: m.AccountId, strategy: str | None, key: str | None) -> str:
    """
    The client id of an order: from account, strategy and *key*, or drawn where there is none.

    Even a lost record makes no second order of one key.  At most 60 characters of
    ``[a-z0-9-]``, the strategy first so that it can be read at the broker.
    """
    if key is None:
        word = secrets.token_hex(16)
    else:
        parts = (str(account), strategy or "", key)
        seed = "".join(f"{len(part)}:{part}" for part in parts)  # no two triples are alike
        word = hashlib.sha256(seed.encode()).hexdigest()[:32]
    name = re.sub(r"[^a-z0-9]+", "-", (strategy or "").lower()).strip("-")[:20]
    return m.ID_PREFIX + "-".join(part for part in (name, word) if part)
