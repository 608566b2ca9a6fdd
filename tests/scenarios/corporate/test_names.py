"""The broker's other spelling of a symbol works wherever a bot names one; unknown ones do not."""

import pytest

import fillbook as fb
from fillbook.desk.aio import AsyncDesk
from fillbook.desk.record.book import Book
from tests.bench import Bench, unable
from tests.scenarios.corporate.held import V, later
from tests.scenarios.regressions.scenarios import alpaca


@pytest.fixture(params=["simulated", "alpaca"])
def bench(request):
    if request.param == "simulated":
        yield Bench()
        return
    with alpaca() as opened:
        assert opened.desk.sync().opened
        yield opened


def coin(bench, name="BTCUSD", **wish):
    bench.clock.advance(2)
    return bench.desk.buy(name, qty="0.5", time_in_force="gtc", strategy="s", **wish)


@pytest.mark.parametrize("name", ["BTCUSD", "btcusd", " BTC/USD "])
def test_an_order_may_name_either(bench, name):
    order = coin(bench, name)
    assert (order.symbol, order.status) == ("BTC/USD", "filled")
    assert later(bench).verdict is V.IN_SYNC
    assert [x.symbol for x in bench.desk.book.positions()] == ["BTC/USD"]


def test_it_works_before_the_first_sync_and_without_a_record_of_the_instruments():
    bench = Bench(opened=False)
    assert coin(bench).symbol == "BTC/USD"


def test_the_book_resolves_it_everywhere(bench):
    resting = coin(bench, limit_price="50000")
    coin(bench)
    assert later(bench).verdict is V.IN_SYNC
    book = bench.desk.book
    assert book.position("BTCUSD") == book.position("BTC/USD") != fb.Position(symbol="BTC/USD")
    assert book.orders(symbol="BTCUSD") == book.orders(symbol="BTC/USD") != []
    qty = book.position("BTCUSD").qty
    theirs = "0.49875"  # the fee is due
    assert bench.desk.check(ours={"BTCUSD": theirs}).verdict is V.IN_SYNC
    assert [x.client_order_id for x in bench.desk.cancel_all(symbol="btcusd")] == [
        resting.client_order_id
    ]
    assert Book(bench.store).position("BTCUSD").qty == qty


def test_a_key_is_the_same_order_under_either_name(bench):
    first = coin(bench, key="k")
    assert coin(bench, "BTC/USD", key="k").client_order_id == first.client_order_id


def test_a_bot_that_sends_itself_and_a_preview_name_either(bench):
    request = fb.OrderRequest(
        symbol="BTCUSD", side="buy", qty="0.5", limit_price="50000", time_in_force="gtc"
    )
    assert bench.desk.preview(request).request.symbol == "BTC/USD"
    with bench.desk.sending(request) as order:
        assert order.symbol == "BTC/USD"


def test_one_symbol_under_two_names_is_no_belief(bench):
    coin(bench)
    assert later(bench).verdict is V.IN_SYNC
    with pytest.raises(fb.InvalidValue, match="under another name"):
        bench.desk.check(ours={"BTCUSD": 1, "BTC/USD": 1})


def test_an_assignment_may_name_either():
    bench = Bench(opened=False)
    bench.silently("BTC/USD", "0.5", "60000")
    bench.clock.advance(60)
    bench.desk.sync()
    assert dict(bench.desk.assign("BTCUSD", "s").by_strategy)["s"].qty > 0


def test_a_check_without_a_record_may_name_either():
    with alpaca() as bench:
        bench.silently("BTC/USD", "0.5", "60000")
        report = fb.check(bench.broker, ours={"BTCUSD": "0.5"})
        assert (report.verdict, [x.symbol for x in report.rows]) == (V.IN_SYNC, ["BTC/USD"])


def test_a_flat_symbol_is_told_apart_from_one_that_nobody_knows(bench):
    assert bench.desk.book.position("MSFT").qty == 0
    with pytest.raises(fb.UnknownSymbol, match="NOSUCH"):
        bench.desk.book.position("NOSUCH")
    with pytest.raises(fb.UnknownSymbol, match=r"similar: .*BTC/USD"):
        bench.desk.book.position("BTC/USDT")


def test_a_broker_that_gives_no_answer_is_no_proof(bench):
    bench.exchange.faults.switch_on("unreachable")
    assert bench.desk.book.position("TSLA").qty == 0


def test_a_book_without_a_broker_knows_what_is_in_the_record():
    bench = Bench()
    bench.desk.buy("AAPL", qty=1)
    book = Book(bench.store)
    assert book.position("AAPL").qty == 1
    with pytest.raises(fb.UnknownSymbol, match="AAPL"):
        book.position("AAPLE")


def test_the_book_of_an_asyncio_desk_never_asks_the_broker():
    """It must not block: before the first trade a symbol is flat, as in every other book."""
    bench = Bench()
    book = AsyncDesk(bench.desk).book
    before = bench.sent.copy()
    assert book.position("MSFT").qty == 0
    assert bench.desk.book.position("MSFT").qty == 0
    assert sum(bench.sent.values()) == sum(before.values()) + 1


def test_the_prices_of_a_bot_may_name_either():
    """Without quotes of the broker, a market order is valued at the bot's."""
    bench = Bench(broker=unable(quotes=False))
    quote = fb.Quote("BTCUSD", 64000, 64010, bench.clock.now())
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, prices=lambda symbol: quote)
    assert bench.desk.buy("BTC/USD", qty="0.1", time_in_force="gtc").status == "filled"
