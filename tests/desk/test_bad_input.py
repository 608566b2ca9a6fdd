"""Bad input: a typed error with what to do, or an anomaly beside the record."""

import asyncio
import logging
import traceback
from datetime import datetime

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.desk.aio import AsyncDesk
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.bench import MONDAY_10, Bench

S = m.OrderStatus


@pytest.mark.parametrize(
    "wish",
    [
        {"qty": float("nan")},
        {"qty": float("inf")},
        {"qty": "NaN"},
        {"qty": "ten"},
        {"qty": 0},
        {"qty": "-1"},
        {"qty": None},
        {"qty": 1, "notional": 5},
        {"notional": "-5"},
        {"qty": 1, "limit_price": 0},
        {"qty": 1, "limit_price": float("-inf")},
        {"qty": 1, "type": "limit"},
        {"qty": 1, "stop_loss_limit": 5},
        {"qty": 1, "time_in_force": "sometimes"},
        {"qty": 1, "good_for_s": -1},
        {"symbol": "  ", "qty": 1},
    ],
    ids=str,
)
def test_an_invalid_request_is_refused_before_anything_is_written(wish):
    """It is a ValueError with a message, and there is no intent."""
    bench = Bench()
    before = bench.desk.book.journal()
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        bench.desk.buy(**({"symbol": "AAPL"} | wish))
    assert bench.desk.book.journal() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("symbol", x) for x in (None, 5, b"AAPL", "", "AA\x00PL", "\ud800")),
        *(("side", x) for x in (None, "x", "BUY ", 1)),
        *(("type", x) for x in (None, "foo", 3, [], "unrecognised")),
        *(("time_in_force", x) for x in (None, "sometimes", fb.OrderSide.BUY)),
        *(("order_class", x) for x in (None, "exotic", "unrecognised")),
        *(("extended_hours", x) for x in ("no", 1, None)),
        *(("strategy", x) for x in (5, "", "a\nb", "x" * 65, "\ud800", b"s")),
        *(("good_for_s", x) for x in (0.5, True, m.number(5), "5", -1, 10**15)),
    ],
    ids=ascii,
)
def test_a_field_of_another_type_is_named_with_what_it_takes(field, value):
    """No other error is raised, and nothing is written."""
    wish = {"symbol": "AAPL", "side": "buy", "qty": 1, field: value}
    with pytest.raises(fb.InvalidValue, match=rf"^{field} must be .* not "):
        fb.OrderRequest(**wish)


NAN = float("nan")
HANDED = {
    "no request": lambda desk: desk.submit(None),
    "a request of another kind": lambda desk: desk.submit({"symbol": "AAPL"}),
    "a key of another type": lambda desk: desk.buy("AAPL", qty=1, key=5),
    "an empty key": lambda desk: desk.sell("AAPL", qty=1, key=""),
    "a long key": lambda desk: desk.buy("AAPL", qty=1, key="k" * 201),
    "a key that no store takes": lambda desk: desk.buy("AAPL", qty=1, key="\ud800"),
    "a day in words": lambda desk: desk.sync(since="2026-01-01"),
    "a moment for a day": lambda desk: desk.sync(since=MONDAY_10),
    "an order of another type": lambda desk: desk.sync(order=5),
    "nothing to cancel": lambda desk: desk.cancel(None),
    "nothing to wait for": lambda desk: desk.wait(None),
    "a wait back in time": lambda desk: desk.wait("fb-1", timeout_s=-1),
    "a wait that is no number": lambda desk: desk.wait("fb-1", timeout_s=NAN),
    "a wait without an end": lambda desk: desk.wait("fb-1", timeout_s=float("inf")),
    "a wait of another type": lambda desk: desk.wait("fb-1", timeout_s="5"),
    "no kind of event": lambda desk: desk.on("nonsense", print),
    "nothing to call": lambda desk: desk.on("fill", None),
    "a belief about no symbol": lambda desk: desk.check({5: 1}),
    "beliefs without quantities": lambda desk: desk.check(["AAPL"]),
}


@pytest.mark.parametrize("what", HANDED)
def test_invalid_arguments_are_refused_by_validation(what):
    """Before a request is sent or an entry written, with a message of one line."""
    bench = Bench()
    before, requests = bench.desk.book.journal(), bench.desk.requests
    with pytest.raises(fb.InvalidValue, match=r"^[ -~]*; |^[ -~]* (must be|needs) [ -~]*$"):
        HANDED[what](bench.desk)
    assert (bench.desk.book.journal(), bench.desk.requests) == (before, requests)


def test_a_desk_with_invalid_settings_is_not_opened():
    """No file is created either."""
    with pytest.raises(fb.InvalidValue, match="wait_s must be 0 to"):
        fb.open("sim:", "sqlite:///never.db", wait_s=-1)
    for word in ("", "always", 5):
        with pytest.raises(fb.InvalidValue, match="repairs must be one of observe, approve, auto"):
            fb.open("sim:", "sqlite:///never.db", repairs=word)
    with pytest.raises(fb.InvalidValue, match="repairs must be"):
        fb.open("sim:", "sqlite:///never.db", env={"FILLBOOK_REPAIRS": "always"})


ORDER = {"symbol": "AAPL", "side": "buy"}
#: By the argument that was meant: the call.  A misspelt one is no order at another price.
MISSPELT = {
    "limit_price": lambda desk: desk.buy("AAPL", qty=1, limt_price="150"),
    "key": lambda desk: desk.sell("AAPL", qty=1, kei="k"),
    "stop_price": lambda desk: desk.protect("AAPL", stop_prise=150),
    "strategy": lambda desk: desk.protect("AAPL", stop_price=150, strategie="s"),
    "dry_run": lambda desk: desk.close_position("AAPL", dryrun=True),
    "capital": lambda desk: desk.rebalance({"AAPL": "0.1"}, capitol=5),
    "account": lambda desk: desk.close_position("AAPL", acount=True),
    "ours": lambda desk: desk.check(our={}),
    "timeout_s": lambda desk: desk.wait("fb-1", timeout=5),
    "symbol": lambda desk: desk.book.orders(symbl="AAPL"),
    "store": lambda desk: fb.open("sim:", stor="memory:"),
    "env": lambda desk: fb.read(evn={}),
    "broker": lambda desk: fb.check(brokr="sim:"),
    "qty": lambda desk: fb.OrderRequest(**ORDER, qt=1),
    "stop_loss": lambda desk: fb.ExitPolicy(stop_los="8%"),
    "position_max": lambda desk: fb.Limits(postion_max=5),
    "weights": lambda desk: fb.Targets(weight={}),
}


@pytest.mark.parametrize("meant", MISSPELT)
def test_an_argument_that_a_call_does_not_have_is_named_with_the_similar_one(meant):
    bench = Bench()
    before = bench.desk.book.journal()
    with pytest.raises(fb.InvalidValue, match=rf"^unknown argument '\w+'; did you mean {meant}\?$"):
        MISSPELT[meant](bench.desk)
    assert bench.desk.book.journal() == before


def test_without_a_similar_argument_all_are_named():
    with pytest.raises(
        fb.InvalidValue, match=r"^unknown argument 'x'; the arguments are key, request$"
    ):
        Bench().desk.submit(fb.OrderRequest(**ORDER, qty=1), x=1)


def test_a_coroutine_names_the_similar_argument_too():
    async def main():
        async with AsyncDesk(Bench().desk) as desk:
            await desk.cancel_all(symbl="AAPL")

    with pytest.raises(fb.InvalidValue, match="did you mean symbol"):
        asyncio.run(main())


def test_the_noise_of_floats_is_not_sent():
    """0.1 + 0.2 keeps its digits; 0.1 is a tenth."""
    bench = Bench()
    order = bench.desk.buy("BTC/USD", qty=0.1, limit_price=60_000.5)
    assert (m.plain(order.qty), m.plain(order.limit_price)) == ("0.1", "60000.5")


def test_an_unknown_symbol_is_denied_after_the_broker_reports_it():
    """Definite, with the order as recorded; nothing is sent."""
    bench = Bench()
    with pytest.raises(fb.Denied, match="does not list NOSUCH") as raised:
        bench.desk.buy("NOSUCH", qty=1)
    assert raised.value.order.status is S.DENIED
    assert raised.value.reason.code == "unknown_symbol"
    assert bench.sent["submit"] == 0


def test_a_misspelt_symbol_is_denied_with_the_listed_ones_that_are_spelt_like_it():
    """The order that was denied makes the symbol no more known, and the list is read once a day."""
    bench = Bench()
    with pytest.raises(fb.Denied, match="does not list APPL: check the symbol; similar: AAPL"):
        bench.desk.buy("APPL", qty=1)
    asked = bench.sent["instruments"]
    for call in (bench.desk.book.position, bench.desk.close_position):
        with pytest.raises(fb.UnknownSymbol, match=r"APPL is in neither .*; similar: AAPL"):
            call("APPL")
    with pytest.raises(fb.UnknownSymbol, match="similar: AAPL"):
        bench.desk.protect("APPL", stop_loss="8%")
    with pytest.raises(fb.Denied, match="similar: BTC/USD"):
        bench.desk.buy("BTC/USDD", qty=1)
    assert bench.sent["instruments"] == asked


def test_a_naive_time_is_refused():
    """Its time zone is unknown."""
    with pytest.raises(fb.InvalidValue):
        m.timestamp(datetime(2026, 3, 2, 10))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("raw", [None, 5, "fill", b"{", {}, [], {"data": None}, {"event": "fill"}])
def test_a_pushed_event_of_no_sense_is_refused_and_changes_nothing(raw):
    """The bot may pass on every object that its SDK returns."""
    bench = Bench()
    before = bench.desk.book.journal()
    with pytest.raises(fb.InvalidValue):
        bench.desk.receive(raw)
    assert bench.desk.book.journal() == before


class Odd(SimulatedBroker):
    """A broker whose reports lack optional fields, or have unknown ones."""

    change = {}

    def orders(self, query, page):
        answer = super().orders(query, page)
        rows = [evolve(x, **self.change) for x in answer.value]
        return m.Observed(rows, answer.next)


@pytest.mark.parametrize(
    "change",
    [
        {"clock": None, "created_at": None},
        {"avg_price": None, "filled_value": None, "last_fill_at": None},
        {"status": S.UNRECOGNISED, "raw_status": "under_deliberation"},
        {"client_order_id": None},
    ],
    ids=str,
)
def test_a_report_with_holes_loses_no_order(change):
    """Reported fields count, missing ones stay unknown; the order is still recorded and live."""
    bench = Bench(broker=Odd)
    order = bench.resting()
    bench.broker.change = change
    bench.filled(order, 4)
    bench.clock.advance(20)
    bench.desk.sync()
    now = bench.desk.book.order(order)
    assert (now.filled_qty, now.is_final) == (4, False)
    assert bench.desk.book.position("AAPL").qty == 4


@pytest.mark.parametrize(
    "fault",
    ["html", "cut-page", "empty-list", "shifting-page", "redirect", "server-error", "rate-limited"],
)
@pytest.mark.parametrize("name", ["orders", "positions", "executions"])
def test_a_body_of_no_sense_never_loses_a_record(name, fault):
    """The pass is discarded or has the same findings as before; the next one is clean."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    order = bench.resting("MSFT", 1)
    bench.clock.advance(20)
    bench.desk.sync()
    bench.fail(name, fault)
    bench.desk.sync()
    bench.clock.advance(20)
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC
    assert bench.desk.book.position("AAPL").qty == 10
    assert not bench.desk.book.order(order).is_final


def test_the_key_and_the_secret_are_seen_nowhere(caplog):
    """P13: not in a repr, a log, an exception with its traceback, the journal or a page."""
    caplog.set_level(logging.DEBUG)
    shown = []
    with Emulator(Exchange(seed=3, clock=ManualClock(MONDAY_10))) as emulator:
        secret = emulator.secret
        good = AlpacaBroker(emulator.key, secret, url=emulator.url)
        with fb.open(good, "memory://", clock=ManualClock(MONDAY_10), wait_s=1) as desk:
            desk.sync()
            emulator.exchange.faults.fail(next="submit", with_="reply-lost")
            shown.append(repr(desk.buy("AAPL", qty=1)))
            emulator.exchange.faults.fail(next="positions", with_="html")
            shown += [repr(desk.sync()), repr(desk.check()), repr(desk), repr(good)]
            shown.append(repr(desk.book.journal()))
        bad = AlpacaBroker("a-key-of-nobody", "a-secret-of-nobody", url=emulator.url)
        with fb.open(bad, "memory://", clock=ManualClock(MONDAY_10)) as desk:
            with pytest.raises(fb.CredentialsMissing) as raised:
                desk.sync()
            shown += traceback.format_exception(raised.value)
    said = "\n".join([*shown, caplog.text])
    assert secret not in said
    assert "a-secret-of-nobody" not in said
    assert "a-key-of-nobody" not in said


def test_a_check_without_a_store_compares_the_expected_positions():
    """Without a record or a thread: every difference is listed, with a verdict for programs."""
    bench = Bench(opened=False)
    bench.by_hand("AAPL", "buy", 5)
    report = fb.check(bench.broker, ours={"aapl": 5.0, "MSFT": "1"})
    assert report.verdict is m.Verdict.DRIFT
    assert [x.drift for x in report.findings] == [m.Phantom("MSFT", m.number("1"))]
    assert fb.check(bench.broker, ours={"AAPL": 5}).verdict is m.Verdict.IN_SYNC
    bench.fail("positions", "html")
    assert fb.check(bench.broker, ours={"AAPL": 5}).verdict is m.Verdict.NOT_OBSERVED


def test_every_difference_of_a_check_is_a_finding():
    """Of the record, and of the positions that the bot passed in; a program reads only these."""
    bench = Bench()
    bench.by_hand("AAPL", "buy", 5)
    report = bench.desk.check(ours={"MSFT": 1})
    assert report.verdict is m.Verdict.DRIFT
    assert [x.drift for x in report.expected] == [
        m.Untracked("AAPL", m.number(5)),
        m.Phantom("MSFT", m.number(1)),
    ]
    assert [x for x in report.findings if isinstance(x.drift, m.ExternalTrade)]
    assert set(report.findings) == {*report.merged, *report.left, *report.expected}
    bench.desk.sync()
    report = bench.desk.check(ours={"AAPL": 5})
    assert (report.verdict, report.findings) == (m.Verdict.IN_SYNC, ())


def test_no_belief_is_not_an_empty_belief():
    """A check without anything to compare is not in sync; {} is the belief that all is flat."""
    bench = Bench(opened=False)
    bench.by_hand("AAPL", "buy", 5)
    with pytest.raises(fb.InvalidValue, match="nothing to compare"):
        fb.check(bench.broker)
    report = bench.desk.check()
    assert (report.verdict, report.opened) == (m.Verdict.NOT_OBSERVED, False)
    assert "nothing to compare" in report.unobserved
    for report in (bench.desk.check(ours={}), fb.check(bench.broker, ours={})):
        assert report.verdict is m.Verdict.DRIFT
        assert [x.drift for x in report.findings] == [m.Untracked("AAPL", m.number(5))]
    assert bench.desk.check(ours={"AAPL": 5}).verdict is m.Verdict.IN_SYNC


def test_an_error_has_whether_the_same_call_may_pass_later():
    """A reason and a reject are temporary or not, and so is the error that has them."""
    bench = Bench()
    bench.desk.halt("a test")
    with pytest.raises(fb.Denied) as halted:
        bench.desk.buy("AAPL", qty=1)
    bench.desk.resume()
    assert (halted.value.retry, halted.value.reason.retry) == (True, True)
    with pytest.raises(fb.Denied) as unknown:
        bench.desk.buy("NOSUCH", qty=1)
    assert (unknown.value.retry, unknown.value.reason.code) == (False, "unknown_symbol")
    assert fb.Reason("no_fridays", "not on a Friday").retry is False
    assert fb.Reason("no_fridays", "not on a Friday", retry=True).retry is True


@pytest.mark.parametrize("kind", m.RejectKind)
def test_a_reject_has_whether_the_broker_may_accept_the_same_later(kind):
    bench = Bench()
    order = bench.resting()
    error = fb.OrderRejected("no", order=order, kind=kind)
    assert error.retry is (kind in ("funds", "qty_held", "wash_trade", "not_now"))


def test_the_fields_of_buy_and_sell_are_those_of_a_request():
    names = m.OrderRequest.__annotations__.keys() - {"symbol", "side"}
    assert m.OrderFields.__annotations__.keys() == names
