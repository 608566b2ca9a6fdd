"""Exits, plans and repairs from the command line, and the cover that it shows."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.cli.plans import show
from fillbook.clock import SystemClock
from fillbook.desk.record.recorder import Recorder
from fillbook.stores.sqlite import SqliteStore
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")
D = Decimal


def read(capsys, *words):
    """Return the JSON document of one command line."""
    return json.loads(told(capsys, *words, *STORE, "--json")[1])


@pytest.fixture
def bought(emulator):
    """A record with 0.1 BTC/USD of one strategy; crypto trades at any hour."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.buy("BTC/USD", qty="0.1", strategy="trend")
    return emulator


@pytest.fixture
def held(emulator):
    """The same, after the first sync."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        desk.buy("BTC/USD", qty="0.1", strategy="trend")
        desk.sync()
    return emulator


@pytest.fixture
def proposed(held):
    """The plan for the exits of what was held before the policy: it waits for an approval."""
    policy = fb.ExitPolicy(stop_loss="8%")
    with fb.open(store="sqlite:///bot.db", exits=policy) as desk:
        desk.tick()
        [plan] = desk.plans("proposed")
    return plan


def record(entry):
    """Append an entry to the record."""
    store = SqliteStore("bot.db")
    Recorder(store, SystemClock()).record(entry)
    store.close()


def a_plan(state):
    at = m.timestamp(datetime(2026, 3, 3, 14, 30, tzinfo=UTC))
    return m.Plan(
        plan_id="close-9",
        kind=m.PlanKind.CLOSE,
        occasion="close",
        symbols=("BTC/USD",),
        steps=(m.PlanStep(action=m.CancelOrder("fb-1")),),
        fingerprint="",
        authority=m.Authority.STANDING,
        created_at=at,
        valid_until=at,
        begins_at=at,
        state=m.PlanState(state),
        why="close all of BTC/USD",
        failed="" if state != "stopped" else "the stop was refused",
    )


def working(emulator):
    return [x for x in emulator.account.truth.orders() if x.status == "new"]


def test_exits_are_placed_kept_and_ended(held, capsys):
    """Without a desk that ticks, each command carries its plan out itself."""
    code, out, err = told(capsys, "protect", "BTC/USD", "--stop-loss", "8%", *STORE)
    assert (code, "Done." in out, "stop_limit" in out, err) == (0, True, True, "")
    assert len(working(held)) == 1
    shown = read(capsys, "positions")
    assert [x["cover"] for x in shown["protections"]] == ["covered"]
    assert "covered" in told(capsys, "positions", *STORE)[1]
    assert "covered" in told(capsys, "watch", "--once", *STORE)[1]
    # A part is closed, and the rest has its exit again when the command returns.
    done = read(capsys, "close", "BTC/USD", "--qty", "0.04")
    assert done["plan"]["state"] == "done"
    assert [x["cover"] for x in done["protections"]] == ["covered"]
    [stop] = working(held)
    assert D("0.05") < D(stop.qty) < D("0.06")  # less the fees, which are paid in coins
    assert read(capsys, "plans") == []
    out = told(capsys, "plans", *STORE)[1]
    assert out.startswith("Plans that have not ended: none; 3 have ended: fillbook plans --all")
    assert told(capsys, "plans", "--all", *STORE)[1].count("done") == 3
    assert len(read(capsys, "plans", "--all")) == 3
    ended = read(capsys, "plans", "--state", "done")
    assert [x["kind"] for x in ended] == ["exit", "close", "exit"]
    code, out, _ = told(capsys, "plan", done["plan"]["plan_id"], *STORE)
    assert (code, "close 0.04 of BTC/USD" in out) == (0, True)
    assert "sell 0.04 BTC/USD, market" in out
    code, out, _ = told(capsys, "unprotect", "BTC/USD", *STORE)
    assert out.startswith("Ended: the protection of BTC/USD (trend). Its exits stay at the broker;")
    assert (code, len(working(held))) == (0, 1)
    code, _, err = told(capsys, "unprotect", "BTC/USD", *STORE)
    assert (code, "no protection of BTC/USD" in err) == (2, True)
    code, out, _ = told(capsys, "repair", "--mode", "approve", *STORE)
    assert (code, "Nothing is left to repair." in out) == (0, True)


def test_the_rules_of_an_exit_are_options(held, capsys):
    words = ("--break-even", "4%", "--max-age", "5d", "--cooldown", "30m", "--stop-loss", "8%")
    assert told(capsys, "protect", "BTC/USD", *words, *STORE)[0] == 0
    [kept] = read(capsys, "positions")["protections"]
    assert kept["policy"]["break_even"] == {"value": "4", "is_percent": True}
    assert (kept["policy"]["max_age_s"], kept["policy"]["cooldown_s"]) == ("432000", "1800")


def test_a_dry_run_of_exits_stores_and_sends_nothing(bought, capsys):
    with fb.read("sqlite:///bot.db") as book:
        before = len(book.journal())
    words = ("protect", "BTC/USD", "--stop-price", "50000", "--dry-run")
    code, out, err = told(capsys, *words, *STORE)
    assert (code, "nothing was stored or sent" in out, err) == (0, True, "")
    assert read(capsys, *words)["plan"]["kind"] == "exit"
    for words in (("close", "BTC/USD", "--dry-run"), ("repair", "--dry-run")):
        assert told(capsys, *words, *STORE)[0] == 0
    with fb.read("sqlite:///bot.db") as book:
        assert len(book.journal()) == before
        assert book.protections() == book.plans() == []
    assert working(bought) == []


def test_without_an_exit_the_command_fails_and_says_why(held, capsys):
    held.exchange.faults.fail(next="submit", with_="unreachable", times=1_000)
    words = ("protect", "BTC/USD", "--stop-loss", "8%", "--wait", "1")
    code, out, _ = told(capsys, *words, *STORE)
    assert (code, "Exits of BTC/USD (trend): " in out) == (1, True)
    code, out, _ = told(capsys, "watch", "--once", *STORE)
    assert (code, "Exits of BTC/USD (trend): " in out) == (0, True)
    assert "Exits of BTC/USD (trend): " in told(capsys, "positions", *STORE)[1]


def canceled_by_hand(emulator):
    """Cancel every working order at the broker, as in its own application."""
    for x in working(emulator):
        emulator.account.cancel(x.id)


def test_an_exit_that_another_process_saw_end_is_not_shown_as_cover(held, capsys):
    """P10: no desk has ticked since, so that the cover that the last pass stored is stale."""
    assert told(capsys, "protect", "BTC/USD", "--stop-loss", "8%", *STORE)[0] == 0
    canceled_by_hand(held)
    held.exchange.clock.advance(400)
    assert "By the record as of 2026-03-02 15:00:" in told(capsys, "positions", *STORE)[1]
    assert told(capsys, "sync", *STORE)[0] == 0
    assert "By the record" not in told(capsys, "positions", *STORE)[1]
    for words in (["positions"], ["watch", "--once"]):
        out = " ".join(told(capsys, *words, *STORE)[1].split())
        assert "Exits of BTC/USD (trend): naked since 2026-03-02 15:06:" in out
        assert "covered" not in out
        assert [x["cover"] for x in read(capsys, *words)["protections"]] == ["naked"]
    with fb.read("sqlite:///bot.db") as book, fb.open(store="sqlite:///bot.db") as desk:
        assert book.status().naked == ("BTC/USD/trend",)
        assert [x.cover for x in book.protections()] == [m.CoverState.NAKED]
        assert book.protections() == desk.protections()
        desk.tick()  # the pass places the exit again
        assert [x.cover for x in book.protections()] == [m.CoverState.COVERED]


WRONG = {
    "no exit": (["protect", "BTC/USD"], "at least one of"),
    "no percentage": (["protect", "BTC/USD", "--stop-loss", "8"], "percentage"),
    "no duration": (["protect", "BTC/USD", "--stop-loss", "8%", "--max-age", "5"], "--max-age"),
    "no trail": (["protect", "BTC/USD", "--stop-loss", "8%", "--trail-after", "4%"], "--trail"),
    "more than held": (["close", "BTC/USD", "--qty", "2"], "cannot be closed"),
    "no time": (["close", "BTC/USD", "--wait", "-1"], "--wait takes seconds"),
    "no plan": (["plan", "x-1"], "no plan"),
    "no plan to approve": (["approve", "x-1"], "no plan"),
    "no plan to reject": (["reject", "x-1", "--why", "no"], "no plan"),
    "no reason": (["reject", "x-1"], "--why"),
    "no state": (["plans", "--state", "begun"], "state"),
    "no mode": (["repair", "--mode", "always"], "mode"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_call_is_refused_before_anything_is_sent(what, bought, capsys):
    words, message = WRONG[what]
    code, out, err = told(capsys, *words, *STORE)
    assert (code, out, message in err.lower() or message in err) == (2, "", True)
    assert working(bought) == []


def test_exits_without_a_position_are_denied(bought, capsys):
    for words in (["protect", "ETH/USD", "--stop-price", "1"], ["close", "ETH/USD"]):
        code, out, err = told(capsys, *words, *STORE)
        assert (code, out, "no position in ETH/USD" in err) == (1, "", True)


@pytest.mark.parametrize("words", [["plans"], ["plan", "x"], ["protect", "AAPL"], ["repair"]])
def test_without_a_record_there_is_none_made(words, tmp_path, capsys):
    code, _, err = told(capsys, *words, *STORE)
    assert (code, "there is no record" in err, list(tmp_path.iterdir())) == (2, True, [])


# -- decisions --------------------------------------------------------------------------


def test_what_is_proposed_is_listed_and_approved(proposed, held, capsys):
    name = proposed.plan_id
    code, out, _ = told(capsys, "plans", "--state", "proposed", *STORE)
    assert (code, name in out) == (0, True)
    assert name in told(capsys, "watch", "--once", *STORE)[1]
    state = read(capsys, "watch", "--once")
    assert [x["plan_id"] for x in state["plans"]] == [name]
    assert [x["cover"] for x in state["protections"]] == ["proposed"]
    assert f"fillbook approve {name}" in "".join(show.outcome(proposed))
    code, out, _ = told(capsys, "approve", name, "--dry-run", *STORE)
    assert (code, "nothing was stored or sent" in out, working(held)) == (0, True, [])
    code, out, err = told(capsys, "approve", name, *STORE)
    assert (code, "Done." in out, err, len(working(held))) == (0, True, "", 1)
    for again, message in (
        (["approve", name], "is done; nothing was approved"),
        (["approve", name, "--dry-run"], "is done; it cannot be approved"),
        (["reject", name, "--why", "late"], "is done; it cannot be rejected"),
    ):
        code, _, err = told(capsys, *again, *STORE)
        assert (code, message in err) == (1, True)


def test_a_plan_that_waits_for_the_open_is_listed_with_its_time(bought, capsys):
    record(m.PlanMade(a_plan("approved")))
    for words in (["plans"], ["plan", "close-9"], ["watch", "--once"]):
        out = " ".join(told(capsys, *words, *STORE)[1].replace("│", " ").split())
        assert "begins at the open, 2026-03-03 14:30:00 UTC" in out


def test_what_is_rejected_is_not_sent(bought, capsys):
    record(m.PlanMade(a_plan("proposed")))
    code, out, err = told(capsys, "reject", "close-9", "--why", "by hand", *STORE)
    assert (code, "is rejected; nothing was sent" in out, err) == (0, True, "")
    shown = read(capsys, "plan", "close-9")
    assert (shown["state"], shown["why"]) == ("rejected", "by hand")
    assert working(bought) == []


def test_repairs_are_shown_and_their_command_exits_with_3(bought, capsys):
    record(m.DriftFound("position/ETH/USD", m.Untracked("ETH/USD", D(2)), None))
    code, out, _ = told(capsys, "repair", "--dry-run", *STORE)
    assert (code, "ETH/USD 0 becomes 2" in out, "--mode approve" in out) == (3, True, True)
    [plan] = read(capsys, "repair", "--dry-run")
    assert (plan["kind"], plan["impact"]["positions"][0]["after"]) == ("repair", "2")


# -- the output ------------------------------------------------------------------------

BUY = fb.OrderRequest(symbol="AAPL", side="buy", qty=5, limit_price=180)
OCO = fb.OrderRequest(
    symbol="AAPL",
    side="sell",
    qty=5,
    order_class="oco",
    take_profit=210,
    stop_loss=180,
    time_in_force="gtc",
)
SHOWN = [
    (m.CancelOrder("fb-1"), "cancel fb-1"),
    (m.PlaceOrder(BUY), "buy 5 AAPL, limit 180, default"),
    (m.PlaceOrder(OCO), "sell 5 AAPL, oco 210 / 180, gtc"),
    (m.AdoptBalance("AAPL", D(0), D(5)), "record: AAPL 0 becomes 5"),
    (m.AdoptBalance(None, D(1), D("2.5")), "record: cash USD 1 becomes 2.5"),
    (m.AdoptBalance(None, D(1), D("2.5"), "EUR"), "record: cash EUR 1 becomes 2.5"),
    (m.AwaitFunds(amount=D(1), reserve=D(1)), "await 1.00 USD of funds for the buys"),
    (m.EndOrder("fb-1"), "record: end fb-1"),
    (m.HaltTrading("a phantom"), "halt: a phantom"),
    (m.ReplaceOrder(client_order_id="fb-1", stop_price=D(100)), "change fb-1: stop 100"),
    (
        m.ReplaceOrder(client_order_id="fb-1", collar=D(2)),
        "change fb-1: limit 2% beyond the market",
    ),
]


@pytest.mark.parametrize(("action", "text"), SHOWN)
def test_each_step_is_one_line(action, text):
    assert show.describe_action(action, "USD") == text


STATES = {
    "done": "Done",
    "proposed": "waits for an approval",
    "approved": "It begins at the open, 2026-03-03 14:30:00 UTC",
    "running": "0 of 1 steps",
    "paused": "fillbook watch --tick",
    "stopped": "the stop was refused",
    "stale": "Nothing was sent",
    "expired": "Nothing was sent",
    "rejected": "Nothing was sent",
}


@pytest.mark.parametrize("state", m.PlanState)
def test_each_state_is_explained(state):
    """What happened, and what to do."""
    assert STATES[state] in " ".join(show.outcome(a_plan(state)))


def test_a_record_is_rebuilt_from_the_broker(held, capsys, tmp_path):
    """A dry run shows it; then the record as it was is kept beside the file."""
    held.exchange.clock.advance(600)  # the fee of the purchase is posted
    record(m.CashAdjusted(D(500), "USD", "2026-03-02T15:00:20.000000000Z", "ADOPTED", by_ids=True))
    code, out, _ = told(capsys, "rebuild", "--dry-run", *STORE)
    assert (code, "Figures of the broker" in out, "DRIFT" in out) == (3, True, True)
    assert not list(tmp_path.glob("bot.db.*"))
    code, out, _ = told(capsys, "rebuild", *STORE)
    assert (code, f"The record as it was: {tmp_path / 'bot.db.1'}" in out) == (0, True)
    assert told(capsys, "check", *STORE)[0] == 0
    code, out, _ = told(capsys, "rebuild", *STORE, "--json")
    assert (code, json.loads(out)["adopted"]) == (0, [])


def test_without_a_reading_of_the_account_nothing_is_rebuilt(held, capsys, tmp_path):
    held.exchange.faults.switch_on("unreachable")
    code, out, _ = told(capsys, "rebuild", *STORE)
    assert (code, "NOT OBSERVED" in out, "Nothing was changed" in out) == (1, True, True)
    assert not list(tmp_path.glob("bot.db.*"))


def test_of_an_empty_or_an_old_record_nothing_is_claimed(emulator, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        pass
    for words, expected in ((("repair", "--dry-run"), 1), (("positions",), 0)):
        code, out, _ = told(capsys, *words, *STORE)
        assert (code, "Nothing is left" in out) == (expected, False)
        assert out.endswith("The record is empty: `fillbook sync` takes the opening balance.\n")
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
    emulator.exchange.clock.advance(3600)
    code, out, _ = told(capsys, "repair", "--dry-run", *STORE)
    assert (code, "By the record as of 2026-03-02 15:00" in out) == (0, True)


def test_what_was_not_observed_is_not_called_repaired(held, capsys):
    """The reason is said; a dry run, which reads nothing, says that the last sync failed."""
    held.exchange.faults.switch_on("unreachable")
    code, out, err = told(capsys, "repair", *STORE)
    assert (code, out) == (1, "")
    assert err.startswith("fillbook: NOT OBSERVED, so that no repair is known: ")
    code, out, _ = told(capsys, "repair", *STORE, "--json")
    assert (code, json.loads(out)["error"]["type"]) == (1, "ReadFailed")
    for words, expected in ((("repair", "--dry-run"), 1), (("positions",), 0)):
        code, out, _ = told(capsys, *words, *STORE)
        assert (code, "Nothing is left" in out) == (expected, False)
        assert out.endswith(
            "NOT OBSERVED since 2026-03-02 15:00:10 UTC: `fillbook sync` reports what could not be "
            "read.\n"
        )


def test_a_plan_says_what_it_trades(held, capsys):
    Path("targets.csv").write_text("symbol,qty\nBTC/USD,0.04\n")
    for words, text in (
        ("protect BTC/USD --stop-loss 8%", "1 order, 0 cancels; nothing is traded yet: exits rest"),
        ("close BTC/USD", "value traded: not known, the plan was made without a quote"),
        ("rebalance targets.csv --strategy trend", "1 order, 0 cancels; value traded: 3,"),
    ):
        dry = [] if words.startswith("rebalance") else ["--dry-run"]
        out = told(capsys, *words.split(), *dry, *STORE)[1]
        assert text in " ".join(out.split()), out
