"""
Planning: turns steps into a plan that can be stored, with its impact and its fingerprint.

The fingerprint is of the quantities, the orders and the policies of the plan's own symbols: a plan
begins only if they are still the ones that it was computed from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.journal.evidence_posting import new_record
from fillbook.core.plans import plan as life
from fillbook.core.send_permission import Authority
from fillbook.desk.link.market import Market
from fillbook.desk.orders.place import client_order_id
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.cells.last_complete_snapshot import OLD_S, LastComplete
from fillbook.desk.record.exit_reader import is_exit_order
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.store import Reader

#: How long a plan that trades may wait for its beginning, and run.
VALID_FOR: Final = timedelta(minutes=10)
#: The same for the close of a pair, which trades at all hours.
PAIR_VALID_FOR: Final = timedelta(hours=1)

#: The kinds of plans that are not made again after a person rejected the same.
_DECIDED: Final = frozenset({m.PlanKind.EXIT, m.PlanKind.REPAIR, m.PlanKind.CATCH_UP})

#: The kinds of plans after which the exits that they cancel are planned anew.
_PLACED_AGAIN: Final = frozenset({m.PlanKind.CLOSE, m.PlanKind.REBALANCE})

#: Whether a plan is within the limits of what needs no approval.
Limits = Callable[[Reader, m.Plan], bool]

#: The maximum number of settled trades of one journal entry.
_MARKS: Final = 500


class Planning:
    """Makes plans."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    def record_note(self) -> str:
        """Return why the record may not have a position that is held; ``""``: it is up to date."""
        store, now = self._recorder.store, m.moment(self._recorder.now())
        with store.read() as reader:
            is_opened = reader.get(m.Cash, "cash") is not None
        if not is_opened:
            return "; the record has no opening balance yet: call sync() first (`fillbook sync`)"
        at = LastComplete(store, self._clock).at
        if at is None or (now - m.moment(at)).total_seconds() < OLD_S:
            return ""
        return f"; the record is of {at[:16].replace('T', ' ')} UTC: `fillbook sync` renews it"

    def no_position(self, symbol: str, text: str) -> errors.Denied:
        """Return the denial of a call that needs a position, which the record does not have."""
        text += self.record_note()
        return denial(m.ReasonCode.NO_POSITION, symbol, text, self._recorder.now())

    def plan(
        self,
        kind: m.PlanKind,
        occasion: str,
        symbols: tuple[str, ...],
        steps: Sequence[m.PlanStep],
        *,
        authority: Authority,
        strategy: str | None = None,
        state: m.PlanState = m.PlanState.APPROVED,
        valid_for: timedelta | None = None,
        begins_at: datetime | None = None,
        notional: Decimal | None = None,
        why: str = "",
    ) -> m.Plan:
        """
        Return a plan of *steps*, without storing it; its id is that of the next entry.

        *notional* is what it corrects, in quote currency; None: what its steps trade.
        """
        now = self._recorder.now()
        begins = None if begins_at is None else m.timestamp(begins_at)
        until = m.moment(begins or now) + (valid_for or VALID_FOR)
        with self._recorder.store.read() as reader:
            if kind in _PLACED_AGAIN:
                why += _exits_again(reader, steps)
            return m.Plan(
                plan_id=f"{kind}-{reader.last() + 1}",
                kind=kind,
                occasion=occasion,
                symbols=symbols,
                steps=tuple(steps),
                fingerprint=fingerprint(reader, symbols),
                authority=authority,
                created_at=now,
                valid_until=m.timestamp(until),
                state=state,
                generation=len(reader.find(m.Plan, "occasion", occasion)) + 1,
                strategy=strategy,
                begins_at=begins,
                impact=_impact(reader, steps, notional),
                why=why,
            )

    def make(
        self,
        plan: m.Plan,
        settles: Sequence[m.SettledTrade] = (),
        *,
        if_same: bool = False,
        limits: Limits | None = None,
        proposed_for: timedelta | None = None,
    ) -> str | None:
        """
        Store *plan*; return its id, or None if it is not stored.

        It is not while another plan for the same occasion waits or runs, unless that one waits for
        an approval, or for the open, and is another: then it is stale, and *plan* replaces it.
        Nor is it if the same was rejected, unless it closes a position or rebalances.  *settles*
        are the trades that it settles; they are stored with it.
        *if_same*: it is not stored either if the account is not the one of its fingerprint.
        *limits*: a plan that is above them is proposed, for *proposed_for* (None: as long as it is
        valid); they are counted in the transaction that stores it, over all desks.
        """
        with self._recorder.transaction() as transaction:
            reader = transaction.reader
            if limits is not None and plan.state is m.PlanState.APPROVED:
                plan = plan if limits(reader, plan) else _proposed(plan, proposed_for)
            if not self._gives_way(transaction, plan):
                return None
            present = fingerprint(reader, plan.symbols)
            if if_same and present != plan.fingerprint:
                return None
            number = reader.last() + 1
            made = evolve(
                plan,
                plan_id=f"{plan.kind}-{number}",
                generation=len(reader.find(m.Plan, "occasion", plan.occasion)) + 1,
                fingerprint=present,
            )
            transaction.record(m.PlanMade(made))
            marks = tuple(evolve(x, plan_id=made.plan_id) for x in settles)
            transaction.record(*settled_entries(marks))
            if plan.state is m.PlanState.PROPOSED:
                about = plan.symbols[0] if plan.symbols else "account"
                text = (
                    f"{made.why}. Approve it with `fillbook approve {made.plan_id}`, or reject it: "
                    f"`fillbook reject {made.plan_id} --why …`"
                )
                transaction.record(m.Alerted(m.Alert(m.AlertKind.PROPOSED, about, text)))
        return made.plan_id

    def _gives_way(self, transaction: Transaction, plan: m.Plan) -> bool:
        for other in transaction.reader.find(m.Plan, "occasion", plan.occasion):
            is_rejected = other.state is m.PlanState.REJECTED
            if is_rejected and plan.kind in _DECIDED and _is_same(other, plan):
                return False  # a person has decided
            if other.is_final:
                continue
            if not _waits(other) or _is_same(other, plan):
                return False
            if m.PlanState.STALE in life.TRANSITIONS[other.state]:
                why = "the account changed since the plan was made"
                transaction.record(m.PlanMoved(other.plan_id, m.PlanState.STALE, why))
        return True


def _proposed(plan: m.Plan, valid_for: timedelta | None) -> m.Plan:
    until = plan.valid_until
    if valid_for is not None:
        until = m.timestamp(m.moment(plan.created_at) + valid_for)
    return evolve(plan, state=m.PlanState.PROPOSED, valid_until=until)


def settled_entries(trades: Sequence[m.SettledTrade]) -> list[m.TradesSettled]:
    """Return the entries that mark *trades* as settled, each of a length that is read at once."""
    return [m.TradesSettled(tuple(trades[i : i + _MARKS])) for i in range(0, len(trades), _MARKS)]


def trading_period(
    market: Market, pair: m.Pair | None, now: datetime
) -> tuple[datetime | None, timedelta | None]:
    """
    Return when a plan that trades at the market begins (None: at once), and how long it is valid.

    *pair* None: the symbol is one of shares, which trade in their regular session: what a bot
    closes is closed until the end of the session, however seldom the desk ticks.
    """
    if pair is not None:
        return None, PAIR_VALID_FOR
    session = market.regular_session()
    if session is None:
        return None, None
    if session.opens <= now:
        return None, max(VALID_FOR, session.closes - now)
    return session.opens, session.closes - session.opens


def denial(code: m.ReasonCode, symbol: str, text: str, at: m.Timestamp) -> errors.Denied:
    """Return the denial of a call that makes a plan; its order is not in the record."""
    terms = m.Terms(
        symbol=symbol,
        side=m.OrderSide.SELL,
        type=m.OrderType.MARKET,
        time_in_force=m.TimeInForce.GTC,
    )
    unseen = new_record(m.Origin.OURS, "", terms, at).order
    order = evolve(unseen, status=m.OrderStatus.DENIED, is_final=True, reason=text)
    return errors.Denied(text, order=order, reason=m.Reason(code, text))


def ended_alert(plan: m.Plan, text: str) -> tuple[m.Alerted, ...]:
    """
    Return the alert about a plan that did not do all that it was made for; ``""``: it did.

    None for exits: what has none is alerted by itself.
    """
    if not text or plan.kind is m.PlanKind.EXIT:
        return ()
    about = plan.symbols[0] if plan.symbols else "account"
    text = f"plan {plan.plan_id} ({plan.why}) {text}"
    return (m.Alerted(m.Alert(m.AlertKind.PLAN_STOPPED, about, text)),)


def is_running(plan: m.Plan) -> bool:
    """Whether a plan has begun and not ended."""
    return plan.state in (m.PlanState.RUNNING, m.PlanState.PAUSED)


def was_sent(record: m.OrderRecord) -> bool:
    """Whether the order may have reached the broker; one that was denied is placed again."""
    return record.order.status is not m.OrderStatus.DENIED


class StepOrders:
    """The orders of the steps of plans: their names, and what is known of them."""

    def __init__(self, recorder: Recorder, tracker: Tracker) -> None:
        self._recorder = recorder
        self._tracker = tracker

    def name(self, plan: m.Plan, index: int, attempt: int) -> str:
        """Return the client order id of one attempt of a step."""
        with self._recorder.store.read() as reader:
            bound = errors.present(reader.get(m.Binding, "account"), "the account of the record")
        return order_name(bound.account, plan, index, attempt)

    def record(self, name: str) -> m.OrderRecord | None:
        """Return the order of that client order id; None: there is none."""
        with self._recorder.store.read() as reader:
            return reader.get(m.OrderRecord, name)

    def is_done(self, plan: m.Plan, index: int) -> bool:
        """Read the order of a step that was begun; return whether it did what the step wants."""
        step = plan.steps[index]
        if step.state is not m.StepState.BEGUN:
            return False
        if isinstance(step.action, m.CancelOrder):
            found = self._read(step.action.client_order_id)
            return found is not None and found.order.is_final
        if not isinstance(step.action, m.PlaceOrder):
            return False
        found = self._read(self.name(plan, index, step.attempts))
        return (
            found is not None
            and was_sent(found)
            and isinstance(life.placed(step.action, found), life.Done)
        )

    def _read(self, name: str) -> m.OrderRecord | None:
        """Return an order as the broker reports it now, if it has not ended by the record."""
        known = self.record(name)
        if known is None or known.order.is_final or not known.ids:
            return known
        self._tracker.read(known)
        return self.record(name)


def _waits(plan: m.Plan) -> bool:
    """Whether a plan waits for an approval, or for the open."""
    is_early = plan.state is m.PlanState.APPROVED and plan.begins_at is not None
    return plan.state is m.PlanState.PROPOSED or is_early


def order_name(account: m.AccountId, plan: m.Plan, index: int, attempt: int) -> str:
    """Return the client order id of one attempt of a step; it depends on the occasion alone."""
    action = plan.steps[index].action
    strategy, leg = None, f"{index}"
    if isinstance(action, m.PlaceOrder):
        strategy, leg = action.request.strategy, action.leg or leg
    return client_order_id(account, strategy, f"{plan.occasion}/{plan.generation}/s{leg}a{attempt}")


def _is_same(known: m.Plan, plan: m.Plan) -> bool:
    """Whether a plan that waits would do the same; one that waits for the open would be stale."""
    is_stale = known.begins_at is not None and known.fingerprint != plan.fingerprint
    return not is_stale and [x.action for x in known.steps] == [x.action for x in plan.steps]


def fingerprint(reader: Reader, symbols: Sequence[str]) -> str:
    """Return the fingerprint of what a plan on *symbols* is computed from."""
    words: list[object] = []
    for symbol in symbols:
        held = pairs.holding_of(reader, symbol)
        position = reader.get(m.Position, held) or m.Position(symbol=held)
        words += [held, *((name, m.plain(part.qty)) for name, part in position.by_strategy)]
        for name in pairs.symbols_held_as(reader, held):
            words += [
                (x.client_order_id, str(x.order.status), str(x.order.leaves_qty))
                for x in reader.find(m.OrderRecord, "followed", name)
                if not x.order.is_final
            ]
        words += [
            (x.key, x.number, repr(x.policy))
            for x in reader.all(m.Protection)
            if x.symbol == symbol
        ]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:32]


@m.exact
def _exits_again(reader: Reader, steps: Sequence[m.PlanStep]) -> str:
    """Return of how many units the exits that *steps* cancel are placed again; ``""``: of none."""
    left: dict[str, Decimal] = {}
    for action in (x.action for x in steps):
        record = (
            reader.get(m.OrderRecord, action.client_order_id)
            if isinstance(action, m.CancelOrder)
            else None
        )
        if record is None or not is_exit_order(reader, record):
            continue
        symbol, strategy = record.terms.symbol, record.strategy or ""
        kept = reader.get(m.Protection, f"{symbol}/{strategy}")
        position = reader.get(m.Position, pairs.holding_of(reader, symbol))
        part = None if position is None else dict(position.by_strategy).get(strategy)
        if kept is None or part is None:
            continue
        placed = (x.action.request for x in steps if isinstance(x.action, m.PlaceOrder))
        own = (x for x in placed if x.symbol == symbol and (x.strategy or "") == strategy)
        after = part.qty + sum((x.side.sign * (x.qty or m.ZERO) for x in own), m.ZERO)
        if after * part.qty > 0:
            left[kept.title] = abs(after)
    names = ", ".join(f"{m.plain(qty)} {title}" for title, qty in left.items())
    return names and f"; then the exits are placed again for {names}"


def _impact(reader: Reader, steps: Sequence[m.PlanStep], corrected: Decimal | None) -> m.PlanImpact:
    """Return what *steps* would do to the account at once; a resting exit trades nothing yet."""
    placed = [x.action for x in steps if isinstance(x.action, m.PlaceOrder)]
    notional: Decimal | None = m.ZERO
    changes: dict[str, Decimal] = {}
    currencies = set[str | None]()
    for action in placed:
        if not action.fills:
            continue
        request = action.request
        price = request.limit_price or request.reference_price
        qty = request.qty or m.ZERO
        held = pairs.holding_of(reader, request.symbol)
        currencies.add(pairs.quote_currency(reader, reader.get(m.Pair, request.symbol)))
        changes[held] = changes.get(held, m.ZERO) + request.side.sign * qty
        notional = None if price is None or notional is None else notional + qty * price
    for x in steps:
        if isinstance(x.action, m.AdoptBalance) and x.action.symbol is not None:
            held, change = x.action.symbol, x.action.theirs - x.action.ours
            changes[held] = changes.get(held, m.ZERO) + change
    positions = []
    for held, change in changes.items():
        before = (reader.get(m.Position, held) or m.Position(symbol=held)).qty
        positions.append(m.PositionChange(held, before, before + change))
    notional = None if len(currencies) > 1 else notional
    return m.PlanImpact(
        orders=len(placed),
        cancels=sum(isinstance(x.action, m.CancelOrder) for x in steps),
        replaces=sum(isinstance(x.action, m.ReplaceOrder) for x in steps),
        notional=notional if corrected is None else corrected,
        positions=tuple(positions),
        currency=currencies.pop() if len(currencies) == 1 else None,
    )
