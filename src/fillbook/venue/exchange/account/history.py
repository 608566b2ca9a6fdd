"""
What moved one account: executions and rows, the ledger they move, and the history a client reads.

An execution is never changed but marked: void when it was busted, fixed when another took
its place.  Crypto fees are taken with their fill and told of at the end of the day.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.ledger import Ledger
from fillbook.venue.exchange.faults.kinds import Fault, Occasion
from fillbook.venue.exchange.floor import Floor, about
from fillbook.venue.exchange.values import Fill, Picture, Row, RowKind

_FEE: Final = Decimal("0.0025")  #: of what is received, crypto only
PLACES: Final = Decimal("0.000000001")  #: what the venue keeps of quantities and averages


def rounded(value: Decimal) -> Decimal:
    return value.quantize(PLACES).normalize()


class History:
    """Executions and rows of one account, oldest first."""

    def __init__(self, floor: Floor, ledger: Ledger) -> None:
        self._floor = floor
        self.ledger = ledger
        self.fills: list[Fill] = []
        self._places: dict[str, list[int]] = {}  # of each order's in `fills`
        self.rows: list[Row] = []
        self._late: set[str] = set()  # executions that are not in the history yet
        self._unposted_fees: list[Fill] = []

    # ------------------------------------------------------------- executions

    def execute(self, order: Picture, qty: Decimal, price: Decimal, leaves: Decimal) -> Fill:
        """Book an execution of *order*, which shows it already."""
        exec_id = self._floor.new_id()
        differs = self._floor.strikes(Occasion.FILL, Fault.STREAM_IDS_DIFFER, order)
        fee, currency = _fee(order, qty, price)
        fill = Fill(
            exec_id=exec_id,
            stream_id=self._floor.new_id() if differs else exec_id,
            order_id=order.id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=price,
            cum_qty=order.filled_qty,
            leaves_qty=leaves,
            at=self._floor.timeline.stamp(),
            is_last=order.status == m.OrderStatus.FILLED,
            order_status=order.status,
            fee=fee,
            fee_currency=currency,
        )
        self._book(fill)
        if fee:
            self._unposted_fees.append(fill)
        late = self._floor.faults.next(
            Occasion.FILL, among=(Fault.HISTORY_LATE,), about=about(order)
        )
        if late is not None:
            self._late.add(exec_id)
            self._floor.timeline.later(late.seconds, lambda: self._late.discard(exec_id))
        return fill

    def standing(self, exec_id: str) -> Fill | None:
        """
        The execution of that id, by history or stream; None if it was taken back.

        Raises: KeyError.
        """
        for fill in self.fills:
            if exec_id in (fill.exec_id, fill.stream_id):
                return None if fill.is_void or fill.is_fixed else fill
        raise KeyError(exec_id)

    def void(self, fill: Fill) -> None:
        """Take an execution back, its fee included."""
        self._mark(evolve(fill, is_void=True))
        self._unpost(fill)
        if fill in self._unposted_fees:
            self._unposted_fees.remove(fill)
        elif fill.fee:
            self._fee_row(evolve(fill, fee=-fill.fee))

    def fix(self, old: Fill, price: Decimal, qty: Decimal) -> Fill:
        """Put another execution in the place of *old*; its fee stays."""
        exec_id = self._floor.new_id()
        same = old.stream_id == old.exec_id
        new = evolve(
            old,
            exec_id=exec_id,
            stream_id=exec_id if same else self._floor.new_id(),
            price=price,
            qty=qty,
            cum_qty=old.cum_qty - old.qty + qty,
            at=self._floor.timeline.stamp(),
            fixes=old.exec_id,
        )
        self._mark(evolve(old, is_fixed=True))
        self._unpost(old)
        self._book(new)
        return new

    def totals(self, order: Picture) -> dict[str, Any]:
        """What the executions of an order that stand amount to, as fields of its picture."""
        standing = [f for f in self.of(order.id) if not (f.is_void or f.is_fixed)]
        carried = order.carried_qty * (order.carried_price or m.ZERO)
        cum = sum((f.qty for f in standing), order.carried_qty)
        value = sum((f.qty * f.price for f in standing), carried)
        return {"filled_qty": cum, "filled_avg_price": rounded(value / cum) if cum else None}

    def shown(self, order_id: str | None) -> list[Fill]:
        """What a client reads: late, without what was taken back, or as faults have it."""
        blind = self._floor.strikes(Occasion.SHOW_HISTORY, Fault.HISTORY_WITHOUT_BUSTS)
        lag = timedelta(seconds=self._floor.lag.history)
        until = m.timestamp(self._floor.timeline.now() - lag)
        shown = [
            fill
            for fill in self.of(order_id)
            if fill.exec_id not in self._late
            and (not lag or fill.at <= until)
            and (fill.fixes is None if blind else not (fill.is_void or fill.is_fixed))
        ]
        if self._floor.strikes(Occasion.SHOW_HISTORY, Fault.HISTORY_OUT_OF_ORDER):
            # Rows are in order to the millisecond; within one, anything goes.
            shown.reverse()
            return sorted(shown, key=lambda fill: fill.at[:23])
        return sorted(shown, key=lambda fill: fill.at)

    def of(self, order_id: str | None) -> list[Fill]:
        """All executions of an order (None: of all), those that were taken back included."""
        if order_id is None:
            return self.fills
        return [self.fills[place] for place in self._places.get(order_id, ())]

    def _book(self, fill: Fill) -> None:
        self._places.setdefault(fill.order_id, []).append(len(self.fills))
        self.fills.append(fill)
        symbol = self._floor.current(fill.symbol)
        self.ledger.post(fill, symbol, self._floor.timeline.elapsed)

    def _unpost(self, fill: Fill) -> None:
        """Take *fill* back, with what splits have made of it since."""
        symbol, ratio = self._floor.current(fill.symbol), Decimal(1)
        for row in self.rows:
            if row.ratio is not None and row.at > fill.at and row.symbol is not None:
                ratio *= row.ratio if self._floor.current(row.symbol) == symbol else 1
        self.ledger.unpost(fill, symbol, self._floor.timeline.elapsed, ratio)

    def _mark(self, fill: Fill) -> None:
        place = next(n for n, each in enumerate(self.fills) if each.exec_id == fill.exec_id)
        self.fills[place] = fill

    # ------------------------------------------------------------------- rows

    def move(
        self, kind: RowKind, symbol: str | None, qty: Decimal, price: Decimal, cash: Decimal
    ) -> None:
        """A position or cash (both signed) that changes without an order."""
        balance = self.ledger.now
        if symbol is not None:
            balance = balance.moved(symbol, qty, price, cash)
        else:
            balance = evolve(balance, cash=balance.cash + cash)
        self.ledger.put(balance, self._floor.timeline.elapsed)
        self._row(kind, symbol=symbol, qty=qty or None, price=price or None, cash=cash)

    def split(self, symbol: str, ratio: Decimal) -> None:
        """Make *ratio* units of one, if any are held."""
        held = self.ledger.now.qty(symbol)
        if held:
            scaled = self.ledger.now.scaled(symbol, ratio)
            self.ledger.put(scaled, self._floor.timeline.elapsed)
            self._row(RowKind.SPLIT, symbol=symbol, qty=held * ratio - held, ratio=ratio)

    def rename(self, old: str, new: str) -> None:
        """Have what is held of *old* be of *new*, at the same cost."""
        stake = self.ledger.now.stakes.get(old)
        if stake is None:
            return
        self.ledger.put(self.ledger.now.renamed(old, new), self._floor.timeline.elapsed)
        group_id = self._floor.new_id()
        for symbol, qty in ((old, -stake.qty), (new, stake.qty)):
            self._row(
                RowKind.NAME_CHANGE,
                symbol=symbol,
                qty=qty,
                price=stake.avg_price,
                group_id=group_id,
                description=f"{old} is now {new}",
            )

    def dividend(self, symbol: str, per_share: Decimal) -> None:
        """Pay *per_share* in cash for what is held; who is short pays it himself."""
        held, balance = self.ledger.now.qty(symbol), self.ledger.now
        if held:
            cash = held * per_share
            paid = evolve(balance, cash=balance.cash + cash)
            self.ledger.put(paid, self._floor.timeline.elapsed)
            self._row(RowKind.DIVIDEND, symbol=symbol, qty=held, cash=cash, per_share=per_share)

    def post_fees(self) -> None:
        """The rows of the day's crypto fees."""
        for fill in self._unposted_fees:
            self._fee_row(fill)
        self._unposted_fees = []

    def _fee_row(self, fill: Fill) -> None:
        in_cash = fill.fee_currency == "USD"
        self._row(
            RowKind.CRYPTO_FEE,
            symbol=fill.symbol,
            qty=None if in_cash else -fill.fee,
            price=fill.price,
            cash=-fill.fee if in_cash else None,
            description=f"Coin Pair Transaction Fee ({'' if in_cash else 'Non '}USD)",
        )

    def _row(self, kind: RowKind, **fields: Any) -> None:
        stamp = self._floor.timeline.stamp()
        self.rows.append(Row(id=self._floor.new_id(), kind=kind, at=stamp, **fields))


def _fee(order: Picture, qty: Decimal, price: Decimal) -> tuple[Decimal, str]:
    """What is taken from what the trade brings in, and in which currency."""
    if order.asset_class is not m.AssetClass.CRYPTO:
        return m.ZERO, "USD"
    if order.side is m.OrderSide.BUY:
        return m.cut(qty * _FEE, PLACES), order.symbol.partition("/")[0]
    return rounded(qty * price * _FEE), "USD"
