"""
The approval: whether an order may be sent, and how much it reserves (promise P7).

`read_inputs` reads from the broker before the transaction; `decide` decides inside it, on the
record as it is then.  An instrument or an account that was read recently is not read again, and a
quote only if a check needs it.  Other halves: `core.checks`, `core.reservation`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Final, Protocol

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core import checks, pairs, reservation
from fillbook.core.checks import risk
from fillbook.core.checks.broker_rules import says_closing, stop_of
from fillbook.core.checks.context import CheckContext, unreserved
from fillbook.core.checks.impact import impact
from fillbook.core.checks.placed_exits import cooldown_on
from fillbook.core.checks.rounding import adjusted
from fillbook.core.orders import replace
from fillbook.core.rate_limit import Lane
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.orders.open_orders import OpenOrders
from fillbook.desk.orders.recently_sent import RecentOrders
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.cells.open_differences import position_differences
from fillbook.desk.record.kill_switch import halt_reason
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.desk.record.settings import Settings
from fillbook.store import Reader

log: logging.Logger = logging.getLogger("fillbook")

#: Times in force that are rejected or canceled at certain hours.
_SESSION_DEPENDENT: Final = frozenset(
    {m.TimeInForce.IOC, m.TimeInForce.FOK, m.TimeInForce.OPG, m.TimeInForce.CLS}
)


@frozen
class CheckInputs:
    """What was read for one request; None: not read, or not observed."""

    instrument: m.Instrument | m.Absent | None
    session: m.Session | None
    quote: m.Quote | None
    rate: Decimal | None  #: the price of the quote currency in that of the account
    account: m.Read[m.AccountSnapshot] | None  #: read now, or recently enough
    plan: str | None = None  #: the plan whose step the request is; None: it is the bot's
    quote_unread: m.NotObserved | None = None  #: why there is no quote


@frozen(kw_only=True)
class Decision:
    """The request to send, or the reason why it is denied."""

    request: m.OrderRequest
    context: CheckContext
    adjustments: tuple[m.Adjustment, ...]
    reason: m.Reason | None

    def intent(self, name: str, at: m.Timestamp) -> m.Intent:
        """Build the intent with the client order id *name*."""
        quote = self.context.quote
        return m.Intent(
            client_order_id=name,
            request=self.request,
            at=at,
            key=self.context.key,
            reserve=self.context.reserve,
            adjustments=self.adjustments,
            worth=self.context.in_account_currency(self.context.worth(self.request)),
            bid=None if quote is None else quote.bid,
            ask=None if quote is None else quote.ask,
            closes=says_closing(self.request, self.context),
        )


class Reconciliation(Protocol):
    """The reconciliation of the account, as far as an approval needs it."""

    @property
    def age(self) -> timedelta | None:
        """The time since the last complete snapshot; None: none was tried."""
        ...

    def refresh(self) -> None:
        """Take a snapshot and merge it, without confirming differences."""
        ...


class Approval:
    """Decides on requests, by the checks and limits of the settings."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        available_funds: AvailableFunds,
        tracker: Tracker,
        reconciliation: Reconciliation,
        market: Market,
        settings: Settings,
    ) -> None:
        self._gateway = gateway
        self._can = gateway.broker.capabilities
        self._recorder = recorder
        self._account_link = account_link
        self._available_funds = available_funds
        self._tracker = tracker
        self._reconciliation = reconciliation
        self._market = market
        self._checks = tuple(settings.checks)
        self._limits = settings.limits
        self._recent = RecentOrders()

    def read_inputs(
        self, request: m.OrderRequest, *, write: bool = True, plan: str | None = None
    ) -> CheckInputs:
        """
        Read what the checks need from the broker, and record what is valid for the day.

        *plan* is the plan whose step the request is.  Without *write*, for a preview, nothing is
        recorded, and a quote is always read.
        Raises: AccountChanged.
        """
        opens = self._may_open(request)
        needs_session = request.time_in_force in _SESSION_DEPENDENT
        needs_quote = not write or self._needs_quote(request, opens=opens, plan=plan)
        with self._gateway.lane(Lane.SUBMIT if opens else Lane.EXIT):
            if opens and write and not self._tracker.in_sync:
                self._tracker.poll()  # the missed events are read before new risk
            if opens and write and self._is_outdated():
                self._reconciliation.refresh()
            instrument = self._market.instrument(request.symbol, write=write)
            session = self._market.session() if needs_session else None
            quote = self._market.read_quote(request.symbol) if needs_quote else None
            return CheckInputs(
                instrument=instrument,
                session=session,
                quote=None if isinstance(quote, m.NotObserved) else quote,
                quote_unread=quote if isinstance(quote, m.NotObserved) else None,
                rate=self._rate(request.symbol) if opens or not write else None,
                account=self._account(
                    opens=opens, write=write
                ),  # last, because it is outdated first
                plan=plan,
            )

    def pair_of(self, reader: Reader, symbol: str) -> m.Pair | None:
        """Return the pair of *symbol* as the adapter has it, else as the record has it."""
        return self._gateway.pair(symbol) or reader.get(m.Pair, symbol)

    def _rate(self, symbol: str) -> Decimal | None:
        """Return the price of the quote currency in that of the account, if a limit needs it."""
        with self._recorder.store.read() as reader:
            pair = self.pair_of(reader, symbol)
            currency = pairs.quote_currency(reader, pair)
        if pair is None or currency is None:
            return Decimal(1)
        limits = self._limits
        bounds = (limits.order_notional_max, limits.symbol_notional_max, limits.day_notional_max)
        if pair.rate_symbol is None or all(x is None for x in bounds):
            return None
        quote = self._market.quote(pair.rate_symbol)
        return None if quote is None else max(quote.bid, quote.ask)

    def _is_outdated(self) -> bool:
        """Whether the last complete snapshot is too old for new risk."""
        age = self._reconciliation.age
        return age is not None and age > risk.period_of(self._limits.snapshot_age_max_s)

    def _account(self, *, opens: bool, write: bool) -> m.Read[m.AccountSnapshot] | None:
        if opens and self._available_funds.is_stale:
            return self._account_link.read(bind=write)
        newest = self._account_link.latest
        return None if newest is None else m.Observed(newest)

    def _may_open(self, request: m.OrderRequest) -> bool:
        """Whether *request* may do more than reduce the position, by the current record."""
        with self._recorder.store.read() as reader:
            held = pairs.holding_of(reader, request.symbol)
            position = reader.get(m.Position, held)
            if position is None or position.qty * request.side.sign >= 0:
                return True
            leaves = OpenOrders(reader).leaves_on(held, request.side)
            most = unreserved(request.side, position, leaves, position_differences(reader, held))
            most -= _reserved_units(reader, held, self.pair_of(reader, request.symbol))
        return request.qty is None or request.qty > most

    def _needs_quote(self, request: m.OrderRequest, *, opens: bool, plan: str | None) -> bool:
        limits = self._limits
        by_units = limits.position_max is not None or limits.symbol_notional_max is not None
        if not opens:  # the exits of a plan were judged by a quote when it was made
            return plan is None and stop_of(request) is not None
        return (
            reservation.needs_ask(request)
            or stop_of(request) is not None
            or (request.notional is not None and by_units)
            or limits.price_collar is not None
        )

    # -- deciding ----------------------------------------------------------------------

    def decide(
        self,
        reader: Reader,
        at: m.Timestamp,
        request: m.OrderRequest,
        key: str | None,
        inputs: CheckInputs,
    ) -> Decision:
        """Decide whether *request* may be sent, in the transaction of *reader*."""
        prepared = self._prepare(reader, at, request, key, inputs)
        reason = checks.denial_reason(
            prepared.request, prepared.context, self._checks, _log_failed_check
        )
        return evolve(prepared, reason=reason)

    def change_denial(
        self, transaction: Transaction, record: m.OrderRecord, change: m.Change, inputs: CheckInputs
    ) -> m.Reason | None:
        """
        Return why *change* is denied, in the transaction; None if it may be sent.

        The changed order is checked like a new one; the order itself and its group are left out.
        """
        request = replace.remaining_request(record, change)
        if request is None:
            return None  # nothing would remain to be filled
        rule = self._can.reserve_rule
        reserve_amount = reservation.amount_added(record, change, rule)
        context = self._context(transaction.reader, transaction.at, request, None, inputs)
        group = record.parent or record.client_order_id
        reserve = None if record.intent is None else record.intent.reserve
        context = evolve(
            context,
            orders=context.orders.without(group),
            reserve=reserve or m.Reserve(opens=False),
            reserve_amount=reserve_amount,
        )
        adds = bool(reserve_amount or replace.added_qty(record, change))
        applicable = checks.for_change(self._checks, adds=adds)
        return checks.denial_reason(request, context, applicable, _log_failed_check)

    def preview(self, request: m.OrderRequest) -> m.Preview:
        """Return the result of every check of *request* and its impact; write nothing."""
        inputs = self.read_inputs(request, write=False)
        at = self._recorder.now()
        with self._recorder.store.read() as reader:
            prepared = self._prepare(reader, at, request, None, inputs)
            return m.Preview(
                request=prepared.request,
                adjustments=prepared.adjustments,
                checks=tuple(
                    checks.run(prepared.request, prepared.context, self._checks, _log_failed_check)
                ),
                impact=impact(
                    prepared.request,
                    prepared.context,
                    pairs.quote_currency(reader, prepared.context.pair),
                ),
            )

    def apply_outcome(self, order: m.Order, outcome: m.Outcome) -> None:
        """Update the available funds by the outcome of a request that was approved."""
        with self._recorder.log_store_errors("the available funds"):
            self._apply_outcome(order, outcome)

    def _apply_outcome(self, order: m.Order, outcome: m.Outcome) -> None:
        self._available_funds.add_mark()
        if isinstance(outcome, m.Rejected) and outcome.kind is m.RejectKind.FUNDS:
            lag = self._available_funds.double_lag()
            text = (
                f"the broker rejected order {order.client_order_id} for lack of funds, although "
                "its reported buying power was sufficient. For one day the orders of the last "
                f"{lag.total_seconds():g} s are subtracted from the reported buying power; no "
                "action is needed"
            )
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.LAG_DOUBLED, "account", text)))

    def _prepare(
        self,
        reader: Reader,
        at: m.Timestamp,
        request: m.OrderRequest,
        key: str | None,
        inputs: CheckInputs,
    ) -> Decision:
        """Round *request*, and build the context of its checks."""
        context = self._context(reader, at, request, key, inputs)
        request, adjustments = adjusted(request, context)
        rule = self._can.reserve_rule
        quote = inputs.quote
        # In a crossed quote either side may be wrong: take the higher.
        ask = request.reference_price if quote is None else max(quote.bid, quote.ask)
        opens = not context.reduces(request)
        reserve = reservation.reserve_for(
            request,
            ask,
            context.listed,
            rule,
            opens=opens,
            pair=context.pair,
            currency=pairs.quote_currency(reader, context.pair),
            fee=_fee_rate(rule, context.account, request),
        )
        reserve_amount = (
            m.ZERO if reserve is None else reservation.reserve_amount(request, reserve, rule)
        )
        context = evolve(context, reserve=reserve, reserve_amount=reserve_amount)
        return Decision(request=request, context=context, adjustments=adjustments, reason=None)

    def _context(
        self,
        reader: Reader,
        at: m.Timestamp,
        request: m.OrderRequest,
        key: str | None,
        inputs: CheckInputs,
    ) -> CheckContext:
        """Build the context of the checks from the record and *inputs*."""
        pair = self.pair_of(reader, request.symbol)
        held = request.symbol if pair is None else pair.holding
        position = reader.get(m.Position, held)
        if position is None and reader.get(m.Cash, "cash") is not None:
            position = m.Position(symbol=held)  # it is not in the opening balance
        account = inputs.account.value if isinstance(inputs.account, m.Observed) else None
        return CheckContext(
            now=m.moment(at),
            capabilities=self._can,
            limits=self._limits,
            key=key,
            halted=halt_reason(reader),
            account=account,
            session=inputs.session,
            instrument=inputs.instrument,
            quote=inputs.quote,
            position=position,
            pair=pair,
            held_by=tuple(pairs.symbols_held_as(reader, held)),
            reserved_units=_reserved_units(reader, held, pair),
            rate=inputs.rate,
            orders=OpenOrders(reader),
            recent=self._recent.sent(reader, at, self._recent_period()),
            drifts=tuple(reader.all(m.OpenDrift)),
            differences=position_differences(reader, held),
            in_sync=self._tracker.in_sync,
            snapshot_age=self._reconciliation.age,
            plan=inputs.plan,
            plans=tuple(reader.find(m.Plan, "open", "yes")),
            cooldown=cooldown_on(reader, request.symbol, request.strategy or ""),
            funds=self._funds(reader, pair, account),
        )

    def _funds(
        self, reader: Reader, pair: m.Pair | None, account: m.AccountSnapshot | None
    ) -> m.Funds | None:
        """Return what is available to pay for an order: cash, or the units of a position."""
        if pair is not None and pair.paid_from is not None:
            return _units(reader, pair.paid_from, pair)
        if account is None:
            return None
        return self._available_funds.available(reader, pairs.quote_currency(reader, pair))

    def _recent_period(self) -> timedelta:
        """Return the period for which the limits need the orders that were sent."""
        limits = self._limits
        if limits.day_notional_max is not None:
            return risk.DAY
        least = timedelta(minutes=1) if limits.orders_per_minute_max is not None else timedelta()
        return max(least, risk.period_of(limits.duplicate_s))


def _fee_rate(
    rule: m.ReserveRule, account: m.AccountSnapshot | None, request: m.OrderRequest
) -> Decimal | None:
    """Return the rate of the fee that the broker reserves, if it is the account's own."""
    if not rule.reads_fee or account is None:
        return None
    return account.maker_fee_rate if request.post_only else account.fee_rate


def _units(reader: Reader, position: str, pair: m.Pair) -> m.Funds | None:
    """Return the units of *position* that an order may be paid with; None: they are not known."""
    if reader.get(m.Cash, "cash") is None:
        return None
    held = reader.get(m.Position, position) or m.Position(symbol=position)
    leaves = OpenOrders(reader).leaves_on(position, m.OrderSide.SELL)
    found = unreserved(m.OrderSide.SELL, held, leaves, position_differences(reader, position))
    found = max(m.ZERO, found - _reserved_units(reader, position, pair))
    return m.Funds(found, found)


def _reserved_units(reader: Reader, position: str, pair: m.Pair | None) -> Decimal:
    """Return the units of *position* that open orders pay with; what is no pair pays nothing."""
    if pair is None:
        return m.ZERO
    return reservation.reserved_units(reader.find(m.Reservation, "paid_from", position), position)


def _log_failed_check(name: str, error: Exception) -> None:
    log.error("the check %s raised; the order is denied", name, exc_info=error)
