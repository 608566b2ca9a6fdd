"""
Corporate actions: splits, renames, mergers, spin-offs and dividends in units.

Each changes the positions of every account, its open orders, and the market; and it is listed in
the account's history by rows, at once, later, or before (`Posting`).

A split adjusts open orders good till canceled, but not those of a group: these are
"do not reduce".  A merger cancels the open orders of the symbol that it ends.
Source: https://docs.alpaca.markets/docs/orders-at-alpaca, "time in force"; the rows:
https://docs.alpaca.markets/docs/activities, "corporate actions".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.market.matching import Prices, rounded_to_tick
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.values import (
    ActivityKind,
    OrderVersion,
    Posting,
    S,
    SplitRows,
)

_PRICES: Final = ("limit_price", "stop_price", "trail_price", "hwm")
_CENT: Final = Decimal("0.01")
#: The rows are listed when the positions change.
AT_ONCE: Final = Posting()
#: The units of *old* stay: those of *new* come beside them.
_ADDS: Final = frozenset({ActivityKind.SPIN_OFF, ActivityKind.DIVIDEND})


@frozen(kw_only=True)
class CorporateAction:
    """
    What each unit of *old* becomes or entitles to: *ratio* units of *new*, and *cash*.

    `cash` is in USD per unit of *old*.  `old_price` and `new_price` are market prices in USD per
    unit, before and after.  `whole`: fractions of *new* are paid as cash at its price.
    `adjusts`: a split adjusts open orders.
    """

    kind: ActivityKind
    old: str
    new: str | None
    ratio: Decimal
    cash: Decimal = m.ZERO
    old_price: Decimal
    new_price: Decimal
    whole: bool = False
    adjusts: bool = True
    posting: Posting

    def units(self, held: Decimal) -> Decimal:
        """Return the signed units of *new* for *held* units of *old*."""
        exact = held * self.ratio
        return m.cut(exact, Decimal(1)) if self.whole else exact

    def paid(self, held: Decimal) -> Decimal:
        """Return the cash for *held* units, that for the fraction included."""
        return held * self.cash + self.in_lieu(held)

    def in_lieu(self, held: Decimal) -> Decimal:
        """Return the cash for the fraction of *new* that *held* units do not complete."""
        return ((held * self.ratio - self.units(held)) * self.new_price).quantize(_CENT)


class CorporateActions:
    """The corporate actions of an exchange: in every account, and in the market."""

    def __init__(
        self,
        state: ExchangeState,
        accounts: Collection[Account],
        quote: Callable[[str, Prices], None],
    ) -> None:
        self._state = state
        self._accounts = accounts
        self._quote = quote

    def split(
        self, symbol: str, ratio: Decimal, adjusts: bool, whole: bool, posting: Posting
    ) -> None:
        """Split *symbol* and its quote."""
        prices, step = self._state.prices[symbol], self._state.instruments[symbol].price_increment
        after = Prices(*(rounded_to_tick(each / ratio, step) for each in (prices.bid, prices.ask)))
        action = CorporateAction(
            kind=ActivityKind.SPLIT,
            old=symbol,
            new=symbol,
            ratio=ratio,
            old_price=prices.mid,
            new_price=after.mid,
            whole=whole,
            adjusts=adjusts,
            posting=posting,
        )
        self._carry_out(action, lambda: self._quote(symbol, after))

    def rename(self, old: str, new: str, posting: Posting) -> None:
        """Rename an instrument. Raises: ValueError."""
        self._state.check_rename(old, new)
        price = self._state.prices[old].mid
        action = CorporateAction(
            kind=ActivityKind.NAME_CHANGE,
            old=old,
            new=new,
            ratio=Decimal(1),
            old_price=price,
            new_price=price,
            posting=posting,
        )
        self._carry_out(action, before=lambda: self._state.rename(old, new))

    def merge(
        self,
        old: str,
        new: str | None,
        terms: tuple[Decimal, Decimal],
        whole: bool,
        posting: Posting,
    ) -> None:
        """End *old* for *terms*: units of *new* per unit, and cash in USD per unit."""
        ratio, cash = terms
        price = self._state.prices[old].mid
        if new is not None:
            self._list(new, old, (price - cash) / ratio)
        action = CorporateAction(
            kind=ActivityKind.MERGER if ratio or cash else ActivityKind.WORTHLESS,
            old=old,
            new=new,
            ratio=ratio,
            cash=cash,
            old_price=price,
            new_price=price if new is None else self._state.prices[new].mid,
            whole=whole,
            posting=posting,
        )
        self._carry_out(action, lambda: self._state.delist(old))

    def spin_off(
        self, symbol: str, new: str, ratio: Decimal, price: Decimal, whole: bool, posting: Posting
    ) -> None:
        """List *new* at *price*, and give *ratio* units of it to each unit of *symbol*."""
        self._list(new, symbol, price)
        action = CorporateAction(
            kind=ActivityKind.SPIN_OFF,
            old=symbol,
            new=new,
            ratio=ratio,
            old_price=self._state.prices[symbol].mid,
            new_price=price,
            whole=whole,
            posting=posting,
        )
        self._carry_out(action)

    def stock_dividend(self, symbol: str, ratio: Decimal, whole: bool, posting: Posting) -> None:
        """Give *ratio* units of *symbol* to each of its units."""
        price = self._state.prices[symbol].mid
        action = CorporateAction(
            kind=ActivityKind.DIVIDEND,
            old=symbol,
            new=symbol,
            ratio=ratio,
            old_price=price,
            new_price=price,
            whole=whole,
            posting=posting,
        )
        self._carry_out(action)

    def _list(self, new: str, like: str, price: Decimal) -> None:
        if new not in self._state.instruments:
            instrument = evolve(self._state.instruments[like], symbol=new, aliases=())
            at = rounded_to_tick(price, instrument.price_increment)
            self._state.instruments[new] = instrument
            self._state.set_prices(new, Prices(at, at))

    def _carry_out(
        self,
        action: CorporateAction,
        after: Callable[[], None] = lambda: None,
        *,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Post the rows of every account, and change positions, orders and the market."""
        for account in self._accounts:
            post_rows(self._state, account.trading, action)

        def act() -> None:
            before()
            for account in self._accounts:
                take_effect(self._state, account.trading, action)
            after()

        if action.posting.delay_s < 0:
            self._state.timeline.call_later(-action.posting.delay_s, act)
        else:
            act()


def take_effect(state: ExchangeState, trading: Trading, action: CorporateAction) -> None:
    """Change the position and the open orders of one account."""
    history = trading.history
    balance, at = history.ledger.now, state.timeline.elapsed
    held = balance.qty(action.old)
    if held and action.kind in _ADDS:
        assert action.new is not None
        units, paid = action.units(held), action.paid(held)
        history.ledger.put(balance.moved(action.new, units, m.ZERO, paid), at)
    elif held:
        units, paid = action.units(held), action.paid(held)
        history.ledger.put(balance.exchanged(action.old, action.new, units, paid), at)
    for order in trading.orders.open(action.old):
        _change_order(trading, order, action)


def _change_order(trading: Trading, order: OrderVersion, action: CorporateAction) -> None:
    match action.kind:
        case ActivityKind.SPLIT if action.adjusts:
            if fields := adjusted(order, action.ratio):
                trading.restate(order, **fields)
        case ActivityKind.NAME_CHANGE:
            trading.restate(order, symbol=action.new)
        case ActivityKind.MERGER | ActivityKind.WORTHLESS:
            trading.end(order, S.CANCELED)
        case _:
            pass


def adjusted(order: OrderVersion, ratio: Decimal) -> dict[str, Any]:
    """Return the fields of *order* that a forward split of *ratio* changes, with new values."""
    is_plain = order.order_class is m.OrderClass.SIMPLE
    if ratio <= 1 or not is_plain or order.time_in_force is not m.TimeInForce.GTC:
        return {}
    qty = order.filled_qty + order.leaves_qty * ratio
    if order.qty is None or qty % 1:
        return {}
    prices = ((name, getattr(order, name)) for name in _PRICES)
    return {"qty": qty} | {name: rounded_to_tick(price / ratio) for name, price in prices if price}


def post_rows(state: ExchangeState, trading: Trading, action: CorporateAction) -> None:
    """List the action in the history of one account, if it holds *old*."""
    held = trading.history.ledger.now.qty(action.old)
    rows = list(_rows(action, held)) if held else []
    delay_s = action.posting.delay_s
    group_id = state.new_id() if action.posting.grouped and len(rows) > 1 else None
    for row in rows:
        trading.history.add_activity(
            action.kind,
            group_id=group_id,
            hidden_s=max(0.0, delay_s),
            ahead=timedelta(seconds=max(0.0, -delay_s)),
            **row,
        )


def _rows(action: CorporateAction, held: Decimal) -> Iterator[dict[str, Any]]:
    """Yield the fields of the rows for *held* units."""
    units, in_lieu, cash = action.units(held), action.in_lieu(held), held * action.cash
    fraction, same = held * action.ratio - units, action.new == action.old
    if action.kind in _ADDS:
        source = action.old if action.posting.names_source else None
        added = {"symbol": action.new, "qty": units, "source": source}
        if units:
            yield added | ({"factor": 1 + action.ratio, "fraction": fraction} if same else {})
    elif same and action.posting.split_rows is SplitRows.RATIO:
        by = action.ratio
        yield {"symbol": action.old, "qty": held * by - held, "ratio": by, "factor": by}
        if fraction:
            paid = {"cash": in_lieu, "description": "Cash in lieu of a fraction"}
            yield {"symbol": action.old, "qty": -fraction} | paid
        return
    elif same and action.posting.split_rows is SplitRows.ADDED:
        rest = {"cash": in_lieu or None, "factor": action.ratio, "fraction": fraction}
        yield {"symbol": action.old, "qty": units - held} | rest
        return
    else:
        text = _text(action, held, units)
        removed = {"symbol": action.old, "qty": -held, "price": action.old_price}
        by_ratio = {"factor": action.ratio, "fraction": fraction} if same else {}
        first = {"factor": Decimal(1)} if same and units else by_ratio
        yield removed | {"description": _row_text("REMOVE", text)} | first
        if action.new is not None and units:
            added = {"symbol": action.new, "qty": units, "price": action.new_price}
            yield added | {"description": _row_text("ADD", text)} | by_ratio
    if cash:
        yield {"symbol": action.old, "cash": cash}
    if in_lieu:
        words = "Cash in lieu of a fraction"
        yield {"symbol": action.new, "cash": in_lieu, "description": words}


def _row_text(verb: str, text: str) -> str:
    return f"{verb}, {text}" if text.startswith("From") else text


def _text(action: CorporateAction, held: Decimal, units: Decimal) -> str:
    """Return what the broker writes about the quantities; in old rows it is all that it says."""
    if action.kind is ActivityKind.NAME_CHANGE:
        return f"{action.old} is now {action.new}"
    if action.kind is not ActivityKind.SPLIT:
        return ""
    value = m.plain((held * action.old_price).quantize(_CENT))
    return f"From QTY:{m.plain(held)}, To QTY:{m.plain(units)}, Position Value:{value}"
