"""Access tokens: their secret is not stored, and they end by time or by hand."""

from datetime import timedelta

import pytest

from fillbook import errors
from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.desk.access import tokens
from fillbook.desk.record.recorder import Recorder
from fillbook.model.account.token import Scope, Token
from fillbook.stores.memory import MemoryStore
from tests.bench import MONDAY_10


@pytest.fixture
def clock():
    return ManualClock(MONDAY_10)


@pytest.fixture
def recorder(clock):
    return Recorder(MemoryStore(), clock)


def found(recorder, text):
    with recorder.store.read() as reader:
        return tokens.authenticate(reader, text, recorder.now())


def test_a_token_is_found_by_its_text_and_its_secret_is_not_stored(recorder):
    token, text = tokens.Tokens(recorder).create(["read"], ["trend"])
    assert found(recorder, text) == token
    secret = text.split("_", 2)[2]
    assert len(secret) == 43
    with recorder.store.read() as reader:
        assert secret not in repr(list(reader.journal())) + repr(reader.all(Token))


def test_another_text_is_no_token(recorder):
    _, text = tokens.Tokens(recorder).create(["read"], ["trend"])
    for wrong in ("", text[:-1], text[:-1] + "!", text + "x", text.replace("fbk_", "fbk_0"), "é"):
        assert found(recorder, wrong) is None
    other = text[:-2] + ("AA" if not text.endswith("AA") else "BB")
    assert found(recorder, other) is None


def test_a_token_ends_with_its_days(recorder, clock):
    _, text = tokens.Tokens(recorder).create(["read"], ["trend"], days=1)
    clock.advance(timedelta(days=1).total_seconds() - 1)
    assert found(recorder, text) is not None
    clock.advance(1)
    assert found(recorder, text) is None


def test_a_revoked_token_is_none_and_stays_in_the_journal(recorder):
    made = tokens.Tokens(recorder)
    token, text = made.create(["read", "account"])
    assert made.revoke(token.token_id).revoked_at is not None
    made.revoke(token.token_id)
    assert found(recorder, text) is None
    with recorder.store.read() as reader:
        assert [type(x.entry).__name__ for x in reader.journal()] == [
            "TokenCreated",
            "TokenRevoked",
        ]
    with pytest.raises(errors.InvalidValue, match="there is no token"):
        made.revoke("0123456789ab")


@pytest.mark.parametrize(
    ("scopes", "strategies", "days"),
    [([], ["s"], 90), (["trade"], ["s"], 90), (["read"], [], 90), (["read"], ["s"], 0)],
)
def test_a_token_that_means_nothing_is_not_created(recorder, scopes, strategies, days):
    with pytest.raises(errors.InvalidValue):
        tokens.Tokens(recorder).create(scopes, strategies, days)
    assert tokens.Tokens(recorder).all() == []


def test_a_token_sees_its_strategies_and_with_the_scope_account_all():
    at = m.timestamp(MONDAY_10)
    make = {"token_id": "a", "digest": "", "created_at": at, "expires_at": at}
    team = Token(scopes=(Scope.READ,), strategies=("trend",), **make)
    assert [team.sees(x) for x in ("trend", "other", None)] == [True, False, False]
    assert Token(scopes=(Scope.READ, Scope.ACCOUNT), **make).sees(None)
