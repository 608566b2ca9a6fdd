"""The command line, in process: exit codes, output streams, and JSON."""

import json
from pathlib import Path

import pytest

import fillbook as fb
from fillbook import __version__
from fillbook.cli import output
from fillbook.cli.commands import make_app
from fillbook.cli.shell.terminal import Terminal
from fillbook.model import OrderSide
from fillbook.model.text.ids import short_id
from fillbook.testing.venue_driver import ExchangeDriver
from tests.cli.conftest import ordered
from tests.cli.line import told

COMMANDS = sorted(name for name in make_app() if not name.startswith("-"))
READING = [["orders"], ["positions"], ["trades"], ["pnl"], ["audit"], ["rebind", "--dry-run"]]
READING.append(["doctor"])


def trade_by_hand(emulator):
    clock = emulator.exchange.clock
    world = ExchangeDriver(emulator.exchange, emulator.account, clock)
    world.trade_by_hand("MSFT", OrderSide.BUY, "3")
    clock.advance(60)


def test_in_sync_is_0_drift_is_3_and_a_sync_makes_it_0_again(emulator, order, capsys):
    at = ("--store", "sqlite:///bot.db")
    assert told(capsys, "check", *at)[0] == 0
    trade_by_hand(emulator)
    code, out, _ = told(capsys, "check", *at)
    assert (code, "MSFT" in out, "DRIFT" in out) == (3, True, True)
    assert told(capsys, "sync", *at)[0] == 0
    assert told(capsys, "check", *at)[0] == 0


def test_expected_positions_are_compared_without_a_record(emulator, tmp_path, capsys):
    code, out, _ = told(capsys, "check", "--ours", "AAPL=10", "MSFT=2")
    assert code == 3
    assert "the bot has 10, the broker 0" in out
    assert "the record" not in out
    assert list(tmp_path.iterdir()) == []


def test_a_check_of_a_record_that_does_not_exist_is_an_error(emulator, tmp_path, capsys):
    """It compared the broker with an empty record before: no belief is not an empty belief."""
    code, out, err = told(capsys, "check", "--store", "sqlite:///bot.db")
    assert (code, out) == (2, "")
    assert "there is no record at bot.db" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["positions", "orders", "plans", "audit"])
def test_an_empty_file_is_no_record(tmp_path, capsys, command):
    """It would read as an account without orders; it stays as it is."""
    (tmp_path / "bot.db").touch()
    code, _, err = told(capsys, command, "--store", "sqlite:///bot.db")
    assert (code, "there is no record at bot.db" in err) == (2, True)
    assert (tmp_path / "bot.db").stat().st_size == 0


def test_the_differences_of_the_bot_and_of_the_record_are_told_apart(emulator, order, capsys):
    trade_by_hand(emulator)
    at = ("--store", "sqlite:///bot.db")
    code, out, _ = told(capsys, "check", *at, "--ours", "AAPL=4")
    assert code == 3
    assert "the bot has 4, the broker 10" in out
    assert "Differences between the bot and the broker" in out
    assert "Differences between the record and the broker" in out
    said = json.loads(told(capsys, "check", *at, "--ours", "AAPL=4", "--json")[1])
    assert len(said["expected"]) == 2
    assert len(said["merged"]) > 0


def test_what_was_not_observed_is_1_and_shows_no_empty_account(emulator, capsys):
    emulator.exchange.faults.switch_on("unreachable")
    code, out, _ = told(capsys, "check", "--ours", "AAPL=10")
    assert (code, "NOT OBSERVED" in out, "none" in out) == (1, True, False)


def test_an_order_is_shown_with_its_fill_and_its_request(order, capsys):
    code, out, _ = told(capsys, "order", order.client_order_id, "--store", "sqlite:///bot.db")
    assert code == 0
    assert [part for part in ("Fills", "Requests", order.client_order_id) if part not in out] == []
    words = ("order", order.client_order_id, "--store", "sqlite:///bot.db", "--json")
    said = json.loads(told(capsys, *words)[1])
    assert said["order"]["client_order_id"] == order.client_order_id
    assert [fill["qty"] for fill in said["fills"]] == ["10"]
    assert [request["answer"] for request in said["requests"]] == ["accepted"]


@pytest.mark.parametrize("words", [*READING, ["check"], ["sync"]], ids=lambda words: words[0])
def test_json_is_one_document_and_nothing_else(words, order, capsys):
    code, out, err = told(capsys, *words, "--store", "sqlite:///bot.db", "--json")
    json.loads(out)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_a_record_is_read_by_people_too(words, order, capsys):
    code, out, err = told(capsys, *words, "--store", "sqlite:///bot.db")
    assert (code, err) == (0, "")
    assert out.strip()


def test_orders_are_found_by_the_given_options(order, capsys):
    at = ("--store", "sqlite:///bot.db", "--json")
    found = [
        len(json.loads(told(capsys, "orders", *at, *words)[1]))
        for words in ((), ("--symbol", "aapl"), ("--strategy", "other"), ("--open",))
    ]
    assert found == [1, 1, 0, 0]


def test_a_fill_wins_over_a_cancel(order, capsys):
    code, out, _ = told(capsys, "cancel", order.client_order_id, "--store", "sqlite:///bot.db")
    assert (code, "filled" in out) == (0, True)


@pytest.mark.parametrize(
    ("qty", "limit", "words"),
    [(1, 150, "A cancel of broker order {} would be"), (1, None, "no request would be sent")],
    ids=["alive", "ended"],
)
def test_a_cancel_has_a_dry_run(qty, limit, words, emulator, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        order = desk.buy("AAPL", qty=qty, limit_price=limit)
        entries = desk.book.journal()
    at = (order.client_order_id, "--dry-run", "--store", "sqlite:///bot.db")
    code, out, err = told(capsys, "cancel", *at)
    assert (code, words.format(order.broker_order_id) in " ".join(out.split()), err) == (
        0,
        True,
        "",
    )
    [shown] = json.loads(told(capsys, "cancel", *at, "--json")[1])
    assert shown["client_order_id"] == order.client_order_id
    with fb.read("sqlite:///bot.db") as book:
        assert book.journal() == entries


def test_an_old_record_is_archived_completely(order, tmp_path, capsys):
    at = ("--store", "sqlite:///bot.db")
    told(capsys, "rebind", "--dry-run", *at)
    assert (tmp_path / "bot.db").exists()
    said = json.loads(told(capsys, "rebind", "--yes", "--json", *at)[1])
    assert not (tmp_path / "bot.db").exists()
    with fb.read(f"sqlite:///{said['archived_to']}") as put_away:
        assert put_away.order(order).filled_qty == 10


WRONG = {
    "an unknown command": (["nonsense"], "nonsense"),
    "no broker": (["check"], "FILLBOOK_BROKER"),
    "no address": (["check", "--broker", "foo"], "alpaca:paper"),
    "an unknown broker": (["check", "--broker", "foo:bar"], "installed are alpaca, coinbase, sim"),
    "no keys": (["check", "--broker", "alpaca:paper"], "ALPACA_API_KEY"),
    "no Alpaca": (["check", "--broker", "alpaca:moon"], "alpaca:paper"),
    "no record": (["orders"], "there is no record at fillbook.db"),
    "a misspelt broker": (["check", "--broker", "alpca:paper"], "did you mean alpaca?"),
    "an unknown store": (["orders", "--store", "foo://x"], "installed are memory, sqlite"),
    "no belief": (["check", "--broker", "sim:", "--ours", "AAPL"], "SYMBOL=QUANTITY"),
    "no number": (["check", "--broker", "sim:", "--ours", "AAPL=x"], "not a number"),
    "no day": (["sync", "--broker", "sim:", "--since", "yesterday"], "2026-01-05"),
    "one and all": (["sync", "--broker", "sim:", "--order", "x", "--adopt"], "cannot be combined"),
    "no port": (["emulate", "alpaca", "--port", "99999"], "from 0 to 65535, not 99999"),
    "no fault": (["emulate", "alpaca", "--faults", "zork"], "there is no fault 'zork'"),
    "no bars": (["emulate", "alpaca", "--bars", "AAPL"], "write --bars AAPL=aapl.csv"),
    "no file": (["emulate", "alpaca", "--bars", "AAPL=no.csv"], "no.csv cannot be read"),
    "no past": (["emulate", "alpaca", "--history", "=a.csv"], "write --history AAPL=aapl.csv"),
    "no past file": (["emulate", "alpaca", "--history", "AAPL=no.csv"], "no.csv cannot be read"),
    "no pace": (["emulate", "alpaca", "--bar-seconds", "0"], "--bar-seconds must be above zero"),
    "no time": (["emulate", "alpaca", "--at", "monday"], "like 2026-03-02T10:00, not 'monday'"),
    "nothing to emulate": (["emulate", "mars"], "available: alpaca, coinbase"),
    "a port that is none": (["emulate", "alpaca", "--port", "-1"], "from 0 to 65535, not -1"),
    "a fault that is none": (
        ["emulate", "alpaca", "--faults", "replylost"],
        "did you mean reply-lost?",
    ),
    "a rate that is none": (
        ["emulate", "alpaca", "--faults", "slow", "--rate", "7"],
        "from 0 (never) to 1 (always)",
    ),
    "an unknown setting of sim": (["check", "--broker", "sim:?sead=7"], "sead"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_call_exits_with_2_and_one_line_with_what_to_write(what, capsys):
    words, part = WRONG[what]
    code, out, err = told(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("fillbook: ")
    assert part in err


@pytest.mark.parametrize(
    ("seconds", "part"), [("3600", "unset it for paper-api.alpaca.markets"), ("x", "not 'x'")]
)
def test_another_time_than_that_of_the_machine_is_for_emulators_only(
    seconds, part, monkeypatch, capsys
):
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.setenv(name, "k")
    monkeypatch.setenv("FILLBOOK_CLOCK_AHEAD_S", seconds)
    code, _, err = told(capsys, "check", "--broker", "alpaca:paper", "--ours", "AAPL=1")
    assert (code, part in err) == (2, True)


def test_a_port_in_use_is_a_wrong_call(emulator, capsys):
    port = emulator.url.rpartition(":")[2]
    code, out, err = told(capsys, "emulate", "alpaca", "--port", port)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"port {port} on 127.0.0.1" in err
    assert "--port 0 selects a free port" in err


def test_an_unknown_order_is_a_wrong_call(order, capsys):
    assert told(capsys, "order", "zzz", "--store", "sqlite:///bot.db")[0] == 2


def test_a_sync_of_one_order_shows_the_record_before(emulator, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        resting = desk.buy("AAPL", qty=10, limit_price="150")
    emulator.exchange.clock.advance(5)
    emulator.exchange.quote("AAPL", "149.90", "149.95")
    emulator.exchange.clock.advance(5)
    at = ("sync", "--order", resting.client_order_id, "--store", "sqlite:///bot.db")
    said = json.loads(told(capsys, *at, "--json")[1])
    told_of = [(said[side]["status"], said[side]["filled_qty"]) for side in ("before", "after")]
    assert told_of[0][1] == "0"
    assert told_of[1] == ("filled", "10")
    assert said["report"]["merged"]
    code, out, err = told(capsys, *at)
    assert (code, out.count("filled"), "0 entries" in out, err) == (0, 3, True, "")


@pytest.mark.parametrize("name", ["text.db", "folder.db", "missing/bot.db"])
def test_a_file_that_is_no_record_exits_with_1_and_is_not_changed(name, tmp_path, capsys):
    (tmp_path / "text.db").write_text("hello")
    (tmp_path / "folder.db").mkdir()
    before = sorted(tmp_path.iterdir())
    code, out, err = told(capsys, "sync", "--broker", "sim:", "--store", f"sqlite:///{name}")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert (tmp_path / "text.db").read_text() == "hello"
    assert [path for path in sorted(tmp_path.iterdir()) if "-lock" not in path.name] == before


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text(command, capsys):
    code, out, _ = told(capsys, command, "--help")
    assert (code, f"fillbook {command}" in out) == (0, True)
    assert "default: ()" not in out
    assert "default: False" not in out


def test_the_version_is_printed(capsys):
    assert told(capsys, "--version") == (0, f"{__version__}\n", "")


def test_the_doctor_shows_the_source_of_a_setting_and_hides_keys(emulator, order, capsys):
    with open("fillbook.toml", "w") as file:
        file.write('store = "sqlite:///bot.db"\n')
    code, out, _ = told(capsys, "doctor", "--json")
    said = {row["what"]: row["said"] for row in json.loads(out)}
    assert (code, "(fillbook.toml)" in said["store"]) == (0, True)
    assert "($FILLBOOK_BROKER)" in said["broker"]
    assert "connected to alpaca:" in said["the account"]
    assert "(no real money)" in said["the account"]
    assert emulator.secret not in out


def test_the_doctor_shows_the_restrictions_of_an_account(emulator, order, capsys):
    emulator.exchange.block(emulator.account, "trading_blocked")
    emulator.exchange.block(emulator.account, "transfers_blocked")
    _, out, _ = told(capsys, "doctor", "--json")
    said = {row["what"]: row["said"] for row in json.loads(out)}
    words = "; blocked: trading_blocked; restricted: transfers_blocked"
    assert said["the account"].endswith(words)


def test_the_doctor_is_1_if_what_is_set_up_does_not_work(capsys):
    code, out, _ = told(capsys, "doctor", "--broker", "alpaca:paper", "--json")
    assert code == 1
    [broken] = [row for row in json.loads(out) if row["ok"] is False]
    assert "no keys" in broken["said"]


def test_a_folded_table_loses_nothing(capsys, monkeypatch):
    monkeypatch.setattr(output, "out", Terminal(highlight=False, width=24))
    output.table("Wide", ("a", "b"), [("x" * 30, "y" * 30)])
    out = capsys.readouterr().out
    assert (out.count("x"), out.count("y")) == (30, 30)


def test_a_pnl_names_what_is_unknown_and_lists_its_lots_as_json(order, capsys):
    at = ("--store", "sqlite:///bot.db")
    code, out, _ = told(capsys, "pnl", *at)
    assert (code, "AAPL" in out, "total" in out) == (0, True, True)
    assert "1 quote of an open position" in " ".join(out.split())
    words = ("pnl", *at, "--by", "day", "--cost", "fifo", "--since", "2026-01-05", "--json")
    said = json.loads(told(capsys, *words)[1])
    assert (said["by"], [lot["qty"] for lot in said["lots"]]) == ("day", ["10"])
    code, _, err = told(capsys, "pnl", *at, "--by", "week")
    said = "--by is symbol, strategy or day, and --cost average or fifo; not 'week'"
    assert (code, err) == (2, f"fillbook: {said}\n")


def test_a_table_is_exported_by_the_ending_of_the_file(order, capsys):
    code, out, _ = told(capsys, "export", "orders", "a.csv", "--store", "sqlite:///bot.db")
    assert (code, out.strip()) == (0, "1 rows: a.csv")
    assert "mean-rev" in Path("a.csv").read_text()
    code, _, err = told(capsys, "export", "orders", "a.xlsx", "--store", "sqlite:///bot.db")
    assert (code, "format must be one of csv, jsonl, parquet" in err) == (2, True)


def test_an_order_is_found_by_the_beginning_of_an_id(order, capsys):
    at = ("--store", "sqlite:///bot.db", "--json")
    ids = (order.client_order_id, order.broker_order_id)
    for name in (*ids, ids[0][:-1], ids[0][:20], ids[1][:8]):
        code, out, _ = told(capsys, "order", name, *at)
        assert (code, json.loads(out)["order"]["client_order_id"]) == (0, ids[0])


def test_the_beginning_of_several_ids_lists_them(emulator, order, capsys):
    with fb.open(store="sqlite:///bot.db") as desk:
        other = desk.buy("AAPL", qty=1)
    at = ("--store", "sqlite:///bot.db")
    lines = (
        f"{short_id(order.client_order_id)}: buy 10 AAPL, market, filled",
        f"{short_id(other.client_order_id)}: buy 1 AAPL, market, filled",
    )
    names = "\n".join(sorted(lines))
    said = f"fillbook: the ids of several orders begin with 'fb-'; give more of one:\n{names}\n"
    for words in (("order",), ("cancel",), ("replace", "--qty", "5"), ("sync", "--order")):
        line = (*words, "fb-") if words[0] == "sync" else (words[0], "fb-", *words[1:])
        assert told(capsys, *line, *at) == (2, "", said)


def test_a_filter_that_matches_nothing_says_what_there_is(order, capsys):
    at = ("--store", "sqlite:///bot.db")
    for words, text in (
        (("orders", "--strategy", "nope"), "nothing of strategy 'nope'; it has mean-rev"),
        (("positions", "--strategy", "nope"), "nothing of strategy 'nope'; it has mean-rev"),
        (("orders", "--symbol", "zzzz"), "nothing of symbol 'ZZZZ'; it has AAPL"),
        (("trades", "--symbol", "zzzz"), "nothing of symbol 'ZZZZ'; it has AAPL"),
        (("orders", "--open"), "Orders: none"),
    ):
        code, out, _ = told(capsys, *words, *at)
        assert (code, out.strip().splitlines()[-1][-len(text) :]) == (0, text)
        assert json.loads(told(capsys, *words, *at, "--json")[1]) in (
            [],
            {"positions": [], "protections": [], "held_as": [], "realized": []},
        )


def test_the_orders_show_their_prices(order, capsys, monkeypatch):
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sell("AAPL", qty=1, limit_price="250")
        desk.sell("AAPL", qty=1, stop_price="150")
        desk.sell("AAPL", qty=1, stop_price="150", limit_price="149.5")
        desk.sell("AAPL", qty=1, trail_percent=5)
        desk.sell("AAPL", qty=1, trail_price=9)
    monkeypatch.setattr(output, "out", Terminal(highlight=False, width=140))
    out = told(capsys, "orders", "--store", "sqlite:///bot.db")[1]
    for text in (
        "market ",
        "limit 250",
        "stop 150 ",
        "stop_limit 150, limit 149.5",
        "stop 5%, stop 177",
        "stop 9, stop 178",
    ):
        assert text in " ".join(out.split())


@pytest.mark.parametrize("with_record", [True, False])
def test_a_symbol_that_only_the_bot_knows_is_named(emulator, capsys, with_record):
    at = ("--store", "sqlite:///bot.db")
    if with_record:
        ordered("sqlite:///bot.db")
    code, out, _ = told(capsys, "check", "--ours", "NOPE=2", "MSFT=1", *at)
    assert code == 3
    assert "NOPE is in neither the record nor the broker's list: check the symbol" in out
    assert "MSFT is in neither" not in out
    rows = json.loads(told(capsys, "check", "--ours", "NOPE=2", "MSFT=1", *at, "--json")[1])["rows"]
    assert {x["symbol"]: x["verdict"] for x in rows if x["symbol"] != "AAPL"} == {
        "NOPE": "unknown symbol",
        "MSFT": "drift",
    }


def test_the_orders_are_listed_with_an_id_that_finds_them(emulator, order, monkeypatch, capsys):
    """An amount of money is not shown as a quantity."""
    with fb.open(store="sqlite:///bot.db") as desk:
        paid = desk.buy("BTC/USD", notional=100)
    monkeypatch.setattr(output, "out", Terminal(highlight=False, width=120))
    at = ("--store", "sqlite:///bot.db")
    lines = told(capsys, "orders", *at)[1].splitlines()
    [first], [second] = (
        [[cell.strip() for cell in x.split("│")[1:-1]] for x in lines if word in x]
        for word in ("AAPL", "BTC/USD")
    )
    assert first[1:4] == ["03-02 15:00", "buy 10 AAPL", "market"]
    assert second[2] == "buy for 100.00 of BTC/USD"
    assert second[4].startswith(f"{paid.filled_qty} at ")
    for name, whole in ((first[0], order), (second[0], paid)):
        assert whole.client_order_id.startswith(name)
        found = json.loads(told(capsys, "order", name, *at, "--json")[1])
        assert found["order"]["client_order_id"] == whole.client_order_id
    out = told(capsys, "order", second[0], *at)[1]
    assert "buy for 100.00 of BTC/USD" in out


@pytest.mark.parametrize("what", ["orders", "trades", "positions", "pnl"])
def test_a_list_is_printed_as_the_csv_of_an_export(what, order, capsys):
    at = ("--store", "sqlite:///bot.db")
    told(capsys, "export", what, "a.csv", *at)
    code, out, err = told(capsys, what, *at, "--csv")
    assert (code, out, err) == (0, Path("a.csv").read_text(), "")
    assert told(capsys, what, *at, "--csv", "--json")[0] == 2


def test_a_number_is_folded_last(capsys, monkeypatch):
    """Half a number reads as another one."""
    monkeypatch.setattr(output, "out", Terminal(highlight=False, width=40))
    output.table(
        "Wide", ("text", "qty>", "price>"), [("some words " * 5, "0.78655602", "62209.89")]
    )
    out = capsys.readouterr().out
    assert ("0.78655602" in out, "62209.89" in out, out.count("words")) == (True, True, 5)


def test_a_position_is_listed_with_its_strategy_if_it_has_one(emulator, order, capsys):
    at = ("--store", "sqlite:///bot.db")
    out = told(capsys, "positions", *at)[1]
    assert [x.strip() for x in out.splitlines()[4].split("│")[1:4]] == ["AAPL", "mean-rev", "10"]
    with fb.open(store="sqlite:///other.db") as desk:
        desk.sync()
    out = told(capsys, "positions", "--store", "sqlite:///other.db")[1]
    assert [x.strip() for x in out.splitlines()[4].split("│")[1:3]] == ["AAPL", "10"]
