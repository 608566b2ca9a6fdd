"""Hosts are compared exactly, and keys are never shown."""

from pathlib import Path

import pytest

from fillbook.brokers.alpaca import credentials
from fillbook.errors import BadAddress, CredentialsMissing, FillbookError

SECRET = "s3cr3t-of-the-test"


@pytest.mark.parametrize(
    ("url", "paper", "host", "live"),
    [
        (None, True, "paper-api.alpaca.markets", False),
        (None, False, "api.alpaca.markets", True),
        ("https://paper-api.alpaca.markets/", True, "paper-api.alpaca.markets", False),
        ("https://api.alpaca.markets", False, "api.alpaca.markets", True),
        ("http://127.0.0.1:8080", True, "127.0.0.1:8080", False),
        ("http://localhost:8080", True, "localhost:8080", False),
        ("http://[::1]:8080", True, "[::1]:8080", False),
    ],
)
def test_places(url: str | None, paper: bool, host: str, live: bool) -> None:
    found = credentials.endpoints(url, paper=paper)
    assert (host, live) == (found.host, found.live)
    assert found.stream_url == found.url.replace("http", "ws") + "/stream"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets.example.com",
        "https://example.com/api.alpaca.markets",
        "http://api.alpaca.markets",
        "http://paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets:8443",
        "https://user@paper-api.alpaca.markets",
        f"https://{SECRET}@example.com",
        "https://broker-api.alpaca.markets",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1:port",
        "http://[::1",
        "ftp://127.0.0.1",
        "https://paper-api.alpaca.markets/v2",
        "127.0.0.1:8080",
    ],
)
def test_other_hosts_are_refused_without_showing_credentials_in_the_url(url: str) -> None:
    with pytest.raises(BadAddress) as caught:
        credentials.endpoints(url)
    assert SECRET not in str(caught.value)


def test_live_money_has_to_be_meant() -> None:
    with pytest.raises(BadAddress, match="paper=False"):
        credentials.endpoints("https://api.alpaca.markets", paper=True)


def test_a_stream_is_on_the_host_of_its_account() -> None:
    with pytest.raises(BadAddress):
        credentials.endpoints("http://127.0.0.1:1", stream_url="wss://api.alpaca.markets/stream")
    assert (
        credentials.endpoints("http://127.0.0.1:1", stream_url="ws://127.0.0.1:2/s").stream_url
        == "ws://127.0.0.1:2/s"
    )


def test_the_first_complete_pair_wins() -> None:
    both = {
        "ALPACA_API_KEY": "half",
        "APCA_API_KEY_ID": "key",
        "APCA_API_SECRET_KEY": SECRET,
    }
    assert (
        credentials.credentials_from(both).api_key,
        credentials.credentials_from(both).secret_key,
    ) == (
        "key",
        SECRET,
    )
    whole = both | {"ALPACA_SECRET_KEY": "first"}
    assert (
        credentials.credentials_from(whole).api_key,
        credentials.credentials_from(whole).secret_key,
    ) == ("half", "first")


def test_keys_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    env = {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY_FILE": str(tmp_path / "secret")}
    assert credentials.credentials_from(env).secret_key == SECRET


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"ALPACA_API_KEY": "key"},
        {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY": "  "},
        {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY_FILE": "/nowhere/at/all"},
        {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY": f"{SECRET}\r\nX: y"},
    ],
)
def test_the_error_of_missing_keys_names_the_variables_and_shows_no_key(
    env: dict[str, str],
) -> None:
    with pytest.raises(CredentialsMissing) as caught:
        credentials.credentials_from(env)
    assert SECRET not in str(caught.value)
    assert "ALPACA" in str(caught.value) or "Alpaca" in str(caught.value)


def test_keys_have_no_repr() -> None:
    assert SECRET not in repr(credentials.Credentials("key", SECRET))
    assert "key" not in repr(credentials.Credentials("key", SECRET)).lower().replace(
        "credentials(", ""
    )


def test_every_refusal_is_ours() -> None:
    assert issubclass(BadAddress, FillbookError)
    assert issubclass(CredentialsMissing, FillbookError)
