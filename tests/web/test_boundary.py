"""What keeps other sites, large bodies, slow and many callers out."""

import pytest

from fillbook import errors
from fillbook.web import access, app, application
from fillbook.web.access import Rates
from fillbook.web.problems import Problem
from tests.bench import Bench
from tests.web.client import HOST, Served, ask


@pytest.fixture(scope="module")
def served():
    return Served()


@pytest.fixture(scope="module")
def token(served):
    return served.token("read", "halt", "account")


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/accounts/main/status", "/nowhere"])
@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8000.evil", "LOCALHOST"]
)
def test_a_wrong_host_is_answered_by_nothing(served, path, host):
    answer = ask(served.app, "GET", path, {"host": host})
    assert (answer.status, answer.json["code"]) == (421, "wrong_host")


@pytest.mark.parametrize("host", [HOST, "localhost:8000", "[::1]:8000", "LocalHost:8000"])
def test_this_machine_is_a_host(served, host):
    assert ask(served.app, "GET", "/healthz", {"host": host}).status == 200


def test_a_host_may_be_named():
    served = Served(hosts=["Desk.example"], port=None)
    assert ask(served.app, "GET", "/healthz", {"host": "desk.example"}).status == 200
    assert ask(served.app, "GET", "/healthz", {"host": "desk.example:1"}).status == 421
    assert ask(served.app, "GET", "/healthz", {"host": HOST}).status == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Origin": "https://localhost:8000", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "Cross-Site", "Origin": f"http://{HOST}"}, 403),
    ],
)
def test_an_instruction_of_another_site_is_refused(served, token, headers, status):
    before = len(served.bench.desk.book.journal())
    answer = served.ask("POST", "resume", token, headers=headers)
    assert answer.status == status
    if status == 403:
        assert answer.json["code"] == "wrong_origin"
        assert len(served.bench.desk.book.journal()) == before


def test_an_origin_may_be_named():
    served = Served(origins=["https://desk.example"])
    token = served.token("halt", "account")
    headers = {"Origin": "https://desk.example"}
    assert served.ask("POST", "resume", token, headers=headers).status == 200


def test_every_answer_has_the_headers_of_security_and_none_of_cookies_or_cors(served, token):
    for path in ("/", "/static/page.js", "/openapi.json", "/nowhere", "status", "orders"):
        answer = served.get(path, token)
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not {"set-cookie", "access-control-allow-origin"} & answer.headers.keys()


@pytest.mark.parametrize(
    "body", [b"x", b"[]", b'{"why": 1}', b'{"why": ""}', b'{"other": "x"}', b"[" * 4_000]
)
def test_a_wrong_body_is_a_problem(served, token, body):
    assert served.ask("POST", "halt", token, body=body).status == 400
    assert served.bench.desk.status().halted is None


def test_a_large_body_is_refused_before_it_is_read(served, token):
    headers = {"Content-Length": str(100 * 1024 * 1024)}
    answer = served.ask("POST", "halt", token, headers=headers)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    parts = [b" " * 1_000] * 100_000  # 100 MB, without a length
    answer = served.ask("POST", "halt", token, parts=parts)
    assert answer.status == 413
    assert len(parts) == 100_000


def test_a_slow_body_is_given_up(served, token, monkeypatch):
    monkeypatch.setattr(application, "BODY_S", 0.0)
    answer = served.ask("POST", "halt", token, parts=[b" "] * 10_000)
    assert answer.status in (400, 413)


def test_a_token_is_in_no_error_and_no_header(served):
    text = "fbk_0123456789ab_" + "s" * 43
    for answer in (
        served.get("status", text),
        served.ask("GET", "orders", text, query=[("token", text)]),
        served.ask("GET", f"orders/{text}", served.token("read", "account")),
    ):
        shown = answer.body + repr(answer.headers).encode()
        assert answer.status in (401, 404)
        if answer.status == 401:
            assert b"sssss" not in shown


def test_a_path_of_another_method_names_its_methods(served):
    answer = served.ask("PUT", "orders")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert served.ask("HEAD", "/healthz").status == 405
    answer = served.ask("PUT", "orders/x")
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET")


@pytest.mark.parametrize("name", ["..%2Fapplication.py", "nothing.js", "../application.py", "a/b"])
def test_only_the_files_of_the_page_are_served(served, name):
    assert served.get(f"/static/{name}").status == 404


def test_a_caller_beyond_its_rate_waits():
    bench = Bench()
    rates = Rates(bench.clock, 10, 20)
    for _ in range(20):
        rates.take("a")
    with pytest.raises(Problem) as refused:
        rates.take("a")
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    rates.take("b")
    bench.clock.advance(1)
    for _ in range(10):
        rates.take("a")
    with pytest.raises(Problem):
        rates.take("a")


def test_failed_tokens_of_one_address_are_counted(served):
    other = Served()
    statuses = {other.get("status", "wrong").status for _ in range(access.FAILURE_BURST + 1)}
    assert statuses == {401, 429}


def test_a_service_that_instructs_needs_tokens_for_everything():
    store = Bench().store
    with pytest.raises(errors.InvalidValue, match="needs a token"):
        app(store, allow=["cancel"], anonymous=True)
    with pytest.raises(errors.InvalidValue, match="cancel, plans and halt"):
        app(store, allow=["read"])


def test_the_page_is_served_with_the_name_of_its_book():
    served = Served(allow=(), anonymous=True, book='my"book')
    text = served.get("/").body.decode()
    assert 'content="my&quot;book"' in text
    assert "{book}" not in text
    assert served.get("/static/page.html").status == 404
