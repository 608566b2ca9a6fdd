"""
The service answers nothing that its OpenAPI document does not describe.

`nox -s service` asks 10,000 times; the tests ask a few times for each operation.
"""

import os
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fillbook.web import openapi
from fillbook.web.routes import BASE, STREAM
from fillbook.web.server import Background
from tests.web.client import OfAnyPort, Served, traded

#: How often each operation is asked.
ASKED = int(os.environ.get("FILLBOOK_TEST_REQUESTS", "60")) // 20
STATUSES = Counter()
OPERATIONS = set()  #: those that were asked; a worker of the tests runs a part of them
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def described():
    """The document, without the stream, which has no end."""
    document = openapi.document("0")
    del document["paths"][f"{BASE}{STREAM}"]
    return document


@pytest.fixture(scope="module")
def served():
    return traded(port=None, hosts=["127.0.0.1"])


@pytest.fixture(scope="module")
def service(served):
    with Background(OfAnyPort(served.app)) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(served):
    return [
        served.token("read", "cancel", "plans", "halt", "account"),
        served.token("read", "cancel", strategies=["trend"]),
    ]


schema = schemathesis.openapi.from_dict(described())
#: Requests at every limit of every parameter; deriving them takes longer than the rest.
schema.config.phases.coverage.enabled = "FILLBOOK_TEST_REQUESTS" in os.environ


@schema.parametrize()
@settings(
    max_examples=max(ASKED, 1),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_answer_is_undocumented(case, served, service, tokens):
    given = case.path_parameters or {}
    if given.get("book"):
        case.path_parameters = {**given, "book": "main"}
    if given.get("id") and len(given["id"]) % 2:  # half of the requests are about a known order
        case.path_parameters["id"] = served.mine.client_order_id
    token = tokens[len(str(given.get("id", ""))) % 3 % 2]
    answer = case.call(
        base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
    )
    served.bench.clock.advance(0.01)  # the rate is of a caller in real time
    STATUSES[answer.status_code] += 1
    OPERATIONS.add(case.operation.label)
    if STATUSES.total() % 50 == 0:
        served.bench.desk.tick()
    case.validate_response(answer, checks=CHECKS)


def test_the_requests_were_answered_and_refused():
    """Enough of each that the run means something; the rate refused none."""
    if STATUSES:
        share = 5 if len(OPERATIONS) == len(list(schema.get_all_operations())) else 10
        assert STATUSES[200] + STATUSES[202] > STATUSES.total() / share, STATUSES
        assert STATUSES[400] > 0
        assert STATUSES[429] == 0


def test_the_harness_finds_an_undocumented_answer(service, tokens):
    """A document that lacks a status or a field is found out."""
    lacking = described()
    operation = lacking["paths"][f"{BASE}/orders"]["get"]
    del operation["responses"]["200"]
    broken = schemathesis.openapi.from_dict(lacking)
    case = broken[f"{BASE}/orders"]["GET"].Case(path_parameters={"book": "main"})
    answer = case.call(
        base_url=service.url, headers={"Authorization": f"Bearer {tokens[0]}"}, timeout=20
    )
    assert answer.status_code == 200
    with pytest.raises(FailureGroup, match="distinct failure"):
        case.validate_response(answer, checks=CHECKS)


def test_the_served_document_is_the_described_one(service):
    served = Served()
    assert served.get("/openapi.json").json["paths"].keys() == openapi.document("0")["paths"].keys()
