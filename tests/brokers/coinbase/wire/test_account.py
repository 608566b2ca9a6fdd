"""Wallets, fees, fills, products and quotes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.brokers.coinbase.wire import account, market
from fillbook.errors import InvalidValue
from tests.brokers.coinbase.payloads import OWNER as OWNER_ID
from tests.brokers.coinbase.payloads import accounts, fill, product, read, wallet

D = Decimal
OWNER = m.AccountId("coinbase", "host", "1")


def test_holds_are_part_of_a_wallet_and_not_of_what_is_available() -> None:
    """The dollar is cash, USDC other cash, and a coin a position in its pair with the dollar."""
    page = account.wallet_page(
        read(
            accounts(
                wallet("USD", "1000.5", "99.5"),
                wallet("USDC", "7"),
                wallet("BTC", "0.000297920684505", "0.1"),
                wallet("ETH"),
            )
        )
    )
    quote = m.Quote("BTC/USD", D(19_000), D(21_000), m.moment(m.timestamp("2026-03-02T15:00:00Z")))
    found = account.snapshot(page.wallets, [quote], account.Fees(D("0.012"), D("0.006")), OWNER)
    assert (found.cash, found.buying_power) == (D(1_100), D("1000.5"))
    assert found.other_cash == (m.Amount(D(7), "USDC"),)
    assert found.equity == 1_100 + D("0.100297920684505") * 20_000
    assert (found.fee_rate, found.maker_fee_rate) == (D("0.012"), D("0.006"))
    assert found.blocked == ()
    assert account.positions(page.wallets) == (
        m.PositionSnapshot("BTC/USD", D("0.100297920684505"), D("0.000297920684505")),
    )


def test_a_wallet_that_is_not_active_blocks_the_account() -> None:
    """Only that of the dollar does."""
    page = account.wallet_page(read(accounts(wallet("USD", active=False), wallet("BTC"))))
    found = account.snapshot(page.wallets, [], account.Fees(None, None), OWNER)
    assert found.blocked == ("the USD wallet is not active",)


def test_wallets_name_their_portfolios() -> None:
    """The key is bound to one portfolio; older answers name none, and the key's permissions do."""
    page = account.wallet_page(
        read(accounts(wallet("USD"), wallet("BTC", retail_portfolio_id="other")))
    )
    assert account.portfolios(page.wallets) == {OWNER_ID, "other"}
    old = account.wallet_page(read(accounts(wallet("USD", retail_portfolio_id=""))))
    assert account.portfolios(old.wallets) == set()
    permissions = {
        "can_view": True,
        "can_trade": True,
        "can_transfer": False,
        "portfolio_uuid": OWNER_ID,
        "portfolio_type": "DEFAULT",
    }
    assert account.permitted_portfolio(read(permissions)) == OWNER_ID
    assert account.permitted_portfolio(read({})) is None


def test_a_wallet_without_a_balance_is_unreadable() -> None:
    """It would count as empty."""
    with pytest.raises(InvalidValue):
        account.wallet_page(read(accounts(wallet("USD", available_balance=None))))


def test_a_fill_is_exact() -> None:
    """Nanoseconds, the fee in the quote, and the size in the currency that it is in."""
    page = account.fill_page(read({"fills": [fill()], "cursor": ""}))
    (found,) = page.executions
    assert (found.exec_id, found.at) == ("entry-1", "2026-03-02T15:00:05.123456789Z")
    assert (found.qty, found.price, found.fee, found.fee_currency, found.in_quote) == (
        D("0.2"),
        D(19_990),
        D("23.988"),
        "USD",
        False,
    )
    sized = fill(size="0.0046830664333996", price="21220.64", size_in_quote=True)
    (found,) = account.fill_page(read({"fills": [sized], "cursor": "c"})).executions
    assert (found.qty, found.in_quote) == (D("0.0046830664333996"), True)


def test_what_is_reversed_is_no_execution_and_a_correction_is_not_guessed() -> None:
    """A reversal takes its trade back; the meaning of a correction is not documented."""
    rows = [
        fill(entry_id="r", trade_type="REVERSAL"),
        fill(),
        fill(entry_id="e2", trade_id="trade-2"),
    ]
    page = account.fill_page(read({"fills": rows, "cursor": ""}))
    assert [each.exec_id for each in account.executions([page])] == ["e2"]
    # The reversal and its trade are on two pages.
    pages = [account.fill_page(read({"fills": each, "cursor": "c"})) for each in (rows[:1], rows)]
    assert [each.exec_id for each in account.executions(pages)] == ["e2"]
    with pytest.raises(InvalidValue):
        account.fill_page(read({"fills": [fill(trade_type="CORRECTION")], "cursor": ""}))


def test_a_fill_whose_side_is_a_placeholder_has_that_of_its_order() -> None:
    """With a size of one increment and a fee of thirteen places."""
    tiny = fill(
        price="20000.00", size="0.00000001", commission="0.0000000051234", side="UNKNOWN_ORDER_SIDE"
    )
    page = account.fill_page(read({"fills": [tiny], "cursor": ""}), lambda _: m.OrderSide.SELL)
    (found,) = page.executions
    assert (found.side, found.qty, found.fee) == (
        m.OrderSide.SELL,
        D("1E-8"),
        D("0.0000000051234"),
    )


@pytest.mark.parametrize("unit", ["UNKNOWN", 2, "NaN", {"x": 1}])
def test_a_fill_whose_unit_is_not_known_is_unreadable(unit: object) -> None:
    """497 dollars are not 497 bitcoins."""
    with pytest.raises(InvalidValue, match="size_in_quote must be true or false"):
        account.fill_page(read({"fills": [fill(size_in_quote=unit)], "cursor": ""}))


@pytest.mark.parametrize("unit", [None, "", False, "false"])
def test_a_fill_is_in_base_units_unless_it_says_otherwise(unit: object) -> None:
    page = account.fill_page(read({"fills": [fill(size_in_quote=unit)], "cursor": ""}))
    assert [x.in_quote for x in page.executions] == [False]


@pytest.mark.parametrize("more", [{"side": "UNKNOWN_ORDER_SIDE"}, {"size": "0"}, {"price": ""}])
def test_a_fill_without_its_figures_is_unreadable(more: dict[str, str]) -> None:
    """A page without it would look complete."""
    with pytest.raises(InvalidValue):
        account.fill_page(read({"fills": [fill(**more)]}))


def test_products_are_spot_only_and_tradable_by_their_flags() -> None:
    """Futures are left out; USDC-EUR would change two balances of cash."""
    rows = [
        product(),
        product("BIT-26JAN30-CDE", product_type="FUTURE", status=""),
        product("ETH-USD", view_only=True),
        product("USDC-EUR"),
        product("OLD-USD", status="delisted"),
    ]
    found = market.products(read({"products": rows}))
    assert found.rows == 5
    tradable = {each.symbol: each.tradable for each in found.instruments}
    assert tradable == {"BTC/USD": True, "ETH/USD": False, "USDC/EUR": False, "OLD/USD": False}
    btc = found.instruments[0]
    assert (btc.aliases, btc.qty_increment, btc.min_qty, btc.min_notional) == (
        ("BTC-USD",),
        D("0.00000001"),
        D("0.0001"),
        D(1),
    )


def test_pairs_name_their_wallets() -> None:
    """A product in a coin is paid from that coin; one in USDC from its own cash."""
    assert market.pair("BTC/USD") == m.Pair("BTC/USD", "BTC", "USD", "BTC/USD")
    assert market.pair("BTC/USDC") == m.Pair("BTC/USDC", "BTC", "USDC", "BTC/USD")
    assert market.pair("ETH/BTC") == m.Pair(
        "ETH/BTC", "ETH", "BTC", "ETH/USD", "BTC/USD", "BTC/USD"
    )
    assert market.pair("BTC-PERP-INTX") is None
    assert market.pair("AAPL") is None


def test_a_quote_needs_both_sides_and_a_time() -> None:
    """An empty book has no quote."""
    level = [{"price": "10", "size": "1"}]
    rows = [
        {"product_id": "BTC-USD", "bids": level, "asks": level, "time": "2026-03-02T15:00:00Z"},
        {"product_id": "ETH-USD", "bids": [], "asks": level, "time": "2026-03-02T15:00:00Z"},
    ]
    assert [each.symbol for each in market.quotes(read({"pricebooks": rows}))] == ["BTC/USD"]
