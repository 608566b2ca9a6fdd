"""The venue: instruments, sessions, quotes, and the events that no client causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock, SystemClock
from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.corporate_actions import AT_ONCE, CorporateActions
from fillbook.venue.exchange.faults.plan import Faults
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.market.bars import Source, read_bars, with_duration
from fillbook.venue.exchange.market.history import History
from fillbook.venue.exchange.market.matching import Prices
from fillbook.venue.exchange.market.spot import SpotTerms
from fillbook.venue.exchange.schedule import schedule_fees, schedule_openings
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.tape import Tape
from fillbook.venue.exchange.values import (
    ActivityKind,
    Block,
    Fill,
    Lag,
    OrderVersion,
    Posting,
    Ticket,
)

Amount = Decimal | int | str


class Exchange:
    """
    A simulated exchange: one market, any number of accounts.

    *seed* decides every id, partial fill, lag and fault.  *clock* None is the system clock,
    *faults* None an empty plan.  An order is routed *latency_s* seconds after it is accepted,
    and an event is sent half of that after it happens; so a manual clock must advance before
    an order fills.  *partial_rate* (0 to 1) is the probability that a trade is partial.
    *edits_in_place*: a replace changes the order itself, which keeps its ids; else it makes a
    new order.  *checks_duplicates*: a client order id is accepted once; else as often as it is
    sent.  *spot*: wallets by currency, fees in the quote, and the products of `market.spot`; None:
    one account in dollars, with shares.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        faults: Faults | None = None,
        latency_s: float = 0.02,
        partial_rate: float = 0.0,
        edits_in_place: bool = False,
        checks_duplicates: bool = True,
        spot: SpotTerms | None = None,
    ) -> None:
        self.faults: Faults = faults if faults is not None else Faults(seed=seed)
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._state = ExchangeState(
            seed,
            self.clock,
            self.faults,
            latency_s=latency_s,
            partial_rate=partial_rate,
            edits_in_place=edits_in_place,
            checks_duplicates=checks_duplicates,
            spot=spot,
        )
        self._time = self._state.timeline
        self.history: History = self._state.history  #: trades and bars of each symbol
        self._tape = Tape(self._state, self._quote)
        self._accounts: dict[str, Account] = {}
        self._actions = CorporateActions(self._state, self._accounts.values(), self._quote)
        schedule_openings(self._time, self._accounts.values(), self._match)
        schedule_fees(self._time, self._accounts.values())

    @property
    def lag(self) -> Lag:
        """The maximum age of views; it may be set at any time."""
        return self._state.lag

    @lag.setter
    def lag(self, lag: Lag) -> None:
        self._state.lag = lag

    @property
    def spot(self) -> SpotTerms | None:
        """The terms of a spot exchange; they may be set at any time.  None: it is another one."""
        return self._state.spot

    @spot.setter
    def spot(self, terms: SpotTerms) -> None:
        self._state.spot = terms

    # --------------------------------------------------------------- accounts

    def open_account(
        self, name: str = "paper", *, cash: Amount = 100_000, multiplier: int = 2
    ) -> Account:
        """
        Open an account; *name* is also its API key.

        *cash* is in USD; *multiplier* is 1, 2 or 4.
        """
        with self._time.locked():
            account = Account(name, self._state, m.number(cash), multiplier)
            self._accounts[name] = account
            return account

    def account(self, name: str) -> Account:
        """Return the account *name*.  Raises: KeyError."""
        return self._accounts[name]

    def accounts(self) -> list[Account]:
        return list(self._accounts.values())

    def reset(self, account: Account, *, cash: Amount = 100_000, key: str | None = None) -> None:
        """
        Reset a paper account: a new id, *cash* (USD), no orders, no positions and no history.

        Its order ids become unknown and its streams are closed.  *key* replaces its name; None
        keeps it.  Raises: ValueError if another account has the name *key*.
        """
        with self._time.locked():
            name = account.name if key is None else key
            if self._accounts.get(name, account) is not account:
                raise ValueError(f"the key {name!r} belongs to another account")
            account.trading.feed.disconnect()
            del self._accounts[account.name]
            account.initialize(name, m.number(cash))
            self._accounts[name] = account

    def run_due(self) -> None:
        """Run the events that are due by the clock; every other call does so first."""
        self._time.run_due()

    # ------------------------------------------------------------------ market

    def now(self) -> datetime:
        with self._time.locked():
            return self._time.now()

    def instruments(self) -> list[m.Instrument]:
        return list(self._state.instruments.values())

    def instrument(self, spelling: str) -> m.Instrument | None:
        """Return an instrument by symbol, alias (`BTCUSD`) or id; None if it is not listed."""
        return self._state.instrument(spelling)

    def instrument_id(self, symbol: str) -> str:
        return self._state.instrument_id(symbol)

    def sessions(self, first: date, last: date) -> list[m.Session]:
        """Return the sessions of the stock exchange from *first* to *last*, both included."""
        return list(sessions.sessions(first, last))

    def is_open(self) -> bool:
        """Whether the regular session of the stock exchange is open."""
        return sessions.is_regular(self.now())

    def quote_of(self, symbol: str) -> m.Quote | None:
        with self._time.locked():
            prices = self._state.prices.get(symbol)
            if prices is None:
                return None
            return m.Quote(symbol, prices.bid, prices.ask, self._time.now())

    # ------------------------------------------------------------ venue driver

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Schedule *callback* in *seconds* (≥ 0), in order with all other events."""
        with self._time.locked():
            self._time.call_later(seconds, callback)

    def is_overnight(self, symbol: str) -> bool:
        """Whether *symbol* also trades overnight, from 20:00 to 4:00 New York time."""
        return symbol in self._state.overnight

    def list_instrument(
        self, instrument: m.Instrument, bid: Amount, ask: Amount, *, overnight: bool = False
    ) -> None:
        """List an instrument, or replace the definition of a listed one, at this quote."""
        with self._time.locked():
            change = self._state.overnight.add if overnight else self._state.overnight.discard
            change(instrument.symbol)
            self._state.instruments[instrument.symbol] = instrument
            self._state.set_prices(instrument.symbol, Prices(m.number(bid), m.number(ask)))

    def quote(self, symbol: str, bid: Amount, ask: Amount) -> None:
        """Set the quote of *symbol* and match its open orders."""
        with self._time.locked():
            self._quote(symbol, Prices(m.number(bid), m.number(ask)))

    def walk(self, symbol: str, *, step_bps: int = 5, every_s: float = 1.0) -> None:
        """Move the price of *symbol* by a random step of at most *step_bps*, every *every_s*."""
        with self._time.locked():
            self._tape.walk(symbol, step_bps, every_s)

    def script(self, quotes: Iterable[tuple[float, str, Amount, Amount]]) -> None:
        """Schedule quotes: (seconds from now, symbol, bid, ask), in any order."""
        with self._time.locked():
            self._tape.script(
                (seconds, symbol, Prices(m.number(bid), m.number(ask)))
                for seconds, symbol, bid, ask in quotes
            )

    def play(
        self,
        symbol: str,
        source: Source,
        *,
        spread_bps: Amount = 2,
        bar_s: float | None = None,
    ) -> None:
        """
        Quote *symbol* by the bars of a CSV file, or of its lines; `bars` defines the columns.

        Each bar is quoted as open, low, high, close, or high before low if it falls, with a
        spread of *spread_bps* around the price.  The first bar begins now, or at its own time if
        that is later.  A bar lasts until the next bar of the file, or *bar_s* seconds (None:
        as in the file).  A symbol that is not listed is listed.
        Raises: InvalidValue, with the line that is not a bar.
        """
        read = read_bars(source)
        with self._time.locked():
            symbol = self._state.current_symbol(symbol)
            self._state.list_default(symbol, read[0].open)
            bars = read if bar_s is None else with_duration(read, bar_s)
            self._tape.play(symbol, bars, m.number(spread_bps))

    def halt(self, symbol: str) -> None:
        """Halt *symbol* until `resume`: its orders do not trade, but `fill` still fills them."""
        with self._time.locked():
            self._state.halted.add(symbol)

    def is_halted(self, symbol: str) -> bool:
        return symbol in self._state.halted

    def resume(self, symbol: str) -> None:
        with self._time.locked():
            self._state.halted.discard(symbol)
            self._match(symbol)

    def block(
        self, account: Account, what: str = Block.TRADING, *, is_blocked: bool = True
    ) -> None:
        """Set the block *what* (see `Block`) on *account*, or remove it."""
        with self._time.locked():
            change = account.blocks.add if is_blocked else account.blocks.discard
            change(Block(what))

    def borrow(self, symbol: str, *, is_easy: bool) -> None:
        """
        Make the shares of *symbol* easy or hard to borrow.

        If they are hard to borrow, the exchange accepts no short sale, and it cancels the open
        ones before the next opening.
        """
        with self._time.locked():
            instrument = self._state.instruments[symbol]
            self._state.instruments[symbol] = evolve(instrument, shortable=is_easy)

    def fill(self, order_id: str, qty: Amount | None = None, price: Amount | None = None) -> Fill:
        """
        Fill *qty* (None: the leaves quantity) at *price* (None: the quote's).

        A final order may still fill, as a late fill.
        Raises: ValueError if *qty* is not between 0 and the leaves quantity.
        """
        with self._time.locked():
            account = self._account_of_order(order_id)
            order = account.trading.orders[order_id]
            touch = self._state.price(order.symbol).touch(order.side)
            at = touch if price is None else m.number(price)
            leaves = account.trading.leaves(order, at)
            size = leaves if qty is None else m.number(qty)
            if not 0 < size <= leaves:
                raise ValueError(f"{size} cannot fill: the leaves of order {order_id} are {leaves}")
            return account.trading.execute(order_id, size, at)

    def disconnect(self, account: Account) -> None:
        """Close the streams of *account*; a client must connect again."""
        with self._time.locked():
            account.trading.feed.disconnect()

    def trade_by_hand(self, account: Account, ticket: Ticket) -> OrderVersion:
        """Place an order as the broker's dashboard does.  Raises: Refused."""
        return account.trade_by_hand(ticket)

    def reject(self, order_id: str, reason: str = "rejected by the venue") -> None:
        """Reject an accepted order."""
        with self._time.locked():
            self._account_of_order(order_id).trading.reject(order_id, reason)

    def expire(self, order_id: str) -> None:
        with self._time.locked():
            self._account_of_order(order_id).trading.expire(order_id)

    def bust(self, exec_id: str) -> None:
        """Bust an execution."""
        with self._time.locked():
            self._account_of_execution(exec_id).trading.bust(exec_id)

    def correct(self, exec_id: str, *, price: Amount, qty: Amount | None = None) -> Fill:
        """
        Correct the price of an execution, and its quantity unless *qty* is None.

        Raises: ValueError if the execution is already busted or corrected.
        """
        with self._time.locked():
            account = self._account_of_execution(exec_id)
            old = next(f for f in account.history.fills if f.exec_id == exec_id)
            new_qty = old.qty if qty is None else m.number(qty)
            new = account.trading.correct(exec_id, m.number(price), new_qty)
            if new is None:
                raise ValueError(f"execution {exec_id} was already busted or corrected")
            return new

    def split(
        self,
        symbol: str,
        ratio: Amount,
        *,
        adjusts: bool = True,
        whole: bool = False,
        posting: Posting = AT_ONCE,
    ) -> None:
        """
        Split *symbol* in every account: *ratio* new units per old unit.

        If *whole*, fractions are paid as cash.  If *adjusts*, a forward split adjusts the price
        and quantity of simple orders good till canceled.  No other order changes.
        """
        with self._time.locked():
            self._actions.split(symbol, m.number(ratio), adjusts, whole, posting)

    def rename(self, old: str, new: str, *, posting: Posting = AT_ONCE) -> None:
        """Rename *old*; final orders keep it.  Raises: ValueError if *new* is or was listed."""
        with self._time.locked():
            self._actions.rename(old, new, posting)

    def merge(
        self,
        old: str,
        new: str | None = None,
        *,
        ratio: Amount = 0,
        cash: Amount = 0,
        whole: bool = False,
        posting: Posting = AT_ONCE,
    ) -> None:
        """
        End *old*: each unit becomes *ratio* units of *new*, and *cash* (USD); or worthless.

        Open orders of *old* are canceled.  *new* is listed if it is not.
        """
        with self._time.locked():
            self._actions.merge(old, new, (m.number(ratio), m.number(cash)), whole, posting)

    def spin_off(
        self,
        symbol: str,
        new: str,
        *,
        ratio: Amount,
        price: Amount,
        whole: bool = False,
        posting: Posting = AT_ONCE,
    ) -> None:
        """List *new* at *price*; each unit of *symbol* receives *ratio* units of it, at no cost."""
        by = m.number(ratio)
        with self._time.locked():
            self._actions.spin_off(symbol, new, by, m.number(price), whole, posting)

    def stock_dividend(
        self, symbol: str, ratio: Amount, *, whole: bool = False, posting: Posting = AT_ONCE
    ) -> None:
        """Pay a dividend of *ratio* units per unit of *symbol*, as `split` adds units."""
        with self._time.locked():
            self._actions.stock_dividend(symbol, m.number(ratio), whole, posting)

    def dividend(self, symbol: str, per_share: Amount) -> None:
        """Pay *per_share* (USD) on long positions in *symbol*; short positions are charged."""
        with self._time.locked():
            for account in self._accounts.values():
                account.history.dividend(symbol, m.number(per_share))

    def transfer(self, account: Account, symbol: str, qty: Amount, price: Amount) -> None:
        """Add *qty* (signed) units of *symbol* at the cost *price*, without order and cash."""
        self._move_units(ActivityKind.TRANSFER, account, symbol, qty, price)

    def journal(self, account: Account, symbol: str, qty: Amount, price: Amount) -> None:
        """The same by a journal entry between two accounts of the broker."""
        self._move_units(ActivityKind.JOURNAL, account, symbol, qty, price)

    def assign(self, account: Account, symbol: str, qty: Amount, price: Amount) -> None:
        """The same against cash, as an option's assignment does it."""
        self._move_units(ActivityKind.ASSIGNMENT, account, symbol, qty, price, is_paid=True)

    def deposit(self, account: Account, cash: Amount) -> None:
        """Add *cash* (signed, USD).  Raises: ValueError if transfers are blocked."""
        with self._time.locked():
            if Block.TRANSFERS in account.blocks:
                raise ValueError(f"transfers of {account.name!r} are blocked")
            account.history.adjust(ActivityKind.CASH, None, m.ZERO, m.ZERO, m.number(cash))

    # ---------------------------------------------------------------- private

    def _move_units(
        self,
        kind: ActivityKind,
        account: Account,
        symbol: str,
        qty: Amount,
        price: Amount,
        *,
        is_paid: bool = False,
    ) -> None:
        units, at = m.number(qty), m.number(price)
        with self._time.locked():
            account.history.adjust(kind, symbol, units, at, -units * at if is_paid else m.ZERO)

    def _quote(self, symbol: str, prices: Prices) -> None:
        for name in self._state.books(self._state.current_symbol(symbol)):
            self._state.set_prices(name, prices)
            self._match(name)

    def _match(self, symbol: str | None = None) -> None:
        for account in self._accounts.values():
            account.trading.match_all(symbol)

    def _account_of_order(self, order_id: str) -> Account:
        for account in self._accounts.values():
            if account.trading.orders.get(order_id) is not None:
                return account
        raise KeyError(order_id)

    def _account_of_execution(self, exec_id: str) -> Account:
        for account in self._accounts.values():
            if any(exec_id == fill.exec_id for fill in account.history.fills):
                return account
        raise KeyError(exec_id)
