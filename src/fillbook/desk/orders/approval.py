"""
The approval: whether an order may be sent, and what it would keep back (promise P7).

What is to be asked of the network is asked before the transaction (`look`), and what is
decided is decided inside it (`decide`), on the record as it is then.  An instrument that is
known, an account that was read lately and a price that is not needed cost no request.
Other halves: `core.checks`, `core.reservation`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import checks, reservation
from fillbook.core.checks import risk
from fillbook.core.checks.context import CheckContext, TrackedOrders, closable
from fillbook.core.checks.impact import impact
from fillbook.core.checks.rounding import adjusted
from fillbook.core.orders import replace
from fillbook.core.pacing import Lane
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.buying_power import Funding
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.orders.recent import Recent
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.kill_switch import halted
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.desk.record.settings import Settings
from fillbook.desk.record.unsettled import differences
from fillbook.store import Reader

log = logging.getLogger("fillbook")

#: These are refused or canceled at some hours.
_BY_THE_HOUR: Final = frozenset(
    {m.TimeInForce.IOC, m.TimeInForce.FOK, m.TimeInForce.OPG, m.TimeInForce.CLS}
)


@frozen
class Seen:
    """What was asked of the network for one request; None where nothing was, or no answer came."""

    instrument: m.Instrument | m.Absent | None
    session: m.Session | None
    quote: m.Quote | None
    account: m.Read[m.AccountSnapshot] | None  #: read now, or lately enough


@frozen(kw_only=True)
class Decision:
    """What is to be sent, or why it is not."""

    request: m.OrderRequest
    context: CheckContext
    adjustments: tuple[m.Adjustment, ...]
    reason: m.Reason | None

    def intent(self, name: str, at: m.Timestamp) -> m.Intent:
        """The intent of that name."""
        return m.Intent(
            client_order_id=name,
            request=self.request,
            at=at,
            key=self.context.key,
            reserve=self.context.reserve,
            adjustments=self.adjustments,
            worth=self.context.worth(self.request),
        )


class Approval:
    """Decides on requests, with the checks and limits that the bot has set."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        funding: Funding,
        tracker: Tracker,
        clock: Clock,
        settings: Settings,
    ) -> None:
        limits = settings.limits
        self._gateway = gateway
        self._can = gateway.broker.capabilities
        self._recorder = recorder
        self._account_link = account_link
        self._funding = funding
        self._tracker = tracker
        age = risk.period_of(limits.quote_age_max_s)
        self._market = Market(gateway, recorder, clock, prices=settings.prices, quote_age_max=age)
        self._checks = tuple(settings.checks)
        self._limits = limits
        self._recent = Recent()

    def look(self, request: m.OrderRequest, *, keep: bool = True) -> Seen:
        """
        Ask the network for what the checks need, and write down what holds for the day.

        Without *keep*, for a preview, nothing is written, and a price is asked for in any case.
        Raises: AccountChanged.
        """
        opens = self._may_open(request)
        by_the_hour = request.time_in_force in _BY_THE_HOUR
        at_a_price = not keep or (opens and self._needs_quote(request))
        with self._gateway.lane(Lane.SUBMIT if opens else Lane.EXIT):
            if opens and keep and not self._tracker.in_sync:
                self._tracker.poll()  # what the stream has missed is read before new risk
            return Seen(
                instrument=self._market.instrument(request.symbol, keep=keep),
                session=self._market.session() if by_the_hour else None,
                quote=self._market.quote(request.symbol) if at_a_price else None,
                account=self._account(opens=opens, keep=keep),  # last: it ages soonest
            )

    def _account(self, *, opens: bool, keep: bool) -> m.Read[m.AccountSnapshot] | None:
        if opens and self._funding.is_stale:
            return self._account_link.account(bind=keep)
        newest = self._account_link.newest
        return None if newest is None else m.Observed(newest)

    def _may_open(self, request: m.OrderRequest) -> bool:
        """Whether, as the record is now, it does more than reduce what is held."""
        with self._recorder.store.read() as reader:
            position = reader.get(m.Position, request.symbol)
            if position is None or position.qty * request.side.sign >= 0:
                return True
            own = _followed(reader, request.symbol)
            most = closable(request.side, position, own, differences(reader, request.symbol))
        return request.qty is None or request.qty > most

    def _needs_quote(self, request: m.OrderRequest) -> bool:
        limits = self._limits
        by_units = limits.position_max is not None or limits.symbol_notional_max is not None
        return (
            reservation.needs_ask(request)
            or request.stop_price is not None
            or (request.notional is not None and by_units)
            or limits.price_collar is not None
        )

    # -- deciding ----------------------------------------------------------------------

    def decide(
        self, reader: Reader, at: m.Timestamp, request: m.OrderRequest, key: str | None, seen: Seen
    ) -> Decision:
        """Whether *request* may be sent, in the transaction of *reader*."""
        made = self._prepared(reader, at, request, key, seen)
        reason = checks.denial_reason(made.request, made.context, self._checks, _told)
        return evolve(made, reason=reason)

    def refuse_change(
        self, turn: Transaction, record: m.OrderRecord, change: m.Change, seen: Seen
    ) -> m.Reason | None:
        """
        Why an order may not become what *change* makes of it, in the transaction of *turn*.

        It is checked as the order that it would be, without itself and its group in the way.
        """
        request = replace.rest(record, change)
        if request is None:
            return None  # nothing of it would be left
        rule = self._can.reserve_rule
        need = reservation.amount_added(record, change, rule)
        context = self._context(turn.read, turn.at, request, None, seen)
        group = record.parent or record.client_order_id
        kept = None if record.intent is None else record.intent.reserve
        context = evolve(
            context,
            orders=context.orders.without(group),
            reserve=kept or m.Reserve(opens=False),
            reserve_amount=need,
        )
        adds = bool(need or replace.added(record, change))
        applicable = checks.for_change(self._checks, adds=adds)
        return checks.denial_reason(request, context, applicable, _told)

    def preview(self, request: m.OrderRequest) -> m.Preview:
        """What every check says of *request*, and what it would do; nothing is written."""
        seen = self.look(request, keep=False)
        at = self._recorder.now()
        with self._recorder.store.read() as reader:
            made = self._prepared(reader, at, request, None, seen)
            return m.Preview(
                request=made.request,
                adjustments=made.adjustments,
                checks=tuple(checks.run(made.request, made.context, self._checks, _told)),
                impact=impact(made.request, made.context),
            )

    def answered(self, order: m.Order, outcome: m.Outcome) -> None:
        """Learn from what a request that was granted has come to."""
        self._funding.mark()
        if isinstance(outcome, m.Rejected) and outcome.kind is m.RejectKind.FUNDS:
            lag = self._funding.refused()
            words = (
                f"the broker has not the money for order {order.client_order_id}, which its own "
                f"account had; that is taken to be up to {lag.total_seconds():g} s old for a day"
            )
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.LAG_DOUBLED, "account", words)))

    def _prepared(
        self, reader: Reader, at: m.Timestamp, request: m.OrderRequest, key: str | None, seen: Seen
    ) -> Decision:
        """Round *request*, and build the context in which it is decided."""
        context = self._context(reader, at, request, key, seen)
        request, adjustments = adjusted(request, context)
        rule = self._can.reserve_rule
        quote = seen.quote
        # Where the sides have crossed, nobody knows which one is right.
        ask = request.reference_price if quote is None else max(quote.bid, quote.ask)
        opens = not context.reduces(request)
        kept = reservation.reserve_for(request, ask, context.listed, rule, opens=opens)
        need = m.ZERO if kept is None else reservation.reserve_amount(request, kept, rule)
        context = evolve(context, reserve=kept, reserve_amount=need)
        return Decision(request=request, context=context, adjustments=adjustments, reason=None)

    def _context(
        self, reader: Reader, at: m.Timestamp, request: m.OrderRequest, key: str | None, seen: Seen
    ) -> CheckContext:
        """Build the context from the record and from what was observed."""
        position = reader.get(m.Position, request.symbol)
        if position is None and reader.get(m.Cash, "cash") is not None:
            position = m.Position(symbol=request.symbol)  # the opening picture had none of it
        account = seen.account.value if isinstance(seen.account, m.Observed) else None
        return CheckContext(
            now=m.moment(at),
            capabilities=self._can,
            limits=self._limits,
            key=key,
            halted=halted(reader),
            account=account,
            session=seen.session,
            instrument=seen.instrument,
            quote=seen.quote,
            position=position,
            orders=TrackedOrders(lambda symbol: _followed(reader, symbol)),
            recent=self._recent.sent(reader, at, self._looks_back()),
            drifts=tuple(reader.all(m.OpenDrift)),
            differences=differences(reader, request.symbol),
            in_sync=self._tracker.in_sync and not self._recorder.owes,
            funds=None if account is None else self._funding.available(reader),
        )

    def _looks_back(self) -> timedelta:
        """How far back the limits ask what was sent."""
        limits = self._limits
        if limits.day_notional_max is not None:
            return risk.DAY
        least = timedelta(minutes=1) if limits.orders_per_minute_max is not None else timedelta()
        return max(least, risk.period_of(limits.duplicate_s))


def _followed(reader: Reader, symbol: str | None) -> tuple[m.Order, ...]:
    """
    The orders that are followed, of *symbol* or of all (None).

    An intent that nobody has sent is on no order's way.
    """
    where = ("open", "yes") if symbol is None else ("followed", symbol)
    found = reader.find(m.OrderRecord, *where)
    return tuple(x.order for x in found if x.requests or x.ids)


def _told(name: str, error: Exception) -> None:
    log.error("the check %s raised; the order is denied", name, exc_info=error)
