"""`fillbook serve` and `fillbook token`."""

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from fillbook import errors
from fillbook.stores.sqlite import SqliteStore
from fillbook.web.server import Address
from tests.bench import Bench
from tests.cli.line import told


@pytest.fixture
def record():
    with closing(SqliteStore(Path("bot.db"))) as store:
        Bench(store=store)
    return "sqlite:///bot.db"


def test_a_token_is_created_listed_and_revoked(record, capsys):
    code, out, _ = told(
        capsys, "token", "create", "read", "cancel", "--strategy", "trend", "--store", record
    )
    text = out.splitlines()[-1]
    assert (code, text[:4], len(text)) == (0, "fbk_", 60)
    _, out, _ = told(capsys, "token", "list", "--store", record, "--json")
    (token,) = json.loads(out)
    assert (token["scopes"], token["strategies"]) == (["read", "cancel"], ["trend"])
    assert text.split("_", 2)[2] not in out
    assert token["digest"] == ""
    code, out, _ = told(capsys, "token", "revoke", token["token_id"], "--store", record)
    assert (code, token["token_id"] in out) == (0, True)
    assert told(capsys, "token", "revoke", "nothing", "--store", record)[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("token", "create", "trade", "--strategy", "s"),
        ("token", "create", "read"),
        ("token", "create", "read", "account", "--days", "0"),
        ("serve", "--listen", "0.0.0.0"),
        ("serve", "--allow", "read"),
    ],
)
def test_a_wrong_call_is_refused(record, capsys, words):
    assert told(capsys, *words, "--store", record)[0] == 2


def test_only_this_machine_is_served_without_tls():
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"):
        Address(host=host).check()
    for host in ("0.0.0.0", "::", "192.168.1.4", "desk.example"):
        Address(host=host, behind_tls=True).check()
        with pytest.raises(errors.InvalidValue, match="--behind-tls"):
            Address(host=host).check()


def test_serving_needs_a_record(capsys):
    code, _, err = told(capsys, "serve")
    assert (code, "there is no record" in err) == (2, True)


@pytest.mark.parametrize("allow", [(), ("--allow", "cancel", "halt")])
def test_a_service_runs_until_it_is_told_to_end(record, allow):
    """As a process; with --allow it makes a token that only its owner can read."""
    words = [Path(sys.executable).with_name("fillbook"), "serve", "--store", record, "--port", "0"]
    with subprocess.Popen([*words, *allow], stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stderr.readline() for _ in range(2 if allow else 1)]
            answered(lines[-1].split()[2], allow)
        finally:
            process.terminate()
        assert process.wait(60) in (0, -15, 143)


def answered(url, allow):
    request = urllib.request.Request(f"{url}api/v1/accounts/main/status")
    if allow:
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(request, timeout=60)
        refused.value.close()
        assert stat.S_IMODE(os.stat("fillbook.token").st_mode) == 0o600
        text = Path("fillbook.token").read_text("ascii").strip()
        request.add_header("Authorization", f"Bearer {text}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["account"]["broker"] == "sim"  # its snapshot is long ago


def test_the_service_is_imported_only_when_it_is_used():
    script = "import sys, fillbook, fillbook.cli.commands; print('starlette' in sys.modules)"
    told_ = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told_.stdout == "False\n"
