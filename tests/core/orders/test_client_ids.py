"""The client order ids, and the strategy that one shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core.orders import client_ids

ACCOUNT = m.AccountId("sim", "local", "1")


@given(st.text(max_size=40), st.text(max_size=20))
def test_the_id_of_a_key_is_always_the_same_and_shows_its_strategy(strategy, key):
    name = client_ids.of_key(ACCOUNT, strategy, key)
    assert name == client_ids.of_key(ACCOUNT, strategy, key)
    assert len(name) <= 60
    tag = client_ids.tag_of(name)
    assert client_ids.with_suffix(tag, name[-32:]) == name
    assert client_ids.tag_of(f"{name}.r2") == tag


@pytest.mark.parametrize("name", ["fb-" + "0" * 32, "mine", "fb-trend", "9c9418be-9a2d-4bea-91dc"])
def test_an_id_without_a_strategy_shows_none(name):
    assert client_ids.tag_of(name) is None
