"""What happens to a bot at Coinbase: the incidents, rebalancing and exits, by the address alone."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.venue.coinbase import Behavior, ClientIds, Once
from fillbook.venue.exchange import Ticket
from tests.scenarios.coinbase.bench import bench

D, S = Decimal, m.OrderStatus


def by_hand(bench, side, qty, symbol="BTC/USD", limit=None):
    """An order of the owner, in the app."""
    ticket = Ticket(
        symbol=symbol,
        side=m.OrderSide(side),
        type=m.OrderType.MARKET if limit is None else m.OrderType.LIMIT,
        time_in_force=m.TimeInForce.GTC,
        qty=D(qty),
        limit_price=limit,
    )
    return bench.exchange.trade_by_hand(bench.emulator.account, ticket).id


def test_a_day_in_which_the_bot_hears_nothing():
    """A lost reply, a silent fill, orders by hand, a cancel in the app: one sync, and no more."""
    with bench() as here:
        desk, exchange = here.desk, here.exchange
        exchange.faults.fail("submit", "reply-lost")
        desk.buy("BTC/USD", qty="0.1", strategy="momentum", key="1")
        rests = desk.buy("ETH/USD", qty="1", limit_price="3000", strategy="dips", key="2")
        ends = desk.buy("ETH/USD", qty="2", limit_price="2900", strategy="dips", key="3")
        here.clock.advance(5)
        exchange.fill(rests.broker_order_id, "0.4")
        here.emulator.account.cancel(ends.broker_order_id)
        by_hand(here, "buy", "0.02")
        here.clock.advance(3600)
        before = desk.check()
        assert before.verdict is m.Verdict.DRIFT
        assert here.is_settled()
        orders = {x.client_order_id: x for x in desk.book.orders()}
        assert orders[rests.client_order_id].filled_qty == D("0.4")
        assert orders[ends.client_order_id].status is S.CANCELED
        external = [x for x in orders.values() if x.origin is m.Origin.EXTERNAL]
        assert [x.filled_qty for x in external] == [D("0.02")]
        assert desk.book.position("BTC/USD").qty == here.wallet("BTC") == D("0.12")
        assert desk.book.cash() == here.wallet("USD")


def test_limit_orders_in_the_dark_are_listed_and_canceled_by_strategy():
    """Incident 4."""
    with bench() as here:
        desk = here.desk
        for strategy in ("dips", "crash"):
            for price in ("58000", "59000", "60000"):
                desk.buy("BTC/USD", qty="0.1", limit_price=price, strategy=strategy)
        by_hand(here, "buy", "0.1", limit=D(50_000))
        here.clock.advance(5)
        here.price("BTC/USD", D("59990"))
        here.price("BTC/USD", D("64000"))
        desk.sync()
        filled = [x for x in desk.book.orders() if x.status is S.FILLED]
        assert sorted((x.strategy, x.limit_price) for x in filled) == [
            ("crash", 60_000),
            ("dips", 60_000),
        ]
        ended = desk.cancel_all(strategy="dips")
        assert [(x.strategy, x.status) for x in ended] == [("dips", S.CANCELED)] * 2
        left = desk.book.orders(open=True)
        assert sorted(x.strategy or "" for x in left) == ["", "crash", "crash"]
        sold = desk.sell("BTC/USD", qty="0.1", limit_price="63000", strategy="dips")
        here.clock.advance(5)
        desk.sync(order=sold)
        [trade] = desk.book.trades()
        assert (trade.strategy, trade.qty, trade.pnl) == ("dips", D("0.1"), D(400))
        assert here.is_settled()


@pytest.mark.parametrize("fault", ["none", "reply-lost", "server-error", "html", "late-landing"])
def test_a_market_order_is_known_before_submit_returns_or_is_found(fault):
    """Incident 5: filled in the record at once; after a lost reply it is one order, once."""
    with bench() as here:
        if fault != "none":
            here.exchange.faults.fail("submit", fault, seconds=20 if "late" in fault else None)
        order = here.desk.buy("BTC/USD", qty="0.1", key="entry")
        if fault == "none":
            assert (order.status, order.avg_price) == (S.FILLED, 64_260)
        here.pass_(300)
        order, placed = here.desk.book.order(order), here.truth.orders()
        assert len(placed) <= 1
        status = S.FILLED if placed else S.ABSENT
        assert (order.status, order.filled_qty) == (status, D("0.1") * len(placed))
        assert here.desk.book.position("BTC/USD").qty == here.wallet("BTC")
        assert here.is_settled()


@pytest.mark.parametrize("ids", list(ClientIds))
def test_a_create_is_never_sent_twice(ids):
    """Whatever the service does with a used client order id."""
    with bench() as here:
        here.emulator.behavior = Behavior(client_ids=ids)
        here.exchange.faults.fail("submit", "request-lost")
        here.desk.buy("BTC/USD", qty="0.1", key="one")
        here.pass_(400)
        assert here.truth.orders() == []
        assert here.desk.book.orders()[0].status is S.ABSENT
        again = here.desk.buy("BTC/USD", qty="0.1", key="one")
        assert again.status is S.ABSENT
        assert here.truth.orders() == []


def test_a_refused_token_is_not_sent_and_an_unknown_reason_is_queried():
    """One 401 raises, and nothing was placed; a failure without a reason leaves a query."""
    with bench() as here:
        here.emulator.once(Once.UNAUTHORIZED, "/orders")
        with pytest.raises((fb.Unavailable, fb.Denied)):
            here.desk.buy("BTC/USD", qty="0.1")
        here.pass_(30)
        here.emulator.once(Once.UNKNOWN_REASON, "/orders")
        order = here.desk.buy("BTC/USD", qty="0.2")
        assert order.status is S.UNPROVEN
        here.pass_(400)
        assert here.desk.book.order(order).status is S.ABSENT
        assert here.truth.orders() == []


def test_a_success_that_fails_afterwards_is_a_reject():
    """FAILED a moment after `success`: the reservation is free again."""
    with bench() as here:
        here.exchange.faults.fail("taken", "reject-after-accept")
        order = here.desk.buy("BTC/USD", qty="0.1", limit_price="50000")
        here.pass_(30)
        assert here.desk.book.order(order).status is S.REJECTED
        assert here.desk.book.reservations() == []
        assert here.is_settled()


def test_dust_of_an_order_by_notional_is_no_difference_and_no_order():
    """The quantity has more places than an order may have; what remains of a sale is dust."""
    with bench() as here:
        desk = here.desk
        bought = desk.buy("BTC/USD", notional="250")
        here.pass_(30)
        qty = desk.book.position("BTC/USD").qty
        assert qty == bought.filled_qty == here.wallet("BTC")
        assert qty % D("0.00000001") != 0
        assert desk.book.order(bought).anomalies == ()  # its fills are values, its total units
        desk.protect("BTC/USD", stop_price="60000")
        here.pass_(60)
        [kept] = desk.protections()
        assert kept.cover is m.CoverState.COVERED
        desk.close_position("BTC/USD")
        here.pass_(120)
        left = desk.book.position("BTC/USD").qty
        assert 0 < left < D("0.00000001")
        assert desk.book.orders(open=True) == []
        assert here.is_settled()


def test_wallets_of_dollars_and_of_usdc_are_apart():
    """What is in one pays for no product of the other."""
    with bench(usdc="10000") as here:
        with pytest.raises(fb.Denied, match="USDC"):
            here.desk.buy("BTC/USDC", qty="0.2")
        order = here.desk.buy("BTC-USDC", qty="0.1")
        assert (order.symbol, order.status) == ("BTC/USDC", S.FILLED)
        here.pass_(30)
        assert here.desk.book.position("BTC/USD").qty == D("0.1")
        assert here.desk.book.cash("USDC") == here.wallet("USDC")
        assert here.desk.book.cash() == here.wallet("USD") == 100_000


def test_a_portfolio_is_rebalanced_by_its_differences():
    """Sales first, then buys; within a band that the fees do not leave a second plan is empty."""
    with bench() as here:
        desk, targets = here.desk, {"BTC/USD": "0.5", "ETH/USD": "0.3"}
        desk.buy("BTC/USD", qty="1.2")
        here.pass_(30)
        plan = desk.rebalance(targets)
        here.pass_(180)
        assert desk.plan(plan.plan_id).state is m.PlanState.DONE
        total = here.wallet("USD") + here.wallet("BTC") * 64_255 + here.wallet("ETH") * D("3120.5")
        shares = [here.wallet("BTC") * 64_255 / total, here.wallet("ETH") * D("3120.5") / total]
        # The buffer of cash is 2 %.
        for share, target in zip(shares, targets.values(), strict=True):
            assert abs(share - D(target) * D("0.98")) < D("0.003")
        assert desk.rebalance(targets, band="0.01", dry_run=True).steps == ()
        assert here.is_settled()


@pytest.mark.parametrize(
    ("bid", "sold_at"), [("81000", 81_000), ("59000", 59_000), ("56000", None)]
)
def test_a_stop_with_a_take_profit_is_one_order(bid, sold_at):
    """A trigger bracket; where the market falls through its limit, the desk closes the position."""
    with bench() as here:
        desk = here.desk
        desk.buy("BTC/USD", qty="0.1", strategy="s")
        here.pass_(20)
        desk.protect("BTC/USD", stop_price="60000", take_profit="80000", strategy="s")
        here.pass_(60)
        [kept] = desk.protections()
        assert kept.cover is m.CoverState.COVERED
        assert kept.why == "stop limited: beyond 57000 it does not trade"
        [exit_] = desk.book.orders(open=True)
        assert (exit_.limit_price, exit_.stop_price) == (80_000, 60_000)
        here.price("BTC/USD", D(bid))
        here.pass_(180)
        assert desk.book.position("BTC/USD").qty == here.wallet("BTC") == 0
        assert desk.book.orders(open=True) == []
        sales = [x for x in desk.book.orders() if x.filled_qty and x.side is m.OrderSide.SELL]
        assert sales[-1].avg_price == (sold_at or D(bid))
        assert here.is_settled()


def test_a_take_profit_of_the_owner_by_a_stop_is_no_protection():
    """It waits for a rise; the position is not covered by it."""
    with bench() as here:
        here.desk.buy("BTC/USD", qty="0.1", strategy="s")
        here.pass_(20)
        ticket = Ticket(
            symbol="BTC/USD",
            side=m.OrderSide.SELL,
            type=m.OrderType.STOP_LIMIT,
            time_in_force=m.TimeInForce.GTC,
            qty=D("0.1"),
            limit_price=D(70_000),
            stop_price=D(70_000),
            stops_in_profit=True,
        )
        here.exchange.trade_by_hand(here.emulator.account, ticket)
        here.pass_(60)
        [external] = here.desk.book.orders(open=True)
        assert (external.type, external.qty) == (m.OrderType.UNRECOGNISED, D("0.1"))
        here.desk.protect("BTC/USD", stop_price="60000", strategy="s")
        here.pass_(60)
        [kept] = here.desk.protections()
        assert kept.cover is not m.CoverState.COVERED
        assert here.is_settled()


def test_a_stop_alone_is_a_stop_limit_order():
    """Below the stop by the collar of the policy."""
    with bench() as here:
        here.desk.buy("BTC/USD", qty="0.1", strategy="s")
        here.pass_(20)
        here.desk.protect("BTC/USD", stop_price="60000", strategy="s")
        here.pass_(60)
        [exit_] = here.desk.book.orders(open=True)
        assert (exit_.type, exit_.limit_price) == (m.OrderType.STOP_LIMIT, 58_800)
        here.price("BTC/USD", D(59_500))
        here.pass_(60)
        assert here.wallet("BTC") == 0
        assert here.is_settled()


def test_the_fee_of_the_account_is_in_what_an_order_may_cost_and_in_the_profit():
    """Read, not assumed: the tier of this account."""
    with bench(taker_fee=D("0.01"), maker_fee=D("0.005")) as here:
        desk = here.desk
        with pytest.raises(fb.Denied, match="buying power"):
            desk.buy("BTC/USD", qty="1.99", limit_price="50000")
        order = desk.buy("BTC/USD", qty="1.9", limit_price="50000")
        [held] = desk.book.reservations()
        assert held.charge == D("1.9") * 50_000 * D("1.01")
        desk.cancel(order)
        desk.buy("BTC/USD", qty="0.1")
        here.pass_(30)
        [row] = desk.book.pnl().rows
        assert row.fees == D("0.1") * 64_260 * D("0.01")
