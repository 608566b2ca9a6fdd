"""A spot exchange: wallets by currency, holds with the fee, and the arithmetic of quote sizes."""

from __future__ import annotations

import contextlib
import random
from decimal import Decimal
from typing import Any

import pytest

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Account, Amendment, Exchange, Refused, SpotTerms, Wallet
from tests.venue.exchange.floor import FRIDAY_10, ticket

D = Decimal
TERMS = SpotTerms(taker_fee=D("0.006"), maker_fee=D("0.004"))


class Floor:
    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(FRIDAY_10)
        self.exchange = Exchange(
            seed=7,
            clock=self.clock,
            edits_in_place=True,
            checks_duplicates=False,
            spot=TERMS,
            **options,
        )
        self.account: Account = self.exchange.open_account(multiplier=1)

    def place(self, **wish: Any) -> str:
        order = self.account.submit(ticket(**{"symbol": "BTC/USD", "qty": D("0.1"), **wish}))
        self.clock.advance(1)
        return order.id

    def wallet(self, currency: str) -> Wallet:
        found = {each.currency: each for each in self.account.wallets()}
        return found.get(currency, Wallet(currency=currency, total=m.ZERO))


@pytest.fixture
def floor() -> Floor:
    return Floor()


def test_a_limit_buy_holds_its_fee_and_a_fill_takes_it_from_the_quote(floor: Floor) -> None:
    """A resting buy holds price x quantity x (1 + rate); the maker pays less than was held."""
    order_id = floor.place(limit_price=D(50_000))
    assert floor.wallet("USD").hold == D(5_000) * D("1.006")
    floor.exchange.fill(order_id, "0.04")
    assert floor.wallet("USD").hold == D(3_000) * D("1.006")
    assert floor.wallet("BTC").total == D("0.04")
    fee = floor.account.truth.fills(order_id)[0].fee
    assert fee == D("0.04") * D(64_260) * D("0.004")
    assert floor.wallet("USD").total == 100_000 - D("0.04") * D(64_260) - fee


def test_an_order_that_trades_when_it_arrives_pays_the_rate_of_takers(floor: Floor) -> None:
    """A marketable limit order pays the rate of takers."""
    order_id = floor.place(limit_price=D(65_000))
    fill = floor.account.truth.fills(order_id)[0]
    assert (fill.fee, fill.fee_currency) == (D("0.1") * D(64_260) * D("0.006"), "USD")
    assert not fill.is_maker


def test_an_order_sized_in_the_quote_costs_exactly_its_notional(floor: Floor) -> None:
    """Value and fee add up to the notional, in one fill or several; the quantity is dust-like."""
    for parts in ((), ("0.00005",)):
        before = floor.wallet("USD").total
        order_id = floor.account.submit(ticket(symbol="BTC/USD", notional=D(25), qty=None)).id
        for part in parts:
            floor.exchange.fill(order_id, part)
        floor.clock.advance(5)
        order, fills = floor.account.truth.order(order_id), floor.account.truth.fills(order_id)
        assert order.status == "filled"
        assert floor.wallet("USD").total == before - 25
        assert sum(each.traded_value + each.fee for each in fills) == 25
        assert len(fills) == 1 + len(parts)
        assert order.filled_qty % D("0.00000001") != 0


def test_wallets_of_other_currencies_pay_for_their_products(floor: Floor) -> None:
    """A product in USDC takes from that wallet only, and adds to the wallet of the base."""
    with pytest.raises(Refused, match="Insufficient balance"):
        floor.place(symbol="BTC/USDC")
    floor.exchange.transfer(floor.account, "USDC/USD", "10000", "1")
    floor.place(symbol="BTC/USDC")
    fill = floor.account.truth.fills()[0]
    assert fill.fee_currency == "USDC"
    assert floor.wallet("USDC").total == 10_000 - fill.traded_value - fill.fee
    assert floor.wallet("USD").total == 100_000
    assert floor.wallet("BTC").total == D("0.1")


def test_a_product_and_its_alias_have_one_book(floor: Floor) -> None:
    """A quote of the book fills orders of both products."""
    floor.exchange.transfer(floor.account, "USDC/USD", "10000", "1")
    ids = [floor.place(symbol=each, limit_price=D(50_000)) for each in ("BTC/USD", "BTC/USDC")]
    floor.exchange.quote("BTC/USD", 49_000, 49_010)
    assert {floor.account.truth.order(each).status for each in ids} == {"filled"}


def test_a_bracket_is_one_order_whose_stop_becomes_a_limit_beyond_it(floor: Floor) -> None:
    """It sells at its limit, or from its stop down to 5 % below it; it holds the units once."""
    for bid, sold_at in (("71000", D(71_000)), ("59000", D(59_000)), ("55000", None)):
        floor.exchange.quote("BTC/USD", "64250", "64260")
        floor.place(qty=D("0.1"))
        order_id = floor.place(
            side="sell", type="limit", order_class="oco", take_profit=D(70_000), stop_loss=D(60_000)
        )
        assert floor.wallet("BTC").available == 0
        floor.exchange.quote("BTC/USD", bid, str(int(bid) + 10))
        order = floor.account.truth.order(order_id)
        assert order.filled_avg_price == sold_at
        assert order.leg_ids == ()
        if sold_at is None:
            assert (order.is_triggered, order.triggered_limit) == (True, D(57_000))
            assert order.limit_price == 70_000


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"qty": D("0.000000001")}, "PREVIEW_INVALID_SIZE_PRECISION"),
        ({"limit_price": D("50000.001")}, "PREVIEW_INVALID_PRICE_PRECISION"),
        ({"qty": D("0.00000001")}, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        ({"qty": None, "notional": D("10.001")}, "PREVIEW_INVALID_QUOTE_SIZE_PRECISION"),
        ({"qty": D(100)}, "PREVIEW_INSUFFICIENT_FUND"),
        ({"side": "sell", "qty": D(1)}, "PREVIEW_INSUFFICIENT_FUND"),
        ({"limit_price": D(65_000), "post_only": True}, "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
        (
            {"stop_price": D(60_000), "limit_price": D(60_100)},
            "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE",
        ),
        (
            {"stop_price": D(70_000), "limit_price": D(69_000)},
            "PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE",
        ),
    ],
)
def test_what_is_not_exact_is_refused(floor: Floor, wish: dict[str, Any], reason: str) -> None:
    """Nothing is rounded: a refusal has the reason of a preview."""
    with pytest.raises(Refused) as found:
        floor.place(**wish)
    assert found.value.details["preview"] == reason
    assert not floor.account.truth.orders()


def test_an_edit_in_place_holds_the_new_terms(floor: Floor) -> None:
    """The order keeps its id; a quantity that the wallet does not cover is refused."""
    order_id = floor.place(limit_price=D(50_000))
    floor.account.replace(order_id, Amendment(qty=D("0.2"), limit_price=D(49_000)))
    floor.clock.advance(1)
    assert floor.wallet("USD").hold == D(9_800) * D("1.006")
    with pytest.raises(Refused):
        floor.account.replace(order_id, Amendment(qty=D(30), limit_price=D(49_000)))


@pytest.mark.parametrize("seed", range(8))
def test_the_wallets_are_what_was_paid_in_and_traded(seed: int) -> None:
    """Each wallet is its deposits plus its fills less fees, and no open order holds more."""
    dice = random.Random(seed)
    floor = Floor(partial_rate=0.5)
    floor.exchange.transfer(floor.account, "USDC/USD", "50000", "1")
    for _ in range(60):
        symbol = dice.choice(("BTC/USD", "ETH/USD", "BTC/USDC", "ETH/BTC"))
        quote = floor.exchange.quote_of(symbol)
        assert quote is not None
        tick = D("0.00001") if symbol == "ETH/BTC" else D("0.01")
        wish: dict[str, Any] = {
            "symbol": symbol,
            "side": dice.choice(("buy", "buy", "sell")),
            "qty": D(dice.randrange(1, 500)) / 1000,
        }
        if dice.random() < 0.6:
            wish["limit_price"] = m.cut(quote.bid * D(dice.randrange(97, 103)) / 100, tick)
        with contextlib.suppress(Refused):
            floor.place(**wish)
        if dice.random() < 0.3 and (orders := floor.account.trading.orders.open()):
            floor.account.cancel(dice.choice(orders).id)
        price = D(64_000 + dice.randrange(-900, 900))
        floor.exchange.quote("BTC/USD", price, price + 10)
    truth = floor.account.truth
    fills = truth.fills()
    assert len(fills) > 10
    expected = {"USD": D(100_000), "USDC": D(50_000), "BTC": m.ZERO, "ETH": m.ZERO}
    for fill in fills:
        base, quote_currency = fill.symbol.split("/")
        expected[base] += fill.side.sign * fill.qty
        expected[quote_currency] -= fill.side.sign * fill.traded_value + fill.fee
    for currency, total in expected.items():
        assert floor.wallet(currency).total == total
        assert floor.wallet(currency).hold <= total
    nets = {s: q for s, q in truth.net_positions().items() if s != "USDC/USD"}
    assert nets == {s: q for s, q in truth.positions().items() if s != "USDC/USD"}
