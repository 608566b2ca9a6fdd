"""
Every token, route and strategy: what is answered, generated from the table of routes.

The table `NEEDED` is written by hand, apart from the routes: a route without a row fails.
"""

import itertools

import pytest

from fillbook.desk.access.tokens import authenticate
from fillbook.web.access import Policy
from fillbook.web.problems import Problem
from fillbook.web.routes import ENDPOINTS, STREAM, STREAM_RULE
from tests.web.client import Served, traded

#: The scopes that each route needs.
NEEDED = {
    "GET /status": {"read", "account"},
    "GET /access": {"read"},
    "GET /orders": {"read"},
    "GET /orders/{id}": {"read"},
    "GET /fills": {"read"},
    "GET /positions": {"read"},
    "GET /trades": {"read"},
    "GET /pnl": {"read"},
    "GET /buying-power": {"read", "account"},
    "GET /drift": {"read", "account"},
    "GET /plans": {"read", "account"},
    "GET /protections": {"read", "account"},
    "GET /events": {"read"},
    "GET /audit": {"read", "account"},
    "GET /instructions/{number}": {"read"},
    "DELETE /orders/{id}": {"cancel"},
    "POST /orders/{id}/sync": {"cancel"},
    "POST /plans/{id}/approve": {"plans", "account"},
    "POST /plans/{id}/reject": {"plans", "account"},
    "POST /halt": {"halt", "account"},
    "POST /resume": {"halt", "account"},
}
SCOPES = ("read", "cancel", "plans", "halt", "account")
#: Every set of scopes that a token may have.
TOKENS = [x for n in range(1, 6) for x in itertools.combinations(SCOPES, n)]


def key_of(endpoint):
    return f"{endpoint.method} {endpoint.path}"


@pytest.fixture(scope="module")
def served():
    return traded()


@pytest.fixture(scope="module")
def tokens(served):
    """A token of each set of scopes, of the strategy trend."""
    return {scopes: served.token(*scopes, strategies=["trend"]) for scopes in TOKENS}


def path_of(served, endpoint, order):
    path = endpoint.path.replace("orders/{id}", f"orders/{order}")
    return path.replace("{id}", "p1").replace("{number}", "1").removeprefix("/")


def test_every_route_has_its_row():
    assert {key_of(x) for x in ENDPOINTS} == NEEDED.keys()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=key_of)
def test_a_token_without_the_scopes_is_refused_and_one_with_them_is_not(served, tokens, endpoint):
    before = len(served.bench.desk.book.journal())
    for scopes, token in tokens.items():
        if "account" in NEEDED[key_of(endpoint)] and endpoint.method != "GET":
            continue  # what would act is asked below, once
        path = path_of(served, endpoint, "unknown")
        status = served.ask(endpoint.method, path, token).status
        if NEEDED[key_of(endpoint)] <= set(scopes):
            assert status in (200, 404), (scopes, status)
        else:
            assert status == 403, (scopes, status)
    assert len(served.bench.desk.book.journal()) == before


@pytest.mark.parametrize(
    "endpoint", [x for x in ENDPOINTS if x.method == "POST" and x.rule.account], ids=key_of
)
def test_what_acts_on_the_account_needs_its_scopes(tokens, endpoint, served):
    """The rule alone, for all tokens; and one of each kind asks."""
    policy = Policy(hosts=frozenset(), allow=frozenset(SCOPES))
    with served.bench.store.read() as reader:
        now = served.tokens._recorder.now()
        known = {x: authenticate(reader, text, now) for x, text in tokens.items()}
    for scopes, token in known.items():
        allowed = NEEDED[key_of(endpoint)] <= set(scopes)
        assert is_permitted(policy, endpoint, token) is allowed
    path = path_of(served, endpoint, "unknown")
    assert served.ask("POST", path, tokens["read", "account"]).status == 403
    assert served.ask("POST", path, tokens["plans",]).status == 403
    assert served.ask("POST", path, tokens["halt",]).status == 403


def is_permitted(policy, endpoint, token):
    try:
        policy.check_rule(endpoint.rule, token, instructs=True)
    except Problem:
        return False
    return True


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=key_of)
def test_without_a_valid_token_nothing_is_answered(served, endpoint):
    path = path_of(served, endpoint, "unknown")
    served.bench.clock.advance(60)  # so few failures of one address are no attack
    for token in (None, "", "fbk_0123456789ab_" + "a" * 43, "é"):
        answer = served.ask(endpoint.method, path, token)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json["code"] == "unauthorized"
    assert served.ask(endpoint.method, path, headers={"Authorization": "Basic eDp5"}).status == 401


@pytest.mark.parametrize("endpoint", [x for x in ENDPOINTS if "orders/{id}" in x.path], ids=key_of)
@pytest.mark.parametrize("whose", ["theirs", "nobodys"])
def test_an_order_of_another_strategy_is_byte_for_byte_a_missing_one(endpoint, whose):
    other = traded()
    token = other.token("read", "cancel", strategies=["trend"])
    hidden_id = getattr(other, whose).client_order_id
    missing_id = hidden_id[:-1] + ("0" if hidden_id[-1] != "0" else "1")
    before = len(other.bench.desk.book.journal())
    hidden = other.ask(endpoint.method, path_of(other, endpoint, hidden_id), token)
    missing = other.ask(endpoint.method, path_of(other, endpoint, missing_id), token)
    assert hidden.status == missing.status == 404
    assert hidden.body.replace(hidden_id.encode(), missing_id.encode()) == missing.body
    assert hidden.headers == missing.headers
    assert len(other.bench.desk.book.journal()) == before
    mine = other.ask(endpoint.method, path_of(other, endpoint, other.mine.client_order_id), token)
    assert mine.status in (200, 202)


@pytest.mark.parametrize("endpoint", [x for x in ENDPOINTS if x.method != "GET"], ids=key_of)
def test_a_service_that_allows_nothing_instructs_nothing(endpoint):
    served = Served(allow=())
    token = served.token(*SCOPES)
    before = len(served.bench.desk.book.journal())
    answer = served.ask(endpoint.method, path_of(served, endpoint, "unknown"), token)
    assert (answer.status, answer.json["code"]) == (403, "not_allowed")
    assert len(served.bench.desk.book.journal()) == before


def test_without_a_token_this_machine_may_read_and_nothing_else():
    served = traded(allow=(), anonymous=True)
    for endpoint in ENDPOINTS:
        answer = served.ask(endpoint.method, path_of(served, endpoint, "unknown"))
        expected = (200, 404) if endpoint.method == "GET" else (401,)
        assert answer.status in expected, endpoint
    assert len(served.get("orders").json["items"]) > 3


def test_a_token_ends_at_once_when_it_is_revoked_or_expires(served):
    other = Served()
    token, text = other.tokens.create(["read", "account"], days=1)
    assert other.get("status", text).status == 200
    other.bench.clock.advance(86_400)
    assert other.get("status", text).status == 401
    token, text = other.tokens.create(["read", "account"])
    other.tokens.revoke(token.token_id)
    assert other.get("status", text).status == 401


def test_the_stream_is_for_who_may_read_events():
    (events,) = [x for x in ENDPOINTS if x.path == "/events"]
    assert events.rule == STREAM_RULE
    served = Served()
    assert served.get(STREAM.removeprefix("/")).status == 401
    assert served.get(STREAM.removeprefix("/"), served.token("halt", "account")).status == 403


def test_another_book_is_not_there(served, tokens):
    answer = served.ask("GET", "/api/v1/accounts/other/orders", tokens["read",])
    assert answer.status == 404
