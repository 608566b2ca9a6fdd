"""One request over a session that reads the settings of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from fillbook.brokers.wire.http import Received, request_once

from .canned import Answer, Canned


def test_a_netrc_file_does_not_replace_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is its password sent to a broker; its default entry is for every host."""
    file = tmp_path / "netrc"
    file.write_text("default login me password hunter2hunter2\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    with Canned(Answer(body={})) as server, requests.Session() as session:
        assert session.trust_env
        reply = request_once(
            session,
            "GET",
            f"{server.url}/accounts",
            query=None,
            body=None,
            headers={"Authorization": "Bearer token"},
            timeouts=(5.0, 20.0),
            name="GET /accounts",
        )
        assert isinstance(reply, Received)
        assert server.asked[0].headers["authorization"] == "Bearer token"
