"""
The placement of an order, from the request until it is sent (promises P1 and P2).

An order is durable before it is sent, under a client order id that is never reused.
`desk.orders.resolver` determines its outcome, `desk.orders.cancel` cancels it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from attrs import fields

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.journal import requests
from fillbook.core.orders import client_ids
from fillbook.core.send_permission import Authority
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.orders.approval import Approval, CheckInputs
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.store import Reader

#: The period of the checks while an order on the same symbol is in flight.
_IN_FLIGHT_POLL_S: Final = 0.05
#: Not the reference price, which is no part of the request.
_FIELDS: Final = tuple(x for x in fields(m.OrderRequest) if x.eq)


class ChangeWithdrawn(Exception):
    """The change that places the order was withdrawn; nothing was written."""


class OrderPlacement:
    """Places the orders of the bot."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        resolver: Resolver,
        approval: Approval,
        symbols: Symbols,
        clock: Clock,
        *,
        wait_s: float,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._resolver = resolver
        self._approval = approval
        self._symbols = symbols
        self._clock = clock
        self._wait = timedelta(seconds=wait_s)
        self._book = Book(recorder.store)

    def submit(self, request: m.OrderRequest, key: str | None = None) -> m.Order:
        """
        Place an order, and follow it until it is final or working as intended.

        With *key* the client order id is derived from account, strategy and key: a second submit
        returns the order that exists.  Raises: Denied, OrderRejected, Unavailable, KeyReused,
        TradingDisabled, AccountChanged.
        """
        self._gateway.require_trading_enabled()
        account = self._account_link.bind()
        return self.place(client_order_id(account, request.strategy, key), request, key)

    def place(
        self,
        name: str,
        request: m.OrderRequest,
        key: str | None = None,
        authority: Authority = Authority.ORDER,
        is_withdrawn: Callable[[Reader], bool] = lambda reader: False,
        plan: str | None = None,
    ) -> m.Order:
        """
        Place an order under the client order id *name*; if it exists, return it.

        *is_withdrawn* is called in the transaction that decides on a new order.  *plan* is the plan
        whose step it is: the plan follows the order, so this returns once it was sent.  Raises:
        ChangeWithdrawn if *is_withdrawn* returns true.
        """
        request = self._with_defaults(request, name)
        number = self._decide(name, request, key, is_withdrawn=is_withdrawn, plan=plan)
        if number is None:  # it was sent before
            return self._followed(self._book.order(name), plan)
        return self._send(name, number, authority, plan)

    def _followed(self, order: m.Order, plan: str | None) -> m.Order:
        """Return an order that was sent; that of the bot once it works as intended."""
        if plan is not None:
            return order
        return self._resolver.wait_until_working(order.client_order_id, order)

    @contextmanager
    def sending(self, request: m.OrderRequest, key: str | None) -> Iterator[m.Order]:
        """
        Record an order that the bot sends itself, and follow it afterwards.

        We never resend it.  Raises: Denied, AlreadySent, KeyReused, AccountChanged.
        """
        name = client_order_id(self._account_link.bind(), request.strategy, key)
        request = self._with_defaults(request, name)
        number, order = self._decide(name, request, key, handed=True), self._book.order(name)
        if number is None:
            text = f"order {name} was already sent and is {order.status}: do not send it again"
            raise errors.AlreadySent(text, order=order)
        try:
            yield order
        finally:
            # Its outcome is unknown: the bot may have sent it until now.
            text = "sent by the bot; outcome unknown"
            answer = m.Answered(name, number, m.AnswerKind.AMBIGUOUS, text)
            self._recorder.record_reply(answer)
            self._resolver.schedule_next(name)
        self._resolver.wait_until_working(name)

    def _decide(
        self,
        name: str,
        request: m.OrderRequest,
        key: str | None,
        *,
        handed: bool = False,
        is_withdrawn: Callable[[Reader], bool] = lambda reader: False,
        plan: str | None = None,
    ) -> int | None:
        """
        Record the decision; return the number of the create, or None if it was sent before.

        If an order of another thread or process is in flight on the symbol, wait for its reply,
        at most `wait_s`: an order in flight is no reason to deny the next one.
        """
        end = self._clock.elapsed() + self._wait
        while True:
            is_sent = self._is_sent(name)
            inputs = None if is_sent else self._approval.read_inputs(request, plan=plan)
            with self._recorder.transaction() as transaction:
                may_wait = (
                    plan is None
                    and self._clock.elapsed() < end
                    and not self._gateway.closing.is_set()
                )
                known = transaction.reader.get(m.OrderRecord, name)
                unsent = known is None or not _was_sent(known)
                if unsent and is_withdrawn(transaction.reader):
                    text = f"order {name} was not sent: the change that it belongs to was withdrawn"
                    raise ChangeWithdrawn(text)
                result = self._record_decision(
                    transaction, name, request, key, inputs, handed=handed, may_wait=may_wait
                )
            if result is not None:
                break
            self._clock.wait(self._gateway.closing, _IN_FLIGHT_POLL_S)
        reason, number = result
        if reason is not None:
            raise _denial_error(self._book.order(name), reason, inputs)
        return number

    def preview(self, request: m.OrderRequest) -> m.Preview:
        """Return the checks and the impact of *request*; send no order and write nothing."""
        return self._approval.preview(self._with_defaults(request))

    def _with_defaults(self, request: m.OrderRequest, name: str = "") -> m.OrderRequest:
        """
        Return *request* with the present symbol and a time in force.

        *name* is its client order id; "": it has none yet.
        """
        symbol = m.symbol_of(request.symbol)
        with self._recorder.store.read() as reader:
            known_symbol = self._symbols.stored(reader, symbol)
            pair = self._approval.pair_of(reader, symbol)
            known = reader.get(m.OrderRecord, name)
        if known_symbol != request.symbol:
            request = self._symbols.request(request)
            with self._recorder.store.read() as reader:
                pair = self._approval.pair_of(reader, request.symbol)
        intent, can = None if known is None else known.intent, self._gateway.broker.capabilities
        return pairs.with_time_in_force(request, pair, can, intent)

    def _is_sent(self, name: str) -> bool:
        with self._recorder.store.read() as reader:
            record = reader.get(m.OrderRecord, name)
        return record is not None and _was_sent(record)

    def _record_decision(
        self,
        transaction: Transaction,
        name: str,
        request: m.OrderRequest,
        key: str | None,
        inputs: CheckInputs | None,
        *,
        handed: bool,
        may_wait: bool,
    ) -> tuple[m.Reason | None, int | None] | None:
        """
        Decide on a request, and write the decision.

        Return the reason of a denial, or the number of the create; (None, None) if it was sent
        before.  Return None, and write nothing, if it *may_wait* for an order in flight.
        """
        known = transaction.reader.get(m.OrderRecord, name)
        _check_same_request(known, name, request)
        if known is not None and _was_sent(known):
            if known.intent is None:  # the record was lost: the broker reported the order first
                intent = m.Intent(client_order_id=name, request=request, at=transaction.at, key=key)
                transaction.record(m.Intended(intent))
            return None, None
        if inputs is None:
            return None  # it was sent when we read it, and has provably failed since
        decision = self._approval.decide(transaction.reader, transaction.at, request, key, inputs)
        if may_wait and _is_in_flight(transaction, decision.reason):
            return None
        if decision.reason is None or known is None:
            transaction.record(m.Intended(decision.intent(name, transaction.at)))
        if decision.reason is None:
            number = len(known.requests) + 1 if known is not None else 1
            transaction.record(m.Commanded(name, m.Command.SEND, number, handed=handed))
            return None, number
        if known is None or known.order.status is not m.OrderStatus.DENIED:
            transaction.record(m.IntentDenied(name, decision.reason.message, decision.reason.code))
        return decision.reason, None

    def _send(
        self, name: str, number: int, authority: Authority, plan: str | None = None
    ) -> m.Order:
        """Send the create that was just recorded, and follow the order."""
        created = self._resolver.create(name, number, authority)
        order = created.after
        if order is None or self._recorder.has_unwritten:
            # The reply is not durable yet: the order may be at the broker, and counts as sent.
            return created.before
        self._approval.apply_outcome(order, created.outcome)
        match created.outcome:
            case m.Rejected(kind, message) if kind is not m.RejectKind.DUPLICATE:
                if order.status is m.OrderStatus.REJECTED and order.broker_order_id is None:
                    text = f"the broker rejected order {name}: {message}"
                    raise errors.OrderRejected(text, order=order, kind=kind)
            case m.NotSent(_, message, retry_at):
                if order.status is m.OrderStatus.DENIED:
                    text = f"order {name} was not sent: {message}; submit it again"
                    raise errors.Unavailable(text, order=order, retry_at=retry_at)
            case _:
                pass
        return self._followed(order, plan)

    def wait(self, order: m.Order | str, timeout_s: float) -> m.Order:
        """Follow an order until it is final or *timeout_s* have passed; return it."""
        return self._resolver.wait_until_final(self._book.record(order).client_order_id, timeout_s)


def _is_in_flight(transaction: Transaction, reason: m.Reason | None) -> bool:
    """Whether the only obstacle is an order whose last request has no reply yet."""
    if reason is None or reason.code != m.ReasonCode.SYMBOL_LOCKED:
        return False
    other = transaction.reader.get(m.OrderRecord, str(dict(reason.figures).get("order", "")))
    return other is not None and bool(other.requests) and other.requests[-1].answer is None


def _denial_error(
    order: m.Order, reason: m.Reason, inputs: CheckInputs | None
) -> errors.OrderError:
    """Build the error for an order that was denied, perhaps for want of what was not read."""
    unread: object = None
    if inputs is not None and reason.code == m.ReasonCode.NO_FUNDS_READ:
        unread = inputs.account
    elif inputs is not None and reason.code == m.ReasonCode.NO_PRICE:
        unread = inputs.quote_unread
    if isinstance(unread, m.NotObserved):
        text = f"{reason}: {unread.message} (nothing was sent)"
        return errors.Unavailable(text, order=order, retry_at=unread.retry_at)
    return errors.Denied(f"{reason} (nothing was sent)", order=order, reason=reason)


def _check_same_request(known: m.OrderRecord | None, name: str, request: m.OrderRequest) -> None:
    """Check that the existing order has the same request. Raises: KeyReused."""
    if known is None:
        return
    different = ""
    if known.intent is not None:
        before = known.intent.wish
        found = ((x.name, getattr(before, x.name), getattr(request, x.name)) for x in _FIELDS)
        different = ", ".join(
            f"{field} {old}, now {new}" for field, old, new in found if old != new
        )
    elif not requests.matches_request(known.terms, request):
        different = "other terms"
    if different:
        raise errors.KeyReused(
            f"order {name} ({known.order.status}) exists under this key with a different request "
            f"({different}); nothing was sent. Use a new key for a new order"
        )


def _was_sent(record: m.OrderRecord) -> bool:
    """Whether a create may have been sent; an order that provably was not is sent like new."""
    may_send = record.verdict is not None and record.verdict.may_send
    return bool(record.ids or (record.requests and not may_send))


def client_order_id(account: m.AccountId, strategy: str | None, key: str | None) -> str:
    """Derive the client order id from *key*; without a key it is random."""
    if key is None:
        return client_ids.with_suffix(strategy, secrets.token_hex(16))
    return client_ids.of_key(account, strategy, key)
