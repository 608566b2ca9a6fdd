"""Log records as JSON, and where the command line writes them."""

import json
import logging

import pytest

from fillbook import errors, logs
from fillbook.alerts import to_log
from fillbook.model.alert import Alert, AlertKind


@pytest.fixture
def log():
    found = logging.getLogger("fillbook")
    before = found.handlers, found.level
    yield found
    found.handlers, found.level = before


def test_a_record_is_one_line_with_its_fields(log, capsys):
    logs.configure({"FILLBOOK_LOG": "json"})
    to_log(Alert(AlertKind.STUCK, "fb-1", "it waits\nfor a reply"))
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("a tick failed", extra={"attempt": 3, "path": ("a", 1)})
    alert, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert (alert["level"], alert["alert"], alert["about"]) == ("warning", "stuck", "fb-1")
    assert (alert["severity"], alert["resolved"]) == ("warning", False)
    assert alert["message"].startswith("stuck (fb-1): it waits")
    assert alert["at"].endswith("+00:00")
    assert (failed["attempt"], failed["path"]) == (3, "('a', 1)")
    assert "ValueError: no" in failed["exception"]


def test_a_second_call_replaces_the_first(log, capsys):
    for _ in range(2):
        logs.configure({"FILLBOOK_LOG": "text"})
    log.info("once")
    assert capsys.readouterr().err == "once\n"


def test_without_a_setting_nothing_is_configured(log):
    before = list(log.handlers)
    logs.configure({})
    assert log.handlers == before


def test_another_word_is_refused():
    with pytest.raises(errors.InvalidValue, match="text or json"):
        logs.configure({"FILLBOOK_LOG": "xml"})
