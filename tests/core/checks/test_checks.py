"""Checks before an order: every reason by its world, their order, and what reduces."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core import checks
from fillbook.core.checks import context
from fillbook.core.checks.context import Sent, World
from fillbook.errors import InvalidValue
from tests.core.records import AT, Records, fill, intended, report, request, terms, void

NOW = m.moment(AT)
K, T, C = m.TimeInForce, m.OrderType, m.OrderClass
HOUR = timedelta(hours=1)


def holding(qty, fee_due=0):
    return m.Position(
        symbol="AAPL", account=m.Holding(qty=Decimal(qty)), fee_due=Decimal(str(fee_due))
    )


def order(client_order_id="c1", word="new", parent=None, **wish):
    """An order as a bot sees it; seen by the broker unless *word* is None."""
    records = Records()
    records.take(intended(client_order_id, **wish))
    if word is not None:
        records.take(report(word, client_order_id=client_order_id, terms=terms(**wish)))
    found = records.order(client_order_id)
    return found if parent is None else m.Order(**{**fields(found), "parent": parent})


def fields(value):
    return {a.name: getattr(value, a.name) for a in m.Order.__attrs_attrs__}


SELL = {"side": "sell"}


@pytest.mark.parametrize(
    ("side", "held", "orders", "expected"),
    [
        ("sell", 10, [], 10),
        ("buy", 10, [], 0),  # it adds
        ("sell", 0, [], 0),
        ("sell", -10, [], 0),
        ("buy", -10, [], 10),
        ("sell", 10, [order(qty=4, **SELL)], 6),
        ("sell", 10, [order(qty=4, word=None, **SELL)], 6),  # unproven is alive
        ("sell", 10, [order(qty=4, word="unrecognised", **SELL)], 6),
        ("sell", 10, [order(qty=4, word="canceled", **SELL)], 10),
        ("sell", 10, [order(qty=4)], 10),  # of the other side
        ("sell", 10, [order(qty=4, **SELL), order("c2", qty=4, **SELL)], 2),
        ("sell", 10, [order(qty=14, **SELL)], 0),
        ("sell", 10, [order("c2", qty=None, notional=5, **SELL)], 0),  # of unknown size
    ],
)
def test_what_may_be_closed_is_the_position_less_what_may_still_close_it(
    side, held, orders, expected
):
    assert context.closable(m.OrderSide(side), holding(held), orders) == expected


def test_the_exits_of_one_bracket_count_once():
    """Only one of them can fill, and the larger counts."""
    exits = [order("t1", parent="c1", qty=4, **SELL), order("s1", parent="c1", qty=6, **SELL)]
    assert context.closable(m.OrderSide.SELL, holding(10), exits) == 4
    assert context.closable(m.OrderSide.SELL, holding(10), exits[::-1]) == 4


def test_the_children_of_an_oco_count_with_it_once():
    parent = order("o1", qty=6, **SELL)
    child = order("o2", parent="o1", qty=6, **SELL)
    assert context.closable(m.OrderSide.SELL, holding(10), [parent, child]) == 4


def test_units_that_a_fee_may_still_take_cannot_be_closed():
    assert context.closable(m.OrderSide.SELL, holding(10, fee_due="0.25"), []) == Decimal("9.75")
    assert context.closable(m.OrderSide.BUY, holding(-10, fee_due="0.25"), []) == 10


def test_nothing_is_closable_without_a_position():
    assert context.closable(m.OrderSide.SELL, None, []) == 0


D = Decimal
UNPROVEN = order("c9", word=None, qty=5)
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
COIN = m.Instrument(
    "BTC/USD",
    m.AssetClass.CRYPTO,
    qty_increment=D("0.0001"),
    price_increment=D("0.5"),
    min_notional=D(10),
)
QUOTE = m.Quote("AAPL", D(99), D(100), NOW)
RESERVE = m.Reserve(opens=True)


def session(since_opening):
    """The session whose regular hours began so long ago."""
    opens = NOW - since_opening
    early, late = opens - 5 * HOUR, opens + 10 * HOUR
    return m.Session(opens.date(), opens, opens + 6.5 * HOUR, early, late)


def a_world(**known):
    """A world in which everything passes, but for what is *known*."""
    return World(
        **{
            "now": NOW,
            "can": ABLE,
            "quote": QUOTE,
            "position": holding(0),
            "reserve": RESERVE,
            "need": D(1000),
            "funds": m.Funds(D(1000), D(1000)),
            **known,
        }
    )


def limits(**bounds):
    return {"limits": m.Limits(**bounds)}


SHORT, LONG = {"position": holding(-10)}, {"position": holding(10)}
BTC = {"symbol": "BTC/USD"}
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


def sent(seconds_ago, key=None, worth=100, **wish):
    at = m.stamp(NOW - timedelta(seconds=seconds_ago))
    return Sent(at, request(**{"qty": 10, **wish}), key, None if worth is None else D(worth))


REASONS = [
    # code, what is asked (a buy of ten AAPL at the market), what is known
    ("halted", {}, {"halted": "the model is wrong"}),
    ("account_blocked", {}, {"account": ACCOUNT}),
    (None, {}, {"account": m.AccountSnapshot(ACCOUNT.account, "USD", D(1), D(1), D(1))}),
    ("market_closed", {"time_in_force": "ioc"}, {"session": session(-HOUR)}),
    ("market_closed", {"time_in_force": "fok"}, {"session": session(7 * HOUR)}),
    (None, {"time_in_force": "ioc"}, {"session": session(HOUR)}),
    (None, {"time_in_force": "ioc"}, {"session": None}),
    (None, {}, {"session": session(-HOUR)}),  # it rests until the market opens
    (None, {**BTC, "time_in_force": "ioc"}, {"session": session(-HOUR)}),
    (None, {"time_in_force": "opg"}, {"session": session(-timedelta(minutes=3))}),
    ("market_closed", {"time_in_force": "opg"}, {"session": session(-timedelta(minutes=2))}),
    ("market_closed", {"time_in_force": "opg"}, {"session": session(9 * HOUR)}),
    (None, {"time_in_force": "opg"}, {"session": session(9.5 * HOUR)}),
    (None, {"time_in_force": "cls"}, {"session": session(6 * HOUR)}),
    ("market_closed", {"time_in_force": "cls"}, {"session": session(6.5 * HOUR)}),
    ("unsupported", {"stop_price": 109}, {"can": PLAIN}),
    ("unsupported", {"time_in_force": "gtc"}, {"can": PLAIN}),
    ("unsupported", {"limit_price": 9, "take_profit": 12, "stop_loss": 8}, {"can": PLAIN}),
    ("unsupported", {"qty": None, "notional": 50}, {"can": PLAIN}),
    ("unsupported", {"limit_price": 9, "extended_hours": True}, {"can": PLAIN}),
    ("unsupported", {"qty": "1.5"}, {"can": PLAIN}),
    (None, {"limit_price": 9}, {"can": PLAIN}),
    ("unsupported", {"qty": "1.5", "time_in_force": "gtc"}, {}),
    ("unsupported", {"qty": "1.5", "stop_price": 109}, {}),
    (None, {"qty": "1.5", "limit_price": 9}, {}),
    ("unsupported", {"extended_hours": True}, {}),
    ("unsupported", {"limit_price": 9, "extended_hours": True, "time_in_force": "gtc"}, {}),
    ("unsupported", {"limit_price": 9, "take_profit": 12}, {}),  # an OTO
    ("unsupported", {**BTC, "time_in_force": "day"}, {}),
    (None, {**SELL, "order_class": "oco", "take_profit": 120, "stop_loss": 90}, LONG),
    ("unknown_symbol", {}, {"instrument": m.Absent()}),
    ("not_tradable", {}, {"instrument": m.Instrument("AAPL", m.AssetClass.EQUITY, (), False)}),
    ("not_fractionable", {"qty": "10.5"}, {"instrument": WHOLE}),
    ("not_fractionable", {"qty": None, "notional": 50}, {"instrument": WHOLE}),
    ("not_shortable", SELL, {"instrument": WHOLE}),
    ("not_shortable", SELL, {"instrument": WHOLE, **SHORT}),
    (None, SELL, {"instrument": WHOLE, **LONG}),
    (None, SELL, {"instrument": WHOLE, "position": None}),  # not known to hold nothing
    ("quantity", {"qty": "0.0009"}, {"instrument": SHARE}),
    ("quantity", {"qty": 4}, {"instrument": WHOLE}),
    ("quantity", {**BTC, "qty": "0.00001"}, {"instrument": COIN}),
    ("quantity", {**BTC, "qty": "0.01"}, {"instrument": COIN}),
    ("quantity", {**BTC, "qty": None, "notional": 9}, {"instrument": COIN}),
    (None, {**BTC, "qty": "0.01"}, {"instrument": COIN, "quote": None}),
    (None, {**BTC, "qty": 1}, {"instrument": COIN}),
    (None, {}, {"instrument": WHOLE}),
    ("price", {"limit_price": "9.005"}, {}),
    (None, {"limit_price": "0.9005"}, {}),
    ("price", {"limit_price": 9, "take_profit": 12, "stop_loss": "8.001"}, {}),
    ("price", {**BTC, "limit_price": "9.25"}, {"instrument": COIN, "limits": m.Limits()}),
    ("price", {"stop_price": 100}, {}),
    ("price", {**SELL, "stop_price": 99}, LONG),
    (None, {"stop_price": 101}, {}),
    (None, {"stop_price": 100}, {"quote": None}),
    ("price", {"limit_price": 100, "take_profit": 100, "stop_loss": 90}, {}),
    ("price", {"limit_price": 100, "take_profit": 110, "stop_loss": 100}, {}),
    ("price", {"take_profit": 110, "stop_loss": 105}, {}),  # the market is at 100
    (None, {"take_profit": 110, "stop_loss": 105}, {"quote": None}),
    (None, {"limit_price": 100, "take_profit": 110, "stop_loss": 90}, {}),
    (None, {**SELL, "limit_price": 100, "take_profit": 90, "stop_loss": 110}, {}),
    ("price", {**SELL, "order_class": "oco", "take_profit": 90, "stop_loss": 95}, LONG),
    ("no_position", SELL, {"can": PLAIN}),
    ("no_position", {**SELL, **BTC}, {}),
    (None, SELL, {}),
    (None, {**SELL, **BTC}, {"position": None}),
    (None, SELL, LONG),
    (None, {}, SHORT),
    ("through_zero", {**SELL, "qty": 11}, LONG),
    ("through_zero", {"qty": 11}, SHORT),
    ("through_zero", {**SELL, "qty": None, "notional": 1000}, LONG),
    (None, {**SELL, "qty": None, "notional": 990}, LONG),
    ("units_held", SELL, {**LONG, "orders": (order("c2", qty=4, limit_price=120, **SELL),)}),
    ("wash_trade", {}, A_SALE),
    ("wash_trade", SELL, {**LONG, **A_BUY}),  # also what reduces
    ("wash_trade", {"limit_price": 50}, A_STOP),
    ("wash_trade", {"limit_price": 110}, A_SALE),
    (None, {"limit_price": 109}, A_SALE),
    (None, {"limit_price": 110}, UNTOLD),
    ("wash_trade", {**SELL, "limit_price": 50}, {**LONG, **A_BUY}),
    (None, {**SELL, "limit_price": 51}, {**LONG, **A_BUY}),
    (None, {"limit_price": 100, "take_profit": 120, "stop_loss": 90}, A_STOP),
    (None, {"trail_price": 9}, A_STOP),
    (None, {}, A_TRAIL),
    (None, {}, {**A_BUY, "limits": m.Limits()}),  # of the same side
    (None, SELL, {**LONG, **A_BRACKET}),
    (None, {}, AN_EXIT),
    (None, {}, ENDED),
    ("symbol_locked", {}, UNSEEN),  # unproven: not for the wash rule
    (None, {}, {**A_STOP, "can": PLAIN}),  # a broker without the rule
    ("duplicate", {}, {"recent": (sent(0.5),)}),
    (None, {}, {"recent": (sent(0.5, key="a"),)}),
    (None, {}, {"recent": (sent(0.5),), "key": "b"}),
    (None, {}, {"recent": (sent(0.5),), **limits(duplicate_s=0)}),
    (None, {}, {"recent": (sent(1),)}),
    ("duplicate", {}, {"recent": (sent(2),), **limits(duplicate_s="2.5")}),
    (None, {}, {"recent": (sent(0.5, qty=11), sent(0.5, side="sell"))}),
    ("order_notional", {}, limits(order_notional_max="999.99")),
    (None, {}, limits(order_notional_max=1000)),
    ("order_notional", {"qty": None, "notional": 1001}, limits(order_notional_max=1000)),
    ("no_price", {}, {"quote": None, **limits(order_notional_max=1000)}),
    (None, SELL, {**LONG, **limits(order_notional_max=1, symbol_notional_max=1)}),
    ("symbol_notional", {}, {**LONG, **limits(symbol_notional_max=1999)}),
    (None, {}, {**LONG, **limits(symbol_notional_max=2000)}),
    ("no_price", {}, {"quote": None, **limits(symbol_notional_max=2000)}),
    (None, {"reference_price": 100}, {"quote": None, **limits(symbol_notional_max=2000)}),
    ("day_notional", {}, {"recent": (sent(86_399, worth=1),), **limits(day_notional_max=1000)}),
    (None, {}, {"recent": (sent(86_400, worth=1),), **limits(day_notional_max=1000)}),
    (None, {}, {"recent": (sent(9, worth=None),), **limits(day_notional_max=1000)}),
    (None, SELL, {**LONG, "recent": (sent(9, worth=1),), **limits(day_notional_max=1)}),
    ("orders_per_minute", {}, {"recent": (sent(59),), **limits(orders_per_minute_max=1)}),
    (None, {}, {"recent": (sent(60),), **limits(orders_per_minute_max=1)}),
    (None, SELL, {**LONG, "recent": (sent(9),), **limits(orders_per_minute_max=1)}),
    ("position", {}, {**A_BUY, **limits(position_max="10.5")}),
    (None, {}, {**A_BUY, **limits(position_max=11)}),
    ("position", SELL, limits(position_max=9)),
    (None, SELL, {**LONG, **limits(position_max=9)}),
    ("no_price", {"qty": None, "notional": 9}, {"quote": None, **limits(position_max=9)}),
    ("price_collar", {"limit_price": 106}, limits(price_collar="0.05")),
    (None, {"limit_price": 105}, limits(price_collar="0.05")),
    (None, {"limit_price": 50}, limits(price_collar="0.05")),  # better is no slip
    ("price_collar", {**SELL, "limit_price": 90}, limits(price_collar="0.05")),
    ("no_price", {"limit_price": 90}, {"quote": None, **limits(price_collar="0.05")}),
    (None, {}, limits(price_collar="0.05")),
    ("symbol_locked", {}, {"orders": (UNPROVEN,)}),
    (None, {**BTC, "time_in_force": "gtc"}, {"orders": (UNPROVEN,), "drifts": (DRIFT, MONEY)}),
    ("symbol_locked", {}, {"drifts": (DRIFT,)}),
    (None, {}, {"drifts": (ELSEWHERE, MONEY)}),
    (None, SELL, {**LONG, "orders": (UNPROVEN,), "drifts": (DRIFT,)}),
    ("not_in_sync", {}, {"in_sync": False}),
    (None, SELL, {**LONG, "in_sync": False}),
    ("no_price", {}, {"reserve": None}),
    ("no_funds_read", {}, {"funds": None}),
    ("buying_power", {}, {"need": D("1000.01")}),
    ("buying_power", BTC, {"reserve": m.Reserve(opens=True, margin=False), "need": D(1001)}),
    (None, {}, {"reserve": m.Reserve(opens=False), "funds": None}),
    (None, SELL, {**LONG, "reserve": None, "funds": None, "need": D(9999)}),
]


@pytest.mark.parametrize(("code", "wish", "known"), REASONS)
def test_a_request_is_denied_for_the_reason_that_its_world_has(code, wish, known):
    """The table of reasons; None passes everything."""
    reason = checks.refuse(request(**{"qty": 10, **wish}), a_world(**known))
    assert code == (None if reason is None else reason.code)
    if reason is not None:
        assert str(reason) == reason.message
        assert all(isinstance(value, str | Decimal) for _, value in reason.figures)


def test_every_reason_of_ours_is_in_the_table_but_that_of_a_broken_check():
    assert {code for code, _, _ in REASONS} == {None, *m.ReasonCode} - {"check_failed"}


def test_a_buy_beyond_the_buying_power_is_denied_with_both_numbers():
    """$52,596 of stock on $3,432.62: the message says so."""
    known = {"need": D(52596), "funds": m.Funds(D("3432.62"), D("3432.62"))}
    reason = checks.refuse(request(), a_world(**known))
    assert "52,596.00" in reason.message
    assert "3,432.62" in reason.message
    assert dict(reason.figures) == {"needed": 52596, "available": D("3432.62")}


def test_an_order_through_zero_is_told_as_the_two_orders_that_do_it():
    reason = checks.refuse(request(qty=25, **SELL), a_world(**LONG))
    assert dict(reason.figures) == {"asked": 25, "held": 10, "first": 10, "then": 15}


def test_checks_run_in_the_order_in_which_they_are_listed():
    """The first that fails names the result, and each is one of the table's."""
    assert [check.__name__ for check in checks.CHECKS] == [
        *("not_halted", "not_blocked", "market_open", "supported", "tradable", "sized", "priced"),
        *("position", "wash", "duplicate", "order_notional", "symbol_notional", "day_notional"),
        *("orders_per_minute", "position_limit", "price_collar", "unlocked", "in_sync"),
        "affordable",
    ]
    known = {"halted": "x", "drifts": (DRIFT,), "need": D(9999)}
    assert checks.refuse(request(), a_world(**known)).code == "halted"


def no_fridays(wish, known):
    """A bot's own check."""
    return m.Reason("friday", "not on a Friday") if known.now.weekday() == 4 else None


def test_a_bot_adds_its_own_checks_by_value():
    friday = a_world(now=datetime(2026, 3, 6, tzinfo=UTC))
    assert checks.refuse(request(), friday) is None
    assert checks.refuse(request(), friday, (*checks.CHECKS, no_fridays)).code == "friday"


def test_a_check_that_raises_denies():
    """What cannot be checked is not sent, and whoever runs the checks is told."""

    class Broken:
        def __call__(self, wish, known):
            return 1 / 0

    told = []
    reason = checks.refuse(request(), a_world(), (Broken(),), lambda *why: told.append(why))
    assert reason.code == "check_failed"
    assert "Broken raised ZeroDivisionError" in reason.message
    assert [(name, type(error)) for name, error in told] == [("Broken", ZeroDivisionError)]
    assert checks.refuse(request(), a_world(), (Broken(),)).code == "check_failed"


@pytest.mark.parametrize("word", [True, False, "no", 0])
def test_a_check_that_returns_no_reason_denies(word):
    """What the author meant is not known: nothing is sent, and the message says why."""
    reason = checks.refuse(request(), a_world(), (lambda request, world: word,))
    assert reason.code == "check_failed"
    assert "is no Reason" in reason.message


def test_the_orders_of_a_world_are_those_of_its_symbols_or_all():
    """A check may look at every order; ours look at those of one symbol."""
    ours, theirs = order(), order("c2", symbol="MSFT")
    world = a_world(orders=(ours, theirs))
    assert world.of("AAPL") == (ours,)
    assert (len(world.orders), list(world.orders), theirs in world.orders) == (
        2,
        [ours, theirs],
        1,
    )
    left = world.orders.without(ours.client_order_id)
    assert (ours in left, left.of("AAPL"), left.of("MSFT")) == (False, (), (theirs,))


def test_a_disputed_order_closes_its_symbol():
    records = Records()
    records.take(intended())
    for fact in (report("new"), fill("f1", 10, 9, cum=10)):
        records.take(fact)
    records.take(void("other", source="history"))
    dispute = records.order()
    assert dispute.status is m.OrderStatus.DISPUTED
    reason = checks.refuse(request(), a_world(orders=(dispute,)))
    assert "c1 is disputed" in reason.message


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        ("order_notional_max", 0),
        ("price_collar", "-0.1"),
        ("orders_per_minute_max", 0),
        ("orders_per_minute_max", True),
        ("orders_per_minute_max", 1.5),
        ("duplicate_s", -1),
        ("quote_age_max_s", 0),
        ("oversell", "sell"),
        ("oversell", None),
    ],
)
def test_limits_that_make_no_sense_are_refused(bound, value):
    with pytest.raises(InvalidValue, match=bound):
        m.Limits(**{bound: value})


def test_a_change_is_held_to_what_is_about_the_order_that_it_makes():
    """A bot's own checks too; and to what is about new risk only if it adds some."""

    def mine(request, context):
        return None

    every = (*checks.CHECKS, mine)
    adding, sparing = (checks.of_change(every, adds=adds) for adds in (True, False))
    assert set(every) - set(adding) == checks.OF_NEW_ORDERS
    assert set(adding) - set(sparing) == checks.OF_NEW_RISK
    assert mine in sparing


def test_a_sale_from_a_record_that_was_never_opened_says_what_to_do():
    """Nobody has read what is held: it counts as a short sale, and a sync ends that."""
    wish = request(side="sell", limit_price=10)
    poor = World(
        now=m.moment(AT),
        can=m.Capabilities(order_types=frozenset(), times_in_force=frozenset()),
        reserve=m.Reserve(opens=True),
        need=Decimal(1000),
        funds=m.Funds(Decimal(5), Decimal(5)),
    )
    assert "desk.sync() does that" in checks.affordable(wish, poor).message
    opened = evolve(poor, position=m.Position(symbol="AAPL"))
    assert "sync" not in checks.affordable(wish, opened).message
