"""Catching up: the bot's own record is compared with the account, and what is missing is sent."""

import json
import sqlite3
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fillbook as fb
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench, unable

O = m.TradeOutcome  # noqa: E741
DAY = date(2026, 3, 2)


def row(symbol, qty, second=0, **fields):
    at = f"2026-03-02T14:59:{second:02d}Z"
    return {"symbol": symbol, "side": "buy" if qty > 0 else "sell", "qty": abs(qty), "at": at} | (
        fields
    )


def call(bench, rows, **options):
    return bench.desk.catch_up(rows, **{"since": DAY, **options})


def send(bench, rows, **options):
    found = call(bench, rows, dry_run=False, **options)
    bench.pass_(60)
    return found


def outcomes(found):
    return [str(x.outcome) for x in found.rows]


def placed(found):
    return {(x.symbol, x.strategy): x.side.sign * x.qty for x in found.orders}


def states(bench, found):
    return [str(bench.desk.plan(x.plan_id).state) for x in found.orders]


ROWS = [row("AAPL", 25), row("MSFT", 8, 1)]


def bypassed():
    """10 of 25 AAPL were sent by the bot, and 3 of 8 MSFT were bought by hand."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.by_hand("MSFT", "buy", 3)
    bench.pass_(30)
    return bench


def test_a_dry_run_lists_and_the_run_sends_exactly_that_once():
    bench = bypassed()
    before = bench.sent["submit"]
    dry = call(bench, ROWS)
    assert bench.sent["submit"] == before
    assert bench.desk.plans() == []
    assert placed(dry) == {("AAPL", None): 15, ("MSFT", None): 5}
    run = send(bench, ROWS)
    assert (placed(run), outcomes(run)) == (placed(dry), outcomes(dry))
    assert states(bench, run) == ["done", "done"]
    assert bench.truth.positions() == {"AAPL": 25, "MSFT": 8}
    again = send(bench, ROWS)
    assert (again.orders, outcomes(again)) == ((), ["settled", "settled"])
    assert bench.sent["submit"] == before + 2
    assert bench.is_true()


def test_a_longer_or_another_file_of_tomorrow_sends_only_its_new_rows():
    bench = bypassed()
    send(bench, ROWS)
    new = [row("AAPL", 4, 30), row("AAPL", -6, 31), row("SPY", 2, 32)]
    assert placed(send(bench, ROWS + new)) == {("AAPL", None): -2, ("SPY", None): 2}
    assert placed(send(bench, [row("MSFT", 1, 40)])) == {("MSFT", None): 1}
    assert bench.truth.positions() == {"AAPL": 23, "MSFT": 9, "SPY": 2}


def test_a_lost_record_sends_nothing_twice():
    bench = bypassed()
    send(bench, ROWS)
    bench.desk.close()
    bench.store = MemoryStore()
    bench.desk = bench.open()
    again = send(bench, ROWS)
    assert (again.orders, outcomes(again)) == ((), ["found", "found"])
    assert bench.truth.positions() == {"AAPL": 25, "MSFT": 8}


def test_rows_of_a_plan_that_failed_count_again():
    bench = bypassed()
    bench.exchange.halt("SPY")
    rows = [row("SPY", 5), *ROWS]
    found = send(bench, rows)
    for _ in range(2):
        (order,) = [x for x in bench.truth.orders() if not x.is_final]
        bench.exchange.reject(order.id)
        bench.pass_(30)
    assert sorted(states(bench, found)) == ["done", "done", "stopped"]
    bench.exchange.resume("SPY")
    again = send(bench, rows)
    assert placed(again) == {("SPY", None): 5}
    assert bench.truth.positions() == {"AAPL": 25, "MSFT": 8, "SPY": 5}


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_process_that_is_killed_leaves_its_plans_to_the_next_one(is_sent):
    """Before its first request, or after the broker accepted the order: it is sent once."""
    bench = bypassed()
    submit = bench.broker.submit

    def killed(order):
        if is_sent:
            submit(order)
        raise KeyboardInterrupt

    bench.broker.submit = killed
    with pytest.raises(KeyboardInterrupt):
        call(bench, ROWS, dry_run=False)
    bench.broker.submit = submit
    bench.desk._gateway.lease.release()
    bench.desk = bench.open()
    assert outcomes(call(bench, ROWS)) == ["sending", "sending"]
    bench.pass_(300)
    assert bench.truth.positions() == {"AAPL": 25, "MSFT": 8}
    assert outcomes(call(bench, ROWS)) == ["settled", "settled"]


def test_what_is_traded_during_the_comparison_is_not_sent_again():
    """The bot buys the missing shares itself after the account was read."""
    bench = bypassed()
    quotes = bench.broker.quotes

    def meanwhile(symbols):
        bench.broker.quotes = quotes
        bench.desk.buy("AAPL", qty=15)
        return quotes(symbols)

    bench.broker.quotes = meanwhile
    found = send(bench, ROWS)
    assert [x.plan_id is None for x in found.orders] == [True, False]
    assert bench.truth.positions() == {"AAPL": 25, "MSFT": 8}
    assert outcomes(send(bench, ROWS)) == ["found", "settled"]


def test_an_order_that_is_still_open_is_not_sent_again():
    bench = Bench()
    bench.resting(key="k1")
    order = bench.desk.book.orders(open=True)[0]
    rows = [row("AAPL", 10, client_order_id=order.client_order_id, strategy="s")]
    assert outcomes(call(bench, rows)) == ["working"]
    assert outcomes(call(bench, [row("AAPL", 10, client_order_id="k1")])) == ["working"]
    assert outcomes(call(bench, [row("AAPL", 10, strategy="s")])) == ["open_order"]
    bench.desk.cancel(order)
    assert outcomes(call(bench, rows)) == ["partly_filled"]


def test_each_strategy_has_its_order_in_the_plan_of_its_symbol():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="swing")
    bench.pass_(30)
    rows = [row("AAPL", -4, 1, strategy="swing"), row("AAPL", 7, 2)]
    found = send(bench, rows, strategy="core")
    assert placed(found) == {("AAPL", "swing"): -4, ("AAPL", "core"): 7}
    (plan,) = {x.plan_id for x in found.orders}
    assert bench.desk.plan(plan).state == "done"
    parts = {name: x.qty for name, x in bench.desk.book.position("AAPL").by_strategy}
    assert parts == {"swing": 6, "core": 7}


def test_sells_cancel_the_exits_that_hold_the_units_and_place_them_again():
    bench = Bench()
    bench.silently("AAPL", 10, 180)
    bench.pass_(30)
    bench.desk.sell("AAPL", qty=10, stop_price="150", time_in_force="gtc")
    bench.pass_(30)
    found = send(bench, [row("AAPL", -4)])
    assert states(bench, found) == ["done"]
    assert bench.truth.positions() == {"AAPL": 6}
    (stop,) = [x for x in bench.truth.orders() if not x.is_final]
    assert (stop.qty, stop.stop_price) == (6, 150)


def test_a_buy_through_zero_closes_the_short_first():
    bench = Bench()
    bench.desk.sell("AAPL", qty=3)
    bench.pass_(30)
    found = send(bench, [row("AAPL", 8)])
    plan = bench.desk.plan(found.orders[0].plan_id)
    assert [x.action.request.qty for x in plan.steps] == [3, 5]
    assert bench.truth.positions() == {"AAPL": 5}


def test_a_split_since_then_restates_the_rows():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(30)
    bench.exchange.split("AAPL", 2)
    bench.pass_(60)
    bench.exchange.quote("AAPL", "93.50", "93.51")
    found = send(bench, [row("AAPL", 10), row("AAPL", 5, 1)])
    assert placed(found) == {("AAPL", None): 10}
    assert bench.truth.positions() == {"AAPL": 30}


def test_at_night_the_plan_begins_at_the_open():
    bench = Bench()
    bench.clock.advance(timedelta(hours=12).total_seconds())
    found = send(bench, [row("AAPL", 5)])
    plan = bench.desk.plan(found.orders[0].plan_id)
    assert (str(plan.state), plan.begins_at[:16]) == ("approved", "2026-03-03T14:30")
    assert outcomes(call(bench, [row("AAPL", 5)])) == ["sending"]
    while bench.clock.now() < datetime(2026, 3, 3, 14, 32, tzinfo=UTC):
        bench.pass_(600, every=300)
    assert bench.truth.positions() == {"AAPL": 5}


def test_what_is_not_certain_is_listed_and_not_sent():
    bench = Bench()
    rows = [
        row("XXXX", 1),
        row("SPY", -3, 1),
        row("SPY", 2, 2, side="hold"),
        row("AAPL", 1, 3, at="02.03.2026"),
        row("AAPL", 1, 4, at="2026-03-02 10:00"),
        row("AAPL", 1, 5, at="2026-03-01T10:00:00Z"),
        row("AAPL", 1, 5, at="2026-04-01T10:00:00Z"),
        "text",
        m.UnreadableTrade(9, "a", "b"),
    ]
    found = send(bench, rows)
    assert found.orders == ()
    assert outcomes(found) == [
        *("unknown_symbol", "no_position", "unreadable", "unreadable", "unreadable"),
        *("before_since", "in_the_future", "unreadable", "unreadable"),
    ]
    assert [x.line for x in found.rows] == list(range(1, 10))


def test_a_symbol_with_a_difference_or_an_unconfirmed_order_is_left_alone():
    bench = Bench()
    bench.fail("submit", "request-lost")
    bench.desk.buy("SPY", qty=1)
    assert outcomes(call(bench, [row("SPY", 5)])) == ["unconfirmed"]


def test_nothing_is_compared_without_the_account():
    bench = Bench()
    bench.outage()
    with pytest.raises(fb.ReadFailed, match="nothing was compared"):
        call(bench, ROWS)


def test_without_a_list_of_instruments_the_checks_of_the_order_decide():
    bench = Bench(broker=unable(instrument=False, instruments=False))
    found = send(bench, [row("AAPL", 5), row("AAPL", 2, 1)])
    assert (placed(found), states(bench, found)) == ({("AAPL", None): 7}, ["done"])


def test_an_instrument_that_cannot_be_read_sends_nothing():
    bench = Bench()
    bench.fail("instruments", "server-error", times=50)
    with pytest.raises(fb.ReadFailed, match="the instrument SPY could not be read"):
        call(bench, [row("SPY", 5)])


@pytest.mark.parametrize("since", [None, "2026-03-02", datetime(2026, 3, 2)])  # noqa: DTZ001
def test_since_is_a_day_or_an_aware_time(since):
    with pytest.raises(fb.InvalidValue, match="since must"):
        call(Bench(), ROWS, since=since)


def test_since_is_a_day_of_the_zone_of_the_rows():
    bench = Bench()
    rows = [row("AAPL", 1, at="2026-03-01 23:30"), row("AAPL", 2, at="2026-03-02 00:30")]
    found = call(bench, rows, tz="America/New_York")
    assert found.since == m.timestamp("2026-03-02T05:00:00Z")
    assert outcomes(found) == ["before_since", "to_send"]
    start = datetime(2026, 3, 2, 5, 45, tzinfo=UTC)
    assert outcomes(call(bench, rows, tz="America/New_York", since=start)) == ["before_since"] * 2


# -- many files --------------------------------------------------------------------------


TRADES = st.lists(
    st.tuples(
        st.sampled_from(["AAPL", "MSFT"]),
        st.integers(1, 9),
        st.sampled_from(["bot", "hand", "never"]),
        st.sampled_from([None, "s"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=max(5, settings().max_examples // 10))
@given(trades=TRADES, cuts=st.lists(st.integers(0, 7), max_size=3))
def test_the_account_comes_to_have_every_row_once(trades, cuts):
    """Whoever traded a row, and however often the file is sent while it grows."""
    bench, rows = Bench(cash="10000000"), []
    for number, (symbol, qty, who, strategy, names_order) in enumerate(trades):
        made = row(symbol, qty, number, strategy=strategy)
        if who == "bot":
            order = bench.desk.buy(symbol, qty=qty, strategy=strategy, key=f"k{number}")
            made["client_order_id"] = order.client_order_id if names_order else None
        elif who == "hand":
            bench.by_hand(symbol, "buy", qty)
        bench.pass_(30)
        rows.append(made)
        if number in cuts:
            found = send(bench, rows)
            assert all(state == "done" for state in states(bench, found))
    send(bench, rows)
    last = send(bench, rows)
    wanted = Counter()
    for symbol, qty, *_ in trades:
        wanted[symbol] += qty
    if "not_clear" not in outcomes(last):
        assert bench.truth.positions() == dict(wanted)
    assert last.orders == ()
    assert all(qty <= wanted[symbol] for symbol, qty in bench.truth.positions().items())


# -- sources ------------------------------------------------------------------------------


def test_every_source_gives_the_same_trades(tmp_path):
    text = "Ticker;Action;Shares;Date\nAAPL;Buy;2.50;2026-03-02 10:00\n"
    (tmp_path / "a.csv").write_text("\ufeff" + text, "utf-8")
    lines = [{"Ticker": "AAPL", "Shares": 2.5, "Date": "2026-03-02 10:00"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    with sqlite3.connect(tmp_path / "a.db") as made:
        made.execute("CREATE TABLE log (Ticker TEXT, Shares TEXT, Date TEXT)")
        made.execute("INSERT INTO log VALUES ('AAPL', '2.50', '2026-03-02 10:00')")
    made.close()
    tz = "America/New_York"
    found = [
        fb.read_trades(tmp_path / "a.csv", tz=tz),
        fb.read_trades(str(tmp_path / "a.jsonl"), tz=tz),
        fb.read_trades(tmp_path / "a.db", query="SELECT * FROM log", tz=tz),
        fb.read_trades(lines, tz=tz, columns={"qty": "shares"}),
    ]
    expected = m.LocalTrade(symbol="AAPL", side="buy", qty="2.5", at="2026-03-02T15:00:00Z", line=1)
    assert found == [[expected]] * 4
    assert fb.read_trades([expected, lines[0]], tz=tz)[0] == expected


def test_no_row_of_a_file_is_lost(tmp_path):
    (tmp_path / "a.csv").write_text('symbol,qty,at\nAAPL,"1\n2",x\nMSFT,1,2,3\nSPY\n,,\n')
    (tmp_path / "a.jsonl").write_text('{"symbol": "A", "qty": 1, "at": 1772463600}\n{broken\n[1]\n')
    found = fb.read_trades(tmp_path / "a.csv")
    assert [(type(x).__name__, x.line) for x in found] == [
        ("UnreadableTrade", i + 1) for i in range(4)
    ]
    kinds = [type(x).__name__ for x in fb.read_trades(tmp_path / "a.jsonl")]
    assert kinds == ["LocalTrade", "UnreadableTrade", "UnreadableTrade"]
    assert fb.read_trades([]) == []


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("none.csv", {}, "cannot be read"),
        ("a.db", {}, "give the query"),
        ("none.db", {"query": "SELECT 1"}, "there is no database"),
        ("a.db", {"query": "SELECT"}, "cannot be read"),
        ("a.csv", {"tz": "Mars/Olympus"}, "no time zone"),
        ("a.csv", {"columns": {"qty": "x"}}, "no column 'x'"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(tmp_path, name, options, why):
    (tmp_path / "a.csv").write_text("symbol,qty,at\nAAPL,1,2026-03-02T15:00:00Z\n")
    sqlite3.connect(tmp_path / "a.db").close()
    with pytest.raises(fb.InvalidValue, match=why):
        fb.read_trades(tmp_path / name, **options)


def test_rows_have_no_query():
    with pytest.raises(fb.InvalidValue, match="a query needs"):
        fb.read_trades([], query="SELECT 1")


@pytest.mark.slow
def test_a_hundred_thousand_rows_each_have_an_outcome(tmp_path):
    """Duplicates, unknown symbols, wrong sides, other dates: one line each, and none is lost."""
    path = tmp_path / "long.csv"
    kinds = ("AAPL,buy,1,{at}", "MSFT,sell,1,{at}", "XXXX,buy,1,{at}", "SPY,hold,1,{at}")
    kinds += ("SPY,buy,1,02/03/2026",)
    lines = [
        kinds[i % 5].format(at=f"2026-03-02T14:{i // 60 % 60:02d}:00Z") for i in range(100_000)
    ]
    path.write_text("symbol,side,qty,at\n" + "\n".join(lines))
    bench = Bench(cash="100000000")
    found = call(bench, path)
    assert [x.line for x in found.rows] == list(range(1, 100_001))
    assert dict(found.counts) == {
        O.TO_SEND: 20_000,
        O.NO_POSITION: 20_000,
        O.UNKNOWN_SYMBOL: 20_000,
        O.UNREADABLE: 40_000,
    }
    assert placed(found) == {("AAPL", None): 20_000}
