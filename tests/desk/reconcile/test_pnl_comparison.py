"""`compare_pnl` and `slippage` on an account: the bot, the record and the broker."""

from datetime import date
from decimal import Decimal

import pytest

import fillbook as fb
from tests.bench import Bench

C = fb.PnlCause
DAY = date(2026, 3, 2)


def traded(**account):
    """A round trip of one strategy, and what another one holds."""
    bench = Bench(**account)
    bench.desk.buy("AAPL", qty=10, strategy="s", reference_price=187, key="k1")
    bench.pass_(30)
    bench.exchange.quote("AAPL", "190.00", "190.02")
    bench.desk.buy("AAPL", qty=10, strategy="t", limit_price="190.05")
    bench.pass_(30)
    bench.desk.sell("AAPL", qty=10, strategy="s")
    bench.pass_(30)
    return bench


def rows(bench, *changes):
    bought, held, sold = bench.desk.book.orders()
    made = [
        {"symbol": "aapl", "side": x.side, "qty": x.qty, "at": x.created_at, "strategy": x.strategy,
         "price": x.avg_price, "client_order_id": x.key or x.broker_order_id}
        for x in (bought, held, sold)
    ]  # fmt: skip
    for row, change in zip(made, changes, strict=False):
        row |= change
    return made


def compared(bench, ours=None, **options):
    (row,) = bench.desk.compare_pnl(ours, since=DAY, **options).rows
    return row


def test_the_same_trades_have_the_same_pnl_and_the_broker_pools_the_cost():
    bench = traded()
    row = compared(bench, rows(bench))
    assert (row.bot.ours, row.bot.causes) == (Decimal("29.80"), ())
    assert dict(row.broker.causes) == {C.POOLED_COST: Decimal("-15.00")}
    assert row.broker.difference == Decimal("-15.00")


@pytest.mark.parametrize(
    ("changes", "causes"),
    [
        (({"price": 187},), {C.FILL_PRICE: "-0.20"}),
        (({"fee": 1},), {C.FEES: "1"}),
        (({"strategy": None}, {"strategy": None}, {"strategy": None}), {C.POOLED_COST: "15.00"}),
    ],
)
def test_a_difference_to_the_bots_trades_has_its_cause(changes, causes):
    bench = traded()
    row = compared(bench, rows(bench, *changes))
    assert dict(row.bot.causes) == {cause: Decimal(part) for cause, part in causes.items()}


def test_a_figure_and_a_file_are_compared_too(tmp_path):
    bench = traded()
    assert dict(compared(bench, {"AAPL": "30"}).bot.causes) == {C.FILL_PRICE: Decimal("-0.20")}
    lines = ["symbol,side,qty,at,price,strategy"]
    lines += [
        f"AAPL,{x['side']},{x['qty']},{x['at']},{x['price']},{x['strategy']}" for x in rows(bench)
    ]
    path = tmp_path / "trades.csv"
    path.write_text("\n".join(lines))
    assert compared(bench, path).bot.causes == ()
    path.write_text("\n".join([*lines, "AAPL,buy,x,2026-03-02T15:00:00Z,1,s"]))
    with pytest.raises(fb.InvalidValue, match=r"1 of 4 rows are no trades\nrow 4: .*'x'"):
        compared(bench, path)
    path.write_text("\n".join([*lines, *["AAPL,buy,x,2026-03-02T15:00:00Z,1,s"] * 30]))
    with pytest.raises(fb.InvalidValue, match=r"(?s)^30 of 33 .*row 4: .*row 23: .*\nand 10 more$"):
        compared(bench, path)


def test_without_the_account_nothing_is_compared():
    bench = traded()
    with pytest.raises(fb.InvalidValue, match="cost must be"):
        compared(bench, cost="lifo")
    bench.fail("positions", "server-error", times=50)
    with pytest.raises(fb.ReadFailed, match="nothing was compared"):
        compared(bench)


def test_slippage_is_that_of_our_filled_orders_since_a_day():
    bench = traded()
    bench.by_hand("AAPL", "buy", 1)
    bench.resting()
    bench.desk.sync()
    first, second, third = bench.desk.book.slippage(since=DAY)
    assert (first.requested, first.cost) == (187, Decimal("0.20"))
    assert (second.requested, second.executed) == (Decimal("190.05"), Decimal("190.02"))
    assert (third.requested, third.cost) == (None, None)
    # What opens a position by a market order reads the market; the others do not need it.
    assert (first.arrival_cost, third.arrival_cost) == (Decimal("0.10"), None)
    assert bench.desk.book.slippage(strategy="t") == [second]
    assert bench.desk.book.slippage(since=date(2026, 3, 3)) == []
