"""Instructions over HTTP: written at once, carried out by the desk that ticks, told right."""

import pytest

from fillbook import model as m
from tests.bench import Bench
from tests.web.client import Served


class Ticking(Bench):
    """A bench whose desk ticks whenever somebody waits for the clock."""

    def __init__(self, **kw):
        super().__init__(**kw)
        wait = self.clock.wait

        def ticking(event, timeout_s):
            done = wait(event, timeout_s)
            if not self.inside:
                self.inside = True
                self.desk.tick()
                self.inside = False
            return done

        self.inside = False
        self.clock.wait = ticking


@pytest.fixture
def served():
    return Served(bench=Ticking())


@pytest.fixture
def token(served):
    return served.token("read", "cancel", "plans", "halt", "account")


def test_a_cancel_is_answered_with_the_order_as_it_is(served, token):
    order = served.bench.resting()
    answer = served.ask("DELETE", f"orders/{order.client_order_id}", token)
    assert (answer.status, answer.json["pending"]) == (202, "cancel")
    served.bench.pass_(30)
    answer = served.ask("DELETE", f"orders/{order.client_order_id}", token)
    assert (answer.status, answer.json["status"]) == (200, "canceled")
    assert served.bench.sent["cancel"] == 1


def test_a_cancel_may_wait_for_its_end(served, token):
    order = served.bench.resting()
    answer = served.ask(
        "DELETE", f"orders/{order.client_order_id}", token, headers={"Prefer": "wait=30"}
    )
    assert (answer.status, answer.json["status"]) == (200, "canceled")


@pytest.mark.parametrize("prefer", ["wait=-1", "wait=999", "respond-async", "wait=x"])
def test_another_preference_is_ignored(served, token, prefer):
    order = served.bench.resting()
    headers = {"Prefer": prefer}
    answer = served.ask("DELETE", f"orders/{order.client_order_id}", token, headers=headers)
    assert answer.status == 202


def test_an_order_is_reconciled_and_its_instruction_can_be_followed(served, token):
    order = served.bench.resting()
    served.bench.filled(order)
    answer = served.ask("POST", f"orders/{order.client_order_id}/sync", token)
    assert answer.status == 202
    followed = answer.headers["location"]
    assert "closed" not in served.ask("GET", followed, token).json
    served.bench.pass_(5)
    assert served.ask("GET", followed, token).json["done"]
    team = served.token("read", strategies=["s"])
    assert served.ask("GET", followed, team).status == 404
    assert served.bench.desk.book.order(order).status is m.OrderStatus.FILLED


def test_a_halt_and_a_resume_are_done_on_return(served, token):
    answer = served.ask("POST", "halt", token, body=b'{"why": "enough"}')
    assert (answer.status, answer.json["done"]) == (200, True)
    assert served.get("status", token).json["halted"] == "enough"
    assert served.ask("POST", "resume", token).json["done"]
    assert "halted" not in served.get("status", token).json
    words = [x["what"] for x in served.get("audit", token).json["items"]]
    assert {"instruction: halt", "instruction: resume", "token created"} <= set(words)
    digests = [
        x["entry"]["token"]["digest"]
        for x in served.get("audit", token).json["items"]
        if x["what"] == "token created"
    ]
    assert set(digests) == {""}


def test_a_plan_that_is_not_there_or_decided_is_a_problem(served, token):
    from tests.desk.access.test_instructing import planned

    plan = planned(served.bench, "AAPL")
    assert served.ask("POST", "plans/nowhere/approve", token).status == 404
    why = b'{"why": "not today"}'
    assert served.ask("POST", f"plans/{plan}/reject", token, body=why).status == 202
    served.bench.pass_(5)
    assert served.bench.desk.plan(plan).why == "not today"
    answer = served.ask("POST", f"plans/{plan}/approve", token)
    assert (answer.status, answer.json["code"]) == (409, "plan_ended")


def test_a_plan_is_approved_and_begun(served, token):
    from tests.desk.access.test_instructing import planned

    plan = planned(served.bench, "MSFT")
    (shown,) = served.get("plans", token, state="proposed").json["items"]
    assert shown["plan_id"] == plan
    answer = served.ask("POST", f"plans/{plan}/approve", token, headers={"Prefer": "wait=20"})
    assert (answer.status, answer.json["done"]) == (200, True)
