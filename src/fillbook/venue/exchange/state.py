"""The state that all accounts share: time, random sources, faults, instruments and prices."""

from __future__ import annotations

import random
import string
import uuid
from datetime import timedelta
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.faults.plan import Faults, InjectedFault
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.market.history import History
from fillbook.venue.exchange.market.listing import LISTED, OVERNIGHT, default_instrument
from fillbook.venue.exchange.market.matching import PriceOf, Prices, is_crypto
from fillbook.venue.exchange.market.spot import ALIASES, PRODUCTS, WALLET_PRICES, SpotTerms
from fillbook.venue.exchange.timeline import Timeline
from fillbook.venue.exchange.values import Lag, OrderVersion

_TENTHS = 10


class ExchangeState:
    """
    The shared state of one exchange.

    Each use of randomness has its own source, so that one more fault does not change the ids
    that follow.  An order is routed `latency_s` seconds after it is accepted, and a cancel is
    done `latency_s` seconds after it is accepted; an event is sent `stream_s` seconds after
    it happens.
    """

    def __init__(
        self,
        seed: int,
        clock: Clock,
        faults: Faults,
        *,
        latency_s: float,
        partial_rate: float,
        edits_in_place: bool,
        checks_duplicates: bool = True,
        spot: SpotTerms | None = None,
    ) -> None:
        self.timeline: Timeline = Timeline(clock)
        self.faults = faults
        self.lag: Lag = Lag()
        self.latency_s = latency_s
        self.stream_s: float = latency_s / 2
        self.partial_rate = partial_rate
        self.edits_in_place = edits_in_place
        self.checks_duplicates = checks_duplicates
        self.spot = spot
        listed = LISTED if spot is None else PRODUCTS
        self.instruments: dict[str, m.Instrument] = {i.symbol: i for i, _ in listed}
        self.delisted: dict[str, m.Instrument] = {}
        self.prices: dict[str, Prices] = {i.symbol: prices for i, prices in listed}
        self.prices |= {} if spot is None else WALLET_PRICES
        self.history: History = History(self, seed)
        for symbol, prices in self.prices.items():
            self.history.record(symbol, prices)
        self.halted: set[str] = set()
        self.overnight: set[str] = set(OVERNIGHT)  #: symbols with an overnight session
        self._renamed_to: dict[str, str] = {}  # old symbol to new symbol
        self._id_random = random.Random(f"{seed}:ids")
        self._size_random = random.Random(f"{seed}:sizes")
        self._lag_random = random.Random(f"{seed}:lags")
        self.walk_random: random.Random = random.Random(f"{seed}:walks")
        self._instrument_seed = seed
        self._kept: list[tuple[str, m.OrderSide, Decimal, timedelta]] = []
        self._instrument_ids: dict[str, str] = {}  # cache: every order in a response has one

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._id_random.getrandbits(128), version=4))

    def new_account_number(self) -> str:
        """Return a new account number, as a statement shows it."""
        return "PA3" + "".join(self._id_random.choices(string.ascii_uppercase + string.digits, k=9))

    def instrument_id(self, symbol: str) -> str:
        """Return the id of an instrument; it depends on the seed and the first symbol only."""
        former = {new: old for old, new in self._renamed_to.items()}
        while symbol in former:
            symbol = former[symbol]
        rng = random.Random(f"{self._instrument_seed}:{symbol}")
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    def instrument(self, spelling: str) -> m.Instrument | None:
        """Return an instrument by symbol, alias (BTCUSD) or id; None if it is not listed."""
        if spelling in self.instruments:
            return self.instruments[spelling]
        for instrument in self.instruments.values():
            if spelling in (*instrument.aliases, self.instrument_id(instrument.symbol)):
                return instrument
        return None

    def price(self, symbol: str) -> Prices:
        return self.prices[self.current_symbol(symbol)]

    def list_default(self, symbol: str, price: Decimal) -> None:
        """List *symbol* at *price* with the default definition, unless it is listed."""
        if symbol not in self.instruments:
            self.instruments[symbol] = default_instrument(symbol)
            self.set_prices(symbol, Prices(price, price))

    def set_prices(self, symbol: str, prices: Prices) -> None:
        """Set the quote of *symbol*, which its history records as a trade."""
        self.prices[symbol] = prices
        self.history.record(symbol, prices)

    def reserve_prices(self) -> PriceOf:
        """
        Return the prices that decide how much buying power orders reserve.

        Outside the regular session a market buy of shares reserves the middle of the quote.
        Source: https://docs.alpaca.markets/docs/orders-at-alpaca, "buying power".
        """
        return self.price if sessions.is_regular(self.timeline.now()) else self._closed_price

    def _closed_price(self, symbol: str) -> Prices:
        prices = self.price(symbol)
        return prices if is_crypto(symbol) else evolve(prices, market=prices.mid)

    def books(self, symbol: str) -> tuple[str, ...]:
        """Return *symbol* and the symbols that trade in the same book."""
        if self.spot is None:
            return (symbol,)
        book = ALIASES.get(symbol, symbol)
        shared = (name for name, other in ALIASES.items() if other == book)
        return tuple(name for name in (book, *shared) if name in self.instruments)

    def current_symbol(self, symbol: str) -> str:
        """Return the current symbol of what was listed as *symbol*."""
        while symbol in self._renamed_to:
            symbol = self._renamed_to[symbol]
        return symbol

    def rename(self, old: str, new: str) -> None:
        """Rename the instrument *old* to *new*; its id stays.  Raises: ValueError."""
        self.check_rename(old, new)
        self._renamed_to[old] = new
        self.instruments[new] = evolve(self.instruments.pop(old), symbol=new)
        self.prices[new] = self.prices.pop(old)
        self.history.rename(old, new)
        for marked in (self.halted, self.overnight):
            if old in marked:
                marked.symmetric_difference_update({old, new})

    def check_rename(self, old: str, new: str) -> None:
        """Raise ValueError if *old* is not listed, or *new* is or was."""
        if old not in self.instruments or new in {*self.instruments, *self._renamed_to}:
            raise ValueError(
                f"{old} cannot be renamed to {new}: {old} is not listed, or {new} is or was"
            )

    def delist(self, symbol: str) -> None:
        """Remove an instrument; its last price stays."""
        self.delisted[symbol] = self.instruments.pop(symbol)

    def asset_class(self, symbol: str) -> m.AssetClass:
        """Return the class of an instrument that is or was listed, or of a wallet."""
        if self.spot is not None:
            return m.AssetClass.CRYPTO
        name = self.current_symbol(symbol)
        return (self.instruments.get(name) or self.delisted[name]).asset_class

    def is_in_session(self, order: OrderVersion) -> bool:
        """Whether a session in which *order* may trade is open."""
        now = self.timeline.now()
        return (
            order.asset_class is m.AssetClass.CRYPTO
            or sessions.is_regular(now)
            or (order.extended_hours and sessions.is_extended(now))
            or (order.is_overnight and sessions.is_overnight(now))
        )

    def traded_qty(self, qty: Decimal, increment: Decimal) -> Decimal:
        """Return the part of *qty* that trades: all, or at random some tenths of it."""
        if self.partial_rate <= 0 or self._size_random.random() >= self.partial_rate:
            return qty
        part = m.cut(qty * self._size_random.randrange(1, _TENTHS) / _TENTHS, increment)
        return part or qty

    def injects(
        self, point: InjectionPoint, fault: Fault, order: OrderVersion | None = None
    ) -> bool:
        """Whether the fault plan injects *fault* at *point* now; *order* is its subject."""
        return self.injected(point, fault, order) is not None

    def injected(
        self, point: InjectionPoint, fault: Fault, order: OrderVersion | None = None
    ) -> InjectedFault | None:
        """Return *fault* if the fault plan injects it at *point* now; None: it does not."""
        subjects = () if order is None else subjects_of(order)
        return self.faults.next(point, among=(fault,), subjects=subjects)

    def keep_reserved(self, order: OrderVersion, qty: Decimal, seconds: float) -> None:
        """Reserve the units of an order that has ended, for *seconds*."""
        until = self.timeline.elapsed + timedelta(seconds=seconds)
        self._kept.append((order.symbol, order.side, qty, until))

    def kept_qty(self, symbol: str, side: m.OrderSide) -> Decimal:
        """Return the units that orders of *side* which have ended still reserve."""
        self._kept = [x for x in self._kept if x[3] > self.timeline.elapsed]
        return sum((x[2] for x in self._kept if x[:2] == (symbol, side)), m.ZERO)

    def kept_units(self) -> dict[str, Decimal]:
        """Return the units that ended sales still hold, by base currency."""
        kept: dict[str, Decimal] = {}
        for symbol in {symbol for symbol, side, *_ in self._kept if side is m.OrderSide.SELL}:
            base = symbol.partition("/")[0]
            kept[base] = kept.get(base, m.ZERO) + self.kept_qty(symbol, m.OrderSide.SELL)
        return kept

    def view_time(self, point: InjectionPoint, lag_s: float) -> timedelta:
        """Return the time that a view shows: now, or an earlier time due to lag or a fault."""
        age = self._lag_random.uniform(0, lag_s) if lag_s > 0 else 0.0
        injected = self.faults.next(point, among=(Fault.STALE_SNAPSHOT, Fault.ACCOUNT_OLD))
        if injected is not None:
            age = max(age, injected.seconds)
        return self.timeline.elapsed - timedelta(seconds=age)


def subjects_of(order: OrderVersion) -> tuple[str, str, str]:
    """Return the values by which a rule of the fault plan may select *order*."""
    return order.symbol, order.id, order.client_order_id
