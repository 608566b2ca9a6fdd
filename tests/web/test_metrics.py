"""Metrics: each is what the record says, no label has a symbol or an id, and the files parse."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import prometheus_client.parser
import pytest
import yaml

from fillbook import model as m
from fillbook.cli.commands import make_app
from fillbook.core.rate_limit import Lane
from fillbook.model.journal.status import Health
from fillbook.web import metrics
from fillbook.web.metrics import GAUGES, MEASURED
from tests.bench import Bench, unable
from tests.web.client import Served

MONITORING = Path(__file__).parents[2] / "docs" / "howto" / "monitoring"
#: The values that each label may have.
LABELS = {
    "outcome": set(m.OrderStatus),
    "state": set(Health) | set(m.PlanState),
    "kind": set(m.AlertKind) | set(m.PlanKind),
    "lane": set(Lane),
}


@pytest.fixture
def served():
    return Served(allow=(), anonymous=True)


def samples(served):
    answer = served.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == metrics.MEDIA_TYPE
    families = prometheus_client.parser.text_string_to_metric_families(answer.body.decode())
    return {
        (x.name, *sorted(x.labels.items())): x.value for family in families for x in family.samples
    }


def test_a_new_record_has_the_metrics_of_its_state(served):
    found = samples(served)
    assert found["fillbook_health", ("state", "reconciled")] == 1
    assert found["fillbook_health", ("state", "drift")] == 0
    assert found["fillbook_halted",] == found["fillbook_open_orders",] == 0
    assert found["fillbook_requests_limit",] == 200


def test_orders_fills_alerts_and_durations_are_counted_since_the_start(served):
    bench = served.bench
    samples(served)
    bench.desk.buy("AAPL", qty=1)
    order = bench.resting()
    bench.clock.advance(40)
    bench.desk.cancel(order)
    bench.desk.halt("enough")
    bench.pass_(30)
    found = samples(served)
    assert found["fillbook_orders_total", ("outcome", "filled")] == 1
    assert found["fillbook_orders_total", ("outcome", "canceled")] == 1
    assert found["fillbook_alerts_total", ("kind", "halt")] == 1
    assert found["fillbook_order_seconds_count",] == 2
    assert found["fillbook_order_seconds_bucket", ("le", "30.0")] == 1
    assert found["fillbook_order_seconds_bucket", ("le", "60.0")] == 2
    assert found["fillbook_fill_known_seconds_count",] == 1
    assert found["fillbook_halted",] == 1
    assert found["fillbook_lease_current",] == found["fillbook_lease_epoch",] == 1
    again = samples(served)
    assert again["fillbook_order_seconds_count",] == 2


def test_what_the_desk_measured_is_shown(served):
    served.bench.pass_(120)
    found = samples(served)
    lanes = {k: v for k, v in found.items() if k[0] == "fillbook_requests_total"}
    assert sum(lanes.values()) > 5
    for name in MEASURED:
        assert found[f"fillbook_{name}_seconds_count",] > 0
    assert found["fillbook_stream_gaps_total",] == 0


def test_a_drift_and_a_position_without_its_exit():
    served = Served(allow=(), anonymous=True, bench=Bench(broker=unable(activities=False)))
    bench = served.bench
    bench.silently("MSFT", 5, "412")
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.desk.protect("AAPL", strategy="s", stop_loss="3%")
    bench.desk.cancel(bench.desk.book.orders(open=True)[0])
    bench.pass_(240, every=30)
    found = samples(served)
    assert found["fillbook_drifts",] == 1
    assert found["fillbook_drift_notional",] == pytest.approx(2_060, abs=20)
    assert found["fillbook_naked_seconds",] > 60


def test_what_a_rebalance_did_not_trade(served):
    bench = served.bench
    bench.desk.buy("AAPL", qty=20)
    samples(served)
    plan = bench.desk.rebalance({"AAPL": "0.02", "SPY": "0.01"})
    bench.pass_(240)
    assert bench.desk.plan(plan.plan_id).state is m.PlanState.DONE
    found = samples(served)
    saved = plan.impact.full_cost.notional - plan.impact.cost.notional
    assert found["fillbook_rebalance_saved_notional_total",] == pytest.approx(float(saved))
    assert found["fillbook_plan_states_total", ("kind", "rebalance"), ("state", "done")] == 1


def test_no_label_has_a_symbol_or_an_id(served):
    bench = served.bench
    samples(served)
    bench.desk.buy("AAPL", qty=1, strategy="s")
    bench.resting()
    bench.pass_(60)
    for name, *labels in samples(served):
        for label, value in labels:
            assert label == "le" or value in LABELS[label], (name, label, value)


def test_metrics_are_for_who_sees_the_account():
    served = Served()
    assert served.get("/metrics").status == 401
    assert served.get("/metrics", served.token("read", strategies=["s"])).status == 403
    assert served.get("/metrics", served.token("read", "account")).status == 200


def test_without_prometheus_client_there_are_none(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(metrics, "import_module", missing)
    served = Served(allow=(), anonymous=True)
    answer = served.get("/metrics")
    assert (answer.status, "fillbook[prometheus]" in answer.json["detail"]) == (404, True)


# -- the files of docs/monitoring ---------------------------------------------------------


@pytest.fixture(scope="module")
def known():
    """The names of every metric, from a record in which each of them has a value."""
    served = Served(allow=(), anonymous=True)
    served.bench.pass_(60)
    names = {name for name, *_ in samples(served)}
    return (
        names
        | set(GAUGES)
        | {"fillbook_plans", "fillbook_orders_total"}
        | {
            "fillbook_requests_total",
            "fillbook_alerts_total",
        }
    )


def expressions():
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text("utf-8"))
    board = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule.keys() >= {"alert", "expr", "labels", "annotations"}
            assert rule["labels"]["severity"] in set(m.Severity)
            yield rule["expr"]
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_the_board_and_the_rules_name_metrics_that_there_are(known):
    found = list(expressions())
    assert len(found) > 30
    named = {name for text in found for name in re.findall(r"fillbook_\w+", text)}
    assert named - known == set()
    assert {x for x in GAUGES if x not in named} <= {"fillbook_missed_snapshots"}


def test_the_rules_are_accepted_by_promtool():
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool (of Debian's prometheus) is not installed")
    done = subprocess.run([tool, "check", "rules", MONITORING / "rules.yml"], check=False)
    assert done.returncode == 0


def parsed(words):
    """The command that the command line understands in *words*."""
    command, bound, _ = make_app().parse_args(words, exit_on_error=False, print_error=False)
    return command.__name__, bound.arguments


def test_the_dockerfile_starts_the_service_as_another_user():
    text = (MONITORING / "Dockerfile").read_text("utf-8")
    lines = [x for x in text.splitlines() if x and not x.startswith("#")]
    steps = [x.split(" ", 1) for x in lines]
    allowed = {"FROM", "RUN", "COPY", "USER", "WORKDIR", "VOLUME", "EXPOSE", "ENV"}
    assert {x for x, _ in steps} == allowed | {"HEALTHCHECK", "ENTRYPOINT", "CMD"}
    last = dict(steps)
    assert last["USER"] == "fillbook"
    assert json.loads(last["ENTRYPOINT"]) == ["fillbook"]
    name, arguments = parsed(json.loads(last["CMD"]))
    assert (name, arguments["behind_tls"], arguments["host"]) == (
        "serve",
        True,
        ("localhost:8000",),
    )


def test_the_unit_of_systemd_starts_the_service():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string((MONITORING / "fillbook.service").read_text("utf-8"))
    assert {"Unit", "Service", "Install"} == set(unit.sections())
    words = shlex.split(unit["Service"]["ExecStart"])
    name, arguments = parsed(words[1:])
    assert (Path(words[0]).name, name) == ("fillbook", "serve")
    assert arguments["store"].startswith("sqlite:////")
    assert unit["Service"]["Restart"] == "always"
