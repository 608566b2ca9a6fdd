"""
The coordinator: one order, from wish to sent (promises P1 and P2).

Intent first: an order is durable before it is sent, under a client id that is its own
for ever.  What became of it is `desk.orders.resolver`'s, its end `desk.orders.cancel`'s.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.journal import requests
from fillbook.core.permission import Authority
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.approval import Approval, Seen
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.store import Reader

#: How often an order under way on the same symbol is looked at.
_UNDER_WAY_S: Final = 0.05


class Withdrawn(Exception):
    """What was to be placed for another order is not wanted any more; nothing was written."""


class OrderPlacement:
    """Sends what the bot asks for."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        resolver: Resolver,
        approval: Approval,
        clock: Clock,
        *,
        wait_s: float,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._resolver = resolver
        self._approval = approval
        self._clock = clock
        self._wait = timedelta(seconds=wait_s)
        self._book = Book(recorder.store)

    def submit(self, request: m.OrderRequest, key: str | None = None) -> m.Order:
        """
        Place an order, and look at it until it is final or known to rest.

        With *key* the client id is derived from account, strategy and key: submitting again
        gives the order that exists.  Raises: Denied, OrderRejected, Unavailable, KeyReused,
        TradingDisabled, AccountChanged.
        """
        self._gateway.gate()
        account = self._account_link.bind()
        return self.place(client_order_id(account, request.strategy, key), request, key)

    def place(
        self,
        name: str,
        request: m.OrderRequest,
        key: str | None = None,
        authority: Authority = Authority.ORDER,
        withdrawn: Callable[[Reader], bool] = lambda reader: False,
    ) -> m.Order:
        """
        `submit` under a client id of one's own; placing again gives the order that exists.

        *withdrawn* is asked in the transaction that decides: what nobody wants is denied.
        """
        number = self._decide(name, request, key, withdrawn=withdrawn)
        if number is None:  # it was sent before: the bot asks again
            return self._resolver.settled(name)
        return self._send(name, number, authority)

    @contextmanager
    def sending(self, request: m.OrderRequest, key: str | None) -> Iterator[m.Order]:
        """
        Write an order down that the bot then sends by itself, and look at it afterwards.

        It is never sent again by us.  Raises: Denied, AlreadySent, KeyReused, AccountChanged.
        """
        name = client_order_id(self._account_link.bind(), request.strategy, key)
        number, order = self._decide(name, request, key, handed=True), self._book.order(name)
        if number is None:
            words = f"order {name} was sent before and is {order.status}: nothing is to be sent"
            raise errors.AlreadySent(words, order=order)
        try:
            yield order
        finally:
            # Whatever became of it: its bytes may have left until just now.
            words = "left to the bot"
            self._recorder.record(m.Answered(name, number, m.AnswerKind.AMBIGUOUS, words))
            self._resolver.after(name)
        self._resolver.settled(name)

    def _decide(
        self,
        name: str,
        request: m.OrderRequest,
        key: str | None,
        *,
        handed: bool = False,
        withdrawn: Callable[[Reader], bool] = lambda reader: False,
    ) -> int | None:
        """
        The number of the create that is to be made, durable; None if it was made before.

        Where the order of another thread or process is under way on the symbol, its answer is
        waited for, at most wait_s: an order in flight is no reason to refuse the next.
        """
        end = self._clock.elapsed() + self._wait
        while True:
            seen = None if self._is_sent(name) else self._approval.look(request)
            with self._recorder.turn() as turn:
                waits = self._clock.elapsed() < end and not self._gateway.closing.is_set()
                known = turn.read.get(m.OrderRecord, name)
                if known is None and withdrawn(turn.read):
                    words = f"order {name} is not wanted any more: what it replaces was canceled"
                    raise Withdrawn(words)
                taken = self._take(turn, name, request, key, seen, handed=handed, waits=waits)
            if taken is not None:
                break
            self._clock.wait(self._gateway.closing, _UNDER_WAY_S)
        reason, number = taken
        if reason is not None:
            raise _refusal(self._book.order(name), reason, seen)
        return number

    def preview(self, request: m.OrderRequest) -> m.Preview:
        """What would become of *request*; sends nothing and writes nothing."""
        return self._approval.preview(request)

    def _is_sent(self, name: str) -> bool:
        with self._recorder.store.read() as reader:
            record = reader.get(m.OrderRecord, name)
        return record is not None and _was_sent(record)

    def _take(
        self,
        turn: Transaction,
        name: str,
        request: m.OrderRequest,
        key: str | None,
        seen: Seen | None,
        *,
        handed: bool,
        waits: bool,
    ) -> tuple[m.Reason | None, int | None] | None:
        """
        Decide on a request and write that down.

        Why it is denied, or the number of the request to make; neither for what was sent before.
        None, with nothing written, if it *waits* for an order that is under way.
        """
        known = turn.read.get(m.OrderRecord, name)
        _expect_same(known, name, request)
        if known is not None and _was_sent(known):
            if known.intent is None:  # a record that was lost: the broker told of it first
                intent = m.Intent(client_order_id=name, request=request, at=turn.at, key=key)
                turn.take(m.Intended(intent))
            return None, None
        if seen is None:
            return None  # it was sent when we looked, and provably did not leave since
        decision = self._approval.decide(turn.read, turn.at, request, key, seen)
        if waits and _is_under_way(turn, decision.reason):
            return None
        if decision.reason is None or known is None:
            turn.take(m.Intended(decision.intent(name, turn.at)))
        if decision.reason is None:
            number = len(known.requests) + 1 if known is not None else 1
            turn.take(m.Commanded(name, m.Command.SEND, number, handed=handed))
            return None, number
        if known is None or known.order.status is not m.OrderStatus.DENIED:
            turn.take(m.IntentDenied(name, decision.reason.message, decision.reason.code))
        return decision.reason, None

    def _send(self, name: str, number: int, authority: Authority) -> m.Order:
        """Make the request that was just written down, and see what comes of it."""
        unsent = self._book.order(name)
        outcome = self._resolver.create(name, number, authority)
        if self._recorder.owes:
            # The answer is not durable yet: the order may be at the broker, and counts as such.
            return unsent
        order = self._book.order(name)
        self._approval.answered(order, outcome)
        match outcome:
            case m.Rejected(kind, message) if kind is not m.RejectKind.DUPLICATE:
                if order.status is m.OrderStatus.REJECTED and order.broker_order_id is None:
                    words = f"the broker refused order {name}: {message}"
                    raise errors.OrderRejected(words, order=order, kind=kind)
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


def _is_under_way(turn: Transaction, reason: m.Reason | None) -> bool:
    """Whether all that stands in the way is an order whose request was just made."""
    if reason is None or reason.code != m.ReasonCode.SYMBOL_LOCKED:
        return False
    other = turn.read.get(m.OrderRecord, str(dict(reason.figures).get("order", "")))
    return other is not None and bool(other.requests) and other.requests[-1].answer is None


def _refusal(order: m.Order, reason: m.Reason, seen: Seen | None) -> errors.OrderError:
    """The error that says why an order was not sent."""
    words = f"{reason} (nothing was sent)"
    unread = None if seen is None else seen.account
    if isinstance(unread, m.NotObserved) and reason.code == m.ReasonCode.NO_FUNDS_READ:
        return errors.Unavailable(words, order=order, retry_at=unread.retry_at)
    return errors.Denied(words, order=order, reason=reason)


def _expect_same(known: m.OrderRecord | None, name: str, request: m.OrderRequest) -> None:
    """Raises: KeyReused if the order of that name was asked for with other words."""
    if known is None:
        return
    if known.intent is not None:
        same = known.intent.wish == request
    else:
        same = requests.asks_for(known.terms, request)
    if not same:
        raise errors.KeyReused(
            f"order {name} was asked for with other words under this key; "
            "use a new key for a new order"
        )


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
