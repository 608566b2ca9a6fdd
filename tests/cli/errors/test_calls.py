"""Every wrong call of the command line: its text, and its exit code."""

import json
import shutil

import pytest

import fillbook as fb
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.cli.conftest import MONDAY_10, ordered, use
from tests.cli.line import told

STORE = ("--store", "sqlite:///bot.db")
#: Files of the working directory.
FILES = {
    "head.csv": "a,b\n",
    "row.csv": "symbol,weight\nAAPL,\n",
    "num.csv": "symbol,weight\nAAPL,x\n",
    "ok.csv": "symbol,weight\nAAPL,0.1\n",
    "empty.csv": "symbol,weight\n",
    "t.csv": "symbol,side,qty,at\nAAPL,buy,1,2026-01-05T15:00:00Z\n",
    "bad.csv": "a,b\n1,2\n",
}
UNKNOWN = "ZZZZ is in neither the record nor the broker's list: check the symbol"
#: By command line: the exit code, and the text.  ORDER_ID, ACCOUNT and PORT are those of the test.
ERRORS = {
    "check --broker foo": (2, "'foo' is not the address of a broker; an example is alpaca:paper"),
    "check --broker foo:bar": (
        2,
        "'foo:bar': unknown broker 'foo'; installed are alpaca, coinbase, sim",
    ),
    "orders --store x": (2, "'x' is not the address of a store; an example is sqlite:///bot.db"),
    "orders --store foo://x": (
        2,
        "'foo://x': unknown store 'foo'; installed are memory, sqlite",
    ),
    "orders --store sqlite:///no.db": (
        2,
        "there is no record at no.db; `fillbook sync` creates it, and --store selects another",
    ),
    "orders --store sqlite://": (
        2,
        "'sqlite://' names no file; use sqlite:///bot.db, or sqlite:////srv/bot.db for an "
        "absolute path",
    ),
    "assign AAPL": (2, "give exactly one of a strategy and --no-strategy"),
    "assign AAPL s --no-strategy": (2, "give exactly one of a strategy and --no-strategy"),
    "assign ZZZZ s": (
        2,
        "'ZZZZ' is no order, no fill, and no symbol with an opening position in this record",
    ),
    "assign ORDER_ID s": (
        2,
        "order ORDER_ID was placed by the strategy 'mean-rev'; only what no strategy placed can "
        "be assigned",
    ),
    "check --ours": (2, "--ours needs a value"),
    "serve --allow": (2, "--allow needs a value"),
    "token create read --strategy": (2, "--strategy needs a value"),
    "cancel --strategy nope": (
        2,
        "the record has nothing of strategy 'nope'; it has mean-rev (nothing was canceled)",
    ),
    "cancel --strategy nope --dry-run": (
        2,
        "the record has nothing of strategy 'nope'; it has mean-rev (nothing was canceled)",
    ),
    "cancel --symbol nope --dry-run": (
        2,
        "the record has nothing of symbol 'NOPE'; it has AAPL (nothing was canceled)",
    ),
    "check --ours AAPL": (2, "--ours takes SYMBOL=QUANTITY, not AAPL"),
    "check --ours AAPL=x": (2, "--ours AAPL: 'x' is not a number"),
    "sync --since yesterday": (2, "--since takes a day like 2026-01-05, not 'yesterday'"),
    "sync --order x --adopt": (2, "--order cannot be combined with --since or --adopt"),
    "sync --order zz": (2, "there is no order 'zz' in this record; see `fillbook orders`"),
    "order zz": (2, "there is no order 'zz' in this record; see `fillbook orders`"),
    "cancel": (2, "give exactly one of: ORDERS; --symbol and --strategy; --all"),
    "cancel zz": (2, "there is no order 'zz' in this record; see `fillbook orders`"),
    "cancel --all --symbol AAPL": (
        2,
        "give exactly one of: ORDERS; --symbol and --strategy; --all",
    ),
    "replace zz --qty 5": (2, "there is no order 'zz' in this record; see `fillbook orders`"),
    "replace ORDER_ID --qty 5": (
        1,
        "order ORDER_ID is filled: submit a new order (nothing was sent)",
    ),
    "replace ORDER_ID": (1, "order ORDER_ID is filled: submit a new order (nothing was sent)"),
    "buy AAPL": (
        2,
        "give exactly one of a quantity and an amount: fillbook buy AAPL 10, or fillbook "
        "buy AAPL --notional 500",
    ),
    "buy AAPL ten": (2, "QTY: 'ten' is not a number"),
    "buy AAPL -1": (2, "QTY must be above zero, not -1"),
    "buy AAPL 1 --trail x": (2, "--trail: 'x' is not a number"),
    "buy AAPL 1 --tif forever": (
        2,
        "--tif must be one of day, gtc, gtd, ioc, fok, opg, cls, default; not 'forever'",
    ),
    "buy AAPL 1 --stop-loss-limit 5": (
        2,
        "--stop-loss-limit is the limit of a --stop-loss: give both",
    ),
    "sell AAPL 1 --oco": (2, "an OCO order needs a --take-profit and a --stop-loss"),
    "buy AAPL 1 --limit 5 --trail 1": (2, "a trailing stop has no --limit"),
    "buy AAPL 1 --limit 100 --stop-loss 120": (
        1,
        "price 100 must be above --stop-loss 120 (nothing was sent)",
    ),
    "buy ZZZZ 1": (1, "the broker does not list ZZZZ: check the symbol (nothing was sent)"),
    "buy AAPL 1000000": (
        1,
        "insufficient buying power: the order needs up to 194,500,800.00 USD, and "
        "196,259.50 USD is available; see `fillbook buying-power` (nothing was sent)",
    ),
    "sell AAPL 11": (
        1,
        "it would flip the position of 10 AAPL: sell 10 first, and after its fill 1 in a "
        "second order (nothing was sent)",
    ),
    "pnl --by week": (2, "--by is symbol, strategy or day, and --cost average or fifo; not 'week'"),
    "pnl --cost lifo": (
        2,
        "--by is symbol, strategy or day, and --cost average or fifo; not 'lifo'",
    ),
    "pnl --since x": (2, "--since takes a day like 2026-01-05, not 'x'"),
    "export orders a.xlsx": (2, "format must be one of csv, jsonl, parquet; not 'xlsx'"),
    "export orders no/a.csv": (2, "no/a.csv cannot be written: No such file or directory"),
    "report --html no/r.html": (2, "no/r.html cannot be written: No such file or directory"),
    "plan zz": (2, "there is no plan 'zz'; see `fillbook plans`"),
    "approve zz": (2, "there is no plan 'zz'; see `fillbook plans`"),
    "approve zz --dry-run": (2, "there is no plan 'zz'; see `fillbook plans`"),
    "reject zz --why x": (2, "there is no plan 'zz'; see `fillbook plans`"),
    "protect AAPL": (
        2,
        "give at least one of --stop-price, --stop-loss, --trail and --take-profit",
    ),
    "protect AAPL --stop-loss 8": (
        2,
        "--stop-loss is a percentage of the average cost, such as \"8%\", not '8'; a price "
        "is a --stop-price",
    ),
    "protect AAPL --stop-loss 180%": (
        2,
        "--stop-loss must be below 100 % for a long position, not 180%: give a smaller one",
    ),
    "protect AAPL --trail 100%": (
        2,
        "--trail must be below 100 % for a long position, not 100%: give a smaller one",
    ),
    "protect TSLA --stop-loss 100% --pending": (
        2,
        "--stop-loss must be below 100 % for a long position, not 100%: give a smaller one, or "
        "`protect` the short position once it is held",
    ),
    "protect AAPL --trail x": (2, "--trail: 'x' is not a number"),
    "protect AAPL --stop-price 0": (2, "--stop-price must be above zero, not 0"),
    "protect TSLA --stop-loss 8%": (
        1,
        "there is no position in TSLA to protect: protect it once it is held, or protect "
        "its next opening fill (pending=True, --pending)",
    ),
    "protect TSLA --stop-loss 8% --strategy x": (
        1,
        "there is no position in TSLA to protect of strategy 'x': protect it once it is "
        "held, or protect its next opening fill (pending=True, --pending); strategy x is new; the "
        "record has mean-rev",
    ),
    "protect ZZZZ --stop-price 5": (2, UNKNOWN),
    "protect AAPL --stop-price 900": (
        1,
        "the stop, 900, is above the market, 187: it would sell at once. Give another price, "
        "or close the position with close_position (`fillbook close`)",
    ),
    "close ZZZZ": (2, UNKNOWN),
    "cancel --symbol ZZZZ": (2, UNKNOWN),
    "sell AAPL 5 --stop 900": (
        1,
        "the market is at 187: a sell stop at 900 would trigger at once (nothing was sent)",
    ),
    "close AAPL --wait -1": (2, "--wait takes seconds, not -1.0"),
    "unprotect AAPL": (2, "there is no protection of AAPL"),
    "close TSLA": (1, "there is no position in TSLA to close"),
    "close AAPL --qty 11": (2, "only 10 AAPL are held; 11 cannot be closed"),
    "close AAPL --qty x": (2, "--qty: 'x' is not a number"),
    "close AAPL --qty 0": (2, "--qty must be above zero, not 0"),
    "rebalance no.csv": (2, "no.csv cannot be read: No such file or directory"),
    "rebalance head.csv": (
        2,
        "head.csv: the first line names the columns: symbol, and weight, notional or qty",
    ),
    "rebalance row.csv": (2, "row.csv, line 2: a row has a symbol and one of weight"),
    "rebalance num.csv": (2, "num.csv, line 2: 'x' is not a number"),
    "rebalance ok.csv --band x": (2, "--band: 'x' is not a number"),
    "rebalance ok.csv --cash-buffer 2": (2, "--cash-buffer is at least 0 and below 1, not 2"),
    "rebalance ok.csv --capital x": (2, "--capital: 'x' is not a number"),
    "rebalance empty.csv": (2, "there are no targets; a target of zero closes a position"),
    "catch-up no.csv --since 2026-01-01": (2, "no.csv cannot be read: No such file or directory"),
    "catch-up t.csv --since x": (2, "--since takes a day like 2026-01-05, not 'x'"),
    "catch-up t.csv --since 2026-01-01 --map x": (
        2,
        "--map takes FIELD=COLUMN,FIELD=COLUMN, not x",
    ),
    "catch-up t.csv --since 2026-01-01 --tz Mars": (
        2,
        "there is no time zone 'Mars'; one is America/New_York",
    ),
    "catch-up bad.csv --since 2026-01-01": (
        2,
        "no column is known for symbol, qty, at; name it, as in symbol=… (the columns are a, b)",
    ),
    "rebind --store memory://": (2, "only a record in a file can be archived"),
    "rebind": (
        2,
        "the keys are of ACCOUNT too, so that nothing is wrong with this record; to "
        "archive it all the same, add --yes",
    ),
    "rebind --store sqlite:///unbound.db": (
        2,
        "the record is not bound to an account yet: nothing to archive",
    ),
    "alert test": (2, "no sink is set: give an address, or set FILLBOOK_ALERT_URLS"),
    "alert test foo": (
        2,
        "the address of a webhook must be a URL such as https://host/path, in ASCII and "
        "without credentials, blanks and control characters",
    ),
    "alert test http://": (
        2,
        "the address of a webhook must be a URL such as https://host/path, in ASCII and "
        "without credentials, blanks and control characters",
    ),
    "token create fly": (2, "scopes are read, cancel, plans, halt, account; not fly"),
    "token create read --days 0": (2, "days must be between 1 and 3650, not 0"),
    "token create read": (2, "a token needs a strategy, or the scope account for all of them"),
    "token revoke zz": (2, "there is no token 'zz'; see `fillbook token list`"),
    "serve --listen 0.0.0.0": (
        2,
        "0.0.0.0 is reached from other machines: give --cert and --key, or --behind-tls if "
        "a proxy on this machine ends TLS",
    ),
    "serve --allow fly": (2, "allow takes cancel, plans and halt; not fly"),
    "serve --port 99999": (2, "--port must be from 0 to 65535, not 99999"),
    "serve --port -1": (2, "--port must be from 0 to 65535, not -1"),
    "serve --port PORT": (2, "127.0.0.1:PORT cannot be listened on: Address already in use"),
    "emulate mars": (2, "'mars' cannot be emulated; available: alpaca, coinbase"),
    "emulate alpaca --port 99999": (2, "--port must be from 0 to 65535, not 99999"),
    "emulate alpaca --port PORT": (
        2,
        "port PORT on 127.0.0.1 is not available (Address already in use); --port 0 "
        "selects a free port",
    ),
    "emulate alpaca --bars AAPL": (2, "'AAPL' is not SYMBOL=FILE; write --bars AAPL=aapl.csv"),
    "emulate alpaca --bars AAPL=no.csv": (2, "no.csv cannot be read: No such file or directory"),
    "emulate alpaca --bar-seconds 0": (2, "--bar-seconds must be above zero, not 0"),
    "emulate alpaca --faults slow --rate 7": (
        2,
        "a rate must be from 0 (never) to 1 (always), not 7.0",
    ),
    "watch --store sqlite:///no.db": (
        2,
        "there is no record at no.db; `fillbook sync` creates it, and --store selects another",
    ),
    "halt --resume --store sqlite:///no.db": (
        2,
        "there is no record at no.db; `fillbook sync` creates it, and --store selects another",
    ),
    "buying-power --broker foo:x": (
        2,
        "'foo:x': unknown broker 'foo'; installed are alpaca, coinbase, sim",
    ),
    "check --broker alpaca:moon": (
        2,
        "alpaca:moon must be alpaca:paper or alpaca:live; an emulator on this machine is "
        "alpaca:http://127.0.0.1:8080",
    ),
    "check --broker sim:?sead=7 --ours AAPL=1": (2, "sim:?sead=7 has unknown settings: sead"),
    "check --broker alpaca:http://example.com": (
        2,
        "http://example.com is not an address of Alpaca: these are "
        "https://paper-api.alpaca.markets (alpaca:paper, the default) and "
        "https://api.alpaca.markets (alpaca:live); an emulator on this machine is "
        "http://127.0.0.1:8080",
    ),
    "check --broker http://127.0.0.1:8000": (
        2,
        "'http://127.0.0.1:8000': an address begins with the name of the broker (alpaca, coinbase, "
        "sim), such as alpaca:http://127.0.0.1:8000",
    ),
    "check --broker alpaca:paper?x=1": (2, "alpaca:paper?x=1: the only option is ?stream=sse"),
    "check --broker coinbase:live": (
        2,
        "there are no keys for Coinbase: set COINBASE_API_KEY and COINBASE_API_SECRET (or "
        "the same names with _FILE), or COINBASE_KEY_FILE",
    ),
    "check --broker coinbase:mars": (
        2,
        "coinbase:mars must be coinbase:live; an emulator on this machine is "
        "coinbase:http://127.0.0.1:8080",
    ),
}

#: By command line: what a message about a wrong call names; its text is of the parser.
USAGE = {
    "nonsense": ("nonsense", "fillbook"),
    "reject zz --why": ("--why needs a value.", "fillbook reject"),
    "reject zz": ("--why is missing.", "fillbook reject"),
    "reject zz -why": ("--why is missing. Did you mean --why instead of -why?", "fillbook reject"),
    "orders --symbol --open": ("--symbol needs a value.", "fillbook orders"),
    "buy AAPL 1 --limit --tif gtc": ("--limit needs a value.", "fillbook buy"),
    "order": ("ORDER is missing.", "fillbook order"),
    "orders --bad": ("--bad", "fillbook orders"),
    "buy --store x": ("SYMBOL", "fillbook buy"),
    "buy AAPL 1 2": ("2", "fillbook buy"),
    "sync --since": ("--since", "fillbook sync"),
    "export nothing a.csv": ("nothing", "fillbook export"),
    "plans --state x": ("x", "fillbook plans"),
    "catch-up t.csv": ("--since", "fillbook catch-up"),
    "repair --mode x": ("x", "fillbook repair"),
    "emulate alpaca --port x": ("--port", "fillbook emulate"),
    "completion csh": ("csh", "fillbook completion"),
    "audit --last x": ("--last", "fillbook audit"),
    "demo --seed x": ("--seed", "fillbook demo"),
}


def split(line, **names):
    """The words of a command line; it is about the record, unless it names another store."""
    words = [names.get(word, word) for word in line.split()]
    stored = {"alert", "emulate", "completion", "demo"}
    return words if "--store" in words or words[0] in stored else [*words, *STORE]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An emulator, a folder with the record of an order and files, and what a call may name."""
    folder = tmp_path_factory.mktemp("place")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    exchange = Exchange(seed=7, clock=ManualClock(MONDAY_10))
    with Emulator(exchange, rate_limit=1_000_000) as running, pytest.MonkeyPatch.context() as patch:
        use(running, patch)
        order = ordered(f"sqlite:///{folder}/bot.db")
        fb.open(store=f"sqlite:///{folder}/unbound.db").close()
        with fb.read(f"sqlite:///{folder}/bot.db") as book:
            account = str(book.account())
        port = running.url.rpartition(":")[2]
        patch.undo()
        yield (
            running,
            folder,
            {"ORDER_ID": order.client_order_id, "ACCOUNT": account, "PORT": port},
        )


@pytest.fixture
def names(place, monkeypatch, tmp_path):
    """What a call may name; the folder of the call has the record and the files."""
    running, folder, known = place
    use(running, monkeypatch)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return known


@pytest.mark.parametrize("line", ERRORS)
def test_a_failure_has_its_text_and_its_exit_code(line, names, capsys):
    code, text = ERRORS[line]
    for name in ("ACCOUNT", "ORDER_ID", "PORT"):
        text = text.replace(name, names[name])
    assert told(capsys, *split(line, **names)) == (code, "", f"fillbook: {text}\n")


@pytest.mark.parametrize("line", USAGE)
def test_a_wrong_call_names_what_is_wrong_and_where_its_help_is(line, names, capsys):
    part, command = USAGE[line]
    code, out, err = told(capsys, *line.split())
    assert (code, out, part in err) == (2, "", True)
    assert err.endswith(f"  (see {command} --help)\n")


@pytest.mark.parametrize("line", [*ERRORS, "orders --bad"])
def test_with_json_standard_output_has_the_error_as_its_one_document(line, names, capsys):
    command = line.split()[0]
    if command in ("alert", "emulate", "completion", "serve", "report", "export", "watch"):
        pytest.skip("it has no --json")
    code, out, err = told(capsys, *split(line, **names), "--json")
    document = json.loads(out)
    if "client_order_id" in document:  # the order that was denied, or not changed
        assert code == 1
    else:
        assert document["error"]["exit_code"] == code
        assert err == f"fillbook: {document['error']['message']}\n"
