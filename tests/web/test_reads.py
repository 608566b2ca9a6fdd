"""What the service shows: exact values, in pages, as JSON or CSV."""

import csv
import io
import json
from decimal import Decimal

import jsonschema_rs
import pytest

from fillbook import codec
from fillbook import model as m
from fillbook.web import app, openapi
from fillbook.web.routes import BASE, ENDPOINTS
from fillbook.web.schema import Schemas
from tests.scenarios.brokers.test_spot import Bot
from tests.web.client import BASE as OF_BOOK
from tests.web.client import ask, traded

DOCUMENT = openapi.document("0")


@pytest.fixture(scope="module")
def served():
    return traded()


@pytest.fixture(scope="module")
def token(served):
    return served.token("read", "account")


def schema_of(endpoint, status="200"):
    operation = DOCUMENT["paths"][f"{BASE}{endpoint.path}"][endpoint.method.lower()]
    content = operation["responses"][status]["content"]
    return {
        **next(iter(content.values()))["schema"],
        "components": DOCUMENT["components"],
    }


READS = [x for x in ENDPOINTS if x.method == "GET" and "{" not in x.path]


@pytest.mark.parametrize("endpoint", READS, ids=lambda x: x.path)
def test_every_read_answers_what_its_schema_describes(served, token, endpoint):
    answer = served.get(endpoint.path.removeprefix("/"), token)
    assert answer.status == 200, answer.body
    jsonschema_rs.validator_for(schema_of(endpoint)).validate(answer.json)
    if endpoint.is_list and endpoint.path not in ("/drift", "/plans"):
        assert answer.json["items"]


def test_one_order_in_detail(served, token):
    name = served.mine.client_order_id
    answer = served.get(f"orders/{name}", token)
    (endpoint,) = [x for x in ENDPOINTS if x.path == "/orders/{id}" and x.method == "GET"]
    jsonschema_rs.validator_for(schema_of(endpoint)).validate(answer.json)
    assert answer.json["order"]["client_order_id"] == name
    assert answer.json["requests"][0]["command"] == "send"
    broker_id = answer.json["order"]["broker_order_id"]
    assert served.get(f"orders/{broker_id}", token).body == answer.body


def test_numbers_are_exact_strings(served, token):
    order = served.get(f"orders/{served.mine.client_order_id}", token).json["order"]
    assert order["terms"]["limit_price"] == "150"
    assert Decimal(order["filled_qty"]) == 0


def test_pages_follow_each_other_newest_first(served, token):
    whole = served.get("orders", token, limit=1000).json["items"]
    assert [x["client_order_id"] for x in whole] == [
        x.client_order_id for x in served.bench.desk.book.orders(newest=True)
    ]
    rows, after = [], {}
    while after is not None:
        answer = served.get("orders", token, limit=2, **after).json
        rows += answer["items"]
        after = {"after": answer["next"]} if answer["next"] else None
    assert rows == whole
    assert served.get("orders", token, limit=2, newest="false").json["items"] == whole[::-1][:2]


def test_filters_of_lists(served, token):
    shown = served.get("orders", token, open="true", symbol="MSFT", strategy="trend").json["items"]
    assert [x["client_order_id"] for x in shown] == [served.mine.client_order_id]
    assert {x["symbol"] for x in served.get("fills", token, symbol="SPY").json["items"]} == {"SPY"}
    trades = served.get("trades", token, strategy="trend").json["items"]
    assert {x["strategy"] for x in trades} == {"trend"}
    assert served.get("trades", token, strategy="value").json["items"] == []


def test_a_team_sees_its_own_part_of_a_position(served):
    team = served.token("read", strategies=["value"])
    (row,) = served.get("positions", team).json["items"]
    assert (row["symbol"], row["strategy"], row["qty"]) == ("AAPL", "value", "5")
    whole = served.get("positions", served.token("read", "account")).json["items"]
    assert {(x.get("strategy"), x["qty"]) for x in whole if x["symbol"] == "AAPL"} == {
        (None, "15"),
        ("trend", "10"),
        ("value", "5"),
    }


def test_a_part_that_is_flat_with_a_realized_pnl_is_a_row():
    """As in `fillbook positions`: the parts sum to the position."""
    served = traded()
    served.bench.exchange.quote("AAPL", "190.00", "190.02")
    served.bench.desk.sell("AAPL", qty=10, strategy="trend")
    served.bench.pass_(30)
    rows = served.get("positions", served.token("read", "account")).json["items"]
    shown = [(x.get("strategy"), x["qty"], x["realized"]) for x in rows]
    assert shown == [(None, "5", "29.80"), ("trend", "0", "29.80"), ("value", "5", "0")]


def test_a_position_names_the_symbols_whose_protections_are_of_it():
    """A pair is protected as BTC/EUR and held as BTC."""
    bot = Bot()
    bot.desk.buy("BTC-EUR", qty="0.01", limit_price=56_000, strategy="s")
    bot.desk.protect("BTC-EUR", strategy="s", stop_price=40_000)
    application = app(bot.desk.book._store, anonymous=True, clock=bot.clock)
    rows, protections = (
        ask(application, "GET", f"{OF_BOOK}/{path}").json["items"]
        for path in ("positions", "protections")
    )
    (own,) = [x for x in rows if x.get("strategy") == "s"]
    assert (own["symbol"], protections[0]["symbol"]) == ("BTC", "BTC-EUR")
    assert "BTC-EUR" in own["protected_as"]


def test_a_team_sees_only_its_own_rows_everywhere(served):
    team = served.token("read", strategies=["value"])
    for path in ("orders", "fills", "trades"):
        rows = served.get(path, team).json["items"]
        assert {x.get("strategy") for x in rows} <= {"value"}
    pnl = served.get("pnl", team).json
    assert ([x["key"] for x in pnl["rows"]], pnl["totals"]) == (["value"], [])
    assert served.get("pnl", team, by="symbol").status == 403
    events = served.get("events", team).json["items"]
    assert events
    for event in events:
        about = event.get("order") or event.get("fill") or event.get("protection")
        assert about["strategy"] == "value"
    assert served.get("orders", team, strategy="trend").json == {"items": [], "next": None}
    after = served.get("orders", team, after=served.mine.client_order_id)
    assert after.body == served.get("orders", team, after="nowhere").body


def test_csv_by_accept(served, token):
    answer = served.ask("GET", "orders", token, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert rows[0]["client_order_id"].startswith("fb-")
    assert json.loads(rows[0]["terms"])["symbol"] in ("AAPL", "MSFT", "SPY")


def test_a_cell_of_csv_is_no_formula():
    from fillbook.web.call import as_csv

    rows = [m.Alert(m.AlertKind.HALT, "=1+1", '-"x'), m.Alert(m.AlertKind.HALT, "-5", "a,b")]
    read = list(csv.reader(io.StringIO(as_csv(rows))))
    assert read == [
        ["kind", "about", "message", "resolved"],
        ["halt", "'=1+1", "'-\"x", "false"],
        ["halt", "-5", "a,b", "false"],
    ]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("orders", {"limit": 0}),
        ("orders", {"limit": 1001}),
        ("orders", {"limit": "ten"}),
        ("orders", {"limit": "١"}),
        ("orders", {"open": "yes"}),
        ("orders", {"after": "nowhere"}),
        ("orders", {"unknown": 1}),
        ("orders", {"symbol": ""}),
        ("orders", {"symbol": "x" * 201}),
        ("pnl", {"since": "yesterday"}),
        ("pnl", {"since": "20260105"}),
        ("pnl", {"by": "hour"}),
        ("plans", {"state": "lost"}),
        ("audit", {"after": "x"}),
    ],
)
def test_a_wrong_parameter_is_a_problem(served, token, path, query):
    answer = served.get(path, token, **query)
    assert (answer.status, answer.json["code"]) == (400, "invalid_value")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json.keys() == {"type", "title", "status", "detail", "code"}


def test_a_parameter_that_is_repeated_is_a_problem(served, token):
    answer = served.ask("GET", "orders", token, query=[("limit", 1), ("limit", 2)])
    assert answer.status == 400


def test_buying_power_before_a_desk_has_ticked_is_not_observed():
    from tests.bench import Bench
    from tests.web.client import Served

    served = Served(bench=Bench(opened=False))
    answer = served.get("buying-power", served.token("read", "account"))
    assert (answer.status, answer.json["code"]) == (503, "not_observed")


def test_a_store_that_cannot_be_read_is_the_documented_503(served):
    other = traded()
    token = other.token("read", "account")
    other.bench.store.close()
    answer = other.get("orders", token)
    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert other.get("/readyz").body == b"unready"
    assert other.get("/healthz").body == b"ok"


def test_every_value_of_the_golden_record_validates(golden):
    """Every kind of value that the service answers with, written by the present rules."""
    for kind, values in golden.items():
        schemas = Schemas("#/$defs/")
        schema = {**schemas.of(kind), "$defs": schemas.definitions}
        check = jsonschema_rs.validator_for(schema)
        for value in values:
            check.validate(json.loads(codec.to_json(value)))
        assert values or kind in (m.Plan, m.Protection)


@pytest.fixture
def golden(tmp_path):
    import shutil

    import fillbook as fb
    from tests.stores.test_golden import GOLDEN

    path = shutil.copy(GOLDEN / "0.1.db", tmp_path / "0.1.db")
    with fb.read(f"sqlite:///{path}") as book:
        return {
            m.Order: book.orders(),
            m.Movement: book.fills(),
            m.Trade: book.trades(),
            m.Position: book.positions(),
            m.Event: book.events(),
            m.Recorded: book.journal(),
            m.OpenDrift: book.drifts(),
            m.PnlReport: [book.pnl(by=by, cost="fifo") for by in ("symbol", "strategy", "day")],
            m.Plan: book.plans(),
            m.Protection: book.protections(),
        }


def test_the_document_lists_every_route_once():
    assert len({x.name for x in ENDPOINTS}) == len(ENDPOINTS)
    assert DOCUMENT["openapi"] == "3.1.0"
    described = sum(len(x) for x in DOCUMENT["paths"].values())
    assert described == len(ENDPOINTS) + 1  # and the stream
