"""nautilus_trader: an event through the execution engine, and a fill into a position; in memory."""

from __future__ import annotations

from collections.abc import Iterator

from nautilus_trader.accounting.factory import AccountFactory  # noqa: F401
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, LiquiditySide, OrderSide, OrderType
from nautilus_trader.model.events import AccountState, OrderAccepted, OrderFilled, OrderSubmitted
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    PositionId,
    StrategyId,
    Symbol,
    TradeId,
    TraderId,
    Venue,
    VenueOrderId,
)
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.model.position import Position
from nautilus_trader.portfolio.portfolio import Portfolio

from rows.timing import Round, timed

TRADER, STRATEGY, ACCOUNT = TraderId("TESTER-000"), StrategyId("S-1"), AccountId("ALP-1")
PRICE, NO_FEE, ONE = Price.from_str("101.25"), Money(0, USD), Quantity.from_int(1)
AAPL = Equity(
    instrument_id=InstrumentId(Symbol("AAPL"), Venue("ALP")),
    raw_symbol=Symbol("AAPL"),
    currency=USD,
    price_precision=2,
    price_increment=Price.from_str("0.01"),
    lot_size=ONE,
    ts_event=0,
    ts_init=0,
)


def _filled(number: int, trade: str, qty: Quantity, position: PositionId | None = None):
    return OrderFilled(
        trader_id=TRADER,
        strategy_id=STRATEGY,
        instrument_id=AAPL.id,
        client_order_id=ClientOrderId(f"O-{number}"),
        venue_order_id=VenueOrderId(f"B-{number}"),
        account_id=ACCOUNT,
        trade_id=TradeId(trade),
        position_id=position,
        order_side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        last_qty=qty,
        last_px=PRICE,
        currency=USD,
        commission=NO_FEE,
        liquidity_side=LiquiditySide.TAKER,
        event_id=UUID4(),
        ts_event=3,
        ts_init=3,
    )


def _events(number: int):
    name = ClientOrderId(f"O-{number}")
    place = VenueOrderId(f"B-{number}")
    ids = TRADER, STRATEGY, AAPL.id, name
    return [
        OrderSubmitted(*ids, ACCOUNT, UUID4(), 1, 1),
        OrderAccepted(*ids, place, ACCOUNT, UUID4(), 2, 2),
        *(_filled(number, f"{number}-{x}", Quantity.from_int(25)) for x in range(4)),
    ]


def events(count: int) -> Iterator[Round]:
    """The six events of an order's life, through the execution engine."""
    lives = [_events(number) for number in range(count)]
    yield {}
    while True:
        clock = TestClock()
        bus = MessageBus(trader_id=TRADER, clock=clock)
        cache = Cache()
        portfolio = Portfolio(msgbus=bus, cache=cache, clock=clock)
        engine = ExecutionEngine(msgbus=bus, cache=cache, clock=clock)
        total = Money(10**12, USD)
        portfolio.update_account(
            AccountState(
                account_id=ACCOUNT,
                account_type=AccountType.MARGIN,
                base_currency=USD,
                reported=True,
                balances=[AccountBalance(total, Money(0, USD), total)],
                margins=[],
                info={},
                event_id=UUID4(),
                ts_event=0,
                ts_init=0,
            )
        )
        cache.add_instrument(AAPL)
        for number in range(count):
            name = ClientOrderId(f"O-{number}")
            size = Quantity.from_int(100)
            ids = TRADER, STRATEGY, AAPL.id, name
            cache.add_order(LimitOrder(*ids, OrderSide.BUY, size, PRICE, UUID4(), 0), None)

        def work(engine=engine) -> None:
            for life in lives:
                for event in life:
                    engine.process(event)

        yield timed(work, 6 * count)


def fold(count: int) -> Iterator[Round]:
    """Fills of one position, one after the other."""
    fills = [_filled(0, f"t{x}", ONE, PositionId("P-1")) for x in range(count + 1)]
    yield {}
    while True:
        position = Position(AAPL, fills[0])

        def work(position=position) -> None:
            for fill in fills[1:]:
                position.apply(fill)

        yield timed(work, count)
