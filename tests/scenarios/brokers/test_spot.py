"""
P7 and P9 by currency, at a broker that enforces nothing and has three quote currencies and a coin.

More days: `FILLBOOK_DAYS=300 pytest tests/scenarios/brokers/test_spot.py`.
"""

import os
import random
from contextlib import nullcontext, suppress
from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.stores.memory import MemoryStore
from tests.bench import MONDAY_10
from tests.scenarios.brokers.spot import CASH, MAKER_RATE, PRICES, RATE, STEP, Spot, cut

DAYS = int(os.environ.get("FILLBOOK_DAYS", "12"))
FEES = ("quote", "base", "USDC", "KCS")
D = Decimal
S = m.OrderStatus
#: An average is rounded, so the price of an inferred fill is: taking it back leaves so much.
ROUNDED = D("1e-50")


class Bot:
    """A desk at the broker, opened and in sync."""

    def __init__(self, *, broker=Spot, store="memory://", **kw):
        self.clock = ManualClock(MONDAY_10)
        self.broker = broker(self.clock, **kw)
        self.desk = fb.open(self.broker, store, clock=self.clock, wait_s=2)
        assert self.desk.sync().opened

    def pass_(self, seconds, every=5):
        for _ in range(int(seconds // every)):
            self.clock.advance(every)
            self.desk.tick()

    def rest(self):
        """No faults any more, every outcome known, every order ended."""
        self.broker.faults = 0
        self.pass_(600, every=10)
        for order in list(self.broker.placed.values()):
            self.broker.cancel(order.id)
        self.pass_(120, every=10)


def held(bot, coin):
    """How much of *coin* is held by the record; 0: it has never been."""
    return next((x.qty for x in bot.desk.book.positions() if x.symbol == coin), D(0))


def wrong(bot):
    """The differences between the record and the wallets, at rest."""
    book, wallets = bot.desk.book, bot.broker.wallets
    found = [
        f"{x}: {book.cash(x)}, truth {amount}"
        for x, amount in wallets.items()
        if x not in ("BTC", "ETH") and abs(book.cash(x) - amount) > ROUNDED
    ]
    coins = {x: held(bot, x) for x in ("BTC", "ETH")}
    found += [f"{x}: {qty}, truth {wallets[x]}" for x, qty in coins.items() if qty != wallets[x]]
    ids = [x.client_order_id for x in bot.broker.placed.values()]
    found += ["one intent, two orders"] if len(ids) != len(set(ids)) else []
    ours = {i for x in book.orders() for i in book.record(x).ids}
    found += [f"order {x} is lost" for x in bot.broker.placed if x not in ours]
    return found + [f"{x.client_order_id} is open" for x in book.orders(open=True)]


# -- one order -------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["BTC-USD", "BTC-EUR", "BTC-USDC"])
def test_a_bot_spends_its_whole_balance_of_a_currency_and_nothing_of_another(symbol):
    bot = Bot()
    quote = symbol.partition("-")[2]
    before, whole = dict(bot.broker.wallets), bot.broker.wallets[quote]
    order = bot.desk.buy(symbol, notional=whole)
    assert order.status is S.FILLED
    assert abs(bot.broker.wallets[quote]) < D("0.01")
    bot.pass_(30)
    assert bot.desk.sync().verdict is m.Verdict.IN_SYNC
    others = CASH - {quote}
    assert {x: bot.desk.book.cash(x) for x in others} == {x: before[x] for x in others}
    assert wrong(bot) == []
    with pytest.raises(fb.Denied, match="buying power"):
        bot.desk.buy(symbol, notional=10)


def test_a_pair_that_is_paid_in_coins_takes_coins():
    bot = Bot()
    with pytest.raises(fb.Denied, match="insufficient BTC to pay with"):
        bot.desk.buy("ETH-BTC", qty=10, limit_price="0.0501")  # 0.501 BTC, with the fee more
    order = bot.desk.buy("ETH-BTC", notional="0.5")
    assert order.status is S.FILLED
    bot.pass_(30)
    assert bot.desk.book.position("BTC").qty == bot.broker.wallets["BTC"] < D("0.00000001")
    assert bot.desk.book.position("ETH-BTC").account.currency == "BTC"
    assert bot.desk.sync().verdict is m.Verdict.IN_SYNC


def test_coins_that_an_order_may_pay_with_cannot_be_sold():
    bot = Bot()
    bot.desk.buy("ETH-BTC", qty=8, limit_price="0.04")  # 0.32 BTC and its fee
    with pytest.raises(fb.Denied, match=r"only 0.1768 of the 0.5 BTC-USD held can be sold"):
        bot.desk.sell("BTC-USD", qty="0.2", limit_price="70000")
    bot.desk.sell("BTC-USD", qty="0.1768", limit_price="70000")
    assert bot.broker.free()["BTC"] == 0
    with pytest.raises(fb.Denied, match="insufficient BTC to pay with"):
        bot.desk.buy("ETH-BTC", notional="0.01")


def test_without_the_rate_of_the_fee_nothing_is_opened():
    bot = Bot()
    bot.broker.rate = None
    bot.clock.advance(60)
    with pytest.raises(fb.Denied, match="rate was not read") as denied:
        bot.desk.buy("BTC-USD", notional=100)
    assert denied.value.reason.code == "no_fee_rate"
    bot.broker.rate = RATE
    bot.clock.advance(60)
    bot.desk.buy("BTC-USD", notional=100)


def test_a_post_only_order_reserves_the_fee_of_a_maker():
    bot = Bot()
    bot.desk.buy("BTC-USD", qty="0.1", limit_price=50_000, post_only=True)
    assert bot.desk.book.reservations()[0].charge == 5_000 * (1 + MAKER_RATE)
    bot.desk.buy("BTC-EUR", qty="0.1", limit_price=40_000)
    assert bot.desk.book.reservations()[1].charge == 4_000 * (1 + RATE)
    with pytest.raises(fb.InvalidValue, match="only a limit order"):
        bot.desk.buy("BTC-USD", notional=10, post_only=True)


LIMITS = {
    "order_notional": {"order_notional_max": 100},
    "symbol_notional": {"symbol_notional_max": 100},
    "day_notional": {"day_notional_max": 100},
}


@pytest.mark.parametrize("code", LIMITS)
def test_a_limit_is_in_the_currency_of_the_account(code):
    """ETH-BTC is measured by BTC-USD: 0.05 BTC are 3,000 dollars."""
    bot = Bot()
    limits = m.Limits(**LIMITS[code])
    desk = fb.open(bot.broker, "memory://", clock=bot.clock, limits=limits)
    desk.sync()
    with pytest.raises(fb.Denied) as denied:
        desk.buy("ETH-BTC", qty=1, limit_price="0.05")
    assert denied.value.reason.code == code
    with pytest.raises(fb.Denied) as denied:
        desk.buy("BTC-EUR", notional=10)
    assert denied.value.reason.code == "no_price"
    assert desk.buy("ETH-BTC", qty="0.03", limit_price="0.05").status is S.FILLED


def test_an_order_of_unknown_worth_lets_nothing_more_through_the_limit_of_the_day():
    """Without limits no rate is read, and the next process has one: it cannot sum the day."""
    bot = Bot()
    store, limits = MemoryStore(), m.Limits(day_notional_max=100)
    desk = fb.open(bot.broker, store, clock=bot.clock)
    desk.sync()
    desk.buy("ETH-BTC", qty=1, limit_price="0.05")  # 3,000 dollars
    limited = fb.open(bot.broker, store, clock=bot.clock, limits=limits)
    bot.clock.advance(60)
    with pytest.raises(fb.Denied, match="the last 24 hours") as denied:
        limited.buy("BTC-USD", notional=10)
    assert denied.value.reason.code == "no_price"
    limited.sell("ETH-BTC", qty="0.5", limit_price="0.05")  # it only reduces
    bot.clock.advance(86_400)
    limited.sync()
    assert limited.buy("BTC-USD", notional=10).status is S.FILLED


def test_the_buying_power_of_each_currency_is_its_own():
    bot = Bot()
    bot.desk.buy("BTC-EUR", notional=1_000)
    assert round(bot.desk.buying_power("EUR").available, 4) == 6_000
    assert bot.desk.buying_power("USD").available == bot.desk.buying_power().available == 10_000
    assert bot.desk.buying_power("GBP").available == 0


def test_an_edit_keeps_both_ids_and_is_reserved():
    bot = Bot()
    order = bot.desk.buy("BTC-USD", qty="0.1", limit_price=50_000)
    after = bot.desk.replace(order, qty="0.15", limit_price=51_000)
    assert (after.broker_order_id, after.qty, after.limit_price) == (
        order.broker_order_id,
        D("0.15"),
        51_000,
    )
    with pytest.raises(fb.Denied, match="buying power"):
        bot.desk.replace(after, qty="0.25")


class LearnsPairs(Spot):
    """Its adapter knows a pair only after the instrument was read, which fails at first."""

    capabilities = evolve(
        Spot.capabilities,
        times_in_force=frozenset({m.TimeInForce.DAY, m.TimeInForce.GTC, m.TimeInForce.IOC}),
        instrument=False,
    )
    learned = False

    def pair(self, symbol):
        return super().pair(symbol) if self.learned else None


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_retry_is_the_same_request_although_the_pair_was_unknown_at_first(is_sent):
    """The default of the broker differs by then; the order that exists has the one of its day."""
    bot = Bot(broker=LearnsPairs)
    if not is_sent:
        bot.desk.halt("not yet")
    with nullcontext() if is_sent else pytest.raises(fb.Denied):
        bot.desk.buy("BTC-USD", qty="0.01", limit_price=50_000, key="one")
    bot.broker.learned = True
    bot.desk.resume()
    bot.clock.advance(10)
    order = bot.desk.buy("BTC-USD", qty="0.01", limit_price=50_000, key="one")
    assert (order.status, order.time_in_force) == (S.NEW, m.TimeInForce.DAY)
    assert (len(bot.broker.placed), bot.broker.sent) == (1, 1)
    with pytest.raises(fb.KeyReused):
        bot.desk.buy("BTC-USD", qty="0.01", limit_price=50_000, key="one", time_in_force="gtc")


def test_a_default_is_no_time_in_force_that_the_bot_named():
    bot = Bot(broker=LearnsPairs)
    wish = {"symbol": "BTC-USD", "qty": "0.01", "limit_price": 50_000, "key": "one"}
    bot.desk.buy(time_in_force="ioc", **wish)
    with pytest.raises(fb.KeyReused):
        bot.desk.buy(**wish)


# -- days ------------------------------------------------------------------------------


class Day(Bot):
    """A bot that spends what it is told is available, through faults and late reads."""

    def __init__(self, seed):
        self.bot_dice = random.Random(f"bot {seed}")
        super().__init__(seed=seed, fee_in=FEES[seed % len(FEES)], lag_s=8.0)
        self.broker.faults = 0.05

    def step(self):
        for symbol, price in PRICES.items():
            self.broker.move(symbol, price * (1 + D(self.bot_dice.randint(-80, 80)) / 10_000))
        with suppress(errors.OrderError, errors.ReadFailed):
            self.act()
        self.check()
        self.pass_(self.bot_dice.choice((1, 5, 15)), every=1)
        self.check()

    def act(self):
        symbol, deed = self.bot_dice.choice(list(PRICES)), self.bot_dice.random()
        quote, share = symbol.partition("-")[2], self.bot_dice.choice((D("0.3"), D("0.9"), D(1)))
        price = self.broker.prices[symbol]
        open_orders = [x for x in self.desk.book.orders(open=True) if x.broker_order_id]
        if deed < 0.15 and open_orders:
            self.desk.cancel(self.bot_dice.choice(open_orders))
        elif deed < 0.3 and open_orders:
            order = self.bot_dice.choice(open_orders)
            if order.limit_price is not None:
                self.desk.replace(order, limit_price=order.limit_price * D("1.01"))
        elif deed < 0.55:
            qty = cut(held(self, symbol.partition("-")[0]) * share)
            self.desk.sell(symbol, qty=max(qty, STEP), limit_price=price * D("1.002"))
        elif deed >= 0.55:
            coins = held(self, quote)
            spend = self.desk.buying_power(quote).available if quote in CASH else coins
            spend = cut(spend * share)
            if self.bot_dice.random() < 0.5 and spend:
                self.desk.buy(symbol, notional=spend)
            else:
                limit = price * self.bot_dice.choice((D("0.995"), D("1.0")))
                qty = cut(spend / limit / (1 + RATE))
                self.desk.buy(symbol, qty=max(qty, STEP), limit_price=limit)

    def check(self):
        """No wallet is promised twice, whatever the account read showed."""
        free = self.broker.free()
        if self.broker.fee_in in free:
            free.pop(self.broker.fee_in)  # fees that no order holds may empty it
        short = {x: amount for x, amount in free.items() if amount < 0}
        assert not short, f"{short} at {self.clock.now()}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(DAYS))
def test_a_day_promises_no_currency_twice_and_ends_in_sync(seed):
    day = Day(seed)
    for _ in range(40):
        day.step()
    day.rest()
    assert day.desk.sync().verdict is m.Verdict.IN_SYNC
    assert wrong(day) == []
    assert day.broker.fills


def test_a_preview_and_a_plan_name_the_currency_of_their_amounts():
    bot = Bot()
    preview = bot.desk.preview(
        fb.OrderRequest(symbol="BTC-EUR", side="buy", qty="0.01", limit_price=55_000)
    )
    assert (preview.impact.notional, preview.impact.currency) == (550, "EUR")
    request = fb.OrderRequest(symbol="BTC-USD", side="buy", qty="0.01", limit_price=60_000)
    assert bot.desk.preview(request).impact.currency is None
    bot.desk.buy("ETH-BTC", qty=1, limit_price="0.06", strategy="s")
    plan = bot.desk.close_position("ETH-BTC", strategy="s", dry_run=True)
    assert plan.impact.currency == "BTC"
