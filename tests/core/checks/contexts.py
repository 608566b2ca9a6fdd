"""Orders, and check contexts: one that passes every check, and parts of others."""

from datetime import timedelta
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.context import CheckContext, SentOrder
from tests.core.records import AT, Records, intended, report, request, terms

NOW = m.moment(AT)
K, T, C = m.TimeInForce, m.OrderType, m.OrderClass
HOUR = timedelta(hours=1)


def holding(qty, fee_due=0):
    return m.Position(
        symbol="AAPL", account=m.Holding(qty=Decimal(qty)), fee_due=Decimal(str(fee_due))
    )


def order(client_order_id="c1", word="new", parent=None, **wish):
    """An order as the bot reads it; the broker has reported it unless *word* is None."""
    records = Records()
    records.take(intended(client_order_id, **wish))
    if word is not None:
        records.take(report(word, client_order_id=client_order_id, terms=terms(**wish)))
    found = records.order(client_order_id)
    return found if parent is None else m.Order(**{**fields(found), "parent": parent})


def fields(value):
    return {a.name: getattr(value, a.name) for a in m.Order.__attrs_attrs__}


SELL = {"side": "sell"}

D = Decimal
UNPROVEN = order("c9", word=None, qty=5)
MISSING = evolve(order("c8", qty=5), anomalies=(m.Anomaly(m.Oddity.NOT_FOUND_AFTER_SEEN, "b1"),))
OTHER = evolve(MISSING, anomalies=(m.Anomaly(m.Oddity.OTHER_BODY, "b1"),))
DRIFT = m.OpenDrift("position/AAPL", m.Phantom("AAPL", D(3)), AT)
ELSEWHERE = m.OpenDrift("position/MSFT", m.Phantom("MSFT", D(3)), AT)
MONEY = m.OpenDrift("cash", m.WrongCash(D(1), D(2)), AT)

PLAIN = m.Capabilities(
    order_types=frozenset({T.MARKET, T.LIMIT}), times_in_force=frozenset({K.DAY})
)
ABLE = m.Capabilities(
    order_types=frozenset(T) - {T.UNRECOGNISED},
    times_in_force=frozenset(K) - {K.UNRECOGNISED},
    order_classes=frozenset(C) - {C.UNRECOGNISED},
    notional=True,
    fractional=True,
    short=True,
    extended_hours=True,
    takes=(
        m.Takes(m.OrderSort.WHOLE, frozenset(T), frozenset(K), frozenset(C) - {C.OTO}),
        m.Takes(m.OrderSort.FRACTION, frozenset({T.MARKET, T.LIMIT}), frozenset({K.DAY})),
        m.Takes(m.OrderSort.EXTENDED, frozenset({T.LIMIT}), frozenset({K.DAY})),
        m.Takes(m.OrderSort.COIN, frozenset({T.MARKET, T.LIMIT}), frozenset({K.GTC, K.IOC})),
    ),
    auctions=(
        m.Auction(K.OPG, timedelta(minutes=-2), timedelta(hours=9, minutes=30)),
        m.Auction(K.CLS, timedelta(hours=6, minutes=20), timedelta(hours=9, minutes=30)),
    ),
    ticks=(m.Tick(D(1), D("0.01")), m.Tick(D(0), D("0.0001"))),
    notional_step=D("0.01"),
    wash_rule=m.WashRule(frozenset({T.MARKET, T.STOP}), frozenset({T.LIMIT, T.STOP_LIMIT})),
)
ACCOUNT = m.AccountSnapshot(
    m.AccountId("sim", "localhost", "1"), "USD", D(1000), D(1000), D(2000), blocked=("frozen",)
)
SHARE = m.Instrument("AAPL", m.AssetClass.EQUITY, fractionable=True, qty_increment=D("0.001"))
WHOLE = m.Instrument("AAPL", m.AssetClass.EQUITY, min_qty=D(5))
LOTS = m.Instrument("AAPL", m.AssetClass.EQUITY, qty_increment=D(10))
COIN = m.Instrument(
    "BTC/USD",
    m.AssetClass.CRYPTO,
    qty_increment=D("0.0001"),
    price_increment=D("0.5"),
    min_notional=D(10),
)
QUOTE = m.Quote("AAPL", D(99), D(100), NOW)
RESERVE = m.Reserve(opens=True)
READS_FEE = evolve(ABLE, reserve_rule=m.ReserveRule(reads_fee=True))


def session(since_opening):
    """The session whose regular hours began that long ago."""
    opens = NOW - since_opening
    early, late = opens - 5 * HOUR, opens + 10 * HOUR
    return m.Session(opens.date(), opens, opens + 6.5 * HOUR, early, late)


def a_context(**known):
    """Build a context in which every check passes, except for the values in *known*."""
    return CheckContext(
        **{
            "now": NOW,
            "capabilities": ABLE,
            "quote": QUOTE,
            "position": holding(0),
            "reserve": RESERVE,
            "reserve_amount": D(1000),
            "funds": m.Funds(D(1000), D(1000)),
            **known,
        }
    )


def limits(**bounds):
    return {"limits": m.Limits(**bounds)}


SHORT, LONG = {"position": holding(-10)}, {"position": holding(10)}
#: Strategy a holds six of ten, b two; two belong to no strategy.
PARTED = {
    "position": evolve(
        holding(10),
        by_strategy=tuple((x, m.Holding(qty=D(qty))) for x, qty in (("", 2), ("a", 6), ("b", 2))),
    )
}
A_PART = order("c2", limit_price=120, qty=4, strategy="a", **SELL)
TAKE = m.Limits(strategy_oversell="take", duplicate_s=0)
BTC = {"symbol": "BTC/USD"}


def a_plan(plan_id="p1", state="running", symbol="AAPL"):
    """A plan that trades one symbol."""
    return m.Plan(
        plan_id=plan_id,
        kind=m.PlanKind.CLOSE,
        occasion=plan_id,
        symbols=(symbol,),
        steps=(),
        fingerprint="",
        authority=m.Authority.STANDING,
        created_at=m.timestamp(NOW),
        valid_until=m.timestamp(NOW),
        state=m.PlanState(state),
        why=f"close {symbol}",
    )


def cooling(seconds):
    """A cooldown that ends in some seconds."""
    until = m.timestamp(NOW + timedelta(seconds=seconds))
    return m.Cooldown(symbol="AAPL", strategy="s", until=until, order="x1")


A_BUY = {"orders": (order("c2", limit_price=50, qty=1),)}
A_LIMIT = order("c2", limit_price=110, qty=1, **SELL)
A_SALE = {"orders": (A_LIMIT,)}
UNTOLD = {"orders": (evolve(A_LIMIT, terms=evolve(A_LIMIT.terms, limit_price=None)),)}
A_STOP = {"orders": (order("c2", stop_price=80, qty=1, **SELL),)}
A_TRAIL = {"orders": (order("c2", trail_price=8, qty=1, **SELL),)}
A_BRACKET = {"orders": (order("c2", limit_price=50, take_profit=60, stop_loss=40, qty=1),)}
AN_EXIT = {"orders": (order("c2", parent="c0", stop_price=80, qty=1, **SELL),)}
UNSEEN = {"orders": (order("c2", word=None, stop_price=80, qty=1, **SELL),)}
ENDED = {"orders": (order("c2", word="canceled", stop_price=80, qty=1, **SELL),)}


def sent(seconds_ago, key=None, worth=100, opens=True, **wish):
    at, made = m.timestamp(NOW - timedelta(seconds=seconds_ago)), request(**{"qty": 10, **wish})
    return SentOrder(at, made, key, None if worth is None else D(worth), opens=opens)
