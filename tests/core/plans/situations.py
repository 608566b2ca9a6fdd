"""What is known of a symbol, for the pure tests of exits: a position, its orders, a market."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.exits import comparison
from fillbook.core.plans.exits.context import ExitContext

NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # Monday, noon in New York
SESSION = m.Session(
    NOON.date(),
    datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
    datetime(2026, 3, 2, 21, 0, tzinfo=UTC),
    datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    datetime(2026, 3, 3, 1, 0, tzinfo=UTC),
)
SHARES = m.Instrument(
    "AAPL",
    m.AssetClass.EQUITY,
    tradable=True,
    fractionable=True,
    shortable=True,
    marginable=True,
    qty_increment=Decimal("0.000000001"),
    price_increment=Decimal("0.01"),
)
COIN = evolve(SHARES, symbol="BTC/USD", asset_class=m.AssetClass.CRYPTO, min_notional=Decimal(10))
T, K = m.OrderType, m.TimeInForce
STOPS = {T.STOP, T.STOP_LIMIT}
TAKES = (
    m.Takes(m.OrderSort.WHOLE, frozenset(T), frozenset({K.DAY, K.GTC}), frozenset(m.OrderClass)),
    m.Takes(m.OrderSort.FRACTION, frozenset({T.MARKET, T.LIMIT, *STOPS}), frozenset({K.DAY})),
    m.Takes(m.OrderSort.COIN, frozenset({T.MARKET, T.LIMIT, T.STOP_LIMIT}), frozenset({K.GTC})),
)
CAN = m.Capabilities(
    order_types=frozenset(m.OrderType) - {m.OrderType.UNRECOGNISED},
    times_in_force=frozenset(m.TimeInForce),
    order_classes=frozenset(m.OrderClass),
    fractional=True,
    takes=TAKES,
    wash_rule=m.WashRule(frozenset({T.MARKET, T.STOP}), frozenset({T.LIMIT, T.STOP_LIMIT})),
)
OPENED_AT = m.timestamp(NOON - timedelta(hours=1))


def holding(qty, price=100, opened_by="o@1"):
    """A part of a position that one fill opened."""
    qty = Decimal(qty)
    return m.Holding(
        qty=qty,
        cost=None if price is None else abs(qty) * price,
        opened_at=OPENED_AT if qty else None,
        opened_by=opened_by if qty else None,
        entered=abs(qty),
    )


def position(symbol="AAPL", price=100, fee_due=0, **parts):
    """A position with parts by strategy; `none` is the part without a strategy."""
    found = tuple(
        sorted(("" if name == "none" else name, holding(x, price)) for name, x in parts.items())
    )
    return m.Position(
        symbol=symbol,
        account=holding(sum((Decimal(x) for x in parts.values()), Decimal(0)), price),
        by_strategy=found,
        fee_due=Decimal(fee_due),
    )


def order(name="x1", status="new", side="sell", qty=10, leaves=None, parent=None, **wish):
    """An order as the record shows it."""
    status = m.OrderStatus(status)
    order_class = wish.pop("order_class", "simple")
    strategy = wish.pop("strategy", "s")
    pending = wish.pop("pending", None)
    origin = wish.pop("origin", m.Origin.OURS)
    filled = Decimal(wish.pop("filled", 0))
    tif = m.TimeInForce(wish.pop("time_in_force", "gtc"))
    kind = m.OrderType(wish.pop("type", "stop" if "stop_price" in wish else "limit"))
    prices = {k: Decimal(str(v)) for k, v in wish.items()}
    qty = None if qty is None else Decimal(qty)
    terms = m.Terms(
        symbol="AAPL",
        side=m.OrderSide(side),
        type=kind,
        time_in_force=tif,
        order_class=m.OrderClass(order_class),
        qty=qty,
        **prices,
    )
    left = None if qty is None else qty - filled if leaves is None else Decimal(leaves)
    is_final = status in (m.OrderStatus.FILLED, m.OrderStatus.CANCELED, m.OrderStatus.EXPIRED)
    return m.Order(
        client_order_id=name,
        broker_order_id=f"b-{name}",
        origin=origin,
        terms=terms,
        status=status,
        filled_qty=filled,
        filled_value=None,
        leaves_qty=Decimal(0) if is_final else left,
        leaves_notional=None,
        avg_price=None,
        fees=None,
        is_final=is_final,
        is_complete=True,
        strategy=strategy,
        parent=parent,
        pending=pending,
    )


def oco(name="x1", qty=10, stop="90", limit="120", **kw):
    """The two orders of an OCO: the take profit is the parent, the stop is held."""
    return (
        order(name, qty=qty, limit_price=limit, order_class="oco", **kw),
        order(
            f"{name}-leg",
            qty=qty,
            stop_price=stop,
            order_class="oco",
            status="held",
            parent=name,
            **kw,
        ),
    )


def protection(strategy="s", **fields):
    """A protection; what is no field of its own is a field of the policy."""
    own = {k: fields.pop(k) for k in tuple(fields) if k in PROTECTION_FIELDS}
    policy = m.ExitPolicy(**(fields or {"stop_price": 90}))
    return m.Protection(symbol="AAPL", strategy=strategy, policy=policy, **own)


PROTECTION_FIELDS = frozenset(x.name for x in m.Protection.__attrs_attrs__) - {
    "policy",
    "stop_price",
    "take_profit",
}


def quote(bid, ask=None, seconds_ago=0):
    """A quote of some seconds ago."""
    ask = Decimal(str(bid)) + Decimal("0.02") if ask is None else ask
    return m.Quote("AAPL", bid, ask, NOON - timedelta(seconds=seconds_ago))


def situation(*protections, held=None, orders=(), ours=None, quotes=(), **fields):
    """A context; every order is ours unless *ours* says otherwise."""
    orders = tuple(orders)
    names = {x.client_order_id for x in orders if x.side is m.OrderSide.SELL}
    return ExitContext(
        **{
            "now": NOON,
            "symbol": "AAPL",
            "position": position(s=10) if held is None else held,
            "protections": protections or (protection(),),
            "capabilities": CAN,
            "instrument": SHARES,
            "session": SESSION,
            "orders": orders,
            "ours": frozenset(names if ours is None else ours),
            "quotes": tuple(quotes),
            **fields,
        }
    )


def verdict(*args, **kw):
    (found,) = comparison.compare(situation(*args, **kw))
    return found


def did(found):
    """What the steps do: (stage, cancel, name) or (stage, type, quantity)."""
    shown = []
    for step in found.steps:
        action = step.action
        if isinstance(action, m.CancelOrder):
            shown.append((step.stage, "cancel", action.client_order_id))
        else:
            request = action.request
            kind = request.order_class if request.order_class is m.OrderClass.OCO else request.type
            shown.append((step.stage, str(kind), request.qty))
    return shown


def stop(name="x1", qty=10, price="90", **kw):
    return order(name, qty=qty, stop_price=price, **kw)
