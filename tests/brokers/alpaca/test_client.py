"""One method sends one request; every failure of a reply has its own result."""

import socket
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker, credentials
from fillbook.errors import BadAddress, ExtraMissing
from tests.brokers.canned import Answer, Canned

from .recorded import a_fill_event, an_order, recorded

F = m.Failure
KEY, SECRET = "key-of-the-test", "s3cr3t-of-the-test"
SINCE = m.timestamp("2026-03-02T15:00:00Z")
ORDER_ID = an_order()["id"]
METER = {
    "X-RateLimit-Limit": "200",
    "X-RateLimit-Remaining": "7",
    "X-RateLimit-Reset": "1790000000",
}
INTENT = m.Intent(
    client_order_id="mine-1",
    request=m.OrderRequest(
        symbol="KO", side="buy", qty="0.1", limit_price="60.10", time_in_force="day"
    ),
    at=SINCE,
)
CHANGE = m.Change(client_order_id="mine-2", limit_price=Decimal(61))


def broker_at(canned: Canned) -> AlpacaBroker:
    return AlpacaBroker(KEY, SECRET, url=canned.url, connect_timeout_s=1, read_timeout_s=0.3)


def ok(body: object) -> Answer:
    return Answer(body=body, headers=METER)


READS = {
    "account": lambda b: b.account(),
    "positions": lambda b: b.positions(None),
    "orders": lambda b: b.orders(m.OrderQuery(), None),
    "order": lambda b: b.order(ORDER_ID),
    "find": lambda b: b.find("mine-1"),
    "executions": lambda b: b.executions(SINCE, None),
    "executions_of": lambda b: b.executions_of(ORDER_ID, SINCE, None),
    "activities": lambda b: b.activities(SINCE, None),
    "instruments": lambda b: b.instruments(m.AssetClass.EQUITY, None),
    "sessions": lambda b: b.sessions(SINCE_DAY, SINCE_DAY),
    "quotes": lambda b: b.quotes(["KO"]),
}
SINCE_DAY = datetime(2026, 3, 2, tzinfo=UTC).date()
WRITES = {
    "submit": lambda b: b.submit(INTENT),
    "replace": lambda b: b.replace(ORDER_ID, CHANGE),
    "cancel": lambda b: b.cancel(ORDER_ID),
}


# No retry, no redirect, and a missing reply is not a reply


SILENCES = {
    "closed after the request": Answer(hang_up=True),
    "no answer in time": Answer(mute=True),
    "cut in its middle": Answer(body="{", cut=True),
}


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("name", WRITES)
def test_a_write_without_a_reply_is_ambiguous_and_sent_once(name: str, silence: str) -> None:
    with Canned(SILENCES[silence]) as canned:
        outcome = WRITES[name](broker_at(canned))
    assert isinstance(outcome, m.Ambiguous)
    assert (outcome.why, len(canned.asked)) == (F.NO_ANSWER, 1)


@pytest.mark.parametrize("silence", SILENCES)
def test_a_read_without_a_reply_is_not_observed(silence: str) -> None:
    with Canned(SILENCES[silence]) as canned:
        answer = broker_at(canned).positions(None)
    assert isinstance(answer, m.NotObserved)
    assert F.NO_ANSWER is answer.why


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 429, 500, 502, 504])
@pytest.mark.parametrize("name", WRITES)
def test_a_page_of_a_gateway_makes_a_write_ambiguous(name: str, status: int) -> None:
    elsewhere = {"Location": "/elsewhere"}
    with Canned(Answer(status, "<html>sorry</html>", elsewhere)) as canned:
        outcome = WRITES[name](broker_at(canned))
    assert isinstance(outcome, m.Ambiguous)
    assert len(canned.asked) == 1


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("status", [200, 307, 401, 404, 429, 500])
def test_a_read_that_returns_a_gateway_page_is_not_observed(name: str, status: int) -> None:
    with Canned(Answer(status, "<html>sorry</html>")) as canned:
        answer = READS[name](broker_at(canned))
    assert isinstance(answer, m.NotObserved)
    assert len(canned.asked) == 1


@pytest.mark.parametrize("body", ["", "{}", "null", "<html>", "[]", '{"id": 5', '{"id": "x"}'])
@pytest.mark.parametrize("name", ["submit", "replace"])
def test_an_unreadable_success_of_a_write_is_ambiguous(name: str, body: str) -> None:
    with Canned(Answer(200, body)) as canned:
        outcome = WRITES[name](broker_at(canned))
    assert isinstance(outcome, m.Ambiguous)
    assert F.UNREADABLE is outcome.why


def test_a_reply_about_another_order_is_discarded() -> None:
    with Canned(ok(an_order()), ok(an_order()), ok(an_order())) as canned:
        broker = broker_at(canned)
        assert isinstance(broker.submit(INTENT), m.Ambiguous)
        assert isinstance(broker.find("mine-1"), m.NotObserved)
        assert isinstance(broker.order("another"), m.NotObserved)


def test_without_a_connection_provably_nothing_was_sent() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # bound, and not listening
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        broker = AlpacaBroker(KEY, SECRET, url=url)
        for write in WRITES.values():
            outcome = write(broker)
            assert isinstance(outcome, m.NotSent)
            assert F.UNREACHABLE is outcome.why
        read = broker.account()
        assert isinstance(read, m.NotObserved)
        assert F.UNREACHABLE is read.why


# Writes


def test_an_order_is_sent_with_exact_numbers_and_decoded_as_a_report() -> None:
    with Canned(ok(an_order(client_order_id="mine-1"))) as canned:
        outcome = broker_at(canned).submit(INTENT)
    assert isinstance(outcome, m.Accepted)
    assert outcome.report is not None
    assert outcome.report.broker_order_id == ORDER_ID
    assert outcome.rate_limit == m.RateLimit(200, 7, datetime.fromtimestamp(1790000000, UTC))
    (asked,) = canned.asked
    assert (
        asked.method,
        asked.path,
        asked.body["qty"],
        asked.body["limit_price"],
        asked.body["client_order_id"],
    ) == ("POST", "/v2/orders", "0.1", "60.1", "mine-1")
    assert (
        asked.headers["apca-api-key-id"],
        asked.headers["apca-api-secret-key"],
    ) == (KEY, SECRET)


def test_a_duplicate_is_rejected_as_one() -> None:
    error = recorded("errors")["422_duplicate_client_order_id_alt"]
    with Canned(Answer(error["http_status"], error["body"])) as canned:
        outcome = broker_at(canned).submit(INTENT)
    assert isinstance(outcome, m.Rejected)
    assert outcome.kind is m.RejectKind.DUPLICATE


def test_a_replace_returns_the_new_order() -> None:
    new = an_order(id="new", replaces=ORDER_ID, client_order_id="mine-2")
    with Canned(ok(new)) as canned:
        outcome = broker_at(canned).replace(ORDER_ID, CHANGE)
    assert isinstance(outcome, m.Accepted)
    assert outcome.report is not None
    assert outcome.report.replaces == ORDER_ID
    assert ("PATCH", f"/v2/orders/{ORDER_ID}") == (canned.asked[0].method, canned.asked[0].path)


def test_a_cancel_is_accepted_without_a_body() -> None:
    with Canned(Answer(204)) as canned:
        assert broker_at(canned).cancel(ORDER_ID) == m.Accepted(None, None)
    assert ("DELETE", f"/v2/orders/{ORDER_ID}") == (canned.asked[0].method, canned.asked[0].path)


@pytest.mark.parametrize("order_id", ["", "..", "a/b", "a?b", "x:y", "-"])
def test_what_is_no_order_id_never_becomes_a_path(order_id: str) -> None:
    with Canned() as canned:
        broker = broker_at(canned)
        assert isinstance(broker.cancel(order_id), m.Rejected)
        assert isinstance(broker.replace(order_id, CHANGE), m.Rejected)
        assert isinstance(broker.order(order_id), m.NotObserved)
    assert canned.asked == []


# Reads


def test_all_orders_are_paged_by_id_and_a_full_page_has_a_next() -> None:
    full = [an_order(id=f"o{n}") for n in range(500)]
    with Canned(ok(full), ok([an_order()])) as canned:
        broker = broker_at(canned)
        query = m.OrderQuery(m.OrderScope.ALL, datetime(2026, 3, 2, 15, tzinfo=UTC))
        first = broker.orders(query, None)
        assert isinstance(first, m.Observed)
        second = broker.orders(query, first.next)
    assert isinstance(second, m.Observed)
    assert (len(first.value), first.next, len(second.value), second.next) == (500, "o499", 1, None)
    common = {"status": "all", "limit": "500", "direction": "asc", "nested": "true"}
    assert [
        common | {"after": "2026-03-02T14:59:59.999999Z"},
        common | {"after_order_id": "o499"},
    ] == [each.query for each in canned.asked]


def test_a_page_that_legs_filled_has_a_next() -> None:
    rows = [an_order(id=f"o{n}", legs=[an_order(), an_order()]) for n in range(167)]
    with Canned(ok(rows)) as canned:
        found = broker_at(canned).orders(m.OrderQuery(), None)
    assert isinstance(found, m.Observed)
    assert (found.next, canned.asked[0].query["status"]) == ("o166", "open")


def test_one_unreadable_row_makes_the_page_not_observed() -> None:
    with Canned(ok([an_order(), an_order(id=None)])) as canned:
        found = broker_at(canned).orders(m.OrderQuery(), None)
    assert isinstance(found, m.NotObserved)
    assert F.UNREADABLE is found.why


@pytest.mark.parametrize("name", ["order", "find"])
def test_an_order_that_alpaca_denies_is_absent(name: str) -> None:
    error = recorded("errors")["404_order_not_found"]
    with Canned(Answer(404, error["body"])) as canned:
        assert isinstance(READS[name](broker_at(canned)), m.Absent)


def test_an_id_of_ours_is_found_whatever_it_contains() -> None:
    strange = "a b/ü?&=+%"
    with Canned(ok(an_order(client_order_id=strange))) as canned:
        assert isinstance(broker_at(canned).find(strange), m.Observed)
    assert ("/v2/orders:by_client_order_id", {"client_order_id": strange}) == (
        canned.asked[0].path,
        canned.asked[0].query,
    )


def test_fills_are_paged_by_the_id_of_the_last_row() -> None:
    fill = recorded("activities")["fill"] | {"transaction_time": "2026-03-02T15:00:01Z"}
    full = [fill | {"id": f"f{n}"} for n in range(100)]
    with Canned(ok(full), ok([fill])) as canned:
        broker = broker_at(canned)
        first = broker.executions(SINCE, None)
        assert isinstance(first, m.Observed)
        second = broker.executions(SINCE, first.next)
    assert isinstance(second, m.Observed)
    assert (len(first.value), first.next, second.next) == (100, "f99", None)
    assert canned.asked[1].path == "/v2/account/activities/FILL"
    assert canned.asked[1].query == {
        "after": "2026-03-02T14:59:59.999999Z",
        "direction": "asc",
        "page_size": "100",
        "page_token": "f99",
    }


def test_fills_before_the_requested_time_are_left_out() -> None:
    fill = recorded("activities")["fill"] | {"transaction_time": "2026-03-02T14:59:59.9999999Z"}
    with Canned(ok([fill])) as canned:
        found = broker_at(canned).executions(SINCE, None)
    assert isinstance(found, m.Observed)
    assert found.value == ()


def test_fills_of_one_order_are_filtered_here_too() -> None:
    mine, other = recorded("activities")["fill"], recorded("activities")["fill_2019"]
    with Canned(ok([mine, other])) as canned:
        found = broker_at(canned).executions_of(mine["order_id"], SINCE, None)
    assert isinstance(found, m.Observed)
    assert [mine["id"]] == [each.exec_id for each in found.value]
    assert mine["order_id"] == canned.asked[0].query["order_id"]


def test_rows_with_a_date_only_are_requested_from_the_day_before() -> None:
    rows = [recorded("activities")["div"], recorded("activities")["optrd"]]
    with Canned(ok(rows)) as canned:
        found = broker_at(canned).activities(SINCE, None)
    assert isinstance(found, m.Observed)
    assert len(found.value) == 2
    assert (
        canned.asked[0].query["after"],
        canned.asked[0].query["category"],
    ) == ("2026-03-01T15:00:00.000000Z", "non_trade_activity")


def test_quotes_of_shares_and_crypto_have_their_own_endpoints() -> None:
    quote = {"ap": 2.5, "bp": 2.4, "t": "2026-03-02T15:00:00Z"}
    answers = ok({"quotes": {"KO": quote}}), ok({"quotes": {"DOGE/USD": quote}})
    with Canned(*answers) as canned:
        found = broker_at(canned).quotes(["DOGE/USD", "KO", "KO260619C00070000"])
    assert isinstance(found, m.Observed)
    assert [each.symbol for each in found.value] == ["KO", "DOGE/USD"]
    assert [(each.path, each.query) for each in canned.asked] == [
        ("/v2/stocks/quotes/latest", {"symbols": "KO"}),
        ("/v1beta3/crypto/us/latest/quotes", {"symbols": "DOGE/USD"}),
    ]


def test_the_calendar_is_requested_with_both_days() -> None:
    with Canned(ok([recorded("calendar")["day"]])) as canned:
        found = broker_at(canned).sessions(SINCE_DAY, SINCE_DAY)
    assert isinstance(found, m.Observed)
    assert canned.asked[0].query == {"start": "2026-03-02", "end": "2026-03-02"}


# Names of coins


COIN = recorded("positions")["crypto"]
COINS = [recorded("assets")["crypto"]]


def test_the_list_of_coins_is_read_once_when_one_without_a_slash_is_met() -> None:
    with Canned(ok([COIN]), ok(COINS), ok([COIN])) as canned:
        broker = broker_at(canned)
        for _ in range(2):
            found = broker.positions(None)
            assert isinstance(found, m.Observed)
            assert [each.symbol for each in found.value] == ["DOGE/USD"]
    assert [each.path for each in canned.asked] == ["/v2/positions", "/v2/assets", "/v2/positions"]


def test_a_pair_that_no_list_has_is_not_requested_again() -> None:
    with Canned(ok([COIN]), ok([]), ok([COIN])) as canned:
        broker = broker_at(canned)
        for _ in range(2):
            found = broker.positions(None)
            assert isinstance(found, m.Observed)
            assert [each.symbol for each in found.value] == ["DOGEUSD"]
    assert len(canned.asked) == 3


def test_without_the_list_a_page_with_an_unnamed_coin_is_not_observed() -> None:
    with Canned(ok([COIN]), Answer(500)) as canned:
        found = broker_at(canned).positions(None)
    assert isinstance(found, m.NotObserved)
    assert F.SERVER_ERROR is found.why


def test_an_event_of_the_bots_own_stream_is_read() -> None:
    with Canned() as canned:
        broker = broker_at(canned)
        (report,) = broker.read_event(a_fill_event(order=an_order(filled_qty="2")))
        assert broker.read_event(recorded("frames")["trade_updates_data_null"]) == ()
    assert (report.broker_order_id, len(report.executions)) == (ORDER_ID, 1)
    assert canned.asked == []


# Hosts, keys and messages


def test_brokers_are_opened_from_addresses_with_keys_of_the_environment() -> None:
    env = {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET}
    shown = {rest: AlpacaBroker.from_address(rest, env) for rest in ("paper", "live")}
    assert [(each.host, each.live) for each in shown.values()] == [
        (credentials.PAPER, False),
        (credentials.LIVE, True),
    ]
    assert AlpacaBroker.from_address("http://127.0.0.1:9", env).host == "127.0.0.1:9"
    with pytest.raises(BadAddress, match="alpaca:papper"):
        AlpacaBroker.from_address("papper", env)


@pytest.mark.parametrize(("paper", "live"), [(True, False), (False, True)])
def test_the_keys_of_a_bots_own_client_are_used_and_it_is_not_changed(
    paper: bool, live: bool
) -> None:
    client_module = pytest.importorskip("alpaca.trading.client")
    client = client_module.TradingClient(KEY, SECRET, paper=paper)
    retries, session = client._retry, client._session
    broker = AlpacaBroker.from_client(client)
    assert (broker.live, client._retry, client._session) == (live, retries, session)
    assert broker._transport._client._session is not session


def test_a_bots_own_client_at_an_emulator_is_followed_there() -> None:
    client_module = pytest.importorskip("alpaca.trading.client")
    with Canned(ok(recorded("accounts")["paper_2x"])) as canned:
        client = client_module.TradingClient(KEY, SECRET, url_override=canned.url)
        found = AlpacaBroker.from_client(client).account()
    assert isinstance(found, m.Observed)
    assert canned.asked[0].headers["apca-api-secret-key"] == SECRET


def test_a_token_opens_an_account_and_no_stream() -> None:
    with Canned(ok(recorded("accounts")["paper_2x"])) as canned:
        broker = AlpacaBroker(oauth_token="t0ken", url=canned.url)
        assert isinstance(broker.account(), m.Observed)
    assert canned.asked[0].headers["authorization"] == "Bearer t0ken"
    assert broker.listen(None) is None


def test_no_secret_is_shown() -> None:
    with Canned(Answer(500, "no"), Answer(hang_up=True), Answer(401, "no")) as canned:
        broker = broker_at(canned)
        shown = [repr(broker), *(str(broker.submit(INTENT)) for _ in range(3))]
        shown.append(str(vars(broker)))
    assert not [text for text in shown if SECRET in text or KEY in text]
    assert f"<AlpacaBroker {broker.host}>" == shown[0]


def test_importing_the_adapter_imports_no_sdk() -> None:
    code = (
        "import sys, fillbook.brokers.alpaca;"
        "sys.exit(any(name in sys.modules for name in ('alpaca', 'requests', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alpaca.trading.client", None)
    with pytest.raises(ExtraMissing, match=r'pip install "fillbook\[alpaca\]"'):
        AlpacaBroker(KEY, SECRET)
