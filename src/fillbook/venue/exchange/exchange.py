"""The venue: what is listed, when it trades and at what price, and what happens by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock, SystemClock
from fillbook.venue.exchange import corporate_actions
from fillbook.venue.exchange.client import Account
from fillbook.venue.exchange.faults.plan import Faults
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.market.bars import Source, read_bars, with_duration
from fillbook.venue.exchange.market.listing import default_instrument
from fillbook.venue.exchange.market.matching import Prices, rounded_to_tick
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.tape import Tape
from fillbook.venue.exchange.values import ActivityKind, Block, Fill, Lag, OrderVersion, Ticket

_DAY: Final = timedelta(days=1)

Amount = Decimal | int | str


class Exchange:
    """
    Many accounts, one market.

    *seed* decides every id, every partial fill, every lag and every fault.  An order that is
    taken is routed *latency_s* later, and its events are sent half of that after what they
    tell of; so made-up time must move on for anything to fill.  *partial_rate* is the
    probability that a trade takes only a part.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        faults: Faults | None = None,
        latency_s: float = 0.02,
        partial_rate: float = 0.0,
    ) -> None:
        self.faults = faults if faults is not None else Faults(seed=seed)
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._state = ExchangeState(
            seed,
            self.clock,
            self.faults,
            latency_s=latency_s,
            partial_rate=partial_rate,
        )
        self._time = self._state.timeline
        self._tape = Tape(self._state, self._quote)
        self._accounts: dict[str, Account] = {}
        self._schedule_opening()
        self._schedule_fees()

    @property
    def lag(self) -> Lag:
        """How old views may be; may be set at any time."""
        return self._state.lag

    @lag.setter
    def lag(self, lag: Lag) -> None:
        self._state.lag = lag

    # --------------------------------------------------------------- accounts

    def open_account(
        self, name: str = "paper", *, cash: Amount = 100_000, multiplier: int = 2
    ) -> Account:
        """A new account under *name*, which may serve as its key; *multiplier* is 1, 2 or 4."""
        with self._time.locked():
            account = Account(name, self._state, m.number(cash), multiplier)
            self._accounts[name] = account
            return account

    def account(self, name: str) -> Account:
        """The account opened under *name*.  Raises: KeyError."""
        return self._accounts[name]

    def reset(self, account: Account, *, cash: Amount = 100_000, key: str | None = None) -> None:
        """
        Have a paper account begin anew, as its owner may: another id, *cash*, and nothing else.

        All order ids are unknown from now on and its streams are closed.  With *key* it is
        opened by that name, and by the old one no more.  Raises: ValueError if *key* is taken.
        """
        with self._time.locked():
            name = account.name if key is None else key
            if self._accounts.get(name, account) is not account:
                raise ValueError(f"another account is opened by {name!r}")
            account.trading.feed.disconnect()
            del self._accounts[account.name]
            account.initialize(name, m.number(cash))
            self._accounts[name] = account

    def run_due(self) -> None:
        """Let happen what is due by the clock; every other call does so first."""
        self._time.run_due()

    # ----------------------------------------------------------- all may look

    def now(self) -> datetime:
        with self._time.locked():
            return self._time.now()

    def instruments(self) -> list[m.Instrument]:
        return list(self._state.instruments.values())

    def instrument(self, spelling: str) -> m.Instrument | None:
        """By symbol, another spelling (`BTCUSD`) or id."""
        return self._state.instrument(spelling)

    def instrument_id(self, symbol: str) -> str:
        return self._state.instrument_id(symbol)

    def sessions(self, first: date, last: date) -> list[m.Session]:
        """The trading days from *first* to *last*, both included."""
        return list(sessions.sessions(first, last))

    def is_open(self) -> bool:
        """Whether the regular session of the stock exchange is under way."""
        return sessions.is_regular(self.now())

    def quote_of(self, symbol: str) -> m.Quote | None:
        with self._time.locked():
            prices = self._state.prices.get(symbol)
            if prices is None:
                return None
            return m.Quote(symbol, prices.bid, prices.ask, self._time.now())

    # ---------------------------------------------------------- the puppeteer

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Have *call* made in *seconds* (≥ 0), in its place among all that happens."""
        with self._time.locked():
            self._time.call_later(seconds, callback)

    def is_overnight(self, symbol: str) -> bool:
        """Whether *symbol* is traded from 20:00 to 4:00 too."""
        return symbol in self._state.overnight

    def list_instrument(
        self, instrument: m.Instrument, bid: Amount, ask: Amount, *, overnight: bool = False
    ) -> None:
        """Have one more thing to trade, or the same under other rules."""
        with self._time.locked():
            change = self._state.overnight.add if overnight else self._state.overnight.discard
            change(instrument.symbol)
            self._state.instruments[instrument.symbol] = instrument
            self._state.prices[instrument.symbol] = Prices(m.number(bid), m.number(ask))

    def quote(self, symbol: str, bid: Amount, ask: Amount) -> None:
        """Set the market, and let trade what can."""
        with self._time.locked():
            self._quote(symbol, Prices(m.number(bid), m.number(ask)))

    def walk(self, symbol: str, *, step_bps: int = 5, every_s: float = 1.0) -> None:
        """Have the price of *symbol* take a seeded step of at most *step_bps*, for ever."""
        with self._time.locked():
            self._tape.walk(symbol, step_bps, every_s)

    def script(self, quotes: Iterable[tuple[float, str, Amount, Amount]]) -> None:
        """Set markets later: (seconds from now, symbol, bid, ask), in any order."""
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
        Quote *symbol* by the bars of a CSV file, or of its lines, as `bars` reads them.

        Each is open, then low and high (first high if it falls), then close, *spread_bps* apart
        around it.  The first bar begins now, or at its own time if that is still to come; a bar
        lasts until the next one of the file, or *bar_s*.  What is not listed yet will be.
        Raises: InvalidValue, naming the line that is no bar.
        """
        read = read_bars(source)
        with self._time.locked():
            symbol = self._state.current_symbol(symbol)
            if symbol not in self._state.instruments:
                self.list_instrument(default_instrument(symbol), read[0].open, read[0].open)
            bars = read if bar_s is None else with_duration(read, bar_s)
            self._tape.play(symbol, bars, m.number(spread_bps))

    def halt(self, symbol: str) -> None:
        """Nothing of *symbol* trades by itself until `resume`; `fill` still fills."""
        with self._time.locked():
            self._state.halted.add(symbol)

    def resume(self, symbol: str) -> None:
        with self._time.locked():
            self._state.halted.discard(symbol)
            self._match(symbol)

    def block(
        self, account: Account, what: str = Block.TRADING, *, is_blocked: bool = True
    ) -> None:
        """Have the broker forbid *account* something, or allow it again; `Block` lists what."""
        with self._time.locked():
            change = account.blocks.add if is_blocked else account.blocks.discard
            change(Block(what))

    def borrow(self, symbol: str, *, is_easy: bool) -> None:
        """
        Have shares of *symbol* be easy or hard to borrow.

        If they are hard, no short sale is taken, and those that rest are canceled before the
        next opening.
        """
        with self._time.locked():
            listed = self._state.instruments[symbol]
            self._state.instruments[symbol] = evolve(listed, shortable=is_easy)

    def fill(self, order_id: str, qty: Amount | None = None, price: Amount | None = None) -> Fill:
        """
        Fill *qty* (None: all that is left) at *price* (None: the market's).

        An order that is over may still fill, late, but not beyond its size.
        Raises: ValueError for that.
        """
        with self._time.locked():
            account = self._account_of_order(order_id)
            order = account.trading.orders[order_id]
            touch = self._state.price(order.symbol).touch(order.side)
            at = touch if price is None else m.number(price)
            left = account.trading.leaves(order, at)
            size = left if qty is None else m.number(qty)
            if not 0 < size <= left:
                raise ValueError(f"{size} cannot fill: {left} are left of order {order_id}")
            return account.trading.execute(order_id, size, at)

    def disconnect(self, account: Account) -> None:
        """Close the streams of *account*; whoever listens has to connect again."""
        with self._time.locked():
            account.trading.feed.disconnect()

    def trade_by_hand(self, account: Account, ticket: Ticket) -> OrderVersion:
        """An order placed in the broker's dashboard.  Raises: Refused."""
        return account.trade_by_hand(ticket)

    def reject(self, order_id: str, reason: str = "rejected by the venue") -> None:
        """Refuse an order that was accepted."""
        with self._time.locked():
            self._account_of_order(order_id).trading.reject(order_id, reason)

    def expire(self, order_id: str) -> None:
        with self._time.locked():
            self._account_of_order(order_id).trading.expire(order_id)

    def bust(self, exec_id: str) -> None:
        """Take an execution back."""
        with self._time.locked():
            self._account_of_execution(exec_id).trading.bust(exec_id)

    def correct(self, exec_id: str, *, price: Amount, qty: Amount | None = None) -> Fill:
        """
        Put an execution of *price* (and *qty*, None: the same) in the place of another.

        Raises: ValueError if that was busted or corrected already.
        """
        with self._time.locked():
            account = self._account_of_execution(exec_id)
            old = next(f for f in account.history.fills if f.exec_id == exec_id)
            new_qty = old.qty if qty is None else m.number(qty)
            new = account.trading.correct(exec_id, m.number(price), new_qty)
            if new is None:
                raise ValueError(f"execution {exec_id} does not stand any more")
            return new

    def split(self, symbol: str, ratio: Amount, *, adjusts: bool = True) -> None:
        """
        Make *ratio* units of one, in every account; fractions stay.

        A forward split adjusts price and quantity of plain orders good till canceled, unless
        *adjusts* is false; all others stay as they are.
        """
        by = m.number(ratio)
        with self._time.locked():
            for account in self._accounts.values():
                corporate_actions.split(account.trading, symbol, by, adjusts=adjusts)
            old, step = self._state.prices[symbol], self._state.instruments[symbol].price_increment
            self.quote(symbol, *(rounded_to_tick(each / by, step) for each in (old.bid, old.ask)))

    def rename(self, old: str, new: str) -> None:
        """
        Have *old* be called *new* from now on; what is over keeps its name.

        Raises: ValueError if *old* is not listed, or *new* is or was.
        """
        with self._time.locked():
            self._state.rename(old, new)
            for account in self._accounts.values():
                corporate_actions.rename(account.trading, old, new)

    def dividend(self, symbol: str, per_share: Amount) -> None:
        """Pay *per_share* in cash to all who hold *symbol*, out of the cash of who is short."""
        with self._time.locked():
            for account in self._accounts.values():
                account.history.dividend(symbol, m.number(per_share))

    def transfer(self, account: Account, symbol: str, qty: Amount, price: Amount) -> None:
        """Have *qty* (signed) units of *symbol* come or go without an order and without cash."""
        with self._time.locked():
            account.history.adjust(
                ActivityKind.TRANSFER, symbol, m.number(qty), m.number(price), m.ZERO
            )

    def assign(self, account: Account, symbol: str, qty: Amount, price: Amount) -> None:
        """The same against cash, as an option's assignment does it."""
        units, at = m.number(qty), m.number(price)
        with self._time.locked():
            account.history.adjust(ActivityKind.ASSIGNMENT, symbol, units, at, -units * at)

    def deposit(self, account: Account, cash: Amount) -> None:
        """Have *cash* (signed) come in or go out.  Raises: ValueError if that is blocked."""
        with self._time.locked():
            if Block.TRANSFERS in account.blocks:
                raise ValueError(f"transfers of {account.name!r} are blocked")
            account.history.adjust(ActivityKind.CASH, None, m.ZERO, m.ZERO, m.number(cash))

    # ---------------------------------------------------------------- private

    def _quote(self, symbol: str, prices: Prices) -> None:
        symbol = self._state.current_symbol(symbol)
        self._state.prices[symbol] = prices
        self._match(symbol)

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

    def _schedule_opening(self) -> None:
        """At the next opening, regular, extended or of a night, let trade what rested."""
        now = self._time.now()
        extended = sessions.current_or_next(now).extended_opens
        opens = (
            sessions.next_opening(now, extended=False),
            extended,
            sessions.next_overnight_open(now),
        )
        when = min(at for at in opens if at > now)

        def on_open() -> None:
            for account in self._accounts.values():
                account.trading.recall()
            self._match()
            self._schedule_opening()

        self._time.call_at(when, on_open)

    def _schedule_fees(self) -> None:
        """Crypto fees are posted at the end of the day, UTC."""
        midnight = datetime.combine(self._time.now().date() + _DAY, datetime.min.time(), UTC)

        def post() -> None:
            for account in self._accounts.values():
                account.history.post_fees()
            self._schedule_fees()

        self._time.call_at(midnight, post)
