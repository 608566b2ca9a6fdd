"""
The history of one account: executions, activities, and the ledger that they change.

An execution is not changed after it is posted, only marked as busted or corrected.  A crypto
fee reduces its fill, and its activity is posted at the end of the day.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.ledger import Ledger
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.market import spot
from fillbook.venue.exchange.state import ExchangeState, subjects_of
from fillbook.venue.exchange.values import Activity, ActivityKind, Fill, OrderVersion

_FEE: Final = Decimal("0.0025")  #: the part of what a crypto fill brings in
QTY_STEP: Final = Decimal("0.000000001")  #: the step of quantities and average prices


def rounded(value: Decimal) -> Decimal:
    return value.quantize(QTY_STEP).normalize()


class History:
    """The executions and activities of one account, oldest first."""

    def __init__(self, state: ExchangeState, ledger: Ledger) -> None:
        self._state = state
        self.ledger = ledger
        self.fills: list[Fill] = []
        self._indexes: dict[str, list[int]] = {}  # order id to indexes in `fills`
        self.activities: list[Activity] = []
        self._hidden: set[str] = set()  # executions and activities that are not listed yet
        self._unposted_fees: list[Fill] = []

    # ------------------------------------------------------------- executions

    def execute(
        self,
        order: OrderVersion,
        qty: Decimal,
        price: Decimal,
        leaves: Decimal,
        value: Decimal | None = None,
    ) -> Fill:
        """
        Post an execution of *order*, whose fields include it already.

        *value* is in quote currency, of an order that is sized in it; None: qty x price.
        """
        exec_id = self._state.new_id()
        differs = self._state.injects(InjectionPoint.FILL, Fault.STREAM_IDS_DIFFER, order)
        fee, currency = self._fee(order, qty, price, value)
        fill = Fill(
            exec_id=exec_id,
            stream_id=self._state.new_id() if differs else exec_id,
            order_id=order.id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=price,
            cum_qty=order.filled_qty,
            leaves_qty=leaves,
            at=self._state.timeline.stamp(),
            is_last=order.status == m.OrderStatus.FILLED,
            order_status=order.status,
            fee=fee,
            fee_currency=currency,
            value=value,
            is_maker=order.is_resting and order.type is m.OrderType.LIMIT,
        )
        self._post(fill)
        if fee and self._state.spot is None:
            self._unposted_fees.append(fill)
        injected = self._state.faults.next(
            InjectionPoint.FILL, among=(Fault.HISTORY_LATE,), subjects=subjects_of(order)
        )
        if injected is not None:
            self._hidden.add(exec_id)
            self._state.timeline.call_later(injected.seconds, lambda: self._hidden.discard(exec_id))
        return fill

    def valid_fill(self, exec_id: str) -> Fill | None:
        """
        Return the execution *exec_id* (of history or stream); None if busted or corrected.

        Raises: KeyError.
        """
        for fill in self.fills:
            if exec_id in (fill.exec_id, fill.stream_id):
                return None if fill.is_busted or fill.is_corrected else fill
        raise KeyError(exec_id)

    def bust(self, fill: Fill) -> None:
        """Bust an execution and return its fee."""
        self._replace(evolve(fill, is_busted=True))
        self._reverse(fill)
        if fill in self._unposted_fees:
            self._unposted_fees.remove(fill)
        elif fill.fee:
            self._add_fee_activity(evolve(fill, fee=-fill.fee))

    def correct(self, old: Fill, price: Decimal, qty: Decimal) -> Fill:
        """Post the corrected execution in place of *old*; the fee stays."""
        exec_id = self._state.new_id()
        same = old.stream_id == old.exec_id
        new = evolve(
            old,
            exec_id=exec_id,
            stream_id=exec_id if same else self._state.new_id(),
            price=price,
            qty=qty,
            cum_qty=old.cum_qty - old.qty + qty,
            at=self._state.timeline.stamp(),
            corrects=old.exec_id,
        )
        self._replace(evolve(old, is_corrected=True))
        self._reverse(old)
        self._post(new)
        return new

    def totals(self, order: OrderVersion) -> dict[str, Any]:
        """Return the fill fields of an order, summed from its valid executions."""
        valid = [f for f in self.fills_of(order.id) if not (f.is_busted or f.is_corrected)]
        carried = order.carried_qty * (order.carried_price or m.ZERO)
        cum = sum((f.qty for f in valid), order.carried_qty)
        value = sum((f.qty * f.price for f in valid), carried)
        return {"filled_qty": cum, "filled_avg_price": rounded(value / cum) if cum else None}

    def value_of(self, order_id: str) -> Decimal:
        """Return the value of the valid executions of an order, in quote currency."""
        valid = (f for f in self.fills_of(order_id) if not (f.is_busted or f.is_corrected))
        return sum((f.traded_value for f in valid), m.ZERO)

    def visible_fills(self, order_id: str | None) -> list[Fill]:
        """
        Return the executions (of *order_id*, None: all) that a client reads.

        Busted and corrected ones are left out; lag and faults apply.
        """
        ignores_busts = self._state.injects(
            InjectionPoint.SHOW_HISTORY, Fault.HISTORY_WITHOUT_BUSTS
        )
        lag = timedelta(seconds=self._state.lag.history)
        until = m.timestamp(self._state.timeline.now() - lag)
        visible = [
            fill
            for fill in self.fills_of(order_id)
            if fill.exec_id not in self._hidden
            and (not lag or fill.at <= until)
            and (
                fill.corrects is None
                if ignores_busts
                else not (fill.is_busted or fill.is_corrected)
            )
        ]
        if self._state.injects(InjectionPoint.SHOW_HISTORY, Fault.HISTORY_OUT_OF_ORDER):
            # The rows are sorted by millisecond; within one, their order is reversed.
            visible.reverse()
            return sorted(visible, key=lambda fill: fill.at[:23])
        return sorted(visible, key=lambda fill: fill.at)

    def reversed_fills(self) -> list[Fill]:
        """Return the busted executions of the account that a client reads, oldest first."""
        until = m.timestamp(self._state.timeline.now() - timedelta(seconds=self._state.lag.history))
        return [
            fill
            for fill in self.fills
            if fill.is_busted and fill.exec_id not in self._hidden and fill.at <= until
        ]

    def fills_of(self, order_id: str | None) -> list[Fill]:
        """Return all executions of an order (None: of all), busted and corrected included."""
        if order_id is None:
            return self.fills
        return [self.fills[index] for index in self._indexes.get(order_id, ())]

    def _post(self, fill: Fill) -> None:
        self._indexes.setdefault(fill.order_id, []).append(len(self.fills))
        self.fills.append(fill)
        symbol, paid_from = self.positions_of(fill)
        self.ledger.post(fill, symbol, self._state.timeline.elapsed, paid_from)

    def positions_of(self, fill: Fill) -> tuple[str, str | None]:
        """Return the position that *fill* changes, and the one that pays it (None: the cash)."""
        if self._state.spot is not None:
            return spot.holding(fill.symbol), spot.paid_from(fill.symbol)
        return self._state.current_symbol(fill.symbol), None

    def _reverse(self, fill: Fill) -> None:
        """Reverse *fill*, adjusted for the splits since."""
        symbol, paid_from = self.positions_of(fill)
        ratio = Decimal(1)
        for row in self.activities:
            if row.factor is not None and row.at > fill.at and row.symbol is not None:
                ratio *= row.factor if self._state.current_symbol(row.symbol) == symbol else 1
        self.ledger.reverse(fill, symbol, self._state.timeline.elapsed, ratio, paid_from)

    def _replace(self, fill: Fill) -> None:
        index = next(n for n, each in enumerate(self.fills) if each.exec_id == fill.exec_id)
        self.fills[index] = fill

    def _fee(
        self, order: OrderVersion, qty: Decimal, price: Decimal, value: Decimal | None
    ) -> tuple[Decimal, str]:
        """Return the fee of a fill and its currency."""
        terms = self._state.spot
        if terms is None:
            return _fee_of_pair(order, qty, price)
        quote = spot.currencies(order.symbol)[1]
        if value is not None and order.is_final and order.notional is not None:
            return order.notional - order.spent - value, quote  # the notional includes all fees
        is_maker = order.is_resting and order.type is m.OrderType.LIMIT
        rate = terms.maker_fee if is_maker else terms.taker_fee
        return m.cut((qty * price if value is None else value) * rate, spot.PLACES), quote

    # ------------------------------------------------------------- activities

    def adjust(
        self, kind: ActivityKind, symbol: str | None, qty: Decimal, price: Decimal, cash: Decimal
    ) -> None:
        """Change a position or the cash (both signed) without an order."""
        balance = self.ledger.now
        if symbol is not None:
            balance = balance.moved(symbol, qty, price, cash)
        else:
            balance = evolve(balance, cash=balance.cash + cash)
        self.ledger.put(balance, self._state.timeline.elapsed)
        self.add_activity(kind, symbol=symbol, qty=qty or None, price=price or None, cash=cash)

    def dividend(self, symbol: str, per_share: Decimal) -> None:
        """Pay *per_share* (USD) on a long position; charge it on a short one."""
        held, balance = self.ledger.now.qty(symbol), self.ledger.now
        if held:
            cash = held * per_share
            paid = evolve(balance, cash=balance.cash + cash)
            self.ledger.put(paid, self._state.timeline.elapsed)
            self.add_activity(
                ActivityKind.DIVIDEND, symbol=symbol, qty=held, cash=cash, per_share=per_share
            )

    def post_fees(self) -> None:
        """Post the activities of the day's crypto fees."""
        for fill in self._unposted_fees:
            self._add_fee_activity(fill)
        self._unposted_fees = []

    def _add_fee_activity(self, fill: Fill) -> None:
        in_cash = fill.fee_currency == "USD"
        self.add_activity(
            ActivityKind.CRYPTO_FEE,
            symbol=self._state.current_symbol(fill.symbol),
            qty=None if in_cash else -fill.fee,
            price=fill.price,
            cash=-fill.fee if in_cash else None,
            description=f"Coin Pair Transaction Fee ({'' if in_cash else 'Non '}USD)",
        )

    def visible_activities(self) -> list[Activity]:
        """Return the activities that are listed by now."""
        return [row for row in self.activities if row.id not in self._hidden]

    def add_activity(
        self,
        kind: ActivityKind,
        *,
        hidden_s: float = 0.0,
        ahead: timedelta = timedelta(),
        **fields: Any,
    ) -> None:
        """Add an activity of now, or of *ahead* from now; it is listed *hidden_s* later."""
        timeline = self._state.timeline
        stamp = m.timestamp(timeline.now() + ahead) if ahead else timeline.stamp()
        row = Activity(id=self._state.new_id(), kind=kind, at=stamp, **fields)
        self.activities.append(row)
        if hidden_s:
            self._hidden.add(row.id)
            timeline.call_later(hidden_s, lambda: self._hidden.discard(row.id))


def _fee_of_pair(order: OrderVersion, qty: Decimal, price: Decimal) -> tuple[Decimal, str]:
    """Return the fee of a fill and its currency: it is taken from what the fill brings in."""
    if order.asset_class is not m.AssetClass.CRYPTO:
        return m.ZERO, "USD"
    if order.side is m.OrderSide.BUY:
        return m.cut(qty * _FEE, QTY_STEP), order.symbol.partition("/")[0]
    return rounded(qty * price * _FEE), "USD"
